//! Reads a profile's prompt files from disk and hands their text to the parser.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::prompts::{
    ActionName, ActionSignature, Declared, Finding, Generation, Parsed, Severity, SourceFile,
    VerificationName, VerificationSignature, is_prompt_file, parse,
};

use super::ServerError;

/// The folders of a profile.
const FOLDERS: [&str; 2] = ["intents", "calls"];

/// A file that every profile has.
const PROFILE_MARK: &str = "house.md";

/// What the configuration declares, as the linter needs it.
pub fn declared(config: &Config) -> Declared {
    let actions = config.actions.values().map(|action| {
        let signature = ActionSignature {
            inputs: action.inputs.clone(),
            outputs: action.output_names().into_iter().map(str::to_owned).collect(),
            changes_state: action.changes_state,
            gives_list: action.list.is_some(),
        };
        (ActionName::new(action.name.as_str()), signature)
    });
    let verifications = config.verifications.iter().map(|(name, verification)| {
        let signature = VerificationSignature { slots: verification.slots.clone() };
        (VerificationName::new(name.as_str()), signature)
    });
    Declared {
        actions: actions.collect(),
        verifications: verifications.collect(),
        caller_fields: config.caller_fields().into_iter().map(str::to_owned).collect(),
        tells_ticket: config.tells_ticket(),
        asks_to_record: config.recording.asks(),
    }
}

/// All prompt files of a profile: the Markdown files in its folder and in `intents/`. Other folders,
/// such as `calls/` with tests of whole calls, are none of a call's business.
pub fn read_profile(folder: &Path) -> Result<Vec<SourceFile>, ServerError> {
    let unreadable = |source| ServerError::ProfileUnreadable { folder: folder.to_owned(), source };
    let mut files = Vec::new();
    for (sub, prefix) in [("", ""), ("intents", "intents/")] {
        let place = folder.join(sub);
        if !sub.is_empty() && !place.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&place).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !is_prompt_file(name) {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(unreadable)?;
            // What is not UTF-8 becomes U+FFFD, which the parser reports with its line.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.push(SourceFile { path: format!("{prefix}{name}"), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Parses the files of the configured profile.
///
/// # Errors
/// Everything that was found wrong, warnings included, by file and line: the tree is refused whole.
pub fn parse_profile(
    config: &Config,
    files: &[SourceFile],
) -> Result<(Generation, Vec<Finding>), Vec<Finding>> {
    let folder = &config.server.profile;
    let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let strange = strange_folders(folder);
    let in_place = |findings: Vec<Finding>| -> Vec<Finding> {
        let findings = findings.into_iter().map(|finding| placed(finding, &name, folder));
        findings.chain(strange).collect()
    };
    match parse(&name, files, &declared(config)) {
        Ok(Parsed { generation, warnings }) => Ok((generation, in_place(warnings))),
        Err(findings) => Err(in_place(findings)),
    }
}

/// A finding with the file's true place: the parser knows only the profile's name.
fn placed(finding: Finding, profile: &str, folder: &Path) -> Finding {
    let path = match finding.path.strip_prefix(&format!("prompts/{profile}/")) {
        Some(file) => shown_path(&folder.join(file)).display().to_string(),
        None => finding.path.clone(),
    };
    Finding { path, ..finding }
}

/// A path as it is shown to people: from the current folder if it is below that, else as it is.
pub fn shown_path(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    shown_from(&here, path).to_owned()
}

fn shown_from<'p>(here: &Path, path: &'p Path) -> &'p Path {
    // Everything is below `/`, where `etc/frontdoor` would look like another place.
    if here.parent().is_none() {
        return path;
    }
    let below = path.strip_prefix(here).ok();
    below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path)
}

