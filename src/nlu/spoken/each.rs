//! All the values of one kind that an utterance gives, where several are wanted: "from the third to
//! the tenth of December".

use std::ops::Range;

use super::calendar::{CivilDate, add_months, valid};
use super::date::{self, next_month_with};
use super::fill::{Expectation, FillContext, Filled, fill, is_unmistakable, iso_date, span};
use super::money;
use super::number::ordinal;
use super::token::{Token, correction, tokens};
use crate::base::Pii;
use crate::nlu::SlotKind;

/// What each of several values is worth that stand in places of their own.
const APART: f32 = 0.75;

/// More values than anybody gives in one breath.
const VALUES_MAX: usize = 4;

/// The values of this kind in an utterance, in the order in which they were said, without those
/// that were taken back. Unlike those of [`fill`], several are not in doubt: each may be for a slot
/// of its own.
pub fn fill_each(kind: &SlotKind, text: &str, context: &FillContext) -> Vec<Filled> {
    let volunteered = FillContext { expectation: Expectation::Volunteered, today: context.today };
    let plain = values(kind, text, &volunteered);
    // What is only understood because it was asked for is one value, if others are unmistakable.
    if plain.len() > 1 || context.expectation == Expectation::Volunteered {
        return plain;
    }
    let asked = values(kind, text, context);
    if asked.is_empty() { plain } else { asked }
}

fn values(kind: &SlotKind, text: &str, context: &FillContext) -> Vec<Filled> {
    let found = match kind {
        SlotKind::Date => dates(text, context),
        SlotKind::Money => amounts(text, context.expectation),
        SlotKind::Phone | SlotKind::Zip | SlotKind::Postcode | SlotKind::Card | SlotKind::Email
            if context.expectation == Expectation::Volunteered =>
        {
            one_by_one(kind, text, context, VALUES_MAX)
        }
        _ => Vec::new(),
    };
    if found.is_empty() { apart(fill(kind, text, context)) } else { found }
}

/// Of values that were read from the same words, the likeliest; values in places of their own are
/// sure.
fn apart(filled: Vec<Filled>) -> Vec<Filled> {
    let mut kept: Vec<Filled> = Vec::new();
    for one in filled {
        let same = kept
            .iter_mut()
            .find(|other| one.span.start < other.span.end && other.span.start < one.span.end);
        match same {
            Some(other) if other.confidence < one.confidence => *other = one,
            Some(_) => {}
            None => kept.push(one),
        }
    }
    kept.sort_by_key(|one| one.span.start);
    if kept.len() > 1 {
        kept.iter_mut().for_each(|one| one.confidence = one.confidence.max(APART));
    }
    kept
}

/// Looks again before and behind a value that was found.
fn one_by_one(kind: &SlotKind, text: &str, context: &FillContext, most: usize) -> Vec<Filled> {
    let mut found = apart(fill(kind, text, context));
    let [only] = &found[..] else { return found };
    let (start, end) = (only.span.start, only.span.end);
    if most <= 1 || start >= end {
        return found;
    }
    let (Some(before), Some(after)) = (text.get(..start), text.get(end..)) else { return found };
    let earlier = tokens(before);
    if (0..earlier.len()).all(|at| correction(&earlier, at).is_none()) {
        let mut more = one_by_one(kind, before, context, most - 1);
        more.append(&mut found);
        found = more;
    }
    for mut one in one_by_one(kind, after, context, most - 1) {
        one.span = one.span.start + end..one.span.end + end;
        found.push(one);
    }
    found
}

fn amounts(text: &str, expectation: Expectation) -> Vec<Filled> {
    let tokens = tokens(text);
    let mut found = money::find(&tokens);
    if expectation == Expectation::Volunteered {
        found.retain(|amount| is_unmistakable(&tokens, amount));
    } else if found.len() != 1 {
        return Vec::new();
    }
    let mut kept: Vec<Filled> = Vec::new();
    for amount in found {
        let is_refused =
            amount.place.start.checked_sub(1).is_some_and(|before| tokens[before].is("not"));
        if is_refused {
            continue;
        }
        if amount.corrects {
            kept.pop();
        }
        kept.push(Filled {
            value: Pii::new(amount.money.normal_form()),
            confidence: amount.money.confidence,
            span: span(&tokens, &amount.place),
        });
    }
    kept
}

/// A day and where it stands.
struct Day {
    date: CivilDate,
    /// Tokens.
    place: Range<usize>,
}

fn dates(text: &str, context: &FillContext) -> Vec<Filled> {
    let tokens = tokens(text);
    let mut kept: Vec<Day> = Vec::new();
    for found in date::find(&tokens, context.today) {
        if found.negated {
            continue;
        }
        if found.corrects {
            kept.pop();
        }
        kept.push(Day { date: found.date, place: found.place });
    }
    let is_asked = context.expectation == Expectation::Asked;
    add_bare_days(&tokens, &mut kept, is_asked.then_some(context.today));
    let confidence = if kept.len() == 1 { 0.9 } else { APART };
    let filled = kept.into_iter().map(|day| Filled {
        value: Pii::new(iso_date(day.date)),
        confidence,
        span: span(&tokens, &day.place),
    });
    filled.collect()
}

