//! The floor, as supervisors see it, and queues in short for desks.

use std::collections::BTreeMap;

use crate::acd::{AgentId, QueueView, WaiterKind, WaiterView};
use crate::web::view::{DeskQueue, DeskState, Floor, FloorAgent, FloorQueue, FloorWaiter};

use super::desks::{Desk, shown};
use super::now::Now;
use super::outputs::kind_word;
use super::staff::Member;
use super::state::FloorState;

impl FloorState {
    /// Queues and agents as they are now.
    pub fn view(&self, now: Now) -> Floor {
        let queues = self.router.queues(now.at);
        Floor {
            at: now.wall.to_string(),
            queues: queues.iter().map(|queue| self.queue_view(now, queue)).collect(),
            agents: self.agents(now),
        }
    }

    fn queue_view(&self, now: Now, queue: &QueueView<'_>) -> FloorQueue {
        let counts = self.counts.of(queue.name);
        let next = self.router.place_of_next(now.at, queue.name).and_then(|place| place.wait);
        let waiting = queue.waiting.iter().enumerate().map(|(index, waiter)| FloorWaiter {
            call_id: waiter.call.to_string(),
            kind: kind_word(waiter.kind).to_owned(),
            position: index + 1,
            waited_s: now.seconds_since(waiter.since),
            offered_to: waiter.offered_to.map(|agent| agent.as_str().to_owned()),
        });
        FloorQueue {
            name: queue.name.as_str().to_owned(),
            spoken: self.queues.spoken(queue.name),
            waiting: waiting.collect(),
            longest_wait_s: longest(now, queue),
            agents_ready: queue.agents_ready,
            agents_busy: queue.agents_busy,
            answered_today: counts.answered,
            abandoned_today: counts.abandoned,
            service_level_percent: counts.service_level_percent(),
            answer_within_s: queue.rules.answer_within.as_secs(),
            wait_from_s: next.map(|wait| wait.from.as_secs()),
            wait_to_s: next.map(|wait| wait.to.as_secs()),
        }
    }

    /// Whoever calls are counted on, there or not, and whoever else is there.
    fn agents(&self, now: Now) -> Vec<FloorAgent> {
        let mut agents: BTreeMap<&AgentId, FloorAgent> = BTreeMap::new();
        let staff = self.staff.iter().filter(|(_, member)| member.is_staff);
        for (agent, member) in staff {
            agents.insert(agent, self.agent_view(member, DeskState::Offline, 0));
        }
        for (agent, desk) in self.desks.iter().filter(|(_, desk)| desk.is_signed_in()) {
            let state = shown(now, &desk.state);
            let view = self.agent_view(&desk.member, state, now.seconds_since(desk.since));
            agents.insert(agent, view);
        }
        agents.into_values().collect()
    }

    fn agent_view(&self, member: &Member, state: DeskState, for_s: u64) -> FloorAgent {
        let profile = &member.profile;
        let skills = profile.skills.iter();
        FloorAgent {
            name: profile.agent.as_str().to_owned(),
            display_name: member.display_name.clone(),
            state,
            for_s,
            skills: skills.map(|(skill, l)| (skill.as_str().to_owned(), l.get())).collect(),
            calls_today: self.counts.taken_by(&profile.agent),
        }
    }

    /// Queues in short.
    pub(super) fn desk_queues(&self, now: Now) -> Vec<DeskQueue> {
        let queues = self.router.queues(now.at);
        let in_short = queues.iter().map(|queue| DeskQueue {
            name: queue.name.as_str().to_owned(),
            waiting: on_line(queue).count(),
            longest_wait_s: longest(now, queue),
            agents_ready: queue.agents_ready,
        });
        in_short.collect()
    }

    /// Tells all desks of the queues, where they have changed.
    pub fn tell_queues(&mut self, now: Now) {
        if !self.desks.values().any(Desk::is_open) {
            return;
        }
        let queues = self.desk_queues(now);
        self.desks.values_mut().for_each(|desk| desk.tell_queues(&queues));
    }
}

/// A callback may have been booked yesterday, and holds no line.
fn on_line<'a>(queue: &'a QueueView<'_>) -> impl Iterator<Item = &'a WaiterView<'a>> {
    queue.waiting.iter().filter(|waiter| waiter.kind == WaiterKind::Call)
}

fn longest(now: Now, queue: &QueueView<'_>) -> u64 {
    let since = on_line(queue).map(|waiter| waiter.since).min();
    since.map_or(0, |since| now.seconds_since(since))
}
