//! Who may call, decided before there is a transaction: so that those who may not cost nothing.
//!
//! ```text
//!  INVITE -> a trunk by its address? --yes--> must it know a password? --no--> number -> in
//!               | no                              | yes                          |
//!               v                                 v                              '-- 404, 403
//!            a trunk by password? ------------> digest: 401, or it is known --> number
//!               | none has one
//!               '--> accept_unknown: number, or 403
//! ```

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::SipError;
use super::address::{NameAddr, user_of};
use super::bans::{BanLimits, Bans};
use super::digest::{Credentials, Examiner, Shown};
use super::gate::Refusal;
use super::wire::{RawMessage, StartLine};
use crate::base::Pii;
use crate::config::{
    Called, Config, DigestAlgorithm, LoginConfig, NumberConfig, Routed, TrunkConfig, route,
    trunk_of,
};

/// Whose an address is, and until when.
type Learned = (String, Instant);

/// What digest authentication calls us.
const REALM: &str = "frontdoor";
/// Addresses of registrars that are taken for their trunks.
const LEARNED_MAX: usize = 256;

/// Who may call.
#[derive(Debug, Clone)]
pub struct Access {
    /// The trunks.
    pub trunks: Vec<TrunkConfig>,
    /// What the calls of trunks with a login must prove to know, by the trunk's name.
    pub logins: BTreeMap<String, Credentials>,
    /// Which numbers there are; all, if there is none.
    pub numbers: Vec<NumberConfig>,
    /// Whether calls that come through no trunk are taken.
    pub accept_unknown: bool,
    /// What those may prove it with, the preferred one first.
    pub digest: Vec<DigestAlgorithm>,
    /// When a source is ignored.
    pub bans: BanLimits,
    /// Networks that are never ignored, beside those of the trunks.
    pub never_banned: Vec<IpNet>,
}

/// Everybody may call, and nobody is banned.
impl Default for Access {
    fn default() -> Self {
        Self {
            trunks: Vec::new(),
            logins: BTreeMap::new(),
            numbers: Vec::new(),
            accept_unknown: true,
            digest: DigestAlgorithm::ALL.to_vec(),
            bans: BanLimits { strikes_max: 0, length: Duration::ZERO },
            never_banned: Vec::new(),
        }
    }
}

/// The credentials of a login; the password is read from the environment.
///
/// # Errors
/// The variable is not set. `key` is the section it is named in.
pub(super) fn credentials(key: &str, login: &LoginConfig) -> Result<Credentials, SipError> {
    let missing =
        || SipError::PasswordMissing { key: key.to_owned(), variable: login.password_env.clone() };
    let password = std::env::var(&login.password_env).ok().filter(|value| !value.is_empty());
    Ok(Credentials {
        username: login.username.clone(),
        password: Pii::new(password.ok_or_else(missing)?),
    })
}

impl Access {
    /// What a configuration says; passwords are read from the environment.
    ///
    /// # Errors
    /// A password is not there.
    pub fn from_config(config: &Config) -> Result<Self, SipError> {
        let mut logins = BTreeMap::new();
        for trunk in &config.trunks {
            if let Some(login) = &trunk.login {
                logins.insert(trunk.name.clone(), credentials(&trunk.name, login)?);
            }
        }
        Ok(Self {
            trunks: config.trunks.clone(),
            logins,
            numbers: config.numbers.clone(),
            accept_unknown: config.sip.accept_unknown,
            digest: config.sip.digest.clone(),
            bans: BanLimits {
                strikes_max: config.sip.ban_after_refusals,
                length: Duration::from_secs(config.sip.ban_s),
            },
            never_banned: ["127.0.0.0/8", "::1/128"]
                .into_iter()
                .filter_map(|network| network.parse().ok())
                .collect(),
        })
    }
}

/// A call that may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) trunk: Option<String>,
    /// The URI in the request line.
    pub(super) requested: String,
}

/// A call that may not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// Whether too many of these get their source banned.
    pub(super) counts_against: bool,
}

impl Refused {
    fn by_rule(status: u16, phrase: &str, rule: &str) -> Self {
        Self { refusal: refusal(status, phrase, rule), counts_against: true }
    }
}

