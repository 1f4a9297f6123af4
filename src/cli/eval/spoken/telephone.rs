//! The caller's end of a telephone line on simulated time: voice and noise in mu-law packets, of
//! which some are lost, through our own RTP receiver.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::super::channel::{BURST_LEN, GAIN_DB, LOSS_PERCENT, Recording, between};
use crate::audio::mix::{BurstLoss, active_level_dbfs, apply_gain, limit};
use crate::audio::{AudioFrame, Codec, Random, SampleRate, level_dbfs, resample_whole};
use crate::rtp::{FRAME_LEN, PayloadTypes, Receiver, RtpEvent, Sender};

/// What every telephone offers: mu-law and telephone-events.
const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Pcmu, 0, Some(101));

/// How long a key is held.
const KEY_HELD_MS: u32 = 100;

/// The usual level of a voice, for a caller who never says anything.
const USUAL_LEVEL_DBFS: f32 = -26.0;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Gain of the voice.
    pub gain_db: f32,
    /// How far the voice lies above the noise.
    pub snr_db: f32,
    /// Share of the packets that are lost.
    pub loss_percent: f32,
    /// Decides which packets those are, and where in its recording the noise begins.
    pub seed: u64,
}

impl Conditions {
    /// Those of the reference channel, with noise this far below the voice.
    pub fn draw(random: &mut Random, snr_db: f32) -> Self {
        Self {
            gain_db: between(random, &GAIN_DB),
            snr_db,
            loss_percent: between(random, &LOSS_PERCENT),
            seed: random.next_u64(),
        }
    }
}

/// What comes out at the other end in 20 ms.
pub struct Carried {
    /// The sound, as our receiver gives it.
    pub frame: AudioFrame,
    /// Keys that were let go.
    pub keys: Vec<char>,
}

/// A line and both of its ends.
pub struct Telephone {
    gain_db: f32,
    /// At 8 kHz and at its level.
    noise: Vec<i16>,
    noise_at: usize,
    sender: Sender,
    loss: BurstLoss,
    random: Random,
    receiver: Receiver,
}

impl Telephone {
    /// A line for somebody who will say this (8 kHz). The noise lies where it does for the whole
    /// call, whoever speaks.
    pub fn new(conditions: Conditions, said: &[i16], (rate, noise): &Recording) -> Self {
        let Conditions { gain_db, snr_db, loss_percent, seed } = conditions;
        let mut random = Random::new(seed);
        let mut voice = said.to_vec();
        apply_gain(&mut voice, gain_db);
        let level_dbfs_of_voice = match active_level_dbfs(&voice) {
            level if level > -99.0 => level,
            _ => USUAL_LEVEL_DBFS + gain_db,
        };
        let mut noise = resample_whole(noise, *rate, SampleRate::HZ_8000);
        let gain_of_noise_db = level_dbfs_of_voice - snr_db - level_dbfs(&noise);
        apply_gain(&mut noise, gain_of_noise_db);
        let noise_at = (random.next_u64() % noise.len().max(1) as u64) as usize;
        Self {
            gain_db,
            noise,
            noise_at,
            sender: Sender::new(TYPES, random.next_u64()),
            loss: BurstLoss::new(loss_percent, BURST_LEN),
            random,
            receiver: Receiver::new(TYPES),
        }
    }

    /// Presses a key: the next frames carry it.
    ///
    /// # Errors
    /// It is no key.
    pub fn press(&mut self, key: char) -> anyhow::Result<()> {
        self.sender.queue_digit(key, KEY_HELD_MS).with_context(|| format!("cannot press {key}"))
    }

