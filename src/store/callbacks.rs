//! The book of callbacks: who is to be called back by us, in their turn, and how far that is.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use crate::acd::handoff::Handoff;
use crate::base::{CallId, Pii, QueueName};

use super::calls::stamp;
use super::{Store, StoreError};

/// Somebody who is to be called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackRecord {
    /// The call that asked for it.
    pub call: CallId,
    /// Of its hand-off.
    pub reference: Option<String>,
    /// Where to.
    pub number: Pii<String>,
    /// Who says that they call back, as spoken.
    pub house: String,
    /// In whose turn.
    pub queue: QueueName,
    /// Skills asked for besides those of the queue, with their levels.
    pub needs: BTreeMap<String, u8>,
    /// Language tag, if one is asked for.
    pub language: Option<String>,
    /// 1 (first) to 9.
    pub priority: u8,
    /// The account for whom alone it is.
    pub only_agent: Option<String>,
    /// Since when the place counts.
    pub since: Timestamp,
}

/// One that is not done.
#[derive(Clone, PartialEq)]
pub struct OpenCallback {
    /// Who, where and when.
    pub record: CallbackRecord,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this time.
    pub next_attempt_at: Option<Timestamp>,
    /// The document, if it is there.
    pub handoff: Option<Handoff>,
}

impl fmt::Debug for OpenCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCallback")
            .field("record", &self.record)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// What became of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackMark {
    /// The customer is called: so many times now.
    Dialling {
        /// With this one.
        attempts: u32,
    },
    /// The customer has answered.
    Answered,
    /// It is to be tried (again).
    Waiting {
        /// It was tried so often.
        attempts: u32,
        /// Not before; at once if there is none.
        not_before: Option<Timestamp>,
    },
    /// The customer and an agent have talked.
    Served {
        /// When.
        at: Timestamp,
    },
    /// It was tried often enough: people call back, and the webhook is told so.
    Failed {
        /// When.
        at: Timestamp,
    },
}

