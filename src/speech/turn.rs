//! Whose turn it is.
//!
//! ```text
//!              CallerStarted                 CallerEnded
//!  Listening ───────────────▶ CallerSpeaking ───────────▶ Deciding
//!      ▲                          ▲  ▲  CallerStarted        │ AgentStarted
//!      │ AgentEnded               │  └───────────────────────┤
//!      │                          │ voiced >= barge_in       ▼
//!      └───────────────── Overlapped ◀──────────────── AgentSpeaking
//!                             │      CallerStarted           ▲
//!                             └──────────────────────────────┘
//!                                    CallerEnded (short)
//! ```
//!
//! Speech over the agent's stops the agent once it has lasted `barge_in`; a shorter one lets the
//! agent go on, and its words decide (a "mm-hm" changes nothing, an answer is taken).

use std::time::Duration;

/// Where the turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnState {
    /// Nobody speaks; the caller may.
    Listening,
    /// The caller speaks.
    CallerSpeaking,
    /// The caller has finished; we work out what to say.
    Deciding,
    /// We speak.
    AgentSpeaking,
    /// Both speak.
    Overlapped,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnInput {
    /// The caller began to speak.
    CallerStarted,
    /// The caller is still speaking and has been voiced this long.
    CallerVoiced(Duration),
    /// The caller's utterance is over.
    CallerEnded,
    /// Our first sample went out.
    AgentStarted,
    /// Our last sample went out, or our speech was dropped.
    AgentEnded,
    /// Nothing will be said to this utterance.
    Ignored,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnOutput {
    /// Stop speaking now: the caller means it.
    StopAgent,
}

/// The machine. One per call.
#[derive(Debug)]
pub struct TurnMachine {
    state: TurnState,
    barge_in: Duration,
    /// Inputs that made no sense in their state; counted, never fatal.
    pub out_of_place: u64,
}

impl TurnMachine {
    /// Speech over ours counts as meant once it has been voiced for `barge_in`.
    pub fn new(barge_in: Duration) -> Self {
        Self { state: TurnState::Listening, barge_in, out_of_place: 0 }
    }

    /// Where the turn is.
    pub fn state(&self) -> TurnState {
        self.state
    }

    /// Takes one event; says what to do.
    pub fn handle(&mut self, input: TurnInput) -> Option<TurnOutput> {
        use TurnInput as I;
        use TurnState as S;
        let (next, output) = match (self.state, input) {
            (S::Listening | S::Deciding, I::CallerStarted) => (S::CallerSpeaking, None),
            (S::AgentSpeaking, I::CallerStarted) => (S::Overlapped, None),
            (S::Overlapped, I::CallerVoiced(voiced)) if voiced >= self.barge_in => {
                (S::CallerSpeaking, Some(TurnOutput::StopAgent))
            }
            (S::CallerSpeaking, I::CallerEnded) => (S::Deciding, None),
            (S::Overlapped, I::CallerEnded) => (S::AgentSpeaking, None),
            (S::Overlapped, I::AgentEnded) => (S::CallerSpeaking, None),
            (S::Listening | S::Deciding, I::AgentStarted) => (S::AgentSpeaking, None),
            // The caller began in the moment before our first sample: both speak.
            (S::CallerSpeaking, I::AgentStarted) => (S::Overlapped, None),
            (S::AgentSpeaking, I::AgentEnded) | (S::Deciding, I::Ignored) => (S::Listening, None),
            (state, I::CallerVoiced(_) | I::AgentEnded | I::Ignored) => (state, None),
            (state, _) => {
                self.out_of_place += 1;
                (state, None)
            }
        };
        self.state = next;
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_after(inputs: &[TurnInput]) -> (TurnMachine, Vec<TurnOutput>) {
        let mut machine = TurnMachine::new(Duration::from_millis(400));
        let outputs = inputs.iter().filter_map(|&i| machine.handle(i)).collect();
        (machine, outputs)
    }

    #[test]
    fn question_and_answer() {
        use TurnInput::*;
        let (machine, outputs) =
            machine_after(&[AgentStarted, AgentEnded, CallerStarted, CallerEnded, AgentStarted]);
        assert_eq!(machine.state(), TurnState::AgentSpeaking);
        assert!(outputs.is_empty());
        assert_eq!(machine.out_of_place, 0);
    }

    #[test]
    fn a_cough_does_not_stop_us_and_an_interruption_does() {
        use TurnInput::*;
        let short = CallerVoiced(Duration::from_millis(160));
        let (machine, outputs) = machine_after(&[AgentStarted, CallerStarted, short, CallerEnded]);
        assert_eq!((machine.state(), outputs.len()), (TurnState::AgentSpeaking, 0));
        let long = CallerVoiced(Duration::from_millis(416));
        let (machine, outputs) = machine_after(&[AgentStarted, CallerStarted, short, long]);
        assert_eq!(machine.state(), TurnState::CallerSpeaking);
        assert_eq!(outputs, [TurnOutput::StopAgent]);
    }

    #[test]
    fn going_on_before_we_answer_is_the_same_turn() {
        use TurnInput::*;
        let (machine, _) = machine_after(&[CallerStarted, CallerEnded, CallerStarted]);
        assert_eq!(machine.state(), TurnState::CallerSpeaking);
    }
}
