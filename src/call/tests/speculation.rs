//! What is done ahead while a caller pauses: that it is there in time, and that nothing comes of it
//! before the turn is over.

use super::*;
use crate::base::Effort;
use crate::conversation::Step;
use crate::speech::Endpointer;

/// Something that was asked for, or given up.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Ahead(UtteranceId),
    InTurn(UtteranceId),
    Hurried(UtteranceId),
    Withdrawn(UtteranceId),
}

fn words(text: &str) -> HeardResult {
    let text = Pii::new(text.to_owned());
    HeardResult::Text { text, confidence: 0.9, readings: Readings::default() }
}

impl Bench {
    /// What was asked for about utterances since the outputs were cleared.
    fn asked(&self) -> Vec<Asked> {
        let asked = self.outputs.iter().filter_map(|output| match output {
            CallOutput::Transcribe { utterance, urgency: Urgency::Speculative, .. } => {
                Some(Asked::Ahead(*utterance))
            }
            CallOutput::Transcribe { utterance, .. } => Some(Asked::InTurn(*utterance)),
            CallOutput::Hurry { utterance } => Some(Asked::Hurried(*utterance)),
            CallOutput::Withdraw { utterance } => Some(Asked::Withdrawn(*utterance)),
            _ => None,
        });
        asked.collect()
    }

    fn is_heard(&mut self, utterance: UtteranceId, text: &str) {
        self.input(CallInput::Transcribed { utterance, result: words(text) });
    }

    fn is_understood(&mut self, utterance: UtteranceId, intent: &str) {
        let intents = vec![IntentScore { intent: IntentName::new(intent), confidence: 0.95 }];
        let understanding = Some(Understanding::of(intents, -1.0));
        self.input(CallInput::Understood { utterance, understanding });
    }

    /// The caller says something for so long, and pauses just long enough for it to be told.
    fn pauses_after(&mut self, ms: u64) -> UtteranceId {
        self.outputs.clear();
        self.speech(ms);
        self.silence(140);
        match self.asked().pop() {
            Some(Asked::Ahead(utterance)) => utterance,
            other => panic!("{other:?}"),
        }
    }

    /// What is to be understood, with what it is asked for.
    fn to_understand(&self) -> Vec<(UtteranceId, &str)> {
        let asked = self.outputs.iter().filter_map(|output| match output {
            CallOutput::Understand { utterance, text } => {
                Some((*utterance, text.expose().as_str()))
            }
            _ => None,
        });
        asked.collect()
    }

    fn spoken_lines(&self) -> Vec<&str> {
        let lines = self.call.lines.iter().filter(|line| line.speaker == LineSpeaker::Caller);
        lines.map(|line| line.text.expose().as_str()).collect()
    }

    /// Sounds of a speech.
    fn sounds(&mut self, speech: SpeechId, ms: usize) {
        let samples: Arc<[i16]> = vec![3_000; ms * 8].into();
        self.input(CallInput::SpeechAudio { speech, samples });
        self.input(CallInput::SpeechDone { speech });
    }

    /// Milliseconds of the caller's silence, at most so many, until we are heard.
    fn silent_until_answered(&mut self, most_ms: u64) -> Option<u64> {
        (1..=most_ms / 20)
            .find(|_| self.tick(0).samples.iter().any(|sample| *sample != 0))
            .map(|ticks| ticks * 20)
    }
}

/// Whether it is something that is asked of models only.
fn is_without_effect(output: &CallOutput) -> bool {
    matches!(
        output,
        CallOutput::Transcribe { .. }
            | CallOutput::Understand { .. }
            | CallOutput::Withdraw { .. }
            | CallOutput::CancelSpeech { .. }
            | CallOutput::Speak { urgency: Urgency::Speculative, .. }
    )
}

