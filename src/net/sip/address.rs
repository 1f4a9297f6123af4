//! SIP addresses as they stand in headers: name-addr, lists, tags, URIs. Pure.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use super::links::Transport;
use crate::base::Pii;

/// One side of a call as the signalling names it. The words are about a person: see [`Pii`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SipParty {
    /// The display name, without quotes; empty if there was none.
    pub display: Pii<String>,
    /// The user part, percent-decoded: often the telephone number; empty if there was none.
    pub user: Pii<String>,
    /// The whole URI as sent.
    pub uri: Pii<String>,
}

impl SipParty {
    /// Reads a From or To value; an unreadable one gives an empty party.
    pub(super) fn from_header(value: &str) -> Self {
        let Some(address) = NameAddr::parse(value) else { return Self::default() };
        Self {
            display: Pii::new(address.display),
            user: Pii::new(user_of(&address.uri)),
            uri: Pii::new(address.uri),
        }
    }
}

/// Whom a URI names: the user part of a `sip:` or `sips:` one, the number of a `tel:` one (RFC 3966).
pub(super) fn user_of(uri: &str) -> String {
    match uri.split_once(':') {
        Some((scheme, number)) if scheme.eq_ignore_ascii_case("tel") => {
            percent_decode(number.split([';', '?']).next().unwrap_or(number))
        }
        _ => SipUri::parse(uri).map(|uri| uri.user).unwrap_or_default(),
    }
}

/// `"Display" <uri>;param=value` or `uri;param=value` (RFC 3261 20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameAddr {
    pub(super) display: String,
    pub(super) uri: String,
    params: Vec<(String, String)>,
}

impl NameAddr {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let open = find_outside_quotes(value, '<');
        let (display, uri, rest) = match open {
            Some(open) => {
                let close = open + value[open..].find('>')?;
                (&value[..open], &value[open + 1..close], &value[close + 1..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                ("", &value[..end], &value[end..])
            }
        };
        let uri = uri.trim();
        let scheme = uri.split_once(':')?.0;
        if !is_scheme(scheme) || uri.contains([' ', '\t', '"', '<', '>']) {
            return None;
        }
        let mut params = Vec::new();
        for part in rest.split(';').skip(1) {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            params.push((name.trim().to_ascii_lowercase(), text.trim().to_owned()));
        }
        Some(Self { display: unquote(display.trim()), uri: uri.to_owned(), params })
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The `tag` parameter, if it is a usable one.
    pub(super) fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| super::wire::is_token(tag))
    }
}

/// The tag of a From or To value.
pub(super) fn tag_of(value: &str) -> Option<String> {
    NameAddr::parse(value)?.tag().map(str::to_owned)
}

/// The transport that a URI asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UriTransport {
    Ours(Transport),
    /// One that is not spoken here.
    Other,
}

/// The parts of a `sip:` or `sips:` URI that routing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SipUri {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) transport: Option<UriTransport>,
}

impl SipUri {
    /// Reads a `sip:` or `sips:` URI; `None` for other schemes or a missing host. One with a
    /// transport that is not spoken here can be read, too: behind a proxy that speaks it, it is
    /// nothing but a name to us.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.trim().split_once(':')?;
        let is_secure = scheme.eq_ignore_ascii_case("sips");
        if !is_secure && !scheme.eq_ignore_ascii_case("sip") {
            return None;
        }
        // The user part may itself contain ';' and '?' (RFC 3261 25.1), so it goes first.
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (user.split(':').next().unwrap_or(""), rest),
            None => ("", rest),
        };
        let rest = rest.split('?').next().unwrap_or(rest);
        let mut parts = rest.split(';');
        let (host, port) = host_and_port(parts.next()?)?;
        let mut transport = None;
        for part in parts {
            if let Some((name, value)) = part.split_once('=')
                && name.trim().eq_ignore_ascii_case("transport")
            {
                let ours = Transport::from_name(value.trim());
                transport = Some(ours.map_or(UriTransport::Other, UriTransport::Ours));
            }
        }
        if is_secure {
            transport = Some(secured(transport));
        }
        Some(Self { user: percent_decode(user), host, port, transport })
    }

    /// The transport that it asks for, if that is one of ours.
    pub(super) fn asked_transport(&self) -> Option<Transport> {
        match self.transport {
            Some(UriTransport::Ours(transport)) => Some(transport),
            Some(UriTransport::Other) | None => None,
        }
    }

    /// Whether a way to the URI can be opened.
    pub(super) fn is_within_reach(&self) -> bool {
        match self.transport {
            None => true,
            Some(UriTransport::Ours(transport)) => transport.is_dialled(),
            Some(UriTransport::Other) => false,
        }
    }
}

