//! Hand-offs and the outbox that posts them.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, Row, SqliteConnection};

use crate::acd::handoff::{Handoff, Promise};

use super::calls::stamp;
use super::{Outbox, Store, StoreError, floor};

/// How old a promise may be whose call has no record, and still be taken up: a day. An older one is of
/// a call whose record was deleted since, and what came of it with it.
const UNRECORDED_S: i64 = 24 * 60 * 60;

/// How a hand-off's latest delivery to the webhook stands, as a column of `handoffs`.
pub(super) const WEBHOOK_STATE: &str = "(SELECT state FROM webhooks WHERE handoff = handoffs.id
    ORDER BY webhooks.id DESC LIMIT 1) AS state";

/// Identifies a hand-off to other systems: random, says nothing about the call, cannot be guessed.
///
/// Written as 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandoffId(u128);

impl HandoffId {
    fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for HandoffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text is not the id of a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hand-off id is 32 hexadecimal digits")]
pub struct ParseHandoffIdError;

impl FromStr for HandoffId {
    type Err = ParseHandoffIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseHandoffIdError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ParseHandoffIdError)
    }
}

/// A hand-off in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoffSummary {
    /// Its opaque id.
    pub id: HandoffId,
    /// The call's id as the hand-off gives it.
    pub call: String,
    /// When it was kept.
    pub created_at: Timestamp,
    /// `pending`, `delivered` or `failed`, if it goes to the webhook.
    pub webhook: Option<String>,
}

/// A delivery that is due.
#[derive(Clone)]
pub struct DueWebhook {
    /// The row in the outbox.
    pub id: i64,
    /// The hand-off.
    pub handoff: HandoffId,
    /// The same in every try.
    pub idempotency_key: String,
    /// Tries so far.
    pub attempts: u32,
    /// When it was put into the outbox.
    pub created_at: Timestamp,
    /// The document.
    pub json: String,
}

