//! Where a key stands in the text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// 1-based line and column (in characters) of a byte offset.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// The 1-based line of a key by its path, or of the nearest table above it that the text has.
pub(super) fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table: &DeTable<'_> = root.get_ref();
    let mut found = None;
    for part in path {
        let entry: Option<(&Spanned<_>, &Spanned<DeValue<'_>>)> =
            table.iter().find(|(key, _)| key.get_ref().as_ref() == *part);
        let Some((key, value)) = entry else { break };
        found = Some(line_and_column(text, key.span().start).0);
        match value.get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[server]\nprofile = \"a\"\n\n[actions.\"crm.x\"]\nkind = \"http\"\n";

    #[test]
    fn keys_are_found_by_path() {
        for (path, line) in [
            (&["server", "profile"][..], Some(2)),
            (&["actions", "crm.x", "kind"], Some(5)),
            (&["actions", "crm.x", "absent"], Some(4)),
            (&["nothing"], None),
        ] {
            assert_eq!(line_of(TEXT, path), line, "{path:?}");
        }
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("é = 1\nx", 3), (1, 3));
        assert_eq!(line_and_column("a\nb", 99), (2, 2));
    }
}
