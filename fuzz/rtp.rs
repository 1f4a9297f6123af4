//! What a stream of RTP may do to its receiver: packets in and out of order, keys, other sources,
//! noise, and time passing.
#![no_main]
// libFuzzer is C.
#![allow(unsafe_code)]

#[macro_use]
mod harness;

use std::time::{Duration, Instant};

use frontdoor::audio::Codec;
use frontdoor::rtp::{PayloadTypes, Receiver, RtpEvent};

const FRAME: Duration = Duration::from_millis(20);
const KEYS: u8 = 101;
const OPUS: u8 = 111;

/// What may have been agreed: each codec, both laws of G.711, and keys or none.
fn types(kind: u8) -> PayloadTypes {
    match kind % 5 {
        0 => PayloadTypes::alike(Codec::Pcmu, 0, Some(KEYS)),
        1 => {
            let mut both = PayloadTypes::alike(Codec::Pcma, 8, Some(KEYS));
            both.heard[1] = Some((0, Codec::Pcmu));
            both
        }
        2 => PayloadTypes::alike(Codec::Pcmu, 0, None),
        3 => PayloadTypes::alike(Codec::G722, 9, Some(KEYS)),
        _ => PayloadTypes::alike(Codec::Opus, OPUS, Some(KEYS)),
    }
}

/// The sender, as the input drives it.
struct Stream<'a> {
    input: &'a [u8],
    now: Instant,
    sequence: u16,
    timestamp: u32,
    source: u8,
    receiver: Receiver,
    keys_sent: u64,
    keys_heard: u64,
}

impl Stream<'_> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.input.split_first().unwrap_or((&0, &[]));
        self.input = rest;
        first
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// A packet a few numbers and a few tens of samples away from the last one.
    fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let (numbers, steps) = (self.byte() as i8, self.byte() as i8);
        self.sequence = self.sequence.wrapping_add_signed(i16::from(numbers));
        self.timestamp = self.timestamp.wrapping_add_signed(i32::from(steps) * 80);
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend([0, 0, 0, self.source]);
        packet.extend(payload);
        packet
    }

    fn receive(&mut self, packet: &[u8]) {
        let event = self.receiver.handle_packet(self.now, packet);
        self.heard(event.unwrap_or(None));
    }

    fn heard(&mut self, event: Option<RtpEvent>) {
        let Some(RtpEvent::Digit { digit, .. }) = event else { return };
        assert!("0123456789*#ABCD".contains(*digit.expose()));
        self.keys_heard += 1;
    }

    fn play(&mut self) {
        self.now += FRAME;
        let frame = self.receiver.pull(self.now).into_frame();
        assert_eq!(frame.samples.len(), frame.rate.samples_in(FRAME));
        while let Some(event) = self.receiver.poll_event(self.now) {
            self.heard(Some(event));
        }
        let stats = self.receiver.stats();
        assert!(stats.jitter_ms.is_finite() && stats.duplicate <= stats.received, "{stats:?}");
    }

    fn step(&mut self) {
        match self.byte() % 9 {
            0 => self.play(),
            1 => {
                let wait = Duration::from_millis(self.byte().into());
                self.now += wait;
            }
            2 => {
                let len = usize::from(self.byte());
                let noise = self.bytes(len);
                // It may be a packet with a key in it.
                self.keys_sent += 1;
                self.receive(&noise);
            }
            3 => {
                let event = self.bytes(4);
                let packet = self.packet(KEYS, &event);
                self.keys_sent += 1;
                self.receive(&packet);
            }
            4 => self.source = self.byte(),
            5 => {
                let kind = self.byte();
                self.receiver.set_payload_types(types(kind));
            }
            6 => {
                let (kind, len) = (self.byte() & 0x8f, usize::from(self.byte()) * 8);
                let packet = self.packet(kind, &vec![0x55; len]);
                self.receive(&packet);
            }
            7 => {
                let fill = self.byte();
                let packet = self.packet(0, &[fill; 160]);
                self.receive(&packet);
            }
            _ => {
                let len = usize::from(self.byte());
                let payload = self.bytes(len);
                let packet = self.packet(OPUS, &payload);
                self.receive(&packet);
            }
        }
    }
}

fn run(bytes: &[u8]) {
    let mut stream = Stream {
        input: bytes,
        now: Instant::now(),
        sequence: 0xfff0,
        timestamp: 0xffff_f000,
        source: 1,
        receiver: Receiver::new(types(0)),
        keys_sent: 0,
        keys_heard: 0,
    };
    while !stream.input.is_empty() {
        stream.step();
    }
    // The last press may still wait for its end.
    for _ in 0..50 {
        stream.play();
    }
    assert!(stream.keys_heard <= stream.keys_sent, "a key was heard more often than sent");
}

target!(run);
