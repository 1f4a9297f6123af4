//! Whole calls of the demo bank on simulated time: faults, secrets, interruptions, and callers who
//! do anything at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontdoor::acd::handoff::{Handoff, HandoffReason};
use frontdoor::acd::{BackInQueue, LeftQueue, WaitEnd, WaitRange};
use frontdoor::base::{CallId, LIST_OUTPUT, Pii, join_list};
use frontdoor::call::{Call, CallFacts, HeardResult, LineSpeaker, WaitNews};
use frontdoor::config::{Config, ConsentConfig};
use frontdoor::conversation::{ActionResult, FailureWords, Rules, TransferOutcome};
use frontdoor::nlu::{IntentName, IntentScore, Readings, SlotKind, Understanding};
use frontdoor::prompts::{ActionName, Generation, QueueName};
use frontdoor::server::{call_settings, load_profile, rules};
use frontdoor::sim::{LevelVad, LineEvent, Rehearsed, Step, TransferRun, World, rehearse};
use proptest::prelude::*;

/// What is broken in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    Nothing,
    Hearing,
    Classifier,
    Voice,
    Store,
    /// The CRM refuses connections once the caller is verified.
    CrmAfterVerification,
    /// The CRM never answers once the caller is verified.
    CrmSilent,
}

/// The demo bank with one customer, account 12345678, PIN 4321.
#[derive(Default)]
struct Bank {
    fault: Fault,
    card_blocked: bool,
    moved: Vec<String>,
    people: People,
    desks: Desks,
}

/// What happens to callers in line, where people are at desks.
#[derive(Debug, Clone, Default)]
struct Desks {
    /// Each so many seconds after the one before.
    events: Vec<(u64, LineEvent)>,
    /// Whether call backs can be noted; `None`: it is never told.
    books: Option<bool>,
}

/// What comes of putting callers through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum People {
    /// There is nobody to put them through to: people call back.
    #[default]
    CallBack,
    /// This, after so many seconds.
    Tell(TransferOutcome, u64),
    /// It is never told.
    Silent,
}

impl World for Bank {
    fn understand(&mut self, words: &str) -> Option<Understanding> {
        if self.fault == Fault::Classifier {
            return None;
        }
        let meant = [
            ("card", "lost_card"),
            ("open", "branch_hours"),
            ("balance", "balance"),
            ("move", "transfer"),
        ];
        let found = meant.iter().find(|(word, _)| words.contains(word));
        let scores = match found {
            Some((_, intent)) => vec![(*intent, 0.96)],
            None => vec![("balance", 0.12), ("transfer", 0.1)],
        };
        let intents = scores.into_iter().map(|(intent, confidence)| IntentScore {
            intent: IntentName::new(intent),
            confidence,
        });
        Some(Understanding::of(intents.collect(), -1.0))
    }

    fn hear(&mut self, said: &str) -> HeardResult {
        match self.fault {
            Fault::Hearing => HeardResult::Failed,
            _ => HeardResult::Text {
                text: Pii::new(said.to_owned()),
                confidence: 0.9,
                readings: Readings::default(),
            },
        }
    }

    fn can_speak(&mut self, _words: &str) -> bool {
        self.fault != Fault::Voice
    }

    fn store(&mut self, _handoff: &Handoff) -> bool {
        self.fault != Fault::Store
    }

    fn put_through(&mut self, _queue: &str) -> Option<(Duration, TransferOutcome)> {
        match self.people {
            People::Tell(outcome, seconds) => Some((Duration::from_secs(seconds), outcome)),
            People::Silent => None,
            People::CallBack => panic!("nobody is to be put through"),
        }
    }

    fn wait_in(&mut self, _queue: &str) -> Vec<(Duration, LineEvent)> {
        let events = self.desks.events.iter().cloned();
        events.map(|(seconds, event)| (Duration::from_secs(seconds), event)).collect()
    }

    fn book_callback(&mut self) -> Option<bool> {
        self.desks.books
    }

