//! `frontdoor eval turns`: how soon it is known that a caller has finished, and how many are cut off
//! before they have.
//!
//! Turns go through a simulated telephone line and once through the models ([`heard`]); then each rule
//! is tried on them with all its settings ([`rules`], [`sweep`]).

mod heard;
mod rules;
mod shown;
mod spoken;
mod sweep;

pub(in crate::cli) use shown::report;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use self::heard::{Charge, HeardTurn, Listener};
use self::rules::{Judged, Tally, Vote, by_silence};
use self::spoken::{SpokenTurn, numbers, turn_of};
use self::sweep::{
    CUT_OFF_GOALS, Material, Method, Tried, best, by_gap, ear_only, ours, silence_only,
};
use super::channel::{Channel, Line, read, white_noise};
use super::manifest::{Row, parse_manifest};
use super::{progress_bar, write_json};
use crate::call::PatienceConfig;
use crate::config::Config;
use crate::engine::end_of_turn::TurnModel;
use crate::engine::hearing::{Hearing, HearingConfig};
use crate::engine::models::{ModelStore, resolve_whisper};
use crate::engine::vad::SileroVad;
use crate::server::patience;

/// Kinds that are no caller's turn; single digits are put together to numbers.
const NO_TURN: [&str; 4] = ["noise", "call_agent", "call_mixed", "digit"];

/// Arguments of `frontdoor eval turns`.
#[derive(Debug, Clone, Args)]
pub struct TurnsArgs {
    /// Tab-separated, with a header naming at least path, transcript and kind; also speaker and
    /// seconds. Kinds tell what was asked: zip, phone, digits, phone_digits, street_number, date,
    /// spelled_*, address, yes_no; all others are requests. Of kind `digit` (single digits) numbers are put together
    #[arg(long, value_name = "FILE", default_value = "tests/fixtures/audio/pauses.tsv")]
    pub manifest: PathBuf,
    /// At most this many recordings, spread over the manifest
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Numbers said in groups, for each length of the pauses between them
    #[arg(long, default_value_t = 50)]
    pub numbers: usize,
    /// The same seed gives the same pauses and the same line
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Add noise this far below the speech (rows of kind `noise`, else white noise)
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    pub snr: Option<f32>,
    /// tiny.en, base or the path of a ggml file
    #[arg(long, default_value = "tiny.en")]
    pub model: String,
    /// The same of the model that is asked too where the first is not sure, or none
    #[arg(long, default_value = "base")]
    pub second_model: String,
    /// The model that judges ends by ear, or none
    #[arg(long, default_value = "smart-turn")]
    pub end_model: String,
    /// Silence after which the words so far are asked for
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u64).range(32..=1000))]
    pub pause_ms: u64,
    /// What the recogniser's answers cost
    #[arg(long, value_enum, default_value = "cpu")]
    pub charge: Charge,
    /// The waits of `[turns]` in this configuration are tried first, in place of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the models heard is kept here, and used where the same is asked again: only the rules are
    /// tried then
    #[arg(long, value_name = "FILE")]
    pub cache: Option<PathBuf>,
    /// Also write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What was heard, with what it depends on.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    of: String,
    turns: Vec<HeardTurn>,
    unreadable: Vec<String>,
}

/// A row about numbers said in groups.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct NumbersRow {
    pub method: String,
    pub gap_ms: u64,
    pub tally: Tally,
}

/// The quickest setting for a goal.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Best {
    /// Share of callers that may be cut off.
    pub cut_off_max: f64,
    /// For `[turns]`.
    pub toml: String,
    pub tally: Tally,
    /// Of numbers said in groups.
    pub numbers: Tally,
    /// What is to be expected of other callers: set on one half, tried on the other.
    pub held_out: Option<Tally>,
}

/// All that was measured.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Measured {
    pub recordings: usize,
    pub pauses_put_in: usize,
    /// Pauses of all turns that were asked about, theirs and those put in.
    pub pauses: usize,
    pub words_p50_ms: u64,
    pub words_p95_ms: u64,
    pub ear_p50_ms: Option<u64>,
    pub snr_db: Option<f32>,
    pub seed: u64,
    pub methods: Vec<Method>,
    /// Ours as it is configured.
    pub configured: Tally,
    pub configured_as: String,
    pub numbers: Vec<NumbersRow>,
    pub best: Vec<Best>,
    pub settings_tried: usize,
    pub tried_in_ms: u64,
    pub unreadable: Vec<String>,
}

impl Measured {
    /// Prints it for the terminal.
    pub fn print(&self) -> std::io::Result<()> {
        shown::print(self)
    }
}

/// Runs the evaluation and prints it.
pub(super) async fn run(args: TurnsArgs) -> anyhow::Result<()> {
    let measured = measure(&args).await?;
    measured.print()?;
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &measured))
}

