//! The audio of a caller and of whoever took their call, passed from one to the other, 20 ms by 20 ms,
//! by the clock of whoever took it.
//!
//! Where that is somebody at a desk ([`Desk`]), they switch it: hold with music, mute, keys, somebody else
//! who joins or takes over. What comes of what they ask for is decided in `switch`, who hears what in
//! `sound`; here it is carried out. What the end of it means for the caller is for whoever began it.
//!
//! # Who decides, where both sides end at once
//! A caller who is gone ends it, whatever else has happened: there is nobody to be put back into a queue. An
//! agent who is gone without having hung up is waited for [`HANG_UP_GRACE`]: a page that hangs up may lose
//! its audio before it has said so.

mod caller;
mod pair;
mod sound;
mod switch;
mod third;

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::task::AbortOnDropHandle;

use crate::acd::{AgentId, RouterRefusal};
use crate::audio::{AudioFrame, SampleRate};
use crate::base::{CallId, Pii, QueueName};
use crate::web::view::{AgentCallPhase, Speaker};
use crate::web::{NotDone, Reply};

use super::agent_leg::{AgentLeg, AgentStep};
use super::floor::{Acd, AgentCallNews, AgentCommand, Microphone, QueueEvent};
use super::transcribing::Transcribing;
use super::transfer::Ringing;

pub(super) use caller::{Caller, CallerEnd, Recording};
pub(super) use pair::{Pair, PairEnd, pair};
pub(super) use sound::{Music, Sound};
pub(super) use switch::{Callee, Leave, Means, Origin, Switch, Third};
pub(super) use third::ThirdLeg;

use sound::Mixer;
use switch::{Act, Asked, Gone, Hold};
use third::ThirdNews;

/// How long it is waited whether an agent whose audio is gone has hung up on purpose.
const HANG_UP_GRACE: Duration = Duration::from_millis(1_500);

/// How long it is waited for what the floor says, of an agent who is gone: it needs no longer.
const SENDING_LIMIT: Duration = Duration::from_secs(5);

/// Silence after which an agent whose page is gone, too, is taken for gone.
const DESKLESS_SILENCE: Duration = Duration::from_secs(3);

/// The side that was brought to an agent: a caller of ours, or somebody whom we have called.
pub(super) trait Customer {
    /// Something that happens there.
    type Event: Send;

    /// Waits for it. Safe to cancel.
    fn next_event(&mut self) -> impl Future<Output = Self::Event> + Send;

    /// Sees to it.
    fn see_to(&mut self, event: Self::Event) -> impl Future<Output = ()> + Send;

    /// Whether they are still there, and to be passed anything.
    fn is_here(&self) -> bool;

    /// Their next 20 ms; `None` if that is how it turns out that they are not.
    fn hear(&mut self, now: Instant) -> impl Future<Output = Option<AudioFrame>> + Send;

    /// Says 20 ms to them.
    fn say(&mut self, samples: &[i16], rate: SampleRate) -> impl Future<Output = ()> + Send;

    /// The next key that they have pressed.
    fn poll_key(&mut self) -> Option<char>;

    /// Presses a key towards them.
    fn press(&mut self, key: char);

    /// Keeps 20 ms of what they said and heard, if that is kept.
    fn record(&mut self, said: &AudioFrame, heard: &Sound);

    /// Time since the beginning of what lines are told the time of.
    fn elapsed_ms(&self) -> u64;

    /// Asks the floor to have them wait, in this queue or where they waited before, perhaps for this agent
    /// only; `None` if they cannot be made to wait.
    fn send_on(&mut self, queue: Option<QueueName>, only: Option<AgentId>) -> Option<Entering>;

    /// Begins to call somebody who is to join them, or to take them over; `None` if there is no way to.
    fn call(&mut self, whom: &Callee) -> Option<Ringing>;
}

/// The floor has been asked to have a caller wait. Dropping it takes that back.
pub(super) type Entering = AbortOnDropHandle<Result<mpsc::Receiver<QueueEvent>, RouterRefusal>>;

/// The desk of whoever took the call.
pub(super) struct Desk {
    acd: Acd,
    call: CallId,
    commands: Commands,
    means: Means,
    /// What the front door is to do.
    task: Option<String>,
}

/// What an agent does, as long as their page is there.
enum Commands {
    Open(mpsc::Receiver<AgentCommand>),
    Closed,
}

impl Commands {
    /// The next one, or that there will be none: once, and then nothing for ever. Safe to cancel.
    async fn next(&mut self) -> Option<AgentCommand> {
        match self {
            Self::Open(commands) => {
                let command = commands.recv().await;
                if command.is_none() {
                    *self = Self::Closed;
                }
                command
            }
            Self::Closed => std::future::pending().await,
        }
    }
}

