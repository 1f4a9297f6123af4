//! Several values of one kind: each fills the slot that it was said for.

use super::*;

/// A trip with two dates, and a word about it.
const TRIP: &str = "---
intent: trip
title: a trip
risk: low
handoff: cards
person: afterwards
---
## Callers say
- I'm going abroad [soon]
- I want to set up a travel notice
- I'll be overseas from {leaving}
- I'm flying to Spain on {leaving}
- I'm away from {leaving} until {back}
- I have a trip coming up
- put a note on my account that I'm on holiday
- can I use my card in another country
- I'm leaving the country for two weeks
- we're going on vacation to Italy
- tell the card people I'll be out of the country
- don't block my card while I'm abroad

## We need
### leaving (date)
Ask: What day do you leave?
Again: Sorry, what day do you leave?

### back (date)
Ask: And when are you back?
Again: Sorry, when do you come back?

### remark (text)
Ask: What else should they know?
Again: Sorry, what should they know?

## Confirm
- Leaving {leaving:date}, back {back:date}.

## Then say
- Thank you.
";

fn trip() -> Talk {
    Talk::on(generation_with(&[("trip", TRIP)]), &[])
}

fn slots(talk: &Talk) -> Vec<String> {
    let known = talk.conversation.known_slots();
    known.iter().map(|(slot, value)| format!("{slot}={}", value.value.expose())).collect()
}

fn asked(talk: &Talk) -> Step {
    talk.conversation.step()
}

fn slot(name: &str) -> Step {
    Step::Slot(SlotName::new(name))
}

#[test]
fn two_dates_in_a_request_fill_two_slots() {
    for (text, expected) in [
        (
            "I'm flying to Portugal on december third and back on december tenth",
            &["back=2026-12-10", "leaving=2026-12-03"][..],
        ),
        (
            "I'm back on december tenth and leave on december third",
            &["back=2026-12-10", "leaving=2026-12-03"],
        ),
        (
            "I'm away from the third to the tenth of december",
            &["back=2026-12-10", "leaving=2026-12-03"],
        ),
        ("a trip, december third and december tenth", &["back=2026-12-10", "leaving=2026-12-03"]),
        ("I leave for a trip next friday", &["leaving=2026-12-04"]),
        ("I have a trip next friday", &["leaving=2026-12-04"]),
        ("I'm back from a trip next friday", &["back=2026-12-04"]),
    ] {
        let mut talk = trip();
        talk.ask(text, "trip");
        assert_eq!(slots(&talk), expected, "{text}");
    }
}

#[test]
fn one_answer_fills_the_slot_that_was_asked_for() {
    let mut talk = trip();
    talk.ask("I'm going abroad", "trip");
    assert_eq!(asked(&talk), slot("leaving"));
    talk.say("next friday");
    assert_eq!(slots(&talk), ["leaving=2026-12-04"]);
    assert_eq!(asked(&talk), slot("back"));
    // It sounds like the other one, and answers what was asked all the same.
    talk.say("I'm flying on the tenth of december");
    assert_eq!(slots(&talk), ["back=2026-12-10", "leaving=2026-12-04"]);
}

#[test]
fn an_answer_with_both_fills_both_and_the_other_ones_word_keeps_its_place() {
    let mut talk = trip();
    talk.ask("I'm going abroad", "trip");
    talk.say("from the third to the tenth");
    assert_eq!(slots(&talk), ["back=2026-12-10", "leaving=2026-12-03"]);

    let mut talk = trip();
    talk.ask("I'm going abroad", "trip");
    talk.say("I come back on december tenth");
    assert_eq!(slots(&talk), ["back=2026-12-10"]);
    assert_eq!(asked(&talk), slot("leaving"));
}

#[test]
fn a_filled_slot_is_overwritten_only_by_a_correction() {
    let mut talk = trip();
    talk.ask("I leave on december third", "trip");
    assert_eq!(asked(&talk), slot("back"));
    talk.say("no, I leave on december fourth");
    assert_eq!(slots(&talk), ["leaving=2026-12-04"]);
    assert_eq!(asked(&talk), slot("back"));
    talk.say("december tenth");
    assert_eq!(asked(&talk), slot("remark"));
    talk.say("the 12th of december");
    let expected = ["back=2026-12-10", "leaving=2026-12-04", "remark=the 12th of december"];
    assert_eq!(slots(&talk), expected);
}

#[test]
fn free_text_is_no_correction_and_a_correction_no_free_text() {
    let mut talk = trip();
    talk.ask("I'm away from december third until december tenth", "trip");
    assert_eq!(asked(&talk), slot("remark"));
    talk.say("no, I leave on december fifth");
    assert_eq!(slots(&talk), ["back=2026-12-10", "leaving=2026-12-05"]);
    assert_eq!(asked(&talk), slot("remark"));
}

