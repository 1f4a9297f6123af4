//! How a wait ends without an agent, or goes on somewhere else; what is counted.

use super::*;

fn call(number: u128) -> CallId {
    CallId::from_u128(number)
}

fn ends_at(minutes: u32) -> QueueRules {
    QueueRules { wait_max: Some(minutes * MINUTE), ..queue("front") }
}

fn leads_on(name: &str, minutes: u32, to: &str) -> QueueRules {
    QueueRules { overflow: Some((minutes * MINUTE, QueueName::new(to))), ..queue(name) }
}

/// Who is moved, and where to.
fn moves(outputs: &[RouterOutput]) -> Vec<(u128, &str)> {
    let moves = outputs.iter().filter_map(|output| match output {
        RouterOutput::Moved { call, to, .. } => Some((call.to_u128(), to.as_str())),
        _ => None,
    });
    moves.collect()
}

#[test]
fn nobody_is_let_in_twice_or_nowhere_or_into_a_full_queue() {
    let mut floor = Floor::new([QueueRules { len_max: 2, ..queue("front") }]);
    let other_queue = RouterInput::Enqueue(floor.caller(1, "other"));
    assert_eq!(floor.refused(other_queue), RouterRefusal::NoQueue);
    floor.comes(1, "front");
    let again = RouterInput::Enqueue(floor.caller(1, "front"));
    assert_eq!(floor.refused(again), RouterRefusal::Already);
    floor.comes(2, "front");
    let third = RouterInput::Enqueue(floor.caller(3, "front"));
    assert_eq!(floor.refused(third.clone()), RouterRefusal::QueueFull);
    assert_eq!(floor.router.has_room(&QueueName::new("front"), 0), Err(RouterRefusal::QueueFull));
    // An offer does not make room; a call that is taken does.
    floor.agent("agent", &[]);
    assert_eq!(floor.refused(third.clone()), RouterRefusal::QueueFull);
    floor.takes("agent");
    let taken = RouterInput::Enqueue(floor.caller(1, "front"));
    assert_eq!(floor.refused(taken), RouterRefusal::Already);
    assert_eq!(floor.router.has_room(&QueueName::new("front"), 0), Ok(()));
    // Whoever is on the way there takes room, too.
    let full = Err(RouterRefusal::QueueFull);
    assert_eq!(floor.router.has_room(&QueueName::new("front"), 1), full);
    floor.give(third);
    let only = Some(AgentId::new("stranger"));
    let mut floor = Floor::new([queue("front")]);
    let sent = Waiter { only, ..floor.caller(4, "front") };
    assert_eq!(floor.refused(RouterInput::Enqueue(sent)), RouterRefusal::NoAgent);
}

#[test]
fn a_wait_has_an_end() {
    let mut floor = Floor::new([ends_at(20)]);
    floor.comes(1, "front");
    assert_eq!(floor.wait(20 * MINUTE - SECOND), []);
    assert_eq!(overs(&floor.wait(SECOND)), [(1, WaitEnd::TooLong)]);
    assert_eq!(floor.counts("front").too_long, 1);
    let gone = RouterInput::Leave { call: call(1), why: LeftQueue::HungUp };
    assert_eq!(floor.refused(gone), RouterRefusal::NoCall);
}

#[test]
fn a_wait_does_not_end_during_an_offer() {
    let mut floor = Floor::new([ends_at(20)]);
    floor.comes(1, "front");
    floor.wait(20 * MINUTE - SECOND);
    floor.agent("agent", &[]);
    assert_eq!(overs(&floor.wait(10 * SECOND)), []);
    assert_eq!(floor.talks("agent"), 1);
}

#[test]
fn an_offer_that_came_to_nothing_after_the_longest_wait_ends_it() {
    let mut floor = Floor::new([ends_at(20)]);
    floor.comes(1, "front");
    floor.wait(20 * MINUTE - SECOND);
    floor.agent("agent", &[]);
    let outputs = floor.wait(20 * SECOND);
    assert_eq!(backs(&outputs), [(1, BackInQueue::NotTaken)]);
    assert_eq!(overs(&outputs), [(1, WaitEnd::TooLong)]);
}

#[test]
fn a_wait_begins_anew_after_a_lost_agent_and_never_ends_for_a_callback() {
    let mut floor = Floor::new([ends_at(20)]);
    floor.agent("agent", &[]);
    floor.comes(1, "front");
    floor.talks("agent");
    floor.wait(30 * MINUTE);
    floor.lose("agent");
    assert_eq!(overs(&floor.wait(20 * MINUTE - SECOND)), []);
    assert_eq!(overs(&floor.wait(SECOND)), [(1, WaitEnd::TooLong)]);
    let callback = Waiter { kind: WaiterKind::Callback, ..floor.caller(2, "front") };
    floor.give(RouterInput::Enqueue(callback));
    assert_eq!(overs(&floor.wait(60 * MINUTE)), []);
    assert_eq!(offers(&floor.agent("agent", &[])), [("agent", 2)]);
}

