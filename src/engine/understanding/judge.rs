//! What is learned from a set of examples before it is known how sure one may be: regressions, and
//! where the examples lie.

use super::encoder::{Embedding, UnderstandingError, normalised};
use super::features::{Copies, Example, FeatureSet, Fusion, Lexical, Phrase};
use super::maker::{Maker, View};
use super::regression::{Examples, Regression, Targets, dot};

/// Regularisation with few examples an intent.
const C_FEW: f64 = 10.0;

/// Regularisation with many.
const C_MANY: f64 = 30.0;

/// Examples an intent from which there are "many".
const MANY_EXAMPLES: usize = 40;

/// An example with the number of its intent.
pub(super) type Member<'a> = (usize, &'a Example);

/// Scores every intent.
#[derive(Debug, Clone)]
enum Expert {
    Linear(View, Regression),
    /// By the cosine to each intent's mean.
    Nearest(Vec<Embedding>),
}

/// Learned from one set of examples.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    maker: Maker,
    experts: Vec<Expert>,
    centroids: Vec<Embedding>,
    places: Vec<Embedding>,
}

impl Judge {
    /// Learns from examples.
    pub fn train(
        members: &[Member<'_>],
        class_count: usize,
        features: FeatureSet,
    ) -> Result<Self, UnderstandingError> {
        let classes: Vec<usize> = members.iter().map(|(class, _)| *class).collect();
        let phrases: Vec<&Phrase> = members.iter().map(|(_, example)| &example.phrase).collect();
        let maker = Maker::fit(&phrases, &classes, features)?;
        let many = members.len() >= class_count * MANY_EXAMPLES;
        let c = if many { C_MANY } else { C_FEW };
        let mut experts = Vec::new();
        for &view in views(features) {
            let (rows, row_classes) = rows(&maker, view, members, class_count, features.copies);
            // Copies say nothing new: all rows together count as much as the examples alone.
            let c = c * members.len() as f64 / rows.len().max(1) as f64;
            let problem = Examples {
                dimensions: rows.first().map_or(0, Vec::len),
                rows: rows.concat(),
                targets: Targets::OneOf(&row_classes),
                class_count,
            };
            let regression = Regression::train(&problem, c)
                .map_err(|error| UnderstandingError::Encode(error.to_string()))?;
            experts.push(Expert::Linear(view, regression));
        }
        if features.fusion == Fusion::WithCentroids {
            let points: Vec<Embedding> =
                phrases.iter().map(|phrase| maker.view(View::Semantic, phrase)).collect();
            experts.push(Expert::Nearest(centroids(&points, &classes, class_count)));
        }
        let places: Vec<Embedding> = phrases.iter().map(|phrase| maker.place(phrase)).collect();
        let centroids = centroids(&places, &classes, class_count);
        Ok(Self { maker, experts, centroids, places })
    }

    /// How many opinions it gives.
    pub fn expert_count(&self) -> usize {
        self.experts.len()
    }

    /// What each expert scores each intent; the regression on all that there is comes first.
    pub fn opinions(&self, phrase: &Phrase) -> Vec<Vec<f32>> {
        let opinion = |expert: &Expert| match expert {
            Expert::Linear(view, regression) => regression.logits(&self.maker.view(*view, phrase)),
            Expert::Nearest(centroids) => {
                let point = self.maker.view(View::Semantic, phrase);
                centroids.iter().map(|centroid| dot(centroid, &point)).collect()
            }
        };
        self.experts.iter().map(opinion).collect()
    }

    /// Where a phrase is among the examples.
    pub fn place(&self, phrase: &Phrase) -> Embedding {
        self.maker.place(phrase)
    }

    /// The cosines of a place to the nearest intent's mean and to the nearest example.
    pub fn likeness(&self, place: &[f32]) -> [f32; 2] {
        [nearest(&self.centroids, place), nearest(&self.places, place)]
    }
}

/// The cosine to the nearest of these points.
pub(super) fn nearest(points: &[Embedding], place: &[f32]) -> f32 {
    points.iter().map(|point| dot(point, place)).fold(-1.0, f32::max)
}

/// What each regression sees.
const fn views(features: FeatureSet) -> &'static [View] {
    match (features.fusion, features.lexical) {
        (Fusion::Joined | Fusion::WithCentroids, _) | (Fusion::Averaged, Lexical::Nothing) => {
            &[View::Joined]
        }
        (Fusion::Averaged, _) => &[View::Semantic, View::Lexical],
    }
}

/// The mean direction of each class.
fn centroids(points: &[Embedding], classes: &[usize], class_count: usize) -> Vec<Embedding> {
    let dimensions = points.first().map_or(0, Vec::len);
    let mut sums = vec![vec![0.0; dimensions]; class_count];
    for (class, point) in classes.iter().zip(points) {
        sums[*class].iter_mut().zip(point).for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter().map(normalised).collect()
}

/// What a regression is trained on: the examples, their copies, and points between them.
fn rows(
    maker: &Maker,
    view: View,
    members: &[Member<'_>],
    class_count: usize,
    copies: Copies,
) -> (Vec<Vec<f32>>, Vec<usize>) {
    let mut rows = Vec::with_capacity(members.len());
    let mut classes = Vec::with_capacity(members.len());
    for (class, example) in members {
        rows.push(maker.view(view, &example.phrase));
        classes.push(*class);
    }
    if copies.has_mixed() {
        let between = between(&rows, &classes, class_count);
        for (class, row) in between {
            rows.push(row);
            classes.push(class);
        }
    }
    for (class, example) in members {
        for copy in &example.copies {
            rows.push(maker.view(view, copy));
            classes.push(*class);
        }
    }
    (rows, classes)
}

/// The middles between each row and the next one of its class, the last and the first included.
fn between(rows: &[Vec<f32>], classes: &[usize], class_count: usize) -> Vec<(usize, Vec<f32>)> {
    let mut members = vec![Vec::new(); class_count];
    for (index, class) in classes.iter().enumerate() {
        members[*class].push(index);
    }
    let mut middles = Vec::new();
    for (class, members) in members.iter().enumerate() {
        // Two have one middle, one has none.
        let pairs = if members.len() < 3 { members.len().saturating_sub(1) } else { members.len() };
        for at in 0..pairs {
            let (a, b) = (&rows[members[at]], &rows[members[(at + 1) % members.len()]]);
            middles.push((class, normalised(a.iter().zip(b).map(|(a, b)| a + b).collect())));
        }
    }
    middles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middles_are_between_neighbours_of_a_class() {
        let rows = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![-1.0, 0.0], vec![0.0, -1.0]];
        let half = 0.5_f32.sqrt();
        let two = between(&rows, &[0, 1, 1, 2], 3);
        assert_eq!(two.len(), 1);
        assert_eq!(two[0].0, 1);
        assert!((two[0].1[0] + half).abs() < 1e-6 && (two[0].1[1] - half).abs() < 1e-6);
        assert_eq!(between(&rows, &[0, 0, 0, 1], 2).len(), 3, "round about");
    }

    #[test]
    fn words_have_a_regression_of_their_own_when_averaged() {
        let averaged = FeatureSet { fusion: Fusion::Averaged, ..FeatureSet::PLAIN };
        assert_eq!(views(averaged).len(), 1, "there are no words");
        let lexical = Lexical::Words;
        assert_eq!(views(FeatureSet { lexical, ..averaged }), [View::Semantic, View::Lexical]);
    }
}
