//! Customers are called back: the agent's audio is set up, the customer is called and told who calls, and the
//! two are joined.
//!
//! ```text
//!  job ─▶ agent's leg ──▶ customer rings ──answers──▶ on the disk ─▶ "This is ..." ─▶ joined (`bridge::pair`)
//!            │ not set up     │ not reached                                              │ agent lost
//!            ▼                ▼                                                          ▼
//!        back in the queue   later, or people call back                        back in the queue
//! ```

use std::future::Future;
use std::net::IpAddr;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::audio::{SampleRate, tone};
use crate::base::Pii;
use crate::server::agent_leg::{AgentLeg, AgentStep};
use crate::server::bridge::{Pair, PairEnd, pair, reply_of};
use crate::server::people::{People, Taker};
use crate::web::NotDone;
use crate::web::live::Live;
use crate::web::view::{LiveCallView, Phase};

use super::api::{AgentCommand, CallbackOutcome};
use super::jobs::{CallbackJob, Trying};

/// What agents hear while it rings at the customer's.
const RINGING_DBFS: f64 = -24.0;

/// 20 ms at 8 kHz.
const FRAME_LEN: usize = 160;

/// What it takes to call customers back. Cheap to clone.
#[derive(Clone)]
pub(in crate::server) struct CallingBack {
    pub people: People,
    pub live: Live,
    /// Where media is bound if the way to the other side is not known.
    pub near: IpAddr,
    /// Those that are under way.
    pub calls: TaskTracker,
    /// Ends them: the server stops.
    pub stop: CancellationToken,
}

impl CallingBack {
    /// Calls whoever is to be called, each in a task of its own. No more at once than there are agents.
    pub async fn run(self, mut jobs: mpsc::Receiver<CallbackJob>) {
        while let Some(job) = jobs.recv().await {
            let span = tracing::info_span!("callback", call_id = %job.call, attempt = job.attempt);
            let this = self.clone();
            self.calls.spawn(this.call_back(job).instrument(span));
        }
    }

    async fn call_back(self, job: CallbackJob) {
        let mut trying = Trying::new(self.people.acd.clone(), &job);
        let (cancel, stop) = (job.cancel.clone(), self.stop.clone());
        // Dropping what goes on hangs up.
        tokio::select! {
            biased;
            () = cancel.cancelled() => tracing::info!("called off: the agent is gone"),
            () = stop.cancelled() => trying.came_to_nothing(),
            () = self.join(job, &mut trying) => {}
        }
    }

    async fn join(&self, job: CallbackJob, trying: &mut Trying) {
        let CallbackJob { call, number, greeting, profile, handoff, agent, display_name, .. } = job;
        let mut commands = job.commands;
        let taker = Taker {
            agent,
            way: job.way,
            answer: job.answer,
            reference: job.reference.clone(),
            announcement: Pii::new(handoff.summary.clone()),
            near: self.near,
        };
        let mut agent = match unless_hung_up(&mut commands, self.people.reach(taker)).await {
            Some(Ok(Ok(leg))) => leg,
            Some(Ok(Err(not))) => {
                return tracing::warn!(why = not.why(), "the agent's audio could not be set up");
            }
            Some(Err(error)) => return tracing::error!(%error, "the agent's audio failed"),
            None => return tracing::info!("the agent hung up before they could be heard"),
        };
        let calling = self.customer(&number, &mut agent);
        let mut customer = match unless_hung_up(&mut commands, calling).await {
            Some(Customer::Reached(leg)) => leg,
            Some(Customer::NotReached) => {
                trying.came_to(CallbackOutcome::NotReached);
                return agent.hang_up("the customer was not reached").await;
            }
            Some(Customer::AgentGone(why)) => {
                return tracing::warn!(why, "the agent is gone before anybody answered");
            }
            None => return agent.hang_up("the agent hung up").await,
        };
        // From here on a crash is no reason to call them again.
        trying.came_to(CallbackOutcome::NotReached);
        let told = self.greet(greeting, &mut customer, &mut agent);
        let (told, ()) = tokio::join!(told, trying.answered());
        match told {
            Told::Both => {}
            Told::CustomerGone => return agent.hang_up("the customer hung up").await,
            Told::AgentGone(why) => {
                tracing::warn!(why, "the agent is gone before they were joined");
                trying.came_to(CallbackOutcome::AgentLost);
                return customer.hang_up("nobody is there for them").await;
            }
        }
        self.people.acd.joined(call);
        trying.came_to(CallbackOutcome::Served);
        let view = LiveCallView {
            call_id: call.to_string(),
            answered_at: jiff::Timestamp::now().to_string(),
            caller: number.expose().clone(),
            called: number.into_inner(),
            channel: "sip".to_owned(),
            profile,
            phase: Phase::WithAgent,
            queue: None,
            agent: Some(display_name.clone()),
            intent: handoff.intent.as_ref().map(|intent| intent.name.clone()),
            last_line: None,
        };
        let joined = Pair {
            call,
            customer,
            agent: Box::new(agent),
            display_name,
            commands,
            reference: job.reference,
            near: self.near,
            live: Some(self.live.begin(call, view)),
            stop: self.stop.clone(),
        };
        if pair(&self.people, joined).await == PairEnd::AgentLost {
            trying.came_to(CallbackOutcome::AgentLost);
        }
    }

