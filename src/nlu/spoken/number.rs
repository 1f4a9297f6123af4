//! Whole numbers as they are said or written: "a hundred and twenty", "1,234", "twenty third".

use super::token::Token;

/// What a word contributes to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// 0 to 9.
    Unit(u8),
    /// 10 to 19.
    Teen(u8),
    /// 20 to 90.
    Tens(u8),
    /// Times a hundred.
    Hundred,
    /// Times a thousand or a million.
    Scale(u64),
}

/// The part a word is, if it is one. "Oh" is left to whoever knows that digits are being said.
pub(super) fn part(word: &str) -> Option<Part> {
    let part = match word {
        "zero" | "nought" | "naught" => Part::Unit(0),
        "one" => Part::Unit(1),
        "two" => Part::Unit(2),
        "three" => Part::Unit(3),
        "four" => Part::Unit(4),
        "five" | "fife" => Part::Unit(5),
        "six" => Part::Unit(6),
        "seven" => Part::Unit(7),
        "eight" => Part::Unit(8),
        "nine" | "niner" => Part::Unit(9),
        "ten" => Part::Teen(10),
        "eleven" => Part::Teen(11),
        "twelve" => Part::Teen(12),
        "thirteen" => Part::Teen(13),
        "fourteen" => Part::Teen(14),
        "fifteen" => Part::Teen(15),
        "sixteen" => Part::Teen(16),
        "seventeen" => Part::Teen(17),
        "eighteen" => Part::Teen(18),
        "nineteen" => Part::Teen(19),
        "twenty" => Part::Tens(20),
        "thirty" => Part::Tens(30),
        "forty" | "fourty" => Part::Tens(40),
        "fifty" => Part::Tens(50),
        "sixty" => Part::Tens(60),
        "seventy" => Part::Tens(70),
        "eighty" => Part::Tens(80),
        "ninety" => Part::Tens(90),
        "hundred" => Part::Hundred,
        "thousand" => Part::Scale(1_000),
        "million" => Part::Scale(1_000_000),
        _ => return None,
    };
    Some(part)
}

/// Whether a word, however it is written, is such as numbers are said with.
pub fn is_number_word(word: &str) -> bool {
    let word = word.to_lowercase();
    part(&word).is_some() || matches!(word.as_str(), "oh" | "o" | "double" | "triple" | "treble")
}

