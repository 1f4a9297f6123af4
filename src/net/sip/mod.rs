//! SIP signalling (RFC 3261) over UDP, TCP, TLS and WebSocket (RFC 7118): calls in, calls out, hold
//! and resume, hang-up; session timers (RFC 4028), UPDATE (RFC 3311), reliable ringing (RFC 3262),
//! Replaces (RFC 3891), transfers by REFER (RFC 3515); trunks, registration, and the search for servers
//! (RFC 3263).
//!
//! Job: own the SIP sockets, keep bad messages away from the stack, run transactions and dialogs,
//! and speak to the rest of the program in [`IncomingCall`], [`SipLeg`], [`OutgoingCall`] and
//! [`LegEvent`]. Non-job: what an SDP body means, RTP, what to do with a call.
//!
//! ```text
//!  socket -> frame (streams) -> wire (scan) -> gate (judge) -> door -> transactions -> dispatch -> leg
//!                                   |               |          |       (rsipstack)
//!                                   '-- counted ----'----------'--> a stateless refusal, 400 to 513
//! ```
//!
//! `frame`, `wire`, `gate`, `reply`, `address`, `refusal`, `replaces`, `referral`, `following`,
//! `reliable`, `session_timer`, `info`, `transport`, `digest`, `logins`, `bans`, `registration`, `hops`,
//! `pulse` and `redact` are pure. `tap` keeps what passes, redacted, for `frontdoor sip trace`. The
//! parser and the transaction machines are rsipstack's; none of its types leave this folder. It
//! writes whole messages to the log at level info: give every log filter [`LOG_FILTER`] and
//! [`WEBSOCKET_LOG_FILTER`].

mod address;
mod bans;
mod calling;
mod counters;
mod dialog;
mod digest;
mod door;
mod endpoint;
mod error;
mod following;
mod forks;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod hops;
mod incoming;
mod info;
mod keepalive;
mod leg;
mod leg_task;
mod links;
mod logins;
mod names;
mod offers;
mod outgoing;
mod ping;
mod pulse;
mod redact;
mod referral;
mod referrals;
mod refusal;
mod register;
mod registration;
mod registry;
mod reliable;
mod replaces;
mod reply;
mod server_invite;
mod session;
mod session_timer;
mod sockets;
mod streams;
mod tap;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod vacancy;
mod ways;
mod wire;

pub use address::SipParty;
pub use bans::BanLimits;
pub use counters::{MalformedKind, SipCountersSnapshot};
pub use digest::Credentials;
pub use door::Access;
pub use endpoint::{SipConfig, SipEndpoint};
pub use error::SipError;
pub use following::ReferralEvent;
pub use hops::Hop;
pub use incoming::IncomingCall;
pub use keepalive::{KeepalivePlan, TrunkReach};
pub use leg::{EndedBy, LegEvent, ReofferReply, SipLeg};
pub use links::Transport;
pub use outgoing::{OutgoingCall, OutgoingEvent, OutgoingRequest};
pub use ping::Pong;
pub use pulse::TrunkState;
pub use referral::{ExtraHeaders, Referral, ReplacesId, user_to_user};
pub use register::RegisterPlan;
pub use registration::RegistrationState;
pub use session_timer::SessionLimits;
pub use tap::{RefusedInvite, SipTrace, TraceDirection, TracedMessage};
pub use tls::{CertificateDates, TlsFiles, check_certificate};
pub use vacancy::{Full, Vacancy};

/// The methods this server understands; sent as `Allow` (RFC 3261 20.5).
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO, NOTIFY";

/// The extensions this server understands when it is called; sent as `Supported` (RFC 3261 20.37).
/// A request that requires another one is refused with 420.
pub const SUPPORTED: &str = "100rel, replaces, timer";

/// The extensions named in requests of ours: calls that we place are not taken over, and their
/// provisional responses need not be reliable.
const CALLER_SUPPORTED: &str = "timer";

/// The only body type this server understands; sent as `Accept` (RFC 3261 20.1).
pub const ACCEPT: &str = "application/sdp";

/// Directive for the log filter: the SIP library logs whole messages (numbers, names) at info.
pub const LOG_FILTER: &str = "rsipstack=error";

/// The same for the WebSocket library, which logs them at trace.
pub const WEBSOCKET_LOG_FILTER: &str = "tungstenite=info";
