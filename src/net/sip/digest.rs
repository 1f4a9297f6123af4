//! Digest authentication, both sides (RFC 7616, RFC 8760, RFC 3261 section 22). Pure: time and
//! randomness are passed in.
//!
//! As a server we offer SHA-256 and MD5, as configured, and `auth` only. A nonce carries its time
//! and a MAC of ours, so that a flood of requests costs no memory; what is kept is the count of
//! each nonce that somebody has answered rightly, which is what makes a repeated answer worthless.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

use super::address::{split_list, unquote};
use crate::base::Pii;
use crate::config::DigestAlgorithm;

/// How long a nonce is good for; then the peer is told that it is stale, and asks again.
const NONCE_LIFE: Duration = Duration::from_secs(120);
/// Nonces whose counts are kept; with one more, the oldest is stale from then on.
const NONCES_MAX: usize = 4096;

/// A name and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// What it proves itself with.
    pub password: Pii<String>,
}

/// Without the parameter it is MD5 (RFC 7616 section 3.3).
fn algorithm_of(param: Option<&str>) -> Option<DigestAlgorithm> {
    param.map_or(Some(DigestAlgorithm::Md5), DigestAlgorithm::from_name)
}

fn hash(algorithm: DigestAlgorithm, text: &str) -> String {
    match algorithm {
        DigestAlgorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        DigestAlgorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The parameters of a `Digest` value; `None` if it is of another scheme.
fn params_of(value: &str) -> Option<Vec<(String, String)>> {
    let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let pairs = split_list(rest).into_iter().filter_map(|part| part.split_once('='));
    Some(
        pairs
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), unquote(value.trim())))
            .collect(),
    )
}

fn param<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is hashed beside the secret.
struct Proof<'a> {
    method: &'a str,
    uri: &'a str,
    nonce: &'a str,
    /// The count, eight hexadecimal digits, and the client's own nonce; `None` without `qop`.
    counted: Option<(&'a str, &'a str)>,
}

/// The `response` parameter (RFC 7616 section 3.4.1).
fn proof(algorithm: DigestAlgorithm, who: &Credentials, realm: &str, proof: &Proof<'_>) -> String {
    let Proof { method, uri, nonce, counted } = proof;
    let secret = format!("{}:{realm}:{}", who.username, who.password.expose());
    let (secret, what) = (hash(algorithm, &secret), hash(algorithm, &format!("{method}:{uri}")));
    hash(
        algorithm,
        &match counted {
            Some((count, ours)) => format!("{secret}:{nonce}:{count}:{ours}:auth:{what}"),
            None => format!("{secret}:{nonce}:{what}"),
        },
    )
}

/// What a registrar, a proxy or whom we call asks of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) nonce: String,
    opaque: Option<String>,
    algorithm: DigestAlgorithm,
    has_qop: bool,
    /// The proof was right, but its nonce has become too old.
    pub(super) is_stale: bool,
}

