//! The `Conversation` machine: what was heard goes in, dialog acts come out. Pure: a whole call
//! runs in a test in microseconds.
//!
//! ```text
//!  Open ──request understood──▶ (task) ──▶ Ask ⇄ ReadBack ──▶ Confirm ──▶ Acting ──▶ Open
//!   │ ▲ unsure                     verification's slots first,                │
//!   │ └─ ConfirmIntent / Clarify   then the task's own                        ▼ failed
//!   └─ "agent", too many tries, out of scope twice ──▶ HandingOff ◀── OfferPerson
//!      an emergency, wherever it is told of ───────────────┘ │ the queue has a transfer
//!   ▲                                                        ▼
//!   └────────── nobody could be reached ─────────── PuttingThrough ──succeeded──▶ Over
//! ```
//! Of a queue that people at desks serve, the caller waits in line: see `waiting`.
//!
//! The claim gate: words that say something was done are rendered only from an `ActionSuccess`,
//! and only the arrival of an action's good result makes one.
//!
//! A name may be checked against the organisation's records once it was heard (`names`): a lookup
//! and perhaps a question stand between `Ask` and `ReadBack` then.

mod about_waiting;
mod acts;
mod agreement;
mod answer;
mod at_once;
mod by_ear;
mod callback;
mod flow;
mod keyed;
mod moods;
mod names;
mod opening;
mod outcome;
mod place;
mod questions;
mod request;
mod sharing;
mod slots;
mod speaker;
mod summary;
mod task;
mod transfer;
mod view;
mod waiting;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use acts::{
    ActionReport, ActionResult, ConversationInput, DialogAct, Expectation, Expected, FailureWords,
    HandoffRequest, Lull, Phrase, RecordingConsent, Rules, Signals, TransferOutcome,
    VerificationReport, VerificationRule, WaitNews, WaitTopic,
};
use by_ear::Ear;
use outcome::ActionSuccess;
use speaker::Speaker;
use task::{Stage, Task, VerificationState};
use transfer::onward_of;
pub use view::{Step, volunteered_slots};
use waiting::Wait;

use crate::acd::LeftQueue;
use crate::acd::handoff::HandoffReason;
use crate::base::{ActionRunId, Effort, Pii};
use crate::nlu::{IntentName, IntentScore, Part, SlotName, SlotValue};
use crate::prompts::{Generation, Pattern, PersonRule, QueueName, VerificationName};

/// The conversation of one call. One owner, no clock: silence arrives as an input.
#[derive(Clone)]
pub struct Conversation {
    generation: Arc<Generation>,
    rules: Rules,
    speaker: Speaker,
    stage: Stage,
    /// The task in hand is the last; those before it wait to be resumed.
    tasks: Vec<Task>,
    /// What else was asked for in the same breath, in order.
    next_requests: VecDeque<Part>,
    /// The caller's record from the CRM.
    caller: BTreeMap<String, Pii<String>>,
    /// Values that hold for the whole call (the account number that was verified).
    facts: BTreeMap<SlotName, SlotValue>,
    verifications: BTreeMap<VerificationName, VerificationState>,
    actions: Vec<ActionReport>,
    signals: Signals,
    /// Steps that failed in a row.
    failures: u32,
    /// Requests in a row that had to be asked about.
    unsure: u32,
    /// How often what was read back was wrong, by slot.
    rejections: BTreeMap<SlotName, u32>,
    /// What the caller said last, whatever came of it.
    last_heard: Pii<String>,
    /// What the answer may have been.
    ear: Ear,
    /// The beginning of a number, the rest of which is to come.
    partial: Option<(SlotName, Pii<String>)>,
    /// Every value ever given for a secret slot: hidden wherever it turns up again.
    secrets: Vec<Pii<String>>,
    /// Asked for a person while an action ran.
    wants_person: bool,
    /// Told of an emergency while an action ran, in these words.
    emergency: Option<(IntentScore, Pii<String>)>,
    /// How often it was tried to put the caller through.
    transfers: u32,
    /// The caller waits in line, or is with somebody who has taken the call.
    wait: Option<Wait>,
    /// How often they were put in line.
    waits: u32,
    /// Once the hand-off is stored, what else was asked for is done: it was not for a person.
    goes_on: bool,
    /// Recognition failed while an action ran.
    hearing_failed: bool,
    /// The voice failed while an action ran.
    voice_failed: bool,
    /// Silences in a row.
    silences: u32,
    heard_anything: bool,
    /// How much was to be spent on callers when the call came.
    begins_with: Effort,
    out_of_scope_turns: u32,
    next_run: ActionRunId,
    /// What the ticket is about that the caller says they call about.
    about_ticket: Option<Pii<String>>,
    last_intent: Option<(IntentName, f32, Pii<String>)>,
    acts: Vec<DialogAct>,
    /// Inputs that made no sense where they came; counted, never fatal.
    pub out_of_place: u64,
}

