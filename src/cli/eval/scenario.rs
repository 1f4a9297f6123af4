//! Whole calls as tests, written in Markdown. A heading begins a call, list items are its steps,
//! everything else is a note to the reader:
//!
//! ```text
//! # Lost card, number in two pieces
//! - caller number: 5550123
//! - caller: I lost my card
//! - expect intent: lost_card
//! - keys: 12345678
//! - expect says: PIN
//! - expect not says: blocked
//! - silence
//! - expect slot: account_number=12345678
//! - expect action: crm.verify_pin done
//! - expect handoff: outage billing
//! - expect ends: yes
//! - database: cards.status of 12345678: active -> blocked
//! ```
//!
//! | step | what it means |
//! |---|---|
//! | `caller number: 5550123` | who calls; before anything else |
//! | `caller: ...`, `keys: 12#`, `silence` | what the caller does |
//! | `crm: down`, `slow`, `up` | how the customer system is from here on (`slow`: never answers) |
//! | `store: down`, `up` | whether hand-offs can be stored from here on |
//! | `expect intent: NAME`, `none` | what the caller was last taken to want |
//! | `expect says: ...`, `expect not says: ...` | what was said since the caller's last turn; capitals do not matter |
//! | `expect slot: NAME=VALUE` | a value known by now |
//! | `expect action: NAME RESULT` | an action that was run by now, and `done` or how it failed |
//! | `expect handoff: REASON QUEUE`, `none` | who the call was handed to by now, and why |
//! | `expect ends: yes`, `no` | whether we have hung up by now |
//! | `database: TABLE.COLUMN of VALUES: OLD -> NEW` | a change; VALUES are one or more that the row has |
//! | `database: TABLE of VALUES: added COLUMN=VALUE, ...`, `removed ...` | a new or lost row |
//! | `today` as a value after `database:` | the day of the call, `2026-03-31` |
//! | `database: unchanged` | the same as no `database:` line at all |
//! | `ignore table: NAME` | changes there do not count; above the first heading, for the whole file |
//!
//! The database is compared when the call is over: what changed and was not expected is a failure.

use std::collections::BTreeSet;
use std::fmt;

use super::database::ExpectedChange;
use crate::acd::handoff::HandoffReason;
use crate::cli::telling::REASONS;
use crate::config::nearest;
use crate::server::{CustomerSystem, HandoffStorage};

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scenario {
    /// The file, for messages.
    pub path: String,
    /// Where its heading is.
    pub line: usize,
    /// Its heading.
    pub title: String,
    /// Who calls.
    pub caller_number: Option<String>,
    /// Tables that do not count.
    pub ignored_tables: BTreeSet<String>,
    /// What happens and what is expected, each with its line.
    pub steps: Vec<(usize, Step)>,
    /// What it changes, each with its line.
    pub changes: Vec<(usize, ExpectedChange)>,
    /// The line that says that it changes nothing.
    unchanged: Option<usize>,
}

/// One line of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The caller says this.
    Caller(String),
    /// The caller presses these.
    Keys(String),
    /// The caller says nothing.
    Silence,
    /// The customer system is like this from here on.
    Crm(CustomerSystem),
    /// Hand-offs can be stored from here on, or cannot.
    Store(HandoffStorage),
    /// Something that must be so.
    Expect(Expect),
}

/// Something that must be so at its place in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// What the caller was last taken to want; `None`: nothing yet.
    Intent(Option<String>),
    /// Said since the caller's last turn.
    Says(String),
    /// Not said since the caller's last turn.
    NotSays(String),
    /// A slot's value.
    Slot { name: String, value: String },
    /// An action and what came of it.
    Action { name: String, result: String },
    /// Why and to whom the call was handed over; `None`: not at all.
    Handoff(Option<(HandoffReason, String)>),
    /// Whether we have hung up.
    Ends(bool),
}

/// Something wrong in a file of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScenarioError {
    path: String,
    line: usize,
    what: String,
    fix: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}. Fix: {}", self.path, self.line, self.what, self.fix)
    }
}

