//! The leg of somebody who takes a caller over: on a telephone that we call, or in their browser. What is heard
//! and said there, and the key with which they take the call.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::audio::{AudioFrame, SampleRate};
use crate::base::Pii;
use crate::conversation::TransferOutcome;
use crate::engine::voice::{Cacheable, SpeakRequest, SpeechStream, Voice, VoiceError};
use crate::net::media_session::MediaSession;
use crate::net::sdp::LocalMedia;
use crate::net::sip::{EndedBy, OutgoingCall, OutgoingEvent, ReplacesId};
use crate::net::webrtc::{WebLeg, WebLegEvent};

use super::answering::sip_status;
use super::call_task::{KeyPath, KeyPaths};
use super::transfer::{NotReached, PlacedLine};
use super::web_calls::BrowserLeg;

/// Length of a telephone frame.
const FRAME: Duration = Duration::from_millis(20);
/// The same in samples at 8 kHz.
const FRAME_LEN: usize = 160;

/// How long keys for the audio may take to be agreed on: a handshake of four flights, some of them lost.
const KEYS_LIMIT: Duration = Duration::from_secs(10);

/// The same of a browser, which has a limit of its own (`webrtc.connect_timeout_s`, 120 s at most).
const BROWSER_LIMIT: Duration = Duration::from_secs(130);

/// How long whoever answered may take to take the call. A machine that answers never does.
const SCREENING_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take until audio comes from somebody at a desk who has taken a call.
const AUDIO_LIMIT: Duration = Duration::from_secs(10);

/// How long a summary may be that is told to somebody who has taken a call. The caller waits.
const WHISPER_LIMIT: Duration = Duration::from_secs(20);

/// Silence after which they are told again, in frames: 6 s.
const AGAIN_AFTER_FRAMES: u32 = 300;

/// Keys told in the signalling that may wait to be read.
const TOLD_LEN_MAX: usize = 16;

/// With this key the call is taken.
const TAKES: char = '1';
/// And with this one it is not.
const DECLINES: char = '2';

/// How they are reached.
enum Way {
    Placed(Box<Placed>),
    Browser(Box<WebLeg>),
}

/// A call that we have placed.
struct Placed {
    call: OutgoingCall,
    local: LocalMedia,
    sdp_version: u64,
    /// Its place among the calls that we may place.
    _line: PlacedLine,
}

/// Something that was signalled.
enum Signalled {
    Placed(Option<OutgoingEvent>),
    Browser(Option<WebLegEvent>),
}

impl Way {
    /// Safe to cancel.
    async fn next_event(&mut self) -> Signalled {
        match self {
            Self::Placed(placed) => Signalled::Placed(placed.call.next_event().await),
            Self::Browser(leg) => Signalled::Browser(leg.next_event().await),
        }
    }
}

/// The leg. Dropping it hangs up.
pub(super) struct AgentLeg {
    way: Way,
    media: MediaSession,
    is_held: bool,
    ticks: Interval,
    last_packet: Instant,
    /// Audio has come from there.
    was_heard: bool,
    /// It ended because somebody hung up there.
    was_hung_up: bool,
    no_media_timeout: Duration,
    /// Keys that were told in the signalling.
    told: VecDeque<char>,
    key_paths: KeyPaths,
}

/// What happened on the leg.
pub(super) enum AgentStep {
    /// 20 ms are over.
    Tick,
    /// Something that has been seen to.
    SeenTo,
    /// It is over, for this reason.
    Gone(&'static str),
}

impl AgentLeg {
    /// An answered call, and the media that was agreed for it.
    pub fn new(
        call: OutgoingCall,
        media: MediaSession,
        local: LocalMedia,
        no_media_timeout: Duration,
        line: PlacedLine,
    ) -> Self {
        let placed = Placed { call, local, sdp_version: 1, _line: line };
        Self::over(Way::Placed(Box::new(placed)), media, no_media_timeout)
    }

    /// An agent's browser whose offer was answered; it may still be connecting ([`AgentLeg::await_keys`]).
    pub fn from_browser(browser: BrowserLeg, no_media_timeout: Duration) -> Self {
        let BrowserLeg { leg, media } = browser;
        Self::over(Way::Browser(Box::new(leg)), media, no_media_timeout)
    }

