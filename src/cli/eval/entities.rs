//! `frontdoor eval entities`: values said on a simulated telephone line, and how many of them are
//! got exactly, by what each way of listening adds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::ahead::Cutter;
use super::channel::{Channel, Line, Recording, white_noise};
use super::manifest::{Row, parse_manifest, read_row};
use super::tally::wilson;
use super::{progress_bar, write_json};
use crate::audio::Random;
use crate::base::{CallId, Pii, UtteranceId};
use crate::cli::table::write_table;
use crate::conversation::Expected;
use crate::engine::hearing::{Hearing, HearingConfig, HearingRequest, Transcript};
use crate::engine::models::{ModelStore, resolve_whisper};
use crate::nlu::spoken::digits::{DigitsResult, parse as parse_digits};
use crate::nlu::spoken::{Expectation, FillContext, fill, rank};
use crate::nlu::{Readings, SlotKind, choose};
use crate::server::listen_for;

/// Strings of single digits that are put together, and digits in each.
const JOINED: usize = 60;
const JOINED_LEN: usize = 8;
/// Pauses between joined digits, and in the middle of the number.
const PAUSE_S: std::ops::Range<f64> = 0.1..0.3;
const MIDDLE_PAUSE_S: f64 = 0.4;

/// The day on which the callers live: the dates they say are their own.
const TODAY: (i32, u8, u8) = (1991, 6, 1);

/// Another draw of the line, for saying it again.
const SECOND_TRY: usize = 1_000;

/// Arguments of `frontdoor eval entities`.
#[derive(Debug, Args)]
pub struct EntitiesArgs {
    /// Tab-separated, with a header naming at least path, transcript and kind. Known kinds: zip,
    /// phone, date, spelled_*, phone_digits, digit (put together to account numbers), misc (no value)
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
    /// The same of the model that is asked too about values the first is not sure of, or none
    #[arg(long, default_value = "base")]
    pub second_model: String,
    /// Hear each recording as is done ahead, too: up to a tenth of a second behind its last word. Tells what
    /// is lost
    #[arg(long)]
    pub speculative: bool,
    /// Only these kinds, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Names from which the right one is picked, beside those of the manifest, one a line: the
    /// customers of an organisation
    #[arg(long, value_name = "FILE")]
    pub names: Option<PathBuf>,
    /// How many names there are to pick from
    #[arg(long, default_value_t = 50)]
    pub candidates: usize,
    /// Also write the result, with every value, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// A recording of a value.
struct Clip {
    kind: String,
    path: String,
    sound: Recording,
    slot: SlotKind,
    /// In normal form; empty if no value was said.
    value: String,
}

/// What was got of a value.
#[derive(Debug, Serialize)]
struct Got {
    kind: String,
    path: String,
    value: String,
    words: String,
    /// From the plain words.
    plain: String,
    /// The likeliest reading.
    likeliest: String,
    /// The likeliest reading that is valid: what a call goes by.
    chosen: String,
    /// The name picked from the candidates.
    picked: Option<String>,
    /// After the caller said no and the value again, if the first was wrong.
    repaired: String,
    plain_log_probability: f32,
    readings: Vec<(String, f32)>,
    decode_ms: u64,
    cpu_ms: u64,
}

/// Shares of a kind.
#[derive(Debug, Default, Serialize)]
struct Sum {
    clips: usize,
    plain: usize,
    likeliest: usize,
    chosen: usize,
    picked: Option<usize>,
    repaired: usize,
    cpu_ms: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    second_model: String,
    snr_db: Option<f32>,
    seed: u64,
    kinds: BTreeMap<String, Sum>,
    /// Heard as is done ahead.
    kinds_ahead: Option<BTreeMap<String, Sum>>,
    values: Vec<Got>,
    unreadable: Vec<String>,
}

/// Runs the evaluation.
pub(super) async fn run(args: EntitiesArgs) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&args.manifest)
        .with_context(|| format!("cannot read {}", args.manifest.display()))?;
    let rows = parse_manifest(&text, &args.manifest)?;
    let folder = args.manifest.parent().unwrap_or(Path::new(""));
    let mut unreadable = Vec::new();
    let clips = clips(&args, &rows, folder, &mut unreadable);
    if clips.is_empty() {
        bail!("{}: no recording of a value is left", args.manifest.display());
    }
    let store = ModelStore::open(None)?;
    let second = Some(args.second_model.as_str()).filter(|name| *name != "none");
    let bench = Bench {
        hearing: Hearing::start(HearingConfig {
            second_model: second.map(|name| resolve_whisper(&store, name)).transpose()?,
            ..HearingConfig::new(resolve_whisper(&store, &args.model)?)
        })?,
        line: line(&args, &rows, folder),
        names: candidates(&args, &clips)?,
    };
    let cutter = args.speculative.then(|| Cutter::start(&store)).transpose()?;
    let bar = progress_bar(clips.len(), "listening");
    let mut values = Vec::with_capacity(clips.len());
    let mut ahead = Vec::new();
    for (index, clip) in clips.iter().enumerate() {
        values.push(bench.listen(index, clip, None).await?);
        if let Some(cutter) = &cutter {
            ahead.push(bench.listen(index, clip, Some(cutter)).await?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = Report {
        model: args.model.clone(),
        second_model: args.second_model.clone(),
        snr_db: args.snr,
        seed: args.seed,
        kinds: sums(&values),
        kinds_ahead: cutter.is_some().then(|| sums(&ahead)),
        values,
        unreadable,
    };
    report.print()?;
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &report))
}

