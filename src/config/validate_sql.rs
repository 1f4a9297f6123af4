//! Actions of kind "sql": a database that can be reached, and statements whose every value is
//! declared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::actions::{ActionConfig, ConnectorConfig};
use super::raw::{RawAction, RawOutputs, RawRefusal};
use super::sql::{SqlActionConfig, SqlEffect, SqlRefusal, SqlStatement, TODAY};
use super::suggest::did_you_mean;
use super::validate::{Checker, Places};

/// What can be mapped under `failures`, each with the word it has by itself.
const FAILURES: [(&str, &str); 2] = [("no rows", "not found"), ("constraint", "refused")];
/// Longest failure word that a prompt file takes for one.
const WORD_CHARS_MAX: usize = 24;
const WORD_WORDS_MAX: usize = 3;

pub(super) fn sql(
    check: &mut Checker<'_>,
    name: &str,
    raw: RawAction,
    places: &Places<'_>,
) -> Option<(ConnectorConfig, bool)> {
    if raw.inputs.iter().any(|input| input == TODAY) {
        check.problem(
            &["actions", name, "inputs"],
            format!("`{TODAY}` is the day of the call and cannot be an input. Rename the slot"),
        );
    }
    let database = database(check, name, raw.database.as_deref(), places);
    let refuse = refusals(check, name, raw.refuse.unwrap_or_default(), &raw.inputs);
    let statements = statements(check, name, raw.statements, &raw.inputs);
    let outputs = columns(check, name, raw.outputs);
    let yields_none = statements.last().is_some_and(|last| last.effect == SqlEffect::Changes);
    if yields_none && !outputs.is_empty() {
        check.problem(
            &["actions", name, "statements"],
            "the last one yields no row to take the outputs from. End with a SELECT, or add \
             RETURNING and the columns",
        );
    }
    let changes = statements.iter().any(|statement| statement.effect != SqlEffect::Reads);
    if changes && raw.changes_state == Some(false) {
        check.problem(
            &["actions", name, "changes_state"],
            "must be true, because a statement changes the database. Remove the line",
        );
    }
    let [no_rows, constraint] = failures(check, name, raw.failures.unwrap_or_default());
    let sql = SqlActionConfig {
        database: database?,
        seed: raw.seed.as_deref().map(|seed| places.resolve(seed)),
        refuse,
        statements,
        outputs,
        no_rows,
        constraint,
    };
    Some((ConnectorConfig::Sql(Box::new(sql)), raw.changes_state.unwrap_or(changes)))
}

/// The file that `sqlite:path` names.
fn database(
    check: &mut Checker<'_>,
    name: &str,
    written: Option<&str>,
    places: &Places<'_>,
) -> Option<PathBuf> {
    const EXAMPLE: &str = "Write it like \"sqlite:crm.sqlite\"";
    let path = ["actions", name, "database"];
    let Some(written) = written else {
        check.problem(&["actions", name], format!("has no database. {EXAMPLE}"));
        return None;
    };
    let Some(file) = written.strip_prefix("sqlite:") else {
        // The rest is not repeated: it may hold a password.
        let message = match written.split_once(':') {
            Some((kind, _)) => format!(
                "\"{kind}\" is not a database that can be used: only \"sqlite\" is, for now. \
                 For others, put an HTTP service in front and use kind = \"http\""
            ),
            None => format!("does not say which kind of database it is. {EXAMPLE}"),
        };
        check.problem(&path, message);
        return None;
    };
    let file = file.strip_prefix("//").unwrap_or(file);
    let problem = match file.trim() {
        "" => Some("names no file"),
        ":memory:" => Some("is in memory, where nothing outlasts a request"),
        file if file.contains('?') => Some("has options behind a `?`, and there are none"),
        _ => None,
    };
    if let Some(problem) = problem {
        check.problem(&path, format!("{problem}. {EXAMPLE}"));
        return None;
    }
    Some(places.resolve(file.trim()))
}

fn statements(
    check: &mut Checker<'_>,
    name: &str,
    written: Option<Vec<String>>,
    inputs: &[String],
) -> Vec<SqlStatement> {
    let path = ["actions", name, "statements"];
    let written = written.unwrap_or_default();
    if written.is_empty() {
        let path = ["actions", name];
        check.problem(&path, "does nothing. Add statements = [\"SELECT ... WHERE id = :id\"]");
    }
    let numbered = written.iter().enumerate();
    numbered
        .filter_map(|(index, text)| {
            statement(check, &path, &format!("statement {}", index + 1), text, inputs)
        })
        .collect()
}

