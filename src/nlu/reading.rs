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
/// Logarithms; per letter of a name, and per digit or word of other values.
const NAME_BELOW_PLAIN_MAX: f32 = 2.2;
const BELOW_PLAIN_MAX: f32 = 1.2;
/// Fewer letters than this are no name when the plain words are none.
const LETTERS_MIN: usize = 4;
/// A value that each digit or word makes less likely by more than this on average is a guess, and
/// no better than plain words that make a value too.
const GUESSED: f32 = 2.4;
/// One that is less likely by so much is no value at all.
const MADE_UP: f32 = 3.2;
/// So many of the same in a row are the recogniser's stammer, unless the plain words have digits.
const STAMMER: usize = 5;
/// Values of a form that is rarer than this are only taken where there is no other.
const USUAL: f32 = 0.7;
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
    if let SlotKind::OneOf(_) = kind {
        return choose_phrase(plain, readings, |text| match &fill(kind, text, context)[..] {
            [only] => Some(only.value.expose().clone()),
            _ => None,
        });
    }
    let confidence = |text: &str| match &fill(kind, text, context)[..] {
        [only] if !rejected.contains(&only.value) => Some(only.confidence),
        _ => None,
    };
    // Dates come in too many forms for a grammar: words that make one are left alone.
    if *kind == SlotKind::Date && confidence(plain).is_some() {
        return None;
    }
    let best = readings.values.first()?;
    let names_none = |text: &str| *kind == SlotKind::Name && stammers(text);
    let usual = |reading: &&Reading| {
        let text = reading.text.expose();
        confidence(text) >= Some(USUAL) && !names_none(text)
    };
    let valid = |reading: &&Reading| {
        let text = reading.text.expose();
        confidence(text).is_some() && !names_none(text)
    };
    let values = || readings.values.iter();
    let chosen = values().find(usual).or_else(|| values().find(valid))?;
    let units = count(chosen);
    let is_guessed =
        confidence(plain).is_some() && chosen.log_probability < -GUESSED * units as f32;
    let is_other = !is_of_kind(kind, plain) && {
        let (most, enough) = match kind {
            SlotKind::Name => (NAME_BELOW_PLAIN_MAX, units >= LETTERS_MIN),
            _ => (BELOW_PLAIN_MAX, true),
        };
        let below = readings.plain_log_probability - chosen.log_probability;
        !enough || below > most * units as f32 || stammers(chosen.text.expose())
    };
    let is_part =
        count(best) < units && best.log_probability - chosen.log_probability > BELOW_PART_MAX;
    let is_made_up = chosen.log_probability < -MADE_UP * units as f32;
    (!is_other && !is_part && !is_guessed && !is_made_up).then_some(chosen)
}

/// The short answer to go by in place of plain words that are none: the likeliest, if it is hardly
/// less likely than those and clearly likelier than any that means something else. `meaning` tells
/// what an answer means; two with the same are no rivals.
pub fn choose_phrase<'a, M: PartialEq>(
    plain: &str,
    readings: &'a Readings,
    meaning: impl Fn(&str) -> Option<M>,
) -> Option<&'a Reading> {
    /// Logarithms, of whole answers.
    const BELOW_PLAIN_MAX: f32 = 6.0;
    const ABOVE_OTHERS_MIN: f32 = 2.5;
    const WORDS_MAX: usize = 3;
    if meaning(plain).is_some() || plain.split_whitespace().count() > WORDS_MAX {
        return None;
    }
    let best = readings.values.first()?;
    let meant = meaning(best.text.expose())?;
    let rival = readings
        .values
        .iter()
        .find(|other| meaning(other.text.expose()).is_some_and(|other| other != meant));
    let is_clear =
        rival.is_none_or(|rival| best.log_probability - rival.log_probability > ABOVE_OTHERS_MIN);
    let is_likely = readings.plain_log_probability - best.log_probability < BELOW_PLAIN_MAX;
    (is_clear && is_likely).then_some(best)
}

