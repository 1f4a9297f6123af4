//! Lists of names that a caller's name is checked against.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{LIST_OUTPUT, Pii, join_list};

use super::failure::{ActionFailure, ActionOutcome, FailureKind};

/// Longer lists are refused whole: of a part of one, the wrong name might be the nearest.
pub(super) const ENTRIES_MAX: usize = 500;
/// Longer entries are no names.
const ENTRY_CHARS_MAX: usize = 100;

/// The entries as an action's answer.
pub(super) fn list_output(entries: impl IntoIterator<Item = String>) -> ActionOutcome {
    let list = joined(entries)?;
    Ok(BTreeMap::from([(LIST_OUTPUT.to_owned(), Pii::new(list))]))
}

/// The entries in one text, each once.
pub(super) fn joined(entries: impl IntoIterator<Item = String>) -> Result<String, ActionFailure> {
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for (index, entry) in entries.into_iter().enumerate() {
        if index >= ENTRIES_MAX {
            let detail = format!(
                "the list has more than {ENTRIES_MAX} entries; let it take an input that narrows it"
            );
            return Err(ActionFailure::new(FailureKind::Unavailable, detail));
        }
        let entry = entry.split_whitespace().collect::<Vec<_>>().join(" ");
        if !entry.is_empty() && entry.chars().count() <= ENTRY_CHARS_MAX {
            kept.insert(entry);
        }
    }
    Ok(join_list(kept.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_once_and_without_stray_space() {
        let long = "x".repeat(ENTRY_CHARS_MAX + 1);
        let entries = [" Smith ", "De\n Luca", "Smith", "", long.as_str()];
        let list = joined(entries.map(str::to_owned)).expect("a short list");
        assert_eq!(list, "De Luca\nSmith");
        assert_eq!(joined(Vec::new()).expect("an empty list"), "");
    }

    #[test]
    fn a_list_that_is_too_long_is_no_list() {
        let names = |count: usize| (0..count).map(|n| format!("Name{n}"));
        assert!(joined(names(ENTRIES_MAX)).is_ok());
        let failure = joined(names(ENTRIES_MAX + 1)).expect_err("too long");
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(!failure.detail.contains("Name"), "{failure}");
    }
}
