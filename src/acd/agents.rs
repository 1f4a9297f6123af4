//! What is known of each agent.

use std::time::{Duration, Instant};

use crate::base::QueueName;

use super::{AgentProfile, AgentState, Presence};

/// Why an agent is away who has just signed in.
pub const AWAY_SIGNED_IN: &str = "just signed in";

/// Why an agent is away who did not react to an offer.
pub const AWAY_NO_ANSWER: &str = "did not answer";

/// Why an agent is away who took a call, and could not be reached.
pub const AWAY_NOT_JOINED: &str = "could not be connected";

/// The call that an agent is offered, has, or wraps up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// The queue it came from.
    pub queue: QueueName,
    /// When it was offered: from then on, the agent could take nothing else.
    pub since: Instant,
    /// From then until the call was over; zero while it is not.
    pub talk: Duration,
}

/// An agent who has signed in at least once since counts were last forgotten.
#[derive(Debug)]
pub(super) struct Agent {
    pub profile: AgentProfile,
    pub state: AgentState,
    /// Since when the state is what it is.
    pub changed: Instant,
    /// Since when they were idle before the offer they have, or the call.
    pub idle_since: Instant,
    /// Said during an offer, a call or the work after it; holds after it. Never `Ready`.
    pub next: Option<Presence>,
    pub work: Option<Work>,
    /// Calls taken since counts were last forgotten.
    pub calls: u64,
}

impl Agent {
    /// One who has just signed in.
    pub fn new(profile: AgentProfile, now: Instant) -> Self {
        Self {
            profile,
            state: AgentState::Offline,
            changed: now,
            idle_since: now,
            next: None,
            work: None,
            calls: 0,
        }
    }

    /// Takes calls, and has none.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, AgentState::Ready { .. })
    }

    /// Signed in, and not away.
    pub fn is_at_work(&self) -> bool {
        !matches!(self.state, AgentState::Offline | AgentState::Away { .. })
    }

    /// Will take calls again without being asked to.
    pub fn comes_back(&self) -> bool {
        self.is_at_work() && self.next.is_none()
    }

    /// Ready as they were before an offer that came to nothing: their turn is not over.
    pub fn idle_again(&self) -> AgentState {
        AgentState::Ready { since: self.idle_since }
    }

    /// Notes what holds after the present offer, call or wrap-up.
    pub fn say_for_later(&mut self, presence: Presence) {
        self.next = match presence {
            Presence::Ready => None,
            Presence::Away(_) | Presence::Offline => Some(presence),
        };
    }

    /// What follows on an offer, a call or a wrap-up: what was said meanwhile, or `otherwise`.
    pub fn take_next(&mut self, now: Instant, otherwise: AgentState) -> AgentState {
        match self.next.take() {
            Some(Presence::Away(reason)) => AgentState::Away { reason, since: now },
            Some(Presence::Offline) => AgentState::Offline,
            Some(Presence::Ready) | None => otherwise,
        }
    }
}
