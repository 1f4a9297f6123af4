//! Reliable provisional responses (RFC 3262): numbered, repeated until a PRACK comes. Pure.

use std::time::{Duration, Instant};

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Send the response again.
    Repeat,
    /// No PRACK in 64*T1: the INVITE is refused (RFC 3262 3).
    GiveUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent yet, or what was sent is acknowledged.
    Free,
    Waiting {
        since: Instant,
        next: Instant,
        pause: Duration,
    },
    /// The final response went out: repeated no more, but a PRACK may still come.
    Settled,
}

/// The reliable responses to one INVITE; at most one waits for its PRACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reliable {
    invite_cseq: u32,
    rseq: u32,
    t1: Duration,
    state: State,
}

impl Reliable {
    /// `first_rseq` numbers the first response: 1 to 2^31 - 1.
    pub(super) fn new(invite_cseq: u32, first_rseq: u32, t1: Duration) -> Self {
        Self { invite_cseq, rseq: first_rseq.clamp(1, (1 << 31) - 1) - 1, t1, state: State::Free }
    }

    /// The RSeq of the response that is sent now, or `None` while another one is unacknowledged: a
    /// second must wait for the first one's PRACK.
    pub(super) fn send(&mut self, now: Instant) -> Option<u32> {
        if self.state != State::Free {
            return None;
        }
        self.rseq += 1;
        self.state = State::Waiting { since: now, next: now + self.t1, pause: self.t1 };
        Some(self.rseq)
    }

    /// The RSeq that was sent last.
    pub(super) fn rseq(&self) -> u32 {
        self.rseq
    }

    /// Takes a PRACK's RAck value; says whether it acknowledges what waits (481 if not).
    pub(super) fn acknowledge(&mut self, rack: &str) -> bool {
        let mut words = rack.split_ascii_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (rseq, cseq) = (number(), number());
        let names_invite = words.next() == Some("INVITE") && words.next().is_none();
        let is_ours = rseq == Some(self.rseq) && cseq == Some(self.invite_cseq) && names_invite;
        if !is_ours || self.state == State::Free {
            return false;
        }
        self.state = State::Free;
        true
    }

    /// Repeats nothing any more: the final response says it all.
    pub(super) fn settle(&mut self) {
        if let State::Waiting { .. } = self.state {
            self.state = State::Settled;
        }
    }

    /// When [`Reliable::poll`] has something to say.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { next, .. } => Some(next),
            State::Free | State::Settled => None,
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        let State::Waiting { since, next, pause } = &mut self.state else { return None };
        if *next > now {
            return None;
        }
        if *since + self.t1 * 64 <= now {
            self.state = State::Settled;
            return Some(Due::GiveUp);
        }
        *pause *= 2;
        *next = (now + *pause).min(*since + self.t1 * 64);
        Some(Due::Repeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: Duration = Duration::from_millis(500);

    #[test]
    fn a_prack_must_name_what_waits() {
        let cases = [
            ("7 3 INVITE", true),
            (" 7  3  INVITE ", true),
            ("8 3 INVITE", false),
            ("7 4 INVITE", false),
            ("7 3 UPDATE", false),
            ("7 3", false),
            ("7 3 INVITE x", false),
            ("", false),
        ];
        for (rack, expected) in cases {
            let mut reliable = Reliable::new(3, 7, T1);
            assert!(!reliable.acknowledge(rack), "nothing was sent: {rack:?}");
            assert_eq!(reliable.send(Instant::now()), Some(7));
            assert_eq!(reliable.acknowledge(rack), expected, "{rack:?}");
            assert!(!reliable.acknowledge(rack), "only once: {rack:?}");
        }
    }

    #[test]
    fn one_waits_at_a_time_and_numbers_go_up() {
        let now = Instant::now();
        let mut reliable = Reliable::new(1, 100, T1);
        assert_eq!((reliable.send(now), reliable.send(now)), (Some(100), None));
        assert!(reliable.acknowledge("100 1 INVITE"));
        assert_eq!((reliable.send(now), reliable.rseq()), (Some(101), 101));
        reliable.settle();
        assert_eq!((reliable.poll_timeout(), reliable.send(now)), (None, None));
        assert!(reliable.acknowledge("101 1 INVITE"), "it may come after the final response");
    }

    #[test]
    fn repetitions_slow_down_and_end() {
        let start = Instant::now();
        let mut reliable = Reliable::new(1, 1, T1);
        assert_eq!(reliable.poll_timeout(), None);
        reliable.send(start);
        let mut seen = Vec::new();
        while let Some(at) = reliable.poll_timeout() {
            let due = reliable.poll(at);
            seen.push(((at - start).as_millis(), due));
        }
        let repeats = [500, 1500, 3500, 7500, 15_500, 31_500].map(|at| (at, Some(Due::Repeat)));
        assert_eq!(seen[..6], repeats);
        assert_eq!(seen[6..], [(32_000, Some(Due::GiveUp))]);
    }
}
