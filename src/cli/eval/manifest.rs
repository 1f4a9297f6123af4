//! The list of recordings that an evaluation goes through.

use std::path::Path;

use anyhow::{Context, bail};

use super::channel::{Recording, read};

/// How far a recording's length may be from what the manifest says.
const LENGTH_TOLERANCE_S: f64 = 0.2;

/// Kinds without the words that were said: nothing to compare with.
const NOT_TRANSCRIBED: [&str; 4] = ["noise", "call_agent", "call_mixed", "order_slots"];

/// A line of the manifest.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Row {
    pub path: String,
    pub transcript: String,
    pub kind: String,
    /// Empty if the manifest names none.
    pub speaker: String,
    /// How long the recording should be, if the manifest says so.
    pub seconds: Option<f64>,
}

impl Row {
    /// Whether its words are known.
    pub(in crate::cli) fn has_words(&self) -> bool {
        !NOT_TRANSCRIBED.contains(&self.kind.as_str())
            && !self.transcript.trim().is_empty()
            && !self.transcript.starts_with("DRAFT")
    }
}

/// Reads a manifest.
///
/// # Errors
/// It has not the columns path, transcript and kind, or a line has fewer than its header.
pub(in crate::cli) fn parse_manifest(text: &str, name: &Path) -> anyhow::Result<Vec<Row>> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').map(str::trim).collect();
    let column = |wanted: &str| {
        header
            .iter()
            .position(|title| *title == wanted)
            .with_context(|| format!("{}:1: the header has no column '{wanted}'", name.display()))
    };
    let (path, transcript, kind) = (column("path")?, column("transcript")?, column("kind")?);
    let seconds = header.iter().position(|title| *title == "seconds");
    let speaker = header.iter().position(|title| *title == "speaker");
    let mut rows = Vec::new();
    for (index, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |column: usize| {
            fields.get(column).map(|field| field.trim().to_owned()).with_context(|| {
                format!("{}:{}: has no column {}", name.display(), index + 2, column + 1)
            })
        };
        rows.push(Row {
            path: field(path)?,
            transcript: field(transcript)?,
            kind: field(kind)?,
            speaker: speaker
                .and_then(|column| fields.get(column))
                .map_or("", |s| s.trim())
                .to_owned(),
            seconds: seconds.and_then(|column| fields.get(column)?.trim().parse().ok()),
        });
    }
    Ok(rows)
}

/// Reads a row's recording, and makes sure that it is the one the row speaks of: two recordings of
/// one name, unpacked over each other, would count as errors of the recogniser.
pub(in crate::cli) fn read_row(folder: &Path, row: &Row) -> anyhow::Result<Recording> {
    let path = folder.join(&row.path);
    let (rate, samples) = read(&path)?;
    let lasts_s = samples.len() as f64 / f64::from(rate.hz());
    match row.seconds {
        Some(seconds) if (seconds - lasts_s).abs() > LENGTH_TOLERANCE_S + 0.02 * seconds => {
            bail!("{}: lasts {lasts_s:.2} s, the manifest says {seconds} s", path.display())
        }
        _ => Ok((rate, samples)),
    }
}
