//! Automatic level: callers who are hardly audible, or far too loud, are brought to a usual level for
//! those who listen to them by machine. Recordings and RTP stay as they are.
//!
//! How loud a caller speaks is measured as ITU-T P.56 has it: the power of speech while it is active,
//! where a gap of less than 200 ms still counts as active. Unlike there, what is active is told by how
//! far it stands out of the noise, since a stream has no end at which a threshold could be chosen, and
//! the past is forgotten over three seconds of speech.
//!
//! What lies in the usual range is passed on bit for bit: models were trained on it, and it is what
//! nearly all calls are like. Outside of it the gain is what leads to its edge, so that it does not
//! jump.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::SampleRate;
use super::mix::{apply_gain, limit};

/// A chunk, as everything here counts time.
const CHUNK: Duration = Duration::from_millis(32);

/// Active speech in this range needs no help. P.56's nominal level is -26 dBFS; telephones in use lie
/// within about 8 dB of it.
const USUAL_DBFS: RangeInclusive<f32> = -30.0..=-18.0;

/// Most that is added. With it -54 dBFS is usual, and below that a line has more noise than voice.
const GAIN_MAX_DB: f32 = 24.0;

/// Most that is taken away. What was clipped stays clipped, but it is not louder than others.
const GAIN_MIN_DB: f32 = -6.0;

/// Noise is not lifted above this: silence stays silence for a recogniser that takes 30 ms below
/// -45 dBFS for faint.
const NOISE_MAX_DBFS: f32 = -48.0;

/// What stands out of the noise by so much is speech, or at least no noise. Steady noise varies by 1 dB
/// from chunk to chunk, that of a kitchen by 6.
const STANDS_OUT_DB: f32 = 10.0;

/// Below this nobody speaks on any line: idle mu-law noise lies near -66 dBFS.
const SILENT_DBFS: f32 = -60.0;

/// A gap in speech that still counts as speech: the 200 ms of P.56.
const HANGOVER_CHUNKS: u32 = 6;

/// The past is forgotten over so many active chunks, 3 s. As it is powers that are averaged, a louder
/// voice counts at once, and a more quiet one after seconds.
const MEMORY_CHUNKS: u32 = 94;

/// Chunks that stand out before anything is made of them, 128 ms: a click is no speech.
const STOOD_OUT_MIN: u32 = 4;

/// A chunk counts for at most so many times the mean power (10 dB): a knock on the telephone does not
/// take the gain away from a quiet voice.
const POWER_RATIO_MAX: f32 = 10.0;

/// How fast the gain of the stream rises, in dB a chunk: 30 dB/s, about 6 dB a syllable.
const RISE_DB: f32 = 0.96;

/// How fast it falls: 60 dB/s.
const FALL_DB: f32 = 1.92;

/// Level of what varies in these samples, in dBFS (RMS): a constant is no sound. -100 if nothing does.
pub fn varying_dbfs(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return -100.0;
    }
    let (mut sum, mut squares) = (0_i64, 0_i64);
    for &sample in samples {
        sum += i64::from(sample);
        squares += i64::from(sample) * i64::from(sample);
    }
    let len = samples.len() as f64;
    let mean = sum as f64 / len;
    let power = (squares as f64 / len - mean * mean) / (32_767.0 * 32_767.0);
    if power < 1e-10 { -100.0 } else { (10.0 * power.log10()) as f32 }
}

/// Chunks of a stretch of the past, half a second, and how many stretches count, three seconds.
const STRETCH_CHUNKS: u32 = 16;
const STRETCHES: usize = 6;

/// The level of the noise behind a voice: the quietest of the last seconds. Between syllables, any
/// voice lets it be heard.
#[derive(Debug, Clone)]
pub struct NoiseFloor {
    /// The quietest of each half second past.
    past: [f32; STRETCHES],
    next: usize,
    /// The quietest of the present one.
    present: f32,
    chunks: u32,
}

impl Default for NoiseFloor {
    fn default() -> Self {
        let unknown = f32::INFINITY;
        Self { past: [unknown; STRETCHES], next: 0, present: unknown, chunks: 0 }
    }
}

