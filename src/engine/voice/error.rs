//! What can go wrong with the voice, and what to do about it.

use std::path::PathBuf;

/// An error of the voice. It never holds what was to be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoiceError {
    /// A file of the voice can't be read.
    #[error("can't read {path}: {why}; fetch the voice again with `frontdoor models fetch`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The model file can't be loaded.
    #[error(
        "{path} is no usable Piper voice ({why}); it may be cut short: delete it and fetch it \
         again with `frontdoor models fetch`"
    )]
    BadModel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The description that comes with the model can't be used.
    #[error("{path} is no usable Piper voice description ({why}); it must belong to the model")]
    BadModelConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The phonemiser isn't there.
    #[error(
        "can't start {program} ({why}), which tells the voice how words sound; install it with \
         `apt install espeak-ng`, or set its path"
    )]
    EspeakMissing {
        /// The program as configured.
        program: String,
        /// What the system says.
        why: String,
    },
    /// The phonemiser was started anew and still gave no answer.
    #[error("{program} gives no usable answer: {why}")]
    EspeakFailed {
        /// The program as configured.
        program: String,
        /// What happened.
        why: String,
    },
    /// The phonemiser failed a moment ago and isn't tried again yet.
    #[error("{program} failed {failures} times in a row and isn't tried again yet")]
    EspeakResting {
        /// The program as configured.
        program: String,
        /// Failures without a success between them.
        failures: u32,
    },
    /// The model could not render a clause.
    #[error("the voice model failed: {why}")]
    Render {
        /// What it says.
        why: String,
    },
    /// Too many callers are waiting for the voice.
    #[error("{queued} sentences are waiting for the voice, the most that may (queue_len_max)")]
    Overloaded {
        /// Sentences waiting or being rendered.
        queued: usize,
    },
    /// The folder for rendered clauses can't be used.
    #[error("can't use the voice cache folder {path}: {why}")]
    CacheDir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The voice threads can't be started, or have ended.
    #[error("the voice is not running: {why}")]
    Stopped {
        /// Why.
        why: String,
    },
}
