//! Phone numbers: national and international, in whatever grouping, extensions left out.
//!
//! Ten digits are a US number unless a country is said ("plus four four", "zero zero four four",
//! "oh one one four four").

use super::digits::{Run, confidence, runs};
use super::fill::{Expectation, Found};
use super::fit::best_fit;
use super::token::{Token, starts_with};

/// Digits of a phone number (ITU-T E.164 allows fifteen, with the country's).
const DIGITS_MIN: usize = 7;
const DIGITS_MAX: usize = 15;

/// Words between what a number is called and its digits ("call me back at").
const WORDS_BETWEEN_MAX: usize = 6;

/// What a phone number is called in a sentence that was not asked for one.
const LEAD_INS: &[&str] = &[
    "phone",
    "telephone",
    "cell",
    "cellphone",
    "mobile",
    "landline",
    "call",
    "reach",
    "callback",
    "text",
];

/// Whether this is the normal form of a phone number.
pub fn is_valid(value: &str) -> bool {
    let digits = value.strip_prefix('+').unwrap_or(value);
    let fits = if value.starts_with("+1") {
        digits.len() == 11
    } else {
        (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
    };
    fits && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The normal form of digits that were said or keyed, with a "plus" before them or without.
pub(super) fn normal_form(digits: &str, has_plus: bool) -> Option<String> {
    // What is dialled before a foreign number, in Europe and in America. "011" and eight digits
    // more are a number in Sheffield.
    let abroad = digits
        .strip_prefix("00")
        .or_else(|| digits.strip_prefix("011").filter(|_| digits.len() > 11))
        .filter(|_| !has_plus);
    let value = match (abroad, digits.len()) {
        (Some(rest), _) => format!("+{rest}"),
        (None, _) if has_plus => format!("+{digits}"),
        (None, 10) if is_american(digits) => format!("+1{digits}"),
        (None, 11) if digits.strip_prefix('1').is_some_and(is_american) => format!("+{digits}"),
        _ => digits.to_owned(),
    };
    is_valid(&value).then_some(value)
}

/// Ten digits whose area code no other country's numbers have: none begins with 0 or 1.
fn is_american(digits: &str) -> bool {
    digits.len() == 10 && !digits.starts_with(['0', '1'])
}

/// The phone number in an utterance. One that was not asked for has to be called one ("call me
/// at"), or be written like one.
pub(super) fn find(tokens: &[Token<'_>], expectation: Expectation) -> Vec<Found> {
    let found = area_code_last(tokens).or_else(|| number(tokens, expectation));
    found.into_iter().collect()
}

fn number(tokens: &[Token<'_>], expectation: Expectation) -> Option<Found> {
    let (kept, places) = without_asides(tokens);
    let runs = runs(&kept);
    let has_plus = runs.iter().any(|run| has_plus(&kept, run));
    let fit = best_fit(&runs, &|digits| penalty(digits, has_plus))?;
    if expectation == Expectation::Volunteered {
        let before = fit.first.saturating_sub(WORDS_BETWEEN_MAX)..fit.first;
        let is_called = kept[before].iter().any(|token| token.is_any(LEAD_INS));
        let is_written = is_grouped(&kept[fit.first..fit.end]);
        if fit.cost > 0 || !(is_called || is_written) {
            return None;
        }
    }
    let first = *places.get(fit.first)?;
    let last = *places.get(fit.end.checked_sub(1)?)?;
    Some(Found {
        value: normal_form(&fit.digits, has_plus)?,
        confidence: confidence(fit.cost),
        place: first..last + 1,
    })
}

/// How unusual so many digits are for a phone number.
fn penalty(digits: &str, has_plus: bool) -> Option<u32> {
    normal_form(digits, has_plus)?;
    let cost = match digits.len() {
        10.. if has_plus => 0,
        10 if is_american(digits) => 0,
        11 if digits.strip_prefix('1').is_some_and(is_american) => 0,
        10 | 11 if digits.starts_with('0') => 0,
        12.. if digits.starts_with("00") || digits.starts_with("011") => 0,
        7 => 1,
        _ => 3,
    };
    Some(cost)
}

/// The words without "area code" and without an extension, and where each was.
fn without_asides<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<usize>) {
    let mut kept = Vec::new();
    let mut places = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_extension(tokens, at) {
            break;
        }
        if starts_with(tokens, at, &["area", "code"]) {
            at += 2;
            continue;
        }
        kept.push(tokens[at].clone());
        places.push(at);
        at += 1;
    }
    (kept, places)
}

/// "Extension 204", "x204".
fn is_extension(tokens: &[Token<'_>], at: usize) -> bool {
    let next_is_figures = tokens.get(at + 1).is_some_and(Token::is_figures);
    at > 0 && (tokens[at].is_any(&["extension", "ext"]) || (tokens[at].is("x") && next_is_figures))
}

/// "+44", "plus four four".
fn has_plus(tokens: &[Token<'_>], run: &Run) -> bool {
    let is_written = tokens.get(run.first).is_some_and(|token| token.gap.contains('+'));
    let before = run.first.checked_sub(1).and_then(|before| tokens.get(before));
    is_written || before.is_some_and(|token| token.is("plus"))
}

/// "555-0123": figures in the groups that US numbers are written in.
fn is_grouped(tokens: &[Token<'_>]) -> bool {
    let groups: Vec<usize> =
        tokens.iter().filter(|token| token.is_figures()).map(|token| token.word.len()).collect();
    groups.len() == tokens.len() && matches!(groups[..], [3, 3, 4] | [1, 3, 3, 4])
}

/// "555 0123, area code 415".
fn area_code_last(tokens: &[Token<'_>]) -> Option<Found> {
    const LOCAL_DIGITS: usize = 7;
    const AREA_DIGITS: usize = 3;
    let at = (0..tokens.len()).find(|at| starts_with(tokens, *at, &["area", "code"]))?;
    let (before, after) = (runs(&tokens[..at]), runs(&tokens[at + 2..]));
    let local = before.last().filter(|run| run.plain().len() == LOCAL_DIGITS)?;
    let area = after.first().filter(|run| run.plain().len() == AREA_DIGITS)?;
    Some(Found {
        value: normal_form(&format!("{}{}", area.plain(), local.plain()), false)?,
        confidence: confidence(1),
        place: local.first..at + 2 + area.end,
    })
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    fn phone(text: &str, expectation: Expectation) -> Option<String> {
        find(&tokens(text), expectation).pop().map(|found| found.value)
    }

    #[test]
    fn reads_phone_numbers() {
        const HERE: &str = "+14155550123";
        const LONDON: &str = "+442079460958";
        for (text, expected) in [
            ("4155550123", Some(HERE)),
            ("415 555 0123", Some(HERE)),
            ("415-555-0123.", Some(HERE)),
            ("(415) 555-0123", Some(HERE)),
            ("415.555.0123", Some(HERE)),
            ("It's 415-555-0123, thank you.", Some(HERE)),
            ("four one five five five five oh one two three", Some(HERE)),
            ("four one five, five five five, zero one two three", Some(HERE)),
            ("for one five five five five of one two three", Some(HERE)),
            ("four fifteen, triple five, oh one two three", Some(HERE)),
            ("four fifteen five fifty five oh one twenty three", Some(HERE)),
            ("four one five double five five oh one two three", Some(HERE)),
            ("area code 415, 555-0123", Some(HERE)),
            (
                "area code four one five and the number is five five five oh one two three",
                Some(HERE),
            ),
            ("555 0123, area code 415", Some(HERE)),
            ("1 415 555 0123", Some(HERE)),
            ("one four one five five five five oh one two three", Some(HERE)),
            ("+1 415 555 0123", Some(HERE)),
            ("plus one four one five five five five oh one two three", Some(HERE)),
            ("415-555-0123 extension 204", Some(HERE)),
            ("415-555-0123 ext. 204", Some(HERE)),
            ("415-555-0123 x204", Some(HERE)),
            ("415, uh, 555, let me see, 0123", Some(HERE)),
            ("I have two, the first is 415 555 0123", Some(HERE)),
            ("415 555 0124 no 0123", Some(HERE)),
            ("415 555 9999, sorry, 415 555 0123", Some(HERE)),
            ("eight hundred five five five oh one two three", Some("+18005550123")),
            ("one eight hundred five five five oh one two three", Some("+18005550123")),
            ("+44 20 7946 0958", Some(LONDON)),
            ("plus four four two oh seven nine four six oh nine five eight", Some(LONDON)),
            ("zero zero four four two zero seven nine four six zero nine five eight", Some(LONDON)),
            ("double oh four four twenty 7946 0958", Some(LONDON)),
            ("011 44 20 7946 0958", Some(LONDON)),
            ("oh two oh seven nine four six oh nine five eight", Some("02079460958")),
            ("555-0123", Some("5550123")),
            ("five five five oh one two three", Some("5550123")),
            ("four one five five five five", None),
            ("extension 204", None),
            ("I don't have one", None),
            ("", None),
        ] {
            assert_eq!(phone(text, Expectation::Asked).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn takes_unasked_only_what_is_called_or_written_like_a_phone_number() {
        for (text, expected) in [
            ("please call me at four one five five five five oh one two three", true),
            ("my cell is 4155550123", true),
            ("415-555-0123", true),
            ("it's (415) 555-0123", true),
            ("my account is 4155550123", false),
            ("four one five five five five oh one two three", false),
            ("move fifty dollars", false),
        ] {
            assert_eq!(phone(text, Expectation::Volunteered).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn knows_the_normal_form() {
        for (value, valid) in [
            ("+14155550123", true),
            ("+442079460958", true),
            ("02079460958", true),
            ("5550123", true),
            ("+1415555012", false),
            ("+141555501234", false),
            ("555012", false),
            ("415 555 0123", false),
            ("1234567890123456", false),
            ("+", false),
            ("", false),
        ] {
            assert_eq!(is_valid(value), valid, "{value}");
        }
    }
}
