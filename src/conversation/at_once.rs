//! Intents that bring a person at once (`person: yes`). An emergency counts wherever the dialogue
//! stands, and before anything that its words might answer; who just wants somebody is heard where
//! their words answer nothing.

use crate::base::Pii;
use crate::nlu::spoken::YesNo;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::{Decision, IntentName, IntentScore, Understanding};
use crate::prompts::{Intent, PersonRule};

use super::Conversation;
use super::task::Stage;

impl Conversation {
    /// The emergency that these words tell of. "The chest" may be an answer; "my chest hurts" is
    /// none, whatever was asked, and a bare yes is never more than that.
    pub(super) fn emergency_in(
        &self,
        text: &str,
        understanding: &Understanding,
    ) -> Option<IntentScore> {
        if matches!(parse_yes_no(text), YesNo::Yes | YesNo::No) {
            return None;
        }
        self.clear_request(understanding, &|intent| self.is_emergency(intent))
    }

    pub(super) fn on_emergency(&mut self, score: IntentScore, text: Pii<String>) {
        self.note_secret_in(text.expose());
        self.start_task(score.intent, score.confidence, text);
    }

    /// A PIN that was said in the same breath is hidden like any other.
    fn note_secret_in(&mut self, text: &str) {
        let Stage::Ask { scope, slot, .. } = &self.stage else { return };
        let Some(spec) = self.slot_spec(scope, slot).filter(|spec| spec.secret) else { return };
        let found = self.best_fill(&spec, text, 1.0);
        self.secrets.extend(found.map(|found| found.value));
    }

    /// The wish for a person, or the emergency, that these words clearly are.
    pub(super) fn person_asked_for(&self, understanding: &Understanding) -> Option<IntentScore> {
        self.clear_request(understanding, &|intent| intent.person == PersonRule::AtOnce)
    }

    pub(super) fn brings_person(&self, name: &IntentName) -> bool {
        self.generation.intent(name).is_some_and(|intent| intent.person == PersonRule::AtOnce)
    }

    /// Words that answer nothing that was asked: they may ask for a person.
    pub(super) fn on_no_answer(&mut self, text: &str, understanding: &Understanding) {
        match self.person_asked_for(understanding) {
            Some(score) => {
                self.start_task(score.intent, score.confidence, Pii::new(text.to_owned()));
            }
            None => self.on_no_match(),
        }
    }

    /// Goes where an emergency leads that came up while an action ran. Says whether there was one.
    pub(super) fn take_up_emergency(&mut self) -> bool {
        let Some((score, words)) = self.emergency.take() else { return false };
        self.start_task(score.intent, score.confidence, words);
        true
    }

    /// Its people are not those of callers who just want somebody.
    pub(super) fn is_emergency(&self, intent: &Intent) -> bool {
        intent.person == PersonRule::AtOnce && intent.handoff != self.default_queue()
    }

    /// What is acted on without asking, of the whole utterance or of a piece of it.
    fn clear_request(
        &self,
        understanding: &Understanding,
        is_wanted: &dyn Fn(&Intent) -> bool,
    ) -> Option<IntentScore> {
        let policy = &self.rules.policy;
        let is_clear = matches!(policy.decide(understanding), Decision::Act(_));
        let whole = understanding.top().filter(|_| is_clear);
        let parts = understanding.parts.iter().map(|part| &part.score);
        let clear_parts = parts.filter(|score| score.confidence >= policy.accept);
        let is_such =
            |score: &&IntentScore| self.generation.intent(&score.intent).is_some_and(is_wanted);
        whole.into_iter().chain(clear_parts).find(is_such).cloned()
    }
}
