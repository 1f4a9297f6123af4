//! Everything written with figures or symbols: money, per cent, dates, times, phone numbers,
//! codes, ranges, mail and web addresses. Pure.

use super::abbreviations::{acronym, spelled, unit};
use super::dates::{ClockTime, Half, day, month, numeric_date, weekday, year_number};
use super::normalise::{closing_mark, say_word};
use super::numbers::{Grouping, Written, cardinal, digits, money, ordinal, year};
use super::tokens::{Token, is_digits};

/// What is said for one or more tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub words: String,
    /// How many tokens it took.
    pub taken: usize,
    /// The mark behind it.
    pub mark: Option<char>,
}

/// Words before a number that make it a code, read digit by digit from three digits on.
const CODE_WORDS: [&str; 20] = [
    "ending",
    "code",
    "pin",
    "extension",
    "ext",
    "zip",
    "account",
    "number",
    "no",
    "card",
    "reference",
    "ref",
    "id",
    "digits",
    "case",
    "ticket",
    "order",
    "confirmation",
    "policy",
    "invoice",
];

/// Reads the token at `at` as something written with figures or symbols.
pub(super) fn say_written(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let token = &tokens[at];
    if let Some(words) = address(token.core) {
        return Some(Said { words, taken: 1, mark: token.mark() });
    }
    let has_digit = token.core.contains(|c: char| c.is_ascii_digit());
    if let Some(said) = spoken_date(tokens, at) {
        return Some(said);
    }
    if !has_digit {
        let words = weekday_range(token.core)?;
        return Some(Said { words, taken: 1, mark: token.mark() });
    }
    digit_groups(tokens, at)
        .or_else(|| clock(tokens, at))
        .or_else(|| amount_with_scale(tokens, at))
        .or_else(|| with_unit(tokens, at))
        .or_else(|| {
            let before = at.checked_sub(1).map(|i| tokens[i].core);
            let before = match before {
                // "ending in 1234", "your PIN is 1234", "number: 1234".
                Some("in" | "is" | "with") => at.checked_sub(2).map(|i| tokens[i].core),
                before => before,
            };
            let words = one(token.core, before)?;
            Some(Said { words, taken: 1, mark: token.mark() })
        })
}

/// One token with figures, whatever stands around it.
fn one(core: &str, before: Option<&str>) -> Option<String> {
    if let Some(rest) = core.strip_prefix('-') {
        let starts = rest.starts_with(|c: char| c.is_ascii_digit() || is_currency(c));
        return starts.then(|| one(rest, before)).flatten().map(|w| format!("minus {w}"));
    }
    if let Some(rest) = core.strip_prefix('+') {
        return one(rest, before).map(|w| format!("plus {w}"));
    }
    if let Some(rest) = core.strip_prefix('#') {
        return is_digits(rest).then(|| format!("number {}", code_or_number(rest)));
    }
    amount(core)
        .or_else(|| numeric_date(core))
        .or_else(|| range(core))
        .or_else(|| {
            let number = core.strip_suffix('%')?;
            Some(format!("{} percent", Written::parse(number)?.words()))
        })
        .or_else(|| counted(core))
        .or_else(|| fraction(core))
        .or_else(|| number(core, before))
        .or_else(|| Some(say_word(core)))
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '£' | '€' | '¢')
}

/// The names of a currency and of its hundredth, each (one, many).
type Names = ((&'static str, &'static str), (&'static str, &'static str));

fn currency(core: &str) -> Option<(Names, &str)> {
    let core = core.strip_prefix("US").filter(|c| c.starts_with('$')).unwrap_or(core);
    let names = match core.chars().next()? {
        '$' => (("dollar", "dollars"), ("cent", "cents")),
        '£' => (("pound", "pounds"), ("penny", "pence")),
        '€' => (("euro", "euros"), ("cent", "cents")),
        _ => return None,
    };
    let rest = core.trim_start_matches(is_currency);
    Some((names, rest))
}

