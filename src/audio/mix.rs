//! Levels, noise and the simulated telephone: what happens to a voice between a mouth and us,
//! reproducible from a seed.

use super::{Concealer, Law, SampleRate, level_dbfs, resample_whole};

/// Samples in a 20 ms packet at 8 kHz.
const PACKET_LEN: usize = 160;
/// Frames this far below the loudest are pauses and do not count for the speech level.
const ACTIVE_BELOW_LOUDEST_DB: f32 = 30.0;
/// Beyond this magnitude the limiter bends instead of clipping.
const KNEE: f32 = 26_000.0;

/// A small generator of pseudo-random numbers (splitmix64): the same seed, the same numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator for this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number in 0..1.
    pub fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Multiplies by a gain in dB, bending what would clip.
pub fn apply_gain(samples: &mut [i16], gain_db: f32) {
    let gain = factor(gain_db);
    for sample in samples {
        *sample = limit(f32::from(*sample) * gain);
    }
}

/// Bends a value into 16 bits: exact below 80 % of full scale, asymptotic above.
pub fn limit(value: f32) -> i16 {
    let magnitude = value.abs();
    if magnitude <= KNEE {
        return value.round() as i16;
    }
    let room = 32_767.0 - KNEE;
    let bent = KNEE + room * ((magnitude - KNEE) / room).tanh();
    bent.copysign(value).round() as i16
}

/// Level in dBFS (RMS) of the frames in which somebody speaks; -100 if nobody does.
pub fn active_level_dbfs(samples: &[i16]) -> f32 {
    let loudest = samples.chunks(PACKET_LEN).map(level_dbfs).fold(-100.0, f32::max);
    if loudest <= -99.0 {
        return -100.0;
    }
    let floor = loudest - ACTIVE_BELOW_LOUDEST_DB;
    let active: Vec<i16> = samples
        .chunks(PACKET_LEN)
        .filter(|frame| level_dbfs(frame) > floor)
        .flatten()
        .copied()
        .collect();
    level_dbfs(&active)
}

/// Adds noise (repeated as needed, from a random place) so that speech is `snr_db` above it.
///
/// Speech is measured where it is active, noise over its whole length. Silence stays silent: there
/// is no speech to be relative to.
pub fn add_noise(samples: &mut [i16], noise: &[i16], snr_db: f32, random: &mut Random) {
    let speech_db = active_level_dbfs(samples);
    let noise_db = level_dbfs(noise);
    if speech_db <= -99.0 || noise_db <= -99.0 {
        return;
    }
    let gain = factor(speech_db - snr_db - noise_db);
    let start = (random.next_u64() % noise.len() as u64) as usize;
    let endless = noise.iter().cycle().skip(start);
    for (sample, &noise) in samples.iter_mut().zip(endless) {
        *sample = limit(f32::from(*sample) + f32::from(noise) * gain);
    }
}

/// Noise to be mixed in.
#[derive(Debug, Clone, Copy)]
pub struct Noise<'a> {
    /// Its samples, repeated as needed.
    pub samples: &'a [i16],
    /// Their rate.
    pub rate: SampleRate,
    /// How far the speech lies above it.
    pub snr_db: f32,
}

/// A simulated way through the telephone network.
#[derive(Debug, Clone, Copy)]
pub struct PhoneChannel<'a> {
    /// Gain applied to the voice.
    pub gain_db: f32,
    /// Noise at the caller's place, if any.
    pub noise: Option<Noise<'a>>,
    /// Share of the 20 ms packets lost, 0..100.
    pub loss_percent: f32,
    /// Mean number of packets lost in a row, at least 1.
    pub burst_len: f32,
    /// The same seed gives the same channel.
    pub seed: u64,
}

impl Default for PhoneChannel<'_> {
    fn default() -> Self {
        Self { gain_db: 0.0, noise: None, loss_percent: 0.0, burst_len: 1.0, seed: 0 }
    }
}

/// Sends a voice through the telephone: 8 kHz, gain, noise, mu-law, lost packets concealed as our
/// own receiver does. Returns 8 kHz samples.
pub fn phone_channel(samples: &[i16], rate: SampleRate, channel: PhoneChannel<'_>) -> Vec<i16> {
    let mut random = Random::new(channel.seed);
    let mut voice = resample_whole(samples, rate, SampleRate::HZ_8000);
    apply_gain(&mut voice, channel.gain_db);
    if let Some(noise) = channel.noise {
        let at_8k = resample_whole(noise.samples, noise.rate, SampleRate::HZ_8000);
        add_noise(&mut voice, &at_8k, noise.snr_db, &mut random);
    }
    let mut loss = BurstLoss::new(channel.loss_percent, channel.burst_len);
    let mut concealer = Concealer::default();
    let mut out = Vec::with_capacity(voice.len());
    for packet in voice.chunks(PACKET_LEN) {
        if loss.next_is_lost(&mut random) {
            concealer.conceal(packet.len(), &mut out);
        } else {
            let mut heard = Law::Mu.decode(&Law::Mu.encode(packet));
            concealer.good(&mut heard);
            out.extend(heard);
        }
    }
    out
}

