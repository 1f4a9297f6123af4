//! `frontdoor stats`: what callers wanted and what came of it.

use std::io::{self, Write};

use clap::Args;

use crate::config::Config;
use crate::store::{CallsReport, IntentReport, ReportRules};

use super::past::{PeriodArgs, counted, open_records, write_json};
use super::table::write_table;

/// Arguments of `frontdoor stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Runs `frontdoor stats`.
///
/// # Errors
/// There are no records, or they cannot be read.
pub async fn run(args: StatsArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let store = open_records(config).await?;
    let checks = config.verifications.values().map(|verification| verification.action.clone());
    let rules = ReportRules {
        since: args.period.began(),
        understood_from: config.understanding.confirm_confidence,
        checks: checks.collect(),
    };
    let report = store.calls_report(&rules).await?;
    if args.json {
        write_json(out, &serde_json::to_value(&report)?)?;
    } else {
        show(out, &report, &args.period.name())?;
    }
    Ok(store.close().await?)
}

fn show(out: &mut impl Write, report: &CallsReport, period: &str) -> io::Result<()> {
    if report.calls == 0 {
        return writeln!(out, "No calls in the {period}.");
    }
    let share =
        |part: usize| format!("{part} ({} %)", (part * 100 + report.calls / 2) / report.calls);
    let ms = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let turns = report.turns_mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.1}"));
    writeln!(out, "{} in the {period}", counted(report.calls, "call", "calls"))?;
    let facts = [
        ("contained", share(report.contained)),
        ("handed over to a person", share(report.handed_off)),
        ("not helped", share(report.not_helped)),
        ("turns a call", turns),
        ("response latency, half of all", ms(report.latency_p50_ms)),
        ("response latency, 95 of 100", ms(report.latency_p95_ms)),
    ];
    for (name, value) in facts {
        writeln!(out, "  {name:30}  {value}")?;
    }
    if report.intents.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let rows: Vec<Vec<String>> = report.intents.iter().map(row).collect();
    let columns = ["intent", "calls", "served", "handed over", "failed turns", "confidence"];
    write_table(out, &columns, &rows)
}

fn row(report: &IntentReport) -> Vec<String> {
    let confidence = report.confidence_mean.map(|mean| format!("{mean:.2}"));
    vec![
        report.intent.clone().unwrap_or_else(|| "(not understood)".to_owned()),
        report.calls.to_string(),
        report.served.to_string(),
        report.handed_off.to_string(),
        report.failed_turns.to_string(),
        confidence.unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> CallsReport {
        let one = |intent: Option<&str>, calls, confidence_mean| IntentReport {
            intent: intent.map(str::to_owned),
            calls,
            served: 1,
            handed_off: 0,
            failed_turns: 2,
            confidence_mean,
        };
        CallsReport {
            calls: 3,
            contained: 2,
            handed_off: 1,
            not_helped: 0,
            turns_mean: Some(2.25),
            latency_p50_ms: Some(640),
            latency_p95_ms: None,
            intents: vec![one(Some("return"), 2, Some(0.756)), one(None, 1, None)],
        }
    }

    #[test]
    fn the_numbers_are_for_people() {
        let mut out = Vec::new();
        show(&mut out, &report(), "last 30 days").expect("writes to memory");
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with("3 calls in the last 30 days\n"), "{text}");
        assert!(text.contains("contained                       2 (67 %)\n"), "{text}");
        assert!(text.contains("95 of 100     -\n"), "{text}");
        assert!(text.contains("return            2      1       0"), "{text}");
        assert!(text.contains("0.76\n(not understood)  1"), "{text}");
        let mut out = Vec::new();
        show(&mut out, &CallsReport { calls: 0, ..report() }, "last day").expect("writes");
        assert_eq!(String::from_utf8(out).expect("text"), "No calls in the last day.\n");
    }
}
