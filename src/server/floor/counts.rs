//! What is counted on the floor since midnight, in the organisation's own time: by the router's rules, but
//! from the store, so that a restart forgets nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;

use crate::acd::{AgentId, Counts, QueueRules};
use crate::base::QueueName;
use crate::store::{WaitCount, WaitOutcome};

/// The day so far.
#[derive(Debug)]
pub(super) struct DayCounts {
    day: Date,
    queues: BTreeMap<QueueName, Counts>,
    taken: BTreeMap<AgentId, u64>,
}

impl DayCounts {
    /// A day with nothing in it.
    pub fn new(day: Date) -> Self {
        Self { day, queues: BTreeMap::new(), taken: BTreeMap::new() }
    }

    /// It is this day; says whether another one has begun, and what was counted is over.
    pub fn roll(&mut self, today: Date) -> bool {
        let is_new = self.day != today;
        if is_new {
            *self = Self::new(today);
        }
        is_new
    }

    /// A wait is over.
    pub fn note(&mut self, wait: &WaitCount, rules: Option<&QueueRules>) {
        if let Some(agent) = &wait.agent {
            *self.taken.entry(AgentId::new(agent.as_str())).or_default() += 1;
        }
        let limit = rules.map_or(Duration::ZERO, |rules| rules.answer_within);
        let in_time = u64::from(Duration::from_millis(wait.waited_ms) <= limit);
        let counts = self.queues.entry(wait.queue.clone()).or_default();
        match wait.outcome {
            WaitOutcome::Answered if !wait.was_on_line => counts.called_back += 1,
            WaitOutcome::Answered => {
                counts.answered += 1;
                counts.answered_in_time += in_time;
            }
            WaitOutcome::HungUp => {
                counts.abandoned += 1;
                counts.abandoned_in_time += in_time;
            }
            WaitOutcome::TooLong => counts.too_long += 1,
            WaitOutcome::Left | WaitOutcome::Callback => counts.left += 1,
            // Answered before, or nobody's fault who waits or serves.
            WaitOutcome::AnsweredAgain | WaitOutcome::NoQueue | WaitOutcome::AgentGone => {}
        }
    }

    /// Of this queue.
    pub fn of(&self, queue: &QueueName) -> Counts {
        self.queues.get(queue).copied().unwrap_or_default()
    }

    /// Calls that this agent has taken.
    pub fn taken_by(&self, agent: &AgentId) -> u64 {
        self.taken.get(agent).copied().unwrap_or_default()
    }
}
