//! The ends of links: a UDP socket, the writer of a TCP connection, and the look-up of names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use rsipstack::transport::TransportEvent;
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::SipError;
use super::address::SipUri;
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

/// A stateless reply or keep-alive for a TCP connection.
pub(super) enum Raw {
    Then(Vec<u8>),
    /// Close after it.
    Last(Vec<u8>),
}

/// Writes what the stack and the stateless replies queue, until the connection closes.
pub(super) async fn write_stream(
    mut writer: OwnedWriteHalf,
    mut from_stack: mpsc::Receiver<TransportEvent>,
    mut raw: mpsc::Receiver<Raw>,
    closed: CancellationToken,
) {
    let mut raw_open = true;
    loop {
        let (bytes, last) = tokio::select! {
            biased;
            event = from_stack.recv() => match event {
                Some(TransportEvent::Incoming(message, _, _)) => (message.to_bytes(), false),
                Some(_) => continue,
                None => break,
            },
            item = raw.recv(), if raw_open => match item {
                Some(Raw::Then(bytes)) => (bytes, false),
                Some(Raw::Last(bytes)) => (bytes, true),
                None => {
                    raw_open = false;
                    continue;
                }
            },
            () = closed.cancelled() => break,
        };
        let written = timeout(WRITE_LIMIT, writer.write_all(&bytes)).await;
        if last || !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    _ = timeout(WRITE_LIMIT, writer.shutdown()).await;
    closed.cancel();
}

/// The network address of a URI's host.
///
/// # Errors
/// The name has none.
pub(super) async fn resolve(uri: &SipUri) -> Result<SocketAddr, SipError> {
    let port = uri.port.unwrap_or(5060);
    if let Ok(ip) = uri.host.parse::<IpAddr>() {
        return Ok(plain(SocketAddr::new(ip, port)));
    }
    let failed = |detail: String| SipError::Unresolved { host: uri.host.clone(), detail };
    let found = tokio::net::lookup_host((uri.host.as_str(), port)).await;
    let mut found = found.map_err(|error| failed(error.to_string()))?;
    found.next().map(plain).ok_or_else(|| failed("the name has no address".to_owned()))
}
