//! Trains classifiers on what is drawn from a set and examines them on the rest of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::sets::{Draw, Sentence, Set, Test, draw};
use crate::cli::eval::cpu::CpuClock;
use crate::cli::eval::progress_bar;
use crate::engine::understanding::{
    Depth, Embedding, EmbeddingCache, Example, FeatureSet, Head, Mishearing, Phrase, Pooling,
    SentenceEncoder, calibration_error,
};
use crate::nlu::Understanding;
use crate::nlu::wer::{WordErrors, word_errors};

/// Sentences over which the time of one is taken.
const TIMED: usize = 50;

/// The share of in-scope sentences that may be refused, where the threshold is set on the test
/// itself. A classifier has to set it on its examples.
const FALSE_REJECTION: f64 = 0.05;

/// One seed's result. Shares are 0 to 1.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Outcome {
    pub seed: u64,
    pub train_sentences: usize,
    pub test_sentences: usize,
    pub train_cpu_s: f64,
    pub temperature: f32,
    pub accuracy: f64,
    pub calibration_error: f64,
    /// What training expected its calibration error to be.
    pub expected_calibration_error: f64,
    pub accepted: f64,
    pub accepted_and_right: f64,
    pub out_of_scope_recall: Option<f64>,
    /// With the threshold at which exactly 5 % of this test are refused.
    pub out_of_scope_recall_at_5: Option<f64>,
    pub auroc: Option<f64>,
    pub classify_cpu_ms: f64,
    /// On the same test with simulated errors of a recogniser.
    pub accuracy_misheard: Option<f64>,
    /// The word error rate that these came to.
    pub word_error_rate: Option<f64>,
}

/// The chance that an out-of-scope sentence scores above an in-scope one.
fn auroc(inside: &[f32], outside: &[f32]) -> f64 {
    let mut all: Vec<(f32, bool)> = inside.iter().map(|score| (*score, false)).collect();
    all.extend(outside.iter().map(|score| (*score, true)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut inside_below, mut pairs, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let ties = all[at..].iter().take_while(|one| one.0 == all[at].0).count();
        let outside_here = all[at..at + ties].iter().filter(|one| one.1).count() as f64;
        let inside_here = ties as f64 - outside_here;
        pairs += outside_here * (inside_below + inside_here / 2.0);
        inside_below += inside_here;
        at += ties;
    }
    pairs / (inside.len() as f64 * outside.len() as f64)
}

/// The share of out-of-scope sentences that score above all but 5 % of the others.
fn recall_at(inside: &[f32], outside: &[f32]) -> f64 {
    let mut sorted = inside.to_vec();
    sorted.sort_by(f32::total_cmp);
    let kept = ((1.0 - FALSE_REJECTION) * sorted.len() as f64).ceil() as usize;
    let threshold = sorted.get(kept.saturating_sub(1));
    let above = outside.iter().filter(|score| threshold.is_none_or(|t| *score > t)).count();
    above as f64 / outside.len().max(1) as f64
}

/// Embeds sentences, each once.
pub(super) struct Embedder {
    encoder: Arc<SentenceEncoder>,
    folder: Option<PathBuf>,
    kept: BTreeMap<Depth, HashMap<String, Embedding>>,
}

impl Embedder {
    /// With embeddings of earlier runs in a folder, if there is one.
    pub fn new(encoder: Arc<SentenceEncoder>, folder: Option<PathBuf>) -> Self {
        Self { encoder, folder, kept: BTreeMap::new() }
    }

    /// The sentences as a classifier looks at them whose features are pooled this way.
    pub fn phrases(&mut self, texts: &[&str], pooling: Pooling) -> anyhow::Result<Vec<Phrase>> {
        let kept = self.kept.entry(pooling.depth()).or_default();
        let mut seen = HashSet::new();
        let mut missing = texts.to_vec();
        missing.retain(|text| !kept.contains_key(*text) && seen.insert(*text));
        if !missing.is_empty() {
            let bar = progress_bar(missing.len(), "embedding");
            let (encoder, folder) = (Arc::clone(&self.encoder), self.folder.as_deref());
            let mut cache = EmbeddingCache::open_at(encoder, folder, pooling.depth());
            let embeddings = cache.encode(&missing, &mut |done, all| {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            })?;
            bar.finish_and_clear();
            kept.extend(missing.into_iter().map(str::to_owned).zip(embeddings));
        }
        let phrase = |text: &&str| -> anyhow::Result<Phrase> {
            let embedding = kept.get(*text).context("a sentence was not embedded")?;
            Ok(Phrase { text: (*text).to_owned(), embedding: pooling.pool(embedding) })
        };
        texts.iter().map(phrase).collect()
    }

    /// Milliseconds of a core that encoding one sentence takes, by some of these.
    pub fn encode_cpu_ms(&self, texts: &[&str], pooling: Pooling) -> anyhow::Result<f64> {
        let timed = &texts[..texts.len().min(TIMED)];
        let clock = CpuClock::start();
        for text in timed {
            self.encoder.encode_at(&[*text], pooling.depth())?;
        }
        Ok(clock.elapsed_s() * 1000.0 / timed.len().max(1) as f64)
    }
}

/// Simulated errors of a recogniser in the sentences of the test.
pub(super) struct Noise {
    mishearing: Mishearing,
    /// Of the words.
    share: f64,
}

impl Noise {
    /// Words of the set become other words of the set.
    pub fn new(set: &Set, percent: u8) -> Self {
        let test = match &set.test {
            Test::Fixed(test) => &test[..],
            Test::Rest => &[],
        };
        let texts = set.train.iter().chain(test).map(|one| one.text.as_str());
        Self { mishearing: Mishearing::of(texts), share: f64::from(percent) / 100.0 }
    }
}

/// A set with everything that it takes to examine classifiers on it.
pub(super) struct Bench {
    pub set: Set,
    /// Learned from as well, whatever is drawn.
    pub names: Vec<Sentence>,
    pub noise: Option<Noise>,
    pub embedder: Embedder,
    pub shots: Option<usize>,
}

/// What a classifier says of the sentences that it is examined on.
struct Answers {
    inside: Vec<Understanding>,
    outside: Vec<Understanding>,
    misheard: Option<(Vec<Understanding>, WordErrors)>,
    classify_cpu_ms: f64,
}

fn texts<'a>(sentences: &[&'a Sentence]) -> Vec<&'a str> {
    sentences.iter().map(|one| one.text.as_str()).collect()
}

