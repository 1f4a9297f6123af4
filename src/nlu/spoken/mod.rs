//! Spoken forms: from what the recogniser wrote down to values, answers and commands.
//!
//! The input is a transcript of telephone speech: punctuated and capitalised as the recogniser
//! likes it, digits in figures or in words. Nothing here panics on any text, and work is bounded
//! by a cap on the words that are looked at.

mod backchannel;
mod calendar;
pub mod choice;
mod clauses;
pub mod commands;
pub mod date;
pub mod digits;
mod fill;
pub mod keys;
pub mod money;
mod number;
mod secrets;
mod similar;
mod token;
pub mod yes_no;

pub use backchannel::is_backchannel;
pub use calendar::CivilDate;
pub use choice::{ChoiceResult, Directed};
pub use clauses::clauses;
pub use commands::{GlobalCommand, GlobalPhrases};
pub use digits::{DigitsMatch, DigitsResult};
pub use fill::{Expectation, FillContext, Filled, fill, iso_date};
pub use keys::{KeyedYesNo, KeysResult, spoken_keys};
pub use money::Money;
pub use secrets::mask_secrets;
pub use yes_no::YesNo;
