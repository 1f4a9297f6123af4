//! How calls and the floor talk to each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Zoned;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::acd::handoff::Handoff;
use crate::acd::{AgentId, BackInQueue, LeftQueue, Place, RouterRefusal, WaitEnd, Waiter};
use crate::base::{CallId, Pii, QueueName};
use crate::prompts::Hours;
use crate::web::view::AgentCallPhase;
use crate::web::{AnswerWay, Reply, Target};

/// Commands of calls that may wait for the floor's task, which never waits for anybody itself. Beyond, a
/// command is held by a task of its own until there is room: none is lost, and no call waits.
pub(super) const COMMANDS_LEN_MAX: usize = 1_024;

/// Events that may wait for a call's task. Of places only the latest matters, so none is put behind half as
/// many; a task that lets the rest fill up takes its call for gone.
pub(in crate::server) const EVENTS_LEN_MAX: usize = 16;

/// What happens to a caller who waits.
#[derive(Debug)]
pub(in crate::server) enum QueueEvent {
    /// Where they stand now.
    News(Place),
    /// An agent has taken the call. Set up the agent's leg, answer, say [`Acd::joined`]; or
    /// [`Acd::join_failed`].
    Join {
        /// Who.
        agent: AgentId,
        /// As callers may know them.
        display_name: String,
        /// In the browser or on the telephone.
        way: AnswerWay,
        /// Our SDP for a browser. Dropped, the agent is told that the caller has gone.
        answer: Reply<Option<String>>,
        /// What the agent does during the call; ends with the agent's part in it.
        commands: mpsc::Receiver<AgentCommand>,
    },
    /// They wait in another queue now, with their place.
    Moved {
        /// Which.
        to: QueueName,
    },
    /// They wait again, at the head.
    Back {
        /// Why.
        why: BackInQueue,
    },
    /// They wait no longer; nothing follows.
    Over {
        /// Why.
        why: WaitEnd,
    },
}

/// Whether an agent is to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Microphone {
    /// They are.
    On,
    /// They are not.
    Muted,
}

/// What an agent does during a call. Each answers once it is done, or why it is not.
#[derive(Debug)]
pub(in crate::server) enum AgentCommand {
    /// Music for the caller.
    Hold(Reply<()>),
    /// No more of it.
    Resume(Reply<()>),
    /// Whether the agent is to be heard.
    Mute(Microphone, Reply<()>),
    /// Keys towards the caller's side.
    Keys(Pii<String>, Reply<()>),
    /// Sends the caller on. A queue is known, an agent signed in, a number declared.
    Transfer(Target, Reply<()>),
    /// Has somebody else join; as above.
    Conference(Target, Reply<()>),
    /// Gives the caller back to the front door for a task.
    FrontDoor {
        /// The intent.
        task: String,
        /// Whether it has begun.
        reply: Reply<()>,
    },
    /// Ends the call.
    HangUp(Reply<()>),
}

/// The agent's call, as their page is to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct AgentCallNews {
    /// Where it is.
    pub phase: AgentCallPhase,
    /// The caller hears music.
    pub held: bool,
    /// The agent is not heard.
    pub muted: bool,
    /// Whoever else is in the call, as the page is to name them.
    pub others: Vec<String>,
}

/// Whether it is the time at which people are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Opening {
    /// It is.
    Open,
    /// It is not.
    Closed,
}

impl Opening {
    /// By these hours. Who gives none is always open.
    pub fn at(hours: &Hours, now: &Zoned) -> Self {
        let weekday = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default();
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        let minute = u16::try_from(minute).unwrap_or_default();
        let has_hours = hours.weekly.iter().any(|spans| !spans.is_empty());
        match !has_hours || hours.is_open(weekday, minute, &now.date().to_string()) {
            true => Self::Open,
            false => Self::Closed,
        }
    }
}

/// What calls say.
#[derive(Debug)]
pub(super) enum Command {
    Enqueue {
        waiter: Box<Waiter>,
        handoff: Arc<Handoff>,
        reference: Option<String>,
        events: mpsc::Sender<QueueEvent>,
        reply: oneshot::Sender<Result<(), RouterRefusal>>,
    },
    Leave {
        call: CallId,
        why: LeftQueue,
    },
    Joined(CallId),
    JoinFailed {
        call: CallId,
        /// Whom they could not be joined to. It may be told when somebody else has the call already.
        agent: AgentId,
    },
    Ended(CallId),
    AgentLost {
        call: CallId,
        /// Whose audio died; as above.
        agent: AgentId,
    },
    CutOff(CallId),
    CloseBook,
    Tell {
        call: CallId,
        news: AgentCallNews,
    },
    UpdateHandoff {
        call: CallId,
        handoff: Arc<Handoff>,
    },
    Book {
        call: CallId,
        number: Pii<String>,
        reply: oneshot::Sender<bool>,
    },
    /// The customer of a callback has answered.
    Answered {
        call: CallId,
        attempt: u32,
        reply: oneshot::Sender<()>,
    },
    /// A try to call a customer back is over.
    Tried {
        call: CallId,
        attempt: u32,
        outcome: CallbackOutcome,
    },
}

/// What came of a try to call a customer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum CallbackOutcome {
    /// They have talked, to the end.
    Served,
    /// The customer did not take the call.
    NotReached,
    /// Nobody was called: the agent's own audio could not be set up, or was gone before anybody answered.
    AgentNotReached,
    /// The agent's audio died while they talked.
    AgentLost,
}

