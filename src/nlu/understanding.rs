//! What the models made of one utterance.

use std::fmt;

use crate::base::Pii;

/// The name of an intent as its prompt file writes it (`lost_card`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentName(String);

impl IntentName {
    /// Wraps a name; prompt files allow lowercase letters, digits and `_`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as words (`lost card`): an example of what it is about, worth one more that a
    /// caller gave where there are few.
    pub fn as_words(&self) -> String {
        self.0.replace(['_', '-'], " ").to_lowercase()
    }
}

impl fmt::Display for IntentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One intent and how sure the classifier is of it.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentScore {
    /// Which intent.
    pub intent: IntentName,
    /// Calibrated probability, 0 to 1, given that the utterance is in scope.
    pub confidence: f32,
}

/// The classifier's view of one utterance: every intent with its calibrated confidence, and,
/// apart from that, whether the utterance is about anything we do at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Understanding {
    /// All intents, most confident first.
    pub intents: Vec<IntentScore>,
    /// Higher is more likely out of scope. 0 is the threshold at which 5 % of in-scope examples
    /// would be refused, so `> 0` means out of scope.
    pub out_of_scope: f32,
    /// Its pieces, if each of them is a request of its own; else empty.
    pub parts: Vec<Part>,
}

/// A piece of an utterance that is a request by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The words.
    pub words: Pii<String>,
    /// What they ask for, and how sure the classifier is.
    pub score: IntentScore,
}

impl Understanding {
    /// An utterance that is one request at most.
    pub const fn of(intents: Vec<IntentScore>, out_of_scope: f32) -> Self {
        Self { intents, out_of_scope, parts: Vec::new() }
    }

    /// The most confident intent, if there is any.
    pub fn top(&self) -> Option<&IntentScore> {
        self.intents.first()
    }

    /// Whether the utterance should be treated as none of our business.
    pub fn is_out_of_scope(&self) -> bool {
        self.out_of_scope > 0.0
    }
}
