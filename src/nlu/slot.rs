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
    /// A time of day. Normal form, on the 24-hour clock: `14:30`.
    Time,
    /// A phone number. Normal form: `+14155550123`, `+` and the digits for other countries, or
    /// the digits alone where the country is not known.
    Phone,
    /// A US ZIP code. Normal form: `94103` or `94103-1234`.
    Zip,
    /// A UK postcode. Normal form: `SW1A 1AA`.
    Postcode,
    /// A payment card number. Always secret. Normal form: 13 to 19 digits with their check digit.
    Card,
    /// A person's name, or a part of it. Normal form: `Smith`, `O'Brien`, `Mary-Ann Jones`.
    Name,
    /// An email address. Normal form, in lower case: `john.smith@example.com`.
    Email,
    /// Anything the caller says, kept as heard. Normal form: the text, trimmed.
    Text,
}

impl SlotKind {
    /// Fewest and most digits of a value, for the kinds that are nothing but digits: such a value
    /// may be said or keyed in pieces.
    pub const fn digit_counts(&self) -> Option<(usize, usize)> {
        match self {
            Self::Digits { min, max } => Some((*min, *max)),
            Self::Phone => Some((7, 15)),
            Self::Zip => Some((5, 9)),
            Self::Card => Some((13, 19)),
            _ => None,
        }
    }
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
