//! Sentences with blanks: `Your {account_type} balance is {balance:money}.`

use std::fmt;

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
                write!(f, "the value of {{{name}}} is not fit for {format:?}")
            }
        }
    }
}

impl std::error::Error for RenderError {}
