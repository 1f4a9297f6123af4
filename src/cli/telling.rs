//! How understandings, slots and actions are written for people at a terminal.

use crate::acd::handoff::HandoffReason;
use crate::base::{LIST_OUTPUT, split_list};
use crate::conversation::ActionResult;
use crate::nlu::{SlotName, SlotValue, Understanding};

/// `balance 0.91, then transfer 0.05; in scope (-1.20)`.
pub(super) fn understanding(understanding: &Understanding) -> String {
    let best = understanding.intents.iter().take(2);
    let best: Vec<String> =
        best.map(|scored| format!("{} {:.2}", scored.intent, scored.confidence)).collect();
    let scope = if understanding.is_out_of_scope() { "out of scope" } else { "in scope" };
    let best = if best.is_empty() { "nothing".to_owned() } else { best.join(", then ") };
    format!("{best}; {scope} ({:+.2})", understanding.out_of_scope)
}

/// `amount=50.00 (said)`.
pub(super) fn slot(name: &SlotName, value: &SlotValue) -> String {
    format!("{name}={} ({})", value.value.expose(), value.provenance.as_str())
}

/// `done`, or the failure's words.
pub(super) fn result_words(result: &ActionResult) -> &str {
    result.as_ref().map_or_else(|failure| failure.as_words(), |_| "done")
}

/// `done (balance=1204.50)`, or the failure's words. Of a list only its length: most of its names
/// are other people's.
pub(super) fn result(result: &ActionResult) -> String {
    if let Ok(outputs) = result
        && let Some(list) = outputs.get(LIST_OUTPUT)
    {
        return format!("done (a list of {})", split_list(list.expose()).count());
    }
    match result {
        Ok(outputs) if !outputs.is_empty() => {
            let outputs = outputs.iter().map(|(name, value)| format!("{name}={}", value.expose()));
            format!("done ({})", outputs.collect::<Vec<_>>().join(", "))
        }
        _ => result_words(result).to_owned(),
    }
}

/// Why a person is needed, in the words of the hand-off.
pub(super) static REASONS: [(&str, HandoffReason); 6] = [
    ("asked", HandoffReason::Asked),
    ("policy", HandoffReason::Policy),
    ("low confidence", HandoffReason::LowConfidence),
    ("repeated failure", HandoffReason::RepeatedFailure),
    ("outage", HandoffReason::Outage),
    ("out of scope", HandoffReason::OutOfScope),
];

/// Why a person is needed, in words.
pub(super) fn reason(reason: HandoffReason) -> &'static str {
    REASONS.iter().find(|(_, known)| *known == reason).map_or("unknown", |(words, _)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pii;
    use crate::conversation::FailureWords;
    use crate::nlu::{IntentName, IntentScore, Provenance};

    #[test]
    fn understandings_name_the_best_two_and_the_scope() {
        let scores = [("balance", 0.91), ("transfer", 0.05), ("greeting", 0.04)];
        let intents = scores
            .map(|(name, confidence)| IntentScore { intent: IntentName::new(name), confidence });
        let inside = Understanding::of(intents.to_vec(), -1.2);
        assert_eq!(understanding(&inside), "balance 0.91, then transfer 0.05; in scope (-1.20)");
        let outside = Understanding::of(Vec::new(), 0.5);
        assert_eq!(understanding(&outside), "nothing; out of scope (+0.50)");
    }

    #[test]
    fn slots_and_results_are_told_with_their_values() {
        let value = SlotValue {
            value: Pii::new("50.00".to_owned()),
            provenance: Provenance::Said,
            confidence: 0.9,
        };
        assert_eq!(slot(&SlotName::new("amount"), &value), "amount=50.00 (said)");
        let outputs = [("balance".to_owned(), Pii::new("1.00".to_owned()))];
        assert_eq!(result(&Ok(outputs.into())), "done (balance=1.00)");
        let list = [(LIST_OUTPUT.to_owned(), Pii::new("Smith\nJones".to_owned()))];
        assert_eq!(result(&Ok(list.into())), "done (a list of 2)");
        assert_eq!(result(&Ok(std::collections::BTreeMap::new())), "done");
        assert_eq!(result(&Err(FailureWords::NotFound)), "not found");
    }
}
