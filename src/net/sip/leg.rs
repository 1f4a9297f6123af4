//! An answered call, whoever placed it: confirmation, hold and resume, hang-up.
//!
//! ```text
//!            2xx sent                    ACK
//!  (callee) ----------> AwaitingAck -------------> Confirmed <--.
//!                            |  no ACK in 64*T1        |  |     | offer answered or refused
//!  (caller) 2xx received ----|-------------------------'  '-----'
//!                            v                         |
//!                          BYE <--- hang_up, drain ----'--- remote BYE ---> Ended
//! ```
//!
//! A hang-up while the ACK is outstanding waits for it (RFC 3261 15); so does a re-INVITE, which may
//! overtake it. Retransmission of the 2xx is the transaction layer's. The 64*T1 limit (13.3.1.4) is
//! counted there and here, because there it does not run if the 2xx could not be sent.

use std::sync::Arc;

use rsipstack::sip::{Header, Method, Reason, Response, RetryAfter, SipMessage, StatusCodeKind};
use rsipstack::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::SipError;
use super::address::quoted;
use super::counters::Counters;
use super::dialog::{Dialog, Parts, client, cseq_of, finish, response, sdp_of};
use super::endpoint::{Registration, options_parts};
use super::links::Wire;
use super::outgoing::OutgoingEvent;
use super::server_invite::{InviteSignal, Offerer, ServerInvite, SignalKind};

/// Events that wait for their reader; when full, new ones are lost and counted, and an offer that
/// is lost is refused.
pub(super) const EVENT_QUEUE_LEN_MAX: usize = 32;
/// Commands and transaction signals that wait for the leg; a full queue makes the sender wait.
pub(super) const COMMAND_QUEUE_LEN_MAX: usize = 16;

/// Who or what ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The other side hung up.
    Remote,
    /// We hung up.
    Local,
    /// The other side fell silent: no ACK (RFC 3261 13.3.1.4), or no dialog left over there.
    Timeout,
    /// There was no way to the other side.
    TransportError,
}

/// What happens on an answered call.
#[derive(Debug)]
pub enum LegEvent {
    /// The caller acknowledged our answer.
    Confirmed,
    /// The other side wants to change the session (hold, resume, other codecs).
    Reoffer {
        /// What it offers.
        offer_sdp: String,
        /// Takes our answer.
        reply: ReofferReply,
    },
    /// The other side wants to change the session and leaves the offer to us (RFC 3261 14.2): all
    /// that we can do should be in it. The answer comes as [`LegEvent::LateAnswer`].
    OfferWanted {
        /// Takes our offer.
        reply: ReofferReply,
    },
    /// The answer to an offer that we made because the INVITE had none.
    LateAnswer {
        /// The answer.
        sdp: String,
    },
    /// The call is over; nothing follows.
    Ended {
        /// Who or what ended it.
        by: EndedBy,
    },
}

#[derive(Debug)]
enum Decision {
    Accept(String),
    Refuse(u16),
}

/// Answers a [`LegEvent::Reoffer`], where dropping it refuses with 488, or gives the offer for a
/// [`LegEvent::OfferWanted`], where dropping it offers what we sent last.
#[derive(Debug)]
pub struct ReofferReply(oneshot::Sender<Decision>);

impl ReofferReply {
    /// Takes the change, with our SDP answer or offer.
    pub fn accept(self, sdp: String) {
        _ = self.0.send(Decision::Accept(sdp));
    }

    /// Refuses the change; the session stays as it was (RFC 3261 14.2). A status outside 300 to 699
    /// is sent as 488.
    pub fn refuse(self, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 488 };
        _ = self.0.send(Decision::Refuse(status));
    }
}

pub(super) enum LegCommand {
    HangUp { reason: String },
    Reinvite { sdp: String, reply: oneshot::Sender<Result<String, SipError>> },
}

/// Our side of an answered incoming call. Dropping it hangs up.
#[derive(Debug)]
pub struct SipLeg {
    pub(super) commands: mpsc::Sender<LegCommand>,
    pub(super) events: mpsc::Receiver<LegEvent>,
}

impl SipLeg {
    /// The next event; `None` once the call has ended and everything was read.
    pub async fn next_event(&mut self) -> Option<LegEvent> {
        self.events.recv().await
    }

    /// Hangs up (BYE with `reason` as text, RFC 3326); [`LegEvent::Ended`] follows. Does nothing on
    /// a call that is over.
    pub async fn hang_up(&self, reason: &str) {
        _ = self.commands.send(LegCommand::HangUp { reason: reason.to_owned() }).await;
    }

