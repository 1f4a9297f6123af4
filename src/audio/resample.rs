//! Conversion between sample rates with proper anti-aliasing (band-limited interpolation).

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::{AudioFrame, MediaTime, SampleRate};
use std::time::Duration;

/// Filter length for live audio: 4 ms of delay at 8 kHz.
const LIVE_SINC_LEN: usize = 64;
/// Window for live audio: the short filter keeps the telephone's 3.4 kHz only with a main lobe
/// narrower than that of the default; 74 dB of stop band are left.
const LIVE_WINDOW: WindowFunction = WindowFunction::Blackman;
/// Filter length for whole utterances and prompts, where delay does not matter.
const WHOLE_SINC_LEN: usize = 256;
const WHOLE_WINDOW: WindowFunction = WindowFunction::BlackmanHarris2;
/// Input samples per step when a whole utterance is converted.
const WHOLE_CHUNK: usize = 1024;

/// A streaming converter from one rate to another.
///
/// Takes runs of any length and gives out what is complete: with 20 ms in, 20 ms come out, give or
/// take a sample.
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    inner: Option<Async<f32>>,
    waiting: Vec<f32>,
    scratch: InterleavedOwned<f32>,
    taken: u64,
    produced: u64,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({:?} -> {:?})", self.from, self.to)
    }
}

impl Resampler {
    /// A low-delay converter for live audio. Equal rates pass samples through untouched.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        // 10 ms steps: every usual frame length is a multiple, so nothing lingers between frames.
        let chunk = (from.hz() as usize / 100).max(1);
        let inner = (from != to).then(|| sinc(from, to, (LIVE_SINC_LEN, LIVE_WINDOW), chunk));
        let frames = inner.as_ref().map_or(0, |inner| inner.output_frames_max());
        Self {
            from,
            to,
            inner,
            waiting: Vec::new(),
            scratch: InterleavedOwned::new(0.0, 1, frames),
            taken: 0,
            produced: 0,
        }
    }

    /// The rate that goes in.
    pub const fn from(&self) -> SampleRate {
        self.from
    }

    /// The rate that comes out.
    pub const fn to(&self) -> SampleRate {
        self.to
    }

    /// How much later a sound comes out than it went in, apart from waiting for whole steps.
    pub fn delay(&self) -> Duration {
        let samples = self.inner.as_ref().map_or(0, |inner| inner.output_delay());
        self.to.duration_of(samples)
    }

    /// Converts the next run of samples.
    pub fn process(&mut self, samples: &[i16]) -> Vec<i16> {
        self.taken += samples.len() as u64;
        let Some(inner) = &mut self.inner else {
            self.produced += samples.len() as u64;
            return samples.to_vec();
        };
        self.waiting.extend(samples.iter().map(|&s| to_float(s)));
        let mut out = Vec::new();
        let mut used = 0;
        while self.waiting.len() - used >= inner.input_frames_next() {
            let (consumed, made) = step(inner, &self.waiting[used..], &mut self.scratch, None);
            out.extend((0..made).map(|n| sample_at(&self.scratch, n)));
            used += consumed;
        }
        self.waiting.drain(..used);
        self.produced += out.len() as u64;
        out
    }

    /// Converts a frame of the input rate; the result continues the output's own media time.
    pub fn process_frame(&mut self, frame: &AudioFrame) -> AudioFrame {
        debug_assert_eq!(frame.rate, self.from);
        let time = MediaTime(self.produced);
        AudioFrame { rate: self.to, time, samples: self.process(&frame.samples) }
    }

    /// Ends the stream: gives out what was waiting and what the filter still holds, and starts
    /// anew. Everything that went in has then come out, led by [`Resampler::delay`] of silence.
    pub fn finish(&mut self) -> Vec<i16> {
        let (taken, produced) = (self.taken, self.produced);
        (self.taken, self.produced) = (0, 0);
        let Some(inner) = &mut self.inner else {
            return Vec::new();
        };
        let total = (taken * u64::from(self.to.hz())).div_ceil(u64::from(self.from.hz()));
        let owed = (total + inner.output_delay() as u64).saturating_sub(produced) as usize;
        let mut out = Vec::with_capacity(owed);
        let mut waiting = std::mem::take(&mut self.waiting);
        while out.len() < owed {
            let left = waiting.len();
            let (_, made) = step(inner, &waiting, &mut self.scratch, Some(left));
            out.extend((0..made).map(|n| sample_at(&self.scratch, n)));
            waiting.clear();
        }
        out.truncate(owed);
        inner.reset();
        out
    }
}

/// Converts a whole piece of audio: no delay, and `ceil(len * to / from)` samples exactly.
pub fn resample_whole(samples: &[i16], from: SampleRate, to: SampleRate) -> Vec<i16> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let mut inner = sinc(from, to, (WHOLE_SINC_LEN, WHOLE_WINDOW), WHOLE_CHUNK);
    let floats: Vec<f32> = samples.iter().map(|&s| to_float(s)).collect();
    let input = InterleavedSlice::new(floats.as_slice(), 1, floats.len())
        .expect("one channel of exactly this length");
    let output = inner
        .process_all(&input, floats.len(), None)
        .expect("buffers are sized by the resampler itself");
    let mut out: Vec<i16> = output.take_data().into_iter().map(to_sample).collect();
    // The library rounds the length in floating point; ours is exact.
    let len = (samples.len() as u64 * u64::from(to.hz())).div_ceil(u64::from(from.hz()));
    out.resize(len as usize, 0);
    out
}

fn sinc(
    from: SampleRate,
    to: SampleRate,
    (len, window): (usize, WindowFunction),
    chunk: usize,
) -> Async<f32> {
    let ratio = f64::from(to.hz()) / f64::from(from.hz());
    let parameters = SincInterpolationParameters::new(len, window)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Linear);
    Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input)
        .expect("the ratio of two non-zero rates is finite and positive, the chunk non-zero")
}

