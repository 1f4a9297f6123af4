//! From voice-activity probabilities to utterances and turns. Pure: no clock, no model.

mod endpointer;
mod turn;
mod vad;

pub use endpointer::{EndpointEvent, Endpointer, EndpointerConfig, SpeechSpan};
pub use turn::{TurnInput, TurnMachine, TurnOutput, TurnState};
pub use vad::Vad;
