//! What goes into a call and what comes out: closed sets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::acd::handoff::Handoff;
use crate::acd::{BackInQueue, LeftQueue, WaitEnd};
use crate::audio::{AudioFrame, SampleRate};
use crate::base::{
    ActionRunId, CallId, Effort, Pii, QueueName, SpeechId, Termination, UtteranceId,
};
use crate::conversation::{ActionResult, Expected, TransferOutcome, WaitNews};
use crate::nlu::{IntentName, Readings, Understanding};
use crate::speech::{BargeInConfig, EndpointerConfig};

use super::{PatienceConfig, TurnTiming};

/// What is known of a call before it is answered.
#[derive(Debug, Clone)]
pub struct CallFacts {
    /// The call.
    pub call: CallId,
    /// The caller's address or number.
    pub caller: Pii<String>,
    /// What was called.
    pub called: Pii<String>,
    /// `sip` or `web`.
    pub channel: &'static str,
    /// When the call was answered, in milliseconds since 1970 UTC.
    pub answered_unix_ms: i64,
}

/// How a call behaves.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// How speech is cut into utterances.
    pub endpointer: EndpointerConfig,
    /// How long a caller who pauses is waited for.
    pub patience: PatienceConfig,
    /// A model is asked at each pause whether the caller sounds as if they had finished.
    pub judges_end: bool,
    /// How we give way to callers who speak while we do.
    pub barge_in: BargeInConfig,
    /// Silence where an answer is expected before we ask again.
    pub no_input: Duration,
    /// Pause between keys that ends the keying.
    pub inter_digit: Duration,
}

/// How soon something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// The caller has finished and waits for us.
    TurnOver,
    /// Done ahead, while the caller pauses: they may go on, and then nobody needs it.
    Speculative,
}

/// What became of an utterance that was sent to be transcribed.
#[derive(Debug, Clone)]
pub enum HeardResult {
    /// Its words.
    Text {
        /// What was said; empty if it was no speech.
        text: Pii<String>,
        /// 0 to 1.
        confidence: f32,
        /// The values that it may have been, if one was listened for.
        readings: Readings,
    },
    /// The recogniser is down.
    Failed,
}

/// Something that happened to a call.
#[derive(Debug)]
pub enum CallInput {
    /// The leg is up.
    Answered {
        /// The CRM's record of the caller, if their number is known there.
        caller: BTreeMap<String, Pii<String>>,
    },
    /// The next 20 ms from the caller.
    Audio {
        /// The sound.
        frame: AudioFrame,
        /// How long its last sample has waited since it arrived (the jitter buffer): response
        /// latency is counted from the wire.
        waited: Duration,
    },
    /// A key was pressed.
    Digit(char),
    /// The caller's side put us on hold.
    Hold,
    /// And took us back.
    Resume,
    /// An utterance was transcribed, or could not be.
    Transcribed {
        /// Which one.
        utterance: UtteranceId,
        /// How.
        result: HeardResult,
    },
    /// An utterance was classified; `None` if the classifier is down.
    Understood {
        /// Which one.
        utterance: UtteranceId,
        /// How.
        understanding: Option<Understanding>,
    },
    /// Whether a caller who pauses has finished, by how they sound.
    EndJudged {
        /// What they said last.
        utterance: UtteranceId,
        /// 0 to 1 that it is all; `None` if nobody can tell.
        probability: Option<f32>,
    },
    /// A piece of speech is ready, at 8 kHz.
    SpeechAudio {
        /// Which speech.
        speech: SpeechId,
        /// Its next samples.
        samples: Arc<[i16]>,
    },
    /// All of a speech has been delivered.
    SpeechDone {
        /// Which speech.
        speech: SpeechId,
    },
    /// A speech cannot be made.
    SpeechFailed {
        /// Which speech.
        speech: SpeechId,
    },
    /// An action has ended.
    ActionFinished {
        /// Which run.
        run: ActionRunId,
        /// How.
        result: ActionResult,
    },
    /// A hand-off is on disk, or could not be put there.
    HandoffStored {
        /// Whether it is durable.
        stored: bool,
    },
    /// It has been tried to put the caller through; or the time with somebody who had taken the call
    /// is over. `Succeeded` ends the call.
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
    /// Somebody at a desk has taken the call: they are about to be joined. Until `TransferEnded`,
    /// `BackInQueue` or `BackFromAgent` neither frames nor words of ours are needed.
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
    /// What came of [`CallOutput::LeaveQueue`] for a call back.
    CallbackBooked {
        /// Whether it is noted, durably, and with the caller's place.
        booked: bool,
    },
    /// Whoever talks with the caller sends them to us for this, and waits for them.
    BackFromAgent {
        /// The intent.
        task: String,
    },
    /// So much may be spent on callers from now on. Before [`CallInput::Answered`] it decides how the
    /// call begins, too; later, [`Effort::KeypadMenu`] and less change nothing of how it goes on.
    Effort(Effort),
    /// The leg is gone.
    LegEnded(Termination),
    /// The time given by [`super::Call::poll_timeout`] has come.
    Timeout,
}

