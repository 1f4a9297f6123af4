//! The ladder on simulated time.

use proptest::prelude::*;

use super::*;

/// How often it is asked.
const TICK: Duration = Duration::from_millis(500);

fn ladder(least: Effort) -> (LoadLadder, Instant) {
    let now = Instant::now();
    let config = LadderConfig { latency_p95_max: Duration::from_millis(800), least };
    (LoadLadder::new(config, now), now)
}

fn calm() -> Measured {
    Measured { latency_p95: Some(Duration::from_millis(400)), ..Measured::default() }
}

fn too_much() -> Measured {
    Measured { hearing_wait: Duration::from_millis(401), cpu_ours: 1.0, ..Measured::default() }
}

/// A step, and when.
type Steps = Vec<(Duration, Change, Effort, bool)>;

/// Tells it the same for some time.
fn go_on(
    ladder: &mut LoadLadder,
    (start, at): (Instant, &mut Duration),
    seconds: u64,
    measured: &Measured,
) -> Steps {
    let mut steps = Vec::new();
    for _ in 0..seconds * 2 {
        *at += TICK;
        if let Some(change) = ladder.handle(start + *at, measured) {
            steps.push((*at, change, ladder.effort(), ladder.refuses()));
        }
    }
    steps
}

fn efforts(steps: &Steps) -> Vec<(Effort, bool)> {
    steps.iter().map(|(_, _, effort, refuses)| (*effort, *refuses)).collect()
}

#[test]
fn overload_leads_down_within_twelve_seconds_and_its_end_leads_back() {
    let (mut ladder, start) = ladder(Effort::StraightToPeople);
    let mut at = Duration::ZERO;
    let steps = go_on(&mut ladder, (start, &mut at), 30, &calm());
    assert!(steps.is_empty(), "there is nothing to go up to");
    let before = at;
    let steps = go_on(&mut ladder, (start, &mut at), 20, &too_much());
    let expected = [
        (Effort::NoSpeculation, false),
        (Effort::SmallHearing, false),
        (Effort::KeypadMenu, false),
        (Effort::StraightToPeople, false),
        (Effort::StraightToPeople, true),
    ];
    assert_eq!(efforts(&steps), expected);
    let cause = Cause::Hearing(Duration::from_millis(401));
    assert!(steps.iter().all(|(_, change, ..)| *change == Change::Down(cause)));
    let last = steps.last().expect("five steps").0;
    assert!(last - before <= Duration::from_secs(12), "{steps:?}");
    let steps = go_on(&mut ladder, (start, &mut at), 60, &calm());
    let expected = [
        (Effort::StraightToPeople, false),
        (Effort::KeypadMenu, false),
        (Effort::SmallHearing, false),
        (Effort::NoSpeculation, false),
        (Effort::Full, false),
    ];
    assert_eq!(efforts(&steps), expected);
    let apart = steps.windows(2).all(|pair| pair[1].0 - pair[0].0 >= UP_AFTER);
    assert!(apart, "{steps:?}");
}

#[test]
fn each_measure_by_itself_can_be_too_much_and_slow_answers_only_on_a_busy_machine() {
    let slow = Some(Duration::from_millis(900));
    for (measured, is_too_much) in [
        (too_much(), true),
        (Measured { late_ticks: 0.06, ..Measured::default() }, true),
        (Measured { late_ticks: 0.05, ..Measured::default() }, false),
        (Measured { latency_p95: slow, cpu_ours: 0.7, ..Measured::default() }, true),
        (Measured { latency_p95: slow, cpu_machine: 0.7, ..Measured::default() }, true),
        // A second that a caller thinks over a number is no load.
        (Measured { latency_p95: slow, cpu_ours: 0.2, ..Measured::default() }, false),
        (Measured { cpu_ours: 1.0, cpu_machine: 1.0, ..Measured::default() }, false),
    ] {
        let (mut ladder, start) = ladder(Effort::StraightToPeople);
        let mut at = Duration::ZERO;
        let steps = go_on(&mut ladder, (start, &mut at), 10, &measured);
        assert_eq!(!steps.is_empty(), is_too_much, "{measured:?}: {steps:?}");
    }
}

#[test]
fn beside_a_program_that_takes_the_machine_callers_are_still_talked_with() {
    let (mut ladder, start) = ladder(Effort::StraightToPeople);
    let mut at = Duration::ZERO;
    let latency_p95 = Some(Duration::from_millis(1_500));
    let build = Measured { latency_p95, cpu_ours: 0.2, cpu_machine: 1.0, ..Measured::default() };
    // One utterance that is made out takes all of the machine for a moment.
    let at_work = Measured { cpu_ours: 1.0, ..build };
    for _ in 0..60 {
        go_on(&mut ladder, (start, &mut at), 5, &build);
        at += TICK;
        ladder.handle(start + at, &at_work);
    }
    assert_eq!((ladder.effort(), ladder.refuses()), (Effort::SmallHearing, false));
    // Where nobody is heard any more, keys are better than nothing.
    let hopeless = Measured { hearing_wait: HEARING_WAIT_HOPELESS, ..build };
    let steps = go_on(&mut ladder, (start, &mut at), 3, &hopeless);
    assert_eq!(efforts(&steps)[0], (Effort::KeypadMenu, false));
}

