//! `queues.md`: the people callers wait for, by which rules they wait, and what they hear meanwhile.
//! The keys are for the operations staff; lengths of time are written as they are said.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Block, Document, Keyed, Line, keyed, normal};
use super::finding::{Report, did_you_mean};
use super::speech::{Context, Moment, Variables, check_aloud, check_nameless_variant, read_all};
use super::template::is_name;
use super::{QueueName, Template};

/// Urgency of a queue that does not give one.
const PRIORITY_DEFAULT: u8 = 5;

/// The best that somebody can be at something.
const LEVEL_MAX: u8 = 5;

/// Callers who may wait at once, unless the file says otherwise, and at most.
const PLACES_DEFAULT: usize = 50;
const PLACES_MAX: usize = 1000;

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The `Key:` lines of a queue. `After 5 minutes: front_desk` is one more, with a time in its name.
const KEYS: [&str; 12] = [
    "Spoken",
    "Skills",
    "Priority",
    "Strategy",
    "Answer within",
    "Offer for",
    "Wrap up",
    "Longest wait",
    "Goes up",
    "Relax",
    "Places",
    "Callback",
];

/// A queue from `queues.md`.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// Spoken name ("our card team").
    pub spoken: String,
    /// Skills that all its calls ask for.
    pub skills: Vec<SkillNeed>,
    /// Urgency, 1 (first) to 9.
    pub priority: u8,
    /// Who of several people is offered a call.
    pub strategy: QueueStrategy,
    /// Calls answered within this time count as answered in time.
    pub answer_within: Duration,
    /// How long somebody may take to accept a call.
    pub offer_for: Duration,
    /// The work after a call.
    pub wrap_up: Duration,
    /// Longest wait; `None`: as long as it takes.
    pub wait_max: Option<Duration>,
    /// A caller who has waited so long goes up by one priority, and again after each such time.
    pub goes_up_every: Duration,
    /// Where callers go on waiting, with their place, after this time.
    pub overflow: Option<(Duration, QueueName)>,
    /// Skills that are asked for less strictly after a while, in order of their time.
    pub relax: Vec<RelaxRule>,
    /// Callers who may wait at once.
    pub places: usize,
    /// When a call back is offered to callers who wait.
    pub callback: CallbackRule,
    /// What is said while waiting.
    pub while_waiting: Vec<Template>,
}

/// A skill that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillNeed {
    /// Which.
    pub skill: String,
    /// How good at it, 1 (a beginner) to 5 (an expert), at least.
    pub level: u8,
}

/// Who of several people is offered a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueStrategy {
    /// Who has been idle longest.
    #[default]
    LongestIdle,
    /// Who is best at what is asked for.
    BestSkill,
}

impl QueueStrategy {
    const ALL: [Self; 2] = [Self::LongestIdle, Self::BestSkill];

    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LongestIdle => "longest idle",
            Self::BestSkill => "best skill",
        }
    }
}

/// A skill is asked for less strictly once a caller has waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaxRule {
    /// Wait from which this holds.
    pub after: Duration,
    /// Which skill.
    pub skill: String,
    /// The level that will do then; `None`: it is not asked for any more.
    pub to: Option<u8>,
}

/// When a call back is offered to callers who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackRule {
    /// Once they have waited so long, or are likely to. Who asks for one before gets it.
    After(Duration),
    /// Nobody is called back who could wait.
    Never,
}

