//! Whether a caller who pauses has finished, by the sound alone: Smart Turn, a small model that hears
//! the last eight seconds.
//!
//! One judgement costs about 140 ms of one core. It says "finished" at many a pause within a
//! sentence: it is a vote, and `call::patience` decides.

mod features;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, ValueView};
use tokio::sync::{mpsc, oneshot};

use features::{FRAMES, Features, MELS};

/// Judgements that may wait. One more is refused: late, it would be worth nothing.
const QUEUE_LEN_MAX: usize = 4;

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum EndJudgeError {
    /// The file is missing, damaged or another model.
    #[error(
        "cannot use the end-of-turn model {}: {reason}; delete it and fetch the models again",
        path.display()
    )]
    Model {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model failed on this sound.
    #[error("the end-of-turn model failed: {0}")]
    Failed(String),
    /// The thread could not be started.
    #[error("cannot start the thread of the end-of-turn model: {0}")]
    Thread(#[source] std::io::Error),
    /// Too many wait already.
    #[error("the end-of-turn model has more to do than it can")]
    Overloaded,
    /// The worker is gone.
    #[error("the end-of-turn model has stopped")]
    Stopped,
}

/// The model in memory.
pub struct TurnModel {
    model: Model,
    input: NodeId,
    output: NodeId,
    options: RunOptions,
    features: Features,
}

impl TurnModel {
    /// Loads the model and runs it once.
    ///
    /// # Errors
    /// The file is missing, damaged or another model.
    pub fn load(path: &Path) -> Result<Self, EndJudgeError> {
        let failed = |reason: String| EndJudgeError::Model { path: path.to_owned(), reason };
        let model = Model::load_file(path).map_err(|error| failed(error.to_string()))?;
        let ([input], [output, ..]) = (model.input_ids(), model.output_ids()) else {
            return Err(failed("it does not have one input and an output".to_owned()));
        };
        let (input, output) = (*input, *output);
        // One thread of our own: by default each judgement would wake a pool of all cores.
        let options =
            RunOptions::default().with_thread_pool(Some(Arc::new(ThreadPool::with_num_threads(1))));
        let loaded = Self { model, input, output, options, features: Features::new() };
        loaded.run(&[0; 1_600]).map_err(failed)?;
        Ok(loaded)
    }

    /// The probability, 0 to 1, that whoever speaks has finished. Of more than eight seconds the last
    /// eight count.
    ///
    /// # Errors
    /// [`EndJudgeError::Failed`].
    pub fn probability(&self, samples_16k: &[i16]) -> Result<f32, EndJudgeError> {
        self.run(samples_16k).map_err(EndJudgeError::Failed)
    }

    fn run(&self, samples_16k: &[i16]) -> Result<f32, String> {
        let features = self.features.log_mel(samples_16k)?;
        let input = ValueView::from_shape([1, MELS, FRAMES], &features)
            .map_err(|error| error.to_string())?;
        let [output] = self
            .model
            .run_n(vec![(self.input, input.into())], [self.output], Some(self.options.clone()))
            .map_err(|error| error.to_string())?;
        let output = output
            .into_tensor::<f32>()
            .ok_or_else(|| "its output is no number".to_owned())?
            .into_data();
        match output[..] {
            [probability] if probability.is_finite() => Ok(probability.clamp(0.0, 1.0)),
            _ => Err("its output is not one probability".to_owned()),
        }
    }
}

struct Job {
    samples_16k: Vec<i16>,
    reply: oneshot::Sender<Result<f32, EndJudgeError>>,
}

/// A handle on the worker; clones share it. The worker ends when the last one is dropped.
#[derive(Clone)]
pub struct EndJudge {
    jobs: mpsc::Sender<Job>,
}

impl EndJudge {
    /// Starts the worker.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(model: TurnModel) -> Result<Self, EndJudgeError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE_LEN_MAX);
        std::thread::Builder::new()
            .name("end-of-turn".to_owned())
            .spawn(move || {
                while let Some(Job { samples_16k, reply }) = queue.blocking_recv() {
                    // Nobody waits any more: the caller went on or hung up.
                    if !reply.is_closed() {
                        let _ = reply.send(model.probability(&samples_16k));
                    }
                }
            })
            .map_err(EndJudgeError::Thread)?;
        Ok(Self { jobs })
    }

    /// The probability, 0 to 1, that whoever speaks has finished. Dropping the future cancels.
    ///
    /// # Errors
    /// The model failed, has too much to do, or is gone.
    pub async fn judge(&self, samples_16k: Vec<i16>) -> Result<f32, EndJudgeError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { samples_16k, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => EndJudgeError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => EndJudgeError::Stopped,
        })?;
        answer.await.map_err(|_| EndJudgeError::Stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("smart-turn.onnx");
        std::fs::write(&path, b"not a model").expect("writes");
        let error = TurnModel::load(&path).err().expect("no model").to_string();
        assert!(error.contains("smart-turn.onnx"), "{error}");
    }

    #[tokio::test]
    async fn what_would_come_too_late_is_refused() {
        let (jobs, queue) = mpsc::channel(1);
        let judge = EndJudge { jobs };
        let (reply, _answer) = oneshot::channel();
        judge.jobs.try_send(Job { samples_16k: Vec::new(), reply }).expect("there is one place");
        assert!(matches!(judge.judge(vec![0; 10]).await, Err(EndJudgeError::Overloaded)));
        drop(queue);
        assert!(matches!(judge.judge(vec![0; 10]).await, Err(EndJudgeError::Stopped)));
    }

    fn model() -> TurnModel {
        let home = std::env::var("HOME").unwrap_or_default();
        let folder = std::env::var("FRONTDOOR_MODELS")
            .unwrap_or_else(|_| format!("{home}/.cache/frontdoor/models"));
        let path = Path::new(&folder).join("smart-turn/smart-turn-v3.2-cpu.onnx");
        TurnModel::load(&path).expect("the model")
    }

    #[test]
    #[ignore = "needs the models"]
    fn a_whole_sentence_is_likelier_to_be_over_than_half_of_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/audio/phone_number.wav");
        let mut wav = hound::WavReader::open(path).expect("the fixture");
        assert_eq!(wav.spec().sample_rate, 16_000);
        let samples: Vec<i16> = wav.samples().map(|s| s.expect("16 bits")).collect();
        let model = model();
        let whole = model.probability(&samples).expect("runs");
        let half = model.probability(&samples[..samples.len() / 2]).expect("runs");
        assert!(whole > half, "whole {whole}, half {half}");
    }
}
