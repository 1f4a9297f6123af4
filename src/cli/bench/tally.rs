//! What all calls of one side have heard, added up while they go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

use crate::rtp::Stats;

/// The sums. Counters only: nothing is decided by them, so the order in which others see them
/// change does not matter.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: AtomicI64,
    taken: AtomicI64,
    packets: AtomicI64,
    lost: AtomicI64,
    late: AtomicI64,
    concealed_ms: AtomicI64,
}

/// The sums at one moment, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Calls that go on.
    pub open: i64,
    /// Calls that were answered.
    pub taken: i64,
    /// RTP packets that came.
    pub packets: i64,
    /// Packets that did not come.
    pub lost: i64,
    /// Packets that came after their time.
    pub late: i64,
    /// Audio made up in place of what was missing.
    pub concealed_ms: i64,
}

impl Counts {
    /// What was counted after that moment; calls that go on are those of now.
    pub fn since(self, before: Self) -> Self {
        Self {
            open: self.open,
            taken: self.taken - before.taken,
            packets: self.packets - before.packets,
            lost: self.lost - before.lost,
            late: self.late - before.late,
            concealed_ms: self.concealed_ms - before.concealed_ms,
        }
    }

    /// Packets that did not come or came too late, of all that were sent; 0 to 100.
    pub fn loss_percent(self) -> f64 {
        let missing = (self.lost + self.late).max(0);
        let sent = self.packets + self.lost.max(0);
        if sent <= 0 { 0.0 } else { missing as f64 * 100.0 / sent as f64 }
    }
}

impl Tally {
    /// The sums now.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicI64| counter.load(Ordering::Relaxed);
        Counts {
            open: read(&self.open),
            taken: read(&self.taken),
            packets: read(&self.packets),
            lost: read(&self.lost),
            late: read(&self.late),
            concealed_ms: read(&self.concealed_ms),
        }
    }
}

/// One call's part in the sums; it is open until this is dropped.
#[derive(Debug)]
pub(super) struct CallTally {
    all: Arc<Tally>,
    told: Stats,
}

impl CallTally {
    /// A call has been answered.
    pub fn open(all: &Arc<Tally>) -> Self {
        all.open.fetch_add(1, Ordering::Relaxed);
        all.taken.fetch_add(1, Ordering::Relaxed);
        Self { all: Arc::clone(all), told: Stats::default() }
    }

    /// Takes in what the call has counted so far.
    pub fn note(&mut self, stats: Stats) {
        // A packet that counted as lost may have come since, so differences may be negative.
        let add = |counter: &AtomicI64, now: u64, told: u64| {
            if now != told {
                counter.fetch_add(now as i64 - told as i64, Ordering::Relaxed);
            }
        };
        add(&self.all.packets, stats.received, self.told.received);
        add(&self.all.lost, stats.lost, self.told.lost);
        add(&self.all.late, stats.late, self.told.late);
        add(&self.all.concealed_ms, stats.concealed_ms, self.told.concealed_ms);
        self.told = stats;
    }
}

impl Drop for CallTally {
    fn drop(&mut self) {
        self.all.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_and_what_comes_late_is_no_longer_lost() {
        let all = Arc::new(Tally::default());
        let (mut one, mut other) = (CallTally::open(&all), CallTally::open(&all));
        one.note(Stats { received: 10, lost: 2, concealed_ms: 40, ..Stats::default() });
        other.note(Stats { received: 5, ..Stats::default() });
        let before = all.counts();
        assert_eq!((before.open, before.taken, before.packets, before.lost), (2, 2, 15, 2));
        one.note(Stats { received: 12, lost: 1, late: 1, concealed_ms: 40, ..Stats::default() });
        drop(other);
        let counts = all.counts();
        assert_eq!((counts.open, counts.packets, counts.lost, counts.late), (1, 17, 1, 1));
        let since = counts.since(before);
        assert_eq!((since.packets, since.lost, since.concealed_ms), (2, -1, 0));
        assert_eq!(Counts { packets: 98, lost: 2, ..Counts::default() }.loss_percent(), 2.0);
        assert_eq!(Counts::default().loss_percent(), 0.0);
    }
}
