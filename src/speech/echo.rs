//! Our own voice, come back: a telephone on a table returns what it plays to its microphone, delayed
//! by the network and the buffers of both ends, and 6 to 30 dB more quiet. It is recognised here as
//! such; nothing is taken out of the audio.
//!
//! What was heard is compared with what was played at 2 kHz, where nearly all the power of a voice
//! is: for each delay up to 0.7 s the two are correlated over the latest 0.4 s of sound. Another voice
//! has no delay at which they are alike. (Measured on mu-law with human and synthetic voices: at least
//! 0.69 for nine tenths of an echo out of a reverberant room, 20 or 30 dB down; below 0.3 for nine
//! tenths of what other people say meanwhile.) Once the delay is known, so is how loud the echo should
//! be; a caller who speaks over it is louder, or makes it less alike.
//!
//! The cost: 64 samples by 1,408 delays, and by 241 once the delay is known, are 105,536 multiply-adds
//! for each 32 ms, 3.3 million a second, eight at a time, and only while we are heard and something
//! comes back at all. The filters down to 2 kHz take 0.2 million a second, always. A core does some
//! ten thousand million: 0.04 % of it at most.

use std::collections::VecDeque;

use crate::audio::level::varying_dbfs;
use crate::audio::{FrameConverter, NoiseFloor, SampleRate};

/// Samples of a chunk at 8 kHz: 32 ms.
const CHUNK_LEN: usize = 256;

/// What is compared.
const HZ_2000: SampleRate = SampleRate::from_hz(2_000).expect("not zero");
/// On the way there.
const HZ_4000: SampleRate = SampleRate::from_hz(4_000).expect("not zero");

/// Samples at 8 kHz for one at 2 kHz.
const STEP: usize = 4;
/// Samples of a chunk at 2 kHz.
const LOW_LEN: usize = CHUNK_LEN / STEP;
/// Delays that are looked at, in samples at 2 kHz: 704 ms. More than half a second is rare even
/// between mobile telephones.
const DELAYS: usize = 1_408;
/// What was played is kept for so long, at 2 kHz: for the longest delay, the chunk, and what waits to
/// fill one.
const PLAYED_LEN: usize = DELAYS + 2 * LOW_LEN;

/// The power of what was played is kept for each 4 ms.
const HOP_LEN: usize = 32;
const HOPS: usize = PLAYED_LEN * STEP / HOP_LEN;
/// 2 kHz samples of a hop.
const LOW_HOP_LEN: usize = HOP_LEN / STEP;
/// Hops before and after a chunk whose sound may be in it: rooms and jitter buffers blur.
const HOPS_BEFORE: usize = 6;
const HOPS_AFTER: usize = 4;

/// The low tones of a voice would drown all others: each sample less so much of the one before.
const PRE_EMPHASIS: f32 = 0.9;

/// What is left of the past after a chunk: it is forgotten over 12 chunks, 0.4 s.
const KEEP: f32 = 1.0 - 1.0 / 12.0;
/// The same where it must be quick: over 4 chunks, 0.13 s.
const KEEP_NEAR: f32 = 1.0 - 1.0 / 4.0;

/// Power (full scale is 1) of a chunk at 2 kHz below which it is nothing to compare: -65 dBFS.
const LOW_POWER_MIN: f32 = LOW_LEN as f32 * 3e-7;

/// From so much likeness on it is an echo for now.
const ALIKE: f32 = 0.5;
/// From so much on the way that it took is known.
const SURE: f32 = 0.6;
/// Chunks (as far as they are not forgotten) before the one, and the other.
const ALIKE_CHUNKS: f32 = 3.0;
const SURE_CHUNKS: f32 = 4.5;

/// An echo may be louder than what we played by so much, and not more: telephones amplify, tables
/// do not. In power: 3 dB.
const LOUDER_MAX: f32 = 2.0;