#[test]
fn moments_at_work_do_not_keep_it_down() {
    let (mut ladder, start) = ladder(Effort::StraightToPeople);
    let mut at = Duration::ZERO;
    go_on(&mut ladder, (start, &mut at), 6, &too_much());
    assert_eq!(ladder.effort(), Effort::KeypadMenu);
    // Callers who are answered well: every two seconds all cores are taken for one look.
    let working = Measured { cpu_ours: 1.0, cpu_machine: 1.0, ..calm() };
    let resting = Measured { cpu_ours: 0.3, cpu_machine: 0.3, ..calm() };
    for _ in 0..30 {
        at += TICK;
        ladder.handle(start + at, &working);
        at += 3 * TICK;
        ladder.handle(start + at, &resting);
    }
    assert_eq!(ladder.effort(), Effort::Full);
}

#[test]
fn a_moment_is_no_overload() {
    let (mut ladder, start) = ladder(Effort::StraightToPeople);
    let mut at = Duration::ZERO;
    for _ in 0..50 {
        at += TICK;
        assert_eq!(ladder.handle(start + at, &too_much()), None);
        at += TICK;
        assert_eq!(ladder.handle(start + at, &calm()), None);
    }
}

#[test]
fn no_less_is_done_than_the_configuration_allows() {
    for least in Effort::ALL {
        let (mut ladder, start) = ladder(least);
        let mut at = Duration::ZERO;
        let steps = go_on(&mut ladder, (start, &mut at), 30, &too_much());
        assert_eq!((ladder.effort(), ladder.refuses()), (least, true));
        assert_eq!(steps.len(), least.steps_down() + 1);
        go_on(&mut ladder, (start, &mut at), 120, &calm());
        assert_eq!((ladder.effort(), ladder.refuses()), (Effort::Full, false));
    }
}

#[test]
fn a_machine_that_holds_one_step_but_not_the_next_goes_to_and_fro_ever_more_seldom() {
    let (mut ladder, start) = ladder(Effort::StraightToPeople);
    let mut at = Duration::ZERO;
    let mut ups = Vec::new();
    for _ in 0..2 * 600 {
        at += TICK;
        let measured = if ladder.effort() == Effort::Full { too_much() } else { calm() };
        if ladder.handle(start + at, &measured) == Some(Change::Up) {
            ups.push(at);
        }
    }
    let gaps: Vec<u64> = ups.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(gaps.is_sorted(), "{gaps:?}");
    assert!(gaps.len() <= 10 && gaps.last().is_some_and(|gap| *gap >= 80), "{gaps:?}");
}

fn measured() -> impl Strategy<Value = Measured> {
    let latency = prop::option::of(0_u64..3_000);
    (latency, 0_u64..2_000, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..0.2_f64).prop_map(
        |(latency, wait, cpu_ours, cpu_machine, late_ticks)| Measured {
            latency_p95: latency.map(Duration::from_millis),
            hearing_wait: Duration::from_millis(wait),
            cpu_ours,
            cpu_machine,
            late_ticks,
        },
    )
}

/// Stretches of some seconds, each with its own load.
fn days() -> impl Strategy<Value = Vec<(u64, Measured)>> {
    prop::collection::vec(
        (1_u64..40, prop_oneof![measured(), Just(calm()), Just(too_much())]),
        1..30,
    )
}

proptest! {
    #[test]
    fn whatever_comes_steps_keep_their_hold_times_and_it_comes_back(day in days()) {
        let (mut ladder, start) = ladder(Effort::StraightToPeople);
        let mut at = Duration::ZERO;
        let (mut steps, mut before) = (Vec::new(), (Effort::Full, false));
        for (seconds, measured) in &day {
            steps.extend(go_on(&mut ladder, (start, &mut at), *seconds, measured));
        }
        let mut last = Duration::ZERO;
        for (when, change, effort, refuses) in &steps {
            let hold = if *change == Change::Up { UP_AFTER } else { DOWN_HOLD };
            prop_assert!(*when - last >= hold, "{steps:?}");
            let (from, to) = (place(before), place((*effort, *refuses)));
            let expected = if *change == Change::Up { from - 1 } else { from + 1 };
            prop_assert_eq!(to, expected, "one step at a time: {:?}", steps);
            (last, before) = (*when, (*effort, *refuses));
        }
        // However it was, it is over.
        let steps_up = 5 * UP_AFTER.as_secs() * u64::from(PATIENCE_MAX) + 10;
        go_on(&mut ladder, (start, &mut at), steps_up, &calm());
        prop_assert_eq!((ladder.effort(), ladder.refuses()), (Effort::Full, false));
    }

    #[test]
    fn from_anywhere_overload_leads_to_the_end_in_time(day in days()) {
        let (mut ladder, start) = ladder(Effort::StraightToPeople);
        let mut at = Duration::ZERO;
        for (seconds, measured) in &day {
            go_on(&mut ladder, (start, &mut at), *seconds, measured);
        }
        go_on(&mut ladder, (start, &mut at), 12, &too_much());
        prop_assert!(ladder.refuses());
    }
}

/// Steps from the top.
fn place((effort, refuses): (Effort, bool)) -> usize {
    effort.steps_down() + usize::from(refuses)
}
