//! NLU++ (Casanueva et al. 2022, "NLU++: A multi-label, slot-rich, generalisable dataset for
//! natural language understanding in task-oriented dialogue", arXiv:2204.13021): any number of
//! intents a sentence, micro F1 over all intents, averaged over folds. Folds are divided as in the
//! loader that is published with the set.

use std::io::stdout;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::NluArgs;
use super::bench::Embedder;
use super::report::mean_and_spread;
use super::sets::read_json;
use super::variants::Variant;
use crate::cli::eval::cpu::CpuClock;
use crate::cli::eval::{progress_bar, write_json};
use crate::cli::table::write_table;
use crate::engine::understanding::{
    Copies, FeatureSet, Fusion, LabelCounts, Labelled, Phrase, SeveralHead,
};
use crate::nlu::IntentName;

/// The file of the set.
const FILE: &str = "nlupp_banking.json";

/// How much is learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Regime {
    /// One fold, examined on the other nineteen: 20 runs.
    Low,
    /// Two folds, examined on the other eighteen: 10 runs.
    Mid,
    /// Eighteen folds, examined on the other two: 10 runs.
    Large,
}

impl Regime {
    const ALL: [Self; 3] = [Self::Low, Self::Mid, Self::Large];

    const fn name(self) -> &'static str {
        match self {
            Self::Low => "low (20-fold)",
            Self::Mid => "mid (10-fold)",
            Self::Large => "large",
        }
    }

    /// The folds that each run learns from.
    fn runs(self, fold_count: usize) -> Vec<Vec<usize>> {
        let pairs = (0..fold_count / 2).map(|pair| [2 * pair, 2 * pair + 1]);
        match self {
            Self::Low => (0..fold_count).map(|fold| vec![fold]).collect(),
            Self::Mid => pairs.map(|pair| pair.to_vec()).collect(),
            Self::Large => pairs
                .map(|pair| (0..fold_count).filter(|fold| !pair.contains(fold)).collect())
                .collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct File {
    folds: Vec<Vec<Line>>,
}

/// Slots stand there too and are not looked at.
#[derive(Debug, Deserialize)]
struct Line {
    text: String,
    #[serde(default)]
    intents: Vec<String>,
}

/// What came of one way to look at sentences, with one amount to learn from.
#[derive(Debug, Serialize)]
struct Measured {
    variant: &'static str,
    regime: Regime,
    /// Of each run.
    micro_f1: Vec<f64>,
    threshold: f64,
    train_cpu_s: f64,
    cpu_ms: f64,
}

impl Measured {
    fn row(&self) -> Vec<String> {
        let (mean, spread) = mean_and_spread(&self.micro_f1).unwrap_or_default();
        vec![
            self.variant.to_owned(),
            self.regime.name().to_owned(),
            format!("{:.1}", mean * 100.0),
            format!("{:.1}", spread * 100.0),
            format!("{:.2}", self.threshold),
            format!("{:.2}", self.train_cpu_s),
            format!("{:.2}", self.cpu_ms),
        ]
    }
}

/// Runs the evaluation, with these ways to look at sentences or, if none is given, with the
/// product's.
pub(super) fn run(args: &NluArgs, variants: &[&'static Variant]) -> anyhow::Result<()> {
    let folder = args.data.as_ref().context("give --data")?;
    let file: File = read_json(&folder.join(FILE))?;
    if file.folds.len() < 4 {
        bail!("{FILE}: has only {} folds", file.folds.len());
    }
    let product = Variant { name: "product", features: FeatureSet::default() };
    let variants: Vec<&Variant> =
        if variants.is_empty() { vec![&product] } else { usable(variants)? };
    let mut embedder = args.embedder()?;
    let bar = progress_bar(variants.len() * Regime::ALL.len(), "training");
    let mut measured = Vec::new();
    for variant in variants {
        let data = Data::read(&file, &mut embedder, variant, args)?;
        for regime in Regime::ALL {
            measured.push(data.measure(variant, regime)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let columns = ["variant", "learned from", "micro F1", "+-", "threshold", "train s", "ms"];
    let rows: Vec<Vec<String>> = measured.iter().map(Measured::row).collect();
    write_table(&mut stdout().lock(), &columns, &rows)?;
    println!("To be compared with the tables of Casanueva et al. 2022 (arXiv:2204.13021).");
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &measured))
}

/// The variants that differ in what they see of a sentence: copies and blends are not for labels
/// that do not exclude each other.
fn usable(variants: &[&'static Variant]) -> anyhow::Result<Vec<&'static Variant>> {
    let usable: Vec<&Variant> = variants
        .iter()
        .copied()
        .filter(|one| one.features.fusion == Fusion::Joined)
        .filter(|one| one.features.copies == Copies::Nothing)
        .collect();
    if usable.is_empty() {
        bail!("none of these variants is for several intents a sentence");
    }
    Ok(usable)
}

/// The set as one way of looking sees it.
struct Data {
    folds: Vec<Vec<Labelled>>,
    /// The names of the intents, learned from as sentences of theirs.
    names: Vec<Labelled>,
    encode_cpu_ms: f64,
}

impl Data {
    fn read(
        file: &File,
        embedder: &mut Embedder,
        variant: &Variant,
        args: &NluArgs,
    ) -> anyhow::Result<Self> {
        let pooling = variant.features.pooling;
        let texts: Vec<&str> = file.folds.iter().flatten().map(|line| line.text.as_str()).collect();
        let encode_cpu_ms = embedder.encode_cpu_ms(&texts, pooling)?;
        let mut phrases = embedder.phrases(&texts, pooling)?.into_iter();
        let labelled = |line: &Line, phrase: Phrase| Labelled {
            labels: line.intents.iter().map(IntentName::new).collect(),
            phrase,
        };
        let mut folds = Vec::new();
        for fold in &file.folds {
            let lines = fold.iter().zip(phrases.by_ref());
            folds.push(lines.map(|(line, phrase)| labelled(line, phrase)).collect());
        }
        let mut labels: Vec<IntentName> = file
            .folds
            .iter()
            .flatten()
            .flat_map(|line| &line.intents)
            .map(IntentName::new)
            .collect();
        labels.sort();
        labels.dedup();
        if args.no_names {
            labels.clear();
        }
        let texts: Vec<String> = labels.iter().map(IntentName::as_words).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let phrases = embedder.phrases(&texts, pooling)?;
        let names = labels
            .into_iter()
            .zip(phrases)
            .map(|(label, phrase)| Labelled { labels: vec![label], phrase })
            .collect();
        Ok(Self { folds, names, encode_cpu_ms })
    }

    fn measure(&self, variant: &Variant, regime: Regime) -> anyhow::Result<Measured> {
        let runs = regime.runs(self.folds.len());
        let run_count = runs.len() as f64;
        let (mut micro_f1, mut threshold, mut examined) = (Vec::new(), 0.0, 0_u32);
        let (mut train_cpu_s, mut classify_cpu_s) = (0.0, 0.0);
        for (seed, learned) in (0_u64..).zip(runs) {
            let examples: Vec<Labelled> =
                learned.iter().flat_map(|fold| self.folds[*fold].iter().cloned()).collect();
            let clock = CpuClock::start();
            let head = SeveralHead::train(&examples, &self.names, variant.features, seed)?;
            train_cpu_s += clock.elapsed_s();
            threshold += f64::from(head.threshold());
            let clock = CpuClock::start();
            let mut counts = LabelCounts::default();
            let rest = (0..self.folds.len()).filter(|fold| !learned.contains(fold));
            for example in rest.flat_map(|fold| &self.folds[fold]) {
                counts.add(&head.labels_of(&example.phrase), &example.labels);
                examined += 1;
            }
            classify_cpu_s += clock.elapsed_s();
            micro_f1.push(counts.f1());
        }
        Ok(Measured {
            variant: variant.name,
            regime,
            micro_f1,
            threshold: threshold / run_count,
            train_cpu_s: train_cpu_s / run_count,
            cpu_ms: self.encode_cpu_ms + classify_cpu_s * 1000.0 / f64::from(examined.max(1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::variants::chosen;
    use super::*;

    #[test]
    fn folds_are_divided_as_published() {
        let low = Regime::Low.runs(20);
        assert_eq!(low.len(), 20);
        assert_eq!(low[7], [7]);
        let mid = Regime::Mid.runs(20);
        assert_eq!(mid.len(), 10);
        assert_eq!(mid[9], [18, 19]);
        let large = Regime::Large.runs(20);
        assert_eq!((large.len(), large[0].len()), (10, 18));
        assert!(!large[0].contains(&0) && !large[0].contains(&1) && large[0].contains(&2));
    }

    #[test]
    fn only_what_is_seen_of_a_sentence_is_for_labels() {
        let all = chosen(&["all".to_owned()]).expect("all");
        let usable = usable(&all).expect("some");
        assert!(usable.iter().any(|one| one.name == "words"));
        assert!(usable.iter().all(|one| one.name != "mixed" && one.name != "centroids"));
    }
}
