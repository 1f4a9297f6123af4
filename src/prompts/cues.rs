//! What tells slots of one kind apart when a caller gives several values at once: words of their
//! names, words of their like ("until", "return"), and words of the examples around `{slot}`.

use std::collections::BTreeSet;

use crate::nlu::SlotKind;
use crate::nlu::spoken::{Cues, is_small_cue};

use super::document::{Block, bullet};
use super::finding::Report;
use super::{SlotSpec, Template};

/// Said of where something begins, and of where it ends.
const BEGINNING: &[&str] = &[
    "from",
    "since",
    "leave",
    "leaves",
    "leaving",
    "depart",
    "departs",
    "departing",
    "departure",
    "start",
    "starts",
    "starting",
    "begin",
    "begins",
    "beginning",
    "outbound",
    "going",
    "flying",
];
const END: &[&str] = &[
    "to",
    "until",
    "till",
    "through",
    "thru",
    "back",
    "return",
    "returns",
    "returning",
    "end",
    "ends",
    "ending",
    "finish",
    "finishes",
    "coming",
    "home",
    "inbound",
];

/// Words that tell nothing of a value.
const EMPTY: &[&str] = &[
    "a", "an", "the", "my", "our", "your", "i", "i'm", "i'll", "i'd", "we", "we're", "it", "it's",
    "is", "are", "be", "was", "will", "on", "of", "and", "or", "with", "about", "please", "want",
    "need", "like", "date", "day", "time", "when", "what", "which", "how", "much", "do", "you",
    "number", "that", "this",
];

/// A word of an example, or a slot in it.
enum Piece {
    Word(String),
    Slot(String),
}

/// Works out, for each slot, the words that tell of it. `says` is the section with the examples.
pub(super) fn learn_cues(slots: &mut [SlotSpec], says: Option<&Block>) {
    let lines: Vec<Vec<Piece>> = says
        .into_iter()
        .flat_map(|section| &section.lines)
        .map(|line| pieces(bullet(&line.text).unwrap_or(&line.text)))
        .collect();
    let cues: Vec<Cues> = slots.iter().map(|slot| cues_of(slot, slots, &lines)).collect();
    for (slot, cues) in slots.iter_mut().zip(cues) {
        slot.cues = cues;
    }
}

/// Warns of slots that nothing tells apart.
pub(super) fn check_cues(slots: &[SlotSpec], says: Option<&Block>, report: &mut Report) {
    for (at, slot) in slots.iter().enumerate() {
        let is_unasked = !slot.secret && slot.kind != SlotKind::Text;
        let twin = slots[..at].iter().find(|other| other.kind == slot.kind && !other.secret);
        let Some(twin) = twin.filter(|_| is_unasked) else { continue };
        let shows = |line: &str, slot: &SlotSpec| line.contains(&format!("{{{}}}", slot.name));
        let shown = says.is_some_and(|section| {
            section.lines.iter().any(|line| shows(&line.text, slot) && shows(&line.text, twin))
        });
        let told = !slot.cues.is_empty() && !twin.cues.is_empty();
        if shown || told {
            continue;
        }
        let (first, second) = (&twin.name, &slot.name);
        let line = says.map_or(1, |section| section.line);
        report.warning(
            line,
            format!("nothing tells `{first}` from `{second}` where a caller gives both at once"),
            format!("add a line with both, such as `- from {{{first}}} to {{{second}}}`"),
        );
    }
}

