//! Which of several values of one kind is which: told by the words around them ("leaving on the
//! third, back on the tenth").

use std::ops::Range;

use super::token::{Token, is_filler, tokens};

/// Words that tell of one slot and of no other of its kind, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cues {
    /// Of its name, and what is said of its like ("until", "return").
    pub strong: Vec<String>,
    /// Of the examples of what callers say.
    pub weak: Vec<String>,
}

impl Cues {
    /// Whether nothing tells of it.
    pub fn is_empty(&self) -> bool {
        self.strong.is_empty() && self.weak.is_empty()
    }
}

/// Small words that say something of a value only right before it: "to Spain on the third" is no
/// "to the third".
const RIGHT_BEFORE: &[&str] =
    &["from", "to", "until", "till", "through", "thru", "between", "by", "at", "for", "in"];

/// What may stand between such a word and its value.
const IN_BETWEEN: &[&str] =
    &["the", "a", "about", "around", "on", "roughly", "maybe", "like", "say"];

/// How far before a value, and how far behind it, a word may tell of it.
const WORDS_BEFORE: usize = 6;
const WORDS_AFTER: usize = 4;

/// Whether a word tells something only right before a value.
pub fn is_small_cue(word: &str) -> bool {
    RIGHT_BEFORE.contains(&word)
}

/// For each value, whose place in the text is given in order, the one of `cues` that the words
/// around it tell of. Each is told of once at most.
pub fn told_apart(text: &str, places: &[Range<usize>], cues: &[&Cues]) -> Vec<Option<usize>> {
    let tokens = tokens(text);
    let windows: Vec<Window> = (0..places.len()).map(|at| window(&tokens, places, at)).collect();
    let before = once(windows.iter().map(|window| told_before(&tokens, window, cues)).collect());
    let after = once(windows.iter().map(|window| told_after(&tokens, window, cues)).collect());
    let count = |told: &[Option<usize>]| told.iter().flatten().count();
    // People put such words before a value or behind it, and mostly keep to one of the two.
    let (mut told, other) =
        if count(&after) > count(&before) { (after, before) } else { (before, after) };
    for (at, cue) in other.into_iter().enumerate() {
        if told[at].is_none() && cue.is_some() && !told.contains(&cue) {
            told[at] = cue;
        }
    }
    told
}

/// The one of `cues` that an answer names ("the return", "the second one").
pub fn named(text: &str, cues: &[&Cues]) -> Option<usize> {
    let tokens = tokens(text);
    let has = |words: &[String]| tokens.iter().any(|token| words.contains(&token.word));
    let mut told = (0..cues.len()).filter(|at| has(&cues[*at].strong));
    match (told.next(), told.next()) {
        (Some(one), None) => return Some(one),
        (Some(_), Some(_)) => return None,
        (None, _) => {}
    }
    let says = |words: &[&str]| tokens.iter().any(|token| token.is_any(words));
    let place = match (says(&["first", "former"]), says(&["second", "latter"])) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        _ => None,
    };
    place.filter(|place| *place < cues.len())
}

/// The tokens around a value, up to its neighbours.
struct Window {
    /// End of the value before, start of this one, its end, start of the next one.
    floor: usize,
    start: usize,
    end: usize,
    ceiling: usize,
}

