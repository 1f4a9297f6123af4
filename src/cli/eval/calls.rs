//! `frontdoor eval calls`: whole calls on text, each on a fresh copy of the demo customer system.
//! The format of the files stands at the top of `scenario.rs`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::running::{Profile, Ran, run as run_call};
use super::scenario::{Scenario, parse};
use super::{progress_bar, write_json};
use crate::cli::sandbox::outside_systems;
use crate::cli::table::write_table;
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
    /// Have each call this often, each time beginning with other wordings
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
    let bar = progress_bar(scenarios.len(), "calls");
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut results = Vec::new();
    for (profile, scenario) in &scenarios {
        let profile = profiles.get(profile).context("every profile was loaded")?;
        let mut passed = true;
        for seed in 0..args.repeat {
            let ran = run_call(scenario, profile, seed).await?;
            passed &= ran.failures.is_empty();
            bar.suspend(|| tell_failures(scenario, &ran, seed));
            tallies.entry(scenario.path.clone()).or_default().add_call(&ran);
            results.push(CallResult::new(scenario, &ran, seed));
        }
        tallies.entry(scenario.path.clone()).or_default().add_scenario(passed);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let total = tallies.values().fold(Tally::default(), |total, tally| total.with(tally));
    print_table(&tallies, &total)?;
    if let Some(path) = &args.json {
        write_json(path, &Report { total: total.rates(), files: rates(&tallies), calls: results })?;
    }
    match total.scenarios - total.passed {
        0 => Ok(()),
        failed => bail!("{failed} of {} calls are not as they should be", total.scenarios),
    }
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
fn read_place(
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

fn load(profile: &Path, config: &Config) -> anyhow::Result<Profile> {
    let mut config = config.clone();
    config.server.profile = profile.to_owned();
    let (generation, _) = load_profile(&config)?;
    let store = ModelStore::open(config.models.cache_dir.clone())?;
    let understander = train_understander(&store, &config.understanding.encoder, &generation)?;
    Ok(Profile { config, generation: Arc::new(generation), understander: Arc::new(understander) })
}

/// Writes every failure of a call, and once how the call went.
fn tell_failures(scenario: &Scenario, ran: &Ran, seed: u64) {
    if ran.failures.is_empty() {
        return;
    }
    for failure in &ran.failures {
        let (line, expected, got) = (failure.line, &failure.expected, &failure.got);
        println!("{}:{line}: expected {expected}; got {got}", scenario.path);
    }
    println!("  \"{}\", with wordings from {seed} on:", scenario.title);
    for line in &ran.transcript {
        println!("    {line}");
    }
    println!();
}

/// Sums over calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    scenarios: usize,
    /// Scenarios of which every call passed.
    passed: usize,
    calls: usize,
    /// Calls that changed what they should and nothing else.
    succeeded: usize,
    /// Those of them that needed no person.
    contained: usize,
    turns: usize,
    wrong_actions: usize,
}

impl Tally {
    fn add_call(&mut self, ran: &Ran) {
        self.calls += 1;
        self.succeeded += usize::from(ran.database_right);
        self.contained += usize::from(ran.database_right && !ran.handed_over);
        self.turns += ran.turns;
        self.wrong_actions += ran.wrong_changes;
    }

    fn add_scenario(&mut self, passed: bool) {
        self.scenarios += 1;
        self.passed += usize::from(passed);
    }

    const fn with(self, other: &Self) -> Self {
        Self {
            scenarios: self.scenarios + other.scenarios,
            passed: self.passed + other.passed,
            calls: self.calls + other.calls,
            succeeded: self.succeeded + other.succeeded,
            contained: self.contained + other.contained,
            turns: self.turns + other.turns,
            wrong_actions: self.wrong_actions + other.wrong_actions,
        }
    }

    fn rates(&self) -> Rates {
        let share = |count: usize| count as f64 / self.calls.max(1) as f64;
        Rates {
            scenarios: self.scenarios,
            passed: self.passed,
            calls: self.calls,
            task_success: share(self.succeeded),
            containment: share(self.contained),
            turns_per_call: share(self.turns),
            wrong_actions: self.wrong_actions,
        }
    }
}

/// What the table shows. Shares are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Rates {
    scenarios: usize,
    passed: usize,
    calls: usize,
    task_success: f64,
    containment: f64,
    turns_per_call: f64,
    wrong_actions: usize,
}

impl Rates {
    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.scenarios.to_string(),
            self.passed.to_string(),
            format!("{:.1} %", self.task_success * 100.0),
            format!("{:.1} %", self.containment * 100.0),
            format!("{:.1}", self.turns_per_call),
            self.wrong_actions.to_string(),
        ]
    }
}

fn rates(tallies: &BTreeMap<String, Tally>) -> BTreeMap<String, Rates> {
    tallies.iter().map(|(path, tally)| (path.clone(), tally.rates())).collect()
}

fn print_table(tallies: &BTreeMap<String, Tally>, total: &Tally) -> std::io::Result<()> {
    let columns = [
        "calls in",
        "scenarios",
        "passed",
        "task success",
        "containment",
        "turns per call",
        "wrong actions",
    ];
    let mut rows: Vec<Vec<String>> =
        tallies.iter().map(|(path, tally)| tally.rates().row(path)).collect();
    if rows.len() != 1 {
        rows.push(total.rates().row("all"));
    }
    write_table(&mut std::io::stdout(), &columns, &rows)
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report {
    total: Rates,
    files: BTreeMap<String, Rates>,
    calls: Vec<CallResult>,
}

#[derive(Debug, Serialize)]
struct CallResult {
    path: String,
    line: usize,
    title: String,
    seed: u64,
    turns: usize,
    handed_over: bool,
    task_success: bool,
    failures: Vec<FailureResult>,
}

#[derive(Debug, Serialize)]
struct FailureResult {
    line: usize,
    expected: String,
    got: String,
}

impl CallResult {
    fn new(scenario: &Scenario, ran: &Ran, seed: u64) -> Self {
        let failures = ran.failures.iter().map(|failure| FailureResult {
            line: failure.line,
            expected: failure.expected.clone(),
            got: failure.got.clone(),
        });
        Self {
            path: scenario.path.clone(),
            line: scenario.line,
            title: scenario.title.clone(),
            seed,
            turns: ran.turns,
            handed_over: ran.handed_over,
            task_success: ran.database_right,
            failures: failures.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(handed_over: bool, wrong_changes: usize, turns: usize) -> Ran {
        Ran {
            failures: Vec::new(),
            transcript: Vec::new(),
            turns,
            handed_over,
            database_right: wrong_changes == 0,
            wrong_changes,
        }
    }

    #[test]
    fn a_call_that_did_the_wrong_thing_is_not_contained() {
        let mut tally = Tally::default();
        for call in [ran(false, 0, 2), ran(true, 0, 4), ran(false, 3, 6), ran(false, 0, 4)] {
            tally.add_call(&call);
        }
        tally.add_scenario(true);
        tally.add_scenario(false);
        let row = tally.rates().row("all");
        assert_eq!(row, ["all", "2", "1", "75.0 %", "50.0 %", "4.0", "3"]);
        assert_eq!(Tally::default().with(&tally), tally);
        assert_eq!(Tally::default().rates().turns_per_call, 0.0);
    }

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
            let args = CallsArgs { places: Vec::new(), config, repeat: 2, only: None, json: None };
            run(args).await.expect("every call goes as its scenario says");
        }
        assert!(demos >= 2, "there are {demos} demos");
    }
}
