//! How many callers we talk with at once, found out by how it goes. Pure.
//!
//! It begins with a guess by the number of cores. When it is too much in spite of all that can be
//! spared in calls that go on, there were too many of them, and it comes down below what there was, by
//! half at most each time; while it goes well it comes up again, one by one, beyond the guess only when
//! so many were there.

use std::time::{Duration, Instant};

use crate::base::Effort;

/// Callers that a core can be expected to talk with, of which a third speaks at any moment.
const CALLS_PER_CORE: usize = 8;
/// It comes down once in this time: those who are there cannot be made fewer.
const DOWN_HOLD: Duration = Duration::from_secs(30);
/// It comes up by one in this time, as far as the guess,
const BACK_AFTER: Duration = Duration::from_secs(30);
/// and in this time beyond it.
const BEYOND_AFTER: Duration = Duration::from_secs(60);

/// How many callers we may talk with at once.
#[derive(Debug)]
pub(in crate::server) struct Room {
    calls_max: usize,
    /// The guess; `None` if the configuration has decided.
    guess: Option<usize>,
    down_at: Option<Instant>,
    /// Since when it goes well with what there may be.
    well_since: Option<Instant>,
    before: Effort,
}

impl Room {
    /// For so many, as the configuration says.
    pub fn fixed(calls_max: usize) -> Self {
        Self { calls_max, guess: None, down_at: None, well_since: None, before: Effort::Full }
    }

    /// For as many as so many cores turn out to hold.
    pub fn of_cores(cores: usize) -> Self {
        let guess = (cores * CALLS_PER_CORE).max(1);
        Self { guess: Some(guess), ..Self::fixed(guess) }
    }

    /// How many callers we may talk with.
    pub fn calls_max(&self) -> usize {
        self.calls_max
    }

    /// Takes how much is done for callers by now, whether it is too much at this moment, and with how
    /// many we talk. To be called a few times a second.
    pub fn handle(&mut self, now: Instant, effort: Effort, is_pressed: bool, conversing: usize) {
        let Some(guess) = self.guess else { return };
        let spared_all = !effort.allows_conversation() && self.before.allows_conversation();
        self.before = effort;
        if spared_all {
            self.come_down(now, conversing);
        }
        // That it goes well with fewer says nothing of more than the guess.
        let shows_nothing = self.calls_max >= guess && conversing < self.calls_max;
        if is_pressed || effort > Effort::NoSpeculation || shows_nothing {
            self.well_since = None;
            return;
        }
        let since = *self.well_since.get_or_insert(now);
        let well = now.saturating_duration_since(since);
        let grows = match self.calls_max < guess {
            true => effort == Effort::Full && well >= BACK_AFTER,
            false => well >= BEYOND_AFTER,
        };
        if grows {
            self.calls_max += 1;
            self.well_since = Some(now);
        }
    }

    fn come_down(&mut self, now: Instant, conversing: usize) {
        let held = |at: Instant| now.saturating_duration_since(at) < DOWN_HOLD;
        if self.down_at.is_some_and(held) {
            return;
        }
        self.down_at = Some(now);
        // Where there were far fewer than it held before, it was not for their number alone.
        let fewer = conversing.saturating_sub(1).max(self.calls_max / 2);
        self.calls_max = self.calls_max.min(fewer).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second each.
    fn go_on(room: &mut Room, at: &mut Instant, seconds: u64, effort: Effort, conversing: usize) {
        for _ in 0..seconds * 2 {
            *at += Duration::from_millis(500);
            room.handle(*at, effort, false, conversing);
        }
    }

    #[test]
    fn what_the_configuration_says_stays() {
        let (mut room, mut now) = (Room::fixed(5), Instant::now());
        go_on(&mut room, &mut now, 600, Effort::Full, 5);
        go_on(&mut room, &mut now, 60, Effort::StraightToPeople, 5);
        assert_eq!(room.calls_max(), 5);
    }

    #[test]
    fn too_much_in_spite_of_everything_means_too_many() {
        let (mut room, mut now) = (Room::of_cores(2), Instant::now());
        assert_eq!(room.calls_max(), 16);
        go_on(&mut room, &mut now, 10, Effort::SmallHearing, 14);
        assert_eq!(room.calls_max(), 16, "what can be spared is spared first");
        go_on(&mut room, &mut now, 10, Effort::KeypadMenu, 14);
        assert_eq!(room.calls_max(), 13);
        // To and fro within its hold time is still the same crowd.
        go_on(&mut room, &mut now, 2, Effort::SmallHearing, 14);
        go_on(&mut room, &mut now, 2, Effort::KeypadMenu, 13);
        assert_eq!(room.calls_max(), 13);
        go_on(&mut room, &mut now, 30, Effort::SmallHearing, 13);
        go_on(&mut room, &mut now, 2, Effort::KeypadMenu, 0);
        assert_eq!(room.calls_max(), 6, "by half at a time");
        for _ in 0..9 {
            go_on(&mut room, &mut now, 30, Effort::SmallHearing, 0);
            go_on(&mut room, &mut now, 2, Effort::KeypadMenu, 0);
        }
        assert_eq!(room.calls_max(), 1, "one can always be talked with");
    }

    #[test]
    fn it_comes_back_to_the_guess_by_itself_and_beyond_it_only_when_so_many_are_there() {
        let (mut room, mut now) = (Room::of_cores(1), Instant::now());
        go_on(&mut room, &mut now, 5, Effort::KeypadMenu, 4);
        assert_eq!(room.calls_max(), 4);
        go_on(&mut room, &mut now, 31, Effort::Full, 0);
        assert_eq!(room.calls_max(), 5);
        go_on(&mut room, &mut now, 300, Effort::Full, 2);
        assert_eq!(room.calls_max(), 8, "no further with two callers");
        go_on(&mut room, &mut now, 61, Effort::NoSpeculation, 8);
        assert_eq!(room.calls_max(), 9);
        // While it is too much, nothing comes back.
        for _ in 0..600 {
            now += Duration::from_millis(500);
            room.handle(now, Effort::NoSpeculation, true, 9);
        }
        assert_eq!(room.calls_max(), 9);
    }
}
