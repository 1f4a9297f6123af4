//! Word error rate and the English normaliser it is measured with. For evaluation, and to know our
//! own words again when they come back.
//!
//! Both sides are normalised first: lower case, no punctuation, brackets or fillers, contractions
//! in full, numbers as single digits ("twenty one", "21" and "two one" are all `2 1`), spelled
//! letters joined ("O Q I" and "OQI" are both `oqi`). Numbers are split because their grouping is
//! not heard, and because one wrong digit of ten is one error, not one in one.

/// Errors of a transcript against its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WordErrors {
    /// Words that were heard as others.
    pub substitutions: usize,
    /// Words that were heard and not said.
    pub insertions: usize,
    /// Words that were said and not heard.
    pub deletions: usize,
    /// Words in the reference.
    pub reference_words: usize,
}

impl WordErrors {
    /// All errors over the words said; 0 for an empty reference with no errors, and infinite for
    /// one with insertions.
    pub fn rate(&self) -> f64 {
        let errors = self.substitutions + self.insertions + self.deletions;
        match (errors, self.reference_words) {
            (0, _) => 0.0,
            (errors, words) => errors as f64 / words as f64,
        }
    }
}

impl std::ops::AddAssign for WordErrors {
    fn add_assign(&mut self, other: Self) {
        self.substitutions += other.substitutions;
        self.insertions += other.insertions;
        self.deletions += other.deletions;
        self.reference_words += other.reference_words;
    }
}

/// Normalises both texts and counts the errors of `heard`.
pub fn word_errors(reference: &str, heard: &str) -> WordErrors {
    count_errors(&normalise(reference), &normalise(heard))
}

/// Counts the errors between word lists: the fewest that turn one into the other.
pub fn count_errors(reference: &[String], heard: &[String]) -> WordErrors {
    // One row of the alignment at a time; each cell has the errors of the best path to it.
    let mut row: Vec<WordErrors> = (0..=heard.len())
        .map(|insertions| WordErrors { insertions, ..Default::default() })
        .collect();
    let total = |cell: &WordErrors| cell.substitutions + cell.insertions + cell.deletions;
    for (i, said) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = WordErrors { deletions: i + 1, ..Default::default() };
        for (j, word) in heard.iter().enumerate() {
            let mut replaced = diagonal;
            replaced.substitutions += usize::from(said != word);
            let mut deleted = row[j + 1];
            deleted.deletions += 1;
            let mut inserted = row[j];
            inserted.insertions += 1;
            diagonal = row[j + 1];
            row[j + 1] =
                [replaced, deleted, inserted].into_iter().min_by_key(total).unwrap_or(replaced);
        }
    }
    WordErrors { reference_words: reference.len(), ..row[heard.len()] }
}

/// The words of a text as they are compared.
pub fn normalise(text: &str) -> Vec<String> {
    let plain = without_brackets(text).to_lowercase().replace(['\u{2019}', '\u{2018}', '`'], "'");
    let words = expand(&split(&plain));
    join_letters(&spell_numbers(&words))
}

/// Takes out what stands in brackets: notes of the transcriber, not words.
fn without_brackets(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closing: Vec<char> = Vec::new();
    for (at, c) in text.char_indices() {
        let partner = match c {
            '[' => Some(']'),
            '(' => Some(')'),
            '<' => Some('>'),
            _ => None,
        };
        // A bracket that is never closed is only a mark.
        if let Some(partner) = partner.filter(|partner| text[at..].contains(*partner)) {
            closing.push(partner);
        } else if closing.last() == Some(&c) {
            closing.pop();
            kept.push(' ');
        } else if closing.is_empty() {
            kept.push(c);
        }
    }
    kept
}

/// Splits into words, numbers and signs that are spoken. "$5.20" becomes `5 dollars 2 0 cents`.
fn split(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut unit_after: Option<&str> = None;
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_ascii_digit() {
            let (number, end) = read_number(&chars, at);
            push_number(&mut words, &number, unit_after.take());
            at = end;
            continue;
        }
        if c.is_alphabetic() {
            let end = (at..chars.len())
                .find(|i| !chars[*i].is_alphabetic() && !is_inner_apostrophe(&chars, *i))
                .unwrap_or(chars.len());
            push_word(&mut words, chars[at..end].iter().collect());
            unit_after = None;
            at = end;
            continue;
        }
        match c {
            '$' => unit_after = Some("dollars"),
            '£' => unit_after = Some("pounds"),
            '€' => unit_after = Some("euros"),
            '%' => words.push("percent".to_owned()),
            '&' => words.push("and".to_owned()),
            _ => {}
        }
        at += 1;
    }
    words
}

