//! A folder of prompt files in, a [`Generation`] or a list of findings out.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::nlu::IntentName;

use super::document::{Document, normal};
use super::examples::{check_test_slots, name_answer, plain_words};
use super::finding::{
    FILE_SIZE_MAX_BYTES, Finding, Report, Severity, SourceFile, did_you_mean, too_big,
};
use super::hours::read_hours;
use super::house::{read_faq, read_house, read_words, written_words};
use super::intent::read_intent;
use super::patterns::read_patterns;
use super::queues::read_queues;
use super::speech::Context;
use super::{
    Declared, FaqEntry, Generation, GenerationHash, Hours, InlineTest, Intent, NotByPhone,
    Patterns, PersonRule, SlotSpec, Words, is_answer,
};

const TOP_FILES: [&str; 6] =
    ["house.md", "words.md", "patterns.md", "hours.md", "queues.md", "faq.md"];

/// Most files in a profile; a bank's has some fifty.
const FILES_MAX: usize = 1000;

/// Whether a file of this name belongs to a profile: Markdown, and what was meant to be. Notes for
/// the people who edit, and what editors leave behind, do not.
pub fn is_prompt_file(name: &str) -> bool {
    let is_note = name.starts_with('.') || name == "README.md";
    !is_note && (name.ends_with(".md") || meant_name(name).is_some())
}

/// The name that a file was meant to have, where a program gave it another ending than `.md`.
fn meant_name(name: &str) -> Option<String> {
    const ENDINGS: [&str; 3] = [".md.txt", ".markdown", ".md"];
    let small = name.to_ascii_lowercase();
    let stem = ENDINGS.into_iter().find_map(|ending| small.strip_suffix(ending))?;
    let meant = format!("{}.md", name.get(..stem.len())?);
    (meant != name).then_some(meant)
}

/// A sound tree and what may be better about it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What the files say.
    pub generation: Generation,
    /// Doubts that do not stop it from being used.
    pub warnings: Vec<Finding>,
}

/// Reads the files of a profile (`bank`), in any order.
///
/// # Errors
/// Everything that was found wrong, warnings included, ordered by file and line.
pub fn parse(
    profile: &str,
    files: &[SourceFile],
    declared: &Declared,
) -> Result<Parsed, Vec<Finding>> {
    let mut tree = Tree::sort(profile, files);
    let generation = tree.read(files, declared);
    let mut findings = tree.findings;
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    findings.dedup();
    let sound = findings.iter().all(|finding| finding.severity == Severity::Warning);
    match generation {
        Some(generation) if sound => Ok(Parsed { generation, warnings: findings }),
        _ => Err(findings),
    }
}

/// The files of a profile by what they are.
struct Tree<'a> {
    profile: &'a str,
    findings: Vec<Finding>,
    top: BTreeMap<&'static str, Document>,
    /// By file name without `.md`.
    intents: BTreeMap<String, Document>,
}

impl<'a> Tree<'a> {
    fn sort(profile: &'a str, files: &[SourceFile]) -> Self {
        let (top, intents) = (BTreeMap::new(), BTreeMap::new());
        let mut tree = Self { profile, findings: Vec::new(), top, intents };
        if files.len() > FILES_MAX {
            tree.report("house.md", |report| {
                let what = format!("the profile has more than {FILES_MAX} files");
                report.error(1, what, "keep only prompt files in its folder");
            });
        }
        for file in files.iter().take(FILES_MAX) {
            tree.add(file);
        }
        tree
    }

