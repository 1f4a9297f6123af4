//! Several requests in one breath: "check my balance and then move fifty to savings".
//!
//! Only says where a sentence may be cut; whether the pieces are requests is for the classifier.

use super::token::{Token, tokens};

/// More pieces than that are no list of requests.
const CLAUSES_MAX: usize = 3;

/// A request has at least so many words; "lost and stolen" are none.
const WORDS_MIN: usize = 2;

/// Words that may begin the next request, the longer ones first.
const JOINTS: &[&[&str]] = &[
    &["and", "after", "that"],
    &["and", "then"],
    &["and", "also"],
    &["and", "i", "also"],
    &["and", "can", "you"],
    &["and", "could", "you"],
    &["and", "please"],
    &["and", "i'd", "like", "to"],
    &["and", "i", "want", "to"],
    &["and", "i", "need", "to"],
    &["after", "that"],
    &["and"],
    &["then"],
    &["also"],
    &["plus"],
];

/// The pieces of a sentence that may each be a request, in order; one piece if it cannot be cut.
pub fn clauses(text: &str) -> Vec<&str> {
    let tokens = tokens(text);
    let mut cuts = Vec::new();
    let mut at = 1;
    while at < tokens.len() {
        let joint = JOINTS.iter().find(|joint| stands_at(&tokens, at, joint));
        match joint {
            Some(joint) if at + joint.len() < tokens.len() => {
                cuts.push((tokens[at].span.start, tokens[at + joint.len()].span.start));
                at += joint.len();
            }
            _ if ends_a_sentence(&tokens[at]) => {
                cuts.push((tokens[at].span.start, tokens[at].span.start));
                at += 1;
            }
            _ => at += 1,
        }
    }
    let mut pieces = Vec::new();
    let mut start = 0;
    for (end, next) in cuts {
        pieces.push(text[start..end].trim());
        start = next;
    }
    pieces.push(text[start..].trim());
    let all_long = pieces.iter().all(|piece| piece.split_whitespace().count() >= WORDS_MIN);
    if pieces.len() > CLAUSES_MAX || !all_long {
        return vec![text.trim()];
    }
    pieces
}

fn stands_at(tokens: &[Token<'_>], at: usize, joint: &[&str]) -> bool {
    joint.iter().enumerate().all(|(i, word)| tokens.get(at + i).is_some_and(|t| t.is(word)))
}

fn ends_a_sentence(token: &Token<'_>) -> bool {
    token.gap.contains(['.', ';', '?', '!'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_cut_where_callers_join_them() {
        for (text, expected) in [
            (
                "check my balance and then move fifty dollars to savings",
                &["check my balance", "move fifty dollars to savings"][..],
            ),
            ("I lost my card. When are you open?", &["I lost my card.", "When are you open?"]),
            (
                "what's my balance, and can you block my card",
                &["what's my balance,", "block my card"],
            ),
            ("my card was lost and stolen", &["my card was lost and stolen"]),
            ("checking and savings", &["checking and savings"]),
            ("what's my balance", &["what's my balance"]),
            ("and then", &["and then"]),
            ("", &[""]),
        ] {
            assert_eq!(clauses(text), expected, "{text}");
        }
    }
}
