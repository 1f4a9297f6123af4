//! What comes next in a task: verify, ask, read back, confirm, act.

use std::collections::BTreeMap;

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::{Provenance, SlotKind, SlotName, SlotValue};
use crate::prompts::{
    ActionName, Part, Pattern, ReadBack, SlotSpec, Template, VarFormat, VerificationName,
};

use super::request::yes_no;
use super::task::{Purpose, Scope, Stage, VerificationOutcome, VerificationState};
use super::{ActionReport, Conversation, DialogAct, Expectation, Expected};

impl Conversation {
    /// Does the next thing that the task in hand needs.
    pub(super) fn advance(&mut self) {
        let generation = self.generation_arc();
        let Some(intent) =
            self.tasks.last().and_then(|task| generation.intent(&task.intent)).cloned()
        else {
            return self.listen_open(false);
        };
        if let Some(name) = &intent.verify
            && !self.is_verified(name)
        {
            return self.advance_verification(name.clone());
        }
        self.fill_known(&Scope::Task, &intent.slots);
        if self.ask_next_slot(&Scope::Task, &intent.slots) {
            return;
        }
        let confirmed = self.tasks.last().is_some_and(|task| task.confirmed);
        if !intent.confirm.is_empty() && !confirmed {
            return self.ask_confirmation();
        }
        match &intent.action {
            Some(action) => self.run_action(action.clone(), Purpose::Task),
            None => self.finish_speaking_task(&intent),
        }
    }

    fn is_verified(&self, name: &VerificationName) -> bool {
        self.verifications
            .get(name)
            .is_some_and(|state| state.outcome == VerificationOutcome::Passed)
    }

    fn advance_verification(&mut self, name: VerificationName) {
        let generation = self.generation_arc();
        let (Some(specs), Some(rule)) = (
            generation.patterns.verifications.get(&name),
            self.rules.verifications.get(&name).cloned(),
        ) else {
            // The linter refuses such a tree; a person is better than a dead end.
            self.out_of_place += 1;
            return self.request_person(HandoffReason::Outage, None);
        };
        if self.is_locked(&name, rule.attempts_max) {
            self.say_pattern(Pattern::VerifyFailed, &[]);
            return self.request_person(HandoffReason::RepeatedFailure, None);
        }
        let scope = Scope::Verification(name.clone());
        self.volunteer_to_verification(&name, specs);
        self.fill_known(&scope, specs);
        if self.ask_next_slot(&scope, specs) {
            return;
        }
        self.run_action(rule.action, Purpose::Verification(name));
    }

    /// Whether this call has used up its tries to prove who is calling. A check that failed locks
    /// the others as well: they would be so many more guesses.
    fn is_locked(&self, name: &VerificationName, attempts_max: u32) -> bool {
        let used_up = self.verifications.get(name).is_some_and(|state| state.tries >= attempts_max);
        let failed = |state: &VerificationState| state.outcome == VerificationOutcome::Failed;
        used_up || self.verifications.values().any(failed)
    }

    /// An account number that came with the request need not be asked for again.
    fn volunteer_to_verification(&mut self, name: &VerificationName, specs: &[SlotSpec]) {
        let Some(task) = self.tasks.last() else { return };
        let found: Vec<_> = specs
            .iter()
            .filter(|spec| !spec.secret)
            .filter_map(|spec| Some((spec.name.clone(), task.slots.get(&spec.name)?.clone())))
            .collect();
        let state = self.verifications.entry(name.clone()).or_default();
        if state.tries == 0 {
            for (slot, value) in found {
                state.slots.entry(slot).or_insert(value);
            }
        }
    }

    /// Fills what is known without asking: facts of this call, the CRM's record, defaults.
    fn fill_known(&mut self, scope: &Scope, specs: &[SlotSpec]) {
        for spec in specs {
            if self.slot_value(scope, &spec.name).is_some() {
                continue;
            }
            let known = self.facts.get(&spec.name).cloned();
            let of_caller = || {
                let field = spec.from_caller.as_deref()?;
                let value = self.caller.get(field)?.clone();
                Some(SlotValue { value, provenance: Provenance::Crm, confidence: 1.0 })
            };
            let by_default = || {
                let value = Pii::new(spec.default.clone()?);
                Some(SlotValue { value, provenance: Provenance::Said, confidence: 0.5 })
            };
            let is_default = known.is_none() && of_caller().is_none();
            if let Some(value) = known.or_else(of_caller).or_else(by_default) {
                self.set_slot(scope, spec, value);
                if is_default {
                    self.agree(scope, &spec.name);
                }
            }
        }
    }

