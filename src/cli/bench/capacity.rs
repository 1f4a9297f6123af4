//! `frontdoor bench capacity`: how many callers a front door talks with at once before they wait too
//! long for answers, and what it does when there are more.
//!
//! The front door is a process of its own with its models; the callers are in this one. What they
//! measure, they measure on the wire.

mod callers;
mod steps;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::front_door::{FrontDoor, Setup};
use super::recordings;
use super::report::{BarSeries, Curve, Layout, Plot, Report, Samples, Section, Table};
use super::talker::{Exchange, Said};
use steps::{LATENCY_P95_MAX_MS, SPEECH_SHARE_MIN_PERCENT, Step};

/// Callers at once that are tried one after the other.
const CALLS: [usize; 7] = [1, 2, 4, 8, 12, 16, 24];

/// What is said if nothing else is wanted: short and long requests, some
/// of them about what the demo cannot do, and no for an answer, so that people do not take over.
const CONVERSATION: &str = "tests/fixtures/audio/conversation.tsv";

/// Lines beyond those that a step takes: a call that ends is taken off the books a moment later.
const LINES_SPARE: usize = 8;

/// Arguments of `frontdoor bench capacity`.
#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    /// Configuration of the front door; it runs on free ports of loopback, with a data folder of its
    /// own
    #[arg(long, short, default_value = "frontdoor.toml", value_name = "FILE")]
    config: PathBuf,
    /// Callers at once, a step for each number [default: 1,2,4,8,12,16,24]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "CALLS",
        value_parser = clap::value_parser!(u16).range(1..=400)
    )]
    calls: Vec<u16>,
    /// How long each step takes, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..=3600))]
    seconds: u64,
    /// What callers say, in this order: a list of recordings with the words in them
    #[arg(long, default_value = CONVERSATION, value_name = "FILE")]
    recordings: PathBuf,
    /// Share of the callers' packets that is lost on the way, 0 to 50
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    loss_percent: f32,
    /// Put this TOML over the configuration, such as '[capacity]' lines; may be given several times
    #[arg(long = "set", value_name = "TOML")]
    changes: Vec<String>,
    /// Write report.html and report.json into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

fn percent(written: &str) -> Result<f32, String> {
    match written.parse::<f32>() {
        Ok(percent) if (0.0..=50.0).contains(&percent) => Ok(percent),
        _ => Err("it is not a number between 0 and 50".to_owned()),
    }
}

impl CapacityArgs {
    fn steps(&self) -> Vec<usize> {
        match self.calls.is_empty() {
            true => CALLS.to_vec(),
            false => self.calls.iter().copied().map(usize::from).collect(),
        }
    }

    /// The front door is not to run into limits that have nothing to do with what it can take.
    fn setup(&self) -> Setup {
        let most = self.steps().into_iter().max().unwrap_or(1);
        let mut setup = Setup::new(&self.config);
        let lines = most + LINES_SPARE;
        setup.changes = format!("server.calls_max = {lines}\nsip.ban_after_refusals = 0\n");
        for change in &self.changes {
            setup.changes.push_str(change);
            setup.changes.push('\n');
        }
        setup
    }
}

/// Measures, prints and, if asked to, writes a report.
pub(super) async fn run(args: CapacityArgs) -> anyhow::Result<()> {
    let recorded = recordings::read_list(&args.recordings, None)?;
    let said: Arc<Vec<Said>> = Arc::new(recorded.into_iter().map(|one| one.said).collect());
    let mut report = Report::begin("How many callers at once");
    let front_door = FrontDoor::start(&args.setup()).await?;
    let exchange = Exchange::bind().await.context("cannot call from loopback")?;
    let mut done = Vec::new();
    for calls in args.steps() {
        let wanted =
            steps::Wanted { calls, seconds: args.seconds, loss_percent: args.loss_percent };
        let step = steps::run(&front_door, &exchange, &said, wanted).await;
        done.push(step.with_context(|| format!("with {calls} callers at once"))?);
    }
    exchange.close().await;
    front_door.stop().await?;
    table_of(&done).print(&mut std::io::stdout())?;
    println!("\n{}", verdict(&done));
    if let Some(folder) = &args.out {
        write(&mut report, &done, &args, folder)?;
    }
    Ok(())
}

