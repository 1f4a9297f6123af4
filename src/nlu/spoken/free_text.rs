//! Free text: what was said, without what the recogniser puts around it; and what is no answer to
//! any question that wants words.

use super::token::{is_filler, tokens};
use super::yes_no::{self, YesNo};

/// What begins or ends a sentence and belongs to no value.
const AROUND: &[char] = &[
    '.', ',', ';', ':', '!', '?', '\u{2026}', '-', '\u{2013}', '\u{2014}', '"', '\u{201c}',
    '\u{201d}',
];

/// Ways to say that one has no answer.
const NO_ANSWERS: &[&str] = &[
    "i don't know",
    "i do not know",
    "don't know",
    "i dunno",
    "dunno",
    "i wouldn't know",
    "no idea",
    "i have no idea",
    "no clue",
    "i have no clue",
    "not sure",
    "i'm not sure",
    "i am not sure",
    "i'm not certain",
    "i can't say",
    "i can't remember",
    "i don't remember",
    "i forget",
    "i forgot",
    "i haven't decided",
    "i have not decided",
    "not decided",
    "i couldn't tell you",
    "who knows",
];

/// Said before or behind such an answer.
const BESIDE: &[&str] = &[
    "sorry", "oh", "so", "but", "yet", "really", "honestly", "actually", "exactly", "right", "now",
    "no",
];

/// The value and the place where it begins in the text; none if nothing was answered.
pub(super) fn find(text: &str) -> Option<(String, usize)> {
    if !text.chars().any(char::is_alphanumeric) || is_no_answer(text) {
        return None;
    }
    let around = |c: char| c.is_whitespace() || AROUND.contains(&c);
    let start = text.len() - text.trim_start_matches(around).len();
    let said = text.trim_matches(around);
    Some((without_doubled_dots(said), start))
}

/// "Yes" and "no" answer no question that wants words, and nor does "I don't know yet".
fn is_no_answer(text: &str) -> bool {
    if matches!(yes_no::parse(text), YesNo::Yes | YesNo::No) {
        return true;
    }
    let words: Vec<String> = tokens(text).into_iter().map(|token| token.word).collect();
    let kept: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !is_filler(word)).collect();
    let is_beside = |word: &&&str| BESIDE.contains(word);
    let from = kept.iter().take_while(is_beside).count();
    let until = kept.len() - kept.iter().rev().take_while(is_beside).count();
    // The "no" of "no idea" is not beside it.
    (0..=from).any(|from| {
        let core = kept.get(from..until).map(|core| core.join(" ")).unwrap_or_default();
        NO_ANSWERS.contains(&core.as_str())
    })
}

fn without_doubled_dots(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        let is_dot = matches!(c, '.' | '\u{2026}');
        if is_dot && kept.ends_with('.') {
            continue;
        }
        kept.push(if is_dot { '.' } else { c });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_said_and_nothing_around_it() {
        for (text, expected) in [
            ("  It is broken. ", Some("It is broken")),
            ("Portugal..", Some("Portugal")),
            ("- Portugal, and Spain?!", Some("Portugal, and Spain")),
            ("To Spain.. then Portugal...", Some("To Spain. then Portugal")),
            ("\"12 Main St., apt. 4\"", Some("12 Main St., apt. 4")),
            ("yes, the blue one", Some("yes, the blue one")),
            ("no. 5 Main Street", Some("no. 5 Main Street")),
            (" ... ", None),
            ("", None),
        ] {
            assert_eq!(find(text).map(|(value, _)| value).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_answers_nothing_is_no_value() {
        for text in [
            "no",
            "No.",
            "yes",
            "Yeah.",
            "I don't know.",
            "I don't know yet",
            "um, not sure",
            "sorry, no idea",
            "well I'm not sure yet really",
            "I forgot",
            "no clue",
            "no, I don't know",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
        for text in ["I don't know the street", "Not Sure Street 5", "Noah"] {
            assert!(find(text).is_some(), "{text}");
        }
    }
}