    /// Offers a new session to the caller and returns the answer's SDP.
    ///
    /// # Errors
    /// The call is over, another offer is open, or the caller refused.
    pub async fn reinvite(&self, sdp: String) -> Result<String, SipError> {
        reinvite(&self.commands, sdp).await
    }
}

pub(super) async fn reinvite(
    commands: &mpsc::Sender<LegCommand>,
    sdp: String,
) -> Result<String, SipError> {
    let (reply, answer) = oneshot::channel();
    let sent = commands.send(LegCommand::Reinvite { sdp, reply }).await;
    sent.map_err(|_| SipError::CallOver)?;
    answer.await.unwrap_or(Err(SipError::CallOver))
}

/// Where a leg's events go: callers and callees read them in different words.
pub(super) enum EventSink {
    Incoming(mpsc::Sender<LegEvent>),
    Outgoing(mpsc::Sender<OutgoingEvent>),
    /// The end was told; readers see the queue close at once, whatever the BYE still waits for.
    Closed,
}

impl EventSink {
    fn send(&self, wire: &Wire, event: LegEvent) {
        let sent = match self {
            Self::Incoming(events) => events.try_send(event).is_ok(),
            Self::Outgoing(events) => match OutgoingEvent::from_leg(event) {
                Some(event) => events.try_send(event).is_ok(),
                None => true,
            },
            Self::Closed => true,
        };
        if !sent {
            Counters::add(&wire.counters.events_lost);
        }
    }
}

/// An INVITE of ours within the call, on its way.
struct OwnOffer {
    cseq: u32,
    reply: oneshot::Sender<Result<String, SipError>>,
    answer: oneshot::Receiver<Option<Response>>,
}

/// An INVITE of theirs within the call. There is one of these per call, so its size is no matter.
#[expect(clippy::large_enum_variant)]
enum RemoteOffer {
    None,
    Deciding {
        invite: ServerInvite,
        decision: oneshot::Receiver<Decision>,
    },
    /// Answered with 2xx, to be acknowledged in time.
    AwaitingAck {
        invite: ServerInvite,
        until: Instant,
        /// A re-INVITE that overtook the ACK.
        next: Option<ServerInvite>,
    },
}

impl RemoteOffer {
    fn ack_deadline(&self) -> Option<Instant> {
        match self {
            Self::AwaitingAck { until, .. } => Some(*until),
            Self::None | Self::Deciding { .. } => None,
        }
    }
}

enum Step {
    Go,
    End(EndedBy),
    /// Send a BYE, then end.
    Bye(EndedBy, String),
}

pub(super) struct Leg {
    pub(super) wire: Arc<Wire>,
    pub(super) dialog: Dialog,
    pub(super) registration: Registration,
    pub(super) requests: mpsc::Receiver<Transaction>,
    pub(super) signals: (mpsc::Sender<InviteSignal>, mpsc::Receiver<InviteSignal>),
    pub(super) commands: mpsc::Receiver<LegCommand>,
    pub(super) events: EventSink,
    /// The SDP we sent last.
    pub(super) local_sdp: String,
    pub(super) drain: CancellationToken,
}

impl Leg {
    /// Runs the call to its end. `answered` is the INVITE that we just sent a 2xx for.
    pub(super) async fn run(mut self, answered: Option<ServerInvite>) {
        let mut remote = answered.map_or(RemoteOffer::None, |invite| self.await_ack(invite));
        let mut confirmed = matches!(remote, RemoteOffer::None);
        let mut own: Option<OwnOffer> = None;
        let mut leaving: Option<String> = None;
        let drain = self.drain.clone();
        loop {
            let ack_deadline = remote.ack_deadline();
            let step = tokio::select! {
                // An ACK is heeded before the request that was sent behind it.
                biased;
                Some(signal) = self.signals.1.recv() => {
                    self.on_signal(signal, &mut remote, &mut confirmed)
                }
                Some(transaction) = self.requests.recv() => {
                    self.on_request(transaction, &mut remote, own.is_some())
                }
                () = at(ack_deadline) => Step::Bye(EndedBy::Timeout, "no ACK".to_owned()),
                command = self.commands.recv(), if leaving.is_none() => match command {
                    Some(LegCommand::Reinvite { sdp, reply }) => {
                        self.offer(sdp, reply, &remote, &mut own).await
                    }
                    Some(LegCommand::HangUp { reason }) => {
                        leaving = Some(reason);
                        Step::Go
                    }
                    None => {
                        leaving = Some("abandoned".to_owned());
                        Step::Go
                    }
                },
                () = drain.cancelled(), if leaving.is_none() => {
                    leaving = Some("shutting down".to_owned());
                    Step::Go
                }
                decision = decided(&mut remote) => self.on_decision(decision, &mut remote),
                answer = answered_by_peer(&mut own) => match own.take() {
                    Some(offer) => self.on_answer(offer, answer).await,
                    None => Step::Go,
                },
            };
            let step = match (step, &leaving) {
                (Step::Go, Some(reason)) if confirmed => Step::Bye(EndedBy::Local, reason.clone()),
                (step, _) => step,
            };
            match step {
                Step::Go => {}
                Step::End(by) => {
                    end_remote_offer(&self.wire, &remote);
                    self.events.send(&self.wire, LegEvent::Ended { by });
                    break;
                }
                Step::Bye(by, reason) => {
                    end_remote_offer(&self.wire, &remote);
                    self.leave(by, &reason).await;
                    break;
                }
            }
        }
        self.wire.forget_ack(&self.dialog.ack_key());
        drop(self.registration);
    }

