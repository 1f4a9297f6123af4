//! The router: calls that are offered, taken and over.

use std::time::{Duration, Instant};

use crate::base::CallId;

use super::agents::{AWAY_NO_ANSWER, AWAY_NOT_JOINED, Agent, Work};
use super::matching::choose;
use super::queue::{Answer, Screen, Stage, Standing};
use super::{
    AgentId, AgentState, BackInQueue, LeftQueue, OfferEnd, OfferId, Router, RouterOutput,
    RouterRefusal, WaitEnd, WaiterKind,
};

/// For so long a call is not offered again to an agent who declined it, or whom it could not be joined
/// to, even if nobody else can take it. After that they come after those who have not declined it.
pub const DECLINED_FOR: Duration = Duration::from_secs(30);

/// Longest time from taking a call to hearing each other. Long enough for a telephone to ring that is
/// called back; who takes longer has been forgotten by whoever was to join them.
pub const JOIN_WITHIN: Duration = Duration::from_secs(180);

/// Shortest time of an offer, whatever the rules say: nobody reacts faster.
const OFFER_AT_LEAST: Duration = Duration::from_secs(1);

impl Router {
    /// Offers calls to agents who are ready, the next caller first.
    pub(super) fn offer_calls(&mut self, now: Instant) {
        self.matched_at = Some(self.matched_at.map_or(now, |before| before.max(now)));
        for (call, agent) in self.matches(now) {
            self.offer(now, call, agent);
        }
    }

    fn matches(&self, now: Instant) -> Vec<(CallId, AgentId)> {
        let mut ready: Vec<&Agent> =
            self.agents.values().filter(|agent| agent.is_ready()).collect();
        let mut matches = Vec::new();
        if ready.is_empty() {
            return matches;
        }
        for entry in self.line(now) {
            let Some(queue) = self.queues.get(&entry.waiter.queue) else { continue };
            if entry.stage != Stage::Waiting {
                continue;
            }
            if let Some(index) = choose(&ready, &queue.rules, entry, now) {
                let agent = ready.swap_remove(index);
                matches.push((entry.waiter.call, agent.profile.agent.clone()));
            }
        }
        matches
    }

    fn offer(&mut self, now: Instant, call: CallId, id: AgentId) {
        let Some(entry) = self.entries.get_mut(&call) else { return };
        let Some(queue) = self.queues.get(&entry.waiter.queue) else { return };
        let Some(agent) = self.agents.get_mut(&id) else { return };
        self.offers += 1;
        let offer = OfferId(self.offers);
        let until = now + queue.rules.offer_for.max(OFFER_AT_LEAST);
        entry.stage = Stage::Offered { offer, agent: id.clone(), screen: Screen::Empty, until };
        let (queue, kind) = (entry.waiter.queue.clone(), entry.waiter.kind);
        agent.work = Some(Work { queue: queue.clone(), since: now, talk: Duration::ZERO });
        self.outputs.push_back(RouterOutput::Offer {
            offer,
            agent: id.clone(),
            call,
            queue,
            kind,
            until,
        });
        self.turn(now, &id, AgentState::Offered { offer, call, until });
    }

    /// The call that this agent is offered by this offer, while it stands.
    fn offered(&self, now: Instant, offer: OfferId, id: &AgentId) -> Result<CallId, RouterRefusal> {
        match &self.signed_in(id)?.state {
            AgentState::Offered { offer: theirs, call, until }
                if *theirs == offer && now < *until =>
            {
                Ok(*call)
            }
            _ => Err(RouterRefusal::OfferOver),
        }
    }

    pub(super) fn show_offer(
        &mut self,
        now: Instant,
        offer: OfferId,
        id: &AgentId,
    ) -> Result<(), RouterRefusal> {
        let call = self.offered(now, offer, id)?;
        match self.entries.get_mut(&call).map(|entry| &mut entry.stage) {
            Some(Stage::Offered { screen, .. }) => {
                *screen = Screen::Shown;
                Ok(())
            }
            _ => Err(RouterRefusal::OfferOver),
        }
    }

