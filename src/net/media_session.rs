//! The media of one leg: its socket, latch, receiver and sender, as one thing that is told the
//! time. Job: put them together in the right order. Non-job: deciding anything about the call.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::audio::AudioFrame;
use crate::rtp::{PayloadTypes, Receiver, RtpEvent, Sender, Stats, parse_packet};

use super::media::{DATAGRAM_MAX, Heed, Latch, MediaError, MediaPort};
use super::sdp::{Negotiated, SdpError, Security, accept_answer_secured};
use super::secure::{Guard, GuardCounters};

/// Keys that may wait for the call; a person presses far fewer, and one more is dropped.
const DIGITS_LEN_MAX: usize = 64;

/// Datagrams taken at once from what has arrived: more than a second of audio; what is left is taken
/// with the next.
const DRAIN_MAX: usize = 64;

/// How long one of our own keys is held.
const KEY_MS: u32 = 100;

/// Media before anything is agreed (late offer): what is agreed comes with the ACK.
struct Agreed {
    latch: Latch,
    types: PayloadTypes,
    sends: bool,
}

/// One leg's media.
pub struct MediaSession {
    port: MediaPort,
    agreed: Option<Agreed>,
    receiver: Receiver,
    sender: Sender,
    our_sdp: String,
    digits: VecDeque<char>,
    buffer: Vec<u8>,
    refused: u64,
    security: Security,
    guard: Guard,
    /// A datagram of a handshake that could not be sent at once.
    unsent: Option<(SocketAddr, BytesMut)>,
}

impl MediaSession {
    /// Begins with what was agreed, or, for a late offer, with `our_sdp` only: then nothing is taken
    /// in or sent until the answer has come. `seed` starts the RTP sequence and time stamps.
    pub fn new(
        port: MediaPort,
        agreed: Option<&Negotiated>,
        our_sdp: String,
        seed: u64,
        now: Instant,
    ) -> Self {
        let types = agreed.map_or_else(default_types, Negotiated::payload_types);
        Self {
            port,
            agreed: agreed.map(|agreed| Agreed {
                latch: Latch::new(agreed.remote, now),
                types,
                sends: agreed.direction.sends(),
            }),
            receiver: Receiver::new(types),
            sender: Sender::new(types, seed),
            our_sdp,
            digits: VecDeque::new(),
            buffer: vec![0; DATAGRAM_MAX],
            refused: 0,
            security: Security::plain(),
            guard: Guard::default(),
            unsent: None,
        }
    }

    /// The same with the protection that the description was made with.
    #[must_use]
    pub fn secured(mut self, security: Security, now: Instant) -> Self {
        self.security = security;
        self.protect(now);
        self
    }

    /// What is said about protection in the descriptions of this leg.
    pub fn security_mut(&mut self) -> &mut Security {
        &mut self.security
    }

    /// Carries out what was agreed about protection.
    fn protect(&mut self, now: Instant) {
        let Some(agreed) = &self.agreed else { return };
        let (wanted, identity) = (self.security.agreed(), self.security.identity());
        self.guard.apply(wanted, identity, agreed.latch.target(), now);
        self.flush();
    }

    /// Sends what a handshake has to say, and notes what it has proven.
    fn flush(&mut self) {
        while let Some((to, datagram)) = self.unsent.take().or_else(|| self.guard.poll_transmit()) {
            if !self.port.try_send_to(&datagram, to) {
                self.unsent = Some((to, datagram));
                break;
            }
        }
        if let (Some(proven), Some(agreed)) = (self.guard.proven(), &mut self.agreed) {
            agreed.latch.prove(proven);
        }
    }

    /// Whether offer and answer have met: only a late offer makes this wait.
    pub fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// Whether audio can flow: offer and answer have met, and there are keys if there are to be.
    pub fn is_ready(&self) -> bool {
        self.is_agreed() && self.guard.is_ready()
    }

