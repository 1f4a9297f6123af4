//! From words or keys to an answer: what the caller meant by it depends on what was asked.

use std::sync::Arc;

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::commands::parse as parse_command;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{
    Expectation as Asking, FillContext, Filled, GlobalCommand, GlobalPhrases, KeyedYesNo,
    KeysResult, YesNo, fill, spoken_keys,
};
use crate::nlu::{Provenance, SlotKind, SlotName, SlotValue, Understanding};
use crate::prompts::{Pattern, ReadBack, SlotSpec};

use super::request::yes_no;
use super::task::{Scope, Stage};
use super::{Conversation, Expectation, Expected};

/// A caller who asks us to hold on is given this many times the usual silence.
const HOLD_ON_SILENCE_FACTOR: u32 = 5;

impl Conversation {
    pub(super) fn on_heard(
        &mut self,
        text: Pii<String>,
        confidence: f32,
        understanding: Understanding,
    ) {
        if matches!(self.stage, Stage::Over | Stage::HandingOff | Stage::Acting { .. }) {
            self.out_of_place += 1;
            return;
        }
        self.silences = 0;
        if text.expose().trim().is_empty() {
            return self.on_no_match();
        }
        self.heard_anything = true;
        if let Some(command) = self.command_in(text.expose()) {
            return self.on_command(command);
        }
        match self.stage.clone() {
            Stage::Open { anything_else } => self.on_open(anything_else, text, &understanding),
            Stage::ConfirmIntent { intent, confidence, words } => {
                match parse_yes_no(text.expose()) {
                    YesNo::Yes => self.start_task(intent, confidence, words),
                    YesNo::No => {
                        self.signals.failed_turns += 1;
                        self.say_pattern(Pattern::NoMatch, &[]);
                        self.listen_open(false);
                    }
                    _ => self.on_request(text, &understanding),
                }
            }
            Stage::Clarify { first, second, words } => {
                let favoured = understanding
                    .intents
                    .iter()
                    .find(|scored| scored.intent == first || scored.intent == second)
                    .cloned();
                match favoured {
                    Some(scored) if scored.confidence >= self.rules.policy.confirm => {
                        self.start_task(scored.intent, scored.confidence, words);
                    }
                    _ => self.on_request(text, &understanding),
                }
            }
            Stage::Ask { scope, slot, .. } => {
                self.on_slot_answer(scope, slot, text, confidence, &understanding);
            }
            Stage::ReadBack { scope, slot } => self.on_read_back(scope, slot, text, confidence),
            Stage::Confirm => self.on_confirm(text),
            Stage::OfferPerson { reason } => self.on_offer_answer(reason, text, &understanding),
            Stage::KeypadMenu => self.on_no_match(),
            Stage::Over | Stage::HandingOff | Stage::Acting { .. } => {}
        }
    }

    fn command_in(&self, text: &str) -> Option<GlobalCommand> {
        let words = &self.generation.house.global_words;
        parse_command(
            text,
            &GlobalPhrases {
                agent: &words.agent,
                repeat: &words.repeat,
                stop: &words.stop,
                goodbye: &words.goodbye,
            },
        )
    }

    fn on_command(&mut self, command: GlobalCommand) {
        self.failures = 0;
        match command {
            GlobalCommand::Agent => self.request_person(HandoffReason::Asked, None),
            GlobalCommand::Repeat | GlobalCommand::Slower => self.repeat_last(),
            GlobalCommand::Stop => self.on_stop(),
            GlobalCommand::Goodbye => self.say_goodbye("the caller said goodbye"),
            GlobalCommand::HoldOn => {
                self.say_pattern(Pattern::HoldOn, &[]);
                let mut expectation = self
                    .speaker
                    .expectation
                    .clone()
                    .unwrap_or_else(|| Expectation::of(Expected::Request));
                expectation.silence_factor = HOLD_ON_SILENCE_FACTOR;
                // "Repeat" after a pause should repeat the question, not "take your time".
                self.speaker.since_listen.clear();
                self.listen(expectation);
            }
            GlobalCommand::Help => self.ask_again(),
            GlobalCommand::StartOver => match self.tasks.pop() {
                Some(task) => self.start_task(task.intent, task.confidence, Pii::default()),
                None => self.ask_again(),
            },
        }
    }

