//! What goes into a conversation and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::acd::handoff::{
    HandoffAction, HandoffIntent, HandoffReason, HandoffSlot, HandoffVerification, Promise,
};
use crate::acd::standing::RecordMeaning;
use crate::acd::{BackInQueue, LeftQueue, WaitEnd, WaitRange};
use crate::base::{ActionRunId, Pii};
use crate::nlu::{Awaited, ConfidencePolicy, Readings, SlotKind, Understanding};
use crate::prompts::{ActionName, QueueName, VerificationName};

/// Which silence it is in which a caller waits for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lull {
    /// The first since we said something else.
    First,
    /// Another one: they were asked for a moment already.
    Again,
}

/// Something that happened to the conversation.
#[derive(Debug, Clone)]
pub enum ConversationInput {
    /// The call was answered; the CRM's record of the caller, if the number is known there.
    Started {
        /// Field name and value.
        caller: BTreeMap<String, Pii<String>>,
    },
    /// An utterance was transcribed and classified.
    Heard {
        /// What was said; empty if somebody spoke and no word could be made out.
        text: Pii<String>,
        /// The recogniser's confidence, 0 to 1.
        confidence: f32,
        /// The classifier's view of it.
        understanding: Understanding,
        /// It was begun before the question we now listen for an answer to could be heard.
        before_question: bool,
        /// The values that it may have been, if one was listened for.
        readings: Readings,
    },
    /// Keys were pressed and finished.
    Keyed {
        /// The keys, without `#`.
        keys: Pii<String>,
        /// The first was pressed before the question could be heard.
        before_question: bool,
    },
    /// The caller waits for us, and has heard nothing for so long that they should be told.
    Lull(Lull),
    /// Nothing was said where an answer was expected.
    Silence,
    /// An action that was asked for has ended.
    ActionFinished {
        /// Which run.
        run: ActionRunId,
        /// How.
        result: ActionResult,
    },
    /// The hand-off is on disk, or could not be put there.
    HandoffStored {
        /// Whether it is durable.
        stored: bool,
    },
    /// It has been tried to put the caller through; or the time with somebody who had taken the call
    /// is over.
    TransferEnded {
        /// What came of it.
        outcome: TransferOutcome,
    },
    /// What is known of the caller's wait has changed.
    Waiting(WaitNews),
    /// The caller waits in another queue now, with their place.
    Moved {
        /// For whom.
        to: QueueName,
    },
    /// The caller waits on, nobody speaks, and it is time to say something.
    StillWaiting {
        /// Since they are in line.
        waited: Duration,
        /// About what.
        topic: WaitTopic,
    },
    /// Somebody at a desk has taken the call: they are about to be joined.
    AgentTook,
    /// The caller is first in line again.
    BackInQueue {
        /// What has become of whoever was to take the call, or had taken it.
        why: BackInQueue,
    },
    /// The caller waits no longer, and nobody has taken the call.
    WaitEnded {
        /// Why.
        why: WaitEnd,
    },
    /// What came of the wish to be called back.
    CallbackBooked {
        /// Whether it is noted, durably, and with the caller's place.
        booked: bool,
    },
    /// Whoever talks with the caller sends them to us for this, and waits for them.
    BackFromAgent {
        /// The intent.
        task: String,
    },
    /// The caller stopped us in mid-sentence.
    Interrupted,
    /// Speech cannot be recognised at present.
    HearingDown,
    /// Speech cannot be made at present.
    VoiceDown,
}

/// What came of putting a caller through. A caller who hangs up meanwhile has none: the call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The caller is with somebody else now.
    Succeeded,
    /// All who could take the call are taken.
    Busy,
    /// It rang, and nobody took the call.
    NoAnswer,
    /// The other side would not have the call.
    Refused,
    /// It could not be done.
    Failed,
}

impl TransferOutcome {
    /// The words used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Busy => "busy",
            Self::NoAnswer => "no answer",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What can be told to a caller who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitNews {
    /// Place in line; 1 is next.
    pub position: usize,
    /// People who could take the call and are at their desks.
    pub agents: usize,
    /// How long it will probably take from now; `None`: nobody can say.
    pub wait: Option<WaitRange>,
}

/// What is to be said to a caller who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitTopic {
    /// The place in line, and how long it will take.
    Place,
    /// That they are not forgotten.
    Company,
}

/// How an action ended: its outputs, or what went wrong.
pub type ActionResult = Result<BTreeMap<String, Pii<String>>, FailureWords>;

