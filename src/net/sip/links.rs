//! The links, and the way of a message through them. Everything received passes
//! [`Wire::on_bytes`]; what the gate lets through goes to the transaction layer in normal form, with
//! a note of where it came from. Connections are in `streams`, ways to others in `ways`.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, HostWithPort, Method, Request, SipMessage, StatusCodeKind};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::{tag_of, user_of};
use super::counters::{Counters, MalformedKind};
use super::dialog::DialogKey;
use super::door::Door;
use super::forks::Forks;
use super::frame::FrameError;
use super::gate::{Refusal, Verdict, judge};
use super::hops::Lame;
use super::incoming::IncomingCall;
use super::names::Names;
use super::refusal::RefusalCause;
use super::registry::{Origin, Registry};
use super::replaces::Replaces;
use super::reply::{TopVia, stateless};
use super::sockets::PlainUdp;
use super::streams::{CONNECTIONS_MAX, Seats};
use super::tap::Tap;
use super::tls::Tls;
pub use super::transport::Transport;
use super::wire::{RawMessage, StartLine, scan};
use crate::net::plain;

/// Carries link and source of a request through the transaction layer, which has no room for them.
/// It is written by us after the scan, replaces any header of that name, and never leaves.
const ORIGIN: &str = "X-Frontdoor-Origin";
/// Notes of the same kind: the trunk that a call came through, and the URI that it asks for as it was
/// written.
const TRUNK: &str = "X-Frontdoor-Trunk";
const REQUESTED: &str = "X-Frontdoor-Requested";

/// One UDP socket, or one connection.
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) transport: Transport,
    pub(super) connection: SipConnection,
    /// Where peers reach us: the socket, or the listener that goes with a connection.
    pub(super) reach: SocketAddr,
    /// The other end of a connection.
    pub(super) remote: Option<SocketAddr>,
    /// The host that a connection was dialled for: under TLS it has proven to be that one.
    pub(super) dialled: Option<String>,
    pub(super) closed: CancellationToken,
}

/// An ACK kept to be sent again when its 2xx is (RFC 3261 13.2.2.4).
struct KeptAck {
    cseq: u32,
    message: SipMessage,
    link: Arc<Link>,
    to: SocketAddr,
}

