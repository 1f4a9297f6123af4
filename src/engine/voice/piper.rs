//! Phonemes to sound: a Piper voice (VITS, ONNX) run by rten.
//!
//! Input ids are `BOS PAD (id PAD)* EOS`. The model draws noise while it runs; it is drawn from a
//! fixed seed, so that the same words always sound the same (and a cached clause fits a fresh one).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::audio::SampleRate;

use super::error::VoiceError;

/// Seed of the noise the model draws.
const NOISE_SEED: u64 = 0x66_72_6f_6e_74;
/// Most phonemes of one clause: about a minute of speech.
const PHONEMES_MAX: usize = 1_200;

/// The description next to the model: only what is used here.
#[derive(Debug, Deserialize)]
struct Description {
    audio: AudioPart,
    espeak: EspeakPart,
    inference: InferencePart,
    num_speakers: u32,
    phoneme_id_map: HashMap<String, Vec<i32>>,
}

#[derive(Debug, Deserialize)]
struct AudioPart {
    sample_rate: u32,
}

#[derive(Debug, Deserialize)]
struct EspeakPart {
    voice: String,
}

#[derive(Debug, Deserialize)]
struct InferencePart {
    noise_scale: f32,
    length_scale: f32,
    noise_w: f32,
}

/// A loaded voice; shared by all workers.
pub(super) struct Piper {
    model: Model,
    inputs: Inputs,
    output: NodeId,
    ids: HashMap<char, Vec<i32>>,
    start: i32,
    pad: i32,
    end: i32,
    scales: [f32; 3],
    /// What it speaks at.
    pub rate: SampleRate,
    /// The phonemiser's voice it was trained on.
    pub espeak_voice: String,
    /// Changes whenever the sound of the same words may change.
    pub identity: [u8; 32],
}

struct Inputs {
    ids: NodeId,
    lengths: NodeId,
    scales: NodeId,
    speaker: Option<NodeId>,
}

/// What one run gave.
pub(super) struct Rendered {
    /// Mono, at the rate of the voice.
    pub samples: Vec<i16>,
    /// Phonemes the voice doesn't know; they were left out.
    pub unknown: usize,
    /// CPU time of the run.
    pub cpu: Duration,
}

/// The thread a worker's model runs on: one, because two runs of two threads on two cores wait
/// for each other, and because the noise is seeded per thread.
pub(super) struct RunThread(Arc<ThreadPool>);

/// How a run thread stands to the others on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A caller waits.
    Live,
    /// Only runs where a core is idle.
    Background,
}

impl RunThread {
    pub fn new(standing: Standing) -> Self {
        let pool = ThreadPool::with_num_threads(1);
        if standing == Standing::Background {
            pool.run(|| {
                #[expect(unsafe_code, reason = "no safe call sets one thread's niceness")]
                // SAFETY: takes three integers and touches no memory; on Linux 0 means the
                // calling thread. Failure only means that the thread is not nicer.
                unsafe {
                    libc::setpriority(libc::PRIO_PROCESS, 0, 19)
                }
            });
        }
        Self(Arc::new(pool))
    }
}

impl Piper {
    /// Loads a voice.
    ///
    /// # Errors
    /// A file is missing, cut short, or not a Piper voice.
    pub fn load(model_path: &Path, description_path: &Path) -> Result<Self, VoiceError> {
        let bad_description =
            |why: String| VoiceError::BadModelConfig { path: description_path.to_owned(), why };
        let bad_model = |why: String| VoiceError::BadModel { path: model_path.to_owned(), why };
        let text = read(description_path)?;
        let description: Description =
            serde_json::from_slice(&text).map_err(|why| bad_description(why.to_string()))?;
        let rate = SampleRate::from_hz(description.audio.sample_rate)
            .ok_or_else(|| bad_description("audio.sample_rate is 0".to_owned()))?;
        let ids: HashMap<char, Vec<i32>> = description
            .phoneme_id_map
            .iter()
            .filter_map(|(phoneme, ids)| {
                let mut chars = phoneme.chars();
                chars.next().filter(|_| chars.next().is_none()).map(|c| (c, ids.clone()))
            })
            .collect();
        let special = |c: char| {
            let found = ids.get(&c).and_then(|ids| ids.first()).copied();
            found.ok_or_else(|| bad_description(format!("phoneme_id_map has no {c:?}")))
        };
        let (start, pad, end) = (special('^')?, special('_')?, special('$')?);

        let bytes = read(model_path)?;
        let identity = Sha256::new().chain_update(&text).chain_update(&bytes).finalize().into();
        // A file cut short must be an error whatever the parser does with it.
        let model = catch_unwind(AssertUnwindSafe(|| Model::load(bytes)))
            .map_err(|_| bad_model("it can't be parsed".to_owned()))?
            .map_err(|why| bad_model(why.to_string()))?;
        let node = |name: &str| {
            model.find_node(name).ok_or_else(|| bad_model(format!("it has no input {name:?}")))
        };
        let inputs = Inputs {
            ids: node("input")?,
            lengths: node("input_lengths")?,
            scales: node("scales")?,
            speaker: if description.num_speakers > 1 { Some(node("sid")?) } else { None },
        };
        let output =
            *model.output_ids().first().ok_or_else(|| bad_model("it has no output".to_owned()))?;
        let InferencePart { noise_scale, length_scale, noise_w } = description.inference;
        let scales = [noise_scale, length_scale, noise_w];
        let espeak_voice = description.espeak.voice;
        Ok(Self {
            model,
            inputs,
            output,
            ids,
            start,
            pad,
            end,
            scales,
            rate,
            espeak_voice,
            identity,
        })
    }

