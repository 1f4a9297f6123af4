//! Asks a peer whether it is there: OPTIONS outside of any dialog (RFC 3261 section 11).

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
use super::links::Wire;
use super::{ACCEPT, SipError};

/// How long an answer is waited for.
const PING_LIMIT: Duration = Duration::from_secs(5);

/// That somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// The status of the answer; whatever it is, it came from a SIP server.
    pub status: u16,
    /// From the question to the answer.
    pub took: Duration,
}

/// Asks `uri`.
///
/// # Errors
/// There is no way there, or no answer within 5 s.
pub(super) async fn ping(wire: &Arc<Wire>, uri: &str) -> Result<Pong, SipError> {
    let bad = || SipError::BadTarget { uri: uri.to_owned().into() };
    let target = SipUri::parse(uri).filter(SipUri::is_within_reach).ok_or_else(bad)?;
    let began = Instant::now();
    let (link, to) = wire.path_to(&target, None).await?;
    let us = link.contact_address(to, wire.advertise_ip);
    let headers = vec![
        Header::Via(Via::new(via_value(wire, &link, to, &new_branch()))),
        Header::From(From::new(format!("<sip:frontdoor@{us}>;tag={}", new_token()))),
        Header::To(To::new(format!("<{uri}>"))),
        Header::CallId(CallId::new(format!("{}{}", new_token(), new_token()))),
        Header::CSeq(CSeq::new("1 OPTIONS")),
        Header::MaxForwards(MaxForwards::new("70")),
        Header::Contact(Contact::new(contact_value(wire, &link, to))),
        Header::Accept(Accept::new(ACCEPT)),
        Header::UserAgent(UserAgent::new(wire.agent.clone())),
        Header::ContentLength(ContentLength::new("0")),
    ];
    let request = Request {
        method: Method::Options,
        uri: verbatim(uri).ok_or_else(bad)?,
        version: Version::V2,
        headers: headers.into(),
        body: Vec::new(),
    };
    let answer = final_answer(wire, client(wire, request, &link, to)?);
    let silent = || SipError::NoPath {
        address: to,
        transport: link.transport,
        detail: format!("no answer to OPTIONS within {} s", PING_LIMIT.as_secs()),
    };
    match timeout(PING_LIMIT, answer).await {
        Ok(Ok(Some(response))) => {
            Ok(Pong { status: response.status_code.code(), took: began.elapsed() })
        }
        _ => Err(silent()),
    }
}
