//! Letters that are spelled out: "S M I T H", "B as in boy", "M for mother", "double t", "Sierra
//! Mike India", capitals that the recogniser joined ("SMITH"), and the words that it takes a
//! letter's name for ("tea", "are").

use std::ops::Range;

use super::token::{Token, TokenKind, correction, is_filler, starts_with};

/// How sure it is that a letter was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A letter by itself, or one that was explained ("B as in boy").
    Letter,
    /// A word of the radio alphabet.
    Radio,
    /// Capitals in one word.
    Capitals,
    /// A word that sounds like the letter's name.
    SoundsLike,
}

/// One unit of spelling. Not `Debug`: it holds what a caller said.
pub(super) struct Spelt {
    /// Lower case.
    pub letters: String,
    /// The place after.
    pub end: usize,
    pub form: Form,
}

/// Letters that were spelled one after the other. Not `Debug`: it holds what a caller said.
pub(super) struct Spelling {
    /// Lower case, with the apostrophes and hyphens that were said.
    pub letters: String,
    /// Tokens.
    pub place: Range<usize>,
}

/// Letters that are heard for each other on a telephone line, by the vowel of their names.
const ALIKE: [&str; 6] = ["bcdegptvz", "ajkh", "fsx", "mn", "iy", "quw"];

/// Whether one letter's name may be heard as the other's.
pub(super) fn alike(a: char, b: char) -> bool {
    a == b || ALIKE.iter().any(|class| class.contains(a) && class.contains(b))
}

/// The unit of spelling at `at`, if the words there can be one. `text` is what the tokens are of.
pub(super) fn spelt(text: &str, tokens: &[Token<'_>], at: usize) -> Option<Spelt> {
    if let Some(found) = repeated(tokens, at) {
        return Some(found);
    }
    let token = tokens.get(at).filter(|token| token.kind == TokenKind::Word)?;
    if let Some((letter, form)) = letter_name(&token.word) {
        return Some(match explained(tokens, at + 1, letter) {
            Some((letter, end)) => Spelt { letters: letter.to_string(), end, form: Form::Letter },
            None => Spelt { letters: letter.to_string(), end: at + 1, form },
        });
    }
    if let Some(letter) = radio(&token.word) {
        return Some(Spelt { letters: letter.to_string(), end: at + 1, form: Form::Radio });
    }
    let is_joined = is_capitals(text, token) && !token.is("ok");
    is_joined.then(|| Spelt { letters: token.word.clone(), end: at + 1, form: Form::Capitals })
}

/// Two capitals or more and nothing else.
fn is_capitals(text: &str, token: &Token<'_>) -> bool {
    text.get(token.span.clone())
        .is_some_and(|word| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_uppercase()))
}

/// All runs of spelled letters in an utterance.
pub(super) fn spellings(text: &str, tokens: &[Token<'_>]) -> Vec<Spelling> {
    // "MY NAME IS SMITH" spells nothing.
    let capitals = tokens.iter().filter(|token| is_capitals(text, token)).count();
    let is_shouted = capitals > 1 && !text.chars().any(char::is_lowercase);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match spelling_at(text, tokens, at, is_shouted) {
            Some(spelling) => {
                at = spelling.place.end.max(at + 1);
                found.push(spelling);
            }
            None => at += 1,
        }
    }
    found
}

fn spelling_at(
    text: &str,
    tokens: &[Token<'_>],
    start: usize,
    is_shouted: bool,
) -> Option<Spelling> {
    let mut letters = String::new();
    let mut forms = Vec::new();
    // Marks count only with a letter behind them.
    let mut marks = String::new();
    let mut end = start;
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        if correction(tokens, at).is_some() {
            break;
        }
        if let Some(mark) = between(&token.word).filter(|_| !letters.is_empty()) {
            marks.push_str(mark);
            at += 1;
            continue;
        }
        let Some(unit) = spelt(text, tokens, at) else { break };
        let belongs = match unit.form {
            Form::Letter | Form::Radio => true,
            Form::Capitals => !is_shouted,
            Form::SoundsLike => is_letter_here(tokens, at, letters.is_empty()),
        };
        if !belongs || (unit.end == at + 1 && begins_a_sentence(tokens, at, start)) {
            break;
        }
        letters.push_str(&std::mem::take(&mut marks));
        letters.push_str(&unit.letters);
        forms.push(unit.form);
        end = unit.end;
        at = unit.end;
    }
    is_spelling(&letters, &forms).then_some(Spelling { letters, place: start..end })
}

