//! How long callers waited for answers lately. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::base::CallId;
use crate::call::TurnTiming;

/// How long a turn counts.
const LATELY: Duration = Duration::from_secs(30);
/// Turns that are remembered; the oldest goes for one more. More than so many calls make in that time.
const TURNS_MAX: usize = 4096;
/// Fewer turns tell nothing.
const TURNS_MIN: usize = 4;
/// Silence that ends a turn counts as waiting so far; whatever is longer is patience with the caller,
/// and not load.
const SILENCE_COUNTED_MS: u32 = 400;

/// What the way from the caller may take that counts; whatever is longer is their line, and not load.
const NETWORK_COUNTED_MS: u32 = 100;

/// The latest turns, oldest first: when, in which call, how long.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<(Instant, CallId, Duration)>);

impl Window {
    /// A turn was answered.
    pub fn note(&mut self, now: Instant, call: CallId, timing: &TurnTiming) {
        if self.0.len() == TURNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, call, work_of(timing)));
    }

    /// The 95th percentile of turns of the latest time, but none from before `since`; `None` if there
    /// are too few. One turn alone never makes it, and neither does one call where there are others.
    pub fn p95(&mut self, now: Instant, since: Instant) -> Option<Duration> {
        while self.0.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) > LATELY) {
            self.0.pop_front();
        }
        let those = self.0.iter().filter(|(at, ..)| *at >= since);
        let mut latencies = Vec::new();
        let mut slowest_of: HashMap<CallId, Duration> = HashMap::new();
        for (_, call, latency) in those {
            latencies.push(*latency);
            let slowest = slowest_of.entry(*call).or_default();
            *slowest = (*slowest).max(*latency);
        }
        if latencies.len() < TURNS_MIN {
            return None;
        }
        latencies.sort_unstable();
        let rank = (latencies.len() * 95).div_ceil(100).min(latencies.len() - 1);
        let p95 = latencies.get(rank - 1).copied()?;
        let mut slowest: Vec<Duration> = slowest_of.into_values().collect();
        slowest.sort_unstable();
        // What one call alone had to wait for says more of that call than of the machine.
        let second = slowest.iter().rev().nth(1).copied();
        Some(second.map_or(p95, |second| p95.min(second)))
    }
}

/// How long a caller waited for this machine: neither for another system, nor for their own line, nor
/// because we waited for them to go on.
fn work_of(timing: &TurnTiming) -> Duration {
    let patience_ms = timing.endpoint_ms.saturating_sub(SILENCE_COUNTED_MS);
    let line_ms = timing.network_ms.saturating_sub(NETWORK_COUNTED_MS);
    let others_ms = timing.act_ms.saturating_add(patience_ms).saturating_add(line_ms);
    Duration::from_millis(timing.total_ms.saturating_sub(others_ms).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TurnId;

    const CALL: CallId = CallId::from_u128(1);

    fn turn(endpoint_ms: u32, transcribe_ms: u32, act_ms: u32) -> TurnTiming {
        TurnTiming {
            turn: TurnId(1),
            at_ms: 0,
            speculated: false,
            network_ms: 0,
            endpoint_ms,
            transcribe_ms,
            understand_ms: 0,
            act_ms,
            voice_ms: 0,
            playout_ms: 0,
            total_ms: endpoint_ms + transcribe_ms + act_ms,
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn patience_and_other_systems_are_no_load() {
        assert_eq!(work_of(&turn(300, 250, 0)), ms(550));
        assert_eq!(work_of(&turn(1_500, 250, 0)), ms(650));
        assert_eq!(work_of(&turn(300, 250, 4_000)), ms(550));
        let far_away = TurnTiming { network_ms: 700, total_ms: 1_250, ..turn(300, 250, 0) };
        assert_eq!(work_of(&far_away), ms(650));
    }

    #[test]
    fn a_few_turns_tell_nothing_and_neither_does_one_among_them() {
        let (mut window, now) = (Window::default(), Instant::now());
        for _ in 0..3 {
            window.note(now, CALL, &turn(0, 500, 0));
        }
        assert_eq!(window.p95(now, now), None);
        window.note(now, CALL, &turn(0, 5_000, 0));
        assert_eq!(window.p95(now, now), Some(ms(500)));
        window.note(now, CALL, &turn(0, 4_000, 0));
        assert_eq!(window.p95(now, now), Some(ms(4_000)));
        for _ in 0..95 {
            window.note(now, CALL, &turn(0, 100, 0));
        }
        assert_eq!(window.p95(now, now), Some(ms(100)), "2 of 100");
    }

    #[test]
    fn one_slow_call_among_others_is_no_load() {
        let (mut window, now) = (Window::default(), Instant::now());
        let slow = CallId::from_u128(2);
        for _ in 0..10 {
            window.note(now, CALL, &turn(0, 500, 0));
            window.note(now, slow, &turn(0, 3_000, 0));
        }
        assert_eq!(window.p95(now, now), Some(ms(500)));
        window.note(now, CallId::from_u128(3), &turn(0, 2_000, 0));
        assert_eq!(window.p95(now, now), Some(ms(2_000)));
    }

    #[test]
    fn what_is_over_or_from_before_a_step_does_not_count() {
        let (mut window, start) = (Window::default(), Instant::now());
        for second in 0..20 {
            window.note(start + ms(second * 1_000), CALL, &turn(0, 100 * second as u32, 0));
        }
        let at = |second: u64| start + ms(second * 1_000);
        assert_eq!(window.p95(at(20), start), Some(ms(1_800)));
        assert_eq!(window.p95(at(20), at(16)), Some(ms(1_800)), "four are left");
        assert_eq!(window.p95(at(20), at(17)), None);
        assert_eq!(window.p95(at(50), start), None, "all are over");
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let (mut window, now) = (Window::default(), Instant::now());
        for _ in 0..TURNS_MAX + 10 {
            window.note(now, CALL, &turn(0, 1, 0));
        }
        assert_eq!(window.0.len(), TURNS_MAX);
    }
}
