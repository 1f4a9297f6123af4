//! The side that calls, as a browser is: for `frontdoor bench connects`, and to try what answers.

use std::sync::Arc;

use rtc::rtp_transceiver::rtp_sender::RTCRtpCodec;
use tokio::sync::watch;
use webrtc::peer_connection::{PeerConnection, RTCSessionDescription};

use super::answer::{Side, WebRtc, WebRtcError, described};
use super::leg::WebLeg;
use crate::audio::Codec;
use crate::net::media_session::MediaSession;
use crate::rtp::PayloadTypes;

/// The numbers that Chromium gives.
const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Opus, 111, Some(110));

/// An offer that waits for its answer. Dropping it takes it back.
pub struct Offering {
    /// The offer, with all addresses.
    pub sdp: String,
    peer: Arc<dyn PeerConnection>,
    leg: WebLeg,
    media: MediaSession,
}

/// A call whose offer was answered.
pub struct Connected {
    /// Whether the other side is there.
    pub leg: WebLeg,
    /// Its audio.
    pub media: MediaSession,
}

impl WebRtc {
    /// Offers a call.
    ///
    /// # Errors
    /// See [`WebRtcError`].
    pub async fn offer(&self) -> Result<Offering, WebRtcError> {
        let Side { peer, leg, media, gathered } = self.side(TYPES, RTCRtpCodec::default()).await?;
        let sdp = offered(&*peer, gathered).await.map_err(WebRtcError::Setup)?;
        Ok(Offering { sdp, peer, leg, media })
    }
}

async fn offered(
    peer: &dyn PeerConnection,
    gathered: watch::Receiver<bool>,
) -> Result<String, String> {
    let ours = peer.create_offer(None).await.map_err(|error| error.to_string())?;
    described(peer, ours, gathered).await
}

impl Offering {
    /// Takes the answer.
    ///
    /// # Errors
    /// It does not fit the offer.
    pub async fn accept(self, answer: &str) -> Result<Connected, WebRtcError> {
        let Self { peer, leg, media, .. } = self;
        let not_taken = |error: webrtc::error::Error| WebRtcError::NotTaken(error.to_string());
        let theirs = RTCSessionDescription::answer(answer.to_owned()).map_err(not_taken)?;
        peer.set_remote_description(theirs).await.map_err(not_taken)?;
        Ok(Connected { leg, media })
    }
}