    /// Why no audio will ever flow on this leg.
    pub fn failure(&self) -> Option<&str> {
        self.guard.failure()
    }

    /// What protects the audio, in words for the call's record.
    pub fn protection(&self) -> String {
        self.guard.describe()
    }

    /// What was turned away because of how it was protected.
    pub fn guard_counters(&self) -> GuardCounters {
        self.guard.counters()
    }

    /// Goes on with a handshake, if there is one: to be called every 20 ms while no frame is sent.
    pub fn tend(&mut self, now: Instant) {
        self.guard.handle_timeout(now);
        self.flush();
    }

    /// The description that we sent last.
    pub fn our_sdp(&self) -> &str {
        &self.our_sdp
    }

    /// Notes the description that we send now: a late answer is an answer to this one.
    pub fn set_our_sdp(&mut self, sdp: String) {
        self.our_sdp = sdp;
    }

    /// Takes what a re-INVITE agreed.
    pub fn renegotiate(&mut self, negotiated: &Negotiated, now: Instant) {
        let types = negotiated.payload_types();
        self.receiver.set_payload_types(types);
        self.sender.set_payload_types(types);
        let sends = negotiated.direction.sends() && !negotiated.remote.ip().is_unspecified();
        match &mut self.agreed {
            Some(agreed) => {
                agreed.latch.renegotiate(negotiated.remote, now);
                agreed.types = types;
                agreed.sends = sends;
            }
            None => {
                self.agreed =
                    Some(Agreed { latch: Latch::new(negotiated.remote, now), types, sends });
            }
        }
        self.protect(now);
    }

    /// Takes the answer to our own offer, which comes with the ACK; says what is agreed now.
    ///
    /// # Errors
    /// The answer does not fit the offer.
    pub fn accept_late_answer(
        &mut self,
        answer: &str,
        now: Instant,
    ) -> Result<Negotiated, SdpError> {
        let negotiated = accept_answer_secured(&self.our_sdp, answer, &mut self.security)?;
        self.renegotiate(&negotiated, now);
        Ok(negotiated)
    }

    /// Waits for a datagram and takes it in. Says whether it was media of this leg; anything else
    /// is counted and dropped. Safe to cancel.
    ///
    /// # Errors
    /// The socket failed for good.
    pub async fn recv(&mut self) -> Result<bool, MediaError> {
        let (len, from) = self.port.recv(&mut self.buffer).await?;
        Ok(self.take_datagram(Instant::now(), len, from))
    }

    /// Takes in what has arrived already, without waiting: to be called before each pull, so that no
    /// frame is made up in place of one that is there. Says whether any of it was media of this leg.
    ///
    /// # Errors
    /// The socket failed for good.
    pub fn drain(&mut self) -> Result<bool, MediaError> {
        let mut is_ours = false;
        for _ in 0..DRAIN_MAX {
            let Some((len, from)) = self.port.try_recv(&mut self.buffer)? else { break };
            is_ours |= self.take_datagram(Instant::now(), len, from);
        }
        Ok(is_ours)
    }

    /// Takes in the datagram at the start of the buffer; says whether it was media of this leg.
    fn take_datagram(&mut self, now: Instant, len: usize, from: SocketAddr) -> bool {
        if self.agreed.is_none() {
            // Before anything is agreed nobody is known to be the caller.
            self.refused += 1;
            return false;
        }
        let Some(bytes) = self.guard.open(now, from, &self.buffer[..len]) else {
            self.flush();
            return false;
        };
        let Some(agreed) = &mut self.agreed else { return false };
        // The receiver counts what is malformed; only what parses may move the latch.
        if let Ok(packet) = parse_packet(&bytes)
            && agreed.types.covers(packet.payload_type)
            && agreed.latch.handle_packet(now, from, packet.ssrc) == Heed::Refuse
        {
            self.refused += 1;
            return false;
        }
        let handled = self.receiver.handle_packet(now, &bytes);
        drop(bytes);
        match handled {
            Ok(event) => {
                self.take_event(event);
                true
            }
            Err(_) => false,
        }
    }

