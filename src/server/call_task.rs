//! The task of one call: feeds the `Call` machine and carries out what it says.
//!
//! Every 20 ms a frame from the caller goes in and one for the caller comes out. In between come
//! packets, signalling, engines' answers and timers, each as a `CallInput`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::acd::WaitEnd;
use crate::acd::handoff::Promise;
use crate::audio::SampleRate;
use crate::base::{Termination, TerminationResult};
use crate::call::{Call, CallInput, CallOutput};
use crate::net::media::MediaError;
use crate::net::media_session::MediaSession;
use crate::net::sdp::{Direction, LocalMedia};
use crate::net::sip::{EndedBy, IncomingCall, LegEvent, SipLeg};

use super::dispatch::Dispatch;
use super::recorder::Recorder;
use super::records::CallRecorder;
use super::serve::{ProtectionPolicy, negotiate, sip_status};
use super::traces::CallTrace;
use super::transfer::{Attempt, ENDED_FIRST, Happened, Transfers, next_of};

/// Length of a telephone frame.
const FRAME: Duration = Duration::from_millis(20);

/// How long results of a call that has ended are waited for; actions have shorter limits.
const RESULTS_LIMIT: Duration = Duration::from_secs(30);

/// How a telephone tells which key was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPath {
    /// Among the audio packets (RFC 4733).
    Rtp,
    /// In the signalling.
    Info,
}

/// Both reports of one key come within this time.
const SAME_KEY: Duration = Duration::from_secs(2);

/// Which way keys are taken from. Some telephones tell each key in both ways; the way of the first
/// one counts until no key came for a while, so that none counts twice.
#[derive(Debug, Default)]
pub(super) struct KeyPaths(Option<(KeyPath, Instant)>);

impl KeyPaths {
    /// Whether a key that came this way counts.
    pub(super) fn counts(&mut self, now: Instant, path: KeyPath) -> bool {
        let is_other = |(last, at): (KeyPath, Instant)| {
            last != path && now.saturating_duration_since(at) < SAME_KEY
        };
        let counts = !self.0.is_some_and(is_other);
        if counts {
            self.0 = Some((path, now));
        }
        counts
    }
}

/// Everything a call's task owns.
pub(super) struct CallTask {
    /// The caller has acknowledged our answer, so it is where it says it is: nothing is sent to
    /// anybody before.
    pub is_confirmed: bool,
    pub call: Call,
    pub leg: SipLeg,
    pub media: MediaSession,
    pub local: LocalMedia,
    pub sdp_version: u64,
    /// Which way audio goes, as agreed last.
    pub direction: Direction,
    pub dispatch: Dispatch,
    pub inputs: mpsc::Receiver<CallInput>,
    pub records: CallRecorder,
    pub recorder: Option<Recorder>,
    pub no_media_timeout: Duration,
    pub stop: CancellationToken,
    pub keys: KeyPaths,
    /// How the media of a leg that takes over may be protected.
    pub protection: ProtectionPolicy,
    /// To whom callers can be put through.
    pub transfers: Transfers,
    /// A try to put this one through.
    pub attempt: Option<Attempt>,
    /// The hand-off that promises to put the caller through, until that is begun.
    pub promised: Option<String>,
    /// What the hand-off that was stored last is found by from outside.
    pub reference: Option<String>,
    /// Where our media is bound.
    pub media_ip: IpAddr,
    /// Told of a leg that takes over.
    pub trace: CallTrace,
}

enum Step {
    Tick,
    Input(CallInput),
    Leg(Option<LegEvent>),
    Packet { ours: bool },
    MediaLost(MediaError),
    Attempt(Happened),
    Stop,
}

impl CallTask {
    /// Runs the call to its end.
    pub async fn run(
        mut self,
        caller: std::collections::BTreeMap<String, crate::base::Pii<String>>,
    ) {
        self.await_media().await;
        if !self.call.is_ended() {
            let now = Instant::now();
            self.call.handle(now, CallInput::Answered { caller });
            // A caller's telephone system may have us on hold from the beginning.
            self.follow_hold(now, self.direction);
        }
        let mut last_packet = Instant::now();
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut stopping = false;
        while !self.call.is_ended() {
            self.drain_outputs().await;
            if self.call.is_ended() {
                break;
            }
            let step = tokio::select! {
                biased;
                _ = ticks.tick() => Step::Tick,
                Some(input) = self.inputs.recv() => Step::Input(input),
                event = self.leg.next_event() => Step::Leg(event),
                received = self.media.recv() => match received {
                    Ok(ours) => Step::Packet { ours },
                    Err(error) => Step::MediaLost(error),
                },
                happened = next_of(&mut self.attempt) => Step::Attempt(happened),
                () = self.stop.cancelled(), if !stopping => Step::Stop,
            };
            match step {
                Step::Tick => self.tick(&mut last_packet).await,
                Step::Input(input) => {
                    self.record(&input);
                    self.call.handle(Instant::now(), input);
                }
                Step::Leg(event) => self.on_leg(event).await,
                Step::Packet { ours } => {
                    if ours {
                        last_packet = Instant::now();
                    }
                    self.take_digits();
                }
                Step::MediaLost(error) => self.media_lost(&error).await,
                Step::Attempt(happened) => {
                    self.go_on_with(happened, &mut last_packet, &mut ticks).await;
                }
                Step::Stop => {
                    stopping = true;
                    self.stopped().await;
                }
            }
        }
        self.drain_outputs().await;
        self.finish().await;
    }

