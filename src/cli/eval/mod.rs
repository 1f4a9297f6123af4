//! `frontdoor eval`: measures recognition, understanding and whole calls on your own data.

mod ahead;
mod calls;
pub(super) mod channel;
#[cfg(test)]
mod contract;
pub(super) mod cpu;
mod database;
mod entities;
pub(super) mod manifest;
mod nlu;
mod running;
mod scenario;
pub(super) mod spoken;
mod stt;
mod talk;
mod tally;
mod timing;
pub(super) mod turns;

pub use calls::CallsArgs;
pub use entities::EntitiesArgs;
pub use nlu::NluArgs;
pub use stt::SttArgs;
pub use timing::TimingArgs;
pub use turns::TurnsArgs;

use std::path::Path;

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Arguments of `frontdoor eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Word error rate and speed of speech recognition, on recordings with transcripts
    Stt(SttArgs),
    /// Accuracy, calibration and out-of-scope detection of understanding, on labelled sentences
    Nlu(NluArgs),
    /// Values said on the telephone (numbers, dates, spelled names): how many are got exactly, and
    /// what each way of listening adds
    Entities(EntitiesArgs),
    /// Whole calls, written as tests in a profile's folder `calls`, on text or spoken by synthetic
    /// callers (--audio): task success, containment, and what the calls changed that they should
    /// not have
    Calls(CallsArgs),
    /// Response latency from the recording of a call, beside what its record says
    ///
    /// Listens for itself who spoke when: for each turn, from the caller's last voiced sample to our
    /// first. Points out turns whose record says something else.
    Timing(TimingArgs),
    /// How soon it is known that a caller has finished, against callers cut off before they have: by
    /// silence alone, by an end-of-turn model alone, and by ours, on recordings with pauses put in
    Turns(TurnsArgs),
}

/// Runs the evaluation and prints its table.
pub async fn run(args: EvalArgs) -> anyhow::Result<()> {
    match args.what {
        What::Stt(args) => stt::run(args).await,
        What::Entities(args) => entities::run(args).await,
        What::Calls(args) => calls::run(args).await,
        What::Timing(args) => timing::run(args).await,
        What::Turns(args) => turns::run(args).await,
        What::Nlu(args) => tokio::task::spawn_blocking(move || nlu::run(&args)).await?,
    }
}

/// A progress bar on standard error, with the time left; nothing where that is no terminal.
pub(super) fn progress_bar(len: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(len as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg:<12} {bar:30} {pos}/{len}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

pub(super) fn write_json(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(report)?;
    std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// The value that this share of the sorted values does not exceed.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    match sorted.len() {
        0 => 0,
        len => sorted[(len * percent).div_ceil(100).clamp(1, len) - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        assert_eq!(percentile(&[], 50), 0);
        assert_eq!(percentile(&[7], 95), 7);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 2);
        assert_eq!(percentile(&[1, 2, 3, 4], 95), 4);
    }
}
