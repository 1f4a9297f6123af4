//! Speech to text: a pool of worker threads around whisper, with a bounded queue in front.
//!
//! One model is loaded and shared; each worker has its own decoding state and runs one decode at
//! a time on few threads (one, unless told otherwise: ggml spins at barriers, so two decodes of
//! two threads each on two cores take ten times as long as one after the other). When the queue is
//! full, [`Hearing::submit`] hands the request back; [`Hearing::transcribe`] waits for a place.
//! Not its job: deciding when an utterance ended, or what it means.

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

pub use focus::{Focus, ListenFor};
pub use loops::{Loop, LoopKind, find_loop};
pub use model_file::{ModelHeader, check_model_file};
pub use pool::Hearing;

use std::fmt;
use std::path::PathBuf;
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
    /// Threads of each decode; 1 unless the machine has cores to spare.
    pub threads_per_decode: usize,
    /// Requests that may wait; one more is handed back.
    pub queue_len_max: usize,
    /// ISO 639-1 code; English-only models take only `en`.
    pub language: String,
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
}

impl fmt::Debug for HearingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HearingRequest")
            .field("call", &self.call)
            .field("utterance", &self.utterance)
            .field("samples", &self.samples_16k.len())
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
    /// Whether it was decoded again at full context.
    pub fallback: bool,
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

/// Where the answer goes. Dropping the receiver cancels a request that still waits.
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
    /// Requests decoded.
    pub decodes: u64,
    /// Decodes that were done again at full context.
    pub fallbacks: u64,
    /// Requests dropped before decoding because nobody waits for them any more.
    pub cancelled: u64,
    /// Requests handed back because the queue was full.
    pub overloads: u64,
    /// Decodes that failed.
    pub failures: u64,
    /// Audio decoded.
    pub audio_s: f64,
    /// CPU of the worker threads.
    pub cpu_s: f64,
    /// Median wall time of the latest decodes.
    pub wall_p50_ms: u64,
    /// 95th percentile of the same.
    pub wall_p95_ms: u64,
}
