//! What is said aloud: which blanks a sentence may have, whether it claims too much too early, and
//! whether it can be spoken at all.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Item, normal, shortened};
use super::finding::{Report, did_you_mean, listed};
use super::template::{TemplateError, is_name};
use super::{Declared, SlotSpec, Template, VarFormat};

/// Variables that every spoken sentence may use: the organisation's name, the caller's first name
/// (if the caller is known), and the opening hours.
pub const BUILT_IN_VARIABLES: [&str; 3] = ["house", "caller_first_name", "hours"];

/// Longest sentence that a listener keeps in mind, in words.
const SENTENCE_WORDS_MAX: usize = 30;

/// What the linter knows of the other files while it reads one.
pub(super) struct Context<'a> {
    pub declared: &'a Declared,
    pub intents: BTreeSet<String>,
    pub queues: BTreeSet<String>,
    /// Words in capitals that `words.md` says how to say.
    pub written_words: BTreeSet<String>,
    /// Whether `hours.md` has `## Say`.
    pub hours_said: bool,
    /// Slots of every verification in `patterns.md`.
    pub verifications: BTreeMap<String, Vec<SlotSpec>>,
}

/// When a sentence is said, seen from the action of its intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nothing has been done yet.
    Before,
    /// An action that changes something has succeeded.
    AfterChange,
    /// An action that only looks something up has succeeded.
    AfterLookup,
    /// There is no action, or it has failed.
    WithoutResult,
    /// Nobody knows whether the action has succeeded.
    AfterTimeout,
    /// Not about the intent's action.
    Apart,
    /// Read by a person, never spoken.
    Written,
}

/// The blanks that a sentence may have.
#[derive(Debug, Default, Clone)]
pub(super) struct Variables {
    pub known: BTreeSet<String>,
    /// Known only once the action has succeeded.
    pub from_action: BTreeSet<String>,
    /// Slots that are asked later than this sentence is said.
    pub later: BTreeSet<String>,
    /// Slots that may never be said or shown.
    pub secret: BTreeSet<String>,
}

impl Variables {
    /// Only these, next to the built-in ones.
    pub(super) fn only(names: &[&str]) -> Self {
        Self { known: names.iter().map(|name| (*name).to_owned()).collect(), ..Self::default() }
    }
}

