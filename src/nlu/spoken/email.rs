//! Email addresses: "john dot smith at gmail dot com", "J underscore S M I T H forty two at
//! yahoo dot co dot U K", or as the recogniser writes them.

use std::ops::Range;

use super::fill::{Expectation, Found};
use super::letters::{Form, spelt};
use super::number::{Part, below_hundred, part};
use super::token::{Token, is_filler, starts_with};

/// Lengths that RFC 5321 (4.5.3.1) allows.
const LOCAL_MAX: usize = 64;
const ADDRESS_MAX: usize = 254;
const LABEL_MAX: usize = 63;

/// Words between "email" and the address ("my email address is").
const WORDS_BETWEEN_MAX: usize = 5;

/// Endings after which an address is over, unless another dot follows.
const ENDINGS: &[&str] = &[
    "com", "org", "net", "edu", "gov", "mil", "info", "biz", "io", "co", "me", "app", "dev", "ai",
    "uk", "us", "ca", "au", "nz", "ie", "de", "fr", "es", "it", "nl", "eu", "in", "ch", "at",
];

/// Hosts that callers name so often that the "at" before them may have been missed.
const PROVIDERS: &[&str] = &[
    "gmail",
    "googlemail",
    "yahoo",
    "hotmail",
    "outlook",
    "icloud",
    "aol",
    "msn",
    "live",
    "protonmail",
    "comcast",
    "verizon",
];

/// Words that belong to the sentence and to no address.
const AROUND: &[&str] = &[
    "is", "it's", "its", "that's", "my", "email", "address", "the", "yes", "yeah", "sure", "okay",
    "ok", "be", "would", "so", "please", "thanks", "thank", "you", "this", "i'm", "me", "no",
    "sorry", "and", "to", "use", "send", "try", "reach", "here", "that", "not",
];

/// Whether this is the normal form of an email address.
pub fn is_valid(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_local = (1..=LOCAL_MAX).contains(&local.len())
        && local.chars().all(|c| is_plain(c) || matches!(c, '.' | '_' | '-' | '+'))
        && local.split('.').all(|piece| !piece.is_empty());
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.chars().all(|c| is_plain(c) || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_ending = domain.rsplit_once('.').is_some_and(|(_, ending)| {
        ending.len() >= 2 && ending.chars().all(|c| c.is_ascii_lowercase())
    });
    value.len() <= ADDRESS_MAX && is_local && is_ending && domain.split('.').all(is_label)
}

/// The address in an utterance. One that was not asked for has to be called an email address, or
/// be written with its "@".
pub(super) fn find(text: &str, tokens: &[Token<'_>], expectation: Expectation) -> Vec<Found> {
    let pieces = pieces(text, tokens);
    // The last one that was said: whoever starts over means the second.
    let found = (0..pieces.len())
        .rev()
        .filter(|at| pieces[*at].is("@"))
        .find_map(|at| address(&pieces, at, at + 1))
        .or_else(|| without_at(&pieces));
    found
        .filter(|found| {
            let before = found.place.start.saturating_sub(WORDS_BETWEEN_MAX)..found.place.start;
            let is_called = tokens[before].iter().any(|token| token.is_any(&["email", "mail"]));
            let is_written =
                tokens[found.place.clone()].iter().any(|token| token.gap.contains('@'));
            expectation == Expectation::Asked || is_called || is_written
        })
        .into_iter()
        .collect()
}

/// A piece of an address, or a word of the sentence. Not `Debug`: a caller said it.
struct Piece {
    chars: String,
    /// Tokens.
    place: Range<usize>,
    /// Belongs to the sentence.
    is_around: bool,
    /// A single letter, so that more of a word may follow.
    is_letter: bool,
}

impl Piece {
    fn is(&self, chars: &str) -> bool {
        !self.is_around && self.chars == chars
    }
}

/// The address around this "@". `domain_at` is where its host begins.
fn address(pieces: &[Piece], at: usize, domain_at: usize) -> Option<Found> {
    let (domain, end) = domain(pieces, domain_at)?;
    let start = (0..at)
        .rev()
        .find(|i| pieces[*i].is_around || pieces[*i].is("@"))
        .map_or(0, |before| before + 1);
    let local = said_once(pieces.get(start..at)?);
    let value = format!("{local}@{domain}");
    let place = pieces.get(start)?.place.start..pieces.get(end.checked_sub(1)?)?.place.end;
    let is_known = PROVIDERS.iter().any(|provider| domain.starts_with(provider));
    let confidence = if is_known { 0.85 } else { 0.8 };
    (is_valid(&value) && !place.is_empty()).then_some(Found { value, confidence, place })
}

/// "John smith gmail dot com": the "at" was not heard.
fn without_at(pieces: &[Piece]) -> Option<Found> {
    let is_host = |piece: &Piece| PROVIDERS.contains(&piece.chars.as_str()) && !piece.is_around;
    let host = (1..pieces.len()).rev().find(|at| is_host(&pieces[*at]))?;
    // "Add gmail dot com".
    let misheard = pieces[host - 1].is("add") || pieces[host - 1].is("ad");
    let found = address(pieces, host - usize::from(misheard), host)?;
    Some(Found { confidence: 0.6, ..found })
}

/// The characters before an "@"; once where they were said and then spelled.
fn said_once(pieces: &[Piece]) -> String {
    let all: String = pieces.iter().map(|piece| piece.chars.as_str()).collect();
    let half = all.len() / 2;
    match (all.get(..half), all.get(half..)) {
        (Some(first), Some(second)) if first == second && half >= 3 => first.to_owned(),
        _ => all,
    }
}

/// A host such as `gmail.com` and the place after its pieces.
fn domain(pieces: &[Piece], at: usize) -> Option<(String, usize)> {
    let mut domain = String::new();
    let mut best = None;
    for (i, piece) in pieces.iter().enumerate().skip(at) {
        let is_dot = piece.is(".");
        if piece.is_around || piece.is("@") || domain.len() > ADDRESS_MAX {
            break;
        }
        domain.push_str(ending_sound(&domain, &piece.chars));
        let Some((_, ending)) = domain.rsplit_once('.') else { continue };
        if is_dot || ending.is_empty() {
            continue;
        }
        let next = pieces.get(i + 1);
        let goes_on = next.is_some_and(|next| {
            next.is(".") || next.is("-") || (next.is_letter && !next.is_around && piece.is_letter)
        });
        if !goes_on {
            best = Some((domain.clone(), i + 1));
            if ENDINGS.contains(&ending) {
                break;
            }
        }
    }
    best
}

/// "Dot calm" is `.com`.
fn ending_sound<'a>(domain: &str, chars: &'a str) -> &'a str {
    match chars {
        "calm" | "come" | "comm" | "kom" if domain.ends_with('.') => "com",
        chars => chars,
    }
}

