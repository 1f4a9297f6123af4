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
    /// Forgets calls that began before a time, and hand-offs and refusals from before it. Hand-offs
    /// that the webhook has not taken yet are kept. The time is to be further back than any call
    /// that goes on.
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
}
