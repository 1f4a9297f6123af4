//! Callers who wait in line: what they are told, what is done meanwhile, and how it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::acd::handoff::Promise;
use crate::acd::{BackInQueue, LeftQueue, WaitEnd, WaitRange};
use crate::prompts::CallbackRule;

const ONE_OF_US: (&str, &str) = ("queue", "one of my colleagues");
const NUMBER_END: (&str, &str) = ("number_end", "1 2 3 4");

/// A conversation in which people at desks serve these queues.
fn staffed(generation: Arc<Generation>, queues: &[&str]) -> Talk {
    Talk::with_rules(generation, &[], |rules| {
        rules.staffed = queues.iter().map(|queue| QueueName::new(*queue)).collect();
        rules.callback = Some(Pii::new("+1 415 555 1234".to_owned()));
    })
}

fn with_desks() -> Talk {
    staffed(generation(), &["front_desk", "cards", "billing"])
}

/// A caller in line for just anybody.
fn waiting() -> Talk {
    let mut talk = with_desks();
    talk.gets_in_line();
    talk
}

/// A caller in line for the card team.
fn waiting_for_cards() -> Talk {
    let mut talk = with_desks();
    talk.ask("I lost my card", "lost_card");
    talk.gets_in_line();
    talk
}

impl Talk {
    fn stored(&mut self, stored: bool) {
        self.input(ConversationInput::HandoffStored { stored });
    }

    fn gets_in_line(&mut self) {
        self.say("agent");
        assert_eq!(self.handoff().promise, Promise::Queue);
        self.stored(true);
        assert_eq!(self.conversation.step(), Step::InLine);
    }

    /// For whom the caller is put in line, and what is said to whoever takes the call.
    fn enqueued(&self) -> Option<(&str, &str)> {
        self.acts.iter().find_map(|act| match act {
            DialogAct::Enqueue { queue, announcement } => {
                Some((queue.as_str(), announcement.expose().as_str()))
            }
            _ => None,
        })
    }

    fn left(&self) -> Option<LeftQueue> {
        self.acts.iter().find_map(|act| match act {
            DialogAct::LeaveQueue { why } => Some(*why),
            _ => None,
        })
    }

    fn update(&self) -> Option<&HandoffRequest> {
        self.acts.iter().find_map(|act| match act {
            DialogAct::UpdateHandoff(request) => Some(&**request),
            _ => None,
        })
    }

    fn given_back(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, DialogAct::ReturnToAgent))
    }

    fn hung_up(&self) -> Option<&str> {
        self.acts.iter().find_map(|act| match act {
            DialogAct::HangUp { reason } => Some(reason.as_str()),
            _ => None,
        })
    }

    fn news(&mut self, position: usize, wait_s: Option<(u64, u64)>) {
        let wait = wait_s.map(|(from, to)| WaitRange {
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        });
        self.input(ConversationInput::Waiting(WaitNews { position, agents: 2, wait }));
    }

    fn still_waiting(&mut self, waited_s: u64, topic: WaitTopic) {
        let waited = Duration::from_secs(waited_s);
        self.input(ConversationInput::StillWaiting { waited, topic });
    }

    fn booked(&mut self, booked: bool) {
        self.input(ConversationInput::CallbackBooked { booked });
    }

    fn taken(&mut self) {
        self.input(ConversationInput::AgentTook);
    }

    fn back(&mut self, why: BackInQueue) {
        self.input(ConversationInput::BackInQueue { why });
    }

    fn sent_for(&mut self, task: &str) {
        self.input(ConversationInput::BackFromAgent { task: task.to_owned() });
    }

    fn over(&mut self, outcome: TransferOutcome) {
        self.input(ConversationInput::TransferEnded { outcome });
    }

    /// Says something that was hardly heard.
    fn mumble(&mut self, text: &str) {
        self.input(ConversationInput::Heard {
            text: Pii::new(text.to_owned()),
            confidence: 0.4,
            understanding: Understanding::of(Vec::new(), -0.1),
            before_question: false,
            readings: Readings::default(),
        });
    }

    /// Whether words of this pattern, with these values, are among those that were just said.
    fn told(&self, pattern: Pattern, values: &[(&str, &str)]) -> bool {
        let generation = &self.conversation.generation;
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let said = self.last_words();
        generation.patterns.says[&pattern].iter().any(|template| {
            let words = self.conversation.render(template, &values);
            words.is_ok_and(|words| said.contains(&words))
        })
    }

    #[track_caller]
    fn assert_told(&self, pattern: Pattern, values: &[(&str, &str)]) {
        assert!(self.told(pattern, values), "{pattern:?} is not in: {}", self.last_words());
    }
}

#[test]
fn a_caller_is_put_in_line_once_the_handoff_is_stored() {
    let mut talk = with_desks();
    talk.say("agent");
    assert_eq!(talk.handoff().promise, Promise::Queue);
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    assert_eq!(talk.enqueued(), None, "the hand-off is not stored yet");
    talk.stored(true);
    talk.assert_told(Pattern::InLine, &[ONE_OF_US]);
    assert!(!talk.last_words().contains("call you back"), "{}", talk.last_words());
    let (queue, announcement) = talk.enqueued().expect("in line");
    assert_eq!(queue, "front_desk");
    assert!(announcement.contains("They asked for a person."), "{announcement}");
    assert!(talk.update().is_none(), "people know everything");
    assert!(!talk.expects().secret);
}

