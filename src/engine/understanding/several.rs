//! Any number of labels for one sentence: a regression for each label on the same features, and one
//! threshold for all, found on examples that the regressions did not see.
//!
//! Calls are answered with `Head` and `nlu::spoken::clauses` instead: what a caller wants to have
//! done one after the other stands in pieces of the sentence, each with words of its own. Labels
//! that describe one request together ("cancel", "card") are what this is for.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::encoder::{UnderstandingError, one_core};
use super::features::{FeatureSet, Phrase};
use super::maker::{Maker, View};
use super::regression::{Examples, Regression, Targets, probability};
use crate::nlu::IntentName;

/// Regularisation. A label has few examples among many that lack it.
const C: f64 = 30.0;

/// Up to so many examples, each is examined with a classifier that saw all others.
const EXAMPLES_FOR_LEAVE_ONE_OUT: usize = 40;

/// Above it, the examples are examined in so many groups.
const GROUPS: usize = 20;

/// With many examples a few groups say enough.
const GROUPS_OF_MANY: usize = 5;

/// Examples from which there are many.
const MANY_EXAMPLES: usize = 500;

/// The threshold where nothing could be examined.
const THRESHOLD_ASSUMED: f32 = 0.3;

/// A sentence with its labels, perhaps none.
#[derive(Clone)]
pub struct Labelled {
    /// What it is about.
    pub labels: Vec<IntentName>,
    /// The sentence.
    pub phrase: Phrase,
}

/// Labels found and missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCounts {
    /// Found, and right.
    pub hits: usize,
    /// Found, and wrong.
    pub false_alarms: usize,
    /// Not found.
    pub misses: usize,
}

impl LabelCounts {
    /// Counts what was found against what is true.
    pub fn add(&mut self, found: &[IntentName], truth: &[IntentName]) {
        let hits = found.iter().filter(|label| truth.contains(label)).count();
        self.hits += hits;
        self.false_alarms += found.len() - hits;
        self.misses += truth.iter().filter(|label| !found.contains(label)).count();
    }

    /// The harmonic mean of precision and recall; 1 where there is nothing to find and nothing
    /// was found.
    pub fn f1(&self) -> f64 {
        let all = 2 * self.hits + self.false_alarms + self.misses;
        if all == 0 { 1.0 } else { 2.0 * self.hits as f64 / all as f64 }
    }
}

/// A trained classifier of labels that do not exclude each other.
#[derive(Debug, Clone)]
pub struct SeveralHead {
    labels: Vec<IntentName>,
    maker: Maker,
    regression: Regression,
    threshold: f32,
}

impl SeveralHead {
    /// Learns from labelled sentences, and from the names of labels as sentences of theirs; names
    /// are not examined, for nobody says them. Copies of examples and blends of several regressions
    /// are not for this: only what the features say of a sentence is used. The seed decides which
    /// examples are examined together.
    ///
    /// # Errors
    /// No example has a label.
    pub fn train(
        examples: &[Labelled],
        names: &[Labelled],
        features: FeatureSet,
        seed: u64,
    ) -> Result<Self, UnderstandingError> {
        one_core("train-labels")?.install(|| Self::train_here(examples, names, features, seed))
    }

    fn train_here(
        examples: &[Labelled],
        names: &[Labelled],
        features: FeatureSet,
        seed: u64,
    ) -> Result<Self, UnderstandingError> {
        let all: Vec<&Labelled> = examples.iter().chain(names).collect();
        let mut labels: Vec<IntentName> =
            all.iter().flat_map(|example| example.labels.iter().cloned()).collect();
        labels.sort();
        labels.dedup();
        if labels.is_empty() {
            return Err(UnderstandingError::NoExamples);
        }
        let scored = examine(examples, names, &labels, features, seed)?;
        let threshold = best_threshold(scored).unwrap_or(THRESHOLD_ASSUMED);
        let (maker, regression) = learn(&all, &labels, features)?;
        Ok(Self { labels, maker, regression, threshold })
    }

    /// The labels of a sentence, perhaps none.
    pub fn labels_of(&self, phrase: &Phrase) -> Vec<IntentName> {
        let logits = self.regression.logits(&self.maker.view(View::Joined, phrase));
        let likely = self.labels.iter().zip(logits);
        likely
            .filter(|(_, logit)| probability(*logit) >= self.threshold)
            .map(|(label, _)| label.clone())
            .collect()
    }

    /// The probability from which a label is given.
    pub const fn threshold(&self) -> f32 {
        self.threshold
    }
}

/// The numbers of an example's labels.
fn numbers(example: &Labelled, labels: &[IntentName]) -> Vec<usize> {
    example.labels.iter().filter_map(|label| labels.binary_search(label).ok()).collect()
}

fn learn(
    examples: &[&Labelled],
    labels: &[IntentName],
    features: FeatureSet,
) -> Result<(Maker, Regression), UnderstandingError> {
    let phrases: Vec<&Phrase> = examples.iter().map(|example| &example.phrase).collect();
    let truths: Vec<Vec<usize>> = examples.iter().map(|example| numbers(example, labels)).collect();
    // Sentences with the same labels are one group.
    let mut kinds: Vec<&Vec<usize>> = truths.iter().collect();
    kinds.sort();
    kinds.dedup();
    let groups: Vec<usize> =
        truths.iter().map(|truth| kinds.binary_search(&truth).unwrap_or(0)).collect();
    let maker = Maker::fit(&phrases, &groups, features)?;
    let rows: Vec<Vec<f32>> =
        phrases.iter().map(|phrase| maker.view(View::Joined, phrase)).collect();
    let problem = Examples {
        dimensions: rows.first().map_or(0, Vec::len),
        rows: rows.concat(),
        targets: Targets::Several(&truths),
        class_count: labels.len(),
    };
    let regression = Regression::train(&problem, C)
        .map_err(|error| UnderstandingError::Encode(error.to_string()))?;
    Ok((maker, regression))
}

