//! The router on simulated time: each rule by itself, and all of them in a storm of events.

mod leaving;
mod model;
mod offering;
mod order;
mod storm;
mod waiting;

use std::time::{Duration, Instant};

use super::*;
use crate::base::{CallId, QueueName};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A router, and the time it is.
struct Floor {
    router: Router,
    now: Instant,
}

impl Floor {
    /// These queues, and nobody in them.
    fn new(queues: impl IntoIterator<Item = QueueRules>) -> Self {
        let mut floor = Self::empty();
        floor.set_queues(queues);
        floor
    }

    /// No queues at all. Late enough for callers to have waited for a while already.
    fn empty() -> Self {
        Self { router: Router::new(), now: Instant::now() + 60 * MINUTE }
    }

    fn set_queues(&mut self, queues: impl IntoIterator<Item = QueueRules>) -> Vec<RouterOutput> {
        let named = queues.into_iter().map(|rules| (rules.queue.clone(), rules));
        self.give(RouterInput::Queues(named.collect()))
    }

    /// Gives an input that must be taken, and says what came of it.
    #[track_caller]
    fn give(&mut self, input: RouterInput) -> Vec<RouterOutput> {
        let told = format!("{input:?}");
        let taken = self.router.handle(self.now, input);
        assert_eq!(taken, Ok(()), "{told}");
        std::iter::from_fn(|| self.router.poll_output()).collect()
    }

    /// Gives an input that must not be taken, and says why it was not.
    #[track_caller]
    fn refused(&mut self, input: RouterInput) -> RouterRefusal {
        let told = format!("{input:?}");
        let refusal = self.router.handle(self.now, input).expect_err(&told);
        assert_eq!(self.router.poll_output(), None, "{told}");
        refusal
    }

    /// Lets time pass, with each timeout when it is due.
    fn wait(&mut self, time: Duration) -> Vec<RouterOutput> {
        let until = self.now + time;
        let mut outputs = Vec::new();
        while let Some(at) = self.router.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            outputs.extend(self.give(RouterInput::Timeout));
            let next = self.router.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timeout leaves nothing due");
        }
        self.now = until;
        outputs
    }

    /// Signs an agent in who takes calls.
    fn agent(&mut self, name: &str, skills: &[(&str, u8)]) -> Vec<RouterOutput> {
        self.sign_in(name, skills, &[]);
        self.says(name, Presence::Ready)
    }

    fn sign_in(&mut self, name: &str, skills: &[(&str, u8)], languages: &[&str]) {
        self.give(RouterInput::SignedIn(AgentProfile {
            agent: AgentId::new(name),
            skills: skills
                .iter()
                .map(|(skill, level)| (Skill::new(*skill), Level::new(*level).expect("1 to 5")))
                .collect(),
            languages: languages.iter().map(|tag| (*tag).to_owned()).collect(),
        }));
    }

    fn says(&mut self, name: &str, presence: Presence) -> Vec<RouterOutput> {
        self.give(RouterInput::Presence { agent: AgentId::new(name), presence })
    }

    fn lose(&mut self, name: &str) -> Vec<RouterOutput> {
        self.give(RouterInput::AgentLost { agent: AgentId::new(name) })
    }

    /// A caller who comes now.
    fn caller(&self, call: u128, queue: &str) -> Waiter {
        Waiter {
            call: CallId::from_u128(call),
            queue: QueueName::new(queue),
            needs: Vec::new(),
            language: None,
            priority: 5,
            since: self.now,
            kind: WaiterKind::Call,
            only: None,
        }
    }

    /// Has such a caller come.
    fn comes(&mut self, call: u128, queue: &str) -> Vec<RouterOutput> {
        let caller = self.caller(call, queue);
        self.give(RouterInput::Enqueue(caller))
    }

    fn leaves(&mut self, call: u128, why: LeftQueue) -> Vec<RouterOutput> {
        self.give(RouterInput::Leave { call: CallId::from_u128(call), why })
    }

    /// The offer on an agent's desk.
    #[track_caller]
    fn offer_of(&self, name: &str) -> (OfferId, u128) {
        match self.state_of(name) {
            AgentState::Offered { offer, call, .. } => (offer, call.to_u128()),
            other => panic!("{name} is {other:?}"),
        }
    }

    #[track_caller]
    fn state_of(&self, name: &str) -> AgentState {
        let mut agents = self.router.agents();
        let found = agents.find(|agent| agent.profile.agent.as_str() == name);
        found.unwrap_or_else(|| panic!("no {name}")).state.clone()
    }

    /// The agent takes the call they are offered.
    #[track_caller]
    fn takes(&mut self, name: &str) -> Vec<RouterOutput> {
        let (offer, agent) = (self.offer_of(name).0, AgentId::new(name));
        self.give(RouterInput::OfferShown { offer, agent: agent.clone() });
        self.give(RouterInput::OfferTaken { offer, agent })
    }

    #[track_caller]
    fn declines(&mut self, name: &str) -> Vec<RouterOutput> {
        let (offer, agent) = (self.offer_of(name).0, AgentId::new(name));
        self.give(RouterInput::OfferDeclined { offer, agent })
    }

    /// The agent takes the call they are offered, and the two hear each other. Gives the call.
    #[track_caller]
    fn talks(&mut self, name: &str) -> u128 {
        let (_, call) = self.offer_of(name);
        self.takes(name);
        self.give(RouterInput::Joined { call: CallId::from_u128(call) });
        call
    }

    /// The agent's call and the work after it are over.
    #[track_caller]
    fn is_done(&mut self, name: &str) -> Vec<RouterOutput> {
        let AgentState::Talking { call, .. } = self.state_of(name) else {
            panic!("{name} is {:?}", self.state_of(name))
        };
        self.give(RouterInput::CallEnded { call });
        self.give(RouterInput::WrapUpDone { agent: AgentId::new(name) })
    }

    fn place(&self, call: u128) -> Option<Place> {
        self.router.place(self.now, CallId::from_u128(call))
    }

    fn counts(&self, queue: &str) -> Counts {
        let queues = self.router.queues(self.now);
        let found = queues.iter().find(|view| view.name.as_str() == queue);
        found.expect("there is such a queue").counts
    }
}

