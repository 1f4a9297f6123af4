//! Digit strings: account numbers, PINs, phone numbers, said in whatever grouping comes to mind.
//!
//! "Twenty one" is 21 or 20-1, "eight hundred five" 805 or 800-5. All readings of a run of digits
//! are kept with a cost for how unusual they are, and the length that is asked for decides.

use super::number::{Part, cardinal, part};
use super::token::{Token, correction, is_filler, tokens};
use crate::base::Pii;

pub use super::patch::{patch, patch_value};

/// Digits after which a reading is given up: longer than any number a caller reads out.
const DIGITS_MAX: usize = 40;
/// Readings kept of each length; the cheapest win.
const READINGS_PER_LENGTH_MAX: usize = 4;

/// What was made of the digits in an utterance.
#[derive(Debug, Clone, PartialEq)]
pub enum DigitsResult {
    /// A number of the length asked for.
    Exact(DigitsMatch),
    /// Digits, but not enough: a piece, or a number with a digit lost.
    TooFew(Pii<String>),
    /// More digits than asked for.
    TooMany(Pii<String>),
    /// No digits at all.
    None,
}

/// A digit string of the right length.
#[derive(Debug, Clone, PartialEq)]
pub struct DigitsMatch {
    /// The digits.
    pub digits: Pii<String>,
    /// 0 to 1.
    pub confidence: f32,
    /// Other readings that fit the length, likeliest first.
    pub alternatives: Vec<Pii<String>>,
}

/// Finds the digit string of `min` to `max` digits that the caller means.
pub fn parse(text: &str, min: usize, max: usize) -> DigitsResult {
    let tokens = tokens(text);
    let runs = runs(&tokens);
    resolve(&runs, min.max(1), max)
}

/// Takes in a further piece of a value that arrives over several utterances. `prefix` is what
/// has been collected so far. A caller who starts over with the whole number is understood.
pub fn append(prefix: &str, text: &str, min: usize, max: usize) -> DigitsResult {
    if prefix.is_empty() {
        return parse(text, min, max);
    }
    let whole = parse(text, min, max);
    if let DigitsResult::Exact(found) = &whole {
        let repeats = found.digits.expose().starts_with(prefix);
        if repeats || prefix.len() + found.digits.expose().len() > max {
            return whole;
        }
    }
    let join = |digits: Pii<String>| Pii::new(format!("{prefix}{}", digits.expose()));
    let room = max.saturating_sub(prefix.len());
    match parse(text, min.saturating_sub(prefix.len()), room) {
        DigitsResult::Exact(found) => DigitsResult::Exact(DigitsMatch {
            digits: join(found.digits),
            confidence: found.confidence,
            alternatives: found.alternatives.into_iter().map(join).collect(),
        }),
        DigitsResult::TooFew(piece) => DigitsResult::TooFew(join(piece)),
        DigitsResult::TooMany(piece) => DigitsResult::TooMany(join(piece)),
        DigitsResult::None if prefix.len() < min => {
            DigitsResult::TooFew(Pii::new(prefix.to_owned()))
        }
        DigitsResult::None => DigitsResult::None,
    }
}

/// One way to read a run of words as digits. Not `Debug`: it holds a caller's number.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub digits: String,
    /// 0 for the plain reading, more for every unusual step.
    pub cost: u32,
}

/// An unbroken run of digit words.
#[derive(Clone)]
pub(super) struct Run {
    /// First token and the place after the last.
    pub first: usize,
    pub end: usize,
    /// Cheapest first, one for each digit string.
    pub readings: Vec<Reading>,
    /// The caller took back what came before ("no", "I mean").
    pub corrects: bool,
    /// "Not 1234".
    pub negated: bool,
}

impl Run {
    fn fitting(&self, min: usize, max: usize) -> Vec<&Reading> {
        self.readings.iter().filter(|reading| fits(&reading.digits, min, max)).collect()
    }

    /// The digits of the likeliest reading.
    pub fn plain(&self) -> &str {
        self.readings.first().map_or("", |reading| &reading.digits)
    }
}

fn fits(digits: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&digits.len())
}

