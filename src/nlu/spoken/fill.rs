//! The one way in by kind of slot: which values for it does an utterance hold?

use std::ops::Range;

use super::calendar::CivilDate;
use super::choice::{self, ChoiceResult};
use super::digits::{self, DigitsResult};
use super::money::FoundMoney;
use super::token::{Token, tokens};
use super::{card, date, email, free_text, money, name, phone, postcode, time, zip_code};
use crate::base::Pii;
use crate::nlu::{Choice, SlotKind};

/// Whether the caller was asked for the slot that is being filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expectation {
    /// It was asked for: an answer may be short and vague.
    Asked,
    /// It may stand in a sentence about something else: only what is unmistakable counts.
    Volunteered,
}

/// What is known while a slot is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillContext {
    /// Whether the slot was asked for.
    pub expectation: Expectation,
    /// The caller's day: year, month, day.
    pub today: CivilDate,
}

/// A value for a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// In the slot kind's normal form.
    pub value: Pii<String>,
    /// 0 to 1.
    pub confidence: f32,
    /// The bytes of the text that it was read from.
    pub span: Range<usize>,
}

/// A value as a parser finds it. Not `Debug`: it holds what a caller said.
pub(super) struct Found {
    /// In normal form.
    pub value: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Tokens.
    pub place: Range<usize>,
}

/// Digits that may be taken from a sentence nobody asked a number in: fewer are too common.
const VOLUNTEERED_DIGITS_MIN: usize = 3;
/// What each of several values for one slot is worth until the caller was asked which.
const ONE_OF_SEVERAL: f32 = 0.4;

/// The values for a slot of this kind in an utterance. Usually none or one; of several, the caller
/// has to be asked which, and their confidence says so.
pub fn fill(kind: &SlotKind, text: &str, context: &FillContext) -> Vec<Filled> {
    let tokens = tokens(text);
    match (kind, context.expectation) {
        (SlotKind::Digits { min, max }, Expectation::Asked) => {
            asked_digits(text, &tokens, *min, *max).into_iter().collect()
        }
        (SlotKind::Digits { min, max }, Expectation::Volunteered) => {
            volunteered_digits(&tokens, context.today, *min, *max)
        }
        (SlotKind::Money, expectation) => amount(&tokens, expectation).into_iter().collect(),
        (SlotKind::OneOf(choices), expectation) => one_of(text, &tokens, choices, expectation),
        (SlotKind::Date, expectation) => {
            day(text, &tokens, context.today, expectation).into_iter().collect()
        }
        (SlotKind::Time, expectation) => {
            spanned(&tokens, time::find(&tokens, context.today, expectation))
        }
        (SlotKind::Phone, expectation) => spanned(&tokens, phone::find(&tokens, expectation)),
        (SlotKind::Zip, expectation) => spanned(&tokens, zip_code::find(&tokens, expectation)),
        (SlotKind::Postcode, expectation) => {
            spanned(&tokens, postcode::find(text, &tokens, expectation))
        }
        (SlotKind::Card, expectation) => spanned(&tokens, card::find(&tokens, expectation)),
        (SlotKind::Name, expectation) => spanned(&tokens, name::find(text, &tokens, expectation)),
        (SlotKind::Email, expectation) => spanned(&tokens, email::find(text, &tokens, expectation)),
        (SlotKind::Text, Expectation::Asked) => whole_text(text).into_iter().collect(),
        (SlotKind::Text, Expectation::Volunteered) => Vec::new(),
    }
}

/// The normal form of a date slot: `2026-03-31`.
pub fn iso_date((year, month, day): CivilDate) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

