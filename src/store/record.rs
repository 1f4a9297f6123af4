//! What is kept of a call.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::acd::handoff::Handoff;
use crate::base::{ActionRunId, CallId, Pii, Termination, TurnId};

use super::{HandoffId, TraceRecord};

/// What is known when a call arrives.
#[derive(Debug, Clone)]
pub struct CallStart {
    /// The call.
    pub id: CallId,
    /// When it arrived.
    pub started_at: Timestamp,
    /// The caller's number or address.
    pub caller: Pii<String>,
    /// What was called.
    pub called: String,
    /// `sip` or `web`.
    pub channel: String,
    /// Name of the prompt profile.
    pub profile: String,
    /// Hash of the prompt files in force.
    pub generation: String,
}

/// What is known when a call has ended.
#[derive(Debug, Clone)]
pub struct CallEnd {
    /// When.
    pub ended_at: Timestamp,
    /// How.
    pub termination: Termination,
    /// Where the recording is, if there is one.
    pub recording: Option<std::path::PathBuf>,
    /// What protected the audio: `none`, `SDES ...` or `DTLS-SRTP ...`.
    pub protection: Option<String>,
    /// Turns of the caller.
    pub turns: u32,
    /// What came of it, in a word or two: `served`, `handed off`, `transferred`, `bridged`, ...
    pub outcome: String,
}

/// One line of the transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct LineRecord {
    /// Start, from answer.
    pub at_ms: u64,
    /// `caller`, `frontdoor` or `agent`.
    pub speaker: String,
    /// What was said, secrets masked.
    pub text: Pii<String>,
    /// 0 to 1: how sure the recogniser was.
    pub confidence: Option<f32>,
    /// What it was understood as.
    pub intent: Option<String>,
    /// 0 to 1.
    pub intent_confidence: Option<f32>,
    /// What was listened for: `request`, `yes_no`, `slot` or `keys`; the caller's lines only.
    pub expected: Option<String>,
    /// Above 0 is out of scope.
    pub out_of_scope: Option<f32>,
    /// Whether nothing could be made of it.
    pub failed: Option<bool>,
}

/// Where the time of one turn went; the parts sum to the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TurnRecord {
    /// The turn.
    pub turn: TurnId,
    /// When our first voiced sample left, from answer; not known of turns from before this was noted.
    pub at_ms: Option<u64>,
    /// Last voiced sample from the socket to the machine: the jitter buffer. Part of `endpoint_ms`
    /// in turns from before this was told apart.
    pub network_ms: u32,
    /// From there to the decision that the caller had finished.
    pub endpoint_ms: u32,
    /// Transcription, waiting included.
    pub transcribe_ms: u32,
    /// Intent and slots.
    pub understand_ms: u32,
    /// The action.
    pub act_ms: u32,
    /// First sample of speech.
    pub voice_ms: u32,
    /// First sample to the wire.
    pub playout_ms: u32,
    /// The response latency.
    pub total_ms: u32,
    /// Whether work done before the end of the turn was known was of use.
    pub speculated: bool,
}

/// One run of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRunRecord {
    /// The run.
    pub run: ActionRunId,
    /// When it was started, from answer.
    pub at_ms: u64,
    /// The declared action.
    pub action: String,
    /// `done`, or the failure's words.
    pub result: String,
    /// How long it took.
    pub took_ms: u32,
}

/// A try to put the caller through to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    /// When it began, from answer.
    pub at_ms: u64,
    /// Whose people.
    pub queue: String,
    /// The way it went in the end: `refer`, `attended`, `bridge`, or `desk` for people who take calls at a
    /// desk of ours.
    pub way: String,
    /// `succeeded`, `busy`, `no answer`, `refused`, `failed`, or that the call ended first.
    pub outcome: String,
    /// The account of who took the call, at a desk.
    pub agent: Option<String>,
    /// The SIP status that told, if one did.
    pub status: Option<u16>,
    /// Until it was known what came of it: at a desk the time in the queue.
    pub took_ms: u64,
    /// How long the audio went through us, if it did: at a desk how long they talked.
    pub bridged_ms: Option<u64>,
}

/// How a call sounded: what we heard, and what the other side's reports say it heard.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityRecord {
    /// The codec that we sent.
    pub codec: String,
    /// Packets that did not come, or too late to be played, 0 to 100.
    pub heard_loss_percent: f64,
    /// Interarrival jitter.
    pub heard_jitter_ms: f64,
    /// Sound made up in place of what was lost.
    pub heard_concealed_ms: u64,
    /// Mean opinion score, estimated (ITU-T G.107), 1 to 4.4.
    pub heard_mos: f64,
    /// The same of what we sent; `None` if the other side sent no reports.
    pub sent_loss_percent: Option<f64>,
    /// Jitter that it saw.
    pub sent_jitter_ms: Option<f64>,
    /// Mean opinion score of what it heard, estimated.
    pub sent_mos: Option<f64>,
    /// There and back, if reports told.
    pub round_trip_ms: Option<f64>,
}

