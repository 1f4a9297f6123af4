//! `frontdoor bench soak`: calls that come and go, and what they leave behind.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep};

use super::caller::{Caller, Failure};
use super::load::{Failures, words_of};
use super::peer::{Opponent, Peer};
use super::process::Usage;
use super::report::{Curve, Plot, Report, Section};
use crate::audio::{Codec, Random};
use crate::cli::eval::{progress_bar, write_json};

/// How long a call lasts, in frames: 2 to 20 s.
const FRAMES: std::ops::Range<u64> = 100..1_000;

/// Descriptors that a process may have opened once and for all while it worked.
const DESCRIPTORS_SLACK: usize = 2;

/// Memory may grow by this from the second quarter of the time to the last: allocators settle late.
const GROWTH_MAX_PERCENT: f64 = 5.0;
/// Growth below this is noise, however small the process is.
const GROWTH_NOISE_KIB: f64 = 4_096.0;

/// Samples without which nothing can be said about a trend.
const SAMPLES_MIN: usize = 8;

/// Arguments of `frontdoor bench soak`.
#[derive(Debug, Args)]
pub(super) struct SoakArgs {
    /// How long, in minutes
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Calls at once; each lasts 2 to 20 s, and the next takes its place
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=4000))]
    calls: u16,
    /// Codec of the calls: pcmu, pcma, g722 or opus
    #[arg(long, default_value = "pcmu", value_name = "NAME")]
    codec: Codec,
    /// Pause between two lines of figures, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Where the lengths of calls are drawn from
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report with plots (report.html, report.json) into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// The answering side at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Sample {
    seconds: f64,
    /// Calls that were answered so far.
    calls: i64,
    /// Calls that go on.
    open: i64,
    dialogs: u64,
    usage: Usage,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Soak {
    /// Before the first call.
    before: Sample,
    during: Vec<Sample>,
    /// After the last call.
    after: Sample,
    failed: Failures,
    /// What was not as before.
    left_behind: Vec<String>,
}

/// Measures, prints and judges.
pub(super) async fn run(args: SoakArgs) -> anyhow::Result<()> {
    let mut report = Report::begin("What calls leave behind");
    let mut peer = Peer::start(&Opponent::Us, args.codec).await?;
    let caller = Arc::new(Caller::bind(&peer.uri, args.codec).await?);
    peer.answers(&caller).await?;
    peer.idle().await?;
    let began = Instant::now();
    println!("   min    calls   open  dialogs  descriptors  UDP ports  memory MiB");
    let before = sample(&mut peer, began).await?;
    print_sample(&before);
    let length = Duration::from_secs(args.minutes * 60);
    let mut callers = JoinSet::new();
    for nth in 0..u64::from(args.calls) {
        let seed = args.seed.wrapping_mul(10_007).wrapping_add(nth);
        callers.spawn(keep_calling(Arc::clone(&caller), began + length, seed));
    }
    let during = watch(&mut peer, &args, began).await?;
    let mut failed = Failures::new();
    while let Some(ended) = callers.join_next().await {
        for failure in ended? {
            *failed.entry(failure.to_string()).or_default() += 1;
        }
    }
    peer.idle().await?;
    let after = sample(&mut peer, began).await?;
    print_sample(&after);
    caller.close().await;
    peer.stop().await?;
    let left_behind = left_behind(&before, &during, &after, &failed);
    let soak = Soak { before, during, after, failed, left_behind };
    if let Some(path) = &args.json {
        write_json(path, &soak)?;
    }
    if let Some(folder) = &args.out {
        tell(&mut report, &args, &soak)?;
        println!("report: {}", report.write(folder)?.html.display());
    }
    if soak.left_behind.is_empty() {
        println!("flat: after {} calls everything is as it was before", soak.after.calls);
        return Ok(());
    }
    bail!("not flat: {}", soak.left_behind.join("; "))
}

/// Puts the figures into a report.
fn tell(report: &mut Report, args: &SoakArgs, soak: &Soak) -> anyhow::Result<()> {
    report.about(format!(
        "{} calls at once in {}, each of 2 to 20 s, for {} minutes: {} calls in all.",
        args.calls,
        args.codec.word(),
        args.minutes,
        soak.after.calls,
    ));
    let all = || std::iter::once(&soak.before).chain(&soak.during).chain([&soak.after]);
    let over_time = |of: fn(&Sample) -> f64| all().map(move |one| (one.seconds / 60.0, of(one)));
    let memory = over_time(|one| one.usage.resident_kib as f64 / 1024.0);
    let counts = vec![
        Curve::new("descriptors", over_time(|one| one.usage.descriptors as f64)),
        Curve::new("UDP ports", over_time(|one| one.usage.udp_ports as f64)),
        Curve::new("dialogs", over_time(|one| one.dialogs as f64)),
    ];
    let verdict = match &soak.left_behind[..] {
        [] => "Flat: everything is as it was before.".to_owned(),
        left => format!("Not flat: {}.", left.join("; ")),
    };
    report.push(
        Section::new("The answering side")
            .text(verdict)
            .plot(Plot::lines("Memory", "minutes", "MiB", vec![Curve::new("memory", memory)]))
            .plot(Plot::lines("What is open", "minutes", "count", counts)),
    );
    report.figures("soak", soak)?;
    Ok(())
}