    fn on_stop(&mut self) {
        let had_task = self.tasks.pop().is_some();
        if had_task || !matches!(self.stage, Stage::Open { .. }) {
            self.tasks.clear();
            self.say_pattern(Pattern::Cancelled, &[]);
        }
        self.say_pattern(Pattern::AnythingElse, &[]);
        self.listen_open(true);
    }

    fn on_open(&mut self, anything_else: bool, text: Pii<String>, understanding: &Understanding) {
        if anything_else {
            match parse_yes_no(text.expose()) {
                YesNo::No => return self.say_goodbye("the caller needed nothing more"),
                YesNo::Yes if text.expose().split_whitespace().count() <= 2 => {
                    self.say_pattern(Pattern::AnythingElse, &[]);
                    return self.listen_open(false);
                }
                _ => {}
            }
        }
        self.on_request(text, understanding);
    }

    fn on_slot_answer(
        &mut self,
        scope: Scope,
        slot: SlotName,
        text: Pii<String>,
        confidence: f32,
        understanding: &Understanding,
    ) {
        let Some(spec) = self.slot_spec(&scope, &slot) else {
            self.out_of_place += 1;
            return self.advance();
        };
        let best = self.best_fill(&spec, text.expose(), confidence);
        let others = self.fill_other_slots(&scope, &spec, text.expose());
        if let Some(value) = best {
            self.progress();
            self.set_slot(&scope, &spec, value);
            return self.advance();
        }
        if others {
            self.progress();
            return self.advance();
        }
        if let Some(intent) = self.digression(understanding, text.expose()) {
            return self.on_request_as(intent, text, understanding);
        }
        self.on_no_match();
    }

    /// Another thing the caller clearly asks for in place of an answer.
    fn digression(&self, understanding: &Understanding, text: &str) -> Option<usize> {
        const WORDS_MIN: usize = 3;
        let top = understanding.top()?;
        let same = self.tasks.last().is_some_and(|task| task.intent == top.intent);
        let sure = top.confidence >= self.rules.policy.accept && !understanding.is_out_of_scope();
        (sure && !same && text.split_whitespace().count() >= WORDS_MIN).then_some(0)
    }

    fn on_request_as(&mut self, index: usize, text: Pii<String>, understanding: &Understanding) {
        if let Some(scored) = understanding.intents.get(index) {
            self.start_task(scored.intent.clone(), scored.confidence, text);
        }
    }

    fn on_read_back(&mut self, scope: Scope, slot: SlotName, text: Pii<String>, confidence: f32) {
        let Some(spec) = self.slot_spec(&scope, &slot) else { return self.advance() };
        let answer = parse_yes_no(text.expose());
        let correction = match &answer {
            YesNo::Yes => None,
            YesNo::No => None,
            YesNo::NoWith(rest) | YesNo::YesBut(rest) => {
                self.best_fill(&spec, rest.expose(), confidence)
            }
            YesNo::Unclear => self.best_fill(&spec, text.expose(), confidence),
        };
        match (answer, correction) {
            (YesNo::Yes, _) => {
                self.progress();
                self.agree(&scope, &slot);
                self.advance();
            }
            (_, Some(value)) => {
                self.progress();
                self.say_pattern(Pattern::Corrected, &[]);
                self.set_slot(&scope, &spec, value);
                self.advance();
            }
            (YesNo::No | YesNo::NoWith(_), None) => {
                self.clear_slot(&scope, &slot);
                self.signals.failed_turns += 1;
                self.failures += 1;
                if self.failures >= self.rules.failures_max {
                    self.say_pattern(Pattern::TooManyTries, &[]);
                    return self.request_person(HandoffReason::RepeatedFailure, None);
                }
                self.ask_slot(scope, &spec, 1);
            }
            _ => self.on_no_match(),
        }
    }