impl fmt::Debug for DueWebhook {
    // The document is full of personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueWebhook")
            .field("id", &self.id)
            .field("handoff", &self.handoff)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookMark {
    /// The other side has it.
    Delivered {
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
    /// Given up.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, without personal data.
        error: String,
    },
}

impl Store {
    /// Keeps a hand-off. When this returns, it is on the disk, and in the webhook outbox if there
    /// is one. One that promises a queue begins a wait with it, which has to be ended.
    ///
    /// # Errors
    /// [`StoreError`]; then count on nothing being kept, and use
    /// [`put_handoff_or_file`](super::put_handoff_or_file).
    pub async fn put_handoff(&self, handoff: &Handoff) -> Result<HandoffId, StoreError> {
        let json = serde_json::to_string(handoff).map_err(|_| StoreError::Senseless {
            path: self.inner.path.clone(),
            what: "hand-off",
        })?;
        let id = HandoffId::random();
        let now = stamp(Timestamp::now());
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::query(
            "INSERT INTO handoffs (id, call, created_at, json, reference) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(id.to_string())
        .bind(&handoff.call_id)
        .bind(&now)
        .bind(json)
        .bind(handoff.reference.as_deref())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if self.webhooks == Outbox::On {
            sqlx::query(
                "INSERT INTO webhooks (handoff, idempotency_key, state, created_at, next_attempt_at)
                 VALUES (?, ?, 'pending', ?, ?)",
            )
            .bind(id.to_string())
            .bind(id.to_string())
            .bind(&now)
            .bind(&now)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        if handoff.promise == Promise::Queue.as_str() {
            floor::begin_waiting(&mut transaction, handoff, &now).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        session.still_there()?;
        self.outbox_has_more();
        Ok(id)
    }

    /// Notes that the people of a hand-off are to call back after all, and has the webhook told: the
    /// document goes into its outbox once more, under a key of its own. If it says so already,
    /// nothing is done. False if there is no hand-off of this reference.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn promise_callback(&self, reference: &str) -> Result<bool, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let found: Option<(String, String)> = sqlx::query_as(
            "SELECT id, json_extract(json, '$.promise') FROM handoffs WHERE reference = ?",
        )
        .bind(reference)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        let Some((id, promise)) = found else { return Ok(false) };
        if promise == Promise::Callback.as_str() {
            return Ok(true);
        }
        self.note_callback(&mut transaction, &id).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        session.still_there()?;
        self.outbox_has_more();
        Ok(true)
    }

    /// The same for every caller to whom it was promised to put them through, if that has not been
    /// done: to be called while no call is in progress, for those that a server which was killed has
    /// left behind. Gives how many they are. Whether somebody took the call stands in its record;
    /// where there is none any more, only the promises of the last day are taken up.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is changed.
    pub async fn promise_callbacks_left(&self) -> Result<usize, StoreError> {
        let failed = |error| self.failed(error);
        let since = Timestamp::now() - SignedDuration::from_secs(UNRECORDED_S);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let left: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM handoffs
             WHERE json_extract(json, '$.promise') = ?
                 AND NOT EXISTS (SELECT 1 FROM transfers
                     WHERE transfers.call = handoffs.call AND outcome = 'succeeded'
                         AND queue = json_extract(json, '$.queue'))
                 AND (created_at > ? OR EXISTS (SELECT 1 FROM calls WHERE calls.id = handoffs.call))
             ORDER BY created_at, id",
        )
        .bind(Promise::Transfer.as_str())
        .bind(stamp(since))
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        for id in &left {
            self.note_callback(&mut transaction, id).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        session.still_there()?;
        self.outbox_has_more();
        Ok(left.len())
    }

    /// The same as [`promise_callback`](Self::promise_callback), as part of a transaction: true if that is
    /// new. The outbox is to be told when it is through.
    pub(super) async fn to_callback(
        &self,
        connection: &mut SqliteConnection,
        reference: &str,
    ) -> Result<bool, sqlx::Error> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM handoffs WHERE reference = ? AND json_extract(json, '$.promise') <> ?",
        )
        .bind(reference)
        .bind(Promise::Callback.as_str())
        .fetch_optional(&mut *connection)
        .await?;
        match id {
            Some(id) => self.note_callback(connection, &id).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Has this hand-off promise a callback, and puts it into the outbox once more.
    async fn note_callback(
        &self,
        connection: &mut SqliteConnection,
        id: &str,
    ) -> Result<(), sqlx::Error> {
        let promise = Promise::Callback.as_str();
        sqlx::query("UPDATE handoffs SET json = json_set(json, '$.promise', ?) WHERE id = ?")
            .bind(promise)
            .bind(id)
            .execute(&mut *connection)
            .await?;
        if self.webhooks == Outbox::On {
            let now = stamp(Timestamp::now());
            sqlx::query(
                "INSERT INTO webhooks (handoff, idempotency_key, state, created_at, next_attempt_at)
                 VALUES (?, ?, 'pending', ?, ?)",
            )
            .bind(id)
            .bind(format!("{id}-{promise}"))
            .bind(&now)
            .bind(&now)
            .execute(connection)
            .await?;
        }
        Ok(())
    }

    /// More is known than a hand-off says: its document becomes this one, and keeps what is promised by now.
    /// False, and nothing is done, if there is none of this reference (yet).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update_handoff(
        &self,
        reference: &str,
        handoff: &Handoff,
    ) -> Result<bool, StoreError> {
        let json = serde_json::to_string(handoff).map_err(|_| StoreError::Senseless {
            path: self.inner.path.clone(),
            what: "hand-off",
        })?;
        let mut session = self.session().await?;
        let done = sqlx::query(
            "UPDATE handoffs SET json = json_set(?, '$.promise', json_extract(json, '$.promise'))
             WHERE reference = ?",
        )
        .bind(json)
        .bind(reference)
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        session.still_there()?;
        Ok(done.rows_affected() > 0)
    }

    /// A hand-off by its id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn handoff(&self, id: HandoffId) -> Result<Option<Handoff>, StoreError> {
        let mut session = self.session().await?;
        let json: Option<String> = sqlx::query_scalar("SELECT json FROM handoffs WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        json.map(|json| self.read_handoff(&json)).transpose()
    }

