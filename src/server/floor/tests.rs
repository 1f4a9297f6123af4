//! Days on the floor, played on a real store and the real router, in a time that the tests tell.

mod callbacks;
mod crashes;
mod desks;
mod queues;
mod wrap_ups;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::api::{Command, EVENTS_LEN_MAX, QueueEvent};
use super::jobs::{CallbackJob, Job, Note};
use super::now::Now;
use super::staff;
use super::state::{FloorRules, FloorState};
use super::task::{note_of, pass, resume};
use crate::acd::handoff::{Handoff, HandoffReason, HandoffSignals, SCHEMA};
use crate::acd::{AgentId, LeftQueue, OfferId, Presence, RouterRefusal, Waiter, WaiterKind};
use crate::base::{CallId, Pii, QueueName};
use crate::config::Config;
use crate::prompts::Generation;
use crate::server::load_profile;
use crate::store::{Account, Role, Store};
use crate::web::live::Live;
use crate::web::view::DeskEvent;
use crate::web::{AnswerWay, DeskAsk, DeskNews, NotDone, Reply};

/// A queue of the demo, and what it takes to serve it.
const CARDS: &str = "cards";

/// A hand-off that promises a queue.
pub(super) fn a_handoff(call: &str, reference: Option<&str>) -> Handoff {
    Handoff {
        schema: SCHEMA.into(),
        call_id: call.into(),
        when: "2026-04-02T10:00:00Z".into(),
        caller: "sip:+15550123@192.0.2.1".into(),
        called: "100".into(),
        channel: "sip".into(),
        language: "en-US".into(),
        reason: HandoffReason::Asked,
        intent: None,
        slots: Vec::new(),
        verification: None,
        crm: None,
        actions: Vec::new(),
        transcript: Vec::new(),
        signals: HandoffSignals::default(),
        queue: CARDS.into(),
        skills: Vec::new(),
        priority: 5,
        summary: "The caller asked for a person.".into(),
        generation: "abc".into(),
        promise: "queue".into(),
        reference: reference.map(str::to_owned),
    }
}

/// The demo's configuration, with callbacks and a telephone for one agent.
fn config(folder: &Path) -> Config {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("frontdoor.toml");
    let more = "\n[desk.phones]\npam = \"sip:201@192.0.2.7\"\n[desk.numbers]\n\
        lab = \"sip:202@192.0.2.7\"\n[transfer_rules]\nhosts = [\"192.0.2.7\"]\n\
        [callbacks]\nto = \"sip:{number}@192.0.2.7\"\nallowed = [\"+1*\"]\nattempts_max = 2\n\
        retry_after_minutes = 10\n";
    let text = format!("{}{more}", include_str!("../../../frontdoor.toml"));
    Config::parse(&place, &text, |name| {
        (name == "XDG_DATA_HOME").then(|| folder.as_os_str().to_owned())
    })
    .expect("valid")
}

/// The demo's prompt files: read once.
fn generation(config: &Config) -> Arc<Generation> {
    static READ: OnceLock<Arc<Generation>> = OnceLock::new();
    let read = || Arc::new(load_profile(config).expect("sound").0);
    Arc::clone(READ.get_or_init(read))
}

/// How much of what is to be written reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Works,
    /// After so many entries nothing more is written, and nobody is told: the program was killed.
    DiesAfter(usize),
    /// Nothing can be written.
    IsAway,
}

/// A floor with its store.
struct Stage {
    _folder: tempfile::TempDir,
    config: Config,
    store: Store,
    floor: FloorState,
    live: Live,
    now: Now,
    disk: Disk,
    written: usize,
    /// Customers to be called back.
    to_call: Vec<CallbackJob>,
}

/// A caller's side.
struct Waiting {
    call: CallId,
    reply: oneshot::Receiver<Result<(), RouterRefusal>>,
    events: mpsc::Receiver<QueueEvent>,
}

