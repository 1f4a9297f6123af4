//! Twice the rate and half of it: what every wideband call needs all the time, by one half-band
//! filter. Exact to the sample, 2 ms of delay, a small part of what a filter for any ratio costs.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Taps of one side that are not zero; those at even distances are.
const PAIRS: usize = 16;
/// Samples of the lower rate that the doubler looks at.
const LOW_LEN: usize = 2 * PAIRS;
/// Samples of the higher rate that the halver looks at.
const HIGH_LEN: usize = 4 * PAIRS - 1;
/// Shape of the Kaiser window: 63 dB of stop band, 3.5 kHz of pass band between 8 and 16 kHz.
const KAISER_BETA: f64 = 6.0;

/// Taps at distances 1, 3, 5, ..., so that two of each sum to 1.
static TAPS: LazyLock<[f32; PAIRS]> = LazyLock::new(|| {
    let reach = 2.0 * PAIRS as f64;
    let tap = |pair: usize| {
        let distance = (2 * pair + 1) as f64;
        let sinc = (PI * distance / 2.0).sin() / (PI * distance / 2.0);
        let within = (1.0 - (distance / reach).powi(2)).sqrt();
        sinc * bessel_i0(KAISER_BETA * within) / bessel_i0(KAISER_BETA)
    };
    let taps: [f64; PAIRS] = std::array::from_fn(tap);
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum / 2.0) as f32)
});

/// The modified Bessel function of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..32 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

/// Doubles the rate of a stream.
#[derive(Debug, Clone)]
pub(super) struct Doubler {
    past: [f32; LOW_LEN],
}

impl Doubler {
    pub(super) const fn new() -> Self {
        Self { past: [0.0; LOW_LEN] }
    }

    /// Two samples for each.
    pub(super) fn process(&mut self, samples: &[i16]) -> Vec<i16> {
        let taps = &*TAPS;
        let mut out = Vec::with_capacity(samples.len() * 2);
        for &sample in samples {
            self.past.copy_within(1.., 0);
            self.past[LOW_LEN - 1] = f32::from(sample);
            let (left, right) = self.past.split_at(PAIRS);
            let pairs = left.iter().rev().zip(right);
            let between: f32 =
                taps.iter().zip(pairs).map(|(tap, (left, right))| tap * (left + right)).sum();
            out.push(rounded(self.past[PAIRS - 1]));
            out.push(rounded(between));
        }
        out
    }
}

/// Halves the rate of a stream.
#[derive(Debug, Clone)]
pub(super) struct Halver {
    past: [f32; HIGH_LEN],
}

impl Halver {
    pub(super) const fn new() -> Self {
        Self { past: [0.0; HIGH_LEN] }
    }

    /// One sample for every two; an odd last one is left out, so give it even runs.
    pub(super) fn process(&mut self, samples: &[i16]) -> Vec<i16> {
        const MIDDLE: usize = HIGH_LEN / 2;
        let taps = &*TAPS;
        let pairs = samples.as_chunks::<2>().0.iter();
        pairs
            .map(|&pair| {
                self.past.copy_within(2.., 0);
                self.past[HIGH_LEN - 2..].copy_from_slice(&pair.map(f32::from));
                let around = |(n, tap): (usize, &f32)| {
                    tap * (self.past[MIDDLE - 2 * n - 1] + self.past[MIDDLE + 2 * n + 1])
                };
                let sum: f32 = taps.iter().enumerate().map(around).sum();
                rounded((self.past[MIDDLE] + sum) / 2.0)
            })
            .collect()
    }
}

fn rounded(value: f32) -> i16 {
    value.round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{SampleRate, tone};
    use std::time::Duration;

    const LOW: SampleRate = SampleRate::HZ_8000;
    const HIGH: SampleRate = SampleRate::HZ_16000;

    #[test]
    fn the_telephone_band_passes_and_its_image_does_not() {
        for hz in [100.0, 1_000.0, 3_000.0, 3_400.0] {
            let narrow = tone::sine(LOW, hz, -12.0, Duration::from_secs(1));
            let wide = Doubler::new().process(&narrow);
            assert_eq!(wide.len(), 16_000);
            assert!((tone::detect(&wide, HIGH, hz) + 12.0).abs() < 0.3, "{hz}");
            assert!(tone::detect(&wide, HIGH, 8_000.0 - hz) < -65.0, "{hz}");
            let back = Halver::new().process(&tone::sine(HIGH, hz, -12.0, Duration::from_secs(1)));
            assert_eq!(back.len(), 8_000);
            assert!((tone::detect(&back, LOW, hz) + 12.0).abs() < 0.3, "{hz}");
        }
        for hz in [4_700.0, 6_000.0, 7_500.0] {
            let back = Halver::new().process(&tone::sine(HIGH, hz, -12.0, Duration::from_secs(1)));
            assert!(tone::detect(&back, LOW, 8_000.0 - hz) < -70.0, "{hz}");
        }
    }

    #[test]
    fn a_stream_may_be_cut_anywhere_and_full_scale_does_not_wrap() {
        let square: Vec<i16> =
            (0..1_600).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let (mut whole, mut pieces) = (Doubler::new(), Doubler::new());
        let cut: Vec<i16> = square.chunks(77).flat_map(|part| pieces.process(part)).collect();
        assert_eq!(whole.process(&square), cut);
        // In the middle of each flat stretch of 40 the sign is that of the square, 31 samples later.
        for (n, &sample) in cut.iter().enumerate().skip(400) {
            let at = (n as i32 - 31).rem_euclid(80);
            if (8..32).contains(&at) || (48..72).contains(&at) {
                assert_eq!(sample > 0, at < 40, "{n}: {sample}");
            }
        }
    }
}
