//! How long a caller who pauses is waited for.
//!
//! What was said so far decides first ([`crate::nlu::completeness`]): a whole value or a clear answer
//! is over almost at once, six of eight digits are no turn at all. The caller's own pace comes next:
//! who has paused within a turn and gone on will do so again. A model's view of the sound, where
//! there is one, is a vote for one step more or less, never the decision.

use std::time::Duration;

use crate::conversation::{Expectation, Expected};
use crate::nlu::{Completeness, completeness};

/// Pauses that are remembered. Older ones are forgotten: people warm up.
const PAUSES_MAX: usize = 6;

/// A recogniser less sure than this may have lost words.
const CONFIDENT: f32 = 0.5;

/// Nobody speaks slower than this, in words a second of voice: words are missing.
const WORDS_PER_S_MIN: f32 = 0.7;
/// Voice below this is too short to count words by.
const VOICED_COUNTED_MIN: Duration = Duration::from_millis(1_500);

/// How a [`Patience`] waits. All are silences that end a turn, but for `pace_percent` and the two
/// probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatienceConfig {
    /// Nothing ends a turn sooner.
    pub silence_min: Duration,
    /// After a whole value, a clear answer, a request in so many words.
    pub complete: Duration,
    /// After what reads like a whole sentence.
    pub likely: Duration,
    /// After what may be all or not.
    pub open: Duration,
    /// After what breaks off: "I want to".
    pub unfinished: Duration,
    /// After a part of a number or of another value that is asked for.
    pub value_gap: Duration,
    /// After "hold on".
    pub hold_on: Duration,
    /// While no words are known.
    pub unheard: Duration,
    /// While no words are known and a patient slot is asked.
    pub unheard_patient: Duration,
    /// How much longer than their usual pause within a turn a caller is waited for, in percent; 0:
    /// their pace is not learned.
    pub pace_percent: u32,
    /// From this probability on, the model says that the turn is over.
    pub end_likely: f32,
    /// Up to this one it says that it is not.
    pub end_unlikely: f32,
}

impl Default for PatienceConfig {
    fn default() -> Self {
        Self {
            silence_min: Duration::from_millis(250),
            complete: Duration::from_millis(300),
            likely: Duration::from_millis(450),
            open: Duration::from_millis(700),
            unfinished: Duration::from_millis(1_500),
            value_gap: Duration::from_millis(2_300),
            hold_on: Duration::from_millis(2_000),
            unheard: Duration::from_millis(600),
            unheard_patient: Duration::from_millis(1_500),
            pace_percent: 120,
            end_likely: 0.8,
            end_unlikely: 0.2,
        }
    }
}

/// What is known at a pause.
#[derive(Clone, Copy)]
pub struct PauseEvidence<'a> {
    /// The words of the whole turn so far, pieces joined; `None`: not transcribed yet.
    pub words: Option<&'a str>,
    /// What is listened for.
    pub expectation: &'a Expectation,
    /// What an end-of-turn model makes of the sound, if one was asked.
    pub end_probability: Option<f32>,
    /// How long the caller has been voiced in the turn.
    pub voiced: Duration,
    /// How sure the recogniser is of the words.
    pub confidence: Option<f32>,
}

impl PauseEvidence<'_> {
    /// How whole the words are, as far as they can be trusted; `None` if there are none yet.
    pub fn completeness(&self) -> Option<Completeness> {
        let words = self.words?;
        let whole = completeness(words, self.expectation.awaited());
        let unsure = self.confidence.is_some_and(|confidence| confidence < CONFIDENT);
        if !unsure && !lacks_words(words, self.voiced) {
            return Some(whole);
        }
        // What was lost may as well have been the end: doubt, but no more than that.
        Some(whole.less_sure().max(whole.min(Completeness::Open)))
    }
}

/// One caller's pauses, over the whole call.
#[derive(Debug, Clone)]
pub struct Patience {
    config: PatienceConfig,
    /// The latest pauses after which the caller went on, oldest first.
    pauses: Vec<Duration>,
}

impl Patience {
    /// For a caller of whom nothing is known.
    pub fn new(config: PatienceConfig) -> Self {
        Self { config, pauses: Vec::new() }
    }

