//! The floor as a machine: it is told the time and what happens, and says what is to be done.
//!
//! ```text
//!  Enqueue ─▶ Arriving ──kept──▶ Waiting ──Join──▶ WithAgent ──Joined──▶ talking ──Ended──▶ gone
//!                │                 │  ▲               │                     │
//!                │ left            │  └─────Back──────┴─────────────────────┘
//!                ▼                 ▼ Leave, WaitOver
//!              gone ◀──────────── gone, or booked: CallGoesOn ─▶ InQueue ─▶ Trying ─▶ done
//!                                                      ▲ NotBefore ◀──────────┘
//! ```
//!
//! Every step ends in [`FloorState::settle`], which takes what the router has to say; what is to be done
//! elsewhere is then in [`FloorState::poll_job`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::acd::handoff::Handoff;
use crate::acd::{AgentId, LeftQueue, OfferId, Place, Router, RouterInput, RouterRefusal};
use crate::base::{CallId, QueueName};
use crate::config::{CallbacksConfig, Config, DeskConfig};
use crate::nlu::IntentName;
use crate::prompts::{Generation, Pattern};
use crate::store::{OpenCallback, WaitCount, WrapUpState};
use crate::web::live::Live;
use crate::web::view::{LiveEvent, Speaker};
use crate::web::{AnswerWay, NotDone, Reply};

use super::api::{Command, EVENTS_LEN_MAX, QueueEvent, Staffing};
use super::callers::{Arriving, Booking, Callback, Caller, Handset, Line, Said, read_until_ms};
use super::counts::DayCounts;
use super::desks::Desk;
use super::jobs::{Entry, Job, Note, Then};
use super::now::Now;
use super::rules::Queues;
use super::staff::{self, Staff};

/// How long a page may be gone before its agent is: a reload takes about two seconds.
pub(in crate::server) const DESK_GRACE: Duration = Duration::from_secs(5);

/// How long callers are told nothing while their place stays the same and the likely wait does not.
const NEWS_EVERY: Duration = Duration::from_secs(15);

/// What was in the store when the program started.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    /// Callbacks that are not done.
    pub callbacks: Vec<OpenCallback>,
    /// Waits that ended today.
    pub waits: Vec<WaitCount>,
    /// Who may take calls.
    pub staff: Staff,
}

/// What the floor is told by the configuration.
pub(super) struct FloorRules {
    pub desk: DeskConfig,
    pub callbacks: Option<CallbacksConfig>,
}

impl FloorRules {
    pub fn of(config: &Config) -> Self {
        Self { desk: config.desk.clone(), callbacks: config.callbacks.clone() }
    }

    /// What becomes of what an agent wrote once it is done.
    pub fn wrap_up_state(&self) -> WrapUpState {
        match self.desk.wrap_up_action {
            Some(_) => WrapUpState::Pending,
            None => WrapUpState::Kept,
        }
    }
}

/// A call that an agent takes: what is needed as soon as the router agrees.
pub(super) struct Taking {
    pub offer: OfferId,
    pub way: AnswerWay,
    pub reply: Reply<Option<String>>,
}

/// Queues, callers, agents.
pub(super) struct FloorState {
    pub(super) router: Router,
    pub(super) rules: FloorRules,
    pub(super) generations: Vec<Arc<Generation>>,
    pub(super) queues: Queues,
    pub(super) staff: Staff,
    pub(super) desks: BTreeMap<AgentId, Desk>,
    pub(super) arriving: BTreeMap<CallId, Arriving>,
    pub(super) callers: BTreeMap<CallId, Caller>,
    pub(super) bookings: BTreeMap<CallId, Booking>,
    pub(super) book: BTreeMap<CallId, Callback>,
    /// Nobody is called back any more: the server stops.
    pub(super) book_is_closed: bool,
    /// Tries to call somebody back so far; names them.
    pub(super) tries: u32,
    pub(super) taking: Option<Taking>,
    pub(super) counts: DayCounts,
    pub(super) live: Live,
    /// As many as were asked for since they were taken last.
    jobs: VecDeque<Job>,
    /// Callers whose task takes nothing in any more.
    deaf: Vec<CallId>,
}