#[test]
fn a_short_request_is_answered_as_soon_as_the_silence_is_long_enough() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(600);
    bench.is_heard(utterance, "opening hours");
    assert_eq!(bench.to_understand(), [(utterance, "opening hours")]);
    bench.is_understood(utterance, "branch_hours");
    let [speech] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.sounds(speech, 400);
    assert!(bench.outputs.iter().all(is_without_effect), "{:?}", bench.outputs);
    assert!(bench.spoken_lines().is_empty());
    // 300 ms, in chunks of 32 ms, and the frame.
    let silent = 140 + bench.silent_until_answered(400).expect("an answer");
    assert!((300..=360).contains(&silent), "{silent} ms");
    let timing = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Turn(timing) => Some(*timing),
        _ => None,
    });
    let timing = timing.expect("a turn");
    assert!(timing.speculated && timing.total_ms <= 400, "{timing:?}");
    assert_eq!((timing.transcribe_ms, timing.understand_ms, timing.voice_ms), (0, 0, 0));
    assert_eq!(bench.spoken_lines(), ["opening hours"]);
    assert_eq!(bench.asked(), [Asked::Ahead(utterance)], "nothing was asked for twice");
    assert_eq!(bench.to_understand().len(), 1);
    let counts = SpeculationCounts { begun: 1, used: 1, withdrawn: 0 };
    assert_eq!(bench.call.speculation(), counts);
}

#[test]
fn who_goes_on_withdraws_what_was_done_ahead_and_is_heard_as_a_whole() {
    let mut bench = Bench::answered();
    let first = bench.pauses_after(600);
    bench.is_heard(first, "opening hours");
    bench.is_understood(first, "branch_hours");
    let [speech] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    let step = bench.call.conversation().step();
    bench.outputs.clear();
    bench.speech(400);
    assert_eq!(bench.asked(), [Asked::Withdrawn(first)]);
    let is_cancelled =
        |o: &CallOutput| matches!(o, CallOutput::CancelSpeech { speech: s } if *s == speech);
    assert!(bench.outputs.iter().any(is_cancelled), "{:?}", bench.outputs);
    assert!(bench.outputs.iter().all(is_without_effect), "{:?}", bench.outputs);
    assert_eq!((bench.call.conversation().step(), bench.spoken_lines().len()), (step, 0));
    // What was under way comes too late.
    let stale = bench.call.stale;
    bench.is_heard(first, "opening hours");
    bench.is_understood(first, "branch_hours");
    bench.sounds(speech, 100);
    assert_eq!(bench.call.stale, stale + 4);
    assert!(bench.spoken_lines().is_empty());
    bench.silence(140);
    let [.., Asked::Ahead(second)] = bench.asked()[..] else { panic!("{:?}", bench.asked()) };
    let samples = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Transcribe { samples, .. } => Some(samples),
        _ => None,
    });
    let voiced = samples.expect("asked").iter().filter(|sample| **sample != 0).count();
    assert_eq!(voiced, 8 * 1_000, "all of it is heard together");
    bench.is_heard(second, "opening hours on Sunday");
    bench.is_understood(second, "branch_hours");
    bench.silence(600);
    assert_eq!(bench.spoken_lines(), ["opening hours on Sunday"]);
    let counts = SpeculationCounts { begun: 2, used: 1, withdrawn: 1 };
    assert_eq!(bench.call.speculation(), counts);
}

#[test]
fn however_often_somebody_pauses_one_transcript_is_under_way() {
    let mut bench = Bench::answered();
    bench.outputs.clear();
    for _ in 0..6 {
        bench.speech(400);
        bench.silence(200);
    }
    bench.silence(1_500);
    let mut under_way = 0;
    for asked in bench.asked() {
        match asked {
            Asked::Ahead(_) => under_way += 1,
            Asked::Withdrawn(_) => under_way -= 1,
            Asked::Hurried(_) => {}
            Asked::InTurn(_) => panic!("the last one is hurried: {:?}", bench.asked()),
        }
        assert!((0..=1).contains(&under_way), "{:?}", bench.asked());
    }
    let counts = SpeculationCounts { begun: 6, used: 1, withdrawn: 5 };
    assert_eq!(bench.call.speculation(), counts);
}

#[test]
fn nobody_is_called_before_the_turn_is_over() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(500);
    bench.is_heard(utterance, "agent");
    bench.is_understood(utterance, "branch_hours");
    assert!(bench.outputs.iter().all(is_without_effect), "{:?}", bench.outputs);
    bench.silence(400);
    let stored = bench.outputs.iter().any(|o| matches!(o, CallOutput::StoreHandoff(_)));
    assert!(stored, "{:?}", bench.outputs);
}

