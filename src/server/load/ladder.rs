//! How much is done for callers, step by step: down quickly, up slowly. Pure: it is told the time and
//! what was measured.
//!
//! ```text
//!  Full ─▶ NoSpeculation ─▶ SmallHearing ─▶ KeypadMenu ─▶ StraightToPeople ─▶ no new calls
//!       ◀─               ◀─              ◀─            ◀─                  ◀─
//!  ─▶ too much for DOWN_AFTER, and at least DOWN_HOLD since the step before
//!  ◀─ calm for UP_AFTER, times the patience that was learned
//! ```
//! Below SmallHearing callers notice: those steps are taken only where it is us who take the machine,
//! or where the recogniser is out of reach. Beside a program that takes it for a while, answers are late,
//! and a menu of keys or a refusal would make nothing better.
//!
//! A step up that is soon taken back doubles the wait before the next one: between two steps of which
//! one is too much and the other is not, it goes to and fro ever more seldom.

use std::fmt;
use std::time::{Duration, Instant};

use crate::base::Effort;

/// For so long it has to be too much before less is done.
pub(super) const DOWN_AFTER: Duration = Duration::from_secs(1);
/// A step has so long to help before the next one down.
pub(super) const DOWN_HOLD: Duration = Duration::from_secs(2);
/// For so long it has to be calm before more is done.
pub(super) const UP_AFTER: Duration = Duration::from_secs(10);
/// A step down so soon after one up takes that one back.
const RELAPSE: Duration = Duration::from_secs(30);
/// The most that [`UP_AFTER`] is multiplied by.
pub(super) const PATIENCE_MAX: u32 = 8;
/// Without a step down for so long, what was learned about patience is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(5 * 60);

/// A caller who waits for so long for the recogniser to begin waits too long.
const HEARING_WAIT_MAX: Duration = Duration::from_millis(400);
/// A wait that is nothing to speak of: one short utterance of somebody else.
const HEARING_WAIT_CALM: Duration = Duration::from_millis(150);
/// Of all frames of calls, so many late ones are heard.
const LATE_MAX: f64 = 0.05;
/// So few are not.
const LATE_CALM: f64 = 0.01;
/// From this share of the machine on, slow answers are put down to its being busy. On an idle one
/// there is nothing that doing less could help.
const BUSY: f64 = 0.6;
/// Whoever waits for so long for the recogniser is not heard, whatever the cause.
const HEARING_WAIT_HOPELESS: Duration = Duration::from_secs(2);
/// From this share of the machine on, taken by us all the time, it is our callers who are too many.
const OURS_MIN: f64 = 0.4;
/// What we take goes up and down with each sentence that is made out; it is looked at over about this time.
const OURS_OVER: Duration = Duration::from_secs(5);
/// Up to this share of it, what we take leaves room for the next step up.
const CPU_CALM: f64 = 0.8;
/// Of the longest latency: below it, it is calm.
const LATENCY_CALM: f64 = 0.8;

/// What was measured lately.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::server) struct Measured {
    /// 95th percentile of how long callers waited for an answer, as far as that is work of this
    /// machine; `None` with too few turns since the last step to tell.
    pub latency_p95: Option<Duration>,
    /// How long the request has waited that waits longest for the recogniser.
    pub hearing_wait: Duration,
    /// Share of the cores that this process took, 0 to 1.
    pub cpu_ours: f64,
    /// Share of them that everybody took.
    pub cpu_machine: f64,
    /// Share of the frames of calls that came too late.
    pub late_ticks: f64,
}

/// What is too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::server) enum Cause {
    /// Callers wait for the recogniser.
    Hearing(Duration),
    /// Frames are late.
    LateTicks(f64),
    /// Answers take too long, and the machine is busy.
    Latency(Duration),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hearing(wait) => {
                write!(f, "somebody has waited {} ms for the recogniser", wait.as_millis())
            }
            Self::LateTicks(share) => write!(f, "{:.0} % of frames were late", share * 100.0),
            Self::Latency(p95) => {
                write!(f, "one answer of twenty took {} ms or more", p95.as_millis())
            }
        }
    }
}

/// How it stands with what was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pressure {
    TooMuch(Cause),
    /// Neither: things stay as they are.
    Some,
    Calm,
}

/// What the configuration sets.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct LadderConfig {
    /// The 95th percentile of latencies is not to exceed it.
    pub latency_p95_max: Duration,
    /// No less is done than this.
    pub least: Effort,
}

/// A step that was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::server) enum Change {
    /// Less is done from now on, because of this.
    Down(Cause),
    /// More is done from now on.
    Up,
}

/// Where we are on the ladder.
#[derive(Debug)]
pub(in crate::server) struct LoadLadder {
    config: LadderConfig,
    effort: Effort,
    /// It is too much even with the least effort: nobody else is let in.
    refuses: bool,
    changed_at: Instant,
    last_up: Option<Instant>,
    last_down: Option<Instant>,
    too_much_since: Option<Instant>,
    calm_since: Option<Instant>,
    /// What [`UP_AFTER`] is multiplied by.
    patience: u32,
    /// The share of the cores that we take, over [`OURS_OVER`], and when it was looked at last.
    ours: f64,
    looked_at: Instant,
}

