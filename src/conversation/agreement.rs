//! Answers to "is that right?" and "shall I?": what counts as a yes, and what is put right.

use crate::base::Pii;
use crate::nlu::spoken::name::is_spelled;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{
    Cues, Expectation as Asking, FillContext, YesNo, fill_each, is_about_a_letter, named,
};
use crate::nlu::{SlotKind, SlotName, SlotValue, Understanding};
use crate::prompts::{Pattern, SlotSpec};

use super::Conversation;
use super::request::yes_no;
use super::sharing::{Given, Words, share_out};
use super::slots::unless_secret;
use super::task::{Scope, Stage};

/// Words that take back a part of a yes, or put it off.
const RESERVATIONS: &[&str] = &[
    "but", "except", "not", "don't", "never", "wait", "hold", "first", "instead", "unless", "if",
    "how", "what", "why", "when", "which", "who", "only", "stop", "cancel",
];

/// "The other one" names no number.
const POINTING: &[&str] = &["other", "that", "this", "wrong", "right", "same"];

/// Whether a yes with more behind it ("yes, block it") is meant without reserve.
pub(super) fn is_unreserved(text: &str) -> bool {
    let reserved = text
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .any(|word| RESERVATIONS.iter().any(|reserved| word.eq_ignore_ascii_case(reserved)));
    !reserved && !text.contains('?')
}

/// What came of putting something right.
enum Correction {
    Changed,
    /// A value that may be for any of these.
    Unplaced(Vec<SlotName>, SlotValue),
    Nothing,
}

impl Conversation {
    pub(super) fn on_read_back(
        &mut self,
        (scope, slot): (Scope, SlotName),
        text: &str,
        confidence: f32,
        understanding: &Understanding,
    ) {
        let Some(spec) = self.slot_spec(&scope, &slot) else { return self.advance() };
        let answer = parse_yes_no(text);
        let said_no = matches!(answer, YesNo::No | YesNo::NoWith(_));
        let value = self.value_instead(&scope, &spec, &answer, text, confidence);
        let current = self.value_to_read_back(&scope, &slot);
        let same = value.as_ref().is_some_and(|value| Some(&value.value) == current.as_ref());
        let agreed = match (&answer, &value) {
            (YesNo::Yes, _) => true,
            (YesNo::YesBut(_), None) => is_unreserved(text),
            (YesNo::YesBut(_) | YesNo::Unclear, Some(_)) => same,
            _ => false,
        };
        if agreed {
            self.progress();
            self.accept_proposal(&scope, &spec);
            self.agree(&scope, &slot);
            if let YesNo::YesBut(rest) = &answer {
                // "Yes, and back on the tenth."
                let more = self.shared_answer(&scope, &spec, rest.expose(), confidence, false);
                self.take_others(more.others);
            }
            return self.advance();
        }
        match value {
            Some(value) if !same => {
                if self.reject(&slot) {
                    return;
                }
                self.ear.forget();
                self.say_pattern(Pattern::Corrected, &[]);
                self.refuse_proposal(&scope, &slot);
                self.set_slot(&scope, &spec, value);
                self.advance();
            }
            // The same number again with a no: it is misheard every time.
            _ if said_no => {
                self.ear.refuse(&slot, current);
                self.refuse_proposal(&scope, &slot);
                self.clear_slot(&scope, &slot);
                if !self.reject(&slot) {
                    self.ask_name_again(scope, &spec);
                }
            }
            _ => self.on_no_answer(text, understanding),
        }
    }

    /// The value that an answer to a read-back gives in place of the one that was read back.
    fn value_instead(
        &self,
        scope: &Scope,
        spec: &SlotSpec,
        answer: &YesNo,
        text: &str,
        confidence: f32,
    ) -> Option<SlotValue> {
        if matches!(answer, YesNo::Yes | YesNo::No) {
            return None;
        }
        // "It ends in four seven" is no number of its own.
        self.patched(scope, spec, text, confidence).or_else(|| match answer {
            YesNo::Yes | YesNo::No => None,
            // "S as in Sam" is no name of its own.
            _ if spec.kind == SlotKind::Name && is_about_a_letter(text) => None,
            YesNo::NoWith(rest) => self.best_answer(scope, spec, rest.expose(), confidence),
            // Free text takes anything for a value, and names nearly so: only a no makes it a
            // correction, or a spelling.
            _ if spec.kind == SlotKind::Text => None,
            _ if spec.kind == SlotKind::Name && !is_spelled(text) => None,
            YesNo::YesBut(rest) => self.best_answer(scope, spec, rest.expose(), confidence),
            YesNo::Unclear => self.best_answer(scope, spec, text, confidence),
        })
    }

