//! What can be seen of a conversation from outside, for conversations on text and for tests of
//! prompt files. Nothing here changes anything.

use std::collections::BTreeMap;
use std::fmt;

use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{GlobalCommand, YesNo, is_greeting};
use crate::nlu::{IntentName, SlotName, SlotValue};
use crate::prompts::{Generation, Intent};

use super::Conversation;
use super::sharing::{Words, share_out};
use super::slots::unless_secret;
use super::task::Stage;

/// What the next thing the caller says is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Yes or no to "may we record this call?"
    RecordingCheck,
    /// Yes or no to "are you calling about this?"
    TicketCheck,
    /// A request: anything can be asked for.
    Request,
    /// Yes or no to "did you want this?"
    IntentCheck(IntentName),
    /// One of two intents.
    IntentChoice(IntentName, IntentName),
    /// The value of a slot.
    Slot(SlotName),
    /// Yes or no to the value of a slot that was read back.
    ReadBack(SlotName),
    /// Yes or no before something is changed.
    Confirmation,
    /// Which of these slots a new value is for.
    SlotChoice(Vec<SlotName>),
    /// Nothing but a wish for a person: an action is running.
    ActionResult,
    /// Yes or no to "does that answer your question?"
    AnswerCheck,
    /// Yes or no to "shall I get you a person?"
    PersonOffer,
    /// Keys only: speech is not recognised at present.
    Keys,
    /// Nothing: a hand-off is being stored.
    HandoffStored,
    /// Nothing but an emergency: the caller is being put through.
    TransferEnded,
    /// Anything, and what is asked about waiting: the caller is in line.
    InLine,
    /// Yes or no to "shall we call you back?"
    CallbackOffer,
    /// Nothing but an emergency: a call back is being noted.
    CallbackBooked,
    /// Nothing: the caller is with somebody else.
    WithPerson,
    /// Nothing: the conversation is over.
    End,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordingCheck => f.write_str("yes or no: may it be recorded?"),
            Self::TicketCheck => f.write_str("yes or no: is it about the open ticket?"),
            Self::Request => f.write_str("a request"),
            Self::IntentCheck(intent) => write!(f, "yes or no: is it {intent}?"),
            Self::IntentChoice(first, second) => write!(f, "a choice: {first} or {second}"),
            Self::Slot(slot) => write!(f, "a value for {slot}"),
            Self::ReadBack(slot) => write!(f, "yes or no: is {slot} right?"),
            Self::Confirmation => f.write_str("yes or no: shall it be done?"),
            Self::SlotChoice(slots) => {
                let names: Vec<&str> = slots.iter().map(SlotName::as_str).collect();
                write!(f, "which slot is put right: {}", names.join(" or "))
            }
            Self::ActionResult => f.write_str("the result of an action"),
            Self::AnswerCheck => f.write_str("yes or no: is the question answered?"),
            Self::PersonOffer => f.write_str("yes or no: shall a person take over?"),
            Self::Keys => f.write_str("keys"),
            Self::HandoffStored => f.write_str("the hand-off to be stored"),
            Self::TransferEnded => f.write_str("what comes of putting the caller through"),
            Self::InLine => f.write_str("anything: the caller waits in line"),
            Self::CallbackOffer => f.write_str("yes or no: shall we call back?"),
            Self::CallbackBooked => f.write_str("the call back to be noted"),
            Self::WithPerson => f.write_str("nothing: the caller is with somebody else"),
            Self::End => f.write_str("nothing: the conversation is over"),
        }
    }
}

