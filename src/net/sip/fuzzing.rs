//! What a fuzzer does to the pure front of this folder, and what must hold whatever it finds: see
//! `fuzz/`. Only there with the feature `fuzzing`.

use std::net::{Ipv4Addr, SocketAddr};

use rsipstack::sip::SipMessage;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};

use super::address::{SipParty, tag_of};
use super::counters::MalformedKind;
use super::frame::StreamFramer;
use super::gate::{Refusal, Verdict, judge};
use super::redact::redacted;
use super::reply::{TopVia, stateless};
use super::wire::{RawMessage, StartLine, scan};

/// Takes a datagram as the endpoint does, up to where the transaction layer would take it over.
///
/// # Panics
/// Something does not hold that must.
pub fn datagram(bytes: &[u8]) {
    let Some(message) = scan(bytes) else { return };
    let kept = redacted(&message).text;
    assert!(!kept.contains(|c: char| c.is_control() && c != '\n'), "{kept:?}");
    match judge(&message) {
        Verdict::Drop(_) => {}
        Verdict::Refuse(refusal) => refused(&message, &refusal, bytes.len()),
        Verdict::Pass => passed(&message),
    }
}

/// Cuts a stream whole and in pieces, as long as the last byte says: both must come out the same.
///
/// # Panics
/// They did not.
pub fn stream(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_last() else { return };
    assert_eq!(cut(bytes, usize::from(piece).max(1)), cut(bytes, bytes.len().max(1)));
}

fn source() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 5070))
}

/// A refusal reads back, says what it should, and is no amplifier.
fn refused(message: &RawMessage, refusal: &Refusal, asked_len: usize) {
    let via = message.header("via").and_then(TopVia::parse).expect("it can be answered");
    assert_ne!(via.answer_to(source()).port(), 0);
    let text = stateless(message, refusal, source(), "frontdoor");
    assert!(text.len() <= asked_len * 2 + 512, "{} bytes for {asked_len}", text.len());
    let response = scan(&text).expect("our own answer reads back");
    let is_status = |status| status == refusal.status;
    assert!(matches!(response.start, StartLine::Response { status, .. } if is_status(status)));
    assert!(matches!(response.defect, None | Some(MalformedKind::TooLarge)), "{response:?}");
    assert_eq!(response.counted_body(), b"");
}

/// The normal form passes again and says the same, and the library does not panic at it.
fn passed(message: &RawMessage) {
    let is_request = message.method().is_some();
    let via = message.header("via").and_then(TopVia::parse).expect("it was judged");
    let via = is_request.then(|| via.stamped(source()));
    let bytes = message.normal_form(via.as_deref(), None);
    let again = scan(&bytes).expect("our own form reads back");
    // At the very limit of what is taken, the length that we add is one too many.
    if again.defect != Some(MalformedKind::TooLarge) {
        assert_eq!(judge(&again), Verdict::Pass, "{again:?}");
    }
    assert_eq!(again.method(), message.method());
    assert_eq!(again.body, message.counted_body());
    for name in ["call-id", "cseq", "contact"] {
        assert_eq!(again.header(name), message.header(name));
    }
    for name in ["from", "to"] {
        let (was, is) = (message.header(name), again.header(name));
        assert_eq!(is.and_then(tag_of), was.and_then(tag_of));
        _ = SipParty::from_header(is.unwrap_or_default());
    }
    match SipMessage::try_from(bytes.as_slice()) {
        Ok(SipMessage::Request(request)) => {
            _ = request.to_header().and_then(|to| to.tag());
            _ = TransactionKey::from_request(&request, TransactionRole::Server);
        }
        Ok(SipMessage::Response(response)) => {
            _ = TransactionKey::from_response(&response, TransactionRole::Client);
        }
        Err(_) => {}
    }
}

/// What comes out of a stream that arrives in pieces, and how it ends.
fn cut(bytes: &[u8], piece: usize) -> (Vec<String>, Option<MalformedKind>) {
    let mut framer = StreamFramer::default();
    let mut frames = Vec::new();
    for bytes in bytes.chunks(piece) {
        framer.push(bytes);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(error) => return (frames, Some(error.kind)),
            }
        }
    }
    (frames, None)
}
