//! `[caller_lookup]` and `[recording]`: what is known of a caller when a call begins, and whether it
//! is recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The mark of callers with an open ticket, in `priority_up` and `skills`; any other is a tier.
pub const OPEN_TICKET: &str = "open ticket";

/// `[caller_lookup]`: run when a call arrives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerLookupConfig {
    /// A declared action whose only input is `phone`.
    pub action: String,
    /// Its output that says what kind of customer the caller is.
    pub tier: Option<String>,
    /// Its output that says how many of their tickets are open.
    pub open_tickets: Option<String>,
    /// Its output that says what the latest of those is about, in words for them.
    pub ticket_subject: Option<String>,
    /// Its output with the tag of the language that they want to speak.
    pub language: Option<String>,
    /// By how many priorities a call goes up, by tier (in small letters) or [`OPEN_TICKET`].
    pub priority_up: BTreeMap<String, u8>,
    /// What agents have to be good at besides what the queue asks for, by the same.
    pub skills: BTreeMap<String, Vec<String>>,
}

/// `[recording]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingConfig {
    /// Whether calls are recorded.
    pub enabled: bool,
    /// Where to.
    pub dir: PathBuf,
    /// What has to happen before.
    pub consent: ConsentConfig,
}

impl RecordingConfig {
    /// Whether callers are asked, and recorded only after a yes.
    pub fn asks(&self) -> bool {
        self.enabled && self.consent == ConsentConfig::Asked
    }
}

/// What has to happen before a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsentConfig {
    /// The caller is told, in `## Disclosure` of `house.md`.
    #[default]
    Announced,
    /// The caller is asked, and has to say yes.
    Asked,
    /// Nothing: callers have agreed in another way.
    Off,
}
