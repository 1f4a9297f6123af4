//! The keys of `queues.md`, read and refused; and the words for callers who wait.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What stands below the heading of the small tree's only queue, with another queue behind it.
fn with_keys(keys: &str) -> String {
    QUEUES.replacen("Priority: 3\n", &format!("Priority: 3\n{keys}"), 1)
        + "## front_desk\nSpoken: one of my colleagues\n### While waiting\n- Please hold.\n"
}

fn queue_with(keys: &str) -> Queue {
    let mut files = tree();
    files[4].text = with_keys(keys);
    let parsed = parse("bank", &files, &declared()).expect("still sound");
    let warned = parsed.warnings.iter().find(|warning| warning.path.ends_with("queues.md"));
    assert_eq!(warned, None);
    parsed.generation.queues[&QueueName::new("billing")].clone()
}

fn need(skill: &str, level: u8) -> SkillNeed {
    SkillNeed { skill: skill.to_owned(), level }
}

#[test]
fn a_queue_that_says_nothing_has_usual_rules() {
    let queue = queue_with("");
    assert_eq!(queue.skills, [need("billing", 1), need("cards", 1)]);
    assert_eq!(queue.strategy, QueueStrategy::LongestIdle);
    assert_eq!((queue.answer_within, queue.offer_for), (20 * SECOND, 20 * SECOND));
    assert_eq!((queue.wrap_up, queue.wait_max), (MINUTE, Some(20 * MINUTE)));
    assert_eq!((queue.goes_up_every, queue.overflow), (2 * MINUTE, None));
    assert!(queue.relax.is_empty());
    assert_eq!((queue.places, queue.callback), (50, CallbackRule::After(MINUTE)));
}

#[test]
fn the_rules_of_a_queue_are_read_as_people_write_them() {
    let keys = "\
Strategy: Best skill
Answer within: 90 s
Offer for: 15 seconds
Wrap up: 0 seconds
Longest wait: 1 hour
After 5 minutes: front_desk
Relax: cards dropped after 90 seconds; billing to 1 after 1 minute
Goes up: every 45 seconds
Places: 8
Callback: after 3 minutes
";
    let mut files = tree();
    files[4].text = with_keys(keys).replacen("billing, cards", "billing 3, cards", 1);
    let parsed = parse("bank", &files, &declared()).expect("still sound");
    let queue = &parsed.generation.queues[&QueueName::new("billing")];
    assert_eq!(queue.skills, [need("billing", 3), need("cards", 1)]);
    assert_eq!(queue.strategy, QueueStrategy::BestSkill);
    assert_eq!((queue.answer_within, queue.offer_for), (90 * SECOND, 15 * SECOND));
    assert_eq!((queue.wrap_up, queue.wait_max), (Duration::ZERO, Some(60 * MINUTE)));
    assert_eq!(queue.overflow, Some((5 * MINUTE, QueueName::new("front_desk"))));
    let rules = [("billing", Some(1), MINUTE), ("cards", None, 90 * SECOND)];
    let rules = rules.map(|(skill, to, after)| RelaxRule { after, skill: skill.to_owned(), to });
    assert_eq!(queue.relax, rules, "in order of their time");
    assert_eq!((queue.goes_up_every, queue.places), (45 * SECOND, 8));
    assert_eq!(queue.callback, CallbackRule::After(3 * MINUTE));
    let queue = queue_with("Longest wait: no\nCallback: no\nGoes up: 30 seconds\n");
    assert_eq!((queue.wait_max, queue.callback), (None, CallbackRule::Never));
    assert_eq!(queue.goes_up_every, 30 * SECOND);
}

