//! The contract of hand-offs: the published schema is what the types say, the hand-offs of many
//! calls fit it, and nobody is asked again for what is verified.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use frontdoor::acd::handoff::{FactProvenance, Handoff, json_schema};
use frontdoor::base::{CallId, Pii};
use frontdoor::call::{Call, CallFacts, LineSpeaker};
use frontdoor::config::Config;
use frontdoor::conversation::{ActionResult, FailureWords};
use frontdoor::nlu::{IntentName, IntentScore, Understanding};
use frontdoor::prompts::Generation;
use frontdoor::server::{call_settings, load_profile, rules};
use frontdoor::sim::{LevelVad, Rehearsed, Step, World, rehearse};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn published() -> PathBuf {
    root().join("schemas/handoff-1.json")
}

#[test]
fn the_published_schema_is_what_the_types_say() {
    let now = json_schema();
    let written = format!("{now:#}\n");
    if std::env::var_os("BLESS").is_some() {
        fs::write(published(), &written).expect("the schema can be written");
    }
    let kept: Value = fs::read_to_string(published())
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .expect("a schema is published");
    // Compared as documents, so that a difference is told where it is.
    assert_eq!(kept, now, "run this test with BLESS=1 if the difference is meant");
}

/// A bank whose systems work, but for callers who are to meet with an outage.
#[derive(Clone, Copy)]
struct Bank {
    is_down: bool,
}

impl World for Bank {
    fn understand(&mut self, words: &str) -> Option<Understanding> {
        let meant = [
            ("card", "lost_card"),
            ("balance", "balance"),
            ("move", "transfer"),
            ("address", "address_change"),
            ("transactions", "recent_transactions"),
        ];
        let found = meant.iter().find(|(word, _)| words.contains(word));
        let (intent, confidence) = found.map_or(("balance", 0.1), |(_, intent)| (*intent, 0.95));
        let intent = IntentName::new(intent);
        Some(Understanding::of(vec![IntentScore { intent, confidence }], -1.0))
    }

    fn act(
        &mut self,
        action: &str,
        inputs: &BTreeMap<String, Pii<String>>,
    ) -> Option<ActionResult> {
        let value = |name: &str| inputs.get(name).map_or("", |value| value.expose().as_str());
        let outputs: &[(&str, &str)] = match action {
            "crm.verify_pin" if value("pin") == "4321" => {
                &[("customer_name", "Alex Morgan"), ("first_name", "Alex")]
            }
            "crm.verify_pin" => return Some(Err(FailureWords::Refused("wrong pin".to_owned()))),
            _ if self.is_down => return Some(Err(FailureWords::Unavailable)),
            "crm.block_card" => &[("card_last4", "4417")],
            "crm.transfer" => &[("from_balance", "1154.50"), ("to_balance", "5360.00")],
            "crm.balance" => &[("balance", "1204.50")],
            "crm.transactions" => &[("count", "1"), ("summary", "April 2, Grocery Mart, $54.20.")],
            _ => &[],
        };
        let outputs = outputs.iter().map(|(k, v)| ((*k).to_owned(), Pii::new((*v).to_owned())));
        Some(Ok(outputs.collect()))
    }
}

const WANTED: [&str; 5] = [
    "I lost my card",
    "what's my balance",
    "move fifty dollars from checking to savings",
    "I want to change my address",
    "read me my transactions",
];

/// How a caller gets to a person, after they have said what they want.
const WAYS: [&[&str]; 6] = [
    &["say agent"],
    &["key 12345678", "say agent"],
    &["key 12345678", "key 4321", "say agent"],
    &["key 12345678", "key 1111", "key 12345678", "key 4321", "say agent"],
    &["key 12345678", "key 1111", "key 1111", "key 1111", "say agent"],
    &["key 12345678", "key 4321", "say yes", "say yes", "say agent", "say agent"],
];

fn step(text: &str) -> Step {
    match text.split_once(' ') {
        Some(("key", keys)) => Step::Key(keys.to_owned()),
        Some(("say", words)) => Step::Say(words.to_owned()),
        _ => panic!("no step: {text}"),
    }
}