/// Delays on either side of the known one at which the two are compared quickly: 60 ms, as jitter
/// buffers at both ends grow and shrink by some frames.
const REACH: usize = 120;
const NEAR: usize = 2 * REACH + 1;

/// Sound that stands out of the line's noise by less is no echo to speak of.
const STANDS_OUT_DB: f32 = 6.0;
/// Nor is any below this.
const SILENT_DBFS: f32 = -62.0;

/// Louder than the echo should be by so much: there is somebody else.
const LOUDER_DB: f32 = 6.0;
/// Somebody else makes it less alike than it usually is by this factor, ...
const LESS_ALIKE: f32 = 0.7;
/// ... unless it is more quiet than it should be by so much: the last of it dies away in the room.
const MORE_QUIET_DB: f32 = 3.0;
/// Once we have heard so many chunks of an echo, we know how alike it usually is.
const KNOWN_CHUNKS: u32 = 8;
/// A syllable goes on for so many chunks after the last that stood out.
const HANGOVER_CHUNKS: u32 = 2;

/// The echo dies away in a room by so much a chunk at least: 5 dB, as power.
const DYING: f32 = 0.316;
/// We were silent, as power: -60 dBFS.
const SILENT_POWER: f32 = 1e-6;

/// Whose sound a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The caller's, or nobody's.
    NotEcho,
    /// Our own, and the caller's is not in it.
    Echo,
    /// Our own, and only now do we know its way: so was what came just before.
    EchoFound,
}

/// Compares what comes with what was played, for one leg.
#[derive(Debug)]
pub struct EchoDetector {
    played: Low,
    heard: Low,
    /// What was played, at 2 kHz; the latest is last.
    reference: VecDeque<f32>,
    /// Its power for each hop, from 8 kHz.
    powers: VecDeque<f32>,
    /// Samples at 8 kHz since our last sound.
    quiet_len: usize,
    noise: NoiseFloor,
    search: Search,
    path: Option<Path>,
}

impl Default for EchoDetector {
    fn default() -> Self {
        Self {
            played: Low::default(),
            heard: Low::default(),
            reference: VecDeque::from(vec![0.0; PLAYED_LEN]),
            powers: VecDeque::from(vec![0.0; HOPS]),
            quiet_len: PLAYED_LEN * STEP,
            noise: NoiseFloor::default(),
            search: Search::default(),
            path: None,
        }
    }
}

impl EchoDetector {
    /// Takes what is played next, at 8 kHz: every frame, silent ones too, as many as are heard.
    pub fn play(&mut self, frame: &[i16]) {
        let low = self.played.take(frame);
        push(&mut self.reference, low);
        let hops = frame.chunks(HOP_LEN).map(|hop| {
            let power: f32 = hop.iter().map(|&sample| unit(sample).powi(2)).sum();
            power / hop.len() as f32
        });
        push(&mut self.powers, hops.collect());
        let last = frame.iter().rposition(|&sample| sample != 0);
        self.quiet_len = match last {
            Some(at) => frame.len() - 1 - at,
            None => self.quiet_len.saturating_add(frame.len()),
        };
    }

    /// Whether what we played can still come back.
    pub const fn may_return(&self) -> bool {
        self.quiet_len < PLAYED_LEN * STEP
    }

    /// The delay of the echo in ms, from a frame that we play to the earliest that can hold it, and
    /// how much more quiet it is in dB; `None` if no echo has been heard.
    pub fn path(&self) -> Option<(usize, f32)> {
        let path = self.path.as_ref()?;
        Some((path.delay * 1_000 / HZ_2000.hz() as usize, -path.gain_db))
    }