/// The probability of each label for each example, by a classifier that did not see it, and whether
/// the example has the label.
fn examine(
    examples: &[Labelled],
    names: &[Labelled],
    labels: &[IntentName],
    features: FeatureSet,
    seed: u64,
) -> Result<Vec<(f32, bool)>, UnderstandingError> {
    let group_count = match examples.len() {
        count if count <= EXAMPLES_FOR_LEAVE_ONE_OUT => count,
        count if count <= MANY_EXAMPLES => GROUPS,
        _ => GROUPS_OF_MANY,
    };
    let mut scored = Vec::new();
    if group_count < 2 {
        return Ok(scored);
    }
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    for group in 0..group_count {
        let (held_out, rest): (Vec<usize>, Vec<usize>) =
            (0..order.len()).partition(|place| place % group_count == group);
        let rest = rest.into_iter().map(|place| &examples[order[place]]);
        let rest: Vec<&Labelled> = rest.chain(names).collect();
        let (maker, regression) = learn(&rest, labels, features)?;
        for place in held_out {
            let example = &examples[order[place]];
            let truth = numbers(example, labels);
            let logits = regression.logits(&maker.view(View::Joined, &example.phrase));
            let judged = logits.into_iter().enumerate();
            scored.extend(judged.map(|(l, logit)| (probability(logit), truth.contains(&l))));
        }
    }
    Ok(scored)
}

/// The threshold with the best micro F1: halfway between the last probability that it takes in and
/// the first that it leaves out.
fn best_threshold(mut scored: Vec<(f32, bool)>) -> Option<f32> {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all = scored.iter().filter(|(_, truth)| *truth).count();
    let mut hits = 0;
    let mut best: Option<(f64, f32)> = None;
    for (index, (probability, truth)) in scored.iter().enumerate() {
        hits += usize::from(*truth);
        let next = scored.get(index + 1).map_or(0.0, |next| next.0);
        // Equal ones are taken in together.
        if next == *probability || all == 0 {
            continue;
        }
        let f1 = 2.0 * hits as f64 / (index + 1 + all) as f64;
        if best.is_none_or(|(best, _)| f1 > best) {
            best = Some((f1, (probability + next) / 2.0));
        }
    }
    best.map(|(_, threshold)| threshold)
}

#[cfg(test)]
mod tests {
    use super::super::encoder::normalised;
    use super::*;

    fn labels(names: &[&str]) -> Vec<IntentName> {
        names.iter().map(|name| IntentName::new(*name)).collect()
    }

    fn labelled(names: &[&str], x: f32, y: f32, z: f32) -> Labelled {
        let phrase = Phrase { text: names.join(" "), embedding: normalised(vec![x, y, z]) };
        Labelled { labels: labels(names), phrase }
    }

    #[test]
    fn finds_all_labels_and_perhaps_none() {
        let mut examples = Vec::new();
        for step in 0..6_u8 {
            let shift = f32::from(step) / 30.0;
            examples.push(labelled(&["card"], 1.0, shift, 0.0));
            examples.push(labelled(&["cancel"], shift, 1.0, 0.0));
            examples.push(labelled(&["cancel", "card"], 1.0, 1.0 - shift, 0.0));
            examples.push(labelled(&[], shift, 0.0, 1.0));
        }
        let head = SeveralHead::train(&examples, &[], FeatureSet::PLAIN, 1).expect("trains");
        let mut counts = LabelCounts::default();
        for example in &examples {
            counts.add(&head.labels_of(&example.phrase), &example.labels);
        }
        assert!(counts.f1() > 0.95, "{counts:?} at {}", head.threshold());
        assert!(head.labels_of(&examples[3].phrase).is_empty());
        let nothing = SeveralHead::train(&[], &[], FeatureSet::PLAIN, 1);
        assert!(matches!(nothing, Err(UnderstandingError::NoExamples)));
    }

    #[test]
    fn f1_counts_what_is_found_and_missed() {
        let mut counts = LabelCounts::default();
        assert_eq!(counts.f1(), 1.0);
        counts.add(&labels(&["a", "b"]), &labels(&["a", "c"]));
        assert_eq!(counts, LabelCounts { hits: 1, false_alarms: 1, misses: 1 });
        assert_eq!(counts.f1(), 0.5);
    }

    #[test]
    fn the_threshold_lies_between_right_and_wrong() {
        let scored = vec![(0.2, false), (0.9, true), (0.6, true), (0.4, false)];
        assert_eq!(best_threshold(scored), Some(0.5));
        assert_eq!(best_threshold(vec![(0.4, false)]), None);
        assert_eq!(best_threshold(Vec::new()), None);
        let tied = best_threshold(vec![(0.5, true), (0.5, false), (0.1, false)]);
        assert!(tied.is_some_and(|threshold| (threshold - 0.3).abs() < 1e-6), "{tied:?}");
    }
}
