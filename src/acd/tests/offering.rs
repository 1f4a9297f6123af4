//! An offer from the desk's screen to the end of the work after the call.

use super::*;

fn agent() -> AgentId {
    AgentId::new("agent")
}

fn call(number: u128) -> CallId {
    CallId::from_u128(number)
}

#[test]
fn a_call_from_its_offer_to_the_end_of_the_work() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    let (offer, until) = (OfferId(1), floor.now + 20 * SECOND);
    assert_eq!(
        floor.comes(1, "front"),
        [
            RouterOutput::Offer {
                offer,
                agent: agent(),
                call: call(1),
                queue: QueueName::new("front"),
                kind: WaiterKind::Call,
                until,
            },
            RouterOutput::AgentChanged {
                agent: agent(),
                state: AgentState::Offered { offer, call: call(1), until },
            },
        ]
    );
    assert_eq!(floor.router.poll_timeout(), Some(until));
    let taken = RouterInput::OfferTaken { offer, agent: agent() };
    assert_eq!(floor.refused(taken.clone()), RouterRefusal::NotShown);
    assert_eq!(floor.give(RouterInput::OfferShown { offer, agent: agent() }), []);
    floor.wait(3 * SECOND);
    let since = floor.now;
    assert_eq!(
        floor.give(taken.clone()),
        [
            RouterOutput::Join { offer, agent: agent(), call: call(1), kind: WaiterKind::Call },
            RouterOutput::AgentChanged {
                agent: agent(),
                state: AgentState::Talking { call: call(1), since },
            },
        ]
    );
    assert_eq!(floor.refused(taken), RouterRefusal::OfferOver);
    assert_eq!(floor.router.agent_of(call(1)), Some(&agent()));
    assert_eq!(floor.give(RouterInput::Joined { call: call(1) }), []);
    let again = floor.refused(RouterInput::Joined { call: call(1) });
    assert_eq!(again, RouterRefusal::WrongState);
    assert_eq!(floor.router.poll_timeout(), None);
    floor.wait(5 * MINUTE);
    let until = floor.now + MINUTE;
    let ended = floor.give(RouterInput::CallEnded { call: call(1) });
    assert_eq!(changes(&ended), [("agent", &AgentState::WrapUp { call: call(1), until })]);
    let unknown = floor.refused(RouterInput::CallEnded { call: call(1) });
    assert_eq!(unknown, RouterRefusal::NoCall);
    let done = floor.wait(MINUTE);
    assert_eq!(changes(&done), [("agent", &AgentState::Ready { since: floor.now })]);
    let late = floor.refused(RouterInput::WrapUpDone { agent: agent() });
    assert_eq!(late, RouterRefusal::WrongState);
}

#[test]
fn who_does_not_react_is_away_and_the_caller_is_first_for_the_next() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    let valued = Waiter { priority: 1, ..floor.caller(2, "front") };
    floor.give(RouterInput::Enqueue(valued));
    let outputs = floor.wait(20 * SECOND);
    assert_eq!(backs(&outputs), [(1, BackInQueue::NotTaken)]);
    let reason = AWAY_NO_ANSWER.to_owned();
    let away = AgentState::Away { reason, since: floor.now };
    assert_eq!(changes(&outputs), [("agent", &away)]);
    assert!(outputs.contains(&RouterOutput::OfferEnded {
        offer: OfferId(1),
        agent: agent(),
        call: call(1),
        why: OfferEnd::Expired,
    }));
    assert_eq!(offers(&floor.agent("next", &[])), [("next", 1)]);
    // Who comes back is not kept from a call that they never declined.
    assert_eq!(offers(&floor.says("agent", Presence::Ready)), [("agent", 2)]);
}

#[test]
fn an_offer_whose_time_is_over_is_over_before_anybody_says_so() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    let (offer, _) = floor.offer_of("agent");
    floor.give(RouterInput::OfferShown { offer, agent: agent() });
    floor.now += 20 * SECOND;
    for late in [
        RouterInput::OfferTaken { offer, agent: agent() },
        RouterInput::OfferShown { offer, agent: agent() },
        RouterInput::OfferDeclined { offer, agent: agent() },
    ] {
        assert_eq!(floor.refused(late), RouterRefusal::OfferOver);
    }
    assert_eq!(floor.router.poll_timeout(), Some(floor.now));
}

