//! What calls say: callers come, leave, and talk.

use std::sync::Arc;

use crate::acd::handoff::Handoff;
use crate::acd::{AgentId, LeftQueue, RouterInput, RouterRefusal, WaiterKind};
use crate::base::CallId;
use crate::store::{WaitOutcome, WaitingRecord};

use super::api::AgentCallNews;
use super::callers::{Arriving, CallbackStage, Caller, Line, Stage};
use super::desks::Desk;
use super::jobs::{Entry, Then};
use super::now::Now;
use super::outputs::call_event;
use super::state::FloorState;

impl FloorState {
    /// A caller is to wait: it is written down first.
    pub(super) fn arrive(&mut self, now: Now, arriving: Arriving) {
        let call = arriving.waiter.call;
        let is_waiting = self.arriving.contains_key(&call)
            || self.callers.get(&call).is_some_and(|caller| caller.talk().is_none());
        let refusal = match is_waiting {
            true => Some(RouterRefusal::Already),
            // An agent is not to lose a caller who can go nowhere.
            false => self.refuses_waiter(&arriving),
        };
        if let Some(refusal) = refusal {
            if !self.callers.contains_key(&call) && !is_waiting {
                self.write(Entry::BreakOff(call), Then::Nothing);
            }
            // An error means that the call has ended.
            let _ = arriving.reply.send(Err(refusal));
            return;
        }
        // The agent who sends the caller on has no more to do with them.
        self.end_talk(now, call);
        let waiting = WaitingRecord {
            call,
            reference: arriving.reference.clone(),
            queue: arriving.waiter.queue.clone(),
            since: now.wall_of(arriving.waiter.since),
        };
        self.arriving.insert(call, arriving);
        self.write(Entry::Keep(waiting), Then::Kept(call));
        self.waits_again(call);
    }

    /// Why a caller could not wait there, as far as that can be seen. Those who are being written down will
    /// wait there, too.
    fn refuses_waiter(&self, arriving: &Arriving) -> Option<RouterRefusal> {
        let waiter = &arriving.waiter;
        if let Some(only) = &waiter.only
            && !self.desks.get(only).is_some_and(Desk::is_signed_in)
        {
            return Some(RouterRefusal::NoAgent);
        }
        let coming = self.arriving.values().filter(|other| other.waiter.queue == waiter.queue);
        self.router.has_room(&waiter.queue, coming.count()).err()
    }

    /// It is written down that a caller waits, or the store is away: their hand-off is kept in any case.
    pub(super) fn kept(&mut self, now: Now, call: CallId, durable: bool) {
        let Some(arriving) = self.arriving.remove(&call) else { return };
        if !durable {
            tracing::warn!(%call, "that a caller waits is not in the store yet");
        }
        let Arriving { waiter, handoff, reference, events, reply, left } = arriving;
        if let Some(why) = left {
            let _ = reply.send(Err(RouterRefusal::NoCall));
            return self.write(left_entry(call, why), Then::Nothing);
        }
        if let Err(refusal) = self.try_route(now, RouterInput::Enqueue(waiter.clone())) {
            tracing::info!(%call, queue = %waiter.queue, %refusal, "a caller cannot wait");
            self.write(Entry::BreakOff(call), Then::Nothing);
            let _ = reply.send(Err(refusal));
            return;
        }
        tracing::info!(%call, queue = %waiter.queue, "a caller waits");
        let line = Line::Here(events);
        let caller = Caller::new(waiter, (handoff, reference), line, now.at);
        self.callers.insert(call, caller);
        let is_heard = reply.send(Ok(())).is_ok();
        self.settle(now);
        match is_heard {
            true => {
                if let Some(place) = self.router.place(now.at, call) {
                    self.tell_place(now, call, place);
                }
            }
            // The call has ended meanwhile.
            false => self.leave(now, call, LeftQueue::HungUp),
        }
    }