/// What a `sips:` URI means by its transport: TLS beneath it (RFC 3261 19.1.1, 26.2.2).
fn secured(written: Option<UriTransport>) -> UriTransport {
    match written {
        None | Some(UriTransport::Ours(Transport::Tcp | Transport::Tls)) => {
            UriTransport::Ours(Transport::Tls)
        }
        Some(UriTransport::Ours(Transport::Ws | Transport::Wss)) => {
            UriTransport::Ours(Transport::Wss)
        }
        Some(UriTransport::Ours(Transport::Udp) | UriTransport::Other) => UriTransport::Other,
    }
}

/// Splits `host`, `host:port`, `[v6]:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = with_two_colons(text.trim());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, tail.trim().strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.trim(), Some(port)),
            None => (&*text, None),
        },
    };
    let named = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if host.is_empty() || !(named || host.parse::<IpAddr>().is_ok()) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.trim().parse().ok()?),
        None => None,
    };
    Some((host.to_owned(), port))
}

/// RFC 3261's own grammar writes an IPv6 address that ends as an IPv4 one with a colon too many,
/// `[2001:db8:::192.0.2.1]`: that must be taken, and means two (RFC 5118 4.10).
pub(super) fn with_two_colons(text: &str) -> Cow<'_, str> {
    let written_so = || {
        let at = text.find(":::")?;
        let (head, tail) = (&text[..at], &text[at + 3..]);
        let digits = &head[head.rfind('[')? + 1..];
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        let is_so = is_hex && tail[..tail.find(']')?].parse::<Ipv4Addr>().is_ok();
        is_so.then(|| format!("{head}::{tail}"))
    };
    written_so().map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Follows quotes and angle brackets through a header value.
#[derive(Default)]
struct Nesting {
    quoted: bool,
    escaped: bool,
    angled: bool,
}

impl Nesting {
    /// Takes the next character: whether it stands outside of both, and is no mark of them itself.
    fn is_outside(&mut self, character: char) -> bool {
        match character {
            _ if self.escaped => self.escaped = false,
            '\\' if self.quoted => self.escaped = true,
            '"' => self.quoted = !self.quoted,
            '<' if !self.quoted => self.angled = true,
            '>' if !self.quoted => self.angled = false,
            _ => return !self.quoted && !self.angled,
        }
        false
    }
}

