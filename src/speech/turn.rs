//! Whose turn it is.
//!
//! ```text
//!              CallerStarted                 CallerEnded
//!  Listening ───────────────▶ CallerSpeaking ───────────▶ Deciding
//!      ▲                          ▲  ▲  CallerStarted        │ AgentStarted
//!      │ AgentEnded               │  └───────────────────────┤
//!      │                          │ AgentEnded               ▼
//!      └───────────────── Overlapped ◀──────────────── AgentSpeaking
//!                             │      CallerStarted           ▲
//!                             └──────────────────────────────┘
//!                                    CallerEnded
//! ```
//!
//! Whether speech over ours makes us more quiet, has us pause or give up is not decided here but where
//! its sound and its words are known ([`super::Intrusion`]). Giving up is an `AgentEnded`.

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
    /// The caller's utterance is over.
    CallerEnded,
    /// Our first sample went out.
    AgentStarted,
    /// Our last sample went out, or our speech was dropped.
    AgentEnded,
    /// Nothing will be said to this utterance.
    Ignored,
}

/// The machine. One per call.
#[derive(Debug)]
pub struct TurnMachine {
    state: TurnState,
    /// Inputs that made no sense in their state; counted, never fatal.
    pub out_of_place: u64,
}

impl Default for TurnMachine {
    fn default() -> Self {
        Self { state: TurnState::Listening, out_of_place: 0 }
    }
}

impl TurnMachine {
    /// Where the turn is.
    pub fn state(&self) -> TurnState {
        self.state
    }

    /// Takes one event.
    pub fn handle(&mut self, input: TurnInput) {
        use TurnInput as I;
        use TurnState as S;
        self.state = match (self.state, input) {
            (S::Listening | S::Deciding, I::CallerStarted) => S::CallerSpeaking,
            (S::AgentSpeaking, I::CallerStarted) => S::Overlapped,
            (S::CallerSpeaking, I::CallerEnded) => S::Deciding,
            (S::Overlapped, I::CallerEnded) => S::AgentSpeaking,
            (S::Overlapped, I::AgentEnded) => S::CallerSpeaking,
            (S::Listening | S::Deciding, I::AgentStarted) => S::AgentSpeaking,
            // The caller began in the moment before our first sample: both speak.
            (S::CallerSpeaking, I::AgentStarted) => S::Overlapped,
            (S::AgentSpeaking, I::AgentEnded) | (S::Deciding, I::Ignored) => S::Listening,
            (state, I::AgentEnded | I::Ignored) => state,
            (state, _) => {
                self.out_of_place += 1;
                state
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_after(inputs: &[TurnInput]) -> TurnMachine {
        let mut machine = TurnMachine::default();
        for &input in inputs {
            machine.handle(input);
        }
        machine
    }

    #[test]
    fn question_and_answer() {
        use TurnInput::*;
        let machine =
            machine_after(&[AgentStarted, AgentEnded, CallerStarted, CallerEnded, AgentStarted]);
        assert_eq!((machine.state(), machine.out_of_place), (TurnState::AgentSpeaking, 0));
    }

    #[test]
    fn speech_over_ours_ends_in_the_turn_of_whoever_goes_on() {
        use TurnInput::*;
        let machine = machine_after(&[AgentStarted, CallerStarted, CallerEnded]);
        assert_eq!(machine.state(), TurnState::AgentSpeaking);
        let machine = machine_after(&[AgentStarted, CallerStarted, AgentEnded]);
        assert_eq!(machine.state(), TurnState::CallerSpeaking);
        let machine = machine_after(&[CallerStarted, AgentStarted]);
        assert_eq!(machine.state(), TurnState::Overlapped);
    }

    #[test]
    fn going_on_before_we_answer_is_the_same_turn() {
        use TurnInput::*;
        let machine = machine_after(&[CallerStarted, CallerEnded, CallerStarted]);
        assert_eq!(machine.state(), TurnState::CallerSpeaking);
    }
}
