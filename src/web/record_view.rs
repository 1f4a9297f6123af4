//! Past calls as operations see them, as JSON. Times are RFC 3339 in UTC; `at_ms` counts from answer.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::{
    ActionRunRecord, CallRecord, CallSummary, FoundCall, HandoffRef, LineRecord, QualityRecord,
    TraceRecord, TransferRecord, TurnRecord, WrapUpRecord, WrapUpState,
};

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// From answer, or arrival if it was not answered, to the end.
fn duration_s(call: &CallSummary) -> Option<u64> {
    let began = call.answered_at.unwrap_or(call.started_at);
    let length = call.ended_at?.duration_since(began);
    Some(u64::try_from(length.as_secs()).unwrap_or(0))
}

/// A call in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct CallLine {
    /// The call.
    call_id: String,
    /// When it arrived.
    started_at: String,
    /// The caller's number or address.
    caller: String,
    /// What was called.
    called: String,
    /// `sip` or `web`.
    channel: String,
    /// Which prompt files.
    profile: String,
    /// From answer to end; `null` while it goes on.
    duration_s: Option<u64>,
    /// `success`, `our error`, ...; `null` while it goes on.
    result: Option<String>,
    /// What came of it: `served`, `handed off`, ...
    outcome: Option<String>,
    /// What the caller wanted, as far as it was understood; each once.
    intents: Vec<String>,
    /// A person got it.
    handed_off: bool,
    /// It can be heard.
    has_recording: bool,
}

impl From<FoundCall> for CallLine {
    fn from(found: FoundCall) -> Self {
        let FoundCall { summary, intents, handed_off } = found;
        Self {
            call_id: summary.id.to_string(),
            started_at: summary.started_at.to_string(),
            duration_s: duration_s(&summary),
            has_recording: summary.recording.is_some(),
            caller: summary.caller.into_inner(),
            called: summary.called,
            channel: summary.channel,
            profile: summary.profile,
            result: summary.result,
            outcome: summary.outcome,
            intents,
            handed_off,
        }
    }
}

/// Everything kept of a call.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordView {
    /// The call.
    summary: SummaryView,
    /// Whether it can be heard.
    has_recording: bool,
    /// The transcript, in order.
    lines: Vec<LineView>,
    /// Response latencies by turn.
    turns: Vec<TurnView>,
    /// Runs of actions, in order.
    actions: Vec<ActionView>,
    /// Hand-offs, in order.
    handoffs: Vec<HandoffView>,
    /// Tries to put the caller through, and time with agents, in order.
    transfers: Vec<TransferView>,
    /// What agents wrote about it, in order.
    wrap_ups: Vec<WrapUpView>,
    /// How it sounded, once it has ended.
    quality: Option<QualityView>,
    /// What the SIP messages come to, once it has ended.
    signalling: Option<SignallingView>,
}

