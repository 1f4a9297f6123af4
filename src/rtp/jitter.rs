//! The jitter buffer: a line of samples by media time, played from a point that lags behind.
//!
//! Samples are kept where their timestamp puts them, so packets of any length, order and overlap
//! fit. The lag follows the observed jitter (20..120 ms, 40 ms at first): it grows by holding the
//! playout point for a frame and shrinks by skipping one, both only where nobody speaks; a growing
//! lag may also use a gap that has to be concealed anyway. A sender whose clock is fast or slow is
//! nothing but a slowly changing lag, and is dealt with in the same way.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::audio::{Concealer, level_dbfs};

use super::FRAME_LEN;

/// Lag before anything is known of the jitter, 40 ms.
const TARGET_START: i64 = 320;
/// The shortest lag aimed at, 20 ms.
const TARGET_MIN: i64 = 160;
/// The longest lag aimed at, 120 ms.
const TARGET_MAX: i64 = 960;
/// What may wait beyond the playout point, 240 ms. Overflow drops the oldest audio.
const AHEAD_MAX: i64 = 1920;
/// A step ahead of more than 2 s is another time line, not a burst.
const OTHER_LINE: i64 = 16_000;
/// Packets that may wait, however short. Overflow drops the newest.
const PACKETS_MAX: usize = 64;
/// After 200 ms without anything to play, a late packet starts the line anew.
const DRY_RESTART: i64 = 1600;
/// So many late packets in a row over at least 100 ms mean that the path has become longer.
const LATE_RUN: u32 = 5;
const LATE_RUN_SPAN: i64 = 800;
/// At most one adjustment in 200 ms.
const ADJUST_EVERY_PULLS: u32 = 10;
/// Frames below this level may be stretched or skipped without being missed.
const QUIET_DBFS: f32 = -45.0;
/// The jitter is judged over the current and the previous span of 2 s.
const SPAN: i64 = 16_000;
/// Before so many packets the start value is the least that is aimed at.
const PACKETS_TO_TRUST: u32 = 25;

const FRAME: i64 = FRAME_LEN as i64;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    Buffered,
    /// Its time had passed.
    Late,
    /// No room, or too far ahead to be believed.
    Dropped,
}

/// What a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Audio,
    Concealed,
    Silence,
}

/// Extremes of one span of time.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    transit_min: i64,
    transit_max: i64,
    /// The second largest: one stray packet in a span does not cost every caller its delay.
    transit_second: i64,
    margin_max: i64,
    packets: u32,
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            transit_min: i64::MAX,
            transit_max: i64::MIN,
            transit_second: i64::MIN,
            margin_max: i64::MIN,
            packets: 0,
        }
    }
}

impl Extremes {
    fn add(&mut self, transit: i64, margin: i64) {
        self.transit_min = self.transit_min.min(transit);
        if transit > self.transit_max {
            self.transit_second = self.transit_max;
            self.transit_max = transit;
        } else {
            self.transit_second = self.transit_second.max(transit);
        }
        self.margin_max = self.margin_max.max(margin);
        self.packets = self.packets.saturating_add(1);
    }
}

/// Sliding knowledge of the path: how uneven it is and how far ahead packets come.
#[derive(Debug, Clone, Default)]
struct Path {
    spans: [Extremes; 2],
    span_start: Option<i64>,
    packets: u32,
}

impl Path {
    fn add(&mut self, arrival: i64, transit: i64, margin: i64) {
        let start = *self.span_start.get_or_insert(arrival);
        if arrival - start >= SPAN {
            self.spans = [Extremes::default(), self.spans[0]];
            self.span_start = Some(arrival);
        }
        self.spans[0].add(transit, margin);
        self.packets = self.packets.saturating_add(1);
    }

    /// The lag that takes up all jitter but a stray packet.
    fn target(&self) -> i64 {
        let used = self.spans.iter().filter(|span| span.packets >= 2);
        let (min, max) = used.fold((i64::MAX, i64::MIN), |(min, max), span| {
            (min.min(span.transit_min), max.max(span.transit_second))
        });
        let spread = if min > max { 0 } else { max - min };
        let least = if self.packets < PACKETS_TO_TRUST { TARGET_START } else { TARGET_MIN };
        (spread + FRAME).clamp(least, TARGET_MAX)
    }

    /// How far ahead of its playout the fastest packet came: the present lag.
    fn lag(&self) -> Option<i64> {
        let lag = self.spans[0].margin_max.max(self.spans[1].margin_max);
        (lag > i64::MIN).then_some(lag)
    }

    /// The playout point has been moved forward.
    fn shift(&mut self, samples: i64) {
        for span in &mut self.spans {
            if span.packets > 0 {
                span.margin_max -= samples;
            }
        }
    }
}

