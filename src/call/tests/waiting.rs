//! Callers in line, on simulated time: what they hear, when something is said, and who goes before.

use super::*;
use crate::acd::{BackInQueue, LeftQueue, WaitEnd, WaitRange};
use crate::audio::{hold_music, level_dbfs};
use crate::conversation::{FailureWords, Step, TransferOutcome};

/// A bench whose caller has lost a card, wants a person, and hears that they will be in line.
fn about_to_be_in_line() -> Bench {
    let mut bench = Bench::answered_with(|rules| {
        rules.staffed = BTreeSet::from([QueueName::new("cards")]);
        rules.callback = Some(Pii::new("+1 415 555 1234".to_owned()));
    });
    bench.says("I lost my card", "lost_card");
    bench.hears(200);
    bench.input(CallInput::Digit('0'));
    bench.input(CallInput::Digit('#'));
    let handoff = bench.outputs.iter().find_map(|output| match output {
        CallOutput::StoreHandoff(handoff) => Some((handoff.queue.clone(), handoff.promise.clone())),
        _ => None,
    });
    assert_eq!(handoff, Some(("cards".to_owned(), "queue".to_owned())));
    bench.outputs.clear();
    bench.input(CallInput::HandoffStored { stored: true });
    bench
}

/// A bench whose caller is in line, and has heard so.
fn in_line() -> Bench {
    let mut bench = about_to_be_in_line();
    bench.hears(400);
    assert!(bench.call.is_in_line());
    bench
}

impl Bench {
    /// The caller says something that is understood as this.
    fn says(&mut self, words: &str, intent: &str) {
        self.outputs.clear();
        self.speech(800);
        self.silence(700);
        let utterance = self.transcribes().expect("an utterance");
        self.understood(utterance, words, intent);
    }

    /// Something that is no request, but may be about the wait.
    fn says_to_us(&mut self, words: &str) {
        self.says(words, "no_such_intent");
    }

    /// Everything that was asked for is said, each so long, and heard to its end.
    fn hears(&mut self, ms: usize) {
        let count = self.speeches().len();
        self.say_all(ms);
        self.silence((ms * count) as u64 + 40);
    }

    fn enqueued(&self) -> Vec<&str> {
        let queues = self.outputs.iter().filter_map(|output| match output {
            CallOutput::Enqueue { queue, .. } => Some(queue.as_str()),
            _ => None,
        });
        queues.collect()
    }

    fn left(&self) -> Option<LeftQueue> {
        self.outputs.iter().find_map(|output| match output {
            CallOutput::LeaveQueue { why } => Some(*why),
            _ => None,
        })
    }