/// Reads one sentence and reports everything that is wrong with it.
pub(super) fn read(
    item: &Item,
    variables: &Variables,
    moment: Moment,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<Template> {
    let template = match Template::parse(&item.text, item.line) {
        Ok(template) => template,
        Err(error) => {
            report.error(item.line, error.to_string(), template_fix(&error));
            return None;
        }
    };
    for name in template.variables() {
        check_variable(name, item.line, variables, cx, report);
    }
    check_claims(&item.text, item.line, moment, report);
    if moment != Moment::Written {
        check_aloud(&item.text, item.line, &cx.written_words, report);
    }
    Some(template)
}

/// Reads several variants of a sentence.
pub(super) fn read_all(
    items: &[Item],
    variables: &Variables,
    moment: Moment,
    cx: &Context<'_>,
    report: &mut Report,
) -> Vec<Template> {
    items.iter().filter_map(|item| read(item, variables, moment, cx, report)).collect()
}

fn template_fix(error: &TemplateError) -> String {
    let formats = || VarFormat::NAMED.into_iter().map(VarFormat::as_str);
    match error {
        TemplateError::Unclosed => "add the missing `}`".to_owned(),
        TemplateError::Stray => "add the missing `{`, or remove the `}`".to_owned(),
        TemplateError::BadName(inner) => match better_blank(inner) {
            Some(better) => {
                format!("write it in small letters, with `_` between words: `{{{better}}}`")
            }
            None => "write a name in it, such as `{house}`".to_owned(),
        },
        TemplateError::UnknownFormat { format, .. } => did_you_mean(format, formats(), "remove it"),
    }
}

/// `account_type` for `Account Type`, with the way to say it if there is one.
fn better_blank(inner: &str) -> Option<String> {
    let (name, format) = inner.split_once(':').map_or((inner, None), |(n, f)| (n, Some(f.trim())));
    let better = Some(normal(name).replace(' ', "_")).filter(|better| is_name(better))?;
    Some(match format {
        Some(format) => format!("{better}:{format}"),
        None => better,
    })
}

fn check_variable(
    name: &str,
    line: usize,
    variables: &Variables,
    cx: &Context<'_>,
    report: &mut Report,
) {
    let what = |why: &str| format!("`{{{name}}}` {why}");
    if variables.secret.contains(name) {
        report.error(line, what("is secret and must not be said or shown"), "remove it");
    } else if name == "hours" && !cx.hours_said {
        report.error(line, what("has nothing to say"), "add a section `## Say` to hours.md");
    } else if variables.known.contains(name) || BUILT_IN_VARIABLES.contains(&name) {
        // Fine.
    } else if variables.from_action.contains(name) {
        report.error(
            line,
            what("is not known yet: it comes from the action's result"),
            "use it under `## Then say` only",
        );
    } else if variables.later.contains(name) {
        report.error(
            line,
            what("is not known yet: it is asked for later"),
            "move its block up under `## We need`, or leave it out here",
        );
    } else {
        let known =
            variables.known.iter().map(String::as_str).chain(BUILT_IN_VARIABLES).filter(usable(cx));
        report.error(line, what("is not known here"), did_you_mean(name, known, "remove it"));
    }
}

fn usable<'a>(cx: &'a Context<'_>) -> impl Fn(&&str) -> bool + 'a {
    |name| *name != "hours" || cx.hours_said
}

/// Words that say that something was done. `gone through` and the like are looked for apart.
const DONE_WORDS: [&str; 34] = [
    "activated",
    "added",
    "blocked",
    "booked",
    "canceled",
    "cancelled",
    "changed",
    "charged",
    "closed",
    "completed",
    "confirmed",
    "created",
    "deactivated",
    "deleted",
    "done",
    "frozen",
    "issued",
    "moved",
    "opened",
    "ordered",
    "paid",
    "processed",
    "refunded",
    "removed",
    "replaced",
    "reset",
    "reversed",
    "saved",
    "scheduled",
    "sent",
    "submitted",
    "successful",
    "transferred",
    "updated",
];

/// What stands before such a word where it claims nothing.
const NO_CLAIM_BEFORE: [&str; 9] =
    ["be", "being", "you", "you've", "you're", "get", "it", "the", "any"];

const NEGATIONS: [&str; 8] =
    ["not", "no", "nothing", "never", "nobody", "cannot", "without", "yet"];

/// What makes a question or a doubt of a sentence.
const OPEN_WORDS: [&str; 4] = ["whether", "if", "once", "before"];

/// The words of a sentence in small letters, without punctuation.
fn words(sentence: &str) -> Vec<String> {
    let straight = sentence.to_lowercase().replace('\u{2019}', "'");
    straight
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '{' && c != '}'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A phrase of this sentence that says that something was done, if there is one.
fn claim(sentence: &str, which: Claims) -> Option<String> {
    let mood = if sentence.trim_end().ends_with('?') { Mood::Asks } else { Mood::States };
    // Clause by clause: in "No problem, I've moved it" the "no" denies nothing.
    sentence
        .split([',', ';', ':', '\u{2013}', '\u{2014}'])
        .find_map(|clause| claim_of_clause(clause, mood, which))
}

fn claim_of_clause(clause: &str, mood: Mood, which: Claims) -> Option<String> {
    let words = words(clause);
    let negated = words.iter().any(|w| NEGATIONS.contains(&w.as_str()) || w.ends_with("n't"));
    let open = words.iter().any(|w| OPEN_WORDS.contains(&w.as_str()));
    if open || (negated && which != Claims::EvenDenied) {
        return None;
    }
    // Two empty words in front, so that the two before each word can always be looked at.
    let padded: Vec<&str> = ["", ""].into_iter().chain(words.iter().map(String::as_str)).collect();
    let at = |index: usize| padded.get(index).copied().unwrap_or_default();
    let asks = mood == Mood::Asks;
    for (index, word) in padded.iter().copied().enumerate().skip(2) {
        let (earlier, before) = (at(index - 2), at(index - 1));
        let ours = matches!(before, "i've" | "we've")
            || (matches!(before, "have" | "just" | "already")
                && matches!(earlier, "i" | "we" | "i've" | "we've"));
        if DONE_WORDS.contains(&word) && earlier != "you" {
            let said_of_it =
                matches!(before, "is" | "are" | "was" | "were" | "been" | "now" | "all");
            let asked = asks && (!said_of_it || matches!(at(2), "is" | "are" | "has"));
            let claimed = !asked && (said_of_it || !NO_CLAIM_BEFORE.contains(&before));
            if ours || (claimed && which != Claims::OnlyOurs) {
                return Some(format!("{before} {word}").trim().to_owned());
            }
        }
        let phrase = format!("{word} {}", at(index + 1));
        let passive = matches!(phrase.as_str(), "has been" | "have been")
            || matches!(phrase.as_str(), "gone through" | "went through" | "go through")
                && !matches!(before, "to" | "will");
        if passive && which != Claims::OnlyOurs && !asks {
            return Some(phrase);
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Asks,
    States,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claims {
    /// Everything that sounds done.
    All,
    /// Only "I've blocked", "we have moved".
    OnlyOurs,
    /// Also "nothing has been moved".
    EvenDenied,
}

fn check_claims(text: &str, line: usize, moment: Moment, report: &mut Report) {
    let (which, why) = match moment {
        Moment::Before => (Claims::All, "sounds as if it were done, but nothing is done yet"),
        Moment::WithoutResult => {
            (Claims::All, "sounds as if something were done, but no action has succeeded")
        }
        Moment::AfterLookup => (
            Claims::OnlyOurs,
            "sounds as if something were changed, but the action changes nothing",
        ),
        Moment::AfterTimeout => {
            (Claims::EvenDenied, "claims to know what happened, but nobody knows after a timeout")
        }
        Moment::AfterChange | Moment::Apart | Moment::Written => return,
    };
    let fix = match moment {
        Moment::Before => "say what is going to happen: \"I'll move it\", \"Shall I move it?\"",
        Moment::AfterTimeout => "say \"I can't tell whether that went through\"",
        _ => "say only what is known at this point",
    };
    if let Some(phrase) = sentences(text).into_iter().find_map(|s| claim(s, which)) {
        // As the writer has it, if lowering the case has moved nothing.
        let start = text.to_lowercase().find(&phrase);
        let written = start.and_then(|start| text.get(start..start + phrase.len()));
        report.error(line, format!("\"{}\" {why}", written.unwrap_or(&phrase)), fix);
    }
}

/// The sentences of a text. A full stop inside a number or a blank ends none.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        let ends = matches!(c, '.' | '?' | '!')
            && chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        if ends {
            let end = index + c.len_utf8();
            found.push(text[start..end].trim());
            start = end;
        }
    }
    let rest = text[start..].trim();
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// Warns about text that reads badly aloud.
pub(super) fn check_aloud(
    text: &str,
    line: usize,
    known_words: &BTreeSet<String>,
    report: &mut Report,
) {
    for sentence in sentences(text) {
        let count = sentence.split_whitespace().count();
        if count > SENTENCE_WORDS_MAX {
            report.warning(
                line,
                format!("the sentence \"{}\" has {count} words", shortened(sentence)),
                "split it: a listener keeps about 20 words in mind",
            );
        }
    }
    let spoken = without_blanks(text);
    let (addresses, plain): (Vec<&str>, Vec<&str>) =
        spoken.split_whitespace().partition(|word| is_address(word));
    if !addresses.is_empty() {
        report.warning(
            line,
            format!("the address \"{}\" reads badly aloud", addresses[0]),
            "say it in words (\"harbor bank dot com\"), or say where else to find it",
        );
    }
    if let Some(c) = plain.iter().flat_map(|word| word.chars()).find(|c| !is_speakable(*c)) {
        report.warning(
            line,
            format!("`{c}` reads badly aloud"),
            match c {
                '(' | ')' | '[' | ']' => "make a sentence of its own of what is in the brackets",
                '/' => "write it out: \"with\", \"or\", \"per\"",
                _ => "write it as words, or remove it",
            },
        );
    }
    check_short_forms(&spoken, line, known_words, report);
}

/// A web or mail address.
fn is_address(word: &str) -> bool {
    let word = word.to_lowercase();
    ["http", "www.", ".com", ".org", ".net", "@"].iter().any(|part| word.contains(part))
}

fn check_short_forms(
    spoken: &str,
    line: usize,
    known_words: &BTreeSet<String>,
    report: &mut Report,
) {
    const SHORT: [&str; 9] =
        ["e.g.", "i.e.", "etc.", "approx.", "acct.", "nr.", "vs.", "asap", "incl."];
    let mut seen = BTreeSet::new();
    for raw in spoken.split_whitespace() {
        let word = raw.trim_matches(|c: char| !c.is_alphanumeric());
        let dotted = raw.trim_matches(|c: char| !c.is_alphanumeric() && c != '.').to_lowercase();
        if SHORT.contains(&dotted.as_str()) && seen.insert(word) {
            report.warning(line, format!("\"{raw}\" reads badly aloud"), "write it out in full");
            continue;
        }
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let capitals = letters >= 2 && !word.chars().any(char::is_lowercase);
        if capitals && word != "OK" && !known_words.contains(word) && seen.insert(word) {
            report.warning(
                line,
                format!("it is not clear how to say \"{word}\""),
                format!("add `- {word}: how it is said` to `## Said as` in words.md"),
            );
        }
    }
}

fn without_blanks(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

const fn is_typographic(c: char) -> bool {
    matches!(c, '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\u{2013}' | '\u{2014}')
}

fn is_speakable(c: char) -> bool {
    c.is_alphanumeric()
        || c.is_whitespace()
        || matches!(c, '.' | ',' | '?' | '!' | ':' | ';' | '\'' | '"' | '-' | '$' | '%' | '&')
        || is_typographic(c)
}

/// All variants name the caller, who is not always known: then there would be nothing to say.
pub(super) fn check_nameless_variant(
    variants: &[Template],
    what: &str,
    line: usize,
    report: &mut Report,
) {
    let named = |template: &Template| template.variables().contains(&"caller_first_name");
    if !variants.is_empty() && variants.iter().all(named) {
        report.error(
            line,
            format!(
                "every variant of {what} uses `{{caller_first_name}}`, and callers may be unknown"
            ),
            "add one without the name",
        );
    }
}

/// Reports blanks that every variant needs.
pub(super) fn check_uses(variants: &[Template], needed: &[&str], what: &str, report: &mut Report) {
    for template in variants {
        let used = template.variables();
        let missing = needed.iter().filter(|name| !used.contains(name)).copied();
        let missing: Vec<String> = missing.map(|name| format!("{{{name}}}")).collect();
        if !missing.is_empty() {
            report.error(
                template.line,
                format!("{what} is said without {}", listed(missing.iter().map(String::as_str))),
                "put it into the sentence",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_told_from_intentions_questions_and_denials() {
        for (sentence, claims) in [
            ("Your card is blocked.", true),
            ("I've moved the money.", true),
            ("I\u{2019}ve moved the money.", true),
            ("We have already updated that.", true),
            ("Done.", true),
            ("All done!", true),
            ("That has been taken care of.", true),
            ("Your card is blocked, right?", true),
            ("Transferred 50 dollars to savings.", true),
            ("It went through.", true),
            ("No problem, I've blocked the card.", true),
            ("Before you go, that has been taken care of.", true),
            ("Has your card been blocked?", false),
            ("Is the card blocked already?", false),
            ("Do you want your card blocked?", false),
            ("Your card will be blocked.", false),
            ("Nothing has been moved.", false),
            ("I haven't changed anything.", false),
            ("I can't tell whether that went through.", false),
            ("Press pound when you're done.", false),
            ("I'll block the card now.", false),
            ("Checking or savings?", false),
            ("There isn't enough, so I haven't moved anything.", false),
            ("Once that's done, I'll tell you.", false),
        ] {
            assert_eq!(claim(sentence, Claims::All).is_some(), claims, "{sentence}");
        }
        assert!(claim("Nothing has been moved.", Claims::EvenDenied).is_some());
        assert!(claim("That did not go through.", Claims::EvenDenied).is_some());
        assert!(claim("I can't tell whether that went through.", Claims::EvenDenied).is_none());
        assert!(claim("Your last payment was processed.", Claims::OnlyOurs).is_none());
        assert!(claim("I've changed that.", Claims::OnlyOurs).is_some());
    }

    #[test]
    fn text_for_the_eye_is_warned_about() {
        let known = BTreeSet::from(["PIN".to_owned()]);
        let long = "word ".repeat(31);
        for (text, part) in [
            ("See www.harborbank.com for more.", Some("the address \"www")),
            ("Transfers w/ a fee.", Some("`/` reads badly")),
            ("Hello \u{1f600}.", Some("reads badly")),
            ("Your account (checking).", Some("`(` reads badly")),
            ("Call the FDIC.", Some("how to say \"FDIC\"")),
            ("Bring ID, e.g. a passport", Some("e.g.")),
            (long.as_str(), Some("31 words")),
            ("Key in your PIN, OK?", None),
            ("I have {card_last4:digits} here \u{2014} is that it?", None),
            ("It's $5 at 9:30, or 2.5% more.", None),
        ] {
            let mut report = Report::new("bank", "x.md");
            check_aloud(text, 1, &known, &mut report);
            let found = report.into_findings();
            match part {
                Some(part) => {
                    assert!(found.iter().any(|f| f.what.contains(part)), "{text}: {found:?}");
                }
                None => assert_eq!(found, [], "{text}"),
            }
        }
    }

    #[test]
    fn sentences_end_at_stops_and_not_inside_numbers() {
        assert_eq!(
            sentences("It is 2.5 percent. Fine? Yes"),
            ["It is 2.5 percent.", "Fine?", "Yes"]
        );
    }
}
