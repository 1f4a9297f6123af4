//! `frontdoor eval calls`: whole calls, on text or spoken, each on a fresh copy of the demo
//! customer system. The format of the files stands at the top of `scenario.rs`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::running::{Profile, Ran, run as run_call};
use super::scenario::{Scenario, parse};
use super::spoken::{Studio, Wishes};
use super::tally::Results;
use super::{progress_bar, write_json};
use crate::cli::sandbox::outside_systems;
use crate::config::Config;
use crate::engine::models::ModelStore;
use crate::server::{load_profile, train_understander};

/// The folder of a profile that holds its calls.
const CALLS_FOLDER: &str = "calls";

/// A file that every profile has.
const PROFILE_MARK: &str = "house.md";

/// Arguments of `frontdoor eval calls`.
#[derive(Debug, Args)]
pub struct CallsArgs {
    /// Profiles, folders of calls or files of calls [default: the configured profile]
    #[arg(value_name = "PROFILE_OR_FOLDER")]
    pub places: Vec<PathBuf>,
    /// The configuration
    #[arg(long, short, default_value = "frontdoor.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Have the callers speak: synthetic voices, over a telephone line with noise and lost packets,
    /// to the real recogniser. Needs the program flite, or what --voices names
    #[arg(long)]
    pub audio: bool,
    /// The same seed gives the same wordings, voices and lines
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How far voices lie above the noise [default: 5 to 20 by the seed]
    #[arg(long, value_name = "DB", allow_negative_numbers = true, requires = "audio")]
    pub snr: Option<f32>,
    /// Who calls, separated by commas: voices of flite, or `espeak-ng:` and one of its voices
    /// [default: slt,rms,awb, made from recorded people]
    #[arg(long, value_name = "VOICES", value_delimiter = ',', requires = "audio")]
    pub voices: Vec<String>,
    /// A recording of noise; several are taken by the seed [default: white noise]
    #[arg(long, value_name = "FILE.wav", requires = "audio")]
    pub noise: Vec<PathBuf>,
    /// Succeed if at least this share of the calls goes as it should and nothing was changed that
    /// should not have been [default: all of them]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub at_least: Option<f64>,
    /// Have each call this often, each time with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub repeat: u64,
    /// Have only the calls with these words in their heading
    #[arg(long, value_name = "WORDS")]
    pub only: Option<String>,
    /// Also write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Has all calls and prints what failed and a table.
pub(super) async fn run(args: CallsArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    refuse_outside_systems(&config)?;
    let places = if args.places.is_empty() {
        vec![config.server.profile.clone()]
    } else {
        args.places.clone()
    };
    let mut scenarios = Vec::new();
    for place in &places {
        scenarios.extend(read_place(place, &config, args.only.as_deref())?);
    }
    if scenarios.is_empty() {
        bail!("no call has these words in its heading");
    }
    let mut profiles = BTreeMap::new();
    for (profile, _) in &scenarios {
        if let Entry::Vacant(free) = profiles.entry(profile.clone()) {
            free.insert(load(profile, &config)?);
        }
    }
    let studio = open_studio(&args, &config)?;
    let bar = progress_bar(scenarios.len(), "calls");
    let mut results = Results::default();
    for (profile, scenario) in &scenarios {
        let profile = profiles.get(profile).context("every profile was loaded")?;
        let mut passed = true;
        for seed in args.seed..args.seed.saturating_add(args.repeat) {
            let ran = run_call(scenario, profile, studio.as_ref(), seed).await?;
            passed &= ran.failures.is_empty();
            bar.suspend(|| tell(scenario, &ran, seed));
            results.add_call(scenario, &ran, seed);
        }
        results.add_scenario(scenario, passed);
        bar.inc(1);
    }
    bar.finish_and_clear();
    results.print()?;
    if let Some(path) = &args.json {
        write_json(path, &results.report())?;
    }
    results.verdict(args.at_least)
}

/// What calls are spoken with, if they are.
fn open_studio(args: &CallsArgs, config: &Config) -> anyhow::Result<Option<Studio>> {
    if !args.audio {
        return Ok(None);
    }
    let wishes =
        Wishes { voices: args.voices.clone(), snr_db: args.snr, noises: args.noise.clone() };
    Studio::open(config, &wishes).map(Some)
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent: Option<f64> = text.trim_end_matches('%').trim().parse().ok();
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "give a number from 0 to 100".to_owned())
}

/// Calls that change things are for customer systems of which a fresh copy can be made.
fn refuse_outside_systems(config: &Config) -> anyhow::Result<()> {
    let outside: Vec<String> = outside_systems(config).into_iter().collect();
    if !outside.is_empty() {
        bail!(
            "{} has actions that talk to {}. Calls that are tests would change things there: use a \
             configuration in which all actions are of kind \"demo_crm\", or on a database that \
             has a `seed`",
            config.path.display(),
            outside.join(", ")
        );
    }
    Ok(())
}

