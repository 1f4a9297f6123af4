//! Several short texts in one: how an action that looks up a list gives it.

/// The one output of an action that gives a list.
pub const LIST_OUTPUT: &str = "list";

/// The entries, one a line. None of them may hold a line's end.
pub fn join_list<'a>(entries: impl IntoIterator<Item = &'a str>) -> String {
    entries.into_iter().collect::<Vec<_>>().join("\n")
}

/// The entries of a list.
pub fn split_list(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_comes_apart() {
        for entries in [&["Smith", "O'Brien Lee"][..], &["Smith"], &[]] {
            let list = join_list(entries.iter().copied());
            assert_eq!(split_list(&list).collect::<Vec<_>>(), entries);
        }
    }
}
