//! How a call ended, in one value.

use std::fmt;

/// Whose doing the end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TerminationResult {
    /// The call did what calls are for, and somebody hung up.
    Success,
    /// The caller's side made it impossible (bad SDP, no media, cancelled).
    CallerError,
    /// We failed.
    OurError,
    /// Something we depend on failed.
    UpstreamError,
    /// Nobody can tell.
    Unknown,
}

impl TerminationResult {
    /// The word written in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::CallerError => "caller error",
            Self::OurError => "our error",
            Self::UpstreamError => "upstream error",
            Self::Unknown => "unknown",
        }
    }
}

/// The end of a call: the result, and the reason in words an operator reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// Whose doing it was.
    pub result: TerminationResult,
    /// Why, without personal data.
    pub reason: String,
}

impl Termination {
    /// Builds one from its parts.
    pub fn new(result: TerminationResult, reason: impl Into<String>) -> Self {
        Self { result, reason: reason.into() }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.result.as_str(), self.reason)
    }
}
