//! The SIP messages of calls, as they were redacted, and the latest calls that were refused.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use crate::base::CallId;

use super::calls::stamp;
use super::{Store, StoreError};

/// Refused calls that are kept.
pub const REFUSALS_MAX: u32 = 50;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceWay {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// A SIP message of a call, without personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceMessage {
    /// Since the first one.
    pub at_ms: u64,
    /// Which way.
    pub way: TraceWay,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// The other side's address; empty if it is not known.
    pub peer: String,
    /// The method, or status and phrase.
    pub label: String,
    /// Of a response.
    pub status: Option<u16>,
    /// The CSeq header: a number and the method.
    pub cseq: String,
    /// Which rule a Reason header names.
    pub reason: Option<String>,
    /// Whether it brings a session description.
    pub has_sdp: bool,
    /// All of it, a header a line.
    pub text: String,
}

impl TraceMessage {
    /// The method that a request has, and a response answers.
    pub fn method(&self) -> &str {
        self.cseq.rsplit(' ').next().unwrap_or_default()
    }

    fn is_request(&self, method: &str) -> bool {
        self.status.is_none() && self.method() == method
    }
}

/// What is kept as JSON.
#[derive(Serialize, Deserialize)]
struct Document {
    messages: Vec<TraceMessage>,
    left_out: u32,
    gap_at: usize,
}

/// The SIP messages of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRecord {
    /// When the first one came.
    pub began_at: Timestamp,
    /// In order.
    pub messages: Vec<TraceMessage>,
    /// Messages that were not kept, because there were too many.
    pub left_out: u32,
    /// Before which of the others they stood.
    pub gap_at: usize,
}

impl TraceRecord {
    /// What the INVITE was answered with in the end: status and phrase.
    pub fn answer(&self) -> Option<&str> {
        let answers = self.messages.iter().filter(|message| message.method() == "INVITE");
        let mut finals = answers.filter(|message| {
            message.status.is_some_and(|status| status >= 200 && !matches!(status, 401 | 407))
        });
        finals.next().map(|message| message.label.as_str())
    }

    /// How it ended: `BYE from them`, `BYE from us`, `CANCEL from them`.
    pub fn ended_by(&self) -> Option<String> {
        let is_end =
            |message: &&TraceMessage| message.is_request("BYE") || message.is_request("CANCEL");
        self.messages.iter().rfind(is_end).map(|message| {
            let side = match message.way {
                TraceWay::Received => "them",
                TraceWay::Sent => "us",
            };
            format!("{} from {side}", message.method())
        })
    }

    /// What was refused in the course of it, by either side: `488 Not Acceptable Here to INVITE`,
    /// with the rule if one was told. What a password is asked with is no refusal.
    pub fn refusals(&self) -> Vec<String> {
        let is_refusal = |message: &&TraceMessage| {
            message.status.is_some_and(|status| status >= 400 && !matches!(status, 401 | 407))
        };
        let told = self.messages.iter().filter(is_refusal).map(|message| {
            let rule = message.reason.as_ref().map_or_else(String::new, |rule| format!(": {rule}"));
            format!("{} to {}{rule}", message.label, message.method())
        });
        let mut refusals: Vec<String> = told.collect();
        // A response is repeated until its ACK comes.
        refusals.dedup();
        refusals
    }

    /// How many messages there were, those that were not kept included.
    pub fn count(&self) -> usize {
        self.messages.len() + self.left_out as usize
    }

    /// As JSON, with all messages.
    pub fn to_json(&self) -> Value {
        json!({
            "began_at": self.began_at.to_string(),
            "answer": self.answer(),
            "ended_by": self.ended_by(),
            "refusals": self.refusals(),
            "messages": self.messages,
            "left_out": self.left_out,
            "gap_at": self.gap_at,
        })
    }

    fn document(&self) -> Document {
        let Self { messages, left_out, gap_at, .. } = self;
        Document { messages: messages.clone(), left_out: *left_out, gap_at: *gap_at }
    }
}

/// A call that was refused before there was a record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRecord {
    /// Its messages.
    pub trace: TraceRecord,
    /// Where it came from: `udp 192.0.2.1:5060`.
    pub source: String,
    /// What it was answered with.
    pub status: u16,
    /// Which rule it was.
    pub reason: String,
    /// How often the same request came.
    pub times: u32,
}

impl Store {
    /// Keeps the messages of a call, for as long as its record is kept.
    ///
    /// # Errors
    /// [`StoreError`], also if the call has no record.
    pub async fn put_trace(&self, call: CallId, trace: &TraceRecord) -> Result<(), StoreError> {
        let json = self.trace_json(trace)?;
        let mut session = self.session().await?;
        sqlx::query("INSERT OR REPLACE INTO sip_traces (call, began_at, trace) VALUES (?, ?, ?)")
            .bind(call.to_string())
            .bind(stamp(trace.began_at))
            .bind(json)
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// The messages of a call, if there are any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trace(&self, call: CallId) -> Result<Option<TraceRecord>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT began_at, trace FROM sip_traces WHERE call = ?")
            .bind(call.to_string())
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        row.map(|row| self.read_trace(&row)).transpose()
    }

