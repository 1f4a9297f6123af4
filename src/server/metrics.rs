//! What is counted for Prometheus, and how it is told. Names begin with `frontdoor_` and end in
//! their unit; no label holds anything about a caller.
//!
//! [`Metrics`] holds what nobody else counts; the rest is asked where it is ([`Sources`]) at the
//! moment somebody looks.

mod models;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::base::TerminationResult;
use crate::call::{SpeculationCounts, TurnTiming};
use crate::net::sip::{MalformedKind, RegistrationState, SipCountersSnapshot};
use crate::rtp::Quality;

use super::Engines;
use super::exposition::{Exposition, Histogram, Kind};
use super::load::Load;
use super::reload::Reloaded;

/// Seconds: an answer is good below 1.2, and hopeless beyond 5.
const LATENCIES: &[f64] = &[0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0];
/// From 1 to 4.41, the best on this scale.
const SCORES: &[f64] = &[1.5, 2.0, 2.5, 3.0, 3.3, 3.6, 3.8, 4.0, 4.2, 4.3, 4.41];
/// Of 1.
const LOSSES: &[f64] = &[0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
/// Seconds.
const JITTERS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16];

const PARTS: [&str; 8] =
    ["network", "endpoint", "transcribe", "understand", "act", "voice", "playout", "total"];
const DIRECTIONS: [&str; 2] = ["heard", "sent"];
const RESULTS: [TerminationResult; 5] = [
    TerminationResult::Success,
    TerminationResult::CallerError,
    TerminationResult::OurError,
    TerminationResult::UpstreamError,
    TerminationResult::Unknown,
];

/// Why a call was refused that had come through the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RefusedFor {
    /// The server stops.
    Draining,
    /// As many calls as there may be: altogether,
    AllLines,
    /// of a trunk,
    TrunkLines,
    /// from a source.
    SourceLines,
    /// Too many new ones in a second: altogether,
    Rate,
    /// of a trunk.
    TrunkRate,
    /// As many conversations as the machine holds.
    Conversations,
    /// Too much even with the least effort.
    Overload,
    /// No media port is free.
    NoMediaPort,
    /// The offered session is not acceptable.
    Session,
    /// No line of `[numbers]` has its number.
    NoNumber,
    /// The caller gave up before the answer.
    GaveUp,
}

impl RefusedFor {
    const ALL: [Self; 12] = [
        Self::Draining,
        Self::AllLines,
        Self::TrunkLines,
        Self::SourceLines,
        Self::Rate,
        Self::TrunkRate,
        Self::Conversations,
        Self::Overload,
        Self::NoMediaPort,
        Self::Session,
        Self::NoNumber,
        Self::GaveUp,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::AllLines => "calls_max",
            Self::TrunkLines => "trunk_calls_max",
            Self::SourceLines => "calls_per_source_max",
            Self::Rate => "calls_per_s_max",
            Self::TrunkRate => "trunk_calls_per_s_max",
            Self::Conversations => "calls_conversing_max",
            Self::Overload => "overload",
            Self::NoMediaPort => "no_media_port",
            Self::Session => "session",
            Self::NoNumber => "no_number",
            Self::GaveUp => "gave_up",
        }
    }
}

/// Where a hand-off was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HandoffPlace {
    /// In the database.
    Database,
    /// In a file beside it.
    File,
    /// Nowhere: the caller was told so.
    Nowhere,
}

impl HandoffPlace {
    const ALL: [Self; 3] = [Self::Database, Self::File, Self::Nowhere];

    fn label(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::File => "file",
            Self::Nowhere => "nowhere",
        }
    }
}

/// What became of something that a caller and an agent said to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PieceOfTalk {
    /// It was written down.
    Written,
    /// Callers who waited for an answer went first.
    Dropped,
    /// The recogniser failed on it.
    Failed,
}

impl PieceOfTalk {
    const ALL: [Self; 3] = [Self::Written, Self::Dropped, Self::Failed];

    fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    ended: BTreeMap<&'static str, u64>,
    outcomes: BTreeMap<String, u64>,
    refused: BTreeMap<RefusedFor, u64>,
    handoffs: BTreeMap<HandoffPlace, u64>,
    talk: BTreeMap<PieceOfTalk, u64>,
    reloads: BTreeMap<&'static str, u64>,
    speculation: SpeculationCounts,
    /// Turns answered with the help of work done before their end was known, and without.
    ahead: u64,
    in_turn: u64,
}

