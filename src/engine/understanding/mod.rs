//! Text to intent: a frozen sentence encoder and, per generation of prompt files, a classifier
//! trained on their examples in well under a second.
//!
//! Not its job: what to do about it (confidence policy, in `nlu`), slots, dialog.

mod calibration;
mod embedding_cache;
mod encoder;
mod groups;
mod head;
mod pool;
mod regression;
#[cfg(test)]
mod with_model;

pub use calibration::calibration_error;
pub use embedding_cache::EmbeddingCache;
pub use encoder::{Embedding, SentenceEncoder, UnderstandingError};
pub use groups::{group_alike, likeness};
pub use head::{Head, TrainingReport};
pub use pool::UnderstandingPool;

use std::path::Path;
use std::sync::Arc;

use crate::base::Pii;
use crate::nlu::spoken::{clauses, mood};
use crate::nlu::{IntentName, IntentScore, Part, Understanding};

/// The tokenizer writes sentences, letter by letter, at level trace: give every log filter this.
pub const LOG_FILTER: &str = "tokenizers=warn";

/// Which examples are examined together while training; any number will do.
const TRAINING_SEED: u64 = 1;

/// The score of an utterance without words: far outside.
const NOTHING_SAID: f32 = 10.0;

/// The encoder with the classifier of one generation. Immutable; share it.
#[derive(Clone)]
pub struct Understander {
    encoder: Arc<SentenceEncoder>,
    head: Head,
}

impl Understander {
    /// Learns from a generation's examples, keeping their embeddings in `cache_folder` if there
    /// is one.
    /// `counter_examples` are sentences that belong to none of the intents.
    ///
    /// # Errors
    /// There are no examples, or the encoder failed.
    pub fn train(
        encoder: Arc<SentenceEncoder>,
        examples: &[(IntentName, String)],
        counter_examples: &[String],
        cache_folder: Option<&Path>,
    ) -> Result<Self, UnderstandingError> {
        let texts: Vec<&str> =
            examples.iter().map(|(_, text)| text).chain(counter_examples).map(|t| &**t).collect();
        let mut cache = EmbeddingCache::open(Arc::clone(&encoder), cache_folder);
        let mut embeddings = cache.encode(&texts, &mut |_, _| {})?;
        let counter = embeddings.split_off(examples.len());
        let labelled: Vec<(IntentName, Embedding)> =
            examples.iter().map(|(intent, _)| intent.clone()).zip(embeddings).collect();
        let head = Head::train(&labelled, &counter, TRAINING_SEED)?;
        Ok(Self { encoder, head })
    }

    /// What a caller's sentence means. About 15 ms of one core, and as much again for each piece of
    /// a sentence that may hold several requests. A sentence without a letter or digit is out of
    /// scope, all intents equally likely. What a caller says about us ("this is ridiculous, I lost
    /// my card") is left out: it is no part of what they want.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn understand(&self, text: &str) -> Result<Understanding, UnderstandingError> {
        let felt = mood::parse(text);
        let wanted = felt.as_ref().map(|felt| felt.rest.expose().as_str());
        let text = wanted.filter(|wanted| !wanted.is_empty()).unwrap_or(text);
        if text.contains(char::is_alphanumeric) {
            let mut whole = self.head.classify(&self.encoder.encode(text)?);
            whole.parts = self.parts(text)?;
            return Ok(whole);
        }
        let intents = self.head.intents();
        let confidence = 1.0 / intents.len() as f32;
        let intents = intents
            .iter()
            .map(|intent| IntentScore { intent: intent.clone(), confidence })
            .collect();
        Ok(Understanding::of(intents, NOTHING_SAID))
    }

    /// The requests in a sentence, if it can be cut into several that are all in scope and differ.
    fn parts(&self, text: &str) -> Result<Vec<Part>, UnderstandingError> {
        let pieces = clauses(text);
        let mut parts: Vec<Part> = Vec::new();
        if pieces.len() < 2 {
            return Ok(parts);
        }
        for piece in pieces {
            let understood = self.head.classify(&self.encoder.encode(piece)?);
            let Some(top) = understood.top().filter(|_| !understood.is_out_of_scope()) else {
                return Ok(Vec::new());
            };
            if parts.iter().any(|part| part.score.intent == top.intent) {
                return Ok(Vec::new());
            }
            parts.push(Part { words: Pii::new(piece.to_owned()), score: top.clone() });
        }
        Ok(parts)
    }

    /// The classifier.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The encoder.
    pub const fn encoder(&self) -> &Arc<SentenceEncoder> {
        &self.encoder
    }
}
