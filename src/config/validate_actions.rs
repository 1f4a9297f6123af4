//! Actions and verifications: which keys a kind takes, and names that must exist.

use std::collections::BTreeMap;

use super::actions::{
    ActionConfig, ConnectorConfig, HttpActionConfig, HttpMethod, JsonTemplate, TextPart,
    TextTemplate,
};
use super::checked::VerificationConfig;
use super::raw::{RawAction, RawOutputs, RawVerification};
use super::suggest::did_you_mean;
use super::validate::{Checker, Places};
use super::validate_sql;

const KINDS: [&str; 3] = ["demo_crm", "http", "sql"];
const METHODS: [HttpMethod; 5] =
    [HttpMethod::Get, HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch, HttpMethod::Delete];
/// Further tries of a request that may be repeated.
const RETRIES_DEFAULT: u32 = 2;
/// How long a caller waits for an action, if the file does not say.
const TIMEOUT_MS_DEFAULT: u32 = 3000;
const TIMEOUT_MS_MAX: u32 = 60_000;
/// The same for a list to check a name against, which the call can do without.
const LIST_TIMEOUT_MS_DEFAULT: u32 = 1000;
const LIST_TIMEOUT_MS_MAX: u32 = 3000;

pub(super) fn actions(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, RawAction>,
    places: &Places<'_>,
) -> BTreeMap<String, ActionConfig> {
    let actions: BTreeMap<String, ActionConfig> = raw
        .into_iter()
        .filter_map(|(name, raw)| action(check, &name, raw, places).map(|action| (name, action)))
        .collect();
    validate_sql::one_seed_per_database(check, &actions);
    actions
}

fn action(
    check: &mut Checker<'_>,
    name: &str,
    raw: RawAction,
    places: &Places<'_>,
) -> Option<ActionConfig> {
    let here = ["actions", name];
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    if name.is_empty() || !name.chars().all(fits) || name.split('.').any(str::is_empty) {
        check.problem(&here, "is not a good name. Use lower case, `_` and dots: \"crm.balance\"");
    }
    duplicates(check, &["actions", name, "inputs"], &raw.inputs);
    let (default_ms, max_ms) = match raw.list {
        Some(_) => (LIST_TIMEOUT_MS_DEFAULT, LIST_TIMEOUT_MS_MAX),
        None => (TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX),
    };
    let timeout_path = ["actions", name, "timeout_ms"];
    let timeout_ms = check.number(&timeout_path, raw.timeout_ms, default_ms, 50..=max_ms).into();
    let (inputs, list) = (raw.inputs.clone(), raw.list.clone());
    if let Some(kind) = raw.kind.as_deref().filter(|kind| KINDS.contains(kind)) {
        foreign_keys(check, name, kind, &raw);
    }
    let (connector, changes_state) = match raw.kind.as_deref() {
        Some("demo_crm") => demo_crm(check, name, raw),
        Some("http") => http(check, name, raw)?,
        Some("sql") => validate_sql::sql(check, name, raw, places)?,
        Some(kind) => {
            let hint =
                did_you_mean(kind, KINDS).unwrap_or_else(|| format!("Kinds: {}", KINDS.join(", ")));
            check.problem(
                &["actions", name, "kind"],
                format!("there is no kind \"{kind}\". {hint}"),
            );
            return None;
        }
        None => {
            check.problem(&here, format!("has no kind. Add kind = one of {}", KINDS.join(", ")));
            return None;
        }
    };
    let name = name.to_owned();
    let action = ActionConfig { name, inputs, changes_state, timeout_ms, list, connector };
    list_alone(check, &action);
    Some(action)
}

/// A list is looked up, and nothing else is.
fn list_alone(check: &mut Checker<'_>, action: &ActionConfig) {
    let Some(list) = &action.list else { return };
    let path = ["actions", action.name.as_str(), "list"];
    if !action.output_names().is_empty() {
        check.problem(&path, "stands beside outputs. Remove one of the two");
    }
    if action.changes_state {
        check.problem(&path, "belongs to an action that changes something. It may only look up");
    }
    match &action.connector {
        // An empty pointer is the whole answer.
        ConnectorConfig::Http(_) if !list.is_empty() && !list.starts_with('/') => check.problem(
            &path,
            format!(
                "\"{list}\" is not a JSON pointer. It begins with a slash, \"/customers\", or is \
                 empty if the whole answer is the list"
            ),
        ),
        ConnectorConfig::Http(_) => {}
        ConnectorConfig::DemoCrm { .. } | ConnectorConfig::Sql(_) if list.trim().is_empty() => {
            check.problem(&path, "names nothing. Write the column, \"last_name\"");
        }
        ConnectorConfig::DemoCrm { .. } | ConnectorConfig::Sql(_) => {}
    }
}

