//! How busy the machine is, and how much is done for callers because of it.
//!
//! Job: measures (here, [`machine`], [`window`]), has it judged ([`ladder`], [`room`], both pure) and
//! tells whoever has to do less: calls, the recogniser, admission, pages, metrics, the log.
//! Non-job: what doing less means, which `call` and `engine` know.

mod ladder;
mod machine;
mod room;
mod told;
mod window;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::base::{CallId, Effort};
use crate::call::TurnTiming;
use crate::config::{CallsConversing, CapacityConfig, Config};
use crate::engine::hearing::{Hearing, SecondModel};
use crate::web::view::LoadView;

use ladder::{Change, LadderConfig, LoadLadder, Measured};
use machine::Machine;
pub(crate) use machine::cpu_s_of;
use room::Room;
use window::Window;

use super::admission::{Admission, Capacity};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A frame of a call that is handled so much after its time is late: the jitter buffer of the other
/// side is used up by then.
const LATE: Duration = Duration::from_millis(40);

/// What calls tell of themselves, and are told. Cheap to clone.
#[derive(Clone)]
pub(super) struct Load(Arc<Inner>);

struct Inner {
    window: Mutex<Window>,
    /// Frames of calls since the start, and those of them that were late.
    ticks: AtomicU64,
    late_ticks: AtomicU64,
    steps_down: AtomicU64,
    steps_up: AtomicU64,
    effort: watch::Sender<Effort>,
    view: watch::Sender<LoadView>,
}

