//! Times of day: "half past two", "two thirty p m", "a quarter to nine in the morning", "noon",
//! "14:30", "ten".
//!
//! A time that may be in the morning or in the evening is the one between 8:00 and 19:59; the
//! other one is offered with less confidence.

use std::ops::Range;

use super::calendar::CivilDate;
use super::date;
use super::fill::{Expectation, Found};
use super::number::{below_hundred, part};
use super::token::{Token, correction, is_filler, starts_with};

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// A time that may be either is taken to be in these hours, in which places are open.
const OPEN_HOURS: Range<u16> = 8 * 60..20 * 60;

/// What a time is worth that says which half of the day it is in.
const SAID_WHOLE: f32 = 0.95;
/// What one is worth that does not, and what the same time twelve hours off.
const EITHER_HALF: f32 = 0.75;
const OTHER_HALF: f32 = 0.3;
/// What a mere number is worth where a time was asked for.
const BARE: f32 = 0.65;
/// What each of several times is worth until the caller was asked which.
const ONE_OF_SEVERAL: f32 = 0.4;

/// Whether this is the normal form of a time: `14:30`.
pub fn is_valid(value: &str) -> bool {
    let Some((hour, minute)) = value.split_once(':') else { return false };
    let below = |text: &str, limit: u8| {
        text.len() == 2
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number < limit)
    };
    below(hour, 24) && below(minute, 60)
}

/// The time that keys give: `1430`, `0915`, or `930` and `9` for the time in opening hours.
pub(super) fn keyed(keys: &str) -> Option<String> {
    let (hour, minute) = match keys.len() {
        1 | 2 => (keys, "0"),
        3 | 4 => keys.split_at(keys.len() - 2),
        _ => return None,
    };
    let clock = Clock::new(hour.parse().ok()?, minute.parse().ok()?)?;
    let clock = Clock { is_whole_day: clock.is_whole_day || keys.len() == 4, ..clock };
    Some(normal_form(clock.readings(None).0))
}

