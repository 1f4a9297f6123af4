//! The steps of a caller's call on its way to people: what is done for each output of the call, and for
//! whatever happens on the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::acd::handoff::Handoff;
use crate::acd::{
    AgentId, BackInQueue, LeftQueue, Place, RouterRefusal, WaitEnd, Waiter, WaiterKind,
};
use crate::base::{Pii, QueueName};
use crate::call::{CallInput, CallOutput, WaitNews};
use crate::conversation::TransferOutcome;
use crate::server::agent_call::AgentCall;
use crate::server::agent_leg::{AgentLeg, AgentStep};
use crate::server::bridge::{Desk, Entering, Origin, Switch, Talk, reply_of};
use crate::server::call_task::CallTask;
use crate::server::floor::{AgentCommand, QueueEvent};
use crate::server::people::Taker;
use crate::server::transcribing::{Said, SaidQueue};
use crate::server::transfer::{ENDED_FIRST, NotReached};
use crate::speech::TurnState;
use crate::web::view::{AgentCallPhase, LiveEvent, Phase};
use crate::web::{AnswerWay, NotDone, Reply};

use super::{COMING_LIMIT, Connecting, Events, Happening, Standing, Wait, millis};

/// A wait that ends without an agent, as records name it.
fn wait_end_word(why: WaitEnd) -> &'static str {
    match why {
        WaitEnd::TooLong => "no answer",
        WaitEnd::NoQueue => "failed",
        WaitEnd::AgentGone => "refused",
    }
}

/// What a caller whom the floor does not take is told.
fn refusal_as_end(refusal: RouterRefusal) -> WaitEnd {
    match refusal {
        // There are so many that it would be too long.
        RouterRefusal::QueueFull => WaitEnd::TooLong,
        RouterRefusal::NoAgent => WaitEnd::AgentGone,
        RouterRefusal::NoQueue
        | RouterRefusal::Already
        | RouterRefusal::NoCall
        | RouterRefusal::OfferOver
        | RouterRefusal::NotShown
        | RouterRefusal::WrongState => WaitEnd::NoQueue,
    }
}

impl CallTask {
    /// Puts the caller in line.
    pub(in crate::server) fn enqueue(&mut self, queue: String, announcement: Pii<String>) {
        self.queueing.announcement = announcement;
        let queue = QueueName::new(queue);
        let Some(entering) = self.ask_to_wait(&queue, None) else {
            tracing::error!(%queue, "nobody waits without a hand-off");
            return self.waits_no_more(WaitEnd::NoQueue);
        };
        self.queueing.queue = Some(queue);
        self.queueing.events = Events::Closed;
        self.wait_again();
        self.queueing.standing = Standing::Entering(entering);
    }

    /// Asks the floor to have the caller wait, perhaps for one agent only. Who has waited before does not
    /// begin at the end.
    fn ask_to_wait(&mut self, queue: &QueueName, only: Option<AgentId>) -> Option<Entering> {
        let handoff = self.queueing.handoff_for(queue)?;
        let queueing = &mut self.queueing;
        let waiter = Waiter {
            call: self.dispatch.call(),
            queue: queue.clone(),
            needs: queueing.needs_besides(&handoff),
            language: Some(handoff.language.clone()),
            priority: handoff.priority,
            since: *queueing.since.get_or_insert_with(Instant::now),
            kind: WaiterKind::Call,
            only,
        };
        let (acd, reference) = (queueing.people.acd.clone(), self.reference.clone());
        let entering = tokio::spawn(async move { acd.enqueue(waiter, handoff, reference).await });
        Some(AbortOnDropHandle::new(entering))
    }

    /// An agent has sent the caller on, and the floor has taken them.
    pub(in crate::server) fn sent_on(&mut self, events: mpsc::Receiver<QueueEvent>) {
        self.queueing.events = Events::Open(events);
        let to = self.queueing.sending_to.take();
        let to = to.filter(|to| self.queueing.queue.as_ref() != Some(to));
        if to.is_some() {
            self.queueing.queue.clone_from(&to);
        }
        self.wait_for_another();
        // To the caller it is as if nobody had taken the call yet.
        let (now, why) = (Instant::now(), BackInQueue::NotTaken);
        self.call.handle(now, CallInput::BackInQueue { why });
        if let Some(to) = to {
            self.call.handle(now, CallInput::Moved { to });
        }
    }

