//! `intents/*.md`: one thing a caller can want.

use std::collections::{BTreeMap, BTreeSet};

use crate::nlu::IntentName;

use super::cues::{check_cues, learn_cues};
use super::document::{Block, Document, Field, keyed, normal};
use super::examples::{read_examples, read_tests};
use super::finding::{Report, did_you_mean, listed, nearest};
use super::slots::{read_slots, said_and_secret};
use super::speech::{
    BUILT_IN_VARIABLES, Context, Moment, Variables, check_aloud, check_nameless_variant, read,
    read_all,
};
use super::template::is_name;
use super::{
    ActionName, ActionSignature, Intent, PersonRule, QueueName, Risk, SlotSpec, Template,
    VerificationName,
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

/// The front matter, checked.
struct Settings {
    name: IntentName,
    title: String,
    risk: Risk,
    verify: Option<VerificationName>,
    action: Option<ActionName>,
    handoff: Option<QueueName>,
    person: PersonRule,
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
    let mut slots = document
        .section("We need")
        .map(|section| read_slots(section, &before, cx, report))
        .unwrap_or_default();
    learn_cues(&mut slots, document.section("Callers say"));
    check_cues(&slots, document.section("Callers say"), report);
    let action = settings.as_ref().and_then(|s| s.action.as_ref());
    let signature = action.and_then(|name| cx.declared.actions.get(name));
    let wording = read_wording(document, (&slots, &verified), signature, cx, report);
    let (examples, not_this) = read_examples(stem, document, (&slots, &verified), cx, report);
    let tests = document.section("Tests").map(|s| read_tests(s, report)).unwrap_or_default();
    let settings = settings?;
    check_inputs(&settings, signature, (&slots, &verified), document, report);
    check_safety(&settings, signature, document, report);
    check_purpose(&settings, &wording, document, report);
    check_use(&settings, &slots, document, report);
    Some(Intent {
        name: settings.name,
        title: settings.title,
        risk: settings.risk,
        verify: settings.verify,
        action: settings.action,
        handoff: settings.handoff,
        person: settings.person,
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
    let person = read_person(document, report);
    if person != PersonRule::IfNeeded && document.field("handoff").is_none() {
        report.error(
            1,
            "the caller is to get a person, but nothing says who",
            "add `handoff:` with a queue from queues.md",
        );
    }
    Some(Settings { name: name?, title, risk: risk?, verify, action, handoff, person })
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
        let fix = if is_name(stem) {
            format!("write `intent: {stem}`, or rename the file to {}.md", field.value)
        } else {
            // `balance-copy` cannot be the name of an intent.
            format!("rename the file to {}.md, or remove it if it's a copy", field.value)
        };
        let what = format!("the intent `{}` stands in the file {stem}.md", field.value);
        report.error(field.line, what, fix);
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

fn read_person(document: &Document, report: &mut Report) -> PersonRule {
    let Some(field) = document.field("person") else { return PersonRule::IfNeeded };
    match field.value.as_str() {
        "yes" => PersonRule::AtOnce,
        "afterwards" => {
            if document.field("action").is_some() {
                report.error(
                    field.line,
                    "an intent with an action goes to a person only when the action fails",
                    "remove `person: afterwards`, or remove `action:`",
                );
            }
            PersonRule::Afterwards
        }
        "no" => PersonRule::IfNeeded,
        other => {
            let what = format!("`person: {other}` is not clear");
            let fix = "write `person: yes` (at once), `person: afterwards` (once everything is \
                       asked and said), or `person: no`";
            report.error(field.line, what, fix);
            PersonRule::IfNeeded
        }
    }
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
    if action.gives_list {
        report.error(
            line,
            format!("`{name}` gives a list of names, which is nothing to tell a caller"),
            "name it behind `Check against:` in a slot, and another action here",
        );
    }
    let has = |input: &str| slots.iter().chain(verified).any(|slot| slot.name.as_str() == input);
    let missing: Vec<&str> =
        action.inputs.iter().map(String::as_str).filter(|input| !has(input)).collect();
    if !missing.is_empty() {
        report.error(
            line,
            format!("`{name}` needs {}, which nothing asks for", listed(missing.clone())),
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
    } else if !acts && !speaks && !hands_over && settings.person == PersonRule::IfNeeded {
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

/// What callers are asked for must go somewhere: into an action, or to people.
fn check_use(settings: &Settings, slots: &[SlotSpec], document: &Document, report: &mut Report) {
    let (Some(need), Some(_)) = (document.section("We need"), document.section("Then say")) else {
        return;
    };
    let goes = document.field("action").is_some() || settings.person != PersonRule::IfNeeded;
    if !slots.is_empty() && !goes {
        report.warning(
            need.line,
            "nothing is done with what is asked for: there is neither `action:` nor `person:`",
            "add `person: afterwards` with `handoff:`, for people to get it, or `action:`",
        );
    }
}
