//! What is heard over our own speech, and what it is likely to be. A pure judge of sound: words come
//! later, if they come at all, and have the last say.
//!
//! It goes by how long the caller's own sound has lasted (an echo of ours is none of theirs), by how
//! much of it is voiced as speech is, and by how loud it is beside what the caller usually is.

use std::time::Duration;

use super::Sound;

/// How we give way to callers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BargeInConfig {
    /// The caller's own sound after which we speak more softly.
    pub duck_after: Duration,
    /// How much more softly, in dB.
    pub duck_db: f32,
    /// Speech over ours after which we pause.
    pub hold_after: Duration,
    /// Speech over ours after which we give up what we were saying, whatever its words are.
    pub commit_after: Duration,
    /// Once the caller is silent again: the longest that we pause for words that do not come.
    pub hold_max: Duration,
}

impl Default for BargeInConfig {
    fn default() -> Self {
        Self {
            duck_after: Duration::from_millis(96),
            duck_db: 14.0,
            hold_after: Duration::from_millis(224),
            commit_after: Duration::from_millis(1_000),
            hold_max: Duration::from_millis(2_000),
        }
    }
}

/// Nothing is made of less sound than this.
const SOUND_MIN: Duration = Duration::from_millis(96);

/// So much of it must be voiced for speech: a vowel takes at least about this long ...
const VOICED_MIN: Duration = Duration::from_millis(64);
/// ... and this share. Of what people say a third or more is, 5 dB above noise too; of a few short replies
/// in such noise no more than this.
const VOICED_SHARE_MIN: f32 = 0.15;

/// From here on too little voice means noise. Before, it may be the consonants that a word begins
/// with.
const NOISE_AFTER: Duration = Duration::from_millis(192);

/// From here on the level tells.
const LEVEL_AFTER: Duration = Duration::from_millis(128);

/// Somebody else in the room is more quiet than the caller by more than this: they are three times
/// as far from the telephone.
const ASIDE_DB: f32 = 8.0;

/// So much of what is voiced is hummed in a "mm-hm".
const HUM_SHARE_MIN: f32 = 0.8;

/// The quietest of the last seconds, by which noise is measured, lies below its mean.
const NOISE_MEAN_ABOVE_FLOOR: f32 = 1.4;

/// What is heard over our speech, as far as the sound tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likely {
    /// Too little of it has been heard.
    Unclear,
    /// Somebody who speaks to us.
    Speech,
    /// "Mm-hm", or what begins with one.
    Hum,
    /// Somebody else in the room, or the caller turned away.
    Aside,
    /// A cough, clatter, a gust of wind.
    Noise,
}

impl Likely {
    /// Whether its words must fit for us to take it as said to us.
    pub const fn is_doubtful(self) -> bool {
        matches!(self, Self::Aside | Self::Noise)
    }
}

/// A chunk in which both sides may be heard.
#[derive(Debug, Clone, Copy)]
pub struct OverlapChunk {
    /// The caller's own sound in the utterance, this chunk included: [`super::CallerShare::own`].
    pub own: Duration,
    /// How long the chunk lasts.
    pub length: Duration,
    /// Its level as it came, in dBFS.
    pub level_dbfs: f32,
    /// The level of the line's noise, in dBFS, if it is known.
    pub noise_dbfs: Option<f32>,
    /// What kind of sound it holds.
    pub sound: Sound,
}

/// Keeps count of what is heard over one stretch of our speech.
#[derive(Debug, Clone, Default)]
pub struct Intrusion {
    /// The caller's own sound of the utterance that was counted by now.
    counted: Duration,
    own: Duration,
    voiced: Duration,
    hummed: Duration,
    /// Since the caller's last own sound.
    quiet: Duration,
    /// Sum over chunks of the caller's own sound; full scale is 1.
    power: f32,
    chunks: f32,
}

impl Intrusion {
    /// Takes the next chunk.
    pub fn hear(&mut self, chunk: &OverlapChunk) {
        if chunk.own < self.counted {
            // Another utterance, or it was an echo after all.
            let less = self.counted - chunk.own;
            self.counted = chunk.own;
            self.own = self.own.saturating_sub(less);
            if chunk.own.is_zero() || self.own.is_zero() {
                *self = Self { counted: chunk.own, ..Self::default() };
            }
            return;
        }
        let more = chunk.own - self.counted;
        self.counted = chunk.own;
        if more.is_zero() {
            self.quiet += chunk.length;
            return;
        }
        self.quiet = Duration::ZERO;
        self.own += more;
        match chunk.sound {
            // Where nothing can be measured, the voice-activity model is believed.
            Sound::Voice | Sound::Nothing => self.voiced += more,
            Sound::Hum => {
                self.voiced += more;
                self.hummed += more;
            }
            Sound::Noise => {}
        }
        let power = |dbfs: f32| 10_f32.powf(dbfs / 10.0);
        let noise = chunk.noise_dbfs.map_or(0.0, |dbfs| power(dbfs) * NOISE_MEAN_ABOVE_FLOOR);
        self.power += (power(chunk.level_dbfs) - noise).max(0.0);
        self.chunks += 1.0;
    }

