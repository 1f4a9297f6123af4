//! Files that are given out in parts (RFC 9110 14): a player fetches what it plays next.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::error::ApiError;

/// Read at once.
const CHUNK_LEN: u64 = 64 * 1024;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    All,
    /// From here, to there (included) or to the end.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl Wanted {
    /// What a request asks for. Several parts at once nobody needs, and what makes no sense is
    /// passed over, as the RFC allows. There is no validator that `If-Range` could name.
    pub fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(IF_RANGE) {
            return Self::All;
        }
        let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
        range.and_then(parse).unwrap_or(Self::All)
    }

    /// Whether the first byte is among it.
    pub fn is_beginning(self) -> bool {
        matches!(self, Self::All | Self::From(0, _))
    }

    /// Which bytes of a file of this length; `None` if it has none of them.
    fn within(self, len: u64) -> Option<RangeInclusive<u64>> {
        let last = len.checked_sub(1)?;
        match self {
            Self::All => Some(0..=last),
            Self::From(first, to) => {
                (first <= last).then(|| first..=to.map_or(last, |to| to.min(last)))
            }
            Self::Last(count) => (count > 0).then(|| len.saturating_sub(count)..=last),
        }
    }
}

/// `bytes=0-499`, `bytes=500-` or `bytes=-500`.
fn parse(range: &str) -> Option<Wanted> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    match (first, last) {
        ("", last) => Some(Wanted::Last(number(last)?)),
        (first, "") => Some(Wanted::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::From(first, Some(last)))
        }
    }
}

/// A file that is there.
pub(super) struct Opened {
    file: File,
    len: u64,
}

/// Opens a file.
///
/// # Errors
/// It is not there, or cannot be read.
pub(super) async fn open(path: &Path) -> io::Result<Opened> {
    let file = File::open(path).await?;
    let len = file.metadata().await?.len();
    Ok(Opened { file, len })
}

impl Opened {
    /// Gives out what is wanted of it.
    ///
    /// # Errors
    /// 416 if it is not that long.
    pub async fn answer(mut self, wanted: Wanted, media_type: &str) -> Result<Response, ApiError> {
        let len = self.len;
        if len == 0 && wanted == Wanted::All {
            return Ok(([(CONTENT_TYPE, media_type)], Body::empty()).into_response());
        }
        let Some(range) = wanted.within(len) else {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let refusal = ApiError::new(status, format!("it is {len} bytes long"));
            let whole = [(CONTENT_RANGE, format!("bytes */{len}"))];
            return Ok((whole, refusal).into_response());
        };
        let (first, last) = (*range.start(), *range.end());
        self.file.seek(SeekFrom::Start(first)).await.map_err(|error| {
            ApiError::unavailable("it cannot be read at present").with_cause(error)
        })?;
        let count = last - first + 1;
        let headers = [
            (CONTENT_TYPE, media_type.to_owned()),
            (CONTENT_LENGTH, count.to_string()),
            (ACCEPT_RANGES, "bytes".to_owned()),
        ];
        let body = Body::from_stream(bytes_of(self.file, count));
        if wanted == Wanted::All {
            return Ok((headers, body).into_response());
        }
        let part = [(CONTENT_RANGE, format!("bytes {first}-{last}/{len}"))];
        Ok((StatusCode::PARTIAL_CONTENT, headers, part, body).into_response())
    }
}

/// The next bytes of a file, so many.
fn bytes_of(file: File, count: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold((file, count), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut chunk = vec![0; usize::try_from(left.min(CHUNK_LEN)).unwrap_or(0)];
        match file.read(&mut chunk).await {
            // It has become shorter: the connection is broken off, since less came than was said.
            Ok(0) => Some((Err(io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(Bytes::from(chunk)), (file, left - read as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_fitted() {
        for (range, wanted, of_ten) in [
            ("bytes=0-", Wanted::From(0, None), Some(0..=9)),
            ("bytes=2-4", Wanted::From(2, Some(4)), Some(2..=4)),
            ("Bytes = 2-400", Wanted::From(2, Some(400)), Some(2..=9)),
            ("bytes=9-9", Wanted::From(9, Some(9)), Some(9..=9)),
            ("bytes=10-", Wanted::From(10, None), None),
            ("bytes=-3", Wanted::Last(3), Some(7..=9)),
            ("bytes=-300", Wanted::Last(300), Some(0..=9)),
            ("bytes=-0", Wanted::Last(0), None),
            ("bytes=4-2", Wanted::All, Some(0..=9)),
            ("bytes=0-1,3-4", Wanted::All, Some(0..=9)),
            ("bytes=+1-2", Wanted::All, Some(0..=9)),
            ("bytes=-", Wanted::All, Some(0..=9)),
            ("seconds=1-2", Wanted::All, Some(0..=9)),
            ("bytes=99999999999999999999-", Wanted::All, Some(0..=9)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, range.parse().expect("a value"));
            assert_eq!(Wanted::of(&headers), wanted, "{range}");
            assert_eq!(wanted.within(10), of_ten, "{range}");
            assert_eq!(wanted.within(0), None, "{range}");
            headers.insert(IF_RANGE, "\"x\"".parse().expect("a value"));
            assert_eq!(Wanted::of(&headers), Wanted::All, "{range}");
        }
    }
}
