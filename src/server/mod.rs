//! Wiring: loads models and prompt files, listens, gives every call a task of its own, drains on
//! shutdown. Decides nothing: what is said and done comes from the pure rooms.

mod admission;
mod agent_call;
mod agent_leg;
mod answering;
mod bridge;
mod call_task;
mod customers;
mod dispatch;
mod engines;
mod error;
mod exposition;
mod floor;
mod http;
mod leg;
mod lookup;
mod metrics;
mod people;
mod profile;
mod profiles;
mod queueing;
mod recorder;
mod records;
mod reload;
mod renegotiation;
mod retention;
mod serve;
mod text_call;
mod traces;
mod training;
mod transcribing;
mod transfer;
mod watching;
mod web_calls;
mod web_side;

pub use customers::{CustomerSystem, Customers, HandoffStorage};
pub use dispatch::{listen_for, transcribe};
pub use engines::{Ears, Engines, EnginesReport, derived_dir};
pub use error::ServerError;
pub use profile::{declared, load_profile, parse_profile, read_profile, shown_path};
pub use reload::{Changes, Reloaded, Reloader, Running};
pub use serve::{Server, Started, call_settings, rules, unknown_transfers};
pub use text_call::{TextCall, TextCallParts, TextEvent, TextTurn, rules_without_line, understand};
pub use training::{Lessons, Trainer, embeddings_dir, train_understander};
pub use web_calls::{BrowserLeg, WebCalls};
pub use web_side::WebStarted;
