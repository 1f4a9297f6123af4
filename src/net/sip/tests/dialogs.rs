//! What happens within a call, against a peer that speaks plain text: refreshes, crossings, races.

use super::*;

/// A request with more header lines.
pub(super) fn with(request: &str, headers: &str) -> String {
    request.replacen("Max-Forwards", &format!("{headers}\r\nMax-Forwards"), 1)
}

/// A response of the peer to a request of ours; `to_tag` is added if there is none.
pub(super) fn answer_to(
    peer: &RawPeer,
    request: &str,
    status: &str,
    headers: &str,
    body: &str,
) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or(line);
        match name {
            "Via" | "From" | "Call-ID" | "CSeq" => text.push_str(&format!("{line}\r\n")),
            "To" if line.contains("tag=") => text.push_str(&format!("{line}\r\n")),
            "To" => text.push_str(&format!("{line};tag=peer\r\n")),
            _ => {}
        }
    }
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let (local, length) = (peer.local, body.len());
    text.push_str(&format!(
        "Contact: <sip:ann@{local}>\r\n{headers}{kind}Content-Length: {length}\r\n\r\n{body}"
    ));
    text
}

pub(super) fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub(super) fn cseq(message: &str) -> u32 {
    let value = header(message, "CSeq").expect("every message has one");
    value.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The next message that starts like this and has a higher CSeq: no repetition.
pub(super) async fn newer(peer: &RawPeer, start: &str, than: u32) -> String {
    loop {
        let text = peer.message(start).await;
        if cseq(&text) > than {
            return text;
        }
    }
}

/// The final response to the first request of this Call-ID.
pub(super) async fn verdict_on(peer: &RawPeer, id: &str) -> String {
    loop {
        let text = peer.message("SIP/2.0 ").await;
        if header(&text, "Call-ID") == Some(id) && !text.starts_with("SIP/2.0 1") {
            return text;
        }
    }
}

async fn endpoint_with(session: SessionLimits) -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    SipEndpoint::bind(SipConfig { session, ..config() }).await.expect("loopback can be bound")
}

/// A call from the peer that is up: our leg and our tag.
pub(super) async fn up(
    calls: &mut mpsc::Receiver<IncomingCall>,
    peer: &RawPeer,
    id: &str,
    headers: &str,
) -> (SipLeg, String) {
    peer.send(&with(&invite(peer, id, OFFER), headers)).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 200").await);
    peer.send(&raw(peer, "ACK", 1, id, &tag, "")).await;
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    (leg, tag)
}

pub(super) const PLAIN: &str = "X-Nothing: here";

#[tokio::test]
async fn session_timers_are_agreed_with_callers() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    // (headers, status, Session-Expires, Require or Min-SE)
    let cases = [
        (PLAIN, "200", Some("1800;refresher=uas"), None),
        ("Supported: timer", "200", Some("1800;refresher=uas"), Some("Require: timer")),
        (
            "Supported: timer\r\nSession-Expires: 600",
            "200",
            Some("600;refresher=uac"),
            Some("Require: timer"),
        ),
        (
            "k: timer\r\nx: 600;refresher=uas",
            "200",
            Some("600;refresher=uas"),
            Some("Require: timer"),
        ),
        ("Session-Expires: 600", "200", Some("600;refresher=uas"), None),
        ("Supported: timer\r\nSession-Expires: 60", "422", None, Some("Min-SE: 90")),
        ("Session-Expires: 60", "200", Some("90;refresher=uas"), None),
    ];
    for (number, (headers, status, expires, other)) in cases.into_iter().enumerate() {
        let id = format!("timer{number}");
        peer.send(&with(&invite(&peer, &id, OFFER), headers)).await;
        let leg = match status {
            "200" => {
                let call = soon(calls.recv()).await.unwrap();
                Some(call.answer(ANSWER.to_owned()).await.unwrap())
            }
            _ => None,
        };
        let answer = verdict_on(&peer, &id).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{headers}\n{answer}");
        assert_eq!(header(&answer, "Session-Expires"), expires, "{headers}\n{answer}");
        let has_require = answer.contains("Require: timer\r\n");
        match other {
            Some(line) => assert!(answer.contains(&format!("{line}\r\n")), "{headers}\n{answer}"),
            None => assert!(!has_require, "{headers}\n{answer}"),
        }
        peer.send(&raw(&peer, "ACK", 1, &id, &to_tag(&answer), "")).await;
        drop(leg);
    }
}

