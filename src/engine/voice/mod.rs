//! Text to speech: written sentences to telephone sound, clause by clause.
//!
//! `normalise` -> `clauses` -> (cache or) `espeak` -> `piper` -> `downsample` -> `levels`.
//! It decides nothing: what is said, and whether it goes on, is the caller's business. A sentence
//! is cancelled by dropping its [`SpeechStream`].

mod abbreviations;
mod cache;
mod clauses;
mod dates;
mod downsample;
mod error;
mod espeak;
mod levels;
mod normalise;
mod numbers;
mod piper;
mod pool;
mod renderer;
mod tokens;
mod written;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::audio::SampleRate;
use crate::base::Pii;

pub use crate::engine::Urgency;
pub use clauses::{Clause, Ending, split};
pub use error::VoiceError;
pub use normalise::{TEXT_BYTES_MAX, normalise};

use cache::Cache;
use piper::{Piper, Standing};
use pool::{Haste, Item, Job, Place, Progress, Shared, work, work_in_background};
use renderer::Renderer;

/// Said once at the start, so that the first caller doesn't pay for cold memory.
const WARM_UP: &str = "Hello, how can I help you?";

/// What a voice needs.
#[derive(Debug, Clone)]
pub struct VoiceConfig {
    /// The Piper model (`.onnx`).
    pub model: PathBuf,
    /// Its description (`.onnx.json`).
    pub model_config: PathBuf,
    /// The phonemiser: `espeak-ng`, or its path.
    pub espeak: String,
    /// The rate of the sound that comes out.
    pub rate: SampleRate,
    /// Where rendered fixed sentences are kept; `None`: only in memory.
    pub cache_dir: Option<PathBuf>,
    /// Most bytes in that folder; the oldest sentences leave first.
    pub cache_bytes_max: u64,
    /// Most sentences waiting or being rendered; the next one is refused.
    pub queue_len_max: usize,
    /// Words and how they are said.
    pub said_as: Vec<(String, String)>,
    /// Threads that render for callers; each takes a core while somebody waits. At least 1.
    pub workers: usize,
}

/// Whether rendered clauses of a text may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cacheable {
    /// The same for every caller: kept in memory and on disk.
    Fixed,
    /// Holds something about a caller: never written to disk; in memory only the clauses that
    /// tell no number and spell nothing.
    Personal,
}

/// Something to say.
#[derive(Debug, Clone)]
pub struct SpeakRequest {
    /// As written: `Your balance is $12.50.`
    pub text: Pii<String>,
    /// Whether it may be kept.
    pub cacheable: Cacheable,
    /// How soon it is needed.
    pub urgency: Urgency,
}

impl SpeakRequest {
    /// Something that a caller waits for.
    pub const fn new(text: Pii<String>, cacheable: Cacheable) -> Self {
        Self { text, cacheable, urgency: Urgency::TurnOver }
    }
}

/// How the voice fares. Totals are since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VoiceHealth {
    /// Times the phonemiser had to be started again.
    pub espeak_restarts: u64,
    /// Sentences waiting or being rendered now.
    pub queued: usize,
    /// Clauses waiting for prerendering now.
    pub prerender_queued: usize,
    /// Clauses not prerendered because too many waited.
    pub prerender_dropped: u64,
    /// Clauses that could not be rendered.
    pub failures: u64,
    /// Sentences refused because too many waited.
    pub overloaded: u64,
    /// Sentences that nobody waited for yet, dropped to make room for one that somebody did.
    pub shed: u64,
    /// Sentences given up by their callers while they waited.
    pub cancelled: u64,
    /// Clauses rendered.
    pub clauses: u64,
    /// Speech rendered, in seconds.
    pub rendered_s: f64,
    /// CPU time the model took for it, in seconds.
    pub cpu_s: f64,
    /// Clauses found in memory.
    pub memory_hits: u64,
    /// Clauses found on disk.
    pub disk_hits: u64,
    /// Files of the cache that were damaged or could not be written.
    pub disk_faults: u64,
    /// Phonemes the voice doesn't know, left out.
    pub unknown_phonemes: u64,
}

