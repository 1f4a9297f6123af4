//! Who is calling: what counts as proven, and for how long.

use super::*;

/// Gives the account number and a PIN that is wrong.
fn fail_to_verify(talk: &mut Talk) {
    talk.key("12345678");
    talk.key("1111");
    let (run, action, _) = talk.action();
    assert_eq!(action, "crm.verify_pin");
    talk.fail(run, FailureWords::Refused("wrong pin".into()));
}

fn acts_on_nothing(talk: &Talk) -> bool {
    !talk.acts.iter().any(|act| matches!(act, DialogAct::RunAction { .. }))
}

#[test]
fn a_failed_identity_check_is_locked_for_the_call() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    for _ in 0..3 {
        fail_to_verify(&mut talk);
    }
    assert!(talk.handoff().summary.contains("failed after 3 tries"), "{}", talk.handoff().summary);
    // As if the hand-off had brought the caller back to us.
    talk.conversation.stage = Stage::Open { anything_else: false };
    talk.conversation.tasks.clear();
    talk.ask("I lost my card, my account is 12345678", "lost_card");
    assert!(acts_on_nothing(&talk), "{:?}", talk.acts);
    let handoff = talk.handoff();
    assert_eq!(handoff.reason, HandoffReason::RepeatedFailure);
    assert_eq!(handoff.intent.as_ref().map(|i| i.name.as_str()), Some("lost_card"));
    assert!(handoff.summary.contains("locked for this call"), "{}", handoff.summary);
}

#[test]
fn a_check_that_failed_locks_the_other_checks_too() {
    let mut talk = Talk::new(&[]);
    let other = VerificationName::new("another");
    let failed = VerificationState {
        tries: 3,
        outcome: task::VerificationOutcome::Failed,
        ..VerificationState::default()
    };
    talk.conversation.verifications.insert(other, failed);
    talk.ask("what's my balance", "balance");
    assert!(acts_on_nothing(&talk), "{:?}", talk.acts);
    let check = talk.handoff().verification.clone().expect("it tells of the check");
    assert_eq!((check.method.as_str(), check.result.as_str()), ("another", "failed"));
}

#[test]
fn tries_are_counted_over_all_requests_of_a_call() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    fail_to_verify(&mut talk);
    fail_to_verify(&mut talk);
    talk.say("never mind");
    talk.ask("I lost my card", "lost_card");
    fail_to_verify(&mut talk);
    assert_eq!(talk.handoff().verification.as_ref().map(|v| v.tries), Some(3));
}

#[test]
fn a_pin_that_was_not_checked_is_forgotten() {
    for failure in [FailureWords::Unavailable, FailureWords::Timeout] {
        let mut talk = Talk::new(&[]);
        talk.ask("what's my balance", "balance");
        fail_to_verify(&mut talk);
        talk.key("12345678");
        talk.key("4321");
        let (run, _, _) = talk.action();
        talk.fail(run, failure.clone());
        let kept = talk.conversation.verifications.values().flat_map(|state| state.slots.values());
        let kept: Vec<&String> = kept.map(|value| value.value.expose()).collect();
        assert_eq!(kept, ["12345678"], "{failure:?}");
        talk.say("no thanks");
        talk.ask("what's my balance", "balance");
        assert!(acts_on_nothing(&talk), "{failure:?}: {:?}", talk.acts);
        assert!(talk.expects().secret, "the PIN is asked for again: {}", talk.last_words());
        talk.key("1111");
        let (run, _, _) = talk.action();
        talk.fail(run, FailureWords::Refused("wrong pin".into()));
        fail_to_verify(&mut talk);
        assert_eq!(talk.handoff().verification.as_ref().map(|v| v.tries), Some(3), "{failure:?}");
    }
}

#[test]
fn a_number_and_the_next_keyed_in_one_go_are_both() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my checking balance", "balance");
    talk.key("123456784321");
    let (_, action, inputs) = talk.action();
    assert_eq!(action, "crm.verify_pin");
    assert_eq!(inputs["account_number"], "12345678");
    assert_eq!(inputs["pin"], "4321");
    let mut talk = Talk::new(&[]);
    talk.ask("what's my checking balance", "balance");
    talk.key("12345678432");
    assert!(acts_on_nothing(&talk), "three keys are no PIN: {:?}", talk.acts);
}

#[test]
fn a_pin_that_is_too_long_is_one_failed_entry_and_no_try() {
    let mut talk = Talk::new(&[("account_number", "12345678")]);
    talk.ask("what's my checking balance", "balance");
    talk.key("43214321");
    assert!(acts_on_nothing(&talk), "{:?}", talk.acts);
    assert!(talk.expects().secret, "the PIN is asked for again: {}", talk.last_words());
    assert_eq!(talk.conversation.signals().failed_turns, 1);
    talk.key("1111");
    let (run, _, _) = talk.action();
    talk.fail(run, FailureWords::Refused("wrong pin".into()));
    let tries: Vec<u32> =
        talk.conversation.verifications.values().map(|state| state.tries).collect();
    assert_eq!(tries, [1]);
}
