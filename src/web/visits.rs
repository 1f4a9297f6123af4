//! Connections of browsers and other programs: so many at once, each for so long, over TLS or not.
//!
//! They take descriptors and time that callers need. The handshake of TLS is done within the
//! connection's own task: whoever is slow with it keeps nobody else waiting.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

use super::limits::source_key;
use super::tls::Tls;

/// How many connections, and for how long.
#[derive(Debug, Clone)]
pub struct VisitLimits {
    /// At once; more wait in the kernel's backlog.
    pub at_once: usize,
    /// From one source, at once; more are closed.
    pub per_source: usize,
    /// Sources for which that does not hold: proxies, behind which there are many.
    pub exempt: Vec<IpNet>,
    /// How long each may last.
    pub time: VisitTime,
}

/// How long a connection may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitTime {
    /// So long, whatever is or is not said on it.
    Altogether(Duration),
    /// So long from each word of ours, or from the first word after it, to the next of ours: a
    /// stream of events goes on, and whoever sends a request letter by letter does not.
    Between(Duration),
}

/// Lets so many in at once.
pub struct Visitors {
    listener: TcpListener,
    tls: Option<Tls>,
    permits: Arc<Semaphore>,
    limits: VisitLimits,
    by_source: BySource,
}

impl Visitors {
    /// Lets those in who come to this listener.
    pub fn new(listener: TcpListener, tls: Option<Tls>, limits: VisitLimits) -> Self {
        let permits = Arc::new(Semaphore::new(limits.at_once));
        Self { listener, tls, permits, limits, by_source: BySource::default() }
    }

    fn enter(&self, stream: TcpStream, from: IpAddr) -> Option<(Line, Option<Counted>)> {
        let is_exempt = self.limits.exempt.iter().any(|network| network.contains(&from));
        let counted = if is_exempt {
            None
        } else {
            Some(self.by_source.enter(source_key(from), self.limits.per_source)?)
        };
        let line = match &self.tls {
            None => Line::Plain(stream),
            Some(tls) => Line::Greeting(Box::new(tls.accept(stream))),
        };
        Some((line, counted))
    }
}

impl Listener for Visitors {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                // The semaphore is ours and is never closed.
                std::future::pending::<()>().await;
                continue;
            };
            match TcpListener::accept(&self.listener).await {
                Ok((stream, from)) => {
                    // Small answers and events are not to wait for each other (Nagle).
                    let _ = stream.set_nodelay(true);
                    let Some((line, counted)) = self.enter(stream, from.ip()) else {
                        // Whoever makes more of them is not to fill the log either.
                        tracing::debug!(source = %from.ip(), "too many connections from there");
                        continue;
                    };
                    return (Visit::new(line, self.limits.time, counted, permit), from);
                }
                // Out of file descriptors, mostly: wait for some to be closed.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Visitors>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Visitors>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Connections that are open, by where they come from; no more than there are connections.
#[derive(Clone, Default)]
struct BySource(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl BySource {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        // Nothing is left half done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, source: IpAddr, most: usize) -> Option<Counted> {
        let mut counts = self.counts();
        let count = counts.entry(source).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted { by_source: self.clone(), source })
    }
}

/// One of the connections of a source, until it is dropped.
struct Counted {
    by_source: BySource,
    source: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.by_source.counts();
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// What is spoken on.
enum Line {
    Plain(TcpStream),
    /// TLS, while certificates are looked at.
    Greeting(Box<Accept<TcpStream>>),
    Encrypted(Box<TlsStream<TcpStream>>),
    /// The other side wanted something else than TLS, or trusts us not.
    Unintelligible,
}

impl Line {
    /// Ready once it can be spoken on.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&mut dyn Stream>> {
        if let Self::Greeting(accept) = self {
            match ready!(Pin::new(accept.as_mut()).poll(context)) {
                Ok(stream) => *self = Self::Encrypted(Box::new(stream)),
                Err(error) => {
                    *self = Self::Unintelligible;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match self {
            Self::Plain(stream) => Ok(stream),
            Self::Encrypted(stream) => Ok(stream.as_mut()),
            Self::Greeting(_) | Self::Unintelligible => {
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        })
    }
}

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Who spoke last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    We,
    They,
}

/// A connection that ends in time.
pub struct Visit {
    line: Line,
    time: VisitTime,
    until: Pin<Box<Sleep>>,
    last: Last,
    _counted: Option<Counted>,
    _permit: OwnedSemaphorePermit,
}

impl Visit {
    fn new(
        line: Line,
        time: VisitTime,
        counted: Option<Counted>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (VisitTime::Altogether(limit) | VisitTime::Between(limit)) = time;
        let until = Box::pin(tokio::time::sleep(limit));
        Self { line, time, until, last: Last::We, _counted: counted, _permit: permit }
    }

    /// The line, unless the time is over.
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Stream>>> {
        if self.until.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let opened = ready!(self.line.poll_open(context));
        Poll::Ready(opened.map(Pin::new))
    }

    /// Something was said.
    fn spoke(&mut self, who: Last) {
        if let VisitTime::Between(limit) = self.time
            && (who == Last::We || self.last == Last::We)
        {
            self.until.as_mut().reset(Instant::now() + limit);
        }
        self.last = who;
    }
}

impl AsyncRead for Visit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let line = ready!(self.poll_line(context))?;
        ready!(line.poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.spoke(Last::They);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Visit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let line = ready!(self.poll_line(context))?;
        let written = ready!(line.poll_write(context, bytes))?;
        if written > 0 {
            self.spoke(Last::We);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_line(context))?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_line(context))?.poll_shutdown(context)
    }
}
