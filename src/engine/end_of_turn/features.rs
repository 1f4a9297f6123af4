//! What the end-of-turn model looks at: the log-mel spectrogram that Whisper was trained on, of the
//! last eight seconds.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::engine::models::{N_FFT_BINS, filter_bank};

/// The model hears so much, at 16 kHz.
pub(super) const SAMPLES: usize = 8 * 16_000;
/// Bands of the spectrogram.
pub(super) const MELS: usize = 80;
/// Frames of the spectrogram.
pub(super) const FRAMES: usize = SAMPLES / HOP;

/// Window of the Fourier transform, in samples.
const WINDOW: usize = 400;
/// From one window to the next.
const HOP: usize = 160;

/// Less power than this counts as this: the logarithm of nothing is not a number.
const POWER_MIN: f64 = 1e-10;
/// Bands quieter than the loudest by more than this (in powers of ten) are raised to it.
const RANGE: f64 = 8.0;
/// Keeps the variance of silence from being zero.
const VARIANCE_MIN: f64 = 1e-7;

/// Computes spectrograms; holds what is the same for all of them.
pub(super) struct Features {
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    /// For each band, its first bin and the weights from there on.
    bands: Vec<(usize, Vec<f64>)>,
}

impl Features {
    pub fn new() -> Self {
        let periodic = |i: usize| 2.0 * std::f64::consts::PI * i as f64 / WINDOW as f64;
        let filters = filter_bank(MELS);
        let bands = filters.chunks_exact(N_FFT_BINS).map(|weights| {
            let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
            let end =
                weights.iter().rposition(|weight| *weight > 0.0).map_or(first, |last| last + 1);
            (first, weights[first..end].iter().map(|weight| f64::from(*weight)).collect())
        });
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window: (0..WINDOW).map(|i| 0.5 - 0.5 * periodic(i).cos()).collect(),
            bands: bands.collect(),
        }
    }

    /// The spectrogram of the last eight seconds, band after band; less is padded in front.
    ///
    /// # Errors
    /// The Fourier transform refuses the length of its buffers: a fault of ours, named.
    pub fn log_mel(&self, samples_16k: &[i16]) -> Result<Vec<f32>, String> {
        let sound = padded(&normalised(samples_16k));
        let mut bands = vec![0.0_f64; MELS * FRAMES];
        let mut windowed = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        for (frame, start) in (0..FRAMES).map(|frame| (frame, frame * HOP)) {
            let piece = &sound[start..start + WINDOW];
            for (to, (sample, weight)) in windowed.iter_mut().zip(piece.iter().zip(&self.window)) {
                *to = sample * weight;
            }
            self.fft
                .process_with_scratch(&mut windowed, &mut spectrum, &mut scratch)
                .map_err(|error| error.to_string())?;
            for (band, (first, weights)) in self.bands.iter().enumerate() {
                let bins = &spectrum[*first..*first + weights.len()];
                let power: f64 = bins.iter().zip(weights).map(|(bin, w)| power(bin) * w).sum();
                bands[band * FRAMES + frame] = power.max(POWER_MIN).log10();
            }
        }
        let loudest = bands.iter().copied().fold(f64::MIN, f64::max);
        let scaled = |band: &f64| ((band.max(loudest - RANGE) + 4.0) / 4.0) as f32;
        Ok(bands.iter().map(scaled).collect())
    }
}

fn power(bin: &Complex<f64>) -> f64 {
    bin.norm_sqr()
}

/// The last eight seconds, silence in front of less, with mean zero and variance one.
fn normalised(samples_16k: &[i16]) -> Vec<f64> {
    let kept = &samples_16k[samples_16k.len().saturating_sub(SAMPLES)..];
    let mut sound = vec![0.0; SAMPLES - kept.len()];
    sound.extend(kept.iter().map(|sample| f64::from(*sample) / 32_768.0));
    let mean = sound.iter().sum::<f64>() / SAMPLES as f64;
    let variance = sound.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / SAMPLES as f64;
    let deviation = (variance + VARIANCE_MIN).sqrt();
    sound.iter_mut().for_each(|sample| *sample = (*sample - mean) / deviation);
    sound
}

/// Half a window more at both ends, the sound mirrored, so that each window lies around its frame.
fn padded(sound: &[f64]) -> Vec<f64> {
    const HALF: usize = WINDOW / 2;
    let mut padded = Vec::with_capacity(sound.len() + WINDOW);
    padded.extend(sound[1..=HALF].iter().rev());
    padded.extend_from_slice(sound);
    padded.extend(sound[sound.len() - 1 - HALF..sound.len() - 1].iter().rev());
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, samples: usize) -> Vec<i16> {
        let phase = |i: usize| 2.0 * std::f64::consts::PI * hz * i as f64 / 16_000.0;
        (0..samples).map(|i| (phase(i).sin() * 8_000.0) as i16).collect()
    }

    fn band(features: &[f32], frame: usize) -> usize {
        (0..MELS)
            .max_by(|a, b| features[a * FRAMES + frame].total_cmp(&features[b * FRAMES + frame]))
            .expect("80 bands")
    }

    #[test]
    fn a_tone_lies_in_its_band_and_higher_ones_higher() {
        let features = Features::new();
        let mut before = 0;
        for hz in [300.0, 1_000.0, 3_000.0] {
            let mel = features.log_mel(&tone(hz, SAMPLES)).expect("computes");
            assert_eq!(mel.len(), MELS * FRAMES);
            let there = band(&mel, FRAMES / 2);
            assert!(there > before, "{hz}: band {there}");
            before = there;
        }
    }

    #[test]
    fn less_is_padded_in_front_and_of_more_the_end_is_taken() {
        let features = Features::new();
        let short = features.log_mel(&tone(1_000.0, 16_000)).expect("computes");
        let level = |mel: &[f32], frame: usize| mel[band(mel, frame) * FRAMES + frame];
        assert!(level(&short, FRAMES - 50) > level(&short, 50) + 0.5);
        let mut long = tone(300.0, SAMPLES);
        let end = tone(3_000.0, SAMPLES);
        long.extend_from_slice(&end);
        assert_eq!(features.log_mel(&long), features.log_mel(&end));
    }

    #[test]
    fn silence_and_nothing_have_numbers_too() {
        let features = Features::new();
        for samples in [vec![], vec![0; 7], vec![0; 3 * SAMPLES]] {
            let mel = features.log_mel(&samples).expect("computes");
            assert!(mel.iter().all(|value| value.is_finite()));
        }
    }
}