    fn over(way: Way, media: MediaSession, no_media_timeout: Duration) -> Self {
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self {
            way,
            media,
            is_held: false,
            ticks,
            last_packet: Instant::now(),
            was_heard: false,
            was_hung_up: false,
            no_media_timeout,
            told: VecDeque::new(),
            key_paths: KeyPaths::default(),
        }
    }

    /// Names this leg to a telephone system that is to put the caller in our place (RFC 3891).
    pub fn replaces_id(&self) -> Option<ReplacesId> {
        match &self.way {
            Way::Placed(placed) => placed.call.replaces_id(),
            Way::Browser(_) => None,
        }
    }

    /// Waits for the next thing that happens. Safe to cancel.
    pub async fn next_step(&mut self) -> AgentStep {
        tokio::select! {
            biased;
            _ = self.ticks.tick() => AgentStep::Tick,
            event = self.way.next_event() => match event {
                Signalled::Placed(event) => self.on_event(event),
                Signalled::Browser(Some(WebLegEvent::Connected)) => AgentStep::SeenTo,
                Signalled::Browser(Some(WebLegEvent::Ended { why })) => AgentStep::Gone(why.as_str()),
                Signalled::Browser(None) => AgentStep::Gone("the browser's call is over"),
            },
            received = self.media.recv() => match received {
                Ok(ours) => {
                    if ours {
                        self.note_packet(Instant::now());
                    }
                    AgentStep::SeenTo
                }
                Err(error) => {
                    tracing::error!(%error, "the media socket of the other side failed");
                    AgentStep::Gone("the media socket failed")
                }
            },
        }
    }

    fn on_event(&mut self, event: Option<OutgoingEvent>) -> AgentStep {
        let now = Instant::now();
        match event {
            Some(OutgoingEvent::Reoffer { offer_sdp, reply }) => {
                let Way::Placed(placed) = &mut self.way else { return AgentStep::SeenTo };
                placed.sdp_version += 1;
                let (local, version) = (&placed.local, placed.sdp_version);
                match self.media.answer_again(&offer_sdp, local, version, now) {
                    Ok((sdp, agreed)) => {
                        self.is_held = !agreed.direction.sends();
                        reply.accept(sdp);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "re-INVITE of the other side refused");
                        reply.refuse(sip_status(&error));
                    }
                }
                AgentStep::SeenTo
            }
            Some(OutgoingEvent::OfferWanted { reply }) => {
                let Way::Placed(placed) = &mut self.way else { return AgentStep::SeenTo };
                placed.sdp_version += 1;
                reply.accept(self.media.offer_again(&placed.local, placed.sdp_version));
                AgentStep::SeenTo
            }
            Some(OutgoingEvent::Key { key }) => {
                if self.told.len() < TOLD_LEN_MAX && self.key_paths.counts(now, KeyPath::Info) {
                    self.told.push_back(key);
                }
                AgentStep::SeenTo
            }
            Some(OutgoingEvent::LateAnswer { sdp }) => {
                match self.media.accept_late_answer(&sdp, now) {
                    Ok(agreed) => {
                        self.is_held = !agreed.direction.sends();
                        AgentStep::SeenTo
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an answer of the other side does not fit our offer");
                        AgentStep::Gone("an SDP answer did not fit")
                    }
                }
            }
            Some(OutgoingEvent::Ended { by: EndedBy::Remote }) => {
                self.was_hung_up = true;
                AgentStep::Gone("the other side hung up")
            }
            Some(OutgoingEvent::Ended { .. } | OutgoingEvent::Refused { .. }) | None => {
                AgentStep::Gone("the call to the other side was lost")
            }
            Some(_) => AgentStep::SeenTo,
        }
    }

    fn note_packet(&mut self, now: Instant) {
        self.last_packet = now;
        self.was_heard = true;
    }

    /// Whether any audio has ever come from there.
    pub fn was_heard(&self) -> bool {
        self.was_heard
    }

    /// Whether the leg is over because somebody hung up there, and not because something failed.
    pub fn was_hung_up(&self) -> bool {
        self.was_hung_up
    }