/// How an action failed, as a prompt file's `## If it fails` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureWords {
    /// The thing looked for is not there (`not found`).
    NotFound,
    /// The other system said no, and why (`insufficient funds`).
    Refused(String),
    /// The other system did not answer or is broken: nothing was done (`unavailable`).
    Unavailable,
    /// No answer in time: nobody knows whether it was done (`timeout`).
    Timeout,
}

impl FailureWords {
    /// The words looked up in the prompt file.
    pub fn as_words(&self) -> &str {
        match self {
            Self::NotFound => "not found",
            Self::Refused(word) => word,
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
        }
    }
}

/// Something to do, in order.
#[derive(Debug, Clone)]
pub enum DialogAct {
    /// Say this.
    Say(Phrase),
    /// Then listen for this.
    Listen(Expectation),
    /// The caller has said yes to being recorded: from now on.
    Record,
    /// Run a declared action.
    RunAction {
        /// Names this run in the answer.
        run: ActionRunId,
        /// Which action.
        action: ActionName,
        /// Its inputs.
        inputs: BTreeMap<String, Pii<String>>,
    },
    /// Store this hand-off before anything is promised.
    HandOff(Box<HandoffRequest>),
    /// Put the caller through to the people of this queue, once everything is said. The hand-off is
    /// stored.
    Transfer {
        /// Whose people.
        queue: QueueName,
        /// What is said to whoever answers, before they take the call.
        announcement: Pii<String>,
    },
    /// Put the caller in line for people at desks, once everything is said. The hand-off is stored.
    Enqueue {
        /// For whom.
        queue: QueueName,
        /// What is said to whoever takes the call on a telephone, before they do.
        announcement: Pii<String>,
    },
    /// More is known than the stored hand-off says: store this in its place.
    UpdateHandoff(Box<HandoffRequest>),
    /// Take the caller out of the line.
    LeaveQueue {
        /// Why. [`LeftQueue::ForCallback`] is answered with [`ConversationInput::CallbackBooked`].
        why: LeftQueue,
    },
    /// Give the caller back to whoever sent them to us, once everything is said.
    ReturnToAgent,
    /// Hang up once everything is said.
    HangUp {
        /// Why, for the record.
        reason: String,
    },
}

/// A sentence to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The words.
    pub text: Pii<String>,
    /// Free of personal data, so that its sound may be kept on disk.
    pub fixed: bool,
    /// It reports the result of an action that succeeded.
    pub claims_completion: bool,
    /// Parts of the words that no transcript shows: names of the records that the caller has not
    /// agreed to.
    pub hidden: Vec<Pii<String>>,
    /// It must be heard to its end: a caller who speaks over it is answered afterwards.
    pub uninterruptible: bool,
}

impl Phrase {
    /// Words that claim nothing and hide nothing.
    pub const fn plain(text: Pii<String>, fixed: bool) -> Self {
        Self { text, fixed, claims_completion: false, hidden: Vec::new(), uninterruptible: false }
    }
}

/// What is expected next: sets patience, keypad and secrecy.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// What kind of answer.
    pub expected: Expected,
    /// The caller gets longer pauses.
    pub patient: bool,
    /// Nothing of it is recorded or logged.
    pub secret: bool,
    /// Keys end after this many; `None` if none are asked for, and only a `0` by itself means
    /// something.
    pub keys_max: Option<usize>,
    /// Silence is tolerated this many times longer than usual.
    pub silence_factor: u32,
    /// Digits of the number that is asked for that were taken already.
    pub digits_taken: usize,
}

/// The kind of answer that is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Anything: "how can I help?"
    Request,
    /// Yes or no.
    YesNo,
    /// A value.
    Slot(SlotKind),
    /// Keys only.
    Keys,
}

impl Expected {
    /// The word used in records.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::YesNo => "yes_no",
            Self::Slot(_) => "slot",
            Self::Keys => "keys",
        }
    }
}

/// Keys that nobody asked for end after this many: no number that callers have is longer.
const UNASKED_KEYS_MAX: usize = 20;

impl Expectation {
    /// Expects this, with usual patience.
    pub fn of(expected: Expected) -> Self {
        Self {
            expected,
            patient: false,
            secret: false,
            keys_max: None,
            silence_factor: 1,
            digits_taken: 0,
        }
    }

    /// Expects up to `keys_max` keys.
    pub fn keys(keys_max: usize) -> Self {
        Self { keys_max: Some(keys_max), ..Self::of(Expected::Keys) }
    }

