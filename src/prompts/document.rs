//! The little Markdown that prompt files are made of: front matter, `##` sections, `###` blocks,
//! bullets and `Key: value` lines, each with its line number. Knows no meaning.

use super::finding::{NOT_TEXT, NOT_TEXT_FIX, Report, did_you_mean, listed};

/// Longest line that is read, in characters.
const LINE_LENGTH_MAX: usize = 1000;

/// Most lines of a file that are read.
const LINES_MAX: usize = 5000;

/// A line of text below a heading.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub number: usize,
    /// Without the white space around it; empty for a blank line.
    pub text: String,
}

/// A `key: value` of the front matter.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// A heading with what stands below it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub heading: String,
    pub line: usize,
    pub lines: Vec<Line>,
    /// The `###` blocks of a `##` section.
    pub blocks: Vec<Block>,
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub fields: Vec<Field>,
    pub sections: Vec<Block>,
}

/// A piece of speech or an example with the line where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub text: String,
    pub line: usize,
}

/// A `Key:` line with its text and the bullets below it.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    pub key: String,
    pub line: usize,
    pub items: Vec<Item>,
}

impl Document {
    /// Reads a file. Whatever cannot be placed is reported, and the rest is read on.
    pub(super) fn parse(text: &str, report: &mut Report) -> Self {
        let mut document = Self::default();
        let lines = clean_lines(text, report);
        let body = document.read_front_matter(&lines, report);
        for line in body {
            document.read_line(line, report);
        }
        document
    }

