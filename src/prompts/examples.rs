//! What callers say, in an intent file: examples, things that only sound like it, and tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::nlu::{IntentName, SlotKind, SlotName};

use super::document::{Block, Document, Item, bullet, normal, shortened, split_key};
use super::expand::{Expression, typical_values};
use super::finding::{Report, did_you_mean};
use super::slots::misfit;
use super::speech::Context;
use super::template::date;
use super::{Example, InlineTest, NotThis, SlotSpec, is_answer};

/// Fewer example lines than this cannot be told from other intents at all.
const EXAMPLES_MIN: usize = 5;
/// With fewer example lines than this, callers are noticeably less often understood.
const EXAMPLES_GOOD: usize = 12;

pub(super) fn read_examples(
    stem: &str,
    document: &Document,
    (slots, verified): (&[SlotSpec], &[SlotSpec]),
    cx: &Context<'_>,
    report: &mut Report,
) -> (Vec<Example>, Vec<NotThis>) {
    let kinds = slots.iter().chain(verified).map(|slot| (slot.name.as_str(), &slot.kind));
    let mut stand_ins = StandIns::new(kinds);
    let says = document.section("Callers say");
    let lines = says.map(|section| section.list(report)).unwrap_or_default();
    check_count(lines.len(), says.map_or(1, |section| section.line), report);
    let mut examples: Vec<Example> = Vec::new();
    let mut seen = BTreeSet::new();
    for item in &lines {
        for text in expand(item, &mut stand_ins, report) {
            if seen.insert(text.clone()) {
                examples.push(Example { text, line: item.line });
            }
        }
    }
    let mut not_this = Vec::new();
    let lines = document.section("Not this").map(|section| section.list(report));
    for item in lines.unwrap_or_default() {
        let (text, intent) = match item.text.split_once("->") {
            Some((text, intent)) => (text.trim(), Some(intent.trim())),
            None => (item.text.as_str(), None),
        };
        let own = Item { text: text.to_owned(), line: item.line };
        let intent = intent.and_then(|name| other_intent(name, stem, item.line, cx, report));
        for text in expand(&own, &mut stand_ins, report) {
            not_this.push(NotThis { text, intent: intent.clone(), line: item.line });
        }
    }
    let said: BTreeMap<String, usize> =
        examples.iter().map(|example| (plain_words(&example.text), example.line)).collect();
    for line in &not_this {
        if let Some(example_line) = said.get(&plain_words(&line.text)) {
            report.error(
                line.line,
                format!("\"{}\" is also what callers say, on line {example_line}", line.text),
                "remove it from one of the two",
            );
        }
    }
    (examples, not_this)
}

fn check_count(count: usize, line: usize, report: &mut Report) {
    let what = format!("there are {count} lines of what callers say");
    let fix = |wanted: usize| {
        format!("add more, as differently worded as callers do, to have at least {wanted}")
    };
    if count < EXAMPLES_MIN {
        report.error(line, what, fix(EXAMPLES_MIN));
    } else if count < EXAMPLES_GOOD {
        report.warning(line, what, fix(EXAMPLES_GOOD));
    }
}

fn other_intent(
    name: &str,
    own: &str,
    line: usize,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<IntentName> {
    if name == own {
        let fix = "name another intent after `->`, or move the line to `## Callers say`";
        report.error(line, format!("`-> {name}` is this intent itself"), fix);
        return None;
    }
    if !cx.intents.contains(name) {
        let known = cx.intents.iter().map(String::as_str).filter(|known| *known != own);
        let fix = did_you_mean(name, known, "leave `->` and what follows out");
        report.error(line, format!("there is no intent `{name}`"), fix);
        return None;
    }
    Some(IntentName::new(name))
}

/// Typical values for the slots of one file, handed out in turn. Slots with the same values take
/// turns with each other, so that "from {this} to {that}" names two different ones.
struct StandIns {
    values: BTreeMap<String, Vec<String>>,
    turns: BTreeMap<Vec<String>, usize>,
}

impl StandIns {
    fn new<'a>(slots: impl Iterator<Item = (&'a str, &'a SlotKind)>) -> Self {
        let values = slots.map(|(name, kind)| (name.to_owned(), typical_values(kind, name)));
        Self { values: values.collect(), turns: BTreeMap::new() }
    }

    fn next(&mut self, name: &str) -> String {
        match self.values.get(name) {
            Some(values) if !values.is_empty() => {
                let turn = self.turns.entry(values.clone()).or_default();
                let value = values[*turn % values.len()].clone();
                *turn += 1;
                value
            }
            _ => name.replace('_', " "),
        }
    }
}