    /// An agent wants to send the caller on, to this queue or the one they waited in, perhaps for one agent
    /// only: the floor is asked.
    pub(in crate::server) fn send_on(
        &mut self,
        queue: Option<QueueName>,
        only: Option<AgentId>,
    ) -> Option<Entering> {
        let queue = queue.or_else(|| self.queueing.queue.clone())?;
        let entering = self.ask_to_wait(&queue, only);
        self.queueing.sending_to = Some(queue);
        entering
    }

    /// Takes the caller out of line, or has them called back.
    pub(in crate::server) fn leave_queue(&mut self, why: LeftQueue) {
        let queueing = &mut self.queueing;
        if why == LeftQueue::ForCallback {
            let Some(number) = queueing.callback.clone() else {
                return self.dispatch.tell(CallInput::CallbackBooked { booked: false });
            };
            if matches!(queueing.standing, Standing::InLine) {
                queueing.standing = Standing::Booking;
            }
            return self.dispatch.book_callback(queueing.people.acd.clone(), number);
        }
        queueing.people.acd.leave(self.dispatch.call(), why);
        queueing.standing = Standing::Out;
        queueing.events = Events::Closed;
        // Who comes back later is not before those who have waited meanwhile.
        queueing.since = None;
        self.end_wait("left");
        self.tell_phase(Phase::Talking);
    }

    /// More is known of the caller: whoever takes the call is to know it.
    pub(in crate::server) fn update_handoff(&mut self, mut handoff: Handoff) {
        handoff.reference.clone_from(&self.reference);
        let handoff = Arc::new(handoff);
        if let Some(reference) = self.reference.clone() {
            self.dispatch.update_handoff(reference, Arc::clone(&handoff));
        }
        self.queueing.note_handoff(handoff);
        self.brief_the_next();
    }

    /// The front door has done what the agent sent the caller for.
    pub(in crate::server) fn return_to_agent(&mut self) {
        self.queueing.standing = match std::mem::replace(&mut self.queueing.standing, Standing::Out)
        {
            Standing::AtFrontDoor(with) => Standing::Returning(with),
            // They are gone meanwhile, and the caller has been told.
            standing => standing,
        };
    }

    /// Notes what came of the wish to be called back.
    pub(in crate::server) fn note_booking(&mut self, booked: bool) {
        if !matches!(self.queueing.standing, Standing::Booking) {
            return;
        }
        self.queueing.standing = match booked {
            true => {
                // Their queue stays open to the end of the call: the floor calls nobody who is still on the line.
                self.end_wait("callback");
                self.tell_phase(Phase::Talking);
                Standing::Out
            }
            false => Standing::InLine,
        };
    }

    /// Goes on with what has happened.
    pub(in crate::server) async fn on_happening(&mut self, happening: Happening) {
        match happening {
            Happening::Entered(Ok(events)) => {
                self.queueing.events = Events::Open(events);
                self.queueing.standing = Standing::InLine;
            }
            Happening::Entered(Err(refusal)) => {
                tracing::warn!(%refusal, "the caller cannot wait");
                self.waits_no_more(refusal_as_end(refusal));
            }
            Happening::Queue(Some(event)) => self.on_queue_event(event).await,
            Happening::Queue(None) => self.on_queue_gone(),
            Happening::Reached(reached) => self.on_reached(reached).await,
            Happening::Command(command) => self.on_command(command).await,
            Happening::Agent(step) => self.on_agent_step(step).await,
            Happening::Return => {
                let standing = std::mem::replace(&mut self.queueing.standing, Standing::Out);
                match standing {
                    Standing::Returning(with) => self.talk(with).await,
                    standing => self.queueing.standing = standing,
                }
            }
            Happening::Said(said) => self.note_said(said),
        }
    }

    /// Something that was said in a talk was written down.
    pub(in crate::server) fn note_said(&mut self, said: Said) {
        // Agents are told card numbers too, and say them again.
        let said = Said { text: self.call.masked(&said.text), ..said };
        self.live.tell(LiveEvent::Line {
            at_ms: said.at_ms,
            speaker: said.speaker,
            text: said.text.expose().clone(),
        });
        self.records.said(&said);
        self.queueing.minutes.add(said);
        if matches!(self.queueing.standing, Standing::InLine) {
            self.brief_the_next();
        }
    }

    /// Whoever takes the call next is to know what was said to those before.
    fn brief_the_next(&self) {
        let queueing = &self.queueing;
        if let Some(handoff) = queueing.queue().and_then(|queue| queueing.handoff_for(queue)) {
            queueing.people.acd.update_handoff(self.dispatch.call(), handoff);
        }
    }