/// The way to the floor. Cheap to clone.
#[derive(Clone)]
pub(in crate::server) struct Acd {
    commands: mpsc::Sender<Command>,
    staffing: watch::Receiver<Arc<Staffing>>,
}

/// Which queues people at desks serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Staffing {
    /// Those that somebody with an account could serve.
    pub by_account: BTreeSet<QueueName>,
    /// Those that somebody who is at their desk could.
    pub present: BTreeSet<QueueName>,
}

impl Acd {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        staffing: watch::Receiver<Arc<Staffing>>,
    ) -> Self {
        Self { commands, staffing }
    }

    /// One that nobody listens to.
    #[cfg(test)]
    pub fn detached() -> Self {
        let (commands, _) = mpsc::channel(1);
        let (_, staffing) = watch::channel(Arc::default());
        Self { commands, staffing }
    }

    /// Has a caller wait. It is in the store when this returns. A call that an agent has already is taken
    /// from them first: they go on to the work after it. Dropping the receiver is hanging up.
    ///
    /// # Errors
    /// They do not wait; their hand-off says that people call back.
    pub async fn enqueue(
        &self,
        waiter: Waiter,
        handoff: Arc<Handoff>,
        reference: Option<String>,
    ) -> Result<mpsc::Receiver<QueueEvent>, RouterRefusal> {
        let (events, receiver) = mpsc::channel(EVENTS_LEN_MAX);
        let (reply, answer) = oneshot::channel();
        let waiter = Box::new(waiter);
        let command = Command::Enqueue { waiter, handoff, reference, events, reply };
        // Without a floor (the server stops) there are no queues.
        self.commands.send(command).await.map_err(|_| RouterRefusal::NoQueue)?;
        answer.await.unwrap_or(Err(RouterRefusal::NoQueue)).map(|()| receiver)
    }

    /// The caller waits no more, or the call is over; harmless where neither is so. Of a call that has a
    /// hand-off with the promise of a queue it has to be said even if it never waited.
    pub fn leave(&self, call: CallId, why: LeftQueue) {
        self.send(Command::Leave { call, why });
    }

    /// The caller and the agent hear each other.
    pub fn joined(&self, call: CallId) {
        self.send(Command::Joined(call));
    }

    /// This agent and the caller could not be joined, through no fault of the caller's: back to the head of
    /// the queue. Of an agent who has the call no more it means nothing.
    pub fn join_failed(&self, call: CallId, agent: &AgentId) {
        self.send(Command::JoinFailed { call, agent: agent.clone() });
    }

    /// The agent has no more to do with the call: somebody hung up, or it was passed on.
    pub fn ended(&self, call: CallId) {
        self.send(Command::Ended(call));
    }

    /// This agent's audio died while they talked, and nobody hung up: back to the head of the queue.
    pub fn agent_lost(&self, call: CallId, agent: &AgentId) {
        self.send(Command::AgentLost { call, agent: agent.clone() });
    }

    /// The server stops and ends the call, wherever the caller is: who was with an agent has not been served,
    /// and people call them back.
    pub fn cut_off(&self, call: CallId) {
        self.send(Command::CutOff(call));
    }

    /// The server takes no more calls: nobody is called back any more either. What is in the book is for the
    /// next start.
    pub fn close_book(&self) {
        self.send(Command::CloseBook);
    }

    /// What the agent's page is to show of the call.
    pub fn tell(&self, call: CallId, news: AgentCallNews) {
        self.send(Command::Tell { call, news });
    }

    /// More is known of a caller who waits, or talks: what agents are shown from now on.
    pub fn update_handoff(&self, call: CallId, handoff: Arc<Handoff>) {
        self.send(Command::UpdateHandoff { call, handoff });
    }

    /// Queues that a call may be put into, as `Rules::staffed`: while it is open those that somebody with an
    /// account could serve, and at any time those that somebody who is at their desk could.
    pub fn staffed(&self, is_open: Opening) -> BTreeSet<QueueName> {
        let staffing = self.staffing.borrow();
        match is_open {
            Opening::Open => staffing.by_account.union(&staffing.present).cloned().collect(),
            Opening::Closed => staffing.present.clone(),
        }
    }

    /// Has a caller who waits be called back in their turn, on this number, and keeps their place. True once
    /// it is in the store. They are in the queue again when their call is over.
    pub async fn book_callback(&self, call: CallId, number: Pii<String>) -> bool {
        let (reply, booked) = oneshot::channel();
        if self.commands.send(Command::Book { call, number, reply }).await.is_err() {
            return false;
        }
        booked.await.unwrap_or(false)
    }

    /// The customer of a callback has answered; returns once that is in the store, or cannot be.
    pub(super) async fn callback_answered(&self, call: CallId, attempt: u32) {
        let (reply, noted) = oneshot::channel();
        if self.commands.send(Command::Answered { call, attempt, reply }).await.is_ok() {
            // An error means that the floor is gone: nothing is noted any more.
            let _ = noted.await;
        }
    }

    /// What came of a try to call a customer back.
    pub(super) fn callback_tried(&self, call: CallId, attempt: u32, outcome: CallbackOutcome) {
        self.send(Command::Tried { call, attempt, outcome });
    }

    fn send(&self, command: Command) {
        if let Err(TrySendError::Full(command)) = self.commands.try_send(command) {
            let commands = self.commands.clone();
            tokio::spawn(async move {
                // An error means that the floor is gone, and all that it knew.
                let _ = commands.send(command).await;
            });
        }
    }
}
