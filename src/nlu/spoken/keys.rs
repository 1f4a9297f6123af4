//! Values that are keyed on the telephone's keypad.
//!
//! `#` ends a value and `*` clears what was keyed, except for money, where `*` is the decimal
//! point. Choices are keyed by their number, dates as month, day and year (MMDDYYYY), times on the
//! 24-hour clock (HHMM), and a yes-or-no question takes 1 for yes and 2 for no.

use super::calendar::valid;
use super::{card, phone, time, zip_code};
use crate::base::Pii;
use crate::nlu::SlotKind;

/// What the keys pressed so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysResult {
    /// A whole value, in the slot kind's normal form.
    Complete(Pii<String>),
    /// More keys are to come; these count so far.
    Incomplete(Pii<String>),
    /// No value of this kind, and further keys will not make it one.
    Invalid,
}

/// The answer keyed to a yes-or-no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyedYesNo {
    /// 1.
    Yes,
    /// 2.
    No,
}

impl KeyedYesNo {
    /// The answer that a key gives, if it is one of the two.
    pub const fn from_key(key: char) -> Option<Self> {
        match key {
            '1' => Some(Self::Yes),
            '2' => Some(Self::No),
            _ => None,
        }
    }
}

/// Longest run of keys that is looked at.
const KEYS_MAX: usize = 40;

/// Reads all keys pressed for a slot. A value is complete at `#`, or without it as soon as no
/// further key could belong to it.
pub fn spoken_keys(keys: &str, kind: &SlotKind) -> KeysResult {
    let allowed = |key: char| key.is_ascii_digit() || matches!(key, '*' | '#');
    if !keys.chars().all(allowed) || keys.len() > KEYS_MAX {
        return KeysResult::Invalid;
    }
    let (keyed, ended) = match keys.split_once('#') {
        Some((keyed, _)) => (keyed, true),
        None => (keys, false),
    };
    if *kind == SlotKind::Money {
        return money(keyed, ended);
    }
    let keyed = keyed.rsplit('*').next().unwrap_or(keyed);
    match kind {
        SlotKind::Digits { min, max } => digits(keyed, ended, *min, *max),
        SlotKind::OneOf(choices) => {
            let values: Vec<&str> = choices.iter().map(|choice| choice.value.as_str()).collect();
            one_of(keyed, ended, &values)
        }
        SlotKind::Date => date(keyed, ended),
        SlotKind::Time => whole(keyed, ended, 4, time::keyed),
        SlotKind::Phone => whole(keyed, ended, 15, |keys| phone::normal_form(keys, false)),
        SlotKind::Zip => whole(keyed, ended, 9, zip_code::normal_form),
        SlotKind::Card => whole(keyed, ended, 19, |keys| {
            Some(keys.to_owned()).filter(|keys| card::is_valid(keys))
        }),
        SlotKind::Money
        | SlotKind::Postcode
        | SlotKind::Name
        | SlotKind::Email
        | SlotKind::Text => KeysResult::Invalid,
    }
}

/// A value of up to `max` keys, which is whole when it ends.
fn whole(
    keyed: &str,
    ended: bool,
    max: usize,
    normal_form: impl Fn(&str) -> Option<String>,
) -> KeysResult {
    match keyed.len() {
        len if len > max => KeysResult::Invalid,
        len if ended || len == max => normal_form(keyed).map_or(KeysResult::Invalid, complete),
        _ => incomplete(keyed),
    }
}

fn complete(value: impl Into<String>) -> KeysResult {
    KeysResult::Complete(Pii::new(value.into()))
}

fn incomplete(keyed: &str) -> KeysResult {
    KeysResult::Incomplete(Pii::new(keyed.to_owned()))
}

fn digits(keyed: &str, ended: bool, min: usize, max: usize) -> KeysResult {
    match keyed.len() {
        len if len > max => KeysResult::Invalid,
        len if len == max && len > 0 => complete(keyed),
        len if ended && len >= min.max(1) => complete(keyed),
        _ if ended => KeysResult::Invalid,
        _ => incomplete(keyed),
    }
}

fn one_of(keyed: &str, ended: bool, values: &[&str]) -> KeysResult {
    if keyed.is_empty() {
        return if ended { KeysResult::Invalid } else { incomplete(keyed) };
    }
    let Some(value) =
        keyed.parse().ok().and_then(|number: usize| values.get(number.checked_sub(1)?))
    else {
        return KeysResult::Invalid;
    };
    // With ten choices or more, a 1 may go on to be 12.
    let may_go_on = !ended && keyed.parse().is_ok_and(|number: usize| number * 10 <= values.len());
    if may_go_on { incomplete(keyed) } else { complete(*value) }
}

fn date(keyed: &str, ended: bool) -> KeysResult {
    let number = |range| keyed.get(range).and_then(|part: &str| part.parse::<u16>().ok());
    let parts = (number(0..2), number(2..4), number(4..8));
    let (Some(month), Some(day), Some(year)) = parts else {
        return if ended { KeysResult::Invalid } else { incomplete(keyed) };
    };
    let found = u8::try_from(month)
        .ok()
        .zip(u8::try_from(day).ok())
        .and_then(|(month, day)| valid(i32::from(year), month, day))
        .filter(|_| keyed.len() == 8);
    found.map_or(KeysResult::Invalid, |date| complete(super::iso_date(date)))
}

