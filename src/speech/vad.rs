//! The seam behind which a voice-activity model lives.

/// Tells speech from everything else, chunk by chunk, carrying its state along one stream.
pub trait Vad: Send {
    /// How many samples (mono, 8 kHz) every chunk must have.
    fn chunk_len(&self) -> usize;

    /// Probability, 0 to 1, that the chunk holds speech.
    fn probability(&mut self, chunk: &[i16]) -> f32;

    /// Forgets the stream so far.
    fn reset(&mut self);
}
