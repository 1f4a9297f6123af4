//! What came of an action that did not succeed.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::Pii;

/// The outputs of an action that succeeded, or why it did not.
pub type ActionOutcome = Result<BTreeMap<String, Pii<String>>, ActionFailure>;

/// How an action failed, as far as the caller is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// There is no such account, customer or thing. Nothing was done.
    NotFound,
    /// The other side understood and declined, in its own word (`insufficient funds`). Nothing was
    /// done.
    Refused(String),
    /// The other side is down or does not make sense. Nothing was done.
    Unavailable,
    /// No answer that can be relied on. An action that changes state may or may not have been done:
    /// claim neither.
    Timeout,
    /// The request cannot work as it is. Nothing was done.
    BadRequest,
}

impl FailureKind {
    /// The words under `## If it fails` in a prompt file.
    pub fn as_words(&self) -> &str {
        match self {
            Self::NotFound => "not found",
            Self::Refused(word) => word,
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::BadRequest => "bad request",
        }
    }

    /// The kind that a word from the configuration means.
    pub fn from_words(words: &str) -> Self {
        match words {
            "not found" => Self::NotFound,
            "unavailable" => Self::Unavailable,
            "timeout" => Self::Timeout,
            "bad request" => Self::BadRequest,
            other => Self::Refused(other.to_owned()),
        }
    }
}

/// A failed action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionFailure {
    /// What it means for the caller.
    pub kind: FailureKind,
    /// What it means for an engineer. Goes into logs: no personal data.
    pub detail: String,
}

impl ActionFailure {
    pub(super) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::BadRequest, detail)
    }
}

impl fmt::Display for ActionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_words(), self.detail)
    }
}

impl std::error::Error for ActionFailure {}