impl Challenge {
    /// The first challenge that can be answered: they stand in the order of the server's preference
    /// (RFC 8760 section 2.4).
    pub(super) fn first_known<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        values.into_iter().find_map(Self::parse)
    }

    fn parse(value: &str) -> Option<Self> {
        let params = params_of(value)?;
        let qop = param(&params, "qop");
        let has_auth =
            |qop: &str| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        if qop.is_some_and(|qop| !has_auth(qop)) {
            return None;
        }
        Some(Self {
            realm: param(&params, "realm")?.to_owned(),
            nonce: param(&params, "nonce")?.to_owned(),
            opaque: param(&params, "opaque").map(str::to_owned),
            algorithm: algorithm_of(param(&params, "algorithm"))?,
            has_qop: qop.is_some(),
            is_stale: param(&params, "stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }

    /// The answer: a value for `Authorization`. `count` is how often this nonce was answered, this
    /// time included.
    pub(super) fn answer(
        &self,
        who: &Credentials,
        method: &str,
        uri: &str,
        ours: &str,
        count: u32,
    ) -> String {
        let count = format!("{count:08x}");
        let counted = self.has_qop.then_some((count.as_str(), ours));
        let what = Proof { method, uri, nonce: &self.nonce, counted };
        let response = proof(self.algorithm, who, &self.realm, &what);
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={}",
            escaped(&who.username),
            escaped(&self.realm),
            escaped(&self.nonce),
            self.algorithm.name()
        );
        if self.has_qop {
            text.push_str(&format!(", qop=auth, nc={count}, cnonce=\"{ours}\""));
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(&format!(", opaque=\"{}\"", escaped(opaque)));
        }
        text
    }
}

/// What a request's `Authorization` proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is this one of those who may.
    Known(usize),
    /// Nothing was shown.
    Nothing,
    /// Rightly answered, but the nonce is too old or was used already.
    Stale,
    /// Another name, another password, or nothing that can be checked.
    Wrong,
}

/// Checks what callers prove.
pub(super) struct Examiner {
    realm: String,
    /// What may be proved with, the preferred one first.
    offered: Vec<DigestAlgorithm>,
    opaque: String,
    secret: [u8; 32],
    /// The highest count of each nonce that was answered rightly, with when it was issued.
    counts: BTreeMap<String, (Duration, u32)>,
    /// Nonces issued until then are stale.
    floor: Duration,
}

impl Examiner {
    /// `secret` must be random: who knows it can make nonces.
    pub(super) fn new(realm: &str, offered: Vec<DigestAlgorithm>, secret: [u8; 32]) -> Self {
        let opaque = hex(&Sha256::digest([&secret[..], &b"opaque"[..]].concat()))[..16].to_owned();
        let (counts, floor) = (BTreeMap::new(), Duration::ZERO);
        Self { realm: realm.to_owned(), offered, opaque, secret, counts, floor }
    }

    fn seal(&self, issued: &str) -> String {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.secret)
            .expect("HMAC takes keys of any length");
        mac.update(issued.as_bytes());
        hex(&mac.finalize().into_bytes())[..32].to_owned()
    }

    fn nonce(&self, now: Duration, salt: u64) -> String {
        let issued = format!("{:x}-{salt:016x}", now.as_millis());
        format!("{issued}-{}", self.seal(&issued))
    }

    /// When a nonce of ours was issued; `None` for one that is not ours.
    fn issued(&self, nonce: &str) -> Option<Duration> {
        let (issued, seal) = nonce.rsplit_once('-')?;
        if !same(&self.seal(issued), seal) {
            return None;
        }
        let millis = u64::from_str_radix(issued.split_once('-')?.0, 16).ok()?;
        Some(Duration::from_millis(millis))
    }

    /// The values of `WWW-Authenticate` headers, the preferred one first. `salt` must be random.
    pub(super) fn challenges(&self, now: Duration, salt: u64, is_stale: bool) -> Vec<String> {
        let nonce = self.nonce(now, salt);
        let stale = if is_stale { ", stale=TRUE" } else { "" };
        let value = |algorithm: &DigestAlgorithm| {
            format!(
                "Digest realm=\"{}\", qop=\"auth\", algorithm={}, nonce=\"{nonce}\", \
                 opaque=\"{}\"{stale}",
                self.realm,
                algorithm.name(),
                self.opaque
            )
        };
        self.offered.iter().map(value).collect()
    }

    /// Checks the `Authorization` values of a request against those who may.
    pub(super) fn check<'a>(
        &mut self,
        now: Duration,
        method: &str,
        values: impl IntoIterator<Item = &'a str>,
        known: &[(usize, &Credentials)],
    ) -> Shown {
        let mut shown = Shown::Nothing;
        for value in values {
            let Some(params) = params_of(value) else { continue };
            if param(&params, "realm") != Some(self.realm.as_str()) {
                // For another server on the way (RFC 3261 22.3).
                continue;
            }
            shown = self.check_one(now, method, &params, known).unwrap_or(Shown::Wrong);
            if let Shown::Known(_) = shown {
                break;
            }
        }
        shown
    }

    /// `None` if it proves nothing.
    fn check_one(
        &mut self,
        now: Duration,
        method: &str,
        params: &[(String, String)],
        known: &[(usize, &Credentials)],
    ) -> Option<Shown> {
        let need = |name| param(params, name);
        let algorithm = algorithm_of(need("algorithm")).filter(|it| self.offered.contains(it))?;
        let (nonce, uri, response) = (need("nonce")?, need("uri")?, need("response")?);
        // Without a count a proof could be repeated; all that speak RFC 3261 have one.
        let (count, ours) = (need("nc")?, need("cnonce")?);
        let counts = count.len() == 8 && count.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !counts || !need("qop")?.eq_ignore_ascii_case("auth") {
            return None;
        }
        let issued = self.issued(nonce)?;
        let username = need("username")?;
        let what = Proof { method, uri, nonce, counted: Some((count, ours)) };
        let response = response.to_ascii_lowercase();
        // Two trunks may have one name, and a password each.
        let (index, _) = known
            .iter()
            .filter(|(_, who)| who.username == username)
            .find(|(_, who)| same(&proof(algorithm, who, &self.realm, &what), &response))?;
        let count = u32::from_str_radix(count, 16).ok()?;
        let is_old = issued + NONCE_LIFE < now || (issued <= self.floor && !self.floor.is_zero());
        let is_used = self.counts.get(nonce).is_some_and(|(_, last)| count <= *last);
        if is_old || is_used {
            return Some(Shown::Stale);
        }
        self.note(now, nonce, issued, count);
        Some(Shown::Known(*index))
    }

    fn note(&mut self, now: Duration, nonce: &str, issued: Duration, count: u32) {
        if self.counts.len() >= NONCES_MAX && !self.counts.contains_key(nonce) {
            self.counts.retain(|_, (issued, _)| *issued + NONCE_LIFE >= now);
            let oldest = self.counts.iter().min_by_key(|(_, (issued, _))| *issued);
            if self.counts.len() >= NONCES_MAX
                && let Some((oldest, floor)) = oldest.map(|(key, value)| (key.clone(), value.0))
            {
                self.floor = floor;
                self.counts.remove(&oldest);
            }
        }
        self.counts.insert(nonce.to_owned(), (issued, count));
    }
}

