use super::Completeness::{Complete, HoldOn, Likely, Open, Unfinished};
use super::*;
use crate::nlu::Choice;

fn check(awaited: Awaited<'_>, table: &[(&str, Completeness)]) {
    for (text, expected) in table {
        assert_eq!(completeness(text, awaited), *expected, "{text:?} where {awaited:?} is awaited");
    }
}

fn slot(kind: &SlotKind) -> Awaited<'_> {
    Awaited::Slot { kind, digits_taken: 0 }
}

#[test]
fn the_surer_is_the_greater() {
    let all = [HoldOn, Unfinished, Open, Likely, Complete];
    assert!(all.is_sorted());
    assert_eq!(all.map(Completeness::surer), [HoldOn, Unfinished, Likely, Complete, Complete]);
    assert_eq!(all.map(Completeness::less_sure), [HoldOn, Unfinished, Unfinished, Open, Likely]);
}

#[test]
fn requests_that_break_off_are_told_from_whole_ones() {
    check(
        Awaited::Request,
        &[
            ("", Open),
            ("Um.", Unfinished),
            ("um, so", Unfinished),
            ("So", Unfinished),
            ("I want to", Unfinished),
            ("I want to.", Unfinished),
            ("I'd like to pay my", Unfinished),
            ("I need", Unfinished),
            ("I'm calling about", Unfinished),
            ("I lost my card and", Unfinished),
            ("My name is", Unfinished),
            ("Can you", Unfinished),
            ("Could you please", Unfinished),
            ("What is", Unfinished),
            ("How do I", Unfinished),
            ("How much", Open),
            ("Can I pay", Open),
            ("I'd like to move fifty dollars from", Unfinished),
            ("I was wondering if...", Unfinished),
            ("I was wond-", Unfinished),
            ("It's about my bill, um", Unfinished),
            ("Who am I speaking with?", Complete),
            ("What are your opening hours?", Complete),
            ("Where do I send it to?", Complete),
            ("opening hours", Complete),
            ("Balance.", Complete),
            ("agent", Complete),
            ("I want to talk to a real person.", Complete),
            ("I'd like to check my balance, please.", Complete),
            ("Goodbye.", Complete),
            ("I want to check my balance.", Likely),
            ("I want to check my balance", Open),
            ("Hi, good morning.", Open),
            ("Yeah.", Open),
            ("My account.", Open),
            ("My account number is 1 2 3 4.", Open),
            ("I think so", Open),
        ],
    );
}

#[test]
fn a_caller_who_asks_for_time_gets_it() {
    let number = SlotKind::Digits { min: 8, max: 8 };
    for awaited in [Awaited::Request, Awaited::YesNo, Awaited::Keys, slot(&number)] {
        check(
            awaited,
            &[
                ("Hold on.", HoldOn),
                ("One moment please.", HoldOn),
                ("Let me find it.", HoldOn),
                ("Hold on, let me find my card.", HoldOn),
                ("It's four five. Hold on.", HoldOn),
            ],
        );
    }
}

#[test]
fn a_number_is_whole_with_its_last_digit() {
    let number = SlotKind::Digits { min: 8, max: 8 };
    check(
        slot(&number),
        &[
            ("It's", Unfinished),
            ("1 2 3 4 5 6", Unfinished),
            ("one two three four five six", Unfinished),
            ("forty two, thirty one, fifty six", Unfinished),
            ("1234. 5678.", Complete),
            ("12345678", Complete),
            ("My account number is 1 2 3 4 5 6 7 8.", Complete),
            ("1 2 3 4, no, 5", Unfinished),
            ("one two three four five six seven nine, no, eight", Complete),
            ("123456789", Likely),
            ("agent", Complete),
            ("I don't have it.", Likely),
        ],
    );
    let rest = Awaited::Slot { kind: &number, digits_taken: 5 };
    check(rest, &[("six", Unfinished), ("6 7 8", Complete), ("1 2 3 4 5 6 7 8", Complete)]);
    let range = SlotKind::Digits { min: 4, max: 6 };
    check(slot(&range), &[("123", Unfinished), ("1234", Open), ("123456", Complete)]);
}

#[test]
fn numbers_of_other_kinds_have_their_own_lengths() {
    check(
        slot(&SlotKind::Phone),
        &[
            ("415 555 0", Unfinished),
            ("415 555 01 23", Complete),
            ("1 415 555 012", Unfinished),
            ("1 415 555 0123", Complete),
            ("020 7946 0958", Complete),
        ],
    );
    check(
        slot(&SlotKind::Zip),
        &[("9 4 1", Unfinished), ("94103", Likely), ("941031234", Complete)],
    );
    check(
        slot(&SlotKind::Card),
        &[
            ("4111 1111 1111", Unfinished),
            ("4111 1111 1111 111", Unfinished),
            ("4111 1111 1111 1111", Complete),
        ],
    );
}

#[test]
fn a_clear_answer_is_whole_and_one_that_goes_on_is_not() {
    check(
        Awaited::YesNo,
        &[
            ("Yes.", Complete),
            ("No, thank you.", Complete),
            ("Yes but", Unfinished),
            ("No, make it sixty dollars", Likely),
            ("Yes, it is.", Complete),
        ],
    );
}

#[test]
fn other_values_are_judged_by_their_kind() {
    let choice = |value: &str| Choice { value: value.to_owned(), also: Vec::new() };
    let account = SlotKind::OneOf(vec![choice("checking"), choice("savings")]);
    check(slot(&account), &[("savings", Complete), ("From my", Unfinished)]);
    check(
        slot(&SlotKind::Money),
        &[
            ("two hundred", Open),
            ("two hundred and", Unfinished),
            ("fifty dollars", Complete),
            ("fifty dollars and twenty", Likely),
        ],
    );
    check(
        slot(&SlotKind::Date),
        &[
            ("March", Unfinished),
            ("the third of", Unfinished),
            ("March third", Likely),
            ("March 19", Likely),
            ("March third, nineteen", Unfinished),
            ("March third, 1980", Complete),
            ("tomorrow", Complete),
        ],
    );
    check(slot(&SlotKind::Time), &[("three", Open), ("two thirty p m", Complete)]);
    check(
        slot(&SlotKind::Email),
        &[("john at", Unfinished), ("john at example", Unfinished), ("john@example.com", Complete)],
    );
    check(slot(&SlotKind::Name), &[("S M I", Open), ("Mary Jones", Likely), ("it's", Unfinished)]);
    check(slot(&SlotKind::Postcode), &[("S W one A", Unfinished), ("SW1A 1AA", Complete)]);
}

#[test]
fn any_text_is_judged() {
    let kinds = [SlotKind::Text, SlotKind::Phone, SlotKind::Money, SlotKind::Date, SlotKind::Email];
    let long = "one ".repeat(5_000);
    for text in ["?!", "é", "…", "-", "$", "'", long.as_str(), "no no no", "1,2,,3", "to"] {
        for kind in &kinds {
            completeness(text, slot(kind));
        }
        completeness(text, Awaited::Request);
        completeness(text, Awaited::YesNo);
    }
}
