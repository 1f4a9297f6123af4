//! What a call changed in a database: every table before and after, row by row, against what it
//! should have changed. Knows no table by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Connection, Row, SqliteConnection};

/// How a value that is not there is written.
const NULL: &str = "null";

/// How the day of the call is written in an expected value.
const TODAY: &str = "today";

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// All tables of a database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    columns: Vec<String>,
    /// Cells in the order of the columns, by the values of the primary key.
    rows: BTreeMap<Vec<String>, Vec<String>>,
}

impl Snapshot {
    /// Reads every table of a SQLite file.
    ///
    /// # Errors
    /// The file is not there or cannot be read.
    pub(super) async fn take(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'",
        )
        .fetch_all(&mut connection)
        .await?;
        let mut tables = BTreeMap::new();
        for name in names {
            let table = Table::read(&mut connection, &name).await?;
            tables.insert(name, table);
        }
        connection.close().await?;
        Ok(Self { tables })
    }

    /// What is different afterwards, in the order of tables and keys.
    pub(super) fn changes_to(&self, after: &Self, ignored: &BTreeSet<String>) -> Vec<Change> {
        let none = Table::default();
        let names: BTreeSet<&String> = self.tables.keys().chain(after.tables.keys()).collect();
        let mut changes = Vec::new();
        for name in names.into_iter().filter(|name| !ignored.contains(*name)) {
            let before = self.tables.get(name).unwrap_or(&none);
            let after = after.tables.get(name).unwrap_or(&none);
            before.changes_to(after, name, &mut changes);
        }
        changes
    }
}

impl Table {
    async fn read(connection: &mut SqliteConnection, name: &str) -> Result<Self, sqlx::Error> {
        let described: Vec<(String, i64)> =
            sqlx::query_as("SELECT name, pk FROM pragma_table_info(?)")
                .bind(name)
                .fetch_all(&mut *connection)
                .await?;
        let columns: Vec<String> = described.iter().map(|(column, _)| column.clone()).collect();
        let mut key: Vec<usize> =
            (0..described.len()).filter(|index| described[*index].1 > 0).collect();
        key.sort_by_key(|index| described[*index].1);
        let mut wanted: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        if key.is_empty() {
            key.push(wanted.len());
            wanted.push("rowid".to_owned());
        }
        // Bytes that are no text are compared by their digits.
        let cell_of = |column: &String| {
            format!(
                "CASE typeof({column}) WHEN 'blob' THEN hex({column}) \
                 ELSE CAST({column} AS TEXT) END"
            )
        };
        let cells: Vec<String> = wanted.iter().map(cell_of).collect();
        let sql = format!("SELECT {} FROM {}", cells.join(", "), quoted(name));
        let mut rows = BTreeMap::new();
        for row in &sqlx::query(&sql).fetch_all(&mut *connection).await? {
            let mut cells = Vec::with_capacity(wanted.len());
            for index in 0..wanted.len() {
                cells.push(cell(row, index)?);
            }
            let key: Vec<String> = key.iter().map(|index| cells[*index].clone()).collect();
            cells.truncate(columns.len());
            rows.insert(key, cells);
        }
        Ok(Self { columns, rows })
    }

