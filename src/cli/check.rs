//! `frontdoor check`: validates the configuration, the prompt files and the models, and serves
//! nothing.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::config::Config;
use crate::engine::models::{ModelStore, resolve_whisper};
use crate::server::load_profile;

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
pub fn run(args: CheckArgs) -> anyhow::Result<()> {
    let mut config = Config::load(&args.config)?;
    println!("ok    configuration {}", args.config.display());
    if let Some(profile) = args.profile {
        config.server.profile = std::path::absolute(profile)?;
    }
    let mut failed = 0;
    match load_profile(&config) {
        Ok((generation, warnings)) => {
            for warning in &warnings {
                println!("      {warning}");
            }
            println!(
                "ok    prompt files {} ({} intents, {} examples, {} warnings)",
                config.server.profile.display(),
                generation.intents.len(),
                generation.training().len(),
                warnings.len()
            );
        }
        Err(error) => {
            failed += 1;
            println!("WRONG {error}");
        }
    }
    let store = ModelStore::open(config.models.cache_dir.clone())?;
    let checks = [
        resolve_whisper(&store, &config.hearing.model).map(|_| ()),
        store.checked(&config.understanding.encoder).map(|_| ()),
        store.checked(&config.voice.model).map(|_| ()),
        store.checked("silero").map(|_| ()),
    ];
    for check in checks {
        match check {
            Ok(()) => {}
            Err(error) => {
                failed += 1;
                println!("WRONG {error}");
            }
        }
    }
    if failed > 0 {
        bail!("{failed} thing(s) to mend");
    }
    println!("ok    models in {}", store.cache_dir().display());
    Ok(())
}