/// The words of an utterance as pieces of an address.
fn pieces(text: &str, tokens: &[Token<'_>]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(mark) = written_mark(tokens, at) {
            pieces.push(piece(mark, at..at));
        }
        let (chars, end) = match skipped(tokens, at) {
            Some(end) => {
                at = end;
                continue;
            }
            None => spoken(text, tokens, at),
        };
        let is_after_dot = pieces.last().is_some_and(|before| before.is("."));
        let is_around = end == at + 1
            && !is_after_dot
            && AROUND.contains(&tokens[at].word.as_str())
            && !is_inside_written(tokens, at);
        let is_letter = chars.len() == 1 && chars.starts_with(|c: char| c.is_ascii_lowercase());
        pieces.push(Piece { is_around, is_letter, ..piece(&chars, at..end) });
        at = end;
    }
    pieces
}

fn piece(chars: &str, place: Range<usize>) -> Piece {
    Piece { chars: chars.to_owned(), place, is_around: false, is_letter: false }
}

/// The mark that is written between the token before and this one: "john.smith@gmail.com".
fn written_mark(tokens: &[Token<'_>], at: usize) -> Option<&'static str> {
    let before = tokens.get(at.checked_sub(1)?)?;
    let token = tokens.get(at)?;
    // "J-O-H-N" and "J.O.H.N." are spelled; "j.smith" has its dot.
    let is_spelled = [before, token].iter().all(|token| token.word.chars().count() == 1);
    match token.gap {
        gap if gap.contains('@') => Some("@"),
        " . " => Some("."),
        "." if !is_spelled => Some("."),
        "-" if !is_spelled => Some("-"),
        "_" => Some("_"),
        "+" => Some("+"),
        _ => None,
    }
}

/// Whether a word is written onto its neighbours, as in "me@here.com".
fn is_inside_written(tokens: &[Token<'_>], at: usize) -> bool {
    let joined = |gap: &str| matches!(gap, "." | "@" | "_" | "-" | "+");
    joined(tokens[at].gap) || tokens.get(at + 1).is_some_and(|next| joined(next.gap))
}

/// The place after words about an address that are no part of it: "all lower case", "capital".
fn skipped(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    const PHRASES: &[&[&str]] = &[
        &["all", "lower", "case"],
        &["all", "lowercase"],
        &["all", "small", "letters"],
        &["all", "in", "lower", "case"],
        &["all", "one", "word"],
        &["one", "word"],
        &["no", "spaces"],
        &["no", "space"],
        &["lower", "case"],
        &["upper", "case"],
        &["lowercase"],
        &["uppercase"],
        &["small", "letters"],
        &["capital"],
        &["the", "letter"],
        &["the", "letters"],
        &["the", "number"],
        &["the", "word"],
        &["then"],
        &["space"],
        &["spelled"],
        &["again"],
    ];
    if is_filler(&tokens[at].word) {
        return Some(at + 1);
    }
    PHRASES.iter().find(|words| starts_with(tokens, at, words)).map(|words| at + words.len())
}

/// What the words at `at` are in an address, and the place after.
fn spoken(text: &str, tokens: &[Token<'_>], at: usize) -> (String, usize) {
    let token = &tokens[at];
    let one = |chars: &str| (chars.to_owned(), at + 1);
    let phrase = [("under", "score", "_"), ("at", "sign", "@"), ("full", "stop", ".")]
        .into_iter()
        .find(|(first, second, _)| starts_with(tokens, at, &[*first, *second]));
    if let Some((_, _, mark)) = phrase {
        return (mark.to_owned(), at + 2);
    }
    match token.word.as_str() {
        "at" => return one("@"),
        "dot" | "period" | "point" => return one("."),
        "dotcom" => return one(".com"),
        "underscore" => return one("_"),
        "dash" | "hyphen" | "minus" => return one("-"),
        "plus" => return one("+"),
        "oh" | "o" => return one(if is_beside_digit(tokens, at) { "0" } else { "o" }),
        _ => {}
    }
    if token.is_figures() {
        return one(&token.word);
    }
    if let Some(found) = number(tokens, at) {
        return found;
    }
    // Words of the radio alphabet and capitals are words here; "you" is no letter.
    if let Some(unit) = spelt(text, tokens, at).filter(|unit| unit.form == Form::Letter) {
        return (unit.letters, unit.end);
    }
    let chars: String = token.word.chars().filter(char::is_ascii_alphanumeric).collect();
    (chars, at + 1)
}

/// Digits in words: "seven", "forty two", "nineteen eighty four", "double five".
fn number(tokens: &[Token<'_>], at: usize) -> Option<(String, usize)> {
    let next = tokens.get(at + 1).and_then(|next| part(&next.word));
    if let (true, Some(Part::Unit(unit))) = (tokens[at].is("double"), next) {
        return Some((unit.to_string().repeat(2), at + 2));
    }
    part(&tokens[at].word)?;
    let (value, end) = below_hundred(tokens, at)?;
    Some((value.to_string(), end))
}

fn is_beside_digit(tokens: &[Token<'_>], at: usize) -> bool {
    let is_digit = |token: Option<&Token<'_>>| {
        token.is_some_and(|token| token.is_figures() || part(&token.word).is_some())
    };
    is_digit(at.checked_sub(1).and_then(|before| tokens.get(before)))
        || is_digit(tokens.get(at + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::token::tokens;
    use super::*;

    fn email(text: &str, expectation: Expectation) -> Option<String> {
        find(text, &tokens(text), expectation).pop().map(|found| found.value)
    }

    #[test]
    fn reads_addresses() {
        const JOHN: &str = "john.smith@gmail.com";
        for (text, expected) in [
            ("john dot smith at gmail dot com", Some(JOHN)),
            ("John.Smith@gmail.com", Some(JOHN)),
            ("john.smith@gmail.com.", Some(JOHN)),
            ("john.smith at gmail.com", Some(JOHN)),
            ("John dot Smith at G mail dot com.", Some(JOHN)),
            ("It's john dot smith at gmail dot com, thanks.", Some(JOHN)),
            ("my email address is john dot smith at gmail dot com", Some(JOHN)),
            ("john dot smith at gmail dot com all lower case", Some(JOHN)),
            ("all lower case john dot smith at gmail dot com", Some(JOHN)),
            ("j o h n dot s m i t h at gmail dot com", Some(JOHN)),
            ("J-O-H-N dot S-M-I-T-H at gmail dot com", Some(JOHN)),
            ("john period smith at sign gmail period com", Some(JOHN)),
            ("john point smith at gmail dot c o m", Some(JOHN)),
            ("john dot smith at gmail dot calm", Some(JOHN)),
            ("um john dot uh smith at gmail dot com", Some(JOHN)),
            ("john dot s m i t h at gmail dot com please", Some(JOHN)),
            ("john dot s as in sam m i t h at gmail dot com", Some(JOHN)),
            ("john dot smith gmail dot com", Some(JOHN)),
            ("john dot smith add gmail dot com", Some(JOHN)),
            ("jim at gmail dot com, no, john dot smith at gmail dot com", Some(JOHN)),
            ("john underscore smith at yahoo dot com", Some("john_smith@yahoo.com")),
            ("john under score smith at yahoo dot com", Some("john_smith@yahoo.com")),
            ("john dash smith at yahoo dot co dot u k", Some("john-smith@yahoo.co.uk")),
            ("john hyphen smith at yahoo dot co dot uk", Some("john-smith@yahoo.co.uk")),
            ("john-smith@yahoo.co.uk", Some("john-smith@yahoo.co.uk")),
            ("john_smith@yahoo.com", Some("john_smith@yahoo.com")),
            ("john smith at hotmail dot com", Some("johnsmith@hotmail.com")),
            ("john smith all one word at hotmail dot com", Some("johnsmith@hotmail.com")),
            ("john smith forty two at hotmail dot com", Some("johnsmith42@hotmail.com")),
            ("john smith 42 at hot mail dot com", Some("johnsmith42@hotmail.com")),
            ("smith nineteen eighty four at aol dot com", Some("smith1984@aol.com")),
            ("smith oh five at a o l dot com", Some("smith05@aol.com")),
            ("smith double seven at i cloud dot com", Some("smith77@icloud.com")),
            ("john plus bank at gmail dot com", Some("john+bank@gmail.com")),
            ("info at harbor dash bank dot org", Some("info@harbor-bank.org")),
            ("jay smith at mail dot harbor dot edu", Some("jaysmith@mail.harbor.edu")),
            ("smith, s m i t h at gmail dot com", Some("smith@gmail.com")),
            ("john at gmail", None),
            ("gmail dot com", None),
            ("at gmail dot com", None),
            ("I don't have one", None),
            ("", None),
        ] {
            assert_eq!(email(text, Expectation::Asked).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn takes_unasked_only_what_is_called_or_written_like_one() {
        for (text, expected) in [
            ("my email is john dot smith at gmail dot com", true),
            ("send it to john.smith@gmail.com", true),
            ("I looked at frontdoor dot com", false),
            ("I am at the bank", false),
        ] {
            assert_eq!(email(text, Expectation::Volunteered).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn knows_the_normal_form() {
        for value in ["a@b.co", "john.smith+1@mail.example.org", "j_s-t@x-y.com", "1@2.de"] {
            assert!(is_valid(value), "{value}");
        }
        for value in [
            "john",
            "@b.co",
            "a@b",
            "a@.co",
            "a@b.",
            "a@b.c",
            "A@b.co",
            ".a@b.co",
            "a..b@c.de",
            "a@-b.co",
            "a b@c.de",
            "a@b@c.de",
            "a@b.c0m",
            "\u{e9}@b.co",
            "",
        ] {
            assert!(!is_valid(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_valid(words in prop::collection::vec(
            prop::sample::select(vec![
                "john", "j", "at", "dot", "com", "gmail", "@", ".", "-", "_", "double", "five",
                "42", "oh", "co", "uk", "u", "k", "my", "email", "is", "all", "lower", "case",
                "\u{e9}", "under", "score", "mail", "calm", "as", "in", "boy",
            ]), 0..24,
        ), spaces in prop::collection::vec(prop::sample::select(vec![" ", "", ", "]), 24)) {
            let text: String =
                words.iter().zip(&spaces).flat_map(|(word, space)| [*word, *space]).collect();
            for expectation in [Expectation::Asked, Expectation::Volunteered] {
                if let Some(found) = email(&text, expectation) {
                    prop_assert!(is_valid(&found), "{}", found);
                }
            }
        }
    }
}
