//! What keys mean: 0 by itself is a person, 1 and 2 are yes and no, and where a value is asked for
//! that can be keyed, keys are the value. Elsewhere they are not understood.

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::{KeyedYesNo, KeysResult, spoken_keys};
use crate::nlu::{Provenance, SlotName, SlotValue, Understanding};
use crate::prompts::{Pattern, SlotSpec};

use super::Conversation;
use super::task::{Scope, Stage};

impl Conversation {
    pub(super) fn on_keyed(&mut self, keys: &Pii<String>, before_question: bool) {
        match self.stage {
            Stage::Over
            | Stage::HandingOff { .. }
            | Stage::PuttingThrough
            | Stage::BookingCallback
            | Stage::WithAgent => {
                self.out_of_place += 1;
                return;
            }
            Stage::Acting { .. } => {
                self.wants_person |= keys.expose() == "0";
                return;
            }
            _ => {}
        }
        self.heard_anything = true;
        self.silences = 0;
        let slot = match self.stage.clone() {
            Stage::Ask { scope, slot, .. } => {
                self.slot_spec(&scope, &slot).map(|spec| (scope, spec))
            }
            _ => None,
        };
        if let Some((scope, spec)) = slot.filter(|(_, spec)| spec.keypad) {
            return self.on_keyed_value(scope, &spec, keys.expose());
        }
        if keys.expose() == "0" {
            return self.request_person(HandoffReason::Asked, None);
        }
        match self.stage.clone() {
            Stage::KeypadMenu => self.request_person(HandoffReason::Outage, None),
            Stage::ReadBack { scope, slot } if keys.expose().len() > 1 => {
                self.on_keyed_correction(scope, &slot, keys.expose());
            }
            Stage::WhichName { scope, slot, first, second } => {
                self.on_which_key((scope, slot), [first, second], keys.expose());
            }
            Stage::WhichSlot { slots, value } => {
                let index = match keys.expose().as_str() {
                    "1" => 0,
                    "2" => 1,
                    _ => return self.on_no_match(),
                };
                match slots.get(index) {
                    Some(slot) => self.put_right(slot.clone(), value),
                    None => self.on_no_match(),
                }
            }
            Stage::MayRecord
            | Stage::AboutTicket
            | Stage::ReadBack { .. }
            | Stage::Confirm
            | Stage::ConfirmIntent { .. }
            | Stage::QuestionAnswered
            | Stage::OfferPerson { .. }
            | Stage::OfferCallback => {
                let words = match keys.expose().chars().next().and_then(KeyedYesNo::from_key) {
                    Some(KeyedYesNo::Yes) => "yes",
                    Some(KeyedYesNo::No) => "no",
                    None => return self.on_no_match(),
                };
                let none = Understanding::of(Vec::new(), 0.0);
                self.on_heard(Pii::new(words.to_owned()), 1.0, none, before_question);
            }
            _ => self.on_no_match(),
        }
    }

    fn on_keyed_value(&mut self, scope: Scope, spec: &SlotSpec, keys: &str) {
        let before = match self.partial.take() {
            Some((slot, digits)) if slot == spec.name => digits.into_inner(),
            _ => String::new(),
        };
        if keys == "0" && before.is_empty() {
            return self.request_person(HandoffReason::Asked, None);
        }
        // The caller has finished, with `#` or without.
        match spoken_keys(&format!("{before}{keys}#"), &spec.kind) {
            KeysResult::Complete(value) => {
                self.progress();
                self.set_slot(&scope, spec, keyed(value));
                self.advance();
            }
            _ if self.keep_keyed_piece(spec, &before, keys) => {
                self.say_pattern(Pattern::GoOn, &[]);
                self.listen_again();
            }
            KeysResult::Incomplete(_) | KeysResult::Invalid => {
                match self.keyed_ahead(&scope, spec, &format!("{before}{keys}")) {
                    Some((own, next, rest)) => {
                        self.progress();
                        self.set_slot(&scope, spec, keyed(own));
                        self.on_keyed_value(scope, &next, rest.expose());
                    }
                    None => self.on_no_match(),
                }
            }
        }
    }

    /// An identity check's number with the next one keyed in one go, by somebody who knows what
    /// comes: both, if their lengths leave no doubt.
    fn keyed_ahead(
        &self,
        scope: &Scope,
        spec: &SlotSpec,
        keys: &str,
    ) -> Option<(Pii<String>, SlotSpec, Pii<String>)> {
        let Scope::Verification(name) = scope else { return None };
        let exact = |spec: &SlotSpec| {
            spec.kind
                .digit_counts()
                .and_then(|(min, max)| (spec.keypad && min == max).then_some(min))
        };
        let specs = self.generation.patterns.verifications.get(name)?;
        let behind = specs.iter().skip_while(|other| other.name != spec.name).skip(1);
        let next = behind.into_iter().find(|next| self.slot_value(scope, &next.name).is_none())?;
        let (own, rest) = keys.split_at_checked(exact(spec)?)?;
        let fits = keys.bytes().all(|key| key.is_ascii_digit()) && rest.len() == exact(next)?;
        fits.then(|| (Pii::new(own.to_owned()), next.clone(), Pii::new(rest.to_owned())))
    }

    /// Keys that stopped short of the number: the rest may follow, keyed or said.
    fn keep_keyed_piece(&mut self, spec: &SlotSpec, before: &str, keys: &str) -> bool {
        let Some((min, _)) = spec.kind.digit_counts() else { return false };
        let keys = keys.rsplit('*').next().unwrap_or(keys);
        let piece = format!("{before}{keys}");
        let more = !keys.is_empty() && piece.len() < min;
        if more {
            self.partial = Some((spec.name.clone(), Pii::new(piece)));
        }
        more
    }

    /// The right value keyed in place of an answer to the read-back.
    fn on_keyed_correction(&mut self, scope: Scope, slot: &SlotName, keys: &str) {
        let Some(spec) = self.slot_spec(&scope, slot) else { return self.advance() };
        match spoken_keys(&format!("{keys}#"), &spec.kind) {
            KeysResult::Complete(value) => {
                self.progress();
                self.set_slot(&scope, &spec, keyed(value));
                self.advance();
            }
            KeysResult::Incomplete(_) | KeysResult::Invalid => self.on_no_match(),
        }
    }
}

fn keyed(value: Pii<String>) -> SlotValue {
    SlotValue { value, provenance: Provenance::Keyed, confidence: 1.0 }
}
