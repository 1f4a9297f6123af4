//! Rules by which a turn is taken to be over, on turns that were heard before.

use std::time::Duration;

use super::heard::{CHUNK_MS, HeardPause, HeardTurn};
use crate::call::{Patience, PatienceConfig, PauseEvidence};
use crate::conversation::Expectation;
use crate::nlu::Completeness;
use crate::speech::EndpointerConfig;

/// How far below its threshold speech has to fall to be silence (`speech::endpointer`).
const HYSTERESIS: f32 = 0.15;

/// After so many turns a caller counts as another, of whose pace nothing is known: a call is no longer.
const TURNS_OF_A_CALL: usize = 6;

/// What came of a turn by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Outcome {
    /// It was taken to be over before it was.
    CutOff,
    /// From the last voiced sample to the decision.
    DeadAir { ms: u64 },
    /// No speech was found in it, or no end.
    Unheard,
}

impl Outcome {
    fn at(decided_ms: u64, ends_ms: u64) -> Self {
        match decided_ms.checked_sub(ends_ms) {
            Some(ms) => Self::DeadAir { ms },
            None => Self::CutOff,
        }
    }
}

/// So much silence ends a turn, and speech is what reaches the threshold.
pub(super) fn by_silence(turn: &HeardTurn, threshold: f32, silence_ms: u64) -> Outcome {
    let start_chunks = EndpointerConfig::default().start_ms.div_ceil(CHUNK_MS);
    let silence_chunks = silence_ms.div_ceil(CHUNK_MS).max(1);
    let (mut voiced_run, mut silent) = (0, None);
    for (index, probability) in turn.probabilities.iter().enumerate() {
        silent = match silent {
            None => {
                voiced_run = if *probability >= threshold { voiced_run + 1 } else { 0 };
                (voiced_run >= start_chunks).then_some(0)
            }
            Some(_) if *probability >= threshold - HYSTERESIS => Some(0),
            Some(chunks) => Some(chunks + 1),
        };
        if silent.is_some_and(|chunks| chunks >= silence_chunks) {
            return Outcome::at((index as u64 + 1) * CHUNK_MS, turn.ends_ms);
        }
    }
    Outcome::Unheard
}

/// The end-of-turn model alone is asked at each pause; while it says no, a long silence ends the turn.
pub(super) fn by_ear(turn: &HeardTurn, ends_from: f32, pause_ms: u64, long_ms: u64) -> Outcome {
    for pause in &turn.pauses {
        let ends = pause.end_probability.is_some_and(|probability| probability >= ends_from);
        let wait_ms = if ends { pause_ms + pause.judged_in_ms } else { long_ms };
        if pause.lasts_ms.is_none_or(|lasts_ms| lasts_ms >= wait_ms) {
            return Outcome::at(pause.since_ms + wait_ms, turn.ends_ms);
        }
    }
    Outcome::Unheard
}

/// Whether the end-of-turn model has a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Vote {
    WordsOnly,
    WordsAndEar,
}

/// A turn with what does not change from one configuration to the next.
pub(super) struct Judged<'a> {
    pub turn: &'a HeardTurn,
    expectation: Expectation,
    /// How whole the words are at each pause.
    wholes: Vec<Completeness>,
}

impl<'a> Judged<'a> {
    pub fn new(turn: &'a HeardTurn) -> Self {
        let expectation = turn.asked.expectation();
        let whole = |pause: &HeardPause| evidence(pause, &expectation, None).completeness();
        let wholes = turn.pauses.iter().map(|pause| whole(pause).unwrap_or(Completeness::Open));
        let wholes = wholes.collect();
        Self { turn, expectation, wholes }
    }

    fn outcome(&self, patience: &mut Patience, vote: Vote, pause_ms: u64) -> Outcome {
        for (pause, whole) in self.turn.pauses.iter().zip(&self.wholes) {
            let wait_ms = self.wait_ms(patience, (pause, *whole), vote, pause_ms);
            match pause.lasts_ms {
                Some(lasts_ms) if lasts_ms < wait_ms => {
                    patience.went_on_after(Duration::from_millis(lasts_ms));
                }
                _ => return Outcome::at(pause.since_ms + wait_ms, self.turn.ends_ms),
            }
        }
        Outcome::Unheard
    }

