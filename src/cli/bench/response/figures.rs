//! What the caller measured, beside what the front door recorded.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::bail;
use serde::Serialize;

use crate::cli::bench::report::{BarSeries, Layout, Plot, Report, Samples, Section, Spread, Table};
use crate::store::TurnRecord;

/// What is aimed at with one call: half of the turns, and 95 of 100, in ms.
const GOALS_MS: (f64, f64) = (450.0, 800.0);

/// The first sound of ours after the answer, in ms.
const GREETING_GOAL_MS: f64 = 150.0;

/// A turn of the record is that of the caller if it was answered within so many ms of it: both count from
/// the answer, each by its own clock.
const SAME_TURN_MS: f64 = 500.0;

/// Caller and front door agree within this, in ms.
const AGREES_MS: f64 = 20.0;

/// Where the time of a turn goes, in order.
const PARTS: [&str; 7] =
    ["network", "endpoint", "transcribe", "understand", "act", "voice", "playout"];

/// Turns as the front door has recorded them, by call.
pub(super) type Recorded = BTreeMap<u32, Vec<TurnRecord>>;

/// What the front door says of a turn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Own {
    total_ms: f64,
    /// In the order of [`PARTS`].
    parts_ms: [f64; 7],
    speculated: bool,
}

impl From<&TurnRecord> for Own {
    fn from(turn: &TurnRecord) -> Self {
        let parts = [
            turn.network_ms,
            turn.endpoint_ms,
            turn.transcribe_ms,
            turn.understand_ms,
            turn.act_ms,
            turn.voice_ms,
            turn.playout_ms,
        ];
        Self {
            total_ms: turn.total_ms.into(),
            parts_ms: parts.map(f64::from),
            speculated: turn.speculated,
        }
    }
}

/// A turn that was answered.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Turn {
    pub call: u32,
    pub said: String,
    pub kind: String,
    /// When the answer began, from the answer of the call.
    pub answered_ms: f64,
    /// Response latency on the wire.
    pub wire_ms: f64,
    /// What the front door says.
    pub recorded: Option<Own>,
}

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub turns: Vec<Turn>,
    /// From the answer of each call to the first sound.
    pub greetings_ms: Vec<f64>,
    /// Turns in which the front door began before the caller had finished.
    pub cut_off: u32,
    /// Turns that were not answered.
    pub silent: u32,
}

impl Tally {
    /// Puts what the front door recorded beside what was measured.
    pub fn join(&mut self, recorded: &Recorded) {
        for turn in &mut self.turns {
            let of_call = recorded.get(&turn.call).map_or(&[][..], Vec::as_slice);
            let placed = of_call.iter().filter_map(|record| {
                let apart = (record.at_ms? as f64 - turn.answered_ms).abs();
                (apart <= SAME_TURN_MS).then_some((apart, record))
            });
            let nearest = placed.min_by(|(one, _), (other, _)| one.total_cmp(other));
            turn.recorded = nearest.map(|(_, record)| Own::from(record));
        }
    }

    fn wire_ms(&self) -> Vec<f64> {
        self.turns.iter().map(|turn| turn.wire_ms).collect()
    }

    fn own(&self) -> impl Iterator<Item = (&Turn, &Own)> {
        self.turns.iter().filter_map(|turn| Some((turn, turn.recorded.as_ref()?)))
    }

    fn part_ms(&self, part: usize) -> Vec<f64> {
        self.own().map(|(_, own)| own.parts_ms[part]).collect()
    }

    /// On the wire, by the front door, and how far they are apart.
    fn latencies(&self) -> Table {
        let own: Vec<f64> = self.own().map(|(_, own)| own.total_ms).collect();
        let apart: Vec<f64> =
            self.own().map(|(turn, own)| (turn.wire_ms - own.total_ms).abs()).collect();
        let mut table = spread_table("response latency");
        push_spread(&mut table, "on the wire, by the caller", &self.wire_ms());
        push_spread(&mut table, "by the front door itself", &own);
        push_spread(&mut table, "how far they are apart", &apart);
        table
    }

