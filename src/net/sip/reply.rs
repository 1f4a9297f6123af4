//! Answers without a transaction: the response text and where it goes. Pure.

use std::net::{IpAddr, SocketAddr};

use super::address::{host_and_port, split_list, tag_of};
use super::gate::Refusal;
use super::refusal::reason_value;
use super::wire::{RawMessage, is_token};

/// How much of the reason is told: it may repeat what was sent, and an answer must not be so much
/// larger than what somebody in another's name has sent.
const REASON_CHARS_MAX: usize = 100;

/// The topmost Via value, as far as routing a response needs it (RFC 3261 18.2, RFC 3581).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopVia {
    version: String,
    transport: String,
    host: String,
    port: Option<u16>,
    /// Parameters but `received` and `rport`, which the receiver fills in.
    params: Vec<String>,
    asks_rport: bool,
    /// Further values of the same header line.
    rest: String,
}

impl TopVia {
    /// Reads the first value of a Via header line, of whatever version: the sender of another one
    /// is told so (505).
    pub(super) fn parse(line: &str) -> Option<Self> {
        let values = split_list(line);
        let (first, rest) = values.split_first()?;
        let mut parts = first.split(';');
        let sent = parts.next()?.trim();
        let (protocol, sent_by) = sent.rsplit_once([' ', '\t'])?;
        let mut words = protocol.split('/').map(str::trim);
        let is_sip = words.next() == Some("SIP");
        let version = words.next().filter(|version| is_token(version))?;
        let transport = words.next().filter(|transport| is_token(transport))?;
        if !is_sip || words.next().is_some() {
            return None;
        }
        let (host, port) = host_and_port(sent_by)?;
        let mut params = Vec::new();
        let mut asks_rport = false;
        for part in parts.map(str::trim) {
            let name = part.split('=').next().unwrap_or(part).trim();
            if name.eq_ignore_ascii_case("rport") {
                asks_rport = true;
            } else if !name.eq_ignore_ascii_case("received") && !part.is_empty() {
                params.push(part.to_owned());
            }
        }
        Some(Self {
            version: version.to_owned(),
            transport: transport.to_owned(),
            host,
            port,
            params,
            asks_rport,
            rest: rest.join(", "),
        })
    }

    /// Whether it is of the one version there is (RFC 3261 20.42).
    pub(super) fn is_current(&self) -> bool {
        self.version == "2.0"
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The header line with what the receiver adds: `received` always (RFC 3261 18.2.1 asks for it
    /// only where it differs; always is simpler to read in a trace), `rport` where asked for.
    pub(super) fn stamped(&self, source: SocketAddr) -> String {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(host)) => format!("[{host}]"),
            _ => self.host.clone(),
        };
        let mut line = format!("SIP/{}/{} {host}", self.version, self.transport);
        if let Some(port) = self.port {
            line.push_str(&format!(":{port}"));
        }
        for param in &self.params {
            line.push_str(&format!(";{param}"));
        }
        line.push_str(&format!(";received={}", source.ip()));
        if self.asks_rport {
            line.push_str(&format!(";rport={}", source.port()));
        }
        if !self.rest.is_empty() {
            line.push_str(&format!(", {}", self.rest));
        }
        line
    }

    /// Where a datagram answer goes: back where the request came from, to the port the sender asks
    /// for (RFC 3261 18.2.2, RFC 3581 4). Nothing can be sent to port 0: that is taken for none.
    pub(super) fn answer_to(&self, source: SocketAddr) -> SocketAddr {
        match self.port {
            _ if self.asks_rport => source,
            Some(0) => source,
            port => SocketAddr::new(source.ip(), port.unwrap_or(5060)),
        }
    }
}

