//! What is not done by phone, and what is none of ours.

use super::*;

#[test]
fn what_is_not_done_by_phone_is_told_where_to_get_and_its_people_are_offered() {
    let name = generation().house.not_by_phone[0].name();
    let mut talk = Talk::new(&[]);
    talk.ask("I want a mortgage", name.as_str());
    let words = talk.last_words();
    assert!(words.contains("at a branch") && words.contains("our accounts team"), "{words}");
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("yes please");
    let handoff = talk.handoff();
    assert_eq!((handoff.reason, handoff.queue.as_str()), (HandoffReason::OutOfScope, "accounts"));
    assert!(handoff.summary.contains("a mortgage, which is not done"), "{}", handoff.summary);

    let mut talk = Talk::new(&[]);
    talk.ask("I want a mortgage", name.as_str());
    talk.ask("then tell me my balance please", "balance");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());

    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.ask("by the way I want a mortgage", name.as_str());
    let words = talk.last_words().to_lowercase();
    assert!(words.contains("at a branch") && words.contains("account number"), "{words}");

    let mut talk = Talk::new(&[]);
    talk.hear("my house", &[(name.as_str(), 0.5), ("balance", 0.1)], -0.5);
    assert!(talk.last_words().contains("a mortgage"), "{}", talk.last_words());
    talk.say("yes");
    assert!(talk.last_words().contains("at a branch"), "{}", talk.last_words());
}

#[test]
fn what_is_none_of_ours_is_met_with_what_we_do() {
    let mut talk = Talk::new(&[]);
    talk.hear("how tall is the eiffel tower", &[("balance", 0.3)], 1.0);
    assert!(talk.last_words().contains("your balance"), "{}", talk.last_words());
    // A profile that does nothing has only the words that name nothing.
    let mut changed = (*generation()).clone();
    changed.intents.iter_mut().for_each(|intent| intent.action = None);
    let plain = changed.patterns.says[&Pattern::FaqNoHelp].clone();
    changed.patterns.says.entry(Pattern::OutOfScope).or_default().extend(plain);
    let mut talk = Talk::on(Arc::new(changed), &[]);
    talk.hear("how tall is the eiffel tower", &[("balance", 0.3)], 1.0);
    assert!(!talk.last_words().is_empty() && !talk.last_words().contains("help with ."));
}
