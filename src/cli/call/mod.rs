//! `frontdoor call`: a caller made of recordings. Places a real SIP/RTP call, speaks when the other
//! side has finished, and shows what it hears with timings.

mod ears;
mod line;
mod report;
mod steps;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};

use crate::audio::{Codec, Codecs};
use crate::engine::hearing::{Hearing, HearingConfig};
use crate::engine::models::{ModelStore, resolve_whisper};

use line::{How, Line};
use report::{Report, TheirTurn};
use steps::{Step, StepKind};

/// Arguments of `frontdoor call`.
///
/// Recordings, texts and keys are spoken in the order given, each after the answer to the one
/// before.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Recordings to speak (WAV), one a turn
    #[arg(value_name = "FILE.wav")]
    files: Vec<PathBuf>,
    /// Keys to press (0-9 * # A-D), as one turn; may be given several times
    #[arg(long, value_name = "KEYS")]
    keys: Vec<String>,
    /// Words to speak with a voice that is not the product's; may be given several times
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,
    /// Where to call
    #[arg(long, default_value = "sip:bank@127.0.0.1:5060", value_name = "SIP_URI")]
    to: String,
    /// Authorities (PEM) to believe when calling over TLS, instead of those this machine trusts
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The number we call from
    #[arg(long, default_value = "anonymous", value_name = "NUMBER")]
    from: String,
    /// Codec to call with: opus, g722, pcmu or pcma; without it both laws of G.711 are offered
    #[arg(long, value_name = "NAME")]
    codec: Option<Codec>,
    /// Program that speaks --text: espeak-ng or flite
    #[arg(long, default_value = "espeak-ng", value_name = "PROGRAM")]
    voice: String,
    /// Encrypt the audio, with keys in the SDP (sdes) or from a handshake (dtls)
    #[arg(long, value_enum, value_name = "KEYS")]
    srtp: Option<Srtp>,
    /// Where to write both sides (caller left, front door right); a file that is there, such as
    /// the last call's, is overwritten
    #[arg(long, default_value = "call.wav", value_name = "FILE")]
    out: PathBuf,
    /// Silence after which the other side counts as having finished, in ms
    #[arg(long, default_value_t = 1100, value_name = "MS")]
    gap_ms: u64,
    /// Longest wait for an answer, in ms
    #[arg(long, default_value_t = 12_000, value_name = "MS")]
    wait_ms: u64,
    /// Write turns, words and timings as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Model to transcribe the other side with; "none" to leave it out
    #[arg(long, default_value = "tiny.en", value_name = "MODEL")]
    listen_with: String,
    /// The steps in the order they were given
    #[arg(skip)]
    steps: Vec<Step>,
}

/// Where the keys of encrypted audio come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Srtp {
    /// The SDP (RFC 4568)
    Sdes,
    /// A DTLS handshake (RFC 5763)
    Dtls,
}

/// The call to make, with recordings, texts and keys in the order of the command line, which clap
/// keeps apart by kind.
fn ordered_steps(matches: &ArgMatches, args: &CallArgs) -> Vec<StepKind> {
    let Some(matches) = matches.subcommand_matches("call") else { return Vec::new() };
    let mut steps: Vec<(usize, StepKind)> = Vec::new();
    let positions = |name: &str| matches.indices_of(name).into_iter().flatten();
    steps.extend(positions("files").zip(args.files.iter().cloned().map(StepKind::File)));
    steps.extend(positions("keys").zip(args.keys.iter().cloned().map(StepKind::Keys)));
    steps.extend(positions("text").zip(args.text.iter().cloned().map(StepKind::Text)));
    steps.sort_by_key(|(position, _)| *position);
    steps.into_iter().map(|(_, step)| step).collect()
}

/// A command of just `call`, to find the order of its arguments again.
#[derive(clap::Parser)]
struct Reparse {
    #[command(subcommand)]
    command: ReparseCommand,
    #[arg(long, global = true)]
    log: Option<String>,
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(clap::Subcommand)]
enum ReparseCommand {
    Call(CallArgs),
}

/// Places the call.
pub async fn run(mut args: CallArgs) -> anyhow::Result<()> {
    let matches = Reparse::command().get_matches_from(std::env::args_os());
    let ReparseCommand::Call(again) = Reparse::from_arg_matches(&matches)?.command;
    let kinds = ordered_steps(&matches, &again);
    let codecs = args.codec.map_or(Codecs::G711, |codec| Codecs::new([codec]));
    let rate = args.codec.unwrap_or(Codec::Pcmu).rate();
    args.steps = kinds
        .into_iter()
        .map(|kind| Step::load(kind, &args.voice, rate))
        .collect::<Result<_, _>>()?;
    let hearing = match args.listen_with.as_str() {
        "none" => None,
        model => Some(start_hearing(model)?),
    };
    let mut report = Report::new(hearing, rate);
    let how = How { codecs, tls_ca: args.tls_ca.clone(), srtp: args.srtp };
    let mut line = Line::place(&args.to, &args.from, &args.out, how).await?;
    let (codec, protection) = (line.codec_name(), line.protection());
    println!("      0.0 s  -- connected to {} ({codec}), encryption: {protection}", args.to);
    let gap = Duration::from_millis(args.gap_ms);
    let wait = Duration::from_millis(args.wait_ms);
    let mut up = listen(&mut line, &mut report, gap, wait).await?;
    for step in &args.steps {
        if !up {
            break;
        }
        report.our_turn(line.elapsed(), step);
        line.speak(step).await?;
        up = listen(&mut line, &mut report, gap, wait).await?;
    }
    if up {
        line.hang_up().await?;
        println!("{:>9.1} s  -- we hung up", line.elapsed().as_secs_f32());
    } else {
        println!("{:>9.1} s  -- the other side hung up", line.elapsed().as_secs_f32());
    }
    line.finish().await.with_context(|| format!("cannot write {}", args.out.display()))?;
    report.print_summary();
    println!("recording: {} (caller left, front door right)", args.out.display());
    if let Some(path) = &args.json {
        report.write_json(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// So often the other side may ask for a moment before they are taken to have finished.
const MOMENTS_MAX: usize = 3;

/// Hears the other side out. Says whether the call is still up.
async fn listen(
    line: &mut Line,
    report: &mut Report,
    gap: Duration,
    wait: Duration,
) -> anyhow::Result<bool> {
    for _ in 0..=MOMENTS_MAX {
        let heard = line.hear(gap, wait).await?;
        let up = heard.still_up && line.is_up();
        let turn = line.keep_up(report.their_turn(heard)).await??;
        if !up || turn == TheirTurn::Over {
            break;
        }
    }
    Ok(line.is_up())
}

fn start_hearing(model: &str) -> anyhow::Result<Hearing> {
    let store = ModelStore::open(None)?;
    let model = resolve_whisper(&store, model)?;
    Ok(Hearing::start(HearingConfig { queue_len_max: 4, ..HearingConfig::new(model) })?)
}
