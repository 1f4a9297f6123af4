//! Opus (RFC 6716) through libopus: mono speech at 16 kHz, the rate the recogniser listens at.
//! libopus itself converts from and to whatever the other side uses.

use opus::{Application, Bandwidth, Bitrate, Channels, Signal};

/// The rate that we encode from and decode to.
const RATE_HZ: u32 = 16_000;
/// The longest packet (RFC 6716 section 3.2.5), 120 ms, in samples.
const PACKET_LEN_MAX: usize = 1_920;
/// Larger than any packet of ours.
const BYTES_MAX: usize = 1_276;
/// What speech at 16 kHz needs to sound as it should (RFC 7587 section 3.1.1 says 16 to 20 kbit/s),
/// with room for the copies that make up for loss.
const BITS_PER_SECOND: u32 = 32_000;
/// Effort of the encoder, 0 to 10. What this costs decides how many calls a core holds: 4.0 ms of CPU
/// for a second of speech, where 5 takes 8.3 ms.
const COMPLEXITY: i32 = 1;
/// Share of lost packets that the encoder prepares for, in percent. With 5 it finds at our rate and
/// effort that copies are not worth their bits, and sends none.
const LOSS_PERCENT: i32 = 10;
/// libopus conceals in steps of 2.5 ms.
const STEP_LEN: usize = 40;

/// What the other side's `fmtp` line asks of our packets (RFC 7587 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusWishes {
    /// It makes use of the copies of earlier audio that a packet can carry.
    pub fec: bool,
    /// Bits per second that it will not have exceeded.
    pub bitrate_max: Option<u32>,
    /// Samples per second beyond which it hears nothing.
    pub playback_rate_max: Option<u32>,
}

impl Default for OpusWishes {
    fn default() -> Self {
        Self { fec: true, bitrate_max: None, playback_rate_max: None }
    }
}

/// Encodes one stream.
#[derive(Debug)]
pub struct OpusEncoder(opus::Encoder);

impl OpusEncoder {
    /// An encoder for these wishes; `None` if there is no memory for it.
    pub fn new(wishes: OpusWishes) -> Option<Self> {
        let mut encoder = opus::Encoder::new(RATE_HZ, Channels::Mono, Application::Voip).ok()?;
        // 6 to 510 kbit/s is what Opus can do (RFC 6716 section 2.1.1).
        let bits = wishes.bitrate_max.unwrap_or(BITS_PER_SECOND).clamp(6_000, BITS_PER_SECOND);
        encoder.set_bitrate(Bitrate::Bits(i32::try_from(bits).ok()?)).ok()?;
        encoder.set_complexity(COMPLEXITY).ok()?;
        encoder.set_signal(Signal::Voice).ok()?;
        encoder.set_inband_fec(wishes.fec).ok()?;
        encoder.set_packet_loss_perc(if wishes.fec { LOSS_PERCENT } else { 0 }).ok()?;
        if wishes.playback_rate_max.is_some_and(|rate| rate < RATE_HZ) {
            encoder.set_max_bandwidth(Bandwidth::Narrowband).ok()?;
        }
        Some(Self(encoder))
    }

    /// Encodes 10, 20, 40 or 60 ms to the end of `out`. Says whether it did; another length is
    /// refused.
    pub fn encode_into(&mut self, samples: &[i16], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.resize(start + BYTES_MAX, 0);
        let len = self.0.encode(samples, &mut out[start..]).unwrap_or(0);
        out.truncate(start + len);
        len > 0
    }
}

/// Decodes one stream.
#[derive(Debug)]
pub struct OpusDecoder(opus::Decoder);

impl OpusDecoder {
    /// A decoder; `None` if there is no memory for it.
    pub fn new() -> Option<Self> {
        opus::Decoder::new(RATE_HZ, Channels::Mono).ok().map(Self)
    }

    /// Samples in a packet; `None` if it is none.
    pub fn len_of(packet: &[u8]) -> Option<usize> {
        if packet.is_empty() {
            return None;
        }
        let len = opus::packet::get_nb_samples(packet, RATE_HZ).ok()?;
        (1..=PACKET_LEN_MAX).contains(&len).then_some(len)
    }

    /// Decodes a packet; `None` if it is damaged.
    pub fn decode(&mut self, packet: &[u8]) -> Option<Vec<i16>> {
        if packet.is_empty() {
            return None;
        }
        self.run(packet, PACKET_LEN_MAX, false)
    }

    /// What the packet carries of the audio before it; `None` if it carries nothing, or the length
    /// is no multiple of 2.5 ms or too long.
    pub fn recover(&mut self, next: &[u8], len: usize) -> Option<Vec<i16>> {
        if !has_copy(next) || !is_in_steps(len) {
            return None;
        }
        self.run(next, len, true)
    }

    /// A guess at what was lost; `None` as above.
    pub fn conceal(&mut self, len: usize) -> Option<Vec<i16>> {
        if !is_in_steps(len) {
            return None;
        }
        self.run(&[], len, false)
    }

    fn run(&mut self, packet: &[u8], len: usize, fec: bool) -> Option<Vec<i16>> {
        let mut out = vec![0; len];
        let made = self.0.decode(packet, &mut out, fec).ok()?;
        out.truncate(made);
        Some(out)
    }
}

