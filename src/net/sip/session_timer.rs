//! Session timers (RFC 4028): what two sides agree on, and when to refresh or to give up. Pure.
//!
//! ```text
//!  agreed --> Quiet --half the interval, if we refresh--> Refreshing --2xx--> agreed anew
//!               |                                           |     '--refused--> RetryAt --> ..
//!               '-- no refresh came, shortly before --------'-- the interval is over --> expired
//! ```

use std::fmt;
use std::time::{Duration, Instant};

/// A refresh that was refused is tried again after this pause, until the session expires.
const RETRY: Duration = Duration::from_secs(5);

/// Whoever waits for a refresh hangs up this long before the end, or a third of the interval before
/// it if that is less (RFC 4028 10).
const MARGIN_MAX: Duration = Duration::from_secs(32);

/// How long a call may last without a sign of life of the other side (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// What we propose, and the longest that we agree to where we have a say, in seconds.
    pub expires_s: u32,
    /// The shortest that we agree to, in seconds; RFC 4028 4 wants no less than 90.
    pub min_s: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { expires_s: 1800, min_s: 90 }
    }
}

/// Which side of a transaction refreshes: the one that sent its request, or the one that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresher {
    Uac,
    Uas,
}

/// A Session-Expires value (RFC 4028 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionExpires {
    pub(super) seconds: u32,
    pub(super) refresher: Option<Refresher>,
}

impl SessionExpires {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';');
        let seconds = delta_seconds(parts.next()?)?;
        let mut refresher = None;
        for part in parts {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            if name.trim().eq_ignore_ascii_case("refresher") {
                refresher = match text.trim().to_ascii_lowercase().as_str() {
                    "uac" => Some(Refresher::Uac),
                    "uas" => Some(Refresher::Uas),
                    _ => None,
                };
            }
        }
        Some(Self { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{refresher}", self.seconds)
    }
}

/// Reads delta-seconds (RFC 3261 25.1); a number too large to hold is the largest there is.
fn delta_seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// What a message says about session timers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SessionWords {
    pub(super) expires: Option<SessionExpires>,
    pub(super) min_se_s: Option<u32>,
    /// Its sender knows session timers (`timer` in Supported or Require).
    pub(super) knows_timers: bool,
}

impl SessionWords {
    /// Reads the headers of a message, given as names and values.
    pub(super) fn read<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut words = Self::default();
        for (name, value) in headers {
            match name.to_ascii_lowercase().as_str() {
                "session-expires" => words.expires = SessionExpires::parse(value),
                "min-se" => {
                    words.min_se_s = delta_seconds(value.split(';').next().unwrap_or(value));
                }
                "supported" | "require" => {
                    let mut tags = value.split(',');
                    words.knows_timers |= tags.any(|tag| tag.trim().eq_ignore_ascii_case("timer"));
                }
                _ => {}
            }
        }
        words
    }

    /// Whether the request is to be refused with 422. A caller that does not know session timers
    /// could not heed it: then a proxy on the way wrote the interval (RFC 4028 9).
    pub(super) fn is_too_short(&self, limits: SessionLimits) -> bool {
        self.knows_timers && self.expires.is_some_and(|expires| expires.seconds < limits.min_s)
    }
}

/// What holds from a 2xx on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) interval_s: u32,
    pub(super) we_refresh: bool,
}

impl Agreed {
    /// What we answer a request with (RFC 4028 9, table 2). Without a word from the other side, we
    /// refresh: it need not know how.
    pub(super) fn as_callee(words: &SessionWords, limits: SessionLimits) -> Self {
        let longest = limits.expires_s.max(limits.min_s).max(words.min_se_s.unwrap_or(0));
        let Some(asked) = words.expires else {
            return Self { interval_s: longest, we_refresh: true };
        };
        Self {
            interval_s: asked.seconds.clamp(limits.min_s, longest),
            we_refresh: asked.refresher == Some(Refresher::Uas) || !words.knows_timers,
        }
    }