impl FloorState {
    /// An empty floor with these queues, and what was there before.
    pub fn new(
        now: Now,
        rules: FloorRules,
        generations: Vec<Arc<Generation>>,
        live: Live,
        resumed: Resumed,
    ) -> Self {
        let mut floor = Self {
            router: Router::new(),
            rules,
            generations: Vec::new(),
            queues: Queues::default(),
            staff: resumed.staff,
            desks: BTreeMap::new(),
            arriving: BTreeMap::new(),
            callers: BTreeMap::new(),
            bookings: BTreeMap::new(),
            book: BTreeMap::new(),
            book_is_closed: false,
            tries: 0,
            taking: None,
            counts: DayCounts::new(now.day()),
            live,
            jobs: VecDeque::new(),
            deaf: Vec::new(),
        };
        floor.on_generations(now, generations);
        for wait in &resumed.waits {
            floor.counts.note(wait, floor.queues.rules.get(&wait.queue));
        }
        for callback in resumed.callbacks {
            floor.resume_callback(now, callback);
        }
        floor.settle(now);
        floor
    }

    /// The prompt files in force are these from now on.
    pub fn on_generations(&mut self, now: Now, generations: Vec<Arc<Generation>>) {
        let queues = Queues::of(&generations);
        self.generations = generations;
        if queues == self.queues {
            return;
        }
        self.queues = queues;
        let rules = self.queues.rules.clone();
        self.route(now, RouterInput::Queues(rules));
        self.settle(now);
    }

    /// Queues that people at desks serve, or could.
    pub fn staffing(&self) -> Staffing {
        let rules = &self.queues.rules;
        let staff = self.staff.values().filter(|member| member.is_staff);
        let here = self.desks.values().filter(|desk| desk.is_signed_in());
        Staffing {
            by_account: staff::staffed(rules, staff.map(|member| &member.profile)),
            present: staff::staffed(rules, here.map(|desk| &desk.member.profile)),
        }
    }

    /// A call says something.
    pub fn on_command(&mut self, now: Now, command: Command) {
        match command {
            Command::Enqueue { waiter, handoff, reference, events, reply } => {
                let left = None;
                let arriving =
                    Arriving { waiter: *waiter, handoff, reference, events, reply, left };
                self.arrive(now, arriving);
            }
            Command::Leave { call, why } => self.leave(now, call, why),
            Command::Joined(call) => self.joined(now, call),
            Command::JoinFailed { call, agent } => {
                if self.has_call(&agent, call) {
                    self.join_failed(now, call);
                }
            }
            Command::Ended(call) => self.ended(now, call),
            Command::AgentLost { call, agent } => {
                if self.has_call(&agent, call) {
                    self.agent_lost(now, call);
                }
            }
            Command::CutOff(call) => self.cut_off(now, call),
            Command::CloseBook => self.close_book(now),
            Command::Tell { call, news } => self.tell_call(now, call, Some(news)),
            Command::UpdateHandoff { call, handoff } => self.update_handoff(now, call, handoff),
            Command::Book { call, number, reply } => self.book(now, call, number, reply),
            Command::Answered { call, attempt, reply } => {
                self.callback_answered(call, attempt, reply);
            }
            Command::Tried { call, attempt, outcome } => {
                self.callback_tried(now, call, attempt, outcome);
            }
        }
        self.settle(now);
    }

    /// Something that was asked for has been done.
    pub fn on_note(&mut self, now: Now, note: Note) {
        match note {
            Note::Kept { call, durable } => self.kept(now, call, durable),
            Note::Booked { call, durable } => self.booked(now, call, durable),
            Note::WrapUpKept { kept, durable } => self.wrap_up_kept(now, kept, durable),
            Note::DeskOpened { agent, member, reply } => {
                self.desk_opened(now, agent, member, reply);
            }
            Note::Staff(staff) => self.on_staff(now, staff),
            Note::Generations(generations) => self.on_generations(now, generations),
        }
        self.settle(now);
    }

    /// Accounts have changed: who is at their desk is known by what they are good at now.
    fn on_staff(&mut self, now: Now, staff: Staff) {
        let mut changed = Vec::new();
        for (agent, member) in &staff {
            let Some(desk) = self.desks.get_mut(agent).filter(|desk| desk.member != *member) else {
                continue;
            };
            if desk.member.profile != member.profile && desk.is_signed_in() {
                changed.push(member.profile.clone());
            }
            desk.member = member.clone();
        }
        self.staff = staff;
        for profile in changed {
            self.route(now, RouterInput::ProfileChanged(profile));
        }
    }

    /// Something was said in a call.
    pub fn on_live(&mut self, call: CallId, event: &LiveEvent) {
        let LiveEvent::Line { at_ms, speaker, text } = event else { return };
        self.line(call, Said { at_ms: *at_ms, speaker: *speaker, text: text.clone() });
    }

