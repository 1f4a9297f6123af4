//! Which of the values that an answer may have been it is taken for.
//!
//! A value that the caller has refused is not taken for the very next answer; and what the last
//! answer may have been counts for the next, as people say the same number twice.

use crate::base::Pii;
use crate::nlu::spoken::YesNo;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{Expectation as Asked, FillContext};
use crate::nlu::{Reading, Readings, SlotKind, SlotName, choose, choose_phrase};
use crate::prompts::SlotSpec;

use super::Conversation;
use super::task::{Scope, Stage};

/// What was heard lately, as far as it may have been values.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear {
    /// Of the utterance in hand.
    now: Readings,
    /// Of the last answer, with the slot that it was for.
    before: Option<(SlotName, Readings)>,
    /// What was refused last.
    refused: Option<(SlotName, Pii<String>)>,
}

impl Ear {
    /// Takes what the next utterance may have been.
    pub(super) fn hear(&mut self, readings: Readings) {
        self.now = readings;
    }

    /// What the last answer for this slot may have been; nothing if another was asked for since.
    pub(super) fn readings_of(&self, slot: &SlotName) -> &Readings {
        static NONE: Readings = Readings { plain_log_probability: 0.0, values: Vec::new() };
        self.before.as_ref().filter(|(of, _)| of == slot).map_or(&NONE, |(_, readings)| readings)
    }

    /// The value that was read back is wrong.
    pub(super) fn refuse(&mut self, slot: &SlotName, value: Option<Pii<String>>) {
        self.refused = value.map(|value| (slot.clone(), value));
    }

    /// Nothing that was heard before matters any more.
    pub(super) fn forget(&mut self) {
        (self.before, self.refused) = (None, None);
    }
}

impl Conversation {
    /// An answer as it is taken for a slot: the words, or the likeliest value that they may have
    /// been.
    pub(super) fn as_value(
        &mut self,
        scope: &Scope,
        slot: &SlotName,
        text: Pii<String>,
    ) -> Pii<String> {
        let now = std::mem::take(&mut self.ear.now);
        // A reading is of one value.
        let is_one = |spec: &SlotSpec| !self.gives_several(scope, spec, text.expose());
        let Some(spec) =
            self.slot_spec(scope, slot).filter(is_one).filter(|_| !now.values.is_empty())
        else {
            return text;
        };
        let refused = self.ear.refused.take().filter(|(of, _)| of == slot).map(|(_, value)| value);
        // Only what was refused is said a second time; another answer is another value.
        let again = self.ear.before.take().filter(|(of, _)| of == slot && refused.is_some());
        let readings = match &again {
            Some((_, before)) => now.with(before),
            None => now,
        };
        let context = FillContext { expectation: Asked::Asked, today: self.rules.today };
        let kind = self.rest_of(slot, &spec.kind);
        let refused: Vec<Pii<String>> = refused.into_iter().collect();
        let chosen = choose(&kind, text.expose(), &readings, &refused, &context);
        let words = chosen.map_or(text, |reading| reading.text.clone());
        // What a secret may have been is as secret.
        self.ear.before = (!spec.secret).then(|| (slot.clone(), readings));
        words
    }

    /// An answer to a question of yes or no as it is taken: the words, or the yes or no that they
    /// all but certainly were ("man" for "yes").
    pub(super) fn as_short_answer(&mut self, text: Pii<String>) -> Pii<String> {
        let asks = matches!(
            self.stage,
            Stage::MayRecord
                | Stage::AboutTicket
                | Stage::ReadBack { .. }
                | Stage::Confirm
                | Stage::ConfirmIntent { .. }
                | Stage::QuestionAnswered
                | Stage::OfferPerson { .. }
        );
        if !asks || self.command_in(text.expose()).is_some() {
            return text;
        }
        let now = std::mem::take(&mut self.ear.now);
        let meaning = |words: &str| match parse_yes_no(words) {
            YesNo::Yes | YesNo::YesBut(_) => Some(true),
            YesNo::No | YesNo::NoWith(_) => Some(false),
            YesNo::Unclear => None,
        };
        // Nothing is changed on a yes that was only guessed: what is agreed to is asked again.
        let may_be = |reading: &&Reading| {
            !matches!(self.stage, Stage::Confirm) || meaning(reading.text.expose()) == Some(false)
        };
        let chosen = choose_phrase(text.expose(), &now, meaning).filter(may_be);
        chosen.map_or(text, |reading| reading.text.clone())
    }

    /// The kind of value that is still to come, if the beginning of a number was said.
    fn rest_of(&self, slot: &SlotName, kind: &SlotKind) -> SlotKind {
        match (&self.partial, kind.digit_counts()) {
            (Some((of, begun)), Some((min, max))) if of == slot => {
                let have = begun.expose().len();
                let min = min.saturating_sub(have).max(1);
                SlotKind::Digits { min, max: max.saturating_sub(have).max(min) }
            }
            _ => kind.clone(),
        }
    }
}