/// Splits a comma list, leaving commas inside quotes and angle brackets alone.
pub(super) fn split_list(value: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut nesting = Nesting::default();
    for (at, character) in value.char_indices() {
        if nesting.is_outside(character) && character == ',' {
            parts.push(value[start..at].trim());
            start = at + 1;
        }
    }
    parts.push(value[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a comma or semicolon has nothing behind it (`;;`, `,,` or one at the end).
pub(super) fn has_empty_part(value: &str) -> bool {
    let mut nesting = Nesting::default();
    let mut is_open = false;
    for character in value.chars() {
        let is_outside = nesting.is_outside(character);
        let is_separator = is_outside && matches!(character, ',' | ';');
        if is_separator && is_open {
            return true;
        }
        is_open = is_separator || (is_open && is_outside && matches!(character, ' ' | '\t'));
    }
    is_open
}

/// A From or To value in the narrow form that the library takes: no blanks around the separators of
/// its parameters, though RFC 3261 25.1 allows them (`SEMI`, `EQUAL`), and two colons as above.
pub(super) fn narrowed(value: &str) -> String {
    let mut nesting = Nesting::default();
    let mut out = String::with_capacity(value.len());
    let mut after_blank = false;
    for character in value.trim().chars() {
        if nesting.is_outside(character) && matches!(character, ' ' | '\t') {
            after_blank = true;
            continue;
        }
        if after_blank && !matches!(character, ';' | '=') && !out.ends_with([';', '=']) {
            out.push(' ');
        }
        after_blank = false;
        out.push(character);
    }
    with_two_colons(&out).into_owned()
}

/// Text that may stand inside a quoted string: one line, quotes and backslashes escaped.
pub(super) fn quoted(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A user part made safe for a URI: everything unusual percent-encoded (RFC 3261 19.1.2).
pub(super) fn user_part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

pub(super) fn find_outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == wanted && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

pub(super) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut out = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    out
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let value = pair.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], value) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_name_addr_forms() {
        let cases = [
            ("sip:bob@b.example;tag=9", "", "sip:bob@b.example", Some("9")),
            (
                "<sip:bob@b.example;transport=tcp>;tag=x",
                "",
                "sip:bob@b.example;transport=tcp",
                Some("x"),
            ),
            ("Ann <sip:ann@a.example>", "Ann", "sip:ann@a.example", None),
            (r#""A \"B\" <c>" <sip:1@h> ; tag = 7"#, r#"A "B" <c>"#, "sip:1@h", Some("7")),
            ("<tel:+15551234>;tag=a.b", "", "tel:+15551234", Some("a.b")),
        ];
        for (text, display, uri, tag) in cases {
            let address = NameAddr::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((address.display.as_str(), address.uri.as_str()), (display, uri), "{text}");
            assert_eq!(address.tag(), tag, "{text}");
        }
        for bad in ["", "<sip:bob@b", "bob", "<>;tag=1", "<sip:a b@c>", "Bob Smith sip:a@b"] {
            assert_eq!(NameAddr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_uris() {
        let uri = SipUri::parse("sip:%2B1555;x=1@192.0.2.1:5070;transport=TCP;lr?h=1").unwrap();
        assert_eq!(uri.user, "+1555;x=1");
        assert_eq!((uri.host.as_str(), uri.port), ("192.0.2.1", Some(5070)));
        assert_eq!(uri.transport, Some(UriTransport::Ours(Transport::Tcp)));
        // RFC 4475 3.1.1.2: nearly every character that a user part may have.
        let odd = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_\
                   too.(doesn't-it)@example.com";
        let uri = SipUri::parse(odd).unwrap();
        assert_eq!(uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
        assert_eq!(uri.host, "example.com");
        let uri = SipUri::parse("sip:[2001:db8::1]:5061").unwrap();
        assert_eq!(
            (uri.user.as_str(), uri.host.as_str(), uri.port),
            ("", "2001:db8::1", Some(5061))
        );
        for bad in ["tel:1", "sip:", "sip:a@", "sip:a@h:port", "sip:a@h:70000", "sip:[::1"] {
            assert_eq!(SipUri::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_transport_not_spoken_here_can_be_read_but_not_be_reached() {
        for far in ["sip:a@h;transport=sctp", "sip:a@h;transport=WSS;lr", "sips:a@h;transport=udp"]
        {
            let uri = SipUri::parse(far).unwrap_or_else(|| panic!("{far}"));
            assert_eq!(uri.user, "a");
            assert!(!uri.is_within_reach(), "{far}");
        }
        for near in ["sip:a@h", "sip:a@h;transport=udp", "SIP:a@h;x=y", "sip:a@h;transport=tls"] {
            assert!(SipUri::parse(near).is_some_and(|uri| uri.is_within_reach()), "{near}");
        }
        for (uri, transport) in [
            ("sips:a@h", Transport::Tls),
            ("sips:a@h;transport=tcp", Transport::Tls),
            ("sips:a@h;transport=ws", Transport::Wss),
        ] {
            let uri = SipUri::parse(uri).unwrap_or_else(|| panic!("{uri}"));
            assert_eq!(uri.transport, Some(UriTransport::Ours(transport)));
        }
    }

    #[test]
    fn splits_lists_outside_quotes_and_brackets() {
        let list = r#"<sip:a@b;x=1,2>, "q, r" <sip:c@d> ,<sip:e@f>"#;
        assert_eq!(split_list(list), ["<sip:a@b;x=1,2>", r#""q, r" <sip:c@d>"#, "<sip:e@f>"]);
        assert!(split_list(" , ").is_empty());
    }

    #[test]
    fn an_empty_part_is_seen_outside_quotes_and_brackets() {
        for gappy in ["h;;", "h;a, ;b", "h;a,,g", "h;", "a , ,b", "<sip:a@b>;x=1; "] {
            assert!(has_empty_part(gappy), "{gappy}");
        }
        for whole in ["", "h", "h;a=\";;\" , g;b", "<sip:a@b;;c,,>;d", r#""\";;" <sip:a@b>"#] {
            assert!(!has_empty_part(whole), "{whole}");
        }
    }

    #[test]
    fn blanks_around_separators_and_a_third_colon_go() {
        let cases = [
            ("sip:a@b ;   tag    = 19n", "sip:a@b;tag=19n"),
            (
                r#""J  R ; x = \\\""   <sip:j@b; x = y> ; ; tag = 9"#,
                r#""J  R ; x = \\\"" <sip:j@b; x = y>;;tag=9"#,
            ),
            ("Ann  B <sip:a@b>;tag=1;p=\" ; = \"", "Ann B <sip:a@b>;tag=1;p=\" ; = \""),
            ("<sip:[2001:db8:::192.0.2.1]:5070>;tag=1", "<sip:[2001:db8::192.0.2.1]:5070>;tag=1"),
            ("\"[a:::b]\" <sip:a@b>", "\"[a:::b]\" <sip:a@b>"),
            ("<sip:[1::2]>;x=:::192.0.2.1]", "<sip:[1::2]>;x=:::192.0.2.1]"),
        ];
        for (from, to) in cases {
            assert_eq!(narrowed(from), to, "{from}");
        }
        let uri = SipUri::parse("sip:user@[2001:db8:::192.0.2.1]:5070").unwrap();
        assert_eq!((uri.host.as_str(), uri.port), ("2001:db8::192.0.2.1", Some(5070)));
        for bad in ["sip:[2001:db8::::192.0.2.1]", "sip:[2001:db8:::1]", "sip:2001:db8::10"] {
            assert_eq!(SipUri::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn encodes_what_we_write() {
        assert_eq!(quoted("busy \"now\"\r\nX: y"), r#""busy \"now\"X: y""#);
        assert_eq!(user_part("a b@c;d"), "a%20b%40c%3Bd");
    }

    #[test]
    fn a_party_does_not_print_itself() {
        let party = SipParty::from_header(r#""Ann" <sip:5551234@h>;tag=1"#);
        assert_eq!(party.user.expose(), "5551234");
        for (from, user) in [
            ("<tel:+1-555-1234;phone-context=example.com>;tag=1", "+1-555-1234"),
            ("tel:5551234;tag=1", "5551234"),
            ("<sips:5551234@h>;tag=1", "5551234"),
            ("<sip:5551234@h;transport=tls>;tag=1", "5551234"),
            ("<mailto:ann@h>;tag=1", ""),
        ] {
            assert_eq!(SipParty::from_header(from).user.expose(), user, "{from}");
        }
        assert!(!format!("{party:?}").contains("5551234"));
    }
}
