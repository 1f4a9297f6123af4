//! Decides what happens to a message before the SIP library sees it. Pure.
//!
//! The order follows RFC 3261 8.2: what cannot be read is refused first, then the method, the URI,
//! required extensions and the body. An ACK is never answered, whatever is wrong with it.

use super::address::{NameAddr, SipUri, split_list};
use super::counters::MalformedKind;
use super::reply::TopVia;
use super::wire::{ContentLength, RawMessage, StartLine};
use super::{ACCEPT, ALLOW};

/// What to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand it to the transaction layer.
    Pass,
    /// Answer without a transaction, and forget it.
    Refuse(Refusal),
    /// Count it and stay silent.
    Drop(MalformedKind),
}

/// What a caller is told when there is no room for another call.
pub(super) const RETRY_AFTER_S: u32 = 5;

/// A stateless answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) phrase: String,
    /// Headers beyond those every response has.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Set if the message was malformed, rather than just not for us.
    pub(super) malformed: Option<MalformedKind>,
}

impl Refusal {
    /// A 400 whose phrase says what is wrong (RFC 3261 21.4.1).
    pub(super) fn bad(kind: MalformedKind, phrase: impl Into<String>) -> Self {
        Self { status: 400, phrase: phrase.into(), headers: Vec::new(), malformed: Some(kind) }
    }

    /// There is no room for another call at present.
    pub(super) fn busy() -> Self {
        let later = vec![("Retry-After", RETRY_AFTER_S.to_string())];
        Self::plain(503, "Service Unavailable", later)
    }

