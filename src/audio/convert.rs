//! Frames from one rate to another, 20 ms for 20 ms.

use std::collections::VecDeque;

use super::half_band::{Doubler, Halver};
use super::{Resampler, SampleRate};

/// Converts a stream frame by frame, whatever its rate is and even where that changes. Every frame
/// comes out exactly as long as it went in; frames that have the rate already are passed on as they
/// are.
#[derive(Debug)]
pub struct FrameConverter {
    to: SampleRate,
    from: SampleRate,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Same,
    Double(Box<Doubler>),
    Halve(Box<Halver>),
    /// With what has been converted and waits to fill a frame.
    Any(Box<Resampler>, VecDeque<i16>),
}

impl Way {
    fn between(from: SampleRate, to: SampleRate) -> Self {
        match (from.hz(), to.hz()) {
            (from, to) if from == to => Self::Same,
            (from, to) if from * 2 == to => Self::Double(Box::new(Doubler::new())),
            (from, to) if from == to * 2 => Self::Halve(Box::new(Halver::new())),
            _ => Self::Any(Box::new(Resampler::new(from, to)), VecDeque::new()),
        }
    }
}

impl FrameConverter {
    /// A converter to this rate.
    pub const fn new(to: SampleRate) -> Self {
        Self { to, from: to, way: Way::Same }
    }

    /// The rate that comes out.
    pub const fn to(&self) -> SampleRate {
        self.to
    }

    /// Converts the next frame, which has this rate.
    pub fn convert(&mut self, samples: &[i16], from: SampleRate) -> Vec<i16> {
        if from != self.from {
            self.from = from;
            self.way = Way::between(from, self.to);
        }
        match &mut self.way {
            Way::Same => samples.to_vec(),
            Way::Double(doubler) => doubler.process(samples),
            Way::Halve(halver) => halver.process(samples),
            Way::Any(resampler, waiting) => {
                waiting.extend(resampler.process(samples));
                let len = samples.len() * self.to.hz() as usize / from.hz() as usize;
                // At the start the filter holds some samples back, and later one now and then:
                // silence before the first sample makes up for it once.
                while waiting.len() < len {
                    waiting.push_front(0);
                }
                waiting.drain(..len).collect()
            }
        }
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
        let full = SampleRate::from_hz(48_000).expect("a rate");
        for (from, to) in [(narrow, wide), (wide, narrow), (full, wide), (narrow, full)] {
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
            if let Way::Any(_, waiting) = &converter.way {
                assert!(waiting.len() < 40, "{}", waiting.len());
            }
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
