//! The likeliest writings of an utterance within a grammar, over audio that whisper has encoded
//! already.
//!
//! Greedy from the start, then again from the best places at which another token could have been
//! taken, as in lazy n-best search (Huang & Chiang 2005): most utterances need one run and a few
//! tokens of others, where a beam would decode its whole width at every step. A token costs one pass
//! through the decoder, 2 to 5 ms for the smallest model; the encoder, which is most of the work, is
//! not run again.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

use whisper_rs::{WhisperContext, WhisperState};

use super::HearingError;
use super::audience::Audience;
use super::focus::{Focus, Grammar, Piece};
use super::letters::LetterModel;

/// Whole writings that are looked for.
const WRITINGS: usize = 5;
/// Other tokens that are kept in mind at each place.
const BRANCHES: usize = 3;
/// Passes through the decoder after which the searches of an utterance give what they have.
const PASSES_MAX: usize = 100;
/// A best writing that is so much likelier than any other can get needs no others.
const CLEAR: f32 = 5.0;

/// What the letter model weighs beside the ear, and what each letter is given for being one more: a
/// product of chances prefers short names. Both by grid on spelled names.
const LETTERS_WEIGHT: f32 = 0.5;
const LETTER_BONUS: f32 = 1.25;

/// The tokens of a model, as the grammars need them. Made once.
pub(super) struct Vocabulary {
    texts: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, i32>,
    pieces: Vec<(Grammar, Vec<Piece>)>,
    start: Vec<i32>,
    end_of_text: i32,
}

impl Vocabulary {
    pub fn of(context: &WhisperContext) -> Self {
        let end_of_text = context.token_eot();
        let texts: Vec<Vec<u8>> = (0..end_of_text)
            .map(|id| context.token_to_bytes(id).map(<[u8]>::to_vec).unwrap_or_default())
            .collect();
        let mut start = vec![context.token_sot()];
        if context.is_multilingual() {
            start.extend([context.token_lang(0), context.token_transcribe()]);
        }
        // As in the first decode: with time stamps whisper loops less.
        start.push(context.token_beg());
        let pieces = Grammar::ALL.into_iter().map(|grammar| (grammar, grammar.pieces(&texts)));
        let pieces = pieces.collect();
        let ids = (0..).zip(&texts).map(|(id, text)| (text.clone(), id)).collect();
        Self { texts, ids, pieces, start, end_of_text }
    }

    fn pieces(&self, grammar: Grammar) -> &[Piece] {
        self.pieces.iter().find(|(own, _)| *own == grammar).map_or(&[], |(_, pieces)| pieces)
    }

    /// Tokens that write a text, the longest first at each place: what whisper itself would write
    /// common words with.
    fn tokens_of(&self, text: &str) -> Option<Vec<i32>> {
        let (mut rest, mut tokens) = (text.as_bytes(), Vec::new());
        while !rest.is_empty() {
            let len = (1..=rest.len()).rev().find(|len| self.ids.contains_key(&rest[..*len]))?;
            tokens.push(self.ids[&rest[..len]]);
            rest = &rest[len..];
        }
        Some(tokens)
    }

    fn text(&self, tokens: &[i32]) -> String {
        let bytes = tokens.iter().filter_map(|id| self.texts.get(usize::try_from(*id).ok()?));
        String::from_utf8_lossy(&bytes.flatten().copied().collect::<Vec<u8>>()).into_owned()
    }
}

/// A writing that came to its end. Not `Debug`: it holds what a caller said.
pub(super) struct Writing {
    /// See [`Grammar::value`].
    pub value: String,
    /// The logarithm of its probability by ear.
    pub log_probability: f32,
    /// The same with what is known of names.
    pub score: f32,
}

/// A beginning, and what it is worth.
struct Begun {
    tokens: Vec<i32>,
    log_probability: f32,
    score: f32,
    is_ended: bool,
}

impl PartialEq for Begun {
    fn eq(&self, other: &Self) -> bool {
        self.score.total_cmp(&other.score) == Ordering::Equal
    }
}
impl Eq for Begun {}
impl PartialOrd for Begun {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Begun {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score)
    }
}

/// What a search may write.
#[derive(Clone, Copy)]
struct Limits {
    focus: Focus,
    grammar: Grammar,
    /// Digits, letters or words before a value may end.
    least: usize,
}

/// A search over what `state` has encoded.
pub(super) struct Search<'a> {
    pub state: &'a mut WhisperState,
    pub vocabulary: &'a Vocabulary,
    pub letters: &'a LetterModel,
    pub threads: usize,
    audience: &'a Audience,
    /// The tokens that the decoder has in its memory.
    fed: Vec<i32>,
    passes: usize,
    /// What was found behind some tokens: the same beginnings are looked at by several searches.
    /// At most one entry a pass, some 200 kB each.
    known: HashMap<Vec<i32>, Rc<[f32]>>,
}

