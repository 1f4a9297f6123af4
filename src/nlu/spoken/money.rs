//! Amounts of money: "fifty dollars", "$1,234.50", "twelve fifty", "two grand".

use std::ops::Range;

use super::number::{Part, cardinal, figures, ordinal, part};
use super::token::{Token, TokenKind, correction, is_filler, starts_with, tokens};

/// More than anybody moves by telephone; above it something was misheard.
const CENTS_MAX: i64 = 100_000_000_000;

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Money {
    /// Hundredths; always more than zero.
    pub cents: i64,
    /// Whether the caller named a currency ("dollars", "bucks", "$").
    pub currency_said: bool,
    /// 0 to 1.
    pub confidence: f32,
}

impl Money {
    /// The normal form of a money slot: `120.50`.
    pub fn normal_form(&self) -> String {
        format!("{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

/// The amount the caller means, when an amount was asked for. Zero and negative amounts are none.
pub fn parse(text: &str) -> Option<Money> {
    let tokens = tokens(text);
    choose(&tokens, &find(&tokens)).map(|found| found.money)
}

/// An amount and where it stands.
#[derive(Debug, Clone)]
pub(super) struct FoundMoney {
    pub money: Money,
    /// Tokens.
    pub place: Range<usize>,
    /// What came before was taken back.
    pub corrects: bool,
}

/// Of several amounts: what follows a correction, then those with a currency, then the first.
pub(super) fn choose(tokens: &[Token<'_>], found: &[FoundMoney]) -> Option<FoundMoney> {
    let kept: Vec<&FoundMoney> = found
        .iter()
        .filter(|amount| {
            let before = amount.place.start.checked_sub(1);
            found.len() == 1 || before.is_none_or(|before| !tokens[before].is("not"))
        })
        .collect();
    let restart = kept.iter().rposition(|amount| amount.corrects).unwrap_or(0);
    let tail = &kept[restart..];
    let best = tail.iter().find(|amount| amount.money.currency_said).or(tail.first())?;
    let mut best = (*best).clone();
    let rivals = tail.iter().any(|amount| {
        amount.money.cents != best.money.cents
            && amount.money.currency_said == best.money.currency_said
    });
    if rivals {
        best.money.confidence *= 0.6;
    }
    Some(best)
}

/// All amounts in an utterance, in order, currency or not.
pub(super) fn find(tokens: &[Token<'_>]) -> Vec<FoundMoney> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut corrects = false;
    while at < tokens.len() {
        match amount(tokens, at) {
            Some((money, end)) => {
                if let Some(money) = money {
                    let place = at..end;
                    found.push(FoundMoney { money, place, corrects });
                    corrects = false;
                }
                at = end.max(at + 1);
            }
            None => {
                if let Some(after) = correction(tokens, at) {
                    corrects = !found.is_empty();
                    at = after;
                } else {
                    at += 1;
                }
            }
        }
    }
    found
}

fn is_currency_sign(token: &Token<'_>) -> bool {
    token.kind == TokenKind::Sign && !token.is("%")
}

fn is_currency_word(word: &str) -> bool {
    matches!(
        word,
        "dollar"
            | "dollars"
            | "dollar's"
            | "buck"
            | "bucks"
            | "pound"
            | "pounds"
            | "quid"
            | "euro"
            | "euros"
            | "usd"
            | "gbp"
            | "eur"
    )
}

fn is_cents_word(word: &str) -> bool {
    matches!(word, "cent" | "cents" | "pence" | "p" | "penny" | "pennies" | "c")
}

/// "P.m." and "a.m.", whose first letter is no pence.
fn is_time(tokens: &[Token<'_>], at: usize) -> bool {
    let next_is_m = tokens.get(at + 1).is_some_and(|token| token.is("m"));
    tokens.get(at).is_some_and(|token| token.is_any(&["p", "a"])) && next_is_m
}

/// An amount at `at` and the place after it. `Some((None, end))` means that a number stands here
/// which is no amount, so that its tail is not taken for one.
fn amount(tokens: &[Token<'_>], at: usize) -> Option<(Option<Money>, usize)> {
    let signed = is_currency_sign(&tokens[at]);
    let start = if signed { at + 1 } else { at };
    if let Some((_, end)) = ordinal(tokens, start) {
        // "Second" and "third" are no amounts, nor is "the 3rd".
        return Some((None, end));
    }
    let (whole, mut end) = number(tokens, start)?;
    if is_not_money(tokens, at, end) {
        return Some((None, end));
    }
    let mut cents = whole.cents;
    let mut currency_said = signed;
    let mut confidence = whole.confidence;
    if let Some(next) = tokens.get(end) {
        if is_currency_word(&next.word) || is_currency_sign(next) {
            currency_said = true;
            end += 1;
            if let Some((extra, after)) = cents_after(tokens, end) {
                cents = cents.checked_add(extra)?;
                end = after;
            }
        } else if is_cents_word(&next.word) && !is_time(tokens, end) {
            currency_said = true;
            cents /= 100;
            end += 1;
        }
    }
    if currency_said {
        confidence = f32::max(confidence, 0.9);
    } else if let Some((value, after)) = bare_pair(tokens, start, end, whole.cents) {
        cents = value;
        end = after;
        confidence = 0.7;
    }
    let plausible = cents > 0 && cents <= CENTS_MAX;
    Some((plausible.then_some(Money { cents, currency_said, confidence }), end))
}

/// A number of whole units, in cents.
struct Number {
    cents: i64,
    confidence: f32,
}

/// A number with what may follow it: "12.50", "ten point five", "two grand", "two and a half".
fn number(tokens: &[Token<'_>], at: usize) -> Option<(Number, usize)> {
    let token = tokens.get(at)?;
    // "A couple of hundred", "half a million": the first is a guess, the second no amount.
    if token.is("couple") {
        let after = at + 1 + usize::from(tokens.get(at + 1).is_some_and(|next| next.is("of")));
        let scale = scale(tokens, after)?;
        return Some((Number { cents: to_cents(2 * scale)?, confidence: 0.6 }, after + 1));
    }
    if token.is("half") {
        let (_, end) = cardinal(tokens, at + 1)?;
        return Some((Number { cents: 0, confidence: 0.0 }, end));
    }
    if token.is_any(&["a", "an"]) && tokens.get(at + 1).is_some_and(|next| next.is("grand")) {
        return Some((Number { cents: to_cents(1_000)?, confidence: 0.9 }, at + 2));
    }
    if token.is_any(&["a", "an"])
        && tokens.get(at + 1).is_some_and(|next| next.is_any(&["dollar", "buck", "pound", "euro"]))
    {
        return Some((Number { cents: 100, confidence: 0.8 }, at + 1));
    }
    if let Some((digits, end)) = single_digits(tokens, at) {
        return Some((Number { cents: to_cents(digits)?, confidence: 0.7 }, end));
    }
    let (whole, mut end) = figures_glued_to_unit(tokens, at).or_else(|| cardinal(tokens, at))?;
    let mut cents = to_cents(whole)?;
    if let Some((extra, after)) = fraction(tokens, end) {
        cents = cents.checked_add(extra)?;
        end = after;
    }
    if starts_with(tokens, end, &["and", "a", "half"]) {
        cents = cents.checked_add(50)?;
        end += 3;
    }
    if let Some(scale) = scale(tokens, end) {
        cents = cents.checked_mul(i64::try_from(scale).ok()?)?;
        end += 1;
    }
    Some((Number { cents, confidence: 0.85 }, end))
}

/// "50p", "2k": letters written onto the figures.
fn figures_glued_to_unit(tokens: &[Token<'_>], at: usize) -> Option<(u64, usize)> {
    let next = tokens.get(at + 1)?;
    let glued = tokens.get(at)?.is_figures() && next.gap.is_empty() && next.is_any(&["p", "c"]);
    if !glued {
        return None;
    }
    tokens[at].word.parse().ok().map(|value| (value, at + 1))
}

/// What multiplies the number before it, beyond what [`cardinal`] reads.
fn scale(tokens: &[Token<'_>], at: usize) -> Option<u64> {
    match tokens.get(at)?.word.as_str() {
        "k" | "grand" | "thousand" => Some(1_000),
        "hundred" => Some(100),
        "million" => Some(1_000_000),
        _ => None,
    }
}

fn to_cents(whole: u64) -> Option<i64> {
    i64::try_from(whole).ok()?.checked_mul(100)
}

/// Decimals: ".50" in figures, "point five" in words.
fn fraction(tokens: &[Token<'_>], at: usize) -> Option<(i64, usize)> {
    let next = tokens.get(at)?;
    if next.is_figures() && next.gap == "." && at > 0 && tokens[at - 1].is_figures() {
        return cents_of_decimals(&next.word).map(|cents| (cents, at + 1));
    }
    if !next.is_any(&["point", "dot"]) {
        return None;
    }
    let mut decimals = String::new();
    let mut end = at + 1;
    while let Some(token) = tokens.get(end) {
        match part(&token.word) {
            Some(Part::Unit(unit)) => decimals.push_str(&unit.to_string()),
            Some(Part::Teen(value)) => decimals.push_str(&value.to_string()),
            Some(Part::Tens(_)) if decimals.is_empty() => {
                let (value, after) = super::number::below_hundred(tokens, end)?;
                decimals.push_str(&value.to_string());
                end = after - 1;
            }
            _ if token.is_any(&["oh", "o"]) => decimals.push('0'),
            _ if token.is_figures() => decimals.push_str(&token.word),
            _ => break,
        }
        end += 1;
    }
    cents_of_decimals(&decimals).map(|cents| (cents, end))
}

/// "5" is 50 cents, "05" is 5; more than two places is no amount.
fn cents_of_decimals(decimals: &str) -> Option<i64> {
    let value: i64 = decimals.parse().ok()?;
    match decimals.len() {
        1 => Some(value * 10),
        2 => Some(value),
        _ => None,
    }
}

/// After "dollars": "and five cents", "twenty", "oh five".
fn cents_after(tokens: &[Token<'_>], at: usize) -> Option<(i64, usize)> {
    let has_and = tokens.get(at).is_some_and(|token| token.is("and"));
    let start = if has_and { at + 1 } else { at };
    if starts_with(tokens, start, &["a", "half"]) && has_and {
        return Some((50, start + 2));
    }
    let zero_first = tokens.get(start).is_some_and(|token| token.is_any(&["oh", "o", "zero"]));
    let number_at = if zero_first { start + 1 } else { start };
    let (value, end) = cardinal(tokens, number_at).filter(|(value, _)| *value < 100)?;
    let cents_said = tokens.get(end).is_some_and(|token| is_cents_word(&token.word));
    // "Fifty dollars and two ..." may be going anywhere; "fifty dollars twenty" is clear.
    let ends = tokens.get(end).is_none_or(|next| next.is_any(&["from", "to", "please", "into"]));
    let plausible = cents_said || (ends && !has_and && (zero_first || value >= 10));
    let cents = i64::try_from(value).ok()?;
    plausible.then_some((cents, end + usize::from(cents_said)))
}

/// "Twelve fifty", "12 50", "nineteen ninety nine": units and cents without a word between.
fn bare_pair(
    tokens: &[Token<'_>],
    start: usize,
    end: usize,
    whole_cents: i64,
) -> Option<(i64, usize)> {
    let one_number = end - start <= 2 && whole_cents < 10_000 && whole_cents % 100 == 0;
    let next = tokens.get(end)?;
    if !one_number || next.is_set_apart() {
        return None;
    }
    let zero_first = next.is_any(&["oh", "o", "zero"]);
    let cents_at = end + usize::from(zero_first);
    let (value, after) = cardinal(tokens, cents_at)?;
    // "12 50" as figures needs two places; "twenty, five" was read by the cardinal already.
    let two_places = if zero_first { value < 10 } else { (10..100).contains(&value) };
    let last = tokens.get(after);
    let ends =
        last.is_none_or(|token| token.kind == TokenKind::Word && cardinal(tokens, after).is_none());
    let cents = whole_cents.checked_add(i64::try_from(value).ok()?)?;
    (two_places && ends).then_some((cents, after))
}

/// "One two zero": an amount spelled out digit by digit, at least two of them.
fn single_digits(tokens: &[Token<'_>], at: usize) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    let mut count = 0;
    for token in &tokens[at..] {
        let digit = match part(&token.word) {
            Some(Part::Unit(unit)) => unit,
            _ if count > 0 && token.is_any(&["oh", "o"]) => 0,
            _ => break,
        };
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        count += 1;
    }
    let followed = tokens.get(at + count).and_then(|token| part(&token.word)).is_some();
    (count >= 2 && !followed).then_some((value, at + count))
}

/// Numbers that are something else: negative, a percentage, a count of days, half of a long
/// reference number.
fn is_not_money(tokens: &[Token<'_>], at: usize, end: usize) -> bool {
    const UNITS: &[&str] = &[
        "%", "percent", "per", "day", "days", "week", "weeks", "month", "months", "year", "years",
        "am", "pm", "o'clock", "minutes", "minute", "hours", "hour", "times", "second", "seconds",
        "moment", "st", "nd", "rd", "th",
    ];
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let first = &tokens[at];
    let gap = first.gap;
    let dash = |gap: &str| gap.ends_with(['-', '\u{2212}']);
    let signed_gap =
        if is_currency_sign(first) { tokens.get(at + 1).map_or("", |t| t.gap) } else { "" };
    let negative = before.is_some_and(|token| token.is_any(&["minus", "negative"]))
        || (dash(gap) && (gap.len() == 1 && at == 0 || gap.contains(' ')))
        || dash(signed_gap);
    let one_of = first.is("one") && tokens.get(at + 1).is_some_and(|next| next.is("of"));
    let unit =
        tokens.get(end).is_some_and(|next| next.is_any(UNITS)) || is_time(tokens, end) || one_of;
    let pronoun = first.is("one") && end == at + 1 && {
        before.is_some_and(|token| token.is_any(&["the", "this", "that", "which", "another"]))
    };
    // "1234 5678" is a reference; "12 50" is an amount.
    let near = |gap: &str| gap == " " || gap == "-";
    let is_group = |token: &Token<'_>| token.is_figures() && token.word.len() > 2;
    let follows = before.is_some_and(|before| is_group(before) && near(gap));
    let goes_on = tokens.get(end).is_some_and(|next| is_group(next) && near(next.gap));
    let reference =
        (follows || goes_on) && figures(tokens, at).is_some_and(|(value, _)| value > 99);
    let named = (at.saturating_sub(4)..at)
        .any(|i| tokens[i].is_any(&["account", "pin", "card", "zip"]) || is_number_word(tokens, i));
    negative || unit || pronoun || reference || (named && is_long(first))
}

/// "Number" or "ending" before figures announces a reference.
fn is_number_word(tokens: &[Token<'_>], at: usize) -> bool {
    tokens[at].is_any(&["number", "ending"]) && !tokens[at..].iter().any(is_currency_sign)
}

fn is_long(token: &Token<'_>) -> bool {
    token.is_figures() && token.word.len() >= 4
}

/// Whether the words before an amount say that money is about to be named ("send him fifty").
pub(super) fn is_led_in(tokens: &[Token<'_>], at: usize) -> bool {
    const VERBS: &[&str] = &[
        "move",
        "transfer",
        "send",
        "pay",
        "deposit",
        "withdraw",
        "put",
        "moving",
        "transferring",
        "sending",
        "paying",
        "amount",
        "wire",
    ];
    (at.saturating_sub(2)..at).rev().any(|i| tokens[i].is_any(VERBS))
        && (at.saturating_sub(2)..at).all(|i| {
            tokens[i].is_any(VERBS)
                || is_filler(&tokens[i].word)
                || tokens[i]
                    .is_any(&["him", "her", "them", "of", "over", "about", "me", "to", "in"])
                || i + 2 == at
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_amounts() {
        let table: &[(&str, Option<&str>)] = &[
            ("fifty dollars", Some("50.00")),
            ("Fifty dollars, please.", Some("50.00")),
            ("$50", Some("50.00")),
            ("$50.", Some("50.00")),
            ("$1,234.50", Some("1234.50")),
            ("1234.5", Some("1234.50")),
            ("50$", Some("50.00")),
            ("£20", Some("20.00")),
            ("fifty", Some("50.00")),
            ("fifty bucks", Some("50.00")),
            ("a hundred and twenty", Some("120.00")),
            ("a hundred", Some("100.00")),
            ("a hundred and twenty dollars and fifty cents", Some("120.50")),
            ("twelve fifty", Some("12.50")),
            ("twelve oh five", Some("12.05")),
            ("12 50", Some("12.50")),
            ("12.50", Some("12.50")),
            ("nineteen ninety nine", Some("19.99")),
            ("one thousand two hundred dollars and five cents", Some("1200.05")),
            ("two grand", Some("2000.00")),
            ("a grand", Some("1000.00")),
            ("2k", Some("2000.00")),
            ("two k", Some("2000.00")),
            ("fifty pounds", Some("50.00")),
            ("fifty quid", Some("50.00")),
            ("5 dollars 20", Some("5.20")),
            ("five dollars twenty", Some("5.20")),
            ("five dollars and twenty cents", Some("5.20")),
            ("five pounds and 20 pence", Some("5.20")),
            ("five dollars oh five", Some("5.05")),
            ("fifty cents", Some("0.50")),
            ("50p", Some("0.50")),
            ("a dollar", Some("1.00")),
            ("a dollar fifty", Some("1.50")),
            ("ten point five", Some("10.50")),
            ("ten point two five dollars", Some("10.25")),
            ("ten point twenty five", Some("10.25")),
            ("ten and a half dollars", Some("10.50")),
            ("ten dollars and a half", Some("10.50")),
            ("two and a half thousand", Some("2500.00")),
            ("$1.2 million", Some("1200000.00")),
            ("a couple of hundred dollars", Some("200.00")),
            ("three hundred euros", Some("300.00")),
            ("twelve hundred dollars", Some("1200.00")),
            ("one two zero", Some("120.00")),
            ("two thousand", Some("2000.00")),
            ("two thousand five hundred and ten dollars", Some("2510.00")),
            ("12,000", Some("12000.00")),
            ("I'd like to send one hundred and five dollars to savings", Some("105.00")),
            ("um, sixty", Some("60.00")),
            ("make it sixty", Some("60.00")),
            ("fifty, no, sixty", Some("60.00")),
            ("fifty dollars, sorry, sixty dollars", Some("60.00")),
            ("not fifty, sixty", Some("60.00")),
            ("fifty dollars in 3 days", Some("50.00")),
            ("fifty dollars to the account ending 1234", Some("50.00")),
            ("from account 12345678 fifty", Some("50.00")),
            ("one hundred dollars from my 401 account", Some("100.00")),
            ("fifty dollars and then call me", Some("50.00")),
            ("between 3 p.m. and 5 p.m.", None),
            ("send me one of the statements", None),
            ("zero", None),
            ("zero dollars", None),
            ("$0", None),
            ("-50", None),
            ("-$50", None),
            ("minus fifty", None),
            ("negative 50 dollars", None),
            ("half a million", None),
            ("50%", None),
            ("fifty percent", None),
            ("the third", None),
            ("3rd", None),
            ("that one", None),
            ("two weeks", None),
            ("everything", None),
            ("", None),
            ("account number 12345678", None),
            ("1234 5678", None),
            ("99999999999999999999", None),
            ("9999999999999 dollars", None),
        ];
        for (text, expected) in table {
            let found = parse(text).map(|money| money.normal_form());
            assert_eq!(found.as_deref(), *expected, "{text:?}");
        }
    }

    #[test]
    fn knows_whether_a_currency_was_said() {
        for (text, said) in [("fifty dollars", true), ("$50", true), ("fifty", false)] {
            let money = parse(text).expect("an amount");
            assert_eq!(money.currency_said, said, "{text}");
        }
        let named = parse("fifty dollars").expect("an amount");
        let guessed = parse("twelve fifty").expect("an amount");
        assert!(named.confidence > guessed.confidence);
    }
}