/// One step of the inner resampler: how many samples it took and made.
fn step(
    inner: &mut Async<f32>,
    input: &[f32],
    output: &mut InterleavedOwned<f32>,
    partial_len: Option<usize>,
) -> (usize, usize) {
    let indexing = Indexing { partial_len, ..Indexing::default() };
    let input =
        InterleavedSlice::new(input, 1, input.len()).expect("one channel of exactly this length");
    inner
        .process_into_buffer(&input, output, Some(&indexing))
        .expect("input covers a step (or says that it is partial), output the largest step")
}

fn sample_at(buffer: &InterleavedOwned<f32>, n: usize) -> i16 {
    use rubato::audioadapter::Adapter as _;
    buffer.read_sample(0, n).map_or(0, to_sample)
}

fn to_float(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn to_sample(value: f32) -> i16 {
    (value * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;

    const RATES: [(SampleRate, SampleRate); 4] = [
        (SampleRate::HZ_8000, SampleRate::HZ_16000),
        (SampleRate::HZ_16000, SampleRate::HZ_8000),
        (SampleRate::HZ_22050, SampleRate::HZ_8000),
        (SampleRate::HZ_22050, SampleRate::HZ_16000),
    ];
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_tone_keeps_frequency_and_level() {
        for (from, to) in RATES {
            for frequency_hz in [300.0, 1000.0, 3000.0, 3300.0] {
                let input = tone::sine(from, frequency_hz, -12.0, SECOND);
                let whole = resample_whole(&input, from, to);
                assert_eq!(whole.len(), to.hz() as usize, "{from:?} -> {to:?}");
                let mut resampler = Resampler::new(from, to);
                let live: Vec<i16> = input
                    .chunks(from.hz() as usize / 50)
                    .flat_map(|frame| resampler.process(frame))
                    .collect();
                for (how, samples) in [("whole", whole), ("live", live)] {
                    // The short filter begins to fall off here.
                    if how == "live" && frequency_hz > 3200.0 {
                        continue;
                    }
                    let level = tone::detect(&samples[400..7600], to, frequency_hz);
                    assert!(
                        (level + 12.0).abs() < 0.5,
                        "{how} {from:?} -> {to:?}, {frequency_hz} Hz: {level} dBFS"
                    );
                }
            }
        }
    }

    #[test]
    fn what_the_telephone_cannot_carry_vanishes_instead_of_folding_back() {
        let from = SampleRate::HZ_22050;
        let input = tone::sine(from, 6000.0, -6.0, SECOND);
        let to = SampleRate::HZ_8000;
        let whole = resample_whole(&input, from, to);
        let mut resampler = Resampler::new(from, to);
        let live = resampler.process(&input);
        for (how, samples) in [("whole", &whole), ("live", &live)] {
            let inner = &samples[400..7600];
            let level = crate::audio::level_dbfs(inner);
            assert!(level < -52.0, "{how}: {level} dBFS of -9 remain");
            assert!(tone::detect(inner, to, 2000.0) < -52.0, "{how}: folded to 2 kHz");
        }
    }

    #[test]
    fn twenty_ms_in_are_twenty_ms_out() {
        let mut resampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000);
        let mut total = 0;
        for n in 0..50 {
            let frame = AudioFrame {
                rate: SampleRate::HZ_8000,
                time: MediaTime(n * 160),
                samples: vec![0; 160],
            };
            let out = resampler.process_frame(&frame);
            assert_eq!(out.time, MediaTime(total));
            assert!((312..=328).contains(&out.samples.len()), "{}", out.samples.len());
            total += out.samples.len() as u64;
        }
        assert!((15_990..=16_010).contains(&total), "{total}");
        assert!(resampler.delay() <= Duration::from_millis(5), "{:?}", resampler.delay());
    }

    #[test]
    fn the_whole_stays_where_it_was_and_has_the_exact_length() {
        for (from, to) in RATES {
            for len in [1usize, 7, 159, 160, 1024, 5000] {
                let expected =
                    (len as u64 * u64::from(to.hz())).div_ceil(u64::from(from.hz())) as usize;
                assert_eq!(resample_whole(&vec![100; len], from, to).len(), expected);
            }
            let mut click = vec![0; from.hz() as usize / 2];
            let at = click.len() / 2;
            click[at] = 32_000;
            let out = resample_whole(&click, from, to);
            let peak = (0..out.len()).max_by_key(|&n| out[n].unsigned_abs()).expect("not empty");
            let expected = at as f64 * f64::from(to.hz()) / f64::from(from.hz());
            assert!((peak as f64 - expected).abs() <= 1.0, "{from:?} -> {to:?}: {peak}");
        }
        assert!(resample_whole(&[], SampleRate::HZ_8000, SampleRate::HZ_16000).is_empty());
    }

    #[test]
    fn finishing_gives_the_rest_and_runs_of_odd_lengths_lose_nothing() {
        let input = tone::sine(SampleRate::HZ_8000, 1000.0, -12.0, Duration::from_millis(333));
        let mut resampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000);
        let mut out: Vec<i16> =
            input.chunks(37).flat_map(|frame| resampler.process(frame)).collect();
        let delay = SampleRate::HZ_16000.samples_in(resampler.delay());
        out.extend(resampler.finish());
        assert!(out.len().abs_diff(input.len() * 2 + delay) <= 2, "{}", out.len());
        assert!(crate::audio::level_dbfs(&out[out.len() - 320..]) > -20.0);
        assert_eq!(resampler.finish().len(), delay);
    }
}
