//! Writes one call's record as the call goes on.
//!
//! Entries go through a bounded queue to a task, so that a slow disk never delays the call. When
//! [`QUEUE_LEN_MAX`] entries wait, further ones are dropped and counted; hand-offs do not come this
//! way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::audio::Codec;
use crate::base::{ActionRunId, CallId, Termination, TerminationResult};
use crate::call::{SpeculationCounts, TranscriptLine, TurnTiming};
use crate::conversation::{Expected, TransferOutcome};
use crate::rtp::Quality;
use crate::store::{
    ActionRunRecord, CallEnd, CallStart, Entry, LineRecord, NOT_HELPED, QualityRecord, Store,
    TransferRecord, TurnRecord,
};

use super::metrics::Metrics;
use super::transcribing::{Said, speaker_word};

const QUEUE_LEN_MAX: usize = 1_024;

/// The record of one call.
pub(super) struct CallRecorder {
    entries: mpsc::Sender<Entry>,
    writer: JoinHandle<()>,
    store: Store,
    metrics: Arc<Metrics>,
    call: CallId,
    began: Instant,
    running: BTreeMap<ActionRunId, (String, u64, Instant)>,
    termination: Option<Termination>,
    recording: Option<std::path::PathBuf>,
    protection: Option<String>,
    handed_off: bool,
    /// What came of putting the caller through, if that went well.
    put_through: Option<&'static str>,
    actions_done: u32,
    /// Requests that were understood, and those of which nothing could be made.
    requests: u32,
    refused: u32,
    dropped: u64,
}

impl CallRecorder {
    /// Begins the record. A store that is down is logged; the call goes on without a record.
    pub fn open(
        store: Store,
        start: CallStart,
        recording: Option<std::path::PathBuf>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (call, answered_at) = (start.id, Timestamp::now());
        let (entries, mut queue) = mpsc::channel::<Entry>(QUEUE_LEN_MAX);
        let writer = tokio::spawn({
            let store = store.clone();
            async move {
                // The caller, who has been answered, does not wait for the disk.
                if let Err(error) = store.begin_call(&start).await {
                    tracing::error!(%error, "the call has no record");
                } else if let Err(error) = store.answer_call(call, answered_at).await {
                    tracing::error!(%error, "the time of the answer was not recorded");
                }
                let mut batch = Vec::new();
                while queue.recv_many(&mut batch, 64).await > 0 {
                    if let Err(error) = store.append(call, &batch).await {
                        tracing::error!(%error, entries = batch.len(), "not recorded");
                    }
                    batch.clear();
                }
            }
        });
        Self {
            entries,
            writer,
            store,
            metrics,
            call,
            began: Instant::now(),
            running: BTreeMap::new(),
            termination: None,
            recording,
            protection: None,
            handed_off: false,
            put_through: None,
            actions_done: 0,
            requests: 0,
            refused: 0,
            dropped: 0,
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.dropped += 1;
        }
    }

    pub fn line(&mut self, line: TranscriptLine) {
        if let Some(taken) = line.taken
            && taken.expected == Expected::Request.as_str()
        {
            self.refused += u32::from(taken.failed);
            self.requests += u32::from(!taken.failed && line.intent.is_some());
        }
        let (intent, intent_confidence) = match line.intent {
            Some((intent, confidence)) => (Some(intent.as_str().to_owned()), Some(confidence)),
            None => (None, None),
        };
        let taken = line.taken;
        self.push(Entry::Line(LineRecord {
            at_ms: line.at_ms,
            speaker: line.speaker.as_str().to_owned(),
            text: line.text,
            confidence: line.confidence,
            intent,
            intent_confidence,
            expected: taken.map(|taken| taken.expected.to_owned()),
            out_of_scope: taken.and_then(|taken| taken.out_of_scope),
            failed: taken.map(|taken| taken.failed),
        }));
    }

    /// Notes what a caller and an agent said to each other.
    pub fn said(&mut self, said: &Said) {
        self.push(Entry::Line(LineRecord {
            at_ms: said.at_ms,
            speaker: speaker_word(said.speaker).to_owned(),
            text: said.text.clone(),
            confidence: Some(said.confidence),
            intent: None,
            intent_confidence: None,
            expected: None,
            out_of_scope: None,
            failed: None,
        }));
    }

