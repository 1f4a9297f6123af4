//! `[trunks.*]` and `[numbers]`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::raw;
use super::routes::normal_form;
use super::suggest::did_you_mean;
use super::trunks::{LoginConfig, NumberConfig, RegisterConfig, TrunkConfig};
use super::validate::{Checker, Places};
use super::validate_sip::limit;

pub(super) fn trunks(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, raw::RawTrunk>,
) -> Vec<TrunkConfig> {
    let mut trunks: Vec<TrunkConfig> = Vec::new();
    for (name, raw) in raw {
        let trunk = trunk(check, &name, raw);
        for network in &trunk.from {
            if let Some(other) = trunks.iter().find(|other| other.from.contains(network)) {
                let message = format!("{network} is trunk {}'s already", other.name);
                check.problem(&["trunks", name.as_str(), "from"], message);
            }
        }
        trunks.push(trunk);
    }
    trunks
}

fn trunk(check: &mut Checker<'_>, name: &str, raw: raw::RawTrunk) -> TrunkConfig {
    let at = ["trunks", name];
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        let message = "is not a good name: lower-case letters, digits, `-` and `_`";
        check.problem(&at, message);
    }
    let mut from = Vec::new();
    for written in raw.from.unwrap_or_default() {
        match network(&written) {
            Ok(network) => from.push(network),
            Err(message) => check.problem(&["trunks", name, "from"], message),
        }
    }
    let login = login(check, &at, raw.username, raw.password_env);
    let register = raw.register.map(|raw| register(check, name, raw));
    if from.is_empty() && login.is_none() && register.is_none() {
        check.problem(
            &at,
            "says neither from where its calls come nor what they must know. Give \
             from = [\"192.0.2.0/24\"], or username and password_env",
        );
    }
    let to = raw.to.filter(|uri| {
        let is_one = is_server(uri);
        if !is_one {
            let message = format!("\"{uri}\" is not the address of a SIP server. {SERVER_HINT}");
            check.problem(&["trunks", name, "to"], message);
        }
        is_one
    });
    TrunkConfig {
        keepalive_s: keepalive(check, name, raw.keepalive_s, to.is_some() || register.is_some()),
        to,
        calls_max: limit(check, &["trunks", name, "calls_max"], raw.calls_max)
            .map(|limit| limit as usize),
        calls_per_s_max: limit(check, &["trunks", name, "calls_per_s_max"], raw.calls_per_s_max),
        name: name.to_owned(),
        from,
        login,
        register,
    }
}

const SERVER_HINT: &str =
    "Write it like \"sip:pbx.example.com:5060;transport=tcp\", without a user";

/// Whether it is a `sip:` or `sips:` URI without a user.
fn is_server(uri: &str) -> bool {
    let host = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['@', ' ', '<', '>', '"']))
}

/// Asked for by default wherever there is somebody to ask.
fn keepalive(check: &mut Checker<'_>, name: &str, written: Option<i64>, has_address: bool) -> u32 {
    let path = ["trunks", name, "keepalive_s"];
    let keepalive_s = check.number(&path, written, if has_address { 30 } else { 0 }, 0..=3600);
    if (1..5).contains(&keepalive_s) {
        let message = "is less than 5. Give 5 or more, or 0 to ask never";
        check.problem(&path, format!("{keepalive_s} {message}"));
    }
    if keepalive_s > 0 && !has_address {
        let message = "has nobody to ask: the trunk has no address. Give to = \
                       \"sip:pbx.example.com\", or remove it";
        check.problem(&path, message);
    }
    keepalive_s
}

/// `192.0.2.0/24`, or one address.
pub(super) fn network(written: &str) -> Result<IpNet, String> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = written.parse().map_err(|_| {
        format!("\"{written}\" is no IP address or network (like 192.0.2.0/24; no names)")
    })?;
    match network.trunc() {
        whole if whole == network => Ok(network),
        whole => {
            Err(format!("\"{written}\" is an address within a network; did you mean {whole}?"))
        }
    }
}

