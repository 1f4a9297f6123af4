//! What must be so, kept by hand from what goes into a router and comes out: written a second time, and
//! as plainly as can be, so that the two have to agree.

use std::collections::BTreeMap;

use super::*;

/// Where a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    Waiting,
    Offered(OfferId, AgentId),
    Joining(AgentId),
    Talking(AgentId),
}

/// A caller who is there.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub waiter: Waiter,
    pub at: At,
    /// Has lost an agent.
    pub is_first: bool,
    pub number: u64,
    pub kept_from: BTreeMap<AgentId, Instant>,
}

/// An agent who has signed in once.
#[derive(Debug)]
pub(super) struct Desk {
    pub profile: AgentProfile,
    pub state: AgentState,
    /// The offer that is on its screen.
    pub shown: Option<OfferId>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub queues: BTreeMap<QueueName, QueueRules>,
    /// Callers who are there; all others are gone.
    pub callers: BTreeMap<CallId, Caller>,
    pub desks: BTreeMap<AgentId, Desk>,
    /// Who has left by the input whose outputs are looked at.
    left: Option<Caller>,
    numbers: u64,
    /// Whose desk is gone by this input.
    lost: Option<AgentId>,
    /// Offers that were made.
    pub offers: u64,
    /// Callers who are gone.
    pub ends: u64,
}

impl Model {
    /// Whether this is refused, and why.
    pub fn refuses(&self, now: Instant, input: &RouterInput) -> Option<RouterRefusal> {
        match input {
            RouterInput::Queues(_) | RouterInput::SignedIn(_) | RouterInput::Timeout => None,
            RouterInput::Presence { agent, .. } | RouterInput::AgentLost { agent } => {
                self.desk(agent).err()
            }
            RouterInput::ProfileChanged(profile) => self.desk(&profile.agent).err(),
            RouterInput::Enqueue(waiter) => self.refuses_caller(waiter),
            RouterInput::Leave { call, why } => match self.callers.get(call) {
                None => Some(RouterRefusal::NoCall),
                Some(caller) => {
                    let is_called_back = caller.waiter.kind == WaiterKind::Callback;
                    let is_late = is_called_back && caller.in_line() && *why == LeftQueue::HungUp;
                    is_late.then_some(RouterRefusal::WrongState)
                }
            },
            RouterInput::OfferShown { offer, agent }
            | RouterInput::OfferDeclined { offer, agent } => self.stands(now, *offer, agent).err(),
            RouterInput::OfferTaken { offer, agent } => match self.stands(now, *offer, agent) {
                Ok(desk) => (desk.shown != Some(*offer)).then_some(RouterRefusal::NotShown),
                Err(refusal) => Some(refusal),
            },
            RouterInput::Joined { call } | RouterInput::JoinFailed { call } => {
                self.refuses_unless(*call, |at| matches!(at, At::Joining(_)))
            }
            RouterInput::CallEnded { call } => {
                self.refuses_unless(*call, |at| matches!(at, At::Joining(_) | At::Talking(_)))
            }
            RouterInput::WrapUpDone { agent } => match self.desk(agent) {
                Ok(desk) if matches!(desk.state, AgentState::WrapUp { .. }) => None,
                Ok(_) => Some(RouterRefusal::WrongState),
                Err(refusal) => Some(refusal),
            },
        }
    }

    fn refuses_caller(&self, waiter: &Waiter) -> Option<RouterRefusal> {
        if self.callers.contains_key(&waiter.call) {
            return Some(RouterRefusal::Already);
        }
        let Some(rules) = self.queues.get(&waiter.queue) else {
            return Some(RouterRefusal::NoQueue);
        };
        if self.line(&waiter.queue).count() >= rules.len_max {
            return Some(RouterRefusal::QueueFull);
        }
        self.desk(waiter.only.as_ref()?).err()
    }

    fn refuses_unless(&self, call: CallId, fits: fn(&At) -> bool) -> Option<RouterRefusal> {
        match self.callers.get(&call) {
            None => Some(RouterRefusal::NoCall),
            Some(caller) => (!fits(&caller.at)).then_some(RouterRefusal::WrongState),
        }
    }

