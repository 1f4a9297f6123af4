//! How much of a sentence the caller has heard, and where it is taken up again after a pause: at the
//! last pause between clauses, or else between words, before they began to speak over it.

use std::collections::VecDeque;
use std::ops::Range;

/// Samples of 10 ms at 8 kHz, by which loudness is looked at.
const STEP: usize = 80;

/// What was played last is kept for so long: 1.6 s at 8 kHz. The oldest is dropped.
const KEPT_LEN: usize = 12_800;

/// How far back a pause is looked for, 1.2 s: nobody wants to hear more than that again.
const BACK_LEN: usize = 9_600;

/// A pause between clauses lasts at least 60 ms.
const PAUSE_STEPS: usize = 6;

/// Where there is none, the most quiet moment from 0.7 s to 0.1 s before counts as one between words.
const WORDS_BACK: Range<usize> = 800..5_600;

/// A sentence of which less than this was heard, 0.4 s, begins again.
const BEGIN_LEN: usize = 3_200;

/// This much of a pause, 20 ms, is played before the words that follow it.
const LEAD_LEN: usize = 160;

/// In a pause the voice is more quiet than at its loudest by this factor (26 dB) ...
const QUIETER: f64 = 20.0;
/// ... or than this.
const SILENT_RMS: f64 = 40.0;

/// Keeps count for one sentence.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// While the caller speaks over it: how much had been heard before we gave way.
    sure: Option<usize>,
    tail: VecDeque<i16>,
}

/// Whether we speak as loud as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loudness {
    Usual,
    /// More softly, as the caller speaks: it is not counted on that they hear it.
    Soft,
}

impl Heard {
    /// Notes that these samples are played, of which so many came before.
    pub fn note(&mut self, samples: &[i16], played_before: usize, loudness: Loudness) {
        if loudness == Loudness::Soft && !samples.is_empty() {
            self.sure.get_or_insert(played_before);
        }
        self.tail.extend(samples.iter().copied());
        let surplus = self.tail.len().saturating_sub(KEPT_LEN);
        self.tail.drain(..surplus);
    }

    /// How many of so many samples that were played the caller has heard.
    pub fn of(&self, played: usize) -> usize {
        self.sure.unwrap_or(played)
    }

    /// The caller has not interrupted it after all.
    pub fn settle(&mut self) {
        self.sure = None;
    }

    /// Takes out what is to be played again of so many samples that were played.
    pub fn take_back(&mut self, played: usize) -> Vec<i16> {
        let unsure = played.saturating_sub(self.of(played)).min(self.tail.len());
        let tail = self.tail.make_contiguous();
        let has_begin = tail.len() == played;
        let at = resume_at(tail, tail.len() - unsure, has_begin);
        self.tail.drain(at..).collect()
    }
}

/// Where to go on with what was broken off at `mark`.
fn resume_at(tail: &[i16], mark: usize, has_begin: bool) -> usize {
    if has_begin && mark <= BEGIN_LEN {
        return 0;
    }
    let from = mark.saturating_sub(BACK_LEN);
    let steps: Vec<f64> = tail[from..mark].chunks_exact(STEP).map(rms).collect();
    let loudest = steps.iter().copied().fold(0.0, f64::max);
    let quiet_below = (loudest / QUIETER).max(SILENT_RMS);
    let mut run = 0;
    let mut pause_end = None;
    for (n, step) in steps.iter().enumerate() {
        run = if *step < quiet_below { run + 1 } else { 0 };
        if run >= PAUSE_STEPS {
            pause_end = Some(from + (n + 1) * STEP);
        }
    }
    if let Some(end) = pause_end {
        return end - LEAD_LEN;
    }
    let words = mark.saturating_sub(WORDS_BACK.end)..mark.saturating_sub(WORDS_BACK.start);
    let begin = words.start;
    let quietest = tail[words].chunks_exact(STEP).map(rms).enumerate();
    let quietest = quietest.min_by(|one, other| one.1.total_cmp(&other.1));
    quietest.map_or(begin, |(n, _)| begin + n * STEP)
}

fn rms(samples: &[i16]) -> f64 {
    let squares: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (squares / samples.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words at these levels, in ms.
    fn sound(parts: &[(usize, i16)]) -> Vec<i16> {
        let part = |&(ms, level): &(usize, i16)| {
            (0..ms * 8).map(move |n| if n % 2 == 0 { level } else { -level })
        };
        parts.iter().flat_map(part).collect()
    }

    fn played(sound: &[i16], soft_from: usize) -> Heard {
        let mut heard = Heard::default();
        for (n, frame) in sound.chunks(160).enumerate() {
            let soft = n * 160 >= soft_from;
            let loudness = if soft { Loudness::Soft } else { Loudness::Usual };
            heard.note(frame, n * 160, loudness);
        }
        heard
    }

    #[test]
    fn what_was_said_softly_does_not_count_and_is_said_again() {
        let sound = sound(&[(2_000, 3_000)]);
        let mut heard = played(&sound, 12_800);
        assert_eq!(heard.of(sound.len()), 12_800);
        let again = heard.take_back(sound.len());
        assert!(again.len() > sound.len() - 12_800, "{}", again.len());
        assert_eq!(again[..], sound[sound.len() - again.len()..]);
        heard.settle();
        assert_eq!(heard.of(sound.len()), sound.len());
    }

    #[test]
    fn a_clause_is_taken_up_from_its_beginning() {
        let sound = sound(&[(1_000, 3_000), (100, 10), (600, 3_000)]);
        // From 300 ms into the second clause.
        let again = played(&sound, 11_200).take_back(sound.len());
        assert_eq!(again.len(), 600 * 8 + LEAD_LEN);
    }

    #[test]
    fn without_a_pause_it_goes_on_between_words() {
        let sound = sound(&[(1_600, 3_000), (20, 900), (200, 3_000), (60, 3_000)]);
        let again = played(&sound, 1_820 * 8).take_back(sound.len());
        let since_gap = (20 + 200 + 60) * 8;
        assert!((since_gap - 80..=since_gap).contains(&again.len()), "{}", again.len());
    }

    #[test]
    fn a_sentence_that_has_hardly_begun_begins_again() {
        let sound = sound(&[(500, 3_000)]);
        for soft_from in [0, 160, 2_400] {
            assert_eq!(played(&sound, soft_from).take_back(sound.len()), sound);
        }
        assert!(Heard::default().take_back(0).is_empty());
    }
}
