//! Actions on the organisation's own database: statements with `:slot` in them.
//!
//! A value is never pasted into a statement. Each `:slot` becomes a numbered parameter here, once
//! and for all, and what a caller says is bound to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The one parameter that is no input: the day of the call, `2026-03-31`.
pub const TODAY: &str = "today";

/// An action that is one transaction on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlActionConfig {
    /// The SQLite file.
    pub database: PathBuf,
    /// SQL that the file is made from if there is none.
    pub seed: Option<PathBuf>,
    /// Looked at first, in order: the first that yields a row refuses.
    pub refuse: Vec<SqlRefusal>,
    /// Run in order; at least one.
    pub statements: Vec<SqlStatement>,
    /// Output name to column of the last statement's first row.
    pub outputs: BTreeMap<String, String>,
    /// Failure word for a last statement that finds nothing.
    pub no_rows: String,
    /// Failure word for a change that the tables' own rules forbid.
    pub constraint: String,
}

/// A reason not to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlRefusal {
    /// A query; a row from it refuses.
    pub when: SqlStatement,
    /// The failure word.
    pub word: String,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlEffect {
    /// It only looks.
    Reads,
    /// It changes rows and yields none.
    Changes,
    /// It changes rows and yields them (`RETURNING`).
    ChangesAndReturns,
}

/// One statement, its `:names` replaced by numbered parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlStatement {
    /// With `?1`, `?2` in place of the names.
    pub sql: String,
    /// The name of each parameter: the first belongs to `?1`.
    pub parameters: Vec<String>,
    /// What it does.
    pub effect: SqlEffect,
}

impl SqlStatement {
    /// Reads a statement. Text in quotes and comments stays as it is.
    ///
    /// # Errors
    /// A sentence that says what cannot be used and what to write in its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader {
            rest: text,
            sql: String::new(),
            parameters: Vec::new(),
            words: Vec::new(),
            ended: false,
        };
        while !reader.rest.is_empty() {
            reader.step()?;
        }
        let effect = effect(&reader.words)?;
        Ok(Self { sql: reader.sql.trim().to_owned(), parameters: reader.parameters, effect })
    }
}

/// What a statement does, by its keywords.
fn effect(words: &[String]) -> Result<SqlEffect, String> {
    let Some(first) = words.first() else { return Err("is empty".to_owned()) };
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let changes = match first.as_str() {
        "SELECT" | "VALUES" => false,
        "WITH" => has(&["INSERT", "UPDATE", "DELETE", "REPLACE"]),
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" => true,
        // A COMMIT of its own would end the transaction in the middle.
        _ => {
            return Err(format!(
                "begins with {first}. Use SELECT, INSERT, UPDATE or DELETE; they run in one \
                 transaction without being told to"
            ));
        }
    };
    Ok(match (changes, has(&["RETURNING"])) {
        (false, _) => SqlEffect::Reads,
        (true, false) => SqlEffect::Changes,
        (true, true) => SqlEffect::ChangesAndReturns,
    })
}

struct Reader<'a> {
    rest: &'a str,
    sql: String,
    parameters: Vec<String>,
    /// Keywords and names outside of quotes, in capitals. Names of functions are left out:
    /// `replace(...)` changes nothing.
    words: Vec<String>,
    /// There was a `;`.
    ended: bool,
}

