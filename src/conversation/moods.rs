//! A caller who is out of patience, abusive, or asks who we are: answered calmly, and then what was
//! being asked is asked again. What they want is never lost over it.

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::digits::parse as parse_digits;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{DigitsResult, Felt, Mood, YesNo};
use crate::nlu::{Decision, SlotKind, Understanding};
use crate::prompts::Pattern;

use super::request::yes_no;
use super::task::{Interrupted, Stage};
use super::{Conversation, Expectation, Expected, Phrase};

/// More digits than anybody says: any number will do.
const DIGITS_MAX: usize = 40;

impl Conversation {
    pub(super) fn note_mood(&mut self, mood: Mood) {
        match mood {
            Mood::Frustrated => self.signals.frustrations += 1,
            Mood::Abusive => self.signals.abuses += 1,
        }
    }

    /// Answers how the caller feels. Gives back the rest of what they said, if it is something that
    /// can be answered in turn.
    pub(super) fn on_mood(
        &mut self,
        felt: Felt,
        confidence: f32,
        understanding: &Understanding,
    ) -> Option<Pii<String>> {
        self.note_mood(felt.mood);
        let has_answer = self.is_answerable(felt.rest.expose(), confidence, understanding);
        let is_first = match felt.mood {
            Mood::Frustrated => self.signals.frustrations == 1,
            Mood::Abusive => self.signals.abuses == 1,
        };
        match (is_first, felt.mood) {
            (true, Mood::Frustrated) => self.say_pattern(Pattern::Frustrated, &[]),
            (true, Mood::Abusive) => self.say_pattern(Pattern::Abuse, &[]),
            (false, _) if has_answer => {}
            (false, Mood::Frustrated) => {
                self.offer_person_for_patience();
                return None;
            }
            (false, Mood::Abusive) => {
                self.end_abuse();
                return None;
            }
        }
        if has_answer {
            return Some(felt.rest);
        }
        self.ask_pending();
        None
    }

    fn offer_person_for_patience(&mut self) {
        if let Stage::OfferPerson { reason, queue, .. } = self.stage.clone() {
            return self.request_person(reason, queue);
        }
        if self.wait.is_some() {
            return self.ask_pending();
        }
        let reason = HandoffReason::RepeatedFailure;
        if !self.has_words_for(Pattern::FrustratedAgain) {
            return self.give_up(reason);
        }
        let before = Interrupted { stage: self.stage.clone(), question: self.last_question() };
        self.say_pattern(Pattern::FrustratedAgain, &[]);
        self.stage = Stage::OfferPerson { reason, queue: None, before: Some(Box::new(before)) };
        self.listen(yes_no());
    }

    /// Whether such a call ends or goes to a person is the profile's choice.
    fn end_abuse(&mut self) {
        if self.has_words_for(Pattern::AbuseGoodbye) {
            self.say_pattern(Pattern::AbuseGoodbye, &[]);
            return self.hang_up("the caller was abusive");
        }
        self.give_up(HandoffReason::RepeatedFailure);
    }

    pub(super) fn has_words_for(&self, pattern: Pattern) -> bool {
        self.generation.patterns.says.contains_key(&pattern)
    }

    /// Whether these words, said beside a complaint, are something to go by at this point.
    fn is_answerable(&self, rest: &str, confidence: f32, understanding: &Understanding) -> bool {
        if rest.is_empty() {
            return false;
        }
        let has_digits = || parse_digits(rest, 1, DIGITS_MAX) != DigitsResult::None;
        let answers = match &self.stage {
            Stage::Ask { scope, slot, .. } => {
                let spec = self.slot_spec(scope, slot);
                let fills = spec.is_some_and(|spec| match spec.kind {
                    SlotKind::Text => rest.split_whitespace().nth(1).is_some(),
                    _ => self.best_answer(scope, &spec, rest, confidence).is_some() || has_digits(),
                });
                fills || self.digression(understanding, rest).is_some()
            }
            Stage::ReadBack { .. } | Stage::Confirm | Stage::WhichSlot { .. } => {
                parse_yes_no(rest) != YesNo::Unclear
                    || has_digits()
                    || self.person_asked_for(understanding).is_some()
            }
            Stage::MayRecord
            | Stage::AboutTicket
            | Stage::ConfirmIntent { .. }
            | Stage::QuestionAnswered
            | Stage::OfferPerson { .. }
            | Stage::OfferCallback
            | Stage::Waiting
            | Stage::Open { .. }
            | Stage::Clarify { .. } => {
                let decision = self.rules.policy.decide(understanding);
                parse_yes_no(rest) != YesNo::Unclear
                    || !matches!(decision, Decision::OutOfScope | Decision::NoMatch)
            }
            // Any word may be a name.
            Stage::WhichName { .. } => true,
            Stage::Acting { .. }
            | Stage::KeypadMenu
            | Stage::HandingOff { .. }
            | Stage::PuttingThrough
            | Stage::BookingCallback
            | Stage::WithAgent
            | Stage::Over => false,
        };
        answers || self.command_in(rest).is_some() || self.line_request(rest).is_some()
    }