impl Desk {
    /// The desk of an agent in this call.
    pub fn new(
        acd: Acd,
        call: CallId,
        commands: mpsc::Receiver<AgentCommand>,
        means: Means,
    ) -> Self {
        Self { acd, call, commands: Commands::Open(commands), means, task: None }
    }

    /// The next thing that the agent asks for; for ever if their page is gone. Safe to cancel.
    pub async fn next_command(&mut self) -> AgentCommand {
        loop {
            if let Some(command) = self.commands.next().await {
                return command;
            }
        }
    }

    /// Whether the floor has let the agent go.
    fn is_over(&self) -> bool {
        match &self.commands {
            Commands::Open(commands) => commands.is_closed(),
            Commands::Closed => true,
        }
    }

    /// What the front door is to do for the agent.
    pub fn take_task(&mut self) -> String {
        self.task.take().unwrap_or_default()
    }

    /// Shows this on the agent's page.
    pub fn tell(&self, phase: AgentCallPhase, switch: &Switch) {
        let news = AgentCallNews {
            phase,
            held: switch.hold == Hold::OnHold,
            muted: switch.microphone == Microphone::Muted,
            others: switch.others(),
        };
        self.acd.tell(self.call, news);
    }
}

/// Somebody who has taken a call, with what they have switched.
pub(super) struct Talk {
    pub agent: Box<AgentLeg>,
    pub switch: Switch,
    pub third: ThirdLeg,
    /// `None` where it is no desk of ours.
    pub desk: Option<Desk>,
    pub transcribing: Option<Transcribing>,
    /// The queue that the caller waits in from now on.
    pub entered: Option<mpsc::Receiver<QueueEvent>>,
    /// The caller is being sent on, and who wants to know whether they are.
    sending: Option<(Entering, Reply<()>)>,
    mixer: Mixer,
    /// The agent's leg is gone, and until when it is waited whether that was meant.
    gone: Option<(&'static str, Instant)>,
}

/// How a bridge ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The customer is gone, or was taken away.
    CustomerGone,
    /// Whoever took the call is, or passes it on; and why, for the log.
    Left(Leave, &'static str),
}

enum Step<E> {
    Customer(E),
    Command(Option<AgentCommand>),
    Agent(AgentStep),
    Third(ThirdNews),
    Entered(Result<mpsc::Receiver<QueueEvent>, RouterRefusal>),
    GraceOver,
}

impl Talk {
    /// Somebody has taken the call.
    pub fn new(agent: Box<AgentLeg>, desk: Option<Desk>, music: Music) -> Self {
        Self {
            agent,
            switch: Switch::default(),
            third: ThirdLeg::Nobody,
            desk,
            transcribing: None,
            entered: None,
            sending: None,
            mixer: Mixer::new(music),
            gone: None,
        }
    }

    /// Shows on the agent's page how things stand.
    pub fn tell(&self) {
        let phase = match self.switch.is_transferring() {
            true => AgentCallPhase::Transferring,
            false => AgentCallPhase::Talking,
        };
        if let Some(desk) = &self.desk {
            desk.tell(phase, &self.switch);
        }
    }

    /// Passes on until either side has no more to do with it.
    pub async fn pass_on<C: Customer>(&mut self, customer: &mut C) -> End {
        self.tell();
        while customer.is_here() {
            let step = self.next_step(customer).await;
            let left = match step {
                Step::Customer(event) => {
                    customer.see_to(event).await;
                    None
                }
                Step::Command(Some(command)) => self.obey(command, customer),
                Step::Command(None) => None,
                Step::Agent(AgentStep::Tick) => self.pass_frames(customer).await,
                Step::Agent(AgentStep::SeenTo) => None,
                Step::Agent(AgentStep::Gone(why)) => self.agent_gone(why),
                Step::Third(news) => self.third_news(news),
                Step::Entered(entered) => self.on_entered(entered),
                Step::GraceOver => Some((self.leave_as(Gone::Lost), "nobody hung up")),
            };
            if let Some((leave, why)) = left {
                return End::Left(leave, why);
            }
        }
        End::CustomerGone
    }

    async fn next_step<C: Customer>(&mut self, customer: &mut C) -> Step<C::Event> {
        let Self { agent, third, desk, sending, gone, .. } = self;
        // In no fixed order: who sends much is not to keep the others waiting.
        tokio::select! {
            event = customer.next_event() => Step::Customer(event),
            command = next_command(desk) => Step::Command(command),
            step = agent.next_step(), if gone.is_none() => Step::Agent(step),
            news = third.next() => Step::Third(news),
            entered = entered(sending) => Step::Entered(entered),
            () = until(gone.map(|(_, until)| until)) => Step::GraceOver,
        }
    }

