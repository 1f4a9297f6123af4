//! Slots of the task in hand and of its verification: what is said or keyed goes in here.

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::digits::{append, patch_value};
use crate::nlu::spoken::{DigitsResult, Expectation as Asking, FillContext, Filled, fill};
use crate::nlu::{Provenance, SlotKind, SlotName, SlotValue};
use crate::prompts::{Intent, Pattern, ReadBack, SlotSpec};

use super::Conversation;
use super::flow::directed_value;
use super::task::Scope;

/// Values less sure than this are no values: one of several that were named, for instance.
const SURE_ENOUGH: f32 = 0.5;

/// A sentence that adds fewer digits than this to a number is not a piece of it.
const PIECE_DIGITS_MIN: usize = 2;

/// A card number has more digits than this; fewer are a piece of one, whatever they check to.
const CARD_DIGITS_FEW: usize = 14;

/// What a value is worth that was put right in part.
const PATCHED: f32 = 0.8;

/// What came of taking a number that may arrive in pieces.
pub(super) enum Pieces {
    Whole(SlotValue),
    /// A piece, kept: more is to come.
    Piece,
    Nothing,
}

impl Conversation {
    /// The most confident value for this slot, as the answer to its question.
    pub(super) fn best_fill(&self, spec: &SlotSpec, text: &str, heard: f32) -> Option<SlotValue> {
        let context = FillContext { expectation: Asking::Asked, today: self.rules.today };
        best(fill(&spec.kind, text, &context)).map(|filled| said(filled, heard))
    }

    /// As [`Self::best_fill`], but of two slots with the same choices ("from checking to
    /// savings") each takes its own.
    pub(super) fn best_answer(&self, spec: &SlotSpec, text: &str, heard: f32) -> Option<SlotValue> {
        let directed =
            self.current_intent().and_then(|intent| directed_value(intent, spec, text)).flatten();
        directed.or_else(|| self.best_fill(spec, text, heard))
    }

    /// "No, it ends in four seven": the value that was read back with that part put right.
    pub(super) fn patched(
        &self,
        scope: &Scope,
        spec: &SlotSpec,
        text: &str,
        heard: f32,
    ) -> Option<SlotValue> {
        let current = self.slot_value(scope, &spec.name)?;
        let value = patch_value(&spec.kind, current.value.expose(), text)?;
        Some(SlotValue { value, provenance: Provenance::Said, confidence: PATCHED * heard })
    }

    /// Takes digits that may come over several utterances.
    pub(super) fn take_digits(&mut self, spec: &SlotSpec, text: &str, heard: f32) -> Pieces {
        let Some((min, max)) = spec.kind.digit_counts() else { return Pieces::Nothing };
        let before = match self.partial.take() {
            Some((slot, digits)) if slot == spec.name => digits.into_inner(),
            _ => String::new(),
        };
        // More than their count tells what these digits are.
        let is_plain = matches!(spec.kind, SlotKind::Digits { .. });
        let at_once = !is_plain && before.is_empty();
        if at_once && let Some(whole) = self.best_fill(spec, text, heard) {
            return Pieces::Whole(whole);
        }
        match append(&before, text, min, max) {
            DigitsResult::Exact(found) if is_plain => Pieces::Whole(SlotValue {
                value: found.digits,
                provenance: Provenance::Said,
                confidence: found.confidence * heard,
            }),
            DigitsResult::Exact(found) => {
                let digits = found.digits.into_inner();
                let has_more = digits.len() > before.len();
                let few = spec.kind == SlotKind::Card && digits.len() <= CARD_DIGITS_FEW;
                if let Some(whole) = self.best_fill(spec, &digits, heard).filter(|_| has_more) {
                    return Pieces::Whole(whole);
                }
                let is_piece = has_more && (few || spec.kind == SlotKind::Zip);
                self.partial = is_piece.then(|| (spec.name.clone(), Pii::new(digits)));
                if is_piece { Pieces::Piece } else { Pieces::Nothing }
            }
            DigitsResult::TooFew(piece)
                if piece.expose().len() >= before.len() + PIECE_DIGITS_MIN =>
            {
                self.partial = Some((spec.name.clone(), piece));
                Pieces::Piece
            }
            DigitsResult::TooFew(_) | DigitsResult::None if !before.is_empty() => {
                self.partial = Some((spec.name.clone(), Pii::new(before)));
                Pieces::Nothing
            }
            DigitsResult::TooFew(_) | DigitsResult::TooMany(_) | DigitsResult::None => {
                Pieces::Nothing
            }
        }
    }

