//! Transfers that we ask for, against a peer that speaks plain text.

use super::dialogs::{PLAIN, answer_to, cseq, header, newer, up, with};
use super::*;

fn to_agent() -> Referral {
    let (target_uri, headers) = ("sip:agent@192.0.2.7".to_owned(), ExtraHeaders::default());
    Referral { target_uri, replaces: None, headers }
}

/// A NOTIFY of the peer within the call `id`; `headers` name the event.
fn notify(
    peer: &RawPeer,
    number: u32,
    (id, tag): (&str, &str),
    headers: &str,
    body: &str,
) -> String {
    let text = with(&raw(peer, "NOTIFY", number, id, tag, body), headers);
    text.replace("application/sdp", "message/sipfrag;version=2.0")
}

/// What a request of the peer is answered with.
async fn answer_of(peer: &RawPeer, method: &str, number: u32) -> String {
    let wanted = format!("{number} {method}");
    loop {
        let text = peer.message("SIP/2.0 ").await;
        if header(&text, "CSeq") == Some(wanted.as_str()) {
            return text;
        }
    }
}

async fn assert_status(peer: &RawPeer, method: &str, number: u32, status: u16) -> String {
    let answer = answer_of(peer, method, number).await;
    assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{answer}");
    answer
}

/// A transfer that the peer has accepted, and its REFER, which is newer than this CSeq.
async fn accepted(
    leg: &SipLeg,
    peer: &RawPeer,
    than: u32,
) -> (mpsc::Receiver<ReferralEvent>, String) {
    let mut events = soon(leg.refer(to_agent())).await.expect("it is sent");
    let refer = newer(peer, "REFER ", than).await;
    peer.send(&answer_to(peer, &refer, "202 Accepted", "", "")).await;
    assert_eq!(soon(events.recv()).await, Some(ReferralEvent::Accepted));
    (events, refer)
}

/// The last event, and nothing behind it.
async fn assert_last(events: &mut mpsc::Receiver<ReferralEvent>, expected: ReferralEvent) {
    assert_eq!(soon(events.recv()).await, Some(expected));
    assert_eq!(soon(events.recv()).await, None);
}

const ACTIVE: &str = "Event: refer\r\nSubscription-State: active;expires=60";
const TERMINATED: &str = "Event: refer\r\nSubscription-State: terminated;reason=noresource";

#[tokio::test]
async fn a_blind_transfer_is_followed_to_its_end() {
    let busy = ReferralEvent::Failed { status: 486, reason: "Busy Here".to_owned() };
    let untold = "the other side stopped telling of the transfer before its outcome";
    for (last, expected) in [
        ("SIP/2.0 200 OK\r\n", ReferralEvent::Succeeded),
        ("SIP/2.0 486 Busy Here\r\n", busy),
        ("", ReferralEvent::Lost { why: untold }),
    ] {
        let (callee, mut calls) = endpoint().await;
        let peer = RawPeer::new(&callee).await;
        let (mut leg, tag) = up(&mut calls, &peer, "blind", PLAIN).await;
        let call = ("blind", tag.as_str());
        let (mut events, refer) = accepted(&leg, &peer, 0).await;
        let target = format!("REFER sip:ann@{} SIP/2.0\r\n", peer.local);
        assert!(refer.starts_with(&target), "{refer}");
        assert_eq!(header(&refer, "Refer-To"), Some("<sip:agent@192.0.2.7>"), "{refer}");
        assert_eq!(header(&refer, "Referred-By"), Some("<sip:bank@127.0.0.1>"), "{refer}");
        assert!(header(&refer, "Contact").is_some(), "{refer}");
        assert_eq!(header(&refer, "User-to-User"), None, "{refer}");
        peer.send(&notify(&peer, 2, call, ACTIVE, "SIP/2.0 180 Ringing\r\n")).await;
        assert_status(&peer, "NOTIFY", 2, 200).await;
        assert_eq!(soon(events.recv()).await, Some(ReferralEvent::Progress { status: 180 }));
        peer.send(&notify(&peer, 3, call, TERMINATED, last)).await;
        assert_status(&peer, "NOTIFY", 3, 200).await;
        assert_last(&mut events, expected).await;
        // The subscription is over, and the call is not.
        peer.send(&notify(&peer, 4, call, TERMINATED, last)).await;
        let refused = assert_status(&peer, "NOTIFY", 4, 481).await;
        assert!(refused.contains("no transfer that we asked for"), "{refused}");
        peer.send(&raw(&peer, "BYE", 5, "blind", &tag, "")).await;
        assert_leg_ends(&mut leg, EndedBy::Remote).await;
    }
}

