//! The first words: whether it may be recorded, and whether it is about an open ticket.

use super::*;
use crate::acd::standing::{OPEN_TICKET, RecordMeaning};
use crate::prompts::{Template, TicketGreeting, TicketLead};

const TICKET: &str = "the card you ordered on Tuesday";

/// A record with an open ticket of a gold customer.
const GOLD: [(&str, &str); 6] = [
    ("customer_name", "Linda Okafor"),
    ("first_name", "Linda"),
    ("tier", "gold"),
    ("open_tickets", "1"),
    ("ticket_subject", TICKET),
    ("language", "es"),
];

fn meaning() -> RecordMeaning {
    let field = |name: &str| Some(name.to_owned());
    RecordMeaning {
        tier: field("tier"),
        open_tickets: field("open_tickets"),
        ticket_subject: field("ticket_subject"),
        language: field("language"),
        priority_up: [("gold".to_owned(), 2), (OPEN_TICKET.to_owned(), 1)].into(),
        skills: [(OPEN_TICKET.to_owned(), vec!["tickets".to_owned()])].into(),
    }
}

fn words(text: &str) -> Vec<Template> {
    vec![Template::parse(text, 1).expect("parses")]
}

/// The demo profile with a ticket greeting that leads there.
fn with_ticket_greeting(lead: TicketLead) -> Arc<Generation> {
    let mut generation = generation();
    let changed = Arc::get_mut(&mut generation).expect("nobody else has it");
    changed.house.ticket_greeting = Some(TicketGreeting {
        ask: words("Hello {caller_first_name}, is it about {caller_ticket_subject}?"),
        otherwise: words("All right. What can I do for you?"),
        lead,
    });
    generation
}

fn called(lead: TicketLead, record: &[(&str, &str)]) -> Talk {
    let rules = Rules { record: meaning(), ..rules(&[]) };
    Talk::under(rules, with_ticket_greeting(lead), record)
}

fn to_front_desk() -> TicketLead {
    TicketLead::Queue(QueueName::new("front_desk"))
}

#[test]
fn a_known_caller_is_asked_about_their_ticket_and_a_yes_brings_its_people() {
    let mut talk = called(to_front_desk(), &GOLD);
    let asked = format!("Hello Linda, is it about {TICKET}?");
    assert!(talk.last_words().ends_with(&asked), "{}", talk.last_words());
    assert_eq!(talk.expects().expected, Expected::YesNo);
    assert_eq!(talk.conversation.step(), Step::TicketCheck);
    talk.say("yes please");
    let handoff = talk.handoff();
    assert_eq!((handoff.reason, handoff.queue.as_str()), (HandoffReason::Policy, "front_desk"));
    assert_eq!((handoff.priority, handoff.language.as_str()), (2, "es"));
    assert_eq!(handoff.skills, ["general", "tickets"]);
    let told = format!("Linda Okafor called about their open ticket: \"{TICKET}\".");
    assert!(handoff.summary.starts_with(&told), "{}", handoff.summary);
}

#[test]
fn a_yes_may_lead_to_a_task_and_keys_say_yes_as_well() {
    let mut talk = called(TicketLead::Intent(IntentName::new("lost_card")), &GOLD);
    talk.key("1");
    assert!(talk.expects().patient, "the account number is asked for: {}", talk.last_words());
    talk.say("agent");
    let summary = &talk.handoff().summary;
    assert!(summary.starts_with("Linda Okafor called about a lost or stolen card."), "{summary}");
    assert!(summary.contains("They call about their open ticket"), "{summary}");
}

#[test]
fn a_caller_who_calls_about_something_else_is_heard() {
    for (answer, intent, expected) in [
        ("no", None, "What can I do for you?"),
        ("no it's not", None, "What can I do for you?"),
        ("no I lost my card", Some("lost_card"), "account number"),
        ("I lost my card", Some("lost_card"), "account number"),
    ] {
        let mut talk = called(to_front_desk(), &GOLD);
        match intent {
            Some(intent) => talk.ask(answer, intent),
            None => talk.say(answer),
        }
        assert!(talk.last_words().contains(expected), "{answer}: {}", talk.last_words());
    }
    let mut talk = called(to_front_desk(), &GOLD);
    talk.say("no");
    talk.say("agent");
    let handoff = talk.handoff();
    assert!(handoff.summary.contains("Has an open ticket"), "{}", handoff.summary);
    assert!(!handoff.summary.contains("about their open ticket"), "{}", handoff.summary);
}