fn login(
    check: &mut Checker<'_>,
    at: &[&str],
    username: Option<String>,
    password_env: Option<String>,
) -> Option<LoginConfig> {
    let key = |name| [at, &[name][..]].concat();
    let password_env = check.variable_name(&key("password_env"), password_env);
    match (username, password_env) {
        (Some(username), Some(_)) if username.contains(['"', '\\']) || username.is_empty() => {
            check.problem(&key("username"), "is empty, or has a quote or backslash in it");
            None
        }
        (Some(username), Some(password_env)) => Some(LoginConfig { username, password_env }),
        (Some(_), None) => {
            let message = "is missing. Name the environment variable that holds the password, \
                           password_env = \"FRONTDOOR_TRUNK_PASSWORD\"";
            check.problem(&key("password_env"), message);
            None
        }
        (None, Some(_)) => {
            check.problem(&key("username"), "is missing while password_env is given");
            None
        }
        (None, None) => None,
    }
}

fn register(check: &mut Checker<'_>, name: &str, raw: raw::RawRegister) -> RegisterConfig {
    let at = ["trunks", name, "register"];
    let key = |last| ["trunks", name, "register", last];
    let registrars = raw.registrars.unwrap_or_default();
    if registrars.is_empty() {
        let message = "is missing. Give the registrar, registrars = [\"sip:pbx.example.com\"]; a \
                       second one is used when the first does not answer";
        check.problem(&key("registrars"), message);
    }
    for registrar in &registrars {
        if !is_server(registrar) {
            let message =
                format!("\"{registrar}\" is not the address of a registrar. {SERVER_HINT}");
            check.problem(&key("registrars"), message);
        }
    }
    let username = raw.username.unwrap_or_default();
    if username.is_empty() {
        check.problem(&key("username"), "is missing. Give the extension to register");
    }
    let shown = raw.auth_username.unwrap_or_else(|| username.clone());
    let login = match raw.password_env {
        None => {
            let message = "is missing. Name the environment variable that holds the password";
            check.problem(&key("password_env"), message);
            None
        }
        password_env => login(check, &at, Some(shown), password_env),
    };
    RegisterConfig {
        registrars,
        username,
        login: login
            .unwrap_or(LoginConfig { username: String::new(), password_env: String::new() }),
        expires_s: check.number(&key("expires_s"), raw.expires_s, 600, 60..=86_400),
    }
}

pub(super) fn numbers(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, raw::RawNumber>,
    trunks: &[TrunkConfig],
    profile: &std::path::Path,
    places: &Places<'_>,
) -> Vec<NumberConfig> {
    let mut numbers: Vec<NumberConfig> = Vec::new();
    for (written, raw) in raw {
        let at = ["numbers", written.as_str()];
        let pattern = normal_form(&written);
        let beginning = pattern.strip_suffix('*').unwrap_or(&pattern);
        if beginning.contains('*') {
            check.problem(&at, "a star stands at the end, for all numbers that begin like it");
        }
        if pattern.is_empty() {
            check.problem(&at, "is no number. Write it like \"+442071234567\" or \"*\"");
        }
        if numbers.iter().any(|other| other.pattern == pattern) {
            check.problem(&at, "is the same number as another line. Remove one");
        }
        if let Some(trunk) = &raw.trunk
            && !trunks.iter().any(|known| known.name == *trunk)
        {
            let known = trunks.iter().map(|trunk| trunk.name.as_str());
            let hint = did_you_mean(trunk, known).unwrap_or_default();
            let message = format!("there is no [trunks.{trunk}]. {hint}");
            check.problem(&["numbers", written.as_str(), "trunk"], message.trim_end());
        }
        numbers.push(NumberConfig {
            pattern,
            profile: raw.profile.map_or_else(|| profile.to_owned(), |path| places.resolve(&path)),
            trunk: raw.trunk,
        });
    }
    numbers
}
