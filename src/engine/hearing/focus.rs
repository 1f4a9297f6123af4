//! Listening for one kind of value: what a second look at an utterance may write.
//!
//! Whisper writes what sounds plausible, and a number or a spelling said on the telephone seldom
//! does: "1,9, 108" for a ZIP code, "PHAY ER." for T H A Y E R. Asked again what it heard, and
//! allowed to write nothing but digits or letters, the same encoder output gives the value.

use crate::nlu::spoken::{is_date_word, is_number_word};

/// What kind of value is listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// Digits.
    Digits {
        /// Shorter readings are only tried as a part of what is to come.
        min: usize,
        /// Longer readings are not tried.
        max: usize,
    },
    /// A name, spelled.
    Letters,
    /// A calendar date.
    Date,
}

/// What an utterance is looked at again for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListenFor {
    /// Nothing: the words are all.
    #[default]
    Words,
    /// A value.
    Value(Focus),
    /// One of these short answers, in small letters. Each costs some 10 ms.
    Phrases(Vec<String>),
}

/// Letters of the shortest name: Li, Wu.
const LETTERS_MIN: usize = 2;
/// Letters of the longest name that is tried.
const LETTERS_MAX: usize = 18;
/// Words of the longest date: "the twenty seventh of september nineteen hundred and sixty eight".
const DATE_WORDS_MAX: usize = 11;

/// One way to write a value down. Each has its own slips, so that two ways outvote either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// `1 5 2 1 3`
    Digits,
    /// `one five two one three`
    DigitWords,
    /// `S M I T H`
    Letters,
    /// `S-M-I-T-H`
    Hyphens,
    /// `march third nineteen seventy`
    DateWords,
}

const DIGIT_WORDS: [&str; 13] = [
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double",
    "triple",
];

const DATE_WORDS: [&str; 44] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "thirtieth",
    "today",
    "tomorrow",
    "yesterday",
    "oh",
    "zero",
    "hundred",
    "thousand",
    "of",
    "the",
    "and",
    "next",
];

const NUMBER_WORDS: [&str; 27] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
];

/// A token that may be written, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub id: i32,
    pub text: String,
}

impl Focus {
    /// The ways in which such a value is looked for.
    pub(super) const fn grammars(self) -> &'static [Grammar] {
        match self {
            Self::Digits { .. } => &[Grammar::Digits, Grammar::DigitWords],
            Self::Letters => &[Grammar::Letters, Grammar::Hyphens],
            Self::Date => &[Grammar::DateWords],
        }
    }

    /// Whether these words are a sentence about something else: no use in looking for a value.
    pub(super) fn is_missed_by(self, words: &str) -> bool {
        const WORDS_MIN: usize = 5;
        let is_mark = |c: char| !c.is_alphanumeric() && c != '\'';
        let words = || words.split(is_mark).filter(|word| !word.is_empty());
        let fitting = words().filter(|word| {
            let has_digit = word.bytes().any(|b| b.is_ascii_digit());
            match self {
                Self::Digits { .. } => has_digit || is_number_word(word),
                Self::Letters => word.len() == 1 || word.chars().all(char::is_uppercase),
                Self::Date => {
                    let word = word.to_lowercase();
                    has_digit || is_date_word(&word) || DATE_WORDS.contains(&word.as_str())
                }
            }
        });
        let count = words().count();
        count >= WORDS_MIN && fitting.count() * 3 < count
    }

    /// Fewest digits, letters or words of a whole value.
    pub(super) const fn units_min(self) -> usize {
        match self {
            Self::Digits { min, .. } => min,
            Self::Letters => LETTERS_MIN,
            Self::Date => 1,
        }
    }

    /// Most digits, letters or words.
    pub(super) const fn units_max(self) -> usize {
        match self {
            Self::Digits { max, .. } => max,
            Self::Letters => LETTERS_MAX,
            Self::Date => DATE_WORDS_MAX,
        }
    }
}

impl Grammar {
    /// Every grammar.
    pub const ALL: [Self; 5] =
        [Self::Digits, Self::DigitWords, Self::Letters, Self::Hyphens, Self::DateWords];

