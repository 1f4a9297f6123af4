//! Keys pressed by SIP INFO (RFC 2976, and the two body types that telephones have always used for
//! it). Pure.

/// Body types with a key in them; sent as `Accept` where an INFO brings another one.
pub(super) const KEY_TYPES: &str = "application/dtmf-relay, application/dtmf";

/// What an INFO brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Info {
    /// 0 to 9, A to D, * or #.
    Key(char),
    /// Nothing at all: some systems ask so whether the call is still there.
    Empty,
    /// Something that is not understood here.
    Foreign,
}

impl Info {
    /// Reads a body by its Content-Type.
    pub(super) fn read(content_type: &str, body: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(body) else { return Self::Foreign };
        if text.trim().is_empty() {
            return Self::Empty;
        }
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                name.trim().eq_ignore_ascii_case("signal").then_some(value)
            })
        } else if kind.eq_ignore_ascii_case("application/dtmf") {
            Some(text)
        } else {
            None
        };
        signal.and_then(key).map_or(Self::Foreign, Self::Key)
    }
}

/// A key by its sign or by its number of RFC 4733, which some write for * and #.
fn key(text: &str) -> Option<char> {
    let text = text.trim();
    match text {
        "10" => return Some('*'),
        "11" => return Some('#'),
        _ => {}
    }
    let mut signs = text.chars();
    let sign = signs.next()?.to_ascii_uppercase();
    let is_key = sign.is_ascii_digit() || "ABCD*#".contains(sign);
    (is_key && signs.next().is_none()).then_some(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_both_types() {
        let relay = "application/dtmf-relay";
        let cases: [(&str, &[u8], Info); 15] = [
            (relay, b"Signal=5\r\nDuration=160\r\n", Info::Key('5')),
            (relay, b"Duration = 160\nsignal = #", Info::Key('#')),
            ("Application/DTMF-Relay; charset=utf-8", b"Signal=a\r\n", Info::Key('A')),
            (relay, b"Signal=10\r\n", Info::Key('*')),
            (relay, b"Signal=11\r\n", Info::Key('#')),
            (relay, b"Signal=12\r\n", Info::Foreign),
            (relay, b"Signal=\r\n", Info::Foreign),
            (relay, b"Duration=5\r\n", Info::Foreign),
            ("application/dtmf", b"7", Info::Key('7')),
            ("application/dtmf", b" * \r\n", Info::Key('*')),
            ("application/dtmf", b"77", Info::Foreign),
            ("application/media_control+xml", b"<media_control/>", Info::Foreign),
            ("", b"5", Info::Foreign),
            ("application/dtmf", b"\xff", Info::Foreign),
            ("", b"", Info::Empty),
        ];
        for (kind, body, expected) in cases {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(Info::read(kind, body), expected, "{kind}: {shown}");
        }
    }
}
