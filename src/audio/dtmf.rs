//! Keypad tones within the audio (ITU-T Q.23, Q.24), for the callers whose side sends no
//! telephone-events.
//!
//! ```text
//!  quiet --same pair of tones in 3 windows--> held (+ key) --gone in 3 windows--> quiet
//! ```
//! Speech holds pairs of tones, too, by chance and for moments. It is told apart by what else is in
//! it: a key is two tones of about the same strength that hold nearly all of the power, and stay as
//! loud as they are.

use std::f64::consts::TAU;
use std::time::Duration;

use super::SampleRate;
use super::tone::{COLUMNS_HZ, KEYS, ROWS_HZ};

/// What is looked at in one go: tells the closest two tones (73 Hz apart) from each other.
const WINDOW: Duration = Duration::from_millis(20);
/// How often it is looked at.
const HOP: Duration = Duration::from_millis(10);
/// So many windows in a row make a key: 40 ms (Q.24: what is shorter than 23 ms is none).
const WINDOWS_TO_BELIEVE: u32 = 3;
/// So many without it end the key: Q.24 bridges 10 ms, telephones pause for 40 ms and more.
const WINDOWS_TO_END: u32 = 3;
/// Below this power nothing is a key, in parts of full scale squared (-42 dBFS).
const POWER_MIN: f64 = 6.3e-5;
/// Share of the power that the two tones must hold.
const SHARE_MIN: f64 = 0.8;
/// The two may differ by 8 dB.
const TWIST_MAX: f64 = 6.3;
/// The next strongest tone of the same group lies 8 dB below at least: so much leaks at 73 Hz.
const LEAD_MIN: f64 = 6.3;
/// From window to window a key's power changes by less than 3 dB; its edges do not count.
const STEADY_MAX: f64 = 2.0;

/// Finds keys in one stream.
#[derive(Debug, Clone)]
pub struct DtmfDetector {
    rate: SampleRate,
    recent: Vec<i16>,
    candidate: Option<Candidate>,
    held: Option<char>,
    absent: u32,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    key: char,
    power: f64,
    windows: u32,
}

/// What was in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DtmfHeard {
    /// A key that has just been recognised.
    pub key: Option<char>,
    /// A key is down: the frame holds its tones.
    pub is_down: bool,
}

impl DtmfDetector {
    /// A detector for audio of this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self { rate, recent: Vec::new(), candidate: None, held: None, absent: 0 }
    }

    /// The rate that it was made for.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Takes the next frame. At most one key can be in 20 ms.
    pub fn hear(&mut self, samples: &[i16]) -> DtmfHeard {
        let (window, hop) = (self.rate.samples_in(WINDOW), self.rate.samples_in(HOP));
        self.recent.extend_from_slice(samples);
        let mut key = None;
        while self.recent.len() >= window {
            let found = find_key(&self.recent[..window], self.rate);
            key = self.follow(found).or(key);
            self.recent.drain(..hop);
        }
        DtmfHeard { key, is_down: self.held.is_some() && self.absent == 0 }
    }

    /// Takes what one window holds; gives a key once it is believed.
    fn follow(&mut self, found: Option<(char, f64)>) -> Option<char> {
        if self.held.is_some() && self.held == found.map(|(key, _)| key) {
            self.absent = 0;
            return None;
        }
        if self.held.is_some() {
            self.absent += 1;
            if self.absent >= WINDOWS_TO_END {
                self.held = None;
            }
        }
        let before = self.candidate.take();
        let (key, power) = found?;
        let is_steady = |earlier: &Candidate| {
            let change = power / earlier.power;
            // The first window may hold the beginning of the key only.
            earlier.key == key
                && change > 1.0 / STEADY_MAX
                && (change < STEADY_MAX || earlier.windows == 1)
        };
        let windows = before.filter(is_steady).map_or(1, |earlier| earlier.windows + 1);
        if windows < WINDOWS_TO_BELIEVE {
            self.candidate = Some(Candidate { key, power, windows });
            return None;
        }
        (self.held, self.absent) = (Some(key), 0);
        Some(key)
    }
}

/// The key whose tones fill the window, and its power.
fn find_key(window: &[i16], rate: SampleRate) -> Option<(char, f64)> {
    let scale = 1.0 / 32_768.0;
    let sum: f64 = window.iter().map(|&s| (f64::from(s) * scale).powi(2)).sum();
    let power = sum / window.len() as f64;
    if power < POWER_MIN {
        return None;
    }
    let (row, low) = strongest(window, rate, ROWS_HZ)?;
    let (column, high) = strongest(window, rate, COLUMNS_HZ)?;
    let is_level = low < high * TWIST_MAX && high < low * TWIST_MAX;
    (is_level && low + high > power * SHARE_MIN)
        .then(|| (char::from(KEYS[row * COLUMNS_HZ.len() + column]), low + high))
}

