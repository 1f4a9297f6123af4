//! Connections: TCP, TLS and WebSocket, accepted and dialled. Whatever a connection carries comes
//! out as whole messages and passes [`Wire::on_bytes`] like a datagram.
//!
//! ```text
//!  accept -> a seat? -> TLS handshake -> WebSocket handshake -> Link -> read, write
//!    (permit)   |        '------ within HANDSHAKE_LIMIT ------'
//!               '-- none: closed
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use rsipstack::sip::{Host, HostWithPort};
use rsipstack::transport::SipConnection;
use rsipstack::transport::channel::ChannelConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::SipError;
use super::counters::{Counters, MalformedKind};
use super::frame::{BODY_BYTES_MAX, Frame, HEAD_BYTES_MAX, StreamFramer};
use super::links::{Link, Transport, Wire, sip_addr};
use super::sockets::{Outbox, Raw, write_stream, write_websocket};
use crate::net::plain;

/// Connections at once; more wait in the kernel's backlog.
pub(super) const CONNECTIONS_MAX: usize = 1024;
/// Connections from one IP address at once; more are closed, so that one sender cannot use up all
/// there are. A trunk needs one, an office behind one address a few.
pub(super) const CONNECTIONS_PER_SOURCE_MAX: usize = 64;
/// Messages waiting to be written on one connection; a full queue makes the sender wait, at most as
/// long as one message may take to be written.
const WRITE_QUEUE_LEN_MAX: usize = 64;
/// A started message must end within this time of its beginning (guards against slow-drip senders).
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);
/// An accepted connection on which nothing was said for this long at first is closed.
const FIRST_MESSAGE_LIMIT: Duration = Duration::from_secs(30);
/// A connection without any bytes for this long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// TLS and WebSocket handshakes together.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Until a dialled connection stands, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The one subprotocol of WebSocket that is spoken (RFC 7118 section 4).
const SUBPROTOCOL: &str = "sip";

/// How many connections each address has, those whose handshake goes on included.
#[derive(Default)]
pub(super) struct Seats {
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those of its address; dropping it gives the place up.
pub(super) struct Seat {
    seats: Arc<Seats>,
    ip: IpAddr,
}

impl Seats {
    fn locked(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless this address has as many as one may have.
    fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Seat> {
        let ip = super::bans::key(ip);
        let mut taken = self.locked();
        let count = taken.entry(ip).or_default();
        if *count >= CONNECTIONS_PER_SOURCE_MAX {
            return None;
        }
        *count += 1;
        Some(Seat { seats: self.clone(), ip })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.locked();
        if let Some(count) = taken.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.ip);
            }
        }
    }
}

/// What an accepted connection holds for as long as it lives.
struct Place {
    _permit: OwnedSemaphorePermit,
    _seat: Seat,
}

/// Both ends of a connection.
struct Ends {
    transport: Transport,
    remote: SocketAddr,
    reach: SocketAddr,
    dialled: Option<String>,
}

impl Ends {
    fn of(
        stream: &TcpStream,
        transport: Transport,
        listener_port: Option<u16>,
        dialled: Option<String>,
    ) -> std::io::Result<Self> {
        let local = plain(stream.local_addr()?);
        let port = listener_port.unwrap_or(local.port());
        _ = stream.set_nodelay(true);
        Ok(Self {
            transport,
            remote: plain(stream.peer_addr()?),
            reach: SocketAddr::new(local.ip(), port),
            dialled,
        })
    }
}

/// A new link, what is to be written on it, and the way for stateless replies.
struct Opened {
    link: Arc<Link>,
    outbox: Outbox,
    raw: mpsc::Sender<Raw>,
}

