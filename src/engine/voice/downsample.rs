//! From the rate of the voice to the rate of the phone line: the one place where it is done.

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

use crate::audio::SampleRate;

use super::error::VoiceError;

/// Frames per block; only the work per call depends on it, not the sound.
const BLOCK_FRAMES: usize = 2_048;

/// A whole clip at another rate, with what the new rate can't carry filtered out.
///
/// # Errors
/// Two rates the resampler can't bridge.
pub(super) fn downsample(
    samples: &[i16],
    from: SampleRate,
    to: SampleRate,
) -> Result<Vec<i16>, VoiceError> {
    if from == to || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let failed = |why: String| VoiceError::Render { why: format!("resampling: {why}") };
    let floats: Vec<f32> = samples.iter().map(|&s| f32::from(s) / 32_768.0).collect();
    let frames = floats.len();
    let input =
        InterleavedOwned::new_from(floats, 1, frames).map_err(|why| failed(why.to_string()))?;
    let (from_hz, to_hz) = (from.hz() as usize, to.hz() as usize);
    let mut resampler = Fft::<f32>::new(from_hz, to_hz, BLOCK_FRAMES, 1, FixedSync::Both)
        .map_err(|why| failed(why.to_string()))?;
    let output =
        resampler.process_all(&input, frames, None).map_err(|why| failed(why.to_string()))?;
    let to_i16 = |s: &f32| (s * 32_768.0).round().clamp(-32_767.0, 32_767.0) as i16;
    Ok(output.take_data().iter().map(to_i16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level_dbfs;

    fn tone(hz: f64, rate: SampleRate) -> Vec<i16> {
        let step = std::f64::consts::TAU * hz / f64::from(rate.hz());
        (0..rate.hz()).map(|i| ((f64::from(i) * step).sin() * 16_000.0) as i16).collect()
    }

    #[test]
    fn keeps_what_fits_and_drops_what_would_fold() {
        let level_of = |hz: f64| {
            let samples = downsample(
                &tone(hz, SampleRate::HZ_22050),
                SampleRate::HZ_22050,
                SampleRate::HZ_8000,
            )
            .unwrap();
            assert!(samples.len().abs_diff(8_000) <= 1, "{}", samples.len());
            level_dbfs(&samples[800..7_200])
        };
        let original = level_dbfs(&tone(1_000.0, SampleRate::HZ_22050));
        for hz in [300.0, 1_000.0, 3_300.0] {
            assert!((level_of(hz) - original).abs() < 0.5, "{hz} Hz: {}", level_of(hz));
        }
        for hz in [4_300.0, 5_000.0, 7_900.0] {
            assert!(level_of(hz) < -60.0, "{hz} Hz: {}", level_of(hz));
        }
    }

    #[test]
    fn takes_nothing_and_the_same_rate() {
        let same = SampleRate::HZ_8000;
        assert_eq!(downsample(&[1, 2], same, same).unwrap(), [1, 2]);
        assert!(downsample(&[], SampleRate::HZ_22050, same).unwrap().is_empty());
    }
}
