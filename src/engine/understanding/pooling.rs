//! One vector from what the layers of the encoder say of each token.
//!
//! The encoder was trained so that the mean of its last layer is the meaning of a sentence. Lower
//! layers hold more of the wording (Jawahar et al. 2019, "What does BERT learn about the structure
//! of language?"), and a maximum keeps what one word says alone (Shen et al. 2018, "Baseline needs
//! more love").

use super::encoder::{Embedding, normalised};

/// Layers that are kept when a sentence is read at `Depth::Layers`.
pub(super) const LAYERS: usize = 4;

/// Vectors kept then: the layers, the first token, the maximum.
const BLOCKS: usize = LAYERS + 2;

/// How much of what the encoder computes is kept of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Depth {
    /// The mean of the last layer, on the unit sphere.
    Last,
    /// The last four layers, the first token and the maximum: six times as much, from which
    /// `Pooling` makes an embedding.
    Layers,
}

impl Depth {
    /// Numbers kept of a sentence, of an encoder with this many dimensions.
    pub const fn width(self, dimensions: usize) -> usize {
        match self {
            Self::Last => dimensions,
            Self::Layers => dimensions * BLOCKS,
        }
    }
}

/// How tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of the last layer.
    Mean,
    /// The mean of the last two layers.
    LastTwo,
    /// The mean of the last four layers.
    LastFour,
    /// The first token (`[CLS]`) beside the mean.
    FirstAndMean,
    /// The maximum beside the mean.
    MaxAndMean,
}

impl Pooling {
    /// The depth at which sentences must be read for this.
    pub const fn depth(self) -> Depth {
        match self {
            Self::Mean => Depth::Last,
            Self::LastTwo | Self::LastFour | Self::FirstAndMean | Self::MaxAndMean => Depth::Layers,
        }
    }

    /// The embedding, from what was kept at `depth()`.
    pub fn pool(self, kept: &[f32]) -> Embedding {
        if self.depth() == Depth::Last {
            return kept.to_vec();
        }
        let dimensions = kept.len() / BLOCKS;
        let block = |index: usize| kept.get(index * dimensions..(index + 1) * dimensions);
        let block = |index: usize| block(index).unwrap_or_default();
        let beside = |other: usize| {
            let mut both = normalised(block(0).to_vec());
            both.extend(normalised(block(other).to_vec()));
            normalised(both)
        };
        let layers = |count: usize| {
            let mut sum = block(0).to_vec();
            for layer in 1..count {
                sum.iter_mut().zip(block(layer)).for_each(|(sum, value)| *sum += value);
            }
            normalised(sum)
        };
        match self {
            Self::Mean => layers(1),
            Self::LastTwo => layers(2),
            Self::LastFour => layers(LAYERS),
            Self::FirstAndMean => beside(LAYERS),
            Self::MaxAndMean => beside(LAYERS + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_takes_its_own_blocks() {
        // Four layers, the first token, the maximum; two dimensions.
        let kept = [4.0, 0.0, 0.0, 4.0, 0.0, 8.0, 0.0, 0.0, 0.0, 2.0, -3.0, 0.0];
        let half = 0.5_f32.sqrt();
        let near = |pooling: Pooling, expected: &[f32]| {
            let pooled = pooling.pool(&kept);
            assert_eq!(pooled.len(), expected.len(), "{pooling:?}");
            for (value, expected) in pooled.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{pooling:?}: {pooled:?}");
            }
        };
        near(Pooling::LastTwo, &[half, half]);
        near(Pooling::LastFour, &[4.0 / 160_f32.sqrt(), 12.0 / 160_f32.sqrt()]);
        near(Pooling::FirstAndMean, &[half, 0.0, 0.0, half]);
        near(Pooling::MaxAndMean, &[half, 0.0, -half, 0.0]);
        assert_eq!(Pooling::Mean.pool(&[0.6, 0.8]), [0.6, 0.8], "it is pooled already");
        assert_eq!(Depth::Layers.width(2), kept.len());
    }
}
