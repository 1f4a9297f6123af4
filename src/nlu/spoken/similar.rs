//! How alike two words are, in letters and in sound: for one word that was misheard.

/// Letters to insert, delete or replace to make one word the other.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a_char) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b_char) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a_char != *b_char);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Roughly how an English word sounds: consonants by the place they are made at, vowels gone but
/// for a first one.
pub fn sound(word: &str) -> String {
    sounded(word, |letters, at| match letters[at] {
        letter if at == 0 && is_vowel(letter) => (Some('a'), 1),
        _ => consonant(letters, at),
    })
}

/// As [`sound`], but with every vowel, as far as its spelling tells how it is said: two names with
/// the same are all but the same by ear ("Smith", "Smythe").
pub(super) fn full_sound(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let is_silent_e = matches!(&letters[..], [.., before, 'e'] if !is_vowel(*before));
    let word = if is_silent_e { &word[..word.len() - 1] } else { word };
    sounded(word, |letters, at| {
        let vowels = letters[at..].iter().take_while(|letter| is_vowel(**letter)).count();
        match letters[at] {
            // How it is said cannot be told.
            letter if !letter.is_ascii() => (Some(letter), 1),
            _ if vowels > 0 => (Some(vowel(&letters[at..at + vowels])), vowels),
            letter @ ('h' | 'w') if at == 0 && letters.get(1) != Some(&'r') => (Some(letter), 1),
            _ => consonant(letters, at),
        }
    })
}

/// A key of sounds, none twice in a row. `code` gives the sound at a place, if there is one, and
/// how many letters it takes.
fn sounded(word: &str, code: impl Fn(&[char], usize) -> (Option<char>, usize)) -> String {
    let letters: Vec<char> = word.chars().collect();
    let mut key = String::new();
    let mut at = 0;
    while at < letters.len() {
        let (code, used) = code(&letters, at);
        if let Some(code) = code.filter(|code| !key.ends_with(*code)) {
            key.push(code);
        }
        at += used.max(1);
    }
    key
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// What vowels in a row sound like: "ee", "ei", "ea" and "y" are the same.
fn vowel(letters: &[char]) -> char {
    match letters {
        ['e'] => 'e',
        ['e', 'a'] => 'i',
        letters if letters.contains(&'a') => 'a',
        letters if letters.contains(&'o') || letters.contains(&'u') => 'o',
        _ => 'i',
    }
}

/// The consonant at a place by where it is made, and how many letters it is written with.
fn consonant(letters: &[char], at: usize) -> (Option<char>, usize) {
    match (letters[at], letters.get(at + 1).copied()) {
        ('p', Some('h')) => (Some('f'), 2),
        ('c', Some('h')) | ('s', Some('h')) => (Some('x'), 2),
        ('c', Some('k')) | ('q', Some('u')) => (Some('k'), 2),
        ('g', Some('h')) => (None, 2),
        ('t', Some('h')) => (Some('t'), 2),
        ('k', Some('n')) if at == 0 => (Some('n'), 2),
        ('w', Some('r')) if at == 0 => (Some('r'), 2),
        ('c', Some('e' | 'i' | 'y')) => (Some('s'), 1),
        ('c' | 'k' | 'q' | 'g', _) => (Some('k'), 1),
        ('x', _) => (Some('k'), 1),
        ('s' | 'z', _) => (Some('s'), 1),
        ('d' | 't', _) => (Some('t'), 1),
        ('b' | 'p', _) => (Some('p'), 1),
        ('f' | 'v', _) => (Some('f'), 1),
        ('m' | 'n', _) => (Some('n'), 1),
        ('j', _) => (Some('x'), 1),
        ('l', _) => (Some('l'), 1),
        ('r', _) => (Some('r'), 1),
        _ => (None, 1),
    }
}

/// Whether one word may be the other misheard. Words of fewer than four letters never are: too
/// many are alike.
pub(super) fn may_be_misheard(heard: &str, meant: &str) -> bool {
    const LETTERS_MAX: usize = 24;
    let (heard_len, meant_len) = (heard.chars().count(), meant.chars().count());
    if heard_len < 4 || meant_len < 4 || heard_len > LETTERS_MAX || meant_len > LETTERS_MAX {
        return false;
    }
    let distance = edit_distance(heard, meant);
    let allowed = if meant_len >= 7 { 2 } else { 1 };
    let first_alike = sound(heard).chars().next() == sound(meant).chars().next();
    (distance <= allowed && first_alike)
        || (sound(heard) == sound(meant) && sound(meant).len() >= 3 && distance <= meant_len / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_letters() {
        for (a, b, distance) in
            [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("checkin", "checking", 1)]
        {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn tells_misheard_words_from_other_words() {
        for (heard, meant) in [
            ("chequing", "checking"),
            ("checkin", "checking"),
            ("savins", "savings"),
            ("saving", "savings"),
            ("dabit", "debit"),
            ("kredit", "credit"),
            ("morgage", "mortgage"),
        ] {
            assert!(may_be_misheard(heard, meant), "{heard} {meant}");
        }
        for (heard, meant) in [
            ("checking", "savings"),
            ("credit", "debit"),
            ("loan", "alone"),
            ("card", "car"),
            ("the", "then"),
            ("morning", "mortgage"),
            ("banking", "checking"),
        ] {
            assert!(!may_be_misheard(heard, meant), "{heard} {meant}");
        }
    }
}