impl Waiting {
    /// What has happened that is not about places.
    fn next(&mut self) -> Option<QueueEvent> {
        loop {
            match self.events.try_recv() {
                Ok(QueueEvent::News(_)) => {}
                Ok(event) => return Some(event),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
    }
}

impl Stage {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path());
        let store = Store::open(&config.store_path()).await.expect("opens");
        for (name, skill) in [("ann", CARDS), ("pam", CARDS), ("bob", "billing")] {
            let account = Account {
                name: name.into(),
                display_name: name.to_uppercase(),
                role: Role::Agent,
                must_change: false,
                skills: [(skill.to_owned(), 5)].into(),
                languages: [].into(),
                created_at: Timestamp::UNIX_EPOCH,
                disabled_at: None,
            };
            store.add_account(&account, &Pii::new("x".into())).await.expect("added");
        }
        let now = Now { at: Instant::now(), wall: Timestamp::from_second(1_775_044_800).unwrap() };
        let live = Live::default();
        let floor = Self::start(&config, &store, &live, now).await;
        let (disk, written, to_call) = (Disk::Works, 0, Vec::new());
        Self { _folder: folder, config, store, floor, live, now, disk, written, to_call }
    }

    async fn start(config: &Config, store: &Store, live: &Live, now: Now) -> FloorState {
        let rules = FloorRules::of(config);
        let resumed = resume(store, &rules, now).await.expect("the store is sound");
        FloorState::new(now, rules, vec![generation(config)], live.clone(), resumed)
    }

    /// The program was killed, and is started again after a minute.
    async fn killed(mut self) -> Self {
        self.store.close().await.expect("closes");
        self.now.wall += SignedDuration::from_secs(60);
        self.now.at += Duration::from_secs(60);
        let store = Store::open(&self.config.store_path()).await.expect("opens");
        let live = Live::default();
        let floor = Self::start(&self.config, &store, &live, self.now).await;
        let mut next =
            Self { store, floor, live, disk: Disk::Works, written: 0, to_call: Vec::new(), ..self };
        next.settle().await;
        next
    }

    /// Does what the floor asks for, until it asks for nothing more.
    async fn settle(&mut self) {
        while let Some(job) = self.floor.poll_job() {
            match job {
                Job::Write { entry, then } => {
                    let durable = match self.disk {
                        Disk::Works => true,
                        Disk::IsAway => false,
                        Disk::DiesAfter(entries) if self.written >= entries => continue,
                        Disk::DiesAfter(_) => true,
                    };
                    if durable {
                        entry.write(&self.store).await.expect("written");
                        self.written += 1;
                    }
                    if let Some(note) = note_of(then, durable) {
                        self.floor.on_note(self.now, note);
                    }
                }
                Job::OpenDesk { agent, reply } => {
                    let member = Some(staff::member_of(&self.store, &agent).await.expect("read"));
                    let note = Note::DeskOpened { agent, member, reply };
                    self.floor.on_note(self.now, note);
                }
                Job::Pass { from, to } => drop(tokio::spawn(pass(from, to))),
                Job::PassSdp { from, to } => drop(tokio::spawn(pass(from, to))),
                Job::CallBack(job) => self.to_call.push(job),
            }
        }
    }