    fn parts(&self) -> Table {
        let mut table = spread_table("part");
        for (index, part) in PARTS.into_iter().enumerate() {
            push_spread(&mut table, part, &self.part_ms(index));
        }
        table
    }

    fn kinds(&self) -> Table {
        let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for turn in &self.turns {
            kinds.entry(&turn.kind).or_default().push(turn.wire_ms);
        }
        let mut table = spread_table("what was said");
        for (kind, latencies_ms) in kinds {
            push_spread(&mut table, kind, &latencies_ms);
        }
        table
    }

    fn greetings(&self) -> Table {
        let mut table = spread_table("first sound");
        push_spread(&mut table, "from the answer of the call", &self.greetings_ms);
        table
    }

    /// What has no table.
    fn counts(&self) -> String {
        let own = self.own().count();
        let ahead = self.own().filter(|(_, own)| own.speculated).count();
        let is_near =
            |(turn, own): &(&Turn, &Own)| (turn.wire_ms - own.total_ms).abs() <= AGREES_MS;
        let near = self.own().filter(is_near).count();
        format!(
            "{} turns answered in {} calls; {} cut off, {} not answered. {own} of them found in the \
             record, {near} of these within {AGREES_MS} ms of what the caller measured; {ahead} were \
             worked on ahead.",
            self.turns.len(),
            self.greetings_ms.len(),
            self.cut_off,
            self.silent,
        )
    }

    /// Adds everything to the report.
    pub fn write(&self, report: &mut Report) -> anyhow::Result<()> {
        report.about(
            "One caller at a time speaks recordings of people to the real program over RTP on this \
             machine's loopback (G.711). Response latency is from the packet with their last voiced \
             sample leaving them to the packet with our first one arriving; a first call is left out.",
        );
        report.about(self.counts());
        let own: Vec<f64> = self.own().map(|(_, own)| own.total_ms).collect();
        let series =
            vec![Samples::new("on the wire", self.wire_ms()), Samples::new("by itself", own)];
        let spread = Plot::cdf("Response latency", "ms", series)
            .mark_x(GOALS_MS.0, "goal for 50 %")
            .mark_x(GOALS_MS.1, "goal for 95 %");
        let at = |choose: fn(&Spread) -> f64| {
            let of_part = |part| Spread::of(&self.part_ms(part)).as_ref().map_or(0.0, choose);
            (0..PARTS.len()).map(of_part).collect::<Vec<f64>>()
        };
        let bars = vec![
            BarSeries::new("half of turns within", at(|spread| spread.p50)),
            BarSeries::new("95 % within", at(|spread| spread.p95)),
        ];
        let parts = Plot::bars("Where the time goes", "ms", PARTS, bars, Layout::Beside);
        let latency = Section::new("Response latency").table(self.latencies()).plot(spread);
        report.push(latency);
        report.push(Section::new("Parts").table(self.parts()).plot(parts));
        report.push(Section::new("By what was said").table(self.kinds()));
        let greeting = Section::new("Greeting")
            .text(format!(
                "From the answer of a call to our first sound; {GREETING_GOAL_MS} ms is the goal."
            ))
            .table(self.greetings());
        report.push(greeting);
        report.figures("response", self)?;
        Ok(())
    }

    /// Writes the tables for a terminal.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for table in [self.latencies(), self.parts(), self.kinds(), self.greetings()] {
            table.print(out)?;
            writeln!(out)?;
        }
        writeln!(out, "{}", self.counts())
    }

    /// Fails if it took longer than it may have.
    pub fn judge(&self, p50_max: Option<f64>, p95_max: Option<f64>) -> anyhow::Result<()> {
        let Some(spread) = Spread::of(&self.wire_ms()) else { return Ok(()) };
        for (name, is, max) in [("p50", spread.p50, p50_max), ("p95", spread.p95, p95_max)] {
            if let Some(max) = max
                && is > max
            {
                bail!("response latency on the wire: {name} is {is:.0} ms, more than {max:.0} ms");
            }
        }
        Ok(())
    }
}

