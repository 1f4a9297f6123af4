//! The mel filter bank that a ggml file carries: triangles on Slaney's mel scale, area-normalised.
//!
//! Computed, not shipped. Roundings follow the order of librosa's `filters.mel` (weights rounded
//! to f32 before they are normalised): the result must equal the published files to the bit.

/// Whisper hears at 16 kHz.
const SAMPLE_RATE_HZ: f64 = 16_000.0;
/// Window of the Fourier transform, in samples.
const FFT_SIZE: usize = 400;
/// Bins of the spectrum, from 0 Hz to half the sample rate.
pub const N_FFT_BINS: usize = FFT_SIZE / 2 + 1;

/// Slaney's scale is linear below this and logarithmic above.
const KNEE_HZ: f64 = 1_000.0;
/// Hertz per mel below the knee.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// The knee in mel: 1000 Hz / (200/3 Hz per mel).
const KNEE_MEL: f64 = 15.0;

/// Natural logarithm of the frequency ratio per mel above the knee (6.4 to 1 in 27 steps).
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < KNEE_MEL { HZ_PER_MEL * mel } else { KNEE_HZ * (log_step() * (mel - KNEE_MEL)).exp() }
}

/// The filter bank, `n_mels` rows of [`N_FFT_BINS`] weights, row after row.
pub fn filter_bank(n_mels: usize) -> Vec<f32> {
    let highest_mel = KNEE_MEL + (SAMPLE_RATE_HZ / 2.0 / KNEE_HZ).ln() / log_step();
    let step = highest_mel / (n_mels + 1) as f64;
    let mut edge_hz: Vec<f64> = (0..n_mels + 1).map(|i| mel_to_hz(i as f64 * step)).collect();
    edge_hz.push(mel_to_hz(highest_mel));
    let bin_hz = SAMPLE_RATE_HZ / FFT_SIZE as f64;

    let mut filters = Vec::with_capacity(n_mels * N_FFT_BINS);
    for edges in edge_hz.windows(3) {
        let (low, centre, high) = (edges[0], edges[1], edges[2]);
        let area = 2.0 / (high - low);
        for bin in 0..N_FFT_BINS {
            let hz = bin as f64 * bin_hz;
            let rising = (hz - low) / (centre - low);
            let falling = (high - hz) / (high - centre);
            let weight = rising.min(falling);
            // Not `max`: a weight of minus zero must come out as plus zero.
            let weight = if weight > 0.0 { weight } else { 0.0 };
            filters.push((f64::from(weight as f32) * area) as f32);
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn filters_equal_the_published_bank_to_the_bit() {
        let bytes: Vec<u8> = filter_bank(80).iter().flat_map(|w| w.to_le_bytes()).collect();
        let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        // Taken from bytes 56.. of the published ggml-tiny.en.bin.
        assert_eq!(digest, "85818f156f7e189453901a515e4726d270d307f976e161cf9403e8caab405498");
    }

    #[test]
    fn each_filter_is_one_triangle_of_area_about_one() {
        for n_mels in [80, 128] {
            let bank = filter_bank(n_mels);
            assert_eq!(bank.len(), n_mels * N_FFT_BINS);
            for (row, filter) in bank.chunks(N_FFT_BINS).enumerate() {
                let first = filter.iter().position(|w| *w > 0.0).expect("a filter covers a bin");
                let last = filter.iter().rposition(|w| *w > 0.0).expect("a filter covers a bin");
                assert!(filter[first..=last].iter().all(|w| *w > 0.0), "row {row} has a hole");
                let peak = filter.iter().copied().fold(0.0, f32::max);
                assert!(peak < 0.05, "row {row} peaks at {peak}");
            }
        }
    }
}