#[tokio::test]
async fn a_caller_that_knows_no_timers_is_asked_whether_it_is_still_there() {
    let limits = SessionLimits { expires_s: 2, min_s: 1 };
    for (allow, method) in [(PLAIN, "INVITE"), ("Allow: INVITE, UPDATE", "UPDATE")] {
        let (callee, mut calls) = endpoint_with(limits).await;
        let peer = RawPeer::new(&callee).await;
        let (mut leg, _) = up(&mut calls, &peer, "refresh", allow).await;
        let body = if method == "INVITE" { OFFER } else { "" };
        let mut last = 0;
        for _ in 0..2 {
            let refresh = newer(&peer, &format!("{method} "), last).await;
            assert_eq!(header(&refresh, "Session-Expires"), Some("2;refresher=uac"), "{refresh}");
            last = cseq(&refresh);
            let sent = refresh.split_once("\r\n\r\n").expect("a body, if empty").1;
            assert_eq!(sent, if method == "INVITE" { ANSWER } else { "" });
            peer.send(&answer_to(&peer, &refresh, "200 OK", "", body)).await;
            if method == "INVITE" {
                assert_eq!(cseq(&peer.message("ACK ").await), last);
            }
        }
        // Then it is gone: 481 ends the call here as well.
        let refresh = newer(&peer, &format!("{method} "), last).await;
        peer.send(&answer_to(&peer, &refresh, "481 Gone", "", "")).await;
        peer.message("BYE ").await;
        assert_leg_ends(&mut leg, EndedBy::Timeout).await;
    }
}

#[tokio::test]
async fn a_peer_that_refuses_update_is_refreshed_by_invite_and_may_change_the_session() {
    let (callee, mut calls) = endpoint_with(SessionLimits { expires_s: 2, min_s: 1 }).await;
    let peer = RawPeer::new(&callee).await;
    let (mut leg, _) = up(&mut calls, &peer, "no-update", "Allow: INVITE, UPDATE").await;
    let update = peer.message("UPDATE ").await;
    peer.send(&answer_to(&peer, &update, "405 No", "", "")).await;
    let refresh = peer.message("INVITE ").await;
    peer.send(&answer_to(&peer, &refresh, "200 OK", "", HOLD)).await;
    peer.message("ACK ").await;
    match soon(leg.next_event()).await {
        Some(LegEvent::LateAnswer { sdp }) => assert_eq!(sdp, HOLD),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_caller_that_does_not_refresh_is_hung_up_on() {
    let (callee, mut calls) = endpoint_with(SessionLimits { expires_s: 1, min_s: 1 }).await;
    let peer = RawPeer::new(&callee).await;
    let timer = "Supported: timer\r\nSession-Expires: 1;refresher=uac";
    let (mut leg, _) = up(&mut calls, &peer, "expires", timer).await;
    let bye = peer.message("BYE ").await;
    let reason = "SIP;cause=408;text=\"the session was not refreshed in time\"";
    assert_eq!(header(&bye, "Reason"), Some(reason), "{bye}");
    assert_leg_ends(&mut leg, EndedBy::SessionExpired).await;
}

#[tokio::test]
async fn a_callee_may_demand_a_longer_interval() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let request = OutgoingRequest {
        target_uri: format!("sip:bank@{}", peer.local),
        from_user: "1".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    };
    let mut out = caller.place_call(request).await.unwrap();
    let first = peer.message("INVITE ").await;
    assert_eq!(header(&first, "Session-Expires"), Some("1800"), "{first}");
    assert_eq!(header(&first, "Min-SE"), Some("90"), "{first}");
    assert_eq!(header(&first, "Supported"), Some("timer"), "{first}");
    let refusal = "422 Session Interval Too Small";
    peer.send(&answer_to(&peer, &first, refusal, "Min-SE: 4000\r\n", "")).await;
    peer.message("ACK ").await;
    let second = peer.message("INVITE ").await;
    assert_eq!(cseq(&second), cseq(&first) + 1);
    assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
    assert_eq!(header(&second, "Session-Expires"), Some("4000"), "{second}");
    assert_eq!(header(&second, "Min-SE"), Some("4000"), "{second}");
    peer.send(&answer_to(&peer, &second, "200 OK", "", ANSWER)).await;
    assert_eq!(cseq(&peer.message("ACK ").await), 2);
    assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Answered { .. })));
}