/// Hears the turns, unless they were heard before, and tries the rules on them.
pub(in crate::cli) async fn measure(args: &TurnsArgs) -> anyhow::Result<Measured> {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let base = config.as_ref().map_or_else(PatienceConfig::default, patience);
    let kept = heard_turns(args).await?;
    if kept.turns.is_empty() {
        bail!("{}: no recording of a caller is left", args.manifest.display());
    }
    Ok(tried(args, &kept, base))
}

/// What the result of the models depends on.
fn depends_on(args: &TurnsArgs) -> anyhow::Result<String> {
    let manifest = std::fs::read_to_string(&args.manifest)
        .with_context(|| format!("cannot read {}", args.manifest.display()))?;
    let lines = manifest.lines().count();
    Ok(format!(
        "{} of {} bytes, {lines} lines; limit {:?}, {} numbers, seed {}, snr {:?}, {} and {}, {}, \
         pause {} ms, {:?}",
        args.manifest.display(),
        manifest.len(),
        args.limit,
        args.numbers,
        args.seed,
        args.snr,
        args.model,
        args.second_model,
        args.end_model,
        args.pause_ms,
        args.charge,
    ))
}

async fn heard_turns(args: &TurnsArgs) -> anyhow::Result<Kept> {
    let of = depends_on(args)?;
    if let Some(path) = args.cache.as_deref().filter(|path| path.exists()) {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let kept: Kept = serde_json::from_str(&text).with_context(|| {
            format!("{}: not what was kept by this command; delete it", path.display())
        })?;
        if kept.of == of {
            return Ok(kept);
        }
        eprintln!("{}: kept of something else, listening again", path.display());
    }
    let kept = listen(args, of).await?;
    if let Some(path) = &args.cache {
        write_json(path, &kept)?;
    }
    Ok(kept)
}

