//! Words that no turn ends with.

use super::super::token::{Token, is_filler};

/// Nobody stops after these, whatever came before.
const NEVER_LAST: &[&str] = &[
    // Articles and the like.
    "a",
    "an",
    "the",
    "my",
    "your",
    "our",
    "their",
    "its",
    "his",
    "every",
    "these",
    // What joins.
    "and",
    "or",
    "but",
    "because",
    "cause",
    "if",
    "unless",
    "whether",
    "than",
    "although",
    "plus",
    // What announces something.
    "i'm",
    "i'd",
    "i'll",
    "i've",
    "we're",
    "we'd",
    "we'll",
    "we've",
    "it's",
    "there's",
    "they're",
    "he's",
    "she's",
    "what's",
    "where's",
    "who's",
    "wanna",
    "gonna",
    "gotta",
    "very",
    "just",
    "also",
    "says",
    "named",
    // Parts of numbers and of addresses.
    "double",
    "triple",
    "treble",
    "dash",
    "hyphen",
    "underscore",
    "dot",
];

/// Only a question ends with these: "who am I speaking with?", "what's it for?"
const LAST_IN_QUESTIONS: &[&str] = &[
    "to",
    "from",
    "for",
    "with",
    "of",
    "at",
    "by",
    "into",
    "onto",
    "between",
    "about",
    "regarding",
    "without",
    "towards",
    "toward",
    "until",
    "till",
    "via",
    "per",
    "as",
    "like",
];

/// Only what takes up somebody else's words ends with these: "yes it is", "I think we do".
const LAST_AFTER_PRONOUNS: &[&str] = &[
    "is", "are", "was", "were", "am", "be", "can", "could", "would", "will", "should", "does",
    "did", "do", "has", "had", "have", "might", "must", "isn't", "can't", "don't", "want", "need",
];
const PRONOUNS: &[&str] = &["it", "that", "he", "she", "they", "i", "we", "you", "there"];

/// How a question begins.
pub(super) const QUESTIONS: &[&str] = &[
    "who", "what", "where", "when", "which", "why", "how", "who's", "what's", "where's", "is",
    "are", "do", "does", "did",
];

/// Announcements whose last word could stand at the end elsewhere.
const ANNOUNCEMENTS: &[&[&str]] = &[
    &["i", "want"],
    &["we", "want"],
    &["i", "need"],
    &["we", "need"],
    &["i", "have"],
    &["i", "was"],
    &["i", "am"],
    &["i", "wanted"],
    &["can", "you"],
    &["could", "you"],
    &["would", "you"],
    &["can", "i"],
    &["could", "i"],
    &["may", "i"],
    &["do", "you"],
    &["are", "you"],
    &["if", "you"],
    &["if", "i"],
    &["i'm", "calling"],
    &["am", "calling"],
    &["i'm", "trying"],
    &["the", "number"],
    &["number", "is"],
    &["and", "i"],
    &["but", "i"],
    &["so", "i"],
    &["that", "i"],
    &["do", "i"],
    &["did", "i"],
    &["should", "i"],
    &["and", "then"],
    &["you", "please"],
    &["area", "code"],
    &["you", "know"],
    &["i", "mean"],
    &["let's", "see"],
    &["kind", "of"],
    &["sort", "of"],
];

/// Whether somebody who says this is in the middle of it.
pub(super) fn is_broken_off(text: &str, words: &[Token<'_>]) -> bool {
    let Some(last) = words.last() else { return false };
    // How the recogniser writes what stops in the middle.
    let trailing = text.trim_end();
    if ["...", "\u{2026}", "-", "\u{2014}", ","].iter().any(|mark| trailing.ends_with(mark)) {
        return true;
    }
    let before = words.len().checked_sub(2).map(|at| &words[at]);
    // "M A R I A": the letter, not the article.
    let is_letter = before.is_some_and(|before| before.word.chars().count() == 1);
    if is_filler(&last.word) || (last.is_any(NEVER_LAST) && !(last.is("a") && is_letter)) {
        return true;
    }
    // "So" alone begins something; "I think so" ends.
    if last.is("so") {
        return last.is_set_apart() || before.is_none_or(|before| before.is("and"));
    }
    let asks = trailing.ends_with('?');
    if last.is_any(LAST_IN_QUESTIONS) {
        return !asks && !words[0].is_any(QUESTIONS);
    }
    // "What is?" is how a recogniser writes the beginning of a question.
    if ANNOUNCEMENTS.iter().any(|phrase| ends_with(words, phrase)) {
        return !asks || words.len() <= 2;
    }
    let takes_up = before.is_some_and(|before| before.is_any(PRONOUNS)) && words.len() > 2;
    last.is_any(LAST_AFTER_PRONOUNS) && !takes_up && (!asks || words.len() <= 3)
}

fn ends_with(words: &[Token<'_>], phrase: &[&str]) -> bool {
    let from = words.len().checked_sub(phrase.len());
    from.is_some_and(|from| words[from..].iter().zip(phrase).all(|(word, said)| word.is(said)))
}