    /// What is listened for, as the completeness of what is said is judged by.
    pub const fn awaited(&self) -> Awaited<'_> {
        match &self.expected {
            Expected::Request => Awaited::Request,
            Expected::YesNo => Awaited::YesNo,
            Expected::Keys => Awaited::Keys,
            Expected::Slot(kind) => Awaited::Slot { kind, digits_taken: self.digits_taken },
        }
    }

    /// After how many keys they are looked at. Where none are asked for they are collected all the
    /// same: the 0 in a number asks for nobody.
    pub fn keys_limit(&self) -> usize {
        self.keys_max.unwrap_or(UNASKED_KEYS_MAX)
    }
}

/// What the engineers and the config decide.
#[derive(Debug, Clone)]
pub struct Rules {
    /// When to act on, confirm or refuse an understanding.
    pub policy: ConfidencePolicy,
    /// Failures in a row before a person is called.
    pub failures_max: u32,
    /// How each declared verification is checked.
    pub verifications: BTreeMap<VerificationName, VerificationRule>,
    /// Inputs of each declared action.
    pub action_inputs: BTreeMap<ActionName, Vec<String>>,
    /// Queues whose people callers are put through to; those of all others call back.
    pub transfers: BTreeSet<QueueName>,
    /// Queues that people at desks serve: callers wait in line for them, whatever `transfers` says.
    pub staffed: BTreeSet<QueueName>,
    /// The number at which this caller could be called back; `None`: no call backs are offered.
    pub callback: Option<Pii<String>>,
    /// What the caller's record means for their call.
    pub record: RecordMeaning,
    /// What has to happen before the call is recorded.
    pub recording: RecordingConsent,
    /// The day of the call (year, month, day).
    pub today: (i32, u8, u8),
}

/// What has to happen before a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordingConsent {
    /// Nothing in the conversation: it is announced, or there is no recording.
    #[default]
    NotAsked,
    /// The caller is asked, and has to say yes.
    Asked,
}

/// How a verification is checked.
#[derive(Debug, Clone)]
pub struct VerificationRule {
    /// The action that checks it; it succeeds if and only if the caller is who they say.
    pub action: ActionName,
    /// Tries before a person takes over.
    pub attempts_max: u32,
}

/// Signs of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signals {
    /// The caller asked for something to be repeated.
    pub repeats: u32,
    /// The caller spoke over us and meant it.
    pub interruptions: u32,
    /// Silences where an answer was expected.
    pub silences: u32,
    /// Turns that were not understood.
    pub failed_turns: u32,
    /// Turns in which the caller was out of patience with us.
    pub frustrations: u32,
    /// Turns in which the caller insulted us.
    pub abuses: u32,
}

/// An action that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionReport {
    /// Which run.
    pub run: ActionRunId,
    /// Which action.
    pub action: ActionName,
    /// `started` until its result is in; then `done` or the failure's words.
    pub result: String,
}

/// How a verification went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationReport {
    /// Which one.
    pub method: VerificationName,
    /// `passed`, `failed` or `not_completed`.
    pub result: &'static str,
    /// How often it was tried.
    pub tries: u32,
}

/// Everything the conversation knows, for the person who takes over. The call adds ids, times and
/// the transcript.
#[derive(Clone)]
pub struct HandoffRequest {
    /// Why.
    pub reason: HandoffReason,
    /// Where to.
    pub queue: QueueName,
    /// Skills the agent needs.
    pub skills: Vec<String>,
    /// 1 (first) to 9.
    pub priority: u8,
    /// What the caller wants.
    pub intent: Option<HandoffIntent>,
    /// What is known; no secrets.
    pub slots: Vec<HandoffSlot>,
    /// Whether we know who is calling.
    pub verification: Option<HandoffVerification>,
    /// The CRM's record of the caller.
    pub crm: Option<serde_json::Map<String, serde_json::Value>>,
    /// What was tried; times are the call's to fill in.
    pub actions: Vec<(ActionRunId, HandoffAction)>,
    /// Signs of trouble.
    pub signals: Signals,
    /// Language tag.
    pub language: String,
    /// One paragraph made from these facts only.
    pub summary: String,
    /// What the caller is promised once it is stored.
    pub promise: Promise,
}

// The record and the summary are personal data, and a Debug may end up in a log.
impl fmt::Debug for HandoffRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandoffRequest")
            .field("reason", &self.reason)
            .field("queue", &self.queue)
            .field("intent", &self.intent)
            .field("slots", &self.slots)
            .field("verification", &self.verification)
            .field("actions", &self.actions)
            .finish_non_exhaustive()
    }
}