#[test]
fn offers_of_others_and_of_nobody_are_over() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.agent("other", &[]);
    floor.comes(1, "front");
    let (offer, _) = floor.offer_of("agent");
    let of_other = RouterInput::OfferShown { offer, agent: AgentId::new("other") };
    assert_eq!(floor.refused(of_other), RouterRefusal::OfferOver);
    let unknown = RouterInput::OfferTaken { offer: OfferId(99), agent: agent() };
    assert_eq!(floor.refused(unknown), RouterRefusal::OfferOver);
    let stranger = RouterInput::OfferTaken { offer, agent: AgentId::new("stranger") };
    assert_eq!(floor.refused(stranger), RouterRefusal::NoAgent);
}

#[test]
fn a_declined_call_is_kept_from_who_declined_it_for_a_while() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.wait(SECOND);
    let outputs = floor.declines("agent");
    assert_eq!(backs(&outputs), [(1, BackInQueue::NotTaken)]);
    assert_eq!(offers(&outputs), []);
    // Anybody else's call may come meanwhile.
    floor.comes(2, "front");
    assert_eq!(floor.talks("agent"), 2);
    floor.is_done("agent");
    // Nobody else takes calls, so they are asked again in the end.
    let before = DECLINED_FOR - SECOND;
    assert_eq!(offers(&floor.wait(before)), []);
    assert_eq!(offers(&floor.wait(SECOND)), [("agent", 1)]);
}

#[test]
fn who_declined_comes_after_all_who_did_not() {
    let skill = Skill::new("cards");
    let relax = vec![RelaxStep { after: 45 * SECOND, skill, to: Relaxed::Dropped }];
    let mut floor = Floor::new([QueueRules { relax, ..skilled("cards", "cards", 1) }]);
    floor.agent("agent", &[("cards", 5)]);
    floor.wait(SECOND);
    floor.agent("other", &[]);
    floor.comes(1, "cards");
    floor.wait(15 * SECOND);
    floor.declines("agent");
    // Both may take it at the same instant; by idle time alone it would be the other way round.
    assert_eq!(offers(&floor.wait(30 * SECOND)), [("other", 1)]);
}

#[test]
fn a_declined_caller_stays_where_they_were_in_line() {
    let mut floor = Floor::new([skilled("cards", "cards", 1), queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.wait(SECOND);
    let valued = Waiter { priority: 1, ..floor.caller(2, "cards") };
    floor.give(RouterInput::Enqueue(valued));
    floor.declines("agent");
    assert_eq!(offers(&floor.agent("next", &[("cards", 1)])), [("next", 2)]);
}

#[test]
fn a_caller_who_leaves_takes_the_offer_along_and_the_agent_keeps_their_turn() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    let idle_since = floor.now;
    floor.wait(SECOND);
    floor.agent("other", &[]);
    floor.comes(1, "front");
    floor.wait(SECOND);
    let outputs = floor.leaves(1, LeftQueue::HungUp);
    assert!(outputs.contains(&RouterOutput::OfferEnded {
        offer: OfferId(1),
        agent: agent(),
        call: call(1),
        why: OfferEnd::CallerLeft,
    }));
    assert_eq!(changes(&outputs), [("agent", &AgentState::Ready { since: idle_since })]);
    assert_eq!(offers(&floor.comes(2, "front")), [("agent", 2)]);
}

#[test]
fn a_desk_that_dies_leaves_the_caller_at_the_head_of_the_queue() {
    for (stage, why) in [
        ("offered", BackInQueue::NotTaken),
        ("joining", BackInQueue::NotJoined),
        ("talking", BackInQueue::AgentLost),
    ] {
        let mut floor = Floor::new([queue("front")]);
        floor.agent("agent", &[]);
        floor.comes(1, "front");
        let since = floor.now;
        floor.wait(SECOND);
        let valued = Waiter { priority: 1, ..floor.caller(2, "front") };
        floor.give(RouterInput::Enqueue(valued));
        match stage {
            "joining" => {
                floor.takes("agent");
            }
            "talking" => {
                floor.talks("agent");
            }
            _ => {}
        }
        let outputs = floor.lose("agent");
        assert_eq!(backs(&outputs), [(1, why)], "{stage}");
        assert_eq!(changes(&outputs), [("agent", &AgentState::Offline)], "{stage}");
        assert_eq!(floor.router.waiter(call(1)).map(|waiter| waiter.since), Some(since));
        assert_eq!(floor.place(1).map(|place| place.position), Some(1), "{stage}");
        assert_eq!(offers(&floor.agent("next", &[])), [("next", 1)], "{stage}");
        let gone = RouterInput::AgentLost { agent: agent() };
        assert_eq!(floor.refused(gone), RouterRefusal::NoAgent);
    }
}

#[test]
fn who_could_not_be_joined_is_first_in_line_and_the_agent_away() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.takes("agent");
    floor.agent("other", &[]);
    let outputs = floor.give(RouterInput::JoinFailed { call: call(1) });
    assert_eq!(backs(&outputs), [(1, BackInQueue::NotJoined)]);
    assert_eq!(offers(&outputs), [("other", 1)]);
    let AgentState::Away { reason, .. } = floor.state_of("agent") else { panic!("not away") };
    assert_eq!(reason, AWAY_NOT_JOINED);
    let late = floor.refused(RouterInput::Joined { call: call(1) });
    assert_eq!(late, RouterRefusal::WrongState);
}

