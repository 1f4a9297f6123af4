//! Logistic regression with L2, trained by L-BFGS: the classifier on top of the frozen sentence
//! encoder. Of classes that exclude each other (multinomial) or do not (one regression each).

use std::collections::VecDeque;

use candle_core::{Device, Tensor};

/// Steps remembered for the curvature.
const MEMORY: usize = 10;

const ITERATIONS_MAX: usize = 300;

/// Stop when the loss falls by less than this share of itself, twice in a row. (A small gradient
/// is no sign of the end here: on unit vectors it is small from the start.)
const RELATIVE_FALL_MIN: f64 = 2e-5;

/// What each row is; classes are below `class_count`.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// Of one class.
    OneOf(&'a [usize]),
    /// Of any number of classes.
    Several(&'a [Vec<usize>]),
}

impl Targets<'_> {
    const fn len(self) -> usize {
        match self {
            Self::OneOf(classes) => classes.len(),
            Self::Several(classes) => classes.len(),
        }
    }
}

/// Examples as one matrix, with what each row is.
pub struct Examples<'a> {
    /// Row-major, as many rows as targets.
    pub rows: Vec<f32>,
    /// What each row is.
    pub targets: Targets<'a>,
    /// Numbers in a row.
    pub dimensions: usize,
    /// How many classes there are.
    pub class_count: usize,
}

/// A trained linear classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    /// Row-major: one row per class.
    weights: Vec<f32>,
    biases: Vec<f32>,
    dimensions: usize,
}

impl Regression {
    /// Minimises `sum(loss) * c + |weights|^2 / 2`. Uses the current rayon pool's cores.
    pub fn train(examples: &Examples<'_>, c: f64) -> candle_core::Result<Self> {
        let shape = (examples.targets.len(), examples.dimensions);
        let matrix = Tensor::from_slice(&examples.rows, shape, &Device::Cpu)?;
        let problem = Problem { examples, matrix, c };
        let parameters = minimise(
            |at| problem.loss(at),
            vec![0.0; examples.class_count * (examples.dimensions + 1)],
        )?;
        let (weights, biases) = parameters.split_at(examples.class_count * examples.dimensions);
        Ok(Self {
            weights: weights.to_vec(),
            biases: biases.to_vec(),
            dimensions: examples.dimensions,
        })
    }

    /// The score of each class for one vector.
    pub fn logits(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.dimensions);
        rows.zip(&self.biases).map(|(row, bias)| dot(row, vector) + bias).collect()
    }
}

/// The product of two vectors of one length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, which the compiler turns into one vector register.
    let mut sums = [0.0_f32; 8];
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest = a.chunks_exact(8).remainder().iter().zip(b.chunks_exact(8).remainder());
    sums.iter().sum::<f32>() + rest.map(|(x, y)| x * y).sum::<f32>()
}

/// The logarithm of the sum of exponentials, without overflow.
pub fn log_sum_exp(values: &[f32]) -> f32 {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if top.is_finite() {
        top + values.iter().map(|value| (value - top).exp()).sum::<f32>().ln()
    } else {
        top
    }
}

struct Problem<'a> {
    examples: &'a Examples<'a>,
    matrix: Tensor,
    c: f64,
}

