//! Runs the `## Tests` of the intent files against the classifier and the slot parsers.

use std::fmt;
use std::path::Path;

use super::file_of;
use crate::cli::telling;
use crate::conversation::{Rules, volunteered_slots};
use crate::engine::understanding::{Understander, UnderstandingError};
use crate::nlu::{ConfidencePolicy, Decision, IntentName, Understanding};
use crate::prompts::{Generation, InlineTest};

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    path: String,
    line: usize,
    caller: String,
    expected: String,
    got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, caller, expected, got } = self;
        write!(f, "{path}:{line}: \"{caller}\": expected {expected}; got {got}")
    }
}

/// What came of all tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How many were run.
    pub run: usize,
    /// Those that failed, in the order of the files.
    pub failures: Vec<Failure>,
}

/// Runs every test of every intent file.
///
/// # Errors
/// The encoder failed.
pub(super) fn run(
    generation: &Generation,
    understander: &Understander,
    rules: &Rules,
    cache: &Path,
) -> Result<Outcome, UnderstandingError> {
    let tests: Vec<(String, &InlineTest)> = generation
        .intents
        .iter()
        .flat_map(|intent| intent.tests.iter().map(move |test| (file_of(generation, intent), test)))
        .collect();
    let texts: Vec<&str> = tests.iter().map(|(_, test)| test.caller.as_str()).collect();
    let phrases = understander.phrases(&texts, Some(cache))?;
    let mut failures = Vec::new();
    for ((path, test), phrase) in tests.iter().zip(&phrases) {
        let understanding = understander.head().classify(phrase);
        let complaint = check_intent(test, &understanding, &rules.policy)
            .or_else(|| check_slots(generation, test, rules.today));
        if let Some((expected, got)) = complaint {
            let (path, caller) = (path.clone(), test.caller.clone());
            failures.push(Failure { path, line: test.line, caller, expected, got });
        }
    }
    Ok(Outcome { run: tests.len(), failures })
}

/// What was expected and what was got, where they differ. An intent that the caller would be asked
/// to confirm counts as understood.
fn check_intent(
    test: &InlineTest,
    understanding: &Understanding,
    policy: &ConfidencePolicy,
) -> Option<(String, String)> {
    let decision = policy.decide(understanding);
    let passed = match (&test.intent, &decision) {
        (Some(wanted), Decision::Act(found) | Decision::Confirm(found)) => wanted == found,
        (None, Decision::OutOfScope | Decision::NoMatch) => true,
        _ => false,
    };
    if passed {
        return None;
    }
    let expected = test.intent.as_ref().map_or("no intent", IntentName::as_str);
    let consequence = match &decision {
        Decision::Act(found) => format!("takes it for {found}"),
        Decision::Confirm(found) => format!("asks whether it is {found}"),
        Decision::Clarify(first, second) => format!("asks whether it is {first} or {second}"),
        Decision::OutOfScope => "says that this is nothing it does".to_owned(),
        Decision::NoMatch => "asks again".to_owned(),
    };
    Some((expected.to_owned(), format!("{}: {consequence}", telling::understanding(understanding))))
}

fn check_slots(
    generation: &Generation,
    test: &InlineTest,
    today: (i32, u8, u8),
) -> Option<(String, String)> {
    let intent = generation.intent(test.intent.as_ref()?)?;
    let found = volunteered_slots(generation, intent, &test.caller, today);
    let wrong: Vec<_> = test
        .slots
        .iter()
        .filter(|(name, wanted)| found.get(name).is_none_or(|is| is.value.expose() != wanted))
        .collect();
    if wrong.is_empty() {
        return None;
    }
    let expected: Vec<String> =
        wrong.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let got = wrong.iter().map(|(name, _)| match found.get(name) {
        Some(value) => format!("{name}={}", value.value.expose()),
        None => format!("no {name}"),
    });
    Some((expected.join(", "), got.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::{IntentScore, SlotName};

    fn test(intent: Option<&str>) -> InlineTest {
        InlineTest {
            caller: "what have I got".to_owned(),
            intent: intent.map(IntentName::new),
            slots: vec![(SlotName::new("amount"), "50.00".to_owned())],
            line: 7,
        }
    }

    fn understood(scores: &[(&str, f32)], out_of_scope: f32) -> Understanding {
        let intents = scores.iter().map(|(name, confidence)| IntentScore {
            intent: IntentName::new(*name),
            confidence: *confidence,
        });
        Understanding::of(intents.collect(), out_of_scope)
    }

    #[test]
    fn an_intent_that_would_be_confirmed_counts_as_understood() {
        let policy = ConfidencePolicy::default();
        for (wanted, scores, out_of_scope, passes) in [
            (Some("balance"), &[("balance", 0.9)][..], -1.0, true),
            (Some("balance"), &[("balance", 0.5), ("transfer", 0.1)], -1.0, true),
            (Some("balance"), &[("balance", 0.5), ("transfer", 0.45)], -1.0, false),
            (Some("balance"), &[("transfer", 0.9)], -1.0, false),
            (Some("balance"), &[("balance", 0.9)], 1.0, false),
            (None, &[("balance", 0.9)], 1.0, true),
            (None, &[("balance", 0.9)], -1.0, false),
        ] {
            let understanding = understood(scores, out_of_scope);
            let complaint = check_intent(&test(wanted), &understanding, &policy);
            assert_eq!(complaint.is_none(), passes, "{wanted:?} {scores:?} {out_of_scope}");
        }
    }

    #[test]
    fn a_failure_tells_what_would_happen_and_how_sure_it_was() {
        let understanding = understood(&[("transfer", 0.9), ("balance", 0.05)], -1.0);
        let policy = ConfidencePolicy::default();
        let (expected, got) =
            check_intent(&test(Some("balance")), &understanding, &policy).expect("it fails");
        let (path, caller) = ("prompts/p/intents/balance.md".to_owned(), "hm".to_owned());
        let failure = Failure { path, line: 7, caller, expected, got };
        assert_eq!(
            failure.to_string(),
            "prompts/p/intents/balance.md:7: \"hm\": expected balance; got transfer 0.90, then \
             balance 0.05; in scope (-1.00): takes it for transfer"
        );
    }
}