/// Keys that another kind takes.
fn foreign_keys(check: &mut Checker<'_>, name: &str, kind: &str, raw: &RawAction) {
    let keys: [(&str, bool, &[&str]); 12] = [
        ("method", raw.method.is_some(), &["http"]),
        ("url", raw.url.is_some(), &["http"]),
        ("idempotent", raw.idempotent.is_some(), &["http"]),
        ("retries", raw.retries.is_some(), &["http"]),
        ("bearer_env", raw.bearer_env.is_some(), &["http"]),
        ("headers", raw.headers.is_some(), &["http"]),
        ("body", raw.body.is_some(), &["http"]),
        ("failures", raw.failures.is_some(), &["http", "sql"]),
        ("database", raw.database.is_some(), &["sql"]),
        ("seed", raw.seed.is_some(), &["sql"]),
        ("statements", raw.statements.is_some(), &["sql"]),
        ("refuse", raw.refuse.is_some(), &["sql"]),
    ];
    for (key, given, kinds) in keys {
        if given && !kinds.contains(&kind) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
            check.problem(
                &["actions", name, key],
                format!(
                    "belongs to kind = {}. Remove it, or change the kind",
                    kinds.join(" or kind = ")
                ),
            );
        }
    }
}

fn duplicates(check: &mut Checker<'_>, path: &[&str], names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            check.problem(path, format!("\"{name}\" is given twice. Remove one"));
        }
    }
}

fn demo_crm(check: &mut Checker<'_>, name: &str, raw: RawAction) -> (ConnectorConfig, bool) {
    let outputs = match raw.outputs {
        None => Vec::new(),
        Some(RawOutputs::Names(names)) => names,
        Some(RawOutputs::Pointers(_)) => {
            check.problem(
                &["actions", name, "outputs"],
                "is a table. The demo CRM takes a list of names, outputs = [\"balance\"]",
            );
            Vec::new()
        }
    };
    duplicates(check, &["actions", name, "outputs"], &outputs);
    if raw.changes_state.is_none() {
        check.problem(
            &["actions", name],
            "does not say whether it changes anything. Add changes_state = true or false",
        );
    }
    (ConnectorConfig::DemoCrm { outputs }, raw.changes_state.unwrap_or(true))
}

fn http(check: &mut Checker<'_>, name: &str, raw: RawAction) -> Option<(ConnectorConfig, bool)> {
    let method = method(check, name, raw.method.as_deref());
    let repeatable = method == HttpMethod::Get || raw.idempotent == Some(true);
    let retries_path = ["actions", name, "retries"];
    let default = if repeatable { RETRIES_DEFAULT } else { 0 };
    let retries = check.number(&retries_path, raw.retries, default, 0..=5);
    if retries > 0 && !repeatable {
        check.problem(
            &retries_path,
            format!(
                "a {} may be done twice when it is repeated. Set idempotent = true if the other \
                 side honours the Idempotency-Key header, or retries = 0",
                method.as_str()
            ),
        );
    }
    if raw.body.is_some() && method == HttpMethod::Get {
        check.problem(&["actions", name, "body"], "a GET has no body. Use POST, or the URL");
    }
    let url = url(check, name, raw.url.as_deref());
    let headers = headers(check, name, raw.headers.unwrap_or_default());
    let body = raw.body.and_then(|table| match json_template(&toml::Value::Table(table)) {
        Ok(template) => Some(template),
        Err(message) => {
            check.problem(&["actions", name, "body"], message);
            None
        }
    });
    let url = url?;
    let used = [
        ("url", url.slots().collect::<Vec<_>>()),
        ("headers", headers.values().flat_map(TextTemplate::slots).collect()),
        ("body", body.as_ref().map_or_else(Vec::new, JsonTemplate::slots)),
    ];
    for (key, slots) in used {
        for slot in slots {
            if !raw.inputs.iter().any(|input| input == slot) {
                let hint = did_you_mean(slot, raw.inputs.iter().map(String::as_str))
                    .unwrap_or_else(|| "Add it to inputs".to_owned());
                check.problem(
                    &["actions", name, key],
                    format!("uses {{{slot}}}, which is not among the inputs. {hint}"),
                );
            }
        }
    }
    let http = HttpActionConfig {
        method,
        url,
        retries,
        bearer_env: check.variable_name(&["actions", name, "bearer_env"], raw.bearer_env),
        headers,
        body,
        outputs: pointers(check, name, raw.outputs),
        failures: failures(check, name, raw.failures.unwrap_or_default()),
    };
    let changes_state = raw.changes_state.unwrap_or(method != HttpMethod::Get);
    Some((ConnectorConfig::Http(Box::new(http)), changes_state))
}

