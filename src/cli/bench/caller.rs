//! The calling side: places calls, plays a tone on each and looks for it in what comes back.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::answer::FRAME;
use super::tally::{CallTally, Tally};
use crate::audio::{Codec, Codecs, SampleRate, tone};
use crate::net::media::{MediaError, MediaPort};
use crate::net::media_session::MediaSession;
use crate::net::sdp::{Direction, LocalMedia, accept_answer, offer};
use crate::net::sip::{
    OutgoingCall, OutgoingEvent, OutgoingRequest, Pong, SipConfig, SipEndpoint, SipError,
};

/// Apart from the answering side's.
const RTP_PORTS: RangeInclusive<u16> = 20_000..=29_999;

/// How long an answer is waited for. Everything is on one machine, where a second is long.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long our tone may take to come back.
const ECHO_LIMIT: Duration = Duration::from_secs(3);

/// How long the end of a call that we hung up is waited for.
const END_LIMIT: Duration = Duration::from_secs(2);

/// What is played: a tone that no keypad has, whole periods of it in a second.
const TONE_HZ: f64 = 440.0;
/// How loud.
const TONE_DBFS: f64 = -12.0;
/// How loud it must come back. A codec changes its level by less than this.
const HEARD_DBFS: f64 = -24.0;
/// How much of what comes back is looked at.
const WINDOW: Duration = Duration::from_millis(200);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum Failure {
    /// There was no port for its audio.
    #[error("{0}")]
    NoPort(String),
    /// There was no way there.
    #[error("it could not be placed: {0}")]
    NotPlaced(String),
    /// Refused.
    #[error("refused with {status} {reason}")]
    Refused {
        /// SIP status.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// Neither answered nor refused.
    #[error("no answer within {} s", ANSWER_LIMIT.as_secs())]
    NoAnswer,
    /// Answered with an SDP that is no answer to ours.
    #[error("the answer's SDP does not fit: {0}")]
    BadAnswer(String),
    /// Answered, but not heard.
    #[error("the tone did not come back within {} s", ECHO_LIMIT.as_secs())]
    Silent,
    /// Ended by the other side.
    #[error("ended by the other side")]
    HungUp,
    /// Ours failed.
    #[error("the media socket failed: {0}")]
    Socket(String),
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        Self::Socket(error.to_string())
    }
}

/// Who places the calls.
pub(super) struct Caller {
    sip: SipEndpoint,
    ip: IpAddr,
    target: String,
    codec: Codec,
    /// A second of it.
    tone: Arc<[i16]>,
    /// What all its calls have heard.
    pub tally: Arc<Tally>,
}

