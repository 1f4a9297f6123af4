//! Who waits in a queue or talks with an agent, so that a crash forgets nobody; and how waits ended.

use jiff::Timestamp;
use sqlx::{Connection, Row, SqliteConnection};

use crate::acd::handoff::Handoff;
use crate::base::{CallId, QueueName};

use super::calls::{stamp, whole};
use super::{Store, StoreError};

/// A caller who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRecord {
    /// The call.
    pub call: CallId,
    /// Of its hand-off, if that is in this database.
    pub reference: Option<String>,
    /// Where they wait.
    pub queue: QueueName,
    /// Since when.
    pub since: Timestamp,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// An agent and the caller heard each other.
    Answered,
    /// The same, after they had lost the agent before.
    AnsweredAgain,
    /// The caller hung up.
    HungUp,
    /// The caller did not want to wait any longer.
    Left,
    /// The caller is to be called back instead.
    Callback,
    /// The longest wait was over.
    TooLong,
    /// The queue was gone.
    NoQueue,
    /// The agent for whom they waited had gone.
    AgentGone,
}

impl WaitOutcome {
    const ALL: [Self; 8] = [
        Self::Answered,
        Self::AnsweredAgain,
        Self::HungUp,
        Self::Left,
        Self::Callback,
        Self::TooLong,
        Self::NoQueue,
        Self::AgentGone,
    ];

    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::AnsweredAgain => "answered again",
            Self::HungUp => "hung up",
            Self::Left => "left",
            Self::Callback => "callback",
            Self::TooLong => "too long",
            Self::NoQueue => "no queue",
            Self::AgentGone => "agent gone",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// A wait that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRecord {
    /// The call.
    pub call: CallId,
    /// Where they waited last.
    pub queue: QueueName,
    /// `call` or `callback`.
    pub kind: &'static str,
    /// How it ended.
    pub outcome: WaitOutcome,
    /// How long it was.
    pub waited_ms: u64,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The account that took the call.
    pub agent: Option<String>,
}

/// A wait that is over, as far as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitCount {
    /// Where they waited.
    pub queue: QueueName,
    /// Whether they were on the line.
    pub was_on_line: bool,
    /// How it ended.
    pub outcome: WaitOutcome,
    /// How long it was.
    pub waited_ms: u64,
    /// The account that took the call.
    pub agent: Option<String>,
}

/// Begins the wait that a hand-off promises, as part of the transaction that keeps it.
pub(super) async fn begin_waiting(
    connection: &mut SqliteConnection,
    handoff: &Handoff,
    now: &str,
) -> Result<(), sqlx::Error> {
    put(connection, &handoff.call_id, handoff.reference.as_deref(), &handoff.queue, now).await
}