/// What nobody else counts.
#[derive(Debug)]
pub(super) struct Metrics {
    counts: Mutex<Counts>,
    latencies: [Histogram; 8],
    scores: [Histogram; 2],
    losses: [Histogram; 2],
    jitters: [Histogram; 2],
}

/// What is asked at the moment that somebody looks.
pub(super) struct Sources<'a> {
    pub calls_in_progress: usize,
    pub is_draining: bool,
    pub load: Load,
    pub sip: SipCountersSnapshot,
    pub registrations: Vec<(String, RegistrationState)>,
    /// None where no models are loaded.
    pub engines: Option<&'a Engines>,
    /// None while the records cannot be read.
    pub webhooks_waiting: Option<u64>,
    /// Profiles with the hash of the prompt files in force.
    pub generations: Vec<(String, String)>,
}

impl Metrics {
    pub fn new() -> Self {
        Self {
            counts: Mutex::default(),
            latencies: std::array::from_fn(|_| Histogram::new(LATENCIES)),
            scores: std::array::from_fn(|_| Histogram::new(SCORES)),
            losses: std::array::from_fn(|_| Histogram::new(LOSSES)),
            jitters: std::array::from_fn(|_| Histogram::new(JITTERS)),
        }
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut counts);
    }

    /// A call has ended.
    pub fn ended(&self, result: TerminationResult, outcome: &str) {
        self.count(|counts| {
            *counts.ended.entry(result.as_str()).or_default() += 1;
            *counts.outcomes.entry(outcome.to_owned()).or_default() += 1;
        });
    }

    /// A call was refused.
    pub fn refused(&self, why: RefusedFor) {
        self.count(|counts| *counts.refused.entry(why).or_default() += 1);
    }

    /// A hand-off was kept, or not.
    pub fn handed_off(&self, place: HandoffPlace) {
        self.count(|counts| *counts.handoffs.entry(place).or_default() += 1);
    }

    /// Something that a caller and an agent said was written down, or not.
    pub fn wrote_down(&self, piece: PieceOfTalk) {
        self.count(|counts| *counts.talk.entry(piece).or_default() += 1);
    }

    /// The prompt files were looked at again. That they say what is in force already is no event.
    pub fn reloaded(&self, reloaded: &Reloaded) {
        let result = match reloaded {
            Reloaded::Unchanged => return,
            Reloaded::InForce { .. } => "in_force",
            Reloaded::Refused { .. } => "refused",
            Reloaded::Failed(_) => "failed",
        };
        self.count(|counts| *counts.reloads.entry(result).or_default() += 1);
    }

    /// A turn was answered.
    pub fn answered(&self, timing: &TurnTiming) {
        let parts_ms = [
            timing.network_ms,
            timing.endpoint_ms,
            timing.transcribe_ms,
            timing.understand_ms,
            timing.act_ms,
            timing.voice_ms,
            timing.playout_ms,
            timing.total_ms,
        ];
        for (histogram, part_ms) in self.latencies.iter().zip(parts_ms) {
            histogram.observe(f64::from(part_ms) / 1_000.0);
        }
        self.count(|counts| {
            let turns = if timing.speculated { &mut counts.ahead } else { &mut counts.in_turn };
            *turns += 1;
        });
    }

    /// So much was done ahead in a call.
    pub fn speculated(&self, SpeculationCounts { begun, used, withdrawn }: SpeculationCounts) {
        self.count(|counts| {
            counts.speculation.begun += begun;
            counts.speculation.used += used;
            counts.speculation.withdrawn += withdrawn;
        });
    }

    /// How a call sounded.
    pub fn sounded(&self, quality: &Quality) {
        let [heard, sent] = &self.scores;
        heard.observe(quality.heard_mos);
        let [heard_loss, sent_loss] = &self.losses;
        heard_loss.observe(quality.heard_loss_percent / 100.0);
        let [heard_jitter, sent_jitter] = &self.jitters;
        heard_jitter.observe(quality.heard_jitter_ms / 1_000.0);
        if let Some(mos) = quality.sent_mos {
            sent.observe(mos);
        }
        if let Some(far) = quality.sent {
            sent_loss.observe(far.loss_percent / 100.0);
            sent_jitter.observe(far.jitter_ms / 1_000.0);
        }
    }

    /// All of it, with what the sources say.
    pub fn text(&self, sources: &Sources<'_>) -> String {
        let mut out = Exposition::default();
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.family("frontdoor_build_info", Kind::Gauge, "The version that runs; always 1.");
        out.sample("frontdoor_build_info", &version, 1.0);
        self.calls(&mut out, sources);
        sources.load.expose(&mut out);
        self.sound(&mut out);
        self.work(&mut out, sources);
        sip(&mut out, &sources.sip);
        registrations(&mut out, &sources.registrations);
        if let Some(engines) = sources.engines {
            models::tell(&mut out, engines);
        }
        out.finish()
    }

    fn calls(&self, out: &mut Exposition, sources: &Sources<'_>) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        out.single(
            "frontdoor_calls_in_progress",
            Kind::Gauge,
            "Calls in progress.",
            sources.calls_in_progress as f64,
        );
        let draining = f64::from(u8::from(sources.is_draining));
        let help = "1 while the server stops and takes no more calls.";
        out.single("frontdoor_draining", Kind::Gauge, help, draining);
        let name = "frontdoor_calls_ended_total";
        out.family(name, Kind::Counter, "Answered calls that have ended, by whose doing it was.");
        for result in RESULTS.map(TerminationResult::as_str) {
            let count = counts.ended.get(result).copied().unwrap_or(0);
            let result = result.replace(' ', "_");
            out.sample(name, &[("result", result.as_str())], count as f64);
        }
        let name = "frontdoor_call_outcomes_total";
        out.family(name, Kind::Counter, "Answered calls that have ended, by what came of them.");
        for (outcome, count) in &counts.outcomes {
            let outcome = outcome.replace(' ', "_");
            out.sample(name, &[("outcome", outcome.as_str())], *count as f64);
        }
        let name = "frontdoor_calls_refused_total";
        let help = "Calls that had come through the door and were not answered, by rule.";
        out.family(name, Kind::Counter, help);
        for why in RefusedFor::ALL {
            let count = counts.refused.get(&why).copied().unwrap_or(0);
            out.sample(name, &[("reason", why.label())], count as f64);
        }
    }

    fn sound(&self, out: &mut Exposition) {
        let families = [
            ("frontdoor_call_mos", "Mean opinion score of calls, estimated.", &self.scores),
            ("frontdoor_call_loss_ratio", "Audio packets of calls that were lost.", &self.losses),
            ("frontdoor_call_jitter_seconds", "Jitter of calls.", &self.jitters),
        ];
        for (name, help, histograms) in families {
            out.family(name, Kind::Histogram, help);
            for (direction, histogram) in DIRECTIONS.into_iter().zip(histograms) {
                out.histogram(name, &[("direction", direction)], histogram);
            }
        }
    }

    fn work(&self, out: &mut Exposition, sources: &Sources<'_>) {
        let name = "frontdoor_response_latency_seconds";
        let help = "From the caller's last word to our first, by where the time went.";
        out.family(name, Kind::Histogram, help);
        for (part, histogram) in PARTS.into_iter().zip(&self.latencies) {
            out.histogram(name, &[("part", part)], histogram);
        }
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "frontdoor_turns_total";
        let help = "Turns answered, by whether work done before their end was known was of use.";
        out.family(name, Kind::Counter, help);
        for (speculated, count) in [("yes", counts.ahead), ("no", counts.in_turn)] {
            out.sample(name, &[("speculated", speculated)], count as f64);
        }
        let name = "frontdoor_speculation_total";
        let help =
            "Transcripts begun while a caller paused, and what came of them; told at a call's end.";
        out.family(name, Kind::Counter, help);
        let SpeculationCounts { begun, used, withdrawn } = counts.speculation;
        for (outcome, count) in [("begun", begun), ("used", used), ("withdrawn", withdrawn)] {
            out.sample(name, &[("outcome", outcome)], count as f64);
        }
        let name = "frontdoor_handoffs_stored_total";
        out.family(name, Kind::Counter, "Hand-offs, by where they were kept.");
        for place in HandoffPlace::ALL {
            let count = counts.handoffs.get(&place).copied().unwrap_or(0);
            out.sample(name, &[("place", place.label())], count as f64);
        }
        let name = "frontdoor_talk_utterances_total";
        let help = "What callers and agents said to each other, by whether it was written down.";
        out.family(name, Kind::Counter, help);
        for piece in PieceOfTalk::ALL {
            let count = counts.talk.get(&piece).copied().unwrap_or(0);
            out.sample(name, &[("result", piece.label())], count as f64);
        }
        if let Some(waiting) = sources.webhooks_waiting {
            let help = "Hand-offs that the webhook has not taken yet.";
            out.single("frontdoor_webhooks_waiting", Kind::Gauge, help, waiting as f64);
        }
        let name = "frontdoor_prompt_reloads_total";
        out.family(name, Kind::Counter, "Edits of the prompt files, by what came of them.");
        for result in ["in_force", "refused", "failed"] {
            let count = counts.reloads.get(result).copied().unwrap_or(0);
            out.sample(name, &[("result", result)], count as f64);
        }
        let name = "frontdoor_prompt_generation_info";
        out.family(name, Kind::Gauge, "The prompt files in force; always 1.");
        for (profile, generation) in &sources.generations {
            let labels = [("profile", profile.as_str()), ("generation", generation.as_str())];
            out.sample(name, &labels, 1.0);
        }
    }
}

