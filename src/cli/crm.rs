//! `frontdoor crm`: the demo CRM, shown and put back to its seed, and databases that have one.

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::{Args, Subcommand};

use crate::actions::{DemoCrm, DemoCrmError, SeedError, reset_databases};
use crate::config::Config;

use super::table::write_table;

/// The built-in demo CRM.
#[derive(Debug, Args)]
pub struct CrmArgs {
    #[command(subcommand)]
    command: CrmCommand,
}

#[derive(Debug, Subcommand)]
enum CrmCommand {
    /// Put every customer back to the seed, and every database that has one; undoes all changes
    Reset,
    /// Offer the demo CRM over HTTP, for an action of kind "http" to talk to
    Serve {
        /// Where to listen. It asks nobody who they are: keep it on this machine
        #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
        listen: SocketAddr,
    },
    /// Show all customers, or one with everything that belongs to them
    Show {
        /// Account number, phone number or part of the name
        #[arg(value_name = "CUSTOMER_OR_ACCOUNT")]
        wanted: Option<String>,
    },
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum CrmCommandError {
    /// The demo CRM.
    #[error(transparent)]
    DemoCrm(#[from] DemoCrmError),
    /// A database with a seed.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The terminal.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Runs `frontdoor crm`.
///
/// # Errors
/// [`CrmCommandError`], whose message is meant for the terminal.
pub async fn run(
    args: CrmArgs,
    config: &Config,
    out: &mut impl Write,
) -> Result<(), CrmCommandError> {
    let path = config.demo_crm_path();
    let crm = DemoCrm::new(path.clone());
    match args.command {
        CrmCommand::Reset => {
            let databases = reset_databases(config).await?;
            for database in &databases {
                writeln!(out, "{}: as in the seed", database.display())?;
            }
            if !databases.is_empty() && !config.uses_demo_crm() {
                return Ok(());
            }
            crm.reset().await?;
            let customers = crm.tables(None).await?.first().map_or(0, |table| table.rows.len());
            writeln!(out, "{}: {customers} customers as in the seed", path.display())?;
        }
        CrmCommand::Serve { listen } => {
            crm.create_if_missing().await?;
            let cannot = |source| CrmCommandError::Listen { address: listen, source };
            let listener = tokio::net::TcpListener::bind(listen).await.map_err(cannot)?;
            let address = listener.local_addr().map_err(cannot)?;
            writeln!(out, "the demo CRM ({}) answers at http://{address}", path.display())?;
            writeln!(out, "it asks nobody who they are; Ctrl-C stops it")?;
            out.flush()?;
            crm.serve(listener, super::stopped()).await.map_err(cannot)?;
        }
        CrmCommand::Show { wanted } => {
            let tables = crm.tables(wanted.as_deref()).await?;
            for (index, table) in tables.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                writeln!(out, "{}", table.title)?;
                write_table(out, &table.columns, &table.rows)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        crm: CrmArgs,
    }

    async fn typed(config: &Config, words: &[&str]) -> Result<String, String> {
        let words = std::iter::once(&"crm").chain(words);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(line.crm, config, &mut out).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[tokio::test]
    async fn reset_and_show() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[server]\nprofile = \"p\"\ndata_dir = \"d\"\n";
        let config = Config::parse(&folder.path().join("f.toml"), text, |_| None).expect("valid");
        let missing = typed(&config, &["show"]).await.expect_err("nothing there");
        assert!(missing.ends_with("Make it with: frontdoor crm reset"), "{missing}");
        let reset = typed(&config, &["reset"]).await.expect("resets");
        assert!(reset.ends_with("crm.sqlite: 8 customers as in the seed\n"), "{reset}");
        let shown = typed(&config, &["show", "12345678"]).await.expect("shows");
        assert!(
            shown.starts_with(
                "Customers\nACCOUNT   NAME         PHONE    TIER      ADDRESS\n\
                 12345678  Alex Morgan  5550123  standard  12 Orchard Lane, Fairview\n\n\
                 Accounts\nACCOUNT   TYPE      BALANCE\n\
                 12345678  checking  $1,204.50\n"
            ),
            "{shown}"
        );
        assert!(!shown.contains("4321"), "PINs are not shown");
    }
}
