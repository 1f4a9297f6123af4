//! RTP media: reordering, jitter buffer, loss concealment, telephone-event. Pure.
//!
//! A [`Receiver`] takes packets as they arrive and gives 20 ms of audio whenever the playout tick
//! asks; a [`Sender`] turns 20 ms frames and keypad digits into packets. Neither knows a socket or
//! a clock. Mono G.711 at 8 kHz; encryption and RTCP are not done here.
//!
//! The packet header is parsed here and not by the RTP crate at hand: that one allocates for every
//! packet, does not check the version, and leaves extension bytes in the payload when an extension
//! block holds the reserved id 15.

mod digits;
mod jitter;
mod packet;
mod receiver;
mod sender;
mod sequence;

pub use packet::{Packet, RtpError, parse_packet};
pub use receiver::{Malformed, Pulled, Receiver, RtpEvent, Stats};
pub use sender::{SendError, Sender, TimedPacket};

use crate::audio::Law;

/// Comfort noise (RFC 3389) comes from many senders without having been negotiated.
const COMFORT_NOISE: u8 = 13;

/// Samples in a 20 ms frame at 8 kHz.
pub const FRAME_LEN: usize = 160;

/// What the SDP negotiation settled about the packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// The companding law of the audio.
    pub law: Law,
    /// The payload type of audio packets.
    pub audio: u8,
    /// A second type that the other side may send besides, if its answer named two: it may change
    /// between them at any packet (RFC 3264 section 6.1). We send the first.
    pub also: Option<(u8, Law)>,
    /// The payload type of telephone-event packets (RFC 4733), if agreed.
    pub telephone_event: Option<u8>,
}

impl PayloadTypes {
    /// The law of an audio type; `None` for anything else.
    pub fn law_of(&self, payload_type: u8) -> Option<Law> {
        match self.also {
            _ if payload_type == self.audio => Some(self.law),
            Some((also, law)) if payload_type == also => Some(law),
            _ => None,
        }
    }

    /// Whether packets of this type can belong to the stream: audio, keys or comfort noise.
    pub fn covers(&self, payload_type: u8) -> bool {
        self.law_of(payload_type).is_some()
            || self.telephone_event == Some(payload_type)
            || payload_type == COMFORT_NOISE
    }
}
