//! Which of some known names was said or spelled, when letters were heard for others that sound
//! like them on a telephone line.

use super::fill::Expectation;
use super::letters::alike;
use super::name;
use super::similar::full_sound;
use super::token::tokens;

/// Letters of a name that are looked at; longer ones do not exist.
const LETTERS_MAX: usize = 64;
/// A name less like the letters than this is another name.
const LIKENESS_MIN: f32 = 0.6;

/// What a letter heard for one whose name sounds alike counts.
const ALIKE_COST: f32 = 0.3;
/// "I", "Y" and "R" are heard for each other too, though no word explains one for another ("R as in
/// India").
const NAMED_LIKE_I: [char; 3] = ['i', 'y', 'r'];
/// What a vowel for another vowel counts.
const VOWEL_COST: f32 = 0.7;
/// What one of two equal letters counts that got lost, or was heard once too often.
const DOUBLE_COST: f32 = 0.4;

/// Readings of one utterance that are looked at; those after are too unlikely to tell anything.
const READINGS_MAX: usize = 10;
/// How much less likely a name gets with what it costs to make it the reading: one letter more or
/// less makes it e^3, twenty times, less likely.
const STEEPNESS: f32 = 3.0;

/// The candidate that the letters most likely spell, with 0 to 1 how like it they are. `None` if
/// none is like them, or if two are equally so.
pub fn nearest_name(heard_letters: &str, candidates: &[String]) -> Option<(usize, f32)> {
    let heard = Reading { words: vec![letters(heard_letters)], log_probability: 0.0 };
    let ranked = ranked(&[heard], candidates.iter().map(String::as_str));
    let (best, likeness) = *ranked.first()?;
    let is_tied = ranked.iter().skip(1).any(|(other, as_like)| {
        *as_like == likeness && !same_letters(&candidates[*other], &candidates[best])
    });
    (likeness >= LIKENESS_MIN && !is_tied).then_some((best, likeness))
}

/// All candidates by how likely each is what was said, best first, with 0 to 1 how like it is.
///
/// `readings` are texts for one and the same utterance ("it's Smith", "Smyth, S M I T H"), each
/// with the logarithm of its probability; these need not add up to one. A candidate that only an
/// unlikely reading has beats one that is merely like the likely reading: names that are on a list
/// are likelier to be said than any others. Letters that are heard for each other on a telephone
/// line weigh less than others. Of a reading with more words than the candidate has, the last
/// count: "Mary Smith" is as good as "Smith" where surnames are looked for.
pub fn rank(readings: &[(&str, f32)], candidates: &[&str]) -> Vec<(usize, f32)> {
    let readings: Vec<Reading> = readings
        .iter()
        .filter(|(_, log_probability)| log_probability.is_finite())
        .take(READINGS_MAX)
        .map(|(text, log_probability)| Reading::of(text, *log_probability))
        .collect();
    ranked(&readings, candidates.iter().copied())
}

/// Whether two names have the same letters, capitals and marks aside.
pub fn same_letters(a: &str, b: &str) -> bool {
    letters(a) == letters(b)
}

/// Whether two names are all but the same by ear when they are said. Of a first one with more
/// words than the second, the last count.
pub fn sounds_alike(heard: &str, name: &str) -> bool {
    let sound = |letters: Vec<char>| full_sound(&letters.into_iter().collect::<String>());
    let (heard, name) =
        (sound(last_letters(&words(heard), words(name).len())), sound(letters(name)));
    !heard.is_empty() && heard == name
}

/// The same for a first one that was spelled: no more than a letter or two differ, and only by
/// letters that are heard for each other on a telephone line.
pub fn spells_alike(heard: &str, name: &str) -> bool {
    let (heard, name) = (last_letters(&words(heard), words(name).len()), letters(name));
    !heard.is_empty() && !name.is_empty() && distance(&heard, &name) < VOWEL_COST
}

/// A name as it may have been said. Not `Debug`: a caller said it.
struct Reading {
    /// Letters by word.
    words: Vec<Vec<char>>,
    log_probability: f32,
}

impl Reading {
    fn of(text: &str, log_probability: f32) -> Self {
        let found = name::find(text, &tokens(text), Expectation::Asked).pop();
        let words = found.map_or_else(|| vec![letters(text)], |found| words(&found.value));
        Self { words, log_probability }
    }
}

/// The letters of each word of a name.
fn words(name: &str) -> Vec<Vec<char>> {
    name.split_whitespace().map(letters).collect()
}

/// The letters of the last `count` words.
fn last_letters(words: &[Vec<char>], count: usize) -> Vec<char> {
    words[words.len().saturating_sub(count.max(1))..].concat()
}