#[test]
fn callers_go_on_waiting_elsewhere_with_their_place() {
    let mut floor = Floor::new([leads_on("cards", 5, "front"), queue("front")]);
    floor.comes(1, "cards");
    floor.wait(MINUTE);
    floor.comes(2, "front");
    assert_eq!(moves(&floor.wait(4 * MINUTE - SECOND)), []);
    let outputs = floor.wait(SECOND);
    assert_eq!(
        outputs,
        [RouterOutput::Moved {
            call: call(1),
            from: QueueName::new("cards"),
            to: QueueName::new("front"),
        }]
    );
    assert_eq!(floor.place(1).map(|place| place.position), Some(1));
    assert_eq!(floor.place(2).map(|place| place.position), Some(2));
    assert_eq!(offers(&floor.agent("agent", &[])), [("agent", 1)]);
}

#[test]
fn a_move_makes_agents_able_who_were_not() {
    let cards = QueueRules { needs: vec![need("cards", 1)], ..leads_on("cards", 5, "front") };
    let mut floor = Floor::new([cards, queue("front")]);
    floor.agent("agent", &[]);
    floor.comes(1, "cards");
    let outputs = floor.wait(5 * MINUTE);
    assert_eq!((moves(&outputs), offers(&outputs)), (vec![(1, "front")], vec![("agent", 1)]));
}

#[test]
fn nobody_is_sent_round_in_circles() {
    let queues = [leads_on("a", 0, "b"), leads_on("b", 0, "c"), leads_on("c", 0, "a")];
    let mut floor = Floor::new(queues);
    floor.comes(1, "a");
    assert_eq!(moves(&floor.wait(Duration::ZERO)), [(1, "b"), (1, "c")]);
    assert_eq!(floor.router.poll_timeout(), None);
    let mut floor = Floor::new([leads_on("a", 1, "a"), leads_on("b", 1, "nowhere")]);
    floor.comes(1, "a");
    floor.comes(2, "b");
    assert_eq!(floor.wait(10 * MINUTE), []);
}

#[test]
fn whoever_finds_the_other_queue_full_is_moved_once_there_is_room() {
    let front = QueueRules { len_max: 1, ..queue("front") };
    let mut floor = Floor::new([leads_on("cards", 5, "front"), front]);
    floor.comes(1, "front");
    floor.comes(2, "cards");
    assert_eq!(moves(&floor.wait(6 * MINUTE)), []);
    floor.leaves(1, LeftQueue::HungUp);
    assert_eq!(moves(&floor.wait(MOVE_AGAIN)), [(2, "front")]);
}

#[test]
fn queues_can_change_while_people_wait() {
    let mut floor = Floor::new([queue("front"), queue("cards")]);
    floor.agent("agent", &[]);
    floor.comes(1, "cards");
    floor.talks("agent");
    floor.agent("other", &[]);
    floor.comes(2, "cards");
    floor.comes(3, "cards");
    floor.comes(4, "front");
    let idle_again = floor.now;
    let outputs = floor.set_queues([skilled("front", "english", 1)]);
    assert_eq!(overs(&outputs), [(2, WaitEnd::NoQueue), (3, WaitEnd::NoQueue)]);
    // The offer went away with its queue; whoever waits goes by the new rules.
    assert_eq!(changes(&outputs), [("other", &AgentState::Ready { since: idle_again })]);
    assert_eq!(offers(&floor.set_queues([queue("front")])), [("other", 4)]);
    // The call that is under way goes on; without its queue there is no wrap-up.
    floor.give(RouterInput::CallEnded { call: call(1) });
    assert!(matches!(floor.state_of("agent"), AgentState::Ready { .. }));
}

#[test]
fn who_loses_an_agent_and_has_no_queue_is_told() {
    let mut floor = Floor::new([queue("cards")]);
    floor.agent("agent", &[]);
    floor.comes(1, "cards");
    floor.talks("agent");
    floor.set_queues([queue("front")]);
    let outputs = floor.lose("agent");
    assert_eq!(backs(&outputs), [(1, BackInQueue::AgentLost)]);
    assert_eq!(overs(&outputs), [(1, WaitEnd::NoQueue)]);
}