impl Conversation {
    /// What the next thing the caller says is taken for.
    pub fn step(&self) -> Step {
        match &self.stage {
            Stage::MayRecord => Step::RecordingCheck,
            Stage::AboutTicket => Step::TicketCheck,
            Stage::Open { .. } => Step::Request,
            Stage::ConfirmIntent { intent, .. } => Step::IntentCheck(intent.clone()),
            Stage::Clarify { first, second, .. } => {
                Step::IntentChoice(first.clone(), second.clone())
            }
            Stage::Ask { slot, .. } | Stage::WhichName { slot, .. } => Step::Slot(slot.clone()),
            Stage::ReadBack { slot, .. } => Step::ReadBack(slot.clone()),
            Stage::Confirm => Step::Confirmation,
            Stage::WhichSlot { slots, .. } => Step::SlotChoice(slots.clone()),
            Stage::Acting { .. } => Step::ActionResult,
            Stage::QuestionAnswered => Step::AnswerCheck,
            Stage::OfferPerson { .. } => Step::PersonOffer,
            Stage::KeypadMenu => Step::Keys,
            Stage::HandingOff { .. } => Step::HandoffStored,
            Stage::PuttingThrough => Step::TransferEnded,
            Stage::Waiting => Step::InLine,
            Stage::OfferCallback => Step::CallbackOffer,
            Stage::BookingCallback => Step::CallbackBooked,
            Stage::WithAgent => Step::WithPerson,
            Stage::Over => Step::End,
        }
    }

    /// The intent of the task in hand, if there is one.
    pub fn task_intent(&self) -> Option<&IntentName> {
        self.tasks.last().map(|task| &task.intent)
    }

    /// Whether these words ask for nothing: a greeting, a goodbye, a yes or no, a word to us such as
    /// "repeat that", or about the wait of a caller who is in line. Whoever wants a person asks for
    /// something.
    pub fn asks_nothing(&self, text: &str) -> bool {
        let command = self.command_in(text).filter(|command| *command != GlobalCommand::Agent);
        command.is_some()
            || self.line_request(text).is_some()
            || matches!(parse_yes_no(text), YesNo::Yes | YesNo::No)
            || is_greeting(text)
    }

    /// Whether these words want something of us at once, whatever is being said: "agent", "stop", "what
    /// was that?", "hold on".
    pub fn calls_us(&self, text: &str) -> bool {
        matches!(
            self.command_in(text),
            Some(
                GlobalCommand::Agent
                    | GlobalCommand::Stop
                    | GlobalCommand::Repeat
                    | GlobalCommand::HoldOn
            )
        )
    }

    /// Every slot that is filled, of the call, its identity checks and its tasks, with where the
    /// value came from. Secrets are left out.
    pub fn known_slots(&self) -> BTreeMap<&SlotName, &SlotValue> {
        let mut slots: BTreeMap<&SlotName, &SlotValue> = self.facts.iter().collect();
        for state in self.verifications.values() {
            slots.extend(state.slots.iter());
        }
        for task in &self.tasks {
            slots.extend(task.slots.iter());
        }
        slots.retain(|slot, _| !self.is_secret(slot));
        slots
    }

    fn is_secret(&self, slot: &SlotName) -> bool {
        let of_intents = self.generation.intents.iter().flat_map(|intent| &intent.slots);
        let of_checks = self.generation.patterns.verifications.values().flatten();
        of_intents.chain(of_checks).any(|spec| spec.name == *slot && spec.secret)
    }
}

/// The values that a request gives away: for the intent's own slots and for its identity check, as
/// a call takes them. Never a secret.
pub fn volunteered_slots(
    generation: &Generation,
    intent: &Intent,
    words: &str,
    today: (i32, u8, u8),
) -> BTreeMap<SlotName, SlotValue> {
    let mut words = Words::volunteered(words, today);
    let own = share_out(&intent.slots, &mut words, &unless_secret).values;
    let verified = intent.verify.as_ref().and_then(|v| generation.patterns.verifications.get(v));
    let specs = verified.map_or(&[][..], Vec::as_slice);
    let of_check = share_out(specs, &mut words, &unless_secret).values;
    of_check.into_iter().chain(own).map(|(spec, value)| (spec.name.clone(), value)).collect()
}
