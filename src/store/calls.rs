//! Writing and reading call records.

use std::str::FromStr;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::base::{ActionRunId, CallId, Pii, TurnId};

use super::handoffs::WEBHOOK_STATE;
use super::record::{
    ActionRunRecord, CallEnd, CallRecord, CallStart, CallSummary, Entry, HandoffRef, LineRecord,
    QualityRecord, TransferRecord, TurnRecord,
};
use super::{Store, StoreError};

/// Calls named when a prefix fits several.
const CANDIDATES_MAX: i64 = 5;

pub(super) const CALL_COLUMNS: &str = "id, started_at, answered_at, ended_at, caller, called, channel, \
     profile, generation, result, reason, recording, protection, turns, outcome";

/// A time as text that sorts: always six digits after the point.
pub(super) fn stamp(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// SQLite's integers are signed; nothing here counts that far.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Begins the record of a call.
    ///
    /// # Errors
    /// [`StoreError`]; the call goes on without a record.
    pub async fn begin_call(&self, call: &CallStart) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query(
            "INSERT INTO calls (id, started_at, caller, called, channel, profile, generation)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call.id.to_string())
        .bind(stamp(call.started_at))
        .bind(call.caller.expose())
        .bind(&call.called)
        .bind(&call.channel)
        .bind(&call.profile)
        .bind(&call.generation)
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Notes that the call was answered.
    ///
    /// # Errors
    /// [`StoreError`]; `NoSuchCall` if it was never begun.
    pub async fn answer_call(&self, id: CallId, at: Timestamp) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let done = sqlx::query("UPDATE calls SET answered_at = ? WHERE id = ?")
            .bind(stamp(at))
            .bind(id.to_string())
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        known(id, done.rows_affected())
    }

    /// Adds to the record of a call, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; `NoSuchCall` if it was never begun.
    pub async fn append(&self, id: CallId, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut session = self.session().await?;
        let failed = |error| self.failed(error);
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let begun: i64 = sqlx::query_scalar("SELECT count(*) FROM calls WHERE id = ?")
            .bind(id.to_string())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        known(id, begun.unsigned_abs())?;
        for entry in entries {
            insert(&mut transaction, id, entry).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Ends the record of a call.
    ///
    /// # Errors
    /// [`StoreError`]; `NoSuchCall` if it was never begun.
    pub async fn end_call(&self, id: CallId, end: &CallEnd) -> Result<(), StoreError> {
        let recording = end.recording.as_ref().map(|path| path.to_string_lossy().into_owned());
        let mut session = self.session().await?;
        let done = sqlx::query(
            "UPDATE calls SET ended_at = ?, result = ?, reason = ?, recording = ?,
                 protection = ?, turns = ?, outcome = ?
             WHERE id = ?",
        )
        .bind(stamp(end.ended_at))
        .bind(end.termination.result.as_str())
        .bind(&end.termination.reason)
        .bind(recording)
        .bind(&end.protection)
        .bind(end.turns)
        .bind(&end.outcome)
        .bind(id.to_string())
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        known(id, done.rows_affected())
    }

    /// The latest calls, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_calls(&self, limit: u32) -> Result<Vec<CallSummary>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query(&format!(
            "SELECT {CALL_COLUMNS} FROM calls ORDER BY started_at DESC, id DESC LIMIT ?"
        ))
        .bind(limit)
        .fetch_all(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.summary(row)).collect()
    }

    /// The call whose id begins with these digits, if there is exactly one.
    ///
    /// # Errors
    /// [`StoreError`]: `NoSuchCall`, `Ambiguous` with some of the candidates, or a failure.
    pub async fn find_call(&self, prefix: &str) -> Result<CallId, StoreError> {
        let wanted = prefix.trim().to_ascii_lowercase();
        let none = || StoreError::NoSuchCall { wanted: prefix.to_owned() };
        if wanted.is_empty() || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none());
        }
        let mut session = self.session().await?;
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM calls WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id DESC LIMIT ?2",
        )
        .bind(&wanted)
        .bind(CANDIDATES_MAX)
        .fetch_all(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        let mut candidates: Vec<CallId> = found.iter().filter_map(|id| id.parse().ok()).collect();
        match (candidates.pop(), candidates.is_empty()) {
            (None, _) => Err(none()),
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                candidates.push(last);
                Err(StoreError::Ambiguous { wanted, candidates })
            }
        }
    }

    /// Everything kept of a call.
    ///
    /// # Errors
    /// [`StoreError`]; `NoSuchCall` if there is no such call.
    pub async fn call(&self, id: CallId) -> Result<CallRecord, StoreError> {
        let mut session = self.session().await?;
        let failed = |error| self.failed(error);
        // One transaction, so that everything is of the same moment.
        let mut transaction = session.connection()?.begin().await.map_err(failed)?;
        let mut rows = async |sql: &str| {
            sqlx::query(sql).bind(id.to_string()).fetch_all(&mut *transaction).await
        };
        let calls = rows(&format!("SELECT {CALL_COLUMNS} FROM calls WHERE id = ?")).await;
        let calls = calls.map_err(failed)?;
        let Some(call) = calls.first() else {
            return Err(StoreError::NoSuchCall { wanted: id.to_string() });
        };
        let lines =
            rows("SELECT * FROM lines WHERE call = ? ORDER BY at_ms, id").await.map_err(failed)?;
        let turns =
            rows("SELECT * FROM turns WHERE call = ? ORDER BY turn").await.map_err(failed)?;
        let actions =
            rows("SELECT * FROM action_runs WHERE call = ? ORDER BY id").await.map_err(failed)?;
        let handoffs = rows(&format!(
            "SELECT id, created_at, json, {WEBHOOK_STATE} FROM handoffs
             WHERE call = ? ORDER BY created_at, id"
        ))
        .await
        .map_err(failed)?;
        let transfers =
            rows("SELECT * FROM transfers WHERE call = ? ORDER BY id").await.map_err(failed)?;
        let qualities = rows("SELECT * FROM call_quality WHERE call = ?").await.map_err(failed)?;
        let traces = rows("SELECT began_at, trace FROM sip_traces WHERE call = ?").await;
        let traces = traces.map_err(failed)?;
        let read = |result: Result<_, sqlx::Error>| result.map_err(failed);
        Ok(CallRecord {
            summary: self.summary(call)?,
            lines: read(lines.iter().map(line).collect())?,
            turns: turns.iter().map(turn).collect::<Result<_, _>>().map_err(failed)?,
            actions: actions.iter().map(action_run).collect::<Result<_, _>>().map_err(failed)?,
            handoffs: handoffs
                .iter()
                .map(|row| {
                    let json: String = row.try_get("json").map_err(failed)?;
                    Ok(HandoffRef {
                        document: self.read_handoff(&json)?,
                        id: self.parsed(row, "id", "hand-off id")?,
                        created_at: self.parsed(row, "created_at", "time")?,
                        webhook: row.try_get("state").map_err(failed)?,
                    })
                })
                .collect::<Result<_, StoreError>>()?,
            transfers: transfers.iter().map(transfer).collect::<Result<_, _>>().map_err(failed)?,
            quality: qualities.first().map(quality).transpose().map_err(failed)?,
            trace: traces.first().map(|row| self.read_trace(row)).transpose()?,
        })
    }

    pub(super) fn summary(&self, row: &SqliteRow) -> Result<CallSummary, StoreError> {
        let text = |column| row.try_get::<String, _>(column).map_err(|error| self.failed(error));
        let maybe =
            |column| row.try_get::<Option<String>, _>(column).map_err(|error| self.failed(error));
        let time = |column| match maybe(column)? {
            Some(_) => self.parsed(row, column, "time").map(Some),
            None => Ok(None),
        };
        Ok(CallSummary {
            id: self.parsed(row, "id", "call id")?,
            started_at: self.parsed(row, "started_at", "time")?,
            answered_at: time("answered_at")?,
            ended_at: time("ended_at")?,
            caller: Pii::new(text("caller")?),
            called: text("called")?,
            channel: text("channel")?,
            profile: text("profile")?,
            generation: text("generation")?,
            result: maybe("result")?,
            reason: maybe("reason")?,
            recording: maybe("recording")?,
            protection: maybe("protection")?,
            turns: row.try_get("turns").map_err(|error| self.failed(error))?,
            outcome: maybe("outcome")?,
        })
    }

    pub(super) fn parsed<T: FromStr>(
        &self,
        row: &SqliteRow,
        column: &str,
        what: &'static str,
    ) -> Result<T, StoreError> {
        let text: String = row.try_get(column).map_err(|error| self.failed(error))?;
        let senseless = || StoreError::Senseless { path: self.inner.path.clone(), what };
        text.parse().map_err(|_| senseless())
    }
}