#[tokio::test]
async fn update_refreshes_and_changes_the_session() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (mut leg, tag) = up(&mut calls, &peer, "update", PLAIN).await;
    // Without an offer nobody is asked.
    let timer = "Supported: timer\r\nSession-Expires: 300;refresher=uac";
    peer.send(&with(&raw(&peer, "UPDATE", 2, "update", &tag, ""), timer)).await;
    let ok = soon(peer.response()).await;
    assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
    assert_eq!(header(&ok, "Session-Expires"), Some("300;refresher=uac"), "{ok}");
    assert!(header(&ok, "Contact").is_some(), "{ok}");
    let short = "Supported: timer\r\nSession-Expires: 30";
    peer.send(&with(&raw(&peer, "UPDATE", 3, "update", &tag, ""), short)).await;
    let refused = soon(peer.response()).await;
    assert!(refused.starts_with("SIP/2.0 422 "), "{refused}");
    assert_eq!(header(&refused, "Min-SE"), Some("90"), "{refused}");
    // With one it is a change like any other, taken or refused.
    for (number, taken) in [(4, true), (5, false)] {
        peer.send(&raw(&peer, "UPDATE", number, "update", &tag, HOLD)).await;
        match soon(leg.next_event()).await {
            Some(LegEvent::Reoffer { offer_sdp, reply }) => {
                assert_eq!(offer_sdp, HOLD);
                match taken {
                    true => reply.accept(ANSWER.to_owned()),
                    false => drop(reply),
                }
            }
            other => panic!("{other:?}"),
        }
        let answer = soon(peer.response()).await;
        match taken {
            true => assert!(answer.starts_with("SIP/2.0 200 ") && answer.ends_with(ANSWER)),
            false => {
                let warning = "304 frontdoor \"nobody decided on the offered session\"";
                assert!(answer.starts_with("SIP/2.0 488 "), "{answer}");
                assert_eq!(header(&answer, "Warning"), Some(warning), "{answer}");
            }
        }
    }
    // While one is undecided, another has to wait.
    peer.send(&raw(&peer, "UPDATE", 6, "update", &tag, HOLD)).await;
    let Some(LegEvent::Reoffer { reply, .. }) = soon(leg.next_event()).await else {
        panic!("the offer is asked about")
    };
    for (number, method) in [(7, "UPDATE"), (8, "INVITE")] {
        peer.send(&raw(&peer, method, number, "update", &tag, OFFER)).await;
        let later = peer.message("SIP/2.0 500 ").await;
        let seconds = header(&later, "Retry-After").and_then(|value| value.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| seconds <= 10), "{later}");
    }
    // Who hangs up meanwhile gets an answer to both.
    peer.send(&raw(&peer, "BYE", 9, "update", &tag, "")).await;
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let text = soon(peer.response()).await;
        if [6, 9].contains(&cseq(&text)) {
            answers.push(text[8..11].to_owned());
        }
    }
    answers.sort();
    assert_eq!(answers, ["200", "487"]);
    drop(reply);
}

#[tokio::test]
async fn offers_that_cross_are_refused_and_made_again() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (leg, tag) = up(&mut calls, &peer, "glare", PLAIN).await;
    let ((), answer) = tokio::join!(
        async {
            let ours = peer.message("INVITE ").await;
            for (number, method) in [(2, "INVITE"), (3, "UPDATE")] {
                peer.send(&raw(&peer, method, number, "glare", &tag, OFFER)).await;
                let crossed = peer.message("SIP/2.0 491 ").await;
                let reason = "SIP;cause=491;text=\"an offer of ours is not answered yet\"";
                assert_eq!(header(&crossed, "Reason"), Some(reason), "{crossed}");
            }
            peer.send(&answer_to(&peer, &ours, "491 Request Pending", "", "")).await;
            // At most two seconds later, because the Call-ID is theirs.
            let again = newer(&peer, "INVITE ", cseq(&ours)).await;
            assert!(again.ends_with(HOLD), "{again}");
            peer.send(&answer_to(&peer, &again, "200 OK", "", OFFER)).await;
            assert_eq!(cseq(&peer.message("ACK ").await), cseq(&again));
        },
        soon(leg.reinvite(HOLD.to_owned())),
    );
    assert_eq!(answer.expect("taken the second time"), OFFER);
}

