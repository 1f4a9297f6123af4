//! RTP media: reordering, jitter buffer, loss concealment, telephone-event, RTCP reports. Pure.
//!
//! A [`Receiver`] takes packets as they arrive and gives 20 ms of audio whenever the playout tick
//! asks, at the rate of the codec that was sent; a [`Sender`] turns 20 ms frames and keypad digits
//! into packets. Neither knows a socket or a clock. Encryption is not done here.
//!
//! The packet header is parsed here and not by the RTP crate at hand: that one allocates for every
//! packet, does not check the version, and leaves extension bytes in the payload when an extension
//! block holds the reserved id 15.

mod digits;
mod jitter;
mod packet;
pub mod quality;
mod receiver;
mod reports;
mod rtcp;
mod sender;
mod sequence;

pub use packet::{Packet, RtpError, parse_packet};
pub use receiver::{Malformed, Pulled, Receiver, RtpEvent, Stats};
pub use reports::{FarView, Quality, Reporter};
pub use rtcp::{Compound, ReportBlock, RtcpError, SenderInfo, is_rtcp, parse_rtcp};
pub use sender::{SendError, Sender, TimedPacket};

use crate::audio::{Codec, OpusWishes};

/// Comfort noise (RFC 3389) comes from many senders without having been negotiated.
const COMFORT_NOISE: u8 = 13;

/// Samples in a 20 ms frame at 8 kHz.
pub const FRAME_LEN: usize = 160;

/// Audio types that the other side may send at most.
pub const HEARD_MAX: usize = 8;

/// Clocks at which keys may come: that of G.711 and G.722, and that of Opus.
pub const EVENT_TYPES_MAX: usize = 2;

/// A payload type of telephone-events (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// Its number.
    pub payload_type: u8,
    /// Units of its durations in a second.
    pub clock_hz: u32,
}

/// What the SDP negotiation settled about the packets of one stream. Each side sends the numbers
/// that the other one gave, so the two directions may differ (RFC 3264 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// What we send.
    pub codec: Codec,
    /// The payload type of the audio packets that we send.
    pub audio: u8,
    /// The payload type of the telephone-events that we send, if agreed.
    pub telephone_event: Option<EventType>,
    /// Audio types that may come. The other side may change between them at any packet if its
    /// answer named several (RFC 3264 section 6.1).
    pub heard: [Option<(u8, Codec)>; HEARD_MAX],
    /// Telephone-event types that may come.
    pub heard_events: [Option<EventType>; EVENT_TYPES_MAX],
    /// Length of the packets that we send, in ms: a multiple of 10 from 10 to 60.
    pub ptime_ms: u32,
    /// What the other side wants of Opus.
    pub opus: OpusWishes,
}

impl PayloadTypes {
    /// The same numbers both ways, in packets of 20 ms; `event` is a telephone-event type at the
    /// codec's clock.
    pub const fn alike(codec: Codec, audio: u8, event: Option<u8>) -> Self {
        let event = match event {
            Some(payload_type) => Some(EventType { payload_type, clock_hz: codec.clock_hz() }),
            None => None,
        };
        let mut heard = [None; HEARD_MAX];
        heard[0] = Some((audio, codec));
        Self {
            codec,
            audio,
            telephone_event: event,
            heard,
            heard_events: [event, None],
            ptime_ms: 20,
            opus: OpusWishes { fec: true, bitrate_max: None, playback_rate_max: None },
        }
    }

    /// The codec of an audio type that may come; `None` for anything else.
    pub fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        let heard = self.heard.iter().flatten().find(|(number, _)| *number == payload_type)?;
        Some(heard.1)
    }

    /// The telephone-event type with this number that may come.
    pub fn event_of(&self, payload_type: u8) -> Option<EventType> {
        self.heard_events.iter().flatten().copied().find(|one| one.payload_type == payload_type)
    }

    /// Whether packets of this type can belong to the stream: audio, keys or comfort noise.
    pub fn covers(&self, payload_type: u8) -> bool {
        self.codec_of(payload_type).is_some()
            || self.event_of(payload_type).is_some()
            || payload_type == COMFORT_NOISE
    }
}