/// The calls at a place, each with the folder of its profile.
pub(super) fn read_place(
    place: &Path,
    config: &Config,
    only: Option<&str>,
) -> anyhow::Result<Vec<(PathBuf, Scenario)>> {
    let place = std::path::absolute(place)?;
    let profile = place.ancestors().find(|folder| folder.join(PROFILE_MARK).is_file());
    let profile = profile.unwrap_or(&config.server.profile).to_owned();
    let mut scenarios = Vec::new();
    let mut errors = Vec::new();
    for file in files_at(&place)? {
        let path = shown(&file);
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
        match parse(&path, &text) {
            Ok(parsed) => scenarios.extend(parsed),
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        let told: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
        bail!("the calls cannot be read:\n{}", told.join("\n"));
    }
    let wanted = only.map(str::to_lowercase).unwrap_or_default();
    scenarios.retain(|scenario| scenario.title.to_lowercase().contains(&wanted));
    Ok(scenarios.into_iter().map(|scenario| (profile.clone(), scenario)).collect())
}

/// The files of calls at a place, in the order of their names.
fn files_at(place: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let is_profile = place.join(PROFILE_MARK).is_file();
    let folder = if is_profile { place.join(CALLS_FOLDER) } else { place.to_owned() };
    let entries = std::fs::read_dir(&folder).with_context(|| {
        format!("there are no calls in {}: write one, such as lost_card.md", folder.display())
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let wanted = name.is_some_and(|name| {
            name.ends_with(".md") && !name.starts_with('.') && name != "README.md"
        });
        if wanted {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("there are no calls in {}: write one, such as lost_card.md", folder.display());
    }
    files.sort();
    Ok(files)
}

/// A path as it is shown: from the folder we are in, if it is below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

pub(super) fn load(profile: &Path, config: &Config) -> anyhow::Result<Profile> {
    let mut config = config.clone();
    config.server.profile = profile.to_owned();
    let (generation, _) = load_profile(&config)?;
    let store = ModelStore::open(config.models.cache_dir.clone())?;
    let understander = train_understander(&store, &config.understanding.encoder, &generation)?;
    Ok(Profile { config, generation: Arc::new(generation), understander: Arc::new(understander) })
}

/// Writes every failure of a call, and once how the call went; of a spoken one also that it passed,
/// for these take a while.
fn tell(scenario: &Scenario, ran: &Ran, seed: u64) {
    let Scenario { path, line, title, .. } = scenario;
    let how = ran.spoken.as_ref().map(|spoken| {
        format!(", spoken by {} {:.0} dB above the noise", spoken.voice, spoken.snr_db)
    });
    if ran.failures.is_empty() {
        if let Some(how) = how {
            println!("pass  {path}:{line} \"{title}\", seed {seed}{how}");
        }
        return;
    }
    for failure in &ran.failures {
        println!("{path}:{}: expected {}; got {}", failure.line, failure.expected, failure.got);
    }
    match how {
        Some(how) => println!("FAIL  {path}:{line} \"{title}\", seed {seed}{how}:"),
        None => println!("  \"{title}\", with wordings from {seed} on:"),
    }
    for line in &ran.transcript {
        println!("    {line}");
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_in_profiles_folders_and_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = folder.path().join("p");
        let calls = profile.join(CALLS_FOLDER);
        std::fs::create_dir_all(&calls).expect("made");
        std::fs::write(profile.join(PROFILE_MARK), "").expect("written");
        assert!(files_at(&profile).is_err());
        for name in ["b.md", "a.md", "notes.txt", ".c.md", "README.md"] {
            std::fs::write(calls.join(name), "# A\n- silence\n# B\n- silence\n").expect("written");
        }
        let both = vec![calls.join("a.md"), calls.join("b.md")];
        assert_eq!(files_at(&profile).expect("two"), both);
        assert_eq!(files_at(&calls).expect("two"), both);
        assert_eq!(files_at(&both[1]).expect("one"), both[1..]);
        assert!(files_at(&profile.join("nowhere")).is_err());

        let text = "[server]\nprofile = \"elsewhere\"\ndata_dir = \"d\"\n";
        let config = Config::parse(&folder.path().join("f.toml"), text, |_| None).expect("valid");
        let read = read_place(&both[0], &config, Some("b")).expect("reads");
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].0.as_path(), read[0].1.title.as_str()), (profile.as_path(), "B"));
        std::fs::write(calls.join("a.md"), "# A\n- silnce\n").expect("written");
        let error = read_place(&profile, &config, None).expect_err("broken").to_string();
        assert!(error.contains("a.md:2: there is no step `silnce`"), "{error}");
    }

    #[test]
    fn a_share_is_given_in_per_cent() {
        for (text, percent) in [("90", Some(90.0)), ("99.5%", Some(99.5)), ("0", Some(0.0))] {
            assert_eq!(parse_percent(text).ok(), percent, "{text}");
        }
        for text in ["", "101", "-1", "most"] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs the models"]
    async fn the_calls_of_every_demo_go_as_they_should() {
        let mut demos = 0;
        for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("readable") {
            let config = entry.expect("an entry").path();
            let is_toml = config.extension().is_some_and(|extension| extension == "toml");
            // Those that are no configuration are Cargo's and its friends'.
            if !is_toml || Config::load(&config).is_err() {
                continue;
            }
            demos += 1;
            let args = CallsArgs {
                places: Vec::new(),
                config,
                audio: false,
                seed: 0,
                snr: None,
                voices: Vec::new(),
                noise: Vec::new(),
                at_least: None,
                repeat: 2,
                only: None,
                json: None,
            };
            run(args).await.expect("every call goes as its scenario says");
        }
        assert!(demos >= 2, "there are {demos} demos");
    }
}
