//! From a caller's line as it is written to what a person would say: figures of a number one by
//! one with small pauses, "$50" as fifty dollars. Pure.

use crate::engine::voice::normalise;

const DIGITS: [&str; 10] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// Figures from which on nobody takes a number for an amount.
const LONG_NUMBER: usize = 5;

/// Figures from which on a number that stands alone is an answer, said figure by figure.
const LONE_NUMBER: usize = 3;

/// Digits that are said in one breath.
const BREATH_MAX: usize = 5;

/// Marks that may follow a word.
const MARKS: [char; 6] = ['.', ',', ';', ':', '!', '?'];

/// The words for a synthetic voice.
pub fn as_said(text: &str) -> String {
    with_pauses(&normalise(&with_figures_spelled(text), &[]))
}

fn bare(word: &str) -> &str {
    word.trim_end_matches(MARKS)
}

/// `account 12345678.` to `account one two three four five six seven eight.`
fn with_figures_spelled(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let figures = if words.len() == 1 { LONE_NUMBER } else { LONG_NUMBER };
    let spelled = words.iter().map(|word| {
        let number = bare(word);
        let is_code = number.len() >= figures && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_code {
            return (*word).to_owned();
        }
        let digits = number.bytes().map(|byte| DIGITS[usize::from(byte - b'0')]);
        digits.collect::<Vec<_>>().join(" ") + &word[number.len()..]
    });
    spelled.collect::<Vec<_>>().join(" ")
}

/// Puts a small pause between groups of digits where more follow each other than a breath takes.
fn with_pauses(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let mut said: Vec<String> = Vec::with_capacity(words.len());
    while said.len() < words.len() {
        let rest = &words[said.len()..];
        let run = digits_in_a_row(rest);
        if run <= BREATH_MAX {
            let end = run.max(1);
            said.extend(rest[..end].iter().map(|word| (*word).to_owned()));
            continue;
        }
        let mut left = run;
        while left > 0 {
            let group = group_len(left);
            let begin = run - left;
            said.extend(rest[begin..begin + group].iter().map(|word| (*word).to_owned()));
            left -= group;
            if left > 0
                && let Some(last) = said.last_mut()
            {
                last.push(',');
            }
        }
    }
    said.join(" ")
}

/// Fours where they come out even, else threes first: a phone number is said as 3, 3 and 4.
fn group_len(left: usize) -> usize {
    match left {
        0..=BREATH_MAX => left,
        _ if left.is_multiple_of(4) => 4,
        _ => 3,
    }
}

/// How many words from the first on are digits; a mark ends them.
fn digits_in_a_row(words: &[&str]) -> usize {
    let mut count = 0;
    for word in words {
        let digit = bare(word);
        if !DIGITS.iter().any(|known| known.eq_ignore_ascii_case(digit)) {
            break;
        }
        count += 1;
        if digit.len() < word.len() {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_the_eye_is_said_for_the_ear() {
        for (written, said) in [
            ("what's my balance", "what's my balance"),
            ("12345678", "one two three four, five six seven eight"),
            ("4321", "four three two one"),
            ("50", "fifty"),
            (
                "what's the balance on account 12345678",
                "what's the balance on account one two three four, five six seven eight",
            ),
            (
                "no, one two three four five six seven eight",
                "no, one two three four, five six seven eight",
            ),
            ("one two three four", "one two three four"),
            ("5550123456, please", "five five five, zero one two, three four five six, please"),
            (
                "9 Elm Street, Springfield, 62704",
                "nine Elm Street, Springfield, six two seven zero four",
            ),
            ("move $50 to savings", "move fifty dollars to savings"),
            ("it was $1,204.50", "it was one thousand two hundred four dollars and fifty cents"),
            ("", ""),
        ] {
            assert_eq!(as_said(written), said, "{written}");
        }
    }

    #[test]
    fn digits_come_in_groups_that_add_up() {
        for (len, groups) in [
            (5, vec![5]),
            (6, vec![3, 3]),
            (7, vec![3, 4]),
            (8, vec![4, 4]),
            (10, vec![3, 3, 4]),
            (16, vec![4, 4, 4, 4]),
        ] {
            let mut left = len;
            let mut found = Vec::new();
            while left > 0 {
                found.push(group_len(left));
                left -= group_len(left);
            }
            assert_eq!(found, groups, "{len}");
        }
    }
}