impl Conversation {
    /// Starts a conversation on one generation of the prompt files, which it keeps to the end.
    /// `seed` varies the wording from call to call.
    pub fn new(generation: Arc<Generation>, rules: Rules, seed: u64) -> Self {
        Self {
            generation,
            rules,
            speaker: Speaker::new(seed),
            stage: Stage::Open { anything_else: false },
            tasks: Vec::new(),
            next_requests: VecDeque::new(),
            caller: BTreeMap::new(),
            facts: BTreeMap::new(),
            verifications: BTreeMap::new(),
            actions: Vec::new(),
            signals: Signals::default(),
            failures: 0,
            unsure: 0,
            rejections: BTreeMap::new(),
            last_heard: Pii::default(),
            ear: Ear::default(),
            partial: None,
            secrets: Vec::new(),
            wants_person: false,
            emergency: None,
            transfers: 0,
            wait: None,
            waits: 0,
            goes_on: false,
            hearing_failed: false,
            voice_failed: false,
            silences: 0,
            heard_anything: false,
            begins_with: Effort::Full,
            out_of_scope_turns: 0,
            next_run: ActionRunId::default(),
            about_ticket: None,
            last_intent: None,
            acts: Vec::new(),
            out_of_place: 0,
        }
    }

    /// Takes one input and returns what to do, in order.
    pub fn handle(&mut self, input: ConversationInput) -> Vec<DialogAct> {
        match input {
            ConversationInput::Started { caller } => self.on_started(caller),
            ConversationInput::Heard {
                text,
                confidence,
                understanding,
                before_question,
                readings,
            } => {
                self.ear.hear(readings);
                self.on_heard(text, confidence, understanding, before_question);
            }
            ConversationInput::Keyed { keys, before_question } => {
                self.on_keyed(&keys, before_question);
            }
            ConversationInput::Lull(lull) => self.on_lull(lull),
            ConversationInput::Silence => self.on_silence(),
            ConversationInput::ActionFinished { run, result } => self.on_action(run, result),
            ConversationInput::HandoffStored { stored } => self.on_handoff_stored(stored),
            ConversationInput::TransferEnded { outcome } => self.on_transfer_ended(outcome),
            ConversationInput::Waiting(news) => self.on_waiting(news),
            ConversationInput::Moved { to } => self.on_moved(to),
            ConversationInput::StillWaiting { waited, topic } => {
                self.on_still_waiting(waited, topic);
            }
            ConversationInput::AgentTook => self.on_agent_took(),
            ConversationInput::BackInQueue { why } => self.on_back_in_queue(why),
            ConversationInput::WaitEnded { why } => self.on_wait_ended(why),
            ConversationInput::CallbackBooked { booked } => self.on_callback_booked(booked),
            ConversationInput::BackFromAgent { task } => self.on_back_from_agent(task),
            ConversationInput::Interrupted => self.signals.interruptions += 1,
            ConversationInput::HearingDown => self.on_hearing_down(),
            ConversationInput::VoiceDown => self.on_voice_down(),
        }
        self.update_handoff();
        std::mem::take(&mut self.acts)
    }