fn record(is_known: bool) -> BTreeMap<String, Pii<String>> {
    let fields: &[(&str, &str)] = match is_known {
        true => &[("customer_name", "Alex Morgan"), ("account_number", "12345678")],
        false => &[],
    };
    fields.iter().map(|(k, v)| ((*k).to_owned(), Pii::new((*v).to_owned()))).collect()
}

fn have(config: &Config, generation: &Arc<Generation>, script: &[Step], number: u64) -> Rehearsed {
    let facts = CallFacts {
        call: CallId::from_u128(u128::from(number)),
        caller: Pii::new("sip:5550123@example.com".to_owned()),
        called: Pii::new("sip:bank@example.com".to_owned()),
        channel: "sip",
        answered_unix_ms: 1_775_000_000_000,
    };
    let mut rules = rules(config);
    rules.transfers.clear();
    let vad = Box::new(LevelVad);
    let call = Call::new(facts, call_settings(config), Arc::clone(generation), rules, vad, number);
    let mut bank = Bank { is_down: number.is_multiple_of(3) };
    rehearse(call, script, record(number.is_multiple_of(2)), &mut bank)
}

/// Sixty calls, each with its script.
fn calls() -> Vec<(String, Rehearsed, Arc<Generation>)> {
    let config = Config::load(&root().join("frontdoor.toml")).expect("valid");
    let generation = Arc::new(load_profile(&config).expect("the demo profile is sound").0);
    let mut calls = Vec::new();
    for wanted in WANTED {
        for way in WAYS {
            for _ in 0..2 {
                let number = calls.len() as u64;
                let said = [Step::Say(wanted.to_owned())];
                let script: Vec<Step> =
                    said.into_iter().chain(way.iter().map(|text| step(text))).collect();
                let name = format!("{number}: {wanted}, {way:?}");
                let call = have(&config, &generation, &script, number);
                calls.push((name, call, Arc::clone(&generation)));
            }
        }
    }
    calls
}

#[test]
fn the_handoffs_of_sixty_calls_fit_the_published_schema() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(published()).expect("is published"))
            .expect("JSON");
    let validator =
        jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
    let (mut calls_had, mut with_handoff) = (0, 0);
    for (name, call, _) in calls() {
        calls_had += 1;
        with_handoff += usize::from(!call.handoffs.is_empty());
        for handoff in &call.handoffs {
            let document = serde_json::to_value(handoff).expect("JSON");
            let misfits: Vec<String> =
                validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert_eq!(misfits, [""; 0], "{name}");
            let read: Handoff = serde_json::from_value(document).expect("it can be read again");
            assert!(read == *handoff, "{name}");
        }
    }
    assert_eq!((calls_had, with_handoff), (60, 60));
}

#[test]
fn nobody_is_asked_again_for_what_is_verified() {
    let mut verified = 0;
    for (name, call, generation) in calls() {
        let Some(handoff) = call.handoffs.last() else { continue };
        let check = handoff.verification.as_ref().filter(|check| check.result == "passed");
        let Some(check) = check else { continue };
        let run = call.actions.iter().rfind(|run| run.action == "crm.verify_pin");
        let checked_at = run.unwrap_or_else(|| panic!("{name}: nothing was checked")).at;
        let specs = generation.patterns.verifications.iter();
        let specs = specs.filter(|(method, _)| method.as_str() == check.method);
        for spec in specs.flat_map(|(_, specs)| specs) {
            let slot = handoff.slots.iter().find(|slot| slot.name == spec.name.as_str());
            // A PIN is in no hand-off, and is asked for no more either.
            if let Some(slot) = slot {
                assert_eq!(slot.provenance, FactProvenance::Verified, "{name}");
                verified += 1;
            }
            let asked = spec.ask.iter().chain(&spec.again);
            for words in asked.filter_map(|template| template.render(&|_| None).ok()) {
                let again = call.lines.iter().filter(|line| {
                    line.speaker == LineSpeaker::Frontdoor
                        && Duration::from_millis(line.at_ms) > checked_at
                        && line.text.expose().contains(&words)
                });
                assert_eq!(again.count(), 0, "{name}: \"{words}\" after the check");
            }
        }
    }
    assert!(verified >= 20, "{verified} calls are too few to tell");
}
