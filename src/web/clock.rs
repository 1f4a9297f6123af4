//! What time it is, for what depends on it.

use std::time::Instant;

use jiff::Timestamp;

/// A moment: on the calendar, and for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the calendar.
    pub at: Timestamp,
    /// For measuring: never goes back.
    pub instant: Instant,
}

/// Where the time comes from.
#[derive(Clone, Default)]
pub(super) enum Clock {
    /// The machine.
    #[default]
    Machine,
    /// A test.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::Mutex<Now>>),
}

impl Clock {
    pub fn now(&self) -> Now {
        match self {
            Self::Machine => Now { at: Timestamp::now(), instant: Instant::now() },
            #[cfg(test)]
            Self::Set(now) => *now.lock().expect("nothing panics while it holds it"),
        }
    }
}
