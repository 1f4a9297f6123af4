//! The queue and the worker threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use whisper_rs::{WhisperContext, WhisperContextParameters};

use super::audience::Audience;
use super::decode::{Decoder, Listening};
use super::ear::{Ear, Knowledge};
use super::letters::LetterModel;
use super::level::SAMPLES_PER_S;
use super::{
    HearingConfig, HearingError, HearingReply, HearingRequest, HearingStats, NotSubmitted,
    ReplySender, SecondModel, SecondOpinion, Transcript, check_model_file,
};
use crate::base::{CallId, UtteranceId};
use crate::engine::urgent::{Company, Refused, Shed, Taken, Urgency, UrgentQueue, Work};

/// Decodes over which the percentiles are taken.
const WALL_TIMES_KEPT: usize = 512;

struct Job {
    request: HearingRequest,
    reply: ReplySender,
    submitted: Instant,
}

impl Work for Job {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }
}

#[derive(Default)]
struct Counters {
    stats: HearingStats,
    wall_ms: VecDeque<u64>,
}

/// What the handles and the workers share.
struct Shared {
    queue: UrgentQueue<Job>,
    counters: Mutex<Counters>,
    is_second_asked: AtomicBool,
}

impl Shared {
    fn new(queue_len_max: usize, workers: usize) -> Self {
        Self {
            queue: UrgentQueue::new(queue_len_max, workers),
            counters: Mutex::default(),
            is_second_asked: AtomicBool::new(true),
        }
    }

    /// Counters stay usable when a thread died while it held them.
    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn second(&self) -> SecondModel {
        match self.is_second_asked.load(Ordering::Relaxed) {
            true => SecondModel::Asked,
            false => SecondModel::NotAsked,
        }
    }

    /// Tells whoever waited for what had to make room.
    fn tell_shed(&self, shed: Shed<Job>) {
        let Some(Job { request, reply, .. }) = shed else { return };
        self.counters().stats.shed += 1;
        let HearingRequest { call, utterance, .. } = request;
        let _ = reply.send(HearingReply { call, utterance, result: Err(HearingError::Shed) });
    }
}

/// The queue is closed with the last handle.
struct Inner(Arc<Shared>);

impl Drop for Inner {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// A handle on the pool; clones share it. The workers end when the last one is dropped.
#[derive(Clone)]
pub struct Hearing {
    inner: Arc<Inner>,
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
        let threads_max = config.threads_per_decode.clamp(1, cores);
        let shared = Arc::new(Shared::new(config.queue_len_max, workers));
        // From here on an early return ends the threads already started.
        let inner = Arc::new(Inner(Arc::clone(&shared)));
        let (ready, warm) = std::sync::mpsc::channel();
        for index in 0..workers {
            let audience = Audience::default();
            let own = |model: &Model| model.ear(config.context_frames_min, &audience);
            let ear = own(&model)?;
            let second = second.as_ref().map(own).transpose()?;
            let mut decoder = Decoder::new(ear, second, audience.clone());
            let (shared, ready) = (Arc::clone(&shared), ready.clone());
            std::thread::Builder::new()
                .name(format!("hearing-{index}"))
                .spawn(move || {
                    let _worker = shared.queue.worker();
                    // The receiver is there until every worker has reported.
                    let _ = ready.send(decoder.warm_up(&warm_up_audio()));
                    drop(ready);
                    work(&mut decoder, &audience, &shared, threads_max);
                })
                .map_err(HearingError::Thread)?;
        }
        drop(ready);
        for _ in 0..workers {
            warm.recv().unwrap_or(Err(HearingError::Stopped))?;
        }
        Ok(Self { inner })
    }

    fn shared(&self) -> &Shared {
        &self.inner.0
    }

    /// Queues a request; the answer comes through `reply`. One that is less urgent may have to make
    /// room, and gets [`HearingError::Shed`] for an answer.
    ///
    /// # Errors
    /// [`NotSubmitted`] gives the request back: the queue is full, or the workers are gone.
    pub fn submit(&self, request: HearingRequest, reply: ReplySender) -> Result<(), NotSubmitted> {
        let urgency = request.urgency;
        let job = Job { request, reply, submitted: Instant::now() };
        match self.shared().queue.push(job, urgency) {
            Ok(shed) => {
                self.shared().tell_shed(shed);
                Ok(())
            }
            Err(Refused::Full(job)) => {
                let mut counters = self.shared().counters();
                match urgency {
                    Urgency::TurnOver => counters.stats.overloads += 1,
                    Urgency::Speculative | Urgency::Background => counters.stats.shed += 1,
                }
                Err(NotSubmitted::Overloaded(Box::new((job.request, job.reply))))
            }
            Err(Refused::Closed(job)) => {
                Err(NotSubmitted::Stopped(Box::new((job.request, job.reply))))
            }
        }
    }

