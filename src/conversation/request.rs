//! From words to a task: what the caller wants.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::{Decision, IntentName, Part, Understanding};
use crate::prompts::{Intent, Pattern, PersonRule};

use super::task::{Stage, Task};
use super::{Conversation, Expectation, Expected};

impl Conversation {
    pub(super) fn listen_open(&mut self, anything_else: bool) {
        self.forget_names();
        if self.wait.is_some() {
            return self.rest();
        }
        self.stage = Stage::Open { anything_else };
        self.listen(Expectation::of(Expected::Request));
    }

    /// Decides what a request is and sets about it.
    pub(super) fn on_request(&mut self, words: Pii<String>, understanding: &Understanding) {
        if let Some((first, rest)) = self.several(understanding) {
            self.next_requests = rest;
            let Part { words, score } = first;
            return self.start_task(score.intent, score.confidence, words);
        }
        let confidence = understanding.top().map_or(0.0, |top| top.confidence);
        match self.rules.policy.decide(understanding) {
            Decision::Act(intent) => self.start_task(intent, confidence, words),
            Decision::Confirm(_) | Decision::Clarify(..) if self.count_unsure() => {}
            // "Is it about do you have an app?": a question is answered or asked for again.
            Decision::Confirm(intent) if self.generation.faq_entry(&intent).is_some() => {
                self.on_no_match();
            }
            Decision::Confirm(intent) => {
                let title = self.title_of(&intent);
                self.say_pattern(Pattern::ConfirmIntent, &[("intent", title)]);
                self.stage = Stage::ConfirmIntent { intent, confidence, words };
                self.listen(yes_no());
            }
            Decision::Clarify(first, second) => {
                let (a, b) = (self.title_of(&first), self.title_of(&second));
                self.say_pattern(Pattern::Clarify, &[("first", a), ("second", b)]);
                self.stage = Stage::Clarify { first, second, words };
                self.listen(Expectation::of(Expected::Request));
            }
            Decision::OutOfScope => self.on_out_of_scope(),
            Decision::NoMatch => self.on_no_match(),
        }
    }

    /// Several requests in one breath, each of them clear.
    fn several(&self, understanding: &Understanding) -> Option<(Part, VecDeque<Part>)> {
        let clear = |part: &Part| part.score.confidence >= self.rules.policy.accept;
        let mut parts: VecDeque<Part> = understanding
            .parts
            .iter()
            .all(clear)
            .then(|| understanding.parts.iter().cloned())?
            .collect();
        Some((parts.pop_front()?, parts))
    }

    /// Whether these words name the value that is being asked for.
    fn is_about_asked_slot(&self, words: &str) -> bool {
        let Stage::Ask { slot, .. } = &self.stage else { return false };
        let folded = |text: &str| {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(|word| format!(" {}", word.to_lowercase())).collect::<String>() + " "
        };
        folded(words).contains(&folded(slot.as_str()))
    }

    pub(super) fn title_of(&self, intent: &IntentName) -> String {
        if let Some(entry) = self.generation.faq_entry(intent) {
            return entry.question.trim_end_matches('?').to_lowercase();
        }
        if let Some(entry) = self.generation.not_by_phone(intent) {
            return entry.title.clone();
        }
        self.generation
            .intent(intent)
            .map_or_else(|| intent.as_str().replace('_', " "), |found| found.title.clone())
    }

    fn on_out_of_scope(&mut self) {
        if self.wait.is_some() {
            return self.on_nothing_in_line(Pattern::StillInLine);
        }
        self.signals.failed_turns += 1;
        self.out_of_scope_turns += 1;
        if self.out_of_scope_turns >= 2 {
            return self.request_person(HandoffReason::OutOfScope, None);
        }
        // Without topics, only a variant that names none can be said.
        let topics = Some(self.topics()).filter(|topics| !topics.is_empty());
        let topics: Vec<_> = topics.map(|topics| ("topics", topics)).into_iter().collect();
        self.say_pattern(Pattern::OutOfScope, &topics);
        if self.just_asked() {
            return self.offer_person(HandoffReason::OutOfScope);
        }
        self.listen_open(false);
    }

