//! `frontdoor bench media`: how many new calls a second, and what a call takes while it goes on.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tokio::time::sleep;

use super::caller::Caller;
use super::load::{Failures, RateStep, at_rate, hold, words_of};
use super::peer::{Opponent, Peer};
use super::process::Usage;
use super::tally::Counts;
use crate::audio::Codec;
use crate::cli::eval::{progress_bar, write_json};
use crate::cli::table::write_table;

/// New calls a second that are tried one after the other, until one is not sustained.
const RATES: [u32; 8] = [25, 50, 75, 100, 150, 200, 300, 400];

/// How long held calls go on before anything is measured: jitter buffers have settled by then.
const SETTLE: Duration = Duration::from_secs(2);

/// Arguments of `frontdoor bench media`.
#[derive(Debug, Args)]
pub(super) struct MediaArgs {
    /// Calls to hold at once; each takes two descriptors on either side (see `ulimit -n`)
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=4000))]
    calls: u16,
    /// Codec of the calls: pcmu, pcma, g722 or opus; may be given several times [default: pcmu and
    /// opus]
    #[arg(long, value_name = "NAME")]
    codec: Vec<Codec>,
    /// How long calls are held, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Try just this many new calls a second, instead of more and more; 0 for none
    #[arg(long, value_name = "CALLS")]
    rate: Option<u32>,
    /// How long each rate is tried, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    rate_seconds: u64,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the program of --against is called
    #[arg(long, requires = "against", value_name = "SIP_URI")]
    against_uri: Option<String>,
    /// Measure this program in the same way, too: one that answers all calls and sends back what it
    /// hears. Takes the rest of the line
    #[arg(
        long,
        num_args = 1..,
        allow_hyphen_values = true,
        requires = "against_uri",
        value_name = "PROGRAM"
    )]
    against: Vec<String>,
}

/// Calls that were held, of one codec.
#[derive(Debug, Clone, Serialize)]
struct HeldCalls {
    codec: &'static str,
    calls: u16,
    seconds: f64,
    /// Of one core, for a call, on the answering side.
    answering_cpu_percent: f64,
    /// The same on the calling side.
    calling_cpu_percent: f64,
    /// Memory of the answering side for a call.
    answering_kib: f64,
    /// What the answering side heard; another program does not tell.
    answering: Option<Counts>,
    /// What came back.
    calling: Counts,
    /// Calls that heard their tone to the last.
    tone_heard: usize,
}

/// All figures of one side that was called.
#[derive(Debug, Clone, Serialize)]
struct Figures {
    name: String,
    rates: Vec<RateStep>,
    held: Vec<HeldCalls>,
}

impl Figures {
    /// New calls a second that were sustained; 0 if none of the rates was.
    fn sustained(&self) -> u32 {
        let sustained = self.rates.iter().filter(|step| step.is_sustained());
        sustained.map(|step| step.per_second).max().unwrap_or(0)
    }
}

/// Measures, prints and, if asked to, writes.
pub(super) async fn run(mut args: MediaArgs) -> anyhow::Result<()> {
    if args.codec.is_empty() {
        args.codec = vec![Codec::Pcmu, Codec::Opus];
    }
    let mut opponents = vec![Opponent::Us];
    if let Some(uri) = args.against_uri.clone() {
        opponents.push(Opponent::Other { command: args.against.clone(), uri });
    }
    let mut all = Vec::new();
    for opponent in &opponents {
        let figures = measure(opponent, &args).await?;
        print_figures(&mut std::io::stdout(), &figures)?;
        all.push(figures);
    }
    if let [ours, theirs] = &all[..] {
        print_ratio(&mut std::io::stdout(), ours, theirs)?;
    }
    match &args.json {
        Some(path) => write_json(path, &all),
        None => Ok(()),
    }
}

async fn measure(opponent: &Opponent, args: &MediaArgs) -> anyhow::Result<Figures> {
    let codec = args.codec[0];
    let rates = match args.rate {
        Some(0) => Vec::new(),
        Some(rate) => try_rates(opponent, codec, &[rate], args).await?,
        None => try_rates(opponent, codec, &RATES, args).await?,
    };
    let mut held = Vec::new();
    for &codec in &args.codec {
        held.push(hold_calls(opponent, codec, args).await?);
    }
    Ok(Figures { name: opponent.name(), rates, held })
}

