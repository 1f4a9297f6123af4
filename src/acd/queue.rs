//! What is known of a queue and of each caller, and who comes before whom.

use std::time::{Duration, Instant};

use crate::base::QueueName;

use super::estimate::Recent;
use super::{AgentId, OfferId, QueueRules, Waiter};

/// The first of all priorities; the last is 9.
const FIRST: u8 = 1;

/// The last of all priorities.
const LAST: u8 = 9;

/// A queue: its rules, what is counted in it, and what the latest calls took.
#[derive(Debug)]
pub(super) struct Queue {
    pub rules: QueueRules,
    pub counts: Counts,
    pub recent: Recent,
}

impl Queue {
    pub fn new(rules: QueueRules) -> Self {
        Self { rules, counts: Counts::default(), recent: Recent::default() }
    }
}

/// What has happened in a queue since counts were last forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Callers who were on the line until an agent took them. Each call counts once.
    pub answered: u64,
    /// Those of them who waited no longer than `answer_within`.
    pub answered_in_time: u64,
    /// Callers who hung up while they waited.
    pub abandoned: u64,
    /// Those of them who waited no longer than `answer_within`.
    pub abandoned_in_time: u64,
    /// Callers who left for another reason: by choice, for a callback.
    pub left: u64,
    /// Callers who waited as long as they may.
    pub too_long: u64,
    /// Callers who were called back, and reached.
    pub called_back: u64,
}

impl Counts {
    /// Share of callers answered in time, in %. Whoever hangs up before that time is over has not
    /// been waiting too long, and counts neither way. `None` before the first.
    pub fn service_level_percent(&self) -> Option<f32> {
        let late = self.abandoned.saturating_sub(self.abandoned_in_time) + self.too_long;
        let all = self.answered + late;
        (all > 0).then(|| self.answered_in_time as f32 * 100.0 / all as f32)
    }
}

/// Where a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// In line.
    Waiting,
    /// In line, and offered to an agent.
    Offered { offer: OfferId, agent: AgentId, screen: Screen, until: Instant },
    /// Taken by an agent, and being put through; given up at this time.
    Joining { agent: AgentId, until: Instant },
    /// With an agent.
    Talking { agent: AgentId },
}

/// What the agent has seen of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// Nothing yet.
    Empty,
    /// The hand-off.
    Shown,
}

/// Who has lost an agent goes before everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Was with an agent, or about to be, and lost them.
    AtHead,
    /// Has the place that priority and time give.
    InLine,
}

/// Whether the call has been counted as answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nobody has taken it.
    Awaited,
    /// Somebody has; it is back in line since.
    Counted,
}

/// An agent who is not offered a call again for a while.
#[derive(Debug)]
pub(super) struct Declined {
    pub agent: AgentId,
    pub until: Instant,
}

/// A caller: in line, or with an agent.
#[derive(Debug)]
pub(super) struct Entry {
    pub waiter: Waiter,
    pub stage: Stage,
    pub standing: Standing,
    pub answer: Answer,
    /// Decides between two who came at the same instant.
    pub number: u64,
    /// Since when they wait this time. Unlike `since`, nothing before a talk counts.
    pub came: Instant,
    /// Since when they are in this queue.
    pub entered: Instant,
    /// Not moved on before this time: the other queue was full.
    pub stays_until: Instant,
    /// Queues they were moved out of: nobody is sent round in circles. At most each queue once.
    pub been_in: Vec<QueueName>,
    /// At most each agent once.
    pub declined: Vec<Declined>,
}

impl Entry {
    pub fn new(waiter: Waiter, number: u64, now: Instant) -> Self {
        Self {
            waiter,
            stage: Stage::Waiting,
            standing: Standing::InLine,
            answer: Answer::Awaited,
            number,
            came: now,
            entered: now,
            stays_until: now,
            been_in: Vec::new(),
            declined: Vec::new(),
        }
    }

    /// In a queue, whether it is offered to somebody or not.
    pub fn is_in_line(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::Offered { .. })
    }

    /// How long their place counts.
    pub fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.waiter.since)
    }

    /// Until when they are not offered to this agent again, if the agent declined them.
    pub fn declined_until(&self, agent: &AgentId) -> Option<Instant> {
        self.declined.iter().find(|declined| declined.agent == *agent).map(|found| found.until)
    }

    /// Keeps them from this agent for a while.
    pub fn keep_from(&mut self, agent: &AgentId, until: Instant) {
        self.declined.retain(|declined| declined.agent != *agent);
        self.declined.push(Declined { agent: agent.clone(), until });
    }

    /// Where they stand: the least is next.
    pub fn rank(&self, rules: &QueueRules, now: Instant) -> Rank {
        Rank {
            standing: self.standing,
            priority: rules.priority_after(self.waiter.priority, self.waited(now)),
            since: self.waiter.since,
            number: self.number,
        }
    }
}

/// The order of callers, the same for all agents and across all queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    standing: Standing,
    priority: u8,
    since: Instant,
    number: u64,
}

impl QueueRules {
    /// Priority of a caller who came with this priority, and has waited so long. The more urgent of
    /// the caller's and the queue's holds, and goes up by one for each `ageing` waited.
    pub fn priority_after(&self, priority: u8, waited: Duration) -> u8 {
        let first = self.priority.min(priority).clamp(FIRST, LAST);
        let steps = waited.as_nanos().checked_div(self.ageing.as_nanos()).unwrap_or(0);
        let steps = u8::try_from(steps).unwrap_or(u8::MAX);
        first.saturating_sub(steps).max(FIRST)
    }

    /// For how long callers who come later can be taken before a caller of this priority.
    ///
    /// Once so long has passed since their `since`, their priority is 1, and nobody is before them
    /// in this queue or any other but those whose `since` is earlier, and those who have lost an
    /// agent. `None` if callers do not go up in this queue (`ageing` is zero).
    pub fn passed_over_for_at_most(&self, priority: u8) -> Option<Duration> {
        let steps = self.priority.min(priority).clamp(FIRST, LAST) - FIRST;
        match steps {
            0 => Some(Duration::ZERO),
            _ if self.ageing.is_zero() => None,
            _ => Some(self.ageing.saturating_mul(u32::from(steps))),
        }
    }
}
