//! Trunks: asked and asking whether somebody is there, and found through the DNS.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::dialogs::{answer_to, cseq, header};
use super::dns::{DnsServer, a, srv};
use super::*;
use crate::base::Pii;
use crate::config::TrunkConfig;

/// Lines that are taken or not, as a test says.
#[derive(Debug, Default)]
struct Lines {
    are_taken: AtomicBool,
}

impl Vacancy for Lines {
    fn full(&self, trunk: Option<&str>, source: IpAddr) -> Option<Full> {
        assert!(source.is_loopback());
        let reason = format!("{}: 2 calls at once", trunk.unwrap_or("nobody"));
        self.are_taken.load(Ordering::Relaxed).then_some(Full { reason, retry_after_s: 10 })
    }
}

#[tokio::test]
async fn who_asks_first_is_told_what_a_call_would_run_into() {
    let lines = Arc::new(Lines::default());
    let access = Access {
        trunks: vec![TrunkConfig::known_by("dispatcher", &["127.0.0.1/32"])],
        ..Access::default()
    };
    let config = SipConfig { access, vacancy: Some(lines.clone()), ..config() };
    let (us, _calls) = SipEndpoint::bind(config).await.expect("loopback can be bound");
    let peer = RawPeer::new(&us).await;
    for (id, are_taken) in [("free", false), ("full", true), ("again", false)] {
        lines.are_taken.store(are_taken, Ordering::Relaxed);
        peer.send(&raw(&peer, "OPTIONS", 1, id, "", "")).await;
        if !are_taken {
            let ok = peer.message("SIP/2.0 200 ").await;
            assert_eq!(header(&ok, "Call-ID"), Some(id));
            for name in ["Allow", "Accept", "Supported"] {
                assert!(header(&ok, name).is_some(), "{name} is missing in {ok}");
            }
            continue;
        }
        let refused = peer.message("SIP/2.0 503 ").await;
        assert_eq!(header(&refused, "Retry-After"), Some("10"), "{refused}");
        let reason = "SIP;cause=503;text=\"dispatcher: 2 calls at once\"";
        assert_eq!(header(&refused, "Reason"), Some(reason), "{refused}");
    }
    assert_eq!(us.counters().refused.get(&503), Some(&1));
}

/// A SIP server that answers OPTIONS with a status that can be changed, and whatever else with 200.
struct Server {
    uri: String,
    status: Arc<AtomicU16>,
}

