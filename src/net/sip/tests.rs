//! Whole endpoints against each other, and against raw sockets, on loopback.

mod dialogs;

use std::net::SocketAddr;
use std::time::Duration;

use rsipstack::transaction::endpoint::EndpointOption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

use super::*;

mod access;
pub(super) mod dns;
mod outgoing;
mod referrals;
mod register;
mod traces;
mod transports;
mod trunks;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\n";
const ANSWER: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4002 RTP/AVP 0\r\n";
const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n";

/// Far longer than anything here takes; turns a hang into a failure.
const GUARD: Duration = Duration::from_secs(30);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, what).await.expect("nothing here may hang")
}

fn config() -> SipConfig {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    SipConfig {
        udp: vec![any],
        tcp: vec![any],
        user_agent: "frontdoor-test".to_owned(),
        incoming_queue_len_max: 2,
        ..SipConfig::default()
    }
}

async fn endpoint() -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    SipEndpoint::bind(config()).await.expect("loopback can be bound")
}

/// An endpoint whose transactions give up after 64 * T1 = 0.64 s.
async fn impatient_endpoint() -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let option = EndpointOption {
        t1: Duration::from_millis(10),
        t1x64: Duration::from_millis(640),
        ..EndpointOption::default()
    };
    SipEndpoint::bind_with(config(), option).await.expect("loopback can be bound")
}

fn address(endpoint: &SipEndpoint, transport: Transport) -> SocketAddr {
    let addrs = endpoint.local_addrs();
    addrs.into_iter().find(|(kind, _)| *kind == transport).expect("both are bound").1
}

fn request_to(endpoint: &SipEndpoint, transport: Transport) -> OutgoingRequest {
    let address = address(endpoint, transport);
    OutgoingRequest {
        target_uri: format!("sip:bank@{address};transport={transport}"),
        from_user: "+1555".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    }
}

/// A call that is up: caller's side, callee's side.
async fn answered_call(
    caller: &SipEndpoint,
    callee: (&SipEndpoint, &mut mpsc::Receiver<IncomingCall>),
    transport: Transport,
) -> (OutgoingCall, SipLeg) {
    let mut out = caller.place_call(request_to(callee.0, transport)).await.expect("a way there");
    let mut call = soon(callee.1.recv()).await.expect("the call arrives");
    assert_eq!(call.offer_sdp.as_deref(), Some(OFFER));
    assert_eq!(call.caller.user.expose(), "+1555");
    assert_eq!(call.called.user.expose(), "bank");
    assert_eq!(call.sip_call_id, out.sip_call_id);
    assert_eq!((call.transport, call.local_ip), (transport, "127.0.0.1".parse().unwrap()));
    call.ringing().await.expect("the caller is there");
    assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Ringing)));
    let mut leg = call.answer(ANSWER.to_owned()).await.expect("the caller is there");
    match soon(out.next_event()).await {
        Some(OutgoingEvent::Answered { sdp }) => assert_eq!(sdp, ANSWER),
        other => panic!("{other:?}"),
    }
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    (out, leg)
}

async fn assert_leg_ends(leg: &mut SipLeg, expected: EndedBy) {
    match soon(leg.next_event()).await {
        Some(LegEvent::Ended { by }) => assert_eq!(by, expected),
        other => panic!("{other:?}"),
    }
    assert!(soon(leg.next_event()).await.is_none());
}

async fn assert_call_ends(out: &mut OutgoingCall, expected: EndedBy) {
    match soon(out.next_event()).await {
        Some(OutgoingEvent::Ended { by }) => assert_eq!(by, expected),
        other => panic!("{other:?}"),
    }
    assert!(soon(out.next_event()).await.is_none());
}

