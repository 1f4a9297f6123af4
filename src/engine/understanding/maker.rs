//! Turns a phrase into the vectors that classifiers see, by what was fitted on their examples.

use super::encoder::{Embedding, UnderstandingError, normalised};
use super::features::{FeatureSet, Lexical, Nearness, Phrase, Transform};
use super::lexical::{WordFeatures, letter_vector};
use super::whitening::Whitening;

/// How much words weigh beside an embedding of length 1, and likewise runs of letters.
const LEXICAL_WEIGHT: f32 = 0.5;

/// A side from which a phrase is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The embedding, and words beside it if there are any.
    Joined,
    /// The embedding alone.
    Semantic,
    /// The words alone.
    Lexical,
}

/// What is fitted on a set of examples.
#[derive(Debug, Clone)]
pub(super) struct Maker {
    features: FeatureSet,
    words: Option<WordFeatures>,
    whitening: Option<Whitening>,
}

impl Maker {
    /// Fits to phrases with the group of each: what they mean.
    pub fn fit(
        phrases: &[&Phrase],
        groups: &[usize],
        features: FeatureSet,
    ) -> Result<Self, UnderstandingError> {
        let embeddings: Vec<&Embedding> = phrases.iter().map(|phrase| &phrase.embedding).collect();
        let whitening = match features.transform {
            Transform::Unchanged => Ok(None),
            Transform::Whitened { shrinkage } => {
                Whitening::fit(&embeddings, &vec![0; embeddings.len()], shrinkage)
            }
            Transform::WithinIntents { shrinkage } => {
                Whitening::fit(&embeddings, groups, shrinkage)
            }
        };
        let whitening = whitening.map_err(|error| UnderstandingError::Encode(error.to_string()))?;
        let words = features
            .lexical
            .has_words()
            .then(|| WordFeatures::fit(phrases.iter().map(|phrase| phrase.text.as_str())));
        Ok(Self { features, words, whitening })
    }

    /// A phrase from one side; of unit length, or all zeros if there is nothing on that side.
    pub fn view(&self, view: View, phrase: &Phrase) -> Vec<f32> {
        match view {
            View::Semantic => self.semantic(phrase),
            View::Lexical => normalised(self.lexical(phrase)),
            View::Joined if self.features.lexical == Lexical::Nothing => self.semantic(phrase),
            View::Joined => {
                let mut joined = self.semantic(phrase);
                joined.extend(self.lexical(phrase));
                normalised(joined)
            }
        }
    }

    /// Where a phrase is when the nearness to examples is measured.
    pub fn place(&self, phrase: &Phrase) -> Embedding {
        match self.features.nearness {
            Nearness::Embedding => phrase.embedding.clone(),
            Nearness::Features => self.view(View::Joined, phrase),
        }
    }

    fn semantic(&self, phrase: &Phrase) -> Vec<f32> {
        match &self.whitening {
            Some(whitening) => whitening.apply(&phrase.embedding),
            None => phrase.embedding.clone(),
        }
    }

    fn lexical(&self, phrase: &Phrase) -> Vec<f32> {
        let mut vector: Vec<f32> = Vec::new();
        if let Some(words) = &self.words {
            vector.extend(words.vector(&phrase.text));
        }
        if self.features.lexical.has_letters() {
            vector.extend(letter_vector(&phrase.text));
        }
        vector.iter_mut().for_each(|value| *value *= LEXICAL_WEIGHT);
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::super::regression::dot;
    use super::*;

    fn phrase(text: &str, angle: f32) -> Phrase {
        Phrase { text: text.to_owned(), embedding: vec![angle.cos(), angle.sin()] }
    }

    #[test]
    fn words_stand_beside_the_embedding() {
        let phrases = [phrase("block my card", 0.1), phrase("block my pin", 0.1)];
        let phrases: Vec<&Phrase> = phrases.iter().collect();
        let make = |lexical| {
            Maker::fit(&phrases, &[0, 1], FeatureSet { lexical, ..FeatureSet::PLAIN })
                .expect("fits")
        };
        let plain = make(Lexical::Nothing);
        assert_eq!(plain.view(View::Joined, phrases[0]), phrases[0].embedding);
        assert!(plain.view(View::Lexical, phrases[0]).is_empty());
        let both = make(Lexical::WordsAndLetters);
        let [card, pin] = [0, 1].map(|index| both.view(View::Joined, phrases[index]));
        assert!((dot(&card, &card) - 1.0).abs() < 1e-5);
        assert!(dot(&card, &pin) < 0.99, "the embeddings are one, the words are not");
        assert_eq!(both.place(phrases[0]), phrases[0].embedding);
        assert_eq!(both.view(View::Semantic, phrases[0]), phrases[0].embedding);
        assert_eq!(both.view(View::Lexical, phrases[0]).len() + 2, card.len());
    }
}
