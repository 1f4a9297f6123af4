//! The sentence encoder taught what callers mean: a small change to some of its weights.
//!
//! Out of the box the encoder knows which sentences say about the same. Which of them ask for the
//! same thing is a little different ("where is my card" and "where is my parcel" do not), and was
//! taught with public sets of requests; `models/encoder/README.md` says with which, how, and how to
//! repeat it. What was learned is a matrix of low rank for each of 36 weight matrices (LoRA, Hu et
//! al. 2021), added to it as the encoder is loaded, so that it costs nothing afterwards.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, safetensors};

/// Two factors for each changed matrix, `NAME.weight.B` and `NAME.weight.A`, in f16.
const FACTORS: &[u8] = include_bytes!("../../../models/encoder/minilm-intents-r16.safetensors");

/// SHA-256 of the weights that the factors belong to, those of `minilm` in the model manifest.
/// Others are left as they are.
const BELONGS_TO: [u8; 32] = [
    0x53, 0xaa, 0x51, 0x17, 0x2d, 0x14, 0x2c, 0x89, 0xd9, 0x01, 0x2c, 0xce, 0x15, 0xae, 0x4d, 0x6c,
    0xc0, 0xca, 0x68, 0x95, 0x89, 0x51, 0x14, 0x37, 0x9c, 0xac, 0xb4, 0xfa, 0xb1, 0x28, 0xd9, 0xdb,
];

/// The change to weights of this SHA-256; `None` where there is none.
pub(super) fn of(weights_sha256: &[u8; 32]) -> Option<&'static [u8]> {
    (*weights_sha256 == BELONGS_TO).then_some(FACTORS)
}

/// Adds the products of `factors` to the matrices of these names.
///
/// # Errors
/// A factor has no matrix, or does not fit it.
pub(super) fn apply(
    factors: &[u8],
    weights: &mut HashMap<String, Tensor>,
) -> candle_core::Result<()> {
    let factors = safetensors::load_buffer(factors, &Device::Cpu)?;
    for (name, left) in &factors {
        let Some(matrix) = name.strip_suffix(".B") else { continue };
        let missing = || candle_core::Error::CannotFindTensor { path: matrix.to_owned() }.bt();
        let right = factors.get(&format!("{matrix}.A")).ok_or_else(missing)?;
        let change = left.to_dtype(DType::F32)?.matmul(&right.to_dtype(DType::F32)?)?;
        let weight = weights.get_mut(matrix).ok_or_else(missing)?;
        *weight = (weight.to_dtype(DType::F32)? + change)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_added_to_the_matrices_they_belong_to() {
        let tensor = |values: &[f32], shape: (usize, usize)| {
            Tensor::from_slice(values, shape, &Device::Cpu).expect("a tensor")
        };
        let factors = HashMap::from([
            ("x.weight.B".to_owned(), tensor(&[1.0, 2.0], (2, 1))),
            ("x.weight.A".to_owned(), tensor(&[3.0, 4.0, 5.0], (1, 3))),
        ]);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("factors.safetensors");
        safetensors::save(&factors, &file).expect("written");
        let factors = std::fs::read(&file).expect("read");
        let mut weights = HashMap::from([
            ("x.weight".to_owned(), tensor(&[0.5; 6], (2, 3))),
            ("y.weight".to_owned(), tensor(&[0.5; 6], (2, 3))),
        ]);
        apply(&factors, &mut weights).expect("they fit");
        let rows = |name: &str| weights[name].to_vec2::<f32>().expect("rows");
        assert_eq!(rows("x.weight"), [[3.5, 4.5, 5.5], [6.5, 8.5, 10.5]]);
        assert_eq!(rows("y.weight"), [[0.5; 3]; 2]);
        assert!(apply(&factors, &mut HashMap::new()).is_err(), "no such matrix");
    }

    #[test]
    fn what_comes_with_the_program_is_whole() {
        let factors = safetensors::load_buffer(FACTORS, &Device::Cpu).expect("readable");
        assert_eq!(factors.len(), 72);
        assert!(of(&BELONGS_TO).is_some() && of(&[0; 32]).is_none());
        let sha256: String = BELONGS_TO.iter().map(|byte| format!("{byte:02x}")).collect();
        let manifest = include_str!("../../../models/manifest.toml");
        assert!(manifest.contains(&sha256), "it would be applied to no weights that can be had");
    }
}