    /// Transcribes. A request of a caller who waits for us waits for a place in the queue if need be;
    /// others find one, or are shed. Dropping the future cancels.
    ///
    /// # Errors
    /// The decode failed, there was too much to do, or the workers are gone.
    pub async fn transcribe(&self, request: HearingRequest) -> Result<Transcript, HearingError> {
        let (reply, answer) = oneshot::channel();
        let request = match self.submit(request, reply) {
            Ok(()) => None,
            Err(NotSubmitted::Stopped(_)) => return Err(HearingError::Stopped),
            Err(NotSubmitted::Overloaded(back)) => Some(back),
        };
        if let Some(back) = request {
            let (request, reply) = *back;
            if request.urgency != Urgency::TurnOver {
                return Err(HearingError::Shed);
            }
            let urgency = request.urgency;
            let job = Job { request, reply, submitted: Instant::now() };
            let pushed = self.shared().queue.push_in_time(job, urgency).await;
            self.shared().tell_shed(pushed.map_err(|_| HearingError::Stopped)?);
        }
        answer.await.map_err(|_| HearingError::Stopped)?.result
    }

    /// The turn is over, and the caller waits for this utterance. Whether it was still in the queue:
    /// otherwise it is being worked on, or done.
    pub fn hurry(&self, call: CallId, utterance: UtteranceId) -> bool {
        let is_it = |job: &Job| (job.request.call, job.request.utterance) == (call, utterance);
        self.shared().queue.hurry(is_it)
    }

    /// Whether the second model is asked from now on.
    pub fn set_second(&self, second: SecondModel) {
        let is_asked = second == SecondModel::Asked;
        self.shared().is_second_asked.store(is_asked, Ordering::Relaxed);
    }

    /// What the pool did so far.
    pub fn stats(&self) -> HearingStats {
        let shared = self.shared();
        let now = Instant::now();
        let oldest = shared.queue.oldest(Urgency::TurnOver, |job| job.submitted);
        let counters = shared.counters();
        let mut wall_ms: Vec<u64> = counters.wall_ms.iter().copied().collect();
        wall_ms.sort_unstable();
        let percentile = |p: usize| match wall_ms.len() {
            0 => 0,
            len => wall_ms[((len * p).div_ceil(100)).clamp(1, len) - 1],
        };
        HearingStats {
            queue_len: shared.queue.len(),
            oldest_wait: oldest
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            cancelled: shared.queue.unwanted(),
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

    fn ear(&self, frames_min: usize, audience: &Audience) -> Result<Ear, HearingError> {
        let knowledge = Arc::clone(&self.knowledge);
        Ear::new(&self.context, self.language, frames_min, knowledge, audience.clone())
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

fn work(decoder: &mut Decoder, audience: &Audience, shared: &Shared, threads_max: usize) {
    while let Some(Taken { work, urgency, company, running }) = shared.queue.next() {
        let Job { request, reply, submitted } = work;
        let queued_ms = submitted.elapsed().as_millis() as u64;
        // Beside another decode, a second thread would have both wait for each other's cores.
        let threads = if company == Company::Alone { threads_max } else { 1 };
        decoder.set_threads(threads);
        let listening = Listening {
            hints: request.hints.as_deref(),
            listen_for: &request.listen_for,
            second: shared.second(),
            judge: request.judge.as_ref(),
        };
        audience.take_seat(reply);
        let cpu_before = thread_cpu();
        let result = unless_it_panics(|| decoder.transcribe(&request.samples_16k, listening));
        let cpu = thread_cpu().saturating_sub(cpu_before);
        let reply = audience.leave();
        // Whoever gets the answer finds the pool without it.
        drop(running);
        let result = result.map(|heard| Transcript { queued_ms, cpu, threads, ..heard });
        if let Err(error) = &result
            && !matches!(error, HearingError::Abandoned)
        {
            tracing::warn!(call_id = %request.call, %error, "utterance lost");
        }
        let mut counters = shared.counters();
        count(&mut counters, &result, urgency, cpu);
        let HearingRequest { call, utterance, .. } = request;
        // Counted before it is sent, so that whoever gets it finds it counted.
        let is_taken =
            reply.is_some_and(|reply| reply.send(HearingReply { call, utterance, result }).is_ok());
        if !is_taken {
            counters.stats.cpu_wasted_s += cpu.as_secs_f64();
        }
    }
}

/// A panic is the end of one decode, not of the worker: whoever waits for it would wait for ever, since
/// whisper keeps hold of the way to them.
fn unless_it_panics<T>(
    decode: impl FnOnce() -> Result<T, HearingError>,
) -> Result<T, HearingError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(HearingError::Decode("it panicked".to_owned())))
}

fn count(
    counters: &mut Counters,
    result: &Result<Transcript, HearingError>,
    urgency: Urgency,
    cpu: Duration,
) {
    let stats = &mut counters.stats;
    stats.cpu_s += cpu.as_secs_f64();
    match result {
        Ok(heard) => {
            stats.decodes += 1;
            stats.decodes_ahead += u64::from(urgency == Urgency::Speculative);
            stats.fallbacks += u64::from(heard.fallback);
            let places = stats.second.iter_mut().zip(SecondOpinion::ALL);
            for (count, opinion) in places {
                *count += u64::from(opinion == heard.second);
            }
            stats.audio_s += heard.audio_ms as f64 / 1000.0;
            if counters.wall_ms.len() == WALL_TIMES_KEPT {
                counters.wall_ms.pop_front();
            }
            counters.wall_ms.push_back(heard.decode_ms);
        }
        Err(HearingError::Abandoned) => stats.aborted += 1,
        Err(_) => stats.failures += 1,
    }
}

/// CPU time that the calling thread has used (of a decode on two threads, half), as the kernel's scheduler counts it (nanoseconds,
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
        HearingRequest::new(CallId::from_u128(7), UtteranceId(3), vec![0; samples])
    }

