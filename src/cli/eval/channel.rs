//! The reference telephone channel, on which everything that is heard is measured: 8 kHz, G.711
//! mu-law, a gain of -6 to +6 dB, noise, and up to 3 % of the packets lost in bursts, all from a
//! seed.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;

use crate::audio::mix::add_noise;
use crate::audio::{
    Noise, PhoneChannel, Random, SampleRate, phone_channel, read_wav, resample_whole,
};

/// Gain of the voice.
pub(super) const GAIN_DB: Range<f64> = -6.0..6.0;

/// Share of the packets that are lost.
pub(super) const LOSS_PERCENT: Range<f64> = 0.0..3.0;

/// Packets lost in a row, on average.
pub(super) const BURST_LEN: f32 = 2.0;

/// How far the voice lies above the noise where nobody says how far.
pub(super) const SNR_DB: Range<f64> = 5.0..20.0;

/// Sound as it was recorded.
pub(in crate::cli) type Recording = (SampleRate, Vec<i16>);

/// How the recordings reach the recogniser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Channel {
    /// 8 kHz, mu-law, random gain and bursty packet loss
    Phone,
    /// As recorded
    Clean,
}

/// A number within a range.
pub(super) fn between(random: &mut Random, range: &Range<f64>) -> f32 {
    (range.start + random.next_unit() * (range.end - range.start)) as f32
}

/// Reads a recording.
///
/// # Errors
/// The file cannot be read or is no WAV file; it is named.
pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Recording> {
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    read_wav(BufReader::new(file)).with_context(|| format!("{}", path.display()))
}

/// Ten seconds of noise for those who have no recording of any.
pub(in crate::cli) fn white_noise(seed: u64) -> Recording {
    let mut random = Random::new(seed);
    let samples = (0..10 * 8_000).map(|_| ((random.next_unit() - 0.5) * 8_000.0) as i16).collect();
    (SampleRate::HZ_8000, samples)
}

/// The line between recordings and the recogniser.
pub(super) struct Line {
    pub channel: Channel,
    pub noises: Vec<Recording>,
    pub snr_db: Option<f32>,
    pub seed: u64,
}

impl Line {
    /// What the recogniser gets of a recording: 16 kHz.
    pub(super) fn carry(&self, index: usize, rate: SampleRate, samples: &[i16]) -> Vec<i16> {
        match self.channel {
            Channel::Phone => {
                let heard = self.over_the_phone(index, rate, samples);
                resample_whole(&heard, SampleRate::HZ_8000, SampleRate::HZ_16000)
            }
            Channel::Clean => {
                let Draw { mut random, noise, .. } = self.draw(index);
                let mut heard = resample_whole(samples, rate, SampleRate::HZ_16000);
                if let Some(noise) = noise {
                    let noise_16k = resample_whole(noise.samples, noise.rate, SampleRate::HZ_16000);
                    add_noise(&mut heard, &noise_16k, noise.snr_db, &mut random);
                }
                heard
            }
        }
    }

    /// What arrives of a recording at the other end of a telephone line, whatever `channel` says:
    /// 8 kHz.
    pub(super) fn over_the_phone(
        &self,
        index: usize,
        rate: SampleRate,
        samples: &[i16],
    ) -> Vec<i16> {
        let Draw { mut random, gain_db, loss_percent, noise } = self.draw(index);
        let seed = random.next_u64();
        let channel = PhoneChannel { gain_db, noise, loss_percent, burst_len: BURST_LEN, seed };
        phone_channel(samples, rate, channel)
    }

    /// What the seed gives the recording of this number.
    fn draw(&self, index: usize) -> Draw<'_> {
        let mut random = Random::new(self.seed ^ (index as u64).wrapping_mul(0x9e37_79b9));
        let gain_db = between(&mut random, &GAIN_DB);
        let loss_percent = between(&mut random, &LOSS_PERCENT);
        let noise = self.snr_db.and_then(|snr_db| {
            let (rate, samples) = self.noises.get(index % self.noises.len().max(1))?;
            Some(Noise { samples, rate: *rate, snr_db })
        });
        Draw { random, gain_db, loss_percent, noise }
    }
}

/// One recording's line.
struct Draw<'a> {
    random: Random,
    gain_db: f32,
    loss_percent: f32,
    noise: Option<Noise<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_repeats_itself_for_a_seed_only() {
        let tone: Vec<i16> =
            (0..16_000).map(|i| ((i as f32 * 0.3).sin() * 4_000.0) as i16).collect();
        let line = |seed| Line {
            channel: Channel::Phone,
            noises: vec![white_noise(1)],
            snr_db: Some(10.0),
            seed,
        };
        let carry = |seed, index| line(seed).carry(index, SampleRate::HZ_16000, &tone);
        assert_eq!(carry(1, 0), carry(1, 0));
        assert_ne!(carry(1, 0), carry(2, 0));
        assert_ne!(carry(1, 0), carry(1, 1));
    }

    #[test]
    fn what_is_drawn_stays_within_its_range() {
        let mut random = Random::new(3);
        for range in [GAIN_DB, LOSS_PERCENT, SNR_DB] {
            for _ in 0..100 {
                assert!(range.contains(&f64::from(between(&mut random, &range))));
            }
        }
    }
}