    /// So much time passes, and the floor notices on the way.
    async fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.at += Duration::from_secs(1);
            self.now.wall += SignedDuration::from_secs(1);
            self.floor.on_time(self.now);
            self.settle().await;
        }
    }

    async fn say(&mut self, command: Command) {
        self.floor.on_command(self.now, command);
        self.settle().await;
    }

    async fn leave(&mut self, call: CallId, why: LeftQueue) {
        self.say(Command::Leave { call, why }).await;
    }

    /// A caller whose hand-off is stored comes, and nothing of it is written down yet.
    async fn comes(&mut self, number: u128, queue: &str) -> Waiting {
        let call = CallId::from_u128(number).to_string();
        let handoff = a_handoff(&call, Some(&reference(number)));
        self.store.put_handoff(&handoff).await.expect("kept");
        self.goes_to(number, queue)
    }

    /// A caller is to wait there.
    fn goes_to(&mut self, number: u128, queue: &str) -> Waiting {
        let call = CallId::from_u128(number);
        let handoff = a_handoff(&call.to_string(), Some(&reference(number)));
        let waiter = Waiter {
            call,
            queue: QueueName::new(queue),
            needs: Vec::new(),
            language: None,
            priority: 5,
            since: self.now.at,
            kind: WaiterKind::Call,
            only: None,
        };
        let (events, receiver) = mpsc::channel(EVENTS_LEN_MAX);
        let (reply, answer) = oneshot::channel();
        self.floor.on_command(
            self.now,
            Command::Enqueue {
                waiter: Box::new(waiter),
                handoff: Arc::new(handoff),
                reference: Some(reference(number)),
                events,
                reply,
            },
        );
        Waiting { call, reply: answer, events: receiver }
    }

    /// A caller who waits.
    async fn waits(&mut self, number: u128, queue: &str) -> Waiting {
        let mut waiting = self.comes(number, queue).await;
        self.settle().await;
        assert_eq!(waiting.reply.try_recv(), Ok(Ok(())), "they wait");
        waiting
    }

    /// An agent opens their desk.
    async fn opens(&mut self, agent: &str) -> DeskNews {
        let (reply, answer) = oneshot::channel();
        self.floor.on_desk(self.now, AgentId::new(agent), DeskAsk::Open { reply });
        self.settle().await;
        answer.await.expect("answered").expect("a desk")
    }

    /// Does something at a desk, and gives the answer if there is one at once.
    async fn asks<T>(
        &mut self,
        agent: &str,
        ask: impl FnOnce(Reply<T>) -> DeskAsk,
    ) -> Option<Result<T, NotDone>> {
        let mut answer = self.begins(agent, ask).await;
        answer.try_recv().ok()
    }

    /// Does something at a desk.
    async fn begins<T>(
        &mut self,
        agent: &str,
        ask: impl FnOnce(Reply<T>) -> DeskAsk,
    ) -> oneshot::Receiver<Result<T, NotDone>> {
        let (reply, answer) = oneshot::channel();
        self.floor.on_desk(self.now, AgentId::new(agent), ask(reply));
        self.settle().await;
        answer
    }

    async fn ready(&mut self, agent: &str) {
        let presence = Presence::Ready;
        let said = self.asks(agent, |reply| DeskAsk::Presence { presence, reply }).await;
        assert_eq!(said, Some(Ok(())), "{agent} is ready");
    }

    /// An agent who is there and ready.
    async fn agent(&mut self, agent: &str) -> DeskNews {
        let news = self.opens(agent).await;
        self.ready(agent).await;
        news
    }

    /// Shows an offer and takes it, in the browser.
    async fn takes(
        &mut self,
        agent: &str,
        offer: OfferId,
    ) -> oneshot::Receiver<Result<Option<String>, NotDone>> {
        let shown = self.asks(agent, |reply| DeskAsk::Shown { offer, reply }).await;
        assert_eq!(shown, Some(Ok(())));
        let way = AnswerWay::Browser { offer_sdp: "v=0".into() };
        self.begins(agent, |reply| DeskAsk::Take { offer, way, reply }).await
    }

    /// A caller and an agent who hear each other.
    async fn talk(&mut self, number: u128, agent: &str) -> (Waiting, DeskNews) {
        let mut news = self.agent(agent).await;
        let mut waiting = self.waits(number, CARDS).await;
        let offer = offer_in(&told(&mut news)).expect("offered");
        let _answer = self.takes(agent, offer).await;
        let Some(QueueEvent::Join { answer, .. }) = waiting.next() else { panic!("no join") };
        let _ = answer.send(Ok(None));
        self.say(Command::Joined(waiting.call)).await;
        (waiting, news)
    }

    /// What a hand-off promises by now.
    async fn promise(&self, number: u128) -> String {
        let found = self.store.handoff_by_reference(&reference(number)).await.expect("read");
        let handoff: Handoff = serde_json::from_str(&found.expect("there")).expect("a hand-off");
        handoff.promise
    }

    /// How many wait on the line by the store.
    async fn on_line(&self) -> usize {
        self.store.waiting().await.expect("read").len()
    }
}

fn reference(number: u128) -> String {
    format!("{number:032x}")
}

/// What a page was told since.
fn told(news: &mut DeskNews) -> Vec<DeskEvent> {
    std::iter::from_fn(|| news.try_recv().ok()).collect()
}

/// The offer that is among it.
fn offer_in(events: &[DeskEvent]) -> Option<OfferId> {
    events.iter().find_map(|event| match event {
        DeskEvent::Offer { offer_id, .. } => Some(OfferId(*offer_id)),
        _ => None,
    })
}

/// The names of what it was told.
fn names(events: &[DeskEvent]) -> Vec<String> {
    let name = |event: &DeskEvent| {
        let json = serde_json::to_value(event).expect("JSON");
        let word = |key: &str| json[key].as_str().map(str::to_owned).unwrap_or_default();
        match word("event").as_str() {
            "state" => format!("state {}", word("state")),
            "call" => format!("call {}", word("phase")),
            "offer_ended" => format!("offer_ended {}", word("why")),
            other => other.to_owned(),
        }
    };
    events.iter().map(name).collect()
}
