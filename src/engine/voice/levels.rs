//! One loudness for every clause, no clipping, no click at the joints, no silence in front. Pure.

use std::time::Duration;

use crate::audio::SampleRate;

/// Loudness of speech, silence not counted, in dB below full scale: in the middle of what
/// telephone lines carry, with room for the peaks of speech.
const SPEECH_DBFS: f32 = -18.0;
/// Highest peak, in dB below full scale.
const PEAK_DBFS: f32 = -3.0;
/// Most that a clause is raised; beyond it there was no speech in it.
const GAIN_MAX_DB: f32 = 20.0;
/// A frame this far below the loudest one is no speech.
const ACTIVE_RANGE_DB: f32 = 25.0;
/// Length of the frames in which loudness is measured.
const FRAME: Duration = Duration::from_millis(10);
/// Silence kept in front of the first sound; more is only latency.
const LEAD: Duration = Duration::from_millis(10);
/// Silence kept behind the last sound, so that a soft ending is not cut.
const TAIL: Duration = Duration::from_millis(40);
/// A frame this far below the loudest one is silence.
const SILENCE_RANGE_DB: f32 = 42.0;
/// How far ahead of a peak the limiter turns down, and how long it takes to come back.
const LIMIT_ATTACK: Duration = Duration::from_millis(2);
/// Fades at both ends of a clause.
const FADE_IN: Duration = Duration::from_millis(2);
const FADE_OUT: Duration = Duration::from_millis(8);

/// Trims, levels, limits and fades one clause.
pub(super) fn finish(samples: &[i16], rate: SampleRate) -> Vec<i16> {
    let trimmed = trim(samples, rate);
    let mut floats: Vec<f32> = trimmed.iter().map(|&s| f32::from(s) / 32_768.0).collect();
    let frame = rate.samples_in(FRAME).max(1);
    if let Some(active) = active_rms(&floats, frame) {
        let gain = (decibels(SPEECH_DBFS) / active).min(decibels(GAIN_MAX_DB));
        floats.iter_mut().for_each(|s| *s *= gain);
        limit(&mut floats, rate.samples_in(LIMIT_ATTACK).max(1));
    }
    fade(&mut floats, rate);
    floats.iter().map(|s| (s * 32_768.0).round().clamp(-32_767.0, 32_767.0) as i16).collect()
}

fn decibels(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

fn rms(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|s| s * s).sum();
    (sum / samples.len().max(1) as f32).sqrt()
}

/// RMS over the frames that hold speech; `None` for silence.
fn active_rms(samples: &[f32], frame: usize) -> Option<f32> {
    let levels: Vec<f32> = samples.chunks(frame).map(rms).collect();
    let floor = levels.iter().copied().fold(0.0, f32::max) * decibels(-ACTIVE_RANGE_DB);
    let active: Vec<f32> = levels.into_iter().filter(|&l| l >= floor && l > 1e-4).collect();
    (!active.is_empty()).then(|| rms(&active))
}

/// The part between the first and the last sound, with a little silence around it.
fn trim(samples: &[i16], rate: SampleRate) -> &[i16] {
    let frame = rate.samples_in(FRAME).max(1);
    let peak_of = |c: &[i16]| c.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    let floor = f32::from(peak_of(samples)) * decibels(-SILENCE_RANGE_DB);
    let is_sound = |c: &[i16]| f32::from(peak_of(c)) > floor.max(8.0);
    let Some(first) = samples.chunks(frame).position(is_sound) else {
        return &samples[..0];
    };
    let frames = samples.len().div_ceil(frame);
    let last = (first..frames)
        .rev()
        .find(|&i| is_sound(&samples[i * frame..((i + 1) * frame).min(samples.len())]))
        .unwrap_or(first);
    let start = (first * frame).saturating_sub(rate.samples_in(LEAD));
    let end = ((last + 1) * frame + rate.samples_in(TAIL)).min(samples.len());
    &samples[start..end]
}

