//! `intents/*.md`: one thing a caller can want.

use std::collections::{BTreeMap, BTreeSet};

use crate::nlu::{IntentName, SlotKind, SlotName};

use super::document::{Block, Document, Field, Item, bullet, keyed, normal, shortened, split_key};
use super::expand::{Expression, typical_values};
use super::finding::{Report, did_you_mean, listed, nearest};
use super::slots::{misfit, read_slots, said_and_secret};
use super::speech::{
    BUILT_IN_VARIABLES, Context, Moment, Variables, check_aloud, check_nameless_variant, read,
    read_all,
};
use super::template::is_name;
use super::{
    ActionName, ActionSignature, Example, InlineTest, Intent, NotThis, QueueName, Risk, SlotSpec,
    Template, VerificationName,
};

const FIELDS: [&str; 7] = ["intent", "title", "risk", "verify", "action", "handoff", "person"];
const SECTIONS: [&str; 8] = [
    "Callers say",
    "Not this",
    "We need",
    "Confirm",
    "Then say",
    "If it fails",
    "Tell the agent",
    "Tests",
];
const RISKS: [(&str, Risk); 3] =
    [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];

/// Failures that actions report; others are possible, these are spell-checked.
const FAILURES: [&str; 6] =
    ["not found", "unavailable", "timeout", "insufficient funds", "same account", "wrong pin"];

/// Fewer example lines than this cannot be told from other intents at all.
const EXAMPLES_MIN: usize = 5;
/// With fewer example lines than this, callers are noticeably less often understood.
const EXAMPLES_GOOD: usize = 12;

/// The front matter, checked.
struct Settings {
    name: IntentName,
    title: String,
    risk: Risk,
    verify: Option<VerificationName>,
    action: Option<ActionName>,
    handoff: Option<QueueName>,
    to_person: bool,
}

/// Reads one intent file. `stem` is its file's name without `.md`.
pub(super) fn read_intent(
    stem: &str,
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<Intent> {
    document.check_fields(&FIELDS, report);
    document.check_sections(&SECTIONS, report);
    for section in document.sections.iter().filter(|s| normal(&s.heading) != "we need") {
        section.check_no_blocks(report);
    }
    let settings = read_settings(stem, document, cx, report);
    let verify = settings.as_ref().and_then(|s| s.verify.as_ref()).map(VerificationName::as_str);
    let verified = verify.and_then(|name| cx.verifications.get(name)).cloned().unwrap_or_default();
    let (said, secret) = said_and_secret(&verified);
    let before = Variables { known: said, secret, ..Variables::default() };
    let slots = document
        .section("We need")
        .map(|section| read_slots(section, &before, cx, report))
        .unwrap_or_default();
    let action = settings.as_ref().and_then(|s| s.action.as_ref());
    let signature = action.and_then(|name| cx.declared.actions.get(name));
    let wording = read_wording(document, (&slots, &verified), signature, cx, report);
    let (examples, not_this) = read_examples(stem, document, (&slots, &verified), cx, report);
    let tests = document.section("Tests").map(|s| read_tests(s, report)).unwrap_or_default();
    let settings = settings?;
    check_inputs(&settings, signature, (&slots, &verified), document, report);
    check_safety(&settings, signature, document, report);
    check_purpose(&settings, &wording, document, report);
    Some(Intent {
        name: settings.name,
        title: settings.title,
        risk: settings.risk,
        verify: settings.verify,
        action: settings.action,
        handoff: settings.handoff,
        to_person: settings.to_person,
        examples,
        not_this,
        slots,
        confirm: wording.confirm,
        then_say: wording.then_say,
        if_it_fails: wording.if_it_fails,
        tell_the_agent: wording.tell_the_agent,
        tests,
    })
}

fn read_settings(
    stem: &str,
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<Settings> {
    let name = read_name(stem, document, report);
    let title = match document.field("title") {
        Some(field) => {
            check_aloud(&field.value, field.line, &cx.written_words, report);
            field.value.clone()
        }
        None => {
            report.warning(
                1,
                "there is no title, so the file's name is said in \"did you want ...?\"",
                "add `title:` with a few words, such as `title: your balance`",
            );
            stem.replace('_', " ")
        }
    };
    let risk = read_risk(document, report);
    let declared = cx.declared;
    let none = |what: &str| format!("remove the line: frontdoor.toml declares no {what}");
    let verify = document.field("verify").and_then(|field| {
        let known = declared.verifications.keys().map(VerificationName::as_str);
        let known =
            Known { what: "verification", names: known.collect(), none: none("verification") };
        let verify = known.check(field, report)?;
        if !cx.verifications.contains_key(&verify) {
            report.error(
                field.line,
                format!("patterns.md does not say how to ask for `{verify}`"),
                format!("add a section `## Verify {verify}` to patterns.md"),
            );
        }
        Some(VerificationName::new(verify))
    });
    let action = document.field("action").and_then(|field| {
        let known = declared.actions.keys().map(ActionName::as_str);
        let known = Known { what: "action", names: known.collect(), none: none("action") };
        known.check(field, report).map(ActionName::new)
    });
    let handoff = document.field("handoff").and_then(|field| {
        let known = cx.queues.iter().map(String::as_str).collect();
        let none = "add the queue to queues.md".to_owned();
        Known { what: "queue", names: known, none }.check(field, report).map(QueueName::new)
    });
    let to_person = read_person(document, report);
    if to_person && document.field("handoff").is_none() {
        report.error(
            1,
            "the caller is to get a person, but nothing says who",
            "add `handoff:` with a queue from queues.md",
        );
    }
    Some(Settings { name: name?, title, risk: risk?, verify, action, handoff, to_person })
}

/// The names that a setting may have.
struct Known<'a> {
    what: &'static str,
    names: Vec<&'a str>,
    none: String,
}

impl Known<'_> {
    fn check(&self, field: &Field, report: &mut Report) -> Option<String> {
        if self.names.contains(&field.value.as_str()) {
            return Some(field.value.clone());
        }
        report.error(
            field.line,
            format!("there is no {} `{}`", self.what, field.value),
            did_you_mean(&field.value, self.names.iter().copied(), &self.none),
        );
        None
    }
}