    /// The ids of phonemes, and how many phonemes the voice doesn't know.
    fn ids(&self, phonemes: &str) -> (Vec<i32>, usize) {
        let mut ids = vec![self.start, self.pad];
        let mut unknown = 0;
        for phoneme in phonemes.chars().take(PHONEMES_MAX) {
            match self.ids.get(&phoneme) {
                Some(known) => known.iter().for_each(|&id| ids.extend([id, self.pad])),
                None => unknown += 1,
            }
        }
        ids.push(self.end);
        (ids, unknown)
    }

    /// Renders phonemes. The samples keep the level of the model, lowered only where a peak would
    /// not fit.
    ///
    /// # Errors
    /// The model fails.
    pub fn render(&self, phonemes: &str, thread: &RunThread) -> Result<Rendered, VoiceError> {
        let (ids, unknown) = self.ids(phonemes);
        let run = AssertUnwindSafe(|| {
            thread.0.run(|| {
                let before = thread_cpu();
                fastrand::seed(NOISE_SEED);
                let samples = self.run(ids, &thread.0);
                samples.map(|s| (s, thread_cpu().saturating_sub(before)))
            })
        });
        let failed = |why: String| VoiceError::Render { why };
        let (samples, cpu) =
            catch_unwind(run).map_err(|_| failed("it panicked".to_owned()))?.map_err(failed)?;
        if samples.iter().any(|s| !s.is_finite()) {
            return Err(failed("its output is no sound".to_owned()));
        }
        let peak = samples.iter().fold(1.0f32, |peak, s| peak.max(s.abs()));
        let to_i16 = |s: &f32| (s / peak * 32_767.0).round() as i16;
        Ok(Rendered { samples: samples.iter().map(to_i16).collect(), unknown, cpu })
    }

    fn run(&self, ids: Vec<i32>, pool: &Arc<ThreadPool>) -> Result<Vec<f32>, String> {
        let length = i32::try_from(ids.len()).map_err(|why| why.to_string())?;
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = vec![
            (self.inputs.ids, tensor(&[1, ids.len()], ids)?.into()),
            (self.inputs.lengths, tensor(&[1], vec![length])?.into()),
            (self.inputs.scales, floats(&[3], self.scales.to_vec())?.into()),
        ];
        if let Some(speaker) = self.inputs.speaker {
            inputs.push((speaker, tensor(&[1], vec![0])?.into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let [output] = self
            .model
            .run_n(inputs, [self.output], Some(options))
            .map_err(|why| why.to_string())?;
        match output {
            Value::FloatTensor(samples) => Ok(samples.into_data()),
            _ => Err("its output is not floating point".to_owned()),
        }
    }
}

fn tensor(shape: &[usize], values: Vec<i32>) -> Result<Value, String> {
    Value::from_shape(shape, values).map_err(|why| why.to_string())
}

fn floats(shape: &[usize], values: Vec<f32>) -> Result<Value, String> {
    Value::from_shape(shape, values).map_err(|why| why.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, VoiceError> {
    let unreadable = |path: PathBuf, why: String| VoiceError::Unreadable { path, why };
    std::fs::read(path).map_err(|why| unreadable(path.to_owned(), why.to_string()))
}

/// CPU time the calling thread has used; zero where the system doesn't tell.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}
