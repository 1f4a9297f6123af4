//! Examples that sound more like another intent's than like their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::file_of;
use crate::engine::understanding::{
    Embedding, EmbeddingCache, SentenceEncoder, UnderstandingError, likeness,
};
use crate::nlu::IntentName;
use crate::prompts::Generation;

/// Sentences less alike than this have nothing to do with each other, whichever is the nearest.
const LIKENESS_MIN: f32 = 0.5;

/// A sentence in an intent file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sentence {
    text: String,
    /// The intent that it means.
    intent: IntentName,
    path: String,
    line: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// From `## Callers say`.
    Example,
    /// From `## Not this` of another intent's file.
    NotThis,
}

/// How much nearer the other intent's sentence must be. Below it the classifier, which looks at all
/// sentences, is rarely misled.
const LEAD_MIN: f32 = 0.1;

/// An example that is nearer to another intent's sentence than to any of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Collision {
    example: Sentence,
    /// Likeness to the nearest of its own.
    own: f32,
    rival: Sentence,
    /// Likeness to the rival.
    rivals: f32,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { example, own, rival, rivals } = self;
        write!(
            f,
            "{}:{}: \"{}\" sounds more like \"{}\" of {} ({}:{}, likeness {rivals:.2}) than like \
             the rest of {} ({own:.2}). Fix: reword one of the two, or add `- {} -> {}` under \
             `## Not this` in {}",
            example.path,
            example.line,
            example.text,
            rival.text,
            rival.intent,
            rival.path,
            rival.line,
            example.intent,
            example.text,
            example.intent,
            rival.path,
        )
    }
}

/// All collisions, at most one for each line, in the order of the files. `folder` is the profile's.
///
/// # Errors
/// The encoder failed.
pub(super) fn find(
    generation: &Generation,
    folder: &Path,
    encoder: &Arc<SentenceEncoder>,
    cache: &Path,
) -> Result<Vec<Collision>, UnderstandingError> {
    let sentences = sentences(generation, folder);
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    let mut cache = EmbeddingCache::open(Arc::clone(encoder), Some(cache));
    let embeddings = cache.encode(&texts, &mut |_, _| {})?;
    Ok(collide(&sentences, &embeddings))
}

/// The examples, and what `## Not this` says is another intent: that counts as an example of it.
fn sentences(generation: &Generation, folder: &Path) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for intent in &generation.intents {
        let path = file_of(folder, intent);
        sentences.extend(intent.examples.iter().map(|example| Sentence {
            text: example.text.clone(),
            intent: intent.name.clone(),
            path: path.clone(),
            line: example.line,
            kind: Kind::Example,
        }));
        sentences.extend(intent.not_this.iter().filter_map(|not| {
            Some(Sentence {
                text: not.text.clone(),
                intent: not.intent.clone()?,
                path: path.clone(),
                line: not.line,
                kind: Kind::NotThis,
            })
        }));
    }
    sentences
}

fn collide(sentences: &[Sentence], embeddings: &[Embedding]) -> Vec<Collision> {
    let mut by_line: BTreeMap<(&str, usize), Collision> = BTreeMap::new();
    for (example, embedding) in sentences.iter().zip(embeddings) {
        if example.kind != Kind::Example {
            continue;
        }
        let Some(collision) = collision_of(example, embedding, sentences, embeddings) else {
            continue;
        };
        let lead = |collision: &Collision| collision.rivals - collision.own;
        let place = (example.path.as_str(), example.line);
        if by_line.get(&place).is_none_or(|known| lead(known) < lead(&collision)) {
            by_line.insert(place, collision);
        }
    }
    by_line.into_values().collect()
}

fn collision_of(
    example: &Sentence,
    embedding: &Embedding,
    sentences: &[Sentence],
    embeddings: &[Embedding],
) -> Option<Collision> {
    // The other readings of its own line are nearly the same words: they say nothing.
    let same_line = |other: &Sentence| other.line == example.line && other.path == example.path;
    let nearest = |wanted: &dyn Fn(&Sentence) -> bool| {
        sentences
            .iter()
            .zip(embeddings)
            .filter(|(other, _)| !same_line(other) && wanted(other))
            .map(|(other, theirs)| (other, likeness(embedding, theirs)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    };
    // An intent with a single line has nothing of its own to be near to.
    let (_, own) = nearest(&|other| other.intent == example.intent)?;
    let (rival, rivals) = nearest(&|other| other.intent != example.intent)?;
    (rivals >= own + LEAD_MIN && rivals >= LIKENESS_MIN).then(|| Collision {
        example: example.clone(),
        own,
        rival: rival.clone(),
        rivals,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str, intent: &str, line: usize) -> Sentence {
        Sentence {
            text: text.to_owned(),
            intent: IntentName::new(intent),
            path: format!("prompts/p/intents/{intent}.md"),
            line,
            kind: Kind::Example,
        }
    }

    /// A point on the circle.
    fn at(degrees: f32) -> Embedding {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn an_example_among_another_intents_is_named_with_its_neighbour() {
        let mut sentences = vec![
            sentence("my card is gone", "lost_card", 10),
            sentence("my card got stolen", "lost_card", 11),
            sentence("somebody used my card", "dispute", 20),
            sentence("I don't know this charge", "dispute", 21),
        ];
        let mut embeddings = vec![at(0.0), at(10.0), at(18.0), at(60.0)];
        let found = collide(&sentences, &embeddings);
        let texts: Vec<&str> = found.iter().map(|one| one.example.text.as_str()).collect();
        assert_eq!(texts, ["somebody used my card"]);
        assert_eq!(
            found[0].to_string(),
            "prompts/p/intents/dispute.md:20: \"somebody used my card\" sounds more like \"my card \
             got stolen\" of lost_card (prompts/p/intents/lost_card.md:11, likeness 0.99) than \
             like the rest of dispute (0.74). Fix: reword one of the two, or add `- somebody used \
             my card -> dispute` under `## Not this` in prompts/p/intents/lost_card.md"
        );
        // Once the fix is in, it is near to its own.
        let mut fixed = sentence("somebody used my card", "dispute", 30);
        fixed.path = "prompts/p/intents/lost_card.md".to_owned();
        fixed.kind = Kind::NotThis;
        sentences.push(fixed);
        embeddings.push(at(18.0));
        let found = collide(&sentences, &embeddings);
        assert!(found.iter().all(|one| one.example.line != 20), "{found:?}");
    }

    #[test]
    fn readings_of_one_line_are_one_sentence_and_far_neighbours_are_none() {
        let sentences = [
            sentence("one", "a", 1),
            sentence("one and a half", "a", 1),
            sentence("two", "b", 2),
            sentence("three", "b", 3),
        ];
        // Nothing of its own beside its line.
        assert!(collide(&sentences, &[at(0.0), at(1.0), at(20.0), at(21.0)]).is_empty());
        let sentences = [
            sentence("one", "a", 1),
            sentence("ten", "a", 2),
            sentence("two", "b", 3),
            sentence("six", "b", 4),
        ];
        let far = [at(0.0), at(180.0), at(80.0), at(90.0)];
        assert!(collide(&sentences, &far).is_empty());
    }
}
