//! Opening the door to browsers, and closing it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::WebConfig;

use super::Web;
use super::router::router;
use super::tls::Tls;
use super::visits::{Peer, VisitLimits, VisitTime, Visitors};

/// Connections at once; more wait in the kernel's backlog.
const VISITS_MAX: usize = 512;
/// And from one address: an office shares one, and is not to take all.
const VISITS_PER_SOURCE_MAX: usize = 256;
/// From a request's first byte to our answer, and from one event of ours to the next.
const VISIT_LIMIT: Duration = Duration::from_secs(40);
/// How long answers that are under way are waited for when the server stops.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// Why pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Somebody else has the address.
    #[error(
        "cannot serve pages on {address}: {source}. Fix: give another address under [web] listen"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{}: {detail}. Check [web] certificate and key", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Accounts cannot be worked with.
    #[error(transparent)]
    Accounts(#[from] super::accounts::AccountsError),
    /// A password of `[webrtc] turn` is missing.
    #[error(transparent)]
    Turn(#[from] super::ice::PasswordMissing),
}

/// Opens the listener and reads the certificate; says where it listens.
///
/// # Errors
/// [`WebError`].
pub async fn open(config: &WebConfig) -> Result<(TcpListener, Option<Tls>, SocketAddr), WebError> {
    let tls = config.certificate.as_ref().map(Tls::open).transpose()?;
    let address = config.listen;
    let failed = |source| WebError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, tls, local))
}

/// Answers until `stop` is cancelled.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, web: Web, stop: CancellationToken) {
    let limits = VisitLimits {
        at_once: VISITS_MAX,
        per_source: VISITS_PER_SOURCE_MAX,
        exempt: web.config().trusted_proxies.clone(),
        time: VisitTime::Between(VISIT_LIMIT),
    };
    let visitors = Visitors::new(listener, tls, limits);
    let (router, _) = router(web.clone());
    let service = router.into_make_service_with_connect_info::<Peer>();
    let stopped = stop.clone().cancelled_owned();
    let serving = axum::serve(visitors, service).with_graceful_shutdown(stopped);
    let limit = async {
        stop.cancelled().await;
        // Streams of events would go on for ever.
        web.closing().cancel();
        tokio::time::sleep(LEAVE_LIMIT).await;
    };
    tokio::select! {
        served = serving.into_future() => {
            if let Err(error) = served {
                tracing::error!(%error, "pages are no longer served");
            }
        }
        () = limit => {}
    }
}

#[cfg(test)]
mod tests;
