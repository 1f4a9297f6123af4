//! What callers say while they wait in line: about the wait, and all else that can be done meanwhile.

use crate::base::Pii;
use crate::nlu::spoken::in_line::parse as parse_line_request;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{
    GlobalCommand, LinePhrases, LineRequest, YesNo, is_farewell, is_greeting, needs_no_answer,
};
use crate::nlu::{SlotKind, Understanding};
use crate::prompts::Pattern;

use super::Conversation;
use super::answer::GOODBYE_MIN;
use super::task::Stage;

/// How often in a row callers in line are told that they were not understood. Whatever else is heard
/// is likely to be said to others, or by a television.
const NOT_UNDERSTOOD_MAX: u32 = 2;

impl Conversation {
    /// What these words ask about waiting, of a caller in line.
    pub(super) fn line_request(&self, text: &str) -> Option<LineRequest> {
        if self.wait.is_none() || self.is_with_agent() {
            return None;
        }
        let words = &self.generation.house.global_words;
        let phrases = LinePhrases {
            how_long: &words.how_long,
            call_back: &words.call_back,
            leave: &words.leave,
        };
        parse_line_request(text, &phrases).filter(|request| !self.may_be_answer(text, *request))
    }

    /// Whether words about waiting may be an answer to what was asked.
    fn may_be_answer(&self, text: &str, request: LineRequest) -> bool {
        match &self.stage {
            Stage::OfferCallback => request == LineRequest::CallBack,
            // Free text takes anything.
            Stage::Ask { scope, slot, .. } => {
                let spec = self.slot_spec(scope, slot);
                spec.is_some_and(|spec| spec.kind == SlotKind::Text) || is_greeting(text)
            }
            Stage::Waiting => false,
            _ => is_greeting(text),
        }
    }

    /// Takes what a caller in line says about waiting, and the commands that mean something else there.
    /// Says whether it was that.
    pub(super) fn on_heard_about_waiting(&mut self, text: &str, confidence: f32) -> bool {
        if self.wait.is_none() {
            return false;
        }
        let is_heard_well = confidence >= GOODBYE_MIN;
        match self.line_request(text) {
            Some(LineRequest::HowLong) => self.on_how_long(),
            Some(LineRequest::CallBack) => self.on_callback_wanted(),
            Some(LineRequest::Leave) if is_heard_well => self.leave_line(),
            Some(LineRequest::Leave) => self.on_no_match(),
            None => return self.on_command_in_line(text, is_heard_well),
        }
        true
    }

    fn on_how_long(&mut self) {
        self.failures = 0;
        // What is asked at rest is told anyway.
        if !matches!(self.stage, Stage::Waiting) {
            self.say_place();
        }
        self.ask_pending();
    }

    fn on_command_in_line(&mut self, text: &str, is_heard_well: bool) -> bool {
        let Some(command) = self.command_in(text) else { return false };
        if self.is_yes_rather_than(command, text) {
            return false;
        }
        match command {
            GlobalCommand::Goodbye if is_farewell(text) && is_heard_well => {
                self.say_goodbye("the caller said goodbye");
            }
            GlobalCommand::Goodbye if !is_heard_well => self.on_no_match(),
            // "That's all": they want nothing more but the person they wait for.
            GlobalCommand::Goodbye => {
                self.tasks.clear();
                self.next_requests.clear();
                self.progress();
                self.back_in_line(false);
            }
            // "I'd rather wait": an answer to the offer, or said to others.
            GlobalCommand::Stop | GlobalCommand::HoldOn
                if matches!(self.stage, Stage::OfferCallback) =>
            {
                self.back_in_line(false);
            }
            GlobalCommand::HoldOn if self.is_waiting() => self.rest(),
            GlobalCommand::Stop if self.is_waiting() && is_heard_well => self.leave_line(),
            GlobalCommand::Stop if self.is_waiting() => self.on_no_match(),
            GlobalCommand::Help | GlobalCommand::StartOver if self.is_at_rest() => {
                if !self.say_what_can_be_done() {
                    self.say_place();
                }
                self.rest();
            }
            _ => return false,
        }
        true
    }

    /// Something that is said at rest: a request, or nothing that wants an answer.
    pub(super) fn on_heard_in_line(&mut self, text: Pii<String>, understanding: &Understanding) {
        if needs_no_answer(text.expose()) {
            return self.rest();
        }
        self.on_request(text, understanding);
    }

    pub(super) fn on_callback_answer(&mut self, text: Pii<String>, understanding: &Understanding) {
        let wants_it = parse_line_request(text.expose(), &LinePhrases::default())
            == Some(LineRequest::CallBack);
        match parse_yes_no(text.expose()) {
            YesNo::Yes | YesNo::YesBut(_) => self.book_callback(),
            YesNo::Unclear if wants_it => self.book_callback(),
            YesNo::NoWith(_) | YesNo::Unclear if self.is_clear_request(understanding) => {
                self.on_request(text, understanding);
            }
            YesNo::No | YesNo::NoWith(_) | YesNo::Unclear => self.back_in_line(false),
        }
    }

    /// Nothing can be made of what a caller in line said.
    pub(super) fn on_nothing_in_line(&mut self, words: Pattern) {
        self.failures += 1;
        if self.failures <= NOT_UNDERSTOOD_MAX {
            self.signals.failed_turns += 1;
            match words {
                Pattern::StillInLine => self.say_whats_next(),
                words => self.say_pattern(words, &[]),
            }
        }
        self.rest();
    }
}
