//! What was measured of each, as tables and plots.

use std::io::stdout;

use serde::{Deserialize, Serialize};

use super::super::report::{BarSeries, Layout, Plot, Report, Samples, Section, Spread, Table};
use super::clips::Clips;
use crate::nlu::wer::{WordErrors, word_errors};

/// A recogniser and what it made of the clips.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hearer {
    /// What it is, with its version and settings.
    pub name: String,
    /// Which weights.
    pub model: String,
    /// In the order of the clips.
    pub clips: Vec<HeardClip>,
}

/// A clip as it was heard.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeardClip {
    /// The words.
    pub text: String,
    /// From the audio to the words.
    pub wall_s: f64,
    /// Of a core.
    pub cpu_s: f64,
}

/// All recognisers.
#[derive(Debug, Default)]
pub(super) struct Hearers(Vec<Hearer>);

impl Hearers {
    /// Adds some.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Hearer>) {
        self.0.extend(more);
    }

    /// Prints them and puts them into the report.
    pub fn tell(&self, clips: &Clips, report: &mut Report) -> anyhow::Result<()> {
        let mut table =
            Table::new(["recogniser", "model", "p50 ms", "p95 ms", "CPU s / clip", "word error %"]);
        for hearer in &self.0 {
            table.push(hearer.row(clips));
        }
        table.print(&mut stdout())?;
        println!();
        let names = self.0.iter().map(|hearer| format!("{} ({})", hearer.name, hearer.model));
        let series = self.0.iter().zip(names).map(|(hearer, name)| {
            Samples::new(name, hearer.clips.iter().map(|clip| clip.wall_s * 1000.0))
        });
        let plot = Plot::cdf("From audio to words", "ms", series.collect());
        report.push(
            Section::new("Recognition")
                .text(
                    "One utterance at a time, after a warm-up, from its samples to its words. \
                     faster-whisper and whisper.cpp take as many threads as there are cores, four at \
                     most. Ours takes one while other calls are heard, too.",
                )
                .table(table)
                .plot(plot),
        );
        report.figures("recognition", &self.0)?;
        Ok(())
    }
}

impl Hearer {
    fn row(&self, clips: &Clips) -> [String; 6] {
        let wall: Vec<f64> = self.clips.iter().map(|clip| clip.wall_s * 1000.0).collect();
        let cpu: Vec<f64> = self.clips.iter().map(|clip| clip.cpu_s).collect();
        let mut errors = WordErrors::default();
        for (clip, heard) in clips.all.iter().zip(&self.clips) {
            errors += word_errors(&clip.words, &heard.text);
        }
        let spread = Spread::of(&wall);
        [
            self.name.clone(),
            self.model.clone(),
            spread.map_or_else(none, |spread| format!("{:.0}", spread.p50)),
            spread.map_or_else(none, |spread| format!("{:.0}", spread.p95)),
            Spread::of(&cpu).map_or_else(none, |spread| format!("{:.2}", spread.mean)),
            format!("{:.1}", errors.rate() * 100.0),
        ]
    }
}

fn none() -> String {
    "-".to_owned()
}

/// Something that answers callers, and how it did.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pipeline {
    /// What it is, with its version and settings.
    pub name: String,
    /// Which weights it hears with.
    pub model: String,
    /// In the order of the clips.
    pub turns: Vec<Turn>,
}

/// A turn of the caller's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Turn {
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Of a core, on the answering side, until the answer was over.
    pub cpu_s: f64,
    /// How long that was.
    pub wall_s: f64,
    /// What was heard, where that is known.
    pub text: String,
}

/// What became of a turn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(super) enum Outcome {
    /// Answered once the caller had finished.
    Answered {
        /// From the caller's last voiced frame to the answer's first.
        latency_s: f64,
    },
    /// Answered before.
    CutOff {
        /// What of the turn was still to come.
        left_s: f64,
    },
    /// Not answered.
    Silent,
}

