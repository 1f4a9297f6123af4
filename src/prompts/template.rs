//! Sentences with blanks: `Your {account_type} balance is {balance:money}.`

use std::collections::BTreeSet;
use std::fmt;

use super::values;

/// How a variable is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VarFormat {
    /// As it is.
    Plain,
    /// `{x:money}`: `1234.50` becomes `$1,234.50`, which the voice speaks as an amount.
    Money,
    /// `{x:digits}`: one by one, `1 2 3 4`.
    Digits,
    /// `{x:pairs}`: in pairs, `1 2, 3 4`.
    Pairs,
    /// `{x:last4}`: the last four digits one by one.
    Last4,
    /// `{x:date}`: `2026-03-31` becomes `March 31`.
    Date,
    /// `{x:time}`: `14:30` becomes `2:30 pm`.
    Time,
    /// `{x:phone}`: in groups, `4 1 5, 5 5 5, 0 1 2 3`.
    Phone,
    /// `{x:spelled}`: character by character, `S M I T H`.
    Spelled,
    /// `{x:email}`: `john dot smith at gmail dot com`.
    Email,
}

impl VarFormat {
    /// Every format that is written after a colon.
    pub const NAMED: [Self; 9] = [
        Self::Money,
        Self::Digits,
        Self::Pairs,
        Self::Last4,
        Self::Date,
        Self::Time,
        Self::Phone,
        Self::Spelled,
        Self::Email,
    ];

    /// The word after the colon; empty for [`VarFormat::Plain`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Money => "money",
            Self::Digits => "digits",
            Self::Pairs => "pairs",
            Self::Last4 => "last4",
            Self::Date => "date",
            Self::Time => "time",
            Self::Phone => "phone",
            Self::Spelled => "spelled",
            Self::Email => "email",
        }
    }

    /// Puts a value into words.
    ///
    /// Returns `None` if the value does not have the shape that the format needs.
    pub fn apply(self, value: &str) -> Option<String> {
        match self {
            Self::Plain => Some(value.to_owned()),
            Self::Money => money(value),
            Self::Digits => Some(spaced(&digits(value)?)),
            Self::Pairs => {
                let digits = digits(value)?;
                Some(digits.chunks(2).map(spaced).collect::<Vec<_>>().join(", "))
            }
            Self::Last4 => {
                let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
                Some(spaced(&digits[digits.len().checked_sub(4)?..]))
            }
            Self::Date => date(value),
            Self::Time => values::time(value),
            Self::Phone => values::phone(value),
            Self::Spelled => values::spelled(value),
            Self::Email => values::email(value),
        }
    }
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Words as they are.
    Text(String),
    /// A blank to fill.
    Var {
        /// Its name.
        name: String,
        /// How it is put into words.
        format: VarFormat,
    },
}

/// A sentence with blanks, as parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its pieces in order.
    pub parts: Vec<Part>,
    /// 1-based line in its file.
    pub line: usize,
}

/// A template cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// A blank has no value.
    Missing(String),
    /// A value does not fit its format (`{x:money}` of `banana`).
    BadValue {
        /// The variable.
        name: String,
        /// The format it should have had.
        format: VarFormat,
    },
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "nothing is known for {{{name}}}"),
            Self::BadValue { name, format } => {
                write!(f, "the value of {{{name}}} cannot be said as {}", format.as_str())
            }
        }
    }
}

impl std::error::Error for RenderError {}

/// A sentence that cannot be read as a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{amount` without its `}`.
    #[error("there is a `{{` without its `}}`")]
    Unclosed,
    /// A `}` that closes nothing.
    #[error("there is a `}}` without its `{{`")]
    Stray,
    /// `{}` or `{Account Number}`.
    #[error("`{{{0}}}` is not a name (names are lowercase letters, digits and `_`)")]
    BadName(String),
    /// `{amount:monye}`.
    #[error("`{{{name}:{format}}}` asks for `{format}`, which is not a way to say a value")]
    UnknownFormat {
        /// The variable.
        name: String,
        /// What stands after the colon.
        format: String,
    },
}