impl Caller {
    /// Gets ready to call this address from loopback.
    pub async fn bind(target: &str, codec: Codec) -> Result<Self, SipError> {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let (sip, _) = SipEndpoint::bind(SipConfig {
            udp: vec![SocketAddr::new(ip, 0)],
            user_agent: concat!("frontdoor-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
            incoming_queue_len_max: 1,
            ..SipConfig::default()
        })
        .await?;
        let tone = tone::sine(codec.rate(), TONE_HZ, TONE_DBFS, Duration::from_secs(1));
        let tally = Arc::new(Tally::default());
        Ok(Self { sip, ip, target: target.to_owned(), codec, tone: tone.into(), tally })
    }

    /// Asks the other side whether it is there (OPTIONS).
    pub async fn ping(&self) -> Result<Pong, SipError> {
        self.sip.ping(&self.target).await
    }

    /// Places a call and waits for its answer.
    pub async fn place(&self) -> Result<Placed, Failure> {
        let port = MediaPort::bind(self.ip, RTP_PORTS).await;
        let port = port.map_err(|error| Failure::NoPort(error.to_string()))?;
        let number = port.local_addr().port();
        let local = LocalMedia {
            ip: self.ip,
            port: number,
            session_id: u64::from(number),
            codecs: Codecs::new([self.codec]),
        };
        let offer_sdp = offer(&local, 1, Direction::SendRecv);
        let request = OutgoingRequest {
            target_uri: self.target.clone(),
            from_user: "bench".to_owned(),
            offer_sdp: offer_sdp.clone(),
            ..OutgoingRequest::default()
        };
        let placed = self.sip.place_call(request).await;
        let mut call = placed.map_err(|error| Failure::NotPlaced(error.to_string()))?;
        let sdp = match timeout(ANSWER_LIMIT, answer_of(&mut call)).await {
            Ok(answered) => answered?,
            Err(_) => return Err(Failure::NoAnswer),
        };
        let agreed = accept_answer(&offer_sdp, &sdp)
            .map_err(|error| Failure::BadAnswer(error.to_string()))?;
        let seed = u64::from(number);
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Ok(Placed {
            call,
            media_address: agreed.remote,
            media: MediaSession::new(port, Some(&agreed), offer_sdp, seed, Instant::now()),
            rate: self.codec.rate(),
            tone: Arc::clone(&self.tone),
            at: 0,
            latest: VecDeque::new(),
            ticks,
            counted: CallTally::open(&self.tally),
        })
    }

    /// Hangs up what is open and gives the sockets back.
    pub async fn close(&self) {
        self.sip.shutdown().await;
    }
}

async fn answer_of(call: &mut OutgoingCall) -> Result<String, Failure> {
    loop {
        match call.next_event().await {
            Some(OutgoingEvent::Answered { sdp }) => return Ok(sdp),
            Some(OutgoingEvent::Refused { status, reason }) => {
                return Err(Failure::Refused { status, reason });
            }
            Some(OutgoingEvent::Ended { .. }) | None => return Err(Failure::HungUp),
            Some(_) => {}
        }
    }
}

/// A call that was answered. Dropping it hangs up.
pub(super) struct Placed {
    /// Where our audio goes.
    pub media_address: SocketAddr,
    call: OutgoingCall,
    media: MediaSession,
    rate: SampleRate,
    tone: Arc<[i16]>,
    /// How much of the tone has been played.
    at: usize,
    /// What came back last.
    latest: VecDeque<i16>,
    ticks: Interval,
    counted: CallTally,
}

impl Placed {
    /// Goes on with the call until the next frame is due, sends it and takes one.
    pub async fn frame(&mut self) -> Result<(), Failure> {
        loop {
            tokio::select! {
                biased;
                _ = self.ticks.tick() => break,
                event = self.call.next_event() => match event {
                    Some(OutgoingEvent::Ended { .. }) | None => return Err(Failure::HungUp),
                    // A change of the session is refused by being dropped.
                    Some(_) => {}
                },
                received = self.media.recv() => {
                    received?;
                }
            }
        }
        self.media.drain()?;
        let heard = self.media.pull(Instant::now());
        let end = self.at + self.rate.samples_in(FRAME);
        self.media.send(&self.tone[self.at..end], self.rate).await?;
        self.at = end % self.tone.len();
        self.counted.note(self.media.stats());
        if heard.rate == self.rate {
            self.latest.extend(heard.samples);
            let excess = self.latest.len().saturating_sub(self.rate.samples_in(WINDOW));
            self.latest.drain(..excess);
        }
        Ok(())
    }

    /// Whether what came back last is what we play.
    pub fn hears_tone(&self) -> bool {
        let latest: Vec<i16> = self.latest.iter().copied().collect();
        latest.len() >= self.rate.samples_in(WINDOW)
            && tone::detect(&latest, self.rate, TONE_HZ) > HEARD_DBFS
    }

    /// Goes on until our tone has come back.
    pub async fn until_heard(&mut self) -> Result<(), Failure> {
        let frames = ECHO_LIMIT.as_millis() / FRAME.as_millis();
        for _ in 0..frames {
            self.frame().await?;
            if self.hears_tone() {
                return Ok(());
            }
        }
        Err(Failure::Silent)
    }

    /// Hangs up and waits for the end.
    pub async fn hang_up(mut self) {
        self.media.close().await;
        self.call.hang_up("done").await;
        let end = async {
            while !matches!(self.call.next_event().await, Some(OutgoingEvent::Ended { .. }) | None)
            {
            }
        };
        // The measurement counts what is left open on the other side.
        _ = timeout(END_LIMIT, end).await;
    }
}
