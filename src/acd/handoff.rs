//! The hand-off contract, schema `frontdoor.handoff/1`: everything an agent needs, once, typed.

use std::fmt;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde::{Deserialize, Serialize};

/// The schema's name, in every document.
pub const SCHEMA: &str = "frontdoor.handoff/1";

/// The JSON Schema (draft 2020-12) of the document as it is sent. It leaves room for more than it
/// names: within version 1 there may come further fields, and none goes or changes its meaning.
pub fn json_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Handoff>();
    RecursiveTransform(leave_room).transform(&mut schema);
    schema.to_value()
}

/// What is refused when it is read back is no part of what readers are promised.
fn leave_room(schema: &mut schemars::Schema) {
    if schema.get("additionalProperties").is_some_and(|more| *more == false) {
        schema.remove("additionalProperties");
    }
}

/// Why a person is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = SCHEMA)]
pub struct Handoff {
    /// Names this schema and its version.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The call.
    pub call_id: String,
    /// When the hand-off was decided.
    #[schemars(extend("format" = "date-time"))]
    pub when: String,
    /// The caller's address or number.
    pub caller: String,
    /// The number or address that was called.
    pub called: String,
    /// How the call came: by telephone or from a web page.
    #[schemars(extend("enum" = ["sip", "web"]))]
    pub channel: String,
    /// Language tag (RFC 5646).
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
    #[schemars(range(min = 1, max = 9))]
    pub priority: u8,
    /// One paragraph made from the facts above only.
    pub summary: String,
    /// Hash of the prompt files in force.
    pub generation: String,
    /// What the caller was promised: `callback`; `transfer` where it is tried at once to put them
    /// through; or `queue` where they wait in line. If nobody takes the call it becomes `callback`.
    #[schemars(extend("enum" = ["callback", "transfer", "queue"]))]
    pub promise: String,
    /// What the telephone system was told to find this document by (`User-to-User`, RFC 7433): 128
    /// random bits in hexadecimal, which say nothing about the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^[0-9a-f]{32}$"))]
    pub reference: Option<String>,
}

/// What the caller wants.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffIntent {
    /// The intent.
    pub name: String,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f32,
    /// The caller's own words.
    pub words: String,
}

/// One known fact.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffSlot {
    /// The slot.
    pub name: String,
    /// Normal form; secrets are never here.
    pub value: String,
    /// How it is known.
    pub provenance: FactProvenance,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f32,
}

/// The verification's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffVerification {
    /// The declared verification.
    pub method: String,
    /// `passed`, `failed` or `not_completed`.
    #[schemars(extend("enum" = ["passed", "failed", "not_completed"]))]
    pub result: String,
    /// How often it was tried.
    pub tries: u32,
}

/// One action that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffLine {
    /// Start, from answer.
    pub at_ms: u64,
    /// `caller` or `frontdoor`; in what was said since a person took the call, `agent`.
    #[schemars(extend("enum" = ["caller", "frontdoor", "agent"]))]
    pub speaker: String,
    /// What was said; secrets masked.
    pub text: String,
}

/// Signs of trouble in the call so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A hand-off of a caller whose record is known, decided 3 s after the answer.
    pub(crate) fn handoff() -> Handoff {
        let crm = [("customer_name", "Alex Morgan"), ("account_number", "12345678")];
        Handoff {
            schema: SCHEMA.to_owned(),
            call_id: "01957a3b4c5d7e6f9a0b1c2d3e4f5061".to_owned(),
            when: "2026-04-02T10:00:03Z".to_owned(),
            caller: "+15550123".to_owned(),
            called: "100".to_owned(),
            channel: "sip".to_owned(),
            language: "en-US".to_owned(),
            reason: HandoffReason::Asked,
            intent: Some(HandoffIntent {
                name: "lost_card".to_owned(),
                confidence: 0.9,
                words: "I lost my card".to_owned(),
            }),
            slots: vec![HandoffSlot {
                name: "account_number".to_owned(),
                value: "12345678".to_owned(),
                provenance: FactProvenance::Crm,
                confidence: 1.0,
            }],
            verification: None,
            crm: Some(crm.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()),
            actions: Vec::new(),
            transcript: vec![HandoffLine {
                at_ms: 3_000,
                speaker: "caller".to_owned(),
                text: "Agent.".to_owned(),
            }],
            signals: HandoffSignals::default(),
            queue: "cards".to_owned(),
            skills: vec!["cards".to_owned()],
            priority: 2,
            summary: "Alex Morgan called about a lost card.".to_owned(),
            generation: "abc".to_owned(),
            promise: "callback".to_owned(),
            reference: Some("0123456789abcdef0123456789abcdef".to_owned()),
        }
    }

    /// What does not fit the published schema.
    fn misfits(document: &serde_json::Value) -> Vec<String> {
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&json_schema())
            .expect("a schema");
        let errors = validator.iter_errors(document);
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    #[test]
    fn the_schema_takes_what_is_sent_and_nothing_that_breaks_the_promise() {
        let sent = serde_json::to_value(handoff()).expect("JSON");
        assert_eq!(misfits(&sent), [""; 0]);
        for (pointer, wrong) in [
            ("/schema", "frontdoor.handoff/2".into()),
            ("/when", "yesterday".into()),
            ("/reason", "bored".into()),
            ("/channel", "post".into()),
            ("/priority", 0.into()),
            ("/intent/confidence", 1.5.into()),
            ("/slots/0/provenance", "guessed".into()),
            ("/transcript/0/speaker", "nobody".into()),
            ("/promise", "soon".into()),
            ("/reference", "12".into()),
            ("/summary", serde_json::Value::Null),
        ] {
            let mut broken = sent.clone();
            *broken.pointer_mut(pointer).expect("it is there") = wrong;
            assert_eq!(misfits(&broken).len(), 1, "{pointer}");
        }
        let mut short = sent.clone();
        short.as_object_mut().expect("an object").remove("queue");
        assert_eq!(misfits(&short).len(), 1);
        // What version 1 may still get is no reason to refuse a document.
        let mut longer = sent;
        longer["mood"] = "calm".into();
        assert_eq!(misfits(&longer), [""; 0]);
    }
}