    /// Goes on with a try to put the caller through. While audio is passed on it has a clock of its
    /// own; ours goes on from there.
    async fn go_on_with(
        &mut self,
        happened: Happened,
        last_packet: &mut Instant,
        ticks: &mut Interval,
    ) {
        let began = Instant::now();
        self.on_attempt(happened).await;
        if began.elapsed() > FRAME {
            *last_packet = Instant::now();
            ticks.reset();
        }
    }

    /// Notes results for the record, whatever the call makes of them.
    pub(super) fn record(&mut self, input: &CallInput) {
        match input {
            CallInput::ActionFinished { run, result } => {
                let words = result.as_ref().map_or_else(|f| f.as_words(), |_| "done");
                self.records.action_ended(*run, words);
            }
            CallInput::HandoffStored { stored: true } => self.records.handed_off(),
            _ => {}
        }
    }

    /// Waits until offer and answer have met, and until there are keys if the audio is to be
    /// encrypted. If the caller left the offer to us, the answer comes with the ACK; before it there
    /// is nowhere to send a greeting to.
    async fn await_media(&mut self) {
        let mut ticks = interval(FRAME);
        while !(self.call.is_ended() || self.is_confirmed && self.media.is_ready()) {
            if self.end_without_keys().await {
                return;
            }
            tokio::select! {
                biased;
                _ = ticks.tick() => self.media.tend(Instant::now()),
                event = self.leg.next_event() => self.on_leg(event).await,
                () = self.stop.cancelled() => self.stopped().await,
                received = self.media.recv() => {
                    if let Err(error) = received {
                        self.media_lost(&error).await;
                    }
                }
            }
        }
    }

    /// Ends the call if the handshake for the keys of its audio has failed.
    pub(super) async fn end_without_keys(&mut self) -> bool {
        let Some(why) = self.media.failure().map(str::to_owned) else { return false };
        tracing::warn!(%why, "the audio could not be encrypted as agreed");
        self.end(Termination::new(TerminationResult::CallerError, why)).await;
        true
    }

    pub(super) async fn media_lost(&mut self, error: &MediaError) {
        tracing::error!(%error, "the media socket failed");
        self.end(Termination::new(TerminationResult::OurError, "the media socket failed")).await;
    }

    pub(super) async fn stopped(&mut self) {
        let reason = "the server was stopped during the call";
        self.end(Termination::new(TerminationResult::OurError, reason)).await;
    }

    /// 20 ms: one frame in, one out.
    async fn tick(&mut self, last_packet: &mut Instant) {
        let now = Instant::now();
        // The tick comes before the socket in every round: without this, a frame that is there
        // already would be made up in its place.
        match self.media.drain() {
            Ok(true) => *last_packet = now,
            Ok(false) => {}
            Err(error) => return self.media_lost(&error).await,
        }
        if self.end_without_keys().await {
            return;
        }
        if self.call.poll_timeout().is_some_and(|at| at <= now) {
            self.call.handle(now, CallInput::Timeout);
        }
        let frame = self.media.pull(now);
        self.take_digits();
        // The recording needs the frame, too, and whether it may have it is known afterwards.
        let heard = self.recorder.as_ref().map(|_| frame.clone());
        self.call.handle(now, CallInput::Audio { frame, waited: self.media.delay() });
        let out = self.call.next_frame(now);
        if let Err(error) = self.media.send(&out.samples, SampleRate::HZ_8000).await {
            tracing::debug!(%error, "frame not sent");
        }
        if let (Some(recorder), Some(mut heard)) = (&mut self.recorder, heard) {
            if self.call.is_masking() {
                heard.samples.fill(0);
            }
            recorder.push(&heard, &out.samples);
        }
        if self.call.is_on_hold() || self.media.is_paused() {
            *last_packet = now;
        }
        if now.saturating_duration_since(*last_packet) > self.no_media_timeout {
            self.end(Termination::new(
                TerminationResult::CallerError,
                "no audio came from the caller",
            ))
            .await;
        }
    }

