//! What the examples themselves tell about how sure the classifier may be: they are split into
//! folds, each is judged by a classifier that did not see it, and from these judgements come the
//! temperature (raw few-shot probabilities are far too low) and the threshold for out of scope.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::encoder::Embedding;
use super::regression::{dot, log_sum_exp};

/// Sentences of one intent this much alike are one sentence said twice: they go in the same fold,
/// or the classifier would be examined on what it has seen.
const SAME_COSINE: f32 = 0.88;

/// Above this many examples one fold says enough, and more would take long.
const EXAMPLES_FOR_ALL_FOLDS: usize = 4_000;

/// The share of in-scope utterances that may be refused.
pub const FALSE_REJECTION: f64 = 0.05;

/// Bins of the expected calibration error.
const ECE_BINS: usize = 15;

/// Which examples each fold holds out.
pub fn folds(examples: &[(usize, &Embedding)], class_count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = if examples.len() <= class_count * 12 { 10 } else { 5 };
    let mut folds = vec![Vec::new(); count];
    let mut members = vec![Vec::new(); class_count];
    for (index, (class, _)) in examples.iter().enumerate() {
        members[*class].push(index);
    }
    let mut next = 0;
    for members in members {
        let mut groups = alike(&members, examples);
        // The only sentence of an intent must stay, or nothing would stand for the intent.
        if groups.len() < 2 {
            continue;
        }
        groups.shuffle(&mut random);
        for group in groups {
            folds[next % count].extend(group);
            next += 1;
        }
    }
    folds.retain(|fold| !fold.is_empty());
    if examples.len() > EXAMPLES_FOR_ALL_FOLDS {
        folds.truncate(1);
    }
    folds
}

/// Groups examples of one class by likeness to a group's first member.
fn alike(members: &[usize], examples: &[(usize, &Embedding)]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &member in members {
        let near =
            |group: &&mut Vec<usize>| dot(examples[group[0]].1, examples[member].1) > SAME_COSINE;
        match groups.iter_mut().find(near) {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    groups
}

/// An example as judged by a classifier that did not see it.
#[derive(Debug, Clone)]
pub struct HeldOut {
    /// What it is.
    pub class: usize,
    /// What the classifier scored each class.
    pub logits: Vec<f32>,
}

/// How improbable the true classes are on average at this temperature.
pub fn mean_loss(held_out: &[HeldOut], temperature: f32) -> f64 {
    let losses = held_out.iter().map(|one| {
        let scaled: Vec<f32> = one.logits.iter().map(|logit| logit / temperature).collect();
        f64::from(log_sum_exp(&scaled) - scaled[one.class])
    });
    losses.sum::<f64>() / held_out.len() as f64
}

/// The temperature under which the true classes are most probable; by golden section.
pub fn fit_temperature(held_out: &[HeldOut]) -> f32 {
    const GOLDEN: f64 = 0.618_033_988_75;
    let loss = |log: f64| mean_loss(held_out, log.exp() as f32);
    let (mut low, mut high) = (0.01_f64.ln(), 5.0_f64.ln());
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut loss_a, mut loss_b) = (loss(a), loss(b));
    for _ in 0..24 {
        if loss_a < loss_b {
            (high, b, loss_b) = (b, a, loss_a);
            a = high - GOLDEN * (high - low);
            loss_a = loss(a);
        } else {
            (low, a, loss_a) = (a, b, loss_b);
            b = low + GOLDEN * (high - low);
            loss_b = loss(b);
        }
    }
    ((low + high) / 2.0).exp() as f32
}

/// The expected calibration error: how far confidence is from the share of right answers, on
/// average. Takes (confidence, right) pairs.
pub fn calibration_error(answers: &[(f32, bool)]) -> f64 {
    let mut bins = [(0.0_f64, 0_u32, 0_u32); ECE_BINS];
    for &(confidence, right) in answers {
        let bin = ((confidence * ECE_BINS as f32) as usize).min(ECE_BINS - 1);
        bins[bin].0 += f64::from(confidence);
        bins[bin].1 += u32::from(right);
        bins[bin].2 += 1;
    }
    let gaps = bins.iter().map(|(confidence, right, _)| (confidence - f64::from(*right)).abs());
    gaps.sum::<f64>() / answers.len().max(1) as f64
}

/// The value below which this share of the values lies.
pub fn quantile(values: &[f32], share: f64) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(a), Some(b)) => a + (b - a) * (at - low as f64) as f32,
        _ => 0.0,
    }
}

/// Mean and standard deviation.
pub fn mean_and_spread(values: &[f32]) -> (f32, f32) {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    (mean, variance.sqrt().max(1e-4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(angle: f32) -> Embedding {
        vec![angle.cos(), angle.sin()]
    }

    #[test]
    fn folds_hold_each_example_once_and_keep_twins_together() {
        let embeddings: Vec<Embedding> = [0.0, 0.01, 1.0, 2.0, 3.0, 4.0, 5.0].map(unit).to_vec();
        let classes = [0, 0, 0, 0, 1, 1, 2];
        let examples: Vec<(usize, &Embedding)> = classes.into_iter().zip(&embeddings).collect();
        let folds = folds(&examples, 3, 7);
        let mut all: Vec<usize> = folds.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5], "the only example of class 2 stays");
        assert!(folds.iter().any(|fold| fold.contains(&0) && fold.contains(&1)), "{folds:?}");
        assert_eq!(folds, super::folds(&examples, 3, 7), "the same seed gives the same folds");
    }

    #[test]
    fn temperature_undoes_a_known_scale() {
        // Three classes; logits that are right in 80 % of the cases, scaled down by ten.
        let held_out: Vec<HeldOut> = (0..100)
            .map(|i| HeldOut {
                class: usize::from(i % 5 == 0),
                logits: vec![0.2, 0.2 - 4.0_f32.ln() / 10.0, -2.0],
            })
            .collect();
        let temperature = fit_temperature(&held_out);
        assert!((temperature - 0.1).abs() < 0.005, "{temperature}");
    }

    #[test]
    fn calibration_error_is_the_gap() {
        let honest: Vec<(f32, bool)> = (0..100).map(|i| (0.75, i % 4 != 0)).collect();
        assert!(calibration_error(&honest) < 1e-6);
        let boastful: Vec<(f32, bool)> = (0..100).map(|i| (1.0, i % 4 != 0)).collect();
        assert!((calibration_error(&boastful) - 0.25).abs() < 1e-6);
        assert_eq!(calibration_error(&[]), 0.0);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[0.0, 1.0], 0.25), 0.25);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
