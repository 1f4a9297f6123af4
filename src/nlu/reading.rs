//! The several ways to read an utterance in which a value was listened for, and which to go by.

use crate::base::Pii;

use super::SlotKind;
use super::spoken::{FillContext, fill};

/// One way to read an utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The value as it would be said: `1 5 2 1 3`, `S M I T H`, `march third nineteen seventy`.
    pub text: Pii<String>,
    /// The logarithm of its probability by ear.
    pub log_probability: f32,
}

/// What an utterance may have been, beside the plain words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// The logarithm of the probability of the plain words.
    pub plain_log_probability: f32,
    /// Values, the likeliest first. Empty where none was listened for.
    pub values: Vec<Reading>,
}

impl Readings {
    /// These of a value said a second time, with those of the first time: what both may have been
    /// comes first.
    #[must_use]
    pub fn with(&self, before: &Self) -> Self {
        /// What a reading loses that was not among the others, beyond the least of those.
        const UNHEARD: f32 = 1.0;
        let least = before.values.iter().map(|r| r.log_probability).fold(0.0, f32::min) - UNHEARD;
        let mut values: Vec<Reading> = self
            .values
            .iter()
            .map(|reading| {
                let same = before.values.iter().find(|earlier| earlier.text == reading.text);
                let earlier = same.map_or(least, |earlier| earlier.log_probability);
                let log_probability = reading.log_probability.midpoint(earlier);
                Reading { text: reading.text.clone(), log_probability }
            })
            .collect();
        values.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
        Self { plain_log_probability: self.plain_log_probability, values }
    }
}

/// A value less likely than the plain words by more was not said: the caller said something else.
/// Logarithms; per word or digit of the value.
const BELOW_PLAIN_MAX: f32 = 2.0;
/// A whole value less likely than a part of one by more is made up: the rest is still to come.
const BELOW_PART_MAX: f32 = 6.0;

/// The text to go by for a slot of this kind: the likeliest reading that is a valid value and is
/// none of `rejected` (normal forms that the caller has refused). `None`: the plain words are best,
/// because they are an answer of another kind, or nothing that was listened for fits.
pub fn choose<'a>(
    kind: &SlotKind,
    plain: &str,
    readings: &'a Readings,
    rejected: &[Pii<String>],
    context: &FillContext,
) -> Option<&'a Reading> {
    let valid = |reading: &&Reading| {
        let filled = fill(kind, reading.text.expose(), context);
        matches!(&filled[..], [only] if !rejected.contains(&only.value))
    };
    let best = readings.values.first()?;
    let chosen = readings.values.iter().find(valid)?;
    let units = chosen.text.expose().split_whitespace().count().max(1) as f32;
    let is_other = !is_of_kind(kind, plain)
        && readings.plain_log_probability - chosen.log_probability > BELOW_PLAIN_MAX * units;
    let is_part = count(best) < count(chosen)
        && best.log_probability - chosen.log_probability > BELOW_PART_MAX;
    (!is_other && !is_part).then_some(chosen)
}

fn count(reading: &Reading) -> usize {
    reading.text.expose().split_whitespace().count()
}

/// Whether at least half of the plain words are such as a value of this kind is written with, so
/// that they are a value misheard and not something else.
fn is_of_kind(kind: &SlotKind, plain: &str) -> bool {
    let mut words = 0;
    let mut fitting = 0;
    for word in plain.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()) {
        words += 1;
        let has_digit = word.bytes().any(|b| b.is_ascii_digit());
        fitting += usize::from(match kind {
            SlotKind::Name => word.len() == 1 || word.chars().all(char::is_uppercase),
            SlotKind::Date => has_digit || super::spoken::is_date_word(word),
            _ => has_digit || super::spoken::is_number_word(word),
        });
    }
    words > 0 && fitting * 2 >= words
}