/// Reads `queues.md`.
pub(super) fn read_queues(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<QueueName, Queue> {
    document.check_fields(&[], report);
    let mut queues = BTreeMap::new();
    let mut overflow_lines = BTreeMap::new();
    for section in &document.sections {
        if !is_name(&section.heading) {
            report.error(
                section.line,
                format!("`{}` cannot be the name of a queue", section.heading),
                "use lowercase letters, digits and `_`, and put what callers hear after `Spoken:`",
            );
            continue;
        }
        let (queue, overflow_line) = read_queue(section, cx, report);
        overflow_lines.insert(queue.name.clone(), overflow_line);
        if queues.insert(queue.name.clone(), queue).is_some() {
            let what = format!("the queue `{}` stands here twice", section.heading);
            report.error(section.line, what, "keep one of the two");
        }
    }
    for (name, line) in overflow_lines {
        check_overflow(&queues, &name, line, report);
    }
    queues
}

/// Callers must not be sent round and round.
fn check_overflow(
    queues: &BTreeMap<QueueName, Queue>,
    start: &QueueName,
    line: usize,
    report: &mut Report,
) {
    let next = |name: &QueueName| queues.get(name)?.overflow.as_ref().map(|(_, to)| to);
    let mut at = start;
    for _ in 0..queues.len() {
        let Some(to) = next(at) else { return };
        if to == start {
            report.error(
                line,
                format!("callers who wait for `{start}` would come back to it by `After ...:`"),
                "send them to a queue that sends nobody on, or remove the line",
            );
            return;
        }
        at = to;
    }
}

/// The `Key:` lines of a queue.
struct Keys {
    entries: Vec<Keyed>,
    /// Of the heading.
    line: usize,
}

impl Keys {
    /// What stands behind this key, and where.
    fn text(&self, key: &str) -> Option<(&str, usize)> {
        let entry = self.entries.iter().find(|entry| normal(&entry.key) == normal(key))?;
        Some((entry.items.first().map_or("", |item| item.text.as_str()), entry.line))
    }

    /// A length of time, `allowed` in seconds.
    fn time(&self, key: &str, usual_s: u64, allowed: (u64, u64), report: &mut Report) -> Duration {
        let usual = Duration::from_secs(usual_s);
        let Some((text, line)) = self.text(key) else { return usual };
        read_time(key, text, line, allowed, report).unwrap_or(usual)
    }
}

fn read_queue(section: &Block, cx: &Context<'_>, report: &mut Report) -> (Queue, usize) {
    let (moving, lines): (Vec<Line>, Vec<Line>) =
        section.lines.iter().cloned().partition(|line| is_overflow(&line.text));
    let keys = Keys { entries: keyed(&lines, &KEYS, report), line: section.line };
    let skills = read_skills(&keys, report);
    let wait_max = read_wait_max(&keys, report);
    let overflow = read_overflow(&section.heading, &moving, wait_max, cx, report);
    let queue = Queue {
        name: QueueName::new(section.heading.clone()),
        spoken: read_spoken(section, &keys, cx, report),
        priority: read_priority(&keys, report),
        strategy: read_strategy(&keys, report),
        answer_within: keys.time("Answer within", 20, (SECOND, HOUR), report),
        offer_for: keys.time("Offer for", 20, (5, 5 * MINUTE), report),
        wrap_up: keys.time("Wrap up", MINUTE, (0, HOUR), report),
        wait_max,
        goes_up_every: read_goes_up(&keys, report),
        overflow,
        relax: read_relax(&keys, &skills, report),
        places: read_places(&keys, report),
        callback: read_callback(&keys, report),
        while_waiting: while_waiting(section, cx, report),
        skills,
    };
    (queue, moving.first().map_or(section.line, |line| line.number))
}

fn read_spoken(section: &Block, keys: &Keys, cx: &Context<'_>, report: &mut Report) -> String {
    let (spoken, line) = keys.text("Spoken").unwrap_or(("", keys.line));
    if spoken.is_empty() {
        report.error(
            section.line,
            format!("the queue `{}` has no spoken name", section.heading),
            "add a line such as `Spoken: our billing team`",
        );
    }
    check_aloud(spoken, line, &cx.written_words, report);
    spoken.to_owned()
}

fn read_priority(keys: &Keys, report: &mut Report) -> u8 {
    let Some((text, line)) = keys.text("Priority") else { return PRIORITY_DEFAULT };
    match text.parse() {
        Ok(priority @ 1..=9) => priority,
        _ => {
            let what = format!("`{text}` is not a priority");
            report.error(line, what, "write a number from 1 (first) to 9");
            PRIORITY_DEFAULT
        }
    }
}

/// `billing 3, cards`: names, each with a level behind it or without.
fn read_skills(keys: &Keys, report: &mut Report) -> Vec<SkillNeed> {
    let Some((text, line)) = keys.text("Skills") else { return Vec::new() };
    let mut skills: Vec<SkillNeed> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (skill, level) = match part.rsplit_once(' ') {
            Some((skill, level)) if level.bytes().all(|b| b.is_ascii_digit()) => {
                (skill.trim(), read_level(level, line, report))
            }
            _ if part.bytes().all(|b| b.is_ascii_digit()) => {
                let what = format!("the level `{part}` has no skill in front of it");
                report.error(line, what, "write it as `billing 3`");
                continue;
            }
            _ => (part, Some(1)),
        };
        if skills.iter().any(|known| known.skill == skill) {
            let what = format!("the skill `{skill}` stands here twice");
            report.error(line, what, "keep one of the two");
        } else if let Some(level) = level {
            skills.push(SkillNeed { skill: skill.to_owned(), level });
        }
    }
    skills
}

