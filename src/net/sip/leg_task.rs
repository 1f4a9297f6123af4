//! The task of an answered call, whoever placed it: confirmation, changes of the session, its
//! timer, being taken over, hang-up.
//!
//! ```text
//!            2xx sent                    ACK
//!  (callee) ----------> AwaitingAck -------------> Confirmed <--.
//!                            |  no ACK in 64*T1        |  |     | offer answered or refused,
//!  (caller) 2xx received ----|-------------------------'  '-----' session refreshed
//!                            v                         |
//!                          BYE <--- hang_up, drain, ---'--- remote BYE ---> Ended
//!                                   session expired
//! ```
//!
//! A hang-up while the ACK is outstanding waits for it (RFC 3261 15); so does a re-INVITE, which may
//! overtake it. Retransmission of the 2xx is the transaction layer's. The 64*T1 limit (13.3.1.4) is
//! counted there and here, because there it does not run if the 2xx could not be sent.

use std::sync::Arc;

use rsipstack::sip::{Method, Response, StatusCodeKind};
use rsipstack::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SipError;
use super::dialog::{Dialog, Parts, client, cseq_of, finish, refusal, response, sdp_of};
use super::endpoint::options_parts;
use super::incoming::IncomingCall;
use super::info::Info;
use super::leg::{
    Decision, EndedBy, EventSink, LegCommand, LegEvent, ReofferReply, acknowledge, at,
    final_answer, send_bye,
};
use super::links::Wire;
use super::offers::{
    Asked, Change, InFlight, Own, OwnNext, RemoteOffer, SendNow, TRIES_MAX, crossing_pause,
};
use super::referrals::{CallState, ReferralNext, Referrals};
use super::refusal::{OFFER_RETRY_MAX_S, RefusalCause};
use super::registry::Registration;
use super::reliable::Reliable;
use super::server_invite::{InviteSignal, Offerer, ServerInvite, SignalKind};
use super::session::{Session, value_of, words_of};
use super::session_timer::Due;

enum Step {
    Go,
    End(EndedBy),
    /// Send a BYE, then end.
    Bye(EndedBy, String),
}

/// Where the call stands.
struct Talk {
    remote: RemoteOffer,
    own: Own,
    confirmed: bool,
    /// Why we hang up as soon as the call is confirmed.
    leaving: Option<String>,
}

pub(super) struct Leg {
    pub(super) wire: Arc<Wire>,
    pub(super) dialog: Dialog,
    pub(super) registration: Registration,
    pub(super) requests: mpsc::Receiver<Transaction>,
    /// Calls that take this one over; closed at once where that cannot be.
    pub(super) takeovers: mpsc::Receiver<IncomingCall>,
    pub(super) signals: (mpsc::Sender<InviteSignal>, mpsc::Receiver<InviteSignal>),
    pub(super) commands: mpsc::Receiver<LegCommand>,
    pub(super) events: EventSink,
    /// The SDP that holds on our side, and the other side's.
    pub(super) local_sdp: String,
    pub(super) remote_sdp: Option<String>,
    pub(super) session: Session,
    /// Reliable provisional responses whose PRACK may still come.
    pub(super) reliable: Option<Reliable>,
    pub(super) referrals: Referrals,
    pub(super) drain: CancellationToken,
}

impl Leg {
    /// Runs the call to its end. `answered` is the INVITE that we just sent a 2xx for.
    pub(super) async fn run(mut self, answered: Option<ServerInvite>) {
        let mut talk = Talk {
            confirmed: answered.is_none(),
            remote: answered.map_or(RemoteOffer::None, |invite| self.await_ack(Box::new(invite))),
            own: Own::Idle,
            leaving: None,
        };
        let drain = self.drain.clone();
        loop {
            let step = self.next_step(&mut talk, &drain).await;
            let step = match (step, &talk.leaving) {
                (Step::Go, Some(reason)) if talk.confirmed => {
                    Step::Bye(EndedBy::Local, reason.clone())
                }
                (step, _) => step,
            };
            match step {
                Step::Go => {}
                Step::End(by) => {
                    self.referrals.end(by);
                    talk.remote.take().end(&self.wire);
                    self.events.send(&self.wire, LegEvent::Ended { by });
                    break;
                }
                Step::Bye(by, reason) => {
                    self.referrals.end(by);
                    talk.remote.take().end(&self.wire);
                    self.leave(by, &reason).await;
                    break;
                }
            }
        }
        self.wire.forget_ack(&self.dialog.ack_key());
        drop(self.registration);
    }

