//! A caller made of recordings, who measures on the wire how fast they are answered: for benches
//! that talk to a real front door, alone or with many others at once.
//!
//! What comes is looked at packet by packet as it arrives, without a jitter buffer: buffers would
//! add their delay to every latency. G.711 only, which is what telephones speak.

mod ear;
mod line;
mod said;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::audio::{Codec, Codecs};
use crate::net::media::{Channel, DATAGRAM_MAX, MediaError, MediaPort};
use crate::net::sdp::{Direction, LocalMedia, accept_answer, offer};
use crate::net::sip::{
    OutgoingCall, OutgoingEvent, OutgoingRequest, SipConfig, SipEndpoint, SipError,
};
use crate::rtp::is_rtcp;

pub use ear::{HeardStats, VOICED_DBFS};
pub use line::Conditions;
pub use said::Said;

use ear::Ear;
use line::Mouth;

/// Apart from the ports that front doors use by default.
const RTP_PORTS: RangeInclusive<u16> = 20_000..=29_999;

/// Length of a frame.
const FRAME: Duration = Duration::from_millis(20);

/// How long an answer to the call itself is waited for. A loaded machine may take its time.
const RING_LIMIT: Duration = Duration::from_secs(10);

/// How long the end of a call that we hung up is waited for.
const END_LIMIT: Duration = Duration::from_secs(2);

/// A turn of theirs that is longer counts as over: it is music, or somebody who does not end.
const THEIR_TURN_MAX: Duration = Duration::from_secs(30);

/// How long a key is held.
const KEY_HELD_MS: u32 = 100;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum TalkError {
    /// There was no port for its audio.
    #[error("{0}")]
    NoPort(String),
    /// There was no way there.
    #[error("it could not be placed: {0}")]
    NotPlaced(String),
    /// Refused: too many calls, or no such number.
    #[error("refused with {status} {reason}")]
    Refused {
        /// SIP status.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// Neither answered nor refused.
    #[error("no answer within {} s", RING_LIMIT.as_secs())]
    NoAnswer,
    /// Answered with an SDP that is no answer to ours.
    #[error("the answer's SDP does not fit: {0}")]
    BadAnswer(String),
    /// Ended by the other side.
    #[error("ended by the other side")]
    HungUp,
    /// The key is none, or too many wait.
    #[error("the key {0:?} cannot be pressed")]
    NoKey(char),
    /// Ours failed.
    #[error("the media socket failed: {0}")]
    Socket(String),
}

impl From<MediaError> for TalkError {
    fn from(error: MediaError) -> Self {
        Self::Socket(error.to_string())
    }
}

/// Places the calls of many talkers. Cheap to clone; all share one SIP socket.
#[derive(Clone)]
pub struct Exchange {
    sip: SipEndpoint,
    ip: IpAddr,
}

impl Exchange {
    /// Gets ready to call from loopback.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn bind() -> Result<Self, SipError> {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let (sip, _) = SipEndpoint::bind(SipConfig {
            udp: vec![SocketAddr::new(ip, 0)],
            user_agent: concat!("frontdoor-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
            incoming_queue_len_max: 1,
            ..SipConfig::default()
        })
        .await?;
        Ok(Self { sip, ip })
    }

    /// Hangs up what is open and gives the sockets back.
    pub async fn close(&self) {
        self.sip.shutdown().await;
    }
}

/// One turn of ours and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Answer {
    /// They spoke once we had finished.
    Answered {
        /// From the packet with our last voiced sample leaving to that with their first arriving.
        #[serde(rename = "latency_s", serialize_with = "as_seconds")]
        latency: Duration,
    },
    /// They spoke before we had finished.
    CutOff {
        /// What of our turn was still to come, up to its last voiced sample.
        #[serde(rename = "left_s", serialize_with = "as_seconds")]
        left: Duration,
    },
    /// They said nothing for as long as was waited.
    Silent,
}

fn as_seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// A turn of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TheirTurn {
    /// They spoke and were then silent for the gap that was asked for.
    Spoke {
        /// When the packet with their first voiced sample came.
        began: Instant,
        /// When the packet with their last voiced sample came.
        ended: Instant,
    },
    /// They said nothing for as long as was waited.
    Silent,
}

