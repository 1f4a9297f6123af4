//! The jitter buffer: a line of packets by media time, played from a point that lags behind.
//!
//! Packets are kept where their timestamp puts them, so any length, order and overlap fits; they
//! are decoded when they are played, in their order, because most codecs carry state from packet
//! to packet. The lag follows the observed jitter (20..120 ms, 40 ms at first): it grows by holding the
//! playout point for a frame and shrinks by skipping one, both only where nobody speaks; a growing
//! lag may also use a gap that has to be concealed anyway. A sender whose clock is fast or slow is
//! nothing but a slowly changing lag, and is dealt with in the same way.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::audio::{Codec, Concealer, Decoder, SampleRate, level_dbfs};

use super::FRAME_LEN;

// Lengths are in samples at 8 kHz; at 16 kHz all of them are twice as long (`JitterBuffer::scale`).

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

/// What is played at a time, 20 ms.
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
#[derive(Debug, Clone)]
struct Path {
    scale: i64,
    spans: [Extremes; 2],
    span_start: Option<i64>,
    packets: u32,
}

impl Path {
    fn new(scale: i64) -> Self {
        Self { scale, spans: [Extremes::default(); 2], span_start: None, packets: 0 }
    }

    fn add(&mut self, arrival: i64, transit: i64, margin: i64) {
        let start = *self.span_start.get_or_insert(arrival);
        if arrival - start >= SPAN * self.scale {
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
        (spread + FRAME * self.scale).clamp(least * self.scale, TARGET_MAX * self.scale)
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

/// A packet that waits.
#[derive(Debug)]
struct Held {
    codec: Codec,
    payload: Vec<u8>,
    len: usize,
    /// Its samples, once they were needed.
    samples: Option<Vec<i16>>,
}

/// Reorders, delays, decodes, conceals.
#[derive(Debug)]
pub(super) struct JitterBuffer {
    /// Samples at our rate for each at 8 kHz.
    scale: i64,
    /// Samples at our rate for so many timestamp units.
    samples_per_units: (i64, i64),
    decoder: Decoder,
    packets: BTreeMap<i64, Held>,
    /// The next sample to be played; `None` until there is something to play.
    play: Option<i64>,
    /// A wire timestamp and its unwrapped value, in timestamp units.
    reference: (u32, i64),
    epoch: Option<Instant>,
    path: Path,
    /// Where missing audio is meant: before the first packet, while a key is down, and in pauses
    /// that comfort noise announced (those end with the next audio).
    quiet: std::ops::Range<i64>,
    late_run: Option<(i64, u32)>,
    ahead_run: u32,
    dry: i64,
    pulls_since_adjust: u32,
    concealer: Concealer,
    /// Samples made up.
    pub(super) concealed: u64,
    /// Lost samples that a later packet brought along.
    pub(super) recovered: u64,
    /// Samples left out to shorten the lag or because they did not fit.
    pub(super) dropped: u64,
    /// Packets that turned out to be damaged.
    pub(super) damaged: u64,
}

impl JitterBuffer {
    /// A buffer for packets of this codec, and of others with the same rate and clock.
    pub(super) fn new(codec: Codec) -> Self {
        let scale = i64::from(codec.rate().hz() / SampleRate::HZ_8000.hz());
        Self {
            scale,
            samples_per_units: (i64::from(codec.rate().hz()), i64::from(codec.clock_hz())),
            decoder: Decoder::new(codec),
            packets: BTreeMap::new(),
            play: None,
            reference: (0, 0),
            epoch: None,
            path: Path::new(scale),
            quiet: 0..0,
            late_run: None,
            ahead_run: 0,
            dry: 0,
            pulls_since_adjust: 0,
            concealer: Concealer::new(codec.rate()),
            concealed: 0,
            recovered: 0,
            dropped: 0,
            damaged: 0,
        }
    }

    /// Whether packets of this codec fit in.
    pub(super) fn fits(&self, codec: Codec) -> bool {
        let ours = self.decoder.codec();
        codec.rate() == ours.rate() && codec.clock_hz() == ours.clock_hz()
    }

    /// What is decoded at present.
    pub(super) fn codec(&self) -> Codec {
        self.decoder.codec()
    }

    /// The rate of what is played.
    pub(super) fn rate(&self) -> SampleRate {
        self.decoder.codec().rate()
    }

    /// Samples in 20 ms.
    fn frame_len(&self) -> usize {
        self.frame() as usize
    }

    fn frame(&self) -> i64 {
        FRAME * self.scale
    }

    /// Forgets what waits; the next packet starts a new line. What is known of the level of the
    /// sound so far stays for blending.
    pub(super) fn restart(&mut self) {
        self.packets.clear();
        self.play = None;
        self.path = Path::new(self.scale);
        self.decoder = Decoder::new(self.decoder.codec());
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

    /// Takes a packet of so many samples.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        timestamp: u32,
        (codec, payload): (Codec, &[u8]),
        samples_len: usize,
    ) -> Inserted {
        let arrival = self.arrival(now);
        self.reference = (timestamp, self.unwrapped(timestamp));
        let time = self.sample_time(self.reference.1);
        let len = samples_len as i64;
        let play = self.play.unwrap_or_else(|| self.start_at(time));
        let mut margin = time - play;
        if margin + len <= 0 {
            if self.dry < DRY_RESTART * self.scale && !self.is_late_run(arrival) {
                return Inserted::Late;
            }
            self.restart();
            margin = time - self.start_at(time);
        } else if margin > AHEAD_MAX * self.scale {
            self.ahead_run += 1;
            if self.ahead_run < 2 {
                return Inserted::Dropped;
            }
            margin = self.jump(time, margin, len);
        }
        (self.late_run, self.ahead_run) = (None, 0);
        if self.quiet.end == i64::MAX && time >= self.quiet.start {
            self.quiet.end = time;
        }
        if self.packets.len() >= PACKETS_MAX {
            return Inserted::Dropped;
        }
        self.path.add(arrival, arrival - time, margin);
        self.packets.entry(time).or_insert_with(|| Held {
            codec,
            payload: payload.to_vec(),
            len: samples_len,
            samples: None,
        });
        Inserted::Buffered
    }

    /// Marks the span of a keypad event: missing audio there is meant. The duration counts
    /// `event_clock_hz` a second.
    pub(super) fn mark_event(&mut self, timestamp: u32, duration: u16, event_clock_hz: u32) {
        if self.play.is_none() {
            return;
        }
        let from = self.sample_time(self.unwrapped(timestamp));
        let rate_hz = i64::from(self.rate().hz());
        let until = from + i64::from(duration) * rate_hz / i64::from(event_clock_hz.max(1));
        if until > self.quiet.end {
            let start = if from <= self.quiet.end { from.min(self.quiet.start) } else { from };
            self.quiet = start..until;
        }
    }

    /// Marks the beginning of a pause: the sender has announced that it sends nothing for a while.
    pub(super) fn mark_pause(&mut self, timestamp: u32) {
        let Some(play) = self.play else { return };
        let from = self.sample_time(self.unwrapped(timestamp)).max(play);
        // One that comes late must not silence the audio after it.
        if self.packets.range(from..).next().is_some() {
            return;
        }
        let start = if from <= self.quiet.end { from.min(self.quiet.start) } else { from };
        self.quiet = start..i64::MAX;
    }

    /// Gives the next 20 ms. While a key is down, missing audio is meant whatever its time.
    pub(super) fn pull(&mut self, key_is_down: bool) -> (Kind, Vec<i16>) {
        let (frame, frame_len) = (self.frame(), self.frame_len());
        let mut out = Vec::with_capacity(frame_len);
        self.pulls_since_adjust = self.pulls_since_adjust.saturating_add(1);
        if self.epoch.is_none() {
            self.concealer.silence(frame_len, &mut out);
            return (Kind::Silence, out);
        }
        let Some(play) = self.play else {
            // Between two lines: the old sound fades.
            self.concealer.conceal(frame_len, &mut out);
            self.dry = self.dry.saturating_add(frame);
            let kind = if self.concealer.is_faded() { Kind::Silence } else { Kind::Concealed };
            return (kind, out);
        };
        if key_is_down {
            self.quiet.end = self.quiet.end.max(play + frame);
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
        let end = start + self.frame();
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
            } else if let Some(mut samples) = self.recovered_before(next, (next - at) as usize) {
                self.concealer.good(&mut samples);
                self.recovered += samples.len() as u64;
                real += samples.len();
                out.extend(samples);
                at = next;
            } else {
                let len = (next - at) as usize;
                if !self.concealer.is_faded() {
                    concealed += len;
                }
                self.conceal(len, out);
                at = next;
            }
        }
        self.play = Some(end);
        self.concealed += concealed as u64;
        self.dry = if real > 0 { 0 } else { self.dry.saturating_add(self.frame()) };
        match (real, concealed) {
            (_, 1..) => Kind::Concealed,
            (0, 0) => Kind::Silence,
            _ => Kind::Audio,
        }
    }

    /// Whether the sender has announced that it sends nothing for now (RFC 3389).
    pub(super) fn is_paused(&self) -> bool {
        self.quiet.end == i64::MAX
    }

    /// Fills a gap: as the codec would, where it knows how, else by repetition.
    fn conceal(&mut self, len: usize, out: &mut Vec<i16>) {
        // What has faded is silence, whatever is made.
        let made = if self.concealer.is_faded() { None } else { self.decoder.conceal(len) };
        match made.filter(|made| made.len() == len) {
            Some(made) => self.concealer.conceal_with(&made, out),
            None => self.concealer.conceal(len, out),
        }
    }

    /// What the packet that begins at `next` brings along of the `len` samples before it.
    fn recovered_before(&mut self, next: i64, len: usize) -> Option<Vec<i16>> {
        let held = self.packets.get(&next).filter(|held| held.samples.is_none())?;
        // A copy is of one packet only; further back there is nothing but guessing.
        if held.codec != self.decoder.codec() || len > held.len {
            return None;
        }
        self.decoder.recover(&held.payload, len).filter(|samples| samples.len() == len)
    }

    /// Brings the lag closer to its target if this frame allows it: may skip a frame, or make one
    /// up (then it says so) and leave the playout point where it is.
    fn adjust(&mut self, play: i64, out: &mut Vec<i16>) -> Option<Kind> {
        if self.pulls_since_adjust < ADJUST_EVERY_PULLS {
            return None;
        }
        let (step, step_len) = (self.frame(), self.frame_len());
        let lag = self.path.lag()?;
        let target = self.path.target();
        let frame = self.frame_at(play);
        let is_quiet = frame.as_ref().is_some_and(|frame| level_dbfs(frame) < QUIET_DBFS);
        if lag - step >= target + step / 2 && is_quiet && self.frame_at(play + step).is_some() {
            self.play = Some(play + step);
            self.forget_played();
            self.path.shift(step);
            self.concealer.skip();
            self.dropped += step_len as u64;
            self.pulls_since_adjust = 0;
            return None;
        }
        if lag + step / 2 >= target {
            return None;
        }
        let nothing_to_play = self.packets.range(play..).next().is_none() && frame.is_none();
        let kind = if is_quiet {
            self.concealer.stretch(step_len, out);
            Kind::Concealed
        } else if nothing_to_play && self.quiet.contains(&play) {
            self.concealer.silence(step_len, out);
            Kind::Silence
        } else if nothing_to_play && self.dry < DRY_RESTART * self.scale {
            self.conceal(step_len, out);
            self.dry += step;
            Kind::Concealed
        } else {
            return None;
        };
        if kind == Kind::Concealed {
            self.concealed += step_len as u64;
        }
        self.path.shift(-step);
        self.pulls_since_adjust = 0;
        Some(kind)
    }

    /// Up to `len` samples from exactly this time on, out of one packet.
    fn samples_at(&mut self, at: i64, len: usize) -> Option<Vec<i16>> {
        let (&time, held) = self.packets.range_mut(..=at).next_back()?;
        let from = (at - time) as usize;
        if from >= held.len {
            return None;
        }
        if held.samples.is_none() {
            if self.decoder.codec() != held.codec {
                self.decoder = Decoder::new(held.codec);
            }
            held.samples = self.decoder.decode(&held.payload);
        }
        let Some(samples) = &held.samples else {
            // Damaged: as good as lost.
            self.damaged += 1;
            self.packets.remove(&time);
            return None;
        };
        let rest = samples.get(from..).filter(|rest| !rest.is_empty())?;
        Some(rest[..rest.len().min(len)].to_vec())
    }

    /// A whole frame without a gap, if it is there.
    fn frame_at(&mut self, start: i64) -> Option<Vec<i16>> {
        let len = self.frame_len();
        let mut frame = Vec::with_capacity(len);
        while frame.len() < len {
            let at = start + frame.len() as i64;
            frame.extend(self.samples_at(at, len - frame.len())?);
        }
        Some(frame)
    }

    fn forget_played(&mut self) {
        let Some(play) = self.play else { return };
        self.packets.retain(|time, held| time + held.len as i64 > play);
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
        if margin > OTHER_LINE * self.scale {
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
        *count >= LATE_RUN && arrival - *since >= LATE_RUN_SPAN * self.scale
    }

    fn arrival(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        (now.saturating_duration_since(epoch).as_micros() as i64 * self.scale) / 125
    }

    /// Timestamp units, unwrapped, as samples.
    fn sample_time(&self, units: i64) -> i64 {
        let (samples, per_units) = self.samples_per_units;
        (units * samples).div_euclid(per_units)
    }

    fn unwrapped(&self, timestamp: u32) -> i64 {
        let (wire, unwrapped) = self.reference;
        unwrapped + i64::from(timestamp.wrapping_sub(wire) as i32)
    }
}
