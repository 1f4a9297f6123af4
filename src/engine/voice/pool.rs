//! The voice's threads and what waits for them.
//!
//! Sentences are rendered clause by clause. The next clause rendered is always the one whose
//! caller runs out of sound first, so that a new caller's first word doesn't wait for another's
//! tenth. Prerendering has a thread of its own at the lowest priority, which rests while anybody
//! waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use crate::audio::SampleRate;

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
    is_stopping: bool,
}

/// Totals since the start.
#[derive(Default)]
pub(super) struct Counts {
    pub restarts: Arc<AtomicU64>,
    pub failures: AtomicU64,
    pub overloaded: AtomicU64,
    pub cancelled: AtomicU64,
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

    /// Queues a sentence.
    ///
    /// # Errors
    /// Too many wait already: the new one is refused.
    pub fn push(&self, job: Job) -> Result<(), VoiceError> {
        let mut state = self.state();
        if state.is_stopping {
            return Err(VoiceError::Stopped { why: "it was shut down".to_owned() });
        }
        if state.jobs.len() + state.busy >= self.queue_len_max {
            self.drop_cancelled(&mut state);
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

    /// Sentences waiting or being rendered, and clauses waiting for prerendering.
    pub fn lengths(&self) -> (usize, usize) {
        let state = self.state();
        (state.jobs.len() + state.busy, state.background.len())
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
            let first = (0..state.jobs.len()).min_by_key(|&i| state.jobs[i].due);
            if let Some(first) = first {
                state.busy += 1;
                return Some(state.jobs.swap_remove(first));
            }
            self.background_wake.notify_all();
            state = self.live_wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a turn of a sentence; it goes back if it has more clauses.
    fn done(&self, job: Option<Job>) {
        let mut state = self.state();
        state.busy -= 1;
        if let Some(job) = job.filter(|_| !state.is_stopping) {
            state.jobs.push(job);
            self.live_wake.notify_one();
        }
        if state.busy == 0 && state.jobs.is_empty() {
            self.background_wake.notify_all();
        }
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
                return Some(clause);
            }
            state = self.background_wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
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

/// A live worker: renders one clause of the most urgent sentence at a time.
pub(super) fn work(shared: &Shared, mut renderer: Renderer) {
    while let Some(mut job) = shared.next_job() {
        let Some(clause) = job.clauses.pop_front() else {
            shared.done(None);
            continue;
        };
        let place = if job.clauses.is_empty() { Place::Last } else { Place::Inner };
        let item = shared
            .sound(&mut renderer, &clause, job.cacheable)
            .map(|samples| shared.with_pause(&samples, &clause, place));
        // A caller who had no sound left starts to hear this clause now.
        job.due = job.due.max(Instant::now());
        job.due += item.as_ref().map_or(Duration::ZERO, |s| shared.rate.duration_of(s.len()));
        let goes_on = item.is_ok() && place == Place::Inner;
        // Refused only by a receiver that is gone: there is room for every clause.
        let is_heard = job.items.try_send(item).is_ok();
        shared.done((goes_on && is_heard).then_some(job));
    }
}

/// The background worker. A clause that can't be rendered is dropped: it is rendered when it is
/// needed.
pub(super) fn work_in_background(shared: &Shared, mut renderer: Renderer) {
    while let Some(clause) = shared.next_background() {
        // Failures are counted where they happen.
        let _ = shared.sound(&mut renderer, &clause, Cacheable::Fixed);
    }
}
