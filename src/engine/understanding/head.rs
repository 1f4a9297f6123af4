//! The classifier: which intent, how sure, and whether it is about anything we do at all.
//!
//! Confidence and rejection are apart: confidence answers "which of ours", and a maximum
//! probability is a poor sign of "none of ours".

use super::blend::{Blend, Judged};
use super::calibration::{
    FALSE_REJECTION, calibration_error, fit_temperature, folds, mean_and_spread, quantile,
};
use super::encoder::{Embedding, UnderstandingError, one_core};
use super::features::{Example, FeatureSet, Phrase};
use super::judge::{Judge, Member, nearest};
use super::regression::log_sum_exp;
use crate::nlu::{IntentName, IntentScore, Understanding};

/// Signs that an utterance is in scope: the energy of the scores, the cosine to the nearest
/// intent's mean, the cosine to the nearest example.
const SIGNS: usize = 3;

/// How much each sign counts, in standard deviations of its own. Measured on CLINC150.
const SIGN_WEIGHTS: [f32; SIGNS] = [1.0, 1.0, 1.0];

/// What is assumed when there are too few examples to examine (one for each intent): the sign's
/// mean and standard deviation for sentences like the examples.
const SIGNS_ASSUMED: [(f32, f32); SIGNS] = [(0.0, 1e6), (0.65, 0.12), (0.65, 0.12)];

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
    /// Where the counter-examples are.
    counter_places: Vec<Embedding>,
    blend: Blend,
    temperature: f32,
    signs: [(f32, f32); SIGNS],
    threshold: f32,
    report: TrainingReport,
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
    /// Learns from labelled phrases. `counter_examples` are sentences that are none of these
    /// intents: what is nearer to one of them than to any example is out of scope. The seed
    /// decides only which examples are examined together.
    ///
    /// # Errors
    /// There are no examples.
    pub fn train(
        examples: &[Example],
        counter_examples: &[Phrase],
        features: FeatureSet,
        seed: u64,
    ) -> Result<Self, UnderstandingError> {
        let train = || Self::train_here(examples, counter_examples, features, seed);
        one_core("train-intents")?.install(train)
    }

    fn train_here(
        examples: &[Example],
        counter_examples: &[Phrase],
        features: FeatureSet,
        seed: u64,
    ) -> Result<Self, UnderstandingError> {
        if examples.is_empty() {
            return Err(UnderstandingError::NoExamples);
        }
        let mut intents: Vec<IntentName> =
            examples.iter().map(|example| example.intent.clone()).collect();
        intents.sort();
        intents.dedup();
        let members: Vec<Member<'_>> = examples
            .iter()
            .map(|example| (intents.binary_search(&example.intent).unwrap_or(0), example))
            .collect();
        let judged = examine(&members, intents.len(), features, seed)?;
        let judge = Judge::train(&members, intents.len(), features)?;
        let blend = if judged.is_empty() {
            Blend::assumed(judge.expert_count())
        } else {
            Blend::fit(&judged)
        };
        // Averaged probabilities are no raw scores: they need no temperature to be one.
        let temperature = if blend.is_single() { blend.first_temperature() } else { 1.0 };
        let mut head = Self {
            intents,
            counter_places: counter_examples.iter().map(|phrase| judge.place(phrase)).collect(),
            judge,
            blend,
            temperature,
            signs: SIGNS_ASSUMED,
            threshold: -1.3,
            report: TrainingReport {
                examples: examples.len(),
                examined: judged.len(),
                accuracy: 0.0,
                calibration_error: 0.0,
                temperature,
            },
        };
        if !judged.is_empty() {
            head.calibrate(&judged);
        }
        Ok(head)
    }

    fn calibrate(&mut self, judged: &[Judged]) {
        let held_out = self.blend.held_out(judged);
        if !self.blend.is_single() {
            self.temperature = fit_temperature(&held_out);
        }
        let values: Vec<[f32; SIGNS]> =
            judged.iter().map(|one| self.sign_values(&one.opinions, one.likeness)).collect();
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

    /// The signs of being in scope. The energy is that of the first opinion alone.
    fn sign_values(&self, opinions: &[Vec<f32>], likeness: [f32; 2]) -> [f32; SIGNS] {
        let first = opinions.first().map_or(&[][..], Vec::as_slice);
        [energy(first, self.blend.first_temperature()), likeness[0], likeness[1]]
    }

    /// What an utterance means: every intent with its confidence, and how far out of scope it is.
    pub fn classify(&self, phrase: &Phrase) -> Understanding {
        let (confidences, out_of_scope) = self.scores(phrase);
        self.understanding(&confidences, out_of_scope)
    }

    /// What an utterance means that was heard in several ways, each with its weight: confidences
    /// and the distance from scope are averaged. Nothing comes of no way, or of no weight.
    pub fn classify_alternatives(&self, heard: &[(Phrase, f32)]) -> Option<Understanding> {
        let total: f32 = heard.iter().map(|(_, weight)| weight.max(0.0)).sum();
        if total <= 0.0 || !total.is_finite() {
            return None;
        }
        let mut mean = vec![0.0; self.intents.len()];
        let mut out_of_scope = 0.0;
        for (phrase, weight) in heard {
            let share = weight.max(0.0) / total;
            let (confidences, outside) = self.scores(phrase);
            mean.iter_mut().zip(confidences).for_each(|(sum, value)| *sum += share * value);
            out_of_scope += share * outside;
        }
        Some(self.understanding(&mean, out_of_scope))
    }

    /// The confidence of each intent, and how far out of scope the phrase is.
    fn scores(&self, phrase: &Phrase) -> (Vec<f32>, f32) {
        let opinions = self.judge.opinions(phrase);
        let logits = self.blend.combine(&opinions);
        let scaled: Vec<f32> = logits.iter().map(|logit| logit / self.temperature).collect();
        let total = log_sum_exp(&scaled);
        let confidences = scaled.iter().map(|score| (score - total).exp()).collect();
        let place = self.judge.place(phrase);
        let likeness = self.judge.likeness(&place);
        let values = self.sign_values(&opinions, likeness);
        let mut out_of_scope = self.threshold - scope_score(values, &self.signs);
        if !self.counter_places.is_empty() {
            let lead = nearest(&self.counter_places, &place) - likeness[1];
            if lead > 0.0 {
                out_of_scope = out_of_scope.max(lead / CONTRAST_UNIT);
            }
        }
        (confidences, out_of_scope)
    }

    fn understanding(&self, confidences: &[f32], out_of_scope: f32) -> Understanding {
        let mut intents: Vec<IntentScore> = self
            .intents
            .iter()
            .zip(confidences)
            .map(|(intent, confidence)| IntentScore {
                intent: intent.clone(),
                confidence: *confidence,
            })
            .collect();
        intents.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
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
    members: &[Member<'_>],
    class_count: usize,
    features: FeatureSet,
    seed: u64,
) -> Result<Vec<Judged>, UnderstandingError> {
    let mut judged = Vec::new();
    if class_count < 2 {
        return Ok(judged);
    }
    let places: Vec<(usize, &Embedding)> =
        members.iter().map(|(class, example)| (*class, &example.phrase.embedding)).collect();
    let mut taken = vec![false; members.len()];
    for fold in folds(&places, class_count, seed) {
        fold.iter().for_each(|&index| taken[index] = true);
        let rest: Vec<Member<'_>> = members
            .iter()
            .zip(&taken)
            .filter(|(_, taken)| !**taken)
            .map(|(member, _)| *member)
            .collect();
        let judge = Judge::train(&rest, class_count, features)?;
        for index in fold {
            let (class, example) = members[index];
            judged.push(Judged {
                class,
                opinions: judge.opinions(&example.phrase),
                likeness: judge.likeness(&judge.place(&example.phrase)),
            });
            taken[index] = false;
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::super::encoder::normalised;
    use super::super::features::{Copies, Fusion, Lexical, Nearness, Transform};
    use super::*;

    fn phrase(embedding: Embedding) -> Phrase {
        Phrase { text: String::new(), embedding }
    }

    /// Points around `classes` orthogonal directions, from a fixed sequence.
    fn cloud(classes: usize, each: usize) -> Vec<Example> {
        let mut seed = 9_u32;
        let mut noise = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..classes * each)
            .map(|i| {
                let mut point: Vec<f32> = (0..32).map(|_| noise() * 0.35).collect();
                point[i % classes] += 1.0;
                let text = format!("word{} word{}", i % classes, i % 7);
                let phrase = Phrase { text, embedding: normalised(point) };
                let intent = IntentName::new(format!("intent_{}", i % classes));
                Example { intent, phrase, copies: Vec::new() }
            })
            .collect()
    }

    fn axis(index: usize) -> Phrase {
        phrase((0..32).map(|i| if i == index { 1.0 } else { 0.0 }).collect())
    }

    fn plain(examples: &[Example]) -> Head {
        Head::train(examples, &[], FeatureSet::PLAIN, 1).expect("trains")
    }

    #[test]
    fn knows_its_intents_and_refuses_the_rest() {
        let head = plain(&cloud(4, 12));
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
        let mut near = axis(0).embedding;
        near[5] = 0.9;
        let near = phrase(normalised(near));
        let (examples, counter) = (cloud(3, 12), std::slice::from_ref(&near));
        let plain = plain(&examples);
        let warned = Head::train(&examples, counter, FeatureSet::PLAIN, 1).expect("trains");
        assert!(warned.classify(&near).out_of_scope > plain.classify(&near).out_of_scope);
        assert!(warned.classify(&near).is_out_of_scope());
        assert!(!warned.classify(&axis(0)).is_out_of_scope());
    }

    #[test]
    fn one_example_or_one_intent_is_enough_to_start() {
        let nothing = Head::train(&[], &[], FeatureSet::PLAIN, 1);
        assert!(matches!(nothing, Err(UnderstandingError::NoExamples)));
        let one = plain(&cloud(1, 1));
        assert_eq!(one.classify(&axis(0)).top().map(|top| top.confidence), Some(1.0));
        assert!(one.classify(&axis(9)).is_out_of_scope());
        let three = plain(&cloud(3, 1));
        assert_eq!(three.report().examined, 0);
        assert!(!three.classify(&axis(1)).is_out_of_scope());
        assert!(three.classify(&axis(9)).is_out_of_scope());
    }

    #[test]
    fn the_seed_repeats_the_result() {
        let [a, b] = [plain(&cloud(3, 8)), plain(&cloud(3, 8))];
        assert_eq!(a.classify(&axis(1)), b.classify(&axis(1)));
    }

    #[test]
    fn every_feature_set_understands_what_is_plain() {
        let plain = FeatureSet::PLAIN;
        let shrinkage = 0.5;
        let mut sets = Vec::new();
        for lexical in [Lexical::Words, Lexical::Letters, Lexical::WordsAndLetters] {
            for fusion in [Fusion::Joined, Fusion::Averaged, Fusion::WithCentroids] {
                sets.push(FeatureSet { lexical, fusion, ..plain });
            }
        }
        for transform in [Transform::Whitened { shrinkage }, Transform::WithinIntents { shrinkage }]
        {
            sets.push(FeatureSet { transform, ..plain });
            sets.push(FeatureSet { transform, nearness: Nearness::Features, ..plain });
        }
        sets.push(FeatureSet { copies: Copies::Mixed, ..plain });
        let examples = cloud(4, 12);
        for features in sets {
            let head = Head::train(&examples, &[], features, 1).expect("trains");
            assert!(head.report().accuracy > 0.95, "{features:?}: {:?}", head.report());
            // The first four are of four intents.
            for example in examples.iter().take(4) {
                let understanding = head.classify(&example.phrase);
                let top = understanding.top().expect("four intents");
                assert_eq!(top.intent, example.intent, "{features:?}");
                assert!(top.confidence > 0.6, "{features:?}: {}", top.confidence);
                assert!(!understanding.is_out_of_scope(), "{features:?}");
            }
            // One intent alone cannot be examined, whatever is looked at.
            Head::train(&cloud(1, 2), &[], features, 1).expect("trains");
        }
    }

    #[test]
    fn what_was_heard_in_two_ways_is_between_them() {
        let head = plain(&cloud(3, 12));
        let confidence = |understanding: &Understanding, class: usize| {
            let name = format!("intent_{class}");
            let score = understanding.intents.iter().find(|one| one.intent.as_str() == name);
            score.map_or(0.0, |one| one.confidence)
        };
        let heard = [(axis(0), 3.0), (axis(1), 1.0), (axis(2), -5.0)];
        let mixed = head.classify_alternatives(&heard).expect("there is weight");
        let [first, second] = [0, 1].map(|class| head.classify(&axis(class)));
        let expected = 0.75 * confidence(&first, 0) + 0.25 * confidence(&second, 0);
        assert!((confidence(&mixed, 0) - expected).abs() < 1e-5);
        assert_eq!(mixed.top().map(|top| top.intent.as_str()), Some("intent_0"));
        assert!(head.classify_alternatives(&[]).is_none());
        assert!(head.classify_alternatives(&[(axis(0), 0.0)]).is_none());
    }
}