fn read_name(stem: &str, document: &Document, report: &mut Report) -> Option<IntentName> {
    let Some(field) = document.field("intent") else {
        report.error(
            1,
            "the file does not say which intent it is",
            format!("put `intent: {stem}` between two lines of `---` at the top"),
        );
        return None;
    };
    if !is_name(&field.value) {
        report.error(
            field.line,
            format!("`{}` cannot be the name of an intent", field.value),
            "use lowercase letters, digits and `_`",
        );
    } else if field.value != stem {
        report.error(
            field.line,
            format!("the intent `{}` stands in the file {stem}.md", field.value),
            format!("write `intent: {stem}`, or rename the file to {}.md", field.value),
        );
    }
    Some(IntentName::new(field.value.clone()))
}

fn read_risk(document: &Document, report: &mut Report) -> Option<Risk> {
    let Some(field) = document.field("risk") else {
        report.error(
            1,
            "the file does not say how much harm a mistake does",
            "add `risk: low`, `risk: medium` (private) or `risk: high` (money or access)",
        );
        return None;
    };
    let found = RISKS.iter().find(|(word, _)| *word == field.value);
    if found.is_none() {
        let fix = did_you_mean(&field.value, RISKS.iter().map(|(word, _)| *word), "remove it");
        report.error(field.line, format!("`{}` is not a risk", field.value), fix);
    }
    found.map(|(_, risk)| *risk)
}

fn read_person(document: &Document, report: &mut Report) -> bool {
    let Some(field) = document.field("person") else { return false };
    if !matches!(field.value.as_str(), "yes" | "no") {
        let what = format!("`person: {}` is not clear", field.value);
        report.error(field.line, what, "write `person: yes` or `person: no`");
    }
    field.value == "yes"
}

/// What the intent says.
struct Wording {
    confirm: Vec<Template>,
    then_say: Vec<Template>,
    if_it_fails: BTreeMap<String, Template>,
    tell_the_agent: Option<Template>,
}