    /// Judges the next 32 ms, at 8 kHz; `waiting_len` samples of it have come since and wait to fill
    /// the next chunk. One of another length is never an echo.
    pub fn judge(&mut self, chunk: &[i16], waiting_len: usize) -> Judgement {
        let low = self.heard.take(chunk);
        let level = varying_dbfs(chunk);
        let noise = self.noise.dbfs().unwrap_or(level);
        self.noise.hear(level);
        let Ok(low) = <[f32; LOW_LEN]>::try_from(low) else { return Judgement::NotEcho };
        if !self.may_return() {
            self.search.forget();
            if let Some(path) = &mut self.path {
                path.rest();
            }
            return Judgement::NotEcho;
        }
        let waiting = (waiting_len / STEP).min(LOW_LEN);
        let expected = self.path.as_mut().map(|path| path.expect(&self.powers, waiting));
        if level < noise + STANDS_OUT_DB || level < SILENT_DBFS {
            // Nobody is heard: a pause in whatever there was.
            let is_due = expected.is_some_and(|power| power >= SILENT_POWER);
            let goes_on = self.path.as_mut().is_none_or(Path::goes_on);
            return if is_due && !goes_on { Judgement::Echo } else { Judgement::NotEcho };
        }
        let found = self.search.hear(self.reference.make_contiguous(), &low, waiting);
        let way = self.learn_delay(found);
        let Some(path) = &mut self.path else {
            let is_alike = found.alike > ALIKE && self.search.chunks > ALIKE_CHUNKS;
            return if is_alike { Judgement::Echo } else { Judgement::NotEcho };
        };
        let expected = match (expected, way) {
            (Some(power), Way::AsBefore) => power,
            _ => path.expect(&self.powers, waiting),
        };
        // In one piece since the search.
        let alike = path.hear(self.reference.as_slices().0, &low, waiting);
        if found.alike > SURE {
            path.learn(level - dbfs(expected), found.alike);
        }
        if path.is_anothers(level, expected, alike) {
            Judgement::NotEcho
        } else if way == Way::First {
            Judgement::EchoFound
        } else {
            Judgement::Echo
        }
    }

    /// Goes by this delay, if it is sure.
    fn learn_delay(&mut self, found: Found) -> Way {
        if found.alike <= SURE || self.search.chunks <= SURE_CHUNKS {
            return Way::AsBefore;
        }
        match &mut self.path {
            Some(path) if path.middle.abs_diff(found.delay) <= REACH => Way::AsBefore,
            Some(path) => {
                path.move_to(found.delay);
                Way::Another
            }
            None => {
                self.path = Some(Path::new(found.delay));
                Way::First
            }
        }
    }
}

/// How an echo came, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In no other way than the last.
    AsBefore,
    /// After another delay than the last.
    Another,
    /// It is the first.
    First,
}

/// A stream's way down to 2 kHz.
#[derive(Debug)]
struct Low {
    to_4k: FrameConverter,
    to_2k: FrameConverter,
    last: f32,
}

impl Default for Low {
    fn default() -> Self {
        let (to_4k, to_2k) = (FrameConverter::new(HZ_4000), FrameConverter::new(HZ_2000));
        Self { to_4k, to_2k, last: 0.0 }
    }
}

impl Low {
    fn take(&mut self, samples: &[i16]) -> Vec<f32> {
        let at_4k = self.to_4k.convert(samples, SampleRate::HZ_8000);
        let at_2k = self.to_2k.convert(&at_4k, HZ_4000);
        let emphasised = |&sample: &i16| {
            let sample = unit(sample);
            let last = std::mem::replace(&mut self.last, sample);
            sample - PRE_EMPHASIS * last
        };
        at_2k.iter().map(emphasised).collect()
    }
}

/// The delay at which the two are most alike.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// In samples at 2 kHz.
    delay: usize,
    /// Their correlation, 0 to 1.
    alike: f32,
}

/// Sums over the latest chunks, for each delay; the longest is first.
#[derive(Debug)]
struct Search {
    /// Played times heard.
    cross: Vec<f32>,
    /// Played squared.
    played: Vec<f32>,
    /// Heard squared.
    heard: f32,
    /// How many chunks that were, as far as they are not forgotten.
    chunks: f32,
}