/// A refusal that tells which rule it is by (RFC 3326).
fn refusal(status: u16, phrase: &str, rule: &str) -> Refusal {
    Refusal::plain(status, phrase, Some(rule.to_owned()), Vec::new())
}

pub(super) struct Door {
    access: Access,
    began: Instant,
    examiner: Mutex<Examiner>,
    bans: Mutex<Bans>,
    /// Addresses of registrars where we are registered: calls from there are their trunk's.
    learned: Mutex<HashMap<IpAddr, Learned>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    pub(super) fn new(access: Access) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            examiner: Mutex::new(Examiner::new(REALM, access.digest.clone(), rand::random())),
            bans: Mutex::new(Bans::new(access.bans, now)),
            learned: Mutex::default(),
            access,
        }
    }

    pub(super) fn is_banned(&self, source: IpAddr) -> bool {
        locked(&self.bans).is_banned(source, Instant::now())
    }

    /// Counts against a source; says whether it is banned from now on.
    pub(super) fn strike(&self, source: IpAddr) -> bool {
        let spared = self.access.never_banned.iter().any(|network| network.contains(&source));
        if spared || self.trunk_by_address(source).is_some() {
            return false;
        }
        locked(&self.bans).strike(source, Instant::now())
    }

    /// Until then calls from this address are this trunk's.
    pub(super) fn learn(&self, source: IpAddr, trunk: &str, until: Instant) {
        let mut learned = locked(&self.learned);
        learned.retain(|_, (_, until)| Instant::now() < *until);
        if learned.len() < LEARNED_MAX {
            learned.insert(source.to_canonical(), (trunk.to_owned(), until));
        }
    }

    /// The trunk whose address this is, as the configuration or a registration says.
    pub(super) fn trunk_by_address(&self, source: IpAddr) -> Option<String> {
        match trunk_of(&self.access.trunks, source) {
            Some((trunk, _)) => Some(trunk.name.clone()),
            None => locked(&self.learned)
                .get(&source.to_canonical())
                .filter(|(_, until)| Instant::now() < *until)
                .map(|(trunk, _)| trunk.clone()),
        }
    }

    /// Whether OPTIONS is answered to this source. Where a trunk is known by its password only, it
    /// may ask from anywhere.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn admit_question(&self, source: IpAddr) -> Result<(), Refusal> {
        let may_be_theirs = self.access.trunks.iter().any(|trunk| trunk.from.is_empty());
        let known = self.access.accept_unknown || may_be_theirs;
        if known || self.trunk_by_address(source).is_some() {
            return Ok(());
        }
        Err(refusal(403, "Forbidden", UNKNOWN))
    }

    /// Lets a call in, or says what its caller is told.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn admit_call(
        &self,
        message: &RawMessage,
        source: IpAddr,
    ) -> Result<Admitted, Refused> {
        let trunk = self.trunk(message, source)?;
        let requested = match &message.start {
            StartLine::Request { uri, .. } => uri.clone(),
            StartLine::Response { .. } => String::new(),
        };
        if message.header("replaces").is_some() {
            // It goes on with a call that is here, and names our Contact, which is no number
            // (RFC 3891); without such a call it is refused.
            return Ok(Admitted { trunk, requested });
        }
        let to = message.header("to").and_then(NameAddr::parse);
        let called = Called {
            requested: &user_of(&requested),
            to: &to.map(|to| user_of(&to.uri)).unwrap_or_default(),
            trunk: trunk.as_deref(),
        };
        match route(&self.access.numbers, &called) {
            Routed::Everything | Routed::Line(_) => Ok(Admitted { trunk, requested }),
            Routed::Unknown => {
                Err(Refused::by_rule(404, "Not Found", "[numbers]: no line has this number"))
            }
            Routed::OtherTrunk(_) => Err(Refused::by_rule(
                403,
                "Forbidden",
                "[numbers]: this number is reached through another trunk only",
            )),
        }
    }

    fn trunk(&self, message: &RawMessage, source: IpAddr) -> Result<Option<String>, Refused> {
        let by_address = self.trunk_by_address(source);
        // Where we have registered with a password of ours, nobody answers a challenge of ours.
        if trunk_of(&self.access.trunks, source).is_none() && by_address.is_some() {
            return Ok(by_address);
        }
        let asked: Vec<(usize, &Credentials)> = self
            .access
            .trunks
            .iter()
            .enumerate()
            .filter(|(_, trunk)| match &by_address {
                Some(name) => trunk.name == *name,
                None => trunk.from.is_empty(),
            })
            .filter_map(|(at, trunk)| Some((at, self.access.logins.get(&trunk.name)?)))
            .collect();
        if asked.is_empty() {
            return match by_address {
                None if !self.access.accept_unknown => {
                    Err(Refused::by_rule(403, "Forbidden", UNKNOWN))
                }
                trunk => Ok(trunk),
            };
        }
        let now = self.began.elapsed();
        let values = message.values("authorization");
        let shown = locked(&self.examiner).check(now, "INVITE", values, &asked);
        match shown {
            Shown::Known(at) => {
                locked(&self.bans).trust(source, Instant::now());
                Ok(self.access.trunks.get(at).map(|trunk| trunk.name.clone()))
            }
            Shown::Nothing if by_address.is_none() && self.access.accept_unknown => Ok(None),
            Shown::Nothing | Shown::Stale | Shown::Wrong => Err(self.challenge(now, shown)),
        }
    }

    /// A 401 with a challenge for each hash (RFC 8760 section 2.4).
    fn challenge(&self, now: Duration, shown: Shown) -> Refused {
        let is_stale = shown == Shown::Stale;
        let rule = match shown {
            Shown::Wrong => "[trunks]: no trunk has this name and password",
            Shown::Stale => "[trunks]: the nonce is too old or was used",
            Shown::Nothing | Shown::Known(_) => "[trunks]: this trunk needs a password",
        };
        let mut refusal = refusal(401, "Unauthorized", rule);
        let values = locked(&self.examiner).challenges(now, rand::random(), is_stale);
        refusal.headers.extend(values.into_iter().map(|value| ("WWW-Authenticate", value)));
        // Whoever has shown nothing yet does what RFC 3261 22.2 asks for.
        Refused { refusal, counts_against: shown == Shown::Wrong }
    }
}