/// The text of a stateless response to `request`.
///
/// Its To tag is computed from the request, so that a retransmission gets the same one
/// (RFC 3261 8.2.7).
pub(super) fn stateless(
    request: &RawMessage,
    refusal: &Refusal,
    source: SocketAddr,
    server: &str,
) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {} {}\r\n", refusal.status, refusal.phrase);
    for (at, via) in request.values("via").enumerate() {
        match TopVia::parse(via).filter(|_| at == 0) {
            Some(top) => text.push_str(&format!("Via: {}\r\n", top.stamped(source))),
            None => text.push_str(&format!("Via: {via}\r\n")),
        }
    }
    if let Some(from) = request.header("from") {
        text.push_str(&format!("From: {from}\r\n"));
    }
    if let Some(to) = request.header("to") {
        let tag = match tag_of(to) {
            Some(_) => String::new(),
            None => format!(";tag={}", computed_tag(request)),
        };
        text.push_str(&format!("To: {to}{tag}\r\n"));
    }
    for (name, shown) in [("call-id", "Call-ID"), ("cseq", "CSeq")] {
        if let Some(value) = request.header(name) {
            text.push_str(&format!("{shown}: {value}\r\n"));
        }
    }
    for (name, value) in &refusal.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let detail = refusal.detail.as_deref().unwrap_or(&refusal.phrase);
    let detail: String = detail.chars().take(REASON_CHARS_MAX).collect();
    text.push_str(&format!("Reason: {}\r\n", reason_value(refusal.status, &detail)));
    text.push_str(&format!("Server: {server}\r\nContent-Length: 0\r\n\r\n"));
    text.into_bytes()
}

/// FNV-1a over what makes the request the same request.
fn computed_tag(request: &RawMessage) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for name in ["via", "from", "call-id", "cseq"] {
        for byte in request.header(name).unwrap_or_default().bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::super::counters::MalformedKind;
    use super::super::wire::scan;
    use super::*;

    fn source() -> SocketAddr {
        "198.51.100.7:40123".parse().unwrap()
    }

    #[test]
    fn via_is_stamped_and_routes_the_answer() {
        let cases = [
            (
                "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;rport",
                "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;received=198.51.100.7;rport=40123",
                40123,
            ),
            (
                "SIP / 2.0 / UDP pc.example ; branch=z9hG4bKa;received=9.9.9.9",
                "SIP/2.0/UDP pc.example;branch=z9hG4bKa;received=198.51.100.7",
                5060,
            ),
            (
                "SIP/2.0/UDP pc.example:0;branch=z9hG4bKa",
                "SIP/2.0/UDP pc.example:0;branch=z9hG4bKa;received=198.51.100.7",
                40123,
            ),
            (
                "SIP/2.0/TCP [::1]:5071;branch=1, SIP/2.0/UDP b;branch=2",
                "SIP/2.0/TCP [::1]:5071;branch=1;received=198.51.100.7, SIP/2.0/UDP b;branch=2",
                5071,
            ),
        ];
        for (line, stamped, port) in cases {
            let via = TopVia::parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(via.stamped(source()), stamped);
            assert_eq!(via.answer_to(source()), SocketAddr::new(source().ip(), port));
        }
        for bad in ["", "SIP/2.0/UDP", "HTTP/2.0/UDP h", "SIP/2.0/UDP h:x", "SIP/2.0/UDP ;branch=1"]
        {
            assert_eq!(TopVia::parse(bad), None, "{bad:?}");
        }
        for (line, current) in [("SIP/2.0/UDP h", true), ("SIP/7.0/UDP h", false)] {
            assert_eq!(TopVia::parse(line).map(|via| via.is_current()), Some(current), "{line}");
        }
    }

    #[test]
    fn the_answer_repeats_what_identifies_the_request() {
        let request = "FOO sip:a@b SIP/2.0\r\n\
            Via: SIP/2.0/UDP h:1;branch=z9;rport\r\nVia: SIP/2.0/UDP g\r\n\
            From: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 7 FOO\r\n\r\n";
        let request = scan(request.as_bytes()).unwrap();
        let refusal = Refusal::bad(MalformedKind::CSeq, "Bad CSeq Header");
        let text = String::from_utf8(stateless(&request, &refusal, source(), "frontdoor")).unwrap();
        let again =
            String::from_utf8(stateless(&request, &refusal, source(), "frontdoor")).unwrap();
        assert_eq!(text, again);
        let response = scan(text.as_bytes()).unwrap();
        assert_eq!(response.defect, None);
        assert!(text.starts_with("SIP/2.0 400 Bad CSeq Header\r\n"), "{text}");
        assert_eq!(response.values("via").count(), 2);
        assert_eq!(response.header("cseq"), Some("7 FOO"));
        assert!(response.header("to").and_then(tag_of).is_some());
        assert_eq!(response.header("server"), Some("frontdoor"));
        let reason = "SIP;cause=400;text=\"Bad CSeq Header\"";
        assert_eq!(response.header("reason"), Some(reason));
        assert_eq!(response.header("content-length"), Some("0"));
    }
}
