//! Databases that are made from a file of SQL: for demonstrations and tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::actions::sqlite::private_file;
use crate::config::Config;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a database cannot be made from its seed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The SQL cannot be read.
    #[error(
        "{}: the seed cannot be read: {source}. Correct `seed` in the configuration",
        path.display()
    )]
    Unreadable {
        /// The seed.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file or its folder cannot be written.
    #[error(
        "{}: cannot be made: {source}. Check `database` and the permissions of its folder",
        path.display()
    )]
    File {
        /// The database.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite refuses; everything is as it was.
    #[error("{}: cannot be filled from {}: {source}", path.display(), seed.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// The seed.
        seed: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

/// Makes the database from its seed if there is none. One that exists is left alone.
pub(in crate::actions) async fn create_if_missing(
    database: &Path,
    seed: &Path,
) -> Result<(), SeedError> {
    match fs::metadata(database) {
        // An empty file is what a start that broke off has left behind.
        Ok(found) if found.len() > 0 => Ok(()),
        Ok(_) => fill(database, seed).await,
        Err(error) if error.kind() == io::ErrorKind::NotFound => fill(database, seed).await,
        Err(source) => Err(SeedError::File { path: database.to_owned(), source }),
    }
}

/// Puts every database that has a seed back to it, and says which.
///
/// # Errors
/// [`SeedError`] when one is locked or cannot be written, or its seed is wrong.
pub async fn reset_databases(config: &Config) -> Result<Vec<PathBuf>, SeedError> {
    let mut reset = Vec::new();
    for (database, seed) in config.seeded_databases() {
        fill(database, seed).await?;
        reset.push(database.to_owned());
    }
    Ok(reset)
}

/// Empties the database and fills it, in one transaction and in place: a running server may be
/// reading, and replacing an open SQLite file by another one corrupts it.
async fn fill(database: &Path, seed: &Path) -> Result<(), SeedError> {
    let text = fs::read_to_string(seed)
        .map_err(|source| SeedError::Unreadable { path: seed.to_owned(), source })?;
    private_file(database)
        .map_err(|source| SeedError::File { path: database.to_owned(), source })?;
    fill_with(database, &text).await.map_err(|source| SeedError::Database {
        path: database.to_owned(),
        seed: seed.to_owned(),
        source,
    })
}

async fn fill_with(database: &Path, text: &str) -> Result<(), sqlx::Error> {
    // Without foreign keys, tables go in any order.
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(false)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    empty(&mut transaction).await?;
    Executor::execute(&mut *transaction, text).await?;
    transaction.commit().await?;
    // Readers do not hold up a change then. It cannot be set inside the transaction.
    Executor::execute(&mut connection, "PRAGMA journal_mode = WAL").await?;
    connection.close().await
}

/// Drops every view and table; indexes and triggers go with them.
async fn empty(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT type, name FROM sqlite_master
         WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'
         ORDER BY type DESC",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (kind, name) in found {
        let drop = format!("DROP {kind} \"{}\"", name.replace('"', "\"\""));
        Executor::execute(&mut *connection, drop.as_str()).await?;
    }
    Ok(())
}
