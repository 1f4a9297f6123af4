//! Speech to text: a pool of worker threads around whisper, with a bounded queue in front.
//!
//! One model is loaded and shared; each worker has its own decoding state and runs one decode at
//! a time: on all the threads it may have while it is alone, on one beside others (ggml spins at
//! barriers, so two decodes of two threads each on two cores take ten times as long as one after
//! the other). Callers whose turn is over go first, then what is done ahead, then what nobody waits
//! for ([`Urgency`]). A decode that nobody waits for any more is not begun, and given up where it is.
//! Not its job: deciding when an utterance ended, or what it means.

mod audience;
mod clean;
mod decode;
mod ear;
mod focus;
mod letters;
mod level;
mod loops;
mod model_file;
mod pool;
mod search;
#[cfg(test)]
mod with_model;

pub use crate::engine::Urgency;
pub use ear::CONTEXT_FRAMES_MIN;
pub use focus::{Focus, ListenFor};
pub use loops::{Loop, LoopKind, find_loop};
pub use model_file::{ModelHeader, check_model_file};
pub use pool::Hearing;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::{CallId, Pii, UtteranceId};
use crate::nlu::Readings;

/// How the recogniser runs.
#[derive(Debug, Clone)]
pub struct HearingConfig {
    /// The model file, ggml format.
    pub model: PathBuf,
    /// A larger model that is asked too where the first is not sure of a value. It costs nothing
    /// but memory while it is not asked.
    pub second_model: Option<PathBuf>,
    /// Decodes at the same time; more than there are cores is cut down to them.
    pub workers: usize,
    /// Threads of a decode that is alone; beside others each has one.
    pub threads_per_decode: usize,
    /// Requests that may wait; for one more the least urgent of them is dropped, or it waits outside.
    pub queue_len_max: usize,
    /// ISO 639-1 code; English-only models take only `en`.
    pub language: String,
    /// Fewest frames (20 ms each) of audio context, [`CONTEXT_FRAMES_MIN`] in every call; 1500, all
    /// that the models have, for measurements.
    pub context_frames_min: usize,
}

impl HearingConfig {
    /// By one model, one utterance at a time on one thread.
    pub fn new(model: PathBuf) -> Self {
        Self {
            model,
            second_model: None,
            workers: 1,
            threads_per_decode: 1,
            queue_len_max: 1,
            language: "en".to_owned(),
            context_frames_min: CONTEXT_FRAMES_MIN,
        }
    }
}

/// Looks at words that were not heard well. `true` says that what they mean is beyond doubt all the
/// same, so that a larger model need not be asked: it takes 50 times as long.
pub type Judge = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Whether the second model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondModel {
    /// Where the first is unsure.
    #[default]
    Asked,
    /// Not: there is too much to do.
    NotAsked,
}

/// What came of the question whether the first model has heard right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondOpinion {
    /// It was sure, or there is no second model.
    #[default]
    NotNeeded,
    /// Its words are likely, however they are written: it was unsure of capitals and marks only.
    Clear,
    /// What the words mean is beyond doubt ([`Judge`]).
    Judged,
    /// There is too much to do ([`SecondModel::NotAsked`]).
    NotAsked,
    /// The second model was asked, and the first one's words stand.
    Kept,
    /// The second model's words stand.
    Changed,
}

impl SecondOpinion {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::NotNeeded, Self::Clear, Self::Judged, Self::NotAsked, Self::Kept, Self::Changed];

    /// The word used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Clear => "clear",
            Self::Judged => "judged",
            Self::NotAsked => "not_asked",
            Self::Kept => "kept",
            Self::Changed => "changed",
        }
    }
}

/// One utterance to transcribe.
#[derive(Clone)]
pub struct HearingRequest {
    /// Whose utterance it is.
    pub call: CallId,
    /// Which utterance of the call.
    pub utterance: UtteranceId,
    /// Mono, 16 kHz, full scale at +-32767.
    pub samples_16k: Vec<i16>,
    /// Words likely to come. They cost a decode at full audio context (about four times the
    /// CPU on a short utterance), because they make whisper repeat itself at a reduced one.
    pub hints: Option<String>,
    /// What is expected: the utterance is looked at again for it. The plain words come all the
    /// same.
    pub listen_for: ListenFor,
    /// How soon the answer is needed.
    pub urgency: Urgency,
    /// Asked about words that were not heard well, before the second model is; `None` where words
    /// mean nothing by themselves.
    pub judge: Option<Judge>,
}

impl HearingRequest {
    /// Just the words, as soon as may be.
    pub const fn new(call: CallId, utterance: UtteranceId, samples_16k: Vec<i16>) -> Self {
        Self {
            call,
            utterance,
            samples_16k,
            hints: None,
            listen_for: ListenFor::Words,
            urgency: Urgency::TurnOver,
            judge: None,
        }
    }
}

