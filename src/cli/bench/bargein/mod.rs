//! `frontdoor bench bargein`: whether we fall silent for callers who interrupt, and go on for all that
//! is no interruption.

mod events;
mod stage;

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use self::events::{Kind, Recordings};
use self::stage::{Outcome, Studio};
use super::recordings::DEFAULT_LIST;
use super::report::{Plot, Report, Samples, Section, Spread, Table};
use crate::cli::eval::progress_bar;
use crate::config::Config;
use crate::server::{Engines, load_profile};

/// Arguments of `frontdoor bench bargein`.
#[derive(Debug, Args)]
pub(super) struct BargeinArgs {
    /// The configuration
    #[arg(long, short, default_value = "frontdoor.toml", value_name = "FILE")]
    config: PathBuf,
    /// The list of recordings: columns path, transcript and kind, and speaker where it is known. Those of
    /// kind `noise` are noise; "yes" and the like are backchannels; all others interrupt
    #[arg(long, default_value = DEFAULT_LIST, value_name = "FILE")]
    recordings: PathBuf,
    /// How many calls, in each of which something happens while we speak
    #[arg(long, default_value_t = 312, value_parser = clap::value_parser!(u32).range(12..=100_000))]
    events: u32,
    /// What the caller asks first: something with a long answer
    #[arg(long, default_value = "when are you open", value_name = "WORDS")]
    ask: String,
    /// Decides what happens, when, and on which line
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Write a page and a JSON file with everything into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Plays, prints and judges.
pub(super) async fn run(args: BargeinArgs) -> anyhow::Result<()> {
    let mut report = Report::begin("Barge-in");
    let recordings = Recordings::read(&args.recordings)?;
    let mut studio = open(&args).await?;
    let bar = progress_bar(args.events as usize, "calls");
    let mut outcomes = Vec::new();
    for number in 0..args.events as usize {
        let event = recordings.event(number, args.seed);
        let noise = &recordings.noises[event.noise];
        outcomes.push(stage::play(&mut studio, &event, noise).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    for paragraph in about(&args, &recordings) {
        println!("{paragraph}");
        report.about(paragraph);
    }
    let tables = [("All", all(&outcomes)), ("By noise", by_snr(&outcomes))];
    for (title, table) in tables {
        println!("\n{title}:");
        table.print(&mut std::io::stdout())?;
        report.push(Section::new(title).table(table));
    }
    report.push(wrong(&outcomes));
    report.push(Section::new("How soon we are silent").plot(yields(&outcomes)));
    report.figures("outcomes", &outcomes)?;
    if let Some(folder) = &args.out {
        let written = report.write(folder)?;
        writeln!(std::io::stdout(), "\n{}\n{}", written.html.display(), written.json.display())?;
    }
    judge(&outcomes)
}

async fn open(args: &BargeinArgs) -> anyhow::Result<Studio> {
    let config = Config::load(&args.config)?;
    let (generation, _) = load_profile(&config)?;
    let (engines, _) = Engines::start(&config, &generation).await?;
    Ok(Studio {
        engines,
        config: Arc::new(config),
        generation: Arc::new(generation),
        question: args.ask.clone(),
        said: HashMap::new(),
    })
}

fn about(args: &BargeinArgs, recordings: &Recordings) -> Vec<String> {
    let (interruptions, backchannels, noises) = recordings.counts();
    vec![
        format!(
            "{} calls on simulated time (seed {}): the real voice, voice activity model, recogniser and \
             classifier in the real call, whose answers come as late as they took. Mu-law, noise 20, 10 \
             and 5 dB below the caller. While we answer \"{}\", at a random moment something happens.",
            args.events, args.seed, args.ask
        ),
        format!(
            "Recordings of people: {interruptions} interruptions, {backchannels} backchannels; side talk is \
             another speaker, 10 to 14 dB below the caller. Bursts are no recordings of coughs: they are \
             made from {noises} recordings of noise, cut to sudden bursts that die away. An echo is our \
             own voice, returned after 60 to 250 ms and 10 to 25 dB down."
        ),
        "An interruption is right if nothing of ours is heard any more 500 ms after its first sound and \
         what we were saying is given up; all else is right if what we were saying is carried to its \
         end. Softer and paused say what happened to it meanwhile."
            .to_owned(),
    ]
}

fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// A row for each kind.
fn all(outcomes: &[Outcome]) -> Table {
    let columns =
        ["what", "calls", "right", "%", "aim %", "silent p50 ms", "p95 ms", "softer", "paused"];
    let mut table = Table::new(columns);
    for row in rows(outcomes, None) {
        table.push(row);
    }
    table
}

fn by_snr(outcomes: &[Outcome]) -> Table {
    let columns = [
        "SNR dB",
        "what",
        "calls",
        "right",
        "%",
        "aim %",
        "silent p50 ms",
        "p95 ms",
        "softer",
        "paused",
    ];
    let mut table = Table::new(columns);
    let mut snrs: Vec<f32> = outcomes.iter().map(|outcome| outcome.snr_db).collect();
    snrs.sort_by(|one, other| other.total_cmp(one));
    snrs.dedup();
    for snr_db in snrs {
        for row in rows(outcomes, Some(snr_db)) {
            table.push(std::iter::once(format!("{snr_db:.0}")).chain(row));
        }
    }
    table
}

fn rows(outcomes: &[Outcome], snr_db: Option<f32>) -> Vec<Vec<String>> {
    let of = |kind| -> Vec<&Outcome> {
        let of_kind = outcomes.iter().filter(|outcome| outcome.kind == kind);
        of_kind.filter(|outcome| snr_db.is_none_or(|snr_db| outcome.snr_db == snr_db)).collect()
    };
    let row = |kind: Kind| {
        let these = of(kind);
        let right = these.iter().filter(|outcome| outcome.is_right()).count();
        let silent: Vec<f64> = match kind {
            Kind::Interruption => these.iter().filter_map(|outcome| outcome.yield_ms).collect(),
            _ => Vec::new(),
        };
        let spread = Spread::of(&silent);
        let ms = |of: fn(&Spread) -> f64| {
            spread.as_ref().map_or_else(|| "-".to_owned(), |spread| format!("{:.0}", of(spread)))
        };
        let count = |of: fn(&Outcome) -> u32| {
            these.iter().filter(|outcome| of(outcome) > 0).count().to_string()
        };
        vec![
            kind.name().to_owned(),
            these.len().to_string(),
            right.to_string(),
            format!("{:.1}", percent(right, these.len())),
            format!("{:.0}", kind.aim()),
            ms(|spread| spread.p50),
            ms(|spread| spread.p95),
            count(|outcome| outcome.ducked),
            count(|outcome| outcome.held),
        ]
    };
    Kind::ALL.into_iter().filter(|kind| !of(*kind).is_empty()).map(row).collect()
}

/// Whatever did not go as it should, to look into.
fn wrong(outcomes: &[Outcome]) -> Section {
    let mut table =
        Table::new(["what", "recording", "words", "SNR dB", "heard", "silent ms", "paused"]);
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_right()) {
        table.push([
            outcome.kind.name().to_owned(),
            outcome.name.clone(),
            outcome.words.clone(),
            format!("{:.0}", outcome.snr_db),
            outcome.heard.join(" / "),
            outcome.yield_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}")),
            outcome.held.to_string(),
        ]);
    }
    Section::new("What went wrong").table(table)
}

fn yields(outcomes: &[Outcome]) -> Plot {
    let mut snrs: Vec<f32> = outcomes.iter().map(|outcome| outcome.snr_db).collect();
    snrs.sort_by(f32::total_cmp);
    snrs.dedup();
    let series = snrs.into_iter().map(|snr_db| {
        let these = outcomes
            .iter()
            .filter(|outcome| outcome.kind == Kind::Interruption && outcome.snr_db == snr_db);
        Samples::new(format!("{snr_db:.0} dB"), these.filter_map(|outcome| outcome.yield_ms))
    });
    Plot::cdf(
        "From the first sound of an interruption until nothing of ours is heard",
        "ms",
        series.collect(),
    )
    .mark_x(500.0, "500 ms")
}

fn judge(outcomes: &[Outcome]) -> anyhow::Result<()> {
    let misses: Vec<String> = Kind::ALL
        .into_iter()
        .filter_map(|kind| {
            let these: Vec<&Outcome> = outcomes.iter().filter(|one| one.kind == kind).collect();
            let right = these.iter().filter(|outcome| outcome.is_right()).count();
            let share = percent(right, these.len());
            let is_missed = !these.is_empty() && share < kind.aim();
            is_missed.then(|| format!("{} {share:.1} % of {:.0} %", kind.name(), kind.aim()))
        })
        .collect();
    if !misses.is_empty() {
        bail!("fewer went right than should: {}", misses.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: Kind, snr_db: f32, yield_ms: Option<f64>) -> Outcome {
        Outcome {
            kind,
            name: "x.wav".to_owned(),
            words: "no wait".to_owned(),
            snr_db,
            at_ms: 900,
            gave_way: yield_ms.is_some(),
            yield_ms,
            ducked: 1,
            held: 0,
            came_back: 0,
            heard: Vec::new(),
            record: Vec::new(),
        }
    }

    #[test]
    fn late_silence_for_an_interruption_is_wrong_and_any_for_a_cough() {
        assert!(outcome(Kind::Interruption, 20.0, Some(420.0)).is_right());
        assert!(!outcome(Kind::Interruption, 20.0, Some(520.0)).is_right());
        assert!(!outcome(Kind::Interruption, 20.0, None).is_right());
        assert!(outcome(Kind::Burst, 20.0, None).is_right());
        assert!(!outcome(Kind::Burst, 20.0, Some(100.0)).is_right());
    }

    #[test]
    fn tables_have_a_row_for_what_there_is_and_misses_are_named() {
        let outcomes = [
            outcome(Kind::Interruption, 20.0, Some(300.0)),
            outcome(Kind::Interruption, 5.0, Some(700.0)),
            outcome(Kind::Echo, 5.0, None),
        ];
        assert_eq!(rows(&outcomes, None).len(), 2);
        assert_eq!(rows(&outcomes, Some(20.0)).len(), 1);
        assert_eq!(rows(&outcomes, None)[0][3], "50.0");
        let error = judge(&outcomes).expect_err("half is too few").to_string();
        assert!(error.contains("interruption 50.0 % of 95 %"), "{error}");
        assert!(judge(&outcomes[..1]).is_ok());
    }
}
