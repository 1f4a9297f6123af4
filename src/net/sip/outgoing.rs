//! A call that we place, as the rest of the program holds it: to agents and to those who take over
//! from us, trunk tests, callbacks, and the peer in our own tests. The task behind it is in `calling`.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rsipstack::sip::headers::make_header;
use rsipstack::sip::{
    CSeq, CallId, Contact, ContentLength, ContentType, From, Header, MaxForwards, Method, Request,
    To, Uri, UserAgent, Version, Via,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::address::{SipUri, user_part};
use super::calling::{Calling, Plan};
use super::counters::Counters;
use super::dialog::{
    client, contact_as, contact_value, new_branch, new_token, verbatim, via_value,
};
use super::digest::Credentials;
use super::following::ReferralEvent;
use super::leg::{
    COMMAND_QUEUE_LEN_MAX, EVENT_QUEUE_LEN_MAX, EndedBy, LegCommand, LegEvent, ReofferReply, refer,
    reinvite,
};
use super::links::{Link, Wire};
use super::referral::{ExtraHeaders, Referral, ReplacesId};
use super::registry::Registry;
use super::session::first_request;
use super::session_timer::SessionLimits;
use super::{ACCEPT, ALLOW, CALLER_SUPPORTED, SipError};

/// A call to place. It has no `Debug`: both addresses are about a person.
#[derive(Clone, Default)]
pub struct OutgoingRequest {
    /// `sip:name@host:port`, with `;transport=tcp` for TCP; `sips:` or `;transport=tls` for TLS.
    pub target_uri: String,
    /// The user part of our From address.
    pub from_user: String,
    /// Our SDP offer.
    pub offer_sdp: String,
    /// What else the INVITE says.
    pub headers: ExtraHeaders,
    /// What is shown to whoever asks for a password (401, 407); without it the call is refused then.
    pub credentials: Option<Credentials>,
    /// Whether [`OutgoingEvent::EarlyMedia`] is wanted.
    pub accept_early_media: bool,
}

/// What happens on a call that we placed.
#[derive(Debug)]
pub enum OutgoingEvent {
    /// It rings over there (180).
    Ringing,
    /// Something else is happening there: 181 it goes elsewhere, 182 it is queued, 183 something is
    /// to be heard.
    Progress {
        /// 101 to 199, but not 180.
        status: u16,
    },
    /// There is something to be heard before the answer: the other side's SDP, once for each telephone
    /// that is asked.
    EarlyMedia {
        /// Their answer to our offer, so far.
        sdp: String,
    },
    /// Answered with this SDP; the ACK is sent.
    Answered {
        /// Their SDP.
        sdp: String,
    },
    /// Not answered; nothing follows. Where a 3xx sends us nobody is called: that is for whoever
    /// placed the call to decide.
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
    /// The other side wants to change the session and leaves the offer to us; the answer to it comes
    /// as [`OutgoingEvent::LateAnswer`]. Where the reply is dropped, what we sent last is offered.
    OfferWanted {
        /// Takes our offer.
        reply: ReofferReply,
    },
    /// A key was pressed there, told by INFO.
    Key {
        /// Which one.
        key: char,
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
            // Calls that we placed are not taken over.
            LegEvent::Replaced { .. } => None,
            LegEvent::Reoffer { offer_sdp, reply } => Some(Self::Reoffer { offer_sdp, reply }),
            LegEvent::OfferWanted { reply } => Some(Self::OfferWanted { reply }),
            LegEvent::Key { key } => Some(Self::Key { key }),
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
    replaces_id: Arc<OnceLock<ReplacesId>>,
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

    /// What the call is called where somebody is to take our place in it; `None` before
    /// [`OutgoingEvent::Answered`].
    pub fn replaces_id(&self) -> Option<ReplacesId> {
        self.replaces_id.get().cloned()
    }

    /// Asks the other side to call somebody else in our place, as [`super::SipLeg::refer`].
    ///
    /// # Errors
    /// As there; or the call is not answered yet.
    pub async fn refer(
        &self,
        referral: Referral,
    ) -> Result<mpsc::Receiver<ReferralEvent>, SipError> {
        refer(&self.commands, referral).await
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
    let invite = build_invite(wire, &link, to, uri, &request, registry.session);
    let sip_call_id = call_id_of(&invite);
    let transaction = client(wire, invite.clone(), &link, to)?;
    let (commands, from_handle) = mpsc::channel(COMMAND_QUEUE_LEN_MAX);
    let (to_handle, events) = mpsc::channel(EVENT_QUEUE_LEN_MAX);
    let replaces_id = Arc::new(OnceLock::new());
    Counters::add(&wire.counters.calls_placed);
    let server = (link, hop, ways);
    let plan = Plan { request, invite, server, replaces_id: replaces_id.clone() };
    let task = Calling::new(wire, registry, plan, (from_handle, to_handle), drain);
    registry.legs.spawn(task.run(transaction));
    Ok(OutgoingCall { sip_call_id, commands, events, replaces_id })
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
    let extra = request.headers.iter();
    headers.extend(extra.map(|(name, value)| Header::Other(name.to_owned(), value.to_owned())));
    if !body.is_empty() {
        headers.push(Header::ContentType(ContentType::new(ACCEPT)));
    }
    headers.push(Header::ContentLength(ContentLength::new(body.len().to_string())));
    Request { method: Method::Invite, uri, version: Version::V2, headers: headers.into(), body }
}