fn sip(out: &mut Exposition, sip: &SipCountersSnapshot) {
    let counters = [
        ("messages_received", "SIP messages received, good and bad.", sip.received),
        ("calls_offered", "INVITEs that became a call.", sip.calls_offered),
        ("calls_placed", "Calls that we placed.", sip.calls_placed),
        ("handshakes_failed", "Connections that never came to SIP.", sip.handshakes_failed),
        ("sources_banned", "Sources that were banned for a while.", sip.sources_banned),
        ("ignored", "Messages and connections of banned sources.", sip.ignored),
        ("events_lost", "Events of calls that nobody read.", sip.events_lost),
        ("receivers_restarted", "Receivers that died: a bug.", sip.receivers_restarted),
    ];
    for (what, help, value) in counters {
        let name = format!("frontdoor_sip_{what}_total");
        out.single(&name, Kind::Counter, help, value as f64);
    }
    let gauges = [
        ("frontdoor_sip_dialogs_open", "SIP dialogs open now.", sip.dialogs_open),
        ("frontdoor_sip_connections_open", "SIP connections open now.", sip.connections_open),
    ];
    for (name, help, value) in gauges {
        out.single(name, Kind::Gauge, help, value as f64);
    }
    let name = "frontdoor_sip_malformed_total";
    out.family(name, Kind::Counter, "Malformed SIP messages, by what was wrong.");
    for kind in MalformedKind::ALL {
        let count = sip.malformed.get(&kind).copied().unwrap_or(0);
        out.sample(name, &[("kind", kind.label())], count as f64);
    }
    let name = "frontdoor_sip_refused_total";
    out.family(name, Kind::Counter, "SIP requests refused, by status.");
    for (status, count) in &sip.refused {
        let status = status.to_string();
        out.sample(name, &[("status", status.as_str())], *count as f64);
    }
}

