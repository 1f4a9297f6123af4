//! `frontdoor eval nlu`: trains the classifier on labelled sentences and examines it on others.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{progress_bar, write_json};
use crate::engine::models::ModelStore;
use crate::engine::understanding::{
    Embedding, EmbeddingCache, Head, SentenceEncoder, calibration_error,
};
use crate::nlu::{IntentName, Understanding};

/// Sentences over which the time of one is taken.
const TIMED: usize = 50;

/// Arguments of `frontdoor eval nlu`.
#[derive(Debug, Args)]
pub struct NluArgs {
    /// Sentences to learn from: lines of {"text": .., "intent": ..}
    #[arg(long)]
    pub train: PathBuf,
    /// Sentences to be examined on
    #[arg(long)]
    pub test: PathBuf,
    /// Sentences that belong to no intent
    #[arg(long)]
    pub oos: Option<PathBuf>,
    /// Learn from this many sentences of each intent, drawn anew for each seed; else from all
    #[arg(long, value_name = "N")]
    pub shots: Option<usize>,
    /// Seeds, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    pub seeds: Vec<u64>,
    /// Do not learn from the names of the intents, which count as one more sentence of each
    #[arg(long)]
    pub no_names: bool,
    /// Folder of the sentence encoder
    #[arg(long, value_name = "FOLDER")]
    pub encoder: Option<PathBuf>,
    /// Keep embeddings in this folder for the next run
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Also write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    #[serde(default)]
    intent: Option<String>,
}

/// A labelled sentence; out-of-scope ones may lack the label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sentence {
    text: String,
    intent: IntentName,
}

/// Whether sentences need an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
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

fn read(path: &Path, labels: Labels) -> anyhow::Result<Vec<Sentence>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text, path, labels)
}

/// The names of the intents as sentences of theirs.
fn names(sentences: &[Sentence]) -> Vec<Sentence> {
    let intents: std::collections::BTreeSet<&IntentName> =
        sentences.iter().map(|sentence| &sentence.intent).collect();
    intents
        .into_iter()
        .map(|intent| Sentence { text: intent.as_words(), intent: intent.clone() })
        .collect()
}

