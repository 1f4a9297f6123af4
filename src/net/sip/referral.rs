//! What we say when we ask for a transfer: REFER (RFC 3515), with Replaces (RFC 3891) and the id of a
//! hand-off (RFC 7433) in the URI to be called. What comes of it is in `following`. Pure.

use std::fmt;

use super::SipError;
use super::address::SipUri;
use super::dialog::DialogKey;
use super::wire::is_token;

/// The header that carries an id to whoever is called (RFC 7433).
const USER_TO_USER: &str = "User-to-User";

/// Extra headers of one request, and the characters of one: a datagram has room for some ids.
const HEADERS_MAX: usize = 8;
const HEADER_CHARS_MAX: usize = 512;

/// Headers that we write ourselves, or that would change what a request means.
const OWN_HEADERS: [&str; 34] = [
    "accept",
    "allow",
    "allow-events",
    "authorization",
    "call-id",
    "contact",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-type",
    "cseq",
    "event",
    "expires",
    "from",
    "max-forwards",
    "min-se",
    "path",
    "proxy-authorization",
    "proxy-require",
    "rack",
    "record-route",
    "refer-sub",
    "refer-to",
    "referred-by",
    "replaces",
    "require",
    "route",
    "rseq",
    "session-expires",
    "subscription-state",
    "supported",
    "to",
    "user-agent",
    "via",
];

/// Header lines of ours on an INVITE or a REFER, for instance `User-to-User` or an `X-` header. It
/// prints the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraHeaders(Vec<(String, String)>);

impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl ExtraHeaders {
    /// Names and values, in the order in which they are sent.
    ///
    /// # Errors
    /// [`SipError::BadHeader`]: a name is none, or one that is written here; a value is empty, too
    /// long, or not of one line of ASCII; or there are too many.
    pub fn new(headers: Vec<(String, String)>) -> Result<Self, SipError> {
        if let Some((name, _)) = headers.get(HEADERS_MAX) {
            return Err(SipError::BadHeader { name: name.clone(), why: "there are too many" });
        }
        for (name, value) in &headers {
            if let Some(why) = objection(name, value) {
                return Err(SipError::BadHeader { name: name.clone(), why });
            }
        }
        Ok(Self(headers))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Why a header cannot be sent.
fn objection(name: &str, value: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if !is_token(name) {
        return Some("the name is not a word that a header can have");
    }
    // Names of one letter are short for others (RFC 3261 7.3.3).
    if name.len() < 2 || OWN_HEADERS.contains(&lower.as_str()) {
        return Some("it is written by frontdoor itself");
    }
    if value.trim().is_empty() {
        return Some("the value is empty");
    }
    if value.len() > HEADER_CHARS_MAX {
        return Some("the value is too long");
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Some("the value is not of one line of ASCII");
    }
    None
}

/// The `User-to-User` value for an opaque id: its bytes in hexadecimal (RFC 7433 4.1).
pub fn user_to_user(id: &str) -> String {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex};encoding=hex;purpose=frontdoor")
}

/// Names a call of ours in the words of its other side, so that somebody can take our place in it
/// (RFC 3891). It prints the Call-ID only: who knows the tags could take the call over.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplacesId {
    call_id: String,
    to_tag: String,
    from_tag: String,
}

impl fmt::Debug for ReplacesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplacesId").field(&self.call_id).finish()
    }
}

impl ReplacesId {
    /// Whoever gets the INVITE looks for its own tag in `to-tag`, and for ours in `from-tag`
    /// (RFC 3891 3).
    pub(super) fn of(key: &DialogKey) -> Self {
        Self {
            call_id: key.call_id.clone(),
            to_tag: key.remote_tag.clone(),
            from_tag: key.local_tag.clone(),
        }
    }

    fn value(&self) -> String {
        format!("{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)
    }
}

/// A transfer to ask for. It has no `Debug`: the address may be a person's.
#[derive(Clone)]
pub struct Referral {
    /// Whom the other side is to call: a `sip:` or `sips:` URI.
    pub target_uri: String,
    /// The call that it is to take over there; `None` for a blind transfer.
    pub replaces: Option<ReplacesId>,
    /// What its INVITE is to carry. `User-to-User` goes on the REFER as well.
    pub headers: ExtraHeaders,
}

impl Referral {
    /// The `Refer-To` value: the URI with all that the INVITE is to carry (RFC 3261 19.1.1).
    ///
    /// # Errors
    /// [`SipError::BadTarget`]: it is no SIP URI.
    pub(super) fn refer_to(&self) -> Result<String, SipError> {
        let uri = self.target_uri.trim();
        let is_word = uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
        if !is_word || SipUri::parse(uri).is_none() {
            return Err(SipError::BadTarget { uri: self.target_uri.clone().into() });
        }
        // A question mark before the host belongs to the user part.
        let (_, behind_user) = uri.split_once('@').unwrap_or(("", uri));
        let mut joint = if behind_user.contains('?') { '&' } else { '?' };
        let mut text = format!("<{uri}");
        let replaces = self.replaces.as_ref().map(ReplacesId::value);
        let replaces = replaces.iter().map(|value| ("Replaces", value.as_str()));
        for (name, value) in replaces.chain(self.headers.iter()) {
            text.push(joint);
            text.push_str(&format!("{}={}", escaped(name), escaped(value)));
            joint = '&';
        }
        text.push('>');
        Ok(text)
    }