fn read_level(text: &str, line: usize, report: &mut Report) -> Option<u8> {
    let level = text.parse().ok().filter(|level| (1..=LEVEL_MAX).contains(level));
    if level.is_none() {
        let what = format!("`{text}` is not a level of a skill");
        report.error(line, what, "write a number from 1 (a beginner) to 5 (an expert)");
    }
    level
}

fn read_strategy(keys: &Keys, report: &mut Report) -> QueueStrategy {
    let Some((text, line)) = keys.text("Strategy") else { return QueueStrategy::default() };
    let found = QueueStrategy::ALL.into_iter().find(|one| one.as_str() == normal(text));
    found.unwrap_or_else(|| {
        let known = QueueStrategy::ALL.map(QueueStrategy::as_str);
        let what = format!("`{text}` is not a way to choose who gets a call");
        report.error(line, what, did_you_mean(text, known, "remove it"));
        QueueStrategy::default()
    })
}

fn read_wait_max(keys: &Keys, report: &mut Report) -> Option<Duration> {
    const KEY: &str = "Longest wait";
    match keys.text(KEY) {
        Some((text, _)) if normal(text) == "no" => None,
        _ => Some(keys.time(KEY, 20 * MINUTE, (30, 8 * HOUR), report)),
    }
}

/// `every 2 minutes`.
fn read_goes_up(keys: &Keys, report: &mut Report) -> Duration {
    const KEY: &str = "Goes up";
    let usual = Duration::from_secs(2 * MINUTE);
    let Some((text, line)) = keys.text(KEY) else { return usual };
    let time = strip_word(text, "every").unwrap_or(text);
    read_time("Goes up: every", time, line, (10, HOUR), report).unwrap_or(usual)
}

fn read_places(keys: &Keys, report: &mut Report) -> usize {
    let Some((text, line)) = keys.text("Places") else { return PLACES_DEFAULT };
    let places = text.parse().ok().filter(|places| (1..=PLACES_MAX).contains(places));
    places.unwrap_or_else(|| {
        let what = format!("`{text}` is not how many callers may wait");
        report.error(line, what, format!("write a number from 1 to {PLACES_MAX}"));
        PLACES_DEFAULT
    })
}

/// `after 1 minute`, or `no`.
fn read_callback(keys: &Keys, report: &mut Report) -> CallbackRule {
    const KEY: &str = "Callback";
    let usual = CallbackRule::After(Duration::from_secs(MINUTE));
    let Some((text, line)) = keys.text(KEY) else { return usual };
    if normal(text) == "no" {
        return CallbackRule::Never;
    }
    let Some(time) = strip_word(text, "after") else {
        let what = format!("`{text}` does not say when a call back is offered");
        report.error(line, what, "write `Callback: after 1 minute`, or `Callback: no`");
        return usual;
    };
    let read = read_time("Callback: after", time, line, (0, 2 * HOUR), report);
    read.map_or(usual, CallbackRule::After)
}

/// `billing to 1 after 60 seconds; cards dropped after 90 seconds`.
fn read_relax(keys: &Keys, skills: &[SkillNeed], report: &mut Report) -> Vec<RelaxRule> {
    let Some((text, line)) = keys.text("Relax") else { return Vec::new() };
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let mut rules: Vec<RelaxRule> =
        parts.filter_map(|part| read_relax_rule(part, line, skills, report)).collect();
    rules.sort_by_key(|rule| rule.after);
    rules
}

