//! Takes out of a transcript what nobody said: sound labels, and the sentences whisper writes for
//! silence.

use std::ops::Range;

/// What whisper writes most often when nobody speaks (it learned on subtitles), folded.
const SILENCE_SENTENCES: [&str; 14] = [
    "thank you",
    "thank you very much",
    "thank you so much",
    "thanks",
    "thanks for watching",
    "thank you for watching",
    "please subscribe",
    "bye",
    "bye bye",
    "you",
    "so",
    "okay",
    "the",
    "i'm sorry",
];

/// The byte ranges of labels such as `[BLANK_AUDIO]`, `(coughs)`, `*music*` and of music notes.
fn labels(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match (open, c) {
            (Some((from, close)), _) if c == close => {
                found.push(from..end);
                open = None;
            }
            (None, '[') => open = Some((at, ']')),
            (None, '(') => open = Some((at, ')')),
            (None, '*') => open = Some((at, '*')),
            (None, '♪' | '♫') => found.push(at..end),
            _ => {}
        }
    }
    // A label that the decoder never closed is one all the same, unless it is a lone star.
    if let Some((from, close)) = open {
        found.push(if close == '*' { from..from + 1 } else { from..text.len() });
    }
    found
}

/// The text without labels, with single spaces.
pub fn without_labels(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut from = 0;
    for label in labels(text) {
        plain.push_str(&text[from..label.start]);
        plain.push(' ');
        from = label.end;
    }
    plain.push_str(&text[from..]);
    // Subtitles mark a change of speaker like this.
    let words: Vec<&str> =
        plain.split_whitespace().filter(|word| !matches!(*word, ">>" | "-" | "--")).collect();
    // Punctuation alone ("...", "-") is how whisper spells a pause.
    if words.iter().any(|word| word.contains(char::is_alphanumeric)) {
        words.join(" ")
    } else {
        String::new()
    }
}

/// Whether this is one of the sentences that whisper makes up on silence and noise. Callers say
/// some of them too, so it only counts together with the level of the audio.
pub fn is_silence_sentence(text: &str) -> bool {
    let folded: String = text
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '\'' || c.is_whitespace() || *c == '-')
        .map(|c| if c == '-' { ' ' } else { c })
        .flat_map(char::to_lowercase)
        .collect();
    let folded = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    SILENCE_SENTENCES.contains(&folded.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_go_and_words_stay() {
        for (raw, plain) in [
            ("[BLANK_AUDIO]", ""),
            (" (coughs) I lost my card", "I lost my card"),
            ("I lost [inaudible] my card.", "I lost my card."),
            ("*sighs* yes", "yes"),
            ("♪ la la ♪", "la la"),
            ("yes [unclosed", "yes"),
            ("five * four", "five four"),
            (" ... ", ""),
            (">> Or - so", "Or so"),
            ("  two   thirty  ", "two thirty"),
        ] {
            assert_eq!(without_labels(raw), plain, "{raw:?}");
        }
    }

    #[test]
    fn sentences_for_silence_are_known_however_written() {
        assert!(is_silence_sentence("Thank you."));
        assert!(is_silence_sentence(" Bye-bye!"));
        assert!(!is_silence_sentence("Thank you for the card"));
        assert!(!is_silence_sentence(""));
    }
}