    /// Begins anew within an utterance: what was heard by now is settled.
    pub fn settle(&mut self) {
        *self = Self { counted: self.counted, ..Self::default() };
    }

    /// For how long the caller's own sound has lasted.
    pub const fn own(&self) -> Duration {
        self.own
    }

    /// For how long the caller has been silent since.
    pub const fn quiet(&self) -> Duration {
        self.quiet
    }

    /// What it is likely to be, beside how loud this caller usually is.
    pub fn likely(&self, usual_dbfs: Option<f32>) -> Likely {
        if self.own < SOUND_MIN {
            return Likely::Unclear;
        }
        let share = self.own.mul_f32(VOICED_SHARE_MIN);
        if self.voiced < VOICED_MIN.max(share) {
            return if self.own < NOISE_AFTER { Likely::Unclear } else { Likely::Noise };
        }
        if self.own >= LEVEL_AFTER
            && let (Some(usual), Some(level)) = (usual_dbfs, self.level_dbfs())
            && level < usual - ASIDE_DB
        {
            return Likely::Aside;
        }
        if self.hummed >= self.voiced.mul_f32(HUM_SHARE_MIN) {
            return Likely::Hum;
        }
        Likely::Speech
    }

    /// The mean level of the caller's own sound above the noise, in dBFS.
    fn level_dbfs(&self) -> Option<f32> {
        (self.chunks > 0.0).then(|| 10.0 * (self.power / self.chunks).max(1e-10).log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Duration = Duration::from_millis(32);

    /// An intrusion of these chunks, at a level over a line with noise at -60 dBFS.
    fn heard(sounds: &[(Sound, u32)], level_dbfs: f32) -> Intrusion {
        let mut intrusion = Intrusion::default();
        let mut own = Duration::ZERO;
        for &(sound, chunks) in sounds {
            for _ in 0..chunks {
                own += CHUNK;
                intrusion.hear(&chunk(own, sound, level_dbfs));
            }
        }
        intrusion
    }

    fn chunk(own: Duration, sound: Sound, level_dbfs: f32) -> OverlapChunk {
        OverlapChunk { own, length: CHUNK, level_dbfs, noise_dbfs: Some(-60.0), sound }
    }

    #[test]
    fn speech_hums_coughs_and_others_in_the_room_are_told_apart() {
        use Sound::{Hum, Noise, Nothing, Voice};
        let usual = Some(-24.0);
        for (sounds, level, likely) in [
            (&[(Voice, 2)][..], -24.0, Likely::Unclear),
            (&[(Noise, 4)], -24.0, Likely::Unclear),
            (&[(Noise, 3), (Voice, 3)], -24.0, Likely::Speech),
            (&[(Nothing, 10)], -24.0, Likely::Speech),
            (&[(Hum, 8), (Voice, 1)], -24.0, Likely::Hum),
            (&[(Hum, 6), (Voice, 4)], -24.0, Likely::Speech),
            (&[(Noise, 8)], -10.0, Likely::Noise),
            (&[(Noise, 9), (Voice, 1)], -24.0, Likely::Noise),
            (&[(Voice, 8)], -36.0, Likely::Aside),
            (&[(Voice, 8)], -30.0, Likely::Speech),
        ] {
            let intrusion = heard(sounds, level);
            assert_eq!(intrusion.likely(usual), likely, "{sounds:?} at {level}");
        }
        assert_eq!(heard(&[(Voice, 8)], -36.0).likely(None), Likely::Speech, "usual level unknown");
    }

    #[test]
    fn noise_does_not_make_somebody_louder() {
        let mut intrusion = Intrusion::default();
        for n in 1..9 {
            // A voice at -34 dBFS in noise at -30.
            let chunk = OverlapChunk {
                own: CHUNK * n,
                length: CHUNK,
                level_dbfs: -28.5,
                noise_dbfs: Some(-31.5),
                sound: Sound::Voice,
            };
            intrusion.hear(&chunk);
        }
        assert_eq!(intrusion.likely(Some(-22.0)), Likely::Aside);
    }

    #[test]
    fn an_echo_takes_back_what_it_seemed_to_be() {
        let mut intrusion = heard(&[(Sound::Voice, 4)], -24.0);
        intrusion.hear(&chunk(3 * CHUNK, Sound::Voice, -24.0));
        assert_eq!(intrusion.own(), 3 * CHUNK);
        intrusion.hear(&chunk(Duration::ZERO, Sound::Voice, -24.0));
        assert_eq!((intrusion.own(), intrusion.likely(None)), (Duration::ZERO, Likely::Unclear));
    }

    #[test]
    fn what_is_settled_does_not_count_again() {
        let mut intrusion = heard(&[(Sound::Voice, 10)], -24.0);
        intrusion.hear(&chunk(10 * CHUNK, Sound::Noise, -60.0));
        assert_eq!((intrusion.own(), intrusion.quiet()), (10 * CHUNK, CHUNK));
        intrusion.settle();
        intrusion.hear(&chunk(11 * CHUNK, Sound::Voice, -24.0));
        assert_eq!((intrusion.own(), intrusion.quiet()), (CHUNK, Duration::ZERO));
    }
}