fn read_relax_rule(
    part: &str,
    line: usize,
    skills: &[SkillNeed],
    report: &mut Report,
) -> Option<RelaxRule> {
    let split = part.rsplit_once(" after ").and_then(|(what, time)| {
        let what = what.trim();
        match what.strip_suffix(" dropped") {
            Some(skill) => Some((skill.trim(), None, time)),
            None => what.rsplit_once(" to ").map(|(skill, to)| (skill.trim(), Some(to), time)),
        }
    });
    let Some((skill, to, time)) = split else {
        report.error(
            line,
            format!("`{part}` does not say which skill is asked for less, and when"),
            "write it as `billing to 1 after 60 seconds`, or `cards dropped after 90 seconds`",
        );
        return None;
    };
    let Some(need) = skills.iter().find(|need| need.skill == skill) else {
        let known = skills.iter().map(|need| need.skill.as_str());
        let what = format!("`Skills:` does not ask for `{skill}`");
        report.error(line, what, did_you_mean(skill, known, "remove it"));
        return None;
    };
    let to = match to {
        Some(level) => Some(read_level(level.trim(), line, report)?),
        None => None,
    };
    if to.is_some_and(|to| to >= need.level) {
        let what = format!("`{part}` asks for no less than `Skills:` does");
        report.error(line, what, format!("write a level below {}, or `dropped`", need.level));
        return None;
    }
    let after = read_time("Relax: ... after", time, line, (SECOND, 2 * HOUR), report)?;
    Some(RelaxRule { after, skill: skill.to_owned(), to })
}

/// Whether this line says where callers go on waiting: `After 5 minutes: front_desk`.
fn is_overflow(text: &str) -> bool {
    strip_word(text, "after").is_some_and(|rest| rest.contains(':'))
}

fn read_overflow(
    own: &str,
    lines: &[Line],
    wait_max: Option<Duration>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<(Duration, QueueName)> {
    if let Some(second) = lines.get(1) {
        report.error(second.number, "callers are sent on once", "keep one line `After ...:`");
    }
    let first = lines.first()?;
    let line = first.number;
    let (time, to) = strip_word(&first.text, "after")?.split_once(':')?;
    let to = to.trim();
    if !cx.queues.contains(to) || to == own {
        let others = cx.queues.iter().map(String::as_str).filter(|queue| *queue != own);
        let what = format!("there is no other queue `{to}`");
        report.error(line, what, did_you_mean(to, others, "remove the line"));
        return None;
    }
    let after = read_time("After", time.trim(), line, (5, 4 * HOUR), report)?;
    if wait_max.is_some_and(|wait_max| after >= wait_max) {
        report.error(
            line,
            "callers are sent on when their longest wait is over already",
            "give a time that is shorter than `Longest wait:`",
        );
        return None;
    }
    Some((after, QueueName::new(to)))
}

fn while_waiting(section: &Block, cx: &Context<'_>, report: &mut Report) -> Vec<Template> {
    let mut said = Vec::new();
    for block in &section.blocks {
        if normal(&block.heading) != "while waiting" {
            report.error(
                block.line,
                format!("`### {}` does not belong to a queue", block.heading),
                "use `### While waiting`",
            );
            continue;
        }
        let items = block.items(report);
        said = read_all(&items, &Variables::default(), Moment::Before, cx, report);
        check_nameless_variant(&said, "`### While waiting`", block.line, report);
    }
    if said.is_empty() {
        report.warning(
            section.line,
            format!("nothing is said to callers who wait for `{}`", section.heading),
            "add `### While waiting` with a line or two",
        );
    }
    said
}

/// The rest of a text that begins with this word.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.trim().split_once(' ')?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim())
}

/// A length of time within these bounds, in seconds.
fn read_time(
    key: &str,
    text: &str,
    line: usize,
    (low, high): (u64, u64),
    report: &mut Report,
) -> Option<Duration> {
    let Some(time_s) = seconds(text) else {
        let what = format!("`{text}` is not a length of time");
        let colon = if key.contains(':') || key == "After" { "" } else { ":" };
        report.error(line, what, format!("write it as `{key}{colon} 30 seconds` or `2 minutes`"));
        return None;
    };
    if !(low..=high).contains(&time_s) {
        let what = format!("`{text}` is too {}", if time_s < low { "short" } else { "long" });
        let fix = format!("give a time from {} to {}", spoken_time(low), spoken_time(high));
        report.error(line, what, fix);
        return None;
    }
    Some(Duration::from_secs(time_s))
}

/// `90 seconds`, `2 minutes`, `1 hour` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let unit_s = match unit.trim().to_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => SECOND,
        "min" | "minute" | "minutes" => MINUTE,
        "h" | "hour" | "hours" => HOUR,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_s)
}

fn spoken_time(time_s: u64) -> String {
    let (count, unit) = match time_s {
        0 => (0, "second"),
        s if s.is_multiple_of(HOUR) => (s / HOUR, "hour"),
        s if s.is_multiple_of(MINUTE) => (s / MINUTE, "minute"),
        s => (s, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
