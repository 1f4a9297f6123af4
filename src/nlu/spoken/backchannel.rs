//! What a listener says to show that they are listening: "mm-hm", "okay", "right".

use super::token::tokens;

/// Words that, said alone, mean "go on".
const LISTENING: &[&str] = &[
    "mm", "mhm", "mmhm", "mm-hm", "hmm", "hm", "uh-huh", "uhhuh", "uh", "huh", "um", "ah", "oh",
    "okay", "ok", "k", "right", "yeah", "yep", "yes", "sure", "alright", "i", "see", "got", "it",
    "cool", "good", "fine", "great",
];

/// Longest utterance that can be a backchannel.
const WORDS_MAX: usize = 3;

/// Whether an utterance only shows that the caller listens. An empty one does.
pub fn is_backchannel(text: &str) -> bool {
    let words = tokens(text);
    words.len() <= WORDS_MAX && words.iter().all(|word| word.is_any(LISTENING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_noises_are_told_from_words_that_matter() {
        for text in ["", "Mm-hm.", "Uh-huh.", "Okay.", "Right.", "Yeah, okay.", "I see."] {
            assert!(is_backchannel(text), "{text:?}");
        }
        for text in ["No.", "Wait.", "Agent.", "Savings.", "Okay, stop that now please", "Five."] {
            assert!(!is_backchannel(text), "{text:?}");
        }
    }
}