/// What a step may begin with.
const KEYS: [&str; 15] = [
    "caller number",
    "caller",
    "keys",
    "silence",
    "crm",
    "store",
    "expect intent",
    "expect says",
    "expect not says",
    "expect slot",
    "expect action",
    "expect handoff",
    "expect ends",
    "database",
    "ignore table",
];

/// Reads a file of calls.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub(super) fn parse(path: &str, text: &str) -> Result<Vec<Scenario>, Vec<ScenarioError>> {
    let mut reader = Reader { path, ..Reader::default() };
    for (index, line) in text.lines().enumerate() {
        reader.read(index + 1, line.trim());
    }
    reader.finish()
}

/// What is wrong and how to put it right.
type Complaint = (String, String);

#[derive(Default)]
struct Reader<'p> {
    path: &'p str,
    scenarios: Vec<Scenario>,
    errors: Vec<ScenarioError>,
    /// Tables that do not count in any call of the file.
    ignored_tables: BTreeSet<String>,
}

impl Reader<'_> {
    fn read(&mut self, line: usize, text: &str) {
        let outcome =
            if let Some(item) = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) {
                self.item(line, item.trim())
            } else if text.starts_with('#') {
                self.heading(line, text)
            } else {
                note(text)
            };
        if let Err((what, fix)) = outcome {
            self.errors.push(ScenarioError { path: self.path.to_owned(), line, what, fix });
        }
    }

    fn heading(&mut self, line: usize, text: &str) -> Result<(), Complaint> {
        let title = text.strip_prefix("# ").map(str::trim).filter(|title| !title.is_empty());
        let Some(title) = title else {
            return Err(complaint(
                format!("`{text}` does not begin a call"),
                "write one `#`, a space and what the call is about",
            ));
        };
        self.scenarios.push(Scenario {
            path: self.path.to_owned(),
            line,
            title: title.to_owned(),
            caller_number: None,
            ignored_tables: self.ignored_tables.clone(),
            steps: Vec::new(),
            changes: Vec::new(),
            unchanged: None,
        });
        Ok(())
    }

    fn item(&mut self, line: usize, item: &str) -> Result<(), Complaint> {
        let (key, value) = key_and_value(item);
        if !KEYS.contains(&key.as_str()) {
            let fix = match nearest(&key, KEYS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of: {}", KEYS.join(", ")),
            };
            return Err((format!("there is no step `{key}`"), fix));
        }
        if key == "silence" && !value.is_empty() {
            return Err(complaint("`silence` has nothing after it", "write `- silence`"));
        }
        if key != "silence" && value.is_empty() {
            return Err((format!("nothing stands after `{key}:`"), example_of(&key)));
        }
        let Some(scenario) = self.scenarios.last_mut() else {
            if key == "ignore table" {
                self.ignored_tables.insert(value.to_owned());
                return Ok(());
            }
            return Err(complaint(
                "this step belongs to no call",
                "put a heading above it, such as `# Lost card`",
            ));
        };
        scenario.add(line, &key, value)
    }

    fn finish(mut self) -> Result<Vec<Scenario>, Vec<ScenarioError>> {
        let mut report = |line, (what, fix): Complaint| {
            self.errors.push(ScenarioError { path: self.path.to_owned(), line, what, fix });
        };
        for scenario in &self.scenarios {
            if scenario.steps.is_empty() {
                let what = format!("nothing happens in `{}`", scenario.title);
                report(scenario.line, complaint(what, "add a line such as `- caller: hello`"));
            }
            if let (Some(line), false) = (scenario.unchanged, scenario.changes.is_empty()) {
                report(
                    line,
                    complaint(
                        "the database cannot be unchanged and changed",
                        "remove this line or the other `database:` lines",
                    ),
                );
            }
        }
        if self.scenarios.is_empty() {
            let fix = "begin one with a heading, such as `# Lost card`";
            report(1, complaint("there is no call in this file", fix));
        }
        self.errors.sort_by_key(|error| error.line);
        if self.errors.is_empty() { Ok(self.scenarios) } else { Err(self.errors) }
    }
}