    fn act(
        &mut self,
        action: &str,
        inputs: &BTreeMap<String, Pii<String>>,
    ) -> Option<ActionResult> {
        let value = |name: &str| inputs.get(name).map_or("", |value| value.expose().as_str());
        let known = value("account_number") == "12345678";
        let outputs: &[(&str, &str)] = match action {
            "crm.verify_pin" if known && value("pin") == "4321" => {
                &[("customer_name", "Alex Morgan"), ("first_name", "Alex")]
            }
            "crm.verify_pin" => return Some(Err(FailureWords::Refused("wrong pin".to_owned()))),
            _ if self.fault == Fault::CrmAfterVerification => {
                return Some(Err(FailureWords::Unavailable));
            }
            _ if self.fault == Fault::CrmSilent => return None,
            _ if !known => return Some(Err(FailureWords::NotFound)),
            "crm.block_card" => {
                self.card_blocked = true;
                &[("card_last4", "4417")]
            }
            "crm.transfer" => {
                self.moved.push(value("amount").to_owned());
                &[("from_balance", "1154.50"), ("to_balance", "5360.00")]
            }
            "crm.balance" => &[("balance", "1204.50")],
            other => panic!("the bank knows no {other}"),
        };
        let outputs = outputs.iter().map(|(k, v)| ((*k).to_owned(), Pii::new((*v).to_owned())));
        Some(Ok(outputs.collect()))
    }
}

fn config() -> Config {
    Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("frontdoor.toml")).expect("valid")
}

fn generation(config: &Config) -> Arc<Generation> {
    Arc::new(load_profile(config).expect("the demo profile is sound").0)
}

fn call(script: &[Step], bank: &mut Bank, seed: u64) -> Rehearsed {
    let config = config();
    let generation = generation(&config);
    let transfers = if bank.people == People::CallBack { Vec::new() } else { all(&generation) };
    call_with(&config, generation, script, bank, (seed, transfers))
}

/// All queues of these prompt files.
fn all(generation: &Generation) -> Vec<QueueName> {
    generation.queues.keys().cloned().collect()
}

fn call_on(
    config: &Config,
    generation: Arc<Generation>,
    script: &[Step],
    world: &mut dyn World,
    seed: u64,
) -> Rehearsed {
    call_with(config, generation, script, world, (seed, Vec::new()))
}

/// The same where callers are put through to the people of these queues.
fn call_with(
    config: &Config,
    generation: Arc<Generation>,
    script: &[Step],
    world: &mut dyn World,
    (seed, transfers): (u64, Vec<QueueName>),
) -> Rehearsed {
    let rules = Rules { transfers: transfers.into_iter().collect(), ..rules(config) };
    call_by(config, generation, rules, script, (world, seed))
}

/// The same where people are at the desks of every queue.
fn call_to_desks(script: &[Step], bank: &mut Bank, seed: u64) -> Rehearsed {
    let config = config();
    let generation = generation(&config);
    let rules = Rules {
        staffed: all(&generation).into_iter().collect(),
        callback: Some(Pii::new("+1 415 555 1234".to_owned())),
        ..rules(&config)
    };
    call_by(&config, generation, rules, script, (bank, seed))
}

fn call_by(
    config: &Config,
    generation: Arc<Generation>,
    rules: Rules,
    script: &[Step],
    (world, seed): (&mut dyn World, u64),
) -> Rehearsed {
    let facts = CallFacts {
        call: CallId::from_u128(7),
        caller: Pii::new("sip:anonymous@example.com".to_owned()),
        called: Pii::new("sip:bank@example.com".to_owned()),
        channel: "sip",
        answered_unix_ms: 1_775_000_000_000,
    };
    let vad = Box::new(LevelVad);
    let call = Call::new(facts, call_settings(config), generation, rules, vad, seed);
    rehearse(call, script, BTreeMap::new(), world)
}

fn say(words: &str) -> Step {
    Step::Say(words.to_owned())
}

fn key(keys: &str) -> Step {
    Step::Key(keys.to_owned())
}

/// "I lost my card", verified by keys, confirmed, nothing else.
fn lost_card() -> Vec<Step> {
    vec![
        say("hi I think I lost my card"),
        key("12345678"),
        key("4321"),
        say("yes please"),
        say("no that's all"),
    ]
}

fn ours(call: &Rehearsed) -> String {
    call.said_by(LineSpeaker::Frontdoor)
}

fn theirs(call: &Rehearsed) -> String {
    call.said_by(LineSpeaker::Caller)
}

