//! What goes into the [router](super) and what comes out: closed sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use crate::base::{CallId, QueueName};

/// Who takes calls: the name of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(String);

impl AgentId {
    /// Wraps the name of an account.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that an agent is good at, as `queues.md` names it (`billing`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Skill(String);

impl Skill {
    /// Wraps a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How good: 1 (a beginner) to 5 (an expert).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// The least.
    pub const ONE: Self = Self(1);

    /// `None` outside 1 to 5.
    pub const fn new(level: u8) -> Option<Self> {
        if matches!(level, 1..=5) { Some(Self(level)) } else { None }
    }

    /// 1 to 5.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A skill that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub skill: Skill,
    /// How good at least.
    pub level: Level,
}

/// What is known of whoever signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProfile {
    /// Who.
    pub agent: AgentId,
    /// What they are good at.
    pub skills: BTreeMap<Skill, Level>,
    /// Language tags (`en`, `es-US`); any language if there are none.
    pub languages: BTreeSet<String>,
}

/// What agents say about themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Takes calls.
    Ready,
    /// Takes none, for this reason (`lunch`).
    Away(String),
    /// Has gone home.
    Offline,
}

/// What an agent is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentState {
    /// Not signed in.
    Offline,
    /// Takes calls, and has none.
    Ready {
        /// Since when: who has been idle longest is first.
        since: Instant,
    },
    /// A call is offered to them.
    Offered {
        /// The offer.
        offer: OfferId,
        /// The call.
        call: CallId,
        /// When the offer ends.
        until: Instant,
    },
    /// Has taken a call: it is being put through, or under way.
    Talking {
        /// The call.
        call: CallId,
        /// Since when.
        since: Instant,
    },
    /// The call is over, the work on it is not.
    WrapUp {
        /// The call.
        call: CallId,
        /// When it ends by itself.
        until: Instant,
    },
    /// Takes no calls.
    Away {
        /// Why.
        reason: String,
        /// Since when.
        since: Instant,
    },
}

/// Names one offer of one call to one agent; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId(pub u64);

/// Who of several agents is offered a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Who has been idle longest.
    #[default]
    LongestIdle,
    /// Who is best at what is asked for; among equals, who has been idle longest.
    BestSkill,
}

/// A skill is asked for less strictly once a caller has waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaxStep {
    /// Wait from which this holds.
    pub after: Duration,
    /// Which skill.
    pub skill: Skill,
    /// What is asked for then.
    pub to: Relaxed,
}

/// What becomes of a skill that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relaxed {
    /// This level will do.
    Level(Level),
    /// It is not asked for any more.
    Dropped,
}

/// How calls of a queue are given to agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRules {
    /// The queue.
    pub queue: QueueName,
    /// Skills that all its calls ask for.
    pub needs: Vec<Need>,
    /// 1 (first) to 9.
    pub priority: u8,
    /// Who of several agents.
    pub strategy: Strategy,
    /// A caller who has waited so long goes up by one priority, and again after each such time.
    pub ageing: Duration,
    /// In order of their time.
    pub relax: Vec<RelaxStep>,
    /// How long an agent may take to accept.
    pub offer_for: Duration,
    /// The work after a call.
    pub wrap_up: Duration,
    /// Longest wait.
    pub wait_max: Option<Duration>,
    /// Where callers go on waiting (with their place) after this time.
    pub overflow: Option<(Duration, QueueName)>,
    /// Calls answered within this time count as within the service level.
    pub answer_within: Duration,
    /// Callers that may wait at once.
    pub len_max: usize,
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaiterKind {
    /// A caller on the line.
    Call,
    /// A caller who will be called back when their turn has come.
    Callback,
}

/// A caller in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// The call; a callback keeps the id of the call that asked for it.
    pub call: CallId,
    /// The queue.
    pub queue: QueueName,
    /// Skills asked for besides those of the queue.
    pub needs: Vec<Need>,
    /// Language tag, if one is asked for.
    pub language: Option<String>,
    /// 1 (first) to 9.
    pub priority: u8,
    /// Since when the place counts: of a callback, and of a call that was in the queue before, since
    /// they first waited.
    pub since: Instant,
    /// On the line or not.
    pub kind: WaiterKind,
    /// Only for this agent (a transfer to a colleague).
    pub only: Option<AgentId>,
}

/// Why a caller left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftQueue {
    /// Hung up.
    HungUp,
    /// Did not want to wait any longer, and goes on with us.
    ByChoice,
    /// Is to be called back, and keeps the place: enqueue them as a callback.
    ForCallback,
    /// Is served in another way.
    Elsewhere,
}

