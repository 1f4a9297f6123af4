//! `house.md`, `words.md` and `faq.md`: who answers, how names are said, questions and answers.

use std::collections::BTreeSet;

use super::document::{
    Block, Document, Item, Line, bullet, foreign_bullet, keyed, normal, split_key, uninterruptible,
};
use super::expand::Expression;
use super::finding::{Report, nearest};
use super::speech::{
    Context, Moment, Variables, check_aloud, check_nameless_variant, read, read_all,
};
use super::{FaqEntry, GlobalWords, House, Template, Words, not_by_phone, ticket};

const HOUSE_SECTIONS: [&str; 11] = [
    "Greeting",
    ticket::HEADING,
    "Disclosure",
    "Agent words",
    "Repeat words",
    "Stop words",
    "Goodbye words",
    "How long words",
    "Call back words",
    "Leave words",
    not_by_phone::HEADING,
];

/// Reads `house.md`.
pub(super) fn read_house(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<House> {
    document.check_fields(&["name", "voice", "language"], report);
    document.check_sections(&HOUSE_SECTIONS, report);
    let value = |key: &str| document.field(key).map(|field| field.value.clone());
    let name = value("name");
    if name.is_none() {
        report.error(
            1,
            "the organisation has no name",
            "put `name: Harbor Bank` between two lines of `---` at the top",
        );
    }
    if let Some(field) = document.field("name") {
        check_aloud(&field.value, field.line, &cx.written_words, report);
    }
    let greeting = greeting(document, cx, report);
    let (disclosure, disclosure_uninterruptible) = disclosure(document, cx, report);
    let global_words = GlobalWords {
        agent: global_words("Agent words", "agent, operator", document, report),
        repeat: global_words("Repeat words", "repeat that, say that again", document, report),
        stop: global_words("Stop words", "stop, never mind", document, report),
        goodbye: global_words("Goodbye words", "goodbye, that's all", document, report),
        how_long: more_words("How long words", document, report),
        call_back: more_words("Call back words", document, report),
        leave: more_words("Leave words", document, report),
    };
    Some(House {
        name: name?,
        voice: value("voice").unwrap_or_default(),
        language: value("language").unwrap_or_else(|| "en-US".to_owned()),
        greeting,
        ticket_greeting: ticket::read_ticket_greeting(document, cx, report),
        disclosure,
        disclosure_uninterruptible,
        global_words,
        not_by_phone: not_by_phone::read_not_by_phone(document, cx, report),
    })
}

fn greeting(document: &Document, cx: &Context<'_>, report: &mut Report) -> Vec<Template> {
    let Some(section) = document.section("Greeting") else {
        report.error(
            1,
            "there is no greeting",
            "add a section `## Greeting` with the first words of a call",
        );
        return Vec::new();
    };
    section.check_no_blocks(report);
    let items = section.items(report);
    if items.is_empty() {
        report.error(section.line, "`## Greeting` is empty", "write the first words of a call");
    }
    let greeting = read_all(&items, &Variables::default(), Moment::Before, cx, report);
    check_nameless_variant(&greeting, "the greeting", section.line, report);
    greeting
}

/// The disclosure, and why callers cannot interrupt it.
fn disclosure(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> (Option<Template>, Option<String>) {
    let Some(section) = document.section("Disclosure") else { return (None, None) };
    section.check_no_blocks(report);
    let (lines, why) = uninterruptible(&section.lines, report);
    let items = super::document::items(&lines, report);
    (one_wording(&items, cx, report), why)
}

fn one_wording(items: &[Item], cx: &Context<'_>, report: &mut Report) -> Option<Template> {
    if let Some(second) = items.get(1) {
        report.error(second.line, "the disclosure has one wording only", "join both into one");
    }
    let first = items.first()?;
    let disclosure = read(first, &Variables::default(), Moment::Before, cx, report)?;
    check_nameless_variant(std::slice::from_ref(&disclosure), "the disclosure", first.line, report);
    Some(disclosure)
}

/// Words as bullets, or with commas between them.
fn global_words(
    heading: &str,
    examples: &str,
    document: &Document,
    report: &mut Report,
) -> Vec<String> {
    let words = document.section(heading).map(|section| {
        section.check_no_blocks(report);
        word_list(section)
    });
    let words = words.unwrap_or_default();
    if words.is_empty() {
        let line = document.section(heading).map_or(1, |section| section.line);
        report.error(
            line,
            format!("`## {heading}` has no words"),
            format!("add the section with some, such as: {examples}"),
        );
    }
    words
}

/// Words that a profile may do without: there are usual ones that always work.
fn more_words(heading: &str, document: &Document, report: &mut Report) -> Vec<String> {
    let Some(section) = document.section(heading) else { return Vec::new() };
    section.check_no_blocks(report);
    let words = word_list(section);
    if words.is_empty() {
        let what = format!("`## {heading}` has no words");
        report.error(section.line, what, "write some below it, or remove the heading");
    }
    words
}

/// The end of a line parts words as a comma does, with dashes or without: "stop" above "never mind"
/// is not one thing to say.
fn word_list(section: &Block) -> Vec<String> {
    let lines = section.lines.iter().map(|line| line.text.as_str());
    let lines = lines.map(|text| bullet(text).or(foreign_bullet(text)).unwrap_or(text));
    let words = lines.flat_map(|text| text.split(','));
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Reads `words.md`.
pub(super) fn read_words(document: &Document, report: &mut Report) -> Words {
    document.check_fields(&[], report);
    document.check_sections(&["Said as", "Hints"], report);
    let mut words = Words::default();
    if let Some(section) = document.section("Said as") {
        section.check_no_blocks(report);
        for item in section.list(report) {
            let pair = item.text.split_once(':').map(|(w, s)| (w.trim(), s.trim()));
            match pair {
                Some((written, said)) if !written.is_empty() && !said.is_empty() => {
                    if words.said_as.iter().any(|(known, _)| known == written) {
                        let what = format!("`{written}` is listed twice");
                        report.error(item.line, what, "keep one of the two");
                    }
                    words.said_as.push((written.to_owned(), said.to_owned()));
                }
                _ => report.error(
                    item.line,
                    format!("`{}` does not say how it is said", item.text),
                    "write it as `- IBAN: eye ban`",
                ),
            }
        }
    }
    if let Some(section) = document.section("Hints") {
        section.check_no_blocks(report);
        words.hints = word_list(section);
    }
    words
}

/// The words in capitals that somebody has thought about.
pub(super) fn written_words(words: &Words) -> BTreeSet<String> {
    let written = words.said_as.iter().map(|(written, _)| written.as_str());
    let all = written.chain(words.hints.iter().map(String::as_str));
    all.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// Reads `faq.md`.
pub(super) fn read_faq(
    document: &Document,
    cx: &Context<'_>,
    report: &mut Report,
) -> Vec<(FaqEntry, usize)> {
    document.check_fields(&[], report);
    let mut entries: Vec<(FaqEntry, usize)> = Vec::new();
    for section in &document.sections {
        section.check_no_blocks(report);
        let same =
            |other: &&(FaqEntry, usize)| normal(&other.0.question) == normal(&section.heading);
        if let Some((_, line)) = entries.iter().find(same) {
            report.error(
                section.line,
                format!("`{}` is already answered on line {line}", section.heading),
                "keep one of the two",
            );
            continue;
        }
        if let Some(entry) = faq_entry(section, cx, report) {
            entries.push((entry, section.line));
        }
    }
    entries
}

fn faq_entry(section: &Block, cx: &Context<'_>, report: &mut Report) -> Option<FaqEntry> {
    // A misspelt `Also:` is told as such below; as a part of the answer it would be said.
    let is_also = |line: &Line| {
        let key = split_key(&line.text).map_or(line.text.as_str(), |(key, _)| key);
        normal(key) == "also" || (key != line.text && nearest(key, ["Also"]).is_some())
    };
    let also_at = section.lines.iter().position(is_also).unwrap_or(section.lines.len());
    let (answer, also) = section.lines.split_at(also_at);
    let also: Vec<Item> =
        keyed(also, &["Also"], report).into_iter().flat_map(|entry| entry.items).collect();
    let also = also.iter().flat_map(|item| expand_plain(item, report)).collect();
    let answers = super::document::items(answer, report);
    if let Some(second) = answers.get(1) {
        report.error(
            second.line,
            "a question has one answer only",
            "join both, or put other ways to ask below a line `Also:`",
        );
    }
    let Some(first) = answers.first() else {
        report.error(
            section.line,
            format!("`{}` has no answer", section.heading),
            "write the answer below the question",
        );
        return None;
    };
    let answer = read(first, &Variables::default(), Moment::WithoutResult, cx, report)?;
    check_nameless_variant(std::slice::from_ref(&answer), "the answer", first.line, report);
    Some(FaqEntry { question: section.heading.clone(), also, answer })
}

/// The sentences of a line whose blanks nothing fills.
pub(super) fn expand_plain(item: &Item, report: &mut Report) -> Vec<String> {
    match Expression::parse(&item.text) {
        Ok(expression) => {
            if let Some(slot) = expression.slots().first() {
                let what = format!("`{{{slot}}}` is not known here");
                report.error(item.line, what, "write the words out");
            }
            expression.expand(&mut |name| name.replace('_', " "))
        }
        Err(error) => {
            report.error(item.line, error.to_string(), error.fix());
            Vec::new()
        }
    }
}
