//! Decides what happens to a message before the SIP library sees it. Pure.
//!
//! The order follows RFC 3261 8.2: what cannot be read is refused first, then the method, the URI's
//! scheme, required extensions, the body, what the answer may be and which call is taken over. An
//! ACK is never answered, whatever is wrong with it.

use super::address::{NameAddr, SipUri, has_empty_part, split_list};
use super::counters::MalformedKind;
use super::refusal::{BUSY_RETRY_S, RefusalCause};
use super::replaces::Replaces;
use super::reply::TopVia;
use super::wire::{ContentLength, RawMessage, StartLine};
use super::{ACCEPT, ALLOW, SUPPORTED};

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

/// The largest body that is read, in bytes: far more than any SDP of a telephone call has.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A method that is understood only to be refused with a reason, which is told by whoever has the
/// call: it is not in [`ALLOW`].
const REFUSED_METHOD: &str = "REFER";

/// A stateless answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) phrase: String,
    /// Which rule refused, for the Reason header; without one the phrase says it all.
    pub(super) detail: Option<String>,
    /// Headers beyond those every response has.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Set if the message was malformed, rather than just not for us.
    pub(super) malformed: Option<MalformedKind>,
}

impl Refusal {
    /// A 400 whose phrase says what is wrong (RFC 3261 21.4.1).
    pub(super) fn bad(kind: MalformedKind, phrase: impl Into<String>) -> Self {
        Self { malformed: Some(kind), ..Self::plain(400, phrase, None, Vec::new()) }
    }

    /// There is no room for another call at present.
    pub(super) fn busy() -> Self {
        let cause = RefusalCause::CallQueueFull;
        let later = vec![("Retry-After", BUSY_RETRY_S.to_string())];
        Self::plain(cause.status(), "Service Unavailable", Some(cause.text().to_owned()), later)
    }

