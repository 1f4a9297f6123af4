//! Personal data that does not print itself.

use std::fmt;

/// A value about a person: what was said, keyed, or looked up.
///
/// `Debug` and `Display` print `[redacted]`, so that a log line or a panic message cannot leak it.
/// Reading it is explicit: [`Pii::expose`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Marks a value as personal.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Call it only where the value is used, never where it is logged.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Gives the value up.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_of_the_value() {
        let pin = Pii::new("4321".to_owned());
        assert_eq!(format!("{pin} {pin:?}"), "[redacted] [redacted]");
        assert_eq!(pin.expose(), "4321");
    }
}
