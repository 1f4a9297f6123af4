//! Response latency: last voiced caller sample to first voiced sample of ours, and its parts.

use std::time::Instant;

use crate::base::TurnId;

/// A turn's latency. The parts sum to the total exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnTiming {
    /// Which turn.
    pub turn: TurnId,
    /// Waiting to be sure that the caller has finished, and before that in the jitter buffer.
    pub endpoint_ms: u32,
    /// Speech to text, with the wait for a worker.
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
}

/// Collects the moments of a turn in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnClock {
    pub voiced_until: Instant,
    pub endpointed: Instant,
    pub transcribed: Option<Instant>,
    pub understood: Option<Instant>,
    pub acted: Option<Instant>,
    pub voiced: Option<Instant>,
}

impl TurnClock {
    pub fn new(voiced_until: Instant, endpointed: Instant) -> Self {
        Self {
            voiced_until,
            endpointed,
            transcribed: None,
            understood: None,
            acted: None,
            voiced: None,
        }
    }

    /// Closes the turn at the first voiced sample of ours; `None` if a step is missing (the turn
    /// was answered before it was understood, by a repeated question for instance).
    pub fn close(&self, turn: TurnId, first_voiced: Instant) -> Option<TurnTiming> {
        let moments = [
            self.endpointed,
            self.transcribed?,
            self.understood?,
            self.acted?,
            self.voiced?,
            first_voiced,
        ];
        // Rounding the moments, not the parts, makes the parts sum to the total.
        let ms = moments
            .map(|at| at.saturating_duration_since(self.voiced_until).as_micros().div_ceil(1000));
        let part = |i: usize| ms[i].saturating_sub(if i == 0 { 0 } else { ms[i - 1] }) as u32;
        Some(TurnTiming {
            turn,
            endpoint_ms: part(0),
            transcribe_ms: part(1),
            understand_ms: part(2),
            act_ms: part(3),
            voice_ms: part(4),
            playout_ms: part(5),
            total_ms: ms[5] as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn parts_sum_to_the_total() {
        let start = Instant::now();
        let at = |us: u64| start + Duration::from_micros(us);
        let mut clock = TurnClock::new(start, at(600_333));
        assert_eq!(clock.close(TurnId(1), at(1)), None);
        clock.transcribed = Some(at(880_777));
        clock.understood = Some(at(895_111));
        clock.acted = Some(at(899_999));
        clock.voiced = Some(at(900_500));
        let timing = clock.close(TurnId(1), at(921_001)).expect("complete");
        let sum = timing.endpoint_ms
            + timing.transcribe_ms
            + timing.understand_ms
            + timing.act_ms
            + timing.voice_ms
            + timing.playout_ms;
        assert_eq!((sum, timing.total_ms), (922, 922));
        assert_eq!(timing.endpoint_ms, 601);
    }
}
