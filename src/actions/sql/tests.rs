//! SQL actions through [`Actions`], as a call uses them, on real SQLite files.

use std::fs;

use crate::actions::Actions;
use crate::config::Config;

use super::*;

const SEED: &str = "
CREATE TABLE rooms (name TEXT PRIMARY KEY, beds INTEGER NOT NULL, price REAL, note TEXT) STRICT;
CREATE TABLE stays (
    room TEXT NOT NULL REFERENCES rooms (name),
    day TEXT NOT NULL,
    guest TEXT NOT NULL,
    UNIQUE (room, day)
) STRICT;
INSERT INTO rooms VALUES ('blue', 2, 80.5, NULL), ('red', 1, 60, 'quiet');
";

const ROOM: &str = r#"
[actions."h.room"]
kind = "sql"
database = "sqlite:h.sqlite"
seed = "h.sql"
inputs = ["room"]
statements = ["SELECT name, beds, price, note FROM rooms WHERE name = :room"]
outputs = { room = "name", beds = "beds", price = "price", note = "note" }
"#;

const BOOK: &str = r#"
[actions."h.book"]
kind = "sql"
database = "sqlite:h.sqlite"
inputs = ["room", "day", "guest"]
refuse = [
  { when = "SELECT 1 WHERE :day < :today", word = "past day" },
  { when = "SELECT 1 FROM stays WHERE room = :room AND day = :day", word = "taken" },
]
statements = [
  "INSERT INTO stays (room, day, guest) SELECT name, :day, :guest FROM rooms WHERE name = :room",
  "SELECT room, day, (SELECT count(*) FROM stays) AS stays FROM stays WHERE room = :room AND day = :day",
]
outputs = { day = "day", stays = "stays" }
timeout_ms = 1000
"#;

struct Hotel {
    folder: tempfile::TempDir,
    config: Config,
    actions: Actions,
}

fn parse(folder: &Path, lines: &str) -> Config {
    let text = format!("[server]\nprofile = \"p\"\ndata_dir = \"d\"\n{lines}");
    Config::parse(&folder.join("f.toml"), &text, |_| None).unwrap_or_else(|error| panic!("{error}"))
}

async fn hotel(lines: &str) -> Hotel {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("h.sql"), SEED).expect("the seed is written");
    let config = parse(folder.path(), &format!("{ROOM}{lines}"));
    let actions = Actions::open(&config).await.expect("opens");
    Hotel { folder, config, actions }
}

impl Hotel {
    async fn ask(
        &self,
        action: &str,
        key: &str,
        inputs: &[(&str, &str)],
    ) -> Result<String, String> {
        let inputs =
            inputs.iter().map(|(n, v)| ((*n).to_owned(), Pii::new((*v).to_owned()))).collect();
        let request = ActionRequest { action: action.into(), inputs, idempotency_key: key.into() };
        match self.actions.run(request).await {
            Ok(outputs) => {
                let told: Vec<String> =
                    outputs.iter().map(|(n, v)| format!("{n}={}", v.expose())).collect();
                Ok(told.join(" "))
            }
            Err(failure) => Err(failure.kind.as_words().to_owned()),
        }
    }

    async fn book(&self, key: &str, room: &str, day: &str) -> Result<String, String> {
        let inputs = [("room", room), ("day", day), ("guest", "Ann")];
        self.ask("h.book", key, &inputs).await
    }

    fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("h.sqlite")
    }

    async fn count(&self, sql: &str) -> i64 {
        let options = options(&self.database(), CHECK_TIMEOUT);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
        let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("counts");
        connection.close().await.expect("closes");
        count
    }
}

