//! Many random events, sensible ones and others, with a [`Model`] kept beside the router.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

use super::model::{At, Model};
use super::*;

/// Events of one storm.
const EVENTS: usize = 110_000;

const QUEUES: [&str; 4] = ["front", "billing", "cards", "small"];
const SKILLS: [&str; 2] = ["billing", "cards"];
const AGENTS: [&str; 7] = ["anna", "ben", "cleo", "dan", "eve", "finn", "gus"];
const LANGUAGES: [&str; 2] = ["en", "es"];

struct Storm {
    rng: Rng,
    floor: Floor,
    model: Model,
    calls: u128,
    offers: Vec<(OfferId, AgentId)>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let (rng, model) = (Rng::with_seed(seed), Model::default());
        let mut storm = Self { rng, floor: Floor::empty(), model, calls: 0, offers: Vec::new() };
        storm.give(RouterInput::Queues(storm_queues()));
        storm
    }

    /// Gives an input, and has router and model agree on all that follows.
    fn give(&mut self, input: RouterInput) {
        let now = self.floor.now;
        let expected = self.model.refuses(now, &input);
        let refused = self.floor.router.handle(now, input.clone()).err();
        assert_eq!(refused, expected, "{input:?}");
        if refused.is_some() {
            assert_eq!(self.floor.router.poll_output(), None, "{input:?}");
            return;
        }
        self.model.note_input(now, &input);
        while let Some(output) = self.floor.router.poll_output() {
            self.model.note_output(now, &output);
            if let RouterOutput::Offer { offer, agent, .. } = output {
                self.offers.push((offer, agent));
            }
        }
        // Of old offers a few are kept, to be answered when they are over.
        if self.offers.len() > 12 {
            self.offers.remove(0);
        }
        self.model.must_agree(now, &self.floor.router);
        if matches!(input, RouterInput::Timeout) {
            let next = self.floor.router.poll_timeout();
            assert!(next.is_none_or(|next| next > now), "a timeout leaves nothing due");
        }
    }

    /// Time goes on; most often the shell keeps to the router's timeouts.
    fn wait(&mut self) {
        let until = self.floor.now + Duration::from_millis(self.rng.u64(0..4_000));
        if self.rng.f32() < 0.9 {
            while let Some(at) = self.floor.router.poll_timeout().filter(|at| *at <= until) {
                self.floor.now = self.floor.now.max(at);
                self.give(RouterInput::Timeout);
            }
        }
        self.floor.now = until;
    }

    fn event(&mut self) -> RouterInput {
        match self.rng.u32(0..1_000) {
            0..130 => RouterInput::Enqueue(self.waiter()),
            130..180 => RouterInput::Leave { call: self.call(|_| true), why: self.reason() },
            180..205 => RouterInput::SignedIn(self.profile()),
            205..210 => RouterInput::ProfileChanged(self.profile()),
            210..320 => RouterInput::Presence { agent: self.agent(), presence: self.presence() },
            320..332 => RouterInput::AgentLost { agent: self.agent() },
            332..490 => {
                let (offer, agent) = self.offer();
                RouterInput::OfferShown { offer, agent }
            }
            490..650 => {
                let (offer, agent) = self.offer();
                RouterInput::OfferTaken { offer, agent }
            }
            650..675 => {
                let (offer, agent) = self.offer();
                RouterInput::OfferDeclined { offer, agent }
            }
            675..790 => RouterInput::Joined { call: self.call(|at| matches!(at, At::Joining(_))) },
            790..800 => {
                RouterInput::JoinFailed { call: self.call(|at| matches!(at, At::Joining(_))) }
            }
            800..920 => {
                RouterInput::CallEnded { call: self.call(|at| matches!(at, At::Talking(_))) }
            }
            920..970 => RouterInput::WrapUpDone { agent: self.agent() },
            970..997 => RouterInput::Timeout,
            _ => {
                let mut queues = storm_queues();
                queues.retain(|_, _| self.rng.f32() < 0.9);
                RouterInput::Queues(queues)
            }
        }
    }

    fn agent(&mut self) -> AgentId {
        AgentId::new(self.pick(&AGENTS))
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.rng.usize(0..of.len())]
    }

    /// A call like this, or now and then any number.
    fn call(&mut self, like: fn(&At) -> bool) -> CallId {
        let such = self.model.callers.iter().filter(|(_, caller)| like(&caller.at));
        let such: Vec<CallId> = such.map(|(call, _)| *call).collect();
        match such.is_empty() || self.rng.f32() < 0.05 {
            true => CallId::from_u128(self.rng.u128(0..self.calls + 2)),
            false => such[self.rng.usize(0..such.len())],
        }
    }

    /// An offer that stands; now and then one that is over, or of somebody else.
    fn offer(&mut self) -> (OfferId, AgentId) {
        let standing = self.model.desks.iter().filter_map(|(agent, desk)| match desk.state {
            AgentState::Offered { offer, .. } => Some((offer, agent.clone())),
            _ => None,
        });
        let mut offers: Vec<_> = standing.collect();
        if offers.is_empty() || self.rng.f32() < 0.05 {
            offers.clone_from(&self.offers);
        }
        match offers.is_empty() || self.rng.f32() < 0.03 {
            true => (OfferId(self.rng.u64(0..50)), self.agent()),
            false => offers[self.rng.usize(0..offers.len())].clone(),
        }
    }

    fn reason(&mut self) -> LeftQueue {
        match self.rng.u32(0..4) {
            0 => LeftQueue::ByChoice,
            1 => LeftQueue::ForCallback,
            2 => LeftQueue::Elsewhere,
            _ => LeftQueue::HungUp,
        }
    }

    fn presence(&mut self) -> Presence {
        match self.rng.u32(0..10) {
            0 => Presence::Offline,
            1 => Presence::Away("lunch".to_owned()),
            _ => Presence::Ready,
        }
    }

    fn profile(&mut self) -> AgentProfile {
        let mut profile = AgentProfile {
            agent: self.agent(),
            skills: BTreeMap::new(),
            languages: Default::default(),
        };
        for skill in SKILLS {
            if let Some(level) = Level::new(self.rng.u8(0..6)) {
                profile.skills.insert(Skill::new(skill), level);
            }
        }
        if self.rng.f32() < 0.5 {
            profile.languages.insert(self.pick(&LANGUAGES).to_owned());
        }
        profile
    }

    fn waiter(&mut self) -> Waiter {
        self.calls += 1;
        let mut waiter = self.floor.caller(self.calls, self.rng.choice(QUEUES).unwrap_or("front"));
        if self.rng.f32() < 0.03 {
            waiter.call = self.call(|_| true);
        }
        if self.rng.f32() < 0.2 {
            // Before now; now and then even after.
            waiter.since = self.floor.now + 5 * SECOND - self.rng.u32(0..300) * SECOND;
        }
        waiter.priority = self.rng.u8(0..11);
        if self.rng.f32() < 0.2 {
            waiter.needs = vec![need(self.pick(&SKILLS), self.rng.u8(1..6))];
        }
        if self.rng.f32() < 0.2 {
            waiter.language = Some(self.pick(&LANGUAGES).to_owned());
        }
        if self.rng.f32() < 0.1 {
            waiter.kind = WaiterKind::Callback;
        }
        if self.rng.f32() < 0.05 {
            waiter.only = Some(self.agent());
        }
        waiter
    }

    /// What is told of places is in order.
    fn look_at_places(&self) {
        let places = self.floor.router.places(self.floor.now);
        let mut positions = BTreeMap::<QueueName, usize>::new();
        for (call, place) in places {
            let before = positions.insert(place.queue.clone(), place.position).unwrap_or(0);
            assert_eq!(place.position, before + 1, "{call}");
            assert!(place.wait.is_none_or(|range| range.from <= range.to), "{place:?}");
            assert!(place.agents <= AGENTS.len(), "{place:?}");
        }
    }
}

