//! Exact money: decimal text to cents and back, without floating point.

/// Ten billion: beyond anything a caller can mean, far inside 64 bits.
const CENTS_MAX: i64 = 1_000_000_000_000;

/// Cents of `50`, `50.5`, `50.00` or `1204.50`. Signs, separators and a third place are refused.
pub(super) fn parse_cents(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let tenths_or_cents: i64 = fraction.parse().ok()?;
    let cents = if fraction.len() == 1 { tenths_or_cents * 10 } else { tenths_or_cents };
    whole.checked_mul(100)?.checked_add(cents).filter(|total| *total <= CENTS_MAX)
}

/// `1204.50`, the normal form of money in slots and outputs.
pub(super) fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// `$1,204.50`, to be read by people and the voice. The sign is left to the sentence around it.
pub(super) fn dollars(cents: i64) -> String {
    let cents = cents.unsigned_abs();
    let whole = (cents / 100).to_string();
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}.{:02}", cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, cents) in [
            ("50.00", Some(5000)),
            ("50", Some(5000)),
            ("0.5", Some(50)),
            ("0.29", Some(29)),
            ("1204.50", Some(120_450)),
            ("9007199254740993.01", None),
            ("99999999999999999999", None),
            ("-5", None),
            ("+5", None),
            ("1,204.50", None),
            ("1.005", None),
            (".5", None),
            ("5.", None),
            ("", None),
            ("fifty", None),
            ("٥", None),
        ] {
            assert_eq!(parse_cents(text), cents, "{text:?}");
        }
    }

    #[test]
    fn money_is_written_two_ways() {
        assert_eq!(decimal(120_450), "1204.50");
        assert_eq!(decimal(-5), "-0.05");
        assert_eq!(dollars(120_450), "$1,204.50");
        assert_eq!(dollars(-5_420), "$54.20");
        assert_eq!(dollars(100_000_000), "$1,000,000.00");
        assert_eq!(dollars(99), "$0.99");
    }
}