#[test]
fn a_callback_that_fails_leaves_its_agent_ready() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    let callback = Waiter { kind: WaiterKind::Callback, ..floor.caller(1, "front") };
    floor.give(RouterInput::Enqueue(callback));
    let outputs = floor.takes("agent");
    let join = RouterOutput::Join {
        offer: OfferId(1),
        agent: agent(),
        call: call(1),
        kind: WaiterKind::Callback,
    };
    assert!(outputs.contains(&join));
    floor.give(RouterInput::JoinFailed { call: call(1) });
    assert!(matches!(floor.state_of("agent"), AgentState::Ready { .. }));
    assert_eq!(offers(&floor.wait(DECLINED_FOR)), [("agent", 1)]);
    // Nobody answered: it is over for now, and there is nothing to wrap up.
    floor.takes("agent");
    floor.give(RouterInput::CallEnded { call: call(1) });
    assert!(matches!(floor.state_of("agent"), AgentState::Ready { .. }));
}

#[test]
fn a_join_that_is_never_answered_is_given_up() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.takes("agent");
    assert_eq!(floor.wait(JOIN_WITHIN - SECOND), []);
    assert_eq!(backs(&floor.wait(SECOND)), [(1, BackInQueue::NotJoined)]);
}

#[test]
fn what_is_said_during_an_offer_or_a_call_holds_after_it() {
    let lunch = || Presence::Away("lunch".to_owned());
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    assert_eq!(floor.says("agent", lunch()), []);
    assert_eq!(floor.offer_of("agent").1, 1);
    floor.talks("agent");
    // Taken back, and said again.
    assert_eq!(floor.says("agent", Presence::Ready), []);
    assert_eq!(floor.says("agent", lunch()), []);
    floor.give(RouterInput::CallEnded { call: call(1) });
    assert!(matches!(floor.state_of("agent"), AgentState::WrapUp { .. }));
    let done = floor.wait(MINUTE);
    let away = AgentState::Away { reason: "lunch".to_owned(), since: floor.now };
    assert_eq!(changes(&done), [("agent", &away)]);
    // It held once.
    floor.says("agent", Presence::Ready);
    floor.comes(2, "front");
    floor.talks("agent");
    floor.is_done("agent");
    assert!(matches!(floor.state_of("agent"), AgentState::Ready { .. }));
    // Declining leads to it as well.
    floor.comes(3, "front");
    floor.says("agent", Presence::Offline);
    floor.declines("agent");
    assert_eq!(floor.state_of("agent"), AgentState::Offline);
}