/// Something that happened to the router.
#[derive(Debug, Clone)]
pub enum RouterInput {
    /// The queues are these from now on. Callers of one that is gone are told `WaitEnd::NoQueue`.
    Queues(BTreeMap<QueueName, QueueRules>),
    /// Somebody signed in at a desk (again): they are away until they say that they are ready.
    SignedIn(AgentProfile),
    /// Somebody who is signed in is good at other things from now on; what they do stays as it is.
    ProfileChanged(AgentProfile),
    /// They say what they do.
    Presence {
        /// Who.
        agent: AgentId,
        /// What. Said during a call or an offer, it holds after it.
        presence: Presence,
    },
    /// Their desk is gone.
    AgentLost {
        /// Who.
        agent: AgentId,
    },
    /// A caller is to wait.
    Enqueue(Waiter),
    /// A caller waits no more.
    Leave {
        /// Who.
        call: CallId,
        /// Why.
        why: LeftQueue,
    },
    /// The desk shows the offer with its hand-off. Before this it cannot be taken.
    OfferShown {
        /// Which.
        offer: OfferId,
        /// Whose.
        agent: AgentId,
    },
    /// The agent takes the call.
    OfferTaken {
        /// Which.
        offer: OfferId,
        /// Whose.
        agent: AgentId,
    },
    /// The agent does not.
    OfferDeclined {
        /// Which.
        offer: OfferId,
        /// Whose.
        agent: AgentId,
    },
    /// The caller and the agent hear each other.
    Joined {
        /// The call.
        call: CallId,
    },
    /// They could not be joined, through no fault of the caller's: back to the head of the queue.
    JoinFailed {
        /// The call.
        call: CallId,
    },
    /// The agent has no more to do with the call: either hung up, or it was passed on.
    CallEnded {
        /// The call.
        call: CallId,
    },
    /// The work after the call is done.
    WrapUpDone {
        /// Whose.
        agent: AgentId,
    },
    /// The time given by `poll_timeout` has come.
    Timeout,
}

/// Why an offer is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferEnd {
    /// Nobody reacted in time: the agent is away now.
    Expired,
    /// The agent declined.
    Declined,
    /// The caller waits no more.
    CallerLeft,
    /// The desk is gone.
    AgentLost,
}

/// Why a caller is back in the queue, at its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackInQueue {
    /// The agent was offered the call, and did not take it; the caller has noticed nothing.
    NotTaken,
    /// The agent took it, and could not be reached.
    NotJoined,
    /// The agent's desk died while they talked.
    AgentLost,
}

/// Why a caller waits no longer without having been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// The longest wait is over.
    TooLong,
    /// The queue is gone from the prompt files.
    NoQueue,
    /// The agent for whom alone they waited has gone.
    AgentGone,
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterOutput {
    /// Show this offer on the agent's desk.
    Offer {
        /// Names it.
        offer: OfferId,
        /// Whose desk.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// The queue it waits in.
        queue: QueueName,
        /// On the line or not.
        kind: WaiterKind,
        /// When it ends.
        until: Instant,
    },
    /// Take it away again.
    OfferEnded {
        /// Which.
        offer: OfferId,
        /// Whose.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// Why.
        why: OfferEnd,
    },
    /// Join the two; answer with `Joined` or `JoinFailed`.
    Join {
        /// Which offer was taken.
        offer: OfferId,
        /// By whom.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// On the line or not.
        kind: WaiterKind,
    },
    /// The caller waits in another queue now, with their place.
    Moved {
        /// Who.
        call: CallId,
        /// From where.
        from: QueueName,
        /// To where.
        to: QueueName,
    },
    /// The caller waits again.
    Back {
        /// Who.
        call: CallId,
        /// Why.
        why: BackInQueue,
    },
    /// The caller waits no longer.
    WaitOver {
        /// Who.
        call: CallId,
        /// Why.
        why: WaitEnd,
    },
    /// What an agent does has changed.
    AgentChanged {
        /// Who.
        agent: AgentId,
        /// What they do now.
        state: AgentState,
    },
}

/// Why an input was not taken. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouterRefusal {
    /// There is no such queue.
    #[error("there is no such queue")]
    NoQueue,
    /// As many wait there as may.
    #[error("the queue is full")]
    QueueFull,
    /// The caller waits or is served already.
    #[error("the call is in a queue or with an agent already")]
    Already,
    /// There is no such call here.
    #[error("there is no such call in a queue or with an agent")]
    NoCall,
    /// The agent is not signed in.
    #[error("this agent is not signed in")]
    NoAgent,
    /// The offer is over, or another's.
    #[error("the offer is over")]
    OfferOver,
    /// The hand-off has not been shown.
    #[error("the hand-off has to be on the screen before the call can be taken")]
    NotShown,
    /// The agent is not in a state for it.
    #[error("this cannot be done in the agent's present state")]
    WrongState,
}

/// What a caller can be told about their wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The queue.
    pub queue: QueueName,
    /// 1 is next.
    pub position: usize,
    /// Agents who could take the call and are signed in: ready, talking or wrapping up.
    pub agents: usize,
    /// How long it will probably take from now; `None` where nobody can say.
    pub wait: Option<WaitRange>,
}

/// From the shorter to the longer wait that is likely: four in five end within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitRange {
    /// The shorter.
    pub from: Duration,
    /// The longer.
    pub to: Duration,
}