#[test]
fn who_waits_for_one_agent_is_told_when_they_are_gone() {
    let sent_to_agent = || {
        let mut floor = Floor::new([queue("front")]);
        floor.sign_in("agent", &[], &[]);
        let only = Some(AgentId::new("agent"));
        let sent = Waiter { only, ..floor.caller(1, "front") };
        floor.give(RouterInput::Enqueue(sent));
        floor
    };
    let gone = [(1, WaitEnd::AgentGone)];
    let mut floor = sent_to_agent();
    assert_eq!(overs(&floor.says("agent", Presence::Away("lunch".to_owned()))), []);
    assert_eq!(overs(&floor.says("agent", Presence::Offline)), gone);
    let mut floor = sent_to_agent();
    floor.says("agent", Presence::Ready);
    assert_eq!(overs(&floor.lose("agent")), gone);
    // Going home is said during the offer, and holds when the caller has left: nobody is left to tell.
    let mut floor = sent_to_agent();
    floor.says("agent", Presence::Ready);
    floor.says("agent", Presence::Offline);
    assert_eq!(overs(&floor.leaves(1, LeftQueue::HungUp)), []);
    // Once they have talked, a desk that dies leaves the caller to everybody.
    let mut floor = sent_to_agent();
    floor.says("agent", Presence::Ready);
    floor.talks("agent");
    let outputs = floor.lose("agent");
    assert_eq!((backs(&outputs), overs(&outputs)), (vec![(1, BackInQueue::AgentLost)], vec![]));
    assert_eq!(offers(&floor.agent("other", &[])), [("other", 1)]);
}

#[test]
fn a_callback_keeps_its_place_and_survives_the_end_of_its_call() {
    let mut floor = Floor::new([queue("front")]);
    floor.comes(1, "front");
    let since = floor.now;
    floor.wait(MINUTE);
    floor.comes(2, "front");
    floor.leaves(1, LeftQueue::ForCallback);
    let kind = WaiterKind::Callback;
    let callback = Waiter { kind, since, ..floor.caller(1, "front") };
    floor.give(RouterInput::Enqueue(callback));
    assert_eq!(floor.place(1).map(|place| place.position), Some(1));
    // The call that booked it is over only now.
    let over = RouterInput::Leave { call: call(1), why: LeftQueue::HungUp };
    assert_eq!(floor.refused(over), RouterRefusal::WrongState);
    assert_eq!(offers(&floor.agent("agent", &[])), [("agent", 1)]);
    assert_eq!(floor.talks("agent"), 1);
    floor.is_done("agent");
    assert_eq!(floor.counts("front").called_back, 1);
    // It can be cancelled.
    let callback = Waiter { kind, since, ..floor.caller(3, "front") };
    floor.give(RouterInput::Enqueue(callback));
    floor.leaves(3, LeftQueue::Elsewhere);
    assert_eq!(floor.place(3), None);
}

#[test]
fn nobody_has_waited_since_a_time_to_come() {
    let mut floor = Floor::new([queue("front")]);
    let since = floor.now + MINUTE;
    let early = Waiter { since, ..floor.caller(1, "front") };
    floor.give(RouterInput::Enqueue(early));
    floor.wait(SECOND);
    floor.comes(2, "front");
    assert_eq!(offers(&floor.agent("agent", &[])), [("agent", 1)]);
}

#[test]
fn answered_abandoned_and_in_time_are_counted_once_each() {
    let mut floor = Floor::new([queue("front")]);
    assert_eq!(floor.counts("front").service_level_percent(), None);
    floor.agent("agent", &[]);
    // In time, and once, however often an agent is lost.
    floor.comes(1, "front");
    floor.talks("agent");
    floor.lose("agent");
    floor.agent("agent", &[]);
    floor.talks("agent");
    // Hung up at once; hung up late; went on with us.
    for (number, waits, why) in
        [(2, 5, LeftQueue::HungUp), (3, 30, LeftQueue::HungUp), (4, 30, LeftQueue::ByChoice)]
    {
        floor.comes(number, "front");
        floor.wait(waits * SECOND);
        floor.leaves(number, why);
    }
    // Answered late.
    floor.comes(5, "front");
    floor.wait(21 * SECOND);
    floor.is_done("agent");
    floor.talks("agent");
    // Gone while they were being joined.
    floor.is_done("agent");
    floor.comes(6, "front");
    floor.takes("agent");
    floor.leaves(6, LeftQueue::HungUp);
    let counts = Counts {
        answered: 2,
        answered_in_time: 1,
        abandoned: 3,
        abandoned_in_time: 2,
        left: 1,
        too_long: 0,
        called_back: 0,
    };
    assert_eq!(floor.counts("front"), counts);
    // One of the two answered and the one who gave up late.
    let percent = counts.service_level_percent().expect("there were some");
    assert!((percent - 100.0 / 3.0).abs() < 0.01, "{percent}");
    let calls = floor.router.agents().map(|agent| agent.calls);
    assert_eq!(calls.collect::<Vec<_>>(), [3]);
    floor.says("agent", Presence::Offline);
    floor.router.forget_counts(floor.now);
    assert_eq!(floor.router.counted_since(), Some(floor.now));
    assert_eq!(floor.counts("front"), Counts::default());
    assert_eq!(floor.router.agents().count(), 0);
}
