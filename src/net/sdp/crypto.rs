//! `a=crypto` lines: SRTP keys in the session description (SDES, RFC 4568).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::net::secure::{LIFETIME_MAX, MasterKey, Suite};

use super::clip;

/// Tags have at most nine digits (RFC 4568 section 9.1).
const TAG_LEN_MAX: usize = 9;

/// A key that the other side will protect its packets with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CryptoLine {
    pub tag: u32,
    pub suite: Suite,
    pub key: MasterKey,
    /// Packets that the key may protect.
    pub lifetime: u64,
}

/// Reads what stands after `a=crypto:`.
///
/// # Errors
/// Why we cannot do what the line asks for, in words for the other side's engineer. They never hold
/// the key.
pub(super) fn parse(value: &str) -> Result<CryptoLine, String> {
    let mut fields = value.split_whitespace();
    let (Some(tag), Some(name), Some(keys)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("a crypto line is: tag suite inline:key".to_owned());
    };
    let is_tag = tag.len() <= TAG_LEN_MAX && tag.bytes().all(|byte| byte.is_ascii_digit());
    let tag = tag.parse::<u32>().ok().filter(|_| is_tag);
    let tag = tag.ok_or("the tag of a crypto line is not a number of up to 9 digits")?;
    let refuse = |why: &str| Err(format!("crypto {tag}: {why}"));
    let Some(suite) = Suite::parse(name) else {
        return Err(format!("crypto {tag}: the suite {:?} is none of ours", clip(name)));
    };
    let (method, info) = keys.split_once(':').unwrap_or((keys, ""));
    if !method.eq_ignore_ascii_case("inline") {
        return refuse("the key is not given inline");
    }
    if info.contains(';') {
        return refuse("several keys in one line need an MKI, which we do not speak");
    }
    for parameter in fields {
        if !is_harmless(parameter) {
            return Err(format!(
                "crypto {tag}: the parameter {:?} is not supported",
                clip(parameter)
            ));
        }
    }
    let mut parts = info.split('|');
    let key = parts.next().and_then(|text| decode(suite, text));
    let Some(key) = key else {
        let len = suite.key_len() + suite.salt_len();
        return Err(format!("crypto {tag}: the key is not {len} bytes in base64"));
    };
    let mut lifetime = LIFETIME_MAX;
    if let Some(part) = parts.next() {
        if part.contains(':') {
            return refuse("an MKI is asked for, which we do not speak");
        }
        match parse_lifetime(part) {
            Some(packets) => lifetime = packets,
            None => return refuse("the lifetime is not a number from 1 to 2^48"),
        }
    }
    if parts.next().is_some() {
        return refuse("an MKI is asked for, which we do not speak");
    }
    Ok(CryptoLine { tag, suite, key, lifetime })
}

/// A line that tells the other side what we protect our packets with.
pub(super) fn line(tag: u32, suite: Suite, key: &MasterKey) -> String {
    let inline = Zeroizing::new(STANDARD.encode(key.expose()));
    format!("a=crypto:{tag} {} inline:{}", suite.name(), *inline)
}

/// Some phones leave out the padding, which 46 bytes (a 256-bit key with its salt) need.
fn decode(suite: Suite, text: &str) -> Option<MasterKey> {
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    MasterKey::new(suite, bytes)
}

/// `2^31` or `65536` packets.
fn parse_lifetime(text: &str) -> Option<u64> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let packets = match text.strip_prefix("2^") {
        Some(power) if is_number(power) => 1_u64.checked_shl(power.parse().ok()?)?,
        Some(_) => return None,
        None if is_number(text) => text.parse().ok()?,
        None => return None,
    };
    (1..=LIFETIME_MAX).contains(&packets).then_some(packets)
}

/// Whether a session parameter changes nothing for us: a hint at the replay window, of which ours is
/// the larger, or one that may be ignored (RFC 4568 sections 6.3.7 and 6.3.8).
fn is_harmless(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.to_ascii_uppercase().starts_with("WSH=")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the example in RFC 4568 section 6.1.
    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn lines_of_the_rfc_and_of_phones_are_read() {
        let cases = [
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), 1, LIFETIME_MAX),
            (format!("2 aes_cm_128_hmac_sha1_32 INLINE:{KEY}|2^20"), 2, 1 << 20),
            (format!("30 AES_CM_128_HMAC_SHA1_80  inline:{KEY}|1000 WSH=128 -X=1"), 30, 1000),
        ];
        for (value, tag, lifetime) in cases {
            let read = parse(&value).expect(&value);
            assert_eq!((read.tag, read.lifetime), (tag, lifetime));
            assert_eq!(read.key.expose()[..8], *b"YS___sem");
        }
    }

    #[test]
    fn our_lines_read_back() {
        for suite in Suite::ALL {
            let key = MasterKey::random(suite);
            let written = line(3, suite, &key);
            let value = written.strip_prefix("a=crypto:").expect("a crypto line");
            let expected = CryptoLine { tag: 3, suite, key, lifetime: LIFETIME_MAX };
            assert_eq!(parse(value), Ok(expected.clone()));
            assert_eq!(parse(value.trim_end_matches('=')), Ok(expected));
        }
    }

    #[test]
    fn what_we_cannot_honour_is_refused_in_words_without_the_key() {
        let suite = "AES_CM_128_HMAC_SHA1_80";
        let cases = [
            (String::new(), "tag suite inline:key"),
            (format!("x {suite} inline:{KEY}"), "up to 9 digits"),
            (format!("+1 {suite} inline:{KEY}"), "up to 9 digits"),
            (format!("1234567890 {suite} inline:{KEY}"), "up to 9 digits"),
            (format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"), "\"F8_128_HMAC_SHA1_80\" is none"),
            (format!("1 {suite} uri:{KEY}"), "not given inline"),
            (format!("1 {suite} {KEY}"), "not given inline"),
            (format!("1 {suite} inline:{KEY}|2^20|1:4"), "MKI"),
            (format!("1 {suite} inline:{KEY}|1:4"), "MKI"),
            (format!("1 {suite} inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4"), "MKI"),
            (format!("1 {suite} inline:{KEY}|2^49"), "lifetime"),
            (format!("1 {suite} inline:{KEY}|2^64"), "lifetime"),
            (format!("1 {suite} inline:{KEY}|2^"), "lifetime"),
            (format!("1 {suite} inline:{KEY}|0"), "lifetime"),
            (format!("1 {suite} inline:{KEY} KDR=1"), "\"KDR=1\" is not supported"),
            (format!("1 {suite} inline:{KEY} UNENCRYPTED_SRTP"), "UNENCRYPTED_SRTP"),
            (format!("1 {suite} inline:{}", &KEY[4..]), "not 30 bytes"),
            (format!("1 AEAD_AES_128_GCM inline:{KEY}"), "not 28 bytes"),
            (format!("1 {suite} inline:*{}", &KEY[1..]), "not 30 bytes"),
        ];
        for (value, part) in cases {
            let why = parse(&value).expect_err(&value);
            assert!(why.contains(part), "{why} does not say {part}");
            assert!(!why.contains(&KEY[4..]), "{why} tells the key");
        }
    }
}
