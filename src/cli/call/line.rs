//! Our end of the line: signalling, media, and the two-channel recording.

use std::fs::File;
use std::io::BufWriter;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::time::{MissedTickBehavior, interval};

use crate::audio::{Codec, Codecs, FrameConverter, SampleRate, TwoChannelWriter};
use crate::config::SrtpMode;
use crate::net::media::MediaPort;
use crate::net::media_session::MediaSession;
use crate::net::sdp::{
    Direction, KeysInSdp, LocalMedia, Security, Wish, accept_answer_secured, offer_secured,
};
use crate::net::secure::Identity;
use crate::net::sip::{OutgoingCall, OutgoingEvent, OutgoingRequest, SipConfig, SipEndpoint};

use super::Srtp;
use super::ears::{Ears, FRAME_MS};
use super::steps::Step;

/// Ports for our media; any free pair will do.
const RTP_PORTS: std::ops::RangeInclusive<u16> = 42_000..=49_998;

/// Pause between two keys, in frames of 20 ms.
const KEY_PAUSE_FRAMES: usize = 4;

/// How long it may ring.
const RING_TIMEOUT: Duration = Duration::from_secs(30);

/// What was heard between two turns of ours.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// The other side's audio, from its first voiced frame to its last, at the codec's rate.
    pub samples: Vec<i16>,
    /// When its first voiced frame came, from answer.
    pub began: Option<Duration>,
    /// From our last voiced frame to its first; `None` if we had not spoken or it said nothing.
    pub latency: Option<Duration>,
    /// Whether the call goes on.
    pub still_up: bool,
}

/// How to call.
pub(super) struct How {
    /// What we speak.
    pub codecs: Codecs,
    /// Authorities (PEM) to believe over TLS, instead of those that this machine trusts.
    pub tls_ca: Option<PathBuf>,
    /// How the audio is to be encrypted, if at all.
    pub srtp: Option<Srtp>,
}

/// A call in progress.
pub(super) struct Line {
    sip: SipEndpoint,
    call: OutgoingCall,
    media: MediaSession,
    /// Of what we say and hear.
    rate: SampleRate,
    heard: FrameConverter,
    output: TwoChannelWriter<BufWriter<File>>,
    answered: Instant,
    ticks: tokio::time::Interval,
    ears: Ears,
    our_last_voiced: Option<Instant>,
    up: bool,
}

impl Line {
    /// Calls and waits for the answer, and for the keys if the audio is to be encrypted.
    pub async fn place(to: &str, from: &str, out: &Path, how: How) -> anyhow::Result<Self> {
        let How { codecs, tls_ca, srtp } = how;
        let ip = local_ip_towards(to)?;
        let any_port = SocketAddr::new(ip, 0);
        let (sip, _) = SipEndpoint::bind(SipConfig {
            udp: vec![any_port],
            tcp: vec![any_port],
            tls_ca,
            user_agent: concat!("frontdoor-call/", env!("CARGO_PKG_VERSION")).to_owned(),
            incoming_queue_len_max: 1,
            ..SipConfig::default()
        })
        .await?;
        let port = MediaPort::bind(ip, RTP_PORTS).await?;
        let rtp_port = port.local_addr().port();
        let local = LocalMedia { ip, port: rtp_port, session_id: u64::from(rtp_port), codecs };
        let mut security = security(srtp)?;
        let offer_sdp = offer_secured(&local, 1, Direction::SendRecv, &mut security);
        let request = OutgoingRequest {
            target_uri: to.to_owned(),
            from_user: from.to_owned(),
            offer_sdp: offer_sdp.clone(),
            ..OutgoingRequest::default()
        };
        let mut call = sip.place_call(request).await?;
        let answer_sdp =
            tokio::time::timeout(RING_TIMEOUT, wait_for_answer(&mut call)).await.with_context(
                || format!("{to} did not answer within {} s", RING_TIMEOUT.as_secs()),
            )??;
        let agreed = accept_answer_secured(&offer_sdp, &answer_sdp, &mut security)
            .context("the answer's SDP")?;
        let now = Instant::now();
        let seed = u64::from(rtp_port);
        let mut media =
            MediaSession::new(port, Some(&agreed), offer_sdp, seed, now).secured(security, now);
        if let Err(error) = wait_for_keys(&mut media).await {
            call.hang_up("no keys").await;
            return Err(error);
        }
        let rate = agreed.codec().rate();
        let file = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Ok(Self {
            sip,
            call,
            media,
            rate,
            heard: FrameConverter::new(rate),
            output: TwoChannelWriter::new(BufWriter::new(file), rate)?,
            answered: Instant::now(),
            ticks,
            ears: Ears::default(),
            our_last_voiced: None,
            up: true,
        })
    }

