//! `[desk]` and `[callbacks]`: what agents can do at their desks, and who is called back how.

use std::collections::BTreeMap;

use crate::base::Pii;

use super::transfers::{TransferConfig, TransferWay};

/// Blank for the customer's number in `[callbacks] to`.
pub(super) const NUMBER_BLANK: &str = "{number}";

/// The longest number that there is (ITU-T E.164).
const NUMBER_DIGITS_MAX: usize = 15;
/// The shortest that is called back: an extension.
const NUMBER_DIGITS_MIN: usize = 3;

/// `[desk]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskConfig {
    /// What agents may say came of a call.
    pub dispositions: Vec<String>,
    /// Why they may take no calls for a while.
    pub away_reasons: Vec<String>,
    /// The declared action that tells the customer system what came of a call.
    pub wrap_up_action: Option<String>,
    /// Whether agents who take calls on a telephone hear the summary first.
    pub whisper: bool,
    /// Whether the recording goes on while callers and agents talk.
    pub record: bool,
    /// Whose name and password telephones and numbers are called with.
    pub trunk: Option<String>,
    /// How long they may ring.
    pub ring_s: u64,
    /// Where agents may send callers, or have somebody join from: SIP URIs by the names they are shown.
    pub numbers: BTreeMap<String, String>,
    /// Telephones of agents who take calls there: SIP URIs by account.
    pub phones: BTreeMap<String, String>,
}

impl DeskConfig {
    /// Inputs that `wrap_up_action` may have. What is not known is empty.
    pub const WRAP_UP_INPUTS: [&'static str; 7] =
        ["call_id", "account_number", "disposition", "summary", "notes", "agent", "queue"];

    /// How a telephone or number of `[desk]` is called.
    pub fn placed(&self, to: &str) -> TransferConfig {
        let placed = placed(to.to_owned(), self.trunk.clone(), self.ring_s);
        TransferConfig { record: self.record, ..placed }
    }

    /// Whether we may have to call somebody for it.
    pub fn may_place_calls(&self) -> bool {
        !self.numbers.is_empty() || !self.phones.is_empty()
    }
}

/// `[callbacks]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbacksConfig {
    /// SIP URI with the blank `{number}`.
    pub to: String,
    /// Numbers that may be called: as they are written, or with `*` at the end for all that begin so.
    pub allowed: Vec<String>,
    /// So often a customer who does not take the call is tried.
    pub attempts_max: u32,
    /// The pause between tries.
    pub retry_after_minutes: u64,
    /// Whose name and password they are called with.
    pub trunk: Option<String>,
    /// Field of the caller's record that holds their number, where they call from none that may be called.
    pub crm_field: Option<String>,
    /// How long it may ring.
    pub ring_s: u64,
}

impl CallbacksConfig {
    /// The number on which a caller can be called back: the one they call from, or else that of their
    /// record. Never one that was spoken.
    pub fn number_of(
        &self,
        caller_user: &str,
        record: &BTreeMap<String, Pii<String>>,
    ) -> Option<Pii<String>> {
        let of_record = self.crm_field.as_ref().and_then(|field| record.get(field));
        let of_record = of_record.map(|number| number.expose().as_str());
        let numbers = [Some(caller_user), of_record];
        let mut known = numbers.into_iter().flatten().filter_map(normal);
        known.find(|number| self.allows(number)).map(Pii::new)
    }

    /// How this number is called; `None` if it may not be.
    pub fn placed(&self, number: &Pii<String>) -> Option<TransferConfig> {
        let number = normal(number.expose()).filter(|number| self.allows(number))?;
        let to = self.to.replace(NUMBER_BLANK, &number);
        Some(placed(to, self.trunk.clone(), self.ring_s))
    }

    /// Whether this number may be called.
    fn allows(&self, number: &str) -> bool {
        self.allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => number.starts_with(beginning),
            None => number == pattern,
        })
    }
}

/// A call that we place and pass the audio of.
fn placed(to: String, trunk: Option<String>, ring_s: u64) -> TransferConfig {
    TransferConfig {
        to,
        way: TransferWay::Bridge,
        bridge_if_refused: true,
        ring_s,
        screening: false,
        trunk,
        header: None,
        record: false,
    }
}

/// A number as it is called: digits, with `+` before them if it was written so. `None` for a name, and for
/// what is too short or too long.
fn normal(written: &str) -> Option<String> {
    // Parameters may follow (RFC 3966).
    let written = written.split(';').next()?;
    let number: String = written.chars().filter(|c| !" -.()".contains(*c)).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let fits = (NUMBER_DIGITS_MIN..=NUMBER_DIGITS_MAX).contains(&digits.len());
    (fits && digits.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}

/// Whether a pattern of `allowed` means numbers, and not all of them.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let number = pattern.strip_suffix('*').unwrap_or(pattern);
    let digits = number.strip_prefix('+').unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callbacks() -> CallbacksConfig {
        CallbacksConfig {
            to: "sip:{number}@pbx.example".to_owned(),
            allowed: vec!["+44*".to_owned(), "0*".to_owned(), "200".to_owned()],
            attempts_max: 3,
            retry_after_minutes: 10,
            trunk: None,
            crm_field: Some("mobile".to_owned()),
            ring_s: 30,
        }
    }

    #[test]
    fn callers_are_called_back_where_they_call_from_or_else_as_their_record_says() {
        let record =
            |number: &str| BTreeMap::from([("mobile".to_owned(), Pii::new(number.to_owned()))]);
        for (from, mobile, expected) in [
            ("+442071234567", "+447700900123", Some("+442071234567")),
            ("020 7123-4567", "", Some("02071234567")),
            ("+442071234567;phone-context=x", "", Some("+442071234567")),
            ("200", "", Some("200")),
            // Nobody's number, or none that may be called.
            ("anonymous", "+44 7700 900123", Some("+447700900123")),
            ("+15550123", "+447700900123", Some("+447700900123")),
            ("+15550123", "+15550124", None),
            ("2001", "", None),
            ("+", "0", None),
            ("00", "", None),
            ("0123456789012345", "", None),
            ("0207123456@evil.example", "", None),
        ] {
            let found = callbacks().number_of(from, &record(mobile));
            assert_eq!(found.as_ref().map(|n| n.expose().as_str()), expected, "{from} {mobile}");
        }
    }

    #[test]
    fn only_numbers_that_may_be_called_become_addresses() {
        let uri =
            |number: &str| callbacks().placed(&Pii::new(number.to_owned())).map(|placed| placed.to);
        assert_eq!(uri("+442071234567").as_deref(), Some("sip:+442071234567@pbx.example"));
        for never in ["+15550123", "+44;x@evil.example", "200@evil.example", ""] {
            assert_eq!(uri(never), None, "{never}");
        }
    }
}
