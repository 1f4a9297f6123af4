//! A voice-activity model for simulated callers.

use crate::speech::Vad;

/// Peak of a sample from which on a simulated caller counts as speaking.
const VOICED_PEAK: u16 = 1_000;

/// Takes what is loud for speech: simulated callers are silent or loud, nothing between.
#[derive(Debug, Clone, Copy, Default)]
pub struct LevelVad;

impl Vad for LevelVad {
    fn chunk_len(&self) -> usize {
        256
    }

    fn probability(&mut self, chunk: &[i16]) -> f32 {
        if chunk.iter().any(|sample| sample.unsigned_abs() > VOICED_PEAK) { 0.95 } else { 0.01 }
    }

    fn reset(&mut self) {}
}