async fn listen(args: &TurnsArgs, of: String) -> anyhow::Result<Kept> {
    let text = std::fs::read_to_string(&args.manifest)
        .with_context(|| format!("cannot read {}", args.manifest.display()))?;
    let rows = parse_manifest(&text, &args.manifest)?;
    let folder = args.manifest.parent().unwrap_or(Path::new(""));
    let mut unreadable = Vec::new();
    let listener = listener(args, &rows, folder, &mut unreadable)?;
    let turns = spoken_turns(args, &rows, folder, &mut unreadable);
    let bar = progress_bar(turns.len(), "listening");
    let mut heard = Vec::with_capacity(turns.len());
    for (index, turn) in turns.into_iter().enumerate() {
        heard.push(listener.hear(index, turn).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Kept { of, turns: heard, unreadable })
}

fn listener(
    args: &TurnsArgs,
    rows: &[Row],
    folder: &Path,
    unreadable: &mut Vec<String>,
) -> anyhow::Result<Listener> {
    let store = ModelStore::open(None)?;
    let named = |name: &str| Some(name.to_owned()).filter(|name| name != "none");
    let second = named(&args.second_model);
    let judge = match named(&args.end_model) {
        None => None,
        Some(name) => {
            let ready = store.checked(&name)?;
            let path = ready.paths().into_iter().next();
            Some(TurnModel::load(&path.with_context(|| format!("{name} has no file"))?)?)
        }
    };
    let vad = store.checked("silero")?.paths().into_iter().next();
    Ok(Listener {
        hearing: Hearing::start(HearingConfig {
            second_model: second.map(|name| resolve_whisper(&store, &name)).transpose()?,
            ..HearingConfig::new(resolve_whisper(&store, &args.model)?)
        })?,
        vad: SileroVad::load(&vad.context("the voice activity model has no file")?)?,
        judge,
        line: line(args, rows, folder, unreadable),
        charge: args.charge,
        pause_ms: args.pause_ms,
    })
}

fn line(args: &TurnsArgs, rows: &[Row], folder: &Path, unreadable: &mut Vec<String>) -> Line {
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
    Line { channel: Channel::Phone, noises, snr_db: args.snr, seed: args.seed }
}

fn spoken_turns(
    args: &TurnsArgs,
    rows: &[Row],
    folder: &Path,
    unreadable: &mut Vec<String>,
) -> Vec<SpokenTurn> {
    let callers: Vec<&Row> =
        rows.iter().filter(|row| !NO_TURN.contains(&row.kind.as_str())).collect();
    let count = args.limit.unwrap_or(callers.len()).min(callers.len());
    let mut chosen: Vec<&Row> =
        (0..count).map(|index| callers[index * callers.len() / count]).collect();
    // Those of one speaker after one another, as in a call.
    chosen.sort_by(|a, b| a.speaker.cmp(&b.speaker));
    let mut turns = Vec::new();
    for (index, row) in chosen.into_iter().enumerate() {
        match turn_of(folder, row, index, args.seed) {
            Ok(Some(turn)) => turns.push(turn),
            Ok(None) => unreadable.push(format!("{}: there is no voice in it", row.path)),
            Err(error) => unreadable.push(format!("{error:#}")),
        }
    }
    turns.extend(numbers(folder, rows, args.numbers, args.seed));
    turns
}

/// Tries the rules.
fn tried(args: &TurnsArgs, kept: &Kept, base: PatienceConfig) -> Measured {
    let began = Instant::now();
    let (numbers, turns): (Vec<&HeardTurn>, Vec<&HeardTurn>) =
        kept.turns.iter().partition(|turn| turn.group_gap_ms.is_some());
    let has_ear = args.end_model != "none";
    let material = Material {
        turns: turns.iter().copied().map(Judged::new).collect(),
        numbers: numbers.iter().copied().map(Judged::new).collect(),
        pause_ms: args.pause_ms,
    };
    let votes: &[Vote] =
        if has_ear { &[Vote::WordsOnly, Vote::WordsAndEar] } else { &[Vote::WordsOnly] };
    let all = material.tried_all(base, votes);
    let mut methods = silence_only(&turns);
    if has_ear {
        methods.push(ear_only(&turns, args.pause_ms));
    }
    methods.push(ours(&all, Vote::WordsOnly, "ours"));
    if has_ear {
        methods.push(ours(&all, Vote::WordsAndEar, "ours, smart turn voting"));
    }
    let configured = material.tried(base, Vote::WordsOnly);
    let best = bests(&material, &all);
    let pauses: Vec<_> = kept.turns.iter().flat_map(|turn| &turn.pauses).collect();
    let sorted = |mut values: Vec<u64>| {
        values.sort_unstable();
        values
    };
    let words = sorted(pauses.iter().map(|pause| pause.heard_in_ms).collect());
    let ear = sorted(pauses.iter().map(|pause| pause.judged_in_ms).collect());
    Measured {
        recordings: turns.len(),
        pauses_put_in: turns.iter().map(|turn| turn.pauses_put_in).sum(),
        pauses: pauses.len(),
        words_p50_ms: super::percentile(&words, 50),
        words_p95_ms: super::percentile(&words, 95),
        ear_p50_ms: has_ear.then(|| super::percentile(&ear, 50)),
        snr_db: args.snr,
        seed: args.seed,
        numbers: numbers_rows(&material, &numbers, &methods, &configured),
        methods,
        configured: configured.all,
        configured_as: configured.as_words(),
        best,
        settings_tried: all.len(),
        tried_in_ms: began.elapsed().as_millis() as u64,
        unreadable: kept.unreadable.clone(),
    }
}

fn bests(material: &Material<'_>, all: &[Tried]) -> Vec<Best> {
    let of_goal = |cut_off_max: f64| {
        let found = best(all, cut_off_max)?;
        Some(Best {
            cut_off_max,
            toml: found.as_toml(),
            tally: found.all,
            numbers: found.numbers,
            held_out: material.held_out(all, cut_off_max),
        })
    };
    CUT_OFF_GOALS.iter().filter_map(|goal| of_goal(*goal)).collect()
}

/// Numbers said in groups: by silence alone, as long as it takes not to cut off more than one in twenty
/// callers, and by ours as it is configured.
fn numbers_rows(
    material: &Material<'_>,
    numbers: &[&HeardTurn],
    methods: &[Method],
    configured: &Tried,
) -> Vec<NumbersRow> {
    /// What is usual where nothing but silence is gone by.
    const USUAL_MS: [u64; 2] = [600, 1_500];
    let mut rows = Vec::new();
    let mut add = |method: String, tallies: Vec<(u64, Tally)>| {
        rows.extend(
            tallies
                .into_iter()
                .filter(|(_, tally)| tally.turns + tally.unheard > 0)
                .map(|(gap_ms, tally)| NumbersRow { method: method.clone(), gap_ms, tally }),
        );
    };
    let same_as = methods.iter().find(|method| method.name.ends_with("0.5"));
    let at_goal = same_as.and_then(|method| method.at(CUT_OFF_GOALS[0]));
    let at_goal = at_goal.and_then(|point| point.setting.strip_suffix(" ms")?.parse().ok());
    for silence_ms in USUAL_MS.into_iter().chain(at_goal) {
        let outcomes = numbers.iter().map(|turn| (*turn, by_silence(turn, 0.5, silence_ms)));
        add(format!("silence of {silence_ms} ms"), by_gap(outcomes));
    }
    add(
        "ours, as configured".to_owned(),
        material.numbers_by_gap(configured.config, Vote::WordsOnly),
    );
    rows
}
