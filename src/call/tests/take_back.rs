//! Turns that were taken although the caller had only paused.

use super::*;

/// A caller who has asked something and hears the answer for so long, with what this intent is.
fn is_answered(words: &str, intent: &str, heard_ms: u64) -> Bench {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, words, intent);
    bench.say_all(6_000);
    bench.silence(heard_ms);
    bench
}

/// The caller goes on with these words: what is to be understood then.
fn goes_on(bench: &mut Bench, words: &str) -> String {
    bench.outputs.clear();
    bench.speech(1_200);
    assert!(!bench.tick(8_000).speaking, "we stop");
    bench.silence(700);
    let utterance = bench.transcribes().expect("a second piece");
    bench.understood(utterance, words, "branch_hours");
    bench.silence(1_500);
    let understood = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Understand { text, .. } => Some(text.expose().clone()),
        _ => None,
    });
    understood.expect("something to understand")
}

fn caller_lines(bench: &Bench) -> Vec<&str> {
    let lines = bench.call.lines.iter().filter(|line| line.speaker == LineSpeaker::Caller);
    lines.map(|line| line.text.expose().as_str()).collect()
}

#[test]
fn who_goes_on_as_we_begin_to_answer_has_said_one_thing() {
    let mut bench = is_answered("opening hours", "branch_hours", 200);
    let whole = goes_on(&mut bench, "on Sunday");
    assert_eq!(whole, "opening hours on Sunday");
    assert_eq!(caller_lines(&bench), ["opening hours", "on Sunday"], "each word stands there once");
    assert_eq!(bench.call.conversation().signals().interruptions, 0, "we interrupted them");
    assert!(!bench.speeches().is_empty(), "all of it is answered");
}

#[test]
fn who_has_heard_of_the_answer_interrupts_it() {
    let mut bench = is_answered("opening hours", "branch_hours", 1_500);
    let said = goes_on(&mut bench, "on Sunday");
    assert_eq!(said, "on Sunday");
    assert_eq!(bench.call.conversation().signals().interruptions, 1);
}

#[test]
fn a_turn_that_was_taken_back_for_our_own_voice_is_answered() {
    let mut bench = is_answered("opening hours", "branch_hours", 200);
    bench.outputs.clear();
    bench.speech(1_200);
    bench.silence(1_500);
    let utterance = bench.transcribes().expect("what was taken for more of it");
    let ours = "we are open on weekdays from nine to five";
    let piece = bench.call.pending.last_mut().expect("it");
    assert_eq!(piece.id, utterance);
    piece.ours = Some(Pii::new(ours.to_owned()));
    bench.outputs.clear();
    let text = Pii::new(ours.to_owned());
    let result = HeardResult::Text { text, confidence: 0.9, readings: Readings::default() };
    bench.input(CallInput::Transcribed { utterance, result });
    let again = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Understand { utterance, text } => Some((*utterance, text.expose().clone())),
        _ => None,
    });
    let (again, text) = again.expect("what is left is understood again");
    assert_eq!(text, "opening hours");
    let intents = vec![IntentScore { intent: IntentName::new("branch_hours"), confidence: 0.95 }];
    let understanding = Some(Understanding::of(intents, -1.0));
    bench.input(CallInput::Understood { utterance: again, understanding });
    assert!(!bench.speeches().is_empty(), "{:?}", bench.outputs);
    assert_eq!(caller_lines(&bench), ["opening hours"]);
}

#[test]
fn a_key_answers_what_is_asked_now_whatever_is_heard_meanwhile() {
    let mut bench = is_answered("what's my balance", "balance", 200);
    bench.speech(200);
    assert!(bench.call.endpointer.is_speaking());
    for digit in "12345678#".chars() {
        bench.input(CallInput::Digit(digit));
    }
    assert_eq!(caller_lines(&bench), ["what's my balance", "[keys 12345678]"]);
}
