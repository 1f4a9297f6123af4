//! The router: one owner of all queues and agents, that decides who takes which call.
//!
//! A caller (a `Stage`, until they are gone):
//!
//! ```text
//!   Enqueue            offered            OfferTaken           Joined            CallEnded
//!  ─────────▶ Waiting ─────────▶ Offered ────────────▶ Joining ───────▶ Talking ───────────▶ gone
//!              │   ▲                │                     │                │
//!              │   └────────────────┴─────────────────────┴────────────────┘
//!              │      not taken, desk gone      not joined, too late     desk gone
//!              └──▶ gone: left, waited too long, no such queue, no such agent
//! ```
//!
//! An agent (an [`AgentState`]):
//!
//! ```text
//!           SignedIn         Ready           offered            OfferTaken
//!  Offline ─────────▶ Away ◀───────▶ Ready ─────────▶ Offered ────────────▶ Talking
//!     ▲                ▲    Away       ▲                │  │                 │   │ CallEnded
//!     │                ├───────────────│────────────────┘  │                 │   ▼
//!     │                │  no answer    │     declined, or  │                 │  WrapUp
//!     │                │               ├───────────────────┘                 │   │
//!     │                └───────────────│─────────────────────────────────────┘   │
//!     │                   not joined   └─────────────────────────────────────────┘
//!     │                                           done, or its time is over
//!     └── from everywhere: desk gone; `Offline` said (during an offer or a call, after it)
//! ```
//!
//! What an agent says during an offer, a call or a wrap-up holds after it, in place of `Ready`; only
//! that they are ready, or gone home, ends a wrap-up at once.
//!
//! **Order.** Whoever has lost an agent (a desk died, an offer was not reacted to, audio could not be
//! set up) goes first. Then the lower priority, which goes up with the wait
//! ([`QueueRules::priority_after`]); then whoever has waited longer. It is one order across all queues:
//! an agent who can take calls of several takes the first of all that they can take.
//!
//! **Nobody starves.** A caller with priority p in a queue where callers go up every A has priority 1
//! once (p - 1) * A have passed since their `since` ([`QueueRules::passed_over_for_at_most`]). From
//! then on every agent who can take them takes them before everybody whose `since` is later. Before
//! them are only those whose `since` is earlier, who are no more than wait at that moment, and those
//! who lose an agent. An agent who declined them is no agent who can take them, for [`DECLINED_FOR`](super::DECLINED_FOR).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::base::{CallId, QueueName};

use super::agents::{AWAY_SIGNED_IN, Agent};
use super::estimate::Recent;
use super::queue::{Answer, Entry, Queue, Stage};
use super::{
    AgentId, AgentProfile, AgentState, Counts, LeftQueue, OfferEnd, Presence, QueueRules,
    RouterInput, RouterOutput, RouterRefusal, WaitEnd, Waiter, WaiterKind,
};

/// Queues, callers and agents. Give it inputs, then drain [`Router::poll_output`], then wait until
/// [`Router::poll_timeout`].
///
/// A callback that nobody answers is not a `JoinFailed`, which offers it to the next agent at once:
/// say `CallEnded`, and enqueue it again with its `since` when it is to be tried again.
#[derive(Debug, Default)]
pub struct Router {
    pub(super) queues: BTreeMap<QueueName, Queue>,
    /// Callers in line and with agents. Bounded by `len_max` of all queues, and one for each agent.
    pub(super) entries: BTreeMap<CallId, Entry>,
    pub(super) agents: BTreeMap<AgentId, Agent>,
    /// Drained by the shell after each input, which adds a few for each caller and agent at most.
    pub(super) outputs: VecDeque<RouterOutput>,
    /// When agents and callers were last brought together.
    pub(super) matched_at: Option<Instant>,
    /// What calls of a queue are thought to take that is not there any more.
    pub(super) unknown: Recent,
    pub(super) offers: u64,
    numbers: u64,
    counted_since: Option<Instant>,
}

