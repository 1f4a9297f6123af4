//! Secrets: how they are made, compared, and what is kept of them.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

use crate::base::Pii;

/// Crockford's base 32 in small letters: none of its characters is taken for another.
const READABLE: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a password that is made here: 100 random bits.
const READABLE_LEN: usize = 20;
/// And how many of them stand together.
const READABLE_GROUP: usize = 5;

/// What is kept of a secret: its SHA-256. Those that are made here are too long to be guessed from
/// it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of this secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Whether this is the secret. Takes as long whatever is wrong with it.
    pub fn is_of(&self, given: &str) -> bool {
        let given = Self::of(given);
        let differing = self
            .0
            .iter()
            .zip(given.0)
            .fold(0_u8, |all, (ours, theirs)| std::hint::black_box(all | (ours ^ theirs)));
        differing == 0
    }

    /// In hexadecimal, as the store has it.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 256 random bits, as text that may stand in a cookie, a header and a URL.
pub(super) fn new_secret() -> Pii<String> {
    Pii::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// A password for somebody to type once: `9k2wq-…`.
pub fn readable_password() -> Pii<String> {
    let random = rand::random::<[u8; READABLE_LEN]>();
    // 32 divides 256: all characters are as likely.
    let characters = random.map(|byte| char::from(READABLE[usize::from(byte) % READABLE.len()]));
    let groups: Vec<String> =
        characters.chunks(READABLE_GROUP).map(|group| group.iter().collect()).collect();
    Pii::new(groups.join("-"))
}

/// What a page has to send along with whatever changes something, so that no other site can do it
/// with the browser's cookie. It follows from the session, and the session does not follow from it.
pub(super) fn csrf_of(session: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(session.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(b"frontdoor csrf");
    hex(&mac.finalize().into_bytes())
}

/// The token of `Authorization: Bearer ...` (RFC 6750 2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_its_secret_and_no_other() {
        let digest = Digest::of("s3cret");
        assert!(digest.is_of("s3cret"));
        for wrong in ["", "s3cres", "s3cret ", "S3cret"] {
            assert!(!digest.is_of(wrong), "{wrong}");
        }
        assert_eq!(
            Digest::of("abc").to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn secrets_differ_and_may_stand_anywhere() {
        let (one, other) = (new_secret().into_inner(), new_secret().into_inner());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{one}");
        assert_ne!(csrf_of(&one), csrf_of(&other));
        assert_eq!(csrf_of(&one).len(), 64);
        let password = readable_password().into_inner();
        assert_eq!(password.split('-').map(str::len).collect::<Vec<_>>(), [5; 4], "{password}");
    }

    #[test]
    fn only_a_bearer_has_a_token() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a value"));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(with("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(with("Basic abc"), None);
        assert_eq!(with("Bearer"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
