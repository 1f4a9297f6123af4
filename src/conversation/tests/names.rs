//! Names that are checked against the records.

use super::*;
use crate::acd::handoff::FactProvenance;
use crate::base::{LIST_OUTPUT, join_list};

/// The slot that takes a name in these conversations: the first of an intent without an identity
/// check, and without anything else that is said after its only question.
const INTENT: &str = "dispute_charge";

impl Talk {
    /// A conversation in which the first thing that is asked for is a name.
    fn checking_names(read_back: ReadBack) -> Self {
        let mut generation = generation();
        let changed = Arc::get_mut(&mut generation).expect("nobody else has it");
        let intent = changed.intents.iter_mut().find(|intent| intent.name.as_str() == INTENT);
        let spec = &mut intent.expect("the demo profile has it").slots[0];
        spec.kind = SlotKind::Name;
        spec.read_back = read_back;
        spec.check_against = Some(ActionName::new("crm.surnames"));
        let mut talk = Self::on(generation, &[]);
        talk.ask("there is a charge I didn't make", INTENT);
        talk
    }

    /// A conversation in which the identity check asks for a name, and then for the PIN.
    fn identifying_by_name() -> Self {
        let mut generation = generation();
        let changed = Arc::get_mut(&mut generation).expect("nobody else has it");
        let account_pin = VerificationName::new("account_pin");
        let specs = changed.patterns.verifications.get_mut(&account_pin).expect("its slots");
        specs[0].kind = SlotKind::Name;
        specs[0].read_back = ReadBack::No;
        specs[0].check_against = Some(ActionName::new("crm.surnames"));
        let mut talk = Self::on(generation, &[]);
        talk.ask("what's my balance", "balance");
        talk
    }

    /// Says a name and answers the lookup with these.
    fn say_name(&mut self, text: &str, on_file: &[&str]) -> String {
        self.say(text);
        self.looked_up(on_file);
        self.last_words()
    }

    fn looked_up(&mut self, on_file: &[&str]) {
        let (run, action, _) = self.action();
        assert_eq!(action, "crm.surnames");
        let list = join_list(on_file.iter().copied());
        self.done(run, &[(LIST_OUTPUT, list.as_str())]);
    }

    fn acts_at_all(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, DialogAct::RunAction { .. }))
    }

    /// The only slot of the hand-off.
    fn handed_over(&self) -> (String, FactProvenance) {
        let slots = &self.handoff().slots;
        assert_eq!(slots.len(), 1, "{slots:?}");
        (slots[0].value.clone(), slots[0].provenance)
    }

    fn heard_name(&self, name: &str) -> bool {
        self.said.iter().any(|phrase| phrase.text.expose().contains(name))
    }
}

const ON_FILE: &[&str] = &["Smith", "Smyth", "Feldman", "O'Brien"];

#[test]
fn a_name_that_is_on_file_as_heard_is_not_asked_about() {
    for (said, value) in [("Feldman", "Feldman"), ("it's OBrien", "O'Brien")] {
        let mut talk = Talk::checking_names(ReadBack::Plain);
        talk.say_name(said, ON_FILE);
        assert_eq!(talk.handed_over(), (value.to_owned(), FactProvenance::Crm));
    }
}

#[test]
fn a_name_like_the_one_heard_is_taken_only_after_a_yes() {
    let mut talk = Talk::checking_names(ReadBack::No);
    let words = talk.say_name("Fieldman", ON_FILE);
    assert!(words.contains("Feldman, F E L D M A N"), "{words}");
    let hidden = talk.said.last().map(|phrase| phrase.hidden.clone()).unwrap_or_default();
    assert_eq!(hidden, [Pii::new("Feldman, F E L D M A N".to_owned())], "not in the transcript");
    assert_eq!(talk.expects().expected, Expected::YesNo);
    let known = talk.conversation.known_slots();
    assert!(known.values().all(|value| value.value.expose() == "Fieldman"), "not agreed to");
    talk.say("yes that's right");
    assert_eq!(talk.handed_over(), ("Feldman".to_owned(), FactProvenance::Crm));

    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say_name("Fieldman", ON_FILE);
    talk.say("agent");
    assert_eq!(talk.handed_over(), ("Fieldman".to_owned(), FactProvenance::Said));
}

#[test]
fn a_name_that_was_said_no_to_is_not_offered_again() {
    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say_name("Fieldman", ON_FILE);
    talk.say("no");
    assert!(talk.last_words().to_lowercase().contains("spell"), "{}", talk.last_words());
    assert!(talk.expects().patient);
    talk.say("F I E L D M A N");
    assert!(!talk.acts_at_all(), "the same name is looked up once");
    assert_eq!(talk.handed_over(), ("Fieldman".to_owned(), FactProvenance::Said));
}

#[test]
fn of_two_names_that_sound_alike_the_caller_says_which() {
    for (answer, name) in [
        ("the second one", "Smyth"),
        ("S M Y T H", "Smyth"),
        ("the one with a Y", "Smyth"),
        ("the first", "Smith"),
    ] {
        let mut talk = Talk::checking_names(ReadBack::No);
        let words = talk.say_name("Smith", ON_FILE);
        assert!(words.contains("S M I T H") && words.contains("S M Y T H"), "{words}");
        assert_eq!(talk.said.last().map(|phrase| phrase.hidden.len()), Some(2));
        talk.say(answer);
        assert_eq!(talk.handed_over(), (name.to_owned(), FactProvenance::Crm), "{answer}");
    }
    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say_name("Smith", ON_FILE);
    talk.key("2");
    assert_eq!(talk.handed_over().0, "Smyth");
}

