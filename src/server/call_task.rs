//! The task of one call: feeds the `Call` machine and carries out what it says.
//!
//! Every 20 ms a frame from the caller goes in and one for the caller comes out. In between come
//! packets, signalling, engines' answers and timers, each as a `CallInput`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::acd::handoff::Promise;
use crate::audio::SampleRate;
use crate::base::{Effort, Termination, TerminationResult};
use crate::call::{Call, CallInput, CallOutput, LineSpeaker, TranscriptLine, TurnTiming};
use crate::net::media::MediaError;
use crate::net::media_session::MediaSession;
use crate::net::sdp::Direction;
use crate::net::sip::LegEvent;
use crate::web::live::LiveCall;
use crate::web::view::{LiveEvent, Phase, Speaker};

use super::admission::Seat;
use super::dispatch::Dispatch;
use super::leg::Leg;
use super::load::Load;
use super::promises::OpenPromise;
use super::queueing::{Happening, Queueing};
use super::recorder::Recorder;
use super::records::CallRecorder;
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
    pub leg: Leg,
    pub media: MediaSession,
    /// Which way audio goes, as agreed last.
    pub direction: Direction,
    pub dispatch: Dispatch,
    pub inputs: mpsc::Receiver<CallInput>,
    pub records: CallRecorder,
    /// Shows what happens while it does.
    pub live: LiveCall,
    pub recorder: Option<Recorder>,
    /// Where the recording goes once the caller agrees to be recorded, if they were to be asked.
    pub record_to: Option<PathBuf>,
    pub no_media_timeout: Duration,
    pub stop: CancellationToken,
    pub keys: KeyPaths,
    /// To whom callers can be put through.
    pub transfers: Transfers,
    /// Their way to people at desks.
    pub queueing: Queueing,
    /// A try to put this one through.
    pub attempt: Option<Attempt>,
    /// The hand-off that promises to put the caller through, until that is begun.
    pub promised: Option<OpenPromise>,
    /// What the hand-off that was stored last is found by from outside.
    pub reference: Option<String>,
    /// Where media of others who are called for the caller may be bound.
    pub media_ip: IpAddr,
    /// Told how the call goes.
    pub load: Load,
    /// How much is done for callers now.
    pub effort: watch::Receiver<Effort>,
    /// What the call takes of the room for conversations.
    pub seat: Seat,
}

