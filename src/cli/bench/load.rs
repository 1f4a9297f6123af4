//! Many calls: so many a second, or so many at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::caller::{Caller, Failure};
use crate::cli::eval::percentile;

/// How far behind its plan a rate may be and still be called sustained, in percent.
const BEHIND_MAX_PERCENT: f64 = 5.0;

/// Pause between two calls that are to be held: far below any rate that is a load.
const HOLD_PACE: Duration = Duration::from_millis(40);

/// Failed calls by what was wrong with them.
pub(super) type Failures = BTreeMap<String, u64>;

/// How one rate of new calls went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RateStep {
    /// New calls a second that were to be placed.
    pub per_second: u32,
    /// New calls a second that were placed.
    pub placed_per_second: f64,
    /// Calls that were placed.
    pub placed: u64,
    /// Calls that were not answered, not heard or not ended as they should.
    pub failed: Failures,
    /// From INVITE to answer.
    pub answered_ms_p50: u64,
    /// The same for all but the slowest 5 %.
    pub answered_ms_p95: u64,
}

impl RateStep {
    /// Whether every call went well, and as many were placed as were to be.
    pub fn is_sustained(&self) -> bool {
        let least = f64::from(self.per_second) * (1.0 - BEHIND_MAX_PERCENT / 100.0);
        self.failed.is_empty() && self.placed_per_second >= least
    }
}

/// Places so many calls a second for so long. Each is good if it is answered, hears our tone come
/// back, and is hung up.
pub(super) async fn at_rate(
    caller: &Arc<Caller>,
    per_second: u32,
    length: Duration,
    bar: &ProgressBar,
) -> RateStep {
    let count = (f64::from(per_second) * length.as_secs_f64()).round().max(1.0) as u64;
    let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    let began = Instant::now();
    let (mut failed, mut answered_ms) = (Failures::new(), Vec::new());
    for _ in 0..count {
        ticks.tick().await;
        let caller = Arc::clone(caller);
        calls.spawn(async move { short_call(&caller).await });
        bar.inc(1);
        while let Some(ended) = calls.try_join_next() {
            note(ended, &mut answered_ms, &mut failed);
        }
    }
    // The last call was placed one pause before the end of its second.
    let took_s = began.elapsed().as_secs_f64() + 1.0 / f64::from(per_second.max(1));
    while let Some(ended) = calls.join_next().await {
        note(ended, &mut answered_ms, &mut failed);
    }
    answered_ms.sort_unstable();
    RateStep {
        per_second,
        placed_per_second: count as f64 / took_s,
        placed: count,
        failed,
        answered_ms_p50: percentile(&answered_ms, 50),
        answered_ms_p95: percentile(&answered_ms, 95),
    }
}

fn note(
    ended: Result<Result<u64, Failure>, tokio::task::JoinError>,
    answered_ms: &mut Vec<u64>,
    failed: &mut Failures,
) {
    match ended {
        Ok(Ok(ms)) => answered_ms.push(ms),
        Ok(Err(failure)) => *failed.entry(failure.to_string()).or_default() += 1,
        Err(error) => *failed.entry(error.to_string()).or_default() += 1,
    }
}

/// A call that ends as soon as our tone has come back; gives the ms until it was answered.
async fn short_call(caller: &Caller) -> Result<u64, Failure> {
    let began = Instant::now();
    let mut call = caller.place().await?;
    let answered_ms = began.elapsed().as_millis() as u64;
    call.until_heard().await?;
    call.hang_up().await;
    Ok(answered_ms)
}

/// Calls that go on until they are ended.
pub(super) struct Held {
    calls: JoinSet<Result<bool, Failure>>,
    stop: CancellationToken,
    count: usize,
    /// Where the audio of each goes.
    pub media_addresses: Vec<SocketAddr>,
}

/// Places so many calls, which stay.
///
/// # Errors
/// One of them failed.
pub(super) async fn hold(
    caller: &Arc<Caller>,
    count: usize,
    bar: &ProgressBar,
) -> anyhow::Result<Held> {
    let stop = CancellationToken::new();
    let (up, mut ups) = mpsc::channel(count.max(1));
    let mut calls: JoinSet<Result<bool, Failure>> = JoinSet::new();
    let mut pace = interval(HOLD_PACE);
    for _ in 0..count {
        pace.tick().await;
        let (caller, up, stop) = (Arc::clone(caller), up.clone(), stop.clone());
        calls.spawn(async move {
            let mut call = caller.place().await?;
            call.until_heard().await?;
            _ = up.send(call.media_address).await;
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    frame = call.frame() => frame?,
                }
            }
            let hears = call.hears_tone();
            call.hang_up().await;
            Ok(hears)
        });
        bar.inc(1);
    }
    let mut media_addresses = Vec::new();
    while media_addresses.len() < count {
        tokio::select! {
            Some(address) = ups.recv() => media_addresses.push(address),
            Some(ended) = calls.join_next() => match ended? {
                Ok(_) => bail!("a call ended before it was to"),
                Err(failure) => bail!("a call of {count}: {failure}"),
            },
        }
    }
    Ok(Held { calls, stop, count, media_addresses })
}

impl Held {
    /// Ends them all; says how many of them heard their tone to the last.
    ///
    /// # Errors
    /// One of them was cut off.
    pub async fn end(mut self) -> anyhow::Result<usize> {
        self.stop.cancel();
        let (mut hear, mut failed) = (0, Failures::new());
        while let Some(ended) = self.calls.join_next().await {
            match ended? {
                Ok(hears) => hear += usize::from(hears),
                Err(failure) => *failed.entry(failure.to_string()).or_default() += 1,
            }
        }
        if failed.is_empty() {
            return Ok(hear);
        }
        Err(anyhow!("of {} calls some were cut off: {}", self.count, words_of(&failed)))
    }
}

/// `3 no answer within 5 s, 1 refused with 503 Service Unavailable`.
pub(super) fn words_of(failures: &Failures) -> String {
    let words = failures.iter().map(|(failure, count)| format!("{count} {failure}"));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_as_sustained_without_failure_and_in_time_only() {
        let step = RateStep {
            per_second: 100,
            placed_per_second: 99.0,
            placed: 500,
            failed: Failures::new(),
            answered_ms_p50: 1,
            answered_ms_p95: 2,
        };
        assert!(step.is_sustained());
        assert!(!RateStep { placed_per_second: 94.0, ..step.clone() }.is_sustained());
        let mut failed = Failures::new();
        note(Ok(Err(Failure::NoAnswer)), &mut Vec::new(), &mut failed);
        note(Ok(Err(Failure::NoAnswer)), &mut Vec::new(), &mut failed);
        note(Ok(Ok(3)), &mut Vec::new(), &mut failed);
        assert_eq!(words_of(&failed), "2 no answer within 5 s");
        assert!(!RateStep { failed, ..step }.is_sustained());
    }
}