#[tokio::test]
async fn a_required_reliable_ringing_is_repeated_until_its_prack() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&with(&invite(&peer, "rel", OFFER), "Require: 100rel")).await;
    let mut call = soon(calls.recv()).await.unwrap();
    call.ringing().await.unwrap();
    let ringing = peer.message("SIP/2.0 180 ").await;
    assert_eq!(header(&ringing, "Require"), Some("100rel"), "{ringing}");
    let again = peer.message("SIP/2.0 180 ").await;
    assert_eq!(ringing, again);
    let rseq: u32 = header(&ringing, "RSeq").and_then(|value| value.parse().ok()).unwrap();
    let tag = to_tag(&ringing);
    let prack = |number: u32, rack: String| {
        with(&raw(&peer, "PRACK", number, "rel", &tag, ""), &format!("RAck: {rack}"))
    };
    for (number, rack, status) in [
        (2, format!("{} 1 INVITE", rseq + 1), "481"),
        (3, format!("{rseq} 1 INVITE"), "200"),
        (4, format!("{rseq} 1 INVITE"), "481"),
    ] {
        peer.send(&prack(number, rack)).await;
        let answer = loop {
            let text = soon(peer.response()).await;
            if cseq(&text) == number {
                break text;
            }
        };
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{answer}");
    }
    let leg = call.answer(ANSWER.to_owned()).await.unwrap();
    let ok = peer.message("SIP/2.0 200").await;
    assert_eq!(header(&ok, "RSeq"), None, "{ok}");
    drop(leg);
}

#[tokio::test]
async fn a_reliable_ringing_without_a_prack_refuses_the_call() {
    let (callee, mut calls) = impatient_endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&with(&invite(&peer, "norel", OFFER), "Require: 100rel")).await;
    let mut call = soon(calls.recv()).await.unwrap();
    call.ringing().await.unwrap();
    let refused = peer.message("SIP/2.0 504 ").await;
    assert!(refused.contains("no PRACK came"), "{refused}");
    soon(call.cancelled()).await;
}

#[tokio::test]
async fn a_call_is_taken_over_by_one_that_names_it() {
    let (callee, mut calls) = endpoint().await;
    let (old, new) = (RawPeer::new(&callee).await, RawPeer::new(&callee).await);
    let (mut leg, tag) = up(&mut calls, &old, "old", PLAIN).await;
    let our_tag = tag.trim_start_matches(";tag=");
    let names = format!("Replaces: old;to-tag={our_tag};from-tag=a");
    let cases = [
        (format!("{names};early-only"), "486"),
        (names.replace("from-tag=a", "from-tag=b"), "481"),
        (names.replace(our_tag, "none"), "481"),
        (names.replace("to-tag", "t"), "400"),
    ];
    for (number, (replaces, status)) in cases.into_iter().enumerate() {
        let id = format!("r{number}");
        new.send(&with(&invite(&new, &id, OFFER), &replaces)).await;
        let refused = verdict_on(&new, &id).await;
        assert!(refused.starts_with(&format!("SIP/2.0 {status} ")), "{replaces}\n{refused}");
        assert!(header(&refused, "Reason").is_some(), "{refused}");
    }
    new.send(&with(&invite(&new, "new", HOLD), &names)).await;
    let Some(LegEvent::Replaced { call }) = soon(leg.next_event()).await else {
        panic!("the old leg is told")
    };
    assert_eq!((call.sip_call_id.as_str(), call.offer_sdp.as_deref()), ("new", Some(HOLD)));
    let mut next = call.answer(ANSWER.to_owned()).await.unwrap();
    let new_tag = to_tag(&verdict_on(&new, "new").await);
    new.send(&raw(&new, "ACK", 1, "new", &new_tag, "")).await;
    assert!(matches!(soon(next.next_event()).await, Some(LegEvent::Confirmed)));
    leg.hang_up("replaced").await;
    old.message("BYE ").await;
    assert_leg_ends(&mut leg, EndedBy::Local).await;
    assert!(calls.try_recv().is_err(), "it is no new call");
}

