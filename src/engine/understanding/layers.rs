//! A BERT whose layers can be looked at one by one; candle's own shows only the last.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertEncoder, BertModel, Config};

/// The embeddings of the tokens and, apart, each layer above them.
pub(super) struct LayeredBert {
    /// A model without layers: what it gives is what the first layer takes.
    embeddings: BertModel,
    /// Encoders of one layer each.
    layers: Vec<BertEncoder>,
}

impl LayeredBert {
    /// Loads a model's weights.
    pub fn load(weights: &VarBuilder<'_>, config: &Config) -> candle_core::Result<Self> {
        let no_layers = Config { num_hidden_layers: 0, ..config.clone() };
        let embeddings = BertModel::load(weights.clone(), &no_layers)?;
        let encoder = BertEncoder::load(weights.pp("encoder"), config)
            .or_else(|_| BertEncoder::load(weights.pp("bert.encoder"), config))?;
        let empty = BertEncoder::load(weights.pp("encoder"), &no_layers)?;
        let mut layers = Vec::with_capacity(encoder.layers.len());
        for layer in encoder.layers {
            let mut single = empty.clone();
            single.layers.push(layer);
            layers.push(single);
        }
        Ok(Self { embeddings, layers })
    }

    /// What the last layers give, the latest first: at most `keep`, at least one. `mask` is 1 where
    /// a token is and 0 where a sentence is padded.
    pub fn states(
        &self,
        ids: &Tensor,
        mask: &Tensor,
        keep: usize,
    ) -> candle_core::Result<Vec<Tensor>> {
        // Added to the attention's scores: nothing at tokens, minus all at padding.
        let hidden = mask.affine(-f64::from(f32::MIN), f64::from(f32::MIN))?;
        let hidden = hidden.unsqueeze(1)?.unsqueeze(1)?;
        let mut states = vec![self.embeddings.forward(ids, &ids.zeros_like()?, None)?];
        for layer in &self.layers {
            let next = layer.forward(&states[0], &hidden)?;
            states.insert(0, next);
            states.truncate(keep.max(1));
        }
        Ok(states)
    }
}
