//! Writes down what a caller and an agent say to each other, as they say it.
//!
//! ```text
//!  frames of each side ─▶ Segmenter ─▶ pieces ─▶ one task a talk ─▶ the recogniser ─▶ Said ─▶ the call's task
//!                         (utterances)  (bounded)  (one after the other)
//! ```
//!
//! Callers who wait for our answer go first, and what is done ahead for them: a piece waits behind all
//! of it, and is dropped, and counted, where the recogniser's queue is full. Nobody's turn depends on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tracing::Instrument;

use crate::audio::AudioFrame;
use crate::base::{CallId, Pii, UtteranceId};
use crate::engine::hearing::{Hearing, HearingError, HearingRequest, ListenFor, Urgency};
use crate::speech::{EndpointerConfig, Segment, Segmenter};
use crate::web::view::Speaker;

use super::Engines;
use super::dispatch::hearing_request;
use super::metrics::{Metrics, PieceOfTalk};

/// Utterances of one talk that may wait; one more is dropped, and counted. Two people say no more within
/// what the recogniser takes for one.
const PIECES_LEN_MAX: usize = 8;

/// Lines that may wait for a call's task; a full queue makes the task that writes down wait.
const SAID_LEN_MAX: usize = 32;

/// How long the last words of a call that is over are waited for.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// Start, from answer.
    pub at_ms: u64,
    /// By whom.
    pub speaker: Speaker,
    /// What.
    pub text: Pii<String>,
    /// 0 to 1: how sure the recogniser is.
    pub confidence: f32,
}

/// The word for it in documents and records.
pub(super) const fn speaker_word(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Caller => "caller",
        Speaker::Frontdoor => "frontdoor",
        Speaker::Agent => "agent",
    }
}

struct Piece {
    at_ms: u64,
    speaker: Speaker,
    segment: Segment,
}

/// What it takes to write down.
#[derive(Clone)]
pub(super) struct Scribe {
    pub engines: Engines,
    pub metrics: Arc<Metrics>,
    pub endpointer: EndpointerConfig,
}

/// One talk.
pub(super) struct Transcribing {
    caller: Segmenter,
    agent: Segmenter,
    pieces: mpsc::Sender<Piece>,
    metrics: Arc<Metrics>,
}

impl Transcribing {
    /// Begins to write down. What was said goes to `said`, also what is still being worked on when this is
    /// dropped.
    pub fn start(scribe: &Scribe, call: CallId, said: mpsc::Sender<Said>) -> Self {
        let (pieces, waiting) = mpsc::channel(PIECES_LEN_MAX);
        let worker = Worker {
            call,
            hearing: scribe.engines.hearing.clone(),
            metrics: Arc::clone(&scribe.metrics),
            next: UtteranceId::default(),
            said,
        };
        tokio::spawn(worker.run(waiting).instrument(tracing::info_span!("talk")));
        let side = || Segmenter::new(scribe.endpointer, Box::new(scribe.engines.vad.session()));
        let metrics = Arc::clone(&scribe.metrics);
        Self { caller: side(), agent: side(), pieces, metrics }
    }

    /// Takes the next 20 ms of one of the two; `now_ms` counts from answer.
    pub fn hear(&mut self, speaker: Speaker, frame: &AudioFrame, now_ms: u64) {
        for segment in self.side(speaker).hear(frame) {
            self.send(speaker, segment, now_ms);
        }
    }

    /// What one of the two is saying ends here: they are not heard for a while.
    pub fn rest(&mut self, speaker: Speaker, now_ms: u64) {
        if let Some(segment) = self.side(speaker).finish() {
            self.send(speaker, segment, now_ms);
        }
    }

    /// The talk is over, or rests.
    pub fn rest_all(&mut self, now_ms: u64) {
        self.rest(Speaker::Caller, now_ms);
        self.rest(Speaker::Agent, now_ms);
    }

    fn side(&mut self, speaker: Speaker) -> &mut Segmenter {
        match speaker {
            Speaker::Agent => &mut self.agent,
            Speaker::Caller | Speaker::Frontdoor => &mut self.caller,
        }
    }

    fn send(&self, speaker: Speaker, segment: Segment, now_ms: u64) {
        let at_ms = now_ms.saturating_sub(segment.ago.as_millis() as u64);
        match self.pieces.try_send(Piece { at_ms, speaker, segment }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.metrics.wrote_down(PieceOfTalk::Dropped),
            // The worker ends with its sender only.
            Err(TrySendError::Closed(_)) => self.metrics.wrote_down(PieceOfTalk::Failed),
        }
    }
}

struct Worker {
    call: CallId,
    hearing: Hearing,
    metrics: Arc<Metrics>,
    next: UtteranceId,
    said: mpsc::Sender<Said>,
}

