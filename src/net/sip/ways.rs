//! The ways to a URI: the servers that it leads to (see `hops`), one after the other until one can
//! be spoken to. Who takes a way tells what came of it, so that the next one who comes tries
//! servers that answer first (RFC 3263 section 4.3).

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use super::SipError;
use super::address::{SipUri, UriTransport};
use super::hops::{Hop, Lame};
use super::links::{Link, Transport, Wire};

/// What is left to try of a URI's servers.
pub(super) struct Ways {
    /// Who is expected there: under TLS, whatever server it is has to prove to be this one
    /// (RFC 5922 section 4).
    host: String,
    hops: Vec<Hop>,
    at: usize,
    failed: Option<SipError>,
}

/// Whether this status says that another server should be asked (RFC 3263 4.3): there was no
/// answer, or no service.
pub(super) fn is_out_of_service(status: u16) -> bool {
    matches!(status, 408 | 503)
}

impl Ways {
    /// All of the servers, those that were tried among them.
    pub(super) fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Tries this server first, if it is one of them.
    pub(super) fn prefer(&mut self, hop: &Hop) {
        let is_it = |other: &Hop| other.transport == hop.transport && other.address == hop.address;
        if let Some(at) = self.hops.iter().position(is_it) {
            self.hops[..=at].rotate_right(1);
        }
    }

    /// The next server that can be sent to.
    ///
    /// # Errors
    /// None is left; if there was none at all that could be sent to, the last one's error.
    pub(super) async fn next_way(
        &mut self,
        wire: &Arc<Wire>,
    ) -> Result<(Arc<Link>, Hop), SipError> {
        while let Some(hop) = self.hops.get(self.at).cloned() {
            self.at += 1;
            match wire.link_to(&hop, &self.host).await {
                Ok(link) => return Ok((link, hop)),
                Err(error) => {
                    wire.mark_lame(&hop);
                    self.failed = Some(error);
                }
            }
        }
        Err(self.failed.take().unwrap_or_else(|| SipError::Unresolved {
            host: self.host.clone(),
            detail: "no other server is left to be asked".to_owned(),
        }))
    }
}

impl Wire {
    fn lame(&self) -> MutexGuard<'_, Lame> {
        self.lame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This server did not answer: others are tried before it for a while.
    pub(super) fn mark_lame(&self, hop: &Hop) {
        self.lame().mark(Instant::now(), hop);
    }

    /// This server answered.
    pub(super) fn clear_lame(&self, hop: &Hop) {
        self.lame().clear(hop);
    }

    /// The servers of a URI, over the transport that it asks for, or over any.
    ///
    /// # Errors
    /// The host has no address, or its transport is not spoken here.
    pub(super) async fn ways_to(&self, uri: &SipUri) -> Result<Ways, SipError> {
        if uri.transport == Some(UriTransport::Other) {
            return Err(SipError::BadTarget { uri: uri.host.clone().into() });
        }
        self.ways_over(uri, uri.asked_transport()).await
    }

    async fn ways_over(&self, uri: &SipUri, wanted: Option<Transport>) -> Result<Ways, SipError> {
        let mut hops = self.names.hops(uri, wanted).await?;
        self.lame().put_last(Instant::now(), &mut hops);
        Ok(Ways { host: uri.host.clone(), hops, at: 0, failed: None })
    }

    /// Finds the way of a request within a call: over the given link if it fits, else over another
    /// UDP socket or a connection, dialled if there is none.
    ///
    /// # Errors
    /// The host has no address, its transport is not spoken here, or there is no listener or
    /// connection to be had.
    pub(super) async fn path_to(
        self: &Arc<Self>,
        uri: &SipUri,
        preferred: &Arc<Link>,
    ) -> Result<(Arc<Link>, SocketAddr), SipError> {
        let transport = match uri.transport {
            Some(UriTransport::Ours(transport)) => transport,
            Some(UriTransport::Other) => {
                return Err(SipError::BadTarget { uri: uri.host.clone().into() });
            }
            None => preferred.transport,
        };
        let fits = preferred.suits(transport) && !preferred.closed.is_cancelled();
        if let Some(remote) = preferred.remote.filter(|_| fits) {
            // Whatever the name leads to, a connection ends where it ends.
            return Ok((preferred.clone(), remote));
        }
        let mut ways = self.ways_over(uri, Some(transport)).await?;
        if let Some(hop) = ways.hops.first().filter(|_| fits) {
            return Ok((preferred.clone(), hop.address));
        }
        let (link, hop) = ways.next_way(self).await?;
        Ok((link, hop.address))
    }

    /// A link over which this server is sent to, dialled if there is none.
    ///
    /// # Errors
    /// There is no listener or connection to be had.
    async fn link_to(self: &Arc<Self>, hop: &Hop, host: &str) -> Result<Arc<Link>, SipError> {
        let &Hop { transport, address, .. } = hop;
        let no_path =
            |detail: &str| SipError::NoPath { address, transport, detail: detail.to_owned() };
        match transport {
            Transport::Udp => self
                .udp_link(address)
                .ok_or_else(|| no_path("no UDP listener of that address family")),
            Transport::Tcp | Transport::Tls => match self.dialled_link(transport, address, host) {
                Some(link) => Ok(link),
                None => self.dial(transport, address, host).await,
            },
            Transport::Ws | Transport::Wss => {
                Err(no_path("a WebSocket client is reached over its own connection only"))
            }
        }
    }
}
