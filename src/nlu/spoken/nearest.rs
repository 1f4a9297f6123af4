//! Which of some known names was spelled, when letters were heard for others that sound like them
//! on a telephone line.

use super::letters::alike;

/// Letters of a name that are looked at; longer ones do not exist.
const LETTERS_MAX: usize = 64;
/// A name less like the letters than this is another name.
const LIKENESS_MIN: f32 = 0.6;

/// What a letter heard for one whose name sounds alike counts.
const ALIKE_COST: f32 = 0.3;
/// What a vowel for another vowel counts.
const VOWEL_COST: f32 = 0.7;
/// What one of two equal letters counts that got lost, or was heard once too often.
const DOUBLE_COST: f32 = 0.4;

/// The candidate that the letters most likely spell, with 0 to 1 how like it they are. `None` if
/// none is like them, or if two are equally so.
pub fn nearest_name(heard_letters: &str, candidates: &[String]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    let mut is_tied = false;
    for (index, candidate) in candidates.iter().enumerate() {
        let likeness = likeness(heard_letters, candidate);
        match best {
            Some((before, most)) if likeness == most => {
                is_tied |= letters(candidate) != letters(&candidates[before]);
            }
            Some((_, most)) if likeness < most => {}
            _ => {
                best = Some((index, likeness));
                is_tied = false;
            }
        }
    }
    best.filter(|(_, likeness)| *likeness >= LIKENESS_MIN && !is_tied)
}

/// How like two names are, 0 to 1: their letters alone count.
pub(super) fn likeness(a: &str, b: &str) -> f32 {
    let (a, b) = (letters(a), letters(b));
    let longer = a.len().max(b.len());
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    (1.0 - distance(&a, &b) / longer as f32).max(0.0)
}

/// The letters of a name, in lower case.
fn letters(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| c.is_alphabetic())
        .flat_map(char::to_lowercase)
        .take(LETTERS_MAX)
        .collect()
}

/// What it costs to make one name the other, letter by letter.
fn distance(a: &[char], b: &[char]) -> f32 {
    let lone = |letters: &[char], at: usize| {
        if at > 0 && letters[at] == letters[at - 1] { DOUBLE_COST } else { 1.0 }
    };
    let mut sum = 0.0_f32;
    let mut row = vec![sum];
    row.extend((0..b.len()).map(|at| {
        sum += lone(b, at);
        sum
    }));
    for (i, a_letter) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] += lone(a, i);
        for (j, b_letter) in b.iter().enumerate() {
            let replaced = diagonal + replace_cost(*a_letter, *b_letter);
            diagonal = row[j + 1];
            let dropped = diagonal + lone(a, i);
            let added = row[j] + lone(b, j);
            row[j + 1] = replaced.min(dropped).min(added);
        }
    }
    row[b.len()]
}

fn replace_cost(a: char, b: char) -> f32 {
    let is_vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    if a == b {
        0.0
    } else if alike(a, b) {
        ALIKE_COST
    } else if is_vowel(a) && is_vowel(b) {
        VOWEL_COST
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Vec<String> {
        ["Smith", "Snyder", "Baker", "Parker", "Mason", "Whittaker", "O'Brien", "Lee", "Nguyen"]
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn finds_the_name_that_was_spelled() {
        for (heard, expected) in [
            ("smith", Some("Smith")),
            ("SMITH", Some("Smith")),
            ("s m i t h", Some("Smith")),
            ("fmith", Some("Smith")),
            ("snith", Some("Smith")),
            ("smyth", Some("Smith")),
            ("smidh", Some("Smith")),
            ("smit", Some("Smith")),
            ("baker", Some("Baker")),
            ("daker", Some("Baker")),
            ("pakerr", Some("Baker")),
            ("parker", Some("Parker")),
            ("nason", Some("Mason")),
            ("mafon", Some("Mason")),
            ("whitaker", Some("Whittaker")),
            ("whiddaker", Some("Whittaker")),
            ("obrien", Some("O'Brien")),
            ("oprien", Some("O'Brien")),
            ("le", Some("Lee")),
            ("mguyen", Some("Nguyen")),
            ("jones", None),
            ("x", None),
            ("", None),
            ("123", None),
        ] {
            let names = names();
            let found = nearest_name(heard, &names).map(|(index, _)| names[index].as_str());
            assert_eq!(found, expected, "{heard}");
        }
        assert_eq!(nearest_name("smith", &[]), None);
    }

    #[test]
    fn is_surer_of_what_was_heard_right() {
        let names = names();
        let likeness = |heard: &str| nearest_name(heard, &names).map_or(0.0, |found| found.1);
        assert!(likeness("smith") > likeness("fmith"));
        assert!(likeness("fmith") > likeness("amith"));
        assert!(likeness("whitaker") > likeness("whittake"));
    }

    #[test]
    fn does_not_choose_between_equals() {
        let names = ["Dale".to_owned(), "Gale".to_owned()];
        assert_eq!(nearest_name("bale", &names), None);
        let same = ["Dale".to_owned(), "dale".to_owned()];
        assert_eq!(nearest_name("dale", &same), Some((0, 1.0)));
    }

    proptest! {
        #[test]
        fn any_names_are_survived(
            heard in any::<String>(),
            candidates in prop::collection::vec(any::<String>(), 0..5),
        ) {
            if let Some((index, likeness)) = nearest_name(&heard, &candidates) {
                prop_assert!(index < candidates.len());
                prop_assert!((0.0..=1.0).contains(&likeness));
            }
        }
    }
}