    fn add(&mut self, file: &SourceFile) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if !is_prompt_file(name) {
            return;
        }
        if let Some(meant) = meant_name(name) {
            self.report(&file.path, |report| {
                let what = format!("`{name}` is not read, because its name does not end in `.md`");
                report.error(1, what, format!("rename it to `{meant}`"));
            });
            return;
        }
        if file.text.len() > FILE_SIZE_MAX_BYTES {
            self.findings.push(too_big(self.profile, &file.path));
            return;
        }
        let top = TOP_FILES.into_iter().find(|known| *known == file.path);
        let stem = file.path.strip_prefix("intents/").and_then(|path| path.strip_suffix(".md"));
        let stem = stem.filter(|stem| !stem.contains('/'));
        if top.is_none() && stem.is_none() {
            self.report(&file.path, |report| {
                let fix = if file.path.starts_with("intents/") {
                    "put it straight into the folder intents".to_owned()
                } else {
                    let fix = did_you_mean(&file.path, TOP_FILES, "remove it");
                    format!("{fix} Intents belong into the folder intents")
                };
                report.error(1, format!("`{}` is not a file that is used", file.path), fix);
            });
            return;
        }
        let document = self.report(&file.path, |report| Document::parse(&file.text, report));
        let twice = match (top, stem) {
            (Some(top), _) => self.top.insert(top, document).is_some(),
            (_, Some(stem)) => self.intents.insert(stem.to_owned(), document).is_some(),
            _ => false,
        };
        if twice {
            self.report(&file.path, |report| {
                report.error(1, "this file is there twice", "keep one of the two");
            });
        }
    }

    /// Lets `read` report about one file.
    fn report<T>(&mut self, path: &str, read: impl FnOnce(&mut Report) -> T) -> T {
        let mut report = Report::new(self.profile, path);
        let result = read(&mut report);
        self.findings.extend(report.into_findings());
        result
    }

    /// Reads one of the top files, if it is there.
    fn top<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Document, &mut Report) -> T,
    ) -> Option<T> {
        let document = self.top.remove(name)?;
        let result = self.report(name, |report| read(&document, report));
        self.top.insert(name, document);
        Some(result)
    }

    fn read(&mut self, files: &[SourceFile], declared: &Declared) -> Option<Generation> {
        let words = self.top("words.md", read_words).unwrap_or_default();
        let mut cx = self.context(declared, &words);
        let queues = self.top("queues.md", |d, r| read_queues(d, &cx, r)).unwrap_or_default();
        let hours: Hours = self.top("hours.md", |d, r| read_hours(d, &cx, r)).unwrap_or_default();
        let patterns = self.required("patterns.md", &cx, |d, cx, r| Some(read_patterns(d, cx, r)));
        if let Some(patterns) = &patterns {
            let named = patterns.verifications.iter();
            cx.verifications =
                named.map(|(name, slots)| (name.as_str().to_owned(), slots.clone())).collect();
        }
        let house = self.required("house.md", &cx, read_house);
        let faq = self.top("faq.md", |d, r| read_faq(d, &cx, r)).unwrap_or_default();
        let mut intents = self.read_intents(&cx);
        let not_by_phone = house.as_ref().map_or(&[][..], |house| &house.not_by_phone);
        let answers = faq.iter().map(|(entry, _)| entry.name());
        let answers: Vec<IntentName> =
            answers.chain(not_by_phone.iter().map(NotByPhone::name)).collect();
        for test in intents.iter_mut().flat_map(|intent| &mut intent.tests) {
            name_answer(test, &answers);
        }
        self.check_intents(&intents, &answers, patterns.as_ref());
        self.check_same_words(&intents, &faq, not_by_phone);
        Some(Generation {
            hash: hash(files),
            profile: self.profile.to_owned(),
            house: house?,
            words,
            patterns: patterns?,
            hours,
            queues,
            faq: faq.into_iter().map(|(entry, _)| entry).collect(),
            intents,
        })
    }

    /// The names that files may refer to, gathered before any file is read closely.
    fn context<'d>(&self, declared: &'d Declared, words: &Words) -> Context<'d> {
        let queues = self.top.get("queues.md").map_or(&[][..], |d| &d.sections);
        Context {
            declared,
            intents: self.intents.keys().cloned().collect(),
            queues: queues
                .iter()
                .map(|section| normal(&section.heading).replace(' ', "_"))
                .collect(),
            written_words: written_words(words),
            hours_said: self.top.get("hours.md").is_some_and(|d| d.section("Say").is_some()),
            verifications: BTreeMap::new(),
        }
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        cx: &Context<'_>,
        read: impl FnOnce(&Document, &Context<'_>, &mut Report) -> Option<T>,
    ) -> Option<T> {
        if !self.top.contains_key(name) {
            // An empty file tells in full what it has to contain.
            self.report(name, |report| {
                report.error(1, format!("there is no file {name}"), "add it to the profile");
            });
            self.top.insert(name, Document::default());
        }
        self.top(name, |document, report| read(document, cx, report)).flatten()
    }

    fn read_intents(&mut self, cx: &Context<'_>) -> Vec<Intent> {
        if self.intents.is_empty() {
            self.report("house.md", |report| {
                let fix = "add a file such as intents/balance.md";
                report.error(1, "the profile has no intents, so it understands nothing", fix);
            });
        }
        let documents = std::mem::take(&mut self.intents);
        let mut intents: Vec<Intent> = Vec::new();
        for (stem, document) in &documents {
            let path = format!("intents/{stem}.md");
            let intent = self.report(&path, |report| read_intent(stem, document, cx, report));
            let Some(intent) = intent else { continue };
            let named = |other: &&str| document_name(&documents, other) == intent.name.as_str();
            let first = documents.keys().map(String::as_str).take_while(|s| s != stem).find(named);
            if let Some(first) = first {
                let line = document.field("intent").map_or(1, |field| field.line);
                self.report(&path, |report| {
                    report.error(
                        line,
                        format!("the intent `{}` is also in {first}.md", intent.name),
                        "give each file an intent of its own, named like the file",
                    );
                });
                continue;
            }
            intents.push(intent);
        }
        intents
    }

    /// What can only be told with all intents at hand.
    fn check_intents(
        &mut self,
        intents: &[Intent],
        answers: &[IntentName],
        patterns: Option<&Patterns>,
    ) {
        let by_name: BTreeMap<&IntentName, &Intent> =
            intents.iter().map(|intent| (&intent.name, intent)).collect();
        for intent in intents {
            let path = format!("intents/{}.md", intent.name);
            let examples: BTreeSet<String> =
                intent.examples.iter().map(|example| plain_words(&example.text)).collect();
            self.report(&path, |report| {
                for test in &intent.tests {
                    match test.intent.as_ref().map(|name| (name, by_name.get(name))) {
                        Some((_, Some(target))) => {
                            check_test_slots(test, &all_slots(target, patterns), report);
                        }
                        Some((name, None)) if is_answer(name) => {
                            check_answer(test, name, answers, report);
                        }
                        Some((name, None)) => {
                            let known = by_name.keys().map(|name| name.as_str());
                            report.error(
                                test.line,
                                format!("there is no intent `{name}`"),
                                did_you_mean(name.as_str(), known, "write `intent: none`"),
                            );
                        }
                        None => {}
                    }
                    if examples.contains(&plain_words(&test.caller)) {
                        report.warning(
                            test.line,
                            "the test repeats a line of `## Callers say`, so it proves little",
                            "test other words than those it has learned",
                        );
                    }
                }
            });
        }
        if !intents.is_empty() && !intents.iter().any(|intent| intent.person == PersonRule::AtOnce)
        {
            self.report("house.md", |report| {
                report.warning(
                    1,
                    "no intent leads to a person when the caller asks for one",
                    "add an intent with `person: yes` and a `handoff:`",
                );
            });
        }
    }

    /// Nobody can tell two intents apart by the same words.
    fn check_same_words(
        &mut self,
        intents: &[Intent],
        faq: &[(FaqEntry, usize)],
        not_by_phone: &[NotByPhone],
    ) {
        let mut owners: BTreeMap<String, (String, usize)> = BTreeMap::new();
        let mut said: Vec<(String, &str, usize)> = Vec::new();
        for intent in intents {
            let path = format!("intents/{}.md", intent.name);
            let examples = intent.examples.iter();
            said.extend(
                examples.map(|example| (path.clone(), example.text.as_str(), example.line)),
            );
        }
        for (entry, line) in faq {
            let asked = entry.also.iter().map(String::as_str).chain([entry.question.as_str()]);
            said.extend(asked.map(|text| (format!("faq.md#{line}"), text, *line)));
        }
        for entry in not_by_phone {
            let owner = format!("house.md#{}", entry.title);
            let examples = entry.examples.iter();
            said.extend(
                examples.map(|example| (owner.clone(), example.text.as_str(), example.line)),
            );
        }
        for (owner, text, line) in said {
            let key = plain_words(text);
            match owners.get(&key) {
                Some((other, other_line)) if *other != owner => {
                    let (path, other) = (path_of(&owner).to_owned(), path_of(other).to_owned());
                    self.report(&path, |report| {
                        report.error(
                            line,
                            format!("\"{text}\" is also in {other} on line {other_line}"),
                            "keep it where it belongs and remove the other",
                        );
                    });
                }
                Some(_) => {}
                None => {
                    owners.insert(key, (owner, line));
                }
            }
        }
    }
}