#[tokio::test]
async fn a_call_is_taken_over_while_others_are_refused() {
    let (callee, mut calls) = endpoint().await;
    let (old, new) = (RawPeer::new(&callee).await, RawPeer::new(&callee).await);
    let (mut leg, tag) = up(&mut calls, &old, "old", PLAIN).await;
    for id in ["first", "second"] {
        old.send(&invite(&old, id, OFFER)).await;
        old.message("SIP/2.0 100 ").await;
    }
    let names = |tag: &str| format!("Replaces: old;to-tag={tag};from-tag=a");
    for (id, headers) in [("third", PLAIN.to_owned()), ("fourth", names("none"))] {
        new.send(&with(&invite(&new, id, OFFER), &headers)).await;
        let refused = verdict_on(&new, id).await;
        assert!(refused.starts_with("SIP/2.0 503 "), "{headers}\n{refused}");
    }
    let names = names(tag.trim_start_matches(";tag="));
    new.send(&with(&invite(&new, "new", HOLD), &names)).await;
    let Some(LegEvent::Replaced { call }) = soon(leg.next_event()).await else {
        panic!("the old leg is told")
    };
    assert_eq!(call.sip_call_id, "new");
}

#[tokio::test]
async fn a_call_that_is_not_answered_yet_cannot_be_taken_over() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "ringing", OFFER)).await;
    let mut call = soon(calls.recv()).await.unwrap();
    call.ringing().await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 180 ").await);
    let names = format!("Replaces: ringing;to-tag={};from-tag=a", &tag[5..]);
    peer.send(&with(&invite(&peer, "taker", OFFER), &names)).await;
    let refused = verdict_on(&peer, "taker").await;
    assert!(refused.starts_with("SIP/2.0 481 "), "{refused}");
    // It rings on.
    let _leg = call.answer(ANSWER.to_owned()).await.unwrap();
    peer.message("SIP/2.0 200").await;
}

#[tokio::test]
async fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "crossed", OFFER)).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 200").await);
    let cancel = raw(&peer, "CANCEL", 1, "crossed", "", "");
    peer.send(&cancel.replace("crossed1CANCEL", "crossed1INVITE")).await;
    let answer = loop {
        let text = peer.message("SIP/2.0 ").await;
        if header(&text, "CSeq") == Some("1 CANCEL") {
            break text;
        }
    };
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    peer.send(&raw(&peer, "ACK", 1, "crossed", &tag, "")).await;
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    // The caller, who wanted to give up, hangs up then.
    peer.send(&raw(&peer, "BYE", 2, "crossed", &tag, "")).await;
    assert_leg_ends(&mut leg, EndedBy::Remote).await;
}

#[tokio::test]
async fn a_bye_in_place_of_the_ack_ends_the_call_and_the_repetitions() {
    let (callee, mut calls) = impatient_endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "impatient", OFFER)).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(ANSWER.to_owned()).await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 200").await);
    peer.send(&raw(&peer, "BYE", 2, "impatient", &tag, "")).await;
    assert_leg_ends(&mut leg, EndedBy::Remote).await;
    loop {
        let text = peer.message("SIP/2.0 200").await;
        if header(&text, "CSeq") == Some("2 BYE") {
            break;
        }
    }
    // What follows is the answer to this, and neither another 200 nor a BYE of ours.
    peer.send(&raw(&peer, "OPTIONS", 1, "after", "", "")).await;
    let mut others = 0;
    loop {
        let text = soon(peer.response()).await;
        if header(&text, "Call-ID") == Some("after") {
            break;
        }
        assert!(text.starts_with("SIP/2.0 200"), "{text}");
        others += 1;
    }
    // One may have been on its way already.
    assert!(others <= 1, "{others}");
}

