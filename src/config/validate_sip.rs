//! `[sip]`: where to listen, and as whom.

use std::net::{IpAddr, SocketAddr};

use super::checked::{CertificateConfig, ListenAddress, SipConfig, Transport};
use super::raw;
use super::suggest::did_you_mean;
use super::validate::{Checker, Places};

pub(super) fn sip(check: &mut Checker<'_>, raw: raw::RawSip, places: &Places<'_>) -> SipConfig {
    let listen = listen(check, raw.listen);
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
    SipConfig {
        listen,
        advertise_ip,
        incoming_queue_len_max: check.number(
            &["sip", "incoming_queue_len_max"],
            raw.incoming_queue_len_max,
            32,
            1..=4096,
        ) as usize,
        certificate,
        tls_ca: raw.tls_ca.map(|path| places.resolve(&path)),
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