impl Router {
    /// No queues, no agents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// It does not go together with what is: nothing has changed then.
    pub fn handle(&mut self, now: Instant, input: RouterInput) -> Result<(), RouterRefusal> {
        match input {
            RouterInput::Queues(queues) => self.set_queues(now, queues),
            RouterInput::SignedIn(profile) => self.sign_in(now, profile),
            RouterInput::ProfileChanged(profile) => self.change_profile(profile)?,
            RouterInput::Presence { agent, presence } => {
                self.say_presence(now, &agent, presence)?;
            }
            RouterInput::AgentLost { agent } => self.lose_agent(now, &agent)?,
            RouterInput::Enqueue(waiter) => self.enqueue(now, waiter)?,
            RouterInput::Leave { call, why } => self.leave(now, call, why)?,
            RouterInput::OfferShown { offer, agent } => self.show_offer(now, offer, &agent)?,
            RouterInput::OfferTaken { offer, agent } => self.take_offer(now, offer, &agent)?,
            RouterInput::OfferDeclined { offer, agent } => {
                self.decline_offer(now, offer, &agent)?;
            }
            RouterInput::Joined { call } => self.join(now, call)?,
            RouterInput::JoinFailed { call } => self.fail_join(now, call)?,
            RouterInput::CallEnded { call } => self.end_call(now, call)?,
            RouterInput::WrapUpDone { agent } => self.finish_wrap_up(now, &agent)?,
            RouterInput::Timeout => self.pass_time(now),
        }
        self.offer_calls(now);
        Ok(())
    }

    /// What is to be done next; `None` when there is nothing more for now.
    pub fn poll_output(&mut self) -> Option<RouterOutput> {
        self.outputs.pop_front()
    }

    /// Whether one more caller may wait there, besides so many others who are on their way.
    ///
    /// # Errors
    /// There is no such queue, or it is full.
    pub fn has_room(&self, queue: &QueueName, coming: usize) -> Result<(), RouterRefusal> {
        let found = self.queues.get(queue).ok_or(RouterRefusal::NoQueue)?;
        let here = |entry: &&Entry| entry.is_in_line() && entry.waiter.queue == *queue;
        match self.entries.values().filter(here).count() + coming < found.rules.len_max {
            true => Ok(()),
            false => Err(RouterRefusal::QueueFull),
        }
    }

    /// Begins to count anew (a new day), and forgets agents who have gone home.
    pub fn forget_counts(&mut self, now: Instant) {
        self.counted_since = Some(now);
        for queue in self.queues.values_mut() {
            queue.counts = Counts::default();
        }
        self.agents.retain(|_, agent| agent.state != AgentState::Offline);
        for agent in self.agents.values_mut() {
            agent.calls = 0;
        }
    }

    /// Since when counts count; `None` if they were never forgotten.
    pub fn counted_since(&self) -> Option<Instant> {
        self.counted_since
    }

    fn set_queues(&mut self, now: Instant, queues: BTreeMap<QueueName, QueueRules>) {
        self.queues.retain(|name, _| queues.contains_key(name));
        for (name, rules) in queues {
            match self.queues.get_mut(&name) {
                Some(queue) => queue.rules = rules,
                None => {
                    self.queues.insert(name, Queue::new(rules));
                }
            }
        }
        let gone =
            |entry: &&Entry| entry.is_in_line() && !self.queues.contains_key(&entry.waiter.queue);
        let gone: Vec<CallId> =
            self.entries.values().filter(gone).map(|entry| entry.waiter.call).collect();
        for call in gone {
            let agent = self.end_offer(call, OfferEnd::CallerLeft);
            self.end_wait(call, WaitEnd::NoQueue);
            if let Some(agent) = agent {
                self.free_again(now, &agent);
            }
        }
    }

    fn enqueue(&mut self, now: Instant, mut waiter: Waiter) -> Result<(), RouterRefusal> {
        if self.entries.contains_key(&waiter.call) {
            return Err(RouterRefusal::Already);
        }
        self.has_room(&waiter.queue, 0)?;
        if let Some(only) = &waiter.only {
            self.signed_in(only)?;
        }
        // Nobody has waited since a time to come.
        waiter.since = waiter.since.min(now);
        self.numbers += 1;
        self.entries.insert(waiter.call, Entry::new(waiter, self.numbers, now));
        Ok(())
    }