impl<'a> Search<'a> {
    pub fn new(
        state: &'a mut WhisperState,
        vocabulary: &'a Vocabulary,
        letters: &'a LetterModel,
        threads: usize,
        audience: &'a Audience,
    ) -> Self {
        let (fed, known) = (Vec::new(), HashMap::new());
        Self { state, vocabulary, letters, threads, audience, fed, passes: 0, known }
    }

    /// The writings found of at least so many digits, letters or words, the best first. Of one or
    /// more, which may be a part of a value, only the best is looked for.
    pub fn writings(
        &mut self,
        focus: Focus,
        grammar: Grammar,
        least: usize,
    ) -> Result<Vec<Writing>, HearingError> {
        let limits = Limits { focus, grammar, least };
        let writings = if least > 1 { WRITINGS } else { 1 };
        let mut open = BinaryHeap::new();
        open.push(Begun {
            tokens: self.vocabulary.start.clone(),
            log_probability: 0.0,
            score: 0.0,
            is_ended: false,
        });
        let mut found: Vec<Writing> = Vec::new();
        let mut runs = 0;
        while let Some(begun) = open.pop()
            && runs < writings
            && self.passes < PASSES_MAX
        {
            runs += 1;
            if let Some(ended) = self.follow(begun, limits, &mut open)? {
                found.push(self.writing(&ended, grammar));
            }
            // Beginnings only lose by going on, but for the bonus of letters, which is small.
            let best = found.iter().map(|writing| writing.score).fold(f32::NEG_INFINITY, f32::max);
            if open.peek().is_none_or(|next| best - next.score > CLEAR) {
                break;
            }
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(found)
    }

    /// The logarithm of the probability that a phrase was said, in capitals or without, whatever
    /// mark ends it.
    pub fn phrase(&mut self, phrase: &str) -> Result<f32, HearingError> {
        const HOPELESS: f32 = -25.0;
        let vocabulary = self.vocabulary;
        let mut capital = phrase.to_owned();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let mut either = Vec::new();
        // What begins with no small letter has one form.
        let capital = Some(capital.as_str()).filter(|capital| *capital != phrase);
        for form in capital.into_iter().chain([phrase]) {
            let Some(tokens) = vocabulary.tokens_of(&format!(" {form}")) else { continue };
            let mut all = vocabulary.start.clone();
            let mut heard = 0.0;
            for token in tokens {
                if heard > HOPELESS {
                    let next = self.log_probabilities(&all)?;
                    heard += next.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
                    all.push(token);
                }
            }
            if heard > HOPELESS {
                let next = self.log_probabilities(&all)?;
                let mut ends =
                    next.get(vocabulary.end_of_text as usize..).unwrap_or_default().to_vec();
                let marks =
                    [".", ",", "!", "?"].iter().filter_map(|m| vocabulary.ids.get(m.as_bytes()));
                ends.extend(marks.filter_map(|id| next.get(*id as usize)));
                heard += log_sum_exp(&ends);
            }
            either.push(heard.max(2.0 * HOPELESS));
        }
        Ok(log_sum_exp(&either))
    }

    fn writing(&self, ended: &Begun, grammar: Grammar) -> Writing {
        let text = self.vocabulary.text(&ended.tokens[self.vocabulary.start.len()..]);
        Writing {
            value: grammar.value(&text),
            log_probability: ended.log_probability,
            score: ended.score,
        }
    }

    /// Takes the best token again and again until the end; puts the others aside. `None` if it
    /// comes to no end.
    fn follow(
        &mut self,
        mut begun: Begun,
        limits: Limits,
        open: &mut BinaryHeap<Begun>,
    ) -> Result<Option<Begun>, HearingError> {
        while !begun.is_ended {
            if self.passes >= PASSES_MAX {
                return Ok(None);
            }
            let mut next = self.continuations(&begun, limits)?;
            next.sort_by(|a, b| b.cmp(a));
            let mut next = next.into_iter();
            let Some(best) = next.next() else { return Ok(None) };
            open.extend(next.take(BRANCHES));
            begun = best;
        }
        Ok(Some(begun))
    }

    /// Every way on from a beginning.
    fn continuations(
        &mut self,
        begun: &Begun,
        Limits { focus, grammar, least }: Limits,
    ) -> Result<Vec<Begun>, HearingError> {
        let (vocabulary, letters) = (self.vocabulary, self.letters);
        let text = vocabulary.text(&begun.tokens[vocabulary.start.len()..]);
        let log_probabilities = self.log_probabilities(&begun.tokens)?;
        let written = grammar.value(&text);
        let on = |token: i32, heard: f32, known: f32, is_ended: bool| {
            let mut tokens = begun.tokens.clone();
            tokens.push(token);
            Begun {
                tokens,
                log_probability: begun.log_probability + heard,
                score: begun.score + heard + known,
                is_ended,
            }
        };
        let is_name = focus == Focus::Letters;
        let mut next = Vec::new();
        if grammar.units(&text) < focus.units_max() {
            for piece in vocabulary.pieces(grammar) {
                let Some(&heard) = log_probabilities.get(piece.id as usize) else { continue };
                if !grammar.accepts(&text, &piece.text) {
                    continue;
                }
                let letter = piece.text.chars().find(|c| is_name && c.is_ascii_alphabetic());
                let known = letter.map_or(0.0, |letter| {
                    LETTERS_WEIGHT * letters.next(&written, letter) + LETTER_BONUS
                });
                next.push(on(piece.id, heard, known, false));
            }
        }
        if grammar.may_end(&text) && grammar.units(&text) >= least {
            let known = if is_name { LETTERS_WEIGHT * letters.end(&written) } else { 0.0 };
            // Time stamps end a text as well as the token made for it.
            let from = vocabulary.end_of_text as usize;
            let heard = log_sum_exp(log_probabilities.get(from..).unwrap_or_default());
            next.push(on(vocabulary.end_of_text, heard, known, true));
        }
        Ok(next)
    }

    /// Logarithms of the probabilities of every token behind these.
    fn log_probabilities(&mut self, tokens: &[i32]) -> Result<Rc<[f32]>, HearingError> {
        let failed = |error: whisper_rs::WhisperError| HearingError::Decode(error.to_string());
        let Some((last, before)) = tokens.split_last() else {
            return Ok(Rc::new([]));
        };
        if let Some(known) = self.known.get(tokens) {
            return Ok(Rc::clone(known));
        }
        if self.audience.is_gone() {
            return Err(HearingError::Abandoned);
        }
        let known = self.fed.iter().zip(before).take_while(|(a, b)| a == b).count();
        if before.len() > known {
            self.state.decode(&before[known..], known, self.threads).map_err(failed)?;
            self.passes += 1;
        }
        // By itself: the library gives the scores behind the first token of a call only.
        self.state.decode(&[*last], before.len(), self.threads).map_err(failed)?;
        self.passes += 1;
        self.fed = tokens.to_vec();
        let scores = self.state.get_logits().map_err(failed)?;
        let sum = log_sum_exp(scores);
        let found: Rc<[f32]> = scores.iter().map(|score| score - sum).collect();
        self.known.insert(tokens.to_vec(), Rc::clone(&found));
        Ok(found)
    }
}

/// `ln(sum(exp(x)))` without overflow.
fn log_sum_exp(values: &[f32]) -> f32 {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY {
        return most;
    }
    most + values.iter().map(|value| (value - most).exp()).sum::<f32>().ln()
}

/// Puts together what several grammars wrote: the values, each with the mean of what the grammars
/// give it. A grammar that has not found a value gives it a little less than its last.
pub(super) fn combine(by_grammar: &[Vec<Writing>]) -> Vec<Writing> {
    const UNSEEN: f32 = 1.0;
    let by_grammar: Vec<&Vec<Writing>> =
        by_grammar.iter().filter(|writings| !writings.is_empty()).collect();
    let mut values: Vec<&str> = Vec::new();
    for writing in by_grammar.iter().copied().flatten() {
        if !writing.value.is_empty() && !values.contains(&writing.value.as_str()) {
            values.push(&writing.value);
        }
    }
    let count = by_grammar.len().max(1) as f32;
    let mean = |value: &str, of: fn(&Writing) -> f32| {
        let each = by_grammar.iter().map(|writings| {
            let own = writings.iter().filter(|writing| writing.value == value).map(of);
            let least = writings.iter().map(of).fold(f32::INFINITY, f32::min) - UNSEEN;
            own.fold(f32::NEG_INFINITY, f32::max).max(least)
        });
        each.sum::<f32>() / count
    };
    let mut combined: Vec<Writing> = values
        .into_iter()
        .map(|value| Writing {
            value: value.to_owned(),
            log_probability: mean(value, |writing| writing.log_probability),
            score: mean(value, |writing| writing.score),
        })
        .collect();
    combined.sort_by(|a, b| b.score.total_cmp(&a.score));
    combined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(value: &str, score: f32) -> Writing {
        Writing { value: value.to_owned(), log_probability: score, score }
    }

    #[test]
    fn two_grammars_outvote_one() {
        let combined = combine(&[
            vec![writing("15213", -2.0), writing("15217", -2.5)],
            vec![writing("15217", -1.0), writing("1521", -4.0)],
            Vec::new(),
        ]);
        let values: Vec<(&str, f32)> =
            combined.iter().map(|w| (w.value.as_str(), w.score)).collect();
        assert_eq!(values, [("15217", -1.75), ("15213", -3.5), ("1521", -3.75)]);
    }

    #[test]
    fn sums_of_logarithms_do_not_overflow() {
        assert!((log_sum_exp(&[1_000.0, 1_000.0]) - 1_000.693).abs() < 1e-2);
        assert_eq!(log_sum_exp(&[]), f32::NEG_INFINITY);
    }
}