/// Something to add to a call's record.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something was said.
    Line(LineRecord),
    /// A turn was answered.
    Turn(TurnRecord),
    /// An action was run.
    Action(ActionRunRecord),
    /// How the call sounded; a later one counts.
    Quality(QualityRecord),
    /// It was tried to put the caller through.
    Transfer(TransferRecord),
}

/// A call in a list.
#[derive(Debug, Clone)]
pub struct CallSummary {
    /// The call.
    pub id: CallId,
    /// When it arrived.
    pub started_at: Timestamp,
    /// When it was answered, if it was.
    pub answered_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// The caller's number or address.
    pub caller: Pii<String>,
    /// What was called.
    pub called: String,
    /// `sip` or `web`.
    pub channel: String,
    /// Name of the prompt profile.
    pub profile: String,
    /// Hash of the prompt files in force.
    pub generation: String,
    /// `success`, `our error`, ...
    pub result: Option<String>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Where the recording is.
    pub recording: Option<String>,
    /// What protected the audio: `none`, `SDES ...` or `DTLS-SRTP ...`.
    pub protection: Option<String>,
    /// Turns of the caller.
    pub turns: Option<u32>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// A hand-off of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct HandoffRef {
    /// Its opaque id.
    pub id: HandoffId,
    /// When it was kept.
    pub created_at: Timestamp,
    /// `pending`, `delivered` or `failed`, if it goes to the webhook.
    pub webhook: Option<String>,
    /// The document.
    pub document: Handoff,
}

/// Everything kept of a call.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// The call.
    pub summary: CallSummary,
    /// The transcript, in order.
    pub lines: Vec<LineRecord>,
    /// Latencies by turn.
    pub turns: Vec<TurnRecord>,
    /// Runs of actions, in order.
    pub actions: Vec<ActionRunRecord>,
    /// Hand-offs, in order.
    pub handoffs: Vec<HandoffRef>,
    /// Tries to put the caller through, in order.
    pub transfers: Vec<TransferRecord>,
    /// How it sounded, once it has ended.
    pub quality: Option<QualityRecord>,
    /// Its SIP messages, once it has ended.
    pub trace: Option<TraceRecord>,
}

/// Whether personal data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reveal {
    /// Masked: enough to tell calls apart.
    Masked,
    /// As it is.
    Full,
}

impl Reveal {
    /// A number or address: `...23` when masked.
    pub fn address(self, address: &Pii<String>) -> String {
        let whole = address.expose();
        if self == Self::Full {
            return whole.clone();
        }
        // Of an address only the number: the digits of its host say nothing about the caller.
        let user = whole.split_once('@').map_or(whole.as_str(), |(user, _)| user);
        let digits: Vec<char> = user.chars().filter(char::is_ascii_digit).collect();
        match digits.len() {
            // Two of few would be most of it.
            0..=5 => "...".to_owned(),
            len => format!("...{}{}", digits[len - 2], digits[len - 1]),
        }
    }

    /// Something said: `[5 words]` when masked.
    pub fn text(self, text: &Pii<String>) -> String {
        let whole = text.expose();
        match (self, whole.split_whitespace().count()) {
            (Self::Full, _) => whole.clone(),
            (Self::Masked, 1) => "[1 word]".to_owned(),
            (Self::Masked, words) => format!("[{words} words]"),
        }
    }
}

impl Reveal {
    /// A hand-off document as JSON: whole, or with everything personal masked.
    pub fn handoff(self, handoff: &Handoff) -> Value {
        let mut document = json!(handoff);
        if self == Self::Full {
            return document;
        }
        let words = |value: &mut Value| {
            if let Value::String(text) = value {
                *text = self.text(&Pii::new(std::mem::take(text)));
            }
        };
        document["caller"] = self.address(&Pii::new(handoff.caller.clone())).into();
        words(&mut document["summary"]);
        for value in document["crm"].as_object_mut().into_iter().flatten() {
            words(value.1);
        }
        let all = |document: &mut Value, list: &str, field: &str| {
            for item in document[list].as_array_mut().into_iter().flatten() {
                words(&mut item[field]);
            }
        };
        all(&mut document, "slots", "value");
        all(&mut document, "transcript", "text");
        if document["intent"].is_object() {
            words(&mut document["intent"]["words"]);
        }
        document
    }
}