    fn is_agreed(&self, scope: &Scope, slot: &SlotName) -> bool {
        match scope {
            Scope::Task => self.tasks.last().is_some_and(|task| task.agreed.contains(slot)),
            Scope::Verification(name) => {
                self.verifications.get(name).is_some_and(|state| state.agreed.contains(slot))
            }
        }
    }

    /// Asks for, or reads back, the first slot that needs it. Says whether there was one.
    fn ask_next_slot(&mut self, scope: &Scope, specs: &[SlotSpec]) -> bool {
        for spec in specs {
            if self.slot_value(scope, &spec.name).is_none() {
                self.ask_slot(scope.clone(), spec, 0);
                return true;
            }
            if self.needs_lookup(scope, spec) {
                self.look_up(scope, spec);
                return true;
            }
            let wants_yes = spec.read_back != ReadBack::No && !self.is_agreed(scope, &spec.name);
            if wants_yes || self.proposal(scope, &spec.name).is_some() {
                self.read_back(scope.clone(), spec);
                return true;
            }
        }
        false
    }

    pub(super) fn ask_slot(&mut self, scope: Scope, spec: &SlotSpec, tries: u32) {
        let (place, variants) = if tries == 0 || spec.again.is_empty() {
            ("ask", &spec.ask)
        } else {
            ("again", &spec.again)
        };
        self.say_variant(&format!("{place} {}", spec.name), variants, &BTreeMap::new());
        self.stage = Stage::Ask { scope, slot: spec.name.clone(), tries };
        self.listen(Expectation {
            patient: spec.patient,
            secret: spec.secret,
            keys_max: spec.keypad.then(|| keys_max(&spec.kind)),
            ..Expectation::of(Expected::Slot(spec.kind.clone()))
        });
    }

    pub(super) fn read_back(&mut self, scope: Scope, spec: &SlotSpec) {
        let Some(value) = self.value_to_read_back(&scope, &spec.name) else { return };
        let spoken = spoken_value(spec, value.expose());
        let values = [("value", spoken)];
        if self.proposal(&scope, &spec.name).is_some() {
            self.say_pattern_hidden(Pattern::ReadBack, &values);
        } else {
            self.say_pattern(Pattern::ReadBack, &values);
        }
        self.stage = Stage::ReadBack { scope, slot: spec.name.clone() };
        // The right value may be keyed in place of an answer.
        let keys_max = if spec.keypad { keys_max(&spec.kind) } else { 1 };
        // A yes takes no patience, whatever the value took.
        self.listen(Expectation { secret: spec.secret, keys_max: Some(keys_max), ..yes_no() });
    }

    /// A name of the records that is to be agreed to, or else the slot's value.
    pub(super) fn value_to_read_back(&self, scope: &Scope, slot: &SlotName) -> Option<Pii<String>> {
        let value = self.slot_value(scope, slot).map(|value| &value.value);
        self.proposal(scope, slot).or(value).cloned()
    }

    pub(super) fn ask_confirmation(&mut self) {
        let generation = self.generation_arc();
        let Some(intent) = self.tasks.last().and_then(|task| generation.intent(&task.intent))
        else {
            return self.listen_open(false);
        };
        self.say_variant(&format!("confirm {}", intent.name), &intent.confirm, &BTreeMap::new());
        let asked = self
            .speaker
            .since_listen
            .last()
            .is_some_and(|phrase| phrase.text.expose().trim_end().ends_with('?'));
        if !asked {
            self.say_pattern(Pattern::ConfirmQuestion, &[]);
        }
        self.stage = Stage::Confirm;
        self.listen(yes_no());
    }

    pub(super) fn run_action(&mut self, action: ActionName, purpose: Purpose) {
        let inputs = self.inputs_of(&action, &purpose.scope());
        let run = self.next_run;
        self.next_run = run.next();
        self.actions.push(ActionReport {
            run,
            action: action.clone(),
            result: "started".to_owned(),
        });
        self.stage = Stage::Acting { run, purpose };
        self.acts.push(DialogAct::RunAction { run, action, inputs });
    }

    /// What is known of an action's inputs.
    pub(super) fn inputs_of(
        &self,
        action: &ActionName,
        scope: &Scope,
    ) -> BTreeMap<String, Pii<String>> {
        let names = self.rules.action_inputs.get(action).cloned().unwrap_or_default();
        names
            .into_iter()
            .filter_map(|name| {
                let slot = SlotName::new(name.as_str());
                let value = self
                    .slot_value(scope, &slot)
                    .or_else(|| self.facts.get(&slot))
                    .map(|value| value.value.clone())
                    .or_else(|| self.caller.get(&name).cloned())?;
                Some((name, value))
            })
            .collect()
    }
}