    fn take_event(&mut self, event: Option<RtpEvent>) {
        if let Some(RtpEvent::Digit { digit, .. }) = event
            && self.digits.len() < DIGITS_LEN_MAX
        {
            self.digits.push_back(digit.into_inner());
        }
    }

    /// The next key that was pressed.
    pub fn poll_digit(&mut self) -> Option<char> {
        self.digits.pop_front()
    }

    /// The next 20 ms from the other side.
    pub fn pull(&mut self, now: Instant) -> AudioFrame {
        let frame = self.receiver.pull(now).into_frame();
        // Ends presses whose last packets were lost.
        while let Some(event) = self.receiver.poll_event(now) {
            self.take_event(Some(event));
        }
        frame
    }

    /// Sends 20 ms, if this leg may send at present. Call it every 20 ms. While one of our keys is
    /// being sent, it goes out in place of the frame.
    ///
    /// # Errors
    /// The socket failed for good.
    pub async fn send(&mut self, frame: &[i16; 160]) -> Result<(), MediaError> {
        self.tend(Instant::now());
        let Some(agreed) = self.agreed.as_ref().filter(|agreed| agreed.sends) else {
            self.sender.tick(None);
            return Ok(());
        };
        let target = agreed.latch.target();
        for packet in self.sender.tick(Some(frame)) {
            if let Some(sealed) = self.guard.seal(&packet) {
                self.port.send_to(&sealed, target).await?;
            }
        }
        Ok(())
    }

    /// Begins to send a key (RFC 4733) with the next frames.
    ///
    /// # Errors
    /// The other side does not take keys, or it is no key.
    pub fn press(&mut self, key: char) -> Result<(), crate::rtp::SendError> {
        self.sender.queue_digit(key, KEY_MS)
    }

    /// Whether keys of ours are still going out.
    pub fn is_pressing(&self) -> bool {
        self.sender.is_sending_digits()
    }

    /// How long audio waits in the jitter buffer at present.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.receiver.stats().delay_ms)
    }

    /// What the receiver has counted.
    pub fn stats(&self) -> Stats {
        self.receiver.stats()
    }

    /// Packets from addresses that are not of this call.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Until something is agreed, what nearly every telephone sends.