    /// Takes the front matter, if there is any, and returns the lines after it.
    fn read_front_matter<'a>(&mut self, lines: &'a [Line], report: &mut Report) -> &'a [Line] {
        let Some(start) = lines.iter().position(|line| !line.text.is_empty()) else {
            return &[];
        };
        if lines[start].text != "---" {
            return self.read_bare_settings(&lines[start..], report);
        }
        let after = &lines[start + 1..];
        let Some(end) = after.iter().position(|line| line.text == "---") else {
            report.error(
                lines[start].number,
                "the settings at the top start with `---` but never end",
                "put a line with just `---` after the last setting",
            );
            let heading = after.iter().position(|line| line.text.starts_with("## "));
            let end = heading.unwrap_or(after.len());
            self.read_fields(&after[..end], report);
            return &after[end..];
        };
        self.read_fields(&after[..end], report);
        &after[end + 1..]
    }

    /// Takes settings that stand at the top without their lines of `---`, if there are any, and
    /// returns the lines after them. That they are read all the same keeps one mistake from being
    /// reported as many.
    fn read_bare_settings<'a>(&mut self, lines: &'a [Line], report: &mut Report) -> &'a [Line] {
        let Some(first) = lines.first().filter(|line| is_setting(&line.text)) else {
            return lines;
        };
        report.error(
            first.number,
            "the settings at the top do not stand between two lines of `---`",
            "put a line with just `---` above the first setting and one after the last",
        );
        let end = lines.iter().position(|line| line.text == "---" || line.text.starts_with("## "));
        let end = end.unwrap_or(lines.len());
        self.read_fields(&lines[..end], report);
        let closing = usize::from(lines.get(end).is_some_and(|line| line.text == "---"));
        &lines[end + closing..]
    }

    fn read_fields(&mut self, lines: &[Line], report: &mut Report) {
        for line in lines {
            let text = match line.text.find(" # ") {
                Some(comment) => line.text[..comment].trim_end(),
                None => line.text.trim_end_matches(" #"),
            };
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some((key, value)) = text.split_once(':') else {
                report.error(
                    line.number,
                    format!("`{text}` is no setting"),
                    "write it as `name: value`",
                );
                continue;
            };
            let (key, value) = (key.trim().to_owned(), unquoted(value.trim()).to_owned());
            if let Some(first) = self.fields.iter().find(|field| field.key == key) {
                report.error(
                    line.number,
                    format!("`{key}` is already set on line {}", first.line),
                    "keep one of the two",
                );
                continue;
            }
            self.fields.push(Field { key, value, line: line.number });
        }
    }

    fn read_line(&mut self, line: &Line, report: &mut Report) {
        let hashes = line.text.chars().take_while(|c| *c == '#').count();
        let heading = line.text[hashes..].trim().to_owned();
        let block = || Block {
            heading: heading.clone(),
            line: line.number,
            lines: Vec::new(),
            blocks: Vec::new(),
        };
        match hashes {
            0 => self.read_text(line, report),
            // A title for the reader of the file.
            1 if line.text.starts_with("# ") && self.sections.is_empty() => {}
            2 if !heading.is_empty() => self.sections.push(block()),
            3 if !heading.is_empty() => match self.sections.last_mut() {
                Some(section) => section.blocks.push(block()),
                None => report.error(
                    line.number,
                    format!("`### {heading}` stands outside of any section"),
                    "put a `## ` heading above it",
                ),
            },
            _ => report.error(
                line.number,
                format!("`{}` is not a heading that is used here", line.text),
                "use `## ` for a section and `### ` for a block inside a section",
            ),
        }
    }

    fn read_text(&mut self, line: &Line, report: &mut Report) {
        if is_rule(&line.text) {
            report.error(
                line.number,
                format!("`{}` means nothing here", shortened(&line.text)),
                "remove the line: only the settings at the top stand between lines of `---`",
            );
            return;
        }
        match self.sections.last_mut() {
            Some(section) => match section.blocks.last_mut() {
                Some(block) => block.lines.push(line.clone()),
                None => section.lines.push(line.clone()),
            },
            None if line.text.is_empty() => {}
            None => report.error(
                line.number,
                format!("`{}` belongs to no section", shortened(&line.text)),
                "put a `## ` heading above it, or remove it",
            ),
        }
    }

    /// Reports settings that this kind of file does not have.
    pub(super) fn check_fields(&self, allowed: &[&str], report: &mut Report) {
        for field in &self.fields {
            if !allowed.contains(&field.key.as_str()) {
                report.error(
                    field.line,
                    format!("`{}` is not a setting of this file", field.key),
                    did_you_mean(
                        &field.key,
                        allowed.iter().copied(),
                        "remove it: this file has no settings",
                    ),
                );
            } else if field.value.is_empty() {
                report.error(
                    field.line,
                    format!("`{}:` has no value", field.key),
                    "write the value after the colon, or remove the line",
                );
            }
        }
    }

    /// Reports sections that this kind of file does not have, or that stand there twice.
    pub(super) fn check_sections(&self, allowed: &[&str], report: &mut Report) {
        let mut seen: Vec<(String, usize)> = Vec::new();
        for section in &self.sections {
            let name = normal(&section.heading);
            if !allowed.iter().any(|known| normal(known) == name) {
                report.error(
                    section.line,
                    format!("there is no section `## {}` in this file", section.heading),
                    did_you_mean(&section.heading, allowed.iter().copied(), "remove it"),
                );
            }
            match seen.iter().find(|(known, _)| *known == name) {
                Some((_, line)) => report.error(
                    section.line,
                    format!("`## {}` is already on line {line}", section.heading),
                    "put both together under one heading",
                ),
                None => seen.push((name, section.line)),
            }
        }
    }

    /// The value of a setting; `None` if it is missing or empty.
    pub(super) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key && !field.value.is_empty())
    }

    /// The section with this heading, however it is capitalised.
    pub(super) fn section(&self, heading: &str) -> Option<&Block> {
        let name = normal(heading);
        self.sections.iter().find(|section| normal(&section.heading) == name)
    }
}

impl Block {
    /// Reports `###` blocks in a section that has none.
    pub(super) fn check_no_blocks(&self, report: &mut Report) {
        for block in &self.blocks {
            report.error(
                block.line,
                format!("`### {}` does not belong in `## {}`", block.heading, self.heading),
                "remove the heading, or use `## ` if it starts a new section",
            );
        }
    }

    /// The bullets, or the one paragraph, below the heading.
    pub(super) fn items(&self, report: &mut Report) -> Vec<Item> {
        items(&self.lines, report)
    }

