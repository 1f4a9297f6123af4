//! UK postcodes: "S W one A one A A", "M thirteen nine P L", "N for Norman one, nine G U".
//!
//! What was heard for each character may be several things ("oh" is a letter or a zero, "to" a
//! two); the shape of a postcode decides.

use std::ops::Range;

use super::fill::{Expectation, Found};
use super::letters::{Form, spelt};
use super::number::{Part, part};
use super::token::{Token, TokenKind, correction, is_filler};

/// Characters of a postcode without its space.
const CHARS_MIN: usize = 5;
const CHARS_MAX: usize = 7;
/// Ways to go on that are followed up at once; the likeliest stay.
const WAYS_MAX: usize = 24;
/// Words between "postcode" and its first character ("postcode is").
const WORDS_BETWEEN_MAX: usize = 4;

/// Whether this is the normal form of a postcode, and its letters stand where they may.
pub fn is_valid(value: &str) -> bool {
    let chars: String = value.chars().filter(|c| *c != ' ').collect();
    value.is_ascii()
        && chars.len() <= CHARS_MAX
        && shaped(&chars.to_ascii_lowercase())
            .is_some_and(|(found, cost)| cost == 0 && found == value)
}

/// The postcode in an utterance. One that was not asked for has to be called one, or be written
/// in capitals and figures.
pub(super) fn find(text: &str, tokens: &[Token<'_>], expectation: Expectation) -> Vec<Found> {
    let mut all: Vec<Heard> =
        (0..tokens.len()).filter_map(|at| longest_at(text, tokens, at)).collect();
    all.sort_by_key(|heard| (std::cmp::Reverse(heard.value.len()), heard.cost, heard.place.start));
    let mut kept: Vec<Heard> = Vec::new();
    for heard in all {
        let overlaps = |other: &Heard| {
            other.place.start < heard.place.end && heard.place.start < other.place.end
        };
        if !kept.iter().any(overlaps) {
            kept.push(heard);
        }
    }
    kept.sort_by_key(|heard| heard.place.start);
    if expectation == Expectation::Volunteered {
        kept.retain(|heard| is_unmistakable(text, tokens, heard));
    }
    let several = kept.iter().any(|heard| heard.value != kept[0].value);
    // Whoever says two, says the right one last.
    let chosen = kept.pop().map(|heard| Found {
        confidence: confidence(heard.cost) * if several { 0.75 } else { 1.0 },
        value: heard.value,
        place: heard.place,
    });
    chosen.into_iter().collect()
}

/// A postcode that was heard. Not `Debug`: it holds what a caller said.
struct Heard {
    value: String,
    cost: u32,
    place: Range<usize>,
}

fn confidence(cost: u32) -> f32 {
    match cost {
        0 => 0.9,
        1 => 0.8,
        2 => 0.7,
        _ => 0.6,
    }
}

/// "My postcode is ...", or capitals with figures as only a postcode has them.
fn is_unmistakable(text: &str, tokens: &[Token<'_>], heard: &Heard) -> bool {
    let before = heard.place.start.saturating_sub(WORDS_BETWEEN_MAX)..heard.place.start;
    let is_called =
        tokens[before].iter().any(|token| token.is_any(&["postcode", "postal", "post"]));
    let is_written = tokens[heard.place.clone()].iter().all(|token| {
        let written = text.get(token.span.clone()).unwrap_or_default();
        token.is_figures() || written.bytes().all(|b| b.is_ascii_uppercase())
    });
    let has_figures = tokens[heard.place.clone()].iter().any(Token::is_figures);
    heard.cost == 0 && (is_called || (is_written && has_figures))
}

/// One way to hear the words up to `end`.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    chars: String,
    end: usize,
    cost: u32,
}

/// The longest postcode that begins at `start`; of several the likeliest.
fn longest_at(text: &str, tokens: &[Token<'_>], start: usize) -> Option<Heard> {
    if is_skipped(tokens, start) {
        return None;
    }
    let mut ways = vec![Way { chars: String::new(), end: start, cost: 0 }];
    let mut best: Option<Heard> = None;
    while !ways.is_empty() {
        let mut longer: Vec<Way> = Vec::new();
        for way in &ways {
            for step in steps(text, tokens, way.end) {
                let chars = format!("{}{}", way.chars, step.chars);
                if chars.len() <= CHARS_MAX {
                    longer.push(Way { chars, end: step.end, cost: way.cost + step.cost });
                }
            }
        }
        for way in &longer {
            let Some((value, bent)) = shaped(&way.chars) else { continue };
            let cost = way.cost + bent;
            let is_better = best.as_ref().is_none_or(|best| {
                (value.len(), std::cmp::Reverse(cost))
                    > (best.value.len(), std::cmp::Reverse(best.cost))
            });
            if is_better {
                best = Some(Heard { value, cost, place: start..way.end });
            }
        }
        longer.sort_by(|a, b| (a.cost, &a.chars, a.end).cmp(&(b.cost, &b.chars, b.end)));
        longer.dedup();
        longer.truncate(WAYS_MAX);
        ways = longer;
    }
    best
}

/// Words that stand between the characters of a postcode and are none.
fn is_skipped(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| {
        is_filler(&token.word)
            || token.is_any(&["and", "then", "space", "dash", "capital", "letter", "number"])
    })
}

/// What the words at `at` may be.
fn steps(text: &str, tokens: &[Token<'_>], at: usize) -> Vec<Way> {
    let mut steps = Vec::new();
    let Some(token) = tokens.get(at) else { return steps };
    if correction(tokens, at).is_some() {
        return steps;
    }
    if is_skipped(tokens, at) {
        return vec![Way { chars: String::new(), end: at + 1, cost: 0 }];
    }
    if token.is_figures() {
        return vec![Way { chars: token.word.clone(), end: at + 1, cost: 0 }];
    }
    let mut push = |chars: String, end: usize, cost: u32| steps.push(Way { chars, end, cost });
    if let Some(unit) = spelt(text, tokens, at).filter(|unit| unit.letters.is_ascii()) {
        let cost = u32::from(unit.form == Form::SoundsLike && !token.is("oh"));
        push(unit.letters, unit.end, cost);
    } else if is_short_letters(token, tokens.get(at + 1)) {
        push(token.word.clone(), at + 1, 1);
    }
    let next = tokens.get(at + 1).and_then(|next| part(&next.word));
    match part(&token.word) {
        Some(Part::Unit(unit)) => push(unit.to_string(), at + 1, 0),
        Some(Part::Teen(teen)) => push(teen.to_string(), at + 1, 0),
        Some(Part::Tens(tens)) => {
            push(tens.to_string(), at + 1, 0);
            if let Some(Part::Unit(unit @ 1..)) = next {
                let is_apart = tokens[at + 1].is_set_apart();
                push((tens + unit).to_string(), at + 2, u32::from(is_apart));
            }
        }
        _ => {}
    }
    if let Some(digit) = digit_sound(&token.word) {
        push(digit.to_string(), at + 1, 1);
    }
    if let (true, Some(Part::Unit(unit))) = (token.is("double"), next) {
        push(unit.to_string().repeat(2), at + 2, 0);
    }
    steps
}

/// The digit that a word sounds like; here "of" is none, and "eight" can be heard as "ate".
fn digit_sound(word: &str) -> Option<u8> {
    super::digits::homophone(word).filter(|_| word != "of")
}

/// Two letters in one word that is none ("sw"), or letters written onto figures.
fn is_short_letters(token: &Token<'_>, next: Option<&Token<'_>>) -> bool {
    const WORDS: &[&str] = &[
        "am", "an", "as", "at", "be", "by", "do", "go", "he", "hi", "if", "in", "is", "it", "me",
        "my", "no", "of", "oh", "ok", "on", "or", "so", "to", "up", "us", "we", "um", "uh",
    ];
    let is_short = token.kind == TokenKind::Word
        && token.word.len() <= 2
        && token.word.bytes().all(|b| b.is_ascii_lowercase());
    let is_glued = next.is_some_and(|next| next.is_figures() && next.gap.is_empty());
    is_short && (is_glued || !token.is_any(WORDS))
}

/// The normal form of these characters, if they have the shape of a postcode; and at what cost
/// some were taken for others that sound or look alike.
fn shaped(chars: &str) -> Option<(String, u32)> {
    const OUTWARD: [&str; 6] = ["A9", "A99", "AA9", "AA99", "A9A", "AA9A"];
    if !(CHARS_MIN..=CHARS_MAX).contains(&chars.len()) || !chars.is_ascii() {
        return None;
    }
    let (outward, inward) = chars.split_at(chars.len() - 3);
    let (inward, inward_cost) = fitted(inward, "9AA")?;
    if inward.contains(|c: char| "CIKMOV".contains(c)) {
        return None;
    }
    let best = OUTWARD
        .iter()
        .filter(|shape| shape.len() == outward.len())
        .filter_map(|shape| fitted(outward, shape).filter(|(fitted, _)| stands(fitted, shape)))
        .min_by_key(|(_, cost)| *cost)?;
    Some((format!("{} {inward}", best.0), best.1 + inward_cost))
}

/// The characters as letters and digits of this shape, in capitals. "O" and zero, "I" and one are
/// each other's; an "M" at the end of a postcode can only be an "N".
fn fitted(chars: &str, shape: &str) -> Option<(String, u32)> {
    let mut cost = 0;
    let mut fitted = String::new();
    for (c, place) in chars.chars().zip(shape.chars()) {
        let (c, bent) = match (place, c.to_ascii_uppercase()) {
            ('9', digit) if digit.is_ascii_digit() => (digit, 0),
            ('9', 'O') => ('0', u32::from(shape != "9AA")),
            ('9', 'I') => ('1', 1),
            ('A', 'M') if shape == "9AA" => ('N', 2),
            ('A', letter) if letter.is_ascii_uppercase() => (letter, 0),
            ('A', '0') => ('O', 1),
            ('A', '1') => ('I', 2),
            _ => return None,
        };
        fitted.push(c);
        cost += bent;
    }
    Some((fitted, cost))
}

/// Whether each letter of the outward half is one that is in use at its place (BS 7666).
fn stands(outward: &str, shape: &str) -> bool {
    let at = |place: usize| outward.chars().nth(place).unwrap_or(' ');
    let first = !"QVX".contains(at(0));
    let second = !shape.starts_with("AA") || !"IJZ".contains(at(1));
    let last = match shape {
        "A9A" => "ABCDEFGHJKPSTUW".contains(at(2)),
        "AA9A" => "ABEHMNPRVWXY".contains(at(3)),
        _ => true,
    };
    first && second && last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::token::tokens;
    use super::*;

    fn postcode(text: &str, expectation: Expectation) -> Option<String> {
        find(text, &tokens(text), expectation).pop().map(|found| found.value)
    }

    #[test]
    fn reads_postcodes() {
        for (text, expected) in [
            ("SW1A 1AA", Some("SW1A 1AA")),
            ("sw1a 1aa", Some("SW1A 1AA")),
            ("SW1A1AA.", Some("SW1A 1AA")),
            ("S W one A one A A", Some("SW1A 1AA")),
            ("S-W-1-A-1-A-A", Some("SW1A 1AA")),
            ("S.W.1.A. 1.A.A.", Some("SW1A 1AA")),
            ("SW one A one double A", Some("SW1A 1AA")),
            ("It's SW1A 1AA, thanks.", Some("SW1A 1AA")),
            ("S double-u one A, one A A", Some("SW1A 1AA")),
            ("S for sugar W one A one A A", Some("SW1A 1AA")),
            ("S as in Sierra W as in whiskey 1 A 1 A A", Some("SW1A 1AA")),
            ("F as in sugar W 1 A 1 A A", Some("SW1A 1AA")),
            ("sierra whiskey one alpha one alpha alpha", Some("SW1A 1AA")),
            ("S W won A won A A", Some("SW1A 1AA")),
            ("my postcode is S W 1 A space 1 A A", Some("SW1A 1AA")),
            ("um S W uh 1 A and 1 A A", Some("SW1A 1AA")),
            ("M1 1AE", Some("M1 1AE")),
            ("M one one A E", Some("M1 1AE")),
            ("M thirteen nine P L", Some("M13 9PL")),
            ("B thirty three eight T H", Some("B33 8TH")),
            ("B thirty, three T H", Some("B30 3TH")),
            ("C R two six X H", Some("CR2 6XH")),
            ("C R to six X H", Some("CR2 6XH")),
            ("D N five five one P T", Some("DN55 1PT")),
            ("DN fifty five one P T", Some("DN55 1PT")),
            ("DN double five one P T", Some("DN55 1PT")),
            ("W one A zero A X", Some("W1A 0AX")),
            ("W1A OAX", Some("W1A 0AX")),
            ("W one A oh A X", Some("W1A 0AX")),
            ("P oh one two A B", Some("PO1 2AB")),
            ("EC1A 1BB", Some("EC1A 1BB")),
            ("E C one A one double B", Some("EC1A 1BB")),
            ("E see one A one bee bee", Some("EC1A 1BB")),
            ("N one nine G U", Some("N1 9GU")),
            ("N one nine G M", Some("N1 9GN")),
            ("L for London ate 4 X Y", Some("L8 4XY")),
            ("SW1A 1AB, no, SW1A 1AA", Some("SW1A 1AA")),
            ("94103", None),
            ("SW1A", None),
            ("Q1 1AA", None),
            ("SW1A 1CA", None),
            ("I don't know my postcode", None),
            ("it is for me to see", None),
            ("", None),
        ] {
            assert_eq!(postcode(text, Expectation::Asked).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn takes_unasked_only_what_is_called_or_written_like_one() {
        for (text, expected) in [
            ("is there a branch near SW1A 1AA", true),
            ("my postcode is s w one a one a a", true),
            ("I live at S W one A one A A", false),
            ("pay 50 to A B", false),
        ] {
            assert_eq!(postcode(text, Expectation::Volunteered).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn knows_the_normal_form() {
        for value in ["SW1A 1AA", "M1 1AE", "M13 9PL", "CR2 6XH", "DN55 1PT", "W1A 0AX"] {
            assert!(is_valid(value), "{value}");
        }
        for value in ["SW1A1AA", "sw1a 1aa", "SW1A 1A", "1AA SW1A", "QW1A 1AA", "W1A OAX", "é", ""]
        {
            assert!(!is_valid(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_valid(words in prop::collection::vec(
            prop::sample::select(vec![
                "s", "w", "one", "a", "1", "double", "oh", "for", "to", "M", "SW1A", "space",
                "thirty", "three", "eight", "sugar", "alpha", "as", "in", "é", "no", "0",
            ]), 0..20),
        ) {
            if let Some(found) = postcode(&words.join(" "), Expectation::Asked) {
                prop_assert!(is_valid(&found), "{}", found);
            }
        }
    }
}
