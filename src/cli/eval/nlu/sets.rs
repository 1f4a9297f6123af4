//! Labelled sentences: lines of JSON, and public sets in the files in which they are published.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::nlu::IntentName;

/// Sentences that an intent must have beyond those that are drawn, where what is not drawn is the
/// test: with fewer, its accuracy says nothing.
const REST_MIN: usize = 3;

/// A public set, read as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PublicSet {
    /// banking77_train.csv and banking77_test.csv
    Banking77,
    /// clinc150.json, with its test sentences out of scope
    Clinc150,
    /// call_openings.tsv; what is not drawn is the test, so it needs --shots
    Openings,
    /// nlupp_banking.json: any number of intents a sentence, by the folds of its paper
    Nlupp,
}

/// A labelled sentence; out-of-scope ones may lack the label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub text: String,
    pub intent: IntentName,
}

/// What is examined.
#[derive(Debug)]
pub(super) enum Test {
    /// These.
    Fixed(Vec<Sentence>),
    /// What is not drawn to learn from.
    Rest,
}

/// A set.
#[derive(Debug)]
pub(super) struct Set {
    pub train: Vec<Sentence>,
    pub test: Test,
    pub oos: Vec<Sentence>,
}

impl Set {
    /// Reads a public set from its folder.
    pub fn public(set: PublicSet, folder: &Path, shots: Option<usize>) -> anyhow::Result<Self> {
        match set {
            PublicSet::Banking77 => {
                let train = banking77(&folder.join("banking77_train.csv"))?;
                let test = Test::Fixed(banking77(&folder.join("banking77_test.csv"))?);
                Ok(Self { train, test, oos: Vec::new() })
            }
            PublicSet::Clinc150 => clinc150(&folder.join("clinc150.json")),
            PublicSet::Openings => {
                let shots = shots.context("this set has no test sentences: give --shots")?;
                let all = openings(&folder.join("call_openings.tsv"))?;
                let train = frequent(all, shots + REST_MIN);
                Ok(Self { train, test: Test::Rest, oos: Vec::new() })
            }
            PublicSet::Nlupp => bail!("this set is measured by folds, not by accuracy"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    #[serde(default)]
    intent: Option<String>,
}

/// Whether sentences need an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    Needed,
    Ignored,
}

fn parse(text: &str, name: &Path, labels: Labels) -> anyhow::Result<Vec<Sentence>> {
    let mut sentences = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", name.display(), index + 1);
        let line: Line = serde_json::from_str(line).with_context(place)?;
        if line.text.trim().is_empty() {
            bail!("{}: the text is empty", place());
        }
        let intent = match (line.intent.filter(|intent| !intent.trim().is_empty()), labels) {
            (Some(intent), _) => intent,
            (None, Labels::Ignored) => String::new(),
            (None, Labels::Needed) => bail!("{}: has no \"intent\"", place()),
        };
        sentences.push(Sentence { text: line.text, intent: IntentName::new(intent) });
    }
    if sentences.is_empty() {
        bail!("{}: holds no sentence", name.display());
    }
    Ok(sentences)
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a file of JSON.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    serde_json::from_str(&read_text(path)?).with_context(|| path.display().to_string())
}

/// Reads lines of JSON.
pub(super) fn read(path: &Path, labels: Labels) -> anyhow::Result<Vec<Sentence>> {
    parse(&read_text(path)?, path, labels)
}

fn banking77(path: &Path) -> anyhow::Result<Vec<Sentence>> {
    let rows = csv_rows(&read_text(path)?);
    let mut sentences = Vec::new();
    // The first row has the names of the columns.
    for row in rows.into_iter().skip(1) {
        let [text, intent] = <[String; 2]>::try_from(row)
            .map_err(|row| anyhow::anyhow!("{}: no text and intent: {row:?}", path.display()))?;
        sentences.push(Sentence { text: text.trim().to_owned(), intent: IntentName::new(intent) });
    }
    Ok(sentences)
}

/// The rows of comma-separated values with quotes (RFC 4180).
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().filter(|c| *c != '\r').peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

fn clinc150(path: &Path) -> anyhow::Result<Set> {
    let mut parts: BTreeMap<String, Vec<(String, String)>> = read_json(path)?;
    let mut part = |name: &str| {
        let lines = parts.remove(name);
        let lines = lines.with_context(|| format!("{}: has no \"{name}\"", path.display()))?;
        let sentences = lines
            .into_iter()
            .map(|(text, intent)| Sentence { text, intent: IntentName::new(intent) });
        anyhow::Ok(sentences.collect::<Vec<Sentence>>())
    };
    Ok(Set { train: part("train")?, test: Test::Fixed(part("test")?), oos: part("oos_test")? })
}

fn openings(path: &Path) -> anyhow::Result<Vec<Sentence>> {
    let mut sentences = Vec::new();
    for (index, line) in read_text(path)?.lines().enumerate().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, _, intent, text] = columns[..] else {
            bail!("{}:{}: has not four columns", path.display(), index + 1);
        };
        let intent = IntentName::new(snake_case(intent));
        sentences.push(Sentence { text: text.to_owned(), intent });
    }
    Ok(sentences)
}