impl Default for Search {
    fn default() -> Self {
        Self { cross: vec![0.0; DELAYS], played: vec![0.0; DELAYS], heard: 0.0, chunks: 0.0 }
    }
}

impl Search {
    fn forget(&mut self) {
        if self.chunks > 0.0 {
            self.cross.fill(0.0);
            self.played.fill(0.0);
            (self.heard, self.chunks) = (0.0, 0.0);
        }
    }

    fn hear(&mut self, reference: &[f32], low: &[f32; LOW_LEN], waiting: usize) -> Found {
        // Where the longest delay begins; each shorter one begins a sample later.
        let from = PLAYED_LEN - waiting - LOW_LEN - (DELAYS - 1);
        correlate(&mut self.cross, &reference[from..], low, KEEP);
        square(&mut self.played, &reference[from..], KEEP);
        self.heard = self.heard * KEEP + low.iter().map(|sample| sample * sample).sum::<f32>();
        self.chunks = self.chunks * KEEP + 1.0;
        best(&self.cross, &self.played, self.heard)
            .map(|(at, alike)| Found { delay: DELAYS - 1 - at, alike })
            .unwrap_or_default()
    }
}

/// Adds to the sum for each place the product of what lies there with this chunk. The order of the
/// loops lets the compiler do eight places at a time.
fn correlate(sums: &mut [f32], reference: &[f32], low: &[f32; LOW_LEN], keep: f32) {
    for sum in sums.iter_mut() {
        *sum *= keep;
    }
    for (n, &heard) in low.iter().enumerate() {
        for (sum, &played) in sums.iter_mut().zip(&reference[n..]) {
            *sum += played * heard;
        }
    }
}

/// Adds to the sum for each place the power of what lies there.
fn square(sums: &mut [f32], reference: &[f32], keep: f32) {
    let squared = |sample: f32| f64::from(sample) * f64::from(sample);
    let mut window: f64 = reference[..LOW_LEN].iter().map(|&sample| squared(sample)).sum();
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum = *sum * keep + window as f32;
        let next = reference.get(at + LOW_LEN).copied().unwrap_or(0.0);
        window = (window + squared(next) - squared(reference[at])).max(0.0);
    }
}

/// The place at which the two are most alike, and how much; `None` if they are nowhere. An echo that
/// is louder than what was played is none.
fn best(cross: &[f32], played: &[f32], heard: f32) -> Option<(usize, f32)> {
    let heard = heard + LOW_POWER_MIN;
    let share = |(at, (&cross, &played)): (usize, (&f32, &f32))| {
        let played = played + LOW_POWER_MIN;
        let fits = cross > 0.0 && heard < played * LOUDER_MAX;
        fits.then(|| (at, cross * cross / played))
    };
    let (at, most) = cross
        .iter()
        .zip(played)
        .enumerate()
        .filter_map(share)
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((at, (most / heard).sqrt().min(1.0)))
}

/// The way of an echo.
#[derive(Debug)]
struct Path {
    /// In samples at 2 kHz.
    delay: usize,
    /// In the middle of the delays that are compared quickly.
    middle: usize,
    /// How much louder it is than what was played: less than 0.
    gain_db: f32,
    /// How alike it usually is.
    alike: f32,
    /// Chunks from which that was learned.
    learned: u32,
    /// The power that was played and may be heard, dying away.
    dying: f32,
    /// Sums for the delays around it, as in [`Search`].
    cross: [f32; NEAR],
    played: [f32; NEAR],
    heard: f32,
    hangover: u32,
}

impl Path {
    fn new(delay: usize) -> Self {
        Self {
            delay,
            middle: delay,
            gain_db: 0.0,
            alike: 0.8,
            learned: 0,
            dying: 0.0,
            cross: [0.0; NEAR],
            played: [0.0; NEAR],
            heard: 0.0,
            hangover: 0,
        }
    }

