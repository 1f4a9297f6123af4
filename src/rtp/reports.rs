//! When to report about a stream, and what the other side reports (RFC 3550 sections 6.2 to 6.4).

use std::time::{Duration, Instant};

use crate::audio::Random;

use super::quality::{Hop, mos};
use super::rtcp::{ReportBlock, RtcpError, SenderInfo, encode_rtcp, parse_rtcp};
use super::{Receiver, Sender};

/// Mean time between reports: the least that RFC 3550 section 6.2 allows, which two participants
/// never exceed.
const INTERVAL: Duration = Duration::from_secs(5);
/// Makes up for what reconsideration would shorten (RFC 3550 section 6.3.1): e - 1.5.
const COMPENSATION: f64 = 1.218_28;
/// A round trip of more than this is a clock that was set, not a path.
const ROUND_TRIP_MAX_MS: f64 = 10_000.0;
/// How long a telephone holds back what it hears, besides its packets, where it does not say.
const FAR_BUFFER_MS: f64 = 40.0;

/// What the other side says about what it hears of us.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FarView {
    /// Share of our packets that it lost, all in all, 0 to 100.
    pub loss_percent: f64,
    /// Jitter that it sees.
    pub jitter_ms: f64,
}

/// How both directions of a call sounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Share of packets that did not come, or too late to be played, 0 to 100.
    pub heard_loss_percent: f64,
    /// Interarrival jitter.
    pub heard_jitter_ms: f64,
    /// Mean opinion score of what we heard, estimated, 1 to 4.41.
    pub heard_mos: f64,
    /// What the other side reported; `None` if it never did.
    pub sent: Option<FarView>,
    /// Mean opinion score of what it heard of us.
    pub sent_mos: Option<f64>,
    /// There and back; `None` if no report told.
    pub round_trip_ms: Option<f64>,
}

/// Reports of one stream, ours and theirs.
#[derive(Debug)]
pub struct Reporter {
    cname: String,
    random: Random,
    due: Instant,
    /// The last report of a sender: the middle of its NTP time, and when it came.
    heard_report: Option<(u32, Instant)>,
    /// Expected and lost at our last report.
    before: (u64, u64),
    far: Option<FarView>,
    round_trip_ms: Option<f64>,
    malformed: u64,
    has_reported: bool,
}

impl Reporter {
    /// Begins with the stream. `cname` names us and nothing else, for this call only (RFC 7022
    /// section 4.2: 96 random bits).
    pub fn new(cname: String, seed: u64, now: Instant) -> Self {
        let mut reporter = Self {
            cname,
            random: Random::new(seed),
            due: now,
            heard_report: None,
            before: (0, 0),
            far: None,
            round_trip_ms: None,
            malformed: 0,
            has_reported: false,
        };
        // The first comes after half the time (RFC 3550 section 6.2).
        reporter.due = now + reporter.interval() / 2;
        reporter
    }

    /// When the next report is due.
    pub const fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// The report, once it is due. `ntp` is the wall clock in NTP format.
    pub fn poll_report(
        &mut self,
        now: Instant,
        ntp: u64,
        receiver: &Receiver,
        sender: &Sender,
    ) -> Option<Vec<u8>> {
        if now < self.due {
            return None;
        }
        self.due = now + self.interval();
        self.has_reported = true;
        Some(self.report(now, ntp, (receiver, sender), false))
    }

    /// The last report, with a goodbye; `None` if nothing was ever sent that it could be about (RFC
    /// 3550 section 6.3.7).
    pub fn goodbye(
        &mut self,
        now: Instant,
        ntp: u64,
        receiver: &Receiver,
        sender: &Sender,
    ) -> Option<Vec<u8>> {
        let is_known = self.has_reported || sender.sent().0 > 0;
        is_known.then(|| self.report(now, ntp, (receiver, sender), true))
    }