    /// An answer to what was asked for before, which comes while the caller talks with an agent. Of an action
    /// they are to know the result; everything else is of no matter any more.
    pub(in crate::server) fn take_at_rest(&mut self, input: CallInput) {
        let is_at_desk = self.queueing.wait.is_some();
        if !is_at_desk || !matches!(input, CallInput::ActionFinished { .. }) {
            return;
        }
        self.call.handle(Instant::now(), input);
        while let Some(output) = self.call.poll_output() {
            match output {
                CallOutput::UpdateHandoff(handoff) => self.update_handoff(*handoff),
                _ => tracing::warn!("something was to be said or done while people talk"),
            }
        }
    }

    async fn on_queue_event(&mut self, event: QueueEvent) {
        match event {
            QueueEvent::News(place) => self.on_place(&place),
            QueueEvent::Moved { to } => {
                self.queueing.queue = Some(to.clone());
                self.call.handle(Instant::now(), CallInput::Moved { to });
            }
            QueueEvent::Join { agent, display_name, way, answer, commands } => {
                let is_waiting =
                    matches!(self.queueing.standing, Standing::InLine | Standing::Booking);
                // Where not, the floor is about to be told that they wait no more, or has been.
                if is_waiting && self.call.is_in_line() {
                    let taken = (agent, display_name);
                    self.connect(taken, (way, answer), commands);
                }
            }
            QueueEvent::Back { why } => {
                if !matches!(self.queueing.standing, Standing::Booking) {
                    self.drop_agent("failed").await;
                    self.queueing.standing = Standing::InLine;
                    if self.queueing.wait.is_none() {
                        self.wait_for_another();
                    }
                }
                self.call.handle(Instant::now(), CallInput::BackInQueue { why });
            }
            QueueEvent::Over { why } => {
                self.drop_agent("failed").await;
                self.waits_no_more(why);
            }
        }
    }

    fn on_place(&mut self, place: &Place) {
        if !matches!(self.queueing.standing, Standing::InLine | Standing::Booking) {
            return;
        }
        self.sit(Phase::Waiting);
        self.live.tell(LiveEvent::Phase {
            phase: Phase::Waiting,
            queue: Some(place.queue.as_str().to_owned()),
            position: Some(place.position),
            wait_from_s: place.wait.map(|wait| wait.from.as_secs()),
            wait_to_s: place.wait.map(|wait| wait.to.as_secs()),
            agent: None,
        });
        // An agent may have sent them on to this queue.
        self.call.handle(Instant::now(), CallInput::Moved { to: place.queue.clone() });
        let news = WaitNews { position: place.position, agents: place.agents, wait: place.wait };
        self.call.handle(Instant::now(), CallInput::Waiting(news));
    }

    /// The floor tells nothing more of the caller. Of one who talks, or is called back, it need not.
    fn on_queue_gone(&mut self) {
        if matches!(self.queueing.standing, Standing::InLine) {
            tracing::error!("the floor has forgotten a caller who waits");
            // If it is still noted that they wait, people call back.
            self.queueing.people.acd.leave(self.dispatch.call(), LeftQueue::HungUp);
            self.waits_no_more(WaitEnd::NoQueue);
        }
    }

    /// Nobody has taken the call, and the caller is told so. That people call back is noted by the floor.
    pub(in crate::server) fn waits_no_more(&mut self, why: WaitEnd) {
        self.queueing.standing = Standing::Out;
        self.queueing.events = Events::Closed;
        self.queueing.since = None;
        self.end_wait(wait_end_word(why));
        self.tell_phase(Phase::Talking);
        self.call.handle(Instant::now(), CallInput::WaitEnded { why });
    }

    fn end_wait(&mut self, outcome: &str) {
        if let (Some(wait), Some(queue)) = (self.queueing.wait.take(), &self.queueing.queue) {
            self.records.transfer(wait.record(queue.as_str(), outcome, None));
        }
    }

    /// The caller's talk with an agent is over, which ends their wait for it, too.
    pub(in crate::server) fn end_wait_with(
        &mut self,
        (outcome, agent): (&str, &AgentId),
        (waited, talked): (Duration, Duration),
    ) {
        if let (Some(wait), Some(queue)) = (self.queueing.wait.take(), &self.queueing.queue) {
            let mut record = wait.record(queue.as_str(), outcome, Some(agent));
            record.took_ms = millis(waited);
            record.bridged_ms = Some(millis(talked));
            self.records.transfer(record);
        }
    }

    /// The caller waits in the same queue again, for somebody who knows what was said to the one before.
    pub(in crate::server) fn wait_for_another(&mut self) {
        self.wait_again();
        self.brief_the_next();
    }