    /// Signs of trouble so far.
    pub fn signals(&self) -> Signals {
        self.signals
    }

    /// The intent in hand or last had, with its confidence and the caller's words.
    pub fn intent(&self) -> Option<(&IntentName, f32, &Pii<String>)> {
        self.last_intent.as_ref().map(|(name, confidence, words)| (name, *confidence, words))
    }

    /// Every value given for a secret slot so far (PINs): it must not be shown anywhere.
    pub fn secrets(&self) -> &[Pii<String>] {
        &self.secrets
    }

    /// How many digits of a number are kept until the rest follows.
    pub fn piece_len(&self) -> usize {
        self.partial.as_ref().map_or(0, |(_, digits)| digits.expose().len())
    }

    /// Whether the conversation has said its last words.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn on_silence(&mut self) {
        if self.is_between_turns() {
            self.out_of_place += 1;
            return;
        }
        // Callers in line are free to let an offer pass.
        if self.is_at_rest() {
            return self.rest();
        }
        self.signals.silences += 1;
        self.silences += 1;
        if self.wait.is_some() {
            return self.on_silence_in_line();
        }
        if matches!(self.stage, Stage::Open { anything_else: true }) && self.silences >= 2 {
            return self.say_goodbye("the caller said nothing more");
        }
        if self.silences >= self.rules.failures_max {
            if !self.heard_anything {
                self.say_pattern(Pattern::Sorry, &[]);
                return self.hang_up("the caller never spoke");
            }
            return self.give_up(HandoffReason::RepeatedFailure);
        }
        self.say_pattern(Pattern::NoInput, &[]);
        if matches!(self.stage, Stage::KeypadMenu) {
            return self.offer_keypad_menu();
        }
        self.ask_again();
    }

    /// Whether something is under way during which nothing is asked, or everything is over.
    fn is_between_turns(&self) -> bool {
        matches!(
            self.stage,
            Stage::Over | Stage::HandingOff { .. } | Stage::PuttingThrough | Stage::Acting { .. }
        ) || self.is_resting()
    }

    fn on_hearing_down(&mut self) {
        // Whoever spoke is a caller who wants something, even if nobody can tell what.
        self.heard_anything = true;
        match self.stage {
            Stage::Acting { .. } => self.hearing_failed = true,
            _ if self.is_between_turns() => {}
            _ if self.wait.is_some() => self.leave_to_people(),
            Stage::KeypadMenu => self.request_person(HandoffReason::Outage, None),
            _ => self.offer_keypad_menu(),
        }
    }

    fn offer_keypad_menu(&mut self) {
        // It is not our ears that are the trouble in a call that begins with the menu.
        let began_well = self.begins_with.allows_conversation();
        let busy = if began_well { Pattern::KeypadMenu } else { Pattern::VeryBusy };
        self.say_first_of(&[busy, Pattern::KeypadMenu], &[]);
        self.stage = Stage::KeypadMenu;
        self.listen(Expectation::keys(1));
    }

    fn on_voice_down(&mut self) {
        match self.stage {
            Stage::Acting { .. } => self.voice_failed = true,
            _ if self.is_between_turns() => {}
            _ => self.request_person(HandoffReason::Outage, None),
        }
    }

    /// Goes where something that happened during an action leads, now that its result is known.
    /// Says whether there was such a thing.
    fn divert(&mut self) -> bool {
        if self.take_up_emergency() {
            return true;
        }
        if std::mem::take(&mut self.voice_failed) {
            self.request_person(HandoffReason::Outage, None);
        } else if std::mem::take(&mut self.wants_person) {
            self.request_person(HandoffReason::Asked, None);
        } else if std::mem::take(&mut self.hearing_failed) {
            if self.wait.is_some() { self.leave_to_people() } else { self.offer_keypad_menu() }
        } else {
            return false;
        }
        true
    }

    /// Says that it takes a moment. Callers in line know that they wait.
    fn on_lull(&mut self, lull: Lull) {
        if self.is_resting() || self.is_over() {
            return;
        }
        let before = self.speaker.since_listen.len();
        match lull {
            Lull::First => self.say_pattern(Pattern::OneMoment, &[]),
            Lull::Again => self.say_first_of(&[Pattern::StillWorking, Pattern::OneMoment], &[]),
        }
        // Nobody who asks for the last words again means these.
        self.speaker.since_listen.truncate(before);
    }

    /// Nothing here gets any further: it is a person's turn. Who waits for one need not be told.
    fn give_up(&mut self, reason: HandoffReason) {
        if self.wait.is_none() {
            self.say_pattern(Pattern::TooManyTries, &[]);
        }
        self.request_person(reason, None);
    }

    /// Hands the caller to a person. Nothing is promised until the hand-off is stored.
    fn request_person(&mut self, reason: HandoffReason, queue: Option<QueueName>) {
        self.goes_on = false;
        self.hand_over(reason, queue);
    }

    /// The same, with [`Self::goes_on`] as it is: people are told of it.
    fn hand_over(&mut self, reason: HandoffReason, queue: Option<QueueName>) {
        let queue = queue
            .or_else(|| self.current_intent().and_then(|intent| intent.handoff.clone()))
            .or_else(|| self.default_queue());
        let mut request = self.handoff_request(reason, queue);
        if self.wait.is_some() {
            match self.promise_elsewhere(&request) {
                Some(promise) => request.promise = promise,
                None => return self.leave_to_people(),
            }
        }
        self.stage = Stage::HandingOff { onward: onward_of(&request) };
        self.acts.push(DialogAct::HandOff(Box::new(request)));
    }

    /// Where callers go who just want somebody. An emergency goes to a person at once as well, but
    /// its queue is not for everybody: of several, the least urgent is taken.
    fn default_queue(&self) -> Option<QueueName> {
        let urgency = |name: &QueueName| {
            self.generation.queues.get(name).map_or(u8::MAX, |queue| u8::MAX - queue.priority)
        };
        let intents = self.generation.intents.iter();
        let to_person = intents.filter(|intent| intent.person == PersonRule::AtOnce);
        to_person
            .filter_map(|intent| intent.handoff.clone())
            .min_by_key(urgency)
            .or_else(|| self.generation.queues.keys().next().cloned())
    }

    fn on_handoff_stored(&mut self, stored: bool) {
        let Stage::HandingOff { onward } = &mut self.stage else {
            self.out_of_place += 1;
            return;
        };
        let onward = onward.take();
        if self.wait.is_some() {
            return self.on_stored_in_line(stored, onward);
        }
        if !stored {
            self.say_pattern(Pattern::HandOffFailed, &[]);
            return self.hang_up("the hand-off could not be stored");
        }
        if let Some(onward) = onward {
            return self.go_onward(onward);
        }
        self.say_pattern(Pattern::HandOffCallback, &[]);
        if std::mem::take(&mut self.goes_on) {
            self.tasks.pop();
            self.tasks.retain(|task| !task.is_held_up);
            // What a person may be told of later is the rest.
            if let Some(task) = self.tasks.last() {
                self.last_intent = Some((task.intent.clone(), task.confidence, Pii::default()));
            }
            return self.after_task(false);
        }
        self.say_goodbye("handed off");
    }

    fn say_goodbye(&mut self, reason: &str) {
        self.say_pattern(Pattern::Goodbye, &[]);
        self.hang_up(reason);
    }

    fn hang_up(&mut self, reason: &str) {
        // Nobody is to be offered a call that ends.
        let is_in_line = self.wait.is_some() && !self.is_with_agent();
        if is_in_line {
            self.acts.push(DialogAct::LeaveQueue { why: LeftQueue::HungUp });
        }
        self.wait = None;
        self.stage = Stage::Over;
        self.acts.push(DialogAct::HangUp { reason: reason.to_owned() });
    }
}
