//! What the router says, carried out: callers and agents are told.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::acd::handoff::Handoff;
use crate::acd::{
    AgentId, AgentState, BackInQueue, OfferEnd, RouterInput, RouterOutput, WaitEnd, WaiterKind,
};
use crate::base::{CallId, QueueName};
use crate::store::{WaitCount, WaitOutcome, WaitRecord};
use crate::web::view::{AgentCallPhase, DeskEvent};
use crate::web::{AnswerWay, NotDone};

use super::api::{AgentCallNews, QueueEvent};
use super::callbacks::CallbackTaking;
use super::callers::{Caller, Handset, Stage, Talk};
use super::desks::Offer;
use super::first_line::first_line;
use super::jobs::{Entry, Job, Then};
use super::now::Now;
use super::state::{FloorState, Taking};

/// Commands that may wait for a call's task; more are refused, and the agent is told so.
const AGENT_COMMANDS_LEN_MAX: usize = 16;

impl FloorState {
    /// The router says something.
    pub(super) fn on_output(&mut self, now: Now, output: RouterOutput) {
        match output {
            RouterOutput::Offer { offer, agent, call, queue, kind, until } => {
                self.offer(now, &agent, Offer { id: offer, call, queue, kind, until });
            }
            RouterOutput::OfferEnded { offer, agent, why, .. } => {
                let Some(desk) = self.desks.get_mut(&agent) else { return };
                if desk.offer.as_ref().is_some_and(|shown| shown.id == offer) {
                    desk.offer = None;
                    desk.tell(DeskEvent::OfferEnded {
                        offer_id: offer.0,
                        why: offer_end(why).to_owned(),
                    });
                }
            }
            RouterOutput::Join { offer, agent, call, .. } => {
                let taking = self.taking.take_if(|taking| taking.offer == offer);
                self.join(now, &agent, call, taking);
            }
            RouterOutput::Moved { call, to, .. } => {
                if let Some(caller) = self.callers.get_mut(&call) {
                    caller.waiter.queue = to.clone();
                    caller.told = None;
                }
                self.tell_caller(call, QueueEvent::Moved { to });
            }
            RouterOutput::Back { call, why } => self.back(now, call, why),
            RouterOutput::WaitOver { call, why } => self.wait_over(now, call, why),
            RouterOutput::AgentChanged { agent, state } => self.agent_changed(now, &agent, state),
        }
    }

    /// Shows an offer on a page. Whoever has none open is passed over at once.
    fn offer(&mut self, now: Now, agent: &AgentId, offer: Offer) {
        // Whoever has been taken out of line meanwhile is offered to nobody: the router knows.
        let Some(event) = self.offer_event(now, &offer) else { return };
        if let Some(desk) = self.desks.get_mut(agent).filter(|desk| desk.is_open()) {
            desk.offer = Some(offer);
            desk.tell(event);
            if desk.is_open() {
                return;
            }
            desk.offer = None;
        }
        self.route(now, RouterInput::AgentLost { agent: agent.clone() });
    }

    /// An offer, as a page is told it: with all that is known of the caller by now.
    pub(super) fn offer_event(&self, now: Now, offer: &Offer) -> Option<DeskEvent> {
        let caller = self.callers.get(&offer.call)?;
        let about = self.matter_of(&caller.handoff);
        Some(DeskEvent::Offer {
            offer_id: offer.id.0,
            call_id: offer.call.to_string(),
            until: now.wall_of(offer.until).to_string(),
            queue: offer.queue.as_str().to_owned(),
            waited_s: now.seconds_since(caller.waiter.since),
            kind: kind_word(offer.kind).to_owned(),
            first_line: first_line(&caller.handoff, about, offer.kind),
            handoff: Box::new(caller.handoff.as_ref().clone()),
        })
    }

    /// An agent has taken a call: its task is to set up the agent's leg.
    fn join(&mut self, now: Now, agent: &AgentId, call: CallId, taking: Option<Taking>) {
        let Some(Taking { offer, way, reply }) = taking else {
            tracing::error!(%call, %agent, "a call was taken that nobody took");
            return self.route(now, RouterInput::JoinFailed { call });
        };
        let display_name = match self.desks.get_mut(agent) {
            None => agent.to_string(),
            Some(desk) => {
                desk.offer = None;
                desk.call = Some(call);
                desk.tell(DeskEvent::OfferEnded { offer_id: offer.0, why: "taken".to_owned() });
                desk.member.display_name.clone()
            }
        };
        let Some(caller) = self.callers.get_mut(&call) else {
            // An error means that the page has gone, too.
            let _ = reply.send(Err(NotDone::NotFound("the caller has gone".to_owned())));
            return self.route(now, RouterInput::JoinFailed { call });
        };
        let handset = match way {
            AnswerWay::Browser { .. } => Handset::Browser,
            AnswerWay::Phone => Handset::Phone,
        };
        let (commands, receiver) = mpsc::channel(AGENT_COMMANDS_LEN_MAX);
        let talk = Talk::new(agent.clone(), handset, now.at, commands);
        caller.stage = Stage::WithAgent(Box::new(talk));
        let (answer, from) = oneshot::channel();
        let is_here = caller.is_here();
        self.job(Job::PassSdp { from, to: reply });
        self.begin_wrap_up(now, agent, call);
        self.tell_call(now, call, None);
        if is_here {
            let (agent, commands) = (agent.clone(), receiver);
            let event = QueueEvent::Join { agent, display_name, way, answer, commands };
            self.tell_caller(call, event);
        } else {
            let (agent, commands) = (agent.clone(), receiver);
            let taking = CallbackTaking { agent, display_name, way, answer, commands };
            self.call_back(now, call, taking);
        }
    }