/// Whether a packet carries a copy of the audio before it (LBRR, RFC 6716 sections 3.1 and 4.2.3).
fn has_copy(packet: &[u8]) -> bool {
    let &[toc, first, ..] = packet else { return false };
    let config = toc >> 3;
    // CELT has none; of packets of several frames only those of two equal ones are looked at.
    if config >= 16 || toc & 3 > 1 {
        return false;
    }
    let frames = match config {
        2 | 6 | 10 => 2,
        3 | 7 | 11 => 3,
        _ => 1,
    };
    let is_side = toc & 4 != 0 && (first >> (6 - 2 * frames)) & 1 == 1;
    (first >> (7 - frames)) & 1 == 1 || is_side
}

fn is_in_steps(len: usize) -> bool {
    (1..=PACKET_LEN_MAX).contains(&len) && len.is_multiple_of(STEP_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{SampleRate, level_dbfs, tone};
    use std::time::Duration;

    const RATE: SampleRate = SampleRate::HZ_16000;

    fn packets(samples: &[i16], len: usize, wishes: OpusWishes) -> Vec<Vec<u8>> {
        let mut encoder = OpusEncoder::new(wishes).expect("an encoder");
        let encode = |frame: &[i16]| {
            let mut out = Vec::new();
            assert!(encoder.encode_into(frame, &mut out));
            out
        };
        samples.chunks_exact(len).map(encode).collect()
    }

    #[test]
    fn a_voice_survives_in_packets_of_every_length() {
        let voice = tone::tones(RATE, &[300.0, 900.0, 5_000.0], -20.0, Duration::from_secs(2));
        for len in [160, 320, 640, 960] {
            let mut decoder = OpusDecoder::new().expect("a decoder");
            let mut heard = Vec::new();
            for packet in packets(&voice, len, OpusWishes::default()) {
                assert_eq!(OpusDecoder::len_of(&packet), Some(len));
                heard.extend(decoder.decode(&packet).expect("our own"));
            }
            let middle = &heard[16_000..24_000];
            for hz in [300.0, 900.0, 5_000.0] {
                let level = tone::detect(middle, RATE, hz);
                assert!((level + 20.0).abs() < 6.0, "{len}, {hz} Hz: {level}");
            }
        }
    }

    /// A person saying a telephone number, 16 kHz.
    fn speech() -> Vec<i16> {
        let file = include_bytes!("../../tests/fixtures/audio/phone_number.wav");
        file[44..].as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn a_lost_packet_comes_back_from_the_next() {
        let speech = speech();
        let sent = packets(&speech, 320, OpusWishes::default());
        let mut decoder = OpusDecoder::new().expect("a decoder");
        let (mut back, mut near) = (0, 0);
        for (n, packet) in sent.iter().enumerate().skip(1) {
            let Some(again) = decoder.recover(packet, 320) else {
                // Nothing brought along: it was not lost, then.
                decoder.decode(&sent[n - 1]).expect("our own");
                continue;
            };
            back += 1;
            let lost = &speech[(n - 1) * 320..n * 320];
            near += usize::from((level_dbfs(&again) - level_dbfs(lost)).abs() < 9.0);
        }
        assert!(back * 4 > sent.len(), "{back} of {}", sent.len());
        assert!(near * 3 > back * 2, "{near} of {back}");
        let none = OpusWishes { fec: false, ..OpusWishes::default() };
        assert!(!packets(&speech, 320, none).iter().any(|packet| has_copy(packet)));
    }

    #[test]
    fn wishes_are_kept() {
        let voice = tone::tones(RATE, &[300.0, 5_000.0], -20.0, Duration::from_secs(2));
        let bytes = |wishes| packets(&voice, 320, wishes).iter().map(Vec::len).sum::<usize>();
        let low = OpusWishes { fec: false, bitrate_max: Some(8_000), playback_rate_max: None };
        assert!(bytes(low) * 2 < bytes(OpusWishes::default()));
        let narrow = OpusWishes { playback_rate_max: Some(8_000), ..OpusWishes::default() };
        let mut decoder = OpusDecoder::new().expect("a decoder");
        let heard: Vec<i16> = packets(&voice, 320, narrow)
            .iter()
            .flat_map(|packet| decoder.decode(packet).expect("our own"))
            .collect();
        assert!(tone::detect(&heard[16_000..24_000], RATE, 5_000.0) < -40.0);
    }

    #[test]
    fn what_is_no_packet_is_none() {
        assert_eq!(OpusDecoder::len_of(&[]), None);
        // Code 3 with a frame count of 0 (RFC 6716 section 3.2.5).
        assert_eq!(OpusDecoder::len_of(&[0x03, 0x00]), None);
        let mut decoder = OpusDecoder::new().expect("a decoder");
        assert_eq!(decoder.decode(&[]), None);
        assert_eq!(decoder.conceal(41), None);
        assert_eq!(decoder.conceal(320).map(|samples| samples.len()), Some(320));
        let mut encoder = OpusEncoder::new(OpusWishes::default()).expect("an encoder");
        assert!(!encoder.encode_into(&[0; 100], &mut Vec::new()));
    }
}