/// The strongest of a group of tones and its power, if it stands out.
fn strongest(window: &[i16], rate: SampleRate, group_hz: [f64; 4]) -> Option<(usize, f64)> {
    let powers = group_hz.map(|hz| tone_power(window, rate, hz));
    let (place, power) =
        powers.into_iter().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    let stands_out = powers
        .iter()
        .enumerate()
        .all(|(other, its_power)| other == place || power > its_power * LEAD_MIN);
    stands_out.then_some((place, power))
}

/// Mean power of one tone (Goertzel), full scale being 1.
fn tone_power(window: &[i16], rate: SampleRate, hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / f64::from(rate.hz())).cos();
    let (mut previous, mut before) = (0.0, 0.0);
    for &sample in window {
        let current = f64::from(sample) / 32_768.0 + coefficient * previous - before;
        (before, previous) = (previous, current);
    }
    let magnitude = previous * previous + before * before - coefficient * previous * before;
    2.0 * magnitude.max(0.0) / (window.len() as f64).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Law, Random, read_wav, resample_whole, tone};

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn keys_in(samples: &[i16], rate: SampleRate) -> String {
        let mut detector = DtmfDetector::new(rate);
        let frame_len = rate.samples_in(Duration::from_millis(20));
        samples.chunks(frame_len).filter_map(|frame| detector.hear(frame).key).collect()
    }

    /// Keys with pauses, the first after an odd stretch so that nothing is aligned.
    fn dial(keys: &str, rate: SampleRate, (tone_ms, pause_ms): (u64, u64), level: f64) -> Vec<i16> {
        let mut samples = vec![0; 77];
        for key in keys.chars() {
            let on = tone::dtmf(rate, key, level, Duration::from_millis(tone_ms));
            samples.extend(on.expect("a key"));
            samples.extend(vec![0; rate.samples_in(Duration::from_millis(pause_ms))]);
        }
        samples
    }

    #[test]
    fn every_key_is_found_once_at_every_rate_level_and_pace() {
        let keys = "1234567890*#ABCD11";
        for rate in [RATE, SampleRate::HZ_16000] {
            for pace in [(60, 60), (100, 50), (400, 200)] {
                for level in [-3.5, -12.0, -30.0] {
                    let samples = dial(keys, rate, pace, level);
                    assert_eq!(keys_in(&samples, rate), keys, "{rate:?} {pace:?} {level}");
                }
            }
        }
    }

    #[test]
    fn noise_companding_and_unequal_tones_do_not_hide_a_key() {
        let mut random = Random::new(8);
        let mut samples = dial("159#", RATE, (80, 60), -12.0);
        for sample in &mut samples {
            *sample += ((random.next_unit() - 0.5) * 1_500.0) as i16;
        }
        let heard = Law::Mu.decode(&Law::Mu.encode(&samples));
        assert_eq!(keys_in(&heard, RATE), "159#");
        let tones = |low_dbfs, high_dbfs| {
            let ms = Duration::from_millis(100);
            let high = tone::sine(RATE, 1_336.0, high_dbfs, ms);
            let low = tone::sine(RATE, 770.0, low_dbfs, ms);
            low.iter().zip(high).map(|(a, b)| a + b).collect::<Vec<i16>>()
        };
        assert_eq!(keys_in(&tones(-10.0, -16.0), RATE), "5");
        assert_eq!(keys_in(&tones(-16.0, -10.0), RATE), "5");
        assert_eq!(keys_in(&tones(-10.0, -24.0), RATE), "");
    }

    #[test]
    fn clicks_single_tones_chords_and_noise_are_no_keys() {
        let ms = Duration::from_millis(500);
        assert_eq!(keys_in(&dial("5", RATE, (20, 100), -12.0), RATE), "");
        assert_eq!(keys_in(&tone::sine(RATE, 770.0, -10.0, ms), RATE), "");
        assert_eq!(keys_in(&tone::tones(RATE, &[770.0, 1_336.0, 2_000.0], -15.0, ms), RATE), "");
        assert_eq!(keys_in(&tone::tones(RATE, &[440.0, 480.0], -15.0, ms), RATE), "");
        let mut random = Random::new(8);
        let hiss: Vec<i16> = (0..80_000).map(|_| (random.next_u64() as i16) / 4).collect();
        assert_eq!(keys_in(&hiss, RATE), "");
    }

    #[test]
    fn a_voice_presses_no_keys() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio");
        let mut seconds = 0.0;
        for folder in [folder.to_owned(), format!("{folder}/calls")] {
            for entry in std::fs::read_dir(folder).expect("the fixtures") {
                let path = entry.expect("an entry").path();
                if path.extension().is_none_or(|ext| ext != "wav") {
                    continue;
                }
                let file = std::fs::File::open(&path).expect("readable");
                let (rate, samples) = read_wav(std::io::BufReader::new(file)).expect("a recording");
                let narrow = resample_whole(&samples, rate, RATE);
                seconds += RATE.duration_of(narrow.len()).as_secs_f32();
                assert_eq!(keys_in(&narrow, RATE), "", "{}", path.display());
            }
        }
        assert!(seconds > 5.0, "{seconds} s of speech");
    }
}
