//! Intents that bring a person at once: emergencies interrupt, whatever is being asked.

use super::*;

/// The intent that stands for an emergency here, and its queue.
const EMERGENCY: &str = "branch_hours";
const QUEUE: &str = "cards";

/// The demo profile with an emergency. It comes first in the order of the files.
fn emergency_profile() -> Arc<Generation> {
    let mut changed = (*generation()).clone();
    let urgent = changed.intents.iter_mut().find(|intent| intent.name.as_str() == EMERGENCY);
    let urgent = urgent.expect("the demo profile has it");
    urgent.person = PersonRule::AtOnce;
    urgent.handoff = Some(QueueName::new(QUEUE));
    Arc::new(changed)
}

impl Talk {
    fn with_emergency() -> Self {
        Self::on(emergency_profile(), &[])
    }

    fn hands_over(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, DialogAct::HandOff(_)))
    }
}

#[track_caller]
fn assert_urgent(talk: &Talk, place: &str) {
    let handoff = talk.handoff();
    assert_eq!((handoff.queue.as_str(), handoff.reason), (QUEUE, HandoffReason::Policy), "{place}");
    let intent = handoff.intent.as_ref().map(|intent| intent.name.as_str());
    assert_eq!(intent, Some(EMERGENCY), "{place}");
}

#[test]
fn an_emergency_goes_to_its_own_queue_and_nobody_else_does() {
    let mut talk = Talk::with_emergency();
    talk.ask("when are you open", EMERGENCY);
    assert!(talk.last_words().contains("weekdays"), "its words come first: {}", talk.last_words());
    assert_urgent(&talk, "at the greeting");
    assert_eq!(talk.handoff().priority, 2);

    for words in ["operator", "I want to talk to somebody"] {
        let mut talk = Talk::with_emergency();
        talk.ask(words, "talk_to_person");
        assert_eq!(talk.handoff().queue.as_str(), "front_desk", "{words}");
        assert_eq!(talk.handoff().reason, HandoffReason::Asked, "{words}");
    }
}

/// Gets a conversation to a place where something is asked.
type Opening = fn(&mut Talk);

const PLACES: &[(&str, Opening)] = &[
    ("account number", |talk| talk.ask("what's my balance", "balance")),
    ("read-back", |talk| {
        talk.ask("what's my balance", "balance");
        talk.say("one two three four five six seven eight");
    }),
    ("secret", |talk| {
        talk.ask("what's my balance", "balance");
        talk.key("12345678");
    }),
    ("confirmation", |talk| {
        talk.ask("I lost my card", "lost_card");
        talk.verify();
    }),
    ("anything that is said", |talk| {
        talk.ask("I moved and have a new address", "address_change");
        talk.verify();
    }),
    ("intent check", |talk| {
        talk.hear("my card thing", &[("lost_card", 0.42), ("balance", 0.1)], -0.5);
    }),
    ("clarification", |talk| {
        talk.hear("my account", &[("balance", 0.44), ("recent_transactions", 0.41)], -0.5);
    }),
    ("question answered", |talk| {
        let question = generation().faq[0].name();
        talk.ask("where do I find the routing number", question.as_str());
    }),
    ("offer", |talk| {
        let name = generation().house.not_by_phone[0].name();
        talk.ask("I want a mortgage", name.as_str());
    }),
    ("offer out of patience", |talk| {
        talk.ask("what's my balance", "balance");
        talk.say("this is ridiculous");
        talk.say("you're not listening");
    }),
];

#[test]
fn an_emergency_interrupts_whatever_is_asked() {
    for (place, open) in PLACES {
        for words in ["chest pain", "my chest hurts", "yes but my chest hurts"] {
            let mut talk = Talk::with_emergency();
            open(&mut talk);
            assert!(!talk.hands_over(), "{place}");
            talk.ask(words, EMERGENCY);
            assert_urgent(&talk, place);
        }
    }
}

#[test]
fn an_emergency_is_no_name_and_no_complaint() {
    let mut talk = Talk::with_emergency();
    let account_pin = VerificationName::new("account_pin");
    let changed = Arc::make_mut(&mut talk.conversation.generation);
    let specs = changed.patterns.verifications.get_mut(&account_pin).expect("its slots");
    specs[0].kind = SlotKind::Name;
    talk.ask("what's my balance", "balance");
    talk.ask("chest pain", EMERGENCY);
    assert_urgent(&talk, "a name");

    let mut talk = Talk::with_emergency();
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    talk.ask("oh for god's sake my chest hurts", EMERGENCY);
    assert_urgent(&talk, "a complaint");
}

