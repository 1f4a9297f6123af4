//! One opinion from several, each at its own temperature: the logarithm of their averaged
//! probabilities. What each counts is found on examples that none of them saw.

use super::calibration::{HeldOut, fit_temperature, mean_loss};
use super::regression::log_sum_exp;

/// The temperature of a regression that could not be examined.
pub(super) const TEMPERATURE_ASSUMED: f32 = 0.15;

/// Shares of the first opinion that are tried, in tenths.
const SHARES: std::ops::RangeInclusive<u8> = 1..=9;

/// No probability is less than this.
const PROBABILITY_MIN: f32 = 1e-12;

/// An example as judged by experts that did not see it.
pub(super) struct Judged {
    /// What it is.
    pub class: usize,
    /// What each expert scored each class.
    pub opinions: Vec<Vec<f32>>,
    /// The cosines to the nearest class mean and the nearest example.
    pub likeness: [f32; 2],
}

/// How opinions become one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blend {
    temperatures: Vec<f32>,
    shares: Vec<f32>,
}

impl Blend {
    /// When nothing could be examined.
    pub fn assumed(experts: usize) -> Self {
        let share = 1.0 / experts.max(1) as f32;
        Self { temperatures: vec![TEMPERATURE_ASSUMED; experts], shares: vec![share; experts] }
    }

    /// Finds each one's temperature and, of two, the shares under which what is true is most
    /// probable.
    pub fn fit(judged: &[Judged]) -> Self {
        let experts = judged.first().map_or(0, |one| one.opinions.len());
        let mut blend = Self::assumed(experts);
        for expert in 0..experts {
            let of_expert: Vec<HeldOut> = judged
                .iter()
                .map(|one| HeldOut { class: one.class, logits: one.opinions[expert].clone() })
                .collect();
            blend.temperatures[expert] = fit_temperature(&of_expert);
        }
        if experts == 2 {
            let loss = |share: u8| {
                let first = f32::from(share) / 10.0;
                let tried = Self { shares: vec![first, 1.0 - first], ..blend.clone() };
                (mean_loss(&tried.held_out(judged), 1.0), tried.shares)
            };
            let best = SHARES.map(loss).min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, shares)) = best {
                blend.shares = shares;
            }
        }
        blend
    }

    /// The examples with one opinion each.
    pub fn held_out(&self, judged: &[Judged]) -> Vec<HeldOut> {
        let blended =
            |one: &Judged| HeldOut { class: one.class, logits: self.combine(&one.opinions) };
        judged.iter().map(blended).collect()
    }

    /// One opinion. A single one is left as it is, its temperature not applied.
    pub fn combine(&self, opinions: &[Vec<f32>]) -> Vec<f32> {
        if let [single] = opinions {
            return single.clone();
        }
        let mut mixed = vec![0.0_f32; opinions.first().map_or(0, Vec::len)];
        for ((opinion, temperature), share) in
            opinions.iter().zip(&self.temperatures).zip(&self.shares)
        {
            let scaled: Vec<f32> = opinion.iter().map(|score| score / temperature).collect();
            let total = log_sum_exp(&scaled);
            for (sum, score) in mixed.iter_mut().zip(scaled) {
                *sum += share * (score - total).exp();
            }
        }
        mixed.into_iter().map(|probability| probability.max(PROBABILITY_MIN).ln()).collect()
    }

    /// The temperature of the first opinion.
    pub fn first_temperature(&self) -> f32 {
        self.temperatures.first().copied().unwrap_or(TEMPERATURE_ASSUMED)
    }

    /// Whether there is only one opinion.
    pub fn is_single(&self) -> bool {
        self.temperatures.len() < 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_right_more_often_counts_more() {
        // The first is right of nine in ten, the second of six in ten, and neither knows when.
        let judged: Vec<Judged> = (0..100)
            .map(|i| {
                let score = |wrong: bool| if wrong { vec![0.0, 1.0] } else { vec![1.0, 0.0] };
                let opinions = vec![score(i % 10 == 0), score(i % 5 < 2)];
                Judged { class: 0, opinions, likeness: [0.0; 2] }
            })
            .collect();
        let blend = Blend::fit(&judged);
        assert!(blend.shares[0] > blend.shares[1], "{blend:?}");
        let logits = blend.combine(&[vec![1.0, 0.0], vec![0.0, 1.0]]);
        assert!(logits[0] > logits[1]);
        assert!((log_sum_exp(&logits)).abs() < 1e-4, "they are probabilities");
    }

    #[test]
    fn a_single_opinion_is_left_alone() {
        let blend = Blend::assumed(1);
        assert!(blend.is_single());
        assert_eq!(blend.combine(&[vec![0.3, -0.2]]), [0.3, -0.2]);
    }
}
