//! Callers whom the router knows, and customers in the book of callbacks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::acd::handoff::Handoff;
use crate::acd::{AgentId, LeftQueue, Place, RouterRefusal, Waiter};
use crate::store::CallbackRecord;
use crate::web::view::{AgentCallPhase, DeskEvent, Speaker};

use super::api::{AgentCallNews, AgentCommand, QueueEvent};

/// Lines of a talk that are kept for a page that opens again; of longer talks the latest.
const LINES_MAX: usize = 300;

/// A caller on the way into a queue: it is being written down.
pub(super) struct Arriving {
    pub waiter: Waiter,
    pub handoff: Arc<Handoff>,
    pub reference: Option<String>,
    pub events: mpsc::Sender<QueueEvent>,
    pub reply: oneshot::Sender<Result<(), RouterRefusal>>,
    /// They have gone meanwhile.
    pub left: Option<LeftQueue>,
}

/// A caller in the router.
pub(super) struct Caller {
    /// As they wait, in the queue where they wait now.
    pub waiter: Waiter,
    pub handoff: Arc<Handoff>,
    pub reference: Option<String>,
    pub line: Line,
    pub stage: Stage,
    /// Since when they wait this time.
    pub came: Instant,
    /// They have talked with an agent: they count as answered, whatever comes.
    pub was_answered: bool,
    /// Where they were told to stand, and when.
    pub told: Option<(Place, Instant)>,
}

/// Whether a caller is on the line.
pub(super) enum Line {
    /// They are; the way to their call's task.
    Here(mpsc::Sender<QueueEvent>),
    /// They will be called.
    ToBeCalled,
}

/// How far a caller is.
pub(super) enum Stage {
    Waiting,
    WithAgent(Box<Talk>),
}

impl Caller {
    /// Who waits from now on.
    pub fn new(
        waiter: Waiter,
        (handoff, reference): (Arc<Handoff>, Option<String>),
        line: Line,
        now: Instant,
    ) -> Self {
        let stage = Stage::Waiting;
        let (came, was_answered, told) = (now, false, None);
        Self { waiter, handoff, reference, line, stage, came, was_answered, told }
    }

    /// Their talk with an agent.
    pub fn talk(&self) -> Option<&Talk> {
        match &self.stage {
            Stage::Waiting => None,
            Stage::WithAgent(talk) => Some(talk),
        }
    }

    /// The same, to be changed.
    pub fn talk_mut(&mut self) -> Option<&mut Talk> {
        match &mut self.stage {
            Stage::Waiting => None,
            Stage::WithAgent(talk) => Some(talk),
        }
    }

    /// Whether they are on the line.
    pub fn is_here(&self) -> bool {
        matches!(self.line, Line::Here(_))
    }
}

/// With what an agent talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handset {
    /// The page itself.
    Browser,
    /// A telephone, which is there without the page.
    Phone,
}

/// A caller with an agent, from the moment that the agent took the call.
pub(super) struct Talk {
    pub agent: AgentId,
    pub handset: Handset,
    pub began: Instant,
    /// When they first heard each other.
    pub joined: Option<Instant>,
    pub commands: mpsc::Sender<AgentCommand>,
    pub news: AgentCallNews,
    said: VecDeque<Said>,
}

/// A line of a talk.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub at_ms: u64,
    pub speaker: Speaker,
    pub text: String,
}

impl Talk {
    pub fn new(
        agent: AgentId,
        handset: Handset,
        began: Instant,
        commands: mpsc::Sender<AgentCommand>,
    ) -> Self {
        let news = AgentCallNews {
            phase: AgentCallPhase::Connecting,
            held: false,
            muted: false,
            others: Vec::new(),
        };
        let said = VecDeque::new();
        Self { agent, handset, began, joined: None, commands, news, said }
    }

    /// Keeps a line; false if it is there already.
    pub fn add(&mut self, line: Said) -> bool {
        if self.said.contains(&line) {
            return false;
        }
        if self.said.len() >= LINES_MAX {
            self.said.pop_front();
        }
        self.said.push_back(line);
        true
    }

    /// The lines that are kept, in order.
    pub fn said(&self) -> impl Iterator<Item = &Said> {
        self.said.iter()
    }
}

/// A customer in the book.
pub(super) struct Callback {
    pub record: CallbackRecord,
    pub handoff: Arc<Handoff>,
    /// So often their telephone rang.
    pub attempts: u32,
    pub stage: CallbackStage,
}

/// How far a callback is.
pub(super) enum CallbackStage {
    /// The call that asked for it goes on; no longer than this.
    CallGoesOn { until: Instant },
    /// Not before this time.
    NotBefore(Instant),
    /// In the router.
    InQueue,
    /// Being tried, with an agent.
    Trying { attempt: u32, cancel: CancellationToken },
}

/// A callback that is being written down.
pub(super) struct Booking {
    pub record: CallbackRecord,
    pub reply: oneshot::Sender<bool>,
    /// The caller has hung up meanwhile, and wants to be called all the same.
    pub left: Option<Arc<Handoff>>,
}

/// The last line of a hand-off's transcript: what was said later is news to whoever has read it.
pub(super) fn read_until_ms(handoff: &Handoff) -> Option<u64> {
    handoff.transcript.iter().map(|line| line.at_ms).max()
}

impl Said {
    /// As a page is told it.
    pub fn into_event(self) -> DeskEvent {
        let Self { at_ms, speaker, text } = self;
        DeskEvent::Line { at_ms, speaker, text }
    }
}
