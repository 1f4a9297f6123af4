//! From the file's text to trusted settings: defaults, ranges, paths, names that must exist.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::audio::{Codec, Codecs};

use super::actions::ActionConfig;
use super::checked::{
    Config, ConversationConfig, HandoffConfig, HearingConfig, HttpConfig, MediaConfig,
    ModelsConfig, ServerConfig, SrtpMode, UnderstandingConfig, VoiceConfig, WebhookConfig,
};
use super::error::{ConfigError, Problem};
use super::raw;
use super::transfers::TransferConfig;
use super::{
    locate, validate_actions, validate_caller, validate_capacity, validate_desk, validate_sip,
    validate_transfers, validate_trunks, validate_turns, validate_web, validate_webrtc,
};

/// RTP and RTCP: two ports for every call.
const PORTS_PER_CALL: usize = 2;

/// Collects problems, so that all of them are told at once.
pub(super) struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Notes a problem with the key at `path`.
    pub(super) fn problem(&mut self, path: &[&str], message: impl Into<String>) {
        let quoted: Vec<String> =
            path.iter()
                .map(|part| {
                    if part.contains(['.', ' ']) {
                        format!("\"{part}\"")
                    } else {
                        (*part).to_owned()
                    }
                })
                .collect();
        self.problems.push(Problem {
            key: quoted.join("."),
            line: locate::line_of(self.text, path),
            message: message.into(),
        });
    }

    /// A whole number within a range, or the default.
    pub(super) fn number(
        &mut self,
        path: &[&str],
        value: Option<i64>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let Some(value) = value else { return default };
        match u32::try_from(value).ok().filter(|value| range.contains(value)) {
            Some(value) => value,
            None => {
                let (low, high) = (range.start(), range.end());
                self.problem(path, format!("{value} is not between {low} and {high}"));
                default
            }
        }
    }

    pub(super) fn fraction(&mut self, path: &[&str], value: Option<f64>, default: f32) -> f32 {
        match value {
            None => default,
            Some(value) if (0.0..=1.0).contains(&value) => value as f32,
            Some(value) => {
                self.problem(path, format!("{value} is not between 0.0 and 1.0"));
                default
            }
        }
    }

    fn word(&mut self, path: &[&str], value: Option<String>, default: &str) -> String {
        match value {
            Some(value) if value.trim().is_empty() => {
                self.problem(path, format!("is empty. Remove the line for \"{default}\""));
                default.to_owned()
            }
            Some(value) => value,
            None => default.to_owned(),
        }
    }

    /// The name of an environment variable that holds a secret.
    pub(super) fn variable_name(&mut self, path: &[&str], name: Option<String>) -> Option<String> {
        let name = name?;
        let fits = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
        if !fits {
            // The value is not repeated: people put the secret itself here.
            self.problem(
                path,
                "is not the name of an environment variable (capitals, digits, `_`). Put the \
                 secret in a variable such as FRONTDOOR_SECRET and write that name here",
            );
        }
        Some(name)
    }
}

/// Where relative paths and defaults come from.
pub(super) struct Places<'a> {
    folder: PathBuf,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Places<'_> {
    pub(super) fn resolve(&self, written: &str) -> PathBuf {
        match (written.strip_prefix("~/"), (self.environment)("HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => self.folder.join(written),
        }
    }

    /// `$XDG_DATA_HOME/frontdoor`, else `~/.local/share/frontdoor`.
    fn default_data_dir(&self) -> Option<PathBuf> {
        let set = |name: &str| (self.environment)(name).filter(|value| !value.is_empty());
        set("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/share")))
            .map(|base| base.join("frontdoor"))
    }
}