impl CallSummary {
    /// The call as JSON.
    pub fn to_json(&self, reveal: Reveal) -> Value {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        json!({
            "id": self.id.to_string(),
            "started_at": self.started_at.to_string(),
            "answered_at": time(self.answered_at),
            "ended_at": time(self.ended_at),
            "caller": reveal.address(&self.caller),
            "called": self.called,
            "channel": self.channel,
            "profile": self.profile,
            "generation": self.generation,
            "result": self.result,
            "reason": self.reason,
            "recording": self.recording,
            "protection": self.protection,
            "turns": self.turns,
            "outcome": self.outcome,
        })
    }
}

impl CallRecord {
    /// Everything as JSON.
    pub fn to_json(&self, reveal: Reveal) -> Value {
        let mut whole = self.summary.to_json(reveal);
        whole["lines"] = self.lines.iter().map(|line| line_json(line, reveal)).collect();
        whole["latencies"] = self.turns.iter().map(turn_json).collect();
        whole["actions"] = self
            .actions
            .iter()
            .map(|run| {
                json!({
                    "run": run.run.0,
                    "at_ms": run.at_ms,
                    "action": run.action,
                    "result": run.result,
                    "took_ms": run.took_ms,
                })
            })
            .collect();
        whole["handoffs"] = self
            .handoffs
            .iter()
            .map(|handoff| {
                json!({
                    "id": handoff.id.to_string(),
                    "created_at": handoff.created_at.to_string(),
                    "webhook": handoff.webhook,
                    "document": reveal.handoff(&handoff.document),
                })
            })
            .collect();
        whole["transfers"] = self.transfers.iter().map(transfer_json).collect();
        whole["quality"] = self.quality.as_ref().map_or(Value::Null, quality_json);
        whole["signalling"] = self.trace.as_ref().map_or(Value::Null, signalling_json);
        whole
    }
}

fn line_json(line: &LineRecord, reveal: Reveal) -> Value {
    json!({
        "at_ms": line.at_ms,
        "speaker": line.speaker,
        "text": reveal.text(&line.text),
        "confidence": line.confidence,
        "intent": line.intent,
        "intent_confidence": line.intent_confidence,
        "expected": line.expected,
        "out_of_scope": line.out_of_scope,
        "failed": line.failed,
    })
}

fn quality_json(quality: &QualityRecord) -> Value {
    json!({
        "codec": quality.codec,
        "heard_loss_percent": quality.heard_loss_percent,
        "heard_jitter_ms": quality.heard_jitter_ms,
        "heard_concealed_ms": quality.heard_concealed_ms,
        "heard_mos": quality.heard_mos,
        "sent_loss_percent": quality.sent_loss_percent,
        "sent_jitter_ms": quality.sent_jitter_ms,
        "sent_mos": quality.sent_mos,
        "round_trip_ms": quality.round_trip_ms,
    })
}

fn transfer_json(transfer: &TransferRecord) -> Value {
    json!({
        "at_ms": transfer.at_ms,
        "queue": transfer.queue,
        "way": transfer.way,
        "outcome": transfer.outcome,
        "agent": transfer.agent,
        "status": transfer.status,
        "took_ms": transfer.took_ms,
        "bridged_ms": transfer.bridged_ms,
    })
}

/// What the messages come to; the messages themselves are for `frontdoor sip trace`.
fn signalling_json(trace: &TraceRecord) -> Value {
    json!({
        "answer": trace.answer(),
        "ended_by": trace.ended_by(),
        "refusals": trace.refusals(),
        "messages": trace.count(),
    })
}

fn turn_json(turn: &TurnRecord) -> Value {
    json!({
        "turn": turn.turn.0,
        "at_ms": turn.at_ms,
        "network_ms": turn.network_ms,
        "endpoint_ms": turn.endpoint_ms,
        "transcribe_ms": turn.transcribe_ms,
        "understand_ms": turn.understand_ms,
        "act_ms": turn.act_ms,
        "voice_ms": turn.voice_ms,
        "playout_ms": turn.playout_ms,
        "total_ms": turn.total_ms,
        "speculated": turn.speculated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_only_what_tells_calls_apart() {
        for (address, masked) in [
            ("+15550123", "...23"),
            ("sip:5550123@10.0.0.1", "...23"),
            ("sip:anonymous@127.0.0.1:40712", "..."),
            ("sip:alex@example.com", "..."),
            ("12345", "..."),
        ] {
            assert_eq!(Reveal::Masked.address(&Pii::new(address.into())), masked, "{address}");
        }
        let text = Pii::new("my pin is lost".to_owned());
        assert_eq!(Reveal::Masked.text(&text), "[4 words]");
        assert_eq!(Reveal::Full.text(&text), "my pin is lost");
    }
}