    /// Events were missed: what was said is looked up.
    pub fn on_missed_lines(&mut self) {
        let talks = self.callers.iter().filter(|(_, caller)| caller.talk().is_some());
        for call in talks.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.catch_up(call);
        }
    }

    /// When something is to be done again, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.router.poll_timeout()
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Now) {
        if self.counts.roll(now.day()) {
            self.router.forget_counts(now.at);
        }
        if self.router.poll_timeout().is_some_and(|at| at <= now.at) {
            self.route(now, RouterInput::Timeout);
        }
        self.settle(now);
        self.look_at_desks(now);
        self.look_at_callers(now);
        self.look_at_book(now);
        self.settle(now);
    }

    /// Whether somebody waits to be told that something is on the disk.
    pub fn is_awaited(&self) -> bool {
        !self.arriving.is_empty() || !self.bookings.is_empty()
    }

    /// Something to be done elsewhere.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    pub(super) fn job(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Has something written down.
    pub(super) fn write(&mut self, entry: Entry, then: Then) {
        self.job(Job::Write { entry, then });
    }

    /// Tells the router something that it has no reason to refuse.
    pub(super) fn route(&mut self, now: Now, input: RouterInput) {
        if let Err(refusal) = self.try_route(now, input) {
            tracing::warn!(%refusal, "the router did not take what the floor told it");
        }
    }

    /// Tells the router something.
    pub(super) fn try_route(&mut self, now: Now, input: RouterInput) -> Result<(), RouterRefusal> {
        self.router.handle(now.at, input)
    }

    /// Takes all that the router has to say, until neither has anything more.
    pub(super) fn settle(&mut self, now: Now) {
        loop {
            while let Some(output) = self.router.poll_output() {
                self.on_output(now, output);
            }
            match self.deaf.pop() {
                Some(call) => self.leave(now, call, LeftQueue::HungUp),
                None => return,
            }
        }
    }

    /// Tells a caller's task. One that takes nothing in has no caller any more.
    pub(super) fn tell_caller(&mut self, call: CallId, event: QueueEvent) {
        let Some(Line::Here(events)) = self.callers.get(&call).map(|caller| &caller.line) else {
            return;
        };
        if let Err(error) = events.try_send(event) {
            tracing::debug!(%call, %error, "a caller's task is gone");
            self.deaf.push(call);
        }
    }

    /// What the caller wants, in the words of the prompt files.
    pub(super) fn matter_of(&self, handoff: &Handoff) -> Option<&str> {
        let name = IntentName::new(handoff.intent.as_ref()?.name.as_str());
        let same = |generation: &&Arc<Generation>| generation.hash.as_str() == handoff.generation;
        // A call keeps the files that it began with; later ones say the same, or nearly.
        let generations = self.generations.iter().filter(same).chain(&self.generations);
        let mut titles = generations.filter_map(|generation| {
            let intent = generation.intent(&name).map(|intent| intent.title.as_str());
            intent.or_else(|| generation.not_by_phone(&name).map(|entry| entry.title.as_str()))
        });
        titles.next()
    }

    /// Who calls back for this hand-off, as spoken.
    pub(super) fn house_of(&self, handoff: &Handoff) -> String {
        let generation = self.generation_of(handoff);
        generation.map(|generation| generation.house.name.clone()).unwrap_or_default()
    }

    /// What a customer hears first whom this house calls back for this hand-off.
    pub(super) fn greeting_of(&self, handoff: &Handoff, house: &str) -> String {
        let said = self.generation_of(handoff).and_then(|generation| {
            let mut variants = generation.patterns.says.get(&Pattern::CallingBack)?.iter();
            variants.find_map(|words| {
                words.render(&|name| (name == "house").then(|| house.to_owned())).ok()
            })
        });
        // They have to know who calls, whatever the files say.
        said.unwrap_or_else(|| format!("This is {house}, calling you back."))
    }

    /// Which prompt files the call of this hand-off was answered with.
    pub(super) fn profile_of(&self, handoff: &Handoff) -> String {
        let generation = self.generation_of(handoff);
        generation.map(|generation| generation.profile.clone()).unwrap_or_default()
    }

    /// Whether the front door does this, by the files that the call of a hand-off was answered with.
    pub(super) fn does(&self, handoff: &Handoff, task: &str) -> bool {
        let intent =
            self.generation_of(handoff).and_then(|files| files.intent(&IntentName::new(task)));
        intent.is_some_and(|intent| intent.action.is_some())
    }

    /// The prompt files of a hand-off; where they have been edited since, those that have its queue.
    fn generation_of(&self, handoff: &Handoff) -> Option<&Arc<Generation>> {
        let queue = QueueName::new(handoff.queue.as_str());
        let same = |generation: &&Arc<Generation>| generation.hash.as_str() == handoff.generation;
        let has_queue = |generation: &&Arc<Generation>| generation.queues.contains_key(&queue);
        let mut generations = self.generations.iter();
        let of_call = generations.clone().find(same);
        let of_queue = of_call.or_else(|| generations.clone().find(has_queue));
        of_queue.or_else(|| generations.next())
    }

    /// Pages that have gone, and agents who are gone with them.
    fn look_at_desks(&mut self, now: Now) {
        let mut lost = Vec::new();
        for (agent, desk) in &mut self.desks {
            desk.look(now.at);
            if desk.lost.is_none() {
                continue;
            }
            let is_on_phone = desk
                .call
                .and_then(|call| self.callers.get(&call))
                .is_some_and(|caller| caller.talk().is_some_and(|t| t.handset == Handset::Phone));
            // Whoever is offered a call and cannot see it is passed over at once.
            if desk.offer.is_some() || desk.is_lost_for(now.at, DESK_GRACE) && !is_on_phone {
                lost.push(agent.clone());
            }
        }
        for agent in lost {
            tracing::info!(%agent, "their page is gone");
            self.route(now, RouterInput::AgentLost { agent });
            self.settle(now);
        }
    }

    /// Callers whose task is gone, or who have something to be told.
    fn look_at_callers(&mut self, now: Now) {
        let mut gone = Vec::new();
        for (call, caller) in &self.callers {
            let is_closed = match &caller.line {
                Line::Here(events) => events.is_closed(),
                Line::ToBeCalled => false,
            };
            // Of a talk the call's task may keep the commands only.
            let is_gone = is_closed && caller.talk().is_none_or(|t| t.commands.is_closed());
            if is_gone {
                gone.push(*call);
            }
        }
        for call in gone {
            self.leave(now, call, LeftQueue::HungUp);
        }
        self.settle(now);
        if self.callers.values().any(Caller::is_here) {
            for (call, place) in self.router.places(now.at) {
                self.tell_place(now, call, place);
            }
        }
    }

    /// Tells a caller where they stand, if there is anything new about it.
    pub(super) fn tell_place(&mut self, now: Now, call: CallId, place: Place) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Line::Here(events) = &caller.line else { return };
        let is_news = match &caller.told {
            None => true,
            Some((told, at)) => {
                let same = (&told.queue, told.position, told.agents)
                    == (&place.queue, place.position, place.agents);
                let is_old = now.at.saturating_duration_since(*at) >= NEWS_EVERY;
                !same || is_old && told.wait != place.wait
            }
        };
        // Where half of what may wait does, the next one is news enough.
        if is_news && events.capacity() > EVENTS_LEN_MAX / 2 {
            caller.told = Some((place.clone(), now.at));
            self.tell_caller(call, QueueEvent::News(place));
        }
    }

    /// Adds a line to a talk, and tells the agent's page.
    fn line(&mut self, call: CallId, line: Said) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        // A callback is another call, with a time of its own.
        let read_until = caller.is_here().then(|| read_until_ms(&caller.handoff)).flatten();
        let Some(talk) = caller.talk_mut() else { return };
        // What is in the hand-off has been read, unless the agent said it.
        let is_known = read_until.is_some_and(|until| line.at_ms <= until);
        if is_known && line.speaker != Speaker::Agent || !talk.add(line.clone()) {
            return;
        }
        let agent = talk.agent.clone();
        if let Some(desk) = self.desks.get_mut(&agent) {
            desk.tell(line.into_event());
        }
    }

    /// Looks up what was said in a call so far.
    pub(super) fn catch_up(&mut self, call: CallId) {
        let Some((kept, _)) = self.live.watch(call) else { return };
        for event in kept {
            self.on_live(call, &event);
        }
    }
}

/// Why something is not done, as the page is told.
pub(super) fn not_done(refusal: RouterRefusal) -> NotDone {
    let words = refusal.to_string();
    match refusal {
        RouterRefusal::NoQueue | RouterRefusal::NoCall | RouterRefusal::OfferOver => {
            NotDone::NotFound(words)
        }
        RouterRefusal::QueueFull
        | RouterRefusal::Already
        | RouterRefusal::NoAgent
        | RouterRefusal::NotShown
        | RouterRefusal::WrongState => NotDone::Conflict(words),
    }
}
