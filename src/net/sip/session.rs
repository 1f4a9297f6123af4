//! The session timer of one dialog, in headers of the library: see `session_timer` for the rules.

use rsipstack::sip::headers::make_header;
use rsipstack::sip::{Header, Headers};
use tokio::time::Instant;

use super::address::split_list;
use super::session_timer::{Agreed, Due, SessionLimits, SessionTimer, SessionWords};

/// What a message says about session timers.
pub(super) fn words_of(headers: &Headers) -> SessionWords {
    SessionWords::read(headers.iter().map(|header| (header.name(), header.value())))
}

/// The first value under this header name.
pub(super) fn value_of<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|header| header.name().eq_ignore_ascii_case(name));
    found.map(|header| header.value())
}

/// Whether one of the lists under this header name contains the tag.
pub(super) fn lists(headers: &Headers, name: &str, tag: &str) -> bool {
    let mut named = headers.iter().filter(|header| header.name().eq_ignore_ascii_case(name));
    named.any(|header| split_list(header.value()).iter().any(|one| one.eq_ignore_ascii_case(tag)))
}

/// What a first INVITE of ours asks for.
pub(super) fn first_request(limits: SessionLimits) -> Vec<Header> {
    vec![
        make_header("Session-Expires", limits.expires_s.max(limits.min_s).to_string()),
        make_header("Min-SE", limits.min_s.to_string()),
    ]
}

/// The session timer of a dialog, and what the other side can do about it.
pub(super) struct Session {
    limits: SessionLimits,
    timer: Option<SessionTimer>,
    peer_takes_update: bool,
}

impl Session {
    /// A session without a timer.
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, timer: None, peer_takes_update: false }
    }

    pub(super) fn limits(&self) -> SessionLimits {
        self.limits
    }

    fn note(&mut self, headers: &Headers) {
        if headers.iter().any(|header| matches!(header, Header::Allow(_))) {
            self.peer_takes_update = lists(headers, "Allow", "UPDATE");
        }
    }

    /// Agrees to what a request asks for; the headers of its 2xx.
    pub(super) fn agree(&mut self, request: &Headers) -> Vec<Header> {
        self.note(request);
        let words = words_of(request);
        let agreed = Agreed::as_callee(&words, self.limits);
        self.start(agreed);
        let mut headers = vec![make_header("Session-Expires", agreed.in_answer().to_string())];
        if words.knows_timers {
            headers.push(make_header("Require", "timer".to_owned()));
        }
        headers
    }

    /// Takes what a 2xx to a request of ours says. Who does not know session timers says nothing,
    /// and we go on to refresh if that was our part.
    pub(super) fn agreed(&mut self, answer: &Headers) {
        self.note(answer);
        let ours = self.timer.map(|timer| timer.agreed()).filter(|agreed| agreed.we_refresh);
        match Agreed::as_caller(&words_of(answer), self.limits).or(ours) {
            Some(agreed) => self.start(agreed),
            None => self.timer = None,
        }
    }

    fn start(&mut self, agreed: Agreed) {
        self.timer = Some(SessionTimer::new(Instant::now().into_std(), agreed));
    }

    /// The headers of a request of ours that refreshes the session, as each re-INVITE does.
    pub(super) fn request_headers(&self) -> Vec<Header> {
        let mut headers = match &self.timer {
            Some(timer) => {
                let value = timer.agreed().in_request().to_string();
                vec![make_header("Session-Expires", value)]
            }
            None => Vec::new(),
        };
        headers.push(make_header("Min-SE", self.limits.min_s.to_string()));
        headers
    }

    /// Takes the longer interval that a 422 demands; `false` if it names none (RFC 4028 7.3).
    pub(super) fn lengthen(&mut self, refusal: &Headers) -> bool {
        let (Some(min_s), Some(timer)) = (words_of(refusal).min_se_s, &mut self.timer) else {
            return false;
        };
        if min_s <= timer.agreed().interval_s {
            return false;
        }
        timer.lengthen(min_s);
        true
    }

    pub(super) fn peer_takes_update(&self) -> bool {
        self.peer_takes_update
    }

    /// It said that it takes UPDATE, and refused one.
    pub(super) fn no_update(&mut self) {
        self.peer_takes_update = false;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timer.map(|timer| Instant::from_std(timer.poll_timeout()))
    }

    pub(super) fn poll(&mut self) -> Option<Due> {
        self.timer.as_mut()?.poll(Instant::now().into_std())
    }

    pub(super) fn refresh_failed(&mut self) {
        if let Some(timer) = &mut self.timer {
            timer.refresh_failed(Instant::now().into_std());
        }
    }
}
