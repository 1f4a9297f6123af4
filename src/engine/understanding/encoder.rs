//! Sentences to vectors: all-MiniLM-L6-v2 (a small BERT) through candle.
//!
//! A sentence can be read at two depths: the mean of its tokens after the last layer, which is what
//! the encoder was trained to give, or what several layers say of it, to be pooled in other ways.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, safetensors};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::Config;
use sha2::{Digest, Sha256};
use tokenizers::{Tokenizer, TruncationParams};

use super::layers::LayeredBert;
use super::pooling::{Depth, LAYERS};
use super::tuning;

/// Tokens of a sentence that are looked at; a caller's sentence has about 12.
const TOKENS_MAX: usize = 64;

/// Sentences in one pass: enough to fill the core's arithmetic units, little enough for its cache.
const BATCH: usize = 32;

/// A sentence as a point on the unit sphere.
pub type Embedding = Vec<f32>;

/// Why there is no encoder, or no embedding.
#[derive(Debug, thiserror::Error)]
pub enum UnderstandingError {
    /// A file of the encoder is missing or damaged.
    #[error(
        "cannot use the sentence encoder's {}: {reason}; delete the folder and fetch the models \
         again",
        path.display()
    )]
    Model {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The encoder failed on a sentence.
    #[error("the sentence encoder failed: {0}")]
    Encode(String),
    /// There is nothing to learn from.
    #[error("no intent has an example: give each intent at least five under 'Callers say'")]
    NoExamples,
    /// A thread could not be started.
    #[error("cannot start a thread for understanding: {0}")]
    Thread(String),
    /// The worker is gone.
    #[error("understanding has stopped")]
    Stopped,
}

/// The encoder. Share it in an `Arc`: users take turns on one core.
pub struct SentenceEncoder {
    model: LayeredBert,
    device: Device,
    tokenizer: Tokenizer,
    /// candle spreads each product over rayon's pool; a pool of one keeps a sentence on one core.
    core: rayon::ThreadPool,
    hash: [u8; 32],
    dimensions: usize,
}

fn read(path: &Path) -> Result<Vec<u8>, UnderstandingError> {
    std::fs::read(path).map_err(|error| UnderstandingError::Model {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// A pool of one thread with candle's work in it.
pub(super) fn one_core(name: &'static str) -> Result<rayon::ThreadPool, UnderstandingError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(move |_| name.to_owned())
        .build()
        .map_err(|error| UnderstandingError::Thread(error.to_string()))
}

impl SentenceEncoder {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a folder, and teaches
    /// the encoder what callers mean, if it is the one that this was learned for.
    ///
    /// # Errors
    /// A file is missing or damaged; the message names it.
    pub fn load(folder: &Path) -> Result<Self, UnderstandingError> {
        Self::load_with(folder, tuning::of)
    }

    /// The same encoder as it was published, to measure against.
    ///
    /// # Errors
    /// A file is missing or damaged; the message names it.
    pub fn load_untaught(folder: &Path) -> Result<Self, UnderstandingError> {
        Self::load_with(folder, |_| None)
    }

    /// `taught` gives the change to weights of this SHA-256.
    fn load_with(
        folder: &Path,
        taught: impl Fn(&[u8; 32]) -> Option<&'static [u8]>,
    ) -> Result<Self, UnderstandingError> {
        let failed = |name: &str| {
            let path = folder.join(name);
            move |reason: String| UnderstandingError::Model { path, reason }
        };
        let config: Config = serde_json::from_slice(&read(&folder.join("config.json"))?)
            .map_err(|error| failed("config.json")(error.to_string()))?;
        let tokenizer_json = read(&folder.join("tokenizer.json"))?;
        let mut tokenizer = Tokenizer::from_bytes(&tokenizer_json)
            .map_err(|error| failed("tokenizer.json")(error.to_string()))?;
        let truncation = TruncationParams { max_length: TOKENS_MAX, ..Default::default() };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|error| failed("tokenizer.json")(error.to_string()))?
            .with_padding(None);
        let weights = read(&folder.join("model.safetensors"))?;
        let mut hash = Sha256::new();
        hash.update(&tokenizer_json);
        let weights_sha256: [u8; 32] = Sha256::digest(&weights).into();
        hash.update(weights_sha256);
        let change = taught(&weights_sha256);
        hash.update(change.unwrap_or_default());
        let device = device();
        let model = load_model(&weights, change, &config, &device)
            .map_err(|error| failed("model.safetensors")(error.to_string()))?;
        let core = one_core("sentence-encoder")?;
        let (hash, dimensions) = (hash.finalize().into(), config.hidden_size);
        let encoder = Self { model, device, tokenizer, core, hash, dimensions };
        encoder.encode("warm up")?;
        Ok(encoder)
    }

    /// Identifies the weights: embeddings of encoders with the same hash are the same.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Numbers in an embedding.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// One sentence; about 14 ms of one core for 12 tokens.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn encode(&self, text: &str) -> Result<Embedding, UnderstandingError> {
        Ok(self.encode_batch(&[text])?.remove(0))
    }

    /// Many sentences, in their order.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Embedding>, UnderstandingError> {
        self.encode_at(texts, Depth::Last)
    }

    /// Many sentences, in their order, read at this depth. It costs the same at either.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn encode_at(
        &self,
        texts: &[&str],
        depth: Depth,
    ) -> Result<Vec<Embedding>, UnderstandingError> {
        let failed = |error: &dyn std::fmt::Display| UnderstandingError::Encode(error.to_string());
        let mut sentences = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let tokens = self.tokenizer.encode(*text, true).map_err(|error| failed(&error))?;
            sentences.push((index, tokens.get_ids().to_vec()));
        }
        // Sentences of one length go together, so that little is spent on padding.
        sentences.sort_by_key(|(_, ids)| ids.len());
        let mut embeddings = vec![Embedding::new(); texts.len()];
        for batch in sentences.chunks(BATCH) {
            let rows =
                self.core.install(|| self.forward(batch, depth)).map_err(|error| failed(&error))?;
            for ((index, _), row) in batch.iter().zip(rows) {
                embeddings[*index] = row;
            }
        }
        Ok(embeddings)
    }

    fn forward(
        &self,
        batch: &[(usize, Vec<u32>)],
        depth: Depth,
    ) -> candle_core::Result<Vec<Embedding>> {
        let longest = batch.iter().map(|(_, ids)| ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(batch.len() * longest);
        let mut mask = Vec::with_capacity(batch.len() * longest);
        for (_, sentence) in batch {
            ids.extend(sentence);
            mask.extend(std::iter::repeat_n(1_f32, sentence.len()));
            ids.resize(ids.len() + longest - sentence.len(), 0);
            mask.resize(ids.len(), 0.0);
        }
        let shape = (batch.len(), longest);
        let ids = Tensor::from_vec(ids, shape, &self.device)?;
        let mask = Tensor::from_vec(mask, shape, &self.device)?;
        match depth {
            Depth::Last => {
                let states = self.model.states(&ids, &mask, 1)?;
                // The mean differs from the sum by a factor, which normalising takes out anyway.
                Ok(sums(&states[0], &mask)?.into_iter().map(normalised).collect())
            }
            Depth::Layers => blocks(&self.model.states(&ids, &mask, LAYERS)?, &mask),
        }
    }
}

