//! From 20 ms frames and digits to packets.

use super::digits::{Event, event_code};
use super::packet::{Packet, encode_packet};
use super::{FRAME_LEN, PayloadTypes};
use crate::audio::Random;

/// The end of an event is sent three times (RFC 4733 section 2.5.1.4).
const END_COPIES: usize = 3;
/// The shortest press sent: receivers may ignore shorter ones (RFC 4733 section 2.5.1).
const PRESS_MS_MIN: u32 = 40;
/// The longest press sent, within one segment.
const PRESS_MS_MAX: u32 = 8000;
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

/// The sending side of one audio stream. One call per 20 ms tick, one tick per 160 samples.
#[derive(Debug, Clone)]
pub struct Sender {
    types: PayloadTypes,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    state: State,
    queue: std::collections::VecDeque<Press>,
}

impl Sender {
    /// A sender whose source, first number and first timestamp come from the seed (RFC 3550
    /// section 5.1 wants them unpredictable: seed it from the system's randomness).
    pub fn new(types: PayloadTypes, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            types,
            ssrc: random.next_u64() as u32,
            sequence: random.next_u64() as u16,
            timestamp: random.next_u64() as u32,
            marker: true,
            state: State::Idle,
            queue: std::collections::VecDeque::new(),
        }
    }

    /// Takes on what a new negotiation settled; numbers and times run on.
    pub fn set_payload_types(&mut self, types: PayloadTypes) {
        self.types = types;
    }

    /// The source of all packets.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The packets of this tick: the frame (any number of samples, 20 ms as a rule), or a piece of
    /// the digit being sent in its place. `None` is silence that is not sent; the next audio
    /// then carries the marker.
    pub fn tick(&mut self, frame: Option<&[i16]>) -> Vec<Vec<u8>> {
        if let State::Idle = self.state
            && let Some(press) = self.queue.pop_front()
        {
            self.state = State::Pressing { press, start: self.timestamp, ticks: 0 };
        }
        let len = frame.map_or(FRAME_LEN, <[i16]>::len) as u32;
        let packets = match self.state {
            State::Pressing { press, start, ticks } => self.press(press, start, ticks + 1),
            State::Pause { ticks_left } => {
                self.state = match ticks_left {
                    0 | 1 => State::Idle,
                    _ => State::Pause { ticks_left: ticks_left - 1 },
                };
                self.audio(frame).into_iter().collect()
            }
            State::Idle => self.audio(frame).into_iter().collect(),
        };
        self.timestamp = self.timestamp.wrapping_add(len);
        packets
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
        if self.types.telephone_event.is_none() {
            return Err(SendError::NotNegotiated);
        }
        let code = event_code(digit).ok_or(SendError::NotADigit)?;
        let ticks = (duration_ms.clamp(PRESS_MS_MIN, PRESS_MS_MAX) + 10) / 20;
        Ok(Press { code, ticks })
    }

    fn audio(&mut self, frame: Option<&[i16]>) -> Option<Vec<u8>> {
        let Some(samples) = frame.filter(|samples| !samples.is_empty()) else {
            self.marker = true;
            return None;
        };
        let payload = self.types.law.encode(samples);
        let marker = std::mem::take(&mut self.marker);
        Some(self.packet(self.types.audio, marker, self.timestamp, &payload))
    }

    /// One tick of a press: an update, at the end three copies with the end bit.
    fn press(&mut self, press: Press, start: u32, ticks: u32) -> Vec<Vec<u8>> {
        let Some(payload_type) = self.types.telephone_event else {
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
        let duration = (ticks * FRAME_LEN as u32).min(u32::from(u16::MAX)) as u16;
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
        encode_packet(&Packet { marker, payload_type, sequence, timestamp, ssrc, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Law;
    use crate::rtp::parse_packet;

    const TYPES: PayloadTypes =
        PayloadTypes { law: Law::Mu, audio: 0, also: None, telephone_event: Some(101) };

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
