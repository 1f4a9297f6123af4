//! Finds where a transcript starts to repeat itself. Whisper does that when its audio context is
//! cut short, and now and then at full context.
//!
//! Pure: text and duration in, verdict out. People repeat themselves too ("no no no", "zero zero
//! zero zero"), so a verdict costs a second decode at full context, and only a verdict that the
//! second decode gets as well cuts text away.

/// Faster than anybody speaks: the quickest digit readers stay below 6 units a second.
const UNITS_PER_SECOND_MAX: f32 = 7.0;

/// Units that a very short clip may hold in spite of the rate ("two oh five" in 0.4 s of voice).
const UNITS_FREE: f32 = 4.0;

/// The longest phrase that is looked for, in units. Loops seen were 1 to 12 words long.
const PHRASE_UNITS_MAX: usize = 16;

/// A transcript with fewer units is too short for the share of distinct pairs to mean anything.
const VARIETY_UNITS_MIN: usize = 24;

/// Below this share of distinct neighbouring pairs the text says the same again and again.
const VARIETY_MIN: f32 = 0.4;

/// Why a transcript is taken for a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
    /// The same phrase several times in a row.
    Repeats,
    /// More words than fit in the time.
    TooFast,
    /// Few distinct pairs of words for its length (it would compress well).
    Monotonous,
}

/// A loop, and how much of the text comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loop {
    /// What gave it away.
    pub kind: LoopKind,
    /// Bytes of the text up to the end of the phrase's first occurrence: what is worth keeping.
    pub keep_bytes: usize,
}

/// A word, or one digit of a number (whisper writes "412-8824" for seven spoken words).
struct Unit {
    folded: String,
    end: usize,
}

fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut open = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        if c.is_numeric() {
            units.push(Unit { folded: c.to_string(), end });
            open = false;
        } else if c.is_alphanumeric() || c == '\'' {
            match units.last_mut() {
                Some(unit) if open => {
                    unit.folded.extend(c.to_lowercase());
                    unit.end = end;
                }
                _ => units.push(Unit { folded: c.to_lowercase().collect(), end }),
            }
            open = true;
        } else {
            open = false;
        }
    }
    units
}

/// How often a phrase must come in a row to be a loop rather than a manner of speaking.
fn repeats_needed(phrase: &[Unit]) -> usize {
    // Whoever dictates a number says it twice.
    let number = phrase.iter().all(|unit| unit.folded.starts_with(char::is_numeric));
    match phrase.len() {
        1 => 6,
        2 | 3 => 4,
        _ if number => 3,
        4 | 5 => 3,
        _ => 2,
    }
}

fn find_repeats(units: &[Unit]) -> Option<usize> {
    let mut first: Option<usize> = None;
    for phrase in 1..=PHRASE_UNITS_MAX.min(units.len() / 2) {
        // `run` counts how long units have been equal to the one a phrase earlier.
        let mut run = 0;
        for i in phrase..units.len() {
            run = if units[i].folded == units[i - phrase].folded { run + 1 } else { 0 };
            if run > 0 && run >= phrase * (repeats_needed(&units[i + 1 - phrase..=i]) - 1) {
                let phrase_end = i + 1 - run;
                if first.is_none_or(|end| phrase_end < end) {
                    first = Some(phrase_end);
                }
                break;
            }
        }
    }
    first
}

fn variety(units: &[Unit]) -> f32 {
    let pairs: std::collections::HashSet<(&str, &str)> =
        units.windows(2).map(|p| (p[0].folded.as_str(), p[1].folded.as_str())).collect();
    pairs.len() as f32 / (units.len() - 1) as f32
}

/// Looks for a loop in the transcript of `audio_s` seconds of speech.
pub fn find_loop(text: &str, audio_s: f32) -> Option<Loop> {
    let units = units(text);
    let keep = |count: usize| if count == 0 { 0 } else { units[count - 1].end };
    if let Some(count) = find_repeats(&units) {
        return Some(Loop { kind: LoopKind::Repeats, keep_bytes: keep(count) });
    }
    let possible = UNITS_PER_SECOND_MAX * audio_s + UNITS_FREE;
    if units.len() as f32 > possible {
        return Some(Loop { kind: LoopKind::TooFast, keep_bytes: keep(possible as usize) });
    }
    // Digits have only a hundred pairs, so variety says nothing about long numbers.
    let words = units.iter().filter(|u| !u.folded.starts_with(char::is_numeric)).count();
    if words * 2 > units.len() && units.len() >= VARIETY_UNITS_MIN && variety(&units) < VARIETY_MIN
    {
        let distinct = (units.len() as f32 * variety(&units)).ceil() as usize;
        return Some(Loop { kind: LoopKind::Monotonous, keep_bytes: keep(distinct) });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, audio_s: f32) -> Option<(LoopKind, &str)> {
        find_loop(text, audio_s).map(|found| (found.kind, &text[..found.keep_bytes]))
    }

    #[test]
    fn what_people_say_is_no_loop() {
        for (text, audio_s) in [
            ("", 1.0),
            ("Yes.", 0.4),
            ("no, no, no, no", 1.6),
            ("zero zero zero zero", 2.0),
            ("0000", 1.2),
            ("412-521-2824", 3.2),
            ("My number is 5555 1234 5555 1234", 6.0),
            ("Thank you. Thank you very much. Thank you.", 3.0),
            ("I want to pay my bill and I want to pay my other bill", 4.0),
            ("K-I-N-G, that's King, K-I-N-G", 4.0),
        ] {
            assert_eq!(check(text, audio_s), None, "{text}");
        }
    }

    #[test]
    fn repeats_are_found_and_what_precedes_them_is_kept() {
        for (text, audio_s, kept) in [
            ("one two three four four four four four four", 5.0, "one two three four"),
            ("8 5 6 4 2, 6 4 2, 6 4 2, 6 4 2", 9.0, "8 5 6 4 2"),
            ("call me back, call me back, Call me back. call me back", 9.0, "call me back"),
            (
                "I lost my card. I'd like to get a new one. I'd like to get a new one.",
                9.0,
                "I lost my card. I'd like to get a new one",
            ),
        ] {
            assert_eq!(check(text, audio_s), Some((LoopKind::Repeats, kept)), "{text}");
        }
    }

    #[test]
    fn more_words_than_the_time_holds_is_a_loop() {
        let text = "the quick brown fox jumps over a lazy dog and then sleeps";
        assert_eq!(check(text, 0.5).map(|(kind, _)| kind), Some(LoopKind::TooFast));
        assert_eq!(check(text, 3.0), None);
        assert_eq!(check("0123456789012345", 1.0).map(|(k, _)| k), Some(LoopKind::TooFast));
    }

    #[test]
    fn shuffled_repetition_is_monotonous() {
        let text = "so I said yes and so I said no and I said so and yes I said so and no \
                    I said yes and I said no and so I said yes and I said so and no I said so";
        assert_eq!(check(text, 20.0).map(|(kind, _)| kind), Some(LoopKind::Monotonous));
    }

    #[test]
    fn the_cut_never_splits_a_character() {
        let text = "é é é é é é é é";
        let found = find_loop(text, 9.0).expect("eight in a row");
        assert_eq!(&text[..found.keep_bytes], "é");
    }
}
