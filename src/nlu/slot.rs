//! Slots: the typed blanks a task needs filled, and the values that fill them.

use std::fmt;

use crate::base::Pii;

/// The name of a slot as the prompt file writes it (`account_number`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotName(String);

impl SlotName {
    /// Wraps a name; prompt files allow lowercase letters, digits and `_`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing a `one of` slot can be: its normal form and other ways to say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What the slot's value becomes (`checking`).
    pub value: String,
    /// Other ways callers say it (`current account`).
    pub also: Vec<String>,
}

/// What kind of value a slot takes. The normal form of each is given here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotKind {
    /// Digits, between `min` and `max` of them. Normal form: the digits, `12345678`.
    Digits {
        /// Fewest digits.
        min: usize,
        /// Most digits.
        max: usize,
    },
    /// An amount of money. Normal form: decimal with two places, `120.50`.
    Money,
    /// One of a list. Normal form: the choice's `value`.
    OneOf(Vec<Choice>),
    /// A calendar date. Normal form: `2026-03-31`.
    Date,
    /// Anything the caller says, kept as heard. Normal form: the text, trimmed.
    Text,
}

/// Where a value came from. Agents see it beside every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// The caller said it.
    Said,
    /// The caller pressed keys.
    Keyed,
    /// Looked up in the organisation's records.
    Crm,
    /// Checked by a verification method.
    Verified,
}

impl Provenance {
    /// The word used in the hand-off JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::Keyed => "keyed",
            Self::Crm => "crm",
            Self::Verified => "verified",
        }
    }
}

/// A filled slot.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotValue {
    /// Normal form, as [`SlotKind`] defines it.
    pub value: Pii<String>,
    /// Where it came from.
    pub provenance: Provenance,
    /// 0 to 1: how sure we are that this is what was meant.
    pub confidence: f32,
}