fn normal_form(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// The times in an utterance. Usually one; two where the half of the day was not said.
pub(super) fn find(tokens: &[Token<'_>], today: CivilDate, expectation: Expectation) -> Vec<Found> {
    let dates: Vec<Range<usize>> =
        date::find(tokens, today).into_iter().map(|date| date.place).collect();
    let mut found = heard_times(tokens, &dates);
    let is_asked = expectation == Expectation::Asked;
    let is_short = tokens.iter().filter(|token| !is_filler(&token.word)).count() <= 4;
    found.retain(|time| {
        let is_led_in = is_short || is_after_preposition(tokens, time.place.start);
        let may_be = is_asked && !counts_something(tokens, time.place.end);
        match time.mark {
            Mark::Clear => true,
            Mark::Pair => may_be,
            Mark::Bare => may_be && is_led_in,
        }
    });
    let restart = found.iter().rposition(|time| time.corrects).unwrap_or(0);
    let found = found.split_off(restart);
    let Some(first) = found.first() else { return Vec::new() };
    if found.iter().any(|time| time.minutes != first.minutes) {
        let several = found.iter().map(|time| time.found(time.minutes, ONE_OF_SEVERAL));
        return several.collect();
    }
    match first.other {
        None => vec![first.found(first.minutes, SAID_WHOLE)],
        Some(other) => {
            let confidence = if first.mark == Mark::Bare { BARE } else { EITHER_HALF };
            vec![first.found(first.minutes, confidence), first.found(other, OTHER_HALF)]
        }
    }
}

/// How plain it is that a time was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// A mere number: "ten".
    Bare,
    /// Two numbers that are an hour and a minute: "two thirty".
    Pair,
    /// Nothing but a time: "half past two", "ten o'clock", "2:30".
    Clear,
}

/// A time that was heard.
struct HeardTime {
    /// From midnight.
    minutes: u16,
    /// Twelve hours off, if it may be that.
    other: Option<u16>,
    mark: Mark,
    corrects: bool,
    place: Range<usize>,
}

impl HeardTime {
    fn found(&self, minutes: u16, confidence: f32) -> Found {
        Found { value: normal_form(minutes), confidence, place: self.place.clone() }
    }
}

fn heard_times(tokens: &[Token<'_>], dates: &[Range<usize>]) -> Vec<HeardTime> {
    let mut found = Vec::new();
    let mut corrects = false;
    let mut at = 0;
    while at < tokens.len() {
        if let Some(date) = dates.iter().find(|date| date.contains(&at)) {
            at = date.end.max(at + 1);
        } else if let Some(mut time) = time_at(tokens, at) {
            let negated = at > 0 && tokens[at - 1].is("not");
            at = time.place.end.max(at + 1);
            time.corrects = corrects && !found.is_empty();
            if !negated {
                found.push(time);
                corrects = false;
            }
        } else if let Some(after) = correction(tokens, at) {
            corrects = true;
            at = after.max(at + 1);
        } else {
            at = number_end(tokens, at);
        }
    }
    found
}

/// The place after a number that is no time, so that its tail is not taken for one.
fn number_end(tokens: &[Token<'_>], at: usize) -> usize {
    let mut end = below_hundred(tokens, at).map_or(at + 1, |(_, end)| end);
    while tokens.get(end).is_some_and(|next| {
        next.is_figures() && tokens[end - 1].is_figures() && !next.gap.contains(' ')
    }) {
        end += 1;
    }
    end
}

/// "At ten", "around ten": a mere number that is a time.
fn is_after_preposition(tokens: &[Token<'_>], at: usize) -> bool {
    const WORDS: &[&str] = &[
        "at", "around", "about", "by", "until", "till", "before", "after", "like", "say", "it's",
        "maybe", "that", "from",
    ];
    at > 0 && tokens[at - 1].is_any(WORDS)
}

/// "Two days": the number is not one of a clock.
fn counts_something(tokens: &[Token<'_>], at: usize) -> bool {
    const WORDS: &[&str] = &[
        "day", "days", "week", "weeks", "month", "months", "year", "years", "hour", "hours",
        "minute", "minutes", "people", "persons", "of", "percent", "dollars", "pounds", "times",
        "more", "other", "things", "moment", "second", "seconds",
    ];
    tokens.get(at).is_some_and(|token| token.is_any(WORDS))
}

/// An hour and a minute as said.
#[derive(Debug, Clone, Copy)]
struct Clock {
    hour: u16,
    minute: u16,
    /// On the 24-hour clock, so that nothing is left open.
    is_whole_day: bool,
}

/// A half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Morning,
    /// From noon to midnight.
    Afternoon,
    /// "At night": either, by the hour.
    Night,
}

impl Clock {
    fn new(hour: u16, minute: u16) -> Option<Self> {
        let is_whole_day = hour == 0 || hour > 12;
        (hour < 24 && minute < 60).then_some(Self { hour, minute, is_whole_day })
    }

    /// Minutes from midnight, and the same time twelve hours off where it may be that too.
    fn readings(self, half: Option<Half>) -> (u16, Option<u16>) {
        let said = self.hour * 60 + self.minute;
        let (early, late) = (said % (DAY / 2), said % (DAY / 2) + DAY / 2);
        let is_late = match half {
            _ if self.is_whole_day => return (said, None),
            Some(Half::Morning) => false,
            Some(Half::Afternoon) => true,
            // "Two at night" is early, "nine at night" late.
            Some(Half::Night) => (5 * 60..DAY / 2).contains(&early),
            None if OPEN_HOURS.contains(&early) => return (early, Some(late)),
            None => return (late, Some(early)),
        };
        (if is_late { late } else { early }, None)
    }
}

/// The time that begins at `at`.
fn time_at(tokens: &[Token<'_>], at: usize) -> Option<HeardTime> {
    let whole = |minutes: u16, end: usize| HeardTime {
        minutes,
        other: None,
        mark: Mark::Clear,
        corrects: false,
        place: at..end,
    };
    if tokens.get(at)?.is_any(&["noon", "midday"]) {
        return Some(whole(DAY / 2, at + 1));
    }
    if tokens[at].is("midnight") {
        return Some(whole(0, at + 1));
    }
    let (clock, end, mark) = relative(tokens, at).or_else(|| plain(tokens, at))?;
    if clock.hour == 12 && clock.minute == 0 {
        match tokens.get(end).map(|token| token.word.as_str()) {
            Some("noon" | "midday") => return Some(whole(DAY / 2, end + 1)),
            Some("midnight") => return Some(whole(0, end + 1)),
            _ => {}
        }
    }
    let (mark, end) = match o_clock(tokens, end) {
        Some(after) => (Mark::Clear, after),
        None => (mark, end),
    };
    let behind = half_at(tokens, end);
    let half = behind.map(|(half, _)| half).or_else(|| half_before(tokens, at));
    let (minutes, other) = clock.readings(half);
    Some(HeardTime {
        minutes,
        other,
        mark: if half.is_some() { Mark::Clear } else { mark },
        corrects: false,
        place: at..behind.map_or(end, |(_, end)| end),
    })
}

/// A clock's time, the place after it, and how plain it is that it is one.
type Said = (Clock, usize, Mark);

/// "Half past two", "a quarter to nine", "ten past three", "half two".
fn relative(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let start = at + usize::from(tokens.get(at)?.is("a"));
    let first = tokens.get(start)?;
    let (minutes, mut next) = match first.word.as_str() {
        "half" => (30, start + 1),
        "quarter" => (15, start + 1),
        _ => small_number(tokens, start)?,
    };
    let says_minutes = tokens.get(next).is_some_and(|token| token.is_any(&["minute", "minutes"]));
    next += usize::from(says_minutes);
    let word = tokens.get(next)?;
    let is_round = matches!(minutes, 5 | 10 | 15 | 20 | 25);
    let is_past = word.is_any(&["past", "after"]);
    let is_to = word.is_any(&["to", "til", "till", "until", "before"])
        || (word.is("of") && (says_minutes || first.is("quarter")));
    let hour_at = match (is_past, is_to) {
        (true, _) => next + 1,
        (_, true) if (is_round || says_minutes) && minutes != 30 => next + 1,
        // "Half two".
        _ if first.is("half") => next,
        _ => return None,
    };
    let (hour, end) = small_number(tokens, hour_at).filter(|(hour, _)| (1..=12).contains(hour))?;
    if !(1..=30).contains(&minutes) || counts_something(tokens, end) {
        return None;
    }
    let (hour, minute) = match is_to && !is_past {
        true => (if hour == 1 { 12 } else { hour - 1 }, 60 - minutes),
        false => (hour, minutes),
    };
    Some((Clock::new(hour, minute)?, end, Mark::Clear))
}

/// "Two thirty", "14:30", "ten", "oh nine hundred".
fn plain(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    if tokens.get(at)?.is_figures() {
        return figures(tokens, at);
    }
    let is_zero = tokens[at].is_any(&["oh", "o", "zero"]);
    let (hour, after) = match is_zero {
        true => unit(tokens, at + 1)?,
        false => {
            let (hour, end) = below_hundred(tokens, at)?;
            (u16::try_from(hour).ok()?, end)
        }
    };
    let hours = |end: usize| end + usize::from(tokens.get(end).is_some_and(|t| t.is("hours")));
    if tokens.get(after).is_some_and(|token| token.is("hundred")) {
        let end = hours(after + 1);
        let is_marked = is_zero || end > after + 1;
        // "Two hundred" is a number, "fourteen hundred" may be a time.
        let clock = Clock::new(hour, 0).filter(|clock| is_marked || clock.is_whole_day)?;
        let mark = if is_marked { Mark::Clear } else { Mark::Bare };
        return Some((Clock { is_whole_day: true, ..clock }, end, mark));
    }
    let clock = |minute: u16| {
        let clock = Clock::new(hour, minute)?;
        Some(Clock { is_whole_day: clock.is_whole_day || is_zero, ..clock })
    };
    match minute(tokens, after) {
        Some((minute, end)) => Some((clock(minute)?, hours(end), Mark::Pair)),
        // "Oh two" is no time, and neither is the one of "one moment".
        None if is_zero => None,
        None => Some((clock(0)?, after, Mark::Bare)),
    }
}

/// "14:30", "2.30", "2 30", "230", "9am".
fn figures(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let first = tokens.get(at)?;
    let is_glued = |end: usize| {
        tokens.get(end).is_some_and(|next| {
            next.gap.is_empty() && !next.is_any(&["am", "pm", "a", "p", "o", "h"])
        })
    };
    let number = |text: &str| text.parse::<u16>().ok();
    let with_zero = first.word.starts_with('0');
    let whole = |clock: Clock, digits: usize| Clock {
        is_whole_day: clock.is_whole_day || (with_zero && digits == 2),
        ..clock
    };
    if (3..=4).contains(&first.word.len()) && !is_glued(at + 1) {
        let (hour, minute) = first.word.split_at(first.word.len() - 2);
        let clock = whole(Clock::new(number(hour)?, number(minute)?)?, hour.len());
        let hours = tokens.get(at + 1).is_some_and(|token| token.is("hours"));
        let mark = if hours { Mark::Clear } else { Mark::Bare };
        return Some((clock, at + 1 + usize::from(hours), mark));
    }
    if first.word.len() > 2 {
        return None;
    }
    let joined = tokens.get(at + 1).filter(|next| {
        next.is_figures() && next.word.len() == 2 && matches!(next.gap, ":" | "." | " " | ": ")
    });
    if let Some(minute) = joined.and_then(|next| number(&next.word)).filter(|minute| *minute < 60) {
        let clock = whole(Clock::new(number(&first.word)?, minute)?, first.word.len());
        let mark = if tokens[at + 1].gap.contains(':') { Mark::Clear } else { Mark::Pair };
        return (!is_glued(at + 2)).then_some((clock, at + 2, mark));
    }
    if is_glued(at + 1) {
        return None;
    }
    let clock = whole(Clock::new(number(&first.word)?, 0)?, 0);
    Some((clock, at + 1, Mark::Bare))
}

/// Minutes said behind an hour: "thirty", "oh five", "forty five".
fn minute(tokens: &[Token<'_>], at: usize) -> Option<(u16, usize)> {
    let first = tokens.get(at)?;
    if first.is_any(&["oh", "o", "zero"]) {
        return unit(tokens, at + 1);
    }
    // "Ten, eleven" are two hours.
    if first.is_set_apart() {
        return None;
    }
    let (minute, end) = match first.is_figures() {
        true => (first.word.parse().ok()?, at + 1),
        false => small_number(tokens, at)?,
    };
    (10..60).contains(&minute).then_some((minute, end))
}

/// 1 to 9 in words.
fn unit(tokens: &[Token<'_>], at: usize) -> Option<(u16, usize)> {
    let (value, _) = below_hundred(tokens.get(..at + 1)?, at)?;
    u16::try_from(value).ok().filter(|value| (1..10).contains(value)).map(|value| (value, at + 1))
}

/// A number below a hundred, in words or figures.
fn small_number(tokens: &[Token<'_>], at: usize) -> Option<(u16, usize)> {
    let token = tokens.get(at)?;
    if token.is_figures() && token.word.len() <= 2 {
        return Some((token.word.parse().ok()?, at + 1));
    }
    part(&token.word)?;
    let (value, end) = below_hundred(tokens, at)?;
    Some((u16::try_from(value).ok()?, end))
}

/// The place after "o'clock".
fn o_clock(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    [&["o'clock"][..], &["o", "clock"], &["oh", "clock"], &["oclock"], &["a", "clock"]]
        .into_iter()
        .find(|words| starts_with(tokens, at, words))
        .map(|words| at + words.len())
}

/// The half of the day that is said at `at`, and the place after.
fn half_at(tokens: &[Token<'_>], at: usize) -> Option<(Half, usize)> {
    const PHRASES: &[(&[&str], Half)] = &[
        (&["am"], Half::Morning),
        (&["a", "m"], Half::Morning),
        (&["in", "the", "morning"], Half::Morning),
        (&["this", "morning"], Half::Morning),
        (&["tomorrow", "morning"], Half::Morning),
        (&["morning"], Half::Morning),
        (&["pm"], Half::Afternoon),
        (&["p", "m"], Half::Afternoon),
        (&["p", "n"], Half::Afternoon),
        (&["in", "the", "afternoon"], Half::Afternoon),
        (&["this", "afternoon"], Half::Afternoon),
        (&["tomorrow", "afternoon"], Half::Afternoon),
        (&["afternoon"], Half::Afternoon),
        (&["in", "the", "evening"], Half::Afternoon),
        (&["this", "evening"], Half::Afternoon),
        (&["tomorrow", "evening"], Half::Afternoon),
        (&["evening"], Half::Afternoon),
        (&["at", "night"], Half::Night),
        (&["tonight"], Half::Night),
    ];
    PHRASES
        .iter()
        .find(|(words, _)| starts_with(tokens, at, words))
        .map(|(words, half)| (*half, at + words.len()))
}

/// "In the morning at nine", "tomorrow afternoon, around three".
fn half_before(tokens: &[Token<'_>], at: usize) -> Option<Half> {
    const REACH: usize = 3;
    tokens[at.saturating_sub(REACH)..at].iter().rev().find_map(|token| match token.word.as_str() {
        "morning" => Some(Half::Morning),
        "afternoon" | "evening" => Some(Half::Afternoon),
        "tonight" | "night" => Some(Half::Night),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    const TODAY: CivilDate = (2026, 3, 11);

    /// The likeliest time and the other one, if there is one.
    fn times(text: &str, expectation: Expectation) -> Vec<String> {
        find(&tokens(text), TODAY, expectation).into_iter().map(|found| found.value).collect()
    }

    #[test]
    fn reads_times() {
        for (text, expected) in [
            ("half past two", &["14:30", "02:30"][..]),
            ("half two", &["14:30", "02:30"]),
            ("two thirty p m", &["14:30"]),
            ("2:30 p.m.", &["14:30"]),
            ("2:30PM", &["14:30"]),
            ("2.30 pm", &["14:30"]),
            ("230 pm", &["14:30"]),
            ("two thirty", &["14:30", "02:30"]),
            ("2 30", &["14:30", "02:30"]),
            ("14:30", &["14:30"]),
            ("fourteen thirty", &["14:30"]),
            ("fourteen hundred hours", &["14:00"]),
            ("oh nine hundred", &["09:00"]),
            ("oh eight thirty", &["08:30"]),
            ("08:30", &["08:30"]),
            ("1430 hours", &["14:30"]),
            ("twenty two fifteen", &["22:15"]),
            ("a quarter to nine in the morning", &["08:45"]),
            ("quarter to nine", &["08:45", "20:45"]),
            ("quarter of nine", &["08:45", "20:45"]),
            ("a quarter past one", &["13:15", "01:15"]),
            ("quarter after four in the afternoon", &["16:15"]),
            ("ten past three", &["15:10", "03:10"]),
            ("ten to two", &["13:50", "01:50"]),
            ("twenty five to one", &["12:35", "00:35"]),
            ("five minutes to six in the evening", &["17:55"]),
            ("noon", &["12:00"]),
            ("twelve noon", &["12:00"]),
            ("midnight", &["00:00"]),
            ("12 midnight", &["00:00"]),
            ("twelve", &["12:00", "00:00"]),
            ("12:15 am", &["00:15"]),
            ("twelve fifteen p m", &["12:15"]),
            ("ten", &["10:00", "22:00"]),
            ("10.", &["10:00", "22:00"]),
            ("ten o'clock", &["10:00", "22:00"]),
            ("ten o clock please", &["10:00", "22:00"]),
            ("10am", &["10:00"]),
            ("at ten a m", &["10:00"]),
            ("nine at night", &["21:00"]),
            ("two at night", &["02:00"]),
            ("seven", &["19:00", "07:00"]),
            ("eight", &["08:00", "20:00"]),
            ("two oh five", &["14:05", "02:05"]),
            ("six o five pm", &["18:05"]),
            ("I think two thirty would suit me best", &["14:30", "02:30"]),
            ("could we say around ten", &["10:00", "22:00"]),
            ("tomorrow morning at nine", &["09:00"]),
            ("on March third at ten", &["10:00", "22:00"]),
            ("half past two, no, half past three", &["15:30", "03:30"]),
            ("ten, sorry, eleven am", &["11:00"]),
            ("not ten, eleven am", &["11:00"]),
            ("ten or eleven am", &["10:00", "11:00"]),
            ("ten am or eleven am", &["10:00", "11:00"]),
            ("in two days", &[]),
            ("twenty five", &[]),
            ("25:00", &[]),
            ("half an hour", &[]),
            ("the 3rd", &[]),
            ("I would like to know about two other things", &[]),
            ("I don't know", &[]),
            ("", &[]),
        ] {
            assert_eq!(times(text, Expectation::Asked), *expected, "{text}");
        }
    }

    #[test]
    fn takes_unasked_only_what_can_be_nothing_else() {
        for (text, expected) in [
            ("book a table for four at 7:30 pm", &["19:30"][..]),
            ("can you call me at noon", &["12:00"]),
            ("call me at half past two", &["14:30", "02:30"]),
            ("move two hundred to savings", &[]),
            ("my account is 1430", &[]),
            ("I called at ten", &[]),
            ("that makes two thirty", &[]),
        ] {
            assert_eq!(times(text, Expectation::Volunteered), *expected, "{text}");
        }
    }

    #[test]
    fn is_surer_the_more_was_said() {
        let sure = |text: &str| find(&tokens(text), TODAY, Expectation::Asked)[0].confidence;
        assert!(sure("ten a m") > sure("half past ten"));
        assert!(sure("half past ten") > sure("ten"));
        let both = find(&tokens("half past ten"), TODAY, Expectation::Asked);
        assert!(both[0].confidence > 0.5 && both[1].confidence < 0.5);
    }

    #[test]
    fn reads_keys_and_knows_the_normal_form() {
        for (keys, expected) in [
            ("1430", Some("14:30")),
            ("0230", Some("02:30")),
            ("230", Some("14:30")),
            ("930", Some("09:30")),
            ("9", Some("09:00")),
            ("12", Some("12:00")),
            ("2460", None),
            ("", None),
            ("12345", None),
        ] {
            assert_eq!(keyed(keys).as_deref(), expected, "{keys}");
        }
        for value in ["00:00", "14:30", "23:59"] {
            assert!(is_valid(value), "{value}");
        }
        for value in ["24:00", "14:60", "9:30", "1430", "14:3", "+1:30", ""] {
            assert!(!is_valid(value), "{value}");
        }
    }
}