fn registrations(out: &mut Exposition, registrations: &[(String, RegistrationState)]) {
    let name = "frontdoor_trunk_registered";
    out.family(name, Kind::Gauge, "1 while we are registered with a trunk's registrar.");
    for (trunk, state) in registrations {
        let is_up = matches!(state, RegistrationState::Registered { .. });
        out.sample(name, &[("trunk", trunk.as_str())], f64::from(u8::from(is_up)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::TurnId;
    use crate::prompts::GenerationHash;
    use crate::server::exposition::reading::read;
    use crate::server::reload::Changes;

    fn sources() -> Sources<'static> {
        let registered = RegistrationState::Registered {
            registrar: "sip:pbx.example".into(),
            granted: Duration::from_secs(600),
        };
        let mut sip = SipCountersSnapshot { received: 12, ..SipCountersSnapshot::default() };
        sip.malformed.insert(MalformedKind::CSeq, 2);
        sip.refused.insert(404, 3);
        Sources {
            calls_in_progress: 2,
            is_draining: false,
            load: Load::new(),
            sip,
            registrations: vec![
                ("pbx".into(), registered),
                ("carrier \"b\"".into(), RegistrationState::Trying),
            ],
            engines: None,
            webhooks_waiting: Some(4),
            generations: vec![("bank".into(), "5e1f".into())],
        }
    }

    #[test]
    fn everything_that_happened_is_told_in_its_unit() {
        let metrics = Metrics::new();
        metrics.ended(TerminationResult::Success, "handed off");
        metrics.ended(TerminationResult::CallerError, "answered");
        metrics.refused(RefusedFor::AllLines);
        metrics.handed_off(HandoffPlace::File);
        metrics.wrote_down(PieceOfTalk::Dropped);
        metrics.reloaded(&Reloaded::Refused { findings: Vec::new() });
        metrics.reloaded(&Reloaded::Unchanged);
        metrics.reloaded(&Reloaded::InForce {
            generation: GenerationHash::new("5e1f"),
            changes: Changes::default(),
            warnings: Vec::new(),
        });
        metrics.speculated(SpeculationCounts { begun: 5, used: 3, withdrawn: 2 });
        metrics.answered(&TurnTiming {
            turn: TurnId(1),
            at_ms: 9_000,
            network_ms: 60,
            endpoint_ms: 540,
            transcribe_ms: 250,
            understand_ms: 20,
            act_ms: 0,
            voice_ms: 90,
            playout_ms: 40,
            total_ms: 1_000,
            speculated: true,
        });
        let read = read(&metrics.text(&sources()));
        for (sample, value) in [
            ("frontdoor_calls_in_progress", 2.0),
            ("frontdoor_draining", 0.0),
            ("frontdoor_calls_ended_total{result=\"success\"}", 1.0),
            ("frontdoor_calls_ended_total{result=\"our_error\"}", 0.0),
            ("frontdoor_call_outcomes_total{outcome=\"handed_off\"}", 1.0),
            ("frontdoor_calls_refused_total{reason=\"calls_max\"}", 1.0),
            ("frontdoor_calls_refused_total{reason=\"gave_up\"}", 0.0),
            ("frontdoor_handoffs_stored_total{place=\"file\"}", 1.0),
            ("frontdoor_talk_utterances_total{result=\"dropped\"}", 1.0),
            ("frontdoor_talk_utterances_total{result=\"written\"}", 0.0),
            ("frontdoor_webhooks_waiting", 4.0),
            ("frontdoor_prompt_reloads_total{result=\"in_force\"}", 1.0),
            ("frontdoor_prompt_reloads_total{result=\"refused\"}", 1.0),
            ("frontdoor_prompt_generation_info{profile=\"bank\",generation=\"5e1f\"}", 1.0),
            ("frontdoor_sip_messages_received_total", 12.0),
            ("frontdoor_sip_malformed_total{kind=\"cseq\"}", 2.0),
            ("frontdoor_sip_malformed_total{kind=\"via\"}", 0.0),
            ("frontdoor_sip_refused_total{status=\"404\"}", 3.0),
            ("frontdoor_trunk_registered{trunk=\"pbx\"}", 1.0),
            ("frontdoor_trunk_registered{trunk=\"carrier \\\"b\\\"\"}", 0.0),
            ("frontdoor_response_latency_seconds_sum{part=\"total\"}", 1.0),
            ("frontdoor_response_latency_seconds_bucket{part=\"total\",le=\"0.8\"}", 0.0),
            ("frontdoor_response_latency_seconds_bucket{part=\"total\",le=\"1\"}", 1.0),
            ("frontdoor_response_latency_seconds_sum{part=\"transcribe\"}", 0.25),
            ("frontdoor_response_latency_seconds_sum{part=\"network\"}", 0.06),
            ("frontdoor_speculation_total{outcome=\"begun\"}", 5.0),
            ("frontdoor_speculation_total{outcome=\"withdrawn\"}", 2.0),
            ("frontdoor_turns_total{speculated=\"yes\"}", 1.0),
            ("frontdoor_turns_total{speculated=\"no\"}", 0.0),
        ] {
            assert_eq!(read.value(sample), value, "{sample}");
        }
    }

    #[test]
    fn how_calls_sounded_is_told_for_both_directions() {
        let metrics = Metrics::new();
        metrics.sounded(&Quality {
            heard_loss_percent: 2.0,
            heard_jitter_ms: 5.0,
            heard_mos: 4.25,
            sent: None,
            sent_mos: None,
            round_trip_ms: None,
        });
        let read = read(&metrics.text(&sources()));
        assert_eq!(read.value("frontdoor_call_mos_bucket{direction=\"heard\",le=\"4.2\"}"), 0.0);
        assert_eq!(read.value("frontdoor_call_mos_bucket{direction=\"heard\",le=\"4.3\"}"), 1.0);
        assert_eq!(read.value("frontdoor_call_loss_ratio_sum{direction=\"heard\"}"), 0.02);
        assert_eq!(read.value("frontdoor_call_jitter_seconds_sum{direction=\"heard\"}"), 0.005);
        assert_eq!(read.value("frontdoor_call_mos_count{direction=\"sent\"}"), 0.0);
    }
}
