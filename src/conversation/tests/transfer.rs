//! Callers who are put through: what they are told before, and after it failed.

use super::*;
use crate::acd::handoff::Promise;

/// A conversation in which callers who want just anybody are put through, and those with a lost card.
fn with_people(generation: Arc<Generation>) -> Talk {
    Talk::transferring(generation, &[], &["front_desk", "cards"])
}

impl Talk {
    /// Where the caller is put through to, and what is said to whoever answers.
    fn put_through(&self) -> Option<(&str, &str)> {
        self.acts.iter().find_map(|act| match act {
            DialogAct::Transfer { queue, announcement } => {
                Some((queue.as_str(), announcement.expose().as_str()))
            }
            _ => None,
        })
    }

    /// Asks for a person, whose hand-off is stored.
    fn asks_for_person(&mut self) {
        self.say("agent");
        assert_eq!(self.handoff().promise, Promise::Transfer);
        self.input(ConversationInput::HandoffStored { stored: true });
    }

    fn ends(&mut self, outcome: TransferOutcome) {
        self.input(ConversationInput::TransferEnded { outcome });
    }

    /// Whether this is among the words that were just said.
    fn said_of(&self, pattern: Pattern) -> bool {
        let generation = &self.conversation.generation;
        let values = BTreeMap::from([("queue".to_owned(), "one of my colleagues".to_owned())]);
        generation.patterns.says[&pattern].iter().any(|template| {
            let words = self.conversation.render(template, &values);
            words.is_ok_and(|words| self.last_words().contains(&words))
        })
    }
}

#[test]
fn nothing_is_promised_before_a_caller_is_through() {
    let mut talk = with_people(generation());
    talk.say("agent");
    assert!(talk.last_words().is_empty(), "{}", talk.last_words());
    assert_eq!(talk.put_through(), None, "the hand-off is not stored yet");
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert!(talk.said_of(Pattern::PuttingThrough), "{}", talk.last_words());
    assert!(!talk.last_words().contains("call you back"), "{}", talk.last_words());
    let (queue, announcement) = talk.put_through().expect("it is tried");
    assert_eq!(queue, "front_desk");
    assert!(announcement.contains("They asked for a person."), "{announcement}");
    assert!(announcement.contains("press 1"), "{announcement}");
    assert!(!talk.expects().secret);
    talk.ends(TransferOutcome::Succeeded);
    assert!(talk.last_words().is_empty(), "nobody is there to hear it: {}", talk.last_words());
    let ended =
        |act: &DialogAct| matches!(act, DialogAct::HangUp { reason } if reason == "put through");
    assert!(talk.acts.iter().any(ended), "{:?}", talk.acts);
    assert!(talk.conversation.is_over());
}

#[test]
fn a_caller_who_could_not_be_put_through_is_told_the_truth_and_goes_on() {
    for (outcome, pattern) in [
        (TransferOutcome::Busy, Pattern::NobodyFree),
        (TransferOutcome::NoAnswer, Pattern::NobodyFree),
        (TransferOutcome::Refused, Pattern::NotPutThrough),
        (TransferOutcome::Failed, Pattern::NotPutThrough),
    ] {
        let mut talk = with_people(generation());
        talk.asks_for_person();
        talk.ends(outcome);
        assert!(talk.said_of(pattern), "{outcome:?}: {}", talk.last_words());
        assert!(talk.said_of(Pattern::AnythingElse), "{outcome:?}: {}", talk.last_words());
        assert!(talk.last_words().contains("call you back"), "{outcome:?}");
        assert_eq!(talk.conversation.step(), Step::Request);
        talk.ask("when are you open", "branch_hours");
        assert!(talk.last_words().contains("weekdays"), "{outcome:?}: {}", talk.last_words());
    }
}

#[test]
fn what_people_have_is_not_done_here_as_well() {
    let mut talk = with_people(generation());
    talk.ask("what's my balance", "balance");
    talk.ask("and I lost my card", "lost_card");
    talk.asks_for_person();
    assert_eq!(talk.put_through().map(|(queue, _)| queue), Some("cards"));
    talk.ends(TransferOutcome::Busy);
    assert_eq!(talk.conversation.task_intent(), None);
    assert_eq!(talk.conversation.step(), Step::Request);
}

