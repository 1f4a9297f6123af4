//! The caller speaks while we do: whether they mean us to stop.

use std::time::Instant;

use crate::speech::{TurnInput, TurnOutput};

use super::Call;
use super::ears::Chunk;

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
}
