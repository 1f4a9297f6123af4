//! What comes of a REFER: its answer, and the NOTIFYs of the subscription that it opens (RFC 3515
//! 2.4, RFC 6665). Pure: time is passed in.
//!
//! ```text
//!  Asked --2xx--> Accepted --NOTIFY of 100 to 199--> Waiting
//!    |                '---------------.----------------'
//!    | refused:                       |-- NOTIFY of a final status: Succeeded, Failed --> Told
//!    | Failed                         |                                                    |
//!    '-----> Over <--- Lost ----------'  terminated, silence, hang-up                      |
//!             '------------------------- terminated, or 64*T1 -----------------------------'
//! ```
//!
//! Once the outcome is told nothing more is, but further NOTIFYs are answered: some send the final
//! status twice, or say that it was the last one with another.

use std::time::{Duration, Instant};

/// The body type of NOTIFYs about a transfer (RFC 3420).
pub(super) const FRAGMENT_TYPE: &str = "message/sipfrag";

/// How long a transfer may take whose NOTIFYs do not say: no telephone rings longer than proxies let
/// it (Timer C, RFC 3261 16.6).
const EXPIRES_DEFAULT: Duration = Duration::from_secs(180);
/// The longest that is waited, whatever the NOTIFYs say.
const EXPIRES_MAX: Duration = Duration::from_secs(3600);

/// How much of the words behind a status is kept.
const PHRASE_CHARS_MAX: usize = 100;

const NO_NOTIFY: &str = "nothing was heard of the transfer after it was accepted";
const SILENT: &str = "the outcome of the transfer was not told in time";
const UNTOLD: &str = "the other side stopped telling of the transfer before its outcome";

/// What becomes of a transfer that we asked for. The last one is `Succeeded`, `Failed` or `Lost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferralEvent {
    /// The other side does it.
    Accepted,
    /// Where its call stands.
    Progress {
        /// 100 to 199.
        status: u16,
    },
    /// Whom it called has answered.
    Succeeded,
    /// The other side would not do it, or whom it called did not answer.
    Failed {
        /// SIP status of the REFER, or of the call.
        status: u16,
        /// The reason given with it.
        reason: String,
    },
    /// Nobody says how it ended.
    Lost {
        /// Why not.
        why: &'static str,
    },
}

/// Which subscription a NOTIFY belongs to, by its `Event` value (RFC 3515 2.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The REFER with this CSeq.
    Referral(u32),
    /// A REFER; the first one need not be named.
    SomeReferral,
    /// Something else.
    Other,
}

impl About {
    pub(super) fn parse(event: &str) -> Self {
        let mut parts = event.split(';').map(str::trim);
        if !parts.next().is_some_and(|package| package.eq_ignore_ascii_case("refer")) {
            return Self::Other;
        }
        match param(parts, "id") {
            Some(id) => id.parse().map_or(Self::Other, Self::Referral),
            None => Self::SomeReferral,
        }
    }
}

/// Whether more NOTIFYs come (RFC 6665 4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscription {
    /// For so long, if that is told.
    Open {
        expires_s: Option<u32>,
    },
    Terminated,
}

impl Subscription {
    /// Reads `Subscription-State`. Without one it goes on.
    pub(super) fn parse(state: Option<&str>) -> Self {
        let mut parts = state.unwrap_or_default().split(';').map(str::trim);
        if parts.next().is_some_and(|state| state.eq_ignore_ascii_case("terminated")) {
            return Self::Terminated;
        }
        Self::Open { expires_s: param(parts, "expires").and_then(|value| value.parse().ok()) }
    }
}

/// The value of the first parameter of that name.
fn param<'a>(mut parts: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status line that a fragment begins with (RFC 3515 2.4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fragment {
    /// 100 to 699.
    pub(super) status: u16,
    pub(super) phrase: String,
}

