//! `frontdoor models`: what can be fetched, fetch it, check it.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::engine::models::{Manifest, Model, ModelState, ModelStore, Progress, megabytes};

/// Models: speech recognition, understanding, voice, voice activity.
#[derive(Args, Debug)]
pub struct ModelsArgs {
    /// Folder of the models [default: $FRONTDOOR_MODELS, else ~/.cache/frontdoor/models]
    #[arg(long, value_name = "DIR", global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Show the known models, their licences, and which are here
    List,
    /// Fetch models and check them; what is here already is left alone
    Fetch {
        /// Which; none means those that frontdoor needs by default
        names: Vec<String>,
        /// Every known model
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
    /// Check the models against their checksums
    Verify {
        /// Which; none means those needed by default and whatever else is here
        names: Vec<String>,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// As [`ModelStore::open`] and [`ModelStore::fetch`]; `verify` fails when a model is not ready.
pub async fn run(args: ModelsArgs) -> anyhow::Result<()> {
    let store = ModelStore::open(args.cache)?;
    match args.command {
        ModelsCommand::List => list(&store),
        ModelsCommand::Fetch { names, all } => fetch(&store, names, all).await?,
        ModelsCommand::Verify { names } => verify(&store, &names)?,
    }
    Ok(())
}

fn list(store: &ModelStore) {
    println!("{:8}  {:8}  {:13}  {:>8}  LICENCE", "MODEL", "STATE", "FOR", "SIZE");
    for model in &store.manifest().models {
        let Model { name, room, licence, purpose, .. } = model;
        let state = match store.state(name) {
            ModelState::Ready => "ready",
            ModelState::Missing => "missing",
            ModelState::Damaged(_) => "damaged",
        };
        let size = megabytes(model.size_bytes());
        println!("{name:8}  {state:8}  {room:13}  {size:>8}  {licence}");
        let default = if model.default { "" } else { " (fetched only when named)" };
        println!("          {purpose}{default}");
        if let Some(note) = &model.licence_note {
            println!("          licence: {}", note.trim());
        }
    }
    println!("in {}", store.cache_dir().display());
}

async fn fetch(store: &ModelStore, names: Vec<String>, all: bool) -> anyhow::Result<()> {
    let names = if all { all_names(store.manifest()) } else { names };
    let summary = store.fetch(&names, Progress::for_this_terminal()).await?;
    for name in &summary.fetched {
        let model = store.manifest().get(name)?;
        println!("{name}: fetched, {}, licence {}", megabytes(model.size_bytes()), model.licence);
        if let Some(note) = &model.licence_note {
            println!("  {}", note.trim());
        }
    }
    for name in &summary.already_ready {
        println!("{name}: ready");
    }
    println!("in {}", store.cache_dir().display());
    Ok(())
}

fn all_names(manifest: &Manifest) -> Vec<String> {
    manifest.models.iter().map(|m| m.name.clone()).collect()
}

fn verify(store: &ModelStore, names: &[String]) -> anyhow::Result<()> {
    let mut bad = Vec::new();
    let chosen = if names.is_empty() { all_names(store.manifest()) } else { names.to_vec() };
    for name in &chosen {
        let model = store.manifest().get(name)?;
        let optional = names.is_empty() && !model.default;
        match store.state(name) {
            ModelState::Ready => println!("{name}: ready"),
            ModelState::Missing if optional => println!("{name}: not here (optional)"),
            ModelState::Missing => {
                println!("{name}: missing");
                bad.push(name.as_str());
            }
            ModelState::Damaged(why) => {
                println!("{name}: damaged: {why}");
                bad.push(name.as_str());
            }
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    bail!("not ready: {}; run `frontdoor models fetch {}`", bad.join(", "), bad.join(" "))
}
