//! SIP signalling, peer connections of browsers and media sockets; translates between the wire and typed
//! leg events.

pub mod media;
pub mod media_session;
pub mod sdp;
pub mod secure;
pub mod sip;
pub mod webrtc;

use std::net::{IpAddr, SocketAddr};

/// The address in its plain form. A socket on `[::]` sees IPv4 peers as `::ffff:192.0.2.1`; written
/// into headers or SDP, or compared with the address in them, that would be a different peer.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // Left as it is, because a link-local address has a scope besides.
        IpAddr::V6(_) => address,
    }
}

/// The address as a socket bound to `local` takes it: the way back from [`plain`].
fn for_socket(local: SocketAddr, to: SocketAddr) -> SocketAddr {
    match (local, to) {
        (SocketAddr::V6(_), SocketAddr::V4(to)) => {
            SocketAddr::new(to.ip().to_ipv6_mapped().into(), to.port())
        }
        _ => to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn mapped_addresses_are_plain_on_our_side_of_the_socket() {
        let cases = [
            ("[::ffff:192.0.2.1]:5060", "192.0.2.1:5060"),
            ("192.0.2.1:5060", "192.0.2.1:5060"),
            ("[2001:db8::1]:5060", "[2001:db8::1]:5060"),
            ("[fe80::1%3]:5060", "[fe80::1%3]:5060"),
        ];
        for (seen, expected) in cases {
            assert_eq!(plain(address(seen)), address(expected));
        }
        let (four, six) = (address("0.0.0.0:1"), address("[::]:1"));
        let to = address("192.0.2.1:5060");
        assert_eq!(for_socket(four, to), to);
        assert_eq!(for_socket(six, to), address("[::ffff:192.0.2.1]:5060"));
        assert_eq!(plain(for_socket(six, to)), to);
    }
}
