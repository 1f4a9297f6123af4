//! The time, as the floor is told it: by the clock that never jumps, and by the calendar.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// One moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For how long things take.
    pub at: Instant,
    /// For what is written down.
    pub wall: Timestamp,
}

impl Now {
    /// When that was, or will be, by the calendar.
    pub fn wall_of(self, at: Instant) -> Timestamp {
        match self.at.checked_duration_since(at) {
            Some(ago) => self.wall.checked_sub(ago).unwrap_or(Timestamp::MIN),
            None => {
                let ahead = at.saturating_duration_since(self.at);
                self.wall.checked_add(ahead).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// A moment that was written down, by the clock. What lies ahead, since the calendar was set back
    /// meanwhile, is now.
    pub fn past(self, wall: Timestamp) -> Instant {
        let ago = Duration::try_from(self.wall.duration_since(wall)).unwrap_or_default();
        self.at.checked_sub(ago).unwrap_or(self.at)
    }

    /// A moment that was written down to come; one that is over is now.
    pub fn future(self, wall: Timestamp) -> Instant {
        self.at + Duration::try_from(wall.duration_since(self.wall)).unwrap_or_default()
    }

    /// The day in the organisation's own time.
    pub fn day(self) -> Date {
        self.wall.to_zoned(TimeZone::system()).date()
    }

    /// When that day began.
    pub fn midnight(self) -> Timestamp {
        let midnight = self.day().to_zoned(TimeZone::system());
        midnight.map_or(self.wall, |midnight| midnight.timestamp())
    }

    /// How long ago that was, in whole seconds.
    pub fn seconds_since(self, at: Instant) -> u64 {
        self.at.saturating_duration_since(at).as_secs()
    }
}