#[tokio::test]
async fn a_transfer_that_is_refused_has_failed_and_the_call_goes_on() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (mut leg, tag) = up(&mut calls, &peer, "no", PLAIN).await;
    let mut events = soon(leg.refer(to_agent())).await.expect("it is sent");
    let refer = peer.message("REFER ").await;
    peer.send(&answer_to(&peer, &refer, "403 No Transfers", "", "")).await;
    let failed = ReferralEvent::Failed { status: 403, reason: "No Transfers".to_owned() };
    assert_last(&mut events, failed).await;
    peer.send(&raw(&peer, "OPTIONS", 2, "no", &tag, "")).await;
    assert_status(&peer, "OPTIONS", 2, 200).await;
    let target_uri = "tel:+15551234".to_owned();
    let error = soon(leg.refer(Referral { target_uri, ..to_agent() })).await;
    assert!(matches!(error, Err(SipError::BadTarget { .. })), "{error:?}");
    leg.hang_up("done").await;
    assert_leg_ends(&mut leg, EndedBy::Local).await;
    let error = soon(leg.refer(to_agent())).await;
    assert!(matches!(error, Err(SipError::CallOver)), "{error:?}");
}

#[tokio::test]
async fn a_call_that_is_not_known_over_there_ends_with_its_transfer() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (mut leg, _) = up(&mut calls, &peer, "gone", PLAIN).await;
    let mut events = soon(leg.refer(to_agent())).await.expect("it is sent");
    let refer = peer.message("REFER ").await;
    peer.send(&answer_to(&peer, &refer, "481 Gone", "", "")).await;
    let failed = ReferralEvent::Failed { status: 481, reason: "Gone".to_owned() };
    assert_last(&mut events, failed).await;
    peer.message("BYE ").await;
    assert_leg_ends(&mut leg, EndedBy::Timeout).await;
}

#[tokio::test]
async fn a_transfer_that_is_not_answered_has_failed_and_the_call_goes_on() {
    let (callee, mut calls) = impatient_endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (leg, tag) = up(&mut calls, &peer, "ignored", PLAIN).await;
    let mut events = soon(leg.refer(to_agent())).await.expect("it is sent");
    peer.message("REFER ").await;
    let event = soon(events.recv()).await;
    assert!(matches!(event, Some(ReferralEvent::Failed { status: 408, .. })), "{event:?}");
    assert_eq!(soon(events.recv()).await, None);
    peer.send(&raw(&peer, "OPTIONS", 2, "ignored", &tag, "")).await;
    assert_status(&peer, "OPTIONS", 2, 200).await;
}

#[tokio::test]
async fn a_transfer_of_which_nothing_is_heard_is_lost_and_the_call_goes_on() {
    let (callee, mut calls) = impatient_endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (leg, tag) = up(&mut calls, &peer, "silent", PLAIN).await;
    let (mut events, _) = accepted(&leg, &peer, 0).await;
    let why = "nothing was heard of the transfer after it was accepted";
    assert_last(&mut events, ReferralEvent::Lost { why }).await;
    peer.send(&notify(&peer, 2, ("silent", &tag), TERMINATED, "SIP/2.0 200 OK\r\n")).await;
    assert_status(&peer, "NOTIFY", 2, 481).await;
    peer.send(&raw(&peer, "OPTIONS", 3, "silent", &tag, "")).await;
    assert_status(&peer, "OPTIONS", 3, 200).await;
}

