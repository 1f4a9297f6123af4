//! A caller and an agent at a desk talk; and what becomes of both when they no longer do.

use std::time::{Duration, Instant};

use crate::acd::AgentId;
use crate::call::CallInput;
use crate::conversation::TransferOutcome;
use crate::web::view::{AgentCallPhase, Phase};

use super::bridge::{Caller, CallerEnd, Desk, End, Leave, Talk, Third, ThirdLeg};
use super::call_task::CallTask;
use super::floor::QueueEvent;
use super::queueing::{Happening, Standing};

/// An agent who talks with the caller, or waits until the front door has done something.
pub(super) struct AgentCall {
    agent: AgentId,
    /// As callers may know them.
    display_name: String,
    pub talk: Talk,
    began: Instant,
    waited: Duration,
}

impl AgentCall {
    /// They hear each other from now on.
    pub fn new(agent: AgentId, display_name: String, talk: Talk, waited: Duration) -> Self {
        Self { agent, display_name, talk, began: Instant::now(), waited }
    }

    /// Who it is.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// What happens next while the two do not hear each other. Safe to cancel.
    pub async fn next_while_waiting(&mut self) -> Happening {
        let Talk { agent, desk, .. } = &mut self.talk;
        match desk {
            Some(desk) => tokio::select! {
                command = desk.next_command() => Happening::Command(command),
                step = agent.next_step() => Happening::Agent(step),
            },
            None => Happening::Agent(agent.next_step().await),
        }
    }
}

impl CallTask {
    /// Passes on what the two say, until either has no more to do with it.
    pub(super) async fn talk(&mut self, mut with: Box<AgentCall>) {
        tracing::info!(agent = %with.agent, "the caller talks with an agent");
        self.tell_phase_with(Phase::WithAgent, &with.display_name);
        let recording = self.queueing.people.recording();
        let mut caller = Caller::new(self, recording);
        let end = with.talk.pass_on(&mut caller).await;
        let caller = caller.end();
        if let Some(transcribing) = &mut with.talk.transcribing {
            transcribing.rest_all(self.records.elapsed_ms());
        }
        match end {
            End::CustomerGone => self.caller_gone(with, caller).await,
            End::Left(leave, why) => {
                tracing::info!(agent = %with.agent, ?leave, why, "the agent has left the call");
                self.agent_left(with, leave).await;
            }
        }
    }

    async fn caller_gone(&mut self, mut with: Box<AgentCall>, caller: CallerEnd) {
        let taken_back = match caller {
            CallerEnd::CallOver => {
                self.end_talk(&mut with, "succeeded").await;
                return self.queueing.people.acd.ended(self.dispatch.call());
            }
            CallerEnd::TakenBack(event) => event,
        };
        self.end_talk(&mut with, "failed").await;
        // The floor has seen the agent's page go: it goes on as in line.
        self.wait_for_another();
        if let QueueEvent::Back { why } = taken_back {
            self.call.handle(Instant::now(), CallInput::BackInQueue { why });
        } else if let QueueEvent::Over { why } = taken_back {
            self.waits_no_more(why);
        }
    }

    async fn agent_left(&mut self, mut with: Box<AgentCall>, leave: Leave) {
        let (acd, call) = (self.queueing.people.acd.clone(), self.dispatch.call());
        match leave {
            Leave::Over => {
                self.end_talk(&mut with, "succeeded").await;
                acd.ended(call);
                self.queueing.standing = Standing::Out;
                let outcome = TransferOutcome::Succeeded;
                self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
            }
            Leave::Lost => {
                self.end_talk(&mut with, "failed").await;
                self.wait_for_another();
                // The floor puts them at the head, and says so.
                acd.agent_lost(call, &with.agent);
            }
            Leave::SentOn => {
                self.end_talk(&mut with, "succeeded").await;
                if let Some(events) = with.talk.entered.take() {
                    self.sent_on(events);
                }
            }
            Leave::WithThird | Leave::WithRinging => {
                let third = std::mem::replace(&mut with.talk.third, ThirdLeg::Nobody);
                let whom = with.talk.switch.third.clone();
                self.end_talk(&mut with, "succeeded").await;
                acd.ended(call);
                self.queueing.standing = match third {
                    ThirdLeg::Ringing(_) => Standing::PassedOn,
                    ThirdLeg::There(_) | ThirdLeg::Nobody => Standing::Out,
                };
                self.go_on_without_agent(third, whom).await;
            }
            Leave::FrontDoor => {
                let task = with.talk.desk.as_mut().map(Desk::take_task);
                if let Some(desk) = &with.talk.desk {
                    desk.tell(AgentCallPhase::AtFrontDoor, &with.talk.switch);
                }
                self.tell_phase_with(Phase::Talking, &with.display_name);
                self.queueing.standing = Standing::AtFrontDoor(with);
                let task = task.unwrap_or_default();
                self.call.handle(Instant::now(), CallInput::BackFromAgent { task });
            }
        }
    }

    /// The caller stays with whoever the agent has called, who is there or rings yet.
    async fn go_on_without_agent(&mut self, leg: ThirdLeg, whom: Third) {
        match (leg, whom) {
            (ThirdLeg::There(leg), Third::There { whom }) => {
                self.go_on_with_third(&whom, leg).await;
            }
            (ThirdLeg::Ringing(work), Third::Rung { whom, .. }) => self.go_on_ringing(&whom, work),
            // Cannot be: the two go together.
            _ => {
                let outcome = TransferOutcome::Failed;
                self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
            }
        }
    }

    /// An agent's part is over: their leg ends, and the record says how long they talked.
    pub(super) async fn end_talk(&mut self, with: &mut AgentCall, outcome: &str) {
        let AgentCall { agent, talk, began, waited, .. } = with;
        self.end_wait_with((outcome, agent), (*waited, began.elapsed()));
        if let Some(desk) = &talk.desk {
            desk.tell(AgentCallPhase::Ended, &talk.switch);
        }
        talk.third.hang_up("the bridge is over").await;
        talk.agent.hang_up("the bridge is over").await;
    }
}