    /// Says who we are, and asks again what was being asked.
    pub(super) fn on_who_is_this(&mut self) {
        self.say_pattern(Pattern::WhoIsThis, &[]);
        self.ask_pending();
    }

    /// Asks what was being asked, in the same words, after something else was said.
    pub(super) fn ask_pending(&mut self) {
        match self.stage.clone() {
            Stage::Ask { scope, slot, tries } => match self.slot_spec(&scope, &slot) {
                Some(spec) => self.ask_slot(scope, &spec, tries),
                None => self.listen_again(),
            },
            Stage::Open { .. } | Stage::Clarify { .. } => {
                self.say_last_question();
                self.listen(Expectation::of(Expected::Request));
            }
            Stage::ConfirmIntent { .. }
            | Stage::QuestionAnswered
            | Stage::OfferPerson { .. }
            | Stage::OfferCallback => {
                self.say_last_question();
                self.listen(yes_no());
            }
            Stage::Waiting => {
                self.say_place();
                self.rest();
            }
            _ => self.ask_again(),
        }
    }

    /// A no to a person who was offered in between: what was asked before is asked again.
    pub(super) fn take_up(&mut self, before: Interrupted) {
        self.stage = before.stage;
        self.speaker.last = before.question.into_iter().collect();
        self.ask_pending();
    }

    /// An answer to a person who was offered in between. Whoever just goes on answers what was
    /// asked before.
    pub(super) fn on_offer_in_between(
        &mut self,
        reason: HandoffReason,
        before: Interrupted,
        text: Pii<String>,
        confidence: f32,
        understanding: &Understanding,
    ) {
        let takes_anything = matches!(before.stage, Stage::Ask { .. } | Stage::Open { .. });
        match parse_yes_no(text.expose()) {
            YesNo::Yes | YesNo::YesBut(_) => self.request_person(reason, None),
            YesNo::NoWith(_) if takes_anything => {
                self.stage = before.stage;
                self.on_answer(text, confidence, understanding);
            }
            // "No, go on" is a no to the person, and to nothing else.
            YesNo::No | YesNo::NoWith(_) => self.take_up(before),
            YesNo::Unclear => {
                self.stage = before.stage;
                self.on_answer(text, confidence, understanding);
            }
        }
    }

    fn say_last_question(&mut self) {
        if let Some(question) = self.last_question() {
            self.say(question);
        }
    }

    /// The last sentence of ours, if it is a question: of "Thanks for calling. How can I help?" the
    /// second.
    fn last_question(&self) -> Option<Phrase> {
        let phrase = self.speaker.last.last()?;
        let question = last_sentence(phrase.text.expose());
        question.ends_with('?').then(|| Phrase {
            text: Pii::new(question.to_owned()),
            fixed: phrase.fixed,
            claims_completion: false,
            hidden: phrase.hidden.clone(),
            uninterruptible: false,
        })
    }
}

fn last_sentence(text: &str) -> &str {
    let text = text.trim();
    let ends = text.rmatch_indices(['.', '!', '?']).map(|(at, mark)| at + mark.len());
    let mut starts = ends.filter(|end| text[*end..].starts_with(char::is_whitespace));
    text[starts.next().unwrap_or(0)..].trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_the_last_sentence() {
        for (text, last) in [
            ("Thanks for calling. How can I help you?", "How can I help you?"),
            ("Move $50.25 to savings?", "Move $50.25 to savings?"),
            ("Is that right?", "Is that right?"),
            ("Okay! Done. ", "Done."),
            ("", ""),
        ] {
            assert_eq!(last_sentence(text), last, "{text}");
        }
    }
}
