//! What callers do while we speak: drawn from recordings by a seed.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::audio::mix::{active_level_dbfs, apply_gain};
use crate::audio::{Random, SampleRate, level_dbfs, resample_whole};
use crate::cli::eval::channel::{Recording, white_noise};
use crate::cli::eval::manifest::{Row, parse_manifest, read_row};
use crate::nlu::spoken::is_backchannel;

/// How loud a caller is before anything is drawn: P.56's nominal level.
const CALLER_DBFS: f32 = -26.0;

/// A caller's own words vary by so much, in dB, from one utterance to the next.
const CALLER_VARIES_DB: f32 = 3.0;

/// Others in the room are more quiet than the caller by so much, in dB.
const ASIDE_BELOW_DB: (f32, f32) = (10.0, 14.0);

/// Coughs and clatter beside the caller's voice, in dB.
const BURST_ABOVE_DB: (f32, f32) = (-3.0, 6.0);

/// Longer recordings are left out: nobody talks for so long over somebody who goes on.
const SAID_MAX_S: f64 = 6.0;

/// Others in the room say more than a word.
const ASIDE_MIN_S: f64 = 1.2;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Words that are meant for us: we should be silent.
    Interruption,
    /// "Yes", "okay": we should go on.
    Backchannel,
    /// Short bursts, as of a cough: we should go on.
    Burst,
    /// A tap is turned on, dishes are done: we should go on.
    Noise,
    /// Somebody else in the room: we should go on.
    Aside,
    /// Nobody says anything, and the telephone returns our own voice: we should go on.
    Echo,
}

impl Kind {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Interruption, Self::Backchannel, Self::Burst, Self::Noise, Self::Aside, Self::Echo];

    /// How they follow each other: a third are interruptions.
    const ROUND: [Self; 12] = [
        Self::Interruption,
        Self::Backchannel,
        Self::Burst,
        Self::Aside,
        Self::Interruption,
        Self::Noise,
        Self::Interruption,
        Self::Backchannel,
        Self::Burst,
        Self::Aside,
        Self::Interruption,
        Self::Echo,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Interruption => "interruption",
            Self::Backchannel => "backchannel",
            Self::Burst => "burst (cough-like)",
            Self::Noise => "noise",
            Self::Aside => "side talk",
            Self::Echo => "our own echo",
        }
    }

    /// Which share should go right, in percent.
    pub const fn aim(self) -> f64 {
        match self {
            Self::Interruption => 95.0,
            Self::Backchannel | Self::Burst | Self::Noise | Self::Echo => 90.0,
            Self::Aside => 70.0,
        }
    }
}

/// How far the caller lies above the line's noise, in dB.
const SNRS_DB: [f32; 3] = [20.0, 10.0, 5.0];

/// What happens in one call.
pub(super) struct Event {
    pub kind: Kind,
    /// Which recording it is, and how it was made if it is none.
    pub name: String,
    pub words: String,
    pub snr_db: f32,
    /// What the caller says first, by which we know how loud they are: 8 kHz.
    pub opening: Vec<i16>,
    /// What happens then.
    pub sound: Vec<i16>,
    /// Where in it the first sound is.
    pub onset: usize,
    /// When it happens, as a share of what we say: 0 to 1.
    pub moment: f64,
    /// The noise behind all of it.
    pub noise: usize,
    pub seed: u64,
}

/// A recording and what is known of it.
struct Clip {
    name: String,
    words: String,
    speaker: String,
    samples: Vec<i16>,
}

impl Clip {
    fn seconds(&self) -> f64 {
        self.samples.len() as f64 / 8_000.0
    }
}

/// All recordings, by what they are good for.
pub(super) struct Recordings {
    interruptions: Vec<Clip>,
    backchannels: Vec<Clip>,
    pub noises: Vec<Recording>,
    noise_names: Vec<String>,
}

impl Recordings {
    /// Reads a list (columns path, transcript and kind, and speaker where it is known). What only shows
    /// that somebody listens is a backchannel; `noise` is noise; all other words are interruptions.
    ///
    /// # Errors
    /// The list or a recording cannot be used, or there is none of a kind that is needed.
    pub fn read(list: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(list).with_context(|| {
            format!(
                "cannot read the list of recordings {}; name one with --recordings",
                list.display()
            )
        })?;
        let folder = list.parent().unwrap_or(Path::new(""));
        let mut found = Self {
            interruptions: Vec::new(),
            backchannels: Vec::new(),
            noises: Vec::new(),
            noise_names: Vec::new(),
        };
        for row in parse_manifest(&text, list)? {
            if row.kind == "noise" {
                found.noises.push(read_row(folder, &row)?);
                found.noise_names.push(row.path.clone());
            } else if row.has_words() {
                found.add(folder, &row)?;
            }
        }
        if found.noises.is_empty() {
            found.noises.push(white_noise(1));
            found.noise_names.push("white noise".to_owned());
        }
        for (what, clips) in [
            ("interruption", &found.interruptions),
            ("backchannel, such as \"yes\"", &found.backchannels),
        ] {
            if clips.is_empty() {
                bail!("{}: no recording is an {what}. Add one to the list", list.display());
            }
        }
        Ok(found)
    }