    fn desk(&self, agent: &AgentId) -> Result<&Desk, RouterRefusal> {
        let found = self.desks.get(agent).filter(|desk| desk.state != AgentState::Offline);
        found.ok_or(RouterRefusal::NoAgent)
    }

    fn stands(
        &self,
        now: Instant,
        offer: OfferId,
        agent: &AgentId,
    ) -> Result<&Desk, RouterRefusal> {
        let desk = self.desk(agent)?;
        match desk.state {
            AgentState::Offered { offer: theirs, until, .. } if theirs == offer && now < until => {
                Ok(desk)
            }
            _ => Err(RouterRefusal::OfferOver),
        }
    }

    /// Callers in line in this queue.
    fn line<'a>(&'a self, queue: &'a QueueName) -> impl Iterator<Item = &'a Caller> {
        self.callers.values().filter(move |one| one.in_line() && one.waiter.queue == *queue)
    }

    /// Takes note of what was given and taken.
    pub fn note_input(&mut self, now: Instant, input: &RouterInput) {
        (self.left, self.lost) = (None, None);
        match input {
            RouterInput::Queues(queues) => self.queues.clone_from(queues),
            RouterInput::SignedIn(profile) => {
                let desk = self.desks.entry(profile.agent.clone()).or_insert_with(|| Desk {
                    profile: profile.clone(),
                    state: AgentState::Offline,
                    shown: None,
                });
                desk.profile = profile.clone();
            }
            RouterInput::ProfileChanged(profile) => {
                let desk = self.desks.get_mut(&profile.agent).expect("it was taken");
                desk.profile = profile.clone();
            }
            RouterInput::Enqueue(waiter) => {
                self.numbers += 1;
                let mut waiter = waiter.clone();
                waiter.since = waiter.since.min(now);
                let caller = Caller {
                    waiter,
                    at: At::Waiting,
                    is_first: false,
                    number: self.numbers,
                    kept_from: BTreeMap::new(),
                };
                self.callers.insert(caller.waiter.call, caller);
            }
            RouterInput::Leave { call, .. } | RouterInput::CallEnded { call } => {
                self.left = self.callers.remove(call);
                self.ends += 1;
            }
            RouterInput::OfferShown { offer, agent } => {
                self.desks.get_mut(agent).expect("it was taken").shown = Some(*offer);
            }
            RouterInput::Joined { call } => {
                let caller = self.callers.get_mut(call).expect("it was taken");
                let At::Joining(agent) = &caller.at else { panic!("{call} is {:?}", caller.at) };
                caller.at = At::Talking(agent.clone());
            }
            RouterInput::AgentLost { agent } => self.note_lost(agent),
            RouterInput::Presence { .. }
            | RouterInput::OfferTaken { .. }
            | RouterInput::OfferDeclined { .. }
            | RouterInput::JoinFailed { .. }
            | RouterInput::WrapUpDone { .. }
            | RouterInput::Timeout => {}
        }
    }

    /// Takes note of what came out, which must be possible.
    pub fn note_output(&mut self, now: Instant, output: &RouterOutput) {
        match output {
            RouterOutput::Offer { offer, agent, call, queue, kind, until } => {
                assert!(*until > now);
                let caller = &self.callers[call];
                assert_eq!((&caller.waiter.queue, caller.waiter.kind), (queue, *kind));
                assert!(matches!(self.desks[agent].state, AgentState::Ready { .. }), "{agent}");
                self.must_be_next(now, *call, agent);
                self.offers += 1;
                self.put(*call, &At::Waiting, At::Offered(*offer, agent.clone()));
                let state = AgentState::Offered { offer: *offer, call: *call, until: *until };
                self.desks.get_mut(agent).expect("an agent").state = state;
            }
            RouterOutput::OfferEnded { offer, agent, call, why } => {
                self.note_offer_ended(now, *offer, agent, *call, *why);
            }
            RouterOutput::Join { offer, agent, call, kind } => {
                assert_eq!(self.callers[call].waiter.kind, *kind);
                assert_eq!(self.desks[agent].shown, Some(*offer));
                let from = At::Offered(*offer, agent.clone());
                self.put(*call, &from, At::Joining(agent.clone()));
            }
            RouterOutput::Moved { call, from, to } => {
                let caller = self.callers.get_mut(call).expect("a caller");
                assert_eq!((&caller.at, &caller.waiter.queue), (&At::Waiting, from));
                caller.waiter.queue.clone_from(to);
                assert!(self.line(to).count() <= self.queues[to].len_max);
            }
            RouterOutput::Back { call, why } => self.note_back(now, *call, *why),
            RouterOutput::WaitOver { call, .. } => {
                let caller = self.callers.remove(call).expect("a caller");
                assert_eq!(caller.at, At::Waiting);
                self.ends += 1;
            }
            RouterOutput::AgentChanged { agent, state } => {
                self.desks.get_mut(agent).expect("an agent").state = state.clone();
            }
        }
    }

