//! An INVITE of ours until it is answered, refused or given up.
//!
//! ```text
//!  INVITE --> Calling --1xx--> Proceeding --2xx, ACK--> the leg (see `leg_task`)
//!                |  '--401, 407, 421, 422: once more, as it demands
//!                |  '--503, no answer: the next server of the name, if there is one (RFC 3263 4.3)
//!                |                 |  reliable 1xx: PRACK (RFC 3262)
//!                |                 |  cancel(): CANCEL once a 1xx came (RFC 3261 9.1)
//!                '-- 3xx..6xx -----'--------------------> Refused or Ended
//! ```
//! What other branches of a forked INVITE answer is for `forks`.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rsipstack::sip::headers::make_header;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{
    CSeq, Contact, ContentLength, Header, Method, Request, Response, SipMessage, StatusCodeKind,
    Version, Via,
};
use rsipstack::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::address::tag_of;
use super::counters::Counters;
use super::dialog::{
    Dialog, client, contact_as, contact_value, cseq_of, new_branch, new_token, sdp_of, via_value,
};
use super::forks::Unanswered;
use super::hops::Hop;
use super::leg::{
    COMMAND_QUEUE_LEN_MAX, EndedBy, EventSink, LegCommand, acknowledge, final_answer, send_bye,
};
use super::leg_task::Leg;
use super::links::{Link, Wire};
use super::logins::{Logins, challenge_header, is_proof};
use super::outgoing::{OutgoingEvent, OutgoingRequest};
use super::referral::ReplacesId;
use super::referrals::Referrals;
use super::registry::Registry;
use super::session::{Session, first_request, lists, value_of, words_of};
use super::session_timer::SessionLimits;
use super::ways::{Ways, is_out_of_service};
use super::{CALLER_SUPPORTED, SipError};

/// How long a cancelled INVITE may stay without a final response (64*T1, RFC 3261 9.1).
const CANCEL_LIMIT: Duration = Duration::from_secs(32);

/// Branches of one forked INVITE that are followed before the answer; others are heard when they
/// answer.
const EARLY_DIALOGS_MAX: usize = 8;

/// Events that are kept free for what is never left out: how the call began or ended.
const EVENT_RESERVE: usize = 8;

/// What is to be sent, and where.
pub(super) struct Plan {
    pub(super) request: OutgoingRequest,
    pub(super) invite: Request,
    /// The server that is asked first, how it is sent to, and those that are left.
    pub(super) server: (Arc<Link>, Hop, Ways),
    /// Takes the name of the call when it is answered.
    pub(super) replaces_id: Arc<OnceLock<ReplacesId>>,
}

/// An INVITE of ours until its final response.
pub(super) struct Calling {
    wire: Arc<Wire>,
    registry: Arc<Registry>,
    /// What the INVITE asks for; a 422 makes it longer.
    session: SessionLimits,
    /// Whether the INVITE says that we take reliable provisional responses; a 421 makes it so.
    is_reliable: bool,
    /// The other side has wanted a longer session than we asked for, and got it.
    is_lengthened: bool,
    logins: Logins,
    unanswered: Unanswered,
    early: Vec<Early>,
    wants_early_media: bool,
    /// The To tags of those whose early media was told of.
    heard: Vec<String>,
    invite: Request,
    offer_sdp: String,
    link: Arc<Link>,
    to: SocketAddr,
    /// The server that is asked, and those that are left.
    hop: Hop,
    ways: Ways,
    replaces_id: Arc<OnceLock<ReplacesId>>,
    commands: mpsc::Receiver<LegCommand>,
    events: mpsc::Sender<OutgoingEvent>,
    drain: CancellationToken,
}

/// A dialog that a reliable provisional response has opened.
struct Early {
    dialog: Dialog,
    last_rseq: u32,
    /// The answer to our offer, which a 2xx need not repeat (RFC 3262 5).
    sdp: Option<String>,
}

/// How far giving up has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    /// Wanted, but no provisional response yet.
    Wanted,
    /// CANCEL is on its way; the INVITE must end by then.
    Sent(Instant),
}

impl Calling {
    /// `transaction` of [`Calling::run`] must not be sent before.
    pub(super) fn new(
        wire: &Arc<Wire>,
        registry: &Arc<Registry>,
        plan: Plan,
        (commands, events): (mpsc::Receiver<LegCommand>, mpsc::Sender<OutgoingEvent>),
        drain: CancellationToken,
    ) -> Self {
        let Plan { request, invite, server: (link, hop, ways), replaces_id } = plan;
        let to = hop.address;
        Self {
            wire: wire.clone(),
            registry: registry.clone(),
            session: registry.session,
            is_reliable: false,
            is_lengthened: false,
            logins: Logins::new(request.credentials),
            unanswered: Unanswered::watch(wire, &invite, &link, to),
            early: Vec::new(),
            wants_early_media: request.accept_early_media,
            heard: Vec::new(),
            invite,
            offer_sdp: request.offer_sdp,
            link,
            to,
            hop,
            ways,
            replaces_id,
            commands,
            events,
            drain,
        }
    }