    /// Takes values for other slots of the task out of the same words.
    pub(super) fn fill_other_slots(&mut self, scope: &Scope, asked: &SlotSpec, text: &str) -> bool {
        if *scope != Scope::Task {
            return false;
        }
        let Some((generation, name)) = self.current_intent_owned() else { return false };
        let Some(intent) = generation.intent(&name) else { return false };
        let Some(mut task) = self.tasks.pop() else { return false };
        let before = task.slots.len();
        let hidden = |spec: &SlotSpec| {
            spec.kind == asked.kind && directed_value(intent, spec, text).flatten().is_none()
        };
        self.fill_slots(intent, &mut task, text, &|spec| {
            spec.name != asked.name && !spec.secret && !hidden(spec)
        });
        let grew = task.slots.len() > before;
        self.tasks.push(task);
        grew
    }

    /// Takes what a request gives away of the identity check: an account number, never a secret.
    pub(super) fn fill_verification(&mut self, intent: &Intent, words: &str) {
        let generation = self.generation_arc();
        let Some(name) = &intent.verify else { return };
        let Some(specs) = generation.patterns.verifications.get(name) else { return };
        let scope = Scope::Verification(name.clone());
        let context = FillContext { expectation: Asking::Volunteered, today: self.rules.today };
        for spec in specs.iter().filter(|spec| !spec.secret) {
            if self.facts.contains_key(&spec.name) {
                continue;
            }
            if let Some(filled) = best(fill(&spec.kind, words, &context)) {
                self.set_slot(&scope, spec, said(filled, 1.0));
            }
        }
    }

    pub(super) fn set_slot(&mut self, scope: &Scope, spec: &SlotSpec, value: SlotValue) {
        let needs_read_back =
            spec.read_back != ReadBack::No && value.provenance == Provenance::Said;
        self.forget_proposal(scope, &spec.name);
        if spec.secret {
            self.secrets.push(value.value.clone());
        }
        let (slots, agreed) = match scope {
            Scope::Task => match self.tasks.last_mut() {
                Some(task) => (&mut task.slots, &mut task.agreed),
                None => return,
            },
            Scope::Verification(name) => {
                let state = self.verifications.entry(name.clone()).or_default();
                (&mut state.slots, &mut state.agreed)
            }
        };
        agreed.retain(|slot| *slot != spec.name);
        if !needs_read_back {
            agreed.push(spec.name.clone());
        }
        slots.insert(spec.name.clone(), value);
    }

    pub(super) fn clear_slot(&mut self, scope: &Scope, slot: &SlotName) {
        match scope {
            Scope::Task => {
                if let Some(task) = self.tasks.last_mut() {
                    task.slots.remove(slot);
                }
            }
            Scope::Verification(name) => {
                self.verifications.entry(name.clone()).or_default().slots.remove(slot);
            }
        }
    }

    pub(super) fn slot_value(&self, scope: &Scope, slot: &SlotName) -> Option<&SlotValue> {
        match scope {
            Scope::Task => self.tasks.last()?.slots.get(slot),
            Scope::Verification(name) => self.verifications.get(name)?.slots.get(slot),
        }
    }

    pub(super) fn agree(&mut self, scope: &Scope, slot: &SlotName) {
        self.rejections.remove(slot);
        match scope {
            Scope::Task => {
                if let Some(task) = self.tasks.last_mut() {
                    task.agreed.push(slot.clone());
                }
            }
            Scope::Verification(name) => {
                let state = self.verifications.entry(name.clone()).or_default();
                state.agreed.push(slot.clone());
            }
        }
    }

    /// The caller says that what was read back is wrong. After too many times it is a person's
    /// turn, whatever else went well meanwhile; says whether it has come to that.
    pub(super) fn reject(&mut self, slot: &SlotName) -> bool {
        self.signals.failed_turns += 1;
        let rejections = self.rejections.entry(slot.clone()).or_default();
        *rejections += 1;
        if *rejections < self.rules.failures_max {
            return false;
        }
        self.say_pattern(Pattern::TooManyTries, &[]);
        self.request_person(HandoffReason::RepeatedFailure, None);
        true
    }

    pub(super) fn slot_spec(&self, scope: &Scope, slot: &SlotName) -> Option<SlotSpec> {
        let specs = match scope {
            Scope::Task => &self.current_intent()?.slots,
            Scope::Verification(name) => self.generation.patterns.verifications.get(name)?,
        };
        specs.iter().find(|spec| spec.name == *slot).cloned()
    }
}

pub(super) fn best(filled: Vec<Filled>) -> Option<Filled> {
    filled
        .into_iter()
        .filter(|filled| filled.confidence >= SURE_ENOUGH)
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

pub(super) fn said(filled: Filled, heard: f32) -> SlotValue {
    SlotValue {
        value: filled.value,
        provenance: Provenance::Said,
        confidence: filled.confidence * heard,
    }
}
