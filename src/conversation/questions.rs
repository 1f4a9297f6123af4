//! Questions of `faq.md`, and what is not done by phone: answered in the words that stand there, or
//! not at all.

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::YesNo;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::{IntentName, Understanding};
use crate::prompts::Pattern;

use super::Conversation;
use super::request::yes_no;
use super::task::Stage;

impl Conversation {
    /// Answers a question, and goes back to the task that it interrupted. Says whether it is one.
    pub(super) fn answer_question(
        &mut self,
        name: &IntentName,
        confidence: f32,
        words: &Pii<String>,
    ) -> bool {
        let generation = self.generation_arc();
        let Some(entry) = generation.faq_entry(name) else { return false };
        self.progress();
        self.unsure = 0;
        self.say_template(&entry.answer, &Default::default());
        if !self.tasks.is_empty() || !self.next_requests.is_empty() {
            self.after_task(false);
            return true;
        }
        if self.wait.is_some() {
            self.back_in_line(false);
            return true;
        }
        self.last_intent = Some((name.clone(), confidence, words.clone()));
        self.say_pattern(Pattern::FaqCheck, &[]);
        self.stage = Stage::QuestionAnswered;
        self.listen(yes_no());
        true
    }

    /// Tells where to get what is not done by phone, and offers the people who know more. Says
    /// whether it is such a thing.
    pub(super) fn answer_not_by_phone(
        &mut self,
        name: &IntentName,
        confidence: f32,
        words: &Pii<String>,
    ) -> bool {
        let generation = self.generation_arc();
        let Some(entry) = generation.not_by_phone(name) else { return false };
        self.progress();
        self.unsure = 0;
        self.say_template(&entry.answer, &Default::default());
        if !self.tasks.is_empty() || !self.next_requests.is_empty() {
            self.after_task(false);
            return true;
        }
        if self.wait.is_some() {
            self.back_in_line(false);
            return true;
        }
        self.last_intent = Some((name.clone(), confidence, words.clone()));
        let queue = entry.queue.clone().or_else(|| self.default_queue());
        let spoken = queue.as_ref().and_then(|name| generation.queues.get(name));
        match spoken.filter(|_| self.has_words_for(Pattern::OfferTeam)) {
            Some(queue) => self.say_pattern(Pattern::OfferTeam, &[("queue", queue.spoken.clone())]),
            None => self.say_pattern(Pattern::FaqNoHelp, &[]),
        }
        let reason = HandoffReason::OutOfScope;
        self.stage = Stage::OfferPerson { reason, queue, before: None };
        self.listen(yes_no());
        true
    }

    pub(super) fn on_question_answered(
        &mut self,
        text: Pii<String>,
        understanding: &Understanding,
    ) {
        let clear = self.is_clear_request(understanding);
        match parse_yes_no(text.expose()) {
            YesNo::Yes => self.ask_anything_else(),
            YesNo::YesBut(_) if !clear => self.ask_anything_else(),
            YesNo::No => self.offer_after_question(),
            YesNo::NoWith(_) if !clear => self.offer_after_question(),
            _ => self.on_request(text, understanding),
        }
    }

    fn ask_anything_else(&mut self) {
        self.progress();
        self.say_whats_next();
        self.listen_open(true);
    }

    fn offer_after_question(&mut self) {
        self.signals.failed_turns += 1;
        self.say_pattern(Pattern::FaqNoHelp, &[]);
        self.offer_person(HandoffReason::OutOfScope);
    }
}