#[test]
fn without_a_handoff_on_the_disk_nobody_is_put_in_line() {
    let mut talk = with_desks();
    talk.say("agent");
    talk.stored(false);
    assert_eq!(talk.enqueued(), None);
    assert!(talk.conversation.is_over());
}

#[test]
fn people_at_desks_go_before_a_transfer() {
    let mut talk = Talk::with_rules(generation(), &[], |rules| {
        rules.staffed = [QueueName::new("front_desk")].into();
        rules.transfers = [QueueName::new("front_desk"), QueueName::new("cards")].into();
    });
    talk.ask("I lost my card", "lost_card");
    talk.say("agent");
    assert_eq!(talk.handoff().promise, Promise::Transfer);
    talk.stored(true);
    talk.over(TransferOutcome::Busy);
    talk.say("agent");
    assert_eq!(talk.handoff().promise, Promise::Queue);
}

#[test]
fn the_place_is_told_as_far_as_somebody_knows_it() {
    let mut talk = waiting();
    talk.still_waiting(4, WaitTopic::Place);
    talk.assert_told(Pattern::YourPlaceUnsure, &[]);
    talk.news(2, Some((125, 275)));
    assert!(talk.acts.is_empty(), "news are told when it is time: {:?}", talk.acts);
    talk.still_waiting(30, WaitTopic::Place);
    let wait = ("wait", "between two and five minutes");
    talk.assert_told(Pattern::YourPlace, &[("position", "second"), wait]);
    talk.news(1, None);
    talk.still_waiting(50, WaitTopic::Place);
    talk.assert_told(Pattern::YourPlaceUnsure, &[("position", "first")]);
    assert_eq!(talk.conversation.step(), Step::InLine);
    talk.say("how long is it going to take?");
    talk.assert_told(Pattern::YourPlaceUnsure, &[("position", "first")]);
    talk.say("how many people are in front of me");
    talk.assert_told(Pattern::YourPlaceUnsure, &[("position", "first")]);
}

#[test]
fn a_caller_who_is_sent_on_to_another_queue_is_in_line_for_its_people() {
    let mut talk = waiting_for_cards();
    talk.input(ConversationInput::Moved { to: QueueName::new("front_desk") });
    let update = talk.update().expect("they are told");
    assert_eq!((update.queue.as_str(), update.skills.join(" ")), ("front_desk", "general".into()));
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    talk.say("agent");
    talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
    talk.input(ConversationInput::Moved { to: QueueName::new("front_desk") });
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
}

#[test]
fn callers_are_kept_company_and_told_once_what_can_be_done_meanwhile() {
    let mut talk = waiting();
    talk.still_waiting(25, WaitTopic::Company);
    let topics = talk.conversation.topics();
    talk.assert_told(Pattern::WhileYouWait, &[("topics", &topics)]);
    let generation = generation();
    let lines = &generation.queues[&QueueName::new("front_desk")].while_waiting;
    let mut heard = BTreeSet::new();
    for nth in 0..lines.len() {
        talk.still_waiting(50 + nth as u64, WaitTopic::Company);
        heard.insert(talk.last_words());
    }
    let lines: BTreeSet<String> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(heard, lines, "each in turn");
    talk.say("what can you do?");
    talk.assert_told(Pattern::WhileYouWait, &[("topics", &topics)]);
}

#[test]
fn a_call_back_is_offered_once_when_the_wait_is_long() {
    for (waited_s, wait_s, is_offered) in [
        (59, None, false),
        (60, None, true),
        (4, Some((30, 300)), false),
        (4, Some((61, 300)), true),
    ] {
        let mut talk = waiting();
        talk.news(3, wait_s);
        talk.still_waiting(waited_s, WaitTopic::Place);
        assert_eq!(talk.told(Pattern::OfferCallback, &[NUMBER_END]), is_offered, "{waited_s}");
        assert_eq!(talk.conversation.step() == Step::CallbackOffer, is_offered, "{waited_s}");
        talk.still_waiting(waited_s + 300, WaitTopic::Place);
        assert_eq!(talk.told(Pattern::OfferCallback, &[NUMBER_END]), !is_offered, "{waited_s}");
    }
}

#[test]
fn no_call_back_is_offered_where_there_is_none_to_be_had() {
    let mut changed = (*generation()).clone();
    let queue = changed.queues.get_mut(&QueueName::new("front_desk")).expect("it is there");
    queue.callback = CallbackRule::Never;
    let never = staffed(Arc::new(changed), &["front_desk"]);
    let mut without_words = (*generation()).clone();
    without_words.patterns.says.remove(&Pattern::OfferCallback);
    let without_words = staffed(Arc::new(without_words), &["front_desk"]);
    let numbers = [None, Some("sip:12@pbx.example"), Some("anonymous")].map(|number| {
        Talk::with_rules(generation(), &[], |rules| {
            rules.staffed = [QueueName::new("front_desk")].into();
            rules.callback = number.map(|number| Pii::new(number.to_owned()));
        })
    });
    for mut talk in numbers.into_iter().chain([never, without_words]) {
        talk.gets_in_line();
        talk.still_waiting(600, WaitTopic::Place);
        assert_eq!(talk.conversation.step(), Step::InLine, "{}", talk.last_words());
        talk.say("can you call me back please");
        talk.assert_told(Pattern::CallbackFailed, &[]);
        assert_eq!((talk.conversation.step(), talk.left()), (Step::InLine, None));
    }
}

