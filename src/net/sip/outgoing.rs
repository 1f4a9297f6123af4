//! A call that we place: trunk tests, callbacks, and the peer in our own tests.
//!
//! ```text
//!  INVITE --> Calling --1xx--> Proceeding --2xx, ACK--> the leg (see `leg`)
//!                |  '--421, 422: once more, as it demands
//!                |  '--503, no answer: the next server of the name, if there is one (RFC 3263 4.3)
//!                |                 |  reliable 1xx: PRACK (RFC 3262)
//!                |                 |  cancel(): CANCEL once a 1xx came (RFC 3261 9.1)
//!                '-- 3xx..6xx -----'--------------------> Refused or Ended
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::headers::make_header;
use rsipstack::sip::{
    CSeq, CallId, Contact, ContentLength, ContentType, From, Header, MaxForwards, Method, Request,
    Response, SipMessage, StatusCodeKind, To, Uri, UserAgent, Version, Via,
};
use rsipstack::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::address::{SipUri, user_part};
use super::counters::Counters;
use super::dialog::{
    Dialog, client, contact_as, contact_value, cseq_of, new_branch, new_token, sdp_of, verbatim,
    via_value,
};
use super::hops::Hop;
use super::leg::{
    COMMAND_QUEUE_LEN_MAX, EVENT_QUEUE_LEN_MAX, EndedBy, EventSink, LegCommand, LegEvent,
    ReofferReply, acknowledge, final_answer, reinvite, send_bye,
};
use super::leg_task::Leg;
use super::links::{Link, Wire};
use super::registry::Registry;
use super::session::{Session, first_request, lists, value_of, words_of};
use super::session_timer::SessionLimits;
use super::ways::Ways;
use super::{ACCEPT, ALLOW, CALLER_SUPPORTED, SipError};

/// How long a cancelled INVITE may stay without a final response (64*T1, RFC 3261 9.1).
const CANCEL_LIMIT: Duration = Duration::from_secs(32);

/// Branches of one forked INVITE that are followed before the answer; others are heard when they
/// answer.
const EARLY_DIALOGS_MAX: usize = 8;

/// A call to place. It has no `Debug`: both addresses are about a person.
#[derive(Clone)]
pub struct OutgoingRequest {
    /// `sip:name@host:port`, with `;transport=tcp` for TCP; `sips:` or `;transport=tls` for TLS.
    pub target_uri: String,
    /// The user part of our From address.
    pub from_user: String,
    /// Our SDP offer.
    pub offer_sdp: String,
}

/// What happens on a call that we placed.
#[derive(Debug)]
pub enum OutgoingEvent {
    /// It rings over there.
    Ringing,
    /// Answered with this SDP; the ACK is sent.
    Answered {
        /// Their SDP.
        sdp: String,
    },
    /// Not answered; nothing follows.
    Refused {
        /// SIP status.
        status: u16,
        /// The reason given with it.
        reason: String,
    },
    /// The other side wants to change the session.
    Reoffer {
        /// What it offers.
        offer_sdp: String,
        /// Takes our answer.
        reply: ReofferReply,
    },
    /// The answer to an offer that we made because their re-INVITE had none.
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

impl OutgoingEvent {
    /// `None` for what a caller is not told.
    pub(super) fn from_leg(event: LegEvent) -> Option<Self> {
        match event {
            // The ACK was ours.
            LegEvent::Confirmed => None,
            // Nobody here makes offers on demand: what we sent last is offered.
            LegEvent::OfferWanted { .. } => None,
            // Nobody listens for keys of those that we call.
            LegEvent::Key { .. } => None,
            // Calls that we placed are not taken over.
            LegEvent::Replaced { .. } => None,
            LegEvent::Reoffer { offer_sdp, reply } => Some(Self::Reoffer { offer_sdp, reply }),
            LegEvent::LateAnswer { sdp } => Some(Self::LateAnswer { sdp }),
            LegEvent::Ended { by } => Some(Self::Ended { by }),
        }
    }
}

/// Our side of a call that we placed. Dropping it cancels or hangs up.
#[derive(Debug)]
pub struct OutgoingCall {
    /// The Call-ID, for traces that span machines.
    pub sip_call_id: String,
    commands: mpsc::Sender<LegCommand>,
    events: mpsc::Receiver<OutgoingEvent>,
}

impl OutgoingCall {
    /// The next event; `None` once the call is over and everything was read.
    pub async fn next_event(&mut self) -> Option<OutgoingEvent> {
        self.events.recv().await
    }

