//! Answers a browser's offer: a peer of the library's, its addresses, and the audio that comes from it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_TELEPHONE_EVENT, MediaEngine,
};
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use tokio::sync::watch;
use tokio::time::timeout;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, RTCConfigurationBuilder, RTCIceServer,
    RTCSessionDescription, SettingEngine, SettingEngineBuilder,
};

use super::leg::WebLeg;
use super::peer::{PeerMedia, Watcher};
use super::tap::Tap;
use crate::config::WebRtcConfig;
use crate::net::media_session::MediaSession;
use crate::net::sdp::SdpError;
use crate::net::sdp::browser::{BrowserOffer, EVENTS_FMTP, OPUS_FMTP, advertise, browser_offer};
use crate::rtp::{PayloadTypes, Sender};

/// How long a STUN server may take to tell our address; the answer goes without it then.
const GATHERING_LIMIT: Duration = Duration::from_secs(3);

/// How long the library may take to answer, STUN servers included: a line is held meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Silence after which a browser counts as lost for now. Each side asks the other every 2 s.
const SILENT: Duration = Duration::from_secs(4);
/// How often it is asked.
const ASKED_EVERY: Duration = Duration::from_secs(2);

/// Why an offer was not answered.
#[derive(Debug, thiserror::Error)]
pub enum WebRtcError {
    /// It is no offer of a call.
    #[error(transparent)]
    Offer(#[from] SdpError),
    /// The library does not take it.
    #[error("the offer cannot be taken: {0}")]
    NotTaken(String),
    /// All ports are in use.
    #[error(
        "no free UDP port on {ips:?} in {first}-{last}: widen webrtc.udp_port_min and \
         udp_port_max, or take fewer calls"
    )]
    NoPort {
        /// The addresses tried.
        ips: Vec<IpAddr>,
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// A peer cannot be set up.
    #[error("a browser's call cannot be set up: {0}")]
    Setup(String),
}

/// An offer that was answered.
pub struct Answered {
    /// Our answer, with all addresses.
    pub sdp: String,
    /// Whether the browser is there.
    pub leg: WebLeg,
    /// Its audio.
    pub media: MediaSession,
}

/// Who begins the handshake for the keys, once an offer has left that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// The browser.
    Passive,
    /// We.
    Active,
}

/// Answers offers. Cheap to clone.
#[derive(Clone)]
pub struct WebRtc {
    config: Arc<WebRtcConfig>,
    role: DtlsRole,
}

impl WebRtc {
    /// As the configuration says. The browser begins the handshake.
    pub fn new(config: &WebRtcConfig) -> Self {
        Self { config: Arc::new(config.clone()), role: DtlsRole::Passive }
    }

    /// The same in this role.
    #[must_use]
    pub fn answering_as(self, role: DtlsRole) -> Self {
        Self { role, ..self }
    }

    /// Answers an offer. The browser has to connect within the configured time.
    ///
    /// # Errors
    /// See [`WebRtcError`]. Nothing is left behind.
    pub async fn answer(&self, offer: &str) -> Result<Answered, WebRtcError> {
        let BrowserOffer { sdp: offer, types } = browser_offer(offer)?;
        let Side { peer, leg, media, gathered } = self.side(types, opus(&types)).await?;
        let agreed = timeout(ANSWER_LIMIT, agree(&*peer, offer, gathered)).await;
        let agreed = agreed.map_err(|_| WebRtcError::Setup("no answer in time".to_owned()))?;
        let sdp = agreed.map_err(WebRtcError::NotTaken)?;
        let sdp = match self.config.advertise_ip {
            Some(ip) => advertise(&sdp, ip),
            None => sdp,
        };
        Ok(Answered { sdp, leg, media })
    }

    /// Our side of a call, before anything is agreed: the peer knows what we send. A `codec` without a name
    /// stands for all of `types`.
    pub(super) async fn side(
        &self,
        types: PayloadTypes,
        codec: RTCRtpCodec,
    ) -> Result<Side, WebRtcError> {
        let seed = u64::from(rand::random::<u32>());
        let sender = Sender::new(types, seed);
        let (tap, tapped) = Tap::new();
        let (watcher, state, gathered) = Watcher::new();
        let peer = self.peer(&types, tap, watcher).await?;
        let now = Instant::now();
        let until = now + Duration::from_secs(self.config.connect_timeout_s);
        // From here on whatever fails closes the peer.
        let mut leg = WebLeg::new(Arc::clone(&peer), state.clone(), until);
        let track = Arc::new(track(codec, sender.ssrc()));
        let outgoing = Arc::clone(&track) as Arc<dyn TrackLocal>;
        leg.sends_by(peer.add_track(outgoing).await.map_err(setup)?);
        let packets = PeerMedia::new(tapped, track, state);
        let media = MediaSession::over_peer(packets, sender, types, seed, now);
        Ok(Side { peer, leg, media, gathered })
    }