fn read_wording(
    document: &Document,
    (slots, verified): (&[SlotSpec], &[SlotSpec]),
    action: Option<&ActionSignature>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Wording {
    let (mut known, mut secret) = said_and_secret(verified);
    let (own, own_secret) = said_and_secret(slots);
    known.extend(own);
    secret.extend(own_secret);
    let outputs: BTreeSet<String> =
        action.map(|action| action.outputs.iter().cloned().collect()).unwrap_or_default();
    let after =
        Variables { known: &known | &outputs, secret: secret.clone(), ..Variables::default() };
    let before = Variables { known, secret, from_action: outputs, ..Variables::default() };
    let then = match (action, document.field("action")) {
        (Some(action), _) if action.changes_state => Moment::AfterChange,
        (Some(_), _) => Moment::AfterLookup,
        // The action is unknown and reported as such.
        (None, Some(_)) => Moment::Apart,
        (None, None) => Moment::WithoutResult,
    };
    let mut say = |heading: &str, variables: &Variables, moment: Moment| {
        let Some(section) = document.section(heading) else { return Vec::new() };
        let items = section.items(report);
        if items.is_empty() {
            let what = format!("`## {}` is empty", section.heading);
            report.error(section.line, what, "write what is said, or remove the heading");
        }
        let said = read_all(&items, variables, moment, cx, report);
        let what = format!("`## {}`", section.heading);
        check_nameless_variant(&said, &what, section.line, report);
        said
    };
    let confirm = say("Confirm", &before, Moment::Before);
    let then_say = say("Then say", &after, then);
    let tell_the_agent = document.section("Tell the agent").and_then(|section| {
        let items = section.items(report);
        if let Some(second) = items.get(1) {
            report.error(second.line, "the agent gets one line only", "join both into one");
        }
        read(items.first()?, &after, Moment::Written, cx, report)
    });
    let changes = action.is_some_and(|action| action.changes_state);
    let if_it_fails = document
        .section("If it fails")
        .map(|section| read_failures(section, &before, changes_of(changes), cx, report))
        .unwrap_or_default();
    Wording { confirm, then_say, if_it_fails, tell_the_agent }
}

/// What is known after a timeout depends on what the action does.
const fn changes_of(changes_state: bool) -> Moment {
    if changes_state { Moment::AfterTimeout } else { Moment::WithoutResult }
}

fn read_failures(
    section: &Block,
    variables: &Variables,
    after_timeout: Moment,
    cx: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<String, Template> {
    let mut failures = BTreeMap::new();
    for entry in keyed(&section.lines, &[], report) {
        let word = normal(&entry.key);
        let known = FAILURES.contains(&word.as_str());
        if let (false, Some(near)) = (known, nearest(&word, FAILURES)) {
            let what = format!("no action fails with `{word}` as far as is known");
            report.warning(entry.line, what, format!("did you mean `{near}`?"));
        }
        let (Some(first), None) = (entry.items.first(), entry.items.get(1)) else {
            report.error(
                entry.line,
                format!("`{word}:` needs exactly one sentence"),
                format!("write it as `{word}: I can't do that right now.`"),
            );
            continue;
        };
        let moment = if word == "timeout" { after_timeout } else { Moment::WithoutResult };
        if let Some(template) = read(first, variables, moment, cx, report) {
            check_nameless_variant(
                std::slice::from_ref(&template),
                &format!("`{word}:`"),
                first.line,
                report,
            );
            failures.insert(word, template);
        }
    }
    if after_timeout == Moment::AfterTimeout && !failures.contains_key("timeout") {
        report.warning(
            section.line,
            "nothing is said for when it stays unknown whether the action went through",
            "add `timeout: I can't tell whether that went through.`",
        );
    }
    failures
}

fn read_examples(
    stem: &str,
    document: &Document,
    (slots, verified): (&[SlotSpec], &[SlotSpec]),
    cx: &Context<'_>,
    report: &mut Report,
) -> (Vec<Example>, Vec<NotThis>) {
    let kinds = slots.iter().chain(verified).map(|slot| (slot.name.as_str(), &slot.kind));
    let mut stand_ins = StandIns::new(kinds);
    let says = document.section("Callers say");
    let lines = says.map(|section| section.items(report)).unwrap_or_default();
    check_count(lines.len(), says.map_or(1, |section| section.line), report);
    let mut examples: Vec<Example> = Vec::new();
    for item in &lines {
        for text in expand(item, &mut stand_ins, report) {
            if !examples.iter().any(|example| example.text == text) {
                examples.push(Example { text, line: item.line });
            }
        }
    }
    let mut not_this = Vec::new();
    let lines = document.section("Not this").map(|section| section.items(report));
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
    for line in &not_this {
        let same = |example: &&Example| plain_words(&example.text) == plain_words(&line.text);
        if let Some(example) = examples.iter().find(same) {
            report.error(
                line.line,
                format!("\"{}\" is also what callers say, on line {}", line.text, example.line),
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

/// Typical values for the slots of one file, handed out in turn.
struct StandIns {
    values: BTreeMap<String, (Vec<String>, usize)>,
}

impl StandIns {
    fn new<'a>(slots: impl Iterator<Item = (&'a str, &'a SlotKind)>) -> Self {
        let values = slots.map(|(name, kind)| (name.to_owned(), (typical_values(kind, name), 0)));
        Self { values: values.collect() }
    }

    fn next(&mut self, name: &str) -> String {
        match self.values.get_mut(name) {
            Some((values, turn)) if !values.is_empty() => {
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

fn read_tests(section: &Block, report: &mut Report) -> Vec<InlineTest> {
    let mut tests: Vec<(InlineTest, bool)> = Vec::new();
    for line in section.lines.iter().filter(|line| !line.text.is_empty()) {
        let text = bullet(&line.text).unwrap_or(&line.text);
        let (key, value) = split_key(text).unwrap_or((text, ""));
        match (normal(key).as_str(), tests.last_mut()) {
            ("caller", _) if !value.is_empty() => tests.push((
                InlineTest {
                    caller: value.to_owned(),
                    intent: None,
                    slots: Vec::new(),
                    line: line.number,
                },
                false,
            )),
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

/// Everything that the action needs must be asked for somewhere.
fn check_inputs(
    settings: &Settings,
    action: Option<&ActionSignature>,
    (slots, verified): (&[SlotSpec], &[SlotSpec]),
    document: &Document,
    report: &mut Report,
) {
    let (Some(action), Some(name)) = (action, &settings.action) else { return };
    let line = document.field("action").map_or(1, |field| field.line);
    let has = |input: &str| slots.iter().chain(verified).any(|slot| slot.name.as_str() == input);
    let missing: Vec<&str> =
        action.inputs.iter().map(String::as_str).filter(|input| !has(input)).collect();
    if !missing.is_empty() {
        report.error(
            line,
            format!("`{name}` needs {}, and nothing asks for it", listed(missing.clone())),
            format!("add a block `### {} (...)` under `## We need`", missing[0]),
        );
    }
    for slot in slots.iter().filter(|slot| BUILT_IN_VARIABLES.contains(&slot.name.as_str())) {
        report.error(
            line,
            format!("`{}` has a meaning of its own and cannot be a slot", slot.name),
            "give the slot another name",
        );
    }
}

fn check_safety(
    settings: &Settings,
    action: Option<&ActionSignature>,
    document: &Document,
    report: &mut Report,
) {
    let high = settings.risk == Risk::High;
    let changes = action.is_some_and(|action| action.changes_state);
    let line = |key: &str| document.field(key).map_or(1, |field| field.line);
    let has_confirm = document.section("Confirm").is_some();
    if high && !has_confirm {
        report.error(
            line("risk"),
            "this is high risk, and the caller is not asked to confirm",
            "add a section `## Confirm` that says what is going to be done",
        );
    } else if changes && !has_confirm {
        report.error(
            line("action"),
            "this action changes something, and the caller is not asked to confirm",
            "add a section `## Confirm` that says what is going to be done",
        );
    }
    if high && document.field("verify").is_none() {
        report.error(
            line("risk"),
            "this is high risk, and nobody checks who is calling",
            "add `verify:` with a verification, such as `verify: account_pin`",
        );
    }
    if changes && settings.risk == Risk::Low {
        report.warning(
            line("risk"),
            "the risk is low, but the action changes something",
            "write `risk: medium` or `risk: high`",
        );
    }
}

fn check_purpose(settings: &Settings, wording: &Wording, document: &Document, report: &mut Report) {
    let speaks = document.section("Then say").is_some();
    let acts = document.field("action").is_some();
    let hands_over = document.field("handoff").is_some();
    if acts && !speaks {
        report.error(
            1,
            "nothing is said when the action has succeeded",
            "add a section `## Then say`",
        );
    } else if !acts && !speaks && !hands_over && !settings.to_person {
        report.error(
            1,
            "this intent does nothing",
            "add `action:`, `handoff:` or a section `## Then say`",
        );
    }
    if acts && !hands_over && wording.if_it_fails.is_empty() {
        report.warning(
            1,
            "nothing is said or done when the action fails",
            "add a section `## If it fails`, and `handoff:` with a queue",
        );
    }
    if !acts && document.section("If it fails").is_some() {
        let line = document.section("If it fails").map_or(1, |section| section.line);
        let what = "nothing can fail here, because there is no action";
        report.warning(line, what, "remove the section, or add `action:`");
    }
}
