//! Trains the classifier of a generation of prompt files: when the server starts, when the files
//! are edited, and for commands that classify without serving.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::models::ModelStore;
use crate::engine::understanding::{
    Embedding, FeatureSet, SentenceEncoder, Understander, UnderstandingError, phrases,
};
use crate::nlu::IntentName;
use crate::prompts::Generation;

use super::ServerError;
use super::engines::derived_dir;

/// What a generation's files teach.
#[derive(Debug, Clone)]
pub struct Lessons {
    /// Sentences with the intent they mean.
    pub examples: Vec<(IntentName, String)>,
    /// Sentences that mean none of the intents.
    pub counter_examples: Vec<String>,
    /// How many of the examples come from where, for people.
    pub sources: Vec<(&'static str, usize)>,
}

impl Lessons {
    /// The lessons of a generation.
    pub fn of(generation: &Generation) -> Self {
        // An intent's name and title say in other words what it is about.
        let names = generation.intents.iter().flat_map(|intent| {
            [intent.name.as_words(), intent.title.clone()].map(|text| (intent.name.clone(), text))
        });
        let (mut really, mut counter_examples) = (Vec::new(), Vec::new());
        for negative in generation.negatives() {
            match negative.really {
                // "That is not a balance but a transfer" teaches the transfer.
                Some(intent) => really.push((intent, negative.text)),
                None => counter_examples.push(negative.text),
            }
        }
        let (mut examples, mut sources) = (Vec::new(), Vec::new());
        for (source, sentences) in [
            ("`## Callers say`", generation.training()),
            ("faq.md", generation.faq_training()),
            ("`## Not by phone`", generation.not_by_phone_training()),
            ("names and titles", names.collect()),
            ("`## Not this` with `->`", really),
        ] {
            sources.push((source, sentences.len()));
            examples.extend(sentences);
        }
        Self { examples, counter_examples, sources }
    }
}

/// Where the embeddings of example sentences are kept.
pub fn embeddings_dir(store: &ModelStore) -> PathBuf {
    derived_dir(store, "embeddings")
}

/// The classifier of a generation. Embeddings of its examples are kept beside the models, so that
/// only sentences not seen before take time.
///
/// # Errors
/// The encoder is missing or damaged, or there are no examples.
pub fn train_understander(
    store: &ModelStore,
    encoder: &str,
    generation: &Generation,
) -> Result<Understander, ServerError> {
    Ok(Trainer::open(store, encoder)?.train(&Lessons::of(generation))?)
}

/// The sentence encoder with the place where embeddings of examples are kept. Clones share it.
#[derive(Clone)]
pub struct Trainer {
    encoder: Arc<SentenceEncoder>,
    cache: PathBuf,
}

impl Trainer {
    /// Loads an encoder by its name in the model store.
    ///
    /// # Errors
    /// It is missing or damaged; the message says how to fetch it.
    pub fn open(store: &ModelStore, encoder: &str) -> Result<Self, ServerError> {
        let ready = store.checked(encoder)?;
        let encoder = Arc::new(SentenceEncoder::load(ready.dir())?);
        Ok(Self { encoder, cache: embeddings_dir(store) })
    }

    /// Trains a classifier. About a third of a second of one core, and 14 ms for each sentence
    /// that was never seen before.
    ///
    /// # Errors
    /// There are no examples, or the encoder failed.
    pub fn train(&self, lessons: &Lessons) -> Result<Understander, UnderstandingError> {
        let Lessons { examples, counter_examples, .. } = lessons;
        Understander::train(
            Arc::clone(&self.encoder),
            examples,
            counter_examples,
            Some(&self.cache),
        )
    }

    /// The embeddings of the examples, in their order, as a trained classifier looks at them.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn embed(&self, lessons: &Lessons) -> Result<Vec<Embedding>, UnderstandingError> {
        let texts: Vec<&str> = lessons.examples.iter().map(|(_, text)| text.as_str()).collect();
        let pooling = FeatureSet::default().pooling;
        let phrases = phrases(&self.encoder, &texts, pooling, Some(&self.cache))?;
        Ok(phrases.into_iter().map(|phrase| phrase.embedding).collect())
    }

    /// The encoder.
    pub const fn encoder(&self) -> &Arc<SentenceEncoder> {
        &self.encoder
    }
}