#[tokio::test]
async fn a_call_up_hold_resume_and_down_on_both_transports() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (caller, _calls) = endpoint().await;
        let (callee, mut calls) = endpoint().await;
        let (mut out, mut leg) = answered_call(&caller, (&callee, &mut calls), transport).await;
        for offer in [HOLD, OFFER] {
            let (answer, event) = tokio::join!(soon(out.reinvite(offer.to_owned())), async {
                match soon(leg.next_event()).await {
                    Some(LegEvent::Reoffer { offer_sdp, reply }) => {
                        reply.accept(ANSWER.to_owned());
                        offer_sdp
                    }
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!((answer.expect("accepted").as_str(), event.as_str()), (ANSWER, offer));
        }
        let (refused, ()) = tokio::join!(soon(out.reinvite(HOLD.to_owned())), async {
            match soon(leg.next_event()).await {
                Some(LegEvent::Reoffer { reply, .. }) => reply.refuse(488),
                other => panic!("{other:?}"),
            }
        });
        assert!(matches!(refused, Err(SipError::Refused { status: 488, .. })), "{refused:?}");
        out.hang_up("done").await;
        assert_leg_ends(&mut leg, EndedBy::Remote).await;
        assert_call_ends(&mut out, EndedBy::Local).await;
        soon(caller.shutdown()).await;
        soon(callee.shutdown()).await;
        let counters = callee.counters();
        assert_eq!((counters.dialogs_open, counters.calls_offered), (0, 1), "{counters:?}");
        assert_eq!(counters.malformed_total(), 0, "{counters:?}");
        assert_eq!(counters.receivers_restarted, 0);
    }
}

#[tokio::test]
async fn the_callee_hangs_up_and_offers_changes() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (caller, _calls) = endpoint().await;
        let (callee, mut calls) = endpoint().await;
        let (mut out, mut leg) = answered_call(&caller, (&callee, &mut calls), transport).await;
        let (answer, ()) = tokio::join!(soon(leg.reinvite(HOLD.to_owned())), async {
            match soon(out.next_event()).await {
                Some(OutgoingEvent::Reoffer { reply, .. }) => reply.accept(OFFER.to_owned()),
                other => panic!("{other:?}"),
            }
        });
        assert_eq!(answer.expect("accepted"), OFFER);
        leg.hang_up("served \"well\"").await;
        assert_call_ends(&mut out, EndedBy::Remote).await;
        assert_leg_ends(&mut leg, EndedBy::Local).await;
        soon(caller.shutdown()).await;
        soon(callee.shutdown()).await;
    }
}

#[tokio::test]
async fn dropping_a_leg_hangs_up_and_dropping_a_call_refuses() {
    let (caller, _calls) = endpoint().await;
    let (callee, mut calls) = endpoint().await;
    let (mut out, leg) = answered_call(&caller, (&callee, &mut calls), Transport::Udp).await;
    drop(leg);
    assert_call_ends(&mut out, EndedBy::Remote).await;
    let mut out = caller.place_call(request_to(&callee, Transport::Udp)).await.unwrap();
    drop(soon(calls.recv()).await);
    let event = soon(out.next_event()).await;
    assert!(matches!(event, Some(OutgoingEvent::Refused { status: 500, .. })), "{event:?}");
}

#[tokio::test]
async fn refusals_carry_their_status() {
    let (caller, _calls) = endpoint().await;
    let (callee, mut calls) = endpoint().await;
    for (status, transport) in
        [(486, Transport::Udp), (488, Transport::Tcp), (503, Transport::Udp), (603, Transport::Tcp)]
    {
        let mut out = caller.place_call(request_to(&callee, transport)).await.unwrap();
        let call = soon(calls.recv()).await.unwrap();
        call.refuse(status, Some("all lines \"busy\"".to_owned()), Some(9)).await.unwrap();
        match soon(out.next_event()).await {
            Some(OutgoingEvent::Refused { status: seen, .. }) => assert_eq!(seen, status),
            other => panic!("{other:?}"),
        }
        assert!(soon(out.next_event()).await.is_none());
    }
    let _waiting = caller.place_call(request_to(&callee, Transport::Udp)).await.unwrap();
    let call = soon(calls.recv()).await.unwrap();
    assert!(matches!(
        call.refuse(200, None, None).await,
        Err(SipError::NotARefusal { status: 200 })
    ));
    assert_eq!(callee.counters().refused.get(&486), Some(&1));
}