/// Something for the shell to do.
#[derive(Debug)]
pub enum CallOutput {
    /// Transcribe this audio (mono).
    Transcribe {
        /// Names it in the answer.
        utterance: UtteranceId,
        /// Its samples.
        samples: Vec<i16>,
        /// Their rate: that of the caller's codec.
        rate: SampleRate,
        /// What was asked for.
        expected: Expected,
        /// How soon. What is speculative is hurried if the turn is over before its answer comes, and
        /// withdrawn if nobody needs it.
        urgency: Urgency,
    },
    /// The turn is over, and the caller waits for the transcript that was asked for ahead.
    Hurry {
        /// Of which.
        utterance: UtteranceId,
    },
    /// What was asked for about this utterance is not needed: the caller has gone on.
    Withdraw {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Judge by the sound (mono) whether the caller has finished.
    JudgeEnd {
        /// Names it in the answer.
        utterance: UtteranceId,
        /// All of the utterance so far.
        samples: Vec<i16>,
        /// Their rate.
        rate: SampleRate,
    },
    /// Classify these words.
    Understand {
        /// Names them in the answer.
        utterance: UtteranceId,
        /// The words.
        text: Pii<String>,
    },
    /// Make this speech.
    Speak {
        /// Names it in the answers.
        speech: SpeechId,
        /// The words.
        text: Pii<String>,
        /// Free of personal data: its sound may be kept.
        fixed: bool,
        /// How soon.
        urgency: Urgency,
    },
    /// This speech was asked for ahead, and the caller waits for it now.
    HurrySpeech {
        /// Which one.
        speech: SpeechId,
    },
    /// This speech is no longer wanted.
    CancelSpeech {
        /// Which one.
        speech: SpeechId,
    },
    /// The caller agrees to be recorded: from now on.
    Record,
    /// Run a declared action.
    RunAction {
        /// Names it in the answer.
        run: ActionRunId,
        /// Which action.
        action: String,
        /// Its inputs.
        inputs: BTreeMap<String, Pii<String>>,
    },
    /// Store this before anything is promised.
    StoreHandoff(Box<Handoff>),
    /// Put the caller through to the people of this queue, with the hand-off that was stored last.
    Transfer {
        /// Whose people.
        queue: String,
        /// What is said to whoever answers, before they take the call.
        announcement: Pii<String>,
    },
    /// That has taken too long: whoever is rung, and has not got the call, is not to get it.
    CancelTransfer,
    /// Put the caller in line for people at desks, with the hand-off that was stored last.
    Enqueue {
        /// For whom.
        queue: String,
        /// What is said to whoever takes the call on a telephone, before they do.
        announcement: Pii<String>,
    },
    /// More is known than the hand-off that was stored last says: store this in its place, under the
    /// same reference, and show it to whoever is offered the call.
    UpdateHandoff(Box<Handoff>),
    /// Take the caller out of the line. [`LeftQueue::ForCallback`] is answered with
    /// [`CallInput::CallbackBooked`]; if that failed, the caller is still in line.
    LeaveQueue {
        /// Why.
        why: LeftQueue,
    },
    /// Give the caller back to whoever sent them to us.
    ReturnToAgent,
    /// A line of the transcript, for the record.
    Line(TranscriptLine),
    /// A turn was answered; how long each part took.
    Turn(TurnTiming),
    /// End the leg.
    HangUp(Termination),
    /// The call is over.
    Ended(Termination),
}

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSpeaker {
    /// The caller.
    Caller,
    /// We.
    Frontdoor,
}

impl LineSpeaker {
    /// The word used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Frontdoor => "frontdoor",
        }
    }
}

/// One line of the transcript; secrets are masked already.
#[derive(Debug, Clone)]
pub struct TranscriptLine {
    /// Start, in ms from answer.
    pub at_ms: u64,
    /// Who.
    pub speaker: LineSpeaker,
    /// What was said, and of ours only what was heard.
    pub text: Pii<String>,
    /// The recogniser's confidence, for the caller's lines.
    pub confidence: Option<f32>,
    /// What it was understood as.
    pub intent: Option<(IntentName, f32)>,
    /// How it was taken, for the caller's lines.
    pub taken: Option<Taken>,
}

/// How something that the caller said or keyed was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// What was listened for, as [`Expected::as_str`] has it.
    pub expected: &'static str,
    /// Above 0 is out of scope; `None` if it was not classified.
    pub out_of_scope: Option<f32>,
    /// Nothing could be made of it.
    pub failed: bool,
}

/// 20 ms for the caller.
#[derive(Debug)]
pub struct PlayoutFrame {
    /// 160 samples at 8 kHz.
    pub samples: [i16; 160],
    /// We are speaking (even if this frame is a pause within).
    pub speaking: bool,
}
