//! From voice-activity probabilities to utterances and turns. Pure: no clock, no model.

mod chunks;
mod echo;
mod endpointer;
mod intrusion;
mod last_voice;
mod segmenter;
mod share;
mod turn;
mod vad;
mod voicing;

pub use chunks::{Chunk, Chunker};
pub use echo::{EchoDetector, Judgement};
pub use endpointer::{EndpointEvent, Endpointer, EndpointerConfig, SpeechSpan};
pub use intrusion::{BargeInConfig, Intrusion, Likely, OverlapChunk};
pub use last_voice::last_voice;
pub use segmenter::{Segment, Segmenter};
pub use share::CallerShare;
pub use turn::{TurnInput, TurnMachine, TurnState};
pub use vad::Vad;
pub use voicing::{Sound, Voicing};