    /// 20 ms: what the caller says goes in, if they do, and what our receiver makes of the line
    /// comes out.
    pub fn carry(&mut self, now: Instant, speech: Option<&[i16]>) -> Carried {
        let mut samples = [0_i16; FRAME_LEN];
        if let Some(speech) = speech {
            let len = speech.len().min(FRAME_LEN);
            samples[..len].copy_from_slice(&speech[..len]);
            apply_gain(&mut samples, self.gain_db);
        }
        for sample in &mut samples {
            *sample = limit(f32::from(*sample) + f32::from(self.next_noise()));
        }
        let mut keys = Vec::new();
        for datagram in self.sender.tick(Some(&samples)) {
            if self.loss.next_is_lost(&mut self.random) {
                continue;
            }
            // What the receiver refuses it counts, as on any line.
            if let Ok(Some(RtpEvent::Digit { digit, .. })) =
                self.receiver.handle_packet(now, &datagram)
            {
                keys.push(digit.into_inner());
            }
        }
        let frame = self.receiver.pull(now).into_frame();
        while let Some(RtpEvent::Digit { digit, .. }) = self.receiver.poll_event(now) {
            keys.push(digit.into_inner());
        }
        Carried { frame, keys }
    }

    /// How long sound waits in the jitter buffer.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.receiver.stats().delay_ms)
    }

    fn next_noise(&mut self) -> i16 {
        let noise = self.noise.get(self.noise_at).copied().unwrap_or(0);
        self.noise_at = (self.noise_at + 1) % self.noise.len().max(1);
        noise
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::channel::white_noise;
    use super::*;
    use crate::audio::tone;

    const FRAME: Duration = Duration::from_millis(20);

    fn conditions(snr_db: f32, loss_percent: f32, seed: u64) -> Conditions {
        Conditions { gain_db: -3.0, snr_db, loss_percent, seed }
    }

    fn voice() -> Vec<i16> {
        let second = Duration::from_secs(1);
        tone::tones(SampleRate::HZ_8000, &[200.0, 900.0], -18.0, second)
    }

    /// What is heard of a second of voice and two seconds of pause, and of these keys after them.
    fn call(conditions: Conditions, keys: &str) -> (Vec<i16>, String) {
        let voice = voice();
        let mut telephone = Telephone::new(conditions, &voice, &white_noise(1));
        let mut now = Instant::now();
        let (mut heard, mut pressed) = (Vec::new(), String::new());
        let mut listen = |telephone: &mut Telephone, speech: Option<&[i16]>| {
            now += FRAME;
            let carried = telephone.carry(now, speech);
            pressed.extend(carried.keys);
            heard.extend(carried.frame.samples);
        };
        for frame in voice.chunks(FRAME_LEN) {
            listen(&mut telephone, Some(frame));
        }
        for _ in 0..100 {
            listen(&mut telephone, None);
        }
        for key in keys.chars() {
            telephone.press(key).expect("a key");
            for _ in 0..12 {
                listen(&mut telephone, None);
            }
        }
        for _ in 0..10 {
            listen(&mut telephone, None);
        }
        (heard, pressed)
    }

    #[test]
    fn the_noise_lies_where_it_was_asked_for_and_never_stops() {
        for snr_db in [5.0, 10.0, 20.0] {
            let (heard, _) = call(conditions(snr_db, 0.0, 7), "");
            let mut spoken = voice();
            apply_gain(&mut spoken, -3.0);
            let speech = level_dbfs(&spoken);
            // The jitter buffer delays everything by a few frames.
            let pause = level_dbfs(&heard[8_000 + 10 * FRAME_LEN..23_000]);
            let found = speech - pause;
            assert!((found - snr_db).abs() < 0.5, "{found} dB, not {snr_db}");
        }
    }

    #[test]
    fn the_same_seed_is_the_same_line() {
        let heard = |seed| call(conditions(10.0, 10.0, seed), "").0;
        assert_eq!(heard(3), heard(3));
        assert_ne!(heard(3), heard(4));
    }

    #[test]
    fn keys_arrive_once_each_even_where_packets_are_lost() {
        assert_eq!(call(conditions(20.0, 0.0, 1), "12#0").1, "12#0");
        assert_eq!(call(conditions(20.0, 3.0, 1), "5678").1, "5678");
        let mut telephone = Telephone::new(conditions(20.0, 0.0, 1), &[], &white_noise(1));
        assert!(telephone.press('x').is_err());
    }

    #[test]
    fn the_reference_channel_is_drawn_from_the_seed() {
        let draw = |seed| Conditions::draw(&mut Random::new(seed), 12.0);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!((-6.0..6.0).contains(&draw(5).gain_db));
    }
}
