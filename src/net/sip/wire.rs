//! Reads a SIP message as text: start line, unfolded headers, body. Pure.
//!
//! The library's parser forgives too much (doubled headers, negative lengths) and knows no unknown
//! method, so every message is read here first. What passes is written out again in one normal form
//! ([`RawMessage::normal_form`]), so that both readers see the same message.

use std::borrow::Cow;

use super::address::{narrowed, with_two_colons};
use super::counters::MalformedKind;

/// What begins like this is written by us alone, into messages on their way through the library.
pub(super) const NOTE_PREFIX: &str = "x-frontdoor-";
/// More header lines than any honest message has.
const HEADERS_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StartLine {
    Request { method: String, uri: String, version: String },
    Response { status: u16, phrase: String },
}

/// A header with its long name in lower case (`v` is `via`) and its value on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawHeader {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawMessage {
    pub(super) start: StartLine,
    pub(super) headers: Vec<RawHeader>,
    /// Everything after the empty line; [`RawMessage::content_length`] says how much of it counts.
    pub(super) body: Vec<u8>,
    /// The first thing that was wrong with the text itself.
    pub(super) defect: Option<MalformedKind>,
}

/// How `Content-Length` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentLength {
    Absent,
    Bytes(usize),
    /// No number, or given twice.
    Bad,
}

/// Reads a message; `None` if its first line is neither a request line nor a status line.
pub(super) fn scan(bytes: &[u8]) -> Option<RawMessage> {
    // RFC 3261 7.5: empty lines before the start line are ignored.
    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = &bytes[skipped..];
    let (head, body, mut defect) = match find(bytes, b"\r\n\r\n") {
        Some(end) => (&bytes[..end], &bytes[end + 4..], None),
        None => (bytes, &bytes[bytes.len()..], Some(MalformedKind::Framing)),
    };
    let mut text = String::from_utf8_lossy(head);
    if matches!(text, Cow::Owned(_)) {
        defect.get_or_insert(MalformedKind::Encoding);
        // The usual replacement is three bytes long: an answer must not be so much larger than what
        // somebody in another's name has sent.
        text = text.replace(char::REPLACEMENT_CHARACTER, "?").into();
    }
    let mut lines = text.split("\r\n");
    let first = lines.next()?;
    let start = start_line(first)?;
    if first.contains(['\r', '\n', '\0']) {
        // Written out again it would be two lines, the second of which nobody has judged.
        defect.get_or_insert(MalformedKind::HeaderLine);
    }
    let mut headers: Vec<RawHeader> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            match headers.last_mut() {
                Some(header) => {
                    let more = line.trim();
                    if !header.value.is_empty() && !more.is_empty() {
                        header.value.push(' ');
                    }
                    header.value.push_str(more);
                }
                None => _ = defect.get_or_insert(MalformedKind::HeaderLine),
            }
            continue;
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name.trim_end_matches([' ', '\t'])) => {
                headers.push(RawHeader {
                    name: long_name(name.trim_end_matches([' ', '\t'])),
                    value: value.trim().to_owned(),
                });
            }
            _ if line.is_empty() => {}
            _ => _ = defect.get_or_insert(MalformedKind::HeaderLine),
        }
        if headers.len() > HEADERS_MAX {
            defect.get_or_insert(MalformedKind::TooLarge);
            break;
        }
    }
    // A bare CR or LF inside a value would end the line when it is written out again. A NUL may
    // stand in a quoted string, behind a backslash (RFC 3261 25.1 `quoted-pair`).
    for header in &mut headers {
        if header.value.replace("\\\0", "").contains(['\r', '\n', '\0']) {
            header.value = header.value.replace(['\r', '\n', '\0'], " ");
            defect.get_or_insert(MalformedKind::HeaderLine);
        }
    }
    Some(RawMessage { start, headers, body: body.to_vec(), defect })
}

