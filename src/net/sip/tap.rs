//! Keeps the messages of calls, redacted, so that somebody can look at them afterwards.
//!
//! ```text
//!  INVITE let in --> traced --every message of its Call-ID--> over (a BYE is answered) --> taken
//!                      '-- refused before it was answered --> among the refused
//!  INVITE refused at the door --------------------------------^
//! ```
//!
//! Everything is bounded: calls, messages of a call (the first and the last stay), their length,
//! the refused ones and how many of those are looked at in a second.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rsipstack::sip::SipMessage;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;
use tokio::sync::Notify;

use super::address::tag_of;
use super::links::Transport;
use super::redact::{Redacted, redacted};
use super::wire::{RawMessage, StartLine, scan};

/// Calls traced at once; the oldest makes room. More than may be in progress.
const TRACES_MAX: usize = 2_048;
/// Messages kept of the beginning of a call, and of its end.
const FIRST_MAX: usize = 60;
const LAST_MAX: usize = 40;
/// Text kept of a call; of further messages only the first line.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Refused calls kept until somebody takes them; the oldest goes.
const REFUSED_MAX: usize = 50;
/// Refused calls looked at in a second: a flood of them is what an attack is.
const REFUSED_PER_S_MAX: u32 = 20;
/// Calls that were asked for a password and may come again with it.
const CHALLENGED_MAX: usize = 32;
/// A call that is over and that nobody has asked for by then is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceDirection {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// A message of a call, redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedMessage {
    /// Since the first message of the call.
    pub at: Duration,
    /// Which way.
    pub direction: TraceDirection,
    /// How.
    pub transport: Transport,
    /// The other side's address, where it is known.
    pub peer: Option<SocketAddr>,
    /// The method, or status and phrase.
    pub label: String,
    /// Of a response.
    pub status: Option<u16>,
    /// The CSeq header.
    pub cseq: String,
    /// The text of the Reason header (RFC 3326).
    pub reason: Option<String>,
    /// Whether it brings a session description.
    pub has_sdp: bool,
    /// All of it, a header a line.
    pub text: String,
}

/// The messages of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipTrace {
    /// When the first one came.
    pub began: SystemTime,
    /// In order.
    pub messages: Vec<TracedMessage>,
    /// How many more there were,
    pub left_out: u32,
    /// and before which of the others they stood.
    pub gap_at: usize,
}

/// A call that was refused before it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedInvite {
    /// Its messages: the INVITE, the answer, and what was between them.
    pub trace: SipTrace,
    /// Where it came from.
    pub source: SocketAddr,
    /// How.
    pub transport: Transport,
    /// What it was answered with.
    pub status: u16,
    /// Which rule it was.
    pub reason: String,
    /// How often the same INVITE came.
    pub times: u32,
}

struct Captured {
    at: Instant,
    direction: TraceDirection,
    transport: Transport,
    peer: Option<SocketAddr>,
    message: Redacted,
}

/// One side of a call: whoever is moved, or asked, has another Call-ID.
struct Leg {
    call_id: String,
    is_answered: bool,
    is_over: bool,
}

struct Trace {
    began: SystemTime,
    began_at: Instant,
    first: Vec<Captured>,
    last: VecDeque<Captured>,
    left_out: u32,
    text_bytes: usize,
    legs: Vec<Leg>,
    over_since: Option<Instant>,
}

struct Refused {
    call_id: String,
    invite: RefusedInvite,
}

#[derive(Default)]
struct State {
    /// By the Call-ID of the first leg.
    traces: HashMap<String, Trace>,
    /// The first leg's Call-ID by that of a further one.
    joined: HashMap<String, String>,
    challenged: VecDeque<(String, Vec<Captured>)>,
    refused: VecDeque<Refused>,
    /// The second that is running, and the refused calls looked at in it.
    refused_since: Option<(Instant, u32)>,
}

/// The tap on the wire.
pub(super) struct Tap {
    /// None where nothing is to be kept.
    state: Option<Mutex<State>>,
    ended: Notify,
}

/// What passes the transaction layer on its way out.
pub(super) struct Outlet(pub(super) std::sync::Arc<Tap>);

impl MessageInspector for Outlet {
    fn before_send(&self, msg: SipMessage, dest: Option<&SipAddr>) -> SipMessage {
        self.0.sent(&msg, dest.and_then(|dest| dest.get_socketaddr().ok()));
        msg
    }

