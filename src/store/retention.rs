//! Forgetting: what was kept about callers goes when its time is over.

use std::path::PathBuf;

use jiff::Timestamp;
use sqlx::{Connection, Row};

use crate::base::CallId;

use super::calls::stamp;
use super::{Store, StoreError, floor};

/// What was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Calls, with their transcripts, actions and traces.
    pub calls: Vec<CallId>,
    /// Recordings of those calls, as far as their records knew of them: the files are still there,
    /// and are to be removed.
    pub recordings: Vec<PathBuf>,
    /// Hand-offs.
    pub handoffs: u64,
}

impl Store {
    /// Forgets calls that began before a time, and hand-offs, what agents wrote and refusals from
    /// before it. What the webhook or the customer system has not taken yet is kept, and so is
    /// whoever is still to be called back. The time is to be further back than any call that goes
    /// on.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was forgotten.
    pub async fn forget_before(&self, time: Timestamp) -> Result<Forgotten, StoreError> {
        let failed = |error| self.failed(error);
        let before = stamp(time);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let rows = sqlx::query("DELETE FROM calls WHERE started_at < ? RETURNING id, recording")
            .bind(&before)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
        let handoffs = sqlx::query(
            "DELETE FROM handoffs WHERE created_at < ? AND NOT EXISTS
                 (SELECT 1 FROM webhooks WHERE handoff = handoffs.id AND state = 'pending')",
        )
        .bind(&before)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        floor::forget_before(&mut transaction, &before).await.map_err(failed)?;
        sqlx::query("DELETE FROM sip_refusals WHERE began_at < ?")
            .bind(&before)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let mut forgotten =
            Forgotten { handoffs: handoffs.rows_affected(), ..Forgotten::default() };
        for row in &rows {
            forgotten.calls.push(self.parsed(row, "id", "call id")?);
            let recording: Option<String> = row.try_get("recording").map_err(failed)?;
            forgotten.recordings.extend(recording.map(PathBuf::from));
        }
        transaction.commit().await.map_err(failed)?;
        Ok(forgotten)
    }

    /// Recordings of calls that began before a time. The files are still there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recordings_before(
        &self,
        time: Timestamp,
    ) -> Result<Vec<(CallId, PathBuf)>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT id, recording FROM calls WHERE started_at < ? AND recording IS NOT NULL",
        )
        .bind(stamp(time))
        .fetch_all(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        rows.iter()
            .map(|row| {
                let recording: String =
                    row.try_get("recording").map_err(|error| self.failed(error))?;
                Ok((self.parsed(row, "id", "call id")?, PathBuf::from(recording)))
            })
            .collect()
    }

    /// Notes that the recording of a call is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_recording(&self, call: CallId) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("UPDATE calls SET recording = NULL WHERE id = ?")
            .bind(call.to_string())
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }
}
