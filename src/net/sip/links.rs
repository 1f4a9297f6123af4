//! The sockets: UDP listeners, TCP listeners and connections, and the way of a message through
//! them. Everything received passes [`Wire::on_bytes`]; what the gate lets through goes to the
//! transaction layer in normal form, with a note of where it came from.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Host, HostWithPort, Method, Request, SipMessage, StatusCodeKind};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::SipError;
use super::address::{SipUri, UriTransport, tag_of};
use super::counters::{Counters, MalformedKind};
use super::frame::{Frame, FrameError, StreamFramer};
use super::gate::{Refusal, Verdict, judge};
use super::incoming::IncomingCall;
use super::reply::{TopVia, stateless};
use super::sockets::{PlainUdp, Raw, resolve, write_stream};
use super::wire::{RawMessage, StartLine, scan};
use crate::net::plain;

/// Carries link and source of a request through the transaction layer, which has no room for them.
/// It is written by us after the scan, replaces any header of that name, and never leaves.
const ORIGIN: &str = "X-Frontdoor-Origin";
/// TCP connections at once; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 1024;
/// TCP connections with one IP address at once; more are closed, so that one sender cannot use up
/// all there are. A trunk needs one, an office behind one address a few.
pub(super) const CONNECTIONS_PER_SOURCE_MAX: usize = 64;
/// Messages waiting to be written on one TCP connection; a full queue makes the sender wait, at
/// most as long as one message may take to be written.
const WRITE_QUEUE_LEN_MAX: usize = 64;
/// A started message must end within this time of its beginning (guards against slow-drip senders).
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);
/// A connection without any bytes for this long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How SIP messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A message a datagram.
    Udp,
    /// A stream, framed by Content-Length (RFC 3261 section 18.3).
    Tcp,
}

impl Transport {
    /// Whether nobody on the way can read what is sent.
    pub const fn is_encrypted(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "udp" => Some(Self::Udp),
            "tcp" => Some(Self::Tcp),
            _ => None,
        }
    }

    /// The word in a Via header.
    pub(super) fn via_word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// One UDP socket, or one TCP connection.
