//! `frontdoor bench queue`: whether callers wait as long as they are told.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::report::{Plot, Report, Samples, Section, Table};
use crate::cli::eval::{progress_bar, write_json};
use crate::cli::table::write_table;
use crate::sim::{DayReport, FloorDay, Told};

/// What is told of a day.
const DAY_COLUMNS: [&str; 8] =
    ["seed", "calls", "answered", "gave up", "callbacks", "wait p50 s", "p90", "longest"];

/// What is told of the minutes that callers heard.
const TOLD_COLUMNS: [&str; 8] =
    ["seed", "told", "times", "inside", "sooner", "later", "width p50 min", "p90"];

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
    /// Write a report with plots (report.html, report.json) into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
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
    let mut report = Report::begin("Do waits end within what callers are told?");
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
    if let Some(folder) = &args.out {
        tell(&mut report, args, &days)?;
        println!("report: {}", report.write(folder)?.html.display());
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

/// Puts the days into a report.
fn tell(report: &mut Report, args: &QueueArgs, days: &[Day]) -> anyhow::Result<()> {
    report.about(format!(
        "{} days of {} callers each on simulated time, with {} % of the agents that they need.",
        args.days, args.calls, args.staff
    ));
    let columns = |columns: &[&str]| Table::new(columns.iter().copied());
    let (mut went, mut told) = (columns(&DAY_COLUMNS), columns(&TOLD_COLUMNS));
    for day in days {
        went.push(day_row(day));
        told_rows(day).into_iter().for_each(|row| told.push(row));
    }
    let minutes = |waits_s: &[u64]| waits_s.iter().map(|s| *s as f64 / 60.0).collect::<Vec<_>>();
    let waits = days
        .iter()
        .map(|day| Samples::new(format!("seed {}", day.seed), minutes(&day.report.waits_s)));
    let widths = days.iter().flat_map(|day| &day.report.on_entering.widths);
    report
        .push(Section::new("How the days went").table(went).plot(Plot::cdf(
            "Waits that ended with an answer",
            "minutes",
            waits.collect(),
        )))
        .push(Section::new("What callers were told").table(told).plot(Plot::histogram(
            "How wide the ranges were that callers were told on entering",
            "minutes",
            widths.map(|width| *width as f64),
        )))
        .figures("days", &days)?;
    Ok(())
}

fn print_days(out: &mut impl Write, days: &[Day]) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = days.iter().map(day_row).collect();
    write_table(out, &DAY_COLUMNS, &rows)?;
    writeln!(out, "\nWaits that ended within what callers were told:")?;
    let rows: Vec<Vec<String>> = days.iter().flat_map(told_rows).collect();
    write_table(out, &TOLD_COLUMNS, &rows)?;
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
    fn days_are_told_in_a_report() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = Some(folder.path().join("out"));
        let args =
            QueueArgs { days: 1, calls: 50, staff: 100, seed: 1, inside_min: 0.0, json: None, out };
        run(&args).expect("played");
        let page = std::fs::read_to_string(folder.path().join("out/report.html")).expect("written");
        assert_eq!(page.matches("<figure>").count(), 2, "{page}");
        assert!(page.contains("of 50 callers each"), "{page}");
    }

    #[test]
    fn a_day_that_is_worse_than_it_may_be_fails() {
        let args = QueueArgs {
            days: 1,
            calls: 50,
            staff: 100,
            seed: 1,
            inside_min: 101.0,
            json: None,
            out: None,
        };
        let error = run(&args).expect_err("nothing is over 100 %");
        assert!(error.to_string().contains("seed 1"), "{error}");
    }
}
