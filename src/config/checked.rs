//! The validated configuration: ranges hold, names resolve, paths are absolute.
//!
//! Field names are the keys of the file, units included.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::audio::Codecs;

use super::actions::{ActionConfig, ConnectorConfig};
use super::caller::{CallerLookupConfig, RecordingConfig};
use super::capacity::CapacityConfig;
use super::desk::{CallbacksConfig, DeskConfig};
use super::transfers::{TransferConfig, TransferRules};
use super::trunks::{NumberConfig, TrunkConfig};
use super::web::{RecordsConfig, WebConfig};
use super::webrtc::WebRtcConfig;

/// A whole `frontdoor.toml` that makes sense.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, absolute when loaded from disk.
    pub path: PathBuf,
    /// `[server]`.
    pub server: ServerConfig,
    /// `[sip]`.
    pub sip: SipConfig,
    /// `[trunks....]`, by name.
    pub trunks: Vec<TrunkConfig>,
    /// `[numbers]`; empty if every call is answered with the one profile.
    pub numbers: Vec<NumberConfig>,
    /// `[media]`.
    pub media: MediaConfig,
    /// `[hearing]`.
    pub hearing: HearingConfig,
    /// `[turns]`.
    pub turns: TurnsConfig,
    /// `[understanding]`.
    pub understanding: UnderstandingConfig,
    /// `[conversation]`.
    pub conversation: ConversationConfig,
    /// `[capacity]`.
    pub capacity: CapacityConfig,
    /// `[voice]`.
    pub voice: VoiceConfig,
    /// `[models]`.
    pub models: ModelsConfig,
    /// `[recording]`.
    pub recording: RecordingConfig,
    /// `[handoff]`.
    pub handoff: HandoffConfig,
    /// `[transfers....]`, by queue.
    pub transfers: BTreeMap<String, TransferConfig>,
    /// `[transfer_rules]`.
    pub transfer_rules: TransferRules,
    /// `[desk]`.
    pub desk: DeskConfig,
    /// `[callbacks]`, if anybody is called back by us.
    pub callbacks: Option<CallbacksConfig>,
    /// `[http]`, if it is listened for.
    pub http: Option<HttpConfig>,
    /// `[webrtc]`.
    pub webrtc: WebRtcConfig,
    /// `[web]`, if pages are served.
    pub web: Option<WebConfig>,
    /// `[records]`.
    pub records: RecordsConfig,
    /// `[caller_lookup]`.
    pub caller_lookup: Option<CallerLookupConfig>,
    /// `[actions."..."]` by name.
    pub actions: BTreeMap<String, ActionConfig>,
    /// `[verifications....]` by name.
    pub verifications: BTreeMap<String, VerificationConfig>,
}

impl Config {
    /// Where call records and hand-offs are: `<data_dir>/frontdoor.sqlite`.
    pub fn store_path(&self) -> PathBuf {
        self.server.data_dir.join("frontdoor.sqlite")
    }

    /// Folders of the prompt files that calls may be held by: that of `[server]` first.
    pub fn profiles(&self) -> Vec<PathBuf> {
        let mut all = vec![self.server.profile.clone()];
        for number in &self.numbers {
            if !all.contains(&number.profile) {
                all.push(number.profile.clone());
            }
        }
        all
    }

    /// Puts other prompt files in the place of those of `[server]`, also where a number is answered
    /// with them.
    pub fn replace_profile(&mut self, profile: PathBuf) {
        let old = std::mem::replace(&mut self.server.profile, profile);
        for number in &mut self.numbers {
            if number.profile == old {
                number.profile.clone_from(&self.server.profile);
            }
        }
    }

    /// The same configuration for other prompt files.
    #[must_use]
    pub fn with_profile(&self, profile: &Path) -> Self {
        let server = ServerConfig { profile: profile.to_owned(), ..self.server.clone() };
        Self { server, ..self.clone() }
    }

    /// Where the demo CRM is: `<data_dir>/crm.sqlite`.
    pub fn demo_crm_path(&self) -> PathBuf {
        self.server.data_dir.join("crm.sqlite")
    }

    /// Fields of the caller's record that a slot may be filled `From:`: the outputs of the caller
    /// lookup.
    pub fn caller_fields(&self) -> Vec<&str> {
        self.caller_lookup
            .as_ref()
            .and_then(|lookup| self.actions.get(&lookup.action))
            .map_or_else(Vec::new, ActionConfig::output_names)
    }