impl NoiseFloor {
    /// Half the smallest step of mu-law is -78 dBFS: below it is no noise, but a telephone that sends
    /// nothing, and that says nothing about its noise.
    const NOTHING_DBFS: f32 = -76.0;
    /// The quietest noise that is believed: with less, any sound would stand out.
    const QUIETEST_DBFS: f32 = -72.0;

    /// Takes the level of the next 32 ms.
    pub fn hear(&mut self, level_dbfs: f32) {
        if level_dbfs > Self::NOTHING_DBFS {
            self.present = self.present.min(level_dbfs);
        }
        self.chunks += 1;
        if self.chunks == STRETCH_CHUNKS {
            self.past[self.next] = self.present;
            self.next = (self.next + 1) % STRETCHES;
            (self.present, self.chunks) = (f32::INFINITY, 0);
        }
    }

    /// The level in dBFS; `None` while nothing but digital silence has come.
    pub fn dbfs(&self) -> Option<f32> {
        let quietest = self.past.iter().copied().fold(self.present, f32::min);
        quietest.is_finite().then(|| quietest.max(Self::QUIETEST_DBFS))
    }
}

/// Measures one caller and levels what they say.
#[derive(Debug, Clone, Default)]
pub struct Leveller {
    noise: NoiseFloor,
    /// Mean of the active chunks; full scale is 1.
    power: f32,
    active: u32,
    stood_out: u32,
    hangover: u32,
    /// The stream's gain by now.
    gain_db: f32,
}

impl Leveller {
    /// Listens to the caller's next 32 ms.
    pub fn hear_caller(&mut self, chunk: &[i16]) {
        let level = varying_dbfs(chunk);
        // The first sound of all is its own background.
        let noise = self.noise.dbfs().unwrap_or(level);
        self.noise.hear(level);
        if level >= noise + STANDS_OUT_DB && level > SILENT_DBFS {
            self.hangover = HANGOVER_CHUNKS;
            self.stood_out = self.stood_out.saturating_add(1);
        } else if self.hangover > 0 {
            self.hangover -= 1;
        } else {
            return;
        }
        let mut power = 10_f32.powf(level / 10.0);
        if self.stood_out > STOOD_OUT_MIN {
            power = power.min(self.power * POWER_RATIO_MAX);
        }
        self.active = (self.active + 1).min(MEMORY_CHUNKS);
        self.power += (power - self.power) / self.active as f32;
    }

    /// Takes the next 32 ms, in which it is not the caller who is heard.
    pub fn hear_other(&mut self, chunk: &[i16]) {
        self.noise.hear(varying_dbfs(chunk));
        self.hangover = 0;
    }

    /// Forgets how loud the caller is: it was somebody else.
    pub fn forget_caller(&mut self) {
        *self = Self { noise: self.noise.clone(), ..Self::default() };
    }

    /// How loud the caller speaks, in dBFS; `None` before they have.
    pub fn active_dbfs(&self) -> Option<f32> {
        (self.stood_out >= STOOD_OUT_MIN).then(|| 10.0 * self.power.max(1e-10).log10())
    }

    /// The level of the noise behind the caller, in dBFS; `None` before any was heard.
    pub fn noise_dbfs(&self) -> Option<f32> {
        self.noise.dbfs()
    }

    /// The gain in dB that the caller needs: 0 for most.
    pub fn wanted_gain_db(&self) -> f32 {
        let Some(level) = self.active_dbfs() else { return 0.0 };
        if level < *USUAL_DBFS.start() {
            let noise = self.noise.dbfs().unwrap_or(NoiseFloor::QUIETEST_DBFS);
            let wanted = (USUAL_DBFS.start() - level).min(GAIN_MAX_DB);
            wanted.min(NOISE_MAX_DBFS - noise).max(0.0)
        } else if level > *USUAL_DBFS.end() {
            (USUAL_DBFS.end() - level).max(GAIN_MIN_DB)
        } else {
            0.0
        }
    }

