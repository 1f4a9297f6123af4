//! Call records, transcripts, SIP traces, hand-offs, the webhook outbox, and who signs in at the web
//! pages, in one SQLite file.
//!
//! Job: keep what happened, and never lose a hand-off: [`Store::put_handoff`] returns only when the
//! hand-off is on the disk, and [`put_handoff_or_file`] falls back to a file of its own. Every
//! failure is a typed error that names the file and what to do; a call goes on without a record.
//! Non-job: deciding what is recorded. Secrets are masked before they come here.
//!
//! One connection writes everything, one operation after another (waiters are the calls, bounded by
//! `server.calls_max`); what takes long to look up has connections of its own. Before each
//! operation it is checked that the file is still the one that is open: SQLite would go on writing
//! to a deleted file without complaint.

mod accounts;
mod audit;
mod callbacks;
mod calls;
mod day;
mod error;
mod floor;
mod handoffs;
mod record;
mod reports;
mod retention;
mod search;
mod tokens;
mod traces;
mod unsaved;
mod vcon;
pub mod webhook;
mod wrap_ups;

pub use accounts::{
    Access, Account, AccountChange, Changed, NextSignIn, ParseRoleError, Role, SessionRecord,
};
pub use audit::{AuditAction, AuditEntry, Who};
pub use callbacks::{CallbackMark, CallbackRecord, OpenCallback};
pub use day::{DayReport, PartLatency};
pub use error::StoreError;
pub use floor::{WaitCount, WaitOutcome, WaitRecord, WaitingRecord};
pub use handoffs::{DueWebhook, HandoffId, HandoffSummary, ParseHandoffIdError, WebhookMark};
pub use record::{
    ActionRunRecord, CallEnd, CallRecord, CallStart, CallSummary, Entry, HandoffRef, LineRecord,
    QualityRecord, Reveal, TransferRecord, TurnRecord,
};
pub use reports::{CallsReport, IntentReport, NOT_HELPED, ReportRules, UtteranceRecord};
pub use retention::Forgotten;
pub use search::{CallPlace, CallSearch, FoundCall, ParseCallPlaceError, SearchedOutcome};
pub use tokens::{ParseScopeError, Scope, TokenRecord};
pub use traces::{REFUSALS_MAX, RefusalRecord, TraceMessage, TraceRecord, TraceWay};
pub use unsaved::{Imported, NotSaved, Saved, import_unsaved, put_handoff_or_file};
pub use vcon::vcon_of;
pub use wrap_ups::{DueWrapUp, WrapUpMark, WrapUpRecord, WrapUpState};

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard, Notify, Semaphore, SemaphorePermit, watch};

static TABLES: Migrator = sqlx::migrate!("src/store/migrations");

/// How long another process may hold the file before an operation fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Long lookups at the same time; further ones wait.
const READERS_MAX: usize = 2;

/// Which file is open: device and inode.
type FileId = (u64, u64);

struct Open {
    connection: SqliteConnection,
    file: FileId,
}

struct Inner {
    path: PathBuf,
    busy_timeout: Duration,
    open: Mutex<Option<Open>>,
    /// Set by every SQLite error: what a connection's transaction is after one (a full disk undoes
    /// it unasked) is not known well enough to go on with it.
    suspect: AtomicBool,
    outbox_filled: Notify,
    wrap_ups_due: Notify,
    readers: Semaphore,
    /// Grows with each change of accounts and sessions.
    people: watch::Sender<u64>,
}

/// The records' file. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    webhooks: Outbox,
}

