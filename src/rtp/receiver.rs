//! From packets to 20 ms frames and digits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{AudioFrame, Codec, MediaTime};
use crate::base::Pii;

use super::digits::{DigitReceiver, Event, Press};
use super::jitter::{Inserted, JitterBuffer, Kind};
use super::packet::{Packet, RtpError, parse_packet};
use super::sequence::{Order, SequenceTracker};
use super::{COMFORT_NOISE, EventType, PayloadTypes};

/// The longest G.711 or G.722 payload taken, 200 ms.
const PAYLOAD_MAX: usize = 1600;
/// A new source is believed after so many packets in order ...
const SOURCE_PROOF: u32 = 3;
/// ... or at once when the old one has been quiet for so long.
const SOURCE_QUIET: Duration = Duration::from_millis(200);
/// Digits not yet fetched. Overflow drops the newest.
const EVENTS_MAX: usize = 64;

/// Something other than audio that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtpEvent {
    /// A key was pressed and let go. Reported once per press.
    Digit {
        /// `0`-`9`, `*`, `#` or `A`-`D`.
        digit: Pii<char>,
        /// How long it was held.
        duration_ms: u32,
    },
}

/// Twenty milliseconds for the playout tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// All as it was sent.
    Audio(AudioFrame),
    /// At least a part was made up in place of lost or late packets.
    Concealed(AudioFrame),
    /// Nothing was sent for this time, or nothing has come for more than 60 ms.
    Silence(AudioFrame),
}

impl Pulled {
    /// The frame, whatever it is made of.
    pub fn into_frame(self) -> AudioFrame {
        match self {
            Self::Audio(frame) | Self::Concealed(frame) | Self::Silence(frame) => frame,
        }
    }

    /// The frame, whatever it is made of.
    pub const fn frame(&self) -> &AudioFrame {
        match self {
            Self::Audio(frame) | Self::Concealed(frame) | Self::Silence(frame) => frame,
        }
    }
}

/// Datagrams that were not packets of the stream, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Malformed {
    /// Ended within the header.
    pub short: u64,
    /// Not RTP version 2.
    pub version: u64,
    /// Impossible padding.
    pub padding: u64,
    /// A payload type that was not negotiated.
    pub payload_type: u64,
    /// Audio packets without audio.
    pub empty: u64,
    /// Audio packets of more than 200 ms.
    pub oversize: u64,
    /// Audio packets that their codec cannot have made.
    pub undecodable: u64,
    /// Telephone-events too short to be one.
    pub event: u64,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    /// Packets of the stream, duplicates and late ones included.
    pub received: u64,
    /// Packets missing by their numbers (RFC 3550 section 6.4.1), those still on their way too.
    pub lost: u64,
    /// Packets that came after their time to be played.
    pub late: u64,
    /// Packets that had come before.
    pub duplicate: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets dropped for lack of room or for a number or time that fits nothing.
    pub discarded: u64,
    /// Datagrams that are no packets of the stream.
    pub malformed: Malformed,
    /// Packets of a source that is not (yet) listened to.
    pub foreign: u64,
    /// How often another source was taken on.
    pub source_changes: u64,
    /// Comfort noise packets: they announce a pause (RFC 3389), in which nothing has to be made up.
    pub comfort_noise: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// Audio made up in place of missing audio.
    pub concealed_ms: u64,
    /// Lost audio that a later packet brought along (Opus).
    pub recovered_ms: u64,
    /// Audio left out to shorten the delay.
    pub dropped_ms: u64,
    /// Present delay of the jitter buffer.
    pub delay_ms: u64,
    /// The delay it aims at.
    pub target_delay_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    heard: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    ssrc: u32,
    next_sequence: u16,
    count: u32,
}

