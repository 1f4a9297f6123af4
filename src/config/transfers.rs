//! `[transfers.*]` and `[transfer_rules]`: to whom callers are put through, and how.

/// How a caller is put through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferWay {
    /// Their telephone system is asked to move them (REFER, RFC 3515).
    Refer,
    /// We call the other side first, then have the telephone system join the two (REFER with Replaces,
    /// RFC 3891).
    Attended,
    /// We call the other side, and the audio of both goes through us to the end.
    Bridge,
}

impl TransferWay {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refer, Self::Attended, Self::Bridge];

    /// The word in the file and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refer => "refer",
            Self::Attended => "attended",
            Self::Bridge => "bridge",
        }
    }
}

/// `[transfers.<queue>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferConfig {
    /// SIP URI of those who take the calls of this queue, with a user part and without headers.
    pub to: String,
    /// How callers get there.
    pub way: TransferWay,
    /// Where a telephone system refuses to move a caller, the audio goes through us.
    pub bridge_if_refused: bool,
    /// How long it may ring.
    pub ring_s: u64,
    /// Whoever answers is told what it is about, and takes the call with a key.
    pub screening: bool,
    /// Whose name and password we call with.
    pub trunk: Option<String>,
    /// A header that carries the hand-off's reference besides `User-to-User`.
    pub header: Option<String>,
    /// The recording goes on while the audio goes through us.
    pub record: bool,
}

impl TransferConfig {
    /// Whether we may have to call somebody for it.
    pub fn may_place_calls(&self) -> bool {
        self.way != TransferWay::Refer || self.bridge_if_refused
    }

    /// The host of the address.
    pub fn host(&self) -> &str {
        host_of(&self.to).unwrap_or_default()
    }

    /// Whether what is said to the other side on the way cannot be read.
    pub fn is_encrypted(&self) -> bool {
        let to = self.to.to_ascii_lowercase();
        to.starts_with("sips:") || behind_user(&to).split(';').any(|part| part == "transport=tls")
    }
}

/// `[transfer_rules]`: what holds for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRules {
    /// Hosts that may be called beside those of the trunks.
    pub hosts: Vec<String>,
    /// Calls that we place at the same time.
    pub calls_max: usize,
}

/// The host of a SIP URI, without brackets; `None` if it is none.
pub(super) fn host_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !["sip", "sips"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let place = behind_user(rest).split([';', '?']).next()?;
    let host = match place.strip_prefix('[') {
        Some(literal) => literal.split_once(']')?.0,
        None => place.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// What follows the user part of a SIP URI, which may itself hold `;` and `?` (RFC 3261 25.1), or all of
/// it if it has none.
fn behind_user(uri: &str) -> &str {
    uri.split_once('@').map_or(uri, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_addresses() {
        for (uri, host) in [
            ("sip:200@pbx.example", Some("pbx.example")),
            ("sips:200@pbx.example:5061;transport=tcp", Some("pbx.example")),
            ("sip:192.0.2.7", Some("192.0.2.7")),
            ("sip:200@[2001:db8::1]:5060", Some("2001:db8::1")),
            ("SIP:a@b", Some("b")),
            ("tel:+442071234567", None),
            ("200@pbx.example", None),
            ("sip:200@", None),
            // Who is called is behind the user part, whatever that holds.
            ("sip:192.0.2.7;@evil.example", Some("evil.example")),
            ("sip:200;phone-context=x?y@pbx.example;lr", Some("pbx.example")),
        ] {
            assert_eq!(host_of(uri), host, "{uri}");
        }
    }

    #[test]
    fn what_is_encrypted_is_told_by_the_address_and_not_by_who_is_there() {
        for (to, is_encrypted) in [
            ("sip:200@pbx.example", false),
            ("SIPS:200@pbx.example", true),
            ("sip:200@pbx.example;Transport=TLS", true),
            ("sip:200;transport=tls;x@pbx.example", false),
            ("sip:pbx.example;transport=tls", true),
        ] {
            let config = TransferConfig {
                to: to.to_owned(),
                way: TransferWay::Bridge,
                bridge_if_refused: true,
                ring_s: 25,
                screening: false,
                trunk: None,
                header: None,
                record: false,
            };
            assert_eq!(config.is_encrypted(), is_encrypted, "{to}");
        }
    }
}