/// Chooses among the runs of an utterance.
fn resolve(runs: &[Run], min: usize, max: usize) -> DigitsResult {
    let kept: Vec<&Run> = runs.iter().filter(|run| !run.negated).collect();
    if kept.is_empty() {
        return DigitsResult::None;
    }
    let restart = kept.iter().rposition(|run| run.corrects).unwrap_or(0);
    let (head, tail) = kept.split_at(restart);
    let corrected_factor = if head.is_empty() { 1.0 } else { 0.85 };
    if let Some(found) = pick(tail, min, max, corrected_factor) {
        return DigitsResult::Exact(found);
    }
    if let Some(found) = pick_joined(tail, min, max, corrected_factor) {
        return DigitsResult::Exact(found);
    }
    let tail_plain: String = tail.iter().map(|run| run.plain()).collect();
    if !head.is_empty() {
        return resolve_partial_correction(head, &tail_plain, min, max);
    }
    if let Some(half) = said_twice(&tail_plain).filter(|half| fits(half, min, max)) {
        return exact(half.to_owned(), 0.75);
    }
    by_length(tail_plain, min)
}

/// "One two three no four": the few digits after the "no" take the place of as many before it.
fn resolve_partial_correction(head: &[&Run], tail: &str, min: usize, max: usize) -> DigitsResult {
    let head: String = head.iter().map(|run| run.plain()).collect();
    if tail.len() < min && tail.len() < head.len() {
        let patched = format!("{}{tail}", &head[..head.len() - tail.len()]);
        if fits(&patched, min, max) {
            return exact(patched, 0.5);
        }
        return by_length(patched, min);
    }
    by_length(tail.to_owned(), min)
}

fn exact(digits: String, confidence: f32) -> DigitsResult {
    DigitsResult::Exact(DigitsMatch {
        digits: Pii::new(digits),
        confidence,
        alternatives: Vec::new(),
    })
}

fn by_length(digits: String, min: usize) -> DigitsResult {
    match digits.len() {
        0 => DigitsResult::None,
        len if len < min => DigitsResult::TooFew(Pii::new(digits)),
        _ => DigitsResult::TooMany(Pii::new(digits)),
    }
}

/// The number itself, where it was said twice in one go.
pub(super) fn said_twice(digits: &str) -> Option<&str> {
    let (first, second) = digits.split_at(digits.len() / 2);
    (first == second && !first.is_empty()).then_some(first)
}

/// The one run that fits; of several different ones the longest, with less confidence.
fn pick(runs: &[&Run], min: usize, max: usize, factor: f32) -> Option<DigitsMatch> {
    let fitting: Vec<Vec<&Reading>> = runs
        .iter()
        .map(|run| run.fitting(min, max))
        .filter(|readings| !readings.is_empty())
        .collect();
    let best = fitting
        .iter()
        .max_by_key(|readings| (readings[0].digits.len(), std::cmp::Reverse(readings[0].cost)))?;
    let rivals = fitting.iter().any(|readings| readings[0].digits != best[0].digits);
    let rest = fitting
        .iter()
        .flatten()
        .filter(|reading| reading.digits != best[0].digits)
        .map(|reading| Pii::new(reading.digits.clone()));
    let tie = best.get(1).is_some_and(|second| second.cost == best[0].cost);
    let doubt = if rivals || tie { 0.65 } else { 1.0 };
    Some(DigitsMatch {
        digits: Pii::new(best[0].digits.clone()),
        confidence: confidence(best[0].cost) * factor * doubt,
        alternatives: rest.collect(),
    })
}

/// All runs in a row, for numbers with other words in between ("1234, let me see, 5678").
fn pick_joined(runs: &[&Run], min: usize, max: usize, factor: f32) -> Option<DigitsMatch> {
    if runs.len() < 2 {
        return None;
    }
    let joined = join(runs);
    let best = joined.iter().find(|reading| fits(&reading.digits, min, max))?;
    Some(DigitsMatch {
        digits: Pii::new(best.digits.clone()),
        confidence: confidence(best.cost) * factor * 0.75,
        alternatives: Vec::new(),
    })
}

