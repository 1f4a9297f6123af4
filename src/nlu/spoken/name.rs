//! Names of persons: spelled ("Smith, S M I T H", "B as in boy"), or just said.
//!
//! A spelling wins over the word beside it: names are what a recogniser hears worst.

use std::ops::Range;

use super::fill::{Expectation, Found};
use super::letters::{Spelling, spellings};
use super::nearest::likeness;
use super::number::part;
use super::token::{Token, TokenKind, correction, is_filler, starts_with};

/// Words of a name.
const WORDS_MAX: usize = 4;
/// Letters of a name, with what stands between them.
const CHARS_MAX: usize = 60;
/// A said word this like a spelling is the word that was spelled.
const SAME_WORD: f32 = 0.5;

/// What a name is worth that was said and spelled alike, spelled, and only said.
const SAID_AND_SPELLED: f32 = 0.95;
const SPELLED: f32 = 0.88;
const SAID: f32 = 0.6;

/// Whether this is the normal form of a name: words with a capital in front.
pub fn is_valid(value: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(char::is_uppercase)
            && word.ends_with(char::is_alphabetic)
            && word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '-'))
    };
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 2 && value.chars().count() <= CHARS_MAX && value.split(' ').all(is_word)
}

/// Whether some of the words are spelled.
pub fn is_spelled(text: &str) -> bool {
    !spellings(text, &super::token::tokens(text)).is_empty()
}

/// The name in an utterance. One that was not asked for has to be called a name.
pub(super) fn find(text: &str, tokens: &[Token<'_>], expectation: Expectation) -> Vec<Found> {
    let all = 0..tokens.len();
    let place = match expectation {
        Expectation::Asked => Some(all),
        Expectation::Volunteered => named_place(text, tokens),
    };
    let found = place.and_then(|place| {
        let spelled: Vec<Spelling> = spellings(text, tokens)
            .into_iter()
            .filter(|spelling| place.contains(&spelling.place.start))
            .collect();
        let said = said_words(text, tokens, &place, &spelled);
        match spelled.is_empty() {
            true => only_said(tokens, &place, &said),
            false => spelled_out(tokens, &spelled, &said),
        }
    });
    found.filter(|found| is_valid(&found.value)).into_iter().collect()
}

/// A word that may be a name, as the recogniser wrote it. Not `Debug`: a caller said it.
struct Said {
    written: String,
    /// Tokens.
    place: Range<usize>,
}

/// The words in `place` that are neither spelled nor there for the sentence.
fn said_words(
    text: &str,
    tokens: &[Token<'_>],
    place: &Range<usize>,
    spelled: &[Spelling],
) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_spelled = spelled.iter().any(|spelling| spelling.place.contains(&at));
        let is_word = token.kind == TokenKind::Word && token.word.chars().count() > 1;
        if !place.contains(&at) || is_spelled || !is_word || is_filler(&token.word) {
            continue;
        }
        let written = text.get(token.span.clone()).unwrap_or_default().replace('\u{2019}', "'");
        match said.last_mut() {
            // "Mary-Ann", "Smith-Jones".
            Some(before) if before.place.end == at && token.gap == "-" => {
                before.written.push('-');
                before.written.push_str(&written);
                before.place.end = at + 1;
            }
            _ if AROUND.contains(&token.word.as_str()) => {}
            _ => said.push(Said { written, place: at..at + 1 }),
        }
    }
    said
}

