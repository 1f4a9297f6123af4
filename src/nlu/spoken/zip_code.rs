//! US ZIP codes: five digits, or nine ("nine four one oh three dash one two three four").

use super::digits::{confidence, runs};
use super::fill::{Expectation, Found};
use super::fit::best_fit;
use super::token::Token;

/// Words between "zip" and its digits ("zip code is").
const WORDS_BETWEEN_MAX: usize = 4;

/// Whether this is the normal form of a ZIP code.
pub fn is_valid(value: &str) -> bool {
    let (five, four) = value.split_once('-').unwrap_or((value, "0000"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    five.len() == 5 && four.len() == 4 && digits(five) && digits(four)
}

/// The normal form of five or nine digits.
pub(super) fn normal_form(digits: &str) -> Option<String> {
    let value = match digits.len() {
        9 => format!("{}-{}", digits.get(..5)?, digits.get(5..)?),
        _ => digits.to_owned(),
    };
    is_valid(&value).then_some(value)
}

/// The ZIP code in an utterance. One that was not asked for has to be called a ZIP code.
pub(super) fn find(tokens: &[Token<'_>], expectation: Expectation) -> Vec<Found> {
    let penalty = |digits: &str| matches!(digits.len(), 5 | 9).then_some(0_u32);
    let Some(fit) = best_fit(&runs(tokens), &penalty) else { return Vec::new() };
    let before = fit.first.saturating_sub(WORDS_BETWEEN_MAX)..fit.first;
    let is_named = tokens[before].iter().any(|token| token.is("zip"));
    if expectation == Expectation::Volunteered && !is_named {
        return Vec::new();
    }
    let found = normal_form(&fit.digits).map(|value| Found {
        value,
        confidence: confidence(fit.cost),
        place: fit.first..fit.end,
    });
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    fn zip(text: &str, expectation: Expectation) -> Option<String> {
        find(&tokens(text), expectation).pop().map(|found| found.value)
    }

    #[test]
    fn reads_zip_codes() {
        for (text, expected) in [
            ("94103", Some("94103")),
            ("9 4 1 0 3", Some("94103")),
            ("It's 94103.", Some("94103")),
            ("nine four one oh three", Some("94103")),
            ("nine four one zero three", Some("94103")),
            ("nine for one oh three", Some("94103")),
            ("nine four one of three", Some("94103")),
            ("nine four won oh three", Some("94103")),
            ("9-4-1-0-3", Some("94103")),
            ("nine forty one oh three", Some("94103")),
            ("ninety four one oh three", Some("94103")),
            ("nine four one O three", Some("94103")),
            ("941 03", Some("94103")),
            ("my zip code is nine four one oh three thanks", Some("94103")),
            ("um nine four uh one oh three", Some("94103")),
            ("one double oh one two", Some("10012")),
            ("one triple zero one", Some("10001")),
            ("ten thousand one", Some("10001")),
            ("oh two one three four", Some("02134")),
            ("O2134", Some("02134")),
            ("02134", Some("02134")),
            ("zero two one thirty four", Some("02134")),
            ("nine four one oh four, no, oh three", Some("94103")),
            ("94104 sorry 94103", Some("94103")),
            ("nine four one, let me see, oh three", Some("94103")),
            ("94103-1234", Some("94103-1234")),
            ("94103 1234", Some("94103-1234")),
            ("nine four one oh three dash one two three four", Some("94103-1234")),
            ("nine four one oh three one two three four", Some("94103-1234")),
            ("nine four one", None),
            ("415 555 0123", None),
            ("I don't know it", None),
            ("", None),
        ] {
            assert_eq!(zip(text, Expectation::Asked).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn takes_unasked_only_what_is_called_a_zip_code() {
        for (text, expected) in [
            ("branches near zip code 94103", Some("94103")),
            ("my zip is nine four one oh three", Some("94103")),
            ("my code is 94103", None),
            ("I paid 94103", None),
        ] {
            assert_eq!(zip(text, Expectation::Volunteered).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn knows_the_normal_form() {
        for (value, valid) in [
            ("94103", true),
            ("94103-1234", true),
            ("9410", false),
            ("941031234", false),
            ("94103-", false),
            ("94103-123a", false),
            ("", false),
        ] {
            assert_eq!(is_valid(value), valid, "{value}");
        }
    }
}
