//! Frames from one rate to another, 20 ms for 20 ms.

use std::collections::VecDeque;

use super::{Resampler, SampleRate};

/// Converts a stream frame by frame, whatever its rate is and even where that changes. Every frame
/// comes out exactly as long as it went in; frames that have the rate already are passed on as they
/// are.
pub struct FrameConverter {
    to: SampleRate,
    resampler: Option<Resampler>,
    waiting: VecDeque<i16>,
}

impl std::fmt::Debug for FrameConverter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FrameConverter(to {:?}, {:?})", self.to, self.resampler)
    }
}

impl FrameConverter {
    /// A converter to this rate.
    pub const fn new(to: SampleRate) -> Self {
        Self { to, resampler: None, waiting: VecDeque::new() }
    }

    /// The rate that comes out.
    pub const fn to(&self) -> SampleRate {
        self.to
    }

    /// Converts the next frame, which has this rate.
    pub fn convert(&mut self, samples: &[i16], from: SampleRate) -> Vec<i16> {
        if from == self.to {
            self.resampler = None;
            self.waiting.clear();
            return samples.to_vec();
        }
        if self.resampler.as_ref().is_none_or(|resampler| resampler.from() != from) {
            self.resampler = Some(Resampler::new(from, self.to));
            self.waiting.clear();
        }
        if let Some(resampler) = &mut self.resampler {
            self.waiting.extend(resampler.process(samples));
        }
        let len = samples.len() * self.to.hz() as usize / from.hz() as usize;
        // At the start the filter holds some samples back, and later one now and then: silence
        // before the first sample makes up for it once.
        while self.waiting.len() < len {
            self.waiting.push_front(0);
        }
        self.waiting.drain(..len).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;
    use std::time::Duration;

    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn twenty_ms_in_are_twenty_ms_out() {
        let (narrow, wide) = (SampleRate::HZ_8000, SampleRate::HZ_16000);
        for (from, to) in [(narrow, wide), (wide, narrow), (SampleRate::HZ_22050, narrow)] {
            let voice = tone::sine(from, 700.0, -12.0, Duration::from_secs(3));
            let mut converter = FrameConverter::new(to);
            let mut out = Vec::new();
            for frame in voice.chunks_exact(from.samples_in(FRAME)) {
                let converted = converter.convert(frame, from);
                assert_eq!(converted.len(), to.samples_in(FRAME));
                out.extend(converted);
            }
            let level = tone::detect(&out[to.hz() as usize..], to, 700.0);
            assert!((level + 12.0).abs() < 0.3, "{from:?} to {to:?}: {level}");
            assert!(converter.waiting.len() < 40, "{}", converter.waiting.len());
        }
    }

    #[test]
    fn frames_of_the_right_rate_are_untouched() {
        let mut converter = FrameConverter::new(SampleRate::HZ_8000);
        let frame: Vec<i16> = (0..160).collect();
        assert_eq!(converter.convert(&frame, SampleRate::HZ_8000), frame);
        assert_eq!(converter.convert(&[0; 320], SampleRate::HZ_16000).len(), 160);
        assert_eq!(converter.convert(&frame, SampleRate::HZ_8000), frame);
    }
}
