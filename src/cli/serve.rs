//! `frontdoor serve`: answers calls.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::net::sip::Transport;
use crate::server::{Server, Started};

/// Arguments of `frontdoor serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration.
    #[arg(long, short, default_value = "frontdoor.toml")]
    pub config: PathBuf,
    /// Serve these prompt files instead of the configured profile.
    #[arg(long, value_name = "FOLDER")]
    pub profile: Option<PathBuf>,
}

/// Serves until Ctrl-C or SIGTERM. Edited prompt files are in force from the next call on; SIGHUP
/// has them looked at right away.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let mut config = Config::load(&args.config)?;
    if let Some(profile) = args.profile {
        config.replace_profile(std::path::absolute(profile)?);
    }
    let (server, started) = Server::start(config).await?;
    print_started(&started)?;
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            super::stopped().await;
            stop.cancel();
        }
    });
    server.run(stop).await;
    println!("stopped");
    Ok(())
}

/// Says what runs and how to call it. `ready` comes last: scripts wait for it.
fn print_started(started: &Started) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for warning in &started.warnings {
        writeln!(out, "  {warning}")?;
    }
    writeln!(
        out,
        "frontdoor {}: profile {} ({} intents, {} examples, generation {})",
        env!("CARGO_PKG_VERSION"),
        started.profile,
        started.intents,
        started.engines.examples,
        &started.generation[..started.generation.len().min(12)],
    )?;
    for profile in &started.other_profiles {
        writeln!(out, "  also  profile {profile}, for its numbers")?;
    }
    for (name, took) in &started.engines.parts {
        writeln!(out, "  {name:<14} loaded in {:.1} s", took.as_secs_f32())?;
    }
    for (transport, address) in &started.addresses {
        let scheme = match transport {
            Transport::Wss => "sips",
            _ => "sip",
        };
        let suffix = transport.uri_parameter();
        writeln!(out, "  call  {scheme}:{}@{address}{suffix}", started.profile)?;
    }
    if let Some((_, address)) = started.addresses.first() {
        let uri = format!("sip:{}@{address}", started.profile);
        writeln!(out, "  try   frontdoor call --to {uri} --text \"when are you open\"")?;
        writeln!(out, "  or    baresip -e \"/dial {uri}\"")?;
    }
    if let Some(address) = started.http {
        writeln!(out, "  http  http://{address}/health  /metrics  /handoffs/REFERENCE")?;
    }
    if let Some(web) = &started.web {
        let url = &web.url;
        writeln!(out, "  web   {url}/call  {url}/desk  {url}/supervisor  {url}/ops")?;
        if let Some((name, password)) = &web.first_admin {
            let password = password.expose();
            writeln!(out, "  first sign in at {url}/ as {name} with {password} (shown once)")?;
        }
    }
    writeln!(out, "ready in {:.1} s", started.took.as_secs_f32())?;
    out.flush()
}