/// At most `shots` sentences of each intent.
fn draw(sentences: &[Sentence], shots: Option<usize>, seed: u64) -> Vec<&Sentence> {
    let Some(shots) = shots else { return sentences.iter().collect() };
    let mut by_intent: BTreeMap<&IntentName, Vec<&Sentence>> = BTreeMap::new();
    for sentence in sentences {
        by_intent.entry(&sentence.intent).or_default().push(sentence);
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut drawn = Vec::new();
    for mut sentences in by_intent.into_values() {
        sentences.shuffle(&mut random);
        drawn.extend(sentences.into_iter().take(shots));
    }
    drawn
}

/// One seed's result. Shares are 0 to 1.
#[derive(Debug, Clone, Serialize)]
struct Outcome {
    seed: u64,
    train_sentences: usize,
    train_s: f64,
    temperature: f32,
    accuracy: f64,
    calibration_error: f64,
    /// What training expected its calibration error to be.
    expected_calibration_error: f64,
    accepted: f64,
    accepted_and_right: f64,
    out_of_scope_recall: Option<f64>,
    auroc: Option<f64>,
    classify_ms: f64,
}

/// The chance that an out-of-scope sentence scores above an in-scope one.
fn auroc(inside: &[f32], outside: &[f32]) -> f64 {
    let mut all: Vec<(f32, bool)> = inside.iter().map(|score| (*score, false)).collect();
    all.extend(outside.iter().map(|score| (*score, true)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut inside_below, mut pairs, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let ties = all[at..].iter().take_while(|one| one.0 == all[at].0).count();
        let outside_here = all[at..at + ties].iter().filter(|one| one.1).count() as f64;
        let inside_here = ties as f64 - outside_here;
        pairs += outside_here * (inside_below + inside_here / 2.0);
        inside_below += inside_here;
        at += ties;
    }
    pairs / (inside.len() as f64 * outside.len() as f64)
}

struct Data {
    train: Vec<Sentence>,
    /// Learned from as well, whatever is drawn.
    names: Vec<Sentence>,
    test: Vec<Sentence>,
    oos: Vec<Sentence>,
    embeddings: HashMap<String, Embedding>,
}

impl Data {
    fn embedding(&self, text: &str) -> anyhow::Result<&Embedding> {
        self.embeddings.get(text).context("a sentence was not embedded")
    }

    fn classify(&self, head: &Head, sentences: &[Sentence]) -> anyhow::Result<Vec<Understanding>> {
        sentences.iter().map(|one| Ok(head.classify(self.embedding(&one.text)?))).collect()
    }

    fn examine(&self, shots: Option<usize>, seed: u64) -> anyhow::Result<Outcome> {
        let mut examples = Vec::new();
        for sentence in draw(&self.train, shots, seed).into_iter().chain(&self.names) {
            examples.push((sentence.intent.clone(), self.embedding(&sentence.text)?.clone()));
        }
        let started = Instant::now();
        let head = Head::train(&examples, &[], seed)?;
        let train_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let answers = self.classify(&head, &self.test)?;
        let classify_ms = started.elapsed().as_secs_f64() * 1000.0 / answers.len() as f64;
        let strangers = self.classify(&head, &self.oos)?;
        let judged: Vec<(f32, bool)> = answers
            .iter()
            .zip(&self.test)
            .filter_map(|(answer, truth)| {
                answer.top().map(|top| (top.confidence, top.intent == truth.intent))
            })
            .collect();
        let share = |count: usize, all: usize| count as f64 / all.max(1) as f64;
        let accepted = |index: &usize| !answers[*index].is_out_of_scope();
        let scores = |all: &[Understanding]| -> Vec<f32> {
            all.iter().map(|answer| answer.out_of_scope).collect()
        };
        let refused = strangers.iter().filter(|answer| answer.is_out_of_scope()).count();
        let known = !strangers.is_empty();
        Ok(Outcome {
            seed,
            train_sentences: examples.len(),
            train_s,
            temperature: head.report().temperature,
            accuracy: share(judged.iter().filter(|(_, right)| *right).count(), judged.len()),
            calibration_error: calibration_error(&judged),
            expected_calibration_error: head.report().calibration_error,
            accepted: share((0..answers.len()).filter(accepted).count(), answers.len()),
            accepted_and_right: share(
                (0..answers.len()).filter(accepted).filter(|&index| judged[index].1).count(),
                answers.len(),
            ),
            out_of_scope_recall: known.then(|| share(refused, strangers.len())),
            auroc: known.then(|| auroc(&scores(&answers), &scores(&strangers))),
            classify_ms,
        })
    }
}

#[derive(Debug, Serialize)]
struct Report {
    train: PathBuf,
    test: PathBuf,
    oos: Option<PathBuf>,
    shots: Option<usize>,
    encode_ms: f64,
    outcomes: Vec<Outcome>,
}

impl Report {
    /// Mean and standard deviation over the seeds.
    fn over_seeds(&self, value: impl Fn(&Outcome) -> Option<f64>) -> Option<(f64, f64)> {
        let values: Option<Vec<f64>> = self.outcomes.iter().map(value).collect();
        let values = values.filter(|values| !values.is_empty())?;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        Some((mean, variance.sqrt()))
    }

    fn print(&self) {
        let percent = |name: &str, value: &dyn Fn(&Outcome) -> Option<f64>| {
            if let Some((mean, spread)) = self.over_seeds(value) {
                println!("{name:<44} {:>6.1} % +- {:.1}", mean * 100.0, spread * 100.0);
            }
        };
        percent("accuracy", &|o| Some(o.accuracy));
        percent("in scope, accepted", &|o| Some(o.accepted));
        percent("in scope, accepted and right", &|o| Some(o.accepted_and_right));
        percent("out of scope, refused", &|o| o.out_of_scope_recall);
        percent("out of scope, AUROC", &|o| o.auroc);
        percent("calibration error", &|o| Some(o.calibration_error));
        percent("calibration error expected by training", &|o| Some(o.expected_calibration_error));
        let plain = |name: &str, unit: &str, value: &dyn Fn(&Outcome) -> Option<f64>| {
            if let Some((mean, _)) = self.over_seeds(value) {
                println!("{name:<44} {mean:>6.2} {unit}");
            }
        };
        plain("sentences learned from", "", &|o| Some(o.train_sentences as f64));
        plain("training", "s", &|o| Some(o.train_s));
        plain("temperature", "", &|o| Some(f64::from(o.temperature)));
        plain("one sentence, classifying", "ms", &|o| Some(o.classify_ms));
        println!("{:<44} {:>6.2} ms", "one sentence, encoding", self.encode_ms);
    }
}

/// Embeds every sentence once.
fn embed<'a>(
    encoder: &Arc<SentenceEncoder>,
    cache: Option<&Path>,
    sentences: impl Iterator<Item = &'a Sentence>,
) -> anyhow::Result<HashMap<String, Embedding>> {
    let mut texts: Vec<&str> = sentences.map(|one| one.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    let bar = progress_bar(texts.len(), "embedding");
    let mut cache = EmbeddingCache::open(Arc::clone(encoder), cache);
    let embeddings = cache.encode(&texts, &mut |done, missing| {
        bar.set_length(missing as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(texts.into_iter().map(str::to_owned).zip(embeddings).collect())
}

/// Runs the evaluation.
pub(super) fn run(args: &NluArgs) -> anyhow::Result<()> {
    let train = read(&args.train, Labels::Needed)?;
    let test = read(&args.test, Labels::Needed)?;
    if args.seeds.is_empty() {
        bail!("--seeds needs at least one number");
    }
    let oos = match &args.oos {
        Some(path) => read(path, Labels::Ignored)?,
        None => Vec::new(),
    };
    let folder = match &args.encoder {
        Some(folder) => folder.clone(),
        None => {
            let config = ModelStore::open(None)?.checked("minilm")?.file("config.json")?;
            config.parent().context("a model file lies in a folder")?.to_owned()
        }
    };
    let encoder = Arc::new(SentenceEncoder::load(&folder)?);
    // All of the training set is the same for every seed.
    let seeds = if args.shots.is_some() { &args.seeds[..] } else { &args.seeds[..1] };
    let drawn = seeds.iter().flat_map(|&seed| draw(&train, args.shots, seed));
    let names = if args.no_names { Vec::new() } else { names(&train) };
    let all = drawn.chain(&names).chain(&test).chain(&oos);
    let embeddings = embed(&encoder, args.cache.as_deref(), all)?;
    let timed: Vec<&Sentence> = test.iter().take(TIMED).collect();
    let started = Instant::now();
    for sentence in &timed {
        encoder.encode(&sentence.text)?;
    }
    let encode_ms = started.elapsed().as_secs_f64() * 1000.0 / timed.len() as f64;

    let data = Data { train, names, test, oos, embeddings };
    let bar = progress_bar(seeds.len(), "training");
    let mut outcomes = Vec::new();
    for &seed in seeds {
        outcomes.push(data.examine(args.shots, seed)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = Report {
        train: args.train.clone(),
        test: args.test.clone(),
        oos: args.oos.clone(),
        shots: args.shots,
        encode_ms,
        outcomes,
    };
    report.print();
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &report))
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
        let drawn = draw(&sentences, Some(5), 1);
        assert_eq!(drawn.iter().filter(|one| one.intent.as_str() == "a").count(), 5);
        assert_eq!(drawn.len(), 10);
        assert_eq!(drawn, draw(&sentences, Some(5), 1));
        assert_ne!(drawn, draw(&sentences, Some(5), 2));
        assert_eq!(draw(&sentences, None, 1).len(), 40);
    }

    #[test]
    fn auroc_counts_pairs() {
        assert_eq!(auroc(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(auroc(&[3.0, 4.0], &[1.0, 2.0]), 0.0);
        assert_eq!(auroc(&[1.0, 1.0], &[1.0]), 0.5);
        assert_eq!(auroc(&[1.0, 3.0], &[2.0]), 0.5);
    }
}
