//! `[transfers.*]` and `[transfer_rules]`. Addresses stand here and nowhere else, and only at hosts that
//! the operator has declared: nothing that a caller says can make us call anybody.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::checked::ServerConfig;
use super::raw;
use super::suggest::{did_you_mean, nearest};
use super::transfers::{TransferConfig, TransferRules, TransferWay, host_of};
use super::trunks::TrunkConfig;
use super::validate::Checker;

/// How long it rings where the file does not say: five to six times.
const RING_S: u32 = 25;

pub(super) fn rules(
    check: &mut Checker<'_>,
    raw: raw::RawTransferRules,
    server: &ServerConfig,
) -> TransferRules {
    let hosts = raw.hosts.unwrap_or_default();
    for host in &hosts {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            let message = format!(
                "\"{host}\" is no host. Write a name or an IP address, without sip:, user or port"
            );
            check.problem(&["transfer_rules", "hosts"], message);
        }
    }
    let default = u32::try_from(server.calls_max).unwrap_or(u32::MAX);
    let calls_max =
        check.number(&["transfer_rules", "calls_max"], raw.calls_max, default, 1..=1000);
    TransferRules { hosts, calls_max: calls_max as usize }
}

pub(super) fn transfers(
    check: &mut Checker<'_>,
    raw: BTreeMap<String, raw::RawTransfer>,
    trunks: &[TrunkConfig],
    rules: &TransferRules,
) -> BTreeMap<String, TransferConfig> {
    let mut transfers = BTreeMap::new();
    for (queue, raw) in raw {
        let transfer = transfer(check, &queue, raw, trunks, rules);
        transfers.insert(queue, transfer);
    }
    transfers
}

fn transfer(
    check: &mut Checker<'_>,
    queue: &str,
    raw: raw::RawTransfer,
    trunks: &[TrunkConfig],
    rules: &TransferRules,
) -> TransferConfig {
    let at = |key| ["transfers", queue, key];
    let to = raw.to.unwrap_or_default();
    check_target(check, &at("to"), &to, trunks, rules);
    let way = way(check, &at("way"), raw.way.as_deref());
    let screening = raw.screening.unwrap_or(false);
    if screening && way == TransferWay::Refer {
        let message = "nobody can be asked before the call is theirs with way = \"refer\". Write \
                       way = \"attended\" or \"bridge\", or remove the line";
        check.problem(&at("screening"), message);
    }
    if let Some(trunk) = &raw.trunk {
        check_trunk(check, &at("trunk"), trunk, trunks);
    }
    if let Some(header) = &raw.header
        && !is_further_header(header)
    {
        let message = format!(
            "\"{header}\" cannot be a header of ours. Write a name that begins with X-, such as \
             \"X-Frontdoor-Handoff\""
        );
        check.problem(&at("header"), message);
    }
    TransferConfig {
        to,
        way,
        bridge_if_refused: raw.bridge_if_refused.unwrap_or(true),
        ring_s: check.number(&at("ring_s"), raw.ring_s, RING_S, 5..=120).into(),
        screening,
        trunk: raw.trunk,
        header: raw.header,
        record: raw.record.unwrap_or(false),
    }
}

fn way(check: &mut Checker<'_>, at: &[&str], word: Option<&str>) -> TransferWay {
    let Some(word) = word else { return TransferWay::Refer };
    if let Some(way) = TransferWay::ALL.into_iter().find(|way| way.as_str() == word) {
        return way;
    }
    let words = TransferWay::ALL.map(TransferWay::as_str);
    let hint = match nearest(word, words) {
        Some(meant) => format!("Did you mean \"{meant}\"?"),
        None => format!("Write \"{}\"", words.join("\", \"")),
    };
    check.problem(at, format!("\"{word}\" is no way to put a caller through. {hint}"));
    TransferWay::Refer
}

/// A trunk that is declared.
pub(super) fn check_trunk(
    check: &mut Checker<'_>,
    at: &[&str],
    trunk: &str,
    trunks: &[TrunkConfig],
) {
    if trunks.iter().any(|known| known.name == *trunk) {
        return;
    }
    let known = trunks.iter().map(|trunk| trunk.name.as_str());
    let hint = did_you_mean(trunk, known).unwrap_or_default();
    let message = format!("there is no [trunks.{trunk}]. {hint}");
    check.problem(at, message.trim_end());
}

/// An address that may be called: well-formed, and at a host that is declared.
pub(super) fn check_target(
    check: &mut Checker<'_>,
    at: &[&str],
    to: &str,
    trunks: &[TrunkConfig],
    rules: &TransferRules,
) {
    if to.is_empty() {
        check.problem(at, "is missing. Say who takes these calls, to = \"sip:200@pbx.example\"");
        return;
    }
    let is_plain = to.chars().all(|c| c.is_ascii_graphic() && !"<>\",?\\".contains(c));
    let has_user = to.split_once(':').is_some_and(|(_, rest)| {
        rest.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.contains('@'))
    });
    let Some(host) = host_of(to).filter(|_| is_plain && has_user) else {
        let message = "is no address that can be called. Write it like \"sip:200@pbx.example\", with \
                       ;transport=tcp or ;transport=tls behind it if need be";
        check.problem(at, format!("\"{to}\" {message}"));
        return;
    };
    if !is_declared(host, trunks, rules) {
        let message = format!(
            "{host} is not the host of a trunk's registrar or in a trunk's from, so nobody is put \
             through to it. If it is right, write hosts = [\"{host}\"] under [transfer_rules]"
        );
        check.problem(at, message);
    }
}

