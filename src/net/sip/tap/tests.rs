//! What is kept of calls, and of those that were none.

use super::*;

const PEER: &str = "192.0.2.9:5070";

fn peer() -> SocketAddr {
    PEER.parse().expect("an address")
}

fn raw(text: &str) -> RawMessage {
    scan(text.as_bytes()).expect("a start line")
}

fn message(start: &str, call_id: &str, cseq: &str, more: &str) -> String {
    let to = if start.starts_with("INVITE") { "<sip:bank@h>" } else { "<sip:bank@h>;tag=t2" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;received=192.0.2.9;rport=5070\r\n\
         From: <sip:5550123@h>;tag=t1\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}\r\n"
    )
}

fn invite(call_id: &str) -> RawMessage {
    raw(&message("INVITE sip:bank@h SIP/2.0", call_id, "1 INVITE", ""))
}

fn send(tap: &Tap, call_id: &str, status: &str, cseq: &str) {
    let text = message(&format!("SIP/2.0 {status}"), call_id, cseq, "Content-Length: 0\r\n");
    tap.sent(&SipMessage::try_from(text.as_bytes()).expect("the library reads it"), None);
}

fn labels(trace: &SipTrace) -> Vec<&str> {
    trace.messages.iter().map(|message| message.label.as_str()).collect()
}

/// A call that is answered.
fn answered(tap: &Tap, call_id: &str) {
    tap.open(&invite(call_id), Transport::Udp, peer());
    send(tap, call_id, "200 OK", "1 INVITE");
}

fn bye(tap: &Tap, call_id: &str) {
    let bye = raw(&message("BYE sip:bank@h SIP/2.0", call_id, "2 BYE", ""));
    tap.received(&bye, Transport::Udp, peer());
}

#[tokio::test]
async fn a_call_is_kept_from_invite_to_the_answer_to_its_bye() {
    let tap = Tap::new(true);
    answered(&tap, "a");
    tap.received(
        &raw(&message("ACK sip:bank@h SIP/2.0", "a", "1 ACK", "")),
        Transport::Udp,
        peer(),
    );
    // Another's messages are not taken for it.
    bye(&tap, "b");
    bye(&tap, "a");
    let taken = tokio::join!(tap.take("a", Duration::from_secs(60)), async {
        send(&tap, "a", "200 OK", "2 BYE");
    });
    let trace = taken.0.expect("it was traced");
    assert_eq!(labels(&trace), ["INVITE", "200 OK", "ACK", "BYE", "200 OK"]);
    let ways = trace.messages.iter().map(|message| message.direction == TraceDirection::Sent);
    assert_eq!(ways.collect::<Vec<_>>(), [false, true, false, false, true]);
    assert!(trace.messages.iter().all(|message| message.peer == Some(peer())), "{trace:?}");
    assert!(trace.messages.windows(2).all(|two| two[0].at <= two[1].at), "{trace:?}");
    assert!(!format!("{trace:?}").contains("5550123"), "{trace:?}");
    assert!(tap.take("a", Duration::ZERO).await.is_none(), "it is taken once");
    assert!(tap.take_refused().is_empty());
}

#[tokio::test]
async fn the_beginning_and_the_end_of_a_long_call_stay() {
    let tap = Tap::new(true);
    answered(&tap, "a");
    for n in 0..200 {
        let ping = message("OPTIONS sip:bank@h SIP/2.0", "a", &format!("{n} OPTIONS"), "");
        tap.received(&raw(&ping), Transport::Udp, peer());
    }
    bye(&tap, "a");
    let trace = tap.take("a", Duration::ZERO).await.expect("it was traced");
    assert_eq!(trace.messages.len(), FIRST_MAX + LAST_MAX);
    assert_eq!((trace.left_out, trace.gap_at), (203 - 100, FIRST_MAX));
    let labels = labels(&trace);
    assert_eq!((labels[0], labels[labels.len() - 1]), ("INVITE", "BYE"));
    let long = "X".repeat(4_000);
    answered(&tap, "b");
    for _ in 0..60 {
        let more = format!("Allow: {long}\r\n");
        tap.received(
            &raw(&message("UPDATE sip:bank@h SIP/2.0", "b", "2 UPDATE", &more)),
            Transport::Udp,
            peer(),
        );
    }
    let trace = tap.take("b", Duration::ZERO).await.expect("it was traced");
    let bytes: usize = trace.messages.iter().map(|message| message.text.len()).sum();
    assert!(bytes < TEXT_BYTES_MAX + 60 * 100, "{bytes}");
    let last = &trace.messages[trace.messages.len() - 1].text;
    assert_eq!(last, "UPDATE sip:[redacted]@h SIP/2.0\n");
}