    fn after_received(&self, msg: SipMessage, _from: Option<&SipAddr>) -> SipMessage {
        // Seen before, as it came.
        msg
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn call_id(message: &RawMessage) -> &str {
    message.header("call-id").unwrap_or_default()
}

impl Captured {
    fn of(
        message: &RawMessage,
        direction: TraceDirection,
        transport: Transport,
        peer: Option<SocketAddr>,
    ) -> Self {
        let at = Instant::now();
        Self { at, direction, transport, peer, message: redacted(message) }
    }

    fn told(self, began_at: Instant) -> TracedMessage {
        let Redacted { label, status, cseq, reason, has_sdp, text } = self.message;
        TracedMessage {
            at: self.at.saturating_duration_since(began_at),
            direction: self.direction,
            transport: self.transport,
            peer: self.peer,
            label,
            status,
            cseq,
            reason,
            has_sdp,
            text,
        }
    }
}

impl Trace {
    fn new(call_id: &str) -> Self {
        Self {
            began: SystemTime::now(),
            began_at: Instant::now(),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            text_bytes: 0,
            legs: vec![Leg { call_id: call_id.to_owned(), is_answered: false, is_over: false }],
            over_since: None,
        }
    }

    fn add(&mut self, mut captured: Captured) {
        let is_first = self.first.len() < FIRST_MAX;
        if !is_first
            && self.last.len() == LAST_MAX
            && let Some(gone) = self.last.pop_front()
        {
            self.text_bytes -= gone.message.text.len();
            self.left_out += 1;
        }
        let text = &mut captured.message.text;
        if self.text_bytes + text.len() > TEXT_BYTES_MAX {
            text.truncate(text.find('\n').map_or(0, |end| end + 1));
        }
        self.text_bytes += text.len();
        match is_first {
            true => self.first.push(captured),
            false => self.last.push_back(captured),
        }
    }

    /// Follows where a leg stands; says whether its INVITE was refused by us just now.
    fn follow(&mut self, call_id: &str, captured: &Captured) -> bool {
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.call_id == call_id) else {
            return false;
        };
        let Some(status) = captured.message.status.filter(|status| *status >= 200) else {
            return false;
        };
        let mut is_refused = false;
        match captured.message.cseq.rsplit(' ').next() {
            Some("INVITE") if status < 300 => leg.is_answered = true,
            Some("INVITE") if !leg.is_answered && !matches!(status, 401 | 407) => {
                is_refused = captured.direction == TraceDirection::Sent;
                leg.is_over = true;
            }
            Some("BYE") => leg.is_over = true,
            _ => {}
        }
        if self.over_since.is_none() && self.legs.iter().all(|leg| leg.is_over) {
            self.over_since = Some(captured.at);
        }
        is_refused
    }

    /// Where the message before came from or went.
    fn peer(&self) -> Option<SocketAddr> {
        self.last.back().or(self.first.last())?.peer
    }

    fn told(self) -> SipTrace {
        let (began_at, gap_at) = (self.began_at, self.first.len());
        let messages = self.first.into_iter().chain(self.last);
        SipTrace {
            began: self.began,
            messages: messages.map(|captured| captured.told(began_at)).collect(),
            left_out: self.left_out,
            gap_at,
        }
    }
}

impl State {
    fn key<'a>(&'a self, call_id: &'a str) -> &'a str {
        self.joined.get(call_id).map_or(call_id, String::as_str)
    }

    fn trace_mut(&mut self, call_id: &str) -> Option<&mut Trace> {
        let key = self.key(call_id).to_owned();
        self.traces.get_mut(&key)
    }

    fn is_over(&self, call_id: &str) -> bool {
        self.traces.get(self.key(call_id)).is_none_or(|trace| trace.over_since.is_some())
    }

    fn remove(&mut self, call_id: &str) -> Option<Trace> {
        let trace = self.traces.remove(call_id)?;
        for leg in &trace.legs {
            self.joined.remove(&leg.call_id);
        }
        Some(trace)
    }

    /// Begins a trace; what was asked of the call before belongs to it.
    fn open(&mut self, call_id: &str) {
        let now = Instant::now();
        let is_forgotten = |since: Instant| now.saturating_duration_since(since) > FORGET_AFTER;
        let forgotten: Vec<String> = self
            .traces
            .iter()
            .filter(|(_, trace)| trace.over_since.is_some_and(is_forgotten))
            .map(|(key, _)| key.clone())
            .collect();
        for key in forgotten {
            self.remove(&key);
        }
        if self.traces.len() >= TRACES_MAX {
            let oldest = self.traces.iter().min_by_key(|(_, trace)| trace.began_at);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.remove(&key);
            }
        }
        let mut trace = Trace::new(call_id);
        if let Some(at) = self.challenged.iter().position(|(known, _)| known == call_id)
            && let Some((_, messages)) = self.challenged.remove(at)
        {
            if let Some(first) = messages.first() {
                let before = now.saturating_duration_since(first.at);
                trace.began = trace.began.checked_sub(before).unwrap_or(trace.began);
                trace.began_at = first.at;
            }
            for message in messages {
                trace.add(message);
            }
        }
        self.traces.insert(call_id.to_owned(), trace);
    }