fn money(keyed: &str, ended: bool) -> KeysResult {
    let (whole, cents) = keyed.split_once('*').unwrap_or((keyed, ""));
    if cents.len() > 2 || cents.contains('*') || whole.len() > 9 {
        return KeysResult::Invalid;
    }
    let cents_complete = cents.len() == 2;
    if !ended && !cents_complete {
        return incomplete(keyed);
    }
    let nothing = whole.is_empty() && cents.is_empty();
    let whole = if whole.is_empty() { "0" } else { whole };
    let Ok(whole) = whole.parse::<u64>() else { return KeysResult::Invalid };
    let cents = format!("{cents:0<2}");
    if nothing || (whole == 0 && cents == "00") {
        return KeysResult::Invalid;
    }
    complete(format!("{whole}.{cents}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::Choice;

    fn show(result: &KeysResult) -> String {
        match result {
            KeysResult::Complete(value) => value.expose().clone(),
            KeysResult::Incomplete(keyed) => format!("<{}", keyed.expose()),
            KeysResult::Invalid => "!".to_owned(),
        }
    }

    fn choices(count: usize) -> SlotKind {
        let choice = |i| Choice { value: format!("c{i}"), also: Vec::new() };
        SlotKind::OneOf((1..=count).map(choice).collect())
    }

    #[test]
    fn reads_keys_for_each_kind() {
        let exact = SlotKind::Digits { min: 4, max: 4 };
        let range = SlotKind::Digits { min: 4, max: 6 };
        let table = [
            (&exact, "12", "<12"),
            (&exact, "1234", "1234"),
            (&exact, "12345", "!"),
            (&exact, "12#", "!"),
            (&exact, "99*1234", "1234"),
            (&exact, "12*", "<"),
            (&exact, "#", "!"),
            (&exact, "12a4", "!"),
            (&range, "1234", "<1234"),
            (&range, "1234#", "1234"),
            (&range, "123456", "123456"),
            (&SlotKind::Money, "120", "<120"),
            (&SlotKind::Money, "120#", "120.00"),
            (&SlotKind::Money, "120*5#", "120.50"),
            (&SlotKind::Money, "120*50", "120.50"),
            (&SlotKind::Money, "*50", "0.50"),
            (&SlotKind::Money, "007#", "7.00"),
            (&SlotKind::Money, "0#", "!"),
            (&SlotKind::Money, "#", "!"),
            (&SlotKind::Money, "1*2*3", "!"),
            (&SlotKind::Date, "0331", "<0331"),
            (&SlotKind::Date, "03312026", "2026-03-31"),
            (&SlotKind::Date, "02302026", "!"),
            (&SlotKind::Date, "0331#", "!"),
            (&choices(3), "2", "c2"),
            (&choices(3), "4", "!"),
            (&choices(3), "0", "!"),
            (&choices(3), "", "<"),
            (&choices(12), "1", "<1"),
            (&choices(12), "12", "c12"),
            (&choices(12), "1#", "c1"),
            (&choices(12), "2", "c2"),
            (&SlotKind::Text, "1", "!"),
            (&SlotKind::Time, "143", "<143"),
            (&SlotKind::Time, "1430", "14:30"),
            (&SlotKind::Time, "9#", "09:00"),
            (&SlotKind::Time, "230#", "14:30"),
            (&SlotKind::Time, "2575", "!"),
            (&SlotKind::Phone, "4155550123", "<4155550123"),
            (&SlotKind::Phone, "4155550123#", "+14155550123"),
            (&SlotKind::Phone, "99*4155550123#", "+14155550123"),
            (&SlotKind::Phone, "00442079460958#", "+442079460958"),
            (&SlotKind::Phone, "415#", "!"),
            (&SlotKind::Zip, "94103", "<94103"),
            (&SlotKind::Zip, "94103#", "94103"),
            (&SlotKind::Zip, "941031234", "94103-1234"),
            (&SlotKind::Zip, "9410#", "!"),
            (&SlotKind::Card, "4111111111111111#", "4111111111111111"),
            (&SlotKind::Card, "4111111111111112#", "!"),
            (&SlotKind::Card, "41111111", "<41111111"),
            (&SlotKind::Name, "1", "!"),
            (&SlotKind::Email, "1#", "!"),
            (&SlotKind::Postcode, "1#", "!"),
        ];
        for (kind, keys, expected) in table {
            assert_eq!(show(&spoken_keys(keys, kind)), expected, "{keys} {kind:?}");
        }
    }

    #[test]
    fn one_is_yes_and_two_is_no() {
        assert_eq!(KeyedYesNo::from_key('1'), Some(KeyedYesNo::Yes));
        assert_eq!(KeyedYesNo::from_key('2'), Some(KeyedYesNo::No));
        assert_eq!(KeyedYesNo::from_key('3'), None);
    }
}
