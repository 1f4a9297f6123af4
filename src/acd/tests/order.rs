//! Who can take whom, and who is next.

use super::*;

/// One who cannot be offered anything meanwhile: in a call with somebody else.
fn busy(floor: &mut Floor, name: &str, skills: &[(&str, u8)], call: u128, queue: &str) {
    floor.agent(name, skills);
    floor.comes(call, queue);
    assert_eq!(floor.talks(name), call);
}

#[test]
fn skills_and_their_levels_are_asked_for_by_queue_and_caller() {
    let mut floor = Floor::new([skilled("billing", "billing", 3)]);
    floor.agent("beginner", &[("billing", 2)]);
    floor.agent("other", &[("cards", 5)]);
    assert_eq!(offers(&floor.comes(1, "billing")), []);
    assert_eq!(offers(&floor.agent("able", &[("billing", 3)])), [("able", 1)]);
    floor.talks("able");
    let both = Waiter { needs: vec![need("cards", 1)], ..floor.caller(2, "billing") };
    assert_eq!(offers(&floor.give(RouterInput::Enqueue(both))), []);
    let good_at_both = floor.agent("both", &[("billing", 4), ("cards", 1)]);
    assert_eq!(offers(&good_at_both), [("both", 2)]);
}

#[test]
fn languages_match_by_their_first_parts() {
    let mut floor = Floor::new([queue("front")]);
    for (call, asked, spoken, matches) in [
        (1, "es", &["en", "es-US"][..], true),
        (2, "es-US", &["es"][..], true),
        (3, "ES-us", &["es-US"][..], true),
        (4, "es-MX", &["es-US"][..], false),
        (5, "es", &["en"][..], false),
        (6, "e", &["es"][..], false),
        (7, "es", &[][..], true),
    ] {
        floor.sign_in("agent", &[], spoken);
        floor.says("agent", Presence::Ready);
        let language = Some(asked.to_owned());
        let caller = Waiter { language, ..floor.caller(call, "front") };
        let offered = !offers(&floor.give(RouterInput::Enqueue(caller))).is_empty();
        assert_eq!(offered, matches, "{asked} of {spoken:?}");
        floor.leaves(call, LeftQueue::HungUp);
    }
}

#[test]
fn a_skill_is_asked_for_less_strictly_with_time() {
    let step =
        |s: u32, to: Relaxed| RelaxStep { after: s * SECOND, skill: Skill::new("billing"), to };
    let lowered = Relaxed::Level(Level::ONE);
    let relax = vec![step(60, lowered), step(90, Relaxed::Dropped)];
    let mut floor = Floor::new([QueueRules { relax, ..skilled("billing", "billing", 3) }]);
    floor.agent("beginner", &[("billing", 1)]);
    floor.comes(1, "billing");
    assert_eq!(offers(&floor.wait(59 * SECOND)), []);
    assert_eq!(offers(&floor.wait(SECOND)), [("beginner", 1)]);
    floor.talks("beginner");
    floor.agent("stranger", &[]);
    floor.comes(2, "billing");
    assert_eq!(offers(&floor.wait(89 * SECOND)), []);
    assert_eq!(offers(&floor.wait(SECOND)), [("stranger", 2)]);
}

#[test]
fn a_step_never_asks_for_more() {
    let step = |s: u32, level: u8| RelaxStep {
        after: s * SECOND,
        skill: Skill::new("billing"),
        to: Relaxed::Level(Level::new(level).expect("1 to 5")),
    };
    let relax = vec![step(10, 1), step(20, 5)];
    let mut floor = Floor::new([QueueRules { relax, ..skilled("billing", "billing", 3) }]);
    floor.comes(1, "billing");
    floor.wait(30 * SECOND);
    assert_eq!(offers(&floor.agent("beginner", &[("billing", 1)])), [("beginner", 1)]);
}

#[test]
fn who_has_been_idle_longest_is_first() {
    let mut floor = Floor::new([queue("front")]);
    for name in ["c", "a", "b"] {
        floor.agent(name, &[]);
        floor.wait(SECOND);
    }
    assert_eq!(offers(&floor.comes(1, "front")), [("c", 1)]);
    floor.talks("c");
    floor.is_done("c");
    floor.wait(SECOND);
    assert_eq!(offers(&floor.comes(2, "front")), [("a", 2)]);
    assert_eq!(offers(&floor.comes(3, "front")), [("b", 3)]);
    assert_eq!(offers(&floor.comes(4, "front")), [("c", 4)]);
}

#[test]
fn whoever_is_ready_already_keeps_their_turn() {
    let mut floor = Floor::new([queue("front")]);
    floor.agent("first", &[]);
    floor.wait(SECOND);
    floor.agent("second", &[]);
    floor.wait(SECOND);
    assert_eq!(floor.says("first", Presence::Ready), []);
    assert_eq!(offers(&floor.comes(1, "front")), [("first", 1)]);
}

