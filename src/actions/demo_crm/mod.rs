//! The built-in demo CRM: a bank with a handful of invented customers, in one SQLite file.
//!
//! Job: be a believable other side for the demo and the tests: exact money, one transaction per
//! change, the same request twice done once. It opens the file anew for every request, so that an
//! outage (file gone, locked, damaged) is an `unavailable` and ends by itself with its cause.
//! Non-job: being a template for a real system's security; see the note on PINs in the tables.

mod admin;
mod money;
mod operations;
mod seed;
mod service;

pub use admin::{DemoCrmError, Table};
pub(super) use operations::Operation;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::Semaphore;

use super::ActionRequest;
use super::failure::{ActionFailure, ActionOutcome, FailureKind};

/// Requests at the same time; further ones wait within their own time limit.
const REQUESTS_MAX: usize = 16;
/// How long [`DemoCrm::settle`] waits for requests that are still running.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The demo CRM in one file. Nothing is held open between requests.
#[derive(Debug)]
pub struct DemoCrm {
    path: PathBuf,
    running: Semaphore,
}

impl DemoCrm {
    /// A CRM at this path; the file is not touched.
    pub fn new(path: PathBuf) -> Self {
        Self { path, running: Semaphore::new(REQUESTS_MAX) }
    }

    fn options(&self, busy_timeout: Duration) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(busy_timeout)
    }

    /// Does one operation. `limit` is the action's whole time.
    pub(super) async fn run(
        &self,
        operation: Operation,
        request: &ActionRequest,
        limit: Duration,
    ) -> ActionOutcome {
        let _permit = self.running.acquire().await.map_err(|_| closed())?;
        // Half, so that a locked file is told as such before the action's time is up.
        let options = self.options(limit / 2);
        let mut connection =
            SqliteConnection::connect_with(&options).await.map_err(|error| unavailable(&error))?;
        let outcome = operation.run(&mut connection, request).await;
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "the demo CRM's file did not close cleanly");
        }
        outcome
    }

    /// Waits until no request is running.
    pub(super) async fn settle(&self) {
        let all = self.running.acquire_many(REQUESTS_MAX as u32);
        if tokio::time::timeout(SETTLE_TIMEOUT, all).await.is_err() {
            tracing::warn!("requests to the demo CRM are still running");
        }
    }
}

fn closed() -> ActionFailure {
    ActionFailure::new(FailureKind::Unavailable, "the demo CRM is closed")
}

/// A failed statement. SQLite undoes what was not committed, so nothing was done.
fn unavailable(error: &sqlx::Error) -> ActionFailure {
    ActionFailure::new(FailureKind::Unavailable, format!("demo CRM: {error}"))
}

#[cfg(test)]
mod tests;
