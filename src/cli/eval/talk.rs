//! A call that is being had for a scenario, on text or spoken: the same steps, and the same to look
//! at afterwards.

use std::collections::BTreeMap;

use super::spoken::SpokenCall;
use crate::acd::handoff::HandoffReason;
use crate::conversation::{ActionResult, Conversation};
use crate::nlu::{SlotName, SlotValue, Understanding};
use crate::server::{CustomerSystem, HandoffStorage, TextCall, TextEvent, TextTurn};

/// Something that happened in a turn.
#[derive(Debug, Clone)]
pub enum Event {
    /// We said this, and the caller heard it.
    Said(String),
    /// An action was run.
    Acted {
        /// Which.
        action: String,
        /// What came of it.
        result: ActionResult,
    },
    /// The call was handed over.
    HandedOff {
        /// Why.
        reason: HandoffReason,
        /// To whom.
        queue: String,
        /// Whether that could be stored.
        stored: bool,
    },
    /// We hung up.
    HungUp {
        /// Why, for the record.
        reason: String,
    },
}

/// What the recogniser made of something that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its words.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
}

/// What came of one thing that the caller did.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// The classifier's view of the last words; `None` where there were none.
    pub understanding: Option<Understanding>,
    /// What was heard, in order; nothing in calls on text.
    pub heard: Vec<Heard>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl Turn {
    /// The sentences that were said, in order.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Said(words) => Some(words.as_str()),
            _ => None,
        })
    }
}

impl From<TextTurn> for Turn {
    fn from(turn: TextTurn) -> Self {
        let events = turn.events.into_iter().map(|event| match event {
            TextEvent::Said(phrase) => Event::Said(phrase.text.into_inner()),
            TextEvent::Acted { action, result } => {
                Event::Acted { action: action.to_string(), result }
            }
            TextEvent::HandedOff { request, stored } => {
                let (reason, queue) = (request.reason, request.queue.to_string());
                Event::HandedOff { reason, queue, stored }
            }
            TextEvent::HungUp { reason } => Event::HungUp { reason },
        });
        Self { understanding: turn.understanding, heard: Vec::new(), events: events.collect() }
    }
}

/// A call, either way.
pub enum Talk {
    /// On text.
    Text(Box<TextCall>),
    /// Spoken.
    Spoken(Box<SpokenCall>),
}

impl Talk {
    /// From here on the customer system is like this.
    pub fn set_customer_system(&mut self, state: CustomerSystem) {
        match self {
            Self::Text(call) => call.set_customer_system(state),
            Self::Spoken(call) => call.set_customer_system(state),
        }
    }

    /// From here on hand-offs can be stored, or cannot.
    pub fn set_handoff_storage(&mut self, state: HandoffStorage) {
        match self {
            Self::Text(call) => call.set_handoff_storage(state),
            Self::Spoken(call) => call.set_handoff_storage(state),
        }
    }

    /// The call is answered.
    ///
    /// # Errors
    /// A model failed, here as below.
    pub async fn start(&mut self, caller_number: Option<&str>) -> anyhow::Result<Turn> {
        match self {
            Self::Text(call) => Ok(call.start(caller_number).await.into()),
            Self::Spoken(call) => call.start(caller_number).await,
        }
    }

    /// The caller says something.
    pub async fn say(&mut self, words: &str) -> anyhow::Result<Turn> {
        match self {
            Self::Text(call) => Ok(call.say(words).await?.into()),
            Self::Spoken(call) => call.say(words).await,
        }
    }

    /// The caller presses keys and then waits.
    pub async fn key(&mut self, keys: &str) -> anyhow::Result<Turn> {
        match self {
            Self::Text(call) => Ok(call.key(keys).await.into()),
            Self::Spoken(call) => call.key(keys).await,
        }
    }

    /// The caller says nothing where something is expected.
    pub async fn keep_silent(&mut self) -> anyhow::Result<Turn> {
        match self {
            Self::Text(call) => Ok(call.keep_silent().await.into()),
            Self::Spoken(call) => call.keep_silent().await,
        }
    }

    /// The conversation as it stands.
    pub fn conversation(&self) -> &Conversation {
        match self {
            Self::Text(call) => call.conversation(),
            Self::Spoken(call) => call.conversation(),
        }
    }

    /// The latest value of every slot that was filled in this call, finished tasks included.
    pub fn slots(&self) -> &BTreeMap<SlotName, SlotValue> {
        match self {
            Self::Text(call) => call.slots(),
            Self::Spoken(call) => call.slots(),
        }
    }
}
