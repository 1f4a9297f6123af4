//! What agents do at their desks, and supervisors with them.

use tokio::sync::{mpsc, oneshot};

use crate::acd::{AgentId, OfferId, Presence, RouterInput, RouterRefusal};
use crate::base::{CallId, QueueName};
use crate::web::view::DeskEvent;
use crate::web::{AnswerWay, DeskAsk, DeskNews, NotDone, Reply, Target};

use super::api::{AgentCommand, Microphone};
use super::callers::Caller;
use super::desks::{DESK_LEN_MAX, Desk, refuses_presence};
use super::jobs::Job;
use super::now::Now;
use super::outputs::call_event;
use super::staff::Member;
use super::state::{FloorState, Taking, not_done};

impl FloorState {
    /// Somebody does something at their desk.
    pub fn on_desk(&mut self, now: Now, agent: AgentId, ask: DeskAsk) {
        match ask {
            DeskAsk::Open { reply } => self.job(Job::OpenDesk { agent, reply }),
            DeskAsk::Presence { presence, reply } => {
                self.set_presence(now, &agent, presence, reply);
            }
            DeskAsk::Shown { offer, reply } => {
                let input = RouterInput::OfferShown { offer, agent: agent.clone() };
                answer(reply, self.offered(now, &agent, offer, input));
            }
            DeskAsk::Decline { offer, reply } => {
                let input = RouterInput::OfferDeclined { offer, agent: agent.clone() };
                answer(reply, self.offered(now, &agent, offer, input));
            }
            DeskAsk::Take { offer, way, reply } => self.take(now, &agent, offer, way, reply),
            DeskAsk::Hold { reply } => self.command(&agent, reply, AgentCommand::Hold),
            DeskAsk::Resume { reply } => self.command(&agent, reply, AgentCommand::Resume),
            DeskAsk::Mute { muted, reply } => {
                let microphone = if muted { Microphone::Muted } else { Microphone::On };
                self.command(&agent, reply, |reply| AgentCommand::Mute(microphone, reply));
            }
            DeskAsk::Keys { keys, reply } => {
                self.command(&agent, reply, |reply| AgentCommand::Keys(keys, reply));
            }
            DeskAsk::Transfer { target, reply } => match self.refuses_target(&agent, &target) {
                Some(not) => answer(reply, Err(not)),
                None => {
                    self.command(&agent, reply, |reply| AgentCommand::Transfer(target, reply));
                }
            },
            DeskAsk::Conference { target, reply } => match self.refuses_target(&agent, &target) {
                Some(not) => answer(reply, Err(not)),
                None => {
                    self.command(&agent, reply, |reply| AgentCommand::Conference(target, reply));
                }
            },
            DeskAsk::FrontDoor { task, reply } => match self.refuses_task(&agent, &task) {
                Some(not) => answer(reply, Err(not)),
                None => {
                    self.command(&agent, reply, |reply| AgentCommand::FrontDoor { task, reply });
                }
            },
            DeskAsk::HangUp { reply } => self.command(&agent, reply, AgentCommand::HangUp),
            DeskAsk::WrapUp { disposition, notes, done, reply } => {
                self.write_wrap_up(now, &agent, (disposition, notes), (done.into(), reply));
            }
        }
        self.settle(now);
    }

    /// A supervisor, or the agent, says what the agent does.
    pub fn on_presence(&mut self, now: Now, agent: &AgentId, presence: Presence, reply: Reply<()>) {
        self.set_presence(now, agent, presence, reply);
        self.settle(now);
    }

    /// Somebody opens their desk, and it has been looked up who they are.
    pub(super) fn desk_opened(
        &mut self,
        now: Now,
        agent: AgentId,
        member: Option<Option<Member>>,
        reply: Reply<DeskNews>,
    ) {
        // While the store is away they are who they were.
        let known = || self.staff.get(&agent).cloned();
        let Some(member) = member.unwrap_or_else(known) else {
            let why = "this account has no desk: it takes the role of an agent or a supervisor";
            return answer(reply, Err(NotDone::NotFound(why.to_owned())));
        };
        self.staff.insert(agent.clone(), member.clone());
        let (news, receiver) = mpsc::channel(DESK_LEN_MAX);
        if reply.send(Ok(receiver)).is_err() {
            return;
        }
        let desk =
            self.desks.entry(agent.clone()).or_insert_with(|| Desk::new(member.clone(), now.at));
        desk.member = member;
        desk.open(news);
        match desk.is_signed_in() {
            true => desk.tell_state(now),
            false => self.sign_in(now, &agent),
        }
        self.tell_everything(now, &agent);
    }

    /// Has the router know an agent: away, until they say that they are ready.
    pub(super) fn sign_in(&mut self, now: Now, agent: &AgentId) {
        let Some(desk) = self.desks.get(agent) else { return };
        let profile = desk.member.profile.clone();
        self.route(now, RouterInput::SignedIn(profile));
        self.settle(now);
    }

    /// Tells a page that has just opened what goes on besides what its agent does.
    fn tell_everything(&mut self, now: Now, agent: &AgentId) {
        let Some(desk) = self.desks.get(agent) else { return };
        let mut events = Vec::new();
        events.extend(desk.offer.as_ref().and_then(|offer| self.offer_event(now, offer)));
        if let Some((call, caller)) = desk.call.and_then(|call| self.callers.get_key_value(&call))
            && let Some(talk) = caller.talk()
        {
            events.push(call_event(now, *call, &caller.handoff, talk, &talk.news));
            events.extend(talk.said().cloned().map(super::callers::Said::into_event));
        }
        let queues = self.desk_queues(now);
        if let Some(desk) = self.desks.get_mut(agent) {
            events.into_iter().for_each(|event: DeskEvent| desk.tell(event));
            desk.tell_queues(&queues);
        }
    }

