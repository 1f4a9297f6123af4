//! One letter of a name put right: "with a K", "S as in Sam", "double t", "it ends with a Y". What
//! was read back stays but for the letter that the caller names.
//!
//! Of two letters that may be meant neither is guessed: the name is spelled instead.

use super::letters::{Form, alike, spelt};
use super::name::{capitalised, is_valid};
use super::nearest::likeness;
use super::token::{Token, TokenKind, is_filler, tokens};
use crate::base::Pii;

/// A said word this like a word of the name is that word.
const SAME_WORD: f32 = 0.5;

/// Letters that are written for the same sound.
const WRITTEN_ALIKE: [&str; 5] = ["ckq", "scz", "iy", "gj", "vw"];

/// Words around a letter that change nothing.
const HARMLESS: &[&str] = &[
    "no", "nope", "nah", "it", "it's", "its", "is", "that", "that's", "with", "a", "an", "the",
    "but", "just", "only", "name", "letter", "letters", "by", "not", "instead", "of", "rather",
    "than", "spelled", "spelt", "spell", "at", "in", "i", "said", "mean", "meant", "please",
    "sorry", "actually", "there", "should", "be", "has", "have", "my", "capital", "yes", "yeah",
    "okay", "ok", "written", "goes", "and", "one",
];

/// The name with the letter put right that the caller says is wrong; `None` if the words put no
/// letter of it right, or do not tell which.
pub(super) fn patch(name: &str, text: &str) -> Option<Pii<String>> {
    let parts: Vec<String> = name.split(' ').map(str::to_lowercase).collect();
    let tokens = tokens(text);
    let heard = hear(text, &tokens, &parts)?;
    let base = with_word(&parts, heard.word.as_deref());
    let changed = changed(&base, &heard, base != parts.join(" "))?;
    let value = changed.split(' ').map(capitalised).collect::<Vec<_>>().join(" ");
    (is_valid(&value) && value != name).then(|| Pii::new(value))
}

/// Whether the words tell of one letter and say nothing else: no name of their own, and no spelling
/// of one.
pub fn is_about_a_letter(text: &str) -> bool {
    hear(text, &tokens(text), &[]).is_some_and(|heard| {
        let named = heard.mentions.iter().filter(|mention| !mention.negated).count();
        named + heard.counts.len() == 1
    })
}

/// A letter that was named. Not `Debug`: it holds what a caller said.
struct Mention {
    /// Lower case; two for "a PH".
    letters: String,
    /// "As in Sam".
    explained: bool,
    /// "Not a C".
    negated: bool,
}

/// Where in the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Anywhere,
    Start,
    End,
}

/// What was said about the letters of a name. Not `Debug`: it holds what a caller said.
struct Heard {
    mentions: Vec<Mention>,
    /// "Two Ts", "only one T".
    counts: Vec<(char, usize)>,
    spot: Spot,
    /// The name as it was said this time.
    word: Option<String>,
}

/// Reads the words; `None` if some of them are about something else.
fn hear(text: &str, tokens: &[Token<'_>], parts: &[String]) -> Option<Heard> {
    let mut heard =
        Heard { mentions: Vec::new(), counts: Vec::new(), spot: Spot::Anywhere, word: None };
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some((letter, count, end)) = counted(text, tokens, at) {
            heard.counts.push((letter, count));
            at = end;
            continue;
        }
        if let Some((mention, end)) = mention(text, tokens, at) {
            heard.mentions.push(mention);
            at = end;
            continue;
        }
        let next_is_letter =
            tokens.get(at + 1).is_some_and(|next| next.is_any(&["letter", "one", "is"]));
        match token.word.as_str() {
            "starts" | "start" | "starting" | "begins" | "beginning" | "front" => {
                heard.spot = Spot::Start;
            }
            "ends" | "end" | "ending" => heard.spot = Spot::End,
            "first" if next_is_letter => heard.spot = Spot::Start,
            "last" if next_is_letter => heard.spot = Spot::End,
            word if HARMLESS.contains(&word) || is_filler(word) => {}
            word if parts.iter().any(|part| likeness(word, part) >= SAME_WORD) => {
                heard.word = Some(word.to_owned());
            }
            _ => return None,
        }
        at += 1;
    }
    Some(heard)
}

