//! Words every room shares: ids, personal data that redacts itself, timers, how a call ended.
//! Imports only `std`; knows no clock.

mod ids;
mod pii;
mod termination;
mod timers;

pub use ids::{ActionRunId, CallId, LegId, ParseIdError, SpeechId, TurnId, UtteranceId};
pub use pii::Pii;
pub use termination::{Termination, TerminationResult};
pub use timers::TimerTable;
