//! From 20 ms frames and digits to packets.

use super::digits::{Event, event_code};
use super::packet::{Packet, encode_packet};
use super::{EventType, PayloadTypes};
use crate::audio::{Codec, Encoder, Random, SampleRate};

/// The end of an event is sent three times (RFC 4733 section 2.5.1.4).
const END_COPIES: usize = 3;
/// The shortest press sent: receivers may ignore shorter ones (RFC 4733 section 2.5.1).
const PRESS_MS_MIN: u32 = 40;
/// The longest press sent, within one segment (65535 units of 8 kHz).
const PRESS_MS_MAX: u32 = 8000;
/// Length of a tick.
const TICK_MS: u32 = 20;
/// Pause kept after a press, so that two are told apart.
const PAUSE_TICKS: u32 = 3;
/// Digits waiting to be sent. Overflow refuses the newest.
const QUEUE_MAX: usize = 64;

/// Why a digit cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The other side did not agree to telephone-events.
    #[error("the other side takes no telephone-events")]
    NotNegotiated,
    /// Not on a keypad.
    #[error("not a keypad digit: 0-9, *, #, A-D are")]
    NotADigit,
    /// Too many digits wait.
    #[error("{QUEUE_MAX} digits are waiting already")]
    Full,
}

/// A packet and when to send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedPacket {
    /// After the first packet of its train.
    pub after_ms: u32,
    /// The datagram.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    code: u8,
    ticks: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    /// `ticks` of `press` have been sent; the event began at `start`.
    Pressing {
        press: Press,
        start: u32,
        ticks: u32,
    },
    Pause {
        ticks_left: u32,
    },
}