    /// The silence that ends the turn, given what is known now.
    pub fn silence(&self, evidence: &PauseEvidence<'_>) -> Duration {
        self.silence_after(evidence.completeness(), evidence)
    }

    /// The same where it is known how whole the words are: `None` if there are none yet.
    pub fn silence_after(
        &self,
        whole: Option<Completeness>,
        evidence: &PauseEvidence<'_>,
    ) -> Duration {
        let silence = match whole {
            None => self.unheard(evidence),
            Some(whole) => self.after(self.with_vote(whole, evidence), evidence),
        };
        silence.max(self.config.silence_min)
    }

    /// The caller paused for so long within a turn and went on: that is their pace.
    pub fn went_on_after(&mut self, pause: Duration) {
        if self.pauses.len() == PAUSES_MAX {
            self.pauses.remove(0);
        }
        self.pauses.push(pause);
    }

    fn unheard(&self, evidence: &PauseEvidence<'_>) -> Duration {
        let asks_number = match &evidence.expectation.expected {
            Expected::Slot(kind) => kind.digit_counts().is_some(),
            Expected::Request | Expected::YesNo | Expected::Keys => false,
        };
        match evidence.expectation.patient || asks_number {
            true => self.config.unheard_patient,
            false => self.config.unheard.max(self.own_pace().min(self.config.unheard_patient)),
        }
    }

    /// How whole the turn is, once the sound has voted.
    fn with_vote(&self, whole: Completeness, evidence: &PauseEvidence<'_>) -> Completeness {
        match evidence.end_probability {
            Some(ends) if ends >= self.config.end_likely => whole.surer(),
            Some(ends) if ends <= self.config.end_unlikely => whole.less_sure(),
            _ => whole,
        }
    }

    fn after(&self, whole: Completeness, evidence: &PauseEvidence<'_>) -> Duration {
        let PatienceConfig { complete, likely, open, unfinished, .. } = self.config;
        let pace = self.own_pace();
        match whole {
            Completeness::HoldOn => self.config.hold_on,
            Completeness::Unfinished if is_value(&evidence.expectation.expected) => {
                self.config.value_gap.max(pace)
            }
            Completeness::Unfinished => unfinished.max(pace.min(self.config.value_gap)),
            // The pace of somebody slow stretches a doubtful pause, not beyond what breaks off.
            Completeness::Open => open.max(pace.min(unfinished)),
            Completeness::Likely => likely.max((pace * 3 / 4).min(open)),
            // Nothing is missing: pace says little here.
            Completeness::Complete => complete.max((pace / 2).min(likely)),
        }
    }

    /// How long this caller is waited for by their own pauses: the longest of the latest, and some
    /// more. The pause they make twice is known after the first.
    fn own_pace(&self) -> Duration {
        let longest = self.pauses.iter().max().copied().unwrap_or_default();
        longest * self.config.pace_percent / 100
    }
}

/// Whether the question is for a value that comes in pieces.
fn is_value(expected: &Expected) -> bool {
    matches!(expected, Expected::Slot(_))
}

