//! Keys: collected until they make an answer, and what they interrupt.

use std::time::{Duration, Instant};

use crate::base::Pii;
use crate::conversation::{ConversationInput, Expected};
use crate::nlu::SlotKind;

use super::{Call, LineSpeaker, Timer, TranscriptLine};

/// Once a number has all the keys it can have, more may follow in this time: the next number of an
/// identity check, keyed ahead, or a wrong entry. People who key by heart take 200 to 400 ms for a key.
const OVERRUN: Duration = Duration::from_millis(600);

/// Further keys than a number has that are still waited out; beyond, somebody leans on a key.
const OVERRUN_KEYS_MAX: usize = 20;

impl Call {
    pub(super) fn on_digit(&mut self, now: Instant, digit: char) {
        // The end of keys that were complete without it.
        if digit == '#' && self.keys.is_empty() {
            return;
        }
        if self.keys.is_empty() {
            self.keys_before_question = self.asked_at.is_none();
        }
        let is_asked = self.expectation.keys_max.is_some();
        // Where no keys are asked for, who wants a person is not kept waiting for us.
        if is_asked || (digit == '0' && self.keys.is_empty()) {
            self.interrupt_with_key(now);
        } else {
            self.timers.cancel(Timer::NoInput);
        }
        match digit {
            '#' => return self.deliver_keys(now),
            // For money it is the decimal point.
            '*' if self.expectation.expected != Expected::Slot(SlotKind::Money) => {
                self.keys.clear();
            }
            digit => self.keys.push(digit),
        }
        let limit = self.expectation.keys_limit();
        let is_number = is_asked && limit > 1;
        let is_full = self.keys.len() >= limit;
        let is_complete = is_full && (!is_number || self.keys.len() >= limit + OVERRUN_KEYS_MAX);
        // Nobody keys a number while nothing at all is asked.
        let is_call_for_person = !is_asked && self.running.is_some() && self.keys == "0";
        if is_complete || is_call_for_person {
            return self.deliver_keys(now);
        }
        // A 0 is a person unless more follows, and callers key a number faster than that.
        let is_hasty = !is_asked && self.keys == "0";
        let pause = match (is_number && is_full, is_hasty) {
            (true, _) => OVERRUN,
            (false, true) => self.settings.inter_digit / 2,
            (false, false) => self.settings.inter_digit,
        };
        self.timers.set(Timer::InterDigit, now + pause);
    }

    fn interrupt_with_key(&mut self, now: Instant) {
        self.timers.cancel(Timer::NoInput);
        // A key answers what is asked now: the turn before it stands, whatever is heard meanwhile.
        self.taken_turn = None;
        self.stop_agent(now);
    }

    pub(super) fn deliver_keys(&mut self, now: Instant) {
        self.timers.cancel(Timer::InterDigit);
        let keys = std::mem::take(&mut self.keys);
        if keys.is_empty() {
            return self.arm_no_input(now);
        }
        let is_unasked = self.expectation.keys_max.is_none();
        if is_unasked && self.running.is_none() {
            self.interrupt_with_key(now);
        }
        let known = self.conversation.secrets().iter().any(|secret| *secret.expose() == keys);
        // What is keyed unasked may be a PIN, and so may what is too long for a number.
        let len = self.conversation.piece_len() + keys.len();
        let is_too_long = self.expectation.keys_max.is_some_and(|max| len > max);
        let secret = self.expectation.secret || known || is_too_long || (is_unasked && keys != "0");
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
