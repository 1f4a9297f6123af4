//! The router: what happens because time passes.

use std::time::{Duration, Instant};

use crate::base::{CallId, QueueName};

use super::queue::{Entry, Stage};
use super::{AgentId, AgentState, Router, RouterOutput, WaitEnd, WaiterKind};

/// A caller who is to be moved to a queue that is full is tried again after this time.
pub const MOVE_AGAIN: Duration = Duration::from_secs(10);

impl Router {
    /// When [`RouterInput::Timeout`](super::RouterInput::Timeout) is to be given next, if ever. In the
    /// past if it should have been given already; never so just after it was.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let callers = self.entries.values().filter_map(|entry| self.next_of_caller(entry));
        let agents = self.agents.values().filter_map(|agent| match agent.state {
            AgentState::WrapUp { until, .. } => Some(until),
            _ => None,
        });
        callers.chain(agents).min()
    }

    fn next_of_caller(&self, entry: &Entry) -> Option<Instant> {
        match entry.stage {
            Stage::Offered { until, .. } | Stage::Joining { until, .. } => Some(until),
            Stage::Waiting => {
                let due = [self.moves_at(entry), self.ends_at(entry), self.opens_at(entry)];
                due.into_iter().flatten().min()
            }
            Stage::Talking { .. } => None,
        }
    }

    /// When this caller goes on waiting in another queue.
    fn moves_at(&self, entry: &Entry) -> Option<Instant> {
        let (after, _) = self.way_on(entry)?;
        Some(entry.entered.checked_add(after)?.max(entry.stays_until))
    }

    /// Where this caller goes on waiting, and after which time in this queue.
    fn way_on(&self, entry: &Entry) -> Option<(Duration, QueueName)> {
        let (after, to) = self.queues.get(&entry.waiter.queue)?.rules.overflow.clone()?;
        let leads_on = to != entry.waiter.queue
            && self.queues.contains_key(&to)
            && !entry.been_in.contains(&to)
            // For whoever waits for one agent, one queue is as good as the other.
            && entry.waiter.only.is_none();
        leads_on.then_some((after, to))
    }

    /// When this caller has waited as long as they may. Nobody hangs on for a callback.
    fn ends_at(&self, entry: &Entry) -> Option<Instant> {
        let wait_max = self.queues.get(&entry.waiter.queue)?.rules.wait_max?;
        match entry.waiter.kind {
            WaiterKind::Call => entry.came.checked_add(wait_max),
            WaiterKind::Callback => None,
        }
    }

    /// When more agents can take this call than could when that was last looked at.
    fn opens_at(&self, entry: &Entry) -> Option<Instant> {
        let rules = &self.queues.get(&entry.waiter.queue)?.rules;
        let since = entry.waiter.since;
        let relaxed = rules.relax.iter().filter_map(|step| since.checked_add(step.after));
        let again = entry.declined.iter().map(|declined| declined.until);
        relaxed.chain(again).filter(|at| self.matched_at.is_none_or(|then| *at > then)).min()
    }

    /// Does all that is due.
    pub(super) fn pass_time(&mut self, now: Instant) {
        let offers =
            |entry: &Entry| matches!(entry.stage, Stage::Offered { until, .. } if until <= now);
        for call in self.calls_where(offers) {
            self.expire_offer(now, call);
        }
        let joins =
            |entry: &Entry| matches!(entry.stage, Stage::Joining { until, .. } if until <= now);
        for call in self.calls_where(joins) {
            // It is being joined, so this is never refused.
            _ = self.fail_join(now, call);
        }
        for agent in self.agents_wrapped_up(now) {
            self.wrapped_up(now, &agent);
        }
        for call in self.calls_where(|entry| is_due(now, entry, self.moves_at(entry))) {
            // Each queue once at most, so this ends.
            while self.move_on(now, call) {}
        }
        for call in self.calls_where(|entry| is_due(now, entry, self.ends_at(entry))) {
            self.end_wait(call, WaitEnd::TooLong);
        }
    }

    fn calls_where(&self, picked: impl Fn(&Entry) -> bool) -> Vec<CallId> {
        let picked = self.entries.values().filter(|entry| picked(entry));
        picked.map(|entry| entry.waiter.call).collect()
    }

    fn agents_wrapped_up(&self, now: Instant) -> Vec<AgentId> {
        let over = self.agents.values().filter(
            |agent| matches!(agent.state, AgentState::WrapUp { until, .. } if until <= now),
        );
        over.map(|agent| agent.profile.agent.clone()).collect()
    }

    /// Moves a caller to the next queue, if that is due. Says whether it did.
    fn move_on(&mut self, now: Instant, call: CallId) -> bool {
        let Some(entry) = self.entries.get(&call) else { return false };
        let due = is_due(now, entry, self.moves_at(entry));
        let Some((_, to)) = self.way_on(entry).filter(|_| due) else { return false };
        let has_room = self.has_room(&to, 0).is_ok();
        let Some(entry) = self.entries.get_mut(&call) else { return false };
        if !has_room {
            entry.stays_until = now + MOVE_AGAIN;
            return false;
        }
        let from = std::mem::replace(&mut entry.waiter.queue, to.clone());
        entry.been_in.push(from.clone());
        entry.entered = now;
        self.outputs.push_back(RouterOutput::Moved { call, from, to });
        true
    }
}

fn is_due(now: Instant, entry: &Entry, at: Option<Instant>) -> bool {
    entry.stage == Stage::Waiting && at.is_some_and(|at| at <= now)
}