    async fn peer(
        &self,
        types: &PayloadTypes,
        tap: Tap,
        watcher: Watcher,
    ) -> Result<Arc<dyn PeerConnection>, WebRtcError> {
        let mut media_engine = MediaEngine::default();
        for codec in codecs(types) {
            media_engine.register_codec(codec, RtpCodecKind::Audio).map_err(setup)?;
        }
        let stun = RTCIceServer { urls: self.config.stun.clone(), ..Default::default() };
        let servers = if stun.urls.is_empty() { Vec::new() } else { vec![stun] };
        let builder = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().with_ice_servers(servers).build())
            .with_media_engine(media_engine)
            .with_setting_engine(self.settings())
            .with_interceptor_registry(Registry::new().with(Tap::slot(), tap))
            .with_handler(Arc::new(watcher))
            .with_udp_addrs(self.addresses()?);
        Ok(Arc::new(builder.build().await.map_err(setup)?))
    }

    fn settings(&self) -> SettingEngine {
        let connect_limit = Duration::from_secs(self.config.connect_timeout_s);
        let role = match self.role {
            DtlsRole::Passive => RTCDtlsRole::Server,
            DtlsRole::Active => RTCDtlsRole::Client,
        };
        SettingEngineBuilder::new()
            .with_answering_dtls_role(role)
            .with_include_loopback_candidate(self.config.listen.iter().any(IpAddr::is_loopback))
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            // Our own limits are shorter.
            .with_ice_timeouts(Some(SILENT), Some(connect_limit), Some(ASKED_EVERY))
            .build()
    }

    /// Our addresses with one port that is free on all of them.
    fn addresses(&self) -> Result<Vec<SocketAddr>, WebRtcError> {
        let (first, last) = (self.config.udp_port_min, self.config.udp_port_max);
        let count = u32::from(last.saturating_sub(first)) + 1;
        // At a random place, so that a port just given back is not used while its old peer still sends.
        let offset = rand::random_range(0..count);
        for step in 0..count {
            let port = first.saturating_add(((offset + step) % count) as u16);
            let all: Vec<SocketAddr> =
                self.config.listen.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
            // The library would go on with fewer of them.
            if all.iter().all(|address| UdpSocket::bind(address).is_ok()) {
                return Ok(all);
            }
        }
        Err(WebRtcError::NoPort { ips: self.config.listen.clone(), first, last })
    }
}

/// One side of a call.
pub(super) struct Side {
    pub peer: Arc<dyn PeerConnection>,
    pub leg: WebLeg,
    pub media: MediaSession,
    /// All its addresses are known.
    pub gathered: watch::Receiver<bool>,
}

fn setup(error: webrtc::error::Error) -> WebRtcError {
    WebRtcError::Setup(error.to_string())
}

/// Offer and answer.
async fn agree(
    peer: &dyn PeerConnection,
    offer: String,
    gathered: watch::Receiver<bool>,
) -> Result<String, String> {
    let words = |error: webrtc::error::Error| error.to_string();
    let theirs = RTCSessionDescription::offer(offer).map_err(words)?;
    peer.set_remote_description(theirs).await.map_err(words)?;
    let ours = peer.create_answer(None).await.map_err(words)?;
    described(peer, ours, gathered).await
}

/// Our description with all our addresses in it.
pub(super) async fn described(
    peer: &dyn PeerConnection,
    ours: RTCSessionDescription,
    mut gathered: watch::Receiver<bool>,
) -> Result<String, String> {
    peer.set_local_description(ours).await.map_err(|error| error.to_string())?;
    if timeout(GATHERING_LIMIT, gathered.wait_for(|all| *all)).await.is_err() {
        tracing::warn!("a STUN server did not answer in time; the page is told our own addresses");
    }
    let ours = peer.local_description().await.ok_or("there is no description of ours")?;
    Ok(ours.sdp)
}

/// What may come and go, with the numbers that the browser gave.
fn codecs(types: &PayloadTypes) -> Vec<RTCRtpCodecParameters> {
    let opus = RTCRtpCodecParameters { rtp_codec: opus(types), payload_type: types.audio };
    let events = types.telephone_event.map(|event| RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_TELEPHONE_EVENT.to_owned(),
            clock_rate: event.clock_hz,
            channels: 0,
            sdp_fmtp_line: EVENTS_FMTP.to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: event.payload_type,
    });
    std::iter::once(opus).chain(events).collect()
}

fn opus(types: &PayloadTypes) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: types.codec.clock_hz(),
        // As it has to be written (RFC 7587 section 7); one is what is sent and wanted.
        channels: 2,
        sdp_fmtp_line: OPUS_FMTP.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// What we send, from this source. Names for it are random: they tell nothing about the call.
fn track(codec: RTCRtpCodec, ssrc: u32) -> TrackLocalStaticRTP {
    let name = || format!("{:016x}", rand::random::<u64>());
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec,
        ..Default::default()
    };
    let kind = RtpCodecKind::Audio;
    let track = MediaStreamTrack::new(name(), name(), name(), kind, vec![coding]);
    TrackLocalStaticRTP::new(track)
}
