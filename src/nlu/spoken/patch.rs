//! A part of a number put right: "it ends in four seven", "the third digit is five", "nine, not
//! five", "not five, nine". What was read back stays but for the digits that the caller names.

use super::digits::{Run, homophone, runs};
use super::token::{Token, starts_with, tokens};
use super::{card, name_patch, number, phone, zip_code};
use crate::base::Pii;
use crate::nlu::SlotKind;

/// The number with the part put right that the caller says is wrong; `None` if the words put no
/// part of it right, or not all of what they say can be done.
pub fn patch(digits: &str, text: &str) -> Option<Pii<String>> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let tokens = tokens(text);
    let anchors = anchors(&tokens);
    let patched = match anchors.is_empty() {
        true => swapped(digits, &tokens),
        false => anchored(digits, &tokens, &anchors),
    };
    patched.map(Pii::new)
}

/// As [`patch()`], for a value in normal form of any kind that is made of digits, or a name of
/// which one letter is wrong ("with a K").
pub fn patch_value(kind: &SlotKind, value: &str, text: &str) -> Option<Pii<String>> {
    if *kind == SlotKind::Name {
        return name_patch::patch(value, text);
    }
    let prefix = match kind {
        SlotKind::Phone if value.starts_with("+1") => "+1",
        SlotKind::Phone if value.starts_with('+') => "+",
        _ => "",
    };
    kind.digit_counts()?;
    let digits: String = value.strip_prefix(prefix)?.chars().filter(|c| *c != '-').collect();
    let patched = patch(&digits, text)?.into_inner();
    let value = match kind {
        SlotKind::Zip => zip_code::normal_form(&patched)?,
        SlotKind::Phone => Some(format!("{prefix}{patched}")).filter(|v| phone::is_valid(v))?,
        SlotKind::Card => Some(patched).filter(|v| card::is_valid(v))?,
        _ => patched,
    };
    Some(Pii::new(value))
}

/// Which digits of a number are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spot {
    /// The last ones: so many, or as many as are said.
    End(Option<usize>),
    /// The first ones.
    Start(Option<usize>),
    /// The digits at these places, from 1.
    Places(Vec<usize>),
    /// The digit at this place from the end, from 1.
    FromEnd(usize),
}

/// Words that name a spot, and where they stand.
struct Anchor {
    spot: Spot,
    first: usize,
    end: usize,
}