/// Forgets waits that ended before then, callbacks that are done, and what agents wrote, unless the customer
/// system is still to be told.
pub(super) async fn forget_before(
    connection: &mut SqliteConnection,
    before: &str,
) -> Result<(), sqlx::Error> {
    for old in [
        "DELETE FROM waits WHERE ended_at < ?",
        "DELETE FROM callbacks WHERE done_at < ?",
        "DELETE FROM wrap_ups WHERE began_at < ? AND state NOT IN ('open', 'pending')",
    ] {
        sqlx::query(old).bind(before).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn put(
    connection: &mut SqliteConnection,
    call: &str,
    reference: Option<&str>,
    queue: &str,
    since: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO waiting (call, reference, queue, since) VALUES (?, ?, ?, ?)
         ON CONFLICT (call) DO UPDATE SET reference = excluded.reference, queue = excluded.queue,
             since = excluded.since",
    )
    .bind(call)
    .bind(reference)
    .bind(queue)
    .bind(since)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Keeps that a caller waits. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_waiting(&self, waiting: &WaitingRecord) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        put(
            session.connection()?,
            &waiting.call.to_string(),
            waiting.reference.as_deref(),
            waiting.queue.as_str(),
            &stamp(waiting.since),
        )
        .await
        .map_err(|error| self.failed(error))?;
        session.still_there()
    }

    /// A caller waits no more, and nothing more is owed to them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_waiting(&self, call: CallId) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("DELETE FROM waiting WHERE call = ?")
            .bind(call.to_string())
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// A caller waits no more without having been served: people call them back, and the webhook is told
    /// so. Nothing happens if they did not wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn break_off_waiting(&self, call: CallId) -> Result<(), StoreError> {
        self.break_off(Some(call)).await.map(drop)
    }

    /// Everybody who is kept as waiting was cut off: to be said before anybody else waits. Whoever is to be
    /// called back by us anyway waits for that. Gives how many people are to call back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn break_off_all_waiting(&self) -> Result<usize, StoreError> {
        self.break_off(None).await
    }

    async fn break_off(&self, call: Option<CallId>) -> Result<usize, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let call = call.map(|call| call.to_string());
        let rows = sqlx::query(
            "DELETE FROM waiting WHERE ?1 IS NULL OR call = ?1
             RETURNING reference, EXISTS (SELECT 1 FROM callbacks WHERE callbacks.call = waiting.call
                 AND state IN ('waiting', 'dialling', 'answered')) AS is_booked",
        )
        .bind(call)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        let mut promised = 0;
        for row in rows {
            let reference: Option<String> = row.try_get("reference").map_err(failed)?;
            let is_booked: bool = row.try_get("is_booked").map_err(failed)?;
            let Some(reference) = reference.filter(|_| !is_booked) else { continue };
            if self.to_callback(&mut transaction, &reference).await.map_err(failed)? {
                promised += 1;
            }
        }
        transaction.commit().await.map_err(failed)?;
        session.still_there()?;
        self.outbox_has_more();
        Ok(promised)
    }

    /// Calls that are kept as waiting.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting(&self) -> Result<Vec<WaitingRecord>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT call, reference, queue, since FROM waiting ORDER BY since")
            .fetch_all(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        rows.iter()
            .map(|row| {
                Ok(WaitingRecord {
                    call: self.parsed(row, "call", "call id")?,
                    reference: row.try_get("reference").map_err(|error| self.failed(error))?,
                    queue: QueueName::new(
                        row.try_get::<String, _>("queue").map_err(|error| self.failed(error))?,
                    ),
                    since: self.parsed(row, "since", "time")?,
                })
            })
            .collect()
    }

    /// Keeps how a wait ended.
    ///
    /// # Errors
    /// [`StoreError`]; it is not counted then.
    pub async fn note_wait(&self, wait: &WaitRecord) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query(
            "INSERT INTO waits (call, queue, kind, outcome, waited_ms, ended_at, agent)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(wait.call.to_string())
        .bind(wait.queue.as_str())
        .bind(wait.kind)
        .bind(wait.outcome.as_str())
        .bind(whole(wait.waited_ms))
        .bind(stamp(wait.ended_at))
        .bind(&wait.agent)
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Whether somebody has talked with the caller of this call.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_taken(&self, call: &str, agent: &str) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM waits WHERE call = ? AND agent = ?)")
            .bind(call)
            .bind(agent)
            .fetch_one(session.connection()?)
            .await
            .map_err(|error| self.failed(error))
    }

    /// Waits that ended since then, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waits_since(&self, since: Timestamp) -> Result<Vec<WaitCount>, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT queue, kind, outcome, waited_ms, agent FROM waits WHERE ended_at >= ?
             ORDER BY ended_at, id",
        )
        .bind(stamp(since))
        .fetch_all(session.connection()?)
        .await
        .map_err(failed)?;
        let mut waits = Vec::new();
        for row in rows {
            let outcome: String = row.try_get("outcome").map_err(failed)?;
            // A word of a later version counts for nothing here.
            let Some(outcome) = WaitOutcome::named(&outcome) else { continue };
            waits.push(WaitCount {
                queue: QueueName::new(row.try_get::<String, _>("queue").map_err(failed)?),
                was_on_line: row.try_get::<String, _>("kind").map_err(failed)? == "call",
                outcome,
                waited_ms: row.try_get::<i64, _>("waited_ms").map_err(failed)?.unsigned_abs(),
                agent: row.try_get("agent").map_err(failed)?,
            });
        }
        Ok(waits)
    }
}