    fn on_request(
        &mut self,
        transaction: Transaction,
        remote: &mut RemoteOffer,
        own_open: bool,
    ) -> Step {
        let request = &transaction.original;
        let cseq = cseq_of(request);
        if cseq <= self.dialog.remote_cseq {
            // RFC 3261 12.2.2: out of order.
            self.refuse(transaction, 500, Vec::new());
            return Step::Go;
        }
        self.dialog.remote_cseq = cseq;
        match request.method {
            Method::Bye => {
                let ok = response(&self.wire, request, 200, Parts::default());
                finish(&self.wire, transaction, ok);
                Step::End(EndedBy::Remote)
            }
            Method::Options => {
                let ok = response(&self.wire, request, 200, options_parts());
                finish(&self.wire, transaction, ok);
                Step::Go
            }
            Method::Invite if own_open => {
                self.refuse(transaction, 491, Vec::new());
                Step::Go
            }
            Method::Invite => {
                self.on_reinvite(transaction, remote);
                Step::Go
            }
            _ => {
                self.refuse(transaction, 405, Vec::new());
                Step::Go
            }
        }
    }

    fn refuse(&self, transaction: Transaction, status: u16, headers: Vec<Header>) {
        let parts = Parts { headers, ..Parts::default() };
        let refusal = response(&self.wire, &transaction.original, status, parts);
        finish(&self.wire, transaction, refusal);
    }

    fn on_reinvite(&mut self, transaction: Transaction, remote: &mut RemoteOffer) {
        match remote {
            RemoteOffer::None => {
                let invite = self.receive_invite(transaction);
                *remote = self.ask(invite);
            }
            // Whoever has sent the ACK may re-INVITE at once, and the two can change places on the
            // way. After an offer of ours the ACK brings something to be settled first.
            RemoteOffer::AwaitingAck { invite, next: next @ None, .. }
                if invite.offerer() == Offerer::Them =>
            {
                *next = Some(self.receive_invite(transaction));
            }
            RemoteOffer::Deciding { .. } | RemoteOffer::AwaitingAck { .. } => {
                // RFC 3261 14.2: the earlier one is unfinished; any time up to 10 s will do.
                let later = Header::RetryAfter(RetryAfter::new("2"));
                self.refuse(transaction, 500, vec![later]);
            }
        }
    }

    fn receive_invite(&self, transaction: Transaction) -> ServerInvite {
        let invite = ServerInvite::start(&self.wire, transaction, self.signals.0.clone());
        invite.respond(response(&self.wire, &invite.request, 100, Parts::default()));
        invite
    }

    /// Asks the application what to do with a re-INVITE.
    fn ask(&mut self, invite: ServerInvite) -> RemoteOffer {
        self.dialog.refresh_target(&invite.request);
        let (decide, decision) = oneshot::channel();
        let reply = ReofferReply(decide);
        let event = match sdp_of(&invite.request.body) {
            Some(offer_sdp) => LegEvent::Reoffer { offer_sdp, reply },
            None => LegEvent::OfferWanted { reply },
        };
        self.events.send(&self.wire, event);
        RemoteOffer::Deciding { invite, decision }
    }

    fn accept(&mut self, invite: ServerInvite, sdp: String) -> RemoteOffer {
        self.local_sdp.clone_from(&sdp);
        let contact = Some(self.dialog.contact.clone());
        let parts = Parts { contact, sdp: Some(sdp), ..Parts::default() };
        invite.respond(response(&self.wire, &invite.request, 200, parts));
        self.await_ack(invite)
    }