    fn set_presence(&mut self, now: Now, agent: &AgentId, presence: Presence, reply: Reply<()>) {
        if let Some(why) = refuses_presence(&presence, &self.rules.desk.away_reasons) {
            return answer(reply, Err(NotDone::BadRequest(why)));
        }
        let Some(desk) = self.desks.get(agent).filter(|desk| desk.is_open()) else {
            let why = "no desk of this agent is open";
            return answer(reply, Err(NotDone::Conflict(why.to_owned())));
        };
        let is_going = presence == Presence::Offline;
        if !desk.is_signed_in() && !is_going {
            self.sign_in(now, agent);
        }
        let input = RouterInput::Presence { agent: agent.clone(), presence };
        let outcome = match self.try_route(now, input) {
            // Gone already.
            Err(RouterRefusal::NoAgent) if is_going => Ok(()),
            outcome => outcome.map_err(not_done),
        };
        self.settle(now);
        answer(reply, outcome);
    }

    /// Something about an offer that has to be this agent's.
    fn offered(
        &mut self,
        now: Now,
        agent: &AgentId,
        offer: OfferId,
        input: RouterInput,
    ) -> Result<(), NotDone> {
        let shown = self.desks.get(agent).and_then(|desk| desk.offer.as_ref());
        if shown.is_none_or(|shown| shown.id != offer) {
            return Err(not_done(RouterRefusal::OfferOver));
        }
        self.try_route(now, input).map_err(not_done)
    }

    fn take(
        &mut self,
        now: Now,
        agent: &AgentId,
        offer: OfferId,
        way: AnswerWay,
        reply: Reply<Option<String>>,
    ) {
        let has_phone = self.rules.desk.phones.contains_key(agent.as_str());
        if matches!(way, AnswerWay::Phone) && !has_phone {
            let why = "no telephone is declared for you under [desk.phones]: take the call here";
            return answer(reply, Err(NotDone::BadRequest(why.to_owned())));
        }
        self.taking = Some(Taking { offer, way, reply });
        let input = RouterInput::OfferTaken { offer, agent: agent.clone() };
        let outcome = self.offered(now, agent, offer, input);
        self.settle(now);
        // What the router agreed to has been taken out by its answer.
        if let Some(Taking { reply, .. }) = self.taking.take() {
            let gone = || NotDone::Conflict("the caller has gone".to_owned());
            answer(reply, Err(outcome.err().unwrap_or_else(gone)));
        }
    }

    /// Passes something on to the task of the agent's call.
    fn command(
        &mut self,
        agent: &AgentId,
        reply: Reply<()>,
        command: impl FnOnce(Reply<()>) -> AgentCommand,
    ) {
        let talk = self.call_of(agent).and_then(|(_, caller)| caller.talk());
        let Some(talk) = talk else {
            return answer(reply, Err(NotDone::Conflict("there is no call".to_owned())));
        };
        let (to_page, from) = oneshot::channel();
        match talk.commands.try_send(command(to_page)) {
            Ok(()) => self.job(Job::Pass { from, to: reply }),
            Err(mpsc::error::TrySendError::Full(_)) => {
                let why = "the call is busy with what was asked for before: try again";
                answer(reply, Err(NotDone::Unavailable(why.to_owned())));
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                answer(reply, Err(NotDone::Conflict("the call is over".to_owned())));
            }
        }
    }

    /// The call that an agent has.
    pub(super) fn call_of(&self, agent: &AgentId) -> Option<(CallId, &Caller)> {
        let call = self.desks.get(agent)?.call?;
        let caller = self.callers.get(&call)?;
        Some((call, caller))
    }

    /// Why a caller cannot do this at the front door, if so. Without a call there is none to do it.
    fn refuses_task(&self, agent: &AgentId, task: &str) -> Option<NotDone> {
        let (_, caller) = self.call_of(agent)?;
        (!self.does(&caller.handoff, task))
            .then(|| NotDone::NotFound(format!("the front door has no task {task}")))
    }

    /// Why an agent cannot send anybody there, if so.
    fn refuses_target(&self, agent: &AgentId, target: &Target) -> Option<NotDone> {
        let why = match target {
            Target::Queue(queue) => {
                let is_known = self.queues.rules.contains_key(&QueueName::new(queue.as_str()));
                (!is_known).then(|| format!("there is no queue {queue}"))
            }
            Target::Agent(colleague) if colleague == agent => {
                Some("that is you: name a colleague".to_owned())
            }
            Target::Agent(colleague) => {
                let is_here = self.desks.get(colleague).is_some_and(Desk::is_signed_in);
                (!is_here).then(|| format!("{colleague} is not signed in"))
            }
            Target::Number(name) => {
                let is_known = self.rules.desk.numbers.contains_key(name);
                (!is_known).then(|| format!("no number {name} is declared under [desk.numbers]"))
            }
        };
        why.map(NotDone::NotFound)
    }
}

/// Answers a page. An error means that it has gone.
pub(super) fn answer<T>(reply: Reply<T>, outcome: Result<T, NotDone>) {
    let _ = reply.send(outcome);
}
