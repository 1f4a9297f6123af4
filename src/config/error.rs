//! What can be wrong with a configuration file, in words that name the place and the fix.

use std::fmt;
use std::path::{Path, PathBuf};

use super::locate;
use super::suggest::did_you_mean;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "{}: cannot be read: {source}. Give the path of your frontdoor.toml with --config",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is not TOML, or not with these keys and types.
    #[error("{}{}: {message}", path.display(), place(*.line, *.column))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// 1-based; 0 when it is not known.
        line: usize,
        /// 1-based, in characters; 0 when it is not known.
        column: usize,
        /// What is wrong and how to fix it.
        message: String,
    },
    /// Every key is known, but values do not fit. All problems are given at once.
    #[error("{}", list(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// At least one.
        problems: Vec<Problem>,
    },
}

/// One value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key with its section, `media.rtp_port_min`.
    pub key: String,
    /// 1-based line of the key, or of the nearest section that is in the file.
    pub line: Option<usize>,
    /// What is wrong and how to fix it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

fn place(line: usize, column: usize) -> String {
    match (line, column) {
        (0, _) => String::new(),
        (line, 0) => format!(":{line}"),
        (line, column) => format!(":{line}:{column}"),
    }
}

fn list(path: &Path, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            format!("{}{}: {problem}", path.display(), place(problem.line.unwrap_or(0), 0))
        })
        .collect();
    lines.join("\n")
}

/// Turns serde's and TOML's complaint into one with a place and a suggestion.
pub(super) fn from_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let (line, column) =
        error.span().map_or((0, 0), |span| locate::line_and_column(text, span.start));
    ConfigError::Syntax {
        path: path.to_owned(),
        line,
        column,
        message: explain(error.message().trim()),
    }
}

/// Adds a suggestion to serde's `unknown field` message, whose names stand in backticks.
fn explain(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message.replace('\n', ": ");
    };
    let names: Vec<&str> = rest.split('`').step_by(2).collect();
    let Some((unknown, known)) = names.split_first() else {
        return message.to_owned();
    };
    let known: Vec<&str> = known.iter().copied().filter(|name| !name.is_empty()).collect();
    match did_you_mean(unknown, known.iter().copied()) {
        Some(hint) => format!("unknown key `{unknown}`. {hint}"),
        None if known.is_empty() => format!("unknown key `{unknown}`. Remove it"),
        None => format!("unknown key `{unknown}`. Known here: {}", known.join(", ")),
    }
}