#[tokio::test]
async fn who_hangs_up_before_the_outcome_leaves_it_unknown() {
    for by in [EndedBy::Remote, EndedBy::Local] {
        let (callee, mut calls) = endpoint().await;
        let peer = RawPeer::new(&callee).await;
        let (mut leg, tag) = up(&mut calls, &peer, "bye", PLAIN).await;
        let (mut events, _) = accepted(&leg, &peer, 0).await;
        peer.send(&notify(&peer, 2, ("bye", &tag), ACTIVE, "SIP/2.0 100 Trying\r\n")).await;
        assert_eq!(soon(events.recv()).await, Some(ReferralEvent::Progress { status: 100 }));
        let why = match by {
            EndedBy::Remote => {
                peer.send(&raw(&peer, "BYE", 3, "bye", &tag, "")).await;
                "the other side hung up before it told the outcome of the transfer"
            }
            _ => {
                leg.hang_up("done").await;
                "we hung up before the outcome of the transfer was known"
            }
        };
        assert_last(&mut events, ReferralEvent::Lost { why }).await;
        assert_leg_ends(&mut leg, by).await;
    }
}

#[tokio::test]
async fn several_transfers_of_a_call_are_told_apart() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    let (leg, tag) = up(&mut calls, &peer, "many", PLAIN).await;
    let call = ("many", tag.as_str());
    let (mut first, one) = accepted(&leg, &peer, 0).await;
    let (mut second, two) = accepted(&leg, &peer, cseq(&one)).await;
    let named = |id: u32| TERMINATED.replace("refer", &format!("refer;id={id}"));
    peer.send(&notify(&peer, 2, call, &named(99), "SIP/2.0 200 OK\r\n")).await;
    assert_status(&peer, "NOTIFY", 2, 481).await;
    peer.send(&notify(&peer, 3, call, &named(cseq(&two)), "SIP/2.0 603 Decline\r\n")).await;
    assert_status(&peer, "NOTIFY", 3, 200).await;
    let declined = ReferralEvent::Failed { status: 603, reason: "Decline".to_owned() };
    assert_last(&mut second, declined).await;
    // Without a name it is the first one's.
    peer.send(&notify(&peer, 4, call, TERMINATED, "SIP/2.0 200 OK\r\n")).await;
    assert_status(&peer, "NOTIFY", 4, 200).await;
    assert_last(&mut first, ReferralEvent::Succeeded).await;
    // More than can be told apart are not begun.
    let mut begun = Vec::new();
    for _ in 0..4 {
        begun.push(soon(leg.refer(to_agent())).await.expect("there is room"));
    }
    let error = soon(leg.refer(to_agent())).await;
    assert!(matches!(error, Err(SipError::TooManyReferrals)), "{error:?}");
}

#[tokio::test]
async fn only_what_was_asked_for_and_can_be_read_is_taken() {
    let (callee, mut calls) = endpoint().await;
    let peer = RawPeer::new(&callee).await;
    peer.send(&invite(&peer, "odd", OFFER)).await;
    let mut call = soon(calls.recv()).await.unwrap();
    call.ringing().await.unwrap();
    let tag = to_tag(&peer.message("SIP/2.0 180 ").await);
    let trying = "SIP/2.0 100 Trying\r\n";
    // Neither before the answer, nor before anything was asked for.
    peer.send(&notify(&peer, 2, ("odd", &tag), ACTIVE, trying)).await;
    assert_status(&peer, "NOTIFY", 2, 481).await;
    let mut leg = call.answer(ANSWER.to_owned()).await.unwrap();
    peer.message("SIP/2.0 200").await;
    peer.send(&raw(&peer, "ACK", 1, "odd", &tag, "")).await;
    assert!(matches!(soon(leg.next_event()).await, Some(LegEvent::Confirmed)));
    peer.send(&notify(&peer, 3, ("odd", &tag), ACTIVE, trying)).await;
    assert_status(&peer, "NOTIFY", 3, 481).await;
    let (mut events, _) = accepted(&leg, &peer, 0).await;
    let other_event = ACTIVE.replace("refer", "message-summary");
    let cases = [
        (4, ACTIVE, "message/sipfrag", "hello", 400),
        (5, ACTIVE, "message/sipfrag", "SIP/2.0 1000 Odd\r\n", 400),
        (6, ACTIVE, "text/plain", trying, 415),
        (7, other_event.as_str(), "message/sipfrag", trying, 481),
        (8, PLAIN, "message/sipfrag", trying, 481),
        (9, "Event: refer", "message/sipfrag", "", 200),
        (10, "o: refer", "Message/SipFrag", trying, 200),
    ];
    for (number, headers, kind, body, status) in cases {
        let text = notify(&peer, number, ("odd", &tag), headers, body);
        peer.send(&text.replace("message/sipfrag;version=2.0", kind)).await;
        let answer = assert_status(&peer, "NOTIFY", number, status).await;
        if status == 415 {
            assert_eq!(header(&answer, "Accept"), Some("message/sipfrag"), "{answer}");
        }
    }
    assert_eq!(callee.counters().malformed.get(&MalformedKind::Fragment), Some(&2));
    assert_eq!(callee.counters().malformed_total(), 2);
    assert_eq!(soon(events.recv()).await, Some(ReferralEvent::Progress { status: 100 }));
    peer.send(&raw(&peer, "REFER", 11, "odd", &tag, "")).await;
    let refused = assert_status(&peer, "REFER", 11, 403).await;
    assert!(refused.contains("callers cannot have us call somebody"), "{refused}");
}