#[test]
fn mistakes_in_the_rules_of_a_queue_are_named_with_line_and_fix() {
    // Line 5 is the first behind `Priority:`.
    for (keys, what, fix) in [
        ("Strategy: best skil\n", "not a way to choose", "`best skill`"),
        ("Answer within: 20\n", "`20` is not a length of time", "`Answer within: 30 seconds`"),
        ("Answer within: soon\n", "`soon` is not a length", "`2 minutes`"),
        ("Offer for: 2 seconds\n", "too short", "from 5 seconds to 5 minutes"),
        ("Wrap up: 2 hours\n", "too long", "from 0 seconds to 1 hour"),
        ("Longest wait: 10 seconds\n", "too short", "from 30 seconds to 8 hours"),
        ("Longest wait: 99999999999999999999 hours\n", "not a length", "`Longest wait: 30"),
        ("Goes up: every day\n", "`day` is not a length", "`Goes up: every 30 seconds`"),
        ("Places: 0\n", "not how many", "from 1 to 1000"),
        ("Callback: yes\n", "does not say when", "`Callback: no`"),
        ("Callback: after lunch\n", "`lunch` is not a length", "`Callback: after 30 seconds`"),
        ("After 5 minutes: front_dsk\n", "no other queue `front_dsk`", "`front_desk`"),
        ("After 5 minutes: billing\n", "no other queue `billing`", "`front_desk`"),
        ("After five minutes: front_desk\n", "`five minutes` is not", "`After 30 seconds`"),
        ("After 40 minutes: front_desk\n", "their longest wait is over", "shorter than"),
        ("Relax: cards sometime\n", "does not say which skill", "`billing to 1 after 60"),
        ("Relax: card dropped after 9 seconds\n", "does not ask for `card`", "`cards`"),
        ("Relax: cards to 1 after 9 seconds\n", "asks for no less", "below 1, or `dropped`"),
        ("Relax: cards to 9 after 9 seconds\n", "`9` is not a level", "from 1 (a beginner)"),
        ("Relax: cards dropped after a while\n", "`a while` is not", "after 30 seconds"),
        ("Ofer for: 20 seconds\n", "`Ofer for:` is not known", "`Offer for`"),
    ] {
        let found = findings("queues.md", QUEUES, &with_keys(keys));
        let hit = |f: &&Finding| {
            f.severity == Severity::Error
                && f.line == 5
                && f.what.contains(what)
                && f.fix.contains(fix)
        };
        let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|f| hit(&f)), "{keys:?} gave {listed:#?}");
    }
    let twice = with_keys("After 2 minutes: front_desk\nAfter 5 minutes: front_desk\n");
    let found = findings("queues.md", QUEUES, &twice);
    assert!(found.iter().any(|f| f.line == 6 && f.what.contains("sent on once")), "{found:#?}");
}

#[test]
fn mistakes_in_the_skills_of_a_queue_are_named() {
    check(
        Severity::Error,
        "queues.md",
        &[
            ("billing, cards", "billing 6", 3, "`6` is not a level", "5 (an expert)"),
            ("billing, cards", "billing 0", 3, "`0` is not a level", "1 (a beginner)"),
            ("billing, cards", "3", 3, "no skill in front", "`billing 3`"),
            ("billing, cards", "billing, billing 2", 3, "stands here twice", "keep one"),
        ],
    );
}

#[test]
fn callers_are_not_sent_round_in_circles() {
    let circle = with_keys("After 2 minutes: front_desk\n").replacen(
        "Spoken: one of my colleagues\n",
        "Spoken: one of my colleagues\nAfter 5 minutes: billing\n",
        1,
    );
    let found = findings("queues.md", QUEUES, &circle);
    let lines: Vec<usize> =
        found.iter().filter(|f| f.what.contains("come back to it")).map(|f| f.line).collect();
    assert_eq!(lines, [5, 10], "{found:#?}");
}

#[test]
fn words_for_callers_who_wait_are_checked() {
    let line = |heading: &str| {
        let at = patterns().lines().position(|line| line == format!("## {heading}"));
        at.expect("it is there") + 2
    };
    for (pattern, sentence, what) in [
        (Pattern::YourPlace, "You're {position} in line.", "said without `{wait}`"),
        (Pattern::YourPlace, "It takes {wait}, {queue}.", "`{queue}` is not known here"),
        (Pattern::OfferCallback, "Shall we call you back?", "said without `{number_end}`"),
        (Pattern::StillInLine, "I've moved you up.", "nothing is done yet"),
    ] {
        let heading = format!("## {}\n", pattern.heading());
        let blanks: Vec<String> = pattern.variables().iter().map(|n| format!("{{{n}}}")).collect();
        let old = format!("{heading}So {}.", blanks.join(" or "));
        let found = findings("patterns.md", &old, &format!("{heading}{sentence}"));
        let hit = |f: &Finding| f.line == line(pattern.heading()) && f.what.contains(what);
        assert!(found.iter().any(hit), "{sentence:?} gave {found:#?}");
    }
    let mut files = tree();
    let all = patterns();
    let from = all.find("## In line\n").expect("it is there");
    let to = all.find("## Verify account_pin").expect("it is there");
    files[2].text = format!("{}{}", &all[..from], &all[to..]);
    let parsed = parse("bank", &files, &declared()).expect("a profile can do without them");
    let warned = parsed.warnings.iter().find(|warning| warning.path.ends_with("patterns.md"));
    assert_eq!(warned, None);
}

#[test]
fn words_of_callers_who_wait_may_be_added_to_the_house() {
    let mut files = tree();
    files[0].text =
        format!("{HOUSE}## How long words\n- what's my spot\n## Leave words\n- I'm off\n");
    let words = parse("bank", &files, &declared()).expect("still sound").generation;
    let words = words.house.global_words;
    assert_eq!(words.how_long, ["what's my spot"]);
    assert_eq!(words.leave, ["I'm off"]);
    assert!(words.call_back.is_empty());
    let line = HOUSE.lines().count() + 1;
    let found = findings("house.md", "- bye\n", "- bye\n## Call back words\n");
    let hit = |f: &Finding| f.line == line && f.what == "`## Call back words` has no words";
    assert!(found.iter().any(hit), "{found:#?}");
}