#[test]
fn a_call_back_is_promised_only_once_it_is_noted() {
    let mut talk = waiting();
    talk.say("just call me back");
    talk.assert_told(Pattern::OfferCallback, &[NUMBER_END]);
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("yes please");
    assert_eq!(talk.left(), Some(LeftQueue::ForCallback));
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    talk.booked(true);
    talk.assert_told(Pattern::CallbackBooked, &[]);
    assert!(talk.last_words().contains("keep your place"), "{}", talk.last_words());
    assert_eq!(talk.hung_up(), Some("to be called back"));
    assert_eq!(talk.left(), None, "that was said before");
}

#[test]
fn a_call_back_that_is_not_noted_leaves_the_caller_in_line() {
    let mut talk = waiting();
    talk.still_waiting(90, WaitTopic::Place);
    talk.key("1");
    assert_eq!(talk.left(), Some(LeftQueue::ForCallback));
    talk.say("hello?");
    assert!(talk.acts.is_empty(), "it is not known yet: {:?}", talk.acts);
    talk.booked(false);
    talk.assert_told(Pattern::CallbackFailed, &[]);
    assert_eq!(talk.conversation.step(), Step::InLine);
    let out_of_place = talk.conversation.out_of_place;
    talk.booked(false);
    assert_eq!(talk.conversation.out_of_place, out_of_place + 1);
    // It was noted after all, and that is true whenever it is told.
    talk.booked(true);
    talk.assert_told(Pattern::CallbackBooked, &[]);
    assert!(talk.conversation.is_over());
}

#[test]
fn a_call_back_may_be_declined_or_passed_over_in_silence() {
    for answer in ["no thanks", "no, I'd rather wait", "the quick brown fox"] {
        let mut talk = waiting();
        talk.say("call me back");
        talk.say(answer);
        assert_eq!((talk.conversation.step(), talk.left()), (Step::InLine, None), "{answer}");
    }
    let mut talk = waiting();
    talk.say("call me back");
    talk.input(ConversationInput::Silence);
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    assert_eq!(talk.conversation.step(), Step::InLine);
    talk.say("call me back");
    talk.still_waiting(200, WaitTopic::Company);
    assert_eq!(talk.conversation.step(), Step::InLine, "the offer has passed");
    talk.say("call me back");
    talk.ask("no, what's my balance in savings", "balance");
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
}

#[test]
fn what_can_be_done_here_is_done_while_waiting_and_people_are_told() {
    let mut talk = waiting_for_cards();
    assert_eq!(talk.enqueued().map(|(queue, _)| queue), Some("cards"));
    talk.ask("how much do I have in savings", "balance");
    assert_eq!(talk.enqueued(), None);
    talk.verify();
    let verified = talk.update().expect("that is news");
    assert_eq!(verified.verification.as_ref().map(|v| v.result.as_str()), Some("passed"));
    let (run, action, _) = talk.action();
    assert_eq!(action, "crm.balance");
    talk.done(run, &[("balance", "5310.00")]);
    assert!(talk.last_words().contains("$5,310"), "{}", talk.last_words());
    talk.assert_told(Pattern::StillInLine, &[("queue", "our card team")]);
    assert_eq!(talk.conversation.step(), Step::InLine);
    let update = talk.update().expect("that is news, too");
    assert_eq!((update.queue.as_str(), update.promise), ("cards", Promise::Queue));
    assert_eq!(update.intent.as_ref().map(|i| i.name.as_str()), Some("lost_card"));
    assert!(update.summary.contains("Reported the card"), "{}", update.summary);
    assert!(update.summary.contains("Done while they waited: your balance."), "{}", update.summary);
    let results: Vec<&str> = update.actions.iter().map(|(_, a)| a.result.as_str()).collect();
    assert_eq!(results, ["done", "done"]);
    let number = update.slots.iter().find(|slot| slot.name == "account_number");
    assert_eq!(number.map(|slot| slot.value.as_str()), Some("12345678"));
    // Who is verified is not asked again, and nothing of this was said to be done too early.
    talk.ask("move fifty dollars from checking to savings", "transfer");
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("yes");
    let (run, _, _) = talk.action();
    talk.fail(run, FailureWords::Refused("insufficient funds".to_owned()));
    let update = talk.update().expect("what was tried is news");
    assert!(update.summary.contains("crm.transfer: insufficient funds"), "{}", update.summary);
    assert!(!update.summary.contains("a transfer"), "{}", update.summary);
}

#[test]
fn what_fails_while_waiting_is_left_to_people() {
    let mut talk = waiting();
    talk.ask("what's my balance in savings", "balance");
    talk.verify();
    let (run, _, _) = talk.action();
    talk.fail(run, FailureWords::Unavailable);
    talk.say("yes please");
    talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
    let update = talk.update().expect("that is news");
    assert!(
        update.summary.contains("Also asked about your balance, which is not done yet."),
        "{}",
        update.summary
    );
    assert!(update.slots.iter().any(|slot| slot.name == "account_type"), "{:?}", update.slots);
}

#[test]
fn what_is_done_is_not_left_to_people_as_well() {
    let mut talk = waiting();
    talk.ask("what's my balance in savings", "balance");
    talk.verify();
    let (run, _, _) = talk.action();
    talk.say("agent");
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
    talk.done(run, &[("balance", "5310.00")]);
    talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
    let update = talk.update().expect("that is news");
    assert!(!update.summary.contains("not done yet"), "{}", update.summary);
    assert!(update.summary.contains("Done while they waited: your balance."), "{}", update.summary);
}

