//! `frontdoor bench turns`: the trade-off of `frontdoor eval turns`, with a report.

use std::path::PathBuf;

use clap::Args;

use super::report::Report;
use crate::cli::eval::turns::{TurnsArgs, measure, report};

/// Arguments of `frontdoor bench turns`.
#[derive(Debug, Args)]
pub struct TurnsBenchArgs {
    #[command(flatten)]
    what: TurnsArgs,
    /// Folder for report.html and report.json
    #[arg(long, value_name = "DIR", default_value = "bench-turns")]
    out: PathBuf,
}

/// Measures and writes the report.
///
/// # Errors
/// It could not be measured, or the report could not be written.
pub(super) async fn run(args: TurnsBenchArgs) -> anyhow::Result<()> {
    let mut page = Report::begin("When a caller has finished");
    let measured = measure(&args.what).await?;
    measured.print()?;
    report(&mut page, &measured)?;
    let written = page.write(&args.out)?;
    println!("\n{}", written.html.display());
    Ok(())
}