pub(super) struct Link {
    id: u64,
    pub(super) transport: Transport,
    pub(super) connection: SipConnection,
    /// Where peers reach us: the socket, or the TCP listener that goes with a connection.
    reach: SocketAddr,
    remote: Option<SocketAddr>,
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
    /// The listener that peers of dialled connections are told.
    tcp_port: Option<u16>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
    acks: Mutex<HashMap<(String, String), KeptAck>>,
    permits: Arc<Semaphore>,
    next_id: AtomicU64,
    /// The queue of new calls, to see whether there is room in it.
    calls: mpsc::WeakSender<IncomingCall>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sip_addr(transport: Transport, addr: HostWithPort) -> SipAddr {
    let kind = match transport {
        Transport::Udp => rsipstack::sip::Transport::Udp,
        Transport::Tcp => rsipstack::sip::Transport::Tcp,
    };
    SipAddr { r#type: Some(kind), addr }
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

impl Wire {
    pub(super) fn new(
        stack: EndpointInnerRef,
        agent: String,
        advertise_ip: Option<IpAddr>,
        tcp_port: Option<u16>,
        calls: mpsc::WeakSender<IncomingCall>,
    ) -> Self {
        Self {
            stack,
            counters: Arc::new(Counters::default()),
            agent,
            advertise_ip,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            tcp_port,
            links: Mutex::default(),
            acks: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
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

    fn add_link(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        locked(&self.links).insert(link.id, link.clone());
        link
    }

    /// Starts to receive on a bound UDP socket.
    pub(super) async fn serve_udp(self: &Arc<Self>, socket: UdpSocket, local: SocketAddr) {
        let socket = Arc::new(PlainUdp::new(socket, local));
        let inner = UdpInner { conn: socket.clone(), addr: sip_addr(Transport::Udp, local.into()) };
        let closed = self.stop.child_token();
        let connection = UdpConnection::attach(inner, None, Some(closed.clone())).await;
        let link = self.add_link(Link {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            transport: Transport::Udp,
            connection: SipConnection::Udp(connection),
            reach: plain(local),
            remote: None,
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
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Some((reply, to)) = self.on_bytes(bytes, &link, source).await {
                _ = socket.send(&reply, to).await;
            }
        }
    }

    /// Starts to accept TCP connections on a bound listener.
    pub(super) fn serve_tcp(self: &Arc<Self>, listener: TcpListener, port: u16) {
        let wire = self.clone();
        self.tasks.spawn(async move {
            loop {
                let Ok(permit) = wire.permits.clone().acquire_owned().await else { return };
                let accepted = tokio::select! {
                    () = wire.stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, peer)) if wire.is_crowded_by(plain(peer).ip()) => {
                        tracing::debug!("too many SIP TCP connections with one address");
                        drop(stream);
                    }
                    Ok((stream, _)) => {
                        if let Err(error) = wire.adopt(stream, Some(port), Some(permit)).await {
                            tracing::debug!(%error, "a SIP TCP connection ended before it began");
                        }
                    }
                    // Out of file descriptors, mostly: wait for some to be closed.
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a SIP TCP connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    }

    /// Whether this address has as many connections as one may have.
    fn is_crowded_by(&self, ip: IpAddr) -> bool {
        let links = locked(&self.links);
        let remotes = links.values().filter_map(|link| link.remote);
        remotes.filter(|remote| remote.ip() == ip).count() >= CONNECTIONS_PER_SOURCE_MAX
    }

    /// Makes a link of a TCP connection, accepted or dialled.
    async fn adopt(
        self: &Arc<Self>,
        stream: TcpStream,
        listener_port: Option<u16>,
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<Arc<Link>, SipError> {
        let failed = |error: std::io::Error| SipError::Stack(error.to_string());
        let remote = plain(stream.peer_addr().map_err(failed)?);
        let local = plain(stream.local_addr().map_err(failed)?);
        _ = stream.set_nodelay(true);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let closed = self.stop.child_token();
        let (to_writer, from_stack) = mpsc::channel(WRITE_QUEUE_LEN_MAX);
        let (raw, raw_queue) = mpsc::channel(WRITE_QUEUE_LEN_MAX);
        // The library's channel connection never reads this side: we feed it ourselves.
        let (_, unused) = mpsc::unbounded_channel();
        let name =
            HostWithPort { host: Host::IpAddr(remote.ip()), port: Some(remote.port().into()) };
        let connection = ChannelConnection::create_connection_bounded(
            unused,
            to_writer,
            sip_addr(Transport::Tcp, name),
            Some(closed.clone()),
        )
        .await?;
        let link = self.add_link(Link {
            id,
            transport: Transport::Tcp,
            connection: SipConnection::Channel(connection),
            reach: SocketAddr::new(local.ip(), listener_port.unwrap_or(local.port())),
            remote: Some(remote),
            closed: closed.clone(),
        });
        let (reader, writer) = stream.into_split();
        self.tasks.spawn(write_stream(writer, from_stack, raw_queue, closed));
        let wire = self.clone();
        let served = link.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            Counters::add(&wire.counters.connections_open);
            // Awaiting a spawned task keeps a parser's panic from skipping the clean-up.
            let work = tokio::spawn(wire.clone().read_stream(reader, served.clone(), remote, raw));
            _ = work.await;
            served.closed.cancel();
            locked(&wire.links).remove(&served.id);
            Counters::remove(&wire.counters.connections_open);
        });
        Ok(link)
    }

    async fn read_stream(
        self: Arc<Self>,
        mut reader: OwnedReadHalf,
        link: Arc<Link>,
        source: SocketAddr,
        raw: mpsc::Sender<Raw>,
    ) {
        let mut framer = StreamFramer::default();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let now = Instant::now();
            let until = match framer.waiting_since(now) {
                Some(since) => since + MESSAGE_LIMIT,
                None => now + IDLE_LIMIT,
            };
            let read = tokio::select! {
                () = link.closed.cancelled() => return,
                read = timeout_at(until.into(), reader.read(&mut buffer)) => read,
            };
            let Ok(Ok(length @ 1..)) = read else { return };
            framer.push(&buffer[..length]);
            loop {
                match framer.next_frame() {
                    Ok(None) => break,
                    Ok(Some(Frame::Ping)) => _ = raw.send(Raw::Then(b"\r\n".to_vec())).await,
                    Ok(Some(Frame::Message(bytes))) => {
                        if let Some((reply, _)) = self.on_bytes(&bytes, &link, source).await {
                            _ = raw.send(Raw::Then(reply)).await;
                        }
                    }
                    Err(error) => {
                        if let Some(reply) = self.on_lost_stream(&error, source) {
                            _ = raw.send(Raw::Last(reply)).await;
                            link.closed.cancelled().await;
                        }
                        return;
                    }
                }
            }
        }
    }

    /// The answer to a message after which a stream cannot be read on, if it can be answered.
    fn on_lost_stream(&self, error: &FrameError, source: SocketAddr) -> Option<Vec<u8>> {
        Counters::add(&self.counters.received);
        self.counters.malformed(error.kind);
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
    async fn on_bytes(
        &self,
        bytes: &[u8],
        link: &Arc<Link>,
        source: SocketAddr,
    ) -> Option<(Vec<u8>, SocketAddr)> {
        Counters::add(&self.counters.received);
        let Some(message) = scan(bytes) else {
            self.counters.malformed(MalformedKind::NotSip);
            return None;
        };
        let refusal = match judge(&message) {
            Verdict::Drop(kind) => {
                self.counters.malformed(kind);
                return None;
            }
            Verdict::Refuse(refusal) => refusal,
            Verdict::Pass => self.hand_over(&message, link, source).await?,
        };
        if let Some(kind) = refusal.malformed {
            self.counters.malformed(kind);
        }
        self.counters.answered(refusal.status);
        let to = message.header("via").and_then(TopVia::parse)?.answer_to(source);
        Some((stateless(&message, &refusal, source, &self.agent), to))
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
                self.counters.malformed(MalformedKind::Parser);
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
        let Ok(parsed) = SipMessage::try_from(bytes.as_slice()) else { return unreadable() };
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
                self.repeat_ack(message, response.status_code.kind()).await;
                TransactionKey::from_response(response, TransactionRole::Client)
            }
        };
        let Ok(key) = key else { return unreadable() };
        if self.opens_call(&parsed, &key) && !self.has_room() {
            return Some(Refusal::busy());
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

    /// Whether another call can be queued. Asked before there is a transaction, which would have to
    /// be kept until its refusal is acknowledged: a flood of calls is what fills the queue.
    fn has_room(&self) -> bool {
        self.calls.upgrade().is_some_and(|calls| calls.capacity() > 0)
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
        _ = link.connection.send(message, Some(&destination(&link, to))).await;
    }

    /// Finds the way to a URI: the given link if it fits, else another UDP socket or a TCP
    /// connection, dialled if there is none.
    ///
    /// # Errors
    /// The host has no address, its transport is not spoken here, or there is no listener or
    /// connection to be had.
    pub(super) async fn path_to(
        self: &Arc<Self>,
        uri: &SipUri,
        preferred: Option<&Arc<Link>>,
    ) -> Result<(Arc<Link>, SocketAddr), SipError> {
        let transport = match uri.transport {
            Some(UriTransport::Ours(transport)) => transport,
            Some(UriTransport::Other) => {
                return Err(SipError::BadTarget { uri: uri.host.clone().into() });
            }
            None => preferred.map_or(Transport::Udp, |link| link.transport),
        };
        let address = resolve(uri).await?;
        if let Some(link) = preferred
            && link.transport == transport
            && !link.closed.is_cancelled()
        {
            return Ok((link.clone(), address));
        }
        match transport {
            Transport::Udp => {
                let link = locked(&self.links)
                    .values()
                    .filter(|link| link.transport == Transport::Udp)
                    .filter(|link| link.sends_to(address))
                    .min_by_key(|link| (link.reach.is_ipv4() != address.is_ipv4(), link.id))
                    .cloned();
                let detail = "no UDP listener of that address family".to_owned();
                link.map(|link| (link, address)).ok_or(SipError::NoPath {
                    address,
                    transport,
                    detail,
                })
            }
            Transport::Tcp => {
                let open = locked(&self.links)
                    .values()
                    .find(|link| link.remote == Some(address) && !link.closed.is_cancelled())
                    .cloned();
                if let Some(link) = open {
                    return Ok((link, address));
                }
                let failed = |detail| SipError::NoPath { address, transport, detail };
                match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => Ok((self.adopt(stream, self.tcp_port, None).await?, address)),
                    Ok(Err(error)) => Err(failed(error.to_string())),
                    Err(_) => Err(failed("no connection within 5 s".to_owned())),
                }
            }
        }
    }
}
