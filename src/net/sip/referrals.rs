//! Transfers that we ask for on one call: sends the REFERs, answers the NOTIFYs, and tells whoever
//! asked what comes of it. The rules are in `following`, the words in `referral`.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::headers::make_header;
use rsipstack::sip::{Header, Method, Request, Response};
use rsipstack::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::SipError;
use super::counters::MalformedKind;
use super::dialog::{Dialog, Parts, client, response};
use super::following::{About, FRAGMENT_TYPE, Following, Fragment, ReferralEvent, Subscription};
use super::leg::{EndedBy, at, final_answer};
use super::links::Wire;
use super::referral::Referral;
use super::refusal::RefusalCause;
use super::session::value_of;

/// Transfers of one call that are followed at once.
const REFERRALS_MAX: usize = 4;
/// Answers to REFERs that wait for the call's task; each REFER has one.
const ANSWER_QUEUE_LEN_MAX: usize = REFERRALS_MAX;
/// Events of one transfer that wait for their reader. When it is nearly full, progress is left out.
const EVENT_QUEUE_LEN_MAX: usize = 16;
/// Room in it for what is never left out: that it was accepted, and how it ended.
const EVENT_RESERVE: usize = 2;

/// How long the other side may take to take an answer in, over a connection that is full.
const ANSWERING_LIMIT: Duration = Duration::from_secs(1);

/// The final response to a REFER; `None` if there was none.
pub(super) struct ReferAnswer {
    cseq: u32,
    response: Option<Response>,
}

/// What comes next of the transfers.
pub(super) enum ReferralNext {
    Answered(ReferAnswer),
    /// Somebody was waited for long enough.
    Due,
}

/// Whether the call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallState {
    Stands,
    /// It is not known over there any more (RFC 3261 12.2.1.2).
    Lost,
}

struct Open {
    following: Following,
    /// `None` once the outcome was told.
    events: Option<mpsc::Sender<ReferralEvent>>,
}

/// An event on its way to whoever asked.
struct News {
    event: ReferralEvent,
    reader: mpsc::Sender<ReferralEvent>,
}

impl News {
    fn tell(self) {
        // Whoever asked may have left: then it is followed for the other side's sake.
        _ = self.reader.try_send(self.event);
    }
}

impl Open {
    /// Makes news of an event, unless it can be spared. Nothing follows an outcome.
    fn news(&mut self, event: ReferralEvent) -> Option<News> {
        let events = self.events.as_ref()?;
        let (is_spare, is_last) = match event {
            ReferralEvent::Progress { .. } => (true, false),
            ReferralEvent::Accepted => (false, false),
            ReferralEvent::Succeeded
            | ReferralEvent::Failed { .. }
            | ReferralEvent::Lost { .. } => (false, true),
        };
        let has_room = !is_spare || events.capacity() > EVENT_RESERVE;
        let reader = if is_last { self.events.take()? } else { events.clone() };
        has_room.then_some(News { event, reader })
    }

    fn tell(&mut self, event: ReferralEvent) {
        if let Some(news) = self.news(event) {
            news.tell();
        }
    }
}

/// The transfers of one call.
pub(super) struct Referrals {
    open: Vec<Open>,
    answers: (mpsc::Sender<ReferAnswer>, mpsc::Receiver<ReferAnswer>),
}

impl Default for Referrals {
    fn default() -> Self {
        Self { open: Vec::new(), answers: mpsc::channel(ANSWER_QUEUE_LEN_MAX) }
    }
}

impl Referrals {
    /// Sends a REFER within the dialog (RFC 3515 2.4.1, RFC 7647 3).
    ///
    /// # Errors
    /// The target is no SIP URI, there is no way to the other side, or too many are under way.
    pub(super) async fn start(
        &mut self,
        wire: &Arc<Wire>,
        dialog: &mut Dialog,
        referral: &Referral,
    ) -> Result<mpsc::Receiver<ReferralEvent>, SipError> {
        self.make_room()?;
        let refer_to = referral.refer_to()?;
        let cseq = dialog.next_cseq();
        let (mut request, link, to) = dialog.request(wire, Method::Refer, cseq, None).await?;
        request.headers.push(make_header("Refer-To", refer_to));
        if let Some(uri) = dialog.local_uri() {
            request.headers.push(make_header("Referred-By", format!("<{uri}>")));
        }
        for (name, value) in referral.own_headers() {
            request.headers.push(Header::Other(name.to_owned(), value.to_owned()));
        }
        let answer = final_answer(wire, client(wire, request, &link, to)?);
        let answers = self.answers.0.clone();
        wire.spawn(async move {
            let response = answer.await.ok().flatten();
            _ = answers.send(ReferAnswer { cseq, response }).await;
        });
        let (events, receiver) = mpsc::channel(EVENT_QUEUE_LEN_MAX);
        let following = Following::new(cseq, wire.ack_limit());
        self.open.push(Open { following, events: Some(events) });
        Ok(receiver)
    }