#[tokio::test]
async fn a_cancel_ends_an_unanswered_call() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (caller, _calls) = endpoint().await;
        let (callee, mut calls) = endpoint().await;
        let mut out = caller.place_call(request_to(&callee, transport)).await.unwrap();
        let mut call = soon(calls.recv()).await.unwrap();
        call.ringing().await.unwrap();
        assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Ringing)));
        out.cancel().await;
        soon(call.cancelled()).await;
        assert!(matches!(call.answer(ANSWER.to_owned()).await, Err(SipError::CallOver)));
        assert_call_ends(&mut out, EndedBy::Local).await;
        assert_eq!(callee.counters().refused.get(&487), Some(&1));
    }
}

#[tokio::test]
async fn a_full_queue_refuses_with_retry_after() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    for number in 0..2 {
        peer.send(&invite(&peer, &format!("q{number}"), "")).await;
        assert!(soon(peer.response()).await.starts_with("SIP/2.0 100 "));
    }
    peer.send(&invite(&peer, "q2", "")).await;
    let refused = soon(peer.response()).await;
    assert!(refused.starts_with("SIP/2.0 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("Retry-After: 5\r\n"), "{refused}");
    // There is no transaction that keeps it, so the same is answered anew to a repetition.
    peer.send(&invite(&peer, "q2", "")).await;
    assert_eq!(soon(peer.response()).await, refused);
    peer.send(&raw(&peer, "ACK", 1, "q2", &to_tag(&refused), "")).await;
    drop(soon(calls.recv()).await);
}

#[tokio::test]
async fn shutdown_says_goodbye_and_frees_the_port() {
    let (caller, _calls) = endpoint().await;
    let (callee, mut calls) = endpoint().await;
    let (mut out, mut leg) = answered_call(&caller, (&callee, &mut calls), Transport::Udp).await;
    let local = address(&callee, Transport::Udp);
    let busy = SipConfig { udp: vec![local], tcp: Vec::new(), ..config() };
    let error = SipEndpoint::bind(busy.clone()).await.err().expect("the port is taken");
    assert!(error.to_string().starts_with(&format!("{local}/udp is in use")), "{error}");
    soon(callee.shutdown()).await;
    assert_leg_ends(&mut leg, EndedBy::Local).await;
    assert_call_ends(&mut out, EndedBy::Remote).await;
    assert!(soon(calls.recv()).await.is_none());
    drop(callee);
    let (again, _calls) = SipEndpoint::bind(busy).await.expect("the port is free again");
    soon(again.shutdown()).await;
}

/// A UDP peer that speaks plain text.
struct RawPeer {
    socket: UdpSocket,
    local: SocketAddr,
}

impl RawPeer {
    async fn new(endpoint: &SipEndpoint) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address(endpoint, Transport::Udp)).await.unwrap();
        let local = socket.local_addr().unwrap();
        Self { socket, local }
    }

    async fn send(&self, text: &str) {
        self.socket.send(text.as_bytes()).await.unwrap();
    }

    async fn response(&self) -> String {
        let mut buffer = vec![0; 65_535];
        let length = self.socket.recv(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next message that starts like this, whatever comes before it.
    async fn message(&self, start: &str) -> String {
        loop {
            let text = soon(self.response()).await;
            if text.starts_with(start) {
                return text;
            }
        }
    }
}

/// A request from a raw peer; `body` is SDP.
fn raw(peer: &RawPeer, method: &str, cseq: u32, id: &str, to_tag: &str, body: &str) -> String {
    let local = peer.local;
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:bank@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bK{id}{cseq}{method};rport\r\n\
         From: <sip:ann@{local}>;tag=a\r\nTo: <sip:bank@127.0.0.1>{to_tag}\r\nCall-ID: {id}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:ann@{local}>\r\nMax-Forwards: 70\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn invite(peer: &RawPeer, id: &str, body: &str) -> String {
    raw(peer, "INVITE", 1, id, "", body)
}

fn to_tag(response: &str) -> String {
    let to = response.lines().find(|line| line.starts_with("To:")).expect("a response has To");
    format!(";tag={}", to.split("tag=").nth(1).expect("it is tagged"))
}

#[tokio::test]
async fn a_caller_without_an_offer_gets_ours_and_answers_in_the_ack() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "late", "")).await;
    let call = soon(calls.recv()).await.unwrap();
    assert_eq!(call.offer_sdp, None);
    let mut leg = call.answer(OFFER.to_owned()).await.unwrap();
    let ok = peer.message("SIP/2.0 200").await;
    assert!(ok.ends_with(OFFER), "{ok}");
    assert!(ok.contains("Contact: <sip:frontdoor@127.0.0.1:"), "{ok}");
    let tag = to_tag(&ok);
    peer.send(&raw(&peer, "ACK", 1, "late", &tag, ANSWER)).await;
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    match soon(leg.next_event()).await {
        Some(LegEvent::LateAnswer { sdp }) => assert_eq!(sdp, ANSWER),
        other => panic!("{other:?}"),
    }
    // A re-INVITE without an offer gets the one that is made for it; if none is made, the session
    // as it is.
    for (cseq, offer) in [(2, Some(HOLD)), (3, None)] {
        peer.send(&raw(&peer, "INVITE", cseq, "late", &tag, "")).await;
        match (soon(leg.next_event()).await, offer) {
            (Some(LegEvent::OfferWanted { reply }), Some(offer)) => reply.accept(offer.to_owned()),
            (Some(LegEvent::OfferWanted { reply }), None) => drop(reply),
            other => panic!("{other:?}"),
        }
        let ok = peer.message("SIP/2.0 200").await;
        assert!(ok.ends_with(HOLD), "{ok}");
        peer.send(&raw(&peer, "ACK", cseq, "late", &tag, ANSWER)).await;
        assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::LateAnswer { .. })));
    }
    // Out of order, then in order.
    peer.send(&raw(&peer, "OPTIONS", 3, "late", &tag, "")).await;
    assert!(peer.message("SIP/2.0 5").await.starts_with("SIP/2.0 500"));
    peer.send(&raw(&peer, "BYE", 4, "late", &tag, "")).await;
    peer.message("SIP/2.0 200").await;
    assert_leg_ends(&mut leg, EndedBy::Remote).await;
    peer.send(&raw(&peer, "BYE", 5, "late", &tag, "")).await;
    peer.message("SIP/2.0 481").await;
}

