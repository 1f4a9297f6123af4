//! A caller who follows a script.

use std::collections::VecDeque;
use std::time::Duration;

use super::pace::{FRAME, KEY_EVERY, MY_TURN_AFTER, PATIENCE};

/// Speaking speed, a little slower than in conversation.
const WORD: Duration = Duration::from_millis(350);

/// The shortest thing said.
const SAID_MIN: Duration = Duration::from_millis(500);

/// One thing a caller does, in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Waits for the other side to finish, then says this.
    Say(String),
    /// Says this while the other side is speaking, once it has spoken for so long.
    SayOver(Duration, String),
    /// Waits for the other side to finish, then presses these keys.
    Key(String),
    /// Does nothing for so long, whatever is asked.
    Wait(Duration),
    /// Hangs up at once.
    HangUp,
}

/// What the caller does in the next 20 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    Silent,
    /// The first frame of something said carries its words.
    Speaking(Option<String>),
    Pressing(char),
    HangingUp,
}

/// The caller's own state.
#[derive(Debug, Clone)]
enum State {
    Listening,
    Speaking { left: Duration },
    Keying { keys: VecDeque<char>, next_in: Duration },
    Waiting { left: Duration },
}

/// Follows the script to its end, then listens.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    steps: VecDeque<Step>,
    state: State,
    /// How long the other side has been speaking, pauses included.
    heard: Duration,
    /// How long it has been silent.
    quiet: Duration,
    /// It has said something since this caller's last turn.
    answered: bool,
}

impl Caller {
    pub fn new(steps: &[Step]) -> Self {
        Self {
            steps: steps.iter().cloned().collect(),
            state: State::Listening,
            heard: Duration::ZERO,
            quiet: Duration::ZERO,
            answered: false,
        }
    }

    /// Hears 20 ms of the other side.
    pub fn hear(&mut self, speaking: bool) {
        if speaking {
            self.heard += FRAME;
            self.quiet = Duration::ZERO;
            self.answered = true;
        } else {
            self.heard = Duration::ZERO;
            self.quiet += FRAME;
        }
    }

    /// Does the next 20 ms.
    pub fn act(&mut self) -> Doing {
        match &mut self.state {
            State::Listening => self.begin(),
            State::Speaking { left } => {
                *left = left.saturating_sub(FRAME);
                if left.is_zero() {
                    self.listen();
                }
                Doing::Speaking(None)
            }
            State::Keying { keys, next_in } => {
                *next_in = next_in.saturating_sub(FRAME);
                if !next_in.is_zero() {
                    return Doing::Silent;
                }
                *next_in = KEY_EVERY;
                match keys.pop_front() {
                    Some(key) => Doing::Pressing(key),
                    None => {
                        self.listen();
                        Doing::Silent
                    }
                }
            }
            State::Waiting { left } => {
                *left = left.saturating_sub(FRAME);
                if left.is_zero() {
                    self.listen();
                }
                Doing::Silent
            }
        }
    }

    fn listen(&mut self) {
        self.state = State::Listening;
        self.answered = false;
        self.quiet = Duration::ZERO;
    }

    fn begin(&mut self) -> Doing {
        let my_turn = self.answered && self.quiet >= MY_TURN_AFTER || self.quiet >= PATIENCE;
        let due = match self.steps.front() {
            None => false,
            Some(Step::Say(_) | Step::Key(_)) => my_turn,
            Some(Step::SayOver(after, _)) => self.heard >= *after || self.quiet >= PATIENCE,
            Some(Step::Wait(_) | Step::HangUp) => true,
        };
        if !due {
            return Doing::Silent;
        }
        match self.steps.pop_front() {
            None => Doing::Silent,
            Some(Step::Say(words) | Step::SayOver(_, words)) => {
                let count = words.split_whitespace().count() as u32;
                self.state = State::Speaking { left: (WORD * count).max(SAID_MIN) };
                Doing::Speaking(Some(words))
            }
            Some(Step::Key(keys)) => {
                self.state = State::Keying { keys: keys.chars().collect(), next_in: KEY_EVERY };
                Doing::Silent
            }
            Some(Step::Wait(left)) => {
                self.state = State::Waiting { left };
                Doing::Silent
            }
            Some(Step::HangUp) => Doing::HangingUp,
        }
    }
}
