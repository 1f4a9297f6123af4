//! Music for callers who wait: a slow arpeggio over soft chords, made here from sines. It is well
//! below the level of speech, and ends where it begins.

use std::f64::consts::{PI, TAU};
use std::sync::{Arc, OnceLock};

use super::SampleRate;

/// The rate of the music.
pub const RATE: SampleRate = SampleRate::HZ_8000;

/// Peak level. Speech peaks 15 to 20 dB above it.
const PEAK_DBFS: f64 = -22.0;

/// From note to note of the arpeggio.
const STEP_S: f64 = 0.5;

/// Notes in a chord; a chord lasts so many steps.
const CHORD_STEPS: usize = 6;

/// The chords, as MIDI notes: 60 is the C of 262 Hz. All of it lies in the telephone's band.
const CHORDS: [[u8; 4]; 8] = [
    [60, 64, 67, 71],
    [57, 64, 67, 72],
    [65, 69, 72, 76],
    [62, 67, 71, 74],
    [60, 64, 67, 74],
    [64, 67, 71, 76],
    [57, 65, 69, 72],
    [62, 65, 67, 71],
];

/// In which order the notes of a chord are played.
const ORDER: [usize; CHORD_STEPS] = [0, 1, 2, 3, 2, 1];

/// Overtones of a plucked note, with their strength.
const PLUCKED: [(f64, f64); 3] = [(1.0, 1.0), (2.0, 0.28), (3.0, 0.07)];

/// How fast a plucked note dies away.
const DECAY_S: f64 = 0.9;

/// How long it is followed.
const RING_S: f64 = 3.5;

/// How softly it begins.
const ATTACK_S: f64 = 0.012;

/// Strength of the chord below the arpeggio, and how far it reaches into its neighbours.
const PAD: f64 = 0.16;
const PAD_OVERLAP_S: f64 = 1.2;

/// The music, at [`RATE`]: to be played over and over. Made once.
pub fn hold_music() -> Arc<[i16]> {
    static MUSIC: OnceLock<Arc<[i16]>> = OnceLock::new();
    Arc::clone(MUSIC.get_or_init(|| compose().into()))
}

fn compose() -> Vec<i16> {
    let chord_s = STEP_S * CHORD_STEPS as f64;
    let mut sound = vec![0.0; samples(chord_s * CHORDS.len() as f64)];
    for (nth, chord) in CHORDS.iter().enumerate() {
        let begin_s = chord_s * nth as f64;
        for note in chord {
            let length_s = chord_s + 2.0 * PAD_OVERLAP_S;
            let start = begin_s - PAD_OVERLAP_S;
            let swell = |at_s: f64| {
                let edge = (at_s.min(length_s - at_s) / (2.0 * PAD_OVERLAP_S)).clamp(0.0, 1.0);
                PAD * (0.5 - 0.5 * (PI * edge).cos())
            };
            add(&mut sound, start, length_s, hertz(*note), &swell);
        }
        for (step, index) in ORDER.iter().enumerate() {
            let pluck = |at_s: f64| {
                let attack = (at_s / ATTACK_S).min(1.0);
                let release = ((RING_S - at_s) / 0.1).clamp(0.0, 1.0);
                (0.5 - 0.5 * (PI * attack).cos()) * release * (-at_s / DECAY_S).exp()
            };
            let start = begin_s + STEP_S * step as f64;
            for (overtone, strength) in PLUCKED {
                let frequency = hertz(chord[*index]) * overtone;
                add(&mut sound, start, RING_S, frequency, &|at_s| strength * pluck(at_s));
            }
        }
    }
    let peak = sound.iter().fold(0.0_f64, |peak, sample| peak.max(sample.abs()));
    let gain = 32_767.0 * 10f64.powf(PEAK_DBFS / 20.0) / peak.max(f64::MIN_POSITIVE);
    sound.iter().map(|sample| (sample * gain).round() as i16).collect()
}

/// Adds a note, which goes on at the beginning where it lasts beyond the end.
fn add(sound: &mut [f64], start_s: f64, length_s: f64, hertz: f64, level: &dyn Fn(f64) -> f64) {
    /// The level changes slowly: it is asked for so often.
    const LEVEL_EVERY: usize = 16;
    let len = sound.len();
    let begin = ((start_s * f64::from(RATE.hz())).round() as i64).rem_euclid(len as i64) as usize;
    // A sine by recurrence: each sample follows from the two before.
    let step = TAU * hertz / f64::from(RATE.hz());
    let (turn, mut before, mut now) = (2.0 * step.cos(), -step.sin(), 0.0);
    let (mut from, mut to) = (0.0, level(0.0));
    for n in 0..samples(length_s) {
        let within = n % LEVEL_EVERY;
        if within == 0 {
            from = to;
            to = level((n + LEVEL_EVERY) as f64 / f64::from(RATE.hz()));
        }
        let share = within as f64 / LEVEL_EVERY as f64;
        sound[(begin + n) % len] += now * (from + (to - from) * share);
        (before, now) = (now, turn * now - before);
    }
}

fn samples(length_s: f64) -> usize {
    (length_s * f64::from(RATE.hz())).round() as usize
}

/// Frequency of a MIDI note.
fn hertz(note: u8) -> f64 {
    440.0 * 2f64.powf((f64::from(note) - 69.0) / 12.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{level_dbfs, tone};

    #[test]
    fn it_lasts_half_a_minute_at_most_and_is_made_once() {
        let music = hold_music();
        let length_s = RATE.duration_of(music.len()).as_secs_f64();
        assert!((20.0..=30.0).contains(&length_s), "{length_s}");
        assert!(Arc::ptr_eq(&music, &hold_music()));
    }

    #[test]
    fn it_is_well_below_speech_and_never_silent() {
        let music = hold_music();
        let peak = music.iter().map(|sample| sample.unsigned_abs()).max().expect("some");
        assert!((2_550..2_650).contains(&peak), "{peak}");
        let level = level_dbfs(&music);
        assert!((-42.0..-28.0).contains(&level), "{level}");
        for (nth, second) in music.chunks(8_000).enumerate() {
            assert!(level_dbfs(second) > -48.0, "second {nth}: {}", level_dbfs(second));
        }
    }

    #[test]
    fn its_end_goes_on_at_its_beginning() {
        let music = hold_music();
        let steps = music.windows(2).map(|two| two[0].abs_diff(two[1]));
        let steepest = steps.max().expect("some");
        let joint = music[music.len() - 1].abs_diff(music[0]);
        assert!(joint <= steepest, "{joint} {steepest}");
        // Nothing begins with a click.
        assert!(steepest < 2_000, "{steepest}");
    }

    #[test]
    fn it_has_the_notes_of_its_chords() {
        let music = hold_music();
        let first = &music[..4_000];
        assert!(tone::detect(first, RATE, hertz(60)) > -36.0);
        assert!(tone::detect(first, RATE, hertz(61)) < tone::detect(first, RATE, hertz(60)) - 12.0);
        assert!((hertz(69) - 440.0).abs() < 1e-9);
    }
}