    fn changes_to(&self, after: &Self, name: &str, changes: &mut Vec<Change>) {
        let change = |table: &Self, key: &[String], cells: &[String], kind| Change {
            table: name.to_owned(),
            key: key.to_vec(),
            row: table.columns.iter().cloned().zip(cells.iter().cloned()).collect(),
            kind,
        };
        for (key, cells) in &self.rows {
            let Some(now) = after.rows.get(key) else {
                changes.push(change(self, key, cells, ChangeKind::Removed));
                continue;
            };
            for ((column, before), after) in self.columns.iter().zip(cells).zip(now) {
                if before != after {
                    let (column, before, after) = (column.clone(), before.clone(), after.clone());
                    let kind = ChangeKind::Cell { column, before, after };
                    changes.push(change(self, key, cells, kind));
                }
            }
        }
        for (key, cells) in after.rows.iter().filter(|(key, _)| !self.rows.contains_key(*key)) {
            changes.push(change(after, key, cells, ChangeKind::Added));
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn cell(row: &SqliteRow, index: usize) -> Result<String, sqlx::Error> {
    Ok(row.try_get::<Option<String>, _>(index)?.unwrap_or_else(|| NULL.to_owned()))
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    table: String,
    /// Values of the primary key.
    key: Vec<String>,
    /// Column and value; as it was before, if it was there.
    row: Vec<(String, String)>,
    kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ChangeKind {
    Cell { column: String, before: String, after: String },
    Added,
    Removed,
}

/// As a scenario would write it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, row, kind } = self;
        let key = key.join(" ");
        match kind {
            ChangeKind::Cell { column, before, after } => {
                write!(f, "{table}.{column} of {key}: {before} -> {after}")
            }
            ChangeKind::Added => write!(f, "{table} of {key}: added {}", listed(row)),
            ChangeKind::Removed => write!(f, "{table} of {key}: removed {}", listed(row)),
        }
    }
}

fn listed(row: &[(String, String)]) -> String {
    let cells: Vec<String> =
        row.iter().map(|(column, value)| format!("{column}={value}")).collect();
    cells.join(", ")
}

/// A difference that a scenario expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpectedChange {
    table: String,
    /// Values that the row has, its key or any other.
    has: Vec<String>,
    kind: ExpectedKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ExpectedKind {
    Cell { column: String, before: String, after: String },
    Added(Vec<(String, String)>),
    Removed(Vec<(String, String)>),
}

impl ExpectedChange {
    /// Reads `cards.status of 12345678: active -> blocked` or
    /// `transfers of 12345678: added amount_cents=5000`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (place, change) = text.split_once(": ").or_else(|| text.split_once(':'))?;
        let (place, has) = place.split_once(" of ")?;
        let has: Vec<String> = has.split_whitespace().map(str::to_owned).collect();
        let (place, change) = (place.trim(), change.trim());
        if has.is_empty() || place.is_empty() || place.contains(char::is_whitespace) {
            return None;
        }
        if let Some((table, column)) = place.split_once('.') {
            let (before, after) = change.split_once("->")?;
            let (before, after) = (before.trim().to_owned(), after.trim().to_owned());
            let kind = ExpectedKind::Cell { column: column.to_owned(), before, after };
            return Some(Self { table: table.to_owned(), has, kind });
        }
        let kind = if let Some(cells) = change.strip_prefix("added") {
            ExpectedKind::Added(cells_of(cells)?)
        } else {
            ExpectedKind::Removed(cells_of(change.strip_prefix("removed")?)?)
        };
        Some(Self { table: place.to_owned(), has, kind })
    }

    /// The same change in a call on this day (`2026-03-31`): it stands where a value is `today`.
    pub(super) fn on_day(&self, day: &str) -> Self {
        let value = |value: &String| if value == TODAY { day.to_owned() } else { value.to_owned() };
        let cells = |row: &[(String, String)]| -> Vec<(String, String)> {
            row.iter().map(|(column, cell)| (column.clone(), value(cell))).collect()
        };
        let kind = match &self.kind {
            ExpectedKind::Cell { column, before, after } => ExpectedKind::Cell {
                column: column.clone(),
                before: value(before),
                after: value(after),
            },
            ExpectedKind::Added(row) => ExpectedKind::Added(cells(row)),
            ExpectedKind::Removed(row) => ExpectedKind::Removed(cells(row)),
        };
        let has = self.has.iter().map(value).collect();
        Self { table: self.table.clone(), has, kind }
    }

    fn is(&self, change: &Change, values: Values) -> bool {
        let same_value = |a: &str, b: &str| values.are_same(a, b);
        let has = |value: &String| change.row.iter().any(|(_, cell)| same_value(cell, value));
        let is_there = |(column, value): &(String, String)| {
            change.row.iter().any(|(of, cell)| of == column && same_value(cell, value))
        };
        let all = |cells: &[(String, String)]| cells.iter().all(is_there);
        let same = match (&self.kind, &change.kind) {
            (
                ExpectedKind::Cell { column, before, after },
                ChangeKind::Cell { column: of, before: was, after: is },
            ) => column == of && same_value(before, was) && same_value(after, is),
            (ExpectedKind::Added(cells), ChangeKind::Added)
            | (ExpectedKind::Removed(cells), ChangeKind::Removed) => all(cells),
            _ => false,
        };
        same && self.table == change.table && self.has.iter().all(has)
    }
}

impl fmt::Display for ExpectedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, has, kind } = self;
        let has = has.join(" ");
        let (word, cells) = match kind {
            ExpectedKind::Cell { column, before, after } => {
                return write!(f, "{table}.{column} of {has}: {before} -> {after}");
            }
            ExpectedKind::Added(cells) => ("added", cells),
            ExpectedKind::Removed(cells) => ("removed", cells),
        };
        write!(f, "{table} of {has}: {word}")?;
        if cells.is_empty() { Ok(()) } else { write!(f, " {}", listed(cells)) }
    }
}