/// "Double t", "two Ts", "only one T": which letter, how often, and the place after.
fn counted(text: &str, tokens: &[Token<'_>], at: usize) -> Option<(char, usize, usize)> {
    let token = tokens.get(at)?;
    if token.is_any(&["double", "triple"]) {
        let unit = spelt(text, tokens, at)?;
        let letter = unit.letters.chars().next()?;
        // "Double u" is a letter of its own.
        let count = unit.letters.chars().count();
        return (count > 1).then_some((letter, count, unit.end));
    }
    let count = match token.word.as_str() {
        "two" | "2" => 2,
        "one" | "1" | "single" => 1,
        _ => return None,
    };
    let next = tokens.get(at + 1).filter(|next| next.kind == TokenKind::Word)?;
    Some((named_letter(&next.word)?, count, at + 2))
}

/// "T", "t's", "ts".
fn named_letter(word: &str) -> Option<char> {
    // Words of their own.
    if matches!(word, "is" | "as" | "us") {
        return None;
    }
    let plural = word.strip_suffix("'s").or_else(|| word.strip_suffix('s'));
    let letter = if word.len() > 1 { plural? } else { word };
    let mut chars = letter.chars();
    match (chars.next(), chars.next()) {
        (Some(letter), None) if letter.is_ascii_lowercase() => Some(letter),
        _ => None,
    }
}

/// The letter that is named at `at`, and the place after. Words that only sound like a letter, and
/// the words "a" and "I", need something before them that announces a letter.
fn mention(text: &str, tokens: &[Token<'_>], at: usize) -> Option<(Mention, usize)> {
    let unit = spelt(text, tokens, at)?;
    let explained = unit.end > at + 1 && !tokens[at].is("double");
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let announced = |words: &[&str]| explained || before.is_some_and(|before| before.is_any(words));
    let is_named = match unit.form {
        Form::Letter => !tokens[at].is_any(&["a", "i"]) || announced(&["an", "letter"]),
        Form::SoundsLike => announced(&["a", "an", "letter"]),
        Form::Capitals => unit.letters.len() == 2 && announced(&["a", "with"]),
        Form::Radio => false,
    };
    let lead = (0..at).rev().find(|i| !tokens[*i].is_any(&["a", "an", "the", "with"]));
    let negated = lead.is_some_and(|lead| {
        tokens[lead].is_any(&["not", "than"])
            || (tokens[lead].is("of") && lead > 0 && tokens[lead - 1].is("instead"))
    });
    is_named.then(|| (Mention { letters: unit.letters.clone(), explained, negated }, unit.end))
}

/// The name with the word in place of the one it is like.
fn with_word(parts: &[String], word: Option<&str>) -> String {
    let Some(word) = word else { return parts.join(" ") };
    let like = |part: &String| likeness(word, part);
    let nearest = (0..parts.len()).max_by(|a, b| like(&parts[*a]).total_cmp(&like(&parts[*b])));
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let Some(nearest) = nearest {
        parts[nearest] = word;
    }
    parts.join(" ")
}

/// The name, in lower case, as it should be. `said_anew`: the caller said it another way this time.
fn changed(name: &str, heard: &Heard, said_anew: bool) -> Option<String> {
    if let [(letter, count)] = heard.counts[..] {
        return if heard.mentions.is_empty() { repeated(name, letter, count) } else { None };
    }
    let (old, new): (Vec<&Mention>, Vec<&Mention>) =
        heard.mentions.iter().partition(|mention| mention.negated);
    match (&old[..], &new[..]) {
        ([old], [new]) if said_anew && name.contains(&new.letters) => {
            (!name.contains(&old.letters)).then(|| name.to_owned())
        }
        ([old], [new]) => replaced_once(name, &old.letters, &new.letters),
        ([], [new]) if said_anew && name.contains(&new.letters) => Some(name.to_owned()),
        ([], [new]) => match heard.spot {
            Spot::Anywhere => by_sound(name, new),
            spot => at_edge(name, spot, &new.letters),
        },
        _ => None,
    }
}

fn replaced_once(name: &str, old: &str, new: &str) -> Option<String> {
    let is_once = name.find(old).is_some_and(|at| name.rfind(old) == Some(at));
    (is_once && old != new).then(|| name.replacen(old, new, 1))
}

/// The one letter that may have been taken for this one: by its sound on the line if it was
/// explained ("S as in Sam"), else by how it is written ("with a K").
fn by_sound(name: &str, mention: &Mention) -> Option<String> {
    let new = mention.letters.as_str();
    if let ("v" | "f", Some(changed)) = (new, replaced_once(name, "ph", new)) {
        return Some(changed);
    }
    let places = |is_like: &dyn Fn(char) -> bool| -> Vec<(usize, char)> {
        name.char_indices().filter(|(_, c)| is_like(*c)).collect()
    };
    let mut letters = new.chars();
    let (letter, more) = (letters.next()?, letters.next().is_some());
    let written = places(&|c| match more {
        true => new == "ph" && matches!(c, 'f' | 'v'),
        false => {
            c != letter
                && WRITTEN_ALIKE.iter().any(|same| same.contains(c) && same.contains(letter))
        }
    });
    let heard =
        places(&|c| !more && c != letter && alike(c, letter) && is_vowel(c) == is_vowel(letter));
    let (first, second) = if mention.explained { (heard, written) } else { (written, heard) };
    match (&first[..], &second[..]) {
        ([(at, old)], _) | ([], [(at, old)]) => {
            Some(format!("{}{new}{}", &name[..*at], &name[at + old.len_utf8()..]))
        }
        _ => None,
    }
}

/// "It starts with a K", "with an E at the end": in place of a letter of its kind, or beside one of
/// the other.
fn at_edge(name: &str, spot: Spot, new: &str) -> Option<String> {
    let letter = new.chars().next().filter(|_| new.len() == 1 && !name.contains(' '))?;
    let mut rest = name.chars();
    let edge = if spot == Spot::Start { rest.next()? } else { rest.next_back()? };
    let kept = if is_vowel(edge) == is_vowel(letter) { rest.as_str() } else { name };
    let changed = match spot {
        Spot::Start => format!("{letter}{kept}"),
        _ => format!("{kept}{letter}"),
    };
    (edge != letter).then_some(changed)
}

/// The one run of this letter, so many times.
fn repeated(name: &str, letter: char, count: usize) -> Option<String> {
    let start = name.find(letter)?;
    let after = &name[start..];
    let len = after.find(|c: char| c != letter).unwrap_or(after.len());
    let end = start + len;
    let is_only = !name[end..].contains(letter);
    // One byte each: the letters that are named are ASCII.
    (is_only && len != count)
        .then(|| format!("{}{}{}", &name[..start], letter.to_string().repeat(count), &name[end..]))
}

const fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn puts_one_letter_right() {
        for (name, text, expected) in [
            ("Catherine", "no, with a K", Some("Katherine")),
            ("Catherine", "No, it's with a K.", Some("Katherine")),
            ("Catherine", "it's Catherine with a K", Some("Katherine")),
            ("Catherine", "it's Katherine with a K", Some("Katherine")),
            ("Catherine", "with a K, not a C", Some("Katherine")),
            ("Catherine", "with a K instead of a C", Some("Katherine")),
            ("Catherine", "it starts with a K", Some("Katherine")),
            ("Catherine", "the first letter is K", Some("Katherine")),
            ("Eric", "no, Eric with a K", Some("Erik")),
            ("Smith", "no, with a Y", Some("Smyth")),
            ("Smith", "Smyth with a Y", Some("Smyth")),
            ("John Smith", "no, Smith with a Y", Some("John Smyth")),
            ("Steven", "with a PH", Some("Stephen")),
            ("Stephen", "no, with a V", Some("Steven")),
            ("Fanders", "no, S as in Sam", Some("Sanders")),
            ("Nora", "M as in Mary", Some("Mora")),
            ("Nora", "no, M as in Mary, not N as in Nancy", Some("Mora")),
            ("Whitaker", "no, double t", Some("Whittaker")),
            ("Whitaker", "with two T's", Some("Whittaker")),
            ("Whittaker", "no, only one T", Some("Whitaker")),
            ("Ann", "with an E at the end", Some("Anne")),
            ("Kelli", "it ends with a Y", Some("Kelly")),
            ("O'Brien", "with a Y", Some("O'Bryen")),
            ("Bob", "no, P as in Peter", None),
            ("Smith", "S as in Sam", None),
            ("Ann", "with a K", None),
            ("Miller", "the last one is R", None),
            ("Smith", "no, S M Y T H", None),
            ("Smith", "no, Jones with a J", None),
            ("Smith", "no", None),
            ("Smith", "yes that's right", None),
            ("Smith", "one moment", None),
            ("Smith", "", None),
        ] {
            let patched = patch(name, text).map(Pii::into_inner);
            assert_eq!(patched.as_deref(), expected, "{name}: {text}");
        }
    }

    #[test]
    fn tells_letters_from_names() {
        for text in ["no, S as in Sam", "with a K", "double t", "only one T"] {
            assert!(is_about_a_letter(text), "{text}");
        }
        for text in ["no, Sam", "no", "Katherine with a K", "S M I T H", "I said no", ""] {
            assert!(!is_about_a_letter(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_words_leave_a_name(
            name in prop::sample::select(vec!["Smith", "John Smith", "O'Brien", "Jos\u{e9}"]),
            words in prop::collection::vec(prop::sample::select(vec![
                "no", "not", "with", "a", "an", "K", "PH", "E", "double", "t", "two", "t's", "one",
                "S", "as", "in", "Sam", "starts", "ends", "at", "the", "end", "smyth", "first",
                "letter", "instead", "of", ",",
            ]), 0..10),
        ) {
            if let Some(patched) = patch(name, &words.join(" ")) {
                prop_assert!(is_valid(patched.expose()));
            }
        }

        #[test]
        fn any_text_is_survived(name in any::<String>(), text in any::<String>()) {
            let _ = patch(&name, &text);
            let _ = patch("Smith", &text);
            let _ = is_about_a_letter(&text);
        }
    }
}
