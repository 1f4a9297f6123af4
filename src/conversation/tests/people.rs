//! What people are needed for, and what else was asked for in the same call.

use super::*;

fn part(words: &str, intent: &str) -> Part {
    Part {
        words: Pii::new(words.to_owned()),
        score: IntentScore { intent: IntentName::new(intent), confidence: 0.95 },
    }
}

#[test]
fn what_a_request_for_people_interrupted_is_finished() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.ask("and there is a charge I didn't make", "dispute_charge");
    talk.say("eighty dollars");
    let handoff = talk.handoff();
    assert_eq!((handoff.reason, handoff.queue.as_str()), (HandoffReason::Policy, "billing"));
    assert!(handoff.summary.contains("Also asked about your balance"), "{}", handoff.summary);
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert!(!talk.conversation.is_over());
    let words = talk.last_words().to_lowercase();
    assert!(words.contains("call you back") && words.contains("account number"), "{words}");
    talk.verify();
    assert_eq!(talk.action().1, "crm.balance");
}

#[test]
fn what_was_asked_for_in_the_same_breath_is_done_as_well() {
    let mut talk = Talk::new(&[]);
    let mut understanding = Understanding::of(Vec::new(), -1.0);
    understanding.parts = vec![
        part("there is a charge of eighty dollars I didn't make", "dispute_charge"),
        part("when are you open", "branch_hours"),
    ];
    talk.input(ConversationInput::Heard {
        text: Pii::new("a charge of eighty dollars I didn't make and when are you open".to_owned()),
        confidence: 0.9,
        understanding,
        before_question: false,
        readings: Readings::default(),
    });
    assert_eq!(talk.handoff().queue.as_str(), "billing");
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert!(talk.last_words().to_lowercase().contains("weekdays"), "{}", talk.last_words());
    assert!(!talk.conversation.is_over());
}

#[test]
fn a_person_who_was_asked_for_is_told_what_is_open() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.ask("and I lost my card", "lost_card");
    talk.say("agent");
    let summary = &talk.handoff().summary;
    assert!(summary.contains("Also asked about your balance"), "{summary}");
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert!(talk.conversation.is_over());
}