impl Template {
    /// Reads a sentence with `{name}` and `{name:format}` blanks. `line` is where it stands.
    ///
    /// # Errors
    /// The first thing that is wrong with the blanks.
    pub fn parse(text: &str, line: usize) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text.trim();
        while let Some(open) = rest.find(['{', '}']) {
            if rest[open..].starts_with('}') {
                return Err(TemplateError::Stray);
            }
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let inner = &rest[open + 1..];
            let close = inner.find('}').ok_or(TemplateError::Unclosed)?;
            if inner[..close].contains('{') {
                return Err(TemplateError::Unclosed);
            }
            parts.push(parse_var(&inner[..close])?);
            rest = &inner[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts, line })
    }

    /// Fills the blanks; `value` gives the normal form of a variable, if it is known.
    ///
    /// # Errors
    /// [`RenderError`] for the first blank that has no value or one that does not fit.
    pub fn render(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String, RenderError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Var { name, format } => {
                    let raw = value(name).ok_or_else(|| RenderError::Missing(name.clone()))?;
                    let said = format.apply(&raw).ok_or_else(|| RenderError::BadValue {
                        name: name.clone(),
                        format: *format,
                    })?;
                    out.push_str(&said);
                }
            }
        }
        Ok(out)
    }

    /// The names of its blanks, in order of first use.
    pub fn variables(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Var { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        });
        names.filter(|name| seen.insert(*name)).collect()
    }
}

/// The sentence as its file writes it.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Var { name, format: VarFormat::Plain } => write!(f, "{{{name}}}")?,
                Part::Var { name, format } => write!(f, "{{{name}:{}}}", format.as_str())?,
            }
        }
        Ok(())
    }
}

/// Whether this is a name as prompt files allow it: lowercase letters, digits and `_`.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn parse_var(inner: &str) -> Result<Part, TemplateError> {
    let (name, format) = match inner.split_once(':') {
        Some((name, format)) => (name.trim(), Some(format.trim())),
        None => (inner.trim(), None),
    };
    if !is_name(name) {
        return Err(TemplateError::BadName(inner.trim().to_owned()));
    }
    let format = match format {
        None => VarFormat::Plain,
        Some(word) => {
            VarFormat::NAMED.into_iter().find(|f| f.as_str() == word).ok_or_else(|| {
                TemplateError::UnknownFormat { name: name.to_owned(), format: word.to_owned() }
            })?
        }
    };
    Ok(Part::Var { name: name.to_owned(), format })
}

/// The digits of a value that is nothing but digits, spaces and hyphens.
fn digits(value: &str) -> Option<Vec<char>> {
    let kept: Vec<char> = value.chars().filter(|c| *c != ' ' && *c != '-').collect();
    (!kept.is_empty() && kept.iter().all(char::is_ascii_digit)).then_some(kept)
}

fn spaced(digits: &[char]) -> String {
    digits.iter().map(char::to_string).collect::<Vec<_>>().join(" ")
}

/// `-1234.50` becomes `minus $1,234.50`; whole dollars lose their zeros.
fn money(value: &str) -> Option<String> {
    let (sign, amount) = match value.trim().strip_prefix('-') {
        Some(rest) => ("minus ", rest),
        None => ("", value.trim()),
    };
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !numeric(whole) || !numeric(cents) || cents.len() > 2 {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        significant => significant,
    };
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if cents.bytes().all(|b| b == b'0') {
        return Some(format!("{sign}${grouped}"));
    }
    Some(format!("{sign}${grouped}.{cents:0<2}"))
}

const MONTHS: [(&str, u8); 12] = [
    ("January", 31),
    ("February", 29),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
];

