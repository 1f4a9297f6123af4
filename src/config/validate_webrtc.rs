//! `[webrtc]`: where browsers send their audio.

use std::net::IpAddr;

use super::raw;
use super::validate::Checker;
use super::webrtc::{TurnConfig, WebRtcConfig};

pub(super) fn webrtc(
    check: &mut Checker<'_>,
    raw: raw::RawWebRtc,
    calls_max: usize,
) -> WebRtcConfig {
    let listen = match raw.listen {
        None => vec![IpAddr::from([127, 0, 0, 1])],
        Some(raw::OneOrMany::One(written)) => addresses(check, &[written]),
        Some(raw::OneOrMany::Many(written)) => addresses(check, &written),
    };
    let (udp_port_min, udp_port_max) = ports(check, raw.udp_port_min, raw.udp_port_max, calls_max);
    let path = ["webrtc", "connect_timeout_s"];
    WebRtcConfig {
        listen,
        udp_port_min,
        udp_port_max,
        advertise_ip: advertise_ip(check, raw.advertise_ip),
        stun: stun(check, raw.stun.unwrap_or_default()),
        turn: raw.turn.unwrap_or_default().into_iter().filter_map(|one| turn(check, one)).collect(),
        connect_timeout_s: check.number(&path, raw.connect_timeout_s, 15, 3..=120).into(),
    }
}

fn addresses(check: &mut Checker<'_>, written: &[String]) -> Vec<IpAddr> {
    let path = ["webrtc", "listen"];
    if written.is_empty() {
        check.problem(&path, "is empty. Give the address that browsers reach, \"192.0.2.5\"");
    }
    let mut known: Vec<IpAddr> = Vec::new();
    for one in written {
        match one.parse::<IpAddr>() {
            Ok(ip) if known.contains(&ip) => {
                check.problem(&path, format!("\"{one}\" is given twice. Remove one"));
            }
            Ok(ip) if ip.is_multicast() => {
                check.problem(&path, format!("\"{one}\" is no address of a machine"));
            }
            Ok(ip) => known.push(ip),
            Err(_) => check.problem(
                &path,
                format!("\"{one}\" is not an IP address. Write it without a port, \"192.0.2.5\""),
            ),
        }
    }
    known
}

fn ports(
    check: &mut Checker<'_>,
    low: Option<i64>,
    high: Option<i64>,
    calls_max: usize,
) -> (u16, u16) {
    let high_path = ["webrtc", "udp_port_max"];
    let low = check.number(&["webrtc", "udp_port_min"], low, 41_000, 1024..=65_535);
    let high = check.number(&high_path, high, 41_999, 1024..=65_535);
    let room = (high + 1).saturating_sub(low) as usize;
    if room < calls_max {
        check.problem(
            &high_path,
            format!(
                "{low} to {high} is room for {room} calls and server.calls_max is {calls_max}. Each \
                 call of a browser takes a port"
            ),
        );
    }
    let port = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    (port(low), port(high))
}

fn advertise_ip(check: &mut Checker<'_>, written: Option<String>) -> Option<IpAddr> {
    let written = written?;
    let path = ["webrtc", "advertise_ip"];
    match written.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() => {
            let message = "cannot be reached by others. Give the address that browsers reach";
            check.problem(&path, format!("{written} {message}"));
            None
        }
        Ok(ip) => Some(ip),
        Err(_) => {
            let message = "is not an IP address (no names, no port)";
            check.problem(&path, format!("\"{written}\" {message}"));
            None
        }
    }
}

fn stun(check: &mut Checker<'_>, written: Vec<String>) -> Vec<String> {
    let is_right = |url: &String| is_server(url, &["stun:"]);
    for url in written.iter().filter(|url| !is_right(url)) {
        let message =
            format!("\"{url}\" is not a STUN server. Write it \"stun:stun.example:3478\"");
        check.problem(&["webrtc", "stun"], message);
    }
    written.into_iter().filter(is_right).collect()
}

fn turn(check: &mut Checker<'_>, raw: raw::RawTurn) -> Option<TurnConfig> {
    let path = ["webrtc", "turn"];
    let example = "{ url = \"turn:turn.example:3478\", username = \"frontdoor\", password_env = \
                   \"FRONTDOOR_TURN_PASSWORD\" }";
    let url = raw.url.unwrap_or_default();
    if !is_server(&url, &["turn:", "turns:"]) {
        let message = format!("\"{url}\" is not the url of a TURN server. Write it {example}");
        check.problem(&path, message);
        return None;
    }
    let password_env = check.variable_name(&path, raw.password_env);
    let (Some(username), Some(password_env)) = (raw.username, password_env) else {
        let message = format!("{url} has no username or no password_env. Write it {example}");
        check.problem(&path, message);
        return None;
    };
    Some(TurnConfig { url, username, password_env })
}

/// Whether a URL has one of these schemes and a host (RFC 7064, RFC 7065).
fn is_server(url: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    })
}