#[test]
fn a_wrap_up_ends_when_the_agent_is_ready_or_goes_home() {
    let in_wrap_up = || {
        let mut floor = Floor::new([queue("front")]);
        floor.agent("agent", &[]);
        floor.comes(1, "front");
        floor.talks("agent");
        floor.give(RouterInput::CallEnded { call: call(1) });
        floor
    };
    let mut floor = in_wrap_up();
    floor.says("agent", Presence::Ready);
    assert!(matches!(floor.state_of("agent"), AgentState::Ready { .. }));
    let mut floor = in_wrap_up();
    floor.says("agent", Presence::Offline);
    assert_eq!(floor.state_of("agent"), AgentState::Offline);
    let mut floor = in_wrap_up();
    assert_eq!(floor.says("agent", Presence::Away("break".to_owned())), []);
    floor.give(RouterInput::WrapUpDone { agent: agent() });
    assert!(matches!(floor.state_of("agent"), AgentState::Away { .. }));
}

#[test]
fn no_wrap_up_is_no_time_in_it() {
    let mut floor = Floor::new([QueueRules { wrap_up: Duration::ZERO, ..queue("front") }]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.talks("agent");
    let ended = floor.give(RouterInput::CallEnded { call: call(1) });
    assert_eq!(changes(&ended), [("agent", &AgentState::Ready { since: floor.now })]);
}

#[test]
fn signing_in_again_does_not_end_a_call() {
    let mut floor = Floor::new([skilled("cards", "cards", 1)]);
    floor.sign_in("agent", &[("cards", 1)], &[]);
    let AgentState::Away { reason, .. } = floor.state_of("agent") else { panic!("not away") };
    assert_eq!(reason, AWAY_SIGNED_IN);
    floor.says("agent", Presence::Ready);
    floor.comes(1, "cards");
    floor.sign_in("agent", &[("cards", 2)], &[]);
    assert_eq!(floor.talks("agent"), 1);
    floor.sign_in("agent", &[], &[]);
    assert!(matches!(floor.state_of("agent"), AgentState::Talking { .. }));
    floor.is_done("agent");
    // What they can do is what they signed in with last.
    assert_eq!(offers(&floor.comes(2, "cards")), []);
    floor.sign_in("agent", &[("cards", 1)], &[]);
    assert!(matches!(floor.state_of("agent"), AgentState::Away { .. }));
}

#[test]
fn who_signs_in_again_does_not_go_home_after_the_call() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.talks("agent");
    floor.says("agent", Presence::Offline);
    floor.sign_in("agent", &[], &[]);
    floor.is_done("agent");
    let AgentState::Away { reason, .. } = floor.state_of("agent") else { panic!("not away") };
    assert_eq!(reason, AWAY_SIGNED_IN);
}

#[test]
fn who_is_not_signed_in_can_say_nothing() {
    let mut floor = Floor::new([queue("front")]);
    let ready = RouterInput::Presence { agent: agent(), presence: Presence::Ready };
    assert_eq!(floor.refused(ready.clone()), RouterRefusal::NoAgent);
    floor.agent("agent", &[]);
    floor.says("agent", Presence::Offline);
    assert_eq!(floor.refused(ready), RouterRefusal::NoAgent);
    let done = RouterInput::WrapUpDone { agent: agent() };
    assert_eq!(floor.refused(done), RouterRefusal::NoAgent);
}

#[test]
fn what_somebody_is_good_at_counts_from_the_next_call_on() {
    let mut floor = Floor::new([QueueRules { needs: vec![need("cards", 3)], ..queue("front") }]);
    floor.agent("agent", &[("cards", 2)]);
    assert_eq!(floor.comes(1, "front"), []);
    let profile = |level: u8| AgentProfile {
        agent: agent(),
        skills: [(Skill::new("cards"), Level::new(level).expect("1 to 5"))].into(),
        languages: [].into(),
    };
    let changed = floor.give(RouterInput::ProfileChanged(profile(3)));
    assert!(matches!(changed[0], RouterOutput::Offer { .. }), "{changed:?}");
    // What they are offered, they keep.
    assert_eq!(floor.give(RouterInput::ProfileChanged(profile(1))), []);
    floor.takes("agent");
    let nobody = AgentProfile { agent: AgentId::new("nobody"), ..profile(1) };
    assert_eq!(floor.refused(RouterInput::ProfileChanged(nobody)), RouterRefusal::NoAgent);
}