/// Reorders, delays, conceals.
#[derive(Debug, Clone, Default)]
pub(super) struct JitterBuffer {
    packets: BTreeMap<i64, Vec<i16>>,
    /// The next sample to be played; `None` until there is something to play.
    play: Option<i64>,
    /// A wire timestamp and its unwrapped value.
    reference: (u32, i64),
    epoch: Option<Instant>,
    path: Path,
    /// Where missing audio is meant: before the first packet, and while a key is down.
    quiet: std::ops::Range<i64>,
    late_run: Option<(i64, u32)>,
    ahead_run: u32,
    dry: i64,
    pulls_since_adjust: u32,
    concealer: Concealer,
    /// Samples made up.
    pub(super) concealed: u64,
    /// Samples left out to shorten the lag or because they did not fit.
    pub(super) dropped: u64,
}

impl JitterBuffer {
    /// Forgets what waits; the next packet starts a new line. What is known of the level of the
    /// sound so far stays for blending.
    pub(super) fn restart(&mut self) {
        self.packets.clear();
        self.play = None;
        self.path = Path::default();
        self.quiet = 0..0;
        self.late_run = None;
        self.ahead_run = 0;
        self.concealer.skip();
    }

    /// The lag that is aimed at, in samples.
    pub(super) fn target(&self) -> i64 {
        self.path.target()
    }

    /// The lag there is, in samples.
    pub(super) fn lag(&self) -> i64 {
        self.path.lag().unwrap_or(0)
    }

    /// Takes the samples of a packet.
    pub(super) fn insert(&mut self, now: Instant, timestamp: u32, samples: Vec<i16>) -> Inserted {
        let arrival = self.arrival(now);
        let time = self.unwrapped(timestamp);
        self.reference = (timestamp, time);
        let len = samples.len() as i64;
        let play = self.play.unwrap_or_else(|| self.start_at(time));
        let mut margin = time - play;
        if margin + len <= 0 {
            if self.dry < DRY_RESTART && !self.is_late_run(arrival) {
                return Inserted::Late;
            }
            self.restart();
            margin = time - self.start_at(time);
        } else if margin > AHEAD_MAX {
            self.ahead_run += 1;
            if self.ahead_run < 2 {
                return Inserted::Dropped;
            }
            margin = self.jump(time, margin, len);
        }
        (self.late_run, self.ahead_run) = (None, 0);
        if self.packets.len() >= PACKETS_MAX {
            return Inserted::Dropped;
        }
        self.path.add(arrival, arrival - time, margin);
        self.packets.entry(time).or_insert(samples);
        Inserted::Buffered
    }

    /// Marks the span of a keypad event: missing audio there is meant.
    pub(super) fn mark_event(&mut self, timestamp: u32, duration: u16) {
        if self.play.is_none() {
            return;
        }
        let from = self.unwrapped(timestamp);
        let until = from + i64::from(duration);
        if until > self.quiet.end {
            let start = if from <= self.quiet.end { from.min(self.quiet.start) } else { from };
            self.quiet = start..until;
        }
    }

    /// Gives the next 20 ms. While a key is down, missing audio is meant whatever its time.
    pub(super) fn pull(&mut self, key_is_down: bool) -> (Kind, Vec<i16>) {
        let mut out = Vec::with_capacity(FRAME_LEN);
        self.pulls_since_adjust = self.pulls_since_adjust.saturating_add(1);
        if self.epoch.is_none() {
            self.concealer.silence(FRAME_LEN, &mut out);
            return (Kind::Silence, out);
        }
        let Some(play) = self.play else {
            // Between two lines: the old sound fades.
            self.concealer.conceal(FRAME_LEN, &mut out);
            self.dry = self.dry.saturating_add(FRAME);
            let kind = if self.concealer.is_faded() { Kind::Silence } else { Kind::Concealed };
            return (kind, out);
        };
        if key_is_down {
            self.quiet.end = self.quiet.end.max(play + FRAME);
        }
        if let Some(kind) = self.adjust(play, &mut out) {
            return (kind, out);
        }
        let kind = self.fill(&mut out);
        self.forget_played();
        (kind, out)
    }