impl RecordView {
    pub(super) fn of(record: CallRecord, wrap_ups: Vec<WrapUpRecord>) -> Self {
        Self {
            has_recording: record.summary.recording.is_some(),
            summary: record.summary.into(),
            lines: record.lines.into_iter().map(LineView::from).collect(),
            turns: record.turns.iter().map(TurnView::from).collect(),
            actions: record.actions.into_iter().map(ActionView::from).collect(),
            handoffs: record.handoffs.into_iter().map(HandoffView::from).collect(),
            transfers: record.transfers.into_iter().map(TransferView::from).collect(),
            wrap_ups: wrap_ups.into_iter().map(WrapUpView::from).collect(),
            quality: record.quality.map(QualityView::from),
            signalling: record.trace.as_ref().map(SignallingView::from),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct SummaryView {
    /// The call.
    call_id: String,
    /// When it arrived.
    started_at: String,
    /// When it was answered, if it was.
    answered_at: Option<String>,
    /// When it ended, if it has.
    ended_at: Option<String>,
    /// From answer to end.
    duration_s: Option<u64>,
    /// The caller's number or address.
    caller: String,
    /// What was called.
    called: String,
    /// `sip` or `web`.
    channel: String,
    /// Which prompt files.
    profile: String,
    /// Hash of the prompt files.
    generation: String,
    /// `success`, `our error`, ...
    result: Option<String>,
    /// Why it ended so.
    reason: Option<String>,
    /// What came of it.
    outcome: Option<String>,
    /// What protected the audio.
    protection: Option<String>,
    /// Turns of the caller.
    turns: Option<u32>,
}

impl From<CallSummary> for SummaryView {
    fn from(call: CallSummary) -> Self {
        Self {
            call_id: call.id.to_string(),
            started_at: call.started_at.to_string(),
            answered_at: time(call.answered_at),
            ended_at: time(call.ended_at),
            duration_s: duration_s(&call),
            caller: call.caller.into_inner(),
            called: call.called,
            channel: call.channel,
            profile: call.profile,
            generation: call.generation,
            result: call.result,
            reason: call.reason,
            outcome: call.outcome,
            protection: call.protection,
            turns: call.turns,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct LineView {
    at_ms: u64,
    /// `caller`, `frontdoor` or `agent`.
    speaker: String,
    /// Secrets are masked.
    text: String,
    /// How sure the recogniser was, 0 to 1.
    confidence: Option<f32>,
    /// What it was understood as.
    intent: Option<String>,
    /// 0 to 1.
    intent_confidence: Option<f32>,
    /// What was listened for: `request`, `yes_no`, `slot` or `keys`.
    expected: Option<String>,
    /// Above 0 is out of scope.
    out_of_scope: Option<f32>,
    /// Whether nothing could be made of it.
    failed: Option<bool>,
}

impl From<LineRecord> for LineView {
    fn from(line: LineRecord) -> Self {
        Self {
            at_ms: line.at_ms,
            speaker: line.speaker,
            text: line.text.into_inner(),
            confidence: line.confidence,
            intent: line.intent,
            intent_confidence: line.intent_confidence,
            expected: line.expected,
            out_of_scope: line.out_of_scope,
            failed: line.failed,
        }
    }
}

/// Where the time of one turn went; the parts sum to the total.
#[derive(Serialize, ToSchema)]
struct TurnView {
    turn: u32,
    /// When our first sound left, from answer; `null` in older records.
    at_ms: Option<u64>,
    network_ms: u32,
    endpoint_ms: u32,
    transcribe_ms: u32,
    understand_ms: u32,
    act_ms: u32,
    voice_ms: u32,
    playout_ms: u32,
    total_ms: u32,
    /// Whether work done before the end of the turn was known was of use.
    speculated: bool,
}

impl From<&TurnRecord> for TurnView {
    fn from(turn: &TurnRecord) -> Self {
        Self {
            turn: turn.turn.0,
            at_ms: turn.at_ms,
            network_ms: turn.network_ms,
            endpoint_ms: turn.endpoint_ms,
            transcribe_ms: turn.transcribe_ms,
            understand_ms: turn.understand_ms,
            act_ms: turn.act_ms,
            voice_ms: turn.voice_ms,
            playout_ms: turn.playout_ms,
            total_ms: turn.total_ms,
            speculated: turn.speculated,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct ActionView {
    run: u32,
    at_ms: u64,
    /// The declared action.
    action: String,
    /// `done`, or how it failed.
    result: String,
    took_ms: u32,
}

impl From<ActionRunRecord> for ActionView {
    fn from(run: ActionRunRecord) -> Self {
        let ActionRunRecord { run, at_ms, action, result, took_ms } = run;
        Self { run: run.0, at_ms, action, result, took_ms }
    }
}

#[derive(Serialize, ToSchema)]
struct HandoffView {
    /// What GET /api/handoffs/{reference} finds it by, if it has one.
    reference: Option<String>,
    created_at: String,
    /// `pending`, `delivered` or `failed`, if it goes to the webhook.
    webhook: Option<String>,
    /// As GET /api/schemas/handoff-1.json describes.
    #[schema(value_type = Object)]
    document: Value,
}

impl From<HandoffRef> for HandoffView {
    fn from(handoff: HandoffRef) -> Self {
        let HandoffRef { created_at, webhook, document, .. } = handoff;
        Self {
            reference: document.reference.clone(),
            created_at: created_at.to_string(),
            webhook,
            // It came from JSON.
            document: serde_json::to_value(document).unwrap_or_default(),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct TransferView {
    at_ms: u64,
    /// Whose people.
    queue: String,
    /// `desk`, `refer`, `attended` or `bridge`.
    way: String,
    outcome: String,
    /// The account that took the call.
    agent: Option<String>,
    /// The SIP status that told, if one did.
    status: Option<u16>,
    took_ms: u64,
    /// How long the audio went through us.
    bridged_ms: Option<u64>,
}

impl From<TransferRecord> for TransferView {
    fn from(transfer: TransferRecord) -> Self {
        Self {
            at_ms: transfer.at_ms,
            queue: transfer.queue,
            way: transfer.way,
            outcome: transfer.outcome,
            agent: transfer.agent,
            status: transfer.status,
            took_ms: transfer.took_ms,
            bridged_ms: transfer.bridged_ms,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct WrapUpView {
    /// The account.
    agent: String,
    /// When they took the call.
    began_at: String,
    queue: String,
    disposition: Option<String>,
    notes: Option<String>,
    /// Whether the agent has finished.
    done: bool,
}

impl From<WrapUpRecord> for WrapUpView {
    fn from(wrap_up: WrapUpRecord) -> Self {
        Self {
            agent: wrap_up.agent,
            began_at: wrap_up.began_at.to_string(),
            queue: wrap_up.queue.as_str().to_owned(),
            disposition: wrap_up.disposition,
            notes: wrap_up.notes.map(crate::base::Pii::into_inner),
            done: wrap_up.state != WrapUpState::Open,
        }
    }
}

/// What we heard, and what the other side's reports say it heard.
#[derive(Serialize, ToSchema)]
struct QualityView {
    codec: String,
    /// 0 to 100.
    heard_loss_percent: f64,
    heard_jitter_ms: f64,
    heard_concealed_ms: u64,
    /// Mean opinion score, estimated, 1 to 4.4.
    heard_mos: f64,
    sent_loss_percent: Option<f64>,
    sent_jitter_ms: Option<f64>,
    sent_mos: Option<f64>,
    round_trip_ms: Option<f64>,
}

impl From<QualityRecord> for QualityView {
    fn from(quality: QualityRecord) -> Self {
        Self {
            codec: quality.codec,
            heard_loss_percent: quality.heard_loss_percent,
            heard_jitter_ms: quality.heard_jitter_ms,
            heard_concealed_ms: quality.heard_concealed_ms,
            heard_mos: quality.heard_mos,
            sent_loss_percent: quality.sent_loss_percent,
            sent_jitter_ms: quality.sent_jitter_ms,
            sent_mos: quality.sent_mos,
            round_trip_ms: quality.round_trip_ms,
        }
    }
}

/// The messages themselves are for `frontdoor sip trace`.
#[derive(Serialize, ToSchema)]
struct SignallingView {
    /// How the INVITE was answered.
    answer: Option<String>,
    /// Who hung up.
    ended_by: Option<String>,
    /// What was refused in between.
    refusals: Vec<String>,
    /// How many messages there were.
    messages: usize,
}

impl From<&TraceRecord> for SignallingView {
    fn from(trace: &TraceRecord) -> Self {
        Self {
            answer: trace.answer().map(str::to_owned),
            ended_by: trace.ended_by(),
            refusals: trace.refusals(),
            messages: trace.count(),
        }
    }
}
