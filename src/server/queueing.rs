//! A caller's way to people at desks, as their call's task has it.
//!
//! ```text
//!  Out ──Enqueue──▶ Entering ──▶ InLine ──Join──▶ Connecting ──can be heard──▶ talk (`agent_call`)
//!   ▲                  │ refused    │ ▲               │ not reached: Back             │
//!   │                  ▼            │ └───────────────┴── agent lost: Back ───────────┤
//!   └──── WaitEnded ◀──┴─── Over ◀──┘ └────────────────── sent on to others ──────────┤
//!   │                                     AtFrontDoor ◀── for a task ────────────────▶┤
//!   └──────────────────────── hung up, or passed on to a number ──────────────────────┘
//! ```
//!
//! Who waits where, and who is offered whom, is decided by the floor (`floor`), which is told here that a
//! caller comes and goes. What the caller hears of it is decided by their `Call`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::acd::handoff::{Handoff, HandoffLine};
use crate::acd::{
    AgentId, BackInQueue, LeftQueue, Place, RouterRefusal, WaitEnd, Waiter, WaiterKind,
};
use crate::audio::{SampleRate, tone};
use crate::base::{CallId, Pii, QueueName};
use crate::call::{CallInput, WaitNews};
use crate::conversation::TransferOutcome;
use crate::speech::TurnState;
use crate::store::TransferRecord;
use crate::web::view::{AgentCallPhase, LiveEvent, Phase, Speaker};
use crate::web::{NotDone, Reply};

use super::agent_call::AgentCall;
use super::agent_leg::AgentStep;
use super::bridge::{Desk, Entering, Origin, Switch, Talk, reply_of};
use super::call_task::CallTask;
use super::floor::{AgentCommand, QueueEvent};
use super::people::{People, Taker};
use super::transcribing::{Minutes, Said, SaidQueue, Transcribing};
use super::transfer::{ENDED_FIRST, Ringing};

/// How long we may go on speaking once somebody has taken the call and can be heard.
const COMING_LIMIT: Duration = Duration::from_secs(3);

/// Level of the tone that tells that somebody is called: well below that of speech.
const TONE_DBFS: f64 = -30.0;

/// Everything about it.
pub(super) struct Queueing {
    pub people: People,
    pub(super) standing: Standing,
    /// What the caller's queue tells.
    events: Events,
    /// The hand-off that was stored last.
    handoff: Option<Arc<Handoff>>,
    /// Where the caller waits, or waited last.
    queue: Option<QueueName>,
    /// The wait that is under way, or led to the talk.
    wait: Option<Wait>,
    /// Since when the caller's place counts.
    since: Option<Instant>,
    said: SaidQueue,
    /// What was said to agents so far.
    minutes: Minutes,
    /// What is told to whoever takes the call on a telephone.
    announcement: Pii<String>,
    /// Where the caller could be called back.
    callback: Option<Pii<String>>,
    /// The tone that tells that somebody is called, and how far it has been played.
    tone: Vec<i16>,
    rung: usize,
}

/// Where the caller is on their way.
pub(super) enum Standing {
    /// With us, or put through.
    Out,
    /// The floor has not said yet whether they may wait.
    Entering(Entering),
    /// In line.
    InLine,
    /// In line until their wish to be called back is noted.
    Booking,
    /// Somebody has taken the call.
    Connecting(Box<Connecting>),
    /// They can be heard: once we have said that they come, they talk.
    Ready(Box<AgentCall>, Instant),
    /// Somebody waits until the front door has done something.
    AtFrontDoor(Box<AgentCall>),
    /// It has been done.
    Returning(Box<AgentCall>),
    /// An agent has let the caller go to somebody who rings yet: an attempt, if it is still under way.
    PassedOn,
}

/// Somebody has taken the call, and is not to be heard yet.
pub(super) struct Connecting {
    agent: AgentId,
    display_name: String,
    desk: Desk,
    work: Ringing,
}

/// A wait.
#[derive(Debug, Clone, Copy)]
struct Wait {
    began: Instant,
    /// The same from answer.
    at_ms: u64,
}