fn stammers(text: &str) -> bool {
    let units: Vec<&str> = text.split_whitespace().collect();
    units.windows(STAMMER).any(|run| run.iter().all(|unit| *unit == run[0]))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::spoken::Expectation;

    const CONTEXT: FillContext =
        FillContext { expectation: Expectation::Asked, today: (2026, 3, 11) };

    fn readings(plain: f32, values: &[(&str, f32)]) -> Readings {
        let reading = |(text, log_probability): &(&str, f32)| Reading {
            text: Pii::new((*text).to_owned()),
            log_probability: *log_probability,
        };
        Readings { plain_log_probability: plain, values: values.iter().map(reading).collect() }
    }

    const ACCOUNT: SlotKind = SlotKind::Digits { min: 8, max: 8 };

    #[test]
    fn the_likeliest_valid_value_is_taken_unless_something_else_was_said() {
        let zip = ("1 5 2 1 3", -4.0);
        let account = ("1 2 3 4 5 6 7 8", -9.0);
        type Case<'a> = (&'a SlotKind, &'a str, f32, &'a [(&'a str, f32)], Option<&'a str>);
        let table: &[Case<'_>] = &[
            (&SlotKind::Zip, "1,5, 213", -3.0, &[("1 5", -3.0), zip], Some(zip.0)),
            (&SlotKind::Zip, "Any other one", -3.0, &[("1 5", -3.0), zip], Some(zip.0)),
            // No value was listened for, or none is valid.
            (&SlotKind::Zip, "15213", -3.0, &[], None),
            (&SlotKind::Zip, "1 5", -3.0, &[("1 5", -3.0)], None),
            // "I don't have it" is far likelier than any number.
            (&ACCOUNT, "I don't have it", -2.0, &[account], Some(account.0)),
            (&ACCOUNT, "I don't have it", -1.0, &[("1 2 3 4 5 6 7 8", -30.0)], None),
            (&ACCOUNT, "nope", -9.0, &[("0 0 0 0 0 0 0 0", -9.0)], None),
            // The first half of a number, and what a second half might be.
            (&ACCOUNT, "1234", -1.0, &[("1 2 3 4", -1.0), ("1 2 3 4 4 4 4 4", -20.0)], None),
            // A guess does not take the place of words that make sense.
            (&ACCOUNT, "77676902", -9.0, &[("7 7 6 9 0 2 2 2", -22.0)], None),
            (&SlotKind::Name, "PHAY ER", -4.0, &[("T H A Y E R", -6.0)], Some("T H A Y E R")),
            (&SlotKind::Name, "Smith", -0.5, &[("S M", -4.0)], None),
            (&SlotKind::Date, "May 7, 1944", -1.0, &[("may seventh", -1.0)], None),
        ];
        for (kind, plain, log, values, chosen) in table {
            let readings = readings(*log, values);
            let found = choose(kind, plain, &readings, &[], &CONTEXT);
            assert_eq!(found.map(|reading| reading.text.expose().as_str()), *chosen, "{plain}");
        }
    }

    #[test]
    fn a_short_answer_takes_the_place_of_words_that_are_none() {
        let meaning = |text: &str| match text {
            "yes" | "yes please" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        type Case<'a> = (&'a str, f32, &'a [(&'a str, f32)], Option<&'a str>);
        let table: &[Case<'_>] = &[
            ("man", -1.0, &[("yes", -3.0), ("yes please", -3.5), ("no", -8.0)], Some("yes")),
            // It may as well have been the other, or something else altogether.
            ("man", -1.0, &[("yes", -3.0), ("no", -4.0)], None),
            ("my chest hurts", -1.0, &[("yes", -12.0), ("no", -18.0)], None),
            // What is an answer already stays one.
            ("no", -1.0, &[("yes", -0.5), ("no", -9.0)], None),
            ("what do you mean by that", -1.0, &[("yes", -1.0), ("no", -9.0)], None),
            ("man", -1.0, &[], None),
        ];
        for (plain, log, values, chosen) in table {
            let readings = readings(*log, values);
            let found = choose_phrase(plain, &readings, meaning);
            assert_eq!(found.map(|reading| reading.text.expose().as_str()), *chosen, "{plain}");
        }
    }

    #[test]
    fn what_was_refused_is_not_taken_again_and_both_times_count() {
        let first = readings(-1.0, &[("1 5 2 1 7", -3.0), ("1 5 2 1 3", -4.0)]);
        let again =
            readings(-1.0, &[("1 5 2 4 3", -3.5), ("1 5 2 1 3", -4.0), ("1 5 2 1 7", -5.0)]);
        let refused = [Pii::new("15217".to_owned())];
        let both = again.with(&first);
        let chosen = choose(&SlotKind::Zip, "15217", &both, &refused, &CONTEXT);
        assert_eq!(chosen.map(|reading| reading.text.expose().as_str()), Some("1 5 2 1 3"));
    }
}