impl Wire {
    /// Starts to accept connections on a bound listener.
    pub(super) fn serve_streams(
        self: &Arc<Self>,
        listener: TcpListener,
        transport: Transport,
        port: u16,
    ) {
        let wire = self.clone();
        self.tasks.spawn(async move {
            loop {
                let Ok(permit) = wire.permits.clone().acquire_owned().await else { return };
                let accepted = tokio::select! {
                    () = wire.stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, peer)) if wire.door.is_banned(plain(peer).ip()) => {
                        Counters::add(&wire.counters.ignored);
                        drop(stream);
                    }
                    Ok((stream, peer)) => match wire.seats.take(plain(peer).ip()) {
                        Some(seat) => {
                            let place = Place { _permit: permit, _seat: seat };
                            wire.welcome(stream, transport, port, place);
                        }
                        None => tracing::debug!("too many SIP connections from one address"),
                    },
                    // Out of file descriptors, mostly: wait for some to be closed.
                    Err(error) => {
                        tracing::warn!(%error, %transport, "cannot accept a SIP connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    }

    /// Shakes hands in a task of its own: a peer that is slow at it keeps nobody else waiting.
    fn welcome(self: &Arc<Self>, stream: TcpStream, transport: Transport, port: u16, place: Place) {
        let wire = self.clone();
        self.spawn(async move {
            let shaken = timeout(HANDSHAKE_LIMIT, wire.take_up(stream, transport, port, place));
            let detail = match shaken.await {
                Ok(Ok(())) => return,
                Ok(Err(detail)) => detail,
                Err(_) => "the handshake took too long".to_owned(),
            };
            Counters::add(&wire.counters.handshakes_failed);
            tracing::debug!(detail, %transport, "a SIP connection ended before it began");
        });
    }

    async fn take_up(
        self: &Arc<Self>,
        stream: TcpStream,
        transport: Transport,
        port: u16,
        place: Place,
    ) -> Result<(), String> {
        let told = |error: std::io::Error| error.to_string();
        let ends = Ends::of(&stream, transport, Some(port), None).map_err(told)?;
        let place = Some(place);
        match transport {
            Transport::Udp | Transport::Tcp => {
                self.adopt(stream, ends, place).await.map_err(|error| error.to_string())?;
            }
            Transport::Tls => {
                let stream = self.tls.accept(stream).await.map_err(told)?;
                self.adopt(stream, ends, place).await.map_err(|error| error.to_string())?;
            }
            Transport::Ws => self.adopt_websocket(stream, ends, place).await?,
            Transport::Wss => {
                let stream = self.tls.accept(stream).await.map_err(told)?;
                self.adopt_websocket(stream, ends, place).await?;
            }
        }
        Ok(())
    }

    /// Opens a connection to `address`, where `host` is expected to be.
    ///
    /// # Errors
    /// Nobody answers there, or under TLS it is somebody else.
    pub(super) async fn dial(
        self: &Arc<Self>,
        transport: Transport,
        address: SocketAddr,
        host: &str,
    ) -> Result<Arc<Link>, SipError> {
        let failed = |detail: String| SipError::NoPath { address, transport, detail };
        let told = |error: std::io::Error| failed(error.to_string());
        let dialled = async {
            let stream = TcpStream::connect(address).await.map_err(told)?;
            let port = self.ports.get(&transport).copied();
            let ends = Ends::of(&stream, transport, port, Some(host.to_owned())).map_err(told)?;
            match transport {
                Transport::Tls => {
                    let stream = self.tls.connect(stream, host).await.map_err(failed)?;
                    self.adopt(stream, ends, None).await
                }
                _ => self.adopt(stream, ends, None).await,
            }
        };
        match timeout(CONNECT_LIMIT, dialled).await {
            Ok(dialled) => dialled,
            Err(_) => Err(failed("no connection within 5 s".to_owned())),
        }
    }

    async fn open(&self, ends: Ends) -> Result<Opened, SipError> {
        let closed = self.stop.child_token();
        let (to_writer, from_stack) = mpsc::channel(WRITE_QUEUE_LEN_MAX);
        let (raw, raw_queue) = mpsc::channel(WRITE_QUEUE_LEN_MAX);
        // The library's channel connection never reads this side: we feed it ourselves.
        let (_, unused) = mpsc::unbounded_channel();
        let Ends { transport, remote, reach, dialled } = ends;
        let name =
            HostWithPort { host: Host::IpAddr(remote.ip()), port: Some(remote.port().into()) };
        let connection = ChannelConnection::create_connection_bounded(
            unused,
            to_writer,
            sip_addr(transport, name),
            Some(closed.clone()),
        )
        .await?;
        let link = self.add_link(Link {
            id: self.new_id(),
            transport,
            connection: SipConnection::Channel(connection),
            reach,
            remote: Some(remote),
            dialled,
            closed: closed.clone(),
        });
        Ok(Opened { link, outbox: Outbox::new(from_stack, raw_queue, closed), raw })
    }

    /// Makes a link of a connection that carries a stream.
    async fn adopt<S>(
        self: &Arc<Self>,
        stream: S,
        ends: Ends,
        place: Option<Place>,
    ) -> Result<Arc<Link>, SipError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let source = ends.remote;
        let Opened { link, outbox, raw } = self.open(ends).await?;
        let (reader, writer) = tokio::io::split(stream);
        self.tasks.spawn(write_stream(writer, outbox));
        self.keep(&link, place, self.clone().read_stream(reader, link.clone(), source, raw));
        Ok(link)
    }

    /// Makes a link of a connection that begins with a WebSocket handshake.
    async fn adopt_websocket<S>(
        self: &Arc<Self>,
        stream: S,
        ends: Ends,
        place: Option<Place>,
    ) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limit = Some(HEAD_BYTES_MAX + BODY_BYTES_MAX);
        let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let shaken = accept_hdr_async_with_config(stream, agree_on_sip, Some(config)).await;
        let stream = shaken.map_err(|error| error.to_string())?;
        let source = ends.remote;
        let Opened { link, outbox, raw } =
            self.open(ends).await.map_err(|error| error.to_string())?;
        let (writer, reader) = stream.split();
        self.tasks.spawn(write_websocket(writer, outbox));
        self.keep(&link, place, self.clone().read_websocket(reader, link.clone(), source, raw));
        Ok(())
    }

    /// Reads in a task of its own until the connection ends; then the link is gone.
    fn keep(
        self: &Arc<Self>,
        link: &Arc<Link>,
        place: Option<Place>,
        reading: impl Future<Output = ()> + Send + 'static,
    ) {
        let (wire, link) = (self.clone(), link.clone());
        self.tasks.spawn(async move {
            let _place = place;
            Counters::add(&wire.counters.connections_open);
            // Awaiting a spawned task keeps a parser's panic from skipping the clean-up.
            _ = tokio::spawn(reading).await;
            link.closed.cancel();
            wire.remove_link(&link);
            Counters::remove(&wire.counters.connections_open);
        });
    }

    async fn read_stream(
        self: Arc<Self>,
        mut reader: impl AsyncRead + Send + Unpin,
        link: Arc<Link>,
        source: SocketAddr,
        raw: mpsc::Sender<Raw>,
    ) {
        let mut framer = StreamFramer::default();
        let mut idle = if link.dialled.is_some() { IDLE_LIMIT } else { FIRST_MESSAGE_LIMIT };
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let now = Instant::now();
            let until = match framer.waiting_since(now) {
                Some(since) => since + MESSAGE_LIMIT,
                None => now + idle,
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
                        idle = IDLE_LIMIT;
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

    /// Each WebSocket message is one of SIP, or a keep-alive (RFC 7118 sections 5 and 6).
    async fn read_websocket<S>(
        self: Arc<Self>,
        mut reader: SplitStream<WebSocketStream<S>>,
        link: Arc<Link>,
        source: SocketAddr,
        raw: mpsc::Sender<Raw>,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let mut idle = FIRST_MESSAGE_LIMIT;
        loop {
            let read = tokio::select! {
                () = link.closed.cancelled() => return,
                read = timeout(idle, reader.next()) => read,
            };
            idle = IDLE_LIMIT;
            let message = match read {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(tungstenite::Error::Capacity(_)))) => {
                    Counters::add(&self.counters.received);
                    self.counters.malformed(MalformedKind::TooLarge);
                    return;
                }
                _ => return,
            };
            let bytes: &[u8] = match &message {
                Message::Text(text) => text.as_str().as_bytes(),
                Message::Binary(bytes) => bytes,
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Close(_) | Message::Frame(_) => return,
            };
            if bytes.iter().all(u8::is_ascii_whitespace) {
                if bytes.starts_with(b"\r\n\r\n") {
                    _ = raw.send(Raw::Then(b"\r\n".to_vec())).await;
                }
                continue;
            }
            if let Some((reply, _)) = self.on_bytes(bytes, &link, source).await {
                _ = raw.send(Raw::Then(reply)).await;
            }
        }
    }
}

/// Agrees to a WebSocket if SIP is to be spoken on it (RFC 7118 section 4.2).
///
/// # Errors
/// The client does not offer that: it is told 400.
#[allow(clippy::result_large_err, reason = "the library's type of callback")]
fn agree_on_sip(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut words = offered.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    if words.any(|word| word.trim().eq_ignore_ascii_case(SUBPROTOCOL)) {
        let value = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        return Ok(response);
    }
    let text = "Only the WebSocket subprotocol \"sip\" is spoken here (RFC 7118).\n".to_owned();
    let mut refusal = ErrorResponse::new(Some(text));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_only_so_many_seats_and_gets_them_back() {
        let seats = Arc::new(Seats::default());
        let ip = IpAddr::from([192, 0, 2, 1]);
        let held: Vec<Seat> = (0..CONNECTIONS_PER_SOURCE_MAX)
            .map(|_| seats.take(ip).expect("there are some left"))
            .collect();
        assert!(seats.take(ip).is_none());
        assert!(seats.take(IpAddr::from([192, 0, 2, 2])).is_some());
        drop(held);
        assert!(seats.locked().is_empty());
    }
}
