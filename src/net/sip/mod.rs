//! SIP signalling (RFC 3261) over UDP, TCP, TLS and WebSocket (RFC 7118): calls in, calls out, hold and resume, hang-up.
//!
//! Job: own the SIP sockets, keep bad messages away from the stack, run transactions and dialogs,
//! and speak to the rest of the program in [`IncomingCall`], [`SipLeg`], [`OutgoingCall`] and
//! [`LegEvent`]. Non-job: what an SDP body means, RTP, what to do with a call.
//!
//! ```text
//!  socket -> frame (streams) -> wire (scan) -> gate (judge) -> door -> transactions -> dispatch -> leg
//!                                   |               |          |       (rsipstack)
//!                                   '-- counted ----'----------'--> stateless refusals
//! ```
//!
//! `frame`, `wire`, `gate`, `reply`, `address`, `digest`, `bans` and
//! `registration` are pure. The parser and the transaction machines
//! are rsipstack's; none of its types leave this folder. It writes whole messages to the log at
//! level info: give every log filter [`LOG_FILTER`] and [`WEBSOCKET_LOG_FILTER`].

mod address;
mod bans;
mod counters;
mod dialog;
mod digest;
mod door;
mod endpoint;
mod error;
mod frame;
mod gate;
mod incoming;
mod leg;
mod links;
mod outgoing;
mod ping;
mod register;
mod registration;
mod reply;
mod server_invite;
mod sockets;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod wire;

pub use address::SipParty;
pub use bans::BanLimits;
pub use counters::{MalformedKind, SipCountersSnapshot};
pub use digest::Credentials;
pub use door::Access;
pub use endpoint::{SipConfig, SipEndpoint};
pub use error::SipError;
pub use incoming::IncomingCall;
pub use leg::{EndedBy, LegEvent, ReofferReply, SipLeg};
pub use links::Transport;
pub use outgoing::{OutgoingCall, OutgoingEvent, OutgoingRequest};
pub use ping::Pong;
pub use register::RegisterPlan;
pub use registration::RegistrationState;
pub use tls::{CertificateDates, TlsFiles, check_certificate};

/// The methods this server understands; sent as `Allow` (RFC 3261 20.5).
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";

/// The only body type this server understands; sent as `Accept` (RFC 3261 20.1).
pub const ACCEPT: &str = "application/sdp";

/// Directive for the log filter: the SIP library logs whole messages (numbers, names) at info.
pub const LOG_FILTER: &str = "rsipstack=error";

/// The same for the WebSocket library, which logs them at trace.
pub const WEBSOCKET_LOG_FILTER: &str = "tungstenite=info";