/// `$1,234.50`, `€5`, `$-5`, `50¢`.
fn amount(core: &str) -> Option<String> {
    if let Some(cents) = core.strip_suffix('¢') {
        let cents = Written::parse(cents)?.whole_value()?;
        return Some(format!("{} {}", cardinal(cents), if cents == 1 { "cent" } else { "cents" }));
    }
    let ((unit, cent), rest) = currency(core)?;
    let (minus, rest) = match rest.strip_prefix('-') {
        Some(rest) => ("minus ", rest),
        None => ("", rest),
    };
    if let Some(thousands) = rest.strip_suffix(['k', 'K']) {
        return Some(format!("{minus}{} thousand {}", Written::parse(thousands)?.words(), unit.1));
    }
    Some(format!("{minus}{}", money(&Written::parse(rest)?, unit, cent)?))
}

/// `$5 million`.
fn amount_with_scale(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let ((unit, _), number) = currency(tokens[at].core)?;
    let next = tokens.get(at + 1)?;
    let is_scale = matches!(next.core, "hundred" | "thousand" | "million" | "billion" | "trillion");
    if !is_scale || !tokens[at].trail.is_empty() {
        return None;
    }
    let number = Written::parse(number)?;
    let words = format!("{} {} {}", number.words(), next.core, unit.1);
    Some(Said { words, taken: 2, mark: next.mark() })
}

/// `5 km`, `5km`, `20°C`.
fn with_unit(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let token = &tokens[at];
    let split = token.core.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')));
    let (number, unit_names, taken) = match split {
        Some(split) => (&token.core[..split], unit(&token.core[split..])?, 1),
        None => (token.core, unit(tokens.get(at + 1)?.core)?, 2),
    };
    if taken == 2 && !token.trail.is_empty() {
        return None;
    }
    let number = Written::parse(number)?;
    let name =
        if number.whole == "1" && number.fraction.is_none() { unit_names.0 } else { unit_names.1 };
    let last = &tokens[at + taken - 1];
    let mark =
        if last.is_dotted() { closing_mark(last, tokens.get(at + taken)) } else { last.mark() };
    Some(Said { words: format!("{} {name}", number.words()), taken, mark })
}

/// `9:30 am`, `9am`, `17:00`.
fn clock(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let token = &tokens[at];
    let next = tokens.get(at + 1).filter(|_| token.trail.is_empty());
    let following = next.and_then(|n| Half::parse(n.core));
    if let Some(time) = following.and_then(|h| ClockTime::parse(token.core, Some(h))) {
        let half = &tokens[at + 1];
        let has_stops = half.core.contains('.');
        let mark = match has_stops {
            true => closing_mark(half, tokens.get(at + 2)),
            false => half.mark(),
        };
        return Some(Said { words: time.words(), taken: 2, mark });
    }
    let time = ClockTime::parse(token.core, None)?;
    let mark = match token.core.ends_with(".m") {
        true => closing_mark(token, tokens.get(at + 1)),
        false => token.mark(),
    };
    Some(Said { words: time.words(), taken: 1, mark })
}

/// `March 31`, `Mar. 31st, 2026`, `31 March 2026`.
fn spoken_date(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let token = &tokens[at];
    let next = tokens.get(at + 1)?;
    let is_joined = |t: &Token<'_>| t.trail.is_empty() || t.trail == ".";
    let year_at = |i: usize, previous: &Token<'_>| {
        let fits = matches!(previous.trail, "" | ",");
        tokens.get(i).filter(|_| fits).and_then(|t| year_number(t.core))
    };
    let (words, taken) = if let (Some(name), Some(d)) = (month(token.core), day(next.core)) {
        if !token.is_capitalised() || !is_joined(token) {
            return None;
        }
        (format!("{name} {}", ordinal(d)), 2)
    } else if let (Some(d), Some(name)) = (day(token.core), month(next.core)) {
        if !next.is_capitalised() || !token.trail.is_empty() {
            return None;
        }
        let has_the = at > 0 && tokens[at - 1].core.eq_ignore_ascii_case("the");
        (format!("{}{} of {name}", if has_the { "" } else { "the " }, ordinal(d)), 2)
    } else {
        return None;
    };
    let last = &tokens[at + 1];
    Some(match year_at(at + taken, last) {
        Some(y) => Said {
            words: format!("{words}, {}", year(y)),
            taken: taken + 1,
            mark: tokens[at + taken].mark(),
        },
        None => Said { words, taken, mark: last.mark() },
    })
}

