//! What callers are told about their place, and what a supervisor sees.

use super::*;

#[test]
fn places_count_within_a_queue_whatever_is_offered() {
    let mut floor = Floor::new([queue("front"), queue("cards")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.comes(2, "cards");
    floor.comes(3, "front");
    let place = floor.place(1).expect("in line");
    assert_eq!((place.position, place.agents), (1, 1));
    let within = WaitRange { from: Duration::ZERO, to: 20 * SECOND };
    assert_eq!(place.wait, Some(within));
    assert_eq!(floor.place(2).map(|place| place.position), Some(1));
    assert_eq!(floor.place(3).map(|place| place.position), Some(2));
    assert_eq!(floor.place(4), None);
    floor.takes("agent");
    assert_eq!(floor.place(1), None);
    assert_eq!(floor.place(3).map(|place| place.position), Some(1));
}

#[test]
fn all_places_at_once_are_the_places_one_by_one() {
    let mut floor = Floor::new([queue("front"), skilled("cards", "cards", 2)]);
    floor.agent("agent", &[("cards", 2)]);
    floor.agent("other", &[]);
    for call in 1..=12 {
        floor.comes(call, if call % 3 == 0 { "cards" } else { "front" });
        floor.wait(SECOND);
    }
    floor.talks("agent");
    let places = floor.router.places(floor.now);
    assert_eq!(places.len(), 11);
    // Rounds are played with the same draws, but those of whoever stands behind come in between: what
    // is told of the wait may differ a little, the place may not.
    for (call, place) in places {
        let alone = floor.router.place(floor.now, call).expect("in line");
        assert_eq!((alone.position, alone.agents), (place.position, place.agents));
        assert_eq!(alone.wait.is_some(), place.wait.is_some());
    }
}

#[test]
fn nobody_says_how_long_it_takes_when_nobody_takes_calls() {
    let mut floor = Floor::new([skilled("cards", "cards", 1)]);
    floor.comes(1, "cards");
    let place = floor.place(1).expect("in line");
    assert_eq!((place.agents, place.wait), (0, None));
    floor.agent("other", &[("billing", 5)]);
    floor.sign_in("away", &[("cards", 5)], &[]);
    let place = floor.place(1).expect("in line");
    assert_eq!((place.agents, place.wait), (0, None));
    assert_eq!(floor.router.place_of_next(floor.now, &QueueName::new("none")), None);
}

#[test]
fn an_agent_who_will_not_come_back_is_not_counted_on() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.talks("agent");
    floor.comes(2, "front");
    assert!(floor.place(2).expect("in line").wait.is_some());
    floor.says("agent", Presence::Away("lunch".to_owned()));
    assert_eq!(floor.place(2).expect("in line").wait, None);
}

#[test]
fn a_range_is_learnt_from_the_latest_calls() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("agent", &[]);
    for call in 0..300 {
        floor.comes(call, "front");
        floor.wait(5 * SECOND);
        floor.talks("agent");
        floor.wait(95 * SECOND);
        floor.give(RouterInput::CallEnded { call: CallId::from_u128(call) });
        floor.wait(20 * SECOND);
        floor.give(RouterInput::WrapUpDone { agent: AgentId::new("agent") });
    }
    floor.comes(1_000, "front");
    floor.wait(5 * SECOND);
    floor.talks("agent");
    floor.wait(35 * SECOND);
    floor.comes(1_001, "front");
    // 60 s of the call and 20 s of work are left, and 5 s to accept.
    let exactly = |s: u32| Some(WaitRange { from: s * SECOND, to: s * SECOND });
    let front = QueueName::new("front");
    assert_eq!(floor.place(1_001).expect("in line").wait, exactly(85));
    let next = floor.router.place_of_next(floor.now, &front).expect("there is such a queue");
    assert_eq!((next.position, next.agents, next.wait), (2, 1, exactly(205)));
    // While the call is wrapped up, at most that is left.
    floor.wait(60 * SECOND);
    floor.give(RouterInput::CallEnded { call: CallId::from_u128(1_000) });
    let wait = floor.place(1_001).expect("in line").wait.expect("there is an agent");
    assert!(wait.from >= 5 * SECOND && wait.to <= 65 * SECOND, "{wait:?}");
}

#[test]
fn whoever_comes_next_stands_behind_who_is_more_urgent_or_waits_longer() {
    let mut floor = Floor::new([queue("front"), QueueRules { priority: 2, ..queue("urgent") }]);
    floor.comes(1, "front");
    floor.comes(2, "urgent");
    let position = |floor: &Floor, name: &str| {
        let next = floor.router.place_of_next(floor.now, &QueueName::new(name));
        next.map(|place| place.position)
    };
    assert_eq!(position(&floor, "front"), Some(2));
    assert_eq!(position(&floor, "urgent"), Some(2));
    let valued = Waiter { priority: 1, ..floor.caller(3, "front") };
    floor.give(RouterInput::Enqueue(valued));
    assert_eq!(position(&floor, "front"), Some(3));
}

#[test]
fn a_supervisor_sees_queues_and_agents_as_they_are() {
    let mut floor = Floor::new([queue("front"), skilled("cards", "cards", 1)]);
    floor.agent("anna", &[("cards", 3)]);
    floor.agent("ben", &[]);
    floor.sign_in("cleo", &[], &[]);
    let came = floor.now;
    floor.comes(1, "front");
    floor.talks("anna");
    floor.wait(SECOND);
    floor.comes(2, "front");
    floor.comes(3, "cards");
    floor.says("anna", Presence::Away("lunch".to_owned()));
    let queues = floor.router.queues(floor.now);
    let seen: Vec<_> = queues
        .iter()
        .map(|view| (view.name.as_str(), view.agents_ready, view.agents_busy))
        .collect();
    assert_eq!(seen, [("cards", 0, 1), ("front", 0, 2)]);
    let ben = AgentId::new("ben");
    let waiting = [WaiterView {
        call: CallId::from_u128(2),
        kind: WaiterKind::Call,
        since: floor.now,
        offered_to: Some(&ben),
        only: None,
    }];
    assert_eq!(queues[1].waiting, waiting);
    assert_eq!(queues[0].waiting.len(), 1);
    let agents: Vec<_> = floor.router.agents().collect();
    assert_eq!(agents.len(), 3);
    assert_eq!((agents[0].calls, agents[0].since), (1, came));
    assert_eq!(agents[0].next, Some(&Presence::Away("lunch".to_owned())));
    assert!(matches!(agents[1].state, AgentState::Offered { .. }));
    assert!(matches!(agents[2].state, AgentState::Away { .. }));
}

#[test]
fn an_empty_router_waits_for_nothing() {
    let mut floor = Floor::new([]);
    assert_eq!(floor.router.poll_timeout(), None);
    assert_eq!(floor.give(RouterInput::Timeout), []);
    assert_eq!(floor.router.queues(floor.now).len(), 0);
}
