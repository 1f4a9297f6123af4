//! Tests with the real encoder; run with `--ignored` where the models are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::regression::dot;
use super::*;
use crate::base::Pii;

fn encoder() -> Arc<SentenceEncoder> {
    let models = std::env::var_os("FRONTDOOR_MODELS").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/frontdoor/models"),
        PathBuf::from,
    );
    Arc::new(SentenceEncoder::load(&models.join("minilm")).expect("the encoder loads"))
}

fn examples() -> Vec<(IntentName, String)> {
    [
        ("balance", "what's my balance"),
        ("balance", "how much money do I have left"),
        ("balance", "how much is in my savings"),
        ("balance", "check my account balance please"),
        ("balance", "tell me what is in my account"),
        ("lost_card", "I lost my card"),
        ("lost_card", "my card was stolen"),
        ("lost_card", "I can't find my debit card anywhere"),
        ("lost_card", "someone took my wallet with my card"),
        ("lost_card", "block my card it's gone"),
        ("opening_hours", "when are you open"),
        ("opening_hours", "what time do you close today"),
        ("opening_hours", "are you open on Saturday"),
        ("opening_hours", "what are your hours"),
        ("opening_hours", "how late is the branch open"),
    ]
    .map(|(intent, text)| (IntentName::new(intent), text.to_owned()))
    .to_vec()
}

#[test]
#[ignore = "needs the models"]
fn embeddings_are_unit_vectors_and_do_not_depend_on_their_batch() {
    let encoder = encoder();
    let texts = ["yes", "I would like to know how much money is left in my checking account", ""];
    let together = encoder.encode_batch(&texts).expect("encodes");
    for (text, batched) in texts.iter().zip(&together) {
        let alone = encoder.encode(text).expect("encodes");
        assert_eq!(alone.len(), encoder.dimensions());
        assert!((dot(&alone, &alone) - 1.0).abs() < 1e-4);
        assert!(dot(&alone, batched) > 0.9999, "{text}");
    }
    let long = "word ".repeat(2_000);
    assert_eq!(encoder.encode(&long).expect("is cut").len(), encoder.dimensions());
    let near = encoder.encode_batch(&["my card is lost", "I lost my card", "it rains"]);
    let near = near.expect("encodes");
    assert!(dot(&near[0], &near[1]) > 0.8 && dot(&near[0], &near[2]) < 0.4);
}

#[test]
#[ignore = "needs the models"]
fn the_layers_hold_what_the_usual_depth_gives() {
    let encoder = encoder();
    let texts = ["yes", "I would like to know how much money is left in my checking account"];
    let usual = encoder.encode_batch(&texts).expect("encodes");
    let layers = encoder.encode_at(&texts, Depth::Layers).expect("encodes");
    let dimensions = encoder.dimensions();
    for ((text, usual), kept) in texts.iter().zip(&usual).zip(&layers) {
        assert_eq!(kept.len(), Depth::Layers.width(dimensions));
        let last = &kept[..dimensions];
        assert!(dot(usual, last) / dot(last, last).sqrt() > 0.9999, "{text}");
        let alone = encoder.encode_at(&[*text], Depth::Layers).expect("encodes").remove(0);
        for pooling in
            [Pooling::LastTwo, Pooling::LastFour, Pooling::FirstAndMean, Pooling::MaxAndMean]
        {
            // Padding has left no trace, in the maximum least of all.
            let (together, alone) = (pooling.pool(kept), pooling.pool(&alone));
            assert!(dot(&together, &alone) > 0.9999, "{pooling:?} {text}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the models"]
async fn fifteen_sentences_are_enough_to_understand_a_caller() {
    let encoder = encoder();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counter = ["I want to buy a boat".to_owned()];
    let trained = Understander::train(encoder, &examples(), &counter, Some(folder.path()));
    let pool = UnderstandingPool::start(trained.expect("trains"), 2).expect("starts");
    for (text, intent) in [
        ("uh how much have I got in checking", "balance"),
        ("somebody stole my credit card", "lost_card"),
        ("is the bank open tomorrow", "opening_hours"),
    ] {
        let understood = pool.understand(Pii::new(text.to_owned())).await.expect("understood");
        assert_eq!(understood.top().map(|top| top.intent.as_str()), Some(intent), "{text}");
        assert!(!understood.is_out_of_scope(), "{text}: {}", understood.out_of_scope);
    }
    let heard = [("somebody stole my credit card", 0.6), ("somebody sold my credit part", 0.4)];
    let understood = pool.current().understand_alternatives(&heard).expect("understood");
    assert_eq!(understood.top().map(|top| top.intent.as_str()), Some("lost_card"));
    let nothing = pool.current().understand_alternatives(&[("...", 1.0)]).expect("understood");
    assert!(nothing.is_out_of_scope());
    for text in ["tell me a joke about penguins", "I'd like to buy a boat", "..."] {
        let understood = pool.current().understand(text).expect("understood");
        assert!(understood.is_out_of_scope(), "{text}: {}", understood.out_of_scope);
    }
}

#[test]
#[ignore = "needs the models"]
fn a_second_start_takes_the_embeddings_from_disk() {
    let encoder = encoder();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut encoded = Vec::new();
    for _ in 0..2 {
        let mut missing = 0;
        let texts = ["one", "two", "one"];
        let mut cache = EmbeddingCache::open(Arc::clone(&encoder), Some(folder.path()));
        let found = cache.encode(&texts, &mut |_, all| missing = all).expect("encodes");
        encoded.push((missing, found));
    }
    assert_eq!((encoded[0].0, encoded[1].0), (2, 0));
    assert_eq!(encoded[0].1, encoded[1].1);
}

#[test]
#[ignore = "needs the models"]
fn a_missing_folder_is_named() {
    let error = SentenceEncoder::load(Path::new("/nowhere")).err().expect("nothing there");
    assert!(error.to_string().contains("/nowhere/config.json"), "{error}");
}