impl Scenario {
    fn add(&mut self, line: usize, key: &str, value: &str) -> Result<(), Complaint> {
        let step = match key {
            "caller number" => return self.set_caller_number(value),
            "ignore table" => {
                self.ignored_tables.insert(value.to_owned());
                return Ok(());
            }
            "database" => return self.add_change(line, value),
            "caller" => Step::Caller(value.to_owned()),
            "keys" => Step::Keys(read_keys(value)?),
            "silence" => Step::Silence,
            "crm" => Step::Crm(match value {
                "down" => CustomerSystem::Down,
                "slow" => CustomerSystem::Silent,
                "up" => CustomerSystem::Up,
                _ => return Err(unknown_value(key, value)),
            }),
            "store" => Step::Store(match value {
                "down" => HandoffStorage::Fails,
                "up" => HandoffStorage::Works,
                _ => return Err(unknown_value(key, value)),
            }),
            _ => Step::Expect(read_expectation(key, value)?),
        };
        self.steps.push((line, step));
        Ok(())
    }

    fn set_caller_number(&mut self, value: &str) -> Result<(), Complaint> {
        if !self.steps.is_empty() {
            return Err(complaint(
                "the call has begun before its number is given",
                "put `- caller number:` right below the heading",
            ));
        }
        if !value.chars().any(|c| c.is_ascii_digit()) {
            return Err((format!("`{value}` is no number"), example_of("caller number")));
        }
        self.caller_number = Some(value.to_owned());
        Ok(())
    }

    fn add_change(&mut self, line: usize, value: &str) -> Result<(), Complaint> {
        if value == "unchanged" {
            self.unchanged = Some(line);
            return Ok(());
        }
        let change = ExpectedChange::parse(value)
            .ok_or_else(|| (format!("`{value}` is not a change"), example_of("database")))?;
        self.changes.push((line, change));
        Ok(())
    }
}

/// Text that is no step; a step whose dash was forgotten is no such text.
fn note(text: &str) -> Result<(), Complaint> {
    let (key, value) = key_and_value(text);
    if KEYS.contains(&key.as_str()) && (!value.is_empty() || text == "silence") {
        let fix = format!("write `- ` before it: `- {text}`");
        return Err((format!("`{text}` is not read as a step"), fix));
    }
    Ok(())
}

/// `Expect  Says: x` is the same as `expect says: x`.
fn key_and_value(item: &str) -> (String, &str) {
    let (key, value) = item.split_once(':').unwrap_or((item, ""));
    let words: Vec<String> = key.split_whitespace().map(str::to_lowercase).collect();
    (words.join(" ").replace("hand-off", "handoff"), value.trim())
}

fn read_keys(value: &str) -> Result<String, Complaint> {
    let keys: String = value.chars().filter(|key| !key.is_whitespace()).collect();
    if keys.chars().all(|key| key.is_ascii_digit() || key == '*' || key == '#') {
        return Ok(keys);
    }
    Err((format!("`{value}` cannot be keyed"), "use digits, `*` and `#` only".to_owned()))
}

fn read_expectation(key: &str, value: &str) -> Result<Expect, Complaint> {
    let wrong = || unknown_value(key, value);
    Ok(match key {
        "expect intent" => Expect::Intent((value != "none").then(|| value.to_owned())),
        "expect says" => Expect::Says(value.to_owned()),
        "expect not says" => Expect::NotSays(value.to_owned()),
        "expect slot" => {
            let (name, value) = value.split_once('=').ok_or_else(wrong)?;
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            if name.is_empty() || value.is_empty() {
                return Err(wrong());
            }
            Expect::Slot { name, value }
        }
        "expect action" => {
            let (name, result) = value.split_once(char::is_whitespace).ok_or_else(wrong)?;
            Expect::Action { name: name.to_owned(), result: result.trim().to_owned() }
        }
        "expect handoff" if value == "none" => Expect::Handoff(None),
        "expect handoff" => {
            let (reason, queue) = value.rsplit_once(char::is_whitespace).ok_or_else(wrong)?;
            let reason = reason.trim().replace('_', " ");
            let known = REASONS.iter().find(|(words, _)| *words == reason);
            let (_, reason) = known.ok_or_else(wrong)?;
            Expect::Handoff(Some((*reason, queue.to_owned())))
        }
        _ => match value {
            "yes" => Expect::Ends(true),
            "no" => Expect::Ends(false),
            _ => return Err(wrong()),
        },
    })
}