#[test]
fn a_question_is_answered_without_asking_whether_it_was() {
    let mut talk = waiting();
    talk.ask("do you have an app", "faq: Do you have an app?");
    assert!(talk.last_words().contains("app store"), "{}", talk.last_words());
    talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
    talk.ask("I want a mortgage", "not offered: a mortgage");
    assert!(talk.last_words().contains("mortgages"), "{}", talk.last_words());
    assert_eq!(talk.conversation.step(), Step::InLine);
}

#[test]
fn callers_leave_when_they_say_so_and_are_served_on() {
    for words in ["I don't want to wait any more", "please take me out of the line", "never mind"] {
        let mut talk = waiting();
        talk.mumble(words);
        assert_eq!((talk.left(), talk.conversation.step()), (None, Step::InLine), "{words}");
        talk.say(words);
        assert_eq!(talk.left(), Some(LeftQueue::ByChoice), "{words}");
        talk.assert_told(Pattern::LeftLine, &[]);
        talk.assert_told(Pattern::AnythingElse, &[]);
        assert_eq!(talk.conversation.step(), Step::Request);
        talk.ask("when are you open", "branch_hours");
        assert!(talk.last_words().contains("weekdays"), "{}", talk.last_words());
        talk.say("no that's all");
        assert_eq!((talk.hung_up().is_some(), talk.left()), (true, None));
    }
}

#[test]
fn who_leaves_the_line_in_the_middle_of_something_goes_on_with_it() {
    let mut talk = waiting();
    talk.ask("what's my balance in savings", "balance");
    talk.say("I don't want to wait any longer");
    assert_eq!(talk.left(), Some(LeftQueue::ByChoice));
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
    talk.verify();
    let (run, _, _) = talk.action();
    talk.done(run, &[("balance", "5310.00")]);
    talk.assert_told(Pattern::AnythingElse, &[]);
}

#[test]
fn a_goodbye_ends_the_call_and_wanting_nothing_more_does_not() {
    let mut talk = waiting();
    for words in ["no, that's all, thanks", "nothing else", "okay thank you", "I'll wait"] {
        talk.say(words);
        assert_eq!((talk.hung_up(), talk.left()), (None, None), "{words}");
        assert_eq!(talk.conversation.step(), Step::InLine, "{words}");
    }
    talk.mumble("bye");
    assert_eq!(talk.hung_up(), None);
    talk.say("okay, goodbye");
    assert_eq!((talk.left(), talk.hung_up().is_some()), (Some(LeftQueue::HungUp), true));
    talk.assert_told(Pattern::Goodbye, &[("house", "Harbor Bank")]);
}

#[test]
fn who_asks_for_a_person_again_is_in_line_already() {
    let mut talk = waiting();
    for _ in 0..3 {
        talk.say("agent");
        talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
        talk.key("0");
        talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
        talk.ask("get me a human being", "talk_to_person");
        talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
        assert_eq!(talk.enqueued(), None);
    }
    let handed = |act: &DialogAct| matches!(act, DialogAct::HandOff(_));
    assert!(!talk.acts.iter().any(handed));
}

#[test]
fn what_is_not_understood_is_answered_twice_and_then_left_alone() {
    let mut talk = waiting();
    for _ in 0..2 {
        talk.say("the quick brown fox");
        talk.assert_told(Pattern::NoMatch, &[]);
    }
    for _ in 0..5 {
        talk.say("the quick brown fox");
        assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    }
    talk.say("how long?");
    assert!(!talk.last_words().is_empty());
    talk.say("the quick brown fox");
    talk.assert_told(Pattern::NoMatch, &[]);
    talk.say("");
    assert!(talk.last_words().is_empty(), "a cough: {}", talk.last_words());
}

#[test]
fn silence_and_broken_models_end_no_wait() {
    let mut talk = waiting();
    for _ in 0..5 {
        for input in [
            ConversationInput::Silence,
            ConversationInput::HearingDown,
            ConversationInput::VoiceDown,
            ConversationInput::Lull(Lull::First),
        ] {
            talk.input(input);
            assert!(talk.acts.is_empty(), "{:?}", talk.acts);
            assert_eq!(talk.conversation.step(), Step::InLine);
        }
    }
    talk.ask("what's my balance in savings", "balance");
    talk.input(ConversationInput::Silence);
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
    assert!(!talk.told(Pattern::NoInput, &[]), "{}", talk.last_words());
    talk.input(ConversationInput::Silence);
    talk.assert_told(Pattern::StillInLine, &[ONE_OF_US]);
    assert_eq!(talk.conversation.step(), Step::InLine);
    talk.ask("what's my balance in savings", "balance");
    talk.input(ConversationInput::HearingDown);
    assert_eq!(talk.conversation.step(), Step::InLine);
}

#[test]
fn impatience_is_answered_with_the_place() {
    let mut talk = waiting();
    talk.news(4, Some((300, 500)));
    talk.say("this is ridiculous");
    talk.assert_told(Pattern::Frustrated, &[]);
    let place = [("position", "fourth"), ("wait", "between five and nine minutes")];
    talk.assert_told(Pattern::YourPlace, &place);
    talk.say("this is ridiculous, how much longer?");
    talk.assert_told(Pattern::YourPlace, &place);
    assert_eq!(talk.conversation.step(), Step::InLine);
}

/// The demo profile in which asking for its hours is an emergency of the card team's.
fn with_emergency() -> Arc<Generation> {
    let mut changed = (*generation()).clone();
    let urgent = changed.intents.iter_mut().find(|intent| intent.name.as_str() == "branch_hours");
    let urgent = urgent.expect("the demo profile has it");
    urgent.person = PersonRule::AtOnce;
    urgent.handoff = Some(QueueName::new("cards"));
    Arc::new(changed)
}

