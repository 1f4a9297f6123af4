//! Making, resetting and showing the demo CRM.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteJournalMode;
use sqlx::{Connection, Row, SqliteConnection};

use crate::actions::sqlite::{DAMAGED, LOCKED, primary_code, private_file};

use super::money::dollars;
use super::{DemoCrm, seed};

static TABLES: Migrator = sqlx::migrate!("src/actions/demo_crm");

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the demo CRM's file cannot be made or shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoCrmError {
    /// There is no file yet.
    #[error(
        "{}: the demo CRM does not exist yet. Make it with: frontdoor crm reset",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Nobody has that number, name or phone.
    #[error(
        "no customer has \"{wanted}\" as number, phone or part of the name. See all with: \
             frontdoor crm show"
    )]
    NoSuchCustomer {
        /// What was asked for.
        wanted: String,
    },
    /// The folder or file cannot be written.
    #[error(
        "{}: cannot be made: {source}. Check server.data_dir and its permissions",
        path.display()
    )]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process is writing.
    #[error("{}: is locked by another program. Try again when it has finished", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// SQLite refuses.
    #[error("{}: {source}. Make the demo CRM anew with: frontdoor crm reset", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// The tables are not the ones of this version.
    #[error("{}: {source}. Make the demo CRM anew with: frontdoor crm reset", path.display())]
    Tables {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: MigrateError,
    },
}

impl DemoCrmError {
    fn is_unusable_file(&self) -> bool {
        match self {
            Self::Database { source, .. } => {
                primary_code(source).is_some_and(|code| DAMAGED.contains(&code))
            }
            Self::Tables { .. } => true,
            _ => false,
        }
    }

    fn from_sqlx(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match primary_code(&source) {
            Some(code) if LOCKED.contains(&code) => Self::Locked { path },
            _ => Self::Database { path, source },
        }
    }

    fn from_migrate(path: &Path, source: MigrateError) -> Self {
        match source {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                Self::from_sqlx(path, source)
            }
            source => Self::Tables { path: path.to_owned(), source },
        }
    }
}

/// A table to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What the rows are.
    pub title: &'static str,
    /// Their headings.
    pub columns: Vec<&'static str>,
    /// As many cells as headings.
    pub rows: Vec<Vec<String>>,
}

