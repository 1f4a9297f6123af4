//! The file as it is written: every key optional, unknown keys refused, nothing checked yet.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub server: RawServer,
    pub sip: RawSip,
    pub trunks: BTreeMap<String, RawTrunk>,
    pub numbers: BTreeMap<String, RawNumber>,
    pub media: RawMedia,
    pub hearing: RawHearing,
    pub turns: RawTurns,
    pub understanding: RawUnderstanding,
    pub conversation: RawConversation,
    pub capacity: RawCapacity,
    pub voice: RawVoice,
    pub models: RawModels,
    pub recording: RawRecording,
    pub handoff: RawHandoff,
    pub transfers: BTreeMap<String, RawTransfer>,
    pub transfer_rules: RawTransferRules,
    pub desk: RawDesk,
    pub callbacks: Option<RawCallbacks>,
    pub http: RawHttp,
    pub webrtc: RawWebRtc,
    pub web: RawWeb,
    pub records: RawRecords,
    pub caller_lookup: Option<RawCallerLookup>,
    pub actions: BTreeMap<String, RawAction>,
    pub verifications: BTreeMap<String, RawVerification>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub profile: Option<String>,
    pub data_dir: Option<String>,
    pub calls_max: Option<i64>,
    pub drain_timeout_s: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSip {
    pub listen: Option<Vec<String>>,
    pub advertise_ip: Option<String>,
    pub incoming_queue_len_max: Option<i64>,
    pub session_expires_s: Option<i64>,
    pub session_min_s: Option<i64>,
    pub tls_certificate: Option<String>,
    pub tls_key: Option<String>,
    pub tls_ca: Option<String>,
    pub dns_server: Option<String>,
    pub digest: Option<Vec<String>>,
    pub accept_unknown: Option<bool>,
    pub calls_per_s_max: Option<i64>,
    pub calls_per_source_max: Option<i64>,
    pub ban_after_refusals: Option<i64>,
    pub ban_s: Option<i64>,
    pub trace: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrunk {
    pub from: Option<Vec<String>>,
    pub username: Option<String>,
    pub password_env: Option<String>,
    pub calls_max: Option<i64>,
    pub calls_per_s_max: Option<i64>,
    pub to: Option<String>,
    pub keepalive_s: Option<i64>,
    pub register: Option<RawRegister>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegister {
    pub registrars: Option<Vec<String>>,
    pub username: Option<String>,
    pub auth_username: Option<String>,
    pub password_env: Option<String>,
    pub expires_s: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNumber {
    pub profile: Option<String>,
    pub trunk: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMedia {
    pub rtp_port_min: Option<i64>,
    pub rtp_port_max: Option<i64>,
    pub no_media_timeout_s: Option<i64>,
    pub codecs: Option<Vec<String>>,
    pub srtp: Option<String>,
    pub srtp_sdes_without_tls: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHearing {
    pub model: Option<String>,
    pub second_model: Option<String>,
    pub workers: Option<i64>,
    pub threads: Option<i64>,
    pub queue_len_max: Option<i64>,
    pub utterance_max_s: Option<i64>,
    pub vad_threshold: Option<f64>,
    pub endpoint_silence_ms: Option<i64>,
    pub patient_silence_ms: Option<i64>,
    /// No longer there; who still has it is told what has taken its place.
    pub barge_in_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTurns {
    pub silence_min_ms: Option<i64>,
    pub complete_ms: Option<i64>,
    pub likely_ms: Option<i64>,
    pub open_ms: Option<i64>,
    pub unfinished_ms: Option<i64>,
    pub value_gap_ms: Option<i64>,
    pub hold_on_ms: Option<i64>,
    pub pace_percent: Option<i64>,
    pub end_model: Option<String>,
    pub end_likely: Option<f64>,
    pub end_unlikely: Option<f64>,
    pub barge_in_duck_ms: Option<i64>,
    pub barge_in_duck_db: Option<i64>,
    pub barge_in_hold_ms: Option<i64>,
    pub barge_in_commit_ms: Option<i64>,
    pub barge_in_hold_max_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnderstanding {
    pub encoder: Option<String>,
    pub accept_confidence: Option<f64>,
    pub confirm_confidence: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConversation {
    pub no_input_timeout_ms: Option<i64>,
    pub failures_max: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCapacity {
    pub latency_p95_max_ms: Option<i64>,
    pub calls_conversing_max: Option<NumberOrWord>,
    pub least_effort: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "it must be a whole number or a word in quotes")]
pub(super) enum NumberOrWord {
    Number(i64),
    Word(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVoice {
    pub model: Option<String>,
    pub espeak: Option<String>,
    pub cache_bytes_max_mib: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModels {
    pub cache_dir: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecording {
    pub enabled: Option<bool>,
    pub dir: Option<String>,
    pub consent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHandoff {
    pub webhook_url: Option<String>,
    pub webhook_secret_env: Option<String>,
    pub webhook_timeout_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransfer {
    pub to: Option<String>,
    pub way: Option<String>,
    pub bridge_if_refused: Option<bool>,
    pub ring_s: Option<i64>,
    pub screening: Option<bool>,
    pub trunk: Option<String>,
    pub header: Option<String>,
    pub record: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransferRules {
    pub hosts: Option<Vec<String>>,
    pub calls_max: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDesk {
    pub dispositions: Option<Vec<String>>,
    pub away_reasons: Option<Vec<String>>,
    pub wrap_up_action: Option<String>,
    pub whisper: Option<bool>,
    pub record: Option<bool>,
    pub trunk: Option<String>,
    pub ring_s: Option<i64>,
    pub numbers: BTreeMap<String, String>,
    pub phones: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCallbacks {
    pub to: Option<String>,
    pub allowed: Option<Vec<String>>,
    pub attempts_max: Option<i64>,
    pub retry_after_minutes: Option<i64>,
    pub trunk: Option<String>,
    pub crm_field: Option<String>,
    pub ring_s: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub listen: Option<String>,
    pub token_env: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebRtc {
    pub listen: Option<OneOrMany>,
    pub udp_port_min: Option<i64>,
    pub udp_port_max: Option<i64>,
    pub advertise_ip: Option<String>,
    pub stun: Option<Vec<String>>,
    pub turn: Option<Vec<RawTurn>>,
    pub connect_timeout_s: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTurn {
    pub url: Option<String>,
    pub username: Option<String>,
    pub password_env: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "it must be a text in quotes or a list of them")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWeb {
    pub listen: Option<String>,
    pub certificate: Option<String>,
    pub key: Option<String>,
    pub plain: Option<bool>,
    pub public_url: Option<String>,
    pub call_tokens: Option<String>,
    pub calls_per_minute_per_source: Option<i64>,
    pub trusted_proxies: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecords {
    pub retention_days: Option<i64>,
    pub recording_retention_days: Option<i64>,
    pub audit_retention_days: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCallerLookup {
    pub action: String,
    pub tier: Option<String>,
    pub open_tickets: Option<String>,
    pub ticket_subject: Option<String>,
    pub language: Option<String>,
    #[serde(default)]
    pub priority_up: BTreeMap<String, i64>,
    #[serde(default)]
    pub skills: BTreeMap<String, Vec<String>>,
}

/// All keys of all kinds. Validation says which of them a kind takes, so that the message can name
/// the key and the kind, which a tagged enum cannot.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAction {
    pub kind: Option<String>,
    #[serde(default)]
    pub inputs: Vec<String>,
    pub outputs: Option<RawOutputs>,
    pub list: Option<String>,
    pub changes_state: Option<bool>,
    pub timeout_ms: Option<i64>,
    pub method: Option<String>,
    pub url: Option<String>,
    pub idempotent: Option<bool>,
    pub retries: Option<i64>,
    pub bearer_env: Option<String>,
    pub headers: Option<BTreeMap<String, String>>,
    pub body: Option<toml::Table>,
    pub failures: Option<BTreeMap<String, String>>,
    pub database: Option<String>,
    pub seed: Option<String>,
    pub statements: Option<Vec<String>>,
    pub refuse: Option<Vec<RawRefusal>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefusal {
    pub when: String,
    pub word: String,
}

/// Names for the demo CRM, which knows what they are; names with JSON pointers for HTTP, with
/// columns for SQL.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "outputs must be a list of names (kind = \"demo_crm\") or a table of names with \
                 JSON pointers (kind = \"http\") or columns (kind = \"sql\")"
)]
pub(super) enum RawOutputs {
    Names(Vec<String>),
    Pointers(BTreeMap<String, String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVerification {
    pub action: Option<String>,
    #[serde(default)]
    pub slots: Vec<String>,
    pub attempts_max: Option<i64>,
}
