//! What callers of benches say: recordings from a list with the words in them.

use std::path::Path;

use anyhow::{Context, bail};

use super::talker::Said;
use crate::cli::eval::manifest::{Row, parse_manifest, read_row};

/// The list in this checkout: a few human recordings, each with its source and licence beside it.
pub const DEFAULT_LIST: &str = "tests/fixtures/audio/turns.tsv";

/// A recording that somebody may say.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What is played.
    pub said: Said,
    /// The words in it.
    pub words: String,
    /// What kind of turn it is, as the list has it.
    pub kind: String,
}

/// Reads a list (tab-separated, with a header naming at least path, transcript and kind) and its
/// recordings, whose paths begin at its folder. Rows without words, such as noise, are left out; of
/// the others at most `limit` are taken, spread over the list.
///
/// # Errors
/// The list or a recording cannot be used, or none is left.
pub fn read_list(list: &Path, limit: Option<usize>) -> anyhow::Result<Vec<Recorded>> {
    let text = std::fs::read_to_string(list).with_context(|| {
        format!(
            "cannot read the list of recordings {}; name one with --recordings, or run this in the \
             checkout, where {DEFAULT_LIST} is",
            list.display()
        )
    })?;
    let mut rows = parse_manifest(&text, list)?;
    rows.retain(Row::has_words);
    let folder = list.parent().unwrap_or(Path::new(""));
    let count = rows.len();
    let wanted = limit.unwrap_or(count).min(count);
    let chosen = (0..wanted).map(|nth| &rows[nth * count / wanted]);
    let recorded: Vec<Recorded> = chosen.map(|row| read(folder, row)).collect::<Result<_, _>>()?;
    if recorded.is_empty() {
        bail!("{}: no recording with a transcript is left", list.display());
    }
    Ok(recorded)
}

fn read(folder: &Path, row: &Row) -> anyhow::Result<Recorded> {
    let (rate, samples) = read_row(folder, row)?;
    let said = Said::new(row.path.clone(), rate, &samples)
        .with_context(|| format!("cannot use {}", folder.join(&row.path).display()))?;
    Ok(Recorded { said, words: row.transcript.clone(), kind: row.kind.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_LIST)
    }

    #[test]
    fn the_recordings_of_this_checkout_can_all_be_said() {
        let all = read_list(&list(), None).expect("readable");
        assert!(all.len() >= 8);
        for one in &all {
            assert!(one.said.length().as_millis() > 100 && !one.words.is_empty(), "{one:?}");
        }
        let sources = std::fs::read_to_string(list().with_file_name("SOURCES.md")).expect("text");
        for one in &all {
            assert!(sources.contains(&format!("`{}`", one.said.name)), "{}", one.said.name);
        }
    }

    #[test]
    fn a_limit_takes_from_everywhere() {
        let names = |limit| -> Vec<String> {
            let all = read_list(&list(), Some(limit)).expect("readable");
            all.into_iter().map(|one| one.said.name).collect()
        };
        let all = names(1_000);
        assert_eq!(names(2), [all[0].clone(), all[all.len() / 2].clone()]);
        assert!(read_list(&list(), Some(0)).is_err());
    }

    #[test]
    fn a_list_that_cannot_be_used_is_named() {
        let error = read_list(Path::new("/nowhere/list.tsv"), None).expect_err("no file");
        assert!(error.to_string().contains("/nowhere/list.tsv"), "{error}");
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("list.tsv");
        std::fs::write(&list, "path\ttranscript\tkind\ngone.wav\thello\trequest\n")
            .expect("written");
        let error = format!("{:#}", read_list(&list, None).expect_err("no recording"));
        assert!(error.contains("gone.wav"), "{error}");
    }
}
