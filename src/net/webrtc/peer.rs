//! The packets of one peer, in and out, as `media_session` takes and gives them: in clear, for the library
//! protects them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use rtc::rtcp;
use rtc::rtp;
use rtc::shared::marshal::Unmarshal;
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
};

use super::tap::Tapped;

/// How a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerState {
    /// Ways are tried, hands are shaken.
    Connecting,
    /// Packets flow.
    Connected,
    /// Nothing has come for some seconds; it may come back.
    Disconnected,
    /// There is no way to it any more.
    Failed,
    /// It was closed.
    Closed,
}

/// What the library tells about a peer.
pub(super) struct Watcher {
    state: watch::Sender<PeerState>,
    /// All our addresses are known.
    gathered: watch::Sender<bool>,
}

impl Watcher {
    /// A watcher and what can be seen of it.
    pub fn new() -> (Self, watch::Receiver<PeerState>, watch::Receiver<bool>) {
        let (state, seen) = watch::channel(PeerState::Connecting);
        let (gathered, all) = watch::channel(false);
        (Self { state, gathered }, seen, all)
    }

    fn note(&self, state: RTCPeerConnectionState) {
        let state = match state {
            RTCPeerConnectionState::Connected => PeerState::Connected,
            RTCPeerConnectionState::Disconnected => PeerState::Disconnected,
            RTCPeerConnectionState::Failed => PeerState::Failed,
            RTCPeerConnectionState::Closed => PeerState::Closed,
            _ => return,
        };
        self.state.send_replace(state);
    }
}

/// A future as the library's handlers return it.
type Told<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

// Written out where others have a macro write it: the library's trait is made by that macro.
impl PeerConnectionEventHandler for Watcher {
    fn on_connection_state_change<'life0, 'async_trait>(
        &'life0 self,
        state: RTCPeerConnectionState,
    ) -> Told<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        self.note(state);
        Box::pin(std::future::ready(()))
    }

    fn on_ice_gathering_state_change<'life0, 'async_trait>(
        &'life0 self,
        state: RTCIceGatheringState,
    ) -> Told<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
        Box::pin(std::future::ready(()))
    }
}

/// The packets of one peer.
pub(in crate::net) struct PeerMedia {
    incoming: Tapped,
    outgoing: Arc<TrackLocalStaticRTP>,
    state: watch::Receiver<PeerState>,
    unsent: u64,
}

impl PeerMedia {
    pub(super) fn new(
        incoming: Tapped,
        outgoing: Arc<TrackLocalStaticRTP>,
        state: watch::Receiver<PeerState>,
    ) -> Self {
        Self { incoming, outgoing, state, unsent: 0 }
    }

    /// Whether packets flow: a peer that is lost for a while may come back.
    pub fn is_ready(&self) -> bool {
        matches!(*self.state.borrow(), PeerState::Connected | PeerState::Disconnected)
    }

    /// The next packet, RTP or RTCP; waits for ever once there will be none. Safe to cancel.
    pub async fn recv(&mut self) -> Bytes {
        match self.incoming.packets.recv().await {
            Some(packet) => packet,
            // The leg tells that it is over.
            None => std::future::pending().await,
        }
    }

    /// The next that has come already.
    pub fn try_recv(&mut self) -> Option<Bytes> {
        self.incoming.packets.try_recv().ok()
    }

    /// Sends RTP. What cannot go at once is lost and counted, as a network would: 256 packets may wait for
    /// the library's task, which is 5 s of audio.
    pub fn send_rtp(&mut self, packet: &[u8]) {
        let Ok(packet) = rtp::Packet::unmarshal(&mut Bytes::copy_from_slice(packet)) else {
            self.unsent += 1;
            return;
        };
        let sent = self.outgoing.write_rtp(packet).now_or_never();
        self.unsent += u64::from(!matches!(sent, Some(Ok(()))));
    }

    /// Sends RTCP; else as [`PeerMedia::send_rtp`].
    pub fn send_rtcp(&mut self, packet: &[u8]) {
        let Ok(packets) = rtcp::packet::unmarshal(&mut Bytes::copy_from_slice(packet)) else {
            self.unsent += 1;
            return;
        };
        let sent = self.outgoing.write_rtcp(packets).now_or_never();
        self.unsent += u64::from(!matches!(sent, Some(Ok(()))));
    }

    /// Packets that were lost on this machine: those that came, and those that were to go.
    pub fn lost(&self) -> (u64, u64) {
        (self.incoming.lost.load(Ordering::Relaxed), self.unsent)
    }
}