impl Pipeline {
    /// Of the turns that were answered.
    pub fn latencies_ms(&self) -> Vec<f64> {
        self.turns
            .iter()
            .filter_map(|turn| match turn.outcome {
                Outcome::Answered { latency_s } => Some(latency_s * 1000.0),
                Outcome::CutOff { .. } | Outcome::Silent => None,
            })
            .collect()
    }

    fn row(&self) -> [String; 7] {
        let latencies = Spread::of(&self.latencies_ms());
        let cpu: Vec<f64> = self.turns.iter().map(|turn| turn.cpu_s).collect();
        let count = |is: fn(&Outcome) -> bool| {
            self.turns.iter().filter(|turn| is(&turn.outcome)).count().to_string()
        };
        [
            self.name.clone(),
            self.turns.len().to_string(),
            latencies.map_or_else(none, |spread| format!("{:.0}", spread.p50)),
            latencies.map_or_else(none, |spread| format!("{:.0}", spread.p95)),
            count(|outcome| matches!(outcome, Outcome::CutOff { .. })),
            count(|outcome| matches!(outcome, Outcome::Silent)),
            Spread::of(&cpu).map_or_else(none, |spread| format!("{:.2}", spread.mean)),
        ]
    }
}

/// All that answer callers.
#[derive(Debug, Default)]
pub(super) struct Pipelines(Vec<Pipeline>);

impl Pipelines {
    /// Adds one.
    pub fn push(&mut self, pipeline: Pipeline) {
        self.0.push(pipeline);
    }

    /// Adds some.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Pipeline>) {
        self.0.extend(more);
    }

    /// Prints them and puts them into the report.
    pub fn tell(&self, report: &mut Report) -> anyhow::Result<()> {
        let mut table =
            Table::new(["who", "turns", "p50 ms", "p95 ms", "cut off", "silent", "CPU s / turn"]);
        for pipeline in &self.0 {
            table.push(pipeline.row());
        }
        table.print(&mut stdout())?;
        println!();
        let series =
            |pipeline: &Pipeline| Samples::new(pipeline.name.clone(), pipeline.latencies_ms());
        let cdf = Plot::cdf(
            "From the caller's last voiced frame to the answer's first",
            "ms",
            self.0.iter().map(series).collect(),
        );
        let bar = |one: &Pipeline| {
            let spread = Spread::of(&one.latencies_ms());
            let values = spread.map_or([f64::NAN; 2], |spread| [spread.p50, spread.p95]);
            BarSeries::new(one.name.clone(), values)
        };
        let bars = self.0.iter().map(bar).collect();
        let bars = Plot::bars("Response latency", "ms", ["p50", "p95"], bars, Layout::Beside);
        report.push(
            Section::new("Response")
                .text(
                    "frontdoor is the whole server, called over SIP and RTP on loopback, one call \
                     for each recording; packets are timed as they come. Pipecat is a pipeline of \
                     Silero, faster-whisper (tiny.en, int8), Smart Turn v3 and Piper with the same \
                     voice; its frames go in and out within its process, without a telephone. It \
                     answers everything with one fixed sentence: it is spared the understanding. \
                     frontdoor has its fixed sentences rendered ahead, and Pipecat renders its own \
                     anew.",
                )
                .table(table)
                .plot(bars)
                .plot(cdf),
        );
        report.figures("response", &self.0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(outcome: Outcome) -> Turn {
        Turn { outcome, cpu_s: 0.5, wall_s: 2.0, text: String::new() }
    }

    #[test]
    fn turns_that_were_not_answered_are_counted_apart() {
        let pipeline = Pipeline {
            name: "x".to_owned(),
            model: "tiny.en".to_owned(),
            turns: vec![
                turn(Outcome::Answered { latency_s: 0.4 }),
                turn(Outcome::Answered { latency_s: 0.9 }),
                turn(Outcome::CutOff { left_s: 0.2 }),
                turn(Outcome::Silent),
            ],
        };
        assert_eq!(pipeline.row(), ["x", "4", "400", "900", "1", "1", "0.50"]);
        let silent = Pipeline { turns: vec![turn(Outcome::Silent)], ..pipeline };
        assert_eq!(silent.row(), ["x", "1", "-", "-", "0", "1", "0.50"]);
    }
}
