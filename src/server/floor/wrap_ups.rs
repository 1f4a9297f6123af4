//! What agents write about calls: kept as they write it, and told to the customer system when they are done.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::acd::handoff::{FactProvenance, Handoff};
use crate::acd::{AgentId, AgentState, RouterInput};
use crate::actions::{ActionRequest, Actions, FailureKind};
use crate::base::{CallId, Pii};
use crate::store::{DueWrapUp, Store, StoreError, WrapUpMark, WrapUpRecord, WrapUpState};
use crate::web::{NotDone, Reply};

use super::asks::answer;
use super::desks::WrapUp;
use super::jobs::{Done, Entry, Then, WrapUpKept};
use super::now::Now;
use super::state::FloorState;

/// The longest notes.
const NOTES_CHARS_MAX: usize = 8_000;

/// Field of the caller's record, and slot, with the customer's number.
const ACCOUNT_NUMBER: &str = "account_number";

impl From<bool> for Done {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::NotYet }
    }
}

impl FloorState {
    /// An agent has taken a call: from here on they may write about it.
    pub(super) fn begin_wrap_up(&mut self, now: Now, agent: &AgentId, call: CallId) {
        // What was written about the call before is what it is by now.
        self.close_wrap_up(now, agent);
        let Some(caller) = self.callers.get(&call) else { return };
        let handoff = &caller.handoff;
        let record = WrapUpRecord {
            call,
            agent: agent.as_str().to_owned(),
            began_at: now.wall,
            queue: caller.waiter.queue.clone(),
            account_number: account_number(handoff),
            summary: Pii::new(handoff.summary.clone()),
            disposition: None,
            notes: None,
            revision: 0,
            state: WrapUpState::Open,
        };
        if let Some(desk) = self.desks.get_mut(agent) {
            desk.wrap_up = Some(WrapUp { record, is_over: false });
        }
    }

    /// The call is over, the work on it is not.
    pub(super) fn open_wrap_up(&mut self, now: Now, agent: &AgentId) {
        self.keep_wrap_up(now.wall, agent, Then::Nothing);
    }

    /// Nobody has talked: there is nothing to be written about, unless something was.
    pub(super) fn drop_wrap_up(&mut self, agent: &AgentId) {
        if let Some(desk) = self.desks.get_mut(agent)
            && desk.wrap_up.as_ref().is_some_and(|wrap_up| wrap_up.record.revision == 0)
        {
            desk.wrap_up = None;
        }
    }

    /// The work after a call is over, also where the agent did not say so.
    pub(super) fn close_wrap_up(&mut self, now: Now, agent: &AgentId) {
        let state = self.rules.wrap_up_state();
        let wrap_up = self.desks.get_mut(agent).and_then(|desk| desk.wrap_up.as_mut());
        let Some(wrap_up) = wrap_up.filter(|wrap_up| !wrap_up.is_over) else { return };
        wrap_up.is_over = true;
        // What was never begun is nothing to keep.
        if wrap_up.record.revision > 0 {
            wrap_up.record.state = state;
            self.keep_wrap_up(now.wall, agent, Then::Nothing);
        }
    }

    /// An agent writes about their call, or about the one before.
    pub(super) fn write_wrap_up(
        &mut self,
        now: Now,
        agent: &AgentId,
        (disposition, notes): (Option<String>, Option<Pii<String>>),
        (done, reply): (Done, Reply<()>),
    ) {
        if let Some(not) = self.refuses_wrap_up(agent, disposition.as_deref(), notes.as_ref()) {
            return answer(reply, Err(not));
        }
        let state = self.rules.wrap_up_state();
        let Some(wrap_up) = self.desks.get_mut(agent).and_then(|desk| desk.wrap_up.as_mut()) else {
            return;
        };
        let record = &mut wrap_up.record;
        record.disposition = disposition.or_else(|| record.disposition.take());
        record.notes = notes.or_else(|| record.notes.take());
        // What is written when the work was over already is told anew.
        record.state = if wrap_up.is_over { state } else { WrapUpState::Open };
        let kept = WrapUpKept { agent: agent.clone(), done, reply };
        self.keep_wrap_up(now.wall, agent, Then::WrapUpKept(kept));
    }

    fn refuses_wrap_up(
        &self,
        agent: &AgentId,
        disposition: Option<&str>,
        notes: Option<&Pii<String>>,
    ) -> Option<NotDone> {
        let known = &self.rules.desk.dispositions;
        if disposition.is_some_and(|word| !known.iter().any(|known| known == word)) {
            let why = format!("what came of a call is one of: {}", known.join(", "));
            return Some(NotDone::BadRequest(why));
        }
        if notes.is_some_and(|notes| notes.expose().chars().count() > NOTES_CHARS_MAX) {
            let why = format!("notes may have {NOTES_CHARS_MAX} characters");
            return Some(NotDone::BadRequest(why));
        }
        let has_call = self.desks.get(agent).is_some_and(|desk| desk.wrap_up.is_some());
        let why = "there is no call to write about".to_owned();
        (!has_call).then_some(NotDone::Conflict(why))
    }

    /// Has it written down as it is now.
    fn keep_wrap_up(&mut self, at: Timestamp, agent: &AgentId, then: Then) {
        let wrap_up = self.desks.get_mut(agent).and_then(|desk| desk.wrap_up.as_mut());
        let Some(wrap_up) = wrap_up else { return };
        wrap_up.record.revision += 1;
        let record = wrap_up.record.clone();
        self.write(Entry::WrapUp(record, at), then);
    }