    /// What a 2xx to our own request says; `None` if the session has no timer (RFC 4028 7.2).
    pub(super) fn as_caller(words: &SessionWords, limits: SessionLimits) -> Option<Self> {
        let said = words.expires?;
        Some(Self {
            interval_s: said.seconds.max(limits.min_s),
            we_refresh: said.refresher != Some(Refresher::Uas),
        })
    }

    /// The value for a 2xx of ours.
    pub(super) fn in_answer(self) -> SessionExpires {
        let refresher = if self.we_refresh { Refresher::Uas } else { Refresher::Uac };
        SessionExpires { seconds: self.interval_s, refresher: Some(refresher) }
    }

    /// The value for a request of ours, which leaves the roles as they are (RFC 4028 7.4).
    pub(super) fn in_request(self) -> SessionExpires {
        let refresher = if self.we_refresh { Refresher::Uac } else { Refresher::Uas };
        SessionExpires { seconds: self.interval_s, refresher: Some(refresher) }
    }
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a refresh; [`SessionTimer::refresh_failed`] or a new timer follows.
    Refresh,
    /// Nobody refreshed in time: hang up.
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Quiet,
    Refreshing,
    RetryAt(Instant),
}

/// The timer of one session, from one 2xx to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionTimer {
    agreed: Agreed,
    since: Instant,
    state: State,
}

impl SessionTimer {
    pub(super) fn new(now: Instant, agreed: Agreed) -> Self {
        Self { agreed, since: now, state: State::Quiet }
    }

