//! A caller who is put through: when it begins, what they hear meanwhile, and how long it may take.
//!
//! ```text
//!  No ──Transfer act──▶ AfterSpeech ──all is said──▶ Ringing ──TransferEnded, or overdue──▶ No
//! ```
//! A caller who hangs up ends the call, and with it the attempt.

use std::time::Instant;

use crate::audio::{SampleRate, tone};
use crate::base::Pii;
use crate::conversation::{ConversationInput, TransferOutcome};

use super::speaking::FRAME;
use super::{Call, CallOutput, Timer};

/// Level of the tone that says that we have not gone away: well below that of speech.
const TONE_DBFS: f64 = -30.0;

/// How far it has got.
#[derive(Debug)]
pub(super) enum PutThrough {
    No,
    /// To be begun once everything is said.
    AfterSpeech {
        queue: String,
        announcement: Pii<String>,
    },
    /// Under way; the caller hears this tone over and over, from here on.
    Ringing {
        tone: Vec<i16>,
        at: usize,
    },
}

impl PutThrough {
    pub fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// Whether it is to be begun.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::AfterSpeech { .. })
    }

    /// The next of what the caller hears meanwhile.
    pub fn fill(&mut self, samples: &mut [i16; FRAME]) {
        let Self::Ringing { tone, at } = self else { return };
        for sample in samples {
            *sample = tone.get(*at).copied().unwrap_or_default();
            *at = if *at + 1 < tone.len() { *at + 1 } else { 0 };
        }
    }
}

impl Call {
    pub(super) fn put_through(&mut self, now: Instant, queue: String, announcement: Pii<String>) {
        self.put_through = PutThrough::AfterSpeech { queue, announcement };
        if self.playout.is_empty() {
            self.begin_put_through(now);
        }
    }

    pub(super) fn begin_put_through(&mut self, now: Instant) {
        let tone = tone::ringback(SampleRate::HZ_8000, TONE_DBFS);
        let ringing = PutThrough::Ringing { tone, at: 0 };
        if let PutThrough::AfterSpeech { queue, announcement } =
            std::mem::replace(&mut self.put_through, ringing)
        {
            self.timers.set(Timer::PuttingThrough, now + Self::putting_through_limit());
            self.outputs.push_back(CallOutput::Transfer { queue, announcement });
        }
    }

    pub(super) fn on_transfer_ended(&mut self, now: Instant, outcome: TransferOutcome) {
        if self.on_agent_done(now, outcome) {
            return;
        }
        if !matches!(self.put_through, PutThrough::Ringing { .. }) {
            self.stale += 1;
            return;
        }
        self.put_through = PutThrough::No;
        self.timers.cancel(Timer::PuttingThrough);
        // Keys that were pressed meanwhile answer no question that is asked now.
        self.timers.cancel(Timer::InterDigit);
        self.keys.clear();
        // What is said now answers nothing that the caller has said meanwhile: it is no latency.
        self.clock = None;
        self.tells_of_failure = outcome != TransferOutcome::Succeeded;
        self.converse(now, ConversationInput::TransferEnded { outcome });
    }

    /// What is told so late would be told to a caller who has been told that it failed.
    pub(super) fn on_transfer_overdue(&mut self, now: Instant) {
        self.outputs.push_back(CallOutput::CancelTransfer);
        self.on_transfer_ended(now, TransferOutcome::Failed);
    }
}
