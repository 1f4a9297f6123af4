//! Slots of the task in hand and of its verification: what is said or keyed goes in here.

use std::ops::Range;

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::digits::{append, patch_value};
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{
    DigitsResult, Expectation as Asking, FillContext, Filled, YesNo, fill, fill_each,
};
use crate::nlu::{Provenance, SlotKind, SlotName, SlotValue};
use crate::prompts::{Intent, ReadBack, SlotSpec};

use super::Conversation;
use super::sharing::{Taking, Words, share_out};
use super::task::{Scope, Task};

/// Values less sure than this are no values: one of several that were named, for instance.
pub(super) const SURE_ENOUGH: f32 = 0.5;

/// A sentence that adds fewer digits than this to a number is not a piece of it.
const PIECE_DIGITS_MIN: usize = 2;

/// A card number has more digits than this; fewer are a piece of one, whatever they check to.
const CARD_DIGITS_FEW: usize = 14;

/// What a value is worth that was put right in part.
const PATCHED: f32 = 0.8;

/// What an answer gives.
pub(super) struct Answer {
    /// To the slot that was asked for.
    pub own: Option<SlotValue>,
    /// To other slots of the task.
    pub others: Vec<(SlotSpec, SlotValue)>,
}

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

    /// As [`Self::best_fill`], but of several slots of one kind ("from checking to savings",
    /// "leaving on the third") each takes its own.
    pub(super) fn best_answer(
        &self,
        scope: &Scope,
        spec: &SlotSpec,
        text: &str,
        heard: f32,
    ) -> Option<SlotValue> {
        self.shared_answer(scope, spec, text, heard, is_correction(text)).own
    }

    /// What an answer gives to the slot that was asked for, and what to others of the task. Others
    /// that are filled already take what is said to be for them; anything that fits, if the words
    /// put something right.
    pub(super) fn shared_answer(
        &self,
        scope: &Scope,
        spec: &SlotSpec,
        text: &str,
        heard: f32,
        corrects: bool,
    ) -> Answer {
        let specs = self.specs_of(scope).unwrap_or_default();
        let mut words = Words { heard, asked: Some(&spec.name), ..self.volunteered_words(text) };
        let is_text = spec.kind == SlotKind::Text;
        let taking = |other: &SlotSpec| {
            if other.name == spec.name {
                return if is_text { Taking::Nothing } else { Taking::Anything };
            }
            if *scope != Scope::Task || other.secret || other.kind == SlotKind::Text {
                return Taking::Nothing;
            }
            let may_take = corrects || !self.is_given(other);
            if may_take { Taking::Anything } else { Taking::Named }
        };
        let given = share_out(specs, &mut words, &taking).values;
        let mut own: Option<SlotValue> = None;
        let mut others: Vec<(SlotSpec, SlotValue)> = Vec::new();
        for (other, value) in given {
            if other.name == spec.name {
                own = Some(value);
            } else {
                others.push((other.clone(), value));
            }
        }
        if is_text {
            // "No, I leave on the fifth" is no answer to another question.
            let puts_right = corrects && others.iter().any(|(other, _)| self.is_given(other));
            own = (!puts_right).then(|| self.best_fill(spec, text, heard)).flatten();
            if own.is_some() && !says_more(text, &words.taken, spec) {
                others.clear();
            }
        }
        Answer { own, others }
    }

    pub(super) fn volunteered_words<'w>(&self, text: &'w str) -> Words<'w> {
        Words::volunteered(text, self.rules.today)
    }

    /// Whether the caller has given this slot of the task in hand a value.
    fn is_given(&self, spec: &SlotSpec) -> bool {
        let Some(value) = self.slot_value(&Scope::Task, &spec.name) else { return false };
        let is_default = spec.default.as_deref() == Some(value.value.expose().as_str())
            && value.confidence <= SURE_ENOUGH;
        value.provenance != Provenance::Crm && !is_default
    }

    /// Whether words give several values, and there are several slots for them.
    pub(super) fn gives_several(&self, scope: &Scope, spec: &SlotSpec, text: &str) -> bool {
        let specs = self.specs_of(scope).unwrap_or_default();
        let twins = specs.iter().filter(|other| other.kind == spec.kind).count();
        let context = FillContext { expectation: Asking::Volunteered, today: self.rules.today };
        twins > 1 && fill_each(&spec.kind, text, &context).len() > 1
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

    /// Puts values into other slots of the task in hand. Says whether anything is new.
    pub(super) fn take_others(&mut self, others: Vec<(SlotSpec, SlotValue)>) -> bool {
        let mut is_new = false;
        for (spec, value) in others {
            let before = self.slot_value(&Scope::Task, &spec.name).map(|before| &before.value);
            if before != Some(&value.value) {
                is_new = true;
                self.set_slot(&Scope::Task, &spec, value);
            }
        }
        is_new
    }

    /// Takes every value out of a request that it volunteers; gives the bytes they were read from.
    pub(super) fn fill_volunteered(
        &self,
        intent: &Intent,
        task: &mut Task,
        words: &str,
    ) -> Vec<Range<usize>> {
        let mut words = self.volunteered_words(words);
        for (spec, value) in share_out(&intent.slots, &mut words, &unless_secret).values {
            task.slots.insert(spec.name.clone(), value);
            if spec.read_back == ReadBack::No {
                task.agreed.push(spec.name.clone());
            }
        }
        words.taken
    }

    /// Takes what a request gives away of the identity check: an account number, never a secret.
    /// What has filled a slot of the task is none of it.
    pub(super) fn fill_verification(
        &mut self,
        intent: &Intent,
        words: &str,
        taken: Vec<Range<usize>>,
    ) {
        let generation = self.generation_arc();
        let Some(name) = &intent.verify else { return };
        let Some(specs) = generation.patterns.verifications.get(name) else { return };
        let scope = Scope::Verification(name.clone());
        let mut words = Words { taken, ..self.volunteered_words(words) };
        for (spec, value) in share_out(specs, &mut words, &unless_secret).values {
            if !self.facts.contains_key(&spec.name) {
                self.set_slot(&scope, spec, value);
            }
        }
    }

    pub(super) fn set_slot(&mut self, scope: &Scope, spec: &SlotSpec, value: SlotValue) {
        let needs_read_back =
            spec.read_back != ReadBack::No && value.provenance == Provenance::Said;
        self.forget_proposal(scope, &spec.name);
        // Whatever held the task up, the caller has an answer now.
        if let Some(task) = self.tasks.last_mut() {
            task.is_held_up = false;
        }
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
        self.give_up(HandoffReason::RepeatedFailure);
        true
    }

    pub(super) fn slot_spec(&self, scope: &Scope, slot: &SlotName) -> Option<SlotSpec> {
        self.specs_of(scope)?.iter().find(|spec| spec.name == *slot).cloned()
    }

    fn specs_of(&self, scope: &Scope) -> Option<&[SlotSpec]> {
        match scope {
            Scope::Task => self.current_intent().map(|intent| intent.slots.as_slice()),
            Scope::Verification(name) => {
                self.generation.patterns.verifications.get(name).map(Vec::as_slice)
            }
        }
    }
}