impl CallbackMark {
    const fn state(&self) -> &'static str {
        match self {
            Self::Dialling { .. } => "dialling",
            Self::Answered => "answered",
            Self::Waiting { .. } => "waiting",
            Self::Served { .. } => "served",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Store {
    /// Books a callback. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError`]; then count on nothing being booked.
    pub async fn book_callback(
        &self,
        callback: &CallbackRecord,
        booked_at: Timestamp,
    ) -> Result<(), StoreError> {
        let senseless =
            |_| StoreError::Senseless { path: self.inner.path.clone(), what: "callback" };
        let needs = serde_json::to_string(&callback.needs).map_err(senseless)?;
        let mut session = self.session().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO callbacks (call, reference, number, house, queue, needs, language,
                 priority, only_agent, since, booked_at, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",
        )
        .bind(callback.call.to_string())
        .bind(&callback.reference)
        .bind(callback.number.expose())
        .bind(&callback.house)
        .bind(callback.queue.as_str())
        .bind(needs)
        .bind(&callback.language)
        .bind(callback.priority)
        .bind(&callback.only_agent)
        .bind(stamp(callback.since))
        .bind(stamp(booked_at))
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        session.still_there()
    }

    /// Takes a booking back that nobody has been told of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unbook_callback(&self, call: CallId) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("DELETE FROM callbacks WHERE call = ? AND state = 'waiting' AND attempts = 0")
            .bind(call.to_string())
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Notes what became of a callback. One that is done stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_callback(&self, call: CallId, mark: &CallbackMark) -> Result<(), StoreError> {
        let (attempts, not_before, done) = match mark {
            CallbackMark::Dialling { attempts } => (Some(*attempts), None, None),
            CallbackMark::Answered => (None, None, None),
            CallbackMark::Waiting { attempts, not_before } => {
                (Some(*attempts), not_before.map(stamp), None)
            }
            CallbackMark::Served { at } | CallbackMark::Failed { at } => {
                (None, None, Some(stamp(*at)))
            }
        };
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let reference: Option<Option<String>> = sqlx::query_scalar(
            "UPDATE callbacks SET state = ?, attempts = coalesce(?, attempts), next_attempt_at = ?,
                 done_at = ?
             WHERE call = ? AND done_at IS NULL RETURNING reference",
        )
        .bind(mark.state())
        .bind(attempts)
        .bind(not_before)
        .bind(done)
        .bind(call.to_string())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        if let (CallbackMark::Failed { .. }, Some(Some(reference))) = (mark, &reference) {
            self.to_callback(&mut transaction, reference).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        session.still_there()?;
        self.outbox_has_more();
        Ok(())
    }

    /// After a start: callbacks that are not done, in the order of their places. One that was being dialled
    /// when the program ended is to be tried again, since nobody had answered. Where somebody had, they
    /// were cut off: people call back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume_callbacks(&self, now: Timestamp) -> Result<Vec<OpenCallback>, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let cut_off: Vec<Option<String>> = sqlx::query_scalar(
            "UPDATE callbacks SET state = 'failed', done_at = ? WHERE state = 'answered'
             RETURNING reference",
        )
        .bind(stamp(now))
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        for reference in cut_off.into_iter().flatten() {
            self.to_callback(&mut transaction, &reference).await.map_err(failed)?;
        }
        sqlx::query("UPDATE callbacks SET state = 'waiting' WHERE state = 'dialling'")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let rows = sqlx::query(
            "SELECT callbacks.*, handoffs.json FROM callbacks
             LEFT JOIN handoffs ON handoffs.reference = callbacks.reference
             WHERE state = 'waiting' ORDER BY since, call",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.outbox_has_more();
        Ok(rows.iter().filter_map(|row| self.open_callback(row)).collect())
    }

    /// A callback as it was booked. One that cannot be read is left where it is, and told.
    fn open_callback(&self, row: &SqliteRow) -> Option<OpenCallback> {
        let read = || -> Result<OpenCallback, StoreError> {
            let failed = |error| self.failed(error);
            let senseless =
                |_| StoreError::Senseless { path: self.inner.path.clone(), what: "callback" };
            let needs: String = row.try_get("needs").map_err(failed)?;
            let next: Option<String> = row.try_get("next_attempt_at").map_err(failed)?;
            let json: Option<String> = row.try_get("json").map_err(failed)?;
            Ok(OpenCallback {
                record: CallbackRecord {
                    call: self.parsed(row, "call", "call id")?,
                    reference: row.try_get("reference").map_err(failed)?,
                    number: Pii::new(row.try_get("number").map_err(failed)?),
                    house: row.try_get("house").map_err(failed)?,
                    queue: QueueName::new(row.try_get::<String, _>("queue").map_err(failed)?),
                    needs: serde_json::from_str(&needs).map_err(senseless)?,
                    language: row.try_get("language").map_err(failed)?,
                    priority: row.try_get("priority").map_err(failed)?,
                    only_agent: row.try_get("only_agent").map_err(failed)?,
                    since: self.parsed(row, "since", "time")?,
                },
                attempts: row.try_get("attempts").map_err(failed)?,
                next_attempt_at: next.and_then(|at| at.parse().ok()),
                handoff: json.as_deref().and_then(|json| self.read_handoff(json).ok()),
            })
        };
        match read() {
            Ok(callback) => Some(callback),
            Err(error) => {
                tracing::error!(%error, "a callback in the book cannot be read");
                None
            }
        }
    }

    /// How a callback stands: its state as a word, and how often it was tried.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callback_state(&self, call: CallId) -> Result<Option<(String, u32)>, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT state, attempts FROM callbacks WHERE call = ?")
            .bind(call.to_string())
            .fetch_optional(session.connection()?)
            .await
            .map_err(failed)?;
        row.map(|row| {
            Ok((row.try_get("state").map_err(failed)?, row.try_get("attempts").map_err(failed)?))
        })
        .transpose()
    }
}