#[test]
fn a_correction_that_fits_two_slots_is_asked_about() {
    let mut talk = trip();
    talk.ask("I'm away from december third until december tenth", "trip");
    talk.say("I use two cards");
    assert_eq!(asked(&talk), Step::Confirmation);
    talk.say("no, the ninth of december");
    let which = [SlotName::new("leaving"), SlotName::new("back")];
    assert_eq!(asked(&talk), Step::SlotChoice(which.to_vec()));
    assert!(talk.last_words().contains("leaving") && talk.last_words().contains("back"));
    // A yes is no answer to this.
    talk.say("yes");
    assert!(matches!(asked(&talk), Step::SlotChoice(_)));
    talk.say("the return");
    assert_eq!(asked(&talk), Step::Confirmation);
    assert!(slots(&talk).contains(&"back=2026-12-09".to_owned()), "{:?}", slots(&talk));
    assert!(slots(&talk).contains(&"leaving=2026-12-03".to_owned()), "{:?}", slots(&talk));
    talk.say("no, I leave on december second");
    assert!(slots(&talk).contains(&"leaving=2026-12-02".to_owned()), "{:?}", slots(&talk));
    assert!(slots(&talk).contains(&"back=2026-12-09".to_owned()), "{:?}", slots(&talk));
}

#[test]
fn from_one_account_is_not_to_the_same() {
    let mut talk = Talk::new(&[]);
    talk.ask("move fifty dollars from checking", "transfer");
    talk.verify();
    assert_eq!(asked(&talk), slot("to_account"));
    talk.say("from checking");
    assert!(!slots(&talk).contains(&"to_account=checking".to_owned()), "{:?}", slots(&talk));
}

#[test]
fn free_text_is_an_answer_that_was_heard() {
    let mut talk = trip();
    talk.ask("I'm away from december third until december tenth", "trip");
    for text in ["no", "yes", "I don't know yet"] {
        assert_eq!(asked(&talk), slot("remark"));
        talk.conversation.failures = 0;
        talk.say(text);
        assert!(talk.last_words().starts_with("Sorry, what"), "{text}: {}", talk.last_words());
    }
    talk.say("I use two cards..");
    assert!(slots(&talk).contains(&"remark=I use two cards".to_owned()), "{:?}", slots(&talk));
}

#[test]
fn free_text_that_was_hardly_heard_is_asked_for_once_more() {
    let mut talk = trip();
    talk.ask("I'm away from december third until december tenth", "trip");
    let hear = |talk: &mut Talk| {
        talk.input(ConversationInput::Heard {
            text: Pii::new("eye youth two cars".to_owned()),
            confidence: 0.3,
            understanding: Understanding::of(Vec::new(), -0.1),
            before_question: false,
            readings: Readings::default(),
        });
    };
    hear(&mut talk);
    assert_eq!(asked(&talk), slot("remark"));
    hear(&mut talk);
    assert_eq!(asked(&talk), Step::Confirmation);
}

/// A card by two numbers of digits, and a move between two accounts whose names do not begin alike.
const MOVE: &str = "---
intent: move
title: a standing order
risk: low
handoff: cards
person: afterwards
---
## Callers say
- I want to set up a standing order
- set up a standing order from {source} to {destination}
- a standing order please
- I'd like money moved every month
- can you move something every month
- every month the same amount please

## We need
### account (digits 8, keypad)
Ask: Which account?
Again: Sorry, which account?

### last_four (digits 4)
Ask: And the last four digits of your card?
Again: Sorry, the last four digits?

### source (one of: checking, savings)
Ask: From checking or savings?
Again: Sorry, checking or savings?

### destination (one of: checking, savings)
Ask: And to which?
Again: Sorry, to checking or savings?

## Confirm
- From {source} to {destination}.

## Then say
- Thank you.
";

#[test]
fn a_piece_of_a_number_is_no_other_number() {
    let mut talk = Talk::on(generation_with(&[("move", MOVE)]), &[]);
    talk.ask("I want to set up a standing order", "move");
    assert_eq!(asked(&talk), slot("account"));
    talk.say("one two three four");
    assert_eq!(slots(&talk), [""; 0], "half of the account number");
    talk.say("five six seven eight");
    assert_eq!(slots(&talk), ["account=12345678"]);
}

#[test]
fn two_choices_are_told_apart_by_what_the_examples_say() {
    let mut talk = Talk::on(generation_with(&[("move", MOVE)]), &[]);
    talk.ask("set up a standing order from checking to savings", "move");
    assert_eq!(slots(&talk), ["destination=savings", "source=checking"]);
}
