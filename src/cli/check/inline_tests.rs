//! Runs the `## Tests` of the intent files against the classifier and the slot parsers.

use std::fmt;
use std::path::Path;

use super::file_of;
use crate::cli::telling;
use crate::conversation::{Rules, volunteered_slots};
use crate::engine::understanding::{Understander, UnderstandingError};
use crate::nlu::{ConfidencePolicy, Decision, IntentName, Understanding};
use crate::prompts::{Generation, InlineTest, is_answer};

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    path: String,
    line: usize,
    caller: String,
    complaint: Complaint,
}

/// What was not as a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Complaint {
    expected: String,
    got: String,
    /// What to write if it is the test that is wrong, where that can be told.
    fix: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, caller, complaint } = self;
        let Complaint { expected, got, fix } = complaint;
        write!(f, "{path}:{line}: \"{caller}\": expected {expected}; got {got}")?;
        let Some(fix) = fix else { return Ok(()) };
        let end = if got.ends_with('?') { "" } else { "." };
        write!(f, "{end} Fix: {fix}")
    }
}

/// A test that expects another value when it is run on another day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    path: String,
    line: usize,
    caller: String,
    fix: String,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, caller, fix } = self;
        write!(
            f,
            "{path}:{line}: warning: \"{caller}\" means another day as time goes by. Fix: {fix}"
        )
    }
}

/// What came of all tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How many were run.
    pub run: usize,
    /// Those that failed, in the order of the files.
    pub failures: Vec<Failure>,
    /// Tests that passed and will not for long.
    pub doubts: Vec<Doubt>,
}

/// Runs every test of every intent file. `folder` is the profile's.
///
/// # Errors
/// The encoder failed.
pub(super) fn run(
    generation: &Generation,
    folder: &Path,
    understander: &Understander,
    rules: &Rules,
    cache: &Path,
) -> Result<Outcome, UnderstandingError> {
    let tests: Vec<(String, &InlineTest)> = generation
        .intents
        .iter()
        .flat_map(|intent| intent.tests.iter().map(move |test| (file_of(folder, intent), test)))
        .collect();
    let texts: Vec<&str> = tests.iter().map(|(_, test)| test.caller.as_str()).collect();
    let phrases = understander.phrases(&texts, Some(cache))?;
    let (mut failures, mut doubts) = (Vec::new(), Vec::new());
    for ((path, test), phrase) in tests.iter().zip(&phrases) {
        let understanding = understander.head().classify(phrase);
        let complaint = check_intent(test, &understanding, &rules.policy)
            .or_else(|| check_slots(generation, test, rules.today));
        let (path, line, caller) = (path.clone(), test.line, test.caller.clone());
        if let Some(complaint) = complaint {
            failures.push(Failure { path, line, caller, complaint });
        } else if depends_on_the_day(generation, test, rules.today) {
            doubts.push(Doubt { path, line, caller, fix: fix_the_day(rules.today) });
        }
    }
    Ok(Outcome { run: tests.len(), failures, doubts })
}

/// What was expected and what was got, where they differ. An intent that the caller would be asked
/// to confirm counts as understood.
fn check_intent(
    test: &InlineTest,
    understanding: &Understanding,
    policy: &ConfidencePolicy,
) -> Option<Complaint> {
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
        Decision::OutOfScope => "says that it cannot help with this".to_owned(),
        Decision::NoMatch => "asks again".to_owned(),
    };
    let fix = match &decision {
        Decision::Act(found) | Decision::Confirm(found) if is_answer(found) => {
            Some(format!("if that is the right answer, write `intent: {found}`"))
        }
        _ => None,
    };
    Some(Complaint {
        expected: expected.to_owned(),
        got: format!("{}: {consequence}", telling::understanding(understanding)),
        fix,
    })
}

