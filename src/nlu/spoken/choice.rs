//! One of a list: by its name or another word for it, by its place, or by a word that sounds
//! like it.

use std::ops::Range;

use super::number::{Part, ordinal_word, part};
use super::similar::may_be_misheard;
use super::token::{Token, correction, starts_with, tokens};
use crate::nlu::Choice;

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum ChoiceResult {
    /// One, with its index and 0 to 1 how sure.
    One(usize, f32),
    /// More than one was named and none of them taken back.
    Several(Vec<usize>),
    /// None of them.
    None,
}

/// Two choices out of the same list, told apart by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directed {
    /// "From savings", "out of savings".
    pub from: Option<usize>,
    /// "To savings", "into savings".
    pub to: Option<usize>,
}

/// Confidence of a choice named in full.
const NAMED: f32 = 0.95;
/// Of one word that only this choice has ("credit" for "credit card").
const PARTLY_NAMED: f32 = 0.85;
/// Of one picked by its place.
const BY_PLACE: f32 = 0.85;
/// Of the only one left of two.
const LEFT_OVER: f32 = 0.7;
/// Of a word that only sounds like it.
const MISHEARD: f32 = 0.55;

/// Which of the choices the caller means.
pub fn parse(text: &str, choices: &[Choice]) -> ChoiceResult {
    let tokens = tokens(text);
    let named = spots(&tokens, choices);
    if !named.is_empty() {
        return among(&tokens, &named, choices.len(), NAMED);
    }
    let partly = distinctive_spots(&tokens, choices, |heard, meant| heard == meant);
    if !partly.is_empty() {
        return among(&tokens, &partly, choices.len(), PARTLY_NAMED);
    }
    if let Some(index) = by_place(&tokens, choices.len()) {
        return ChoiceResult::One(index, BY_PLACE);
    }
    if let Some(index) = by_first_words(&tokens, choices) {
        return ChoiceResult::One(index, MISHEARD);
    }
    let misheard = distinctive_spots(&tokens, choices, may_be_misheard);
    among(&tokens, &misheard, choices.len(), MISHEARD)
}

/// The choices named in full, however long the sentence around them; nothing is guessed.
pub fn parse_named(text: &str, choices: &[Choice]) -> ChoiceResult {
    let tokens = tokens(text);
    match spots(&tokens, choices) {
        named if named.is_empty() => ChoiceResult::None,
        // "Not checking" is no word for savings in a sentence about something else.
        named if named.iter().all(|spot| is_negated(&tokens, spot)) => ChoiceResult::None,
        named => among(&tokens, &named, choices.len(), NAMED),
    }
}