/// `a=1, b=2`. A comma within a value is kept: what follows it has no `=`.
fn cells_of(text: &str) -> Option<Vec<(String, String)>> {
    let mut cells: Vec<(String, String)> = Vec::new();
    for piece in text.split(',').filter(|piece| !piece.trim().is_empty()) {
        match (piece.split_once('='), cells.last_mut()) {
            (Some((column, value)), _) => {
                cells.push((column.trim().to_owned(), value.trim().to_owned()));
            }
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(piece.trim_end());
            }
            (None, None) => return None,
        }
    }
    Some(cells)
}

/// What makes two values of a database the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Every character.
    AsWritten,
    /// What can be heard: "Spring field" is "Springfield," to a caller who agreed to it aloud.
    AsHeard,
}

impl Values {
    fn are_same(self, a: &str, b: &str) -> bool {
        let heard = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let is_text = |text: &str| text.chars().any(char::is_alphabetic);
        a == b || (self == Self::AsHeard && is_text(a) && heard(a) == heard(b))
    }
}

/// Where what happened is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Differences<'c> {
    /// Places of expected changes that did not happen.
    pub missing: Vec<usize>,
    /// Changes that nobody expected.
    pub surprising: Vec<&'c Change>,
}

/// Finds for every expected change one that happened, as many as can be found.
pub(super) fn compare<'c>(
    expected: &[ExpectedChange],
    happened: &'c [Change],
    values: Values,
) -> Differences<'c> {
    let mut claimed_by: Vec<Option<usize>> = vec![None; happened.len()];
    let missing = (0..expected.len())
        .filter(|place| {
            let mut tried = vec![false; happened.len()];
            !claim(*place, (expected, values), happened, &mut claimed_by, &mut tried)
        })
        .collect();
    let left = happened.iter().zip(&claimed_by).filter(|(_, by)| by.is_none());
    let surprising = left.map(|(change, _)| change).collect();
    Differences { missing, surprising }
}

