//! Several people in one call: each hears all others, and not themselves.

use super::mix::limit;
use super::{AudioFrame, FrameConverter, SampleRate};

/// Length of a frame at the rate at which is mixed: 20 ms.
const FRAME_LEN: usize = 320;

/// Mixes the audio of so many people, 20 ms by 20 ms, whatever the rate of each.
#[derive(Debug)]
pub struct Conference<const N: usize> {
    to_mix: [FrameConverter; N],
}

impl<const N: usize> Conference<N> {
    /// The rate of what comes out: wideband people hear each other so.
    pub const RATE: SampleRate = SampleRate::HZ_16000;

    /// Nobody has said anything yet.
    pub fn new() -> Self {
        Self { to_mix: std::array::from_fn(|_| FrameConverter::new(Self::RATE)) }
    }

    /// Takes the next 20 ms of each (`None` of whoever is not to be heard), and gives what each is to
    /// hear. Where several are loud at once the sum is bent, and never wraps around.
    pub fn mix(&mut self, said: [Option<&AudioFrame>; N]) -> [Vec<i16>; N] {
        let voices: [Option<Vec<i16>>; N] = std::array::from_fn(|who| {
            said[who].map(|frame| self.to_mix[who].convert(&frame.samples, frame.rate))
        });
        std::array::from_fn(|listener| {
            let mut sum = [0_i32; FRAME_LEN];
            for (who, voice) in voices.iter().enumerate() {
                let Some(voice) = voice.as_ref().filter(|_| who != listener) else { continue };
                for (sum, &sample) in sum.iter_mut().zip(voice) {
                    *sum += i32::from(sample);
                }
            }
            sum.iter().map(|&sum| limit(sum as f32)).collect()
        })
    }
}

impl<const N: usize> Default for Conference<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{MediaTime, level_dbfs, tone};

    const TONES_HZ: [f64; 3] = [500.0, 900.0, 1_700.0];

    fn frames(rate: SampleRate, hz: f64, level_dbfs: f64) -> Vec<AudioFrame> {
        let sound = tone::sine(rate, hz, level_dbfs, Duration::from_secs(1));
        let len = rate.samples_in(Duration::from_millis(20));
        let frame =
            |samples: &[i16]| AudioFrame { rate, time: MediaTime(0), samples: samples.to_vec() };
        sound.chunks_exact(len).map(frame).collect()
    }

    /// What each of three hears in a second.
    fn heard(said: &[Vec<AudioFrame>; 3], silenced: Option<usize>) -> [Vec<i16>; 3] {
        let mut conference = Conference::<3>::new();
        let mut heard: [Vec<i16>; 3] = Default::default();
        let [first, second, third] = said;
        for ((first, second), third) in first.iter().zip(second).zip(third) {
            let frames = [first, second, third];
            let now = std::array::from_fn(|who| (silenced != Some(who)).then_some(frames[who]));
            for (all, frame) in heard.iter_mut().zip(conference.mix(now)) {
                assert_eq!(frame.len(), FRAME_LEN);
                all.extend(frame);
            }
        }
        heard
    }

    #[test]
    fn each_hears_the_others_and_not_themselves() {
        // Telephones of both kinds are in one call.
        let rates = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_8000];
        let said: [Vec<AudioFrame>; 3] =
            std::array::from_fn(|who| frames(rates[who], TONES_HZ[who], -20.0));
        for (listener, heard) in heard(&said, None).iter().enumerate() {
            for (who, hz) in TONES_HZ.into_iter().enumerate() {
                // What the converters need to get going is left out.
                let level = tone::detect(&heard[1_600..], Conference::<3>::RATE, hz);
                if who == listener {
                    assert!(level < -50.0, "{listener} hears themselves: {level}");
                } else {
                    assert!((level + 20.0).abs() < 0.5, "{listener} hears {who} at {level}");
                }
            }
        }
    }

    #[test]
    fn whoever_is_silenced_is_heard_by_nobody_and_hears_everybody() {
        let said = TONES_HZ.map(|hz| frames(SampleRate::HZ_16000, hz, -20.0));
        let heard = heard(&said, Some(1));
        let level = |who: usize, hz| tone::detect(&heard[who][1_600..], Conference::<3>::RATE, hz);
        assert!(level(0, TONES_HZ[1]) < -50.0 && level(2, TONES_HZ[1]) < -50.0);
        assert!(level(1, TONES_HZ[0]) > -21.0 && level(1, TONES_HZ[2]) > -21.0);
    }

    #[test]
    fn two_who_shout_at_once_do_not_wrap_around() {
        let loud = |hz| frames(SampleRate::HZ_16000, hz, -0.5);
        let heard = heard(&[loud(500.0), loud(500.0), loud(1_700.0)], None);
        // Both shout the same: the sum would be twice what fits.
        let sum = &heard[2];
        let peak = sum.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(peak.is_some_and(|peak| peak > 30_000), "{peak:?}");
        let jump = sum.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max();
        assert!(jump.is_some_and(|jump| jump < 20_000), "wrapped around: {jump:?}");
        assert!(level_dbfs(sum) > -3.0);
    }
}