/// The choices named with a direction. One that is named without any fills neither, except in
/// "X to Y", where X is where it comes from.
pub fn parse_directed(text: &str, choices: &[Choice]) -> Directed {
    let tokens = tokens(text);
    let mut named = spots(&tokens, choices);
    if named.is_empty() {
        named = distinctive_spots(&tokens, choices, |heard, meant| heard == meant);
    }
    if named.is_empty() {
        named = distinctive_spots(&tokens, choices, may_be_misheard);
    }
    let mut found = Directed::default();
    let mut before: Option<(&Spot, Option<Direction>)> = None;
    for spot in &named {
        if is_negated(&tokens, spot) {
            continue;
        }
        let after = before.map_or(0, |(spot, _)| spot.place.end);
        let mut direction = direction(&tokens, after, spot.place.start);
        if direction.is_none()
            && let Some((_, Some(earlier))) = before
            && corrected_between(&tokens, after, spot.place.start)
        {
            // "From checking, no, savings": the same direction again.
            direction = Some(earlier);
        }
        match direction {
            Some(Direction::From) => found.from = Some(spot.index),
            Some(Direction::To) => {
                if found.from.is_none()
                    && let Some((earlier, None)) = before
                {
                    found.from = Some(earlier.index);
                }
                found.to = Some(spot.index);
            }
            None => {}
        }
        before = Some((spot, direction));
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    From,
    To,
}

/// The last direction word between two places; only a few small words may follow it.
fn direction(tokens: &[Token<'_>], after: usize, at: usize) -> Option<Direction> {
    const WORDS_MAX: usize = 4;
    (after.max(at.saturating_sub(WORDS_MAX))..at).rev().find_map(|i| {
        let last_before_name = i + 1 == at;
        match tokens[i].word.as_str() {
            "from" => Some(Direction::From),
            "of" if i > 0 && tokens[i - 1].is("out") => Some(Direction::From),
            "to" | "into" | "onto" | "toward" | "towards" => Some(Direction::To),
            "too" | "two" | "2" | "in" if last_before_name || tokens[i + 1].is("my") => {
                Some(Direction::To)
            }
            _ => None,
        }
    })
}

fn corrected_between(tokens: &[Token<'_>], after: usize, at: usize) -> bool {
    (after..at).any(|i| correction(tokens, i).is_some())
}

/// A choice named at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub index: usize,
    pub place: Range<usize>,
}

/// All places where a choice is named in full; a longer name hides a shorter one inside it.
pub(super) fn spots(tokens: &[Token<'_>], choices: &[Choice]) -> Vec<Spot> {
    let heard: Vec<String> = tokens.iter().map(|token| stem(&token.word)).collect();
    let mut all = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        for name in names(choice) {
            let name = words_of(name);
            if name.is_empty() {
                continue;
            }
            for at in 0..heard.len().saturating_sub(name.len() - 1) {
                if heard[at..at + name.len()] == name[..] {
                    all.push(Spot { index, place: at..at + name.len() });
                }
            }
        }
    }
    all.sort_by_key(|spot| (std::cmp::Reverse(spot.place.len()), spot.place.start));
    keep_longest(all)
}

/// Takes spots, longest first, that overlap no longer one, and puts them in spoken order.
fn keep_longest(all: Vec<Spot>) -> Vec<Spot> {
    let mut kept: Vec<Spot> = Vec::new();
    for spot in all {
        let hidden = kept.iter().any(|longer| {
            let overlaps =
                longer.place.start < spot.place.end && spot.place.start < longer.place.end;
            overlaps && (longer.place.len() > spot.place.len() || longer.index == spot.index)
        });
        if !hidden {
            kept.push(spot);
        }
    }
    kept.sort_by_key(|spot| spot.place.start);
    kept
}

fn names(choice: &Choice) -> impl Iterator<Item = &str> {
    std::iter::once(choice.value.as_str()).chain(choice.also.iter().map(String::as_str))
}

fn words_of(name: &str) -> Vec<String> {
    tokens(name).iter().map(|token| stem(&token.word)).collect()
}

/// The word without a possessive or plural ending.
fn stem(word: &str) -> String {
    let word = word.strip_suffix("'s").or_else(|| word.strip_suffix('\'')).unwrap_or(word);
    let word = word.replace('\'', "");
    let plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
    if plural { word[..word.len() - 1].to_owned() } else { word }
}

/// Words that only one of the choices has in its names, with that choice.
fn distinctive_words(choices: &[Choice]) -> Vec<(usize, String)> {
    // Words that name no one of a list, even where only one choice is written with them.
    const COMMON: &[&str] = &[
        "the",
        "a",
        "an",
        "my",
        "of",
        "and",
        "to",
        "in",
        "for",
        "on",
        "one",
        "account",
        "card",
        "payment",
        "number",
        "department",
        "team",
        "service",
        "plan",
        "line",
        "bill",
    ];
    let mut words: Vec<(usize, String)> = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        for word in names(choice).flat_map(words_of) {
            if !COMMON.contains(&word.as_str()) {
                words.push((index, word));
            }
        }
    }
    let is_shared = |index: usize, word: &str| {
        words.iter().any(|(other, same)| *other != index && same == word)
    };
    words.iter().filter(|(index, word)| !is_shared(*index, word)).cloned().collect()
}

/// Places of single words that only one of the choices has in its names.
fn distinctive_spots(
    tokens: &[Token<'_>],
    choices: &[Choice],
    alike: impl Fn(&str, &str) -> bool,
) -> Vec<Spot> {
    let mut all = Vec::new();
    for (index, word) in &distinctive_words(choices) {
        for at in 0..tokens.len() {
            let one = stem(&tokens[at].word);
            // A word torn in two: "check in".
            let torn = tokens.get(at + 1).map(|next| stem(&format!("{one}{}", next.word)));
            if alike(&one, word) {
                all.push(Spot { index: *index, place: at..at + 1 });
            } else if torn.is_some_and(|torn| torn.len() > 5 && alike(&torn, word)) {
                all.push(Spot { index: *index, place: at..at + 2 });
            }
        }
    }
    all.sort_by_key(|spot| (spot.place.len(), spot.place.start, spot.index));
    all.dedup();
    keep_longest(all)
}

/// Decides among the places where choices were named.
fn among(tokens: &[Token<'_>], named: &[Spot], count: usize, confidence: f32) -> ChoiceResult {
    let mut wanted: Vec<&Spot> = named.iter().filter(|spot| !is_negated(tokens, spot)).collect();
    if wanted.is_empty() {
        let mut refused: Vec<usize> = named.iter().map(|spot| spot.index).collect();
        refused.sort_unstable();
        refused.dedup();
        let left = (0..count).find(|index| !refused.contains(index));
        return match left {
            Some(left) if count == 2 && refused.len() == 1 => {
                ChoiceResult::One(left, LEFT_OVER.min(confidence))
            }
            _ => ChoiceResult::None,
        };
    }
    let restart = (1..wanted.len())
        .rfind(|i| corrected_between(tokens, wanted[i - 1].place.end, wanted[*i].place.start));
    if let Some(restart) = restart {
        wanted.drain(..restart);
    }
    let mut indices: Vec<usize> = wanted.iter().map(|spot| spot.index).collect();
    indices.sort_unstable();
    indices.dedup();
    match indices[..] {
        [index] => {
            let corrected = if restart.is_some() { 0.9 } else { 1.0 };
            ChoiceResult::One(index, confidence * corrected)
        }
        _ => ChoiceResult::Several(indices),
    }
}

/// "Not checking", "not the checking account", "anything but checking".
pub(super) fn is_negated(tokens: &[Token<'_>], spot: &Spot) -> bool {
    const BETWEEN: &[&str] = &["the", "my", "a", "an", "from", "to", "in", "of", "into", "for"];
    for i in (0..spot.place.start).rev().take(4) {
        let token = &tokens[i];
        // A comma ends what was denied: "no, not that, savings".
        let next_apart = tokens[i + 1].is_set_apart();
        if token.is_any(&["not", "except", "isn't", "wasn't", "never"]) || token.word == "don't" {
            return !next_apart;
        }
        if starts_with(tokens, i, &["than"]) || starts_with(tokens, i, &["instead", "of"]) {
            return true;
        }
        if starts_with(tokens, i, &["anything", "but"]) {
            return true;
        }
        let passes = token.is_any(BETWEEN) || token.is_any(&["want", "mean", "but"]);
        if !passes || next_apart {
            return false;
        }
    }
    false
}

/// "The first one", "second", "the latter", "number two", or just "two".
fn by_place(tokens: &[Token<'_>], count: usize) -> Option<usize> {
    const AROUND: &[&str] = &[
        "the", "one", "please", "option", "number", "choice", "that", "it's", "i", "want", "take",
        "i'll", "um", "uh", "yes", "yeah", "would", "like", "i'd", "to", "is", "of", "them",
        "account", "a", "be", "that's", "with", "go", "let's", "thanks", "ok", "okay",
    ];
    let mut found = None;
    for (at, token) in tokens.iter().enumerate() {
        let word = token.word.as_str();
        let place = ordinal_word(word).and_then(|place| usize::try_from(place).ok());
        let index = match word {
            "former" if count == 2 => Some(0),
            "latter" | "last" => count.checked_sub(1),
            _ if place.is_some() => place.map(|place| place - 1),
            _ => numbered(tokens, at),
        };
        match index {
            Some(index) if index < count && found.is_none_or(|before| before == index) => {
                found = Some(index);
            }
            Some(_) => return None,
            None if AROUND.contains(&word) => {}
            None => return None,
        }
    }
    found
}

/// "Two" after "number" or "option", or on its own.
fn numbered(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let named = at > 0 && tokens[at - 1].is_any(&["number", "option", "choice"]);
    if !named && tokens.len() > 1 {
        return None;
    }
    let number = match part(&tokens[at].word) {
        Some(Part::Unit(unit)) => usize::from(unit),
        _ if tokens[at].is_figures() => tokens[at].word.parse().ok()?,
        _ => return None,
    };
    number.checked_sub(1)
}

/// "Check" for "checking": the start of one single name, at least five letters of it.
fn by_first_words(tokens: &[Token<'_>], choices: &[Choice]) -> Option<usize> {
    let [token] = tokens else { return None };
    let heard = stem(&token.word);
    if heard.chars().count() < 5 {
        return None;
    }
    let words = distinctive_words(choices);
    let mut fitting = words.iter().filter(|(_, word)| word.starts_with(&heard));
    let (first, _) = fitting.next()?;
    fitting.all(|(index, _)| index == first).then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(value: &str, also: &[&str]) -> Choice {
        Choice {
            value: value.to_owned(),
            also: also.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn accounts() -> Vec<Choice> {
        vec![choice("checking", &["current account"]), choice("savings", &["money market"])]
    }

    fn cards() -> Vec<Choice> {
        vec![choice("credit card", &["visa"]), choice("debit_card", &[]), choice("gift card", &[])]
    }

    fn index(result: &ChoiceResult) -> Option<usize> {
        match result {
            ChoiceResult::One(index, _) => Some(*index),
            _ => None,
        }
    }

    #[test]
    fn finds_the_one_of_two() {
        let table = [
            ("checking", Some(0)),
            ("Savings.", Some(1)),
            ("my savings account please", Some(1)),
            ("current account", Some(0)),
            ("the current accounts", Some(0)),
            ("saving's", Some(1)),
            ("saving", Some(1)),
            ("money market", Some(1)),
            ("not checking, savings", Some(1)),
            ("savings, not checking", Some(1)),
            ("not my checking account", Some(1)),
            ("not savings", Some(0)),
            ("I don't want checking", Some(1)),
            ("savings instead of checking", Some(1)),
            ("savings rather than checking", Some(1)),
            ("anything but savings", Some(0)),
            ("checking, no, savings", Some(1)),
            ("checking. sorry, I mean savings", Some(1)),
            ("no, not that, savings", Some(1)),
            ("the first one", Some(0)),
            ("second", Some(1)),
            ("the second one please", Some(1)),
            ("the latter", Some(1)),
            ("the former", Some(0)),
            ("the last one", Some(1)),
            ("number two", Some(1)),
            ("option 1", Some(0)),
            ("two", Some(1)),
            ("2", Some(1)),
            ("third", None),
            ("three", None),
            ("chequing", Some(0)),
            ("checkin", Some(0)),
            ("check in", Some(0)),
            ("check", Some(0)),
            ("savins account", Some(1)),
            ("chacking", Some(0)),
            ("hold on a second", None),
            ("my first name is Bob", None),
            ("banana", None),
            ("", None),
            ("account", None),
        ];
        for (text, expected) in table {
            let result = parse(text, &accounts());
            assert_eq!(index(&result), expected, "{text}: {result:?}");
        }
    }

    #[test]
    fn finds_the_one_of_three() {
        let table = [
            ("credit card", Some(0)),
            ("credit", Some(0)),
            ("the debit one", Some(1)),
            ("debit card", Some(1)),
            ("my visa", Some(0)),
            ("dabit", Some(1)),
            ("gift cards", Some(2)),
            ("card", None),
            ("the third", Some(2)),
            ("the middle", None),
            ("not the credit card", None),
        ];
        for (text, expected) in table {
            let result = parse(text, &cards());
            assert_eq!(index(&result), expected, "{text}: {result:?}");
        }
    }

    #[test]
    fn several_stay_several() {
        for text in ["checking and savings", "checking or savings", "savings checking"] {
            assert_eq!(parse(text, &accounts()), ChoiceResult::Several(vec![0, 1]), "{text}");
        }
    }

    #[test]
    fn a_longer_name_hides_a_shorter_one() {
        let choices = [choice("savings", &[]), choice("joint savings", &[])];
        assert_eq!(index(&parse("joint savings", &choices)), Some(1));
        assert_eq!(index(&parse("savings", &choices)), Some(0));
    }

    #[test]
    fn is_less_sure_of_what_was_misheard() {
        let sure = |text: &str| match parse(text, &accounts()) {
            ChoiceResult::One(_, confidence) => confidence,
            other => panic!("{text}: {other:?}"),
        };
        assert!(sure("savings") > sure("current"));
        assert!(sure("current") > sure("chequing"));
    }

    #[test]
    fn tells_from_and_to_apart() {
        let table = [
            ("from checking to savings", Some(0), Some(1)),
            ("to savings from checking", Some(0), Some(1)),
            ("checking to savings", Some(0), Some(1)),
            ("move fifty dollars from my savings account into checking", Some(1), Some(0)),
            ("take fifty out of savings", Some(1), None),
            ("out of savings and into my checking account", Some(1), Some(0)),
            ("to my savings", None, Some(1)),
            ("from checking too savings", Some(0), Some(1)),
            ("from checking two savings", Some(0), Some(1)),
            ("put it in savings", None, Some(1)),
            ("from checking, no, savings", Some(1), None),
            ("from checking to savings, no, from savings to checking", Some(1), Some(0)),
            ("from chequing to savings", None, Some(1)),
            ("savings", None, None),
            ("checking and savings", None, None),
            ("from checking not savings", Some(0), None),
            ("I want to move money from savings", Some(1), None),
            ("", None, None),
        ];
        for (text, from, to) in table {
            let found = parse_directed(text, &accounts());
            assert_eq!(found, Directed { from, to }, "{text}");
        }
    }

    #[test]
    fn survives_odd_lists() {
        assert_eq!(parse("anything", &[]), ChoiceResult::None);
        assert_eq!(parse("", &[choice("", &[""])]), ChoiceResult::None);
        assert_eq!(index(&parse("ätna", &[choice("ätna", &[])])), Some(0));
    }
}