#[test]
fn a_pin_that_is_said_with_an_emergency_is_in_no_handoff() {
    let mut talk = Talk::with_emergency();
    talk.ask("what's my balance", "balance");
    talk.key("12345678");
    talk.ask("four three two one please my chest hurts", EMERGENCY);
    assert_urgent(&talk, "a PIN");
    let words = talk.handoff().intent.as_ref().map(|intent| intent.words.clone());
    let words = words.expect("its words");
    assert!(words.contains("my chest hurts") && !words.contains("three two"), "{words}");
}

#[test]
fn what_may_be_an_emergency_or_a_bare_yes_is_none() {
    type Case<'a> = (&'a str, &'a [(&'a str, f32)], f32);
    let unsure: &[Case<'_>] = &[
        ("chest pain", &[(EMERGENCY, 0.69)], -1.0),
        ("chest pain", &[(EMERGENCY, 0.72), ("lost_card", 0.6)], -1.0),
        ("chest pain", &[(EMERGENCY, 0.93)], 0.5),
        ("yes", &[(EMERGENCY, 0.99)], -1.0),
        ("no", &[(EMERGENCY, 0.99)], -1.0),
    ];
    for (words, intents, out_of_scope) in unsure {
        let mut talk = Talk::with_emergency();
        talk.ask("I lost my card", "lost_card");
        talk.verify();
        talk.hear(words, intents, *out_of_scope);
        assert!(!talk.hands_over(), "{words}");
    }
}

#[test]
fn an_emergency_beside_a_request_comes_first() {
    let part = |words: &str, intent: &str| Part {
        words: Pii::new(words.to_owned()),
        score: IntentScore { intent: IntentName::new(intent), confidence: 0.95 },
    };
    let score = IntentScore { intent: IntentName::new("balance"), confidence: 0.5 };
    let mut understanding = Understanding::of(vec![score], -1.0);
    understanding.parts = vec![part("what's my balance", "balance"), part("help me", EMERGENCY)];
    let mut talk = Talk::with_emergency();
    talk.input(ConversationInput::Heard {
        text: Pii::new("what's my balance and help me".to_owned()),
        confidence: 0.9,
        understanding,
        before_question: false,
        readings: crate::nlu::Readings::default(),
    });
    assert_urgent(&talk, "beside a request");
}

#[test]
fn an_emergency_during_an_action_comes_after_its_result() {
    let mut talk = Talk::with_emergency();
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    talk.say("yes");
    let (run, _, _) = talk.action();
    talk.ask("chest pain", EMERGENCY);
    assert!(talk.acts.is_empty(), "{:?}", talk.acts);
    talk.done(run, &[("card_last4", "4417")]);
    assert!(talk.claimed());
    assert_urgent(&talk, "after the result");

    for failure in [FailureWords::Unavailable, FailureWords::Refused("wrong pin".into())] {
        let mut talk = Talk::with_emergency();
        talk.ask("what's my balance", "balance");
        for _ in 0..2 {
            talk.key("12345678");
            talk.key("1111");
            let (run, _, _) = talk.action();
            talk.fail(run, FailureWords::Refused("wrong pin".into()));
        }
        talk.key("12345678");
        talk.key("1111");
        let (run, _, _) = talk.action();
        talk.ask("chest pain", EMERGENCY);
        talk.fail(run, failure.clone());
        assert_urgent(&talk, failure.as_words());
    }
}

#[test]
fn who_just_wants_somebody_is_heard_where_their_words_answer_nothing() {
    for (place, open) in PLACES {
        if matches!(*place, "anything that is said" | "offer" | "offer out of patience") {
            continue;
        }
        let mut talk = Talk::with_emergency();
        open(&mut talk);
        talk.ask("billing question", "talk_to_person");
        assert_eq!(talk.handoff().reason, HandoffReason::Asked, "{place}");
    }
    // An offer is taken, with its own queue and reason.
    let name = generation().house.not_by_phone[0].name();
    let mut talk = Talk::with_emergency();
    talk.ask("I want a mortgage", name.as_str());
    talk.ask("put me through to them", "talk_to_person");
    let handoff = talk.handoff();
    assert_eq!((handoff.reason, handoff.queue.as_str()), (HandoffReason::OutOfScope, "accounts"));
    // What answers the question is an answer.
    let mut talk = Talk::with_emergency();
    talk.ask("I'd like to move fifty dollars", "transfer");
    talk.verify();
    talk.ask("checking to savings", "talk_to_person");
    assert!(!talk.hands_over(), "{}", talk.last_words());
}
