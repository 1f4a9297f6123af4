//! The book of callbacks: customers who are called in their turn.
//!
//! What is in the book is in the store. It is called for the number of a caller's signalling or record only
//! (`CallbacksConfig`), one try at a time, and never again once somebody has answered and talked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::acd::handoff::{Handoff, HandoffReason, HandoffSignals, SCHEMA};
use crate::acd::{
    AgentId, BackInQueue, LeftQueue, Need, RouterInput, RouterRefusal, Skill, WaitEnd, Waiter,
    WaiterKind,
};
use crate::base::{CallId, Pii, QueueName};
use crate::store::{CallbackMark, CallbackRecord, OpenCallback, WaitOutcome};
use crate::web::{AnswerWay, Reply};

use super::api::{AgentCommand, CallbackOutcome};
use super::callers::{Booking, Callback, CallbackStage, Caller, Line};
use super::jobs::{CallbackJob, Entry, Job, Then};
use super::now::Now;
use super::rules::level;
use super::state::FloorState;

/// Callbacks that may be open at once; the next caller is told that it cannot be done.
const BOOK_LEN_MAX: usize = 1_000;

/// When it is looked whether a call in which a callback was booked goes on, should its end not be told: once it
/// does not, the customer is in the queue again.
const CALL_GOES_ON: Duration = Duration::from_secs(120);

/// When a callback whose queue is full tries to get in again.
const FULL_AGAIN: Duration = Duration::from_secs(30);

/// What an agent takes a callback with.
pub(super) struct CallbackTaking {
    pub agent: AgentId,
    pub display_name: String,
    pub way: AnswerWay,
    pub answer: Reply<Option<String>>,
    pub commands: mpsc::Receiver<AgentCommand>,
}

impl FloorState {
    /// A caller wants to be called back: it is written down first.
    pub(super) fn book(
        &mut self,
        now: Now,
        call: CallId,
        number: Pii<String>,
        reply: oneshot::Sender<bool>,
    ) {
        let Some(record) = self.booking_of(now, call, number) else {
            // An error means that the call has ended.
            let _ = reply.send(false);
            return;
        };
        self.write(Entry::Book(record.clone(), now.wall), Then::Booked(call));
        self.bookings.insert(call, Booking { record, reply, left: None });
    }

    /// What would be written down; `None` if the caller cannot be called back.
    fn booking_of(&self, now: Now, call: CallId, number: Pii<String>) -> Option<CallbackRecord> {
        let is_allowed =
            self.rules.callbacks.as_ref().is_some_and(|rules| rules.placed(&number).is_some());
        let is_known = self.bookings.contains_key(&call) || self.book.contains_key(&call);
        let is_full = self.book.len() + self.bookings.len() >= BOOK_LEN_MAX;
        if !is_allowed || is_known || is_full || !self.is_waiting_here(call) {
            tracing::warn!(%call, is_allowed, is_full, "a caller cannot be called back");
            return None;
        }
        let caller = self.callers.get(&call)?;
        let waiter = &caller.waiter;
        let needs = waiter.needs.iter();
        Some(CallbackRecord {
            call,
            reference: caller.reference.clone(),
            number,
            house: self.house_of(&caller.handoff),
            queue: waiter.queue.clone(),
            needs: needs.map(|n| (n.skill.as_str().to_owned(), n.level.get())).collect(),
            language: waiter.language.clone(),
            priority: waiter.priority,
            only_agent: waiter.only.as_ref().map(|agent| agent.as_str().to_owned()),
            since: now.wall_of(waiter.since),
        })
    }

