//! Callers who are out of patience, abusive, or want to know who we are.

use super::*;

#[test]
fn a_complaint_is_met_with_an_apology_and_the_question_again() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("this is ridiculous");
    let words = talk.last_words().to_lowercase();
    assert!(words.contains("sorry") && words.contains("account number"), "{words}");
    let signals = talk.conversation.signals();
    assert_eq!((signals.frustrations, signals.failed_turns), (1, 0));
    let mut talk = Talk::new(&[]);
    talk.say("for god's sake");
    assert!(talk.last_words().ends_with('?'), "{}", talk.last_words());
    assert!(!talk.last_words().contains("calling"), "no second greeting: {}", talk.last_words());
}

/// A caller who has complained twice when asked for the account number.
fn complained_twice() -> Talk {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("this is ridiculous");
    talk.say("you're not listening");
    assert_eq!(talk.expects().expected, Expected::YesNo, "{}", talk.last_words());
    talk
}

#[test]
fn the_second_complaint_brings_the_offer_of_a_person() {
    let mut talk = complained_twice();
    talk.say("yes please");
    let handoff = talk.handoff();
    assert_eq!(handoff.reason, HandoffReason::RepeatedFailure);
    assert_eq!(handoff.intent.as_ref().map(|i| i.name.as_str()), Some("balance"));
    assert_eq!(handoff.signals.frustrations, 2);
    assert!(handoff.summary.contains("out of patience"), "{}", handoff.summary);

    let mut talk = complained_twice();
    talk.say("oh for god's sake");
    assert_eq!(talk.handoff().reason, HandoffReason::RepeatedFailure);
}

#[test]
fn who_wants_no_person_goes_on_where_they_were() {
    let mut talk = complained_twice();
    talk.say("no");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());
    talk.verify();
    assert_eq!(talk.action().1, "crm.balance");

    let mut talk = complained_twice();
    talk.say("one two three four five six seven eight");
    assert!(talk.last_words().contains("1 2, 3 4, 5 6, 7 8"), "{}", talk.last_words());
}

#[test]
fn what_is_asked_for_in_the_same_breath_is_served() {
    for words in ["this is ridiculous, I lost my card", "I lost my card, you stupid idiot"] {
        let mut talk = Talk::new(&[]);
        talk.ask(words, "lost_card");
        let said = talk.last_words().to_lowercase();
        assert!(said.contains("account number"), "{words}: {said}");
        let (_, _, heard) = talk.conversation.intent().expect("an intent");
        assert_eq!(heard.expose(), "I lost my card");
    }
    let mut talk = complained_twice();
    talk.say("no");
    talk.say("I already told you, one two three four five six seven eight");
    assert!(talk.last_words().contains("1 2, 3 4, 5 6, 7 8"), "{}", talk.last_words());
    let mut talk = Talk::new(&[]);
    talk.say("useless machine, get me a person");
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
}

#[test]
fn abuse_is_warned_of_once_and_then_a_person_takes_over() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("you idiot");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());
    talk.say("you piece of shit");
    let handoff = talk.handoff();
    assert_eq!((handoff.reason, handoff.signals.abuses), (HandoffReason::RepeatedFailure, 2));
    assert!(handoff.summary.contains("abusive"), "{}", handoff.summary);

    let mut talk = Talk::new(&[]);
    talk.say("you idiot");
    talk.ask("I lost my card you idiot", "lost_card");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());
}

#[test]
fn a_profile_may_end_abusive_calls() {
    let mut changed = (*generation()).clone();
    let goodbye = changed.patterns.says[&Pattern::Sorry].clone();
    changed.patterns.says.insert(Pattern::AbuseGoodbye, goodbye);
    let mut talk = Talk::on(Arc::new(changed), &[]);
    talk.say("you idiot");
    assert!(!talk.conversation.is_over());
    talk.say("you idiot");
    assert!(talk.conversation.is_over() && !talk.last_words().is_empty());
}

#[test]
fn a_person_asked_for_with_an_insult_comes_after_the_action() {
    let mut talk = Talk::new(&[]);
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    talk.say("yes");
    let (run, _, _) = talk.action();
    talk.say("get me a person you useless machine");
    talk.done(run, &[("card_last4", "4417")]);
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
    assert_eq!(talk.handoff().signals.frustrations, 1);
}

#[test]
fn who_we_are_is_told_and_the_question_asked_again() {
    let mut talk = Talk::new(&[]);
    talk.say("am I talking to a robot?");
    let words = talk.last_words();
    assert!(words.contains("automated assistant") && words.ends_with('?'), "{words}");
    talk.ask("what's my balance", "balance");
    talk.say("sorry, who is this?");
    let words = talk.last_words();
    assert!(words.contains("automated assistant") && words.contains("account number"), "{words}");
    assert_eq!(talk.conversation.signals().failed_turns, 0);

    let mut talk = Talk::new(&[]);
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    talk.say("are you a real person");
    assert_eq!(talk.expects().expected, Expected::YesNo, "{}", talk.last_words());
    talk.say("yes");
    assert_eq!(talk.action().1, "crm.block_card");

    let mut talk = Talk::new(&[]);
    talk.hear("my card thing", &[("lost_card", 0.42), ("balance", 0.1)], -0.5);
    let question = talk.last_words();
    talk.say("are you a robot");
    assert!(talk.last_words().ends_with(&question), "{}", talk.last_words());
    talk.say("yes");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());
}

#[test]
fn without_words_for_it_an_intent_tells_who_we_are() {
    let mut changed = (*generation()).clone();
    changed.patterns.says.remove(&Pattern::WhoIsThis);
    let mut talk = Talk::on(Arc::new(changed), &[]);
    talk.ask("who is this", "greeting");
    assert!(talk.last_words().contains("need"), "{}", talk.last_words());
}
