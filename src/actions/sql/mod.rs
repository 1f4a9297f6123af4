//! Actions that are one transaction on the organisation's own SQLite file.
//!
//! Job: bind the caller's values to the declared statements, run them as one, and say truly what
//! came of it: whatever is not committed was not done. The file is opened anew for every request,
//! so that an outage is an `unavailable` and ends by itself with its cause.
//! Non-job: making statements. They stand in the configuration, and no value is ever part of one.

mod seed;

pub(super) use seed::create_if_missing;
pub use seed::{SeedError, reset_databases};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{
    Column, Connection, Executor, Row, Sqlite, SqliteConnection, Statement, TypeInfo, ValueRef,
};
use tokio::sync::Semaphore;

use crate::base::Pii;
use crate::config::{ActionConfig, SqlActionConfig, SqlEffect, SqlStatement, TODAY};

use super::failure::{ActionFailure, ActionOutcome, FailureKind};
use super::list::{ENTRIES_MAX, list_output};
use super::sqlite::{CONSTRAINT, WRONG_STATEMENT, primary_code};
use super::{ActionRequest, ActionsError};

/// Requests at the same time, over all databases; further ones wait within their own time limit.
const REQUESTS_MAX: usize = 16;
/// How long [`SqlGate::settle`] waits for requests that are still running.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the look at the tables waits for a lock before the server starts.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What was answered to which request stands in the same database, written with the change itself:
/// the same request asked again gets the same answer and changes nothing.
const ANSWERS_TABLE: &str = "CREATE TABLE IF NOT EXISTS frontdoor_requests (
    idempotency_key TEXT PRIMARY KEY,
    answer TEXT NOT NULL
)";

/// Lets a limited number of requests run at once.
#[derive(Debug, Clone)]
pub(super) struct SqlGate(Arc<Semaphore>);

impl SqlGate {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(REQUESTS_MAX)))
    }

    /// Waits until no request is running.
    pub(super) async fn settle(&self) {
        let all = self.0.acquire_many(REQUESTS_MAX as u32);
        if tokio::time::timeout(SETTLE_TIMEOUT, all).await.is_err() {
            tracing::warn!("requests to the database are still running");
        }
    }
}

/// One declared action.
pub(super) struct SqlConnector {
    name: String,
    declared: SqlActionConfig,
    /// Column of the list that it gives in place of outputs.
    list: Option<String>,
    changes_state: bool,
    gate: SqlGate,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    action: String,
    outputs: BTreeMap<String, String>,
}

/// What the parameters stand for.
struct Values<'a> {
    request: &'a ActionRequest,
    today: String,
}

impl Values<'_> {
    /// The statement with its values bound to it.
    fn bound<'q>(
        &self,
        statement: &'q SqlStatement,
    ) -> Result<Query<'q, Sqlite, SqliteArguments<'q>>, ActionFailure> {
        let mut query = sqlx::query::<Sqlite>(&statement.sql);
        for name in &statement.parameters {
            let value = match self.request.inputs.get(name) {
                Some(value) => value.expose().trim().to_owned(),
                None if name == TODAY => self.today.clone(),
                None => {
                    let detail = format!("input \"{name}\" is missing");
                    return Err(ActionFailure::bad_request(detail));
                }
            };
            query = query.bind(value);
        }
        Ok(query)
    }
}

impl SqlConnector {
    pub(super) fn new(action: &ActionConfig, declared: &SqlActionConfig, gate: SqlGate) -> Self {
        let mut declared = declared.clone();
        if action.list.is_some()
            && let Some(last) = declared.statements.last_mut()
        {
            last.sql = capped(&last.sql);
        }
        Self {
            name: action.name.clone(),
            declared,
            list: action.list.clone(),
            changes_state: action.changes_state,
            gate,
        }
    }

    /// Looks once, before the first call, for what SQLite would refuse in every call: tables and
    /// columns that are not there. A database that cannot be looked at is told about by each
    /// request.
    pub(super) async fn check(&self) -> Result<(), ActionsError> {
        let options = options(&self.declared.database, CHECK_TIMEOUT);
        let mut connection = match SqliteConnection::connect_with(&options).await {
            Ok(connection) => connection,
            Err(error) => {
                let database = self.declared.database.display();
                tracing::warn!(%database, %error, "the database cannot be opened for now");
                return Ok(());
            }
        };
        let problem = self.problem(&mut connection).await;
        close(connection).await;
        match problem {
            None => Ok(()),
            Some(message) => Err(ActionsError::Declaration { action: self.name.clone(), message }),
        }
    }