/// Where the encoder runs: on the first GPU, if this program was built for one and finds it.
/// `CUDA_VISIBLE_DEVICES=` hides it from all models.
fn device() -> Device {
    if cfg!(feature = "cuda") {
        match Device::new_cuda(0) {
            Ok(gpu) => return gpu,
            Err(error) => tracing::warn!(%error, "no GPU is used: the models run on the processor"),
        }
    }
    Device::Cpu
}

fn load_model(
    weights: &[u8],
    change: Option<&[u8]>,
    config: &Config,
    device: &Device,
) -> candle_core::Result<LayeredBert> {
    let mut weights: HashMap<String, Tensor> = safetensors::load_buffer(weights, &Device::Cpu)?;
    if let Some(change) = change {
        tuning::apply(change, &mut weights)?;
    }
    LayeredBert::load(&VarBuilder::from_tensors(weights, DType::F32, device), config)
}

/// The sum of each sentence's tokens.
fn sums(state: &Tensor, mask: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
    state.broadcast_mul(&mask.unsqueeze(2)?)?.sum(1)?.to_vec2()
}

/// What `Pooling` chooses from, for each sentence: the sums of the last layers, the latest first,
/// then the first token and the maximum over the tokens of the last layer.
fn blocks(states: &[Tensor], mask: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
    let last = &states[0];
    let mut rows: Vec<Vec<f32>> = vec![Vec::new(); mask.dim(0)?];
    let mut append = |block: Vec<Vec<f32>>| {
        for (row, values) in rows.iter_mut().zip(block) {
            row.extend(values);
        }
    };
    for layer in 0..LAYERS {
        // An encoder with fewer layers has its lowest counted again.
        append(sums(&states[layer.min(states.len() - 1)], mask)?);
    }
    append(last.narrow(1, 0, 1)?.squeeze(1)?.to_vec2()?);
    // Padding is pushed far below every value.
    let padding = mask.affine(1e9, -1e9)?.unsqueeze(2)?;
    append(last.broadcast_add(&padding)?.max(1)?.to_vec2()?);
    Ok(rows)
}

/// Scales a vector to length 1; a zero vector stays.
pub(super) fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}