#[test]
fn the_best_are_first_where_skill_counts() {
    let rules = skilled("billing", "billing", 1);
    let mut floor = Floor::new([QueueRules { strategy: Strategy::BestSkill, ..rules }]);
    floor.agent("good", &[("billing", 3)]);
    floor.wait(SECOND);
    floor.agent("best", &[("billing", 5)]);
    floor.wait(SECOND);
    floor.agent("best_too", &[("billing", 5)]);
    assert_eq!(offers(&floor.comes(1, "billing")), [("best", 1)]);
    assert_eq!(offers(&floor.comes(2, "billing")), [("best_too", 2)]);
    assert_eq!(offers(&floor.comes(3, "billing")), [("good", 3)]);
}

#[test]
fn the_more_urgent_priority_of_queue_and_caller_holds() {
    let urgent = QueueRules { priority: 2, ..queue("urgent") };
    let mut floor = Floor::new([queue("front"), urgent]);
    floor.comes(1, "front");
    floor.comes(2, "urgent");
    let valued = Waiter { priority: 1, ..floor.caller(3, "front") };
    floor.give(RouterInput::Enqueue(valued));
    for expected in [3, 2, 1] {
        let name = format!("agent{expected}");
        assert_eq!(offers(&floor.agent(&name, &[])), [(name.as_str(), expected)]);
    }
}

#[test]
fn callers_go_up_with_time_and_not_beyond_the_first_priority() {
    let mut floor = Floor::new([queue("front")]);
    floor.comes(1, "front");
    floor.wait(4 * MINUTE - SECOND);
    // Up by one: 4 against 3.
    let valued = Waiter { priority: 3, ..floor.caller(2, "front") };
    floor.give(RouterInput::Enqueue(valued));
    assert_eq!(offers(&floor.agent("a", &[])), [("a", 2)]);
    floor.wait(SECOND);
    // Up by two: 3 against 3, and longer there.
    let valued = Waiter { priority: 3, ..floor.caller(3, "front") };
    floor.give(RouterInput::Enqueue(valued));
    assert_eq!(offers(&floor.agent("b", &[])), [("b", 1)]);
    let rules = queue("front");
    assert_eq!(rules.priority_after(9, 60 * MINUTE), 1);
    assert_eq!(rules.priority_after(0, Duration::ZERO), 1);
    let never = QueueRules { ageing: Duration::ZERO, ..rules };
    assert_eq!(never.priority_after(9, 60 * MINUTE), 5);
    assert_eq!(never.passed_over_for_at_most(5), None);
    assert_eq!(never.passed_over_for_at_most(1), Some(Duration::ZERO));
}

#[test]
fn nobody_starves_while_urgent_callers_keep_coming() {
    let rules = QueueRules { priority: 9, ..queue("front") };
    let bound = rules.passed_over_for_at_most(9).expect("callers go up");
    assert_eq!(bound, 16 * MINUTE);
    let mut floor = Floor::new([rules]);
    let ordinary = Waiter { priority: 9, ..floor.caller(1, "front") };
    let came = floor.now;
    busy(&mut floor, "agent", &[], 2, "front");
    floor.give(RouterInput::Enqueue(ordinary));
    let mut next = 3;
    loop {
        // One urgent caller comes for each that is served.
        let urgent = Waiter { priority: 1, ..floor.caller(next, "front") };
        floor.give(RouterInput::Enqueue(urgent));
        next += 1;
        floor.wait(MINUTE);
        floor.is_done("agent");
        if floor.talks("agent") == 1 {
            break;
        }
        assert!(floor.now <= came + bound, "passed over for too long");
    }
    // It was not served at once either: urgent callers went first as long as they could.
    assert!(floor.now + MINUTE >= came + bound);
}

#[test]
fn an_agent_takes_the_first_of_all_queues_that_they_can_take() {
    let queues = [skilled("billing", "billing", 1), skilled("cards", "cards", 1), queue("front")];
    let mut floor = Floor::new(queues);
    floor.comes(1, "billing");
    floor.wait(SECOND);
    floor.comes(2, "cards");
    floor.wait(SECOND);
    floor.comes(3, "front");
    assert_eq!(offers(&floor.agent("cards", &[("cards", 2)])), [("cards", 2)]);
    assert_eq!(offers(&floor.agent("all", &[("cards", 2), ("billing", 2)])), [("all", 1)]);
    assert_eq!(offers(&floor.agent("none", &[])), [("none", 3)]);
}

#[test]
fn who_is_sent_to_a_colleague_waits_for_them_alone() {
    let mut floor = Floor::new([skilled("billing", "billing", 3)]);
    floor.agent("other", &[("billing", 5)]);
    floor.sign_in("colleague", &[], &["fr"]);
    let only = Some(AgentId::new("colleague"));
    let language = Some("en".to_owned());
    let sent = Waiter { only, language, ..floor.caller(1, "billing") };
    assert_eq!(offers(&floor.give(RouterInput::Enqueue(sent))), []);
    assert_eq!(floor.place(1).map(|place| place.agents), Some(0));
    // Neither skill nor language is asked for: the colleague was chosen as a person.
    let ready = floor.says("colleague", Presence::Ready);
    assert_eq!(offers(&ready), [("colleague", 1)]);
}

#[test]
fn among_equals_who_came_first_is_first() {
    let mut floor = Floor::new([queue("front")]);
    for call in [7, 3, 9] {
        floor.comes(call, "front");
    }
    for (name, call) in [("a", 7), ("b", 3), ("c", 9)] {
        assert_eq!(offers(&floor.agent(name, &[])), [(name, call)]);
    }
}
