//! What a talker says in one turn.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::audio::{SampleRate, level_dbfs, read_wav, resample_whole};
use crate::rtp::FRAME_LEN;

/// Frames this far below the loudest are pauses.
const BELOW_LOUDEST_DB: f32 = 30.0;
/// Quieter than this nothing is voiced.
const VOICED_MIN_DBFS: f32 = -60.0;

/// A recording of somebody speaking, at 8 kHz, without the silence around what is said. Where the
/// voice ends is known from the recording itself, so noise that is added later moves no mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What to call it.
    pub name: String,
    /// Whole frames, the last voiced one at the end.
    samples: Vec<i16>,
    first_voiced: usize,
}

impl Said {
    /// Reads a WAV file.
    ///
    /// # Errors
    /// It cannot be read, or nobody speaks in it; the file is named.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path)
            .with_context(|| format!("cannot open the recording {}", path.display()))?;
        let (rate, samples) = read_wav(BufReader::new(file))
            .with_context(|| format!("cannot use the recording {}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::new(name, rate, &samples)
            .with_context(|| format!("cannot use the recording {}", path.display()))
    }

    /// Of samples at any rate.
    ///
    /// # Errors
    /// Nobody speaks in them.
    pub fn new(name: impl Into<String>, rate: SampleRate, samples: &[i16]) -> anyhow::Result<Self> {
        let mut samples = resample_whole(samples, rate, SampleRate::HZ_8000);
        samples.resize(samples.len().next_multiple_of(FRAME_LEN), 0);
        let levels: Vec<f32> = samples.chunks(FRAME_LEN).map(level_dbfs).collect();
        let loudest = levels.iter().copied().fold(-100.0_f32, f32::max);
        let floor = VOICED_MIN_DBFS.max(loudest - BELOW_LOUDEST_DB);
        let voiced = |level: &f32| *level > floor;
        let (Some(first), Some(last)) =
            (levels.iter().position(voiced), levels.iter().rposition(voiced))
        else {
            bail!("nobody speaks in it: all of it is below {VOICED_MIN_DBFS} dBFS");
        };
        samples.truncate((last + 1) * FRAME_LEN);
        Ok(Self { name: name.into(), samples, first_voiced: first })
    }

    /// How long it lasts, up to the last voiced sample.
    pub fn length(&self) -> Duration {
        SampleRate::HZ_8000.duration_of(self.samples.len())
    }

    /// All of it, at 8 kHz.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Its frames of 20 ms up to the last voiced one.
    pub(super) fn voiced_frames(&self) -> std::slice::ChunksExact<'_, i16> {
        self.samples.chunks_exact(FRAME_LEN)
    }

    /// Which of them is the first in which somebody speaks.
    pub(super) fn first_voiced_frame(&self) -> usize {
        self.first_voiced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_its_last_voiced_frame() {
        let mut samples = vec![0_i16; 320];
        samples.extend([5_000; 800]);
        samples.extend([20; 1_000]);
        let said = Said::new("x", SampleRate::HZ_8000, &samples).expect("speech");
        assert_eq!(said.length(), Duration::from_millis(140));
        assert_eq!((said.voiced_frames().len(), said.first_voiced_frame()), (7, 2));
    }

    #[test]
    fn a_recording_without_speech_is_refused_by_name() {
        let error = Said::new("x", SampleRate::HZ_8000, &[3; 4_000]).expect_err("silence");
        assert!(error.to_string().contains("nobody speaks"), "{error}");
        assert!(Said::new("x", SampleRate::HZ_8000, &[]).is_err());
        let error = Said::read(Path::new("/nowhere/a.wav")).expect_err("no file");
        assert!(format!("{error:#}").contains("/nowhere/a.wav"), "{error:#}");
    }
}
