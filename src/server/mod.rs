//! Wiring: loads models and prompt files, listens, gives every call a task of its own, drains on
//! shutdown. Decides nothing: what is said and done comes from the pure rooms.

mod admission;
mod call_task;
mod dispatch;
mod engines;
mod error;
mod lookup;
mod profile;
mod recorder;
mod records;
mod serve;
mod text_call;

pub use engines::{Engines, EnginesReport, embeddings_dir, train_understander};
pub use error::ServerError;
pub use profile::{declared, load_profile, read_profile};
pub use serve::{Server, Started, call_settings, rules};
pub use text_call::{CustomerSystem, HandoffStorage, TextCall, TextCallParts, TextEvent, TextTurn};
