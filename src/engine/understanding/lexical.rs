//! Words and runs of letters as vectors of unit length.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::encoder::normalised;

/// Words and pairs of words that are looked at, the most frequent ones. Each costs a weight for
/// each intent, and with it training time.
const WORDS_MAX: usize = 1_024;

/// A word of one example alone says nothing about others.
const EXAMPLES_MIN: usize = 2;

/// Buckets that runs of letters are hashed into.
const LETTER_BUCKETS: usize = 1_024;

/// Lengths of these runs.
const RUNS: std::ops::RangeInclusive<usize> = 3..=5;

/// Words of a sentence that are looked at: more than anybody says in one breath.
const SENTENCE_WORDS_MAX: usize = 256;

/// The words of a sentence in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}')
        .map(|word| word.replace('\u{2019}', "'").trim_matches('\'').to_lowercase())
        .filter(|word| !word.is_empty())
        .take(SENTENCE_WORDS_MAX)
        .collect()
}

/// Its words and pairs of neighbours.
fn terms(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let mut terms: BTreeSet<String> =
        words.windows(2).map(|pair| format!("{} {}", pair[0], pair[1])).collect();
    terms.extend(words);
    terms
}

/// The words of a set of examples, with how telling each is.
#[derive(Debug, Clone)]
pub(super) struct WordFeatures {
    /// Place and weight of each term.
    terms: HashMap<String, (usize, f32)>,
}

impl WordFeatures {
    /// Learns the terms that stand in several of the texts.
    pub fn fit<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut all = 0;
        for text in texts {
            all += 1;
            for term in terms(text) {
                *counts.entry(term).or_default() += 1;
            }
        }
        let mut frequent: Vec<(String, usize)> =
            counts.into_iter().filter(|(_, count)| *count >= EXAMPLES_MIN).collect();
        // Stable: of terms as frequent as each other, the alphabet decides.
        frequent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        frequent.truncate(WORDS_MAX);
        let weighted = frequent.into_iter().enumerate().map(|(place, (term, count))| {
            // Smoothed inverse document frequency.
            let weight = ((1.0 + all as f32) / (1.0 + count as f32)).ln() + 1.0;
            (term, (place, weight))
        });
        Self { terms: weighted.collect() }
    }

    /// A sentence's vector; all zeros if it has none of the terms. It is never empty, for nothing
    /// can be trained on vectors without a number.
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.terms.len().max(1)];
        for term in terms(text) {
            if let Some((place, weight)) = self.terms.get(&term) {
                vector[*place] = *weight;
            }
        }
        normalised(vector)
    }
}

/// The runs of letters of a sentence's words, hashed with a sign (Weinberger et al. 2009, "Feature
/// hashing for large scale multitask learning"). A word's ends count as letters.
pub(super) fn letter_vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; LETTER_BUCKETS];
    for word in words(text) {
        let letters: Vec<char> = format!(" {word} ").chars().collect();
        for run in RUNS {
            for letters in letters.windows(run) {
                let hash = fnv(letters);
                // The upper half chooses the sign, so that it does not go with the bucket.
                let sign = if (hash >> 32) & 1 == 0 { 1.0 } else { -1.0 };
                vector[(hash % LETTER_BUCKETS as u64) as usize] += sign;
            }
        }
    }
    normalised(vector)
}

/// FNV-1a, 64 bits: the same on every machine and in every build.
fn fnv(letters: &[char]) -> u64 {
    letters.iter().fold(0xcbf2_9ce4_8422_2325, |hash, letter| {
        (hash ^ u64::from(u32::from(*letter))).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::regression::dot;
    use super::*;

    #[test]
    fn words_are_plain_and_lower_case() {
        assert_eq!(
            words("What's my BALANCE, \u{2018}please\u{2019}?"),
            ["what's", "my", "balance", "please"]
        );
        assert!(words("... '").is_empty());
    }

    #[test]
    fn rare_words_weigh_more_and_unknown_ones_nothing() {
        let texts = ["my card", "my card", "my pin", "my pin", "my card"];
        let features = WordFeatures::fit(texts.into_iter());
        let vector = features.vector("MY pin");
        let (my, _) = features.terms["my"];
        let (pin, _) = features.terms["pin"];
        assert!(vector[pin] > vector[my] && vector[my] > 0.0);
        assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5);
        assert!(features.terms.contains_key("my pin") && !features.terms.contains_key("card my"));
        assert!(features.vector("boats").iter().all(|value| *value == 0.0));
        let once = WordFeatures::fit(["one", "two"].into_iter());
        assert_eq!(once.vector("one"), [0.0], "seen only once each");
    }

    #[test]
    fn a_misspelt_word_stays_near() {
        let [right, wrong, other] = ["mortgage", "morgage", "password"].map(letter_vector);
        assert!(dot(&right, &wrong) > 0.3, "{}", dot(&right, &wrong));
        assert!(dot(&right, &other) < 0.2, "{}", dot(&right, &other));
        assert!(letter_vector("").iter().all(|value| *value == 0.0));
    }
}