    /// Makes room for one more: what is told already is only waited for out of courtesy.
    fn make_room(&mut self) -> Result<(), SipError> {
        if self.open.len() < REFERRALS_MAX {
            return Ok(());
        }
        let told = self.open.iter().position(|open| !open.following.is_open());
        self.open.remove(told.ok_or(SipError::TooManyReferrals)?);
        Ok(())
    }

    /// Waits for what comes next; for ever if nothing is under way.
    pub(super) async fn next(&mut self) -> ReferralNext {
        let due = self.open.iter().filter_map(|open| open.following.poll_timeout()).min();
        tokio::select! {
            Some(answer) = self.answers.1.recv() => ReferralNext::Answered(answer),
            () = at(due.map(Instant::from_std)) => ReferralNext::Due,
        }
    }

    /// Takes what came next.
    pub(super) fn handle(&mut self, next: ReferralNext) -> CallState {
        let now = Instant::now().into_std();
        let mut state = CallState::Stands;
        match next {
            ReferralNext::Answered(ReferAnswer { cseq, response }) => {
                let (status, reason) = match response {
                    Some(response) => {
                        let status = response.status_code.code();
                        let standard = response.status_code.text().to_owned();
                        (status, response.wire_reason.unwrap_or(standard))
                    }
                    None => (408, "no answer".to_owned()),
                };
                // Silence (408) says nothing about the call: some boxes on the way drop requests that
                // they do not know, and the caller can still be heard.
                if status == 481 {
                    state = CallState::Lost;
                }
                if let Some(open) = self.open.iter_mut().find(|open| open.following.cseq == cseq)
                    && let Some(event) = open.following.handle_answer(now, status, reason)
                {
                    open.tell(event);
                }
            }
            ReferralNext::Due => {
                for open in &mut self.open {
                    if let Some(event) = open.following.poll(now) {
                        open.tell(event);
                    }
                }
            }
        }
        self.forget_what_is_over();
        state
    }

    /// Takes a NOTIFY of the call, answers it, and then tells what it says: whoever hears that a
    /// transfer went well hangs up, and a BYE ahead of our answer would look like an answer lost.
    pub(super) async fn on_notify(&mut self, wire: &Arc<Wire>, mut transaction: Transaction) {
        let (status, parts, news) = match self.heed(&transaction.original) {
            Ok(news) => (200, Parts::default(), news),
            Err(cause) => {
                if cause == RefusalCause::BadFragment {
                    wire.counters.malformed(MalformedKind::Fragment);
                }
                (cause.status(), Parts::refusing(cause), Vec::new())
            }
        };
        self.forget_what_is_over();
        let answer = response(wire, &transaction.original, status, parts);
        match timeout(ANSWERING_LIMIT, transaction.respond(answer)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a SIP response could not be sent"),
            Err(_) => tracing::debug!("a SIP response was not taken in time"),
        }
        news.into_iter().for_each(News::tell);
    }

    fn heed(&mut self, notify: &Request) -> Result<Vec<News>, RefusalCause> {
        let about = About::parse(value_of(&notify.headers, "Event").unwrap_or_default());
        let open = self.of(about).ok_or(RefusalCause::NoSubscription)?;
        let fragment = fragment_of(notify)?;
        let subscription = Subscription::parse(value_of(&notify.headers, "Subscription-State"));
        let now = Instant::now().into_std();
        let events = open.following.handle_notify(now, fragment, subscription);
        Ok(events.into_iter().filter_map(|event| open.news(event)).collect())
    }

    /// The transfer that a NOTIFY is about. One that is not named is the oldest whose outcome is not
    /// known.
    fn of(&mut self, about: About) -> Option<&mut Open> {
        let mut open = self.open.iter();
        let at = match about {
            About::Other => None,
            About::Referral(cseq) => open.position(|open| open.following.cseq == cseq),
            About::SomeReferral => {
                let waiting = open.position(|open| open.following.is_open());
                waiting.or((!self.open.is_empty()).then_some(0))
            }
        };
        self.open.get_mut(at?)
    }

    fn forget_what_is_over(&mut self) {
        self.open.retain(|open| !open.following.is_over());
    }

    /// The call is over: nobody will say how what is under way has ended.
    pub(super) fn end(&mut self, by: EndedBy) {
        let why = match by {
            EndedBy::Remote => "the other side hung up before it told the outcome of the transfer",
            EndedBy::Local => "we hung up before the outcome of the transfer was known",
            EndedBy::Timeout => "the other side fell silent during the transfer",
            EndedBy::SessionExpired => "the session expired during the transfer",
            EndedBy::TransportError => "there was no way to the other side during the transfer",
        };
        for mut open in self.open.drain(..) {
            if let Some(event) = open.following.handle_end(why) {
                open.tell(event);
            }
        }
    }
}

/// The fragment that a NOTIFY brings; `None` if it has no body.
fn fragment_of(notify: &Request) -> Result<Option<Fragment>, RefusalCause> {
    if notify.body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let kind = value_of(&notify.headers, "Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(FRAGMENT_TYPE) {
        return Err(RefusalCause::NotifyNotUnderstood);
    }
    Fragment::parse(&notify.body).map(Some).ok_or(RefusalCause::BadFragment)
}