    /// Until the models have answered nothing is known of the words; an end by then is an end.
    fn wait_ms(
        &self,
        patience: &Patience,
        (pause, whole): (&HeardPause, Completeness),
        vote: Vote,
        pause_ms: u64,
    ) -> u64 {
        let (ends, judged_in_ms) = match vote {
            Vote::WordsOnly => (None, 0),
            Vote::WordsAndEar => (pause.end_probability, pause.judged_in_ms),
        };
        let known_ms = pause_ms + pause.heard_in_ms + judged_in_ms;
        let evidence = evidence(pause, &self.expectation, ends);
        let in_chunks = |wait: Duration| (wait.as_millis() as u64).div_ceil(CHUNK_MS) * CHUNK_MS;
        let unheard_ms = in_chunks(patience.silence_after(None, &evidence));
        if unheard_ms <= known_ms {
            return unheard_ms;
        }
        in_chunks(patience.silence_after(Some(whole), &evidence)).max(known_ms)
    }
}

fn evidence<'a>(
    pause: &'a HeardPause,
    expectation: &'a Expectation,
    end_probability: Option<f32>,
) -> PauseEvidence<'a> {
    PauseEvidence {
        words: Some(&pause.words),
        expectation,
        end_probability,
        voiced: Duration::from_millis(pause.voiced_ms),
        confidence: Some(pause.confidence),
    }
}

/// Ours, on the turns of several callers: those of one speaker one after the other, as in calls.
pub(super) fn by_patience(
    turns: &[Judged<'_>],
    config: PatienceConfig,
    vote: Vote,
    pause_ms: u64,
) -> Vec<Outcome> {
    let mut patience = Patience::new(config);
    let mut speaker = "";
    let mut turns_of_call = 0;
    let mut outcomes = Vec::with_capacity(turns.len());
    for judged in turns {
        let its_speaker = judged.turn.speaker.as_str();
        // Of recordings that name no speaker each is somebody else's.
        let is_same = its_speaker == speaker && !matches!(its_speaker, "" | "?");
        if !is_same || turns_of_call == TURNS_OF_A_CALL {
            patience = Patience::new(config);
            turns_of_call = 0;
            speaker = its_speaker;
        }
        turns_of_call += 1;
        outcomes.push(judged.outcome(&mut patience, vote, pause_ms));
    }
    outcomes
}

/// What a rule comes to on all turns.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub(in crate::cli) struct Tally {
    /// Turns that were heard.
    pub turns: usize,
    pub cut_off: usize,
    pub unheard: usize,
    /// Of the turns that were not cut off.
    pub dead_air_mean_ms: f64,
    pub dead_air_p50_ms: u64,
    pub dead_air_p95_ms: u64,
}