#[test]
fn an_emergency_goes_before_the_wait() {
    let mut talk = staffed(with_emergency(), &["front_desk", "cards"]);
    talk.gets_in_line();
    talk.ask("my chest hurts", "branch_hours");
    assert_eq!(talk.handoff().queue.as_str(), "cards");
    assert_eq!((talk.handoff().promise, talk.left()), (Promise::Queue, None));
    talk.stored(true);
    let order = talk.acts.iter().filter_map(|act| match act {
        DialogAct::LeaveQueue { why: LeftQueue::Elsewhere } => Some("leaves"),
        DialogAct::Enqueue { queue, .. } => Some(queue.as_str()),
        _ => None,
    });
    assert_eq!(order.collect::<Vec<_>>(), ["leaves", "cards"]);
    assert_eq!(talk.conversation.step(), Step::InLine);
    // In line for the right people already.
    talk.ask("my chest hurts", "branch_hours");
    talk.assert_told(Pattern::StillInLine, &[("queue", "our card team")]);
}

#[test]
fn an_emergency_whose_people_only_call_back_costs_no_place() {
    for stored in [true, false] {
        let mut talk = staffed(with_emergency(), &["front_desk"]);
        talk.gets_in_line();
        talk.ask("what's my balance in savings", "balance");
        talk.ask("my chest hurts", "branch_hours");
        assert_eq!(talk.handoff().promise, Promise::Callback);
        talk.stored(stored);
        assert_eq!(talk.told(Pattern::HandOffCallback, &[]), stored, "{}", talk.last_words());
        assert_eq!((talk.left(), talk.conversation.step()), (None, Step::InLine));
        let update = talk.update().expect("what it interrupted is still to be done");
        assert!(update.summary.contains("your balance"), "{}", update.summary);
        assert_eq!(update.queue.as_str(), "front_desk");
    }
}

#[test]
fn what_other_people_decide_is_passed_on_to_them_and_the_place_is_kept() {
    let mut talk = waiting_for_cards();
    talk.ask("there is a charge of eighty dollars I didn't make", "dispute_charge");
    let handoff = talk.handoff();
    assert_eq!((handoff.queue.as_str(), handoff.promise), ("billing", Promise::Callback));
    talk.stored(true);
    talk.assert_told(Pattern::HandOffCallback, &[]);
    talk.assert_told(Pattern::StillInLine, &[("queue", "our card team")]);
    assert_eq!((talk.left(), talk.update().is_some()), (None, false));
    // Another one, of a caller in line for just them, is told to them.
    let mut talk = with_desks();
    talk.ask("there is a charge of eighty dollars I didn't make", "dispute_charge");
    talk.stored(true);
    assert_eq!(talk.enqueued().map(|(queue, _)| queue), Some("billing"));
    talk.ask("and another one of ninety dollars I didn't make", "dispute_charge");
    talk.assert_told(Pattern::StillInLine, &[("queue", "our billing team")]);
    assert!(talk.update().is_some());
}

#[test]
fn what_else_was_asked_for_is_done_while_the_caller_waits() {
    let mut talk = with_desks();
    talk.ask("what's my balance in savings", "balance");
    talk.ask("and there is a charge I didn't make", "dispute_charge");
    talk.say("eighty dollars");
    assert_eq!(talk.handoff().promise, Promise::Queue);
    talk.stored(true);
    assert_eq!(talk.enqueued().map(|(queue, _)| queue), Some("billing"));
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
    talk.verify();
    let (run, _, _) = talk.action();
    talk.done(run, &[("balance", "5310.00")]);
    talk.assert_told(Pattern::StillInLine, &[("queue", "our billing team")]);
    let update = talk.update().expect("that is news");
    let amount = update.slots.iter().find(|slot| slot.name == "amount");
    assert_eq!(amount.map(|slot| slot.value.as_str()), Some("80.00"), "{:?}", update.slots);
}

#[test]
fn whoever_takes_the_call_goes_before_everything() {
    let mut talk = waiting_for_cards();
    talk.ask("what's my balance in savings", "balance");
    talk.key("12345678");
    assert!(talk.expects().secret);
    talk.taken();
    talk.assert_told(Pattern::AgentComing, &[]);
    assert!(!talk.expects().secret, "nothing is asked any more");
    assert_eq!(talk.conversation.step(), Step::WithPerson);
    let update = talk.update().expect("what was in hand is theirs now");
    assert!(update.summary.contains("your balance, which is not done yet"), "{}", update.summary);
    let out_of_place = talk.conversation.out_of_place;
    talk.say("four three two one");
    talk.key("4321");
    talk.input(ConversationInput::Silence);
    talk.still_waiting(90, WaitTopic::Place);
    talk.input(ConversationInput::HearingDown);
    talk.input(ConversationInput::VoiceDown);
    talk.taken();
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
    assert!(talk.conversation.out_of_place > out_of_place);
    talk.over(TransferOutcome::Succeeded);
    assert_eq!((talk.hung_up(), talk.left()), (Some("talked with a person"), None));
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
}

/// A caller whose money is being moved when somebody takes the call.
fn taken_while_acting() -> (Talk, ActionRunId) {
    let mut talk = waiting_for_cards();
    talk.ask("move fifty dollars from checking to savings", "transfer");
    talk.verify();
    talk.say("yes");
    let (run, action, _) = talk.action();
    assert_eq!(action, "crm.transfer");
    talk.taken();
    let update = talk.update().expect("that it runs is news");
    assert!(update.actions.iter().any(|(_, action)| action.result == "started"));
    (talk, run)
}