fn classified(head: &Head, phrases: &[Phrase]) -> Vec<Understanding> {
    phrases.iter().map(|phrase| head.classify(phrase)).collect()
}

impl Bench {
    /// Texts of the test, to take times by.
    pub fn sample(&self) -> Vec<&str> {
        let sentences = match &self.set.test {
            Test::Fixed(test) => test,
            Test::Rest => &self.set.train,
        };
        sentences.iter().take(TIMED).map(|one| one.text.as_str()).collect()
    }

    /// Trains on one draw and examines.
    pub fn examine(&mut self, features: FeatureSet, seed: u64) -> anyhow::Result<Outcome> {
        let Draw { drawn, rest } = draw(&self.set.train, self.shots, seed);
        let learned: Vec<&Sentence> = drawn.into_iter().chain(&self.names).collect();
        let test: Vec<&Sentence> = match &self.set.test {
            Test::Fixed(test) => test.iter().collect(),
            Test::Rest => rest,
        };
        let learned_texts = texts(&learned);
        let copies = features.copies.texts(&learned_texts, seed);
        let phrases = self.embedder.phrases(&learned_texts, features.pooling)?;
        let copied: Vec<&str> = copies.iter().flatten().map(String::as_str).collect();
        let mut copied = self.embedder.phrases(&copied, features.pooling)?.into_iter();
        let examples: Vec<Example> = learned
            .iter()
            .zip(phrases)
            .zip(&copies)
            .map(|((sentence, phrase), copies)| Example {
                intent: sentence.intent.clone(),
                phrase,
                copies: copied.by_ref().take(copies.len()).collect(),
            })
            .collect();
        let clock = CpuClock::start();
        let head = Head::train(&examples, &[], features, seed)?;
        let train_cpu_s = clock.elapsed_s();
        let oos: Vec<&Sentence> = self.set.oos.iter().collect();
        let inside = self.embedder.phrases(&texts(&test), features.pooling)?;
        let outside = self.embedder.phrases(&texts(&oos), features.pooling)?;
        let misheard = match &self.noise {
            None => None,
            Some(noise) => Some(misheard(noise, &test, &mut self.embedder, features, &head, seed)?),
        };
        let clock = CpuClock::start();
        let inside = classified(&head, &inside);
        let classify_cpu_ms = clock.elapsed_s() * 1000.0 / inside.len().max(1) as f64;
        let outside = classified(&head, &outside);
        let answers = Answers { inside, outside, misheard, classify_cpu_ms };
        let mut outcome = outcome_of(&head, &answers, &test, seed);
        (outcome.train_sentences, outcome.train_cpu_s) = (examples.len(), train_cpu_s);
        Ok(outcome)
    }
}

