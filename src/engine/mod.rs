//! Models and the worker pools they run on. Decides nothing.

pub mod hearing;
pub mod models;
pub mod understanding;
pub mod vad;
pub mod voice;