    async fn problem(&self, connection: &mut SqliteConnection) -> Option<String> {
        let mut all: Vec<(String, &SqlStatement)> = Vec::new();
        for (index, refusal) in self.declared.refuse.iter().enumerate() {
            all.push((format!("refuse, entry {}", index + 1), &refusal.when));
        }
        for (index, statement) in self.declared.statements.iter().enumerate() {
            all.push((format!("statement {}", index + 1), statement));
        }
        let mut columns: Vec<String> = Vec::new();
        for (what, statement) in all {
            match Executor::prepare(&mut *connection, &statement.sql).await {
                Ok(prepared) => {
                    let named = prepared.columns().iter();
                    columns = named.map(|column| column.name().to_owned()).collect();
                }
                Err(error) if primary_code(&error) == Some(WRONG_STATEMENT) => {
                    return Some(format!("{what}: {error}"));
                }
                Err(_) => return None,
            }
        }
        // Those of the last statement.
        if let Some(list) = self.list.as_ref().filter(|list| !columns.contains(*list)) {
            let columns = columns.join(", ");
            return Some(format!(
                "list: the last statement has no column \"{list}\". It has {columns}"
            ));
        }
        let missing = self.declared.outputs.iter().find(|(_, column)| !columns.contains(*column));
        missing.map(|(output, column)| {
            format!(
                "output \"{output}\": the last statement has no column \"{column}\". It has {}",
                columns.join(", ")
            )
        })
    }

    /// Does it. `limit` is the action's whole time.
    pub(super) async fn run(&self, request: &ActionRequest, limit: Duration) -> ActionOutcome {
        let _permit =
            self.gate.0.acquire().await.map_err(|_| {
                ActionFailure::new(FailureKind::Unavailable, "the database is closed")
            })?;
        // Half, so that a locked file is told as such before the action's time is up.
        let options = options(&self.declared.database, limit / 2);
        let mut connection =
            SqliteConnection::connect_with(&options).await.map_err(|error| unavailable(&error))?;
        let outcome = self.transact(&mut connection, request).await;
        close(connection).await;
        outcome
    }

    async fn transact(
        &self,
        connection: &mut SqliteConnection,
        request: &ActionRequest,
    ) -> ActionOutcome {
        if self.changes_state && request.idempotency_key.is_empty() {
            return Err(ActionFailure::bad_request("a change needs an idempotency key"));
        }
        // IMMEDIATE takes the write lock first: what is read stays true until the commit.
        let begin = if self.changes_state { "BEGIN IMMEDIATE" } else { "BEGIN" };
        let mut transaction =
            connection.begin_with(begin).await.map_err(|error| unavailable(&error))?;
        if self.changes_state
            && let Some(answer) = self.earlier_answer(&mut transaction, request).await?
        {
            return Ok(answer);
        }
        let values = Values { request, today: jiff::Zoned::now().date().to_string() };
        // Whatever fails from here on undoes everything: the transaction is dropped uncommitted.
        self.check_refusals(&mut transaction, &values).await?;
        let outputs = self.run_statements(&mut transaction, &values).await?;
        if self.changes_state {
            self.keep_answer(&mut transaction, request, &outputs).await?;
            transaction.commit().await.map_err(|error| self.commit_failed(&error))?;
        }
        Ok(outputs)
    }

    async fn earlier_answer(
        &self,
        connection: &mut SqliteConnection,
        request: &ActionRequest,
    ) -> Result<Option<BTreeMap<String, Pii<String>>>, ActionFailure> {
        sqlx::query(ANSWERS_TABLE)
            .execute(&mut *connection)
            .await
            .map_err(|error| unavailable(&error))?;
        let answer: Option<String> =
            sqlx::query_scalar("SELECT answer FROM frontdoor_requests WHERE idempotency_key = ?")
                .bind(&request.idempotency_key)
                .fetch_optional(&mut *connection)
                .await
                .map_err(|error| unavailable(&error))?;
        let Some(answer) = answer else { return Ok(None) };
        let kept: Kept = serde_json::from_str(&answer).map_err(|error| {
            ActionFailure::new(FailureKind::Unavailable, format!("frontdoor_requests: {error}"))
        })?;
        if kept.action != self.name {
            return Err(ActionFailure::bad_request(
                "the idempotency key was used for a different action",
            ));
        }
        Ok(Some(kept.outputs.into_iter().map(|(name, value)| (name, Pii::new(value))).collect()))
    }

    async fn keep_answer(
        &self,
        connection: &mut SqliteConnection,
        request: &ActionRequest,
        outputs: &BTreeMap<String, Pii<String>>,
    ) -> Result<(), ActionFailure> {
        let outputs = outputs.iter().map(|(name, value)| (name.clone(), value.expose().clone()));
        let kept = Kept { action: self.name.clone(), outputs: outputs.collect() };
        let kept = serde_json::to_string(&kept)
            .map_err(|error| ActionFailure::new(FailureKind::Unavailable, error.to_string()))?;
        sqlx::query("INSERT INTO frontdoor_requests (idempotency_key, answer) VALUES (?, ?)")
            .bind(&request.idempotency_key)
            .bind(kept)
            .execute(connection)
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(())
    }