fn method(check: &mut Checker<'_>, name: &str, written: Option<&str>) -> HttpMethod {
    let Some(written) = written else { return HttpMethod::Get };
    METHODS.into_iter().find(|method| method.as_str() == written).unwrap_or_else(|| {
        let known = METHODS.map(HttpMethod::as_str);
        let hint = did_you_mean(&written.to_ascii_uppercase(), known)
            .unwrap_or_else(|| format!("Methods: {}", known.join(", ")));
        check.problem(
            &["actions", name, "method"],
            format!("there is no method \"{written}\". {hint}"),
        );
        HttpMethod::Get
    })
}

fn url(check: &mut Checker<'_>, name: &str, written: Option<&str>) -> Option<TextTemplate> {
    let path = ["actions", name, "url"];
    let Some(written) = written else {
        check.problem(&["actions", name], "has no url. Add url = \"http://...\"");
        return None;
    };
    if let Err(message) = check_url(written) {
        check.problem(&path, message);
        return None;
    }
    match TextTemplate::parse(written) {
        Ok(template) => Some(template),
        Err(message) => {
            check.problem(&path, message);
            None
        }
    }
}

/// Holds for an absolute HTTP URL whose host is fixed and which carries no password.
pub(super) fn check_url(written: &str) -> Result<(), String> {
    let rest = written
        .strip_prefix("http://")
        .or_else(|| written.strip_prefix("https://"))
        .ok_or_else(|| format!("\"{written}\" must begin with http:// or https://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    if authority.is_empty() {
        return Err(format!("\"{written}\" names no host"));
    }
    if authority.contains(['{', '}']) {
        // A caller's words must never choose the machine that is asked.
        return Err("the host cannot have blanks. Use them in the path or the query".to_owned());
    }
    if authority.contains('@') {
        return Err("holds a user or password. Use bearer_env instead".to_owned());
    }
    if written.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("holds a space. Write it as %20".to_owned());
    }
    Ok(())
}

fn headers(
    check: &mut Checker<'_>,
    name: &str,
    written: BTreeMap<String, String>,
) -> BTreeMap<String, TextTemplate> {
    let path = ["actions", name, "headers"];
    let mut headers = BTreeMap::new();
    for (key, value) in written {
        let lower = key.to_ascii_lowercase();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if lower.is_empty() || !lower.bytes().all(fits) {
            check.problem(&path, format!("\"{key}\" is not the name of a header"));
        } else if ["authorization", "cookie", "proxy-authorization"].contains(&lower.as_str()) {
            check.problem(&path, format!("\"{key}\" is a secret. Use bearer_env instead"));
        } else if ["idempotency-key", "content-length", "host"].contains(&lower.as_str()) {
            check.problem(&path, format!("\"{key}\" is set by frontdoor. Remove it"));
        } else if value.chars().any(char::is_control) {
            check.problem(&path, format!("\"{key}\" holds a control character"));
        } else {
            match TextTemplate::parse(&value) {
                Ok(template) => {
                    headers.insert(lower, template);
                }
                Err(message) => check.problem(&path, message),
            }
        }
    }
    headers
}

