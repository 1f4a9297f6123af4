//! `## Not by phone` of `house.md`: what the organisation does and does not do by phone.

use super::document::{Block, Document, Item, Keyed, keyed, normal};
use super::finding::{Report, did_you_mean};
use super::house::expand_plain;
use super::speech::{Context, Moment, Variables, check_aloud, check_nameless_variant, read};
use super::{Example, NotByPhone, QueueName, Template};

/// Its heading in `house.md`.
pub(super) const HEADING: &str = "Not by phone";

const KEYS: [&str; 3] = ["Say", "Queue", "Callers say"];

/// Fewer lines than this cannot be told from what is done by phone.
const EXAMPLES_MIN: usize = 3;

/// Reads the section, if there is one.
pub(super) fn read_not_by_phone(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Vec<NotByPhone> {
    let Some(section) = document.section(HEADING) else { return Vec::new() };
    if let Some(line) = section.lines.iter().find(|line| !line.text.is_empty()) {
        report.error(
            line.number,
            format!("this line of `## {HEADING}` belongs to nothing"),
            "put a heading above it that names what it is about, such as `### a mortgage`",
        );
    }
    let mut entries: Vec<NotByPhone> = Vec::new();
    for block in &section.blocks {
        if entries.iter().any(|entry| normal(&entry.title) == normal(&block.heading)) {
            let what = format!("`### {}` stands here twice", block.heading);
            report.error(block.line, what, "put both together under one heading");
            continue;
        }
        entries.extend(read_entry(block, cx, report));
    }
    entries
}

fn read_entry(block: &Block, cx: &Context<'_>, report: &mut Report) -> Option<NotByPhone> {
    check_aloud(&block.heading, block.line, &cx.written_words, report);
    let entries = keyed(&block.lines, &KEYS, report);
    let entry = |key: &str| entries.iter().find(|entry| normal(&entry.key) == normal(key));
    let examples = read_examples(block, entry("Callers say"), report);
    let queue = entry("Queue").and_then(|entry| read_queue(entry, cx, report));
    let answer = read_answer(block, entry("Say"), cx, report)?;
    Some(NotByPhone { title: block.heading.clone(), examples, answer, queue })
}

fn read_answer(
    block: &Block,
    say: Option<&Keyed>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<Template> {
    let items = say.map_or(&[][..], |entry| &entry.items);
    let Some(first) = items.first() else {
        report.error(
            block.line,
            format!("`### {}` has no answer", block.heading),
            "add a line `Say:` that tells where to get it",
        );
        return None;
    };
    if let Some(second) = items.get(1) {
        report.error(second.line, "there is one answer only", "join both into one");
    }
    let answer = read(first, &Variables::default(), Moment::WithoutResult, cx, report)?;
    check_nameless_variant(std::slice::from_ref(&answer), "the answer", first.line, report);
    Some(answer)
}

fn read_examples(block: &Block, says: Option<&Keyed>, report: &mut Report) -> Vec<Example> {
    let items = says.map_or(&[][..], |entry| &entry.items);
    if items.len() < EXAMPLES_MIN {
        report.error(
            says.map_or(block.line, |entry| entry.line),
            format!("there are {} lines of what callers say about it", items.len()),
            format!("add more below `Callers say:`, to have at least {EXAMPLES_MIN}"),
        );
    }
    let mut examples: Vec<Example> = Vec::new();
    for item in items {
        for text in expand_plain(item, report) {
            if !examples.iter().any(|example| example.text == text) {
                examples.push(Example { text, line: item.line });
            }
        }
    }
    examples
}

/// The queue that a line names.
pub(super) fn read_queue(
    entry: &Keyed,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<QueueName> {
    let Item { text, line } = entry.items.first()?;
    if cx.queues.contains(text) {
        return Some(QueueName::new(text.clone()));
    }
    let known = cx.queues.iter().map(String::as_str);
    let fix = did_you_mean(text, known, "add the queue to queues.md");
    report.error(*line, format!("there is no queue `{text}`"), fix);
    None
}