fn known(id: CallId, rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(StoreError::NoSuchCall { wanted: id.to_string() });
    }
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    id: CallId,
    entry: &Entry,
) -> Result<(), sqlx::Error> {
    let call = id.to_string();
    match entry {
        Entry::Line(line) => sqlx::query(
            "INSERT INTO lines
                     (call, at_ms, speaker, text, confidence, intent, intent_confidence,
                      expected, out_of_scope, failed)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call)
        .bind(whole(line.at_ms))
        .bind(&line.speaker)
        .bind(line.text.expose())
        .bind(line.confidence)
        .bind(&line.intent)
        .bind(line.intent_confidence)
        .bind(&line.expected)
        .bind(line.out_of_scope)
        .bind(line.failed),
        // A turn that is measured again (speech resumed after a false end) counts as last measured.
        Entry::Turn(turn) => sqlx::query(
            "INSERT OR REPLACE INTO turns (call, turn, at_ms, network_ms, endpoint_ms, transcribe_ms,
                 understand_ms, act_ms, voice_ms, playout_ms, total_ms, speculated)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call)
        .bind(turn.turn.0)
        .bind(turn.at_ms.map(whole))
        .bind(turn.network_ms)
        .bind(turn.endpoint_ms)
        .bind(turn.transcribe_ms)
        .bind(turn.understand_ms)
        .bind(turn.act_ms)
        .bind(turn.voice_ms)
        .bind(turn.playout_ms)
        .bind(turn.total_ms)
        .bind(turn.speculated),
        Entry::Action(run) => sqlx::query(
            "INSERT INTO action_runs (call, run, at_ms, action, result, took_ms)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(call)
        .bind(run.run.0)
        .bind(whole(run.at_ms))
        .bind(&run.action)
        .bind(&run.result)
        .bind(run.took_ms),
        Entry::Quality(quality) => sqlx::query(
            "INSERT OR REPLACE INTO call_quality (call, codec, heard_loss_percent,
                 heard_jitter_ms, heard_concealed_ms, heard_mos, sent_loss_percent,
                 sent_jitter_ms, sent_mos, round_trip_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call)
        .bind(&quality.codec)
        .bind(quality.heard_loss_percent)
        .bind(quality.heard_jitter_ms)
        .bind(whole(quality.heard_concealed_ms))
        .bind(quality.heard_mos)
        .bind(quality.sent_loss_percent)
        .bind(quality.sent_jitter_ms)
        .bind(quality.sent_mos)
        .bind(quality.round_trip_ms),
        Entry::Transfer(transfer) => sqlx::query(
            "INSERT INTO transfers
                 (call, at_ms, queue, way, outcome, agent, status, took_ms, bridged_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call)
        .bind(whole(transfer.at_ms))
        .bind(&transfer.queue)
        .bind(&transfer.way)
        .bind(&transfer.outcome)
        .bind(&transfer.agent)
        .bind(transfer.status)
        .bind(whole(transfer.took_ms))
        .bind(transfer.bridged_ms.map(whole)),
    }
    .execute(connection)
    .await?;
    Ok(())
}

fn line(row: &SqliteRow) -> Result<LineRecord, sqlx::Error> {
    Ok(LineRecord {
        at_ms: row.try_get::<i64, _>("at_ms")?.unsigned_abs(),
        speaker: row.try_get("speaker")?,
        text: Pii::new(row.try_get("text")?),
        confidence: row.try_get("confidence")?,
        intent: row.try_get("intent")?,
        intent_confidence: row.try_get("intent_confidence")?,
        expected: row.try_get("expected")?,
        out_of_scope: row.try_get("out_of_scope")?,
        failed: row.try_get("failed")?,
    })
}

fn turn(row: &SqliteRow) -> Result<TurnRecord, sqlx::Error> {
    Ok(TurnRecord {
        turn: TurnId(row.try_get("turn")?),
        at_ms: row.try_get::<Option<i64>, _>("at_ms")?.map(i64::unsigned_abs),
        network_ms: row.try_get("network_ms")?,
        endpoint_ms: row.try_get("endpoint_ms")?,
        transcribe_ms: row.try_get("transcribe_ms")?,
        understand_ms: row.try_get("understand_ms")?,
        act_ms: row.try_get("act_ms")?,
        voice_ms: row.try_get("voice_ms")?,
        playout_ms: row.try_get("playout_ms")?,
        total_ms: row.try_get("total_ms")?,
        speculated: row.try_get("speculated")?,
    })
}

fn quality(row: &SqliteRow) -> Result<QualityRecord, sqlx::Error> {
    Ok(QualityRecord {
        codec: row.try_get("codec")?,
        heard_loss_percent: row.try_get("heard_loss_percent")?,
        heard_jitter_ms: row.try_get("heard_jitter_ms")?,
        heard_concealed_ms: row.try_get::<i64, _>("heard_concealed_ms")?.unsigned_abs(),
        heard_mos: row.try_get("heard_mos")?,
        sent_loss_percent: row.try_get("sent_loss_percent")?,
        sent_jitter_ms: row.try_get("sent_jitter_ms")?,
        sent_mos: row.try_get("sent_mos")?,
        round_trip_ms: row.try_get("round_trip_ms")?,
    })
}

fn transfer(row: &SqliteRow) -> Result<TransferRecord, sqlx::Error> {
    let bridged_ms: Option<i64> = row.try_get("bridged_ms")?;
    Ok(TransferRecord {
        at_ms: row.try_get::<i64, _>("at_ms")?.unsigned_abs(),
        queue: row.try_get("queue")?,
        way: row.try_get("way")?,
        outcome: row.try_get("outcome")?,
        agent: row.try_get("agent")?,
        status: row.try_get("status")?,
        took_ms: row.try_get::<i64, _>("took_ms")?.unsigned_abs(),
        bridged_ms: bridged_ms.map(i64::unsigned_abs),
    })
}

fn action_run(row: &SqliteRow) -> Result<ActionRunRecord, sqlx::Error> {
    Ok(ActionRunRecord {
        run: ActionRunId(row.try_get("run")?),
        at_ms: row.try_get::<i64, _>("at_ms")?.unsigned_abs(),
        action: row.try_get("action")?,
        result: row.try_get("result")?,
        took_ms: row.try_get("took_ms")?,
    })
}