    /// Puts a new task on top and works on it.
    pub(super) fn start_task(&mut self, name: IntentName, confidence: f32, words: Pii<String>) {
        if self.answer_question(&name, confidence, &words)
            || self.answer_not_by_phone(&name, confidence, &words)
        {
            return;
        }
        let Some(intent) = self.generation.intent(&name).cloned() else {
            self.out_of_place += 1;
            return self.on_no_match();
        };
        self.progress();
        self.unsure = 0;
        self.partial = None;
        self.last_intent = Some((name.clone(), confidence, words.clone()));
        if intent.person == PersonRule::AtOnce {
            self.say_variant(intent.name.as_str(), &intent.then_say, &Default::default());
            // Who has chest pain did not ask for a person, but is to get one.
            let asked = intent.handoff == self.default_queue();
            let reason = if asked { HandoffReason::Asked } else { HandoffReason::Policy };
            return self.request_person(reason, intent.handoff);
        }
        let mut task = Task {
            intent: name,
            confidence,
            slots: Default::default(),
            agreed: Vec::new(),
            confirmed: false,
            retries: 0,
            names: Default::default(),
            is_held_up: false,
        };
        let is_held_up = self.is_about_asked_slot(words.expose());
        if let Some(interrupted) = self.tasks.last_mut() {
            interrupted.is_held_up |= is_held_up;
        }
        let taken = self.fill_volunteered(&intent, &mut task, words.expose());
        self.tasks.push(task);
        self.fill_verification(&intent, words.expose(), taken);
        self.advance();
    }

    /// An intent without an action only speaks, or goes to a person by policy.
    pub(super) fn finish_speaking_task(&mut self, intent: &Intent) {
        self.say_variant(intent.name.as_str(), &intent.then_say, &Default::default());
        if intent.then_say.is_empty() || intent.person == PersonRule::Afterwards {
            // People need this one; what it interrupted, and what was asked for with it, is done.
            let below = &self.tasks[..self.tasks.len().saturating_sub(1)];
            let is_more = below.iter().any(|task| !task.is_held_up);
            self.goes_on = is_more || !self.next_requests.is_empty();
            return self.hand_over(HandoffReason::Policy, intent.handoff.clone());
        }
        self.tasks.pop();
        let asks = intent.then_say.iter().all(|t| ends_as_question(&t.parts));
        self.after_task(asks);
    }

    /// What follows a finished task: the one it interrupted, or "anything else?"
    pub(super) fn after_task(&mut self, question_asked: bool) {
        if !self.tasks.is_empty() {
            return self.advance();
        }
        if let Some(Part { words, score }) = self.next_requests.pop_front() {
            return self.start_task(score.intent, score.confidence, words);
        }
        if self.wait.is_some() {
            return self.back_in_line(question_asked);
        }
        if !question_asked {
            self.say_pattern(Pattern::AnythingElse, &[]);
        }
        self.listen_open(!question_asked);
    }

    /// Counts a turn that led nowhere. After too many in a row it is a person's turn; says whether
    /// it has come to that.
    pub(super) fn count_failure(&mut self) -> bool {
        self.signals.failed_turns += 1;
        self.failures += 1;
        if self.failures < self.rules.failures_max {
            return false;
        }
        self.give_up(HandoffReason::RepeatedFailure);
        true
    }

    /// Counts a request that has to be asked about; too many in a row go to a person.
    fn count_unsure(&mut self) -> bool {
        self.unsure += 1;
        if self.unsure <= self.rules.failures_max {
            return false;
        }
        self.give_up(HandoffReason::LowConfidence);
        true
    }

    /// What can be asked for here, for the ear: the first few things that are done.
    pub(super) fn topics(&self) -> String {
        const TOPICS_MAX: usize = 4;
        let done = self.generation.intents.iter().filter(|intent| intent.action.is_some());
        let titles: Vec<&str> = done.map(|intent| intent.title.as_str()).take(TOPICS_MAX).collect();
        match titles.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{}, or {last}", rest.join(", ")),
            None => String::new(),
        }
    }

    pub(super) fn on_no_match(&mut self) {
        if self.is_at_rest() {
            return self.on_nothing_in_line(Pattern::NoMatch);
        }
        if self.count_failure() {
            return;
        }
        if !matches!(self.stage, Stage::Ask { .. }) {
            self.say_pattern(Pattern::NoMatch, &[]);
        }
        self.ask_again();
    }

    /// Something was understood: the counts of failures start over.
    pub(super) fn progress(&mut self) {
        self.failures = 0;
        self.silences = 0;
    }

    pub(super) fn current_intent(&self) -> Option<&Intent> {
        let task = self.tasks.last()?;
        self.generation.intent(&task.intent)
    }

    pub(super) fn current_intent_owned(
        &self,
    ) -> Option<(Arc<crate::prompts::Generation>, IntentName)> {
        let task = self.tasks.last()?;
        Some((Arc::clone(&self.generation), task.intent.clone()))
    }
}

/// An expectation of yes or no, by voice or as key 1 or 2.
pub(super) fn yes_no() -> Expectation {
    Expectation { keys_max: Some(1), ..Expectation::of(Expected::YesNo) }
}

fn ends_as_question(parts: &[crate::prompts::Part]) -> bool {
    matches!(parts.last(), Some(crate::prompts::Part::Text(text)) if text.trim_end().ends_with('?'))
}