    fn add(&mut self, folder: &Path, row: &Row) -> anyhow::Result<()> {
        let (rate, samples) = read_row(folder, row)?;
        let samples = resample_whole(&samples, rate, SampleRate::HZ_8000);
        let clip = Clip {
            name: row.path.clone(),
            words: row.transcript.to_lowercase(),
            speaker: row.speaker.clone(),
            samples: at_level(&samples, CALLER_DBFS),
        };
        if clip.seconds() > SAID_MAX_S || clip.seconds() < 0.15 {
            return Ok(());
        }
        if is_backchannel(&clip.words) {
            self.backchannels.push(clip);
        } else {
            self.interruptions.push(clip);
        }
        Ok(())
    }

    /// How many different recordings there are: interruptions, backchannels and noises.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.interruptions.len(), self.backchannels.len(), self.noises.len())
    }

    /// What happens in the call of this number.
    pub fn event(&self, number: usize, seed: u64) -> Event {
        let seed = seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = Random::new(seed);
        let kind = Kind::ROUND[number % Kind::ROUND.len()];
        let snr_db = SNRS_DB[number / Kind::ROUND.len() % SNRS_DB.len()];
        let noise = pick(&mut random, self.noises.len());
        let Made { name, words, speaker, sound } = self.make(kind, &mut random);
        let opening = self.opening(kind, &speaker, &name, &mut random);
        let onset = first_sound(&sound);
        let moment = random.next_unit();
        Event { kind, name, words, snr_db, opening, sound, onset, moment, noise, seed }
    }

    fn make(&self, kind: Kind, random: &mut Random) -> Made {
        match kind {
            Kind::Interruption => spoken(&self.interruptions, random, caller_gain_db),
            Kind::Backchannel => spoken(&self.backchannels, random, caller_gain_db),
            Kind::Aside => {
                let below = |random: &mut Random| -between(random, ASIDE_BELOW_DB);
                let long = self.interruptions.iter().filter(|clip| clip.seconds() >= ASIDE_MIN_S);
                let long: Vec<&Clip> = long.collect();
                match long.get(pick(random, long.len())) {
                    Some(clip) => said(clip, below(random)),
                    None => spoken(&self.interruptions, random, below),
                }
            }
            Kind::Burst | Kind::Noise => self.noise(kind, random),
            Kind::Echo => Made::default(),
        }
    }

    fn noise(&self, kind: Kind, random: &mut Random) -> Made {
        let at = pick(random, self.noises.len());
        let (rate, samples) = &self.noises[at];
        let recorded = resample_whole(samples, *rate, SampleRate::HZ_8000);
        let level = CALLER_DBFS + between(random, BURST_ABOVE_DB);
        let sound = if kind == Kind::Burst {
            burst(&recorded, level, random)
        } else {
            let len = (between(random, (0.6, 2.5)) * 8_000.0) as usize;
            let mut sound = slice(&recorded, len, random);
            set_level(&mut sound, level);
            shape(&mut sound, 240, |left| (left / 400.0).min(1.0));
            sound
        };
        Made { name: self.noise_names[at].clone(), sound, ..Made::default() }
    }

    /// What the caller said before: something of their own, or of anybody where it was not they who
    /// made the sound.
    fn opening(&self, kind: Kind, speaker: &str, name: &str, random: &mut Random) -> Vec<i16> {
        let is_theirs = matches!(kind, Kind::Interruption | Kind::Backchannel);
        let fits = |clip: &&Clip| {
            let same = clip.speaker == speaker && !speaker.is_empty();
            clip.name != name && clip.seconds() >= 0.8 && (same == is_theirs || speaker.is_empty())
        };
        let fitting: Vec<&Clip> = self.interruptions.iter().filter(fits).collect();
        let any = &self.interruptions[pick(random, self.interruptions.len())];
        let clip = fitting.get(pick(random, fitting.len())).copied().unwrap_or(any);
        clip.samples.clone()
    }
}

/// A sound, not yet in a call.
#[derive(Default)]
struct Made {
    name: String,
    words: String,
    speaker: String,
    sound: Vec<i16>,
}

fn caller_gain_db(random: &mut Random) -> f32 {
    between(random, (-CALLER_VARIES_DB, CALLER_VARIES_DB))
}

fn spoken(clips: &[Clip], random: &mut Random, gain_db: impl Fn(&mut Random) -> f32) -> Made {
    let clip = &clips[pick(random, clips.len())];
    said(clip, gain_db(random))
}

