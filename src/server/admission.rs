//! How many calls at once: a permit per call, held until its task ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All lines are in use: 486 Busy Here.
    Busy,
    /// The server is stopping: 503 with Retry-After.
    Draining,
}

/// Counts calls.
#[derive(Clone)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    calls_max: usize,
    draining: Arc<AtomicBool>,
}

impl Admission {
    pub fn new(calls_max: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(calls_max)),
            calls_max,
            draining: Arc::new(AtomicBool::new(false)),
        }
    }

    /// A line for one more call, or why not.
    pub fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Refusal::Draining);
        }
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Refusal::Busy)
    }

    /// From now on no call is taken.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Calls in progress.
    pub fn in_progress(&self) -> usize {
        self.calls_max - self.permits.available_permits()
    }

    /// Resolves when the last call has ended.
    pub async fn drained(&self) {
        // A closed semaphore is never ours; all permits back means no call is left.
        let _ = self.permits.acquire_many(self.calls_max as u32).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_more_than_there_are_lines_is_busy() {
        let admission = Admission::new(1);
        let line = admission.admit().expect("a free line");
        assert_eq!(admission.admit().err(), Some(Refusal::Busy));
        assert_eq!(admission.in_progress(), 1);
        drop(line);
        admission.drain();
        assert_eq!(admission.admit().err(), Some(Refusal::Draining));
    }
}