    /// A caller waits no more, or their call is over.
    pub(super) fn leave(&mut self, now: Now, call: CallId, why: LeftQueue) {
        if let Some(arriving) = self.arriving.get_mut(&call) {
            arriving.left = Some(why);
            return;
        }
        if let Some(callback) = self.book.get_mut(&call) {
            // Whoever is booked is called back, whatever becomes of the call that asked for it.
            if matches!(callback.stage, CallbackStage::CallGoesOn { .. }) {
                callback.stage = CallbackStage::NotBefore(now.at);
                self.look_at_book(now);
            }
            return;
        }
        let Some(caller) = self.callers.get(&call) else {
            // A hand-off may promise a queue that the caller never came to.
            return self.write(left_entry(call, why), Then::Nothing);
        };
        let Some(talk) = caller.talk() else { return self.leave_queue(now, call, why) };
        if talk.joined.is_some() {
            return self.ended(now, call);
        }
        // The agent was still being joined: for the router the caller has left before it came to that.
        self.leave_queue(now, call, why);
    }

    fn leave_queue(&mut self, now: Now, call: CallId, why: LeftQueue) {
        self.route(now, RouterInput::Leave { call, why });
        let Some(caller) = self.callers.remove(&call) else { return };
        if let Some(talk) = caller.talk() {
            self.part(now, call, &caller.handoff, talk);
            self.drop_wrap_up(&talk.agent);
        }
        let outcome = match why {
            LeftQueue::HungUp => WaitOutcome::HungUp,
            LeftQueue::ForCallback => WaitOutcome::Callback,
            LeftQueue::ByChoice | LeftQueue::Elsewhere => WaitOutcome::Left,
        };
        // Who has talked with an agent before was answered.
        if !caller.was_answered {
            self.count(now, &caller, outcome, None);
        }
        match self.bookings.get_mut(&call) {
            // They hung up while it was being written down, and are called back.
            Some(booking) if why == LeftQueue::HungUp => booking.left = Some(caller.handoff),
            _ => self.write(left_entry(call, why), Then::Nothing),
        }
        self.settle(now);
    }

    /// A caller and an agent hear each other.
    pub(super) fn joined(&mut self, now: Now, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(talk) = caller.talk_mut() else { return };
        if talk.joined.is_some() {
            return;
        }
        talk.joined = Some(now.at);
        talk.news.phase = crate::web::view::AgentCallPhase::Talking;
        let agent = talk.agent.clone();
        self.route(now, RouterInput::Joined { call });
        self.settle(now);
        let Some(mut caller) = self.callers.remove(&call) else { return };
        let outcome = match caller.was_answered {
            true => WaitOutcome::AnsweredAgain,
            false => WaitOutcome::Answered,
        };
        self.count(now, &caller, outcome, Some(&agent));
        caller.was_answered = true;
        self.callers.insert(call, caller);
        self.tell_call(now, call, None);
        self.catch_up(call);
    }

    /// A caller and an agent could not be joined, through no fault of the caller's.
    pub(super) fn join_failed(&mut self, now: Now, call: CallId) {
        let Some(talk) = self.callers.get(&call).and_then(Caller::talk) else { return };
        if talk.joined.is_some() {
            return self.agent_lost(now, call);
        }
        self.route(now, RouterInput::JoinFailed { call });
        self.settle(now);
    }

    /// An agent has no more to do with a call, and nothing is owed to the caller.
    pub(super) fn ended(&mut self, now: Now, call: CallId) {
        if self.callers.get(&call).and_then(Caller::talk).is_some() {
            self.end_talk(now, call);
            self.write(Entry::Forget(call), Then::Nothing);
        }
    }

    /// The server ends the call: who was talking with an agent has not been served. Of all others it is said
    /// that they leave, as if they had hung up.
    pub(super) fn cut_off(&mut self, now: Now, call: CallId) {
        let talk = self.callers.get(&call).and_then(Caller::talk);
        if talk.is_some_and(|talk| talk.joined.is_some()) {
            self.end_talk(now, call);
            self.write(Entry::BreakOff(call), Then::Nothing);
        }
    }