    fn note_offer_ended(
        &mut self,
        now: Instant,
        offer: OfferId,
        agent: &AgentId,
        call: CallId,
        why: OfferEnd,
    ) {
        let from = At::Offered(offer, agent.clone());
        if let Some(left) = self.left.as_ref().filter(|left| left.waiter.call == call) {
            assert_eq!((&left.at, why), (&from, OfferEnd::CallerLeft));
            return;
        }
        self.put(call, &from, At::Waiting);
        let caller = self.callers.get_mut(&call).expect("a caller");
        match why {
            OfferEnd::Declined => {
                caller.kept_from.insert(agent.clone(), now + DECLINED_FOR);
            }
            OfferEnd::Expired | OfferEnd::AgentLost => caller.is_first = true,
            OfferEnd::CallerLeft => {}
        }
    }

    fn note_back(&mut self, now: Instant, call: CallId, why: BackInQueue) {
        let caller = self.callers.get_mut(&call).expect("a caller");
        match (why, caller.at.clone()) {
            (BackInQueue::NotTaken, At::Waiting) => {}
            (BackInQueue::NotJoined, At::Joining(agent)) => {
                caller.is_first = true;
                if self.lost.as_ref() != Some(&agent) {
                    caller.kept_from.insert(agent, now + DECLINED_FOR);
                }
            }
            (BackInQueue::AgentLost, At::Talking(_)) => caller.is_first = true,
            (why, at) => panic!("{call} is back ({why:?}) from {at:?}"),
        }
        caller.at = At::Waiting;
    }

