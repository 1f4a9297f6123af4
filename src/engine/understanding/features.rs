//! What the classifier looks at, as one closed choice, so that ways to look can be measured against
//! each other on the same sentences. `FeatureSet::default()` is what calls are answered with.

use super::encoder::Embedding;
use super::pooling::Pooling;
use crate::nlu::IntentName;

/// A sentence as a classifier looks at it: its words and what the encoder made of them. It prints
/// nothing of itself, for it may be what a caller said.
#[derive(Clone)]
pub struct Phrase {
    /// The words.
    pub text: String,
    /// Pooled as the classifier's `FeatureSet` says.
    pub embedding: Embedding,
}

/// A sentence to learn from.
#[derive(Clone)]
pub struct Example {
    /// What it means.
    pub intent: IntentName,
    /// The sentence.
    pub phrase: Phrase,
    /// Other ways in which it might be said or heard; they are learned from with it, and never
    /// examined.
    pub copies: Vec<Phrase>,
}

/// Words as such, beside what the encoder makes of the sentence: intents that are near each other
/// may differ by one word that an embedding smooths over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lexical {
    /// The embedding alone.
    Nothing,
    /// Single words and pairs, weighted by TF-IDF of the examples.
    Words,
    /// Runs of three to five letters, hashed: alike for a word and its misspelling.
    Letters,
    /// Both.
    WordsAndLetters,
}

impl Lexical {
    /// Whether words are looked at.
    pub const fn has_words(self) -> bool {
        matches!(self, Self::Words | Self::WordsAndLetters)
    }

    /// Whether runs of letters are looked at.
    pub const fn has_letters(self) -> bool {
        matches!(self, Self::Letters | Self::WordsAndLetters)
    }
}

/// How several opinions become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fusion {
    /// One regression on all features, one beside the other.
    Joined,
    /// A regression on the embedding and one on the words, their probabilities averaged.
    Averaged,
    /// The regression and the cosine to each intent's mean (Snell et al. 2017, "Prototypical
    /// networks"), their probabilities averaged.
    WithCentroids,
}

/// What is done to embeddings before the regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// Nothing.
    Unchanged,
    /// The spread of all examples is made round (Su et al. 2021, "Whitening sentence
    /// representations").
    Whitened {
        /// How far the measured spread is drawn towards a round one, 0 to 1.
        shrinkage: f32,
    },
    /// The spread within an intent is made round, as in linear discriminant analysis with shrinkage
    /// (Friedman 1989, "Regularized discriminant analysis"): directions in which sentences of one
    /// intent differ count less.
    WithinIntents {
        /// How far the measured spread is drawn towards a round one, 0 to 1.
        shrinkage: f32,
    },
}

/// What is learned from beside each example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Nothing.
    Nothing,
    /// The example without the words that open and close a sentence ("hi can you", "please").
    Stripped,
    /// The points between examples of an intent (Zhang et al. 2018, "mixup", within a class).
    Mixed,
    /// Both.
    StrippedAndMixed,
    /// The example as a recogniser might mishear it.
    Misheard,
}

impl Copies {
    /// Whether points between examples are learned from.
    pub const fn has_mixed(self) -> bool {
        matches!(self, Self::Mixed | Self::StrippedAndMixed)
    }
}

/// Where the nearness to examples is measured that tells what is out of scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nearness {
    /// Between embeddings as they come from the encoder.
    Embedding,
    /// Between the features that the regression sees. With `Transform::WithinIntents` this is the
    /// angle that goes with Mahalanobis distance (Podolskiy et al. 2021, "Revisiting Mahalanobis
    /// distance for transformer-based out-of-domain detection").
    Features,
}

/// Everything that a classifier looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureSet {
    /// How the encoder's tokens become one vector.
    pub pooling: Pooling,
    /// Words beside it.
    pub lexical: Lexical,
    /// How opinions become one.
    pub fusion: Fusion,
    /// What is done to the embedding first.
    pub transform: Transform,
    /// What is learned from beside each example.
    pub copies: Copies,
    /// Where nearness is measured.
    pub nearness: Nearness,
}

impl FeatureSet {
    /// The embedding alone, in one regression.
    pub const PLAIN: Self = Self {
        pooling: Pooling::Mean,
        lexical: Lexical::Nothing,
        fusion: Fusion::Joined,
        transform: Transform::Unchanged,
        copies: Copies::Nothing,
        nearness: Nearness::Embedding,
    };
}

impl Default for FeatureSet {
    fn default() -> Self {
        Self::PLAIN
    }
}
