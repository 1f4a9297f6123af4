//! `frontdoor eval stt`: recordings through a simulated telephone line and the recogniser, against
//! their transcripts.

mod ways;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::channel::{Channel, Line, read, white_noise};
use super::manifest::{Row, parse_manifest, read_row};
use super::{percentile, progress_bar, write_json};
use crate::base::Pii;
use crate::engine::hearing::{CONTEXT_FRAMES_MIN, Transcript};
use crate::nlu::wer::{WordErrors, normalise, word_errors};

use ways::{Comparison, Heard, SecondModelUse, Ways};

/// Kinds whose transcript is the value that was meant ("1855749866"), not the words
/// ("one eight double five..."): reported, but not counted in the total.
const VALUES: [&str; 3] = ["address", "phone_digits", "spelled_name"];

fn is_value(kind: &str) -> bool {
    VALUES.contains(&kind)
}

/// Arguments of `frontdoor eval stt`.
#[derive(Debug, Args)]
pub struct SttArgs {
    /// Tab-separated, with a header naming at least path, transcript and kind
    #[arg(long)]
    pub manifest: PathBuf,
    /// What the recordings go through first
    #[arg(long, value_enum, default_value = "phone")]
    pub channel: Channel,
    /// Add noise this far below the speech (rows of kind `noise`, else white noise)
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    pub snr: Option<f32>,
    /// The same seed gives the same line
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// tiny.en, base or the path of a ggml file
    #[arg(long, default_value = "tiny.en")]
    pub model: String,
    /// The same of the model that is asked too about words the first is not sure of, or none
    #[arg(long, default_value = "none")]
    pub second_model: String,
    /// Fewest frames of audio, 20 ms each, that the models work on
    #[arg(long, value_name = "FRAMES", default_value_t = CONTEXT_FRAMES_MIN)]
    pub context_min: usize,
    /// Hear each recording as is done ahead, too: up to a tenth of a second behind its last word; and all
    /// of it at full context. Tells what is lost
    #[arg(long)]
    pub speculative: bool,
    /// Only these kinds, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// At most this many recordings, spread over the manifest
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Also write the result, with every transcript, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// One recording's result.
#[derive(Debug, Serialize)]
struct Clip {
    path: String,
    kind: String,
    transcript: String,
    heard: String,
    confidence: f32,
    exact: bool,
    errors: usize,
    words: usize,
    audio_ms: u64,
    decode_ms: u64,
    cpu_ms: u64,
    fallback: bool,
    second: &'static str,
    /// What the first model heard, where the second one's words stand.
    instead_of: Option<String>,
    /// Its errors.
    errors_before: Option<usize>,
    #[serde(skip)]
    word_errors: WordErrors,
}

impl Clip {
    fn new(row: &Row, heard: Transcript) -> Self {
        let text = heard.text.expose();
        let errors = word_errors(&row.transcript, text);
        let count =
            |errors: &WordErrors| errors.substitutions + errors.insertions + errors.deletions;
        let instead_of = heard.instead_of.map(Pii::into_inner);
        let before = instead_of.as_ref().map(|first| word_errors(&row.transcript, first));
        Self {
            path: row.path.clone(),
            kind: row.kind.clone(),
            transcript: row.transcript.clone(),
            exact: normalise(&row.transcript) == normalise(text),
            heard: text.clone(),
            confidence: heard.confidence,
            errors: count(&errors),
            words: errors.reference_words,
            audio_ms: heard.audio_ms,
            decode_ms: heard.decode_ms,
            cpu_ms: heard.cpu.as_millis() as u64,
            fallback: heard.fallback,
            second: heard.second.as_str(),
            instead_of,
            errors_before: before.as_ref().map(count),
            word_errors: errors,
        }
    }
}

/// What a group of recordings adds up to.
#[derive(Debug, Serialize)]
struct Sum {
    clips: usize,
    words: usize,
    word_error_rate: f64,
    substitutions: usize,
    insertions: usize,
    deletions: usize,
    exact_share: f64,
    fallbacks: usize,
    audio_s: f64,
    cpu_s_per_audio_s: f64,
    decode_p50_ms: u64,
    decode_p95_ms: u64,
}

impl Sum {
    fn of<'a>(clips: impl Iterator<Item = &'a Clip>) -> Self {
        let clips: Vec<&Clip> = clips.collect();
        let mut errors = WordErrors::default();
        clips.iter().for_each(|clip| errors += clip.word_errors);
        let audio_s = clips.iter().map(|clip| clip.audio_ms).sum::<u64>() as f64 / 1000.0;
        let cpu_s = clips.iter().map(|clip| clip.cpu_ms).sum::<u64>() as f64 / 1000.0;
        let mut decode_ms: Vec<u64> = clips.iter().map(|clip| clip.decode_ms).collect();
        decode_ms.sort_unstable();
        let exact = clips.iter().filter(|clip| clip.exact).count();
        Self {
            clips: clips.len(),
            words: errors.reference_words,
            word_error_rate: errors.rate(),
            substitutions: errors.substitutions,
            insertions: errors.insertions,
            deletions: errors.deletions,
            exact_share: exact as f64 / clips.len().max(1) as f64,
            fallbacks: clips.iter().filter(|clip| clip.fallback).count(),
            audio_s,
            cpu_s_per_audio_s: if audio_s > 0.0 { cpu_s / audio_s } else { 0.0 },
            decode_p50_ms: percentile(&decode_ms, 50),
            decode_p95_ms: percentile(&decode_ms, 95),
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name:<20} {:>5} {:>6} {:>7.1} {:>5} {:>5} {:>5} {:>7.1} {:>6} {:>8.0} {:>7.3} {:>7} \
             {:>7}",
            self.clips,
            self.words,
            self.word_error_rate * 100.0,
            self.substitutions,
            self.insertions,
            self.deletions,
            self.exact_share * 100.0,
            self.fallbacks,
            self.audio_s,
            self.cpu_s_per_audio_s,
            self.decode_p50_ms,
            self.decode_p95_ms,
        );
    }
}

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    channel: String,
    snr_db: Option<f32>,
    seed: u64,
    total: Sum,
    kinds: BTreeMap<String, Sum>,
    values: BTreeMap<String, Sum>,
    skipped: BTreeMap<String, usize>,
    unreadable: Vec<String>,
    comparison: Option<Comparison>,
    second_model: Option<SecondModelUse>,
    clips: Vec<Clip>,
}