    /// Whether an agent has this call, or is being joined to it.
    pub(super) fn has_call(&self, agent: &AgentId, call: CallId) -> bool {
        let talk = self.callers.get(&call).and_then(Caller::talk);
        talk.is_some_and(|talk| talk.agent == *agent)
    }

    /// An agent has no more to do with a call: they go on to the work after it.
    pub(super) fn end_talk(&mut self, now: Now, call: CallId) {
        let Some(talk) = self.callers.get(&call).and_then(Caller::talk) else { return };
        let (agent, was_joined) = (talk.agent.clone(), talk.joined.is_some());
        if let Some(Caller { handoff, stage: Stage::WithAgent(talk), .. }) =
            self.callers.remove(&call)
        {
            self.part(now, call, &handoff, &talk);
        }
        self.route(now, RouterInput::CallEnded { call });
        match was_joined {
            true => self.open_wrap_up(now, &agent),
            false => self.drop_wrap_up(&agent),
        }
        self.settle(now);
        let is_wrapping_up = self
            .desks
            .get(&agent)
            .is_some_and(|desk| matches!(desk.state, crate::acd::AgentState::WrapUp { .. }));
        if !is_wrapping_up {
            self.close_wrap_up(now, &agent);
        }
    }

    /// An agent's audio died while they talked.
    pub(super) fn agent_lost(&mut self, now: Now, call: CallId) {
        let Some(talk) = self.callers.get(&call).and_then(Caller::talk) else { return };
        let agent = talk.agent.clone();
        tracing::warn!(%call, %agent, "an agent's audio is gone");
        self.route(now, RouterInput::AgentLost { agent: agent.clone() });
        self.settle(now);
        // They are still at the desk, if their page is: away, until they say that they are ready.
        if self.desks.get(&agent).is_some_and(Desk::is_open) {
            self.sign_in(now, &agent);
        }
    }

    /// Shows an agent's call on their page, as it is now.
    pub(super) fn tell_call(&mut self, now: Now, call: CallId, news: Option<AgentCallNews>) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let handoff = Arc::clone(&caller.handoff);
        let Some(talk) = caller.talk_mut() else { return };
        if let Some(news) = news {
            talk.news = news;
        }
        let event = call_event(now, call, &handoff, talk, &talk.news);
        if let Some(desk) = self.desks.get_mut(&talk.agent) {
            desk.tell(event);
        }
    }

    /// More is known of a caller.
    pub(super) fn update_handoff(&mut self, now: Now, call: CallId, handoff: Arc<Handoff>) {
        if let Some(arriving) = self.arriving.get_mut(&call) {
            arriving.handoff = handoff;
            return;
        }
        if let Some(callback) = self.book.get_mut(&call) {
            callback.handoff = Arc::clone(&handoff);
        }
        let Some(caller) = self.callers.get_mut(&call) else { return };
        if let Some(reference) = &handoff.reference {
            caller.reference = Some(reference.clone());
        }
        caller.handoff = handoff;
        self.tell_call(now, call, None);
        let offered = self.desks.iter().find_map(|(agent, desk)| {
            let offer = desk.offer.as_ref().filter(|offer| offer.call == call)?;
            Some((agent.clone(), offer.clone()))
        });
        let Some((agent, offer)) = offered else { return };
        if let (Some(event), Some(desk)) =
            (self.offer_event(now, &offer), self.desks.get_mut(&agent))
        {
            desk.tell(event);
        }
    }

    /// Whether a caller on the line waits, and is not with an agent.
    pub(super) fn is_waiting_here(&self, call: CallId) -> bool {
        self.callers
            .get(&call)
            .is_some_and(|caller| caller.talk().is_none() && caller.waiter.kind == WaiterKind::Call)
    }
}

/// What is owed to a caller who has left for this reason: nothing where they did not want to wait, and went
/// on with us.
fn left_entry(call: CallId, why: LeftQueue) -> Entry {
    match why {
        LeftQueue::HungUp | LeftQueue::ForCallback => Entry::BreakOff(call),
        LeftQueue::ByChoice | LeftQueue::Elsewhere => Entry::Forget(call),
    }
}