async fn try_rates(
    opponent: &Opponent,
    codec: Codec,
    rates: &[u32],
    args: &MediaArgs,
) -> anyhow::Result<Vec<RateStep>> {
    let mut peer = Peer::start(opponent, codec).await?;
    let caller = Arc::new(Caller::bind(&peer.uri, codec).await?);
    peer.answers(&caller).await?;
    let mut steps = Vec::new();
    for &per_second in rates {
        let bar = progress_bar(per_second as usize * args.rate_seconds as usize, "new calls");
        let length = Duration::from_secs(args.rate_seconds);
        let mut step = at_rate(&caller, per_second, length, &bar).await;
        bar.finish_and_clear();
        // A call whose BYE was lost would still be open over there.
        let left = peer.idle().await?.map_or(0, |counted| counted.dialogs);
        if left > 0 {
            step.failed.insert("left open on the other side".to_owned(), left);
        }
        let is_sustained = step.is_sustained();
        steps.push(step);
        if !is_sustained {
            break;
        }
    }
    caller.close().await;
    peer.stop().await?;
    Ok(steps)
}

async fn hold_calls(
    opponent: &Opponent,
    codec: Codec,
    args: &MediaArgs,
) -> anyhow::Result<HeldCalls> {
    // A fresh process for every codec: what it takes for a call is not hidden in memory that calls
    // before have left behind.
    let mut peer = Peer::start(opponent, codec).await?;
    let caller = Arc::new(Caller::bind(&peer.uri, codec).await?);
    peer.answers(&caller).await?;
    let idle = peer.usage()?;
    let bar = progress_bar(usize::from(args.calls), "placing");
    let held = hold(&caller, usize::from(args.calls), &bar).await;
    bar.finish_and_clear();
    let held = held?;
    sleep(SETTLE).await;
    let heard_before = (peer.counted().await?, caller.tally.counts());
    let before = (peer.usage()?, Usage::of_us()?);
    let began = Instant::now();
    let bar = progress_bar(args.seconds as usize, "holding");
    for _ in 0..args.seconds {
        sleep(Duration::from_secs(1)).await;
        bar.inc(1);
    }
    let after = (peer.usage()?, Usage::of_us()?);
    let seconds = began.elapsed().as_secs_f64();
    let heard_after = (peer.counted().await?, caller.tally.counts());
    bar.finish_and_clear();
    let tone_heard = held.end().await?;
    caller.close().await;
    peer.stop().await?;
    let calls = f64::from(args.calls);
    let percent =
        |before: Usage, after: Usage| (after.cpu_s - before.cpu_s) * 100.0 / seconds / calls;
    let answering = heard_before.0.zip(heard_after.0);
    Ok(HeldCalls {
        codec: codec.word(),
        calls: args.calls,
        seconds,
        answering_cpu_percent: percent(before.0, after.0),
        calling_cpu_percent: percent(before.1, after.1),
        answering_kib: after.0.resident_kib.saturating_sub(idle.resident_kib) as f64 / calls,
        answering: answering.map(|(before, after)| after.heard.since(before.heard)),
        calling: heard_after.1.since(heard_before.1),
        tone_heard,
    })
}

fn print_figures(out: &mut impl Write, figures: &Figures) -> anyhow::Result<()> {
    writeln!(out, "\n{} answers", figures.name)?;
    if !figures.rates.is_empty() {
        let rows: Vec<Vec<String>> = figures.rates.iter().map(rate_row).collect();
        writeln!(out)?;
        let columns =
            ["new calls a second", "placed", "failed", "answered after ms p50", "p95", "sustained"];
        write_table(out, &columns, &rows)?;
        let failed: Failures = figures.rates.iter().flat_map(|step| step.failed.clone()).collect();
        if !failed.is_empty() {
            writeln!(out, "failed: {}", words_of(&failed))?;
        }
    }
    let rows: Vec<Vec<String>> = figures.held.iter().flat_map(held_rows).collect();
    writeln!(out)?;
    let columns =
        ["calls held", "side", "cpu a call", "memory a call", "packets", "lost", "made up"];
    write_table(out, &columns, &rows)?;
    for held in &figures.held {
        let (heard, calls) = (held.tone_heard, held.calls);
        writeln!(out, "{}: the tone came back to the last on {heard} of {calls}", held.codec)?;
    }
    Ok(())
}

fn rate_row(step: &RateStep) -> Vec<String> {
    let sustained = if step.is_sustained() { "yes" } else { "no" };
    vec![
        format!("{} ({:.1})", step.per_second, step.placed_per_second),
        step.placed.to_string(),
        step.failed.values().sum::<u64>().to_string(),
        step.answered_ms_p50.to_string(),
        step.answered_ms_p95.to_string(),
        sustained.to_owned(),
    ]
}

