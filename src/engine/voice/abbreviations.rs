//! Abbreviations, acronyms and units: what is written short and said in full. Pure.

/// How an abbreviation stands to what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// Before a name: its full stop never ends a sentence.
    Title(&'static str),
    /// Anywhere, but only when written with its full stop.
    Dotted(&'static str),
    /// Anywhere, with or without a full stop.
    Always(&'static str),
}

/// What an abbreviation stands for. `core` comes without its last full stop. `St`, `Dr` and `No`
/// depend on their neighbours and are decided by the caller.
pub(super) fn abbreviation(core: &str) -> Option<Short> {
    use Short::{Always, Dotted, Title};
    Some(match core.to_ascii_lowercase().as_str() {
        "mr" => Title("mister"),
        "mrs" => Title("missus"),
        "ms" => Title("miz"),
        "prof" => Title("professor"),
        "rev" => Title("reverend"),
        "capt" => Title("captain"),
        "e.g" => Title("for example"),
        "i.e" => Title("that is"),
        "vs" => Title("versus"),
        "approx" => Title("approximately"),
        "ext" => Title("extension"),
        "incl" => Title("including"),
        "etc" => Always("et cetera"),
        "ave" => Dotted("avenue"),
        "rd" => Dotted("road"),
        "blvd" => Always("boulevard"),
        "ln" => Dotted("lane"),
        "apt" => Dotted("apartment"),
        "ste" => Dotted("suite"),
        "dept" => Always("department"),
        "inc" => Dotted("incorporated"),
        "ltd" => Always("limited"),
        "corp" => Dotted("corporation"),
        "co" => Dotted("company"),
        "jr" => Always("junior"),
        "sr" => Dotted("senior"),
        "tel" => Dotted("telephone"),
        "acct" => Always("account"),
        "appt" => Always("appointment"),
        "min" => Dotted("minutes"),
        "hrs" => Always("hours"),
        "hr" => Always("hour"),
        "a.k.a" => Always("also known as"),
        "u.s" => Always("U S"),
        "u.k" => Always("U K"),
        "w/" => Always("with"),
        "c/o" => Always("care of"),
        "24/7" => Always("twenty four seven"),
        "and/or" => Always("and or"),
        "n/a" => Always("not applicable"),
        _ => return None,
    })
}

/// A unit behind a number: (one, many).
pub(super) fn unit(text: &str) -> Option<(&'static str, &'static str)> {
    Some(match text {
        "km" => ("kilometer", "kilometers"),
        "kg" => ("kilogram", "kilograms"),
        "cm" => ("centimeter", "centimeters"),
        "mm" => ("millimeter", "millimeters"),
        "lb" | "lbs" => ("pound", "pounds"),
        "oz" => ("ounce", "ounces"),
        "ft" => ("foot", "feet"),
        "mph" => ("mile per hour", "miles per hour"),
        "km/h" => ("kilometer per hour", "kilometers per hour"),
        "GB" => ("gigabyte", "gigabytes"),
        "MB" => ("megabyte", "megabytes"),
        "Mbps" => ("megabit per second", "megabits per second"),
        "kWh" => ("kilowatt hour", "kilowatt hours"),
        "min" | "mins" => ("minute", "minutes"),
        "hr" | "hrs" => ("hour", "hours"),
        "°C" => ("degree Celsius", "degrees Celsius"),
        "°F" => ("degree Fahrenheit", "degrees Fahrenheit"),
        "°" => ("degree", "degrees"),
        _ => return None,
    })
}

/// A symbol that stands alone or between words.
pub(super) fn symbol(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "and",
        '@' => "at",
        '+' => "plus",
        '=' => "equals",
        '%' => "percent",
        '#' => "pound",
        '*' => "star",
        '$' => "dollar",
        '£' => "pound",
        '€' => "euro",
        '°' => "degrees",
        _ => return None,
    })
}

/// Capitals that are spelled although they hold a vowel.
const SPELLED: &[&str] = &[
    "ACH", "AI", "AML", "APR", "APY", "API", "ASL", "ATM", "ATV", "CEO", "CFO", "CIO", "DOB",
    "DOA", "EFT", "EIN", "EMI", "ESL", "ETA", "ETF", "EU", "EV", "FAQ", "GPA", "HOA", "HIV", "HSA",
    "ID", "IP", "IRA", "IRS", "ISP", "IT", "ITIN", "IVR", "MRI", "OTP", "POS", "RSVP", "UK", "UPS",
    "URL", "USA", "USB",
];
/// Capitals with a saying of their own.
const SAID: &[(&str, &str)] = &[
    ("OK", "okay"),
    ("IBAN", "eye ban"),
    ("ASAP", "as soon as possible"),
    ("JPEG", "jay peg"),
    ("TBD", "to be decided"),
];
/// Words of two letters, or without a vowel, that somebody may write in capitals.
const WORDS: &[&str] = &[
    "AM", "AN", "AS", "AT", "BE", "BY", "DO", "GO", "HE", "IF", "IN", "IS", "ME", "MY", "NO", "OF",
    "OH", "ON", "OR", "SO", "TO", "UP", "WE", "TRY", "WHY", "FLY", "DRY", "CRY", "SKY", "SHY",
    "SPY", "HI", "MR", "MRS",
];

/// How a word in capitals is said; `None` where it is not one (lower case, or a single letter).
/// A small `s` or `'s` behind the capitals is a plural or a possessive.
pub(super) fn acronym(word: &str) -> Option<String> {
    let (base, ending) = match word.strip_suffix("'s").or_else(|| word.strip_suffix('s')) {
        Some(base) => (base, "s"),
        None => (word, ""),
    };
    let is_capitals = base.len() >= 2 && base.bytes().all(|b| b.is_ascii_uppercase());
    if !is_capitals {
        return None;
    }
    if let Some((_, said)) = SAID.iter().find(|(short, _)| *short == base) {
        return Some(format!("{said}{ending}"));
    }
    let has_vowel = base.contains(['A', 'E', 'I', 'O', 'U']);
    let is_spelled = match SPELLED.contains(&base) {
        true => true,
        false if WORDS.contains(&base) => false,
        false => !has_vowel || base.len() == 2,
    };
    Some(match (is_spelled, ending.is_empty()) {
        (true, true) => spelled(base),
        // With the apostrophe the phonemiser keeps the s with the letter.
        (true, false) => format!("{}'s", spelled(base)),
        (false, _) => base.to_ascii_lowercase() + ending,
    })
}

/// Letter by letter: `atm` -> `A T M`.
pub(super) fn spelled(letters: &str) -> String {
    let letters: Vec<String> = letters
        .chars()
        .filter(|c| c.is_alphabetic())
        .flat_map(char::to_uppercase)
        .map(String::from)
        .collect();
    letters.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_capitals() {
        for (word, want) in [
            ("ATM", Some("A T M")),
            ("ATMs", Some("A T M's")),
            ("ATM's", Some("A T M's")),
            ("PIN", Some("pin")),
            ("PINs", Some("pins")),
            ("ID", Some("I D")),
            ("FAQ", Some("F A Q")),
            ("SSN", Some("S S N")),
            ("US", Some("U S")),
            ("OK", Some("okay")),
            ("VISA", Some("visa")),
            ("NO", Some("no")),
            ("IBAN", Some("eye ban")),
            ("A", None),
            ("Is", None),
            ("pin", None),
            ("McD", None),
        ] {
            assert_eq!(acronym(word).as_deref(), want, "{word}");
        }
    }
}
