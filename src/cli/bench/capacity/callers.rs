//! Callers who talk for as long as a step takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cli::bench::load::Failures;
use crate::cli::bench::talker::{
    Answer, Conditions, Exchange, HeardStats, Said, TalkError, Talker,
};

/// After so much silence they have had their say.
const THEIR_GAP: Duration = Duration::from_millis(900);
/// The longest that they are waited for.
const WAIT: Duration = Duration::from_secs(10);
/// When somebody who was refused tries again: what the front door asks for.
const RETRY: Duration = Duration::from_secs(10);
/// When a call is placed again that has ended.
const AGAIN: Duration = Duration::from_secs(1);
/// What SIP calls full.
const BUSY: u16 = 503;

/// What became of one caller's calls.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Calls that were answered.
    pub answered: u64,
    /// From their last voiced sample to the first of the answer.
    pub latencies_ms: Vec<f64>,
    /// Turns that were answered before they were over.
    pub cut_offs: u64,
    /// Turns after which nothing was said.
    pub unanswered: u64,
    /// Calls that were refused because there were too many.
    pub refused: u64,
    /// Calls that failed otherwise, by what was wrong.
    pub failed: Failures,
    pub heard: HeardStats,
    /// How long the caller spoke,
    pub spoke: Duration,
    /// and how long there was a call.
    pub in_call: Duration,
}

impl Outcome {
    /// Both together.
    pub fn and(mut self, other: Self) -> Self {
        self.answered += other.answered;
        self.latencies_ms.extend(other.latencies_ms);
        self.cut_offs += other.cut_offs;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        for (what, count) in other.failed {
            *self.failed.entry(what).or_default() += count;
        }
        self.add_heard(other.heard);
        self.spoke += other.spoke;
        self.in_call += other.in_call;
        self
    }

    fn add_heard(&mut self, heard: HeardStats) {
        self.heard.packets += heard.packets;
        self.heard.lost += heard.lost;
        self.heard.late += heard.late;
        self.heard.gap_max_ms = self.heard.gap_max_ms.max(heard.gap_max_ms);
    }

    fn note_failure(&mut self, error: &TalkError) {
        *self.failed.entry(error.to_string()).or_default() += 1;
    }
}

/// Somebody who calls, and calls again, until the time is over.
pub(super) struct Caller {
    pub exchange: Exchange,
    pub uri: String,
    /// Of all callers of a step; decides what is said first, and from which number.
    pub index: usize,
    pub said: Arc<Vec<Said>>,
    pub conditions: Conditions,
    pub until: Instant,
}

impl Caller {
    /// Calls until the time is over.
    pub async fn run(self) -> Outcome {
        let mut outcome = Outcome::default();
        // Not all of them say the same at the same time.
        let mut next = self.index * 3;
        while Instant::now() < self.until {
            let from = format!("+1555010{:04}", self.index);
            let placed = Talker::place(&self.exchange, &self.uri, &from, &self.conditions).await;
            match placed {
                Ok(talker) => {
                    outcome.answered += 1;
                    self.talk(talker, &mut next, &mut outcome).await;
                    self.pause(AGAIN).await;
                }
                Err(TalkError::Refused { status: BUSY, .. }) => {
                    outcome.refused += 1;
                    self.pause(RETRY).await;
                }
                Err(error) => {
                    outcome.note_failure(&error);
                    self.pause(AGAIN).await;
                }
            }
        }
        outcome
    }

    async fn pause(&self, length: Duration) {
        sleep(length.min(self.until.saturating_duration_since(Instant::now()))).await;
    }

    /// One call. That the front door ends it, with a goodbye or with somebody who will call back, is
    /// no failure.
    async fn talk(&self, mut talker: Talker, next: &mut usize, outcome: &mut Outcome) {
        let answered = talker.answered();
        let ended = self.turns(&mut talker, next, outcome).await;
        outcome.in_call += answered.elapsed();
        if let Err(error) = ended
            && error != TalkError::HungUp
        {
            outcome.note_failure(&error);
        }
        outcome.add_heard(talker.hang_up().await);
    }

    async fn turns(
        &self,
        talker: &mut Talker,
        next: &mut usize,
        outcome: &mut Outcome,
    ) -> Result<(), TalkError> {
        talker.hear_out(THEIR_GAP, WAIT).await?;
        while Instant::now() < self.until {
            let said = &self.said[*next % self.said.len()];
            *next += 1;
            match talker.say(said, WAIT).await? {
                Answer::Answered { latency } => {
                    outcome.spoke += said.length();
                    outcome.latencies_ms.push(latency.as_secs_f64() * 1_000.0);
                }
                Answer::CutOff { left } => {
                    outcome.spoke += said.length().saturating_sub(left);
                    outcome.cut_offs += 1;
                }
                Answer::Silent => {
                    outcome.spoke += said.length();
                    outcome.unanswered += 1;
                }
            }
            talker.hear_out(THEIR_GAP, WAIT).await?;
        }
        Ok(())
    }
}
