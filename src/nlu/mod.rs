//! What a caller can mean: intents, slots, spoken forms, confidence policy. No model code; pure.

mod policy;
mod reading;
mod slot;
pub mod spoken;
mod understanding;
pub mod wer;

pub use policy::{ConfidencePolicy, Decision};
pub use reading::{Reading, Readings, choose, choose_phrase};
pub use slot::{Choice, Provenance, SlotKind, SlotName, SlotValue};
pub use spoken::{Awaited, Completeness, completeness};
pub use understanding::{IntentName, IntentScore, Part, Understanding};