/// Whether there is more voice than words. Digits count as words: "12345678" is eight.
fn lacks_words(words: &str, voiced: Duration) -> bool {
    let count: usize = words
        .split_whitespace()
        .map(|word| word.chars().filter(char::is_ascii_digit).count().max(1))
        .sum();
    voiced >= VOICED_COUNTED_MIN && (count as f32) < voiced.as_secs_f32() * WORDS_PER_S_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::SlotKind;

    fn evidence<'a>(words: Option<&'a str>, expectation: &'a Expectation) -> PauseEvidence<'a> {
        let voiced = Duration::from_millis(800);
        PauseEvidence { words, expectation, end_probability: None, voiced, confidence: Some(0.9) }
    }

    fn number() -> Expectation {
        Expectation::of(Expected::Slot(SlotKind::Digits { min: 8, max: 8 }))
    }

    fn ms(duration: Duration) -> u128 {
        duration.as_millis()
    }

    #[test]
    fn the_words_decide_how_long_a_caller_is_waited_for() {
        let patience = Patience::new(PatienceConfig::default());
        let request = Expectation::of(Expected::Request);
        let number = number();
        let patient = Expectation { patient: true, ..request.clone() };
        for (words, expectation, expected) in [
            (None, &request, 600),
            (None, &patient, 1_500),
            (None, &number, 1_500),
            (Some("agent"), &request, 300),
            (Some("I want to check my balance."), &request, 450),
            (Some("Hello."), &request, 700),
            (Some("I want to"), &request, 1_500),
            (Some("hold on"), &request, 2_000),
            (Some("1 2 3 4 5 6"), &number, 2_300),
            (Some("1 2 3 4 5 6 7 8"), &number, 300),
        ] {
            let silence = patience.silence(&evidence(words, expectation));
            assert_eq!(ms(silence), expected, "{words:?}");
        }
    }

    #[test]
    fn digits_taken_in_earlier_turns_count() {
        let patience = Patience::new(PatienceConfig::default());
        let rest = Expectation { digits_taken: 6, ..number() };
        assert_eq!(ms(patience.silence(&evidence(Some("7 8"), &rest))), 300);
        assert_eq!(ms(patience.silence(&evidence(Some("7"), &rest))), 2_300);
    }

    #[test]
    fn a_slow_caller_is_waited_for_longer_and_a_clear_answer_is_not_kept_waiting() {
        let mut patience = Patience::new(PatienceConfig::default());
        let request = Expectation::of(Expected::Request);
        let yes_no = Expectation::of(Expected::YesNo);
        patience.went_on_after(Duration::from_millis(900));
        assert_eq!(ms(patience.silence(&evidence(Some("Hello."), &request))), 1_080);
        assert_eq!(ms(patience.silence(&evidence(Some("Yes."), &yes_no))), 450);
        // However slow, within bounds.
        patience.went_on_after(Duration::from_secs(9));
        assert_eq!(ms(patience.silence(&evidence(Some("Hello."), &request))), 1_500);
        // What was long ago is forgotten.
        for _ in 0..PAUSES_MAX {
            patience.went_on_after(Duration::from_millis(200));
        }
        assert_eq!(ms(patience.silence(&evidence(Some("Hello."), &request))), 700);
    }

    #[test]
    fn the_sound_is_one_vote() {
        let patience = Patience::new(PatienceConfig::default());
        let request = Expectation::of(Expected::Request);
        let number = number();
        for (words, expectation, ends, expected) in [
            ("I want to check my balance.", &request, 0.95, 300),
            ("I want to check my balance.", &request, 0.05, 700),
            ("I want to check my balance.", &request, 0.5, 450),
            ("1 2 3 4 5 6", &number, 0.99, 2_300),
            ("I want to", &request, 0.99, 1_500),
        ] {
            let pause = evidence(Some(words), expectation);
            let pause = PauseEvidence { end_probability: Some(ends), ..pause };
            assert_eq!(ms(patience.silence(&pause)), expected, "{words} {ends}");
        }
    }

    #[test]
    fn words_that_may_be_missing_make_doubt() {
        let patience = Patience::new(PatienceConfig::default());
        let request = Expectation::of(Expected::Request);
        let pause = evidence(Some("agent"), &request);
        let unsure = PauseEvidence { confidence: Some(0.3), ..pause };
        assert_eq!(ms(patience.silence(&unsure)), 450);
        let long = PauseEvidence { voiced: Duration::from_secs(4), ..pause };
        assert_eq!(ms(patience.silence(&long)), 450);
        // Digits in one figure are as many words.
        let number = number();
        let digits =
            PauseEvidence { voiced: Duration::from_secs(4), ..evidence(Some("12345678"), &number) };
        assert_eq!(ms(patience.silence(&digits)), 300);
    }

    #[test]
    fn nothing_ends_a_turn_sooner_than_the_least_silence() {
        let config = PatienceConfig {
            silence_min: Duration::from_millis(500),
            complete: Duration::from_millis(100),
            ..PatienceConfig::default()
        };
        let request = Expectation::of(Expected::Request);
        let silence = Patience::new(config).silence(&evidence(Some("agent"), &request));
        assert_eq!(ms(silence), 500);
    }
}
