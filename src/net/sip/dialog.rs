//! A dialog: who talks to whom, in which order, over which way (RFC 3261 12), and the requests and
//! responses that carry it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rsipstack::sip::headers::make_header;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{
    CSeq, CallId, Contact, ContentLength, ContentType, Domain, From, Header, MaxForwards, Method,
    Request, Response, Route, Scheme, StatusCode, To, Uri, UserAgent, Version, Via,
};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};

use super::address::{NameAddr, SipUri, split_list, tag_of};
use super::links::{Link, Transport, Wire, destination};
use super::refusal::{RefusalCause, explained};
use super::{ACCEPT, ALLOW, CALLER_SUPPORTED, SUPPORTED, SipError};

/// What names a dialog at our end (RFC 3261 12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DialogKey {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
}

pub(super) struct Dialog {
    pub(super) key: DialogKey,
    /// Our From and their To value in requests we send, tags included.
    local_party: String,
    remote_party: String,
    /// Whether the Call-ID is ours, which decides who comes again first after two offers have
    /// crossed (RFC 3261 14.1).
    pub(super) owns_call_id: bool,
    local_cseq: u32,
    pub(super) remote_cseq: u32,
    remote_target: String,
    route_set: Vec<String>,
    pub(super) contact: String,
    pub(super) link: Arc<Link>,
    /// Where the peer's first message came from, or where ours went: the way when the target's name
    /// leads nowhere.
    pub(super) peer: SocketAddr,
}

/// Sixteen hex digits nobody can guess: tags, branches, Call-IDs.
pub(super) fn new_token() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Our Contact value toward `peer`.
pub(super) fn contact_value(wire: &Wire, link: &Link, peer: SocketAddr) -> String {
    let address = link.contact_address(peer, wire.advertise_ip);
    format!("<sip:frontdoor@{address}{}>", link.transport.uri_parameter())
}

/// The same as a `sips:` URI, if that is how we are addressed, or address somebody
/// (RFC 3261 8.1.1.8, 12.1.1).
pub(super) fn contact_as(addressed: &str, contact: String) -> String {
    match addressed.split_once(':') {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("sips") => {
            contact.replacen("<sip:", "<sips:", 1)
        }
        _ => contact,
    }
}

fn first_contact(headers: &impl HeadersExt) -> Option<String> {
    let value = headers.contact_header().ok()?.value().to_owned();
    let first = split_list(&value).into_iter().next().and_then(NameAddr::parse)?;
    SipUri::parse(&first.uri).map(|_| first.uri)
}

fn record_routes(headers: &impl HeadersExt) -> Vec<String> {
    headers
        .record_route_headers()
        .into_iter()
        .flat_map(|header| split_list(header.value()))
        .map(str::to_owned)
        .collect()
}

/// CSeq number of a message that passed the gate.
pub(super) fn cseq_of(headers: &impl HeadersExt) -> u32 {
    headers.cseq_header().ok().and_then(|cseq| cseq.seq().ok()).unwrap_or(0)
}

