//! A day on the floor, on simulated time: callers who come, wait, give up or take a callback, agents
//! who come, talk, go to lunch and go home, desks that die. Everything goes through the router as in a
//! running server; how long callers waited is held against what they were told.

mod told;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;

use told::{Said, When};

pub use told::{DayReport, Told};

use crate::acd::{
    AWAY_NO_ANSWER, AgentId, AgentProfile, AgentState, BackInQueue, LeftQueue, Level, Need,
    OfferId, Presence, QueueRules, RelaxStep, Relaxed, Router, RouterInput, RouterOutput, Skill,
    Strategy, Waiter, WaiterKind, spoken_minutes,
};
use crate::base::{CallId, QueueName};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Calls in each hour of the day, as parts of the average.
const BUSY: [f64; 12] = [0.5, 0.9, 1.3, 1.5, 1.3, 1.0, 1.1, 1.3, 1.2, 0.9, 0.6, 0.4];

/// Where callers go, how many of them, and half of whose calls are over after this time, in s.
const QUEUES: [(&str, f64, f64); 3] =
    [("front", 0.5, 150.0), ("billing", 0.3, 200.0), ("cards", 0.2, 180.0)];

/// How much calls differ in length: the standard deviation of its logarithm, as measured in many call
/// centres.
const TALK_SIGMA: f64 = 0.7;

/// Agents for a day of 5,000 calls: all of them are busy in the busiest hours, and a bit more.
const AGENTS: usize = 44;
const CALLS: usize = 5_000;

/// When the shifts begin, in hours from opening.
const SHIFTS: [f64; 8] = [0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 4.0];
const SHIFT: Duration = Duration::from_secs(8 * 3_600);
const LUNCH: &str = "lunch";
const BREAK: &str = "break";

/// How often callers are told their place, beside when they come.
const TOLD_EVERY: Duration = Duration::from_secs(45);

/// How long callers wait before they give up, on average, in s.
const PATIENCE_S: f64 = 720.0;

/// Who hears that it takes at least so many minutes may take a callback.
const CALLBACK_FROM_MIN: u32 = 4;

/// What a day is like.
#[derive(Debug, Clone, Copy)]
pub struct FloorDay {
    /// Where everything is drawn from.
    pub seed: u64,
    /// How many call.
    pub calls: usize,
    /// How many agents there are, in % of what the calls need.
    pub staff_percent: usize,
}

impl FloorDay {
    /// 5,000 calls, and about as many agents as they need.
    pub const fn new(seed: u64) -> Self {
        Self { seed, calls: CALLS, staff_percent: 100 }
    }

    /// Plays the day through.
    pub fn play(self) -> DayReport {
        let mut floor = Floor::open(self);
        while let Some(at) = floor.next_instant() {
            floor.now = at;
            floor.go_on();
        }
        floor.report.waits_s.sort_unstable();
        floor.report
    }
}

/// Something that people do.
#[derive(Debug)]
enum Event {
    Comes(CallId),
    GivesUp(CallId),
    IsTold(CallId),
    SeesOffer(OfferId, AgentId),
    Takes(OfferId, AgentId),
    Declines(OfferId, AgentId),
    IsJoined(CallId, AgentId, OfferId),
    HangsUp(CallId, OfferId),
    DeskDies(AgentId, CallId),
    IsDone(AgentId, CallId),
    Starts(AgentId),
    Says(AgentId, Presence),
    ComesBack(AgentId),
}

/// A caller who is not gone.
#[derive(Debug)]
struct Caller {
    queue: usize,
    since: Instant,
    kind: WaiterKind,
    /// What they have been told since they came, or since they lost an agent.
    told: Vec<Said>,
    talk: Talk,
}

/// Whether a caller has talked to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// Not yet.
    Awaited,
    /// They do, since this offer.
    Since(OfferId),
    /// They have, and the agent was lost.
    Lost,
}

struct Floor {
    rng: Rng,
    router: Router,
    now: Instant,
    /// What will happen; ordered by time, and by number at the same time.
    agenda: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    callers: BTreeMap<CallId, Caller>,
    profiles: BTreeMap<AgentId, AgentProfile>,
    states: BTreeMap<AgentId, AgentState>,
    /// When agents go home.
    ends: BTreeMap<AgentId, Instant>,
    report: DayReport,
}