    /// Takes RTCP of the other side; `ntp` is our wall clock.
    ///
    /// # Errors
    /// It is no RTCP; it has been counted.
    pub fn handle(
        &mut self,
        now: Instant,
        ntp: u64,
        sender: &Sender,
        bytes: &[u8],
    ) -> Result<(), RtcpError> {
        let compound = parse_rtcp(bytes).inspect_err(|_| self.malformed += 1)?;
        if let Some(info) = compound.sender {
            self.heard_report = Some((middle(info.ntp), now));
        }
        let ours = compound.blocks.iter().find(|block| block.ssrc == sender.ssrc());
        if let Some(block) = ours {
            let (packets, _) = sender.sent();
            let lost = f64::from(block.lost.max(0));
            self.far = Some(FarView {
                loss_percent: (lost * 100.0 / f64::from(packets.max(1))).min(100.0),
                jitter_ms: f64::from(block.jitter) * 1000.0 / f64::from(sender.clock_hz()),
            });
            if block.last_report != 0 {
                let trip = middle(ntp).wrapping_sub(block.last_report).wrapping_sub(block.delay);
                let ms = f64::from(trip) * 1000.0 / 65_536.0;
                if ms <= ROUND_TRIP_MAX_MS {
                    self.round_trip_ms = Some(ms);
                }
            }
        }
        Ok(())
    }

    /// Datagrams that were no RTCP.
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// How both directions sound, all in all.
    pub fn quality(&self, receiver: &Receiver, sender: &Sender) -> Quality {
        let stats = receiver.stats();
        let (expected, lost) = receiver.expected_and_lost();
        // What another packet brought along was not lost to the ear.
        let recovered = stats.recovered_ms / u64::from(sender.ptime_ms().max(1));
        let missed = (lost + stats.late + stats.discarded).saturating_sub(recovered);
        let heard_loss_percent = (missed as f64 * 100.0 / expected.max(1) as f64).min(100.0);
        let way_ms = self.round_trip_ms.unwrap_or(0.0) / 2.0;
        let ptime_ms = f64::from(sender.ptime_ms());
        let heard = Hop {
            codec: receiver.codec(),
            loss_percent: heard_loss_percent,
            delay_ms: way_ms + ptime_ms + stats.delay_ms as f64,
        };
        let sent_hop = |far: FarView| Hop {
            codec: sender.codec(),
            loss_percent: far.loss_percent,
            delay_ms: way_ms + ptime_ms + FAR_BUFFER_MS.max(far.jitter_ms * 2.0),
        };
        Quality {
            heard_loss_percent,
            heard_jitter_ms: stats.jitter_ms,
            heard_mos: mos(heard),
            sent: self.far,
            sent_mos: self.far.map(|far| mos(sent_hop(far))),
            round_trip_ms: self.round_trip_ms,
        }
    }

    /// Between half and one and a half of the mean, so that reports of many calls do not march in
    /// step (RFC 3550 section 6.3.1).
    fn interval(&mut self) -> Duration {
        INTERVAL.mul_f64((self.random.next_unit() + 0.5) / COMPENSATION)
    }

    fn report(
        &mut self,
        now: Instant,
        ntp: u64,
        (receiver, sender): (&Receiver, &Sender),
        goodbye: bool,
    ) -> Vec<u8> {
        let (packets, octets) = sender.sent();
        let timestamp = sender.timestamp();
        let info = (packets > 0).then_some(SenderInfo { ntp, timestamp, packets, octets });
        let block = receiver.ssrc().map(|ssrc| self.block(now, ssrc, receiver));
        encode_rtcp(sender.ssrc(), info, block, &self.cname, goodbye)
    }

    fn block(&mut self, now: Instant, ssrc: u32, receiver: &Receiver) -> ReportBlock {
        let (expected, lost) = receiver.expected_and_lost();
        let new = expected.saturating_sub(self.before.0);
        let new_lost = lost.saturating_sub(self.before.1);
        self.before = (expected, lost);
        let fraction = (new_lost * 256).checked_div(new).unwrap_or(0);
        let since = |at: Instant| now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
        ReportBlock {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: i32::try_from(lost).unwrap_or(i32::MAX),
            highest: receiver.highest_sequence(),
            jitter: receiver.jitter_units(),
            last_report: self.heard_report.map_or(0, |(report, _)| report),
            delay: self.heard_report.map_or(0, |(_, at)| since(at) as u32),
        }
    }
}

