//! The router: what a supervisor's page shows. Nothing here changes anything.

use std::time::{Duration, Instant};

use crate::base::{CallId, QueueName};

use super::agents::Agent;
use super::matching::able_after;
use super::places::anyone;
use super::queue::{Entry, Queue, Stage};
use super::{
    AgentId, AgentProfile, AgentState, Counts, Presence, QueueRules, Router, Waiter, WaiterKind,
};

/// A queue as it is now.
#[derive(Debug)]
pub struct QueueView<'a> {
    /// Its name.
    pub name: &'a QueueName,
    /// Its rules.
    pub rules: &'a QueueRules,
    /// Who waits, the next first.
    pub waiting: Vec<WaiterView<'a>>,
    /// What has been counted.
    pub counts: Counts,
    /// Agents who can take its calls as soon as they come in, and are ready.
    pub agents_ready: usize,
    /// Such agents who are offered a call, in one, or wrap one up.
    pub agents_busy: usize,
}

/// Somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaiterView<'a> {
    /// The call.
    pub call: CallId,
    /// On the line or not.
    pub kind: WaiterKind,
    /// Since when.
    pub since: Instant,
    /// Whom it is offered to at present.
    pub offered_to: Option<&'a AgentId>,
    /// The agent they wait for, if it is one alone.
    pub only: Option<&'a AgentId>,
}

/// An agent who has signed in since counts were last forgotten.
#[derive(Debug)]
pub struct AgentView<'a> {
    /// Who, and what they are good at.
    pub profile: &'a AgentProfile,
    /// What they do.
    pub state: &'a AgentState,
    /// Since when.
    pub since: Instant,
    /// What they have said that they do after the present call or offer, if not to be ready.
    pub next: Option<&'a Presence>,
    /// Calls taken, counted with the queues'.
    pub calls: u64,
}

impl Router {
    /// All queues as they are now, in order of their names.
    pub fn queues(&self, now: Instant) -> Vec<QueueView<'_>> {
        let line = self.line(now);
        self.queues.iter().map(|(name, queue)| self.view(now, name, queue, &line)).collect()
    }

    /// All agents as they are now, in order of their names.
    pub fn agents(&self) -> impl Iterator<Item = AgentView<'_>> {
        self.agents.values().map(|agent| AgentView {
            profile: &agent.profile,
            state: &agent.state,
            since: agent.changed,
            next: agent.next.as_ref(),
            calls: agent.calls,
        })
    }

    /// Who waits in line: as they were enqueued, in the queue where they are now.
    pub fn waiter(&self, call: CallId) -> Option<&Waiter> {
        let entry = self.entries.get(&call).filter(|entry| entry.is_in_line());
        entry.map(|entry| &entry.waiter)
    }

    /// The agent who has taken this call.
    pub fn agent_of(&self, call: CallId) -> Option<&AgentId> {
        match &self.entries.get(&call)?.stage {
            Stage::Joining { agent, .. } | Stage::Talking { agent } => Some(agent),
            Stage::Waiting | Stage::Offered { .. } => None,
        }
    }

    fn view<'a>(
        &'a self,
        now: Instant,
        name: &'a QueueName,
        queue: &'a Queue,
        line: &[&'a Entry],
    ) -> QueueView<'a> {
        let here = line.iter().filter(|entry| entry.waiter.queue == *name);
        let waiting = here.map(|entry| WaiterView {
            call: entry.waiter.call,
            kind: entry.waiter.kind,
            since: entry.waiter.since,
            offered_to: match &entry.stage {
                Stage::Offered { agent, .. } => Some(agent),
                Stage::Waiting | Stage::Joining { .. } | Stage::Talking { .. } => None,
            },
            only: entry.waiter.only.as_ref(),
        });
        let anyone = anyone(now, name, &queue.rules);
        let able = |agent: &&Agent| {
            able_after(&queue.rules, &anyone, &agent.profile) == Some(Duration::ZERO)
        };
        let (ready, busy): (Vec<&Agent>, Vec<&Agent>) = self
            .agents
            .values()
            .filter(|agent| agent.is_at_work())
            .filter(able)
            .partition(|agent| agent.is_ready());
        QueueView {
            name,
            rules: &queue.rules,
            waiting: waiting.collect(),
            counts: queue.counts,
            agents_ready: ready.len(),
            agents_busy: busy.len(),
        }
    }
}
