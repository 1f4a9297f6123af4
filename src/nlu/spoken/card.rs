//! Payment card numbers: 13 to 19 digits, the last of which checks the others (ISO/IEC 7812).
//!
//! The check digit also chooses among the readings of what was heard.

use super::digits::{confidence, runs};
use super::fill::{Expectation, Found};
use super::fit::best_fit;
use super::token::Token;

/// Lengths of payment card numbers.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Lengths of nearly all cards in use.
const USUAL_DIGITS: std::ops::RangeInclusive<usize> = 15..=16;

/// Whether this is the normal form of a card number: so many digits, with Luhn's check digit.
pub fn is_valid(digits: &str) -> bool {
    if !CARD_DIGITS.contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2, digit) {
                (0, digit) => digit,
                (_, digit @ 0..=4) => digit * 2,
                (_, digit) => digit * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The card number in an utterance.
pub(super) fn find(tokens: &[Token<'_>], expectation: Expectation) -> Vec<Found> {
    let penalty =
        |digits: &str| is_valid(digits).then(|| u32::from(!USUAL_DIGITS.contains(&digits.len())));
    let fit = best_fit(&runs(tokens), &penalty);
    // Nothing else has so many digits and the right last one.
    fit.filter(|fit| expectation == Expectation::Asked || fit.cost == 0)
        .map(|fit| Found {
            confidence: confidence(fit.cost),
            value: fit.digits,
            place: fit.first..fit.end,
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    fn card(text: &str) -> Option<String> {
        find(&tokens(text), Expectation::Asked).pop().map(|found| found.value)
    }

    #[test]
    fn reads_card_numbers() {
        const VISA: &str = "4111111111111111";
        const MASTER: &str = "5555555555554444";
        const AMEX: &str = "378282246310005";
        for (text, expected) in [
            ("4111111111111111", Some(VISA)),
            ("4111 1111 1111 1111", Some(VISA)),
            ("4111-1111-1111-1111.", Some(VISA)),
            ("It's 4111 1111 1111 1111, thanks.", Some(VISA)),
            ("my card number is 4111 1111 1111 1111", Some(VISA)),
            ("41 11 11 11 11 11 11 11", Some(VISA)),
            ("four one one one one one one one one one one one one one one one", Some(VISA)),
            ("four one one one, one one one one, one one one one, one one one one", Some(VISA)),
            ("four triple one, one triple one, one triple one, one triple one", Some(VISA)),
            ("for one one one 1111 1111 1111", Some(VISA)),
            ("4111, um, 1111, let me see, 1111 1111", Some(VISA)),
            ("4111 1111 1111 1112 no 1111", Some(VISA)),
            ("5555 5555 5555 4444", Some(MASTER)),
            ("double five double five 5555 5555 double four double four", Some(MASTER)),
            (
                "fifty five fifty five fifty five fifty five 5555 forty four forty four",
                Some(MASTER),
            ),
            ("3782 822463 10005", Some(AMEX)),
            ("three seven eight two, eight two two four six three, one oh oh oh five", Some(AMEX)),
            ("three seven eight two 822463 one o o o five", Some(AMEX)),
            ("three seven eight two 822463 one triple oh five", Some(AMEX)),
            ("thirty seven eighty two 822463 10005", Some(AMEX)),
            ("4222222222222", Some("4222222222222")),
            ("6304 0000 0000 0000", Some("6304000000000000")),
            ("4111 1111 1111 1112", None),
            ("4111 1111 1111", None),
            ("4111 1111 1111 1111 1111 1", None),
            ("I don't have it with me", None),
            ("", None),
        ] {
            assert_eq!(card(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn checks_the_check_digit() {
        for (digits, valid) in [
            ("4111111111111111", true),
            ("378282246310005", true),
            ("4111111111111112", false),
            ("411111111111", false),
            ("41111111111111111111", false),
            ("4111 1111 1111 1111", false),
            ("four", false),
            ("", false),
        ] {
            assert_eq!(is_valid(digits), valid, "{digits}");
        }
    }

    #[test]
    fn a_whole_card_number_needs_no_question() {
        let found = |text: &str| find(&tokens(text), Expectation::Volunteered).len();
        assert_eq!(found("I lost my card 4111 1111 1111 1111"), 1);
        assert_eq!(found("my account is 12345678"), 0);
    }
}
