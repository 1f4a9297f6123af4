//! The first words of a call: what has to be said, whether it may be recorded, and the greeting, or
//! in its place whether it is about what is going on with the caller already.
//!
//! ```text
//!  Started ─▶ disclosure ─▶ MayRecord ──answered──▶ AboutTicket ──no──▶ Open
//!                │ not asked                 ▲          │ yes
//!                └───────────────────────────┘          └─▶ (a task), or a person
//! ```
//! Where too many call at once, the disclosure is followed by a menu of keys, or by people.
//! Nothing is recorded before a yes. A request in place of an answer is taken, and is no yes. What is
//! said about a ticket stands in the caller's record; a record without it leads to the greeting.

use std::collections::BTreeMap;

use crate::acd::handoff::HandoffReason;
use crate::acd::standing::Standing;
use crate::base::{Effort, Pii};
use crate::nlu::Understanding;
use crate::nlu::spoken::YesNo;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::prompts::{Pattern, TicketLead};

use super::agreement::is_unreserved;
use super::request::yes_no;
use super::speaker::Values;
use super::task::Stage;
use super::{Conversation, DialogAct, RecordingConsent};

/// The blank for what an open ticket is about.
const SUBJECT: &str = "caller_ticket_subject";

impl Conversation {
    /// How a conversation begins that has not begun yet. With [`Effort::KeypadMenu`] nobody is asked
    /// what they want, and with [`Effort::StraightToPeople`] they are not asked for a key either.
    /// Whether the call may be recorded is not asked then, since an answer would have to be heard.
    pub fn begin_with(&mut self, effort: Effort) {
        self.begins_with = effort;
    }

    /// Begins where too many call at once for talking with all of them. Says whether it has.
    fn begin_busy(&mut self) -> bool {
        match self.begins_with {
            Effort::Full | Effort::NoSpeculation | Effort::SmallHearing => return false,
            Effort::KeypadMenu => {
                self.offer_keypad_menu();
            }
            Effort::StraightToPeople => {
                self.say_first_of(&[Pattern::StraightToPeople], &[]);
                self.request_person(HandoffReason::Outage, None);
            }
        }
        true
    }

    pub(super) fn on_started(&mut self, caller: BTreeMap<String, Pii<String>>) {
        self.caller = caller;
        let generation = self.generation_arc();
        if let Some(disclosure) = &generation.house.disclosure {
            self.say_template(disclosure, &BTreeMap::new());
            if generation.house.disclosure_uninterruptible.is_some() {
                self.must_be_heard();
            }
        }
        if self.begin_busy() {
            return;
        }
        // Without words for the question nobody is asked, and so nothing is recorded.
        if self.rules.recording == RecordingConsent::Asked
            && self.has_words_for(Pattern::RecordingQuestion)
        {
            self.say_pattern(Pattern::RecordingQuestion, &[]);
            self.stage = Stage::MayRecord;
            return self.listen(yes_no());
        }
        self.greet();
    }

    /// How the caller stands with the organisation, as far as is known by now.
    pub(super) fn standing(&self) -> Standing {
        let value = |field: &str| self.caller.get(field).map(|value| value.expose().as_str());
        self.rules.record.read(value)
    }

    pub(super) fn on_may_record(&mut self, text: Pii<String>, understanding: &Understanding) {
        self.progress();
        let answer = parse_yes_no(text.expose());
        let agrees = match &answer {
            YesNo::Yes => true,
            YesNo::YesBut(_) => is_unreserved(text.expose()),
            // Whatever is no yes is a no.
            YesNo::No | YesNo::NoWith(_) | YesNo::Unclear => false,
        };
        if agrees {
            self.acts.push(DialogAct::Record);
        }
        // Who goes straight on wants no more words about it.
        let is_only_answer = matches!(answer, YesNo::Yes | YesNo::No);
        if !is_only_answer && self.is_clear_request(understanding) {
            return self.on_request(text, understanding);
        }
        let said = if agrees { Pattern::RecordingAgreed } else { Pattern::RecordingDeclined };
        self.say_first_of(&[said], &[]);
        self.greet();
    }

    fn greet(&mut self) {
        if self.ask_about_ticket() {
            return;
        }
        let generation = self.generation_arc();
        self.say_variant("greeting", &generation.house.greeting, &BTreeMap::new());
        self.listen_open(false);
    }

    /// Greets a caller who has an open ticket with the question whether they call about it. Says
    /// whether there are words for it in which everything is known.
    fn ask_about_ticket(&mut self) -> bool {
        let generation = self.generation_arc();
        let Some(greeting) = &generation.house.ticket_greeting else { return false };
        let Some(subject) = self.standing().ticket_subject else { return false };
        let values = Values::from([(SUBJECT.to_owned(), subject.into_inner())]);
        if !greeting.ask.iter().any(|words| self.render(words, &values).is_ok()) {
            return false;
        }
        self.say_variant("ticket greeting", &greeting.ask, &values);
        self.stage = Stage::AboutTicket;
        self.listen(yes_no());
        true
    }

    pub(super) fn on_about_ticket(&mut self, text: Pii<String>, understanding: &Understanding) {
        let is_request = self.is_clear_request(understanding);
        match parse_yes_no(text.expose()) {
            YesNo::Yes => self.take_up_ticket(text),
            YesNo::YesBut(_) if !is_request => self.take_up_ticket(text),
            YesNo::No => self.leave_ticket(),
            YesNo::NoWith(_) if !is_request => self.leave_ticket(),
            _ => self.on_request(text, understanding),
        }
    }

    /// They call about it: a task of their own, or the people who see to it.
    fn take_up_ticket(&mut self, words: Pii<String>) {
        self.progress();
        self.about_ticket = self.standing().ticket_subject;
        let generation = self.generation_arc();
        let lead = generation.house.ticket_greeting.as_ref().map(|greeting| &greeting.lead);
        match lead {
            Some(TicketLead::Intent(intent)) => self.start_task(intent.clone(), 1.0, words),
            Some(TicketLead::Queue(queue)) => {
                self.request_person(HandoffReason::Policy, Some(queue.clone()));
            }
            None => self.listen_open(false),
        }
    }

    fn leave_ticket(&mut self) {
        self.progress();
        let generation = self.generation_arc();
        if let Some(greeting) = &generation.house.ticket_greeting {
            self.say_variant("no ticket", &greeting.otherwise, &BTreeMap::new());
        }
        self.listen_open(false);
    }
}