/// The receiving side of one audio stream.
#[derive(Debug)]
pub struct Receiver {
    types: PayloadTypes,
    source: Option<Source>,
    candidate: Option<Candidate>,
    sequence: SequenceTracker,
    jitter: JitterBuffer,
    digits: DigitReceiver,
    events: VecDeque<RtpEvent>,
    interarrival: Interarrival,
    /// What earlier jitter buffers have counted besides.
    stats: Stats,
    /// Frames given out.
    pulled: u64,
}

impl Receiver {
    /// A receiver that has heard nothing.
    pub fn new(types: PayloadTypes) -> Self {
        Self {
            types,
            source: None,
            candidate: None,
            sequence: SequenceTracker::default(),
            jitter: JitterBuffer::new(types.codec),
            digits: DigitReceiver::default(),
            events: VecDeque::new(),
            interarrival: Interarrival::default(),
            stats: Stats::default(),
            pulled: 0,
        }
    }

    /// Takes on what a new negotiation settled. What waits is still played.
    pub fn set_payload_types(&mut self, types: PayloadTypes) {
        self.types = types;
    }

    /// Takes a datagram. An event it completes is returned; should it complete two, the other
    /// comes from [`Receiver::poll_event`].
    ///
    /// # Errors
    /// Says why the datagram is not a packet of the stream; it has been counted, and nothing else
    /// happens.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> Result<Option<RtpEvent>, RtpError> {
        match self.handle(now, bytes) {
            Ok(()) => Ok(self.events.pop_front()),
            Err(error) => {
                self.count(error);
                Err(error)
            }
        }
    }

    /// Events that time alone has completed (the end of a press was lost), or that are left over.
    /// Call it once per pull until it gives `None`.
    pub fn poll_event(&mut self, now: Instant) -> Option<RtpEvent> {
        let press = self.digits.handle_timeout(now);
        self.queue(press);
        self.events.pop_front()
    }

    /// The next 20 ms, at the rate of the codec that comes: 160 samples for G.711, 320 for G.722 and
    /// Opus. To be called every 20 ms.
    pub fn pull(&mut self, _now: Instant) -> Pulled {
        let rate = self.jitter.rate();
        let (kind, samples) = self.jitter.pull(self.digits.is_pressed());
        let time = MediaTime(self.pulled * samples.len() as u64);
        self.pulled += 1;
        let frame = AudioFrame { rate, time, samples };
        match kind {
            Kind::Audio => Pulled::Audio(frame),
            Kind::Concealed => Pulled::Concealed(frame),
            Kind::Silence => Pulled::Silence(frame),
        }
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        let (now, before) = (self.of_buffer(), self.stats);
        Stats {
            lost: self.sequence.lost(),
            jitter_ms: self.interarrival.jitter_ms,
            concealed_ms: before.concealed_ms + now.concealed_ms,
            recovered_ms: before.recovered_ms + now.recovered_ms,
            dropped_ms: before.dropped_ms + now.dropped_ms,
            delay_ms: now.delay_ms,
            target_delay_ms: now.target_delay_ms,
            malformed: Malformed {
                undecodable: before.malformed.undecodable + now.malformed.undecodable,
                ..before.malformed
            },
            ..before
        }
    }

    /// What the present jitter buffer has counted.
    fn of_buffer(&self) -> Stats {
        let per_ms = u64::from(self.jitter.rate().hz() / 1000);
        Stats {
            concealed_ms: self.jitter.concealed / per_ms,
            recovered_ms: self.jitter.recovered / per_ms,
            dropped_ms: self.jitter.dropped / per_ms,
            delay_ms: self.jitter.lag().max(0).unsigned_abs() / per_ms,
            target_delay_ms: self.jitter.target().unsigned_abs() / per_ms,
            malformed: Malformed { undecodable: self.jitter.damaged, ..Malformed::default() },
            ..Stats::default()
        }
    }

    /// Packets that should have come and did, up to now (RFC 3550 section 6.4.1).
    pub fn expected_and_lost(&self) -> (u64, u64) {
        (self.sequence.expected(), self.sequence.lost())
    }

    /// The highest sequence number, with how often it has wrapped around in the upper half.
    pub fn highest_sequence(&self) -> u32 {
        self.sequence.highest()
    }

    /// Interarrival jitter in timestamp units (RFC 3550 section 6.4.1).
    pub fn jitter_units(&self) -> u32 {
        let units = self.interarrival.jitter_ms * f64::from(self.interarrival.clock_hz) / 1000.0;
        units.max(0.0) as u32
    }

    /// What came last, or is expected.
    pub fn codec(&self) -> Codec {
        self.jitter.codec()
    }

    /// The source being listened to.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.map(|source| source.ssrc)
    }

    fn handle(&mut self, now: Instant, bytes: &[u8]) -> Result<(), RtpError> {
        let packet = parse_packet(bytes)?;
        let event_type = self.types.event_of(packet.payload_type);
        let codec = self.types.codec_of(packet.payload_type).filter(|_| event_type.is_none());
        let mut samples_len = 0;
        if event_type.is_some() {
            if packet.payload.len() < 4 {
                return Err(RtpError::ShortEvent(packet.payload.len()));
            }
        } else if let Some(codec) = codec {
            samples_len = length_of(codec, packet.payload)?;
        } else if packet.payload_type == COMFORT_NOISE {
            // Its noise is not played: nobody here has to be told that the line is alive, and the
            // recogniser hears silence better. Anyone can send it unasked, so it never makes its
            // source the one that is listened to.
            if self.source.is_some_and(|source| source.ssrc != packet.ssrc) {
                return Err(RtpError::ForeignSource(packet.ssrc));
            }
            self.stats.comfort_noise += 1;
            if self.source.is_none() {
                return Ok(());
            }
        } else {
            return Err(RtpError::PayloadType(packet.payload_type));
        }
        self.follow_source(now, &packet)?;
        self.stats.received += 1;
        match self.sequence.track(packet.sequence) {
            Order::New => {}
            Order::Reordered => self.stats.reordered += 1,
            Order::Duplicate => {
                self.stats.duplicate += 1;
                return Ok(());
            }
            Order::Suspicious => {
                self.stats.discarded += 1;
                return Ok(());
            }
            Order::Restart => self.start_anew(),
        }
        if let Some(EventType { clock_hz, .. }) = event_type {
            if let Some(event) = Event::parse(packet.payload) {
                self.jitter.mark_event(packet.timestamp, event.duration, clock_hz);
                let [earlier, own] = self.digits.handle(now, packet.timestamp, event, clock_hz);
                self.queue(earlier);
                self.queue(own);
            }
        } else if let Some(codec) = codec {
            self.handle_audio(now, &packet, codec, samples_len);
        } else {
            self.jitter.mark_pause(packet.timestamp);
        }
        Ok(())
    }

    fn handle_audio(&mut self, now: Instant, packet: &Packet<'_>, codec: Codec, len: usize) {
        let press = self.digits.handle_audio(now);
        self.queue(press);
        if !self.jitter.fits(codec) {
            self.change_buffer(codec);
        }
        self.interarrival.add(now, packet.timestamp, codec.clock_hz());
        match self.jitter.insert(now, packet.timestamp, (codec, packet.payload), len) {
            Inserted::Buffered => {}
            Inserted::Late => self.stats.late += 1,
            Inserted::Dropped => self.stats.discarded += 1,
        }
    }

    /// Whether the other side has announced a pause that lasts (RFC 3389).
    pub fn is_paused(&self) -> bool {
        self.jitter.is_paused()
    }

    /// Another rate or clock has begun: what waits at the old one cannot be joined to it.
    fn change_buffer(&mut self, codec: Codec) {
        let done = self.of_buffer();
        self.stats.concealed_ms += done.concealed_ms;
        self.stats.recovered_ms += done.recovered_ms;
        self.stats.dropped_ms += done.dropped_ms;
        self.stats.malformed.undecodable += done.malformed.undecodable;
        self.jitter = JitterBuffer::new(codec);
        self.interarrival.last = None;
        // Key presses are told apart by the old clock's time.
        let press = self.digits.reset();
        self.queue(press);
    }

    /// Decides whether this packet's source is the one to listen to.
    fn follow_source(&mut self, now: Instant, packet: &Packet<'_>) -> Result<(), RtpError> {
        let ssrc = packet.ssrc;
        match self.source {
            Some(source) if source.ssrc == ssrc => self.candidate = None,
            None => {}
            Some(source) => {
                let count = match self.candidate {
                    Some(candidate)
                        if candidate.ssrc == ssrc && candidate.next_sequence == packet.sequence =>
                    {
                        candidate.count + 1
                    }
                    _ => 1,
                };
                let next_sequence = packet.sequence.wrapping_add(1);
                self.candidate = Some(Candidate { ssrc, next_sequence, count });
                let is_quiet = now.saturating_duration_since(source.heard) >= SOURCE_QUIET;
                if count < SOURCE_PROOF && !is_quiet {
                    return Err(RtpError::ForeignSource(ssrc));
                }
                self.candidate = None;
                self.stats.source_changes += 1;
                self.sequence.restart();
                self.start_anew();
            }
        }
        self.source = Some(Source { ssrc, heard: now });
        Ok(())
    }

    /// The sender's numbers and times have no relation to those before.
    fn start_anew(&mut self) {
        self.jitter.restart();
        self.interarrival.last = None;
        let press = self.digits.reset();
        self.queue(press);
    }

    fn queue(&mut self, press: Option<Press>) {
        if let Some(Press { digit, duration_ms }) = press
            && self.events.len() < EVENTS_MAX
        {
            self.events.push_back(RtpEvent::Digit { digit: Pii::new(digit), duration_ms });
        }
    }

    fn count(&mut self, error: RtpError) {
        let malformed = &mut self.stats.malformed;
        let counter = match error {
            RtpError::Short { .. } => &mut malformed.short,
            RtpError::Version(_) => &mut malformed.version,
            RtpError::Padding(_) => &mut malformed.padding,
            RtpError::PayloadType(_) => &mut malformed.payload_type,
            RtpError::Empty => &mut malformed.empty,
            RtpError::Oversize(_) => &mut malformed.oversize,
            RtpError::Undecodable(_) => &mut malformed.undecodable,
            RtpError::ShortEvent(_) => &mut malformed.event,
            RtpError::ForeignSource(_) => &mut self.stats.foreign,
        };
        *counter += 1;
    }
}

