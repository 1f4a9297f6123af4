//! What a call does with less when the machine is too busy for everything.
//!
//! What can be spared without the caller noticing applies at once. A caller with whom we talk is not
//! turned away: only a call that begins while that is asked for begins with a menu, or with people.

use std::time::Instant;

use crate::base::Effort;
use crate::conversation::ConversationInput;
use crate::speech::{SpeechSpan, TurnInput};

use super::Call;
use super::listening::UNCLEAR_VOICED_MIN;

impl Call {
    pub(super) fn on_effort(&mut self, effort: Effort) {
        self.effort = effort;
        if self.answered_at.is_none() {
            self.is_cut_short = !effort.allows_conversation();
            self.conversation.begin_with(effort);
        }
    }

    /// Whether work may be begun before the caller is known to have finished.
    pub fn may_speculate(&self) -> bool {
        self.effort.allows_speculation()
    }

    /// Whether words are made out at all. A call that began without is listened to again as soon as
    /// there is room for it.
    pub(super) fn listens_to_words(&self) -> bool {
        !self.is_cut_short || self.effort.allows_conversation()
    }

    /// The caller has said something that nobody is to make out: what the conversation does where
    /// hearing is down. A click or a cough is nothing, and nor is a word over ours.
    pub(super) fn on_unheard(&mut self, now: Instant, span: &SpeechSpan) {
        if span.cut {
            return;
        }
        self.turn.handle(TurnInput::CallerEnded);
        self.utterance_secret = false;
        self.turn.handle(TurnInput::Ignored);
        if span.voiced < UNCLEAR_VOICED_MIN || !self.playout.is_empty() {
            return self.arm_no_input(now);
        }
        self.converse(now, ConversationInput::HearingDown);
    }
}