    fn on_confirm(&mut self, text: Pii<String>) {
        let answer = parse_yes_no(text.expose());
        if answer == YesNo::Yes {
            self.progress();
            if let Some(task) = self.tasks.last_mut() {
                task.confirmed = true;
            }
            return self.advance();
        }
        let correction = match &answer {
            YesNo::NoWith(rest) | YesNo::YesBut(rest) => rest.expose().clone(),
            _ => text.expose().clone(),
        };
        if answer != YesNo::No && self.correct_task(&correction) {
            self.progress();
            self.say_pattern(Pattern::Corrected, &[]);
            return self.advance();
        }
        match answer {
            YesNo::No | YesNo::NoWith(_) => {
                self.tasks.pop();
                self.say_pattern(Pattern::Cancelled, &[]);
                self.after_task(false);
            }
            _ => self.on_no_match(),
        }
    }

    fn on_offer_answer(
        &mut self,
        reason: HandoffReason,
        text: Pii<String>,
        understanding: &Understanding,
    ) {
        let other_request = self.digression(understanding, text.expose());
        match parse_yes_no(text.expose()) {
            YesNo::YesBut(_) if other_request.is_some() => {
                self.tasks.clear();
                self.on_request(text, understanding);
            }
            YesNo::Yes | YesNo::YesBut(_) => self.request_person(reason, None),
            YesNo::No | YesNo::NoWith(_) => {
                self.tasks.clear();
                self.say_pattern(Pattern::AnythingElse, &[]);
                self.listen_open(true);
            }
            // "Call me back", "put me through": an answer to the offer, and no other request.
            YesNo::Unclear => match self.digression(understanding, text.expose()) {
                Some(index) => {
                    self.tasks.clear();
                    self.on_request_as(index, text, understanding);
                }
                None => self.request_person(reason, None),
            },
        }
    }

    pub(super) fn on_keyed(&mut self, keys: &Pii<String>) {
        if matches!(self.stage, Stage::Over | Stage::HandingOff | Stage::Acting { .. }) {
            self.out_of_place += 1;
            return;
        }
        self.heard_anything = true;
        self.silences = 0;
        let stage = self.stage.clone();
        let is_slot = matches!(stage, Stage::Ask { .. });
        if keys.expose() == "0" && !is_slot {
            return self.request_person(HandoffReason::Asked, None);
        }
        match stage {
            Stage::KeypadMenu => self.request_person(HandoffReason::Outage, None),
            Stage::Ask { scope, slot, .. } => {
                let Some(spec) = self.slot_spec(&scope, &slot) else { return self.advance() };
                // The caller has finished, with `#` or without.
                match spoken_keys(&format!("{}#", keys.expose()), &spec.kind) {
                    KeysResult::Complete(value) => {
                        self.progress();
                        let value =
                            SlotValue { value, provenance: Provenance::Keyed, confidence: 1.0 };
                        self.set_slot(&scope, &spec, value);
                        self.advance();
                    }
                    KeysResult::Incomplete(_) | KeysResult::Invalid => self.on_no_match(),
                }
            }
            Stage::ReadBack { .. }
            | Stage::Confirm
            | Stage::ConfirmIntent { .. }
            | Stage::OfferPerson { .. } => {
                let words = match keys.expose().chars().next().and_then(KeyedYesNo::from_key) {
                    Some(KeyedYesNo::Yes) => "yes",
                    Some(KeyedYesNo::No) => "no",
                    None => return self.on_no_match(),
                };
                let none = Understanding { intents: Vec::new(), out_of_scope: 0.0 };
                self.on_heard(Pii::new(words.to_owned()), 1.0, none);
            }
            _ => self.on_no_match(),
        }
    }

    /// The most confident value for this slot, as the answer to its question.
    fn best_fill(&self, spec: &SlotSpec, text: &str, heard: f32) -> Option<SlotValue> {
        let context = FillContext { expectation: Asking::Asked, today: self.rules.today };
        best(fill(&spec.kind, text, &context)).map(|filled| said(filled, heard))
    }

