//! `[sip]`: where to listen, and as whom.

use std::net::{IpAddr, SocketAddr};

use super::checked::{CertificateConfig, DigestAlgorithm, ListenAddress, SipConfig, Transport};
use super::raw;
use super::suggest::did_you_mean;
use super::trunks::TrunkConfig;
use super::validate::{Checker, Places};

/// Where DNS servers are asked (RFC 1035 4.2).
const DNS_PORT: u16 = 53;

pub(super) fn sip(
    check: &mut Checker<'_>,
    raw: raw::RawSip,
    trunks: &[TrunkConfig],
    places: &Places<'_>,
) -> SipConfig {
    let listen = listen(check, raw.listen);
    let accept_unknown = accept_unknown(check, raw.accept_unknown, &listen, trunks);
    let advertise_ip = advertise_ip(check, raw.advertise_ip);
    let certificate = match (raw.tls_certificate, raw.tls_key) {
        (Some(certificate), Some(key)) => Some(CertificateConfig {
            certificate: places.resolve(&certificate),
            key: places.resolve(&key),
        }),
        (Some(_), None) => {
            check.problem(&["sip", "tls_key"], "is missing while tls_certificate is given");
            None
        }
        (None, Some(_)) => {
            check.problem(&["sip", "tls_certificate"], "is missing while tls_key is given");
            None
        }
        (None, None) => {
            if let Some(entry) = listen.iter().find(|entry| entry.transport.is_encrypted()) {
                check.problem(
                    &["sip", "tls_certificate"],
                    format!(
                        "is missing, and \"{entry}\" is listened on. Give tls_certificate and \
                         tls_key, two PEM files"
                    ),
                );
            }
            None
        }
    };
    let (session_expires_s, session_min_s) =
        session(check, raw.session_expires_s, raw.session_min_s);
    SipConfig {
        listen,
        advertise_ip,
        incoming_queue_len_max: check.number(
            &["sip", "incoming_queue_len_max"],
            raw.incoming_queue_len_max,
            32,
            1..=4096,
        ) as usize,
        session_expires_s,
        session_min_s,
        certificate,
        tls_ca: raw.tls_ca.map(|path| places.resolve(&path)),
        dns_server: dns_server(check, raw.dns_server),
        digest: digest(check, raw.digest),
        accept_unknown,
        calls_per_s_max: limit(check, &["sip", "calls_per_s_max"], raw.calls_per_s_max),
        calls_per_source_max: limit(
            check,
            &["sip", "calls_per_source_max"],
            raw.calls_per_source_max,
        )
        .map(|limit| limit as usize),
        ban_after_refusals: check.number(
            &["sip", "ban_after_refusals"],
            raw.ban_after_refusals,
            30,
            0..=100_000,
        ),
        ban_s: check.number(&["sip", "ban_s"], raw.ban_s, 600, 1..=86_400).into(),
        trace: raw.trace.unwrap_or(true),
    }
}

/// Session timers; RFC 4028 4 allows nothing below 90 s.
fn session(check: &mut Checker<'_>, expires_s: Option<i64>, min_s: Option<i64>) -> (u32, u32) {
    let expires_path = ["sip", "session_expires_s"];
    let expires_s = check.number(&expires_path, expires_s, 1800, 90..=86_400);
    let min_s = check.number(&["sip", "session_min_s"], min_s, 90, 90..=86_400);
    if expires_s < min_s {
        check.problem(
            &expires_path,
            format!(
                "{expires_s} is less than session_min_s ({min_s}). Raise it, or lower the other"
            ),
        );
    }
    (expires_s, min_s)
}

/// Both hashes, the better one first, where nothing is said.
fn digest(check: &mut Checker<'_>, words: Option<Vec<String>>) -> Vec<DigestAlgorithm> {
    let path = ["sip", "digest"];
    let Some(words) = words else { return DigestAlgorithm::ALL.to_vec() };
    let mut known = Vec::new();
    for word in &words {
        match DigestAlgorithm::from_name(word) {
            Some(algorithm) if known.contains(&algorithm) => {
                check.problem(&path, format!("\"{word}\" stands there twice"));
            }
            Some(algorithm) => known.push(algorithm),
            None => {
                check.problem(&path, format!("\"{word}\" is no hash: use SHA-256 or MD5"));
            }
        }
    }
    if words.is_empty() {
        check.problem(&path, "is empty. Remove the line for SHA-256 and MD5");
    }
    known
}

