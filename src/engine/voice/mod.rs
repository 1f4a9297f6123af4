//! Text to speech.

mod abbreviations;
mod clauses;
mod dates;
mod normalise;
mod numbers;
mod tokens;
mod written;