/// A caller in a call. Dropping it hangs up.
pub struct Talker {
    call: OutgoingCall,
    port: MediaPort,
    remote: SocketAddr,
    mouth: Mouth,
    ear: Ear,
    answered: Instant,
    ticks: Interval,
    buffer: Vec<u8>,
}

impl Talker {
    /// Places a call and waits for its answer. `from` is the number that is called from.
    ///
    /// # Errors
    /// Why there is no call.
    pub async fn place(
        exchange: &Exchange,
        to: &str,
        from: &str,
        conditions: &Conditions,
    ) -> Result<Self, TalkError> {
        let port = MediaPort::bind(exchange.ip, RTP_PORTS).await;
        let port = port.map_err(|error| TalkError::NoPort(error.to_string()))?;
        let number = port.local_addr().port();
        let local = LocalMedia {
            ip: exchange.ip,
            port: number,
            session_id: u64::from(number),
            codecs: Codecs::new([Codec::Pcmu]),
        };
        let offer_sdp = offer(&local, 1, Direction::SendRecv);
        let request = OutgoingRequest {
            target_uri: to.to_owned(),
            from_user: from.to_owned(),
            offer_sdp: offer_sdp.clone(),
            ..OutgoingRequest::default()
        };
        let placed = exchange.sip.place_call(request).await;
        let mut call = placed.map_err(|error| TalkError::NotPlaced(error.to_string()))?;
        let sdp = match timeout(RING_LIMIT, answer_of(&mut call)).await {
            Ok(answered) => answered?,
            Err(_) => return Err(TalkError::NoAnswer),
        };
        let answered = Instant::now();
        let agreed = accept_answer(&offer_sdp, &sdp)
            .map_err(|error| TalkError::BadAnswer(error.to_string()))?;
        let mut ticks = interval(FRAME);
        // A telephone never pauses its stream: what is late is sent at once.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Ok(Self {
            call,
            port,
            remote: agreed.remote,
            mouth: Mouth::new(agreed.types, conditions),
            ear: Ear::new(agreed.types),
            answered,
            ticks,
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    /// When the call was answered: the moment its 200 OK came.
    pub fn answered(&self) -> Instant {
        self.answered
    }

    /// What came so far, and what was missing of it.
    pub fn heard(&self) -> HeardStats {
        self.ear.stats()
    }

    /// Says nothing until they have spoken and then been silent for `gap`, or have said nothing
    /// for `wait`. The turn may have begun before this was asked. One that goes on for 30 s counts
    /// as over, for it may be music.
    ///
    /// # Errors
    /// [`TalkError::HungUp`] or [`TalkError::Socket`].
    pub async fn hear_out(
        &mut self,
        gap: Duration,
        wait: Duration,
    ) -> Result<TheirTurn, TalkError> {
        let start = Instant::now();
        loop {
            match self.ear.turn() {
                Some((began, ended))
                    if ended.elapsed() >= gap || ended.duration_since(began) >= THEIR_TURN_MAX =>
                {
                    self.ear.forget();
                    return Ok(TheirTurn::Spoke { began, ended });
                }
                None if start.elapsed() >= wait => return Ok(TheirTurn::Silent),
                _ => self.frame(None).await?,
            }
        }
    }

    /// Says a turn up to its last voiced sample, and waits for the answer to begin, for `wait` at
    /// most. Who is cut off says no more. Hear them out before: what they are still saying would
    /// count as the answer.
    ///
    /// # Errors
    /// [`TalkError::HungUp`] or [`TalkError::Socket`].
    pub async fn say(&mut self, said: &Said, wait: Duration) -> Result<Answer, TalkError> {
        self.ear.forget();
        let frames = said.voiced_frames();
        let mut last_sent = Instant::now();
        for (index, frame) in frames.clone().enumerate() {
            self.frame(Some(frame)).await?;
            last_sent = Instant::now();
            if self.ear.turn().is_some() {
                let left = FRAME * (frames.len() - 1 - index) as u32;
                if !left.is_zero() {
                    return Ok(Answer::CutOff { left });
                }
            }
        }
        while self.ear.turn().is_none() {
            if last_sent.elapsed() >= wait {
                return Ok(Answer::Silent);
            }
            self.frame(None).await?;
        }
        let began = self.ear.turn().map_or_else(Instant::now, |(began, _)| began);
        Ok(Answer::Answered { latency: began.saturating_duration_since(last_sent) })
    }

    /// Begins a turn whether or not they speak, says it to its end, and gives when its first and
    /// its last voiced sample left; what they do meanwhile is left to [`Talker::hear_out`].
    ///
    /// # Errors
    /// [`TalkError::HungUp`] or [`TalkError::Socket`].
    pub async fn say_over(&mut self, said: &Said) -> Result<(Instant, Instant), TalkError> {
        let mut times = None;
        for (index, frame) in said.voiced_frames().enumerate() {
            self.frame(Some(frame)).await?;
            let now = Instant::now();
            if index >= said.first_voiced_frame() {
                let (began, _) = times.unwrap_or((now, now));
                times = Some((began, now));
            }
        }
        Ok(times.unwrap_or_else(|| (Instant::now(), Instant::now())))
    }

    /// Presses keys, one after the other, and waits for the answer to begin, for `wait` at most.
    /// The turn ends when the last key is let go.
    ///
    /// # Errors
    /// [`TalkError::NoKey`], [`TalkError::HungUp`] or [`TalkError::Socket`].
    pub async fn press(&mut self, keys: &str, wait: Duration) -> Result<Answer, TalkError> {
        self.ear.forget();
        for key in keys.chars() {
            self.mouth.press(key, KEY_HELD_MS).map_err(|_| TalkError::NoKey(key))?;
            while self.mouth.is_pressing() {
                self.frame(None).await?;
            }
        }
        let ended = Instant::now();
        self.ear.forget();
        while self.ear.turn().is_none() {
            if ended.elapsed() >= wait {
                return Ok(Answer::Silent);
            }
            self.frame(None).await?;
        }
        let began = self.ear.turn().map_or_else(Instant::now, |(began, _)| began);
        Ok(Answer::Answered { latency: began.saturating_duration_since(ended) })
    }

    /// Says nothing for a while.
    ///
    /// # Errors
    /// [`TalkError::HungUp`] or [`TalkError::Socket`].
    pub async fn wait(&mut self, length: Duration) -> Result<(), TalkError> {
        let start = Instant::now();
        while start.elapsed() < length {
            self.frame(None).await?;
        }
        Ok(())
    }

    /// Listens until the next frame is due, and sends it.
    async fn frame(&mut self, speech: Option<&[i16]>) -> Result<(), TalkError> {
        loop {
            tokio::select! {
                biased;
                _ = self.ticks.tick() => break,
                event = self.call.next_event() => match event {
                    Some(OutgoingEvent::Ended { .. }) | None => return Err(TalkError::HungUp),
                    // A change of the session is refused by being dropped.
                    Some(_) => {}
                },
                received = self.port.recv(&mut self.buffer) => {
                    let (channel, len, _) = received?;
                    let bytes = &self.buffer[..len];
                    if channel == Channel::Rtp && !is_rtcp(bytes) {
                        self.ear.hear(Instant::now(), bytes);
                    }
                }
            }
        }
        for datagram in self.mouth.frame(speech) {
            self.port.send_to(&datagram, self.remote).await?;
        }
        Ok(())
    }

    /// Hangs up, waits for the end and gives what came.
    pub async fn hang_up(mut self) -> HeardStats {
        self.call.hang_up("done").await;
        let end = async {
            while !matches!(self.call.next_event().await, Some(OutgoingEvent::Ended { .. }) | None)
            {
            }
        };
        // The call counts on our side whether or not the other one confirms its end.
        _ = timeout(END_LIMIT, end).await;
        self.ear.stats()
    }
}

async fn answer_of(call: &mut OutgoingCall) -> Result<String, TalkError> {
    loop {
        match call.next_event().await {
            Some(OutgoingEvent::Answered { sdp }) => return Ok(sdp),
            Some(OutgoingEvent::Refused { status, reason }) => {
                return Err(TalkError::Refused { status, reason });
            }
            Some(OutgoingEvent::Ended { .. }) | None => return Err(TalkError::HungUp),
            Some(_) => {}
        }
    }
}