#[tokio::test]
async fn an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let request = OutgoingRequest {
        target_uri: format!("sip:bank@{}", peer.local),
        from_user: "1".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    };
    let mut out = caller.place_call(request).await.unwrap();
    let invite = peer.message("INVITE ").await;
    peer.send(&answer_to(&peer, &invite, "180 Ringing", "", "")).await;
    assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Ringing)));
    out.cancel().await;
    let cancel = peer.message("CANCEL ").await;
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    peer.send(&answer_to(&peer, &invite, "200 OK", "", ANSWER)).await;
    peer.send(&answer_to(&peer, &cancel, "200 OK", "", "")).await;
    assert_eq!(cseq(&peer.message("ACK ").await), 1);
    let bye = peer.message("BYE ").await;
    peer.send(&answer_to(&peer, &bye, "200 OK", "", "")).await;
    assert_call_ends(&mut out, EndedBy::Local).await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_keeps_its_calls() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (mut leg, tag) = up(&mut calls, &peer, "kept", PLAIN).await;
    callee.refuse_new_calls();
    for (request, id) in [
        (raw(&peer, "OPTIONS", 1, "probe", "", ""), "probe"),
        (invite(&peer, "late-comer", OFFER), "late-comer"),
    ] {
        peer.send(&request).await;
        let refused = peer.message("SIP/2.0 503 ").await;
        assert_eq!(header(&refused, "Call-ID"), Some(id));
        assert_eq!(header(&refused, "Retry-After"), Some("30"), "{refused}");
        let reason = "SIP;cause=503;text=\"the server is stopping\"";
        assert_eq!(header(&refused, "Reason"), Some(reason), "{refused}");
    }
    assert!(calls.try_recv().is_err());
    // Within the call all goes on.
    for (number, method) in [(2, "OPTIONS"), (3, "UPDATE")] {
        peer.send(&raw(&peer, method, number, "kept", &tag, "")).await;
        peer.message("SIP/2.0 200 ").await;
    }
    peer.send(&raw(&peer, "REFER", 4, "kept", &tag, "")).await;
    let refused = peer.message("SIP/2.0 403 ").await;
    assert!(refused.contains("callers cannot have us call somebody"), "{refused}");
    peer.send(&raw(&peer, "BYE", 5, "kept", &tag, "")).await;
    assert_leg_ends(&mut leg, EndedBy::Remote).await;
}

#[tokio::test]
async fn keys_come_by_info() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (mut leg, tag) = up(&mut calls, &peer, "keys", PLAIN).await;
    let cases = [
        (2, "application/dtmf-relay", "Signal=7\r\nDuration=160\r\n", "200", Some('7')),
        (3, "application/dtmf", "#", "200", Some('#')),
        (4, "application/x-whatever", "7", "415", None),
        (5, "application/sdp", "", "200", None),
    ];
    for (number, kind, body, status, pressed) in cases {
        let info = raw(&peer, "INFO", number, "keys", &tag, body);
        peer.send(&info.replace("application/sdp", kind)).await;
        let answer = newer(&peer, "SIP/2.0 ", number - 1).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{kind}\n{answer}");
        if status == "415" {
            let accepted = "application/dtmf-relay, application/dtmf";
            assert_eq!(header(&answer, "Accept"), Some(accepted), "{answer}");
        }
        if let Some(pressed) = pressed {
            let event = soon(leg.next_event()).await;
            assert!(matches!(event, Some(LegEvent::Key { key }) if key == pressed), "{event:?}");
        }
    }
}

#[tokio::test]
async fn a_late_offer_without_an_answer_in_the_ack_ends_the_call() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "no-answer", "")).await;
    let mut leg = soon(calls.recv()).await.unwrap().answer(OFFER.to_owned()).await.unwrap();
    let ok = peer.message("SIP/2.0 200").await;
    assert!(ok.ends_with(OFFER), "{ok}");
    peer.send(&raw(&peer, "ACK", 1, "no-answer", &to_tag(&ok), "")).await;
    let bye = peer.message("BYE ").await;
    assert!(bye.contains("no answer in ACK"), "{bye}");
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    assert_leg_ends(&mut leg, EndedBy::Local).await;
}

