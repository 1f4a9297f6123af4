//! A call that somebody places to us, until it is answered, refused or given up.
//!
//! ```text
//!  INVITE --100--> Offered --ringing()--> Ringing --answer()--> the leg (see `leg_task`)
//!                     |  '----------------.  |
//!                     |      refuse(), drop, |  CANCEL, BYE, connection lost, drain, no PRACK
//!                     '---------> final response ---------> over
//! ```
//!
//! Where the caller requires it (RFC 3262), the 180 is reliable: numbered, and repeated until its
//! PRACK comes. The 200 need not wait for that, because our 180 carries no session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::headers::make_header;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, RetryAfter, Warning};
use rsipstack::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SipError;
use super::address::{SipParty, quoted};
use super::dialog::{Dialog, Parts, cseq_of, finish, response, sdp_of};
use super::endpoint::options_parts;
use super::leg::{COMMAND_QUEUE_LEN_MAX, EVENT_QUEUE_LEN_MAX, EventSink, SipLeg, at};
use super::leg_task::{Leg, answer_to_prack};
use super::links::{Transport, Wire};
use super::referrals::Referrals;
use super::refusal::RefusalCause;
use super::registry::{Origin, Registration};
use super::reliable::{Due, Reliable};
use super::server_invite::{InviteSignal, ServerInvite, SignalKind};
use super::session::{Session, lists};
use crate::base::Pii;

/// A provisional response is repeated this often, so that proxies keep waiting
/// (RFC 3261 13.3.1.1).
const RINGING_REPEAT: Duration = Duration::from_secs(60);

/// When an offer may come again that came before the call was answered, in seconds.
const EARLY_RETRY_S: u32 = 2;

enum OfferCommand {
    Ringing,
    Answer { sdp: String, reply: oneshot::Sender<SipLeg> },
    Refuse { status: u16, reason: Option<String>, retry_after_s: Option<u32> },
}

/// A call waiting for an answer. Dropping it refuses the call with 500.
#[derive(Debug)]
pub struct IncomingCall {
    /// Who calls, from the From header: a claim, not a proof.
    pub caller: SipParty,
    /// Who is called, from the To header.
    pub called: SipParty,
    /// The Call-ID, for traces that span machines.
    pub sip_call_id: String,
    /// Where the INVITE came from.
    pub source: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The trunk that it came through, as the configuration names it.
    pub trunk: Option<String>,
    /// The user part of the URI in the request line: often the called number.
    pub requested: Pii<String>,
    /// The caller's SDP; `None` if the caller wants ours first (late offer).
    pub offer_sdp: Option<String>,
    /// The address of this machine that the caller's packets reach, for media to be bound to. Behind
    /// address translation the one to name in SDP is another.
    pub local_ip: IpAddr,
    commands: mpsc::Sender<OfferCommand>,
    gone: CancellationToken,
}

impl IncomingCall {
    /// Tells the caller that it rings (180); repeated every minute until the answer.
    ///
    /// # Errors
    /// The caller gave up.
    pub async fn ringing(&mut self) -> Result<(), SipError> {
        self.command(OfferCommand::Ringing).await
    }

    /// Answers with 200 and `sdp`: the answer, or the offer if [`IncomingCall::offer_sdp`] is
    /// `None`; then the caller's answer comes as [`super::LegEvent::LateAnswer`].
    ///
    /// # Errors
    /// The caller gave up.
    pub async fn answer(self, sdp: String) -> Result<SipLeg, SipError> {
        let (reply, leg) = oneshot::channel();
        self.command(OfferCommand::Answer { sdp, reply }).await?;
        leg.await.map_err(|_| SipError::CallOver)
    }

    /// Refuses the call: `status` 300 to 699, `reason` as text of Reason (RFC 3326) and Warning
    /// (RFC 3261 20.43), `retry_after_s` as Retry-After.
    ///
    /// # Errors
    /// The caller gave up already, or `status` refuses nothing.
    pub async fn refuse(
        self,
        status: u16,
        reason: Option<String>,
        retry_after_s: Option<u32>,
    ) -> Result<(), SipError> {
        if !(300..700).contains(&status) {
            return Err(SipError::NotARefusal { status });
        }
        self.command(OfferCommand::Refuse { status, reason, retry_after_s }).await
    }

    /// Resolves when the caller gives up before the answer; the 487 is sent then.
    pub async fn cancelled(&mut self) {
        self.gone.cancelled().await;
    }

    async fn command(&self, command: OfferCommand) -> Result<(), SipError> {
        if self.gone.is_cancelled() {
            return Err(SipError::CallOver);
        }
        self.commands.send(command).await.map_err(|_| SipError::CallOver)
    }
}

/// The task's side of an [`IncomingCall`].
pub(super) struct Offered {
    wire: Arc<Wire>,
    dialog: Dialog,
    registration: Registration,
    requests: mpsc::Receiver<Transaction>,
    commands: mpsc::Receiver<OfferCommand>,
    /// Set if the caller requires that provisional responses are reliable.
    reliable: Option<Reliable>,
    gone: CancellationToken,
    drain: CancellationToken,
}

