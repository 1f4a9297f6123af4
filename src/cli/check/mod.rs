//! `frontdoor check`: validates the configuration, trunks, prompt files and models, runs the tests
//! that stand in the prompt files, and serves nothing.

mod collisions;
mod inline_tests;
mod transfers;
mod trunks;
mod webrtc;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use crate::config::Config;
use crate::engine::models::{ModelState, ModelStore, resolve_whisper};
use crate::prompts::{Generation, Intent};
use crate::server::{Lessons, embeddings_dir, load_profile, rules, shown_path, train_understander};

/// Arguments of `frontdoor check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration.
    #[arg(long, short, default_value = "frontdoor.toml")]
    pub config: PathBuf,
    /// Check these prompt files instead of the configured profile.
    pub profile: Option<PathBuf>,
}

/// Prints what is right and what is not; fails if anything is not.
///
/// # Errors
/// Something is to be mended, or the configuration cannot be read.
pub async fn run(args: CheckArgs) -> anyhow::Result<()> {
    let mut config = Config::load(&args.config)?;
    println!("ok    configuration {}", args.config.display());
    if let Some(profile) = args.profile {
        config.replace_profile(std::path::absolute(profile)?);
    }
    let lines_failed = trunks::run(&config).await + webrtc::run(&config);
    let generation = check_prompts(&config);
    let store = ModelStore::open(config.models.cache_dir.clone())?;
    let mut failed = lines_failed + usize::from(generation.is_none());
    let others = check_other_profiles(&config);
    failed += others.iter().filter(|other| other.is_none()).count();
    failed += check_models(&config, &store);
    if let Some(generation) = &generation {
        failed += check_understanding(&config, &store, generation)?;
    }
    let all: Option<Vec<Generation>> = std::iter::once(generation).chain(others).collect();
    failed += transfers::run(&config, all.as_deref());
    if failed > 0 {
        bail!("{failed} thing(s) to mend");
    }
    Ok(())
}

/// The prompt files, if they are sound.
fn check_prompts(config: &Config) -> Option<Generation> {
    match load_profile(config) {
        Ok((generation, warnings)) => {
            for warning in &warnings {
                println!("      {warning}");
            }
            let lessons = Lessons::of(&generation);
            println!(
                "ok    prompt files {} ({} intents, {} examples, {} warnings)",
                shown_path(&config.server.profile).display(),
                generation.intents.len(),
                lessons.examples.len(),
                warnings.len()
            );
            println!("      examples: {}", sources(&lessons));
            Some(generation)
        }
        Err(error) => {
            println!("WRONG {error}");
            None
        }
    }
}

/// Where the examples come from, which the server and its log count together. A line with choices
/// in brackets is several.
fn sources(lessons: &Lessons) -> String {
    let known = lessons.sources.iter().filter(|(_, count)| *count > 0);
    known.map(|(source, count)| format!("{count} from {source}")).collect::<Vec<_>>().join(", ")
}

/// The prompt files of the profiles that `[numbers]` names besides, if they are sound.
fn check_other_profiles(config: &Config) -> Vec<Option<Generation>> {
    let others = config.profiles().into_iter().skip(1);
    others.map(|profile| check_prompts(&config.with_profile(&profile))).collect()
}

/// Says how many models cannot be used.
fn check_models(config: &Config, store: &ModelStore) -> usize {
    let second = config.hearing.second_model.as_deref();
    let end_model = config.turns.end_model.as_deref();
    let checks = [
        resolve_whisper(store, &config.hearing.model).map(|_| ()),
        second.map_or(Ok(()), |name| resolve_whisper(store, name).map(|_| ())),
        store.checked(&config.understanding.encoder).map(|_| ()),
        store.checked(&config.voice.model).map(|_| ()),
        store.checked("silero").map(|_| ()),
        end_model.map_or(Ok(()), |name| store.checked(name).map(|_| ())),
    ];
    let mut failed = 0;
    for error in checks.into_iter().filter_map(Result::err) {
        failed += 1;
        println!("WRONG {error}");
    }
    if failed == 0 {
        println!("ok    models in {}", store.cache_dir().display());
    }
    failed
}

/// Runs the tests of the intent files and looks for sentences that sound like another intent's.
/// Says how many tests failed.
fn check_understanding(
    config: &Config,
    store: &ModelStore,
    generation: &Generation,
) -> anyhow::Result<usize> {
    let encoder = &config.understanding.encoder;
    if store.state(encoder) != ModelState::Ready {
        println!("      the tests in the prompt files were not run: they need the model {encoder}");
        return Ok(0);
    }
    let understander = train_understander(store, encoder, generation)?;
    let cache = embeddings_dir(store);
    let folder = &config.server.profile;
    let outcome = inline_tests::run(generation, folder, &understander, &rules(config), &cache)?;
    for failure in &outcome.failures {
        println!("WRONG {failure}");
    }
    for doubt in &outcome.doubts {
        println!("      {doubt}");
    }
    let failed = outcome.failures.len();
    let verdict = if failed == 0 { "ok   " } else { "WRONG" };
    println!("{verdict} tests in the prompt files ({} of {})", outcome.run - failed, outcome.run);
    let collisions = collisions::find(generation, folder, understander.encoder(), &cache)?;
    for collision in &collisions {
        println!("      {collision}");
    }
    match collisions.len() {
        0 => println!("ok    no example sounds like another intent's"),
        count => println!("      {count} example(s) sound like another intent's"),
    }
    Ok(failed)
}

/// An intent's file in the profile's folder, as the linter names it.
fn file_of(folder: &Path, intent: &Intent) -> String {
    shown_path(&folder.join(format!("intents/{}.md", intent.name))).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_counted_as_the_server_counts_them() {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("frontdoor.toml");
        let config = Config::load(&config).expect("the demo's configuration");
        let (generation, _) = load_profile(&config).expect("the demo's prompt files");
        let lessons = Lessons::of(&generation);
        let total: usize = lessons.sources.iter().map(|(_, count)| count).sum();
        assert_eq!(total, lessons.examples.len());
        let said = sources(&lessons);
        let from_files = format!("{} from `## Callers say`, ", generation.training().len());
        assert!(said.starts_with(&from_files), "{said}");
        let names = format!(", {} from names and titles", 2 * generation.intents.len());
        assert!(said.contains(&names), "{said}");
    }

    #[tokio::test]
    #[ignore = "needs the models"]
    async fn the_demo_profile_passes_its_own_tests() {
        let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("frontdoor.toml");
        run(CheckArgs { config, profile: None }).await.expect("nothing is to be mended");
    }
}