/// The spelled words, with a first name said before them.
fn spelled_out(tokens: &[Token<'_>], spelled: &[Spelling], said: &[Said]) -> Option<Found> {
    let corrected = (1..spelled.len()).rfind(|i| {
        let between = spelled[i - 1].place.end..spelled[*i].place.start;
        between.into_iter().any(|at| correction(tokens, at).is_some())
    });
    let spelled = spelled.get(corrected.unwrap_or(0)..)?;
    let mut words: Vec<String> = Vec::new();
    for (i, spelling) in spelled.iter().enumerate() {
        let letters = &spelling.letters;
        let again = words.iter().any(|word| letters_only(word) == letters_only(letters));
        let before = i.checked_sub(1).map_or(0, |before| spelled[before].place.end);
        let begins_word = i == 0 || is_parted(tokens, before..spelling.place.start, said);
        match words.last_mut() {
            _ if again => {}
            // A pause in the middle of a spelling.
            Some(word) if !begins_word => word.push_str(letters),
            _ => words.push(letters.clone()),
        }
    }
    let [word] = &words[..] else {
        let value = words.iter().map(|word| capitalised(word)).collect::<Vec<_>>().join(" ");
        return Some(Found { value, confidence: SPELLED, place: all_places(spelled, &[])? });
    };
    let like = |other: &Said| likeness(word, &other.written);
    let same = (0..said.len())
        .filter(|i| like(&said[*i]) >= SAME_WORD)
        .max_by(|a, b| like(&said[*a]).total_cmp(&like(&said[*b])));
    let Some(same) = same else {
        let value = capitalised(word);
        return Some(Found { value, confidence: SPELLED, place: all_places(spelled, &[])? });
    };
    let is_same = letters_only(&said[same].written) == letters_only(word);
    // Its apostrophes and capitals ("McDonald") are the recogniser's, which knows them.
    let last = if is_same { as_written(&said[same].written) } else { capitalised(word) };
    let first = first_names(tokens, &said[..=same]);
    let names = first.iter().map(|name| as_written(&name.written)).chain([last]);
    Some(Found {
        value: names.collect::<Vec<_>>().join(" "),
        confidence: if is_same { SAID_AND_SPELLED } else { SPELLED },
        place: all_places(spelled, &said[same - first.len()..=same])?,
    })
}

/// Whether the words between two spellings part them: "space", "last name", or the next name.
fn is_parted(tokens: &[Token<'_>], between: Range<usize>, said: &[Said]) -> bool {
    const WORDS: &[&str] = &["space", "first", "middle", "last", "second", "name", "surname"];
    let is_said = |at: usize| said.iter().any(|word| word.place.contains(&at));
    between.into_iter().any(|at| tokens[at].is_any(WORDS) || is_said(at))
}

/// The capitalised words directly before the last of these: "John" of "John Smith".
fn first_names<'a>(tokens: &[Token<'_>], said: &'a [Said]) -> &'a [Said] {
    let Some(last) = said.len().checked_sub(1) else { return &[] };
    let mut first = last;
    while first > 0 && last - first < WORDS_MAX - 2 {
        let (before, this) = (&said[first - 1], &said[first]);
        let joins = before.place.end == this.place.start
            && !tokens[this.place.start].is_set_apart()
            && before.written.starts_with(char::is_uppercase);
        if !joins {
            break;
        }
        first -= 1;
    }
    &said[first..last]
}

/// The words as they were said, if they can be a name.
fn only_said(tokens: &[Token<'_>], place: &Range<usize>, said: &[Said]) -> Option<Found> {
    let refused = |token: &Token<'_>| {
        token.is_figures() || part(&token.word).is_some() || NO_NAMES.contains(&token.word.as_str())
    };
    // "John, no, James".
    let restart = place
        .clone()
        .rev()
        .filter_map(|at| correction(tokens, at))
        .map(|after| said.iter().position(|word| word.place.start >= after).unwrap_or(said.len()))
        .find(|restart| *restart < said.len())
        .unwrap_or(0);
    let kept = said.get(restart..)?;
    let (first, last) = (kept.first()?, kept.last()?);
    if kept.len() > WORDS_MAX || tokens.get(place.clone())?.iter().any(refused) {
        return None;
    }
    let words: Vec<String> = kept.iter().map(|word| as_written(&word.written)).collect();
    let place = first.place.start..last.place.end;
    Some(Found { value: words.join(" "), confidence: SAID, place })
}

/// Where a name stands that nobody asked for: the capitalised words behind "my name is", and
/// their spelling.
fn named_place(text: &str, tokens: &[Token<'_>]) -> Option<Range<usize>> {
    let start = (0..tokens.len()).find_map(|at| {
        [&["name", "is"][..], &["name's"]]
            .into_iter()
            .find(|words| starts_with(tokens, at, words))
            .map(|words| at + words.len())
    })?;
    let is_name = |at: usize| {
        let token = &tokens[at];
        let written = text.get(token.span.clone()).unwrap_or_default();
        let goes_on = at == start || !token.is_set_apart();
        goes_on
            && written.starts_with(char::is_uppercase)
            && written.chars().count() > 1
            && !NO_NAMES.contains(&token.word.as_str())
            && !AROUND.contains(&token.word.as_str())
    };
    let end = (start..tokens.len()).find(|at| !is_name(*at)).unwrap_or(tokens.len());
    let spelling = spellings(text, tokens)
        .into_iter()
        .find(|spelling| (start..=end + 1).contains(&spelling.place.start));
    let end = spelling.map_or(end, |spelling| spelling.place.end.max(end));
    (end > start).then_some(start..end)
}

fn all_places(spelled: &[Spelling], said: &[Said]) -> Option<Range<usize>> {
    let places =
        || spelled.iter().map(|word| &word.place).chain(said.iter().map(|word| &word.place));
    let start = places().map(|place| place.start).min()?;
    let end = places().map(|place| place.end).max()?;
    Some(start..end)
}

fn letters_only(word: &str) -> String {
    word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

/// A word in the writer's own capitals, or else with usual ones.
fn as_written(word: &str) -> String {
    let is_shouted = !word.chars().any(char::is_lowercase);
    let is_capitalised = word.starts_with(char::is_uppercase) && !is_shouted;
    if is_capitalised { word.to_owned() } else { capitalised(word) }
}

/// `o'brien` to `O'Brien`, `mary-ann` to `Mary-Ann`, `mcdonald` to `McDonald`.
pub(super) fn capitalised(word: &str) -> String {
    let lower = word.to_lowercase();
    let mut name = String::new();
    let mut is_start = true;
    for (at, c) in lower.char_indices() {
        let is_after_mc = at == 2 && lower.starts_with("mc") && lower.len() > 4;
        if is_start || is_after_mc {
            name.extend(c.to_uppercase());
        } else {
            name.push(c);
        }
        is_start = matches!(c, '\'' | '-');
    }
    name
}

/// Words around a name that are none.
const AROUND: &[&str] = &[
    "my",
    "name",
    "name's",
    "names",
    "is",
    "it",
    "it's",
    "its",
    "that",
    "that's",
    "the",
    "this",
    "he",
    "he's",
    "she",
    "she's",
    "i",
    "i'm",
    "i'll",
    "am",
    "me",
    "be",
    "would",
    "should",
    "was",
    "here",
    "hi",
    "hello",
    "hey",
    "yes",
    "yeah",
    "yep",
    "yup",
    "sure",
    "okay",
    "ok",
    "oh",
    "so",
    "and",
    "then",
    "please",
    "thanks",
    "thank",
    "you",
    "you'd",
    "spell",
    "spelled",
    "spelt",
    "spelling",
    "first",
    "last",
    "middle",
    "second",
    "surname",
    "family",
    "given",
    "maiden",
    "full",
    "whole",
    "space",
    "in",
    "as",
    "with",
    "by",
    "for",
    "of",
    "to",
    "on",
    "at",
    "under",
    "called",
    "call",
    "goes",
    "mr",
    "mrs",
    "ms",
    "miss",
    "mister",
    "missus",
    "madam",
    "ma'am",
    "sir",
    "dr",
    "doctor",
    "capital",
    "letter",
    "letters",
    "common",
    "usual",
    "normal",
    "way",
    "just",
    "like",
    "sounds",
    "no",
    "nope",
    "not",
    "sorry",
    "oops",
    "actually",
    "mean",
    "meant",
    "wait",
    "make",
    "rather",
    "correction",
    "said",
    "account",
    "holder",
    "double",
    "apostrophe",
    "hyphen",
    "dash",
    "speaking",
    "calling",
    "course",
    "right",
    "correct",
    "also",
    "are",
    "see",
];

/// Words that a sentence has which says no name.
const NO_NAMES: &[&str] = &[
    "don't",
    "can't",
    "cannot",
    "won't",
    "isn't",
    "didn't",
    "know",
    "what",
    "what's",
    "which",
    "why",
    "how",
    "who",
    "when",
    "where",
    "want",
    "wanted",
    "need",
    "can",
    "could",
    "help",
    "hold",
    "repeat",
    "again",
    "nothing",
    "none",
    "never",
    "remember",
    "forgot",
    "understand",
    "hear",
    "question",
    "balance",
    "money",
    "transfer",
    "card",
    "have",
    "has",
    "had",
    "do",
    "does",
    "did",
    "your",
    "we",
    "they",
    "because",
    "problem",
    "something",
    "someone",
    "somebody",
    "anything",
    "agent",
    "representative",
    "operator",
    "human",
    "person",
    "tell",
    "speak",
    "talk",
    "pardon",
    "excuse",
    "minute",
    "moment",
    "matter",
    "important",
    "private",
    "about",
    "there",
    "let",
    "let's",
    "payment",
    "savings",
    "checking",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::token::tokens;
    use super::*;

    fn name(text: &str, expectation: Expectation) -> Option<String> {
        find(text, &tokens(text), expectation).pop().map(|found| found.value)
    }

    #[test]
    fn reads_names() {
        for (text, expected) in [
            ("Smith", Some("Smith")),
            ("smith.", Some("Smith")),
            ("SMITH", Some("Smith")),
            ("S M I T H", Some("Smith")),
            ("S-M-I-T-H.", Some("Smith")),
            ("Smith, S M I T H", Some("Smith")),
            ("Smith. S. M. I. T. H.", Some("Smith")),
            ("It's Smyth, S-M-I-T-H", Some("Smith")),
            ("Smith, that's S M Y T H E", Some("Smythe")),
            ("Smith, SMITH.", Some("Smith")),
            ("my last name is Smith, spelled S M I T H", Some("Smith")),
            ("My name is John Smith.", Some("John Smith")),
            ("John Smith, S M I T H", Some("John Smith")),
            ("John Smyth, S-M-I-T-H.", Some("John Smith")),
            ("first name John, last name Smith", Some("John Smith")),
            ("J O H N space S M I T H", Some("John Smith")),
            ("John, J O H N, Smith, S M I T H", Some("John Smith")),
            ("S M I, uh, T H", Some("Smith")),
            ("S M I T H, no, S M Y T H", Some("Smyth")),
            ("John, no, James", Some("James")),
            ("B as in bravo, O, B as in boy", Some("Bob")),
            ("V as in boy, A, K, E, R", Some("Baker")),
            ("M for mother, A, Y", Some("May")),
            ("N as in Nancy, G", Some("Ng")),
            ("Whittaker, W H I double T A K E R", Some("Whittaker")),
            ("B E double L", Some("Bell")),
            ("double-u O O D", Some("Wood")),
            ("sierra mike india tango hotel", Some("Smith")),
            ("H A R P E are", Some("Harper")),
            ("O'Brien", Some("O'Brien")),
            ("O apostrophe B R I E N", Some("O'Brien")),
            ("O'Brien, O B R I E N", Some("O'Brien")),
            ("Mary-Ann", Some("Mary-Ann")),
            ("mary-ann", Some("Mary-Ann")),
            ("M A R Y hyphen A N N", Some("Mary-Ann")),
            ("M C D O N A L D", Some("McDonald")),
            ("McDonald, M C D O N A L D", Some("McDonald")),
            ("this is Maria Garcia Lopez speaking", Some("Maria Garcia Lopez")),
            ("Mr. Jones", Some("Jones")),
            ("Jos\u{e9}", Some("Jos\u{e9}")),
            ("Charlie", Some("Charlie")),
            ("yes, Smith", Some("Smith")),
            ("I don't know", None),
            ("what do you mean", None),
            ("sixty dollars", None),
            ("12345678", None),
            ("I would like to move some of it to the other one please", None),
            ("yes", None),
            ("A", None),
            ("", None),
        ] {
            assert_eq!(name(text, Expectation::Asked).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn takes_unasked_only_what_is_called_a_name() {
        for (text, expected) in [
            ("Hi, my name is John Smith and I lost my card.", Some("John Smith")),
            ("my name is Smith, S M I T H, I lost my card", Some("Smith")),
            ("my name is not important", None),
            ("I lost my ATM card", None),
            ("this is ridiculous", None),
            ("John Smith", None),
        ] {
            assert_eq!(name(text, Expectation::Volunteered).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn is_surer_of_what_was_spelled() {
        let sure = |text: &str| find(text, &tokens(text), Expectation::Asked)[0].confidence;
        assert!(sure("Smith, S M I T H") > sure("S M I T H"));
        assert!(sure("S M I T H") > sure("Smith"));
        assert!(is_spelled("no, it's S M Y T H") && !is_spelled("no, it's Smith"));
    }

    #[test]
    fn knows_the_normal_form() {
        for value in ["Smith", "O'Brien", "Mary-Ann", "John Smith", "Jos\u{e9}"] {
            assert!(is_valid(value), "{value}");
        }
        for value in ["smith", "Smith2", "John  Smith", " Smith", "S", "Smith-", ""] {
            assert!(!is_valid(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_valid(words in prop::collection::vec(
            prop::sample::select(vec![
                "S", "M", "i", "SMITH", "Smith", "john", "double", "t", "as", "in", "boy", "no",
                "-", "'", ",", "my", "name", "is", "space", "apostrophe", "hyphen", "\u{e9}",
                "O'Brien", "alpha", "see", "you", "last",
            ]), 0..16,
        ), spaces in prop::collection::vec(prop::sample::select(vec![" ", "", "-", ", "]), 16)) {
            let text: String =
                words.iter().zip(&spaces).flat_map(|(word, space)| [*word, *space]).collect();
            for expectation in [Expectation::Asked, Expectation::Volunteered] {
                if let Some(found) = name(&text, expectation) {
                    prop_assert!(is_valid(&found), "{}", found);
                }
            }
        }
    }
}