fn expand(item: &Item, stand_ins: &mut StandIns, report: &mut Report) -> Vec<String> {
    let expression = match Expression::parse(&item.text) {
        Ok(expression) => expression,
        Err(error) => {
            report.error(item.line, error.to_string(), error.fix());
            return Vec::new();
        }
    };
    let unknown = expression.slots().into_iter().find(|slot| !stand_ins.values.contains_key(*slot));
    if let Some(slot) = unknown {
        let known = stand_ins.values.keys().map(String::as_str);
        let fix = did_you_mean(slot, known, "write the words out, or add it under `## We need`");
        report.error(item.line, format!("`{{{slot}}}` is not something we need here"), fix);
        return Vec::new();
    }
    expression.expand(&mut |name| stand_ins.next(name))
}

/// The words alone, for comparing what callers say.
pub(super) fn plain_words(text: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || c.is_whitespace();
    let text: String = text.to_lowercase().replace('-', " ").chars().filter(|c| kept(*c)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn read_tests(section: &Block, report: &mut Report) -> Vec<InlineTest> {
    let mut tests: Vec<(InlineTest, bool)> = Vec::new();
    let mut today = None;
    for line in section.lines.iter().filter(|line| !line.text.is_empty()) {
        let text = bullet(&line.text).unwrap_or(&line.text);
        let (key, value) = split_key(text).unwrap_or((text, ""));
        match (normal(key).as_str(), tests.last_mut()) {
            ("caller", _) if !value.is_empty() => tests.push((
                InlineTest {
                    caller: value.to_owned(),
                    intent: None,
                    slots: Vec::new(),
                    today,
                    line: line.number,
                },
                false,
            )),
            ("today", None) => today = read_today(value, line.number, report),
            ("today", Some(_)) => report.error(
                line.number,
                "`today:` stands below a test, but is for all tests of the file",
                "put it right below `## Tests`",
            ),
            ("intent", Some((test, has_intent))) if !value.is_empty() => {
                *has_intent = true;
                test.intent = (value != "none").then(|| IntentName::new(value));
            }
            ("slots", Some((test, _))) => {
                test.slots = read_test_slots(value, line.number, report);
            }
            ("intent" | "slots", None) => report.error(
                line.number,
                "the test does not start with what the caller says",
                "put a line `- caller: ...` above it",
            ),
            _ => report.error(
                line.number,
                format!("`{}` is not a line of a test", shortened(&line.text)),
                "use `- caller: ...`, and below it `intent: ...` and `slots: name=value`",
            ),
        }
    }
    for (test, _) in tests.iter().filter(|(_, has_intent)| !has_intent) {
        report.error(
            test.line,
            "the test does not say what is to be understood",
            "add `intent:` with an intent's name, or `intent: none`",
        );
    }
    tests.into_iter().map(|(test, _)| test).collect()
}

/// The day on which the tests of a file are said, so that "on July fourth" stays the same date.
fn read_today(text: &str, line: usize, report: &mut Report) -> Option<(i32, u8, u8)> {
    let parsed = || {
        date(text)?;
        let mut fields = text.split('-');
        let year = fields.next()?.parse().ok()?;
        let month = fields.next()?.parse().ok()?;
        let day = fields.next()?.parse().ok()?;
        Some((year, month, day))
    };
    let today = parsed();
    if today.is_none() {
        let what = format!("`today: {}` is not a day", shortened(text));
        report.error(line, what, "write it like `today: 2026-03-11`");
    }
    today
}

fn read_test_slots(text: &str, line: usize, report: &mut Report) -> Vec<(SlotName, String)> {
    let mut slots = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                slots.push((SlotName::new(name), value.to_owned()));
            }
            _ => report.error(
                line,
                format!("`{pair}` is not a slot with its value"),
                "write it as `name=value`, with a comma before the next",
            ),
        }
    }
    slots
}

/// Writes the answer that a test names (`faq: do you have parking`) as the profile does, however
/// it is capitalised and punctuated there.
pub(super) fn name_answer(test: &mut InlineTest, answers: &[IntentName]) {
    let Some(name) = test.intent.as_mut().filter(|name| is_answer(name)) else { return };
    let wanted = plain_words(name.as_str());
    if let Some(answer) = answers.iter().find(|answer| plain_words(answer.as_str()) == wanted) {
        name.clone_from(answer);
    }
}

/// Checks a test against the intent it names. `slots` are that intent's.
pub(super) fn check_test_slots(test: &InlineTest, slots: &[&SlotSpec], report: &mut Report) {
    for (name, value) in &test.slots {
        match slots.iter().find(|slot| slot.name == *name) {
            None => {
                let known = slots.iter().map(|slot| slot.name.as_str());
                let fix = did_you_mean(name.as_str(), known, "remove it: the intent has no slots");
                report.error(test.line, format!("the test's intent has no slot `{name}`"), fix);
            }
            Some(slot) => {
                if let Some(fix) = misfit(&slot.kind, value) {
                    let what = format!("`{value}` can never be the value of `{name}`");
                    report.error(test.line, what, fix);
                }
            }
        }
    }
}