    pub fn turn(&mut self, timing: TurnTiming) {
        self.metrics.answered(&timing);
        self.push(Entry::Turn(TurnRecord {
            turn: timing.turn,
            at_ms: Some(timing.at_ms),
            network_ms: timing.network_ms,
            endpoint_ms: timing.endpoint_ms,
            transcribe_ms: timing.transcribe_ms,
            understand_ms: timing.understand_ms,
            act_ms: timing.act_ms,
            voice_ms: timing.voice_ms,
            playout_ms: timing.playout_ms,
            total_ms: timing.total_ms,
            speculated: timing.speculated,
        }));
    }

    pub fn action_started(&mut self, run: ActionRunId, action: &str) {
        let at_ms = self.elapsed_ms();
        self.running.insert(run, (action.to_owned(), at_ms, Instant::now()));
    }

    pub fn action_ended(&mut self, run: ActionRunId, result: &str) {
        let Some((action, at_ms, started)) = self.running.remove(&run) else { return };
        if result == "done" {
            self.actions_done += 1;
        }
        let took_ms = started.elapsed().as_millis() as u32;
        let result = result.to_owned();
        self.push(Entry::Action(ActionRunRecord { run, at_ms, action, result, took_ms }));
    }

    /// So much was done ahead in the call.
    pub fn speculated(&self, counts: SpeculationCounts) {
        self.metrics.speculated(counts);
    }

    /// Notes how the call sounded.
    pub fn quality(&mut self, codec: Codec, quality: Quality, concealed_ms: u64) {
        self.metrics.sounded(&quality);
        self.push(Entry::Quality(QualityRecord {
            codec: codec.word().to_owned(),
            heard_loss_percent: quality.heard_loss_percent,
            heard_jitter_ms: quality.heard_jitter_ms,
            heard_concealed_ms: concealed_ms,
            heard_mos: quality.heard_mos,
            sent_loss_percent: quality.sent.map(|far| far.loss_percent),
            sent_jitter_ms: quality.sent.map(|far| far.jitter_ms),
            sent_mos: quality.sent_mos,
            round_trip_ms: quality.round_trip_ms,
        }));
    }

    /// Whether the result of an action is still to come.
    pub fn is_waiting(&self) -> bool {
        !self.running.is_empty()
    }

    /// Time since the answer.
    pub fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Notes a try to put the caller through.
    pub fn transfer(&mut self, transfer: TransferRecord) {
        if transfer.outcome == TransferOutcome::Succeeded.as_str() {
            self.put_through = Some(match transfer.bridged_ms {
                Some(_) => "bridged",
                None => "transferred",
            });
        }
        self.push(Entry::Transfer(transfer));
    }

    /// Notes where the recording is.
    pub fn recorded(&mut self, path: std::path::PathBuf) {
        self.recording = Some(path);
    }

    pub fn handed_off(&mut self) {
        self.handed_off = true;
    }

    /// What protected the audio.
    pub fn protected(&mut self, protection: String) {
        self.protection = Some(protection);
    }

    pub fn ended(&mut self, termination: Termination) {
        self.termination = Some(termination);
    }

    /// Writes what is left, and how the call ended.
    pub async fn close(mut self, turns: u32) {
        let left: Vec<ActionRunId> = self.running.keys().copied().collect();
        for run in left {
            self.action_ended(run, "not known when the call ended");
        }
        let outcome = match (self.handed_off, self.actions_done) {
            (true, _) => self.put_through.unwrap_or("handed off"),
            // A goodbye after requests that were all refused is no success.
            (false, 0) if self.requests == 0 && self.refused > 0 => NOT_HELPED,
            (false, 0) => "answered",
            (false, _) => "served",
        };
        drop(self.entries);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the record's writer failed");
        }
        if self.dropped > 0 {
            tracing::error!(entries = self.dropped, "the record is incomplete");
        }
        let end = CallEnd {
            ended_at: Timestamp::now(),
            termination: self.termination.unwrap_or_else(|| {
                Termination::new(TerminationResult::Unknown, "the end was not seen")
            }),
            recording: self.recording,
            protection: self.protection,
            turns,
            outcome: outcome.to_owned(),
        };
        self.metrics.ended(end.termination.result, outcome);
        if let Err(error) = self.store.end_call(self.call, &end).await {
            tracing::error!(%error, "the end of the call was not recorded");
        }
    }
}