    pub(super) async fn run(mut self, transaction: Transaction) {
        let mut responses = responses_of(&self.wire, transaction);
        let drain = self.drain.clone();
        let mut cancel = Cancel::No;
        let mut proceeding = false;
        loop {
            tokio::select! {
                response = responses.recv() => match response {
                    None if cancel == Cancel::No && !proceeding => {
                        match self.ask_elsewhere().await {
                            Some(transaction) => {
                                responses = responses_of(&self.wire, transaction);
                            }
                            None => return self.end(EndedBy::TransportError),
                        }
                    }
                    None => return self.end(EndedBy::TransportError),
                    Some(response) => match response.status_code.kind() {
                        StatusCodeKind::Provisional => {
                            proceeding = true;
                            self.on_provisional(&response).await;
                        }
                        StatusCodeKind::Successful => {
                            self.wire.clear_lame(&self.hop);
                            return self.answered(response, cancel).await;
                        }
                        _ if cancel != Cancel::No => return self.given_up(&response, proceeding),
                        _ => match self.after_refusal(&response, proceeding).await {
                            Some(transaction) => {
                                responses = responses_of(&self.wire, transaction);
                                proceeding = false;
                            }
                            None => return self.refused(response),
                        },
                    },
                },
                command = self.commands.recv(), if cancel == Cancel::No => match command {
                    Some(LegCommand::Reinvite { reply, .. }) => {
                        _ = reply.send(Err(SipError::OfferPending));
                    }
                    Some(LegCommand::Refer { reply, .. }) => {
                        _ = reply.send(Err(SipError::NotAnswered));
                    }
                    Some(LegCommand::HangUp { .. }) | None => cancel = Cancel::Wanted,
                },
                () = drain.cancelled(), if cancel == Cancel::No => cancel = Cancel::Wanted,
                () = expired(cancel) => return self.end(EndedBy::Timeout),
            }
            if cancel == Cancel::Wanted && proceeding {
                cancel = Cancel::Sent(Instant::now() + CANCEL_LIMIT);
                self.send_cancel();
            }
        }
    }

    fn end(&self, by: EndedBy) {
        _ = self.events.try_send(OutgoingEvent::Ended { by });
    }

    /// What we had given up has ended.
    fn given_up(&self, refusal: &Response, proceeding: bool) {
        // Nothing had come from there when we gave up: the next call asks other servers first.
        if !proceeding && is_out_of_service(refusal.status_code.code()) {
            self.wire.mark_lame(&self.hop);
        }
        self.end(EndedBy::Local);
    }

    fn refused(&self, response: Response) {
        let status = response.status_code.code();
        let reason = response.wire_reason.unwrap_or_else(|| response.status_code.text().to_owned());
        _ = self.events.try_send(OutgoingEvent::Refused { status, reason });
    }

    /// Tells of what happens on the way, and of what is to be heard.
    async fn on_provisional(&mut self, response: &Response) {
        let status = response.status_code.code();
        if !self.acknowledge_provisional(response).await || status == 100 {
            return;
        }
        self.tell(match status {
            180 => OutgoingEvent::Ringing,
            _ => OutgoingEvent::Progress { status },
        });
        let Some(sdp) = sdp_of(&response.body).filter(|_| self.wants_early_media) else { return };
        let branch = response.to_header().ok().and_then(|to| tag_of(to.value()));
        let branch = branch.unwrap_or_default();
        if self.heard.len() < EARLY_DIALOGS_MAX && !self.heard.contains(&branch) {
            self.heard.push(branch);
            self.tell(OutgoingEvent::EarlyMedia { sdp });
        }
    }

    /// Tells what may be left out where nobody reads.
    fn tell(&self, event: OutgoingEvent) {
        if self.events.capacity() <= EVENT_RESERVE {
            return Counters::add(&self.wire.counters.events_lost);
        }
        // A reader that has left on purpose has lost nothing.
        _ = self.events.try_send(event);
    }

    /// The INVITE once more, if that may help: to the same server, or to another one.
    async fn after_refusal(&mut self, refusal: &Response, proceeding: bool) -> Option<Transaction> {
        match refusal.status_code.code() {
            503 => self.ask_elsewhere().await,
            // Silence, which the library tells as a 408. After a provisional response the call is
            // somewhere, and may ring.
            408 if !proceeding => self.ask_elsewhere().await,
            _ => {
                self.wire.clear_lame(&self.hop);
                self.ask_again(refusal)
            }
        }
    }

