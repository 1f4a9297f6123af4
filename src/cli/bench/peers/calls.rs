//! Our own answers: a front door as a process, called once for each clip.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::front_door::{FrontDoor, Setup};
use super::super::talker::{Answer, Conditions, Exchange, TalkError, Talker, TheirTurn};
use super::clips::{Clip, Clips};
use super::told::{Outcome, Pipeline, Turn};
use crate::cli::eval::progress_bar;

/// They have finished when they were silent for so long.
const GAP: Duration = Duration::from_millis(1_000);

/// How long an answer, or the greeting, is waited for.
const WAIT: Duration = Duration::from_secs(10);

/// The first turn of a call for each clip, so that all are measured in the same state.
pub(super) async fn ours(config: &Path, clips: &Clips) -> anyhow::Result<Pipeline> {
    let server = FrontDoor::start(&Setup::new(config)).await?;
    let exchange = Exchange::bind().await?;
    let bar = progress_bar(clips.all.len(), "calling");
    let mut turns = Vec::new();
    // The first call warms up and is not counted, for nobody.
    for clip in clips.all.first().into_iter().chain(&clips.all) {
        turns.push(turn(&server, &exchange, clip).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    turns.remove(0);
    exchange.close().await;
    server.stop().await?;
    let name = format!("frontdoor {}, over SIP and RTP", env!("CARGO_PKG_VERSION"));
    Ok(Pipeline { name, model: "tiny.en, base when unsure".to_owned(), turns })
}

async fn turn(server: &FrontDoor, exchange: &Exchange, clip: &Clip) -> anyhow::Result<Turn> {
    let conditions = Conditions::default();
    let mut talker = Talker::place(exchange, &server.uri, "anonymous", &conditions).await?;
    // Greeting and disclosure.
    while talker.hear_out(GAP, GAP * 2).await? != TheirTurn::Silent {}
    let (began, cpu_s) = (Instant::now(), server.usage()?.cpu_s);
    let answer = match talker.say(&clip.said, WAIT).await {
        Err(TalkError::HungUp) => Answer::Silent,
        answer => answer?,
    };
    if matches!(answer, Answer::Answered { .. }) {
        // The answer may be the end of the call.
        match talker.hear_out(GAP, WAIT).await {
            Ok(_) | Err(TalkError::HungUp) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let cpu_s = server.usage()?.cpu_s - cpu_s;
    talker.hang_up().await;
    let outcome = match answer {
        Answer::Answered { latency } => Outcome::Answered { latency_s: latency.as_secs_f64() },
        Answer::CutOff { left } => Outcome::CutOff { left_s: left.as_secs_f64() },
        Answer::Silent => Outcome::Silent,
    };
    Ok(Turn { outcome, cpu_s, wall_s: began.elapsed().as_secs_f64(), text: String::new() })
}
