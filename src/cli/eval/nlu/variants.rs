//! The ways to look at sentences that can be measured against each other.

use anyhow::bail;

use crate::engine::understanding::{
    Copies, FeatureSet, Fusion, Lexical, Nearness, Pooling, Transform,
};

/// A feature set with a name.
#[derive(Debug)]
pub(super) struct Variant {
    pub name: &'static str,
    pub features: FeatureSet,
}

const PLAIN: FeatureSet = FeatureSet::PLAIN;
const WORDS: FeatureSet = FeatureSet { lexical: Lexical::Words, ..PLAIN };
const LETTERS: FeatureSet = FeatureSet { lexical: Lexical::Letters, ..PLAIN };
const BOTH: FeatureSet = FeatureSet { lexical: Lexical::WordsAndLetters, ..PLAIN };

const fn pooled(pooling: Pooling) -> FeatureSet {
    FeatureSet { pooling, ..PLAIN }
}

const fn copied(copies: Copies) -> FeatureSet {
    FeatureSet { copies, ..PLAIN }
}

const fn within(features: FeatureSet, shrinkage: f32) -> FeatureSet {
    FeatureSet { transform: Transform::WithinIntents { shrinkage }, ..features }
}

const fn whitened(shrinkage: f32) -> FeatureSet {
    FeatureSet { transform: Transform::Whitened { shrinkage }, ..PLAIN }
}

const fn fused(features: FeatureSet, fusion: Fusion) -> FeatureSet {
    FeatureSet { fusion, ..features }
}

const fn near(features: FeatureSet) -> FeatureSet {
    FeatureSet { nearness: Nearness::Features, ..features }
}

const fn variant(name: &'static str, features: FeatureSet) -> Variant {
    Variant { name, features }
}

/// All of them; the first is the least.
const VARIANTS: &[Variant] = &[
    variant("plain", PLAIN),
    variant("words", WORDS),
    variant("letters", LETTERS),
    variant("words+letters", BOTH),
    variant("last-two", pooled(Pooling::LastTwo)),
    variant("last-four", pooled(Pooling::LastFour)),
    variant("first+mean", pooled(Pooling::FirstAndMean)),
    variant("max+mean", pooled(Pooling::MaxAndMean)),
    variant("words-averaged", fused(WORDS, Fusion::Averaged)),
    variant("words+letters-averaged", fused(BOTH, Fusion::Averaged)),
    variant("centroids", fused(PLAIN, Fusion::WithCentroids)),
    variant("stripped", copied(Copies::Stripped)),
    variant("mixed", copied(Copies::Mixed)),
    variant("stripped+mixed", copied(Copies::StrippedAndMixed)),
    variant("misheard", copied(Copies::Misheard)),
    variant("whitened-50", whitened(0.5)),
    variant("whitened-90", whitened(0.9)),
    variant("within-30", within(PLAIN, 0.3)),
    variant("within-60", within(PLAIN, 0.6)),
    variant("within-90", within(PLAIN, 0.9)),
    variant("within-60-near", near(within(PLAIN, 0.6))),
    variant("words+letters-near", near(BOTH)),
    variant("words+within-60", within(WORDS, 0.6)),
    variant("words+letters+within-60", within(BOTH, 0.6)),
    variant("words+letters+centroids", fused(BOTH, Fusion::WithCentroids)),
    variant("words+letters+last-two", FeatureSet { pooling: Pooling::LastTwo, ..BOTH }),
    variant("words+letters+mixed", FeatureSet { copies: Copies::Mixed, ..BOTH }),
];

/// The variants of these names, or every one for `all`.
pub(super) fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Variant>> {
    let mut chosen = Vec::new();
    for name in names {
        if name == "all" {
            chosen.extend(VARIANTS);
            continue;
        }
        let Some(variant) = VARIANTS.iter().find(|variant| variant.name == name) else {
            let known: Vec<&str> = VARIANTS.iter().map(|variant| variant.name).collect();
            bail!("there is no variant '{name}'; there are all, {}", known.join(", "));
        };
        chosen.push(variant);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_each_is_another_set() {
        let all = chosen(&["all".to_owned()]).expect("all");
        for (index, variant) in all.iter().enumerate() {
            for other in &all[..index] {
                assert_ne!(variant.name, other.name);
                assert_ne!(variant.features, other.features, "{}", variant.name);
            }
        }
        let two = chosen(&["plain".to_owned(), "words".to_owned()]).expect("both");
        assert_eq!(two[1].name, "words");
        let error = chosen(&["wrods".to_owned()]).expect_err("no such variant");
        assert!(error.to_string().contains("words"), "{error}");
    }
}
