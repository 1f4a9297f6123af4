//! What an action's result means for the dialogue, and the claim gate.

use std::collections::BTreeMap;

use crate::acd::handoff::HandoffReason;
use crate::base::{ActionRunId, Pii};
use crate::nlu::{Provenance, SlotName};
use crate::prompts::{Pattern, Template, VerificationName};

use super::request::yes_no;
use super::task::{Purpose, Stage, VerificationOutcome};
use super::{ActionResult, Conversation, FailureWords};

/// How often a task is tried again with new values after "not found".
const NOT_FOUND_RETRIES_MAX: u32 = 1;

/// Proof that an action succeeded. Nothing outside this module can make one.
pub(super) struct ActionSuccess {
    outputs: BTreeMap<String, String>,
}

impl ActionSuccess {
    /// What the action gave back, for the sentence that reports it.
    pub(super) fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }
}

impl Conversation {
    pub(super) fn on_action(&mut self, run: ActionRunId, result: ActionResult) {
        let words = result.as_ref().map_or_else(|failure| failure.as_words(), |_| "done");
        if let Some(report) = self.actions.iter_mut().find(|report| report.run == run) {
            report.result = words.to_owned();
            self.outdate_handoff();
        }
        self.on_action_with_agent(run, &result);
        let purpose = match &self.stage {
            Stage::Acting { run: current, purpose } if *current == run => purpose.clone(),
            _ => {
                self.out_of_place += 1;
                return;
            }
        };
        match (purpose, result) {
            (Purpose::Verification(name), Ok(outputs)) => self.on_verified(&name, outputs),
            (Purpose::Verification(name), Err(failure)) => self.on_not_verified(&name, &failure),
            (Purpose::Lookup { scope, slot }, result) => self.on_looked_up(scope, &slot, result),
            (Purpose::Task, Ok(outputs)) => self.on_task_done(outputs),
            (Purpose::Task, Err(failure)) => self.on_task_failed(&failure),
        }
    }

    fn on_verified(&mut self, name: &VerificationName, outputs: BTreeMap<String, Pii<String>>) {
        self.progress();
        self.caller.extend(outputs);
        let generation = self.generation_arc();
        let specs = generation.patterns.verifications.get(name);
        let state = self.verifications.entry(name.clone()).or_default();
        state.tries += 1;
        state.outcome = VerificationOutcome::Passed;
        let mut proven = std::mem::take(&mut state.slots);
        state.names.clear();
        let is_secret = |slot: &SlotName| {
            specs.is_none_or(|specs| specs.iter().any(|s| s.name == *slot && s.secret))
        };
        proven.retain(|slot, _| !is_secret(slot));
        for (slot, mut value) in proven {
            value.provenance = Provenance::Verified;
            value.confidence = 1.0;
            if let Some(task) = self.tasks.last_mut()
                && task.slots.contains_key(&slot)
            {
                task.slots.insert(slot.clone(), value.clone());
            }
            self.facts.insert(slot, value);
        }
        if self.divert() {
            return;
        }
        self.say_pattern(Pattern::Verified, &[]);
        self.advance();
    }

    fn on_not_verified(&mut self, name: &VerificationName, failure: &FailureWords) {
        if matches!(failure, FailureWords::Unavailable | FailureWords::Timeout) {
            self.forget_secrets(name);
            if self.divert() {
                return;
            }
            self.say_pattern(Pattern::TaskFailed, &[]);
            return self.offer_or_call_person(HandoffReason::Outage);
        }
        self.signals.failed_turns += 1;
        let attempts_max = self.rules.verifications.get(name).map_or(1, |rule| rule.attempts_max);
        let state = self.verifications.entry(name.clone()).or_default();
        state.tries += 1;
        if state.tries >= attempts_max {
            state.outcome = VerificationOutcome::Failed;
            if self.take_up_emergency() {
                return;
            }
            self.say_pattern(Pattern::VerifyFailed, &[]);
            return self.request_person(HandoffReason::RepeatedFailure, None);
        }
        // Which of the values was wrong cannot be told, and must not be: all are asked again.
        state.slots.clear();
        state.agreed.clear();
        state.names.clear();
        if state.tries > 1 {
            // The caller may not be who their number says: what it filled in is asked as well.
            let generation = self.generation_arc();
            let specs = generation.patterns.verifications.get(name);
            for field in specs.into_iter().flatten().filter_map(|s| s.from_caller.as_ref()) {
                self.caller.remove(field);
            }
        }
        if self.divert() {
            return;
        }
        self.say_pattern(Pattern::VerifyRetry, &[]);
        self.advance();
    }

