//! Why the server cannot start.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::actions::ActionsError;
use crate::engine::end_of_turn::EndJudgeError;
use crate::engine::hearing::HearingError;
use crate::engine::models::ModelError;
use crate::engine::understanding::UnderstandingError;
use crate::engine::vad::VadError;
use crate::engine::voice::VoiceError;
use crate::net::secure::DtlsError;
use crate::net::sip::SipError;
use crate::store::StoreError;
use crate::store::webhook::WebhookError;
use crate::web::WebError;

/// What stops the server from starting; each names what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A folder or file of the profile cannot be read.
    #[error(
        "cannot read the prompt files in {folder}: {source}. Fix: check `profile` in the [server] section"
    )]
    ProfileUnreadable {
        /// The profile's folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The prompt files have errors; the findings say where.
    #[error("the prompt files in {folder} have {count} error(s):\n{findings}")]
    ProfileRefused {
        /// The profile's folder.
        folder: PathBuf,
        /// How many.
        count: usize,
        /// One finding a line.
        findings: String,
    },
    /// A folder cannot be made.
    #[error("cannot create {folder}: {source}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model is missing or damaged.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The recogniser cannot start.
    #[error(transparent)]
    Hearing(#[from] HearingError),
    /// The voice-activity model cannot start.
    #[error(transparent)]
    Vad(#[from] VadError),
    /// The end-of-turn model cannot start.
    #[error(transparent)]
    EndOfTurn(#[from] EndJudgeError),
    /// The classifier cannot start.
    #[error(transparent)]
    Understanding(#[from] UnderstandingError),
    /// The voice cannot start.
    #[error(transparent)]
    Voice(#[from] VoiceError),
    /// The actions cannot be set up.
    #[error(transparent)]
    Actions(#[from] ActionsError),
    /// The records cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The webhook cannot be used as configured.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The phone side cannot listen.
    #[error(transparent)]
    Sip(#[from] SipError),
    /// HTTP cannot be listened for.
    #[error(
        "cannot listen for HTTP on {address}: {source}. Fix: give another address under [http] listen"
    )]
    Http {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Pages cannot be served.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The token is not in the environment.
    #[error(
        "http.token_env names the environment variable {variable}, which is not set. Set it before \
         starting frontdoor"
    )]
    HttpTokenMissing {
        /// The variable.
        variable: String,
    },
    /// The certificate for encrypted audio cannot be made.
    #[error("{0}. Fix: srtp = \"off\" in the [media] section answers calls without encryption")]
    Encryption(#[from] DtlsError),
    /// A loading thread is gone.
    #[error("a loading task ended before its time: {0}")]
    Task(#[from] tokio::task::JoinError),
}
