//! `[web]` and `[records]`.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::checked::CertificateConfig;
use super::raw;
use super::suggest::did_you_mean;
use super::validate::{Checker, Places};
use super::validate_trunks::network;
use super::web::{CallTokens, RecordsConfig, WebConfig};

/// A hundred years.
const DAYS_MAX: u32 = 36_500;

/// Off unless an address is given; beyond this machine nothing goes in the clear by accident.
pub(super) fn web(
    check: &mut Checker<'_>,
    raw: raw::RawWeb,
    places: &Places<'_>,
) -> Option<WebConfig> {
    let listen_path = ["web", "listen"];
    if raw == raw::RawWeb::default() {
        return None;
    }
    let Some(written) = raw.listen else {
        let message = "is missing while other keys are given. Write listen = \"127.0.0.1:9090\"";
        check.problem(&listen_path, message);
        return None;
    };
    let Ok(listen) = written.parse::<SocketAddr>() else {
        let message = format!(
            "\"{written}\" is not an IP address with a port. Write it like \"127.0.0.1:9090\""
        );
        check.problem(&listen_path, message);
        return None;
    };
    let certificate = certificate(check, raw.certificate, raw.key, places);
    check_plain(check, listen, certificate.as_ref(), raw.plain);
    let public_url = public_url(check, raw.public_url);
    let calls = check.number(
        &["web", "calls_per_minute_per_source"],
        raw.calls_per_minute_per_source,
        6,
        1..=10_000,
    );
    Some(WebConfig {
        listen,
        certificate,
        public_url,
        call_tokens: call_tokens(check, raw.call_tokens.as_deref()),
        calls_per_minute_per_source: calls,
        trusted_proxies: proxies(check, raw.trusted_proxies),
    })
}

fn certificate(
    check: &mut Checker<'_>,
    certificate: Option<String>,
    key: Option<String>,
    places: &Places<'_>,
) -> Option<CertificateConfig> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(CertificateConfig {
            certificate: places.resolve(&certificate),
            key: places.resolve(&key),
        }),
        (Some(_), None) => {
            check.problem(&["web", "key"], "is missing while certificate is given");
            None
        }
        (None, Some(_)) => {
            check.problem(&["web", "certificate"], "is missing while key is given");
            None
        }
        (None, None) => None,
    }
}

/// Passwords and what callers say go over this: who wants it in the clear has to say so.
fn check_plain(
    check: &mut Checker<'_>,
    listen: SocketAddr,
    certificate: Option<&CertificateConfig>,
    plain: Option<bool>,
) {
    let plain = plain.unwrap_or(false);
    if plain && certificate.is_some() {
        let message = "is true while a certificate is given. Remove one of the two";
        check.problem(&["web", "plain"], message);
    }
    if !plain && certificate.is_none() && !listen.ip().is_loopback() {
        check.problem(
            &["web", "certificate"],
            format!(
                "is missing, and {listen} can be reached by others. Give certificate and key, two \
                 PEM files; or write plain = true if a proxy in front speaks TLS; or listen on \
                 127.0.0.1:{}",
                listen.port()
            ),
        );
    }
}

fn public_url(check: &mut Checker<'_>, written: Option<String>) -> Option<String> {
    let written = written?;
    let path = ["web", "public_url"];
    let rest = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host)
            if !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)) =>
        {
            Some(written.trim_end_matches('/').to_owned())
        }
        _ => {
            let message = format!(
                "\"{written}\" is not where a browser finds the pages. Write it like \
                 \"https://calls.example.com\", without a path"
            );
            check.problem(&path, message);
            None
        }
    }
}

fn call_tokens(check: &mut Checker<'_>, word: Option<&str>) -> CallTokens {
    match word {
        None | Some("none") => CallTokens::None,
        Some("required") => CallTokens::Required,
        Some(other) => {
            let hint = did_you_mean(other, ["none", "required"])
                .unwrap_or_else(|| "Write \"none\" or \"required\"".to_owned());
            check.problem(&["web", "call_tokens"], format!("\"{other}\" is neither. {hint}"));
            CallTokens::Required
        }
    }
}

fn proxies(check: &mut Checker<'_>, written: Option<Vec<String>>) -> Vec<IpNet> {
    let mut proxies = Vec::new();
    for entry in written.unwrap_or_default() {
        match network(&entry) {
            Ok(network) => proxies.push(network),
            Err(message) => check.problem(&["web", "trusted_proxies"], message),
        }
    }
    proxies
}

pub(super) fn records(check: &mut Checker<'_>, raw: &raw::RawRecords) -> RecordsConfig {
    let mut days = |key: &str, days: Option<i64>| {
        days.map(|days| check.number(&["records", key], Some(days), 1, 1..=DAYS_MAX))
    };
    let retention_days = days("retention_days", raw.retention_days);
    let recording_retention_days = days("recording_retention_days", raw.recording_retention_days);
    let audit_retention_days = days("audit_retention_days", raw.audit_retention_days);
    if let (Some(calls), Some(recordings)) = (retention_days, recording_retention_days)
        && recordings > calls
    {
        check.problem(
            &["records", "recording_retention_days"],
            format!("recordings go with their calls, after {calls} days. Write at most that"),
        );
    }
    RecordsConfig { retention_days, recording_retention_days, audit_retention_days }
}
