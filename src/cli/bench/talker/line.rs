//! The caller's way into the network: their voice in RTP packets over a line that is not perfect.

use crate::audio::mix::{BurstLoss, apply_gain, limit};
use crate::audio::{Random, SampleRate, level_dbfs, resample_whole};
use crate::rtp::{FRAME_LEN, PayloadTypes, SendError, Sender};

/// Packets lost in a row, on average, as on the reference channel.
const BURST_LEN: f32 = 2.0;

/// A usual level of a voice, which noise is measured against.
const VOICE_DBFS: f32 = -26.0;

/// How a line is. The default is a perfect one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// Gain of the voice in dB.
    pub gain_db: f32,
    /// Noise at the caller's place, at 8 kHz and at its level; it goes on all the time.
    noise: Vec<i16>,
    /// Share of the packets that are lost on their way to the front door, 0 to 100.
    pub loss_percent: f32,
    /// Decides which packets those are, and where in its recording the noise begins.
    pub seed: u64,
}

impl Conditions {
    /// A clean line that loses this share of the packets, 0 to 100.
    pub fn losing(loss_percent: f32, seed: u64) -> Self {
        Self { loss_percent, seed, ..Self::default() }
    }

    /// Adds noise so that a voice of a usual level (-26 dBFS), after the gain, lies this far above
    /// it. Noise without sound adds nothing.
    pub fn with_noise(mut self, rate: SampleRate, samples: &[i16], snr_db: f32) -> Self {
        let mut noise = resample_whole(samples, rate, SampleRate::HZ_8000);
        let level = level_dbfs(&noise);
        if level <= -99.0 {
            noise.clear();
        }
        apply_gain(&mut noise, VOICE_DBFS + self.gain_db - snr_db - level);
        self.noise = noise;
        self
    }
}

/// The sending side of a talker.
pub(super) struct Mouth {
    sender: Sender,
    gain_db: f32,
    noise: Vec<i16>,
    noise_at: usize,
    loss: BurstLoss,
    random: Random,
}

impl Mouth {
    /// One that has said nothing.
    pub fn new(types: PayloadTypes, conditions: &Conditions) -> Self {
        let mut random = Random::new(conditions.seed);
        let noise_at = random.next_u64() % conditions.noise.len().max(1) as u64;
        Self {
            sender: Sender::new(types, random.next_u64()),
            gain_db: conditions.gain_db,
            noise: conditions.noise.clone(),
            noise_at: noise_at as usize,
            loss: BurstLoss::new(conditions.loss_percent, BURST_LEN),
            random,
        }
    }

    /// The next 20 ms: speech, if there is any, over the noise. Gives what is to be sent.
    pub fn frame(&mut self, speech: Option<&[i16]>) -> Vec<Vec<u8>> {
        let mut samples = [0_i16; FRAME_LEN];
        if let Some(speech) = speech {
            let len = speech.len().min(FRAME_LEN);
            samples[..len].copy_from_slice(&speech[..len]);
            apply_gain(&mut samples, self.gain_db);
        }
        for sample in &mut samples {
            let noise = self.noise.get(self.noise_at).copied().unwrap_or(0);
            self.noise_at = (self.noise_at + 1) % self.noise.len().max(1);
            *sample = limit(f32::from(*sample) + f32::from(noise));
        }
        let mut datagrams = self.sender.tick(Some(&samples));
        datagrams.retain(|_| !self.loss.next_is_lost(&mut self.random));
        datagrams
    }

    /// Presses a key: the next frames carry it.
    pub fn press(&mut self, key: char, held_ms: u32) -> Result<(), SendError> {
        self.sender.queue_digit(key, held_ms)
    }

    /// Whether a key is still to be sent.
    pub fn is_pressing(&self) -> bool {
        self.sender.is_sending_digits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Codec, Law};
    use crate::rtp::parse_packet;

    const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Pcmu, 0, Some(101));

    fn level_of(datagrams: &[Vec<u8>]) -> f32 {
        let packet = parse_packet(&datagrams[0]).expect("a packet");
        level_dbfs(&Law::Mu.decode(packet.payload))
    }

    #[test]
    fn noise_lies_below_the_voice_as_asked_for() {
        let noise = [1_000, -1_000].repeat(4_000);
        let quiet = Conditions { gain_db: -6.0, ..Conditions::default() };
        let conditions = quiet.with_noise(SampleRate::HZ_8000, &noise, 10.0);
        let mut mouth = Mouth::new(TYPES, &conditions);
        let level = level_of(&mouth.frame(None));
        assert!((level - (-26.0 - 6.0 - 10.0)).abs() < 1.0, "{level}");
        let silent = Conditions::default().with_noise(SampleRate::HZ_8000, &[0; 800], 10.0);
        assert!(level_of(&Mouth::new(TYPES, &silent).frame(None)) < -70.0);
    }

    #[test]
    fn the_same_seed_loses_the_same_packets() {
        let sent = |seed| {
            let conditions = Conditions { loss_percent: 10.0, seed, ..Conditions::default() };
            let mut mouth = Mouth::new(TYPES, &conditions);
            (0..1_000).map(|_| mouth.frame(None).len()).collect::<Vec<usize>>()
        };
        assert_eq!(sent(1), sent(1));
        assert_ne!(sent(1), sent(2));
        let came: usize = sent(1).iter().sum();
        assert!((850..950).contains(&came), "{came}");
    }

    #[test]
    fn a_key_is_sent_until_it_is_let_go() {
        let mut mouth = Mouth::new(TYPES, &Conditions::default());
        mouth.press('7', 100).expect("a key");
        let mut events = 0;
        while mouth.is_pressing() {
            let datagrams = mouth.frame(None);
            let is_event = |bytes: &&Vec<u8>| {
                parse_packet(bytes).is_ok_and(|packet| packet.payload_type == 101)
            };
            events += datagrams.iter().filter(is_event).count();
            assert!(events < 100, "it is let go");
        }
        assert!(events >= 5, "{events}");
        assert!(mouth.press('x', 100).is_err());
    }
}
