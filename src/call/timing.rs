//! Response latency: last voiced caller sample to first voiced sample of ours, and its parts.

use std::time::Instant;

use crate::base::TurnId;

/// A turn's latency. The parts sum to the total exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnTiming {
    /// Which turn.
    pub turn: TurnId,
    /// When our first voiced sample left, from answer.
    pub at_ms: u64,
    /// From the socket to the machine: the jitter buffer.
    pub network_ms: u32,
    /// Waiting to be sure that the caller has finished.
    pub endpoint_ms: u32,
    /// Speech to text, with the wait for a worker; what was done before the end was known costs
    /// nothing.
    pub transcribe_ms: u32,
    /// Text to intent.
    pub understand_ms: u32,
    /// Deciding, and any action run before we spoke.
    pub act_ms: u32,
    /// First sound of the answer.
    pub voice_ms: u32,
    /// From there to the first voiced sample sent.
    pub playout_ms: u32,
    /// All of it.
    pub total_ms: u32,
    /// What was found out before the end of the turn was known was of use.
    pub speculated: bool,
}

/// Collects the moments of a turn in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnClock {
    /// When the last voiced sample arrived at the socket,
    pub voiced_until: Instant,
    /// and when the machine had it.
    pub reached: Instant,
    pub endpointed: Instant,
    pub transcribed: Option<Instant>,
    pub understood: Option<Instant>,
    pub acted: Option<Instant>,
    pub voiced: Option<Instant>,
    /// The words, or what they mean, were there before the end of the turn was known.
    pub speculated: bool,
}

impl TurnClock {
    pub fn new(voiced_until: Instant, reached: Instant, endpointed: Instant) -> Self {
        Self {
            voiced_until,
            reached,
            endpointed,
            transcribed: None,
            understood: None,
            acted: None,
            voiced: None,
            speculated: false,
        }
    }

    /// Closes the turn at the first voiced sample of ours, `at_ms` after the answer; `None` if a step
    /// is missing (the turn was answered before it was understood, by a repeated question for
    /// instance).
    pub fn close(&self, turn: TurnId, first_voiced: Instant, at_ms: u64) -> Option<TurnTiming> {
        let mut moments = [
            self.reached,
            self.endpointed,
            self.transcribed?,
            self.understood?,
            self.acted?,
            self.voiced?,
            first_voiced,
        ];
        // What was done ahead counts from when it could be used: no step ends before the one before it.
        for step in 1..moments.len() {
            moments[step] = moments[step].max(moments[step - 1]);
        }
        // Rounding the moments, not the parts, makes the parts sum to the total.
        let ms = moments
            .map(|at| at.saturating_duration_since(self.voiced_until).as_micros().div_ceil(1000));
        let part = |i: usize| ms[i].saturating_sub(if i == 0 { 0 } else { ms[i - 1] }) as u32;
        Some(TurnTiming {
            turn,
            at_ms,
            network_ms: part(0),
            endpoint_ms: part(1),
            transcribe_ms: part(2),
            understand_ms: part(3),
            act_ms: part(4),
            voice_ms: part(5),
            playout_ms: part(6),
            total_ms: ms[6] as u32,
            speculated: self.speculated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sum(timing: &TurnTiming) -> u32 {
        timing.network_ms
            + timing.endpoint_ms
            + timing.transcribe_ms
            + timing.understand_ms
            + timing.act_ms
            + timing.voice_ms
            + timing.playout_ms
    }

    #[test]
    fn parts_sum_to_the_total() {
        let start = Instant::now();
        let at = |us: u64| start + Duration::from_micros(us);
        let mut clock = TurnClock::new(start, at(60_100), at(600_333));
        assert_eq!(clock.close(TurnId(1), at(1), 0), None);
        clock.transcribed = Some(at(880_777));
        clock.understood = Some(at(895_111));
        clock.acted = Some(at(899_999));
        clock.voiced = Some(at(900_500));
        let timing = clock.close(TurnId(1), at(921_001), 7_000).expect("complete");
        assert_eq!((sum(&timing), timing.total_ms, timing.at_ms), (922, 922, 7_000));
        assert_eq!((timing.network_ms, timing.endpoint_ms), (61, 540));
        assert!(!timing.speculated);
    }

    #[test]
    fn what_was_done_ahead_costs_nothing_and_the_parts_still_sum_to_the_total() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut clock = TurnClock::new(start, at(60), at(400));
        // The words and their meaning were there while it was waited for the end.
        clock.transcribed = Some(at(310));
        clock.understood = Some(at(325));
        clock.acted = Some(at(401));
        clock.voiced = Some(at(390));
        clock.speculated = true;
        let timing = clock.close(TurnId(2), at(420), 0).expect("complete");
        assert_eq!((timing.network_ms, timing.endpoint_ms), (60, 340));
        assert_eq!((timing.transcribe_ms, timing.understand_ms), (0, 0));
        assert_eq!((timing.act_ms, timing.voice_ms, timing.playout_ms), (1, 0, 19));
        assert_eq!((sum(&timing), timing.total_ms), (420, 420));
        assert!(timing.speculated);
    }
}
