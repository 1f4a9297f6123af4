//! Makes the spread of embeddings round, so that no direction counts for more than it tells.
//!
//! Any matrix `W` with `W'W` equal to the inverse covariance does: they differ by a rotation, and
//! neither cosines nor a regression with L2 see that. The inverse of the Cholesky factor is the
//! cheapest of them, well below the cost of the usual eigenvectors.

use candle_core::{Device, Tensor};

use super::encoder::{Embedding, normalised};
use super::regression::dot;

/// Below this mean variance there is no spread to speak of.
const VARIANCE_MIN: f64 = 1e-9;

/// A fitted transform.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    mean: Embedding,
    /// Lower triangular, row-major.
    rows: Vec<f32>,
}

impl Whitening {
    /// Fits to points around their groups' means; one group for all gives plain whitening.
    /// `shrinkage` is how far the covariance is drawn towards a round one, 0 to 1. Nothing comes of
    /// points without spread.
    pub fn fit(
        points: &[&Embedding],
        groups: &[usize],
        shrinkage: f32,
    ) -> candle_core::Result<Option<Self>> {
        let dimensions = points.first().map_or(0, |point| point.len());
        if dimensions == 0 {
            return Ok(None);
        }
        let group_count = groups.iter().max().map_or(0, |last| last + 1);
        let means = means(points, groups, group_count, dimensions);
        let mut centred = Vec::with_capacity(points.len() * dimensions);
        for (point, group) in points.iter().zip(groups) {
            centred.extend(point.iter().zip(&means[*group]).map(|(value, mean)| value - mean));
        }
        let matrix = Tensor::from_vec(centred, (points.len(), dimensions), &Device::Cpu)?;
        let products: Vec<f32> = matrix.t()?.matmul(&matrix)?.flatten_all()?.to_vec1()?;
        let mut covariance: Vec<f64> =
            products.iter().map(|sum| f64::from(*sum) / points.len() as f64).collect();
        let diagonal = (0..dimensions).map(|i| covariance[i * dimensions + i]);
        let variance = diagonal.sum::<f64>() / dimensions as f64;
        if variance < VARIANCE_MIN {
            return Ok(None);
        }
        // Never quite none, or the factor might not exist where examples are few.
        let shrinkage = f64::from(shrinkage).clamp(1e-3, 1.0);
        for (index, value) in covariance.iter_mut().enumerate() {
            *value *= 1.0 - shrinkage;
            if index % (dimensions + 1) == 0 {
                *value += shrinkage * variance;
            }
        }
        let inverse = cholesky(covariance, dimensions).map(|factor| inverted(&factor, dimensions));
        let mean = self::means(points, &vec![0; points.len()], 1, dimensions).remove(0);
        Ok(inverse.map(|rows| Self { mean, rows: rows.iter().map(|x| *x as f32).collect() }))
    }

    /// A point where the spread is round, on the unit sphere.
    pub fn apply(&self, point: &[f32]) -> Embedding {
        let centred: Vec<f32> = point.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        let rows = self.rows.chunks_exact(self.mean.len()).enumerate();
        normalised(rows.map(|(i, row)| dot(&row[..=i], &centred[..=i])).collect())
    }
}

fn means(
    points: &[&Embedding],
    groups: &[usize],
    group_count: usize,
    dimensions: usize,
) -> Vec<Embedding> {
    let mut means = vec![vec![0.0; dimensions]; group_count];
    let mut counts = vec![0.0_f32; group_count];
    for (point, group) in points.iter().zip(groups) {
        means[*group].iter_mut().zip(*point).for_each(|(sum, value)| *sum += value);
        counts[*group] += 1.0;
    }
    for (mean, count) in means.iter_mut().zip(counts) {
        mean.iter_mut().for_each(|sum| *sum /= count.max(1.0));
    }
    means
}

/// The lower factor `L` with `LL'` equal to a symmetric matrix, if that is positive.
fn cholesky(mut matrix: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    for i in 0..size {
        let (above, rest) = matrix.split_at_mut(i * size);
        let row = &mut rest[..size];
        for j in 0..i {
            let other = &above[j * size..j * size + size];
            let product: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
            row[j] = (row[j] - product) / other[j];
        }
        let squares: f64 = row[..i].iter().map(|value| value * value).sum();
        let pivot = row[i] - squares;
        if pivot <= 0.0 || !pivot.is_finite() {
            return None;
        }
        row[i] = pivot.sqrt();
        row[i + 1..].fill(0.0);
    }
    Some(matrix)
}

/// The inverse of a lower triangular matrix with a positive diagonal.
fn inverted(factor: &[f64], size: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; size * size];
    for i in 0..size {
        let (above, rest) = inverse.split_at_mut(i * size);
        let row = &mut rest[..size];
        let pivot = factor[i * size + i];
        for j in 0..i {
            let share = factor[i * size + j] / pivot;
            let other = &above[j * size..=j * size + j];
            row[..=j].iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
        }
        row[i] = 1.0 / pivot;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_the_factor_undoes_the_matrix() {
        let matrix = vec![4.0, 2.0, 0.6, 2.0, 3.0, 0.4, 0.6, 0.4, 2.0];
        let inverse = inverted(&cholesky(matrix.clone(), 3).expect("it is positive"), 3);
        // W M W' is the identity.
        for i in 0..3 {
            for j in 0..3 {
                let mut sum = 0.0;
                for a in 0..3 {
                    for b in 0..3 {
                        sum += inverse[i * 3 + a] * matrix[a * 3 + b] * inverse[j * 3 + b];
                    }
                }
                let expected = f64::from(u8::from(i == j));
                assert!((sum - expected).abs() < 1e-9, "{i} {j}: {sum}");
            }
        }
        assert!(cholesky(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
    }

    #[test]
    fn directions_that_vary_within_a_group_count_less() {
        let points: Vec<Embedding> =
            [(0.0, 0.0), (4.0, 0.0), (2.0, 0.2), (0.0, 1.0), (4.0, 1.0), (2.0, 1.2)]
                .map(|(x, y)| vec![x, y])
                .to_vec();
        let points: Vec<&Embedding> = points.iter().collect();
        let fitted = Whitening::fit(&points, &[0, 0, 0, 1, 1, 1], 0.05);
        let whitening = fitted.expect("computes").expect("there is spread");
        let [low_left, low_right, high_right] =
            [points[0], points[1], points[4]].map(|point| whitening.apply(point));
        assert!(dot(&low_left, &low_right) > dot(&low_right, &high_right));
        assert!((dot(&low_left, &low_left) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn points_without_spread_give_nothing() {
        let point = vec![0.6, 0.8];
        let fitted = Whitening::fit(&[&point, &point], &[0, 1], 0.5).expect("computes");
        assert!(fitted.is_none());
        assert!(Whitening::fit(&[], &[], 0.5).expect("computes").is_none());
    }
}