#[test]
fn a_lost_card_is_blocked_and_only_then_said_to_be() {
    let mut bank = Bank::default();
    let call = call(&lost_card(), &mut bank, 1);
    assert!(bank.card_blocked);
    let said = ours(&call);
    assert!(said.contains("4 4 1 7"), "{said}");
    let claim = call.lines.iter().find(|line| line.text.expose().contains("4 4 1 7"));
    let done = call.actions.iter().find(|run| run.action == "crm.block_card").expect("ran");
    assert!(Duration::from_millis(claim.expect("said").at_ms) > done.at);
    assert!(call.handoffs.is_empty());
    let ended = call.ended.expect("ends by itself");
    assert_eq!(ended.reason, "the caller said goodbye", "{said}");
    assert!(call.turns.len() >= 3, "{:?}", call.turns);
    assert!(call.longest_silence < Duration::from_secs(2), "{:?}", call.longest_silence);
}

#[test]
fn a_spoken_pin_is_in_no_record_no_handoff_and_no_recording() {
    let script = vec![
        say("I lost my card"),
        say("one two three four five six seven eight"),
        say("yes"),
        say("four three two one"),
        say("agent"),
    ];
    let call = call(&script, &mut Bank::default(), 1);
    let runs: Vec<&str> = call.actions.iter().map(|run| run.action.as_str()).collect();
    assert_eq!(runs, ["crm.verify_pin"], "{}\n{}", ours(&call), theirs(&call));
    let handoff = serde_json::to_string(&call.handoffs[0]).expect("JSON");
    let lines = format!("{}{}", ours(&call), theirs(&call));
    for secret in ["four three two one", "4321", "4 3 2 1"] {
        assert!(!lines.contains(secret), "{lines}");
        assert!(!handoff.contains(secret), "{handoff}");
    }
    assert_eq!(call.secret_frames_recorded, 0);
}

#[test]
fn a_crm_that_dies_in_mid_call_is_never_covered_up() {
    for fault in [Fault::CrmAfterVerification, Fault::CrmSilent] {
        let mut bank = Bank { fault, ..Bank::default() };
        let call = call(&lost_card(), &mut bank, 1);
        let said = ours(&call);
        assert!(!bank.card_blocked);
        assert!(!said.contains("is blocked") && !said.contains("I've blocked"), "{said}");
        let handoff = call.handoffs.first().unwrap_or_else(|| panic!("{fault:?}: {said}"));
        assert_eq!(handoff.reason, HandoffReason::Outage, "{fault:?}");
        assert_eq!(handoff.verification.as_ref().map(|v| v.result.as_str()), Some("passed"));
        assert!(said.contains("call you back"), "{said}");
    }
}

#[test]
fn whatever_dies_the_caller_reaches_a_person_or_hears_the_truth() {
    let script =
        vec![say("I lost my card"), say("I lost my card"), say("I lost my card"), key("0")];
    for fault in [Fault::Hearing, Fault::Classifier, Fault::Voice] {
        let call = call(&script, &mut Bank { fault, ..Bank::default() }, 1);
        assert_eq!(call.handoffs.len(), 1, "{fault:?}: {}", ours(&call));
        assert!(call.ended.is_some(), "{fault:?}");
    }
    let mut bank = Bank { fault: Fault::Store, ..Bank::default() };
    let call = call(&[say("agent")], &mut bank, 1);
    assert!(!ours(&call).contains("call you back"), "{}", ours(&call));
    assert!(ours(&call).contains("again"), "{}", ours(&call));
}

#[test]
fn a_caller_who_speaks_over_us_is_heard_and_what_was_cut_off_is_not_recorded_as_said() {
    // The disclosure is said to its end, whoever speaks meanwhile.
    let over = Step::SayOver(Duration::from_millis(6_500), "move fifty dollars to savings".into());
    let call =
        call(&[over, Step::Wait(Duration::from_secs(3)), Step::HangUp], &mut Bank::default(), 1);
    let [disclosure, greeting, ..] = &call.lines[..] else { panic!("{:?}", call.lines) };
    assert!(disclosure.text.expose().ends_with('.'), "{}", disclosure.text.expose());
    assert!(greeting.text.expose().ends_with('—'), "{}", greeting.text.expose());
    assert!(theirs(&call).contains("move fifty"), "{}", theirs(&call));
}

