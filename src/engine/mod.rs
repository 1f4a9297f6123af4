//! Models and the worker pools they run on. Decides nothing.

pub mod end_of_turn;
pub mod hearing;
pub mod models;
pub mod understanding;
mod urgent;
pub mod vad;
pub mod voice;

pub use urgent::Urgency;
