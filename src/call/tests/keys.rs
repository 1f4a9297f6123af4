//! Keys that callers press, in time.

use super::*;

/// A bench whose caller is asked for an account number.
fn asked_for_a_number() -> Bench {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "what's my balance", "balance");
    bench.say_all(200);
    bench.silence(1_000);
    bench
}

#[test]
fn a_hash_behind_a_complete_number_does_not_silence_the_next_question() {
    let mut bench = asked_for_a_number();
    for digit in "12345678#".chars() {
        bench.input(CallInput::Digit(digit));
    }
    assert!(!bench.speeches().is_empty(), "the next question is asked");
    let cancelled = |o: &CallOutput| matches!(o, CallOutput::CancelSpeech { .. });
    assert!(!bench.outputs.iter().any(cancelled), "{:?}", bench.outputs);
}

#[test]
fn a_star_clears_what_was_keyed() {
    let mut bench = asked_for_a_number();
    for digit in "999*12345678".chars() {
        bench.input(CallInput::Digit(digit));
    }
    bench.silence(700);
    let keyed = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Line(line) if line.speaker == LineSpeaker::Caller => {
            Some(line.text.expose().clone())
        }
        _ => None,
    });
    assert_eq!(keyed.as_deref(), Some("[keys 12345678]"));
}

#[test]
fn keys_that_run_over_a_number_are_one_entry() {
    let mut bench = asked_for_a_number();
    for digit in "123456784321".chars() {
        bench.input(CallInput::Digit(digit));
        bench.silence(300);
    }
    bench.silence(700);
    let keyed: Vec<String> = bench
        .outputs
        .iter()
        .filter_map(|output| match output {
            CallOutput::Line(line) if line.speaker == LineSpeaker::Caller => {
                Some(line.text.expose().clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(keyed, ["[keys ••••••••••••]"], "there may be a PIN in it");
}

#[test]
fn a_pin_keyed_behind_the_rest_of_a_number_is_not_shown() {
    let mut bench = asked_for_a_number();
    for keys in ["1234567", "84321"] {
        for digit in keys.chars() {
            bench.input(CallInput::Digit(digit));
            bench.silence(200);
        }
        bench.silence(6_000);
    }
    let keyed = bench.outputs.iter().filter_map(|output| match output {
        CallOutput::Line(line) if line.speaker == LineSpeaker::Caller => {
            Some(line.text.expose().clone())
        }
        _ => None,
    });
    assert_eq!(keyed.collect::<Vec<_>>(), ["[keys 1234567]", "[keys •••••]"]);
}

#[test]
fn a_zero_is_a_person_only_by_itself_where_no_keys_are_asked_for() {
    let handed_off =
        |bench: &Bench| bench.outputs.iter().any(|o| matches!(o, CallOutput::StoreHandoff(_)));
    let mut bench = Bench::answered();
    for digit in "4021".chars() {
        bench.input(CallInput::Digit(digit));
        bench.silence(200);
    }
    bench.silence(3_500);
    assert!(!handed_off(&bench), "{:?}", bench.outputs);
    assert!(!bench.speeches().is_empty(), "it says that it did not follow");
    let keyed = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Line(line) if line.speaker == LineSpeaker::Caller => Some(line.text.expose()),
        _ => None,
    });
    assert_eq!(keyed.map(String::as_str), Some("[keys ••••]"), "it may be a PIN");

    let mut bench = Bench::answered();
    bench.input(CallInput::Digit('0'));
    bench.silence(1_000);
    assert!(!handed_off(&bench), "more may follow");
    bench.silence(1_000);
    assert!(handed_off(&bench), "{:?}", bench.outputs);
}