    /// A caller waits again.
    fn back(&mut self, now: Now, call: CallId, why: BackInQueue) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.told = None;
        if why != BackInQueue::NotTaken {
            caller.came = now.at;
        }
        let stage = std::mem::replace(&mut caller.stage, Stage::Waiting);
        let (is_here, handoff) = (caller.is_here(), Arc::clone(&caller.handoff));
        if let Stage::WithAgent(talk) = stage {
            self.part(now, call, &handoff, &talk);
            self.close_wrap_up(now, &talk.agent);
        }
        match is_here {
            true => self.tell_caller(call, QueueEvent::Back { why }),
            false => self.callback_is_back(now, call, why),
        }
    }

    /// A caller waits no longer: people call them back.
    fn wait_over(&mut self, now: Now, call: CallId, why: WaitEnd) {
        if !self.callers.get(&call).is_some_and(Caller::is_here) {
            return self.callback_wait_over(now, call, why);
        }
        self.tell_caller(call, QueueEvent::Over { why });
        let Some(caller) = self.callers.remove(&call) else { return };
        let outcome = match why {
            WaitEnd::TooLong => WaitOutcome::TooLong,
            WaitEnd::NoQueue => WaitOutcome::NoQueue,
            WaitEnd::AgentGone => WaitOutcome::AgentGone,
        };
        if !caller.was_answered {
            self.count(now, &caller, outcome, None);
        }
        self.write(Entry::BreakOff(call), Then::Nothing);
    }

    fn agent_changed(&mut self, now: Now, agent: &AgentId, state: AgentState) {
        let Some(desk) = self.desks.get_mut(agent) else { return };
        let was_wrapping_up = matches!(desk.state, AgentState::WrapUp { .. });
        let is_wrapping_up = matches!(state, AgentState::WrapUp { .. });
        desk.changed(now, state);
        if was_wrapping_up && !is_wrapping_up {
            self.close_wrap_up(now, agent);
        }
    }

    /// An agent and a caller have parted, whoever it was that left.
    pub(super) fn part(&mut self, now: Now, call: CallId, handoff: &Handoff, talk: &Talk) {
        let news = AgentCallNews { phase: AgentCallPhase::Ended, ..talk.news.clone() };
        let Some(desk) = self.desks.get_mut(&talk.agent) else { return };
        if desk.call == Some(call) {
            desk.call = None;
            desk.tell(call_event(now, call, handoff, talk, &news));
        }
    }

    /// Counts a wait that is over.
    pub(super) fn count(
        &mut self,
        now: Now,
        caller: &Caller,
        outcome: WaitOutcome,
        agent: Option<&AgentId>,
    ) {
        let waiter = &caller.waiter;
        let waited = now.at.saturating_duration_since(caller.came);
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let agent = agent.map(|agent| agent.as_str().to_owned());
        let queue: QueueName = waiter.queue.clone();
        let count = WaitCount {
            queue: queue.clone(),
            was_on_line: caller.is_here(),
            outcome,
            waited_ms,
            agent: agent.clone(),
        };
        self.counts.note(&count, self.queues.rules.get(&queue));
        let kind = kind_word(waiter.kind);
        let (call, ended_at) = (waiter.call, now.wall);
        let record = WaitRecord { call, queue, kind, outcome, waited_ms, ended_at, agent };
        self.write(Entry::Wait(record), Then::Nothing);
    }
}

/// An agent's call, as their page is told it.
pub(super) fn call_event(
    now: Now,
    call: CallId,
    handoff: &Handoff,
    talk: &Talk,
    news: &AgentCallNews,
) -> DeskEvent {
    DeskEvent::Call {
        call_id: call.to_string(),
        phase: news.phase,
        held: news.held,
        muted: news.muted,
        others: news.others.clone(),
        handoff: Box::new(handoff.clone()),
        since: now.wall_of(talk.joined.unwrap_or(talk.began)).to_string(),
    }
}

/// On the line, or to be called: the word on pages and in records.
pub(super) const fn kind_word(kind: WaiterKind) -> &'static str {
    match kind {
        WaiterKind::Call => "call",
        WaiterKind::Callback => "callback",
    }
}

const fn offer_end(why: OfferEnd) -> &'static str {
    match why {
        OfferEnd::Expired => "expired",
        OfferEnd::Declined => "declined",
        OfferEnd::CallerLeft => "caller_left",
        OfferEnd::AgentLost => "desk_lost",
    }
}