#[tokio::test]
async fn a_reinvite_that_overtakes_the_ack_waits_for_it() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "fast", OFFER)).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 200").await);
    peer.send(&raw(&peer, "INVITE", 2, "fast", &tag, HOLD)).await;
    peer.message("SIP/2.0 100").await;
    // One waits; another is told to come back.
    peer.send(&raw(&peer, "INVITE", 3, "fast", &tag, OFFER)).await;
    peer.message("SIP/2.0 500").await;
    peer.send(&raw(&peer, "ACK", 1, "fast", &tag, "")).await;
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    match soon(leg.next_event()).await {
        Some(LegEvent::Reoffer { offer_sdp, reply }) => {
            assert_eq!(offer_sdp, HOLD);
            reply.accept(ANSWER.to_owned());
        }
        other => panic!("{other:?}"),
    }
    while !peer.message("SIP/2.0 200").await.contains("CSeq: 2 INVITE\r\n") {}
}

#[tokio::test]
async fn a_phone_behind_address_translation_is_reached_where_it_was_seen() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let contact = format!("Contact: <sip:ann@{}>", peer.local);
    let inside = "Contact: <sip:%2B1555@10.1.2.3:5066;transport=tls>";
    peer.send(&invite(&peer, "nat", OFFER).replace(&contact, inside)).await;
    let leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 200").await);
    peer.send(&raw(&peer, "ACK", 1, "nat", &tag, "")).await;
    leg.hang_up("bye").await;
    let bye = peer.message("BYE ").await;
    let line = "BYE sip:%2B1555@10.1.2.3:5066;transport=tls SIP/2.0\r\n";
    assert!(bye.starts_with(line), "{bye}");
}