    /// A callback is on the disk, or is not.
    pub(super) fn booked(&mut self, now: Now, call: CallId, durable: bool) {
        let Some(Booking { record, reply, left }) = self.bookings.remove(&call) else { return };
        let is_still_waiting = self.is_waiting_here(call);
        if !durable || !(is_still_waiting || left.is_some()) {
            self.write(Entry::Unbook(call), Then::Nothing);
            if left.is_some() {
                self.write(Entry::BreakOff(call), Then::Nothing);
            }
            let _ = reply.send(false);
            return;
        }
        tracing::info!(%call, queue = %record.queue, "a callback is booked");
        self.write(Entry::Forget(call), Then::Nothing);
        let (handoff, stage) = match left {
            Some(handoff) => (handoff, CallbackStage::NotBefore(now.at)),
            None => {
                let why = LeftQueue::ForCallback;
                self.route(now, RouterInput::Leave { call, why });
                let Some(caller) = self.callers.remove(&call) else { return };
                self.count(now, &caller, WaitOutcome::Callback, None);
                let until = now.at + CALL_GOES_ON;
                (caller.handoff, CallbackStage::CallGoesOn { until })
            }
        };
        self.book.insert(call, Callback { record, handoff, attempts: 0, stage });
        let _ = reply.send(true);
        self.settle(now);
    }

    /// Whoever has booked a callback and waits again all the same is not called back.
    pub(super) fn waits_again(&mut self, call: CallId) {
        let is_booked =
            |callback: &Callback| matches!(callback.stage, CallbackStage::CallGoesOn { .. });
        if self.book.get(&call).is_some_and(is_booked) {
            self.book.remove(&call);
            self.write(Entry::Unbook(call), Then::Nothing);
        }
    }

    /// A callback that was in the store when the program started.
    pub(super) fn resume_callback(&mut self, now: Now, open: OpenCallback) {
        let OpenCallback { record, attempts, next_attempt_at, handoff } = open;
        let handoff = Arc::new(handoff.unwrap_or_else(|| bare_handoff(&record)));
        let not_before = next_attempt_at.map_or(now.at, |at| now.future(at));
        let call = record.call;
        let stage = CallbackStage::NotBefore(not_before);
        self.book.insert(call, Callback { record, handoff, attempts, stage });
        self.look_at_book(now);
    }