impl LoadLadder {
    pub fn new(config: LadderConfig, now: Instant) -> Self {
        Self {
            config,
            effort: Effort::Full,
            refuses: false,
            changed_at: now,
            last_up: None,
            last_down: None,
            too_much_since: None,
            calm_since: None,
            patience: 1,
            ours: 0.0,
            looked_at: now,
        }
    }

    /// How much is done for callers.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Whether no call is let in.
    pub fn refuses(&self) -> bool {
        self.refuses
    }

    /// When the last step was taken: what was measured before it says nothing about it.
    pub fn changed_at(&self) -> Instant {
        self.changed_at
    }

    /// Whether it has been too much since the last time that it was not.
    pub fn is_pressed(&self) -> bool {
        self.too_much_since.is_some()
    }

    /// Takes what was measured; gives the step that was taken because of it. To be called a few times
    /// a second.
    pub fn handle(&mut self, now: Instant, measured: &Measured) -> Option<Change> {
        self.note_ours(now, measured.cpu_ours);
        let pressure = self.pressure_of(measured);
        let begun = |since: Option<Instant>| Some(since.unwrap_or(now));
        self.too_much_since =
            begun(self.too_much_since).filter(|_| matches!(pressure, Pressure::TooMuch(_)));
        self.calm_since = begun(self.calm_since).filter(|_| pressure == Pressure::Calm);
        let has_been = |since: Option<Instant>, length: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= length)
        };
        if has_been(self.last_down, FORGET_AFTER) {
            self.patience = 1;
        }
        let settled = now.saturating_duration_since(self.changed_at);
        match pressure {
            Pressure::TooMuch(cause)
                if settled >= DOWN_HOLD
                    && has_been(self.too_much_since, DOWN_AFTER)
                    && self.may_do_less(measured) =>
            {
                self.step_down(now).then_some(Change::Down(cause))
            }
            Pressure::Calm => {
                let wait = UP_AFTER * self.patience;
                let may = settled >= wait && has_been(self.calm_since, wait);
                (may && self.step_up(now)).then_some(Change::Up)
            }
            _ => None,
        }
    }

    fn note_ours(&mut self, now: Instant, share: f64) {
        let passed = now.saturating_duration_since(self.looked_at);
        self.looked_at = now;
        let weight = 1.0 - (-passed.as_secs_f64() / OURS_OVER.as_secs_f64()).exp();
        self.ours += (share - self.ours) * weight;
    }

    /// Whether the next step down can help. What callers do not notice is always worth a try.
    fn may_do_less(&self, measured: &Measured) -> bool {
        let next = self.effort.less().filter(|less| *less <= self.config.least);
        next.is_some_and(Effort::allows_conversation)
            || self.ours >= OURS_MIN
            || measured.hearing_wait >= HEARING_WAIT_HOPELESS
    }

    fn pressure_of(&self, measured: &Measured) -> Pressure {
        let busy = measured.cpu_machine.max(measured.cpu_ours) >= BUSY;
        let latency = measured.latency_p95.filter(|_| busy);
        let max = self.config.latency_p95_max;
        if measured.hearing_wait > HEARING_WAIT_MAX {
            return Pressure::TooMuch(Cause::Hearing(measured.hearing_wait));
        }
        if measured.late_ticks > LATE_MAX {
            return Pressure::TooMuch(Cause::LateTicks(measured.late_ticks));
        }
        if let Some(p95) = latency.filter(|p95| *p95 > max) {
            return Pressure::TooMuch(Cause::Latency(p95));
        }
        let is_calm = measured.hearing_wait <= HEARING_WAIT_CALM
            && measured.late_ticks <= LATE_CALM
            && self.ours <= CPU_CALM
            && latency.is_none_or(|p95| p95 <= max.mul_f64(LATENCY_CALM));
        if is_calm { Pressure::Calm } else { Pressure::Some }
    }

    /// Says whether there was a step.
    fn step_down(&mut self, now: Instant) -> bool {
        let less = self.effort.less().filter(|less| *less <= self.config.least);
        match less {
            Some(less) => self.effort = less,
            None if !self.refuses => self.refuses = true,
            None => return false,
        }
        let relapsed = |up: Instant| now.saturating_duration_since(up) < RELAPSE;
        if self.last_up.is_some_and(relapsed) {
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
        }
        self.last_up = None;
        self.last_down = Some(now);
        self.changed(now);
        true
    }

    /// Says whether there was a step.
    fn step_up(&mut self, now: Instant) -> bool {
        if self.refuses {
            self.refuses = false;
        } else if let Some(more) = self.effort.more() {
            self.effort = more;
        } else {
            return false;
        }
        self.last_up = Some(now);
        self.changed(now);
        true
    }

    fn changed(&mut self, now: Instant) {
        self.changed_at = now;
        self.too_much_since = None;
        self.calm_since = None;
    }
}

#[cfg(test)]
mod tests;