    pub(super) fn take_offer(
        &mut self,
        now: Instant,
        offer: OfferId,
        id: &AgentId,
    ) -> Result<(), RouterRefusal> {
        let call = self.offered(now, offer, id)?;
        let entry = self.entries.get_mut(&call).ok_or(RouterRefusal::OfferOver)?;
        match entry.stage {
            Stage::Offered { screen: Screen::Shown, .. } => {}
            Stage::Offered { screen: Screen::Empty, .. } => return Err(RouterRefusal::NotShown),
            _ => return Err(RouterRefusal::OfferOver),
        }
        entry.stage = Stage::Joining { agent: id.clone(), until: now + JOIN_WITHIN };
        let kind = entry.waiter.kind;
        self.outputs.push_back(RouterOutput::Join { offer, agent: id.clone(), call, kind });
        self.turn(now, id, AgentState::Talking { call, since: now });
        Ok(())
    }

    pub(super) fn decline_offer(
        &mut self,
        now: Instant,
        offer: OfferId,
        id: &AgentId,
    ) -> Result<(), RouterRefusal> {
        let call = self.offered(now, offer, id)?;
        self.end_offer(call, OfferEnd::Declined);
        if let Some(entry) = self.entries.get_mut(&call) {
            entry.keep_from(id, now + DECLINED_FOR);
        }
        // Nobody was lost, so they stay where they are in line.
        self.outputs.push_back(RouterOutput::Back { call, why: BackInQueue::NotTaken });
        self.free_again(now, id);
        Ok(())
    }

    /// Nobody reacted in time.
    pub(super) fn expire_offer(&mut self, now: Instant, call: CallId) {
        let Some(id) = self.end_offer(call, OfferEnd::Expired) else { return };
        self.put_back(now, call, BackInQueue::NotTaken);
        let reason = AWAY_NO_ANSWER.to_owned();
        self.free(now, &id, AgentState::Away { reason, since: now });
    }

    /// Takes an offer off the screen: the caller just waits, if they do. Says whose offer it was.
    pub(super) fn end_offer(&mut self, call: CallId, why: OfferEnd) -> Option<AgentId> {
        let entry = self.entries.get_mut(&call)?;
        let Stage::Offered { offer, agent, .. } = &entry.stage else { return None };
        let (offer, agent) = (*offer, agent.clone());
        entry.stage = Stage::Waiting;
        self.outputs.push_back(RouterOutput::OfferEnded { offer, agent: agent.clone(), call, why });
        Some(agent)
    }

    pub(super) fn join(&mut self, now: Instant, call: CallId) -> Result<(), RouterRefusal> {
        let entry = self.entries.get_mut(&call).ok_or(RouterRefusal::NoCall)?;
        let Stage::Joining { agent, .. } = &entry.stage else {
            return Err(RouterRefusal::WrongState);
        };
        let agent = agent.clone();
        entry.stage = Stage::Talking { agent: agent.clone() };
        let waited = now.saturating_duration_since(entry.came);
        let queue = self.queues.get_mut(&entry.waiter.queue);
        let agent = self.agents.get_mut(&agent);
        if let (Some(queue), Some(agent)) = (queue, agent) {
            agent.calls += 1;
            if let Some(work) = &agent.work {
                queue.recent.note_joined(now.saturating_duration_since(work.since));
            }
            match (entry.waiter.kind, entry.answer) {
                (WaiterKind::Call, Answer::Awaited) => {
                    queue.counts.answered += 1;
                    if waited <= queue.rules.answer_within {
                        queue.counts.answered_in_time += 1;
                    }
                    queue.recent.note_stayed(waited);
                }
                (WaiterKind::Callback, Answer::Awaited) => queue.counts.called_back += 1,
                (_, Answer::Counted) => {}
            }
        }
        entry.answer = Answer::Counted;
        Ok(())
    }

