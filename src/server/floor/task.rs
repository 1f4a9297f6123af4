//! Runs the floor: tells it the time and what happens, and has done what it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::prompts::Generation;
use crate::store::{Store, StoreError};
use crate::web::live::{Live, LiveEvents};
use crate::web::view::Floor;
use crate::web::{Ask, NotDone, Reply};

use super::super::reload::Running;
use super::api::{Acd, COMMANDS_LEN_MAX, CallbackOutcome, Command, Staffing};
use super::jobs::{CallbackJob, DISK_LIMIT, Job, Note, Then};
use super::ledger::{self, Ledger};
use super::now::Now;
use super::staff;
use super::state::{FloorRules, FloorState, Resumed};

/// How often pages are looked after, callers are told where they stand, and supervisors how it looks.
const TICK: Duration = Duration::from_millis(250);

/// Ticks between two looks at all desks' queues.
const QUEUES_EVERY_TICKS: u32 = 4;

/// How often accounts are read again, should another process have changed them.
const STAFF_EVERY: Duration = Duration::from_secs(30);

/// Results that may wait for the floor; a task that has one waits with it.
const NOTES_LEN_MAX: usize = 256;

/// Customers to be called back at once; one more goes back into the queue.
const CALLBACK_JOBS_LEN_MAX: usize = 64;

/// How long a note may take on its way, once its entry was written or given up.
const NOTE_GRACE: Duration = Duration::from_millis(250);

/// How long the last entries may take to be written when the server stops.
const LEDGER_CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What the floor needs.
pub(in crate::server) struct FloorParts {
    /// Rules of desks and callbacks.
    pub config: Config,
    pub store: Store,
    /// The prompt files in force, of each profile.
    pub running: Vec<watch::Receiver<Arc<Running>>>,
    /// What the web asks.
    pub asks: mpsc::Receiver<Ask>,
    /// Takes what it asks about calls of browsers; answers with why not if it is full.
    pub browser_asks: mpsc::Sender<Ask>,
    pub live: Live,
    pub stop: CancellationToken,
}

/// A floor that can be run.
pub(in crate::server) struct FloorTask {
    state: FloorState,
    parts: FloorParts,
    commands: mpsc::Receiver<Command>,
    notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    callbacks: mpsc::Sender<CallbackJob>,
    acd: Acd,
    staffing: watch::Sender<Arc<Staffing>>,
    floor: watch::Sender<Arc<Floor>>,
    ledger: Ledger,
    ledger_entries: Option<mpsc::Receiver<ledger::Written>>,
    tasks: TaskTracker,
}

/// What others hold of the floor.
pub(in crate::server) struct FloorHandles {
    /// For calls.
    pub acd: Acd,
    /// For supervisors.
    pub floor: watch::Receiver<Arc<Floor>>,
    /// For whoever places calls.
    pub callbacks: mpsc::Receiver<CallbackJob>,
}