impl Problem<'_> {
    /// Loss (per example) and gradient.
    fn loss(&self, parameters: &[f32]) -> candle_core::Result<(f64, Vec<f32>)> {
        let Examples { targets, dimensions, class_count, .. } = *self.examples;
        let (weights, biases) = parameters.split_at(class_count * dimensions);
        let weight_matrix = Tensor::from_slice(weights, (class_count, dimensions), &Device::Cpu)?;
        let mut logits: Vec<f32> =
            self.matrix.matmul(&weight_matrix.t()?)?.flatten_all()?.to_vec1()?;
        let count = targets.len();
        let share = 1.0 / count as f32;
        let mut loss = 0.0;
        let mut bias_gradient = vec![0.0; class_count];
        // Turns each row of logits into its gradient: probability minus truth.
        for (index, row) in logits.chunks_exact_mut(class_count).enumerate() {
            row.iter_mut().zip(biases).for_each(|(logit, bias)| *logit += bias);
            loss += match targets {
                Targets::OneOf(classes) => one_of(row, classes[index], share),
                Targets::Several(classes) => several(row, &classes[index], share),
            };
            bias_gradient.iter_mut().zip(&*row).for_each(|(sum, value)| *sum += *value);
        }
        let residual = Tensor::from_vec(logits, (count, class_count), &Device::Cpu)?;
        let mut gradient: Vec<f32> =
            residual.t()?.matmul(&self.matrix)?.flatten_all()?.to_vec1()?;
        let penalty = 1.0 / (self.c * count as f64);
        gradient.iter_mut().zip(weights).for_each(|(g, w)| *g += penalty as f32 * w);
        gradient.extend(bias_gradient);
        let squares = f64::from(dot(weights, weights));
        Ok((loss / count as f64 + 0.5 * penalty * squares, gradient))
    }
}

/// The loss of a row of logits of one class, which become its gradient.
fn one_of(row: &mut [f32], class: usize, share: f32) -> f64 {
    let total = log_sum_exp(row);
    let loss = f64::from(total - row[class]);
    row.iter_mut().for_each(|value| *value = (*value - total).exp() * share);
    row[class] -= share;
    loss
}

/// The loss of a row of logits of any number of classes, which become its gradient.
fn several(row: &mut [f32], classes: &[usize], share: f32) -> f64 {
    let mut loss = 0.0;
    for (class, value) in row.iter_mut().enumerate() {
        let logit: f32 = *value;
        let truth = f32::from(u8::from(classes.contains(&class)));
        // The logarithm of 1 + exp(x), without overflow.
        let softplus = logit.max(0.0) + (-logit.abs()).exp().ln_1p();
        loss += f64::from(softplus - truth * logit);
        *value = (probability(logit) - truth) * share;
    }
    loss
}

/// The probability of a class that excludes no other.
pub fn probability(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

struct Step {
    moved: Vec<f32>,
    turned: Vec<f32>,
    curvature: f64,
}

/// The L-BFGS direction: minus the inverse Hessian's estimate times the gradient.
fn direction(gradient: &[f32], steps: &VecDeque<Step>) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let share = (f64::from(dot(&step.moved, &direction)) / step.curvature) as f32;
        direction.iter_mut().zip(&step.turned).for_each(|(d, t)| *d -= share * t);
        shares.push(share);
    }
    if let Some(last) = steps.back() {
        let scale = (last.curvature / f64::from(dot(&last.turned, &last.turned))) as f32;
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (step, share) in steps.iter().zip(shares.into_iter().rev()) {
        let back = (f64::from(dot(&step.turned, &direction)) / step.curvature) as f32;
        direction.iter_mut().zip(&step.moved).for_each(|(d, m)| *d += (share - back) * m);
    }
    direction
}

