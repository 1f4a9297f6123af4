//! Other ways to say or hear an example, made without any model: without the words that open and
//! close a sentence, and as a recogniser might mishear it.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::features::Copies;
use super::lexical::words;
use crate::nlu::spoken::{edit_distance, sound};

/// What callers open with, the longer ones first. It says nothing of what they want.
const OPENINGS: &[&str] = &[
    "i was wondering if you could",
    "i was wondering if",
    "would you be able to",
    "would it be possible to",
    "i would like to",
    "could you please",
    "can you please",
    "i'd like to",
    "good morning",
    "good afternoon",
    "good evening",
    "could you",
    "would you",
    "can you",
    "i want to",
    "i need to",
    "excuse me",
    "could i",
    "can i",
    "hello",
    "please",
    "yeah",
    "okay",
    "well",
    "hey",
    "um",
    "uh",
    "ok",
    "hi",
    "so",
];

/// What they close with.
const CLOSINGS: &[&str] = &[
    "thank you very much",
    "if you can",
    "if possible",
    "thank you",
    "please",
    "thanks",
    "for me",
];

/// A sentence keeps at least so many words.
const WORDS_MIN: usize = 2;

/// Misheard copies of each example.
const MISHEARD_COPIES: u64 = 2;

/// Share of an example's words that are misheard in a copy: about what is heard on a telephone.
const MISHEARD_SHARE: f64 = 0.12;

/// How errors of recognisers divide: of ten, about six are other words, two and a half are words
/// left out, and the rest words put in.
const SUBSTITUTED: f64 = 0.6;
const LEFT_OUT: f64 = 0.25;

/// Short words, which are put in where nothing was said and stand for what is like no other word.
const SHORT_WORDS: &[&str] = &["a", "and", "the", "to", "i", "it", "is", "in", "of", "that", "you"];

impl Copies {
    /// The copies of each text that are learned from beside it. The same seed gives the same.
    pub fn texts(self, texts: &[&str], seed: u64) -> Vec<Vec<String>> {
        match self {
            Self::Nothing | Self::Mixed => vec![Vec::new(); texts.len()],
            Self::Stripped | Self::StrippedAndMixed => {
                texts.iter().map(|text| stripped(text).into_iter().collect()).collect()
            }
            Self::Misheard => {
                let mishearing = Mishearing::of(texts.iter().copied());
                let copies = |text: &&str| {
                    let heard = (0..MISHEARD_COPIES).map(|copy| {
                        let seed = seed.wrapping_mul(MISHEARD_COPIES).wrapping_add(copy);
                        mishearing.hear(text, MISHEARD_SHARE, seed)
                    });
                    heard
                        .filter(|heard| heard != *text && !heard.is_empty())
                        .collect::<Vec<String>>()
                };
                texts.iter().map(copies).collect()
            }
        }
    }
}

/// A sentence without what opens and closes it, if anything does and enough is left.
fn stripped(text: &str) -> Option<String> {
    let all = words(text);
    let mut kept = &all[..];
    loop {
        let open = OPENINGS.iter().find_map(|opening| length_if(kept, opening, Side::Front));
        let close = CLOSINGS.iter().find_map(|closing| length_if(kept, closing, Side::Back));
        let (open, close) = (open.unwrap_or(0), close.unwrap_or(0));
        // Taken one after the other: in a short sentence they might overlap.
        if open > 0 && kept.len() - open >= WORDS_MIN {
            kept = &kept[open..];
        } else if close > 0 && kept.len() - close >= WORDS_MIN {
            kept = &kept[..kept.len() - close];
        } else {
            break;
        }
    }
    let rest = kept.join(" ");
    (kept.len() < all.len() && !OPENINGS.contains(&rest.as_str())).then_some(rest)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Front,
    Back,
}

/// How many words a phrase has, if the sentence has it on this side.
fn length_if(sentence: &[String], phrase: &str, side: Side) -> Option<usize> {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    let start = match side {
        Side::Front => 0,
        Side::Back => sentence.len().checked_sub(phrase.len())?,
    };
    let there = sentence.get(start..start + phrase.len())?;
    there.iter().zip(&phrase).all(|(a, b)| a == b).then_some(phrase.len())
}

/// Simulates a recogniser's errors: words become others that sound alike, are left out, or are put
/// in. For evaluation, and for copies of examples.
pub struct Mishearing {
    /// Each word with how it sounds.
    words: Vec<(String, String)>,
    /// The numbers of the words that sound so.
    by_sound: BTreeMap<String, Vec<usize>>,
}

