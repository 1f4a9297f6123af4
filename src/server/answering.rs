//! The way of a call from its arrival to its task: media, ringing, who calls, which prompt files, the answer.
//! A call from a browser comes in by `web_calls` and takes the same way from [`hold`] on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::audio::SampleRate;
use crate::base::{CallId, Effort, Pii};
use crate::call::{Call, CallFacts, CallInput};
use crate::config::{Called, Config, SrtpMode};
use crate::conversation::{Conversation, Rules};
use crate::net::media::MediaPort;
use crate::net::media_session::MediaSession;
use crate::net::sdp::{
    Direction, KeysInSdp, LocalMedia, Negotiated, SdpError, Security, answer_secured, offer_secured,
};
use crate::net::secure::Identity;
use crate::net::sip::IncomingCall;
use crate::prompts::Generation;
use crate::store::CallStart;
use crate::web::view::{LiveCallView, Phase};

use super::ServerError;
use super::admission::Line;
use super::behaviour::call_settings;
use super::call_task::{CallTask, KeyPaths};
use super::dispatch::Dispatch;
use super::first_words::FirstWords;
use super::floor::Opening;
use super::leg::{Leg, SipSide};
use super::lookup::caller_record;
use super::metrics::RefusedFor;
use super::queueing::Queueing;
use super::recorder::Recorder;
use super::records::CallRecorder;
use super::reload::Running;
use super::serve::{Shared, today};
use super::traces::CallTrace;

/// When a refused caller may try again.
const RETRY_AFTER_S: u32 = 10;

/// Answers that may wait for a call's task; a call has few requests under way at once, so a full
/// queue makes the answering task wait, and nothing is lost.
const INPUTS_LEN_MAX: usize = 256;

/// A call that has been answered, whatever it came by.
pub(super) struct Arrival {
    pub call: CallId,
    /// Number or address: a claim, unless something vouched for it.
    pub caller: Pii<String>,
    pub called: Pii<String>,
    /// `sip` or `web`.
    pub channel: &'static str,
    /// Kept to its end, whatever is edited meanwhile.
    pub running: Running,
    pub started: SystemTime,
    /// What is said first, as far as it is made already.
    pub first_words: FirstWords,
}

/// The caller's leg with its media.
pub(super) struct Reached {
    pub leg: Leg,
    pub media: MediaSession,
    /// Which way audio goes at first.
    pub direction: Direction,
    /// Where media of others who are called for the caller may be bound.
    pub near: IpAddr,
}

/// Holds a call to its end. `record` is what is known of the caller.
pub(super) async fn hold(
    shared: &Shared,
    (arrival, line): (Arrival, &mut Line),
    reached: Reached,
    record: BTreeMap<String, Pii<String>>,
) {
    let (config, services) = (&shared.config, &shared.services);
    let call = arrival.call;
    let rate = reached.media.codec().map_or(SampleRate::HZ_8000, |codec| codec.rate());
    let (recorder, record_to) = match config.recording.asks() {
        true => (None, Some(recording_path(config, call))),
        false => (open_recorder(config, call, rate), None),
    };
    let path = recorder.as_ref().map(|(_, path)| path.clone());
    let records = open_records(shared, &arrival, path);
    let live = shared.live.begin(call, live_view(&arrival));
    let Arrival { caller, called, channel, running, started, first_words, .. } = arrival;
    let Running { generation, understander } = running;
    let unix_ms = started.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let callback = callback_number(config, (channel, &caller), &record);
    let facts = CallFacts { call, caller, called, channel, answered_unix_ms: unix_ms };
    let rules = rules_for(shared, &generation, callback.clone());
    let meaning = rules.record.clone();
    let vad = Box::new(services.engines.vad.session());
    let (inputs_sender, inputs) = mpsc::channel(INPUTS_LEN_MAX);
    let mut machine =
        Call::new(facts, call_settings(config), generation, rules, vad, seed_of(call));
    machine.handle(Instant::now(), CallInput::Effort(line.effort()));
    let task = CallTask {
        is_confirmed: false,
        call: machine,
        leg: reached.leg,
        media: reached.media,
        direction: reached.direction,
        dispatch: Dispatch::new(services.clone(), understander, call, inputs_sender, first_words),
        inputs,
        records,
        live,
        recorder: recorder.map(|(recorder, _)| recorder),
        record_to,
        no_media_timeout: Duration::from_secs(config.media.no_media_timeout_s),
        stop: shared.stop_calls.clone(),
        keys: KeyPaths::default(),
        transfers: shared.transfers.clone(),
        queueing: Queueing::new(shared.people.clone(), callback, meaning),
        attempt: None,
        promised: None,
        reference: None,
        media_ip: reached.near,
        load: services.load.clone(),
        effort: services.load.effort(),
        seat: line.take_seat(),
    };
    task.run(record).await;
}