#[test]
fn silence_ends_the_call_politely() {
    let call = call(&[], &mut Bank::default(), 1);
    assert_eq!(call.ended.expect("ends").reason, "the caller never spoke");
    assert!(call.took < Duration::from_secs(60), "{:?}", call.took);
}

/// Beginnings of what callers are told whom nobody could take.
const NOT_THROUGH: [&str; 4] =
    ["nobody could take your call", "nobody free", "couldn't get you through", "That didn't work"];

fn bank_with(people: People) -> Bank {
    Bank { people, ..Bank::default() }
}

#[test]
fn a_caller_who_is_put_through_hears_no_more_than_that_it_is_tried() {
    let mut bank = bank_with(People::Tell(TransferOutcome::Succeeded, 8));
    let call = call(&[say("I lost my card"), say("agent")], &mut bank, 1);
    let said = ours(&call);
    assert!(!said.contains("call you back"), "{said}");
    let [handoff] = &call.handoffs[..] else { panic!("{said}") };
    assert_eq!((handoff.queue.as_str(), handoff.promise.as_str()), ("cards", "transfer"));
    let [transfer] = &call.transfers[..] else { panic!("{said}") };
    assert_eq!(
        (transfer.queue.as_str(), transfer.outcome),
        ("cards", Some(TransferOutcome::Succeeded))
    );
    assert!(transfer.announcement.contains(&handoff.summary), "{}", transfer.announcement);
    let last = call.lines.last().expect("it is tried");
    assert!(Duration::from_millis(last.at_ms) < transfer.at, "{said}");
    assert_eq!(call.ended.expect("ends").reason, "put through");
}

