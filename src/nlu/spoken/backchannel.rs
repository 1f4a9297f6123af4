//! What is said without meaning anything: "mm-hm", "okay", "right" to show that one is listening, and
//! "hello".

use super::token::tokens;

/// Words that, said alone, mean "go on".
const LISTENING: &[&str] = &[
    "mm", "mhm", "mmhm", "mm-hm", "hmm", "hm", "uh-huh", "uhhuh", "uh", "huh", "um", "ah", "oh",
    "okay", "ok", "k", "right", "yeah", "yep", "yes", "sure", "alright", "i", "see", "got", "it",
    "cool", "good", "fine", "great",
];

/// Longest utterance that can be a backchannel.
const WORDS_MAX: usize = 3;

/// Words of a greeting, and of them those that make it one.
const GREETING: &[&str] = &[
    "hello",
    "hi",
    "hiya",
    "hey",
    "howdy",
    "greetings",
    "good",
    "morning",
    "afternoon",
    "evening",
    "day",
    "there",
    "oh",
    "well",
    "um",
    "uh",
    "yeah",
    "yes",
    "to",
    "you",
];
const HELLO: &[&str] = &["hello", "hi", "hiya", "hey", "howdy", "greetings"];
const TIMES_OF_DAY: &[&str] = &["morning", "afternoon", "evening", "day"];

/// Longest utterance that can be nothing but a greeting.
const GREETING_WORDS_MAX: usize = 6;

/// Whether an utterance is a greeting and nothing else.
pub fn is_greeting(text: &str) -> bool {
    let words = tokens(text);
    let greets = words.iter().any(|word| word.is_any(HELLO))
        || words.windows(2).any(|two| two[0].is("good") && two[1].is_any(TIMES_OF_DAY));
    greets && words.len() <= GREETING_WORDS_MAX && words.iter().all(|word| word.is_any(GREETING))
}

/// Whether an utterance only shows that the caller listens. An empty one does.
pub fn is_backchannel(text: &str) -> bool {
    let words = tokens(text);
    words.len() <= WORDS_MAX && words.iter().all(|word| word.is_any(LISTENING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_told_from_requests() {
        for text in ["Hello.", "hi there", "Good morning!", "yeah hi, good morning", "hello hello"]
        {
            assert!(is_greeting(text), "{text:?}");
        }
        for text in ["", "good", "hello, I lost my card", "yeah", "morning hours", "hi, balance"] {
            assert!(!is_greeting(text), "{text:?}");
        }
    }

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
