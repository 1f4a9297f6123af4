//! Dates as callers say them: "tomorrow", "next Friday", "March third", "3/4", "in two weeks",
//! "seven fourteen sixty one". Month before day where only the order can tell (US).
//!
//! A day without a year is the next one that comes, today included. A year of two digits is taken
//! from the past, except for the ten years ahead ("sixty eight" is 1968, "thirty" is 2030).

use std::ops::Range;

use super::calendar::{CivilDate, add_days, add_months, days_in_month, valid, weekday};
use super::number::{Part, below_hundred, cardinal, ordinal, part};
use super::token::{Token, correction, is_filler, starts_with, tokens};

/// The date the caller means, when a date was asked for. `today` is the caller's day.
pub fn parse(text: &str, today: CivilDate) -> Option<CivilDate> {
    let tokens = tokens(text);
    let named = choose(&find(&tokens, today));
    named
        .map(|found| found.date)
        .or_else(|| bare(&tokens, today))
        .or_else(|| numbered_day(&tokens, today))
}

/// A date that names itself (a month, a weekday, "tomorrow", "3/4") and where it stands.
#[derive(Debug, Clone)]
pub(super) struct FoundDate {
    pub date: CivilDate,
    /// Tokens.
    pub place: Range<usize>,
    /// What came before was taken back.
    pub corrects: bool,
    /// "Not" stands before it.
    pub negated: bool,
}

/// The first date after the last correction.
pub(super) fn choose(found: &[FoundDate]) -> Option<FoundDate> {
    let kept: Vec<&FoundDate> =
        found.iter().filter(|date| !date.negated || found.len() == 1).collect();
    let restart = kept.iter().rposition(|date| date.corrects).unwrap_or(0);
    kept.get(restart).map(|date| (*date).clone())
}

