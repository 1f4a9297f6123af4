//! What calls do with less: those that go on, and those that begin with it.

use super::*;
use crate::base::Effort;

/// A call that began while so much was done for callers; its first words have been said.
fn begun_with(effort: Effort) -> Bench {
    let mut bench = Bench::arriving_with(|_| {});
    bench.input(CallInput::Effort(effort));
    bench.input(CallInput::Answered { caller: BTreeMap::new() });
    bench
}

fn heard_first(bench: &mut Bench) {
    bench.say_all(400);
    bench.silence(1_500);
}

impl Bench {
    fn hands_over(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, CallOutput::StoreHandoff(_)))
    }
}

#[test]
fn a_call_that_goes_on_is_not_turned_away() {
    let mut bench = Bench::answered();
    for effort in Effort::ALL {
        bench.input(CallInput::Effort(effort));
        assert_eq!(bench.call.may_speculate(), effort == Effort::Full);
    }
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("it is still listened to");
    bench.understood(utterance, "when are you open", "branch_hours");
    assert!(!bench.speeches().is_empty(), "it answers");
    assert!(!bench.hands_over());
}

#[test]
fn a_call_that_begins_with_keys_hears_no_words() {
    let mut bench = begun_with(Effort::KeypadMenu);
    heard_first(&mut bench);
    // A click asks for nobody.
    bench.speech(100);
    bench.silence(1_500);
    assert!(bench.transcribes().is_none() && !bench.hands_over(), "{:?}", bench.outputs);
}

#[test]
fn a_key_in_the_menu_and_words_without_a_listener_lead_to_a_person() {
    let mut bench = begun_with(Effort::KeypadMenu);
    heard_first(&mut bench);
    bench.input(CallInput::Digit('0'));
    assert!(bench.hands_over(), "{:?}", bench.outputs);
    let mut bench = begun_with(Effort::KeypadMenu);
    heard_first(&mut bench);
    bench.speech(800);
    bench.silence(1_500);
    assert!(bench.transcribes().is_none(), "nothing is made of the words");
    assert!(bench.hands_over(), "{:?}", bench.outputs);
}

#[test]
fn a_call_that_goes_straight_to_people_says_what_must_be_said_and_hands_over() {
    let bench = begun_with(Effort::StraightToPeople);
    let spoken = bench.speeches().len();
    assert_eq!(spoken, 2, "the disclosure and why: {:?}", bench.outputs);
    assert!(bench.hands_over());
}

#[test]
fn a_call_that_began_with_keys_is_listened_to_as_soon_as_there_is_room() {
    let mut bench = begun_with(Effort::KeypadMenu);
    heard_first(&mut bench);
    bench.input(CallInput::Effort(Effort::SmallHearing));
    bench.speech(800);
    bench.silence(1_500);
    let utterance = bench.transcribes().expect("it is listened to");
    bench.understood(utterance, "agent", "human");
    assert!(bench.hands_over(), "{:?}", bench.outputs);
}