    pub(super) fn fail_join(&mut self, now: Instant, call: CallId) -> Result<(), RouterRefusal> {
        let entry = self.entries.get_mut(&call).ok_or(RouterRefusal::NoCall)?;
        let Stage::Joining { agent: id, .. } = &entry.stage else {
            return Err(RouterRefusal::WrongState);
        };
        let id = id.clone();
        entry.keep_from(&id, now + DECLINED_FOR);
        let kind = entry.waiter.kind;
        self.put_back(now, call, BackInQueue::NotJoined);
        match kind {
            // Their audio does not work: the next caller would not hear them either.
            WaiterKind::Call => {
                let reason = AWAY_NOT_JOINED.to_owned();
                self.free(now, &id, AgentState::Away { reason, since: now });
            }
            WaiterKind::Callback => self.free_again(now, &id),
        }
        Ok(())
    }

    /// Puts a caller back at the head of the queue.
    fn put_back(&mut self, now: Instant, call: CallId, why: BackInQueue) {
        let Some(entry) = self.entries.get_mut(&call) else { return };
        entry.stage = Stage::Waiting;
        entry.standing = Standing::AtHead;
        match why {
            // They have been waiting all the time.
            BackInQueue::NotTaken => {}
            BackInQueue::NotJoined | BackInQueue::AgentLost => {
                entry.came = now;
                entry.entered = now;
            }
        }
        let has_queue = self.queues.contains_key(&entry.waiter.queue);
        self.outputs.push_back(RouterOutput::Back { call, why });
        // The queue may have gone from the prompt files while they talked.
        if !has_queue {
            self.end_wait(call, WaitEnd::NoQueue);
        }
    }

    pub(super) fn lose_agent(&mut self, now: Instant, id: &AgentId) -> Result<(), RouterRefusal> {
        match self.signed_in(id)?.state {
            AgentState::Offered { call, .. } => {
                self.end_offer(call, OfferEnd::AgentLost);
                self.put_back(now, call, BackInQueue::NotTaken);
            }
            AgentState::Talking { call, .. } => self.lose_talk(now, call),
            AgentState::Offline
            | AgentState::Ready { .. }
            | AgentState::Away { .. }
            | AgentState::WrapUp { .. } => {}
        }
        if let Some(agent) = self.agents.get_mut(id) {
            agent.next = None;
            agent.work = None;
        }
        self.turn(now, id, AgentState::Offline);
        Ok(())
    }

    /// The agent of this caller is gone.
    fn lose_talk(&mut self, now: Instant, call: CallId) {
        let Some(entry) = self.entries.get_mut(&call) else { return };
        let why = match entry.stage {
            Stage::Talking { .. } => BackInQueue::AgentLost,
            _ => BackInQueue::NotJoined,
        };
        // Had they been sent to this agent alone, they would have nobody now.
        entry.waiter.only = None;
        self.put_back(now, call, why);
    }

    pub(super) fn end_call(&mut self, now: Instant, call: CallId) -> Result<(), RouterRefusal> {
        let entry = self.entries.get(&call).ok_or(RouterRefusal::NoCall)?;
        match &entry.stage {
            Stage::Waiting | Stage::Offered { .. } => Err(RouterRefusal::WrongState),
            Stage::Joining { agent, .. } => {
                let agent = agent.clone();
                if let Some(entry) = self.entries.remove(&call)
                    && entry.waiter.kind == WaiterKind::Call
                {
                    self.count_left(now, &entry, LeftQueue::HungUp);
                }
                self.free_again(now, &agent);
                Ok(())
            }
            Stage::Talking { agent } => {
                let (agent, queue) = (agent.clone(), entry.waiter.queue.clone());
                self.entries.remove(&call);
                self.begin_wrap_up(now, call, &agent, self.wrap_up_of(&queue));
                Ok(())
            }
        }
    }

    fn begin_wrap_up(&mut self, now: Instant, call: CallId, id: &AgentId, wrap_up: Duration) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        if let Some(work) = &mut agent.work {
            work.talk = now.saturating_duration_since(work.since);
        }
        match wrap_up.is_zero() {
            true => self.wrapped_up(now, id),
            false => self.turn(now, id, AgentState::WrapUp { call, until: now + wrap_up }),
        }
    }
}
