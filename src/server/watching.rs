//! Notices that something in a folder was changed. Says neither what nor whether it matters.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Quiet after which a change counts as finished: editors write, rename and touch in turn.
const SETTLED_AFTER: Duration = Duration::from_millis(300);

/// A folder that is never quiet is looked at all the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// A watch on a folder and everything below it.
pub(super) struct FolderWatch {
    folder: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// Holds one note at most: a second says nothing new and is dropped.
    notes: mpsc::Receiver<()>,
}

impl FolderWatch {
    /// Begins to watch. Where that is impossible the log says so, and nothing is ever noticed.
    pub fn start(folder: &Path) -> Self {
        let (sender, notes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // After an error something may have been missed.
            if event.map_or(true, |event| is_change(&event.kind)) {
                let _ = sender.try_send(());
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "edits of the prompt files are noticed late");
                None
            }
        };
        let mut watch = Self { folder: folder.to_owned(), watcher, notes };
        watch.again();
        watch
    }

    /// Watches the folder that is at the path now: it may have been replaced by another one.
    pub fn again(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        if let Err(error) = watcher.watch(&self.folder, RecursiveMode::Recursive) {
            tracing::warn!(%error, "edits of the prompt files are noticed late");
        }
    }

    /// Resolves when something has changed, and never if nothing can be noticed.
    pub async fn changed(&mut self) {
        if self.notes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when nothing has changed for a moment.
    pub async fn settled(&mut self) {
        let limit = Instant::now() + SETTLE_LIMIT;
        while Instant::now() < limit {
            if !matches!(timeout(SETTLED_AFTER, self.notes.recv()).await, Ok(Some(()))) {
                return;
            }
        }
    }
}

/// Reading is none; else looking at the files would be noticed in turn.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_is_noticed_and_a_look_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("intents");
        std::fs::create_dir(&below).expect("made");
        let mut watch = FolderWatch::start(folder.path());
        let file = below.join("balance.md");
        std::fs::write(&file, "one").expect("written");
        timeout(Duration::from_secs(10), watch.changed()).await.expect("noticed");
        watch.settled().await;
        std::fs::read(&file).expect("read");
        std::fs::read_dir(&below).expect("listed").for_each(drop);
        assert!(timeout(SETTLED_AFTER, watch.changed()).await.is_err(), "only looked at");
        std::fs::rename(&file, below.join("b.md")).expect("renamed");
        timeout(Duration::from_secs(10), watch.changed()).await.expect("noticed");
    }
}