fn start_line(line: &str) -> Option<StartLine> {
    // Blanks at the end can be ignored without doubt (RFC 4475 3.1.2.10).
    let line = line.trim_end_matches([' ', '\t']);
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        let valid = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        let status = status.parse().ok().filter(|code| valid && (100..700).contains(code))?;
        return Some(StartLine::Response { status, phrase: phrase.trim().to_owned() });
    }
    let (method, rest) = line.split_once(' ')?;
    let (uri, version) = rest.rsplit_once(' ')?;
    let numbers = version.strip_prefix("SIP/")?;
    let versioned = numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_token(method) || numbers.is_empty() || !versioned {
        return None;
    }
    Some(StartLine::Request {
        method: method.to_owned(),
        uri: uri.to_owned(),
        version: version.to_owned(),
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// RFC 3261 25.1 `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

/// The long form of a compact header name (RFC 3261 7.3.3), in lower case.
fn long_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let long = match lower.as_str() {
        "i" => "call-id",
        "m" => "contact",
        "e" => "content-encoding",
        "l" => "content-length",
        "c" => "content-type",
        "f" => "from",
        "s" => "subject",
        "k" => "supported",
        "t" => "to",
        "v" => "via",
        _ => return lower,
    };
    long.to_owned()
}

impl RawMessage {
    /// The first value under a long name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|h| h.value.as_str())
    }

    pub(super) fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |header| header.name == name).map(|h| h.value.as_str())
    }

    /// The method of a request.
    pub(super) fn method(&self) -> Option<&str> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    pub(super) fn content_length(&self) -> ContentLength {
        let mut values = self.values("content-length");
        match (values.next(), values.next()) {
            (None, _) => ContentLength::Absent,
            (Some(value), None)
                if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                value.parse().map_or(ContentLength::Bad, ContentLength::Bytes)
            }
            _ => ContentLength::Bad,
        }
    }

    /// The body cut to its declared length; without one a datagram's body runs to its end
    /// (RFC 3261 18.3).
    pub(super) fn counted_body(&self) -> &[u8] {
        match self.content_length() {
            ContentLength::Bytes(length) => &self.body[..length.min(self.body.len())],
            ContentLength::Absent | ContentLength::Bad => &self.body,
        }
    }

    /// Writes the message in its one normal form, with `top_via` in place of the topmost Via header
    /// line and `note` as an extra header that no sender can set. Spellings that RFC 3261 allows
    /// and the library does not take are put plainly.
    pub(super) fn normal_form(&self, top_via: Option<&str>, note: Option<(&str, &str)>) -> Vec<u8> {
        let mut text = match &self.start {
            StartLine::Request { method, uri, version } => {
                format!("{method} {} {version}\r\n", with_two_colons(uri))
            }
            StartLine::Response { status, phrase } => format!("SIP/2.0 {status} {phrase}\r\n"),
        };
        let mut top_via = top_via;
        for header in &self.headers {
            let reserved = header.name.starts_with(NOTE_PREFIX)
                || note.is_some_and(|(name, _)| header.name.eq_ignore_ascii_case(name));
            if reserved || header.name == "content-length" {
                continue;
            }
            let value: Cow<'_, str> = match header.name.as_str() {
                "via" => top_via.take().unwrap_or(&header.value).into(),
                "from" | "to" => narrowed(&header.value).into(),
                _ => header.value.as_str().into(),
            };
            text.push_str(&format!("{}: {value}\r\n", header.name));
        }
        if let Some((name, value)) = note {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = self.counted_body();
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> RawMessage {
        scan(text.as_bytes()).expect("the start line is one")
    }

    #[test]
    fn only_sip_start_lines_count() {
        let cases = [
            ("INVITE sip:a@b SIP/2.0\r\n\r\n", true),
            ("\r\n\r\nINVITE sip:a@b SIP/2.0\r\n\r\n", true),
            ("UNKNOWN!method sip:a@b SIP/2.0\r\n\r\n", true),
            ("OPTIONS sip:a@b SIP/7.0\r\n\r\n", true),
            ("OPTIONS  sip:a@b  SIP/2.0\r\n\r\n", true),
            ("SIP/2.0 200 OK\r\n\r\n", true),
            ("SIP/2.0 200\r\n\r\n", true),
            ("SIP/2.0 100 \r\n\r\n", true),
            ("OPTIONS sip:a@b SIP/2.0  \t\r\n\r\n", true),
            ("SIP/2.0 4294967301 better not break\r\n\r\n", false),
            ("SIP/2.0 +20 OK\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("INVITE\r\n\r\n", false),
            ("IN[VITE sip:a@b SIP/2.0\r\n\r\n", false),
            ("", false),
        ];
        for (text, good) in cases {
            assert_eq!(scan(text.as_bytes()).is_some(), good, "{text:?}");
        }
        assert!(scan(&[0xff, 0x00, 0x17, 0x80]).is_none());
    }

    #[test]
    fn folds_and_compact_names_become_one_form() {
        let message = scanned(
            "INVITE sip:a@b SIP/2.0\r\nTO :\r\n sip:x@y ;\r\n   tag = 1\r\n \r\n\
             v: SIP/2.0/UDP h;branch=1\r\nl: 2\r\n\r\nabcd",
        );
        assert_eq!(message.header("to"), Some("sip:x@y ; tag = 1"));
        assert_eq!(message.header("via"), Some("SIP/2.0/UDP h;branch=1"));
        assert_eq!(message.counted_body(), b"ab");
        assert_eq!(message.defect, None);
        let normal = message.normal_form(Some("SIP/2.0/UDP h;branch=1;received=1.2.3.4"), None);
        let again = scan(&normal).expect("our own form reads back");
        assert_eq!(again.header("via"), Some("SIP/2.0/UDP h;branch=1;received=1.2.3.4"));
        assert_eq!(again.header("to"), Some("sip:x@y;tag=1"));
        assert_eq!(again.content_length(), ContentLength::Bytes(2));
        assert_eq!(again.body, b"ab");
    }

    #[test]
    fn text_defects_are_named() {
        let cases: [(&[u8], MalformedKind); 7] = [
            (b"BYE sip:a\nX: y@b SIP/2.0\r\n\r\n", MalformedKind::HeaderLine),
            (b"SIP/2.0 200 O\rK\r\n\r\n", MalformedKind::HeaderLine),
            (b"BYE sip:a@b SIP/2.0\r\nTo: x\r\n", MalformedKind::Framing),
            (b"BYE sip:a@b SIP/2.0\r\nTo: \xff\xfe\r\n\r\n", MalformedKind::Encoding),
            (b"BYE sip:a@b SIP/2.0\r\nno colon\r\n\r\n", MalformedKind::HeaderLine),
            (b"BYE sip:a@b SIP/2.0\r\n folded first\r\n\r\n", MalformedKind::HeaderLine),
            (b"BYE sip:a@b SIP/2.0\r\nTo: a\nX: b\r\n\r\n", MalformedKind::HeaderLine),
        ];
        for (bytes, kind) in cases {
            let message = scan(bytes).expect("the start line is one");
            assert_eq!(message.defect, Some(kind), "{:?}", String::from_utf8_lossy(bytes));
        }
        let odd = b"BYE sip:a@b SIP/2.0\r\nTo: \"NUL:\\\0\" <sip:a@b>\r\n\r\n";
        assert_eq!(scan(odd).and_then(|message| message.defect), None);
        let odd = b"BYE sip:a@b SIP/2.0\r\nTo: \0 <sip:a@b>\r\n\r\n";
        assert_eq!(scan(odd).and_then(|message| message.defect), Some(MalformedKind::HeaderLine));
        let odd = scan(b"BYE sip:a@b SIP/2.0\r\nX: \xff\xfe\xe2\x82 \xc3\xa4\r\n\r\n").unwrap();
        assert_eq!(odd.header("x"), Some("??? \u{e4}"));
        let many = format!("BYE sip:a@b SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(500));
        assert_eq!(scanned(&many).defect, Some(MalformedKind::TooLarge));
    }

    #[test]
    fn lengths_must_be_plain_numbers_and_single() {
        let cases = [
            ("", ContentLength::Absent),
            ("Content-Length: 0\r\n", ContentLength::Bytes(0)),
            ("l: 12\r\n", ContentLength::Bytes(12)),
            ("Content-Length: -999\r\n", ContentLength::Bad),
            ("Content-Length: +4\r\n", ContentLength::Bad),
            ("Content-Length: 99999999999999999999999\r\n", ContentLength::Bad),
            ("Content-Length: 3\r\nl: 3\r\n", ContentLength::Bad),
            ("Content-Length:\r\n", ContentLength::Bad),
        ];
        for (header, expected) in cases {
            let text = format!("BYE sip:a@b SIP/2.0\r\n{header}\r\n");
            assert_eq!(scanned(&text).content_length(), expected, "{header:?}");
        }
    }

    #[test]
    fn a_reserved_note_cannot_be_forged() {
        let message = scanned("BYE sip:a@b SIP/2.0\r\nx-note: forged\r\nTo: a\r\n\r\n");
        let text = String::from_utf8(message.normal_form(None, Some(("X-Note", "ours")))).unwrap();
        assert!(!text.contains("forged") && text.contains("X-Note: ours\r\n"), "{text}");
        let message = scanned("BYE sip:a@b SIP/2.0\r\nX-Frontdoor-Trunk: forged\r\nTo: a\r\n\r\n");
        let text = String::from_utf8(message.normal_form(None, None)).unwrap();
        assert!(!text.contains("forged"), "{text}");
    }
}
