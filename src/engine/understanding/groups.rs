//! Sentences put together by meaning.

use std::cmp::Reverse;

use super::encoder::Embedding;
use super::regression::dot;

/// How alike two sentences are: the cosine of their embeddings, -1 to 1.
pub fn likeness(a: &[f32], b: &[f32]) -> f32 {
    dot(a, b)
}

/// Puts points that are alike together, the largest groups first. In each group the first index
/// is the point around which the others are, at least this much like it. A point counts as often
/// as its weight says. Every point is in exactly one group; of equal choices the first is taken.
///
/// Compares every point with every other: meant for a few thousand.
pub fn group_alike(points: &[Embedding], weights: &[usize], likeness_min: f32) -> Vec<Vec<usize>> {
    let weight = |index: usize| weights.get(index).copied().unwrap_or(1);
    let mut near: Vec<Vec<usize>> = (0..points.len()).map(|index| vec![index]).collect();
    for (a, point) in points.iter().enumerate() {
        for (b, other) in points.iter().enumerate().skip(a + 1) {
            if likeness(point, other) >= likeness_min {
                near[a].push(b);
                near[b].push(a);
            }
        }
    }
    let mut groups = Vec::new();
    let mut grouped = vec![false; points.len()];
    loop {
        let free = |index: &usize| !grouped[*index];
        let size =
            |index: &usize| near[*index].iter().copied().filter(free).map(weight).sum::<usize>();
        // Of equals `max_by_key` takes the last.
        let Some(centre) = (0..points.len()).rev().filter(free).max_by_key(size) else { break };
        let mut group: Vec<usize> = near[centre].iter().copied().filter(free).collect();
        group.sort_by_key(|&index| (index != centre, Reverse(weight(index)), index));
        for index in &group {
            grouped[*index] = true;
        }
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::encoder::normalised;
    use super::*;

    fn at(x: f32, y: f32) -> Embedding {
        normalised(vec![x, y])
    }

    #[test]
    fn the_largest_group_comes_first_and_around_its_middle() {
        let points = [at(0.0, -1.0), at(1.0, 0.0), at(1.0, 0.5), at(1.0, 1.0), at(-1.0, 0.0)];
        // The third is near the second and the fourth, which are not near each other.
        let groups = group_alike(&points, &[1; 5], 0.8);
        assert_eq!(groups, [vec![2, 1, 3], vec![0], vec![4]]);
        assert!((likeness(&points[1], &points[4]) + 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_said_often_weighs_more() {
        let points = [at(1.0, 0.0), at(1.0, 0.1), at(0.0, 1.0)];
        let groups = group_alike(&points, &[1, 1, 5], 0.8);
        assert_eq!(groups, [vec![2], vec![0, 1]]);
        let groups = group_alike(&points, &[1, 2, 1], 0.8);
        assert_eq!(groups[0], [0, 1], "of equal choices the first");
        assert!(group_alike(&[], &[], 0.6).is_empty());
    }
}
