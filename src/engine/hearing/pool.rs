//! The queue and the worker threads.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use whisper_rs::{WhisperContext, WhisperContextParameters};

use super::decode::{Decoder, Listening};
use super::ear::{Ear, Knowledge};
use super::letters::LetterModel;
use super::level::SAMPLES_PER_S;
use super::{
    HearingConfig, HearingError, HearingReply, HearingRequest, HearingStats, NotSubmitted,
    ReplySender, Transcript, check_model_file,
};

/// Decodes over which the percentiles are taken.
const WALL_TIMES_KEPT: usize = 512;

struct Job {
    request: HearingRequest,
    reply: ReplySender,
    submitted: Instant,
}

#[derive(Default)]
struct Counters {
    stats: HearingStats,
    wall_ms: VecDeque<u64>,
}

type Jobs = Arc<Mutex<mpsc::Receiver<Job>>>;
type SharedCounters = Arc<Mutex<Counters>>;

/// Counters stay usable when a thread died while it held them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handle on the pool; clones share it. The workers end when the last one is dropped.
#[derive(Clone)]
pub struct Hearing {
    jobs: mpsc::Sender<Job>,
    counters: SharedCounters,
}

impl Hearing {
    /// Loads the model, starts the workers and lets each decode once, so that the first caller
    /// does not pay for it. Blocks while it does (about half a second).
    ///
    /// # Errors
    /// The model is missing, damaged or not for the language; a thread could not be started.
    pub fn start(config: HearingConfig) -> Result<Self, HearingError> {
        // whisper.cpp writes pages to standard error; no backend is compiled in, so this mutes it.
        whisper_rs::install_logging_hooks();
        let letters = Arc::new(LetterModel::of_names());
        let model = Model::load(&config.model, &config.language, &letters)?;
        let second = config.second_model.as_deref();
        let second =
            second.map(|path| Model::load(path, &config.language, &letters)).transpose()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = config.workers.clamp(1, cores);
        let (jobs, receiver) = mpsc::channel(config.queue_len_max.max(1));
        let receiver: Jobs = Arc::new(Mutex::new(receiver));
        let counters = SharedCounters::default();
        let (ready, warm) = std::sync::mpsc::channel();
        for index in 0..workers {
            let threads = config.threads_per_decode.max(1);
            let own = second.as_ref().map(|second| second.ear(threads)).transpose()?;
            let mut decoder = Decoder::new(model.ear(threads)?, own);
            let (jobs, counters, ready) = (receiver.clone(), counters.clone(), ready.clone());
            std::thread::Builder::new()
                .name(format!("hearing-{index}"))
                .spawn(move || {
                    // The receiver is there until every worker has reported.
                    let _ = ready.send(decoder.warm_up(&warm_up_audio()));
                    drop(ready);
                    work(&mut decoder, &jobs, &counters);
                })
                .map_err(HearingError::Thread)?;
        }
        drop(ready);
        for _ in 0..workers {
            warm.recv().unwrap_or(Err(HearingError::Stopped))?;
        }
        Ok(Self { jobs, counters })
    }

    /// Queues a request; the answer comes through `reply`.
    ///
    /// # Errors
    /// [`NotSubmitted`] gives the request back: the queue is full, or the workers are gone.
    pub fn submit(&self, request: HearingRequest, reply: ReplySender) -> Result<(), NotSubmitted> {
        let job = Job { request, reply, submitted: Instant::now() };
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(job) => {
                lock(&self.counters).stats.overloads += 1;
                NotSubmitted::Overloaded(Box::new((job.request, job.reply)))
            }
            mpsc::error::TrySendError::Closed(job) => {
                NotSubmitted::Stopped(Box::new((job.request, job.reply)))
            }
        })
    }

    /// Transcribes, waiting for a place in the queue if need be. Dropping the future cancels.
    ///
    /// # Errors
    /// The decode failed, or the workers are gone.
    pub async fn transcribe(&self, request: HearingRequest) -> Result<Transcript, HearingError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { request, reply, submitted: Instant::now() };
        self.jobs.send(job).await.map_err(|_| HearingError::Stopped)?;
        answer.await.map_err(|_| HearingError::Stopped)?.result
    }

    /// What the pool did so far.
    pub fn stats(&self) -> HearingStats {
        let counters = lock(&self.counters);
        let mut wall_ms: Vec<u64> = counters.wall_ms.iter().copied().collect();
        wall_ms.sort_unstable();
        let percentile = |p: usize| match wall_ms.len() {
            0 => 0,
            len => wall_ms[((len * p).div_ceil(100)).clamp(1, len) - 1],
        };
        HearingStats {
            queue_len: self.jobs.max_capacity() - self.jobs.capacity(),
            wall_p50_ms: percentile(50),
            wall_p95_ms: percentile(95),
            ..counters.stats
        }
    }
}

/// A model in memory, from which each worker gets its ear.
struct Model {
    context: WhisperContext,
    language: &'static str,
    knowledge: Arc<Knowledge>,
}