#[test]
fn a_caller_whom_nobody_could_take_is_told_so_and_gets_what_else_they_want() {
    for (outcome, seconds) in [
        (TransferOutcome::Busy, 1),
        (TransferOutcome::NoAnswer, 25),
        (TransferOutcome::Refused, 1),
        (TransferOutcome::Failed, 3),
    ] {
        // Until it is known what came of it: about five seconds are said before it is tried.
        let wait = Step::Wait(Duration::from_secs(seconds + 6));
        let script = [say("agent"), wait, say("when are you open"), say("no that's all")];
        let call = call(&script, &mut bank_with(People::Tell(outcome, seconds)), 1);
        let said = ours(&call);
        let truth = call.lines.iter().find(|line| line.text.expose().contains("call you back"));
        let truth = truth.unwrap_or_else(|| panic!("{outcome:?}: {said}"));
        assert!(Duration::from_millis(truth.at_ms) > call.transfers[0].at, "{outcome:?}: {said}");
        assert!(said.contains("weekdays"), "{outcome:?}: {said}");
        assert_eq!(call.ended.expect("ends").reason, "the caller said goodbye", "{outcome:?}");
    }
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_ends_the_call_and_the_handoff_is_kept() {
    let mut bank = bank_with(People::Tell(TransferOutcome::NoAnswer, 25));
    let script = [say("agent"), Step::Wait(Duration::from_secs(14)), Step::HangUp];
    let call = call(&script, &mut bank, 1);
    assert_eq!(call.transfers.len(), 1, "{}", ours(&call));
    assert_eq!(call.transfers[0].outcome, None);
    assert_eq!(call.handoffs.len(), 1);
    assert_eq!(call.ended.expect("ends").reason, "the caller hung up");
    assert!(call.took < Duration::from_secs(40), "{:?}", call.took);
}

#[test]
fn a_transfer_of_which_nothing_is_heard_is_given_up() {
    let call = call(&[say("agent")], &mut bank_with(People::Silent), 1);
    assert!(ours(&call).contains("call you back"), "{}", ours(&call));
    assert_eq!(call.transfers[0].outcome, None);
    assert!(call.ended.is_some());
}

fn news(position: usize, wait_s: Option<(u64, u64)>) -> LineEvent {
    let range = |(from, to)| {
        let [from, to] = [from, to].map(Duration::from_secs);
        WaitRange { from, to }
    };
    LineEvent::News(WaitNews { position, agents: 1, wait: wait_s.map(range) })
}

/// The demo bank with people at desks.
fn bank_at_desks(events: Vec<(u64, LineEvent)>) -> Bank {
    Bank { desks: Desks { events, books: Some(true) }, ..Bank::default() }
}

#[test]
fn a_caller_waits_in_line_and_talks_with_a_person() {
    let mut bank = bank_at_desks(vec![
        (1, news(2, Some((70, 170)))),
        (40, news(1, Some((10, 50)))),
        (60, LineEvent::Taken),
        (120, LineEvent::Done(TransferOutcome::Succeeded)),
    ]);
    let call = call_to_desks(&[say("I lost my card"), say("agent")], &mut bank, 1);
    let said = ours(&call);
    assert!(!said.contains("call you back"), "{said}");
    let [handoff] = &call.handoffs[..] else { panic!("{said}") };
    assert_eq!((handoff.queue.as_str(), handoff.promise.as_str()), ("cards", "queue"));
    let [wait] = &call.waits[..] else { panic!("{said}") };
    assert_eq!((wait.queue.as_str(), wait.left), ("cards", None));
    let told = |words: &str| {
        let line = call.lines.iter().find(|line| line.text.expose().contains(words));
        line.map(|line| Duration::from_millis(line.at_ms)).unwrap_or_else(|| panic!("{said}"))
    };
    assert!(told("in line for our card team") < wait.at);
    assert!(told("second") > wait.at && told("between one and three minutes") > wait.at);
    assert!(told("less than a minute") > told("second"));
    let taken = wait.taken.expect("somebody does");
    assert!(told("taking your call") >= taken, "{said}");
    let after = call.lines.iter().filter(|line| Duration::from_millis(line.at_ms) > taken);
    assert!(after.count() <= 1, "nothing of ours is in the way: {said}");
    assert!(call.updates.is_empty(), "nothing new came up");
    assert_eq!(call.ended.expect("ends").reason, "talked with a person");
}

#[test]
fn a_caller_in_line_is_served_meanwhile_and_keeps_the_place() {
    let mut bank = bank_at_desks(vec![
        (1, news(3, None)),
        (90, LineEvent::Taken),
        (30, LineEvent::Done(TransferOutcome::Succeeded)),
    ]);
    let script = [
        say("agent"),
        Step::Wait(Duration::from_secs(12)),
        say("I lost my card"),
        key("12345678"),
        key("4321"),
        say("yes please"),
    ];
    let call = call_to_desks(&script, &mut bank, 1);
    let said = ours(&call);
    assert!(bank.card_blocked && said.contains("4 4 1 7"), "{said}");
    assert!(said.contains("still in line"), "{said}");
    assert_eq!((call.waits.len(), call.handoffs.len()), (1, 1));
    let last = call.updates.last().expect("people are told");
    assert!(last.summary.contains("Done while they waited: a lost or stolen card."));
    let checked = last.verification.as_ref().map(|check| check.result.as_str());
    assert_eq!((checked, last.promise.as_str()), (Some("passed"), "queue"));
    assert!(!serde_json::to_string(last).expect("JSON").contains("4321"));
    assert_eq!(call.ended.expect("ends").reason, "talked with a person");
}

#[test]
fn a_caller_who_is_called_back_keeps_the_place_and_is_told_so() {
    let mut bank = bank_at_desks(vec![(1, news(9, Some((600, 900)))), (600, LineEvent::Taken)]);
    // Long enough to hear the place: the offer comes with it.
    let script = [say("agent"), Step::Wait(Duration::from_secs(12)), say("yes please")];
    let call = call_to_desks(&script, &mut bank, 1);
    let said = ours(&call);
    assert!(said.contains("1 2 3 4") && said.contains("keep your place"), "{said}");
    assert_eq!(call.waits[0].left, Some(LeftQueue::ForCallback));
    assert_eq!(call.ended.expect("ends").reason, "to be called back");
}

#[test]
fn a_caller_whose_person_is_lost_is_first_in_line_again() {
    let mut bank = bank_at_desks(vec![
        (1, news(1, None)),
        (20, LineEvent::Taken),
        (60, LineEvent::Back(BackInQueue::AgentLost)),
        (30, LineEvent::Taken),
        (20, LineEvent::FrontDoor("branch_hours".to_owned())),
        (40, LineEvent::Done(TransferOutcome::Succeeded)),
    ]);
    let call = call_to_desks(&[say("agent")], &mut bank, 1);
    let said = ours(&call);
    assert!(said.contains("first in line") && said.contains("weekdays"), "{said}");
    assert_eq!((call.waits.len(), call.given_back), (1, 1), "{said}");
    assert_eq!(call.ended.expect("ends").reason, "talked with a person");
}

#[test]
fn a_wait_without_anybody_ends_in_a_call_back() {
    let over = || LineEvent::Over(WaitEnd::TooLong);
    let mut bank = bank_at_desks(vec![(1, news(2, None)), (100, over())]);
    let script = [say("agent"), Step::Wait(Duration::from_secs(108)), say("no that's all")];
    let call = call_to_desks(&script, &mut bank, 1);
    let said = ours(&call);
    assert!(NOT_THROUGH.iter().any(|words| said.contains(words)), "{said}");
    assert!(!said.contains("still there"), "nobody is asked that in line: {said}");
    assert_eq!(call.ended.expect("ends").reason, "the caller said goodbye", "{said}");
}

fn any_line_event() -> impl Strategy<Value = LineEvent> {
    let wait = prop::option::of((0_u64..900, 0_u64..900));
    let back = vec![BackInQueue::NotTaken, BackInQueue::NotJoined, BackInQueue::AgentLost];
    let ends = vec![WaitEnd::TooLong, WaitEnd::NoQueue, WaitEnd::AgentGone];
    let outcomes =
        vec![TransferOutcome::Succeeded, TransferOutcome::Failed, TransferOutcome::NoAnswer];
    let tasks = vec!["balance", "lost_card", "branch_hours", "no_such_task"];
    prop_oneof![
        4 => (1_usize..12, wait).prop_map(|(position, wait)| news(position, wait)),
        4 => Just(LineEvent::Taken),
        1 => prop::sample::select(vec!["front_desk", "no_such_queue"])
            .prop_map(|to| LineEvent::Moved(to.to_owned())),
        3 => prop::sample::select(back).prop_map(LineEvent::Back),
        1 => prop::sample::select(ends).prop_map(LineEvent::Over),
        2 => prop::sample::select(tasks).prop_map(|task| LineEvent::FrontDoor(task.to_owned())),
        1 => prop::sample::select(outcomes).prop_map(LineEvent::Done),
    ]
}

/// What callers in line do, beside what all do.
fn any_step_in_line() -> impl Strategy<Value = Step> {
    let words = prop::sample::select(vec![
        "how long will it take",
        "call me back",
        "yes please",
        "I don't want to wait",
        "okay thank you",
        "this is ridiculous",
        "that's all",
        "agent",
    ]);
    prop_oneof![2 => any_step(), 3 => words.prop_map(say)]
}

fn any_people() -> impl Strategy<Value = People> {
    let outcomes = vec![
        TransferOutcome::Succeeded,
        TransferOutcome::Busy,
        TransferOutcome::NoAnswer,
        TransferOutcome::Refused,
        TransferOutcome::Failed,
    ];
    prop_oneof![
        2 => Just(People::CallBack),
        3 => (prop::sample::select(outcomes), 0_u64..40)
            .prop_map(|(outcome, seconds)| People::Tell(outcome, seconds)),
        1 => Just(People::Silent),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let words = prop::sample::select(vec![
        "I lost my card",
        "what's my balance",
        "move fifty dollars from checking to savings",
        "when are you open",
        "yes",
        "no",
        "no, savings",
        "sixty dollars",
        "one two three four five six seven eight",
        "one two three",
        "four three two one",
        "agent",
        "repeat that",
        "never mind",
        "hang on",
        "start over",
        "mm-hm",
        "blah blah blah",
        "help",
        "goodbye",
    ]);
    prop_oneof![
        6 => words.clone().prop_map(say),
        1 => (0_u64..3_000, words)
            .prop_map(|(ms, words)| Step::SayOver(Duration::from_millis(ms), words.to_owned())),
        3 => "[0-9*#]{1,9}".prop_map(Step::Key),
        1 => (0_u64..40_000).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![
        Fault::Nothing,
        Fault::Nothing,
        Fault::Hearing,
        Fault::Classifier,
        Fault::Voice,
        Fault::Store,
        Fault::CrmAfterVerification,
        Fault::CrmSilent,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// No caller and no fault gets it into a loop, makes it claim what was not done, or makes it
    /// keep a secret.
    #[test]
    fn any_call_ends_and_tells_the_truth(
        script in prop::collection::vec(any_step(), 0..14),
        fault in any_fault(),
        people in any_people(),
        seed: u64,
    ) {
        let mut bank = Bank { fault, people, ..Bank::default() };
        let call = call(&script, &mut bank, seed);
        prop_assert!(call.ended.is_some(), "never ends:\n{}", ours(&call));
        let said = ours(&call);
        let claims_block = said.contains("is blocked now") || said.contains("I've blocked");
        prop_assert!(!claims_block || bank.card_blocked, "{said}");
        let claims_move = said.contains("I've moved") || said.contains("is now in");
        prop_assert!(!claims_move || !bank.moved.is_empty(), "{said}");
        let promised = said.contains("call you back");
        prop_assert!(!promised || (!call.handoffs.is_empty() && fault != Fault::Store), "{said}");
        // That nobody could take the call is known once it was tried.
        let failure = call.lines.iter().find(|line| {
            let is_told = |words: &&str| line.text.expose().contains(*words);
            line.speaker == LineSpeaker::Frontdoor && NOT_THROUGH.iter().any(is_told)
        });
        let tried = call.transfers.first().map(|run| run.at);
        if let Some(line) = failure {
            let told = Duration::from_millis(line.at_ms);
            prop_assert!(tried.is_some_and(|tried| tried < told) && fault != Fault::Store, "{said}");
        }
        // Whoever is through is gone, and everybody was told of who was tried.
        let through = |run: &&TransferRun| run.outcome == Some(TransferOutcome::Succeeded);
        prop_assert!(call.transfers.iter().filter(through).count() <= 1, "{:?}", call.transfers);
        prop_assert!(call.transfers.len() <= 2, "{:?}", call.transfers);
        let handed = call.handoffs.iter().filter(|handoff| handoff.promise == "transfer");
        for (run, handoff) in call.transfers.iter().zip(handed) {
            prop_assert_eq!(&run.queue, &handoff.queue);
        }
        prop_assert_eq!(call.secret_frames_recorded, 0);
        for run in &call.actions {
            let changes = run.action == "crm.block_card" || run.action == "crm.transfer";
            let verified = call.actions.iter().any(|r| r.action == "crm.verify_pin" && r.at <= run.at);
            prop_assert!(!changes || verified, "{:?}", call.actions);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens to callers in line, in whatever order: the call ends by itself once nobody is
    /// left to take it, and nothing is said that is not so.
    #[test]
    fn any_wait_ends_and_tells_the_truth(
        script in prop::collection::vec(any_step_in_line(), 0..12),
        events in prop::collection::vec((0_u64..12, any_line_event()), 0..6),
        books in prop::option::of(any::<bool>()),
        fault in any_fault(),
        seed: u64,
    ) {
        let end = (10, LineEvent::Over(WaitEnd::TooLong));
        let events = events.into_iter().chain([end]).collect();
        let mut bank = Bank { fault, desks: Desks { events, books }, ..Bank::default() };
        let steps = [vec![say("agent")], script].concat();
        let call = call_to_desks(&steps, &mut bank, seed);
        let said = ours(&call);
        prop_assert!(call.ended.is_some(), "never ends:\n{said}");
        prop_assert!(call.waits.len() <= 3, "{:?}", call.waits);
        let is_first = |words: &str| {
            call.lines.iter().find(|line| {
                line.speaker == LineSpeaker::Frontdoor && line.text.expose().contains(words)
            })
        };
        // Nobody is told of a place that they do not have, or of a call back that is not noted.
        let wait = call.waits.first();
        if let Some(line) = is_first("still in line") {
            let told = Duration::from_millis(line.at_ms);
            prop_assert!(wait.is_some_and(|wait| wait.at <= told), "{said}");
        }
        let is_booked = |wait: &frontdoor::sim::WaitRun| wait.left == Some(LeftQueue::ForCallback);
        let noted = said.contains("when it's your turn. You keep") || said.contains("That's noted");
        prop_assert!(!noted || call.waits.iter().any(is_booked), "{said}");
        let is_taken = call.waits.iter().any(|wait| wait.taken.is_some());
        prop_assert!(!said.contains("taking your call") || is_taken, "{said}");
        prop_assert!(call.given_back == 0 || is_taken, "{said}");
        let claims_block = said.contains("is blocked now") || said.contains("I've blocked");
        prop_assert!(!claims_block || bank.card_blocked, "{said}");
        prop_assert!(fault != Fault::Store || call.waits.is_empty(), "{:?}", call.waits);
        for handoff in &call.updates {
            prop_assert_eq!(handoff.promise.as_str(), "queue");
        }
        prop_assert_eq!(call.secret_frames_recorded, 0);
    }
}

/// Customers whose names a caller's name is checked against.
struct Records {
    answer: bool,
}

impl World for Records {
    fn understand(&mut self, words: &str) -> Option<Understanding> {
        let confidence = if words.contains("charge") { 0.96 } else { 0.1 };
        let intent = IntentName::new("dispute_charge");
        Some(Understanding::of(vec![IntentScore { intent, confidence }], -1.0))
    }

    fn act(&mut self, _: &str, _: &BTreeMap<String, Pii<String>>) -> Option<ActionResult> {
        let list = Pii::new(join_list(["Feldman", "Smith"]));
        self.answer.then(|| Ok(BTreeMap::from([(LIST_OUTPUT.to_owned(), list)])))
    }
}

/// A caller who is asked for a name first, and these records.
fn call_with_a_name(script: &[Step], answer: bool) -> Rehearsed {
    let config = config();
    let mut generation = (*generation(&config)).clone();
    let intent = generation.intents.iter_mut().find(|i| i.name.as_str() == "dispute_charge");
    let spec = &mut intent.expect("the demo profile has it").slots[0];
    spec.kind = SlotKind::Name;
    spec.check_against = Some(ActionName::new("crm.surnames"));
    call_on(&config, Arc::new(generation), script, &mut Records { answer }, 1)
}

#[test]
fn a_name_of_the_records_is_in_no_transcript_and_no_handoff() {
    let script = [say("there is a charge I did not make"), say("Fieldman"), say("agent")];
    let call = call_with_a_name(&script, true);
    let said = ours(&call);
    assert!(said.contains("[name]") && !said.contains("Feldman"), "{said}");
    assert_eq!(call.handoffs.len(), 1);
    assert_eq!(call.handoffs[0].reason, HandoffReason::Asked);
    let handoff = serde_json::to_string(&call.handoffs[0]).expect("it is JSON");
    assert!(handoff.contains("Fieldman") && !handoff.contains("Feldman"), "{handoff}");
}

#[test]
fn records_that_never_answer_stop_nothing() {
    let script = [say("there is a charge I did not make"), say("Fieldman")];
    let call = call_with_a_name(&script, false);
    let slot = &call.handoffs.first().expect("a person takes over").slots[0];
    assert_eq!(slot.value, "Fieldman");
    assert!(call.ended.is_some());
}

#[test]
fn only_who_says_yes_is_recorded_where_callers_are_asked() {
    let mut config = config();
    let generation = generation(&config);
    let call = |config: &Config, script: &[Step]| {
        call_on(config, generation.clone(), script, &mut Bank::default(), 3)
    };
    assert!(!call(&config, &[say("yes")]).agreed_to_recording, "nobody was asked");
    config.recording.consent = ConsentConfig::Asked;
    let asked = call(&config, &[say("yes"), say("when are you open")]);
    assert!(asked.agreed_to_recording);
    let said = ours(&asked);
    let place = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
    assert!(place("record this call") < place("Thank"), "{said}");
    for answer in ["no", "well I don't know", "yes if nobody else hears it", "I lost my card"] {
        let call = call(&config, &[say(answer)]);
        assert!(!call.agreed_to_recording, "{answer}: {}", ours(&call));
    }
    let silent = call(&config, &[]);
    assert!(!silent.agreed_to_recording, "{}", ours(&silent));
}