fn refusals(
    check: &mut Checker<'_>,
    name: &str,
    written: Vec<RawRefusal>,
    inputs: &[String],
) -> Vec<SqlRefusal> {
    let path = ["actions", name, "refuse"];
    let mut refusals = Vec::new();
    for (index, refusal) in written.into_iter().enumerate() {
        let what = format!("entry {}", index + 1);
        let when = statement(check, &path, &what, &refusal.when, inputs);
        let word = failure_word(check, &path, &what, &refusal.word);
        let Some(when) = when else { continue };
        if when.effect != SqlEffect::Reads {
            let message = "changes something. `when` only asks: use a SELECT";
            check.problem(&path, format!("{what} {message}"));
        }
        refusals.push(SqlRefusal { when, word });
    }
    refusals
}

/// One statement; each of its `:names` must be an input, or the day.
fn statement(
    check: &mut Checker<'_>,
    path: &[&str],
    what: &str,
    text: &str,
    inputs: &[String],
) -> Option<SqlStatement> {
    let statement = match SqlStatement::parse(text) {
        Ok(statement) => statement,
        Err(message) => {
            check.problem(path, format!("{what} {message}"));
            return None;
        }
    };
    let known = || inputs.iter().map(String::as_str).chain([TODAY]);
    for name in &statement.parameters {
        if !known().any(|input| input == name) {
            let hint = did_you_mean(name, known()).unwrap_or_else(|| "Add it to inputs".to_owned());
            check.problem(
                path,
                format!("{what} uses :{name}, which is not among the inputs. {hint}"),
            );
        }
    }
    Some(statement)
}

fn columns(
    check: &mut Checker<'_>,
    name: &str,
    outputs: Option<RawOutputs>,
) -> BTreeMap<String, String> {
    let path = ["actions", name, "outputs"];
    match outputs {
        None => BTreeMap::new(),
        Some(RawOutputs::Pointers(columns)) => {
            for (output, _) in columns.iter().filter(|(_, column)| column.trim().is_empty()) {
                check.problem(&path, format!("{output}: names no column"));
            }
            columns
        }
        Some(RawOutputs::Names(_)) => {
            check.problem(
                &path,
                "is a list. Say which column of the last statement each output is, \
                 outputs = { balance = \"balance\" }",
            );
            BTreeMap::new()
        }
    }
}

/// The words for [`FAILURES`], in that order.
fn failures(check: &mut Checker<'_>, name: &str, written: BTreeMap<String, String>) -> [String; 2] {
    let path = ["actions", name, "failures"];
    let known = FAILURES.map(|(key, _)| key);
    for key in written.keys().filter(|key| !known.contains(&key.as_str())) {
        let hint =
            did_you_mean(key, known).unwrap_or_else(|| format!("Known: {}", known.join(", ")));
        check.problem(&path, format!("\"{key}\" is not a failure of a database. {hint}"));
    }
    FAILURES.map(|(key, word)| match written.get(key) {
        Some(word) => failure_word(check, &path, &format!("\"{key}\""), word),
        None => word.to_owned(),
    })
}

/// A word as it stands under `## If it fails` in a prompt file.
fn failure_word(check: &mut Checker<'_>, path: &[&str], what: &str, written: &str) -> String {
    let word = written.trim();
    let fits = word.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
        && (1..=WORD_CHARS_MAX).contains(&word.len())
        && word.split_whitespace().count() <= WORD_WORDS_MAX;
    if !fits {
        check.problem(
            path,
            format!(
                "{what}: \"{word}\" cannot stand under `## If it fails`. Use up to \
                 {WORD_WORDS_MAX} words in small letters, \"already booked\""
            ),
        );
    }
    word.to_owned()
}

/// Two actions that make the same database from different files would each expect their own.
pub(super) fn one_seed_per_database(
    check: &mut Checker<'_>,
    actions: &BTreeMap<String, ActionConfig>,
) {
    let mut seeds: BTreeMap<&Path, (&Path, &str)> = BTreeMap::new();
    for (name, action) in actions {
        let ConnectorConfig::Sql(sql) = &action.connector else { continue };
        let Some(seed) = sql.seed.as_deref() else { continue };
        let database = sql.database.as_path();
        let (first, other) = *seeds.entry(database).or_insert((seed, name.as_str()));
        if first != seed {
            check.problem(
                &["actions", name, "seed"],
                format!("the same database has another seed in actions.\"{other}\". Keep one"),
            );
        }
    }
}
