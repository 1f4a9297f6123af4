//! What the linter has to say: file, line, what is wrong, how to put it right. Written for
//! somebody who edits prompt files and does not program.

use std::fmt;

/// Largest prompt file that is read, in bytes. Real ones have a few kilobytes; anything near this
/// is a file that got there by mistake.
pub const FILE_SIZE_MAX_BYTES: usize = 256 * 1024;

/// What is wrong with a line of bytes that are no text, and how to put it right.
pub(super) const NOT_TEXT: &str = "this line has characters that are not UTF-8 text";
pub(super) const NOT_TEXT_FIX: &str = "save the file again with the encoding UTF-8";

/// A file of a profile, as the shell read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the profile's folder, with `/`: `intents/balance.md`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl SourceFile {
    /// Takes a file's bytes as the disk has them.
    ///
    /// # Errors
    /// A [`Finding`] if the file is too big or is not UTF-8 text; it names the first bad line.
    pub fn from_bytes(profile: &str, path: &str, bytes: Vec<u8>) -> Result<Self, Finding> {
        if bytes.len() > FILE_SIZE_MAX_BYTES {
            return Err(too_big(profile, path));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                Err(Finding {
                    path: full_path(profile, path),
                    line: 1 + good.iter().filter(|byte| **byte == b'\n').count(),
                    severity: Severity::Error,
                    what: NOT_TEXT.to_owned(),
                    fix: NOT_TEXT_FIX.to_owned(),
                })
            }
        }
    }
}

/// Whether a finding stops the tree from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The tree is refused.
    Error,
    /// The tree is used, and somebody should look.
    Warning,
}

/// One thing that is wrong, or doubtful, in a prompt file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the folder above `prompts/`: `prompts/bank/intents/balance.md`. The shell,
    /// which knows where the profile is, may put that place here instead.
    pub path: String,
    /// 1-based line; 0: the file or folder as a whole.
    pub line: usize,
    /// Whether it stops the tree.
    pub severity: Severity,
    /// What is wrong, without a full stop at the end.
    pub what: String,
    /// How to put it right, without a full stop at the end.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let end = if self.fix.ends_with(['?', '.', '!']) { "" } else { "." };
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {kind}{}. Fix: {}{end}", self.what, self.fix)
    }
}

/// Collects the findings of one file.
pub(super) struct Report {
    path: String,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(profile: &str, path: &str) -> Self {
        Self { path: full_path(profile, path), findings: Vec::new() }
    }

    pub(super) fn error(&mut self, line: usize, what: impl Into<String>, fix: impl Into<String>) {
        self.push(Severity::Error, line, what.into(), fix.into());
    }

    pub(super) fn warning(&mut self, line: usize, what: impl Into<String>, fix: impl Into<String>) {
        self.push(Severity::Warning, line, what.into(), fix.into());
    }

    fn push(&mut self, severity: Severity, line: usize, what: String, fix: String) {
        self.findings.push(Finding { path: self.path.clone(), line, severity, what, fix });
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

pub(super) fn full_path(profile: &str, path: &str) -> String {
    format!("prompts/{profile}/{path}")
}

pub(super) fn too_big(profile: &str, path: &str) -> Finding {
    Finding {
        path: full_path(profile, path),
        line: 1,
        severity: Severity::Error,
        what: format!("this file is larger than {} KB", FILE_SIZE_MAX_BYTES / 1024),
        fix: "keep only prompt text here, or split it into several files".to_owned(),
    }
}

/// The known word that the writer most likely meant, if one is near enough.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long wrong word is no typing mistake; not comparing it also bounds the work.
    if word.chars().count() > 60 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (edits(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A fix for an unknown word: the nearest known one, or all of them.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    none_known: &str,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return none_known.to_owned();
    }
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", listed(known)),
    }
}

/// `` `a`, `b`, `c` ``, at most a dozen.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    if quoted.len() <= 12 {
        return quoted.join(", ");
    }
    format!("{} and {} more", quoted[..12].join(", "), quoted.len() - 12)
}

/// Edits (insert, delete, replace, swap neighbours) that make one word the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_sentence() {
        let mut report = Report::new("bank", "intents/balance.md");
        report.error(12, "there is no queue `biling`", "did you mean `billing`?");
        report.warning(3, "long", "shorten it");
        report.warning(0, "odd", "remove it");
        let lines: Vec<String> = report.into_findings().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "prompts/bank/intents/balance.md:12: there is no queue `biling`. \
                 Fix: did you mean `billing`?",
                "prompts/bank/intents/balance.md:3: warning: long. Fix: shorten it.",
                "prompts/bank/intents/balance.md: warning: odd. Fix: remove it.",
            ]
        );
    }

    #[test]
    fn typing_mistakes_find_their_word() {
        let known = ["billing", "cards", "We need", "Callers say"];
        for (word, expected) in [
            ("biling", Some("billing")),
            ("crads", Some("cards")),
            ("we needs", Some("We need")),
            ("Caller says", Some("Callers say")),
            ("mortgage", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_line() {
        let bad = SourceFile::from_bytes("bank", "faq.md", b"one\ntwo \xff\n".to_vec());
        assert_eq!(bad.map_err(|finding| finding.line), Err(2));
        let big = SourceFile::from_bytes("bank", "faq.md", vec![b'a'; FILE_SIZE_MAX_BYTES + 1]);
        assert!(big.is_err_and(|finding| finding.what.contains("larger than 256 KB")));
        let good = SourceFile::from_bytes("bank", "faq.md", b"## Hi?".to_vec());
        assert_eq!(good.map(|file| file.text), Ok("## Hi?".to_owned()));
    }
}