impl Tally {
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut tally = Self::default();
        let mut dead_air_ms = Vec::new();
        for outcome in outcomes {
            match outcome {
                Outcome::CutOff => tally.cut_off += 1,
                Outcome::DeadAir { ms } => dead_air_ms.push(ms),
                Outcome::Unheard => tally.unheard += 1,
            }
        }
        dead_air_ms.sort_unstable();
        tally.turns = tally.cut_off + dead_air_ms.len();
        let sum: u64 = dead_air_ms.iter().sum();
        tally.dead_air_mean_ms = sum as f64 / dead_air_ms.len().max(1) as f64;
        tally.dead_air_p50_ms = crate::cli::eval::percentile(&dead_air_ms, 50);
        tally.dead_air_p95_ms = crate::cli::eval::percentile(&dead_air_ms, 95);
        tally
    }

    /// Share of the turns that were cut off, 0 to 1.
    pub fn cut_off_share(&self) -> f64 {
        self.cut_off as f64 / self.turns.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::spoken::Asked;
    use super::*;

    fn pause(since_ms: u64, lasts_ms: Option<u64>, words: &str) -> HeardPause {
        HeardPause {
            since_ms,
            lasts_ms,
            voiced_ms: since_ms - 400,
            words: words.to_owned(),
            confidence: 0.9,
            heard_in_ms: 250,
            end_probability: Some(if lasts_ms.is_some() { 0.1 } else { 0.9 }),
            judged_in_ms: 140,
        }
    }

    /// Voice from 384 ms to 1600, and after a pause to 2560: then silence.
    fn turn(words: [&str; 2], asked: Asked) -> HeardTurn {
        let voiced = |chunk: usize| (12..50).contains(&chunk) || (65..80).contains(&chunk);
        HeardTurn {
            name: String::new(),
            kind: String::new(),
            speaker: "a".to_owned(),
            asked,
            group_gap_ms: None,
            pauses_put_in: 1,
            ends_ms: 2_560,
            probabilities: (0..200).map(|i| if voiced(i) { 0.9 } else { 0.05 }).collect(),
            pauses: vec![pause(1_600, Some(480), words[0]), pause(2_560, None, words[1])],
        }
    }

    #[test]
    fn silence_alone_cuts_off_or_waits() {
        let turn = turn(["I want to", "I want to pay my bill."], Asked::Request);
        assert_eq!(by_silence(&turn, 0.5, 400), Outcome::CutOff);
        assert_eq!(by_silence(&turn, 0.5, 512), Outcome::DeadAir { ms: 512 });
        assert_eq!(by_silence(&turn, 0.95, 512), Outcome::Unheard);
        assert_eq!(by_silence(&turn, 0.5, 60_000), Outcome::Unheard);
    }

    #[test]
    fn the_ear_alone_waits_for_its_answer() {
        let turn = turn(["I want to", "I want to pay my bill."], Asked::Request);
        assert_eq!(by_ear(&turn, 0.5, 96, 3_000), Outcome::DeadAir { ms: 236 });
        assert_eq!(by_ear(&turn, 0.05, 96, 3_000), Outcome::CutOff);
        assert_eq!(by_ear(&turn, 0.95, 96, 3_000), Outcome::DeadAir { ms: 3_000 });
    }

    #[test]
    fn words_tell_a_pause_from_the_end() {
        let config = PatienceConfig::default();
        let outcome = |words: [&str; 2], asked: Asked, vote: Vote| {
            let turn = turn(words, asked);
            by_patience(&[Judged::new(&turn)], config, vote, 96)[0]
        };
        let broken = ["I want to", "I want to pay my bill, please."];
        // Known after 96 + 250 ms, 352 in whole chunks would be 352; 300 ms had passed by then.
        let request = outcome(broken, Asked::Request, Vote::WordsOnly);
        assert_eq!(request, Outcome::DeadAir { ms: 346 });
        let whole = ["Balance.", "Balance. And my bill."];
        assert_eq!(outcome(whole, Asked::Request, Vote::WordsOnly), Outcome::CutOff);
        let digits = ["1 2 3 4", "1 2 3 4 5 6 7 8"];
        let number = outcome(digits, Asked::Digits(8), Vote::WordsOnly);
        assert_eq!(number, Outcome::DeadAir { ms: 346 });
        // The ear's vote costs its time.
        let number = outcome(digits, Asked::Digits(8), Vote::WordsAndEar);
        assert_eq!(number, Outcome::DeadAir { ms: 486 });
    }

    #[test]
    fn what_is_not_known_in_time_does_not_count() {
        let mut slow = turn(["I want to", "I want to pay."], Asked::Request);
        slow.pauses[0].heard_in_ms = 900;
        let config =
            PatienceConfig { unheard: Duration::from_millis(400), ..PatienceConfig::default() };
        let outcome = by_patience(&[Judged::new(&slow)], config, Vote::WordsOnly, 96)[0];
        assert_eq!(outcome, Outcome::CutOff);
    }

    #[test]
    fn sums_leave_out_what_was_not_heard() {
        let dead = |ms| Outcome::DeadAir { ms };
        let tally = Tally::of([dead(300), Outcome::CutOff, dead(500), Outcome::Unheard, dead(700)]);
        assert_eq!((tally.turns, tally.cut_off, tally.unheard), (4, 1, 1));
        assert!((tally.dead_air_mean_ms - 500.0).abs() < 1e-9);
        assert_eq!((tally.dead_air_p50_ms, tally.dead_air_p95_ms), (500, 700));
        assert!((tally.cut_off_share() - 0.25).abs() < 1e-9);
        assert_eq!(Tally::of([]).cut_off_share(), 0.0);
    }
}