    pub(super) fn agreed(&self) -> Agreed {
        self.agreed
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.agreed.interval_s.into())
    }

    fn expires_at(&self) -> Instant {
        let interval = self.interval();
        let margin = match self.agreed.we_refresh {
            true => Duration::ZERO,
            false => (interval / 3).min(MARGIN_MAX),
        };
        self.since + (interval - margin)
    }

    fn refresh_at(&self) -> Option<Instant> {
        match self.state {
            _ if !self.agreed.we_refresh => None,
            State::Quiet => Some(self.since + self.interval() / 2),
            State::Refreshing => None,
            State::RetryAt(at) => Some(at),
        }
    }

    /// When [`SessionTimer::poll`] has something to say.
    pub(super) fn poll_timeout(&self) -> Instant {
        let expires = self.expires_at();
        self.refresh_at().map_or(expires, |at| at.min(expires))
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        if self.expires_at() <= now {
            return Some(Due::Expired);
        }
        if self.refresh_at().is_some_and(|at| at <= now) {
            self.state = State::Refreshing;
            return Some(Due::Refresh);
        }
        None
    }

    /// The other side wants a longer interval: asked for with the next refresh (RFC 4028 7.3).
    pub(super) fn lengthen(&mut self, interval_s: u32) {
        self.agreed.interval_s = interval_s;
    }

    /// The refresh was refused, or could not be sent at present.
    pub(super) fn refresh_failed(&mut self, now: Instant) {
        self.state = State::RetryAt(now + RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SessionLimits = SessionLimits { expires_s: 1800, min_s: 90 };

    fn words(headers: &[(&str, &str)]) -> SessionWords {
        SessionWords::read(headers.iter().copied())
    }

    #[test]
    fn values_are_read_and_written() {
        use Refresher::{Uac, Uas};
        let cases = [
            ("1800", Some((1800, None)), "1800"),
            (" 90 ; refresher = UAS ", Some((90, Some(Uas))), "90;refresher=uas"),
            ("90;x=y;refresher=uac", Some((90, Some(Uac))), "90;refresher=uac"),
            ("90;refresher=us", Some((90, None)), "90"),
            ("99999999999", Some((u32::MAX, None)), "4294967295"),
            ("", None, ""),
            ("-1", None, ""),
            ("soon", None, ""),
        ];
        for (text, expected, written) in cases {
            let read = SessionExpires::parse(text);
            assert_eq!(read.map(|read| (read.seconds, read.refresher)), expected, "{text:?}");
            assert_eq!(read.map(|read| read.to_string()).unwrap_or_default(), written);
        }
    }

    #[test]
    fn what_a_callee_agrees_to() {
        // (Session-Expires, Min-SE, Supported), (interval, whether we refresh), whether 422
        let cases = [
            (("", "", ""), (1800, true), false),
            (("", "", "timer"), (1800, true), false),
            (("", "3600", "timer"), (3600, true), false),
            (("600", "", "100rel, Timer"), (600, false), false),
            (("600;refresher=uac", "", "timer"), (600, false), false),
            (("600;refresher=uas", "", "timer"), (600, true), false),
            (("7200", "", "timer"), (1800, false), false),
            (("7200", "3600", "timer"), (3600, false), false),
            (("60", "", "timer"), (90, false), true),
            // A proxy asked; the caller does not know how to refresh.
            (("60", "", "timers"), (90, true), false),
            (("600;refresher=uac", "", ""), (600, true), false),
            (("nonsense", "", "timer"), (1800, true), false),
        ];
        for ((expires, min_se, supported), (interval_s, we_refresh), too_short) in cases {
            let mut headers = vec![("supported", supported)];
            if !expires.is_empty() {
                headers.push(("Session-Expires", expires));
            }
            if !min_se.is_empty() {
                headers.push(("Min-SE", min_se));
            }
            let words = words(&headers);
            let agreed = Agreed::as_callee(&words, LIMITS);
            assert_eq!(agreed, Agreed { interval_s, we_refresh }, "{headers:?}");
            assert_eq!(words.is_too_short(LIMITS), too_short, "{headers:?}");
        }
    }

    #[test]
    fn what_a_caller_is_told() {
        let cases = [
            (None, None),
            (Some("600;refresher=uac"), Some((600, true))),
            (Some("600"), Some((600, true))),
            (Some("600;refresher=uas"), Some((600, false))),
            (Some("5;refresher=uas"), Some((90, false))),
        ];
        for (value, expected) in cases {
            let header = value.map(|value| ("session-expires", value));
            let agreed = Agreed::as_caller(&SessionWords::read(header.into_iter()), LIMITS);
            assert_eq!(agreed.map(|agreed| (agreed.interval_s, agreed.we_refresh)), expected);
        }
    }

    #[test]
    fn roles_stay_in_requests_of_ours() {
        let we = Agreed { interval_s: 600, we_refresh: true };
        let they = Agreed { interval_s: 600, we_refresh: false };
        assert_eq!(we.in_answer().to_string(), "600;refresher=uas");
        assert_eq!(we.in_request().to_string(), "600;refresher=uac");
        assert_eq!(they.in_answer().to_string(), "600;refresher=uac");
        assert_eq!(they.in_request().to_string(), "600;refresher=uas");
    }

    #[test]
    fn refreshes_at_half_time_and_expires_at_the_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timer = SessionTimer::new(start, Agreed { interval_s: 100, we_refresh: true });
        // (time, what is due, whether the refresh is refused then)
        let steps = [
            (49, None, false),
            (50, Some(Due::Refresh), false),
            (51, None, false),
            (55, None, true),
            (59, None, false),
            (60, Some(Due::Refresh), true),
            (65, Some(Due::Refresh), false),
            (99, None, false),
            (100, Some(Due::Expired), false),
        ];
        for (seconds, due, refused) in steps {
            assert_eq!(timer.poll_timeout() <= at(seconds), due.is_some(), "at {seconds} s");
            assert_eq!(timer.poll(at(seconds)), due, "at {seconds} s");
            if refused {
                timer.refresh_failed(at(seconds));
            }
        }
    }

    #[test]
    fn whoever_waits_gives_up_a_little_earlier() {
        let start = Instant::now();
        for (interval_s, gives_up_s) in [(90, 60), (96, 64), (1800, 1768), (3, 2)] {
            let mut timer = SessionTimer::new(start, Agreed { interval_s, we_refresh: false });
            let end = start + Duration::from_secs(gives_up_s);
            assert_eq!(timer.poll_timeout(), end, "{interval_s}");
            assert_eq!(timer.poll(end - Duration::from_millis(1)), None);
            assert_eq!(timer.poll(end), Some(Due::Expired));
        }
    }
}