    pub(super) fn plain(status: u16, phrase: &str, headers: Vec<(&'static str, String)>) -> Self {
        Self { status, phrase: phrase.to_owned(), headers, malformed: None }
    }
}

/// Headers every message has (RFC 3261 8.1.1). Max-Forwards is left out on purpose: old peers omit
/// it and nothing here forwards.
const MANDATORY: [(&str, &str); 5] =
    [("via", "Via"), ("from", "From"), ("to", "To"), ("call-id", "Call-ID"), ("cseq", "CSeq")];

/// Headers that may stand only once (RFC 3261 7.3.1, 20).
const SINGLE: [(&str, &str); 7] = [
    ("from", "From"),
    ("to", "To"),
    ("call-id", "Call-ID"),
    ("cseq", "CSeq"),
    ("content-length", "Content-Length"),
    ("content-type", "Content-Type"),
    ("max-forwards", "Max-Forwards"),
];

/// Judges a scanned message.
pub(super) fn judge(message: &RawMessage) -> Verdict {
    let StartLine::Request { method, uri, version } = &message.start else {
        return match readable(message) {
            Ok(()) => Verdict::Pass,
            Err(refusal) => Verdict::Drop(refusal.malformed.unwrap_or(MalformedKind::Parser)),
        };
    };
    let checks = || -> Result<(), Refusal> {
        version_is_ours(version)?;
        readable(message)?;
        method_is_ours(method)?;
        uri_is_ours(uri)?;
        contact_is_usable(message, method)?;
        extensions_are_known(message, method)?;
        body_is_understood(message, method)
    };
    let Err(refusal) = checks() else { return Verdict::Pass };
    let answerable = method != "ACK" && message.header("via").and_then(TopVia::parse).is_some();
    if answerable {
        return Verdict::Refuse(refusal);
    }
    Verdict::Drop(refusal.malformed.unwrap_or(MalformedKind::Parser))
}

fn version_is_ours(version: &str) -> Result<(), Refusal> {
    if version == "SIP/2.0" {
        return Ok(());
    }
    let mut refusal = Refusal::plain(505, "Version Not Supported", Vec::new());
    refusal.malformed = Some(MalformedKind::Version);
    Err(refusal)
}

/// Everything that both requests and responses must satisfy.
fn readable(message: &RawMessage) -> Result<(), Refusal> {
    use MalformedKind as Kind;
    if let Some(kind) = message.defect {
        let phrase = match kind {
            Kind::Framing => "No Empty Line After The Headers",
            Kind::Encoding => "Headers Are Not UTF-8",
            Kind::TooLarge => "Too Many Headers",
            _ => "Bad Header Line",
        };
        return Err(Refusal::bad(kind, phrase));
    }
    for (name, shown) in MANDATORY {
        if message.header(name).is_none_or(str::is_empty) {
            return Err(Refusal::bad(Kind::MissingHeader, format!("Missing {shown} Header")));
        }
    }
    for (name, shown) in SINGLE {
        if message.values(name).nth(1).is_some() {
            return Err(Refusal::bad(Kind::DoubledHeader, format!("Doubled {shown} Header")));
        }
    }
    match message.content_length() {
        ContentLength::Bad => {
            return Err(Refusal::bad(Kind::ContentLength, "Bad Content-Length"));
        }
        ContentLength::Bytes(length) if length > message.body.len() => {
            return Err(Refusal::bad(Kind::ContentLength, "Content-Length Beyond The Message"));
        }
        ContentLength::Bytes(_) | ContentLength::Absent => {}
    }
    // Nothing can be sent to port 0: the transaction layer would keep an answer for ever.
    if message.header("via").and_then(TopVia::parse).is_none_or(|via| via.port() == Some(0)) {
        return Err(Refusal::bad(Kind::Via, "Bad Via Header"));
    }
    cseq_matches(message)?;
    let from = message.header("from").and_then(NameAddr::parse);
    if from.as_ref().and_then(NameAddr::tag).is_none() {
        return Err(Refusal::bad(Kind::Party, "Bad From Header"));
    }
    let to = message.header("to").and_then(NameAddr::parse);
    if to.is_none_or(|to| to.param("tag").is_some() && to.tag().is_none()) {
        return Err(Refusal::bad(Kind::Party, "Bad To Header"));
    }
    if message.header("call-id").is_some_and(|id| id.contains([' ', '\t'])) {
        return Err(Refusal::bad(Kind::HeaderLine, "Bad Call-ID Header"));
    }
    let hops = message.header("max-forwards");
    if hops.is_some_and(|hops| hops.parse::<u8>().is_err()) {
        return Err(Refusal::bad(Kind::HeaderLine, "Bad Max-Forwards Header"));
    }
    Ok(())
}

/// CSeq is a number below 2^31 and a method, the request's own one (RFC 3261 8.1.1.5).
fn cseq_matches(message: &RawMessage) -> Result<(), Refusal> {
    let bad = || Refusal::bad(MalformedKind::CSeq, "Bad CSeq Header");
    let value = message.header("cseq").ok_or_else(bad)?;
    let mut words = value.split_ascii_whitespace();
    let (number, method) = (words.next().ok_or_else(bad)?, words.next().ok_or_else(bad)?);
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let fits = number.parse::<u64>().is_ok_and(|number| number < 1 << 31);
    if words.next().is_some() || !digits || !fits || !super::wire::is_token(method) {
        return Err(bad());
    }
    if message.method().is_some_and(|wanted| wanted != method) {
        return Err(Refusal::bad(MalformedKind::CSeq, "CSeq Method Does Not Match"));
    }
    Ok(())
}

fn method_is_ours(method: &str) -> Result<(), Refusal> {
    if ALLOW.split(", ").any(|known| known == method) {
        return Ok(());
    }
    Err(Refusal::plain(405, "Method Not Allowed", vec![("Allow", ALLOW.to_owned())]))
}

fn uri_is_ours(uri: &str) -> Result<(), Refusal> {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        // tel names the same callers; only sip and sips can be checked further here.
        Some("tel") if !uri.contains([' ', '<', '>', '"']) => Ok(()),
        Some("sip" | "sips") if SipUri::parse(uri).is_some() => Ok(()),
        Some("sip" | "sips" | "tel") | None => {
            Err(Refusal::bad(MalformedKind::Uri, "Bad Request-URI"))
        }
        Some(_) if uri.starts_with('<') || uri.contains([' ', '\t']) => {
            Err(Refusal::bad(MalformedKind::Uri, "Bad Request-URI"))
        }
        Some(_) => Err(Refusal::plain(416, "Unsupported URI Scheme", Vec::new())),
    }
}