    pub(super) fn plain(
        status: u16,
        phrase: impl Into<String>,
        detail: Option<String>,
        headers: Vec<(&'static str, String)>,
    ) -> Self {
        Self { status, phrase: phrase.into(), detail, headers, malformed: None }
    }
}

/// Methods of SIP's extensions. One that is not served here is a 405, any other unknown one a 501
/// (RFC 3261 8.2.1, 21.5.2).
const OTHER_METHODS: [&str; 4] = ["REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE"];

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
        uri_is_readable(uri)?;
        method_is_ours(method)?;
        notify_is_within_a_call(message, method)?;
        scheme_is_ours(uri)?;
        contact_is_usable(message, method)?;
        extensions_are_known(message, method)?;
        body_is_understood(message, method)?;
        answer_is_acceptable(message, method)?;
        replaces_one_call(message, method)
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
    let detail = Some(format!("{version} is not spoken here, SIP/2.0 is"));
    let refusal = Refusal::plain(505, "Version Not Supported", detail, Vec::new());
    Err(Refusal { malformed: Some(MalformedKind::Version), ..refusal })
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
    let via = message.header("via").unwrap_or_default();
    // Nothing can be sent to port 0: the transaction layer would keep an answer for ever.
    let is_usable = |top: TopVia| top.is_current() && top.port() != Some(0);
    if has_empty_part(via) || !TopVia::parse(via).is_some_and(is_usable) {
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
    if method == REFUSED_METHOD || ALLOW.split(", ").any(|known| known == method) {
        return Ok(());
    }
    let (status, phrase, which) = match OTHER_METHODS.contains(&method) {
        true => (405, "Method Not Allowed", "served"),
        false => (501, "Not Implemented", "known"),
    };
    let detail = Some(format!("{method} is not {which}"));
    Err(Refusal::plain(status, phrase, detail, vec![("Allow", ALLOW.to_owned())]))
}

/// The only NOTIFYs that were asked for are about a transfer of a call, and come within it (RFC 3515
/// 2.4.4). Others are sent by many telephone systems, whether somebody asked or not.
fn notify_is_within_a_call(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    let to = message.header("to").and_then(NameAddr::parse);
    if method != "NOTIFY" || to.is_some_and(|to| to.tag().is_some()) {
        return Ok(());
    }
    let detail = Some("a NOTIFY outside of a call, which nobody asked for".to_owned());
    Err(Refusal::plain(481, "Subscription Does Not Exist", detail, Vec::new()))
}

/// Any URI is one word; a `sip:` or `sips:` one has a host besides (RFC 3261 25.1).
fn uri_is_readable(uri: &str) -> Result<(), Refusal> {
    let is_word = !uri.contains([' ', '\t', '<', '>', '"']);
    let is_readable = match uri.split_once(':') {
        Some((scheme, _)) if ["sip", "sips"].iter().any(|sip| scheme.eq_ignore_ascii_case(sip)) => {
            SipUri::parse(uri).is_some()
        }
        scheme => scheme.is_some(),
    };
    if is_word && is_readable {
        return Ok(());
    }
    Err(Refusal::bad(MalformedKind::Uri, "Bad Request-URI"))
}

fn scheme_is_ours(uri: &str) -> Result<(), Refusal> {
    let scheme = uri.split(':').next().unwrap_or(uri);
    // tel names the same callers.
    if ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let detail = Some(format!("{scheme} addresses are not served"));
    Err(Refusal::plain(416, "Unsupported URI Scheme", detail, Vec::new()))
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

/// Every required extension must be one of ours (RFC 3261 8.2.2.3). CANCEL and ACK are exempt there.
fn extensions_are_known(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    if matches!(method, "CANCEL" | "ACK") {
        return Ok(());
    }
    let is_known = |tag: &&str| SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(tag));
    let required = message.values("require").flat_map(split_list);
    let unknown: Vec<&str> = required.filter(|tag| !is_known(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.join(", ");
    let detail = Some(format!("required but not supported: {unknown}"));
    Err(Refusal::plain(420, "Bad Extension", detail, vec![("Unsupported", unknown)]))
}

/// The body of a request that can carry an offer must be plain SDP (RFC 3261 8.2.3), of a size that
/// is worth reading (21.4.11); other methods' bodies are ignored.
fn body_is_understood(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    let body = message.counted_body();
    if !matches!(method, "INVITE" | "UPDATE" | "PRACK") || body.is_empty() {
        return Ok(());
    }
    if body.len() > BODY_BYTES_MAX {
        let detail = Some(format!("a body of {} bytes; {BODY_BYTES_MAX} are read", body.len()));
        return Err(Refusal::plain(413, "Request Entity Too Large", detail, Vec::new()));
    }
    let unsupported = |detail: String, header: (&'static str, String)| {
        Err(Refusal::plain(415, "Unsupported Media Type", Some(detail), vec![header]))
    };
    let encoding = message.header("content-encoding").unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        let detail = format!("a body in encoding {encoding}");
        return unsupported(detail, ("Accept-Encoding", "identity".to_owned()));
    }
    let kind = media_type(message.header("content-type").unwrap_or_default());
    let is_text = std::str::from_utf8(body).is_ok();
    if kind == ACCEPT && is_text {
        return Ok(());
    }
    let detail = match is_text {
        true => {
            format!("a body of type {}", if kind.is_empty() { "unknown" } else { kind.as_str() })
        }
        false => "a body that is not UTF-8".to_owned(),
    };
    unsupported(detail, ("Accept", ACCEPT.to_owned()))
}

/// Replaces stands once, in an INVITE, and names one call (RFC 3891 3).
fn replaces_one_call(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    let mut values = message.values("replaces");
    let Some(value) = values.next() else { return Ok(()) };
    let phrase = if method != "INVITE" {
        "Replaces Without INVITE"
    } else if values.next().is_some() {
        "Doubled Replaces Header"
    } else if Replaces::parse(value).is_none() {
        "Bad Replaces Header"
    } else {
        return Ok(());
    };
    Err(Refusal::bad(MalformedKind::HeaderLine, phrase))
}

/// An INVITE is answered with SDP, which its sender must be ready to take: one who says nothing is
/// (RFC 3261 20.1).
fn answer_is_acceptable(message: &RawMessage, method: &str) -> Result<(), Refusal> {
    if method != "INVITE" || message.header("accept").is_none() {
        return Ok(());
    }
    let mut ranges = message.values("accept").flat_map(split_list).map(media_type);
    if ranges.any(|range| ["*/*", "application/*", ACCEPT].contains(&range.as_str())) {
        return Ok(());
    }
    let detail = Some(format!("the answer is {ACCEPT}, which Accept leaves out"));
    Err(Refusal::plain(406, "Not Acceptable", detail, Vec::new()))
}

/// `type/subtype` in lower case, without parameters and blanks.
fn media_type(value: &str) -> String {
    let value = value.split(';').next().unwrap_or(value);
    value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
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
            ("sip:bank@127.0.0.1 SIP", "sip:bank@127.0.0.1; lr SIP", 400),
            ("sip:bank@127.0.0.1 SIP", "sip:bank@[2001:db8:::192.0.2.1] SIP", 0),
            ("sip:bank@127.0.0.1 SIP", "nowhere SIP", 400),
            ("INVITE sip:bank@127.0.0.1 SIP", "INVITE  sip:bank@127.0.0.1  SIP", 400),
            ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
            ("Content-Length: 0", "Require: 100rel, nope\r\nContent-Length: 0", 420),
            ("Content-Length: 0", "Require: 100REL,timer, replaces\r\nContent-Length: 0", 0),
            ("Content-Length: 0", "Replaces: c;to-tag=a;from-tag=b\r\nContent-Length: 0", 0),
            ("Content-Length: 0", "Replaces: c;to-tag=a\r\nContent-Length: 0", 400),
            (
                "Content-Length: 0",
                "Replaces: c;to-tag=a;from-tag=b\r\nReplaces: d;to-tag=a;from-tag=b\r\n\
                 Content-Length: 0",
                400,
            ),
            ("Content-Length: 0", "Proxy-Require: x\r\nContent-Length: 0", 0),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKx\r\n", "", 1),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061", "Via: HTTP 127.0.0.1:5061", 1),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061", "Via: SIP/2.0/UDP 127.0.0.1:0", 400),
            ("Via: SIP/2.0/UDP 127.0.0.1:5061", "Via: SIP/7.0/UDP 127.0.0.1:5061", 400),
            (";branch=z9hG4bKx", ";;,;,,", 400),
            ("Content-Length: 0", "Accept: text/plain\r\nContent-Length: 0", 406),
            ("Content-Length: 0", "Accept:\r\nContent-Length: 0", 406),
            ("Content-Length: 0", "Accept: x/y, Application/SDP;q=1\r\nContent-Length: 0", 0),
            ("Content-Length: 0", "Accept: x/y\r\nAccept: */*\r\nContent-Length: 0", 0),
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
    fn a_body_that_no_telephone_sends_is_not_read() {
        for (length, expected) in [(BODY_BYTES_MAX, 0), (BODY_BYTES_MAX + 1, 413)] {
            let body = "a".repeat(length);
            let end =
                format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}");
            assert_eq!(status(&GOOD.replace("Content-Length: 0\r\n\r\n", &end)), expected);
        }
    }

