//! How far what was said is a whole turn: whether somebody who pauses here has finished.
//!
//! Looks at the words only, as the recogniser wrote them down at the pause. How long it is then
//! waited is for `call::patience`.

mod endings;
mod requests;
mod values;

use super::commands::{self, GlobalCommand, GlobalPhrases};
use super::token::{Token, is_filler, tokens};
use crate::nlu::SlotKind;

/// What kind of thing is listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited<'a> {
    /// Anything: "how can I help?"
    Request,
    /// Yes or no.
    YesNo,
    /// Keys; whoever speaks all the same wants something.
    Keys,
    /// A value.
    Slot {
        /// Of this kind.
        kind: &'a SlotKind,
        /// Digits of it that were taken in earlier turns.
        digits_taken: usize,
    },
}

/// How far what was said is a whole turn; the later ones are the surer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Completeness {
    /// The caller asks for time: "hold on", "let me find it".
    HoldOn,
    /// More must come: six of eight digits, "I want to".
    Unfinished,
    /// It may be all, or not.
    Open,
    /// It reads like a whole sentence or value, and could still go on.
    Likely,
    /// Nothing is missing: a whole value, a clear answer, a request in so many words.
    Complete,
}

impl Completeness {
    /// One step less sure. "Hold on" and what is unfinished stay what they are.
    #[must_use]
    pub const fn less_sure(self) -> Self {
        match self {
            Self::HoldOn => Self::HoldOn,
            Self::Unfinished | Self::Open => Self::Unfinished,
            Self::Likely => Self::Open,
            Self::Complete => Self::Likely,
        }
    }

    /// One step surer. "Hold on" and what is unfinished stay what they are.
    #[must_use]
    pub const fn surer(self) -> Self {
        match self {
            Self::HoldOn => Self::HoldOn,
            Self::Unfinished => Self::Unfinished,
            Self::Open => Self::Likely,
            Self::Likely | Self::Complete => Self::Complete,
        }
    }
}

/// How far these words, all of the turn so far, are a whole turn.
pub fn completeness(text: &str, awaited: Awaited<'_>) -> Completeness {
    let words = tokens(text);
    if words.is_empty() {
        // Nothing could be made out: no reason to hurry, none to wait.
        return Completeness::Open;
    }
    if words.iter().all(|word| is_filler(&word.word)) {
        return Completeness::Unfinished;
    }
    if asks_for_time(text, &words) {
        return Completeness::HoldOn;
    }
    let value = match awaited {
        Awaited::Slot { kind, digits_taken } => values::value(text, &words, kind, digits_taken),
        Awaited::YesNo => requests::yes_no(text),
        Awaited::Request | Awaited::Keys => None,
    };
    if value == Some(Completeness::Complete) {
        return Completeness::Complete;
    }
    if endings::is_broken_off(text, &words) {
        return Completeness::Unfinished;
    }
    value.unwrap_or_else(|| requests::request(text, &words))
}

/// Whether all of it, or what was said last, asks for time: "it's four five, hold on".
fn asks_for_time(text: &str, words: &[Token<'_>]) -> bool {
    let is_hold_on = |text: &str| {
        commands::parse(text, &GlobalPhrases::default()) == Some(GlobalCommand::HoldOn)
    };
    let last = words.iter().rposition(Token::is_set_apart).filter(|at| *at > 0);
    is_hold_on(text) || last.is_some_and(|at| is_hold_on(&text[words[at].span.start..]))
}

#[cfg(test)]
mod tests;
