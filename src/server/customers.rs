//! The customer system as a call that is tried out finds it, which is not always up.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::actions::{ActionRequest, Actions};
use crate::base::{ActionRunId, CallId, Pii};
use crate::config::Config;
use crate::conversation::{ActionResult, FailureWords};

use super::dispatch::failure_words;
use super::lookup::caller_record;

/// How the customer system is, as far as a call is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CustomerSystem {
    /// It answers as it does.
    #[default]
    Up,
    /// Every action fails at once, and nothing is done.
    Down,
    /// No action is ever answered.
    Silent,
}

/// Whether hand-offs can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandoffStorage {
    /// They can.
    #[default]
    Works,
    /// They cannot.
    Fails,
}

/// One call's way to the customer system, which can be told to fail.
pub struct Customers {
    config: Arc<Config>,
    actions: Actions,
    call: CallId,
    /// How it is from here on.
    pub state: CustomerSystem,
}

impl Customers {
    /// The way of this call; everything works.
    pub fn new(config: Arc<Config>, actions: Actions, call: CallId) -> Self {
        Self { config, actions, call, state: CustomerSystem::default() }
    }

    /// What is known of who calls from this number; empty if nothing is.
    pub async fn caller_record(&self, number: &str) -> BTreeMap<String, Pii<String>> {
        match self.state {
            CustomerSystem::Up => {
                caller_record(&self.config, &self.actions, self.call, number).await
            }
            CustomerSystem::Down | CustomerSystem::Silent => BTreeMap::new(),
        }
    }

    /// Runs a declared action; `None`: it is never answered.
    pub async fn run(
        &self,
        run: ActionRunId,
        action: &str,
        inputs: BTreeMap<String, Pii<String>>,
    ) -> Option<ActionResult> {
        match self.state {
            CustomerSystem::Up => {}
            CustomerSystem::Down => return Some(Err(FailureWords::Unavailable)),
            CustomerSystem::Silent => return None,
        }
        let outcome = self.actions.run(ActionRequest {
            action: action.to_owned(),
            inputs,
            idempotency_key: format!("{}-{run}", self.call),
        });
        Some(outcome.await.map_err(|failure| failure_words(failure.kind)))
    }
}
