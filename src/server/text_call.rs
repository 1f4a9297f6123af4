//! One call on text: the real conversation, classifier and actions, without audio and without time.
//! For people who try out prompt files, and for tests that are written as whole calls.
//!
//! Non-job: it stores no record and no hand-off; a hand-off is kept by whoever reads the turns.
//! Nobody is put through or waits either, as there is no line: people call back, whatever the
//! configuration says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::acd::{LeftQueue, WaitEnd};
use crate::actions::Actions;
use crate::base::{ActionRunId, CallId, Pii};
use crate::config::Config;
use crate::conversation::{
    ActionResult, Conversation, ConversationInput, DialogAct, Expectation, Expected, FailureWords,
    HandoffRequest, Lull, Phrase, RecordingConsent, Rules, Step, TransferOutcome,
};
use crate::engine::understanding::{Understander, UnderstandingError};
use crate::nlu::{Readings, SlotKind, SlotName, SlotValue, Understanding};
use crate::prompts::{ActionName, Generation};

use super::customers::{CustomerSystem, Customers, HandoffStorage};
use super::serve::rules;

/// Time after which a caller on the telephone is asked for a moment.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// What all calls on text to one profile share. Cheap to clone.
#[derive(Clone)]
pub struct TextCallParts {
    /// The configuration: what is declared, and the rules.
    pub config: Arc<Config>,
    /// The prompt files.
    pub generation: Arc<Generation>,
    /// The classifier, trained on them.
    pub understander: Arc<Understander>,
    /// The customer system.
    pub actions: Actions,
}

/// Something that happened in a turn.
#[derive(Debug, Clone)]
pub enum TextEvent {
    /// A sentence was said.
    Said(Phrase),
    /// An action was run.
    Acted {
        /// Which.
        action: ActionName,
        /// What came of it.
        result: ActionResult,
    },
    /// The call was handed over.
    HandedOff {
        /// What the person gets.
        request: Box<HandoffRequest>,
        /// Whether it could be stored.
        stored: bool,
    },
    /// We hung up.
    HungUp {
        /// Why, for the record.
        reason: String,
    },
}

/// What came of one thing that the caller did.
#[derive(Debug, Clone)]
pub struct TextTurn {
    /// The classifier's view of the caller's words; `None` where there were none.
    pub understanding: Option<Understanding>,
    /// What happened, in order.
    pub events: Vec<TextEvent>,
    /// Slots that were filled or changed.
    pub slots: Vec<(SlotName, SlotValue)>,
    /// What the caller's words were taken for.
    pub taken_for: Step,
    /// What the next words will be taken for.
    pub next: Step,
}

impl TextTurn {
    fn begin(step: Step) -> Self {
        Self {
            understanding: None,
            events: Vec::new(),
            slots: Vec::new(),
            taken_for: step.clone(),
            next: step,
        }
    }

    /// The sentences that were said, in order.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            TextEvent::Said(phrase) => Some(phrase.text.expose().as_str()),
            _ => None,
        })
    }
}

/// A call on text. Start it, then say, key or keep silent until it is over.
pub struct TextCall {
    parts: TextCallParts,
    conversation: Conversation,
    customers: Customers,
    expectation: Expectation,
    /// The latest value of every slot that was filled in this call.
    slots: BTreeMap<SlotName, SlotValue>,
    handoff_storage: HandoffStorage,
    over: bool,
}

impl TextCall {
    /// A call that has not begun. `seed` varies the wording.
    pub fn new(parts: TextCallParts, seed: u64) -> Self {
        let generation = Arc::clone(&parts.generation);
        let call = CallId::from_u128(uuid::Uuid::now_v7().as_u128());
        Self {
            conversation: Conversation::new(generation, rules_without_line(&parts.config), seed),
            customers: Customers::new(Arc::clone(&parts.config), parts.actions.clone(), call),
            expectation: Expectation::of(Expected::Request),
            slots: BTreeMap::new(),
            handoff_storage: HandoffStorage::default(),
            over: false,
            parts,
        }
    }

    /// From here on the customer system is like this.
    pub fn set_customer_system(&mut self, customer_system: CustomerSystem) {
        self.customers.state = customer_system;
    }

    /// From here on hand-offs can be stored, or cannot.
    pub fn set_handoff_storage(&mut self, handoff_storage: HandoffStorage) {
        self.handoff_storage = handoff_storage;
    }

    /// The call is answered. A number that the customer system knows brings the caller's record.
    pub async fn start(&mut self, caller_number: Option<&str>) -> TextTurn {
        let caller = match caller_number {
            Some(number) => self.customers.caller_record(number).await,
            None => BTreeMap::new(),
        };
        let mut turn = TextTurn::begin(self.conversation.step());
        self.converse(ConversationInput::Started { caller }, &mut turn).await;
        turn
    }

    /// The caller says something.
    ///
    /// # Errors
    /// The classifier failed.
    pub async fn say(&mut self, words: &str) -> Result<TextTurn, UnderstandingError> {
        let mut turn = TextTurn::begin(self.conversation.step());
        if self.over {
            return Ok(turn);
        }
        let text = Pii::new(words.to_owned());
        let understanding = understand(&self.parts.understander, text.clone()).await?;
        turn.understanding = Some(understanding.clone());
        let confidence = 1.0;
        let before_question = false;
        let readings = Readings::default();
        let input =
            ConversationInput::Heard { text, confidence, understanding, before_question, readings };
        self.converse(input, &mut turn).await;
        Ok(turn)
    }

    /// The caller presses keys and then waits.
    pub async fn key(&mut self, keys: &str) -> TextTurn {
        let mut turn = TextTurn::begin(self.conversation.step());
        let mut pressed = String::new();
        for key in keys.chars().filter(|key| !key.is_whitespace()) {
            if let Some(whole) = self.press(&mut pressed, key) {
                self.deliver(whole, &mut turn).await;
            }
        }
        if !pressed.is_empty() {
            self.deliver(pressed, &mut turn).await;
        }
        turn
    }