    /// Fills a frame from the playout point on and moves the point.
    fn fill(&mut self, out: &mut Vec<i16>) -> Kind {
        let start = self.play.unwrap_or(0);
        let end = start + FRAME;
        let (mut real, mut concealed) = (0, 0);
        let mut at = start;
        while at < end {
            if let Some(mut samples) = self.samples_at(at, (end - at) as usize) {
                self.concealer.good(&mut samples);
                at += samples.len() as i64;
                real += samples.len();
                out.extend(samples);
                continue;
            }
            let next = self.packets.range(at..).next().map_or(end, |(&time, _)| time.min(end));
            if self.quiet.contains(&at) {
                let len = (next.min(self.quiet.end) - at) as usize;
                self.concealer.silence(len, out);
                at += len as i64;
            } else {
                let len = (next - at) as usize;
                if !self.concealer.is_faded() {
                    concealed += len;
                }
                self.concealer.conceal(len, out);
                at = next;
            }
        }
        self.play = Some(end);
        self.concealed += concealed as u64;
        self.dry = if real > 0 { 0 } else { self.dry.saturating_add(FRAME) };
        match (real, concealed) {
            (_, 1..) => Kind::Concealed,
            (0, 0) => Kind::Silence,
            _ => Kind::Audio,
        }
    }

    /// Brings the lag closer to its target if this frame allows it: may skip a frame, or make one
    /// up (then it says so) and leave the playout point where it is.
    fn adjust(&mut self, play: i64, out: &mut Vec<i16>) -> Option<Kind> {
        if self.pulls_since_adjust < ADJUST_EVERY_PULLS {
            return None;
        }
        let lag = self.path.lag()?;
        let target = self.path.target();
        let frame = self.frame_at(play);
        let is_quiet = frame.as_ref().is_some_and(|frame| level_dbfs(frame) < QUIET_DBFS);
        if lag - FRAME >= target + FRAME / 2 && is_quiet && self.frame_at(play + FRAME).is_some() {
            self.play = Some(play + FRAME);
            self.forget_played();
            self.path.shift(FRAME);
            self.concealer.skip();
            self.dropped += FRAME as u64;
            self.pulls_since_adjust = 0;
            return None;
        }
        if lag + FRAME / 2 >= target {
            return None;
        }
        let nothing_to_play = self.packets.range(play..).next().is_none() && frame.is_none();
        let kind = if is_quiet {
            self.concealer.stretch(FRAME_LEN, out);
            Kind::Concealed
        } else if nothing_to_play && self.quiet.contains(&play) {
            self.concealer.silence(FRAME_LEN, out);
            Kind::Silence
        } else if nothing_to_play && self.dry < DRY_RESTART {
            self.concealer.conceal(FRAME_LEN, out);
            self.dry += FRAME;
            Kind::Concealed
        } else {
            return None;
        };
        if kind == Kind::Concealed {
            self.concealed += FRAME as u64;
        }
        self.path.shift(-FRAME);
        self.pulls_since_adjust = 0;
        Some(kind)
    }

    /// Up to `len` samples from exactly this time on, out of one packet.
    fn samples_at(&self, at: i64, len: usize) -> Option<Vec<i16>> {
        let (&time, samples) = self.packets.range(..=at).next_back()?;
        let rest = samples.get((at - time) as usize..).filter(|rest| !rest.is_empty())?;
        Some(rest[..rest.len().min(len)].to_vec())
    }

    /// A whole frame without a gap, if it is there.
    fn frame_at(&self, start: i64) -> Option<Vec<i16>> {
        let mut frame = Vec::with_capacity(FRAME_LEN);
        while frame.len() < FRAME_LEN {
            let at = start + frame.len() as i64;
            frame.extend(self.samples_at(at, FRAME_LEN - frame.len())?);
        }
        Some(frame)
    }

    fn forget_played(&mut self) {
        let Some(play) = self.play else { return };
        self.packets.retain(|time, samples| time + samples.len() as i64 > play);
    }

    /// Starts the line so that this packet is played after the target lag.
    fn start_at(&mut self, time: i64) -> i64 {
        let play = time - self.path.target();
        self.play = Some(play);
        self.quiet = play..time;
        self.dry = 0;
        play
    }

    /// Moves on to a packet far ahead, dropping what lies in between. Returns its margin.
    fn jump(&mut self, time: i64, margin: i64, len: i64) -> i64 {
        if margin > OTHER_LINE {
            self.restart();
            return time - self.start_at(time);
        }
        let play = (time + len - self.path.target()).min(time);
        let old = self.play.replace(play).unwrap_or(play);
        self.dropped += (play - old).max(0) as u64;
        self.path.shift(play - old);
        self.forget_played();
        self.concealer.skip();
        time - play
    }

    fn is_late_run(&mut self, arrival: i64) -> bool {
        let (since, count) = self.late_run.get_or_insert((arrival, 0));
        *count = count.saturating_add(1);
        *count >= LATE_RUN && arrival - *since >= LATE_RUN_SPAN
    }

    fn arrival(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        (now.saturating_duration_since(epoch).as_micros() / 125) as i64
    }

    fn unwrapped(&self, timestamp: u32) -> i64 {
        let (wire, unwrapped) = self.reference;
        unwrapped + i64::from(timestamp.wrapping_sub(wire) as i32)
    }
}