/// What a classifier says of the test as it might be heard, and the errors that are in it.
fn misheard(
    noise: &Noise,
    test: &[&Sentence],
    embedder: &mut Embedder,
    features: FeatureSet,
    head: &Head,
    seed: u64,
) -> anyhow::Result<(Vec<Understanding>, WordErrors)> {
    let heard: Vec<String> =
        test.iter().map(|one| noise.mishearing.hear(&one.text, noise.share, seed)).collect();
    let mut errors = WordErrors::default();
    for (sentence, heard) in test.iter().zip(&heard) {
        errors += word_errors(&sentence.text, heard);
    }
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    let phrases = embedder.phrases(&heard, features.pooling)?;
    Ok((classified(head, &phrases), errors))
}

/// Each answer's confidence, and whether it is right.
fn judged(answers: &[Understanding], truths: &[&Sentence]) -> Vec<(f32, bool)> {
    let judge = |(answer, truth): (&Understanding, &&Sentence)| {
        answer.top().map_or((0.0, false), |top| (top.confidence, top.intent == truth.intent))
    };
    answers.iter().zip(truths).map(judge).collect()
}

fn share(count: usize, all: usize) -> f64 {
    count as f64 / all.max(1) as f64
}

fn right(judged: &[(f32, bool)]) -> f64 {
    share(judged.iter().filter(|(_, right)| *right).count(), judged.len())
}

fn outcome_of(head: &Head, answers: &Answers, test: &[&Sentence], seed: u64) -> Outcome {
    let Answers { inside, outside, misheard, classify_cpu_ms } = answers;
    let answered = judged(inside, test);
    let accepted = |index: &usize| !inside[*index].is_out_of_scope();
    let accepted: Vec<usize> = (0..inside.len()).filter(accepted).collect();
    let accepted_and_right = accepted.iter().filter(|&&index| answered[index].1).count();
    let refused = outside.iter().filter(|answer| answer.is_out_of_scope()).count();
    let scores = |all: &[Understanding]| -> Vec<f32> {
        all.iter().map(|answer| answer.out_of_scope).collect()
    };
    let (inner, outer) = (scores(inside), scores(outside));
    let known = !outside.is_empty();
    Outcome {
        seed,
        train_sentences: 0,
        test_sentences: test.len(),
        train_cpu_s: 0.0,
        temperature: head.report().temperature,
        accuracy: right(&answered),
        calibration_error: calibration_error(&answered),
        expected_calibration_error: head.report().calibration_error,
        accepted: share(accepted.len(), inside.len()),
        accepted_and_right: share(accepted_and_right, inside.len()),
        out_of_scope_recall: known.then(|| share(refused, outside.len())),
        out_of_scope_recall_at_5: known.then(|| recall_at(&inner, &outer)),
        auroc: known.then(|| auroc(&inner, &outer)),
        classify_cpu_ms: *classify_cpu_ms,
        accuracy_misheard: misheard.as_ref().map(|(answers, _)| right(&judged(answers, test))),
        word_error_rate: misheard.as_ref().map(|(_, errors)| errors.rate()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auroc_counts_pairs() {
        assert_eq!(auroc(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(auroc(&[3.0, 4.0], &[1.0, 2.0]), 0.0);
        assert_eq!(auroc(&[1.0, 1.0], &[1.0]), 0.5);
        assert_eq!(auroc(&[1.0, 3.0], &[2.0]), 0.5);
    }

    #[test]
    fn recall_is_taken_where_five_in_a_hundred_are_refused() {
        let inside: Vec<f32> = (0..100_u8).map(f32::from).collect();
        assert_eq!(recall_at(&inside, &[94.0, 95.5, 99.0, 200.0]), 0.75);
        assert_eq!(recall_at(&[], &[1.0]), 1.0);
        assert_eq!(recall_at(&inside, &[]), 0.0);
    }
}