    /// Takes values for other slots of the task out of the same words.
    fn fill_other_slots(&mut self, scope: &Scope, asked: &SlotSpec, text: &str) -> bool {
        if *scope != Scope::Task {
            return false;
        }
        let Some((generation, name)) = self.current_intent_owned() else { return false };
        let Some(intent) = generation.intent(&name) else { return false };
        let Some(mut task) = self.tasks.pop() else { return false };
        let before = task.slots.len();
        let same_kind_hidden = |spec: &SlotSpec| spec.kind == asked.kind;
        self.fill_slots(intent, &mut task, text, &|spec| {
            spec.name != asked.name && !same_kind_hidden(spec)
        });
        let grew = task.slots.len() > before;
        self.tasks.push(task);
        grew
    }

    /// "No, savings": puts new values in place of old ones. Says whether anything changed.
    fn correct_task(&mut self, text: &str) -> bool {
        let Some((generation, name)) = self.current_intent_owned() else { return false };
        let Some(intent) = generation.intent(&name) else { return false };
        let Some(mut task) = self.tasks.pop() else { return false };
        let before = task.slots.clone();
        let mut corrected = task.clone();
        corrected.slots.clear();
        self.fill_slots(intent, &mut corrected, text, &|spec| !spec.secret);
        if corrected.slots.is_empty() {
            // Not in so many words ("sixty"): the one slot that takes it as an answer.
            let mut fits = intent.slots.iter().filter(|spec| !spec.secret).filter_map(|spec| {
                if matches!(spec.kind, SlotKind::Text) {
                    return None;
                }
                Some((spec.name.clone(), self.best_fill(spec, text, 1.0)?))
            });
            if let (Some((slot, value)), None) = (fits.next(), fits.next()) {
                corrected.slots.insert(slot, value);
            }
        }
        task.slots.extend(corrected.slots);
        let changed = task
            .slots
            .iter()
            .any(|(slot, value)| before.get(slot).is_none_or(|old| old.value != value.value));
        task.confirmed = false;
        self.tasks.push(task);
        changed
    }

    pub(super) fn set_slot(&mut self, scope: &Scope, spec: &SlotSpec, value: SlotValue) {
        let needs_read_back =
            spec.read_back != ReadBack::No && value.provenance == Provenance::Said;
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

    fn clear_slot(&mut self, scope: &Scope, slot: &SlotName) {
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

    fn agree(&mut self, scope: &Scope, slot: &SlotName) {
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

    pub(super) fn slot_spec(&self, scope: &Scope, slot: &SlotName) -> Option<SlotSpec> {
        let specs = match scope {
            Scope::Task => &self.current_intent()?.slots,
            Scope::Verification(name) => self.generation.patterns.verifications.get(name)?,
        };
        specs.iter().find(|spec| spec.name == *slot).cloned()
    }

    /// Asks the present question once more, in other words where there are some.
    pub(super) fn ask_again(&mut self) {
        match self.stage.clone() {
            Stage::Ask { scope, slot, tries } => {
                if let Some(spec) = self.slot_spec(&scope, &slot) {
                    return self.ask_slot(scope, &spec, tries + 1);
                }
            }
            Stage::ReadBack { scope, slot } => {
                if let Some(spec) = self.slot_spec(&scope, &slot) {
                    return self.read_back(scope, &spec);
                }
            }
            Stage::Confirm => return self.ask_confirmation(),
            Stage::ConfirmIntent { .. } | Stage::OfferPerson { .. } => {
                return self.listen(yes_no());
            }
            _ => {}
        }
        if let Some(expectation) = self.speaker.expectation.clone() {
            self.listen(expectation);
        }
    }

    pub(super) fn generation_arc(&self) -> Arc<crate::prompts::Generation> {
        Arc::clone(&self.generation)
    }
}

pub(super) fn best(filled: Vec<Filled>) -> Option<Filled> {
    filled.into_iter().max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

pub(super) fn said(filled: Filled, heard: f32) -> SlotValue {
    SlotValue {
        value: filled.value,
        provenance: Provenance::Said,
        confidence: filled.confidence * heard,
    }
}
