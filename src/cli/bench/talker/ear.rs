//! What comes from the front door, looked at as it arrives.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::audio::{Law, level_dbfs};
use crate::rtp::{PayloadTypes, parse_packet};

/// A packet above this level is voiced: the front door is a synthetic voice on a clean line, and
/// what it holds back or plays while it waits is far below.
pub const VOICED_DBFS: f32 = -42.0;

/// A packet that comes this long after the one before it came too late for most jitter buffers.
const LATE_AFTER: Duration = Duration::from_millis(80);

/// Jumps in the numbers beyond this are another stream, not losses.
const JUMP_MAX: u16 = 3_000;

/// What came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HeardStats {
    /// Packets of audio.
    pub packets: u64,
    /// Packets missing by their numbers.
    pub lost: u64,
    /// Pauses between two packets that were longer than 80 ms.
    pub late: u64,
    /// The longest pause between two packets.
    pub gap_max_ms: u64,
}

/// The receiving side of a talker.
pub(super) struct Ear {
    types: PayloadTypes,
    stats: HeardStats,
    /// Number of the packet before, and when it came.
    latest: Option<(u16, Instant)>,
    /// First and last voiced packet since we last began to listen.
    turn: Option<(Instant, Instant)>,
}

impl Ear {
    /// One that has heard nothing.
    pub fn new(types: PayloadTypes) -> Self {
        Self { types, stats: HeardStats::default(), latest: None, turn: None }
    }

    /// Takes a datagram that came. What is no packet of the stream is left alone.
    pub fn hear(&mut self, now: Instant, datagram: &[u8]) {
        let Ok(packet) = parse_packet(datagram) else { return };
        if packet.payload_type != self.types.audio || packet.payload.is_empty() {
            return;
        }
        self.stats.packets += 1;
        if let Some((sequence, came)) = self.latest {
            let step = packet.sequence.wrapping_sub(sequence);
            let gap = now.saturating_duration_since(came);
            if (1..JUMP_MAX).contains(&step) {
                self.stats.lost += u64::from(step - 1);
            } else if step > u16::MAX - JUMP_MAX {
                // It counted as lost when the packet after it came.
                self.stats.lost = self.stats.lost.saturating_sub(1);
                return;
            }
            self.stats.gap_max_ms = self.stats.gap_max_ms.max(gap.as_millis() as u64);
            self.stats.late += u64::from(gap > LATE_AFTER);
        }
        self.latest = Some((packet.sequence, now));
        let samples = Law::Mu.decode(packet.payload);
        if level_dbfs(&samples) > VOICED_DBFS {
            let (began, _) = self.turn.unwrap_or((now, now));
            self.turn = Some((began, now));
        }
    }

    /// When the first and the last voiced packet came since [`Ear::forget`].
    pub fn turn(&self) -> Option<(Instant, Instant)> {
        self.turn
    }

    /// Begins to listen for another turn.
    pub fn forget(&mut self) {
        self.turn = None;
    }

    /// What came so far.
    pub fn stats(&self) -> HeardStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Codec;
    use crate::rtp::Sender;

    const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Pcmu, 0, Some(101));
    const FRAME: Duration = Duration::from_millis(20);

    /// Packets of 20 ms, each with samples of this size.
    fn packets(sizes: &[i16]) -> Vec<Vec<u8>> {
        let mut sender = Sender::new(TYPES, 1);
        sizes.iter().flat_map(|size| sender.tick(Some(&[*size; 160]))).collect()
    }

    #[test]
    fn a_turn_is_from_the_first_voiced_packet_to_the_last() {
        let begin = Instant::now();
        let mut ear = Ear::new(TYPES);
        for (nth, datagram) in (0..).zip(packets(&[0, 4_000, 0, 4_000, 0])) {
            ear.hear(begin + FRAME * nth, &datagram);
        }
        assert_eq!(ear.turn(), Some((begin + FRAME, begin + FRAME * 3)));
        ear.forget();
        assert_eq!(ear.turn(), None);
        assert_eq!(ear.stats(), HeardStats { packets: 5, gap_max_ms: 20, ..HeardStats::default() });
    }

    #[test]
    fn what_is_missing_late_or_out_of_order_is_told_apart() {
        let begin = Instant::now();
        let all = packets(&[0; 8]);
        let mut ear = Ear::new(TYPES);
        // The third never comes, the fifth comes after the sixth, the last far too late.
        for (nth, after_ms) in [(0, 0), (1, 20), (3, 60), (5, 100), (4, 101), (6, 120), (7, 300)] {
            ear.hear(begin + Duration::from_millis(after_ms), &all[nth]);
        }
        let expected = HeardStats { packets: 7, lost: 1, late: 1, gap_max_ms: 180 };
        assert_eq!(ear.stats(), expected);
    }

    #[test]
    fn what_is_no_packet_of_the_stream_counts_nowhere() {
        let mut ear = Ear::new(TYPES);
        let other = PayloadTypes::alike(Codec::Pcma, 8, None);
        let foreign = Sender::new(other, 1).tick(Some(&[4_000; 160]));
        let junk: [&[u8]; 4] = [b"", b"x", &[0x80; 12], &foreign[0]];
        for bytes in junk {
            ear.hear(Instant::now(), bytes);
        }
        assert_eq!((ear.stats(), ear.turn()), (HeardStats::default(), None));
    }
}
