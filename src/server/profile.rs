//! Reads a profile's prompt files from disk and hands their text to the parser.

use std::path::Path;

use crate::config::Config;
use crate::prompts::{
    ActionName, ActionSignature, Declared, Finding, Generation, Parsed, SourceFile,
    VerificationName, VerificationSignature, is_prompt_file, parse,
};

use super::ServerError;

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
    let Parsed { generation, warnings } = parse(&name, files, &declared(config))?;
    Ok((generation, warnings))
}

/// The error of a profile with these findings.
pub(super) fn refused(config: &Config, findings: &[Finding]) -> ServerError {
    ServerError::ProfileRefused {
        folder: config.server.profile.clone(),
        count: findings.len(),
        findings: findings.iter().map(|f| format!("  {f}")).collect::<Vec<_>>().join("\n"),
    }
}

/// Reads and parses a profile; refuses it whole if it has an error.
pub fn load_profile(config: &Config) -> Result<(Generation, Vec<Finding>), ServerError> {
    let files = read_profile(&config.server.profile)?;
    parse_profile(config, &files).map_err(|findings| refused(config, &findings))
}
