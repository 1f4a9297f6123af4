//! From words or keys to an answer: what the caller meant by it depends on what was asked.

use std::sync::Arc;

use crate::acd::handoff::HandoffReason;
use crate::base::Pii;
use crate::nlu::spoken::commands::parse as parse_command;
use crate::nlu::spoken::mood::parse as parse_mood;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{GlobalCommand, GlobalPhrases, YesNo};
use crate::nlu::{Decision, IntentName, SlotKind, SlotName, Understanding};
use crate::prompts::{Pattern, QueueName};

use super::agreement::is_unreserved;
use super::slots::{Pieces, is_correction};
use super::task::{Scope, Stage};
use super::{Conversation, Expectation, Expected};

/// A caller who asks us to hold on is given this many times the usual silence.
const HOLD_ON_SILENCE_FACTOR: u32 = 5;

/// Free text that the recogniser is less sure of than this is asked for again.
const TEXT_HEARD_MIN: f32 = 0.35;

/// A goodbye in the middle of a question, or of a wait, has to be heard better than this.
pub(super) const GOODBYE_MIN: f32 = 0.6;

impl Conversation {
    pub(super) fn on_heard(
        &mut self,
        text: Pii<String>,
        confidence: f32,
        understanding: Understanding,
        before_question: bool,
    ) {
        match self.stage {
            Stage::Over | Stage::HandingOff { .. } => {
                self.out_of_place += 1;
                return;
            }
            Stage::Acting { .. } => return self.on_heard_while_acting(text, &understanding),
            Stage::PuttingThrough | Stage::BookingCallback => {
                return self.on_heard_while_ringing(text, &understanding);
            }
            Stage::WithAgent => return,
            _ => {}
        }
        self.silences = 0;
        self.heard_anything = true;
        // Somebody spoke, and no word of it could be made out.
        if text.expose().trim().is_empty() {
            // Callers who wait talk to others, or sneeze.
            return if self.is_at_rest() { self.rest() } else { self.on_no_match() };
        }
        self.last_heard = text.clone();
        if let Some(score) = self.emergency_in(text.expose(), &understanding) {
            return self.on_emergency(score, text);
        }
        // An "okay" to the sentence before is no answer to a question that was not heard yet.
        if before_question && self.is_premature_yes(&text) {
            return self.ask_again();
        }
        let text = match parse_mood(text.expose()) {
            Some(felt) => match self.on_mood(felt, confidence, &understanding) {
                Some(rest) => rest,
                None => return,
            },
            None => text,
        };
        let text = self.as_short_answer(text);
        if self.on_heard_about_waiting(text.expose(), confidence) {
            return;
        }
        if let Some(command) = self.command_in(text.expose())
            && !self.is_yes_rather_than(command, text.expose())
        {
            // "Bye" for "five": nobody is hung up on for a word that was hardly heard.
            if command == GlobalCommand::Goodbye
                && confidence < GOODBYE_MIN
                && matches!(self.stage, Stage::Ask { .. })
            {
                return self.on_no_match();
            }
            return self.on_command(command);
        }
        self.on_answer(text, confidence, &understanding);
    }

    /// Nothing can be answered before the result is in, but who needs or wants a person gets one.
    fn on_heard_while_acting(&mut self, text: Pii<String>, understanding: &Understanding) {
        if let Some(score) = self.emergency_in(text.expose(), understanding) {
            self.emergency = Some((score, text));
            return;
        }
        let words = match parse_mood(text.expose()) {
            Some(felt) => {
                self.note_mood(felt.mood);
                felt.rest
            }
            None => text,
        };
        let command = self.command_in(words.expose());
        self.wants_person |= command == Some(GlobalCommand::Agent);
    }

    /// "Yeah, that's it" agrees where yes or no is asked, and says goodbye elsewhere.
    pub(super) fn is_yes_rather_than(&self, command: GlobalCommand, text: &str) -> bool {
        command == GlobalCommand::Goodbye
            && matches!(
                self.stage,
                Stage::MayRecord
                    | Stage::AboutTicket
                    | Stage::ReadBack { .. }
                    | Stage::Confirm
                    | Stage::ConfirmIntent { .. }
            )
            && parse_yes_no(text) == YesNo::Yes
    }

