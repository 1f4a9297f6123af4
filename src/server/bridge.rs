//! The audio of a caller and of whoever took their call, passed from one to the other: for telephone
//! systems that move nobody. Keys and holds go along; when either hangs up, both calls are over. Only
//! a caller to whom nobody was ever to be heard goes on with us.

use std::time::{Duration, Instant};

use crate::audio::{AudioFrame, FrameConverter, SampleRate};
use crate::base::{Termination, TerminationResult};
use crate::call::CallInput;
use crate::conversation::TransferOutcome;
use crate::net::media::MediaError;
use crate::net::sip::LegEvent;
use crate::store::TransferRecord;
use crate::web::view::Phase;

use super::agent_leg::{AgentLeg, AgentStep};
use super::call_task::{CallTask, KeyPath};
use super::transfer::{ENDED_FIRST, Order};

/// What happened while audio is passed on.
enum Step {
    Stop,
    Leg(Option<LegEvent>),
    Input(CallInput),
    Agent(AgentStep),
    Packet(Result<bool, MediaError>),
}

/// What is kept beside the two legs.
struct Passing {
    /// When the caller's side was last heard of.
    last_packet: Instant,
    /// The recording goes on.
    is_recorded: bool,
    /// What whoever took the call says, for the recording.
    for_recording: FrameConverter,
}

impl CallTask {
    /// Passes on until either side has hung up; then the call is over, unless whoever took it was never
    /// to be heard.
    pub(super) async fn bridge(&mut self, order: Order, mut agent: Box<AgentLeg>) {
        let (began, record) = (Instant::now(), order.record("succeeded", None));
        tracing::info!(queue = order.queue, took_ms = record.took_ms, "bridged");
        self.tell_phase(Phase::WithAgent);
        let mut passing = Passing {
            last_packet: began,
            is_recorded: order.records_bridge(),
            for_recording: FrameConverter::new(SampleRate::HZ_8000),
        };
        let mut gone = None;
        while gone.is_none() && !self.call.is_ended() {
            let step = tokio::select! {
                biased;
                () = self.stop.cancelled() => Step::Stop,
                event = self.leg.next_event() => Step::Leg(event),
                Some(input) = self.inputs.recv() => Step::Input(input),
                step = agent.next_step() => Step::Agent(step),
                received = self.media.recv() => Step::Packet(received),
            };
            match step {
                Step::Stop => self.stopped().await,
                Step::Leg(Some(LegEvent::Key { key })) => {
                    self.pass_key(KeyPath::Info, key, &mut agent);
                }
                Step::Leg(event) => self.on_leg(event).await,
                // Answers to what was asked for before; nobody waits for them.
                Step::Input(input) => self.record(&input),
                Step::Agent(AgentStep::Tick) => {
                    gone = self.pass_frames(&mut agent, &mut passing).await;
                }
                Step::Agent(AgentStep::SeenTo) => {}
                Step::Agent(AgentStep::Gone(why)) => gone = Some(why),
                Step::Packet(Ok(true)) => passing.last_packet = Instant::now(),
                Step::Packet(Ok(false)) => {}
                Step::Packet(Err(error)) => self.media_lost(&error).await,
            }
        }
        let bridged = began.elapsed();
        tracing::info!(bridged_s = bridged.as_secs(), why = gone, "no longer bridged");
        let bridged_ms = Some(bridged.as_millis() as u64);
        let record = TransferRecord { bridged_ms, ..record };
        self.end_bridge(order, record, &agent, gone.is_some());
        agent.hang_up("the bridge is over").await;
    }

    /// Tells the call and the record what came of it. Whoever was never to be heard has not spoken with
    /// the caller, who may still be here.
    fn end_bridge(
        &mut self,
        mut order: Order,
        mut record: TransferRecord,
        agent: &AgentLeg,
        is_gone: bool,
    ) {
        let outcome = match agent.was_heard() {
            true => TransferOutcome::Succeeded,
            false => TransferOutcome::Failed,
        };
        let words = match outcome {
            TransferOutcome::Failed if !is_gone => ENDED_FIRST,
            outcome => outcome.as_str(),
        };
        record.outcome = words.to_owned();
        self.records.transfer(record);
        if outcome == TransferOutcome::Succeeded {
            order.keep_promise();
        }
        if !self.call.is_ended() {
            if outcome != TransferOutcome::Succeeded {
                self.tell_phase(Phase::Talking);
            }
            self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
        }
    }

    /// 20 ms from either side to the other. Says why whoever took the call is gone, if they are.
    async fn pass_frames(
        &mut self,
        agent: &mut AgentLeg,
        passing: &mut Passing,
    ) -> Option<&'static str> {
        let now = Instant::now();
        match self.media.drain() {
            Ok(true) => passing.last_packet = now,
            Ok(false) => {}
            Err(error) => {
                self.media_lost(&error).await;
                return None;
            }
        }
        if self.end_without_keys().await {
            return None;
        }
        let ours = self.media.pull(now);
        while let Some(key) = self.media.poll_digit() {
            self.pass_key(KeyPath::Rtp, key, agent);
        }
        let theirs = match agent.hear(now) {
            Ok(frame) => frame,
            Err(why) => return Some(why),
        };
        while let Some(key) = agent.poll_key() {
            if let Err(error) = self.media.press(key) {
                tracing::debug!(%error, "a key was not passed on to the caller");
            }
        }
        agent.say(&ours.samples, ours.rate).await;
        if let Err(error) = self.media.send(&theirs.samples, theirs.rate).await {
            tracing::debug!(%error, "frame not sent");
        }
        if passing.is_recorded {
            self.record_both(&ours, &theirs, &mut passing.for_recording);
        }
        if self.call.is_on_hold() || self.media.is_paused() {
            passing.last_packet = now;
        }
        self.end_if_silent(now.saturating_duration_since(passing.last_packet)).await;
        None
    }

    fn pass_key(&mut self, path: KeyPath, key: char, agent: &mut AgentLeg) {
        if self.keys.counts(Instant::now(), path) {
            agent.press(key);
        }
    }

    fn record_both(
        &mut self,
        ours: &AudioFrame,
        theirs: &AudioFrame,
        for_recording: &mut FrameConverter,
    ) {
        let Some(recorder) = &mut self.recorder else { return };
        let converted = for_recording.convert(&theirs.samples, theirs.rate);
        if let Ok(theirs) = <[i16; 160]>::try_from(converted) {
            recorder.push(ours, &theirs);
        }
    }

    async fn end_if_silent(&mut self, silent: Duration) {
        if silent > self.no_media_timeout {
            let reason = "no audio came from the caller";
            self.end(Termination::new(TerminationResult::CallerError, reason)).await;
        }
    }
}
