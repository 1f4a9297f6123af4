//! `frontdoor eval timing`: response latency from the recording of a call, by itself, beside what the call's
//! record says.
//!
//! A recording holds what the call's machine heard and what it sent, frame beside frame: the way from the
//! socket to the machine (the jitter buffer) is not in it, and is added from the record.

mod measure;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use self::measure::{MeasuredTurn, Sides};
use super::{percentile, write_json};
use crate::audio::wav::{Stereo, read_wav_channel};
use crate::base::CallId;
use crate::cli::past::open_records;
use crate::cli::table::write_table;
use crate::config::Config;
use crate::engine::models::ModelStore;
use crate::server::start_vad;
use crate::store::{CallRecord, TurnRecord};

/// An answer in the recording is that of the record if it began within this time of it.
const SAME_ANSWER: Duration = Duration::from_millis(250);

/// Arguments of `frontdoor eval timing`.
#[derive(Debug, Args)]
pub struct TimingArgs {
    /// A recording made by the server (the caller left, the front door right)
    #[arg(value_name = "RECORDING.wav")]
    recording: PathBuf,
    /// The call, or how its id begins; without it, the recording's name is tried
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// The configuration, which says where records and models are
    #[arg(long, short, default_value = "frontdoor.toml", value_name = "FILE")]
    config: PathBuf,
    /// Point out turns whose record differs by more than this, in ms
    #[arg(long, default_value_t = 20, value_name = "MS")]
    within: u64,
    /// Also write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What the record says of a turn.
#[derive(Debug, PartialEq, Serialize)]
struct Recorded {
    turn: u32,
    total_ms: u64,
    network_ms: u64,
    /// Measured less recorded; `None` if it was not found in the recording.
    difference_ms: Option<i64>,
}

/// A turn in the recording, in the record, or both.
#[derive(Debug, PartialEq, Serialize)]
struct Turn {
    /// When the caller's last voiced sample came; `None`: no such turn is in the recording.
    caller_until_ms: Option<u64>,
    /// When our first voiced sample left.
    answered_ms: Option<u64>,
    /// The response latency; without the jitter buffer where there is no record.
    measured_ms: Option<u64>,
    record: Option<Recorded>,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Report {
    recording: PathBuf,
    call: Option<String>,
    turns: Vec<Turn>,
    /// Turns in both, and those of them that differ by more than was to be pointed out.
    compared: usize,
    beyond: usize,
    measured_p50_ms: u64,
    measured_p95_ms: u64,
}

/// Measures and prints.
pub(super) async fn run(args: TimingArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    let sides = listen(&args.recording, &config)?;
    let record = record_of(&args, &config).await?;
    let call = record.as_ref().map(|record| record.summary.id.to_string());
    let turns = match &record {
        Some(record) => compared(&sides, &record.turns),
        None => sides.turns().iter().map(|turn| Turn::measured(turn, 0)).collect(),
    };
    let report = Report::of(args.recording.clone(), call, turns, args.within);
    report.print(args.within)?;
    match &args.json {
        Some(path) => write_json(path, &report),
        None => Ok(()),
    }
}

/// Finds out who spoke when in a recording.
fn listen(path: &Path, config: &Config) -> anyhow::Result<Sides> {
    let side = |stereo| {
        let file = File::open(path)
            .with_context(|| format!("cannot open the recording {}", path.display()))?;
        read_wav_channel(BufReader::new(file), stereo)
            .with_context(|| format!("cannot use the recording {}", path.display()))
    };
    let (rate, caller) = side(Stereo::Left)?;
    let (_, ours) = side(Stereo::Right)?;
    if caller == ours {
        bail!(
            "{}: both sides are the same; give a recording with two channels, as the server makes \
             them (`[recording]`)",
            path.display()
        );
    }
    let store = ModelStore::open(config.models.cache_dir.clone())?;
    let mut vad = start_vad(&store)?.session();
    Ok(Sides::of(rate, &caller, &ours, &mut vad))
}

/// The record of the call, if one is asked for or has the recording's name.
async fn record_of(args: &TimingArgs, config: &Config) -> anyhow::Result<Option<CallRecord>> {
    let name = args.recording.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let by_name = name.filter(|name| CallId::from_str(name).is_ok());
    let Some(wanted) = args.call.clone().or(by_name) else { return Ok(None) };
    let read = async {
        let store = open_records(config).await?;
        let record = store.call(store.find_call(&wanted).await?).await?;
        store.close().await?;
        anyhow::Ok(record)
    };
    match read.await {
        Ok(record) => Ok(Some(record)),
        Err(error) if args.call.is_some() => Err(error),
        Err(error) => {
            eprintln!("warning: not compared with a record: {error:#}");
            Ok(None)
        }
    }
}

/// The turns of the record with what the recording has of them, and then those of the recording only.
fn compared(sides: &Sides, records: &[TurnRecord]) -> Vec<Turn> {
    let mut left = sides.turns();
    let mut turns = Vec::new();
    for record in records {
        let found =
            record.at_ms.and_then(|at| sides.turn_at(Duration::from_millis(at), SAME_ANSWER));
        let mut turn = match &found {
            Some(found) => Turn::measured(found, record.network_ms.into()),
            None => {
                Turn { caller_until_ms: None, answered_ms: None, measured_ms: None, record: None }
            }
        };
        if let Some(found) = &found {
            left.retain(|other| other.answered != found.answered);
        }
        let total_ms = u64::from(record.total_ms);
        let difference = |ms: u64| ms.cast_signed() - total_ms.cast_signed();
        turn.record = Some(Recorded {
            turn: record.turn.0,
            total_ms,
            network_ms: record.network_ms.into(),
            difference_ms: turn.measured_ms.map(difference),
        });
        turns.push(turn);
    }
    turns.extend(left.iter().map(|turn| Turn::measured(turn, 0)));
    turns
}

impl Turn {
    fn measured(turn: &MeasuredTurn, network_ms: u64) -> Self {
        let ms = |time: Duration| time.as_millis() as u64;
        Self {
            caller_until_ms: Some(ms(turn.caller_until)),
            answered_ms: Some(ms(turn.answered)),
            measured_ms: Some(ms(turn.latency) + network_ms),
            record: None,
        }
    }

