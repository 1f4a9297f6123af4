//! What all handlers share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::acd::AgentId;
use crate::base::CallId;
use crate::config::WebConfig;
use crate::store::{AuditAction, Store, Who};

use super::accounts::{Accounts, Actor};
use super::backend::{Ask, Backend, DeskAsk, NotDone, Reply};
use super::clock::{Clock, Now};
use super::error::ApiError;
use super::ice::{IceServer, IceServers, Page};
use super::limits::{Limit, Limiter, source_key};
use super::live::Live;
use super::page_calls::PageCalls;

/// How long the front door may take for an answer: audio is set up in this time, or not at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);

/// Calls that nobody knows the secret of: somebody guesses. Ten, and then one every 6 s.
const WRONG_SECRETS: Limit = Limit { burst: 10, regain: Duration::from_secs(6) };

/// A player fetches one recording in many parts: whoever has begun is noted again after this time.
const PLAYING: Limit = Limit { burst: 1, regain: Duration::from_secs(10 * 60) };

/// Who plays what: the session's digest, and the call.
pub(super) type Listener = (String, CallId);

/// What pages are told about the organisation and the desk, as it is in force at the time.
pub trait Facts: Send + Sync {
    /// The organisation that answers calls to this number; for an empty one, to any. `None` if it
    /// is no number of ours.
    fn house(&self, to: &str) -> Option<String>;

    /// What an agent can choose from.
    fn desk(&self, agent: &str) -> DeskFacts;
}

/// What an agent can choose from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeskFacts {
    /// What may come of a call.
    pub dispositions: Vec<String>,
    /// Why somebody takes no calls.
    pub away_reasons: Vec<String>,
    /// Numbers that callers can be sent on to, by name.
    pub numbers: Vec<String>,
    /// What can be done at the front door while the agent keeps the call.
    pub tasks: Vec<String>,
    /// Whether a telephone is declared for the agent.
    pub has_phone: bool,
}

/// What counts in reports, as everywhere else that calls are counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reporting {
    /// How sure an intent must have been to count as understood, 0 to 1.
    pub understood_from: f32,
    /// Actions that only check who is calling: nobody is served by them.
    pub checks: Vec<String>,
}

/// What [`Web`] is made of.
pub struct WebParts {
    /// The running front door.
    pub backend: Backend,
    /// The records.
    pub store: Store,
    /// Who may sign in.
    pub accounts: Accounts,
    /// `[web]`.
    pub config: WebConfig,
    /// What counts in reports.
    pub reporting: Reporting,
    /// About the organisation and the desk.
    pub facts: Arc<dyn Facts>,
    /// For browsers of callers and agents.
    pub ice_servers: IceServers,
}

/// What all handlers share. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Web {
    shared: Arc<Shared>,
}

struct Shared {
    parts: WebParts,
    clock: Clock,
    closing: CancellationToken,
    page_calls: PageCalls,
    calls: Mutex<Limiter<IpAddr>>,
    wrong_secrets: Mutex<Limiter<IpAddr>>,
    playing: Mutex<Limiter<Listener>>,
}

impl Web {
    /// Puts it together.
    pub fn new(parts: WebParts) -> Self {
        Self::with_clock(parts, Clock::default())
    }

