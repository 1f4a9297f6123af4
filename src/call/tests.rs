//! Whole calls on simulated time: audio frames in, speech out, no clock.

mod echo;
mod effort;
mod keys;
mod overlap;
mod presence;
mod put_through;
mod speculation;
mod take_back;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::audio::{AudioFrame, MediaTime, SampleRate};
use crate::base::CallId;
use crate::conversation::VerificationRule;
use crate::conversation::tests::generation;
use crate::nlu::{ConfidencePolicy, IntentName, IntentScore, Readings, Understanding};
use crate::prompts::{ActionName, QueueName, VerificationName};
use crate::sim::LevelVad;
use crate::speech::{BargeInConfig, EndpointerConfig, TurnState};

struct Bench {
    call: Call,
    now: Instant,
    outputs: Vec<CallOutput>,
    /// Of the caller's codec.
    rate: SampleRate,
}

impl Bench {
    /// An answered call whose greeting has been played.
    fn answered() -> Self {
        Self::answered_with(|_| {})
    }

    /// The same where conversations are held by other rules.
    fn answered_with(change: impl FnOnce(&mut Rules)) -> Self {
        let mut bench = Self::arriving_with(change);
        bench.input(CallInput::Answered { caller: BTreeMap::new() });
        bench.say_all(400);
        bench.silence(1_000);
        bench
    }

    /// A call that has not been answered yet.
    fn arriving_with(change: impl FnOnce(&mut Rules)) -> Self {
        let now = Instant::now();
        let facts = CallFacts {
            call: CallId::from_u128(7),
            caller: Pii::new("sip:1@example.com".to_owned()),
            called: Pii::new("sip:bank@example.com".to_owned()),
            channel: "sip",
            answered_unix_ms: 0,
        };
        let settings = CallSettings {
            endpointer: EndpointerConfig::default(),
            patience: PatienceConfig::default(),
            judges_end: false,
            barge_in: BargeInConfig::default(),
            no_input: Duration::from_secs(6),
            inter_digit: Duration::from_secs(3),
        };
        let mut rules = Rules {
            policy: ConfidencePolicy::default(),
            failures_max: 3,
            verifications: BTreeMap::from([(
                VerificationName::new("account_pin"),
                VerificationRule { action: ActionName::new("crm.verify_pin"), attempts_max: 3 },
            )]),
            action_inputs: BTreeMap::new(),
            transfers: BTreeSet::from([QueueName::new("cards")]),
            staffed: BTreeSet::new(),
            callback: None,
            record: Default::default(),
            recording: Default::default(),
            today: (2026, 11, 24),
        };
        change(&mut rules);
        let call = Call::new(facts, settings, generation(), rules, Box::new(LevelVad), 1);
        Self { call, now, outputs: Vec::new(), rate: SampleRate::HZ_8000 }
    }

    fn input(&mut self, input: CallInput) {
        self.call.handle(self.now, input);
        while let Some(output) = self.call.poll_output() {
            self.outputs.push(output);
        }
    }

    /// 20 ms of the caller at this level; gives our frame.
    fn tick(&mut self, level: i16) -> PlayoutFrame {
        self.now += Duration::from_millis(20);
        if self.call.poll_timeout().is_some_and(|at| at <= self.now) {
            self.input(CallInput::Timeout);
        }
        let samples = vec![level; self.rate.samples_in(Duration::from_millis(20))];
        let frame = AudioFrame { rate: self.rate, time: MediaTime(0), samples };
        self.input(CallInput::Audio { frame, waited: Duration::from_millis(40) });
        let frame = self.call.next_frame(self.now);
        while let Some(output) = self.call.poll_output() {
            self.outputs.push(output);
        }
        frame
    }

    fn silence(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.tick(0);
        }
    }

    fn speech(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.tick(8_000);
        }
    }

    /// Delivers this much sound for every speech that was asked for.
    fn say_all(&mut self, ms: usize) {
        for speech in self.speeches() {
            let samples: Arc<[i16]> = vec![3_000; ms * 8].into();
            self.input(CallInput::SpeechAudio { speech, samples });
            self.input(CallInput::SpeechDone { speech });
        }
        self.outputs.clear();
    }

    fn speeches(&self) -> Vec<SpeechId> {
        let speech = |output: &CallOutput| match output {
            CallOutput::Speak { speech, .. } => Some(*speech),
            _ => None,
        };
        self.outputs.iter().filter_map(speech).collect()
    }

    fn transcribes(&self) -> Option<UtteranceId> {
        self.outputs.iter().find_map(|output| match output {
            CallOutput::Transcribe { utterance, .. } => Some(*utterance),
            _ => None,
        })
    }

    /// The models' answers to an utterance.
    fn understood(&mut self, utterance: UtteranceId, words: &str, intent: &str) {
        let text = Pii::new(words.to_owned());
        let result = HeardResult::Text { text, confidence: 0.9, readings: Readings::default() };
        self.input(CallInput::Transcribed { utterance, result });
        let intents = vec![IntentScore { intent: IntentName::new(intent), confidence: 0.95 }];
        let understanding = Some(Understanding::of(intents, -1.0));
        self.input(CallInput::Understood { utterance, understanding });
    }
}

