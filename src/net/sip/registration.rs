//! Keeping an address registered (RFC 3261 section 10.2). Pure: the time is passed in, and the dice
//! have a seed.
//!
//! ```text
//!            .------------- 401 (answered), 423 (asked for longer) --.
//!            v                                                       |
//!  begin -> Asking --200--> Registered --time to renew, or the connection is lost--> Asking
//!            |  ^               '--leave--> Asking for 0 s --anything--> Over
//!            |  '-- the next registrar --.
//!            '-- refused, no answer -----'-- all failed --> Waiting --back-off--> Asking
//! ```

use std::time::{Duration, Instant};

use super::digest::{Challenge, Credentials};

/// The first pause after all registrars have failed, and the longest (RFC 5626 section 4.5).
const BACKOFF_BASE: Duration = Duration::from_secs(30);
const BACKOFF_MAX: Duration = Duration::from_secs(1800);
/// A registrar that refuses a name or password is not asked again before.
const REJECTED_WAIT: Duration = Duration::from_secs(300);
/// The longest registration that is agreed to.
const EXPIRES_MAX_S: u32 = 86_400;
/// Challenges answered within one exchange: one for the password, one for a nonce that has become
/// stale.
const CHALLENGES_MAX: u32 = 2;

/// How a registration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// Asked for, not answered yet.
    Trying,
    /// Calls can come.
    Registered {
        /// Who remembers us.
        registrar: String,
        /// For how long, from when it said so.
        granted: Duration,
    },
    /// Not at present; it is tried again.
    Failed {
        /// Why not, in words.
        reason: String,
        /// When it is tried again.
        wait: Duration,
    },
    /// Given up on purpose.
    Left,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Send(Ask),
    Wait(Instant),
    Over,
}

/// A REGISTER to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) registrar: String,
    pub(super) cseq: u32,
    pub(super) expires_s: u32,
    pub(super) authorization: Option<(&'static str, String)>,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// 0 if nothing came; then `detail` says why.
    pub(super) status: u16,
    pub(super) detail: String,
    /// Seconds that our address was accepted for.
    pub(super) granted_s: Option<u32>,
    pub(super) min_expires_s: Option<u32>,
    pub(super) retry_after_s: Option<u32>,
    pub(super) challenges: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// To be asked right away.
    Due,
    Asked,
    Registered {
        renew_at: Instant,
    },
    Waiting {
        until: Instant,
    },
    Over,
}

