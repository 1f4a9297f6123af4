//! What can go wrong in signalling, as the caller of this module can act on it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::links::Transport;
use crate::base::Pii;

/// A signalling operation that did not work.
#[derive(Debug, thiserror::Error)]
pub enum SipError {
    /// Somebody else listens on that port.
    #[error(
        "{address}/{transport} is in use: stop the other program or choose another port for SIP"
    )]
    AddressInUse {
        /// Which address.
        address: SocketAddr,
        /// Over which transport.
        transport: Transport,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen for SIP on {address}/{transport}: {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Over which transport.
        transport: Transport,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration names no listener at all.
    #[error("no SIP listener: name at least one address")]
    NoListener,
    /// TLS is to be listened for, and there is nothing to show to who connects.
    #[error(
        "TLS needs a certificate. Fix: give tls_certificate and tls_key in the [sip] section, or \
         remove the tls: and wss: addresses from listen"
    )]
    NoCertificate,
    /// A certificate, its key or the list of authorities cannot be used.
    #[error(
        "{}: cannot be used for TLS: {detail}. Fix: check tls_certificate, tls_key and tls_ca in the \
         [sip] section",
        path.display()
    )]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// The SIP address of a call that we were to place is not one.
    #[error("not a SIP address we can call (expected like sip:name@host:5060;transport=tcp)")]
    BadTarget {
        /// What was given.
        uri: Pii<String>,
    },
    /// The host of a SIP address has no usable network address.
    #[error("cannot find a network address for {host}: {detail}")]
    Unresolved {
        /// Which host.
        host: String,
        /// Why not.
        detail: String,
    },
    /// No listener or connection fits the transport that the peer asks for.
    #[error("no {transport} path to {address}: {detail}")]
    NoPath {
        /// Which address.
        address: SocketAddr,
        /// Over which transport.
        transport: Transport,
        /// Why not.
        detail: String,
    },
    /// The caller gave up, or the call ended, before this could be done.
    #[error("the call is over")]
    CallOver,
    /// The same side has an unfinished offer; ask again when it is answered (RFC 3261 14.1).
    #[error("another change of the session is still unanswered")]
    OfferPending,
    /// That needs an answered call.
    #[error("the call is not answered yet")]
    NotAnswered,
    /// More transfers of one call are under way than are followed.
    #[error("too many transfers of this call are under way")]
    TooManyReferrals,
    /// A header that cannot be sent.
    #[error("cannot send a header named {name:?}: {why}")]
    BadHeader {
        /// Its name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The peer refused the change of the session.
    #[error("the other side refused: {status} {reason}")]
    Refused {
        /// SIP status.
        status: u16,
        /// The reason given with it.
        reason: String,
    },
    /// A refusal must carry a final status of 300 to 699.
    #[error("{status} is not a status that refuses a call (300 to 699)")]
    NotARefusal {
        /// The status given.
        status: u16,
    },
    /// The password of a trunk is not in the environment.
    #[error(
        "trunks.{key}.password_env names the environment variable {variable}, which is not set. \
         Set it before starting frontdoor"
    )]
    PasswordMissing {
        /// The trunk, `.register` added where it is that section's.
        key: String,
        /// The variable.
        variable: String,
    },
    /// The SIP library rejected something we built.
    #[error("SIP stack: {0}")]
    Stack(String),
    /// The endpoint is shutting down.
    #[error("SIP is shutting down")]
    ShuttingDown,
}

impl From<rsipstack::Error> for SipError {
    fn from(error: rsipstack::Error) -> Self {
        Self::Stack(error.to_string())
    }
}

impl From<rsipstack::sip::Error> for SipError {
    fn from(error: rsipstack::sip::Error) -> Self {
        Self::Stack(error.to_string())
    }
}