#[test]
fn wideband_audio_reaches_the_recogniser_as_it_came() {
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
        let mut bench = Bench::answered();
        bench.rate = rate;
        bench.silence(400);
        bench.speech(1_000);
        bench.silence(700);
        let spoken = bench.outputs.iter().find_map(|output| match output {
            CallOutput::Transcribe { samples, rate, .. } => Some((samples, *rate)),
            _ => None,
        });
        let (samples, got) = spoken.expect("an utterance");
        assert_eq!(got, rate);
        let voiced = samples.iter().filter(|sample| **sample == 8_000).count();
        assert_eq!(rate.duration_of(voiced), Duration::from_secs(1));
    }
}

#[test]
fn an_utterance_is_answered_and_its_latency_adds_up() {
    let mut bench = Bench::answered();
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    assert!(!bench.speeches().is_empty(), "it answers");
    bench.say_all(200);
    bench.tick(0);
    let timing = bench
        .outputs
        .iter()
        .find_map(|output| match output {
            CallOutput::Turn(timing) => Some(*timing),
            _ => None,
        })
        .expect("a turn");
    assert!((640..840).contains(&timing.total_ms), "{timing:?}");
}

#[test]
fn it_listens_after_speaking_however_long_the_sound_is() {
    for ms in [200, 205, 219] {
        let mut bench = Bench::answered();
        bench.speech(1_000);
        bench.silence(700);
        let utterance = bench.transcribes().expect("an utterance");
        bench.understood(utterance, "when are you open", "branch_hours");
        bench.say_all(ms);
        assert!(bench.tick(0).speaking);
        assert_eq!(bench.call.turn_state(), TurnState::AgentSpeaking, "{ms} ms");
        bench.silence(1_000);
        assert_eq!(bench.call.turn_state(), TurnState::Listening, "{ms} ms");
    }
}

#[test]
fn ten_minutes_on_hold_are_waited_out_and_the_call_goes_on() {
    let mut bench = Bench::answered();
    bench.input(CallInput::Hold);
    for _ in 0..10 * 60 * 50 {
        assert!(!bench.tick(0).speaking, "it speaks to somebody who cannot hear it");
    }
    assert!(!bench.call.is_ended());
    assert_eq!((bench.speeches(), bench.transcribes()), (Vec::new(), None));
    bench.input(CallInput::Resume);
    bench.silence(400);
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("it listens again");
    bench.understood(utterance, "when are you open", "branch_hours");
    assert!(!bench.speeches().is_empty(), "it answers");
}

#[test]
fn an_answer_to_a_past_utterance_is_dropped() {
    let mut bench = Bench::answered();
    bench.understood(UtteranceId(41), "when are you open", "branch_hours");
    assert!(bench.speeches().is_empty());
    assert_eq!(bench.call.stale, 2);
}

#[test]
fn going_on_before_the_answer_makes_one_turn() {
    let mut bench = Bench::answered();
    bench.speech(600);
    bench.silence(700);
    let first = bench.transcribes().expect("an utterance");
    bench.outputs.clear();
    bench.speech(200);
    let text = Pii::new("when are".to_owned());
    bench.input(CallInput::Transcribed {
        utterance: first,
        result: HeardResult::Text { text, confidence: 0.9, readings: Readings::default() },
    });
    assert!(!bench.outputs.iter().any(|o| matches!(o, CallOutput::Understand { .. })));
    bench.silence(700);
    let second = bench.transcribes().expect("a second piece");
    bench.understood(second, "you open", "branch_hours");
    let understood = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Understand { text, .. } => Some(text.expose().clone()),
        _ => None,
    });
    assert_eq!(understood.as_deref(), Some("when are you open"));
}

#[test]
fn speaking_over_us_stops_us_and_a_click_does_not() {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    bench.say_all(4_000);
    bench.silence(200);
    bench.speech(130);
    bench.silence(300);
    assert!(bench.tick(0).speaking, "a click does not stop us");
    bench.speech(700);
    assert!(!bench.tick(8_000).speaking, "an interruption does");
}

#[test]
fn silence_is_asked_about_and_a_dead_recogniser_leaves_the_keypad() {
    let mut bench = Bench::answered();
    bench.silence(7_000);
    assert!(!bench.speeches().is_empty(), "are you still there?");
    bench.say_all(200);
    bench.silence(1_000);
    bench.speech(600);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    // What was asked for ahead is asked for once more.
    for _ in 0..2 {
        bench.input(CallInput::Transcribed { utterance, result: HeardResult::Failed });
    }
    bench.say_all(200);
    bench.input(CallInput::Digit('1'));
    let handed_off = bench.outputs.iter().any(|o| matches!(o, CallOutput::StoreHandoff(_)));
    assert!(handed_off, "{:?}", bench.outputs);
}

