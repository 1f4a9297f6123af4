//! What a request of ours proves, where a proxy (407) or its end (401) asks for it (RFC 3261 22.2,
//! 22.3), and when to stop. Pure.
//!
//! A challenge is answered once for each realm, and once more if its nonce has become stale: who asks
//! again for another reason does not know the password, or never will be satisfied.

use super::digest::{Challenge, Credentials};

/// Realms on the way of one request that are answered.
const REALMS_MAX: usize = 3;

/// Where proofs are asked for, and where they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    End,
    Proxy,
}

impl Place {
    fn of_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::End),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    fn proof_header(self) -> &'static str {
        match self {
            Self::End => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

/// The header that the challenges of a refusal stand in; `None` if it asks for no proof.
pub(super) fn challenge_header(status: u16) -> Option<&'static str> {
    Place::of_status(status).map(|place| match place {
        Place::End => "WWW-Authenticate",
        Place::Proxy => "Proxy-Authenticate",
    })
}

/// Whether a header holds a proof, which is made anew each time.
pub(super) fn is_proof(header: &str) -> bool {
    [Place::End, Place::Proxy].iter().any(|place| header.eq_ignore_ascii_case(place.proof_header()))
}

/// One realm, and what it has been shown.
struct Login {
    place: Place,
    challenge: Challenge,
    /// How often this nonce was answered.
    count: u32,
    was_stale: bool,
}

/// The proofs of one request and its repetitions.
pub(super) struct Logins {
    /// `None`: no challenge can be answered.
    who: Option<Credentials>,
    logins: Vec<Login>,
}

impl Logins {
    pub(super) fn new(who: Option<Credentials>) -> Self {
        Self { who, logins: Vec::new() }
    }

    /// Takes the challenges that came with a 401 or 407; whether the request is worth another try.
    pub(super) fn handle_challenges<'a>(
        &mut self,
        status: u16,
        values: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        let Some(place) = Place::of_status(status).filter(|_| self.who.is_some()) else {
            return false;
        };
        let Some(challenge) = Challenge::first_known(values) else { return false };
        let is_it =
            |login: &Login| login.place == place && login.challenge.realm == challenge.realm;
        match self.logins.iter().position(is_it) {
            Some(at) if challenge.is_stale && !self.logins[at].was_stale => {
                self.logins[at] = Login { place, challenge, count: 0, was_stale: true };
                true
            }
            Some(_) => false,
            None if self.logins.len() < REALMS_MAX => {
                self.logins.push(Login { place, challenge, count: 0, was_stale: false });
                true
            }
            None => false,
        }
    }

    /// Names and values of the headers for the next try; `ours` must be new each time.
    pub(super) fn proofs(
        &mut self,
        method: &str,
        uri: &str,
        ours: &str,
    ) -> Vec<(&'static str, String)> {
        let Some(who) = &self.who else { return Vec::new() };
        let prove = |login: &mut Login| {
            login.count += 1;
            let value = login.challenge.answer(who, method, uri, ours, login.count);
            (login.place.proof_header(), value)
        };
        self.logins.iter_mut().map(prove).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pii;

    fn ann() -> Option<Credentials> {
        let (username, password) = ("ann".to_owned(), Pii::new("secret".to_owned()));
        Some(Credentials { username, password })
    }

    fn challenge(realm: &str, nonce: &str, more: &str) -> String {
        format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\"{more}")
    }

    /// Whether each of these is worth another try, one after the other.
    fn tries(challenges: &[(u16, &str, &str, &str)]) -> Vec<bool> {
        let mut logins = Logins::new(ann());
        let mut tried = Vec::new();
        for (status, realm, nonce, more) in challenges {
            let value = challenge(realm, nonce, more);
            tried.push(logins.handle_challenges(*status, [value.as_str()]));
        }
        tried
    }

    #[test]
    fn nobody_is_asked_again_and_again() {
        let stale = ", stale=true";
        // A wrong password.
        assert_eq!(tries(&[(401, "a", "1", ""), (401, "a", "2", "")]), [true, false]);
        let both = [(407, "a", "1", ""), (401, "a", "2", ""), (407, "a", "3", "")];
        assert_eq!(tries(&both), [true, true, false]);
        let old = [(401, "a", "1", ""), (401, "a", "2", stale), (401, "a", "3", stale)];
        assert_eq!(tries(&old), [true, true, false]);
        let realms = [(401, "a", "1", ""), (401, "b", "1", ""), (401, "c", "1", "")];
        assert_eq!(tries(&realms), [true; 3]);
        let many: Vec<_> = realms.into_iter().chain([(401, "d", "1", "")]).collect();
        assert_eq!(tries(&many), [true, true, true, false]);
        assert_eq!(tries(&[(403, "a", "1", ""), (401, "a", "1", ", algorithm=X")]), [false; 2]);
    }

    #[test]
    fn without_a_password_nothing_is_tried() {
        let mut logins = Logins::new(None);
        assert!(!logins.handle_challenges(401, [challenge("a", "1", "").as_str()]));
        assert!(logins.proofs("INVITE", "sip:h", "c").is_empty());
    }

    #[test]
    fn each_place_has_its_header_and_each_nonce_its_count() {
        let mut logins = Logins::new(ann());
        assert!(logins.proofs("INVITE", "sip:h", "c").is_empty());
        for (status, nonce) in [(407, "p"), (401, "e")] {
            assert!(logins.handle_challenges(status, [challenge("a", nonce, "").as_str()]));
        }
        for count in ["nc=00000001", "nc=00000002"] {
            let proofs = logins.proofs("INVITE", "sip:h", "c");
            let names: Vec<_> = proofs.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["Proxy-Authorization", "Authorization"]);
            for ((name, value), nonce) in proofs.iter().zip(["nonce=\"p\"", "nonce=\"e\""]) {
                assert!(is_proof(name));
                assert!(value.contains(count) && value.contains(nonce), "{value}");
                assert!(value.contains("uri=\"sip:h\""), "{value}");
            }
        }
        // A new nonce is counted from the beginning.
        let renewed = challenge("a", "n", ", stale=TRUE");
        assert!(logins.handle_challenges(401, [renewed.as_str()]));
        let proofs = logins.proofs("INVITE", "sip:h", "c");
        assert!(proofs[0].1.contains("nc=00000003"), "{}", proofs[0].1);
        assert!(proofs[1].1.contains("nc=00000001"), "{}", proofs[1].1);
        assert!(!is_proof("WWW-Authenticate"));
        assert_eq!(challenge_header(407), Some("Proxy-Authenticate"));
        assert_eq!(challenge_header(486), None);
    }
}