fn ranked<'c>(
    readings: &[Reading],
    candidates: impl Iterator<Item = &'c str>,
) -> Vec<(usize, f32)> {
    let logs: Vec<f32> = readings.iter().map(|reading| reading.log_probability).collect();
    let total = log_sum(&logs);
    let mut ranked: Vec<(usize, f32)> = candidates
        .map(|candidate| likeness_to_any(readings, total, candidate))
        .enumerate()
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

/// How like a candidate is to what was read, 0 to 1. With a single reading this is [`likeness`].
fn likeness_to_any(readings: &[Reading], total: f32, candidate: &str) -> f32 {
    let (meant, count) = (letters(candidate), words(candidate).len());
    let (mut best, mut longer) = (f32::NEG_INFINITY, meant.len());
    let mut logs = Vec::with_capacity(readings.len());
    for reading in readings {
        let heard = last_letters(&reading.words, count);
        if heard.is_empty() || meant.is_empty() {
            continue;
        }
        let log = reading.log_probability - total - STEEPNESS * distance(&heard, &meant);
        if log > best {
            (best, longer) = (log, meant.len().max(heard.len()));
        }
        logs.push(log);
    }
    if logs.is_empty() {
        return 0.0;
    }
    (1.0 + log_sum(&logs) / (STEEPNESS * longer as f32)).clamp(0.0, 1.0)
}

/// The logarithm of the sum of what these are the logarithms of.
fn log_sum(logs: &[f32]) -> f32 {
    let most = logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY {
        return most;
    }
    most + logs.iter().map(|log| (log - most).exp()).sum::<f32>().ln()
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
    } else if alike(a, b) || (NAMED_LIKE_I.contains(&a) && NAMED_LIKE_I.contains(&b)) {
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

    fn best<'c>(readings: &[(&str, f32)], candidates: &[&'c str]) -> Option<&'c str> {
        let ranked = rank(readings, candidates);
        assert_eq!(ranked.len(), candidates.len());
        assert!(ranked.is_sorted_by(|a, b| a.1 >= b.1));
        ranked
            .first()
            .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
            .map(|(i, _)| candidates[*i])
    }

    #[test]
    fn several_readings_of_one_utterance_are_weighed_together() {
        let names = ["Baker", "Parker", "Jones", "Snyder", "Smith", "O'Brien", "Garcia Lopez"];
        type Readings<'a> = &'a [(&'a str, f32)];
        let table: &[(Readings<'_>, Option<&str>)] = &[
            (&[("it's Smith", -0.1)], Some("Smith")),
            // What is on the list beats what is likelier and only like it.
            (&[("Sniper", -0.4), ("Snyder", -1.6)], Some("Snyder")),
            (&[("Bones", -0.3), ("Jones", -1.5)], Some("Jones")),
            // Unless it is out of all proportion.
            (&[("Smith", -0.01), ("Jones", -30.0)], Some("Smith")),
            // Each has one letter wrong, and another one.
            (&[("F M I T H", -0.7), ("S N I T H", -0.7), ("S M I D H", -1.6)], Some("Smith")),
            (&[("D A K E R", -0.5), ("T A K E R", -1.0)], Some("Baker")),
            (&[("Smyth, S M I T H", -0.2), ("Smit", -2.0)], Some("Smith")),
            (&[("my name is Mary Smith", -0.3)], Some("Smith")),
            (&[("Garcia Lopez", -0.3)], Some("Garcia Lopez")),
            (&[("O'Brien, O B R I E N", -0.3)], Some("O'Brien")),
            (&[("whatever you say", -0.1)], None),
            (&[("Smith", f32::NAN)], None),
            (&[], None),
        ];
        for (readings, expected) in table {
            assert_eq!(best(readings, &names), *expected, "{readings:?}");
        }
        assert!(rank(&[("Smith", 0.0)], &[]).is_empty());
    }

    #[test]
    fn letters_that_sound_alike_weigh_less() {
        for (heard, near, far) in [
            ("D A L E", "Gale", "Yale"),
            ("N A S O N", "Mason", "Wason"),
            ("F I N G", "Sing", "Ling"),
            ("J A N E", "Hane", "Lane"),
            ("R A N G", "Yang", "Wang"),
            ("S M Y T H", "Smith", "Smoth"),
        ] {
            assert_eq!(best(&[(heard, 0.0)], &[far, near]), Some(near), "{heard}");
        }
        // Readings need not add up to one: alone, an unlikely one is as good as any.
        assert_eq!(rank(&[("Smith", -9.0)], &["Smith"]), [(0, 1.0)]);
    }

    #[test]
    fn tells_names_that_are_the_same_by_ear() {
        for (heard, name) in [
            ("Smith", "Smythe"),
            ("Smyth", "Smith"),
            ("Reid", "Reade"),
            ("Lee", "Leigh"),
            ("Clark", "Clarke"),
            ("Stephen", "Steven"),
            ("Katherine", "Catherine"),
            ("Hadad", "Haddad"),
            ("Feltman", "Feldman"),
            ("Nora Feldman", "Feldman"),
        ] {
            assert!(sounds_alike(heard, name), "{heard} {name}");
        }
        for (heard, name) in [
            ("Bell", "Ball"),
            ("Moore", "Mary"),
            ("Hall", "Wall"),
            ("Hall", "All"),
            ("Dale", "Gale"),
            ("Smith", "Schmidt"),
            ("Feldstein", "Feldman"),
            ("Feldman", "Nora Feldman"),
            ("R\u{e9}ne", "R\u{f6}ne"),
            ("", ""),
        ] {
            assert!(!sounds_alike(heard, name), "{heard} {name}");
        }
        assert!(spells_alike("Dale", "Gale") && spells_alike("Whitaker", "Whittaker"));
        assert!(!spells_alike("Dale", "Dole") && !spells_alike("Dale", "Daly"));
        assert!(same_letters("O'Brien", "OBRIEN") && !same_letters("Smith", "Smyth"));
    }

    proptest! {
        #[test]
        fn any_readings_are_survived(
            readings in prop::collection::vec((any::<String>(), any::<f32>()), 0..12),
            candidates in prop::collection::vec(any::<String>(), 0..5),
        ) {
            let read: Vec<(&str, f32)> =
                readings.iter().map(|(text, log)| (text.as_str(), *log)).collect();
            let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
            let ranked = rank(&read, &candidates);
            prop_assert_eq!(ranked.len(), candidates.len());
            for (index, likeness) in ranked {
                prop_assert!((0.0..=1.0).contains(&likeness), "{}", likeness);
                let heard = read.first().map_or("", |(text, _)| *text);
                let _ = sounds_alike(heard, candidates[index]);
                let _ = spells_alike(heard, candidates[index]);
            }
        }

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
