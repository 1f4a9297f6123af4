//! The task in hand and where its dialogue stands.

use std::collections::BTreeMap;

use crate::acd::handoff::{HandoffReason, Promise};
use crate::base::{ActionRunId, Pii};
use crate::nlu::{IntentName, SlotName, SlotValue};
use crate::prompts::{QueueName, VerificationName};

use super::Phrase;

/// One thing the caller wants, being worked on.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub intent: IntentName,
    pub confidence: f32,
    pub slots: BTreeMap<SlotName, SlotValue>,
    /// Slots whose value the caller has agreed to after a read-back.
    pub agreed: Vec<SlotName>,
    /// The explicit yes before a change.
    pub confirmed: bool,
    /// How often it was tried again after "not found".
    pub retries: u32,
    /// Names that are checked against the records.
    pub names: BTreeMap<SlotName, NameCheck>,
    /// Asked for a value, the caller made a request about that value: "I forgot my PIN". Once
    /// people have it, asking for the value again is no use.
    pub is_held_up: bool,
}

/// How far the check of a name against the records has got.
#[derive(Debug, Clone, Default)]
pub(super) struct NameCheck {
    /// The value that was looked up: it need not be again.
    pub checked: Option<Pii<String>>,
    /// A name of the records that the caller has yet to agree to.
    pub proposed: Option<Pii<String>>,
    /// Names of the records that the caller has said no to.
    pub refused: Vec<Pii<String>>,
    pub asked_to_spell: bool,
}

/// Whose slot is being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    Task,
    Verification(VerificationName),
}

/// What an action was run for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Task,
    Verification(VerificationName),
    /// A list of names to check this slot against.
    Lookup {
        scope: Scope,
        slot: SlotName,
    },
}

impl Purpose {
    /// Whose slots are its inputs.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Task => Scope::Task,
            Self::Verification(name) => Scope::Verification(name.clone()),
            Self::Lookup { scope, .. } => scope.clone(),
        }
    }
}

/// Where the dialogue stands: what the next answer means.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// "May we record this call?"
    MayRecord,
    /// "Are you calling about this?"
    AboutTicket,
    /// Anything can be asked for.
    Open {
        anything_else: bool,
    },
    /// "Did you want ...?"
    ConfirmIntent {
        intent: IntentName,
        confidence: f32,
        words: Pii<String>,
    },
    /// "Did you want this or that?"
    Clarify {
        first: IntentName,
        second: IntentName,
        words: Pii<String>,
    },
    Ask {
        scope: Scope,
        slot: SlotName,
        /// How often it was asked again.
        tries: u32,
    },
    ReadBack {
        scope: Scope,
        slot: SlotName,
    },
    /// "Is that this name or that one?"
    WhichName {
        scope: Scope,
        slot: SlotName,
        first: Pii<String>,
        second: Pii<String>,
    },
    Confirm,
    /// "Which should I change, this or that?"
    WhichSlot {
        slots: Vec<SlotName>,
        value: SlotValue,
    },
    Acting {
        run: ActionRunId,
        purpose: Purpose,
    },
    /// "Does that answer your question?"
    QuestionAnswered,
    /// "Shall I put you through?"
    OfferPerson {
        reason: HandoffReason,
        /// Who; `None`: whoever is right for the task in hand.
        queue: Option<QueueName>,
        /// Taken up again after a no.
        before: Option<Box<Interrupted>>,
    },
    /// Recognition is down: keys only.
    KeypadMenu,
    HandingOff {
        /// Where the caller goes once the hand-off is stored, if anywhere.
        onward: Option<Onward>,
    },
    /// It is tried to put the caller through.
    PuttingThrough,
    /// The caller waits in line.
    Waiting,
    /// "Shall we call you back instead?"
    OfferCallback,
    /// Whether they will be called back is being noted.
    BookingCallback,
    /// Somebody at a desk has taken the call.
    WithAgent,
    Over,
}

/// Where a caller goes once their hand-off is stored.
#[derive(Debug, Clone)]
pub(super) struct Onward {
    pub queue: QueueName,
    /// [`Promise::Transfer`] or [`Promise::Queue`].
    pub promise: Promise,
    pub reason: HandoffReason,
    /// What whoever answers is told.
    pub summary: Pii<String>,
}

/// What was being asked when something else came up.
#[derive(Debug, Clone)]
pub(super) struct Interrupted {
    pub stage: Stage,
    /// As it was asked.
    pub question: Option<Phrase>,
}

/// How far a verification has got.
#[derive(Debug, Clone, Default)]
pub(super) struct VerificationState {
    pub tries: u32,
    pub outcome: VerificationOutcome,
    pub slots: BTreeMap<SlotName, SlotValue>,
    pub agreed: Vec<SlotName>,
    /// Names that are checked against the records.
    pub names: BTreeMap<SlotName, NameCheck>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum VerificationOutcome {
    #[default]
    Open,
    Passed,
    Failed,
}
