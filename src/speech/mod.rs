//! From voice-activity probabilities to utterances and turns. Pure: no clock, no model.

mod chunks;
mod echo;
mod endpointer;
mod last_voice;
mod segmenter;
mod share;
mod turn;
mod vad;

pub use chunks::{Chunk, Chunker};
pub use echo::{EchoDetector, Judgement};
pub use endpointer::{EndpointEvent, Endpointer, EndpointerConfig, SpeechSpan};
pub use last_voice::last_voice;
pub use segmenter::{Segment, Segmenter};
pub use share::CallerShare;
pub use turn::{TurnInput, TurnMachine, TurnOutput, TurnState};
pub use vad::Vad;