fn complaint(what: impl Into<String>, fix: &str) -> Complaint {
    (what.into(), fix.to_owned())
}

fn unknown_value(key: &str, value: &str) -> Complaint {
    (format!("`{value}` means nothing after `{key}:`"), example_of(key))
}

/// How a step is written.
fn example_of(key: &str) -> String {
    let example = match key {
        "caller number" => "write `- caller number: 5550123`",
        "keys" => "write `- keys: 12345678`",
        "crm" => "write `- crm: down`, `slow` (never answers) or `up`",
        "store" => "write `- store: down` or `up`",
        "expect intent" => "write `- expect intent:` and an intent's name, or `none`",
        "expect slot" => "write `- expect slot: amount=50.00`",
        "expect action" => "write `- expect action: crm.transfer done`, or how it failed",
        "expect handoff" => {
            let reasons: Vec<&str> = REASONS.iter().map(|(words, _)| *words).collect();
            return format!(
                "write `- expect handoff: none`, or why and to which queue: `outage billing`. The \
                 reasons are: {}",
                reasons.join(", ")
            );
        }
        "expect ends" => "write `- expect ends: yes` or `no`",
        "database" => {
            "write `- database: unchanged`, `- database: cards.status of 12345678: active -> \
             blocked` or `- database: transfers of 12345678: added amount=5000`"
        }
        "ignore table" => "write `- ignore table:` and a table's name",
        _ => "write what is said",
    };
    example.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
Calls about cards: notes like this one are for the reader.

- ignore table: answered_requests

# Lost card
- caller number: 5550123
- caller: I lost my card: it's gone
- Expect Intent: lost_card
* keys: 1234 5678#
- silence
- crm: slow
- store: down
- expect says: PIN
- expect not says: is blocked
- expect slot: amount = 50.00
- expect action: crm.verify_pin wrong pin
- expect hand-off: repeated_failure cards
- expect ends: yes
- database: cards.status of 12345678: active -> blocked
- ignore table: log

# Nobody speaks
- silence
- expect handoff: none
- expect intent: none
- expect ends: no
- database: unchanged
";

    #[test]
    fn reads_every_step() {
        let calls = parse("c.md", GOOD).expect("good");
        assert_eq!(calls.len(), 2);
        let lost = &calls[0];
        assert_eq!((lost.line, lost.title.as_str()), (5, "Lost card"));
        assert_eq!(lost.caller_number.as_deref(), Some("5550123"));
        let ignored: Vec<&str> = lost.ignored_tables.iter().map(String::as_str).collect();
        assert_eq!(ignored, ["answered_requests", "log"]);
        let action = || "crm.verify_pin".to_owned();
        let expected = [
            (7, Step::Caller("I lost my card: it's gone".to_owned())),
            (8, Step::Expect(Expect::Intent(Some("lost_card".to_owned())))),
            (9, Step::Keys("12345678#".to_owned())),
            (10, Step::Silence),
            (11, Step::Crm(CustomerSystem::Silent)),
            (12, Step::Store(HandoffStorage::Fails)),
            (13, Step::Expect(Expect::Says("PIN".to_owned()))),
            (14, Step::Expect(Expect::NotSays("is blocked".to_owned()))),
            (15, Step::Expect(Expect::Slot { name: "amount".into(), value: "50.00".into() })),
            (16, Step::Expect(Expect::Action { name: action(), result: "wrong pin".into() })),
            (
                17,
                Step::Expect(Expect::Handoff(Some((
                    HandoffReason::RepeatedFailure,
                    "cards".to_owned(),
                )))),
            ),
            (18, Step::Expect(Expect::Ends(true))),
        ];
        assert_eq!(lost.steps, expected);
        assert_eq!(lost.changes.len(), 1);
        assert_eq!(lost.changes[0].0, 19);
        let nobody = &calls[1];
        assert_eq!(nobody.ignored_tables.len(), 1);
        assert_eq!(nobody.steps[1].1, Step::Expect(Expect::Handoff(None)));
        assert_eq!(nobody.steps[2].1, Step::Expect(Expect::Intent(None)));
        assert_eq!(nobody.steps[3].1, Step::Expect(Expect::Ends(false)));
        assert!(nobody.changes.is_empty());
    }

    /// Checks the one complaint about a call with this line in it.
    fn check(line: &str, what: &str, fix: &str) {
        let errors = parse("c.md", &format!("# A call\n- caller: hi\n{line}\n")).expect_err(line);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("c.md:3: {what}. Fix: ")), "{}", told[0]);
        assert!(told[0].contains(fix), "{}", told[0]);
    }

    #[test]
    fn mistakes_are_named_with_line_and_fix() {
        check("- expct says: x", "there is no step `expct says`", "did you mean `expect says`?");
        check("- zzzzzzzz: x", "there is no step `zzzzzzzz`", "use one of: caller number, caller");
        check("expect says: x", "`expect says: x` is not read as a step", "`- expect says: x`");
        check("silence", "`silence` is not read as a step", "`- silence`");
        check("- silence: long", "`silence` has nothing after it", "write `- silence`");
        check("- caller:", "nothing stands after `caller:`", "write what is said");
        check("- expect says:", "nothing stands after `expect says:`", "write what is said");
        check("- caller number: 5", "the call has begun before its number is given", "heading");
        check("- keys: 12a", "`12a` cannot be keyed", "digits");
        check("- crm: dead", "`dead` means nothing after `crm:`", "`- crm: down`");
        check("- store: full", "`full` means nothing after `store:`", "`- store: down`");
        check(
            "- expect slot: amount",
            "`amount` means nothing after `expect slot:`",
            "amount=50.00",
        );
        check("- expect slot: =5", "`=5` means nothing after `expect slot:`", "amount=50.00");
        check("- expect action: a.b", "`a.b` means nothing after `expect action:`", "done");
        check("- expect handoff: cards", "`cards` means nothing after `expect handoff:`", "none");
        check(
            "- expect handoff: bored cards",
            "`bored cards` means nothing after `expect handoff:`",
            "asked, policy, low confidence, repeated failure, outage, out of scope",
        );
        check("- expect ends: maybe", "`maybe` means nothing after `expect ends:`", "`no`");
        check("- database: changed", "`changed` is not a change", "database: unchanged");
        check("## Part two", "`## Part two` does not begin a call", "one `#`");
        check("#", "`#` does not begin a call", "one `#`");
    }

    #[test]
    fn the_calls_of_every_demo_are_well_formed() {
        let profiles = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        for profile in std::fs::read_dir(profiles).expect("there are demos") {
            let folder = profile.expect("an entry").path().join("calls");
            let mut count = 0;
            for entry in std::fs::read_dir(&folder).expect("every demo has calls") {
                let path = entry.expect("an entry").path();
                let text = std::fs::read_to_string(&path).expect("readable");
                let name = path.display().to_string();
                match parse(&name, &text) {
                    Ok(calls) => count += calls.len(),
                    Err(errors) => panic!("{}", errors[0]),
                }
            }
            assert!(count >= 40, "there are {count} calls in {}", folder.display());
        }
    }

    #[test]
    fn mistakes_of_a_whole_file_are_named() {
        let complaint = |text: &str| {
            let errors = parse("c.md", text).expect_err(text);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(complaint("Just a note.\n").starts_with("c.md:1: there is no call in this file"));
        assert!(complaint("# A\n# B\n- silence\n").starts_with("c.md:1: nothing happens in `A`"));
        let orphan = complaint("- caller: hi\n# A\n- silence\n");
        assert!(orphan.starts_with("c.md:1: this step belongs to no call"), "{orphan}");
        let number = complaint("# A\n- caller number: Bob\n- silence\n");
        assert!(number.starts_with("c.md:2: `Bob` is no number"), "{number}");
        let both = "# A\n- silence\n- database: unchanged\n- database: a.b of 1: 2 -> 3\n";
        assert!(complaint(both).starts_with("c.md:3: the database cannot be unchanged and"));
    }
}
