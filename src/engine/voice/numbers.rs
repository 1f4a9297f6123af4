//! Numbers in words: cardinals, ordinals, decimals, years, digit by digit. Pure.

const ONES: [&str; 20] = [
    "zero",
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
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(u64, &str); 4] = [
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];

/// Largest number said as a number; anything longer is said digit by digit.
pub(super) const CARDINAL_MAX: u64 = 999_999_999_999_999;

/// `1234` -> `one thousand two hundred thirty four`.
pub(super) fn cardinal(n: u64) -> String {
    if n < 1_000 {
        return below_thousand(n);
    }
    let mut words = Vec::new();
    let mut rest = n;
    for (scale, name) in SCALES {
        if rest >= scale {
            words.push(cardinal(rest / scale));
            words.push(name.to_owned());
            rest %= scale;
        }
    }
    if rest > 0 {
        words.push(below_thousand(rest));
    }
    words.join(" ")
}

fn below_thousand(n: u64) -> String {
    let small = |n: u64| ONES[n as usize].to_owned();
    match n {
        0..20 => small(n),
        20..100 if n.is_multiple_of(10) => TENS[(n / 10) as usize].to_owned(),
        20..100 => format!("{} {}", TENS[(n / 10) as usize], small(n % 10)),
        _ if n.is_multiple_of(100) => format!("{} hundred", small(n / 100)),
        _ => format!("{} hundred {}", small(n / 100), below_thousand(n % 100)),
    }
}

/// `21` -> `twenty first`.
pub(super) fn ordinal(n: u64) -> String {
    let words = cardinal(n);
    let (head, last) = match words.rsplit_once(' ') {
        Some((head, last)) => (format!("{head} "), last),
        None => (String::new(), words.as_str()),
    };
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        _ if last.ends_with('y') => format!("{}ieth", &last[..last.len() - 1]),
        _ => format!("{last}th"),
    };
    head + &last
}

/// Every ASCII digit on its own: `0123` -> `zero one two three`. Other characters are skipped.
pub(super) fn digits(text: &str) -> String {
    let words: Vec<&str> =
        text.chars().filter_map(|c| c.to_digit(10)).map(|d| ONES[d as usize]).collect();
    words.join(" ")
}

/// A year as it is read aloud: `1999`, `2005`, `2026`, `1900`.
pub(super) fn year(n: u64) -> String {
    let (century, rest) = (n / 100, n % 100);
    match (century, rest) {
        (20, 0..10) => cardinal(n),
        (10..100, 0) if century % 10 != 0 => format!("{} hundred", cardinal(century)),
        (10..100, 1..10) => format!("{} oh {}", cardinal(century), cardinal(rest)),
        (10..100, 10..) => format!("{} {}", cardinal(century), cardinal(rest)),
        _ => cardinal(n),
    }
}

/// A written number: `1,234.50`, `007`, `3.5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written<'a> {
    /// Digits before the point, without thousands separators.
    pub whole: String,
    /// Digits after the point.
    pub fraction: Option<&'a str>,
    /// Whether commas grouped the thousands.
    pub grouping: Grouping,
}

/// Whether commas grouped the thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    Plain,
    Thousands,
}

impl<'a> Written<'a> {
    /// Reads `1234`, `1,234`, `1,234.50`, `.5`; `None` for anything else (`1,23`, `1.2.3`, `12a`).
    pub fn parse(text: &'a str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if fraction.is_some_and(|f| !all_digits(f)) || (whole.is_empty() && fraction.is_none()) {
            return None;
        }
        let mut groups = whole.split(',');
        let first = groups.next().unwrap_or_default();
        let rest: Vec<&str> = groups.collect();
        let fits = if rest.is_empty() {
            whole.is_empty() || all_digits(whole)
        } else {
            all_digits(first)
                && first.len() <= 3
                && rest.iter().all(|g| all_digits(g))
                && rest.iter().all(|g| g.len() == 3)
        };
        if !fits {
            return None;
        }
        let grouping = if rest.is_empty() { Grouping::Plain } else { Grouping::Thousands };
        let whole = if whole.is_empty() { "0".to_owned() } else { whole.replace(',', "") };
        Some(Self { whole, fraction, grouping })
    }

    /// The part before the point as a number, where it is one that can be said.
    pub fn whole_value(&self) -> Option<u64> {
        self.whole.parse().ok().filter(|&n| n <= CARDINAL_MAX)
    }

    /// In words: a number, or digit by digit for codes (leading zero, seven or more bare digits).
    pub fn words(&self) -> String {
        let is_code = self.grouping == Grouping::Plain
            && self.fraction.is_none()
            && ((self.whole.len() > 1 && self.whole.starts_with('0')) || self.whole.len() >= 7);
        let whole = match self.whole_value() {
            Some(n) if !is_code => cardinal(n),
            _ => digits(&self.whole),
        };
        match self.fraction {
            Some(fraction) => format!("{whole} point {}", digits(fraction)),
            None => whole,
        }
    }
}

