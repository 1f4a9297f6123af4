//! The human recordings among the fixtures, for tests of those who hear them.

use super::mix::{active_level_dbfs, apply_gain};
use super::{SampleRate, read_wav, resample_whole};

/// A recording at 8 kHz, its voice at this level.
pub(crate) fn levelled(wav: &[u8], level_dbfs: f32) -> Vec<i16> {
    let (rate, samples) = read_wav(wav).expect("a recording");
    let mut samples = resample_whole(&samples, rate, SampleRate::HZ_8000);
    let gain_db = level_dbfs - active_level_dbfs(&samples);
    apply_gain(&mut samples, gain_db);
    samples
}

/// A recording by its name, at 8 kHz, its voice at a level in dBFS.
macro_rules! fixture {
    ($name:literal, $level:expr) => {
        $crate::audio::recordings::levelled(
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/", $name)),
            $level,
        )
    };
}

pub(crate) use fixture;