    /// The tokens of a vocabulary that this grammar can ever write.
    pub fn pieces(self, vocabulary: &[Vec<u8>]) -> Vec<Piece> {
        let texts = vocabulary.iter().enumerate().filter_map(|(id, bytes)| {
            let text = std::str::from_utf8(bytes).ok()?;
            Some(Piece { id: i32::try_from(id).ok()?, text: text.to_owned() })
        });
        texts.filter(|piece| self.knows(&piece.text)).collect()
    }

    fn knows(self, text: &str) -> bool {
        let core = text.strip_prefix(' ').unwrap_or(text);
        let is_spaced = core.len() < text.len();
        let is_single = |of: fn(&u8) -> bool| core.len() == 1 && core.as_bytes().iter().all(of);
        match self {
            Self::Digits => is_spaced && is_single(u8::is_ascii_digit),
            Self::Letters => is_spaced && is_single(u8::is_ascii_uppercase),
            Self::Hyphens => is_single(u8::is_ascii_uppercase) || text == "-",
            Self::DigitWords | Self::DateWords => {
                let is_word = !core.is_empty() && core.bytes().all(|b| b.is_ascii_alphabetic());
                let core = core.to_ascii_lowercase();
                is_word && self.words().any(|word| word.contains(&core))
            }
        }
    }

    fn words(self) -> Box<dyn Iterator<Item = &'static str>> {
        match self {
            Self::DateWords => Box::new(DATE_WORDS.into_iter().chain(NUMBER_WORDS)),
            _ => Box::new(DIGIT_WORDS.into_iter()),
        }
    }

    /// Whether `next` may be written behind `so_far`.
    pub fn accepts(self, so_far: &str, next: &str) -> bool {
        match self {
            Self::Digits | Self::Letters => true,
            Self::Hyphens if so_far.is_empty() => next.starts_with(' '),
            Self::Hyphens if so_far.ends_with('-') => next.len() == 1 && next != "-",
            Self::Hyphens => next == "-",
            Self::DigitWords | Self::DateWords => {
                let text = format!("{so_far}{next}").to_ascii_lowercase();
                let mut written: Vec<&str> = text.split_whitespace().collect();
                let begun = written.pop().unwrap_or_default();
                // What stands before a space is whole; only the last word may be half written.
                (!next.starts_with(' ') || written.last().is_none_or(|word| self.has(word)))
                    && self.words().any(|word| word.starts_with(begun))
                    && (next.starts_with(' ') || !so_far.is_empty())
            }
        }
    }

    /// Whether a value may end here.
    pub fn may_end(self, text: &str) -> bool {
        match self {
            Self::Digits | Self::Letters => !text.is_empty(),
            Self::Hyphens => text.ends_with(|c: char| c.is_ascii_uppercase()),
            Self::DigitWords | Self::DateWords => {
                let last = text.split_whitespace().next_back().map(str::to_ascii_lowercase);
                last.is_some_and(|last| {
                    self.has(&last) && !matches!(last.as_str(), "double" | "triple" | "the" | "of")
                })
            }
        }
    }

    fn has(self, word: &str) -> bool {
        self.words().any(|known| known == word)
    }

    /// Digits, letters or words written so far.
    pub fn units(self, text: &str) -> usize {
        match self {
            Self::Digits | Self::DigitWords => self.value(text).len(),
            Self::Letters | Self::Hyphens => {
                text.chars().filter(|c| c.is_ascii_alphabetic()).count()
            }
            Self::DateWords => text.split_whitespace().count(),
        }
    }

    /// What was written, the same for all grammars of a focus: `15213`, `SMITH`, the words.
    pub fn value(self, text: &str) -> String {
        match self {
            Self::Digits => text.chars().filter(char::is_ascii_digit).collect(),
            Self::DigitWords => digits_of_words(text),
            Self::Letters | Self::Hyphens => {
                text.chars().filter(char::is_ascii_alphabetic).collect()
            }
            Self::DateWords => text.trim().to_ascii_lowercase(),
        }
    }

    /// A value as the parsers of spoken values like it: digits and letters one by one.
    pub fn written(self, value: &str) -> String {
        match self {
            Self::DateWords => value.to_owned(),
            _ => value.chars().map(String::from).collect::<Vec<_>>().join(" "),
        }
    }
}