/// A voice. Clones share it; its threads end when the last one is dropped.
#[derive(Clone)]
pub struct Voice {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    said_as: RwLock<Arc<Vec<(String, String)>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Voice {
    /// Loads the voice, starts its threads and phonemisers, and warms up. Takes a second or two,
    /// on the calling thread.
    ///
    /// # Errors
    /// A file is missing or damaged, the phonemiser can't be started, or the cache folder can't
    /// be used. The message names the file and the fix.
    pub fn start(config: VoiceConfig) -> Result<Self, VoiceError> {
        let piper = Arc::new(Piper::load(&config.model, &config.model_config)?);
        let cache = Cache::open(config.cache_dir.as_deref(), config.cache_bytes_max)?;
        let identity = piper.identity;
        let shared = Arc::new(Shared::new(cache, config.rate, config.queue_len_max, identity));
        // From here on an early return ends the threads already started.
        let inner = Inner { shared, said_as: RwLock::new(Arc::new(config.said_as)) };
        let start_renderer = |standing| {
            let restarts = Arc::clone(&inner.shared.counts.restarts);
            let piper = Arc::clone(&piper);
            Renderer::start(piper, &config.espeak, config.rate, standing, restarts)
        };
        for i in 0..config.workers.max(1) {
            let mut renderer = start_renderer(Standing::Live)?;
            for clause in split(&normalise(WARM_UP, &[])) {
                renderer.render(&clause)?;
            }
            let shared = Arc::clone(&inner.shared);
            spawn(format!("voice-{i}"), move || work(&shared, renderer))?;
        }
        let renderer = start_renderer(Standing::Background)?;
        let shared = Arc::clone(&inner.shared);
        spawn("voice-ahead".to_owned(), move || work_in_background(&shared, renderer))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Says a text. The clauses at its start that were rendered before are there at once (read
    /// from disk on the calling thread if need be, some 50 kB each); the rest is queued.
    ///
    /// # Errors
    /// [`VoiceError::Overloaded`] when too many sentences wait.
    pub fn speak(&self, request: SpeakRequest) -> Result<SpeechStream, VoiceError> {
        let shared = &self.inner.shared;
        let mut clauses = VecDeque::from(self.clauses(request.text.expose()));
        // Bounded by the length of a text; nothing is ever dropped from it.
        let (items, received) = mpsc::channel::<Item>(clauses.len().max(1));
        let mut said = Duration::ZERO;
        while let Some(clause) = clauses.front()
            && let Some(samples) = shared.cached(clause)
        {
            let place = if clauses.len() == 1 { Place::Last } else { Place::Inner };
            let sound = shared.with_pause(&samples, clause, place);
            said += shared.rate.duration_of(sound.len());
            // There is room for every clause, and the receiver is held here.
            let _ = items.try_send(Ok(sound));
            clauses.pop_front();
        }
        let haste = Haste::new(request.urgency);
        if !clauses.is_empty() {
            let due = Instant::now() + said;
            let cacheable = request.cacheable;
            let progress = if said.is_zero() { Progress::NotBegun } else { Progress::Begun };
            let haste = haste.clone();
            shared.push(Job { clauses, cacheable, items, due, progress, haste })?;
        }
        Ok(SpeechStream { items: received, haste })
    }

    /// Says a text and waits for all of it. For tools; it must not be called on an async thread.
    ///
    /// # Errors
    /// As [`Voice::speak`], and whatever befalls a clause.
    pub fn speak_whole(&self, request: SpeakRequest) -> Result<Vec<i16>, VoiceError> {
        let mut stream = self.speak(request)?;
        let mut whole = Vec::new();
        while let Some(item) = stream.items.blocking_recv() {
            whole.extend_from_slice(&item?);
        }
        Ok(whole)
    }

    /// Renders fixed texts ahead, when nobody waits for the voice. What can't wait any more
    /// (4096 clauses do) is dropped and counted.
    pub fn prerender(&self, texts: Vec<String>) {
        let clauses = texts.iter().flat_map(|text| self.clauses(text)).collect();
        self.inner.shared.push_background(clauses);
    }

    /// Replaces how words are said, from the next text on.
    pub fn set_said_as(&self, said_as: Vec<(String, String)>) {
        *self.inner.said_as.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(said_as);
    }

    /// How the voice fares.
    pub fn health(&self) -> VoiceHealth {
        let shared = &self.inner.shared;
        let counts = &shared.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (queued, prerender_queued) = shared.lengths();
        VoiceHealth {
            espeak_restarts: read(&counts.restarts),
            queued,
            prerender_queued,
            prerender_dropped: read(&counts.prerender_dropped),
            failures: read(&counts.failures),
            overloaded: read(&counts.overloaded),
            shed: read(&counts.shed),
            cancelled: read(&counts.cancelled),
            clauses: read(&counts.clauses),
            rendered_s: read(&counts.rendered_samples) as f64 / f64::from(shared.rate.hz()),
            cpu_s: read(&counts.cpu_us) as f64 / 1e6,
            memory_hits: read(&shared.cache.memory_hits),
            disk_hits: read(&shared.cache.disk_hits),
            disk_faults: read(&shared.cache.disk_faults),
            unknown_phonemes: read(&counts.unknown_phonemes),
        }
    }

    /// A text as it will be said.
    fn clauses(&self, text: &str) -> Vec<Clause> {
        let said_as = self.inner.said_as.read().unwrap_or_else(PoisonError::into_inner);
        let said_as = Arc::clone(&said_as);
        split(&normalise(text, &said_as))
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<(), VoiceError> {
    let stopped = |why: std::io::Error| VoiceError::Stopped { why: why.to_string() };
    std::thread::Builder::new().name(name).spawn(work).map(drop).map_err(stopped)
}

/// A text being said: one item per clause, in order, each with the pause behind it. Dropping it
/// cancels what is not rendered yet.
pub struct SpeechStream {
    items: mpsc::Receiver<Item>,
    haste: Haste,
}

impl SpeechStream {
    /// The caller's turn is over: what is not rendered yet goes ahead of what is done ahead.
    pub fn hurry(&self) {
        self.haste.hurry();
    }

    /// The next clause, mono at the configured rate; `None` behind the last one. After an error
    /// nothing more comes.
    pub async fn next(&mut self) -> Option<Result<Arc<[i16]>, VoiceError>> {
        self.items.recv().await
    }

    /// The next clause if it is there already.
    pub fn next_ready(&mut self) -> Option<Result<Arc<[i16]>, VoiceError>> {
        self.items.try_recv().ok()
    }
}

#[cfg(test)]
mod tests;