/// Makes both sides of an offered call.
pub(super) fn offered(
    wire: &Arc<Wire>,
    transaction: &Transaction,
    dialog: Dialog,
    registration: Registration,
    requests: mpsc::Receiver<Transaction>,
    drain: CancellationToken,
) -> (IncomingCall, Offered) {
    let (to_task, commands) = mpsc::channel(COMMAND_QUEUE_LEN_MAX);
    let gone = CancellationToken::new();
    let invite = &transaction.original;
    let party = |value: Option<&str>| value.map(SipParty::from_header).unwrap_or_default();
    let (trunk, requested) = wire.noted(invite);
    let call = IncomingCall {
        caller: party(invite.from_header().ok().map(|header| header.value())),
        called: party(invite.to_header().ok().map(|header| header.value())),
        sip_call_id: dialog.key.call_id.clone(),
        source: dialog.peer,
        transport: dialog.link.transport,
        trunk,
        requested: Pii::new(requested),
        offer_sdp: sdp_of(&invite.body),
        local_ip: dialog.link.contact_address(dialog.peer, None).ip(),
        commands: to_task,
        gone: gone.clone(),
    };
    let reliable = lists(&invite.headers, "Require", "100rel")
        .then(|| Reliable::new(cseq_of(invite), rand::random::<u32>() >> 1, wire.stack.option.t1));
    let wire = wire.clone();
    let task = Offered { wire, dialog, registration, requests, commands, reliable, gone, drain };
    (call, task)
}

enum Step {
    Go,
    Over,
    Answer { sdp: String, reply: oneshot::Sender<SipLeg> },
}

impl Offered {
    pub(super) async fn run(mut self, mut transaction: Transaction) {
        // RFC 3261 17.2.1: 100 stops the caller's retransmissions while we decide.
        _ = transaction.send_trying().await;
        let (signals, mut signalled) = mpsc::channel(COMMAND_QUEUE_LEN_MAX);
        let invite = ServerInvite::start(&self.wire, transaction, signals.clone());
        let drain = self.drain.clone();
        let lost = self.dialog.link.closed.clone();
        let mut repeat_at: Option<Instant> = None;
        loop {
            let prack_due = self.reliable.and_then(|reliable| reliable.poll_timeout());
            let step = tokio::select! {
                biased;
                Some(signal) = signalled.recv() => self.on_signal(&signal, &invite),
                Some(request) = self.requests.recv() => self.on_request(request, &invite),
                command = self.commands.recv() => match command {
                    Some(OfferCommand::Ringing) => {
                        repeat_at = Some(Instant::now() + RINGING_REPEAT);
                        self.ring(&invite);
                        Step::Go
                    }
                    Some(OfferCommand::Answer { sdp, reply }) => Step::Answer { sdp, reply },
                    Some(OfferCommand::Refuse { status, reason, retry_after_s }) => {
                        self.refuse(&invite, status, reason, retry_after_s)
                    }
                    None => self.refuse_for(&invite, RefusalCause::NobodyAnswered),
                },
                () = drain.cancelled() => self.refuse_for(&invite, RefusalCause::Draining),
                () = at(prack_due.map(Instant::from_std)) => self.on_no_prack(&invite),
                () = lost.cancelled() => {
                    invite.abandon();
                    Step::Over
                }
                () = at(repeat_at) => {
                    repeat_at = Some(Instant::now() + RINGING_REPEAT);
                    self.ring(&invite);
                    Step::Go
                }
            };
            match step {
                Step::Go => {}
                Step::Over => {
                    self.gone.cancel();
                    return;
                }
                Step::Answer { sdp, reply } => {
                    return self.answer(invite, (signals, signalled), sdp, reply).await;
                }
            }
        }
    }

    fn parts(&self) -> Parts {
        Parts {
            tag: Some(self.dialog.key.local_tag.clone()),
            contact: Some(self.dialog.contact.clone()),
            ..Parts::default()
        }
    }

    /// Says that it rings; reliably if that is required, and then not again before the PRACK.
    fn ring(&mut self, invite: &ServerInvite) {
        if let Some(reliable) = &mut self.reliable
            && reliable.send(Instant::now().into_std()).is_none()
        {
            return;
        }
        self.send_ringing(invite);
    }

    fn send_ringing(&self, invite: &ServerInvite) {
        let mut parts = self.parts();
        if let Some(reliable) = self.reliable {
            parts.headers.push(make_header("Require", "100rel".to_owned()));
            parts.headers.push(make_header("RSeq", reliable.rseq().to_string()));
        }
        invite.respond(response(&self.wire, &invite.request, 180, parts));
    }

    /// The time for a PRACK is over: this time, or altogether.
    fn on_no_prack(&mut self, invite: &ServerInvite) -> Step {
        let due = self.reliable.as_mut().and_then(|rel| rel.poll(Instant::now().into_std()));
        match due {
            None => Step::Go,
            Some(Due::Repeat) => {
                self.send_ringing(invite);
                Step::Go
            }
            Some(Due::GiveUp) => self.refuse_for(invite, RefusalCause::NoPrack),
        }
    }