    fn take_digits(&mut self) {
        while let Some(digit) = self.media.poll_digit() {
            self.press(KeyPath::Rtp, digit);
        }
    }

    fn press(&mut self, path: KeyPath, key: char) {
        let now = Instant::now();
        if self.keys.counts(now, path) {
            self.call.handle(now, CallInput::Digit(key));
        }
    }

    pub(super) async fn on_leg(&mut self, event: Option<LegEvent>) {
        let now = Instant::now();
        match event {
            Some(LegEvent::Confirmed) => self.is_confirmed = true,
            Some(LegEvent::Reoffer { offer_sdp, reply }) => {
                self.sdp_version += 1;
                let version = self.sdp_version;
                match self.media.answer_again(&offer_sdp, &self.local, version, now) {
                    Ok((sdp, negotiated)) => {
                        reply.accept(sdp);
                        self.follow_hold(now, negotiated.direction);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "re-INVITE refused");
                        reply.refuse(sip_status(&error));
                    }
                }
            }
            Some(LegEvent::OfferWanted { reply }) => {
                self.sdp_version += 1;
                reply.accept(self.media.offer_again(&self.local, self.sdp_version));
            }
            Some(LegEvent::LateAnswer { sdp }) => match self.media.accept_late_answer(&sdp, now) {
                Ok(negotiated) => self.follow_hold(now, negotiated.direction),
                Err(error) => {
                    tracing::warn!(%error, "an answer does not fit our offer");
                    self.end(Termination::new(
                        TerminationResult::CallerError,
                        "the caller's SDP answer did not fit",
                    ))
                    .await;
                }
            },
            Some(LegEvent::Key { key }) => self.press(KeyPath::Info, key),
            Some(LegEvent::Replaced { call }) => self.take_over(*call).await,
            Some(LegEvent::Ended { by }) => {
                self.call.handle(now, CallInput::LegEnded(termination_of(&by)));
            }
            None => {
                let termination =
                    Termination::new(TerminationResult::Unknown, "the signalling leg vanished");
                self.call.handle(now, CallInput::LegEnded(termination));
            }
        }
    }

    /// Goes on with the conversation on another leg, whose INVITE names the one we have (RFC 3891):
    /// somebody's telephone system has moved the caller. Media stays on its port, and follows to
    /// where the new leg's description says.
    async fn take_over(&mut self, call: IncomingCall) {
        let version = self.sdp_version + 1;
        let mut security = self.protection.of(&call);
        let (sdp, agreed) = match negotiate(&call, &self.local, version, &mut security) {
            Ok(negotiated) => negotiated,
            Err(error) => {
                tracing::warn!(%error, "a call that would take over was refused");
                _ = call.refuse(sip_status(&error), Some(error.to_string()), None).await;
                return;
            }
        };
        let sip_call_id = call.sip_call_id.clone();
        let leg = match call.answer(sdp.clone()).await {
            Ok(leg) => leg,
            Err(error) => {
                tracing::warn!(%error, "a call that would take over was given up");
                return;
            }
        };
        tracing::info!("taken over by another leg");
        self.trace.joined_by(&sip_call_id);
        self.sdp_version = version;
        self.media.set_our_sdp(sdp);
        self.media.move_to(security);
        // It is another telephone now.
        self.keys = KeyPaths::default();
        let old = std::mem::replace(&mut self.leg, leg);
        old.hang_up("replaced by another call").await;
        // Without an offer in its INVITE, what is agreed comes with the ACK.
        if let Some(agreed) = agreed {
            let now = Instant::now();
            self.media.renegotiate(&agreed, now);
            self.follow_hold(now, agreed.direction);
        }
    }

    /// Tells the call of a hold or of its end. Phones re-INVITE for many other reasons, and a call
    /// that was not on hold has nothing to resume.
    fn follow_hold(&mut self, now: Instant, direction: Direction) {
        self.direction = direction;
        match (self.call.is_on_hold(), direction.sends()) {
            (false, false) => self.call.handle(now, CallInput::Hold),
            (true, true) => self.call.handle(now, CallInput::Resume),
            (false, true) | (true, false) => {}
        }
    }

    async fn drain_outputs(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                CallOutput::Transcribe { utterance, samples, rate, expected } => {
                    self.dispatch.transcribe(utterance, (samples, rate), &expected);
                }
                CallOutput::Understand { utterance, text } => {
                    self.dispatch.understand(utterance, text);
                }
                CallOutput::Speak { speech, text, fixed } => {
                    self.dispatch.speak(speech, text, fixed);
                }
                CallOutput::CancelSpeech { speech } => self.dispatch.cancel_speech(speech),
                CallOutput::RunAction { run, action, inputs } => {
                    self.records.action_started(run, &action);
                    self.dispatch.run_action(run, action, inputs);
                }
                CallOutput::StoreHandoff(handoff) => {
                    let promises = handoff.promise == Promise::Transfer.as_str();
                    let reference = self.dispatch.store_handoff(*handoff);
                    self.promised = promises.then(|| reference.clone());
                    self.reference = Some(reference);
                }
                CallOutput::Transfer { queue, announcement } => {
                    self.begin_transfer(queue, announcement).await;
                }
                CallOutput::CancelTransfer => self.cancel_transfer("took too long"),
                CallOutput::Enqueue { queue, .. } => {
                    tracing::error!(queue, "nobody at a desk serves this queue");
                    self.call_back(self.reference.as_deref());
                    let why = WaitEnd::NoQueue;
                    self.call.handle(Instant::now(), CallInput::WaitEnded { why });
                }
                CallOutput::UpdateHandoff(_)
                | CallOutput::LeaveQueue { .. }
                | CallOutput::ReturnToAgent => {
                    tracing::error!("the call is in no queue");
                }
                CallOutput::Line(line) => self.records.line(line),
                CallOutput::Turn(timing) => {
                    tracing::info!(
                        turn = timing.turn.0,
                        total_ms = timing.total_ms,
                        endpoint_ms = timing.endpoint_ms,
                        transcribe_ms = timing.transcribe_ms,
                        understand_ms = timing.understand_ms,
                        act_ms = timing.act_ms,
                        voice_ms = timing.voice_ms,
                        playout_ms = timing.playout_ms,
                        "turn answered"
                    );
                    self.records.turn(timing);
                }
                CallOutput::HangUp(termination) => self.end(termination).await,
                CallOutput::Ended(termination) => self.records.ended(termination),
            }
        }
    }

    /// Hangs up from our side.
    pub(super) async fn end(&mut self, termination: Termination) {
        self.leg.hang_up(&termination.reason).await;
        self.call.handle(Instant::now(), CallInput::LegEnded(termination));
    }

    /// The caller is gone, but what was begun for them ends some way, and the record says which.
    async fn await_results(&mut self) {
        let deadline = tokio::time::sleep(RESULTS_LIMIT);
        tokio::pin!(deadline);
        while self.records.is_waiting() {
            tokio::select! {
                Some(input) = self.inputs.recv() => self.record(&input),
                () = &mut deadline => break,
            }
        }
    }

    async fn finish(mut self) {
        // Nobody is to ring any longer for a caller who is gone.
        self.cancel_transfer(ENDED_FIRST);
        let promised = self.promised.take();
        self.call_back(promised.as_deref());
        self.media.close().await;
        self.await_results().await;
        let stats = self.media.stats();
        if let (Some(codec), Some(quality)) = (self.media.codec(), self.media.quality()) {
            tracing::info!(%codec, ?quality, "call quality");
            self.records.quality(codec, quality, stats.concealed_ms);
        }
        let refused = self.media.refused();
        let guard = self.media.guard_counters();
        self.records.protected(self.media.protection());
        tracing::info!(?stats, ?guard, refused, stale = self.call.stale, "call over");
        if let Some(recorder) = self.recorder.take() {
            match tokio::task::spawn_blocking(move || recorder.finish()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::error!(%error, "the recording is incomplete"),
                Err(error) => tracing::error!(%error, "the recorder's task failed"),
            }
        }
        self.records.close(self.call.turns()).await;
    }
}

fn termination_of(by: &EndedBy) -> Termination {
    let (result, reason) = match by {
        EndedBy::Remote => (TerminationResult::Success, "the caller hung up"),
        EndedBy::Local => (TerminationResult::Success, "we hung up"),
        EndedBy::Timeout => (TerminationResult::CallerError, "our answer was never acknowledged"),
        EndedBy::SessionExpired => {
            (TerminationResult::CallerError, "the caller's side gave no more sign of life")
        }
        EndedBy::TransportError => (TerminationResult::UpstreamError, "the connection was lost"),
    };
    Termination::new(result, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_told_in_two_ways_counts_once() {
        for (first, second) in [(KeyPath::Rtp, KeyPath::Info), (KeyPath::Info, KeyPath::Rtp)] {
            let (mut keys, now) = (KeyPaths::default(), Instant::now());
            let told = [first, second, first, first, second];
            let counted = told.map(|path| keys.counts(now, path));
            assert_eq!(counted, [true, false, true, true, false]);
            // What was no key, but sounded like one, does not silence the other way for good.
            assert!(keys.counts(now + SAME_KEY, second));
        }
    }
}