    /// Calls a customer; the agent hears it ring.
    async fn customer(&self, number: &Pii<String>, agent: &mut AgentLeg) -> Customer {
        let Some(ringing) = self.people.transfers.call_customer(number, self.near) else {
            tracing::error!("this number may not be called any more: see [callbacks] allowed");
            return Customer::NotReached;
        };
        let reached = tokio::select! {
            reached = ringing => reached,
            why = ring(agent) => return Customer::AgentGone(why),
        };
        match reached {
            Ok(Ok(leg)) => Customer::Reached(Box::new(leg)),
            Ok(Err(not)) => {
                tracing::info!(why = not.why(), "the customer was not reached");
                Customer::NotReached
            }
            Err(error) => {
                tracing::error!(%error, "the call to the customer failed");
                Customer::NotReached
            }
        }
    }

    /// Tells a customer who calls. They are not told if our voice fails: they have been promised a call.
    async fn greet(&self, greeting: String, customer: &mut AgentLeg, agent: &mut AgentLeg) -> Told {
        let words = Pii::new(greeting);
        let voice = self.people.transfers.voice();
        tokio::select! {
            told = customer.whisper(voice, &words) => match told {
                Ok(()) => Told::Both,
                Err(not) => {
                    tracing::info!(why = not.why(), "the customer hung up at once");
                    Told::CustomerGone
                }
            },
            why = quiet(agent) => Told::AgentGone(why),
        }
    }
}

/// What came of a call to a customer.
enum Customer {
    Reached(Box<AgentLeg>),
    NotReached,
    AgentGone(&'static str),
}

/// Who is still there when the customer has been told who calls.
enum Told {
    Both,
    CustomerGone,
    AgentGone(&'static str),
}

/// Waits for something, unless the agent hangs up, or is gone, first.
async fn unless_hung_up<T>(
    commands: &mut mpsc::Receiver<AgentCommand>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(work);
    loop {
        let command = tokio::select! {
            biased;
            done = &mut work => return Some(done),
            command = commands.recv() => command?,
        };
        match command {
            AgentCommand::HangUp(reply) => {
                // An error means that the page has gone.
                let _ = reply.send(Ok(()));
                return None;
            }
            command => {
                let why = "the customer has not answered yet".to_owned();
                let _ = reply_of(command).send(Err(NotDone::Conflict(why)));
            }
        }
    }
}

/// Lets an agent hear that it rings, until they are gone.
async fn ring(agent: &mut AgentLeg) -> &'static str {
    let tone = tone::ringback(SampleRate::HZ_8000, RINGING_DBFS);
    let mut frames = tone.chunks(FRAME_LEN).cycle();
    loop {
        match agent.next_step().await {
            AgentStep::Tick => {
                if let Err(why) = agent.hear(Instant::now()) {
                    return why;
                }
                let frame = frames.next().unwrap_or(&[0; FRAME_LEN]);
                agent.say(frame, SampleRate::HZ_8000).await;
            }
            AgentStep::SeenTo => {}
            AgentStep::Gone(why) => return why,
        }
    }
}

/// Keeps an agent who hears nothing, until they are gone.
async fn quiet(agent: &mut AgentLeg) -> &'static str {
    loop {
        match agent.next_step().await {
            AgentStep::Tick => {
                if let Err(why) = agent.keep_quiet().await {
                    return why;
                }
            }
            AgentStep::SeenTo => {}
            AgentStep::Gone(why) => return why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn an_agent_may_hang_up_while_it_rings_and_do_nothing_else() {
        let (sender, mut commands) = mpsc::channel(4);
        let (hold, held) = oneshot::channel();
        let (hang_up, hung_up) = oneshot::channel();
        sender.send(AgentCommand::Hold(hold)).await.expect("room");
        sender.send(AgentCommand::HangUp(hang_up)).await.expect("room");
        let never = std::future::pending::<()>();
        assert!(unless_hung_up(&mut commands, never).await.is_none());
        assert!(matches!(held.await, Ok(Err(NotDone::Conflict(_)))));
        assert_eq!(hung_up.await, Ok(Ok(())));
        drop(sender);
        assert_eq!(unless_hung_up(&mut commands, async { 7 }).await, Some(7));
    }
}