/// A limit that is none when it is left out.
pub(super) fn limit(check: &mut Checker<'_>, path: &[&str], value: Option<i64>) -> Option<u32> {
    value.is_some().then(|| check.number(path, value, 1, 1..=100_000))
}

/// Whoever can reach the machine only from itself is welcome; for others the answer has to be
/// given.
fn accept_unknown(
    check: &mut Checker<'_>,
    written: Option<bool>,
    listen: &[ListenAddress],
    trunks: &[TrunkConfig],
) -> bool {
    let outside = listen.iter().find(|entry| !entry.address.ip().is_loopback());
    // A telephone shows its password only when it is asked for it.
    let by_password = trunks.iter().any(|trunk| trunk.from.is_empty() && trunk.login.is_some());
    match (written, outside) {
        (Some(true), _) if by_password => {
            check.problem(
                &["sip", "accept_unknown"],
                "cannot be true while a trunk is known by its password only: nobody would be asked \
                 for it. Remove it, or give that trunk `from`",
            );
            true
        }
        (Some(written), _) => written,
        (None, None) => !by_password,
        (None, Some(entry)) => {
            if trunks.is_empty() {
                check.problem(
                    &["sip", "accept_unknown"],
                    format!(
                        "is missing. \"{entry}\" can be reached by others, and no trunk says who \
                         may call. Name your PBX, [trunks.pbx] with from = [\"192.0.2.10\"], or \
                         write accept_unknown = true to take calls from everybody"
                    ),
                );
            }
            false
        }
    }
}

fn listen(check: &mut Checker<'_>, written: Option<Vec<String>>) -> Vec<ListenAddress> {
    let path = ["sip", "listen"];
    let written =
        written.unwrap_or_else(|| vec!["udp:127.0.0.1:5060".into(), "tcp:127.0.0.1:5060".into()]);
    if written.is_empty() {
        check.problem(&path, "is empty. Give at least one address, \"udp:127.0.0.1:5060\"");
    }
    let mut listen: Vec<ListenAddress> = Vec::new();
    for entry in &written {
        match listen_address(entry) {
            Ok(address) if listen.contains(&address) => {
                check.problem(&path, format!("\"{entry}\" is given twice. Remove one"));
            }
            Ok(address) => listen.push(address),
            Err(message) => check.problem(&path, message),
        }
    }
    listen
}

fn listen_address(written: &str) -> Result<ListenAddress, String> {
    let example = "Write it like \"udp:127.0.0.1:5060\"";
    let (transport, address) = written
        .split_once(':')
        .ok_or_else(|| format!("\"{written}\" names no transport. {example}"))?;
    let known = Transport::ALL.map(Transport::name);
    let Some(transport) = Transport::ALL.into_iter().find(|kind| kind.name() == transport) else {
        let hint = did_you_mean(transport, known).unwrap_or_else(|| example.to_owned());
        return Err(format!("\"{transport}\" is not a transport ({}). {hint}", known.join(", ")));
    };
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("\"{address}\" is not an IP address with a port. {example}"))?;
    Ok(ListenAddress { transport, address })
}

/// An IP address, with a port unless it is 53.
fn dns_server(check: &mut Checker<'_>, written: Option<String>) -> Option<SocketAddr> {
    let written = written?;
    let whole = written.parse::<SocketAddr>().ok();
    let server = whole.or_else(|| Some(SocketAddr::new(written.parse::<IpAddr>().ok()?, DNS_PORT)));
    if server.is_none() {
        let message = "is not an IP address. Write it like \"192.0.2.53\" or \"192.0.2.53:5353\"";
        check.problem(&["sip", "dns_server"], format!("\"{written}\" {message}"));
    }
    server
}

fn advertise_ip(check: &mut Checker<'_>, written: Option<String>) -> Option<IpAddr> {
    let path = ["sip", "advertise_ip"];
    let written = written?;
    match written.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            let message = "cannot be called. Give the address that the PBX reaches";
            check.problem(&path, format!("{written} {message}"));
            None
        }
        Ok(address) => Some(address),
        Err(_) => {
            let message = "is not an IP address (no names, no port)";
            check.problem(&path, format!("\"{written}\" {message}"));
            None
        }
    }
}