    async fn next_step(&mut self, talk: &mut Talk, drain: &CancellationToken) -> Step {
        let ack_deadline = talk.remote.ack_deadline();
        let session_deadline = self.session.poll_timeout();
        let may_send = talk.remote.lets_send();
        let stays = talk.leaving.is_none();
        tokio::select! {
            // An ACK is heeded before the request that was sent behind it.
            biased;
            Some(signal) = self.signals.1.recv() => self.on_signal(signal, talk),
            Some(transaction) = self.requests.recv() => self.on_request(transaction, talk).await,
            () = at(ack_deadline) => Step::Bye(EndedBy::Timeout, "no ACK".to_owned()),
            () = at(session_deadline), if stays => self.on_session_timer(talk).await,
            Some(call) = self.takeovers.recv(), if stays => {
                self.events.send(&self.wire, LegEvent::Replaced { call: Box::new(call) });
                Step::Go
            }
            command = self.commands.recv(), if stays => self.on_command(command, talk).await,
            () = drain.cancelled(), if stays => {
                talk.leaving = Some("shutting down".to_owned());
                Step::Go
            }
            decision = talk.remote.decided() => self.on_decision(decision, talk),
            next = self.referrals.next() => self.on_referral(next),
            next = talk.own.next(may_send) => self.on_own(next, talk).await,
        }
    }

    async fn on_command(&mut self, command: Option<LegCommand>, talk: &mut Talk) -> Step {
        match command {
            Some(LegCommand::Reinvite { sdp, reply }) => {
                let change = Change::Offer { sdp, reply };
                match talk.own.is_idle() && talk.remote.lets_send() == SendNow::Yes {
                    true => self.send_change(change, 0, talk).await,
                    false => change.fail(SipError::OfferPending),
                }
            }
            Some(LegCommand::Refer { referral, reply }) => {
                let started = self.referrals.start(&self.wire, &mut self.dialog, &referral).await;
                _ = reply.send(started);
            }
            Some(LegCommand::HangUp { reason }) => talk.leaving = Some(reason),
            None => talk.leaving = Some("abandoned".to_owned()),
        }
        Step::Go
    }

    async fn on_request(&mut self, transaction: Transaction, talk: &mut Talk) -> Step {
        let request = &transaction.original;
        let cseq = cseq_of(request);
        if cseq <= self.dialog.remote_cseq {
            self.refuse(transaction, RefusalCause::OutOfOrder);
            return Step::Go;
        }
        self.dialog.remote_cseq = cseq;
        match request.method {
            Method::Bye => {
                let ok = response(&self.wire, request, 200, Parts::default());
                finish(&self.wire, transaction, ok);
                return Step::End(EndedBy::Remote);
            }
            Method::Options => {
                let ok = response(&self.wire, request, 200, options_parts());
                finish(&self.wire, transaction, ok);
            }
            Method::Invite => self.on_reinvite(transaction, talk),
            Method::Update => self.on_update(transaction, talk),
            Method::PRack => {
                let (status, parts) = answer_to_prack(&transaction, self.reliable.as_mut());
                let answer = response(&self.wire, &transaction.original, status, parts);
                finish(&self.wire, transaction, answer);
            }
            Method::Info => self.on_info(transaction),
            Method::Notify => self.referrals.on_notify(&self.wire, transaction).await,
            Method::Refer => self.refuse(transaction, RefusalCause::TransferByCaller),
            _ => self.refuse(transaction, RefusalCause::MethodNotAllowed),
        }
        Step::Go
    }

    fn refuse(&self, transaction: Transaction, cause: RefusalCause) {
        let refusal = refusal(&self.wire, &transaction.original, cause);
        finish(&self.wire, transaction, refusal);
    }

    /// Why no request that refreshes the session can be taken now.
    fn session_objection(&self, transaction: &Transaction) -> Option<RefusalCause> {
        let limits = self.session.limits();
        let words = words_of(&transaction.original.headers);
        words.is_too_short(limits).then_some(RefusalCause::SessionTooShort { min_s: limits.min_s })
    }

    fn on_reinvite(&mut self, transaction: Transaction, talk: &mut Talk) {
        if talk.own.has_offer_out() {
            return self.refuse(transaction, RefusalCause::OfferCrossed);
        }
        if let Some(cause) = self.session_objection(&transaction) {
            return self.refuse(transaction, cause);
        }
        match &mut talk.remote {
            RemoteOffer::None => {
                let invite = self.receive_invite(transaction);
                talk.remote = self.ask(Asked::Invite(invite));
            }
            // Whoever has sent the ACK may re-INVITE at once, and the two can change places on the
            // way. After an offer of ours the ACK brings something to be settled first.
            RemoteOffer::AwaitingAck { invite, next: next @ None, .. }
                if invite.offerer() == Offerer::Them =>
            {
                *next = Some(self.receive_invite(transaction));
            }
            RemoteOffer::Deciding { .. } | RemoteOffer::AwaitingAck { .. } => {
                self.refuse(transaction, offer_pending());
            }
        }
    }