/// Two-state (Gilbert) loss: good and lost spells with geometric lengths.
#[derive(Debug, Clone)]
pub struct BurstLoss {
    enter: f64,
    leave: f64,
    lost: bool,
}

impl BurstLoss {
    /// Loses `loss_percent` of packets in the long run, in bursts of `burst_len` on average.
    pub fn new(loss_percent: f32, burst_len: f32) -> Self {
        let share = f64::from(loss_percent / 100.0).clamp(0.0, 1.0);
        let leave = if share >= 1.0 { 0.0 } else { 1.0 / f64::from(burst_len.max(1.0)) };
        let enter = if share >= 1.0 { 1.0 } else { (leave * share / (1.0 - share)).min(1.0) };
        Self { enter, leave, lost: false }
    }

    /// Whether the next packet is lost.
    pub fn next_is_lost(&mut self, random: &mut Random) -> bool {
        let draw = random.next_unit();
        self.lost = if self.lost { draw >= self.leave } else { draw < self.enter };
        self.lost
    }
}

fn factor(gain_db: f32) -> f32 {
    10f32.powf(gain_db / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;
    use std::time::Duration;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn talk() -> Vec<i16> {
        // A second of "speech", a second of pause.
        let mut samples =
            tone::tones(SampleRate::HZ_16000, &[200.0, 900.0], -18.0, Duration::from_secs(1));
        samples.resize(32_000, 0);
        samples
    }

    fn hiss() -> Vec<i16> {
        let mut random = Random::new(5);
        (0..16_000).map(|_| ((random.next_unit() - 0.5) * 8000.0) as i16).collect()
    }

    #[test]
    fn noise_lies_where_it_was_asked_for() {
        for snr_db in [0.0, 10.0, 20.0] {
            let noise = Some(Noise { samples: &hiss(), rate: RATE, snr_db });
            let channel = PhoneChannel { noise, seed: 3, ..PhoneChannel::default() };
            let out = phone_channel(&talk(), SampleRate::HZ_16000, channel);
            assert_eq!(out.len(), 16_000);
            let speech = active_level_dbfs(&resample_whole(&talk(), SampleRate::HZ_16000, RATE));
            let pause = level_dbfs(&out[9_000..]);
            assert!((speech - pause - snr_db).abs() < 1.0, "{speech} over {pause}, not {snr_db}");
        }
    }

    #[test]
    fn the_pause_does_not_lower_the_speech_level() {
        let speech = active_level_dbfs(&talk());
        assert!((speech - level_dbfs(&talk()[..16_000])).abs() < 0.3, "{speech}");
        assert_eq!(active_level_dbfs(&[0; 800]), -100.0);
    }

    #[test]
    fn the_same_seed_is_the_same_call() {
        let channel = |seed| {
            let channel =
                PhoneChannel { loss_percent: 10.0, burst_len: 2.0, seed, ..Default::default() };
            phone_channel(&talk(), SampleRate::HZ_16000, channel)
        };
        assert_eq!(channel(7), channel(7));
        assert_ne!(channel(7), channel(8));
    }

    #[test]
    fn losses_come_at_the_rate_and_in_the_bursts_asked_for() {
        for (percent, burst_len) in [(0.0, 1.0), (5.0, 1.0), (10.0, 3.0), (100.0, 2.0)] {
            let mut random = Random::new(11);
            let mut loss = BurstLoss::new(percent, burst_len);
            let lost: Vec<bool> = (0..100_000).map(|_| loss.next_is_lost(&mut random)).collect();
            let count = lost.iter().filter(|&&l| l).count();
            let got = count as f32 / 1000.0;
            assert!((got - percent).abs() < 0.8, "{got} % for {percent} %");
            let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            if bursts > 0 {
                let mean = count as f32 / bursts as f32;
                assert!((mean - burst_len).abs() < 0.25, "bursts of {mean}, not {burst_len}");
            }
        }
    }

    #[test]
    fn gain_is_exact_below_the_knee_and_never_clips_hard() {
        let mut samples = tone::sine(RATE, 1000.0, -26.0, Duration::from_millis(200));
        apply_gain(&mut samples, 6.0);
        assert!((tone::detect(&samples, RATE, 1000.0) + 20.0).abs() < 0.1);
        assert_eq!(limit(1234.4), 1234);
        assert!(limit(40_000.0) < 32_767 && limit(40_000.0) > 30_000);
        assert_eq!(limit(f32::INFINITY), 32_767);
        assert_eq!(limit(-1e9), -32_767);
    }

    #[test]
    fn a_clean_channel_is_mu_law_and_nothing_else() {
        let samples = tone::sine(RATE, 1000.0, -10.0, Duration::from_secs(1));
        let out = phone_channel(&samples, RATE, PhoneChannel::default());
        assert_eq!(out, Law::Mu.decode(&Law::Mu.encode(&samples)));
    }
}