/// A doubt about each folder in a profile's in which nothing is read, such as a copy of the profile
/// that was meant to go over it. What cannot be read is reported elsewhere.
fn strange_folders(folder: &Path) -> Vec<Finding> {
    let mut found: Vec<String> = Vec::new();
    for (sub, known) in [("", &FOLDERS[..]), ("intents/", &[][..])] {
        let entries = std::fs::read_dir(folder.join(sub)).into_iter().flatten();
        for entry in entries.filter_map(Result::ok) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with('.') && !known.contains(&name.as_str()) && entry.path().is_dir() {
                found.push(format!("{sub}{name}"));
            }
        }
    }
    found.sort();
    found.iter().map(|name| strange_folder(folder, name)).collect()
}

fn strange_folder(folder: &Path, name: &str) -> Finding {
    let place = folder.join(name);
    let fix = if place.join(PROFILE_MARK).is_file() {
        let (from, to) = (shown_path(&place), shown_path(folder));
        format!(
            "it is a whole profile inside another: if it is the newer one, put its files in place \
             with `cp -r {}/. {}/`; then remove it",
            from.display(),
            to.display()
        )
    } else {
        "put its files where they belong (intents into `intents`, whole calls into `calls`), or \
         remove it"
            .to_owned()
    };
    Finding {
        path: shown_path(&place).display().to_string(),
        line: 0,
        severity: Severity::Warning,
        what: format!("folder `{name}/` is not part of a profile, so nothing in it is read"),
        fix,
    }
}

/// The error of a profile with these findings.
pub(super) fn refused(config: &Config, findings: &[Finding]) -> ServerError {
    ServerError::ProfileRefused {
        folder: config.server.profile.clone(),
        count: findings.iter().filter(|f| f.severity == Severity::Error).count(),
        findings: findings.iter().map(|f| format!("  {f}")).collect::<Vec<_>>().join("\n"),
    }
}

/// Reads and parses a profile; refuses it whole if it has an error.
pub fn load_profile(config: &Config) -> Result<(Generation, Vec<Finding>), ServerError> {
    let files = read_profile(&config.server.profile)?;
    parse_profile(config, &files).map_err(|findings| refused(config, &findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_one_is() {
        for (here, path, shown) in [
            ("/home/ops", "/home/ops/prompts/bank", "prompts/bank"),
            ("/home/ops", "/tmp/bank/faq.md", "/tmp/bank/faq.md"),
            ("/home/ops", "/home/ops/../bank", "../bank"),
            ("/home/ops", "/home/ops", "/home/ops"),
            ("/", "/etc/frontdoor/bank", "/etc/frontdoor/bank"),
            ("/home/ops", "prompts/bank", "prompts/bank"),
        ] {
            assert_eq!(shown_from(Path::new(here), Path::new(path)), Path::new(shown), "{path}");
        }
    }

    #[test]
    fn findings_name_the_file_that_was_read() {
        let finding = |path: &str| Finding {
            path: path.to_owned(),
            line: 3,
            severity: Severity::Error,
            what: "it is wrong".to_owned(),
            fix: "mend it".to_owned(),
        };
        let found = placed(finding("prompts/bank/intents/a.md"), "bank", Path::new("/x/bank"));
        assert_eq!(found.to_string(), "/x/bank/intents/a.md:3: it is wrong. Fix: mend it.");
    }

    #[test]
    fn folders_in_which_nothing_is_read_are_named() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path();
        for sub in ["intents/old", "calls/more", ".git", "bank", "notes"] {
            std::fs::create_dir_all(folder.join(sub)).expect("a folder");
        }
        for file in [PROFILE_MARK, "bank/house.md", "intents/balance.md"] {
            std::fs::write(folder.join(file), "").expect("a file");
        }
        let found = strange_folders(folder);
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        let place = folder.display();
        assert_eq!(lines.len(), 3, "{lines:#?}");
        let copy = format!(
            "{place}/bank: warning: folder `bank/` is not part of a profile, so nothing in it is \
             read. Fix: it is a whole profile inside another: if it is the newer one, put its files \
             in place with `cp -r {place}/bank/. {place}/`; then remove it."
        );
        assert_eq!(lines[0], copy);
        assert!(lines[1].contains("folder `intents/old/` is not"), "{lines:#?}");
        assert!(lines[2].contains("folder `notes/` is not"), "{lines:#?}");
    }
}