impl Floor {
    fn open(day: FloorDay) -> Self {
        let mut floor = Self {
            rng: Rng::with_seed(day.seed),
            router: Router::new(),
            now: Instant::now(),
            agenda: BTreeMap::new(),
            numbers: 0,
            callers: BTreeMap::new(),
            profiles: BTreeMap::new(),
            states: BTreeMap::new(),
            ends: BTreeMap::new(),
            report: DayReport::default(),
        };
        let rules = rules().into_iter().map(|rules| (rules.queue.clone(), rules)).collect();
        floor.tell_router(RouterInput::Queues(rules));
        for agent in 0..(AGENTS * day.calls * day.staff_percent).div_ceil(CALLS * 100) {
            floor.plan_agent(agent);
        }
        for call in 0..day.calls {
            let hour = floor.pick(&BUSY);
            let at = HOUR.mul_f64(hour as f64 + floor.rng.f64());
            floor.plan(at, Event::Comes(CallId::from_u128(call as u128)));
        }
        floor
    }

    /// One of these, by their weight.
    fn pick(&mut self, weights: &[f64]) -> usize {
        let mut left = self.rng.f64() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        found.unwrap_or(weights.len() - 1)
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.numbers += 1;
        self.agenda.insert((self.now + after, self.numbers), event);
    }

    fn plan_agent(&mut self, number: usize) {
        let agent = AgentId::new(format!("agent{number:03}"));
        let mut skills = BTreeMap::new();
        let mut has = |skill: &str, level: u8| {
            skills.insert(Skill::new(skill), Level::new(level).unwrap_or(Level::ONE));
        };
        if number.is_multiple_of(3) {
            has("billing", self.rng.u8(1..=5));
        }
        if number.is_multiple_of(4) {
            has("cards", self.rng.u8(2..=5));
        }
        if number.is_multiple_of(7) {
            has("billing", 3);
            has("cards", 4);
        }
        let languages = if number % 10 < 3 { &["en", "es"][..] } else { &["en"][..] };
        let languages = languages.iter().map(|tag| (*tag).to_owned()).collect();
        let profile = AgentProfile { agent: agent.clone(), skills, languages };
        self.profiles.insert(agent.clone(), profile);
        let starts = HOUR.mul_f64(SHIFTS[number % SHIFTS.len()] + self.rng.f64() / 6.0);
        let lunch = starts + HOUR.mul_f64(3.5 + self.rng.f64());
        self.ends.insert(agent.clone(), self.now + starts + SHIFT);
        self.plan(starts, Event::Starts(agent.clone()));
        let away = Presence::Away(LUNCH.to_owned());
        self.plan(lunch, Event::Says(agent.clone(), away));
        self.plan(starts + SHIFT, Event::Says(agent, Presence::Offline));
    }

    /// When something happens next; `None` when the day is over.
    fn next_instant(&self) -> Option<Instant> {
        let ((event, _), _) = self.agenda.first_key_value()?;
        let timeout = self.router.poll_timeout();
        Some(timeout.map_or(*event, |timeout| timeout.min(*event)).max(self.now))
    }

    fn go_on(&mut self) {
        if self.router.poll_timeout().is_some_and(|at| at <= self.now) {
            self.tell_router(RouterInput::Timeout);
            return;
        }
        if let Some((_, event)) = self.agenda.pop_first() {
            self.happens(event);
        }
    }

