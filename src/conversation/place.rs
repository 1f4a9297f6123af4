//! A place in line, a likely wait and the end of a number, in words. A wait is rounded outward: it
//! may turn out shorter than was said, or longer, but not because of how it was said.

use crate::acd::{WaitRange, spoken_minutes};

/// Words of the numbers that are said most.
const NUMBERS: [&str; 21] = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
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
    "twenty",
];

const PLACES: [&str; 10] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

/// Beyond so many minutes nobody is told the minutes.
const MINUTES_MAX: u32 = 60;

/// Beyond so many minutes they are told in fives.
const MINUTES_EXACT: u32 = 20;

/// Digits of a number that tell it from the caller's others.
const NUMBER_END_LEN: usize = 4;

/// "second", "number 14": completes "you're ... in line".
pub(super) fn spoken_position(position: usize) -> String {
    let place = position.checked_sub(1).and_then(|index| PLACES.get(index));
    place.map_or_else(|| format!("number {position}"), |place| (*place).to_owned())
}

/// "between two and five minutes", "less than a minute": completes "it will take ...".
pub(super) fn spoken_wait(wait: WaitRange) -> String {
    let (from, to) = spoken_minutes(wait);
    let (from, to) = (in_steps(from, Rounding::Down), in_steps(to, Rounding::Up));
    match (from, to) {
        (0, 1) => "less than a minute".to_owned(),
        (MINUTES_MAX.., _) => "more than an hour".to_owned(),
        (0, MINUTES_MAX) => "up to an hour".to_owned(),
        (0, to) if to > MINUTES_MAX => "perhaps more than an hour".to_owned(),
        (0, to) => format!("up to {} minutes", number(to)),
        (1, to) if to > MINUTES_MAX => {
            "at least a minute, and perhaps more than an hour".to_owned()
        }
        (from, to) if to > MINUTES_MAX => {
            format!("at least {} minutes, and perhaps more than an hour", number(from))
        }
        (from, to) => format!("between {} and {} minutes", number(from), number(to)),
    }
}

/// The last digits of a telephone number, one by one. `None` where they would tell nothing.
pub(super) fn spoken_number_end(number: &str) -> Option<String> {
    let user = number.split(['@', ';']).next().unwrap_or_default();
    let digits: Vec<String> =
        user.chars().filter(char::is_ascii_digit).map(|digit| digit.to_string()).collect();
    let end = digits.len().checked_sub(NUMBER_END_LEN)?;
    Some(digits[end..].join(" "))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Down,
    Up,
}

fn in_steps(minutes: u32, rounding: Rounding) -> u32 {
    const STEP: u32 = 5;
    match rounding {
        _ if minutes <= MINUTES_EXACT => minutes,
        Rounding::Down => minutes / STEP * STEP,
        Rounding::Up => minutes.div_ceil(STEP).saturating_mul(STEP),
    }
}

fn number(count: u32) -> String {
    let word = usize::try_from(count).ok().and_then(|index| NUMBERS.get(index));
    word.map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn waits_are_rounded_outward_to_minutes() {
        for (from_s, to_s, words) in [
            (0, 0, "less than a minute"),
            (5, 59, "less than a minute"),
            (10, 60, "less than a minute"),
            (10, 61, "up to two minutes"),
            (70, 110, "between one and two minutes"),
            (125, 275, "between two and five minutes"),
            (179, 181, "between two and four minutes"),
            (180, 180, "between three and four minutes"),
            (60, 60, "between one and two minutes"),
            (19 * 60, 24 * 60, "between nineteen and 25 minutes"),
            (23 * 60, 37 * 60, "between twenty and 40 minutes"),
            (0, 3_600, "up to an hour"),
            (0, 4_000, "perhaps more than an hour"),
            (90, 4_000, "at least a minute, and perhaps more than an hour"),
            (1_500, 9_000, "at least 25 minutes, and perhaps more than an hour"),
            (3_700, 9_000, "more than an hour"),
            // A range upside down cannot be, and is not told as such.
            (300, 60, "between five and six minutes"),
        ] {
            let [from, to] = [from_s, to_s].map(Duration::from_secs);
            assert_eq!(spoken_wait(WaitRange { from, to }), words, "{from_s} {to_s}");
        }
        let forever = WaitRange { from: Duration::ZERO, to: Duration::MAX };
        assert_eq!(spoken_wait(forever), "perhaps more than an hour");
    }

    #[test]
    fn places_are_said_as_people_say_them() {
        for (position, words) in [(1, "first"), (2, "second"), (10, "tenth"), (11, "number 11")] {
            assert_eq!(spoken_position(position), words);
        }
        assert_eq!(spoken_position(0), "number 0");
    }

    #[test]
    fn of_a_number_only_its_end_is_said() {
        for (number, end) in [
            ("+1 415 555 1234", Some("1 2 3 4")),
            ("sip:4155559876@pbx2000.example", Some("9 8 7 6")),
            ("sip:200@pbx.example", None),
            ("anonymous", None),
            ("", None),
        ] {
            assert_eq!(spoken_number_end(number), end.map(str::to_owned), "{number}");
        }
    }
}
