//! The classifier: which intent, how sure, and whether it is about anything we do at all.
//!
//! Confidence and rejection are apart: confidence answers "which of ours", and a maximum
//! probability is a poor sign of "none of ours".

use super::calibration::{
    FALSE_REJECTION, HeldOut, calibration_error, fit_temperature, folds, mean_and_spread, quantile,
};
use super::encoder::{Embedding, UnderstandingError, normalised, one_core};
use super::regression::{Examples, Regression, dot, log_sum_exp};
use crate::nlu::{IntentName, IntentScore, Understanding};

/// Regularisation with few examples an intent.
const C_FEW: f64 = 10.0;

/// Regularisation with many.
const C_MANY: f64 = 30.0;

/// Examples an intent from which there are "many".
const MANY_EXAMPLES: usize = 40;

/// Signs that an utterance is in scope: the energy of the scores, the cosine to the nearest
/// intent's mean, the cosine to the nearest example.
const SIGNS: usize = 3;

/// How much each sign counts, in standard deviations of its own. Measured on CLINC150.
const SIGN_WEIGHTS: [f32; SIGNS] = [1.0, 1.0, 1.0];

/// What is assumed when there are too few examples to examine (one for each intent): the sign's
/// mean and standard deviation for sentences like the examples.
const SIGNS_ASSUMED: [(f32, f32); SIGNS] = [(0.0, 1e6), (0.65, 0.12), (0.65, 0.12)];

/// The temperature assumed likewise.
const TEMPERATURE_ASSUMED: f32 = 0.15;

/// A difference of cosines that counts like one standard deviation, for counter-examples.
const CONTRAST_UNIT: f32 = 0.1;

/// What training found out about itself, by examining each example with a classifier that did not
/// see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingReport {
    /// Examples trained on.
    pub examples: usize,
    /// Examples examined; 0 when there were too few to hold any out.
    pub examined: usize,
    /// Share of them understood right.
    pub accuracy: f64,
    /// Expected calibration error of their confidences, 0 to 1.
    pub calibration_error: f64,
    /// Raw scores are divided by this.
    pub temperature: f32,
}

/// A trained classifier. Immutable; share it.
#[derive(Debug, Clone)]
pub struct Head {
    intents: Vec<IntentName>,
    judge: Judge,
    counter_examples: Vec<Embedding>,
    temperature: f32,
    signs: [(f32, f32); SIGNS],
    threshold: f32,
    report: TrainingReport,
}

/// What is learned from a set of examples before it is known how sure one may be.
#[derive(Debug, Clone)]
struct Judge {
    regression: Regression,
    centroids: Vec<Embedding>,
    examples: Vec<Embedding>,
}

impl Judge {
    fn train(
        examples: &[(usize, &Embedding)],
        class_count: usize,
    ) -> Result<Self, UnderstandingError> {
        let dimensions = examples.first().map_or(0, |(_, embedding)| embedding.len());
        let classes: Vec<usize> = examples.iter().map(|(class, _)| *class).collect();
        let rows = examples.iter().flat_map(|(_, embedding)| embedding.iter().copied()).collect();
        let mut sums = vec![vec![0.0; dimensions]; class_count];
        for (class, embedding) in examples {
            sums[*class].iter_mut().zip(*embedding).for_each(|(sum, value)| *sum += value);
        }
        let many = examples.len() >= class_count * MANY_EXAMPLES;
        let problem = Examples { rows, classes: &classes, dimensions, class_count };
        let regression = Regression::train(&problem, if many { C_MANY } else { C_FEW })
            .map_err(|error| UnderstandingError::Encode(error.to_string()))?;
        Ok(Self {
            regression,
            centroids: sums.into_iter().map(normalised).collect(),
            examples: examples.iter().map(|(_, embedding)| (*embedding).clone()).collect(),
        })
    }

    fn nearest(points: &[Embedding], embedding: &[f32]) -> f32 {
        points.iter().map(|point| dot(point, embedding)).fold(-1.0, f32::max)
    }

    /// The signs of being in scope, apart from the energy, which needs the temperature.
    fn likeness(&self, embedding: &[f32]) -> [f32; 2] {
        [Self::nearest(&self.centroids, embedding), Self::nearest(&self.examples, embedding)]
    }
}

fn energy(logits: &[f32], temperature: f32) -> f32 {
    let scaled: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
    temperature * log_sum_exp(&scaled)
}