    /// Levels the next 32 ms of the stream. The gain goes to what is wanted by so much a chunk, and
    /// within the chunk in a straight line.
    pub fn level_stream(&mut self, chunk: &[i16]) -> Vec<i16> {
        let (from, wanted) = (self.gain_db, self.wanted_gain_db());
        self.gain_db = wanted.clamp(from - FALL_DB, from + RISE_DB);
        if from == 0.0 && self.gain_db == 0.0 {
            return chunk.to_vec();
        }
        let (first, last) = (10_f32.powf(from / 20.0), 10_f32.powf(self.gain_db / 20.0));
        let step = (last - first) / chunk.len().max(1) as f32;
        let levelled = |(n, &sample): (usize, &i16)| {
            limit(f32::from(sample) * step.mul_add((n + 1) as f32, first))
        };
        chunk.iter().enumerate().map(levelled).collect()
    }

    /// Levels an utterance whole, by one gain: by now it is known how loud the caller is. One in which
    /// nothing stands out of the noise keeps its level, by which the recogniser knows it.
    pub fn level_utterance(&self, samples: &mut [i16], rate: SampleRate) {
        let gain_db = self.wanted_gain_db();
        let is_as_it_should_be = gain_db == 0.0;
        if is_as_it_should_be || gain_db > 0.0 && !self.stands_out(samples, rate) {
            return;
        }
        apply_gain(samples, gain_db);
    }

    fn stands_out(&self, samples: &[i16], rate: SampleRate) -> bool {
        let from = self.noise.dbfs().unwrap_or(NoiseFloor::QUIETEST_DBFS) + STANDS_OUT_DB;
        samples.chunks(rate.samples_in(CHUNK).max(1)).any(|chunk| varying_dbfs(chunk) >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::mix::active_level_dbfs;
    use crate::audio::{Noise, PhoneChannel, Random, phone_channel, read_wav, resample_whole};

    const LEN: usize = 256;
    const RATE: SampleRate = SampleRate::HZ_8000;

    /// Somebody on a telephone, at this level and with this much noise on the line.
    fn caller(level_dbfs: f32, noise_dbfs: f32) -> Vec<i16> {
        let wav: &[u8] = include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/audio/calls/car_light.wav"
        ));
        let (rate, said) = read_wav(wav).expect("a recording");
        let said = resample_whole(&said, rate, RATE);
        let gain_db = level_dbfs - active_level_dbfs(&said);
        let noise = hiss(8_000, -30.0);
        let noise = Some(Noise { samples: &noise, rate: RATE, snr_db: level_dbfs - noise_dbfs });
        phone_channel(&said, RATE, PhoneChannel { gain_db, noise, ..PhoneChannel::default() })
    }

    fn hiss(len: usize, level_dbfs: f32) -> Vec<i16> {
        let mut random = Random::new(5);
        // Evenly spread over a range, the RMS is the range through the root of 12.
        let range = 32_767.0 * 10_f64.powf(f64::from(level_dbfs) / 20.0) * 12_f64.sqrt();
        (0..len).map(|_| ((random.next_unit() - 0.5) * range).round() as i16).collect()
    }

    fn through(leveller: &mut Leveller, samples: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        for chunk in samples.chunks_exact(LEN) {
            leveller.hear_caller(chunk);
            out.extend(leveller.level_stream(chunk));
        }
        out
    }

    #[test]
    fn a_quiet_caller_is_usual_after_six_syllables() {
        // A syllable takes about 200 ms.
        const SIX_SYLLABLES: usize = 6 * 200 / 32;
        for (level, noise) in [(-50.0, -72.0), (-44.0, -66.0)] {
            let mut leveller = Leveller::default();
            let (mut out, mut speaking, mut rising) = (Vec::new(), 0, 0);
            for chunk in caller(level, noise).chunks_exact(LEN) {
                leveller.hear_caller(chunk);
                out.extend(leveller.level_stream(chunk));
                speaking += usize::from(leveller.stood_out > 0);
                rising += usize::from(
                    leveller.stood_out > 0 && leveller.gain_db < leveller.wanted_gain_db() - 2.0,
                );
            }
            assert!(rising <= SIX_SYLLABLES && speaking > 200, "{level}: {rising} of {speaking}");
            let later = active_level_dbfs(&out[2 * 8_000..]);
            assert!((later + 30.0).abs() < 3.0, "{level}: {later}");
            let measured = leveller.active_dbfs().expect("somebody speaks");
            assert!((measured - level).abs() < 3.0, "{level}: measured as {measured}");
        }
    }