#[test]
fn the_sound_alone_does_not_tell_two_names_apart() {
    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say_name("Smith", ON_FILE);
    talk.say("Smith");
    assert!(talk.last_words().contains("Smith, S M I T H"), "{}", talk.last_words());
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("yes");
    assert_eq!(talk.handed_over(), ("Smith".to_owned(), FactProvenance::Crm));

    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say_name("Smith", ON_FILE);
    talk.say("neither");
    assert!(talk.last_words().to_lowercase().contains("spell"), "{}", talk.last_words());
    talk.say_name("S M Y T H E", ON_FILE);
    assert_eq!(talk.handed_over(), ("Smythe".to_owned(), FactProvenance::Said));
}

#[test]
fn a_spelled_name_needs_no_second_question() {
    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say_name("Smith, S M Y T H", ON_FILE);
    assert_eq!(talk.handed_over(), ("Smyth".to_owned(), FactProvenance::Crm));
}

#[test]
fn a_name_that_is_not_on_file_is_spelled_once_and_then_kept() {
    let mut talk = Talk::checking_names(ReadBack::No);
    let words = talk.say_name("Jones", ON_FILE);
    assert!(words.to_lowercase().contains("spell"), "{words}");
    let known = talk.conversation.known_slots();
    assert!(known.values().all(|value| value.confidence < 0.4), "it may have been misheard");
    talk.say("J O N E S");
    assert_eq!(talk.handed_over(), ("Jones".to_owned(), FactProvenance::Said));
    assert!(!ON_FILE.iter().any(|name| talk.heard_name(name)));
}

#[test]
fn without_a_list_the_name_is_kept_as_heard() {
    for failure in [FailureWords::Unavailable, FailureWords::Timeout, FailureWords::NotFound] {
        let mut talk = Talk::checking_names(ReadBack::No);
        talk.say("Fieldman");
        let (run, _, _) = talk.action();
        talk.fail(run, failure);
        assert_eq!(talk.handed_over(), ("Fieldman".to_owned(), FactProvenance::Said));
        assert_eq!(talk.handoff().signals.failed_turns, 0);
    }
}

#[test]
fn a_lookup_whose_inputs_are_not_known_is_left_out() {
    let mut talk = Talk::checking_names(ReadBack::No);
    let surnames = ActionName::new("crm.surnames");
    talk.conversation.rules.action_inputs.insert(surnames, vec!["branch".to_owned()]);
    talk.say("Fieldman");
    assert_eq!(talk.handed_over(), ("Fieldman".to_owned(), FactProvenance::Said));
}

#[test]
fn a_person_asked_for_during_a_lookup_comes_at_once() {
    let mut talk = Talk::checking_names(ReadBack::No);
    talk.say("Fieldman");
    let (run, _, _) = talk.action();
    talk.say("agent");
    talk.done(run, &[(LIST_OUTPUT, "Feldman")]);
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
    assert_eq!(talk.handed_over().0, "Fieldman");
}

#[test]
fn an_identity_check_offers_no_name_that_was_not_said() {
    let mut talk = Talk::identifying_by_name();
    let words = talk.say_name("Fieldman", ON_FILE);
    assert!(words.to_lowercase().contains("spell"), "{words}");
    talk.say_name("F E L D S T E I N", ON_FILE);
    assert!(talk.expects().secret, "it goes on: {}", talk.last_words());
    assert!(!ON_FILE.iter().any(|name| talk.heard_name(name)));

    let mut talk = Talk::identifying_by_name();
    let words = talk.say_name("Feltman", ON_FILE);
    assert!(words.contains("Feldman, F E L D M A N"), "the same by ear: {words}");
    talk.say("yes");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn nothing_is_kept_of_the_list_once_the_task_is_over() {
    let mut talk = Talk::identifying_by_name();
    talk.say_name("Feltman", ON_FILE);
    talk.say("no");
    let kept = |talk: &Talk| talk.conversation.verifications.values().any(|s| !s.names.is_empty());
    assert!(kept(&talk));
    talk.say("never mind");
    assert!(!kept(&talk));
}

#[test]
fn names_misheard_every_time_go_to_a_person() {
    let mut talk = Talk::checking_names(ReadBack::No);
    let mut turns = 0;
    talk.say_name("Bale", &["Dale", "Gale"]);
    while !talk.acts.iter().any(|act| matches!(act, DialogAct::HandOff(_))) {
        talk.say("Bale");
        if talk.acts_at_all() {
            talk.looked_up(&["Dale", "Gale"]);
        }
        turns += 1;
        assert!(turns < 8, "it would go on for ever");
    }
    assert_eq!(talk.handoff().reason, HandoffReason::RepeatedFailure);
}

#[test]
fn keys_are_no_name_and_only_a_zero_by_itself_is_a_person() {
    let mut talk = Talk::checking_names(ReadBack::No);
    talk.key("4021187");
    assert_eq!(talk.expects().expected, Expected::Slot(SlotKind::Name), "{}", talk.last_words());
    talk.key("0");
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);

    let mut talk = Talk::checking_names(ReadBack::No);
    for _ in 0..3 {
        talk.key("4021187");
    }
    assert_eq!(talk.handoff().reason, HandoffReason::RepeatedFailure);
}