fn most_probable(logits: &[f32], temperature: f32) -> (usize, f32) {
    let scaled: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
    let total = log_sum_exp(&scaled);
    let best = (0..scaled.len()).max_by(|&a, &b| scaled[a].total_cmp(&scaled[b])).unwrap_or(0);
    (best, scaled.get(best).map_or(0.0, |top| (top - total).exp()))
}

/// The weighted sum of signs, each in its own standard deviations.
fn scope_score(values: [f32; SIGNS], signs: &[(f32, f32); SIGNS]) -> f32 {
    let mut score = 0.0;
    for i in 0..SIGNS {
        score += SIGN_WEIGHTS[i] * (values[i] - signs[i].0) / signs[i].1;
    }
    score / SIGN_WEIGHTS.iter().sum::<f32>()
}

impl Head {
    /// Learns from labelled embeddings. `counter_examples` are sentences that are none of these
    /// intents: what is nearer to one of them than to any example is out of scope. The seed
    /// decides only which examples are examined together.
    ///
    /// # Errors
    /// There are no examples.
    pub fn train(
        examples: &[(IntentName, Embedding)],
        counter_examples: &[Embedding],
        seed: u64,
    ) -> Result<Self, UnderstandingError> {
        one_core("train-intents")?.install(|| Self::train_here(examples, counter_examples, seed))
    }

    fn train_here(
        examples: &[(IntentName, Embedding)],
        counter_examples: &[Embedding],
        seed: u64,
    ) -> Result<Self, UnderstandingError> {
        if examples.is_empty() {
            return Err(UnderstandingError::NoExamples);
        }
        let mut intents: Vec<IntentName> = examples.iter().map(|(name, _)| name.clone()).collect();
        intents.sort();
        intents.dedup();
        let classed: Vec<(usize, &Embedding)> = examples
            .iter()
            .map(|(name, embedding)| (intents.binary_search(name).unwrap_or(0), embedding))
            .collect();
        let (held_out, likeness) = examine(&classed, intents.len(), seed)?;
        let judge = Judge::train(&classed, intents.len())?;
        let mut head = Self {
            intents,
            judge,
            counter_examples: counter_examples.to_vec(),
            temperature: TEMPERATURE_ASSUMED,
            signs: SIGNS_ASSUMED,
            threshold: -1.3,
            report: TrainingReport {
                examples: examples.len(),
                examined: held_out.len(),
                accuracy: 0.0,
                calibration_error: 0.0,
                temperature: TEMPERATURE_ASSUMED,
            },
        };
        if !held_out.is_empty() {
            head.calibrate(&held_out, &likeness);
        }
        Ok(head)
    }

    fn calibrate(&mut self, held_out: &[HeldOut], likeness: &[[f32; 2]]) {
        self.temperature = fit_temperature(held_out);
        let values: Vec<[f32; SIGNS]> = held_out
            .iter()
            .zip(likeness)
            .map(|(one, like)| [energy(&one.logits, self.temperature), like[0], like[1]])
            .collect();
        for sign in 0..SIGNS {
            let column: Vec<f32> = values.iter().map(|value| value[sign]).collect();
            self.signs[sign] = mean_and_spread(&column);
        }
        let scores: Vec<f32> =
            values.iter().map(|value| scope_score(*value, &self.signs)).collect();
        self.threshold = quantile(&scores, FALSE_REJECTION);
        let answers: Vec<(f32, bool)> = held_out
            .iter()
            .map(|one| {
                let (best, confidence) = most_probable(&one.logits, self.temperature);
                (confidence, best == one.class)
            })
            .collect();
        let right = answers.iter().filter(|(_, right)| *right).count();
        self.report.accuracy = right as f64 / answers.len() as f64;
        self.report.calibration_error = calibration_error(&answers);
        self.report.temperature = self.temperature;
    }

    /// What an utterance means: every intent with its confidence, and how far out of scope it is.
    pub fn classify(&self, embedding: &[f32]) -> Understanding {
        let logits = self.judge.regression.logits(embedding);
        let scaled: Vec<f32> = logits.iter().map(|logit| logit / self.temperature).collect();
        let total = log_sum_exp(&scaled);
        let mut intents: Vec<IntentScore> = self
            .intents
            .iter()
            .zip(&scaled)
            .map(|(intent, score)| IntentScore {
                intent: intent.clone(),
                confidence: (score - total).exp(),
            })
            .collect();
        intents.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let [centroid, neighbour] = self.judge.likeness(embedding);
        let values = [energy(&logits, self.temperature), centroid, neighbour];
        let mut out_of_scope = self.threshold - scope_score(values, &self.signs);
        if !self.counter_examples.is_empty() {
            let counter = Judge::nearest(&self.counter_examples, embedding);
            if counter > neighbour {
                out_of_scope = out_of_scope.max((counter - neighbour) / CONTRAST_UNIT);
            }
        }
        Understanding::of(intents, out_of_scope)
    }

