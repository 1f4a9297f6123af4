//! A turn that was taken too early: the caller had only paused, and goes on just as we begin to answer.
//! We stop, the conversation is again what it was before, and both pieces are one turn. That goes as long
//! as nothing but words of ours came of the first.

use std::time::{Duration, Instant};

use crate::conversation::{Conversation, Expectation};

use super::listening::PendingUtterance;
use super::speculation::Meant;
use super::{Call, CallOutput};

/// Who speaks up so soon after our first sound has not heard enough of the answer to interrupt it.
const TOO_SOON: Duration = Duration::from_millis(700);

/// What things were like before a turn was answered.
pub(super) struct BeforeAnswer {
    conversation: Conversation,
    expectation: Expectation,
    asked_at: Option<Instant>,
}

/// A turn that was answered, and could be taken back.
pub(super) struct TakenTurn {
    before: BeforeAnswer,
    pieces: Vec<PendingUtterance>,
    /// When the caller had said it.
    said_at: Instant,
    /// When something of the answer was heard first.
    heard_at: Option<Instant>,
}

impl Call {
    /// How things are now, to be kept while a turn is answered.
    pub(super) fn before_answer(&self) -> BeforeAnswer {
        BeforeAnswer {
            conversation: self.conversation.clone(),
            expectation: self.expectation.clone(),
            asked_at: self.asked_at,
        }
    }

    /// A turn of these pieces was answered; what came of it is in the outputs from this place on.
    pub(super) fn keep_taken_turn(
        &mut self,
        before: BeforeAnswer,
        mut pieces: Vec<PendingUtterance>,
        outputs_from: usize,
    ) {
        let is_speech = |output: &CallOutput| {
            matches!(
                output,
                CallOutput::Line(_)
                    | CallOutput::Speak { .. }
                    | CallOutput::HurrySpeech { .. }
                    | CallOutput::CancelSpeech { .. }
            )
        };
        let only_speaks = self.outputs.iter().skip(outputs_from).all(is_speech)
            && !self.playout.is_empty()
            && self.hang_up_after_speech.is_none()
            && self.put_through.is_no()
            && !self.in_line.is_about_to_change();
        // How a secret is masked goes by when it was asked for: that stays as it is.
        let is_secret = self.expectation.secret || pieces.iter().any(|piece| piece.secret);
        let Some(clock) = self.clock.as_ref().filter(|_| only_speaks && !is_secret) else { return };
        for piece in &mut pieces {
            piece.is_told = true;
            // What was meant has been answered: it is asked again, also if nothing more is said.
            piece.meant = Meant::NotAsked;
        }
        let said_at = clock.reached;
        self.taken_turn = Some(TakenTurn { before, pieces, said_at, heard_at: None });
    }

    /// Something of the answer is heard.
    pub(super) fn note_answer_heard(&mut self, now: Instant) {
        if let Some(turn) = &mut self.taken_turn {
            turn.heard_at.get_or_insert(now);
        }
    }

    /// The turn that a caller goes on with who speaks now, if we should not have taken it.
    pub(super) fn turn_taken_too_early(&mut self, now: Instant) -> Option<TakenTurn> {
        let turn = self.taken_turn.take()?;
        let began = now.checked_sub(self.endpointer.voiced()).unwrap_or(now);
        let is_too_soon = turn.heard_at.is_none_or(|heard| began <= heard + TOO_SOON);
        (self.endpointer.is_speaking() && is_too_soon).then_some(turn)
    }

    /// The turn was not over: what the caller says now belongs to it.
    pub(super) fn take_back(&mut self, now: Instant, turn: TakenTurn) {
        let TakenTurn { before, pieces, said_at, .. } = turn;
        let paused = now.saturating_duration_since(said_at);
        self.patience.went_on_after(paused.saturating_sub(self.endpointer.voiced()));
        self.conversation = before.conversation;
        self.expectation = before.expectation;
        self.asked_at = before.asked_at;
        self.question = None;
        self.clock = None;
        self.pending = pieces;
        self.apply_patience();
    }
}
