//! What a caller can mean: intents, slots, spoken forms, confidence policy. No model code; pure.

mod slot;
mod understanding;

pub use slot::{Choice, Provenance, SlotKind, SlotName, SlotValue};
pub use understanding::{IntentName, IntentScore, Understanding};