    /// Whether the caller's record says what an open ticket of theirs is about.
    pub fn tells_ticket(&self) -> bool {
        self.caller_lookup.as_ref().is_some_and(|lookup| lookup.ticket_subject.is_some())
    }

    /// Whether any action uses the built-in demo CRM.
    pub fn uses_demo_crm(&self) -> bool {
        self.actions.values().any(|a| matches!(a.connector, ConnectorConfig::DemoCrm { .. }))
    }

    /// Databases that can be made anew, each with the SQL it is made from.
    pub fn seeded_databases(&self) -> BTreeMap<&Path, &Path> {
        let sql = self.actions.values().filter_map(|action| match &action.connector {
            ConnectorConfig::Sql(sql) => Some(sql),
            _ => None,
        });
        sql.filter_map(|sql| Some((sql.database.as_path(), sql.seed.as_deref()?))).collect()
    }
}

/// `[server]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Folder of the prompt files.
    pub profile: PathBuf,
    /// Folder of the databases and recordings.
    pub data_dir: PathBuf,
    /// Calls at the same time; one more is refused as busy.
    pub calls_max: usize,
    /// How long running calls may take to end when the server stops.
    pub drain_timeout_s: u64,
}

/// How SIP messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A message a datagram.
    Udp,
    /// A stream, framed by Content-Length (RFC 3261 section 18.3).
    Tcp,
    /// The same within TLS (RFC 3261 section 26.2).
    Tls,
    /// A message a WebSocket message (RFC 7118).
    Ws,
    /// The same within TLS.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Its name, as in a URI's `transport` parameter and in front of an address to listen on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether it runs over TLS: whoever connects is shown a certificate.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One address to listen on, written `udp:127.0.0.1:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// How messages travel.
    pub transport: Transport,
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.address)
    }
}

/// `[sip]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipConfig {
    /// At least one.
    pub listen: Vec<ListenAddress>,
    /// What to write into SDP and `Contact` when it is not the address listened on.
    pub advertise_ip: Option<IpAddr>,
    /// Calls that may wait to be taken up; one more is refused.
    pub incoming_queue_len_max: usize,
    /// A call whose other side gives no sign of life for this long is ended (RFC 4028).
    pub session_expires_s: u32,
    /// The shortest such time that a caller may ask for.
    pub session_min_s: u32,
    /// What is shown to who connects over TLS; given wherever TLS is listened for.
    pub certificate: Option<CertificateConfig>,
    /// Whose certificates are believed where we connect over TLS, instead of the machine's own list.
    pub tls_ca: Option<PathBuf>,
    /// The DNS server that is asked for SIP servers, instead of the machine's own.
    pub dns_server: Option<SocketAddr>,
    /// What callers with a password may prove it with, the preferred one first (RFC 8760).
    pub digest: Vec<DigestAlgorithm>,
    /// Whether calls that come from no trunk are taken.
    pub accept_unknown: bool,
    /// New calls a second, all together; more are refused with 503.
    pub calls_per_s_max: Option<u32>,
    /// Calls at the same time from one address; more are refused with 503.
    pub calls_per_source_max: Option<usize>,
    /// So many refused or malformed requests within a minute, and their source is ignored for
    /// [`SipConfig::ban_s`]; 0 for never.
    pub ban_after_refusals: u32,
    /// How long it is ignored.
    pub ban_s: u64,
    /// Whether the messages of calls are kept with their records, without personal data.
    pub trace: bool,
}

/// The hashes of digest authentication that are spoken (RFC 7616), the better one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5: no better than the network that it passes, and all that many telephones know.
    Md5,
}

impl DigestAlgorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    /// Its name, as in the `algorithm` parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The hash of this name, however it is written.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// Certificate and key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateConfig {
    /// The certificate and those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[media]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// First port for RTP, even.
    pub rtp_port_min: u16,
    /// Last port for RTP or RTCP.
    pub rtp_port_max: u16,
    /// A call without any packet for this long is ended.
    pub no_media_timeout_s: u64,
    /// What is spoken on the telephone, the best first.
    pub codecs: Codecs,
    /// Whether media is encrypted.
    pub srtp: SrtpMode,
    /// Whether keys in SDP are taken although the signalling can be read on its way.
    pub srtp_sdes_without_tls: bool,
}

