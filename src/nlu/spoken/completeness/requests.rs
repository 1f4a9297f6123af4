//! Whole requests and whole answers, and what only looks like them.

use super::super::backchannel::{is_backchannel, is_greeting};
use super::super::commands::{self, GlobalPhrases};
use super::super::number::is_number_word;
use super::super::token::{Token, tokens};
use super::super::yes_no::{self, YesNo};
use super::Completeness;
use super::endings::QUESTIONS;

/// Nothing of a request follows these.
const LAST_WORDS: &[&str] = &["please", "thanks", "bye", "goodbye"];

/// What follows an answer and announces more.
const JOINTS: &[&str] = &["but", "and", "because", "if", "except", "so", "or", "although"];

/// A sentence that begins with these, or as a question does, has its verb still to come, or much else.
const SUBJECTS: &[&str] = &[
    "can", "could", "would", "may", "will", "i", "my", "the", "we", "our", "it", "they", "he",
    "she", "you", "there", "this", "when", "well", "so", "hi", "hello", "yes", "yeah", "okay",
    "ok", "no",
];

/// A request in so many words has no more than these.
const SHORT_WORDS_MAX: usize = 3;

/// A question in fewer words may be the beginning of one.
const QUESTION_WORDS_MIN: usize = 3;

/// An answer to a yes-or-no question; `None` if it is neither.
pub(super) fn yes_no(text: &str) -> Option<Completeness> {
    match yes_no::parse(text) {
        // "Yes, but": what joins is the beginning of more.
        YesNo::Yes | YesNo::No if tokens(text).last().is_some_and(|last| last.is_any(JOINTS)) => {
            None
        }
        YesNo::Yes | YesNo::No => Some(Completeness::Complete),
        // "Yes, but make it sixty": as whole as what follows the yes.
        YesNo::YesBut(rest) | YesNo::NoWith(rest) => {
            let rest = rest.expose();
            let words = tokens(rest);
            let rest = if words.is_empty() { Completeness::Open } else { request(rest, &words) };
            Some(rest.min(Completeness::Likely))
        }
        YesNo::Unclear => None,
    }
}

/// A request, or whatever else is said unasked. It has words, and does not break off.
pub(super) fn request(text: &str, words: &[Token<'_>]) -> Completeness {
    if commands::parse(text, &GlobalPhrases::default()).is_some() {
        return Completeness::Complete;
    }
    // "Hi." is followed by what is wanted, as a rule.
    if is_greeting(text) || is_backchannel(text) {
        return Completeness::Open;
    }
    let last = &words[words.len() - 1];
    let thanks = words.len() > 1 && last.is("you") && words[words.len() - 2].is("thank");
    if words.len() > 1 && (last.is_any(LAST_WORDS) || thanks) {
        return Completeness::Complete;
    }
    // Whoever reads out a number may have more of it.
    if last.is_figures() || is_number_word(&last.word) {
        return Completeness::Open;
    }
    let trimmed = text.trim_end();
    if trimmed.ends_with('?') && words.len() >= QUESTION_WORDS_MIN {
        return Completeness::Complete;
    }
    if words.len() <= SHORT_WORDS_MAX {
        let begins = words[0].is_any(SUBJECTS) || words[0].is_any(QUESTIONS);
        return if begins { Completeness::Open } else { Completeness::Complete };
    }
    if trimmed.ends_with(['.', '!', '?']) { Completeness::Likely } else { Completeness::Open }
}
