//! Cuts a stream into SIP messages by Content-Length (RFC 3261 18.3). Pure.

use std::time::Instant;

use super::counters::MalformedKind;
use super::wire::{ContentLength, RawMessage, scan};

/// Largest header section taken.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Largest body taken; an SDP with every codec known is a tenth of it.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

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
    /// When the message that waits for its rest was first seen to wait.
    since: Option<Instant>,
}

impl StreamFramer {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether part of a message is waiting for its rest. Line ends alone are none: a keep-alive,
    /// or the answer to one, may stand for as long as the connection is idle.
    fn is_inside_message(&self) -> bool {
        self.buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Since when part of a message has been waiting for its rest, `now` if it begins to. Whatever
    /// drips in meanwhile, the beginning stays.
    pub(super) fn waiting_since(&mut self, now: Instant) -> Option<Instant> {
        self.since = self.is_inside_message().then(|| self.since.unwrap_or(now));
        self.since
    }

    /// The next whole frame, or `None` until more is pushed.
    ///
    /// # Errors
    /// The stream lost its framing: no or bad Content-Length, not SIP, or too large.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let frame = self.cut_frame()?;
        if frame.is_some() {
            // What is left belongs to another message.
            self.since = None;
        }
        Ok(frame)
    }

    fn cut_frame(&mut self) -> Result<Option<Frame>, FrameError> {
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
    fn a_message_waits_since_its_beginning_and_line_ends_do_not_wait() {
        let start = Instant::now();
        let at = |second| start + std::time::Duration::from_secs(second);
        let mut framer = StreamFramer::default();
        for crlf in ["\r", "\n", "\r"] {
            framer.push(crlf.as_bytes());
            assert_eq!(framer.next_frame(), Ok(None));
            assert_eq!(framer.waiting_since(at(0)), None, "{crlf:?}");
        }
        framer.push(b"\n");
        assert_eq!(framer.next_frame(), Ok(Some(Frame::Ping)));
        let (head, rest) = ONE.split_at(20);
        framer.push(head.as_bytes());
        assert_eq!((framer.next_frame(), framer.waiting_since(at(1))), (Ok(None), Some(at(1))));
        framer.push(&rest.as_bytes()[..5]);
        assert_eq!((framer.next_frame(), framer.waiting_since(at(9))), (Ok(None), Some(at(1))));
        // The rest, and the beginning of the next.
        framer.push(&rest.as_bytes()[5..]);
        framer.push(head.as_bytes());
        assert!(matches!(framer.next_frame(), Ok(Some(Frame::Message(_)))));
        assert_eq!((framer.next_frame(), framer.waiting_since(at(10))), (Ok(None), Some(at(10))));
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
