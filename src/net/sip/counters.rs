//! What the endpoint counts, for metrics and for the console.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Why a message was malformed. Every kind is counted on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MalformedKind {
    /// Neither a request line nor a status line.
    NotSip,
    /// No empty line after the headers, or a stream that lost its framing.
    Framing,
    /// Headers that are not UTF-8 (RFC 3261 25.1).
    Encoding,
    /// A header line without a name or a colon.
    HeaderLine,
    /// A mandatory header is missing (RFC 3261 8.1.1).
    MissingHeader,
    /// A header that may appear once appears twice.
    DoubledHeader,
    /// Content-Length is no number, or larger than the datagram.
    ContentLength,
    /// CSeq is no number below 2^31, or names another method than the request line.
    CSeq,
    /// The topmost Via cannot be read.
    Via,
    /// From, To or Contact cannot be read, or From has no tag.
    Party,
    /// The Request-URI cannot be read.
    Uri,
    /// Another SIP version.
    Version,
    /// Larger than this server takes.
    TooLarge,
    /// A NOTIFY about a transfer whose body does not begin with a status line (RFC 3515 2.4.5).
    Fragment,
    /// Passed our checks but not the library's parser.
    Parser,
}

impl MalformedKind {
    /// Every kind, for metrics that want a zero for what did not happen.
    pub const ALL: [Self; 15] = [
        Self::NotSip,
        Self::Framing,
        Self::Encoding,
        Self::HeaderLine,
        Self::MissingHeader,
        Self::DoubledHeader,
        Self::ContentLength,
        Self::CSeq,
        Self::Via,
        Self::Party,
        Self::Uri,
        Self::Version,
        Self::TooLarge,
        Self::Fragment,
        Self::Parser,
    ];

    /// The kind as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotSip => "not_sip",
            Self::Framing => "framing",
            Self::Encoding => "encoding",
            Self::HeaderLine => "header_line",
            Self::MissingHeader => "missing_header",
            Self::DoubledHeader => "doubled_header",
            Self::ContentLength => "content_length",
            Self::CSeq => "cseq",
            Self::Via => "via",
            Self::Party => "party",
            Self::Uri => "uri",
            Self::Version => "version",
            Self::TooLarge => "too_large",
            Self::Fragment => "fragment",
            Self::Parser => "parser",
        }
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SipCountersSnapshot {
    /// Datagrams and stream messages received, good and bad; keep-alives are not messages.
    pub received: u64,
    /// Malformed messages by kind; kinds that never happened are absent.
    pub malformed: BTreeMap<MalformedKind, u64>,
    /// Final responses of 300 and above that we sent, by status.
    pub refused: BTreeMap<u16, u64>,
    /// INVITEs that became an `IncomingCall`.
    pub calls_offered: u64,
    /// Calls we placed.
    pub calls_placed: u64,
    /// Dialogs (early and confirmed) open now.
    pub dialogs_open: u64,
    /// Connections (TCP, TLS, WebSocket) open now.
    pub connections_open: u64,
    /// Connections that ended before a TLS or WebSocket handshake was done.
    pub handshakes_failed: u64,
    /// Sources that were banned for a while, all together.
    pub sources_banned: u64,
    /// Messages and connections of banned sources, which nobody looked at.
    pub ignored: u64,
    /// Leg events lost because nobody read them.
    pub events_lost: u64,
    /// Questions to trunks (OPTIONS) that no server in service answered.
    pub keepalives_missed: u64,
    /// Addresses of trunks that do not answer at present.
    pub trunk_addresses_down: u64,
    /// Receive tasks that died and were started again; anything but 0 is a bug.
    pub receivers_restarted: u64,
}

impl SipCountersSnapshot {
    /// All malformed messages together.
    pub fn malformed_total(&self) -> u64 {
        self.malformed.values().sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) received: AtomicU64,
    pub(super) calls_offered: AtomicU64,
    pub(super) calls_placed: AtomicU64,
    pub(super) dialogs_open: AtomicU64,
    pub(super) connections_open: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) sources_banned: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) events_lost: AtomicU64,
    pub(super) keepalives_missed: AtomicU64,
    pub(super) trunk_addresses_down: AtomicU64,
    pub(super) receivers_restarted: AtomicU64,
    malformed: Mutex<BTreeMap<MalformedKind, u64>>,
    refused: Mutex<BTreeMap<u16, u64>>,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(counter: &AtomicU64) {
        counter.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn malformed(&self, kind: MalformedKind) {
        *self.malformed.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() +=
            1;
    }

    /// Counts a final response; anything below 300 is no refusal and is left out.
    pub(super) fn answered(&self, status: u16) {
        if status >= 300 {
            *self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(status)
                .or_default() += 1;
        }
    }

    pub(super) fn snapshot(&self) -> SipCountersSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SipCountersSnapshot {
            received: read(&self.received),
            malformed: self.malformed.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            calls_offered: read(&self.calls_offered),
            calls_placed: read(&self.calls_placed),
            dialogs_open: read(&self.dialogs_open),
            connections_open: read(&self.connections_open),
            handshakes_failed: read(&self.handshakes_failed),
            sources_banned: read(&self.sources_banned),
            ignored: read(&self.ignored),
            events_lost: read(&self.events_lost),
            keepalives_missed: read(&self.keepalives_missed),
            trunk_addresses_down: read(&self.trunk_addresses_down),
            receivers_restarted: read(&self.receivers_restarted),
        }
    }
}
