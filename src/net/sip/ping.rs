//! Asks a peer whether it is there: OPTIONS outside of any dialog (RFC 3261 section 11).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsipstack::sip::{
    Accept, CSeq, CallId, Contact, ContentLength, From, Header, MaxForwards, Method, Request, To,
    UserAgent, Version, Via,
};
use tokio::time::timeout;

use super::address::SipUri;
use super::dialog::{client, contact_value, new_branch, new_token, verbatim, via_value};
use super::leg::final_answer;
use super::links::{Link, Wire};
use super::ways::is_out_of_service;
use super::{ACCEPT, SipError};

/// How long an answer is waited for.
const PING_LIMIT: Duration = Duration::from_secs(5);

/// Servers of one address that are asked: whoever asks goes on to other things.
const SERVERS_MAX: usize = 3;

/// That somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// The status of the answer; whatever it is, it came from a SIP server.
    pub status: u16,
    /// From the question to the answer.
    pub took: Duration,
    /// Which server it came from.
    pub from: SocketAddr,
}

impl Pong {
    /// Whether the server can be expected to take calls. One that answers 408 or 503 waits for
    /// somebody else in vain, or has no service; any other answer comes from a server that works.
    pub fn is_in_service(&self) -> bool {
        !is_out_of_service(self.status)
    }
}

/// Asks the servers of `uri`, until one is in service.
///
/// # Errors
/// There is no way there, or no answer within 5 s of any of the first three.
pub(super) async fn ping(wire: &Arc<Wire>, uri: &str) -> Result<Pong, SipError> {
    let bad = || SipError::BadTarget { uri: uri.to_owned().into() };
    let target = SipUri::parse(uri).filter(SipUri::is_within_reach).ok_or_else(bad)?;
    let mut ways = wire.ways_to(&target).await?;
    let mut last = None;
    for _ in 0..SERVERS_MAX {
        let (link, hop) = match ways.next_way(wire).await {
            Ok(way) => way,
            Err(error) => return last.unwrap_or(Err(error)),
        };
        let asked = ask(wire, uri, &link, hop.address).await;
        if matches!(&asked, Ok(pong) if pong.is_in_service()) {
            wire.clear_lame(&hop);
            return asked;
        }
        wire.mark_lame(&hop);
        last = Some(asked);
    }
    last.unwrap_or_else(|| Err(bad()))
}

/// Asks one server.
async fn ask(
    wire: &Arc<Wire>,
    uri: &str,
    link: &Arc<Link>,
    to: SocketAddr,
) -> Result<Pong, SipError> {
    let began = Instant::now();
    let us = link.contact_address(to, wire.advertise_ip);
    let headers = vec![
        Header::Via(Via::new(via_value(wire, link, to, &new_branch()))),
        Header::From(From::new(format!("<sip:frontdoor@{us}>;tag={}", new_token()))),
        Header::To(To::new(format!("<{uri}>"))),
        Header::CallId(CallId::new(format!("{}{}", new_token(), new_token()))),
        Header::CSeq(CSeq::new("1 OPTIONS")),
        Header::MaxForwards(MaxForwards::new("70")),
        Header::Contact(Contact::new(contact_value(wire, link, to))),
        Header::Accept(Accept::new(ACCEPT)),
        Header::UserAgent(UserAgent::new(wire.agent.clone())),
        Header::ContentLength(ContentLength::new("0")),
    ];
    let request = Request {
        method: Method::Options,
        uri: verbatim(uri).ok_or_else(|| SipError::BadTarget { uri: uri.to_owned().into() })?,
        version: Version::V2,
        headers: headers.into(),
        body: Vec::new(),
    };
    let answer = final_answer(wire, client(wire, request, link, to)?);
    match timeout(PING_LIMIT, answer).await {
        Ok(Ok(Some(response))) => {
            Ok(Pong { status: response.status_code.code(), took: began.elapsed(), from: to })
        }
        _ => Err(SipError::NoPath {
            address: to,
            transport: link.transport,
            detail: format!("no answer to OPTIONS within {} s", PING_LIMIT.as_secs()),
        }),
    }
}