fn check_slots(
    generation: &Generation,
    test: &InlineTest,
    today: (i32, u8, u8),
) -> Option<Complaint> {
    let intent = generation.intent(test.intent.as_ref()?)?;
    let on = test.today.unwrap_or(today);
    let found = volunteered_slots(generation, intent, &test.caller, on);
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
    Some(Complaint {
        expected: expected.join(", "),
        got: got.collect::<Vec<_>>().join(", "),
        fix: depends_on_the_day(generation, test, today).then(|| fix_the_day(today)),
    })
}

/// Whether what a test's caller says means another value on another day, and the test does not say
/// on which day it is said.
fn depends_on_the_day(generation: &Generation, test: &InlineTest, today: (i32, u8, u8)) -> bool {
    let intent = test.intent.as_ref().and_then(|name| generation.intent(name));
    let Some(intent) = intent.filter(|_| test.today.is_none()) else { return false };
    let values = |today| {
        let found = volunteered_slots(generation, intent, &test.caller, today);
        let values = test.slots.iter().map(|(name, _)| Some(found.get(name)?.value.clone()));
        values.collect::<Vec<_>>()
    };
    let (year, month, day) = today;
    // The 29th of February is not in every year.
    values(today) != values((year + 1, month, day.min(28)))
}

fn fix_the_day((year, month, day): (i32, u8, u8)) -> String {
    format!(
        "put a line `today: {year:04}-{month:02}-{day:02}` right below `## Tests`, and the dates \
         that are right on that day"
    )
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
            today: None,
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
        let failure = |wanted, understanding: &Understanding| {
            let complaint = check_intent(&test(wanted), understanding, &policy).expect("it fails");
            let (path, caller) = ("prompts/p/intents/balance.md".to_owned(), "hm".to_owned());
            Failure { path, line: 7, caller, complaint }
        };
        let failed = failure(Some("balance"), &understanding);
        assert_eq!(
            failed.to_string(),
            "prompts/p/intents/balance.md:7: \"hm\": expected balance; got transfer 0.90, then \
             balance 0.05; in scope (-1.00): takes it for transfer"
        );
        // Nothing was expected, and a question of the FAQ is answered: that may be just right.
        let asked = understood(&[("faq: Do you have parking?", 0.9)], -1.0);
        assert_eq!(
            failure(None, &asked).to_string(),
            "prompts/p/intents/balance.md:7: \"hm\": expected no intent; got faq: Do you have \
             parking? 0.90; in scope (-1.00): takes it for faq: Do you have parking? Fix: if that \
             is the right answer, write `intent: faq: Do you have parking?`"
        );
    }

    #[test]
    fn a_date_that_moves_with_the_calendar_is_told_from_one_that_stays() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = crate::config::Config::load(&root.join("clinic.toml")).expect("the clinic's");
        let (generation, _) = crate::server::load_profile(&config).expect("sound");
        let today = (2026, 3, 11);
        let of = |caller: &str, slot: &str, value: &str, on| InlineTest {
            caller: caller.to_owned(),
            intent: Some(IntentName::new("book_appointment")),
            slots: vec![(SlotName::new(slot), value.to_owned())],
            today: on,
            line: 7,
        };
        let moves = of("I need the nurse on July fourth", "day", "2026-07-04", None);
        assert_eq!(check_slots(&generation, &moves, today), None);
        assert!(depends_on_the_day(&generation, &moves, today));
        // A year later it fails, and says what to do about it.
        let later = check_slots(&generation, &moves, (2027, 3, 11)).expect("it fails");
        assert_eq!(later.got, "day=2027-07-04");
        assert!(later.fix.is_some_and(|fix| fix.contains("`today: 2027-03-11`")));
        let fixed = of("I need the nurse on July fourth", "day", "2026-07-04", Some(today));
        assert_eq!(check_slots(&generation, &fixed, (2027, 3, 11)), None);
        assert!(!depends_on_the_day(&generation, &fixed, (2027, 3, 11)));
        let stays = of("I need to see the nurse", "clinician", "nurse", None);
        assert!(!depends_on_the_day(&generation, &stays, today));
    }
}