fn part_at(tokens: &[Token<'_>], at: usize) -> Option<Part> {
    tokens.get(at).and_then(|token| part(&token.word))
}

/// A number below a hundred in words at `at`, with the place after it.
pub(super) fn below_hundred(tokens: &[Token<'_>], at: usize) -> Option<(u64, usize)> {
    match part_at(tokens, at)? {
        Part::Unit(value) | Part::Teen(value) => Some((u64::from(value), at + 1)),
        Part::Tens(tens) => match part_at(tokens, at + 1) {
            Some(Part::Unit(unit)) if unit > 0 && !tokens[at + 1].is_set_apart() => {
                Some((u64::from(tens + unit), at + 2))
            }
            _ => Some((u64::from(tens), at + 1)),
        },
        Part::Hundred | Part::Scale(_) => None,
    }
}

/// Figures at `at`, thousands separators taken out ("1,234"), with the place after them.
///
/// `None` also for figures with letters on them ("3rd", "4x") and for more than a `u64` holds.
pub(super) fn figures(tokens: &[Token<'_>], at: usize) -> Option<(u64, usize)> {
    let first = tokens.get(at).filter(|token| token.is_figures())?;
    let mut digits = first.word.clone();
    let mut end = at + 1;
    if digits.len() <= 3 {
        while let Some(next) = tokens.get(end) {
            if !next.is_figures() || next.gap != "," || next.word.len() != 3 {
                break;
            }
            digits.push_str(&next.word);
            end += 1;
        }
    }
    let glued = tokens.get(end).is_some_and(|next| {
        next.gap.is_empty() && next.word.chars().next().is_some_and(char::is_alphabetic)
    });
    if glued && !tokens[end].is("k") {
        return None;
    }
    digits.parse().ok().map(|value| (value, end))
}

/// A whole number at `at`, in words or figures or both ("2 thousand five hundred"), with the place
/// after it. The longest one that English allows is taken.
pub(super) fn cardinal(tokens: &[Token<'_>], at: usize) -> Option<(u64, usize)> {
    let mut total: u64 = 0;
    let mut scale_before = u64::MAX;
    let mut end = None;
    let mut next = at;
    while let Some((group, after)) = below_thousand(tokens, next, end.is_none()) {
        let (scale, after) = match part_at(tokens, after) {
            Some(Part::Scale(scale)) if scale < scale_before => (scale, after + 1),
            _ => (1, after),
        };
        let value = group.checked_mul(scale)?;
        // "two thousand 5000" is two numbers.
        if value >= scale_before || (end.is_some() && value == 0) {
            break;
        }
        total = total.checked_add(value)?;
        end = Some(after);
        scale_before = scale;
        if scale == 1 {
            break;
        }
        next = match tokens.get(after) {
            Some(token) if token.is("and") => after + 1,
            _ => after,
        };
    }
    end.map(|end| (total, end))
}

/// "Two hundred and five", "a hundred", "twelve hundred", "250", "fifty". `first` says that nothing
/// of the number was read yet, so that "hundred" alone may begin it.
fn below_thousand(tokens: &[Token<'_>], at: usize, first: bool) -> Option<(u64, usize)> {
    let is_article = tokens.get(at).is_some_and(|token| token.is_any(&["a", "an"]));
    let (count, after) = if let Some(found) = figures(tokens, at) {
        found
    } else if let Some(found) = below_hundred(tokens, at) {
        found
    } else if is_article && matches!(part_at(tokens, at + 1), Some(Part::Hundred | Part::Scale(_)))
    {
        (1, at + 1)
    } else if first && matches!(part_at(tokens, at), Some(Part::Hundred | Part::Scale(_))) {
        (1, at)
    } else {
        return None;
    };
    if part_at(tokens, after) != Some(Part::Hundred) {
        return Some((count, after));
    }
    let hundreds = count.checked_mul(100)?;
    let after = after + 1;
    let rest_at = match tokens.get(after) {
        Some(token) if token.is("and") => after + 1,
        _ => after,
    };
    let rest = below_hundred(tokens, rest_at)
        .or_else(|| figures(tokens, rest_at).filter(|(value, _)| *value < 100))
        .filter(|(value, end)| {
            // "One hundred five thousand" is 105,000, but "one hundred, fifty hundred" is not one.
            *value > 0 && part_at(tokens, *end) != Some(Part::Hundred)
        });
    match rest {
        Some((rest, end)) => Some((hundreds.checked_add(rest)?, end)),
        None => Some((hundreds, after)),
    }
}

/// An ordinal up to the thirty-first at `at` ("third", "twenty second", "3rd"), with the place
/// after it.
pub(super) fn ordinal(tokens: &[Token<'_>], at: usize) -> Option<(u64, usize)> {
    let token = tokens.get(at)?;
    if token.is_figures() {
        let suffix = tokens.get(at + 1)?;
        let fits = suffix.gap.trim().is_empty() && suffix.is_any(&["st", "nd", "rd", "th"]);
        let value = token.word.parse().ok()?;
        return fits.then_some((value, at + 2));
    }
    if let Some(value) = ordinal_word(&token.word) {
        return Some((value, at + 1));
    }
    match part(&token.word)? {
        Part::Tens(tens) => {
            let unit = tokens.get(at + 1).and_then(|next| ordinal_word(&next.word));
            let unit = unit.filter(|unit| *unit < 10)?;
            Some((u64::from(tens) + unit, at + 2))
        }
        _ => None,
    }
}

/// "First" to "nineteenth" and the round tens to "ninetieth".
pub(super) fn ordinal_word(word: &str) -> Option<u64> {
    const ORDINALS: &[&str] = &[
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
    ];
    let round = match word {
        "twentieth" => 20,
        "thirtieth" => 30,
        "fortieth" => 40,
        "fiftieth" => 50,
        "sixtieth" => 60,
        "seventieth" => 70,
        "eightieth" => 80,
        "ninetieth" => 90,
        _ => 0,
    };
    if round > 0 {
        return Some(round);
    }
    let place = ORDINALS.iter().position(|ordinal| *ordinal == word)?;
    u64::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    #[test]
    fn reads_whole_numbers() {
        let table: &[(&str, Option<(u64, usize)>)] = &[
            ("five", Some((5, 1))),
            ("twenty-one", Some((21, 2))),
            ("twenty zero", Some((20, 1))),
            ("a hundred", Some((100, 2))),
            ("a hundred and twenty", Some((120, 4))),
            ("hundred", Some((100, 1))),
            ("one hundred five", Some((105, 3))),
            ("one hundred and", Some((100, 2))),
            ("twelve hundred", Some((1_200, 2))),
            ("nine hundred ninety nine thousand", Some((999_000, 5))),
            ("one thousand two hundred", Some((1_200, 4))),
            ("two thousand and six", Some((2_006, 4))),
            ("two thousand five hundred", Some((2_500, 4))),
            ("three million two hundred thousand and one", Some((3_200_001, 7))),
            ("1,234", Some((1_234, 2))),
            ("1,234,567", Some((1_234_567, 3))),
            ("12, 345", Some((12, 1))),
            ("2 thousand", Some((2_000, 2))),
            ("5 hundred 20", Some((520, 3))),
            ("twelve fifty", Some((12, 1))),
            ("twenty, one", Some((20, 1))),
            ("3rd", None),
            ("a dog", None),
            ("and five", None),
            ("99999999999999999999999", None),
            ("18446744073709551615 thousand", None),
        ];
        for (text, expected) in table {
            assert_eq!(cardinal(&tokens(text), 0), *expected, "{text}");
        }
    }

    #[test]
    fn reads_ordinals() {
        let table: &[(&str, Option<(u64, usize)>)] = &[
            ("first", Some((1, 1))),
            ("twenty second", Some((22, 2))),
            ("twenty-third", Some((23, 2))),
            ("thirtieth", Some((30, 1))),
            ("thirty first", Some((31, 2))),
            ("3rd", Some((3, 2))),
            ("twelfth", Some((12, 1))),
            ("twenty", None),
            ("twenty tenth", None),
            ("3", None),
        ];
        for (text, expected) in table {
            assert_eq!(ordinal(&tokens(text), 0), *expected, "{text}");
        }
    }
}