    pub(super) fn on_answer(
        &mut self,
        text: Pii<String>,
        confidence: f32,
        understanding: &Understanding,
    ) {
        match self.stage.clone() {
            Stage::MayRecord => self.on_may_record(text, understanding),
            Stage::AboutTicket => self.on_about_ticket(text, understanding),
            Stage::Open { anything_else } => self.on_open(anything_else, text, understanding),
            Stage::ConfirmIntent { intent, confidence, words } => {
                match parse_yes_no(text.expose()) {
                    YesNo::Yes => self.start_task(intent, confidence, words),
                    YesNo::YesBut(rest) if is_unreserved(text.expose()) => {
                        // "Yes, the savings one": what is added belongs to the request.
                        let words = format!("{} {}", words.expose(), rest.expose());
                        self.start_task(intent, confidence, Pii::new(words));
                    }
                    YesNo::No => {
                        self.stage = self.open_stage();
                        self.on_no_match();
                    }
                    _ => self.on_request(text, understanding),
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
                    _ => self.on_request(text, understanding),
                }
            }
            Stage::Ask { scope, slot, .. } => {
                let text = self.as_value(&scope, &slot, text);
                self.on_slot_answer(scope, slot, text, confidence, understanding);
            }
            Stage::ReadBack { scope, slot } => {
                self.on_read_back((scope, slot), text.expose(), confidence, understanding);
            }
            Stage::WhichName { scope, slot, first, second } => {
                let names = [first, second];
                self.on_which_name((scope, slot), names, text, confidence, understanding);
            }
            Stage::Confirm => self.on_confirm(text.expose(), understanding),
            Stage::WhichSlot { slots, value } => {
                self.on_which_slot(&slots, value, text.expose(), understanding);
            }
            Stage::QuestionAnswered => self.on_question_answered(text, understanding),
            Stage::OfferPerson { reason, before: Some(before), .. } => {
                self.on_offer_in_between(reason, *before, text, confidence, understanding);
            }
            Stage::OfferPerson { reason, queue, before: None } => {
                self.on_offer_answer(reason, queue, text, understanding);
            }
            Stage::KeypadMenu => self.on_no_match(),
            Stage::Waiting => self.on_heard_in_line(text, understanding),
            Stage::OfferCallback => self.on_callback_answer(text, understanding),
            Stage::Over
            | Stage::HandingOff { .. }
            | Stage::PuttingThrough
            | Stage::BookingCallback
            | Stage::WithAgent
            | Stage::Acting { .. } => {}
        }
    }