/// Whether calls may go to this host: a toll fraud begins with one that nobody has declared.
fn is_declared(host: &str, trunks: &[TrunkConfig], rules: &TransferRules) -> bool {
    let registrars = trunks.iter().filter_map(|trunk| trunk.register.as_ref());
    let registrars = registrars.flat_map(|register| register.registrars.iter());
    let known = registrars.chain(trunks.iter().filter_map(|trunk| trunk.to.as_ref()));
    let mut known = known.filter_map(|uri| host_of(uri));
    if rules.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host))
        || known.any(|known| known.eq_ignore_ascii_case(host))
    {
        return true;
    }
    let Ok(address) = host.parse::<IpAddr>() else { return false };
    trunks.iter().flat_map(|trunk| &trunk.from).any(|network| network.contains(&address))
}

/// Whether a header of this name says nothing to the protocol itself.
fn is_further_header(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let further = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    further && name.len() > 2 && name.chars().all(is_word)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const TRUNKS: &str = "[trunks.pbx]\nfrom = [\"192.0.2.0/24\"]\n\
        [trunks.carrier.register]\nregistrars = [\"sip:reg.example.com;transport=tcp\"]\n\
        username = \"100\"\npassword_env = \"PASSWORD\"\n";

    fn parse(lines: &str) -> Result<Config, String> {
        let text = format!("[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n{TRUNKS}{lines}\n");
        Config::parse(Path::new("/f.toml"), &text, |_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_target_is_at_a_declared_host() {
        for (to, more, taken) in [
            ("sip:200@192.0.2.7:5070", "", true),
            ("sip:200@REG.example.com", "", true),
            ("sip:200@pbx.example", "[transfer_rules]\nhosts = [\"pbx.example\"]", true),
            ("sip:200@pbx.example", "", false),
            ("sip:200@198.51.100.1", "", false),
            ("sip:200@reg.example.com.evil.example", "", false),
        ] {
            let read = parse(&format!("[transfers.cards]\nto = \"{to}\"\n{more}"));
            match read {
                Ok(_) => assert!(taken, "{to} was taken"),
                Err(error) => {
                    assert!(!taken && error.contains("[transfer_rules]"), "{error}");
                    assert!(error.starts_with("/f.toml:11: transfers.cards.to: "), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_said_is_filled_in() {
        let config = parse("[transfers.cards]\nto = \"sip:200@192.0.2.7\"").expect("valid");
        let cards = &config.transfers["cards"];
        assert_eq!((cards.way, cards.ring_s, cards.screening), (TransferWay::Refer, 25, false));
        assert!(cards.bridge_if_refused && !cards.record);
        assert_eq!(config.transfer_rules.calls_max, config.server.calls_max);
    }

    #[test]
    fn lines_that_do_not_fit_name_the_key_and_the_fix() {
        let to = "to = \"sip:200@192.0.2.7\"";
        for (lines, expected) in [
            ("way = \"refer\"".to_owned(), "transfers.cards.to: is missing"),
            ("to = \"tel:+441632960000\"".to_owned(), "is no address that can be called"),
            ("to = \"sip:192.0.2.7\"".to_owned(), "is no address that can be called"),
            ("to = \"sip:200@192.0.2.7?Replaces=x\"".to_owned(), "is no address"),
            ("to = \"sip:200@192.0.2.7>\"".to_owned(), "is no address"),
            (format!("{to}\nway = \"brigde\""), "cards.way: \"brigde\" is no way"),
            (format!("{to}\nway = \"brigde\""), "Did you mean \"bridge\"?"),
            (format!("{to}\nway = \"fax\""), "Write \"refer\", \"attended\", \"bridge\""),
            (format!("{to}\nscreening = true"), "way = \"attended\" or \"bridge\""),
            (format!("{to}\ntrunk = \"pbxx\""), "Did you mean `pbx`?"),
            (format!("{to}\nheader = \"Route\""), "begins with X-"),
            (format!("{to}\nheader = \"X-A: b\""), "begins with X-"),
            (format!("{to}\nring_s = 2"), "2 is not between 5 and 120"),
            (format!("{to}\n[transfer_rules]\nhosts = [\"sip:a@b\"]"), "is no host"),
            (
                format!("{to}\n[transfer_rules]\ncalls_max = 500"),
                "server.calls_max and transfer_rules.calls_max come to 508",
            ),
        ] {
            let error = parse(&format!("[transfers.cards]\n{lines}")).expect_err(&lines);
            assert!(error.contains(expected), "{expected}\nnot in\n{error}");
        }
    }
}