impl Model {
    fn load(path: &Path, language: &str, letters: &Arc<LetterModel>) -> Result<Self, HearingError> {
        let header = check_model_file(path)?;
        let known = whisper_rs::get_lang_id(&language.replace('\0', ""))
            .and_then(whisper_rs::get_lang_str)
            .filter(|&language| language == "en" || header.is_multilingual());
        let Some(known) = known else {
            let (path, language) = (path.to_owned(), language.to_owned());
            return Err(HearingError::Language { path, language });
        };
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::new())
            .map_err(|error| {
                let (path, reason) = (path.to_owned(), error.to_string());
                HearingError::ModelRefused { path, reason }
            })?;
        let knowledge = Arc::new(Knowledge::of(&context, Arc::clone(letters)));
        Ok(Self { context, language: known, knowledge })
    }

    fn ear(&self, threads: usize) -> Result<Ear, HearingError> {
        Ear::new(&self.context, self.language, threads, Arc::clone(&self.knowledge))
    }
}

/// A second of something that is not silence, so that it goes all the way through the decoder.
fn warm_up_audio() -> Vec<i16> {
    (0..SAMPLES_PER_S)
        .map(|i| {
            let envelope = if i / 2_000 % 2 == 0 { 3_000.0 } else { 30.0 };
            ((i as f32 * 0.1).sin() * envelope) as i16
        })
        .collect()
}

fn work(decoder: &mut Decoder, jobs: &Jobs, counters: &SharedCounters) {
    loop {
        // One idle worker waits inside the lock, the others for the lock: whoever is first.
        let Some(job) = lock(jobs).blocking_recv() else { return };
        let Job { request, reply, submitted } = job;
        if reply.is_closed() {
            lock(counters).stats.cancelled += 1;
            continue;
        }
        let queued_ms = submitted.elapsed().as_millis() as u64;
        let cpu_before = thread_cpu();
        let listening =
            Listening { hints: request.hints.as_deref(), listen_for: &request.listen_for };
        let result = decoder.transcribe(&request.samples_16k, listening);
        let cpu = thread_cpu().saturating_sub(cpu_before);
        let result = result.map(|heard| Transcript { queued_ms, cpu, ..heard });
        count(&mut lock(counters), &result, cpu);
        if let Err(error) = &result {
            tracing::warn!(call_id = %request.call, %error, "utterance lost");
        }
        let HearingRequest { call, utterance, .. } = request;
        // A caller who gave up in the meantime does not mind.
        let _ = reply.send(HearingReply { call, utterance, result });
    }
}

fn count(counters: &mut Counters, result: &Result<Transcript, HearingError>, cpu: Duration) {
    let stats = &mut counters.stats;
    stats.cpu_s += cpu.as_secs_f64();
    match result {
        Ok(heard) => {
            stats.decodes += 1;
            stats.fallbacks += u64::from(heard.fallback);
            stats.audio_s += heard.audio_ms as f64 / 1000.0;
            if counters.wall_ms.len() == WALL_TIMES_KEPT {
                counters.wall_ms.pop_front();
            }
            counters.wall_ms.push_back(heard.decode_ms);
        }
        Err(_) => stats.failures += 1,
    }
}

/// CPU time that the calling thread has used, as the kernel's scheduler counts it (nanoseconds,
/// the first number of `schedstat`); zero where the kernel does not tell.
fn thread_cpu() -> Duration {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .map_or(Duration::ZERO, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, UtteranceId};

    fn request(samples: usize) -> HearingRequest {
        HearingRequest {
            call: CallId::from_u128(7),
            utterance: UtteranceId(3),
            samples_16k: vec![0; samples],
            hints: None,
            listen_for: crate::engine::hearing::ListenFor::Words,
        }
    }

    /// A pool whose workers never come: what is queued stays queued.
    fn stalled(queue_len_max: usize) -> (Hearing, mpsc::Receiver<Job>) {
        let (jobs, receiver) = mpsc::channel(queue_len_max);
        (Hearing { jobs, counters: SharedCounters::default() }, receiver)
    }

    #[test]
    fn a_full_queue_gives_the_audio_back() {
        let (hearing, receiver) = stalled(1);
        let (reply, _answer) = oneshot::channel();
        hearing.submit(request(10), reply).expect("there is one place");
        assert_eq!(hearing.stats().queue_len, 1);
        let (reply, _answer) = oneshot::channel();
        match hearing.submit(request(20), reply) {
            Err(NotSubmitted::Overloaded(back)) => assert_eq!(back.0.samples_16k.len(), 20),
            other => panic!("{other:?}"),
        }
        assert_eq!(hearing.stats().overloads, 1);
        drop(receiver);
        let (reply, _answer) = oneshot::channel();
        assert!(matches!(hearing.submit(request(1), reply), Err(NotSubmitted::Stopped(_))));
    }

    #[test]
    fn a_missing_model_is_an_error_that_names_it() {
        let config = HearingConfig {
            model: "/nowhere/ggml.bin".into(),
            second_model: None,
            workers: 1,
            threads_per_decode: 1,
            queue_len_max: 1,
            language: "en".to_owned(),
        };
        let error = Hearing::start(config).err().expect("no such file").to_string();
        assert!(error.contains("/nowhere/ggml.bin"), "{error}");
    }

    #[test]
    fn requests_print_no_audio_and_no_hints() {
        let mut secret = request(3);
        secret.hints = Some("Smith".to_owned());
        let printed = format!("{secret:?}");
        assert!(!printed.contains("Smith") && printed.contains("samples: 3"), "{printed}");
    }
}
