//! `frontdoor bench response`: how fast a caller is answered, as they measure it themselves on the wire,
//! beside what the front door says and where the time went.
//!
//! The front door is the real program with its models, in a process of its own; the caller speaks
//! recordings of people, one call after the other.

mod figures;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::Args;

use self::figures::{Recorded, Tally, Turn};
use super::front_door::{FrontDoor, Setup};
use super::recordings::{DEFAULT_LIST, Recorded as Recording, read_list};
use super::report::Report;
use super::talker::{Answer, Conditions, Exchange, TalkError, Talker, TheirTurn};
use crate::cli::eval::progress_bar;
use crate::config::Config;
use crate::store::Store;

/// Silence of the front door after which it counts as having finished: longer than its pauses.
const GAP: Duration = Duration::from_millis(1_100);

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(12);

/// How long the rest of a call's record is waited for once the call is over.
const RECORD_WAIT: Duration = Duration::from_secs(2);

/// Calls in a row that may fail before it is given up.
const FAILURES_MAX: u32 = 3;

/// Turns of the first call, which is not counted: what is used for the first time is slower.
const WARM_UP_TURNS: usize = 2;

/// Arguments of `frontdoor bench response`.
#[derive(Debug, Args)]
pub(super) struct ResponseArgs {
    /// Answered turns to measure
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
    /// What the caller says, in turn and over again (tab-separated: path, transcript, kind)
    #[arg(long, default_value = DEFAULT_LIST, value_name = "FILE")]
    recordings: PathBuf,
    /// The configuration of the front door; addresses and data are the bench's own
    #[arg(long, short, default_value = "frontdoor.toml", value_name = "FILE")]
    config: PathBuf,
    /// Turns of a call, unless the front door ends it before
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    turns_per_call: u32,
    /// Share of the caller's packets that are lost on the way, in percent
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    loss: f32,
    /// Decides which packets those are
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Fail if half of the turns take longer than this, in ms
    #[arg(long, value_name = "MS")]
    p50_max: Option<f64>,
    /// Fail if 5 of 100 turns take longer than this, in ms
    #[arg(long, value_name = "MS")]
    p95_max: Option<f64>,
    /// Write report.html and report.json into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Measures, prints and judges.
pub(super) async fn run(args: ResponseArgs) -> anyhow::Result<()> {
    let spoken = read_list(&args.recordings, None)?;
    let mut report = Report::begin("Response latency, one call at a time");
    let door = FrontDoor::start(&Setup::new(&args.config)).await?;
    let exchange = Exchange::bind().await?;
    let tally = converse(&args, &door, &exchange, &spoken).await;
    exchange.close().await;
    let mut tally = tally?;
    tokio::time::sleep(RECORD_WAIT).await;
    tally.join(&recorded(&door).await?);
    door.stop().await?;
    tally.write(&mut report)?;
    tally.print(&mut std::io::stdout())?;
    if let Some(folder) = &args.out {
        let written = report.write(folder)?;
        println!("\n{}\n{}", written.html.display(), written.json.display());
    }
    tally.judge(args.p50_max, args.p95_max)
}

/// Calls until there are turns enough.
async fn converse(
    args: &ResponseArgs,
    door: &FrontDoor,
    exchange: &Exchange,
    spoken: &[Recording],
) -> anyhow::Result<Tally> {
    let mut turns = spoken.iter().cycle();
    let mut warm_up = Tally::default();
    let mut caller = Caller { args, door, exchange, call: 0 };
    match caller.call(&mut turns.by_ref().take(WARM_UP_TURNS), &mut warm_up).await {
        Ok(()) | Err(TalkError::HungUp) => {}
        Err(error) => return Err(error.into()),
    }
    let mut turns = spoken.iter().cycle();
    let mut tally = Tally::default();
    let wanted = args.turns as usize;
    let bar = progress_bar(wanted, "turns");
    // Some calls end before their first answer; no more of them than others may.
    let calls_max = args.turns.saturating_mul(2) + FAILURES_MAX;
    let mut failures = 0;
    while tally.turns.len() < wanted && caller.call < calls_max {
        let left = (wanted - tally.turns.len()).min(args.turns_per_call as usize);
        match caller.call(&mut turns.by_ref().take(left), &mut tally).await {
            Ok(()) | Err(TalkError::HungUp) => failures = 0,
            Err(error) => {
                failures += 1;
                if failures == FAILURES_MAX {
                    bail!("{FAILURES_MAX} calls in a row failed, the last one: {error}");
                }
            }
        }
        bar.set_position(tally.turns.len() as u64);
    }
    bar.finish_and_clear();
    if tally.turns.is_empty() {
        bail!("no turn was answered in {} calls", caller.call);
    }
    Ok(tally)
}

/// Whoever calls, one call after the other.
struct Caller<'a> {
    args: &'a ResponseArgs,
    door: &'a FrontDoor,
    exchange: &'a Exchange,
    /// How many they have placed.
    call: u32,
}

impl Caller<'_> {
    /// Places a call and says these turns in it.
    async fn call(
        &mut self,
        turns: &mut dyn Iterator<Item = &Recording>,
        tally: &mut Tally,
    ) -> Result<(), TalkError> {
        self.call += 1;
        let mut conditions = Conditions::default();
        conditions.loss_percent = self.args.loss;
        conditions.seed = self.args.seed.wrapping_add(self.call.into());
        let number = number_of(self.call);
        let mut talker = Talker::place(self.exchange, &self.door.uri, &number, &conditions).await?;
        let answered = talker.answered();
        if let TheirTurn::Spoke { began, .. } = talker.hear_out(GAP, WAIT).await? {
            tally.greetings_ms.push(ms(began.saturating_duration_since(answered)));
        }
        for Recording { said, kind, .. } in turns {
            match talker.say(said, WAIT).await? {
                Answer::Answered { latency } => tally.turns.push(Turn {
                    call: self.call,
                    said: said.name.clone(),
                    kind: kind.clone(),
                    answered_ms: ms(answered.elapsed()),
                    wire_ms: ms(latency),
                    recorded: None,
                }),
                Answer::CutOff { .. } => tally.cut_off += 1,
                Answer::Silent => tally.silent += 1,
            }
            talker.hear_out(GAP, WAIT).await?;
        }
        talker.hang_up().await;
        Ok(())
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Tells calls apart in the records.
fn number_of(call: u32) -> String {
    format!("5550{call:06}")
}

/// What the front door has recorded, by call of ours.
async fn recorded(door: &FrontDoor) -> anyhow::Result<Recorded> {
    /// More calls than anybody waits for.
    const CALLS_MAX: u32 = 100_000;
    let config = Config::load(&door.config)?;
    let store = Store::open(&config.store_path()).await?;
    let mut turns = Recorded::new();
    for call in store.list_calls(CALLS_MAX).await? {
        let caller = call.caller.expose();
        let number = caller.split_once("5550").and_then(|(_, rest)| rest.get(..6)?.parse().ok());
        if let Some(number) = number {
            turns.insert(number, store.call(call.id).await?.turns);
        }
    }
    store.close().await?;
    Ok(turns)
}
