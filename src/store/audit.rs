//! Who saw or changed what. Lines are only ever added, and go when their time is over. They say nothing
//! about a caller: calls, hand-offs and recordings are named by their ids.

use std::fmt;

use jiff::Timestamp;
use sqlx::Row;

use super::calls::stamp;
use super::{Store, StoreError};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Somebody who had signed in.
    Account(String),
    /// A program, by the number and the name of its token.
    Token(String),
    /// Somebody at this machine's command line.
    CommandLine,
    /// Nobody was let in.
    Nobody,
}

impl Who {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Token(_) => "token",
            Self::CommandLine => "command_line",
            Self::Nobody => "nobody",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Account(name) | Self::Token(name) => name,
            Self::CommandLine | Self::Nobody => "",
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// Signed in.
    SignedIn,
    /// A sign-in was refused; the subject is the account, if there is one.
    SignInRefused,
    /// Signed out.
    SignedOut,
    /// A password was changed; the subject is whose.
    PasswordChanged,
    /// An account was made.
    AccountAdded,
    /// An account was changed; the subject says what of it.
    AccountChanged,
    /// An account was removed.
    AccountRemoved,
    /// A token was made.
    TokenAdded,
    /// A token was taken back.
    TokenRemoved,
    /// A supervisor changed what an agent does.
    StateChanged,
    /// A call in progress was watched.
    CallWatched,
    /// The record of a call was opened.
    RecordOpened,
    /// A recording was played or fetched.
    RecordingPlayed,
    /// A hand-off was fetched.
    HandoffFetched,
    /// Past calls were looked for; the subject says by what, not for what.
    CallsSearched,
}

impl AuditAction {
    /// The word in the API and in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInRefused => "sign_in_refused",
            Self::SignedOut => "signed_out",
            Self::PasswordChanged => "password_changed",
            Self::AccountAdded => "account_added",
            Self::AccountChanged => "account_changed",
            Self::AccountRemoved => "account_removed",
            Self::TokenAdded => "token_added",
            Self::TokenRemoved => "token_removed",
            Self::StateChanged => "state_changed",
            Self::CallWatched => "call_watched",
            Self::RecordOpened => "record_opened",
            Self::RecordingPlayed => "recording_played",
            Self::HandoffFetched => "handoff_fetched",
            Self::CallsSearched => "calls_searched",
        }
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Grows from line to line.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// `account`, `token`, `command_line` or `nobody`.
    pub kind: String,
    /// The account, or the token; empty for the other kinds.
    pub who: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The address that it came from; empty for the command line.
    pub source: String,
}

impl Store {
    /// Adds a line.
    ///
    /// # Errors
    /// [`StoreError`]; then what is to be noted must not be done.
    pub async fn note_audit(
        &self,
        at: Timestamp,
        who: &Who,
        action: AuditAction,
        subject: &str,
        source: &str,
    ) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query(
            "INSERT INTO audit (at, kind, who, action, subject, source) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(stamp(at))
        .bind(who.kind())
        .bind(who.name())
        .bind(action.as_str())
        .bind(subject)
        .bind(source)
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Forgets lines from before a time; gives how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_audit_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let mut session = self.session().await?;
        let forgotten = sqlx::query("DELETE FROM audit WHERE at < ?")
            .bind(stamp(time))
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(forgotten.rows_affected())
    }

    /// Lines before this one (all, if there is none), the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT id, at, kind, who, action, subject, source FROM audit
             WHERE id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(session.connection()?)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(AuditEntry {
                    id: row.try_get("id").map_err(failed)?,
                    at: self.parsed(row, "at", "time")?,
                    kind: row.try_get("kind").map_err(failed)?,
                    who: row.try_get("who").map_err(failed)?,
                    action: row.try_get("action").map_err(failed)?,
                    subject: row.try_get("subject").map_err(failed)?,
                    source: row.try_get("source").map_err(failed)?,
                })
            })
            .collect()
    }
}