impl Report {
    fn print(&self) {
        println!(
            "{:<20} {:>5} {:>6} {:>7} {:>5} {:>5} {:>5} {:>7} {:>6} {:>8} {:>7} {:>7} {:>7}",
            "kind",
            "clips",
            "words",
            "WER %",
            "sub",
            "ins",
            "del",
            "exact %",
            "again",
            "audio s",
            "cpu/s",
            "p50 ms",
            "p95 ms"
        );
        for (kind, sum) in &self.kinds {
            sum.print(kind);
        }
        self.total.print("all");
        if !self.values.is_empty() {
            println!("\nTranscript is the value, not the words; not in the total:");
            for (kind, sum) in &self.values {
                sum.print(kind);
            }
        }
        if let Some(comparison) = &self.comparison {
            comparison.print();
        }
        if let Some(second_model) = &self.second_model {
            second_model.print();
        }
        println!();
        for (kind, count) in &self.skipped {
            println!("skipped {count} of kind {kind}: no transcript of the words");
        }
        if !self.unreadable.is_empty() {
            println!("{} recordings could not be used:", self.unreadable.len());
            for error in &self.unreadable {
                println!("  {error}");
            }
        }
    }
}

/// At most `limit` rows, spread evenly.
fn spread(rows: Vec<Row>, limit: Option<usize>) -> Vec<Row> {
    match limit {
        Some(limit) if limit < rows.len() => {
            let len = rows.len();
            (0..limit).map(|i| rows[i * len / limit].clone()).collect()
        }
        _ => rows,
    }
}

/// Runs the evaluation.
pub(super) async fn run(args: SttArgs) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&args.manifest)
        .with_context(|| format!("cannot read {}", args.manifest.display()))?;
    let rows = parse_manifest(&text, &args.manifest)?;
    let folder = args.manifest.parent().unwrap_or(Path::new(""));
    let mut unreadable = Vec::new();
    let line = line(&args, &rows, folder, &mut unreadable);

    let wanted = |row: &Row| args.kinds.is_empty() || args.kinds.contains(&row.kind);
    let (rows, without): (Vec<Row>, Vec<Row>) =
        rows.into_iter().filter(wanted).partition(Row::has_words);
    let mut skipped = BTreeMap::new();
    for row in without {
        *skipped.entry(row.kind).or_default() += 1;
    }
    let rows = spread(rows, args.limit);
    if rows.is_empty() {
        bail!("{}: no recording with a transcript is left", args.manifest.display());
    }
    let ways = Ways::start(&args)?;
    let bar = progress_bar(rows.len(), "transcribing");
    let mut heard = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        match read_row(folder, row) {
            Ok((rate, samples)) => {
                let audio = line.carry(index, rate, &samples);
                heard.push(ways.hear(index, row, audio).await?);
            }
            Err(error) => unreadable.push(format!("{error:#}")),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = report(&args, heard, skipped, unreadable);
    report.print();
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &report))
}