#[test]
fn words_that_break_off_are_waited_for() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(700);
    bench.is_heard(utterance, "I want to");
    bench.silence(1_000);
    assert!(bench.call.endpointer.is_speaking(), "1.1 s are not enough");
    bench.speech(700);
    bench.silence(140);
    let Some(Asked::Ahead(whole)) = bench.asked().pop() else { panic!("{:?}", bench.asked()) };
    bench.is_heard(whole, "I want to speak to an agent.");
    bench.silence(1_000);
    assert!(!bench.call.endpointer.is_speaking());
}

#[test]
fn a_turn_that_is_over_before_its_words_are_there_hurries_them() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(600);
    bench.silence(560);
    assert_eq!(bench.asked(), [Asked::Ahead(utterance), Asked::Hurried(utterance)]);
    bench.is_heard(utterance, "opening hours");
    bench.is_understood(utterance, "branch_hours");
    assert_eq!(bench.spoken_lines(), ["opening hours"]);
    assert!(!bench.speeches().is_empty());
}

#[test]
fn words_that_come_later_than_they_would_be_waited_for_are_answered_at_once() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(600);
    bench.silence(260);
    bench.understood(utterance, "opening hours", "branch_hours");
    assert_eq!(bench.spoken_lines(), ["opening hours"], "400 ms are more than 300");
    let speeches = bench.outputs.iter().filter(|o| matches!(o, CallOutput::Speak { .. }));
    assert!(speeches.count() >= 1, "{:?}", bench.outputs);
}

#[test]
fn a_transcript_that_could_not_be_had_ahead_is_asked_for_again() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(600);
    bench.input(CallInput::Transcribed { utterance, result: HeardResult::Failed });
    bench.silence(600);
    let asked = bench.asked();
    let [Asked::Ahead(_), Asked::Withdrawn(_), Asked::InTurn(again)] = asked[..] else {
        panic!("{asked:?}")
    };
    bench.understood(again, "opening hours", "branch_hours");
    assert_eq!(bench.spoken_lines(), ["opening hours"]);
    // Or once more, if the turn was over meanwhile: then its place was given to others.
    bench.say_all(200);
    bench.silence(600);
    let utterance = bench.pauses_after(600);
    bench.silence(600);
    bench.input(CallInput::Transcribed { utterance, result: HeardResult::Failed });
    let Some(Asked::InTurn(again)) = bench.asked().pop() else { panic!("{:?}", bench.asked()) };
    assert_eq!(again, utterance);
    assert!(bench.speeches().is_empty(), "nobody is told that we cannot hear");
    bench.input(CallInput::Transcribed { utterance, result: HeardResult::Failed });
    assert!(!bench.speeches().is_empty(), "now they are");
}

#[test]
fn on_hold_and_at_the_end_nothing_is_left_to_do() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(600);
    bench.outputs.clear();
    bench.input(CallInput::Hold);
    assert_eq!(bench.asked(), [Asked::Withdrawn(utterance)]);
    bench.silence(5_000);
    bench.is_heard(utterance, "opening hours");
    assert!(bench.to_understand().is_empty() && bench.spoken_lines().is_empty());
    bench.input(CallInput::Resume);
    bench.silence(700);
    let Some(Asked::InTurn(again)) = bench.asked().pop() else { panic!("{:?}", bench.asked()) };
    bench.understood(again, "opening hours", "branch_hours");
    assert_eq!(bench.spoken_lines(), ["opening hours"], "what was said before is not lost");
    bench.say_all(200);
    bench.silence(600);

    let utterance = bench.pauses_after(600);
    bench.is_heard(utterance, "opening hours");
    bench.is_understood(utterance, "branch_hours");
    let [speech] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.outputs.clear();
    let by_caller = Termination::new(TerminationResult::Success, "the caller hung up");
    bench.input(CallInput::LegEnded(by_caller));
    let [
        CallOutput::Withdraw { utterance: withdrawn },
        CallOutput::CancelSpeech { speech: cancelled },
        CallOutput::Ended(_),
    ] = bench.outputs[..]
    else {
        panic!("{:?}", bench.outputs)
    };
    assert_eq!((withdrawn, cancelled), (utterance, speech));
    assert_eq!(bench.spoken_lines().len(), 1, "the record has no words of an open turn");
}

