//! Writes down what the floor says, in its order.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

use super::jobs::Entry;

/// Entries that may wait for a store that is away: several for each caller. With more, the newest is lost
/// and told in the log: after a restart somebody may be called back who need not be, but nobody is
/// forgotten, since who waits is in the store until it is written that they do not.
pub(super) const LEDGER_LEN_MAX: usize = 4_096;

/// The pauses between tries, doubled from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// An entry, and who is told once it is on the disk.
pub(super) struct Written {
    pub entry: Entry,
    pub done: Option<oneshot::Sender<()>>,
}

/// The way to the ledger.
#[derive(Clone)]
pub(super) struct Ledger(mpsc::Sender<Written>);

impl Ledger {
    /// The way, and what `run` works off.
    pub fn new() -> (Self, mpsc::Receiver<Written>) {
        let (sender, receiver) = mpsc::channel(LEDGER_LEN_MAX);
        (Self(sender), receiver)
    }

    /// Has an entry written. If it cannot wait, `done` is dropped.
    pub fn write(&self, entry: Entry, done: Option<oneshot::Sender<()>>) {
        if self.0.try_send(Written { entry, done }).is_err() {
            tracing::error!("the store is so far behind that what happens to callers is not noted");
        }
    }
}

/// Writes until nobody has anything more to write; a store that is away is waited for, but not any longer
/// than until `stop`.
pub(super) async fn run(
    store: Store,
    mut entries: mpsc::Receiver<Written>,
    stop: CancellationToken,
) {
    while let Some(Written { entry, done }) = entries.recv().await {
        let mut pause = PAUSE_MIN;
        loop {
            match entry.write(&store).await {
                Ok(()) => {
                    if let Some(done) = done {
                        // Whoever waited may have gone on without it.
                        let _ = done.send(());
                    }
                    break;
                }
                Err(error) if is_hopeless(&error) || stop.is_cancelled() => {
                    tracing::error!(%error, "what happened to a caller is not noted");
                    break;
                }
                Err(error) => tracing::warn!(%error, "what happened to a caller is not noted yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Whether it will not be otherwise the next time.
fn is_hopeless(error: &StoreError) -> bool {
    match error {
        StoreError::Senseless { .. }
        | StoreError::NoSuchCall { .. }
        | StoreError::Ambiguous { .. }
        | StoreError::Newer { .. }
        | StoreError::Tables { .. } => true,
        // A constraint that an entry breaks once, it breaks again.
        StoreError::Database { source, .. } => is_constraint(source),
        _ => false,
    }
}

fn is_constraint(error: &sqlx::Error) -> bool {
    use sqlx::error::ErrorKind;
    let kind = error.as_database_error().map(sqlx::error::DatabaseError::kind);
    matches!(
        kind,
        Some(
            ErrorKind::UniqueViolation
                | ErrorKind::ForeignKeyViolation
                | ErrorKind::NotNullViolation
                | ErrorKind::CheckViolation
        )
    )
}