/// Calls again and again until that moment; gives what went wrong. The last call goes on to its end.
async fn keep_calling(caller: Arc<Caller>, until: Instant, seed: u64) -> Vec<Failure> {
    let mut random = Random::new(seed);
    let mut failures = Vec::new();
    while Instant::now() < until {
        let frames = FRAMES.start + random.next_u64() % (FRAMES.end - FRAMES.start);
        if let Err(failure) = one_call(&caller, frames).await {
            failures.push(failure);
            // Whatever is wrong, asking a thousand times a second would not mend it.
            sleep(Duration::from_secs(1)).await;
        }
    }
    failures
}

async fn one_call(caller: &Caller, frames: u64) -> Result<(), Failure> {
    let mut call = caller.place().await?;
    call.until_heard().await?;
    for _ in 0..frames {
        call.frame().await?;
    }
    let hears = call.hears_tone();
    call.hang_up().await;
    if hears { Ok(()) } else { Err(Failure::Silent) }
}

/// Looks at the answering side again and again.
async fn watch(peer: &mut Peer, args: &SoakArgs, began: Instant) -> anyhow::Result<Vec<Sample>> {
    let every = Duration::from_secs(args.every);
    let looks = (args.minutes * 60).div_ceil(args.every);
    let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
    let bar = progress_bar(looks as usize, "soaking");
    let mut samples = Vec::new();
    for _ in 0..looks {
        ticks.tick().await;
        let sample = sample(peer, began).await?;
        bar.suspend(|| print_sample(&sample));
        bar.inc(1);
        samples.push(sample);
    }
    bar.finish_and_clear();
    Ok(samples)
}

async fn sample(peer: &mut Peer, began: Instant) -> anyhow::Result<Sample> {
    let counted = peer.counted().await?.unwrap_or_default();
    Ok(Sample {
        seconds: began.elapsed().as_secs_f64(),
        calls: counted.heard.taken,
        open: counted.heard.open,
        dialogs: counted.dialogs,
        usage: peer.usage()?,
    })
}

fn print_sample(sample: &Sample) {
    let Sample { seconds, calls, open, dialogs, usage } = sample;
    println!(
        "{:>6.1} {calls:>8} {open:>6} {dialogs:>8} {:>12} {:>10} {:>11.1}",
        seconds / 60.0,
        usage.descriptors,
        usage.udp_ports,
        usage.resident_kib as f64 / 1024.0,
    );
}

/// What is not as it was before the first call.
fn left_behind(
    before: &Sample,
    during: &[Sample],
    after: &Sample,
    failed: &Failures,
) -> Vec<String> {
    let mut found = Vec::new();
    if !failed.is_empty() {
        found.push(format!("calls failed: {}", words_of(failed)));
    }
    if after.open > 0 || after.dialogs > 0 {
        found.push(format!("{} calls and {} dialogs stay open", after.open, after.dialogs));
    }
    let (ports, ports_before) = (after.usage.udp_ports, before.usage.udp_ports);
    if ports > ports_before {
        found.push(format!("{ports} UDP ports, {ports_before} before"));
    }
    let (open, open_before) = (after.usage.descriptors, before.usage.descriptors);
    if open > open_before + DESCRIPTORS_SLACK {
        found.push(format!("{open} descriptors, {open_before} before"));
    }
    if let Some((early, late)) = memory_trend(during)
        && late - early > GROWTH_NOISE_KIB.max(early * GROWTH_MAX_PERCENT / 100.0)
    {
        let (early, late) = (early / 1024.0, late / 1024.0);
        found.push(format!("memory grew from {early:.1} to {late:.1} MiB"));
    }
    found
}

/// Mean memory in KiB in the second quarter of the time and in the last; `None` if there is too
/// little to tell.
fn memory_trend(during: &[Sample]) -> Option<(f64, f64)> {
    if during.len() < SAMPLES_MIN {
        return None;
    }
    let quarter = during.len() / 4;
    let mean = |samples: &[Sample]| {
        let sum: u64 = samples.iter().map(|sample| sample.usage.resident_kib).sum();
        sum as f64 / samples.len() as f64
    };
    Some((mean(&during[quarter..quarter * 2]), mean(&during[during.len() - quarter..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32, resident_kib: u64) -> Sample {
        let usage = Usage { cpu_s: 0.0, resident_kib, descriptors: 12, udp_ports: 1 };
        let seconds = f64::from(minute) * 60.0;
        Sample { seconds, calls: 0, open: 0, dialogs: 0, usage }
    }

    #[test]
    fn only_what_stays_is_left_behind() {
        let flat: Vec<Sample> = (0..12).map(|minute| at(minute, 60_000)).collect();
        let (before, after) = (at(0, 20_000), at(12, 60_000));
        assert_eq!(left_behind(&before, &flat, &after, &Failures::new()), Vec::<String>::new());
        let growing: Vec<Sample> = (0..12).map(|m| at(m, 60_000 + 2_000 * u64::from(m))).collect();
        let found = left_behind(&before, &growing, &after, &Failures::new());
        assert_eq!(found, ["memory grew from 66.4 to 78.1 MiB"]);
        assert_eq!(memory_trend(&growing[..SAMPLES_MIN - 1]), None);
        let usage = Usage { udp_ports: 3, descriptors: 16, ..after.usage };
        let leaking = Sample { open: 1, dialogs: 1, usage, ..after };
        let failed = Failures::from([("no answer".to_owned(), 2)]);
        let found = left_behind(&before, &flat, &leaking, &failed);
        assert_eq!(
            found,
            [
                "calls failed: 2 no answer",
                "1 calls and 1 dialogs stay open",
                "3 UDP ports, 1 before",
                "16 descriptors, 12 before",
            ]
        );
    }
}
