//! Callers who are put through: what they hear, and what ends it.

use super::*;
use crate::conversation::TransferOutcome;

/// A bench whose caller has lost a card, wants a person, and hears that it is tried to put them through.
fn about_to_be_put_through() -> Bench {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "I lost my card", "lost_card");
    bench.say_all(200);
    bench.silence(1_000);
    bench.input(CallInput::Digit('0'));
    bench.input(CallInput::Digit('#'));
    let handoff = bench.outputs.iter().find_map(|output| match output {
        CallOutput::StoreHandoff(handoff) => Some((handoff.queue.clone(), handoff.promise.clone())),
        _ => None,
    });
    assert_eq!(handoff, Some(("cards".to_owned(), "transfer".to_owned())));
    bench.outputs.clear();
    bench.input(CallInput::HandoffStored { stored: true });
    bench
}

fn transfers(bench: &Bench) -> Vec<&str> {
    bench
        .outputs
        .iter()
        .filter_map(|output| match output {
            CallOutput::Transfer { queue, .. } => Some(queue.as_str()),
            _ => None,
        })
        .collect()
}

/// How loud the tone is that a caller hears who is being put through, in dBFS.
fn ringing(bench: &mut Bench) -> f64 {
    let mut heard = Vec::new();
    for _ in 0..25 {
        let frame = bench.tick(0);
        assert!(!frame.speaking, "it is no speech");
        heard.extend(frame.samples);
    }
    crate::audio::tone::detect(&heard, SampleRate::HZ_8000, 440.0)
}

#[test]
fn a_caller_is_put_through_once_everything_is_said_and_hears_ringing() {
    let mut bench = about_to_be_put_through();
    assert!(transfers(&bench).is_empty(), "{:?}", bench.outputs);
    bench.say_all(2_000);
    bench.silence(1_000);
    // Whoever speaks now interrupts nothing.
    bench.speech(700);
    assert!(transfers(&bench).is_empty(), "{:?}", bench.outputs);
    assert!(bench.tick(0).speaking);
    bench.silence(400);
    assert_eq!(transfers(&bench), ["cards"]);
    let level = ringing(&mut bench);
    assert!((level + 30.0).abs() < 3.0, "{level}");
    bench.outputs.clear();
    bench.silence(20_000);
    assert!(bench.speeches().is_empty(), "nothing is asked meanwhile: {:?}", bench.outputs);
    let outcome = TransferOutcome::NoAnswer;
    bench.input(CallInput::TransferEnded { outcome });
    assert!(!bench.speeches().is_empty(), "the truth: {:?}", bench.outputs);
    bench.say_all(500);
    bench.silence(1_000);
    assert!(ringing(&mut bench) < -70.0);
    bench.silence(7_000);
    assert!(!bench.speeches().is_empty(), "silence is asked about again: {:?}", bench.outputs);
    let stale = bench.call.stale;
    bench.input(CallInput::TransferEnded { outcome });
    assert_eq!(bench.call.stale, stale + 1, "it is over already");
}

#[test]
fn that_nobody_took_the_call_is_said_to_its_end() {
    let mut bench = about_to_be_put_through();
    bench.say_all(200);
    bench.silence(300);
    bench.outputs.clear();
    bench.input(CallInput::TransferEnded { outcome: TransferOutcome::Busy });
    bench.say_all(2_000);
    // Who was talking while it rang may go on.
    bench.speech(700);
    assert!(bench.tick(0).speaking, "{:?}", bench.outputs);
}

#[test]
fn a_caller_who_is_through_is_hung_up_on() {
    let mut bench = about_to_be_put_through();
    bench.say_all(200);
    bench.silence(300);
    bench.input(CallInput::TransferEnded { outcome: TransferOutcome::Succeeded });
    let ended = bench.outputs.iter().find_map(|output| match output {
        CallOutput::HangUp(termination) => Some(termination.clone()),
        _ => None,
    });
    assert_eq!(ended, Some(Termination::new(TerminationResult::Success, "put through")));
    assert!(bench.speeches().is_empty(), "{:?}", bench.outputs);
}

#[test]
fn what_is_never_told_ends_as_a_failure_and_is_called_off() {
    let mut bench = about_to_be_put_through();
    bench.say_all(200);
    bench.silence(300);
    bench.outputs.clear();
    bench.silence(5 * 60 * 1_000 + 100);
    let called_off = bench.outputs.iter().any(|o| matches!(o, CallOutput::CancelTransfer));
    assert!(called_off && !bench.speeches().is_empty(), "{:?}", bench.outputs);
}

#[test]
fn a_caller_is_put_through_even_if_nothing_can_be_said() {
    let mut bench = about_to_be_put_through();
    let [speech] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.outputs.clear();
    bench.input(CallInput::SpeechFailed { speech });
    let [again] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.input(CallInput::SpeechFailed { speech: again });
    assert_eq!(transfers(&bench), ["cards"]);
}