/// A row for each side.
fn held_rows(held: &HeldCalls) -> [Vec<String>; 2] {
    let row = |side: &str, cpu: f64, memory: String, counts: Option<Counts>| {
        let told = |value: fn(Counts) -> String| counts.map_or_else(|| "-".to_owned(), value);
        vec![
            format!("{} {}", held.calls, held.codec),
            side.to_owned(),
            format!("{cpu:.2} % of a core"),
            memory,
            told(|counts| counts.packets.to_string()),
            told(|counts| format!("{:.3} %", counts.loss_percent())),
            told(|counts| format!("{} ms", counts.concealed_ms)),
        ]
    };
    let memory = format!("{:.0} KiB", held.answering_kib);
    [
        row("answering", held.answering_cpu_percent, memory, held.answering),
        row("calling", held.calling_cpu_percent, "-".to_owned(), Some(held.calling)),
    ]
}

/// Ours over theirs, of what was measured on both.
fn print_ratio(out: &mut impl Write, ours: &Figures, theirs: &Figures) -> anyhow::Result<()> {
    let ratio = |ours: f64, theirs: f64| match theirs > 0.0 {
        true => format!("{:.2}", ours / theirs),
        false => "-".to_owned(),
    };
    let mut rows = Vec::new();
    if !ours.rates.is_empty() {
        let (our_rate, their_rate) = (ours.sustained(), theirs.sustained());
        rows.push(vec![
            "new calls a second sustained (more is better)".to_owned(),
            our_rate.to_string(),
            their_rate.to_string(),
            ratio(f64::from(our_rate), f64::from(their_rate)),
        ]);
    }
    for (our, their) in ours.held.iter().zip(&theirs.held) {
        let (our_cpu, their_cpu) = (our.answering_cpu_percent, their.answering_cpu_percent);
        rows.push(vec![
            format!("{}: % of a core a call (less is better)", our.codec),
            format!("{our_cpu:.2}"),
            format!("{their_cpu:.2}"),
            ratio(our_cpu, their_cpu),
        ]);
        rows.push(vec![
            format!("{}: KiB a call (less is better)", our.codec),
            format!("{:.0}", our.answering_kib),
            format!("{:.0}", their.answering_kib),
            ratio(our.answering_kib, their.answering_kib),
        ]);
    }
    writeln!(out)?;
    write_table(out, &["answering side", &ours.name, &theirs.name, "ratio"], &rows)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &str, cpu: f64, sustained: &[u32]) -> Figures {
        let step = |&per_second: &u32| RateStep {
            per_second,
            placed_per_second: f64::from(per_second),
            placed: u64::from(per_second),
            failed: Failures::new(),
            answered_ms_p50: 1,
            answered_ms_p95: 2,
        };
        let held = HeldCalls {
            codec: "pcmu",
            calls: 10,
            seconds: 1.0,
            answering_cpu_percent: cpu,
            calling_cpu_percent: 0.5,
            answering_kib: 100.0,
            answering: None,
            calling: Counts { packets: 99, lost: 1, ..Counts::default() },
            tone_heard: 10,
        };
        Figures {
            name: name.to_owned(),
            rates: sustained.iter().map(step).collect(),
            held: vec![held],
        }
    }

    #[test]
    fn a_step_that_failed_is_not_what_was_sustained() {
        let mut figures = figures("us", 0.3, &[25, 50, 75]);
        assert_eq!(figures.sustained(), 75);
        figures.rates[2].failed.insert("no answer".to_owned(), 1);
        assert_eq!(figures.sustained(), 50);
    }

    #[test]
    fn tables_show_both_ends_and_the_ratio() {
        let (ours, theirs) = (figures("us", 0.3, &[100]), figures("them", 0.6, &[50]));
        let mut out = Vec::new();
        print_figures(&mut out, &theirs).expect("writes to memory");
        print_ratio(&mut out, &ours, &theirs).expect("writes to memory");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("1.000 %") && text.contains("10 of 10"), "{text}");
        let line = |start: &str| {
            let found = text.lines().find(|line| line.starts_with(start));
            found.unwrap_or_else(|| panic!("no {start} in\n{text}")).to_owned()
        };
        assert!(line("new calls a second sustained").ends_with("100   50    2.00"), "{text}");
        assert!(line("pcmu: % of a core").ends_with("0.30  0.60  0.50"), "{text}");
    }
}