fn anchors(tokens: &[Token<'_>]) -> Vec<Anchor> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match spot_at(tokens, at) {
            Some((spot, end)) => {
                found.push(Anchor { spot, first: at, end });
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Puts right what stands behind each anchor, or else before it.
fn anchored(digits: &str, tokens: &[Token<'_>], anchors: &[Anchor]) -> Option<String> {
    let mut patched = digits.to_owned();
    for (index, anchor) in anchors.iter().enumerate() {
        let next = anchors.get(index + 1).map_or(tokens.len(), |next| next.first);
        let before = index.checked_sub(1).map_or(0, |before| anchors[before].end);
        let said = digits_after(&tokens[anchor.end..next])
            .or_else(|| plain_digits(&tokens[before..anchor.first]))?;
        patched = put(&patched, &anchor.spot, &said)?;
    }
    Some(patched)
}

/// The spot that is named at `at`, with the place after its words.
fn spot_at(tokens: &[Token<'_>], at: usize) -> Option<(Spot, usize)> {
    const AT_END: &[&[&str]] = &[&["at", "the", "end"], &["at", "the", "back"]];
    const AT_START: &[&[&str]] =
        &[&["at", "the", "start"], &["at", "the", "beginning"], &["at", "the", "front"]];
    let stands = |phrases: &[&[&str]]| {
        phrases.iter().find(|words| starts_with(tokens, at, words)).map(|words| at + words.len())
    };
    if let Some(end) = stands(AT_END) {
        return Some((Spot::End(None), end));
    }
    if let Some(end) = stands(AT_START) {
        return Some((Spot::Start(None), end));
    }
    if starts_with(tokens, at, &["area", "code"]) {
        return Some((Spot::Start(Some(3)), at + 2));
    }
    let leads_on = tokens.get(at + 1).is_some_and(|next| next.is_any(&["in", "with", "on", "is"]));
    if tokens[at].is_any(&["ends", "end", "ending"]) && leads_on {
        return Some((Spot::End(None), at + 2));
    }
    let starts = ["starts", "start", "starting", "begins", "begin", "beginning"];
    if tokens[at].is_any(&starts) && leads_on {
        return Some((Spot::Start(None), at + 2));
    }
    outermost(tokens, at).or_else(|| places(tokens, at))
}

/// "The last two digits", "the first three are", "the last one".
fn outermost(tokens: &[Token<'_>], at: usize) -> Option<(Spot, usize)> {
    let is_last = tokens[at].is_any(&["last", "final"]);
    if !is_last && !tokens[at].is("first") {
        return None;
    }
    let spot = |count: usize| {
        if is_last { Spot::End(Some(count)) } else { Spot::Start(Some(count)) }
    };
    if let Some(end) = after_noun(tokens, at + 1) {
        return Some((spot(1), end));
    }
    let counted = number::below_hundred(tokens, at + 1).or_else(|| number::figures(tokens, at + 1));
    let (count, after) = counted.filter(|(count, _)| (2..10).contains(count))?;
    let end = after_noun(tokens, after)?;
    Some((spot(usize::try_from(count).ok()?), end))
}

/// "The third digit", "the third and fourth digits", "the second to last digit".
fn places(tokens: &[Token<'_>], at: usize) -> Option<(Spot, usize)> {
    let mut places = Vec::new();
    let mut next = at;
    while let Some((place, end)) = number::ordinal(tokens, next) {
        places.push(usize::try_from(place).ok()?);
        next = end + usize::from(tokens.get(end).is_some_and(|token| token.is("and")));
    }
    let from_end = [&["to", "last"][..], &["from", "last"], &["last"], &["from", "the", "end"]]
        .into_iter()
        .find(|words| starts_with(tokens, next, words));
    match (places.first().copied(), from_end) {
        (Some(place), Some(words)) if places.len() == 1 => {
            let end = next + words.len();
            Some((Spot::FromEnd(place), after_noun(tokens, end).unwrap_or(end)))
        }
        (Some(_), None) => after_noun(tokens, next).map(|end| (Spot::Places(places), end)),
        _ => None,
    }
}

/// The place after "digit" or "number"; or `at` itself where the verb follows at once.
fn after_noun(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    const NOUNS: &[&str] =
        &["digit", "digits", "number", "numbers", "figure", "figures", "one", "ones"];
    let token = tokens.get(at)?;
    if token.is_any(NOUNS) {
        return Some(at + 1);
    }
    token.is_any(&["is", "are", "should", "was", "were"]).then_some(at)
}

/// The number with these digits at that spot.
fn put(digits: &str, spot: &Spot, said: &str) -> Option<String> {
    let (all, new) = (digits.len(), said.len());
    let fits = |count: &Option<usize>| count.is_none_or(|count| count == new) && new < all;
    match spot {
        Spot::End(count) if fits(count) => Some(format!("{}{said}", &digits[..all - new])),
        Spot::Start(count) if fits(count) => Some(format!("{said}{}", &digits[new..])),
        Spot::Places(places) if places.len() == new => {
            let mut patched: Vec<u8> = digits.bytes().collect();
            for (place, digit) in places.iter().zip(said.bytes()) {
                *patched.get_mut(place.checked_sub(1)?)? = digit;
            }
            String::from_utf8(patched).ok()
        }
        Spot::FromEnd(place) if new == 1 => {
            let place = (all + 1).checked_sub(*place)?;
            put(digits, &Spot::Places(vec![place]), said)
        }
        _ => None,
    }
}

/// The digits in some words: those after a correction, or else the first.
fn plain_digits(tokens: &[Token<'_>]) -> Option<String> {
    let runs = runs(tokens);
    let kept: Vec<&Run> = runs.iter().filter(|run| !run.negated).collect();
    let chosen = kept.iter().rfind(|run| run.corrects).or_else(|| kept.first())?;
    Some(chosen.plain().to_owned())
}

/// The digits directly behind an anchor, where "to", "for" and the like are digits too.
fn digits_after(tokens: &[Token<'_>]) -> Option<String> {
    const SKIPPED: &[&str] = &["is", "are", "should", "was", "were", "be", "a", "an", "the"];
    let start = tokens.iter().position(|token| !token.is_any(SKIPPED))?;
    let tokens = &tokens[start..];
    let sounds: String =
        tokens.iter().map_while(|token| homophone(&token.word)).map(|d| d.to_string()).collect();
    let rest = tokens.get(sounds.len()..).unwrap_or_default();
    let follows = runs(rest).first().is_some_and(|run| run.first == 0);
    match plain_digits(tokens) {
        // "For seven": no run begins with it.
        Some(_) if !sounds.is_empty() && follows => {
            Some(format!("{sounds}{}", plain_digits(rest)?))
        }
        Some(digits) => Some(digits),
        None => Some(sounds).filter(|sounds| !sounds.is_empty() && rest.is_empty()),
    }
}

/// "Nine, not five", "nine instead of five", "the five should be a nine", "not five, nine": digits
/// that stand once in the number, replaced.
fn swapped(digits: &str, tokens: &[Token<'_>]) -> Option<String> {
    let (old, new) = swap(tokens)?;
    let is_once = digits.find(&old).is_some_and(|at| digits.rfind(&old) == Some(at));
    (is_once && old.len() == new.len() && old != new).then(|| digits.replacen(&old, &new, 1))
}

/// The digits that are wrong, and the right ones.
fn swap(tokens: &[Token<'_>]) -> Option<(String, String)> {
    let runs = runs(tokens);
    let (old, new) = match &runs[..] {
        [first, second] if is_refused(tokens, second) => (second, first),
        [first, second]
            if is_refused(tokens, first) || is_turned_into(&tokens[first.end..second.first]) =>
        {
            (first, second)
        }
        [both] if is_refused(tokens, both) => return parted(tokens, both),
        _ => return None,
    };
    Some((old.plain().to_owned(), new.plain().to_owned()))
}

/// "Not five, nine": nothing but the pause parts the wrong digits from the right ones.
fn parted(tokens: &[Token<'_>], run: &Run) -> Option<(String, String)> {
    let pause = (run.first + 1..run.end).find(|at| tokens[*at].is_set_apart())?;
    let plain = |tokens: &[Token<'_>]| match &runs(tokens)[..] {
        [run] => Some(run.plain().to_owned()),
        _ => None,
    };
    Some((plain(&tokens[run.first..pause])?, plain(&tokens[pause..run.end])?))
}

/// "Not five", "not a five", "instead of five", "rather than five".
fn is_refused(tokens: &[Token<'_>], run: &Run) -> bool {
    let mut end = run.first;
    while end > 0 && tokens[end - 1].is_any(&["a", "an", "the"]) {
        end -= 1;
    }
    let ends_with = |words: &[&str]| {
        end.checked_sub(words.len()).is_some_and(|at| starts_with(tokens, at, words))
    };
    ends_with(&["not"]) || ends_with(&["instead", "of"]) || ends_with(&["rather", "than"])
}

/// "... should be a ..." between two runs of digits.
fn is_turned_into(between: &[Token<'_>]) -> bool {
    const WORDS: &[&str] =
        &["should", "be", "have", "been", "is", "was", "really", "actually", "a", "an", "the"];
    between.iter().all(|token| token.is_any(WORDS))
        && between.iter().any(|token| token.is_any(&["should", "is", "was"]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn puts_a_part_right() {
        for (text, expected) in [
            ("no, four seven at the end", Some("12345647")),
            ("no, it ends in four seven", Some("12345647")),
            ("No, it ends in 47.", Some("12345647")),
            ("it ends with 47", Some("12345647")),
            ("ending in four seven", Some("12345647")),
            ("no it ends in for seven", Some("12345647")),
            ("no, it ends in to", Some("12345672")),
            ("no, the last two digits are four seven", Some("12345647")),
            ("the last two are 47", Some("12345647")),
            ("the last 2 numbers are 47", Some("12345647")),
            ("no, the last digit is nine", Some("12345679")),
            ("the last one is nine", Some("12345679")),
            ("the last one should be a nine", Some("12345679")),
            ("no, it starts with nine", Some("92345678")),
            ("it begins with nine eight", Some("98345678")),
            ("nine eight at the beginning", Some("98345678")),
            ("the first three are nine eight seven", Some("98745678")),
            ("no, the third digit is five", Some("12545678")),
            ("the 3rd digit is 5", Some("12545678")),
            ("the third one is a five", Some("12545678")),
            ("the third number should be five", Some("12545678")),
            ("the third is five", Some("12545678")),
            ("the third and fourth digits are five six", Some("12565678")),
            ("the third digit is five and the last one is nine", Some("12545679")),
            ("the second to last digit is nine", Some("12345698")),
            ("it's nine not five", Some("12349678")),
            ("it's a nine, not a five", Some("12349678")),
            ("nine instead of five", Some("12349678")),
            ("no, not five, nine", Some("12349678")),
            ("Not 5, 9.", Some("12349678")),
            ("not a five, a nine", Some("12349678")),
            ("not four five, nine eight", Some("12398678")),
            ("not five nine", None),
            ("not five, nine eight", None),
            ("a nine rather than a five", Some("12349678")),
            ("no, the five should be a nine", Some("12349678")),
            ("it's nine eight not four five", Some("12398678")),
            ("no, it ends in four five, no, four seven", Some("12345647")),
            ("no, the last two digits are four", None),
            ("the ninth digit is five", None),
            ("nine not zero", None),
            ("no, 12345679", None),
            ("yes that's right", None),
            ("one second please", None),
            ("the first one", None),
            ("no", None),
            ("", None),
        ] {
            let patched = patch("12345678", text).map(Pii::into_inner);
            assert_eq!(patched.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_digit_that_stands_twice_is_not_guessed_at() {
        assert_eq!(patch("1551", "nine not five"), None);
        assert_eq!(patch("", "it ends in nine"), None);
        assert_eq!(patch("12a4", "it ends in nine"), None);
        assert_eq!(patch("12", "it ends in nine eight"), None);
    }

    #[test]
    fn values_of_every_kind_keep_their_form() {
        let digits = SlotKind::Digits { min: 8, max: 8 };
        for (kind, value, text, expected) in [
            (&digits, "12345678", "it ends in 47", Some("12345647")),
            (&SlotKind::Phone, "+14155550123", "it ends in four seven", Some("+14155550147")),
            (&SlotKind::Phone, "+14155550123", "the area code is 212", Some("+12125550123")),
            (&SlotKind::Phone, "+442079460958", "it ends in nine", Some("+442079460959")),
            (&SlotKind::Phone, "5550123", "it starts with six", Some("6550123")),
            (&SlotKind::Zip, "94103", "it ends in four", Some("94104")),
            (&SlotKind::Zip, "94103-1234", "it ends in five", Some("94103-1235")),
            (&SlotKind::Card, "4111111111111112", "it ends in one", Some("4111111111111111")),
            (&SlotKind::Card, "4111111111111111", "it ends in two", None),
            (&SlotKind::Money, "120.50", "it ends in two", None),
            (&SlotKind::Text, "12", "it ends in three", None),
            (&SlotKind::Name, "Catherine", "no, with a K", Some("Katherine")),
            (&SlotKind::Name, "Smith", "no, Jones", None),
        ] {
            let patched = patch_value(kind, value, text).map(Pii::into_inner);
            assert_eq!(patched.as_deref(), expected, "{value} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_words_leave_as_many_digits(
            digits in "[0-9]{1,12}",
            words in prop::collection::vec(prop::sample::select(vec![
                "no", "not", "it", "ends", "in", "starts", "with", "the", "first", "last", "third",
                "and", "to", "two", "digit", "digits", "is", "are", "should", "be", "a", "at",
                "end", "area", "code", "five", "oh", "for", "47", "3rd", "instead", "of", ",",
            ]), 0..16),
        ) {
            if let Some(patched) = patch(&digits, &words.join(" ")) {
                prop_assert_eq!(patched.expose().len(), digits.len());
            }
        }

        #[test]
        fn any_text_is_survived(digits in any::<String>(), text in any::<String>()) {
            let _ = patch(&digits, &text);
            let _ = patch("12345678", &text);
        }
    }
}