    /// What protects the audio.
    pub fn protection(&self) -> String {
        self.media.protection()
    }

    /// Whether the call goes on.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// What is spoken on the line.
    pub fn codec_name(&self) -> &'static str {
        self.media.codec().map_or("no codec", Codec::word)
    }

    /// Time since the answer.
    pub fn elapsed(&self) -> Duration {
        self.answered.elapsed()
    }

    /// Sends one turn of ours.
    pub async fn speak(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Speech { samples, .. } => {
                let frame_len = self.frame_len();
                let last = Ears::last_voiced_frame(samples, frame_len);
                for (index, frame) in samples.chunks(frame_len).enumerate() {
                    let mut out = vec![0_i16; frame_len];
                    out[..frame.len()].copy_from_slice(frame);
                    self.tick(&out).await?;
                    if Some(index) == last {
                        self.our_last_voiced = Some(Instant::now());
                    }
                    // What follows the last voiced frame of a recording is not waited for.
                    if !self.up || last.is_some_and(|last| index >= last) {
                        break;
                    }
                }
            }
            Step::Keys(keys) => {
                for key in keys.chars() {
                    self.media.press(key).with_context(|| format!("cannot press {key}"))?;
                    while self.up && self.media.is_pressing() {
                        self.quiet_tick().await?;
                    }
                    for _ in 0..KEY_PAUSE_FRAMES {
                        self.quiet_tick().await?;
                    }
                }
                self.our_last_voiced = Some(Instant::now());
            }
        }
        self.ears.forget();
        Ok(())
    }

    /// Listens until the other side has spoken and then been silent for `gap`, has said nothing
    /// for `wait`, or is gone.
    pub async fn hear(&mut self, gap: Duration, wait: Duration) -> anyhow::Result<Heard> {
        let start = Instant::now();
        let mut began = None;
        while self.up {
            self.quiet_tick().await?;
            if began.is_none() && self.ears.has_spoken() {
                began = self.ears.began();
            }
            let silent = self.ears.silent_for();
            let finished = if began.is_some() { silent >= gap } else { start.elapsed() >= wait };
            if finished {
                break;
            }
        }
        let latency = match (began, self.our_last_voiced.take()) {
            (Some(began), Some(ended)) => Some(began.saturating_duration_since(ended)),
            _ => None,
        };
        Ok(Heard {
            samples: self.ears.take(),
            began: began.map(|at| at.saturating_duration_since(self.answered)),
            latency,
            still_up: self.up,
        })
    }

    /// Goes on with the call, saying nothing, until this work is done: a telephone never pauses
    /// its stream, and frames sent late in a burst would reach the other side's ear late.
    pub async fn keep_up<T>(&mut self, work: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::pin!(work);
        while self.up {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                ticked = self.quiet_tick() => ticked?,
            }
        }
        Ok(work.await)
    }

    /// Samples in a frame.
    fn frame_len(&self) -> usize {
        self.rate.samples_in(Duration::from_millis(FRAME_MS))
    }

    /// 20 ms in which we say nothing.
    async fn quiet_tick(&mut self) -> anyhow::Result<()> {
        let silence = vec![0_i16; self.frame_len()];
        self.tick(&silence).await
    }

    /// 20 ms: one frame out, one in, both into the recording.
    async fn tick(&mut self, out: &[i16]) -> anyhow::Result<()> {
        self.wait_for_tick().await;
        self.media.send(out, self.rate).await.context("cannot send audio")?;
        self.take_frame(out)
    }

    fn take_frame(&mut self, out: &[i16]) -> anyhow::Result<()> {
        let now = Instant::now();
        let frame = self.media.pull(now);
        let heard = self.heard.convert(&frame.samples, frame.rate);
        self.ears.hear(now, &heard);
        self.output.write(out, &heard)?;
        Ok(())
    }

    /// Handles packets and signalling until the next frame is due.
    async fn wait_for_tick(&mut self) {
        loop {
            tokio::select! {
                biased;
                _ = self.ticks.tick() => return,
                event = self.call.next_event(), if self.up => match event {
                    Some(OutgoingEvent::Ended { .. }) | None => self.up = false,
                    Some(_) => {}
                },
                // A bad packet is counted by the receiver.
                _ = self.media.recv() => {}
            }
        }
    }

    /// Ends the call.
    pub async fn hang_up(&mut self) -> anyhow::Result<()> {
        self.media.close().await;
        self.call.hang_up("done").await;
        self.up = false;
        Ok(())
    }

    /// Closes the recording and the sockets; what we hung up is seen to its end before.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.sip.shutdown().await;
        Ok(self.output.finish()?)
    }
}