    fn leave(&mut self, now: Instant, call: CallId, why: LeftQueue) -> Result<(), RouterRefusal> {
        let entry = self.entries.get(&call).ok_or(RouterRefusal::NoCall)?;
        if !entry.is_in_line() {
            return self.end_call(now, call);
        }
        // Whoever is to be called back has hung up already; that the call they made is over, which may
        // be told after they were booked, does not cancel it.
        if entry.waiter.kind == WaiterKind::Callback && why == LeftQueue::HungUp {
            return Err(RouterRefusal::WrongState);
        }
        let agent = self.end_offer(call, OfferEnd::CallerLeft);
        if let Some(entry) = self.entries.remove(&call) {
            self.count_left(now, &entry, why);
        }
        if let Some(agent) = agent {
            self.free_again(now, &agent);
        }
        Ok(())
    }

    /// A caller waits no more, without having been served.
    pub(super) fn end_wait(&mut self, call: CallId, why: WaitEnd) {
        let Some(entry) = self.entries.remove(&call) else { return };
        if let Some(queue) = self.queues.get_mut(&entry.waiter.queue)
            && why == WaitEnd::TooLong
        {
            queue.counts.too_long += 1;
        }
        self.outputs.push_back(RouterOutput::WaitOver { call, why });
    }

    pub(super) fn count_left(&mut self, now: Instant, entry: &Entry, why: LeftQueue) {
        let Some(queue) = self.queues.get_mut(&entry.waiter.queue) else { return };
        let waited = now.saturating_duration_since(entry.came);
        let counts = &mut queue.counts;
        match (why, entry.answer) {
            // Counted as answered, once and for all.
            (_, Answer::Counted) => {}
            (LeftQueue::HungUp, Answer::Awaited) => {
                counts.abandoned += 1;
                if waited <= queue.rules.answer_within {
                    counts.abandoned_in_time += 1;
                }
            }
            (LeftQueue::ByChoice | LeftQueue::ForCallback | LeftQueue::Elsewhere, _) => {
                counts.left += 1;
            }
        }
        // A caller who is to be called back still takes an agent's time.
        if entry.waiter.kind == WaiterKind::Call && why != LeftQueue::ForCallback {
            queue.recent.note_left(waited);
        }
    }

    fn sign_in(&mut self, now: Instant, profile: AgentProfile) {
        let id = profile.agent.clone();
        let agent =
            self.agents.entry(id.clone()).or_insert_with(|| Agent::new(profile.clone(), now));
        agent.profile = profile;
        match agent.state {
            AgentState::Offline | AgentState::Ready { .. } | AgentState::Away { .. } => {
                let reason = AWAY_SIGNED_IN.to_owned();
                self.turn(now, &id, AgentState::Away { reason, since: now });
            }
            // The same call goes on at a desk that was opened again.
            AgentState::Offered { .. } | AgentState::Talking { .. } | AgentState::WrapUp { .. } => {
                // Who meant to go home afterwards has come back.
                if agent.next == Some(Presence::Offline) {
                    agent.next = Some(Presence::Away(AWAY_SIGNED_IN.to_owned()));
                }
            }
        }
    }

    /// What they have been offered or have taken, they keep.
    fn change_profile(&mut self, profile: AgentProfile) -> Result<(), RouterRefusal> {
        self.signed_in(&profile.agent)?;
        if let Some(agent) = self.agents.get_mut(&profile.agent) {
            agent.profile = profile;
        }
        Ok(())
    }

