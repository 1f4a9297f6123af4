//! Normalised text to clauses, so that the first sound is there before the last word is rendered.
//! Pure.
//!
//! Each sentence is cut on its own and always in the same way, so that a fixed sentence between
//! two variable ones is the same clauses, and comes from the cache.
//!
//! The first clause of a sentence is short. Each one lasts long enough to render the next: a
//! later clause is at most [`GROWTH`] times as long as what was said before it.

use std::fmt;
use std::time::Duration;

use super::numbers::is_number_word;

/// Words in the first clause of a sentence, where the sentence lets itself be cut.
const FIRST_WORDS_MAX: usize = 7;
/// Words in any clause; a longer one is cut between words where nothing better is found.
const WORDS_MAX: usize = 14;
/// How much longer than all before it a clause may be. The voice renders at 5 times real time on
/// an idle core and at about 2 times on a busy one.
const GROWTH: usize = 2;
/// Fewer words than this are not worth a clause of their own, except before a comma at the start
/// ("Sorry, ...").
const WORDS_MIN: usize = 3;
/// Longest clause in bytes. espeak-ng takes its input in pieces of 1000 bytes.
const BYTES_MAX: usize = 400;

/// How a clause ends, and so how long the pause behind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Cut between words: hardly a pause.
    Phrase,
    /// A comma.
    Comma,
    /// A colon or semicolon.
    Colon,
    /// A full stop, or the end of the text.
    Statement,
    /// A question mark.
    Question,
    /// An exclamation mark.
    Exclamation,
}

impl Ending {
    fn of(mark: char) -> Option<Self> {
        Some(match mark {
            ',' => Self::Comma,
            ':' | ';' => Self::Colon,
            '.' => Self::Statement,
            '?' => Self::Question,
            '!' => Self::Exclamation,
            _ => return None,
        })
    }

    /// Whether a sentence ends here.
    fn is_sentence(self) -> bool {
        matches!(self, Self::Statement | Self::Question | Self::Exclamation)
    }

    /// The mark the voice model reads for its tune.
    pub fn mark(self) -> char {
        match self {
            Self::Phrase | Self::Comma => ',',
            Self::Colon => ':',
            Self::Statement => '.',
            Self::Question => '?',
            Self::Exclamation => '!',
        }
    }

    /// Silence behind the clause when another follows.
    pub fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Self::Phrase => 20,
            Self::Comma => 140,
            Self::Colon => 220,
            Self::Statement | Self::Exclamation => 320,
            Self::Question => 350,
        })
    }
}

/// Words said in one breath. Marks inside it are kept: `one two, three four`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Clause {
    /// The words, without the mark at the end.
    pub text: String,
    /// How it ends.
    pub ending: Ending,
}

impl fmt::Debug for Clause {
    /// Without the words: they may be about a caller.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clause({} bytes, {:?})", self.text.len(), self.ending)
    }
}

impl Clause {
    /// The clause with its mark: what identifies it in a cache.
    pub fn key_text(&self) -> String {
        let phrase = if self.ending == Ending::Phrase { "~" } else { "" };
        format!("{}{phrase}{}", self.text, self.ending.mark())
    }

    /// Whether it names a number or spells letters, which may be a caller's data.
    pub fn has_figures(&self) -> bool {
        let plain = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let words: Vec<String> = self.text.split([' ', '-']).map(plain).collect();
        words.iter().any(|w| is_number_word(w) || (w.chars().count() == 1 && w != "a" && w != "I"))
    }
}

/// Cuts normalised text into clauses.
pub fn split(text: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut sentence = Vec::new();
    for piece in pieces(text) {
        let is_last = piece.ending.is_sentence();
        sentence.push(piece);
        if is_last {
            clauses.extend(split_sentence(&std::mem::take(&mut sentence)));
        }
    }
    clauses.extend(split_sentence(&sentence));
    clauses
}

/// Text between two marks.
struct Piece<'a> {
    words: Vec<&'a str>,
    ending: Ending,
}

/// The words between the marks; the text's end counts as a full stop.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let ending = word.chars().next_back().and_then(Ending::of);
        let bare = word.trim_end_matches(|c| Ending::of(c).is_some());
        if !bare.is_empty() {
            words.push(bare);
        }
        if let Some(ending) = ending.filter(|_| !words.is_empty()) {
            pieces.push(Piece { words: std::mem::take(&mut words), ending });
        }
    }
    if !words.is_empty() {
        pieces.push(Piece { words, ending: Ending::Statement });
    }
    pieces
}

