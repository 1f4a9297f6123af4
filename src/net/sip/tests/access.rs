//! Who may call, over real sockets.

use std::time::Duration;

use super::super::digest::Challenge;
use super::*;
use crate::base::Pii;
use crate::config::{NumberConfig, TrunkConfig};

fn ann() -> Credentials {
    Credentials { username: "ann".to_owned(), password: Pii::new("secret".to_owned()) }
}

async fn guarded(access: Access) -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    SipEndpoint::bind(SipConfig { access, ..config() }).await.expect("loopback can be bound")
}

/// An endpoint whose only trunk is anybody who knows Ann's password.
async fn with_password() -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    guarded(Access {
        trunks: vec![TrunkConfig::known_by("phones", &[])],
        logins: [("phones".to_owned(), ann())].into(),
        accept_unknown: false,
        ..Access::default()
    })
    .await
}

/// The same INVITE with a proof and the next CSeq.
fn proven(peer: &RawPeer, id: &str, cseq: u32, authorization: &str) -> String {
    let plain = raw(peer, "INVITE", cseq, id, "", OFFER);
    plain.replace("Max-Forwards", &format!("Authorization: {authorization}\r\nMax-Forwards"))
}

fn challenges(refused: &str) -> Vec<&str> {
    refused.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: ")).collect()
}

#[tokio::test]
async fn a_password_is_asked_for_and_opens_a_call() {
    let (callee, mut calls) = with_password().await;
    let peer = RawPeer::new(&callee).await;
    for (at, id) in ["better", "older"].into_iter().enumerate() {
        peer.send(&invite(&peer, id, OFFER)).await;
        let refused = peer.message("SIP/2.0 401").await;
        assert!(refused.contains("Reason: SIP;cause=401;text=\"[trunks]: "), "{refused}");
        let values = challenges(&refused);
        assert_eq!(values.len(), 2, "{refused}");
        let challenge = Challenge::first_known([values[at]]).expect("we know our own");
        let proof = challenge.answer(&ann(), "INVITE", "sip:bank@127.0.0.1", "c", 1);
        let asked = proven(&peer, id, 2, &proof);
        // Sent twice, as a peer does that hears nothing for half a second.
        peer.send(&asked).await;
        peer.send(&asked).await;
        let call = soon(calls.recv()).await.expect("the call arrives");
        assert_eq!(call.trunk.as_deref(), Some("phones"));
        assert_eq!(call.requested.expose(), "bank");
        // The same proof in another call is worth nothing, and the peer is told that it is stale.
        peer.send(&proven(&peer, &format!("{id}-again"), 1, &proof)).await;
        let again = peer.message("SIP/2.0 401").await;
        assert!(again.contains("stale=TRUE"), "{again}");
        drop(call);
        peer.message("SIP/2.0 500").await;
        assert!(calls.try_recv().is_err());
    }
    let wrong = Credentials { username: "ann".to_owned(), password: Pii::new("x".to_owned()) };
    peer.send(&invite(&peer, "wrong", OFFER)).await;
    let refused = peer.message("SIP/2.0 401").await;
    let challenge = Challenge::first_known(challenges(&refused)).expect("we know our own");
    let proof = challenge.answer(&wrong, "INVITE", "sip:bank@127.0.0.1", "c", 1);
    peer.send(&proven(&peer, "wrong", 2, &proof)).await;
    let refused = peer.message("SIP/2.0 401").await;
    assert!(!refused.contains("stale"), "{refused}");
}

#[tokio::test]
async fn who_is_in_no_trunk_is_told_which_rule_it_is() {
    let (callee, mut calls) = guarded(Access {
        trunks: vec![TrunkConfig::known_by("carrier", &["192.0.2.0/24"])],
        accept_unknown: false,
        ..Access::default()
    })
    .await;
    let peer = RawPeer::new(&callee).await;
    for request in [invite(&peer, "i", OFFER), raw(&peer, "OPTIONS", 1, "o", "", "")] {
        peer.send(&request).await;
        let refused = soon(peer.response()).await;
        assert!(refused.starts_with("SIP/2.0 403 Forbidden\r\n"), "{refused}");
        assert!(refused.contains("accept_unknown is off\"\r\n"), "{refused}");
    }
    assert!(calls.try_recv().is_err());
    assert_eq!(callee.counters().refused.get(&403), Some(&2));
}

#[tokio::test]
async fn a_number_is_there_or_not() {
    let line = |pattern: &str, trunk: Option<&str>| NumberConfig {
        pattern: pattern.to_owned(),
        profile: "p".into(),
        trunk: trunk.map(str::to_owned),
    };
    let (callee, mut calls) = guarded(Access {
        trunks: vec![
            TrunkConfig::known_by("local", &["127.0.0.1/32"]),
            TrunkConfig::known_by("other", &["192.0.2.1/32"]),
        ],
        numbers: vec![line("4420*", None), line("100", Some("other"))],
        ..Access::default()
    })
    .await;
    let peer = RawPeer::new(&callee).await;
    for (number, id, expected) in
        [("nobody", "a", "SIP/2.0 404"), ("100", "b", "SIP/2.0 403"), ("%2B44-20-7", "c", "")]
    {
        let text = invite(&peer, id, OFFER).replace("sip:bank@", &format!("sip:{number}@"));
        peer.send(&text).await;
        if expected.is_empty() {
            let call = soon(calls.recv()).await.expect("the number is there");
            assert_eq!(call.trunk.as_deref(), Some("local"));
            assert_eq!(call.requested.expose(), "+44-20-7");
        } else {
            let refused = peer.message(expected).await;
            assert!(refused.contains("text=\"[numbers]: "), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_scanner_is_ignored_and_a_trunk_is_not() {
    let bans = BanLimits { strikes_max: 3, length: Duration::from_secs(600) };
    let (callee, _calls) = guarded(Access { bans, ..Access::default() }).await;
    let peer = RawPeer::new(&callee).await;
    let mut stream = TcpStream::connect(address(&callee, Transport::Tcp)).await.unwrap();
    for number in 0..4 {
        peer.send(&raw(&peer, "REGISTER", 1, &format!("r{number}"), "", "")).await;
        peer.message("SIP/2.0 405").await;
    }
    peer.send(&raw(&peer, "OPTIONS", 1, "o", "", "")).await;
    // Connections that stand are not heard either, and new ones are closed.
    let over_tcp = raw(&peer, "OPTIONS", 1, "t", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    stream.write_all(format!("{over_tcp}\r\n\r\n").as_bytes()).await.unwrap();
    let mut reply = [0; 16];
    let length = soon(stream.read(&mut reply)).await.unwrap();
    assert_eq!(&reply[..length], b"\r\n", "the ping behind it is all that is answered");
    let mut another = TcpStream::connect(address(&callee, Transport::Tcp)).await.unwrap();
    assert_eq!(soon(another.read(&mut reply)).await.unwrap_or(0), 0, "it is closed");
    let counters = callee.counters();
    assert_eq!((counters.sources_banned, counters.ignored), (1, 3), "{counters:?}");

    let trunks = vec![TrunkConfig::known_by("local", &["127.0.0.0/8"])];
    let (callee, _calls) = guarded(Access { bans, trunks, ..Access::default() }).await;
    let peer = RawPeer::new(&callee).await;
    for number in 0..9 {
        peer.send(&raw(&peer, "REGISTER", 1, &format!("r{number}"), "", "")).await;
        peer.message("SIP/2.0 405").await;
    }
    assert_eq!(callee.counters().sources_banned, 0);
}
