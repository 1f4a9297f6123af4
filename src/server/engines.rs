//! Starts the models, side by side, and trains the classifier on the profile's examples.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::SampleRate;
use crate::config::Config;
use crate::engine::end_of_turn::{EndJudge, TurnModel};
use crate::engine::hearing::{CONTEXT_FRAMES_MIN, Hearing, HearingConfig};
use crate::engine::models::{ModelStore, ReadyModel, resolve_whisper};
use crate::engine::understanding::UnderstandingPool;
use crate::engine::vad::SileroVad;
use crate::engine::voice::{Voice, VoiceConfig};
use crate::prompts::Generation;

use super::ServerError;
use super::training::{Lessons, Trainer};

/// Utterances that may wait for the classifier (14 ms each); one more is answered without it.
const UNDERSTANDING_QUEUE_LEN_MAX: usize = 64;

/// Sentences that may wait for the voice; one more fails, and the call goes to a person.
const VOICE_QUEUE_LEN_MAX: usize = 64;

/// All models of the server, shared by its calls.
#[derive(Clone)]
pub struct Engines {
    /// Speech to text.
    pub hearing: Hearing,
    /// Speech or not.
    pub vad: Arc<SileroVad>,
    /// Finished or not, by the sound; `None` unless a model for it is configured.
    pub end_judge: Option<EndJudge>,
    /// Text to intent.
    pub understanding: UnderstandingPool,
    /// Trains a new classifier when the prompt files change.
    pub trainer: Trainer,
    /// Text to speech.
    pub voice: Voice,
}

/// How long each part took to start.
#[derive(Debug, Clone)]
pub struct EnginesReport {
    /// Name and time.
    pub parts: Vec<(&'static str, Duration)>,
    /// Sentences the classifier was trained on.
    pub examples: usize,
}

/// What hears callers, for measurements that need neither a voice nor a telephone. Clones share it.
#[derive(Clone)]
pub struct Ears {
    /// Speech to text.
    pub hearing: Hearing,
    /// Speech or not.
    pub vad: SileroVad,
}

impl Ears {
    /// Loads the models that this configuration names. Blocks while it does.
    ///
    /// # Errors
    /// A model is missing or damaged; the message says how to fetch it.
    pub fn start(store: &ModelStore, config: &Config) -> Result<Self, ServerError> {
        Ok(Self { hearing: start_hearing(store, config.hearing.clone())?, vad: start_vad(store)? })
    }
}

/// Folder beside the models for what is made from them (embeddings, rendered sentences).
pub fn derived_dir(store: &ModelStore, name: &str) -> PathBuf {
    store.cache_dir().join("derived").join(name)
}

fn timed<T>(work: impl FnOnce() -> Result<T, ServerError>) -> Result<(T, Duration), ServerError> {
    let start = Instant::now();
    work().map(|made| (made, start.elapsed()))
}

impl Engines {
    /// Loads everything; the slow parts run side by side.
    pub async fn start(
        config: &Config,
        generation: &Generation,
    ) -> Result<(Self, EnginesReport), ServerError> {
        let store = Arc::new(ModelStore::open(config.models.cache_dir.clone())?);
        let hearing = {
            let (store, hearing) = (Arc::clone(&store), config.hearing.clone());
            tokio::task::spawn_blocking(move || timed(|| start_hearing(&store, hearing)))
        };
        let understanding = {
            let store = Arc::clone(&store);
            let encoder = config.understanding.encoder.clone();
            let lessons = Lessons::of(generation);
            tokio::task::spawn_blocking(move || {
                timed(|| start_understanding(&store, &encoder, &lessons))
            })
        };
        let voice = {
            let (store, voice) = (Arc::clone(&store), config.voice.clone());
            let said_as = generation.words.said_as.clone();
            tokio::task::spawn_blocking(move || timed(|| start_voice(&store, voice, said_as)))
        };
        let vad = {
            let store = Arc::clone(&store);
            tokio::task::spawn_blocking(move || timed(|| start_vad(&store)))
        };
        let end_judge = {
            let (store, model) = (Arc::clone(&store), config.turns.end_model.clone());
            let start = move || model.map(|name| start_end_judge(&store, &name)).transpose();
            tokio::task::spawn_blocking(start)
        };
        let (vad, vad_took) = vad.await??;
        let end_judge = end_judge.await??;
        let (voice, voice_took) = voice.await??;
        let ((understanding, trainer, examples), understanding_took) = understanding.await??;
        let (hearing, hearing_took) = hearing.await??;
        voice.prerender(generation.fixed_sentences());
        let report = EnginesReport {
            parts: vec![
                ("hearing", hearing_took),
                ("understanding", understanding_took),
                ("voice", voice_took),
                ("vad", vad_took),
            ],
            examples,
        };
        let vad = Arc::new(vad);
        Ok((Self { hearing, vad, end_judge, understanding, trainer, voice }, report))
    }
}

/// Threads of a decode that has the recogniser for itself. On all cores it is sooner done while nothing
/// else is busy; where anything is (the voice, a browser, a backup) its threads wait for each other at
/// every step, and it takes several times as long. So one core is left to others.
fn threads_alone() -> usize {
    const THREADS_MAX: usize = 4;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).clamp(1, THREADS_MAX)
}