    pub(super) fn on_confirm(&mut self, text: &str, understanding: &Understanding) {
        let answer = parse_yes_no(text);
        let correction = match &answer {
            YesNo::Yes | YesNo::No => None,
            YesNo::NoWith(rest) | YesNo::YesBut(rest) => Some(rest.expose().clone()),
            YesNo::Unclear => Some(text.to_owned()),
        };
        let said_no = matches!(answer, YesNo::No | YesNo::NoWith(_));
        match correction.map(|words| self.correct_task(&words, said_no)) {
            Some(Correction::Changed) => return self.on_corrected(),
            Some(Correction::Unplaced(slots, value)) => return self.ask_which_slot(slots, value),
            Some(Correction::Nothing) | None => {}
        }
        match answer {
            YesNo::Yes => self.confirmed(),
            YesNo::YesBut(_) if is_unreserved(text) => self.confirmed(),
            // "No, I want to make a complaint" changes nothing of the task.
            YesNo::NoWith(_) if self.person_asked_for(understanding).is_some() => {
                self.on_no_answer(text, understanding);
            }
            YesNo::NoWith(_) if self.has_slots() => self.ask_what_to_change(),
            YesNo::No | YesNo::NoWith(_) => {
                self.tasks.pop();
                self.say_pattern(Pattern::Cancelled, &[]);
                self.after_task(false);
            }
            YesNo::YesBut(_) | YesNo::Unclear => self.on_no_answer(text, understanding),
        }
    }

    fn confirmed(&mut self) {
        self.progress();
        if let Some(task) = self.tasks.last_mut() {
            task.confirmed = true;
        }
        self.advance();
    }

    fn has_slots(&self) -> bool {
        self.current_intent().is_some_and(|intent| intent.slots.iter().any(|slot| !slot.secret))
    }

    /// "No, the other one": something is to be different, and it is not clear what.
    fn ask_what_to_change(&mut self) {
        if self.count_failure() {
            return;
        }
        self.say_pattern(Pattern::WhatToChange, &[]);
        self.stage = Stage::Confirm;
        self.listen(yes_no());
    }

    /// A new value that may be for several slots: the caller says for which.
    fn ask_which_slot(&mut self, slots: Vec<SlotName>, value: SlotValue) {
        if self.count_failure() {
            return;
        }
        let spoken: Vec<String> = slots.iter().map(|s| s.as_str().replace('_', " ")).collect();
        match &spoken[..] {
            [first, second] if self.has_words_for(Pattern::WhichValue) => {
                let names = [("first", first.clone()), ("second", second.clone())];
                self.say_pattern(Pattern::WhichValue, &names);
            }
            _ => self.say_pattern(Pattern::WhatToChange, &[]),
        }
        self.stage = Stage::WhichSlot { slots, value };
        self.listen(yes_no());
    }

    pub(super) fn on_which_slot(
        &mut self,
        slots: &[SlotName],
        value: SlotValue,
        text: &str,
        understanding: &Understanding,
    ) {
        let specs: Vec<SlotSpec> =
            slots.iter().filter_map(|slot| self.slot_spec(&Scope::Task, slot)).collect();
        let cues: Vec<&Cues> = specs.iter().map(|spec| &spec.cues).collect();
        // "The return is on the twelfth" is another value again.
        let context = FillContext { expectation: Asking::Volunteered, today: self.rules.today };
        let mut kinds = specs.iter().map(|spec| &spec.kind);
        let has_value = kinds.any(|kind| !fill_each(kind, text, &context).is_empty());
        let chosen = named(text, &cues).and_then(|index| specs.get(index));
        if has_value {
            if matches!(self.correct_task(text, false), Correction::Changed) {
                return self.on_corrected();
            }
        } else if let Some(spec) = chosen {
            return self.put_right(spec.name.clone(), value);
        }
        match parse_yes_no(text) {
            // Neither of them.
            YesNo::No | YesNo::NoWith(_) => self.ask_what_to_change(),
            _ => self.on_no_answer(text, understanding),
        }
    }

    /// Takes a value for a slot that the caller has picked for it.
    pub(super) fn put_right(&mut self, slot: SlotName, value: SlotValue) {
        if let Some(task) = self.tasks.last_mut() {
            task.slots.insert(slot, value);
            task.confirmed = false;
        }
        self.on_corrected();
    }