    fn await_ack(&self, invite: ServerInvite) -> RemoteOffer {
        let until = Instant::now() + self.wire.ack_limit();
        RemoteOffer::AwaitingAck { invite, until, next: None }
    }

    /// Carries out what the application decided; `None` if nobody did.
    fn on_decision(&mut self, decision: Option<Decision>, remote: &mut RemoteOffer) -> Step {
        let RemoteOffer::Deciding { invite, .. } = std::mem::replace(remote, RemoteOffer::None)
        else {
            return Step::Go;
        };
        let status = match (decision, invite.offerer()) {
            (Some(Decision::Accept(sdp)), _) => {
                *remote = self.accept(invite, sdp);
                return Step::Go;
            }
            (None, Offerer::Us) => {
                *remote = self.accept(invite, self.local_sdp.clone());
                return Step::Go;
            }
            (Some(Decision::Refuse(status)), _) => status,
            (None, Offerer::Them) => 488,
        };
        invite.respond(response(&self.wire, &invite.request, status, Parts::default()));
        Step::Go
    }

    fn on_signal(
        &mut self,
        signal: InviteSignal,
        remote: &mut RemoteOffer,
        confirmed: &mut bool,
    ) -> Step {
        match (signal.kind, &*remote) {
            (SignalKind::Acknowledged { sdp }, RemoteOffer::AwaitingAck { invite, .. })
                if invite.cseq() == signal.cseq =>
            {
                self.on_ack(sdp, remote, confirmed)
            }
            (SignalKind::Unacknowledged, RemoteOffer::AwaitingAck { invite, .. })
                if invite.cseq() == signal.cseq =>
            {
                Step::Bye(EndedBy::Timeout, "no ACK".to_owned())
            }
            (SignalKind::Cancelled, RemoteOffer::Deciding { invite, .. })
                if invite.cseq() == signal.cseq =>
            {
                invite.respond(response(&self.wire, &invite.request, 487, Parts::default()));
                *remote = RemoteOffer::None;
                Step::Go
            }
            (SignalKind::Cancelled, RemoteOffer::AwaitingAck { next: Some(waiting), .. })
                if waiting.cseq() == signal.cseq =>
            {
                waiting.respond(response(&self.wire, &waiting.request, 487, Parts::default()));
                if let RemoteOffer::AwaitingAck { next, .. } = remote {
                    *next = None;
                }
                Step::Go
            }
            _ => Step::Go,
        }
    }

    fn on_ack(
        &mut self,
        sdp: Option<String>,
        remote: &mut RemoteOffer,
        confirmed: &mut bool,
    ) -> Step {
        let RemoteOffer::AwaitingAck { invite, next, .. } =
            std::mem::replace(remote, RemoteOffer::None)
        else {
            return Step::Go;
        };
        if !std::mem::replace(confirmed, true) {
            self.events.send(&self.wire, LegEvent::Confirmed);
        }
        match (invite.offerer(), sdp) {
            (Offerer::Us, Some(sdp)) => self.events.send(&self.wire, LegEvent::LateAnswer { sdp }),
            (Offerer::Us, None) => {
                // RFC 3261 13.2.2.4: the ACK must carry the answer; without it there is no session.
                return Step::Bye(EndedBy::Local, "no answer in ACK".to_owned());
            }
            (Offerer::Them, _) => {}
        }
        if let Some(next) = next {
            *remote = self.ask(next);
        }
        Step::Go
    }

    async fn offer(
        &mut self,
        sdp: String,
        reply: oneshot::Sender<Result<String, SipError>>,
        remote: &RemoteOffer,
        own: &mut Option<OwnOffer>,
    ) -> Step {
        if own.is_some() || !matches!(remote, RemoteOffer::None) {
            _ = reply.send(Err(SipError::OfferPending));
            return Step::Go;
        }
        let cseq = self.dialog.next_cseq();
        let built = self.dialog.request(&self.wire, Method::Invite, cseq, Some(&sdp)).await;
        let started = built.and_then(|(request, link, to)| client(&self.wire, request, &link, to));
        match started {
            Ok(transaction) => {
                self.local_sdp = sdp;
                let answer = final_answer(&self.wire, transaction);
                *own = Some(OwnOffer { cseq, reply, answer });
            }
            Err(error) => _ = reply.send(Err(error)),
        }
        Step::Go
    }

