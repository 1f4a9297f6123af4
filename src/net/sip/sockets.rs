//! The ends of links: a UDP socket, and the writers of connections.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use rsipstack::transport::TransportEvent;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::net::{for_socket, plain};

/// How long one message may take to be written.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// A UDP socket whose peers have plain addresses, also where it listens on `[::]`.
pub(super) struct PlainUdp {
    socket: UdpSocket,
    local: SocketAddr,
}

impl PlainUdp {
    /// Wraps a socket bound to `local`.
    pub(super) fn new(socket: UdpSocket, local: SocketAddr) -> Self {
        Self { socket, local }
    }

    /// Waits for a datagram. Safe to cancel.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, from) = self.socket.recv_from(buffer).await?;
        Ok((length, plain(from)))
    }

    pub(super) async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(bytes, for_socket(self.local, to)).await
    }
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = rsipstack::Result<T>> + Send + 'a>>;

/// The signatures are those that `async_trait` makes of the library's: one trait is not worth a
/// dependency.
impl rsipstack::platform::net::UdpSocket for PlainUdp {
    fn recv_from<'life0, 'life1, 'async_trait>(
        &'life0 self,
        buffer: &'life1 mut [u8],
    ) -> Pending<'async_trait, (usize, SocketAddr)>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.receive(buffer).await.map_err(rsipstack::Error::from) })
    }

    fn send_to<'life0, 'life1, 'async_trait>(
        &'life0 self,
        bytes: &'life1 [u8],
        to: SocketAddr,
    ) -> Pending<'async_trait, usize>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.send(bytes, to).await.map_err(rsipstack::Error::from) })
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.local)
    }
}

/// A stateless reply or keep-alive for a connection.
pub(super) enum Raw {
    Then(Vec<u8>),
    /// Close after it.
    Last(Vec<u8>),
}

/// What is to be written on a connection: what the stack and the stateless replies queue.
pub(super) struct Outbox {
    from_stack: mpsc::Receiver<TransportEvent>,
    raw: mpsc::Receiver<Raw>,
    raw_is_open: bool,
    closed: CancellationToken,
}

impl Outbox {
    pub(super) fn new(
        from_stack: mpsc::Receiver<TransportEvent>,
        raw: mpsc::Receiver<Raw>,
        closed: CancellationToken,
    ) -> Self {
        Self { from_stack, raw, raw_is_open: true, closed }
    }

    /// The next message, until the connection is closed.
    async fn next(&mut self) -> Option<Raw> {
        loop {
            tokio::select! {
                biased;
                event = self.from_stack.recv() => match event {
                    Some(TransportEvent::Incoming(message, _, _)) => {
                        return Some(Raw::Then(message.to_bytes()));
                    }
                    Some(_) => {}
                    None => return None,
                },
                item = self.raw.recv(), if self.raw_is_open => match item {
                    Some(item) => return Some(item),
                    None => self.raw_is_open = false,
                },
                () = self.closed.cancelled() => return None,
            }
        }
    }
}

/// Writes until the connection closes: a stream, TLS or not.
pub(super) async fn write_stream(mut writer: impl AsyncWrite + Unpin, mut outbox: Outbox) {
    while let Some(item) = outbox.next().await {
        let (bytes, is_last) = match item {
            Raw::Then(bytes) => (bytes, false),
            Raw::Last(bytes) => (bytes, true),
        };
        // TLS keeps what it was given until it is flushed.
        let written = timeout(WRITE_LIMIT, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) || is_last {
            break;
        }
    }
    _ = timeout(WRITE_LIMIT, writer.shutdown()).await;
    outbox.closed.cancel();
}

/// Writes until the connection closes: one WebSocket message each, as text where it is text
/// (RFC 7118 section 5).
pub(super) async fn write_websocket<S>(
    mut writer: SplitSink<WebSocketStream<S>, Message>,
    mut outbox: Outbox,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(item) = outbox.next().await {
        let (Raw::Then(bytes) | Raw::Last(bytes)) = &item;
        let message = match std::str::from_utf8(bytes) {
            Ok(text) => Message::text(text),
            Err(_) => Message::from(bytes.clone()),
        };
        let written = timeout(WRITE_LIMIT, writer.send(message)).await;
        if !matches!(written, Ok(Ok(()))) || matches!(item, Raw::Last(_)) {
            break;
        }
    }
    _ = timeout(WRITE_LIMIT, writer.close()).await;
    outbox.closed.cancel();
}