/// The readings of runs one behind the other, cheapest first.
pub(super) fn join(runs: &[&Run]) -> Vec<Reading> {
    let mut joined = vec![Reading { digits: String::new(), cost: 0 }];
    for run in runs {
        let mut longer = Vec::new();
        for left in &joined {
            for right in &run.readings {
                longer.push(Reading {
                    digits: format!("{}{}", left.digits, right.digits),
                    cost: left.cost + right.cost,
                });
            }
        }
        longer.retain(|reading| reading.digits.len() <= DIGITS_MAX);
        prune(&mut longer);
        joined = longer;
    }
    joined.sort_by_key(|reading| reading.cost);
    joined
}

/// What a reading of this cost is worth.
pub(super) fn confidence(cost: u32) -> f32 {
    match cost {
        0 => 0.95,
        1 => 0.85,
        2 => 0.75,
        3 => 0.65,
        _ => 0.5,
    }
}

/// How a token may take part in a run of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A digit word or figures.
    Strict,
    /// "Oh": a zero beside digits.
    WeakZero,
    /// Sounds like a digit ("to", "for", "ate"); one only among digits.
    Homophone(u8),
    /// Says nothing ("um", "dash", "and").
    Filler,
    /// Ends a run.
    Stop,
}

/// Finds the runs of digits in an utterance.
pub(super) fn runs(tokens: &[Token<'_>]) -> Vec<Run> {
    let classes: Vec<Class> = (0..tokens.len()).map(|at| class(tokens, at)).collect();
    let mut found = Vec::new();
    let mut at = 0;
    // Whether digits were said before the correction is settled when the next run is found.
    let mut corrects = false;
    while at < tokens.len() {
        if classes[at] == Class::Stop {
            let after = correction(tokens, at);
            corrects |= after.is_some();
            at = after.unwrap_or(at + 1).max(at + 1);
            continue;
        }
        let end = (at..tokens.len()).find(|i| classes[*i] == Class::Stop).unwrap_or(tokens.len());
        if let Some((first, last)) = trim(&classes, at, end, tokens.len()) {
            let readings = readings(tokens, &classes, first, last);
            if !readings.is_empty() {
                let negated = first > 0 && tokens[first - 1].is("not");
                let corrects_now = corrects && !found.is_empty();
                found.push(Run { first, end: last, readings, corrects: corrects_now, negated });
                corrects = false;
            }
        }
        at = end;
    }
    found
}

/// Takes words off both ends of a candidate run that belong to the sentence around it.
fn trim(classes: &[Class], at: usize, end: usize, text_end: usize) -> Option<(usize, usize)> {
    let strict_count = classes[at..end].iter().filter(|class| **class == Class::Strict).count();
    let is_edge = |class: Class, rest_is_text_end: bool| match class {
        Class::Strict | Class::WeakZero => true,
        Class::Homophone(_) => strict_count >= 2 && rest_is_text_end,
        Class::Filler | Class::Stop => false,
    };
    if strict_count == 0 {
        return None;
    }
    // A homophone before the digits is most often a preposition ("to 1234"), but not always.
    let first = (at..end).find(|i| is_edge(classes[*i], true))?;
    let last = (first..end).rfind(|i| is_edge(classes[*i], end == text_end))?;
    Some((first, last + 1))
}

fn class(tokens: &[Token<'_>], at: usize) -> Class {
    let token = &tokens[at];
    if token.is_figures() {
        let glued = tokens.get(at + 1).is_some_and(|next| {
            next.gap.is_empty() && next.word.chars().next().is_some_and(char::is_alphabetic)
        });
        return if glued { Class::Stop } else { Class::Strict };
    }
    if token.is("one") && is_pronoun_one(tokens, at) {
        return Class::Stop;
    }
    let counted = at > 0 && matches!(part(&tokens[at - 1].word), Some(Part::Unit(2..)));
    if part(&token.word).is_some() || (counted && plural_unit(&token.word).is_some()) {
        return Class::Strict;
    }
    let next_part = tokens.get(at + 1).and_then(|next| part(&next.word));
    match token.word.as_str() {
        "a" if matches!(next_part, Some(Part::Hundred | Part::Scale(_))) => Class::Strict,
        "double" | "triple" | "treble" if repeated(tokens, at).is_some() => Class::Strict,
        "oh" | "o" => Class::WeakZero,
        "and" | "dash" | "hyphen" | "space" | "then" => Class::Filler,
        word if is_filler(word) => Class::Filler,
        word => homophone(word).map_or(Class::Stop, Class::Homophone),
    }
}

/// The digit that a word sounds like.
pub(super) fn homophone(word: &str) -> Option<u8> {
    let digit = match word {
        "to" | "too" => 2,
        "tree" | "free" => 3,
        "for" | "fore" => 4,
        "ate" => 8,
        "of" => 0,
        "won" => 1,
        _ => return None,
    };
    Some(digit)
}

/// "The one that ends...", "one moment": no digit.
fn is_pronoun_one(tokens: &[Token<'_>], at: usize) -> bool {
    const BEFORE: &[&str] = &[
        "the", "this", "that", "which", "another", "other", "last", "every", "any", "no", "right",
    ];
    const AFTER: &[&str] =
        &["moment", "second", "sec", "minute", "more", "that", "which", "is", "ending", "i"];
    let next_is_digit = tokens.get(at + 1).is_some_and(|next| {
        next.is_figures() || part(&next.word).is_some() || next.is_any(&["oh", "double", "triple"])
    });
    let after_one = tokens.get(at + 1).is_some_and(|next| next.is_any(AFTER));
    let before_is_digit =
        at > 0 && (tokens[at - 1].is_figures() || part(&tokens[at - 1].word).is_some());
    let before_one = at > 0 && tokens[at - 1].is_any(BEFORE);
    !next_is_digit && !before_is_digit && (after_one || before_one)
}

/// "Sevens", "zeros": the digit.
fn plural_unit(word: &str) -> Option<u8> {
    let digit = match word {
        "zeros" | "zeroes" | "ohs" | "oh's" | "noughts" => 0,
        "ones" => 1,
        "twos" => 2,
        "threes" => 3,
        "fours" => 4,
        "fives" => 5,
        "sixes" => 6,
        "sevens" => 7,
        "eights" => 8,
        "nines" => 9,
        _ => return None,
    };
    Some(digit)
}

/// "Double five" at `at`: the digits and the place after.
fn repeated(tokens: &[Token<'_>], at: usize) -> Option<(String, usize)> {
    let times = match tokens.get(at)?.word.as_str() {
        "double" => 2,
        "triple" | "treble" => 3,
        _ => return None,
    };
    let next = tokens.get(at + 1)?;
    let digit = match part(&next.word) {
        Some(Part::Unit(digit)) => digit.to_string(),
        _ if next.is_any(&["oh", "o"]) => "0".to_owned(),
        _ if next.is_figures() => next.word.clone(),
        _ => return None,
    };
    // "Double 56" repeats the five only.
    let first = &digit[..1];
    Some((format!("{}{digit}", first.repeat(times - 1)), at + 2))
}

/// All ways to read the tokens from `first` to `end`, cheapest first.
fn readings(tokens: &[Token<'_>], classes: &[Class], first: usize, end: usize) -> Vec<Reading> {
    let mut at_place: Vec<Vec<Reading>> = vec![Vec::new(); end - first + 1];
    at_place[0].push(Reading { digits: String::new(), cost: 0 });
    for at in first..end {
        let mut here = std::mem::take(&mut at_place[at - first]);
        prune(&mut here);
        if here.is_empty() {
            continue;
        }
        for step in steps(&tokens[..end], classes, first, at) {
            for reading in &here {
                let digits = format!("{}{}", reading.digits, step.digits);
                if digits.len() <= DIGITS_MAX {
                    let cost = reading.cost + step.cost;
                    at_place[step.end - first].push(Reading { digits, cost });
                }
            }
        }
    }
    let mut done = at_place.pop().unwrap_or_default();
    prune(&mut done);
    done.retain(|reading| !reading.digits.is_empty());
    done.sort_by(|a, b| (a.cost, &a.digits).cmp(&(b.cost, &b.digits)));
    done
}

/// Keeps the cheapest few of each length, each digit string once.
fn prune(readings: &mut Vec<Reading>) {
    readings.sort_by(|a, b| (&a.digits, a.cost).cmp(&(&b.digits, b.cost)));
    readings.dedup_by(|later, kept| later.digits == kept.digits);
    readings.sort_by_key(|reading| (reading.digits.len(), reading.cost));
    let mut length = usize::MAX;
    let mut count = 0;
    readings.retain(|reading| {
        if reading.digits.len() != length {
            length = reading.digits.len();
            count = 0;
        }
        count += 1;
        count <= READINGS_PER_LENGTH_MAX
    });
}

/// One step of a reading: digits for the tokens up to `end`.
struct Step {
    end: usize,
    digits: String,
    cost: u32,
}

/// The steps that are possible at `at`.
fn steps(tokens: &[Token<'_>], classes: &[Class], first: usize, at: usize) -> Vec<Step> {
    let token = &tokens[at];
    let step = |digits: String, cost: u32| Step { end: at + 1, digits, cost };
    match classes[at] {
        Class::Stop => Vec::new(),
        Class::Filler => vec![step(String::new(), 0)],
        Class::WeakZero => {
            // "Oh, one two three" may be a sigh.
            let sigh = at == first && tokens.get(at + 1).is_some_and(Token::is_set_apart);
            let mut steps = vec![step("0".to_owned(), u32::from(sigh))];
            if at == first {
                steps.push(step(String::new(), if sigh { 0 } else { 3 }));
            }
            steps
        }
        Class::Homophone(digit) => homophone_steps(tokens, classes, first, at, digit),
        Class::Strict => strict_steps(tokens, at, token),
    }
}

/// A word that sounds like a digit, among digits: usually it is the digit that was misheard.
fn homophone_steps(
    tokens: &[Token<'_>],
    classes: &[Class],
    first: usize,
    at: usize,
    digit: u8,
) -> Vec<Step> {
    let is_digit = |i: usize| matches!(classes[i], Class::Strict | Class::WeakZero);
    // Whoever says digits one by one says this one so too; "1234 to 5678" is a preposition.
    let is_single = |i: usize| {
        is_digit(i) && tokens[i].word.len() < 6 && {
            !tokens[i].is_figures() || tokens[i].word.len() == 1
        }
    };
    let before = (first..at).rev().take(2).take_while(|i| is_single(*i)).count();
    let after = (at + 1..tokens.len()).take(2).take_while(|i| is_single(*i)).count();
    let (said, skipped) = match (before, after) {
        (0, 0) => (3, 1),
        (0, _) => (2, 0),
        (_, 0) => (1, 1),
        _ => (1, 2),
    };
    vec![
        Step { end: at + 1, digits: digit.to_string(), cost: said },
        Step { end: at + 1, digits: String::new(), cost: skipped },
    ]
}

fn strict_steps(tokens: &[Token<'_>], at: usize, token: &Token<'_>) -> Vec<Step> {
    if token.is_figures() {
        let mut steps = vec![Step { end: at + 1, digits: token.word.clone(), cost: 0 }];
        push_scaled(tokens, at, &mut steps);
        return steps;
    }
    if let Some((digits, end)) = repeated(tokens, at) {
        return vec![Step { end, digits, cost: 0 }];
    }
    if let Some(digit) = plural_unit(&token.word) {
        return vec![Step { end: at + 1, digits: digit.to_string(), cost: 2 }];
    }
    let mut steps = Vec::new();
    match part(&token.word) {
        Some(Part::Unit(digit)) => {
            let plural = tokens.get(at + 1).and_then(|next| plural_unit(&next.word));
            match plural.filter(|_| digit > 1) {
                Some(plural) => steps.push(Step {
                    end: at + 2,
                    digits: plural.to_string().repeat(usize::from(digit)),
                    cost: 0,
                }),
                None => {
                    steps.push(Step { end: at + 1, digits: digit.to_string(), cost: 0 });
                }
            }
        }
        Some(Part::Teen(value)) => {
            steps.push(Step { end: at + 1, digits: value.to_string(), cost: 0 });
        }
        Some(Part::Tens(tens)) => push_tens(tokens, at, tens, &mut steps),
        Some(Part::Hundred) => {
            steps.push(Step { end: at + 1, digits: "100".to_owned(), cost: 4 });
        }
        Some(Part::Scale(_)) | None => {}
    }
    push_scaled(tokens, at, &mut steps);
    steps
}

/// "Twenty one" as 21 or 20-1; a comma between them turns the preference round.
fn push_tens(tokens: &[Token<'_>], at: usize, tens: u8, steps: &mut Vec<Step>) {
    let next = tokens.get(at + 1);
    let unit = next.and_then(|next| match part(&next.word) {
        Some(Part::Unit(unit)) if unit > 0 => Some(unit),
        _ => None,
    });
    let apart = next.is_some_and(Token::is_set_apart);
    let joined_costs = u32::from(apart);
    let split_costs = u32::from(unit.is_some() && !apart);
    if let Some(unit) = unit {
        let digits = (tens + unit).to_string();
        steps.push(Step { end: at + 2, digits, cost: joined_costs });
    }
    steps.push(Step { end: at + 1, digits: tens.to_string(), cost: split_costs });
}

/// "Two hundred", "one thousand and five": every length at which the number could end.
fn push_scaled(tokens: &[Token<'_>], at: usize, steps: &mut Vec<Step>) {
    let is_scale = |i: usize| {
        let part = tokens.get(i).and_then(|token| part(&token.word));
        matches!(part, Some(Part::Hundred | Part::Scale(_)))
    };
    if !(at + 1..at + 3).any(is_scale) {
        return;
    }
    let mut cost = 0;
    for end in (at + 2..=tokens.len().min(at + 10)).rev() {
        let has_scale = (at + 1..end).any(is_scale);
        let value = cardinal(&tokens[..end], at).filter(|(_, after)| *after == end && has_scale);
        if let Some((value, end)) = value {
            steps.push(Step { end, digits: value.to_string(), cost });
            cost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNITS: [&str; 10] =
        ["oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    const TEENS: [&str; 10] = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] =
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    /// A number as somebody might say it: pairs, doubles, figures or one by one, as `style` picks.
    fn say(digits: &[usize], style: &[usize]) -> String {
        let mut words = Vec::new();
        let mut at = 0;
        while at < digits.len() {
            let style = style[at % style.len()];
            let one = digits[at];
            let word = match (digits.get(at + 1), style) {
                (Some(two), 1) if *two == one => format!("double {}", UNITS[one]),
                (Some(two), 2) if one == 1 => TEENS[*two].to_owned(),
                (Some(0), 2) if one > 1 => TENS[one - 2].to_owned(),
                (Some(two), 2) if one > 1 => format!("{}-{}", TENS[one - 2], UNITS[*two]),
                (Some(two), 3) => format!("{one}{two}"),
                _ => {
                    at += 1;
                    words.push(UNITS[one].to_owned());
                    continue;
                }
            };
            at += 2;
            words.push(word);
        }
        words.join(" ")
    }

    proptest! {
        #[test]
        fn a_number_comes_back_however_it_is_said(
            digits in prop::collection::vec(0_usize..10, 4..12),
            style in prop::collection::vec(0_usize..4, 12),
        ) {
            let expected: String = digits.iter().map(ToString::to_string).collect();
            let said = format!("It's {}, thank you.", say(&digits, &style));
            let DigitsResult::Exact(found) = parse(&said, digits.len(), digits.len()) else {
                return Err(TestCaseError::fail(format!("{said} is no number")));
            };
            let mut readings = vec![&found.digits];
            readings.extend(&found.alternatives);
            let is_found = readings.iter().any(|reading| *reading.expose() == expected);
            prop_assert!(is_found, "{} is not {}", said, expected);
        }
    }

    fn show(result: &DigitsResult) -> String {
        match result {
            DigitsResult::Exact(found) => found.digits.expose().clone(),
            DigitsResult::TooFew(digits) => format!("<{}", digits.expose()),
            DigitsResult::TooMany(digits) => format!(">{}", digits.expose()),
            DigitsResult::None => "-".to_owned(),
        }
    }

    fn check(table: &[(&str, usize, usize, &str)]) {
        for (text, min, max, expected) in table {
            assert_eq!(show(&parse(text, *min, *max)), *expected, "{text:?} {min}..={max}");
        }
    }

    #[test]
    fn reads_plain_digits() {
        check(&[
            ("one two three four", 4, 4, "1234"),
            ("One, two, three, four.", 4, 4, "1234"),
            ("1234", 4, 4, "1234"),
            ("1 2 3 4", 4, 4, "1234"),
            ("1-2-3-4", 4, 4, "1234"),
            ("My account number is 1234 5678.", 8, 8, "12345678"),
            ("It's 12 34 56 78", 8, 8, "12345678"),
            ("12,345,678", 8, 8, "12345678"),
            ("one two three, four", 4, 4, "1234"),
            ("zero one nought naught", 4, 4, "0100"),
            ("oh seven nine two two", 5, 5, "07922"),
            ("one oh oh two eight", 5, 5, "10028"),
            ("1 o 5", 3, 3, "105"),
            ("the number is one two 34", 4, 4, "1234"),
            ("niner fife six", 3, 3, "956"),
            ("um one uh two er three", 3, 3, "123"),
            ("555-123-4567", 10, 10, "5551234567"),
            ("(412) 268-7952", 10, 10, "4122687952"),
            ("1 dash 2 dash 3", 3, 3, "123"),
            ("one two and then three four", 4, 4, "1234"),
        ]);
    }

    #[test]
    fn reads_groups() {
        check(&[
            ("twelve thirty four", 4, 4, "1234"),
            ("nineteen eighty", 4, 4, "1980"),
            ("two hundred", 3, 3, "200"),
            ("a hundred", 3, 3, "100"),
            ("one ten", 3, 3, "110"),
            ("one thousand", 4, 4, "1000"),
            ("fifty one fifteen", 4, 4, "5115"),
            ("thirty two thirty one", 4, 4, "3231"),
            ("four hundred and five", 3, 3, "405"),
            ("four hundred five", 4, 4, "4005"),
            ("eight hundred five five five one two one two", 10, 10, "8005551212"),
            ("1 800 555 1234", 11, 11, "18005551234"),
            ("one eight hundred five five five twelve twelve", 11, 11, "18005551212"),
            ("twenty one", 2, 2, "21"),
            ("twenty one", 3, 3, "201"),
            ("twenty, one", 3, 3, "201"),
            ("sixty five thirty two one", 5, 5, "65321"),
            ("two thousand and six", 4, 4, "2006"),
            ("five thousand two hundred", 4, 4, "5200"),
            ("twelve hundred", 4, 4, "1200"),
            ("seventy-seven eighty-eight", 4, 4, "7788"),
            ("one hundred twenty three four five six", 6, 6, "123456"),
        ]);
    }

    #[test]
    fn reads_repeats() {
        check(&[
            ("double four", 2, 2, "44"),
            ("double five double six", 4, 4, "5566"),
            ("triple seven one", 4, 4, "7771"),
            ("treble two one", 4, 4, "2221"),
            ("double oh seven", 3, 3, "007"),
            ("double 5 6", 3, 3, "556"),
            ("three sevens", 3, 3, "777"),
            ("one two zeros five", 4, 4, "1005"),
            ("nine four double-o one", 5, 5, "94001"),
            ("can I double that", 2, 2, "-"),
        ]);
    }

    #[test]
    fn reads_homophones_only_among_digits() {
        check(&[
            ("one to three four", 4, 4, "1234"),
            ("one too three four", 4, 4, "1234"),
            ("one two three for", 4, 4, "1234"),
            ("five of six seven", 4, 4, "5067"),
            ("seven ate nine one", 4, 4, "7891"),
            ("won two three four", 4, 4, "1234"),
            ("one two tree four", 4, 4, "1234"),
            ("for five six seven", 4, 4, "4567"),
            ("to one two three four", 4, 4, "1234"),
            ("I would like to pay for it", 2, 4, "-"),
            ("it's 12345678 for my savings", 8, 8, "12345678"),
            ("change it to 1234", 4, 4, "1234"),
            ("the code for that is 1234", 4, 4, "1234"),
            ("oh, one two three four", 4, 4, "1234"),
            ("oh, one two three four", 5, 5, "01234"),
            ("Oh my", 1, 4, "-"),
        ]);
    }

    #[test]
    fn lead_ins_and_other_numbers_do_no_harm() {
        check(&[
            ("it's four five six seven", 4, 4, "4567"),
            ("that's 4567 thank you", 4, 4, "4567"),
            ("sure one moment it's 4567", 4, 4, "4567"),
            ("the one ending 4567", 4, 4, "4567"),
            ("that one", 1, 4, "-"),
            ("one second please", 1, 4, "-"),
            ("my pin is 4567 and I have two cards", 4, 4, "4567"),
            ("the 3rd of May", 1, 2, "-"),
            ("one two three four, let me see, five six seven eight", 8, 8, "12345678"),
            ("one two three four one two three four", 4, 4, "1234"),
            ("", 1, 4, "-"),
            ("I don't know", 4, 4, "-"),
        ]);
    }

    #[test]
    fn the_last_word_wins() {
        check(&[
            ("one two three four no one two three five", 4, 4, "1235"),
            ("1234, sorry, 1235", 4, 4, "1235"),
            ("1234 I mean 1235", 4, 4, "1235"),
            ("it's not 1234, it's 1235", 4, 4, "1235"),
            ("1235, not 1234", 4, 4, "1235"),
            ("no, it's 1235", 4, 4, "1235"),
            ("one two three no four", 3, 3, "124"),
            ("12345678 no 9", 8, 8, "12345679"),
            ("wait one two three four", 4, 4, "1234"),
        ]);
    }

    #[test]
    fn says_when_the_length_is_wrong() {
        check(&[
            ("one two three", 4, 4, "<123"),
            ("1 2 3 4 5", 4, 4, ">12345"),
            ("12", 4, 8, "<12"),
            ("one", 4, 4, "<1"),
            ("123456789", 4, 8, ">123456789"),
        ]);
    }

    #[test]
    fn offers_the_other_reading() {
        let DigitsResult::Exact(found) = parse("twenty one", 2, 3) else { panic!("digits") };
        assert_eq!(found.digits.expose(), "21");
        assert_eq!(found.alternatives, [Pii::new("201".to_owned())]);
        let DigitsResult::Exact(tied) = parse("sixty five thirty two one", 6, 6) else {
            panic!("digits")
        };
        assert_eq!(tied.alternatives.len(), 1, "605321 and 653021 are equally likely");
        let plain = parse("two one", 2, 3);
        let DigitsResult::Exact(plain) = plain else { panic!("digits") };
        assert!(plain.alternatives.is_empty());
        let DigitsResult::Exact(misheard) = parse("one to three four", 4, 4) else {
            panic!("digits")
        };
        assert!(misheard.confidence < plain.confidence);
    }

    #[test]
    fn pieces_add_up() {
        let table: &[(&str, &str, usize, usize, &str)] = &[
            ("", "1234", 8, 8, "<1234"),
            ("1234", "five six seven eight", 8, 8, "12345678"),
            ("1234", "five six", 8, 8, "<123456"),
            ("1234", "12345678", 8, 8, "12345678"),
            ("123456", "seven eight nine", 8, 8, ">123456789"),
            ("1234", "um", 8, 8, "<1234"),
            ("12345", "twenty one", 7, 7, "1234521"),
            ("12345", "twenty one", 8, 8, "12345201"),
        ];
        for (prefix, text, min, max, expected) in table {
            let result = append(prefix, text, *min, *max);
            assert_eq!(show(&result), *expected, "{prefix} + {text}");
        }
    }
}
