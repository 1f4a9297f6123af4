//! What agents say came of calls, and the outbox that tells the customer system.

use std::fmt;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::base::{CallId, Pii, QueueName};

use super::calls::stamp;
use super::{Store, StoreError};

/// How far a wrap-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrapUpState {
    /// The agent is at it.
    Open,
    /// Done, and no system is to be told.
    Kept,
    /// Done, and the customer system is to be told.
    Pending,
}

impl WrapUpState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Kept => "kept",
            Self::Pending => "pending",
        }
    }
}

/// What an agent says came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapUpRecord {
    /// The call.
    pub call: CallId,
    /// The account.
    pub agent: String,
    /// When they took the call.
    pub began_at: Timestamp,
    /// The queue it came from.
    pub queue: QueueName,
    /// The customer, if it is known who called.
    pub account_number: Option<Pii<String>>,
    /// What the hand-off says in a paragraph.
    pub summary: Pii<String>,
    /// One of the declared ones.
    pub disposition: Option<String>,
    /// In the agent's words.
    pub notes: Option<Pii<String>>,
    /// One more with each change.
    pub revision: u32,
    /// How far it is.
    pub state: WrapUpState,
}

/// One that the customer system is to be told.
#[derive(Clone)]
pub struct DueWrapUp {
    /// The row in the outbox.
    pub id: i64,
    /// What is to be told.
    pub record: WrapUpRecord,
    /// Tries so far.
    pub attempts: u32,
    /// The same in every try of the same text.
    pub idempotency_key: String,
}

impl fmt::Debug for DueWrapUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueWrapUp")
            .field("id", &self.id)
            .field("record", &self.record)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// What came of telling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrapUpMark {
    /// The customer system has it.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// To be tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// Why, without personal data.
        error: String,
    },
    /// It does not want it.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, without personal data.
        error: String,
    },
}

const COLUMNS: &str = "id, call, agent, began_at, queue, account_number, summary, disposition, notes, \
     revision, state, attempts";

