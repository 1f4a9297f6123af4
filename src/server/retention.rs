//! Forgets calls when their time is over: records, recordings, hand-offs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::store::{Forgotten, Store, StoreError};

/// How often it is looked whether something is to be forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Goes on until `stop` is cancelled.
pub(super) async fn keep_forgetting(
    store: Store,
    recordings: PathBuf,
    days: u32,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        match forget(&store, &recordings, days, Timestamp::now()).await {
            Ok(forgotten) if forgotten == Forgotten::default() => {}
            Ok(Forgotten { calls, handoffs, .. }) => {
                tracing::info!(calls = calls.len(), handoffs, days, "forgotten");
            }
            Err(error) => tracing::error!(%error, "nothing can be forgotten at present"),
        }
    }
}

async fn forget(
    store: &Store,
    recordings: &Path,
    days: u32,
    now: Timestamp,
) -> Result<Forgotten, StoreError> {
    let age = SignedDuration::from_hours(24 * i64::from(days));
    let before = now.saturating_sub(age).unwrap_or(Timestamp::MIN);
    let forgotten = store.forget_before(before).await?;
    let named = forgotten.recordings.iter().cloned();
    // A call that the server did not live to end has a recording that its record does not name.
    let usual = forgotten.calls.iter().map(|call| recordings.join(format!("{call}.wav")));
    for path in named.chain(usual) {
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = path.display();
                tracing::error!(%error, %path, "a recording whose call is forgotten stays");
            }
        }
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, Pii, Termination, TerminationResult};
    use crate::store::{CallEnd, CallStart};

    #[tokio::test]
    async fn what_is_too_old_goes_with_its_recordings() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("s.sqlite")).await.expect("opens");
        let now = Timestamp::from_second(1_775_000_000).expect("in range");
        let days_ago = |days: i64| now - SignedDuration::from_hours(24 * days);
        let recording = |call: CallId| folder.path().join(format!("{call}.wav"));
        for (number, days) in [(1, 31), (2, 31), (3, 29)] {
            let call = CallId::from_u128(number);
            let start = CallStart {
                id: call,
                started_at: days_ago(days),
                caller: Pii::new("+15550123".into()),
                called: "100".into(),
                channel: "sip".into(),
                profile: "p".into(),
                generation: "abc".into(),
            };
            store.begin_call(&start).await.expect("begins");
            std::fs::write(recording(call), "").expect("is written");
            // The server did not live to end the second one.
            if number != 2 {
                let end = CallEnd {
                    ended_at: days_ago(days),
                    termination: Termination::new(TerminationResult::Success, "over"),
                    recording: Some(recording(call)),
                    protection: None,
                    turns: 0,
                    outcome: "contained".into(),
                };
                store.end_call(call, &end).await.expect("ends");
            }
        }
        let forgotten = forget(&store, folder.path(), 30, now).await.expect("forgets");
        assert_eq!(forgotten.calls.len(), 2);
        for (number, stays) in [(1, false), (2, false), (3, true)] {
            let call = CallId::from_u128(number);
            assert_eq!(recording(call).exists(), stays, "{number}");
            assert_eq!(store.call(call).await.is_ok(), stays, "{number}");
        }
        let again = forget(&store, folder.path(), 30, now).await.expect("forgets");
        assert_eq!(again, Forgotten::default());
    }
}
