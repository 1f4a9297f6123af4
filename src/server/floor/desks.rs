//! Desks: a page that is open, what it was told, and what its agent is at.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::acd::{AgentState, OfferId, Presence, WaiterKind};
use crate::base::{CallId, QueueName};
use crate::store::WrapUpRecord;
use crate::web::view::{DeskEvent, DeskQueue, DeskState};

use super::now::Now;
use super::staff::Member;

/// Events that may wait for a page. One that takes no more in is closed, and told everything when it opens
/// again.
pub(super) const DESK_LEN_MAX: usize = 512;

/// An agent with their desk.
pub(super) struct Desk {
    pub member: Member,
    /// The way to the page, if one is open.
    news: Option<mpsc::Sender<DeskEvent>>,
    /// Since when none is.
    pub lost: Option<Instant>,
    /// As the router says.
    pub state: AgentState,
    /// Since when.
    pub since: Instant,
    pub offer: Option<Offer>,
    /// The call that they have.
    pub call: Option<CallId>,
    /// What they write about the call that they have, or had last.
    pub wrap_up: Option<WrapUp>,
    /// What the page was told of the queues.
    queues: Vec<DeskQueue>,
}

/// A call that is offered.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub id: OfferId,
    pub call: CallId,
    pub queue: QueueName,
    pub kind: WaiterKind,
    pub until: Instant,
}

/// What an agent writes about a call.
pub(super) struct WrapUp {
    pub record: WrapUpRecord,
    /// Whether the work on it is over: what is written later is told anew.
    pub is_over: bool,
}

impl Desk {
    pub fn new(member: Member, now: Instant) -> Self {
        Self {
            member,
            news: None,
            lost: None,
            state: AgentState::Offline,
            since: now,
            offer: None,
            call: None,
            wrap_up: None,
            queues: Vec::new(),
        }
    }

    /// Whether the router knows them.
    pub fn is_signed_in(&self) -> bool {
        self.state != AgentState::Offline
    }

    /// Whether a page is open.
    pub fn is_open(&self) -> bool {
        self.news.as_ref().is_some_and(|news| !news.is_closed())
    }

    /// A page opens. One that is open elsewhere is told so.
    pub fn open(&mut self, news: mpsc::Sender<DeskEvent>) {
        if let Some(old) = self.news.replace(news) {
            // Nobody can be told there if it is full or gone.
            let _ = old.try_send(DeskEvent::Replaced);
        }
        self.lost = None;
        self.queues.clear();
    }

    /// Notes whether the page has gone.
    pub fn look(&mut self, now: Instant) {
        if self.news.as_ref().is_some_and(mpsc::Sender::is_closed) {
            self.news = None;
        }
        if self.news.is_none() && self.is_signed_in() && self.lost.is_none() {
            self.lost = Some(now);
        }
    }

    /// Whether the page has been gone for so long.
    pub fn is_lost_for(&self, now: Instant, grace: Duration) -> bool {
        self.lost.is_some_and(|lost| now.saturating_duration_since(lost) >= grace)
    }

    /// Tells the page.
    pub fn tell(&mut self, event: DeskEvent) {
        let Some(news) = &self.news else { return };
        if let Err(error) = news.try_send(event) {
            if matches!(error, TrySendError::Full(_)) {
                tracing::warn!(agent = %self.member.profile.agent, "a page takes no news in: closed");
            }
            self.news = None;
        }
    }

    /// Tells the page of the queues, if they have changed.
    pub fn tell_queues(&mut self, queues: &[DeskQueue]) {
        if self.is_open() && self.queues != queues {
            self.queues = queues.to_vec();
            self.tell(DeskEvent::Queues { queues: queues.to_vec() });
        }
    }

    /// What the agent does is this from now on.
    pub fn changed(&mut self, now: Now, state: AgentState) {
        if discriminant(&self.state) != discriminant(&state) {
            self.since = now.at;
        }
        self.state = state;
        if !self.is_signed_in() {
            self.lost = None;
        }
        self.tell_state(now);
    }

    /// Tells the page what the agent does.
    pub fn tell_state(&mut self, now: Now) {
        let state = shown(now, &self.state);
        self.tell(DeskEvent::State { state });
    }
}

/// What an agent does, as pages show it.
pub(super) fn shown(now: Now, state: &AgentState) -> DeskState {
    match state {
        AgentState::Offline => DeskState::Offline,
        AgentState::Ready { .. } => DeskState::Ready,
        AgentState::Offered { .. } => DeskState::Offered,
        AgentState::Talking { .. } => DeskState::Talking,
        AgentState::WrapUp { until, .. } => {
            DeskState::WrapUp { until: now.wall_of(*until).to_string() }
        }
        AgentState::Away { reason, .. } => DeskState::Away { reason: reason.clone() },
    }
}

/// Why an agent may not be away for that reason, if so.
pub(super) fn refuses_presence(presence: &Presence, reasons: &[String]) -> Option<String> {
    let Presence::Away(reason) = presence else { return None };
    let is_known = reasons.contains(reason);
    (!is_known).then(|| format!("the reasons for being away are: {}", reasons.join(", ")))
}
