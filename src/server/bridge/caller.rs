//! A caller of ours, while they talk with whoever took their call: keys and holds go along, the record and
//! the recording go on, and the conversation rests.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::acd::AgentId;
use crate::audio::{AudioFrame, FrameConverter, SampleRate};
use crate::base::{QueueName, Termination, TerminationResult};
use crate::call::CallInput;
use crate::conversation::TransferOutcome;
use crate::net::media::MediaError;
use crate::net::sip::LegEvent;
use crate::server::agent_leg::AgentLeg;
use crate::server::call_task::{CallTask, KeyPath};
use crate::server::floor::QueueEvent;
use crate::server::transcribing::Said;
use crate::server::transfer::{ENDED_FIRST, Order, Ringing};
use crate::store::TransferRecord;
use crate::web::view::Phase;

use super::{Callee, Customer, End, Entering, Music, Sound, Talk};

/// Keys that may wait to be passed on; one more is dropped, as there is nobody to whom it could matter.
const TOLD_LEN_MAX: usize = 16;

/// What happens on a caller's side.
pub(in crate::server) enum CallerEvent {
    Stop,
    Leg(Option<LegEvent>),
    Input(CallInput),
    Packet(Result<bool, MediaError>),
    /// They are in a queue, which tells this.
    Queue(Option<QueueEvent>),
    /// Something that was said was written down.
    Said(Said),
}

/// Whether what is said and heard goes on into the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Recording {
    GoesOn,
    Rests,
}

/// How the caller's part ended, where it was they who ended it.
#[derive(Debug)]
pub(in crate::server) enum CallerEnd {
    /// The call is over.
    CallOver,
    /// The queue has taken them back.
    TakenBack(QueueEvent),
}

/// The caller.
pub(in crate::server) struct Caller<'t> {
    task: &'t mut CallTask,
    /// When their side was last heard of.
    last_packet: Instant,
    /// Keys to be passed on.
    told: VecDeque<char>,
    recording: Recording,
    /// What they hear, for the recording.
    to_recording: FrameConverter,
    taken_back: Option<QueueEvent>,
}

impl<'t> Caller<'t> {
    pub fn new(task: &'t mut CallTask, recording: Recording) -> Self {
        Self {
            task,
            last_packet: Instant::now(),
            told: VecDeque::new(),
            recording,
            to_recording: FrameConverter::new(SampleRate::HZ_8000),
            taken_back: None,
        }
    }

    /// How it ended, once they are no longer here.
    pub fn end(self) -> CallerEnd {
        match self.taken_back {
            Some(event) if !self.task.call.is_ended() => CallerEnd::TakenBack(event),
            _ => CallerEnd::CallOver,
        }
    }

    fn note_key(&mut self, path: KeyPath, key: char) {
        if self.task.keys.counts(Instant::now(), path) && self.told.len() < TOLD_LEN_MAX {
            self.told.push_back(key);
        }
    }

    async fn end_if_silent(&mut self, silent: Duration) {
        if silent > self.task.no_media_timeout {
            let reason = "no audio came from the caller";
            self.task.end(Termination::new(TerminationResult::CallerError, reason)).await;
        }
    }
}