    fn on_corrected(&mut self) {
        self.progress();
        self.say_pattern(Pattern::Corrected, &[]);
        self.advance();
    }

    /// "No, savings": puts new values in place of old ones.
    fn correct_task(&mut self, text: &str, said_no: bool) -> Correction {
        let Some((generation, name)) = self.current_intent_owned() else {
            return Correction::Nothing;
        };
        let Some(intent) = generation.intent(&name) else { return Correction::Nothing };
        let mut words = Words { corrects: true, ..self.volunteered_words(text) };
        let mut given = share_out(&intent.slots, &mut words, &unless_secret);
        if given.values.is_empty() && given.unplaced.is_none() {
            // Not in so many words ("sixty"): the one slot that takes it as an answer.
            given = self.loose_correction(&intent.slots, text, said_no);
        }
        let Some(task) = self.tasks.last_mut() else { return Correction::Nothing };
        let mut changed = false;
        for (spec, value) in given.values {
            changed |= task.slots.get(&spec.name).is_none_or(|old| old.value != value.value);
            task.slots.insert(spec.name.clone(), value);
        }
        if changed {
            task.confirmed = false;
            return Correction::Changed;
        }
        given.unplaced.map_or(Correction::Nothing, |(specs, value)| {
            let slots = specs.into_iter().map(|spec| spec.name.clone()).collect();
            Correction::Unplaced(slots, value)
        })
    }

    /// What is only a value because something is put right: of one slot, or of one of several of a
    /// kind.
    fn loose_correction<'s>(&self, specs: &'s [SlotSpec], text: &str, said_no: bool) -> Given<'s> {
        let mut fits: Vec<(&SlotSpec, SlotValue)> = specs
            .iter()
            .filter(|spec| !spec.secret)
            .filter_map(|spec| Some((spec, self.correction_of(spec, text, said_no)?)))
            .collect();
        // Anything is text, and nearly anything a name: what is a value besides is that value.
        let is_loose = |spec: &SlotSpec| matches!(spec.kind, SlotKind::Text | SlotKind::Name);
        if fits.iter().any(|(spec, _)| !is_loose(spec)) {
            fits.retain(|(spec, _)| !is_loose(spec));
        }
        let mut given = Given::default();
        if fits.len() <= 1 {
            given.values = fits;
            return given;
        }
        let (slots, mut values): (Vec<&SlotSpec>, Vec<SlotValue>) = fits.into_iter().unzip();
        let is_twins = slots.iter().all(|spec| spec.kind == slots[0].kind);
        if is_twins && !matches!(slots[0].kind, SlotKind::OneOf(_)) {
            given.unplaced = Some((slots, values.swap_remove(0)));
        }
        given
    }

    fn correction_of(&self, spec: &SlotSpec, text: &str, said_no: bool) -> Option<SlotValue> {
        let points = text
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| POINTING.iter().any(|pointing| word.eq_ignore_ascii_case(pointing)));
        let takes = match spec.kind {
            SlotKind::Text | SlotKind::Name => said_no,
            SlotKind::Money
            | SlotKind::Digits { .. }
            | SlotKind::Phone
            | SlotKind::Zip
            | SlotKind::Card => !points,
            SlotKind::OneOf(_)
            | SlotKind::Date
            | SlotKind::Time
            | SlotKind::Postcode
            | SlotKind::Email => true,
        };
        self.best_fill(spec, text, 1.0).filter(|_| takes)
    }

    /// Hands a yes that was given before its question to the question again.
    pub(super) fn is_premature_yes(&self, text: &Pii<String>) -> bool {
        let asks = matches!(
            self.stage,
            Stage::MayRecord
                | Stage::AboutTicket
                | Stage::Confirm
                | Stage::ReadBack { .. }
                | Stage::ConfirmIntent { .. }
                | Stage::OfferPerson { .. }
                | Stage::OfferCallback
        );
        asks && matches!(parse_yes_no(text.expose()), YesNo::Yes | YesNo::YesBut(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_with_a_but_is_no_yes() {
        for text in ["yes block it", "Yeah, that's my number.", "yes, from checking to savings"] {
            assert!(is_unreserved(text), "{text}");
        }
        for text in ["yes but not today", "yes, wait", "Yeah, how long does it take?"] {
            assert!(!is_unreserved(text), "{text}");
        }
    }
}