impl FloorTask {
    /// Brings what is in the store in order: nobody is on the line any more, and customers in the book
    /// wait again. Run what this gives.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn prepare(parts: FloorParts) -> Result<(Self, FloorHandles), StoreError> {
        let rules = FloorRules::of(&parts.config);
        let now = this_moment();
        let resumed = resume(&parts.store, &rules, now).await?;
        let generations = in_force(&parts.running);
        let state = FloorState::new(now, rules, generations, parts.live.clone(), resumed);
        let (command_sender, commands) = mpsc::channel(COMMANDS_LEN_MAX);
        let (callbacks, callback_jobs) = mpsc::channel(CALLBACK_JOBS_LEN_MAX);
        let staffing = watch::Sender::new(Arc::new(state.staffing()));
        let floor = watch::Sender::new(Arc::new(state.view(now)));
        let acd = Acd::new(command_sender, staffing.subscribe());
        let handles =
            FloorHandles { acd: acd.clone(), floor: floor.subscribe(), callbacks: callback_jobs };
        let (ledger, entries) = Ledger::new();
        let task = Self {
            state,
            parts,
            commands,
            notes: mpsc::channel(NOTES_LEN_MAX),
            callbacks,
            acd,
            staffing,
            floor,
            ledger,
            ledger_entries: Some(entries),
            tasks: TaskTracker::new(),
        };
        Ok((task, handles))
    }

    /// Runs until the server stops.
    pub async fn run(mut self) {
        let stop_writing = CancellationToken::new();
        let entries = self.ledger_entries.take();
        let writing = entries.map(|entries| {
            tokio::spawn(ledger::run(self.parts.store.clone(), entries, stop_writing.clone()))
        });
        self.keep_staff();
        self.keep_generations();
        let mut live = self.parts.live.watch_all();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticked = 0_u32;
        let stop = self.parts.stop.clone();
        loop {
            self.carry_out();
            let due = self.state.poll_timeout().map_or_else(far, tokio::time::Instant::from_std);
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {
                    ticked = ticked.wrapping_add(1);
                    self.tick(ticked);
                }
                () = sleep_until(due) => self.state.on_time(this_moment()),
                Some(command) = self.commands.recv() => {
                    self.state.on_command(this_moment(), command);
                }
                Some(note) = self.notes.1.recv() => self.on_note(note),
                Some(ask) = self.parts.asks.recv() => self.on_ask(ask),
                missed = next_line(&mut live, &mut self.state) => if missed {
                    self.state.on_missed_lines();
                },
            }
        }
        self.close(writing, &stop_writing).await;
    }

    fn tick(&mut self, ticked: u32) {
        let now = this_moment();
        self.state.on_time(now);
        if ticked.is_multiple_of(QUEUES_EVERY_TICKS) {
            self.state.tell_queues(now);
            self.tell_staffing();
        }
        let view = self.state.view(now);
        self.floor.send_if_modified(|shown| {
            let is_same = shown.queues == view.queues && shown.agents == view.agents;
            if !is_same {
                *shown = Arc::new(view);
            }
            !is_same
        });
    }

    fn on_note(&mut self, note: Note) {
        let is_about_staff =
            matches!(note, Note::Staff(_) | Note::Generations(_) | Note::DeskOpened { .. });
        self.state.on_note(this_moment(), note);
        if is_about_staff {
            self.tell_staffing();
        }
    }

    /// Tells calls which queues people serve, if that has changed.
    fn tell_staffing(&self) {
        let staffing = self.state.staffing();
        self.staffing.send_if_modified(|known| {
            let is_new = **known != staffing;
            if is_new {
                *known = Arc::new(staffing);
            }
            is_new
        });
    }

    fn on_ask(&mut self, ask: Ask) {
        let now = this_moment();
        match ask {
            Ask::Desk { agent, ask } => self.state.on_desk(now, agent, ask),
            Ask::SetPresence { agent, presence, reply } => {
                self.state.on_presence(now, &agent, presence, reply);
            }
            ask => {
                if let Err(error) = self.parts.browser_asks.try_send(ask) {
                    refuse_browser(error.into_inner());
                }
            }
        }
    }

    /// Has done what the floor asks for.
    fn carry_out(&mut self) {
        while let Some(job) = self.state.poll_job() {
            match job {
                Job::Write { entry, then: Then::Nothing } => self.ledger.write(entry, None),
                Job::Write { entry, then } => {
                    let (done, is_done) = oneshot::channel();
                    self.ledger.write(entry, Some(done));
                    let notes = self.notes.0.clone();
                    self.tasks.spawn(async move {
                        let durable = matches!(timeout(DISK_LIMIT, is_done).await, Ok(Ok(())));
                        if let Some(note) = note_of(then, durable) {
                            // An error means that the floor is gone.
                            let _ = notes.send(note).await;
                        }
                    });
                }
                Job::OpenDesk { agent, reply } => {
                    let (store, notes) = (self.parts.store.clone(), self.notes.0.clone());
                    self.tasks.spawn(async move {
                        let member =
                            match timeout(DISK_LIMIT, staff::member_of(&store, &agent)).await {
                                Ok(Ok(member)) => Some(member),
                                Ok(Err(error)) => {
                                    tracing::warn!(%error, "an account cannot be looked up");
                                    None
                                }
                                Err(_) => None,
                            };
                        let _ = notes.send(Note::DeskOpened { agent, member, reply }).await;
                    });
                }
                Job::Pass { from, to } => drop(self.tasks.spawn(pass(from, to))),
                Job::PassSdp { from, to } => drop(self.tasks.spawn(pass(from, to))),
                Job::CallBack(job) => self.place(job),
            }
        }
    }

    /// Has a customer called, if there is anybody who can.
    fn place(&mut self, job: CallbackJob) {
        let (call, attempt) = (job.call, job.attempt);
        if let Err(error) = self.callbacks.try_send(job) {
            tracing::error!(%call, %error, "nobody can call customers back at present");
            self.acd.callback_tried(call, attempt, CallbackOutcome::AgentNotReached);
        }
    }

    /// Reads accounts whenever they have changed, and now and then.
    fn keep_staff(&self) {
        let (store, notes) = (self.parts.store.clone(), self.notes.0.clone());
        let stop = self.parts.stop.clone();
        let mut changes = store.people_changes();
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = changes.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(STAFF_EVERY) => {}
                }
                match staff::load(&store).await {
                    Ok(staff) => {
                        if notes.send(Note::Staff(staff)).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => tracing::warn!(%error, "accounts cannot be read"),
                }
            }
        });
    }

    /// Follows the prompt files in force.
    fn keep_generations(&self) {
        for mut running in self.parts.running.clone() {
            let (all, notes) = (self.parts.running.clone(), self.notes.0.clone());
            let stop = self.parts.stop.clone();
            running.mark_unchanged();
            self.tasks.spawn(async move {
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        changed = running.changed() => if changed.is_err() { return },
                    }
                    running.mark_unchanged();
                    if notes.send(Note::Generations(in_force(&all))).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Takes what calls still have to say, and writes it down.
    async fn close(
        mut self,
        writing: Option<tokio::task::JoinHandle<()>>,
        stop_writing: &CancellationToken,
    ) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.state.on_command(this_moment(), command);
            self.carry_out();
        }
        self.tell_the_last().await;
        let Self { ledger, tasks, notes, .. } = self;
        // Whoever waits for a note now waits in vain.
        drop(notes);
        tasks.close();
        drop(ledger);
        let Some(writing) = writing else { return };
        let mut writing = writing;
        if timeout(LEDGER_CLOSE_LIMIT, &mut writing).await.is_err() {
            stop_writing.cancel();
            // The task ends by itself now; what it could say it has said in the log.
            let _ = writing.await;
        }
    }
}

