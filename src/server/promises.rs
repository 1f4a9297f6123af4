//! What callers are promised with a hand-off: to be put through, or else to be called back.
//!
//! The stored hand-off says `promise: transfer` until it is known that nobody took the call, and
//! `promise: callback` from then on. [`OpenPromise`] is held by whoever is at it, and by nobody else:
//! whatever ends that first, a panic too, has the callback noted. For a server that was killed the next
//! one does it ([`take_up`]).

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::store::Store;

/// How often a callback is tried to be noted, with pauses of 1, 2, 4, ... s.
const TRIES: u32 = 8;

/// Each of these pauses while the server stops: nothing is on its way by then but what the database was
/// given already.
const PAUSE_AT_STOP: Duration = Duration::from_millis(200);

/// What a server that stops takes for this at least, however long its calls took.
const FINISH_LIMIT_MIN: Duration = Duration::from_secs(5);

/// Where promises are made, and what must be noted of them although the call is over. Cheap to clone.
#[derive(Clone)]
pub(super) struct Promises {
    store: Store,
    tasks: TaskTracker,
    stopping: CancellationToken,
    runtime: Handle,
}

impl Promises {
    /// Must be called in a runtime: its tasks run there.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            runtime: Handle::current(),
        }
    }

    /// To put the caller of this hand-off through.
    pub fn open(&self, reference: String) -> OpenPromise {
        OpenPromise { reference: Some(reference), promises: self.clone() }
    }

    /// Has something done that [`finish`](Self::finish) waits for.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Waits for what is not noted yet; to be called once the calls are over.
    pub async fn finish(&self, limit: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        if timeout(limit.max(FINISH_LIMIT_MIN), self.tasks.wait()).await.is_err() {
            tracing::error!(tasks = self.tasks.len(), "hand-offs were not noted in time");
        }
    }

    /// Notes that people are to call back, since nobody took the call. Tried for four minutes: the
    /// hand-off may be on its way into the database yet, or the database be away.
    async fn note_callback(self, reference: String) {
        for nth in 0..TRIES {
            match self.store.promise_callback(&reference).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "a callback is not noted yet"),
            }
            tokio::select! {
                () = sleep(Duration::from_secs(1 << nth)) => {}
                () = self.stopping.cancelled() => sleep(PAUSE_AT_STOP).await,
            }
        }
        tracing::error!("that a caller is to be called back is left to be noted at the next start");
    }
}

/// The promise to put a caller through, as long as it is neither kept nor given up. Dropping it has the
/// hand-off say that people call back.
pub(super) struct OpenPromise {
    reference: Option<String>,
    promises: Promises,
}

impl OpenPromise {
    /// Somebody has taken the call.
    pub fn keep(mut self) {
        self.reference = None;
    }
}

impl Drop for OpenPromise {
    fn drop(&mut self) {
        let Some(reference) = self.reference.take() else { return };
        let work = self.promises.clone().note_callback(reference);
        self.promises.spawn(work.instrument(tracing::info_span!("handoff")));
    }
}

/// Takes up what a server that was killed has promised, before calls are taken.
pub(super) async fn take_up(store: &Store) {
    match store.promise_callbacks_left().await {
        Ok(0) => {}
        Ok(handoffs) => tracing::warn!(
            handoffs,
            "callers who were being put through when the last server ended are to be called back"
        ),
        Err(error) => {
            tracing::error!(%error, "callers may wait in vain who were being put through");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::acd::handoff::Handoff;
    use crate::store::tests::{Place, handoff};

    const REFERENCE: &str = "0123456789abcdef0123456789abcdef";

    fn being_put_through() -> Handoff {
        let reference = Some(REFERENCE.to_owned());
        Handoff { promise: "transfer".to_owned(), reference, ..handoff("7") }
    }

    async fn promise_in(store: &Store) -> String {
        store.handoffs_of("7").await.expect("read").remove(0).promise
    }

    #[tokio::test]
    async fn a_promise_is_kept_or_becomes_a_callback_whatever_ends_the_call() {
        let place = Place::open().await;
        place.store.put_handoff(&being_put_through()).await.expect("kept");
        let promises = Promises::new(place.store.clone());
        promises.open(REFERENCE.to_owned()).keep();
        promises.finish(Duration::ZERO).await;
        assert_eq!(promise_in(&place.store).await, "transfer");

        let promise = promises.open(REFERENCE.to_owned());
        let call: JoinHandle<()> = tokio::spawn(async move {
            let _promise = promise;
            panic!("a mistake of ours");
        });
        assert!(call.await.expect_err("it fails").is_panic());
        promises.finish(Duration::ZERO).await;
        assert_eq!(promise_in(&place.store).await, "callback");
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_is_on_its_way() {
        let place = Place::open().await;
        let promises = Promises::new(place.store.clone());
        // Nobody took the call before the hand-off was in the database.
        drop(promises.open(REFERENCE.to_owned()));
        let store = place.store.clone();
        promises.spawn(async move {
            store.put_handoff(&being_put_through()).await.expect("kept");
        });
        promises.finish(Duration::ZERO).await;
        assert_eq!(promise_in(&place.store).await, "callback");
    }

    #[tokio::test]
    async fn what_a_killed_server_promised_is_taken_up_by_the_next() {
        let place = Place::open().await;
        place.store.put_handoff(&being_put_through()).await.expect("kept");
        take_up(&place.store).await;
        assert_eq!(promise_in(&place.store).await, "callback");
    }
}