/// Values with the bytes that they were read from.
fn spanned(tokens: &[Token<'_>], found: Vec<Found>) -> Vec<Filled> {
    let filled = found.into_iter().map(|found| Filled {
        value: Pii::new(found.value),
        confidence: found.confidence,
        span: span(tokens, &found.place),
    });
    filled.collect()
}

/// The bytes that a range of tokens covers.
pub(super) fn span(tokens: &[Token<'_>], place: &Range<usize>) -> Range<usize> {
    let first = tokens.get(place.start).map_or(0, |token| token.span.start);
    let last = place.end.checked_sub(1).and_then(|last| tokens.get(last));
    first..last.map_or(first, |token| token.span.end)
}

fn asked_digits(text: &str, tokens: &[Token<'_>], min: usize, max: usize) -> Option<Filled> {
    let DigitsResult::Exact(found) = digits::parse(text, min, max) else { return None };
    let runs = digits::runs(tokens);
    let own = runs
        .iter()
        .rfind(|run| run.readings.iter().any(|reading| reading.digits == *found.digits.expose()));
    let place = match (own, runs.first(), runs.last()) {
        (Some(own), _, _) => own.first..own.end,
        (None, Some(first), Some(last)) => first.first..last.end,
        _ => 0..tokens.len(),
    };
    let span = span(tokens, &place);
    Some(Filled { value: found.digits, confidence: found.confidence, span })
}

fn volunteered_digits(
    tokens: &[Token<'_>],
    today: CivilDate,
    min: usize,
    max: usize,
) -> Vec<Filled> {
    let taken: Vec<Range<usize>> = money::find(tokens)
        .into_iter()
        .filter(|amount| is_unmistakable(tokens, amount))
        .map(|amount| amount.place)
        .chain(date::find(tokens, today).into_iter().map(|date| date.place))
        .collect();
    let fits = min.max(VOLUNTEERED_DIGITS_MIN)..=max;
    let mut found: Vec<Filled> = Vec::new();
    for run in digits::runs(tokens) {
        let claimed = taken.iter().any(|other| other.start < run.end && run.first < other.end);
        if claimed || run.negated {
            continue;
        }
        // Only the plain reading: nothing is bent to fit a question that was not asked.
        let plain = run.readings.first().filter(|reading| reading.cost == 0);
        let Some(reading) = plain.filter(|reading| fits.contains(&reading.digits.len())) else {
            continue;
        };
        if found.iter().any(|before| *before.value.expose() == reading.digits) {
            continue;
        }
        if run.corrects {
            found.clear();
        }
        let confidence = if min == max { 0.85 } else { 0.7 };
        let span = span(tokens, &(run.first..run.end));
        found.push(Filled { value: Pii::new(reading.digits.clone()), confidence, span });
    }
    if found.len() > 1 {
        found.iter_mut().for_each(|filled| filled.confidence = ONE_OF_SEVERAL);
    }
    found
}

fn amount(tokens: &[Token<'_>], expectation: Expectation) -> Option<Filled> {
    let mut found = money::find(tokens);
    if expectation == Expectation::Volunteered {
        found.retain(|amount| is_unmistakable(tokens, amount));
    }
    let best = money::choose(tokens, &found)?;
    Some(Filled {
        value: Pii::new(best.money.normal_form()),
        confidence: best.money.confidence,
        span: span(tokens, &best.place),
    })
}

/// A currency, or a verb that money follows and a number too short to be an account's.
pub(super) fn is_unmistakable(tokens: &[Token<'_>], amount: &FoundMoney) -> bool {
    const BARE_CENTS_MAX: i64 = 10_000_000;
    amount.money.currency_said
        || (amount.money.cents < BARE_CENTS_MAX && money::is_led_in(tokens, amount.place.start))
}

fn one_of(
    text: &str,
    tokens: &[Token<'_>],
    choices: &[Choice],
    expectation: Expectation,
) -> Vec<Filled> {
    let result = match expectation {
        Expectation::Asked => choice::parse(text, choices),
        Expectation::Volunteered => choice::parse_named(text, choices),
    };
    let (indices, confidence) = match result {
        ChoiceResult::One(index, confidence) => (vec![index], confidence),
        ChoiceResult::Several(indices) => (indices, ONE_OF_SEVERAL),
        ChoiceResult::None => return Vec::new(),
    };
    let spots = choice::spots(tokens, choices);
    indices
        .into_iter()
        .filter_map(|index| {
            let place = spots
                .iter()
                .rfind(|spot| spot.index == index && !choice::is_negated(tokens, spot))
                .map_or(0..tokens.len(), |spot| spot.place.clone());
            let value = Pii::new(choices.get(index)?.value.clone());
            Some(Filled { value, confidence, span: span(tokens, &place) })
        })
        .collect()
}

fn day(
    text: &str,
    tokens: &[Token<'_>],
    today: CivilDate,
    expectation: Expectation,
) -> Option<Filled> {
    let found = date::find(tokens, today);
    if let Some(named) = date::choose(&found) {
        let confidence = if found.len() == 1 { 0.9 } else { 0.75 };
        let value = Pii::new(iso_date(named.date));
        return Some(Filled { value, confidence, span: span(tokens, &named.place) });
    }
    if expectation == Expectation::Volunteered {
        return None;
    }
    let date = date::parse(text, today)?;
    let span = span(tokens, &(0..tokens.len()));
    Some(Filled { value: Pii::new(iso_date(date)), confidence: 0.75, span })
}

fn whole_text(text: &str) -> Option<Filled> {
    let (value, start) = free_text::find(text)?;
    let span = start..text.trim_end().len().max(start);
    Some(Filled { value: Pii::new(value), confidence: 0.8, span })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{GlobalPhrases, commands, spoken_keys, yes_no};
    use super::*;

    const TODAY: CivilDate = (2026, 3, 11);
    const ASKED: FillContext = FillContext { expectation: Expectation::Asked, today: TODAY };
    const VOLUNTEERED: FillContext =
        FillContext { expectation: Expectation::Volunteered, today: TODAY };

    fn accounts() -> SlotKind {
        let choice = |value: &str| Choice { value: value.to_owned(), also: Vec::new() };
        SlotKind::OneOf(vec![choice("checking"), choice("savings")])
    }

    /// Checks values and the words they were read from.
    fn check(kind: &SlotKind, context: &FillContext, table: &[(&str, &[(&str, &str)])]) {
        for (text, expected) in table {
            let found = fill(kind, text, context);
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|filled| (filled.value.expose().as_str(), &text[filled.span.clone()]))
                .collect();
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn fills_what_was_asked() {
        check(
            &SlotKind::Digits { min: 8, max: 8 },
            &ASKED,
            &[
                ("It's 1234 5678, thanks.", &[("12345678", "1234 5678")]),
                ("1234, uh let me see 5678", &[("12345678", "1234, uh let me see 5678")]),
                ("1234", &[]),
            ],
        );
        check(
            &SlotKind::Money,
            &ASKED,
            &[
                ("a hundred and twenty fifty", &[("120.00", "a hundred and twenty")]),
                ("sixty please", &[("60.00", "sixty")]),
                ("all of it", &[]),
            ],
        );
        check(
            &accounts(),
            &ASKED,
            &[
                ("savings, not checking", &[("savings", "savings")]),
                ("the second one", &[("savings", "the second one")]),
                ("checking or savings", &[("checking", "checking"), ("savings", "savings")]),
            ],
        );
        check(
            &SlotKind::Date,
            &ASKED,
            &[
                ("on the third please", &[("2026-04-03", "on the third please")]),
                ("next friday at noon", &[("2026-03-20", "next friday")]),
            ],
        );
        check(
            &SlotKind::Text,
            &ASKED,
            &[
                ("  It is broken. ", &[("It is broken", "It is broken.")]),
                (" ... ", &[]),
                ("I don't know", &[]),
            ],
        );
    }

    #[test]
    fn fills_contact_details() {
        check(
            &SlotKind::Time,
            &ASKED,
            &[
                (
                    "at half past two please",
                    &[("14:30", "half past two"), ("02:30", "half past two")],
                ),
                ("two thirty p.m., thanks", &[("14:30", "two thirty p.m")]),
            ],
        );
        check(
            &SlotKind::Phone,
            &ASKED,
            &[("It's 415-555-0123, extension 4.", &[("+14155550123", "415-555-0123")])],
        );
        check(&SlotKind::Zip, &ASKED, &[("zip code 94103.", &[("94103", "94103")])]);
        check(&SlotKind::Postcode, &ASKED, &[("it's SW1A 1AA.", &[("SW1A 1AA", "SW1A 1AA")])]);
        check(
            &SlotKind::Card,
            &ASKED,
            &[("my card is 4111 1111 1111 1111", &[("4111111111111111", "4111 1111 1111 1111")])],
        );
        check(
            &SlotKind::Name,
            &ASKED,
            &[("it's Smyth, S M I T H.", &[("Smith", "Smyth, S M I T H")])],
        );
        check(
            &SlotKind::Email,
            &ASKED,
            &[("it's j.smith at gmail.com.", &[("j.smith@gmail.com", "j.smith at gmail.com")])],
        );
    }

    #[test]
    fn volunteered_values_must_be_unmistakable() {
        check(
            &SlotKind::Digits { min: 8, max: 8 },
            &VOLUNTEERED,
            &[
                ("what's the balance on account 12345678", &[("12345678", "12345678")]),
                (
                    "what's the balance on one two three four five six seven eight",
                    &[("12345678", "one two three four five six seven eight")],
                ),
                ("my card 1234", &[]),
                ("1234, let me see, 5678", &[]),
            ],
        );
        check(
            &SlotKind::Digits { min: 4, max: 4 },
            &VOLUNTEERED,
            &[
                ("I paid $1200 last week", &[]),
                ("send 1200 dollars", &[]),
                ("I moved here on March 3rd 2026", &[]),
                ("the card ending 4321", &[("4321", "4321")]),
            ],
        );
        check(
            &SlotKind::Digits { min: 1, max: 3 },
            &VOLUNTEERED,
            &[("I have two questions", &[]), ("one of my cards", &[])],
        );
        check(
            &SlotKind::Money,
            &VOLUNTEERED,
            &[
                ("move fifty dollars to savings", &[("50.00", "fifty dollars")]),
                ("move fifty to savings", &[("50.00", "fifty")]),
                ("transfer $120.50 please", &[("120.50", "$120.50")]),
                ("send him two hundred", &[("200.00", "two hundred")]),
                ("I have two questions", &[]),
                ("my account is 12345678", &[]),
                ("in three days", &[]),
                ("transfer to 12345678", &[]),
            ],
        );
        check(
            &accounts(),
            &VOLUNTEERED,
            &[
                ("how much do I have in savings", &[("savings", "savings")]),
                ("what's in my savings account not checking", &[("savings", "savings")]),
                (
                    "move it from checking to savings",
                    &[("checking", "checking"), ("savings", "savings")],
                ),
                ("I am checkin in", &[]),
                ("the second time I called", &[]),
                ("not checking", &[]),
            ],
        );
        check(
            &SlotKind::Date,
            &VOLUNTEERED,
            &[
                ("pay it on Friday", &[("2026-03-13", "Friday")]),
                ("pay the bill on march third", &[("2027-03-03", "march third")]),
                ("the third", &[]),
                ("seven fourteen sixty one", &[]),
            ],
        );
        check(&SlotKind::Text, &VOLUNTEERED, &[("my name is Bob", &[])]);
    }

    fn kinds() -> Vec<SlotKind> {
        vec![
            SlotKind::Digits { min: 4, max: 8 },
            SlotKind::Digits { min: 0, max: usize::MAX },
            SlotKind::Money,
            accounts(),
            SlotKind::Date,
            SlotKind::Time,
            SlotKind::Phone,
            SlotKind::Zip,
            SlotKind::Postcode,
            SlotKind::Card,
            SlotKind::Name,
            SlotKind::Email,
            SlotKind::Text,
        ]
    }

    fn run_everything(text: &str) {
        for kind in kinds() {
            for context in [ASKED, VOLUNTEERED] {
                for filled in fill(&kind, text, &context) {
                    assert!(text.get(filled.span.clone()).is_some(), "{text:?} {filled:?}");
                    assert!((0.0..=1.0).contains(&filled.confidence));
                }
            }
            let _ = spoken_keys(text, &kind);
        }
        let SlotKind::OneOf(choices) = accounts() else { panic!("choices") };
        let _ = choice::parse_directed(text, &choices);
        let _ = yes_no::parse(text);
        let _ = commands::parse(text, &GlobalPhrases::default());
        let _ = digits::append("12", text, 4, 8);
        let _ = digits::append(text, text, 4, 8);
        let _ = digits::patch("12345678", text);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            run_everything(&text);
        }

        #[test]
        fn any_mix_of_meaningful_words_is_survived(words in prop::collection::vec(
            prop::sample::select(vec![
                "one", "two", "to", "oh", "twenty", "nineteen", "hundred", "thousand", "million",
                "double", "and", "a", "half", "no", "not", "sorry", "i", "mean", "$", "£", "12",
                "1,234", "50", ".", ",", "-", "/", "3/4", "dollars", "cents", "k", "point",
                "march", "f e b", "third", "3rd", "the", "of", "in", "weeks", "ago", "from",
                "friday", "next", "checking", "savings", "first", "latter", "yes", "but", "stop",
                "hold on", "agent", "couple", "99999999999999999999", "day after tomorrow", "İ",
                "S", "M", "SW1A", "as in", "boy", "alpha", "apostrophe", "at", "gmail.com", "@",
                "past", "quarter", "o'clock", "p m", "noon", "2:30", "area code", "plus",
                "extension", "4111 1111 1111 1111", "zip", "postcode", "name is", "John", "é",
                "ends in", "the last two", "digit", "instead of", "_", "+",
            ]),
            0..40,
        ), spaces in prop::collection::vec(prop::sample::select(vec![" ", "", ", ", "-"]), 40)) {
            let text: String =
                words.iter().zip(&spaces).flat_map(|(word, space)| [*word, *space]).collect();
            run_everything(&text);
        }
    }
}
