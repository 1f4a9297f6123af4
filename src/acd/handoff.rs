//! The hand-off contract, schema `frontdoor.handoff/1`: everything an agent needs, once, typed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The schema's name, in every document.
pub const SCHEMA: &str = "frontdoor.handoff/1";

/// Why a person is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoffReason {
    /// The caller asked for a person.
    Asked,
    /// The prompt file or the config says that a person does this.
    Policy,
    /// The intent was never clear enough.
    LowConfidence,
    /// The same step failed too often.
    RepeatedFailure,
    /// A model, the CRM or another system was down.
    Outage,
    /// What the caller wants is not done here.
    OutOfScope,
}

/// What a caller is promised with a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Somebody will call back.
    Callback,
    /// To be put through now if somebody is free; else somebody will call back.
    Transfer,
    /// To wait in line for people at desks, who get this document before they take the call.
    Queue,
}

impl Promise {
    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Transfer => "transfer",
            Self::Queue => "queue",
        }
    }
}

/// How a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactProvenance {
    /// The caller said it.
    Said,
    /// The caller keyed it.
    Keyed,
    /// From the CRM.
    Crm,
    /// Checked by a verification.
    Verified,
}

/// The document delivered with a call. Times are RFC 3339 in UTC; `at_ms` counts from answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handoff {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The call.
    pub call_id: String,
    /// When the hand-off was decided.
    pub when: String,
    /// The caller's address or number.
    pub caller: String,
    /// The number or address that was called.
    pub called: String,
    /// `sip` or `web`.
    pub channel: String,
    /// Language tag.
    pub language: String,
    /// Why a person is needed.
    pub reason: HandoffReason,
    /// What the caller wants, if it was understood.
    pub intent: Option<HandoffIntent>,
    /// What is known.
    pub slots: Vec<HandoffSlot>,
    /// What was done to make sure who is calling.
    pub verification: Option<HandoffVerification>,
    /// The customer's record as fetched.
    pub crm: Option<serde_json::Map<String, serde_json::Value>>,
    /// What was tried, and what came of it.
    pub actions: Vec<HandoffAction>,
    /// Who said what, when.
    pub transcript: Vec<HandoffLine>,
    /// Signs of trouble.
    pub signals: HandoffSignals,
    /// Where the caller goes.
    pub queue: String,
    /// Skills the agent needs.
    pub skills: Vec<String>,
    /// 1 (first) to 9.
    pub priority: u8,
    /// One paragraph made from the facts above only.
    pub summary: String,
    /// Hash of the prompt files in force.
    pub generation: String,
    /// What the caller was promised, as [`Promise`] has it: `callback`; `transfer` where it is tried
    /// at once to put them through; or `queue` where they wait in line. If nobody takes the call it
    /// becomes `callback`.
    pub promise: String,
    /// What the telephone system was told to find this document by (`User-to-User`, RFC 7433): 128
    /// random bits in hexadecimal, which say nothing about the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What the caller wants.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffIntent {
    /// The intent.
    pub name: String,
    /// 0 to 1.
    pub confidence: f32,
    /// The caller's own words.
    pub words: String,
}

/// One known fact.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffSlot {
    /// The slot.
    pub name: String,
    /// Normal form; secrets are never here.
    pub value: String,
    /// How it is known.
    pub provenance: FactProvenance,
    /// 0 to 1.
    pub confidence: f32,
}

/// The verification's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffVerification {
    /// The declared verification.
    pub method: String,
    /// `passed`, `failed` or `not_completed`.
    pub result: String,
    /// How often it was tried.
    pub tries: u32,
}

/// One action that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffAction {
    /// The declared action.
    pub action: String,
    /// When it was started, from answer.
    pub at_ms: u64,
    /// `done`, `not found`, `unavailable`, ...
    pub result: String,
}

/// One line of the transcript.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffLine {
    /// Start, from answer.
    pub at_ms: u64,
    /// `caller` or `frontdoor`; in what was said since a person took the call, `agent`.
    pub speaker: String,
    /// What was said; secrets masked.
    pub text: String,
}

/// Signs of trouble in the call so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoffSignals {
    /// The caller asked for something to be repeated.
    pub repeats: u32,
    /// The caller spoke over the front door.
    pub interruptions: u32,
    /// Silences where an answer was expected.
    pub silences: u32,
    /// Turns that were not understood.
    pub failed_turns: u32,
    /// Turns in which the caller was out of patience with the front door.
    #[serde(default)]
    pub frustrations: u32,
    /// Turns in which the caller insulted it.
    #[serde(default)]
    pub abuses: u32,
}

// A hand-off is full of personal data: its Debug, which may end up in a log, tells none of it.

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handoff")
            .field("call_id", &self.call_id)
            .field("reason", &self.reason)
            .field("intent", &self.intent)
            .field("slots", &self.slots)
            .field("verification", &self.verification)
            .field("actions", &self.actions)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HandoffIntent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, confidence, words: _ } = self;
        write!(f, "HandoffIntent({name} {confidence:.2})")
    }
}

impl fmt::Debug for HandoffSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value: _, provenance, confidence } = self;
        write!(f, "HandoffSlot({name} {provenance:?} {confidence:.2})")
    }
}

impl fmt::Debug for HandoffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_ms, speaker, text: _ } = self;
        write!(f, "HandoffLine({speaker} at {at_ms} ms)")
    }
}
