//! Calls that we place, against a peer that speaks plain text: passwords, branches, what is heard
//! before the answer.

use super::super::digest::{Examiner, Shown};
use super::dialogs::{answer_to, cseq, header, newer};
use super::*;
use crate::base::Pii;

fn ann() -> Credentials {
    Credentials { username: "ann".to_owned(), password: Pii::new("secret".to_owned()) }
}

fn calling(peer: &RawPeer) -> OutgoingRequest {
    OutgoingRequest {
        target_uri: format!("sip:bank@{}", peer.local),
        from_user: "1".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    }
}

async fn assert_refused(out: &mut OutgoingCall, expected: u16) {
    match soon(out.next_event()).await {
        Some(OutgoingEvent::Refused { status, .. }) => assert_eq!(status, expected),
        other => panic!("{other:?}"),
    }
    assert!(soon(out.next_event()).await.is_none());
}

/// What comes from us until each of these has come, by its beginning and the end of its To.
async fn all_of(peer: &RawPeer, mut wanted: Vec<(&str, &str)>) -> Vec<String> {
    let mut seen = Vec::new();
    while !wanted.is_empty() {
        let text = soon(peer.response()).await;
        let to = header(&text, "To").unwrap_or_default();
        let is_it = |(start, end): &(&str, &str)| text.starts_with(*start) && to.ends_with(*end);
        if let Some(at) = wanted.iter().position(is_it) {
            wanted.remove(at);
            seen.push(text);
        }
    }
    seen
}

#[tokio::test]
async fn a_password_is_shown_to_whoever_asks_for_it() {
    let (caller, _calls) = endpoint().await;
    let who = ann();
    let known = [(0, &who)];
    let now = Duration::from_secs(1);
    // (refusal, its header, ours, which algorithm)
    let cases = [
        ("401 Unauthorized", "WWW-Authenticate", "Authorization", 0),
        ("407 Proxy Authentication Required", "Proxy-Authenticate", "Proxy-Authorization", 1),
    ];
    for (status, asks, shows, algorithm) in cases {
        let mut examiner =
            Examiner::new("pbx", crate::config::DigestAlgorithm::ALL.to_vec(), [7; 32]);
        let peer = RawPeer::new(&caller).await;
        let request = OutgoingRequest { credentials: Some(who.clone()), ..calling(&peer) };
        let mut out = caller.place_call(request).await.unwrap();
        let mut last = 0;
        // Once because there is none, and once because its nonce has become stale meanwhile.
        for (is_stale, salt) in [(false, 1), (true, 2)] {
            let invite = newer(&peer, "INVITE ", last).await;
            last = cseq(&invite);
            match header(&invite, shows) {
                None => assert!(!is_stale, "{invite}"),
                Some(proof) => {
                    let shown = examiner.check(now, "INVITE", [proof], &known);
                    assert_eq!((shown, is_stale), (Shown::Known(0), true), "{invite}");
                }
            }
            let value = examiner.challenges(now, salt, is_stale)[algorithm].clone();
            let asked = format!("{asks}: {value}\r\n");
            peer.send(&answer_to(&peer, &invite, status, &asked, "")).await;
        }
        let invite = newer(&peer, "INVITE ", last).await;
        let proof = header(&invite, shows).expect("it is shown");
        assert_eq!(examiner.check(now, "INVITE", [proof], &known), Shown::Known(0), "{invite}");
        assert_eq!(invite.matches(&format!("{shows}: ")).count(), 1, "{invite}");
        assert!(invite.ends_with(OFFER), "{invite}");
        peer.send(&answer_to(&peer, &invite, "200 OK", "", ANSWER)).await;
        newer(&peer, "ACK ", last).await;
        let event = soon(out.next_event()).await;
        assert!(matches!(event, Some(OutgoingEvent::Answered { .. })), "{event:?}");
    }
}