/// A queue like many.
fn queue(name: &str) -> QueueRules {
    QueueRules {
        queue: QueueName::new(name),
        needs: Vec::new(),
        priority: 5,
        strategy: Strategy::LongestIdle,
        ageing: 2 * MINUTE,
        relax: Vec::new(),
        offer_for: 20 * SECOND,
        wrap_up: MINUTE,
        wait_max: None,
        overflow: None,
        answer_within: 20 * SECOND,
        len_max: 50,
    }
}

/// A queue that asks for a skill.
fn skilled(name: &str, skill: &str, level: u8) -> QueueRules {
    QueueRules { needs: vec![need(skill, level)], ..queue(name) }
}

fn need(skill: &str, level: u8) -> Need {
    Need { skill: Skill::new(skill), level: Level::new(level).expect("1 to 5") }
}

/// Who is offered which call.
fn offers(outputs: &[RouterOutput]) -> Vec<(&str, u128)> {
    let offers = outputs.iter().filter_map(|output| match output {
        RouterOutput::Offer { agent, call, .. } => Some((agent.as_str(), call.to_u128())),
        _ => None,
    });
    offers.collect()
}

/// Why which callers are back in line.
fn backs(outputs: &[RouterOutput]) -> Vec<(u128, BackInQueue)> {
    let backs = outputs.iter().filter_map(|output| match output {
        RouterOutput::Back { call, why } => Some((call.to_u128(), *why)),
        _ => None,
    });
    backs.collect()
}

/// Why which callers wait no longer.
fn overs(outputs: &[RouterOutput]) -> Vec<(u128, WaitEnd)> {
    let overs = outputs.iter().filter_map(|output| match output {
        RouterOutput::WaitOver { call, why } => Some((call.to_u128(), *why)),
        _ => None,
    });
    overs.collect()
}

/// What agents do, in order.
fn changes(outputs: &[RouterOutput]) -> Vec<(&str, &AgentState)> {
    let changes = outputs.iter().filter_map(|output| match output {
        RouterOutput::AgentChanged { agent, state } => Some((agent.as_str(), state)),
        _ => None,
    });
    changes.collect()
}