    /// What an agent wrote is on the disk, or is not.
    pub(super) fn wrap_up_kept(&mut self, now: Now, kept: WrapUpKept, durable: bool) {
        let WrapUpKept { agent, done, reply } = kept;
        if !durable {
            let why = "it could not be kept: try again in a moment".to_owned();
            return answer(reply, Err(NotDone::Unavailable(why)));
        }
        let outcome = match done {
            Done::NotYet => Ok(()),
            Done::Done => self.wrap_up_done(now, &agent),
        };
        answer(reply, outcome);
    }

    fn wrap_up_done(&mut self, now: Now, agent: &AgentId) -> Result<(), NotDone> {
        let Some(desk) = self.desks.get(agent) else { return Ok(()) };
        match desk.state {
            AgentState::WrapUp { .. } => {
                self.route(now, RouterInput::WrapUpDone { agent: agent.clone() });
                self.settle(now);
                Ok(())
            }
            AgentState::Talking { .. } => {
                let why = "it is kept, but the call is not over yet".to_owned();
                Err(NotDone::Conflict(why))
            }
            // The time for it was over already.
            _ => Ok(()),
        }
    }
}

/// The customer's number: as it was verified, else as their record has it, else as they gave it.
fn account_number(handoff: &Handoff) -> Option<Pii<String>> {
    let slots = || handoff.slots.iter().filter(|slot| slot.name == ACCOUNT_NUMBER);
    let verified = slots().find(|slot| slot.provenance == FactProvenance::Verified);
    let of_record = handoff.crm.as_ref().and_then(|crm| crm.get(ACCOUNT_NUMBER)?.as_str());
    let found = verified.map(|slot| slot.value.as_str()).or(of_record);
    let found = found.or_else(|| slots().next().map(|slot| slot.value.as_str()));
    found.map(|number| Pii::new(number.to_owned()))
}

/// Told in one round, one after another.
const BATCH_MAX: u32 = 20;
/// Pause after the first failed try; it doubles each time.
const BACKOFF_BASE: SignedDuration = SignedDuration::from_secs(10);
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How long the worker sleeps at most: another process may change the outbox, or the clock jump.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Tells the customer system what came of calls, until told to stop: at once when an agent is done, later
/// as tries fall due. A system that is away is tried for ever: the notes are in the store.
pub(in crate::server) async fn tell_customer_system(
    store: &Store,
    actions: &Actions,
    action: &str,
    stop: &CancellationToken,
) {
    while !stop.is_cancelled() {
        let round = tokio::select! {
            round = tell_due(store, actions, action, Timestamp::now()) => round,
            () = stop.cancelled() => return,
        };
        let wait = match round {
            Ok(()) => next_round(store).await,
            Err(error) => {
                tracing::error!(%error, "what came of calls cannot be read from the store");
                IDLE_MAX
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = store.wrap_up_kept() => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn next_round(store: &Store) -> Duration {
    match store.next_wrap_up_at().await {
        Ok(Some(at)) => {
            let wait = at.duration_since(Timestamp::now());
            Duration::try_from(wait).unwrap_or(Duration::ZERO).min(IDLE_MAX)
        }
        _ => IDLE_MAX,
    }
}

/// Tells what is due at `now`, at most a batch.
pub(super) async fn tell_due(
    store: &Store,
    actions: &Actions,
    action: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    for due in store.due_wrap_ups(now, BATCH_MAX).await? {
        let call = due.record.call;
        let request = ActionRequest {
            action: action.to_owned(),
            inputs: inputs_of(&due),
            idempotency_key: due.idempotency_key.clone(),
        };
        let mark = match actions.run(request).await {
            Ok(_) => WrapUpMark::Sent { at: now },
            Err(failure) => {
                let error = failure.to_string();
                match failure.kind {
                    FailureKind::Unavailable | FailureKind::Timeout => {
                        tracing::warn!(%call, error, "what came of a call will be told again");
                        WrapUpMark::Retry { at: next_try(due.attempts, now), error }
                    }
                    FailureKind::NotFound | FailureKind::Refused(_) | FailureKind::BadRequest => {
                        tracing::error!(%call, error, "the customer system does not want to know");
                        WrapUpMark::Failed { at: now, error }
                    }
                }
            }
        };
        store.mark_wrap_up(&due, &mark).await?;
    }
    Ok(())
}

fn next_try(attempts: u32, now: Timestamp) -> Timestamp {
    let pause = BACKOFF_BASE.saturating_mul(1 << attempts.min(16)).min(BACKOFF_MAX);
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// Everything that the action may take; what is not known is empty.
fn inputs_of(due: &DueWrapUp) -> std::collections::BTreeMap<String, Pii<String>> {
    let record = &due.record;
    let plain = |text: &str| Pii::new(text.to_owned());
    let known = |text: &Option<Pii<String>>| text.clone().unwrap_or_default();
    [
        ("call_id", plain(&record.call.to_string())),
        ("account_number", known(&record.account_number)),
        ("disposition", plain(record.disposition.as_deref().unwrap_or_default())),
        ("summary", record.summary.clone()),
        ("notes", known(&record.notes)),
        ("agent", plain(&record.agent)),
        ("queue", plain(record.queue.as_str())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
