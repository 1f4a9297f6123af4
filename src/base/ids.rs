//! Identifiers as newtypes, so that a turn is never taken for an utterance.

use std::fmt;
use std::str::FromStr;

/// Identifies one call for ever: 128 bits, time-ordered when made by the server.
///
/// Written as 32 lowercase hexadecimal digits in records, logs and on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u128);

/// The text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call id is 32 hexadecimal digits")
    }
}

impl std::error::Error for ParseIdError {}

impl CallId {
    /// Wraps 128 bits that the caller made unique (the shell uses UUID version 7).
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits.
    pub const fn to_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseIdError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ParseIdError)
    }
}

macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub u32);

        impl $name {
            /// The identifier that follows this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counted_id!(
    /// One media-and-signalling side of a call (the caller's is the first).
    LegId
);
counted_id!(
    /// One side's say. Answers to a past turn are dropped by comparing this.
    TurnId
);
counted_id!(
    /// One span of caller speech.
    UtteranceId
);
counted_id!(
    /// One piece of agent speech, from request to last sample played.
    SpeechId
);
counted_id!(
    /// One run of a declared action.
    ActionRunId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_id_survives_text() {
        let id = CallId::from_u128(0x0191_2233_4455_6677_8899_aabb_ccdd_eeff);
        assert_eq!(id.to_string(), "0191223344556677 8899aabbccddeeff".replace(' ', ""));
        assert_eq!(id.to_string().parse::<CallId>(), Ok(id));
    }

    #[test]
    fn call_id_rejects_what_is_not_one() {
        for bad in ["", "12", "+1912233445566778899aabbccddeeff0", &"g".repeat(32)] {
            assert_eq!(bad.parse::<CallId>(), Err(ParseIdError), "{bad:?}");
        }
    }
}