#[test]
fn a_pin_is_as_secret_in_a_pause() {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "what's my balance", "balance");
    bench.say_all(200);
    bench.silence(1_000);
    for digit in "12345678#".chars() {
        bench.input(CallInput::Digit(digit));
    }
    bench.say_all(200);
    bench.silence(1_000);
    assert!(bench.call.is_masking(), "a PIN is asked for");
    let utterance = bench.pauses_after(900);
    bench.is_heard(utterance, "4 3 2 1");
    bench.is_understood(utterance, "balance");
    assert!(bench.outputs.iter().all(is_without_effect), "{:?}", bench.outputs);
    assert!(bench.call.is_masking());
    bench.silence(2_500);
    let lines = bench.spoken_lines();
    assert_eq!(lines.last(), Some(&"[hidden]"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("4 3 2 1")), "{lines:?}");
    assert!(bench.outputs.iter().any(|o| matches!(o, CallOutput::RunAction { .. })));
}

/// A bench where what is longer than a second is cut.
fn short_breath() -> Bench {
    let mut bench = Bench::answered();
    let config = EndpointerConfig { utterance_max_ms: 1_000, ..EndpointerConfig::default() };
    bench.call.endpointer = Endpointer::new(config);
    bench
}

#[test]
fn what_is_cut_off_for_its_length_is_one_turn_with_the_rest() {
    let mut bench = short_breath();
    bench.outputs.clear();
    bench.speech(1_400);
    let [Asked::InTurn(first)] = bench.asked()[..] else { panic!("{:?}", bench.asked()) };
    bench.silence(140);
    let Some(Asked::Ahead(rest)) = bench.asked().pop() else { panic!("{:?}", bench.asked()) };
    bench.is_heard(rest, "opening hours");
    assert!(bench.to_understand().is_empty(), "the beginning is not there");
    bench.is_heard(first, "please tell me the");
    assert_eq!(bench.to_understand(), [(rest, "please tell me the opening hours")]);
    bench.is_understood(rest, "branch_hours");
    assert!(bench.spoken_lines().is_empty());
    bench.silence(800);
    assert_eq!(bench.spoken_lines(), ["please tell me the opening hours"]);
    assert_eq!(bench.to_understand().len(), 1);
}

#[test]
fn what_is_cut_off_in_a_pause_is_transcribed_once() {
    let mut bench = short_breath();
    bench.outputs.clear();
    // Kept from before it: 320 ms.
    bench.speech(500);
    bench.silence(1_500);
    let [Asked::Ahead(utterance), Asked::Hurried(hurried)] = bench.asked()[..] else {
        panic!("{:?}", bench.asked())
    };
    assert_eq!(utterance, hurried);
    bench.understood(utterance, "opening hours", "branch_hours");
    assert_eq!(bench.spoken_lines(), ["opening hours"]);
    bench.silence(1_000);
    assert_eq!(bench.asked().len(), 2, "silence is nothing to transcribe");
}

#[test]
fn an_answer_that_comes_while_the_caller_goes_on_waits_for_the_rest() {
    for rest in ["on Sunday", ""] {
        let mut bench = Bench::answered();
        let first = bench.pauses_after(600);
        bench.silence(600);
        bench.is_heard(first, "opening hours");
        bench.outputs.clear();
        bench.speech(300);
        // In this very moment.
        bench.is_understood(first, "branch_hours");
        assert!(bench.speeches().is_empty() && bench.spoken_lines().is_empty());
        bench.silence(140);
        let [Asked::Ahead(second)] = bench.asked()[..] else { panic!("{:?}", bench.asked()) };
        bench.is_heard(second, rest);
        bench.silence(1_500);
        let whole = format!("opening hours {rest}");
        for (utterance, text) in bench.to_understand() {
            assert_eq!((utterance, text.trim()), (second, whole.trim()));
        }
        bench.is_understood(second, "branch_hours");
        let said: Vec<&str> = bench.spoken_lines().into_iter().map(str::trim).collect();
        assert_eq!(said, [whole.trim()], "one turn");
        assert!(!bench.speeches().is_empty(), "it is answered");
    }
}

#[test]
fn a_machine_that_is_too_busy_does_nothing_ahead() {
    let mut bench = Bench::answered();
    bench.input(CallInput::Effort(Effort::NoSpeculation));
    bench.outputs.clear();
    bench.speech(600);
    bench.silence(700);
    let [Asked::InTurn(utterance)] = bench.asked()[..] else { panic!("{:?}", bench.asked()) };
    bench.understood(utterance, "opening hours", "branch_hours");
    assert_eq!(bench.spoken_lines(), ["opening hours"]);
    assert_eq!(bench.call.speculation(), SpeculationCounts::default());
}