    /// RFC 3311 5.2.
    fn on_update(&mut self, transaction: Transaction, talk: &mut Talk) {
        if let Some(cause) = self.session_objection(&transaction) {
            return self.refuse(transaction, cause);
        }
        let request = &transaction.original;
        if sdp_of(&request.body).is_none() {
            self.dialog.refresh_target(request);
            let contact = Some(self.dialog.contact.clone());
            let headers = self.session.agree(&request.headers);
            let parts = Parts { contact, headers, ..Parts::default() };
            let ok = response(&self.wire, request, 200, parts);
            finish(&self.wire, transaction, ok);
        } else if talk.own.has_offer_out() || talk.remote.awaits_answer() {
            self.refuse(transaction, RefusalCause::OfferCrossed);
        } else if talk.remote.lets_send() == SendNow::No {
            self.refuse(transaction, offer_pending());
        } else {
            talk.remote = self.ask(Asked::Update(Box::new(transaction)));
        }
    }

    fn on_info(&self, transaction: Transaction) {
        let request = &transaction.original;
        let kind = value_of(&request.headers, "Content-Type").unwrap_or_default();
        match Info::read(kind, &request.body) {
            Info::Key(key) => self.events.send(&self.wire, LegEvent::Key { key }),
            Info::Empty => {}
            Info::Foreign => return self.refuse(transaction, RefusalCause::InfoNotUnderstood),
        }
        let ok = response(&self.wire, request, 200, Parts::default());
        finish(&self.wire, transaction, ok);
    }

    fn on_referral(&mut self, next: ReferralNext) -> Step {
        match self.referrals.handle(next) {
            CallState::Stands => Step::Go,
            CallState::Lost => Step::Bye(EndedBy::Timeout, "dialog lost".to_owned()),
        }
    }

    fn receive_invite(&self, transaction: Transaction) -> Box<ServerInvite> {
        let invite = ServerInvite::start(&self.wire, transaction, self.signals.0.clone());
        invite.respond(response(&self.wire, &invite.request, 100, Parts::default()));
        Box::new(invite)
    }

    /// Asks the application what to do with an offer, or for one.
    fn ask(&mut self, asked: Asked) -> RemoteOffer {
        match &asked {
            Asked::Invite(invite) => self.dialog.refresh_target(&invite.request),
            Asked::Update(update) => self.dialog.refresh_target(&update.original),
        }
        let (decide, decision) = oneshot::channel();
        let reply = ReofferReply(decide);
        let event = match asked.offer_sdp() {
            Some(offer_sdp) => LegEvent::Reoffer { offer_sdp, reply },
            None => LegEvent::OfferWanted { reply },
        };
        self.events.send(&self.wire, event);
        RemoteOffer::Deciding { asked, decision }
    }

    fn accept(&mut self, asked: Asked, sdp: String) -> RemoteOffer {
        self.local_sdp.clone_from(&sdp);
        if let Some(offer) = asked.offer_sdp() {
            self.remote_sdp = Some(offer);
        }
        let contact = Some(self.dialog.contact.clone());
        let mut parts = Parts { contact, sdp: Some(sdp), ..Parts::default() };
        match asked {
            Asked::Invite(invite) => {
                parts.headers = self.session.agree(&invite.request.headers);
                invite.respond(response(&self.wire, &invite.request, 200, parts));
                self.await_ack(invite)
            }
            Asked::Update(update) => {
                parts.headers = self.session.agree(&update.original.headers);
                let ok = response(&self.wire, &update.original, 200, parts);
                finish(&self.wire, *update, ok);
                RemoteOffer::None
            }
        }
    }

    fn await_ack(&self, invite: Box<ServerInvite>) -> RemoteOffer {
        let until = Instant::now() + self.wire.ack_limit();
        RemoteOffer::AwaitingAck { invite, until, next: None }
    }

    /// Carries out what the application decided; `None` if nobody did.
    fn on_decision(&mut self, decision: Option<Decision>, talk: &mut Talk) -> Step {
        let RemoteOffer::Deciding { asked, .. } = talk.remote.take() else { return Step::Go };
        match (decision, asked.offerer()) {
            (Some(Decision::Accept(sdp)), _) => talk.remote = self.accept(asked, sdp),
            (None, Offerer::Us) => talk.remote = self.accept(asked, self.local_sdp.clone()),
            (Some(Decision::Refuse(status)), _) => {
                asked.refuse(&self.wire, RefusalCause::OfferRefused { status });
            }
            (None, Offerer::Them) => asked.refuse(&self.wire, RefusalCause::OfferDropped),
        }
        Step::Go
    }