/// The sending side of one audio stream. One call per 20 ms tick.
#[derive(Debug)]
pub struct Sender {
    types: PayloadTypes,
    encoder: Encoder,
    /// Audio that does not fill a packet yet, and the timestamp of its first sample.
    gathered: Vec<i16>,
    gathered_at: u32,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    state: State,
    queue: std::collections::VecDeque<Press>,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// A sender whose source, first number and first timestamp come from the seed (RFC 3550
    /// section 5.1 wants them unpredictable: seed it from the system's randomness).
    pub fn new(types: PayloadTypes, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            types,
            encoder: Encoder::new(types.codec, types.opus),
            gathered: Vec::new(),
            gathered_at: 0,
            ssrc: random.next_u64() as u32,
            // No wrap before the other side has the keys: it could not know of it (RFC 3711 3.3.1).
            sequence: random.next_u64() as u16 & 0x7fff,
            timestamp: random.next_u64() as u32,
            marker: true,
            state: State::Idle,
            queue: std::collections::VecDeque::new(),
            packets: 0,
            octets: 0,
        }
    }

    /// Takes on what a new negotiation settled; numbers and times run on.
    pub fn set_payload_types(&mut self, types: PayloadTypes) {
        if (types.codec, types.opus) != (self.types.codec, self.types.opus) {
            self.encoder = Encoder::new(types.codec, types.opus);
            self.gathered.clear();
            self.marker = true;
        }
        self.types = types;
    }

    /// The rate of the frames that it takes.
    pub const fn rate(&self) -> SampleRate {
        self.types.codec.rate()
    }

    /// What is sent.
    pub const fn codec(&self) -> Codec {
        self.types.codec
    }

    /// Timestamp units in a second.
    pub const fn clock_hz(&self) -> u32 {
        self.types.codec.clock_hz()
    }

    /// Length of the packets that the other side asks for, in ms.
    pub const fn ptime_ms(&self) -> u32 {
        self.types.ptime_ms
    }

    /// The timestamp of the next frame's first sample.
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Packets and octets of payload sent so far, wrapping (RFC 3550 section 6.4.1).
    pub const fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// The source of all packets.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The packets of this tick: the frame (20 ms as a rule, at [`Sender::rate`]) as soon as a
    /// packet is full, or a piece of the digit being sent in its place. `None` is silence that is
    /// not sent; the next audio then carries the marker.
    pub fn tick(&mut self, frame: Option<&[i16]>) -> Vec<Vec<u8>> {
        if let State::Idle = self.state
            && let Some(press) = self.queue.pop_front()
        {
            self.state = State::Pressing { press, start: self.timestamp, ticks: 0 };
            self.gathered.clear();
        }
        let units = self.units_of(frame);
        let packets = match self.state {
            State::Pressing { press, start, ticks } => self.press(press, start, ticks + 1),
            State::Pause { ticks_left } => {
                self.state = match ticks_left {
                    0 | 1 => State::Idle,
                    _ => State::Pause { ticks_left: ticks_left - 1 },
                };
                self.audio(frame)
            }
            State::Idle => self.audio(frame),
        };
        self.timestamp = self.timestamp.wrapping_add(units);
        packets
    }

    /// How far the timestamp moves with this frame.
    fn units_of(&self, frame: Option<&[i16]>) -> u32 {
        let (clock_hz, rate_hz) = (self.types.codec.clock_hz(), self.rate().hz());
        frame.map_or(clock_hz / 1000 * TICK_MS, |samples| {
            (samples.len() as u64 * u64::from(clock_hz) / u64::from(rate_hz)) as u32
        })
    }

    /// Queues a digit; the next ticks send it in place of audio, after those queued before it.
    /// The duration is rounded to 20 ms and kept within 40 ms and 8 s.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn queue_digit(&mut self, digit: char, duration_ms: u32) -> Result<(), SendError> {
        let press = self.press_for(digit, duration_ms)?;
        if self.queue.len() >= QUEUE_MAX {
            return Err(SendError::Full);
        }
        self.queue.push_back(press);
        Ok(())
    }

    /// The whole packet train of a digit (and of those queued before it), its pause included, for
    /// a caller without a tick. Send no audio until the train is over.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_digit(
        &mut self,
        digit: char,
        duration_ms: u32,
    ) -> Result<Vec<TimedPacket>, SendError> {
        self.queue_digit(digit, duration_ms)?;
        let mut train = Vec::new();
        let mut after_ms = 0;
        while self.is_sending_digits() {
            let packets = self.tick(None).into_iter();
            train.extend(packets.map(|bytes| TimedPacket { after_ms, bytes }));
            after_ms += 20;
        }
        Ok(train)
    }

    /// Whether a digit is being sent or waits.
    pub fn is_sending_digits(&self) -> bool {
        !self.queue.is_empty() || !matches!(self.state, State::Idle)
    }

    fn press_for(&self, digit: char, duration_ms: u32) -> Result<Press, SendError> {
        let event = self.types.telephone_event.ok_or(SendError::NotNegotiated)?;
        let code = event_code(digit).ok_or(SendError::NotADigit)?;
        // One segment holds 65535 units: less time at a faster clock.
        let longest_ms = PRESS_MS_MAX.min(u32::from(u16::MAX) * 10 / (event.clock_hz / 100).max(1));
        let ticks = (duration_ms.clamp(PRESS_MS_MIN, longest_ms) + TICK_MS / 2) / TICK_MS;
        Ok(Press { code, ticks: ticks.min(longest_ms / TICK_MS) })
    }

    /// Gathers a frame; gives the packets that it fills.
    fn audio(&mut self, frame: Option<&[i16]>) -> Vec<Vec<u8>> {
        let Some(samples) = frame.filter(|samples| !samples.is_empty()) else {
            self.gathered.clear();
            self.marker = true;
            return Vec::new();
        };
        if self.gathered.is_empty() {
            self.gathered_at = self.timestamp;
        }
        self.gathered.extend_from_slice(samples);
        let packet_len = self.packet_len();
        let mut packets = Vec::new();
        while self.gathered.len() >= packet_len {
            let rest = self.gathered.split_off(packet_len);
            let piece = std::mem::replace(&mut self.gathered, rest);
            let timestamp = self.gathered_at;
            self.gathered_at = timestamp.wrapping_add(self.units_of(Some(&piece)));
            if let Some(payload) = self.encoder.encode(&piece) {
                let marker = std::mem::take(&mut self.marker);
                packets.push(self.packet(self.types.audio, marker, timestamp, &payload));
            }
        }
        packets
    }

    /// Samples in a packet.
    fn packet_len(&self) -> usize {
        let ptime_ms = self.types.ptime_ms.clamp(10, 60) / 10 * 10;
        let ptime_ms = match self.types.codec {
            // Opus has frames of 10, 20, 40 and 60 ms (RFC 6716 section 2.1.4), and 30 ms is what a
            // receiver can do without the most easily.
            Codec::Opus if !ptime_ms.is_multiple_of(20) && ptime_ms > 10 => ptime_ms - 10,
            Codec::Opus | Codec::G722 | Codec::Pcmu | Codec::Pcma => ptime_ms,
        };
        (self.rate().hz() / 1000 * ptime_ms) as usize
    }

    /// One tick of a press: an update, at the end three copies with the end bit.
    fn press(&mut self, press: Press, start: u32, ticks: u32) -> Vec<Vec<u8>> {
        let Some(EventType { payload_type, clock_hz }) = self.types.telephone_event else {
            // Negotiated away in the middle of a press.
            self.state = State::Idle;
            return Vec::new();
        };
        let end = ticks >= press.ticks;
        self.state = if end {
            State::Pause { ticks_left: PAUSE_TICKS }
        } else {
            State::Pressing { press, start, ticks }
        };
        self.marker = true;
        let duration = (ticks * (clock_hz / 1000 * TICK_MS)).min(u32::from(u16::MAX)) as u16;
        let payload = Event { code: press.code, end, duration }.encode();
        let copies = if end { END_COPIES } else { 1 };
        (0..copies)
            .map(|copy| {
                let marker = ticks == 1 && copy == 0;
                self.packet(payload_type, marker, start, &payload)
            })
            .collect()
    }

    fn packet(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        encode_packet(&Packet { marker, payload_type, sequence, timestamp, ssrc, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;
    use crate::rtp::parse_packet;
    use std::time::Duration;

    const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Pcmu, 0, Some(101));

    #[test]
    fn numbers_and_times_run_on_and_the_marker_follows_silence() {
        let mut sender = Sender::new(TYPES, 7);
        let mut seen = Vec::new();
        for frame in [Some([100i16; 160]), Some([100; 160]), None, Some([100; 160])] {
            for bytes in sender.tick(frame.as_ref().map(|frame| &frame[..])) {
                let packet = parse_packet(&bytes).expect("our own");
                assert_eq!((packet.payload_type, packet.ssrc), (0, sender.ssrc()));
                assert_eq!(packet.payload.len(), 160);
                seen.push((packet.marker, packet.sequence, packet.timestamp));
            }
        }
        let (_, sequence, timestamp) = seen[0];
        let at = |marker, n: u16, samples: u32| {
            (marker, sequence.wrapping_add(n), timestamp.wrapping_add(samples))
        };
        assert_eq!(seen, [at(true, 0, 0), at(false, 1, 160), at(true, 2, 480)]);
    }

    #[test]
    fn a_digit_is_the_train_of_the_standard() {
        let mut sender = Sender::new(TYPES, 7);
        let train = sender.send_digit('#', 100).expect("negotiated");
        let events: Vec<_> = train
            .iter()
            .map(|timed| {
                let packet = parse_packet(&timed.bytes).expect("our own");
                let event = Event::parse(packet.payload).expect("an event");
                assert_eq!((packet.payload_type, event.code), (101, 11));
                (timed.after_ms, packet.marker, event.end, event.duration)
            })
            .collect();
        assert_eq!(
            events,
            [
                (0, true, false, 160),
                (20, false, false, 320),
                (40, false, false, 480),
                (60, false, false, 640),
                (80, false, true, 800),
                (80, false, true, 800),
                (80, false, true, 800),
            ]
        );
        let timestamps: Vec<_> =
            train.iter().map(|t| parse_packet(&t.bytes).expect("our own").timestamp).collect();
        assert!(timestamps.iter().all(|&t| t == timestamps[0]));
        assert!(!sender.is_sending_digits());
        let next = sender.tick(Some(&[0; 160]));
        let next = parse_packet(&next[0]).expect("our own");
        assert!(next.marker);
        assert_eq!(next.timestamp, timestamps[0].wrapping_add((5 + PAUSE_TICKS) * 160));
    }

    #[test]
    fn packets_are_as_long_as_was_asked_for_and_their_times_follow() {
        use Codec::{G722, Opus, Pcmu};
        // Codec, ptime asked for, ptime sent, timestamp units from packet to packet.
        for (codec, asked_ms, sent_ms, units) in [
            (Pcmu, 10, 10, 80),
            (Pcmu, 30, 30, 240),
            (Pcmu, 60, 60, 480),
            (Pcmu, 1_000, 60, 480),
            (Pcmu, 35, 30, 240),
            (G722, 20, 20, 160),
            (G722, 40, 40, 320),
            (Opus, 20, 20, 960),
            (Opus, 30, 20, 960),
            (Opus, 10, 10, 480),
            (Opus, 60, 60, 2_880),
        ] {
            let types = PayloadTypes { ptime_ms: asked_ms, ..PayloadTypes::alike(codec, 96, None) };
            let mut sender = Sender::new(types, 7);
            let voice = tone::sine(sender.rate(), 500.0, -12.0, Duration::from_millis(1_200));
            let frame_len = sender.rate().samples_in(Duration::from_millis(20));
            let sent: Vec<Vec<u8>> =
                voice.chunks(frame_len).flat_map(|frame| sender.tick(Some(frame))).collect();
            assert_eq!(sent.len(), 1_200 / sent_ms, "{codec} {asked_ms}");
            let packets: Vec<_> =
                sent.iter().map(|bytes| parse_packet(bytes).expect("our own")).collect();
            for pair in packets.windows(2) {
                assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), units, "{codec}");
                let len = codec.samples_in(pair[1].payload).expect("a payload");
                assert_eq!(len, codec.rate().hz() as usize / 1000 * sent_ms, "{codec}");
            }
            assert_eq!(sender.sent().0 as usize, sent.len());
        }
    }

    #[test]
    fn keys_beside_opus_count_at_their_own_clock() {
        let mut sender = Sender::new(PayloadTypes::alike(Codec::Opus, 111, Some(110)), 7);
        let train = sender.send_digit('5', 60).expect("negotiated");
        let durations: Vec<u16> = train
            .iter()
            .map(|timed| parse_packet(&timed.bytes).expect("our own"))
            .map(|packet| Event::parse(packet.payload).expect("an event").duration)
            .collect();
        assert_eq!(durations, [960, 1_920, 2_880, 2_880, 2_880]);
        // The longest that fits into one segment.
        let train = sender.send_digit('5', 8_000).expect("negotiated");
        assert_eq!(train.last().map(|timed| timed.after_ms), Some(1_340));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let mut sender = Sender::new(TYPES, 7);
        assert_eq!(sender.queue_digit('x', 100), Err(SendError::NotADigit));
        for _ in 0..QUEUE_MAX {
            assert_eq!(sender.queue_digit('1', 100), Ok(()));
        }
        assert_eq!(sender.queue_digit('1', 100), Err(SendError::Full));
        let mut deaf = Sender::new(PayloadTypes { telephone_event: None, ..TYPES }, 7);
        assert_eq!(deaf.queue_digit('1', 100), Err(SendError::NotNegotiated));
    }
}