    /// The INVITE once more, to the next server of the name (RFC 3263 4.3). `None` if none is left.
    async fn ask_elsewhere(&mut self) -> Option<Transaction> {
        self.wire.mark_lame(&self.hop);
        let (link, hop) = self.ways.next_way(&self.wire).await.ok()?;
        tracing::debug!(server = %hop.address, "another server is asked for an outgoing call");
        (self.link, self.to, self.hop) = (link, hop.address, hop);
        self.send_again()
    }

    /// The INVITE once more: with the proof that a 401 or 407 asks for (RFC 3261 22.2), with the
    /// longer interval that a 422 demands (RFC 4028 7.3), or saying that we take reliable provisional
    /// responses, where a 421 demands those (RFC 3261 21.4.16). `None` if it is another refusal, or
    /// demands what we gave already.
    fn ask_again(&mut self, refusal: &Response) -> Option<Transaction> {
        match refusal.status_code.code() {
            status @ (401 | 407) => {
                let name = challenge_header(status)?;
                let is_it = |header: &&Header| header.name().eq_ignore_ascii_case(name);
                let values = refusal.headers.iter().filter(is_it).map(|header| header.value());
                if !self.logins.handle_challenges(status, values) {
                    return None;
                }
            }
            422 => {
                let min_s = words_of(&refusal.headers).min_se_s?;
                if self.is_lengthened || min_s <= self.session.min_s {
                    return None;
                }
                self.is_lengthened = true;
                self.session.min_s = min_s;
            }
            421 if !self.is_reliable && lists(&refusal.headers, "Require", "100rel") => {
                self.is_reliable = true;
            }
            _ => return None,
        }
        self.send_again()
    }

    /// The INVITE once more, to the server that is asked, with what it is to demand and to show.
    fn send_again(&mut self) -> Option<Transaction> {
        let cseq = cseq_of(&self.invite) + 1;
        let contact = contact_value(&self.wire, &self.link, self.to);
        let contact = contact_as(&self.invite.uri.to_string(), contact);
        let via = via_value(&self.wire, &self.link, self.to, &new_branch());
        let mut headers: Vec<Header> = Vec::new();
        for header in self.invite.headers.iter() {
            match header {
                Header::Via(_) => headers.push(Header::Via(Via::new(via.clone()))),
                Header::CSeq(_) => headers.push(Header::CSeq(CSeq::new(format!("{cseq} INVITE")))),
                Header::Contact(_) => headers.push(Header::Contact(Contact::new(contact.clone()))),
                Header::SessionExpires(_) | Header::MinSE(_) | Header::Supported(_) => {}
                other if is_proof(other.name()) => {}
                other => headers.push(other.clone()),
            }
        }
        let supported = match self.is_reliable {
            true => format!("100rel, {CALLER_SUPPORTED}"),
            false => CALLER_SUPPORTED.to_owned(),
        };
        headers.push(make_header("Supported", supported));
        headers.extend(first_request(self.session));
        let proofs = self.logins.proofs("INVITE", &self.invite.uri.to_string(), &new_token());
        headers
            .extend(proofs.into_iter().map(|(name, value)| Header::Other(name.to_owned(), value)));
        self.invite.headers = headers.into();
        self.early.clear();
        self.heard.clear();
        client(&self.wire, self.invite.clone(), &self.link, self.to).ok()
    }

    /// Acknowledges a reliable provisional response: each once, and in order (RFC 3262 4). Whether it
    /// counts: a repeated one does not, nor one that overtook another.
    async fn acknowledge_provisional(&mut self, response: &Response) -> bool {
        let rseq = value_of(&response.headers, "RSeq").and_then(|rseq| rseq.parse::<u32>().ok());
        let Some(rseq) = rseq.filter(|_| lists(&response.headers, "Require", "100rel")) else {
            return true;
        };
        let built = Dialog::as_caller(&self.invite, response, self.link.clone(), self.to);
        let Ok(dialog) = built else { return true };
        let known = self.early.iter().position(|early| early.dialog.key == dialog.key);
        let at = match known {
            Some(at) => at,
            None if self.early.len() < EARLY_DIALOGS_MAX => {
                self.early.push(Early { dialog, last_rseq: rseq.wrapping_sub(1), sdp: None });
                self.early.len() - 1
            }
            None => return true,
        };
        let early = &mut self.early[at];
        if rseq != early.last_rseq.wrapping_add(1) {
            return false;
        }
        early.last_rseq = rseq;
        early.sdp = sdp_of(&response.body).or_else(|| early.sdp.take());
        let cseq = early.dialog.next_cseq();
        let rack = format!("{rseq} {} INVITE", cseq_of(&self.invite));
        let built = early.dialog.request(&self.wire, Method::PRack, cseq, None).await;
        let started = built.and_then(|(mut request, link, to)| {
            request.headers.push(make_header("RAck", rack));
            client(&self.wire, request, &link, to)
        });
        match started {
            Ok(transaction) => drop(final_answer(&self.wire, transaction)),
            Err(error) => tracing::debug!(%error, "no way to acknowledge a reliable response"),
        }
        true
    }