    #[test]
    fn each_refusal_names_its_rule() {
        let cases = [
            ("Content-Length: 0", "Require: a, timer, b\r\nContent-Length: 0", "a, b"),
            ("INVITE sip:bank@127.0.0.1", "INVITE gopher:x", "gopher addresses"),
            ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", "SIP/7.0 is not spoken"),
            ("Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n", "c: text/html\r\n\r\nx", "text/html"),
        ];
        for (from, to, words) in cases {
            let Verdict::Refuse(refusal) = verdict(&GOOD.replacen(from, to, 1)) else {
                panic!("{to:?} was not refused")
            };
            assert!(refusal.detail.as_deref().is_some_and(|d| d.contains(words)), "{refusal:?}");
        }
    }

    #[test]
    fn unknown_methods_are_told_what_is_allowed() {
        let odd = "!interesting-Method0123456789_*+`.%indeed'~";
        let cases =
            [("REGISTER", 405), ("PUBLISH", 405), ("MESSAGE", 405), ("invite", 501), (odd, 501)];
        for (method, expected) in cases {
            let text = GOOD.replace("INVITE", method);
            let Verdict::Refuse(refusal) = verdict(&text) else {
                panic!("{method} was not refused")
            };
            assert_eq!(refusal.status, expected, "{method}");
            assert_eq!(refusal.headers, [("Allow", ALLOW.to_owned())]);
            assert_eq!(refusal.malformed, None);
            // What cannot be read is refused before what is not known (RFC 5118 4.2).
            let unreadable = text.replace("sip:bank@127.0.0.1 SIP", "sip:2001:db8::10 SIP");
            assert_eq!(status(&unreadable), 400, "{method}");
        }
        for method in ["BYE", "CANCEL", "OPTIONS", "ACK", "UPDATE", "PRACK", "INFO", "REFER"] {
            assert_eq!(status(&GOOD.replace("INVITE", method)), 0, "{method}");
        }
    }

    #[test]
    fn a_notify_comes_within_a_call_only() {
        let outside = GOOD.replace("INVITE", "NOTIFY");
        assert_eq!(status(&outside), 481);
        assert_eq!(status(&outside.replace("To: <sip:bank@127.0.0.1>", "To: <sip:b@h>;tag=2")), 0);
    }

    #[test]
    fn replaces_stands_in_an_invite_only() {
        let with = "Replaces: c;to-tag=a;from-tag=b\r\nContent-Length: 0";
        let text = GOOD.replace("INVITE", "OPTIONS").replace("Content-Length: 0", with);
        assert_eq!(status(&text), 400);
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
