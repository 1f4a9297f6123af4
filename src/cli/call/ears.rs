//! Tells when the other side speaks, by level: it is a synthetic voice on a clean line.

use std::time::{Duration, Instant};

use crate::audio::level_dbfs;

/// Length of a frame.
pub(super) const FRAME_MS: u64 = 20;

/// A frame above this level is voiced.
const VOICED_DBFS: f32 = -42.0;

/// Collects what is heard since the last turn of ours.
#[derive(Debug, Default)]
pub(super) struct Ears {
    samples: Vec<i16>,
    began: Option<Instant>,
    last_voiced: Option<Instant>,
    /// Samples up to and including the last voiced frame.
    voiced_len: usize,
}

impl Ears {
    /// Takes a frame.
    pub fn hear(&mut self, now: Instant, frame: &[i16]) {
        if level_dbfs(frame) > VOICED_DBFS {
            self.began.get_or_insert(now);
            self.last_voiced = Some(now);
            self.samples.extend_from_slice(frame);
            self.voiced_len = self.samples.len();
        } else if self.began.is_some() {
            self.samples.extend_from_slice(frame);
        }
    }

    /// Whether anything was said.
    pub fn has_spoken(&self) -> bool {
        self.began.is_some()
    }

    /// When the first voiced frame came.
    pub fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Time since the last voiced frame.
    pub fn silent_for(&self) -> Duration {
        self.last_voiced.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// Starts over.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// What was said, without the silence after it.
    pub fn take(&mut self) -> Vec<i16> {
        self.samples.truncate(self.voiced_len);
        std::mem::take(self).samples
    }

    /// Index of the last voiced frame of this length in a recording, relative to its own loudest.
    pub fn last_voiced_frame(samples: &[i16], frame_len: usize) -> Option<usize> {
        const BELOW_PEAK_DB: f32 = 30.0;
        let levels: Vec<f32> = samples.chunks(frame_len).map(level_dbfs).collect();
        let peak = levels.iter().copied().fold(-100.0_f32, f32::max);
        levels.iter().rposition(|level| *level > peak - BELOW_PEAK_DB && *level > -60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_around_speech_is_left_out() {
        let mut ears = Ears::default();
        let now = Instant::now();
        ears.hear(now, &[0; 160]);
        assert!(!ears.has_spoken());
        ears.hear(now, &[4000; 160]);
        ears.hear(now, &[0; 160]);
        ears.hear(now, &[4000; 160]);
        ears.hear(now, &[0; 160]);
        assert_eq!(ears.take().len(), 480);
        assert!(!ears.has_spoken());
    }

    #[test]
    fn the_end_of_a_recording_is_its_last_voice() {
        let mut samples = vec![5000_i16; 1600];
        samples.extend([20; 1600]);
        assert_eq!(Ears::last_voiced_frame(&samples, 160), Some(9));
        assert_eq!(Ears::last_voiced_frame(&[0; 320], 160), None);
    }
}
