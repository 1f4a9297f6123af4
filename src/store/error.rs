//! What can go wrong with the records, by what somebody has to do about it.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

use crate::base::CallId;

/// A failure of the store. Each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be made or opened.
    #[error(
        "{}: cannot be opened: {source}. Check server.data_dir and its permissions",
        path.display()
    )]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not a SQLite file, or damaged.
    #[error(
        "{path}: is damaged or not a database. Stop frontdoor, keep it aside (mv {path} \
         {path}.damaged) and start again: a new one is made. Records and hand-offs that were not \
         delivered are in the damaged one (sqlite3 {path}.damaged .recover)",
        path = path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the file.
    #[error(
        "{}: is locked by another program. Find it with: fuser {}",
        path.display(),
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// No room left.
    #[error("{}: the disk is full. Make room on it", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file may not be written.
    #[error("{}: may not be written. Check its owner and permissions", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file was taken away while it was in use.
    #[error("{}: was removed or replaced while in use. Put it back", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// Made by a later version.
    #[error(
        "{}: was made by a newer frontdoor. Use that version, or another server.data_dir",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The tables cannot be brought up to date.
    #[error("{}: its tables cannot be brought up to date: {source}", path.display())]
    Tables {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: MigrateError,
    },
    /// Something in it is not what was written there.
    #[error("{}: holds a {what} that makes no sense", path.display())]
    Senseless {
        /// The file.
        path: PathBuf,
        /// Which kind of record.
        what: &'static str,
    },
    /// No call has this id or prefix.
    #[error("no call begins with \"{wanted}\". See the latest with: frontdoor calls list")]
    NoSuchCall {
        /// What was asked for.
        wanted: String,
    },
    /// Several calls have this prefix.
    #[error("\"{wanted}\" is not enough: {} begin with it{}", count(candidates), list(candidates))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// A few of them.
        candidates: Vec<CallId>,
    },
    /// Anything else that SQLite says.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

fn count(candidates: &[CallId]) -> String {
    format!("{} calls or more", candidates.len())
}

fn list(candidates: &[CallId]) -> String {
    candidates.iter().map(|id| format!("\n  {id}")).collect()
}

impl StoreError {
    /// Sorts SQLite's result codes (<https://www.sqlite.org/rescode.html>).
    pub(super) fn from_sqlx(path: &Path, error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .and_then(|code| code.parse::<i32>().ok());
        let path = path.to_owned();
        // The lowest byte is the primary code.
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Locked { path },
            Some(8) => Self::ReadOnly { path },
            Some(11 | 26) => Self::Corrupt { path },
            Some(13) => Self::DiskFull { path },
            Some(14) => {
                let source = io::Error::other(error.to_string());
                Self::CannotOpen { path, source }
            }
            _ => Self::Database { path, source: error },
        }
    }
}
