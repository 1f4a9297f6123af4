//! Sequence numbers: wrap, loss, duplicates, reordering, restarts (RFC 3550 appendix A.1).

/// Steps forward larger than this are a restart, not a loss (RFC 3550: MAX_DROPOUT).
const DROPOUT_MAX: i32 = 3000;
/// Steps back larger than this are a restart, not reordering (RFC 3550: MAX_MISORDER).
const MISORDER_MAX: i32 = 100;
/// How many past numbers are remembered to know duplicates.
const WINDOW: u32 = 128;

/// What a number means for the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Ahead of all so far.
    New,
    /// After a later one.
    Reordered,
    /// Seen before, or too old to tell.
    Duplicate,
    /// Far off; one such packet proves nothing.
    Suspicious,
    /// The second in a row that is far off: the sender has started anew.
    Restart,
}

/// Follows the sequence numbers of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct SequenceTracker {
    state: Option<Followed>,
    lost_before: u64,
    expected_before: u64,
}

#[derive(Debug, Clone)]
struct Followed {
    first: i64,
    highest: i64,
    seen: u128,
    unique: i64,
    suspicious_next: Option<u16>,
}

impl Followed {
    fn starting_at(sequence: u16) -> Self {
        let first = i64::from(sequence);
        Self { first, highest: first, seen: 1, unique: 1, suspicious_next: None }
    }

    fn expected(&self) -> u64 {
        (self.highest - self.first + 1).max(0) as u64
    }

    fn lost(&self) -> u64 {
        (self.highest - self.first + 1 - self.unique).max(0) as u64
    }
}

impl SequenceTracker {
    /// Takes the next number.
    pub(super) fn track(&mut self, sequence: u16) -> Order {
        let Some(followed) = &mut self.state else {
            self.state = Some(Followed::starting_at(sequence));
            return Order::New;
        };
        let step = i32::from(sequence.wrapping_sub(followed.highest as u16) as i16);
        if !(-MISORDER_MAX..=DROPOUT_MAX).contains(&step) {
            if followed.suspicious_next == Some(sequence) {
                self.restart();
                self.state = Some(Followed::starting_at(sequence));
                return Order::Restart;
            }
            followed.suspicious_next = Some(sequence.wrapping_add(1));
            return Order::Suspicious;
        }
        followed.suspicious_next = None;
        if step > 0 {
            followed.highest += i64::from(step);
            followed.seen = followed.seen.checked_shl(step as u32).unwrap_or(0) | 1;
            followed.unique += 1;
            return Order::New;
        }
        let bit = 1u128 << step.unsigned_abs().min(WINDOW - 1);
        if followed.seen & bit != 0 {
            return Order::Duplicate;
        }
        followed.seen |= bit;
        // One from before the first that we saw was never counted as expected.
        let at = followed.highest + i64::from(step);
        followed.first = followed.first.min(at);
        followed.unique += 1;
        Order::Reordered
    }

    /// Forgets the numbers (new source), keeping the count of lost packets.
    pub(super) fn restart(&mut self) {
        (self.lost_before, self.expected_before) = (self.lost(), self.expected());
        self.state = None;
    }

    /// Packets that should have come by now.
    pub(super) fn expected(&self) -> u64 {
        self.expected_before + self.state.as_ref().map_or(0, Followed::expected)
    }

    /// The highest number, with how often the numbers have wrapped around in the upper half.
    pub(super) fn highest(&self) -> u32 {
        // One from before the first can lead to a negative start; nothing below 0 was ever sent.
        self.state.as_ref().map_or(0, |followed| followed.highest.max(0) as u32)
    }

    /// Packets that never came, or not yet.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.state.as_ref().map_or(0, Followed::lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &[u16], orders: &[Order], lost: u64) {
        let mut tracker = SequenceTracker::default();
        let got: Vec<Order> = numbers.iter().map(|&n| tracker.track(n)).collect();
        assert_eq!((got.as_slice(), tracker.lost()), (orders, lost), "{numbers:?}");
    }

    #[test]
    fn each_way_of_arriving_is_told_apart() {
        use Order::{Duplicate, New, Reordered, Restart, Suspicious};
        check(&[65_534, 65_535, 0, 1], &[New; 4], 0);
        check(&[10, 13, 12, 12], &[New, New, Reordered, Duplicate], 1);
        check(&[10, 9, 11], &[New, Reordered, New], 0);
        check(&[10, 40_000, 11], &[New, Suspicious, New], 0);
        check(&[10, 12, 40_000, 40_001, 40_002], &[New, New, Suspicious, Restart, New], 1);
        check(&[500, 1, 2, 3], &[New, Suspicious, Restart, New], 0);
        check(&[10, 510], &[New, New], 499);
    }
}