/// Samples in an audio payload.
fn length_of(codec: Codec, payload: &[u8]) -> Result<usize, RtpError> {
    if payload.is_empty() {
        return Err(RtpError::Empty);
    }
    codec.samples_in(payload).ok_or(match payload.len() {
        len if len > PAYLOAD_MAX => RtpError::Oversize(len),
        len => RtpError::Undecodable(len),
    })
}

/// The interarrival jitter of RFC 3550 section 6.4.1.
#[derive(Debug, Clone, Copy, Default)]
struct Interarrival {
    last: Option<(Instant, u32)>,
    jitter_ms: f64,
    clock_hz: u32,
}

impl Interarrival {
    fn add(&mut self, now: Instant, timestamp: u32, clock_hz: u32) {
        self.clock_hz = clock_hz;
        if let Some((then, before)) = self.last {
            let arrived_ms = now.saturating_duration_since(then).as_secs_f64() * 1000.0;
            let sent = f64::from(timestamp.wrapping_sub(before) as i32);
            let sent_ms = sent * 1000.0 / f64::from(clock_hz);
            self.jitter_ms += ((arrived_ms - sent_ms).abs() - self.jitter_ms) / 16.0;
        }
        self.last = Some((now, timestamp));
    }
}

#[cfg(test)]
mod tests;