fn start_hearing(
    store: &ModelStore,
    config: crate::config::HearingConfig,
) -> Result<Hearing, ServerError> {
    let second = config.second_model.as_deref();
    Ok(Hearing::start(HearingConfig {
        model: resolve_whisper(store, &config.model)?,
        second_model: second.map(|name| resolve_whisper(store, name)).transpose()?,
        workers: config.workers,
        threads_per_decode: config.threads.unwrap_or_else(threads_alone),
        queue_len_max: config.queue_len_max,
        language: "en".to_owned(),
        context_frames_min: CONTEXT_FRAMES_MIN,
    })?)
}

fn start_understanding(
    store: &ModelStore,
    encoder: &str,
    lessons: &Lessons,
) -> Result<(UnderstandingPool, Trainer, usize), ServerError> {
    let trainer = Trainer::open(store, encoder)?;
    let understander = trainer.train(lessons)?;
    let pool = UnderstandingPool::start(understander, UNDERSTANDING_QUEUE_LEN_MAX)?;
    Ok((pool, trainer, lessons.examples.len()))
}

fn start_voice(
    store: &ModelStore,
    config: crate::config::VoiceConfig,
    said_as: Vec<(String, String)>,
) -> Result<Voice, ServerError> {
    let ready = store.checked(&config.model)?;
    let onnx = file_ending(&ready, ".onnx")?;
    let json = file_ending(&ready, ".onnx.json")?;
    Ok(Voice::start(VoiceConfig {
        model: onnx,
        model_config: json,
        espeak: config.espeak,
        rate: SampleRate::HZ_8000,
        cache_dir: Some(derived_dir(store, "voice")),
        cache_bytes_max: config.cache_bytes_max_mib * 1024 * 1024,
        queue_len_max: VOICE_QUEUE_LEN_MAX,
        said_as,
        workers: 1,
    })?)
}

/// The file of a model that has this ending. Longer endings are others' (`.onnx.json`).
fn file_ending(ready: &ReadyModel, ending: &str) -> Result<PathBuf, ServerError> {
    let found = ready
        .paths()
        .into_iter()
        .find(|path| path.to_str().is_some_and(|path| path.ends_with(ending)));
    // Asking by the ending itself gives the error that names the model.
    match found {
        Some(path) => Ok(path),
        None => Ok(ready.file(ending)?),
    }
}

/// Loads the model that judges by ear whether somebody has finished.
fn start_end_judge(store: &ModelStore, name: &str) -> Result<EndJudge, ServerError> {
    let ready = store.checked(name)?;
    Ok(EndJudge::start(TurnModel::load(&file_ending(&ready, ".onnx")?)?)?)
}

/// Loads the voice-activity model.
///
/// # Errors
/// It is missing or damaged; the message says how to fetch it.
pub fn start_vad(store: &ModelStore) -> Result<SileroVad, ServerError> {
    let ready = store.checked("silero")?;
    Ok(SileroVad::load(&file_ending(&ready, ".onnx")?)?)
}