/// An INVITE names where its later requests go (RFC 3261 8.1.1.8, 12.1.1).
fn contact_is_usable(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    if method != "INVITE" {
        return Ok(());
    }
    let Some(contact) = message.header("contact") else {
        return Err(Refusal::bad(MalformedKind::MissingHeader, "Missing Contact Header"));
    };
    let first = split_list(contact).into_iter().next().and_then(NameAddr::parse);
    match first.and_then(|contact| SipUri::parse(&contact.uri)) {
        Some(_) => Ok(()),
        None => Err(Refusal::bad(MalformedKind::Party, "Bad Contact Header")),
    }
}

/// No extension is supported, so any required one is refused (RFC 3261 8.2.2.3). CANCEL and ACK are
/// exempt there.
fn extensions_are_known(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    if matches!(method, "CANCEL" | "ACK") {
        return Ok(());
    }
    let required: Vec<&str> = message.values("require").flat_map(split_list).collect();
    if required.is_empty() {
        return Ok(());
    }
    Err(Refusal::plain(420, "Bad Extension", vec![("Unsupported", required.join(", "))]))
}

/// An INVITE's body must be plain SDP (RFC 3261 8.2.3); other methods' bodies are ignored.
fn body_is_understood(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    if method != "INVITE" || message.counted_body().is_empty() {
        return Ok(());
    }
    let encoding = message.header("content-encoding").unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        let headers = vec![("Accept-Encoding", "identity".to_owned())];
        return Err(Refusal::plain(415, "Unsupported Media Type", headers));
    }
    let kind = message.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let kind: String = kind.chars().filter(|c| !c.is_whitespace()).collect();
    let is_text = std::str::from_utf8(message.counted_body()).is_ok();
    if kind.eq_ignore_ascii_case(ACCEPT) && is_text {
        return Ok(());
    }
    let headers = vec![("Accept", ACCEPT.to_owned())];
    Err(Refusal::plain(415, "Unsupported Media Type", headers))
}

#[cfg(test)]
mod tests {
    use super::super::wire::scan;
    use super::*;

    const GOOD: &str = "INVITE sip:bank@127.0.0.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKx\r\n\
        From: <sip:ann@a.example>;tag=1\r\nTo: <sip:bank@127.0.0.1>\r\n\
        Call-ID: c1\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:ann@127.0.0.1:5061>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

    fn verdict(text: &str) -> Verdict {
        judge(&scan(text.as_bytes()).expect("the start line is one"))
    }

    /// The status the message is refused with; 0 for one that passes, 1 for one that is dropped.
    fn status(text: &str) -> u16 {
        match verdict(text) {
            Verdict::Pass => 0,
            Verdict::Refuse(refusal) => refusal.status,
            Verdict::Drop(_) => 1,
        }
    }

