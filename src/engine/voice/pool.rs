//! The voice's threads and what waits for them.
//!
//! Sentences are rendered clause by clause. The next clause rendered is always the one whose
//! caller runs out of sound first, so that a new caller's first word doesn't wait for another's
//! tenth. What is said ahead, to a caller who may go on, comes behind all of those. Prerendering has a thread of its own at the lowest priority, which rests while anybody
//! waits.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use crate::audio::SampleRate;
use crate::engine::Urgency;

use super::Cacheable;
use super::cache::{Cache, Keep, Key};
use super::clauses::Clause;
use super::error::VoiceError;
use super::renderer::{Renderer, SOUND_VERSION};

/// Clauses that may wait for prerendering; beyond it the newest are dropped and counted.
const PRERENDER_LEN_MAX: usize = 4_096;
/// Silence behind the last clause of a text.
const LAST_PAUSE: Duration = Duration::from_millis(60);

/// A rendered clause with its pause, or why there is none.
pub(super) type Item = Result<Arc<[i16]>, VoiceError>;

/// A sentence that waits for its remaining clauses.
pub(super) struct Job {
    pub clauses: VecDeque<Clause>,
    pub cacheable: Cacheable,
    /// Has room for every clause.
    pub items: Sender<Item>,
    /// When its caller runs out of sound.
    pub due: Instant,
    /// Whether there is sound of it already.
    pub progress: Progress,
    pub haste: Haste,
}

impl Job {
    fn may_be_shed(&self) -> bool {
        self.haste.urgency() != Urgency::TurnOver && self.progress == Progress::NotBegun
    }
}

/// How far a sentence has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It may be given up, and asked for again.
    NotBegun,
    /// Its beginning was handed out.
    Begun,
}

/// How urgent a sentence is, which may change while it waits. Clones share it.
#[derive(Clone)]
pub(super) struct Haste {
    begun_as: Urgency,
    is_hurried: Arc<AtomicBool>,
}

impl Haste {
    pub fn new(urgency: Urgency) -> Self {
        Self { begun_as: urgency, is_hurried: Arc::default() }
    }

    pub fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Relaxed);
    }

    fn urgency(&self) -> Urgency {
        match self.is_hurried.load(Ordering::Relaxed) {
            true => Urgency::TurnOver,
            false => self.begun_as,
        }
    }
}

/// What the threads and the handles share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something is there for a live worker.
    live_wake: Condvar,
    /// Something may be there for the background worker.
    background_wake: Condvar,
    pub cache: Cache,
    pub rate: SampleRate,
    pub queue_len_max: usize,
    voice: [u8; 32],
    pub counts: Counts,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    /// Jobs being rendered now.
    busy: usize,
    background: VecDeque<Clause>,
    /// Clauses being prerendered now.
    background_busy: usize,
    is_stopping: bool,
}

/// Totals since the start.
#[derive(Default)]
pub(super) struct Counts {
    pub restarts: Arc<AtomicU64>,
    pub failures: AtomicU64,
    pub overloaded: AtomicU64,
    pub cancelled: AtomicU64,
    pub shed: AtomicU64,
    pub prerender_dropped: AtomicU64,
    pub clauses: AtomicU64,
    pub rendered_samples: AtomicU64,
    pub cpu_us: AtomicU64,
    pub unknown_phonemes: AtomicU64,
}

