//! How much of an utterance is the caller's own voice, and how much our own that has come back.

use std::time::Duration;

use super::Judgement;

/// The shortest words ("yes", "no") are voiced for 400 ms and more, as voice detectors count. What is
/// less than this, among an echo, is where the echo was not recognised.
const OWN_MIN: Duration = Duration::from_millis(280);

/// Keeps count for the present utterance of one caller. Where nothing is an echo, all that is voiced
/// is the caller's.
#[derive(Debug, Clone, Default)]
pub struct CallerShare {
    /// Voiced by now, as the endpointer counts.
    voiced: Duration,
    /// Of it, echo.
    echo: Duration,
    /// What is the caller's, less what has been echo since.
    own: Duration,
    /// The most that ever was.
    own_most: Duration,
    /// How long ago the caller's own began.
    since: Option<Duration>,
}

impl CallerShare {
    /// A chunk of this length passes. Comes before it is counted.
    pub fn pass(&mut self, length: Duration) {
        if let Some(since) = &mut self.since {
            *since += length;
        }
    }

    /// Counts a chunk: whose it is, and how much of the utterance is voiced now that it has passed.
    pub fn count(&mut self, judgement: Judgement, voiced: Duration) {
        if voiced < self.voiced {
            *self = Self::default();
        }
        let more = voiced - self.voiced;
        self.voiced = voiced;
        match judgement {
            Judgement::NotEcho if more.is_zero() => {}
            Judgement::NotEcho => {
                self.own += more;
                self.own_most = self.own_most.max(self.own);
                self.since.get_or_insert(more);
            }
            Judgement::Echo => {
                self.echo += more;
                self.own = self.own.saturating_sub(more);
                if self.own.is_zero() && self.own_most < OWN_MIN {
                    self.since = None;
                }
            }
            Judgement::EchoFound => *self = Self { voiced, echo: voiced, ..Self::default() },
        }
    }

    /// For how long the caller has been speaking. An echo in between counts against it, so that the
    /// moments in which one is not recognised do not add up.
    pub const fn own(&self) -> Duration {
        self.own
    }

    /// The longest that the caller has been speaking at any moment of the utterance.
    pub const fn own_most(&self) -> Duration {
        self.own_most
    }

    /// How much of the utterance was an echo.
    pub const fn echo(&self) -> Duration {
        self.echo
    }

    /// Whether nobody but us is heard in the utterance.
    pub fn is_all_echo(&self) -> bool {
        self.own_most < OWN_MIN && self.echo * 2 > self.voiced
    }

    /// How long ago the caller's own voice began, where an echo came before it.
    pub fn began_after_echo(&self) -> Option<Duration> {
        self.since.filter(|_| !self.echo.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::Judgement::{Echo, EchoFound, NotEcho};
    use super::*;

    const CHUNK: Duration = Duration::from_millis(32);

    /// Counts so many voiced chunks of each kind.
    fn share(kinds: &[(Judgement, u32)]) -> CallerShare {
        let (mut share, mut voiced) = (CallerShare::default(), Duration::ZERO);
        for &(judgement, chunks) in kinds {
            for _ in 0..chunks {
                voiced += CHUNK;
                share.pass(CHUNK);
                share.count(judgement, voiced);
            }
        }
        share
    }

    #[test]
    fn without_an_echo_all_is_the_callers() {
        let share = share(&[(NotEcho, 20)]);
        assert_eq!(share.own(), 20 * CHUNK);
        assert!(!share.is_all_echo());
        assert_eq!(share.began_after_echo(), None, "nothing is to be cut");
    }

    #[test]
    fn moments_in_which_an_echo_is_not_recognised_do_not_add_up() {
        let share = share(&[(Echo, 10), (NotEcho, 3), (Echo, 10), (NotEcho, 4), (Echo, 2)]);
        assert!(share.own() < 3 * CHUNK, "{share:?}");
        assert!(share.is_all_echo());
        let found = super::tests::share(&[(NotEcho, 8), (EchoFound, 1), (Echo, 5)]);
        assert!(found.is_all_echo() && found.own().is_zero(), "{found:?}");
    }

    #[test]
    fn a_caller_after_the_echo_is_told_from_it() {
        let mut share = share(&[(Echo, 15), (NotEcho, 12)]);
        assert!(!share.is_all_echo());
        share.pass(CHUNK);
        share.count(NotEcho, 27 * CHUNK);
        assert_eq!(share.began_after_echo(), Some(13 * CHUNK));
        // The next utterance.
        share.count(NotEcho, Duration::ZERO);
        assert_eq!((share.own(), share.echo()), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn a_short_word_is_not_lost_for_a_moment_of_doubt() {
        assert!(!share(&[(NotEcho, 4), (Echo, 1), (NotEcho, 3)]).is_all_echo());
    }
}