pub(super) fn validate(
    path: &Path,
    text: &str,
    raw: raw::RawConfig,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Config, ConfigError> {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let places = Places { folder, environment };
    let mut check = Checker { text, problems: Vec::new() };
    let server = server(&mut check, raw.server, &places);
    let media = media(&mut check, raw.media, server.calls_max);
    let recording = validate_caller::recording(&mut check, raw.recording, &server, &places);
    let actions = validate_actions::actions(&mut check, raw.actions, &places);
    let verifications = validate_actions::verifications(&mut check, raw.verifications, &actions);
    let caller_lookup = raw
        .caller_lookup
        .map(|lookup| validate_caller::caller_lookup(&mut check, lookup, &actions));
    let trunks = validate_trunks::trunks(&mut check, raw.trunks);
    let numbers =
        validate_trunks::numbers(&mut check, raw.numbers, &trunks, &server.profile, &places);
    let transfer_rules = validate_transfers::rules(&mut check, raw.transfer_rules, &server);
    let transfers =
        validate_transfers::transfers(&mut check, raw.transfers, &trunks, &transfer_rules);
    let caller_fields = caller_lookup.as_ref().and_then(|lookup| actions.get(&lookup.action));
    let declared = validate_desk::Declared {
        trunks: &trunks,
        rules: &transfer_rules,
        actions: &actions,
        caller_fields: &caller_fields.map_or_else(Vec::new, ActionConfig::output_names),
    };
    let desk = validate_desk::desk(&mut check, raw.desk, &declared);
    let callbacks = validate_desk::callbacks(&mut check, raw.callbacks, &declared);
    let places_calls = transfers.values().any(TransferConfig::may_place_calls)
        || desk.may_place_calls()
        || callbacks.is_some();
    if places_calls {
        check_ports(&mut check, &media, server.calls_max + transfer_rules.calls_max);
    }
    let config = Config {
        path: path.to_owned(),
        sip: validate_sip::sip(&mut check, raw.sip, &trunks, &places),
        trunks,
        numbers,
        media,
        turns: validate_turns::turns(&mut check, raw.turns),
        hearing: hearing(&mut check, raw.hearing),
        understanding: understanding(&mut check, raw.understanding),
        conversation: ConversationConfig {
            no_input_timeout_ms: check
                .number(
                    &["conversation", "no_input_timeout_ms"],
                    raw.conversation.no_input_timeout_ms,
                    6000,
                    500..=60_000,
                )
                .into(),
            failures_max: check.number(
                &["conversation", "failures_max"],
                raw.conversation.failures_max,
                3,
                1..=10,
            ),
        },
        capacity: validate_capacity::capacity(&mut check, raw.capacity, server.calls_max),
        voice: VoiceConfig {
            model: check.word(&["voice", "model"], raw.voice.model, "joe"),
            espeak: check.word(&["voice", "espeak"], raw.voice.espeak, "espeak-ng"),
            cache_bytes_max_mib: check
                .number(
                    &["voice", "cache_bytes_max_mib"],
                    raw.voice.cache_bytes_max_mib,
                    256,
                    0..=65_536,
                )
                .into(),
        },
        models: ModelsConfig { cache_dir: raw.models.cache_dir.map(|dir| places.resolve(&dir)) },
        handoff: handoff(&mut check, raw.handoff),
        transfers,
        transfer_rules,
        desk,
        callbacks,
        http: http(&mut check, raw.http),
        webrtc: validate_webrtc::webrtc(&mut check, raw.webrtc, server.calls_max),
        web: validate_web::web(&mut check, raw.web, &places),
        records: validate_web::records(&mut check, &raw.records),
        server,
        recording,
        caller_lookup,
        actions,
        verifications,
    };
    if check.problems.is_empty() {
        return Ok(config);
    }
    check.problems.sort_by_key(|problem| problem.line);
    Err(ConfigError::Invalid { path: path.to_owned(), problems: check.problems })
}

fn server(check: &mut Checker<'_>, raw: raw::RawServer, places: &Places<'_>) -> ServerConfig {
    let profile = raw.profile.filter(|profile| !profile.trim().is_empty());
    if profile.is_none() {
        check.problem(
            &["server", "profile"],
            "is missing. Name the folder of your prompt files, for example \
             profile = \"prompts/bank\"",
        );
    }
    let data_dir = match raw.data_dir {
        Some(dir) => Some(places.resolve(&dir)),
        None => places.default_data_dir(),
    };
    if data_dir.is_none() {
        check.problem(
            &["server", "data_dir"],
            "is missing, and neither XDG_DATA_HOME nor HOME is set. Give a folder, for example \
             data_dir = \"/var/lib/frontdoor\"",
        );
    }
    ServerConfig {
        profile: places.resolve(profile.as_deref().unwrap_or_default()),
        data_dir: data_dir.unwrap_or_default(),
        calls_max: check.number(&["server", "calls_max"], raw.calls_max, 8, 1..=1000) as usize,
        drain_timeout_s: check
            .number(&["server", "drain_timeout_s"], raw.drain_timeout_s, 30, 0..=3600)
            .into(),
    }
}

fn media(check: &mut Checker<'_>, raw: raw::RawMedia, calls_max: usize) -> MediaConfig {
    let low_path = ["media", "rtp_port_min"];
    let high_path = ["media", "rtp_port_max"];
    let low = check.number(&low_path, raw.rtp_port_min, 40_000, 1024..=65_534);
    let high = check.number(&high_path, raw.rtp_port_max, 40_999, 1025..=65_535);
    if low % 2 == 1 {
        // RFC 3550 section 11: RTP takes the even port, RTCP the odd one above.
        check.problem(&low_path, format!("{low} is odd. RTP ports are even: {}", low + 1));
    }
    let pairs = (high + 1).saturating_sub(low) as usize / PORTS_PER_CALL;
    if pairs < calls_max {
        check.problem(
            &high_path,
            format!(
                "{low} to {high} is room for {pairs} calls and server.calls_max is {calls_max}. \
                 Each call takes {PORTS_PER_CALL} ports"
            ),
        );
    }
    let port = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let srtp = match raw.srtp.as_deref() {
        Some("off") => SrtpMode::Off,
        None | Some("offered") => SrtpMode::Offered,
        Some("required") => SrtpMode::Required,
        Some(other) => {
            let words = "\"off\", \"offered\" or \"required\"";
            check.problem(&["media", "srtp"], format!("\"{other}\" is not {words}"));
            SrtpMode::Required
        }
    };
    MediaConfig {
        rtp_port_min: port(low),
        rtp_port_max: port(high),
        no_media_timeout_s: check
            .number(&["media", "no_media_timeout_s"], raw.no_media_timeout_s, 30, 1..=3600)
            .into(),
        codecs: codecs(check, raw.codecs),
        srtp,
        srtp_sdes_without_tls: raw.srtp_sdes_without_tls.unwrap_or(false),
    }
}

/// Whether there are ports for these calls and for the legs on which callers are put through.
fn check_ports(check: &mut Checker<'_>, media: &MediaConfig, calls_max: usize) {
    let (low, high) = (usize::from(media.rtp_port_min), usize::from(media.rtp_port_max));
    let pairs = (high + 1).saturating_sub(low) / PORTS_PER_CALL;
    if pairs < calls_max {
        let message = format!(
            "{low} to {high} is room for {pairs} calls; server.calls_max and \
             transfer_rules.calls_max come to {calls_max}. Each call takes {PORTS_PER_CALL} ports"
        );
        check.problem(&["media", "rtp_port_max"], message);
    }
}

fn codecs(check: &mut Checker<'_>, words: Option<Vec<String>>) -> Codecs {
    let Some(words) = words else { return Codecs::default() };
    let mut known = Vec::new();
    for word in &words {
        match word.parse::<Codec>() {
            Ok(codec) if known.contains(&codec) => {
                check.problem(&["media", "codecs"], format!("\"{word}\" stands there twice"));
            }
            Ok(codec) => known.push(codec),
            Err(why) => check.problem(&["media", "codecs"], why),
        }
    }
    if words.is_empty() {
        check.problem(&["media", "codecs"], "is empty. Remove the line for all codecs");
    }
    Codecs::new(known)
}

fn hearing(check: &mut Checker<'_>, raw: raw::RawHearing) -> HearingConfig {
    let mut number =
        |key: &str, value, default, range| check.number(&["hearing", key], value, default, range);
    let workers = number("workers", raw.workers, 2, 1..=64);
    let threads = raw.threads.map(|threads| number("threads", Some(threads), 1, 1..=64) as usize);
    let queue_len_max = number("queue_len_max", raw.queue_len_max, 16, 1..=1024);
    // The model hears 30 s at most; the rest is margin for the padding around speech.
    let utterance_max_s = number("utterance_max_s", raw.utterance_max_s, 25, 1..=28);
    let endpoint_silence_ms =
        number("endpoint_silence_ms", raw.endpoint_silence_ms, 600, 100..=5000);
    let patient_silence_ms =
        number("patient_silence_ms", raw.patient_silence_ms, 1500, 100..=10_000);
    if raw.barge_in_ms.is_some() {
        check.problem(
            &["hearing", "barge_in_ms"],
            "has become barge_in_hold_ms in [turns]: speech over ours for that long has us pause. \
             Remove this line",
        );
    }
    if patient_silence_ms < endpoint_silence_ms {
        check.problem(
            &["hearing", "patient_silence_ms"],
            format!(
                "{patient_silence_ms} is less than endpoint_silence_ms ({endpoint_silence_ms}). \
                 Patient listening waits at least as long"
            ),
        );
    }
    HearingConfig {
        model: check.word(&["hearing", "model"], raw.model, "tiny.en"),
        second_model: Some(check.word(&["hearing", "second_model"], raw.second_model, "base"))
            .filter(|name| name != "none"),
        workers: workers as usize,
        threads,
        queue_len_max: queue_len_max as usize,
        utterance_max_s: utterance_max_s.into(),
        vad_threshold: check.fraction(&["hearing", "vad_threshold"], raw.vad_threshold, 0.5),
        endpoint_silence_ms: endpoint_silence_ms.into(),
        patient_silence_ms: patient_silence_ms.into(),
    }
}

fn understanding(check: &mut Checker<'_>, raw: raw::RawUnderstanding) -> UnderstandingConfig {
    let accept_path = ["understanding", "accept_confidence"];
    let confirm_path = ["understanding", "confirm_confidence"];
    let accept_confidence = check.fraction(&accept_path, raw.accept_confidence, 0.55);
    let confirm_confidence = check.fraction(&confirm_path, raw.confirm_confidence, 0.30);
    if confirm_confidence > accept_confidence {
        check.problem(
            &confirm_path,
            format!(
                "{confirm_confidence} is more than accept_confidence ({accept_confidence}). \
                 Asking back starts below acceptance"
            ),
        );
    }
    UnderstandingConfig {
        encoder: check.word(&["understanding", "encoder"], raw.encoder, "minilm"),
        accept_confidence,
        confirm_confidence,
    }
}

fn handoff(check: &mut Checker<'_>, raw: raw::RawHandoff) -> HandoffConfig {
    let url_path = ["handoff", "webhook_url"];
    let secret_path = ["handoff", "webhook_secret_env"];
    let timeout_ms = check.number(
        &["handoff", "webhook_timeout_ms"],
        raw.webhook_timeout_ms,
        5000,
        100..=60_000,
    );
    let secret_env = check.variable_name(&secret_path, raw.webhook_secret_env);
    let webhook = match (raw.webhook_url, secret_env) {
        (None, None) => None,
        (None, Some(_)) => {
            check.problem(&url_path, "is missing while webhook_secret_env is given");
            None
        }
        (Some(_), None) => {
            check.problem(
                &secret_path,
                "is missing. Hand-offs are signed: name the environment variable that holds the \
                 key, webhook_secret_env = \"FRONTDOOR_WEBHOOK_SECRET\"",
            );
            None
        }
        (Some(url), Some(secret_env)) => {
            if let Err(message) = validate_actions::check_url(&url) {
                check.problem(&url_path, message);
            }
            Some(WebhookConfig { url, secret_env, timeout_ms: timeout_ms.into() })
        }
    };
    HandoffConfig { webhook }
}

/// Off unless an address is given; open to others only for those who know a token.
fn http(check: &mut Checker<'_>, raw: raw::RawHttp) -> Option<HttpConfig> {
    let (listen_path, token_path) = (["http", "listen"], ["http", "token_env"]);
    let token_env = check.variable_name(&token_path, raw.token_env);
    let Some(written) = raw.listen else {
        if token_env.is_some() {
            check.problem(
                &listen_path,
                "is missing while token_env is given. Write listen = \"127.0.0.1:9080\"",
            );
        }
        return None;
    };
    let Ok(listen) = written.parse::<SocketAddr>() else {
        check.problem(
            &listen_path,
            format!(
                "\"{written}\" is not an IP address with a port. Write it like \"127.0.0.1:9080\""
            ),
        );
        return None;
    };
    if !listen.ip().is_loopback() && token_env.is_none() {
        check.problem(
            &token_path,
            format!(
                "is missing, and {listen} can be reached by others. Name the environment variable \
                 that holds a token, token_env = \"FRONTDOOR_HTTP_TOKEN\", or listen on \
                 127.0.0.1:{}",
                listen.port()
            ),
        );
    }
    Some(HttpConfig { listen, token_env })
}