fn spread_table(of: &str) -> Table {
    Table::new([of, "count", "p50 ms", "p95 ms", "max ms", "mean ms"])
}

fn push_spread(table: &mut Table, name: &str, samples_ms: &[f64]) {
    let name = name.to_owned();
    match Spread::of(samples_ms) {
        Some(Spread { count, mean, p50, p95, max }) => {
            let times = [p50, p95, max, mean].map(|ms| format!("{ms:.0}"));
            table.push([name, count.to_string()].into_iter().chain(times));
        }
        None => table.push([name, "0".into(), "-".into(), "-".into(), "-".into(), "-".into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TurnId;

    fn turn(call: u32, answered_ms: f64, wire_ms: f64) -> Turn {
        let (said, kind) = ("hours.wav".to_owned(), "request".to_owned());
        Turn { call, said, kind, answered_ms, wire_ms, recorded: None }
    }

    fn record(turn: u32, at_ms: u64, endpoint_ms: u32) -> TurnRecord {
        TurnRecord {
            turn: TurnId(turn),
            at_ms: Some(at_ms),
            network_ms: 60,
            endpoint_ms,
            total_ms: 60 + endpoint_ms,
            speculated: turn == 1,
            ..TurnRecord::default()
        }
    }

    fn tally() -> Tally {
        let turns =
            vec![turn(2, 5_000.0, 410.0), turn(2, 12_000.0, 700.0), turn(3, 5_000.0, 500.0)];
        let mut tally =
            Tally { turns, greetings_ms: vec![40.0, 90.0], cut_off: 1, ..Tally::default() };
        let records = vec![record(1, 4_980, 340), record(2, 12_010, 600), record(3, 20_000, 1)];
        tally.join(&BTreeMap::from([(2, records)]));
        tally
    }

    #[test]
    fn turns_find_their_records_by_when_they_were_answered() {
        let tally = tally();
        let totals: Vec<Option<f64>> =
            tally.turns.iter().map(|turn| Some(turn.recorded.as_ref()?.total_ms)).collect();
        assert_eq!(totals, [Some(400.0), Some(660.0), None]);
        let counts = tally.counts();
        assert!(counts.starts_with("3 turns answered in 2 calls; 1 cut off"), "{counts}");
        assert!(
            counts.contains("2 of them found in the record, 1 of these within 20 ms"),
            "{counts}"
        );
        assert!(counts.contains("1 were worked on ahead"), "{counts}");
    }

    #[test]
    fn all_of_it_is_told_on_the_terminal_and_in_the_report() {
        let tally = tally();
        let mut out = Vec::new();
        tally.print(&mut out).expect("writes to memory");
        let text = String::from_utf8(out).expect("text");
        let wire = text.lines().find(|line| line.starts_with("on the wire")).expect("a row");
        let cells: Vec<&str> = wire.split_whitespace().collect();
        assert_eq!(cells[cells.len() - 5..], ["3", "500", "700", "700", "537"], "{text}");
        let mut report = Report::begin("Response");
        tally.write(&mut report).expect("is written");
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["figures"]["response"]["turns"][0]["wire_ms"], 410.0);
        assert_eq!(json["sections"].as_array().map(Vec::len), Some(4));
    }

    #[test]
    fn too_slow_fails_and_says_what() {
        let tally = tally();
        assert!(tally.judge(None, None).is_ok());
        assert!(tally.judge(Some(500.0), Some(700.0)).is_ok());
        let error = tally.judge(Some(450.0), None).expect_err("too slow").to_string();
        assert!(error.contains("p50 is 500 ms, more than 450 ms"), "{error}");
        assert!(tally.judge(Some(500.0), Some(699.0)).is_err());
    }
}
