//! `patterns.md`: what is said that belongs to no single intent.

use std::collections::BTreeMap;

use super::document::{Block, Document, normal, uninterruptible};
use super::finding::{Report, did_you_mean, listed};
use super::slots::read_slots;
use super::speech::{Context, Moment, Variables, check_nameless_variant, check_uses, read_all};
use super::{Pattern, PatternNeed, Patterns, SlotSpec, Template, VerificationName};

/// Reads `patterns.md`.
pub(super) fn read_patterns(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Patterns {
    document.check_fields(&[], report);
    let mut says = BTreeMap::new();
    let mut verifications = BTreeMap::new();
    let mut uninterruptible = BTreeMap::new();
    for section in &document.sections {
        let name = normal(&section.heading);
        let pattern = Pattern::ALL.into_iter().find(|p| normal(p.heading()) == name);
        if let Some(pattern) = pattern {
            if says.contains_key(&pattern) {
                report.error(
                    section.line,
                    format!("`## {}` stands here twice", section.heading),
                    "put both together under one heading",
                );
            }
            let (variants, why) = read_pattern(pattern, section, cx, report);
            says.insert(pattern, variants);
            uninterruptible.extend(why.map(|why| (pattern, why)));
        } else if let Some(verification) = verification_name(&section.heading) {
            read_verification(verification, section, &mut verifications, cx, report);
        } else {
            let known = Pattern::ALL.iter().map(|pattern| pattern.heading());
            report.error(
                section.line,
                format!("`## {}` is not a pattern", section.heading),
                did_you_mean(&section.heading, known, "remove it"),
            );
        }
    }
    let missing = |need: PatternNeed| {
        let missing = Pattern::ALL.iter().filter(|p| p.need() == need && !says.contains_key(p));
        let headings: Vec<&str> = missing.map(|p| p.heading()).collect();
        (!headings.is_empty())
            .then(|| format!("there is nothing to say on {}", headings.join(", ")))
    };
    if let Some(what) = missing(PatternNeed::Required) {
        let fix = "add a section for each, such as `## No input`, with one or more lines";
        report.error(1, what, fix);
    }
    let question = Pattern::RecordingQuestion;
    if cx.declared.asks_to_record && !says.contains_key(&question) {
        report.error(
            1,
            format!("callers are to be asked, and there is no `## {}`", question.heading()),
            "add the section with a question for yes or no, such as `- May I record this call?`; \
             or have engineers set another `consent` in frontdoor.toml",
        );
    }
    if let Some(what) = missing(PatternNeed::Advised) {
        let fix = "add a section for each, such as `## Frustrated`, with one or more lines";
        report.warning(1, what, fix);
    }
    Patterns { says, uninterruptible, verifications }
}

fn read_pattern(
    pattern: Pattern,
    section: &Block,
    cx: &Context<'_>,
    report: &mut Report,
) -> (Vec<Template>, Option<String>) {
    section.check_no_blocks(report);
    let (lines, why) = uninterruptible(&section.lines, report);
    let items = super::document::items(&lines, report);
    let what = format!("`## {}`", section.heading);
    if items.is_empty() {
        report.error(section.line, format!("{what} is empty"), "write what is said");
    }
    let variables = [pattern.variables(), pattern.optional_variables()].concat();
    let variables = Variables::only(&variables);
    let variants = read_all(&items, &variables, pattern_moment(pattern), cx, report);
    check_uses(&variants, pattern.variables(), &what, report);
    check_nameless_variant(&variants, &what, section.line, report);
    (variants, why)
}

/// Some patterns are said when something of their own has come to an end; the others may be said
/// before any action.
const fn pattern_moment(pattern: Pattern) -> Moment {
    match pattern {
        Pattern::AnythingElse
        | Pattern::Goodbye
        | Pattern::Corrected
        | Pattern::Cancelled
        | Pattern::Verified
        | Pattern::TaskDone
        | Pattern::HandOffCallback
        | Pattern::NobodyFree
        | Pattern::NotPutThrough
        | Pattern::Screening
        | Pattern::CallbackBooked
        | Pattern::CallbackFailed
        | Pattern::LeftLine
        | Pattern::AgentLost
        | Pattern::BackToAgent
        | Pattern::CallingBack => Moment::Apart,
        _ => Moment::Before,
    }
}

fn verification_name(heading: &str) -> Option<&str> {
    let (first, rest) = heading.split_once(' ')?;
    (first.eq_ignore_ascii_case("verify") && !rest.trim().is_empty()).then(|| rest.trim())
}

fn read_verification(
    name: &str,
    section: &Block,
    verifications: &mut BTreeMap<VerificationName, Vec<SlotSpec>>,
    cx: &Context<'_>,
    report: &mut Report,
) {
    let key = VerificationName::new(name);
    let slots = read_slots(section, &Variables::default(), cx, report);
    let Some(signature) = cx.declared.verifications.get(&key) else {
        let known = cx.declared.verifications.keys().map(VerificationName::as_str);
        let none = "remove it: frontdoor.toml declares no verification";
        report.error(
            section.line,
            format!("there is no verification `{name}`"),
            did_you_mean(name, known, none),
        );
        return;
    };
    let has = |wanted: &String| slots.iter().any(|slot| slot.name.as_str() == wanted);
    let missing = signature.slots.iter().filter(|wanted| !has(wanted)).map(String::as_str);
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        report.error(
            section.line,
            format!("`{name}` also checks {}, which nothing asks for", listed(missing.clone())),
            format!("add a block `### {} (...)` below it", missing[0]),
        );
    }
    for slot in slots.iter().filter(|slot| !signature.slots.iter().any(|s| s == slot.name.as_str()))
    {
        let block =
            section.blocks.iter().find(|b| super::slots::slot_name(b) == slot.name.as_str());
        report.error(
            block.map_or(section.line, |block| block.line),
            format!("`{name}` does not check `{}`", slot.name),
            did_you_mean(
                slot.name.as_str(),
                signature.slots.iter().map(String::as_str),
                "remove it",
            ),
        );
    }
    if verifications.insert(key, slots).is_some() {
        report.error(
            section.line,
            format!("`## {}` stands here twice", section.heading),
            "keep one of the two",
        );
    }
}