fn is_inner_apostrophe(chars: &[char], at: usize) -> bool {
    chars[at] == '\'' && chars.get(at + 1).is_some_and(|next| next.is_alphabetic())
}

/// Figures with thousands separators and decimals, as written without the separators.
fn read_number(chars: &[char], start: usize) -> (String, usize) {
    let mut number = String::new();
    let mut at = start;
    while at < chars.len() {
        let followed = chars.get(at + 1).is_some_and(char::is_ascii_digit);
        match chars[at] {
            c if c.is_ascii_digit() => number.push(c),
            ',' if followed && is_thousands(chars, at) => {}
            '.' if followed && !number.contains('.') => number.push('.'),
            _ => break,
        }
        at += 1;
    }
    (number, at)
}

/// Whether exactly three digits follow.
fn is_thousands(chars: &[char], comma: usize) -> bool {
    let digits = chars[comma + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
    digits == 3
}

fn push_number(words: &mut Vec<String>, number: &str, unit: Option<&str>) {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    words.push(whole.to_owned());
    match unit {
        Some(unit) => {
            words.push(unit.to_owned());
            if !decimals.is_empty() {
                words.push(decimals.to_owned());
                words.push("cents".to_owned());
            }
        }
        None if decimals.is_empty() => {}
        None => {
            words.push("point".to_owned());
            words.push(decimals.to_owned());
        }
    }
}

/// A word, or the ending of an ordinal in figures put back onto them.
fn push_word(words: &mut Vec<String>, word: String) {
    let is_ending = matches!(word.as_str(), "st" | "nd" | "rd" | "th");
    match words.last_mut() {
        Some(last) if is_ending && last.chars().all(|c| c.is_ascii_digit()) => {
            last.push_str(&word);
        }
        _ => words.push(word),
    }
}

/// Expands contractions, drops fillers and settles on one of several spellings.
fn expand(words: &[String]) -> Vec<String> {
    let mut expanded: Vec<String> = Vec::new();
    for word in words {
        if is_dropped(word) {
            continue;
        }
        if let Some(full) = whole_contraction(word) {
            expanded.extend(full.split(' ').map(str::to_owned));
            continue;
        }
        let (stem, ending) = contraction(word);
        expanded.push(stem.replace('\'', ""));
        expanded.extend(ending.map(str::to_owned));
    }
    expanded
}

fn is_dropped(word: &str) -> bool {
    matches!(word, "um" | "uh" | "er" | "erm" | "hmm" | "hm" | "mm" | "mhm" | "mmm" | "ah" | "uhm")
}

fn whole_contraction(word: &str) -> Option<&'static str> {
    let full = match word {
        "won't" => "will not",
        "can't" | "cannot" => "can not",
        "shan't" => "shall not",
        "let's" => "let us",
        "ain't" => "is not",
        "y'all" => "you all",
        "o'clock" => "oclock",
        "gonna" => "going to",
        "wanna" => "want to",
        "gotta" => "got to",
        "gimme" => "give me",
        "ok" | "o.k" => "okay",
        "mr" => "mister",
        "mrs" => "missus",
        "dr" => "doctor",
        "alright" => "all right",
        "goodbye" => "good bye",
        "naught" | "nought" => "zero",
        "colour" => "color",
        "cheque" => "check",
        "cheques" => "checks",
        "chequing" => "checking",
        "centre" => "center",
        "cancelled" => "canceled",
        "grey" => "gray",
        _ => return None,
    };
    Some(full)
}

fn contraction(word: &str) -> (&str, Option<&'static str>) {
    const ENDINGS: &[(&str, &str)] = &[
        ("n't", "not"),
        ("'re", "are"),
        ("'s", "is"),
        ("'d", "would"),
        ("'ll", "will"),
        ("'ve", "have"),
        ("'m", "am"),
    ];
    ENDINGS
        .iter()
        .find_map(|(ending, full)| word.strip_suffix(ending).map(|stem| (stem, Some(*full))))
        .filter(|(stem, _)| !stem.is_empty())
        .unwrap_or((word, None))
}

/// A number word's value and whether something may follow it within the same number.
fn number_word(word: &str) -> Option<u64> {
    const SMALL: &[&str] = &[
        "zero",
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
    ];
    const TENS: &[&str] =
        &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let place = |list: &[&str]| list.iter().position(|name| *name == word);
    let value = match (place(SMALL), place(TENS)) {
        (Some(small), _) => small,
        (_, Some(tens)) => (tens + 2) * 10,
        _ => return None,
    };
    u64::try_from(value).ok()
}