    /// Whether the router took it. What people do too late is refused, as it is at a desk.
    fn tell_router(&mut self, input: RouterInput) -> bool {
        let taken = self.router.handle(self.now, input).is_ok();
        while let Some(output) = self.router.poll_output() {
            self.react(output);
        }
        taken
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Comes(call) => self.come(call),
            Event::GivesUp(call) => self.may_give_up(call),
            Event::IsTold(call) => self.hear_place(call, When::Later),
            Event::SeesOffer(offer, agent) => {
                self.tell_router(RouterInput::OfferShown { offer, agent });
            }
            Event::Takes(offer, agent) => {
                self.tell_router(RouterInput::OfferTaken { offer, agent });
            }
            Event::Declines(offer, agent) => {
                self.tell_router(RouterInput::OfferDeclined { offer, agent });
            }
            Event::IsJoined(call, agent, offer) => self.is_joined(call, agent, offer),
            Event::HangsUp(call, offer) => {
                // Unless it is another talk by now.
                if self.talk_of(call) == Some(Talk::Since(offer)) {
                    self.tell_router(RouterInput::CallEnded { call });
                    self.callers.remove(&call);
                }
            }
            Event::DeskDies(agent, call) => self.desk_dies(agent, call),
            Event::IsDone(agent, call) => {
                let state = self.states.get(&agent);
                if matches!(state, Some(AgentState::WrapUp { call: theirs, .. }) if *theirs == call)
                {
                    self.tell_router(RouterInput::WrapUpDone { agent });
                }
            }
            Event::Starts(agent) => {
                if let Some(profile) = self.profiles.get(&agent).cloned() {
                    self.tell_router(RouterInput::SignedIn(profile));
                    self.tell_router(RouterInput::Presence { agent, presence: Presence::Ready });
                }
            }
            Event::Says(agent, presence) => {
                self.tell_router(RouterInput::Presence { agent, presence });
            }
            Event::ComesBack(agent) => {
                if matches!(self.states.get(&agent), Some(AgentState::Away { .. })) {
                    self.tell_router(RouterInput::Presence { agent, presence: Presence::Ready });
                }
            }
        }
    }

    fn come(&mut self, call: CallId) {
        let queue = self.pick(&QUEUES.map(|(_, share, _)| share));
        let caller = Caller {
            queue,
            since: self.now,
            kind: WaiterKind::Call,
            told: Vec::new(),
            talk: Talk::Awaited,
        };
        self.callers.insert(call, caller);
        self.report.came += 1;
        self.enqueue(call);
        self.loses_patience(call);
        self.hear_place(call, When::Entering);
    }

    fn loses_patience(&mut self, call: CallId) {
        let patience = exponential(&mut self.rng, PATIENCE_S).max(10 * SECOND);
        self.plan(patience, Event::GivesUp(call));
    }

    fn enqueue(&mut self, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        let (queue, since, kind) = (caller.queue, caller.since, caller.kind);
        let language = if self.rng.f64() < 0.1 { "es" } else { "en" };
        let waiter = Waiter {
            call,
            queue: QueueName::new(QUEUES[queue].0),
            needs: Vec::new(),
            language: Some(language.to_owned()),
            priority: if self.rng.f64() < 0.1 { 3 } else { 5 },
            since,
            kind,
            only: None,
        };
        if !self.tell_router(RouterInput::Enqueue(waiter)) {
            self.callers.remove(&call);
            self.report.turned_away += 1;
        }
    }

    fn talk_of(&self, call: CallId) -> Option<Talk> {
        self.callers.get(&call).map(|caller| caller.talk)
    }

    fn may_give_up(&mut self, call: CallId) {
        match self.router.waiter(call).map(|waiter| waiter.kind) {
            Some(WaiterKind::Call) => {
                self.tell_router(RouterInput::Leave { call, why: LeftQueue::HungUp });
                self.is_gone(call);
            }
            Some(WaiterKind::Callback) => {}
            // Just being put through: they hang up if nothing comes of it.
            None if self.talk_of(call) == Some(Talk::Awaited) => {
                self.plan(60 * SECOND, Event::GivesUp(call));
            }
            None => {}
        }
    }

    /// A caller waits no more, and has not been served.
    fn is_gone(&mut self, call: CallId) {
        let Some(caller) = self.callers.remove(&call) else { return };
        self.report.judge_unanswered(self.now, &caller.told);
        if caller.talk == Talk::Awaited {
            self.report.gave_up += 1;
        }
    }

    /// A caller who still waits is told how long it takes; some take a callback then.
    fn hear_place(&mut self, call: CallId, when: When) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(place) = self.router.place(self.now, call) else { return };
        if caller.kind == WaiterKind::Callback {
            return;
        }
        let spoken = place.wait.map(spoken_minutes);
        match spoken {
            Some(minutes) => caller.told.push(Said { at: self.now, minutes, when }),
            None => self.report.not_told += 1,
        }
        let is_long = spoken.is_some_and(|(from, _)| from >= CALLBACK_FROM_MIN);
        if is_long && caller.talk == Talk::Awaited && self.rng.f64() < 0.05 {
            caller.kind = WaiterKind::Callback;
            self.report.callbacks += 1;
            self.tell_router(RouterInput::Leave { call, why: LeftQueue::ForCallback });
            self.enqueue(call);
            return;
        }
        self.plan(TOLD_EVERY, Event::IsTold(call));
    }

    fn is_joined(&mut self, call: CallId, agent: AgentId, offer: OfferId) {
        // One in a hundred browsers does not get its audio through.
        if self.rng.f64() < 0.01 {
            self.tell_router(RouterInput::JoinFailed { call });
            return;
        }
        if !self.tell_router(RouterInput::Joined { call }) {
            return;
        }
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let told = std::mem::take(&mut caller.told);
        let before = std::mem::replace(&mut caller.talk, Talk::Since(offer));
        let (queue, waited) = (caller.queue, self.now - caller.since);
        if caller.kind == WaiterKind::Call {
            self.report.judge_answered(self.now, &told);
            if before == Talk::Awaited {
                self.report.answered += 1;
                self.report.waits_s.push(waited.as_secs());
            }
        }
        let talk = QUEUES[queue].2 * (TALK_SIGMA * normal(&mut self.rng)).exp();
        self.plan(Duration::from_secs_f64(talk), Event::HangsUp(call, offer));
        if self.rng.f64() < 0.002 {
            let after = SECOND * self.rng.u32(5..60);
            self.plan(after, Event::DeskDies(agent, call));
        }
    }

    fn desk_dies(&mut self, agent: AgentId, call: CallId) {
        let state = self.states.get(&agent);
        if !matches!(state, Some(AgentState::Talking { call: theirs, .. }) if *theirs == call) {
            return;
        }
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.talk = Talk::Lost;
        }
        self.report.desks_died += 1;
        self.loses_patience(call);
        self.tell_router(RouterInput::AgentLost { agent: agent.clone() });
        if self.ends.get(&agent).is_some_and(|ends| *ends > self.now + HOUR) {
            self.plan(60 * SECOND, Event::Starts(agent));
        }
    }

    fn react(&mut self, output: RouterOutput) {
        match output {
            RouterOutput::Offer { offer, agent, .. } => self.see_offer(offer, agent),
            RouterOutput::Join { offer, agent, call, .. } => {
                let after = Duration::from_millis(self.rng.u64(200..1_500));
                self.plan(after, Event::IsJoined(call, agent, offer));
            }
            RouterOutput::AgentChanged { agent, state } => {
                self.plan_after(&agent, &state);
                self.states.insert(agent, state);
            }
            RouterOutput::WaitOver { call, .. } => self.is_gone(call),
            // Whoever was not taken by the first has noticed nothing, and hears the news as before.
            RouterOutput::Back { why: BackInQueue::NotTaken, .. }
            | RouterOutput::OfferEnded { .. }
            | RouterOutput::Moved { .. } => {}
            RouterOutput::Back { call, .. } => self.plan(SECOND, Event::IsTold(call)),
        }
    }

    fn see_offer(&mut self, offer: OfferId, agent: AgentId) {
        let what = self.rng.f64();
        // One in a hundred is not at the desk.
        if what < 0.01 {
            return;
        }
        self.plan(SECOND / 4, Event::SeesOffer(offer, agent.clone()));
        let after = 2 * SECOND + exponential(&mut self.rng, 3.0);
        if what < 0.02 {
            self.plan(after, Event::Declines(offer, agent));
        } else {
            self.plan(after.min(18 * SECOND), Event::Takes(offer, agent));
        }
    }

    /// What an agent does after what they do now.
    fn plan_after(&mut self, agent: &AgentId, state: &AgentState) {
        match state {
            AgentState::WrapUp { call, .. } => {
                // Those who take longer are cut short by the queue's rules.
                let after = SECOND * self.rng.u32(10..70);
                self.plan(after, Event::IsDone(agent.clone(), *call));
                if self.rng.f64() < 0.03 {
                    let away = Presence::Away(BREAK.to_owned());
                    self.plan(SECOND, Event::Says(agent.clone(), away));
                }
            }
            AgentState::Away { reason, .. } => {
                let minutes = match reason.as_str() {
                    LUNCH => 30..31,
                    BREAK => 3..10,
                    AWAY_NO_ANSWER => 1..5,
                    _ => 1..2,
                };
                let after = 60 * SECOND * self.rng.u32(minutes);
                self.plan(after, Event::ComesBack(agent.clone()));
            }
            AgentState::Offline
            | AgentState::Ready { .. }
            | AgentState::Offered { .. }
            | AgentState::Talking { .. } => {}
        }
    }
}