/// Turns peaks down smoothly: the gain falls before a peak and rises behind it.
fn limit(samples: &mut [f32], reach: usize) {
    let ceiling = decibels(PEAK_DBFS);
    let wanted: Vec<f32> =
        samples.iter().map(|s| (ceiling / s.abs().max(ceiling)).min(1.0)).collect();
    if wanted.iter().all(|&g| g >= 1.0) {
        return;
    }
    // The lowest gain within reach, then its mean over the same reach: never above what the peak
    // in the middle wants.
    let lowest = window_min(&wanted, reach);
    let span = 2 * reach + 1;
    let mut sum: f64 = (0..span).map(|i| f64::from(at_or_edge(&lowest, i, reach))).sum();
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample *= (sum / span as f64) as f32;
        sum += f64::from(at_or_edge(&lowest, i + span, reach))
            - f64::from(at_or_edge(&lowest, i, reach));
    }
}

/// `values[i - reach]`, with the ends held.
fn at_or_edge(values: &[f32], i: usize, reach: usize) -> f32 {
    values[i.saturating_sub(reach).min(values.len() - 1)]
}

/// The least of the values within `reach` on both sides.
fn window_min(values: &[f32], reach: usize) -> Vec<f32> {
    (0..values.len())
        .map(|i| {
            let window = &values[i.saturating_sub(reach)..(i + reach + 1).min(values.len())];
            window.iter().copied().fold(1.0, f32::min)
        })
        .collect()
}

fn fade(samples: &mut [f32], rate: SampleRate) {
    let half = samples.len() / 2;
    let (fade_in, fade_out) = (rate.samples_in(FADE_IN), rate.samples_in(FADE_OUT));
    let ramp = |i: usize, n: usize| (i as f32 + 0.5) / n as f32;
    let n = fade_in.min(half);
    samples.iter_mut().take(n).enumerate().for_each(|(i, s)| *s *= ramp(i, n));
    let n = fade_out.min(half);
    samples.iter_mut().rev().take(n).enumerate().for_each(|(i, s)| *s *= ramp(i, n));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level_dbfs;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// A second of tone of this amplitude with silence around it.
    fn speech(amplitude: f32, lead_s: f32, tail_s: f32) -> Vec<i16> {
        let silence = |s: f32| vec![0i16; (s * 8_000.0) as usize];
        let tone = (0..8_000).map(|i| ((i as f32 * 0.35).sin() * amplitude * 32_767.0) as i16);
        [silence(lead_s), tone.collect(), silence(tail_s)].concat()
    }

    #[test]
    fn everything_comes_out_equally_loud() {
        for amplitude in [0.02, 0.1, 0.5, 1.0] {
            let out = finish(&speech(amplitude, 0.3, 0.5), RATE);
            let level = level_dbfs(&out[400..7_600]);
            assert!((level + 18.0).abs() < 0.5, "{amplitude}: {level}");
        }
    }

    #[test]
    fn silence_around_is_cut_and_ends_are_quiet() {
        let out = finish(&speech(0.3, 0.3, 0.5), RATE);
        let lead = out.iter().position(|s| s.unsigned_abs() > 200).unwrap();
        assert!(lead < RATE.samples_in(Duration::from_millis(20)), "{lead}");
        assert!(out.len() < 8_000 + 8_000 / 10, "{}", out.len());
        assert!(out[0].unsigned_abs() < 200 && out[out.len() - 1].unsigned_abs() < 200);
    }

    #[test]
    fn peaks_are_turned_down_not_cut() {
        let mut samples = speech(0.1, 0.0, 0.0);
        for peak in [2_000, 5_000] {
            samples[peak] = 32_767;
        }
        let out = finish(&samples, RATE);
        let ceiling = (decibels(PEAK_DBFS) * 32_768.0) as u16;
        let peak = out.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak <= ceiling + 1 && peak > ceiling / 2, "{peak}");
    }

    #[test]
    fn nothing_and_silence_stay_nothing() {
        assert!(finish(&[], RATE).is_empty());
        assert!(finish(&[0; 800], RATE).is_empty());
        assert!(finish(&[3; 800], RATE).is_empty());
        assert_eq!(finish(&[9_000], RATE).len(), 1);
    }
}