/// Writes numbers digit by digit, ordinals as `2 2 nd` written together: `22nd`.
fn spell_numbers(words: &[String]) -> Vec<String> {
    let mut spelled = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if let Some((number, end)) = number_at(words, at) {
            spelled.extend(number.chars().map(String::from));
            at = end;
        } else if let Some((ordinal, end)) = ordinal_at(words, at) {
            spelled.push(ordinal);
            at = end;
        } else if is_zero_letter(words, at) {
            spelled.push("0".to_owned());
            at += 1;
        } else if let Some((digits, end)) = repeated_at(words, at) {
            spelled.extend(digits);
            at = end;
        } else {
            spelled.push(words[at].clone());
            at += 1;
        }
    }
    spelled
}

fn is_digit_word(words: &[String], at: usize) -> bool {
    words
        .get(at)
        .is_some_and(|word| number_word(word).is_some() || word.chars().all(|c| c.is_ascii_digit()))
}

/// "Oh" beside a digit.
fn is_zero_letter(words: &[String], at: usize) -> bool {
    let is_letter = |at: usize| words.get(at).is_some_and(|word| word == "oh" || word == "o");
    let beside = |at: usize| is_digit_word(words, at) || is_letter(at);
    is_letter(at)
        && (is_digit_word(words, at + 1)
            || at.checked_sub(1).is_some_and(|before| is_digit_word(words, before))
            || (at > 1 && beside(at - 1) && is_digit_word(words, at - 2))
            || (beside(at + 1) && is_digit_word(words, at + 2)))
}

/// "Double seven".
fn repeated_at(words: &[String], at: usize) -> Option<(Vec<String>, usize)> {
    let times = match words[at].as_str() {
        "double" => 2,
        "triple" => 3,
        _ => return None,
    };
    let next = words.get(at + 1)?;
    let digit = match next.as_str() {
        "oh" | "o" => 0,
        _ => number_word(next).or_else(|| next.parse().ok()).filter(|value| *value < 10)?,
    };
    Some((vec![digit.to_string(); times], at + 2))
}

/// A whole number at `at`, in figures or words.
fn number_at(words: &[String], at: usize) -> Option<(String, usize)> {
    let first = &words[at];
    if first.chars().all(|c| c.is_ascii_digit()) && multiplier(words, at + 1).is_none() {
        return Some((first.clone(), at + 1));
    }
    let mut total: u64 = 0;
    let mut group: Option<u64> = None;
    let mut end = at;
    let mut scale_before = u64::MAX;
    loop {
        let word = match words.get(end).map(String::as_str) {
            // "And" only inside: "two hundred and five".
            Some("and") if end > at && multiplier(words, end - 1).is_some() => {
                if number_word(words.get(end + 1).map_or("", String::as_str)).is_none() {
                    break;
                }
                end += 1;
                continue;
            }
            Some("a") if end == at && multiplier(words, end + 1).is_some() => {
                group = Some(1);
                end += 1;
                continue;
            }
            Some(word) => word,
            None => break,
        };
        let value = number_word(word).or_else(|| if end == at { word.parse().ok() } else { None });
        if let Some(value) = value {
            if ordinal_at(words, end).is_some_and(|(_, after)| after > end + 1) {
                break;
            }
            match group {
                None => group = Some(value),
                Some(before) if joins(before, value) => group = Some(before + value),
                Some(_) => break,
            }
        } else if let (Some(scale), Some(before)) = (multiplier(words, end), group) {
            if scale == 100 {
                if before == 0 || before > 99 {
                    break;
                }
                group = before.checked_mul(100);
            } else {
                if scale >= scale_before {
                    break;
                }
                total = total.checked_add(before.checked_mul(scale)?)?;
                scale_before = scale;
                group = None;
            }
        } else {
            break;
        }
        end += 1;
    }
    let read_any = end > at && (group.is_some() || scale_before != u64::MAX);
    let value = total.checked_add(group.unwrap_or(0))?;
    (read_any && words[at] != "and").then(|| (value.to_string(), end))
}

/// Whether a number word continues the number before it: "twenty" "one", "two hundred" "five".
fn joins(before: u64, value: u64) -> bool {
    let after_hundreds = before >= 100 && before.is_multiple_of(100) && value > 0 && value < 100;
    let after_tens = before % 100 >= 20 && before.is_multiple_of(10) && (1..10).contains(&value);
    after_hundreds || after_tens
}

fn multiplier(words: &[String], at: usize) -> Option<u64> {
    match words.get(at)?.as_str() {
        "hundred" => Some(100),
        "thousand" => Some(1_000),
        "million" => Some(1_000_000),
        _ => None,
    }
}