fn said(clip: &Clip, gain_db: f32) -> Made {
    let mut sound = clip.samples.clone();
    apply_gain(&mut sound, gain_db);
    Made {
        name: clip.name.clone(),
        words: clip.words.clone(),
        speaker: clip.speaker.clone(),
        sound,
    }
}

/// One to three bursts of noise that begin suddenly and die away, as a cough or a knock does.
fn burst(recorded: &[i16], level_dbfs: f32, random: &mut Random) -> Vec<i16> {
    let count = 1 + pick(random, 3);
    let mut all = Vec::new();
    for _ in 0..count {
        let len = (between(random, (0.12, 0.35)) * 8_000.0) as usize;
        let mut one = slice(recorded, len, random);
        let total = one.len() as f32;
        shape(&mut one, 80, |left| (-(1.0 - left / total) * 3.0).exp());
        set_level(&mut one, level_dbfs);
        all.extend(one);
        let gap = (between(random, (0.08, 0.25)) * 8_000.0) as usize;
        all.extend(std::iter::repeat_n(0, gap));
    }
    all
}

/// Fades in over so many samples, and goes by what is left of it.
fn shape(sound: &mut [i16], attack: usize, gain: impl Fn(f32) -> f32) {
    let len = sound.len();
    for (n, sample) in sound.iter_mut().enumerate() {
        let rise = (n as f32 / attack as f32).min(1.0);
        *sample = (f32::from(*sample) * rise * gain((len - n) as f32)) as i16;
    }
}

fn slice(recorded: &[i16], len: usize, random: &mut Random) -> Vec<i16> {
    let from = pick(random, recorded.len().saturating_sub(len));
    recorded.iter().cycle().skip(from).take(len).copied().collect()
}

fn at_level(samples: &[i16], level_dbfs: f32) -> Vec<i16> {
    let mut samples = samples.to_vec();
    let gain_db = level_dbfs - active_level_dbfs(&samples);
    apply_gain(&mut samples, gain_db);
    samples
}

fn set_level(sound: &mut [i16], dbfs: f32) {
    let gain_db = dbfs - level_dbfs(sound);
    apply_gain(sound, gain_db);
}

/// The first 10 ms that are not far more quiet than the loudest.
fn first_sound(sound: &[i16]) -> usize {
    const STEP: usize = 80;
    const BELOW_DB: f32 = 26.0;
    let levels: Vec<f32> = sound.chunks(STEP).map(level_dbfs).collect();
    let loudest = levels.iter().copied().fold(-100.0, f32::max);
    levels.iter().position(|level| *level > loudest - BELOW_DB).unwrap_or(0) * STEP
}

fn pick(random: &mut Random, count: usize) -> usize {
    (random.next_u64() % count.max(1) as u64) as usize
}

fn between(random: &mut Random, (low, high): (f32, f32)) -> f32 {
    low + random.next_unit() as f32 * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::recordings::DEFAULT_LIST;

    fn recordings() -> Recordings {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_LIST);
        Recordings::read(&list).expect("the recordings of this checkout")
    }

    #[test]
    fn the_recordings_of_this_checkout_give_events_of_every_kind_and_level() {
        let recordings = recordings();
        let (interruptions, backchannels, noises) = recordings.counts();
        assert!(interruptions >= 4 && backchannels >= 1 && noises >= 1);
        let events: Vec<Event> = (0..36).map(|number| recordings.event(number, 1)).collect();
        for kind in Kind::ALL {
            let of_kind: Vec<&Event> = events.iter().filter(|event| event.kind == kind).collect();
            for snr_db in SNRS_DB {
                assert!(of_kind.iter().any(|event| event.snr_db == snr_db), "{kind:?} {snr_db}");
            }
            let is_silent = |event: &&&Event| event.sound.is_empty();
            assert_eq!(of_kind.iter().filter(is_silent).count() > 0, kind == Kind::Echo);
        }
        for event in events.iter().filter(|event| event.kind == Kind::Backchannel) {
            assert!(is_backchannel(&event.words), "{}", event.words);
        }
    }

    #[test]
    fn a_seed_gives_the_same_events_again_and_another_seed_others() {
        let recordings = recordings();
        let sounds = |seed| -> Vec<Vec<i16>> {
            (0..12).map(|number| recordings.event(number, seed).sound).collect()
        };
        assert_eq!(sounds(1), sounds(1));
        assert_ne!(sounds(1), sounds(2));
    }

    #[test]
    fn the_onset_is_where_the_sound_begins() {
        let mut sound = vec![3; 800];
        sound.extend([4_000, -4_000].repeat(400));
        assert_eq!(first_sound(&sound), 800);
        assert_eq!(first_sound(&[]), 0);
    }
}