    /// The latest calls whose messages are kept, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_traces(&self, limit: u32) -> Result<Vec<(CallId, TraceRecord)>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT call, began_at, trace FROM sip_traces ORDER BY began_at DESC, call LIMIT ?",
        )
        .bind(limit)
        .fetch_all(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        rows.iter()
            .map(|row| Ok((self.parsed(row, "call", "call id")?, self.read_trace(row)?)))
            .collect()
    }

    /// Keeps refused calls; of all of them the latest [`REFUSALS_MAX`] stay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_refusals(&self, refusals: &[RefusalRecord]) -> Result<(), StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        for refusal in refusals {
            sqlx::query(
                "INSERT INTO sip_refusals (began_at, source, status, reason, times, trace)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(stamp(refusal.trace.began_at))
            .bind(&refusal.source)
            .bind(refusal.status)
            .bind(&refusal.reason)
            .bind(refusal.times)
            .bind(self.trace_json(&refusal.trace)?)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        sqlx::query(
            "DELETE FROM sip_refusals
             WHERE id NOT IN (SELECT id FROM sip_refusals ORDER BY id DESC LIMIT ?)",
        )
        .bind(REFUSALS_MAX)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// The refused calls that are kept, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_refusals(&self) -> Result<Vec<RefusalRecord>, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT * FROM sip_refusals ORDER BY id DESC")
            .fetch_all(session.connection()?)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(RefusalRecord {
                    trace: self.read_trace(row)?,
                    source: row.try_get("source").map_err(failed)?,
                    status: row.try_get("status").map_err(failed)?,
                    reason: row.try_get("reason").map_err(failed)?,
                    times: row.try_get("times").map_err(failed)?,
                })
            })
            .collect()
    }

    fn trace_json(&self, trace: &TraceRecord) -> Result<String, StoreError> {
        serde_json::to_string(&trace.document()).map_err(|_| self.senseless_trace())
    }

    fn senseless_trace(&self) -> StoreError {
        StoreError::Senseless { path: self.inner.path.clone(), what: "SIP trace" }
    }

    pub(super) fn read_trace(&self, row: &SqliteRow) -> Result<TraceRecord, StoreError> {
        let json: String = row.try_get("trace").map_err(|error| self.failed(error))?;
        let Document { messages, left_out, gap_at } =
            serde_json::from_str(&json).map_err(|_| self.senseless_trace())?;
        let began_at = self.parsed(row, "began_at", "time")?;
        Ok(TraceRecord { began_at, messages, left_out, gap_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, way: TraceWay, label: &str, cseq: &str) -> TraceMessage {
        TraceMessage {
            at_ms: ms,
            way,
            transport: "udp".into(),
            peer: "192.0.2.9:5060".into(),
            label: label.into(),
            status: label.split(' ').next().and_then(|word| word.parse().ok()),
            cseq: cseq.into(),
            reason: None,
            has_sdp: false,
            text: String::new(),
        }
    }

    fn trace(messages: Vec<TraceMessage>) -> TraceRecord {
        let began_at = Timestamp::from_second(1_775_000_000).expect("valid");
        TraceRecord { began_at, gap_at: messages.len(), messages, left_out: 0 }
    }

    #[test]
    fn a_call_says_how_it_was_answered_and_ended_and_what_was_refused() {
        use TraceWay::{Received, Sent};
        let mut refused = at(40, Sent, "488 Not Acceptable Here", "3 INVITE");
        refused.reason = Some("no codec".into());
        let call = trace(vec![
            at(0, Received, "INVITE", "1 INVITE"),
            at(1, Sent, "401 Unauthorized", "1 INVITE"),
            at(2, Received, "INVITE", "2 INVITE"),
            at(3, Sent, "180 Ringing", "2 INVITE"),
            at(9, Sent, "200 OK", "2 INVITE"),
            refused.clone(),
            refused,
            at(90, Sent, "BYE", "1 BYE"),
            at(91, Received, "200 OK", "1 BYE"),
        ]);
        assert_eq!(call.answer(), Some("200 OK"));
        assert_eq!(call.ended_by().as_deref(), Some("BYE from us"));
        assert_eq!(call.refusals(), ["488 Not Acceptable Here to INVITE: no codec"]);
        let open = trace(vec![at(0, Received, "INVITE", "1 INVITE")]);
        assert_eq!((open.answer(), open.ended_by(), open.count()), (None, None, 1));
    }
}