#[tokio::test]
async fn a_listener_on_both_families_names_plain_addresses() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    let config = SipConfig { udp: vec![any], tcp: vec![any], ..config() };
    // Some machines have no IPv6.
    let Ok((callee, mut calls)) = SipEndpoint::bind(config).await else { return };
    let port = address(&callee, Transport::Udp).port();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", port)).await.unwrap();
    let peer = RawPeer { local: socket.local_addr().unwrap(), socket };
    peer.send(&invite(&peer, "both", OFFER)).await;
    let call = soon(calls.recv()).await.unwrap();
    assert_eq!((call.source, call.local_ip.to_string()), (peer.local, "127.0.0.1".to_owned()));
    let leg = call.answer(ANSWER.to_owned()).await.unwrap();
    let ok = peer.message("SIP/2.0 200").await;
    assert!(ok.contains(&format!("Contact: <sip:frontdoor@127.0.0.1:{port}>\r\n")), "{ok}");
    peer.send(&raw(&peer, "ACK", 1, "both", &to_tag(&ok), "")).await;
    leg.hang_up("bye").await;
    peer.message("BYE ").await;
    // What is answered without a transaction comes back, too.
    peer.send(&raw(&peer, "REGISTER", 1, "reg", "", "")).await;
    peer.message("SIP/2.0 405").await;
}

#[tokio::test]
async fn one_source_has_only_so_many_connections() {
    let (callee, _calls) = endpoint().await;
    let at = address(&callee, Transport::Tcp);
    let mut held = Vec::new();
    for _ in 0..super::streams::CONNECTIONS_PER_SOURCE_MAX {
        held.push(TcpStream::connect(at).await.unwrap());
    }
    let mut beyond = TcpStream::connect(at).await.unwrap();
    assert_eq!(soon(beyond.read(&mut [0; 16])).await.unwrap_or(0), 0, "it is closed");
    held[0].write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(soon(held[0].read(&mut [0; 16])).await.unwrap(), 2, "the others are served");
}

#[tokio::test]
async fn a_retransmitted_or_merged_invite_is_not_a_second_call() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let first = invite(&peer, "twice", OFFER);
    for _ in 0..3 {
        peer.send(&first).await;
    }
    let call = soon(calls.recv()).await.unwrap();
    peer.send(&first.replace("branch=z9hG4bK", "branch=z9hG4bKother")).await;
    peer.message("SIP/2.0 482").await;
    let _leg = call.answer(ANSWER.to_owned()).await.unwrap();
    let one = peer.message("SIP/2.0 200").await;
    let two = peer.message("SIP/2.0 200").await;
    assert_eq!(one, two, "a 200 is repeated until the ACK");
    assert!(calls.try_recv().is_err());
    assert_eq!(callee.counters().calls_offered, 1);
}

#[tokio::test]
async fn a_missing_ack_ends_the_call() {
    let (callee, mut calls) = impatient_endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "noack", OFFER)).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let bye = peer.message("BYE ").await;
    assert!(bye.starts_with(&format!("BYE sip:ann@{} SIP/2.0\r\n", peer.local)), "{bye}");
    assert!(bye.contains("Reason: SIP;cause=408;text=\"no ACK\"\r\n"), "{bye}");
    assert_leg_ends(&mut leg, EndedBy::Timeout).await;
}

