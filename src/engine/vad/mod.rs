//! Voice activity: the probability that a chunk of audio holds speech, from the Silero model.
//!
//! The model's weights are shared by all calls ([`SileroVad`]); each call carries its own state
//! from chunk to chunk ([`SileroSession`]). Works at the telephone's 8 kHz, in chunks of 32 ms;
//! a chunk costs 0.15 ms of CPU.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};

use crate::speech::Vad;

/// Samples in a chunk at 8 kHz: what the model was trained on.
const CHUNK: usize = 256;

/// Samples of the previous chunk that go before each; without them accuracy drops a lot.
const CONTEXT: usize = 32;

/// Two layers of 128 values.
const STATE: usize = 2 * 128;

const SAMPLE_RATE_HZ: i32 = 8_000;

/// Why there is no voice activity model.
#[derive(Debug, thiserror::Error)]
pub enum VadError {
    /// The file is missing, damaged or another model.
    #[error(
        "cannot use the voice activity model {}: {reason}; delete it and fetch the models again",
        path.display()
    )]
    Model {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

struct Shared {
    model: Model,
    inputs: [NodeId; 3],
    outputs: [NodeId; 2],
    options: RunOptions,
}

/// The model, shared by all calls.
#[derive(Clone)]
pub struct SileroVad {
    shared: Arc<Shared>,
}

impl SileroVad {
    /// Loads the model and runs it once.
    ///
    /// # Errors
    /// The file is missing, damaged or another model.
    pub fn load(path: &Path) -> Result<Self, VadError> {
        let failed = |reason: String| VadError::Model { path: path.to_owned(), reason };
        let model = Model::load_file(path).map_err(|error| failed(error.to_string()))?;
        let inputs = nodes(&model, model.input_ids(), ["input", "sr", "state"]).map_err(failed)?;
        let outputs: [NodeId; 2] = model
            .output_ids()
            .try_into()
            .map_err(|_| failed("it does not have two outputs".to_owned()))?;
        // One thread of our own: by default each chunk would wake a pool of all cores.
        let options =
            RunOptions::default().with_thread_pool(Some(Arc::new(ThreadPool::with_num_threads(1))));
        let vad = Self { shared: Arc::new(Shared { model, inputs, outputs, options }) };
        let mut trial = vad.session();
        trial.run(&[0.0; CHUNK]).map_err(failed)?;
        Ok(vad)
    }

    /// A new stream.
    pub fn session(&self) -> SileroSession {
        SileroSession {
            shared: self.shared.clone(),
            state: vec![0.0; STATE],
            context: [0.0; CONTEXT],
            quiet: 0,
            failures: 0,
        }
    }
}

/// The nodes of these names, in this order.
fn nodes(model: &Model, ids: &[NodeId], names: [&str; 3]) -> Result<[NodeId; 3], String> {
    let mut found = Vec::new();
    for name in names {
        let named =
            |id: &&NodeId| model.node_info(**id).is_some_and(|info| info.name() == Some(name));
        found.push(*ids.iter().find(named).ok_or_else(|| {
            let there: Vec<_> = ids
                .iter()
                .filter_map(|id| model.node_info(*id)?.name().map(str::to_owned))
                .collect();
            format!("it has no input '{name}', only {}", there.join(", "))
        })?);
    }
    found.try_into().map_err(|_| "it does not have three inputs".to_owned())
}

/// Chunks of quiet, about a second, after which the model's memory is cleared. Silence deafens it:
/// after ten seconds of it the next short word is given a tenth of the probability that it has at
/// the beginning of a call, and is never taken for speech. (Said twice with a pause of 8 to 16 s
/// between, 58 of 62 recordings were heard the second time; with the memory cleared, all.)
const QUIET_CHUNKS: u32 = 32;
/// Below this a chunk is quiet.
const QUIET: f32 = 0.35;
/// Below this nobody begins to speak in it: only then is the memory cleared.
const SILENT: f32 = 0.1;

/// One call's stream through the model.
pub struct SileroSession {
    shared: Arc<Shared>,
    state: Vec<f32>,
    context: [f32; CONTEXT],
    /// Chunks of quiet in a row.
    quiet: u32,
    failures: u64,
}

impl SileroSession {
    /// Chunks on which the model failed; their probability was given as 0.
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    fn run(&mut self, chunk: &[f32; CHUNK]) -> Result<f32, String> {
        let mut audio = Vec::with_capacity(CONTEXT + CHUNK);
        audio.extend(self.context);
        audio.extend(chunk);
        let shape_error = |error: &dyn std::fmt::Display| error.to_string();
        let x = ValueView::from_shape([1, CONTEXT + CHUNK], &audio)
            .map_err(|error| shape_error(&error))?;
        let rate = Value::from_shape([0_usize; 0], vec![SAMPLE_RATE_HZ])
            .map_err(|error| shape_error(&error))?;
        let state = ValueView::from_shape([2, 1, STATE / 2], &self.state)
            .map_err(|error| shape_error(&error))?;
        let [x_id, rate_id, state_id] = self.shared.inputs;
        let [probability, state] = self
            .shared
            .model
            .run_n(
                vec![(x_id, x.into()), (rate_id, rate.into()), (state_id, state.into())],
                self.shared.outputs,
                Some(self.shared.options.clone()),
            )
            .map_err(|error| error.to_string())?;
        let probability: Vec<f32> = floats(probability)?;
        let state = floats(state)?;
        if probability.len() != 1 || state.len() != STATE {
            return Err("its outputs have other sizes than Silero's".to_owned());
        }
        self.state = state;
        self.context.copy_from_slice(&chunk[CHUNK - CONTEXT..]);
        let probability = probability[0].clamp(0.0, 1.0);
        self.forget_silence(probability);
        Ok(probability)
    }

    fn forget_silence(&mut self, probability: f32) {
        self.quiet = if probability < QUIET { self.quiet.saturating_add(1) } else { 0 };
        if self.quiet >= QUIET_CHUNKS && probability < SILENT {
            self.state.fill(0.0);
            self.quiet = 0;
        }
    }
}

fn floats(value: Value) -> Result<Vec<f32>, String> {
    value
        .into_tensor::<f32>()
        .map(|tensor| tensor.into_data())
        .ok_or_else(|| "its outputs are not numbers".to_owned())
}

impl Vad for SileroSession {
    fn chunk_len(&self) -> usize {
        CHUNK
    }

    /// A chunk of another length is padded with silence or cut; a model failure counts as silence
    /// and is counted ([`SileroSession::failures`]).
    fn probability(&mut self, chunk: &[i16]) -> f32 {
        let mut samples = [0.0; CHUNK];
        for (sample, &value) in samples.iter_mut().zip(chunk) {
            *sample = f32::from(value) / 32_768.0;
        }
        self.run(&samples).unwrap_or_else(|_| {
            self.failures += 1;
            0.0
        })
    }

    fn reset(&mut self) {
        self.state.fill(0.0);
        self.context.fill(0.0);
        self.quiet = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("silero.onnx");
        std::fs::write(&path, b"not a model").expect("writes");
        let error = SileroVad::load(&path).err().expect("no model").to_string();
        assert!(error.contains("silero.onnx"), "{error}");
    }

    /// 8 kHz by taking the mean of neighbours: good enough to tell speech from noise.
    fn speech_8k() -> Vec<i16> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/phone_number.wav");
        let mut wav = hound::WavReader::open(path).expect("the fixture");
        let samples: Vec<i16> = wav.samples().map(|s| s.expect("16 bits")).collect();
        samples.chunks_exact(2).map(|p| ((i32::from(p[0]) + i32::from(p[1])) / 2) as i16).collect()
    }

    /// The share of chunks that the model takes for speech.
    fn voiced_share(session: &mut SileroSession, samples: &[i16]) -> f32 {
        session.reset();
        let chunks: Vec<f32> =
            samples.chunks_exact(CHUNK).map(|chunk| session.probability(chunk)).collect();
        chunks.iter().filter(|&&p| p > 0.5).count() as f32 / chunks.len() as f32
    }

    fn model() -> SileroVad {
        let home = std::env::var("HOME").unwrap_or_default();
        let folder = std::env::var("FRONTDOOR_MODELS")
            .unwrap_or_else(|_| format!("{home}/.cache/frontdoor/models"));
        let path = Path::new(&folder).join("silero/silero_vad_op18_ifless.onnx");
        SileroVad::load(&path).expect("the model")
    }

    /// Callers wait while we speak, and telephones that are muted send zeros.
    #[test]
    #[ignore = "needs the models"]
    fn a_short_word_is_heard_however_long_the_silence_before_it() {
        let mut session = model().session();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/calls/hours.wav");
        let mut wav = hound::WavReader::open(path).expect("the fixture");
        let word: Vec<i16> = wav.samples().map(|s| s.expect("16 bits")).collect();
        for n in 0..6 {
            // Each time the word lies differently on the chunks.
            let silence = vec![0; 8_000 * 10 + 37 * n];
            let said = [silence.as_slice(), &word].concat();
            let voiced: Vec<bool> =
                said.chunks_exact(CHUNK).map(|chunk| session.probability(chunk) > 0.5).collect();
            let longest = voiced.split(|voiced| !voiced).map(<[bool]>::len).max();
            assert!(longest >= Some(8), "time {n}: {longest:?} chunks");
        }
    }

    #[test]
    #[ignore = "needs the models"]
    fn speech_is_told_from_silence_noise_and_tones() {
        let mut session = model().session();
        let mut seed = 1_u32;
        let noise: Vec<i16> = (0..24_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) as i16 / 32
            })
            .collect();
        let tone: Vec<i16> =
            (0..24_000).map(|i| ((i as f32 * 0.345).sin() * 6_000.0) as i16).collect();
        assert!(voiced_share(&mut session, &speech_8k()) > 0.6);
        assert!(voiced_share(&mut session, &vec![0; 24_000]) < 0.02);
        assert!(voiced_share(&mut session, &noise) < 0.05);
        assert!(voiced_share(&mut session, &tone) < 0.1);
        assert_eq!(session.failures(), 0);
    }
}