impl Wait {
    /// What is kept of it, if this came of it there.
    fn record(&self, queue: &str, outcome: &str, agent: Option<&AgentId>) -> TransferRecord {
        TransferRecord {
            at_ms: self.at_ms,
            queue: queue.to_owned(),
            way: "desk".to_owned(),
            outcome: outcome.to_owned(),
            agent: agent.map(|agent| agent.as_str().to_owned()),
            status: None,
            took_ms: millis(self.began.elapsed()),
            bridged_ms: None,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// What the caller's queue tells, as long as there is one.
pub(super) enum Events {
    Open(mpsc::Receiver<QueueEvent>),
    Closed,
}

impl Events {
    /// The next event, or that there will be none: once, and then nothing for ever. Safe to cancel.
    pub async fn next(&mut self) -> Option<QueueEvent> {
        match self {
            Self::Open(events) => {
                let event = events.recv().await;
                if event.is_none() {
                    *self = Self::Closed;
                }
                event
            }
            Self::Closed => std::future::pending().await,
        }
    }
}

/// Something that happened on the way.
pub(super) enum Happening {
    Entered(Result<mpsc::Receiver<QueueEvent>, RouterRefusal>),
    Queue(Option<QueueEvent>),
    Reached(Result<Box<super::agent_leg::AgentLeg>, super::transfer::NotReached>),
    Command(AgentCommand),
    /// On the leg of whoever waits for the front door.
    Agent(AgentStep),
    Return,
    Said(Said),
}

impl Queueing {
    /// A caller who has not asked for anybody yet.
    pub fn new(people: People, callback: Option<Pii<String>>) -> Self {
        Self {
            people,
            standing: Standing::Out,
            events: Events::Closed,
            handoff: None,
            queue: None,
            wait: None,
            since: None,
            said: SaidQueue::new(),
            minutes: Minutes::default(),
            announcement: Pii::default(),
            callback,
            tone: tone::ringback(SampleRate::HZ_8000, TONE_DBFS),
            rung: 0,
        }
    }

    /// The next of what the caller hears while somebody is about to be heard: that it rings.
    pub fn ring(&mut self, samples: &mut [i16], is_tried: bool) {
        let rings = match self.standing {
            Standing::Connecting(_) => true,
            Standing::PassedOn => is_tried,
            _ => false,
        };
        if !rings {
            self.rung = 0;
            return;
        }
        for sample in samples {
            let tone = self.tone.get(self.rung).copied().unwrap_or_default();
            *sample = sample.saturating_add(tone);
            self.rung = if self.rung + 1 < self.tone.len() { self.rung + 1 } else { 0 };
        }
    }

    /// What is waited for while the caller talks with somebody.
    pub fn parts(&mut self) -> (&mut Events, &mut SaidQueue) {
        (&mut self.events, &mut self.said)
    }

    /// What is told to whoever is called, where that is asked for.
    pub fn announcement(&self) -> &Pii<String> {
        &self.announcement
    }

    /// Where the caller waits, or waited last.
    pub fn queue(&self) -> Option<&QueueName> {
        self.queue.as_ref()
    }

    /// Notes the hand-off that is stored.
    pub fn note_handoff(&mut self, handoff: Arc<Handoff>) {
        self.handoff = Some(handoff);
    }

    /// Waits for what happens next; for ever if nothing is under way. Safe to cancel.
    pub async fn next(&mut self) -> Happening {
        let Self { standing, events, said, .. } = self;
        tokio::select! {
            happening = standing.next() => happening,
            event = events.next() => Happening::Queue(event),
            said = said.next() => Happening::Said(said),
        }
    }

    /// The hand-off for whoever takes the call next: with what was said to the one before.
    fn handoff_for(&self, queue: &QueueName) -> Option<Arc<Handoff>> {
        let mut handoff = Handoff::clone(self.handoff.as_ref()?);
        handoff.queue = queue.as_str().to_owned();
        handoff.transcript.extend(self.minutes.iter().map(|said| HandoffLine {
            at_ms: said.at_ms,
            speaker: speaker_word(said.speaker).to_owned(),
            text: said.text.expose().clone(),
        }));
        Some(Arc::new(handoff))
    }

    /// Writes down the next talk.
    fn scribe(&self, call: CallId) -> Transcribing {
        Transcribing::start(&self.people.scribe, call, self.said.sender())
    }
}

/// The word for it in documents and records.
pub(super) const fn speaker_word(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Caller => "caller",
        Speaker::Frontdoor => "frontdoor",
        Speaker::Agent => "agent",
    }
}

impl Standing {
    async fn next(&mut self) -> Happening {
        match self {
            Self::Out | Self::InLine | Self::Booking | Self::PassedOn => {
                std::future::pending().await
            }
            Self::Entering(work) => Happening::Entered(match work.await {
                Ok(entered) => entered,
                Err(_) => Err(RouterRefusal::NoQueue),
            }),
            Self::Connecting(connecting) => {
                let Connecting { desk, work, .. } = &mut **connecting;
                tokio::select! {
                    command = desk.next_command() => Happening::Command(command),
                    reached = work => Happening::Reached(match reached {
                        Ok(reached) => reached.map(Box::new),
                        Err(error) => {
                            Err(super::transfer::NotReached::failed(&error.to_string()))
                        }
                    }),
                }
            }
            Self::Ready(with, _) | Self::AtFrontDoor(with) => with.next_while_waiting().await,
            Self::Returning(_) => Happening::Return,
        }
    }
}

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
    pub(super) fn enqueue(&mut self, queue: String, announcement: Pii<String>) {
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
    pub(super) fn ask_to_wait(
        &mut self,
        queue: &QueueName,
        only: Option<AgentId>,
    ) -> Option<Entering> {
        let handoff = self.queueing.handoff_for(queue)?;
        let queueing = &mut self.queueing;
        let waiter = Waiter {
            call: self.dispatch.call(),
            queue: queue.clone(),
            // Those of the hand-off are those of its queue.
            needs: Vec::new(),
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
    pub(super) fn sent_on(&mut self, events: mpsc::Receiver<QueueEvent>) {
        self.queueing.events = Events::Open(events);
        self.wait_again();
        // To the caller it is as if nobody had taken the call yet.
        let why = BackInQueue::NotTaken;
        self.call.handle(Instant::now(), CallInput::BackInQueue { why });
    }

    /// Takes the caller out of line, or has them called back.
    pub(super) fn leave_queue(&mut self, why: LeftQueue) {
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
    pub(super) fn update_handoff(&mut self, mut handoff: Handoff) {
        handoff.reference.clone_from(&self.reference);
        let handoff = Arc::new(handoff);
        if let Some(reference) = self.reference.clone() {
            self.dispatch.update_handoff(reference, Arc::clone(&handoff));
        }
        self.queueing.note_handoff(handoff);
        let queue = self.queueing.queue.as_ref();
        if let Some(handoff) = queue.and_then(|queue| self.queueing.handoff_for(queue)) {
            self.queueing.people.acd.update_handoff(self.dispatch.call(), handoff);
        }
    }

    /// The front door has done what the agent sent the caller for.
    pub(super) fn return_to_agent(&mut self) {
        self.queueing.standing = match std::mem::replace(&mut self.queueing.standing, Standing::Out)
        {
            Standing::AtFrontDoor(with) => Standing::Returning(with),
            // They are gone meanwhile, and the caller has been told.
            standing => standing,
        };
    }

    /// Notes what came of the wish to be called back.
    pub(super) fn note_booking(&mut self, booked: bool) {
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
    pub(super) async fn on_happening(&mut self, happening: Happening) {
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
    pub(super) fn note_said(&mut self, said: Said) {
        self.live.tell(LiveEvent::Line {
            at_ms: said.at_ms,
            speaker: said.speaker,
            text: said.text.expose().clone(),
        });
        self.records.said(&said);
        self.queueing.minutes.add(said);
    }

    async fn on_queue_event(&mut self, event: QueueEvent) {
        match event {
            QueueEvent::News(place) => self.on_place(&place),
            QueueEvent::Moved { to } => self.queueing.queue = Some(to),
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
        self.queueing.queue = Some(place.queue.clone());
        self.live.tell(LiveEvent::Phase {
            phase: Phase::Waiting,
            queue: Some(place.queue.as_str().to_owned()),
            position: Some(place.position),
            wait_from_s: place.wait.map(|wait| wait.from.as_secs()),
            wait_to_s: place.wait.map(|wait| wait.to.as_secs()),
            agent: None,
        });
        let news = WaitNews { position: place.position, agents: place.agents, wait: place.wait };
        self.call.handle(Instant::now(), CallInput::Waiting(news));
    }

    /// The floor tells nothing more of the caller. Of one who talks, or is called back, it need not.
    fn on_queue_gone(&mut self) {
        if matches!(self.queueing.standing, Standing::InLine) {
            tracing::error!("the floor has forgotten a caller who waits");
            self.waits_no_more(WaitEnd::NoQueue);
        }
    }

    /// Nobody has taken the call, and the caller is told so. That people call back is noted by the floor.
    pub(super) fn waits_no_more(&mut self, why: WaitEnd) {
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
    pub(super) fn end_wait_with(
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

    /// The caller waits in the same queue again.
    pub(super) fn wait_again(&mut self) {
        let at_ms = self.records.elapsed_ms();
        self.queueing.wait = Some(Wait { began: Instant::now(), at_ms });
        self.queueing.standing = Standing::InLine;
    }

    /// Somebody has taken the call: their audio is set up.
    fn connect(
        &mut self,
        (agent, display_name): (AgentId, String),
        (way, answer): (crate::web::AnswerWay, Reply<Option<String>>),
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

    async fn on_reached(
        &mut self,
        reached: Result<Box<super::agent_leg::AgentLeg>, super::transfer::NotReached>,
    ) {
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
                self.not_joined();
            }
        }
    }

    /// Whoever took the call cannot be heard: the floor says that the caller is first again.
    fn not_joined(&mut self) {
        self.queueing.standing = Standing::InLine;
        self.queueing.people.acd.join_failed(self.dispatch.call());
    }

    /// The agent asks for something while the caller is not to be heard yet, or is at the front door.
    async fn on_command(&mut self, command: AgentCommand) {
        let standing = std::mem::replace(&mut self.queueing.standing, Standing::Out);
        match (command, standing) {
            (AgentCommand::HangUp(reply), Standing::Connecting(_) | Standing::Ready(..)) => {
                let _ = reply.send(Ok(()));
                tracing::info!("the agent hung up before they could be heard");
                self.not_joined();
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
        match (kept, is_ready) {
            (Ok(()), Some(true)) => self.join().await,
            (Ok(()), _) => {}
            (Err(why), Some(_)) => {
                tracing::warn!(why, "the agent is gone before the caller could hear them");
                self.not_joined();
            }
            (Err(why), None) => self.agent_gone_at_front_door(why).await,
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

    async fn agent_gone_at_front_door(&mut self, why: &str) {
        let hung_up = match &self.queueing.standing {
            Standing::AtFrontDoor(with) => with.talk.agent.was_hung_up(),
            _ => false,
        };
        if hung_up {
            return self.agent_done_at_front_door().await;
        }
        tracing::warn!(why, "the agent who waited for the caller is gone");
        self.drop_agent("failed").await;
        self.wait_again();
        self.queueing.people.acd.agent_lost(self.dispatch.call());
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
    pub(super) fn tell_phase_with(&self, phase: Phase, agent: &str) {
        let agent = Some(agent.to_owned());
        let (queue, position, wait_from_s, wait_to_s) = (None, None, None, None);
        let event = LiveEvent::Phase { phase, queue, position, wait_from_s, wait_to_s, agent };
        self.live.tell(event);
    }

    /// The call is over: nobody is to wait for the caller any longer, and the last words are written down.
    pub(super) async fn leave_everybody(&mut self) {
        self.drop_agent(TransferOutcome::Succeeded.as_str()).await;
        if self.queueing.handoff.is_some() {
            self.queueing.people.acd.leave(self.dispatch.call(), LeftQueue::HungUp);
        }
        self.end_wait(ENDED_FIRST);
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

    #[test]
    fn a_wait_is_kept_as_a_way_of_its_own() {
        let wait = Wait { began: Instant::now(), at_ms: 1_500 };
        let succeeded = TransferOutcome::Succeeded.as_str();
        let record = wait.record("cards", succeeded, Some(&AgentId::new("sam")));
        assert_eq!((record.way.as_str(), record.agent.as_deref()), ("desk", Some("sam")));
        assert_eq!((record.queue.as_str(), record.outcome.as_str()), ("cards", "succeeded"));
        assert_eq!((record.at_ms, record.bridged_ms), (1_500, None));
    }

    #[tokio::test]
    async fn a_queue_that_says_no_more_says_so_once() {
        let (sender, receiver) = mpsc::channel(1);
        let mut events = Events::Open(receiver);
        drop(sender);
        assert!(events.next().await.is_none());
        let again = std::future::poll_fn(|context| {
            let next = std::pin::pin!(events.next());
            std::task::Poll::Ready(next.poll(context).is_pending())
        });
        assert!(again.await);
    }
}