    /// The words that were asked for.
    fn words(&self) -> String {
        let words = self.outputs.iter().filter_map(|output| match output {
            CallOutput::Speak { text, .. } => Some(text.expose().as_str()),
            _ => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn news(&mut self, position: usize) {
        let wait = Some(WaitRange { from: Duration::from_secs(20), to: Duration::from_secs(170) });
        self.input(CallInput::Waiting(WaitNews { position, agents: 1, wait }));
    }

    /// Waits until something is said, at most so long; tells what, and after how many seconds.
    fn next_words(&mut self, seconds: u64) -> Option<(String, u64)> {
        self.outputs.clear();
        for tick in 0..seconds * 50 {
            self.tick(0);
            if !self.speeches().is_empty() {
                let words = self.words();
                self.hears(2_000);
                return Some((words, tick / 50));
            }
        }
        None
    }

    /// The level of what the caller hears in half a second, in dBFS, and whether that is speech.
    fn level(&mut self) -> (f32, bool) {
        let mut heard = Vec::new();
        let mut is_speech = false;
        for _ in 0..25 {
            let frame = self.tick(0);
            is_speech |= frame.speaking;
            heard.extend(frame.samples);
        }
        (level_dbfs(&heard), is_speech)
    }

    fn is_music(&mut self) -> bool {
        let (level, is_speech) = self.level();
        (-50.0..-25.0).contains(&level) && !is_speech
    }

    fn is_silent(&mut self) -> bool {
        self.level().0 < -70.0
    }
}

#[test]
fn a_caller_is_put_in_line_once_everything_is_said_and_hears_music() {
    let mut bench = about_to_be_in_line();
    assert!(bench.enqueued().is_empty() && !bench.call.is_in_line(), "{:?}", bench.outputs);
    bench.say_all(1_000);
    bench.silence(800);
    assert!(bench.enqueued().is_empty(), "{:?}", bench.outputs);
    bench.silence(400);
    assert_eq!(bench.enqueued(), ["cards"]);
    bench.silence(1_000);
    assert!(bench.is_music());
    assert_eq!(bench.call.turn_state(), TurnState::Listening);
}

#[test]
fn a_caller_is_put_in_line_even_if_nothing_can_be_said() {
    let mut bench = about_to_be_in_line();
    let [speech] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.outputs.clear();
    bench.input(CallInput::SpeechFailed { speech });
    let [again] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    bench.input(CallInput::SpeechFailed { speech: again });
    assert_eq!(bench.enqueued(), ["cards"]);
    assert!(bench.call.is_in_line());
}

#[test]
fn who_interrupts_is_in_line_at_once() {
    let mut bench = about_to_be_in_line();
    bench.say_all(5_000);
    bench.silence(300);
    bench.speech(1_200);
    assert_eq!(bench.enqueued(), ["cards"], "{:?}", bench.outputs);
}

#[test]
fn the_music_gives_way_to_speech_and_comes_back_softly() {
    let mut bench = in_line();
    bench.silence(1_500);
    assert!(bench.is_music());
    bench.speech(800);
    assert!(bench.is_silent(), "nothing is played over a caller");
    bench.silence(200);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "how long will it take", "no_such_intent");
    let words = bench.words();
    assert!(!words.is_empty());
    bench.say_all(1_000);
    let (level, is_speech) = bench.level();
    assert!(is_speech && level > -25.0, "{level}");
    bench.silence(600);
    let begins: i64 = bench.tick(0).samples.iter().map(|s| i64::from(s.unsigned_abs())).sum();
    bench.silence(1_500);
    assert!(bench.is_music());
    assert!(begins < 160 * 200, "it begins softly: {begins}");
}

#[test]
fn the_music_goes_on_where_it_was_and_ends_where_it_begins() {
    let mut bench = in_line();
    let len = hold_music().len() as u64 / 8;
    bench.silence(2_000);
    for _ in 0..len / 500 + 4 {
        let (level, is_speech) = bench.level();
        assert!(is_speech || level > -50.0, "no dead air: {level}");
        bench.say_all(200);
    }
}

#[test]
fn the_place_is_told_soon_and_then_now_and_again() {
    let mut bench = in_line();
    bench.news(3);
    let (words, at) = bench.next_words(10).expect("the place");
    assert!(words.contains("third"), "{words}");
    assert!((3..=5).contains(&at), "{at}");
    // In between they are kept company.
    let (words, at) = bench.next_words(60).expect("company");
    assert!(!words.contains("third"), "{words}");
    assert!((20..=30).contains(&at), "{at}");
    let (words, at) = bench.next_words(60).expect("the place");
    assert!(words.contains("third") && words.contains("up to three minutes"), "{words}");
    assert!((18..=30).contains(&at), "{at}");
    let mut since_place = 0;
    for _ in 0..10 {
        let (words, at) = bench.next_words(60).expect("something");
        assert!(at >= 19, "there is music in between: {at}");
        since_place += at + 2;
        if words.contains("third") {
            assert!((40..=60).contains(&since_place), "{since_place}");
            since_place = 0;
        }
    }
}

#[test]
fn a_better_place_is_told_early_but_not_at_once() {
    let mut bench = in_line();
    bench.news(3);
    bench.next_words(10).expect("the place");
    bench.silence(2_000);
    bench.news(2);
    let (words, at) = bench.next_words(60).expect("the better place");
    assert!(words.contains("second"), "{words}");
    assert!((16..=20).contains(&at), "{at}");
    // A worse one, or the same, is no news.
    bench.news(2);
    bench.news(4);
    let (words, at) = bench.next_words(60).expect("company");
    assert!(!words.contains("fourth") && at >= 20, "{at}: {words}");
}

#[test]
fn a_wait_is_never_asked_about_and_silence_is_the_callers_own() {
    let mut bench = in_line();
    bench.news(5);
    let mut said = String::new();
    for _ in 0..12 {
        let (words, _) = bench.next_words(60).expect("something");
        said.push_str(&words);
    }
    assert!(!said.contains("still there") && !said.contains("hear you"), "{said}");
    assert_eq!(bench.call.conversation().signals().silences, 0);
    assert!(bench.call.is_in_line());
}

#[test]
fn an_offer_that_nobody_answers_passes_and_the_music_comes_back() {
    let mut bench = in_line();
    bench.news(5);
    bench.says_to_us("call me back");
    assert!(bench.words().contains("1 2 3 4"), "{}", bench.words());
    bench.hears(1_000);
    assert!(bench.is_silent(), "an answer is waited for");
    bench.outputs.clear();
    bench.silence(7_000);
    assert!(!bench.words().contains("still there"), "{}", bench.words());
    bench.hears(300);
    bench.silence(1_000);
    assert!(bench.is_music());
}

#[test]
fn callers_speak_over_music_and_words_and_are_served() {
    let mut bench = in_line();
    bench.silence(1_000);
    bench.says("when are you open", "branch_hours");
    assert!(bench.words().contains("weekdays"), "{}", bench.words());
    bench.say_all(4_000);
    bench.silence(500);
    bench.speech(700);
    assert!(!bench.tick(8_000).speaking, "an interruption stops us");
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.outputs.clear();
    bench.understood(utterance, "I don't want to wait", "no_such_intent");
    assert_eq!(bench.left(), Some(LeftQueue::ByChoice));
    assert!(!bench.call.is_in_line());
    bench.hears(500);
    bench.silence(1_000);
    assert!(bench.is_silent(), "no more music");
    bench.outputs.clear();
    bench.silence(7_000);
    assert!(!bench.speeches().is_empty(), "silence is asked about again");
}

#[test]
fn nothing_is_said_about_the_wait_while_something_is_done() {
    let mut bench = in_line();
    bench.news(2);
    bench.next_words(10).expect("the place");
    bench.says("what's my balance", "balance");
    let asked = bench.words();
    assert!(asked.contains("account number"), "{asked}");
    bench.hears(500);
    assert!(bench.is_silent(), "no music where an answer is expected");
    bench.news(1);
    for _ in 0..4 {
        bench.silence(1_000);
        assert!(!bench.words().contains("first"), "{}", bench.words());
    }
}

#[test]
fn words_that_answer_nothing_are_no_turn() {
    let mut bench = in_line();
    bench.says_to_us("okay, thank you");
    assert!(bench.speeches().is_empty(), "{}", bench.words());
    assert_eq!(bench.call.turn_state(), TurnState::Listening);
    bench.outputs.clear();
    bench.next_words(60).expect("the place");
    let turn = bench.outputs.iter().any(|output| matches!(output, CallOutput::Turn(_)));
    assert!(!turn, "nobody waited for that");
    let mut lines = bench.call.lines.iter().filter(|line| line.speaker == LineSpeaker::Caller);
    assert!(lines.any(|line| line.text.expose() == "okay, thank you"));
}

#[test]
fn whoever_takes_the_call_silences_everything() {
    let mut bench = in_line();
    bench.next_words(10).expect("the place");
    bench.says("what's my balance", "balance");
    bench.say_all(5_000);
    bench.silence(500);
    bench.input(CallInput::AgentTook);
    let cancelled = |output: &CallOutput| matches!(output, CallOutput::CancelSpeech { .. });
    assert!(bench.outputs.iter().any(cancelled), "{:?}", bench.outputs);
    let words = bench.words();
    assert!(words.contains("taking your call"), "{words}");
    assert!(!bench.call.is_in_line() && !bench.call.is_masking());
    bench.hears(300);
    bench.silence(1_000);
    assert!(bench.is_silent());
    bench.outputs.clear();
    bench.silence(60_000);
    assert!(bench.speeches().is_empty(), "{}", bench.words());
    assert_eq!(bench.call.conversation().step(), Step::WithPerson);
    let stale = bench.call.stale;
    bench.input(CallInput::AgentTook);
    bench.news(1);
    assert_eq!(bench.call.stale, stale + 2);
    bench.input(CallInput::TransferEnded { outcome: TransferOutcome::Succeeded });
    let ended = bench.outputs.iter().find_map(|output| match output {
        CallOutput::HangUp(termination) => Some(termination.clone()),
        _ => None,
    });
    let talked = Termination::new(TerminationResult::Success, "talked with a person");
    assert_eq!(ended, Some(talked));
}

#[test]
fn who_is_with_somebody_is_hung_up_on_even_while_we_speak() {
    let mut bench = in_line();
    bench.input(CallInput::AgentTook);
    bench.say_all(5_000);
    bench.tick(0);
    bench.input(CallInput::TransferEnded { outcome: TransferOutcome::Succeeded });
    assert!(bench.outputs.iter().any(|o| matches!(o, CallOutput::HangUp(_))), "no waiting");
}

#[test]
fn a_caller_who_lost_their_person_hears_it_to_the_end_and_then_music() {
    let mut bench = in_line();
    bench.input(CallInput::AgentTook);
    bench.hears(300);
    bench.outputs.clear();
    bench.input(CallInput::BackInQueue { why: BackInQueue::AgentLost });
    assert!(bench.words().contains("first in line"), "{}", bench.words());
    bench.say_all(2_000);
    bench.speech(700);
    assert!(bench.tick(0).speaking, "they were talking, and are to hear it");
    bench.silence(2_500);
    assert!(bench.call.is_in_line());
    no_words(&mut bench);
    bench.silence(1_000);
    assert!(bench.is_music());
    bench.input(CallInput::AgentTook);
    bench.input(CallInput::BackInQueue { why: BackInQueue::NotTaken });
    assert!(bench.call.is_in_line(), "and can be taken again");
}

#[test]
fn a_wait_that_ends_is_told_and_the_call_goes_on() {
    let mut bench = in_line();
    bench.silence(2_000);
    bench.outputs.clear();
    bench.input(CallInput::WaitEnded { why: WaitEnd::TooLong });
    assert!(bench.words().contains("call you back"), "{}", bench.words());
    bench.hears(500);
    assert!(!bench.call.is_in_line());
    assert!(bench.is_silent());
    bench.outputs.clear();
    bench.silence(7_000);
    assert!(!bench.speeches().is_empty(), "silence is asked about again");
    let stale = bench.call.stale;
    bench.input(CallInput::WaitEnded { why: WaitEnd::TooLong });
    assert_eq!(bench.call.stale, stale + 1);
}

/// A bench whose caller wants to be called back.
fn booking() -> Bench {
    let mut bench = in_line();
    bench.says_to_us("call me back");
    bench.hears(300);
    bench.input(CallInput::Digit('1'));
    assert_eq!(bench.left(), Some(LeftQueue::ForCallback));
    bench.outputs.clear();
    bench
}

#[test]
fn a_call_back_that_is_noted_ends_the_call() {
    let mut bench = booking();
    bench.input(CallInput::CallbackBooked { booked: true });
    assert!(bench.words().contains("keep your place"), "{}", bench.words());
    assert!(!bench.call.is_in_line());
    bench.hears(300);
    assert!(bench.outputs.iter().any(|o| matches!(o, CallOutput::HangUp(_))));
}

#[test]
fn a_call_back_of_which_nothing_is_heard_is_told_to_have_failed() {
    let mut bench = booking();
    bench.silence(9_000);
    assert!(bench.speeches().is_empty(), "{}", bench.words());
    bench.silence(1_500);
    assert!(bench.words().contains("still in line"), "{}", bench.words());
    assert!(bench.call.is_in_line());
    bench.hears(300);
    bench.input(CallInput::CallbackBooked { booked: true });
    assert!(bench.words().contains("keep your place"), "late, and true: {}", bench.words());
}

#[test]
fn a_colleague_gets_the_caller_back_once_all_is_said() {
    let returned = |bench: &Bench| {
        bench.outputs.iter().any(|output| matches!(output, CallOutput::ReturnToAgent))
    };
    let mut bench = in_line();
    bench.input(CallInput::AgentTook);
    bench.hears(300);
    bench.outputs.clear();
    bench.input(CallInput::BackFromAgent { task: "branch_hours".to_owned() });
    assert!(bench.words().contains("weekdays"), "{}", bench.words());
    assert!(!returned(&bench), "{:?}", bench.outputs);
    let count = bench.speeches().len();
    bench.say_all(500);
    bench.silence(500 * count as u64 - 100);
    assert!(!returned(&bench), "{:?}", bench.outputs);
    bench.silence(300);
    assert!(returned(&bench), "{:?}", bench.outputs);
    assert_eq!(bench.call.conversation().step(), Step::WithPerson);
    // An unknown task is given back just so, and one at a time.
    bench.outputs.clear();
    bench.input(CallInput::BackFromAgent { task: "no_such_task".to_owned() });
    bench.input(CallInput::BackFromAgent { task: "branch_hours".to_owned() });
    bench.hears(200);
    assert!(returned(&bench), "{:?}", bench.outputs);
}

#[test]
fn a_colleague_who_takes_the_caller_back_silences_us() {
    let mut bench = in_line();
    bench.input(CallInput::AgentTook);
    bench.hears(300);
    bench.input(CallInput::BackFromAgent { task: "balance".to_owned() });
    bench.say_all(5_000);
    bench.silence(200);
    bench.input(CallInput::AgentTook);
    let cancelled = |output: &CallOutput| matches!(output, CallOutput::CancelSpeech { .. });
    assert!(bench.outputs.iter().any(cancelled), "{:?}", bench.outputs);
    assert!(!bench.tick(0).speaking && bench.words().is_empty(), "{}", bench.words());
    assert!(bench.is_silent());
    bench.input(CallInput::TransferEnded { outcome: TransferOutcome::Succeeded });
    assert!(bench.outputs.iter().any(|o| matches!(o, CallOutput::HangUp(_))));
}

#[test]
fn what_was_done_meanwhile_is_in_the_handoff_that_people_get() {
    let mut bench = in_line();
    bench.says("what's my balance", "balance");
    bench.hears(200);
    for digit in "12345678#4321".chars() {
        bench.input(CallInput::Digit(digit));
    }
    bench.silence(700);
    let run = bench.outputs.iter().find_map(|output| match output {
        CallOutput::RunAction { run, .. } => Some(*run),
        _ => None,
    });
    let run = run.expect("the check");
    bench.outputs.clear();
    let result = Err(FailureWords::Refused("wrong pin".to_owned()));
    bench.input(CallInput::ActionFinished { run, result });
    let update = bench.outputs.iter().find_map(|output| match output {
        CallOutput::UpdateHandoff(handoff) => Some(handoff),
        _ => None,
    });
    let update = update.expect("that is news");
    assert_eq!((update.queue.as_str(), update.promise.as_str()), ("cards", "queue"));
    assert_eq!(update.actions.len(), 1);
    assert!(update.transcript.iter().any(|line| line.text.contains("in line")), "{update:?}");
    assert!(!serde_json::to_string(update).expect("JSON").contains("4321"));
    assert!(update.reference.is_none(), "the shell knows it");
}

#[test]
fn a_caller_who_puts_us_on_hold_hears_no_music_and_misses_nothing() {
    let mut bench = in_line();
    bench.input(CallInput::Hold);
    for _ in 0..60 * 50 {
        assert!(!bench.tick(0).speaking);
    }
    assert!(bench.speeches().is_empty(), "{}", bench.words());
    bench.input(CallInput::Resume);
    assert!(bench.next_words(10).is_some(), "the place");
}

#[test]
fn what_belongs_to_no_wait_is_dropped_and_counted() {
    let mut bench = Bench::answered();
    bench.outputs.clear();
    let stale = bench.call.stale;
    bench.news(1);
    bench.input(CallInput::AgentTook);
    bench.input(CallInput::BackInQueue { why: BackInQueue::AgentLost });
    bench.input(CallInput::WaitEnded { why: WaitEnd::NoQueue });
    bench.input(CallInput::CallbackBooked { booked: true });
    bench.input(CallInput::BackFromAgent { task: "balance".to_owned() });
    assert_eq!(bench.call.stale, stale + 6);
    assert!(bench.outputs.is_empty(), "{:?}", bench.outputs);
}

#[test]
fn a_caller_who_speaks_up_as_they_are_given_back_is_given_back() {
    let mut bench = in_line();
    bench.input(CallInput::AgentTook);
    bench.hears(300);
    bench.input(CallInput::BackFromAgent { task: "balance".to_owned() });
    bench.hears(300);
    bench.says("stop", "no_such_intent");
    bench.silence(400);
    bench.say_all(3_000);
    bench.silence(100);
    bench.speech(1_200);
    let returned = bench.outputs.iter().any(|o| matches!(o, CallOutput::ReturnToAgent));
    assert!(returned, "{:?}", bench.outputs);
    assert_eq!(bench.call.conversation().step(), Step::WithPerson, "it is what is done");
}

#[test]
fn what_was_being_said_when_somebody_took_the_call_is_not_heard_after_it() {
    let mut bench = in_line();
    bench.speech(600);
    bench.input(CallInput::AgentTook);
    bench.outputs.clear();
    // They talk with each other, and we hear nothing of it.
    bench.input(CallInput::BackFromAgent { task: "balance".to_owned() });
    bench.silence(4_000);
    assert_eq!(bench.transcribes(), None);
    assert_eq!(bench.call.turn_state(), TurnState::Listening);
}