impl Worker {
    async fn run(mut self, mut waiting: mpsc::Receiver<Piece>) {
        while let Some(piece) = waiting.recv().await {
            let Some(said) = self.write_down(piece).await else { continue };
            if self.said.send(said).await.is_err() {
                // The call is over, and nobody waits for its last words.
                return;
            }
        }
    }

    async fn write_down(&mut self, piece: Piece) -> Option<Said> {
        let Piece { at_ms, speaker, segment } = piece;
        let utterance = self.next;
        self.next = utterance.next();
        let audio = (segment.samples.as_slice(), segment.rate);
        let request = hearing_request((self.call, utterance), audio, ListenFor::Words);
        let request = HearingRequest { urgency: Urgency::Background, ..request };
        match self.hearing.transcribe(request).await {
            Ok(heard) => {
                self.metrics.wrote_down(PieceOfTalk::Written);
                let is_silent = heard.text.expose().trim().is_empty();
                let (text, confidence) = (heard.text, heard.confidence);
                (!is_silent).then_some(Said { at_ms, speaker, text, confidence })
            }
            Err(HearingError::Shed) => {
                self.metrics.wrote_down(PieceOfTalk::Dropped);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "something that was said was not written down");
                self.metrics.wrote_down(PieceOfTalk::Failed);
                None
            }
        }
    }
}

/// Where a call gets what was written down in its talks.
pub(super) struct SaidQueue {
    sender: mpsc::Sender<Said>,
    receiver: mpsc::Receiver<Said>,
}

impl SaidQueue {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(SAID_LEN_MAX);
        Self { sender, receiver }
    }

    /// For whoever writes down.
    pub fn sender(&self) -> mpsc::Sender<Said> {
        self.sender.clone()
    }

    /// The next thing that was said; for ever if nothing is. Safe to cancel.
    pub async fn next(&mut self) -> Said {
        match self.receiver.recv().await {
            Some(said) => said,
            // Cannot be: one sender is here.
            None => std::future::pending().await,
        }
    }

    /// The last words, once nothing more is to come: waits until they are written down, for a while.
    pub async fn last(self) -> Vec<Said> {
        let Self { sender, mut receiver } = self;
        drop(sender);
        let mut last = Vec::new();
        let all = async {
            while let Some(said) = receiver.recv().await {
                last.push(said);
            }
        };
        if timeout(LAST_WORDS_LIMIT, all).await.is_err() {
            tracing::warn!("the last words of a talk were not written down in time");
        }
        last
    }
}

/// What was said in a call's talks, for whoever takes the call next: of very long ones the latest.
#[derive(Debug, Default)]
pub(super) struct Minutes(VecDeque<Said>);

/// Lines that are kept for the next agent.
const MINUTES_MAX: usize = 400;

impl Minutes {
    /// Adds a line, in the order of time: the two sides' come as they are written down.
    pub fn add(&mut self, said: Said) {
        let behind = self.0.iter().rposition(|line| line.at_ms <= said.at_ms);
        self.0.insert(behind.map_or(0, |at| at + 1), said);
        if self.0.len() > MINUTES_MAX {
            self.0.pop_front();
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Said> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(at_ms: u64) -> Said {
        let text = Pii::new(format!("at {at_ms}"));
        Said { at_ms, speaker: Speaker::Agent, text, confidence: 0.9 }
    }

    #[test]
    fn the_next_agent_gets_what_was_said_in_its_order_and_not_without_end() {
        let mut minutes = Minutes::default();
        for at_ms in [100, 300, 200, 50, 300] {
            minutes.add(said(at_ms));
        }
        let times: Vec<u64> = minutes.iter().map(|line| line.at_ms).collect();
        assert_eq!(times, [50, 100, 200, 300, 300]);
        for n in 0..2 * MINUTES_MAX as u64 {
            minutes.add(said(1_000 + n));
        }
        assert_eq!(minutes.iter().count(), MINUTES_MAX);
        let first = minutes.iter().next().map(|line| line.at_ms);
        assert_eq!(first, Some(1_000 + MINUTES_MAX as u64));
    }

    #[tokio::test]
    async fn last_words_are_waited_for_until_nobody_writes_any_more() {
        let queue = SaidQueue::new();
        let (first, second) = (queue.sender(), queue.sender());
        let writing = tokio::spawn(async move {
            first.send(said(1)).await.expect("waited for");
            drop(first);
            second.send(said(2)).await.expect("waited for");
        });
        let last: Vec<u64> = queue.last().await.iter().map(|said| said.at_ms).collect();
        assert_eq!(last, [1, 2]);
        writing.await.expect("ran");
    }
}
