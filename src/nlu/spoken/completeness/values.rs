//! Whole values, and the beginnings of values.

use super::super::calendar::CivilDate;
use super::super::choice::{self, ChoiceResult};
use super::super::digits::{Run, runs};
use super::super::fill::{self, FillContext};
use super::super::name;
use super::super::number::{is_number_word, ordinal_word};
use super::super::token::Token;
use super::super::{card, date, money, time};
use super::Completeness;
use crate::nlu::SlotKind;

/// Whether a date is one does not depend on the day it is said.
const ANY_DAY: CivilDate = (2026, 1, 1);

/// A choice, or an amount, in more words than this comes with something else.
const SHORT_WORDS_MAX: usize = 5;

/// Choices that are surer than this were named.
const NAMED: f32 = 0.8;

/// How far this is a value of the kind; `None` if there is nothing of one in it.
pub(super) fn value(
    text: &str,
    words: &[Token<'_>],
    kind: &SlotKind,
    taken: usize,
) -> Option<Completeness> {
    match kind {
        SlotKind::Digits { .. } | SlotKind::Phone | SlotKind::Zip | SlotKind::Card => {
            digits(words, kind, taken)
        }
        SlotKind::Money => amount(text, words),
        SlotKind::OneOf(choices) => match choice::parse(text, choices) {
            ChoiceResult::One(_, sure) if sure > NAMED => Some(short_or_likely(words)),
            ChoiceResult::One(..) | ChoiceResult::Several(_) => Some(Completeness::Open),
            ChoiceResult::None => None,
        },
        SlotKind::Date => day(text, words),
        SlotKind::Time => time_of_day(words),
        SlotKind::Postcode => Some(if is_filled(kind, text) {
            Completeness::Complete
        } else if words.len() <= SHORT_WORDS_MAX {
            Completeness::Unfinished
        } else {
            return None;
        }),
        SlotKind::Name => Some(if name::is_spelled(text) || words.len() == 1 {
            Completeness::Open
        } else {
            Completeness::Likely
        }),
        SlotKind::Email => address(text, words),
        SlotKind::Text => None,
    }
}

fn is_filled(kind: &SlotKind, text: &str) -> bool {
    let context = FillContext { expectation: fill::Expectation::Asked, today: ANY_DAY };
    !fill::fill(kind, text, &context).is_empty()
}

fn short_or_likely(words: &[Token<'_>]) -> Completeness {
    if words.len() <= SHORT_WORDS_MAX { Completeness::Complete } else { Completeness::Likely }
}

fn digits(words: &[Token<'_>], kind: &SlotKind, taken: usize) -> Option<Completeness> {
    let (min, max) = kind.digit_counts()?;
    let said = plain_digits(words);
    if said.is_empty() {
        return None;
    }
    // Who was given a piece may say the rest or all of it.
    let all_again = taken > 0 && said.len() + taken > max && said.len() >= min;
    let count = if all_again { said.len() } else { said.len() + taken };
    let whole = (taken == 0 || all_again).then_some(said.as_str());
    Some(match kind {
        SlotKind::Phone => phone_number(count, whole),
        SlotKind::Card => card_number(count, whole),
        // Four more digits may follow the five, and hardly ever do.
        SlotKind::Zip if count == min => Completeness::Likely,
        _ => by_count(count, min, max),
    })
}

fn by_count(count: usize, min: usize, max: usize) -> Completeness {
    match count {
        count if count < min => Completeness::Unfinished,
        count if count == max => Completeness::Complete,
        count if count < max => Completeness::Open,
        // More than there can be: said twice, or misheard; there is nothing more to wait for.
        _ => Completeness::Likely,
    }
}

/// Seven digits can be a number, and are nearly always the first of ten or eleven.
fn phone_number(count: usize, whole: Option<&str>) -> Completeness {
    let begins = |with: &str| whole.is_some_and(|digits| digits.starts_with(with));
    match count {
        ..=9 => Completeness::Unfinished,
        10 if begins("1") || begins("00") => Completeness::Unfinished,
        // Older British numbers are as long; most have one digit more.
        10 if begins("0") => Completeness::Open,
        10 => Completeness::Complete,
        11 if begins("00") => Completeness::Open,
        11 if begins("0") || begins("1") => Completeness::Complete,
        _ => Completeness::Likely,
    }
}

fn card_number(count: usize, whole: Option<&str>) -> Completeness {
    let is_valid = whole.is_none_or(card::is_valid);
    match count {
        ..=14 => Completeness::Unfinished,
        15 | 16 if is_valid => Completeness::Complete,
        // One of ten strings of 15 digits has the right last one by chance; one of 16 is misheard.
        15 => Completeness::Unfinished,
        _ => Completeness::Likely,
    }
}

/// The digits as they stand, those that were taken back left out.
fn plain_digits(words: &[Token<'_>]) -> String {
    let found = runs(words);
    let kept: Vec<&Run> = found.iter().filter(|run| !run.negated).collect();
    let restart = kept.iter().rposition(|run| run.corrects).unwrap_or(0);
    let (head, tail) = kept.split_at(restart);
    let plain = |runs: &[&Run]| runs.iter().map(|run| run.plain()).collect::<String>();
    let (head, tail) = (plain(head), plain(tail));
    // "... three four, no, three five": the few after the "no" stand for as many before it.
    match head.len().checked_sub(tail.len()) {
        Some(left) if left > 0 && !tail.is_empty() => format!("{}{tail}", &head[..left]),
        _ => tail,
    }
}

fn amount(text: &str, words: &[Token<'_>]) -> Option<Completeness> {
    let found = money::parse(text)?;
    let last = words.last()?;
    // "Two hundred" may go on to "and fifty", and fifty to dollars and cents.
    let goes_on = last.is_figures() || is_number_word(&last.word);
    Some(match (found.currency_said, goes_on) {
        (true, false) => short_or_likely(words),
        (true, true) => Completeness::Likely,
        (false, _) => Completeness::Open,
    })
}

fn day(text: &str, words: &[Token<'_>]) -> Option<Completeness> {
    let last = words.last()?;
    if date::parse(text, ANY_DAY).is_none() {
        // "The", "of March": the rest of a date is to come.
        return words
            .iter()
            .any(|word| date::is_date_word(&word.word))
            .then_some(Completeness::Unfinished);
    }
    let year = words.iter().any(|word| word.is_figures() && word.word.len() == 4);
    // After a day: "March third, nineteen". In "March nineteen" it is the day.
    let says_day = |word: &Token<'_>| {
        word.is_figures() || is_number_word(&word.word) || ordinal_word(&word.word).is_some()
    };
    let begins_year = last.is_any(&["nineteen", "twenty", "19", "20", "thousand"])
        && words[..words.len() - 1].iter().any(says_day);
    Some(match (year, begins_year) {
        (true, _) => Completeness::Complete,
        (false, true) => Completeness::Unfinished,
        (false, false) if last.is_any(&["today", "tomorrow", "yesterday"]) => {
            Completeness::Complete
        }
        // A year may follow.
        (false, false) => Completeness::Likely,
    })
}

fn time_of_day(words: &[Token<'_>]) -> Option<Completeness> {
    let found = time::find(words, ANY_DAY, fill::Expectation::Asked);
    if found.is_empty() {
        return None;
    }
    let last = words.last()?;
    let is_whole = last.is_any(&["am", "pm", "m", "o'clock", "noon", "midnight", "morning"])
        || last.is_any(&["afternoon", "evening", "night", "thirty", "fifteen"]);
    Some(if is_whole { Completeness::Complete } else { Completeness::Open })
}

fn address(text: &str, words: &[Token<'_>]) -> Option<Completeness> {
    const DOMAINS: &[&str] =
        &["com", "org", "net", "edu", "gov", "uk", "de", "fr", "ca", "au", "io"];
    let last = words.last()?;
    if is_filled(&SlotKind::Email, text) {
        return Some(if last.is_any(DOMAINS) {
            Completeness::Complete
        } else {
            Completeness::Open
        });
    }
    let has_at = words.iter().any(|word| word.is("at")) || text.contains('@');
    (has_at || words.len() <= SHORT_WORDS_MAX).then_some(Completeness::Unfinished)
}
