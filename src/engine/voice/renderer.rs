//! One clause from words to telephone sound, on the calling thread.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::audio::SampleRate;

use super::clauses::Clause;
use super::downsample::downsample;
use super::error::VoiceError;
use super::espeak::{ANSWER_DEADLINE, Espeak};
use super::levels::finish;
use super::piper::{Piper, RunThread, Standing};

/// Changes whenever the code here or in `levels`, `downsample` or `piper` makes the same words
/// sound different: rendered clauses of before are then rendered anew.
pub(super) const SOUND_VERSION: u32 = 1;

/// What each worker owns, and the voice they share.
pub(super) struct Renderer {
    piper: Arc<Piper>,
    espeak: Espeak,
    thread: RunThread,
    rate: SampleRate,
}

/// A rendered clause without the pause behind it.
pub(super) struct Sound {
    pub samples: Arc<[i16]>,
    /// Phonemes the voice doesn't know.
    pub unknown: usize,
    /// CPU time of the model.
    pub cpu: Duration,
}

impl Renderer {
    /// Starts a phonemiser of its own.
    ///
    /// # Errors
    /// The phonemiser can't be started.
    pub fn start(
        piper: Arc<Piper>,
        program: &str,
        rate: SampleRate,
        standing: Standing,
        restarts: Arc<AtomicU64>,
    ) -> Result<Self, VoiceError> {
        let espeak = Espeak::start(program, &piper.espeak_voice, ANSWER_DEADLINE, restarts)?;
        Ok(Self { piper, espeak, thread: RunThread::new(standing), rate })
    }

    /// Renders one clause.
    ///
    /// # Errors
    /// The phonemiser or the model fails.
    pub fn render(&mut self, clause: &Clause) -> Result<Sound, VoiceError> {
        let phonemes = self.phonemes(clause)?;
        if phonemes.is_empty() {
            return Ok(Sound { samples: Arc::from([]), unknown: 0, cpu: Duration::ZERO });
        }
        let rendered = self.piper.render(&phonemes, &self.thread)?;
        let narrow = downsample(&rendered.samples, self.piper.rate, self.rate)?;
        let samples = finish(&narrow, self.rate).into();
        Ok(Sound { samples, unknown: rendered.unknown, cpu: rendered.cpu })
    }

    /// The phonemes with the marks that the phonemiser drops put back: the voice was trained with
    /// them, and they carry the tune.
    fn phonemes(&mut self, clause: &Clause) -> Result<String, VoiceError> {
        let mut phonemes = String::new();
        for piece in clause.text.split_inclusive([',', ';', ':']) {
            let words = piece.trim_end_matches([',', ';', ':']);
            let said = self.espeak.phonemes(words)?;
            if said.is_empty() {
                continue;
            }
            if !phonemes.is_empty() {
                phonemes.push(' ');
            }
            phonemes.push_str(&said);
            phonemes.extend(piece.chars().next_back().filter(|c| matches!(c, ',' | ';' | ':')));
        }
        if !phonemes.is_empty() {
            phonemes.push(clause.ending.mark());
        }
        Ok(phonemes)
    }
}