/// Whether media is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpMode {
    /// Never: an offer of nothing else is refused.
    Off,
    /// When the other side offers it.
    Offered,
    /// Always: plain RTP is refused.
    Required,
}

/// `[hearing]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HearingConfig {
    /// Name in the model manifest.
    pub model: String,
    /// The same of the model that is asked about values the first is not sure of.
    pub second_model: Option<String>,
    /// Transcriptions at the same time.
    pub workers: usize,
    /// Threads of one that is alone; beside others each has one. `None`: as many as there are cores, up
    /// to a few.
    pub threads: Option<usize>,
    /// Utterances that may wait; one more is shed.
    pub queue_len_max: usize,
    /// Longer speech is cut here.
    pub utterance_max_s: u64,
    /// 0 to 1: from where on a frame counts as speech.
    pub vad_threshold: f32,
    /// Silence that ends an utterance.
    pub endpoint_silence_ms: u64,
    /// The same while a patient slot is asked.
    pub patient_silence_ms: u64,
}

/// `[turns]`: how long a caller who pauses is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnsConfig {
    /// Nothing ends a turn sooner.
    pub silence_min_ms: u64,
    /// After a whole value, a clear answer, a request in so many words.
    pub complete_ms: u64,
    /// After what reads like a whole sentence.
    pub likely_ms: u64,
    /// After what may be all or not.
    pub open_ms: u64,
    /// After what breaks off.
    pub unfinished_ms: u64,
    /// After a part of a value that is asked for.
    pub value_gap_ms: u64,
    /// After "hold on".
    pub hold_on_ms: u64,
    /// How much longer than their own pauses callers are waited for; 0: that is not learned.
    pub pace_percent: u32,
    /// The model that judges ends by ear: its name in the model manifest.
    pub end_model: Option<String>,
    /// 0 to 1: from here on that model says that the turn is over.
    pub end_likely: f32,
    /// 0 to 1: up to here it says that it is not.
    pub end_unlikely: f32,
    /// How we give way to a caller who speaks while we do.
    pub barge_in: BargeInTimes,
}

/// `barge_in_...` in `[turns]`: the caller's own sound over ours after which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BargeInTimes {
    /// We speak more softly.
    pub duck_ms: u64,
    /// By so much, in dB.
    pub duck_db: u32,
    /// We pause for speech.
    pub hold_ms: u64,
    /// We give up what we were saying.
    pub commit_ms: u64,
    /// Longest pause for words that do not come, once the caller is silent.
    pub hold_max_ms: u64,
}

/// `[understanding]`.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderstandingConfig {
    /// Name in the model manifest.
    pub encoder: String,
    /// 0 to 1: from here on an intent is taken without asking.
    pub accept_confidence: f32,
    /// 0 to 1: from here on it is asked about; below, it was not understood.
    pub confirm_confidence: f32,
}

/// `[conversation]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationConfig {
    /// Silence after a question that counts as no answer.
    pub no_input_timeout_ms: u64,
    /// Failed tries of one step before a person is offered.
    pub failures_max: u32,
}

/// `[voice]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceConfig {
    /// Name in the model manifest.
    pub model: String,
    /// The eSpeak NG program, by name or path.
    pub espeak: String,
    /// Memory for sentences already spoken.
    pub cache_bytes_max_mib: u64,
}

/// `[models]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelsConfig {
    /// Where model files are kept, if not in the default place.
    pub cache_dir: Option<PathBuf>,
}

/// `[handoff]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoffConfig {
    /// Where hand-offs are posted, if anywhere.
    pub webhook: Option<WebhookConfig>,
}

/// The webhook that gets every hand-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// `http` or `https`.
    pub url: String,
    /// Environment variable that holds the signing key.
    pub secret_env: String,
    /// For one delivery.
    pub timeout_ms: u64,
}

/// `[http]`: health, metrics and hand-offs for other programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where; beyond this machine only with a token.
    pub listen: SocketAddr,
    /// Environment variable that holds what askers must know.
    pub token_env: Option<String>,
}

/// `[verifications.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationConfig {
    /// The declared action that checks.
    pub action: String,
    /// What it checks, in asking order; all are inputs of the action.
    pub slots: Vec<String>,
    /// Tries before a person takes over.
    pub attempts_max: u32,
}
