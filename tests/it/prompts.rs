//! The demo profiles are sound, and every broken tree is refused in the words it should be.
//!
//! A folder below `tests/fixtures/prompts` holds the files in which it differs from
//! `prompts/bank`, and `expected.txt` with the findings. `BLESS=1` rewrites `expected.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use frontdoor::config::Config;
use frontdoor::prompts::{
    ActionName, ActionSignature, Declared, Finding, Generation, PersonRule, Severity, SourceFile,
    VerificationName, VerificationSignature, parse,
};
use frontdoor::server::load_profile;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read_folder(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("it is below the folder");
            let name = name.to_string_lossy().replace('\\', "/");
            // Tests of whole calls are no prompt files.
            if !name.starts_with("calls/") {
                files.insert(name, fs::read(&path).expect("the file can be read"));
            }
        }
    }
    files
}

/// What the demo's `frontdoor.toml` declares.
fn declared() -> Declared {
    let strings = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let action = |name: &str, inputs: &str, outputs: &str, changes_state| {
        let (inputs, outputs) = (strings(inputs), strings(outputs));
        let signature = ActionSignature { inputs, outputs, changes_state, gives_list: false };
        (ActionName::new(name), signature)
    };
    Declared {
        actions: BTreeMap::from([
            action("crm.balance", "account_number account_type", "balance", false),
            action("crm.transactions", "account_number account_type", "count summary", false),
            action("crm.block_card", "account_number", "card_last4", true),
            action(
                "crm.transfer",
                "account_number from_account to_account amount",
                "from_balance to_balance",
                true,
            ),
            action("crm.change_address", "account_number new_address", "", true),
            action("crm.verify_pin", "account_number pin", "", false),
        ]),
        verifications: BTreeMap::from([(
            VerificationName::new("account_pin"),
            VerificationSignature { slots: strings("account_number pin") },
        )]),
        caller_fields: BTreeSet::from_iter(strings("customer_name first_name account_number")),
        tells_ticket: true,
        asks_to_record: false,
    }
}

fn parse_bytes(
    files: BTreeMap<String, Vec<u8>>,
) -> Result<(Generation, Vec<Finding>), Vec<Finding>> {
    let mut sources = Vec::new();
    let mut unreadable = Vec::new();
    for (path, bytes) in files {
        match SourceFile::from_bytes("bank", &path, bytes) {
            Ok(source) => sources.push(source),
            Err(finding) => unreadable.push(finding),
        }
    }
    match parse("bank", &sources, &declared()) {
        Ok(parsed) if unreadable.is_empty() => Ok((parsed.generation, parsed.warnings)),
        Ok(_) => Err(unreadable),
        Err(findings) => Err(unreadable.into_iter().chain(findings).collect()),
    }
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn bank() -> Generation {
    match parse_bytes(read_folder(&root().join("prompts/bank"))) {
        Ok((generation, _)) => generation,
        Err(findings) => panic!("prompts/bank is refused:\n{}", lines(&findings)),
    }
}

#[test]
fn the_demo_profile_is_sound_without_a_doubt() {
    let parsed = parse_bytes(read_folder(&root().join("prompts/bank")));
    let (generation, warnings) = match parsed {
        Ok(parsed) => parsed,
        Err(findings) => panic!("prompts/bank is refused:\n{}", lines(&findings)),
    };
    assert_eq!(lines(&warnings), "");
    for intent in &generation.intents {
        let name = &intent.name;
        let from: BTreeSet<usize> = intent.examples.iter().map(|example| example.line).collect();
        assert!(from.len() >= 12, "{name} has {} example lines", from.len());
        assert!(intent.tests.len() >= 4, "{name} has {} tests", intent.tests.len());
    }
    for (pattern, variants) in &generation.patterns.says {
        assert!((2..=3).contains(&variants.len()), "{pattern:?} has {} variants", variants.len());
    }
    assert!(generation.intents.iter().any(|intent| intent.person == PersonRule::AtOnce));
}

fn clinic() -> (Generation, Vec<Finding>) {
    let config = Config::load(&root().join("clinic.toml")).unwrap_or_else(|e| panic!("{e}"));
    load_profile(&config).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_second_demo_profile_is_sound_with_its_own_configuration() {
    let (generation, warnings) = clinic();
    assert_eq!(lines(&warnings), "");
    for intent in &generation.intents {
        let name = &intent.name;
        let from: BTreeSet<usize> = intent.examples.iter().map(|example| example.line).collect();
        assert!(from.len() >= 15, "{name} has {} example lines", from.len());
        assert!(intent.tests.len() >= 4, "{name} has {} tests", intent.tests.len());
        for said in [&intent.confirm, &intent.then_say] {
            assert!(said.len() != 1 || name.as_str() == "opening_hours", "{name} has one wording");
        }
    }
    for (pattern, variants) in &generation.patterns.says {
        assert!((2..=3).contains(&variants.len()), "{pattern:?} has {} variants", variants.len());
    }
    let at_once: BTreeMap<&str, u8> = generation
        .intents
        .iter()
        .filter(|intent| intent.person == PersonRule::AtOnce)
        .filter_map(|intent| Some((intent.name.as_str(), intent.handoff.as_ref()?)))
        .map(|(name, queue)| (name, generation.queues[queue].priority))
        .collect();
    assert_eq!(at_once, BTreeMap::from([("talk_to_person", 5), ("urgent_symptoms", 1)]));
}

#[test]
fn no_demo_sentence_is_too_long_for_the_ear() {
    for sentence in bank().fixed_sentences().into_iter().chain(clinic().0.fixed_sentences()) {
        for part in sentence.split_inclusive(['.', '?', '!']) {
            let count = part.split_whitespace().count();
            assert!(count <= 20, "{count} words: {part}");
        }
    }
}

#[test]
fn demo_examples_expand_as_they_always_did() {
    let generation = bank();
    let training: String =
        generation.training().iter().map(|(name, text)| format!("{name}: {text}\n")).collect();
    compare(&root().join("tests/fixtures/prompts/bank_training.txt"), &training);
}

#[test]
fn broken_trees_are_refused_with_the_expected_words() {
    let fixtures = root().join("tests/fixtures/prompts");
    let readme = fs::read_to_string(fixtures.join("README.md")).expect("the list can be read");
    let mut count = 0;
    for entry in fs::read_dir(&fixtures).expect("the fixtures can be read") {
        let folder = entry.expect("the entry can be read").path();
        if !folder.is_dir() {
            continue;
        }
        count += 1;
        let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is not in README.md");
        let mut files = read_folder(&root().join("prompts/bank"));
        for (path, bytes) in read_folder(&folder) {
            // A file of no bytes stands for one that is not there.
            if bytes.is_empty() {
                files.remove(&path);
            } else if path != "expected.txt" {
                files.insert(path, bytes);
            }
        }
        let Err(findings) = parse_bytes(files) else {
            panic!("{} is not refused", folder.display());
        };
        assert!(findings.iter().any(|finding| finding.severity == Severity::Error));
        compare(&folder.join("expected.txt"), &lines(&findings));
    }
    assert!(count >= 28, "there are {count} broken trees");
}

fn compare(expected: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(expected, found).expect("the expected text can be written");
    }
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    assert_eq!(found, wanted, "differs from {}", expected.display());
}