impl Store {
    /// Keeps a wrap-up, unless a newer text of it is there. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_wrap_up(
        &self,
        wrap_up: &WrapUpRecord,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query(
            "INSERT INTO wrap_ups (call, agent, began_at, queue, account_number, summary, disposition,
                 notes, revision, state, next_attempt_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (call, agent, began_at) DO UPDATE SET
                 account_number = excluded.account_number, summary = excluded.summary,
                 disposition = excluded.disposition, notes = excluded.notes,
                 revision = excluded.revision, state = excluded.state, attempts = 0,
                 next_attempt_at = excluded.next_attempt_at, done_at = NULL, last_error = NULL
             WHERE excluded.revision > wrap_ups.revision",
        )
        .bind(wrap_up.call.to_string())
        .bind(&wrap_up.agent)
        .bind(stamp(wrap_up.began_at))
        .bind(wrap_up.queue.as_str())
        .bind(wrap_up.account_number.as_ref().map(Pii::expose))
        .bind(wrap_up.summary.expose())
        .bind(&wrap_up.disposition)
        .bind(wrap_up.notes.as_ref().map(Pii::expose))
        .bind(wrap_up.revision)
        .bind(wrap_up.state.as_str())
        .bind(stamp(now))
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        session.still_there()?;
        self.inner.wrap_ups_due.notify_one();
        Ok(())
    }

    /// After a start: nobody is at the wrap-ups any more that were open. They become this.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn close_wrap_ups(
        &self,
        state: WrapUpState,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut session = self.session().await?;
        let closed =
            sqlx::query("UPDATE wrap_ups SET state = ?, next_attempt_at = ? WHERE state = 'open'")
                .bind(state.as_str())
                .bind(stamp(now))
                .execute(session.connection()?)
                .await
                .map_err(|error| self.failed(error))?;
        self.inner.wrap_ups_due.notify_one();
        Ok(closed.rows_affected())
    }

    /// Wrap-ups that the customer system is to be told at `now`, the longest due first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_wrap_ups(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWrapUp>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM wrap_ups WHERE state = 'pending' AND next_attempt_at <= ?
             ORDER BY next_attempt_at, id LIMIT ?"
        ))
        .bind(stamp(now))
        .bind(limit)
        .fetch_all(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.due_wrap_up(row)).collect()
    }

    /// Wrap-ups of a call, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wrap_ups_of(&self, call: CallId) -> Result<Vec<WrapUpRecord>, StoreError> {
        let mut session = self.session().await?;
        let rows =
            sqlx::query(&format!("SELECT {COLUMNS} FROM wrap_ups WHERE call = ? ORDER BY id"))
                .bind(call.to_string())
                .fetch_all(session.connection()?)
                .await
                .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.wrap_up(row)).collect()
    }

    fn due_wrap_up(&self, row: &SqliteRow) -> Result<DueWrapUp, StoreError> {
        let failed = |error| self.failed(error);
        let record = self.wrap_up(row)?;
        let id: i64 = row.try_get("id").map_err(failed)?;
        let idempotency_key = format!("{}-wrap-up-{id}-{}", record.call, record.revision);
        let attempts = row.try_get("attempts").map_err(failed)?;
        Ok(DueWrapUp { id, record, attempts, idempotency_key })
    }

    fn wrap_up(&self, row: &SqliteRow) -> Result<WrapUpRecord, StoreError> {
        let failed = |error| self.failed(error);
        let state: String = row.try_get("state").map_err(failed)?;
        let account_number: Option<String> = row.try_get("account_number").map_err(failed)?;
        let notes: Option<String> = row.try_get("notes").map_err(failed)?;
        Ok(WrapUpRecord {
            call: self.parsed(row, "call", "call id")?,
            agent: row.try_get("agent").map_err(failed)?,
            began_at: self.parsed(row, "began_at", "time")?,
            queue: QueueName::new(row.try_get::<String, _>("queue").map_err(failed)?),
            account_number: account_number.map(Pii::new),
            summary: Pii::new(row.try_get("summary").map_err(failed)?),
            disposition: row.try_get("disposition").map_err(failed)?,
            notes: notes.map(Pii::new),
            revision: row.try_get("revision").map_err(failed)?,
            state: match state.as_str() {
                "open" => WrapUpState::Open,
                "pending" => WrapUpState::Pending,
                _ => WrapUpState::Kept,
            },
        })
    }

    /// When the next one is due, if any is pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_wrap_up_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query(
            "SELECT next_attempt_at FROM wrap_ups WHERE state = 'pending'
             ORDER BY next_attempt_at LIMIT 1",
        )
        .fetch_optional(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        row.map(|row| self.parsed(&row, "next_attempt_at", "time")).transpose()
    }

    /// Notes what came of telling a wrap-up. One that has been changed meanwhile is told again.
    ///
    /// # Errors
    /// [`StoreError`]; it will then be told again, with the same idempotency key.
    pub async fn mark_wrap_up(&self, due: &DueWrapUp, mark: &WrapUpMark) -> Result<(), StoreError> {
        let (state, next, done, error) = match mark {
            WrapUpMark::Sent { at } => ("sent", None, Some(stamp(*at)), None),
            WrapUpMark::Retry { at, error } => ("pending", Some(stamp(*at)), None, Some(error)),
            WrapUpMark::Failed { at, error } => ("failed", None, Some(stamp(*at)), Some(error)),
        };
        let mut session = self.session().await?;
        sqlx::query(
            "UPDATE wrap_ups SET state = ?, attempts = attempts + 1,
                 next_attempt_at = coalesce(?, next_attempt_at), done_at = ?, last_error = ?
             WHERE id = ? AND revision = ? AND state = 'pending'",
        )
        .bind(state)
        .bind(next)
        .bind(done)
        .bind(error)
        .bind(due.id)
        .bind(due.record.revision)
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Waits until a wrap-up is kept.
    pub async fn wrap_up_kept(&self) {
        self.inner.wrap_ups_due.notified().await;
    }
}