impl FloorTask {
    /// Whoever waits to be told that something is on the disk is told, as soon as it is.
    async fn tell_the_last(&mut self) {
        let end = tokio::time::Instant::now() + DISK_LIMIT + NOTE_GRACE;
        while self.state.is_awaited() {
            // Each of them has a note, whatever becomes of its entry.
            let Ok(Some(note)) = timeout_at(end, self.notes.1.recv()).await else { return };
            self.state.on_note(this_moment(), note);
            self.carry_out();
        }
    }
}

/// The next line of any call; says whether some were missed.
async fn next_line(live: &mut LiveEvents, state: &mut FloorState) -> bool {
    match live.recv().await {
        Ok((call, event)) => {
            state.on_live(call, &event);
            false
        }
        Err(RecvError::Lagged(_)) => true,
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

pub(super) fn note_of(then: Then, durable: bool) -> Option<Note> {
    match then {
        Then::Nothing => None,
        Then::Kept(call) => Some(Note::Kept { call, durable }),
        Then::Booked(call) => Some(Note::Booked { call, durable }),
        Then::WrapUpKept(kept) => Some(Note::WrapUpKept { kept, durable }),
        Then::Noted(reply) => {
            // Whoever waited has hung up meanwhile.
            let _ = reply.send(());
            None
        }
    }
}

/// Passes an answer of a call's task on to a page; the task drops it when its caller hangs up.
pub(super) async fn pass<T>(from: oneshot::Receiver<Result<T, NotDone>>, to: Reply<T>) {
    let gone = || Err(NotDone::Conflict("the caller has hung up".to_owned()));
    let answer = from.await.unwrap_or_else(|_| gone());
    // An error means that the page has gone.
    let _ = to.send(answer);
}

fn refuse_browser(ask: Ask) {
    let why = || NotDone::Unavailable("too much is asked for at once: try again".to_owned());
    match ask {
        Ask::Call { reply, .. } => super::asks::answer(reply, Err(why())),
        Ask::HangUp { reply, .. } | Ask::Keys { reply, .. } => {
            super::asks::answer(reply, Err(why()));
        }
        Ask::Desk { .. } | Ask::SetPresence { .. } => {}
    }
}

/// Brings the store in order after a start, whatever ended the program before.
pub(super) async fn resume(
    store: &Store,
    rules: &FloorRules,
    now: Now,
) -> Result<Resumed, StoreError> {
    let cut_off = store.break_off_all_waiting().await?;
    if cut_off > 0 {
        tracing::warn!(
            callers = cut_off,
            "who waited when the program ended is called back by people"
        );
    }
    store.close_wrap_ups(rules.wrap_up_state(), now.wall).await?;
    Ok(Resumed {
        callbacks: store.resume_callbacks(now.wall).await?,
        waits: store.waits_since(now.midnight()).await?,
        staff: staff::load(store).await?,
    })
}

fn in_force(running: &[watch::Receiver<Arc<Running>>]) -> Vec<Arc<Generation>> {
    running.iter().map(|running| Arc::clone(&running.borrow().generation)).collect()
}

fn this_moment() -> Now {
    Now { at: Instant::now(), wall: Timestamp::now() }
}

/// A moment that does not come.
fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3_600)
}