const UNKNOWN: &str = "[trunks]: the source is in no trunk, and accept_unknown is off";

#[cfg(test)]
mod tests {
    use super::super::digest::Challenge;
    use super::super::wire::scan;
    use super::*;

    fn who(username: &str) -> Credentials {
        Credentials { username: username.to_owned(), password: Pii::new("secret".to_owned()) }
    }

    fn number(pattern: &str, trunk: Option<&str>) -> NumberConfig {
        NumberConfig {
            pattern: pattern.to_owned(),
            profile: "p".into(),
            trunk: trunk.map(str::to_owned),
        }
    }

    /// A carrier by its network, a PBX that needs a password besides, phones by password only.
    fn door(accept_unknown: bool) -> Door {
        let trunks = vec![
            TrunkConfig::known_by("carrier", &["192.0.2.0/24"]),
            TrunkConfig::known_by("pbx", &["192.0.2.10/32"]),
            TrunkConfig::known_by("phones", &[]),
        ];
        let logins = [("pbx", "pbx"), ("phones", "ann")];
        Door::new(Access {
            trunks,
            logins: logins.map(|(name, user)| (name.to_owned(), who(user))).into(),
            numbers: vec![number("100", None), number("200", Some("carrier"))],
            accept_unknown,
            ..Access::default()
        })
    }

    fn invite(number: &str, authorization: Option<&str>) -> RawMessage {
        let more = authorization.map(|v| format!("Authorization: {v}\r\n")).unwrap_or_default();
        let text = format!("INVITE sip:{number}@h SIP/2.0\r\nTo: <sip:{number}@h>\r\n{more}\r\n");
        scan(text.as_bytes()).unwrap()
    }

    /// The trunk, or the status and the reason.
    fn outcome(door: &Door, message: &RawMessage, source: &str) -> Result<Option<String>, u16> {
        let admitted = door.admit_call(message, source.parse().unwrap());
        admitted.map(|admitted| admitted.trunk).map_err(|refused| {
            assert!(refused.refusal.detail.is_some(), "it says which rule it was");
            refused.refusal.status
        })
    }