    /// Customers whose time has come are in the queue again, with their place.
    pub(super) fn look_at_book(&mut self, now: Now) {
        let is_due = |call: &CallId, callback: &Callback| match &callback.stage {
            // Nobody is called who is still on the line.
            CallbackStage::CallGoesOn { until } => {
                *until <= now.at && self.live.view(*call).is_none()
            }
            CallbackStage::NotBefore(at) => *at <= now.at,
            CallbackStage::InQueue | CallbackStage::Trying { .. } => false,
        };
        if self.book_is_closed {
            return;
        }
        let due = self.book.iter().filter(|(call, callback)| is_due(call, callback));
        for call in due.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.enqueue_callback(now, call);
        }
    }

    /// Nobody is called back any more: those in the queue are taken out of it. Whoever is being called may
    /// answer yet.
    pub(super) fn close_book(&mut self, now: Now) {
        self.book_is_closed = true;
        let in_queue = |callback: &Callback| matches!(callback.stage, CallbackStage::InQueue);
        let waiting = self.book.iter().filter(|(_, callback)| in_queue(callback));
        for call in waiting.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.take_out_of_queue(now, call);
        }
    }

    /// A customer waits for the next start.
    fn take_out_of_queue(&mut self, now: Now, call: CallId) {
        let why = LeftQueue::Elsewhere;
        self.route(now, RouterInput::Leave { call, why });
        self.callers.remove(&call);
        self.callback_waits(call, CallbackStage::NotBefore(now.at));
    }

    fn enqueue_callback(&mut self, now: Now, call: CallId) {
        let Some(callback) = self.book.get_mut(&call) else { return };
        let record = &callback.record;
        let needs = record.needs.iter();
        let waiter = Waiter {
            call,
            queue: record.queue.clone(),
            needs: needs.map(|(s, l)| Need { skill: Skill::new(s), level: level(*l) }).collect(),
            language: record.language.clone(),
            priority: record.priority,
            since: now.past(record.since),
            kind: WaiterKind::Callback,
            only: record.only_agent.as_deref().map(AgentId::new),
        };
        let known = (Arc::clone(&callback.handoff), record.reference.clone());
        let caller = Caller::new(waiter.clone(), known, Line::ToBeCalled, now.at);
        callback.stage = CallbackStage::InQueue;
        self.callers.insert(call, caller);
        match self.try_route(now, RouterInput::Enqueue(waiter)) {
            Ok(()) => self.settle(now),
            Err(RouterRefusal::NoQueue) => {
                tracing::error!(%call, "the queue of a callback is gone: people call back");
                self.give_up_callback(now, call);
            }
            Err(RouterRefusal::NoAgent) => {
                // Who waits for one agent is served by another rather than never.
                self.callers.remove(&call);
                if let Some(callback) = self.book.get_mut(&call) {
                    callback.record.only_agent = None;
                    callback.stage = CallbackStage::NotBefore(now.at);
                }
            }
            Err(refusal) => {
                tracing::warn!(%call, %refusal, "a callback is not in its queue yet");
                self.callers.remove(&call);
                self.callback_waits(call, CallbackStage::NotBefore(now.at + FULL_AGAIN));
            }
        }
    }

    /// An agent has taken a callback.
    pub(super) fn call_back(&mut self, now: Now, call: CallId, taking: CallbackTaking) {
        let CallbackTaking { agent, display_name, way, answer, commands } = taking;
        let of_files = self.book.get(&call).map(|callback| {
            let (handoff, house) = (&callback.handoff, &callback.record.house);
            (self.greeting_of(handoff, house), self.profile_of(handoff))
        });
        let (greeting, profile) = of_files.unwrap_or_default();
        let Some(callback) = self.book.get_mut(&call) else {
            return self.route(now, RouterInput::JoinFailed { call });
        };
        self.tries += 1;
        let (attempt, cancel) = (self.tries, CancellationToken::new());
        callback.attempts += 1;
        let attempts = callback.attempts;
        callback.stage = CallbackStage::Trying { attempt, cancel: cancel.clone() };
        let job = CallbackJob {
            call,
            attempt,
            number: callback.record.number.clone(),
            greeting,
            profile,
            handoff: Arc::clone(&callback.handoff),
            reference: callback.record.reference.clone(),
            agent,
            display_name,
            way,
            answer,
            commands,
            cancel,
        };
        self.write(Entry::Mark(call, CallbackMark::Dialling { attempts }), Then::Nothing);
        self.job(Job::CallBack(job));
    }

    /// The customer has answered: it is written down before they are joined.
    pub(super) fn callback_answered(
        &mut self,
        call: CallId,
        attempt: u32,
        reply: oneshot::Sender<()>,
    ) {
        if self.is_tried(call, attempt) {
            self.write(Entry::Mark(call, CallbackMark::Answered), Then::Noted(reply));
        }
    }

    fn is_tried(&self, call: CallId, attempt: u32) -> bool {
        self.book.get(&call).is_some_and(|callback| {
            matches!(callback.stage, CallbackStage::Trying { attempt: tried, .. } if tried == attempt)
        })
    }

    /// A try is over. One that was called off before has nothing more to say.
    pub(super) fn callback_tried(
        &mut self,
        now: Now,
        call: CallId,
        attempt: u32,
        outcome: CallbackOutcome,
    ) {
        if !self.is_tried(call, attempt) {
            return;
        }
        tracing::info!(%call, attempt, ?outcome, "a customer was called back");
        match outcome {
            CallbackOutcome::Served => {
                self.end_talk(now, call);
                self.book.remove(&call);
                let mark = CallbackMark::Served { at: now.wall };
                self.write(Entry::Mark(call, mark), Then::Nothing);
            }
            CallbackOutcome::NotReached => self.not_reached(now, call),
            // Both put the customer back at the head: see `callback_is_back`.
            CallbackOutcome::AgentNotReached => self.join_failed(now, call),
            CallbackOutcome::AgentLost => self.agent_lost(now, call),
        }
    }

    /// The customer did not take the call: later, or never again.
    fn not_reached(&mut self, now: Now, call: CallId) {
        self.end_talk(now, call);
        let Some(callback) = self.book.get(&call) else { return };
        let rules = self.rules.callbacks.as_ref();
        let attempts_max = rules.map_or(0, |rules| rules.attempts_max);
        if callback.attempts >= attempts_max {
            tracing::warn!(%call, attempts = callback.attempts, "nobody was reached: people call back");
            return self.give_up_callback(now, call);
        }
        let minutes = rules.map_or(0, |rules| rules.retry_after_minutes);
        let not_before = now.at + Duration::from_secs(minutes * 60);
        self.callback_waits(call, CallbackStage::NotBefore(not_before));
        let mark = CallbackMark::Waiting {
            attempts: self.book.get(&call).map_or(0, |callback| callback.attempts),
            not_before: Some(now.wall_of(not_before)),
        };
        self.write(Entry::Mark(call, mark), Then::Nothing);
    }

    fn callback_waits(&mut self, call: CallId, stage: CallbackStage) {
        if let Some(callback) = self.book.get_mut(&call) {
            callback.stage = stage;
        }
    }

    /// A customer is back at the head of the queue: what was being tried is called off.
    pub(super) fn callback_is_back(&mut self, now: Now, call: CallId, why: BackInQueue) {
        let Some(callback) = self.book.get_mut(&call) else { return };
        let stage = std::mem::replace(&mut callback.stage, CallbackStage::InQueue);
        let CallbackStage::Trying { cancel, .. } = stage else { return };
        cancel.cancel();
        // Nobody was called for whom no agent could be heard.
        if why == BackInQueue::NotJoined {
            callback.attempts -= 1;
        }
        let attempts = callback.attempts;
        let mark = CallbackMark::Waiting { attempts, not_before: None };
        self.write(Entry::Mark(call, mark), Then::Nothing);
        if self.book_is_closed {
            self.take_out_of_queue(now, call);
        }
    }

    /// A customer waits no longer.
    pub(super) fn callback_wait_over(&mut self, now: Now, call: CallId, why: WaitEnd) {
        self.callers.remove(&call);
        let Some(callback) = self.book.get_mut(&call) else { return };
        if why == WaitEnd::AgentGone && callback.record.only_agent.is_some() {
            // Somebody else will do.
            callback.record.only_agent = None;
            callback.stage = CallbackStage::NotBefore(now.at);
            return;
        }
        self.give_up_callback(now, call);
    }

    /// People call back: we do not any more.
    fn give_up_callback(&mut self, now: Now, call: CallId) {
        self.callers.remove(&call);
        self.book.remove(&call);
        let mark = CallbackMark::Failed { at: now.wall };
        self.write(Entry::Mark(call, mark), Then::Nothing);
    }
}

/// What an agent is shown of a customer whose hand-off is not in the store any more.
fn bare_handoff(record: &CallbackRecord) -> Handoff {
    Handoff {
        schema: SCHEMA.to_owned(),
        call_id: record.call.to_string(),
        when: record.since.to_string(),
        caller: record.number.expose().clone(),
        called: String::new(),
        channel: "sip".to_owned(),
        language: record.language.clone().unwrap_or_default(),
        reason: HandoffReason::Asked,
        intent: None,
        slots: Vec::new(),
        verification: None,
        crm: None,
        actions: Vec::new(),
        transcript: Vec::new(),
        signals: HandoffSignals::default(),
        queue: QueueName::as_str(&record.queue).to_owned(),
        skills: record.needs.keys().cloned().collect(),
        priority: record.priority,
        summary: "The caller asked to be called back.".to_owned(),
        generation: String::new(),
        promise: "callback".to_owned(),
        reference: record.reference.clone(),
    }
}