const MOVED: [(&str, &str); 2] = [("from_balance", "1154.50"), ("to_balance", "5360.00")];

#[test]
fn the_result_of_an_action_that_ran_meanwhile_is_for_people_to_tell() {
    let (mut talk, run) = taken_while_acting();
    talk.done(run, &MOVED);
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    assert!(!talk.claimed());
    let update = talk.update().expect("that is news");
    let title = "a transfer between your accounts";
    assert!(update.summary.contains(&format!("Done while they waited: {title}.")));
    assert!(!update.summary.contains("not done yet"), "{}", update.summary);
    talk.back(BackInQueue::AgentLost);
    assert_eq!(talk.conversation.step(), Step::InLine);
}

#[test]
fn the_result_is_told_to_a_caller_who_is_back_before_it_is_there() {
    let (mut talk, run) = taken_while_acting();
    talk.back(BackInQueue::NotJoined);
    talk.assert_told(Pattern::AgentLost, &[]);
    assert_eq!(talk.conversation.step(), Step::ActionResult);
    assert!(!talk.claimed());
    talk.done(run, &MOVED);
    assert!(talk.claimed(), "{}", talk.last_words());
    assert_eq!(talk.conversation.step(), Step::InLine);
    let (mut talk, run) = taken_while_acting();
    talk.fail(run, FailureWords::Timeout);
    assert!(!talk.claimed());
    let update = talk.update().expect("that nobody knows is news");
    assert!(update.summary.contains("crm.transfer: timeout"), "{}", update.summary);
    assert!(!update.summary.contains("Done while"), "{}", update.summary);
}

#[test]
fn a_caller_who_lost_their_person_is_told_and_one_who_noticed_nothing_is_not() {
    for (why, is_told) in [
        (BackInQueue::AgentLost, true),
        (BackInQueue::NotJoined, true),
        (BackInQueue::NotTaken, false),
    ] {
        let mut talk = waiting();
        talk.taken();
        talk.back(why);
        assert_eq!(talk.told(Pattern::AgentLost, &[]), is_told, "{why:?}: {}", talk.last_words());
        assert_eq!(talk.conversation.step(), Step::InLine, "{why:?}");
        talk.say("how long?");
        assert!(!talk.last_words().is_empty(), "{why:?}");
    }
    let mut talk = waiting();
    talk.back(BackInQueue::NotTaken);
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
}

#[test]
fn a_wait_that_ends_without_anybody_ends_in_a_call_back() {
    for why in [WaitEnd::TooLong, WaitEnd::NoQueue, WaitEnd::AgentGone] {
        let mut talk = waiting();
        talk.input(ConversationInput::WaitEnded { why });
        talk.assert_told(Pattern::NobodyFree, &[]);
        talk.assert_told(Pattern::AnythingElse, &[]);
        assert_eq!((talk.conversation.step(), talk.left()), (Step::Request, None));
    }
    let mut talk = waiting();
    talk.ask("what's my balance in savings", "balance");
    talk.input(ConversationInput::WaitEnded { why: WaitEnd::TooLong });
    talk.assert_told(Pattern::NobodyFree, &[]);
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
    talk.verify();
    let (run, _, _) = talk.action();
    talk.input(ConversationInput::WaitEnded { why: WaitEnd::TooLong });
    assert!(talk.acts.is_empty(), "it was told: {:?}", talk.acts);
    talk.done(run, &[("balance", "5310.00")]);
    talk.assert_told(Pattern::AnythingElse, &[]);
    assert!(talk.update().is_none(), "nobody waits for it");
}

#[test]
fn somebody_who_could_not_be_joined_in_the_end_calls_back() {
    for (outcome, pattern) in [
        (TransferOutcome::NoAnswer, Pattern::NobodyFree),
        (TransferOutcome::Failed, Pattern::NotPutThrough),
    ] {
        let mut talk = waiting();
        talk.taken();
        talk.over(outcome);
        talk.assert_told(pattern, &[]);
        assert_eq!(talk.conversation.step(), Step::Request);
    }
}

#[test]
fn a_caller_is_put_in_line_three_times_at_most() {
    let mut talk = waiting();
    for _ in 1..crate::conversation::waiting::WAITS_MAX {
        talk.input(ConversationInput::WaitEnded { why: WaitEnd::NoQueue });
        talk.gets_in_line();
    }
    talk.input(ConversationInput::WaitEnded { why: WaitEnd::NoQueue });
    talk.say("agent");
    assert_eq!(talk.handoff().promise, Promise::Callback);
    talk.stored(true);
    assert!(talk.conversation.is_over());
}

#[test]
fn what_a_colleague_sends_the_caller_for_is_done_and_they_go_back() {
    let mut talk = waiting_for_cards();
    talk.taken();
    talk.sent_for("balance");
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
    talk.verify();
    let (run, _, _) = talk.action();
    talk.done(run, &[("balance", "5310.00")]);
    assert!(talk.claimed());
    talk.assert_told(Pattern::BackToAgent, &[]);
    assert!(!talk.told(Pattern::AnythingElse, &[]), "{}", talk.last_words());
    assert!(talk.given_back() && talk.update().is_some());
    assert_eq!(talk.conversation.step(), Step::WithPerson);
    // Whoever is verified is not asked again.
    talk.sent_for("transfer");
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("amount")));
    for answer in ["fifty dollars", "checking", "savings", "yes"] {
        talk.say(answer);
    }
    let (run, _, _) = talk.action();
    talk.done(run, &MOVED);
    assert!(talk.given_back());
}