/// "The tenth", whose month is that of a date beside it. `today` is given if a mere day is a date
/// because one was asked for.
fn add_bare_days(tokens: &[Token<'_>], kept: &mut Vec<Day>, today: Option<CivilDate>) {
    let mut at = 1;
    while at < tokens.len() {
        let Some((day, end)) = bare_day(tokens, at, kept) else {
            at += 1;
            continue;
        };
        let before = kept.iter().rposition(|other| other.place.end <= at);
        let after = kept.iter().find(|other| other.place.start >= end);
        let corrects = before.filter(|before| {
            (kept[*before].place.end..at).any(|at| correction(tokens, at).is_some())
        });
        let date = match (before, after) {
            (Some(before), _) => day_from(kept[before].date, day, corrects.is_some()),
            (None, Some(after)) => day_up_to(after.date, day),
            (None, None) => today.and_then(|today| next_month_with(today, day)),
        };
        if let Some(date) = date {
            let place = at - 1..end;
            match corrects {
                Some(wrong) => kept[wrong] = Day { date, place },
                None => kept.insert(before.map_or(0, |before| before + 1), Day { date, place }),
            }
        }
        at = end.max(at + 1);
    }
}

/// A day of the month at `at`, and no "second time".
fn bare_day(tokens: &[Token<'_>], at: usize, kept: &[Day]) -> Option<(u8, usize)> {
    const BEFORE: &[&str] = &["the", "to", "until", "till", "through"];
    const AFTER: &[&str] = &[
        "and", "or", "to", "until", "till", "through", "of", "at", "please", "will", "would", "is",
        "works", "then", "around", "if", "i", "i'm", "i'll", "we", "back", "for", "when",
    ];
    if !tokens[at - 1].is_any(BEFORE) || kept.iter().any(|day| day.place.contains(&at)) {
        return None;
    }
    let (day, end) = ordinal(tokens, at)?;
    let ends = tokens.get(end).is_none_or(|next| next.is_set_apart() || next.is_any(AFTER));
    let day = u8::try_from(day).ok().filter(|day| (1..=31).contains(day))?;
    ends.then_some((day, end))
}

/// The next day of this number after a date; of the same month in its place.
fn day_from((year, month, day_of): CivilDate, day: u8, instead: bool) -> Option<CivilDate> {
    if instead || day > day_of {
        return valid(year, month, day);
    }
    let (year, month, _) = add_months((year, month, 1), 1)?;
    valid(year, month, day)
}

/// The last day of this number before a date.
fn day_up_to((year, month, day_of): CivilDate, day: u8) -> Option<CivilDate> {
    if day < day_of {
        return valid(year, month, day);
    }
    let (year, month, _) = add_months((year, month, 1), -1)?;
    valid(year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: CivilDate = (2026, 11, 24);

    fn found(kind: &SlotKind, text: &str, expectation: Expectation) -> Vec<String> {
        let context = FillContext { expectation, today: TODAY };
        let each = fill_each(kind, text, &context);
        assert!(each.iter().all(|one| text.get(one.span.clone()).is_some()), "{text}");
        each.into_iter().map(|one| one.value.into_inner()).collect()
    }

    #[test]
    fn every_date_is_found_once() {
        let table: &[(&str, &[&str])] = &[
            (
                "I'm flying to Portugal on december third and back on december tenth",
                &["2026-12-03", "2026-12-10"],
            ),
            ("from december third to the tenth", &["2026-12-03", "2026-12-10"]),
            ("from the third to the tenth of december", &["2026-12-03", "2026-12-10"]),
            ("december third, no, december fourth, until the tenth", &["2026-12-04", "2026-12-10"]),
            ("december twentieth, back on the second", &["2026-12-20", "2027-01-02"]),
            ("december third, no, the second", &["2026-12-02"]),
            ("next friday", &["2026-12-04"]),
            ("december third, and it is the second time I go", &["2026-12-03"]),
            ("the tenth", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(found(&SlotKind::Date, text, Expectation::Volunteered), *expected, "{text}");
        }
        let asked = |text| found(&SlotKind::Date, text, Expectation::Asked);
        assert_eq!(asked("the third and the tenth"), ["2026-12-03", "2026-12-10"]);
        assert_eq!(asked("the tenth"), ["2026-12-10"]);
        assert_eq!(asked("on the tenth please"), ["2026-12-10"]);
    }

    #[test]
    fn every_other_value_is_found_once() {
        let volunteered = |kind: &SlotKind, text| found(kind, text, Expectation::Volunteered);
        assert_eq!(
            volunteered(&SlotKind::Money, "fifty dollars and a tip of ten dollars"),
            ["50.00", "10.00"]
        );
        assert_eq!(volunteered(&SlotKind::Money, "fifty dollars, sorry, sixty dollars"), ["60.00"]);
        assert_eq!(volunteered(&SlotKind::Time, "from 2:30 pm to 4:15 pm"), ["14:30", "16:15"]);
        assert_eq!(
            volunteered(&SlotKind::Digits { min: 6, max: 6 }, "order 123456, reference 654321"),
            ["123456", "654321"]
        );
        assert_eq!(
            volunteered(
                &SlotKind::Phone,
                "my phone is 415-555-0123 and the office phone is 212-555-0199"
            ),
            ["+14155550123", "+12125550199"]
        );
    }
}
