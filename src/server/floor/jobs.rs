//! What the floor has done for it while it goes on: everything that takes time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::acd::AgentId;
use crate::acd::handoff::Handoff;
use crate::base::{CallId, Pii};
use crate::prompts::Generation;
use crate::store::{
    CallbackMark, CallbackRecord, Store, StoreError, WaitRecord, WaitingRecord, WrapUpRecord,
};
use crate::web::{AnswerWay, DeskNews, NotDone, Reply};

use super::api::{Acd, AgentCommand, CallbackOutcome};
use super::staff::{Member, Staff};

/// Something to be done elsewhere.
#[derive(Debug)]
pub(super) enum Job {
    /// To be written down, in the order of these jobs.
    Write {
        /// What.
        entry: Entry,
        /// What is to be told once it is.
        then: Then,
    },
    /// Somebody opens their desk: what is known of them is looked up.
    OpenDesk {
        /// Who.
        agent: AgentId,
        /// Gives the news.
        reply: Reply<DeskNews>,
    },
    /// An answer is passed on to the page, and this one if there is none.
    Pass {
        /// From a call's task.
        from: oneshot::Receiver<Result<(), NotDone>>,
        /// To the page.
        to: Reply<()>,
    },
    /// The same for whoever takes a call.
    PassSdp {
        /// From a call's task.
        from: oneshot::Receiver<Result<Option<String>, NotDone>>,
        /// To the page.
        to: Reply<Option<String>>,
    },
    /// A customer is to be called back.
    CallBack(CallbackJob),
}

/// What is told once something is on the disk, or could not be put there in time.
#[derive(Debug)]
pub(super) enum Then {
    /// Nobody waits for it.
    Nothing,
    /// A caller is to wait.
    Kept(CallId),
    /// A callback is booked.
    Booked(CallId),
    /// Whoever waits goes on.
    Noted(oneshot::Sender<()>),
    /// What an agent wrote.
    WrapUpKept(WrapUpKept),
}

/// What an agent wrote, on its way to the disk.
#[derive(Debug)]
pub(super) struct WrapUpKept {
    /// Whose.
    pub agent: AgentId,
    /// Whether they are done with it.
    pub done: Done,
    /// Whether it is kept.
    pub reply: Reply<()>,
}

/// Whether the work after a call is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It goes on.
    NotYet,
    /// It is.
    Done,
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Note {
    /// A caller is to wait; and whether that is on the disk.
    Kept {
        /// Who.
        call: CallId,
        /// Where the store is away, a caller waits all the same: their hand-off is kept.
        durable: bool,
    },
    /// A callback is booked, or is not.
    Booked {
        /// Whose.
        call: CallId,
        /// Only then it is.
        durable: bool,
    },
    /// What an agent wrote is on the disk, or is not.
    WrapUpKept {
        /// Whose it is, and who waits.
        kept: WrapUpKept,
        /// Only then it is.
        durable: bool,
    },
    /// Somebody opens their desk.
    DeskOpened {
        /// Who.
        agent: AgentId,
        /// What is known of them; `None` if that cannot be looked up.
        member: Option<Option<Member>>,
        /// Gives the news.
        reply: Reply<DeskNews>,
    },
    /// Who may take calls, as it is now.
    Staff(Staff),
    /// The prompt files in force, as they are now.
    Generations(Vec<Arc<Generation>>),
}

/// Something that is written down.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// A caller waits.
    Keep(WaitingRecord),
    /// A caller waits no more, and nothing is owed to them.
    Forget(CallId),
    /// A caller waits no more, and people call back.
    BreakOff(CallId),
    /// A wait is over.
    Wait(WaitRecord),
    /// A callback is booked.
    Book(CallbackRecord, Timestamp),
    /// It is not.
    Unbook(CallId),
    /// How far it is.
    Mark(CallId, CallbackMark),
    /// What an agent says came of a call.
    WrapUp(WrapUpRecord, Timestamp),
}

impl Entry {
    /// Writes it down. All may be repeated.
    pub async fn write(&self, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::Keep(waiting) => store.keep_waiting(waiting).await,
            Self::Forget(call) => store.forget_waiting(*call).await,
            Self::BreakOff(call) => store.break_off_waiting(*call).await,
            Self::Wait(wait) => store.note_wait(wait).await,
            Self::Book(callback, at) => store.book_callback(callback, *at).await,
            Self::Unbook(call) => store.unbook_callback(*call).await,
            Self::Mark(call, mark) => store.mark_callback(*call, mark).await,
            Self::WrapUp(wrap_up, at) => store.keep_wrap_up(wrap_up, *at).await,
        }
    }
}

/// A customer to be called back for an agent who waits. Whoever carries it out sets up the agent's leg,
/// answers, calls, says [`CallbackJob::answered`] before the two are joined, and in the end what came of it.
#[derive(Debug)]
pub(in crate::server) struct CallbackJob {
    /// The call that asked for it.
    pub call: CallId,
    /// Which try this is.
    pub attempt: u32,
    /// Whom to call.
    pub number: Pii<String>,
    /// What the customer hears first.
    pub greeting: String,
    /// Which prompt files the call was answered with, if they are in force.
    pub profile: String,
    /// What is known of the customer.
    pub handoff: Arc<Handoff>,
    /// Of the hand-off.
    pub reference: Option<String>,
    /// For whom.
    pub agent: AgentId,
    /// As customers may know them.
    pub display_name: String,
    /// How they take the call.
    pub way: AnswerWay,
    /// Our SDP for a browser.
    pub answer: Reply<Option<String>>,
    /// What the agent does meanwhile and during the call.
    pub commands: mpsc::Receiver<AgentCommand>,
    /// Ends it at once: the agent's desk is gone.
    pub cancel: CancellationToken,
}

/// Tells the floor what has become of a try when it is dropped.
pub(in crate::server) struct Trying {
    acd: Acd,
    call: CallId,
    attempt: u32,
    /// Nothing where the server stops: the store says how far it was.
    outcome: Option<CallbackOutcome>,
}

impl Trying {
    /// For this try.
    pub fn new(acd: Acd, job: &CallbackJob) -> Self {
        let (call, attempt) = (job.call, job.attempt);
        Self { acd, call, attempt, outcome: Some(CallbackOutcome::AgentNotReached) }
    }

    /// The customer has answered: returns once that is on the disk, or cannot be. From here on they are not
    /// called again, whatever happens to us.
    pub async fn answered(&self) {
        self.acd.callback_answered(self.call, self.attempt).await;
    }

    /// What came of it, as far as is known now.
    pub fn came_to(&mut self, outcome: CallbackOutcome) {
        self.outcome = Some(outcome);
    }

    /// The server stops: what the store says of it is for the next start.
    pub fn came_to_nothing(&mut self) {
        self.outcome = None;
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            self.acd.callback_tried(self.call, self.attempt, outcome);
        }
    }
}

/// How long anybody waits for something to be on the disk. A database that is busy takes two seconds to
/// say so.
pub(super) const DISK_LIMIT: Duration = Duration::from_millis(2_500);