/// "S M I T H, I lost my card": the "I" is set apart from letters that are not.
fn begins_a_sentence(tokens: &[Token<'_>], at: usize, start: usize) -> bool {
    let next_is_word = tokens.get(at + 1).is_some_and(|next| {
        letter_name(&next.word).is_none() && between(&next.word).is_none() && !next.is("double")
    });
    at > start + 1
        && tokens[at].is_any(&["i", "a"])
        && tokens[at].is_set_apart()
        && !tokens[at - 1].is_set_apart()
        && next_is_word
}

/// Whether these letters are a spelling, and not words that happen to be short.
fn is_spelling(letters: &str, forms: &[Form]) -> bool {
    let count = |form: Form| forms.iter().filter(|other| **other == form).count();
    let single = count(Form::Letter);
    // "I" and "a" are words.
    let telling = letters.len() >= 3 || letters.contains(|c: char| !matches!(c, 'a' | 'i'));
    let by_radio = count(Form::Radio);
    (telling && single >= 2)
        || (letters.len() >= 3 && single + by_radio >= 3)
        || (letters.len() >= 3 && single >= 1 && by_radio >= 1)
        || count(Form::Capitals) >= 1
}

/// What a word between two letters adds to the spelling.
fn between(word: &str) -> Option<&'static str> {
    match word {
        "apostrophe" => Some("'"),
        "hyphen" | "dash" => Some("-"),
        "capital" | "uppercase" | "lowercase" | "letter" | "then" | "and" => Some(""),
        word if is_filler(word) => Some(""),
        _ => None,
    }
}