    fn note_lost(&mut self, agent: &AgentId) {
        self.lost = Some(agent.clone());
        for caller in self.callers.values_mut() {
            match &caller.at {
                At::Joining(with) | At::Talking(with) if with == agent => {
                    caller.waiter.only = None;
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, call: CallId, from: &At, to: At) {
        let caller = self.callers.get_mut(&call).expect("a caller");
        assert_eq!(&caller.at, from, "{call}");
        caller.at = to;
    }

    /// Of all who wait, this one is the first whom this agent can take, and has not been overtaken for
    /// longer than may be.
    fn must_be_next(&self, now: Instant, call: CallId, agent: &AgentId) {
        let profile = &self.desks[agent].profile;
        let next = &self.callers[&call];
        assert!(self.can_take(now, next, profile), "{agent} cannot take {call}");
        let others = self.callers.values().filter(|other| other.at == At::Waiting);
        for other in others.filter(|other| self.can_take(now, other, profile)) {
            assert!(
                self.rank(now, next) <= self.rank(now, other),
                "{agent} is offered {next:?} before {other:?}"
            );
            let rules = &self.queues[&other.waiter.queue];
            let steps = rules.priority.min(other.waiter.priority).clamp(1, 9) - 1;
            let is_old = now >= other.waiter.since + rules.ageing * u32::from(steps);
            assert!(
                !is_old || next.is_first || next.waiter.since <= other.waiter.since,
                "{other:?} starves for {next:?}"
            );
        }
    }

    fn can_take(&self, now: Instant, caller: &Caller, profile: &AgentProfile) -> bool {
        if caller.kept_from.get(&profile.agent).is_some_and(|until| now < *until) {
            return false;
        }
        if let Some(only) = &caller.waiter.only {
            return *only == profile.agent;
        }
        let waited = now - caller.waiter.since;
        let rules = &self.queues[&caller.waiter.queue];
        let is_met = |need: &Need| {
            let level = profile.skills.get(&need.skill).map_or(0, |level| level.get());
            let steps = rules.relax.iter().filter(|step| step.skill == need.skill);
            let asked = steps.filter(|step| step.after <= waited).map(|step| match step.to {
                Relaxed::Level(level) => level.get(),
                Relaxed::Dropped => 0,
            });
            level >= asked.chain([need.level.get()]).min().unwrap_or(0)
        };
        let speaks =
            |asked: &String| profile.languages.is_empty() || profile.languages.contains(asked);
        rules.needs.iter().chain(&caller.waiter.needs).all(is_met)
            && caller.waiter.language.as_ref().is_none_or(speaks)
    }

    fn rank(&self, now: Instant, caller: &Caller) -> (bool, u8, Instant, u64) {
        let rules = &self.queues[&caller.waiter.queue];
        let mut priority = rules.priority.min(caller.waiter.priority).clamp(1, 9);
        let mut waited = now - caller.waiter.since;
        while priority > 1 && waited >= rules.ageing {
            waited -= rules.ageing;
            priority -= 1;
        }
        (!caller.is_first, priority, caller.waiter.since, caller.number)
    }

    /// Callers and agents are where the router says they are, nobody has two calls, and nobody waits
    /// while somebody is idle who could take them.
    pub fn must_agree(&self, now: Instant, router: &Router) {
        let seen: BTreeMap<&AgentId, &AgentState> =
            router.agents().map(|agent| (&agent.profile.agent, agent.state)).collect();
        let known: BTreeMap<&AgentId, &AgentState> =
            self.desks.iter().map(|(agent, desk)| (agent, &desk.state)).collect();
        assert_eq!(seen, known);
        for view in router.queues(now) {
            let mut line: Vec<&Caller> = self.line(view.name).collect();
            line.sort_by_key(|caller| self.rank(now, caller));
            let known: Vec<_> =
                line.iter().map(|caller| (caller.waiter.call, caller.offered_to())).collect();
            let seen: Vec<_> =
                view.waiting.iter().map(|waiter| (waiter.call, waiter.offered_to)).collect();
            assert_eq!(seen, known, "{}", view.name);
        }
        let mut calls = BTreeMap::<&AgentId, CallId>::new();
        for (call, caller) in &self.callers {
            assert!(!caller.in_line() || self.queues.contains_key(&caller.waiter.queue));
            let agent = match &caller.at {
                At::Waiting => continue,
                At::Offered(_, agent) | At::Joining(agent) | At::Talking(agent) => agent,
            };
            let other = calls.insert(agent, *call);
            assert_eq!(other, None, "{agent} has two calls");
            match (&caller.at, &self.desks[agent].state) {
                (At::Offered(id, _), AgentState::Offered { offer, call: theirs, .. }) => {
                    assert_eq!((id, call), (offer, theirs));
                }
                (At::Joining(_) | At::Talking(_), AgentState::Talking { call: theirs, .. }) => {
                    assert_eq!(call, theirs);
                    assert_eq!(router.agent_of(*call), Some(agent));
                }
                (at, state) => panic!("{call} is {at:?}, its agent is {state:?}"),
            }
        }
        for (agent, desk) in &self.desks {
            match desk.state {
                AgentState::Offered { .. } | AgentState::Talking { .. } => {
                    assert!(calls.contains_key(agent), "{agent} has no call");
                }
                AgentState::Ready { .. } => self.must_be_idle_for_a_reason(now, &desk.profile),
                _ => {}
            }
        }
    }

    fn must_be_idle_for_a_reason(&self, now: Instant, profile: &AgentProfile) {
        let waiting = self.callers.values().filter(|caller| caller.at == At::Waiting);
        for caller in waiting {
            let can_take = self.can_take(now, caller, profile);
            assert!(!can_take, "{} is idle, {caller:?} waits", profile.agent);
        }
    }
}

impl Caller {
    pub fn in_line(&self) -> bool {
        matches!(self.at, At::Waiting | At::Offered(..))
    }

    fn offered_to(&self) -> Option<&AgentId> {
        match &self.at {
            At::Offered(_, agent) => Some(agent),
            _ => None,
        }
    }
}