/// "Third", "twenty second": `3rd`, `22nd`. "Second" stays a word where it may be a time.
fn ordinal_at(words: &[String], at: usize) -> Option<(String, usize)> {
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
        "twentieth",
        "thirtieth",
    ];
    let unit = |at: usize| {
        let word = words.get(at)?;
        ORDINALS.iter().position(|ordinal| ordinal == word).map(|place| match place {
            20 => 30,
            place => place + 1,
        })
    };
    let tens = number_word(&words[at]).filter(|value| *value >= 20);
    let (value, end) = match tens {
        Some(tens) => {
            let unit = unit(at + 1).filter(|unit| *unit < 10)?;
            (usize::try_from(tens).ok()? + unit, at + 2)
        }
        None => (unit(at)?, at + 1),
    };
    let ending = match (value % 10, value % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    Some((format!("{value}{ending}"), end))
}

/// Joins runs of single letters into one word. "I" and "a" alone are words.
fn join_letters(words: &[String]) -> Vec<String> {
    let is_letter =
        |word: &String| word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    let mut joined: Vec<String> = Vec::new();
    let mut open = false;
    for word in words {
        match joined.last_mut() {
            Some(last) if open && is_letter(word) => last.push_str(word),
            _ => joined.push(word.clone()),
        }
        open = is_letter(word);
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normalises() {
        let table = [
            ("Hello, World!", "hello world"),
            ("[noise] yes (laughs) please <unk>", "yes please"),
            ("um, I don't know", "i do not know"),
            ("it's what they've said", "it is what they have said"),
            ("I can't and won't", "i can not and will not"),
            ("OK", "okay"),
            ("yeah, nope", "yeah nope"),
            ("twenty one", "2 1"),
            ("21", "2 1"),
            ("two one", "2 1"),
            ("one hundred and five", "1 0 5"),
            ("two thousand and six", "2 0 0 6"),
            ("nineteen seventy", "1 9 7 0"),
            ("12 34", "1 2 3 4"),
            ("1,234", "1 2 3 4"),
            ("five hundred thousand", "5 0 0 0 0 0"),
            ("2 thousand", "2 0 0 0"),
            ("a hundred", "1 0 0"),
            ("one oh oh two", "1 0 0 2"),
            ("oh seven nine", "0 7 9"),
            ("oh no", "oh no"),
            ("double seven", "7 7"),
            ("$5.20", "5 dollars 2 0 cents"),
            ("five dollars", "5 dollars"),
            ("$50", "5 0 dollars"),
            ("3.5", "3 point 5"),
            ("50%", "5 0 percent"),
            ("O Q I M I thirty two", "oqimi 3 2"),
            ("OQIMI 32", "oqimi 3 2"),
            ("O-Q-I-M-I 32.", "oqimi 3 2"),
            ("U.S.A.", "usa"),
            ("March third", "march 3rd"),
            ("march twenty second", "march 22nd"),
            ("March 22nd", "march 22nd"),
            ("the third of may", "the 3rd of may"),
            ("salt and pepper", "salt and pepper"),
            ("one and two", "1 and 2"),
            ("(unclosed", "unclosed"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(normalise(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn counts_each_kind_of_error() {
        let table = [
            ("a cat sat", "a cat sat", (0, 0, 0)),
            ("a cat sat", "a bat sat", (1, 0, 0)),
            ("a cat sat", "a cat sat down", (0, 1, 0)),
            ("a cat sat", "a cat", (0, 0, 1)),
            ("the cat", "", (0, 0, 2)),
            ("", "the cat", (0, 2, 0)),
            ("one two three four", "1 2 4", (0, 0, 1)),
            ("O K E Y", "okey", (0, 0, 0)),
        ];
        for (reference, heard, (substitutions, insertions, deletions)) in table {
            let errors = word_errors(reference, heard);
            let found = (errors.substitutions, errors.insertions, errors.deletions);
            assert_eq!(found, (substitutions, insertions, deletions), "{reference} / {heard}");
        }
    }

    #[test]
    fn rates_add_up() {
        let mut total = word_errors("one two three four", "1 2 3 5");
        assert!((total.rate() - 0.25).abs() < 1e-9);
        total += word_errors("the cat sat down", "the cat sat down");
        assert!((total.rate() - 0.125).abs() < 1e-9);
        assert_eq!(word_errors("", "").rate(), 0.0);
        assert!(word_errors("", "cat").rate().is_infinite());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(reference in any::<String>(), heard in any::<String>()) {
            let errors = word_errors(&reference, &heard);
            prop_assert!(errors.deletions + errors.substitutions <= errors.reference_words);
            prop_assert_eq!(word_errors(&heard, &heard).rate(), 0.0);
        }
    }
}