impl Shared {
    pub fn new(cache: Cache, rate: SampleRate, queue_len_max: usize, voice: [u8; 32]) -> Self {
        let mut voice = voice;
        // The version takes part in every key.
        voice[..4].iter_mut().zip(SOUND_VERSION.to_le_bytes()).for_each(|(v, s)| *v ^= s);
        Self {
            state: Mutex::default(),
            live_wake: Condvar::new(),
            background_wake: Condvar::new(),
            cache,
            rate,
            queue_len_max,
            voice,
            counts: Counts::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, clause: &Clause) -> Key {
        Key::new(&self.voice, self.rate.hz(), &clause.key_text())
    }

    /// A clause rendered before.
    pub fn cached(&self, clause: &Clause) -> Option<Arc<[i16]>> {
        self.cache.get(self.key(clause))
    }

    /// Sound with the pause that belongs behind it.
    pub fn with_pause(&self, samples: &[i16], clause: &Clause, place: Place) -> Arc<[i16]> {
        let pause = match place {
            Place::Last => LAST_PAUSE,
            Place::Inner => clause.ending.pause(),
        };
        let pause = std::iter::repeat_n(0, self.rate.samples_in(pause));
        samples.iter().copied().chain(pause).collect()
    }

    /// Queues a sentence. Of too many the oldest that nobody waits for yet and that has not begun is
    /// dropped: its stream ends with an error.
    ///
    /// # Errors
    /// Too many wait already, all for callers who wait: the new one is refused.
    pub fn push(&self, job: Job) -> Result<(), VoiceError> {
        let mut state = self.state();
        if state.is_stopping {
            return Err(VoiceError::Stopped { why: "it was shut down".to_owned() });
        }
        if state.jobs.len() + state.busy >= self.queue_len_max {
            self.drop_cancelled(&mut state);
        }
        if state.jobs.len() + state.busy >= self.queue_len_max {
            self.drop_ahead(&mut state);
        }
        let queued = state.jobs.len() + state.busy;
        if queued >= self.queue_len_max {
            self.counts.overloaded.fetch_add(1, Ordering::Relaxed);
            return Err(VoiceError::Overloaded { queued });
        }
        state.jobs.push(job);
        self.live_wake.notify_one();
        Ok(())
    }

    fn drop_cancelled(&self, state: &mut State) {
        let before = state.jobs.len();
        state.jobs.retain(|job| !job.items.is_closed());
        self.counts.cancelled.fetch_add((before - state.jobs.len()) as u64, Ordering::Relaxed);
    }

    fn drop_ahead(&self, state: &mut State) {
        let queued = state.jobs.len() + state.busy;
        let ahead = (0..state.jobs.len())
            .filter(|&at| state.jobs[at].may_be_shed())
            .min_by_key(|&at| state.jobs[at].due);
        if let Some(at) = ahead {
            let job = state.jobs.swap_remove(at);
            self.counts.shed.fetch_add(1, Ordering::Relaxed);
            let _ = job.items.try_send(Err(VoiceError::Overloaded { queued }));
        }
    }

    /// Queues clauses to be rendered when nobody waits.
    pub fn push_background(&self, clauses: Vec<Clause>) {
        let mut state = self.state();
        for clause in clauses {
            if self.cache.contains(self.key(&clause)) || state.background.contains(&clause) {
                continue;
            }
            if state.background.len() >= PRERENDER_LEN_MAX {
                self.counts.prerender_dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            state.background.push_back(clause);
        }
        self.background_wake.notify_all();
    }

    /// Sentences waiting or being rendered, and clauses waiting or being prerendered.
    pub fn lengths(&self) -> (usize, usize) {
        let state = self.state();
        (state.jobs.len() + state.busy, state.background.len() + state.background_busy)
    }

    /// Lets the threads end after the clause they are at.
    pub fn stop(&self) {
        let mut state = self.state();
        state.is_stopping = true;
        // Their streams end; nobody waits for sound that never comes.
        state.jobs.clear();
        state.background.clear();
        self.live_wake.notify_all();
        self.background_wake.notify_all();
    }

    /// The most urgent sentence; waits for one. `None` when it is time to end.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.is_stopping {
                return None;
            }
            self.drop_cancelled(&mut state);
            let when = |i: &usize| (state.jobs[*i].haste.urgency(), state.jobs[*i].due);
            let first = (0..state.jobs.len()).min_by_key(when);
            if let Some(first) = first {
                state.busy += 1;
                return Some(state.jobs.swap_remove(first));
            }
            self.background_wake.notify_all();
            state = self.live_wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a turn of a sentence. One that is over ends its stream only here, so that whoever
    /// sees the end finds it no longer counted.
    fn done(&self, job: Job, outcome: Outcome) {
        let mut state = self.state();
        state.busy -= 1;
        let mut over = Some(job);
        if outcome == Outcome::GoesOn && !state.is_stopping {
            state.jobs.extend(over.take());
            self.live_wake.notify_one();
        }
        if state.busy == 0 && state.jobs.is_empty() {
            self.background_wake.notify_all();
        }
        drop(state);
        drop(over);
    }

    /// The next clause to prerender; waits while a caller does. `None` when it is time to end.
    fn next_background(&self) -> Option<Clause> {
        let mut state = self.state();
        loop {
            if state.is_stopping {
                return None;
            }
            let is_idle = state.jobs.is_empty() && state.busy == 0;
            if let Some(clause) = state.background.pop_front_if(|_| is_idle) {
                state.background_busy = 1;
                return Some(clause);
            }
            state = self.background_wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a turn of prerendering.
    fn background_done(&self) {
        self.state().background_busy = 0;
        self.background_wake.notify_all();
    }

    /// Waits until nothing is left to prerender.
    #[cfg(test)]
    pub fn wait_for_background(&self) {
        let is_at_it =
            |state: &mut State| !state.background.is_empty() || state.background_busy > 0;
        drop(self.background_wake.wait_while(self.state(), is_at_it));
    }

    /// Renders a clause, from the cache if it is there, and keeps it if it may be kept.
    fn sound(
        &self,
        renderer: &mut Renderer,
        clause: &Clause,
        cacheable: Cacheable,
    ) -> Result<Arc<[i16]>, VoiceError> {
        let key = self.key(clause);
        if let Some(samples) = self.cache.get(key) {
            return Ok(samples);
        }
        let sound = renderer.render(clause).inspect_err(|_| {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
        })?;
        let counts = &self.counts;
        counts.clauses.fetch_add(1, Ordering::Relaxed);
        counts.rendered_samples.fetch_add(sound.samples.len() as u64, Ordering::Relaxed);
        counts.cpu_us.fetch_add(sound.cpu.as_micros() as u64, Ordering::Relaxed);
        counts.unknown_phonemes.fetch_add(sound.unknown as u64, Ordering::Relaxed);
        match cacheable {
            Cacheable::Fixed => self.cache.put(key, &sound.samples, Keep::MemoryAndDisk),
            Cacheable::Personal if !clause.has_figures() => {
                self.cache.put(key, &sound.samples, Keep::MemoryOnly);
            }
            Cacheable::Personal => {}
        }
        Ok(sound.samples)
    }
}

/// Where a clause stands in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Inner,
    Last,
}

/// Whether a sentence has more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    GoesOn,
    Over,
}

/// A live worker: renders one clause of the most urgent sentence at a time.
pub(super) fn work(shared: &Shared, mut renderer: Renderer) {
    while let Some(mut job) = shared.next_job() {
        let Some(clause) = job.clauses.pop_front() else {
            shared.done(job, Outcome::Over);
            continue;
        };
        let place = if job.clauses.is_empty() { Place::Last } else { Place::Inner };
        let item = sound(shared, &mut renderer, &clause, job.cacheable)
            .map(|samples| shared.with_pause(&samples, &clause, place));
        // A caller who had no sound left starts to hear this clause now.
        job.due = job.due.max(Instant::now());
        job.progress = Progress::Begun;
        job.due += item.as_ref().map_or(Duration::ZERO, |s| shared.rate.duration_of(s.len()));
        let has_more = item.is_ok() && place == Place::Inner;
        // Refused only by a receiver that is gone: there is room for every clause.
        let is_heard = job.items.try_send(item).is_ok();
        let outcome = if has_more && is_heard { Outcome::GoesOn } else { Outcome::Over };
        shared.done(job, outcome);
    }
}

/// The background worker. A clause that can't be rendered is dropped: it is rendered when it is
/// needed.
pub(super) fn work_in_background(shared: &Shared, mut renderer: Renderer) {
    while let Some(clause) = shared.next_background() {
        // Failures are counted where they happen.
        let _ = sound(shared, &mut renderer, &clause, Cacheable::Fixed);
        shared.background_done();
    }
}

/// One clause. A panic in it is the end of this clause, not of the worker.
fn sound(
    shared: &Shared,
    renderer: &mut Renderer,
    clause: &Clause,
    cacheable: Cacheable,
) -> Result<Arc<[i16]>, VoiceError> {
    let run = AssertUnwindSafe(|| shared.sound(renderer, clause, cacheable));
    catch_unwind(run).unwrap_or_else(|_| {
        shared.counts.failures.fetch_add(1, Ordering::Relaxed);
        Err(VoiceError::Render { why: "it panicked".to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::engine::voice::clauses::split;

    fn shared(queue_len_max: usize) -> Shared {
        let cache = Cache::open(None, 0).unwrap();
        Shared::new(cache, SampleRate::HZ_8000, queue_len_max, [0; 32])
    }

    fn job(text: &str, due: Instant) -> (Job, Receiver<Item>) {
        let (items, received) = channel(8);
        let clauses = split(text).into();
        let haste = Haste::new(Urgency::TurnOver);
        let progress = Progress::NotBegun;
        (Job { clauses, cacheable: Cacheable::Personal, items, due, progress, haste }, received)
    }

    fn ahead(text: &str, due: Instant) -> (Job, Receiver<Item>) {
        let (job, received) = job(text, due);
        (Job { haste: Haste::new(Urgency::Speculative), ..job }, received)
    }

    fn text(job: &Job) -> String {
        job.clauses.front().map(Clause::key_text).unwrap_or_default()
    }

    #[test]
    fn whoever_runs_out_of_sound_first_is_next() {
        let shared = shared(8);
        let now = Instant::now();
        let ahead = now + Duration::from_secs(2);
        let (heard, _a) = job("Has sound for two seconds.", ahead);
        let (waits, _b) = job("Hears nothing yet.", now);
        let (gone, receiver) = job("Hung up.", now - Duration::from_secs(1));
        drop(receiver);
        for job in [heard, waits, gone] {
            shared.push(job).unwrap();
        }
        let first = shared.next_job().unwrap();
        assert_eq!(text(&first), "Hears nothing yet.");
        let second = shared.next_job().unwrap();
        assert_eq!(text(&second), "Has sound for two seconds.");
        assert_eq!(shared.counts.cancelled.load(Ordering::Relaxed), 1);
        assert_eq!(shared.lengths().0, 2);
        shared.done(first, Outcome::Over);
        shared.done(second, Outcome::GoesOn);
        assert_eq!(shared.lengths().0, 1);
    }

    #[test]
    fn a_full_queue_refuses_but_makes_room_for_the_cancelled() {
        let shared = shared(2);
        let now = Instant::now();
        let (one, _a) = job("One.", now);
        let (two, receiver) = job("Two.", now);
        let (three, _c) = job("Three.", now);
        let (four, _d) = job("Four.", now);
        shared.push(one).unwrap();
        shared.push(two).unwrap();
        assert_eq!(shared.push(three).err(), Some(VoiceError::Overloaded { queued: 2 }));
        drop(receiver);
        shared.push(four).unwrap();
        assert_eq!(shared.counts.overloaded.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_said_ahead_waits_until_it_is_hurried_and_makes_room() {
        let shared = shared(3);
        let now = Instant::now();
        let (guess, mut guessed) = ahead("A guess.", now);
        let (hurried, _b) = ahead("Was a guess.", now + Duration::from_secs(1));
        let haste = hurried.haste.clone();
        let (later, _c) = job("Hears something yet.", now + Duration::from_secs(2));
        for job in [guess, hurried, later] {
            shared.push(job).unwrap();
        }
        haste.hurry();
        let first = shared.next_job().unwrap();
        assert_eq!(text(&first), "Was a guess.");
        shared.done(first, Outcome::Over);
        let second = shared.next_job().unwrap();
        assert_eq!(text(&second), "Hears something yet.");
        // Two places are taken, by the guess and by what is being rendered.
        let (one, _d) = job("One.", now);
        let (two, _e) = job("Two.", now);
        shared.push(one).unwrap();
        assert!(guessed.try_recv().is_err());
        shared.push(two).unwrap();
        assert!(matches!(guessed.try_recv(), Ok(Err(VoiceError::Overloaded { .. }))));
        assert_eq!(shared.counts.shed.load(Ordering::Relaxed), 1);
        let (three, _f) = ahead("A guess too many.", now);
        assert!(matches!(shared.push(three), Err(VoiceError::Overloaded { .. })));
    }

    #[test]
    fn prerendering_is_bounded_and_ends_with_the_voice() {
        let shared = shared(2);
        let clause = |i: usize| split(&format!("text{i}")).remove(0);
        shared.push_background((0..PRERENDER_LEN_MAX + 3).map(clause).collect());
        shared.push_background(vec![clause(0)]);
        assert_eq!(shared.lengths().1, PRERENDER_LEN_MAX);
        assert_eq!(shared.counts.prerender_dropped.load(Ordering::Relaxed), 3);
        assert_eq!(shared.next_background(), Some(clause(0)));
        shared.background_done();
        shared.stop();
        assert_eq!(shared.next_background(), None);
        assert!(shared.next_job().is_none());
        let (late, _receiver) = job("Late.", Instant::now());
        assert!(matches!(shared.push(late), Err(VoiceError::Stopped { .. })));
    }

    #[test]
    fn prerendering_rests_while_a_caller_waits() {
        let shared = Arc::new(shared(2));
        let (live, _receiver) = job("Live.", Instant::now());
        shared.push(live).unwrap();
        shared.push_background(split("Ahead."));
        let order = Arc::new(Mutex::new(Vec::new()));
        let background = {
            let (shared, order) = (Arc::clone(&shared), Arc::clone(&order));
            std::thread::spawn(move || {
                let clause = shared.next_background();
                order.lock().unwrap().push("ahead");
                assert!(clause.is_some());
            })
        };
        let job = shared.next_job().unwrap();
        order.lock().unwrap().push("live");
        shared.done(job, Outcome::Over);
        background.join().unwrap();
        assert_eq!(*order.lock().unwrap(), ["live", "ahead"]);
    }
}