impl DemoCrm {
    /// Makes the file with the seed if there is none. One that exists is brought up to date; if that
    /// cannot be done it is left alone.
    ///
    /// # Errors
    /// [`DemoCrmError`] when it cannot be made.
    pub async fn create_if_missing(&self) -> Result<(), DemoCrmError> {
        match fs::symlink_metadata(&self.path) {
            Ok(_) => {
                if let Err(error) = self.bring_up_to_date().await {
                    tracing::warn!(%error, "the demo CRM is as it was");
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.fill(BUSY_TIMEOUT).await,
            Err(source) => Err(DemoCrmError::File { path: self.path.clone(), source }),
        }
    }

    /// Puts the seed back: all customers as they were, all changes gone. A damaged file is
    /// replaced.
    ///
    /// # Errors
    /// [`DemoCrmError`] when the file is locked or cannot be written.
    pub async fn reset(&self) -> Result<(), DemoCrmError> {
        self.reset_waiting(BUSY_TIMEOUT).await
    }

    pub(super) async fn reset_waiting(&self, busy_timeout: Duration) -> Result<(), DemoCrmError> {
        // In place, because a running server may be reading; replacing an open SQLite file by
        // another one corrupts it.
        match self.fill(busy_timeout).await {
            Err(error) if error.is_unusable_file() => {
                for suffix in ["", "-wal", "-shm"] {
                    let mut name = self.path.clone().into_os_string();
                    name.push(suffix);
                    remove_if_there(Path::new(&name))?;
                }
                self.fill(busy_timeout).await
            }
            outcome => outcome,
        }
    }

    /// Adds the tables of later versions.
    async fn bring_up_to_date(&self) -> Result<(), DemoCrmError> {
        let failed = |source| DemoCrmError::from_sqlx(&self.path, source);
        let options = self.options(BUSY_TIMEOUT);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        TABLES
            .run_direct(&mut connection)
            .await
            .map_err(|source| DemoCrmError::from_migrate(&self.path, source))?;
        connection.close().await.map_err(failed)
    }

    async fn fill(&self, busy_timeout: Duration) -> Result<(), DemoCrmError> {
        let failed = |source| DemoCrmError::from_sqlx(&self.path, source);
        private_file(&self.path)
            .map_err(|source| DemoCrmError::File { path: self.path.clone(), source })?;
        let options = self.options(busy_timeout).journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        TABLES
            .run_direct(&mut connection)
            .await
            .map_err(|source| DemoCrmError::from_migrate(&self.path, source))?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        seed::reseed(&mut transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    /// All tables, or those of the customer with this number, phone or part of a name.
    ///
    /// # Errors
    /// [`DemoCrmError`] when there is no file, no such customer, or SQLite refuses.
    pub async fn tables(&self, wanted: Option<&str>) -> Result<Vec<Table>, DemoCrmError> {
        if !self.path.exists() {
            return Err(DemoCrmError::Missing { path: self.path.clone() });
        }
        self.bring_up_to_date().await?;
        let failed = |source| DemoCrmError::from_sqlx(&self.path, source);
        let options = self.options(BUSY_TIMEOUT);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        let pattern = wanted.map(str::trim).unwrap_or_default();
        let numbers: Vec<String> = sqlx::query_scalar(
            "SELECT number FROM customers
             WHERE ?1 = '' OR number = ?1 OR phone = ?1 OR instr(lower(name), lower(?1)) > 0
             ORDER BY number",
        )
        .bind(pattern)
        .fetch_all(&mut connection)
        .await
        .map_err(failed)?;
        if numbers.is_empty() && !pattern.is_empty() {
            return Err(DemoCrmError::NoSuchCustomer { wanted: pattern.to_owned() });
        }
        let mut tables = Vec::new();
        for listing in LISTINGS {
            let table = listing.table(&mut connection, &numbers).await.map_err(failed)?;
            if !table.rows.is_empty() {
                tables.push(table);
            }
        }
        connection.close().await.map_err(failed)?;
        Ok(tables)
    }
}

/// How a table is shown. The first column of each query is the customer's number; columns named
/// `*_cents` are shown as dollars.
struct Listing {
    title: &'static str,
    columns: &'static [&'static str],
    sql: &'static str,
}

const LISTINGS: [Listing; 8] = [
    Listing {
        title: "Customers",
        columns: &["account", "name", "phone", "tier", "address"],
        sql: "SELECT number, name, phone, tier, address FROM customers WHERE number = ?",
    },
    Listing {
        title: "Accounts",
        columns: &["account", "type", "balance"],
        sql: "SELECT customer, type, balance_cents FROM accounts WHERE customer = ? ORDER BY type",
    },
    Listing {
        title: "Cards",
        columns: &["account", "card", "kind", "status"],
        sql: "SELECT customer, number, kind, status FROM cards WHERE customer = ? ORDER BY number",
    },
    Listing {
        title: "Transactions",
        columns: &["account", "type", "date", "description", "amount"],
        sql: "SELECT customer, account_type, at, description, amount_cents FROM transactions
              WHERE customer = ? ORDER BY account_type, at, id",
    },
    Listing {
        title: "Transfers",
        columns: &["account", "when", "from", "to", "amount"],
        sql: "SELECT customer, at, from_account, to_account, amount_cents FROM transfers
              WHERE customer = ? ORDER BY id",
    },
    Listing {
        title: "Address changes",
        columns: &["account", "when", "old", "new"],
        sql: "SELECT customer, at, old, new FROM address_changes WHERE customer = ? ORDER BY id",
    },
    Listing {
        title: "Tickets",
        columns: &["account", "opened", "about", "status"],
        sql: "SELECT customer, opened_on, subject, status FROM tickets
              WHERE customer = ? ORDER BY opened_on, id",
    },
    Listing {
        title: "Notes of agents",
        columns: &["account", "when", "came of it", "call", "notes"],
        sql: "SELECT customer, at, disposition, summary, notes FROM notes
              WHERE customer = ? ORDER BY id",
    },
];

impl Listing {
    async fn table(
        &self,
        connection: &mut SqliteConnection,
        numbers: &[String],
    ) -> Result<Table, sqlx::Error> {
        let mut rows = Vec::new();
        for number in numbers {
            let found = sqlx::query(self.sql).bind(number).fetch_all(&mut *connection).await?;
            for row in &found {
                let cells = (0..self.columns.len()).map(|index| cell(row, index));
                rows.push(cells.collect::<Result<_, _>>()?);
            }
        }
        Ok(Table { title: self.title, columns: self.columns.to_vec(), rows })
    }
}

fn cell(row: &sqlx::sqlite::SqliteRow, index: usize) -> Result<String, sqlx::Error> {
    use sqlx::Column;
    if row.columns()[index].name().ends_with("_cents") {
        let cents: i64 = row.try_get(index)?;
        let sign = if cents < 0 { "-" } else { "" };
        return Ok(format!("{sign}{}", dollars(cents)));
    }
    row.try_get(index)
}

fn remove_if_there(path: &Path) -> Result<(), DemoCrmError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DemoCrmError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
