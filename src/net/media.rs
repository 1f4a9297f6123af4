//! Media sockets: a pair of UDP ports per stream, and the decision where to send (symmetric RTP).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::{for_socket, plain};

/// The longest datagram looked at: an Ethernet frame.
pub const DATAGRAM_MAX: usize = 1500;
/// How long after the negotiation media from an unexpected address may still be taken on.
const LATCH_WINDOW: Duration = Duration::from_secs(5);
/// A new source is followed after so many packets in a row.
const LATCH_PROOF: u32 = 3;

/// Why there is no media socket.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// All ports are in use.
    #[error(
        "no free pair of UDP ports on {ip} in {first}-{last}: all are in use; widen the range of \
         media ports in the configuration or take fewer calls"
    )]
    Exhausted {
        /// The address tried.
        ip: IpAddr,
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The range holds no even port with its neighbour.
    #[error(
        "the range of media ports {first}-{last} holds no pair: it needs an even port and the \
         odd one after it"
    )]
    NoPair {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The address cannot be bound at all.
    #[error("cannot bind a UDP port on {ip}: {source}")]
    Bind {
        /// The address tried.
        ip: IpAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Sending or receiving failed.
    #[error("media socket: {0}")]
    Io(#[from] io::Error),
}

/// Which of the two sockets a datagram came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The even port: RTP, and RTCP where both share it (RFC 5761).
    Rtp,
    /// The odd port: RTCP.
    Rtcp,
}

/// An RTP socket on an even port and the RTCP socket on the next.
#[derive(Debug)]
pub struct MediaPort {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    local: SocketAddr,
}

impl MediaPort {
    /// Binds a free pair within the range, starting at a random place so that a port just given
    /// back is not reused while its old peer still sends.
    ///
    /// # Errors
    /// [`MediaError::Exhausted`], [`MediaError::NoPair`] or [`MediaError::Bind`].
    pub async fn bind(ip: IpAddr, range: RangeInclusive<u16>) -> Result<Self, MediaError> {
        let (first, last) = (*range.start(), *range.end());
        let lowest = u32::from(first).next_multiple_of(2);
        // Pairs lie at lowest, lowest + 2, ...; the odd port of the last must be in the range.
        let pairs = (u32::from(last) + 1).saturating_sub(lowest) / 2;
        if pairs == 0 || first == 0 {
            return Err(MediaError::NoPair { first, last });
        }
        let offset = rand::random_range(0..pairs);
        for pair in 0..pairs {
            let port = (lowest + (offset + pair) % pairs * 2) as u16;
            match bind_pair(ip, port).await {
                Ok((rtp, rtcp)) => {
                    let local = rtp.local_addr()?;
                    return Ok(Self { rtp, rtcp, local });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                // A port that only root may bind is as good as in use.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(source) => return Err(MediaError::Bind { ip, source }),
            }
        }
        Err(MediaError::Exhausted { ip, first, last })
    }

    /// Where we receive RTP.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits for the next datagram of either socket. Longer ones than the buffer are cut; take
    /// [`DATAGRAM_MAX`]. Safe to cancel.
    ///
    /// # Errors
    /// [`MediaError::Io`] if the socket fails for good.
    pub async fn recv(
        &self,
        buffer: &mut [u8],
    ) -> Result<(Channel, usize, SocketAddr), MediaError> {
        loop {
            // Which is ready is waited for, not read: both would need the buffer at once.
            let (channel, socket) = tokio::select! {
                ready = self.rtp.readable() => {
                    ready?;
                    (Channel::Rtp, &self.rtp)
                }
                ready = self.rtcp.readable() => {
                    ready?;
                    (Channel::Rtcp, &self.rtcp)
                }
            };
            match socket.try_recv_from(buffer) {
                Ok((len, from)) => return Ok((channel, len, plain(from))),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next RTP datagram that has arrived already, or `None`; else as [`MediaPort::recv`].
    ///
    /// # Errors
    /// [`MediaError::Io`] if the socket fails for good.
    pub fn try_recv(&self, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>, MediaError> {
        match self.rtp.try_recv_from(buffer) {
            Ok((len, from)) => Ok(Some((len, plain(from)))),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a datagram from the RTCP port; else as [`MediaPort::send_to`].
    ///
    /// # Errors
    /// [`MediaError::Io`] if the socket fails for good.
    pub async fn send_rtcp_to(&self, bytes: &[u8], to: SocketAddr) -> Result<(), MediaError> {
        match self.rtcp.send_to(bytes, for_socket(self.local, to)).await {
            Ok(_) => Ok(()),
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a datagram if that can be done at once; says whether it is gone.
    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> bool {
        // Other errors lose it, as the network would; a socket that has failed for good says so to
        // whoever waits for its datagrams.
        !matches!(
            self.rtp.try_send_to(bytes, for_socket(self.local, to)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        )
    }

    /// Sends a datagram. A full send buffer or an unreachable peer loses it, as the network would.
    ///
    /// # Errors
    /// [`MediaError::Io`] if the socket fails for good.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> Result<(), MediaError> {
        match self.rtp.send_to(bytes, for_socket(self.local, to)).await {
            Ok(_) => Ok(()),
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

async fn bind_pair(ip: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind((ip, port)).await?;
    let rtcp = UdpSocket::bind((ip, port + 1)).await?;
    Ok((rtp, rtcp))
}

/// Errors about one datagram or one peer, reported on the socket.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::Interrupted
    )
}

/// What to do with a packet from some address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heed {
    /// It belongs to the call.
    Take,
    /// It comes from somebody else: drop it.
    Refuse,
}

/// Decides where media is sent and from where it is taken. Pure.
///
/// ```text
///  waiting --valid packet from the negotiated IP, or within 5 s from any--> latched
///  latched --same source from elsewhere within 5 s, or from the same IP--> latched there
///  latched off the negotiated IP --within 5 s, 3 packets in a row from any--> latched there
/// ```
/// Behind address translation the address in the SDP is often not the one media comes from, so we
/// answer to where it comes from. Only the start of a stream is open to other addresses, or anyone
/// who finds the port could take the call over; and while it is open, one stray packet that came
/// first must not keep the caller out.
#[derive(Debug, Clone)]
pub struct Latch {
    negotiated: SocketAddr,
    since: Instant,
    latched: Option<Latched>,
    newcomer: Option<(Latched, u32)>,
    /// The stream from before the last move: what of it is still on its way must not draw us back.
    left: Option<Latched>,
    /// Where the other side has proven to be by a handshake: as good as negotiated.
    proven: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Latched {
    address: SocketAddr,
    ssrc: u32,
}

impl Latch {
    /// Waits for media, sending to the negotiated address meanwhile.
    pub const fn new(negotiated: SocketAddr, now: Instant) -> Self {
        Self { negotiated, since: now, latched: None, newcomer: None, left: None, proven: None }
    }

    /// A new negotiation. The window opens anew if it moved the address; an unspecified address
    /// (hold) moves nothing.
    pub fn renegotiate(&mut self, negotiated: SocketAddr, now: Instant) {
        if negotiated != self.negotiated && !negotiated.ip().is_unspecified() {
            let left = self.latched.or(self.left);
            *self = Self { left, ..Self::new(negotiated, now) };
        }
    }

    /// Takes it that the other side is there: its handshake came from there and was authentic.
    pub const fn prove(&mut self, address: SocketAddr) {
        self.proven = Some(address);
    }

    /// Where to send.
    pub fn target(&self) -> SocketAddr {
        let expected = self.proven.unwrap_or(self.negotiated);
        self.latched.map_or(expected, |latched| latched.address)
    }

    fn is_expected(&self, ip: IpAddr) -> bool {
        ip == self.negotiated.ip() || self.proven.is_some_and(|proven| proven.ip() == ip)
    }

    /// Judges a packet that parsed as RTP of an expected payload type; may move the target.
    pub fn handle_packet(&mut self, now: Instant, from: SocketAddr, ssrc: u32) -> Heed {
        let seen = Latched { address: from, ssrc };
        let is_negotiated = self.is_expected(from.ip());
        if self.left == Some(seen) && !is_negotiated {
            return Heed::Refuse;
        }
        let is_open = now.saturating_duration_since(self.since) <= LATCH_WINDOW;
        let Some(latched) = self.latched else {
            if is_negotiated || is_open {
                self.latched = Some(seen);
                return Heed::Take;
            }
            return Heed::Refuse;
        };
        let is_settled = self.is_expected(latched.address.ip());
        if from == latched.address {
            self.latched = Some(seen);
            // Whoever came first must not keep the negotiated address out by sending on.
            self.newcomer = self
                .newcomer
                .filter(|(newcomer, _)| !is_settled && self.is_expected(newcomer.address.ip()));
            return Heed::Take;
        }
        let is_same_ip = from.ip() == latched.address.ip() || is_negotiated;
        if ssrc == latched.ssrc && (is_same_ip || is_open) {
            self.latched = Some(seen);
            return Heed::Take;
        }
        if !is_same_ip && (is_settled || !is_open) {
            return Heed::Refuse;
        }
        let count = match self.newcomer {
            Some((newcomer, count)) if newcomer == seen => count + 1,
            _ => 1,
        };
        self.newcomer = Some((seen, count));
        if count < LATCH_PROOF {
            return Heed::Refuse;
        }
        (self.latched, self.newcomer) = (Some(seen), None);
        Heed::Take
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_target_follows_the_sender_but_not_a_stranger() {
        let (sdp, nat) = ("10.0.0.5:4000", "198.51.100.7:31000");
        let (moved, stranger) = ("198.51.100.7:32000", "203.0.113.66:9");
        // (seconds, from, source, taken, target afterwards)
        type Case<'a> = (u64, &'a str, u32, bool, &'a str);
        let runs: [&[Case<'_>]; 9] = [
            &[(0, sdp, 1, true, sdp), (60, sdp, 2, true, sdp)],
            &[(1, nat, 1, true, nat), (2, stranger, 9, false, nat), (9, nat, 1, true, nat)],
            &[(6, nat, 1, false, sdp), (6, sdp, 1, true, sdp)],
            // The translator gave out another port in the middle of the call.
            &[(1, nat, 1, true, nat), (60, moved, 1, true, moved)],
            // Early media from a stranger's address, then the same stream from elsewhere.
            &[
                (1, stranger, 1, true, stranger),
                (2, nat, 1, true, nat),
                (9, stranger, 1, false, nat),
            ],
            // The far end moved to another device of the same gateway.
            &[
                (1, nat, 1, true, nat),
                (60, moved, 2, false, nat),
                (60, moved, 2, false, nat),
                (60, moved, 2, true, moved),
            ],
            // A stray packet came first; the caller's stream takes its place.
            &[
                (1, stranger, 9, true, stranger),
                (1, nat, 1, false, stranger),
                (1, nat, 1, false, stranger),
                (1, nat, 1, true, nat),
            ],
            // The stranger goes on, but that keeps nobody out of the negotiated address.
            &[
                (1, stranger, 9, true, stranger),
                (1, sdp, 1, false, stranger),
                (1, stranger, 9, true, stranger),
                (1, sdp, 1, false, stranger),
                (1, stranger, 9, true, stranger),
                (1, sdp, 1, true, sdp),
            ],
            // Nobody takes the place of the negotiated address, nor any once the start is over.
            &[
                (1, sdp, 1, true, sdp),
                (1, stranger, 9, false, sdp),
                (1, stranger, 9, false, sdp),
                (1, stranger, 9, false, sdp),
                (60, stranger, 9, false, sdp),
            ],
        ];
        for run in runs {
            let start = Instant::now();
            let mut latch = Latch::new(address(sdp), start);
            assert_eq!(latch.target(), address(sdp));
            for &(second, from, ssrc, taken, target) in run {
                let now = start + Duration::from_secs(second);
                let heed = latch.handle_packet(now, address(from), ssrc);
                assert_eq!((heed == Heed::Take, latch.target()), (taken, address(target)));
            }
        }
    }

    #[test]
    fn hold_keeps_the_target_and_a_move_opens_it() {
        let start = Instant::now();
        let later = start + Duration::from_secs(60);
        let mut latch = Latch::new(address("10.0.0.5:4000"), start);
        latch.handle_packet(start, address("10.0.0.5:4002"), 1);
        latch.renegotiate(address("0.0.0.0:4000"), later);
        latch.renegotiate(address("10.0.0.5:4000"), later);
        assert_eq!(latch.target(), address("10.0.0.5:4002"));
        latch.renegotiate(address("10.0.0.9:5000"), later);
        assert_eq!(latch.target(), address("10.0.0.9:5000"));
        // What was on its way when the address moved does not draw us back, however much it is.
        for _ in 0..5 {
            assert_eq!(latch.handle_packet(later, address("10.0.0.5:4002"), 1), Heed::Refuse);
        }
        assert_eq!(latch.handle_packet(later, address("192.0.2.3:7"), 5), Heed::Take);
    }

    #[tokio::test]
    async fn datagrams_go_both_ways_and_reports_come_by_their_own_port() {
        let ours = MediaPort::bind(LOOPBACK, 42_000..=42_999).await.expect("a free pair");
        let theirs = MediaPort::bind(LOOPBACK, 42_000..=42_999).await.expect("a free pair");
        assert_eq!(ours.local_addr().port() % 2, 0);
        let mut rtcp_to = ours.local_addr();
        rtcp_to.set_port(rtcp_to.port() + 1);
        theirs.send_rtcp_to(b"report", rtcp_to).await.expect("sent");
        theirs.send_to(b"audio", ours.local_addr()).await.expect("sent");
        let mut buffer = [0; DATAGRAM_MAX];
        let mut rtcp_from = theirs.local_addr();
        rtcp_from.set_port(rtcp_from.port() + 1);
        // Which socket is read first is chance.
        let mut seen = Vec::new();
        for _ in 0..2 {
            let (channel, len, from) = ours.recv(&mut buffer).await.expect("received");
            seen.push((channel == Channel::Rtcp, buffer[..len].to_vec(), from));
        }
        seen.sort_by_key(|(is_report, ..)| *is_report);
        let audio = (false, b"audio".to_vec(), theirs.local_addr());
        assert_eq!(seen, [audio, (true, b"report".to_vec(), rtcp_from)]);
    }

    #[test]
    fn the_old_stream_is_known_again_where_it_was_negotiated() {
        let start = Instant::now();
        let (inside, outside) = ("10.0.0.5:4000", "198.51.100.7:31000");
        let mut latch = Latch::new(address(inside), start);
        assert_eq!(latch.handle_packet(start, address(outside), 1), Heed::Take);
        // The phone has found out how it is seen from outside, and says so.
        latch.renegotiate(address(outside), start);
        assert_eq!(latch.handle_packet(start, address(outside), 1), Heed::Take);
    }

    #[test]
    fn an_address_that_was_proven_is_as_good_as_negotiated() {
        let start = Instant::now();
        let (inside, outside) = (address("10.0.0.5:4000"), address("198.51.100.7:31000"));
        let late = start + LATCH_WINDOW * 2;
        let mut latch = Latch::new(inside, start);
        assert_eq!(latch.handle_packet(late, outside, 1), Heed::Refuse);
        latch.prove(outside);
        assert_eq!(latch.target(), outside);
        assert_eq!(latch.handle_packet(late, outside, 1), Heed::Take);
        assert_eq!(latch.handle_packet(late, address("203.0.113.66:9"), 9), Heed::Refuse);
        assert_eq!(latch.target(), outside);
    }

    #[tokio::test]
    async fn what_has_arrived_is_taken_without_waiting() {
        let ours = MediaPort::bind(LOOPBACK, 42_000..=42_999).await.expect("a free pair");
        let theirs = MediaPort::bind(LOOPBACK, 42_000..=42_999).await.expect("a free pair");
        for _ in 0..3 {
            theirs.send_to(b"audio", ours.local_addr()).await.expect("sent");
        }
        let mut buffer = [0; DATAGRAM_MAX];
        // The first is waited for: only then the runtime knows that there is something.
        ours.recv(&mut buffer).await.expect("received");
        for _ in 0..2 {
            let taken = ours.try_recv(&mut buffer).expect("the socket is fine");
            assert_eq!(taken, Some((5, theirs.local_addr())));
        }
        assert!(ours.try_recv(&mut buffer).expect("the socket is fine").is_none());
    }

    #[tokio::test]
    async fn a_used_up_range_says_so() {
        let held = MediaPort::bind(LOOPBACK, 43_000..=43_999).await.expect("a free pair");
        let port = held.local_addr().port();
        let error = MediaPort::bind(LOOPBACK, port..=port + 1).await.expect_err("in use");
        assert!(matches!(error, MediaError::Exhausted { .. }));
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1 in {port}-{}", port + 1)), "{text}");
        drop(held);
        assert!(MediaPort::bind(LOOPBACK, port..=port + 1).await.is_ok());
        #[allow(clippy::reversed_empty_ranges)]
        for range in [40_001..=40_002, 40_000..=40_000, 0..=10, 50_000..=40_000] {
            let error = MediaPort::bind(LOOPBACK, range).await.expect_err("no pair");
            assert!(matches!(error, MediaError::NoPair { .. }), "{error}");
        }
        let nowhere = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
        let error = MediaPort::bind(nowhere, 40_000..=40_010).await.expect_err("not our address");
        assert!(matches!(error, MediaError::Bind { .. }), "{error}");
    }
}
