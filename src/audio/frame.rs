//! Mono 16-bit audio with its rate and its place in time.

use std::fmt;
use std::time::Duration;

/// Samples per second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleRate(u32);

impl SampleRate {
    /// Telephone narrowband.
    pub const HZ_8000: Self = Self(8_000);
    /// What the recogniser listens at.
    pub const HZ_16000: Self = Self(16_000);
    /// What the Piper voice speaks at.
    pub const HZ_22050: Self = Self(22_050);

    /// A rate in samples per second; `None` for 0.
    pub const fn from_hz(hz: u32) -> Option<Self> {
        if hz == 0 { None } else { Some(Self(hz)) }
    }

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// How many samples last this long (rounded down).
    pub const fn samples_in(self, duration: Duration) -> usize {
        (duration.as_micros() as u64 * self.0 as u64 / 1_000_000) as usize
    }

    /// How long this many samples last.
    pub const fn duration_of(self, samples: usize) -> Duration {
        Duration::from_nanos(samples as u64 * 1_000_000_000 / self.0 as u64)
    }
}

impl fmt::Debug for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// A point in a stream, in samples since its start, at the stream's own rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MediaTime(pub u64);

/// A run of mono samples at an explicit rate. On the telephone side it lasts 20 ms.
#[derive(Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// Samples per second.
    pub rate: SampleRate,
    /// Where the first sample lies in its stream.
    pub time: MediaTime,
    /// The samples, full scale at +-32767.
    pub samples: Vec<i16>,
}

impl AudioFrame {
    /// How long the frame lasts.
    pub fn duration(&self) -> Duration {
        self.rate.duration_of(self.samples.len())
    }
}

impl fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AudioFrame({:?}, {:?}, {} samples)", self.rate, self.time, self.samples.len())
    }
}

/// Root mean square of samples in dB below full scale (0 is the loudest, silence is -100).
pub fn level_dbfs(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return -100.0;
    }
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    let rms = (sum / samples.len() as f64).sqrt() / 32_767.0;
    if rms < 1e-5 { -100.0 } else { (20.0 * rms.log10()) as f32 }
}