    /// Whether another refused call may be looked at in this second.
    fn has_time(&mut self, now: Instant) -> bool {
        let (since, looked_at) = self
            .refused_since
            .filter(|(since, _)| now.saturating_duration_since(*since) < Duration::from_secs(1))
            .unwrap_or((now, 0));
        self.refused_since = Some((since, looked_at + 1));
        looked_at < REFUSED_PER_S_MAX
    }

    /// Keeps a refused call. `trace` ends with the refusal.
    fn refuse(&mut self, call_id: &str, trace: Trace) {
        let Some(answer) = trace.last.back().or(trace.first.last()) else { return };
        let (Some(status), Some(source)) = (answer.message.status, answer.peer) else { return };
        let transport = answer.transport;
        let reason = match &answer.message.reason {
            Some(reason) => reason.clone(),
            None => answer.message.label.clone(),
        };
        if self.refused.len() == REFUSED_MAX {
            self.refused.pop_front();
        }
        let trace = trace.told();
        let invite = RefusedInvite { trace, source, transport, status, reason, times: 1 };
        self.refused.push_back(Refused { call_id: call_id.to_owned(), invite });
    }

    /// Whether this INVITE is another copy of one that is among the refused; it is counted then.
    fn is_repeated(&mut self, invite: &RawMessage) -> bool {
        let (id, cseq) = (call_id(invite), invite.header("cseq").unwrap_or_default());
        let known = self.refused.iter_mut().find(|refused| {
            let asked = refused.invite.trace.messages.last();
            refused.call_id == id && asked.is_some_and(|answer| answer.cseq == cseq)
        });
        match known {
            Some(refused) => {
                refused.invite.times += 1;
                true
            }
            None => false,
        }
    }
}