/// By which rules a conversation is held that begins now.
fn rules_for(shared: &Shared, generation: &Generation, callback: Option<Pii<String>>) -> Rules {
    let opening = Opening::at(&generation.hours, &jiff::Zoned::now());
    let staffed = shared.people.acd.staffed(opening);
    Rules { today: today(), staffed, callback, ..shared.rules.clone() }
}

/// Has the voice begin with what a call is going to begin with. `record` is what is known of the caller.
pub(super) fn begin_words(
    shared: &Shared,
    (call, effort): (CallId, Effort),
    running: &Running,
    record: &BTreeMap<String, Pii<String>>,
) -> FirstWords {
    let rules = rules_for(shared, &running.generation, None);
    let mut conversation = Conversation::new(running.generation.clone(), rules, seed_of(call));
    conversation.begin_with(effort);
    FirstWords::of(&shared.services.engines.voice, conversation, record)
}

/// Where a caller could be called back: on the number they call from, or that of their record. What a page
/// says of its caller is no number.
fn callback_number(
    config: &Config,
    (channel, caller): (&str, &Pii<String>),
    record: &BTreeMap<String, Pii<String>>,
) -> Option<Pii<String>> {
    let user = match channel {
        "sip" => user_of(caller.expose()),
        _ => "",
    };
    config.callbacks.as_ref()?.number_of(user, record)
}

/// The user part of a SIP URI; nothing if it has none.
fn user_of(uri: &str) -> &str {
    let user = uri.split_once(':').and_then(|(_, rest)| rest.split_once('@'));
    user.map_or("", |(user, _)| user)
}

fn open_records(shared: &Shared, arrival: &Arrival, recording: Option<PathBuf>) -> CallRecorder {
    let generation = &arrival.running.generation;
    let start = CallStart {
        id: arrival.call,
        started_at: Timestamp::try_from(arrival.started).unwrap_or_default(),
        caller: arrival.caller.clone(),
        called: arrival.called.expose().clone(),
        channel: arrival.channel.to_owned(),
        profile: generation.profile.clone(),
        generation: generation.hash.as_str().to_owned(),
    };
    let services = &shared.services;
    CallRecorder::open(services.store.clone(), start, recording, Arc::clone(&services.metrics))
}

/// The call as it is shown while it is in progress.
fn live_view(arrival: &Arrival) -> LiveCallView {
    LiveCallView {
        call_id: arrival.call.to_string(),
        answered_at: Timestamp::try_from(arrival.started).unwrap_or_default().to_string(),
        caller: arrival.caller.expose().clone(),
        called: arrival.called.expose().clone(),
        channel: arrival.channel.to_owned(),
        profile: arrival.running.generation.profile.clone(),
        phase: Phase::Connecting,
        queue: None,
        agent: None,
        intent: None,
        last_line: None,
    }
}

fn recording_path(config: &Config, call: CallId) -> PathBuf {
    config.recording.dir.join(format!("{call}.wav"))
}

fn open_recorder(config: &Config, call: CallId, rate: SampleRate) -> Option<(Recorder, PathBuf)> {
    if !config.recording.enabled {
        return None;
    }
    let path = recording_path(config, call);
    match Recorder::start(&path, rate, Duration::ZERO) {
        Ok(recorder) => Some((recorder, path)),
        Err(error) => {
            tracing::error!(%error, "the call is not recorded");
            None
        }
    }
}

