//! Tells our own words, come back, from a caller's.

use crate::nlu::wer::normalise;

/// Fewer words than this are said by anybody: "yes please", "checking or savings".
const WORDS_MIN: usize = 4;

/// Of the heard words, so many may have been heard wrongly: one in four.
const WRONG_ONE_IN: usize = 4;

/// More words are not compared: nobody repeats so many, and no echo of ours is that long in one piece.
const WORDS_MAX: usize = 200;

/// Whether what was heard is, but for a word here and there, a piece of what we were saying. It takes
/// four words: that fewer are the same is no proof.
pub fn is_echo_of(heard: &str, ours: &str) -> bool {
    let (heard, ours) = (normalise(heard), normalise(ours));
    if !(WORDS_MIN..=WORDS_MAX).contains(&heard.len()) {
        return false;
    }
    wrong_words(&heard, &ours[ours.len().saturating_sub(2 * WORDS_MAX)..]) * WRONG_ONE_IN
        <= heard.len()
}

/// The fewest words to be put right, left out or added that turn what was heard into some piece of what
/// we said.
fn wrong_words(heard: &[String], ours: &[String]) -> usize {
    // One row for each heard word, one column for each place in ours. A piece may begin anywhere, ...
    let mut row = vec![0; ours.len() + 1];
    for word in heard {
        // Another digit is no word heard wrongly: callers put right the numbers that we say.
        let wrong = if word.bytes().all(|byte| byte.is_ascii_digit()) { heard.len() } else { 1 };
        let mut diagonal = row[0];
        row[0] += wrong;
        for (at, said) in ours.iter().enumerate() {
            let replaced = if word == said { diagonal } else { diagonal + wrong };
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + wrong).min(row[at] + 1);
        }
    }
    // ... and end anywhere.
    row.into_iter().min().unwrap_or(heard.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "Thanks, Alex. I have account one two, three four, ending in 4417. Would you like \
                        checking or savings?";

    #[test]
    fn our_own_words_are_known_again_even_if_some_were_heard_wrongly() {
        for heard in [
            "Thanks, Alex. I have account 12, 34, ending in 44 17.",
            "would you like checking or savings",
            "I have a count one two three four ending in 4417",
            "like checking or savings?",
            "ending in 4417. Would you like a checking or savings?",
        ] {
            assert!(is_echo_of(heard, OURS), "{heard}");
        }
    }

    #[test]
    fn a_callers_words_are_not_ours() {
        for heard in [
            "",
            "savings",
            "checking or savings",
            "savings, please, and what's my balance",
            "no, the account is five six seven eight",
            "no, one two three five, ending in 4417",
            "I'd like to speak to somebody please",
            "would you speak up, I can't hear you",
        ] {
            assert!(!is_echo_of(heard, OURS), "{heard}");
        }
        assert!(!is_echo_of("one two three four", ""));
    }
}
