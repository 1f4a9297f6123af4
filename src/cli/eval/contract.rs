//! The scripted calls of every demo, on text: each hand-off keeps the published contract, and nobody
//! is asked again for what is verified.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::calls::{load, read_place};
use super::running::Profile;
use super::scenario::{Scenario, Step};
use crate::acd::handoff::{FactProvenance, HandoffLine};
use crate::actions::Actions;
use crate::base::{CallId, Pii};
use crate::call::{CallFacts, handoff_document};
use crate::cli::sandbox::Sandbox;
use crate::config::Config;
use crate::conversation::{HandoffRequest, Step as Next};
use crate::nlu::{Provenance, SlotName};
use crate::server::{TextCall, TextCallParts, TextEvent, TextTurn};

/// A call as it goes on.
struct Having {
    call: TextCall,
    facts: CallFacts,
    generation: String,
    transcript: Vec<HandoffLine>,
    documents: Vec<Value>,
    asked_again: Vec<SlotName>,
}

impl Having {
    fn line(&mut self, speaker: &str, text: &str) {
        // On text nothing takes any time.
        let at_ms = self.transcript.len() as u64 * 1_000;
        let (speaker, text) = (speaker.to_owned(), text.to_owned());
        self.transcript.push(HandoffLine { at_ms, speaker, text });
    }

    fn take(&mut self, turn: &TextTurn) {
        for event in &turn.events {
            match event {
                TextEvent::Said(phrase) => self.line("frontdoor", phrase.text.expose()),
                TextEvent::HandedOff { request, .. } => self.document(request.as_ref().clone()),
                TextEvent::Acted { .. } | TextEvent::HungUp { .. } => {}
            }
        }
        if let Next::Slot(slot) = &turn.next {
            let known = self.call.slots().get(slot);
            if known.is_some_and(|value| value.provenance == Provenance::Verified) {
                self.asked_again.push(slot.clone());
            }
        }
    }

    fn document(&mut self, request: HandoffRequest) {
        let at_ms = self.transcript.len() as u64 * 1_000;
        let transcript = self.transcript.clone();
        let handoff = handoff_document(&self.facts, &self.generation, at_ms, transcript, request);
        self.documents.push(serde_json::to_value(handoff).expect("JSON"));
    }
}

async fn have(scenario: &Scenario, profile: &Profile, number: usize) -> Having {
    let sandbox = Sandbox::new(&profile.config).expect("a sandbox");
    let actions = Actions::open(sandbox.config()).await.expect("opens");
    let parts = TextCallParts {
        config: Arc::new(sandbox.config().clone()),
        generation: Arc::clone(&profile.generation),
        understander: Arc::clone(&profile.understander),
        actions: actions.clone(),
    };
    let caller = scenario.caller_number.clone().unwrap_or_else(|| "anonymous".to_owned());
    let mut having = Having {
        call: TextCall::new(parts, number as u64),
        facts: CallFacts {
            call: CallId::from_u128(number as u128),
            caller: Pii::new(format!("sip:{caller}@example.com")),
            called: Pii::new("sip:house@example.com".to_owned()),
            channel: "sip",
            answered_unix_ms: 1_775_000_000_000,
        },
        generation: profile.generation.hash.as_str().to_owned(),
        transcript: Vec::new(),
        documents: Vec::new(),
        asked_again: Vec::new(),
    };
    let turn = having.call.start(scenario.caller_number.as_deref()).await;
    having.take(&turn);
    for (_, step) in &scenario.steps {
        let turn = match step {
            Step::Caller(words) => {
                having.line("caller", words);
                having.call.say(words).await.expect("is understood")
            }
            Step::Keys(keys) => having.call.key(keys).await,
            Step::Silence => having.call.keep_silent().await,
            Step::Crm(state) => {
                having.call.set_customer_system(*state);
                continue;
            }
            Step::Store(state) => {
                having.call.set_handoff_storage(*state);
                continue;
            }
            Step::Expect(_) => continue,
        };
        having.take(&turn);
    }
    actions.close().await;
    having
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the models"]
async fn the_handoffs_of_all_scripted_calls_keep_the_contract() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(root.join("schemas/handoff-1.json")).expect("published");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator =
        jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
    let (mut calls, mut handoffs, mut verified) = (0, 0, 0);
    for file in ["frontdoor.toml", "clinic.toml"] {
        let config = Config::load(&root.join(file)).expect("valid");
        let place = config.server.profile.clone();
        let profile = load(&place, &config).expect("loads");
        for (_, scenario) in read_place(&place, &config, None).expect("reads") {
            let name = format!("{}:{} \"{}\"", scenario.path, scenario.line, scenario.title);
            let had = have(&scenario, &profile, calls).await;
            calls += 1;
            assert!(had.asked_again.is_empty(), "{name}: again for {:?}", had.asked_again);
            for document in &had.documents {
                handoffs += 1;
                let misfits: Vec<String> =
                    validator.iter_errors(document).map(|error| error.to_string()).collect();
                assert_eq!(misfits, [""; 0], "{name}");
                let is_verified = |slot: &Value| slot["provenance"] == "verified";
                let slots = document["slots"].as_array().expect("a list");
                verified += slots.iter().filter(|slot| is_verified(slot)).count();
            }
        }
    }
    assert!(calls >= 50 && handoffs >= 50, "{calls} calls with {handoffs} hand-offs");
    let word = serde_json::to_value(FactProvenance::Verified).expect("JSON");
    assert!(verified >= 10, "only {verified} slots are {word}");
}
