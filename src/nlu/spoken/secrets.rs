//! Hides what must not be kept: PINs, wherever they turn up again, and card numbers.
//!
//! A caller says a secret where it is asked for, and there nothing is kept at all; but they also
//! say it too early, twice, or in the same breath as something else.

use std::ops::Range;

use super::card::is_valid as is_card_number;
use super::digits::{Run, runs};
use super::token::{Token, tokens};
use crate::base::Pii;

/// What stands in place of a secret.
const HIDDEN: &str = "[hidden]";

/// What callers call a secret number.
const SECRET_WORDS: &[&str] = &["pin", "passcode", "password", "cvv", "cvc"];

/// Words between "pin" and its digits ("my pin number is").
const WORDS_BETWEEN_MAX: usize = 4;

/// A run longer than the secret by more than this is another number that happens to contain it.
const AROUND_SECRET_MAX: usize = 2;

/// The text without card numbers, without digits that follow a word for a PIN, and without these
/// secrets, in figures or in words.
pub fn mask_secrets(text: &str, secrets: &[Pii<String>]) -> String {
    let tokens = tokens(text);
    let runs = runs(&tokens);
    let all: String = runs.iter().map(plain).collect();
    let is_card = is_card_number(&all);
    let hidden: Vec<Range<usize>> = runs
        .iter()
        .filter(|run| {
            is_card || is_card_number(&plain(run)) || is_named(&tokens, run) || holds(run, secrets)
        })
        .filter_map(|run| {
            let last = tokens.get(run.end.checked_sub(1)?)?;
            Some(tokens.get(run.first)?.span.start..last.span.end)
        })
        .collect();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for place in hidden {
        masked.push_str(text.get(at..place.start).unwrap_or_default());
        masked.push_str(HIDDEN);
        at = place.end;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    masked
}

fn plain(run: &Run) -> String {
    run.readings.first().map(|reading| reading.digits.clone()).unwrap_or_default()
}

/// "My PIN is 4321".
fn is_named(tokens: &[Token<'_>], run: &Run) -> bool {
    const DIGITS_MIN: usize = 3;
    let before = run.first.saturating_sub(WORDS_BETWEEN_MAX)..run.first;
    plain(run).len() >= DIGITS_MIN && tokens[before].iter().any(|word| word.is_any(SECRET_WORDS))
}

fn holds(run: &Run, secrets: &[Pii<String>]) -> bool {
    secrets.iter().map(|secret| secret.expose().as_str()).any(|secret| {
        !secret.is_empty()
            && run.readings.iter().any(|reading| {
                reading.digits.len() <= secret.len() + AROUND_SECRET_MAX
                    && reading.digits.contains(secret)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        let pin = [Pii::new("4321".to_owned())];
        for (text, masked) in [
            ("yeah, four three two one", "yeah, [hidden]"),
            ("4321.", "[hidden]."),
            ("it's 4 3 2 1 please", "it's [hidden] please"),
            ("my account is 12345678", "my account is 12345678"),
            ("one two three four four three two one", "one two three four four three two one"),
            ("move 4300 dollars", "move 4300 dollars"),
            ("", ""),
        ] {
            assert_eq!(mask_secrets(text, &pin), masked, "{text}");
        }
    }

    #[test]
    fn a_pin_that_is_named_is_hidden_before_it_is_known() {
        for (text, masked) in [
            (
                "my account is 12345678 and my PIN is 9876",
                "my account is 12345678 and my PIN is [hidden]",
            ),
            ("pin number nine eight seven six", "pin number [hidden]"),
            ("I forgot my PIN", "I forgot my PIN"),
        ] {
            assert_eq!(mask_secrets(text, &[]), masked, "{text}");
        }
    }

    #[test]
    fn card_numbers_are_hidden() {
        for text in [
            "4111 1111 1111 1111",
            "4111111111111111",
            "four one one one, one one one one, one one one one, one one one one",
        ] {
            assert!(!mask_secrets(&format!("I lost {text}"), &[]).contains("11"), "{text}");
            assert!(mask_secrets(&format!("I lost {text}"), &[]).starts_with("I lost [hidden]"));
        }
        // Off by one: no card number.
        assert_eq!(mask_secrets("4111 1111 1111 1112", &[]), "4111 1111 1111 1112");
    }
}