    /// The caller says nothing where something is expected.
    pub async fn keep_silent(&mut self) -> TextTurn {
        let mut turn = TextTurn::begin(self.conversation.step());
        if !self.over {
            self.converse(ConversationInput::Silence, &mut turn).await;
        }
        turn
    }

    /// The conversation as it stands.
    pub const fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The latest value of every slot that was filled in this call, finished tasks included.
    pub const fn slots(&self) -> &BTreeMap<SlotName, SlotValue> {
        &self.slots
    }

    /// Whether we have hung up.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Collects keys until they make an answer, as on the telephone: where a number is keyed, keys
    /// that follow at once belong to it.
    fn press(&self, pressed: &mut String, key: char) -> Option<String> {
        match key {
            '#' => return (!pressed.is_empty()).then(|| std::mem::take(pressed)),
            // For money it is the decimal point.
            '*' if self.expectation.expected != Expected::Slot(SlotKind::Money) => pressed.clear(),
            key => pressed.push(key),
        }
        let is_number = self.expectation.keys_max.is_some_and(|max| max > 1);
        let complete =
            !is_number && !pressed.is_empty() && pressed.len() >= self.expectation.keys_limit();
        complete.then(|| std::mem::take(pressed))
    }

    async fn deliver(&mut self, keys: String, turn: &mut TextTurn) {
        if self.over {
            return;
        }
        let input = ConversationInput::Keyed { keys: Pii::new(keys), before_question: false };
        self.converse(input, turn).await;
    }

    /// Hands an input to the conversation, does what it says, and hands in what comes of that.
    async fn converse(&mut self, input: ConversationInput, turn: &mut TextTurn) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let acts = self.conversation.handle(input);
            self.note_slots(turn);
            for act in acts {
                inputs.extend(self.carry_out(act, turn).await);
            }
        }
        turn.next = self.conversation.step();
    }

    async fn carry_out(&mut self, act: DialogAct, turn: &mut TextTurn) -> Vec<ConversationInput> {
        match act {
            DialogAct::Say(phrase) => turn.events.push(TextEvent::Said(phrase)),
            DialogAct::Record => {}
            DialogAct::Listen(expectation) => self.expectation = expectation,
            DialogAct::RunAction { run, action, inputs } => {
                let (pace, result) = self.run_action(run, &action, inputs).await;
                turn.events.push(TextEvent::Acted { action, result: result.clone() });
                let finished = ConversationInput::ActionFinished { run, result };
                return match pace {
                    Pace::Quick => vec![finished],
                    Pace::Slow => vec![ConversationInput::Lull(Lull::First), finished],
                };
            }
            DialogAct::HandOff(request) => {
                let stored = self.handoff_storage == HandoffStorage::Works;
                turn.events.push(TextEvent::HandedOff { request, stored });
                return vec![ConversationInput::HandoffStored { stored }];
            }
            DialogAct::Transfer { .. } => {
                let outcome = TransferOutcome::Failed;
                return vec![ConversationInput::TransferEnded { outcome }];
            }
            DialogAct::Enqueue { .. } => {
                return vec![ConversationInput::WaitEnded { why: WaitEnd::NoQueue }];
            }
            DialogAct::LeaveQueue { why: LeftQueue::ForCallback } => {
                return vec![ConversationInput::CallbackBooked { booked: false }];
            }
            DialogAct::ReturnToAgent => {
                let outcome = TransferOutcome::Failed;
                return vec![ConversationInput::TransferEnded { outcome }];
            }
            DialogAct::LeaveQueue { .. } | DialogAct::UpdateHandoff(_) => {}
            DialogAct::HangUp { reason } => {
                self.over = true;
                turn.events.push(TextEvent::HungUp { reason });
            }
        }
        Vec::new()
    }

    async fn run_action(
        &self,
        run: ActionRunId,
        action: &ActionName,
        inputs: BTreeMap<String, Pii<String>>,
    ) -> (Pace, ActionResult) {
        let work = self.customers.run(run, action.as_str(), inputs);
        tokio::pin!(work);
        let (pace, answer) = match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(answer) => (Pace::Quick, answer),
            Err(_) => (Pace::Slow, work.await),
        };
        match answer {
            Some(result) => (pace, result),
            None => (Pace::Slow, Err(FailureWords::Timeout)),
        }
    }

    fn note_slots(&mut self, turn: &mut TextTurn) {
        for (name, value) in self.conversation.known_slots() {
            if self.slots.get(name) == Some(value) {
                continue;
            }
            turn.slots.retain(|(slot, _)| slot != name);
            turn.slots.push((name.clone(), value.clone()));
            self.slots.insert(name.clone(), value.clone());
        }
    }
}

/// How conversations are held where there is no line to put a caller through, and nothing to record.
pub fn rules_without_line(config: &Config) -> Rules {
    let (transfers, staffed) = (BTreeSet::new(), BTreeSet::new());
    let recording = RecordingConsent::NotAsked;
    Rules { transfers, staffed, callback: None, recording, ..rules(config) }
}

/// Classifies words on a thread where that may take its time.
///
/// # Errors
/// The classifier failed.
pub async fn understand(
    understander: &Arc<Understander>,
    text: Pii<String>,
) -> Result<Understanding, UnderstandingError> {
    let understander = Arc::clone(understander);
    tokio::task::spawn_blocking(move || understander.understand(text.expose()))
        .await
        .map_err(|_| UnderstandingError::Stopped)?
}

/// Whether an action kept the caller waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Quick,
    Slow,
}