/// `ReportLostCard` as `report_lost_card`, so that its words can be told apart.
fn snake_case(name: &str) -> String {
    let mut words = String::new();
    let mut before_is_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && before_is_lower {
            words.push('_');
        }
        before_is_lower = c.is_lowercase();
        words.extend(c.to_lowercase());
    }
    words
}

/// The sentences of the intents that have at least so many.
fn frequent(sentences: Vec<Sentence>, count_min: usize) -> Vec<Sentence> {
    let mut counts: BTreeMap<IntentName, usize> = BTreeMap::new();
    for sentence in &sentences {
        *counts.entry(sentence.intent.clone()).or_default() += 1;
    }
    let enough =
        |sentence: &Sentence| counts.get(&sentence.intent).is_some_and(|n| *n >= count_min);
    sentences.into_iter().filter(enough).collect()
}

/// The names of the intents as sentences of theirs.
pub(super) fn names(sentences: &[Sentence]) -> Vec<Sentence> {
    let intents: BTreeSet<&IntentName> = sentences.iter().map(|one| &one.intent).collect();
    let name = |intent: &IntentName| Sentence { text: intent.as_words(), intent: intent.clone() };
    intents.into_iter().map(name).collect()
}

/// Sentences of a set, drawn and left.
pub(super) struct Draw<'a> {
    /// At most as many of each intent as were wanted.
    pub drawn: Vec<&'a Sentence>,
    /// All others.
    pub rest: Vec<&'a Sentence>,
}

/// Draws sentences of each intent, or takes all.
pub(super) fn draw(sentences: &[Sentence], shots: Option<usize>, seed: u64) -> Draw<'_> {
    let Some(shots) = shots else {
        return Draw { drawn: sentences.iter().collect(), rest: Vec::new() };
    };
    let mut by_intent: BTreeMap<&IntentName, Vec<&Sentence>> = BTreeMap::new();
    for sentence in sentences {
        by_intent.entry(&sentence.intent).or_default().push(sentence);
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut draw = Draw { drawn: Vec::new(), rest: Vec::new() };
    for mut sentences in by_intent.into_values() {
        sentences.shuffle(&mut random);
        let rest = sentences.split_off(shots.min(sentences.len()));
        draw.drawn.extend(sentences);
        draw.rest.extend(rest);
    }
    draw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_named() {
        let good = "{\"text\":\"hi\",\"intent\":\"greet\"}\n\n";
        let name = Path::new("t.jsonl");
        assert_eq!(parse(good, name, Labels::Needed).expect("good").len(), 1);
        for (bad, complaint) in [
            ("{\"text\":\"hi\"}", "t.jsonl:3: has no \"intent\""),
            ("{\"text\":\" \",\"intent\":\"a\"}", "t.jsonl:3: the text is empty"),
            ("nonsense", "t.jsonl:3"),
            ("{\"txt\":\"hi\"}", "t.jsonl:3"),
        ] {
            let error = parse(&format!("{good}{bad}"), name, Labels::Needed).expect_err("bad");
            assert!(format!("{error:#}").contains(complaint), "{error:#}");
        }
        assert!(parse("{\"text\":\"hi\"}", name, Labels::Ignored).is_ok());
        assert!(parse("\n", name, Labels::Needed).is_err());
    }

    #[test]
    fn shots_are_drawn_by_seed_and_by_intent() {
        let sentences: Vec<Sentence> = (0..40)
            .map(|i| Sentence {
                text: i.to_string(),
                intent: IntentName::new(if i < 30 { "a" } else { "b" }),
            })
            .collect();
        let Draw { drawn, rest } = draw(&sentences, Some(5), 1);
        assert_eq!(drawn.iter().filter(|one| one.intent.as_str() == "a").count(), 5);
        assert_eq!((drawn.len(), rest.len()), (10, 30));
        assert!(rest.iter().all(|one| !drawn.contains(one)));
        assert_eq!(drawn, draw(&sentences, Some(5), 1).drawn);
        assert_ne!(drawn, draw(&sentences, Some(5), 2).drawn);
        assert_eq!(draw(&sentences, None, 1).drawn.len(), 40);
        assert_eq!(frequent(sentences, 11).len(), 30);
    }

    #[test]
    fn quotes_keep_commas_and_lines_together() {
        let text = "text,category\r\n\"a, \"\"b\"\"\nc\",x\nplain,y";
        let rows = csv_rows(text);
        assert_eq!(rows, [["text", "category"], ["a, \"b\"\nc", "x"], ["plain", "y"]]);
    }

    #[test]
    fn names_of_intents_become_words() {
        assert_eq!(snake_case("ReportLostStolenCard"), "report_lost_stolen_card");
        assert_eq!(snake_case("FindATM"), "find_atm");
    }
}