    async fn check_refusals(
        &self,
        connection: &mut SqliteConnection,
        values: &Values<'_>,
    ) -> Result<(), ActionFailure> {
        for (index, refusal) in self.declared.refuse.iter().enumerate() {
            let found = values
                .bound(&refusal.when)?
                .fetch_optional(&mut *connection)
                .await
                .map_err(|error| unavailable(&error))?;
            if found.is_some() {
                let detail = format!("database: refuse, entry {}", index + 1);
                return Err(ActionFailure::new(FailureKind::from_words(&refusal.word), detail));
            }
        }
        Ok(())
    }

    /// Runs all of them and takes the outputs from the last.
    async fn run_statements(
        &self,
        connection: &mut SqliteConnection,
        values: &Values<'_>,
    ) -> ActionOutcome {
        let Some((last, earlier)) = self.declared.statements.split_last() else {
            return Err(ActionFailure::bad_request("no statements are declared"));
        };
        for statement in earlier {
            let query = values.bound(statement)?;
            query.execute(&mut *connection).await.map_err(|error| self.failed(&error))?;
        }
        let query = values.bound(last)?;
        if let Some(column) = &self.list {
            let rows = query.fetch_all(&mut *connection).await;
            return listed(&rows.map_err(|error| self.failed(&error))?, column);
        }
        let row = match last.effect {
            SqlEffect::Reads => query.fetch_optional(&mut *connection).await,
            // To the end: only then have all rows been changed and checked.
            SqlEffect::ChangesAndReturns => {
                query.fetch_all(&mut *connection).await.map(|rows| rows.into_iter().next())
            }
            SqlEffect::Changes => {
                let done = query.execute(&mut *connection).await;
                let done = done.map_err(|error| self.failed(&error))?;
                return match done.rows_affected() {
                    0 => Err(self.no_rows()),
                    _ => Ok(BTreeMap::new()),
                };
            }
        };
        match row.map_err(|error| self.failed(&error))? {
            Some(row) => self.outputs(&row),
            None => Err(self.no_rows()),
        }
    }

    /// A NULL is no output: a sentence that needs it is not said.
    fn outputs(&self, row: &SqliteRow) -> ActionOutcome {
        let mut outputs = BTreeMap::new();
        for (name, column) in &self.declared.outputs {
            if let Some(text) = text_of(row, column).map_err(|error| unavailable(&error))? {
                outputs.insert(name.clone(), Pii::new(text));
            }
        }
        Ok(outputs)
    }

    fn no_rows(&self) -> ActionFailure {
        let kind = FailureKind::from_words(&self.declared.no_rows);
        ActionFailure::new(kind, "database: the last statement found no row")
    }

    /// A failed statement: nothing was committed, so nothing was done.
    fn failed(&self, error: &sqlx::Error) -> ActionFailure {
        if primary_code(error) == Some(CONSTRAINT) {
            // SQLite names the table and the columns, not the values.
            let kind = FailureKind::from_words(&self.declared.constraint);
            return ActionFailure::new(kind, format!("database: {error}"));
        }
        unavailable(error)
    }

    /// After a failed commit nobody knows what reached the disk, unless it was refused.
    fn commit_failed(&self, error: &sqlx::Error) -> ActionFailure {
        if primary_code(error) == Some(CONSTRAINT) {
            return self.failed(error);
        }
        ActionFailure::new(FailureKind::Timeout, format!("database: commit: {error}"))
    }
}

/// A query that yields at most one row more than a list may have: enough to tell that it is too
/// long.
fn capped(sql: &str) -> String {
    // The line's end closes a comment at the end of the statement.
    format!("SELECT * FROM (\n{sql}\n) LIMIT {}", ENTRIES_MAX + 1)
}

/// One column of all rows. That there are none is an answer too.
fn listed(rows: &[SqliteRow], column: &str) -> ActionOutcome {
    let texts: Result<Vec<_>, _> = rows.iter().map(|row| text_of(row, column)).collect();
    list_output(texts.map_err(|error| unavailable(&error))?.into_iter().flatten())
}

fn options(database: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
}

async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the database did not close cleanly");
    }
}

fn unavailable(error: &sqlx::Error) -> ActionFailure {
    ActionFailure::new(FailureKind::Unavailable, format!("database: {error}"))
}

/// A column's value as text; `None` for NULL.
fn text_of(row: &SqliteRow, column: &str) -> Result<Option<String>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    // SQLite gives every value a type of its own, whatever its column's.
    let kind = value.type_info().name().to_owned();
    Ok(Some(match kind.as_str() {
        "INTEGER" => row.try_get::<i64, _>(column)?.to_string(),
        "REAL" => row.try_get::<f64, _>(column)?.to_string(),
        _ => row.try_get::<String, _>(column)?,
    }))
}

#[cfg(test)]
mod tests;