fn line(args: &SttArgs, rows: &[Row], folder: &Path, unreadable: &mut Vec<String>) -> Line {
    let mut noises = Vec::new();
    if args.snr.is_some() {
        for row in rows.iter().filter(|row| row.kind == "noise") {
            match read(&folder.join(&row.path)) {
                Ok(noise) => noises.push(noise),
                Err(error) => unreadable.push(format!("{error:#}")),
            }
        }
        if noises.is_empty() {
            noises.push(white_noise(args.seed));
        }
    }
    Line { channel: args.channel, noises, snr_db: args.snr, seed: args.seed }
}

fn report(
    args: &SttArgs,
    heard: Vec<Heard>,
    skipped: BTreeMap<String, usize>,
    unreadable: Vec<String>,
) -> Report {
    let comparison = Comparison::of(&heard);
    let clips: Vec<Clip> = heard.into_iter().map(|heard| heard.usual).collect();
    let second_model = (args.second_model != "none").then(|| SecondModelUse::of(&clips));
    let mut kinds = BTreeMap::new();
    let mut values = BTreeMap::new();
    for clip in &clips {
        let group = if is_value(&clip.kind) { &mut values } else { &mut kinds };
        group
            .entry(clip.kind.clone())
            .or_insert_with(|| Sum::of(clips.iter().filter(|other| other.kind == clip.kind)));
    }
    Report {
        model: args.model.clone(),
        channel: format!("{:?}", args.channel).to_lowercase(),
        snr_db: args.snr,
        seed: args.seed,
        total: Sum::of(clips.iter().filter(|clip| !is_value(&clip.kind))),
        kinds,
        values,
        skipped,
        unreadable,
        comparison,
        second_model,
        clips,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, transcript: &str, kind: &str) -> Row {
        let [path, transcript, kind] = [path, transcript, kind].map(str::to_owned);
        Row { path, transcript, kind, speaker: String::new(), seconds: None }
    }

    #[test]
    fn the_header_says_which_column_is_which() {
        let text = "\u{feff}kind\tseconds\ttranscript\tpath\r\ndate\t2\tMay first\ta.wav\r\n\r\n";
        let rows = parse_manifest(text, Path::new("m.tsv")).expect("parses");
        let expected = Row { seconds: Some(2.0), ..row("a.wav", "May first", "date") };
        assert_eq!(rows, [expected]);
    }

    #[test]
    fn a_bad_manifest_is_named_with_its_line() {
        for (text, complaint) in [
            ("path\ttext\tkind\n", "m.tsv:1: the header has no column 'transcript'"),
            ("path\ttranscript\tkind\na\tb\tc\na.wav\n", "m.tsv:3: has no column 2"),
            ("", "m.tsv:1"),
        ] {
            let error = parse_manifest(text, Path::new("m.tsv")).expect_err("bad").to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn only_rows_with_words_are_scored() {
        assert!(row("a", "May first", "date").has_words());
        assert!(row("a", "1855749866", "phone_digits").has_words());
        for (transcript, kind) in
            [("", "date"), ("hum", "noise"), ("DRAFT(x): hello", "misc"), ("{}", "order_slots")]
        {
            assert!(!row("a", transcript, kind).has_words(), "{kind}");
        }
    }

    #[test]
    fn a_limit_takes_from_everywhere() {
        let rows: Vec<Row> = (0..10).map(|i| row(&i.to_string(), "x", "k")).collect();
        let paths: Vec<String> =
            spread(rows.clone(), Some(3)).into_iter().map(|row| row.path).collect();
        assert_eq!(paths, ["0", "3", "6"]);
        assert_eq!(spread(rows.clone(), None).len(), 10);
        assert_eq!(spread(rows, Some(50)).len(), 10);
    }
}