fn json_template(value: &toml::Value) -> Result<JsonTemplate, String> {
    Ok(match value {
        toml::Value::String(text) => JsonTemplate::Text(TextTemplate::parse(text)?),
        toml::Value::Integer(number) => JsonTemplate::Plain((*number).into()),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(|number| JsonTemplate::Plain(number.into()))
            .ok_or_else(|| format!("{number} cannot be written in JSON"))?,
        toml::Value::Boolean(flag) => JsonTemplate::Plain((*flag).into()),
        toml::Value::Datetime(time) => {
            JsonTemplate::Text(TextTemplate { parts: vec![TextPart::Text(time.to_string())] })
        }
        toml::Value::Array(items) => {
            JsonTemplate::List(items.iter().map(json_template).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => JsonTemplate::Object(
            table
                .iter()
                .map(|(key, value)| Ok((key.clone(), json_template(value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

fn pointers(
    check: &mut Checker<'_>,
    name: &str,
    outputs: Option<RawOutputs>,
) -> BTreeMap<String, String> {
    let path = ["actions", name, "outputs"];
    let pointers = match outputs {
        None => BTreeMap::new(),
        Some(RawOutputs::Pointers(pointers)) => pointers,
        Some(RawOutputs::Names(_)) => {
            check.problem(
                &path,
                "is a list. Say where each output is in the JSON answer, \
                 outputs = { balance = \"/account/balance\" }",
            );
            BTreeMap::new()
        }
    };
    for (output, pointer) in &pointers {
        if !pointer.starts_with('/') {
            check.problem(
                &path,
                format!(
                    "{output}: \"{pointer}\" is not a JSON pointer. It begins with a slash, \
                     \"/account/balance\""
                ),
            );
        }
    }
    pointers
}

fn failures(
    check: &mut Checker<'_>,
    name: &str,
    written: BTreeMap<String, String>,
) -> BTreeMap<u16, String> {
    let path = ["actions", name, "failures"];
    let mut failures = BTreeMap::new();
    for (status, word) in written {
        match status.parse::<u16>() {
            Ok(number) if (400..=599).contains(&number) && !word.trim().is_empty() => {
                failures.insert(number, word.trim().to_owned());
            }
            Ok(number) if (400..=599).contains(&number) => {
                check.problem(&path, format!("{status} has no word. Say \"not found\", ..."));
            }
            _ => check.problem(
                &path,
                format!("\"{status}\" is not an HTTP status of a failure (400 to 599)"),
            ),
        }
    }
    failures
}

/// The action of that name, or a problem at `path` that suggests one.
pub(super) fn declared<'a>(
    check: &mut Checker<'_>,
    path: &[&str],
    name: &str,
    actions: &'a BTreeMap<String, ActionConfig>,
) -> Option<&'a ActionConfig> {
    let found = actions.get(name);
    if found.is_none() {
        let hint = did_you_mean(name, actions.keys().map(String::as_str))
            .unwrap_or_else(|| format!("Declare it as [actions.\"{name}\"]"));
        check.problem(path, format!("there is no action \"{name}\" here. {hint}"));
    }
    found
}

pub(super) fn verifications(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, RawVerification>,
    actions: &BTreeMap<String, ActionConfig>,
) -> BTreeMap<String, VerificationConfig> {
    let mut verifications = BTreeMap::new();
    for (name, raw) in raw {
        let slots_path = ["verifications", name.as_str(), "slots"];
        duplicates(check, &slots_path, &raw.slots);
        if raw.slots.is_empty() {
            check.problem(
                &["verifications", &name],
                "checks nothing. Add slots = [\"account_number\", \"pin\"]",
            );
        }
        let attempts_max =
            check.number(&["verifications", &name, "attempts_max"], raw.attempts_max, 3, 1..=10);
        let Some(action_name) = raw.action else {
            check.problem(
                &["verifications", &name],
                "has no action. Name the one that checks, action = \"crm.verify_pin\"",
            );
            continue;
        };
        if let Some(action) =
            declared(check, &["verifications", &name, "action"], &action_name, actions)
        {
            if action.list.is_some() {
                check.problem(
                    &["verifications", &name, "action"],
                    format!("\"{action_name}\" gives a list and so checks nothing"),
                );
            }
            for slot in raw.slots.iter().filter(|slot| !action.inputs.contains(*slot)) {
                check.problem(
                    &slots_path,
                    format!("\"{slot}\" is not an input of \"{action_name}\""),
                );
            }
            for input in action.inputs.iter().filter(|input| !raw.slots.contains(*input)) {
                check.problem(
                    &slots_path,
                    format!("\"{input}\", an input of \"{action_name}\", is missing"),
                );
            }
        }
        verifications.insert(
            name,
            VerificationConfig { action: action_name, slots: raw.slots, attempts_max },
        );
    }
    verifications
}
