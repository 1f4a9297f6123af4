//! The others, which are driven by scripts of ours in a Python that has them installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use tokio::process::Command;

use super::clips::Clips;
use super::told::{Hearer, Pipeline};
use crate::engine::models::ModelStore;

/// Our own voice, which Pipecat's Piper speaks with, too.
const VOICE: (&str, &str) = ("joe", "en_US-joe-medium.onnx");

/// How the others are run.
pub(super) struct Scripts {
    python: PathBuf,
    folder: PathBuf,
    /// Where their weights are put together.
    store: PathBuf,
}

impl Scripts {
    /// Looks whether they are there.
    pub fn new(python: PathBuf, folder: PathBuf, store: PathBuf) -> anyhow::Result<Self> {
        for script in ["transcribe.py", "pipecat_call.py"] {
            let path = folder.join(script);
            if !path.is_file() {
                bail!("{} is missing; name its folder with --scripts", path.display());
            }
        }
        Ok(Self { python, folder, store })
    }

    /// faster-whisper as it comes, and as fast as it goes.
    pub async fn faster_whisper(&self, model: &str, clips: &Clips) -> anyhow::Result<Vec<Hearer>> {
        let threads =
            std::thread::available_parallelism().map_or(1, usize::from).min(4).to_string();
        let mut hearers = Vec::new();
        for how in ["default", "fast"] {
            let arguments =
                ["--model", model, "--how", how, "--threads", &threads].map(str::to_owned);
            hearers.push(self.run("transcribe.py", clips, &arguments).await?);
        }
        Ok(hearers)
    }

    /// A Pipecat pipeline as it comes, and one that is told to wait for no more words.
    pub async fn pipecat(&self, clips: &Clips) -> anyhow::Result<Vec<Pipeline>> {
        let (model, file) = VOICE;
        let voice = ModelStore::open(None)?.checked(model)?.file(file)?;
        let as_it_comes = vec!["--voice".to_owned(), voice.to_string_lossy().into_owned()];
        let mut tuned = as_it_comes.clone();
        tuned.extend(["--words-wait-s", "0.3"].map(str::to_owned));
        let mut pipelines = Vec::new();
        for arguments in [as_it_comes, tuned] {
            pipelines.push(self.run("pipecat_call.py", clips, &arguments).await?);
        }
        Ok(pipelines)
    }

    /// Runs a script to its end and reads what it prints.
    async fn run<T: DeserializeOwned>(
        &self,
        script: &str,
        clips: &Clips,
        arguments: &[String],
    ) -> anyhow::Result<T> {
        let path = self.folder.join(script);
        println!("{} {}, {} recordings", path.display(), arguments.join(" "), clips.all.len());
        let output = Command::new(&self.python)
            .arg(&path)
            .arg("--clips")
            .arg(clips.list())
            .arg("--store")
            .arg(&self.store)
            .args(arguments)
            // Nothing may be fetched while something is measured.
            .env("HF_HUB_OFFLINE", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.python.display()))?;
        if !output.status.success() {
            bail!("{}: {}\n{}", path.display(), output.status, last_lines(&output.stderr));
        }
        parse(&path, &output.stdout)
    }
}

fn parse<T: DeserializeOwned>(script: &Path, printed: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(printed)
        .with_context(|| format!("{} printed something else than its figures", script.display()))
}

fn last_lines(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_scripts_print_is_read() {
        let printed = br#"{"name": "x", "model": "tiny.en", "clips": [
            {"text": "hours", "wall_s": 0.75, "cpu_s": 0.5}]}"#;
        let hearer: Hearer = parse(Path::new("a.py"), printed).expect("figures");
        assert_eq!((hearer.clips[0].text.as_str(), hearer.clips[0].cpu_s), ("hours", 0.5));
        let printed = br#"{"name": "x", "model": "tiny.en", "turns": [
            {"outcome": "answered", "latency_s": 1.5, "cpu_s": 1, "wall_s": 2, "text": "hours"},
            {"outcome": "cut_off", "left_s": 0.4, "cpu_s": 1, "wall_s": 2, "text": ""},
            {"outcome": "silent", "cpu_s": 1, "wall_s": 2, "text": ""}]}"#;
        let pipeline: Pipeline = parse(Path::new("a.py"), printed).expect("figures");
        assert_eq!(pipeline.latencies_ms(), [1_500.0]);
        let error = parse::<Hearer>(Path::new("a.py"), b"Traceback").expect_err("no figures");
        assert!(error.to_string().contains("a.py"), "{error}");
    }

    #[test]
    fn a_folder_without_the_scripts_is_named() {
        let folder = PathBuf::from("/nowhere");
        let error = Scripts::new(PathBuf::from("python3"), folder, PathBuf::from("/tmp"));
        assert!(error.err().expect("missing").to_string().contains("/nowhere/transcribe.py"));
    }

    #[test]
    fn the_scripts_of_this_checkout_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/peers");
        assert!(Scripts::new("python3".into(), folder, "/tmp".into()).is_ok());
    }
}