    /// What goes on the REFER itself (RFC 7433 4.2).
    pub(super) fn own_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(USER_TO_USER))
    }
}

/// Text as it stands in a header of a URI (RFC 3261 25.1 `hvalue`). All that may be encoded is: there
/// are parsers that stop at the first colon.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&str, &str)]) -> Result<ExtraHeaders, SipError> {
        let owned = of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ExtraHeaders::new(owned.collect())
    }

    #[test]
    fn an_id_is_written_in_hexadecimal() {
        assert_eq!(user_to_user("h-7\u{e9}"), "682d37c3a9;encoding=hex;purpose=frontdoor");
    }

    #[test]
    fn headers_that_could_break_a_request_are_refused() {
        for (name, value, words) in [
            ("X-Id", "a\r\nVia: b", "one line"),
            ("X-Id", "a\nb", "one line"),
            ("X-Id", "a\0", "one line"),
            ("X-Id", "\u{e9}", "one line"),
            ("X-Id", "  ", "empty"),
            ("X Id", "a", "not a word"),
            ("X-Id:", "a", "not a word"),
            ("", "a", "not a word"),
            ("Via", "a", "itself"),
            ("ROUTE", "<sip:evil.example;lr>", "itself"),
            ("r", "<sip:evil.example>", "itself"),
        ] {
            let error = headers(&[(name, value)]).expect_err("it is refused").to_string();
            assert!(error.contains(words), "{name:?}: {value:?}: {error}");
        }
        let long = "a".repeat(HEADER_CHARS_MAX + 1);
        assert!(headers(&[("X-Id", long.as_str())]).is_err());
        assert!(headers(&[("X-Id", &long[1..])]).is_ok());
        assert!(headers(&[("X-Id", "a"); HEADERS_MAX]).is_ok());
        assert!(headers(&[("X-Id", "a"); HEADERS_MAX + 1]).is_err());
        let fine = headers(&[("X-Id", "a b;c=\"d\""), ("User-to-User", "00")]).unwrap();
        assert_eq!(format!("{fine:?}"), r#"["X-Id", "User-to-User"]"#);
    }

    #[test]
    fn what_the_invite_is_to_carry_stands_escaped_in_the_uri() {
        let replaces = ReplacesId {
            call_id: "a4@[::1]".to_owned(),
            to_tag: "t;1".to_owned(),
            from_tag: "f~2".to_owned(),
        };
        let both = headers(&[("User-to-User", "00ff;encoding=hex"), ("X-Id", "a&b=c d%?")]);
        let cases = [
            ("sip:agent@pbx.example", None, Ok(ExtraHeaders::default()), ""),
            (
                "sip:agent@pbx.example;transport=tcp",
                Some(replaces.clone()),
                Ok(ExtraHeaders::default()),
                "?Replaces=a4%40%5B%3A%3A1%5D%3Bto-tag%3Dt%3B1%3Bfrom-tag%3Df~2",
            ),
            (
                "sips:100?x@pbx.example",
                None,
                both,
                "?User-to-User=00ff%3Bencoding%3Dhex&X-Id=a%26b%3Dc%20d%25%3F",
            ),
            (
                "sip:agent@pbx.example?Subject=x",
                Some(replaces),
                headers(&[("X-Id", "1")]),
                "&Replaces=a4%40%5B%3A%3A1%5D%3Bto-tag%3Dt%3B1%3Bfrom-tag%3Df~2&X-Id=1",
            ),
        ];
        for (uri, replaces, headers, behind) in cases {
            let headers = headers.expect("they can be sent");
            let referral = Referral { target_uri: uri.to_owned(), replaces, headers };
            assert_eq!(referral.refer_to().expect("it is one"), format!("<{uri}{behind}>"));
        }
        for bad in ["", "agent", "tel:+1555", "sip:a b@h", "sip:a@h>;x=<", "sip:\u{e9}@h", "sip:a@"]
        {
            let (target_uri, headers) = (bad.to_owned(), ExtraHeaders::default());
            let error = Referral { target_uri, replaces: None, headers }.refer_to();
            assert!(matches!(error, Err(SipError::BadTarget { .. })), "{bad}: {error:?}");
        }
    }

    #[test]
    fn only_user_to_user_goes_on_the_refer_itself() {
        let headers = headers(&[("X-Id", "1"), ("user-to-user", "00")]).unwrap();
        let target_uri = "sip:agent@h".to_owned();
        let referral = Referral { target_uri, replaces: None, headers };
        assert_eq!(referral.own_headers().collect::<Vec<_>>(), [("user-to-user", "00")]);
    }

    #[test]
    fn a_call_is_named_as_its_other_side_knows_it() {
        let key = DialogKey {
            call_id: "c".to_owned(),
            local_tag: "ours".to_owned(),
            remote_tag: "theirs".to_owned(),
        };
        let named = ReplacesId::of(&key);
        assert_eq!(named.value(), "c;to-tag=theirs;from-tag=ours");
        assert_eq!(format!("{named:?}"), r#"ReplacesId("c")"#);
    }
}