    /// The document of a hand-off, as JSON, by the reference that a telephone system was given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn handoff_by_reference(
        &self,
        reference: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut session = self.session().await?;
        sqlx::query_scalar("SELECT json FROM handoffs WHERE reference = ?")
            .bind(reference)
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))
    }

    /// The hand-offs of a call, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn handoffs_of(&self, call: &str) -> Result<Vec<Handoff>, StoreError> {
        let mut session = self.session().await?;
        let found: Vec<String> =
            sqlx::query_scalar("SELECT json FROM handoffs WHERE call = ? ORDER BY created_at, id")
                .bind(call)
                .fetch_all(session.connection()?)
                .await
                .map_err(|error| self.failed(error))?;
        found.iter().map(|json| self.read_handoff(json)).collect()
    }

    /// The latest hand-offs, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_handoffs(&self, limit: u32) -> Result<Vec<HandoffSummary>, StoreError> {
        let mut session = self.session().await?;
        let wanted = format!(
            "SELECT id, call, created_at, {WEBHOOK_STATE} FROM handoffs
             ORDER BY created_at DESC LIMIT ?"
        );
        let rows = sqlx::query(&wanted)
            .bind(limit)
            .fetch_all(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        rows.iter()
            .map(|row| {
                Ok(HandoffSummary {
                    id: self.parsed(row, "id", "hand-off id")?,
                    call: row.try_get("call").map_err(|error| self.failed(error))?,
                    created_at: self.parsed(row, "created_at", "time")?,
                    webhook: row.try_get("state").map_err(|error| self.failed(error))?,
                })
            })
            .collect()
    }

    pub(super) fn read_handoff(&self, json: &str) -> Result<Handoff, StoreError> {
        serde_json::from_str(json)
            .map_err(|_| StoreError::Senseless { path: self.inner.path.clone(), what: "hand-off" })
    }

    /// Deliveries that are due at `now`, the longest due first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_webhooks(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWebhook>, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT webhooks.id AS row, handoff, idempotency_key, attempts,
                 webhooks.created_at AS created_at, json
             FROM webhooks JOIN handoffs ON handoffs.id = webhooks.handoff
             WHERE state = 'pending' AND next_attempt_at <= ?
             ORDER BY next_attempt_at, webhooks.id LIMIT ?",
        )
        .bind(stamp(now))
        .bind(limit)
        .fetch_all(session.connection()?)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(DueWebhook {
                    id: row.try_get("row").map_err(failed)?,
                    handoff: self.parsed(row, "handoff", "hand-off id")?,
                    idempotency_key: row.try_get("idempotency_key").map_err(failed)?,
                    attempts: row.try_get("attempts").map_err(failed)?,
                    created_at: self.parsed(row, "created_at", "time")?,
                    json: row.try_get("json").map_err(failed)?,
                })
            })
            .collect()
    }

    /// When the next delivery is due, if any is pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_webhook_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query(
            "SELECT next_attempt_at FROM webhooks WHERE state = 'pending'
             ORDER BY next_attempt_at LIMIT 1",
        )
        .fetch_optional(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        row.map(|row| self.parsed(&row, "next_attempt_at", "time")).transpose()
    }

    /// Deliveries that are not done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhooks_waiting(&self) -> Result<u64, StoreError> {
        let mut session = self.session().await?;
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM webhooks WHERE state = 'pending'")
                .fetch_one(session.connection()?)
                .await
                .map_err(|error| self.failed(error))?;
        Ok(waiting.unsigned_abs())
    }

    /// Notes what came of a delivery.
    ///
    /// # Errors
    /// [`StoreError`]; the delivery will then be made again, with the same idempotency key.
    pub async fn mark_webhook(&self, id: i64, mark: &WebhookMark) -> Result<(), StoreError> {
        let (state, next, done, error) = match mark {
            WebhookMark::Delivered { at } => ("delivered", None, Some(stamp(*at)), None),
            WebhookMark::Retry { at, error } => ("pending", Some(stamp(*at)), None, Some(error)),
            WebhookMark::Failed { at, error } => ("failed", None, Some(stamp(*at)), Some(error)),
        };
        let mut session = self.session().await?;
        sqlx::query(
            "UPDATE webhooks SET state = ?, attempts = attempts + 1,
                 next_attempt_at = coalesce(?, next_attempt_at), done_at = ?, last_error = ?
             WHERE id = ?",
        )
        .bind(state)
        .bind(next)
        .bind(done)
        .bind(error)
        .bind(id)
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Wakes whoever delivers: there may be more in the outbox.
    pub(super) fn outbox_has_more(&self) {
        self.inner.outbox_filled.notify_one();
    }

    /// Waits until a hand-off is put into the outbox.
    pub(super) async fn outbox_filled(&self) {
        self.inner.outbox_filled.notified().await;
    }
}
