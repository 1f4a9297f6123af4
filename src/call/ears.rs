//! The caller's audio on its two ways: as it came to the endpointer and so to the recogniser, and
//! levelled at 8 kHz to the voice activity model. Tells which of it is our own voice, come back.

use std::time::Duration;

use crate::audio::{AudioFrame, Leveller};
use crate::speech::{CallerShare, Chunker, EchoDetector, Judgement, Sound, SpeechSpan, Voicing};

/// Four words, as quickly as anybody says them: fewer are not taken for ours (`is_echo_of`).
const FOUR_WORDS: Duration = Duration::from_millis(800);

/// What has come and waits to fill a chunk, and what is known of the voices in it.
#[derive(Debug)]
pub(super) struct Ears {
    chunks: Chunker,
    echo: EchoDetector,
    leveller: Leveller,
    voicing: Voicing,
    /// How much of the present utterance is the caller's.
    pub share: CallerShare,
    /// The present utterance was begun while an echo of ours could be heard.
    pub over_ours: bool,
}

/// A chunk of the stream.
pub(super) struct Chunk {
    /// At the caller's rate.
    pub as_it_came: Vec<i16>,
    /// The same at 8 kHz, at a usual level.
    pub for_vad: Vec<i16>,
    /// Whose sound it is.
    pub judgement: Judgement,
    /// What kind of sound it is.
    pub sound: Sound,
    /// How long it lasts.
    pub length: Duration,
}

impl Ears {
    pub fn new() -> Self {
        Self {
            chunks: Chunker::default(),
            echo: EchoDetector::default(),
            leveller: Leveller::default(),
            voicing: Voicing::default(),
            share: CallerShare::default(),
            over_ours: false,
        }
    }

    /// Takes a frame. Where its rate is a new one, less than a chunk of the old is dropped.
    pub fn hear(&mut self, frame: &AudioFrame) {
        self.chunks.hear(frame);
    }

    /// Notes what is played at the same time (8 kHz): it may come back.
    pub fn play(&mut self, frame: &[i16]) {
        self.echo.play(frame);
    }

    /// The next chunk of this many samples at 8 kHz, once it is there.
    pub fn next_chunk(&mut self, vad_len: usize) -> Option<Chunk> {
        let heard = self.chunks.next_chunk(vad_len)?;
        let judgement = self.echo.judge(&heard.for_vad, self.chunks.vad_waiting_len());
        match judgement {
            Judgement::NotEcho => self.leveller.hear_caller(&heard.for_vad),
            Judgement::Echo => self.leveller.hear_other(&heard.for_vad),
            Judgement::EchoFound => {
                self.leveller.hear_other(&heard.for_vad);
                self.leveller.forget_caller();
            }
        }
        Some(Chunk {
            length: heard.length(),
            sound: self.voicing.hear(&heard.for_vad),
            for_vad: self.leveller.level_stream(&heard.for_vad),
            as_it_came: heard.as_it_came,
            judgement,
        })
    }

    /// How loud the caller speaks, in dBFS, as it comes; `None` before they have.
    pub fn caller_dbfs(&self) -> Option<f32> {
        self.leveller.active_dbfs()
    }

    /// The level of the line's noise, in dBFS.
    pub fn noise_dbfs(&self) -> Option<f32> {
        self.leveller.noise_dbfs()
    }

    /// Whether this caller's telephone returns what we say, and we have said something just now.
    pub fn echo_is_due(&self) -> bool {
        self.echo.path().is_some() && self.echo.may_return()
    }

    /// Whether the words of the present utterance may be our own: this telephone returns what we say,
    /// and another voice was not heard for long enough to say as many.
    pub fn may_be_our_words(&self) -> bool {
        self.over_ours && self.echo.path().is_some() && self.share.own_most() < FOUR_WORDS
    }

    /// Makes an utterance fit for the recogniser: without the echo before the caller's own words,
    /// and at a usual level. `pre_roll` is kept from before them.
    pub fn prepare(&self, span: &mut SpeechSpan, pre_roll: Duration) {
        if let Some(since) = self.share.began_after_echo() {
            let keep = span.rate.samples_in(since + pre_roll);
            let surplus = span.samples.len().saturating_sub(keep);
            span.samples.drain(..surplus);
            span.start.0 += surplus as u64;
        }
        span.voiced = span.voiced.saturating_sub(self.share.echo());
        self.leveller.level_utterance(&mut span.samples, span.rate);
    }

    /// Samples that wait, at the caller's rate.
    pub fn waiting_len(&self) -> usize {
        self.chunks.waiting_len()
    }

    pub fn forget(&mut self) {
        self.chunks.forget();
    }
}