/// "You" and "see" are letters only in the middle of a spelling, or as its very last word.
fn is_letter_here(tokens: &[Token<'_>], at: usize, is_first: bool) -> bool {
    const WORDS: &[&str] = &["be", "see", "sea", "are", "you", "why", "oh"];
    if !tokens[at].is_any(WORDS) {
        return true;
    }
    let next = tokens.get(at + 1);
    if is_first {
        return tokens[at].is("oh") && next.is_some_and(|next| next.is("apostrophe"));
    }
    next.is_none_or(|next| letter_name(&next.word).is_some() || next.is("double"))
}

/// "Double t", "double u".
fn repeated(tokens: &[Token<'_>], at: usize) -> Option<Spelt> {
    let times = match tokens.get(at)?.word.as_str() {
        "double" => 2,
        "triple" | "treble" => 3,
        _ => return None,
    };
    let next = tokens.get(at + 1)?;
    let (letter, times) = match letter_name(&next.word)?.0 {
        'u' if times == 2 => ('w', 1),
        letter => (letter, times),
    };
    let (letter, end) = explained(tokens, at + 2, letter).unwrap_or((letter, at + 2));
    Some(Spelt { letters: letter.to_string().repeat(times), end, form: Form::Letter })
}

/// "... as in boy" behind a letter: the letter that is meant, and the place after. The word is
/// heard better than the letter.
fn explained(tokens: &[Token<'_>], at: usize, letter: char) -> Option<(char, usize)> {
    const WORD_LEN_MIN: usize = 3;
    // The words that lead to the explaining word, and whether they can mean nothing else.
    const LEADS: &[(&[&str], bool)] = &[
        (&["as", "in", "the", "word"], true),
        (&["as", "in"], true),
        (&["is", "in"], true),
        (&["like", "in"], true),
        (&["like"], false),
        (&["for"], false),
        (&["four"], false),
        (&["as"], false),
    ];
    if letter == 'x' && tokens.get(at).is_some_and(|token| token.is("ray")) {
        return Some(('x', at + 1));
    }
    let (lead, certain) = LEADS.iter().find(|(lead, _)| starts_with(tokens, at, lead))?;
    let word_at = at + lead.len();
    let word = &tokens.get(word_at).filter(|token| token.kind == TokenKind::Word)?.word;
    let first = word.chars().next()?;
    if word.chars().count() < WORD_LEN_MIN {
        return None;
    }
    if alike(letter, first) {
        return Some((first, word_at + 1));
    }
    certain.then_some((letter, word_at + 1))
}

/// The letter that a word is, or whose name it sounds like.
fn letter_name(word: &str) -> Option<(char, Form)> {
    let mut chars = word.chars();
    if let (Some(letter), None) = (chars.next(), chars.next()) {
        return letter.is_ascii_lowercase().then_some((letter, Form::Letter));
    }
    let letter = match word {
        "ay" => 'a',
        "bee" | "be" => 'b',
        "see" | "sea" | "cee" => 'c',
        "dee" => 'd',
        "eff" | "ef" => 'f',
        "gee" | "jee" => 'g',
        "aitch" | "haitch" => 'h',
        "eye" => 'i',
        "jay" => 'j',
        "kay" => 'k',
        "el" | "ell" => 'l',
        "em" => 'm',
        "en" => 'n',
        "oh" => 'o',
        "pea" | "pee" => 'p',
        "cue" | "queue" => 'q',
        "ar" | "are" => 'r',
        "es" | "ess" => 's',
        "tea" | "tee" => 't',
        "you" | "yu" => 'u',
        "vee" => 'v',
        "ex" => 'x',
        "why" | "wye" => 'y',
        "zed" | "zee" => 'z',
        _ => return None,
    };
    Some((letter, Form::SoundsLike))
}

/// The letter of a word of the radio alphabet.
fn radio(word: &str) -> Option<char> {
    const WORDS: &[&str] = &[
        "alfa", "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india",
        "juliet", "juliett", "kilo", "lima", "mike", "november", "oscar", "papa", "quebec",
        "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "whisky", "xray", "yankee",
        "zulu",
    ];
    word.chars().next().filter(|_| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        spellings(text, &tokens(text)).into_iter().map(|spelling| spelling.letters).collect()
    }

    #[test]
    fn hears_spelled_letters() {
        let table: &[(&str, &[&str])] = &[
            ("S M I T H", &["smith"]),
            ("S-M-I-T-H.", &["smith"]),
            ("S, M, I, T, H", &["smith"]),
            ("S. M. I. T. H.", &["smith"]),
            ("Smith, S M I T H", &["smith"]),
            ("it's s m i t h please", &["smith"]),
            ("SMITH", &["smith"]),
            ("S-M-ITH", &["smith"]),
            ("Smith, that's SMITH.", &["smith"]),
            ("MY NAME IS SMITH", &[]),
            ("B as in boy, O, B as in boy", &["bob"]),
            ("D as in boy O B", &["bob"]),
            ("M for mother A Y", &["may"]),
            ("N as in Nancy G", &["ng"]),
            ("K as in cat, A, Y", &["kay"]),
            ("W H I double T A K E R", &["whittaker"]),
            ("B R O double U N", &["brown"]),
            ("double-u o o d", &["wood"]),
            ("triple A", &[]),
            ("sierra mike india tango hotel", &["smith"]),
            ("Sierra M India T H", &["smith"]),
            ("X-ray A V I", &["xavi"]),
            ("Mike", &[]),
            ("Oscar Mike", &[]),
            ("H A R P E are", &["harper"]),
            ("S tea E V E", &["steve"]),
            ("O apostrophe B R I E N", &["o'brien"]),
            ("M A R Y hyphen A double N", &["mary-ann"]),
            ("S M, um, I T and H", &["smith"]),
            ("S M I T H I mean S M Y T H", &["smith", "smyth"]),
            ("J O H N space S M I T H", &["john", "smith"]),
            ("S-M-I-T-H. I lost my card", &["smith"]),
            ("N, A, O, M, I please", &["naomi"]),
            ("I see", &[]),
            ("you see, S M I T H, you know", &["smith"]),
            ("OK", &[]),
            ("I want a card", &[]),
            ("are you a person", &[]),
            ("", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(spelled(text), *expected, "{text}");
        }
    }

    #[test]
    fn letters_that_sound_alike() {
        for (a, b) in [('b', 'p'), ('d', 'v'), ('m', 'n'), ('f', 's'), ('a', 'k'), ('i', 'y')] {
            assert!(alike(a, b) && alike(b, a), "{a} {b}");
        }
        for (a, b) in [('b', 'f'), ('m', 's'), ('o', 'r'), ('l', 'o')] {
            assert!(!alike(a, b), "{a} {b}");
        }
    }
}
