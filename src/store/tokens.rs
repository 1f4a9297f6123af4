//! What other programs show to be let in, and what each is good for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::calls::stamp;
use super::{Store, StoreError};

/// What a token lets a program do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Have a browser call, and say who is calling.
    Call,
    /// Fetch hand-offs.
    Handoffs,
    /// Read what was counted.
    Metrics,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Call, Self::Handoffs, Self::Metrics];

    /// The word in the API and in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Handoffs => "handoffs",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no scope. Scopes are call, handoffs and metrics")]
pub struct ParseScopeError(String);

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| ParseScopeError(text.to_owned()))
    }
}

/// A token, as it can be shown: not what has to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Names it; never used twice.
    pub id: i64,
    /// What it is for, in somebody's words.
    pub name: String,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it was last shown, to a minute or so.
    pub used_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, scopes, created_at, created_by, used_at";

impl Store {
    /// All tokens, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query(&format!("SELECT {COLUMNS} FROM tokens ORDER BY id"))
            .fetch_all(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.read_token(row)).collect()
    }

    /// The token of this digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM tokens WHERE digest = ?"))
            .bind(digest)
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        row.map(|row| self.read_token(&row)).transpose()
    }

    /// Adds a token, and gives what was kept of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_token(
        &self,
        name: &str,
        digest: &str,
        scopes: &BTreeSet<Scope>,
        created_by: &str,
        at: Timestamp,
    ) -> Result<TokenRecord, StoreError> {
        let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        let mut session = self.session().await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO tokens (name, digest, scopes, created_at, created_by)
             VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(name)
        .bind(digest)
        .bind(self.as_json(&words)?)
        .bind(stamp(at))
        .bind(created_by)
        .fetch_one(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(TokenRecord {
            id,
            name: name.to_owned(),
            scopes: scopes.clone(),
            created_at: at,
            created_by: created_by.to_owned(),
            used_at: None,
        })
    }

    /// Takes a token back; false if there is none of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_token(&self, id: i64) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let done = sqlx::query("DELETE FROM tokens WHERE id = ?")
            .bind(id)
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes that a token was shown.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touch_token(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("UPDATE tokens SET used_at = ? WHERE id = ?")
            .bind(stamp(at))
            .bind(id)
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    fn read_token(&self, row: &SqliteRow) -> Result<TokenRecord, StoreError> {
        let failed = |error| self.failed(error);
        let senseless =
            || StoreError::Senseless { path: self.inner.path.clone(), what: "list of scopes" };
        let words: Vec<String> = self.json_of(row, "scopes", "list of scopes")?;
        let scopes: Result<BTreeSet<Scope>, _> = words.iter().map(|word| word.parse()).collect();
        let used_at: Option<String> = row.try_get("used_at").map_err(failed)?;
        Ok(TokenRecord {
            id: row.try_get("id").map_err(failed)?,
            name: row.try_get("name").map_err(failed)?,
            scopes: scopes.map_err(|_| senseless())?,
            created_at: self.parsed(row, "created_at", "time")?,
            created_by: row.try_get("created_by").map_err(failed)?,
            used_at: match used_at {
                None => None,
                Some(_) => Some(self.parsed(row, "used_at", "time")?),
            },
        })
    }
}