    #[test]
    fn a_usual_caller_is_untouched() {
        for level in [-28.0, -25.0, -22.0] {
            let said = caller(level, -62.0);
            let mut leveller = Leveller::default();
            let out = through(&mut leveller, &said);
            assert_eq!(out, said[..out.len()], "{level}");
            let mut whole = said.clone();
            leveller.level_utterance(&mut whole, RATE);
            assert_eq!(whole, said, "{level}");
        }
    }

    #[test]
    fn a_loud_caller_is_not_clipped_further_and_no_sample_wraps() {
        let said = caller(-9.0, -60.0);
        let mut leveller = Leveller::default();
        let out = through(&mut leveller, &said);
        assert!(out.iter().zip(&said).all(|(out, said)| out.unsigned_abs() <= said.unsigned_abs()));
        let gain = leveller.wanted_gain_db();
        assert!((GAIN_MIN_DB..-3.0).contains(&gain), "{gain}");
        // Somebody who was quiet, and now shouts.
        let mut leveller = Leveller::default();
        through(&mut leveller, &caller(-50.0, -72.0));
        let out = through(&mut leveller, &said);
        let signs = |a: i16, b: i16| a.unsigned_abs() < 100 || a.signum() == b.signum();
        assert!(out.iter().zip(&said).all(|(out, said)| signs(*said, *out)));
        assert!(leveller.wanted_gain_db() <= 0.0, "{}", leveller.wanted_gain_db());
    }

    #[test]
    fn noise_alone_is_not_lifted() {
        for level in [-70.0, -60.0, -50.0, -40.0] {
            let mut noise = vec![0; 8_000];
            noise.extend(hiss(10 * 8_000, level));
            let mut leveller = Leveller::default();
            let out = through(&mut leveller, &noise);
            assert_eq!(leveller.active_dbfs(), None, "{level}");
            assert_eq!(out, noise[..out.len()], "{level}");
        }
    }

    #[test]
    fn the_noise_behind_a_quiet_caller_stays_below_what_is_faint() {
        let mut leveller = Leveller::default();
        let said = caller(-46.0, -58.0);
        through(&mut leveller, &said);
        let gain = leveller.wanted_gain_db();
        assert!(gain > 3.0, "{gain}");
        let noise = hiss(4 * 8_000, -58.0);
        let out = through(&mut leveller, &noise);
        assert!(varying_dbfs(&out[8_000..]) < -45.0, "{}", varying_dbfs(&out[8_000..]));
        // And an utterance of nothing but noise is as it came.
        let mut whole = noise.clone();
        leveller.level_utterance(&mut whole, RATE);
        assert_eq!(whole, noise);
        let mut words = said.clone();
        leveller.level_utterance(&mut words, RATE);
        assert!(active_level_dbfs(&words) > active_level_dbfs(&said) + 3.0);
    }

    #[test]
    fn a_knock_does_not_take_the_gain_away() {
        let mut leveller = Leveller::default();
        through(&mut leveller, &caller(-50.0, -72.0));
        let before = leveller.wanted_gain_db();
        through(&mut leveller, &hiss(3 * LEN, -15.0));
        let after = leveller.wanted_gain_db();
        assert!(before - after < 4.0, "{before} and then {after}");
    }

    #[test]
    fn what_is_not_the_caller_teaches_nothing() {
        let mut leveller = Leveller::default();
        for chunk in caller(-50.0, -72.0).chunks_exact(LEN) {
            leveller.hear_other(chunk);
        }
        assert_eq!(leveller.active_dbfs(), None);
        through(&mut leveller, &caller(-50.0, -72.0));
        assert!(leveller.wanted_gain_db() > 10.0);
        leveller.forget_caller();
        assert_eq!(leveller.wanted_gain_db(), 0.0);
    }

    #[test]
    fn a_constant_is_no_sound() {
        assert_eq!(varying_dbfs(&[8_000; 256]), -100.0);
        assert_eq!(varying_dbfs(&[]), -100.0);
        assert!((varying_dbfs(&hiss(8_000, -30.0)) + 30.0).abs() < 0.3);
    }
}