#[test]
fn a_caller_who_gets_no_further_is_given_back_as_well() {
    let begun = |task: &str| {
        let mut talk = waiting_for_cards();
        talk.taken();
        talk.sent_for(task);
        talk
    };
    let mut talk = begun("no_such_task");
    talk.assert_told(Pattern::BackToAgent, &[]);
    assert!(talk.given_back());
    assert!(begun("talk_to_person").given_back());
    talk = begun("balance");
    talk.say("agent");
    assert!(talk.given_back());
    talk = begun("balance");
    talk.say("stop");
    assert!(talk.given_back());
    talk = begun("balance");
    talk.input(ConversationInput::Silence);
    assert!(!talk.given_back());
    talk.input(ConversationInput::Silence);
    assert!(talk.given_back());
    talk = begun("balance");
    talk.verify();
    let (run, _, _) = talk.action();
    talk.fail(run, FailureWords::Unavailable);
    talk.say("yes");
    assert!(talk.given_back());
    assert_eq!(talk.enqueued(), None);
    talk = begun("balance");
    talk.say("goodbye");
    assert_eq!((talk.hung_up().is_some(), talk.left()), (true, None));
}

#[test]
fn a_colleague_may_take_the_caller_back_at_any_time() {
    let mut talk = waiting_for_cards();
    talk.taken();
    talk.sent_for("balance");
    talk.taken();
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    assert!(!talk.given_back() && talk.conversation.step() == Step::WithPerson);
    assert!(talk.update().is_some_and(|update| update.summary.contains("not done yet")));
    talk.over(TransferOutcome::Succeeded);
    assert_eq!(talk.hung_up(), Some("talked with a person"));
}

#[test]
fn a_colleague_who_is_gone_meanwhile_is_not_gone_back_to() {
    let mut talk = waiting_for_cards();
    talk.taken();
    talk.sent_for("balance");
    talk.over(TransferOutcome::Succeeded);
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
    talk.verify();
    let (run, _, _) = talk.action();
    talk.done(run, &[("balance", "5310.00")]);
    talk.assert_told(Pattern::AnythingElse, &[]);
    assert!(!talk.given_back());
    let mut talk = waiting_for_cards();
    talk.taken();
    talk.sent_for("balance");
    talk.back(BackInQueue::AgentLost);
    talk.assert_told(Pattern::AgentLost, &[]);
    assert_eq!(talk.conversation.step(), Step::Slot(SlotName::new("account_number")));
    talk.say("stop");
    talk.assert_told(Pattern::StillInLine, &[("queue", "our card team")]);
}

#[test]
fn other_words_stand_in_for_those_of_a_wait_that_a_profile_lacks() {
    let mut changed = (*generation()).clone();
    let of_waits = Pattern::ALL.iter().skip_while(|pattern| **pattern != Pattern::InLine);
    for pattern in of_waits {
        changed.patterns.says.remove(pattern);
    }
    let mut talk = staffed(Arc::new(changed), &["front_desk", "cards"]);
    talk.gets_in_line();
    talk.assert_told(Pattern::OneMoment, &[]);
    talk.still_waiting(25, WaitTopic::Company);
    assert!(!talk.last_words().is_empty(), "the queue has words of its own");
    talk.say("how long?");
    assert_eq!(talk.conversation.step(), Step::InLine);
    talk.say("call me back");
    assert_eq!((talk.conversation.step(), talk.left()), (Step::InLine, None));
    talk.booked(true);
    talk.assert_told(Pattern::HandOffCallback, &[]);
    let mut changed = (*generation()).clone();
    changed.patterns.says.remove(&Pattern::LeftLine);
    let mut talk = staffed(Arc::new(changed), &["front_desk"]);
    talk.gets_in_line();
    talk.say("I don't want to wait");
    talk.assert_told(Pattern::Cancelled, &[]);
}

#[test]
fn a_secret_that_was_said_while_waiting_is_in_no_handoff() {
    let mut talk = waiting();
    talk.ask("what's my balance in savings", "balance");
    talk.key("12345678");
    talk.say("four three two one");
    let (run, _, _) = talk.action();
    talk.done(run, &[("customer_name", "Alex Morgan")]);
    let update = talk.update().expect("that is news");
    assert!(update.slots.iter().all(|slot| slot.value != "4321"), "{:?}", update.slots);
    let verified = |slot: &&crate::acd::handoff::HandoffSlot| slot.name == "account_number";
    let number = update.slots.iter().find(verified).expect("it is known");
    assert_eq!(number.provenance, crate::acd::handoff::FactProvenance::Verified);
}

