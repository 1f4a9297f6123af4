//! `## Ticket greeting` of `house.md`: what is said to callers who have an open ticket, in place of
//! the greeting.

use crate::nlu::IntentName;

use super::document::{Block, Document, Item, Keyed, keyed, normal};
use super::finding::{Report, did_you_mean};
use super::not_by_phone::read_queue;
use super::speech::{Context, Moment, Variables, check_nameless_variant, check_uses, read_all};
use super::{Template, TicketGreeting, TicketLead};

/// Its heading in `house.md`.
pub(super) const HEADING: &str = "Ticket greeting";

const KEYS: [&str; 4] = ["Ask", "If not", "Yes means", "Queue"];

/// What an open ticket is about, as the caller's record has it.
const SUBJECT: &str = "caller_ticket_subject";

/// Reads the section, if there is one.
pub(super) fn read_ticket_greeting(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<TicketGreeting> {
    let section = document.section(HEADING)?;
    section.check_no_blocks(report);
    if !cx.declared.tells_ticket {
        report.warning(
            section.line,
            "this is never said: nothing tells what tickets of callers are about",
            "have engineers set `ticket_subject` below [caller_lookup] in frontdoor.toml, or \
             remove the section",
        );
    }
    let entries = keyed(&section.lines, &KEYS, report);
    let entry = |key: &str| entries.iter().find(|entry| normal(&entry.key) == normal(key));
    let ask = read_question(section, entry("Ask"), cx, report);
    let otherwise = read_otherwise(section, entry("If not"), cx, report);
    let lead = read_lead(section, entry("Yes means"), entry("Queue"), cx, report)?;
    Some(TicketGreeting { ask, otherwise, lead })
}

fn read_question(
    section: &Block,
    ask: Option<&Keyed>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Vec<Template> {
    let items = ask.map_or(&[][..], |entry| &entry.items);
    if items.is_empty() {
        report.error(
            section.line,
            format!("`## {HEADING}` asks nothing"),
            format!("add a line `Ask: Hello, are you calling about {{{SUBJECT}}}?`"),
        );
    }
    for item in items.iter().filter(|item| !item.text.trim_end().ends_with('?')) {
        report.error(
            item.line,
            "this is no question that a yes or a no would answer",
            "end it with the question, and with `?`",
        );
    }
    let variables = Variables::only(&[SUBJECT]);
    let variants = read_all(items, &variables, Moment::Before, cx, report);
    check_uses(&variants, &[SUBJECT], "the question", report);
    variants
}

fn read_otherwise(
    section: &Block,
    otherwise: Option<&Keyed>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Vec<Template> {
    let items = otherwise.map_or(&[][..], |entry| &entry.items);
    if items.is_empty() {
        report.error(
            otherwise.map_or(section.line, |entry| entry.line),
            "there is nothing to say to callers who call about something else",
            "add a line `If not: Okay. What can I do for you?`",
        );
    }
    let variants = read_all(items, &Variables::default(), Moment::Before, cx, report);
    check_nameless_variant(&variants, "`If not:`", section.line, report);
    variants
}

fn read_lead(
    section: &Block,
    intent: Option<&Keyed>,
    queue: Option<&Keyed>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<TicketLead> {
    match (intent, queue) {
        (Some(intent), None) => read_intent(intent, cx, report).map(TicketLead::Intent),
        (None, Some(queue)) => read_queue(queue, cx, report).map(TicketLead::Queue),
        (None, None) => {
            report.error(
                section.line,
                "nothing says what a yes leads to",
                "add a line `Queue:` with the queue of those who see to tickets, or `Yes means:` \
                 with an intent",
            );
            None
        }
        (Some(_), Some(queue)) => {
            report.error(queue.line, "a yes leads to one thing only", "keep one of the two lines");
            None
        }
    }
}

fn read_intent(entry: &Keyed, cx: &Context<'_>, report: &mut Report) -> Option<IntentName> {
    let Item { text, line } = entry.items.first()?;
    if cx.intents.contains(text) {
        return Some(IntentName::new(text.clone()));
    }
    let known = cx.intents.iter().map(String::as_str);
    let fix = did_you_mean(text, known, "add the intent to intents/");
    report.error(*line, format!("there is no intent `{text}`"), fix);
    None
}