impl Server {
    async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let local = socket.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let answers = status.clone();
        tokio::spawn(async move {
            let peer = RawPeer { socket, local };
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = peer.socket.recv_from(&mut buffer).await {
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let status = match request.starts_with("OPTIONS ") {
                    true => answers.load(Ordering::Relaxed),
                    false => 200,
                };
                let answer = answer_to(&peer, &request, &format!("{status} So"), "", "");
                _ = peer.socket.send_to(answer.as_bytes(), from).await;
            }
        });
        Self { uri: format!("sip:{local}"), status }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

fn keepalive(uris: Vec<String>) -> KeepalivePlan {
    KeepalivePlan { trunk: "pbx".to_owned(), uris, every: Duration::from_millis(20) }
}

fn register_plan(registrars: Vec<String>) -> RegisterPlan {
    let credentials =
        Credentials { username: "100".to_owned(), password: Pii::new("secret".to_owned()) };
    let (trunk, username) = ("pbx".to_owned(), "100".to_owned());
    RegisterPlan { trunk, registrars, username, credentials, expires_s: 600 }
}

async fn stands(us: &SipEndpoint, at: usize, wanted: fn(&TrunkState) -> bool) -> TrunkReach {
    let mut reach = us.trunk_reach(at);
    soon(reach.wait_for(|reach| wanted(&reach.state))).await.expect("it is asked").clone()
}

#[tokio::test]
async fn a_trunk_that_goes_and_comes_is_seen() {
    let server = Server::new().await;
    // Whoever answers is there, whatever it thinks of the question.
    server.answers(404);
    let plan = keepalive(vec![server.uri.clone()]);
    let config = SipConfig { keepalives: vec![plan], ..config() };
    let (us, _calls) = SipEndpoint::bind(config).await.expect("loopback can be bound");
    let is_up = |state: &TrunkState| *state == TrunkState::Up;
    let up = stands(&us, 0, is_up).await;
    assert_eq!((up.trunk.as_str(), &up.uri), ("pbx", &server.uri));
    assert_eq!(us.counters().trunk_addresses_down, 0);
    server.answers(503);
    let down = stands(&us, 0, |state| matches!(state, TrunkState::Down { .. })).await;
    match down.state {
        TrunkState::Down { reason } => assert!(reason.ends_with(" answered 503"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let counters = us.counters();
    assert!(counters.keepalives_missed >= 3, "{counters:?}");
    assert_eq!(counters.trunk_addresses_down, 1);
    server.answers(200);
    stands(&us, 0, is_up).await;
    assert_eq!(us.counters().trunk_addresses_down, 0);
    assert_eq!(us.trunks().len(), 1);
    soon(us.shutdown()).await;
}

fn is_at(state: &RegistrationState, uri: &str) -> bool {
    match state {
        RegistrationState::Registered { registrar, .. } => registrar == uri,
        _ => false,
    }
}

#[tokio::test]
async fn a_registrar_that_went_silent_is_left_before_the_registration_ends() {
    let (first, second) = (Server::new().await, Server::new().await);
    let registrars = vec![first.uri.clone(), second.uri.clone()];
    let config = SipConfig {
        registrations: vec![register_plan(registrars.clone())],
        keepalives: vec![keepalive(registrars)],
        ..config()
    };
    let (us, _calls) = SipEndpoint::bind(config).await.expect("loopback can be bound");
    let mut state = us.registration_state(0);
    soon(state.wait_for(|state| is_at(state, &first.uri))).await.expect("it runs");
    first.answers(503);
    soon(state.wait_for(|state| is_at(state, &second.uri))).await.expect("it runs");
    soon(us.shutdown()).await;
}

/// Two servers that SRV records name with these priorities, and the DNS server that has those.
async fn two_servers(priorities: [u16; 2]) -> (DnsServer, RawPeer, RawPeer) {
    let sockets = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    let [first, second] = sockets.map(|socket| {
        let local = socket.local_addr().unwrap();
        RawPeer { socket, local }
    });
    let name = "_sip._udp.pbx.example";
    let dns = DnsServer::with(vec![
        srv(name, [priorities[1], 1, second.local.port()], "two.pbx.example"),
        srv(name, [priorities[0], 1, first.local.port()], "one.pbx.example"),
        a("one.pbx.example", [127, 0, 0, 1]),
        a("two.pbx.example", [127, 0, 0, 1]),
    ])
    .await;
    (dns, first, second)
}

/// Who asks for those servers, the first one before the second.
async fn behind_records(transaction_limit: Duration) -> (SipEndpoint, RawPeer, RawPeer) {
    let (dns, first, second) = two_servers([10, 20]).await;
    let option = EndpointOption {
        t1: Duration::from_millis(10),
        t1x64: transaction_limit,
        ..EndpointOption::default()
    };
    let config = SipConfig { dns_server: Some(dns.address), ..config() };
    let (us, _) = SipEndpoint::bind_with(config, option).await.expect("loopback can be bound");
    (us, first, second)
}

/// The next request that starts like this, and who sent it.
async fn request(peer: &RawPeer, start: &str) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    loop {
        let (length, from) = soon(peer.socket.recv_from(&mut buffer)).await.unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with(start) {
            return (text, from);
        }
    }
}

async fn answer(peer: &RawPeer, asked: &(String, SocketAddr), status: &str, body: &str) {
    let text = answer_to(peer, &asked.0, status, "", body);
    peer.socket.send_to(text.as_bytes(), asked.1).await.unwrap();
}

fn to_domain() -> OutgoingRequest {
    OutgoingRequest {
        target_uri: "sip:bank@pbx.example".to_owned(),
        from_user: "1".to_owned(),
        offer_sdp: OFFER.to_owned(),
        ..OutgoingRequest::default()
    }
}

#[tokio::test]
async fn a_call_goes_to_the_next_server_when_the_first_is_out_of_service() {
    let (us, first, second) = behind_records(Duration::from_secs(30)).await;
    let found = us.servers("sip:pbx.example").await.expect("there are two");
    let ports: Vec<u16> = found.iter().map(|hop| hop.address.port()).collect();
    assert_eq!(ports, [first.local.port(), second.local.port()]);
    let mut out = us.place_call(to_domain()).await.expect("a way there");
    let asked = request(&first, "INVITE sip:bank@pbx.example SIP/2.0").await;
    answer(&first, &asked, "503 Service Unavailable", "").await;
    let again = request(&second, "INVITE sip:bank@pbx.example SIP/2.0").await;
    assert_eq!((cseq(&asked.0), cseq(&again.0)), (1, 2));
    assert_ne!(header(&asked.0, "Via"), header(&again.0, "Via"));
    assert!(again.0.ends_with(OFFER), "{}", again.0);
    answer(&second, &again, "200 OK", ANSWER).await;
    assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Answered { .. })));
    assert_eq!(cseq(&request(&second, "ACK ").await.0), 2);
    // The next one goes to the second at once, for a while.
    let found = us.servers("sip:pbx.example").await.expect("there are two");
    assert_eq!(found[0].address, second.local);
    let mut next = us.place_call(to_domain()).await.expect("a way there");
    let asked = loop {
        // The first call's may have been repeated before it was answered.
        let asked = request(&second, "INVITE ").await;
        if header(&asked.0, "Call-ID") == Some(next.sip_call_id.as_str()) {
            break asked;
        }
    };
    answer(&second, &asked, "486 Busy Here", "").await;
    match soon(next.next_event()).await {
        Some(OutgoingEvent::Refused { status: 486, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_goes_to_the_next_server_when_the_first_is_silent() {
    let (us, first, second) = behind_records(Duration::from_millis(640)).await;
    let mut out = us.place_call(to_domain()).await.expect("a way there");
    request(&first, "INVITE ").await;
    let asked = request(&second, "INVITE ").await;
    answer(&second, &asked, "200 OK", ANSWER).await;
    assert!(matches!(soon(out.next_event()).await, Some(OutgoingEvent::Answered { .. })));
}

#[tokio::test]
async fn a_server_that_was_silent_until_we_gave_up_is_asked_last() {
    let (us, first, second) = behind_records(Duration::from_millis(640)).await;
    let mut out = us.place_call(to_domain()).await.expect("a way there");
    request(&first, "INVITE ").await;
    out.cancel().await;
    assert_call_ends(&mut out, EndedBy::Local).await;
    let found = us.servers("sip:pbx.example").await.expect("there are two");
    assert_eq!(found[0].address, second.local);
}

#[tokio::test]
async fn a_name_is_there_if_one_of_its_servers_is() {
    let (us, first, second) = behind_records(Duration::from_secs(30)).await;
    let (pong, ()) = tokio::join!(us.ping("sip:pbx.example"), async {
        let asked = request(&first, "OPTIONS sip:pbx.example SIP/2.0").await;
        answer(&first, &asked, "503 Service Unavailable", "").await;
        let asked = request(&second, "OPTIONS sip:pbx.example SIP/2.0").await;
        answer(&second, &asked, "200 OK", "").await;
    });
    let pong = pong.expect("the second is there");
    assert_eq!((pong.status, pong.from), (200, second.local));
}

/// The REGISTER with this CSeq, and whether it came to the first of two servers.
async fn registered_at(
    first: &RawPeer,
    second: &RawPeer,
    wanted: u32,
) -> (bool, (String, SocketAddr)) {
    loop {
        let (is_first, asked) = tokio::select! {
            asked = request(first, "REGISTER ") => (true, asked),
            asked = request(second, "REGISTER ") => (false, asked),
        };
        if cseq(&asked.0) == wanted {
            return (is_first, asked);
        }
    }
}

#[tokio::test]
async fn a_challenge_is_answered_where_it_came_from() {
    // Either server may be drawn each time, so once would prove little.
    for _ in 0..8 {
        let (dns, first, second) = two_servers([10, 10]).await;
        let registrations = vec![register_plan(vec!["sip:pbx.example".to_owned()])];
        let config = SipConfig { registrations, dns_server: Some(dns.address), ..config() };
        let (us, _calls) = SipEndpoint::bind(config).await.expect("loopback can be bound");
        let (is_first, asked) = registered_at(&first, &second, 1).await;
        let peer = if is_first { &first } else { &second };
        let challenge = "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\"\r\n";
        let text = answer_to(peer, &asked.0, "401 Unauthorized", challenge, "");
        peer.socket.send_to(text.as_bytes(), asked.1).await.unwrap();
        let (is_first_again, asked) = registered_at(&first, &second, 2).await;
        assert!(header(&asked.0, "Authorization").is_some(), "{}", asked.0);
        assert_eq!(is_first_again, is_first);
        answer(peer, &asked, "200 OK", "").await;
        let mut state = us.registration_state(0);
        let is_registered =
            |state: &RegistrationState| matches!(state, RegistrationState::Registered { .. });
        soon(state.wait_for(is_registered)).await.expect("it runs");
    }
}