impl Customer for Caller<'_> {
    type Event = CallerEvent;

    async fn next_event(&mut self) -> CallerEvent {
        let CallTask { stop, leg, inputs, media, queueing, .. } = &mut *self.task;
        let (event, said) = queueing.parts();
        tokio::select! {
            () = stop.cancelled() => CallerEvent::Stop,
            event = leg.next_event() => CallerEvent::Leg(event),
            Some(input) = inputs.recv() => CallerEvent::Input(input),
            event = event.next() => CallerEvent::Queue(event),
            said = said.next() => CallerEvent::Said(said),
            received = media.recv() => CallerEvent::Packet(received),
        }
    }

    async fn see_to(&mut self, event: CallerEvent) {
        match event {
            CallerEvent::Stop => self.task.stopped().await,
            CallerEvent::Leg(Some(LegEvent::Key { key })) => self.note_key(KeyPath::Info, key),
            CallerEvent::Leg(event) => self.task.on_leg(event).await,
            CallerEvent::Input(input) => {
                self.task.record(&input);
                self.task.take_at_rest(input);
            }
            CallerEvent::Packet(Ok(true)) => self.last_packet = Instant::now(),
            CallerEvent::Packet(Ok(false)) => {}
            CallerEvent::Packet(Err(error)) => self.task.media_lost(&error).await,
            CallerEvent::Said(said) => self.task.note_said(said),
            CallerEvent::Queue(Some(
                event @ (QueueEvent::Back { .. } | QueueEvent::Over { .. }),
            )) => self.taken_back = Some(event),
            // Where they stood is of no matter any more; and two who talk need no floor.
            CallerEvent::Queue(_) => {}
        }
    }

    fn is_here(&self) -> bool {
        self.taken_back.is_none() && !self.task.call.is_ended()
    }

    async fn hear(&mut self, now: Instant) -> Option<AudioFrame> {
        match self.task.media.drain() {
            Ok(true) => self.last_packet = now,
            Ok(false) => {}
            Err(error) => {
                self.task.media_lost(&error).await;
                return None;
            }
        }
        if self.task.end_without_keys().await {
            return None;
        }
        let frame = self.task.media.pull(now);
        while let Some(key) = self.task.media.poll_digit() {
            self.note_key(KeyPath::Rtp, key);
        }
        if self.task.call.is_on_hold() || self.task.media.is_paused() {
            self.last_packet = now;
        }
        self.end_if_silent(now.saturating_duration_since(self.last_packet)).await;
        Some(frame)
    }

    async fn say(&mut self, samples: &[i16], rate: SampleRate) {
        if let Err(error) = self.task.media.send(samples, rate).await {
            tracing::debug!(%error, "frame not sent");
        }
    }

    fn poll_key(&mut self) -> Option<char> {
        self.told.pop_front()
    }

    fn press(&mut self, key: char) {
        if let Err(error) = self.task.media.press(key) {
            tracing::debug!(%error, "a key was not passed on to the caller");
        }
    }

    fn record(&mut self, said: &AudioFrame, heard: &Sound) {
        if self.recording == Recording::Rests {
            return;
        }
        let Some(recorder) = &mut self.task.recorder else { return };
        let converted = self.to_recording.convert(&heard.samples, heard.rate);
        if let Ok(heard) = <[i16; 160]>::try_from(converted) {
            recorder.push(said, &heard);
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.task.records.elapsed_ms()
    }

    fn send_on(&mut self, queue: Option<QueueName>, only: Option<AgentId>) -> Option<Entering> {
        self.task.send_on(queue, only)
    }

    fn call(&mut self, whom: &Callee) -> Option<Ringing> {
        let CallTask { queueing, reference, media_ip, .. } = &*self.task;
        let (told, reference) = (queueing.announcement().clone(), reference.as_deref());
        queueing.people.transfers.call(whom, reference, told, *media_ip)
    }
}

impl CallTask {
    /// Passes on until either side has hung up, where whoever took the call is at no desk of ours; then the
    /// call is over, unless they were never to be heard.
    pub(in crate::server) async fn bridge(&mut self, order: Order, agent: Box<AgentLeg>) {
        let (began, record) = (Instant::now(), order.record("succeeded", None));
        tracing::info!(queue = order.queue, took_ms = record.took_ms, "bridged");
        self.tell_phase(Phase::WithAgent);
        let recording = match order.records_bridge() {
            true => Recording::GoesOn,
            false => Recording::Rests,
        };
        let mut talk = Talk::new(agent, None, Music::new([].into()));
        let end = talk.pass_on(&mut Caller::new(self, recording)).await;
        let why = match end {
            End::CustomerGone => None,
            End::Left(_, why) => Some(why),
        };
        let bridged = began.elapsed();
        tracing::info!(bridged_s = bridged.as_secs(), why, "no longer bridged");
        let bridged_ms = Some(bridged.as_millis() as u64);
        let record = TransferRecord { bridged_ms, ..record };
        self.end_bridge(order, record, &talk.agent, why.is_some());
        talk.agent.hang_up("the bridge is over").await;
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
        // Who is cut off by the server's stop is called back.
        if outcome == TransferOutcome::Succeeded && !self.stop.is_cancelled() {
            order.keep_promise();
        }
        if !self.call.is_ended() {
            if outcome != TransferOutcome::Succeeded {
                self.tell_phase(Phase::Talking);
            }
            self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
        }
    }
}