/// One thing that happens to a caller who has got in line, or would like to.
fn any_event() -> impl Strategy<Value = ConversationInput> {
    let wait = prop::option::of((0_u64..900, 0_u64..900));
    let news = (0_usize..30, wait).prop_map(|(position, wait)| {
        let [from, to] = wait.map_or([0, 0], |(a, b)| [a, b]).map(Duration::from_secs);
        let wait = wait.map(|_| WaitRange { from, to });
        ConversationInput::Waiting(WaitNews { position, agents: 1, wait })
    });
    let still = (0_u64..900, any::<bool>()).prop_map(|(waited_s, is_place)| {
        let topic = if is_place { WaitTopic::Place } else { WaitTopic::Company };
        ConversationInput::StillWaiting { waited: Duration::from_secs(waited_s), topic }
    });
    let back = vec![BackInQueue::NotTaken, BackInQueue::NotJoined, BackInQueue::AgentLost];
    let outcomes = vec![TransferOutcome::Succeeded, TransferOutcome::Busy, TransferOutcome::Failed];
    let queues = vec!["front_desk", "no_such_queue"];
    let tasks = vec!["balance", "transfer", "talk_to_person", "no_such_task"];
    prop_oneof![
        2 => news,
        3 => still,
        1 => prop::sample::select(queues)
            .prop_map(|to| ConversationInput::Moved { to: QueueName::new(to) }),
        2 => Just(ConversationInput::AgentTook),
        2 => prop::sample::select(back).prop_map(|why| ConversationInput::BackInQueue { why }),
        1 => Just(ConversationInput::WaitEnded { why: WaitEnd::TooLong }),
        2 => any::<bool>().prop_map(|booked| ConversationInput::CallbackBooked { booked }),
        1 => prop::sample::select(outcomes)
            .prop_map(|outcome| ConversationInput::TransferEnded { outcome }),
        2 => prop::sample::select(tasks)
            .prop_map(|task| ConversationInput::BackFromAgent { task: task.to_owned() }),
        2 => any::<bool>().prop_map(|stored| ConversationInput::HandoffStored { stored }),
        1 => Just(ConversationInput::Silence),
        1 => Just(ConversationInput::HearingDown),
        1 => Just(ConversationInput::VoiceDown),
    ]
}

/// What callers say, and what it means.
fn any_words() -> impl Strategy<Value = (&'static str, Option<&'static str>)> {
    prop::sample::select(vec![
        ("agent", None),
        ("how long", None),
        ("call me back", None),
        ("yes", None),
        ("no", None),
        ("I don't want to wait", None),
        ("never mind", None),
        ("that's all", None),
        ("this is ridiculous", None),
        ("one two three four five six seven eight", None),
        ("four three two one", None),
        ("the quick brown fox", None),
        ("what's my balance in savings", Some("balance")),
        ("move fifty dollars from checking to savings", Some("transfer")),
        ("there is a charge of eighty dollars I didn't make", Some("dispute_charge")),
        ("my chest hurts", Some("branch_hours")),
        ("do you have an app", Some("faq: Do you have an app?")),
    ])
}

fn apply(talk: &mut Talk, event: Result<ConversationInput, (&str, Option<&str>)>) {
    match event {
        Ok(input) => talk.input(input),
        Err((words, Some(intent))) => talk.ask(words, intent),
        Err((words, None)) => talk.say(words),
    }
}

/// Gives actions that were asked for their results, and those that follow from them.
fn settle(talk: &mut Talk, running: &mut Vec<ActionRunId>, actions_work: bool) {
    loop {
        running.extend(talk.acts.iter().filter_map(|act| match act {
            DialogAct::RunAction { run, .. } => Some(*run),
            _ => None,
        }));
        let Some(run) = running.pop() else { return };
        if actions_work {
            talk.done(run, &[("balance", "1.00"), MOVED[0], MOVED[1]]);
        } else {
            talk.fail(run, FailureWords::Unavailable);
        }
    }
}

proptest! {
    /// Whatever happens in whatever order, nothing is claimed that is not so, and the caller gets out.
    #[test]
    fn any_order_of_events_leaves_the_caller_with_somebody_who_answers(
        events in prop::collection::vec(
            (prop_oneof![any_event().prop_map(Ok), any_words().prop_map(Err)], any::<bool>()),
            0..40,
        ),
        actions_work: bool,
    ) {
        let mut talk = staffed(with_emergency(), &["front_desk", "cards", "billing"]);
        talk.gets_in_line();
        let mut running = Vec::new();
        for (event, are_quick) in events {
            let is_over = talk.conversation.is_over();
            apply(&mut talk, event);
            prop_assert!(!is_over || talk.acts.is_empty(), "{:?}", talk.acts);
            for (act, next) in talk.acts.iter().zip(talk.acts.iter().skip(1)) {
                let gives_back = matches!(act, DialogAct::ReturnToAgent);
                prop_assert!(!gives_back || !matches!(next, DialogAct::Say(_)), "{:?}", talk.acts);
            }
            let words = talk.last_words();
            prop_assert!(!words.contains('{'), "{words}");
            if are_quick {
                settle(&mut talk, &mut running, actions_work);
            } else {
                running.extend(talk.acts.iter().filter_map(|act| match act {
                    DialogAct::RunAction { run, .. } => Some(*run),
                    _ => None,
                }));
            }
            prop_assert!(actions_work || !talk.claimed());
        }
        // Whatever was to be heard of is, and then the caller has had enough.
        talk.acts.clear();
        settle(&mut talk, &mut running, actions_work);
        for input in [
            ConversationInput::HandoffStored { stored: true },
            ConversationInput::CallbackBooked { booked: false },
            ConversationInput::TransferEnded { outcome: TransferOutcome::Failed },
            ConversationInput::BackInQueue { why: BackInQueue::AgentLost },
        ] {
            talk.input(input);
            settle(&mut talk, &mut running, actions_work);
        }
        for _ in 0..5 {
            if talk.conversation.is_over() {
                break;
            }
            talk.say("goodbye");
            settle(&mut talk, &mut running, actions_work);
            talk.stored(true);
            settle(&mut talk, &mut running, actions_work);
        }
        prop_assert!(talk.conversation.is_over(), "{}", talk.conversation.step());
    }
}
