//! One number of callers at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::callers::{Caller, Outcome};
use crate::base::Effort;
use crate::cli::bench::front_door::FrontDoor;
use crate::cli::bench::load::Failures;
use crate::cli::bench::process::Usage;
use crate::cli::bench::report::Spread;
use crate::cli::bench::talker::{Conditions, Exchange, HeardStats, Said};
use crate::cli::eval::progress_bar;

/// What 95 of 100 answers are not to exceed.
pub(super) const LATENCY_P95_MAX_MS: f64 = 800.0;
/// Callers speak for at least this share of a conversation.
pub(super) const SPEECH_SHARE_MIN_PERCENT: f64 = 35.0;
/// Packets that may be missing on loopback: none are lost there but by us.
const LOST_MAX_PERCENT: f64 = 0.05;
/// Callers of a step come within this time.
const COME_WITHIN: Duration = Duration::from_secs(8);
/// How often the front door is asked how it is.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to be as before a step: its last call ends, and it does everything again.
const CALM_LIMIT: Duration = Duration::from_secs(180);

/// What a step is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub calls: usize,
    pub seconds: u64,
    pub loss_percent: f32,
}

/// How one number of callers at once went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    /// Callers at once.
    pub calls: usize,
    /// Calls that were answered; a caller whose call has ended calls again.
    pub answered: u64,
    /// On the wire, of every turn that was answered.
    pub latencies_ms: Vec<f64>,
    /// Turns that were answered before they were over.
    pub cut_offs: u64,
    /// Turns after which nothing was said.
    pub unanswered: u64,
    /// Calls that were refused because there were too many.
    pub refused: u64,
    /// Calls that failed otherwise.
    pub failed: Failures,
    /// Audio of the front door, as all callers heard it.
    pub heard: HeardStats,
    /// Share of their time in calls that callers spoke.
    pub speech_percent: f64,
    /// The least that was done for callers during the step.
    #[serde(serialize_with = "as_word")]
    pub least_effort: Effort,
    /// Conversations at once that the front door allowed in the end.
    pub conversing_max: f64,
    /// CPU of the front door's process,
    pub front_door_cores: f64,
    /// and of the callers'.
    pub callers_cores: f64,
}

fn as_word<S: serde::Serializer>(effort: &Effort, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(effort.as_str())
}

impl Step {
    /// The usual figures; `None` without turns.
    pub fn latency(&self) -> Option<Spread> {
        Spread::of(&self.latencies_ms)
    }

    /// Packets of the front door that did not come.
    pub fn lost_percent(&self) -> f64 {
        let all = self.heard.packets + self.heard.lost;
        if all == 0 { 0.0 } else { self.heard.lost as f64 * 100.0 / all as f64 }
    }

    /// Whether all went well: answers in time, no audio lost, all callers talked with.
    pub fn holds(&self) -> bool {
        self.latency().is_some_and(|latency| latency.p95 <= LATENCY_P95_MAX_MS)
            && self.lost_percent() <= LOST_MAX_PERCENT
            && self.refused == 0
            && self.failed.is_empty()
            && self.least_effort.allows_conversation()
    }
}

/// Has so many callers talk for so long, once the front door is at rest.
pub(super) async fn run(
    front_door: &FrontDoor,
    exchange: &Exchange,
    said: &Arc<Vec<Said>>,
    wanted: Wanted,
) -> anyhow::Result<Step> {
    await_calm(front_door).await?;
    let before = (front_door.usage()?, Usage::of_us()?);
    let began = Instant::now();
    let until = began + Duration::from_secs(wanted.seconds);
    let mut callers = JoinSet::new();
    for index in 0..wanted.calls {
        let caller = Caller {
            exchange: exchange.clone(),
            uri: front_door.uri.clone(),
            index,
            said: Arc::clone(said),
            conditions: Conditions::losing(wanted.loss_percent, index as u64),
            until,
        };
        let comes_after = COME_WITHIN.mul_f64(index as f64 / wanted.calls as f64);
        callers.spawn(async move {
            sleep(comes_after).await;
            caller.run().await
        });
    }
    let (least_effort, conversing_max) = watch(front_door, wanted, until).await?;
    let (seconds, after) = (began.elapsed().as_secs_f64(), (front_door.usage()?, Usage::of_us()?));
    let mut all = Outcome::default();
    while let Some(outcome) = callers.join_next().await {
        all = all.and(outcome.context("a caller died")?);
    }
    let in_call_s = all.in_call.as_secs_f64();
    Ok(Step {
        calls: wanted.calls,
        answered: all.answered,
        latencies_ms: all.latencies_ms,
        cut_offs: all.cut_offs,
        unanswered: all.unanswered,
        refused: all.refused,
        failed: all.failed,
        heard: all.heard,
        speech_percent: match in_call_s > 0.0 {
            true => all.spoke.as_secs_f64() * 100.0 / in_call_s,
            false => 0.0,
        },
        least_effort,
        conversing_max,
        front_door_cores: (after.0.cpu_s - before.0.cpu_s) / seconds,
        callers_cores: (after.1.cpu_s - before.1.cpu_s) / seconds,
    })
}

/// Asks the front door how it is until the step is over. Gives the least that it did for callers, and
/// how many it would talk with in the end.
async fn watch(
    front_door: &FrontDoor,
    wanted: Wanted,
    until: Instant,
) -> anyhow::Result<(Effort, f64)> {
    let bar = progress_bar(wanted.seconds as usize, "talking");
    let (mut least, mut conversing_max) = (Effort::Full, 0.0);
    while Instant::now() < until {
        sleep(ASK_EVERY.min(until.saturating_duration_since(Instant::now()))).await;
        let told = front_door.metrics().await?;
        let steps = told.value("frontdoor_effort", &[]).unwrap_or(0.0);
        least = least.max(effort_of(steps));
        conversing_max = told.value("frontdoor_calls_conversing_max", &[]).unwrap_or(0.0);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((least, conversing_max))
}

/// By its steps down from everything.
fn effort_of(steps: f64) -> Effort {
    Effort::ALL.into_iter().find(|effort| effort.steps_down() as f64 >= steps).unwrap_or_default()
}

/// Waits until the front door has no calls and does everything for callers.
async fn await_calm(front_door: &FrontDoor) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let told = front_door.metrics().await?;
        let value = |name: &str| told.value(name, &[]).unwrap_or(0.0);
        if value("frontdoor_calls_in_progress") == 0.0 && value("frontdoor_effort") == 0.0 {
            return Ok(());
        }
        if began.elapsed() > CALM_LIMIT {
            bail!(
                "the front door is not at rest after {} s: {} calls, effort {}",
                CALM_LIMIT.as_secs(),
                value("frontdoor_calls_in_progress"),
                effort_of(value("frontdoor_effort"))
            );
        }
        sleep(ASK_EVERY).await;
    }
}