    #[test]
    fn each_defect_gets_its_own_answer() {
        // (what is replaced, by what, status)
        let cases = [
            ("", "", 0),
            ("Max-Forwards: 70\r\n", "", 0),
            ("Content-Length: 0\r\n", "", 0),
            ("Content-Length: 0", "Content-Length: -1", 400),
            ("Content-Length: 0", "Content-Length: 5", 400),
            ("Content-Length: 0\r\n", "Content-Length: 0\r\nl: 0\r\n", 400),
            ("Call-ID: c1\r\n", "", 400),
            ("Call-ID: c1\r\n", "Call-ID: c1\r\ni: c2\r\n", 400),
            ("CSeq: 1 INVITE\r\n", "CSeq: 1 INVITE\r\nCSeq: 2 INVITE\r\n", 400),
            ("CSeq: 1 INVITE\r\n", "", 400),
            ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS", 400),
            ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", 400),
            ("CSeq: 1 INVITE", "CSeq: -1 INVITE", 400),
            ("CSeq: 1 INVITE", "CSeq: INVITE", 400),
            (";tag=1", "", 400),
            ("From: <sip:ann@a.example>;tag=1", "From: <sip:ann@a.example;tag=1", 400),
            ("To: <sip:bank@127.0.0.1>\r\n", "", 400),
            ("To: <sip:bank@127.0.0.1>", "To: <sip:bank@127.0.0.1>;tag=", 400),
            ("Contact: <sip:ann@127.0.0.1:5061>\r\n", "", 400),
            ("Contact: <sip:ann@127.0.0.1:5061>", "Contact: *", 400),
            ("ann@127.0.0.1:5061>", "ann@127.0.0.1:5061;transport=tls>", 0),
            ("ann@127.0.0.1:5061>", "ann@127.0.0.1:5061;transport=ws>", 0),
            ("Contact: <sip:", "Contact: <sips:", 0),
            ("Max-Forwards: 70", "Max-Forwards: 256", 400),
            ("Max-Forwards: 70", "Max-Forwards: many", 400),
            ("sip:bank@127.0.0.1 SIP", "<sip:bank@127.0.0.1> SIP", 400),
            ("sip:bank@127.0.0.1 SIP", "sip:bank@ SIP", 400),
            ("sip:bank@127.0.0.1 SIP", "nobodyKnowsThisScheme:x SIP", 416),
            ("sip:bank@127.0.0.1 SIP", "tel:+15551234 SIP", 0),
            ("sip:bank@127.0.0.1 SIP", "sips:bank@127.0.0.1 SIP", 0),
            ("sip:bank@127.0.0.1 SIP", "sip:bank@127.0.0.1;transport=wss SIP", 0),
            ("sip:bank@127.0.0.1 SIP", "sips:bank@ SIP", 400),
            ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
            ("Content-Length: 0", "Require: 100rel, nope\r\nContent-Length: 0", 420),
            ("Content-Length: 0", "Proxy-Require: x\r\nContent-Length: 0", 0),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKx\r\n", "", 1),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061", "Via: HTTP 127.0.0.1:5061", 1),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061", "Via: SIP/2.0/UDP 127.0.0.1:0", 400),
        ];
        for (from, to, expected) in cases {
            assert_eq!(status(&GOOD.replacen(from, to, 1)), expected, "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn bodies_must_be_sdp() {
        let cases = [
            ("Content-Type: application/sdp\r\n", 0),
            ("c: APPLICATION/SDP ; charset=utf-8\r\n", 0),
            ("Content-Type: text/plain\r\n", 415),
            ("Content-Type: multipart/mixed;boundary=x\r\n", 415),
            ("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", 415),
            ("", 415),
        ];
        for (header, expected) in cases {
            let end = format!("{header}Content-Length: 3\r\n\r\nv=0");
            let text = GOOD.replace("Content-Length: 0\r\n\r\n", &end);
            assert_eq!(status(&text), expected, "{header:?}");
        }
    }

    #[test]
    fn unknown_methods_are_told_what_is_allowed() {
        let odd = "!interesting-Method0123456789_*+`.%indeed'~";
        for method in ["REGISTER", "SUBSCRIBE", "UPDATE", "invite", odd] {
            let text = GOOD.replace("INVITE", method);
            let Verdict::Refuse(refusal) = verdict(&text) else {
                panic!("{method} was not refused")
            };
            assert_eq!(refusal.status, 405, "{method}");
            assert_eq!(refusal.headers, [("Allow", ALLOW.to_owned())]);
            assert_eq!(refusal.malformed, None);
        }
        for method in ["BYE", "CANCEL", "OPTIONS", "ACK"] {
            assert_eq!(status(&GOOD.replace("INVITE", method)), 0, "{method}");
        }
    }

    #[test]
    fn an_ack_and_a_response_are_never_answered() {
        let ack = GOOD.replace("INVITE", "ACK").replace("Call-ID: c1\r\n", "");
        assert_eq!(verdict(&ack), Verdict::Drop(MalformedKind::MissingHeader));
        let response = GOOD.replace("INVITE sip:bank@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK");
        assert_eq!(verdict(&response), Verdict::Pass);
        let bad = response.replace("CSeq: 1 INVITE", "CSeq: x");
        assert_eq!(verdict(&bad), Verdict::Drop(MalformedKind::CSeq));
    }
}