    async fn on_answer(&mut self, offer: OwnOffer, answer: Option<Response>) -> Step {
        let Some(answer) = answer else {
            _ = offer.reply.send(Err(SipError::CallOver));
            return Step::Bye(EndedBy::Timeout, "no answer".to_owned());
        };
        if answer.status_code.kind() == StatusCodeKind::Successful {
            self.dialog.refresh_target(&answer);
            acknowledge(&self.wire, &self.dialog, offer.cseq).await;
            _ = offer.reply.send(Ok(sdp_of(&answer.body).unwrap_or_default()));
            return Step::Go;
        }
        let status = answer.status_code.code();
        let reason = answer.wire_reason.unwrap_or_else(|| answer.status_code.text().to_owned());
        _ = offer.reply.send(Err(SipError::Refused { status, reason }));
        match status {
            // RFC 3261 12.2.1.2: the dialog is gone over there.
            408 | 481 => Step::Bye(EndedBy::Timeout, "dialog lost".to_owned()),
            _ => Step::Go,
        }
    }

    /// Sends a BYE and serves crossing requests until it is answered (Timer F at the latest).
    async fn leave(&mut self, by: EndedBy, reason: &str) {
        let sent = send_bye(&self.wire, &mut self.dialog, reason).await;
        let by = if sent.is_ok() { by } else { EndedBy::TransportError };
        self.events.send(&self.wire, LegEvent::Ended { by });
        self.events = EventSink::Closed;
        let Ok(mut done) = sent else { return };
        loop {
            tokio::select! {
                _ = &mut done => return,
                Some(transaction) = self.requests.recv() => {
                    let status = match transaction.original.method {
                        Method::Bye | Method::Options => 200,
                        _ => 481,
                    };
                    self.refuse(transaction, status, Vec::new());
                }
            }
        }
    }
}

fn end_remote_offer(wire: &Wire, remote: &RemoteOffer) {
    match remote {
        RemoteOffer::None => {}
        RemoteOffer::Deciding { invite, .. } => {
            invite.respond(response(wire, &invite.request, 487, Parts::default()));
        }
        RemoteOffer::AwaitingAck { invite, next, .. } => {
            invite.abandon();
            if let Some(next) = next {
                next.respond(response(wire, &next.request, 487, Parts::default()));
            }
        }
    }
}

/// Waits for that moment; for ever if there is none.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Waits for the application's decision on their offer; for ever if there is none to take.
async fn decided(remote: &mut RemoteOffer) -> Option<Decision> {
    match remote {
        RemoteOffer::Deciding { decision, .. } => decision.await.ok(),
        RemoteOffer::None | RemoteOffer::AwaitingAck { .. } => std::future::pending().await,
    }
}

async fn answered_by_peer(own: &mut Option<OwnOffer>) -> Option<Response> {
    match own {
        Some(offer) => (&mut offer.answer).await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// Runs a client transaction in its own task; the final response comes back, or `None`.
pub(super) fn final_answer(
    wire: &Wire,
    mut transaction: Transaction,
) -> oneshot::Receiver<Option<Response>> {
    let (done, answer) = oneshot::channel();
    wire.spawn(async move {
        let mut last = None;
        if transaction.send().await.is_ok() {
            while let Some(message) = transaction.receive().await {
                if let SipMessage::Response(response) = message
                    && response.status_code.kind() != StatusCodeKind::Provisional
                {
                    last = Some(response);
                    break;
                }
            }
        }
        _ = done.send(last);
    });
    answer
}

/// Acknowledges a 2xx to our INVITE (RFC 3261 13.2.2.4).
pub(super) async fn acknowledge(wire: &Arc<Wire>, dialog: &Dialog, cseq: u32) {
    match dialog.request(wire, Method::Ack, cseq, None).await {
        Ok((ack, link, to)) => wire.send_ack(dialog.ack_key(), cseq, ack, link, to).await,
        Err(error) => tracing::debug!(%error, "no way to acknowledge an answer"),
    }
}

/// Sends a BYE; what comes back resolves when it is answered or given up.
pub(super) async fn send_bye(
    wire: &Arc<Wire>,
    dialog: &mut Dialog,
    reason: &str,
) -> Result<oneshot::Receiver<Option<Response>>, SipError> {
    let cseq = dialog.next_cseq();
    let (mut request, link, to) = dialog.request(wire, Method::Bye, cseq, None).await?;
    if !reason.is_empty() {
        let text = format!("SIP;cause=200;text={}", quoted(reason));
        request.headers.push(Header::Reason(Reason::new(text)));
    }
    Ok(final_answer(wire, client(wire, request, &link, to)?))
}