    /// How far record and recording are apart, where there is both.
    fn difference_ms(&self) -> Option<i64> {
        self.record.as_ref()?.difference_ms
    }

    fn cells(&self, within_ms: u64) -> Vec<String> {
        let number = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        let record = self.record.as_ref();
        let remark = match (self.measured_ms, record, self.difference_ms()) {
            (None, ..) => "not found in the recording".to_owned(),
            (_, None, _) => "not in the record".to_owned(),
            (.., Some(difference)) if difference.unsigned_abs() > within_ms => {
                format!("differs by more than {within_ms} ms")
            }
            _ => String::new(),
        };
        vec![
            record.map_or_else(|| "-".to_owned(), |record| record.turn.to_string()),
            number(self.caller_until_ms),
            number(self.answered_ms),
            number(self.measured_ms),
            number(record.map(|record| record.total_ms)),
            number(record.map(|record| record.network_ms)),
            self.difference_ms().map_or_else(|| "-".to_owned(), |ms| format!("{ms:+}")),
            remark,
        ]
    }
}

impl Report {
    fn of(recording: PathBuf, call: Option<String>, turns: Vec<Turn>, within_ms: u64) -> Self {
        let mut measured: Vec<u64> = turns.iter().filter_map(|turn| turn.measured_ms).collect();
        measured.sort_unstable();
        let differences: Vec<i64> = turns.iter().filter_map(Turn::difference_ms).collect();
        let is_beyond = |ms: &&i64| ms.unsigned_abs() > within_ms;
        Self {
            recording,
            call,
            turns,
            compared: differences.len(),
            beyond: differences.iter().filter(is_beyond).count(),
            measured_p50_ms: percentile(&measured, 50),
            measured_p95_ms: percentile(&measured, 95),
        }
    }

    fn print(&self, within_ms: u64) -> anyhow::Result<()> {
        let columns = [
            "turn",
            "caller until",
            "answered",
            "measured",
            "recorded",
            "network",
            "difference",
            "",
        ];
        if self.turns.is_empty() {
            println!("No turn was answered in this recording.");
            return Ok(());
        }
        // Without a record, there is nothing that a turn could be missing from.
        let cells = |turn: &Turn| {
            let mut cells = turn.cells(within_ms);
            if self.call.is_none() {
                cells[7].clear();
            }
            cells
        };
        let rows: Vec<Vec<String>> = self.turns.iter().map(cells).collect();
        write_table(&mut std::io::stdout(), &columns, &rows)?;
        let (p50, p95) = (self.measured_p50_ms, self.measured_p95_ms);
        println!("\nmeasured: p50 {p50} ms, p95 {p95} ms over {} turns", self.turns.len());
        match &self.call {
            None => println!("no record: without the way from the socket, the jitter buffer"),
            Some(_) => println!(
                "{} turns compared; {} of them differ by more than {within_ms} ms",
                self.compared, self.beyond
            ),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::measure::{RATE, Span};
    use super::*;
    use crate::base::TurnId;

    fn sides(caller_ms: &[(usize, usize)], ours_ms: &[(usize, usize)]) -> Sides {
        let spans = |all: &[(usize, usize)]| {
            all.iter().map(|(from, until)| Span { from: 8 * from, until: 8 * until }).collect()
        };
        assert_eq!(RATE.hz(), 8_000);
        Sides { caller: spans(caller_ms), ours: spans(ours_ms) }
    }

    fn record(turn: u32, at_ms: u64, total_ms: u32) -> TurnRecord {
        TurnRecord {
            turn: TurnId(turn),
            at_ms: Some(at_ms),
            network_ms: 60,
            total_ms,
            ..TurnRecord::default()
        }
    }

    #[test]
    fn a_record_is_compared_turn_by_turn_with_what_was_recorded() {
        let sides = sides(
            &[(2_000, 3_000), (6_000, 6_500), (9_000, 9_400)],
            &[(3_700, 5_000), (7_000, 8_000), (10_000, 11_000)],
        );
        let records = [record(1, 3_690, 785), record(2, 7_010, 500), record(3, 20_000, 700)];
        let turns = compared(&sides, &records);
        let differences: Vec<Option<i64>> = turns.iter().map(Turn::difference_ms).collect();
        assert_eq!(differences, [Some(-5), Some(80), None, None]);
        let remarks: Vec<String> = turns.iter().map(|turn| turn.cells(20)[7].clone()).collect();
        assert_eq!(
            remarks,
            ["", "differs by more than 20 ms", "not found in the recording", "not in the record"]
        );
        let report = Report::of(PathBuf::from("a.wav"), None, turns, 20);
        assert_eq!((report.compared, report.beyond), (2, 1));
        assert_eq!((report.measured_p50_ms, report.measured_p95_ms), (620, 780));
    }

    #[test]
    fn a_record_from_before_places_were_noted_is_not_guessed_at() {
        let sides = sides(&[(2_000, 3_000)], &[(3_700, 5_000)]);
        let old = TurnRecord { at_ms: None, ..record(1, 0, 700) };
        let turns = compared(&sides, &[old]);
        assert_eq!(turns.len(), 2);
        assert!(turns.iter().all(|turn| turn.difference_ms().is_none()));
    }
}