fn cues_of(slot: &SlotSpec, slots: &[SlotSpec], lines: &[Vec<Piece>]) -> Cues {
    let twins: Vec<&SlotSpec> =
        slots.iter().filter(|other| other.kind == slot.kind && other.name != slot.name).collect();
    let of_others: BTreeSet<String> =
        slots.iter().filter(|other| other.name != slot.name).flat_map(name_words).collect();
    let mut strong: Vec<String> =
        name_words(slot).into_iter().filter(|word| !of_others.contains(word)).collect();
    if twins.is_empty() {
        return Cues { strong, weak: Vec::new() };
    }
    let like = |slot: &SlotSpec| said_of(slot, lines);
    // Of two, one is the beginning if the other is the end.
    let own = like(slot).or_else(|| match &twins[..] {
        [other] => like(other).map(|is_end| !is_end),
        _ => None,
    });
    let is_alone = twins.iter().all(|twin| like(twin) != own);
    if let Some(is_end) = own.filter(|_| is_alone) {
        let words = if is_end { END } else { BEGINNING };
        strong.extend(words.iter().map(|word| (*word).to_owned()));
    }
    strong.retain(|word| !of_others.contains(word));
    let of_twins: BTreeSet<String> =
        twins.iter().flat_map(|twin| words_before(twin, lines)).collect();
    let mut weak: Vec<String> = words_before(slot, lines).into_iter().collect();
    weak.retain(|word| {
        let is_like = BEGINNING.contains(&word.as_str()) || END.contains(&word.as_str());
        let is_shared = of_twins.contains(word) || of_others.contains(word);
        !(is_shared || (is_like && own.is_some()))
    });
    Cues { strong, weak }
}

/// Whether a slot is the end of something (`true`) or its beginning, by its name, its question, or
/// the words right before it in the examples.
fn said_of(slot: &SlotSpec, lines: &[Vec<Piece>]) -> Option<bool> {
    let asked = || {
        let templates = slot.ask.iter().chain(&slot.again);
        templates.map(Template::to_string).flat_map(|text| words(&text)).collect::<Vec<_>>()
    };
    let shown = || words_before(slot, lines).into_iter().collect::<Vec<_>>();
    let name: Vec<String> = slot.name.as_str().split('_').map(str::to_owned).collect();
    direction(&name, true)
        .or_else(|| direction(&asked(), false))
        .or_else(|| direction(&shown(), true))
}

fn direction(words: &[String], with_small: bool) -> Option<bool> {
    let has = |known: &[&str]| {
        let counts = |word: &&String| with_small || !is_small_cue(word);
        words.iter().filter(counts).any(|word| known.contains(&word.as_str()))
    };
    match (has(BEGINNING), has(END)) {
        (true, false) => Some(false),
        (false, true) => Some(true),
        _ => None,
    }
}

fn name_words(slot: &SlotSpec) -> Vec<String> {
    let words = slot.name.as_str().split('_').map(str::to_owned);
    words.filter(|word| word.len() > 1 && !EMPTY.contains(&word.as_str())).collect()
}

/// The word that leads to this slot in each example that shows it.
fn words_before(slot: &SlotSpec, lines: &[Vec<Piece>]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in lines {
        for (at, piece) in line.iter().enumerate() {
            if matches!(piece, Piece::Slot(name) if name == slot.name.as_str()) {
                found.extend(leading(&line[..at]));
            }
        }
    }
    found
}

fn leading(before: &[Piece]) -> Option<String> {
    for (at, piece) in before.iter().enumerate().rev() {
        let Piece::Word(word) = piece else { return None };
        let small = word.to_lowercase();
        if EMPTY.contains(&small.as_str()) {
            continue;
        }
        // "To Spain on {day}": a name says nothing of other calls.
        let is_name = at > 0 && word.starts_with(char::is_uppercase);
        return (!is_name).then_some(small);
    }
    None
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    for part in text.split_inclusive(['{', '}']) {
        let inner = part.trim_end_matches(['{', '}']);
        if part.ends_with('}') {
            found.push(Piece::Slot(inner.to_owned()));
        } else {
            let split = inner.split(|c: char| !(c.is_alphanumeric() || c == '\''));
            found.extend(split.filter(|w| !w.is_empty()).map(|w| Piece::Word(w.to_owned())));
        }
    }
    found
}

fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    split.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
