//! What pages and programs are shown, as JSON. Times are RFC 3339 in UTC; `_ms` counts from answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::acd::handoff::Handoff;
use crate::base::Effort;

/// Where a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The audio is not there yet.
    Connecting,
    /// With the front door.
    Talking,
    /// In a queue.
    Waiting,
    /// With a person.
    WithAgent,
    /// Over.
    Ended,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The caller.
    Caller,
    /// We.
    Frontdoor,
    /// Whoever took the call.
    Agent,
}

/// Something that happened in a call.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LiveEvent {
    /// Where the caller is now.
    Phase {
        /// Where.
        phase: Phase,
        /// Which queue, while waiting.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<String>,
        /// 1 is next, while waiting.
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<usize>,
        /// The shorter of the likely waits, in s.
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_from_s: Option<u64>,
        /// The longer.
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_to_s: Option<u64>,
        /// Who took the call, as callers may know them.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
    },
    /// Something was said; secrets are masked.
    Line {
        /// Start, from answer.
        at_ms: u64,
        /// Who.
        speaker: Speaker,
        /// What.
        text: String,
    },
    /// What the caller wants was understood.
    Intent {
        /// The intent.
        intent: String,
        /// 0 to 1.
        confidence: f32,
    },
    /// A turn was answered.
    Turn {
        /// Response latency.
        total_ms: u64,
    },
    /// The call is over; nothing follows.
    Gone,
}

/// A call in progress.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveCallView {
    /// The call, as records name it.
    pub call_id: String,
    /// When it was answered.
    pub answered_at: String,
    /// The caller's number or address.
    pub caller: String,
    /// What was called.
    pub called: String,
    /// `sip` or `web`.
    pub channel: String,
    /// Which prompt files.
    pub profile: String,
    /// Where the caller is.
    pub phase: Phase,
    /// The queue, while waiting.
    pub queue: Option<String>,
    /// Who has taken the call.
    pub agent: Option<String>,
    /// What the caller wants, as far as it was understood.
    pub intent: Option<String>,
    /// What was said last.
    pub last_line: Option<String>,
}

impl LiveCallView {
    /// Takes note of what happened.
    pub fn note(&mut self, event: &LiveEvent) {
        match event {
            LiveEvent::Phase { phase, queue, agent, .. } => {
                self.phase = *phase;
                self.queue.clone_from(queue);
                self.agent.clone_from(agent);
            }
            LiveEvent::Line { text, .. } => self.last_line = Some(text.clone()),
            LiveEvent::Intent { intent, .. } => self.intent = Some(intent.clone()),
            LiveEvent::Turn { .. } => {}
            LiveEvent::Gone => self.phase = Phase::Ended,
        }
    }
}

/// How busy the machine is, and how much is done for callers because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LoadView {
    /// How much is done for callers: `full`, `no_speculation` (nothing before they have finished),
    /// `small_hearing` (no second opinion on what was heard), `keypad_menu` (new callers press keys) or
    /// `straight_to_people` (new callers go to people).
    pub effort: String,
    /// Whether new calls are refused because it is too much even with the least effort.
    pub refuses_calls: bool,
    /// Calls in which we talk with the caller.
    pub calls_conversing: usize,
    /// So many of them there may be.
    pub calls_conversing_max: usize,
    /// What 95 of 100 answers of the latest half minute did not exceed, but for pauses that callers
    /// were given and for other systems; left out after too few turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_p95_ms: Option<u64>,
    /// How long the request waits now that waits longest for the recogniser.
    pub hearing_wait_ms: u64,
    /// Of all cores, by the front door.
    pub cpu_percent: u32,
    /// Of all cores, by everything on the machine.
    pub machine_cpu_percent: u32,
    /// Of the latest frames of calls, those that came too late.
    pub late_frames_percent: u32,
}

impl Default for LoadView {
    fn default() -> Self {
        Self {
            effort: Effort::Full.as_str().to_owned(),
            refuses_calls: false,
            calls_conversing: 0,
            calls_conversing_max: 0,
            latency_p95_ms: None,
            hearing_wait_ms: 0,
            cpu_percent: 0,
            machine_cpu_percent: 0,
            late_frames_percent: 0,
        }
    }
}

/// Queues and agents as they are now.
#[derive(Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct Floor {
    /// When this was so.
    pub at: String,
    /// In order of their names.
    pub queues: Vec<FloorQueue>,
    /// In order of their names.
    pub agents: Vec<FloorAgent>,
}