    fn leave_as(&self, how: Gone) -> Leave {
        match &self.desk {
            Some(desk) => self.switch.agent_gone(how, &desk.means),
            None => Leave::Over,
        }
    }

    /// The agent's leg has ended: at once where somebody hung up there, or where nobody could say so in
    /// another way.
    fn agent_gone(&mut self, why: &'static str) -> Option<(Leave, &'static str)> {
        if self.sending.is_some() {
            // Who sends a caller on and hangs up without waiting means it.
            self.gone = Some((why, Instant::now() + SENDING_LIMIT));
            return None;
        }
        if self.agent.was_hung_up() || self.desk.is_none() {
            return Some((self.leave_as(Gone::OnPurpose), why));
        }
        if matches!(&self.desk, Some(Desk { commands: Commands::Closed, .. })) {
            return Some((self.leave_as(Gone::Lost), why));
        }
        tracing::warn!(why, "the agent's audio is gone");
        self.gone = Some((why, Instant::now() + HANG_UP_GRACE));
        None
    }

    /// The floor has taken the caller, or has not: then they stay.
    fn on_entered(
        &mut self,
        entered: Result<mpsc::Receiver<QueueEvent>, RouterRefusal>,
    ) -> Option<(Leave, &'static str)> {
        let (_, reply) = self.sending.take()?;
        match entered {
            Ok(events) => {
                self.entered = Some(events);
                answered(reply, Ok(()));
                Some((Leave::SentOn, "the caller was sent on"))
            }
            Err(refusal) => {
                self.switch.not_sent_on();
                answered(reply, Err(NotDone::Conflict(refusal.to_string())));
                if self.desk.as_ref().is_some_and(Desk::is_over) {
                    // It had let the agent go before it came to that.
                    return Some((self.leave_as(Gone::Lost), "the caller could not be sent on"));
                }
                self.tell();
                let (why, _) = self.gone.take()?;
                self.agent_gone(why)
            }
        }
    }

    fn third_news(&mut self, news: ThirdNews) -> Option<(Leave, &'static str)> {
        let act = match news {
            ThirdNews::Answered(leg) => {
                self.third = ThirdLeg::There(leg);
                self.switch.third_answered()
            }
            ThirdNews::NotReached(not) => {
                tracing::info!(why = not.why(), "whoever was called by the agent was not reached");
                self.third = ThirdLeg::Nobody;
                self.switch.third_gone();
                Act::Nothing
            }
            ThirdNews::Gone(why) => {
                tracing::info!(why, "whoever had joined is gone");
                self.third = ThirdLeg::Nobody;
                self.switch.third_gone();
                Act::Nothing
            }
        };
        self.tell();
        match act {
            Act::Leave(leave) => Some((leave, "somebody else took over")),
            _ => None,
        }
    }

    /// Does what the agent asks for, or says why not.
    fn obey<C: Customer>(
        &mut self,
        command: AgentCommand,
        customer: &mut C,
    ) -> Option<(Leave, &'static str)> {
        let Some(desk) = &mut self.desk else { return None };
        let (asked, with, reply) = taken_apart(command);
        let keys = match &with {
            With::Keys(keys) => keys.expose().as_str(),
            With::Task(_) | With::Nothing => "",
        };
        if !keys.chars().all(is_key) {
            let why = "a key is one of 0 to 9, * and #".to_owned();
            return answered(reply, Err(NotDone::BadRequest(why)));
        }
        let act = match self.switch.ask(asked, &desk.means) {
            Ok(act) => act,
            Err(not) => return answered(reply, Err(not)),
        };
        let mut left = None;
        match act {
            Act::Nothing => {}
            Act::Press => keys.chars().for_each(|key| customer.press(key)),
            Act::CallOff => self.third = ThirdLeg::Nobody,
            Act::Call(whom) => match customer.call(&whom) {
                Some(ringing) => self.third = ThirdLeg::Ringing(ringing),
                None => {
                    self.switch.third_gone();
                    let why = format!("there is no way to call {}", whom.name());
                    return answered(reply, Err(NotDone::NotFound(why)));
                }
            },
            Act::SendOn { queue, only } => match customer.send_on(queue, only) {
                Some(entering) => {
                    self.sending = Some((entering, reply));
                    self.tell();
                    return None;
                }
                None => {
                    self.switch.not_sent_on();
                    let why = "this caller cannot be made to wait".to_owned();
                    return answered(reply, Err(NotDone::Conflict(why)));
                }
            },
            Act::Leave(leave) => left = Some((leave, "the agent asked for it")),
        }
        if let With::Task(task) = with {
            desk.task = Some(task);
        }
        answered(reply, Ok(()));
        if left.is_none() {
            self.rest_where_nobody_is_heard(customer.elapsed_ms());
            self.tell();
        }
        left
    }