    /// Gives up a call that is not answered yet; an answered one is hung up.
    pub async fn cancel(&self) {
        self.hang_up("cancelled").await;
    }

    /// Hangs up (or cancels); [`OutgoingEvent::Ended`] follows.
    pub async fn hang_up(&self, reason: &str) {
        _ = self.commands.send(LegCommand::HangUp { reason: reason.to_owned() }).await;
    }

    /// Offers a new session (hold, resume) and returns the answer's SDP.
    ///
    /// # Errors
    /// The call is not answered or over, another offer is open, or the other side refused.
    pub async fn reinvite(&self, sdp: String) -> Result<String, SipError> {
        reinvite(&self.commands, sdp).await
    }
}

/// Sends an INVITE and starts the task that follows it.
pub(super) async fn place(
    wire: &Arc<Wire>,
    registry: &Arc<Registry>,
    drain: CancellationToken,
    request: OutgoingRequest,
) -> Result<OutgoingCall, SipError> {
    let bad = || SipError::BadTarget { uri: request.target_uri.clone().into() };
    let target = SipUri::parse(&request.target_uri).filter(SipUri::is_within_reach);
    let target = target.ok_or_else(bad)?;
    let uri = verbatim(&request.target_uri).ok_or_else(bad)?;
    let mut ways = wire.ways_to(&target).await?;
    let (link, hop) = ways.next_way(wire).await?;
    let to = hop.address;
    let limits = registry.session;
    let invite = build_invite(wire, &link, to, uri, &request, limits);
    let sip_call_id = call_id_of(&invite);
    let transaction = client(wire, invite.clone(), &link, to)?;
    let (commands, from_handle) = mpsc::channel(COMMAND_QUEUE_LEN_MAX);
    let (to_handle, events) = mpsc::channel(EVENT_QUEUE_LEN_MAX);
    Counters::add(&wire.counters.calls_placed);
    let task = Calling {
        wire: wire.clone(),
        registry: registry.clone(),
        session: limits,
        is_reliable: false,
        is_lengthened: false,
        early: Vec::new(),
        invite,
        offer_sdp: request.offer_sdp,
        link,
        to,
        hop,
        ways,
        commands: from_handle,
        events: to_handle,
        drain,
    };
    registry.legs.spawn(task.run(transaction));
    Ok(OutgoingCall { sip_call_id, commands, events })
}

fn call_id_of(invite: &Request) -> String {
    use rsipstack::sip::prelude::HeadersExt;
    invite.call_id_header().map(|header| header.value().to_owned()).unwrap_or_default()
}

fn build_invite(
    wire: &Wire,
    link: &Link,
    to: SocketAddr,
    uri: Uri,
    request: &OutgoingRequest,
    session: SessionLimits,
) -> Request {
    let us = link.contact_address(to, wire.advertise_ip);
    let from = format!("<sip:{}@{us}>;tag={}", user_part(&request.from_user), new_token());
    let body = request.offer_sdp.as_bytes().to_vec();
    let mut headers = vec![
        Header::Via(Via::new(via_value(wire, link, to, &new_branch()))),
        Header::From(From::new(from)),
        Header::To(To::new(format!("<{}>", request.target_uri))),
        Header::CallId(CallId::new(format!("{}{}", new_token(), new_token()))),
        Header::CSeq(CSeq::new("1 INVITE")),
        Header::MaxForwards(MaxForwards::new("70")),
        Header::Contact(Contact::new(contact_as(
            &request.target_uri,
            contact_value(wire, link, to),
        ))),
        Header::Allow(ALLOW.into()),
        make_header("Supported", CALLER_SUPPORTED.to_owned()),
        Header::UserAgent(UserAgent::new(wire.agent.clone())),
    ];
    headers.extend(first_request(session));
    if !body.is_empty() {
        headers.push(Header::ContentType(ContentType::new(ACCEPT)));
    }
    headers.push(Header::ContentLength(ContentLength::new(body.len().to_string())));
    Request { method: Method::Invite, uri, version: Version::V2, headers: headers.into(), body }
}

/// An INVITE of ours until its final response.
struct Calling {
    wire: Arc<Wire>,
    registry: Arc<Registry>,
    /// What the INVITE asks for; a 422 makes it longer.
    session: SessionLimits,
    /// Whether the INVITE says that we take reliable provisional responses; a 421 makes it so.
    is_reliable: bool,
    /// The other side has wanted a longer session than we asked for, and got it.
    is_lengthened: bool,
    early: Vec<Early>,
    invite: Request,
    offer_sdp: String,
    link: Arc<Link>,
    to: SocketAddr,
    /// The server that is asked, and those that are left.
    hop: Hop,
    ways: Ways,
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
    async fn run(mut self, transaction: Transaction) {
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
                            self.acknowledge_provisional(&response).await;
                            if response.status_code.code() == 180 {
                                _ = self.events.try_send(OutgoingEvent::Ringing);
                            }
                        }
                        StatusCodeKind::Successful => {
                            self.wire.clear_lame(&self.hop);
                            return self.answered(response, cancel).await;
                        }
                        _ if cancel != Cancel::No => return self.end(EndedBy::Local),
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