    /// The bullets of a section in which every line is an entry of its own. A line without its dash
    /// would be taken for the rest of the one above it, which is never meant here.
    pub(super) fn list(&self, report: &mut Report) -> Vec<Item> {
        let mut lines = Vec::new();
        for line in self.lines.iter().filter(|line| !line.text.is_empty()) {
            if bullet(&line.text).is_some() {
                lines.push(line.clone());
                continue;
            }
            report.error(
                line.number,
                format!("`{}` has no `- ` in front of it", shortened(&line.text)),
                "start every line of this list with a dash and a space",
            );
            let text = foreign_bullet(&line.text).unwrap_or(&line.text);
            lines.push(Line { number: line.number, text: format!("- {text}") });
        }
        items(&lines, report)
    }
}

/// Every line of the file without comments, tabs, byte-order mark and carriage returns.
fn clean_lines(text: &str, report: &mut Report) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut comment_start: Option<usize> = None;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        if number > LINES_MAX {
            report.error(
                number,
                format!("the file has more than {LINES_MAX} lines"),
                "split it into several files, or remove what is not needed",
            );
            break;
        }
        let mut text = without_comments(raw, number, &mut comment_start).replace('\t', " ");
        if text.chars().count() > LINE_LENGTH_MAX {
            report.error(
                number,
                format!("this line is longer than {LINE_LENGTH_MAX} characters"),
                "split it into several lines",
            );
            text.clear();
        }
        // What stands where a reader of bytes found no text.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            report.error(number, NOT_TEXT, NOT_TEXT_FIX);
        }
        if text.chars().any(char::is_control) {
            report.error(
                number,
                "this line has invisible control characters",
                "type the line again as plain text",
            );
            text.retain(|c| !c.is_control());
        }
        lines.push(Line { number, text: text.trim().to_owned() });
    }
    if let Some(line) = comment_start {
        report.error(
            line,
            "a comment starts here with `<!--` and never ends, so all that follows is ignored",
            "put `-->` at the end of the comment",
        );
    }
    lines
}

/// The line without its `<!-- -->` parts. `open` is the line where a running comment started.
fn without_comments(line: &str, number: usize, open: &mut Option<usize>) -> String {
    let mut kept = String::new();
    let mut rest = line;
    loop {
        if open.is_some() {
            match rest.split_once("-->") {
                Some((_, after)) => {
                    *open = None;
                    rest = after;
                }
                None => return kept,
            }
        }
        match rest.split_once("<!--") {
            Some((before, after)) => {
                kept.push_str(before);
                *open = Some(number);
                rest = after;
            }
            None => {
                kept.push_str(rest);
                return kept;
            }
        }
    }
}

