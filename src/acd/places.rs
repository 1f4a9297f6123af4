//! The router: what callers can be told about their place and their wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::base::{CallId, QueueName};

use super::agents::Agent;
use super::estimate::{InLine, Recent, Seat, play_out};
use super::matching::{able_after, open_from};
use super::queue::{Entry, Stage};
use super::{AgentState, Place, QueueRules, Router, WaitRange, Waiter, WaiterKind};

/// The place of nobody, who is asked about.
const NOBODY: CallId = CallId::from_u128(0);

impl Router {
    /// The place of a caller in line; `None` if they are in none. For many callers at once,
    /// [`Router::places`] does the work once.
    pub fn place(&self, now: Instant, call: CallId) -> Option<Place> {
        let mut line = self.line(now);
        let index = line.iter().position(|entry| entry.waiter.call == call)?;
        line.truncate(index + 1);
        self.places_in(now, &line).pop()
    }

    /// The places of all callers in line.
    pub fn places(&self, now: Instant) -> Vec<(CallId, Place)> {
        let line = self.line(now);
        let calls = line.iter().map(|entry| entry.waiter.call);
        calls.zip(self.places_in(now, &line)).collect()
    }

    /// The place of a caller who would come now, and ask for no more than the queue does; `None` if
    /// there is no such queue.
    pub fn place_of_next(&self, now: Instant, queue: &QueueName) -> Option<Place> {
        let rules = &self.queues.get(queue)?.rules;
        let next = Entry::new(anyone(now, queue, rules), u64::MAX, now);
        let rank = next.rank(rules, now);
        let mut line = self.line(now);
        line.retain(|entry| {
            let queue = self.queues.get(&entry.waiter.queue);
            queue.is_some_and(|queue| entry.rank(&queue.rules, now) < rank)
        });
        line.push(&next);
        self.places_in(now, &line).pop()
    }

    /// The places of these callers, who are all of the first in line.
    fn places_in(&self, now: Instant, line: &[&Entry]) -> Vec<Place> {
        let agents: Vec<&Agent> = self.agents.values().filter(|agent| agent.comes_back()).collect();
        let seats: Vec<Seat<'_>> = agents.iter().map(|agent| self.seat(now, agent)).collect();
        let waiting = line.iter().filter(|entry| entry.stage == Stage::Waiting);
        let waiting: Vec<InLine<'_>> =
            waiting.map(|entry| self.in_line(now, entry, &agents)).collect();
        let mut waits = play_out(&seats, &waiting).into_iter();
        let mut taken = BTreeMap::<&QueueName, usize>::new();
        let mut places = Vec::with_capacity(line.len());
        for entry in line {
            let position = taken.entry(&entry.waiter.queue).or_default();
            *position += 1;
            let wait = match entry.stage {
                Stage::Offered { until, .. } => {
                    let to = until.saturating_duration_since(now);
                    Some(WaitRange { from: Duration::ZERO, to })
                }
                Stage::Waiting => waits.next().flatten(),
                Stage::Joining { .. } | Stage::Talking { .. } => None,
            };
            places.push(Place {
                queue: entry.waiter.queue.clone(),
                position: *position,
                agents: self.agents_for(now, entry),
                wait,
            });
        }
        places
    }

    fn seat(&self, now: Instant, agent: &Agent) -> Seat<'_> {
        match (&agent.state, &agent.work) {
            (AgentState::WrapUp { until, .. }, _) => {
                Seat::WrappingUp { left: until.saturating_duration_since(now) }
            }
            (AgentState::Offered { .. } | AgentState::Talking { .. }, Some(work)) => Seat::Busy {
                elapsed: now.saturating_duration_since(work.since),
                recent: self.recent_of(&work.queue),
            },
            _ => Seat::Ready,
        }
    }

    fn recent_of(&self, queue: &QueueName) -> &Recent {
        self.queues.get(queue).map_or(&self.unknown, |queue| &queue.recent)
    }

    fn in_line(&self, now: Instant, entry: &Entry, agents: &[&Agent]) -> InLine<'_> {
        let queue = self.queues.get(&entry.waiter.queue);
        let able = agents.iter().enumerate().filter_map(|(index, agent)| {
            let from = open_from(&queue?.rules, entry, agent)?;
            Some((index, from.saturating_duration_since(now).as_secs_f64()))
        });
        InLine {
            able: able.collect(),
            recent: self.recent_of(&entry.waiter.queue),
            kind: entry.waiter.kind,
        }
    }

    /// Agents who can take this call by now, and are ready or will come free.
    fn agents_for(&self, now: Instant, entry: &Entry) -> usize {
        let Some(queue) = self.queues.get(&entry.waiter.queue) else { return 0 };
        let at_work = self.agents.values().filter(|agent| agent.is_at_work());
        let able = at_work.filter(|agent| {
            able_after(&queue.rules, &entry.waiter, &agent.profile)
                .is_some_and(|after| after <= entry.waited(now))
        });
        able.count()
    }
}

/// A caller of this queue, of whom nothing is known, who comes now.
pub(super) fn anyone(now: Instant, queue: &QueueName, rules: &QueueRules) -> Waiter {
    Waiter {
        call: NOBODY,
        queue: queue.clone(),
        needs: Vec::new(),
        language: None,
        priority: rules.priority,
        since: now,
        kind: WaiterKind::Call,
        only: None,
    }
}
