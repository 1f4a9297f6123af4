//! The media of one leg: its socket, latch, receiver and sender, as one thing that is told the
//! time. A browser's has its peer connection in place of socket, latch and guard. Job: put them
//! together in the right order. Non-job: deciding anything about the call.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;

use crate::audio::{AudioFrame, Codec, DtmfDetector, FrameConverter, SampleRate, tone};
use crate::rtp::{
    PayloadTypes, Quality, Receiver, Reporter, RtpError, RtpEvent, SendError, Sender, Stats,
    is_rtcp, parse_packet,
};

use super::media::{Channel, DATAGRAM_MAX, Heed, Latch, MediaError, MediaPort};
use super::sdp::{
    LocalMedia, Negotiated, RtcpWay, SdpError, Security, accept_answer_secured, answer_secured,
    offer_again,
};
use super::secure::{Guard, GuardCounters};
use super::webrtc::PeerMedia;

/// Keys that may wait for the call; a person presses far fewer, and one more is dropped.
const DIGITS_LEN_MAX: usize = 64;

/// Datagrams taken at once from what has arrived: more than a second of audio; what is left is taken
/// with the next.
const DRAIN_MAX: usize = 64;

/// How long one of our own keys is held.
const KEY_MS: u32 = 100;

/// Pause after one of our own keys that goes out as tones.
const TONE_PAUSE: Duration = Duration::from_millis(60);

/// Level of each of its two tones: together they are as loud as a voice may be.
const TONE_DBFS: f64 = -12.0;

/// Tones that may wait, in ms; one more key is refused.
const TONES_MAX: Duration = Duration::from_secs(10);

/// Media before anything is agreed (late offer): what is agreed comes with the ACK.
struct Agreed {
    latch: Latch,
    types: PayloadTypes,
    sends: bool,
    rtcp: RtcpWay,
}

/// How packets come and go.
enum Way {
    /// As datagrams, from where the latch says.
    Port(MediaPort),
    /// In clear, from a peer that is known and protects them itself.
    Peer(PeerMedia),
}

