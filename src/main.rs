//! The `frontdoor` program: parses the command line and hands over to the library.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use frontdoor::cli;
use frontdoor::config::Config;
use tracing_subscriber::EnvFilter;

/// Answers an organisation's phone: callers just say what they want. No cloud.
#[derive(Debug, Parser)]
#[command(name = "frontdoor", version, max_term_width = 100)]
struct Arguments {
    /// What to log on standard error, as in RUST_LOG.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// Log as JSON, one object a line.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer calls
    ///
    /// Edited prompt files are in force from the next call on, without a restart; calls in progress
    /// keep the ones they began with. Files with a mistake are refused whole, and the log says where
    /// it is and how to mend it. SIGHUP has the files looked at right away.
    Serve(cli::serve::ServeArgs),
    /// Place a call to a running server, speaking recordings in turn
    Call(cli::call::CallArgs),
    /// Read the records of past calls
    Calls {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::calls::CallsArgs,
    },
    /// Show the SIP messages of past calls, and of those that were refused
    Sip {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::sip::SipArgs,
    },
    /// Show what callers wanted and what came of it, by intent
    ///
    /// A call is contained if it ended without a person and something was understood in it. An
    /// intent is served when its action was done; one that only speaks never is. A failed turn is
    /// one of which nothing could be made: the caller was asked again or went to a person.
    Stats {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::stats::StatsArgs,
    },
    /// Show what edited prompt files would make of what callers said before
    ///
    /// Takes the requests in the records, leaves out all in which something is masked, and shows
    /// call by call which of them would be understood otherwise. Changes nothing.
    Replay {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::replay::ReplayArgs,
    },
    /// Show what was not understood, put together by meaning, and where it might belong
    ///
    /// Takes the requests that failed, were out of scope or had to be asked about, and that the
    /// prompt files as they are now would still not act on. For each group it names the nearest
    /// intent and, with --reveal, the line to add to its file.
    Suggest {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::suggest::SuggestArgs,
    },
    /// Check the configuration, the prompt files and the models without serving
    Check(cli::check::CheckArgs),
    /// Show what would become of a call to a number, and by which rules
    ///
    /// Which trunk it comes through, which line of [numbers] has it, which prompt files and hours
    /// apply. Fails if the call would be refused.
    RouteTest {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::route_test::RouteTestArgs,
    },
    /// Have a conversation on text, as a caller would, and see what is understood and done
    Try(cli::try_out::TryArgs),
    /// Show or reset the demo customer database
    Crm {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::crm::CrmArgs,
    },
    /// List, fetch or verify the models
    Models(cli::models::ModelsArgs),
    /// Say who may sign in at the web pages, and what for
    Accounts {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        args: cli::accounts::AccountsArgs,
    },
    /// Measure recognition, understanding and whole calls on your own data
    Eval(cli::eval::EvalArgs),
    /// Measure what the media path holds: calls a second, calls at once, hours of them, and floods
    ///
    /// Calls are placed on this machine's loopback to a second process of this program, which
    /// answers them and sends back what it hears: signalling, SDP, RTP, jitter buffer and codecs
    /// are those of `serve`; there is no conversation and no model. Needs no configuration.
    Bench(cli::bench::BenchArgs),
}

/// Which configuration a subcommand reads.
#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration
    #[arg(long, short, global = true, default_value = "frontdoor.toml", value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => cli::serve::run(args).await,
        Command::Call(args) => cli::call::run(args).await,
        Command::Calls { config, args } => {
            let config = Config::load(&config.config)?;
            Ok(cli::calls::run(args, &config, &mut std::io::stdout()).await?)
        }
        Command::Sip { config, args } => {
            let config = Config::load(&config.config)?;
            cli::sip::run(args, &config, &mut std::io::stdout()).await
        }
        Command::Stats { config, args } => {
            let config = Config::load(&config.config)?;
            cli::stats::run(args, &config, &mut std::io::stdout()).await
        }
        Command::Replay { config, args } => {
            let config = Config::load(&config.config)?;
            cli::replay::run(args, &config, &mut std::io::stdout()).await
        }
        Command::Suggest { config, args } => {
            let config = Config::load(&config.config)?;
            cli::suggest::run(args, &config, &mut std::io::stdout()).await
        }
        Command::Check(args) => cli::check::run(args).await,
        Command::RouteTest { config, args } => {
            let config = Config::load(&config.config)?;
            cli::route_test::run(&args, &config, &mut std::io::stdout())
        }
        Command::Try(args) => cli::try_out::run(args).await,
        Command::Crm { config, args } => {
            let config = Config::load(&config.config)?;
            Ok(cli::crm::run(args, &config, &mut std::io::stdout()).await?)
        }
        Command::Models(args) => cli::models::run(args).await,
        Command::Accounts { config, args } => {
            let config = Config::load(&config.config)?;
            let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout());
            Ok(cli::accounts::run(args, &config, &mut input, &mut out).await?)
        }
        Command::Eval(args) => cli::eval::run(args).await,
        Command::Bench(args) => cli::bench::run(args).await,
    }
}

/// Of the database library only errors: it warns of each statement that a busy machine was slow
/// with, which is nothing that the reader of a log could mend. Whoever asks for a filter gets it.
const LOG_QUIET: &str = "sqlx=error";

/// Logs to standard error, in colour if that is a terminal whose owner has nothing against it
/// (<https://no-color.org>). Libraries that write what callers say or dial (whole SIP messages at
/// level info, a sentence letter by letter at level trace) are held down whatever is asked for.
fn start_log(arguments: &Arguments) {
    let level = match arguments.command {
        Command::Serve(_) => "info",
        _ => "warn",
    };
    let default = format!("{level},{LOG_QUIET}");
    let wanted = arguments
        .log
        .clone()
        .or_else(|| std::env::var("RUST_LOG").ok())
        .unwrap_or_else(|| default.clone());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        eprintln!("warning: log filter {wanted:?} is not understood ({error}); using {default}");
        EnvFilter::new(&default)
    });
    let libraries = [
        frontdoor::net::sip::LOG_FILTER,
        frontdoor::net::sip::WEBSOCKET_LOG_FILTER,
        frontdoor::net::secure::LOG_FILTER,
        frontdoor::net::webrtc::LOG_FILTER,
        frontdoor::net::webrtc::PARTS_LOG_FILTER,
        frontdoor::engine::understanding::LOG_FILTER,
    ];
    let filter = libraries
        .into_iter()
        .filter_map(|held_down| held_down.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_colour);
    if arguments.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
}
