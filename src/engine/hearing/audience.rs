//! Who waits for the decode that a worker runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ReplySender;

/// Whoever waits for the running decode. Clones share it: whisper asks by one of them, between its
/// steps, whether to go on.
#[derive(Clone, Default)]
pub(super) struct Audience(Arc<Mutex<Option<ReplySender>>>);

impl Audience {
    fn waiting(&self) -> MutexGuard<'_, Option<ReplySender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A decode begins.
    pub fn take_seat(&self, reply: ReplySender) {
        *self.waiting() = Some(reply);
    }

    /// It is over: where the answer goes.
    pub fn leave(&self) -> Option<ReplySender> {
        self.waiting().take()
    }

    /// Whether whoever waited has gone. Never while models are warmed up, which nobody waits for.
    pub fn is_gone(&self) -> bool {
        self.waiting().as_ref().is_some_and(ReplySender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn it_is_gone_once_nobody_holds_the_other_end() {
        let audience = Audience::default();
        assert!(!audience.is_gone());
        let (reply, answer) = oneshot::channel();
        audience.take_seat(reply);
        let seen_by_whisper = audience.clone();
        assert!(!seen_by_whisper.is_gone());
        drop(answer);
        assert!(seen_by_whisper.is_gone());
        assert!(audience.leave().is_some_and(|reply| reply.is_closed()));
        assert!(!audience.is_gone());
    }
}