    fn wait_again(&mut self) {
        let at_ms = self.records.elapsed_ms();
        self.queueing.wait = Some(Wait { began: Instant::now(), at_ms });
        self.queueing.standing = Standing::InLine;
    }

    /// Somebody has taken the call: their audio is set up.
    fn connect(
        &mut self,
        (agent, display_name): (AgentId, String),
        (way, answer): (AnswerWay, Reply<Option<String>>),
        commands: mpsc::Receiver<AgentCommand>,
    ) {
        tracing::info!(%agent, "an agent has taken the call");
        let queueing = &mut self.queueing;
        let (reference, announcement) = (self.reference.clone(), queueing.announcement.clone());
        let people = &queueing.people;
        let means = people.means(Origin::Theirs);
        let desk = Desk::new(people.acd.clone(), self.dispatch.call(), commands, means);
        desk.tell(AgentCallPhase::Connecting, &Switch::default());
        let near = self.media_ip;
        let taker = Taker { agent: agent.clone(), way, answer, reference, announcement, near };
        let work = queueing.people.reach(taker);
        let connecting = Connecting { agent, display_name, desk, work };
        queueing.standing = Standing::Connecting(Box::new(connecting));
        self.call.handle(Instant::now(), CallInput::AgentTook);
    }

    async fn on_reached(&mut self, reached: Result<Box<AgentLeg>, NotReached>) {
        let standing = std::mem::replace(&mut self.queueing.standing, Standing::Out);
        let Standing::Connecting(connecting) = standing else {
            self.queueing.standing = standing;
            return;
        };
        let Connecting { agent, display_name, desk, .. } = *connecting;
        match reached {
            Ok(leg) => {
                let call = self.dispatch.call();
                let mut talk = Talk::new(leg, Some(desk), self.queueing.people.music());
                talk.transcribing = Some(self.queueing.scribe(call));
                let waited = self.queueing.wait.as_ref().map(|wait| wait.began.elapsed());
                let with = AgentCall::new(agent, display_name, talk, waited.unwrap_or_default());
                let latest = Instant::now() + COMING_LIMIT;
                self.queueing.standing = Standing::Ready(Box::new(with), latest);
            }
            Err(not) => {
                tracing::warn!(%agent, why = not.why(), "the agent's audio could not be set up");
                self.not_joined(&agent);
            }
        }
    }

    /// Whoever took the call cannot be heard: the floor says that the caller is first again.
    fn not_joined(&mut self, agent: &AgentId) {
        self.queueing.standing = Standing::InLine;
        self.queueing.people.acd.join_failed(self.dispatch.call(), agent);
    }

    fn hung_up_too_early(&mut self, agent: &AgentId, reply: Reply<()>) {
        let _ = reply.send(Ok(()));
        tracing::info!(%agent, "the agent hung up before they could be heard");
        self.not_joined(agent);
    }

    /// The agent asks for something while the caller is not to be heard yet, or is at the front door.
    async fn on_command(&mut self, command: AgentCommand) {
        let standing = std::mem::replace(&mut self.queueing.standing, Standing::Out);
        match (command, standing) {
            (AgentCommand::HangUp(reply), Standing::Connecting(connecting)) => {
                self.hung_up_too_early(&connecting.agent, reply);
            }
            (AgentCommand::HangUp(reply), Standing::Ready(with, _)) => {
                self.hung_up_too_early(with.agent(), reply);
            }
            (AgentCommand::HangUp(reply), standing @ Standing::AtFrontDoor(_)) => {
                let _ = reply.send(Ok(()));
                self.queueing.standing = standing;
                self.agent_done_at_front_door().await;
            }
            (AgentCommand::Resume(reply), Standing::AtFrontDoor(with)) => {
                let _ = reply.send(Ok(()));
                self.call.handle(Instant::now(), CallInput::AgentTook);
                // What that cancels is cancelled before the two are joined.
                self.queueing.standing = Standing::Returning(with);
            }
            (command, standing) => {
                let why = match &standing {
                    Standing::AtFrontDoor(_) => {
                        "the caller is with the front door: take them back first"
                    }
                    _ => "the call is not connected yet",
                };
                self.queueing.standing = standing;
                let _ = reply_of(command).send(Err(NotDone::Conflict(why.to_owned())));
            }
        }
    }