impl Reader<'_> {
    /// Reads the next piece: a comment, something in quotes, a name, or one character.
    fn step(&mut self) -> Result<(), String> {
        let Some(first) = self.rest.chars().next() else { return Ok(()) };
        if self.rest.starts_with("--") {
            self.copy(self.rest.find('\n').unwrap_or(self.rest.len()));
            return Ok(());
        }
        if self.rest.starts_with("/*") {
            return self.copy_to("*/", 2);
        }
        if first.is_whitespace() {
            self.copy(first.len_utf8());
            return Ok(());
        }
        if self.ended {
            return Err("holds two statements. Make each an entry of its own".to_owned());
        }
        match first {
            '\'' => self.copy_to("'", 1),
            '"' => self.copy_to("\"", 1),
            '`' => self.copy_to("`", 1),
            '[' => self.copy_to("]", 1),
            ':' => self.parameter(),
            '?' | '@' | '$' => Err(format!("has a `{first}`. Write the slot's name, `:slot`")),
            ';' => {
                self.ended = true;
                self.rest = &self.rest[1..];
                Ok(())
            }
            _ => {
                self.word(first);
                Ok(())
            }
        }
    }

    fn copy(&mut self, length: usize) {
        let (piece, rest) = self.rest.split_at(length);
        self.sql.push_str(piece);
        self.rest = rest;
    }

    /// Copies up to and with `end`, looking for it after the first `skip` bytes. A doubled quote
    /// inside quotes reads as two pieces side by side, which comes to the same.
    fn copy_to(&mut self, end: &str, skip: usize) -> Result<(), String> {
        let Some(at) = self.rest[skip..].find(end) else {
            return Err(format!("has a `{}` that never ends", &self.rest[..skip]));
        };
        self.copy(skip + at + end.len());
        Ok(())
    }

    fn parameter(&mut self) -> Result<(), String> {
        let after = &self.rest[1..];
        let length =
            after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let name = &after[..length];
        if name.is_empty() {
            return Err("has a `:` without a name. Write the slot's name, `:slot`".to_owned());
        }
        let known = self.parameters.iter().position(|known| known == name);
        let number = known.unwrap_or_else(|| {
            self.parameters.push(name.to_owned());
            self.parameters.len() - 1
        });
        self.sql.push_str(&format!("?{}", number + 1));
        self.rest = &after[length..];
        Ok(())
    }

    /// Copies a name or a number whole, and anything else by itself.
    fn word(&mut self, first: char) {
        let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        if !part_of_word(first) {
            return self.copy(first.len_utf8());
        }
        let length = self.rest.find(|c: char| !part_of_word(c)).unwrap_or(self.rest.len());
        let word = self.rest[..length].to_uppercase();
        self.copy(length);
        let is_function = word == "REPLACE" && self.rest.trim_start().starts_with('(');
        if !is_function {
            self.words.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_text_stays() {
        for (text, sql, parameters) in [
            ("SELECT a FROM t WHERE b = :b", "SELECT a FROM t WHERE b = ?1", &["b"][..]),
            (
                "SELECT :a, :b, :a FROM t WHERE c=:b_2;  -- :d\n",
                "SELECT ?1, ?2, ?1 FROM t WHERE c=?3  -- :d",
                &["a", "b", "b_2"],
            ),
            (
                "SELECT 'it''s :a?', \"x:y\", [z:;], `:q` /* ;:c */ FROM t",
                "SELECT 'it''s :a?', \"x:y\", [z:;], `:q` /* ;:c */ FROM t",
                &[],
            ),
            ("SELECT 'é:' || :a || 'ü'", "SELECT 'é:' || ?1 || 'ü'", &["a"]),
        ] {
            let statement = SqlStatement::parse(text).expect(text);
            assert_eq!(statement.sql, sql);
            assert_eq!(statement.parameters, parameters, "{text}");
        }
    }

    #[test]
    fn what_a_statement_does_is_told_by_its_words() {
        for (text, effect) in [
            ("SELECT 'DELETE'", SqlEffect::Reads),
            ("select replace(a, 'x', 'y') from t", SqlEffect::Reads),
            ("VALUES (1)", SqlEffect::Reads),
            ("WITH a AS (SELECT replace (b, 1, 2) FROM c) SELECT * FROM a", SqlEffect::Reads),
            ("WITH a AS (SELECT 1) DELETE FROM t", SqlEffect::Changes),
            ("insert into t values (1)", SqlEffect::Changes),
            ("REPLACE INTO t VALUES (1)", SqlEffect::Changes),
            ("UPDATE t SET a = 1 RETURNING b", SqlEffect::ChangesAndReturns),
            ("DELETE FROM t WHERE a = 'RETURNING'", SqlEffect::Changes),
        ] {
            assert_eq!(SqlStatement::parse(text).expect(text).effect, effect, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, part) in [
            ("", "is empty"),
            (" -- nothing\n ;", "is empty"),
            ("SELECT 1; SELECT 2", "two statements"),
            ("SELECT ?", "`?`"),
            ("SELECT ?1", "`?`"),
            ("SELECT @a", "`@`"),
            ("SELECT $a", "`$`"),
            ("SELECT a::text", "without a name"),
            ("SELECT 'a", "`'` that never ends"),
            ("SELECT 1 /* a", "`/*` that never ends"),
            ("COMMIT", "begins with COMMIT"),
            ("PRAGMA user_version", "begins with PRAGMA"),
            ("ATTACH :a AS b", "begins with ATTACH"),
        ] {
            let message = SqlStatement::parse(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
