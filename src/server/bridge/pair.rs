//! Somebody whom we have called back, and the agent for whom we have: joined without a call of ours, so
//! there is neither a queue nor a front door behind them.

use std::net::IpAddr;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::acd::AgentId;
use crate::audio::{AudioFrame, SampleRate};
use crate::base::{CallId, Pii, QueueName};
use crate::server::agent_leg::{AgentLeg, AgentStep};
use crate::server::floor::AgentCommand;
use crate::server::people::People;
use crate::server::transcribing::{Said, SaidQueue, Transcribing};
use crate::server::transfer::{Ringing, Transfers};
use crate::web::live::LiveCall;
use crate::web::view::{AgentCallPhase, LiveEvent, Phase};

use super::{Callee, Customer, Desk, End, Entering, Leave, Origin, Sound, Switch, Talk, ThirdLeg};

/// The two, and what else it takes.
pub(in crate::server) struct Pair {
    /// Whose call it is for the agent's page: that which asked to be called back.
    pub call: CallId,
    /// Who was called back.
    pub customer: Box<AgentLeg>,
    pub agent: Box<AgentLeg>,
    /// As customers may know them.
    pub display_name: String,
    pub commands: mpsc::Receiver<AgentCommand>,
    /// What the hand-off is found by from outside.
    pub reference: Option<String>,
    /// Where media of others who are called is bound, unless the way to them is known.
    pub near: IpAddr,
    /// Who watches.
    pub live: Option<LiveCall>,
    /// The server stops.
    pub stop: CancellationToken,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum PairEnd {
    /// Somebody hung up, or somebody else took over and then hung up.
    Over,
    /// The agent's audio died.
    AgentLost,
}

/// Joins the two until it is over. All legs are hung up then.
pub(in crate::server) async fn pair(people: &People, pair: Pair) -> PairEnd {
    let Pair { call, customer, agent, display_name, commands, reference, near, live, stop } = pair;
    let said = SaidQueue::new();
    let mut talk = Talk::new(
        agent,
        Some(Desk::new(people.acd.clone(), call, commands, people.means(Origin::Ours))),
        people.music(),
    );
    talk.transcribing = Some(Transcribing::start(&people.scribe, call, said.sender()));
    let mut customer = CalledBack {
        leg: customer,
        is_here: true,
        began: Instant::now(),
        live,
        said,
        stop,
        transfers: people.transfers.clone(),
        reference,
        near,
    };
    customer.tell_phase(Some(display_name));
    let end = talk.pass_on(&mut customer).await;
    if let Some(transcribing) = &mut talk.transcribing {
        transcribing.rest_all(customer.elapsed_ms());
    }
    tracing::info!(?end, "the agent's part in a call back is over");
    if let Some(desk) = &talk.desk {
        desk.tell(AgentCallPhase::Ended, &Switch::default());
    }
    let third = std::mem::replace(&mut talk.third, ThirdLeg::Nobody);
    talk.agent.hang_up("the bridge is over").await;
    // Ends writing down, once all is written.
    talk.transcribing = None;
    if let (End::Left(Leave::WithThird, _), ThirdLeg::There(third)) = (&end, third) {
        // The agent goes on to other calls; whatever becomes of their page is no matter to these two.
        people.acd.ended(call);
        let mut talk = Talk::new(third, None, people.music());
        talk.pass_on(&mut customer).await;
        talk.agent.hang_up("the bridge is over").await;
    }
    customer.close().await;
    match end {
        End::Left(Leave::Lost, _) => PairEnd::AgentLost,
        End::CustomerGone | End::Left(..) => PairEnd::Over,
    }
}

/// Who was called back.
struct CalledBack {
    leg: Box<AgentLeg>,
    is_here: bool,
    began: Instant,
    live: Option<LiveCall>,
    said: SaidQueue,
    stop: CancellationToken,
    transfers: Transfers,
    reference: Option<String>,
    near: IpAddr,
}

enum CalledBackEvent {
    Leg(AgentStep),
    Said(Said),
    Stop,
}

impl CalledBack {
    fn tell(&self, event: LiveEvent) {
        if let Some(live) = &self.live {
            live.tell(event);
        }
    }

    fn tell_phase(&self, agent: Option<String>) {
        self.tell(LiveEvent::Phase {
            phase: Phase::WithAgent,
            queue: None,
            position: None,
            wait_from_s: None,
            wait_to_s: None,
            agent,
        });
    }

    fn note(&self, said: Said) {
        let Said { at_ms, speaker, text, .. } = said;
        self.tell(LiveEvent::Line { at_ms, speaker, text: text.into_inner() });
    }

    /// Hangs up, and waits for the last words.
    async fn close(mut self) {
        self.leg.hang_up("the call is over").await;
        let said = std::mem::replace(&mut self.said, SaidQueue::new());
        for said in said.last().await {
            self.note(said);
        }
    }
}

impl Customer for CalledBack {
    type Event = CalledBackEvent;

    async fn next_event(&mut self) -> CalledBackEvent {
        tokio::select! {
            step = self.leg.next_step(), if self.is_here => CalledBackEvent::Leg(step),
            said = self.said.next() => CalledBackEvent::Said(said),
            () = self.stop.cancelled(), if self.is_here => CalledBackEvent::Stop,
        }
    }

    async fn see_to(&mut self, event: CalledBackEvent) {
        match event {
            // The agent's leg has the clock.
            CalledBackEvent::Leg(AgentStep::Tick | AgentStep::SeenTo) => {}
            CalledBackEvent::Leg(AgentStep::Gone(why)) => {
                tracing::info!(why, "who was called back is gone");
                self.is_here = false;
            }
            CalledBackEvent::Said(said) => self.note(said),
            CalledBackEvent::Stop => self.is_here = false,
        }
    }

    fn is_here(&self) -> bool {
        self.is_here
    }

    async fn hear(&mut self, now: Instant) -> Option<AudioFrame> {
        match self.leg.hear(now) {
            Ok(frame) => Some(frame),
            Err(why) => {
                tracing::info!(why, "who was called back is gone");
                self.is_here = false;
                None
            }
        }
    }

    async fn say(&mut self, samples: &[i16], rate: SampleRate) {
        self.leg.say(samples, rate).await;
    }

    fn poll_key(&mut self) -> Option<char> {
        self.leg.poll_key()
    }

    fn press(&mut self, key: char) {
        self.leg.press(key);
    }

    fn record(&mut self, _: &AudioFrame, _: &Sound) {}

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn send_on(&mut self, _: Option<QueueName>, _: Option<AgentId>) -> Option<Entering> {
        None
    }

    fn call(&mut self, whom: &Callee) -> Option<Ringing> {
        let reference = self.reference.as_deref();
        self.transfers.call(whom, reference, Pii::default(), self.near)
    }
}
