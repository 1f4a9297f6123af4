//! How the web asks the running front door, and is told by it.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::acd::{AgentId, OfferId, Presence};
use crate::base::{CallId, Pii};

use super::live::Live;
use super::view::{DeskEvent, Floor, LoadView};

/// Asks that may wait; a person makes few, and whoever makes more waits with them.
pub const ASKS_LEN_MAX: usize = 256;

/// The way to the running front door. Cheap to clone.
#[derive(Clone)]
pub struct Backend {
    /// Answered by the server's task.
    pub asks: mpsc::Sender<Ask>,
    /// Queues and agents as they are now; replaced a few times a second at most.
    pub floor: watch::Receiver<Arc<Floor>>,
    /// Calls in progress: what is said in them.
    pub live: Live,
    /// How busy the machine is; replaced a few times a second at most.
    pub load: watch::Receiver<LoadView>,
}

/// Why something was not done: a sentence for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// There is no such call, offer, queue or agent (any more).
    #[error("{0}")]
    NotFound(String),
    /// It does not go together with what is going on.
    #[error("{0}")]
    Conflict(String),
    /// What was sent makes no sense (an SDP offer without audio).
    #[error("{0}")]
    BadRequest(String),
    /// Too many calls, or the server is stopping.
    #[error("{0}")]
    Unavailable(String),
}

/// The answer, when it is there.
pub type Reply<T> = oneshot::Sender<Result<T, NotDone>>;

/// What is asked.
#[derive(Debug)]
pub enum Ask {
    /// A browser calls.
    Call {
        /// From where and with what.
        call: BrowserCall,
        /// Our SDP.
        reply: Reply<BrowserAnswer>,
    },
    /// A caller's browser hangs up.
    HangUp {
        /// The secret of its call.
        secret: Pii<String>,
        /// Whether there was such a call.
        reply: Reply<()>,
    },
    /// A caller's browser presses keys.
    Keys {
        /// The secret of its call.
        secret: Pii<String>,
        /// `0` to `9`, `*`, `#`.
        keys: Pii<String>,
        /// Whether there was such a call.
        reply: Reply<()>,
    },
    /// Something at the desk of this agent.
    Desk {
        /// Whose.
        agent: AgentId,
        /// What.
        ask: DeskAsk,
    },
    /// Somebody's state is changed by a supervisor.
    SetPresence {
        /// Whose.
        agent: AgentId,
        /// To what.
        presence: Presence,
        /// Whether it was.
        reply: Reply<()>,
    },
}

/// A call from a browser.
#[derive(Debug)]
pub struct BrowserCall {
    /// The SDP offer.
    pub offer_sdp: String,
    /// Where it came from.
    pub source: IpAddr,
    /// The number that the page is for, as `[numbers]` has it; empty for the profile.
    pub called: String,
    /// What the page says about the caller (a name or an account), if its token vouches for it.
    pub caller: Option<Pii<String>>,
}

/// The answer to a browser.
#[derive(Debug)]
pub struct BrowserAnswer {
    /// The SDP answer, with all candidates.
    pub answer_sdp: String,
    /// Names the call to its own browser, and to nobody else: 128 random bits in hexadecimal.
    pub secret: Pii<String>,
    /// The call, as records name it.
    pub call: CallId,
}

/// How an agent takes a call.
#[derive(Debug)]
pub enum AnswerWay {
    /// In the browser, with this SDP offer; answered with ours.
    Browser {
        /// The SDP offer.
        offer_sdp: String,
    },
    /// On the telephone that is declared for them.
    Phone,
}

/// Where an agent sends a caller. Addresses are never typed in: numbers are those of the
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a queue.
    Queue(String),
    /// To a colleague.
    Agent(AgentId),
    /// To a number declared in `[desk.numbers]`, by its name.
    Number(String),
}

/// What an agent does at the desk.
#[derive(Debug)]
pub enum DeskAsk {
    /// Opens the desk (again): tells what happens there until the receiver is dropped. A desk that was
    /// open elsewhere is told that it is replaced.
    Open {
        /// Gives the news, beginning with everything as it is.
        reply: Reply<DeskNews>,
    },
    /// Says what they do.
    Presence {
        /// What.
        presence: Presence,
        /// Whether it holds.
        reply: Reply<()>,
    },
    /// The offer is on the screen with its hand-off.
    Shown {
        /// Which.
        offer: OfferId,
        /// Whether it still stands.
        reply: Reply<()>,
    },
    /// Takes the call.
    Take {
        /// Which.
        offer: OfferId,
        /// How.
        way: AnswerWay,
        /// Our SDP, for a browser.
        reply: Reply<Option<String>>,
    },
    /// Does not take it.
    Decline {
        /// Which.
        offer: OfferId,
        /// Whether it still stood.
        reply: Reply<()>,
    },
    /// Puts the caller on hold, with music.
    Hold {
        /// Whether there was a call.
        reply: Reply<()>,
    },
    /// And takes them back.
    Resume {
        /// Whether there was a call.
        reply: Reply<()>,
    },
    /// Is not to be heard, or is again.
    Mute {
        /// Which of the two.
        muted: bool,
        /// Whether there was a call.
        reply: Reply<()>,
    },
    /// Presses keys towards the caller's side.
    Keys {
        /// `0` to `9`, `*`, `#`.
        keys: Pii<String>,
        /// Whether there was a call.
        reply: Reply<()>,
    },
    /// Sends the caller on.
    Transfer {
        /// Where to.
        target: Target,
        /// Whether it has begun.
        reply: Reply<()>,
    },
    /// Has somebody else join.
    Conference {
        /// Whom.
        target: Target,
        /// Whether it has begun.
        reply: Reply<()>,
    },
    /// Gives the caller back to the front door for a task; they come back afterwards.
    FrontDoor {
        /// The intent.
        task: String,
        /// Whether it has begun.
        reply: Reply<()>,
    },
    /// Ends the call.
    HangUp {
        /// Whether there was one.
        reply: Reply<()>,
    },
    /// Says what came of the call; with `done` the work after it is over.
    WrapUp {
        /// One of the declared ones.
        disposition: Option<String>,
        /// In the agent's words.
        notes: Option<Pii<String>>,
        /// Ready for the next.
        done: bool,
        /// Whether it is kept.
        reply: Reply<()>,
    },
}

/// What happens at a desk, in order. A desk that does not take it in is closed: it opens again, and is
/// told everything as it is.
pub type DeskNews = mpsc::Receiver<DeskEvent>;
