//! Where the packets of a peer leave the library: at the end of its chain of interceptors, decrypted and
//! before it makes anything of them, so that the jitter buffer and the reports are ours.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::marshal::Marshal;
use tokio::sync::mpsc;

/// Packets that may wait for the call's task: 5 s of audio. Of a task that is behind as far as that, further
/// ones are lost and counted; what it has not played by then is too old anyway.
const PACKETS_LEN_MAX: usize = 256;

/// The farthest from the wire: nothing of the library's comes after it.
const PLACE: usize = 20_000;

/// Takes all that comes, and lets all pass that goes.
pub(super) struct Tap {
    packets: mpsc::Sender<Bytes>,
    lost: Arc<AtomicU64>,
    /// On its way out. Emptied by the library in the same pass.
    leaving: VecDeque<TaggedPacket>,
}

/// The other end of a tap.
pub(super) struct Tapped {
    pub packets: mpsc::Receiver<Bytes>,
    /// Packets that found no room.
    pub lost: Arc<AtomicU64>,
}

impl Tap {
    /// A tap, and what runs from it.
    pub fn new() -> (Self, Tapped) {
        let (sender, packets) = mpsc::channel(PACKETS_LEN_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let tapped = Tapped { packets, lost: Arc::clone(&lost) };
        (Self { packets: sender, lost, leaving: VecDeque::new() }, tapped)
    }

    /// Where in the chain it belongs.
    pub fn slot() -> Slot {
        Slot::from(PLACE)
    }

    fn take(&self, packet: Packet) -> Result<(), Error> {
        let bytes = match packet {
            Packet::Rtp(mut packet) => {
                // The padding itself is gone already.
                packet.header.padding = false;
                packet.marshal()?
            }
            Packet::Rtcp(packets) if packets.is_empty() => return Ok(()),
            Packet::Rtcp(packets) => rtcp::packet::marshal(&packets)?,
            _ => return Ok(()),
        };
        if self.packets.try_send(BytesMut::freeze(bytes)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.take(message.message.packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.leaving.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.leaving.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::AttributedPacket;
    use rtc::rtp;
    use rtc::shared::TransportContext;

    use super::*;
    use crate::rtp::parse_packet;

    fn packet(sequence: u16) -> TaggedPacket {
        let header = rtp::Header {
            version: 2,
            padding: true,
            payload_type: 111,
            sequence_number: sequence,
            ssrc: 7,
            ..Default::default()
        };
        let packet = rtp::Packet { header, payload: Bytes::from_static(b"audio") };
        let message = AttributedPacket::new(Packet::Rtp(packet));
        TaggedPacket { now: Instant::now(), transport: TransportContext::default(), message }
    }

    #[test]
    fn what_comes_is_taken_whole_and_what_finds_no_room_is_counted() {
        let (mut tap, mut tapped) = Tap::new();
        for sequence in 0..300 {
            tap.handle_read(packet(sequence)).expect("taken");
            assert!(tap.poll_read().is_none(), "nothing is left for the library");
        }
        let first = tapped.packets.try_recv().expect("a packet");
        let first = parse_packet(&first).expect("RTP");
        assert_eq!((first.sequence, first.payload_type, first.payload), (0, 111, &b"audio"[..]));
        assert_eq!(tapped.lost.load(Ordering::Relaxed), 300 - PACKETS_LEN_MAX as u64);
    }

    #[test]
    fn what_goes_passes() {
        let (mut tap, mut tapped) = Tap::new();
        tap.handle_write(packet(1)).expect("passed");
        assert!(tap.poll_write().is_some() && tap.poll_write().is_none());
        assert!(tapped.packets.try_recv().is_err());
    }
}