#[tokio::test]
async fn a_hang_up_before_the_ack_waits_for_it() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "early", OFFER)).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let ok = peer.message("SIP/2.0 200").await;
    leg.hang_up("bye").await;
    // The 200 comes again, and no BYE before it.
    assert!(soon(peer.response()).await.starts_with("SIP/2.0 200"));
    peer.send(&raw(&peer, "ACK", 1, "early", &to_tag(&ok), "")).await;
    peer.message("BYE ").await;
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    assert_leg_ends(&mut leg, EndedBy::Local).await;
}

#[tokio::test]
async fn what_is_not_for_us_is_answered_by_the_book() {
    let (callee, _calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let ask = |method: &str, id: &str| raw(&peer, method, 1, id, "", "");
    let text_body = invite(&peer, "i", "hello").replace("application/sdp", "text/plain");
    let required = ask("OPTIONS", "q").replace("Max-", "Require: gruu, timer\r\nMax-");
    // Addresses that the library cannot read, or not send to.
    let strange_to = invite(&peer, "t", OFFER).replace("bank@127.0.0.1>", "bank@h;transport=bird>");
    let no_port = ask("OPTIONS", "z").replace(&format!("UDP {}", peer.local), "UDP 127.0.0.1:0");
    let cases = [
        (ask("OPTIONS", "o"), "200 OK", "OPTIONS, UPDATE, PRACK, INFO, NOTIFY\r\n"),
        (ask("OPTIONS", "p"), "200 OK", "Accept: application/sdp\r\n"),
        (ask("OPTIONS", "ps"), "200 OK", "Supported: 100rel, replaces, timer\r\n"),
        (ask("REGISTER", "r"), "405 Method Not Allowed", "Allow: INVITE"),
        (ask("FLY!", "f"), "501 Not Implemented", "Allow: INVITE"),
        (ask("BYE", "b"), "481 ", "Server: frontdoor-test\r\n"),
        (ask("UPDATE", "u"), "481 ", "Reason: SIP;cause=481;text=\"no such call here\"\r\n"),
        (ask("PRACK", "pr"), "481 ", "Reason: SIP;cause=481;"),
        (ask("REFER", "rf"), "403 ", "callers cannot have us call somebody"),
        (ask("NOTIFY", "no"), "481 ", "a NOTIFY outside of a call"),
        (ask("CANCEL", "c"), "481 ", "CSeq: 1 CANCEL\r\n"),
        (raw(&peer, "BYE", 2, "x", ";tag=none", ""), "481 ", ""),
        (text_body, "415 ", "Accept: application/sdp\r\n"),
        (required, "420 ", "Unsupported: gruu\r\n"),
        (ask("OPTIONS", "n").replace("Length: 0", "Length: -1"), "400 Bad Content-Length", ""),
        (ask("OPTIONS", "v").replace(" SIP/2.0\r\nVia", " SIP/3.0\r\nVia"), "505 ", ""),
        (ask("OPTIONS", "s").replace("OPTIONS sip:bank", "OPTIONS gopher:bank"), "416 ", ""),
        (strange_to, "400 Unreadable Message", ""),
        (no_port, "400 Bad Via Header", ""),
    ];
    for (request, status, header) in cases {
        peer.send(&request).await;
        let response = soon(peer.response()).await;
        assert!(response.starts_with(&format!("SIP/2.0 {status}")), "{request}\n{response}");
        assert!(response.contains(header), "{request}\n{response}");
        assert!(response.contains(&format!("rport={}", peer.local.port())), "{response}");
    }
    let counters = callee.counters();
    assert_eq!(counters.malformed.get(&MalformedKind::ContentLength), Some(&1));
    assert_eq!(counters.malformed.get(&MalformedKind::Version), Some(&1));
    assert_eq!(counters.malformed.get(&MalformedKind::Parser), Some(&1));
    assert_eq!(counters.malformed.get(&MalformedKind::Via), Some(&1));
    assert_eq!(counters.malformed_total(), 4);
}

#[tokio::test]
async fn noise_is_counted_and_a_call_still_works() {
    let (caller, _calls) = endpoint().await;
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let seed: u64 = 0x5eed_0f51_9000_0001;
    let mut state = seed;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let good = invite(&peer, "noise", OFFER).into_bytes();
    for number in 0..400 {
        // Half pure noise, half good messages with some bytes changed or the end cut off.
        let bytes: Vec<u8> = match number % 2 {
            0 => (0..next() % 1400).map(|_| next() as u8).collect(),
            _ => {
                let mut bytes = good.clone();
                for _ in 0..=next() % 8 {
                    let at = next() as usize % bytes.len();
                    bytes[at] = next() as u8;
                }
                bytes.truncate(bytes.len() - next() as usize % 40);
                bytes
            }
        };
        peer.socket.send(&bytes).await.unwrap();
    }
    // What slipped through as a call is refused, so that the queue is free again.
    peer.send(&raw(&peer, "OPTIONS", 1, "marker", "", "")).await;
    loop {
        tokio::select! {
            call = calls.recv() => drop(call),
            text = peer.response() => if text.contains("Call-ID: marker\r\n") { break },
        }
    }
    let mut junk = TcpStream::connect(address(&callee, Transport::Tcp)).await.unwrap();
    junk.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(soon(junk.read(&mut [0; 16])).await.unwrap_or(0), 0, "the connection is closed");
    while let Ok(call) = calls.try_recv() {
        drop(call);
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let (out, mut leg) = answered_call(&caller, (&callee, &mut calls), transport).await;
        out.hang_up("").await;
        assert_leg_ends(&mut leg, EndedBy::Remote).await;
    }
    let counters = callee.counters();
    assert_eq!(counters.receivers_restarted, 0, "seed {seed:#x}: {counters:?}");
    assert!(counters.malformed_total() > 200, "seed {seed:#x}: {counters:?}");
    assert!(counters.malformed.len() >= 4, "seed {seed:#x}: {counters:?}");
}

#[tokio::test]
async fn a_stream_that_loses_its_framing_is_answered_and_closed() {
    let (callee, _calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let mut stream = TcpStream::connect(address(&callee, Transport::Tcp)).await.unwrap();
    let good = raw(&peer, "OPTIONS", 1, "tcp", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    stream.write_all(b"\r\n\r\n").await.unwrap();
    for byte in good.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        let mut buffer = [0; 4096];
        let length = soon(stream.read(&mut buffer)).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(text.starts_with("\r\nSIP/2.0 200 OK\r\n"), "{text}");
    text.clear();
    stream.write_all(good.replace("Content-Length: 0\r\n", "").as_bytes()).await.unwrap();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    assert!(text.contains("SIP/2.0 400 Bad Content-Length\r\n"), "{text}");
}

#[tokio::test]
async fn peers_are_told_a_reachable_address() {
    let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
    for (advertise, told) in [(None, "127.0.0.1"), (Some("192.0.2.9"), "192.0.2.9")] {
        let advertise_ip = advertise.map(|ip| ip.parse().unwrap());
        let config = SipConfig { udp: vec![any], tcp: vec![any], advertise_ip, ..config() };
        let (callee, mut calls) = SipEndpoint::bind(config).await.unwrap();
        let port = address(&callee, Transport::Udp).port();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(("127.0.0.1", port)).await.unwrap();
        let peer = RawPeer { local: socket.local_addr().unwrap(), socket };
        peer.send(&invite(&peer, "told", OFFER)).await;
        let call = soon(calls.recv()).await.unwrap();
        // What peers are told need not be an address of this machine; media is bound to one.
        assert_eq!(call.local_ip.to_string(), "127.0.0.1");
        let _leg = call.answer(ANSWER.to_owned()).await.unwrap();
        let ok = peer.message("SIP/2.0 200").await;
        assert!(ok.contains(&format!("Contact: <sip:frontdoor@{told}:{port}>\r\n")), "{ok}");
    }
}