    /// We have been silent for so long that nothing can come back.
    fn rest(&mut self) {
        (self.dying, self.heard, self.hangover) = (0.0, 0.0, 0);
        self.cross.fill(0.0);
        self.played.fill(0.0);
    }

    /// The delay is another; the telephone and its room are the same.
    fn move_to(&mut self, delay: usize) {
        (self.delay, self.middle, self.heard) = (delay, delay, 0.0);
        self.cross.fill(0.0);
        self.played.fill(0.0);
    }

    /// The power of what we played that may be in this chunk.
    fn expect(&mut self, powers: &VecDeque<f32>, waiting: usize) -> f32 {
        let end = HOPS.saturating_sub((waiting + self.delay) / LOW_HOP_LEN);
        let from = end.saturating_sub(CHUNK_LEN / HOP_LEN + HOPS_BEFORE);
        let until = (end + HOPS_AFTER).min(HOPS);
        // Two hops at a time: a single one of 4 ms may be all of one pulse of the voice.
        let mut loudest = 0.0_f32;
        let mut before = 0.0;
        for &power in powers.range(from..until) {
            loudest = loudest.max((before + power) / 2.0);
            before = power;
        }
        self.dying = loudest.max(self.dying * DYING);
        self.dying
    }

    /// How alike this chunk and the last few are to what was played. Follows the delay.
    fn hear(&mut self, reference: &[f32], low: &[f32; LOW_LEN], waiting: usize) -> f32 {
        let longest = (self.middle + REACH).min(DELAYS - 1);
        let from = PLAYED_LEN - waiting - LOW_LEN - longest;
        let places = NEAR.min(longest + 1);
        let (cross, played) = (&mut self.cross[..places], &mut self.played[..places]);
        correlate(cross, &reference[from..], low, KEEP_NEAR);
        square(played, &reference[from..], KEEP_NEAR);
        self.heard = self.heard * KEEP_NEAR + low.iter().map(|sample| sample * sample).sum::<f32>();
        let found = best(&self.cross[..places], &self.played[..places], self.heard);
        let Some((at, alike)) = found else { return 0.0 };
        if alike > SURE {
            self.delay = longest - at;
        }
        alike
    }

    fn learn(&mut self, gain_db: f32, alike: f32) {
        let weight = match self.learned {
            0 => 1.0,
            1..KNOWN_CHUNKS => 0.3,
            _ => 0.1,
        };
        self.gain_db += (gain_db - self.gain_db) * weight;
        self.alike += (alike - self.alike) * 0.05;
        self.learned = self.learned.saturating_add(1);
    }

    /// Whether there is more in a chunk than the echo of this power.
    fn is_anothers(&mut self, level_dbfs: f32, expected: f32, alike: f32) -> bool {
        let louder = level_dbfs - dbfs(expected) - self.gain_db;
        if expected < SILENT_POWER || louder >= LOUDER_DB {
            self.hangover = HANGOVER_CHUNKS;
            return true;
        }
        let is_unlike = self.learned > KNOWN_CHUNKS
            && alike < LESS_ALIKE * self.alike
            && louder > -MORE_QUIET_DB;
        is_unlike || self.goes_on()
    }

    /// Whether it is the rest of a syllable of somebody else.
    fn goes_on(&mut self) -> bool {
        let goes_on = self.hangover > 0;
        self.hangover = self.hangover.saturating_sub(1);
        goes_on
    }
}

fn unit(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn dbfs(power: f32) -> f32 {
    10.0 * power.max(1e-10).log10()
}

/// Adds what is new and drops as much of what is oldest.
fn push(queue: &mut VecDeque<f32>, new: Vec<f32>) {
    let surplus = new.len().min(queue.len());
    queue.drain(..surplus);
    queue.extend(new);
}

#[cfg(test)]
mod tests;