#[test]
fn what_is_not_known_is_not_said() {
    let without = |field: &str| -> Vec<(&str, &str)> {
        GOLD.into_iter().filter(|(name, _)| *name != field).collect()
    };
    let closed: Vec<(&str, &str)> =
        without("open_tickets").into_iter().chain([("open_tickets", "0")]).collect();
    for record in [without("ticket_subject"), without("first_name"), closed, Vec::new()] {
        let talk = called(to_front_desk(), &record);
        assert!(!talk.last_words().contains("is it about"), "{record:?}: {}", talk.last_words());
        assert_eq!(talk.conversation.step(), Step::Request, "{record:?}");
    }
    // Nothing in the configuration says what the fields mean.
    let talk = Talk::under(rules(&[]), with_ticket_greeting(to_front_desk()), &GOLD);
    assert_eq!(talk.conversation.step(), Step::Request);
}

#[test]
fn silence_and_mumbling_have_the_question_asked_again() {
    let mut talk = called(to_front_desk(), &GOLD);
    talk.input(ConversationInput::Silence);
    assert!(talk.last_words().contains(TICKET), "{}", talk.last_words());
    talk.say("mumble mumble");
    assert!(talk.last_words().contains(TICKET), "{}", talk.last_words());
    assert_eq!(talk.conversation.step(), Step::TicketCheck);
}

/// The demo profile with words for the question whether it may be recorded.
fn asking_to_record() -> Talk {
    let mut generation = generation();
    let changed = Arc::get_mut(&mut generation).expect("nobody else has it");
    for (pattern, text) in [
        (Pattern::RecordingQuestion, "May I record this call?"),
        (Pattern::RecordingAgreed, "Thank you."),
        (Pattern::RecordingDeclined, "Then I won't."),
    ] {
        changed.patterns.says.insert(pattern, words(text));
    }
    let rules = Rules { recording: RecordingConsent::Asked, ..rules(&[]) };
    Talk::under(rules, generation, &[])
}

fn is_recorded(talk: &Talk) -> bool {
    talk.acts.iter().any(|act| matches!(act, DialogAct::Record))
}

#[test]
fn a_call_is_recorded_only_after_a_yes() {
    let talk = asking_to_record();
    assert!(talk.last_words().ends_with("May I record this call?"), "{}", talk.last_words());
    assert!(!is_recorded(&talk));
    for (answer, intent, agrees, next) in [
        ("yes", None, true, "Thank you."),
        ("sure go ahead", None, true, "Thank you."),
        ("no", None, false, "Then I won't."),
        ("no I don't want that", None, false, "Then I won't."),
        ("what for", None, false, "Then I won't."),
        ("yes but not all of it", None, false, "Then I won't."),
        ("I lost my card", Some("lost_card"), false, "account number"),
        ("no I lost my card", Some("lost_card"), false, "account number"),
    ] {
        let mut talk = asking_to_record();
        match intent {
            Some(intent) => talk.ask(answer, intent),
            None => talk.say(answer),
        }
        assert_eq!(is_recorded(&talk), agrees, "{answer}");
        assert!(talk.last_words().contains(next), "{answer}: {}", talk.last_words());
    }
    let mut talk = asking_to_record();
    talk.key("1");
    assert!(is_recorded(&talk));
    assert_eq!(talk.conversation.step(), Step::Request);
}

#[test]
fn whoever_is_not_asked_or_does_not_answer_is_not_recorded() {
    // A profile without words for the question.
    let rules = Rules { recording: RecordingConsent::Asked, ..rules(&[]) };
    let mut plain = generation();
    let changed = Arc::get_mut(&mut plain).expect("nobody else has it");
    changed.patterns.says.remove(&Pattern::RecordingQuestion);
    let talk = Talk::under(rules, plain, &[]);
    assert_eq!((talk.conversation.step(), is_recorded(&talk)), (Step::Request, false));
    for silent in 0..3 {
        let mut talk = asking_to_record();
        for _ in 0..silent {
            talk.input(ConversationInput::Silence);
            assert!(!is_recorded(&talk));
        }
        talk.say("agent");
        assert!(!is_recorded(&talk));
        assert_eq!(talk.handoff().reason, HandoffReason::Asked);
    }
}