/// The middle 32 bits of an NTP time: 65536ths of a second.
const fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Codec;
    use crate::rtp::{PayloadTypes, parse_packet};

    const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Pcmu, 0, None);
    const FRAME: Duration = Duration::from_millis(20);

    struct Side {
        receiver: Receiver,
        sender: Sender,
        reporter: Reporter,
    }

    impl Side {
        fn new(seed: u64, now: Instant) -> Self {
            Self {
                receiver: Receiver::new(TYPES),
                sender: Sender::new(TYPES, seed),
                reporter: Reporter::new(format!("side{seed}"), seed, now),
            }
        }
    }

    fn ntp(start: Instant, now: Instant) -> u64 {
        // Any day will do.
        0xe000_0000_0000_0000
            + (now.saturating_duration_since(start).as_secs_f64() * 4_294_967_296.0) as u64
    }

    /// A minute of two sides over 50 ms each way, of which the first loses every tenth packet of the
    /// second. Gives both, and when the first sent its reports.
    fn minute() -> (Side, Side, Vec<Duration>) {
        let start = Instant::now();
        let way = Duration::from_millis(50);
        let (mut one, mut two) = (Side::new(1, start), Side::new(2, start));
        let mut reports = Vec::new();
        // (arrives, for the first side, datagram)
        let mut under_way: Vec<(Instant, bool, Vec<u8>)> = Vec::new();
        for n in 0..3_000u32 {
            let now = start + FRAME * n;
            for (to_first, side) in [(false, &mut one), (true, &mut two)] {
                for bytes in side.sender.tick(Some(&[500; 160])) {
                    let sequence = parse_packet(&bytes).expect("our own").sequence;
                    if !to_first || !sequence.is_multiple_of(10) {
                        under_way.push((now + way, to_first, bytes));
                    }
                }
                let Side { receiver, sender, reporter } = side;
                if let Some(bytes) = reporter.poll_report(now, ntp(start, now), receiver, sender) {
                    if !to_first {
                        reports.push(now - start);
                    }
                    under_way.push((now + way, to_first, bytes));
                }
            }
            under_way.retain(|(arrives, to_first, bytes)| {
                if *arrives > now {
                    return true;
                }
                let side = if *to_first { &mut one } else { &mut two };
                if super::super::is_rtcp(bytes) {
                    let taken = side.reporter.handle(now, ntp(start, now), &side.sender, bytes);
                    assert_eq!(taken, Ok(()));
                } else {
                    side.receiver.handle_packet(now, bytes).expect("our own");
                }
                false
            });
            for side in [&mut one, &mut two] {
                side.receiver.pull(now);
            }
        }
        (one, two, reports)
    }

    #[test]
    fn loss_and_round_trip_are_reported_to_whom_they_concern() {
        let (one, two, _) = minute();
        let heard = one.reporter.quality(&one.receiver, &one.sender);
        assert!((heard.heard_loss_percent - 10.0).abs() < 0.5, "{heard:?}");
        let told = two.reporter.quality(&two.receiver, &two.sender);
        assert_eq!(told.heard_loss_percent, 0.0);
        let far = told.sent.expect("it was told");
        assert!((far.loss_percent - 10.0).abs() < 1.5, "{told:?}");
        for quality in [heard, told] {
            let trip = quality.round_trip_ms.expect("measured");
            assert!((trip - 100.0).abs() < 25.0, "{trip}");
        }
        assert!(told.heard_mos > 4.2 && heard.heard_mos < 3.6, "{told:?} {heard:?}");
        assert!(told.sent_mos.is_some_and(|mos| mos < 3.6));
        assert!(heard.sent_mos.is_some_and(|mos| mos > 4.2));
    }

    #[test]
    fn reports_come_at_random_times_around_the_mean() {
        let (.., reports) = minute();
        assert!((10..=20).contains(&reports.len()), "{reports:?}");
        assert!(reports[0] < Duration::from_millis(3_100), "{reports:?}");
        let gaps: Vec<f64> =
            reports.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        assert!(gaps.iter().all(|gap| (2.0..6.2).contains(gap)), "{gaps:?}");
        assert!(gaps.iter().any(|gap| (gap - gaps[0]).abs() > 0.5), "{gaps:?}");
    }

    #[test]
    fn goodbye_is_said_by_who_was_there_and_nonsense_is_counted() {
        let now = Instant::now();
        let mut side = Side::new(1, now);
        let Side { receiver, sender, reporter } = &mut side;
        assert_eq!(reporter.goodbye(now, 1, receiver, sender), None);
        sender.tick(Some(&[1; 160]));
        let bytes = reporter.goodbye(now, 1, receiver, sender).expect("it has sent");
        assert!(parse_rtcp(&bytes).is_ok_and(|compound| compound.goodbye));
        assert!(reporter.handle(now, 1, sender, &[0x80, 200, 0, 9]).is_err());
        assert_eq!(reporter.malformed(), 1);
    }
}