pub(super) struct Registration {
    registrars: Vec<String>,
    credentials: Credentials,
    phase: Phase,
    state: RegistrationState,
    /// Which registrar is asked.
    at: usize,
    /// How many have failed since one answered last, or since the last pause.
    failed: usize,
    /// Pauses in a row.
    rounds: u32,
    expires_s: u32,
    cseq: u32,
    /// What the registrar wants to see, the header it is to be seen in, and how often it was shown.
    challenge: Option<(Challenge, &'static str, u32)>,
    /// Challenges answered in this exchange.
    answered: u32,
    is_leaving: bool,
    /// The registrar has wanted a longer time than we asked for, and got it.
    is_lengthened: bool,
    /// Until when somebody may remember us.
    bound_until: Option<Instant>,
    dice: fastrand::Rng,
}

impl Registration {
    /// `registrars` must not be empty.
    pub(super) fn new(
        registrars: Vec<String>,
        credentials: Credentials,
        expires_s: u32,
        seed: u64,
    ) -> Self {
        Self {
            registrars,
            credentials,
            phase: Phase::Due,
            state: RegistrationState::Trying,
            at: 0,
            failed: 0,
            rounds: 0,
            expires_s,
            cseq: 0,
            challenge: None,
            answered: 0,
            is_leaving: false,
            is_lengthened: false,
            bound_until: None,
            dice: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn state(&self) -> &RegistrationState {
        &self.state
    }

    /// What to do now. After [`Todo::Send`] comes [`Registration::handle_reply`].
    pub(super) fn poll(&mut self, now: Instant) -> Todo {
        match self.phase {
            Phase::Registered { renew_at: at } | Phase::Waiting { until: at } if now < at => {
                Todo::Wait(at)
            }
            Phase::Over => Todo::Over,
            Phase::Registered { .. } | Phase::Waiting { .. } => {
                self.answered = 0;
                self.send()
            }
            Phase::Due | Phase::Asked => self.send(),
        }
    }

    fn send(&mut self) -> Todo {
        let Some(registrar) = self.registrars.get(self.at).cloned() else {
            self.phase = Phase::Over;
            return Todo::Over;
        };
        self.phase = Phase::Asked;
        self.cseq += 1;
        let ours = format!("{:016x}", self.dice.u64(..));
        let authorization = self.challenge.as_mut().map(|(challenge, header, count)| {
            *count += 1;
            let who = &self.credentials;
            (*header, challenge.answer(who, "REGISTER", &registrar, &ours, *count))
        });
        let expires_s = if self.is_leaving { 0 } else { self.expires_s };
        Todo::Send(Ask { registrar, cseq: self.cseq, expires_s, authorization })
    }

    /// Takes the answer to what was sent last.
    pub(super) fn handle_reply(&mut self, now: Instant, reply: Reply) {
        match reply.status {
            401 | 407 if self.answer_challenge(&reply) => {}
            _ if self.is_leaving => self.over(),
            200..300 => self.accepted(now, &reply),
            423 => match reply.min_expires_s {
                // RFC 3261 10.2.8. Asked for longer once, it has no reason to say so again.
                Some(longer)
                    if !self.is_lengthened
                        && longer > self.expires_s
                        && longer <= EXPIRES_MAX_S =>
                {
                    self.is_lengthened = true;
                    self.expires_s = longer;
                    self.phase = Phase::Due;
                }
                _ => self.failed(now, &reply, Duration::ZERO),
            },
            401 | 403 | 404 | 407 => self.failed(now, &reply, REJECTED_WAIT),
            _ => self.failed(now, &reply, Duration::ZERO),
        }
    }

    /// Whether the challenge is answered; if not, there is none that we know, or the password is
    /// wrong.
    fn answer_challenge(&mut self, reply: &Reply) -> bool {
        let values = reply.challenges.iter().map(String::as_str);
        let Some(challenge) = Challenge::first_known(values) else { return false };
        // An answer to a nonce of an earlier exchange may have become worthless without a word.
        if self.answered >= CHALLENGES_MAX || (self.answered > 0 && !challenge.is_stale) {
            self.challenge = None;
            return false;
        }
        self.answered += 1;
        let header = if reply.status == 407 { "Proxy-Authorization" } else { "Authorization" };
        self.challenge = Some((challenge, header, 0));
        self.phase = Phase::Due;
        true
    }

    fn accepted(&mut self, now: Instant, reply: &Reply) {
        let granted_s = reply.granted_s.unwrap_or(self.expires_s);
        if granted_s == 0 {
            return self.failed(now, reply, Duration::ZERO);
        }
        let granted = Duration::from_secs(granted_s.min(EXPIRES_MAX_S).into());
        // Some time before the end, and not at the same moment as all others.
        let renew_at = now + granted.mul_f64(0.75 + 0.15 * self.dice.f64());
        self.phase = Phase::Registered { renew_at };
        self.bound_until = Some(now + granted);
        (self.failed, self.rounds, self.answered) = (0, 0, 0);
        self.is_lengthened = false;
        let registrar = self.registrars.get(self.at).cloned().unwrap_or_default();
        self.state = RegistrationState::Registered { registrar, granted };
    }

    fn failed(&mut self, now: Instant, reply: &Reply, at_least: Duration) {
        self.is_lengthened = false;
        self.failed += 1;
        self.answered = 0;
        self.challenge = None;
        let registrar = self.registrars.get(self.at).cloned().unwrap_or_default();
        self.at = (self.at + 1) % self.registrars.len().max(1);
        let reason = match reply.status {
            0 => format!("{registrar}: {}", reply.detail),
            status => format!("{registrar} answered {status} {}", reply.detail),
        };
        if self.failed < self.registrars.len() {
            self.phase = Phase::Due;
            self.state = RegistrationState::Failed { reason, wait: Duration::ZERO };
            return;
        }
        (self.failed, self.at) = (0, 0);
        self.rounds += 1;
        let asked = Duration::from_secs(reply.retry_after_s.unwrap_or(0).into());
        let longest = BACKOFF_BASE.saturating_mul(1 << self.rounds.min(10)).min(BACKOFF_MAX);
        let wait = longest.mul_f64(0.5 + 0.5 * self.dice.f64());
        let wait = wait.max(at_least).max(asked.min(BACKOFF_MAX));
        self.phase = Phase::Waiting { until: now + wait };
        self.state = RegistrationState::Failed { reason, wait };
    }

    /// The connection over which we are reached is gone: the registrar has to learn of another one,
    /// soon, but not all its clients in the same moment.
    pub(super) fn handle_lost_connection(&mut self, now: Instant) {
        if let Phase::Registered { renew_at } = self.phase {
            let soon = now + Duration::from_secs(4).mul_f64(self.dice.f64());
            self.phase = Phase::Registered { renew_at: renew_at.min(soon) };
        }
    }

    /// This registrar does not answer any more. If it is the one that remembers us, calls would come
    /// through it in vain, so the next one is asked, if there is one.
    pub(super) fn handle_unreachable(&mut self, registrar: &str) {
        let is_ours = self.registrars.get(self.at).is_some_and(|ours| ours == registrar);
        let is_registered = matches!(self.phase, Phase::Registered { .. });
        if !is_ours || !is_registered || self.is_leaving || self.registrars.len() < 2 {
            return;
        }
        self.at = (self.at + 1) % self.registrars.len();
        // It counts among those that have failed since one answered last.
        (self.failed, self.answered) = (1, 0);
        self.challenge = None;
        self.phase = Phase::Due;
    }

    /// This registrar answers again. Who waits because all have failed need not wait any longer.
    pub(super) fn handle_reachable(&mut self, registrar: &str) {
        let found = self.registrars.iter().position(|ours| ours == registrar);
        if let (Some(at), Phase::Waiting { .. }, false) = (found, self.phase, self.is_leaving) {
            (self.at, self.failed, self.answered) = (at, 0, 0);
            self.phase = Phase::Due;
        }
    }

    /// Gives the registration up: with a last request if anybody may still remember us.
    pub(super) fn leave(&mut self, now: Instant) {
        if self.is_leaving {
            return;
        }
        self.is_leaving = true;
        self.answered = 0;
        match self.bound_until {
            Some(until) if now < until => self.phase = Phase::Due,
            _ => self.over(),
        }
    }

    fn over(&mut self) {
        self.phase = Phase::Over;
        self.state = RegistrationState::Left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pii;

    const CHALLENGE: &str = "Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\", algorithm=MD5";

    fn registration(registrars: &[&str]) -> Registration {
        let credentials =
            Credentials { username: "100".to_owned(), password: Pii::new("x".to_owned()) };
        let registrars = registrars.iter().map(|one| (*one).to_owned()).collect();
        Registration::new(registrars, credentials, 600, 7)
    }

    fn sent(registration: &mut Registration, now: Instant) -> Ask {
        match registration.poll(now) {
            Todo::Send(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    fn waits(registration: &mut Registration, now: Instant) -> Duration {
        match registration.poll(now) {
            Todo::Wait(until) => until - now,
            other => panic!("{other:?}"),
        }
    }

    fn status(status: u16) -> Reply {
        Reply { status, ..Reply::default() }
    }

    fn challenge(value: &str) -> Reply {
        Reply { status: 401, challenges: vec![value.to_owned()], ..Reply::default() }
    }

    fn is_registered(registration: &Registration) -> bool {
        matches!(registration.state(), RegistrationState::Registered { .. })
    }

    #[test]
    fn a_challenge_is_answered_and_the_registration_renewed_in_time() {
        let mut now = Instant::now();
        let mut us = registration(&["sip:a"]);
        let first = sent(&mut us, now);
        assert_eq!((first.cseq, first.expires_s, first.authorization), (1, 600, None));
        us.handle_reply(now, challenge(CHALLENGE));
        let second = sent(&mut us, now);
        let (header, value) = second.authorization.expect("it was asked for");
        assert!(header == "Authorization" && value.contains("nc=00000001"), "{value}");
        us.handle_reply(now, Reply { granted_s: Some(120), ..status(200) });
        assert!(is_registered(&us));
        let wait = waits(&mut us, now);
        assert!((90..=108).contains(&wait.as_secs()), "{wait:?}");
        // Renewed with the nonce that is known, counted on; a stale one is answered anew.
        now += wait;
        let (_, value) = sent(&mut us, now).authorization.expect("it is known what is wanted");
        assert!(value.contains("nonce=\"n1\"") && value.contains("nc=00000002"), "{value}");
        us.handle_reply(now, challenge(&CHALLENGE.replace("n1", "n2")));
        let (_, value) = sent(&mut us, now).authorization.expect("it was asked for");
        assert!(value.contains("nonce=\"n2\"") && value.contains("nc=00000001"), "{value}");
        let stale = format!("{}, stale=true", CHALLENGE.replace("n1", "n3"));
        us.handle_reply(now, challenge(&stale));
        let (_, value) = sent(&mut us, now).authorization.expect("it was asked for");
        assert!(value.contains("nonce=\"n3\""), "{value}");
        us.handle_reply(now, status(200));
        assert!(is_registered(&us));
    }

    #[test]
    fn a_wrong_password_is_not_tried_again_and_again() {
        let now = Instant::now();
        let mut us = registration(&["sip:a"]);
        for _ in 0..2 {
            sent(&mut us, now);
            us.handle_reply(now, challenge(CHALLENGE));
        }
        let wait = waits(&mut us, now);
        assert!(wait >= REJECTED_WAIT, "{wait:?}");
        let RegistrationState::Failed { reason, .. } = us.state() else {
            panic!("{:?}", us.state())
        };
        assert!(reason.starts_with("sip:a answered 401"), "{reason}");
    }

    #[test]
    fn a_proxy_is_answered_in_its_own_header() {
        let now = Instant::now();
        let mut us = registration(&["sip:a"]);
        sent(&mut us, now);
        us.handle_reply(now, Reply { status: 407, ..challenge(CHALLENGE) });
        let ask = sent(&mut us, now);
        assert_eq!(ask.authorization.expect("asked for").0, "Proxy-Authorization");
    }

    #[test]
    fn a_registrar_that_wants_longer_gets_it_once() {
        let now = Instant::now();
        let mut us = registration(&["sip:a"]);
        sent(&mut us, now);
        us.handle_reply(now, Reply { min_expires_s: Some(3600), ..status(423) });
        assert_eq!(sent(&mut us, now).expires_s, 3600);
        us.handle_reply(now, Reply { min_expires_s: Some(3600), ..status(423) });
        waits(&mut us, now);
    }

    #[test]
    fn the_second_registrar_takes_over_and_failures_are_spaced_out() {
        let mut now = Instant::now();
        let mut us = registration(&["sip:a", "sip:b"]);
        assert_eq!(sent(&mut us, now).registrar, "sip:a");
        us.handle_reply(now, Reply { detail: "no answer".to_owned(), ..status(0) });
        assert_eq!(sent(&mut us, now).registrar, "sip:b");
        us.handle_reply(now, status(200));
        assert!(is_registered(&us));
        now += waits(&mut us, now);
        assert_eq!(sent(&mut us, now).registrar, "sip:b", "it stays where it works");
        // Nobody answers any more: the other one, a pause, and so on; each pause may be longer.
        us.handle_reply(now, status(503));
        assert_eq!(sent(&mut us, now).registrar, "sip:a");
        us.handle_reply(now, status(503));
        for round in 0..12 {
            let limit = BACKOFF_BASE.saturating_mul(2 << round.min(9)).min(BACKOFF_MAX);
            let wait = waits(&mut us, now);
            assert!(wait <= limit && wait >= limit / 2, "round {round}: {wait:?}");
            now += wait;
            for registrar in ["sip:a", "sip:b"] {
                assert_eq!(sent(&mut us, now).registrar, registrar, "round {round}");
                us.handle_reply(now, status(503));
            }
        }
    }

    #[test]
    fn a_registrar_says_when_to_come_back() {
        let now = Instant::now();
        let mut us = registration(&["sip:a"]);
        sent(&mut us, now);
        us.handle_reply(now, Reply { retry_after_s: Some(900), ..status(503) });
        assert_eq!(waits(&mut us, now), Duration::from_secs(900));
    }

    #[test]
    fn leaving_takes_the_binding_back_and_asks_only_if_there_is_one() {
        let now = Instant::now();
        let mut us = registration(&["sip:a"]);
        us.leave(now);
        assert_eq!(us.poll(now), Todo::Over);
        let mut us = registration(&["sip:a"]);
        sent(&mut us, now);
        us.handle_reply(now, status(200));
        us.leave(now);
        assert_eq!(sent(&mut us, now).expires_s, 0);
        us.handle_reply(now, challenge(CHALLENGE));
        assert_eq!(sent(&mut us, now).expires_s, 0);
        us.handle_reply(now, status(500));
        assert_eq!((us.poll(now), us.state()), (Todo::Over, &RegistrationState::Left));
    }

    #[test]
    fn a_registrar_that_went_silent_is_left_for_the_next_one() {
        let now = Instant::now();
        let mut us = registration(&["sip:a", "sip:b"]);
        sent(&mut us, now);
        us.handle_reply(now, status(200));
        us.handle_unreachable("sip:b");
        waits(&mut us, now);
        us.handle_unreachable("sip:a");
        assert_eq!(sent(&mut us, now).registrar, "sip:b");
        us.handle_reply(now, status(200));
        assert!(is_registered(&us));
        us.handle_unreachable("sip:a");
        waits(&mut us, now);
        // The other one is silent as well: a pause, until one of them is back.
        us.handle_unreachable("sip:b");
        assert_eq!(sent(&mut us, now).registrar, "sip:a");
        us.handle_reply(now, status(0));
        waits(&mut us, now);
        us.handle_reachable("sip:c");
        waits(&mut us, now);
        us.handle_reachable("sip:b");
        assert_eq!(sent(&mut us, now).registrar, "sip:b");
        us.handle_reply(now, status(200));
        assert!(is_registered(&us));
        // With a single one there is nowhere to go.
        let mut us = registration(&["sip:a"]);
        sent(&mut us, now);
        us.handle_reply(now, status(200));
        us.handle_unreachable("sip:a");
        waits(&mut us, now);
        us.leave(now);
        us.handle_reachable("sip:a");
        assert_eq!(sent(&mut us, now).expires_s, 0);
    }

    #[test]
    fn a_lost_connection_is_made_good_soon() {
        let now = Instant::now();
        let mut us = registration(&["sip:a"]);
        sent(&mut us, now);
        us.handle_reply(now, status(200));
        us.handle_lost_connection(now);
        let soon = now + Duration::from_secs(4);
        assert_eq!(sent(&mut us, soon).cseq, 2);
    }
}
