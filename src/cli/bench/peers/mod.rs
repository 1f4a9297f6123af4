//! `frontdoor bench peers`: ours and what else there is, on the same audio in one run.
//!
//! `scripts/bench-peers` installs the others and then runs this. One after the other: everybody
//! has the machine to themselves, as far as others leave it alone.

mod calls;
mod clips;
mod hearing;
mod scripts;
mod told;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::recordings::{DEFAULT_LIST, read_list};
use super::report::Report;
use clips::Clips;
use told::{Hearers, Pipelines};

/// Arguments of `frontdoor bench peers`.
#[derive(Debug, Args)]
pub(super) struct PeersArgs {
    /// What is said: tab-separated, with a header naming at least path, transcript and kind
    #[arg(long, default_value = DEFAULT_LIST, value_name = "FILE")]
    recordings: PathBuf,
    /// At most this many recordings, spread over the list
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// Where the gain of each recording is drawn from
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Models to hear with: tiny.en or base; may be given several times [default: both]
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// The configuration of the front door that is called
    #[arg(long, default_value = "frontdoor.toml", value_name = "FILE")]
    config: PathBuf,
    /// Python with the others installed; without it only ours and whisper.cpp are measured
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Folder of the scripts that drive the others
    #[arg(long, default_value = "scripts/peers", value_name = "FOLDER")]
    scripts: PathBuf,
    /// Folder for their weights
    #[arg(long, value_name = "FOLDER", requires = "python")]
    store: Option<PathBuf>,
    /// Which measurements; may be given several times [default: both]
    #[arg(long, value_enum, value_name = "WHAT")]
    only: Vec<Part>,
    /// Where the report is written
    #[arg(long, default_value = "bench-peers", value_name = "FOLDER")]
    out: PathBuf,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// How long each takes to put a recording into words
    Transcribe,
    /// How long a caller waits for an answer
    Respond,
}

/// Measures, prints and writes the report.
pub(super) async fn run(args: PeersArgs) -> anyhow::Result<()> {
    let mut report = Report::begin("frontdoor and others, on the same audio");
    let recorded = read_list(&args.recordings, Some(usize::from(args.limit)))?;
    let clips = Clips::write(&recorded, args.seed)?;
    report.about(clips.about());
    let scripts = match (&args.python, &args.store) {
        (Some(python), store) => {
            let store = store.clone().unwrap_or_else(|| clips.folder().join("weights"));
            Some(scripts::Scripts::new(python.clone(), args.scripts.clone(), store)?)
        }
        (None, _) => None,
    };
    let models = match &args.model[..] {
        [] => vec!["tiny.en".to_owned(), "base".to_owned()],
        named => named.to_vec(),
    };
    let wants = |part| args.only.is_empty() || args.only.contains(&part);
    if wants(Part::Transcribe) {
        let mut hearers = Hearers::default();
        for model in &models {
            hearers.extend(hearing::ours_and_whisper_cpp(model, &clips).await?);
            if let Some(scripts) = &scripts {
                hearers.extend(scripts.faster_whisper(model, &clips).await?);
            }
        }
        hearers.tell(&clips, &mut report)?;
    }
    if wants(Part::Respond) {
        let mut pipelines = Pipelines::default();
        pipelines.push(calls::ours(&args.config, &clips).await?);
        if let Some(scripts) = &scripts {
            pipelines.extend(scripts.pipecat(&clips).await?);
        }
        pipelines.tell(&mut report)?;
    }
    let written = report.write(&args.out).context("the report")?;
    println!("report: {}", written.html.display());
    Ok(())
}