/// Queues with a bit of everything.
fn storm_queues() -> BTreeMap<QueueName, QueueRules> {
    let relax =
        |s: u32, to: Relaxed| RelaxStep { after: s * SECOND, skill: Skill::new("billing"), to };
    let queues = [
        QueueRules { len_max: 20, ..queue("front") },
        QueueRules {
            relax: vec![relax(60, Relaxed::Level(Level::ONE)), relax(150, Relaxed::Dropped)],
            priority: 7,
            ageing: 45 * SECOND,
            len_max: 12,
            ..skilled("billing", "billing", 3)
        },
        QueueRules {
            strategy: Strategy::BestSkill,
            overflow: Some((90 * SECOND, QueueName::new("small"))),
            priority: 3,
            len_max: 12,
            ..skilled("cards", "cards", 2)
        },
        QueueRules {
            wait_max: Some(4 * MINUTE),
            overflow: Some((2 * MINUTE, QueueName::new("front"))),
            wrap_up: Duration::ZERO,
            len_max: 4,
            ..queue("small")
        },
    ];
    queues.into_iter().map(|rules| (rules.queue.clone(), rules)).collect()
}

fn storm(seed: u64, event: &Cell<usize>) -> Storm {
    let mut storm = Storm::new(seed);
    while event.get() < EVENTS {
        event.set(event.get() + 1);
        if storm.rng.f32() < 0.4 {
            storm.wait();
        }
        let input = storm.event();
        storm.give(input);
        if event.get().is_multiple_of(100) {
            storm.look_at_places();
        }
    }
    storm
}

#[test]
fn a_storm_of_events_loses_and_starves_nobody_and_gives_nobody_two_calls() {
    for seed in [1, 20_260_101] {
        let event = Cell::new(0);
        match catch_unwind(AssertUnwindSafe(|| storm(seed, &event))) {
            Ok(storm) => {
                // It was a storm, and not a calm: callers came, were offered, and went.
                let model = &storm.model;
                assert!(model.offers > 2_000, "{} offers of seed {seed}", model.offers);
                assert!(model.ends > 2_000, "{} ends of seed {seed}", model.ends);
            }
            Err(panic) => {
                eprintln!("seed {seed}, event {}", event.get());
                resume_unwind(panic);
            }
        }
    }
}