impl fmt::Debug for HearingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HearingRequest")
            .field("call", &self.call)
            .field("utterance", &self.utterance)
            .field("samples", &self.samples_16k.len())
            .field("urgency", &self.urgency)
            .finish_non_exhaustive()
    }
}

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The words with whisper's punctuation; empty when nothing was said.
    pub text: Pii<String>,
    /// Each word as written, with the probability of its least certain token.
    pub words: Pii<Vec<(String, f32)>>,
    /// 0 to 1, from the probabilities of the tokens; lowered for loops and for audio in which
    /// nothing stands out.
    pub confidence: f32,
    /// Length of the utterance.
    pub audio_ms: u64,
    /// Wall time of the decode, second tries included.
    pub decode_ms: u64,
    /// Wall time in the queue.
    pub queued_ms: u64,
    /// CPU time of the worker's thread (the whole decode when it runs on one thread).
    pub cpu: Duration,
    /// Threads it was decoded on.
    pub threads: usize,
    /// Whether it was decoded again at full context.
    pub fallback: bool,
    /// Whether another model was asked, and what came of it.
    pub second: SecondOpinion,
    /// What the first model heard, where the second one's words stand.
    pub instead_of: Option<Pii<String>>,
    /// What it may have been, if a kind of value was expected.
    pub readings: Readings,
}

/// The answer to a request, with the ids by which a late one is recognised.
#[derive(Debug)]
pub struct HearingReply {
    /// Whose utterance it was.
    pub call: CallId,
    /// Which utterance.
    pub utterance: UtteranceId,
    /// The transcript, or why there is none.
    pub result: Result<Transcript, HearingError>,
}

/// Where the answer goes. Dropping the receiver cancels the request: it is not begun, or given up.
pub type ReplySender = oneshot::Sender<HearingReply>;

/// A request that was not taken, whole, so that its audio is not lost.
#[derive(Debug, thiserror::Error)]
pub enum NotSubmitted {
    /// The queue is full.
    #[error("the recogniser's queue is full")]
    Overloaded(Box<(HearingRequest, ReplySender)>),
    /// The workers are gone.
    #[error("the recogniser has stopped")]
    Stopped(Box<(HearingRequest, ReplySender)>),
}

/// Why there is no recogniser, or no transcript.
#[derive(Debug, thiserror::Error)]
pub enum HearingError {
    /// The model file cannot be opened.
    #[error(
        "cannot read the speech model {}: {cause}; check the path, or fetch the models again",
        path.display()
    )]
    ModelUnreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The model file is cut short or something else.
    #[error(
        "{} is not a usable speech model: {damage}; delete it and fetch the models again",
        path.display()
    )]
    ModelDamaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
    /// whisper.cpp refused a file that looked whole.
    #[error(
        "the speech model {} could not be loaded ({reason}); delete it and fetch the models again",
        path.display()
    )]
    ModelRefused {
        /// Which file.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// The language is unknown, or the model is for English only.
    #[error(
        "the speech model {} cannot listen for language '{language}'; use 'en', or a \
         multilingual model and an ISO 639-1 code",
        path.display()
    )]
    Language {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        language: String,
    },
    /// A worker thread could not be started.
    #[error("cannot start a thread of the recogniser: {0}")]
    Thread(std::io::Error),
    /// It was done ahead or in the background, and whoever waits for an answer went first.
    #[error("the recogniser has too much to do for what nobody waits for yet")]
    Shed,
    /// Nobody waited for the answer any more, so that it was given up.
    #[error("nobody waits for the transcript any more")]
    Abandoned,
    /// whisper.cpp failed on an utterance.
    #[error("the recogniser failed on an utterance: {0}")]
    Decode(String),
    /// The workers are gone.
    #[error("the recogniser has stopped")]
    Stopped,
}

/// What the pool did so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HearingStats {
    /// Requests waiting now.
    pub queue_len: usize,
    /// How long the oldest of them has waited whose caller waits for us.
    pub oldest_wait: Duration,
    /// Requests decoded.
    pub decodes: u64,
    /// Those of them that were done ahead.
    pub decodes_ahead: u64,
    /// Decodes that were done again at full context.
    pub fallbacks: u64,
    /// Requests dropped before decoding because nobody waits for them any more.
    pub cancelled: u64,
    /// Decodes given up because nobody waited for them any more.
    pub aborted: u64,
    /// Requests that nobody waited for yet, dropped because the queue was full.
    pub shed: u64,
    /// Requests of callers that found the queue full: handed back, or waiting outside.
    pub overloads: u64,
    /// What came of the question whether to ask the second model, in the order of
    /// [`SecondOpinion::ALL`].
    pub second: [u64; SecondOpinion::ALL.len()],
    /// Decodes that failed.
    pub failures: u64,
    /// Audio decoded.
    pub audio_s: f64,
    /// CPU of the worker threads.
    pub cpu_s: f64,
    /// Of that, for decodes that nobody has taken.
    pub cpu_wasted_s: f64,
    /// Median wall time of the latest decodes.
    pub wall_p50_ms: u64,
    /// 95th percentile of the same.
    pub wall_p95_ms: u64,
}
