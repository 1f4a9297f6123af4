//! What everything that keeps an SQLite file here needs: result codes, and files only their owner
//! can read.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// SQLite result codes SQLITE_CORRUPT and SQLITE_NOTADB.
pub(super) const DAMAGED: [i32; 2] = [11, 26];
/// SQLite result codes SQLITE_BUSY and SQLITE_LOCKED.
pub(super) const LOCKED: [i32; 2] = [5, 6];
/// SQLite result code SQLITE_ERROR: the statement itself is wrong, or names what is not there.
pub(super) const WRONG_STATEMENT: i32 = 1;
/// SQLite result code SQLITE_CONSTRAINT: the tables' own rules forbid it.
pub(super) const CONSTRAINT: i32 = 19;

/// The lowest byte of SQLite's result code: <https://www.sqlite.org/rescode.html>.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<i32>().ok()? & 0xff)
}

/// Makes sure that the file is there and, if it is new, that only its owner can read it.
pub(super) fn private_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(())
}