fn minimise(
    mut loss: impl FnMut(&[f32]) -> candle_core::Result<(f64, Vec<f32>)>,
    mut at: Vec<f32>,
) -> candle_core::Result<Vec<f32>> {
    let (mut value, mut gradient) = loss(&at)?;
    let mut steps: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    let mut still = 0;
    for _ in 0..ITERATIONS_MAX {
        let mut way = direction(&gradient, &steps);
        let mut slope = f64::from(dot(&way, &gradient));
        if slope >= 0.0 {
            steps.clear();
            way = gradient.iter().map(|g| -g).collect();
            slope = -f64::from(dot(&gradient, &gradient));
        }
        let length = slope.abs().sqrt();
        if length < 1e-12 {
            break;
        }
        // The first step knows nothing of the curvature: go a fixed way.
        let mut stride = if steps.is_empty() { 1.0 / length } else { 1.0 };
        let mut taken = None;
        for _ in 0..20 {
            let there: Vec<f32> = at.iter().zip(&way).map(|(a, w)| a + stride as f32 * w).collect();
            let (new_value, new_gradient) = loss(&there)?;
            if new_value <= value + 1e-4 * stride * slope {
                taken = Some((there, new_value, new_gradient));
                break;
            }
            stride *= 0.4;
        }
        let Some((there, new_value, new_gradient)) = taken else { break };
        let moved: Vec<f32> = there.iter().zip(&at).map(|(b, a)| b - a).collect();
        let turned: Vec<f32> = new_gradient.iter().zip(&gradient).map(|(b, a)| b - a).collect();
        let curvature = f64::from(dot(&moved, &turned));
        if curvature > 1e-12 {
            if steps.len() == MEMORY {
                steps.pop_front();
            }
            steps.push_back(Step { moved, turned, curvature });
        }
        let fall = (value - new_value) / value.abs().max(1e-9);
        (at, value, gradient) = (there, new_value, new_gradient);
        still = if fall < RELATIVE_FALL_MIN { still + 1 } else { 0 };
        if still == 2 {
            break;
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_a_narrow_valley() {
        // Rosenbrock's function: the minimum is at (1, 1).
        let valley = |p: &[f32]| {
            let (x, y) = (f64::from(p[0]), f64::from(p[1]));
            let value = (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2) + 1.0;
            let dx = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
            Ok((value, vec![dx as f32, (200.0 * (y - x * x)) as f32]))
        };
        let found = minimise(valley, vec![-1.2, 1.0]).expect("no tensors involved");
        assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 1.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn separates_what_can_be_separated_and_respects_the_penalty() {
        let rows = vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9, -1.0, 0.0, -0.9, -0.1];
        let classes = [0, 0, 1, 1, 2, 2];
        let targets = Targets::OneOf(&classes);
        let examples = Examples { rows, targets, dimensions: 2, class_count: 3 };
        let strong = Regression::train(&examples, 100.0).expect("trains");
        for (row, &class) in examples.rows.chunks(2).zip(&classes) {
            let logits = strong.logits(row);
            let best = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            assert_eq!(best, Some(class));
        }
        let weak = Regression::train(&examples, 0.01).expect("trains");
        assert!(dot(&weak.weights, &weak.weights) < dot(&strong.weights, &strong.weights) / 100.0);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (one, any) = ([0, 1], [vec![0, 1], vec![]]);
        for targets in [Targets::OneOf(&one), Targets::Several(&any)] {
            let rows = vec![0.3, -0.2, 0.5, 0.8];
            let examples = Examples { rows, targets, dimensions: 2, class_count: 2 };
            let matrix = Tensor::from_slice(&examples.rows, (2, 2), &Device::Cpu).expect("2 by 2");
            let problem = Problem { examples: &examples, matrix, c: 3.0 };
            let at = [0.4_f32, -0.1, 0.2, 0.7, 0.05, -0.3];
            let (_, gradient) = problem.loss(&at).expect("computes");
            for i in 0..at.len() {
                let (mut up, mut down) = (at, at);
                up[i] += 1e-2;
                down[i] -= 1e-2;
                let (up, down) =
                    (problem.loss(&up).expect("up"), problem.loss(&down).expect("down"));
                let slope = (up.0 - down.0) / 2e-2;
                let error = (slope - f64::from(gradient[i])).abs();
                assert!(error < 1e-4, "parameter {i} of {targets:?}");
            }
        }
    }

    #[test]
    fn classes_need_not_exclude_each_other() {
        let rows = vec![1.0, 0.0, 0.0, 1.0, 0.7, 0.7, -0.7, -0.7];
        let classes = [vec![0], vec![1], vec![0, 1], vec![]];
        let targets = Targets::Several(&classes);
        let examples = Examples { rows, targets, dimensions: 2, class_count: 2 };
        let trained = Regression::train(&examples, 100.0).expect("trains");
        for (row, classes) in examples.rows.chunks(2).zip(&classes) {
            for (class, logit) in trained.logits(row).into_iter().enumerate() {
                assert_eq!(probability(logit) > 0.5, classes.contains(&class), "{row:?} {class}");
            }
        }
    }

    #[test]
    fn sums_of_exponentials_do_not_overflow() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - 1000.693).abs() < 1e-2);
        assert_eq!(log_sum_exp(&[]), f32::NEG_INFINITY);
    }
}