    /// A PIN that was not checked holds for nothing: it is asked for again, not kept for a later try.
    fn forget_secrets(&mut self, name: &VerificationName) {
        let generation = self.generation_arc();
        let specs = generation.patterns.verifications.get(name);
        let is_secret = |slot: &SlotName| {
            specs.is_none_or(|specs| specs.iter().any(|s| s.name == *slot && s.secret))
        };
        if let Some(state) = self.verifications.get_mut(name) {
            state.slots.retain(|slot, _| !is_secret(slot));
            state.agreed.retain(|slot| !is_secret(slot));
        }
    }

    fn on_task_done(&mut self, outputs: BTreeMap<String, Pii<String>>) {
        self.progress();
        let outputs = outputs.into_iter().map(|(k, v)| (k, v.into_inner())).collect();
        let done = ActionSuccess { outputs };
        let generation = self.generation_arc();
        if let Some(intent) = self.tasks.last().and_then(|task| generation.intent(&task.intent)) {
            self.say_completion(&intent.then_say, &done);
        }
        self.note_done();
        // Where people are needed now, it is known by this task which; unless they are waited for.
        let is_chosen = self.wait.is_some();
        if is_chosen {
            self.tasks.pop();
        }
        if self.divert() {
            return;
        }
        if !is_chosen {
            self.tasks.pop();
        }
        self.after_task(false);
    }

    fn on_task_failed(&mut self, failure: &FailureWords) {
        self.signals.failed_turns += 1;
        let generation = self.generation_arc();
        let intent = self.tasks.last().and_then(|task| generation.intent(&task.intent));
        let words: Option<&Template> =
            intent.and_then(|intent| intent.if_it_fails.get(failure.as_words()));
        let said = words.is_some();
        if let Some(words) = words {
            self.say_template(words, &BTreeMap::new());
        }
        if self.divert() {
            return;
        }
        match failure {
            FailureWords::Unavailable | FailureWords::Timeout => {
                if !said {
                    self.say_pattern(Pattern::TaskFailed, &[]);
                }
                self.offer_or_call_person(HandoffReason::Outage);
            }
            FailureWords::NotFound => self.on_task_not_found(said),
            FailureWords::Refused(_) if said && !self.just_asked() => {
                self.tasks.pop();
                self.after_task(false);
            }
            FailureWords::Refused(_) => {
                if !said {
                    self.say_pattern(Pattern::TaskFailed, &[]);
                }
                self.offer_person(HandoffReason::Policy);
            }
        }
    }

    /// Values that were said or keyed may have been wrong: asked once more. What was verified or
    /// looked up stays, and if nothing else is left to ask, a person is offered.
    fn on_task_not_found(&mut self, said: bool) {
        if self.just_asked() {
            return self.offer_person(HandoffReason::Policy);
        }
        let retry = self.tasks.last_mut().is_some_and(|task| {
            let doubtful: Vec<SlotName> = task
                .slots
                .iter()
                .filter(|(_, v)| matches!(v.provenance, Provenance::Said | Provenance::Keyed))
                .map(|(slot, _)| slot.clone())
                .collect();
            task.retries += 1;
            task.confirmed = false;
            for slot in &doubtful {
                task.slots.remove(slot);
            }
            !doubtful.is_empty() && task.retries <= NOT_FOUND_RETRIES_MAX
        });
        if retry {
            return self.advance();
        }
        if !said {
            self.say_pattern(Pattern::TaskFailed, &[]);
        }
        self.offer_or_call_person(HandoffReason::Policy);
    }

    /// "Shall I get you a person?" waits for the answer; "Let me get you a person" does not.
    fn offer_or_call_person(&mut self, reason: HandoffReason) {
        if self.just_asked() {
            self.offer_person(reason);
        } else {
            self.request_person(reason, None);
        }
    }

    pub(super) fn offer_person(&mut self, reason: HandoffReason) {
        self.stage = Stage::OfferPerson { reason, queue: None, before: None };
        self.listen(yes_no());
    }

    /// Whether the last words were a question.
    pub(super) fn just_asked(&self) -> bool {
        self.speaker
            .since_listen
            .last()
            .is_some_and(|phrase| phrase.text.expose().trim_end().ends_with('?'))
    }
}