/// All dates in an utterance that are dates whatever was asked.
pub(super) fn find(tokens: &[Token<'_>], today: CivilDate) -> Vec<FoundDate> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut corrects = false;
    while at < tokens.len() {
        if let Some((date, end)) = date_at(tokens, at, today) {
            let negated = at > 0 && tokens[at - 1].is("not");
            found.push(FoundDate { date, place: at..end, corrects, negated });
            corrects = false;
            at = end.max(at + 1);
        } else if let Some(after) = correction(tokens, at) {
            corrects = !found.is_empty();
            at = after;
        } else {
            at += 1;
        }
    }
    found
}

type Parsed = Option<(CivilDate, usize)>;

fn date_at(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    written(tokens, at, today)
        .or_else(|| month_first(tokens, at, today))
        .or_else(|| day_first(tokens, at, today))
        .or_else(|| day_of_this_month(tokens, at, today))
        .or_else(|| named_day(tokens, at, today))
        .or_else(|| counted(tokens, at, today))
        .or_else(|| on_weekday(tokens, at, today))
}

/// "2026-03-31", "3/4", "3/4/2026", "3-4-26".
fn written(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    let first = tokens.get(at).filter(|token| token.is_figures())?;
    let second = tokens.get(at + 1).filter(|token| token.is_figures())?;
    let separator = second.gap;
    if !matches!(separator, "/" | "-" | ".") {
        return None;
    }
    let third = tokens.get(at + 2).filter(|token| token.is_figures() && token.gap == separator);
    let number = |token: &Token<'_>| token.word.parse::<i32>().ok();
    let (a, b) = (number(first)?, number(second)?);
    match third {
        Some(third) if first.word.len() == 4 => {
            let date = valid(a, small(b)?, small(number(third)?)?)?;
            Some((date, at + 3))
        }
        Some(third) => {
            let year = full_year(&third.word, today)?;
            Some((month_and_day(year, a, b)?, at + 3))
        }
        // "12.50" and "1-2" are other things.
        None if separator == "/" => {
            Some((next_such_day(today, |year| month_and_day(year, a, b))?, at + 2))
        }
        None => None,
    }
}

fn small(value: i32) -> Option<u8> {
    u8::try_from(value).ok()
}

/// US order; the other one where only that makes a date.
fn month_and_day(year: i32, first: i32, second: i32) -> Option<CivilDate> {
    let (first, second) = (small(first)?, small(second)?);
    valid(year, first, second).or_else(|| valid(year, second, first))
}

/// Written years: two digits or four.
fn full_year(digits: &str, today: CivilDate) -> Option<i32> {
    let year: i32 = digits.parse().ok()?;
    match digits.len() {
        4 => (1800..2200).contains(&year).then_some(year),
        2 => Some(century(year, today)),
        _ => None,
    }
}

/// The full year of a two-digit one.
fn century(year: i32, today: CivilDate) -> i32 {
    let this_century = today.0 - today.0.rem_euclid(100) + year;
    if this_century > today.0 + 10 { this_century - 100 } else { this_century }
}

/// The first day, from today on, of the kind that `of_year` names; leap days are eight years
/// apart at most.
fn next_such_day(
    today: CivilDate,
    of_year: impl Fn(i32) -> Option<CivilDate>,
) -> Option<CivilDate> {
    (today.0..=today.0.saturating_add(8)).filter_map(of_year).find(|date| *date >= today)
}

/// A month's name at `at`, also abbreviated or spelled out ("F E B").
fn month(tokens: &[Token<'_>], at: usize) -> Option<(u8, usize)> {
    let first = tokens.get(at)?;
    if let Some(month) = month_of_name(first.word.trim_end_matches("'s")) {
        return Some((month, at + 1));
    }
    let letters = tokens.get(at..at + 3)?;
    let spelled: String = letters.iter().map(|token| token.word.as_str()).collect();
    let is_spelled = letters.iter().all(|token| token.word.chars().count() == 1);
    month_of_name(&spelled).filter(|_| is_spelled).map(|month| (month, at + 3))
}

/// Whether a word, however it is written, is such as dates are said with.
pub fn is_date_word(word: &str) -> bool {
    let word = word.to_lowercase();
    let is_ordinal = super::number::ordinal_word(&word).is_some();
    month_of_name(&word).is_some() || is_ordinal || super::number::is_number_word(&word)
}

/// The number of a month, from its name, also abbreviated.
fn month_of_name(name: &str) -> Option<u8> {
    const MONTHS: &[&str] = &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let is_short = name.len() == 3 || name == "sept";
    let of_name = |month: &&str| *month == name || (is_short && month.starts_with(name));
    u8::try_from(MONTHS.iter().position(of_name)? + 1).ok()
}

/// "March third", "March the 3rd, 2026", "March 3".
fn month_first(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    let (month, after) = month(tokens, at)?;
    let day_at = after + usize::from(tokens.get(after).is_some_and(|token| token.is("the")));
    let mut best: Parsed = None;
    for (day, end) in days(tokens, day_at) {
        let found = with_year(tokens, end, today, |year| valid(year, month, day));
        // "Feb one eight one nine six four": the reading that leaves least over is the right one.
        if found.is_some_and(|(_, end)| best.is_none_or(|(_, longest)| end > longest)) {
            best = found;
        }
    }
    best
}

/// "The third of March", "7 May 1944".
fn day_first(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    let start = at + usize::from(tokens.get(at)?.is("the"));
    days(tokens, start).into_iter().find_map(|(day, end)| {
        let month_at = end + usize::from(tokens.get(end).is_some_and(|token| token.is("of")));
        let (month, end) = month(tokens, month_at)?;
        with_year(tokens, end, today, |year| valid(year, month, day))
    })
}

/// The year that follows, or else the next such day.
fn with_year(
    tokens: &[Token<'_>],
    at: usize,
    today: CivilDate,
    of_year: impl Fn(i32) -> Option<CivilDate>,
) -> Parsed {
    let skips = ["of", "in", "this", "next"];
    let said_at = at + usize::from(tokens.get(at).is_some_and(|token| token.is_any(&["of", "in"])));
    if tokens.get(at).is_some_and(|token| token.is_any(&skips))
        && tokens.get(at + 1).is_some_and(|token| token.is("year"))
    {
        let year = today.0 + i32::from(tokens[at].is("next"));
        return of_year(year).map(|date| (date, at + 2));
    }
    if let Some((year, end)) = year(tokens, said_at, today) {
        return of_year(year).map(|date| (date, end));
    }
    next_such_day(today, of_year).map(|date| (date, at))
}

/// A day of the month at `at`, longest reading first.
fn days(tokens: &[Token<'_>], at: usize) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    let mut push = |value: u64, end: usize| {
        if let Some(day) = u8::try_from(value).ok().filter(|day| (1..=31).contains(day)) {
            found.push((day, end));
        }
    };
    if let Some((value, end)) = ordinal(tokens, at) {
        push(value, end);
        return found;
    }
    let Some(first) = tokens.get(at) else { return found };
    if first.is_figures() {
        if let Ok(value) = first.word.parse() {
            push(value, at + 1);
        }
        return found;
    }
    let zero_first = first.is_any(&["oh", "o", "zero"]);
    let next = tokens.get(at + 1).and_then(|token| part(&token.word));
    match (part(&first.word), next) {
        (_, Some(Part::Unit(unit))) if zero_first => push(u64::from(unit), at + 2),
        // "One eight" is the 18th said digit by digit, or the 1st and something else.
        (Some(Part::Unit(tens)), Some(Part::Unit(unit))) => {
            push(u64::from(tens) * 10 + u64::from(unit), at + 2);
            push(u64::from(tens), at + 1);
        }
        _ => {
            if let Some((value, end)) = below_hundred(tokens, at) {
                push(value, end);
            }
        }
    }
    found
}

/// A year at `at`: "2026", "nineteen seventy", "two thousand and six", "sixty eight", "one nine
/// six four", "'68".
fn year(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Option<(i32, usize)> {
    let first = tokens.get(at)?;
    if first.is_figures() {
        let joined = tokens.get(at + 1).filter(|next| {
            next.is_figures() && next.gap == " " && next.word.len() == 2 && first.word.len() == 2
        });
        if let Some(second) = joined.filter(|_| matches!(first.word.as_str(), "19" | "20")) {
            return full_year(&format!("{}{}", first.word, second.word), today)
                .map(|year| (year, at + 2));
        }
        return full_year(&first.word, today).map(|year| (year, at + 1));
    }
    let digits: Vec<u8> = (at..tokens.len().min(at + 4)).map_while(|i| digit(tokens, i)).collect();
    let value = |digits: &[u8]| digits.iter().fold(0, |year, digit| year * 10 + i32::from(*digit));
    match digits.len() {
        4 if (1900..2100).contains(&value(&digits)) => return Some((value(&digits), at + 4)),
        2..=4 => return Some((century(value(&digits[..2]), today), at + 2)),
        _ => {}
    }
    let (first_pair, after) = below_hundred(tokens, at)?;
    if tokens.get(after).is_some_and(|token| token.is_any(&["hundred", "thousand"])) {
        let (value, end) = cardinal(tokens, at)?;
        let value = i32::try_from(value).ok().filter(|year| (1900..2100).contains(year))?;
        return Some((value, end));
    }
    let hundreds = matches!(first_pair, 19 | 20).then_some(first_pair);
    let zero_unit = (digit(tokens, after) == Some(0)).then(|| digit(tokens, after + 1)).flatten();
    let second = match zero_unit {
        Some(unit) => Some((u64::from(unit), after + 2)),
        None => below_hundred(tokens, after).filter(|(value, _)| *value >= 10),
    };
    if let (Some(hundreds), Some((pair, end))) = (hundreds, second) {
        return i32::try_from(hundreds * 100 + pair).ok().map(|year| (year, end));
    }
    let two_digits = first_pair >= 10;
    let year = i32::try_from(first_pair).ok().filter(|_| two_digits)?;
    Some((century(year, today), after))
}

fn digit(tokens: &[Token<'_>], at: usize) -> Option<u8> {
    let token = tokens.get(at)?;
    match part(&token.word) {
        Some(Part::Unit(unit)) => Some(unit),
        _ if token.is_any(&["oh", "o"]) => Some(0),
        _ => None,
    }
}

/// "The fifteenth of next month", "the end of the month".
fn day_of_this_month(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    let start = at + usize::from(tokens.get(at)?.is("the"));
    let month_after = |at: usize| {
        let at = at + usize::from(tokens.get(at).is_some_and(|token| token.is("of")));
        let ahead = match tokens.get(at)?.word.as_str() {
            "the" | "this" => 0,
            "next" => 1,
            _ => return None,
        };
        tokens.get(at + 1).filter(|token| token.is("month")).map(|_| (ahead, at + 2))
    };
    if tokens.get(start).is_some_and(|token| token.is_any(&["end", "last"])) {
        let day_word = usize::from(tokens.get(start + 1).is_some_and(|token| token.is("day")));
        let (ahead, end) = month_after(start + 1 + day_word)?;
        let (year, month, _) = add_months((today.0, today.1, 1), ahead)?;
        return valid(year, month, days_in_month(year, month)).map(|date| (date, end));
    }
    let (day, after) = ordinal(tokens, start)?;
    let (ahead, end) = month_after(after)?;
    let (year, month, _) = add_months((today.0, today.1, 1), ahead)?;
    valid(year, month, u8::try_from(day).ok()?).map(|date| (date, end))
}

/// "Today", "the day after tomorrow".
fn named_day(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    const DAYS: &[(&[&str], i64)] = &[
        (&["day", "after", "tomorrow"], 2),
        (&["day", "before", "yesterday"], -2),
        (&["today"], 0),
        (&["today's"], 0),
        (&["tonight"], 0),
        (&["this", "morning"], 0),
        (&["this", "afternoon"], 0),
        (&["this", "evening"], 0),
        (&["last", "night"], -1),
        (&["tomorrow"], 1),
        (&["tomorrow's"], 1),
        (&["yesterday"], -1),
    ];
    let (words, days) = DAYS.iter().find(|(words, _)| starts_with(tokens, at, words))?;
    add_days(today, *days).map(|date| (date, at + words.len()))
}

/// "In two weeks", "three days from now", "a week from Friday", "ten days ago".
fn counted(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    let has_in = tokens.get(at)?.is("in");
    let count_at = at + usize::from(has_in);
    let (count, unit_at) = match tokens.get(count_at)? {
        token if token.is_any(&["a", "an", "one"]) => (1, count_at + 1),
        token if token.is("couple") => {
            let of = tokens.get(count_at + 1).is_some_and(|next| next.is("of"));
            (2, count_at + 1 + usize::from(of))
        }
        _ => cardinal(tokens, count_at)?,
    };
    let unit_at = match tokens.get(unit_at) {
        Some(token) if token.is("couple") => {
            let of = tokens.get(unit_at + 1).is_some_and(|next| next.is("of"));
            return counted_from(tokens, unit_at + 1 + usize::from(of), 2, has_in, today);
        }
        _ => unit_at,
    };
    counted_from(tokens, unit_at, i64::try_from(count).ok()?, has_in, today)
}

fn counted_from(
    tokens: &[Token<'_>],
    unit_at: usize,
    count: i64,
    has_in: bool,
    today: CivilDate,
) -> Parsed {
    let unit = tokens.get(unit_at)?;
    let add = |date: CivilDate, count: i64| match unit.word.trim_end_matches('s') {
        "day" => add_days(date, count),
        "week" => add_days(date, count.checked_mul(7)?),
        "fortnight" => add_days(date, count.checked_mul(14)?),
        "month" => add_months(date, count),
        "year" => add_months(date, count.checked_mul(12)?),
        _ => None,
    };
    let after = unit_at + 1;
    if has_in {
        return add(today, count).map(|date| (date, after));
    }
    let next = tokens.get(after)?;
    if next.is("ago") {
        return add(today, -count).map(|date| (date, after + 1));
    }
    if !next.is_any(&["from", "after"]) {
        return None;
    }
    if tokens.get(after + 1)?.is("now") {
        return add(today, count).map(|date| (date, after + 2));
    }
    let (from, end) = named_day(tokens, after + 1, today)
        .or_else(|| on_weekday(tokens, after + 1, today))
        .or_else(|| month_first(tokens, after + 1, today))?;
    add(from, count).map(|date| (date, end))
}

/// "Friday" and "this Friday": the one that comes. "Next Friday" and "next week Friday": the one in
/// the next week, which begins on Monday. "Last Friday": the one that was. "Friday in a week": the
/// one after.
fn on_weekday(tokens: &[Token<'_>], at: usize, today: CivilDate) -> Parsed {
    let first = tokens.get(at)?;
    let leads = first.is_any(&["this", "next", "last", "coming"]);
    let names_week = leads && tokens.get(at + 1).is_some_and(|token| token.is("week"));
    let name_at = at + usize::from(leads) + usize::from(names_week);
    let name_at = name_at
        + usize::from(names_week && tokens.get(name_at).is_some_and(|token| token.is("on")));
    let wanted = weekday_of(&tokens.get(name_at)?.word, leads || tokens.len() <= 3)?;
    let end = name_at + 1;
    // A weekday in front of a date only says it again ("Monday March 2nd").
    let said_again = month_first(tokens, end, today).or_else(|| day_first(tokens, end, today));
    if said_again.is_some() && !leads {
        return said_again;
    }
    let today_is = weekday(today);
    let until = (wanted - today_is).rem_euclid(7);
    let days = match first.word.as_str() {
        "this" if names_week => wanted - today_is,
        "last" if names_week => wanted - today_is - 7,
        "this" | "coming" => until,
        "next" => 7 - today_is + wanted,
        "last" => -((today_is - wanted - 1).rem_euclid(7) + 1),
        _ if until == 0 => 7,
        _ => until,
    };
    let (weeks, end) = weeks_after(tokens, end);
    add_days(today, days.checked_add(weeks.checked_mul(7)?)?).map(|date| (date, end))
}

/// "In a week", "in two weeks" after a weekday: the weeks, and the place after.
fn weeks_after(tokens: &[Token<'_>], at: usize) -> (i64, usize) {
    let is_week = |at: usize| tokens.get(at).is_some_and(|token| token.is_any(&["week", "weeks"]));
    if !tokens.get(at).is_some_and(|token| token.is("in")) {
        return (0, at);
    }
    if tokens.get(at + 1).is_some_and(|token| token.is("a")) && is_week(at + 2) {
        return (1, at + 3);
    }
    match cardinal(tokens, at + 1) {
        Some((weeks, after)) if is_week(after) => (i64::try_from(weeks).unwrap_or(0), after + 1),
        _ => (0, at),
    }
}

/// Abbreviations count only where little else is said: "sat" and "sun" are words too.
fn weekday_of(word: &str, short_form_counts: bool) -> Option<i64> {
    const WEEKDAYS: &[&str] =
        &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    const SHORT: &[&[&str]] = &[
        &["mon"],
        &["tue", "tues"],
        &["wed", "weds"],
        &["thu", "thur", "thurs"],
        &["fri"],
        &["sat"],
        &["sun"],
    ];
    let word = word.trim_end_matches("'s");
    let full = WEEKDAYS.iter().position(|day| *day == word);
    let short = || SHORT.iter().position(|forms| short_form_counts && forms.contains(&word));
    full.or_else(short).and_then(|place| i64::try_from(place).ok())
}

/// What is a date only as an answer: "the third", "seven fourteen sixty one", "0607 66".
fn bare(tokens: &[Token<'_>], today: CivilDate) -> Option<CivilDate> {
    const LEAD_IN: &[&str] = &[
        "it's", "that's", "it", "is", "on", "the", "my", "birthday", "date", "of", "birth", "for",
        "please", "make", "no", "sorry", "i", "mean", "was", "born", "yes", "say", "let's",
        "around",
    ];
    let is_lead_in = |token: &Token<'_>| is_filler(&token.word) || token.is_any(LEAD_IN);
    let start = tokens.iter().position(|token| !is_lead_in(token))?;
    let end = tokens.iter().rposition(|token| !is_lead_in(token) && !token.is("thanks"))? + 1;
    let tokens = tokens.get(start..end)?;
    if let Some((day, after)) = ordinal(tokens, 0)
        && after == tokens.len()
    {
        return next_month_with(today, u8::try_from(day).ok()?);
    }
    digits_only(tokens, today).or_else(|| month_day_year(tokens, today))
}

/// "On the 18th at noon", "next 30th": a day of the month somewhere in the answer.
fn numbered_day(tokens: &[Token<'_>], today: CivilDate) -> Option<CivilDate> {
    // "The second time", "the third one" number something else.
    const AFTER: &[&str] =
        &["at", "please", "will", "would", "is", "works", "then", "around", "if"];
    (1..tokens.len()).find_map(|at| {
        let (day, end) = ordinal(tokens, at)?;
        let day = u8::try_from(day).ok()?;
        let written = tokens[at].is_figures();
        let ends = tokens.get(end).is_none_or(|next| next.is_set_apart() || next.is_any(AFTER));
        match tokens[at - 1].word.as_str() {
            "last" if written => last_month_with(today, day),
            "the" | "next" if written || ends => next_month_with(today, day),
            _ => None,
        }
    })
}

/// The last day of that number that was before today.
fn last_month_with(today: CivilDate, day: u8) -> Option<CivilDate> {
    (0..=2)
        .filter_map(|back| {
            let (year, month, _) = add_months((today.0, today.1, 1), -back)?;
            valid(year, month, day)
        })
        .find(|date| *date < today)
}

/// The next day of that number, in this month or a later one that has it.
pub(super) fn next_month_with(today: CivilDate, day: u8) -> Option<CivilDate> {
    (0..=2)
        .filter_map(|ahead| {
            let (year, month, _) = add_months((today.0, today.1, 1), ahead)?;
            valid(year, month, day)
        })
        .find(|date| *date >= today)
}

/// Figures: month, day and year, or YYYYMMDD.
fn digits_only(tokens: &[Token<'_>], today: CivilDate) -> Option<CivilDate> {
    let all: String = tokens
        .iter()
        .map(|token| token.is_figures().then_some(token.word.as_str()))
        .collect::<Option<String>>()?;
    let number = |range: Range<usize>| all.get(range)?.parse::<i32>().ok();
    let us = |month: usize, day: usize| {
        let year = full_year(all.get(month + day..)?, today)?;
        month_and_day(year, number(0..month)?, number(month..month + day)?)
    };
    // Groups as they were written say where the month ends, and where the day does: "10-168".
    let mut ends = Vec::new();
    for token in tokens {
        ends.push(ends.last().copied().unwrap_or(0) + token.word.len());
    }
    let splits: &[(usize, usize)] = match all.len() {
        8 => &[(2, 2)],
        7 => &[(1, 2), (2, 1)],
        6 => &[(2, 2), (1, 1)],
        5 => &[(1, 2), (2, 1)],
        _ => &[],
    };
    let fits = |(month, day): (usize, usize)| {
        usize::from(ends.contains(&month)) + usize::from(ends.contains(&(month + day)))
    };
    let mut best: Option<(usize, CivilDate)> = None;
    for &(month, day) in splits {
        let Some(date) = us(month, day) else { continue };
        let fit = fits((month, day));
        if best.is_none_or(|(most, _)| fit > most) {
            best = Some((fit, date));
        }
    }
    let iso = || valid(number(0..4)?, small(number(4..6)?)?, small(number(6..8)?)?);
    best.map(|(_, date)| date).or_else(|| iso().filter(|_| all.len() == 8))
}

/// Month, day and year as numbers one after the other, all of the answer used up.
fn month_day_year(tokens: &[Token<'_>], today: CivilDate) -> Option<CivilDate> {
    // Said digit by digit, a date has six digits or eight; four are something else.
    let single = (0..tokens.len()).all(|at| digit(tokens, at).is_some());
    if single && !matches!(tokens.len(), 6 | 8) {
        return None;
    }
    days(tokens, 0).into_iter().filter(|(month, _)| *month <= 12).find_map(|(month, after)| {
        days(tokens, after).into_iter().find_map(|(day, after)| {
            let (year, end) = year(tokens, after, today)?;
            (end == tokens.len()).then(|| valid(year, month, day)).flatten()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Wednesday.
    const TODAY: CivilDate = (2026, 3, 11);

    fn check(table: &[(&str, Option<CivilDate>)]) {
        for (text, expected) in table {
            assert_eq!(parse(text, TODAY), *expected, "{text:?}");
        }
    }

    #[test]
    fn reads_days_near_today() {
        check(&[
            ("today", Some((2026, 3, 11))),
            ("Today.", Some((2026, 3, 11))),
            ("tomorrow please", Some((2026, 3, 12))),
            ("the day after tomorrow", Some((2026, 3, 13))),
            ("yesterday", Some((2026, 3, 10))),
            ("friday", Some((2026, 3, 13))),
            ("on Friday", Some((2026, 3, 13))),
            ("this friday", Some((2026, 3, 13))),
            ("next friday", Some((2026, 3, 20))),
            ("last friday", Some((2026, 3, 6))),
            ("monday", Some((2026, 3, 16))),
            ("next monday", Some((2026, 3, 16))),
            ("this monday", Some((2026, 3, 16))),
            ("wednesday", Some((2026, 3, 18))),
            ("this wednesday", Some((2026, 3, 11))),
            ("next wednesday", Some((2026, 3, 18))),
            ("last wednesday", Some((2026, 3, 4))),
            ("Tues", Some((2026, 3, 17))),
            ("next week Friday", Some((2026, 3, 20))),
            ("last week Monday", Some((2026, 3, 2))),
            ("next week on tuesday", Some((2026, 3, 17))),
            ("Wednesday in a week", Some((2026, 3, 25))),
            ("friday in two weeks", Some((2026, 3, 27))),
            ("last night", Some((2026, 3, 10))),
            ("this morning", Some((2026, 3, 11))),
            ("awesome, the 5th will do it", Some((2026, 4, 5))),
            ("how about the third then", Some((2026, 4, 3))),
            ("last 10th", Some((2026, 3, 10))),
            ("last 13th", Some((2026, 2, 13))),
            ("next 30th", Some((2026, 3, 30))),
            ("in two weeks", Some((2026, 3, 25))),
            ("in three days", Some((2026, 3, 14))),
            ("in a week", Some((2026, 3, 18))),
            ("in a month", Some((2026, 4, 11))),
            ("in a couple of weeks", Some((2026, 3, 25))),
            ("two weeks from now", Some((2026, 3, 25))),
            ("a week from today", Some((2026, 3, 18))),
            ("a week from friday", Some((2026, 3, 20))),
            ("two days after tomorrow", Some((2026, 3, 14))),
            ("ten days ago", Some((2026, 3, 1))),
            ("the end of the month", Some((2026, 3, 31))),
            ("the fifteenth of next month", Some((2026, 4, 15))),
            ("the first of the month", Some((2026, 3, 1))),
        ]);
    }

    #[test]
    fn reads_months_and_days() {
        check(&[
            ("march third", Some((2027, 3, 3))),
            ("March 31st", Some((2026, 3, 31))),
            ("March the twenty first", Some((2026, 3, 21))),
            ("the third of march", Some((2027, 3, 3))),
            ("third of April", Some((2026, 4, 3))),
            ("march 3rd 2026", Some((2026, 3, 3))),
            ("March 3rd, 2026.", Some((2026, 3, 3))),
            ("3 March 2026", Some((2026, 3, 3))),
            ("seven May nineteen forty four", Some((1944, 5, 7))),
            ("march third two thousand and six", Some((2006, 3, 3))),
            ("march third two thousand six", Some((2006, 3, 3))),
            ("march third twenty twenty six", Some((2026, 3, 3))),
            ("march third twenty oh six", Some((2006, 3, 3))),
            ("march 3 20 26", Some((2026, 3, 3))),
            ("Dec 25", Some((2026, 12, 25))),
            ("sept 5th", Some((2026, 9, 5))),
            ("july fourth", Some((2026, 7, 4))),
            ("february twenty ninth", Some((2028, 2, 29))),
            ("february thirtieth", None),
            ("April thirty-first", None),
            ("march third next year", Some((2027, 3, 3))),
            ("Monday, March 16th", Some((2026, 3, 16))),
            ("the 3rd", Some((2026, 4, 3))),
            ("the third", Some((2026, 4, 3))),
            ("on the eleventh", Some((2026, 3, 11))),
            ("the 31st please", Some((2026, 3, 31))),
            ("F E B one eight one nine six four", Some((1964, 2, 18))),
            ("august twenty second nineteen sixty nine", Some((1969, 8, 22))),
            ("march third sixty eight", Some((1968, 3, 3))),
        ]);
    }

    #[test]
    fn reads_figures() {
        check(&[
            ("3/14", Some((2026, 3, 14))),
            ("3/4", Some((2027, 3, 4))),
            ("3/4/2026", Some((2026, 3, 4))),
            ("03/04/26", Some((2026, 3, 4))),
            ("3-4-2026", Some((2026, 3, 4))),
            ("25/12/2026", Some((2026, 12, 25))),
            ("2026-03-31", Some((2026, 3, 31))),
            ("7/14/61", Some((1961, 7, 14))),
            ("13/13/2026", None),
            ("07141961", Some((1961, 7, 14))),
            ("071461", Some((1961, 7, 14))),
            ("7 14 61", Some((1961, 7, 14))),
            ("7 14 1961", Some((1961, 7, 14))),
        ]);
    }

    #[test]
    fn reads_dates_of_birth_as_numbers() {
        check(&[
            ("seven fourteen sixty one", Some((1961, 7, 14))),
            ("eleven nine sixty eight", Some((1968, 11, 9))),
            ("three twenty seven sixty eight", Some((1968, 3, 27))),
            ("oh six oh seven six six", Some((1966, 6, 7))),
            ("one sixteen forty eight", Some((1948, 1, 16))),
            ("seven fifteen nineteen seventy", Some((1970, 7, 15))),
            ("it's ten one sixty eight", Some((1968, 10, 1))),
            ("twelve twenty four two thousand one", Some((2001, 12, 24))),
            ("twenty five twelve sixty eight", None),
        ]);
    }

    #[test]
    fn the_last_word_wins() {
        check(&[
            ("tomorrow, no, friday", Some((2026, 3, 13))),
            ("friday, sorry, saturday", Some((2026, 3, 14))),
            ("not friday, saturday", Some((2026, 3, 14))),
            ("march third I mean the fourth of march", Some((2027, 3, 4))),
        ]);
    }

    #[test]
    fn other_talk_is_no_date() {
        check(&[
            ("", None),
            ("hold on a second", None),
            ("the second time I called", None),
            ("wait for the third one", None),
            ("I may want that", None),
            ("one two three four", None),
            ("fifty dollars", None),
            ("whenever", None),
            ("in a minute", None),
            ("in 999999999999 weeks", None),
            ("a week", None),
        ]);
    }
}