    fn on_signal(&mut self, signal: InviteSignal, talk: &mut Talk) -> Step {
        match (signal.kind, &mut talk.remote) {
            (SignalKind::Acknowledged { sdp }, RemoteOffer::AwaitingAck { invite, .. })
                if invite.cseq() == signal.cseq =>
            {
                self.on_ack(sdp, talk)
            }
            (SignalKind::Unacknowledged, RemoteOffer::AwaitingAck { invite, .. })
                if invite.cseq() == signal.cseq =>
            {
                Step::Bye(EndedBy::Timeout, "no ACK".to_owned())
            }
            (SignalKind::Cancelled, RemoteOffer::Deciding { asked, .. })
                if asked.is_invite(signal.cseq) =>
            {
                if let RemoteOffer::Deciding { asked, .. } = talk.remote.take() {
                    asked.refuse(&self.wire, RefusalCause::Cancelled);
                }
                Step::Go
            }
            (SignalKind::Cancelled, RemoteOffer::AwaitingAck { next, .. }) => {
                if let Some(waiting) = next.take_if(|next| next.cseq() == signal.cseq) {
                    Asked::Invite(waiting).refuse(&self.wire, RefusalCause::Cancelled);
                }
                Step::Go
            }
            _ => Step::Go,
        }
    }

    fn on_ack(&mut self, sdp: Option<String>, talk: &mut Talk) -> Step {
        let RemoteOffer::AwaitingAck { invite, next, .. } = talk.remote.take() else {
            return Step::Go;
        };
        if !std::mem::replace(&mut talk.confirmed, true) {
            self.events.send(&self.wire, LegEvent::Confirmed);
        }
        match (invite.offerer(), sdp) {
            (Offerer::Us, Some(sdp)) => {
                self.remote_sdp = Some(sdp.clone());
                self.events.send(&self.wire, LegEvent::LateAnswer { sdp });
            }
            (Offerer::Us, None) => {
                // RFC 3261 13.2.2.4: the ACK must carry the answer; without it there is no session.
                return Step::Bye(EndedBy::Local, "no answer in ACK".to_owned());
            }
            (Offerer::Them, _) => {}
        }
        if let Some(next) = next {
            talk.remote = self.ask(Asked::Invite(next));
        }
        Step::Go
    }

    async fn on_session_timer(&mut self, talk: &mut Talk) -> Step {
        let may_send = talk.own.is_idle() && talk.remote.lets_send() == SendNow::Yes;
        match self.session.poll() {
            None => {}
            Some(Due::Expired) => {
                let reason = "the session was not refreshed in time";
                return Step::Bye(EndedBy::SessionExpired, reason.to_owned());
            }
            Some(Due::Refresh) if may_send => self.send_change(Change::Refresh, 0, talk).await,
            // Another change is on its way, which refreshes as well if it is taken.
            Some(Due::Refresh) => self.session.refresh_failed(),
        }
        Step::Go
    }

    async fn send_change(&mut self, change: Change, tries: u8, talk: &mut Talk) {
        let (method, sdp) = match &change {
            Change::Offer { sdp, .. } => (Method::Invite, Some(sdp.clone())),
            Change::Refresh if self.session.peer_takes_update() => (Method::Update, None),
            // The same description again (RFC 4028 7.4).
            Change::Refresh => (Method::Invite, Some(self.local_sdp.clone())),
        };
        let cseq = self.dialog.next_cseq();
        let built = self.dialog.request(&self.wire, method, cseq, sdp.as_deref()).await;
        let started = built.and_then(|(mut request, link, to)| {
            request.headers.extend(self.session.request_headers());
            client(&self.wire, request, &link, to)
        });
        match started {
            Ok(transaction) => {
                let answer = final_answer(&self.wire, transaction);
                talk.own = Own::InFlight(InFlight { change, tries, method, cseq, answer });
            }
            Err(error) => self.give_up(change, error),
        }
    }

    fn give_up(&mut self, change: Change, error: SipError) {
        if matches!(change, Change::Refresh) {
            self.session.refresh_failed();
        }
        change.fail(error);
    }