#[tokio::test]
async fn a_password_that_is_not_taken_is_not_shown_again() {
    const STALE: &str = ", stale=TRUE";
    let (caller, _calls) = endpoint().await;
    // (who, challenges): as many INVITEs are sent.
    let cases =
        [(None, vec![""]), (Some(ann()), vec!["", ""]), (Some(ann()), vec!["", STALE, STALE])];
    for (credentials, challenges) in cases {
        let peer = RawPeer::new(&caller).await;
        let request = OutgoingRequest { credentials, ..calling(&peer) };
        let mut out = caller.place_call(request).await.unwrap();
        let mut last = 0;
        for more in &challenges {
            let invite = newer(&peer, "INVITE ", last).await;
            last = cseq(&invite);
            let value = format!("Digest realm=\"pbx\", nonce=\"{last}\", qop=\"auth\"{more}");
            let asked = format!("WWW-Authenticate: {value}\r\n");
            peer.send(&answer_to(&peer, &invite, "401 Unauthorized", &asked, "")).await;
        }
        assert_refused(&mut out, 401).await;
        assert_eq!(last as usize, challenges.len());
    }
}

#[tokio::test]
async fn an_invite_carries_what_it_is_given_also_when_it_is_sent_again() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let headers = ExtraHeaders::new(vec![
        ("User-to-User".to_owned(), user_to_user("h-7")),
        ("X-Handoff".to_owned(), "h-7".to_owned()),
    ]);
    let request = OutgoingRequest { headers: headers.unwrap(), ..calling(&peer) };
    let mut out = caller.place_call(request).await.unwrap();
    let mut last = 0;
    for (status, more) in [("422 Too Small", "Min-SE: 4000\r\n"), ("302 Moved", "")] {
        let invite = newer(&peer, "INVITE ", last).await;
        last = cseq(&invite);
        let id = Some("682d37;encoding=hex;purpose=frontdoor");
        assert_eq!(header(&invite, "User-to-User"), id, "{invite}");
        assert_eq!(header(&invite, "X-Handoff"), Some("h-7"), "{invite}");
        peer.send(&answer_to(&peer, &invite, status, more, "")).await;
    }
    // Nobody is called where the 302 points to, though that was the peer itself.
    assert_refused(&mut out, 302).await;
    peer.send(&raw(&peer, "OPTIONS", 1, "marker", "", "")).await;
    loop {
        let text = soon(peer.response()).await;
        assert!(!text.starts_with("INVITE ") || cseq(&text) <= last, "{text}");
        if header(&text, "Call-ID") == Some("marker") {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_heard_before_the_answer_is_told_once_for_each_branch() {
    let (caller, _calls) = endpoint().await;
    for accept_early_media in [true, false] {
        let peer = RawPeer::new(&caller).await;
        let request = OutgoingRequest { accept_early_media, ..calling(&peer) };
        let mut out = caller.place_call(request).await.unwrap();
        let invite = peer.message("INVITE ").await;
        let other = |text: String| text.replace("tag=peer", "tag=other");
        let heard = answer_to(&peer, &invite, "183 Session Progress", "", ANSWER);
        peer.send(&heard).await;
        peer.send(&other(answer_to(&peer, &invite, "180 Ringing", "", HOLD))).await;
        peer.send(&heard).await;
        peer.send(&answer_to(&peer, &invite, "200 OK", "", ANSWER)).await;
        let mut seen = Vec::new();
        loop {
            match soon(out.next_event()).await {
                Some(OutgoingEvent::Ringing) => seen.push("180".to_owned()),
                Some(OutgoingEvent::Progress { status }) => seen.push(status.to_string()),
                Some(OutgoingEvent::EarlyMedia { sdp }) => seen.push(sdp),
                Some(OutgoingEvent::Answered { .. }) => break,
                other => panic!("{other:?}"),
            }
        }
        let expected: &[&str] = match accept_early_media {
            true => &["183", ANSWER, "180", HOLD, "183"],
            false => &["183", "180", "183"],
        };
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn another_branch_that_answers_is_hung_up_on_and_the_call_goes_on() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let mut out = caller.place_call(calling(&peer)).await.unwrap();
    let invite = peer.message("INVITE ").await;
    let ok = answer_to(&peer, &invite, "200 OK", "", ANSWER);
    let other = ok.replace("tag=peer", "tag=other");
    peer.send(&ok).await;
    peer.send(&other).await;
    let wanted = vec![("ACK ", "tag=peer"), ("ACK ", "tag=other"), ("BYE ", "tag=other")];
    for text in all_of(&peer, wanted).await {
        if text.starts_with("BYE ") {
            let reason = "SIP;cause=200;text=\"answered elsewhere, or given up\"";
            assert_eq!(header(&text, "Reason"), Some(reason), "{text}");
            assert!(cseq(&text) > 1, "{text}");
            peer.send(&answer_to(&peer, &text, "200 OK", "", "")).await;
        } else {
            assert_eq!(cseq(&text), 1, "{text}");
        }
    }
    // Either 200 comes again where its ACK was lost.
    peer.send(&other).await;
    peer.send(&ok).await;
    all_of(&peer, vec![("ACK ", "tag=peer"), ("ACK ", "tag=other")]).await;
    let event = soon(out.next_event()).await;
    assert!(matches!(event, Some(OutgoingEvent::Answered { .. })), "{event:?}");
    out.hang_up("done").await;
    let byes = all_of(&peer, vec![("BYE ", "tag=peer")]).await;
    peer.send(&answer_to(&peer, &byes[0], "200 OK", "", "")).await;
    assert_call_ends(&mut out, EndedBy::Local).await;
}

#[tokio::test]
async fn an_answer_behind_a_refusal_is_hung_up_on() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let mut out = caller.place_call(calling(&peer)).await.unwrap();
    let invite = peer.message("INVITE ").await;
    peer.send(&answer_to(&peer, &invite, "486 Busy Here", "", "")).await;
    assert_refused(&mut out, 486).await;
    let late = answer_to(&peer, &invite, "200 OK", "", ANSWER).replace("tag=peer", "tag=late");
    peer.send(&late).await;
    let sent = all_of(&peer, vec![("ACK ", "tag=late"), ("BYE ", "tag=late")]).await;
    assert_eq!(sent.len(), 2);
    assert_eq!(caller.counters().dialogs_open, 0);
}

#[tokio::test]
async fn whoever_we_called_may_leave_the_offer_to_us_and_press_keys() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let mut out = caller.place_call(calling(&peer)).await.unwrap();
    let invite = peer.message("INVITE ").await;
    peer.send(&answer_to(&peer, &invite, "200 OK", "", ANSWER)).await;
    let event = soon(out.next_event()).await;
    assert!(matches!(event, Some(OutgoingEvent::Answered { .. })), "{event:?}");
    let id = header(&invite, "Call-ID").expect("every message has one");
    let ours = header(&invite, "From").and_then(|from| from.split("tag=").nth(1)).unwrap();
    let tag = format!(";tag={ours}");
    let theirs = |method: &str, number: u32, body: &str| {
        raw(&peer, method, number, id, &tag, body).replace(";tag=a\r\n", ";tag=peer\r\n")
    };
    // The second time no offer is made for it: then the session stays as it is.
    for (number, offer) in [(1, Some(HOLD)), (2, None)] {
        peer.send(&theirs("INVITE", number, "")).await;
        match (soon(out.next_event()).await, offer) {
            (Some(OutgoingEvent::OfferWanted { reply }), Some(offer)) => {
                reply.accept(offer.to_owned());
            }
            (Some(OutgoingEvent::OfferWanted { reply }), None) => drop(reply),
            other => panic!("{other:?}"),
        }
        let ok = peer.message("SIP/2.0 200").await;
        assert!(ok.ends_with(HOLD), "{ok}");
        peer.send(&theirs("ACK", number, ANSWER)).await;
        match soon(out.next_event()).await {
            Some(OutgoingEvent::LateAnswer { sdp }) => assert_eq!(sdp, ANSWER),
            other => panic!("{other:?}"),
        }
    }
    let info = theirs("INFO", 3, "Signal=1\r\nDuration=160\r\n");
    peer.send(&info.replace("application/sdp", "application/dtmf-relay")).await;
    let event = soon(out.next_event()).await;
    assert!(matches!(event, Some(OutgoingEvent::Key { key: '1' })), "{event:?}");
}