#[tokio::test]
async fn a_call_of_ours_is_refreshed_as_its_callee_says() {
    let (caller, _calls) = endpoint_with(SessionLimits { expires_s: 2, min_s: 1 }).await;
    // (what the callee says, what we do)
    for (expires, next) in [("2;refresher=uac", "INVITE "), ("1;refresher=uas", "BYE ")] {
        let peer = RawPeer::new(&caller).await;
        let request = OutgoingRequest {
            target_uri: format!("sip:bank@{}", peer.local),
            from_user: "1".to_owned(),
            offer_sdp: OFFER.to_owned(),
            ..OutgoingRequest::default()
        };
        let mut out = caller.place_call(request).await.unwrap();
        let invite = peer.message("INVITE ").await;
        let timer = format!("Require: timer\r\nSession-Expires: {expires}\r\n");
        peer.send(&answer_to(&peer, &invite, "200 OK", &timer, ANSWER)).await;
        peer.message("ACK ").await;
        assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Answered { .. })));
        let request = newer(&peer, next, 1).await;
        match next {
            "BYE " => assert_call_ends(&mut out, EndedBy::SessionExpired).await,
            _ => {
                assert_eq!(header(&request, "Session-Expires"), Some("2;refresher=uac"));
                assert!(request.ends_with(OFFER), "{request}");
                peer.send(&answer_to(&peer, &request, "200 OK", &timer, ANSWER)).await;
                assert_eq!(cseq(&peer.message("ACK ").await), cseq(&request));
            }
        }
    }
}

#[tokio::test]
async fn a_callee_may_demand_that_its_ringing_is_acknowledged() {
    let (caller, _calls) = endpoint().await;
    let peer = RawPeer::new(&caller).await;
    let request = OutgoingRequest {
        target_uri: format!("sip:bank@{}", peer.local),
        from_user: "1".to_owned(),
        offer_sdp: OFFER.to_owned(),
        accept_early_media: true,
        ..OutgoingRequest::default()
    };
    let mut out = caller.place_call(request).await.unwrap();
    let first = peer.message("INVITE ").await;
    let required = "Require: 100rel\r\n";
    peer.send(&answer_to(&peer, &first, "421 Extension Required", required, "")).await;
    let invite = newer(&peer, "INVITE ", 1).await;
    assert_eq!(header(&invite, "Supported"), Some("100rel, timer"), "{invite}");
    // The second comes out of order first, and its turn only after the one before it.
    for (rseq, acknowledged) in [(5, Some(3)), (7, None), (6, Some(4)), (7, Some(5))] {
        let reliable = format!("{required}RSeq: {rseq}\r\n");
        let body = if rseq == 5 { ANSWER } else { "" };
        // The status differs, so that the transaction layer takes none for a repetition.
        let status = format!("18{} Progress", rseq - 4);
        peer.send(&answer_to(&peer, &invite, &status, &reliable, body)).await;
        let Some(number) = acknowledged else { continue };
        let prack = newer(&peer, "PRACK ", number - 1).await;
        assert_eq!(header(&prack, "RAck"), Some(format!("{rseq} 2 INVITE").as_str()), "{prack}");
        assert_eq!(cseq(&prack), number);
        assert!(prack.contains("tag=peer"), "{prack}");
        peer.send(&answer_to(&peer, &prack, "200 OK", "", "")).await;
    }
    // The answer came early, and need not come again.
    peer.send(&answer_to(&peer, &invite, "200 OK", "", "")).await;
    assert_eq!(cseq(&peer.message("ACK ").await), 2);
    // What came out of order was told of in order, and once.
    for number in 181..=183 {
        let event = soon(out.next_event()).await;
        assert!(
            matches!(event, Some(OutgoingEvent::Progress { status }) if status == number),
            "{event:?}"
        );
        // The first one has brought the answer.
        if number == 181 {
            match soon(out.next_event()).await {
                Some(OutgoingEvent::EarlyMedia { sdp }) => assert_eq!(sdp, ANSWER),
                other => panic!("{other:?}"),
            }
        }
    }
    match soon(out.next_event()).await {
        Some(OutgoingEvent::Answered { sdp }) => assert_eq!(sdp, ANSWER),
        other => panic!("{other:?}"),
    }
    out.hang_up("done").await;
    assert_eq!(cseq(&peer.message("BYE ").await), 6);
}