fn window(tokens: &[Token<'_>], places: &[Range<usize>], at: usize) -> Window {
    let first_from = |byte: usize| {
        tokens.iter().position(|token| token.span.start >= byte).unwrap_or(tokens.len())
    };
    let floor = at.checked_sub(1).and_then(|before| places.get(before));
    Window {
        floor: floor.map_or(0, |place| first_from(place.end)),
        start: first_from(places[at].start),
        end: first_from(places[at].end),
        ceiling: places.get(at + 1).map_or(tokens.len(), |place| first_from(place.start)),
    }
}

fn told_before(tokens: &[Token<'_>], window: &Window, cues: &[&Cues]) -> Option<usize> {
    let from = window.floor.max(window.start.saturating_sub(WORDS_BEFORE));
    let mut near: Vec<(&str, bool)> = Vec::new();
    let mut is_right_before = true;
    for at in (from..window.start).rev() {
        // A comma ends what is said of a value, unless the speaker only thinks.
        let apart = tokens.get(at + 1).is_some_and(Token::is_set_apart);
        if apart && !is_filler(&tokens[at].word) {
            break;
        }
        near.push((tokens[at].word.as_str(), is_right_before));
        is_right_before &= tokens[at].is_any(IN_BETWEEN) || is_filler(&tokens[at].word);
    }
    nearest(&near, cues)
}

fn told_after(tokens: &[Token<'_>], window: &Window, cues: &[&Cues]) -> Option<usize> {
    let until = window.ceiling.min(window.end + WORDS_AFTER);
    let after = tokens.get(window.end..until).unwrap_or_default();
    let near: Vec<(&str, bool)> = after
        .iter()
        .take_while(|token| !token.is_set_apart())
        .map(|token| (token.word.as_str(), false))
        .collect();
    nearest(&near, cues)
}

/// Whose word is nearest; those of names and their like come before those of examples.
fn nearest(near: &[(&str, bool)], cues: &[&Cues]) -> Option<usize> {
    let tells = |words: &[String]| {
        let place = |(word, is_right_before): &(&str, bool)| {
            (*is_right_before || !is_small_cue(word)) && words.iter().any(|one| one == word)
        };
        near.iter().position(place)
    };
    let told_by = |words: fn(&Cues) -> &[String]| {
        let places = cues.iter().enumerate();
        let found = places.filter_map(|(index, cues)| Some((tells(words(cues))?, index)));
        found.min().map(|(_, index)| index)
    };
    told_by(|cues| &cues.strong).or_else(|| told_by(|cues| &cues.weak))
}

/// Each of them once: of two values with the same word, the first has it.
fn once(mut told: Vec<Option<usize>>) -> Vec<Option<usize>> {
    for at in 1..told.len() {
        if told[at].is_some() && told[..at].contains(&told[at]) {
            told[at] = None;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues(strong: &[&str], weak: &[&str]) -> Cues {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Cues { strong: owned(strong), weak: owned(weak) }
    }

    /// Values are written `<so>`.
    fn told(text: &str) -> String {
        let leaving = cues(&["from", "leaving", "leave", "flying"], &["trip"]);
        let back = cues(&["to", "until", "back", "return"], &["home"]);
        let mut plain = String::new();
        let mut places = Vec::new();
        for c in text.chars() {
            match c {
                '<' => places.push(plain.len()..plain.len()),
                '>' => places.last_mut().expect("opened").end = plain.len(),
                c => plain.push(c),
            }
        }
        let letter = |told: Option<usize>| match told {
            Some(0) => 'l',
            Some(_) => 'b',
            None => '-',
        };
        told_apart(&plain, &places, &[&leaving, &back]).into_iter().map(letter).collect()
    }

    #[test]
    fn words_around_tell_values_apart() {
        for (text, expected) in [
            ("flying to portugal on <december third> and back on <december tenth>", "lb"),
            ("back on <the tenth>, leaving on <the third>", "bl"),
            ("from <the third> to <the tenth>", "lb"),
            ("from chicago to rome on <the third>", "-"),
            ("<december third> to <december tenth>", "-b"),
            ("<december third> back <december tenth>", "-b"),
            ("<the third> is when I leave, <the tenth> when I'm back", "lb"),
            ("<the third> I leave <the tenth> I return", "lb"),
            ("leaving on <the third>, <the tenth> is when I'm back", "lb"),
            ("<the third> and <the tenth>", "--"),
            ("back from spain on <the tenth>", "b"),
            ("my trip is on <the third> and home <the tenth>", "lb"),
            ("leaving, uh, <the third>", "-"),
            ("leaving uh, <the third>", "l"),
            ("back <the tenth> or back <the eleventh>", "b-"),
            ("", ""),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn one_of_two_is_named() {
        let (leaving, back) = (cues(&["leaving", "leave"], &[]), cues(&["back", "return"], &[]));
        for (text, expected) in [
            ("the return please", Some(1)),
            ("when I leave", Some(0)),
            ("the second one", Some(1)),
            ("leaving and back", None),
            ("yes", None),
        ] {
            assert_eq!(named(text, &[&leaving, &back]), expected, "{text}");
        }
    }
}