    /// What was being said when it was no longer heard is not being said any more.
    fn rest_where_nobody_is_heard(&mut self, now_ms: u64) {
        let Some(transcribing) = &mut self.transcribing else { return };
        let is_held = self.switch.hold == Hold::OnHold;
        if is_held {
            transcribing.rest(Speaker::Caller, now_ms);
        }
        if is_held || self.switch.microphone == Microphone::Muted {
            transcribing.rest(Speaker::Agent, now_ms);
        }
    }

    /// 20 ms from each side to the others.
    async fn pass_frames<C: Customer>(
        &mut self,
        customer: &mut C,
    ) -> Option<(Leave, &'static str)> {
        let now = Instant::now();
        let ours = customer.hear(now).await?;
        let is_talking = self.switch.hold == Hold::Talking;
        while let Some(key) = customer.poll_key() {
            self.agent.press(key);
        }
        let theirs = match self.agent.hear(now) {
            Ok(frame) => frame,
            Err(why) => return self.agent_gone(why),
        };
        while let Some(key) = self.agent.poll_key() {
            if is_talking {
                customer.press(key);
            }
        }
        let third = match self.third.hear(now) {
            Ok(frame) => frame,
            Err(why) => return self.third_news(ThirdNews::Gone(why)),
        };
        let heard = self.mixer.mix(&self.switch, (&ours, &theirs), third.as_ref());
        self.agent.say(&heard.agent.samples, heard.agent.rate).await;
        customer.say(&heard.caller.samples, heard.caller.rate).await;
        self.third.say(heard.third.as_ref()).await;
        customer.record(&ours, &heard.caller);
        self.transcribe(&ours, &theirs, customer.elapsed_ms());
        self.is_deskless_and_silent(now).then(|| {
            (self.leave_as(Gone::Lost), "the agent's page is gone, and no audio comes from them")
        })
    }

    /// What the two say to each other is written down; what is not heard by the other is not.
    fn transcribe(&mut self, ours: &AudioFrame, theirs: &AudioFrame, now_ms: u64) {
        let Some(transcribing) = &mut self.transcribing else { return };
        if self.switch.hold == Hold::OnHold {
            return;
        }
        transcribing.hear(Speaker::Caller, ours, now_ms);
        if self.switch.microphone == Microphone::On {
            transcribing.hear(Speaker::Agent, theirs, now_ms);
        }
    }

    fn is_deskless_and_silent(&self, now: Instant) -> bool {
        let is_closed = matches!(&self.desk, Some(Desk { commands: Commands::Closed, .. }));
        is_closed && self.agent.silent_for(now) > DESKLESS_SILENCE
    }
}

/// Waits for what the agent asks for next; for ever where there is no desk. Safe to cancel.
async fn next_command(desk: &mut Option<Desk>) -> Option<AgentCommand> {
    match desk {
        Some(desk) => desk.commands.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for what the floor says; for ever where it was not asked. Safe to cancel.
async fn entered(
    sending: &mut Option<(Entering, Reply<()>)>,
) -> Result<mpsc::Receiver<QueueEvent>, RouterRefusal> {
    match sending {
        Some((entering, _)) => entering.await.unwrap_or(Err(RouterRefusal::NoQueue)),
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

fn is_key(key: char) -> bool {
    key.is_ascii_digit() || matches!(key, '*' | '#')
}

/// Answers, whether or not somebody still waits for it.
fn answered(reply: Reply<()>, with: Result<(), NotDone>) -> Option<(Leave, &'static str)> {
    let _ = reply.send(with);
    None
}

/// What comes with what is asked for.
enum With {
    Nothing,
    Keys(Pii<String>),
    Task(String),
}

/// Where the answer to a command goes.
pub(super) fn reply_of(command: AgentCommand) -> Reply<()> {
    taken_apart(command).2
}

fn taken_apart(command: AgentCommand) -> (Asked, With, Reply<()>) {
    match command {
        AgentCommand::Hold(reply) => (Asked::Hold, With::Nothing, reply),
        AgentCommand::Resume(reply) => (Asked::Resume, With::Nothing, reply),
        AgentCommand::Mute(to, reply) => (Asked::Switch(to), With::Nothing, reply),
        AgentCommand::Keys(keys, reply) => (Asked::Keys, With::Keys(keys), reply),
        AgentCommand::Transfer(target, reply) => (Asked::Transfer(target), With::Nothing, reply),
        AgentCommand::Conference(target, reply) => {
            (Asked::Conference(target), With::Nothing, reply)
        }
        AgentCommand::FrontDoor { task, reply } => (Asked::FrontDoor, With::Task(task), reply),
        AgentCommand::HangUp(reply) => (Asked::HangUp, With::Nothing, reply),
    }
}

#[cfg(test)]
mod tests;
