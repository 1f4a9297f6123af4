//! Values in the words that are read aloud: phone numbers in groups, times, letters one by one,
//! mail addresses.

/// `+14155550123` becomes `4 1 5, 5 5 5, 0 1 2 3`; the country is said where it is not America.
pub(super) fn phone(value: &str) -> Option<String> {
    const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
    let (plus, digits) = match value.strip_prefix("+1").or_else(|| value.strip_prefix('+')) {
        Some(digits) if value.starts_with("+1") => ("", digits),
        Some(digits) => ("plus ", digits),
        None => ("", value),
    };
    let digits: Vec<char> = digits.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if !DIGITS.contains(&digits.len()) || !digits.iter().all(char::is_ascii_digit) {
        return None;
    }
    let groups: Vec<String> = phone_groups(digits.len())
        .into_iter()
        .scan(0, |start, length| {
            let group = spaced(digits.get(*start..*start + length)?.iter().copied());
            *start += length;
            Some(group)
        })
        .collect();
    Some(format!("{plus}{}", groups.join(", ")))
}

/// How many digits are said in one go: four at the end and threes before them, none alone.
fn phone_groups(count: usize) -> Vec<usize> {
    let mut groups = vec![count.min(4)];
    let mut left = count.saturating_sub(4);
    while left > 0 {
        // One digit is not left over.
        let group = if left == 4 { 4 } else { left.min(3) };
        groups.insert(0, group);
        left -= group;
    }
    groups
}

/// `14:30` becomes `2:30 pm`, `12:00` becomes `noon`.
pub(super) fn time(value: &str) -> Option<String> {
    let (hour, minute) = value.trim().split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse::<u8>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let half = if hour < 12 { "am" } else { "pm" };
    let on_clock = if hour % 12 == 0 { 12 } else { hour % 12 };
    Some(match (hour, minute) {
        (0, 0) => "midnight".to_owned(),
        (12, 0) => "noon".to_owned(),
        (_, 0) => format!("{on_clock} {half}"),
        _ => format!("{on_clock}:{minute:02} {half}"),
    })
}

/// Character by character: `SW1A 1AA` becomes `S W 1 A, 1 A A`, `O'Brien` becomes `O apostrophe B
/// R I E N`.
pub(super) fn spelled(value: &str) -> Option<String> {
    let groups: Vec<String> = value.split_whitespace().map(|group| spaced(group.chars())).collect();
    (!groups.is_empty()).then(|| groups.join(", "))
}

/// `john.smith42@gmail.com` becomes `john dot smith 4 2 at gmail dot com`.
pub(super) fn email(value: &str) -> Option<String> {
    let (local, domain) = value.split_once('@')?;
    if local.is_empty() || domain.is_empty() || value.contains(char::is_whitespace) {
        return None;
    }
    Some(format!("{} at {}", address_words(local), address_words(domain)))
}

/// Words as words, what is no word letter by letter, marks by their names.
fn address_words(text: &str) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_alphabetic() {
            word.push(c);
            continue;
        }
        said.extend(address_word(&std::mem::take(&mut word)));
        said.push(character(c));
    }
    said.extend(address_word(&word));
    said.join(" ")
}

fn address_word(word: &str) -> Option<String> {
    const SHORT_WORDS: [&str; 4] = ["co", "me", "my", "in"];
    let has_vowel = word.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let is_word = has_vowel && (word.len() > 2 || SHORT_WORDS.contains(&word));
    match word {
        "" => None,
        word if is_word => Some(word.to_owned()),
        word => Some(spaced(word.chars())),
    }
}

fn spaced(chars: impl Iterator<Item = char>) -> String {
    chars.map(character).collect::<Vec<_>>().join(" ")
}

/// What is said for a single character.
fn character(c: char) -> String {
    match c {
        '-' => "dash".to_owned(),
        '\'' => "apostrophe".to_owned(),
        '.' => "dot".to_owned(),
        '_' => "underscore".to_owned(),
        '+' => "plus".to_owned(),
        '@' => "at".to_owned(),
        c => c.to_uppercase().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(say: fn(&str) -> Option<String>, table: &[(&str, Option<&str>)]) {
        for (value, expected) in table {
            assert_eq!(say(value).as_deref(), *expected, "{value}");
        }
    }

    #[test]
    fn phone_numbers_are_said_in_groups() {
        check(
            phone,
            &[
                ("+14155550123", Some("4 1 5, 5 5 5, 0 1 2 3")),
                ("4155550123", Some("4 1 5, 5 5 5, 0 1 2 3")),
                ("5550123", Some("5 5 5, 0 1 2 3")),
                ("+442079460958", Some("plus 4 4, 2 0 7, 9 4 6, 0 9 5 8")),
                ("02079460958", Some("0 2 0 7, 9 4 6, 0 9 5 8")),
                ("12345678", Some("1 2 3 4, 5 6 7 8")),
                ("555-0123", Some("5 5 5, 0 1 2 3")),
                ("555", None),
                ("banana", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn times_are_said_on_the_clock() {
        check(
            time,
            &[
                ("14:30", Some("2:30 pm")),
                ("09:00", Some("9 am")),
                ("09:05", Some("9:05 am")),
                ("12:00", Some("noon")),
                ("12:30", Some("12:30 pm")),
                ("00:00", Some("midnight")),
                ("00:15", Some("12:15 am")),
                ("24:00", None),
                ("9:00", None),
                ("noon", None),
            ],
        );
    }

    #[test]
    fn letters_are_said_one_by_one() {
        check(
            spelled,
            &[
                ("Smith", Some("S M I T H")),
                ("O'Brien", Some("O apostrophe B R I E N")),
                ("Mary-Ann Lee", Some("M A R Y dash A N N, L E E")),
                ("SW1A 1AA", Some("S W 1 A, 1 A A")),
                ("94103-1234", Some("9 4 1 0 3 dash 1 2 3 4")),
                (" ", None),
            ],
        );
    }

    #[test]
    fn addresses_are_said_in_words() {
        check(
            email,
            &[
                ("john.smith@gmail.com", Some("john dot smith at gmail dot com")),
                (
                    "john_smith42@yahoo.co.uk",
                    Some("john underscore smith 4 2 at yahoo dot co dot U K"),
                ),
                ("jsb@harbor-bank.org", Some("J S B at harbor dash bank dot org")),
                ("john", None),
                ("@x.com", None),
                ("a b@x.com", None),
            ],
        );
    }
}
