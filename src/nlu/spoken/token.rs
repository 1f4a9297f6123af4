//! Splits a transcript into lower-case words, runs of figures and currency signs, each with its
//! place in the text.

use std::ops::Range;

/// More words than anybody says in one breath; what follows is not looked at, so that a runaway
/// transcript costs no more than a long one.
const TOKENS_MAX: usize = 256;

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Letters, with apostrophes inside.
    Word,
    /// ASCII digits.
    Figures,
    /// One of `$ £ € %`.
    Sign,
}

/// A piece of the transcript. Not `Debug`: it holds what a caller said.
#[derive(Clone)]
pub(super) struct Token<'a> {
    /// Lower case, typographic apostrophes made plain.
    pub word: String,
    /// Bytes in the text.
    pub span: Range<usize>,
    /// What stands between the token before and this one.
    pub gap: &'a str,
    /// What it is made of.
    pub kind: TokenKind,
}

impl Token<'_> {
    /// Whether it is this word.
    pub fn is(&self, word: &str) -> bool {
        self.word == word
    }

    /// Whether it is one of these words.
    pub fn is_any(&self, words: &[&str]) -> bool {
        words.contains(&self.word.as_str())
    }

    /// Whether it is a run of figures.
    pub fn is_figures(&self) -> bool {
        self.kind == TokenKind::Figures
    }

    /// Whether the speaker (or the recogniser) set it apart from the token before.
    pub fn is_set_apart(&self) -> bool {
        self.gap.contains([',', '.', ';', '?', '!'])
    }
}

/// Splits a text. Anything that is no letter, digit or currency sign only separates.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    let mut end_before = 0;
    while let Some(first) = text[at..].chars().next() {
        let Some(kind) = kind_of(first) else {
            at += first.len_utf8();
            continue;
        };
        let end = at + token_len(&text[at..], kind);
        let word = text[at..end]
            .chars()
            .flat_map(|c| if is_apostrophe(c) { '\''.to_lowercase() } else { c.to_lowercase() })
            .collect();
        found.push(Token { word, span: at..end, gap: &text[end_before..at], kind });
        if found.len() == TOKENS_MAX {
            break;
        }
        at = end;
        end_before = end;
    }
    found
}

fn kind_of(c: char) -> Option<TokenKind> {
    match c {
        c if c.is_ascii_digit() => Some(TokenKind::Figures),
        c if c.is_alphabetic() => Some(TokenKind::Word),
        '$' | '£' | '€' | '%' => Some(TokenKind::Sign),
        _ => None,
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '`')
}

/// Bytes of the token that starts the text.
fn token_len(text: &str, kind: TokenKind) -> usize {
    match kind {
        TokenKind::Sign => text.chars().next().map_or(0, char::len_utf8),
        TokenKind::Figures => text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()),
        TokenKind::Word => {
            let mut chars = text.char_indices().peekable();
            let mut len = 0;
            while let Some((at, c)) = chars.next() {
                // An apostrophe belongs to the word only with a letter after it.
                let next_is_letter = chars.peek().is_some_and(|(_, next)| next.is_alphabetic());
                if c.is_alphabetic() || (is_apostrophe(c) && next_is_letter) {
                    len = at + c.len_utf8();
                } else {
                    break;
                }
            }
            len
        }
    }
}

/// Words without a meaning of their own, wherever they stand.
pub(super) fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "um" | "uh" | "er" | "erm" | "ah" | "eh" | "hmm" | "hm" | "mm" | "mmm" | "uhm" | "well"
    )
}

/// If the caller takes back what came before at `at` ("no", "sorry", "I mean"): the place after.
pub(super) fn correction(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    const PHRASES: &[&[&str]] = &[
        &["i", "mean"],
        &["i", "meant"],
        &["make", "that"],
        &["make", "it"],
        &["scratch", "that"],
        &["change", "that", "to"],
        &["change", "it", "to"],
        &["let", "me", "start", "over"],
        &["let", "me", "start", "again"],
        &["no"],
        &["nope"],
        &["sorry"],
        &["oops"],
        &["actually"],
        &["wait"],
        &["rather"],
        &["correction"],
    ];
    PHRASES.iter().find(|phrase| starts_with(tokens, at, phrase)).map(|phrase| at + phrase.len())
}

/// Whether these words stand at `at`.
pub(super) fn starts_with(tokens: &[Token<'_>], at: usize, words: &[&str]) -> bool {
    tokens.len() >= at + words.len()
        && tokens[at..].iter().zip(words).all(|(token, word)| token.is(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn splits_words_figures_and_signs() {
        let table: &[(&str, &[&str])] = &[
            ("Hello, World!", &["hello", "world"]),
            ("it\u{2019}s $1,234.50", &["it's", "$", "1", "234", "50"]),
            ("the 3rd of 'May'", &["the", "3", "rd", "of", "may"]),
            ("1-2-3", &["1", "2", "3"]),
            ("rock 'n' roll '", &["rock", "n", "roll"]),
            ("", &[]),
            ("…—☎", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(words(text), *expected, "{text}");
        }
    }

    #[test]
    fn spans_and_gaps_rebuild_the_text() {
        let text = "Élan, it's £5.20 now";
        let mut rebuilt = String::new();
        for token in tokens(text) {
            rebuilt.push_str(token.gap);
            rebuilt.push_str(&text[token.span]);
        }
        assert_eq!(rebuilt, text);
    }

    #[test]
    fn stops_at_the_cap() {
        assert_eq!(tokens(&"one ".repeat(5000)).len(), TOKENS_MAX);
    }
}