    /// 20 ms of an agent who waits until we have said, or done, something; or the end of them.
    async fn on_agent_step(&mut self, step: AgentStep) {
        let we_speak = self.call.turn_state() == TurnState::AgentSpeaking;
        let (with, is_ready) = match &mut self.queueing.standing {
            Standing::Ready(with, latest) => {
                let is_ready = !we_speak || *latest <= Instant::now();
                (with, Some(is_ready))
            }
            Standing::AtFrontDoor(with) => (with, None),
            _ => return,
        };
        let kept = match step {
            AgentStep::Tick => with.talk.agent.keep_quiet().await,
            AgentStep::SeenTo => Ok(()),
            AgentStep::Gone(why) => Err(why),
        };
        let agent = with.agent().clone();
        match (kept, is_ready) {
            (Ok(()), Some(true)) => self.join().await,
            (Ok(()), _) => {}
            (Err(why), Some(_)) => {
                tracing::warn!(why, "the agent is gone before the caller could hear them");
                self.not_joined(&agent);
            }
            (Err(why), None) => self.agent_gone_at_front_door(&agent, why).await,
        }
    }

    /// The two hear each other from now on.
    async fn join(&mut self) {
        match std::mem::replace(&mut self.queueing.standing, Standing::Out) {
            Standing::Ready(with, _) => {
                self.queueing.people.acd.joined(self.dispatch.call());
                self.talk(with).await;
            }
            standing => self.queueing.standing = standing,
        }
    }

    async fn agent_gone_at_front_door(&mut self, agent: &AgentId, why: &str) {
        let hung_up = match &self.queueing.standing {
            Standing::AtFrontDoor(with) => with.talk.agent.was_hung_up(),
            _ => false,
        };
        if hung_up {
            return self.agent_done_at_front_door().await;
        }
        tracing::warn!(why, "the agent who waited for the caller is gone");
        self.drop_agent("failed").await;
        self.wait_for_another();
        self.queueing.people.acd.agent_lost(self.dispatch.call(), agent);
    }

    /// The agent has hung up while the caller is with us: what was begun here is done without them.
    async fn agent_done_at_front_door(&mut self) {
        let outcome = TransferOutcome::Succeeded;
        self.drop_agent(outcome.as_str()).await;
        self.queueing.people.acd.ended(self.dispatch.call());
        self.tell_phase(Phase::Talking);
        self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
    }

    /// Whoever had taken the call has no more to do with it.
    async fn drop_agent(&mut self, outcome: &str) {
        match std::mem::replace(&mut self.queueing.standing, Standing::Out) {
            Standing::AtFrontDoor(mut with) | Standing::Returning(mut with) => {
                self.end_talk(&mut with, outcome).await;
            }
            Standing::Ready(mut with, _) => with.talk.agent.hang_up("the call is over").await,
            // Dropping it ends what is being set up.
            Standing::Connecting(_)
            | Standing::Entering(_)
            | Standing::Out
            | Standing::InLine
            | Standing::Booking
            | Standing::PassedOn => {}
        }
    }

    /// Where the caller is, and with whom, for whoever watches.
    pub(in crate::server) fn tell_phase_with(&mut self, phase: Phase, agent: &str) {
        self.sit(phase);
        let agent = Some(agent.to_owned());
        let (queue, position, wait_from_s, wait_to_s) = (None, None, None, None);
        let event = LiveEvent::Phase { phase, queue, position, wait_from_s, wait_to_s, agent };
        self.live.tell(event);
    }

    /// The call is over: nobody is to wait for the caller any longer.
    pub(in crate::server) async fn leave_everybody(&mut self) {
        self.drop_agent(TransferOutcome::Succeeded.as_str()).await;
        if self.queueing.handoff.is_some() {
            self.queueing.people.acd.leave(self.dispatch.call(), LeftQueue::HungUp);
        }
        self.end_wait(ENDED_FIRST);
    }

    /// Waits, for a while, until what was said last is written down.
    pub(in crate::server) async fn await_last_words(&mut self) {
        let said = std::mem::replace(&mut self.queueing.said, SaidQueue::new());
        for said in said.last().await {
            self.note_said(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_cannot_wait_is_told_the_nearest_truth() {
        for (refusal, end, word) in [
            (RouterRefusal::QueueFull, WaitEnd::TooLong, "no answer"),
            (RouterRefusal::NoQueue, WaitEnd::NoQueue, "failed"),
            (RouterRefusal::NoAgent, WaitEnd::AgentGone, "refused"),
            (RouterRefusal::Already, WaitEnd::NoQueue, "failed"),
        ] {
            assert_eq!(refusal_as_end(refusal), end);
            assert_eq!(wait_end_word(end), word);
        }
    }
}
