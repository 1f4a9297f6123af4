//! `frontdoor bench queue`: whether callers wait as long as they are told.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use crate::cli::eval::{progress_bar, write_json};
use crate::cli::table::write_table;
use crate::sim::{DayReport, FloorDay, Told};

/// Arguments of `frontdoor bench queue`.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// Days to play, each drawn from a seed of its own
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    days: u64,
    /// Callers of a day
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    calls: u32,
    /// Agents, in percent of what the callers need
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u16).range(10..=1000))]
    staff: u16,
    /// The seed of the first day
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// How many waits must end within what callers were told on entering, in percent
    #[arg(long, default_value_t = 80.0, value_name = "PERCENT")]
    inside_min: f64,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A day and how it went.
#[derive(Debug, Serialize)]
struct Day {
    seed: u64,
    /// Share of waits that ended within what was told on entering.
    inside_percent: f64,
    report: DayReport,
}

/// Plays, prints and judges.
pub(super) fn run(args: &QueueArgs) -> anyhow::Result<()> {
    let bar = progress_bar(args.days as usize, "days");
    let mut days = Vec::new();
    for seed in (0..args.days).map(|day| args.seed.wrapping_add(day)) {
        let staff_percent = usize::from(args.staff);
        let report = FloorDay { seed, calls: args.calls as usize, staff_percent }.play();
        days.push(Day { seed, inside_percent: report.on_entering.inside_percent(), report });
        bar.inc(1);
    }
    bar.finish_and_clear();
    print_days(&mut std::io::stdout(), &days)?;
    if let Some(path) = &args.json {
        write_json(path, &days)?;
    }
    let bad: Vec<String> = days
        .iter()
        .filter(|day| day.inside_percent < args.inside_min)
        .map(|day| format!("seed {}: {:.1} %", day.seed, day.inside_percent))
        .collect();
    if !bad.is_empty() {
        bail!("fewer than {} % of waits ended as told: {}", args.inside_min, bad.join(", "));
    }
    Ok(())
}

fn print_days(out: &mut impl Write, days: &[Day]) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = days.iter().map(day_row).collect();
    let columns =
        ["seed", "calls", "answered", "gave up", "callbacks", "wait p50 s", "p90", "longest"];
    write_table(out, &columns, &rows)?;
    writeln!(out, "\nWaits that ended within what callers were told:")?;
    let rows: Vec<Vec<String>> = days.iter().flat_map(told_rows).collect();
    let columns = ["seed", "told", "times", "inside", "sooner", "later", "width p50 min", "p90"];
    write_table(out, &columns, &rows)?;
    Ok(())
}

fn day_row(day: &Day) -> Vec<String> {
    let report = &day.report;
    vec![
        day.seed.to_string(),
        report.came.to_string(),
        report.answered.to_string(),
        report.gave_up.to_string(),
        report.callbacks.to_string(),
        report.wait_s(50).to_string(),
        report.wait_s(90).to_string(),
        report.wait_s(100).to_string(),
    ]
}

fn told_rows(day: &Day) -> [Vec<String>; 3] {
    let row = |what: &str, told: &Told| {
        vec![
            day.seed.to_string(),
            what.to_owned(),
            told.judged().to_string(),
            format!("{:.1} %", told.inside_percent()),
            told.sooner.to_string(),
            told.later.to_string(),
            told.width_min(50).to_string(),
            told.width_min(90).to_string(),
        ]
    };
    [
        row("on entering", &day.report.on_entering),
        row("on entering, who waited", &day.report.waited),
        row("while waiting", &day.report.later),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_show_each_day_and_what_was_told() {
        let on_entering = Told { inside: 9, sooner: 0, later: 1, widths: vec![0, 6, 4] };
        let report = DayReport {
            came: 12,
            answered: 10,
            waits_s: vec![1, 70],
            on_entering,
            ..DayReport::default()
        };
        let inside_percent = report.on_entering.inside_percent();
        let mut out = Vec::new();
        print_days(&mut out, &[Day { seed: 5, inside_percent, report }]).expect("writes to memory");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("90.0 %"), "{text}");
        assert_eq!(text.lines().count(), 8, "{text}");
    }

    #[test]
    fn a_day_that_is_worse_than_it_may_be_fails() {
        let args =
            QueueArgs { days: 1, calls: 50, staff: 100, seed: 1, inside_min: 101.0, json: None };
        let error = run(&args).expect_err("nothing is over 100 %");
        assert!(error.to_string().contains("seed 1"), "{error}");
    }
}
