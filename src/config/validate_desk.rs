//! `[desk]` and `[callbacks]`. As with `[transfers]`, addresses stand here and nowhere else, at hosts that
//! the operator has declared; and only numbers that the operator lists are called back.

use std::collections::BTreeMap;

use super::actions::ActionConfig;
use super::desk::{CallbacksConfig, DeskConfig, NUMBER_BLANK, is_pattern};
use super::raw;
use super::suggest::did_you_mean;
use super::transfers::TransferRules;
use super::trunks::TrunkConfig;
use super::validate::Checker;
use super::validate_transfers::{check_target, check_trunk};

/// How long it rings where the file does not say: five to six times.
const RING_S: u32 = 25;

/// The longest name that fits on a button of the page.
const NAME_CHARS_MAX: usize = 40;

/// What the sections stand beside.
pub(super) struct Declared<'a> {
    pub trunks: &'a [TrunkConfig],
    pub rules: &'a TransferRules,
    pub actions: &'a BTreeMap<String, ActionConfig>,
    /// Fields of the caller's record.
    pub caller_fields: &'a [&'a str],
}

pub(super) fn desk(
    check: &mut Checker<'_>,
    raw: raw::RawDesk,
    declared: &Declared<'_>,
) -> DeskConfig {
    let usual = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let dispositions =
        raw.dispositions.unwrap_or_else(|| usual(&["solved", "follow-up needed", "passed on"]));
    let away_reasons = raw.away_reasons.unwrap_or_else(|| usual(&["break", "lunch", "meeting"]));
    check_names(check, "dispositions", &dispositions);
    check_names(check, "away_reasons", &away_reasons);
    if let Some(action) = &raw.wrap_up_action {
        check_wrap_up(check, action, declared.actions);
    }
    if let Some(trunk) = &raw.trunk {
        check_trunk(check, &["desk", "trunk"], trunk, declared.trunks);
    }
    for (table, addresses) in [("numbers", &raw.numbers), ("phones", &raw.phones)] {
        for (name, to) in addresses {
            check_target(check, &["desk", table, name], to, declared.trunks, declared.rules);
        }
    }
    for name in raw.numbers.keys().filter(|name| !is_name(name)) {
        check.problem(&["desk", "numbers", name], too_long(name));
    }
    DeskConfig {
        dispositions,
        away_reasons,
        wrap_up_action: raw.wrap_up_action,
        whisper: raw.whisper.unwrap_or(false),
        record: raw.record.unwrap_or(false),
        trunk: raw.trunk,
        ring_s: check.number(&["desk", "ring_s"], raw.ring_s, RING_S, 5..=120).into(),
        numbers: raw.numbers,
        phones: raw.phones,
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= NAME_CHARS_MAX
}

fn too_long(name: &str) -> String {
    format!("\"{name}\" is no name for a button. Write 1 to {NAME_CHARS_MAX} characters")
}

fn check_names(check: &mut Checker<'_>, key: &str, names: &[String]) {
    let path = ["desk", key];
    if names.is_empty() {
        check.problem(&path, "is empty. Name at least one, or remove the line for the usual ones");
    }
    for (nth, name) in names.iter().enumerate() {
        if !is_name(name) {
            check.problem(&path, too_long(name));
        } else if names[..nth].contains(name) {
            check.problem(&path, format!("\"{name}\" stands there twice"));
        }
    }
}

fn check_wrap_up(check: &mut Checker<'_>, name: &str, actions: &BTreeMap<String, ActionConfig>) {
    let path = ["desk", "wrap_up_action"];
    let Some(action) = actions.get(name) else {
        let hint = did_you_mean(name, actions.keys().map(String::as_str)).unwrap_or_default();
        let message = format!("there is no [actions.\"{name}\"]. {hint}");
        return check.problem(&path, message.trim_end());
    };
    let known = DeskConfig::WRAP_UP_INPUTS;
    for input in action.inputs.iter().filter(|input| !known.contains(&input.as_str())) {
        let message = format!(
            "\"{name}\" takes \"{input}\", which is not known after a call. Its inputs may be {}",
            known.join(", ")
        );
        check.problem(&path, message);
    }
}

/// None without the section.
pub(super) fn callbacks(
    check: &mut Checker<'_>,
    raw: Option<raw::RawCallbacks>,
    declared: &Declared<'_>,
) -> Option<CallbacksConfig> {
    let raw = raw?;
    let to = raw.to.unwrap_or_default();
    check_callback_target(check, &to, declared);
    let allowed = raw.allowed.unwrap_or_default();
    let at = ["callbacks", "allowed"];
    if allowed.is_empty() {
        check.problem(
            &at,
            "is missing. Say which numbers may be called, as your telephone system writes them: \
             allowed = [\"+44*\", \"0*\"]",
        );
    }
    for pattern in allowed.iter().filter(|pattern| !is_pattern(pattern)) {
        let message = format!(
            "\"{pattern}\" means no numbers. Write digits, with + before them if your telephone \
             system does, and * at the end for all numbers that begin so; \"*\" alone would let \
             callers have any number called"
        );
        check.problem(&at, message);
    }
    if let Some(trunk) = &raw.trunk {
        check_trunk(check, &["callbacks", "trunk"], trunk, declared.trunks);
    }
    if let Some(field) = &raw.crm_field
        && !declared.caller_fields.contains(&field.as_str())
    {
        let known = declared.caller_fields.iter().copied();
        let hint = did_you_mean(field, known).unwrap_or_else(|| {
            "Name an output of the action of [caller_lookup], or remove the line".to_owned()
        });
        let message = format!("the caller's record has no \"{field}\". {hint}");
        check.problem(&["callbacks", "crm_field"], message);
    }
    let mut number =
        |key: &str, value, default, range| check.number(&["callbacks", key], value, default, range);
    let attempts_max = number("attempts_max", raw.attempts_max, 3, 1..=20);
    let retry_after_minutes = number("retry_after_minutes", raw.retry_after_minutes, 10, 1..=1440);
    let ring_s = number("ring_s", raw.ring_s, RING_S, 5..=120);
    Some(CallbacksConfig {
        to,
        allowed,
        attempts_max,
        retry_after_minutes: retry_after_minutes.into(),
        trunk: raw.trunk,
        crm_field: raw.crm_field,
        ring_s: ring_s.into(),
    })
}

fn check_callback_target(check: &mut Checker<'_>, to: &str, declared: &Declared<'_>) {
    let at = ["callbacks", "to"];
    let in_user = to.split_once('@').is_some_and(|(user, _)| user.contains(NUMBER_BLANK));
    if !in_user || to.matches(NUMBER_BLANK).count() != 1 {
        let message = "has to have {number} once, before the @: it stands for the customer's. Write \
                       to = \"sip:{number}@pbx.example\"";
        return check.problem(&at, message);
    }
    let filled = to.replace(NUMBER_BLANK, "0");
    check_target(check, &at, &filled, declared.trunks, declared.rules);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    const BASE: &str = "[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n\
        [trunks.pbx]\nfrom = [\"192.0.2.0/24\"]\n[caller_lookup]\naction = \"crm.caller\"\n\
        [actions.\"crm.caller\"]\nkind = \"demo_crm\"\ninputs = [\"phone\"]\n\
        outputs = [\"first_name\", \"account_number\"]\nchanges_state = false\n\
        [actions.\"crm.verify_pin\"]\nkind = \"demo_crm\"\ninputs = [\"account_number\", \"pin\"]\n\
        changes_state = false\n";

    fn parse(lines: &str) -> Result<Config, String> {
        let text = format!("{BASE}{lines}\n");
        Config::parse(Path::new("/f.toml"), &text, |_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_filled_in_and_nobody_is_called_back() {
        let config = parse("").expect("valid");
        assert!(config.callbacks.is_none());
        assert!(config.desk.dispositions.contains(&"solved".to_owned()));
        assert!(!config.desk.away_reasons.is_empty() && !config.desk.whisper);
        assert!(!config.desk.record && !config.desk.placed("sip:200@192.0.2.7").record);
        assert!(!config.desk.may_place_calls());
        let lines = "[callbacks]\nto = \"sip:{number}@192.0.2.7\"\nallowed = [\"+44*\"]";
        let callbacks = parse(lines).expect("valid").callbacks.expect("callbacks");
        assert_eq!((callbacks.attempts_max, callbacks.retry_after_minutes), (3, 10));
    }

    #[test]
    fn lines_that_do_not_fit_name_the_key_and_the_fix() {
        let callbacks = |lines: &str| {
            format!("[callbacks]\nto = \"sip:{{number}}@192.0.2.7\"\nallowed = [\"0*\"]\n{lines}")
        };
        for (lines, expected) in [
            ("[desk]\ndispositions = []".to_owned(), "desk.dispositions: is empty"),
            ("[desk]\naway_reasons = [\"a\", \"a\"]".to_owned(), "stands there twice"),
            ("[desk]\nwrap_up_action = \"crm.note\"".to_owned(), "no [actions.\"crm.note\"]"),
            ("[desk]\nwrap_up_action = \"crm.verify_pin\"".to_owned(), "takes \"pin\""),
            ("[desk]\ntrunk = \"pbxx\"".to_owned(), "Did you mean `pbx`?"),
            ("[desk.numbers]\nlab = \"sip:1@evil.example\"".to_owned(), "desk.numbers.lab: evil"),
            (
                "[desk.phones]\nann = \"tel:1\"".to_owned(),
                "desk.phones.ann: \"tel:1\" is no address",
            ),
            ("[desk]\nwhispers = true".to_owned(), "whispers"),
            ("[callbacks]\nallowed = [\"0*\"]".to_owned(), "callbacks.to: has to have {number}"),
            ("[callbacks]\nto = \"sip:0@{number}\"\nallowed = [\"0*\"]".to_owned(), "before the @"),
            (
                "[callbacks]\nto = \"sip:{number}@evil.example\"\nallowed = [\"0*\"]".to_owned(),
                "[transfer_rules]",
            ),
            (
                "[callbacks]\nto = \"sip:{number}@192.0.2.7\"".to_owned(),
                "callbacks.allowed: is missing",
            ),
            (
                "[callbacks]\nto = \"sip:{number}@192.0.2.7\"\nallowed = [\"*\"]".to_owned(),
                "\"*\" means no numbers",
            ),
            (callbacks("attempts_max = 0"), "0 is not between 1 and 20"),
            (callbacks("crm_field = \"mobile\""), "the caller's record has no \"mobile\""),
            (callbacks("trunk = \"pbxx\""), "callbacks.trunk: there is no [trunks.pbxx]"),
        ] {
            let error = parse(&lines).expect_err(&lines);
            assert!(error.contains(expected), "{expected}\nnot in\n{error}");
        }
    }
}
