//! Whether an address of a trunk answers, and when it is asked again. Pure: the dice have a seed.
//!
//! ```text
//!  Trying --answer--> Up --three times no answer--> Down --two answers in a row--> Up
//!     '-------------------- the same --------------->
//! ```
//!
//! One lost datagram is no outage, and one answer no recovery. While there is doubt, it is asked
//! more often.

use std::time::Duration;

/// Questions in a row that stay without an answer until the address counts as down.
const MISSED_MAX: u32 = 3;
/// Answers in a row until it counts as up again.
const ANSWERED_MIN: u32 = 2;
/// The longest pause while there is doubt.
const DOUBT_PAUSE: Duration = Duration::from_secs(5);

/// How an address of a trunk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkState {
    /// Not known yet.
    Trying,
    /// It answers.
    Up,
    /// It does not.
    Down {
        /// What came instead, in words.
        reason: String,
    },
}

#[derive(Debug)]
pub(super) struct Pulse {
    every: Duration,
    state: TrunkState,
    missed: u32,
    answered: u32,
    dice: fastrand::Rng,
}

impl Pulse {
    pub(super) fn new(every: Duration, seed: u64) -> Self {
        let dice = fastrand::Rng::with_seed(seed);
        Self { every, state: TrunkState::Trying, missed: 0, answered: 0, dice }
    }

    pub(super) fn state(&self) -> &TrunkState {
        &self.state
    }

    /// Takes what came of a question: an answer, or why there was none. Says whether the state has
    /// changed.
    pub(super) fn handle(&mut self, asked: Result<(), String>) -> bool {
        match asked {
            Ok(()) => {
                (self.missed, self.answered) = (0, self.answered.saturating_add(1));
                let enough = match self.state {
                    TrunkState::Trying => true,
                    TrunkState::Up => false,
                    TrunkState::Down { .. } => self.answered >= ANSWERED_MIN,
                };
                if enough {
                    self.state = TrunkState::Up;
                }
                enough
            }
            Err(reason) => {
                (self.missed, self.answered) = (self.missed.saturating_add(1), 0);
                let is_down = matches!(self.state, TrunkState::Down { .. });
                let enough = !is_down && self.missed >= MISSED_MAX;
                if enough {
                    self.state = TrunkState::Down { reason };
                }
                enough
            }
        }
    }

    /// How long to wait before the next question. Not all addresses are asked in the same moment.
    pub(super) fn pause(&mut self) -> Duration {
        let in_doubt = match self.state {
            TrunkState::Trying | TrunkState::Up => self.missed > 0,
            TrunkState::Down { .. } => self.answered > 0,
        };
        let pause = if in_doubt { self.every.min(DOUBT_PAUSE) } else { self.every };
        pause.mul_f64(0.9 + 0.2 * self.dice.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    fn is_about(pause: Duration, s: f64) -> bool {
        (0.9 * s..=1.1 * s).contains(&pause.as_secs_f64())
    }

    #[test]
    fn it_takes_three_silences_to_be_down_and_two_answers_to_be_up() {
        let mut pulse = Pulse::new(EVERY, 7);
        // (answered, whether that changes the state, the pause after it in seconds)
        let steps = [
            (true, true, 30.0),
            (true, false, 30.0),
            (false, false, 5.0),
            (false, false, 5.0),
            (true, false, 30.0),
            (false, false, 5.0),
            (false, false, 5.0),
            (false, true, 30.0),
            (false, false, 30.0),
            (true, false, 5.0),
            (false, false, 30.0),
            (true, false, 5.0),
            (true, true, 30.0),
        ];
        for (at, (answered, changes, pause_s)) in steps.into_iter().enumerate() {
            let asked = if answered { Ok(()) } else { Err(format!("silence {at}")) };
            assert_eq!(pulse.handle(asked), changes, "step {at}");
            let pause = pulse.pause();
            assert!(is_about(pause, pause_s), "step {at}: {pause:?}");
            if at == 7 {
                let reason = "silence 7".to_owned();
                assert_eq!(*pulse.state(), TrunkState::Down { reason });
            }
        }
        assert_eq!(*pulse.state(), TrunkState::Up);
    }

    #[test]
    fn an_address_that_never_answered_goes_down_too() {
        let mut pulse = Pulse::new(Duration::from_secs(2), 7);
        for last in [false, false, true] {
            assert_eq!(pulse.handle(Err("no answer".to_owned())), last);
        }
        assert!(is_about(pulse.pause(), 2.0));
    }
}
