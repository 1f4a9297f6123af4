//! Forgets calls when their time is over: recordings, and then everything else about them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::base::CallId;
use crate::config::RecordsConfig;
use crate::store::{Forgotten, Store, StoreError};

/// How often it is looked whether something is to be forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Goes on until `stop` is cancelled.
pub(super) async fn keep_forgetting(
    store: Store,
    recordings: PathBuf,
    records: RecordsConfig,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = look(&store, &recordings, &records, Timestamp::now()).await {
            tracing::error!(%error, "nothing can be forgotten at present");
        }
    }
}

async fn look(
    store: &Store,
    recordings: &Path,
    records: &RecordsConfig,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(days) = records.recording_retention_days {
        let before = days_before(now, days);
        let removed = remove_recordings(store, before).await? + sweep(recordings, before).await;
        if removed > 0 {
            tracing::info!(recordings = removed, days, "recordings removed");
        }
    }
    if let Some(days) = records.audit_retention_days {
        let lines = store.forget_audit_before(days_before(now, days)).await?;
        if lines > 0 {
            tracing::info!(lines, days, "lines of the audit forgotten");
        }
    }
    if let Some(days) = records.retention_days {
        let Forgotten { calls, handoffs, .. } =
            forget(store, recordings, days_before(now, days)).await?;
        if !calls.is_empty() || handoffs > 0 {
            tracing::info!(calls = calls.len(), handoffs, days, "forgotten");
        }
    }
    Ok(())
}

fn days_before(now: Timestamp, days: u32) -> Timestamp {
    let age = SignedDuration::from_hours(24 * i64::from(days));
    now.saturating_sub(age).unwrap_or(Timestamp::MIN)
}