/// Where a peer is does not matter: its latch is never asked.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// One leg's media.
pub struct MediaSession {
    way: Way,
    agreed: Option<Agreed>,
    receiver: Receiver,
    sender: Sender,
    /// From the rate of what we say to that of the codec.
    converter: FrameConverter,
    our_sdp: String,
    reporter: Reporter,
    /// Where reports have come from, on a port of their own.
    rtcp_from: Option<SocketAddr>,
    digits: VecDeque<char>,
    /// Finds keys in the audio of those who have no telephone-events.
    detector: DtmfDetector,
    /// Keys of ours on their way as tones, at the codec's rate.
    tones: VecDeque<i16>,
    buffer: Vec<u8>,
    refused: u64,
    security: Security,
    guard: Guard,
    /// The next agreement is with another leg: nothing of what protects this one goes on.
    is_moving: bool,
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
        let agreed = agreed.map(|agreed| Agreed {
            latch: Latch::new(agreed.remote, now),
            types: agreed.payload_types(),
            sends: agreed.direction.sends(),
            rtcp: agreed.rtcp,
        });
        let types = agreed.as_ref().map_or_else(default_types, |agreed| agreed.types);
        let sender = Sender::new(types, seed);
        Self::over(Way::Port(port), agreed, sender, our_sdp, seed, now)
    }

    /// Begins with the packets of a browser, which come once it is connected: what may come and what
    /// is sent is agreed. `sender` is the one that the peer was told of; `seed` is its own.
    pub(super) fn over_peer(
        packets: PeerMedia,
        sender: Sender,
        types: PayloadTypes,
        seed: u64,
        now: Instant,
    ) -> Self {
        let latch = Latch::new(PEER, now);
        let agreed = Agreed { latch, types, sends: true, rtcp: RtcpWay::Shared };
        Self::over(Way::Peer(packets), Some(agreed), sender, String::new(), seed, now)
    }

    fn over(
        way: Way,
        agreed: Option<Agreed>,
        sender: Sender,
        our_sdp: String,
        seed: u64,
        now: Instant,
    ) -> Self {
        let types = agreed.as_ref().map_or_else(default_types, |agreed| agreed.types);
        Self {
            way,
            agreed,
            receiver: Receiver::new(types),
            sender,
            converter: FrameConverter::new(types.codec.rate()),
            our_sdp,
            reporter: Reporter::new(canonical_name(), seed, now),
            rtcp_from: None,
            digits: VecDeque::new(),
            detector: DtmfDetector::new(types.codec.rate()),
            tones: VecDeque::new(),
            buffer: vec![0; DATAGRAM_MAX],
            refused: 0,
            security: Security::plain(),
            guard: Guard::default(),
            is_moving: false,
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

    /// Goes on with another leg, whose description was made with this. What protects the audio
    /// stays as it is until something is agreed there.
    pub fn move_to(&mut self, security: Security) {
        self.security = security;
        self.is_moving = true;
    }

    /// Carries out what was agreed about protection.
    fn protect(&mut self, now: Instant) {
        let Some(agreed) = &self.agreed else { return };
        if std::mem::take(&mut self.is_moving) {
            self.guard.forget();
            self.unsent = None;
        }
        let (wanted, identity) = (self.security.agreed(), self.security.identity());
        self.guard.apply(wanted, identity, agreed.latch.target(), now);
        self.flush();
    }

    /// Sends what a handshake has to say, and notes what it has proven.
    fn flush(&mut self) {
        let Way::Port(port) = &self.way else { return };
        while let Some((to, datagram)) = self.unsent.take().or_else(|| self.guard.poll_transmit()) {
            if !port.try_send_to(&datagram, to) {
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
        match &self.way {
            Way::Port(_) => self.is_agreed() && self.guard.is_ready(),
            Way::Peer(peer) => peer.is_ready(),
        }
    }

    /// Why no audio will ever flow on this leg. Of a browser its leg tells.
    pub fn failure(&self) -> Option<&str> {
        self.guard.failure()
    }

    /// What protects the audio, in words for the call's record.
    pub fn protection(&self) -> String {
        match &self.way {
            Way::Port(_) => self.guard.describe(),
            Way::Peer(_) => "DTLS-SRTP".to_owned(),
        }
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

    /// Notes the description that we send now: a late answer is an answer to this one.
    pub fn set_our_sdp(&mut self, sdp: String) {
        self.our_sdp = sdp;
    }

    /// Takes what a re-INVITE agreed.
    pub fn renegotiate(&mut self, negotiated: &Negotiated, now: Instant) {
        let types = negotiated.payload_types();
        self.receiver.set_payload_types(types);
        self.sender.set_payload_types(types);
        if self.converter.to() != types.codec.rate() {
            self.converter = FrameConverter::new(types.codec.rate());
            self.tones.clear();
        }
        let sends = negotiated.direction.sends() && !negotiated.remote.ip().is_unspecified();
        match &mut self.agreed {
            Some(agreed) => {
                agreed.latch.renegotiate(negotiated.remote, now);
                agreed.types = types;
                agreed.sends = sends;
                if agreed.rtcp != negotiated.rtcp {
                    agreed.rtcp = negotiated.rtcp;
                    self.rtcp_from = None;
                }
            }
            None => {
                let latch = Latch::new(negotiated.remote, now);
                self.agreed = Some(Agreed { latch, types, sends, rtcp: negotiated.rtcp });
            }
        }
        self.protect(now);
    }

    /// Answers a new offer of the other side, and goes on as that agrees; gives our description, of
    /// this version, and what is agreed now.
    ///
    /// # Errors
    /// The offer cannot be taken; everything stays as it was.
    pub fn answer_again(
        &mut self,
        offer: &str,
        local: &LocalMedia,
        version: u64,
        now: Instant,
    ) -> Result<(String, Negotiated), SdpError> {
        let (sdp, negotiated) = answer_secured(offer, local, version, &mut self.security)?;
        self.renegotiate(&negotiated, now);
        self.set_our_sdp(sdp.clone());
        Ok((sdp, negotiated))
    }

    /// Our description, of this version, where the other side wants us to offer anew.
    pub fn offer_again(&mut self, local: &LocalMedia, version: u64) -> String {
        let sdp = offer_again(&self.our_sdp, local, version, &mut self.security);
        self.set_our_sdp(sdp.clone());
        sdp
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
        match &mut self.way {
            Way::Port(port) => {
                let (channel, len, from) = port.recv(&mut self.buffer).await?;
                Ok(self.take_datagram(Instant::now(), channel, len, from))
            }
            Way::Peer(peer) => {
                let packet = peer.recv().await;
                Ok(self.take_packet(Instant::now(), &packet))
            }
        }
    }

    /// Takes in what has arrived already, without waiting: to be called before each pull, so that no
    /// frame is made up in place of one that is there. Says whether any of it was media of this leg.
    ///
    /// # Errors
    /// The socket failed for good.
    pub fn drain(&mut self) -> Result<bool, MediaError> {
        let mut is_ours = false;
        for _ in 0..DRAIN_MAX {
            match &mut self.way {
                Way::Port(port) => {
                    let Some((len, from)) = port.try_recv(&mut self.buffer)? else { break };
                    is_ours |= self.take_datagram(Instant::now(), Channel::Rtp, len, from);
                }
                Way::Peer(peer) => {
                    let Some(packet) = peer.try_recv() else { break };
                    is_ours |= self.take_packet(Instant::now(), &packet);
                }
            }
        }
        Ok(is_ours)
    }

    /// Takes in the datagram at the start of the buffer; says whether it was media of this leg.
    fn take_datagram(
        &mut self,
        now: Instant,
        channel: Channel,
        len: usize,
        from: SocketAddr,
    ) -> bool {
        // What kind of packet it is stands in the clear, whatever protects it.
        if channel == Channel::Rtcp || is_rtcp(&self.buffer[..len]) {
            self.take_report(now, channel, len, from);
            return false;
        }
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
        self.note(handled)
    }

    /// Takes in a packet of the peer; says whether it was audio or keys.
    fn take_packet(&mut self, now: Instant, packet: &[u8]) -> bool {
        if is_rtcp(packet) {
            // What is no report has been counted.
            let _ = self.reporter.handle(now, ntp_now(), &self.sender, packet);
            return false;
        }
        let handled = self.receiver.handle_packet(now, packet);
        self.note(handled)
    }

    /// Says whether a packet was of the stream; what is not has been counted.
    fn note(&mut self, handled: Result<Option<RtpEvent>, RtpError>) -> bool {
        match handled {
            Ok(event) => {
                self.take_event(event);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes in RTCP at the start of the buffer, if it comes from where the audio comes from.
    fn take_report(&mut self, now: Instant, channel: Channel, len: usize, from: SocketAddr) {
        let is_theirs =
            self.agreed.as_ref().is_some_and(|agreed| agreed.latch.target().ip() == from.ip());
        if !is_theirs || (channel == Channel::Rtcp && !self.guard.covers_rtcp_port()) {
            self.refused += 1;
            return;
        }
        // What is not protected as agreed, or no RTCP, has been counted.
        let Some(bytes) = self.guard.open(now, from, &self.buffer[..len]) else { return };
        let taken = self.reporter.handle(now, ntp_now(), &self.sender, &bytes);
        if taken.is_ok() && channel == Channel::Rtcp {
            self.rtcp_from = Some(from);
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
        let mut frame = self.receiver.pull(now).into_frame();
        self.listen_for_tones(&mut frame);
        // Ends presses whose last packets were lost.
        while let Some(event) = self.receiver.poll_event(now) {
            self.take_event(Some(event));
        }
        frame
    }

    /// Takes keys out of the audio where they can come in no other way.
    fn listen_for_tones(&mut self, frame: &mut AudioFrame) {
        let events = self.agreed.as_ref().map(|agreed| agreed.types.heard_events);
        if events.is_none_or(|events| events.iter().any(Option::is_some)) {
            return;
        }
        if self.detector.rate() != frame.rate {
            self.detector = DtmfDetector::new(frame.rate);
        }
        let heard = self.detector.hear(&frame.samples);
        if let Some(key) = heard.key
            && self.digits.len() < DIGITS_LEN_MAX
        {
            self.digits.push_back(key);
        }
        // Nobody says a tone: what is left of it would only be misheard as words.
        if heard.is_down {
            frame.samples.fill(0);
        }
    }

    /// Sends 20 ms of this rate, if this leg may send at present. Call it every 20 ms. While one of
    /// our keys is being sent, it goes out in place of the frame.
    ///
    /// # Errors
    /// The socket failed for good.
    pub async fn send(&mut self, samples: &[i16], rate: SampleRate) -> Result<(), MediaError> {
        let now = Instant::now();
        self.tend(now);
        // A report that cannot be sent must not cost a frame.
        let _ = self.report(now).await;
        let Some(agreed) = self.agreed.as_ref().filter(|agreed| agreed.sends) else {
            self.sender.tick(None);
            return Ok(());
        };
        let target = agreed.latch.target();
        let mut frame = self.converter.convert(samples, rate);
        let tones_len = self.tones.len().min(frame.len());
        for (sample, tone) in frame.iter_mut().zip(self.tones.drain(..tones_len)) {
            *sample = tone;
        }
        for packet in self.sender.tick(Some(&frame)) {
            match &mut self.way {
                Way::Port(port) => {
                    if let Some(sealed) = self.guard.seal(&packet) {
                        port.send_to(&sealed, target).await?;
                    }
                }
                Way::Peer(peer) => peer.send_rtp(&packet),
            }
        }
        Ok(())
    }

    /// Sends a report, if one is due.
    async fn report(&mut self, now: Instant) -> Result<(), MediaError> {
        let due = self.reporter.poll_report(now, ntp_now(), &self.receiver, &self.sender);
        match due {
            Some(report) => self.send_report(&report).await,
            None => Ok(()),
        }
    }

    /// Ends the stream: tells the other side's RTCP so.
    pub async fn close(&mut self) {
        let now = Instant::now();
        let goodbye = self.reporter.goodbye(now, ntp_now(), &self.receiver, &self.sender);
        if let Some(goodbye) = goodbye {
            // It is a courtesy: a socket that has failed ends the call all the same.
            let _ = self.send_report(&goodbye).await;
        }
    }

    async fn send_report(&mut self, report: &[u8]) -> Result<(), MediaError> {
        let port = match &mut self.way {
            Way::Port(port) => port,
            Way::Peer(peer) => {
                if peer.is_ready() {
                    peer.send_rtcp(report);
                }
                return Ok(());
            }
        };
        let Some(agreed) = &self.agreed else { return Ok(()) };
        let (rtcp, rtp_to) = (agreed.rtcp, agreed.latch.target());
        let is_covered = rtcp == RtcpWay::Shared || self.guard.covers_rtcp_port();
        if rtp_to.ip().is_unspecified() || !is_covered {
            return Ok(());
        }
        let Some(sealed) = self.guard.seal(report) else { return Ok(()) };
        match rtcp {
            RtcpWay::Shared => port.send_to(&sealed, rtp_to).await,
            // Behind address translation the address in the SDP is not the one they come from.
            RtcpWay::Apart(told) => {
                port.send_rtcp_to(&sealed, self.rtcp_from.unwrap_or(told)).await
            }
        }
    }

    /// How both directions sound; `None` while nothing has come.
    pub fn quality(&self) -> Option<Quality> {
        let has_heard = self.receiver.stats().received > 0;
        has_heard.then(|| self.reporter.quality(&self.receiver, &self.sender))
    }

    /// Begins to send a key with the next frames: as telephone-events (RFC 4733) or, where the other
    /// side has none, as tones.
    ///
    /// # Errors
    /// It is no key, or too many wait.
    pub fn press(&mut self, key: char) -> Result<(), SendError> {
        match self.sender.queue_digit(key, KEY_MS) {
            Err(SendError::NotNegotiated) => self.press_as_tones(key),
            done => done,
        }
    }

    fn press_as_tones(&mut self, key: char) -> Result<(), SendError> {
        let rate = self.sender.rate();
        if self.tones.len() >= rate.samples_in(TONES_MAX) {
            return Err(SendError::Full);
        }
        let held = Duration::from_millis(u64::from(KEY_MS));
        let tones = tone::dtmf(rate, key, TONE_DBFS, held).ok_or(SendError::NotADigit)?;
        self.tones.extend(tones);
        self.tones.extend(std::iter::repeat_n(0, rate.samples_in(TONE_PAUSE)));
        Ok(())
    }

    /// Whether keys of ours are still going out.
    pub fn is_pressing(&self) -> bool {
        self.sender.is_sending_digits() || !self.tones.is_empty()
    }

    /// Whether the other side has announced that it sends nothing for a while.
    pub fn is_paused(&self) -> bool {
        self.receiver.is_paused()
    }

    /// The codec that we send; `None` before anything is agreed.
    pub fn codec(&self) -> Option<Codec> {
        self.agreed.as_ref().map(|agreed| agreed.types.codec)
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

    /// Packets of a browser's call that were lost on this machine, because a task was behind: those
    /// that came, and those that were to go.
    pub fn lost_here(&self) -> (u64, u64) {
        match &self.way {
            Way::Port(_) => (0, 0),
            Way::Peer(peer) => peer.lost(),
        }
    }
}

/// A name for the stream that says nothing about us and never comes again (RFC 7022).
fn canonical_name() -> String {
    rand::random::<[u8; 12]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The wall clock in NTP format: seconds since 1900, and their fraction in the lower half.
fn ntp_now() -> u64 {
    const FROM_1900_TO_1970_S: u64 = 2_208_988_800;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    ((now.as_secs() + FROM_1900_TO_1970_S) << 32) | fraction
}

/// Until something is agreed, what nearly every telephone sends.
fn default_types() -> PayloadTypes {
    PayloadTypes::alike(Codec::Pcmu, 0, Some(101))
}

#[cfg(test)]
mod tests;