/// The SDP of a message, if its body is one.
pub(super) fn sdp_of(body: &[u8]) -> Option<String> {
    std::str::from_utf8(body).ok().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// A URI for the request line, written as it was given (RFC 3261 12.2.1.1). The library's own parser
/// would encode a percent sign of the user part a second time, and refuses transports that it does
/// not know; what it takes for a host name it leaves alone. `None` if there is no scheme.
pub(super) fn verbatim(uri: &str) -> Option<Uri> {
    let (scheme, rest) = uri.trim().split_once(':')?;
    let scheme: Scheme = scheme.parse().ok()?;
    Some(Uri {
        scheme: Some(scheme),
        host_with_port: Domain(rest.to_owned()).into(),
        ..Uri::default()
    })
}

/// Whether a router takes loose routes; some write the parameter with a value (`lr=on`).
fn is_loose_router(uri: &str) -> bool {
    let mut params = uri.split(';').skip(1).filter_map(|part| part.split(['=', '?']).next());
    params.any(|name| name.trim().eq_ignore_ascii_case("lr"))
}

/// Whether a Contact's host cannot be reached from outside its own network, while the phone itself
/// was seen elsewhere: it sits behind address translation and does not know.
fn is_hidden(host: &str, seen: IpAddr) -> bool {
    let Ok(ip) = host.parse::<IpAddr>() else { return false };
    let ip = ip.to_canonical();
    let is_private = match ip {
        // 100.64.0.0/10 is shared by carriers' customers (RFC 6598).
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    is_private && ip != seen
}

impl Dialog {
    /// The dialog that an INVITE from outside opens (RFC 3261 12.1.1).
    pub(super) fn as_callee(
        wire: &Wire,
        invite: &Request,
        link: Arc<Link>,
        source: SocketAddr,
    ) -> Result<Self, SipError> {
        let from = invite.from_header()?.value().to_owned();
        let to = invite.to_header()?.value().to_owned();
        let local_tag = new_token();
        let missing = || SipError::Stack("an INVITE without tag or Contact".to_owned());
        Ok(Self {
            key: DialogKey {
                call_id: invite.call_id_header()?.value().to_owned(),
                local_tag: local_tag.clone(),
                remote_tag: tag_of(&from).ok_or_else(missing)?,
            },
            local_party: format!("{to};tag={local_tag}"),
            remote_party: from,
            owns_call_id: false,
            local_cseq: 0,
            remote_cseq: cseq_of(invite),
            remote_target: first_contact(invite).ok_or_else(missing)?,
            route_set: record_routes(invite),
            contact: contact_as(&invite.uri.to_string(), contact_value(wire, &link, source)),
            link,
            peer: source,
        })
    }

    /// The dialog that a 2xx to our INVITE opens (RFC 3261 12.1.2).
    pub(super) fn as_caller(
        invite: &Request,
        answer: &Response,
        link: Arc<Link>,
        peer: SocketAddr,
    ) -> Result<Self, SipError> {
        let from = invite.from_header()?.value().to_owned();
        let to = answer.to_header()?.value().to_owned();
        let missing = || SipError::Stack("a 200 without tag".to_owned());
        let mut route_set = record_routes(answer);
        route_set.reverse();
        Ok(Self {
            key: DialogKey {
                call_id: invite.call_id_header()?.value().to_owned(),
                local_tag: tag_of(&from).ok_or_else(missing)?,
                remote_tag: tag_of(&to).ok_or_else(missing)?,
            },
            local_party: from,
            remote_party: to,
            owns_call_id: true,
            local_cseq: cseq_of(invite),
            remote_cseq: 0,
            // A 2xx must have a Contact; without one the address we called is the best guess.
            remote_target: first_contact(answer).unwrap_or_else(|| invite.uri.to_string()),
            route_set,
            contact: invite.contact_header()?.value().to_owned(),
            link,
            peer,
        })
    }

    /// What the kept ACKs of this dialog are filed under.
    pub(super) fn ack_key(&self) -> (String, String) {
        (self.key.call_id.clone(), self.key.local_tag.clone())
    }

    /// Takes a new Contact from a re-INVITE or its answer (RFC 3261 12.2.1.2, 12.2.2).
    pub(super) fn refresh_target(&mut self, headers: &impl HeadersExt) {
        if let Some(target) = first_contact(headers) {
            self.remote_target = target;
        }
    }

    pub(super) fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Goes on counting where an early form of the dialog has come to.
    pub(super) fn count_on_from(&mut self, early: &Self) {
        self.count_on(early.local_cseq);
    }

    /// Goes on counting from there, if it is not beyond already.
    pub(super) fn count_on(&mut self, cseq: u32) {
        self.local_cseq = self.local_cseq.max(cseq);
    }

    /// The URI that we are known by in the dialog.
    pub(super) fn local_uri(&self) -> Option<String> {
        NameAddr::parse(&self.local_party).map(|party| party.uri)
    }

    /// Whether requests must go back where the INVITE came from, because the phone's own idea of
    /// its address leads nowhere. A proxy that wants to be asked is in the route set, and a TCP
    /// connection goes the right way by itself.
    fn is_behind_nat(&self, hop: &SipUri) -> bool {
        self.link.transport == Transport::Udp
            && self.route_set.is_empty()
            && is_hidden(&hop.host, self.peer.ip())
    }

    /// Builds a request within the dialog and finds its way (RFC 3261 12.2.1.1).
    ///
    /// # Errors
    /// There is no way to the next hop.
    pub(super) async fn request(
        &self,
        wire: &Arc<Wire>,
        method: Method,
        cseq: u32,
        sdp: Option<&str>,
    ) -> Result<(Request, Arc<Link>, SocketAddr), SipError> {
        let mut routes = self.route_set.clone();
        let mut uri = self.remote_target.clone();
        let first = routes.first().and_then(|route| NameAddr::parse(route)).map(|route| route.uri);
        let next_hop = first.clone().unwrap_or_else(|| uri.clone());
        if let Some(first) = first
            && !is_loose_router(&first)
        {
            // A strict router of RFC 2543 wants itself in the request line.
            routes.remove(0);
            routes.push(format!("<{uri}>"));
            uri = first;
        }
        let path = match SipUri::parse(&next_hop) {
            Some(hop) if self.is_behind_nat(&hop) => Ok((self.link.clone(), self.peer)),
            Some(hop) => wire.path_to(&hop, &self.link).await,
            None => Err(SipError::BadTarget { uri: next_hop.into() }),
        };
        let (link, to) = match path {
            Err(_) if !self.link.closed.is_cancelled() => (self.link.clone(), self.peer),
            path => path?,
        };
        let mut headers = vec![
            Header::Via(Via::new(via_value(wire, &link, to, &new_branch()))),
            Header::From(From::new(self.local_party.clone())),
            Header::To(To::new(self.remote_party.clone())),
            Header::CallId(CallId::new(self.key.call_id.clone())),
            Header::CSeq(CSeq::new(format!("{cseq} {method}"))),
            Header::MaxForwards(MaxForwards::new("70")),
            Header::UserAgent(UserAgent::new(wire.agent.clone())),
        ];
        headers.extend(routes.into_iter().map(|route| Header::Route(Route::new(route))));
        if matches!(method, Method::Invite | Method::Update | Method::Refer) {
            headers.push(Header::Contact(Contact::new(self.contact.clone())));
            headers.push(Header::Allow(ALLOW.into()));
            headers.push(make_header("Supported", CALLER_SUPPORTED.to_owned()));
        }
        let body = sdp.unwrap_or_default().as_bytes().to_vec();
        if !body.is_empty() {
            headers.push(Header::ContentType(ContentType::new(ACCEPT)));
        }
        headers.push(Header::ContentLength(ContentLength::new(body.len().to_string())));
        let uri = verbatim(&uri).ok_or_else(|| SipError::BadTarget { uri: uri.into() })?;
        let request = Request { method, uri, version: Version::V2, headers: headers.into(), body };
        Ok((request, link, to))
    }
}

pub(super) fn new_branch() -> String {
    format!("z9hG4bK{}", new_token())
}

pub(super) fn via_value(wire: &Wire, link: &Link, to: SocketAddr, branch: &str) -> String {
    let address = link.contact_address(to, wire.advertise_ip);
    format!("SIP/2.0/{} {address};branch={branch};rport", link.transport.via_word())
}

/// A client transaction, ready to be sent.
///
/// # Errors
/// The request lacks what names a transaction.
pub(super) fn client(
    wire: &Wire,
    request: Request,
    link: &Link,
    to: SocketAddr,
) -> Result<Transaction, SipError> {
    let key = TransactionKey::from_request(&request, TransactionRole::Client)?;
    let connection = Some(link.connection.clone());
    let mut transaction = Transaction::new_client(key, request, wire.stack.clone(), connection);
    transaction.destination = Some(destination(link, to));
    Ok(transaction)
}

/// Extra parts of a response.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) tag: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) sdp: Option<String>,
    pub(super) headers: Vec<Header>,
}

impl Parts {
    /// The parts of a refusal that say why.
    pub(super) fn refusing(cause: RefusalCause) -> Self {
        Self { headers: library_headers(cause.headers()), ..Self::default() }
    }

    /// As [`Parts::refusing`], for a status and a reason that somebody else chose.
    pub(super) fn explaining(status: u16, reason: &str) -> Self {
        Self { headers: library_headers(explained(status, reason)), ..Self::default() }
    }
}

fn library_headers(headers: Vec<(&'static str, String)>) -> Vec<Header> {
    headers.into_iter().map(|(name, value)| make_header(name, value)).collect()
}

/// A response that refuses.
pub(super) fn refusal(wire: &Wire, request: &Request, cause: RefusalCause) -> Response {
    response(wire, request, cause.status(), Parts::refusing(cause))
}

/// Builds a response and counts it if it is a refusal (RFC 3261 8.2.6).
pub(super) fn response(wire: &Wire, request: &Request, status: u16, parts: Parts) -> Response {
    wire.counters.answered(status);
    let keeps_route = request.method == Method::Invite && (101..300).contains(&status);
    let mut headers = Vec::new();
    for header in request.headers.iter() {
        match header {
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => {
                headers.push(header.clone());
            }
            Header::RecordRoute(_) if keeps_route => headers.push(header.clone()),
            Header::To(to) => {
                let tagged = match (tag_of(to.value()), &parts.tag) {
                    (None, Some(tag)) => format!("{};tag={tag}", to.value()),
                    (None, None) if status > 100 => format!("{};tag={}", to.value(), new_token()),
                    _ => to.value().to_owned(),
                };
                headers.push(Header::To(To::new(tagged)));
            }
            _ => {}
        }
    }
    headers.push(Header::Server(wire.agent.clone().into()));
    if let Some(contact) = parts.contact {
        headers.push(Header::Contact(Contact::new(contact)));
    }
    let success_of_invite = request.method == Method::Invite && (200..300).contains(&status);
    if success_of_invite || status == 405 {
        headers.push(Header::Allow(ALLOW.into()));
    }
    if success_of_invite {
        headers.push(make_header("Supported", SUPPORTED.to_owned()));
    }
    headers.extend(parts.headers);
    let body = parts.sdp.unwrap_or_default().into_bytes();
    if !body.is_empty() {
        headers.push(Header::ContentType(ContentType::new(ACCEPT)));
    }
    headers.push(Header::ContentLength(ContentLength::new(body.len().to_string())));
    Response {
        status_code: StatusCode::from(status),
        wire_reason: None,
        version: Version::V2,
        headers: headers.into(),
        body,
    }
}

/// Answers a request and keeps its transaction until it is over, in a task of its own.
pub(super) fn finish(wire: &Arc<Wire>, mut transaction: Transaction, response: Response) {
    wire.spawn(async move {
        if let Err(error) = transaction.respond(response).await {
            tracing::debug!(%error, "a SIP response could not be sent");
            return;
        }
        if transaction.original.method == Method::Invite {
            while transaction.receive().await.is_some() {}
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_it_was_given() {
        for uri in [
            "sip:%2B1555@192.0.2.1:5070",
            "sip:a%20b;x=%41@h;transport=carrier-pigeon;ob",
            "sips:ann@[2001:db8::1]:5061;transport=tcp",
            "sip:h",
        ] {
            assert_eq!(verbatim(uri).map(|uri| uri.to_string()).as_deref(), Some(uri));
        }
        assert_eq!(verbatim("nowhere"), None);
    }

    #[test]
    fn a_loose_router_is_known_by_the_name_of_its_parameter() {
        for loose in ["sip:p;lr", "sip:p;transport=tcp;LR=on", "sip:p;lr=true;x", "sip:p; lr ?h=1"]
        {
            assert!(is_loose_router(loose), "{loose}");
        }
        for strict in ["sip:p", "sip:lr@p", "sip:p;lrx", "sip:p;x=lr", "sip:lr"] {
            assert!(!is_loose_router(strict), "{strict}");
        }
    }

    #[test]
    fn a_private_contact_seen_elsewhere_is_hidden() {
        let hidden = ["10.1.2.3", "192.168.0.9", "172.31.0.1", "169.254.1.1", "100.127.0.1"];
        for host in hidden.into_iter().chain(["fd00::1", "fe80::1", "::ffff:10.1.2.3"]) {
            assert!(is_hidden(host, IpAddr::from([198, 51, 100, 7])), "{host}");
        }
        for host in ["198.51.100.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "phone.example"] {
            assert!(!is_hidden(host, IpAddr::from([198, 51, 100, 7])), "{host}");
        }
        assert!(!is_hidden("10.1.2.3", IpAddr::from([10, 1, 2, 3])));
    }
}
