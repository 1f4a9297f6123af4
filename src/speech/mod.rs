//! From voice-activity probabilities to utterances and turns. Pure: no clock, no model.

mod echo;
mod endpointer;
mod share;
mod turn;
mod vad;

pub use echo::{EchoDetector, Judgement};
pub use endpointer::{EndpointEvent, Endpointer, EndpointerConfig, SpeechSpan};
pub use share::CallerShare;
pub use turn::{TurnInput, TurnMachine, TurnOutput, TurnState};
pub use vad::Vad;