/// Headings and keys compare without case, hyphens and a colon at the end.
pub(super) fn normal(heading: &str) -> String {
    let words = heading.trim().trim_end_matches(':').to_lowercase().replace(['-', '_'], " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text after `- ` or `* `.
pub(super) fn bullet(text: &str) -> Option<&str> {
    match text.strip_prefix(['-', '*']) {
        Some("") => Some(""),
        Some(rest) if rest.starts_with(' ') => Some(rest.trim()),
        _ => None,
    }
}

/// The text after what was meant as `- `: a dash without its space, a mark that word processors put
/// in its place, or a number.
pub(super) fn foreign_bullet(text: &str) -> Option<&str> {
    const MARKS: [char; 5] = ['\u{2022}', '\u{b7}', '\u{2013}', '\u{2014}', '\u{25cf}'];
    let numbered = || {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = text.len() - rest.len();
        rest.strip_prefix(['.', ')'])?.strip_prefix(' ').filter(|_| matches!(digits, 1 | 2))
    };
    if bullet(text).is_some() {
        return None;
    }
    let rest = text.strip_prefix('-').or_else(|| text.strip_prefix(MARKS)).or_else(numbered);
    rest.map(str::trim).filter(|rest| !rest.is_empty())
}

/// A line across the page: `---`, `***`, `___`.
fn is_rule(text: &str) -> bool {
    let all = |mark: char| text.chars().all(|c| c == mark);
    text.len() >= 3 && (all('-') || all('*') || all('_'))
}

/// Whether a line looks like `intent: balance`.
fn is_setting(text: &str) -> bool {
    split_key(text).is_some_and(|(key, value)| {
        !value.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    })
}

/// Bullets, each with the lines that go on below it, or one paragraph.
pub(super) fn items(lines: &[Line], report: &mut Report) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut blank_before = true;
    let mut bullets = false;
    for line in lines {
        if line.text.is_empty() {
            blank_before = true;
            continue;
        }
        let foreign = foreign_bullet(&line.text);
        if foreign.is_some() {
            report.error(
                line.number,
                format!("`{}` looks like one of several choices", shortened(&line.text)),
                "start it with `- `, a dash and a space",
            );
        }
        match (bullet(&line.text).or(foreign), items.last_mut()) {
            (Some(""), _) => report.error(
                line.number,
                "there is nothing after the `-`",
                "write the text after it, or remove the line",
            ),
            (Some(text), _) => {
                bullets = true;
                items.push(Item { text: text.to_owned(), line: line.number });
            }
            (None, Some(item)) if !blank_before => {
                item.text.push(' ');
                item.text.push_str(&line.text);
            }
            (None, Some(_)) => report.error(
                line.number,
                format!(
                    "it is not clear whether `{}` is said as well or instead",
                    shortened(&line.text)
                ),
                if bullets {
                    "start the line with `- ` if it is one more choice"
                } else {
                    "start each paragraph with `- ` to have one of them said, or join them"
                },
            ),
            (None, None) => items.push(Item { text: line.text.clone(), line: line.number }),
        }
        blank_before = false;
    }
    items
}

/// `Key: text` lines with the bullets that follow them. With `allowed`, other keys are reported.
pub(super) fn keyed(lines: &[Line], allowed: &[&str], report: &mut Report) -> Vec<Keyed> {
    let mut entries: Vec<(String, usize, Vec<Line>)> = Vec::new();
    for line in lines {
        let known = |key: &&str| allowed.is_empty() || is_allowed(key, allowed);
        let bare = bullet(&line.text);
        // Free keys may be written as bullets; a bullet below a fixed key is one more choice.
        let candidate = if allowed.is_empty() { bare.unwrap_or(&line.text) } else { &line.text };
        match split_key(candidate) {
            Some((key, value)) if known(&key) || bare.is_none() => {
                if !known(&key) {
                    report.error(
                        line.number,
                        format!("`{key}:` is not known here"),
                        unknown_key_fix(key, allowed),
                    );
                }
                if let Some((_, first, _)) =
                    entries.iter().find(|(known, _, _)| normal(known) == normal(key))
                {
                    report.error(
                        line.number,
                        format!("`{key}:` is already on line {first}"),
                        "keep one of the two",
                    );
                }
                let text = Line { number: line.number, text: value.to_owned() };
                let lines = if value.is_empty() { Vec::new() } else { vec![text] };
                entries.push((key.to_owned(), line.number, lines));
            }
            _ => match entries.last_mut() {
                Some((_, _, lines)) => lines.push(line.clone()),
                None if line.text.is_empty() => {}
                None => report.error(
                    line.number,
                    format!("`{}` has no name in front of it", shortened(&line.text)),
                    match allowed {
                        [] => "write it as `name: text`".to_owned(),
                        _ => format!("start the line with one of {}", key_list(allowed)),
                    },
                ),
            },
        }
    }
    entries
        .into_iter()
        .map(|(key, line, lines)| Keyed { items: items(&lines, report), key, line })
        .collect()
}

/// What stands before the reason why a text must be heard to its end.
const UNINTERRUPTIBLE: &str = "Do not interrupt";

/// The lines of a text without `Do not interrupt: why`, and the why.
pub(super) fn uninterruptible(lines: &[Line], report: &mut Report) -> (Vec<Line>, Option<String>) {
    let mut rest = Vec::new();
    let mut why: Option<(usize, String)> = None;
    for line in lines {
        let (key, reason) = split_key(&line.text).unwrap_or((line.text.as_str(), ""));
        if normal(key) != normal(UNINTERRUPTIBLE) {
            let is_misspelt = split_key(&line.text).is_some()
                && super::finding::nearest(key, [UNINTERRUPTIBLE]).is_some();
            if is_misspelt {
                report.error(
                    line.number,
                    format!("`{key}:` is not known here"),
                    format!("write `{UNINTERRUPTIBLE}:` and why"),
                );
            } else {
                rest.push(line.clone());
            }
            continue;
        }
        if let Some((first, _)) = &why {
            let what = format!("`{UNINTERRUPTIBLE}:` is already on line {first}");
            report.error(line.number, what, "keep one of the two");
        }
        if reason.is_empty() {
            report.error(
                line.number,
                format!("`{UNINTERRUPTIBLE}:` gives no reason"),
                "callers hate it: write why they must hear this, such as \
                 `Do not interrupt: the law wants it heard`, or remove the line",
            );
        }
        why = Some((line.number, reason.to_owned()));
    }
    (rest, why.map(|(_, reason)| reason))
}

fn is_allowed(key: &str, allowed: &[&str]) -> bool {
    allowed.iter().any(|known| normal(known) == normal(key))
}

fn unknown_key_fix(key: &str, allowed: &[&str]) -> String {
    let fix = did_you_mean(key, allowed.iter().copied(), "remove it");
    format!("{fix} If it goes on from the line above, write it on that line")
}

fn key_list(allowed: &[&str]) -> String {
    let keys: Vec<String> = allowed.iter().map(|key| format!("{key}:")).collect();
    listed(keys.iter().map(String::as_str))
}

/// `Ask: text` in two, if what stands before the colon looks like a key: up to three words.
pub(super) fn split_key(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-');
    let fits = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.len() <= 24
        && key.chars().all(letters)
        && key.split_whitespace().count() <= 3
        && (value.is_empty() || value.starts_with(' '));
    fits.then(|| (key.trim(), value.trim()))
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

/// The start of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Document, Vec<(usize, String)>) {
        let mut report = Report::new("bank", "x.md");
        let document = Document::parse(text, &mut report);
        let found = report.into_findings().into_iter().map(|f| (f.line, f.what)).collect();
        (document, found)
    }

    #[test]
    fn reads_front_matter_sections_and_blocks() {
        let text = "\u{feff}---\r\nintent: balance\r\nrisk: low   # not much\r\n# a note\r\n\
                    title: \"your # one\"\r\n---\r\n# Balance\r\n## We need\r\n### a (text)\r\n\
                    Ask:\tWhat?\r\n<!-- two\r\nlines -->\r\n## Then say\r\nHi.\r\n";
        let (document, found) = parse(text);
        assert_eq!(found, []);
        let fields: Vec<_> =
            document.fields.iter().map(|f| (f.key.as_str(), f.value.as_str(), f.line)).collect();
        assert_eq!(fields[..2], [("intent", "balance", 2), ("risk", "low", 3)]);
        let need = document.section("we NEED").expect("section is there");
        assert_eq!(need.blocks[0].lines[0].text, "Ask: What?");
        let say = document.section("Then say").expect("section is there");
        assert_eq!((say.line, say.lines[0].number), (13, 14));
    }

    #[test]
    fn misplaced_lines_are_reported_with_their_line() {
        for (text, line, part) in [
            ("---\nintent: a\n## Then say\nHi", 1, "never end"),
            ("---\nintent a\n---\n", 2, "no setting"),
            ("---\na: 1\na: 2\n---\n", 3, "already set on line 2"),
            ("hello\n## Then say\n", 1, "belongs to no section"),
            ("### slot\n", 1, "outside of any section"),
            ("## A\n#### b\n", 2, "not a heading"),
            ("## A\n##\n", 2, "not a heading"),
            ("## A\n<!-- x\ny\n", 2, "never ends"),
            ("## A\nx\u{0}y\n", 2, "control characters"),
            ("## A\ncaf\u{fffd}\n", 2, "not UTF-8 text"),
            ("\nintent: a\nrisk: low\n## Then say\nHi\n", 2, "do not stand between two lines"),
            ("intent: a\n---\n## Then say\nHi\n", 1, "do not stand between two lines"),
            ("## A\nx\n---\n", 3, "`---` means nothing here"),
            (&"\n".repeat(LINES_MAX + 1), LINES_MAX + 1, "more than 5000 lines"),
            (&"a".repeat(LINE_LENGTH_MAX + 1), 1, "longer than 1000 characters"),
        ] {
            let (_, found) = parse(text);
            assert!(
                found.iter().any(|(at, what)| *at == line && what.contains(part)),
                "{text:?} gave {found:?}"
            );
        }
    }

    #[test]
    fn bullets_are_choices_and_a_paragraph_is_one() {
        let lines = |text: &str| -> Vec<Line> {
            let numbered = text.lines().enumerate();
            numbered.map(|(i, t)| Line { number: i + 1, text: t.trim().to_owned() }).collect()
        };
        let mut report = Report::new("bank", "x.md");
        let texts = |text: &str, report: &mut Report| -> Vec<String> {
            items(&lines(text), report).into_iter().map(|item| item.text).collect()
        };
        assert_eq!(texts("- one\n  more\n- two\n", &mut report), ["one more", "two"]);
        assert_eq!(texts("one\ntwo\n", &mut report), ["one two"]);
        assert!(report.into_findings().is_empty());
        let mut report = Report::new("bank", "x.md");
        texts("one\n\ntwo\n", &mut report);
        texts("-\n", &mut report);
        assert_eq!(report.into_findings().len(), 2);
    }

    #[test]
    fn settings_without_their_lines_are_read_all_the_same() {
        let (document, found) = parse("intent: a\nrisk: low\n\n## Then say\nHi\n");
        assert_eq!(found.len(), 1, "{found:?}");
        let keys: Vec<&str> = document.fields.iter().map(|field| field.key.as_str()).collect();
        assert_eq!((keys, document.sections.len()), (vec!["intent", "risk"], 1));
        let (document, found) = parse("Note: this is no setting\n## Then say\nHi\n");
        assert!(found[0].1.contains("belongs to no section"), "{found:?}");
        assert!(document.fields.is_empty());
    }

    #[test]
    fn what_is_meant_as_a_dash_is_told_and_read_as_one() {
        for (text, meant) in [
            ("-one", Some("one")),
            ("\u{2022} one", Some("one")),
            ("\u{2013} one", Some("one")),
            ("1. one", Some("one")),
            ("12) one", Some("one")),
            ("- one", None),
            ("-", None),
            ("2026. one", None),
            ("9.30 is early", None),
            ("one - two", None),
        ] {
            assert_eq!(foreign_bullet(text), meant, "{text}");
        }
        let (document, _) = parse("## A\n- one\ntwo\n\u{2022} three\n");
        let section = document.section("A").expect("section is there");
        let mut report = Report::new("bank", "x.md");
        let listed: Vec<String> = section.list(&mut report).into_iter().map(|i| i.text).collect();
        assert_eq!(listed, ["one", "two", "three"]);
        let said: Vec<String> = section.items(&mut report).into_iter().map(|i| i.text).collect();
        assert_eq!(said, ["one two", "three"]);
        let found: Vec<(usize, String)> =
            report.into_findings().into_iter().map(|f| (f.line, f.what)).collect();
        assert_eq!(
            found,
            [
                (3, "`two` has no `- ` in front of it".to_owned()),
                (4, "`\u{2022} three` has no `- ` in front of it".to_owned()),
                (4, "`\u{2022} three` looks like one of several choices".to_owned()),
            ]
        );
    }

    #[test]
    fn keys_take_the_lines_below_them() {
        let numbered = "Ask: One?\n- Two?\nAgain:\n- Three: now?\n  go on\nAsk: x\nAgian: y";
        let lines: Vec<Line> = numbered
            .lines()
            .enumerate()
            .map(|(i, t)| Line { number: i + 1, text: t.trim().to_owned() })
            .collect();
        let mut report = Report::new("bank", "x.md");
        let found = keyed(&lines, &["Ask", "Again"], &mut report);
        let texts: Vec<Vec<&str>> =
            found.iter().map(|k| k.items.iter().map(|i| i.text.as_str()).collect()).collect();
        assert_eq!(texts[..2], [vec!["One?", "Two?"], vec!["Three: now? go on"]]);
        let whats: Vec<String> = report.into_findings().into_iter().map(|f| f.what).collect();
        assert_eq!(whats, ["`Ask:` is already on line 1", "`Agian:` is not known here"]);
    }
}