/// A time with this average, as likely to end now as later.
fn exponential(rng: &mut Rng, average_s: f64) -> Duration {
    Duration::from_secs_f64(-average_s * (1.0 - rng.f64()).ln())
}

/// A number drawn from the normal distribution (Box and Muller).
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

fn rules() -> [QueueRules; 3] {
    let need = |skill: &str, level: u8| Need {
        skill: Skill::new(skill),
        level: Level::new(level).unwrap_or(Level::ONE),
    };
    let relaxed = |s: u32, skill: &str, to: Relaxed| RelaxStep {
        after: SECOND * s,
        skill: Skill::new(skill),
        to,
    };
    let front = QueueRules {
        queue: QueueName::new(QUEUES[0].0),
        needs: Vec::new(),
        priority: 5,
        strategy: Strategy::LongestIdle,
        ageing: 120 * SECOND,
        relax: Vec::new(),
        offer_for: 20 * SECOND,
        wrap_up: 60 * SECOND,
        wait_max: Some(HOUR / 2),
        overflow: None,
        answer_within: 20 * SECOND,
        len_max: 200,
    };
    let billing = QueueRules {
        queue: QueueName::new(QUEUES[1].0),
        needs: vec![need("billing", 2)],
        strategy: Strategy::BestSkill,
        relax: vec![relaxed(120, "billing", Relaxed::Level(Level::ONE))],
        ..front.clone()
    };
    let cards = QueueRules {
        queue: QueueName::new(QUEUES[2].0),
        needs: vec![need("cards", 3)],
        relax: vec![relaxed(90, "cards", Relaxed::Dropped)],
        ..front.clone()
    };
    [front, billing, cards]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the estimates are worth on such a day.
    fn check(day: FloorDay) {
        let report = day.play();
        println!("{day:?}: {}", report.in_words());
        let told = &report.on_entering;
        assert!(told.judged() > day.calls / 2, "{told:?}");
        for (what, told) in [("on entering", told), ("while waiting", &report.later)] {
            let share = told.inside_percent();
            assert!(share >= 80.0, "seed {}, {what}: {share:.1} %", day.seed);
        }
        // Who is served at once is easy to tell. Of the others, those who give up count against us only.
        let share = report.waited.inside_percent();
        assert!(share >= 75.0, "seed {}, who waited: {share:.1} %", day.seed);
        // A range that says everything says nothing.
        let width = report.waited.width_min(50);
        assert!(width <= 4, "seed {}: half of the ranges are over {width} min", day.seed);
        let gone = report.answered + report.gave_up + report.callbacks + report.turned_away;
        assert_eq!(gone, report.came, "everybody is accounted for");
        assert!(report.desks_died > 0, "desks die on such a day");
    }

    #[test]
    fn waits_of_a_day_end_within_what_callers_were_told() {
        check(FloorDay::new(1));
    }

    #[test]
    fn so_they_do_with_too_few_agents_and_with_too_many() {
        check(FloorDay { staff_percent: 85, ..FloorDay::new(2) });
        check(FloorDay { staff_percent: 125, ..FloorDay::new(3) });
    }

    #[test]
    fn the_same_seed_is_the_same_day() {
        let day = FloorDay { calls: 300, ..FloorDay::new(7) };
        assert_eq!(day.play(), day.play());
    }
}
