//! Where in an utterance the voice ends, to a few milliseconds.
//!
//! The voice-activity model tells speech in chunks of 32 ms, notices its end a little late, and now and then
//! gives up on a last "s". That is good enough for deciding when a turn is over. Response latency is counted
//! from the last voiced sample: a model's habits would make it look shorter or longer than it is.

use std::time::Duration;

use crate::audio::{MediaTime, level_dbfs};

use super::SpeechSpan;

/// It is looked for in steps of this length.
const STEP: Duration = Duration::from_millis(5);

/// The model is off by this at most: three of its chunks.
const AROUND: Duration = Duration::from_millis(96);

/// A voice ends where its level has fallen so far below its loudest, in dB,
const BELOW_PEAK_DB: f32 = 30.0;
/// or is so near to that of the silence behind it.
const ABOVE_SILENCE_DB: f32 = 6.0;
/// Nothing quieter than this, in dBFS, is voiced.
const VOICED_MIN_DBFS: f32 = -60.0;

/// Position just behind the last voiced sample.
pub fn last_voice(span: &SpeechSpan) -> MediaTime {
    let step = span.rate.samples_in(STEP).max(1);
    let around = span.rate.samples_in(AROUND);
    let by_model =
        (span.voiced_until.0.saturating_sub(span.start.0) as usize).min(span.samples.len());
    let levels: Vec<f32> = span.samples.chunks(step).map(level_dbfs).collect();
    let first = by_model.saturating_sub(around) / step;
    let last = ((by_model + around) / step).min(levels.len());
    let peak = levels[..last].iter().copied().fold(-100.0_f32, f32::max);
    let silence = median(&levels[last..]).unwrap_or(-100.0);
    let floor = (peak - BELOW_PEAK_DB).max(silence + ABOVE_SILENCE_DB).max(VOICED_MIN_DBFS);
    let found = levels[first..last].iter().rposition(|level| *level >= floor);
    let behind = found.map_or(by_model, |place| (first + place + 1) * step);
    MediaTime(span.start.0 + behind.min(span.samples.len()) as u64)
}

fn median(levels: &[f32]) -> Option<f32> {
    let mut sorted = levels.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// One second of voice, then what the case adds, as the model tells its end.
    fn ends_at(after: &[i16], by_model_ms: u64) -> u64 {
        let mut samples = vec![8_000; 8_000];
        samples.extend(after);
        let start = MediaTime(4_000);
        let span = SpeechSpan {
            samples,
            rate: RATE,
            start,
            voiced_until: MediaTime(start.0 + 8 * by_model_ms),
            voiced: Duration::from_secs(1),
            cut: false,
        };
        (last_voice(&span).0 - start.0) / 8
    }

    fn noise(size: i16, ms: usize) -> Vec<i16> {
        (0..8 * ms).map(|at| if at % 2 == 0 { size } else { -size }).collect()
    }

    #[test]
    fn the_end_is_that_of_the_sound_whenever_the_model_noticed_it() {
        for by_model_ms in [930, 960, 992, 1_000, 1_024, 1_056, 1_090] {
            assert_eq!(ends_at(&noise(0, 400), by_model_ms), 1_000, "{by_model_ms} ms");
        }
    }

    #[test]
    fn a_soft_last_sound_belongs_to_it_and_the_noise_of_the_line_does_not() {
        let hiss = [noise(500, 60), noise(0, 400)].concat();
        assert_eq!(ends_at(&hiss, 1_000), 1_060);
        assert_eq!(ends_at(&noise(500, 400), 1_024), 1_000, "it goes on: it is noise");
        let both = [noise(2_000, 60), noise(500, 400)].concat();
        assert_eq!(ends_at(&both, 1_000), 1_060);
    }

    #[test]
    fn what_cannot_be_told_is_left_to_the_model() {
        assert_eq!(ends_at(&[], 1_000), 1_000, "cut off for its length");
        let silent = SpeechSpan {
            samples: vec![0; 4_000],
            rate: RATE,
            start: MediaTime(0),
            voiced_until: MediaTime(2_000),
            voiced: Duration::ZERO,
            cut: false,
        };
        assert_eq!(last_voice(&silent), MediaTime(2_000));
        let empty = SpeechSpan { samples: Vec::new(), voiced_until: MediaTime(0), ..silent };
        assert_eq!(last_voice(&empty), MediaTime(0));
    }
}