impl Load {
    /// Nothing is known, and everything is done.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            window: Mutex::default(),
            ticks: AtomicU64::new(0),
            late_ticks: AtomicU64::new(0),
            steps_down: AtomicU64::new(0),
            steps_up: AtomicU64::new(0),
            effort: watch::Sender::new(Effort::Full),
            view: watch::Sender::new(LoadView::default()),
        }))
    }

    /// A turn was answered.
    pub fn answered(&self, call: CallId, timing: &TurnTiming) {
        self.window(|window| window.note(Instant::now(), call, timing));
    }

    /// A frame of a call was handled so long after its time.
    pub fn ticked(&self, behind: Duration) {
        self.0.ticks.fetch_add(1, Ordering::Relaxed);
        if behind > LATE {
            self.0.late_ticks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How much is done for callers: as it is now, and each time that it is otherwise.
    pub fn effort(&self) -> watch::Receiver<Effort> {
        let mut effort = self.0.effort.subscribe();
        effort.mark_changed();
        effort
    }

    /// How it stands, from now on.
    pub fn view(&self) -> watch::Receiver<LoadView> {
        self.0.view.subscribe()
    }

    /// How it stands.
    pub fn latest(&self) -> LoadView {
        self.0.view.borrow().clone()
    }

    /// Steps that were taken on the ladder: down and up.
    pub fn steps(&self) -> (u64, u64) {
        (self.0.steps_down.load(Ordering::Relaxed), self.0.steps_up.load(Ordering::Relaxed))
    }

    fn window<T>(&self, look: impl FnOnce(&mut Window) -> T) -> T {
        look(&mut self.0.window.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Looks at the machine and says how much is done.
pub(super) struct Watcher {
    load: Load,
    hearing: Hearing,
    admission: Admission,
    ladder: LoadLadder,
    room: Room,
    machine: Machine,
    ticks_before: (u64, u64),
}

impl Watcher {
    pub fn new(load: Load, config: &Config, hearing: Hearing, admission: Admission) -> Self {
        let now = Instant::now();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let CapacityConfig { latency_p95_max_ms, calls_conversing_max, least_effort } =
            config.capacity;
        let latency_p95_max = Duration::from_millis(latency_p95_max_ms);
        let watcher = Self {
            load,
            hearing,
            admission,
            ladder: LoadLadder::new(LadderConfig { latency_p95_max, least: least_effort }, now),
            room: match calls_conversing_max {
                CallsConversing::Auto => Room::of_cores(cores),
                CallsConversing::AtMost(calls_max) => Room::fixed(calls_max),
            },
            machine: Machine::new(cores, now),
            ticks_before: (0, 0),
        };
        watcher.tell_admission();
        watcher
    }

    /// Goes on until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => self.look(Instant::now()),
            }
        }
    }

    fn look(&mut self, now: Instant) {
        let measured = self.measure(now);
        let change = self.ladder.handle(now, &measured);
        let conversing = self.admission.conversing();
        let effort = self.ladder.effort();
        let calls_max = self.room.calls_max();
        self.room.handle(now, effort, self.ladder.is_pressed(), conversing);
        if self.room.calls_max() != calls_max {
            let now_max = self.room.calls_max();
            tracing::info!(calls_max = now_max, before = calls_max, "conversations at once");
        }
        if let Some(change) = change {
            self.tell(change, &measured, conversing);
        }
        self.tell_admission();
        let view = self.view(&measured, conversing);
        self.load.0.view.send_replace(view);
    }

    fn measure(&mut self, now: Instant) -> Measured {
        let inner = &self.load.0;
        let ticks = inner.ticks.load(Ordering::Relaxed);
        let late = inner.late_ticks.load(Ordering::Relaxed);
        let (ticks_before, late_before) = std::mem::replace(&mut self.ticks_before, (ticks, late));
        let (ticks, late) = (ticks - ticks_before, late - late_before);
        let shares = self.machine.look(now);
        let since = self.ladder.changed_at();
        Measured {
            latency_p95: self.load.window(|window| window.p95(now, since)),
            hearing_wait: self.hearing.stats().oldest_wait,
            cpu_ours: shares.ours,
            cpu_machine: shares.everybody,
            late_ticks: late_share(late, ticks),
        }
    }

    /// A step was taken.
    fn tell(&self, change: Change, measured: &Measured, conversing: usize) {
        let (effort, refuses) = (self.ladder.effort(), self.ladder.refuses());
        let inner = &self.load.0;
        let cpu_percent = (measured.cpu_ours * 100.0).round();
        match change {
            Change::Down(cause) => {
                inner.steps_down.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%effort, refuses, %cause, conversing, cpu_percent, "less is done for callers");
            }
            Change::Up => {
                inner.steps_up.fetch_add(1, Ordering::Relaxed);
                tracing::info!(%effort, refuses, conversing, cpu_percent, "more is done for callers");
            }
        }
        let second = match effort.allows_second_model() {
            true => SecondModel::Asked,
            false => SecondModel::NotAsked,
        };
        self.hearing.set_second(second);
        inner.effort.send_if_modified(|told| std::mem::replace(told, effort) != effort);
    }

    fn tell_admission(&self) {
        self.admission.set_capacity(Capacity {
            effort: self.ladder.effort(),
            refuses: self.ladder.refuses(),
            conversing_max: self.room.calls_max(),
        });
    }

    fn view(&self, measured: &Measured, conversing: usize) -> LoadView {
        let percent = |share: f64| (share * 100.0).round() as u32;
        LoadView {
            effort: self.ladder.effort().as_str().to_owned(),
            refuses_calls: self.ladder.refuses(),
            calls_conversing: conversing,
            calls_conversing_max: self.room.calls_max(),
            latency_p95_ms: measured.latency_p95.map(|p95| p95.as_millis() as u64),
            hearing_wait_ms: measured.hearing_wait.as_millis() as u64,
            cpu_percent: percent(measured.cpu_ours),
            machine_cpu_percent: percent(measured.cpu_machine),
            late_frames_percent: percent(measured.late_ticks),
        }
    }
}

/// Share of so many frames that were late. One alone is none: with a single call it would be 4 %.
fn late_share(late: u64, ticks: u64) -> f64 {
    late.saturating_sub(1) as f64 / ticks.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_told_at_once_how_it_stands_and_then_each_time_that_it_is_otherwise() {
        let load = Load::new();
        load.0.effort.send_replace(Effort::SmallHearing);
        let mut effort = load.effort();
        effort.changed().await.expect("it is told");
        assert_eq!(*effort.borrow_and_update(), Effort::SmallHearing);
        assert!(!effort.has_changed().expect("it is there"));
        load.0.effort.send_replace(Effort::NoSpeculation);
        assert!(effort.has_changed().expect("it is there"));
    }

    #[test]
    fn only_frames_that_the_other_side_misses_are_late() {
        let load = Load::new();
        for behind_ms in [0, 5, 40, 41, 300] {
            load.ticked(Duration::from_millis(behind_ms));
        }
        assert_eq!(load.0.ticks.load(Ordering::Relaxed), 5);
        assert_eq!(load.0.late_ticks.load(Ordering::Relaxed), 2);
        assert_eq!((late_share(0, 0), late_share(1, 25), late_share(3, 25)), (0.0, 0.0, 0.08));
    }
}
