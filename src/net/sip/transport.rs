//! The words of SIP for how its messages travel. Pure.

pub use crate::config::Transport;

impl Transport {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(name))
    }

    /// The word in a Via header (RFC 3261 section 20.42, RFC 7118 section 5.2.1).
    pub(super) fn via_word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The parameter of a URI that asks for it; UDP goes without. There is one word for both kinds
    /// of WebSocket (RFC 7118 section 5.2.2).
    pub fn uri_parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
            Self::Ws | Self::Wss => ";transport=ws",
        }
    }

    /// The port of a URI that names none (RFC 3261 section 19.1.2, RFC 7118 section 5.2.2).
    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether we can open a way to somebody over it. Who speaks WebSocket is a client of ours: it
    /// is reached over its own connection, or not at all.
    pub(super) fn is_dialled(self) -> bool {
        !self.is_websocket()
    }

    pub(super) fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// In the library's words.
    pub(super) fn in_stack(self) -> rsipstack::sip::Transport {
        match self {
            Self::Udp => rsipstack::sip::Transport::Udp,
            Self::Tcp => rsipstack::sip::Transport::Tcp,
            Self::Tls => rsipstack::sip::Transport::Tls,
            Self::Ws => rsipstack::sip::Transport::Ws,
            Self::Wss => rsipstack::sip::Transport::Wss,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_whatever_their_case() {
        for transport in Transport::ALL {
            assert_eq!(Transport::from_name(transport.name()), Some(transport));
            assert_eq!(Transport::from_name(transport.via_word()), Some(transport));
        }
        assert_eq!(Transport::from_name("sctp"), None);
    }
}