/// Everything below dialogs: links, transactions, counters.
pub(super) struct Wire {
    pub(super) stack: EndpointInnerRef,
    pub(super) counters: Arc<Counters>,
    pub(super) agent: String,
    pub(super) advertise_ip: Option<IpAddr>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// The listeners that peers of dialled connections are told.
    pub(super) ports: BTreeMap<Transport, u16>,
    pub(super) tls: Tls,
    pub(super) door: Door,
    pub(super) names: Names,
    /// Servers that did not answer lately.
    pub(super) lame: Mutex<Lame>,
    pub(super) forks: Forks,
    pub(super) tap: Arc<Tap>,
    registry: Arc<Registry>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
    acks: Mutex<HashMap<(String, String), KeptAck>>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) seats: Arc<Seats>,
    next_id: AtomicU64,
    /// The queue of new calls, to see whether there is room in it.
    calls: mpsc::WeakSender<IncomingCall>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn sip_addr(transport: Transport, addr: HostWithPort) -> SipAddr {
    SipAddr { r#type: Some(transport.in_stack()), addr }
}

/// A datagram destination in the library's words.
pub(super) fn destination(link: &Link, to: SocketAddr) -> SipAddr {
    sip_addr(link.transport, to.into())
}

impl Link {
    /// The address a peer is told to send to.
    pub(super) fn contact_address(
        &self,
        peer: SocketAddr,
        advertise: Option<IpAddr>,
    ) -> SocketAddr {
        let ip = advertise.unwrap_or_else(|| match self.reach.ip() {
            ip if ip.is_unspecified() => local_ip_toward(peer).unwrap_or(ip),
            ip => ip,
        });
        SocketAddr::new(ip, self.reach.port())
    }

    /// Whether it can carry what is meant for this transport. A client on WebSocket writes the same
    /// word whether there is TLS beneath it or not.
    pub(super) fn suits(&self, transport: Transport) -> bool {
        self.transport == transport || (self.transport.is_websocket() && transport.is_websocket())
    }

    /// Whether the socket can send there. One on `[::]` sends to IPv4 addresses as well.
    fn sends_to(&self, address: SocketAddr) -> bool {
        self.reach.is_ipv4() == address.is_ipv4()
            || self.reach.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

/// The local address that packets to `peer` leave from: the kernel's choice, nothing is sent.
pub(super) fn local_ip_toward(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip().to_canonical())
}

/// What telephones and proxies send to keep a way open: blanks, a few octets, STUN (RFC 5389 6).
fn is_keep_alive(bytes: &[u8]) -> bool {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let is_stun = bytes.len() >= 20 && bytes[0] < 4 && bytes[4..8] == COOKIE;
    bytes.len() <= 4 || bytes.iter().all(u8::is_ascii_whitespace) || is_stun
}

impl Wire {
    pub(super) fn new(
        (stack, tap): (EndpointInnerRef, Arc<Tap>),
        (agent, advertise_ip): (String, Option<IpAddr>),
        ports: BTreeMap<Transport, u16>,
        (tls, names): (Tls, Names),
        door: Door,
        calls: mpsc::WeakSender<IncomingCall>,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            stack,
            counters: Arc::new(Counters::default()),
            agent,
            advertise_ip,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            ports,
            tls,
            door,
            names,
            lame: Mutex::default(),
            forks: Forks::default(),
            tap,
            registry,
            links: Mutex::default(),
            acks: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            seats: Arc::default(),
            next_id: AtomicU64::new(1),
            calls,
        }
    }

    /// How long an answer may stay without its ACK (64*T1, RFC 3261 13.3.1.4).
    pub(super) fn ack_limit(&self) -> Duration {
        self.stack.option.t1x64
    }

    /// Runs background work that ends with the endpoint.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    pub(super) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add_link(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        locked(&self.links).insert(link.id, link.clone());
        link
    }

    pub(super) fn remove_link(&self, link: &Link) {
        locked(&self.links).remove(&link.id);
    }

    /// A UDP socket that can send to this address.
    pub(super) fn udp_link(&self, address: SocketAddr) -> Option<Arc<Link>> {
        locked(&self.links)
            .values()
            .filter(|link| link.transport == Transport::Udp && link.sends_to(address))
            .min_by_key(|link| (link.reach.is_ipv4() != address.is_ipv4(), link.id))
            .cloned()
    }

    /// An open connection to this address that was dialled for this host.
    pub(super) fn dialled_link(
        &self,
        transport: Transport,
        address: SocketAddr,
        host: &str,
    ) -> Option<Arc<Link>> {
        locked(&self.links)
            .values()
            .filter(|link| link.transport == transport && link.remote == Some(address))
            .filter(|link| !link.closed.is_cancelled())
            // Under TLS an address is no proof of who is there (RFC 5922 section 7).
            .find(|link| !transport.is_encrypted() || link.dialled.as_deref() == Some(host))
            .cloned()
    }

    /// Starts to receive on a bound UDP socket.
    pub(super) async fn serve_udp(self: &Arc<Self>, socket: UdpSocket, local: SocketAddr) {
        let socket = Arc::new(PlainUdp::new(socket, local));
        let inner = UdpInner { conn: socket.clone(), addr: sip_addr(Transport::Udp, local.into()) };
        let closed = self.stop.child_token();
        let connection = UdpConnection::attach(inner, None, Some(closed.clone())).await;
        let link = self.add_link(Link {
            id: self.new_id(),
            transport: Transport::Udp,
            connection: SipConnection::Udp(connection),
            reach: plain(local),
            remote: None,
            dialled: None,
            closed,
        });
        let wire = self.clone();
        self.tasks.spawn(async move {
            // A panic below would be a bug in a parser; it must not silence the telephone.
            loop {
                let work = tokio::spawn(wire.clone().receive_udp(socket.clone(), link.clone()));
                match work.await {
                    Err(error) if error.is_panic() => {
                        Counters::add(&wire.counters.receivers_restarted);
                        tracing::error!("the SIP UDP receiver died and is started again");
                    }
                    _ => return,
                }
            }
        });
    }

    async fn receive_udp(self: Arc<Self>, socket: Arc<PlainUdp>, link: Arc<Link>) {
        let mut buffer = vec![0; 65_535];
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = socket.receive(&mut buffer) => received,
            };
            // An error here is a past send's (ICMP): the socket itself is fine.
            let Ok((length, source)) = received else { continue };
            let bytes = &buffer[..length];
            if is_keep_alive(bytes) {
                continue;
            }
            if let Some((reply, to)) = self.on_bytes(bytes, &link, source).await {
                _ = socket.send(&reply, to).await;
            }
        }
    }

    /// The answer to a message after which a stream cannot be read on, if it can be answered.
    pub(super) fn on_lost_stream(&self, error: &FrameError, source: SocketAddr) -> Option<Vec<u8>> {
        Counters::add(&self.counters.received);
        self.malformed(error.kind, source);
        let head = error.head.as_deref()?;
        let answerable = head.method().is_some_and(|method| method != "ACK")
            && head.header("via").and_then(TopVia::parse).is_some();
        if !answerable {
            return None;
        }
        let mut refusal = Refusal::bad(error.kind, "Bad Content-Length");
        if error.kind == MalformedKind::TooLarge {
            (refusal.status, refusal.phrase) = (513, "Message Too Large".to_owned());
        }
        self.counters.answered(refusal.status);
        Some(stateless(head, &refusal, source, &self.agent))
    }

    /// Takes one message; returns a stateless answer and where it goes, if there is one.
    pub(super) async fn on_bytes(
        &self,
        bytes: &[u8],
        link: &Arc<Link>,
        source: SocketAddr,
    ) -> Option<(Vec<u8>, SocketAddr)> {
        Counters::add(&self.counters.received);
        if self.door.is_banned(source.ip()) {
            Counters::add(&self.counters.ignored);
            return None;
        }
        let Some(message) = scan(bytes) else {
            self.malformed(MalformedKind::NotSip, source);
            return None;
        };
        self.tap.received(&message, link.transport, source);
        let refusal = match judge(&message) {
            Verdict::Drop(kind) => {
                self.malformed(kind, source);
                return None;
            }
            Verdict::Refuse(refusal) => refusal,
            Verdict::Pass => self.hand_over(&message, link, source).await?,
        };
        match refusal.malformed {
            Some(kind) => self.malformed(kind, source),
            // Scanners look for registrars, and for what else there may be.
            None if matches!(refusal.status, 405 | 501) => self.strike(source),
            None => {}
        }
        self.counters.answered(refusal.status);
        let to = message.header("via").and_then(TopVia::parse)?.answer_to(source);
        let answer = stateless(&message, &refusal, source, &self.agent);
        self.tap.refused(&message, &answer, (link.transport, source));
        Some((answer, to))
    }

    fn malformed(&self, kind: MalformedKind, source: SocketAddr) {
        self.counters.malformed(kind);
        self.strike(source);
    }

    /// Counts against a source what nobody who belongs here does often.
    fn strike(&self, source: SocketAddr) {
        if self.door.strike(source.ip()) {
            Counters::add(&self.counters.sources_banned);
            tracing::warn!(source = %source.ip(), "too many bad requests: the source is ignored");
        }
    }

    /// Lets a request in that belongs to no dialog, or says why not. What the dialogs are to know of
    /// it is noted.
    fn admit(
        &self,
        message: &RawMessage,
        source: SocketAddr,
        parsed: &mut SipMessage,
        opens_call: bool,
    ) -> Result<(), Refusal> {
        let SipMessage::Request(request) = parsed else { return Ok(()) };
        if !opens_call {
            let asks = request.method == Method::Options
                && request.to_header().is_ok_and(|to| tag_of(to.value()).is_none());
            if !asks {
                return Ok(());
            }
            return self.door.admit_question(source.ip()).inspect_err(|_| self.strike(source));
        }
        let admitted = self.door.admit_call(message, source.ip()).map_err(|refused| {
            if refused.counts_against {
                self.strike(source);
            }
            refused.refusal
        })?;
        let origin = Origin { ip: source.ip(), trunk: admitted.trunk.clone() };
        if !self.has_room() && !self.takes_over(message, &origin) {
            return Err(Refusal::busy());
        }
        if let Some(trunk) = admitted.trunk {
            request.headers.push(Header::Other(TRUNK.to_owned(), trunk));
        }
        request.headers.push(Header::Other(REQUESTED.to_owned(), admitted.requested));
        Ok(())
    }

    /// The trunk that a call came through, and the user part of the URI that it asks for.
    pub(super) fn noted(&self, request: &Request) -> (Option<String>, String) {
        let requested = request.header_value(REQUESTED).unwrap_or_default();
        (request.header_value(TRUNK), user_of(&requested))
    }

    /// Gives a judged message to the transaction layer; returns a refusal if that cannot read it.
    async fn hand_over(
        &self,
        message: &RawMessage,
        link: &Arc<Link>,
        source: SocketAddr,
    ) -> Option<Refusal> {
        let is_request = matches!(message.start, StartLine::Request { .. });
        let unreadable = || match is_request && message.method() != Some("ACK") {
            true => Some(Refusal::bad(MalformedKind::Parser, "Unreadable Message")),
            false => {
                self.malformed(MalformedKind::Parser, source);
                None
            }
        };
        let origin = format!("{} {source}", link.id);
        let bytes = match is_request {
            true => {
                let via = message.header("via").and_then(TopVia::parse)?.stamped(source);
                message.normal_form(Some(&via), Some((ORIGIN, &origin)))
            }
            false => message.normal_form(None, None),
        };
        let Ok(mut parsed) = SipMessage::try_from(bytes.as_slice()) else { return unreadable() };
        let key = match &parsed {
            SipMessage::Request(request) => {
                // With a To that it cannot read, the library could not record our final response,
                // and would keep its transaction for ever.
                if request.to_header().and_then(|to| to.tag()).is_err() {
                    return unreadable();
                }
                TransactionKey::from_request(request, TransactionRole::Server)
            }
            SipMessage::Response(response) => {
                let kind = response.status_code.kind();
                if kind == StatusCodeKind::Successful && self.forks.divert(response) {
                    return None;
                }
                self.repeat_ack(message, kind).await;
                TransactionKey::from_response(response, TransactionRole::Client)
            }
        };
        let Ok(key) = key else { return unreadable() };
        if self.is_stray(&parsed, &key) {
            let cause = RefusalCause::NoDialog;
            let (phrase, text) = ("Call/Transaction Does Not Exist", cause.text().to_owned());
            return Some(Refusal::plain(cause.status(), phrase, Some(text), Vec::new()));
        }
        let opens_call = self.opens_call(&parsed, &key);
        if let Err(refusal) = self.admit(message, source, &mut parsed, opens_call) {
            return Some(refusal);
        }
        if opens_call {
            self.tap.open(message, link.transport, source);
        }
        let from = sip_addr(link.transport, source.into());
        let taken = self.stack.on_received_message(parsed, link.connection.clone(), &from).await;
        if let Err(error) = taken {
            tracing::debug!(%error, "the SIP stack could not take a message");
        }
        None
    }

    /// Whether this would be another call: an INVITE outside of any dialog, seen for the first time.
    fn opens_call(&self, message: &SipMessage, key: &TransactionKey) -> bool {
        let SipMessage::Request(request) = message else { return false };
        request.method == Method::Invite
            && request.to_header().is_ok_and(|to| tag_of(to.value()).is_none())
            && !self.stack.transactions.contains_key(key)
            && !self.stack.finished_transactions.contains_key(key)
    }

    /// Whether this request, seen for the first time, names a call that is not here. It is refused
    /// without a transaction: one would be kept for half a minute and repeat its answer, to an
    /// address that anybody can have written there.
    fn is_stray(&self, message: &SipMessage, key: &TransactionKey) -> bool {
        let SipMessage::Request(request) = message else { return false };
        if matches!(request.method, Method::Ack | Method::Cancel)
            || self.stack.transactions.contains_key(key)
            || self.stack.finished_transactions.contains_key(key)
        {
            return false;
        }
        let to = request.to_header().ok().and_then(|to| tag_of(to.value()));
        let Some(local_tag) = to else { return false };
        let remote_tag = request.from_header().ok().and_then(|from| tag_of(from.value()));
        let call_id = request.call_id_header().map(|id| id.value().to_owned());
        let (remote_tag, call_id) = (remote_tag.unwrap_or_default(), call_id.unwrap_or_default());
        self.registry.dialog(&DialogKey { call_id, local_tag, remote_tag }).is_none()
    }

    /// Whether the door has let this call in.
    pub(super) fn was_admitted(&self, request: &Request) -> bool {
        request.header_value(REQUESTED).is_some()
    }

    /// Whether another call can be queued. Asked before there is a transaction, which would have to
    /// be kept until its refusal is acknowledged: a flood of calls is what fills the queue.
    fn has_room(&self) -> bool {
        self.calls.upgrade().is_some_and(|calls| calls.capacity() > 0)
    }

    /// Whether a call goes on with one that is here and waits in no queue (RFC 3891). Merely to name one
    /// does not help a flood: it must be one of theirs.
    fn takes_over(&self, message: &RawMessage, origin: &Origin) -> bool {
        let replaces = message.header("replaces").and_then(Replaces::parse);
        replaces.is_some_and(|replaces| self.registry.take_over(&replaces, origin).is_ok())
    }

    /// Link and source of a request that came through the transaction layer.
    pub(super) fn origin(&self, request: &Request) -> Option<(Arc<Link>, SocketAddr)> {
        let note = request.header_value(ORIGIN)?;
        let (id, source) = note.split_once(' ')?;
        let link = locked(&self.links).get(&id.parse().ok()?).cloned()?;
        Some((link, source.parse().ok()?))
    }

    /// Sends an ACK for a 2xx and keeps it for the 2xx's retransmissions.
    pub(super) async fn send_ack(
        &self,
        dialog: (String, String),
        cseq: u32,
        ack: Request,
        link: Arc<Link>,
        to: SocketAddr,
    ) {
        let message = SipMessage::Request(ack);
        let kept = KeptAck { cseq, message: message.clone(), link: link.clone(), to };
        locked(&self.acks).insert(dialog, kept);
        self.tap.sent(&message, Some(to));
        if let Err(error) = link.connection.send(message, Some(&destination(&link, to))).await {
            tracing::debug!(%error, "an ACK could not be sent");
        }
    }

    /// Forgets the ACK of an ended dialog.
    pub(super) fn forget_ack(&self, dialog: &(String, String)) {
        locked(&self.acks).remove(dialog);
    }

    async fn repeat_ack(&self, response: &RawMessage, kind: StatusCodeKind) {
        if kind != StatusCodeKind::Successful {
            return;
        }
        let kept = {
            let cseq = response.header("cseq").and_then(|value| value.strip_suffix("INVITE"));
            let Some(cseq) = cseq.and_then(|number| number.trim().parse::<u32>().ok()) else {
                return;
            };
            let call_id = response.header("call-id").unwrap_or_default().to_owned();
            let tag = response.header("from").and_then(tag_of).unwrap_or_default();
            let acks = locked(&self.acks);
            let Some(kept) = acks.get(&(call_id, tag)).filter(|kept| kept.cseq == cseq) else {
                return;
            };
            (kept.message.clone(), kept.link.clone(), kept.to)
        };
        let (message, link, to) = kept;
        self.tap.sent(&message, Some(to));
        _ = link.connection.send(message, Some(&destination(&link, to))).await;
    }
}