    #[test]
    fn calls_come_through_their_trunks() {
        let some = |name: &str| Ok(Some(name.to_owned()));
        for (accept_unknown, number, source, expected) in [
            (false, "100", "192.0.2.9", some("carrier")),
            (false, "200", "192.0.2.9", some("carrier")),
            (false, "300", "192.0.2.9", Err(404)),
            (false, "100", "192.0.2.10", Err(401)),
            (false, "100", "198.51.100.1", Err(401)),
            (true, "100", "198.51.100.1", Ok(None)),
            (true, "200", "198.51.100.1", Err(403)),
        ] {
            let found = outcome(&door(accept_unknown), &invite(number, None), source);
            assert_eq!(found, expected, "{accept_unknown} {number} {source}");
        }
        // What takes over a call is for no number; its trunk is asked for all the same.
        let names = "To: <sip:frontdoor@h>\r\nReplaces: c;to-tag=a;from-tag=b\r\n";
        let taking_over = format!("INVITE sip:frontdoor@h SIP/2.0\r\n{names}\r\n");
        let taking_over = scan(taking_over.as_bytes()).unwrap();
        assert_eq!(outcome(&door(false), &taking_over, "192.0.2.9"), some("carrier"));
        assert_eq!(outcome(&door(false), &taking_over, "192.0.2.10"), Err(401));
        let strict = Access {
            trunks: vec![TrunkConfig::known_by("carrier", &["192.0.2.0/24"])],
            accept_unknown: false,
            ..Access::default()
        };
        let door = Door::new(strict);
        assert_eq!(outcome(&door, &invite("1", None), "198.51.100.1"), Err(403));
        let unknown: IpAddr = "198.51.100.1".parse().unwrap();
        assert_eq!(door.admit_question(unknown).map_err(|refusal| refusal.status), Err(403));
        door.learn(unknown, "carrier", Instant::now() + Duration::from_secs(60));
        assert_eq!(outcome(&door, &invite("1", None), "198.51.100.1"), some("carrier"));
        assert_eq!(door.admit_question(unknown), Ok(()));
    }

    #[test]
    fn a_password_opens_the_door_of_its_own_trunk() {
        let door = door(false);
        let shown = |username: &str, source: &str| {
            let refused = door.admit_call(&invite("100", None), source.parse().unwrap());
            let headers = refused.unwrap_err().refusal.headers;
            let values: Vec<&str> = headers
                .iter()
                .filter(|(name, _)| *name == "WWW-Authenticate")
                .map(|(_, value)| value.as_str())
                .collect();
            assert!(values[0].contains("SHA-256") && values[1].contains("MD5"), "{values:?}");
            let challenge = Challenge::first_known(values).unwrap();
            let answer = challenge.answer(&who(username), "INVITE", "sip:100@h", "c", 1);
            outcome(&door, &invite("100", Some(&answer)), source)
        };
        assert_eq!(shown("ann", "198.51.100.1"), Ok(Some("phones".to_owned())));
        assert_eq!(shown("pbx", "192.0.2.10"), Ok(Some("pbx".to_owned())));
        assert_eq!(shown("pbx", "198.51.100.1"), Err(401), "it is tied to its address");
        assert_eq!(shown("ann", "192.0.2.10"), Err(401));
    }

    #[test]
    fn trunks_are_never_banned() {
        let access = Access {
            trunks: vec![TrunkConfig::known_by("carrier", &["192.0.2.0/24"])],
            bans: BanLimits { strikes_max: 2, length: Duration::from_secs(60) },
            never_banned: vec!["127.0.0.0/8".parse().unwrap()],
            ..Access::default()
        };
        let door = Door::new(access);
        for (source, banned) in [("192.0.2.1", false), ("127.0.0.1", false), ("198.51.100.1", true)]
        {
            let source: IpAddr = source.parse().unwrap();
            for _ in 0..3 {
                door.strike(source);
            }
            assert_eq!(door.is_banned(source), banned, "{source}");
        }
    }
}
