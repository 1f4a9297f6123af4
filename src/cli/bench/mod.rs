//! `frontdoor bench`: measures what the media path holds, with the models left out, with how many
//! callers at once the whole talks, and whether callers wait as long as they are told.
//!
//! On the media path, the answering side is a process of its own, so that what each side takes of
//! the machine can be told apart; the calling side is this one. A call counts as good only if the
//! tone that is played on it comes back.

mod answer;
mod bargein;
mod caller;
mod capacity;
mod connects;
mod flood;
pub mod front_door;
mod load;
mod media;
mod peer;
mod peers;
mod process;
mod queue;
pub mod recordings;
pub mod report;
mod response;
mod soak;
pub mod talker;
mod tally;
mod turns;

use clap::{Args, Subcommand};

/// Arguments of `frontdoor bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// New calls a second without a failure, and what a call that goes on takes
    ///
    /// First so many new calls a second as work without a single failure: each must be answered,
    /// hear its tone come back, and end. Then calls that are held, codec by codec: CPU of each side
    /// for a call, memory for a call, packets lost at both ends. With --against the same is done
    /// with another program in the same run, and both are shown as a ratio.
    Media(media::MediaArgs),
    /// Calls that come and go for a long time, and whether anything is left behind
    ///
    /// Prints descriptors, memory, ports and dialogs of the answering side as it goes on, and fails
    /// if they are not what they were once all calls are over.
    Soak(soak::SoakArgs),
    /// Bad datagrams while calls go on, and what those calls and a good request notice of it
    ///
    /// Half of them go to the SIP port, half to the ports where the calls take their audio. Fails if
    /// a call ends, is no longer heard, or loses more than --loss-max of its audio.
    Flood(flood::FloodArgs),
    /// Calls from browsers that come about, and how fast
    ///
    /// Both sides are in this process, over loopback: offer, answer, the handshake for the keys, and
    /// audio both ways. Once as calls are answered, where the browser begins the handshake, and once
    /// the other way round. Fails if a connect fails in the first.
    Connects(connects::ConnectsArgs),
    /// Days of callers and agents on simulated time, and whether waits end as callers are told
    ///
    /// Callers come as on a working day, wait, give up or take a callback; agents with skills take
    /// their calls, go to lunch and go home, and now and then a desk dies. Fails if on one of the days
    /// fewer than --inside-min of the waits end within the minutes that the caller was told first.
    Queue(queue::QueueArgs),
    /// How fast a caller is answered, and where the time goes
    ///
    /// The real program with its models answers calls in a process of its own; the caller speaks
    /// recordings of people and measures each response on the wire, beside what the front door says of it.
    /// Fails with --p50-max or --p95-max if it took longer.
    Response(response::ResponseArgs),
    /// Ours and what else there is, on the same audio: how soon they have the words, and the answer
    ///
    /// Run it by `scripts/bench-peers`, which installs the others first.
    #[command(hide = true)]
    Peers(peers::PeersArgs),
    /// How soon it is known that a caller has finished, against callers cut off, with a report
    ///
    /// As `frontdoor eval turns`: by silence alone, by an end-of-turn model alone, and by ours, with all
    /// their settings, on the same recordings over a simulated telephone line.
    Turns(turns::TurnsBenchArgs),
    /// Whether we fall silent for callers who interrupt, and go on for all that is no interruption
    ///
    /// Calls on simulated time with the real models: while we speak, somebody interrupts, says "yes",
    /// coughs, talks to somebody else, or our own voice comes back. Fails if fewer go right than should.
    Bargein(bargein::BargeinArgs),
    /// Callers at once until they wait too long, and what happens then
    ///
    /// A front door with its models is started, and called by 1, 2, 4, 8, 12, 16 and 24 callers at
    /// once, who say recordings of people. Tells for each step how long callers waited for answers, on
    /// the wire, what audio was lost, how many were refused, how much was still done for callers, and
    /// the CPU of either side; and with how many all went well.
    Capacity(capacity::CapacityArgs),
    /// Answer calls and send back what is heard, until standard input is closed
    #[command(hide = true)]
    Answer(answer::AnswerArgs),
}

/// Measures and prints its tables.
///
/// # Errors
/// It could not be measured, or what must hold does not.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.what {
        What::Media(args) => media::run(args).await,
        What::Soak(args) => soak::run(args).await,
        What::Flood(args) => flood::run(args).await,
        What::Connects(args) => connects::run(args).await,
        What::Queue(args) => tokio::task::spawn_blocking(move || queue::run(&args)).await?,
        What::Response(args) => response::run(args).await,
        What::Peers(args) => peers::run(args).await,
        What::Turns(args) => turns::run(args).await,
        What::Bargein(args) => bargein::run(args).await,
        What::Capacity(args) => capacity::run(args).await,
        What::Answer(args) => answer::run(args).await,
    }
}