fn line(args: &EntitiesArgs, rows: &[Row], folder: &Path) -> Line {
    let mut noises = Vec::new();
    if args.snr.is_some() {
        let recorded = rows.iter().filter(|row| row.kind == "noise");
        noises
            .extend(recorded.filter_map(|row| super::channel::read(&folder.join(&row.path)).ok()));
        if noises.is_empty() {
            noises.push(white_noise(args.seed));
        }
    }
    Line { channel: args.channel, noises, snr_db: args.snr, seed: args.seed }
}

fn context() -> FillContext {
    FillContext { expectation: Expectation::Asked, today: TODAY }
}

/// The digits that words say one by one.
fn digits_of(words: &str) -> String {
    match parse_digits(&words.to_lowercase(), 1, usize::MAX) {
        DigitsResult::Exact(found) => found.digits.into_inner(),
        _ => String::new(),
    }
}

/// The slot that a row's value is for, and the value in its normal form.
fn meaning(row: &Row) -> Option<(SlotKind, String)> {
    let said = row.transcript.trim();
    Some(match row.kind.as_str() {
        "zip" => (SlotKind::Zip, digits_of(said)),
        "phone" => {
            let digits = digits_of(said);
            // An extension among the numbers is asked for as such.
            let is_whole = digits.len() >= 7;
            let len = digits.len();
            let kind =
                if is_whole { SlotKind::Phone } else { SlotKind::Digits { min: len, max: len } };
            (kind, digits)
        }
        "phone_digits" => (SlotKind::Digits { min: 10, max: 10 }, said.to_owned()),
        "date" => {
            let found = fill(&SlotKind::Date, &said.to_lowercase(), &context());
            (SlotKind::Date, found.first()?.value.expose().clone())
        }
        "misc" => (SlotKind::Digits { min: JOINED_LEN, max: JOINED_LEN }, String::new()),
        kind if kind.starts_with("spelled_") => {
            (SlotKind::Name, said.to_lowercase().replace(' ', ""))
        }
        _ => return None,
    })
}

fn clips(
    args: &EntitiesArgs,
    rows: &[Row],
    folder: &Path,
    unreadable: &mut Vec<String>,
) -> Vec<Clip> {
    let wanted = |kind: &str| args.kinds.is_empty() || args.kinds.iter().any(|k| k == kind);
    let mut clips = Vec::new();
    for row in rows.iter().filter(|row| wanted(&row.kind)) {
        let Some((slot, value)) = meaning(row) else { continue };
        match read_row(folder, row) {
            Ok(sound) => clips.push(Clip {
                kind: row.kind.clone(),
                path: row.path.clone(),
                sound,
                slot,
                value,
            }),
            Err(error) => unreadable.push(format!("{error:#}")),
        }
    }
    if wanted("digit") {
        clips.extend(joined(args.seed, rows, folder));
    }
    clips
}