/// What we say about protection: as asked for, whatever the signalling, for whoever types the command
/// knows the line.
fn security(srtp: Option<Srtp>) -> anyhow::Result<Security> {
    let wish = match srtp {
        None => return Ok(Security::plain()),
        Some(Srtp::Sdes) => Wish::Sdes,
        Some(Srtp::Dtls) => Wish::Dtls,
    };
    let identity = Arc::new(Identity::generate()?);
    Ok(Security::new(SrtpMode::Offered, KeysInSdp::Allowed, Some(identity)).wishing(wish))
}

/// Waits until audio can flow: at once, unless hands are to be shaken.
async fn wait_for_keys(media: &mut MediaSession) -> anyhow::Result<()> {
    let mut ticks = interval(Duration::from_millis(FRAME_MS));
    while !media.is_ready() {
        if let Some(why) = media.failure() {
            bail!("{why}");
        }
        tokio::select! {
            _ = ticks.tick() => media.tend(Instant::now()),
            received = media.recv() => {
                received.context("cannot receive audio")?;
            }
        }
    }
    Ok(())
}

async fn wait_for_answer(call: &mut OutgoingCall) -> anyhow::Result<String> {
    loop {
        match call.next_event().await {
            Some(OutgoingEvent::Answered { sdp }) => return Ok(sdp),
            Some(OutgoingEvent::Refused { status, reason }) => {
                bail!("the call was refused: {status} {reason}")
            }
            Some(OutgoingEvent::Ended { .. }) | None => {
                bail!("the call ended before it was answered; is the server running?")
            }
            Some(
                OutgoingEvent::Ringing
                | OutgoingEvent::Progress { .. }
                | OutgoingEvent::EarlyMedia { .. }
                | OutgoingEvent::Reoffer { .. }
                | OutgoingEvent::OfferWanted { .. }
                | OutgoingEvent::Key { .. }
                | OutgoingEvent::LateAnswer { .. },
            ) => {}
        }
    }
}

/// The address of this machine that the target can reach.
fn local_ip_towards(uri: &str) -> anyhow::Result<IpAddr> {
    let rest =
        uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:")).with_context(|| {
            format!(
                "--to {uri}: write it as sip:user@host:port, for instance sip:bank@127.0.0.1:5060"
            )
        })?;
    let host = rest.rsplit('@').next().unwrap_or(rest).split(';').next().unwrap_or(rest);
    let with_port = if host.rsplit(':').next().is_some_and(|p| p.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:5060")
    };
    let target = with_port
        .to_socket_addrs()
        .with_context(|| format!("cannot find {host}"))?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    // A datagram socket that is "connected" sends nothing; it only picks a route.
    let bind = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let probe = UdpSocket::bind(bind)?;
    probe.connect(target)?;
    Ok(probe.local_addr()?.ip())
}