/// Answers a call that came by SIP, and holds it to its end. Gives why it was not answered.
pub(super) async fn answer_sip(
    shared: Arc<Shared>,
    call: CallId,
    incoming: IncomingCall,
    mut line: Line,
) -> Result<(), String> {
    let metrics = &shared.services.metrics;
    let (mut incoming, media) = prepare(&shared, call, incoming).await?;
    let _ = incoming.ringing().await;
    let caller_user = incoming.caller.user.expose().clone();
    let lookup = caller_record(&shared.config, &shared.services.actions, call, &caller_user);
    let record = tokio::select! {
        record = lookup => record,
        () = incoming.cancelled() => {
            metrics.refused(RefusedFor::GaveUp);
            return Err("the caller gave up while it rang".to_owned());
        }
    };
    let started = SystemTime::now();
    let (mut incoming, running) = routed(&shared, incoming).await?;
    let mut first_words = begin_words(&shared, (call, line.effort()), &running, &record);
    tokio::select! {
        () = first_words.wait_for_sound() => {}
        () = incoming.cancelled() => {
            metrics.refused(RefusedFor::GaveUp);
            return Err("the caller gave up while it rang".to_owned());
        }
    }
    let (caller, called) = (incoming.caller.uri.clone(), incoming.called.uri.clone());
    let (trunk, sip_call_id) = (incoming.trunk.clone(), incoming.sip_call_id.clone());
    let leg = match incoming.answer(media.sdp.clone()).await {
        Ok(leg) => leg,
        Err(error) => {
            metrics.refused(RefusedFor::GaveUp);
            return Err(error.to_string());
        }
    };
    tracing::info!(trunk, "answered");
    let (sip, store) = (shared.sip.clone(), shared.services.store.clone());
    let trace = CallTrace { sip, store, call, sip_call_id };
    let protection = shared.protection.clone();
    let local = media.local;
    let side = SipSide { leg, local, sdp_version: 1, protection, trace: trace.clone() };
    let reached = media.reached(Leg::Sip(Box::new(side)), seed_of(call));
    let arrival = Arrival { call, caller, called, channel: "sip", running, started, first_words };
    hold(&shared, (arrival, &mut line), reached, record).await;
    drop(line);
    trace.keep().await;
    Ok(())
}

/// What was negotiated for a call that has not been answered yet.
struct SipMedia {
    port: MediaPort,
    local: LocalMedia,
    sdp: String,
    agreed: Option<Negotiated>,
    security: Security,
    near: IpAddr,
}

impl SipMedia {
    fn reached(self, leg: Leg, seed: u64) -> Reached {
        let (agreed, now) = (self.agreed.as_ref(), Instant::now());
        let direction = agreed.map_or(Direction::SendRecv, |agreed| agreed.direction);
        let media = MediaSession::new(self.port, agreed, self.sdp, seed, now);
        Reached { leg, media: media.secured(self.security, now), direction, near: self.near }
    }
}

/// Binds a port and negotiates, or refuses the call.
async fn prepare(
    shared: &Shared,
    call: CallId,
    incoming: IncomingCall,
) -> Result<(IncomingCall, SipMedia), String> {
    let (config, metrics) = (&shared.config, &shared.services.metrics);
    // Media goes over the interface the INVITE came in on.
    let near = incoming.local_ip;
    let ports = config.media.rtp_port_min..=config.media.rtp_port_max;
    let port = match MediaPort::bind(near, ports).await {
        Ok(port) => port,
        Err(error) => {
            metrics.refused(RefusedFor::NoMediaPort);
            let reason = Some("no media port is free".to_owned());
            let _ = incoming.refuse(503, reason, Some(RETRY_AFTER_S)).await;
            return Err(error.to_string());
        }
    };
    let local = LocalMedia {
        ip: config.sip.advertise_ip.unwrap_or(near),
        port: port.local_addr().port(),
        session_id: seed_of(call),
        codecs: config.media.codecs,
    };
    let mut security = shared.protection.of(&incoming);
    match negotiate(&incoming, &local, 1, &mut security) {
        Ok((sdp, agreed)) => Ok((incoming, SipMedia { port, local, sdp, agreed, security, near })),
        Err(error) => {
            metrics.refused(RefusedFor::Session);
            let status = sip_status(&error);
            let _ = incoming.refuse(status, Some(error.to_string()), None).await;
            Err(error.to_string())
        }
    }
}