/// Whether words put something right that was said before.
pub(super) fn is_correction(text: &str) -> bool {
    const WORDS: &[&str] = &["actually", "correction", "instead", "rather", "meant"];
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    matches!(parse_yes_no(text), YesNo::NoWith(_))
        || words.any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether free text says more than the values that other slots take out of it: "Spain, on the
/// third", and not "on the third".
fn says_more(text: &str, taken: &[Range<usize>], spec: &SlotSpec) -> bool {
    const SMALL: &[&str] = &[
        "a", "an", "the", "on", "in", "at", "of", "from", "to", "by", "until", "till", "around",
        "about", "maybe", "probably", "and", "i", "i'm", "i'll", "it", "it's", "is", "that's",
        "we", "we're", "be", "um", "uh", "so", "well", "then", "please", "no", "yes",
    ];
    let mut rest = text.as_bytes().to_vec();
    for place in taken {
        if let Some(bytes) = rest.get_mut(place.clone()) {
            bytes.fill(b' ');
        }
    }
    let rest = String::from_utf8_lossy(&rest).to_lowercase();
    let mut words = rest.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    words.any(|word| {
        let is_name = spec.name.as_str().split('_').any(|part| part == word);
        !word.is_empty() && !SMALL.contains(&word) && !is_name
    })
}

/// Secrets are never taken from what nobody asked for.
pub(super) fn unless_secret(spec: &SlotSpec) -> Taking {
    if spec.secret { Taking::Nothing } else { Taking::Anything }
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