    fn refuse_for(&self, invite: &ServerInvite, cause: RefusalCause) -> Step {
        let headers = Parts::refusing(cause).headers;
        let parts = Parts { contact: None, headers, ..self.parts() };
        invite.respond(response(&self.wire, &invite.request, cause.status(), parts));
        Step::Over
    }

    fn refuse(
        &self,
        invite: &ServerInvite,
        status: u16,
        reason: Option<String>,
        retry_after_s: Option<u32>,
    ) -> Step {
        let mut parts = Parts { contact: None, ..self.parts() };
        if let Some(reason) = reason {
            parts.headers = Parts::explaining(status, &reason).headers;
            if !parts.headers.iter().any(|header| matches!(header, Header::Warning(_))) {
                // 399: a text for people (RFC 3261 20.43). The agent is named by our address.
                let link = &self.dialog.link;
                let agent = link.contact_address(self.dialog.peer, self.wire.advertise_ip);
                let text = format!("399 {agent} {}", quoted(&reason));
                parts.headers.push(Header::Warning(Warning::new(text)));
            }
        }
        if let Some(seconds) = retry_after_s {
            parts.headers.push(Header::RetryAfter(RetryAfter::new(seconds.to_string())));
        }
        invite.respond(response(&self.wire, &invite.request, status, parts));
        Step::Over
    }

    fn on_signal(&self, signal: &InviteSignal, invite: &ServerInvite) -> Step {
        match signal.kind {
            SignalKind::Cancelled => self.refuse_for(invite, RefusalCause::Cancelled),
            SignalKind::Unacknowledged => Step::Over,
            SignalKind::Acknowledged { .. } => Step::Go,
        }
    }

    /// A request within the early dialog.
    fn on_request(&mut self, transaction: Transaction, invite: &ServerInvite) -> Step {
        let request = &transaction.original;
        let in_order = cseq_of(request) > self.dialog.remote_cseq;
        let refused = |cause: RefusalCause| (cause.status(), Parts::refusing(cause), Step::Go);
        let (status, parts, step) = match request.method {
            _ if !in_order => refused(RefusalCause::OutOfOrder),
            Method::Bye => {
                // RFC 3261 15.1.2: a caller may end an early dialog by BYE, too.
                (200, Parts::default(), self.refuse_for(invite, RefusalCause::Cancelled))
            }
            Method::Options => (200, options_parts(), Step::Go),
            Method::PRack => {
                let (status, parts) = answer_to_prack(&transaction, self.reliable.as_mut());
                (status, parts, Step::Go)
            }
            Method::Update if sdp_of(&request.body).is_none() => {
                self.dialog.refresh_target(request);
                let contact = Some(self.dialog.contact.clone());
                (200, Parts { contact, ..Parts::default() }, Step::Go)
            }
            Method::Refer => refused(RefusalCause::TransferByCaller),
            // Transfers are asked for on answered calls only.
            Method::Notify => refused(RefusalCause::NoSubscription),
            // Nobody listens for keys yet.
            Method::Info => (200, Parts::default(), Step::Go),
            // RFC 3261 14.2, RFC 3311 5.2: the first offer is not answered yet.
            _ => refused(RefusalCause::OfferPending { retry_after_s: EARLY_RETRY_S }),
        };
        if in_order {
            self.dialog.remote_cseq = cseq_of(request);
        }
        let answer = response(&self.wire, request, status, parts);
        finish(&self.wire, transaction, answer);
        step
    }

    async fn answer(
        mut self,
        invite: ServerInvite,
        signals: (mpsc::Sender<InviteSignal>, mpsc::Receiver<InviteSignal>),
        sdp: String,
        reply: oneshot::Sender<SipLeg>,
    ) {
        let (commands, from_handle) = mpsc::channel(COMMAND_QUEUE_LEN_MAX);
        let (to_handle, events) = mpsc::channel(EVENT_QUEUE_LEN_MAX);
        if reply.send(SipLeg { commands, events }).is_err() {
            // Whoever answered is gone: nobody would ever speak on this call.
            self.refuse_for(&invite, RefusalCause::NobodyAnswered);
            return;
        }
        if let Some(reliable) = &mut self.reliable {
            reliable.settle();
        }
        let mut session = Session::new(self.registration.session());
        let headers = session.agree(&invite.request.headers);
        let parts = Parts { sdp: Some(sdp.clone()), headers, ..self.parts() };
        invite.respond(response(&self.wire, &invite.request, 200, parts));
        let (trunk, _) = self.wire.noted(&invite.request);
        let origin = Origin { ip: self.dialog.peer.ip(), trunk };
        let takeovers = self.registration.open_to_takeover(origin);
        let leg = Leg {
            wire: self.wire,
            dialog: self.dialog,
            registration: self.registration,
            requests: self.requests,
            takeovers,
            signals,
            commands: from_handle,
            events: EventSink::Incoming(to_handle),
            local_sdp: sdp,
            remote_sdp: sdp_of(&invite.request.body),
            session,
            reliable: self.reliable,
            referrals: Referrals::default(),
            drain: self.drain,
        };
        leg.run(Some(invite)).await;
    }
}