    /// How long nothing has come from there.
    pub fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_packet)
    }

    /// The next 20 ms from there: to be called at each tick.
    ///
    /// # Errors
    /// Why nothing will come any more.
    pub fn hear(&mut self, now: Instant) -> Result<AudioFrame, &'static str> {
        match self.media.drain() {
            Ok(true) => self.note_packet(now),
            Ok(false) => {}
            Err(_) => return Err("the media socket failed"),
        }
        if self.media.failure().is_some() {
            return Err("the audio could not be encrypted as agreed");
        }
        if self.is_held || self.media.is_paused() {
            self.last_packet = now;
        }
        if now.saturating_duration_since(self.last_packet) > self.no_media_timeout {
            return Err("no audio came from the other side");
        }
        Ok(self.media.pull(now))
    }

    /// Says 20 ms there.
    pub async fn say(&mut self, samples: &[i16], rate: SampleRate) {
        if let Err(error) = self.media.send(samples, rate).await {
            tracing::debug!(%error, "frame not sent to the other side");
        }
    }

    /// The next key that was pressed there.
    pub fn poll_key(&mut self) -> Option<char> {
        if let Some(key) = self.told.pop_front() {
            return Some(key);
        }
        while let Some(key) = self.media.poll_digit() {
            if self.key_paths.counts(Instant::now(), KeyPath::Rtp) {
                return Some(key);
            }
        }
        None
    }

    /// Presses a key there.
    pub fn press(&mut self, key: char) {
        if let Err(error) = self.media.press(key) {
            tracing::debug!(%error, "a key was not passed on");
        }
    }

    /// Keeps the leg at a tick. Says why it cannot be kept.
    pub async fn keep_quiet(&mut self) -> Result<(), &'static str> {
        let heard = self.hear(Instant::now()).map(drop);
        self.say(&[0; FRAME_LEN], SampleRate::HZ_8000).await;
        heard
    }

    /// Keeps the leg until it is over.
    pub async fn keep(&mut self) {
        loop {
            let goes_on = match self.next_step().await {
                AgentStep::Tick => self.keep_quiet().await.is_ok(),
                AgentStep::SeenTo => true,
                AgentStep::Gone(_) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Waits until audio can flow: at once, unless hands are to be shaken.
    pub async fn await_keys(&mut self) -> Result<(), NotReached> {
        let limit = Instant::now()
            + match &self.way {
                Way::Placed(_) => KEYS_LIMIT,
                Way::Browser(_) => BROWSER_LIMIT,
            };
        while !self.media.is_ready() {
            if let Some(why) = self.media.failure() {
                return Err(NotReached::failed(why));
            }
            match self.next_step().await {
                AgentStep::Tick if Instant::now() > limit => {
                    return Err(NotReached::failed("no keys for the audio were agreed on in time"));
                }
                AgentStep::Tick => self.media.tend(Instant::now()),
                AgentStep::SeenTo => {}
                AgentStep::Gone(why) => return Err(NotReached::failed(why)),
            }
        }
        // Audio counts from here on.
        self.last_packet = Instant::now();
        Ok(())
    }

    /// Waits until audio comes from there: whoever has taken a call is there only once they can be heard.
    pub async fn await_audio(&mut self) -> Result<(), NotReached> {
        let limit = Instant::now() + AUDIO_LIMIT;
        while !self.was_heard {
            match self.next_step().await {
                AgentStep::Tick if Instant::now() > limit => {
                    return Err(NotReached::failed("no audio came from whoever took the call"));
                }
                AgentStep::Tick => self.keep_quiet().await.map_err(NotReached::failed)?,
                AgentStep::SeenTo => {}
                AgentStep::Gone(why) => return Err(NotReached::failed(why)),
            }
        }
        Ok(())
    }

    /// Tells whoever took the call what it is about, once. If our voice fails they are not told.
    pub async fn whisper(&mut self, voice: &Voice, words: &Pii<String>) -> Result<(), NotReached> {
        let mut stream = match Announcer::begin(voice, words) {
            Ok(stream) => stream,
            Err(error) => return unasked(&error),
        };
        let (mut sound, mut is_all) = (VecDeque::new(), false);
        let limit = Instant::now() + WHISPER_LIMIT;
        while Instant::now() < limit && !(is_all && sound.is_empty()) {
            let step = tokio::select! {
                step = self.next_step() => step,
                piece = stream.next(), if !is_all => {
                    match piece {
                        Some(Ok(piece)) => sound.extend(piece.iter().copied()),
                        Some(Err(error)) => return unasked(&error),
                        None => is_all = true,
                    }
                    AgentStep::SeenTo
                }
            };
            match step {
                AgentStep::Tick => {
                    self.hear(Instant::now()).map_err(NotReached::failed)?;
                    self.say(&next_frame(&mut sound), SampleRate::HZ_8000).await;
                }
                AgentStep::SeenTo => {}
                AgentStep::Gone(why) => return Err(NotReached::failed(why)),
            }
        }
        Ok(())
    }

    /// Tells whoever answered what it is about, and waits for the key with which they take the call.
    /// If our voice fails they have it without being asked: a caller waits.
    pub async fn screen(&mut self, voice: &Voice, words: &Pii<String>) -> Result<(), NotReached> {
        let limit = Instant::now() + SCREENING_LIMIT;
        let mut announcer = match Announcer::new(voice, words) {
            Ok(announcer) => announcer,
            Err(error) => return unasked(&error),
        };
        while Instant::now() < limit {
            match self.next_step().await {
                AgentStep::Tick => {}
                AgentStep::SeenTo => continue,
                AgentStep::Gone(why) => return Err(NotReached::new(TransferOutcome::Refused, why)),
            }
            self.hear(Instant::now()).map_err(NotReached::failed)?;
            match self.poll_key() {
                Some(TAKES) => return Ok(()),
                Some(DECLINES) => {
                    let why = "whoever answered did not take the call";
                    return Err(NotReached::new(TransferOutcome::Refused, why));
                }
                _ => {}
            }
            match announcer.frame() {
                Ok(frame) => self.say(&frame, SampleRate::HZ_8000).await,
                Err(error) => return unasked(&error),
            }
        }
        let why = "whoever answered pressed no key";
        Err(NotReached::new(TransferOutcome::NoAnswer, why))
    }

    /// Ends the leg from our side.
    pub async fn hang_up(&mut self, reason: &str) {
        self.media.close().await;
        match &mut self.way {
            Way::Placed(placed) => placed.call.hang_up(reason).await,
            Way::Browser(leg) => leg.hang_up().await,
        }
    }
}

fn unasked(error: &VoiceError) -> Result<(), NotReached> {
    tracing::error!(%error, "whoever answered was not told what it is about");
    Ok(())
}

/// Says the same words until somebody reacts.
struct Announcer<'w> {
    voice: &'w Voice,
    words: &'w Pii<String>,
    stream: SpeechStream,
    sound: VecDeque<i16>,
    quiet_frames: u32,
}

impl<'w> Announcer<'w> {
    fn new(voice: &'w Voice, words: &'w Pii<String>) -> Result<Self, VoiceError> {
        let stream = Self::begin(voice, words)?;
        Ok(Self { voice, words, stream, sound: VecDeque::new(), quiet_frames: 0 })
    }

    fn begin(voice: &Voice, words: &Pii<String>) -> Result<SpeechStream, VoiceError> {
        voice.speak(SpeakRequest::new(words.clone(), Cacheable::Personal))
    }

    /// The next 20 ms.
    fn frame(&mut self) -> Result<[i16; FRAME_LEN], VoiceError> {
        while let Some(piece) = self.stream.next_ready() {
            self.sound.extend(piece?.iter().copied());
        }
        self.quiet_frames = if self.sound.is_empty() { self.quiet_frames + 1 } else { 0 };
        if self.quiet_frames > AGAIN_AFTER_FRAMES {
            self.quiet_frames = 0;
            self.stream = Self::begin(self.voice, self.words)?;
        }
        Ok(next_frame(&mut self.sound))
    }
}

/// The next 20 ms of what is to be said; silence where there is no more.
fn next_frame(sound: &mut VecDeque<i16>) -> [i16; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let len = sound.len().min(FRAME_LEN);
    for (to, from) in frame.iter_mut().zip(sound.drain(..len)) {
        *to = from;
    }
    frame
}
