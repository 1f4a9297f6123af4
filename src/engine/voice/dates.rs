//! Dates and times of day in words. Pure.

use super::numbers::{cardinal, ordinal, year};

const MONTHS: [(&str, &str); 12] = [
    ("january", "jan"),
    ("february", "feb"),
    ("march", "mar"),
    ("april", "apr"),
    ("may", "may"),
    ("june", "jun"),
    ("july", "jul"),
    ("august", "aug"),
    ("september", "sep"),
    ("october", "oct"),
    ("november", "nov"),
    ("december", "dec"),
];
const WEEKDAYS: [(&str, &str); 7] = [
    ("Monday", "mon"),
    ("Tuesday", "tue"),
    ("Wednesday", "wed"),
    ("Thursday", "thu"),
    ("Friday", "fri"),
    ("Saturday", "sat"),
    ("Sunday", "sun"),
];

/// The month a word names (`March`, `mar`, `Sept`), as its full name with a capital.
pub(super) fn month(word: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let index = MONTHS
        .iter()
        .position(|(full, short)| word == *full || word == *short)
        .or_else(|| (word == "sept").then_some(8))?;
    month_name(index as u64 + 1)
}

/// The weekday a short form names (`Mon`, `Tues`, `Thurs`).
pub(super) fn weekday(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let short = match word.as_str() {
        "tues" => "tue",
        "thur" | "thurs" => "thu",
        other => other,
    };
    WEEKDAYS.iter().find(|(_, s)| *s == short).map(|(full, _)| *full)
}

/// The name of a month, 1 to 12.
fn month_name(number: u64) -> Option<String> {
    let (full, _) = MONTHS.get(usize::try_from(number.checked_sub(1)?).ok()?)?;
    Some(full[..1].to_ascii_uppercase() + &full[1..])
}

/// A day of the month from `31` or `31st`.
pub(super) fn day(text: &str) -> Option<u64> {
    let digits = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix))
        .unwrap_or(text);
    if digits.is_empty() || digits.len() > 2 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|d| (1..=31).contains(d))
}

/// A four-digit year from 1000 to 2999.
pub(super) fn year_number(text: &str) -> Option<u64> {
    let fits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten().filter(|y| (1000..3000).contains(y))
}

/// `2026-03-31` or `3/31/2026` -> `March thirty first, twenty twenty six`.
pub(super) fn numeric_date(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let &[a, b, c] = parts.as_slice() else {
        return None;
    };
    let (y, m, d) = match (a.len(), text.contains('-'), text.contains('/')) {
        (4, true, false) => (a, b, c),
        (1..=2, false, true) if c.len() == 4 => (c, a, b),
        _ => return None,
    };
    let (y, m, d) = (year_number(y)?, day(m)?, day(d)?);
    Some(format!("{} {}, {}", month_name(m)?, ordinal(d), year(y)))
}

/// Which half of the day was written behind a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Am,
    Pm,
}

impl Half {
    /// `am`, `a.m.`, `PM`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().replace('.', "").as_str() {
            "am" => Some(Self::Am),
            "pm" => Some(Self::Pm),
            _ => None,
        }
    }

    /// The letters, spelled.
    pub fn words(self) -> &'static str {
        match self {
            Self::Am => "A M",
            Self::Pm => "P M",
        }
    }
}

/// A time of day as written: hour, minute if written, and what is glued to it (`9:30am`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockTime {
    hour: u64,
    minute: Option<u64>,
    half: Option<Half>,
}

impl ClockTime {
    /// Reads `9:30`, `17:00`, `9:30am`, `9am`; a bare `9` only when a half of the day follows.
    pub fn parse(text: &str, following: Option<Half>) -> Option<Self> {
        let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (clock, glued) = text.split_at(letters);
        let half = if glued.is_empty() { following } else { Some(Half::parse(glued)?) };
        let number = |s: &str| -> Option<u64> {
            let fits = matches!(s.len(), 1..=2) && s.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| s.parse().ok()).flatten()
        };
        let (hour, minute) = match clock.split_once(':') {
            Some((hour, minute)) if minute.len() == 2 => (number(hour)?, Some(number(minute)?)),
            Some(_) => return None,
            None if half.is_some() => (number(clock)?, None),
            None => return None,
        };
        let hour_max = if half.is_some() { 12 } else { 23 };
        let fits = hour <= hour_max && minute.is_none_or(|m| m < 60);
        fits.then_some(Self { hour, minute, half })
    }

    /// In words, on the twelve-hour clock, as people say it on the phone.
    pub fn words(self) -> String {
        // Without a half of the day only the hours that can't be mistaken get one.
        let half = match (self.half, self.hour) {
            (Some(half), _) => Some(half),
            (None, 13..) => Some(Half::Pm),
            (None, 0) => Some(Half::Am),
            (None, _) => None,
        };
        let hour = match self.hour % 12 {
            0 => cardinal(12),
            h => cardinal(h),
        };
        let minute = match self.minute {
            None | Some(0) if half.is_some() => String::new(),
            None | Some(0) => " o'clock".to_owned(),
            Some(m @ 1..10) => format!(" oh {}", cardinal(m)),
            Some(m) => format!(" {}", cardinal(m)),
        };
        let half = half.map(|h| format!(" {}", h.words())).unwrap_or_default();
        format!("{hour}{minute}{half}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_clock_times() {
        for (text, following, want) in [
            ("9:30", None, Some("nine thirty")),
            ("9:30", Some(Half::Am), Some("nine thirty A M")),
            ("9:05pm", None, Some("nine oh five P M")),
            ("17:00", None, Some("five P M")),
            ("0:15", None, Some("twelve fifteen A M")),
            ("12:00", None, Some("twelve o'clock")),
            ("9", Some(Half::Pm), Some("nine P M")),
            ("9", None, None),
            ("25:00", None, None),
            ("9:61", None, None),
            ("13", Some(Half::Pm), None),
            ("9:5", None, None),
            ("9x", None, None),
        ] {
            let got = ClockTime::parse(text, following).map(ClockTime::words);
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn reads_numeric_dates() {
        for (text, want) in [
            ("2026-03-31", Some("March thirty first, twenty twenty six")),
            ("3/1/2027", Some("March first, twenty twenty seven")),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("555-12-3456", None),
            ("3/31", None),
            ("2026-03/31", None),
        ] {
            assert_eq!(numeric_date(text).as_deref(), want, "{text}");
        }
    }
}
