//! Which of the readings of an utterance's digits is the number that was asked for, where more
//! than its length tells: phone numbers, ZIP codes, payment cards.

use std::cmp::Reverse;

use super::digits::{Reading, Run, join, said_twice};

/// A number that fits. Not `Debug`: it holds what a caller said.
pub(super) struct Fit {
    pub digits: String,
    /// 0 for the plain reading of a usual number, more for everything unusual about it.
    pub cost: u32,
    /// First token and the place after the last.
    pub first: usize,
    pub end: usize,
}

/// The number that fits best. `penalty` says how unusual digits are for what was asked, `None` if
/// they cannot be it at all.
pub(super) fn best_fit(runs: &[Run], penalty: &dyn Fn(&str) -> Option<u32>) -> Option<Fit> {
    let kept: Vec<&Run> = runs.iter().filter(|run| !run.negated).collect();
    let restart = kept.iter().rposition(|run| run.corrects).unwrap_or(0);
    let (head, tail) = kept.split_at(restart);
    // Of two that fit equally well the longer one leaves less of what was said over.
    let whole = [single(tail, penalty), joined(tail, penalty)]
        .into_iter()
        .flatten()
        .min_by_key(|fit| (fit.cost, Reverse(fit.digits.len())));
    whole.or_else(|| patched(head, tail, penalty))
}

/// One run that is the number by itself.
fn single(tail: &[&Run], penalty: &dyn Fn(&str) -> Option<u32>) -> Option<Fit> {
    tail.iter()
        .filter_map(|run| {
            let (digits, cost) = cheapest(&run.readings, penalty)?;
            Some(Fit { digits, cost, first: run.first, end: run.end })
        })
        .min_by_key(|fit| fit.cost)
}

/// All runs in a row, for numbers with other words in between.
fn joined(tail: &[&Run], penalty: &dyn Fn(&str) -> Option<u32>) -> Option<Fit> {
    let (first, last) = (tail.first()?, tail.last()?);
    if tail.len() < 2 {
        return None;
    }
    let (digits, cost) = cheapest(&join(tail), penalty)?;
    Some(Fit { digits, cost: cost + 1, first: first.first, end: last.end })
}

/// "... seven eight, no, seven nine": the few digits after the "no" take the place of as many
/// before it.
fn patched(head: &[&Run], tail: &[&Run], penalty: &dyn Fn(&str) -> Option<u32>) -> Option<Fit> {
    let plain = |runs: &[&Run]| runs.iter().map(|run| run.plain()).collect::<String>();
    let (before, after) = (plain(head), plain(tail));
    let kept = before.len().checked_sub(after.len()).filter(|kept| *kept > 0)?;
    let digits = format!("{}{after}", before.get(..kept)?);
    let cost = penalty(&digits)? + 3;
    Some(Fit { digits, cost, first: head.first()?.first, end: tail.last()?.end })
}

/// The cheapest of some readings, or of one that was said twice in one go.
fn cheapest<'a>(
    readings: impl IntoIterator<Item = &'a Reading>,
    penalty: &dyn Fn(&str) -> Option<u32>,
) -> Option<(String, u32)> {
    readings
        .into_iter()
        .flat_map(|reading| {
            let whole = penalty(&reading.digits)
                .map(|extra| (reading.digits.clone(), reading.cost + extra));
            let half = said_twice(&reading.digits)
                .and_then(|half| Some((half.to_owned(), penalty(half)? + reading.cost + 1)));
            whole.into_iter().chain(half)
        })
        .min_by_key(|(_, cost)| *cost)
}

#[cfg(test)]
mod tests {
    use super::super::digits::runs;
    use super::super::token::tokens;
    use super::*;

    #[test]
    fn finds_the_number_that_fits() {
        let six = |digits: &str| (digits.len() == 6).then_some(0_u32);
        for (text, expected) in [
            ("one two three four five six", Some("123456")),
            ("I have two, it's 123456", Some("123456")),
            ("123, let me see, 456", Some("123456")),
            ("123456 no 78", Some("123478")),
            ("123456, sorry, 654321", Some("654321")),
            ("123456 123456", Some("123456")),
            ("654321, not 123456", Some("654321")),
            ("12345", None),
            ("no", None),
            ("", None),
        ] {
            let found = best_fit(&runs(&tokens(text)), &six);
            assert_eq!(found.map(|fit| fit.digits).as_deref(), expected, "{text}");
        }
    }
}
