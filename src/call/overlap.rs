//! The caller speaks while we do: whether they mean us to stop.

use std::time::Instant;

use crate::nlu::spoken::is_backchannel;
use crate::speech::{TurnInput, TurnOutput};

use super::Call;
use super::ears::Chunk;

/// Words less sure than this may be noise, of which the recogniser makes words too.
const SURE: f32 = 0.5;

impl Call {
    /// The next chunk of a caller who speaks while we do.
    pub(super) fn overlap_chunk(&mut self, now: Instant, _chunk: &Chunk, _probability: f32) {
        if self.endpointer.is_speaking()
            && let Some(TurnOutput::StopAgent) =
                self.turn.handle(TurnInput::CallerVoiced(self.ears.share.own()))
        {
            self.stop_agent(now);
        }
    }

    /// These words were heard of a caller who has begun to speak while we do, and may go on.
    pub(super) fn overlap_words(&mut self, now: Instant, text: &str, confidence: f32) {
        if confidence >= SURE && !text.trim().is_empty() && !is_backchannel(text) {
            self.stop_agent(now);
        }
    }
}