/// What the call is to be held by, or refuses it.
async fn routed(
    shared: &Shared,
    incoming: IncomingCall,
) -> Result<(IncomingCall, Running), String> {
    let running = shared.profiles.of_call(&Called {
        requested: incoming.requested.expose(),
        to: incoming.called.user.expose(),
        trunk: incoming.trunk.as_deref(),
    });
    match running {
        Some(running) => Ok((incoming, running)),
        None => {
            // The door asks for the same; this is for what it could not know.
            shared.services.metrics.refused(RefusedFor::NoNumber);
            let reason = Some("[numbers]: no line has this number".to_owned());
            let _ = incoming.refuse(404, reason, None).await;
            Err("no line of [numbers] has the called number".to_owned())
        }
    }
}

/// Media negotiated for an incoming call: our SDP, and what was agreed if there was an offer.
pub(super) fn negotiate(
    incoming: &IncomingCall,
    local: &LocalMedia,
    version: u64,
    security: &mut Security,
) -> Result<(String, Option<Negotiated>), SdpError> {
    match &incoming.offer_sdp {
        Some(theirs) => {
            let (sdp, agreed) = answer_secured(theirs, local, version, security)?;
            Ok((sdp, Some(agreed)))
        }
        None => Ok((offer_secured(local, version, Direction::SendRecv, security), None)),
    }
}

/// How media of telephones may be protected.
#[derive(Clone)]
pub(super) struct ProtectionPolicy {
    mode: SrtpMode,
    keys_without_tls: bool,
    /// Our certificate for DTLS-SRTP; none where encryption is switched off.
    identity: Option<Arc<Identity>>,
}

impl ProtectionPolicy {
    pub fn new(config: &Config) -> Result<Self, ServerError> {
        let mode = config.media.srtp;
        let is_encrypting = mode != SrtpMode::Off;
        let identity = is_encrypting.then(Identity::generate).transpose()?.map(Arc::new);
        Ok(Self { mode, keys_without_tls: config.media.srtp_sdes_without_tls, identity })
    }

    /// How that of this call may be.
    pub fn of(&self, incoming: &IncomingCall) -> Security {
        self.toward(incoming.transport.is_encrypted())
    }

    /// How that of a call may be whose signalling is encrypted or not.
    pub fn toward(&self, is_encrypted: bool) -> Security {
        let keys = match is_encrypted || self.keys_without_tls {
            true => KeysInSdp::Allowed,
            false => KeysInSdp::InClear,
        };
        Security::new(self.mode, keys, self.identity.clone())
    }
}

/// Malformed SDP is the caller's mistake; SDP with nothing in common is not acceptable.
pub(super) fn sip_status(error: &SdpError) -> u16 {
    match error {
        SdpError::Malformed(_) => 400,
        SdpError::NotAcceptable(_) => 488,
    }
}

/// Low half of a call's id: random bits, used where a per-call seed is needed.
pub(super) fn seed_of(call: CallId) -> u64 {
    let text = call.to_string();
    u64::from_str_radix(&text[16..], 16).unwrap_or(1) >> 1
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn callers_are_called_back_where_their_telephone_says_and_pages_say_nothing() {
        let lines = "[callbacks]\nto = \"sip:{number}@192.0.2.7\"\nallowed = [\"+44*\", \"127*\"]\n\
                     [transfer_rules]\nhosts = [\"192.0.2.7\"]";
        let text = format!("[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n{lines}\n");
        let mut config = Config::parse(Path::new("/f.toml"), &text, |_| None).expect("valid");
        let callbacks = config.callbacks.as_mut().expect("declared");
        callbacks.crm_field = Some("mobile".to_owned());
        let known = BTreeMap::from([("mobile".to_owned(), Pii::new("+447700900123".to_owned()))]);
        let nobody = BTreeMap::new();
        for (channel, caller, record, expected) in [
            ("sip", "sip:+442071234567@pbx.example;user=phone", &nobody, Some("+442071234567")),
            ("sip", "sip:anonymous@anonymous.invalid", &known, Some("+447700900123")),
            ("sip", "sip:192.0.2.7", &nobody, None),
            // An address looks like a number, and is none.
            ("web", "127.0.0.1", &nobody, None),
            ("web", "+442071234567", &known, Some("+447700900123")),
        ] {
            let caller = Pii::new(caller.to_owned());
            let number = callback_number(&config, (channel, &caller), record);
            let number = number.as_ref().map(|number| number.expose().as_str());
            assert_eq!(number, expected, "{channel} {}", caller.expose());
        }
    }
}