#[test]
fn a_caller_is_put_through_twice_at_most() {
    let mut talk = with_people(generation());
    for _ in 0..2 {
        talk.asks_for_person();
        talk.ends(TransferOutcome::Busy);
    }
    talk.say("agent");
    assert_eq!(talk.handoff().promise, Promise::Callback);
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert_eq!(talk.put_through(), None);
    assert!(talk.said_of(Pattern::HandOffCallback), "{}", talk.last_words());
    assert!(talk.conversation.is_over());
}

#[test]
fn a_queue_without_a_transfer_calls_back() {
    let mut talk = with_people(generation());
    talk.ask("there is a charge of eighty dollars I didn't make", "dispute_charge");
    let handoff = talk.handoff();
    assert_eq!((handoff.queue.as_str(), handoff.promise), ("billing", Promise::Callback));
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert_eq!(talk.put_through(), None);
    assert!(talk.said_of(Pattern::HandOffCallback), "{}", talk.last_words());
}

#[test]
fn who_has_asked_for_more_stays_and_is_called_back() {
    let mut talk = Talk::transferring(generation(), &[], &["billing"]);
    talk.ask("what's my balance", "balance");
    talk.ask("and there is a charge I didn't make", "dispute_charge");
    talk.say("eighty dollars");
    assert_eq!(talk.handoff().promise, Promise::Callback);
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert!(talk.said_of(Pattern::HandOffCallback), "{}", talk.last_words());
    assert!(!talk.conversation.is_over());
}

#[test]
fn without_a_handoff_on_the_disk_nobody_is_put_through() {
    let mut talk = with_people(generation());
    talk.say("agent");
    talk.input(ConversationInput::HandoffStored { stored: false });
    assert_eq!(talk.put_through(), None);
    assert!(talk.conversation.is_over());
}

#[test]
fn what_is_said_and_what_fails_while_it_rings_ends_nothing() {
    let mut talk = with_people(generation());
    talk.asks_for_person();
    talk.say("hello? is anybody there");
    talk.key("0");
    talk.input(ConversationInput::Silence);
    talk.input(ConversationInput::HearingDown);
    talk.input(ConversationInput::VoiceDown);
    assert_eq!(talk.conversation.step(), Step::TransferEnded);
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
    talk.ends(TransferOutcome::NoAnswer);
    assert!(talk.said_of(Pattern::NobodyFree), "{}", talk.last_words());
    talk.ends(TransferOutcome::Succeeded);
    assert!(!talk.conversation.is_over(), "it was told once already");
}

#[test]
fn an_emergency_that_is_told_of_while_it_rings_is_not_forgotten() {
    let mut changed = (*generation()).clone();
    let urgent = changed.intents.iter_mut().find(|intent| intent.name.as_str() == "branch_hours");
    let urgent = urgent.expect("the demo profile has it");
    urgent.person = PersonRule::AtOnce;
    urgent.handoff = Some(QueueName::new("cards"));
    let mut talk = with_people(Arc::new(changed));
    talk.asks_for_person();
    talk.ask("my chest hurts", "branch_hours");
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
    talk.ends(TransferOutcome::NoAnswer);
    assert_eq!(talk.handoff().queue.as_str(), "cards");
    assert_eq!(talk.handoff().promise, Promise::Transfer);
}

#[test]
fn other_words_stand_in_for_those_that_a_profile_lacks() {
    let mut changed = (*generation()).clone();
    for pattern in
        [Pattern::PuttingThrough, Pattern::NobodyFree, Pattern::NotPutThrough, Pattern::Screening]
    {
        changed.patterns.says.remove(&pattern);
    }
    let mut talk = with_people(Arc::new(changed));
    talk.asks_for_person();
    assert!(talk.said_of(Pattern::OneMoment), "{}", talk.last_words());
    let (_, announcement) = talk.put_through().expect("it is tried");
    assert!(announcement.ends_with("To take this call, press 1."), "{announcement}");
    talk.ends(TransferOutcome::Refused);
    assert!(talk.said_of(Pattern::HandOffCallback), "{}", talk.last_words());
}