impl Fragment {
    /// `None` if it does not begin with one.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let line = text.trim_start_matches(['\r', '\n']).lines().next()?.trim_end();
        let rest = line.strip_prefix("SIP/2.0 ")?;
        let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_number = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        let status = status.parse().ok().filter(|code| is_number && (100..700).contains(code))?;
        let phrase = phrase.trim().chars().filter(|c| !c.is_control()).take(PHRASE_CHARS_MAX);
        Some(Self { status, phrase: phrase.collect() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    /// Accepted, and nothing heard since.
    Accepted {
        until: Instant,
    },
    /// The other side tells how it goes.
    Waiting {
        until: Instant,
    },
    /// The outcome is known.
    Told {
        until: Instant,
    },
    Over,
}

/// What comes of one REFER.
pub(super) struct Following {
    /// Of the REFER, by which NOTIFYs name it.
    pub(super) cseq: u32,
    /// How long a NOTIFY may take to come (64*T1, RFC 6665 4.1.2.4).
    patience: Duration,
    stage: Stage,
}

impl Following {
    pub(super) fn new(cseq: u32, patience: Duration) -> Self {
        Self { cseq, patience, stage: Stage::Asked }
    }

    /// Whether the outcome is not known yet.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Told { .. } | Stage::Over)
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Takes the final response to the REFER.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        status: u16,
        reason: String,
    ) -> Option<ReferralEvent> {
        let is_taken = (200..300).contains(&status);
        match self.stage {
            Stage::Asked if is_taken => {
                self.stage = Stage::Accepted { until: now + self.patience };
                Some(ReferralEvent::Accepted)
            }
            Stage::Asked | Stage::Accepted { .. } | Stage::Waiting { .. } if !is_taken => {
                self.stage = Stage::Over;
                Some(ReferralEvent::Failed { status, reason })
            }
            _ => None,
        }
    }

    /// Takes a NOTIFY; one without a body says nothing about the call.
    pub(super) fn handle_notify(
        &mut self,
        now: Instant,
        fragment: Option<Fragment>,
        subscription: Subscription,
    ) -> Vec<ReferralEvent> {
        let mut events = Vec::new();
        match (self.stage, subscription) {
            (Stage::Told { .. }, Subscription::Terminated) => self.stage = Stage::Over,
            (Stage::Told { .. } | Stage::Over, _) => {}
            (Stage::Asked | Stage::Accepted { .. } | Stage::Waiting { .. }, _) => {
                if self.stage == Stage::Asked {
                    events.push(ReferralEvent::Accepted);
                }
                events.extend(self.heed(now, fragment, subscription));
            }
        }
        events
    }

    fn heed(
        &mut self,
        now: Instant,
        fragment: Option<Fragment>,
        subscription: Subscription,
    ) -> Option<ReferralEvent> {
        let last = match subscription {
            Subscription::Open { .. } => Stage::Told { until: now + self.patience },
            Subscription::Terminated => Stage::Over,
        };
        match (fragment, subscription) {
            (Some(Fragment { status: 200..=299, .. }), _) => {
                self.stage = last;
                Some(ReferralEvent::Succeeded)
            }
            (Some(Fragment { status: status @ 300..=699, phrase }), _) => {
                self.stage = last;
                Some(ReferralEvent::Failed { status, reason: phrase })
            }
            (_, Subscription::Terminated) => {
                self.stage = Stage::Over;
                Some(ReferralEvent::Lost { why: UNTOLD })
            }
            (fragment, Subscription::Open { expires_s }) => {
                let told = expires_s.map(|seconds| Duration::from_secs(seconds.into()));
                // The NOTIFY that says that it is over has to come yet.
                let wait = told.unwrap_or(EXPIRES_DEFAULT).min(EXPIRES_MAX) + self.patience;
                self.stage = Stage::Waiting { until: now + wait };
                fragment.map(|fragment| ReferralEvent::Progress { status: fragment.status })
            }
        }
    }

    /// When [`Following::poll`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Accepted { until } | Stage::Waiting { until } | Stage::Told { until } => {
                Some(until)
            }
            // An answer comes, if only that there was none (Timer F).
            Stage::Asked | Stage::Over => None,
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<ReferralEvent> {
        if self.poll_timeout().is_none_or(|until| until > now) {
            return None;
        }
        let why = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Accepted { .. } => NO_NOTIFY,
            Stage::Waiting { .. } => SILENT,
            Stage::Asked | Stage::Told { .. } | Stage::Over => return None,
        };
        Some(ReferralEvent::Lost { why })
    }

    /// The call is over, and with it the subscription.
    pub(super) fn handle_end(&mut self, why: &'static str) -> Option<ReferralEvent> {
        let was_open = self.is_open();
        self.stage = Stage::Over;
        was_open.then_some(ReferralEvent::Lost { why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(32);
    const OPEN: Subscription = Subscription::Open { expires_s: None };

    fn fragment_of(status: u16) -> Option<Fragment> {
        Some(Fragment { status, phrase: "so".to_owned() })
    }

    #[test]
    fn fragments_begin_with_a_status_line() {
        type Line = (u16, &'static str);
        let cases: [(&[u8], Option<Line>); 15] = [
            (b"SIP/2.0 100 Trying\r\n", Some((100, "Trying"))),
            (b"SIP/2.0 200 OK", Some((200, "OK"))),
            (b"SIP/2.0 486 Busy Here\nTo: <sip:a@b>\n", Some((486, "Busy Here"))),
            (b"\r\nSIP/2.0 603 Decline\r\n\r\n", Some((603, "Decline"))),
            (b"SIP/2.0 180", Some((180, ""))),
            (b"SIP/2.0 486 Besetzt \xfc", Some((486, "Besetzt \u{fffd}"))),
            (b"", None),
            (b"SIP/2.0", None),
            (b"SIP/2.0 99 Low", None),
            (b"SIP/2.0 700 High", None),
            (b"SIP/2.0 2000 Long", None),
            (b"SIP/2.0 +20 Sign", None),
            (b"SIP/3.0 200 OK", None),
            (b"INVITE sip:a@b SIP/2.0\r\n", None),
            (b"To: x\r\nSIP/2.0 200 OK\r\n", None),
        ];
        for (body, expected) in cases {
            let read = Fragment::parse(body);
            let read = read.as_ref().map(|one| (one.status, one.phrase.as_str()));
            assert_eq!(read, expected, "{}", String::from_utf8_lossy(body));
        }
        let long = format!("SIP/2.0 500 {}\u{7}", "x".repeat(200));
        assert_eq!(Fragment::parse(long.as_bytes()).unwrap().phrase.len(), PHRASE_CHARS_MAX);
    }

    #[test]
    fn events_name_a_refer_or_something_else() {
        for (event, expected) in [
            ("refer", About::SomeReferral),
            ("Refer ; id = 7", About::Referral(7)),
            ("refer;x=y;ID=93809823", About::Referral(93_809_823)),
            ("refer;id=seven", About::Other),
            ("refer;id=-1", About::Other),
            ("message-summary", About::Other),
            ("referral", About::Other),
            ("", About::Other),
        ] {
            assert_eq!(About::parse(event), expected, "{event}");
        }
        for (state, expected) in [
            (None, OPEN),
            (Some("active"), OPEN),
            (Some("active;expires=60"), Subscription::Open { expires_s: Some(60) }),
            (Some("pending ; Expires = 5"), Subscription::Open { expires_s: Some(5) }),
            (Some("active;expires=soon"), OPEN),
            (Some("Terminated;reason=noresource"), Subscription::Terminated),
            (Some("terminated"), Subscription::Terminated),
        ] {
            assert_eq!(Subscription::parse(state), expected, "{state:?}");
        }
    }

    /// One that was accepted at `now`.
    fn accepted(now: Instant) -> Following {
        let mut following = Following::new(1, PATIENCE);
        assert_eq!(following.poll_timeout(), None);
        let event = following.handle_answer(now, 202, "Accepted".to_owned());
        assert_eq!(event, Some(ReferralEvent::Accepted));
        following
    }

    #[test]
    fn the_first_final_status_is_the_outcome() {
        use Subscription::Terminated;
        let now = Instant::now();
        let failed = ReferralEvent::Failed { status: 486, reason: "so".to_owned() };
        let lost = ReferralEvent::Lost { why: UNTOLD };
        for (fragment, subscription, expected) in [
            (fragment_of(200), Terminated, ReferralEvent::Succeeded),
            (fragment_of(202), OPEN, ReferralEvent::Succeeded),
            (fragment_of(486), Terminated, failed.clone()),
            (fragment_of(486), OPEN, failed),
            (fragment_of(100), Terminated, lost.clone()),
            (None, Terminated, lost),
        ] {
            let mut following = accepted(now);
            let events = following.handle_notify(now, fragment, subscription);
            assert_eq!(events, [expected]);
            assert!(!following.is_open());
            assert_eq!(following.is_over(), subscription == Terminated);
            // What comes behind it changes nothing.
            assert!(following.handle_notify(now, fragment_of(500), OPEN).is_empty());
            assert!(following.handle_notify(now, None, Terminated).is_empty());
            assert_eq!(following.handle_answer(now, 500, String::new()), None);
            assert_eq!(following.handle_end("hung up"), None);
            assert!(following.is_over());
        }
    }

    #[test]
    fn a_notify_that_overtakes_the_answer_accepts() {
        let now = Instant::now();
        let mut following = Following::new(1, PATIENCE);
        let events = following.handle_notify(now, fragment_of(100), OPEN);
        assert_eq!(events, [ReferralEvent::Accepted, ReferralEvent::Progress { status: 100 }]);
        assert_eq!(following.handle_answer(now, 202, String::new()), None);
        assert!(following.handle_notify(now, None, OPEN).is_empty());
        assert!(following.is_open());
    }

    #[test]
    fn a_refused_refer_has_failed() {
        let mut following = Following::new(1, PATIENCE);
        let event = following.handle_answer(Instant::now(), 403, "No".to_owned());
        let failed = ReferralEvent::Failed { status: 403, reason: "No".to_owned() };
        assert_eq!((event, following.is_over()), (Some(failed), true));
    }

    #[test]
    fn silence_is_not_waited_for_longer_than_was_told() {
        let start = Instant::now();
        let mut following = accepted(start);
        assert_eq!(following.poll_timeout(), Some(start + PATIENCE));
        assert_eq!(following.poll(start), None);
        let event = following.poll(start + PATIENCE);
        assert_eq!(event, Some(ReferralEvent::Lost { why: NO_NOTIFY }));
        assert!(following.is_over());
        for (expires_s, wait) in [
            (None, EXPIRES_DEFAULT),
            (Some(5), Duration::from_secs(5)),
            (Some(u32::MAX), EXPIRES_MAX),
        ] {
            let mut following = accepted(start);
            following.handle_notify(start, fragment_of(180), Subscription::Open { expires_s });
            let due = start + wait + PATIENCE;
            assert_eq!(following.poll_timeout(), Some(due));
            assert_eq!(following.poll(due), Some(ReferralEvent::Lost { why: SILENT }));
        }
        // The last NOTIFY may never come; nothing is lost by that.
        let mut following = accepted(start);
        following.handle_notify(start, fragment_of(200), OPEN);
        assert_eq!(following.poll(start + PATIENCE), None);
        assert!(following.is_over());
    }

    #[test]
    fn who_hangs_up_leaves_the_outcome_untold() {
        let now = Instant::now();
        let lost = Some(ReferralEvent::Lost { why: "hung up" });
        assert_eq!(Following::new(1, PATIENCE).handle_end("hung up"), lost);
        assert_eq!(accepted(now).handle_end("hung up"), lost);
    }
}