#[tokio::test]
async fn refused_calls_are_told_with_their_rule() {
    let tap = Tap::new(true);
    // By the server, after it was let in.
    tap.open(&invite("a"), Transport::Tcp, peer());
    let text = message(
        "SIP/2.0 503 Service Unavailable",
        "a",
        "1 INVITE",
        "Reason: SIP;cause=503;text=\"server.calls_max: 8 calls at once\"\r\nContent-Length: 0\r\n",
    );
    tap.sent(&SipMessage::try_from(text.as_bytes()).expect("read"), Some(peer()));
    assert!(tap.take("a", Duration::ZERO).await.is_none(), "it became no call");
    // At the door, the same one three times.
    let answer = message(
        "SIP/2.0 404 Not Found",
        "b",
        "1 INVITE",
        "Reason: SIP;cause=404;text=\"[numbers]: no line\"\r\n",
    );
    for _ in 0..3 {
        tap.refused(&invite("b"), answer.as_bytes(), (Transport::Udp, peer()));
    }
    // Requests that are no calls are none that were refused.
    let stray = raw(&message("BYE sip:bank@h SIP/2.0", "c", "2 BYE", ""));
    tap.refused(&stray, answer.as_bytes(), (Transport::Udp, peer()));
    let refused = tap.take_refused();
    let told: Vec<_> = refused.iter().map(|r| (r.status, r.reason.as_str(), r.times)).collect();
    assert_eq!(
        told,
        [(503, "server.calls_max: 8 calls at once", 1), (404, "[numbers]: no line", 3)]
    );
    assert_eq!(labels(&refused[1].trace), ["INVITE", "404 Not Found"]);
    assert_eq!((refused[1].source, refused[1].transport), (peer(), Transport::Udp));
    assert!(tap.take_refused().is_empty());
}

#[tokio::test]
async fn a_password_that_is_asked_for_is_no_refusal_and_belongs_to_the_call() {
    let tap = Tap::new(true);
    let asked = message("SIP/2.0 401 Unauthorized", "a", "1 INVITE", "");
    tap.refused(&invite("a"), asked.as_bytes(), (Transport::Udp, peer()));
    assert!(tap.take_refused().is_empty());
    answered(&tap, "a");
    let trace = tap.take("a", Duration::ZERO).await.expect("it was traced");
    assert_eq!(labels(&trace), ["INVITE", "401 Unauthorized", "INVITE", "200 OK"]);
    // A wrong one is.
    let shown = raw(&message(
        "INVITE sip:bank@h SIP/2.0",
        "b",
        "2 INVITE",
        "Authorization: Digest x=y\r\n",
    ));
    tap.refused(&shown, asked.as_bytes(), (Transport::Udp, peer()));
    assert_eq!(tap.take_refused()[0].reason, "401 Unauthorized");
}

#[tokio::test]
async fn a_flood_is_looked_at_for_a_moment_only_and_the_latest_stay() {
    let tap = Tap::new(true);
    let answer = message("SIP/2.0 403 Forbidden", "x", "1 INVITE", "");
    for n in 0..1_000 {
        let invite = invite(&format!("call-{n}"));
        tap.refused(&invite, answer.as_bytes(), (Transport::Udp, peer()));
    }
    // However slow this machine is: so many in each second that it took, and one began.
    let kept = tap.take_refused().len();
    assert!((REFUSED_PER_S_MAX as usize..=REFUSED_MAX).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_leg_that_takes_over_belongs_to_the_call() {
    let tap = Tap::new(true);
    answered(&tap, "old");
    tap.open(&invite("new"), Transport::Tcp, "192.0.2.10:5060".parse().expect("an address"));
    send(&tap, "new", "200 OK", "1 INVITE");
    tap.join("new", "old");
    bye(&tap, "old");
    send(&tap, "old", "200 OK", "2 BYE");
    bye(&tap, "new");
    send(&tap, "new", "200 OK", "2 BYE");
    let trace = tap.take("old", Duration::ZERO).await.expect("it was traced");
    let expected = ["INVITE", "200 OK", "INVITE", "200 OK", "BYE", "200 OK", "BYE", "200 OK"];
    assert_eq!(labels(&trace), expected);
    assert_eq!(trace.messages[2].peer.map(|peer| peer.port()), Some(5060));
    assert!(tap.take("new", Duration::ZERO).await.is_none(), "it is no call of its own");
}

#[test]
fn calls_that_nobody_asks_for_make_room() {
    let tap = Tap::new(true);
    for n in 0..TRACES_MAX + 5 {
        tap.open(&invite(&format!("call-{n}")), Transport::Udp, peer());
    }
    let state = tap.state.as_ref().map(locked).expect("it is on");
    assert_eq!(state.traces.len(), TRACES_MAX);
    assert!(!state.traces.contains_key("call-0") && state.traces.contains_key("call-2052"));
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be() {
    let tap = Tap::new(false);
    answered(&tap, "a");
    assert!(!tap.is_on() && tap.take("a", Duration::from_secs(60)).await.is_none());
    assert!(tap.take_refused().is_empty());
}