/// `Mon-Fri`.
fn weekday_range(core: &str) -> Option<String> {
    let (from, to) = core.split_once('-')?;
    Some(format!("{} to {}", weekday(from)?, weekday(to)?))
}

/// The groups of a phone or card number in one token: `555-0123`, `+1`, `555.123.4567`.
fn groups_of(core: &str) -> Option<Vec<&str>> {
    let plain = core.strip_prefix('+').unwrap_or(core);
    let separator = match plain.matches('.').count() {
        2.. => '.',
        _ => '-',
    };
    let groups: Vec<&str> = plain.split(separator).collect();
    groups.iter().all(|g| is_digits(g)).then_some(groups)
}

/// Phone, card and account numbers in groups, over one or more tokens: digit by digit, with a
/// small pause between the groups.
fn digit_groups(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let first = &tokens[at];
    let mut groups: Vec<&str> = Vec::new();
    let mut taken = 0;
    for token in &tokens[at..] {
        let Some(more) = groups_of(token.core) else {
            break;
        };
        groups.extend(more);
        taken += 1;
        if !(token.trail.is_empty() || token.trail == ")") {
            break;
        }
    }
    let total: usize = groups.iter().map(|g| g.len()).sum();
    let is_year_range = groups.len() == 2 && groups.iter().all(|g| is_recent_year(g));
    let is_hyphenated = taken == 1 && groups.len() > 1;
    if groups.len() < 2 || is_year_range || numeric_date(first.core).is_some() {
        return None;
    }
    let all = |fits: fn(usize) -> bool| groups.iter().all(|g| fits(g.len()));
    let is_marked = first.core.starts_with('+') || first.opened || is_hyphenated;
    let is_international = groups[0] == "1" && groups[1..].iter().all(|g| g.len() >= 3);
    let is_number = (is_marked && total >= 7)
        || all(|len| len >= 3)
        || (groups.len() >= 3 && (all(|len| len == 2) || is_international));
    if !is_number {
        return None;
    }
    let said: Vec<String> = groups.iter().map(|g| digits(g)).collect();
    let plus = if first.core.starts_with('+') { "plus " } else { "" };
    let words = format!("{plus}{}", said.join(", "));
    Some(Said { words, taken, mark: tokens[at + taken - 1].mark() })
}

fn is_recent_year(text: &str) -> bool {
    year_number(text).is_some_and(|y| (1900..2100).contains(&y))
}

/// `9-5`, `9am-5pm`, `$5-$10`, `2019-2021`.
fn range(core: &str) -> Option<String> {
    let (from, to) = core.split_once('-')?;
    let is_time = |s: &str| ClockTime::parse(s, None).is_some();
    let is_short = |s: &str| is_digits(s) && s.len() <= 2;
    let fits = (is_time(from) && is_time(to))
        || (is_short(from) && (is_short(to) || is_time(to)))
        || (is_recent_year(from) && is_recent_year(to))
        || (amount(from).is_some() && (amount(to).is_some() || is_digits(to)))
        || (is_digits(from) && to.ends_with('%'));
    let said = |s: &str| match ClockTime::parse(s, None) {
        Some(time) => Some(time.words()),
        None => one(s, None),
    };
    fits.then(|| Some(format!("{} to {}", said(from)?, said(to)?))).flatten()
}

/// `31st`, `2nd`, `100th`.
fn counted(core: &str) -> Option<String> {
    let lower = core.to_ascii_lowercase();
    let number = ["st", "nd", "rd", "th"].iter().find_map(|s| lower.strip_suffix(s))?;
    Some(ordinal(Written::parse(number)?.whole_value()?)).filter(|_| !number.contains('.'))
}

/// `1/2`, `3/4`, `24/7` style pairs.
fn fraction(core: &str) -> Option<String> {
    let (above, below) = core.split_once('/')?;
    if !is_digits(above) || !is_digits(below) {
        return None;
    }
    let (a, b): (u64, u64) = (above.parse().ok()?, below.parse().ok()?);
    let many = if a == 1 { "" } else { "s" };
    Some(match (a, b) {
        (1, 2) => "one half".to_owned(),
        (1..10, 4) => format!("{} quarter{many}", cardinal(a)),
        (1..10, 3 | 5..=10) if a < b => format!("{} {}{many}", cardinal(a), ordinal(b)),
        _ => format!("{} slash {}", code_or_number(above), code_or_number(below)),
    })
}