fn done(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn failed(words: &str) -> Result<String, String> {
    Err(words.to_owned())
}

#[tokio::test]
async fn rows_are_read_as_text_whatever_their_type() {
    let hotel = hotel("").await;
    let red = hotel.ask("h.room", "", &[("room", " red ")]).await;
    assert_eq!(red, done("beds=1 note=quiet price=60 room=red"));
    // What is NULL is left out.
    let blue = hotel.ask("h.room", "", &[("room", "blue")]).await;
    assert_eq!(blue, done("beds=2 price=80.5 room=blue"));
    assert_eq!(hotel.ask("h.room", "", &[("room", "green")]).await, failed("not found"));
}

const NAMES: &str = r#"
[actions."h.names"]
kind = "sql"
database = "sqlite:h.sqlite"
inputs = ["beds"]
statements = ["SELECT name FROM rooms WHERE beds >= CAST(:beds AS INTEGER) -- all"]
list = "name"

[actions."h.many"]
kind = "sql"
database = "sqlite:h.sqlite"
statements = ["WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 501) SELECT 'Name' || i AS name FROM n"]
list = "name"
"#;

#[tokio::test]
async fn a_list_has_all_rows_or_is_refused() {
    let hotel = hotel(NAMES).await;
    // That there are none is an answer too.
    for (beds, list) in [("1", "list=blue\nred"), ("2", "list=blue"), ("3", "list=")] {
        assert_eq!(hotel.ask("h.names", "", &[("beds", beds)]).await, done(list), "{beds}");
    }
    assert_eq!(hotel.ask("h.many", "", &[]).await, failed("unavailable"));

    let lines = NAMES.replacen("list = \"name\"", "list = \"nmae\"", 1);
    let config = parse(hotel.folder.path(), &format!("{ROOM}{lines}"));
    let error = Actions::open(&config).await.expect_err("there is no such column").to_string();
    assert!(error.contains("no column \"nmae\""), "{error}");
}

#[tokio::test]
async fn values_are_bound_and_never_part_of_the_statement() {
    let hotel = hotel(BOOK).await;
    for evil in ["red' OR '1'='1", "'; DROP TABLE rooms; --", "red\0", ":room", "?1"] {
        assert_eq!(hotel.ask("h.room", "", &[("room", evil)]).await, failed("not found"), "{evil}");
    }
    let guest = "O'Hara'); DROP TABLE stays; --";
    let inputs = [("room", "red"), ("day", "2999-01-02"), ("guest", guest)];
    assert_eq!(hotel.ask("h.book", "k", &inputs).await, done("day=2999-01-02 stays=1"));
    assert_eq!(hotel.count("SELECT count(*) FROM stays WHERE guest LIKE 'O''Hara%--'").await, 1);
}

#[tokio::test]
async fn a_change_is_done_once_per_key_and_its_answer_repeated() {
    let hotel = hotel(BOOK).await;
    let first = done("day=2999-01-02 stays=1");
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, first);
    assert_eq!(hotel.book("k2", "blue", "2999-01-02").await, done("day=2999-01-02 stays=2"));
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, first, "same key, same answer");
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 2);
    assert_eq!(hotel.count("SELECT count(*) FROM frontdoor_requests").await, 2);
    assert_eq!(hotel.book("", "red", "2999-01-03").await, failed("bad request"), "no key");
}

#[tokio::test]
async fn refusals_come_first_and_in_order_and_nothing_is_done() {
    let hotel = hotel(BOOK).await;
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, done("day=2999-01-02 stays=1"));
    assert_eq!(hotel.book("k2", "red", "2999-01-02").await, failed("taken"));
    assert_eq!(hotel.book("k3", "red", "1999-01-02").await, failed("past day"));
    assert_eq!(hotel.book("k4", "green", "2999-01-02").await, failed("not found"));
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 1);
    // A refusal is not kept: the same run may be tried again when it can succeed.
    assert_eq!(hotel.book("k2", "red", "2999-01-03").await, done("day=2999-01-03 stays=2"));
}

#[tokio::test]
async fn a_run_that_finds_nothing_in_the_end_undoes_what_it_did() {
    let lines = BOOK.replace("WHERE room = :room AND day = :day\",", "WHERE 0\",");
    let lines = format!("{lines}failures = {{ \"no rows\" = \"none free\" }}\n");
    let hotel = hotel(&lines).await;
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, failed("none free"));
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 0);
}

const CANCEL: &str = r#"
[actions."h.cancel"]
kind = "sql"
database = "sqlite:h.sqlite"
inputs = ["room", "day"]
statements = ["DELETE FROM stays WHERE room = :room AND day = :day"]

[actions."h.price"]
kind = "sql"
database = "sqlite:h.sqlite"
inputs = ["room", "beds"]
statements = ["UPDATE rooms SET beds = :beds WHERE name = :room RETURNING beds * 2 AS twice"]
outputs = { twice = "twice" }

[actions."h.insert"]
kind = "sql"
database = "sqlite:h.sqlite"
inputs = ["room", "day"]
statements = ["INSERT INTO stays VALUES (:room, :day, 'x')"]
failures = { constraint = "taken" }
"#;

#[tokio::test]
async fn changes_without_rows_count_what_they_changed() {
    let hotel = hotel(&format!("{BOOK}{CANCEL}")).await;
    let stay = [("room", "red"), ("day", "2999-01-02")];
    assert_eq!(hotel.ask("h.cancel", "k1", &stay).await, failed("not found"));
    assert_eq!(hotel.book("k2", "red", "2999-01-02").await, done("day=2999-01-02 stays=1"));
    assert_eq!(hotel.ask("h.cancel", "k3", &stay).await, done(""));
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 0);
    let red = [("room", "red"), ("beds", "4")];
    assert_eq!(hotel.ask("h.price", "k4", &red).await, done("twice=8"));
    assert_eq!(hotel.ask("h.price", "k4", &red).await, done("twice=8"), "from what was kept");
    assert_eq!(
        hotel.ask("h.price", "k5", &[("room", "green"), ("beds", "4")]).await,
        failed("not found")
    );
    assert_eq!(hotel.ask("h.price", "k3", &red).await, failed("bad request"), "key reused");
}