    /// The intents that it knows, in order of their names.
    pub fn intents(&self) -> &[IntentName] {
        &self.intents
    }

    /// What training found out about itself.
    pub const fn report(&self) -> &TrainingReport {
        &self.report
    }
}

/// Judges each example by a classifier that did not see it.
fn examine(
    examples: &[(usize, &Embedding)],
    class_count: usize,
    seed: u64,
) -> Result<(Vec<HeldOut>, Vec<[f32; 2]>), UnderstandingError> {
    let mut held_out = Vec::new();
    let mut likeness = Vec::new();
    if class_count < 2 {
        return Ok((held_out, likeness));
    }
    let mut taken = vec![false; examples.len()];
    for fold in folds(examples, class_count, seed) {
        fold.iter().for_each(|&index| taken[index] = true);
        let rest: Vec<(usize, &Embedding)> = examples
            .iter()
            .zip(&taken)
            .filter(|(_, taken)| !**taken)
            .map(|(example, _)| *example)
            .collect();
        let judge = Judge::train(&rest, class_count)?;
        for index in fold {
            let (class, embedding) = examples[index];
            held_out.push(HeldOut { class, logits: judge.regression.logits(embedding) });
            likeness.push(judge.likeness(embedding));
            taken[index] = false;
        }
    }
    Ok((held_out, likeness))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points around `classes` orthogonal directions, from a fixed sequence.
    fn cloud(classes: usize, each: usize) -> Vec<(IntentName, Embedding)> {
        let mut seed = 9_u32;
        let mut noise = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..classes * each)
            .map(|i| {
                let mut point: Vec<f32> = (0..32).map(|_| noise() * 0.35).collect();
                point[i % classes] += 1.0;
                (IntentName::new(format!("intent_{}", i % classes)), normalised(point))
            })
            .collect()
    }

    fn axis(index: usize) -> Embedding {
        (0..32).map(|i| if i == index { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn knows_its_intents_and_refuses_the_rest() {
        let head = Head::train(&cloud(4, 12), &[], 1).expect("trains");
        for class in 0..4 {
            let understanding = head.classify(&axis(class));
            let top = understanding.top().expect("four intents");
            assert_eq!(top.intent.as_str(), format!("intent_{class}"));
            assert!(top.confidence > 0.9, "{}", top.confidence);
            assert!(!understanding.is_out_of_scope(), "{}", understanding.out_of_scope);
            let sum: f32 = understanding.intents.iter().map(|i| i.confidence).sum();
            assert!((sum - 1.0).abs() < 1e-4);
        }
        assert!(head.classify(&axis(20)).is_out_of_scope());
        assert_eq!(head.report().examined, 48);
        assert!(head.report().accuracy > 0.95);
    }

    #[test]
    fn counter_examples_are_refused_though_they_are_near() {
        let mut near = axis(0);
        near[5] = 0.9;
        let near = normalised(near);
        let plain = Head::train(&cloud(3, 12), &[], 1).expect("trains");
        let warned = Head::train(&cloud(3, 12), std::slice::from_ref(&near), 1).expect("trains");
        assert!(warned.classify(&near).out_of_scope > plain.classify(&near).out_of_scope);
        assert!(warned.classify(&near).is_out_of_scope());
        assert!(!warned.classify(&axis(0)).is_out_of_scope());
    }

    #[test]
    fn one_example_or_one_intent_is_enough_to_start() {
        assert!(matches!(Head::train(&[], &[], 1), Err(UnderstandingError::NoExamples)));
        let one = Head::train(&cloud(1, 1), &[], 1).expect("trains");
        assert_eq!(one.classify(&axis(0)).top().map(|top| top.confidence), Some(1.0));
        assert!(one.classify(&axis(9)).is_out_of_scope());
        let three = Head::train(&cloud(3, 1), &[], 1).expect("trains");
        assert_eq!(three.report().examined, 0);
        assert!(!three.classify(&axis(1)).is_out_of_scope());
        assert!(three.classify(&axis(9)).is_out_of_scope());
    }

    #[test]
    fn the_seed_repeats_the_result() {
        let (a, b) = (Head::train(&cloud(3, 8), &[], 5), Head::train(&cloud(3, 8), &[], 5));
        let (a, b) = (a.expect("trains"), b.expect("trains"));
        assert_eq!(a.classify(&axis(1)), b.classify(&axis(1)));
    }
}