/// A queue.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct FloorQueue {
    /// As `queues.md` has it.
    pub name: String,
    /// As callers hear it.
    pub spoken: String,
    /// Who waits, the next first.
    pub waiting: Vec<FloorWaiter>,
    /// How long the first has waited.
    pub longest_wait_s: u64,
    /// Agents who could take its calls, and are ready.
    pub agents_ready: usize,
    /// Who are in a call, or wrap one up.
    pub agents_busy: usize,
    /// Calls answered today.
    pub answered_today: u64,
    /// Calls whose caller hung up while waiting.
    pub abandoned_today: u64,
    /// Share of today's calls answered in time, in %; `None` before the first.
    pub service_level_percent: Option<f32>,
    /// What in time means, in s.
    pub answer_within_s: u64,
    /// The likely wait of one who comes now, in s.
    pub wait_from_s: Option<u64>,
    /// The longer one.
    pub wait_to_s: Option<u64>,
}

/// Somebody who waits.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct FloorWaiter {
    /// The call.
    pub call_id: String,
    /// On the line (`call`) or to be called back (`callback`).
    pub kind: String,
    /// 1 is next.
    pub position: usize,
    /// How long.
    pub waited_s: u64,
    /// Offered to this agent at present.
    pub offered_to: Option<String>,
}

/// An agent.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct FloorAgent {
    /// The account.
    pub name: String,
    /// As colleagues know them.
    pub display_name: String,
    /// What they do.
    pub state: DeskState,
    /// For how long.
    pub for_s: u64,
    /// Skills with their levels.
    pub skills: std::collections::BTreeMap<String, u8>,
    /// Calls taken today.
    pub calls_today: u64,
}

/// What an agent does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeskState {
    /// Not signed in.
    Offline,
    /// Takes calls.
    Ready,
    /// Is offered one.
    Offered,
    /// In a call.
    Talking,
    /// Works on a call that is over.
    WrapUp {
        /// Until when.
        until: String,
    },
    /// Takes no calls.
    Away {
        /// Why.
        reason: String,
    },
}

/// Something that happened at an agent's desk.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DeskEvent {
    /// What the agent does now.
    State {
        /// What.
        #[serde(flatten)]
        state: DeskState,
    },
    /// A call is offered, with all that is known.
    Offer {
        /// Names it in answers.
        offer_id: u64,
        /// Which call.
        call_id: String,
        /// When it ends.
        until: String,
        /// The queue.
        queue: String,
        /// How long the caller has waited.
        waited_s: u64,
        /// `call`, or `callback`: taking it dials.
        kind: String,
        /// Everything learned so far.
        #[schema(value_type = Object)]
        handoff: Box<Handoff>,
        /// What the agent might say first, from the facts in the hand-off only.
        first_line: String,
    },
    /// The offer is over.
    OfferEnded {
        /// Which.
        offer_id: u64,
        /// `expired`, `declined`, `caller_left`, `desk_lost`, `taken`.
        why: String,
    },
    /// The agent's call, as it is now; told again at each change and when a desk opens.
    Call {
        /// Which.
        call_id: String,
        /// Where it is.
        phase: AgentCallPhase,
        /// The caller hears music.
        held: bool,
        /// The agent is not heard.
        muted: bool,
        /// Whoever else is in the call.
        others: Vec<String>,
        /// Everything learned before.
        #[schema(value_type = Object)]
        handoff: Box<Handoff>,
        /// When they began to talk.
        since: String,
    },
    /// Something was said in the agent's call.
    Line {
        /// Start, from answer.
        at_ms: u64,
        /// Who.
        speaker: Speaker,
        /// What.
        text: String,
    },
    /// Queues in short, for the top of the desk.
    Queues {
        /// Each.
        queues: Vec<DeskQueue>,
    },
    /// This desk was opened somewhere else; nothing more is told here.
    Replaced,
}

/// A queue in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeskQueue {
    /// As `queues.md` has it.
    pub name: String,
    /// Callers who wait.
    pub waiting: usize,
    /// How long the first has waited.
    pub longest_wait_s: u64,
    /// Agents who are ready.
    pub agents_ready: usize,
}

/// Where an agent's call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentCallPhase {
    /// The audio is being set up, or the telephone rings.
    Connecting,
    /// The two hear each other.
    Talking,
    /// The caller is with the front door for a task, and comes back.
    AtFrontDoor,
    /// It is being passed on.
    Transferring,
    /// Over.
    Ended,
}