    fn refused(&self, response: Response) {
        let status = response.status_code.code();
        let reason = response.wire_reason.unwrap_or_else(|| response.status_code.text().to_owned());
        _ = self.events.try_send(OutgoingEvent::Refused { status, reason });
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

    /// The INVITE once more, with the longer interval that a 422 demands (RFC 4028 7.3), or saying
    /// that we take reliable provisional responses, where a 421 demands those (RFC 3261 21.4.16).
    /// `None` if it is another refusal, or demands what we gave already.
    fn ask_again(&mut self, refusal: &Response) -> Option<Transaction> {
        match refusal.status_code.code() {
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

    /// The INVITE once more, to the server that is asked, with what it is to demand.
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
                other => headers.push(other.clone()),
            }
        }
        let supported = match self.is_reliable {
            true => format!("100rel, {CALLER_SUPPORTED}"),
            false => CALLER_SUPPORTED.to_owned(),
        };
        headers.push(make_header("Supported", supported));
        headers.extend(first_request(self.session));
        self.invite.headers = headers.into();
        self.early.clear();
        client(&self.wire, self.invite.clone(), &self.link, self.to).ok()
    }

    /// Acknowledges a reliable provisional response: each once, and in order (RFC 3262 4).
    async fn acknowledge_provisional(&mut self, response: &Response) {
        let rseq = value_of(&response.headers, "RSeq").and_then(|rseq| rseq.parse::<u32>().ok());
        let Some(rseq) = rseq.filter(|_| lists(&response.headers, "Require", "100rel")) else {
            return;
        };
        let built = Dialog::as_caller(&self.invite, response, self.link.clone(), self.to);
        let Ok(dialog) = built else { return };
        let known = self.early.iter().position(|early| early.dialog.key == dialog.key);
        let at = match known {
            Some(at) => at,
            None if self.early.len() < EARLY_DIALOGS_MAX => {
                self.early.push(Early { dialog, last_rseq: rseq.wrapping_sub(1), sdp: None });
                self.early.len() - 1
            }
            None => return,
        };
        let early = &mut self.early[at];
        if rseq != early.last_rseq.wrapping_add(1) {
            return;
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
