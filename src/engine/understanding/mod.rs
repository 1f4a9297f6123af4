//! Text to intent: a frozen sentence encoder and, per generation of prompt files, a classifier
//! trained on their examples in well under a second.
//!
//! Not its job: what to do about it (confidence policy, in `nlu`), slots, dialog.

mod blend;
mod calibration;
mod embedding_cache;
mod encoder;
mod features;
mod groups;
mod head;
mod judge;
mod layers;
mod lexical;
mod maker;
mod pool;
mod pooling;
mod regression;
mod several;
mod tuning;
mod variation;
mod whitening;
#[cfg(test)]
mod with_model;

pub use calibration::calibration_error;
pub use embedding_cache::EmbeddingCache;
pub use encoder::{Embedding, SentenceEncoder, UnderstandingError};
pub use features::{Copies, Example, FeatureSet, Fusion, Lexical, Nearness, Phrase, Transform};
pub use groups::{group_alike, likeness};
pub use head::{Head, TrainingReport};
pub use pool::UnderstandingPool;
pub use pooling::{Depth, Pooling};
pub use several::{LabelCounts, Labelled, SeveralHead};
pub use variation::Mishearing;

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

/// Sentences as a classifier looks at them whose features are pooled this way; embeddings are kept
/// in `cache_folder` if there is one.
///
/// # Errors
/// The encoder failed.
pub fn phrases(
    encoder: &Arc<SentenceEncoder>,
    texts: &[&str],
    pooling: Pooling,
    cache_folder: Option<&Path>,
) -> Result<Vec<Phrase>, UnderstandingError> {
    let mut cache = EmbeddingCache::open_at(Arc::clone(encoder), cache_folder, pooling.depth());
    let kept = cache.encode(texts, &mut |_, _| {})?;
    let phrase = |(text, kept): (&&str, Embedding)| Phrase {
        text: (*text).to_owned(),
        embedding: pooling.pool(&kept),
    };
    Ok(texts.iter().zip(kept).map(phrase).collect())
}

/// The encoder with the classifier of one generation. Immutable; share it.
#[derive(Clone)]
pub struct Understander {
    encoder: Arc<SentenceEncoder>,
    features: FeatureSet,
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
        let features = FeatureSet::default();
        let said: Vec<&str> = examples.iter().map(|(_, text)| text.as_str()).collect();
        let copies = features.copies.texts(&said, TRAINING_SEED);
        let mut texts = said;
        texts.extend(counter_examples.iter().map(String::as_str));
        texts.extend(copies.iter().flatten().map(String::as_str));
        let mut phrases = phrases(&encoder, &texts, features.pooling, cache_folder)?;
        let mut copied = phrases.split_off(examples.len() + counter_examples.len()).into_iter();
        let counter = phrases.split_off(examples.len());
        let labelled: Vec<Example> = examples
            .iter()
            .zip(phrases)
            .zip(&copies)
            .map(|(((intent, _), phrase), copies)| Example {
                intent: intent.clone(),
                phrase,
                copies: copied.by_ref().take(copies.len()).collect(),
            })
            .collect();
        let head = Head::train(&labelled, &counter, features, TRAINING_SEED)?;
        Ok(Self { encoder, features, head })
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
            let mut whole = self.head.classify(&self.phrase(text)?);
            whole.parts = self.parts(text)?;
            return Ok(whole);
        }
        Ok(self.nothing_said())
    }

    /// What a sentence means of which the recogniser gave several versions, each with its weight:
    /// what they have in common counts, and a word that only one of them has counts less. About
    /// 15 ms of one core for each.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn understand_alternatives(
        &self,
        heard: &[(&str, f32)],
    ) -> Result<Understanding, UnderstandingError> {
        let mut weighted = Vec::with_capacity(heard.len());
        for (text, weight) in heard.iter().filter(|(text, _)| text.contains(char::is_alphanumeric))
        {
            weighted.push((self.phrase(text)?, *weight));
        }
        let Some(mut whole) = self.head.classify_alternatives(&weighted) else {
            return Ok(self.nothing_said());
        };
        let likeliest = weighted.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((phrase, _)) = likeliest {
            whole.parts = self.parts(&phrase.text)?;
        }
        Ok(whole)
    }

    /// Sentences as this classifier looks at them, for `head().classify`.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn phrases(
        &self,
        texts: &[&str],
        cache_folder: Option<&Path>,
    ) -> Result<Vec<Phrase>, UnderstandingError> {
        phrases(&self.encoder, texts, self.features.pooling, cache_folder)
    }

    fn phrase(&self, text: &str) -> Result<Phrase, UnderstandingError> {
        let pooling = self.features.pooling;
        let kept = self.encoder.encode_at(&[text], pooling.depth())?;
        let embedding = pooling.pool(kept.first().map_or(&[][..], Vec::as_slice));
        Ok(Phrase { text: text.to_owned(), embedding })
    }

    /// Of an utterance without words: out of scope, all intents equally likely.
    fn nothing_said(&self) -> Understanding {
        let intents = self.head.intents();
        let confidence = 1.0 / intents.len() as f32;
        let intents = intents
            .iter()
            .map(|intent| IntentScore { intent: intent.clone(), confidence })
            .collect();
        Understanding::of(intents, NOTHING_SAID)
    }

    /// The requests in a sentence, if it can be cut into several that are all in scope and differ.
    fn parts(&self, text: &str) -> Result<Vec<Part>, UnderstandingError> {
        let pieces = clauses(text);
        let mut parts: Vec<Part> = Vec::new();
        if pieces.len() < 2 {
            return Ok(parts);
        }
        for piece in pieces {
            let understood = self.head.classify(&self.phrase(piece)?);
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