impl Tap {
    pub(super) fn new(is_on: bool) -> Self {
        Self { state: is_on.then(Mutex::default), ended: Notify::new() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.state.is_some()
    }

    fn add(&self, state: &mut State, id: &str, captured: Captured) {
        let Some(trace) = state.trace_mut(id) else { return };
        let is_refused = trace.follow(id, &captured);
        let is_over = trace.over_since.is_some();
        trace.add(captured);
        if is_refused && is_over {
            let key = state.key(id).to_owned();
            if let Some(trace) = state.remove(&key) {
                state.refuse(id, trace);
            }
        }
        if is_over {
            self.ended.notify_waiters();
        }
    }

    /// Takes a message that came.
    pub(super) fn received(&self, message: &RawMessage, transport: Transport, peer: SocketAddr) {
        let Some(state) = &self.state else { return };
        let (mut state, id) = (locked(state), call_id(message));
        if state.trace_mut(id).is_some() {
            let way = TraceDirection::Received;
            self.add(&mut state, id, Captured::of(message, way, transport, Some(peer)));
        }
    }

    /// Begins the trace of a call with its INVITE, which was let in.
    pub(super) fn open(&self, invite: &RawMessage, transport: Transport, peer: SocketAddr) {
        let Some(state) = &self.state else { return };
        let (mut state, id) = (locked(state), call_id(invite));
        if state.trace_mut(id).is_none() {
            state.open(id);
            let way = TraceDirection::Received;
            self.add(&mut state, id, Captured::of(invite, way, transport, Some(peer)));
        }
    }

    /// Takes a message that goes. An INVITE of ours begins a trace.
    pub(super) fn sent(&self, message: &SipMessage, peer: Option<SocketAddr>) {
        let Some(state) = &self.state else { return };
        let Ok(id) = message.call_id_header().map(|id| id.value().to_owned()) else { return };
        let mut state = locked(state);
        let is_known = state.trace_mut(&id).is_some();
        if !is_known && !opens_call(message) {
            return;
        }
        let Some(message) = scan(&message.to_bytes()) else { return };
        if !is_known {
            state.open(&id);
        }
        let (transport, told) = way_of(&message);
        // Over a connection no address is given.
        let peer = peer.or(told).or_else(|| state.trace_mut(&id)?.peer());
        let captured = Captured::of(&message, TraceDirection::Sent, transport, peer);
        self.add(&mut state, &id, captured);
    }

    /// Takes a request and the answer it gets without a transaction.
    pub(super) fn refused(
        &self,
        request: &RawMessage,
        answer: &[u8],
        (transport, peer): (Transport, SocketAddr),
    ) {
        let Some(state) = &self.state else { return };
        let (mut state, id) = (locked(state), call_id(request));
        let sent =
            |answer: &RawMessage| Captured::of(answer, TraceDirection::Sent, transport, Some(peer));
        if let Some(trace) = state.trace_mut(id) {
            // The request is there already. It does not decide where the call stands.
            if let Some(answer) = scan(answer) {
                trace.add(sent(&answer));
            }
            return;
        }
        let begins = request.header("to").is_none_or(|to| tag_of(to).is_none());
        if request.method() != Some("INVITE") || !begins || state.is_repeated(request) {
            return;
        }
        if !state.has_time(Instant::now()) {
            return;
        }
        let Some(answer) = scan(answer) else { return };
        let mut trace = Trace::new(id);
        trace.add(Captured::of(request, TraceDirection::Received, transport, Some(peer)));
        trace.add(sent(&answer));
        let asks = matches!(answer.start, StartLine::Response { status: 401, .. });
        match asks && request.header("authorization").is_none() {
            // No refusal yet: this is how a telephone learns that it has to show its password.
            true => {
                if state.challenged.len() == CHALLENGED_MAX {
                    state.challenged.pop_front();
                }
                state.challenged.push_back((id.to_owned(), trace.first));
            }
            false => state.refuse(id, trace),
        }
    }

    /// From now on what one call says belongs to the trace of another.
    pub(super) fn join(&self, further: &str, first: &str) {
        let Some(state) = &self.state else { return };
        let mut state = locked(state);
        let key = state.key(first).to_owned();
        if key == further || !state.traces.contains_key(&key) {
            return;
        }
        let Some(mut other) = state.remove(further) else { return };
        let legs: Vec<String> = other.legs.iter().map(|leg| leg.call_id.clone()).collect();
        for leg in legs {
            state.joined.insert(leg, key.clone());
        }
        let Some(trace) = state.traces.get_mut(&key) else { return };
        trace.legs.append(&mut other.legs);
        if other.over_since.is_none() {
            trace.over_since = None;
        }
        trace.left_out += other.left_out;
        for captured in other.first.into_iter().chain(other.last) {
            trace.add(captured);
        }
        trace.first.sort_by_key(|captured| captured.at);
        trace.last.make_contiguous().sort_by_key(|captured| captured.at);
    }

    /// The trace of a call, once the end of it has been seen, or after `limit`.
    pub(super) async fn take(&self, call_id: &str, limit: Duration) -> Option<SipTrace> {
        let state = self.state.as_ref()?;
        let over = async {
            loop {
                let ended = self.ended.notified();
                tokio::pin!(ended);
                // What ends between the look and the wait is heard of, too.
                ended.as_mut().enable();
                if locked(state).is_over(call_id) {
                    return;
                }
                ended.await;
            }
        };
        _ = tokio::time::timeout(limit, over).await;
        let mut state = locked(state);
        let key = state.key(call_id).to_owned();
        state.remove(&key).map(Trace::told)
    }

    /// The calls refused since this was asked last.
    pub(super) fn take_refused(&self) -> Vec<RefusedInvite> {
        let Some(state) = &self.state else { return Vec::new() };
        locked(state).refused.drain(..).map(|refused| refused.invite).collect()
    }
}

/// Whether this is an INVITE outside of any dialog.
fn opens_call(message: &SipMessage) -> bool {
    let SipMessage::Request(request) = message else { return false };
    request.method == rsipstack::sip::Method::Invite
        && request.to_header().is_ok_and(|to| tag_of(to.value()).is_none())
}

/// How a message of ours goes, by its topmost Via (RFC 3261 18.2.2), and in a response where to.
fn way_of(message: &RawMessage) -> (Transport, Option<SocketAddr>) {
    let via = message.header("via").unwrap_or_default();
    let (sent, rest) = via.split_once(';').unwrap_or((via, ""));
    let word = sent.split_whitespace().next().and_then(|protocol| protocol.rsplit('/').next());
    let transport = word.and_then(Transport::from_name).unwrap_or(Transport::Udp);
    let param = |wanted: &str| {
        let mut params = rest.split([';', ',']).filter_map(|param| param.split_once('='));
        params.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim())
    };
    let told = match &message.start {
        StartLine::Request { .. } => None,
        StartLine::Response { .. } => {
            let ip = param("received").and_then(|ip| ip.parse().ok());
            let port = param("rport").and_then(|port| port.parse().ok());
            ip.zip(port).map(|(ip, port)| SocketAddr::new(ip, port))
        }
    };
    (transport, told)
}

#[cfg(test)]
mod tests;