/// Joins short pieces of a sentence and cuts long ones.
fn split_sentence(pieces: &[Piece<'_>]) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut said = 0;
    let mut open: Option<(String, usize, Ending)> = None;
    for piece in pieces {
        let limit = limit_after(said);
        let words = piece.words.len();
        open = match open.take() {
            Some((text, count, ending)) if count + words <= limit && count < limit.min(6) => {
                let text = format!("{text}{} {}", ending.mark(), piece.words.join(" "));
                Some((text, count + words, piece.ending))
            }
            previous => {
                if let Some((text, count, ending)) = previous {
                    said += count;
                    clauses.push(Clause { text, ending });
                }
                let mut rest = piece.words.as_slice();
                while let Some(cut) = cut_at(rest, limit_after(said)) {
                    let (head, tail) = rest.split_at(cut);
                    clauses.push(Clause { text: head.join(" "), ending: Ending::Phrase });
                    said += head.len();
                    rest = tail;
                }
                Some((rest.join(" "), rest.len(), piece.ending))
            }
        };
        // "Sorry," is said at once; what follows it is rendered meanwhile.
        if said == 0
            && let Some((text, count, ending)) =
                open.take_if(|(_, n, e)| *n <= 2 && *e == Ending::Comma && pieces.len() <= 2)
        {
            said += count;
            clauses.push(Clause { text, ending });
        }
    }
    if let Some((text, _, ending)) = open {
        clauses.push(Clause { text, ending });
    }
    clauses
}

/// How many words the next clause may have.
fn limit_after(said: usize) -> usize {
    match said {
        0 => FIRST_WORDS_MAX,
        _ => (said * GROWTH).clamp(FIRST_WORDS_MAX, WORDS_MAX),
    }
}

/// Where to cut words that are too many (or too long) for one clause: before a conjunction, a
/// number or a preposition, as late as the limit allows; `None` where they fit.
fn cut_at(words: &[&str], limit: usize) -> Option<usize> {
    let bytes: usize = words.iter().map(|w| w.len() + 1).sum();
    // A little over the limit reads better whole.
    if words.len() <= limit + WORDS_MIN && bytes <= BYTES_MAX {
        return None;
    }
    let last = limit.min(words.len().saturating_sub(WORDS_MIN)).max(1);
    let first = WORDS_MIN.min(last);
    let best = (first..=last)
        .map(|at| (break_quality(words, at), at))
        .max_by_key(|&(quality, at)| (quality, at))?;
    let mut cut = best.1;
    // Words without end (a key read out letter by letter) still have to fit the phonemiser.
    while cut > 1 && words[..cut].iter().map(|w| w.len() + 1).sum::<usize>() > BYTES_MAX {
        cut -= 1;
    }
    (cut < words.len()).then_some(cut)
}

/// How well speech can break off before word `at`.
fn break_quality(words: &[&str], at: usize) -> u8 {
    const CONJUNCTIONS: [&str; 14] = [
        "and", "but", "or", "so", "because", "if", "when", "while", "which", "that", "then",
        "before", "after", "until",
    ];
    const PREPOSITIONS: [&str; 14] = [
        "for", "with", "from", "to", "on", "in", "at", "by", "through", "about", "into", "of",
        "ending", "between",
    ];
    // Never behind these: they belong to what follows.
    const CLINGING: [&str; 18] = [
        "the", "a", "an", "my", "your", "our", "his", "her", "their", "this", "to", "of", "and",
        "or", "no", "not", "point", "minus",
    ];
    let (before, word) = (words[at - 1].to_ascii_lowercase(), words[at].to_ascii_lowercase());
    let is_spelled = |w: &str| w.chars().count() == 1 && w != "a" && w != "i";
    let is_figure = |w: &str| is_number_word(w) || is_spelled(w);
    if CLINGING.contains(&before.as_str()) || (is_figure(&before) && is_figure(&word)) {
        return 0;
    }
    match word.as_str() {
        // "dollars and fifty cents" is one amount.
        "and" if words.get(at + 1).is_some_and(|w| is_figure(&w.to_ascii_lowercase())) => 1,
        w if CONJUNCTIONS.contains(&w) => 4,
        w if is_figure(w) => 3,
        w if PREPOSITIONS.contains(&w) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        split(text).iter().map(Clause::key_text).collect()
    }

    #[test]
    fn cuts_into_clauses() {
        for (text, want) in [
            ("Hello.", &["Hello."][..]),
            ("Thanks. What is it?", &["Thanks.", "What is it?"]),
            ("Sorry, just the eight digits please.", &["Sorry,", "just the eight digits please."]),
            ("no mark at the end", &["no mark at the end."]),
            ("one two, three four, five six", &["one two, three four, five six."]),
            (
                "Your savings account balance is one thousand two hundred thirty four dollars \
                 and fifty cents.",
                &[
                    "Your savings account balance is~,",
                    "one thousand two hundred thirty four dollars and fifty cents.",
                ],
            ),
            (
                "I can put you through to a person right now or call you back later today.",
                &["I can put you through~,", "to a person right now or call you back later today."],
            ),
            ("", &[]),
            (". , !", &[]),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn a_sentence_is_cut_the_same_wherever_it_stands() {
        let sentence = "Before we start, please tell me the number of your account, or key it in.";
        let alone = split(sentence);
        let after = split(&format!("Thank you, John. {sentence}"));
        let before = split(&format!("{sentence} Anything else?"));
        assert!(alone.len() > 1);
        assert!(after.ends_with(&alone) && before.starts_with(&alone));
    }

    #[test]
    fn loses_no_word_and_bounds_every_clause() {
        let texts = [
            "word ".repeat(500),
            format!("{} end", "x".repeat(3_000)),
            "A ".repeat(300),
            "one, ".repeat(200),
            "Please hold while I look that up and then I will read the last four payments that \
             you made from your checking account to the electric company in March."
                .to_owned(),
        ];
        for text in &texts {
            let clauses = split(text);
            let words = |t: &str| {
                t.replace(|c| Ending::of(c).is_some(), " ")
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let joined: Vec<String> = clauses.iter().flat_map(|c| words(&c.text)).collect();
            assert_eq!(joined, words(text));
            for clause in &clauses {
                assert!(words(&clause.text).len() <= WORDS_MAX + WORDS_MIN, "{clause:?}");
                let is_one_word = words(&clause.text).len() == 1;
                assert!(
                    clause.text.len() <= BYTES_MAX + 20 || is_one_word,
                    "{}",
                    clause.text.len()
                );
            }
            assert!(words(&clauses[0].text).len() <= FIRST_WORDS_MAX + WORDS_MIN);
        }
    }

    #[test]
    fn sees_figures() {
        let figures = |text: &str| split(text)[0].has_figures();
        assert!(figures("your number is four two"));
        assert!(figures("S M I T H"));
        assert!(figures("the twenty-first of May"));
        assert!(!figures("I can give you a hand"));
    }
}
