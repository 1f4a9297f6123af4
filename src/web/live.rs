//! Calls in progress, as they can be watched: by the caller's own page, the agent's desk, and
//! operations. Who watches is told what happened so far, and then what happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::base::CallId;

use super::view::{LiveCallView, LiveEvent};

/// Events that a slow watcher may be behind; beyond, it misses some and is told how many.
const BEHIND_MAX: usize = 256;

/// Lines of one call that are kept for whoever begins to watch; of longer calls the latest.
const KEPT_MAX: usize = 400;

/// Calls in progress. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    /// Of all calls.
    events: broadcast::Sender<(CallId, Arc<LiveEvent>)>,
    calls: Mutex<BTreeMap<CallId, Watched>>,
}

struct Watched {
    view: LiveCallView,
    kept: Vec<Arc<LiveEvent>>,
}

impl Default for Live {
    fn default() -> Self {
        let (events, _) = broadcast::channel(BEHIND_MAX);
        Self { shared: Arc::new(Shared { events, calls: Mutex::new(BTreeMap::new()) }) }
    }
}

impl Live {
    /// A call has begun. It is in progress until what this gives is dropped.
    pub fn begin(&self, call: CallId, view: LiveCallView) -> LiveCall {
        self.calls().insert(call, Watched { view, kept: Vec::new() });
        LiveCall { live: self.clone(), call }
    }

    /// All calls in progress, the oldest first.
    pub fn list(&self) -> Vec<LiveCallView> {
        self.calls().values().map(|watched| watched.view.clone()).collect()
    }

    /// One of them.
    pub fn view(&self, call: CallId) -> Option<LiveCallView> {
        self.calls().get(&call).map(|watched| watched.view.clone())
    }

    /// What happened so far in this call, and what happens in all calls from then on; `None` if it is
    /// not in progress.
    pub fn watch(&self, call: CallId) -> Option<(Vec<Arc<LiveEvent>>, LiveEvents)> {
        let calls = self.calls();
        let kept = calls.get(&call)?.kept.clone();
        // Subscribed under the lock: nothing is missed in between, and nothing comes twice.
        Some((kept, self.shared.events.subscribe()))
    }

    /// What happens in all calls from now on.
    pub fn watch_all(&self) -> LiveEvents {
        self.shared.events.subscribe()
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallId, Watched>> {
        // Nothing is left half done under the lock.
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, call: CallId, event: LiveEvent) {
        let event = Arc::new(event);
        let mut calls = self.calls();
        if let Some(watched) = calls.get_mut(&call) {
            watched.view.note(&event);
            if watched.kept.len() >= KEPT_MAX {
                watched.kept.remove(0);
            }
            watched.kept.push(Arc::clone(&event));
        }
        // An error means that nobody watches.
        let _ = self.shared.events.send((call, event));
    }
}

/// What happens in calls.
pub type LiveEvents = broadcast::Receiver<(CallId, Arc<LiveEvent>)>;

/// One call's way to tell what happens in it; ends the call's entry when dropped.
pub struct LiveCall {
    live: Live,
    call: CallId,
}

impl LiveCall {
    /// Something happened.
    pub fn tell(&self, event: LiveEvent) {
        self.live.tell(self.call, event);
    }
}

impl Drop for LiveCall {
    fn drop(&mut self) {
        self.live.tell(self.call, LiveEvent::Gone);
        self.live.calls().remove(&self.call);
    }
}