    pub(super) fn command_in(&self, text: &str) -> Option<GlobalCommand> {
        let words = &self.generation.house.global_words;
        let command = parse_command(
            text,
            &GlobalPhrases {
                agent: &words.agent,
                repeat: &words.repeat,
                stop: &words.stop,
                goodbye: &words.goodbye,
            },
        );
        // A profile without words of its own for it may have an intent that answers.
        let is_known = |command: &GlobalCommand| {
            *command != GlobalCommand::WhoIsThis || self.has_words_for(Pattern::WhoIsThis)
        };
        command.filter(is_known)
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
            GlobalCommand::Help => self.on_help(),
            GlobalCommand::WhoIsThis => self.on_who_is_this(),
            GlobalCommand::StartOver => match self.tasks.pop() {
                Some(task) => self.start_over(task.intent, task.confidence),
                None => self.on_help(),
            },
        }
    }

    /// Where something is asked, help is the question in other words; else, what can be asked for.
    fn on_help(&mut self) {
        if !matches!(self.stage, Stage::Open { .. } | Stage::Clarify { .. }) {
            return self.ask_again();
        }
        let topics = self.topics();
        self.say_pattern(Pattern::Help, &[("topics", topics)]);
        self.listen_open(false);
    }

    fn start_over(&mut self, intent: IntentName, confidence: f32) {
        // The words that began it stay: they are what the caller wants.
        let words = self.last_intent.as_ref().map(|(_, _, words)| words.clone());
        self.start_task(intent.clone(), confidence, Pii::default());
        if let (Some(words), Some(last)) = (words, &mut self.last_intent)
            && last.0 == intent
        {
            last.2 = words;
        }
    }

    fn on_stop(&mut self) {
        self.next_requests.clear();
        let had_task = self.tasks.pop().is_some();
        if had_task || !matches!(self.stage, Stage::Open { .. }) {
            self.tasks.clear();
            self.say_pattern(Pattern::Cancelled, &[]);
        }
        self.say_whats_next();
        self.listen_open(true);
    }

    fn on_open(&mut self, anything_else: bool, text: Pii<String>, understanding: &Understanding) {
        if anything_else {
            match parse_yes_no(text.expose()) {
                YesNo::No => return self.say_goodbye("the caller needed nothing more"),
                // "No, that's oil": a no with something that is no request is a no.
                YesNo::NoWith(_) if !self.is_clear_request(understanding) => {
                    return self.say_goodbye("the caller needed nothing more");
                }
                YesNo::Yes if text.expose().split_whitespace().count() <= 2 => {
                    self.say_pattern(Pattern::AnythingElse, &[]);
                    return self.listen_open(false);
                }
                _ => {}
            }
        }
        self.on_request(text, understanding);
    }

    pub(super) fn is_clear_request(&self, understanding: &Understanding) -> bool {
        matches!(self.rules.policy.decide(understanding), Decision::Act(_))
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
        let words = text.expose();
        let pieces = if self.gives_several(&scope, &spec, words) {
            Pieces::Nothing
        } else {
            self.take_digits(&spec, words, confidence)
        };
        let mut given = self.shared_answer(&scope, &spec, words, confidence, is_correction(words));
        if !matches!(pieces, Pieces::Nothing) && given.own.is_none() {
            // A piece of the number that was asked for is no other number.
            given.others.retain(|(other, _)| other.kind.digit_counts().is_none());
        }
        let is_piece = matches!(pieces, Pieces::Piece);
        // Whatever was heard is free text: what was hardly heard is asked for once more.
        let is_hardly_heard = spec.kind == SlotKind::Text
            && confidence < TEXT_HEARD_MIN
            && matches!(self.stage, Stage::Ask { tries: 0, .. });
        let answer = match pieces {
            Pieces::Whole(value) => Some(value),
            Pieces::Piece => None,
            Pieces::Nothing => given.own.filter(|_| !is_hardly_heard),
        };
        let others = self.take_others(given.others);
        if let Some(value) = answer {
            self.progress();
            self.set_slot(&scope, &spec, value);
            return self.advance();
        }
        if others {
            self.progress();
            return self.advance();
        }
        if is_piece {
            self.say_pattern(Pattern::GoOn, &[]);
            return self.listen_again();
        }
        if let Some(intent) = self.digression(understanding, text.expose()) {
            return self.on_request_as(intent, text, understanding);
        }
        // What answers nothing that was asked may put another value right.
        let given = self.shared_answer(&scope, &spec, text.expose(), confidence, true);
        if self.take_others(given.others) {
            self.progress();
            return self.advance();
        }
        self.on_no_match();
    }

    /// Another thing the caller clearly asks for in place of an answer.
    pub(super) fn digression(&self, understanding: &Understanding, text: &str) -> Option<usize> {
        const WORDS_MIN: usize = 3;
        let top = understanding.top()?;
        let same = self.tasks.last().is_some_and(|task| task.intent == top.intent);
        let sure = top.confidence >= self.rules.policy.accept && !understanding.is_out_of_scope();
        // Few words are enough for a person: "the manager", "my bill".
        let is_long = text.split_whitespace().count() >= WORDS_MIN;
        (sure && !same && (is_long || self.brings_person(&top.intent))).then_some(0)
    }

    pub(super) fn on_request_as(
        &mut self,
        index: usize,
        text: Pii<String>,
        understanding: &Understanding,
    ) {
        if let Some(scored) = understanding.intents.get(index) {
            self.start_task(scored.intent.clone(), scored.confidence, text);
        }
    }

    fn on_offer_answer(
        &mut self,
        reason: HandoffReason,
        queue: Option<QueueName>,
        text: Pii<String>,
        understanding: &Understanding,
    ) {
        let is_other = |index: &usize| {
            let asked = understanding.intents.get(*index);
            // Who asks for a person takes those who are offered.
            asked.is_some_and(|score| !self.brings_person(&score.intent))
        };
        let other_request = self.digression(understanding, text.expose()).filter(is_other);
        match parse_yes_no(text.expose()) {
            YesNo::YesBut(_) if other_request.is_some() => {
                self.tasks.clear();
                self.on_request(text, understanding);
            }
            YesNo::Yes | YesNo::YesBut(_) => self.request_person(reason, queue),
            YesNo::No | YesNo::NoWith(_) => {
                self.tasks.clear();
                self.say_whats_next();
                self.listen_open(true);
            }
            // "Call me back", "put me through": an answer to the offer, and no other request.
            YesNo::Unclear => match other_request {
                Some(index) => {
                    self.tasks.clear();
                    self.on_request_as(index, text, understanding);
                }
                None => self.request_person(reason, queue),
            },
        }
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
            Stage::WhichName { scope, slot, first, second } => {
                if let Some(spec) = self.slot_spec(&scope, &slot) {
                    return self.ask_which(scope, &spec, first, second);
                }
            }
            Stage::Confirm => return self.ask_confirmation(),
            Stage::MayRecord
            | Stage::AboutTicket
            | Stage::ConfirmIntent { .. }
            | Stage::Clarify { .. }
            | Stage::WhichSlot { .. }
            | Stage::QuestionAnswered
            | Stage::OfferPerson { .. }
            | Stage::OfferCallback => {
                for phrase in self.speaker.last.clone() {
                    self.say(phrase);
                }
            }
            Stage::Open { .. } => return self.listen(Expectation::of(Expected::Request)),
            _ => {}
        }
        self.listen_again();
    }

    /// Listens for what was listened for last.
    pub(super) fn listen_again(&mut self) {
        if let Some(expectation) = self.speaker.expectation.clone() {
            self.listen(expectation);
        }
    }

    pub(super) fn generation_arc(&self) -> Arc<crate::prompts::Generation> {
        Arc::clone(&self.generation)
    }
}