/// An amount of money in words. `unit` is (one, many), `cent` likewise; three or more digits after
/// the point are read as a decimal.
pub(super) fn money(
    number: &Written<'_>,
    unit: (&str, &str),
    cent: (&str, &str),
) -> Option<String> {
    let whole = number.whole_value()?;
    let cents: u64 = match number.fraction {
        None => 0,
        Some(f) if f.len() == 2 => f.parse().ok()?,
        Some(f) if f.len() == 1 => f.parse::<u64>().ok()? * 10,
        Some(f) => return Some(format!("{} point {} {}", cardinal(whole), digits(f), unit.1)),
    };
    let named = |n: u64, names: (&str, &str)| {
        format!("{} {}", cardinal(n), if n == 1 { names.0 } else { names.1 })
    };
    Some(match (whole, cents) {
        (_, 0) => named(whole, unit),
        (0, _) => named(cents, cent),
        _ => format!("{} and {}", named(whole, unit), named(cents, cent)),
    })
}

/// Whether a word of already normalised text tells a number or spells a letter: such clauses may
/// carry a caller's data.
pub(super) fn is_number_word(word: &str) -> bool {
    const OTHERS: [&str; 8] =
        ["hundred", "thousand", "million", "billion", "trillion", "first", "second", "third"];
    let word = word.to_ascii_lowercase();
    ONES.contains(&word.as_str())
        || TENS.contains(&word.as_str())
        || OTHERS.contains(&word.as_str())
        || word.strip_suffix("th").is_some_and(|w| w.ends_with("ie") || ONES.contains(&w))
        || matches!(word.as_str(), "fifth" | "eighth" | "ninth" | "twelfth")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_numbers() {
        for (n, want) in [
            (0, "zero"),
            (7, "seven"),
            (13, "thirteen"),
            (20, "twenty"),
            (42, "forty two"),
            (100, "one hundred"),
            (115, "one hundred fifteen"),
            (1_000, "one thousand"),
            (1_234, "one thousand two hundred thirty four"),
            (10_010, "ten thousand ten"),
            (1_000_001, "one million one"),
            (2_500_000_000, "two billion five hundred million"),
        ] {
            assert_eq!(cardinal(n), want);
        }
        for (n, want) in [
            (1, "first"),
            (2, "second"),
            (3, "third"),
            (5, "fifth"),
            (12, "twelfth"),
            (20, "twentieth"),
            (31, "thirty first"),
            (100, "one hundredth"),
        ] {
            assert_eq!(ordinal(n), want);
        }
        for (n, want) in [
            (1999, "nineteen ninety nine"),
            (1905, "nineteen oh five"),
            (1900, "nineteen hundred"),
            (2000, "two thousand"),
            (2005, "two thousand five"),
            (2026, "twenty twenty six"),
            (2100, "twenty one hundred"),
        ] {
            assert_eq!(year(n), want);
        }
    }

    #[test]
    fn reads_written_numbers_and_refuses_others() {
        for (text, want) in [
            ("1,234.5", Some("one thousand two hundred thirty four point five")),
            ("007", Some("zero zero seven")),
            ("1234567", Some("one two three four five six seven")),
            (
                "1,234,567",
                Some("one million two hundred thirty four thousand five hundred sixty seven"),
            ),
            (".5", Some("zero point five")),
            (
                "12345678901234567890123",
                Some(
                    "one two three four five six seven eight nine zero one two three four five \
                     six seven eight nine zero one two three",
                ),
            ),
            ("1,23", None),
            ("1.2.3", None),
            ("", None),
            (".", None),
            ("12a", None),
            (",123", None),
        ] {
            assert_eq!(Written::parse(text).map(|w| w.words()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn knows_number_words() {
        for word in ["zero", "Five", "twenty", "hundred", "thirtieth", "sixth", "second"] {
            assert!(is_number_word(word), "{word}");
        }
        for word in ["account", "with", "the", "north", ""] {
            assert_eq!(is_number_word(word), word.is_empty(), "{word}");
        }
    }
}