enum Step {
    /// When it should have been.
    Tick(tokio::time::Instant),
    Effort(Effort),
    Input(CallInput),
    Leg(Option<LegEvent>),
    Packet {
        ours: bool,
    },
    MediaLost(MediaError),
    Attempt(Happened),
    Queueing(Happening),
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
            self.tell_phase(Phase::Talking);
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
                due = ticks.tick() => Step::Tick(due),
                Some(input) = self.inputs.recv() => Step::Input(input),
                event = self.leg.next_event() => Step::Leg(event),
                received = self.media.recv() => match received {
                    Ok(ours) => Step::Packet { ours },
                    Err(error) => Step::MediaLost(error),
                },
                happened = next_of(&mut self.attempt) => Step::Attempt(happened),
                happening = self.queueing.next() => Step::Queueing(happening),
                Ok(()) = self.effort.changed() => Step::Effort(*self.effort.borrow_and_update()),
                () = self.stop.cancelled(), if !stopping => Step::Stop,
            };
            match step {
                Step::Tick(due) => {
                    self.load.ticked(due.elapsed());
                    self.tick(&mut last_packet).await;
                }
                Step::Effort(effort) => {
                    self.seat.follow(effort);
                    self.call.handle(Instant::now(), CallInput::Effort(effort));
                }
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
                    let began = Instant::now();
                    self.on_attempt(happened).await;
                    go_on_since(began, &mut last_packet, &mut ticks);
                }
                Step::Queueing(happening) => {
                    let began = Instant::now();
                    self.on_happening(happening).await;
                    go_on_since(began, &mut last_packet, &mut ticks);
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

    /// Notes results for the record, whatever the call makes of them.
    pub(super) fn record(&mut self, input: &CallInput) {
        match input {
            CallInput::ActionFinished { run, result } => {
                let words = result.as_ref().map_or_else(|f| f.as_words(), |_| "done");
                self.records.action_ended(*run, words);
            }
            CallInput::HandoffStored { stored: true } => self.records.handed_off(),
            CallInput::CallbackBooked { booked } => self.note_booking(*booked),
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
        self.queueing.people.acd.cut_off(self.dispatch.call());
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
        let mut out = self.call.next_frame(now);
        if !out.speaking {
            self.queueing.ring(&mut out.samples, self.attempt.is_some());
        }
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
            Some(LegEvent::Key { key }) => self.press(KeyPath::Info, key),
            Some(LegEvent::Ended { by }) => {
                let termination = self.leg.termination(by);
                self.call.handle(now, CallInput::LegEnded(termination));
            }
            Some(event) => self.on_session_event(now, event).await,
            None => {
                let termination =
                    Termination::new(TerminationResult::Unknown, "the signalling leg vanished");
                self.call.handle(now, CallInput::LegEnded(termination));
            }
        }
    }

    /// Shows where the caller is.
    pub(super) fn tell_phase(&mut self, phase: Phase) {
        self.sit(phase);
        self.live.tell(LiveEvent::Phase {
            phase,
            queue: None,
            position: None,
            wait_from_s: None,
            wait_to_s: None,
            agent: None,
        });
    }

    /// Takes room for a conversation only while there is one.
    pub(super) fn sit(&mut self, phase: Phase) {
        match phase {
            Phase::Connecting | Phase::Talking => self.seat.come_back(),
            Phase::Waiting | Phase::WithAgent | Phase::Ended => self.seat.leave(),
        }
    }

    /// Shows what was said, and what it was understood as.
    fn tell_line(&self, line: &TranscriptLine) {
        self.live.tell(LiveEvent::Line {
            at_ms: line.at_ms,
            speaker: match line.speaker {
                LineSpeaker::Caller => Speaker::Caller,
                LineSpeaker::Frontdoor => Speaker::Frontdoor,
            },
            text: line.text.expose().clone(),
        });
        if let Some((intent, confidence)) = &line.intent {
            let intent = intent.as_str().to_owned();
            self.live.tell(LiveEvent::Intent { intent, confidence: *confidence });
        }
    }

    fn note_turn(&mut self, timing: TurnTiming) {
        tracing::info!(
            turn = timing.turn.0,
            total_ms = timing.total_ms,
            network_ms = timing.network_ms,
            endpoint_ms = timing.endpoint_ms,
            transcribe_ms = timing.transcribe_ms,
            understand_ms = timing.understand_ms,
            act_ms = timing.act_ms,
            voice_ms = timing.voice_ms,
            playout_ms = timing.playout_ms,
            speculated = timing.speculated,
            "turn answered"
        );
        self.live.tell(LiveEvent::Turn { total_ms: timing.total_ms.into() });
        self.load.answered(self.dispatch.call(), &timing);
        self.records.turn(timing);
    }

    async fn drain_outputs(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                CallOutput::Transcribe { utterance, samples, rate, expected, urgency } => {
                    self.dispatch.transcribe(utterance, (samples, rate), &expected, urgency);
                }
                CallOutput::Hurry { utterance } => self.dispatch.hurry(utterance),
                CallOutput::Withdraw { utterance } => self.dispatch.withdraw(utterance),
                CallOutput::JudgeEnd { utterance, samples, rate } => {
                    self.dispatch.judge_end(utterance, (samples, rate));
                }
                CallOutput::Understand { utterance, text } => {
                    self.dispatch.understand(utterance, text);
                }
                CallOutput::Speak { speech, text, fixed, urgency } => {
                    self.dispatch.speak(speech, text, fixed, urgency);
                }
                CallOutput::HurrySpeech { speech } => self.dispatch.hurry_speech(speech),
                CallOutput::CancelSpeech { speech } => self.dispatch.cancel_speech(speech),
                CallOutput::Record => self.begin_recording(),
                CallOutput::RunAction { run, action, inputs } => {
                    self.records.action_started(run, &action);
                    self.dispatch.run_action(run, action, inputs);
                }
                CallOutput::StoreHandoff(handoff) => {
                    let promises = handoff.promise == Promise::Transfer.as_str();
                    // Of a caller who waits for others, and goes on waiting for them.
                    let is_apart = handoff.promise == Promise::Callback.as_str()
                        && self.queueing.is_under_way();
                    let stored = self.dispatch.store_handoff(*handoff);
                    if is_apart {
                        continue;
                    }
                    let reference = stored.reference.clone();
                    let promised = reference.clone().filter(|_| promises);
                    self.promised = promised.map(|reference| self.dispatch.promise(reference));
                    self.reference = reference;
                    self.queueing.note_handoff(stored);
                }
                CallOutput::Transfer { queue, announcement } => {
                    self.begin_transfer(queue, announcement).await;
                }
                CallOutput::CancelTransfer => self.cancel_transfer("took too long"),
                CallOutput::Enqueue { queue, announcement } => self.enqueue(queue, announcement),
                CallOutput::UpdateHandoff(handoff) => self.update_handoff(*handoff),
                CallOutput::LeaveQueue { why } => self.leave_queue(why),
                CallOutput::ReturnToAgent => self.return_to_agent(),
                CallOutput::Line(line) => {
                    self.tell_line(&line);
                    self.records.line(line);
                }
                CallOutput::Turn(timing) => self.note_turn(timing),
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
        self.seat.leave();
        // Nobody is to ring any longer for a caller who is gone.
        self.cancel_transfer(ENDED_FIRST);
        drop(self.promised.take());
        self.leave_everybody().await;
        self.media.close().await;
        self.await_last_words().await;
        self.await_results().await;
        let stats = self.media.stats();
        if let (Some(codec), Some(quality)) = (self.media.codec(), self.media.quality()) {
            tracing::info!(%codec, ?quality, "call quality");
            self.records.quality(codec, quality, stats.concealed_ms);
        }
        let (refused, lost_here) = (self.media.refused(), self.media.lost_here());
        let guard = self.media.guard_counters();
        self.records.protected(self.media.protection());
        let ahead = self.call.speculation();
        self.records.speculated(ahead);
        let (stale, overlaps) = (self.call.stale, self.call.overlaps());
        tracing::info!(?stats, ?guard, refused, ?lost_here, stale, ?ahead, ?overlaps, "call over");
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

impl CallTask {
    /// The caller has agreed to be recorded.
    fn begin_recording(&mut self) {
        let Some(path) = self.record_to.take() else { return };
        let rate = self.media.codec().map_or(SampleRate::HZ_8000, |codec| codec.rate());
        let before = Duration::from_millis(self.records.elapsed_ms());
        match Recorder::start(&path, rate, before) {
            Ok(recorder) => {
                self.recorder = Some(recorder);
                self.records.recorded(path);
            }
            Err(error) => tracing::error!(%error, "the call is not recorded"),
        }
    }
}

/// Goes on after something that may have passed audio on for a while, by a clock of its own.
fn go_on_since(began: Instant, last_packet: &mut Instant, ticks: &mut Interval) {
    if began.elapsed() > FRAME {
        *last_packet = Instant::now();
        ticks.reset();
    }
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