/// A bare number: a code where the word before says so, a year, or a number.
fn number(core: &str, before: Option<&str>) -> Option<String> {
    let written = Written::parse(core)?;
    let is_bare = written.fraction.is_none() && written.grouping == Grouping::Plain;
    if is_bare && core.len() >= 3 {
        let before = before.unwrap_or_default().to_ascii_lowercase();
        if CODE_WORDS.contains(&before.as_str()) {
            return Some(digits(core));
        }
        if is_recent_year(core) {
            return Some(year(year_number(core)?));
        }
    }
    Some(written.words())
}

/// Up to two digits as a number, more as a code.
fn code_or_number(text: &str) -> String {
    match text.parse() {
        Ok(n) if text.len() <= 2 && !text.starts_with('0') => cardinal(n),
        _ => digits(text),
    }
}

/// Letters and digits in one word: `A12345`, `B2B`, `4G`, `covid19`.
pub(super) fn alphanumeric(word: &str) -> String {
    let mut said = Vec::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let is_digit = c.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, more) = rest.split_at(end);
        rest = more;
        said.push(match is_digit {
            true => code_or_number(piece),
            false if piece.len() > 3 && acronym(piece).is_none() => piece.to_owned(),
            false => acronym(piece).unwrap_or_else(|| spelled(piece)),
        });
    }
    said.join(" ")
}

/// Mail addresses and web sites.
fn address(core: &str) -> Option<String> {
    const ENDINGS: [&str; 14] = [
        "com", "org", "net", "gov", "edu", "uk", "io", "us", "ca", "co", "info", "de", "app", "eu",
    ];
    let lower = core.to_ascii_lowercase();
    let plain = lower.trim_start_matches("https://").trim_start_matches("http://");
    let had_scheme = plain.len() < lower.len();
    let (user, rest) = match plain.split_once('@') {
        Some((user, rest)) if !user.is_empty() => (Some(user), rest),
        Some(_) => return None,
        None => (None, plain),
    };
    let (host, path) = rest.split_once('/').map_or((rest, None), |(h, p)| (h, Some(p)));
    let (head, ending) = host.rsplit_once('.')?;
    let is_host = !head.is_empty()
        && host
            .split('.')
            .all(|l| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    let is_known = user.is_some()
        || had_scheme
        || head.starts_with("www.")
        || (ENDINGS.contains(&ending) && head.len() > 1);
    // "a.m" and "3.5" are not places.
    if !is_host || !is_known || !ending.bytes().all(|b| b.is_ascii_alphabetic()) || ending.len() < 2
    {
        return None;
    }
    let mut said = Vec::new();
    if let Some(user) = user {
        said.push(dotted(user));
        said.push("at".to_owned());
    }
    said.push(dotted(host));
    for part in path.into_iter().flat_map(|p| p.split('/')).filter(|p| !p.is_empty()) {
        said.push(format!("slash {}", dotted(part)));
    }
    Some(said.join(" "))
}

/// The pieces of an address with its punctuation named.
fn dotted(text: &str) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            piece.push(c);
            continue;
        }
        if !piece.is_empty() {
            said.push(address_word(&std::mem::take(&mut piece)));
        }
        said.extend(match c {
            '.' => Some("dot".to_owned()),
            '-' => Some("dash".to_owned()),
            '_' => Some("underscore".to_owned()),
            '+' => Some("plus".to_owned()),
            _ => None,
        });
    }
    said.join(" ")
}

/// `com` and names are words, `www` and `uk` are spelled.
fn address_word(piece: &str) -> String {
    let has_vowel = piece.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    match piece {
        _ if piece.contains(|c: char| c.is_ascii_digit()) => alphanumeric(piece),
        "uk" | "us" | "eu" | "io" | "edu" => spelled(piece),
        _ if has_vowel => piece.to_owned(),
        _ => spelled(piece),
    }
}