    fn say_presence(
        &mut self,
        now: Instant,
        id: &AgentId,
        presence: Presence,
    ) -> Result<(), RouterRefusal> {
        self.signed_in(id)?;
        let Some(agent) = self.agents.get_mut(id) else { return Err(RouterRefusal::NoAgent) };
        match (&agent.state, presence) {
            // Who is ready already keeps their turn.
            (AgentState::Offline, _) | (AgentState::Ready { .. }, Presence::Ready) => {}
            (AgentState::Ready { .. } | AgentState::Away { .. }, presence) => {
                let state = match presence {
                    Presence::Ready => AgentState::Ready { since: now },
                    Presence::Away(reason) => AgentState::Away { reason, since: now },
                    Presence::Offline => AgentState::Offline,
                };
                self.turn(now, id, state);
            }
            (AgentState::WrapUp { .. }, presence @ (Presence::Ready | Presence::Offline)) => {
                agent.say_for_later(presence);
                self.wrapped_up(now, id);
            }
            (
                AgentState::Offered { .. } | AgentState::Talking { .. } | AgentState::WrapUp { .. },
                presence,
            ) => agent.say_for_later(presence),
        }
        Ok(())
    }

    fn finish_wrap_up(&mut self, now: Instant, id: &AgentId) -> Result<(), RouterRefusal> {
        match self.signed_in(id)?.state {
            AgentState::WrapUp { .. } => {
                self.wrapped_up(now, id);
                Ok(())
            }
            _ => Err(RouterRefusal::WrongState),
        }
    }

    /// The work after a call is over.
    pub(super) fn wrapped_up(&mut self, now: Instant, id: &AgentId) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        if let Some(work) = agent.work.take()
            && let Some(queue) = self.queues.get_mut(&work.queue)
        {
            queue.recent.note_handled(work.talk, now.saturating_duration_since(work.since));
        }
        self.free(now, id, AgentState::Ready { since: now });
    }

    /// An agent has no call any more: they do what they said meanwhile, or this.
    pub(super) fn free(&mut self, now: Instant, id: &AgentId, otherwise: AgentState) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        agent.work = None;
        let state = agent.take_next(now, otherwise);
        self.turn(now, id, state);
    }

    /// The same, after an offer that came to nothing through no fault of the agent.
    pub(super) fn free_again(&mut self, now: Instant, id: &AgentId) {
        let Some(agent) = self.agents.get(id) else { return };
        let ready = agent.idle_again();
        self.free(now, id, ready);
    }

    /// What an agent does from now on.
    pub(super) fn turn(&mut self, now: Instant, id: &AgentId, state: AgentState) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        if let AgentState::Ready { since } = state {
            agent.idle_since = since;
        }
        agent.state = state.clone();
        agent.changed = now;
        let is_gone = state == AgentState::Offline;
        self.outputs.push_back(RouterOutput::AgentChanged { agent: id.clone(), state });
        if is_gone {
            self.end_waits_for(id);
        }
    }

    /// Whoever waited for this agent alone waits in vain.
    fn end_waits_for(&mut self, id: &AgentId) {
        let theirs = |entry: &&Entry| {
            entry.stage == Stage::Waiting && entry.waiter.only.as_ref() == Some(id)
        };
        let calls: Vec<CallId> =
            self.entries.values().filter(theirs).map(|entry| entry.waiter.call).collect();
        for call in calls {
            self.end_wait(call, WaitEnd::AgentGone);
        }
    }

    /// The agent, if they are signed in.
    pub(super) fn signed_in(&self, id: &AgentId) -> Result<&Agent, RouterRefusal> {
        let found = self.agents.get(id).filter(|agent| agent.state != AgentState::Offline);
        found.ok_or(RouterRefusal::NoAgent)
    }

    /// How long an agent works on a call after it.
    pub(super) fn wrap_up_of(&self, queue: &QueueName) -> Duration {
        self.queues.get(queue).map_or(Duration::ZERO, |queue| queue.rules.wrap_up)
    }

    /// Callers in line, the next first.
    pub(super) fn line(&self, now: Instant) -> Vec<&Entry> {
        let in_line = self.entries.values().filter(|entry| entry.is_in_line());
        let mut ranked: Vec<_> = in_line
            .filter_map(|entry| {
                let queue = self.queues.get(&entry.waiter.queue)?;
                Some((entry.rank(&queue.rules, now), entry))
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, entry)| entry).collect()
    }
}
