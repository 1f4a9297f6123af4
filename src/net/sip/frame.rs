//! Cuts a TCP stream into SIP messages by Content-Length (RFC 3261 18.3). Pure.

use super::counters::MalformedKind;
use super::wire::{ContentLength, RawMessage, scan};

/// Largest header section taken.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Largest body taken; an SDP with every codec known is a tenth of it.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// One thing cut from the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The bytes of one whole message.
    Message(Vec<u8>),
    /// A double CRLF: the peer asks whether the connection lives (RFC 5626 3.5.1).
    Ping,
}

/// The stream cannot be cut any further; answer if there is a head, then close.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrameError {
    pub(super) kind: MalformedKind,
    pub(super) head: Option<Box<RawMessage>>,
}

#[derive(Debug, Default)]
pub(super) struct StreamFramer {
    buffer: Vec<u8>,
}

impl StreamFramer {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether part of a message is waiting for its rest.
    pub(super) fn is_inside_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole frame, or `None` until more is pushed.
    ///
    /// # Errors
    /// The stream lost its framing: no or bad Content-Length, not SIP, or too large.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Ok(Some(Frame::Ping));
        }
        // A lone CRLF is the answer to our own ping or the first half of theirs.
        if self.buffer.starts_with(b"\r\n") && self.buffer.len() > 2 && self.buffer[2] != b'\r' {
            self.buffer.drain(..2);
        }
        if self.buffer == b"\r\n" || self.buffer == b"\r\n\r" || self.buffer == b"\r" {
            return Ok(None);
        }
        let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(FrameError { kind: MalformedKind::TooLarge, head: None });
            }
            return Ok(None);
        };
        let body_at = end + 4;
        let Some(head) = scan(&self.buffer[..body_at]) else {
            return Err(FrameError { kind: MalformedKind::NotSip, head: None });
        };
        let lost = |kind, head| Err(FrameError { kind, head: Some(Box::new(head)) });
        let length = match head.content_length() {
            ContentLength::Bytes(length) => length,
            ContentLength::Absent | ContentLength::Bad => {
                return lost(MalformedKind::ContentLength, head);
            }
        };
        if end > HEAD_BYTES_MAX || length > BODY_BYTES_MAX {
            return lost(MalformedKind::TooLarge, head);
        }
        if self.buffer.len() < body_at + length {
            return Ok(None);
        }
        Ok(Some(Frame::Message(self.buffer.drain(..body_at + length).collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\nContent-Length: 4\r\n\r\nbody";

    #[test]
    fn cuts_the_same_frames_whatever_the_reads() {
        let stream = format!("\r\n\r\n{ONE}\r\n\r\n\r\n{ONE}{ONE}");
        for chunk in [1, 2, 3, 7, 64, 4096] {
            let mut framer = StreamFramer::default();
            let (mut messages, mut pings) = (0, 0);
            for bytes in stream.as_bytes().chunks(chunk) {
                framer.push(bytes);
                while let Some(frame) = framer.next_frame().expect("the stream is good") {
                    match frame {
                        Frame::Message(message) => {
                            assert!(message.ends_with(b"\r\n\r\nbody"));
                            messages += 1;
                        }
                        Frame::Ping => pings += 1,
                    }
                }
            }
            assert_eq!((messages, pings), (3, 2), "chunks of {chunk}");
            assert!(!framer.is_inside_message(), "chunks of {chunk}");
        }
    }

    #[test]
    fn says_why_a_stream_is_lost() {
        let long = format!("OPTIONS sip:a@b SIP/2.0\r\nX: {}", "y".repeat(HEAD_BYTES_MAX));
        let cases = [
            (ONE.replace("Content-Length: 4\r\n", ""), MalformedKind::ContentLength, true),
            (ONE.replace("4\r\n", "-4\r\n"), MalformedKind::ContentLength, true),
            (ONE.replace("4\r\n", "4\r\nl: 4\r\n"), MalformedKind::ContentLength, true),
            (ONE.replace("4\r\n", "900000\r\n"), MalformedKind::TooLarge, true),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), MalformedKind::NotSip, false),
            (long, MalformedKind::TooLarge, false),
        ];
        for (text, kind, has_head) in cases {
            let mut framer = StreamFramer::default();
            framer.push(text.as_bytes());
            let error = framer.next_frame().expect_err("the stream is lost");
            assert_eq!((error.kind, error.head.is_some()), (kind, has_head));
        }
    }
}
