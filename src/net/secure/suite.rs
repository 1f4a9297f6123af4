//! The suites that protect media, and their keys, which are never shown.

use std::fmt;

use rtc_srtp::protection_profile::ProtectionProfile;
use zeroize::Zeroizing;

/// How packets are encrypted and authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, 80-bit HMAC-SHA1 (RFC 3711): what everybody speaks.
    Aes128CmSha1x80,
    /// The same with a 32-bit tag on RTP; RTCP keeps 80 bits (RFC 4568 section 6.2.2).
    Aes128CmSha1x32,
    /// AES-256 in counter mode, 80-bit HMAC-SHA1 (RFC 6188).
    Aes256CmSha1x80,
    /// AES-128 in Galois/counter mode (RFC 7714).
    Aes128Gcm,
    /// AES-256 in Galois/counter mode (RFC 7714).
    Aes256Gcm,
}

impl Suite {
    /// All of them, the best first: the order of our offers.
    pub const ALL: [Self; 5] = [
        Self::Aes256Gcm,
        Self::Aes128Gcm,
        Self::Aes256CmSha1x80,
        Self::Aes128CmSha1x80,
        Self::Aes128CmSha1x32,
    ];

    /// Its registered name, as in `a=crypto` lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128CmSha1x80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes128CmSha1x32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256CmSha1x80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes128Gcm => "AEAD_AES_128_GCM",
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of this name, in any case (RFC 4568 section 9.1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Length of the master key in bytes.
    pub fn key_len(self) -> usize {
        self.profile().key_len()
    }

    /// Length of the master salt in bytes.
    pub fn salt_len(self) -> usize {
        self.profile().salt_len()
    }

    pub(super) const fn profile(self) -> ProtectionProfile {
        match self {
            Self::Aes128CmSha1x80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::Aes128CmSha1x32 => ProtectionProfile::Aes128CmHmacSha1_32,
            Self::Aes256CmSha1x80 => ProtectionProfile::Aes256CmHmacSha1_80,
            Self::Aes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Self::Aes256Gcm => ProtectionProfile::AeadAes256Gcm,
        }
    }
}

/// A master key with its salt. It cannot be printed, and its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    bytes: Zeroizing<Vec<u8>>,
    key_len: usize,
}

impl MasterKey {
    /// A key followed by its salt; `None` if the length is not that of the suite.
    pub fn new(suite: Suite, key_and_salt: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(key_and_salt);
        let key_len = suite.key_len();
        (bytes.len() == key_len + suite.salt_len()).then_some(Self { bytes, key_len })
    }

    /// A fresh key from the system's generator.
    pub fn random(suite: Suite) -> Self {
        let key_len = suite.key_len();
        let mut bytes = Zeroizing::new(vec![0_u8; key_len + suite.salt_len()]);
        rand::fill(bytes.as_mut_slice());
        Self { bytes, key_len }
    }

    /// The key and its salt in one: only for what goes to the other side.
    pub(in crate::net) fn expose(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.bytes[self.key_len..]
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_lengths_are_those_of_the_rfcs() {
        let lengths = [
            ("AES_CM_128_HMAC_SHA1_80", 16, 14),
            ("AES_CM_128_HMAC_SHA1_32", 16, 14),
            ("AES_256_CM_HMAC_SHA1_80", 32, 14),
            ("AEAD_AES_128_GCM", 16, 12),
            ("AEAD_AES_256_GCM", 32, 12),
        ];
        for (name, key_len, salt_len) in lengths {
            let suite = Suite::parse(&name.to_lowercase()).expect(name);
            assert_eq!(
                (suite.name(), suite.key_len(), suite.salt_len()),
                (name, key_len, salt_len)
            );
            let key = MasterKey::random(suite);
            assert_eq!((key.key().len(), key.salt().len()), (key_len, salt_len));
            assert_ne!(key, MasterKey::random(suite));
            assert_eq!(MasterKey::new(suite, key.expose().to_vec()), Some(key));
            assert_eq!(MasterKey::new(suite, vec![7; key_len + salt_len - 1]), None);
        }
        assert_eq!(Suite::parse("F8_128_HMAC_SHA1_80"), None);
    }

    #[test]
    fn keys_do_not_print() {
        let key = MasterKey::new(Suite::Aes128Gcm, vec![0x41; 28]).expect("the right length");
        assert_eq!(format!("{key:?}"), "[redacted]");
    }
}
