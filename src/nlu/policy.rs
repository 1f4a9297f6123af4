//! What to do with a classification: act on it, ask about it, or say that it is none of ours.

use super::{IntentName, Understanding};

/// The thresholds that an organisation may set. All are calibrated probabilities, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidencePolicy {
    /// From here on the top intent is acted on without asking.
    pub accept: f32,
    /// From here on, below `accept`, the caller is asked to confirm.
    pub confirm: f32,
    /// How far the top intent must be ahead of the second to be acted on.
    pub margin: f32,
    /// From here on the top intent counts even if the utterance looks out of scope, but not far.
    pub in_scope_anyway: f32,
    /// Out of scope beyond this, in the units of [`Understanding::out_of_scope`], is far: a classifier
    /// is sure of itself about what is like nothing it knows as well. Between a recorded
    /// call about a car (sure to 0.98, 1.12 out of scope) and the scenarios of both demo profiles,
    /// all of which pass with it.
    pub far_out_of_scope: f32,
}

impl Default for ConfidencePolicy {
    fn default() -> Self {
        Self {
            accept: 0.7,
            confirm: 0.35,
            margin: 0.2,
            in_scope_anyway: 0.97,
            far_out_of_scope: 0.8,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Begin the task.
    Act(IntentName),
    /// Ask whether this is what is wanted.
    Confirm(IntentName),
    /// Ask which of the two is wanted, the likelier one first.
    Clarify(IntentName, IntentName),
    /// Say that this is nothing that can be had here.
    OutOfScope,
    /// Ask again.
    NoMatch,
}

impl ConfidencePolicy {
    /// Whether an utterance with this confidence in its top intent is refused as out of scope.
    pub fn refuses(&self, confidence: f32, out_of_scope: f32) -> bool {
        let is_sure = confidence >= self.in_scope_anyway && out_of_scope <= self.far_out_of_scope;
        out_of_scope > 0.0 && !is_sure
    }

    /// Decides what to do with a classification.
    pub fn decide(&self, understanding: &Understanding) -> Decision {
        let Some(top) = understanding.top() else {
            return if understanding.is_out_of_scope() {
                Decision::OutOfScope
            } else {
                Decision::NoMatch
            };
        };
        if self.refuses(top.confidence, understanding.out_of_scope) {
            return Decision::OutOfScope;
        }
        let second = understanding.intents.get(1);
        let lead = top.confidence - second.map_or(0.0, |second| second.confidence);
        if top.confidence >= self.accept && lead >= self.margin {
            return Decision::Act(top.intent.clone());
        }
        // The second must be likely in itself, not merely close to a weak first.
        if let Some(second) =
            second.filter(|second| lead < self.margin && second.confidence >= self.confirm * 0.75)
            && top.confidence >= self.confirm
        {
            return Decision::Clarify(top.intent.clone(), second.intent.clone());
        }
        if top.confidence >= self.confirm {
            return Decision::Confirm(top.intent.clone());
        }
        Decision::NoMatch
    }
}

#[cfg(test)]
mod tests {
    use super::super::IntentScore;
    use super::*;

    fn understood(scores: &[f32], out_of_scope: f32) -> Understanding {
        let names = ["a", "b", "c"];
        let intents = names
            .iter()
            .zip(scores)
            .map(|(name, confidence)| IntentScore {
                intent: IntentName::new(*name),
                confidence: *confidence,
            })
            .collect();
        Understanding::of(intents, out_of_scope)
    }

    #[test]
    fn decides_by_confidence_and_margin() {
        let a = || IntentName::new("a");
        let b = || IntentName::new("b");
        let table = [
            (&[0.9, 0.05][..], -1.0, Decision::Act(a())),
            (&[0.9], -1.0, Decision::Act(a())),
            (&[0.7, 0.2, 0.1], -1.0, Decision::Act(a())),
            (&[0.69, 0.2], -1.0, Decision::Confirm(a())),
            (&[0.5, 0.2], -1.0, Decision::Confirm(a())),
            (&[0.5, 0.4], -1.0, Decision::Clarify(a(), b())),
            (&[0.4, 0.35, 0.25], -1.0, Decision::Clarify(a(), b())),
            (&[0.36, 0.2, 0.2], -1.0, Decision::Confirm(a())),
            (&[0.3, 0.29], -1.0, Decision::NoMatch),
            (&[0.1, 0.1], -1.0, Decision::NoMatch),
            (&[0.9, 0.05], 0.5, Decision::OutOfScope),
            (&[0.98, 0.01], 0.5, Decision::Act(a())),
            (&[0.98, 0.01], 1.1, Decision::OutOfScope),
            (&[0.3, 0.1], 0.5, Decision::OutOfScope),
            (&[0.9, 0.05], 0.0, Decision::Act(a())),
            (&[], -1.0, Decision::NoMatch),
            (&[], 1.0, Decision::OutOfScope),
        ];
        for (scores, out_of_scope, expected) in table {
            let decision = ConfidencePolicy::default().decide(&understood(scores, out_of_scope));
            assert_eq!(decision, expected, "{scores:?} {out_of_scope}");
        }
    }

    #[test]
    fn broken_scores_never_act() {
        let decision = ConfidencePolicy::default().decide(&understood(&[f32::NAN, 0.5], -1.0));
        assert_eq!(decision, Decision::NoMatch);
    }
}
