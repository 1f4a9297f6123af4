//! What an endpoint keeps of real calls.

use super::*;

async fn traced() -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let config = SipConfig { trace: true, ..config() };
    SipEndpoint::bind(config).await.expect("loopback can be bound")
}

#[tokio::test]
async fn a_call_is_traced_from_invite_to_bye_without_its_number() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (caller, _calls) = endpoint().await;
        let (callee, mut calls) = traced().await;
        let (mut out, mut leg) = answered_call(&caller, (&callee, &mut calls), transport).await;
        let call_id = out.sip_call_id.clone();
        out.hang_up("done").await;
        assert_leg_ends(&mut leg, EndedBy::Remote).await;
        assert_call_ends(&mut out, EndedBy::Local).await;
        let taken = callee.take_trace(&call_id, Duration::from_secs(20));
        let trace = soon(taken).await.expect("it was traced");
        let labels: Vec<&str> = trace.messages.iter().map(|m| m.label.as_str()).collect();
        let expected = ["INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK"];
        assert_eq!(labels, expected, "{transport}");
        let offers = trace.messages.iter().map(|message| message.has_sdp);
        let expected = [true, false, false, true, false, false, false];
        assert_eq!(offers.collect::<Vec<_>>(), expected, "{transport}");
        let theirs = trace.messages[0].peer.expect("it came from somewhere");
        for message in &trace.messages {
            assert_eq!((message.transport, message.peer), (transport, Some(theirs)), "{message:?}");
            assert!(!message.text.contains("+1555"), "{}", message.text);
        }
        assert!(trace.messages[0].text.contains("m=audio 4000 RTP/AVP 0"), "{trace:?}");
        assert!(callee.take_refused().is_empty());
        soon(caller.shutdown()).await;
        soon(callee.shutdown()).await;
    }
}

#[tokio::test]
async fn refused_calls_are_kept_with_the_rule_whoever_refused_them() {
    let (caller, _calls) = endpoint().await;
    let (callee, mut calls) = traced().await;
    let request = request_to(&callee, Transport::Udp);
    let mut out = caller.place_call(request).await.expect("a way there");
    let call = soon(calls.recv()).await.expect("the call arrives");
    call.refuse(486, Some("all are busy".to_owned()), None).await.expect("it is refused");
    // Whatever it is told: the refusal has arrived.
    assert!(soon(out.next_event()).await.is_some());
    // And one that is refused without a transaction.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (us, them) = (socket.local_addr().unwrap(), address(&callee, Transport::Udp));
    let invite = format!(
        "INVITE sip:bank@{them} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKr1;rport\r\n\
         From: <sip:5550123@{us}>;tag=f1\r\nTo: <sip:bank@{them}>\r\nCall-ID: r1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:5550123@{us}>\r\nMax-Forwards: 70\r\n\
         Require: teleport\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(invite.as_bytes(), them).await.unwrap();
    let mut buffer = [0; 2_000];
    soon(socket.recv_from(&mut buffer)).await.unwrap();
    let refused = callee.take_refused();
    let told: Vec<_> = refused.iter().map(|call| (call.status, call.source.ip())).collect();
    assert_eq!(told, [(486, us.ip()), (420, us.ip())]);
    assert_eq!(refused[0].reason, "all are busy");
    assert_eq!(refused[1].source, us);
    assert!(!format!("{refused:?}").contains("5550123"), "{refused:?}");
    soon(caller.shutdown()).await;
    soon(callee.shutdown()).await;
}
