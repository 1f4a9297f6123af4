//! Keys: collected until they make an answer, and what they interrupt.

use std::time::Instant;

use crate::base::Pii;
use crate::conversation::{ConversationInput, Expected};
use crate::nlu::SlotKind;

use super::{Call, LineSpeaker, Timer, TranscriptLine};

impl Call {
    pub(super) fn on_digit(&mut self, now: Instant, digit: char) {
        let Some(keys_max) = self.expectation.keys_max else {
            // Where no keys are asked for only 0 means something; others do not silence us.
            if digit == '0' {
                self.interrupt_with_key(now);
                self.keys = digit.to_string();
                self.deliver_keys(now);
            }
            return;
        };
        // The end of keys that were complete without it.
        if digit == '#' && self.keys.is_empty() {
            return;
        }
        if self.keys.is_empty() {
            self.keys_before_question = self.asked_at.is_none();
        }
        self.interrupt_with_key(now);
        match digit {
            '#' => return self.deliver_keys(now),
            // For money it is the decimal point.
            '*' if self.expectation.expected != Expected::Slot(SlotKind::Money) => {
                self.keys.clear();
            }
            digit => self.keys.push(digit),
        }
        if self.keys.len() >= keys_max {
            self.deliver_keys(now);
        } else {
            self.timers.set(Timer::InterDigit, now + self.settings.inter_digit);
        }
    }

    fn interrupt_with_key(&mut self, now: Instant) {
        self.timers.cancel(Timer::NoInput);
        self.stop_agent(now);
    }

    pub(super) fn deliver_keys(&mut self, now: Instant) {
        self.timers.cancel(Timer::InterDigit);
        let keys = std::mem::take(&mut self.keys);
        if keys.is_empty() {
            return self.arm_no_input(now);
        }
        let known = self.conversation.secrets().iter().any(|secret| *secret.expose() == keys);
        let secret = self.expectation.secret || known;
        let line = self.outputs.len();
        let shown = if secret { "•".repeat(keys.len()) } else { keys.clone() };
        self.push_line(TranscriptLine {
            at_ms: self.elapsed_ms(now),
            speaker: LineSpeaker::Caller,
            text: Pii::new(format!("[keys {shown}]")),
            confidence: Some(1.0),
            intent: None,
            taken: Some(self.taken(None)),
        });
        let before_question = self.keys_before_question;
        let input = ConversationInput::Keyed { keys: Pii::new(keys), before_question };
        self.converse_about(now, line, input);
    }
}