/// Whether hand-offs are put into the webhook outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outbox {
    Off,
    On,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the file, making it and its folder if there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`], which names the file and what to do about it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_waiting(path, BUSY_TIMEOUT).await
    }

    async fn open_waiting(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let inner = Inner {
            path: path.to_owned(),
            busy_timeout,
            open: Mutex::new(Some(open(path, busy_timeout).await?)),
            suspect: AtomicBool::new(false),
            outbox_filled: Notify::new(),
            wrap_ups_due: Notify::new(),
            readers: Semaphore::new(READERS_MAX),
            people: watch::Sender::new(0),
        };
        Ok(Self { inner: Arc::new(inner), webhooks: Outbox::Off })
    }

    /// From now on every hand-off is also put into the webhook outbox, in the same transaction.
    #[must_use]
    pub fn with_webhooks(self) -> Self {
        Self { webhooks: Outbox::On, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Closes the file. Later operations open it again.
    ///
    /// # Errors
    /// [`StoreError`] when what was written cannot be brought into order.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self.inner.open.lock().await.take() {
            None => Ok(()),
            Some(open) => open.connection.close().await.map_err(|error| self.failed(error)),
        }
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        self.inner.suspect.store(true, Ordering::Relaxed);
        StoreError::from_sqlx(&self.inner.path, error)
    }

    /// The connection, to the file that is at the path now.
    async fn session(&self) -> Result<Session<'_>, StoreError> {
        let mut guard = self.inner.open.lock().await;
        let suspect = self.inner.suspect.swap(false, Ordering::Relaxed);
        let replaced = guard.as_ref().is_some_and(|o| file_id(&self.inner.path) != Some(o.file));
        if replaced {
            tracing::warn!(path = %self.inner.path.display(), "the records' file was replaced");
        }
        if (replaced || suspect)
            && let Some(open) = guard.take()
        {
            // What it could still say was said by the error before, or concerns a file that is gone.
            let _ = open.connection.close_hard().await;
        }
        if guard.is_none() {
            *guard = Some(open(&self.inner.path, self.inner.busy_timeout).await?);
        }
        Ok(Session { guard, path: &self.inner.path })
    }
}

impl Store {
    /// A connection for a lookup that may take long. It sees what was written before it was opened.
    async fn reading(&self) -> Result<Reading<'_>, StoreError> {
        let gone = || StoreError::Gone { path: self.inner.path.clone() };
        let permit = self.inner.readers.acquire().await.map_err(|_| gone())?;
        let options = SqliteConnectOptions::new()
            .filename(&self.inner.path)
            .create_if_missing(false)
            .busy_timeout(self.inner.busy_timeout)
            .pragma("query_only", "ON");
        let connection = SqliteConnection::connect_with(&options).await;
        let connection = connection.map_err(|error| self.unread(error))?;
        Ok(Reading { connection, path: &self.inner.path, _permit: permit })
    }

    /// A lookup failed: that says nothing about the connection that writes.
    fn unread(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_sqlx(&self.inner.path, error)
    }
}

/// A connection that only reads; closed when dropped.
struct Reading<'a> {
    connection: SqliteConnection,
    path: &'a Path,
    _permit: SemaphorePermit<'a>,
}

impl Reading<'_> {
    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_sqlx(self.path, error)
    }
}

/// The one connection that writes, held for one operation.
struct Session<'a> {
    guard: MutexGuard<'a, Option<Open>>,
    path: &'a Path,
}

impl Session<'_> {
    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        match self.guard.as_mut() {
            Some(open) => Ok(&mut open.connection),
            None => Err(StoreError::Gone { path: self.path.to_owned() }),
        }
    }

    /// Fails if what was just written went to a file that is no longer at the path.
    fn still_there(&self) -> Result<(), StoreError> {
        let written = self.guard.as_ref().map(|open| open.file);
        if written.is_some() && file_id(self.path) == written {
            return Ok(());
        }
        Err(StoreError::Gone { path: self.path.to_owned() })
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

async fn open(path: &Path, busy_timeout: Duration) -> Result<Open, StoreError> {
    private_file(path)
        .map_err(|source| StoreError::CannotOpen { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .journal_mode(SqliteJournalMode::Wal)
        // What is forgotten is overwritten: else it stays in the file until its place is needed.
        .pragma("secure_delete", "ON")
        // A commit returns when it is on the disk: a hand-off is promised to a caller after it.
        .synchronous(SqliteSynchronous::Full);
    let failed = |error| StoreError::from_sqlx(path, error);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    TABLES.run_direct(&mut connection).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        MigrateError::VersionMissing(_) => StoreError::Newer { path: path.to_owned() },
        error => StoreError::Tables { path: path.to_owned(), source: error },
    })?;
    match file_id(path) {
        Some(file) => Ok(Open { connection, file }),
        None => Err(StoreError::Gone { path: path.to_owned() }),
    }
}

/// Makes sure that the file is there and, if it is new, that only its owner can read it.
fn private_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // A new file's name is on the disk only when its folder is.
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