    async fn on_own(&mut self, next: OwnNext, talk: &mut Talk) -> Step {
        match (talk.own.take(), next) {
            (Own::InFlight(flight), OwnNext::Answered(answer)) => {
                self.on_answer(flight, answer, talk).await
            }
            (Own::BackingOff { change, tries, .. }, OwnNext::TryAgain) => {
                self.send_change(change, tries, talk).await;
                Step::Go
            }
            (own, _) => {
                talk.own = own;
                Step::Go
            }
        }
    }

    async fn on_answer(
        &mut self,
        flight: InFlight,
        answer: Option<Response>,
        talk: &mut Talk,
    ) -> Step {
        let InFlight { change, tries, method, cseq, .. } = flight;
        let Some(answer) = answer else {
            change.fail(SipError::CallOver);
            return Step::Bye(EndedBy::Timeout, "no answer".to_owned());
        };
        if answer.status_code.kind() == StatusCodeKind::Successful {
            self.dialog.refresh_target(&answer);
            if method == Method::Invite {
                acknowledge(&self.wire, &self.dialog, cseq).await;
            }
            self.session.agreed(&answer.headers);
            self.settle(change, sdp_of(&answer.body));
            return Step::Go;
        }
        let status = answer.status_code.code();
        let tries = tries + 1;
        match status {
            491 if tries < TRIES_MAX => {
                let pause = crossing_pause(self.dialog.owns_call_id, rand::random());
                talk.own = Own::BackingOff { until: Instant::now() + pause, change, tries };
                return Step::Go;
            }
            422 if tries < TRIES_MAX && self.session.lengthen(&answer.headers) => {
                self.send_change(change, tries, talk).await;
                return Step::Go;
            }
            405 | 501 if method == Method::Update => {
                self.session.no_update();
                self.send_change(change, tries, talk).await;
                return Step::Go;
            }
            _ => {}
        }
        let reason = answer.wire_reason.unwrap_or_else(|| answer.status_code.text().to_owned());
        self.give_up(change, SipError::Refused { status, reason });
        match status {
            // RFC 3261 12.2.1.2: the dialog is gone over there.
            408 | 481 => Step::Bye(EndedBy::Timeout, "dialog lost".to_owned()),
            _ => Step::Go,
        }
    }

    /// A change of ours was taken.
    fn settle(&mut self, change: Change, answer_sdp: Option<String>) {
        match change {
            Change::Offer { sdp, reply } => {
                self.local_sdp = sdp;
                self.remote_sdp.clone_from(&answer_sdp);
                _ = reply.send(Ok(answer_sdp.unwrap_or_default()));
            }
            // Nothing changes with a refresh, unless the other side takes the opportunity.
            Change::Refresh => {
                if let Some(sdp) = answer_sdp
                    && self.remote_sdp.as_ref() != Some(&sdp)
                {
                    self.remote_sdp = Some(sdp.clone());
                    self.events.send(&self.wire, LegEvent::LateAnswer { sdp });
                }
            }
        }
    }

    /// Sends a BYE and serves crossing requests until it is answered (Timer F at the latest).
    async fn leave(&mut self, by: EndedBy, reason: &str) {
        let sent = send_bye(&self.wire, &mut self.dialog, by, reason).await;
        let by = if sent.is_ok() { by } else { EndedBy::TransportError };
        // Whoever wants something of the call hears at once that it is over.
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.events.send(&self.wire, LegEvent::Ended { by });
        self.events = EventSink::Closed;
        let Ok(mut done) = sent else { return };
        loop {
            tokio::select! {
                _ = &mut done => return,
                Some(transaction) = self.requests.recv() => match transaction.original.method {
                    Method::Bye | Method::Options => {
                        let ok = response(&self.wire, &transaction.original, 200, Parts::default());
                        finish(&self.wire, transaction, ok);
                    }
                    _ => self.refuse(transaction, RefusalCause::NoDialog),
                },
            }
        }
    }
}

fn offer_pending() -> RefusalCause {
    let retry_after_s = rand::random::<u32>() % (OFFER_RETRY_MAX_S + 1);
    RefusalCause::OfferPending { retry_after_s }
}

/// Status and parts for a PRACK (RFC 3262 3).
pub(super) fn answer_to_prack(
    transaction: &Transaction,
    reliable: Option<&mut Reliable>,
) -> (u16, Parts) {
    let request = &transaction.original;
    let rack = value_of(&request.headers, "RAck");
    let is_ours = reliable.zip(rack).is_some_and(|(reliable, rack)| reliable.acknowledge(rack));
    let cause = match is_ours {
        true if request.body.is_empty() => return (200, Parts::default()),
        true => RefusalCause::OfferMisplaced,
        false => RefusalCause::NoSuchProvisional,
    };
    (cause.status(), Parts::refusing(cause))
}
