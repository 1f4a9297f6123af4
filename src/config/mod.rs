//! `frontdoor.toml`: `RawConfig` (serde, unknown keys are errors) becomes a validated [`Config`].
//!
//! Job: turn text into settings that the rest of the program can trust, and say what is wrong in
//! words that name the file, the line, the key and the fix. Non-job: it opens no model, socket or
//! database, and reads no secret (only names of environment variables).

mod actions;
mod caller;
mod capacity;
mod checked;
mod desk;
mod error;
mod locate;
mod raw;
mod routes;
mod sql;
mod suggest;
mod transfers;
mod trunks;
mod validate;
mod validate_actions;
mod validate_caller;
mod validate_capacity;
mod validate_desk;
mod validate_sip;
mod validate_sql;
mod validate_transfers;
mod validate_trunks;
mod validate_turns;
mod validate_web;
mod validate_webrtc;
mod web;
mod webrtc;

pub use actions::{
    ActionConfig, ConnectorConfig, HttpActionConfig, HttpMethod, JsonTemplate, TextTemplate,
};
pub use caller::{CallerLookupConfig, ConsentConfig, OPEN_TICKET, RecordingConfig};
pub use capacity::{CallsConversing, CapacityConfig};
pub use checked::{
    BargeInTimes, CertificateConfig, Config, ConversationConfig, DigestAlgorithm, HandoffConfig,
    HearingConfig, HttpConfig, ListenAddress, MediaConfig, ModelsConfig, ServerConfig, SipConfig,
    SrtpMode, Transport, TurnsConfig, UnderstandingConfig, VerificationConfig, VoiceConfig,
    WebhookConfig,
};
pub use desk::{CallbacksConfig, DeskConfig};
pub use error::{ConfigError, Problem};
pub use routes::{Called, Routed, route};
pub use sql::{SqlActionConfig, SqlEffect, SqlRefusal, SqlStatement, TODAY};
pub use suggest::{did_you_mean, nearest};
pub use transfers::{TransferConfig, TransferRules, TransferWay};
pub use trunks::{LoginConfig, NumberConfig, RegisterConfig, TrunkConfig, trunk_of};
pub use web::{CallTokens, RecordsConfig, WebConfig};
pub use webrtc::{TurnConfig, WebRtcConfig};

use std::ffi::OsString;
use std::path::Path;

impl Config {
    /// Reads and validates a configuration file.
    ///
    /// Relative paths in the file are taken from the file's own folder.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read, is not TOML, has unknown keys, or holds values
    /// that make no sense.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let path = std::path::absolute(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&path, &text, |name| std::env::var_os(name))
    }

    /// Validates configuration text. `path` is used for messages and as the origin of relative
    /// paths; `environment` answers `HOME` and `XDG_DATA_HOME`.
    ///
    /// # Errors
    /// As [`Config::load`], except reading.
    pub fn parse(
        path: &Path,
        text: &str,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let raw: raw::RawConfig =
            toml::from_str(text).map_err(|error| error::from_toml(path, text, &error))?;
        validate::validate(path, text, raw, &environment)
    }
}

#[cfg(test)]
mod tests;
