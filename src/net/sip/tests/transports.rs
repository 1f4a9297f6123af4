//! TLS and WebSocket.

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

/// A certificate for this machine that signs itself, so that it is its own authority.
fn certificate(folder: &Path, name: &str) -> TlsFiles {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = TlsFiles {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

async fn tls_endpoint(files: &TlsFiles) -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config =
        SipConfig { tls: vec![any], wss: vec![any], certificate: Some(files.clone()), ..config() };
    SipEndpoint::bind(config).await.expect("loopback can be bound")
}

async fn caller_that_trusts(ca: &Path) -> SipEndpoint {
    let config = SipConfig { tls_ca: Some(ca.to_owned()), ..config() };
    SipEndpoint::bind(config).await.expect("loopback can be bound").0
}

fn tls_call(callee: &SipEndpoint, scheme: &str, parameter: &str) -> OutgoingRequest {
    let at = address(callee, Transport::Tls);
    OutgoingRequest {
        target_uri: format!("{scheme}:bank@{at}{parameter}"),
        from_user: "+1555".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    }
}

#[tokio::test]
async fn calls_go_over_tls_both_ways_on_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate(folder.path(), "ours");
    let (callee, mut calls) = tls_endpoint(&files).await;
    let caller = caller_that_trusts(&files.certificate).await;
    for (scheme, parameter) in [("sip", ";transport=tls"), ("sips", "")] {
        let request = tls_call(&callee, scheme, parameter);
        let mut out = caller.place_call(request).await.expect("a way there");
        let call = soon(calls.recv()).await.expect("the call arrives");
        assert_eq!(call.transport, Transport::Tls);
        let mut leg = call.answer(ANSWER.to_owned()).await.expect("the caller is there");
        assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Answered { .. })));
        assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
        leg.hang_up("done").await;
        assert_call_ends(&mut out, EndedBy::Remote).await;
        assert_leg_ends(&mut leg, EndedBy::Local).await;
    }
    let counters = callee.counters();
    assert_eq!((counters.connections_open, counters.handshakes_failed), (1, 0), "{counters:?}");
}

#[tokio::test]
async fn nobody_is_believed_without_a_certificate_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate(folder.path(), "ours");
    let other = certificate(folder.path(), "other");
    let (callee, _calls) = tls_endpoint(&files).await;
    let caller = caller_that_trusts(&other.certificate).await;
    let refused = caller.place_call(tls_call(&callee, "sips", "")).await.err();
    let text = refused.expect("it is another authority").to_string();
    assert!(text.contains("no TLS with 127.0.0.1"), "{text}");
    // Who renews the certificate is believed without a restart.
    std::fs::copy(&other.certificate, &files.certificate).unwrap();
    assert!(callee.reload_certificate().is_err(), "the key is another one's");
    std::fs::copy(&other.key, &files.key).unwrap();
    callee.reload_certificate().expect("both are new");
    caller.place_call(tls_call(&callee, "sips", "")).await.expect("the new one is trusted");
}

#[tokio::test]
async fn a_listener_within_tls_needs_a_certificate() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = SipConfig { tls: vec![any], ..config() };
    let error = SipEndpoint::bind(config).await.err().expect("there is no certificate");
    assert!(matches!(error, SipError::NoCertificate), "{error}");
}

#[tokio::test]
async fn what_is_no_handshake_is_counted_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (callee, _calls) = tls_endpoint(&certificate(folder.path(), "ours")).await;
    let mut plain = TcpStream::connect(address(&callee, Transport::Tls)).await.unwrap();
    plain.write_all(b"OPTIONS sip:bank@127.0.0.1 SIP/2.0\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // An alert may come before the end.
    _ = soon(plain.read_to_end(&mut rest)).await;
    assert_eq!(callee.counters().handshakes_failed, 1);
}

type Browser = WebSocketStream<TcpStream>;

async fn browser(
    at: SocketAddr,
    subprotocol: Option<&'static str>,
) -> tungstenite::Result<Browser> {
    let mut request = format!("ws://{at}/").into_client_request()?;
    if let Some(subprotocol) = subprotocol {
        let value = HeaderValue::from_static(subprotocol);
        request.headers_mut().insert("Sec-WebSocket-Protocol", value);
    }
    let stream = TcpStream::connect(at).await.expect("somebody listens");
    client_async(request, stream).await.map(|(socket, _)| socket)
}

/// A request as a browser writes it: it has no address of its own (RFC 7118 section 5.2).
fn from_browser(method: &str, cseq: u32, to_tag: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:bank@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK{cseq}{method}\r\n\
         From: <sip:ann@example.com>;tag=a\r\nTo: <sip:bank@127.0.0.1>{to_tag}\r\nCall-ID: ws\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:ann@df7jal23ls0d.invalid;transport=ws>\r\n\
         Max-Forwards: 70\r\n{kind}\r\n{body}"
    )
}

async fn next_text(browser: &mut Browser, start: &str) -> String {
    loop {
        match soon(browser.next()).await.expect("it is open").expect("it can be read") {
            Message::Text(text) if text.as_str().starts_with(start) => {
                return text.as_str().to_owned();
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_browser_calls_and_is_reached_over_its_own_connection() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (callee, mut calls) =
        SipEndpoint::bind(SipConfig { ws: vec![any], ..config() }).await.expect("it can be bound");
    let at = address(&callee, Transport::Ws);
    let mut browser = browser(at, Some("sip")).await.expect("SIP is spoken");
    browser.send(Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(next_text(&mut browser, "\r\n").await, "\r\n");
    let offer = from_browser("INVITE", 1, "", OFFER);
    browser.send(Message::text(offer)).await.unwrap();
    let call = soon(calls.recv()).await.expect("the call arrives");
    assert_eq!((call.transport, call.offer_sdp.as_deref()), (Transport::Ws, Some(OFFER)));
    let mut leg = call.answer(ANSWER.to_owned()).await.expect("the caller is there");
    let ok = next_text(&mut browser, "SIP/2.0 200").await;
    assert!(ok.contains(&format!("Contact: <sip:frontdoor@{at};transport=ws>\r\n")), "{ok}");
    let ack = from_browser("ACK", 1, &to_tag(&ok), "");
    browser.send(Message::binary(ack.into_bytes())).await.unwrap();
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    leg.hang_up("done").await;
    let bye = next_text(&mut browser, "BYE ").await;
    assert!(bye.starts_with("BYE sip:ann@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\n"), "{bye}");
    assert!(bye.contains("Via: SIP/2.0/WS "), "{bye}");
    let answer =
        bye.replacen("BYE sip:ann@df7jal23ls0d.invalid;transport=ws SIP/2.0", "SIP/2.0 200 OK", 1);
    browser.send(Message::text(answer)).await.unwrap();
    assert_leg_ends(&mut leg, EndedBy::Local).await;
}

#[tokio::test]
async fn a_websocket_is_for_sip_and_for_messages_of_a_bearable_size() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (callee, _calls) =
        SipEndpoint::bind(SipConfig { ws: vec![any], ..config() }).await.expect("it can be bound");
    let at = address(&callee, Transport::Ws);
    for subprotocol in [None, Some("chat")] {
        match browser(at, subprotocol).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 400),
            other => panic!("{:?}", other.map(|_| "agreed")),
        }
    }
    let mut browser = browser(at, Some("sip")).await.expect("SIP is spoken");
    // It may be closed before all of it is sent.
    _ = browser.send(Message::text("x".repeat(200_000))).await;
    while let Some(Ok(_)) = soon(browser.next()).await {}
    assert_eq!(callee.counters().malformed.get(&MalformedKind::TooLarge), Some(&1));
}
