//! `frontdoor eval nlu`: trains the classifier on labelled sentences and examines it on others, and
//! measures ways to look at sentences against each other.

mod bench;
mod report;
mod sets;
mod several;
mod variants;

pub use sets::PublicSet;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use self::bench::{Bench, Embedder, Noise};
use self::report::{Measured, Report, print_table};
use self::sets::{Labels, Set, Test, names, read};
use self::variants::{Variant, chosen};
use super::{progress_bar, write_json};
use crate::engine::models::ModelStore;
use crate::engine::understanding::{FeatureSet, SentenceEncoder};

/// Arguments of `frontdoor eval nlu`.
#[derive(Debug, Args)]
pub struct NluArgs {
    /// Sentences to learn from: lines of {"text": .., "intent": ..}
    #[arg(long, required_unless_present = "set")]
    pub train: Option<PathBuf>,
    /// Sentences to be examined on
    #[arg(long, required_unless_present = "set")]
    pub test: Option<PathBuf>,
    /// Sentences that belong to no intent
    #[arg(long)]
    pub oos: Option<PathBuf>,
    /// A public set instead, in the files in which it is published
    #[arg(
        long,
        value_enum,
        value_name = "SET",
        requires = "data",
        conflicts_with_all = ["train", "test", "oos"]
    )]
    pub set: Option<PublicSet>,
    /// The folder of the public set's files
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Learn from this many sentences of each intent, drawn anew for each seed; else from all
    #[arg(long, value_name = "N")]
    pub shots: Option<usize>,
    /// Seeds, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    pub seeds: Vec<u64>,
    /// Measure these ways to look at sentences against each other and print a table: names
    /// separated by commas, or all
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub variants: Vec<String>,
    /// Also examine on sentences with this share of their words misheard, by simulation
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=90))]
    pub word_errors: Option<u8>,
    /// Do not learn from the names of the intents, which count as one more sentence of each
    #[arg(long)]
    pub no_names: bool,
    /// Folder of the sentence encoder
    #[arg(long, value_name = "FOLDER")]
    pub encoder: Option<PathBuf>,
    /// Use the encoder as it was published, without what it was taught about requests
    #[arg(long)]
    pub untaught: bool,
    /// Keep embeddings in this folder for the next run
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Also write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl NluArgs {
    fn set(&self) -> anyhow::Result<Set> {
        if let (Some(set), Some(data)) = (self.set, &self.data) {
            return Set::public(set, data, self.shots);
        }
        let (Some(train), Some(test)) = (&self.train, &self.test) else {
            bail!("give --train and --test, or --set and --data");
        };
        let oos = match &self.oos {
            Some(path) => read(path, Labels::Ignored)?,
            None => Vec::new(),
        };
        let test = Test::Fixed(read(test, Labels::Needed)?);
        Ok(Set { train: read(train, Labels::Needed)?, test, oos })
    }

    fn embedder(&self) -> anyhow::Result<Embedder> {
        let folder = match &self.encoder {
            Some(folder) => folder.clone(),
            None => {
                let config = ModelStore::open(None)?.checked("minilm")?.file("config.json")?;
                config.parent().context("a model file lies in a folder")?.to_owned()
            }
        };
        let encoder = match self.untaught {
            true => SentenceEncoder::load_untaught(&folder)?,
            false => SentenceEncoder::load(&folder)?,
        };
        Ok(Embedder::new(Arc::new(encoder), self.cache.clone()))
    }
}

/// Runs the evaluation.
pub(super) fn run(args: &NluArgs) -> anyhow::Result<()> {
    let variants = chosen(&args.variants)?;
    if args.seeds.is_empty() {
        bail!("--seeds needs at least one number");
    }
    if args.set == Some(PublicSet::Nlupp) {
        return several::run(args, &variants);
    }
    let set = args.set()?;
    let names = if args.no_names { Vec::new() } else { names(&set.train) };
    let noise = args.word_errors.map(|percent| Noise::new(&set, percent));
    let embedder = args.embedder()?;
    let mut bench = Bench { set, names, noise, embedder, shots: args.shots };
    // All of the training set is the same for every seed.
    let seeds = if args.shots.is_some() { &args.seeds[..] } else { &args.seeds[..1] };
    if variants.is_empty() {
        let product = Variant { name: "product", features: FeatureSet::default() };
        let report =
            Report { shots: args.shots, measured: measure(&mut bench, &[&product], seeds)? };
        report.measured.iter().for_each(Measured::print);
        return args.json.as_deref().map_or(Ok(()), |path| write_json(path, &report));
    }
    let report = Report { shots: args.shots, measured: measure(&mut bench, &variants, seeds)? };
    print_table(&report.measured)?;
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &report))
}

fn measure(
    bench: &mut Bench,
    variants: &[&Variant],
    seeds: &[u64],
) -> anyhow::Result<Vec<Measured>> {
    let bar = progress_bar(seeds.len() * variants.len(), "training");
    let mut measured = Vec::new();
    for variant in variants {
        let encode_cpu_ms =
            bench.embedder.encode_cpu_ms(&bench.sample(), variant.features.pooling)?;
        let mut outcomes = Vec::new();
        for &seed in seeds {
            outcomes.push(bench.examine(variant.features, seed)?);
            bar.inc(1);
        }
        measured.push(Measured { variant: variant.name, encode_cpu_ms, outcomes });
    }
    bar.finish_and_clear();
    Ok(measured)
}