#[tokio::test]
async fn a_call_that_we_placed_is_named_and_transferred() {
    let (us, mut calls) = endpoint().await;
    let (peer, agent) = (RawPeer::new(&us).await, RawPeer::new(&us).await);
    let (leg, _) = up(&mut calls, &peer, "asked", PLAIN).await;
    let request = OutgoingRequest {
        target_uri: format!("sip:agent@{}", agent.local),
        from_user: "1".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    };
    let mut out = us.place_call(request).await.unwrap();
    let invite = agent.message("INVITE ").await;
    assert_eq!(out.replaces_id(), None);
    let error = soon(out.refer(to_agent())).await;
    assert!(matches!(error, Err(SipError::NotAnswered)), "{error:?}");
    agent.send(&answer_to(&agent, &invite, "200 OK", "", ANSWER)).await;
    assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Answered { .. })));
    // The caller's side is to take our place in that call.
    let headers = ExtraHeaders::new(vec![
        ("User-to-User".to_owned(), user_to_user("h-7")),
        ("X-Handoff".to_owned(), "h-7".to_owned()),
    ]);
    let referral = Referral {
        target_uri: "sip:agent@192.0.2.7:5070;transport=tcp".to_owned(),
        replaces: out.replaces_id(),
        headers: headers.unwrap(),
    };
    let _events = soon(leg.refer(referral)).await.expect("it is sent");
    let refer = peer.message("REFER ").await;
    let call_id = header(&invite, "Call-ID").expect("every message has one");
    let ours = header(&invite, "From").and_then(|from| from.split("tag=").nth(1)).unwrap();
    let expected = format!(
        "<sip:agent@192.0.2.7:5070;transport=tcp\
         ?Replaces={call_id}%3Bto-tag%3Dpeer%3Bfrom-tag%3D{ours}\
         &User-to-User=682d37%3Bencoding%3Dhex%3Bpurpose%3Dfrontdoor&X-Handoff=h-7>"
    );
    assert_eq!(header(&refer, "Refer-To"), Some(expected.as_str()), "{refer}");
    let id = Some("682d37;encoding=hex;purpose=frontdoor");
    assert_eq!(header(&refer, "User-to-User"), id, "{refer}");
    assert_eq!(header(&refer, "X-Handoff"), None, "{refer}");
    // The agent can be sent elsewhere just as well.
    let mut events = soon(out.refer(to_agent())).await.expect("it is sent");
    let refer = agent.message("REFER ").await;
    agent.send(&answer_to(&agent, &refer, "202 Accepted", "", "")).await;
    assert_eq!(soon(events.recv()).await, Some(ReferralEvent::Accepted));
    let tag = format!(";tag={ours}");
    let text = notify(&agent, 1, (call_id, &tag), TERMINATED, "SIP/2.0 200 OK\r\n");
    agent.send(&text.replace(";tag=a\r\n", ";tag=peer\r\n")).await;
    assert_status(&agent, "NOTIFY", 1, 200).await;
    assert_last(&mut events, ReferralEvent::Succeeded).await;
}
