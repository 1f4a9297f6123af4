//! How much work may be spent on callers: less of it when the machine is too busy for everything.

use std::fmt;

/// How much is done for callers. Later is less: `Full < StraightToPeople`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Effort {
    /// All that we can.
    #[default]
    Full,
    /// Nothing is worked out before it is known that the caller has finished.
    NoSpeculation,
    /// And the second, larger model is not asked.
    SmallHearing,
    /// And new callers are asked to press keys: nobody listens to their words.
    KeypadMenu,
    /// And new callers go to people at once, in place of a menu.
    StraightToPeople,
}

impl Effort {
    /// Every one, from all to least.
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::NoSpeculation,
        Self::SmallHearing,
        Self::KeypadMenu,
        Self::StraightToPeople,
    ];

    /// The word used in the configuration, metrics, logs and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoSpeculation => "no_speculation",
            Self::SmallHearing => "small_hearing",
            Self::KeypadMenu => "keypad_menu",
            Self::StraightToPeople => "straight_to_people",
        }
    }

    /// By its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == word)
    }

    /// How many steps below [`Effort::Full`].
    pub const fn steps_down(self) -> usize {
        self as usize
    }

    /// One step less, if there is one.
    pub fn less(self) -> Option<Self> {
        Self::ALL.get(self.steps_down() + 1).copied()
    }

    /// One step more, if there is one.
    pub fn more(self) -> Option<Self> {
        Self::ALL.get(self.steps_down().checked_sub(1)?).copied()
    }

    /// Whether work may be begun before the caller is known to have finished.
    pub fn allows_speculation(self) -> bool {
        self < Self::NoSpeculation
    }

    /// Whether the second, larger model may be asked.
    pub fn allows_second_model(self) -> bool {
        self < Self::SmallHearing
    }

    /// Whether a call that begins now is talked with.
    pub fn allows_conversation(self) -> bool {
        self < Self::KeypadMenu
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_less_and_has_its_word() {
        let mut effort = Effort::Full;
        assert_eq!(effort.more(), None);
        for (steps, expected) in Effort::ALL.into_iter().enumerate() {
            assert_eq!((effort, effort.steps_down()), (expected, steps));
            assert_eq!(Effort::parse(effort.as_str()), Some(effort));
            let Some(less) = effort.less() else { break };
            assert!(less > effort);
            assert_eq!(less.more(), Some(effort));
            effort = less;
        }
        assert_eq!(effort, Effort::StraightToPeople);
        assert_eq!(Effort::parse("Full"), None, "words are written in one way");
    }

    #[test]
    fn what_a_step_takes_away_stays_away_below_it() {
        let allowed = Effort::ALL.map(|effort| {
            [
                effort.allows_speculation(),
                effort.allows_second_model(),
                effort.allows_conversation(),
            ]
        });
        let expected = [
            [true, true, true],
            [false, true, true],
            [false, false, true],
            [false, false, false],
            [false, false, false],
        ];
        assert_eq!(allowed, expected);
    }
}