/// Lets an expected change claim one that happened. Who claimed it before makes room by claiming
/// another, if there is one.
fn claim(
    place: usize,
    (expected, values): (&[ExpectedChange], Values),
    happened: &[Change],
    claimed_by: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (index, change) in happened.iter().enumerate() {
        if tried[index] || !expected[place].is(change, values) {
            continue;
        }
        tried[index] = true;
        let free = match claimed_by[index] {
            None => true,
            Some(earlier) => claim(earlier, (expected, values), happened, claimed_by, tried),
        };
        if free {
            claimed_by[index] = Some(place);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_the_same_is_the_same_to_the_ear() {
        for (a, b, as_heard) in [
            ("9 Elm Street, Springfield", "9 Elm Street Spring Field", true),
            ("9 Elm Street", "9 Oak Street", false),
            ("1204.50", "120450", false),
        ] {
            assert_eq!(Values::AsHeard.are_same(a, b), as_heard, "{a}");
            assert!(!Values::AsWritten.are_same(a, b) && Values::AsWritten.are_same(a, a));
        }
    }

    async fn database(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("t.sqlite");
        run(
            &path,
            "CREATE TABLE pets (name TEXT PRIMARY KEY, owner TEXT, legs INTEGER);
             CREATE TABLE walks (at TEXT, pet TEXT);
             INSERT INTO pets VALUES ('Rex', 'Ann', 4), ('Tweety', NULL, 2), ('Tom', 'Ann', 4);
             INSERT INTO walks VALUES ('monday', 'Rex'), ('monday', 'Rex');",
        )
        .await;
        path
    }

    async fn run(path: &Path, statements: &str) {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
        for statement in statements.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            sqlx::query(statement).execute(&mut connection).await.expect(statement);
        }
        connection.close().await.expect("closes");
    }

    async fn changes(statements: &str, ignored: &[&str]) -> Vec<Change> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = database(folder.path()).await;
        let before = Snapshot::take(&path).await.expect("is read");
        run(&path, statements).await;
        let after = Snapshot::take(&path).await.expect("is read");
        let ignored = ignored.iter().map(|table| (*table).to_owned()).collect();
        before.changes_to(&after, &ignored)
    }

    fn told(changes: &[Change]) -> Vec<String> {
        changes.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn every_difference_is_told_in_the_words_of_a_scenario() {
        let statements = "UPDATE pets SET owner = 'Bob', legs = 3 WHERE name = 'Tweety';
                          DELETE FROM pets WHERE name = 'Tom';
                          INSERT INTO walks VALUES ('tuesday', 'Rex')";
        let found = changes(statements, &[]).await;
        assert_eq!(
            told(&found),
            [
                "pets of Tom: removed name=Tom, owner=Ann, legs=4",
                "pets.owner of Tweety: null -> Bob",
                "pets.legs of Tweety: 2 -> 3",
                "walks of 3: added at=tuesday, pet=Rex",
            ]
        );
        assert_eq!(told(&changes(statements, &["pets"]).await).len(), 1);
        assert!(changes("", &[]).await.is_empty());
        let gone = changes("DROP TABLE walks", &[]).await;
        assert_eq!(gone.len(), 2, "{:?}", told(&gone));
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_an_error_and_is_not_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("none.sqlite");
        assert!(Snapshot::take(&path).await.is_err());
        assert!(!path.exists());
    }

    fn expected(lines: &[&str]) -> Vec<ExpectedChange> {
        lines.iter().map(|line| ExpectedChange::parse(line).expect(line)).collect()
    }

    #[tokio::test]
    async fn expected_changes_claim_what_happened_and_make_room_for_each_other() {
        let happened = changes(
            "UPDATE pets SET legs = 3 WHERE owner = 'Ann';
             INSERT INTO walks VALUES ('tuesday, noon', 'Rex'), ('friday', 'Rex')",
            &[],
        )
        .await;
        let all = expected(&[
            "pets.legs of Ann: 4 -> 3",
            "pets.legs of Rex: 4 -> 3",
            "walks of Rex: added",
            "walks of Rex: added at=tuesday, noon",
        ]);
        let differences = compare(&all, &happened, Values::AsWritten);
        assert!(differences.missing.is_empty() && differences.surprising.is_empty());
        let wrong = expected(&[
            "pets.legs of Rex: 4 -> 2",
            "pets.legs of Tom Ann: 4 -> 3",
            "walks of Tom: added",
            "walks of Rex: removed",
        ]);
        let differences = compare(&wrong, &happened, Values::AsWritten);
        assert_eq!(differences.missing, [0, 2, 3]);
        assert_eq!(differences.surprising.len(), 3);
    }

    #[test]
    fn today_is_the_day_of_the_call() {
        for (line, meant) in [
            ("orders.asked of 7: null -> today", "orders.asked of 7: null -> 2026-03-31"),
            ("visits.day of today: today -> null", "visits.day of 2026-03-31: 2026-03-31 -> null"),
            ("visits of 7: added day=today, a=b", "visits of 7: added day=2026-03-31, a=b"),
            ("visits of 7: removed day=not today", "visits of 7: removed day=not today"),
        ] {
            let change = ExpectedChange::parse(line).expect(line);
            assert_eq!(change.on_day("2026-03-31").to_string(), meant);
        }
    }

    #[test]
    fn expected_changes_are_read_and_written() {
        for line in [
            "cards.status of 12345678: active -> blocked",
            "customers.address of 12345678: 1 A Street, Town -> 2 B Street, City",
            "transfers of 12345678: added from=checking, amount=5000",
            "notes of 1: removed text=a, b, c",
            "notes of 1: added",
        ] {
            assert_eq!(ExpectedChange::parse(line).expect(line).to_string(), line);
        }
        for line in ["", "cards", "cards of 1", "cards.status of : a -> b", "cards of 1: moved"] {
            assert_eq!(ExpectedChange::parse(line), None, "{line}");
        }
    }
}