/// Checks a test that expects an answer of `faq.md` or of `## Not by phone`.
fn check_answer(test: &InlineTest, name: &IntentName, answers: &[IntentName], report: &mut Report) {
    if !answers.contains(name) {
        let known = answers.iter().map(IntentName::as_str);
        let fix = did_you_mean(name.as_str(), known, "write `intent: none`");
        report.error(test.line, format!("there is no answer `{name}`"), fix);
    }
    if !test.slots.is_empty() {
        let what = format!("`{name}` is an answer, which needs no values");
        report.error(test.line, what, "remove the line `slots:`");
    }
}

/// Questions of the FAQ are owners of their own, `faq.md#12`, and so is what is not done by phone.
fn path_of(owner: &str) -> &str {
    owner.split('#').next().unwrap_or(owner)
}

fn document_name<'d>(documents: &'d BTreeMap<String, Document>, stem: &str) -> &'d str {
    let field = documents.get(stem).and_then(|document| document.field("intent"));
    field.map_or("", |field| field.value.as_str())
}

/// The slots of an intent with those of its verification.
fn all_slots<'i>(intent: &'i Intent, patterns: Option<&'i Patterns>) -> Vec<&'i SlotSpec> {
    let verified = match (&intent.verify, patterns) {
        (Some(name), Some(patterns)) => patterns.verifications.get(name),
        _ => None,
    };
    intent.slots.iter().chain(verified.into_iter().flatten()).collect()
}

/// SHA-256 over the paths and texts, in the order of the paths.
fn hash(files: &[SourceFile]) -> GenerationHash {
    let mut sorted: Vec<&SourceFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hasher = Sha256::new();
    for file in sorted {
        // The lengths keep "ab" + "c" apart from "a" + "bc".
        for text in [&file.path, &file.text] {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    let digits: Vec<String> = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    GenerationHash::new(digits.concat())
}