/// Account numbers, put together from single digits of one speaker each.
fn joined(seed: u64, rows: &[Row], folder: &Path) -> Vec<Clip> {
    let mut by_speaker: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == "digit") {
        by_speaker.entry(row.speaker.as_str()).or_default().push(row);
    }
    let speakers: Vec<&Vec<&Row>> = by_speaker.values().collect();
    let mut random = Random::new(seed.wrapping_mul(77));
    let mut clips = Vec::new();
    for index in 0..JOINED.min(speakers.len() * JOINED) {
        let own = speakers[index % speakers.len()];
        let (mut value, mut sound, mut rate) = (String::new(), Vec::new(), None);
        for place in 0..JOINED_LEN {
            let row = own[(random.next_unit() * own.len() as f64) as usize % own.len()];
            let pause = PAUSE_S.start + random.next_unit() * (PAUSE_S.end - PAUSE_S.start);
            let Ok((its_rate, samples)) = read_row(folder, row) else { continue };
            let pause = if place == JOINED_LEN / 2 - 1 { MIDDLE_PAUSE_S } else { pause };
            value.push_str(&digits_of(&row.transcript));
            sound.extend(samples);
            sound.resize(sound.len() + (pause * f64::from(its_rate.hz())) as usize, 0);
            rate = Some(its_rate);
        }
        let Some(rate) = rate else { continue };
        clips.push(Clip {
            kind: "digit".to_owned(),
            path: format!("joined digits {index}"),
            sound: (rate, sound),
            slot: SlotKind::Digits { min: JOINED_LEN, max: JOINED_LEN },
            value,
        });
    }
    clips
}

/// The names to pick surnames from: those that were said, and others up to the wanted count.
fn candidates(args: &EntitiesArgs, clips: &[Clip]) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        let name = name.trim().to_lowercase();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        names.len()
    };
    let surnames = clips.iter().filter(|clip| clip.kind == "spelled_surname");
    surnames.for_each(|clip| {
        add(&clip.value);
    });
    if let Some(path) = &args.names {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines() {
            if add(line.split_whitespace().next().unwrap_or_default()) >= args.candidates {
                break;
            }
        }
    }
    Ok(names)
}

struct Bench {
    hearing: Hearing,
    line: Line,
    names: Vec<String>,
}

impl Bench {
    /// Hears all of a recording, or what a call would have of it ahead.
    async fn hear(
        &self,
        index: usize,
        clip: &Clip,
        cutter: Option<&Cutter>,
    ) -> anyhow::Result<Transcript> {
        let (rate, samples) = &clip.sound;
        let whole = self.line.carry(index, *rate, samples);
        let samples_16k = match cutter {
            Some(cutter) => cutter.cut(&whole),
            None => whole,
        };
        let (call, utterance) = (CallId::from_u128(0), UtteranceId(index as u32));
        let request = HearingRequest {
            listen_for: listen_for(&Expected::Slot(clip.slot.clone())),
            ..HearingRequest::new(call, utterance, samples_16k)
        };
        Ok(self.hearing.transcribe(request).await?)
    }

    async fn listen(
        &self,
        index: usize,
        clip: &Clip,
        cutter: Option<&Cutter>,
    ) -> anyhow::Result<Got> {
        let heard = self.hear(index, clip, cutter).await?;
        let words = heard.text.expose().trim().to_owned();
        let chosen = value_by_ear(clip, &words, &heard.readings, &[]);
        let mut repaired = chosen.clone();
        if chosen != clip.value {
            let again = self.hear(index + SECOND_TRY, clip, cutter).await?;
            let refused: Vec<Pii<String>> =
                [&chosen].into_iter().filter(|v| !v.is_empty()).cloned().map(Pii::new).collect();
            let readings = match refused.is_empty() {
                true => again.readings.clone(),
                false => again.readings.with(&heard.readings),
            };
            repaired = value_by_ear(clip, again.text.expose().trim(), &readings, &refused);
        }
        let first = heard.readings.values.first();
        Ok(Got {
            kind: clip.kind.clone(),
            path: clip.path.clone(),
            value: clip.value.clone(),
            plain: value_of(clip, &words),
            likeliest: first.map_or_else(String::new, |first| value_of(clip, first.text.expose())),
            picked: self.pick(clip, &words, &heard.readings),
            chosen,
            repaired,
            words,
            plain_log_probability: heard.readings.plain_log_probability,
            readings: heard
                .readings
                .values
                .iter()
                .map(|reading| (reading.text.expose().clone(), reading.log_probability))
                .collect(),
            decode_ms: heard.decode_ms,
            cpu_ms: heard.cpu.as_millis() as u64,
        })
    }