    /// RFC 3261 9.1: the INVITE's topmost Via, Request-URI, Call-ID, To, From and CSeq number.
    fn send_cancel(&self) {
        let mut headers: Vec<Header> = self
            .invite
            .headers
            .iter()
            .filter(|header| {
                matches!(
                    header,
                    Header::Via(_)
                        | Header::From(_)
                        | Header::To(_)
                        | Header::CallId(_)
                        | Header::MaxForwards(_)
                        | Header::UserAgent(_)
                )
            })
            .cloned()
            .collect();
        headers.push(Header::CSeq(CSeq::new(format!("{} CANCEL", cseq_of(&self.invite)))));
        headers.push(Header::ContentLength(ContentLength::new("0")));
        let request = Request {
            method: Method::Cancel,
            uri: self.invite.uri.clone(),
            version: Version::V2,
            headers: headers.into(),
            body: Vec::new(),
        };
        match client(&self.wire, request, &self.link, self.to) {
            Ok(transaction) => drop(final_answer(&self.wire, transaction)),
            Err(error) => tracing::debug!(%error, "a CANCEL could not be built"),
        }
    }

    async fn answered(mut self, answer: Response, cancel: Cancel) {
        let built = Dialog::as_caller(&self.invite, &answer, self.link.clone(), self.to);
        let mut dialog = match built {
            Ok(dialog) => dialog,
            Err(error) => {
                tracing::debug!(%error, "an answer opens no dialog");
                return self.end(EndedBy::TransportError);
            }
        };
        self.unanswered.answered();
        let mut early_sdp = None;
        for early in std::mem::take(&mut self.early) {
            if early.dialog.key == dialog.key {
                dialog.count_on_from(&early.dialog);
                early_sdp = early.sdp;
            }
        }
        acknowledge(&self.wire, &dialog, cseq_of(&self.invite)).await;
        if cancel != Cancel::No {
            // The answer crossed our CANCEL: take it and hang up (RFC 3261 15.1).
            let sent = send_bye(&self.wire, &mut dialog, EndedBy::Local, "cancelled").await;
            self.end(EndedBy::Local);
            if let Ok(done) = sent {
                _ = done.await;
            }
            self.wire.forget_ack(&dialog.ack_key());
            return;
        }
        let (registration, requests) =
            Registry::register(&self.registry, &self.wire, dialog.key.clone(), None);
        _ = self.replaces_id.set(ReplacesId::of(&dialog.key));
        let remote_sdp = sdp_of(&answer.body).or(early_sdp);
        let sdp = remote_sdp.clone().unwrap_or_default();
        _ = self.events.try_send(OutgoingEvent::Answered { sdp });
        let mut session = Session::new(self.registry.session);
        session.agreed(&answer.headers);
        let leg = Leg {
            wire: self.wire,
            dialog,
            registration,
            requests,
            takeovers: mpsc::channel(1).1,
            signals: mpsc::channel(COMMAND_QUEUE_LEN_MAX),
            commands: self.commands,
            events: EventSink::Outgoing(self.events),
            local_sdp: self.offer_sdp,
            remote_sdp,
            session,
            reliable: None,
            referrals: Referrals::default(),
            drain: self.drain,
        };
        leg.run(None).await;
    }
}

async fn expired(cancel: Cancel) {
    match cancel {
        Cancel::Sent(limit) => sleep_until(limit).await,
        Cancel::No | Cancel::Wanted => std::future::pending().await,
    }
}

/// Runs an INVITE client transaction in its own task; the channel closes when it is over.
fn responses_of(wire: &Wire, mut transaction: Transaction) -> mpsc::Receiver<Response> {
    let (to_task, responses) = mpsc::channel(COMMAND_QUEUE_LEN_MAX);
    wire.spawn(async move {
        if transaction.send().await.is_err() {
            return;
        }
        while let Some(message) = transaction.receive().await {
            if let SipMessage::Response(response) = message {
                _ = to_task.send(response).await;
            }
        }
    });
    responses
}