#[tokio::test]
async fn the_rules_of_the_tables_refuse_in_a_word() {
    let hotel = hotel(CANCEL).await;
    let stay = [("room", "red"), ("day", "2999-01-02")];
    assert_eq!(hotel.ask("h.insert", "k1", &stay).await, done(""));
    assert_eq!(hotel.ask("h.insert", "k2", &stay).await, failed("taken"));
    let nowhere = [("room", "green"), ("day", "2999-01-02")];
    assert_eq!(hotel.ask("h.insert", "k3", &nowhere).await, failed("taken"), "no such room");
    let beds = [("room", "red"), ("beds", "many")];
    assert_eq!(hotel.ask("h.price", "k4", &beds).await, failed("refused"), "beds are a number");
}

#[tokio::test]
async fn a_locked_or_missing_database_is_unavailable_and_comes_back() {
    let hotel = hotel(BOOK).await;
    let options = options(&hotel.database(), CHECK_TIMEOUT);
    let mut other = SqliteConnection::connect_with(&options).await.expect("opens");
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, failed("unavailable"));
    // Reading goes on meanwhile.
    let red = hotel.ask("h.room", "", &[("room", "red")]).await;
    assert_eq!(red, done("beds=1 note=quiet price=60 room=red"));
    lock.rollback().await.expect("unlocks");
    other.close().await.expect("closes");
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, done("day=2999-01-02 stays=1"));

    let away = hotel.folder.path().join("away");
    fs::rename(hotel.database(), &away).expect("moves");
    assert_eq!(hotel.book("k2", "red", "2999-01-03").await, failed("unavailable"));
    assert!(!hotel.database().exists(), "a request makes no database");
    fs::rename(&away, hotel.database()).expect("moves back");
    assert_eq!(hotel.book("k2", "red", "2999-01-03").await, done("day=2999-01-03 stays=2"));
    fs::write(hotel.database(), "no database at all, but long enough to be looked at")
        .expect("writes");
    assert_eq!(hotel.book("k3", "red", "2999-01-04").await, failed("unavailable"));
}

#[tokio::test]
async fn bookings_at_the_same_time_do_not_get_the_same_room() {
    let hotel = hotel(BOOK).await;
    let (a, b, c) = tokio::join!(
        hotel.book("k1", "red", "2999-01-02"),
        hotel.book("k2", "red", "2999-01-02"),
        hotel.book("k3", "red", "2999-01-02"),
    );
    let outcomes = [a, b, c];
    let booked = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(booked, 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == failed("taken")).count(), 2);
}

#[tokio::test]
async fn the_seed_makes_a_database_once_and_reset_makes_it_anew() {
    let hotel = hotel(BOOK).await;
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, done("day=2999-01-02 stays=1"));
    Actions::open(&hotel.config).await.expect("opens again");
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 1, "what is there stays");
    let reset = reset_databases(&hotel.config).await.expect("resets");
    assert_eq!(reset, [hotel.database()]);
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 0);
    assert_eq!(hotel.count("SELECT count(*) FROM rooms").await, 2);
    assert_eq!(hotel.book("k1", "red", "2999-01-02").await, done("day=2999-01-02 stays=1"));

    // A seed that is wrong leaves the database as it was.
    fs::write(hotel.folder.path().join("h.sql"), "CREATE TABLE a (b); CREATE TABEL c (d);")
        .expect("the seed is written");
    let error = reset_databases(&hotel.config).await.expect_err("it is wrong").to_string();
    assert!(error.contains("TABEL"), "{error}");
    assert_eq!(hotel.count("SELECT count(*) FROM stays").await, 1);
}

#[tokio::test]
async fn what_sqlite_would_refuse_in_every_call_is_told_before_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("h.sql"), SEED).expect("the seed is written");
    for (from, to, part) in [
        ("FROM rooms", "FROM roooms", "statement 1: "),
        ("beds = \"beds\"", "beds = \"bedds\"", "no column \"bedds\". It has name, beds"),
        ("h.sql\"", "i.sql\"", "the seed cannot be read"),
    ] {
        fs::remove_file(folder.path().join("h.sqlite")).ok();
        let config = parse(folder.path(), &ROOM.replace(from, to));
        let error = Actions::open(&config).await.expect_err(to).to_string();
        assert!(error.contains(part), "{error}");
    }
    // Without a seed nothing is made, and nothing is wrong yet.
    let config = parse(folder.path(), &ROOM.replace("h.sqlite", "j.sqlite").replace("seed", "# "));
    Actions::open(&config).await.expect("opens");
    assert!(!folder.path().join("j.sqlite").exists());
}