/// Removes recordings of calls from before a time, and gives how many. One that cannot be removed
/// stays in its record, and is tried again.
async fn remove_recordings(store: &Store, before: Timestamp) -> Result<usize, StoreError> {
    let mut removed = 0;
    for (call, path) in store.recordings_before(before).await? {
        if remove(&path) {
            store.forget_recording(call).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn forget(
    store: &Store,
    recordings: &Path,
    before: Timestamp,
) -> Result<Forgotten, StoreError> {
    let forgotten = store.forget_before(before).await?;
    let named = forgotten.recordings.iter().cloned();
    // A call that the server did not live to end has a recording that its record does not name.
    let usual = forgotten.calls.iter().map(|call| recordings.join(format!("{call}.wav")));
    for path in named.chain(usual) {
        remove(&path);
    }
    sweep(recordings, before).await;
    Ok(forgotten)
}

/// Removes recordings that were last written before a time, and gives how many. Those that no record names
/// (any more) are found by nothing else: the server did not live to end the call, or the file could not
/// be removed when the record was.
async fn sweep(recordings: &Path, before: Timestamp) -> usize {
    let folder = recordings.to_owned();
    let before = SystemTime::from(before);
    let swept = tokio::task::spawn_blocking(move || {
        // Without the folder there is no recording.
        let Ok(files) = std::fs::read_dir(folder) else { return 0 };
        let old = files.flatten().filter(|file| {
            let is_old = |at: SystemTime| at < before;
            is_recording(&file.path())
                && file.metadata().and_then(|about| about.modified()).is_ok_and(is_old)
        });
        old.filter(|file| remove(&file.path())).count()
    });
    swept.await.unwrap_or_else(|error| {
        tracing::error!(%error, "recordings cannot be looked through");
        0
    })
}

/// Whether a file is named as recordings are.
fn is_recording(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    path.extension().is_some_and(|extension| extension == "wav")
        && stem.is_some_and(|stem| stem.parse::<CallId>().is_ok())
}

/// Whether there is no such file any more.
fn remove(path: &Path) -> bool {
    match std::fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => {
            let path = path.display();
            tracing::error!(%error, %path, "a recording whose time is over stays");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::handoff::tests::handoff;
    use crate::base::{Pii, Termination, TerminationResult};
    use crate::store::{AuditAction, CallEnd, CallStart, Who};

    struct Kept {
        folder: tempfile::TempDir,
        store: Store,
        now: Timestamp,
    }

    impl Kept {
        async fn open() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Store::open(&folder.path().join("s.sqlite")).await.expect("opens");
            Self { folder, store, now: Timestamp::from_second(1_775_000_000).expect("in range") }
        }

        fn recording(&self, number: u128) -> PathBuf {
            self.folder.path().join(format!("{}.wav", CallId::from_u128(number)))
        }

        /// A call so many days ago, with its recording. The server did not live to end all of them.
        async fn call(&self, number: u128, days: i64, is_ended: bool) {
            let call = CallId::from_u128(number);
            let started_at = self.now - SignedDuration::from_hours(24 * days);
            let start = CallStart {
                id: call,
                started_at,
                caller: Pii::new("+15550123".into()),
                called: "100".into(),
                channel: "sip".into(),
                profile: "p".into(),
                generation: "abc".into(),
            };
            self.store.begin_call(&start).await.expect("begins");
            self.written(&format!("{call}.wav"), days);
            if !is_ended {
                return;
            }
            let end = CallEnd {
                ended_at: started_at,
                termination: Termination::new(TerminationResult::Success, "over"),
                recording: Some(self.recording(number)),
                protection: None,
                turns: 0,
                outcome: "contained".into(),
            };
            self.store.end_call(call, &end).await.expect("ends");
        }

        /// A file that was last written so many days ago.
        fn written(&self, name: &str, days: i64) -> PathBuf {
            let path = self.folder.path().join(name);
            let file = std::fs::File::create(&path).expect("is made");
            let at = self.now - SignedDuration::from_hours(24 * days);
            file.set_modified(SystemTime::from(at)).expect("is dated");
            path
        }

        async fn look(&self, calls: Option<u32>, recordings: Option<u32>) {
            let records = RecordsConfig {
                retention_days: calls,
                recording_retention_days: recordings,
                audit_retention_days: Some(365),
            };
            look(&self.store, self.folder.path(), &records, self.now).await.expect("looks");
        }

        /// Whether the recording is there, whether the record names it, and whether there is one.
        async fn is_there(&self, number: u128) -> (bool, bool, bool) {
            let record = self.store.call(CallId::from_u128(number)).await;
            let is_named = record.as_ref().is_ok_and(|record| record.summary.recording.is_some());
            (self.recording(number).exists(), is_named, record.is_ok())
        }
    }

    #[tokio::test]
    async fn what_is_too_old_goes_with_its_recordings() {
        let kept = Kept::open().await;
        for (number, days, is_ended) in [(1, 31, true), (2, 31, false), (3, 29, true)] {
            kept.call(number, days, is_ended).await;
        }
        for _ in 0..2 {
            kept.look(Some(30), None).await;
            assert_eq!(kept.is_there(1).await, (false, false, false));
            assert_eq!(kept.is_there(2).await, (false, false, false));
            assert_eq!(kept.is_there(3).await, (true, true, true));
        }
    }

    #[tokio::test]
    async fn the_audit_goes_by_an_age_of_its_own() {
        let kept = Kept::open().await;
        for (days, subject) in [(366, "old"), (364, "new")] {
            let at = kept.now - SignedDuration::from_hours(24 * days);
            let (who, action) = (Who::CommandLine, AuditAction::AccountAdded);
            kept.store.note_audit(at, &who, action, subject, "").await.expect("noted");
        }
        kept.look(Some(1), None).await;
        let left = kept.store.audit(None, 10).await.expect("read");
        assert_eq!(left.into_iter().map(|line| line.subject).collect::<Vec<_>>(), ["new"]);
    }

    #[tokio::test]
    async fn recordings_may_go_before_their_calls() {
        let kept = Kept::open().await;
        for (number, days) in [(1, 91), (2, 31), (3, 6)] {
            kept.call(number, days, true).await;
        }
        // Somebody else has removed it already.
        std::fs::remove_file(kept.recording(2)).expect("it is there");
        kept.look(Some(90), Some(7)).await;
        assert_eq!(kept.is_there(1).await, (false, false, false));
        assert_eq!(kept.is_there(2).await, (false, false, true));
        assert_eq!(kept.is_there(3).await, (true, true, true));
        kept.look(None, None).await;
        assert_eq!(kept.is_there(3).await, (true, true, true));
    }

    #[tokio::test]
    async fn recordings_that_no_record_names_go_by_their_age() {
        let kept = Kept::open().await;
        let name = |number: u128| format!("{}.wav", CallId::from_u128(number));
        let (old, new) = (kept.written(&name(1), 31), kept.written(&name(2), 29));
        let others = ["music.wav".to_owned(), name(3).replace(".wav", ".txt")];
        let others = others.map(|other| kept.written(&other, 31));
        kept.look(Some(30), None).await;
        assert!(!old.exists() && new.exists());
        kept.look(None, Some(28)).await;
        assert!(!new.exists());
        assert!(others.iter().all(|other| other.exists()));
    }

    #[tokio::test]
    async fn handoffs_go_unless_somebody_has_not_taken_them_yet() {
        let kept = Kept::open().await;
        kept.store.put_handoff(&handoff()).await.expect("kept");
        let posting = kept.store.clone().with_webhooks();
        let other = crate::acd::handoff::Handoff { reference: None, ..handoff() };
        let waiting = posting.put_handoff(&other).await.expect("kept");
        // As seen much later.
        let before = Timestamp::now() + SignedDuration::from_hours(1);
        let forgotten = forget(&kept.store, kept.folder.path(), before).await.expect("forgets");
        assert_eq!(forgotten.handoffs, 1);
        assert!(kept.store.handoff(waiting).await.expect("reads").is_some());
    }
}