/// Compares without telling by the time it takes how much was right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(username: &str, password: &str) -> Credentials {
        Credentials { username: username.to_owned(), password: Pii::new(password.to_owned()) }
    }

    /// The example of RFC 7616 section 3.9.1.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let mufasa = who("Mufasa", "Circle of Life");
        let what = Proof {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            counted: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        for (algorithm, expected) in [
            (DigestAlgorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                DigestAlgorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            assert_eq!(proof(algorithm, &mufasa, "http-auth@example.org", &what), expected);
        }
    }

    /// What a peer of ours answers to the challenge in `value`.
    fn answer(value: &str, who: &Credentials, count: u32) -> String {
        let challenge = Challenge::first_known([value]).expect("we know our own");
        challenge.answer(who, "INVITE", "sip:bank@h", "abc", count)
    }

    #[test]
    fn who_knows_the_password_is_known_with_either_hash() {
        let mut examiner = Examiner::new("frontdoor", DigestAlgorithm::ALL.to_vec(), [7; 32]);
        let (pbx, other) = (who("pbx", "s\"ecret"), who("other", "x"));
        let known = [(3, &pbx), (4, &other)];
        let now = Duration::from_secs(10);
        for (at, value) in examiner.challenges(now, 1, false).iter().enumerate() {
            let given = answer(value, &pbx, 1 + u32::try_from(at).unwrap());
            let shown = examiner.check(now, "INVITE", [given.as_str()], &known);
            assert_eq!(shown, Shown::Known(3), "{value}");
        }
        let value = &examiner.challenges(now, 2, false)[0];
        let good = answer(value, &other, 1);
        for (given, expected) in [
            (answer(value, &who("other", "y"), 1), Shown::Wrong),
            (answer(value, &who("nobody", "x"), 1), Shown::Wrong),
            (good.replace("realm=\"frontdoor\"", "realm=\"else\""), Shown::Nothing),
            (good.replace("Digest", "Basic"), Shown::Nothing),
            (good.replace("qop=auth", "qop=auth-int"), Shown::Wrong),
            (good.replace("nc=00000001", "nc=1"), Shown::Wrong),
            (good.replace("nonce=\"", "nonce=\"1"), Shown::Wrong),
            (good.replace(", algorithm=SHA-256", ""), Shown::Wrong),
            (good.clone(), Shown::Known(4)),
        ] {
            let shown = examiner.check(now, "INVITE", [given.as_str()], &known);
            assert_eq!(shown, expected, "{given}");
        }
        assert_eq!(examiner.check(now, "BYE", [good.as_str()], &known), Shown::Wrong);
        assert_eq!(examiner.check(now, "INVITE", [], &known), Shown::Nothing);
    }

    #[test]
    fn what_is_not_offered_proves_nothing() {
        let now = Duration::from_secs(10);
        let pbx = who("pbx", "secret");
        let both = Examiner::new("frontdoor", DigestAlgorithm::ALL.to_vec(), [7; 32]);
        let offered = both.challenges(now, 1, false);
        for (at, only) in DigestAlgorithm::ALL.into_iter().enumerate() {
            let mut examiner = Examiner::new("frontdoor", vec![only], [7; 32]);
            assert_eq!(examiner.challenges(now, 1, false), [offered[at].clone()]);
            for (of, value) in offered.iter().enumerate() {
                let given = answer(value, &pbx, 1);
                let shown = examiner.check(now, "INVITE", [given.as_str()], &[(0, &pbx)]);
                let expected = if of == at { Shown::Known(0) } else { Shown::Wrong };
                assert_eq!(shown, expected, "{only:?}: {given}");
            }
        }
    }

    #[test]
    fn an_answer_counts_once_and_not_for_long() {
        let mut examiner = Examiner::new("frontdoor", DigestAlgorithm::ALL.to_vec(), [7; 32]);
        let pbx = who("pbx", "secret");
        let known = [(0, &pbx)];
        let start = Duration::from_secs(10);
        let value = examiner.challenges(start, 1, false)[1].clone();
        let mut shown = |count, now: Duration| {
            let given = answer(&value, &pbx, count);
            examiner.check(now, "INVITE", [given.as_str()], &known)
        };
        assert_eq!(shown(1, start), Shown::Known(0));
        assert_eq!(shown(1, start), Shown::Stale, "it is repeated");
        assert_eq!(shown(3, start), Shown::Known(0));
        assert_eq!(shown(2, start), Shown::Stale, "it is out of order");
        assert_eq!(shown(4, start + NONCE_LIFE), Shown::Known(0));
        let late = start + NONCE_LIFE + Duration::from_secs(1);
        assert_eq!(shown(5, late), Shown::Stale);
        let challenges = examiner.challenges(late, 9, true);
        assert!(Challenge::first_known([challenges[0].as_str()]).unwrap().is_stale);
    }

    #[test]
    fn the_counts_kept_are_bounded_and_a_forgotten_one_is_stale() {
        let mut examiner = Examiner::new("frontdoor", DigestAlgorithm::ALL.to_vec(), [7; 32]);
        let pbx = who("pbx", "secret");
        let known = [(0, &pbx)];
        let at = |number: usize| Duration::from_millis(1000 + number as u64);
        let mut first = None;
        for number in 0..=NONCES_MAX {
            let now = at(number);
            let value = examiner.challenges(now, 1, false)[1].clone();
            let given = answer(&value, &pbx, 1);
            assert_eq!(examiner.check(now, "INVITE", [given.as_str()], &known), Shown::Known(0));
            first.get_or_insert(given);
        }
        assert_eq!(examiner.counts.len(), NONCES_MAX);
        let again = first.unwrap();
        let shown = examiner.check(at(NONCES_MAX), "INVITE", [again.as_str()], &known);
        assert_eq!(shown, Shown::Stale);
    }

    #[test]
    fn challenges_that_cannot_be_answered_are_passed_over() {
        let known = "Digest realm=\"a, b\", nonce=\"n\", algorithm=MD5, stale=true";
        let values = [
            "Basic realm=\"x\"",
            "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-512-256",
            "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"",
            known,
        ];
        let challenge = Challenge::first_known(values).expect("the last one");
        assert_eq!((challenge.realm.as_str(), challenge.is_stale), ("a, b", true));
        // Without qop it is the answer of old (RFC 2069), and has no count.
        let given = challenge.answer(&who("u", "p"), "REGISTER", "sip:h", "c", 1);
        assert!(!given.contains("nc=") && given.contains("algorithm=MD5"), "{given}");
    }
}