#[test]
fn words_about_another_question_are_not_used() {
    let mut bench = Bench::answered();
    let utterance = bench.pauses_after(600);
    bench.is_heard(utterance, "12345678");
    let step = bench.call.conversation().step();
    // Meanwhile something else is asked.
    bench.call.expectation = Expectation::of(Expected::YesNo);
    bench.silence(800);
    let asked = bench.asked();
    let [Asked::Ahead(_), Asked::Withdrawn(withdrawn), Asked::InTurn(again)] = asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(withdrawn, utterance);
    assert_ne!(again, utterance);
    assert_eq!(step, Step::Request);
}

#[test]
fn the_sound_is_judged_where_a_model_can() {
    let mut bench = Bench::answered();
    bench.call.settings.judges_end = true;
    let utterance = bench.pauses_after(800);
    let judged = bench.outputs.iter().filter_map(|output| match output {
        CallOutput::JudgeEnd { utterance, samples, .. } => Some((*utterance, samples.len())),
        _ => None,
    });
    let judged: Vec<_> = judged.collect();
    assert!(matches!(judged[..], [(of, 6_400..)] if of == utterance), "{judged:?}");
    bench.is_heard(utterance, "I want to check my balance.");
    // Likely all, and it sounds like it.
    bench.input(CallInput::EndJudged { utterance, probability: Some(0.95) });
    bench.silence(220);
    assert!(!bench.call.endpointer.is_speaking());
    let stale = bench.call.stale;
    bench.input(CallInput::EndJudged { utterance, probability: Some(0.1) });
    assert_eq!(bench.call.stale, stale + 1);
}

#[test]
fn words_can_be_asked_for_without_a_pause() {
    let mut bench = Bench::answered();
    bench.outputs.clear();
    bench.speech(400);
    let now = bench.now;
    bench.call.speculate_now(now);
    bench.call.speculate_now(now);
    bench.tick(8_000);
    let [Asked::Ahead(early)] = bench.asked()[..] else { panic!("{:?}", bench.asked()) };
    bench.is_heard(early, "opening");
    assert!(bench.to_understand().is_empty(), "there is more to come");
    bench.speech(200);
    bench.silence(140);
    let asked = bench.asked();
    let [.., Asked::Withdrawn(withdrawn), Asked::Ahead(whole)] = asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(withdrawn, early);
    bench.is_heard(whole, "opening hours");
    bench.is_understood(whole, "branch_hours");
    bench.silence(400);
    assert_eq!(bench.spoken_lines(), ["opening hours"]);
}

#[test]
fn what_was_known_of_less_does_not_end_what_was_said_since() {
    let mut bench = Bench::answered();
    bench.outputs.clear();
    bench.speech(400);
    let now = bench.now;
    bench.call.speculate_now(now);
    bench.input(CallInput::Timeout);
    let [Asked::Ahead(early)] = bench.asked()[..] else { panic!("{:?}", bench.asked()) };
    // As long as nothing more is said this is a whole turn.
    bench.is_heard(early, "agent");
    bench.speech(300);
    bench.silence(440);
    assert!(bench.call.endpointer.is_speaking(), "300 ms are too short for words not known yet");
}

#[test]
fn what_a_turn_means_is_not_lost_where_more_seemed_to_be_said() {
    let mut bench = Bench::answered();
    let first = bench.pauses_after(600);
    bench.silence(560);
    bench.is_heard(first, "opening hours");
    assert_eq!(bench.to_understand(), [(first, "opening hours")]);
    bench.speech(400);
    bench.silence(1_600);
    let Some(Asked::Hurried(second)) = bench.asked().pop() else { panic!("{:?}", bench.asked()) };
    // It comes as late as that.
    bench.is_understood(first, "branch_hours");
    assert!(bench.spoken_lines().is_empty(), "there may be more to it");
    let ours = "we are open on weekdays from nine to five";
    let piece = bench.call.pending.last_mut().expect("it");
    assert_eq!(piece.id, second);
    piece.ours = Some(Pii::new(ours.to_owned()));
    bench.is_heard(second, ours);
    assert_eq!(bench.spoken_lines(), ["opening hours"], "it was an echo: nothing is waited for");
    assert_eq!(bench.to_understand().len(), 1);
}