impl Mishearing {
    /// Knows the words of these texts; what is misheard becomes one of them.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut all: Vec<String> = texts.flat_map(words).collect();
        all.sort_unstable();
        all.dedup();
        let keys: Vec<String> = all.iter().map(|word| sound(word)).collect();
        let words: Vec<(String, String)> = all.into_iter().zip(keys).collect();
        let mut by_sound: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, (_, key)) in words.iter().enumerate() {
            by_sound.entry(key.clone()).or_default().push(index);
        }
        Self { words, by_sound }
    }

    /// A text as it might be heard, with about this share of its words wrong. Text and seed decide.
    pub fn hear(&self, text: &str, share: f64, seed: u64) -> String {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(text).finalize();
        let mut random = StdRng::from_seed(digest.into());
        let mut heard: Vec<String> = Vec::new();
        for word in words(text) {
            if !random.random_bool(share.clamp(0.0, 1.0)) {
                heard.push(word);
                continue;
            }
            let kind: f64 = random.random();
            if kind < SUBSTITUTED {
                heard.push(self.confused(&word, &mut random));
            } else if kind >= SUBSTITUTED + LEFT_OUT {
                heard.push(word);
                heard.push(short_word(&mut random));
            }
        }
        heard.join(" ")
    }

    /// Another word that sounds the same, or else is spelled nearly the same, or else a short one.
    fn confused(&self, word: &str, random: &mut StdRng) -> String {
        let key = sound(word);
        let other = |index: &usize| self.words[*index].0 != word;
        let same_sound = self.by_sound.get(&key).into_iter().flatten().copied().filter(other);
        let mut candidates: Vec<usize> = same_sound.collect();
        if candidates.is_empty() {
            candidates = (0..self.words.len())
                .filter(|index| other(index) && is_near(word, &key, &self.words[*index]))
                .collect();
        }
        match candidates.len() {
            0 => short_word(random),
            count => self.words[candidates[random.random_range(0..count)]].0.clone(),
        }
    }
}

/// Whether a word begins like another and is spelled nearly like it.
fn is_near(word: &str, key: &str, (other, other_key): &(String, String)) -> bool {
    let (length, other_length) = (word.chars().count(), other.chars().count());
    let allowed = if length >= 5 { 2 } else { 1 };
    length.abs_diff(other_length) <= allowed
        && key.chars().next() == other_key.chars().next()
        && edit_distance(word, other) <= allowed
}

fn short_word(random: &mut StdRng) -> String {
    SHORT_WORDS[random.random_range(0..SHORT_WORDS.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::wer::word_errors;

    #[test]
    fn what_opens_and_closes_a_sentence_is_taken_off() {
        for (text, expected) in [
            ("Hi, can you block my card please?", Some("block my card")),
            ("I'd like to check my balance, thank you", Some("check my balance")),
            ("could you please please help me", Some("help me")),
            ("block my card", None),
            ("please help", None),
            ("hello", None),
            ("can you please", None),
            ("", None),
        ] {
            assert_eq!(stripped(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn about_the_wanted_share_is_misheard_and_the_seed_repeats_it() {
        let texts: Vec<String> = (0..200)
            .map(|i| format!("please check the balance of my savings account number {i}"))
            .collect();
        let known = ["cheque", "ballots", "serving", "a count", "count", "pleas"];
        let mishearing = Mishearing::of(texts.iter().map(String::as_str).chain(known));
        let (mut errors, mut said) = (0, 0);
        for text in &texts {
            let heard = mishearing.hear(text, 0.1, 7);
            assert_eq!(heard, mishearing.hear(text, 0.1, 7));
            let counted = word_errors(text, &heard);
            errors += counted.substitutions + counted.insertions + counted.deletions;
            said += counted.reference_words;
        }
        let rate = f64::from(errors as u32) / f64::from(said as u32);
        assert!((0.06..0.14).contains(&rate), "{rate}");
        assert_eq!(mishearing.hear("Check it.", 0.0, 1), "check it");
    }

    #[test]
    fn words_become_what_they_sound_like() {
        let mishearing = Mishearing::of(["check cheque balance ballance boat"].into_iter());
        let mut random = StdRng::seed_from_u64(1);
        assert_eq!(mishearing.confused("check", &mut random), "cheque");
        assert_eq!(mishearing.confused("balance", &mut random), "ballance");
        let nothing_like = mishearing.confused("mortgage", &mut random);
        assert!(SHORT_WORDS.contains(&nothing_like.as_str()), "{nothing_like}");
    }

    #[test]
    fn each_text_has_its_own_copies() {
        let texts = ["hi block my card", "block my card"];
        let copies = Copies::Stripped.texts(&texts, 1);
        assert_eq!(copies, [vec!["block my card".to_owned()], vec![]]);
        assert_eq!(Copies::Nothing.texts(&texts, 1), [Vec::<String>::new(), vec![]]);
        let long = ["what is the balance of my account and of my savings and of my loan"; 2];
        let heard = Copies::Misheard.texts(&long, 1);
        assert_eq!(heard.len(), 2);
        assert!(heard[0].iter().all(|copy| copy != long[0]));
    }
}
