//! Which letters follow which in names, so that "D O W L I N G" is preferred to "E O W L I N G".
//!
//! Letters by ear are hopeless on their own: B, D, E, P and T differ in a few milliseconds that a
//! telephone does not carry. People hear them by what a name can be, and so does this: chances of a
//! letter after up to three others, blended from long contexts to short ones (Witten & Bell 1991),
//! from the commonest names of the 1990 census of the United States (`models/names/`). It is a
//! preference: names that are on no list are written all the same.

use std::collections::HashMap;

const SURNAMES: &str = include_str!("../../../models/names/surnames.txt");
const FIRST_NAMES: &str = include_str!("../../../models/names/first_names.txt");

/// Letters looked at before the next.
const CONTEXT_LEN: usize = 3;
/// Letters, and the end of a name.
const SYMBOLS: f32 = 27.0;
/// Stands for the places before a name.
const START: u8 = b'^';
/// Stands for the end of a name.
const END: u8 = b'$';

/// What followed a context.
#[derive(Debug, Default)]
struct Seen {
    total: f32,
    after: HashMap<u8, f32>,
}

/// Chances of letters in names.
#[derive(Debug)]
pub(super) struct LetterModel {
    seen: HashMap<Vec<u8>, Seen>,
}

impl LetterModel {
    /// Learns from the names that come with the program: 24,000, in some 50 ms.
    pub fn of_names() -> Self {
        let mut model = Self { seen: HashMap::new() };
        for line in SURNAMES.lines().chain(FIRST_NAMES.lines()) {
            let Some((name, share)) = line.split_once(' ') else { continue };
            // Root: Smith is 200 times as common as Rosado, but not 200 times as likely to call us.
            model.learn(name, share.parse().unwrap_or(0.001_f32).max(0.001).sqrt());
        }
        model
    }

    fn learn(&mut self, name: &str, weight: f32) {
        let mut symbols = vec![START; CONTEXT_LEN];
        symbols.extend(name.bytes().map(|b| b.to_ascii_lowercase()));
        symbols.push(END);
        for at in CONTEXT_LEN..symbols.len() {
            for len in 0..=CONTEXT_LEN {
                let seen = self.seen.entry(symbols[at - len..at].to_vec()).or_default();
                seen.total += weight;
                *seen.after.entry(symbols[at]).or_default() += weight;
            }
        }
    }

    /// The logarithm of the chance that `letter` follows these letters of a name.
    pub fn next(&self, name: &str, letter: char) -> f32 {
        self.log_chance(name, letter.to_ascii_lowercase() as u8)
    }

    /// The logarithm of the chance that a name ends here.
    pub fn end(&self, name: &str) -> f32 {
        self.log_chance(name, END)
    }

    fn log_chance(&self, name: &str, symbol: u8) -> f32 {
        let mut context = vec![START; CONTEXT_LEN];
        context.extend(name.bytes().map(|b| b.to_ascii_lowercase()));
        let context = &context[context.len() - CONTEXT_LEN..];
        let mut chance = 1.0 / SYMBOLS;
        for len in 0..=CONTEXT_LEN {
            let Some(seen) = self.seen.get(&context[CONTEXT_LEN - len..]) else { break };
            let unseen = 0.5 * seen.after.len() as f32 + 0.1;
            let trust = seen.total / (seen.total + unseen);
            let here = seen.after.get(&symbol).copied().unwrap_or(0.0) / seen.total;
            chance = trust * here + (1.0 - trust) * chance;
        }
        chance.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_likelier_than_what_sounds_like_them() {
        let model = LetterModel::of_names();
        let whole = |name: &str| {
            let letters: f32 = name.char_indices().map(|(i, c)| model.next(&name[..i], c)).sum();
            letters + model.end(name)
        };
        for (name, other) in [
            ("dowling", "eowling"),
            ("thayer", "phayer"),
            ("smith", "fmith"),
            ("tracy", "trecy"),
            ("david", "tavit"),
        ] {
            assert!(whole(name) > whole(other), "{name} {other}");
        }
        // Nothing is impossible.
        assert!(whole("qxzjv").is_finite());
    }

    #[test]
    fn the_chances_after_a_context_add_up() {
        let model = LetterModel::of_names();
        for context in ["", "sm", "smit", "zzzz"] {
            let letters: f32 = ('a'..='z').map(|c| model.next(context, c).exp()).sum();
            let sum = letters + model.end(context).exp();
            assert!((sum - 1.0).abs() < 1e-3, "{context}: {sum}");
        }
    }
}