/// How many keys fill a slot of this kind.
fn keys_max(kind: &SlotKind) -> usize {
    match kind {
        SlotKind::Digits { max, .. } => *max,
        SlotKind::OneOf(_) => 1,
        SlotKind::Date => 8,
        SlotKind::Time => 4,
        SlotKind::Phone => 15,
        SlotKind::Zip => 9,
        SlotKind::Card => 19,
        SlotKind::Money
        | SlotKind::Postcode
        | SlotKind::Name
        | SlotKind::Email
        | SlotKind::Text => 12,
    }
}

/// A value as it is read back.
pub(super) fn spoken_value(spec: &SlotSpec, value: &str) -> String {
    let format = match (spec.read_back, &spec.kind) {
        // Whatever the file says: nobody hears more of a card's number.
        (_, SlotKind::Card) => VarFormat::Last4,
        (ReadBack::InPairs, _) => VarFormat::Pairs,
        (_, SlotKind::Digits { .. }) => VarFormat::Digits,
        (ReadBack::OneByOne, _) | (_, SlotKind::Zip | SlotKind::Postcode) => VarFormat::Spelled,
        (_, SlotKind::Money) => VarFormat::Money,
        (_, SlotKind::Date) => VarFormat::Date,
        (_, SlotKind::Time) => VarFormat::Time,
        (_, SlotKind::Phone) => VarFormat::Phone,
        (_, SlotKind::Email) => VarFormat::Email,
        (_, SlotKind::Name | SlotKind::OneOf(_) | SlotKind::Text) => VarFormat::Plain,
    };
    let var = |format| Part::Var { name: "value".to_owned(), format };
    let mut parts = vec![var(format)];
    match (format, &spec.kind) {
        (VarFormat::Last4, _) => parts.insert(0, Part::Text("the card ending in ".to_owned())),
        // The name by itself does not tell how it is written.
        (VarFormat::Plain, SlotKind::Name) => {
            parts.extend([Part::Text(", ".to_owned()), var(VarFormat::Spelled)]);
        }
        _ => {}
    }
    let template = Template { parts, line: 0 };
    let unsaid = || if spec.kind == SlotKind::Card { String::new() } else { value.to_owned() };
    template.render(&|_| Some(value.to_owned())).unwrap_or_else(|_| unsaid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::spoken::Cues;

    #[test]
    fn values_are_read_back_as_they_are_said() {
        let digits = SlotKind::Digits { min: 8, max: 8 };
        for (kind, read_back, value, expected) in [
            (&digits, ReadBack::InPairs, "12345678", "1 2, 3 4, 5 6, 7 8"),
            (&digits, ReadBack::Plain, "12345678", "1 2 3 4 5 6 7 8"),
            (&SlotKind::Money, ReadBack::Plain, "120.50", "$120.50"),
            (&SlotKind::Time, ReadBack::Plain, "14:30", "2:30 pm"),
            (&SlotKind::Phone, ReadBack::Plain, "+14155550123", "4 1 5, 5 5 5, 0 1 2 3"),
            (&SlotKind::Zip, ReadBack::Plain, "94103", "9 4 1 0 3"),
            (&SlotKind::Postcode, ReadBack::Plain, "SW1A 1AA", "S W 1 A, 1 A A"),
            (&SlotKind::Name, ReadBack::Plain, "Smith", "Smith, S M I T H"),
            (&SlotKind::Name, ReadBack::OneByOne, "Smith", "S M I T H"),
            (&SlotKind::Email, ReadBack::Plain, "jon@x-y.com", "jon at X dash Y dot com"),
            (&SlotKind::Card, ReadBack::Plain, "4111111111111111", "the card ending in 1 1 1 1"),
            (&SlotKind::Card, ReadBack::OneByOne, "banana", ""),
            (&SlotKind::Text, ReadBack::Plain, "It is broken.", "It is broken."),
        ] {
            let spec = SlotSpec {
                name: SlotName::new("value"),
                kind: kind.clone(),
                keypad: false,
                patient: false,
                secret: *kind == SlotKind::Card,
                default: None,
                ask: Vec::new(),
                again: Vec::new(),
                read_back,
                from_caller: None,
                check_against: None,
                cues: Cues::default(),
            };
            assert_eq!(spoken_value(&spec, value), expected, "{value}");
        }
    }
}