    /// The candidate that was said, where there are any.
    fn pick(&self, clip: &Clip, words: &str, readings: &Readings) -> Option<String> {
        if clip.kind != "spelled_surname" {
            return None;
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let mut texts: Vec<(&str, f32)> =
            readings.values.iter().map(|r| (r.text.expose().as_str(), r.log_probability)).collect();
        if texts.is_empty() {
            texts.push((words, 0.0));
        }
        let (best, _) = *rank(&texts, &names).first()?;
        Some(names[best].to_owned())
    }
}

/// The value of some words, in the form in which values are compared.
fn value_of(clip: &Clip, words: &str) -> String {
    let found = fill(&clip.slot, words, &context());
    let value = found.first().map_or_else(String::new, |found| found.value.expose().clone());
    match clip.slot {
        SlotKind::Name => value.to_lowercase().replace(' ', ""),
        // With or without the code of the country.
        SlotKind::Phone => {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            let longer = digits.len() == clip.value.len() + 1 && digits.starts_with('1');
            if longer { digits[1..].to_owned() } else { digits }
        }
        _ => value,
    }
}

fn value_by_ear(clip: &Clip, words: &str, readings: &Readings, refused: &[Pii<String>]) -> String {
    match choose(&clip.slot, words, readings, refused, &context()) {
        Some(reading) => value_of(clip, reading.text.expose()),
        None => value_of(clip, words),
    }
}

fn sums(values: &[Got]) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for got in values {
        let sum = sums.entry(got.kind.clone()).or_default();
        let right = |value: &str| usize::from(value == got.value);
        sum.clips += 1;
        sum.plain += right(&got.plain);
        sum.likeliest += right(&got.likeliest);
        sum.chosen += right(&got.chosen);
        sum.repaired += right(&got.repaired);
        sum.cpu_ms += got.cpu_ms;
        if let Some(picked) = &got.picked {
            *sum.picked.get_or_insert(0) += right(picked);
        }
    }
    sums
}

impl Report {
    fn print(&self) -> anyhow::Result<()> {
        const COLUMNS: [&str; 9] = [
            "kind",
            "clips",
            "plain",
            "likeliest",
            "valid",
            "95 %",
            "picked",
            "repaired",
            "cpu ms",
        ];
        let mut rows = Vec::new();
        for (kind, sum) in &self.kinds {
            let percent = |count: usize| format!("{:.1}", 100.0 * count as f64 / sum.clips as f64);
            let (low, high) = wilson(sum.chosen, sum.clips);
            rows.push(vec![
                kind.clone(),
                sum.clips.to_string(),
                percent(sum.plain),
                percent(sum.likeliest),
                percent(sum.chosen),
                format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high),
                sum.picked.map_or_else(|| "-".to_owned(), percent),
                percent(sum.repaired),
                (sum.cpu_ms / sum.clips.max(1) as u64).to_string(),
            ]);
        }
        write_table(&mut std::io::stdout(), &COLUMNS, &rows)?;
        println!(
            "\nWhole values exact, in %: from the plain words; the likeliest reading; the likeliest \
             that is valid\n(what a call goes by); a surname picked from the candidates; after a \
             no and the value said again."
        );
        for error in &self.unreadable {
            println!("  {error}");
        }
        self.print_ahead()
    }

    /// What a call goes by of what it hears ahead, beside what it goes by of the whole.
    fn print_ahead(&self) -> anyhow::Result<()> {
        const COLUMNS: [&str; 5] = ["kind", "clips", "whole %", "ahead %", "points"];
        let Some(ahead) = &self.kinds_ahead else { return Ok(()) };
        let mut rows = Vec::new();
        let mut total = (Sum::default(), Sum::default());
        let row = |kind: &str, whole: &Sum, ahead: &Sum| {
            let percent = |sum: &Sum| 100.0 * sum.chosen as f64 / sum.clips.max(1) as f64;
            let (whole_percent, ahead_percent) = (percent(whole), percent(ahead));
            vec![
                kind.to_owned(),
                whole.clips.to_string(),
                format!("{whole_percent:.1}"),
                format!("{ahead_percent:.1}"),
                format!("{:+.1}", ahead_percent - whole_percent),
            ]
        };
        for (kind, whole) in &self.kinds {
            let Some(ahead) = ahead.get(kind) else { continue };
            total.0.clips += whole.clips;
            total.0.chosen += whole.chosen;
            total.1.clips += ahead.clips;
            total.1.chosen += ahead.chosen;
            rows.push(row(kind, whole, ahead));
        }
        rows.push(row("all", &total.0, &total.1));
        println!("\nWhole values exact, by what a call goes by, heard whole and ahead:");
        write_table(&mut std::io::stdout(), &COLUMNS, &rows)?;
        Ok(())
    }
}
