//! Tones: sines, keypad pairs, ringing; and their detection (Goertzel) for tests and simulation.

use std::f64::consts::TAU;
use std::time::Duration;

use super::SampleRate;

/// Tones of the keypad's rows, in Hz (ITU-T Q.23).
pub(super) const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// Tones of its columns.
pub(super) const COLUMNS_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Its keys, row by row.
pub(super) const KEYS: &[u8; 16] = b"123A456B789C*0#D";

/// The two frequencies in Hz of a keypad digit (ITU-T Q.23); `None` for other characters.
pub fn dtmf_pair(digit: char) -> Option<(f64, f64)> {
    let digit = digit.to_ascii_uppercase();
    let index = KEYS.iter().position(|&key| char::from(key) == digit)?;
    Some((ROWS_HZ[index / 4], COLUMNS_HZ[index % 4]))
}

/// A sum of sines, each with its peak at `level_dbfs` below full scale, phases starting at 0.
pub fn tones(
    rate: SampleRate,
    frequencies_hz: &[f64],
    level_dbfs: f64,
    duration: Duration,
) -> Vec<i16> {
    let amplitude = 32_767.0 * 10f64.powf(level_dbfs / 20.0);
    (0..rate.samples_in(duration))
        .map(|n| {
            let time_s = n as f64 / f64::from(rate.hz());
            let sum: f64 = frequencies_hz.iter().map(|f| (TAU * f * time_s).sin()).sum();
            (amplitude * sum).round().clamp(-32_767.0, 32_767.0) as i16
        })
        .collect()
}

/// One sine with its peak at `level_dbfs`.
pub fn sine(rate: SampleRate, frequency_hz: f64, level_dbfs: f64, duration: Duration) -> Vec<i16> {
    tones(rate, &[frequency_hz], level_dbfs, duration)
}

/// A keypad digit's tone pair, each tone at `level_dbfs`; `None` if it is not a keypad digit.
pub fn dtmf(
    rate: SampleRate,
    digit: char,
    level_dbfs: f64,
    duration: Duration,
) -> Option<Vec<i16>> {
    let (low, high) = dtmf_pair(digit)?;
    Some(tones(rate, &[low, high], level_dbfs, duration))
}

/// One ringback cycle as heard in North America: 440 + 480 Hz for 2 s, then 4 s of silence.
pub fn ringback(rate: SampleRate, level_dbfs: f64) -> Vec<i16> {
    let mut cycle = tones(rate, &[440.0, 480.0], level_dbfs, Duration::from_secs(2));
    cycle.resize(rate.samples_in(Duration::from_secs(6)), 0);
    cycle
}

/// Two soft notes, a fourth apart, that say that the line is alive; 240 ms.
pub fn chime(rate: SampleRate, level_dbfs: f64) -> Vec<i16> {
    let note = |frequency_hz: f64| {
        let note = sine(rate, frequency_hz, level_dbfs, Duration::from_millis(120));
        let len = note.len() as f64;
        // Without an edge it does not click.
        let window = move |n: usize| (TAU / 2.0 * (n as f64 + 0.5) / len).sin();
        note.into_iter().enumerate().map(move |(n, s)| (f64::from(s) * window(n)).round() as i16)
    };
    note(440.0).chain(note(587.33)).collect()
}

/// Peak level in dBFS of one frequency within the samples (Goertzel); -100 where there is none.
///
/// A Hann window keeps other tones out: they must be at least 4 / duration apart (20 Hz for
/// 200 ms) from the one that is looked for.
pub fn detect(samples: &[i16], rate: SampleRate, frequency_hz: f64) -> f64 {
    if samples.is_empty() {
        return -100.0;
    }
    let coefficient = 2.0 * (TAU * frequency_hz / f64::from(rate.hz())).cos();
    let len = samples.len() as f64;
    let (mut previous, mut before, mut window_sum) = (0.0, 0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * (n as f64 + 0.5) / len).cos();
        window_sum += window;
        let current = f64::from(sample) * window + coefficient * previous - before;
        before = previous;
        previous = current;
    }
    let power = previous * previous + before * before - coefficient * previous * before;
    let peak = 2.0 * power.max(0.0).sqrt() / window_sum / 32_767.0;
    if peak < 1e-5 { -100.0 } else { 20.0 * peak.log10() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    #[test]
    fn a_tone_is_found_at_its_level_and_nowhere_else() {
        let samples = sine(RATE, 1000.0, -12.0, Duration::from_millis(500));
        assert_eq!(samples.len(), 4000);
        assert!((detect(&samples, RATE, 1000.0) + 12.0).abs() < 0.1);
        assert!(detect(&samples, RATE, 1200.0) < -70.0);
        assert_eq!(detect(&[], RATE, 1000.0), -100.0);
        assert_eq!(detect(&[0; 800], RATE, 1000.0), -100.0);
    }

    #[test]
    fn a_chime_begins_and_ends_softly() {
        let samples = chime(RATE, -30.0);
        assert_eq!(samples.len(), RATE.samples_in(Duration::from_millis(240)));
        let loudest = samples.iter().map(|s| s.unsigned_abs()).max();
        assert!(loudest.is_some_and(|peak| (900..=1_037).contains(&peak)), "{loudest:?}");
        assert!(samples[0].abs() < 20 && samples[samples.len() - 1].abs() < 20);
        assert!(detect(&samples[..960], RATE, 440.0) > -35.0);
        assert!(detect(&samples[960..], RATE, 587.33) > -35.0);
    }

    #[test]
    fn keypad_pairs_are_those_of_the_standard() {
        for (digit, pair) in [
            ('1', (697.0, 1209.0)),
            ('5', (770.0, 1336.0)),
            ('0', (941.0, 1336.0)),
            ('*', (941.0, 1209.0)),
            ('#', (941.0, 1477.0)),
            ('d', (941.0, 1633.0)),
        ] {
            assert_eq!(dtmf_pair(digit), Some(pair), "{digit}");
            let samples = dtmf(RATE, digit, -10.0, Duration::from_millis(200)).expect("a digit");
            assert!((detect(&samples, RATE, pair.0) + 10.0).abs() < 0.3, "{digit}");
            assert!((detect(&samples, RATE, pair.1) + 10.0).abs() < 0.3, "{digit}");
        }
        assert_eq!(dtmf_pair('x'), None);
    }

    #[test]
    fn ringback_rings_two_seconds_of_six() {
        let cycle = ringback(RATE, -20.0);
        assert_eq!(cycle.len(), 48_000);
        assert!((detect(&cycle[..16_000], RATE, 440.0) + 20.0).abs() < 0.2);
        assert!(cycle[16_000..].iter().all(|&s| s == 0));
    }
}