    pub(super) fn with_clock(parts: WebParts, clock: Clock) -> Self {
        let a_minute = parts.config.calls_per_minute_per_source;
        let calls = Limit { burst: a_minute, regain: Duration::from_secs(60) / a_minute.max(1) };
        let shared = Shared {
            clock,
            closing: CancellationToken::new(),
            page_calls: PageCalls::default(),
            calls: Mutex::new(Limiter::new(calls)),
            wrong_secrets: Mutex::new(Limiter::new(WRONG_SECRETS)),
            playing: Mutex::new(Limiter::new(PLAYING)),
            parts,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The records.
    pub fn store(&self) -> &Store {
        &self.shared.parts.store
    }

    /// Who may sign in.
    pub fn accounts(&self) -> &Accounts {
        &self.shared.parts.accounts
    }

    /// `[web]`.
    pub fn config(&self) -> &WebConfig {
        &self.shared.parts.config
    }

    /// The running front door.
    pub fn backend(&self) -> &Backend {
        &self.shared.parts.backend
    }

    /// Calls in progress.
    pub fn live(&self) -> &Live {
        &self.shared.parts.backend.live
    }

    /// About the organisation and the desk.
    pub fn facts(&self) -> &dyn Facts {
        &*self.shared.parts.facts
    }

    /// What counts in reports.
    pub fn reporting(&self) -> &Reporting {
        &self.shared.parts.reporting
    }

    /// What this page is told for its peer connection.
    pub fn ice_servers(&self, page: Page) -> Vec<IceServer> {
        self.shared.parts.ice_servers.told(page)
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        self.shared.clock.now()
    }

    /// Cancelled when the pages are no longer served: streams of events end then.
    pub fn closing(&self) -> &CancellationToken {
        &self.shared.closing
    }

    /// Calls that browsers began.
    pub(super) fn page_calls(&self) -> &PageCalls {
        &self.shared.page_calls
    }

    /// Asks the running front door, and waits for the answer.
    ///
    /// # Errors
    /// What it says, or 503 if it says nothing in time.
    pub async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Ask) -> Result<T, ApiError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.backend().asks.send(make(reply)).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?.map_err(ApiError::from)
        };
        match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(ApiError::unavailable("the front door does not answer at present")
                .with_cause("no answer to what the web asked")),
        }
    }

    /// Asks at the desk of this agent.
    ///
    /// # Errors
    /// As [`Web::ask`].
    pub async fn ask_desk<T>(
        &self,
        agent: &str,
        make: impl FnOnce(Reply<T>) -> DeskAsk,
    ) -> Result<T, ApiError> {
        let agent = AgentId::new(agent);
        self.ask(|reply| Ask::Desk { agent, ask: make(reply) }).await
    }

    /// Notes who saw or changed what. What cannot be noted is not to be done.
    ///
    /// # Errors
    /// 503.
    pub async fn audit(
        &self,
        by: &Actor,
        action: AuditAction,
        subject: &str,
    ) -> Result<(), ApiError> {
        let Actor { who, source } = by;
        Ok(self.store().note_audit(self.now().at, who, action, subject, source).await?)
    }

    /// Takes one of the calls that a source may begin.
    ///
    /// # Errors
    /// 429.
    pub(super) fn take_call(&self, source: IpAddr) -> Result<(), ApiError> {
        let taken = locked(&self.shared.calls).take(&source_key(source), self.now().instant);
        taken.map_err(|retry_after| {
            ApiError::too_many("too many calls from this address", retry_after)
        })
    }

    /// Whether somebody begins to play a recording, rather than goes on with it.
    pub(super) fn begins_to_play(&self, listener: &Listener) -> bool {
        locked(&self.shared.playing).take(listener, self.now().instant).is_ok()
    }

    /// They got nothing of it after all.
    pub(super) fn has_not_played(&self, listener: &Listener) {
        locked(&self.shared.playing).give_back(listener);
    }

    /// Does something with a call that is named by its secret. Whoever names many that are not
    /// there is guessing, and has to wait.
    ///
    /// # Errors
    /// 429, or what `done` says.
    pub(super) async fn with_secret<T>(
        &self,
        source: IpAddr,
        done: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let who = source_key(source);
        let taken = locked(&self.shared.wrong_secrets).take(&who, self.now().instant);
        taken.map_err(|retry_after| {
            ApiError::too_many("too many calls that are not there", retry_after)
        })?;
        let done = done.await;
        let is_wrong = done.as_ref().is_err_and(ApiError::is_not_found);
        if !is_wrong {
            locked(&self.shared.wrong_secrets).give_back(&who);
        }
        done
    }
}

fn locked<T>(limiter: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under the lock.
    limiter.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> ApiError {
    NotDone::Unavailable("the front door is stopping".to_owned()).into()
}

impl Actor {
    /// A program that showed this token.
    pub(super) fn token(subject: String, source: IpAddr) -> Self {
        Self { who: Who::Token(subject), source: source.to_string() }
    }
}
