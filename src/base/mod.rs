//! Words every room shares: ids, personal data that redacts itself, lists, timers, how a call ended,
//! how much work callers may cost.
//! Imports only `std`; knows no clock.

mod effort;
mod ids;
mod list;
mod names;
mod pii;
mod termination;
mod timers;

pub use effort::Effort;
pub use ids::{ActionRunId, CallId, LegId, ParseIdError, SpeechId, TurnId, UtteranceId};
pub use list::{LIST_OUTPUT, join_list, split_list};
pub use names::QueueName;
pub use pii::Pii;
pub use termination::{Termination, TerminationResult};
pub use timers::TimerTable;
