//! Registering, against a registrar that speaks plain text.

use super::*;
use crate::base::Pii;

const CHALLENGE: &str = "Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";

/// A registrar's socket, and the plan of a registration there.
async fn registrar() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("sip:{}", socket.local_addr().unwrap());
    (socket, uri)
}

async fn registering(registrars: Vec<String>) -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let plan = RegisterPlan {
        trunk: "pbx".to_owned(),
        registrars,
        username: "100".to_owned(),
        credentials: Credentials {
            username: "100".to_owned(),
            password: Pii::new("secret".to_owned()),
        },
        expires_s: 600,
    };
    let access = Access { accept_unknown: false, ..Access::default() };
    let config = SipConfig { registrations: vec![plan], access, ..config() };
    SipEndpoint::bind(config).await.expect("loopback can be bound")
}

async fn request(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = soon(socket.recv_from(&mut buffer)).await.unwrap();
    (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let line =
        text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with(':'));
    line.map_or("", |line| line[name.len() + 1..].trim())
}

async fn answer(socket: &UdpSocket, asked: &(String, SocketAddr), status: &str, more: &str) {
    let (text, from) = asked;
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        answer.push_str(&format!("{name}: {}\r\n", header(text, name)));
    }
    answer
        .push_str(&format!("To: {};tag=r\r\n{more}Content-Length: 0\r\n\r\n", header(text, "To")));
    socket.send_to(answer.as_bytes(), from).await.unwrap();
}

async fn registered(endpoint: &SipEndpoint) -> RegistrationState {
    let mut state = endpoint.registration_state(0);
    let found = soon(state.wait_for(|state| matches!(state, RegistrationState::Registered { .. })));
    found.await.expect("it runs").clone()
}

#[tokio::test]
async fn we_register_with_a_password_and_take_it_back() {
    let (socket, uri) = registrar().await;
    let (us, mut calls) = registering(vec![uri.clone()]).await;
    let first = request(&socket).await;
    assert!(first.0.starts_with(&format!("REGISTER {uri} SIP/2.0\r\n")), "{}", first.0);
    assert_eq!(header(&first.0, "Expires"), "600");
    answer(&socket, &first, "401 Unauthorized", &format!("WWW-Authenticate: {CHALLENGE}\r\n"))
        .await;
    let second = request(&socket).await;
    let proof = header(&second.0, "Authorization");
    assert!(
        proof.contains("algorithm=SHA-256") && proof.contains(&format!("uri=\"{uri}\"")),
        "{proof}"
    );
    assert_eq!(header(&second.0, "Call-ID"), header(&first.0, "Call-ID"));
    let contact = header(&second.0, "Contact").replace("expires=600", "expires=120");
    let more = format!("Contact: <sip:100@192.0.2.1>;expires=9, {contact}\r\n");
    answer(&socket, &second, "200 OK", &more).await;
    match registered(&us).await {
        RegistrationState::Registered { granted, .. } => {
            assert_eq!(granted, Duration::from_secs(120));
        }
        other => panic!("{other:?}"),
    }
    // The registrar's calls are the trunk's, whoever else is unknown.
    let peer = RawPeer::new(&us).await;
    peer.send(&invite(&peer, "in", OFFER)).await;
    let call = soon(calls.recv()).await.expect("the call arrives");
    assert_eq!(call.trunk.as_deref(), Some("pbx"));
    us.unregister();
    let last = request(&socket).await;
    assert_eq!(header(&last.0, "Expires"), "0");
    answer(&socket, &last, "200 OK", "").await;
    drop(call);
    soon(us.shutdown()).await;
    assert_eq!(us.registrations(), [("pbx".to_owned(), RegistrationState::Left)]);
}

#[tokio::test]
async fn a_peer_that_is_there_answers_whether_it_likes_us_or_not() {
    let (socket, uri) = registrar().await;
    let (us, _calls) = endpoint().await;
    let (pong, ()) = tokio::join!(us.ping(&uri), async {
        let asked = request(&socket).await;
        assert!(asked.0.starts_with("OPTIONS sip:"), "{}", asked.0);
        answer(&socket, &asked, "403 Forbidden", "").await;
    });
    assert_eq!(pong.expect("it is there").status, 403);
    let error = us.ping("sip:127.0.0.1:9;transport=tcp").await.expect_err("nobody listens there");
    assert!(matches!(error, SipError::NoPath { .. }), "{error}");
}

#[tokio::test]
async fn the_second_registrar_is_used_when_the_first_refuses() {
    let ((first, one), (second, two)) = (registrar().await, registrar().await);
    let (us, _calls) = registering(vec![one, two.clone()]).await;
    let asked = request(&first).await;
    answer(&first, &asked, "503 Service Unavailable", "").await;
    let asked = request(&second).await;
    answer(&second, &asked, "423 Interval Too Brief", "Min-Expires: 900\r\n").await;
    let asked = request(&second).await;
    assert_eq!(header(&asked.0, "Expires"), "900");
    answer(&second, &asked, "200 OK", "Expires: 900\r\n").await;
    let expected =
        RegistrationState::Registered { registrar: two, granted: Duration::from_secs(900) };
    assert_eq!(registered(&us).await, expected);
}
