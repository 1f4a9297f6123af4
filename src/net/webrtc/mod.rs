//! Calls from browsers: answers their offers, and is their leg afterwards.
//!
//! Job: translate between the library that speaks ICE, DTLS and SRTP (`webrtc`) and the words that the rest of
//! the program has for a leg. Non-job: the audio, which `media_session` treats like that of any telephone once
//! it has come in clear; HTTP, which offers and answers come by.
//!
//! ```text
//!  answer() ──▶ connecting ──connected──▶ connected ◀──▶ lost for a while
//!                  │ too long, failed        │ closed        │ too long, failed
//!                  └────────────────────────▶ over ◀─────────┘
//! ```
//!
//! All addresses are in the answer (no trickle), so that one HTTP request is enough. The browser begins the
//! handshake (`a=setup:passive` in our answer): in that role the library has never hung. None of its types
//! leave this folder. One task for each peer, the library's own, which ends when the leg is closed or dropped.

mod answer;
mod calling;
mod leg;
mod peer;
mod tap;

pub use crate::config::WebRtcConfig;
pub use answer::{Answered, DtlsRole, WebRtc, WebRtcError};
pub use calling::{Connected, Offering};
pub use leg::{WebLeg, WebLegEnd, WebLegEvent};
pub(super) use peer::PeerMedia;

/// Directive for the log filter: the library logs addresses and whole candidates, and an error for each
/// datagram that is none, which anybody may send.
pub const LOG_FILTER: &str = "webrtc=off";

/// The same for the crates that it is made of.
pub const PARTS_LOG_FILTER: &str = "rtc=off";

#[cfg(test)]
mod tests;
