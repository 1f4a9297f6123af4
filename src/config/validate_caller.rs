//! Checks `[caller_lookup]` and `[recording]`.

use std::collections::BTreeMap;

use super::actions::ActionConfig;
use super::caller::{CallerLookupConfig, ConsentConfig, OPEN_TICKET, RecordingConfig};
use super::checked::ServerConfig;
use super::raw;
use super::suggest::did_you_mean;
use super::validate::{Checker, Places};
use super::validate_actions::declared;

const TABLE: &str = "caller_lookup";

/// The one thing known about a caller before they speak.
const LOOKUP_INPUT: &str = "phone";

/// From the last priority to the first.
const UP_MAX: u32 = 8;

pub(super) fn caller_lookup(
    check: &mut Checker<'_>,
    raw: raw::RawCallerLookup,
    actions: &BTreeMap<String, ActionConfig>,
) -> CallerLookupConfig {
    let action = declared(check, &[TABLE, "action"], &raw.action, actions);
    if let Some(action) = action {
        check_action(check, action);
    }
    let outputs = action.map_or_else(Vec::new, ActionConfig::output_names);
    let mut field = |key: &str, value: Option<String>| {
        let value = value?;
        if action.is_some() && !outputs.contains(&value.as_str()) {
            let hint = did_you_mean(&value, outputs.iter().copied())
                .unwrap_or_else(|| "Name one of its outputs, or remove the line".to_owned());
            let action = &raw.action;
            let message = format!("\"{action}\" has no output \"{value}\". {hint}");
            check.problem(&[TABLE, key], message);
        }
        Some(value)
    };
    let tier = field("tier", raw.tier);
    let open_tickets = field("open_tickets", raw.open_tickets);
    let ticket_subject = field("ticket_subject", raw.ticket_subject);
    let language = field("language", raw.language);
    let marks =
        Marks { tier: tier.is_some(), ticket: open_tickets.is_some() || ticket_subject.is_some() };
    CallerLookupConfig {
        action: raw.action,
        priority_up: priority_up(check, raw.priority_up, marks),
        skills: skills(check, raw.skills, marks),
        tier,
        open_tickets,
        ticket_subject,
        language,
    }
}

fn check_action(check: &mut Checker<'_>, action: &ActionConfig) {
    let path = [TABLE, "action"];
    if action.inputs != [LOOKUP_INPUT] {
        check.problem(
            &path,
            format!(
                "\"{}\" must take exactly one input, \"{LOOKUP_INPUT}\": it is all that is known \
                 when a call arrives",
                action.name
            ),
        );
    }
    if action.changes_state {
        check.problem(
            &path,
            format!("\"{}\" changes state. A call that arrives may change nothing", action.name),
        );
    }
    if action.list.is_some() {
        check.problem(&path, format!("\"{}\" gives a list, not a caller's record", action.name));
    }
}

/// What a record can tell.
#[derive(Clone, Copy)]
struct Marks {
    tier: bool,
    ticket: bool,
}

impl Marks {
    /// The mark in the form in which it is compared, or a problem.
    fn read(self, check: &mut Checker<'_>, key: &str, written: &str) -> Option<String> {
        let mark = written.trim().to_lowercase();
        let path = [TABLE, key, written];
        if mark.is_empty() {
            check.problem(&path, "is no tier. Write one, or \"open ticket\"");
            return None;
        }
        let (is_told, line) = match mark.as_str() {
            OPEN_TICKET => (self.ticket, "open_tickets = \"...\""),
            _ => (self.tier, "tier = \"...\""),
        };
        if !is_told {
            let message = format!(
                "nothing tells which callers these are. Add {line} with the output that does"
            );
            check.problem(&path, message);
        }
        Some(mark)
    }
}

fn priority_up(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, i64>,
    marks: Marks,
) -> BTreeMap<String, u8> {
    let mut priority_up = BTreeMap::new();
    for (written, up) in raw {
        let up = check.number(&[TABLE, "priority_up", &written], Some(up), 1, 1..=UP_MAX);
        if let Some(mark) = marks.read(check, "priority_up", &written) {
            priority_up.insert(mark, up as u8);
        }
    }
    priority_up
}

fn skills(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, Vec<String>>,
    marks: Marks,
) -> BTreeMap<String, Vec<String>> {
    let mut skills = BTreeMap::new();
    for (written, names) in raw {
        let fits = |name: &String| {
            !name.trim().is_empty()
                && name.chars().all(|c| c.is_alphanumeric() || "_- ".contains(c))
        };
        if names.is_empty() || !names.iter().all(fits) {
            check.problem(
                &[TABLE, "skills", &written],
                "names no skills. Write them as queues.md does, such as [\"tickets\"]",
            );
        }
        if let Some(mark) = marks.read(check, "skills", &written) {
            skills.insert(mark, names);
        }
    }
    skills
}

pub(super) fn recording(
    check: &mut Checker<'_>,
    raw: raw::RawRecording,
    server: &ServerConfig,
    places: &Places<'_>,
) -> RecordingConfig {
    let consent = match raw.consent.as_deref() {
        None | Some("announced") => ConsentConfig::Announced,
        Some("asked") => ConsentConfig::Asked,
        Some("off") => ConsentConfig::Off,
        Some(other) => {
            let hint = did_you_mean(other, ["announced", "asked", "off"])
                .unwrap_or_else(|| "Write \"announced\", \"asked\" or \"off\"".to_owned());
            let message = format!("\"{other}\" is no way to get it. {hint}");
            check.problem(&["recording", "consent"], message);
            // Until it is put right nobody is recorded unasked.
            ConsentConfig::Asked
        }
    };
    RecordingConfig {
        enabled: raw.enabled.unwrap_or(true),
        dir: raw.dir.map_or_else(|| server.data_dir.join("recordings"), |dir| places.resolve(&dir)),
        consent,
    }
}