fn digits_of_words(text: &str) -> String {
    let mut digits = String::new();
    let mut times = 1;
    for word in text.split_whitespace() {
        let digit = match word.to_ascii_lowercase().as_str() {
            "zero" | "oh" => "0",
            "one" => "1",
            "two" => "2",
            "three" => "3",
            "four" => "4",
            "five" => "5",
            "six" => "6",
            "seven" => "7",
            "eight" => "8",
            "nine" => "9",
            "double" => {
                times = 2;
                continue;
            }
            "triple" => {
                times = 3;
                continue;
            }
            // A word that is only half written.
            _ => continue,
        };
        digits.push_str(&digit.repeat(times));
        times = 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(grammar: Grammar, tokens: &[&str]) -> bool {
        let mut text = String::new();
        tokens.iter().all(|token| {
            let is_taken = grammar.knows(token) && grammar.accepts(&text, token);
            text.push_str(token);
            is_taken
        }) && grammar.may_end(&text)
    }

    #[test]
    fn each_grammar_writes_its_values_and_nothing_else() {
        for (grammar, tokens, is_written) in [
            (Grammar::Digits, &[" 1", " 5"][..], true),
            (Grammar::Digits, &[" 15"], false),
            (Grammar::Digits, &[], false),
            (Grammar::DigitWords, &[" one", " double", " five"], true),
            (Grammar::DigitWords, &[" one", " double"], false),
            (Grammar::DigitWords, &[" z", "ero"], true),
            (Grammar::DigitWords, &[" z", " one"], false),
            (Grammar::Letters, &[" S", " M"], true),
            (Grammar::Letters, &[" S", "M"], false),
            (Grammar::Hyphens, &[" S", "-", "M"], true),
            (Grammar::Hyphens, &[" S", "M"], false),
            (Grammar::Hyphens, &[" S", "-"], false),
            (Grammar::Hyphens, &["-", "S"], false),
            (Grammar::DateWords, &[" March", " twent", "ieth", " nineteen", " seventy"], true),
            (Grammar::DateWords, &[" March", " twent"], false),
            (Grammar::DateWords, &[" March", " card"], false),
            (Grammar::DateWords, &["March"], false),
            (Grammar::DateWords, &[" the"], false),
        ] {
            assert_eq!(writes(grammar, tokens), is_written, "{grammar:?} {tokens:?}");
        }
    }

    #[test]
    fn sentences_are_told_from_values() {
        let digits = Focus::Digits { min: 8, max: 8 };
        for (focus, words, is_missed) in [
            (digits, "Okay, strange things from Netflix", true),
            (digits, "it's one two three four", false),
            (digits, "Any other one.", false),
            (Focus::Letters, "I don't know how to spell it", true),
            (Focus::Letters, "it's S M I T H", false),
            (Focus::Date, "can you tell me what you have", true),
            (Focus::Date, "the third of next month please", false),
        ] {
            assert_eq!(focus.is_missed_by(words), is_missed, "{words}");
        }
    }

    #[test]
    fn a_value_is_the_same_however_it_is_written() {
        for (grammar, text, value, units) in [
            (Grammar::Digits, " 1 5 2", "152", 3),
            (Grammar::DigitWords, " One double five oh", "1550", 4),
            (Grammar::Letters, " S M", "SM", 2),
            (Grammar::Hyphens, " S-M", "SM", 2),
            (Grammar::DateWords, " March Third", "march third", 2),
        ] {
            assert_eq!(grammar.value(text), value);
            assert_eq!(grammar.units(text), units, "{text}");
        }
        assert_eq!(Grammar::Hyphens.written("SM"), "S M");
        assert_eq!(Grammar::DateWords.written("march third"), "march third");
    }
}