fn default_types() -> PayloadTypes {
    PayloadTypes { law: crate::audio::Law::Mu, audio: 0, also: None, telephone_event: Some(101) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::SrtpMode;
    use crate::net::sdp::{
        Direction, KeysInSdp, LocalMedia, Wish, answer, answer_secured, offer, offer_secured,
    };
    use crate::net::secure::Identity;

    const IP: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    async fn port() -> MediaPort {
        MediaPort::bind(IP, 44_000..=44_999).await.expect("a free pair")
    }

    fn local(port: &MediaPort) -> LocalMedia {
        LocalMedia { ip: IP, port: port.local_addr().port(), session_id: 1 }
    }

    #[tokio::test]
    async fn media_counts_once_it_is_agreed_and_only_from_the_caller() {
        let (ours, theirs, stranger) = (port().await, port().await, port().await);
        let at = ours.local_addr();
        let our_offer = offer(&local(&ours), 1, Direction::SendRecv);
        let (their_answer, _) = answer(&our_offer, &local(&theirs), 1).expect("acceptable");
        let mut session = MediaSession::new(ours, None, our_offer, 1, Instant::now());
        let mut phone = Sender::new(default_types(), 2);
        for agreed in [false, true] {
            assert_eq!(session.is_agreed(), agreed);
            for _ in 0..3 {
                for packet in phone.tick(Some(&[0; 160])) {
                    theirs.send_to(&packet, at).await.expect("sent");
                }
            }
            assert_eq!(session.recv().await.expect("received"), agreed);
            assert_eq!(session.drain().expect("the socket is fine"), agreed);
            if !agreed {
                let now = Instant::now();
                let negotiated = session.accept_late_answer(&their_answer, now).expect("it fits");
                assert_eq!(negotiated.direction, Direction::SendRecv);
            }
        }
        assert_eq!((session.stats().received, session.refused()), (3, 3));
        // Comfort noise that somebody else sends is as foreign as their audio.
        let noise = [0x80, 13, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 60];
        stranger.send_to(&noise, at).await.expect("sent");
        assert!(!session.recv().await.expect("received"));
        assert_eq!((session.stats().comfort_noise, session.refused()), (0, 4));
    }

    /// Two sessions that have agreed on protection, the first as the one who called.
    async fn secured(wish: Wish) -> (MediaSession, MediaSession) {
        let (here, there) = (port().await, port().await);
        let security = || {
            let identity = Some(Arc::new(Identity::generate().expect("made")));
            Security::new(SrtpMode::Offered, KeysInSdp::Allowed, identity)
        };
        let (mut ours, mut theirs) = (security().wishing(wish), security());
        let offer = offer_secured(&local(&here), 1, Direction::SendRecv, &mut ours);
        let (text, agreed) =
            answer_secured(&offer, &local(&there), 1, &mut theirs).expect("acceptable");
        let now = Instant::now();
        let there = MediaSession::new(there, Some(&agreed), text.clone(), 2, now);
        let agreed = accept_answer_secured(&offer, &text, &mut ours).expect("it fits");
        let here = MediaSession::new(here, Some(&agreed), offer, 1, now);
        (here.secured(ours, now), there.secured(theirs, now))
    }

    /// Whether a tone that one sends is what the other plays.
    async fn is_heard(from: &mut MediaSession, to: &mut MediaSession) -> bool {
        let tone: [i16; 160] =
            std::array::from_fn(|at| if at / 10 % 2 == 0 { 8_000 } else { -8_000 });
        for _ in 0..10 {
            from.send(&tone).await.expect("sent");
            while !to.recv().await.expect("received") {}
        }
        let now = Instant::now();
        (0..30).any(|frame| {
            let played = to.pull(now + Duration::from_millis(20) * frame);
            let loud = played.samples.iter().filter(|sample| sample.unsigned_abs() > 7_000);
            loud.count() > 150
        })
    }

    #[tokio::test]
    async fn encrypted_audio_is_heard_both_ways_and_plain_audio_is_not() {
        let ways =
            [(Wish::Sdes, "SDES AEAD_AES_256_GCM"), (Wish::Dtls, "DTLS-SRTP AEAD_AES_256_GCM")];
        for (wish, described) in ways {
            let (mut here, mut there) = secured(wish).await;
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !(here.is_ready() && there.is_ready()) {
                assert_eq!((here.failure(), there.failure()), (None, None));
                tokio::select! {
                    _ = ticks.tick() => {
                        here.tend(Instant::now());
                        there.tend(Instant::now());
                    }
                    received = here.recv() => assert!(!received.expect("received")),
                    received = there.recv() => assert!(!received.expect("received")),
                }
            }
            assert_eq!(
                (here.protection(), there.protection()),
                (described.into(), described.into())
            );
            assert!(is_heard(&mut here, &mut there).await, "{described}");
            assert!(is_heard(&mut there, &mut here).await, "{described}");
            // Plain audio from the right address is as good as a stranger's.
            let at = here.port.local_addr();
            let mut plain = Sender::new(default_types(), 77);
            for packet in plain.tick(Some(&[0; 160])) {
                there.port.send_to(&packet, at).await.expect("sent");
            }
            assert!(!here.recv().await.expect("received"));
            assert_eq!((here.guard_counters().unauthentic, here.refused()), (1, 0));
            assert_eq!(here.stats().received, 10);
        }
    }
}