#[test]
fn a_sentence_that_fails_once_is_asked_for_again() {
    let mut bench = Bench::answered();
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    let speech = bench.speeches()[0];
    bench.outputs.clear();
    bench.input(CallInput::SpeechFailed { speech });
    let [again] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.outputs.clear();
    bench.input(CallInput::SpeechFailed { speech: again });
    assert!(bench.outputs.iter().any(|o| matches!(o, CallOutput::StoreHandoff(_))));
}

#[test]
fn a_voice_that_runs_dry_in_mid_sentence_does_not_leave_dead_air() {
    let mut bench = Bench::answered();
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    let speech = bench.speeches()[0];
    let samples: Arc<[i16]> = vec![3_000; 800].into();
    bench.input(CallInput::SpeechAudio { speech, samples });
    bench.outputs.clear();
    bench.silence(15_000);
    assert!(bench.outputs.iter().any(|o| matches!(o, CallOutput::StoreHandoff(_))));
}

#[test]
fn an_okay_over_the_last_words_does_not_cut_them_off() {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "goodbye", "balance");
    bench.say_all(3_000);
    bench.silence(200);
    bench.speech(700);
    assert!(bench.tick(0).speaking);
    let hung_up = |bench: &Bench| bench.outputs.iter().any(|o| matches!(o, CallOutput::HangUp(_)));
    assert!(!hung_up(&bench));
    bench.silence(3_000);
    assert!(hung_up(&bench));
}

#[test]
fn a_line_tells_how_it_was_taken() {
    for (intent, failed) in [("no_such_intent", true), ("branch_hours", false)] {
        let mut bench = Bench::answered();
        bench.speech(1_000);
        bench.silence(700);
        let utterance = bench.transcribes().expect("an utterance");
        bench.understood(utterance, "when are you open", intent);
        let taken = bench.outputs.iter().find_map(|output| match output {
            CallOutput::Line(line) => line.taken,
            _ => None,
        });
        let expected = Taken { expected: "request", out_of_scope: Some(-1.0), failed };
        assert_eq!(taken, Some(expected), "{intent}");
    }
}

/// The models' answer to an utterance in which they found no words.
fn no_words(bench: &mut Bench) {
    let utterance = bench.transcribes().expect("an utterance");
    bench.outputs.clear();
    let result =
        HeardResult::Text { text: Pii::default(), confidence: 0.0, readings: Readings::default() };
    bench.input(CallInput::Transcribed { utterance, result });
}

#[test]
fn speech_without_a_word_in_it_is_asked_about_at_once() {
    let mut bench = Bench::answered();
    bench.speech(600);
    bench.silence(700);
    no_words(&mut bench);
    assert!(!bench.speeches().is_empty(), "it asks again: {:?}", bench.outputs);
    let line = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Line(line) => Some((line.text.expose().clone(), line.taken)),
        _ => None,
    });
    let taken = Taken { expected: "request", out_of_scope: None, failed: true };
    assert_eq!(line, Some(("[unclear]".to_owned(), Some(taken))));
    bench.say_all(200);
    bench.tick(0);
    let answered = bench.outputs.iter().any(|output| matches!(output, CallOutput::Turn(_)));
    assert!(answered, "its latency counts: {:?}", bench.outputs);
}

#[test]
fn speech_without_a_word_in_it_again_and_again_ends_with_a_person() {
    let mut bench = Bench::answered();
    for _ in 0..3 {
        bench.speech(600);
        bench.silence(700);
        no_words(&mut bench);
        let handed_off = bench.outputs.iter().any(|o| matches!(o, CallOutput::StoreHandoff(_)));
        if handed_off {
            return;
        }
        bench.say_all(200);
        bench.silence(1_000);
    }
    panic!("nobody was called");
}

#[test]
fn a_cough_is_waited_out() {
    let mut bench = Bench::answered();
    bench.speech(160);
    bench.silence(700);
    no_words(&mut bench);
    assert!(bench.outputs.is_empty(), "{:?}", bench.outputs);
    bench.silence(4_000);
    assert!(bench.speeches().is_empty(), "nothing is said before the time for an answer is up");
    bench.silence(3_000);
    assert!(!bench.speeches().is_empty(), "are you still there?");
}

#[test]
fn what_is_heard_while_we_speak_is_not_asked_about() {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    bench.say_all(4_000);
    bench.silence(200);
    bench.speech(300);
    bench.silence(700);
    no_words(&mut bench);
    assert!(bench.tick(0).speaking, "we go on");
    assert!(bench.speeches().is_empty(), "{:?}", bench.outputs);
}
