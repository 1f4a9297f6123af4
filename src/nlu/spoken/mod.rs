//! Spoken forms: from what the recogniser wrote down to values, answers and commands.
//!
//! The input is a transcript of telephone speech: punctuated and capitalised as the recogniser
//! likes it, digits in figures or in words. Nothing here panics on any text, and work is bounded
//! by a cap on the words that are looked at.

mod backchannel;
mod calendar;
pub mod card;
pub mod choice;
mod clauses;
pub mod commands;
mod completeness;
mod cues;
pub mod date;
pub mod digits;
mod each;
mod echoed;
pub mod email;
mod fill;
mod fit;
mod free_text;
pub mod in_line;
pub mod keys;
mod letters;
pub mod money;
pub mod mood;
pub mod name;
mod name_patch;
mod nearest;
mod number;
mod patch;
pub mod phone;
pub mod postcode;
mod secrets;
mod similar;
pub mod time;
mod token;
pub mod yes_no;
pub mod zip_code;

pub use backchannel::{is_backchannel, is_greeting};
pub use calendar::CivilDate;
pub use choice::{ChoiceResult, Directed};
pub use clauses::clauses;
pub use commands::{GlobalCommand, GlobalPhrases};
pub use completeness::{Awaited, Completeness, completeness};
pub use cues::{Cues, is_small_cue, named, told_apart};
pub use date::is_date_word;
pub use digits::{DigitsMatch, DigitsResult};
pub use each::fill_each;
pub use echoed::is_echo_of;
pub use fill::{Expectation, FillContext, Filled, fill, iso_date};
pub use in_line::{LinePhrases, LineRequest, is_farewell, needs_no_answer};
pub use keys::{KeyedYesNo, KeysResult, spoken_keys};
pub use money::Money;
pub use mood::{Felt, Mood};
pub use name_patch::is_about_a_letter;
pub use nearest::{nearest_name, rank, same_letters, sounds_alike, spells_alike};
pub use number::is_number_word;
pub use secrets::mask_secrets;
pub use similar::{edit_distance, sound};
pub use yes_no::YesNo;
