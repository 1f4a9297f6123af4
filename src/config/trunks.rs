//! `[trunks.*]` and `[numbers]`: who may call, which number is whose.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

/// `[trunks.<name>]`: somebody who may send us calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Its name, also in logs and reasons: lower-case letters, digits, `-`, `_`.
    pub name: String,
    /// Where its calls come from; anywhere if empty.
    pub from: Vec<IpNet>,
    /// What its calls must prove to know (RFC 8760).
    pub login: Option<LoginConfig>,
    /// Its calls at the same time, those that we place over it included; more are refused with 503, or not
    /// placed.
    pub calls_max: Option<usize>,
    /// Its new calls a second; more are refused with 503.
    pub calls_per_s_max: Option<u32>,
    /// SIP URI of the trunk itself, without a user, if it is not one of its registrars.
    pub to: Option<String>,
    /// How often its addresses are asked whether they are there; 0 for never.
    pub keepalive_s: u32,
    /// Where we tell it that we are here.
    pub register: Option<RegisterConfig>,
}

impl TrunkConfig {
    /// SIP URIs at which the trunk can be asked whether it is there: its registrars and `to`.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let registrars = self.register.iter().flat_map(|register| &register.registrars);
        registrars.chain(&self.to).map(String::as_str)
    }
}

/// A name with the environment variable that holds its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginConfig {
    /// The name.
    pub username: String,
    /// The variable.
    pub password_env: String,
}

/// `[trunks.<name>.register]` (RFC 3261 section 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterConfig {
    /// SIP URIs of the registrars, the first that answers is used; at least one.
    pub registrars: Vec<String>,
    /// The user part of the address that is registered.
    pub username: String,
    /// What the registrar is shown.
    pub login: LoginConfig,
    /// For how long it is asked to remember us.
    pub expires_s: u32,
}

/// A line of `[numbers]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberConfig {
    /// The number without `+` and separators, with a `*` at its end for all that begin like it.
    pub pattern: String,
    /// Folder of the prompt files that its calls are held by.
    pub profile: PathBuf,
    /// The only trunk through which it is reached; any if there is none.
    pub trunk: Option<String>,
}

/// The trunk whose network this address is in, and the network: the smallest one if there are
/// several.
pub fn trunk_of(trunks: &[TrunkConfig], source: IpAddr) -> Option<(&TrunkConfig, IpNet)> {
    let source = source.to_canonical();
    trunks
        .iter()
        .flat_map(|trunk| trunk.from.iter().map(move |network| (trunk, *network)))
        .filter(|(_, network)| network.contains(&source))
        .max_by_key(|(_, network)| network.prefix_len())
}

#[cfg(test)]
impl TrunkConfig {
    /// One that is known by its addresses, for tests.
    pub(crate) fn known_by(name: &str, from: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            from: from.iter().map(|network| network.parse().expect("a network")).collect(),
            login: None,
            calls_max: None,
            calls_per_s_max: None,
            to: None,
            keepalive_s: 0,
            register: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_says_whose_call_it_is() {
        let trunks = [
            TrunkConfig::known_by("carrier", &["192.0.2.0/24", "2001:db8::/32"]),
            TrunkConfig::known_by("pbx", &["192.0.2.10/32"]),
            TrunkConfig::known_by("roaming", &[]),
        ];
        for (source, expected) in [
            ("192.0.2.9", Some("carrier")),
            ("192.0.2.10", Some("pbx")),
            ("::ffff:192.0.2.10", Some("pbx")),
            ("2001:db8:1::7", Some("carrier")),
            ("198.51.100.1", None),
        ] {
            let found = trunk_of(&trunks, source.parse().unwrap());
            assert_eq!(found.map(|(trunk, _)| trunk.name.as_str()), expected, "{source}");
        }
    }
}