/// `2026-03-31` becomes `March 31`.
pub(super) fn date(value: &str) -> Option<String> {
    let mut fields = value.trim().split('-');
    let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
    let shape = [(year, 4), (month, 2), (day, 2)];
    let well_formed = shape
        .iter()
        .all(|(text, length)| text.len() == *length && text.bytes().all(|b| b.is_ascii_digit()));
    if fields.next().is_some() || !well_formed {
        return None;
    }
    let (month, day): (usize, u8) = (month.parse().ok()?, day.parse().ok()?);
    let year: u32 = year.parse().ok()?;
    let (name, longest) = MONTHS.get(month.checked_sub(1)?)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = if month == 2 && !leap { 28 } else { *longest };
    (1..=last).contains(&day).then(|| format!("{name} {day}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: &str, expected: &str) {
        let template = Template::parse(text, 1).expect("template parses");
        let said = template.render(&|_| Some(value.to_owned()));
        assert_eq!(said.as_deref(), Ok(expected), "{text} of {value}");
    }

    #[test]
    fn values_are_put_into_words() {
        check("You have {x:money}.", "1234.50", "You have $1,234.50.");
        check("{x:money}", "50.00", "$50");
        check("{x:money}", "0.05", "$0.05");
        check("{x:money}", "1234567", "$1,234,567");
        check("{x:money}", "-12.30", "minus $12.30");
        check("{x:money}", "100.5", "$100.50");
        check("{x:digits}", "1234", "1 2 3 4");
        check("{x:pairs}", "12345678", "1 2, 3 4, 5 6, 7 8");
        check("{x:pairs}", "12345", "1 2, 3 4, 5");
        check("{x:last4}", "12345678", "5 6 7 8");
        check("{x:last4}", "**** 4821", "4 8 2 1");
        check("by {x:date}", "2026-03-31", "by March 31");
        check("{x:date}", "2028-02-29", "February 29");
        check("at {x:time}", "14:30", "at 2:30 pm");
        check("{x:phone}", "+14155550123", "4 1 5, 5 5 5, 0 1 2 3");
        check("{x}, {x:spelled}", "Smith", "Smith, S M I T H");
        check("{x:email}", "jo.smith@x-mail.com", "J O dot smith at X dash mail dot com");
        check("{ x } it is", "Anna", "Anna it is");
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        for (format, value) in [
            ("money", "banana"),
            ("money", "1.234"),
            ("money", "."),
            ("digits", "12a"),
            ("digits", ""),
            ("pairs", "x"),
            ("last4", "123"),
            ("date", "2026-02-29"),
            ("date", "2026-13-01"),
            ("date", "31 March"),
            ("date", "+026-1--1"),
            ("time", "25:00"),
            ("time", "2 pm"),
            ("phone", "12"),
            ("spelled", ""),
            ("email", "john"),
        ] {
            let template = Template::parse(&format!("{{x:{format}}}"), 1).expect("parses");
            let said = template.render(&|_| Some(value.to_owned()));
            assert!(matches!(said, Err(RenderError::BadValue { .. })), "{format} of {value}");
        }
        let template = Template::parse("Hi {caller_first_name}", 1).expect("parses");
        assert_eq!(
            template.render(&|_| None),
            Err(RenderError::Missing("caller_first_name".into()))
        );
    }

    #[test]
    fn broken_blanks_are_named() {
        for (text, expected) in [
            ("a {b", TemplateError::Unclosed),
            ("a {b {c}", TemplateError::Unclosed),
            ("a } b", TemplateError::Stray),
            ("a {} b", TemplateError::BadName(String::new())),
            ("{Account Number}", TemplateError::BadName("Account Number".into())),
            (
                "{x:monye}",
                TemplateError::UnknownFormat { name: "x".into(), format: "monye".into() },
            ),
        ] {
            assert_eq!(Template::parse(text, 1), Err(expected), "{text}");
        }
    }

    #[test]
    fn variables_come_once_in_order_and_display_gives_the_source_back() {
        let source = "{b} and {a:money} and {b}.";
        let template = Template::parse(source, 7).expect("parses");
        assert_eq!(template.variables(), ["b", "a"]);
        assert_eq!(template.to_string(), source);
        assert_eq!(template.line, 7);
    }
}