/// The most callers at once with whom all went well, of steps without a bad one before.
fn capacity(steps: &[Step]) -> usize {
    let good = steps.iter().take_while(|step| step.holds());
    good.map(|step| step.calls).max().unwrap_or(0)
}

fn verdict(steps: &[Step]) -> String {
    let most = steps.iter().map(|step| step.calls).max().unwrap_or(0);
    let calls = capacity(steps);
    let beyond = if calls == most { " or more" } else { "" };
    let mut words = format!(
        "It talks with {calls}{beyond} callers at once: 95 of 100 answers within \
         {LATENCY_P95_MAX_MS} ms, no audio lost, nobody refused."
    );
    let spoken = |step: &Step| step.speech_percent < SPEECH_SHARE_MIN_PERCENT;
    if steps.iter().any(spoken) {
        words.push_str(&format!(
            " Mind that callers spoke for less than {SPEECH_SHARE_MIN_PERCENT} % of their time in \
             some steps."
        ));
    }
    words
}

fn table_of(steps: &[Step]) -> Table {
    let mut table = Table::new([
        "callers",
        "turns",
        "p50 ms",
        "p95 ms",
        "cut off",
        "unanswered",
        "lost",
        "late",
        "refused",
        "failed",
        "speech",
        "least effort",
        "cpu front door",
        "cpu callers",
        "holds",
    ]);
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
    for step in steps {
        table.push([
            step.calls.to_string(),
            step.latencies_ms.len().to_string(),
            ms(step.latency().map(|latency| latency.p50)),
            ms(step.latency().map(|latency| latency.p95)),
            step.cut_offs.to_string(),
            step.unanswered.to_string(),
            format!("{:.3} %", step.lost_percent()),
            step.heard.late.to_string(),
            step.refused.to_string(),
            step.failed.values().sum::<u64>().to_string(),
            format!("{:.0} %", step.speech_percent),
            step.least_effort.to_string(),
            format!("{:.2} cores", step.front_door_cores),
            format!("{:.2} cores", step.callers_cores),
            if step.holds() { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table
}

fn write(
    report: &mut Report,
    steps: &[Step],
    args: &CapacityArgs,
    folder: &Path,
) -> anyhow::Result<()> {
    report.about(format!(
        "So many callers at once, for {} s each, say recordings of people, wait for the answer, hear \
         it out and go on. A caller whose call has ended calls again; one who is refused tries again \
         when it is worth it. Latency is measured by each caller on the wire, from the packet with \
         their last voiced sample to the first of the answer.",
        args.seconds
    ));
    report.about(verdict(steps));
    let points = |value: fn(&Step) -> Option<f64>| {
        let points = steps.iter().filter_map(move |step| Some((step.calls as f64, value(step)?)));
        points.collect::<Vec<_>>()
    };
    let curves = vec![
        Curve::new("half of the answers", points(|step| Some(step.latency()?.p50))),
        Curve::new("95 of 100", points(|step| Some(step.latency()?.p95))),
    ];
    let latency = Plot::lines("Latency by callers at once", "callers at once", "ms", curves)
        .mark_y(LATENCY_P95_MAX_MS, "the limit");
    let distributions = steps.iter().map(|step| {
        Samples::new(format!("{} callers", step.calls), step.latencies_ms.iter().copied())
    });
    let spread = Plot::cdf("All answers", "ms", distributions.collect());
    let groups = steps.iter().map(|step| step.calls.to_string());
    let cores = |value: fn(&Step) -> f64| steps.iter().map(value).collect::<Vec<_>>();
    let series = vec![
        BarSeries::new("front door", cores(|step| step.front_door_cores)),
        BarSeries::new("callers", cores(|step| step.callers_cores)),
    ];
    let cpu = Plot::bars("Cores in use", "cores", groups, series, Layout::Stacked);
    report.push(Section::new("By callers at once").table(table_of(steps)).plot(latency));
    report.push(Section::new("Distribution").plot(spread));
    report.push(Section::new("The machine").plot(cpu));
    report.figures("steps", &steps)?;
    let written = report.write(folder)?;
    println!("{}", written.html.display());
    Ok(())
}
