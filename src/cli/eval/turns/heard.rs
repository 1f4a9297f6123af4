//! One pass through the models: what is known at each pause of a turn. How long is then waited, and by
//! which rule, is tried on this as often as one likes.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::spoken::{Asked, SpokenTurn};
use crate::audio::{Leveller, SampleRate, resample_whole};
use crate::base::{CallId, UtteranceId};
use crate::cli::eval::channel::Line;
use crate::engine::end_of_turn::TurnModel;
use crate::engine::hearing::{Hearing, HearingRequest};
use crate::engine::vad::SileroVad;
use crate::server::listen_for;
use crate::speech::{EndpointEvent, Endpointer, EndpointerConfig, SpeechSpan, Vad};

/// The voice-activity model takes the telephone's sound in chunks of so many samples.
const CHUNK: usize = 256;
/// And of so many milliseconds.
pub(super) const CHUNK_MS: u64 = 32;

/// No utterance of a turn ends before the turn: the pauses are wanted, all of them.
const NEVER_MS: u64 = 120_000;

/// A pause in a turn, or the one at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HeardPause {
    /// Where the voice stopped.
    pub since_ms: u64,
    /// How long until it went on; `None`: it did not.
    pub lasts_ms: Option<u64>,
    /// Voice in the turn so far.
    pub voiced_ms: u64,
    /// All words of the turn so far.
    pub words: String,
    pub confidence: f32,
    /// How long the recogniser took for them.
    pub heard_in_ms: u64,
    /// What the end-of-turn model says.
    pub end_probability: Option<f32>,
    /// How long it took to say it.
    pub judged_in_ms: u64,
}

/// A turn as it was heard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HeardTurn {
    pub name: String,
    pub kind: String,
    pub speaker: String,
    pub asked: Asked,
    pub group_gap_ms: Option<u64>,
    pub pauses_put_in: usize,
    /// Where the voice ends in truth.
    pub ends_ms: u64,
    /// Of each chunk, that it holds speech.
    pub probabilities: Vec<f32>,
    pub pauses: Vec<HeardPause>,
}

/// By which clock the models' time is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Charge {
    /// What the recogniser takes of a core: its time on a machine that does nothing else
    Cpu,
    /// The time that passed here, with all that this machine does besides
    Wall,
}

/// The models.
pub(super) struct Listener {
    pub hearing: Hearing,
    pub vad: SileroVad,
    pub judge: Option<TurnModel>,
    pub line: Line,
    pub charge: Charge,
    /// Silence after which the words so far are asked for.
    pub pause_ms: u64,
}

impl Listener {
    /// Hears a turn over the telephone.
    pub(super) async fn hear(&self, index: usize, turn: SpokenTurn) -> anyhow::Result<HeardTurn> {
        let heard = self.line.over_the_phone(index, turn.rate, &turn.samples);
        let config = EndpointerConfig {
            silence_ms: NEVER_MS,
            utterance_max_ms: NEVER_MS,
            pause_ms: Some(self.pause_ms),
            ..EndpointerConfig::default()
        };
        let mut endpointer = Endpointer::new(config);
        let mut leveller = Leveller::default();
        let mut vad = self.vad.session();
        let mut probabilities = Vec::new();
        let mut pauses: Vec<HeardPause> = Vec::new();
        for chunk in heard.chunks_exact(CHUNK) {
            leveller.hear_caller(chunk);
            let probability = vad.probability(&leveller.level_stream(chunk));
            probabilities.push(probability);
            match endpointer.handle_chunk(chunk, probability) {
                Some(EndpointEvent::Paused(mut span)) => {
                    leveller.level_utterance(&mut span.samples, span.rate);
                    pauses.push(self.pause(&turn, span).await?);
                }
                Some(EndpointEvent::Resumed { after }) => {
                    if let Some(pause) = pauses.last_mut() {
                        pause.lasts_ms = Some(after.as_millis() as u64);
                    }
                }
                Some(EndpointEvent::Started | EndpointEvent::Ended(_)) | None => {}
            }
        }
        Ok(HeardTurn {
            name: turn.name,
            kind: turn.kind,
            speaker: turn.speaker,
            asked: turn.asked,
            group_gap_ms: turn.group_gap_ms,
            pauses_put_in: turn.pauses_put_in,
            ends_ms: turn.ends_ms,
            probabilities,
            pauses,
        })
    }

    async fn pause(&self, turn: &SpokenTurn, span: SpeechSpan) -> anyhow::Result<HeardPause> {
        let samples_16k = resample_whole(&span.samples, span.rate, SampleRate::HZ_16000);
        let asked = Instant::now();
        let end_probability =
            self.judge.as_ref().map(|judge| judge.probability(&samples_16k)).transpose()?;
        let judged_in_ms = asked.elapsed().as_millis() as u64;
        let request = HearingRequest {
            listen_for: listen_for(&turn.asked.expectation().expected),
            ..HearingRequest::new(CallId::from_u128(0), UtteranceId(0), samples_16k)
        };
        let heard = self.hearing.transcribe(request).await?;
        Ok(HeardPause {
            since_ms: span.rate.duration_of(span.voiced_until.0 as usize).as_millis() as u64,
            lasts_ms: None,
            voiced_ms: span.voiced.as_millis() as u64,
            words: heard.text.into_inner(),
            confidence: heard.confidence,
            heard_in_ms: match self.charge {
                Charge::Cpu => heard.cpu.as_millis() as u64,
                Charge::Wall => heard.decode_ms,
            },
            end_probability,
            judged_in_ms,
        })
    }
}