    fn ahead(samples: usize) -> HearingRequest {
        HearingRequest { urgency: Urgency::Speculative, ..request(samples) }
    }

    /// A pool whose workers never come: what is queued stays queued.
    fn stalled(queue_len_max: usize) -> Hearing {
        Hearing { inner: Arc::new(Inner(Arc::new(Shared::new(queue_len_max, 1)))) }
    }

    #[test]
    fn a_full_queue_gives_the_audio_back() {
        let hearing = stalled(1);
        let (reply, _answer) = oneshot::channel();
        hearing.submit(request(10), reply).expect("there is one place");
        assert_eq!(hearing.stats().queue_len, 1);
        let (reply, _answer) = oneshot::channel();
        match hearing.submit(request(20), reply) {
            Err(NotSubmitted::Overloaded(back)) => assert_eq!(back.0.samples_16k.len(), 20),
            other => panic!("{other:?}"),
        }
        assert_eq!(hearing.stats().overloads, 1);
        drop(hearing.shared().queue.worker());
        let (reply, _answer) = oneshot::channel();
        assert!(matches!(hearing.submit(request(1), reply), Err(NotSubmitted::Stopped(_))));
    }

    #[test]
    fn what_was_only_guessed_at_makes_room_and_is_told() {
        let hearing = stalled(1);
        let (reply, mut shed) = oneshot::channel();
        hearing.submit(ahead(10), reply).expect("there is one place");
        let (reply, mut stays) = oneshot::channel();
        hearing.submit(request(20), reply).expect("it makes room");
        let told = shed.try_recv().expect("it is told");
        assert!(matches!(told.result, Err(HearingError::Shed)));
        assert!(stays.try_recv().is_err());
        let (reply, _answer) = oneshot::channel();
        let refused = hearing.submit(ahead(30), reply);
        assert!(matches!(refused, Err(NotSubmitted::Overloaded(_))));
        let stats = hearing.stats();
        assert_eq!((stats.shed, stats.overloads, stats.queue_len), (2, 0, 1));
    }

    #[test]
    fn whoever_waits_now_has_the_oldest_wait() {
        let hearing = stalled(4);
        let (reply, _answer) = oneshot::channel();
        hearing.submit(ahead(10), reply).expect("there is a place");
        assert_eq!(hearing.stats().oldest_wait, Duration::ZERO, "nobody waits yet");
        assert!(!hearing.hurry(CallId::from_u128(7), UtteranceId(4)));
        assert!(hearing.hurry(CallId::from_u128(7), UtteranceId(3)));
        let oldest = hearing.shared().queue.oldest(Urgency::TurnOver, |job| job.submitted);
        assert!(oldest.is_some());
    }

    #[test]
    fn a_panic_is_the_end_of_one_decode() {
        let panics = unless_it_panics::<()>(|| panic!("in a decode"));
        assert!(matches!(panics, Err(HearingError::Decode(_))), "{panics:?}");
        assert!(matches!(unless_it_panics(|| Ok(3)), Ok(3)));
    }

    #[test]
    fn a_missing_model_is_an_error_that_names_it() {
        let config = HearingConfig::new("/nowhere/ggml.bin".into());
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
