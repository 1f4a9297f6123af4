//! What callers were told about their wait, held against how long it was.

use std::time::{Duration, Instant};

use serde::Serialize;

const MINUTE: Duration = Duration::from_secs(60);

/// Who hears more than this many minutes, or waits longer, has waited.
const AT_ONCE_MIN: u32 = 1;

/// When in a wait something was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// As the caller came.
    Entering,
    /// Afterwards.
    Later,
}

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub at: Instant,
    /// As it was spoken.
    pub minutes: (u32, u32),
    pub when: When,
}

/// Ranges that were told, in whole minutes, and where the waits ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Told {
    /// Within the range.
    pub inside: usize,
    /// Before it.
    pub sooner: usize,
    /// After it.
    pub later: usize,
    /// How wide the ranges were, in minutes: `[1]` is how many were one minute wide.
    pub widths: Vec<usize>,
}

impl Told {
    fn judge(&mut self, (from, to): (u32, u32), waited: Duration) {
        if waited < MINUTE * from {
            self.sooner += 1;
        } else if waited > MINUTE * to {
            self.later += 1;
        } else {
            self.inside += 1;
        }
        let width = to.saturating_sub(from) as usize;
        if self.widths.len() <= width {
            self.widths.resize(width + 1, 0);
        }
        self.widths[width] += 1;
    }

    /// Ranges of which it is known whether they held.
    pub const fn judged(&self) -> usize {
        self.inside + self.sooner + self.later
    }

    /// Share of waits that ended within the range.
    pub fn inside_percent(&self) -> f64 {
        self.inside as f64 * 100.0 / self.judged().max(1) as f64
    }

    /// Width that this share of the ranges does not exceed, in minutes.
    pub fn width_min(&self, percent: usize) -> usize {
        let mut left = (self.judged() * percent).div_ceil(100);
        let found = self.widths.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        found.unwrap_or(0)
    }
}

/// How a day went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DayReport {
    /// Callers.
    pub came: usize,
    /// Those who got to an agent while they were on the line. Nobody counts twice.
    pub answered: usize,
    /// Those who hung up, or had waited as long as they may.
    pub gave_up: usize,
    /// Those who took a callback.
    pub callbacks: usize,
    /// Those for whom there was no room.
    pub turned_away: usize,
    /// Desks that died in the middle of a call.
    pub desks_died: usize,
    /// Waits of those who were answered, in s, the shortest first.
    pub waits_s: Vec<u64>,
    /// How often nobody could say how long it takes.
    pub not_told: usize,
    /// What callers were told when they came.
    pub on_entering: Told,
    /// That, of those alone who waited, or were told that they would.
    pub waited: Told,
    /// What they were told afterwards.
    pub later: Told,
}

impl DayReport {
    /// A caller got to an agent.
    pub(super) fn judge_answered(&mut self, now: Instant, told: &[Said]) {
        for said in told {
            self.judge(said, now - said.at);
        }
    }

    /// A caller did not. What they were told did not hold if they waited longer than that; whether it
    /// would have held otherwise, nobody knows.
    pub(super) fn judge_unanswered(&mut self, now: Instant, told: &[Said]) {
        for said in told {
            let waited = now - said.at;
            if waited > MINUTE * said.minutes.1 {
                self.judge(said, waited);
            }
        }
    }

    fn judge(&mut self, said: &Said, waited: Duration) {
        match said.when {
            When::Later => self.later.judge(said.minutes, waited),
            When::Entering => {
                self.on_entering.judge(said.minutes, waited);
                if said.minutes.1 > AT_ONCE_MIN || waited > MINUTE * AT_ONCE_MIN {
                    self.waited.judge(said.minutes, waited);
                }
            }
        }
    }

    /// The wait that this share of those who were answered did not exceed, in s.
    pub fn wait_s(&self, percent: usize) -> u64 {
        match self.waits_s.len() {
            0 => 0,
            len => self.waits_s[(len * percent).div_ceil(100).clamp(1, len) - 1],
        }
    }

    /// The figures that matter, in a line.
    pub fn in_words(&self) -> String {
        format!(
            "{} came, {} answered, {} gave up, {} took a callback; waits: half within {} s, 90 % within {} s; \
             told on entering: {:.1} % inside ({} sooner, {} later), of those who waited {:.1} %, half of the \
             ranges within {} min, 90 % within {} min; told later: {:.1} % inside",
            self.came,
            self.answered,
            self.gave_up,
            self.callbacks,
            self.wait_s(50),
            self.wait_s(90),
            self.on_entering.inside_percent(),
            self.on_entering.sooner,
            self.on_entering.later,
            self.waited.inside_percent(),
            self.waited.width_min(50),
            self.waited.width_min(90),
            self.later.inside_percent(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_held_against_whole_minutes() {
        let mut told = Told::default();
        for (minutes, waited_s) in
            [((0, 1), 60), ((0, 1), 61), ((2, 4), 119), ((2, 4), 120), ((2, 4), 240), ((2, 5), 1)]
        {
            told.judge(minutes, Duration::from_secs(waited_s));
        }
        assert_eq!((told.inside, told.sooner, told.later), (3, 2, 1));
        assert_eq!((told.judged(), told.inside_percent()), (6, 50.0));
        assert_eq!(told.widths, [0, 2, 3, 1]);
        assert_eq!((told.width_min(50), told.width_min(90)), (2, 3));
        assert_eq!((Told::default().width_min(50), Told::default().inside_percent()), (0, 0.0));
    }

    #[test]
    fn who_gives_up_counts_only_if_they_waited_longer_than_they_were_told() {
        let start = Instant::now();
        let later = start + Duration::from_secs(45);
        let told = [
            Said { at: start, minutes: (0, 1), when: When::Entering },
            Said { at: later, minutes: (1, 3), when: When::Later },
        ];
        let at = start + Duration::from_secs(100);
        let mut report = DayReport::default();
        report.judge_unanswered(at, &told);
        assert_eq!((report.on_entering.later, report.waited.later), (1, 1));
        assert_eq!(report.later.judged(), 0);
        report.judge_answered(at, &told);
        assert_eq!((report.on_entering.later, report.later.sooner), (2, 1));
    }
}
