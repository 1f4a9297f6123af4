//! The torture messages of RFC 4475 and RFC 5118, octet by octet, over real sockets of this machine:
//! what each must be answered with, where the answer must arrive, and what must be counted.
//!
//! Most of the messages ask for their answer at port 5060 of the address they come from, so each is
//! sent from a loopback address of its own, where that port is free.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use frontdoor::net::sip::{IncomingCall, MalformedKind as Kind, SipConfig, SipEndpoint, Transport};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

use Expected::{Answer, Call, Silence};
use Stream::{Closes, Not, Same};

const SDP: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4002 RTP/AVP 0\r\n";

/// Over every name, length and octet of the messages, in the order of the names.
const DIGEST: &str = "696a1a053e723b9698074dea28b513e5aee4593aa4b2659b45f1c38797c840aa";

/// Far longer than anything here takes; turns a hang into a failure.
const GUARD: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Expected {
    /// A final response with this status, and this in it.
    Answer(u16, &'static str),
    /// The INVITE is offered as a call and can be answered.
    Call,
    /// Nothing is sent, and the next request is answered as ever.
    Silence,
}

/// What is different over TCP.
#[derive(Clone, Copy)]
enum Stream {
    Same,
    /// The framing is lost: whatever is answered, the connection is closed after it, and this is
    /// counted.
    Closes(Kind),
    /// It is not sent, because its end cannot be seen in a stream, or lies in the next message.
    Not,
}

#[derive(Clone, Copy)]
struct Case {
    /// `4475` or `5118`.
    rfc: u16,
    section: &'static str,
    file: &'static str,
    expected: Expected,
    /// What it is counted as, if it is malformed.
    counted: Option<Kind>,
    stream: Stream,
}

const fn of(rfc: u16, section: &'static str, file: &'static str, expected: Expected) -> Case {
    Case { rfc, section, file, expected, counted: None, stream: Same }
}

impl Case {
    const fn counted(self, kind: Kind) -> Self {
        Self { counted: Some(kind), ..self }
    }

    const fn stream(self, stream: Stream) -> Self {
        Self { stream, ..self }
    }

    fn is_call(&self) -> bool {
        matches!(self.expected, Call)
    }

    fn bytes(&self) -> Vec<u8> {
        let path = folder().join(format!("{}.sip", self.file));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The port that a datagram's answer goes to: the one in the topmost Via, 5060 if there is none
    /// (RFC 3261 18.2.2); `None` for the sender's own, which `rport` asks for (RFC 3581).
    fn answer_port(&self) -> Option<u16> {
        match self.file {
            "mpart01" => None,
            "quotbal" => Some(5050),
            "mult-ip-in-header" => Some(6050),
            "ipv4-mapped-ipv6" => Some(19823),
            _ => Some(5060),
        }
    }
}

const NOT_HERE: Expected = Answer(405, "Allow: ");
const UNKNOWN: Expected = Answer(501, "Allow: ");
const BAD: Expected = Answer(400, "");
const ALIVE: Expected = Answer(200, "Allow: ");
const NO_DIALOG: Expected = Answer(481, "");

/// Where an RFC leaves a choice, the note says which was made.
const CASES: [Case; 61] = [
    // It has a To tag, so it belongs to a dialog that there is none of.
    of(4475, "3.1.1.1", "wsinv", NO_DIALOG),
    of(4475, "3.1.1.2", "intmeth", UNKNOWN),
    of(4475, "3.1.1.3", "esc01", Call),
    of(4475, "3.1.1.4", "escnull", NOT_HERE),
    of(4475, "3.1.1.5", "esc02", UNKNOWN),
    of(4475, "3.1.1.6", "lwsdisp", ALIVE),
    of(4475, "3.1.1.7", "longreq", Call),
    // The INVITE in the same datagram is none.
    of(4475, "3.1.1.8", "dblreq", NOT_HERE).stream(Not),
    of(4475, "3.1.1.9", "semiuri", ALIVE),
    of(4475, "3.1.1.10", "transports", ALIVE),
    of(4475, "3.1.1.11", "mpart01", NOT_HERE),
    // Well-formed responses to nothing that was asked.
    of(4475, "3.1.1.12", "unreason", Silence),
    of(4475, "3.1.1.13", "noreason", Silence),
    of(4475, "3.1.2.1", "badinv01", BAD).counted(Kind::Via),
    of(4475, "3.1.2.2", "clerr", BAD).counted(Kind::ContentLength).stream(Not),
    of(4475, "3.1.2.3", "ncl", BAD)
        .counted(Kind::ContentLength)
        .stream(Closes(Kind::ContentLength)),
    of(4475, "3.1.2.4", "scalar02", BAD).counted(Kind::CSeq),
    of(4475, "3.1.2.5", "scalarlg", Silence).counted(Kind::CSeq),
    of(4475, "3.1.2.6", "quotbal", BAD).counted(Kind::Party),
    of(4475, "3.1.2.7", "ltgtruri", BAD).counted(Kind::Uri),
    of(4475, "3.1.2.8", "lwsruri", BAD).counted(Kind::Uri),
    // Both could be taken: blanks within the line are refused, those at its end ignored.
    of(4475, "3.1.2.9", "lwsstart", BAD).counted(Kind::Uri),
    of(4475, "3.1.2.10", "trws", ALIVE),
    // The escaped headers, the Date and the blanks in To are ignored.
    of(4475, "3.1.2.11", "escruri", Call),
    of(4475, "3.1.2.12", "baddate", Call),
    of(4475, "3.1.2.13", "regbadct", NOT_HERE),
    of(4475, "3.1.2.14", "badaspec", ALIVE),
    // It ends without its empty line; for what it is about see `corrected` below.
    of(4475, "3.1.2.15", "baddn", BAD).counted(Kind::Framing).stream(Not),
    of(4475, "3.1.2.16", "badvers", Answer(505, "")).counted(Kind::Version),
    of(4475, "3.1.2.17", "mismatch01", BAD).counted(Kind::CSeq),
    // 501 would do as well.
    of(4475, "3.1.2.18", "mismatch02", BAD).counted(Kind::CSeq),
    of(4475, "3.1.2.19", "bigcode", Silence).counted(Kind::NotSip).stream(Closes(Kind::NotSip)),
    // Falls back to what RFC 2543 knew a transaction by.
    of(4475, "3.2.1", "badbranch", ALIVE),
    of(4475, "3.3.1", "insuf", BAD).counted(Kind::MissingHeader),
    of(4475, "3.3.2", "unkscm", Answer(416, "")),
    of(4475, "3.3.3", "novelsc", Answer(416, "")),
    of(4475, "3.3.4", "unksm2", NOT_HERE),
    of(
        4475,
        "3.3.5",
        "bext01",
        Answer(420, "Unsupported: nothingSupportsThis, nothingSupportsThisEither\r\n"),
    ),
    of(4475, "3.3.6", "invut", Answer(415, "Accept: application/sdp")),
    of(4475, "3.3.7", "regaut01", NOT_HERE),
    of(4475, "3.3.8", "multi01", BAD).counted(Kind::DoubledHeader),
    of(4475, "3.3.9", "mcl01", BAD)
        .counted(Kind::DoubledHeader)
        .stream(Closes(Kind::ContentLength)),
    of(4475, "3.3.10", "bcast", Silence),
    // No more hops are needed: nothing is forwarded here.
    of(4475, "3.3.11", "zeromf", ALIVE),
    of(4475, "3.3.12", "cparam01", NOT_HERE),
    of(4475, "3.3.13", "cparam02", NOT_HERE),
    of(4475, "3.3.14", "regescrt", NOT_HERE),
    of(4475, "3.3.15", "sdp01", Answer(406, "")),
    // No tag, no branch, no Contact: phones of before 2002 are not served, and told so.
    of(4475, "3.4.1", "inv2543", BAD).counted(Kind::Party).stream(Closes(Kind::ContentLength)),
    of(5118, "4.1", "ipv6-good", NOT_HERE),
    of(5118, "4.2", "ipv6-bad", BAD).counted(Kind::Uri),
    of(5118, "4.3", "port-ambiguous", NOT_HERE),
    of(5118, "4.4", "port-unambiguous", NOT_HERE),
    of(5118, "4.5", "via-received-param-with-delim", NO_DIALOG),
    of(5118, "4.5", "via-received-param-no-delim", ALIVE),
    // The RFC's own Content-Length goes beyond the body.
    of(5118, "4.6", "ipv6-in-sdp", BAD).counted(Kind::ContentLength).stream(Not),
    of(5118, "4.7", "mult-ip-in-header", NO_DIALOG),
    of(5118, "4.8", "mult-ip-in-sdp", Call),
    of(5118, "4.9", "ipv4-mapped-ipv6", Call),
    of(5118, "4.10", "ipv6-bug-abnf-3-colons", ALIVE),
    of(5118, "4.10", "ipv6-correct-abnf-2-colons", ALIVE),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sip/torture")
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, what).await.expect("nothing here may hang")
}

/// An endpoint on the loopback of that address's family.
async fn endpoint(peer: IpAddr) -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let ip: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let any = SocketAddr::new(ip, 0);
    let config = SipConfig {
        udp: vec![any],
        tcp: vec![any],
        user_agent: "frontdoor-test".to_owned(),
        incoming_queue_len_max: 2,
        ..SipConfig::default()
    };
    SipEndpoint::bind(config).await.expect("loopback can be bound")
}

fn address(endpoint: &SipEndpoint, transport: Transport) -> SocketAddr {
    let addrs = endpoint.local_addrs();
    addrs.into_iter().find(|(kind, _)| *kind == transport).expect("both are bound").1
}

/// The addresses to send a message from, the best first: those of RFC 5118 come over IPv6, if the
/// machine has it.
fn peer_ips(case: &Case, number: usize) -> Vec<IpAddr> {
    // Another process that runs this test has other addresses.
    let [.., third, fourth] = std::process::id().to_be_bytes();
    let last = u8::try_from(number + 1).expect("there are not so many");
    let v4 = Ipv4Addr::new(127, 64 | (third & 0x3f), fourth, last).into();
    match case.rfc {
        5118 => vec![Ipv6Addr::LOCALHOST.into(), v4],
        _ => vec![v4],
    }
}

/// A socket to send from, and the one at the port that the answer must come to, if that is another.
async fn sockets(case: &Case, number: usize) -> (UdpSocket, Option<UdpSocket>) {
    for ip in peer_ips(case, number) {
        let Ok(sender) = UdpSocket::bind((ip, 0)).await else { continue };
        let Some(port) = case.answer_port() else { return (sender, None) };
        if let Ok(listener) = UdpSocket::bind((ip, port)).await {
            return (sender, Some(listener));
        }
    }
    let port = case.answer_port();
    panic!("{}: no loopback address has port {port:?} free; who listens on all?", case.file)
}

fn head_of(message: &[u8]) -> String {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n");
    String::from_utf8_lossy(&message[..end.unwrap_or(message.len())]).into_owned()
}

/// How many header lines have one of these names.
fn count(head: &str, names: &[&str]) -> usize {
    let name = |line: &str| line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    head.lines().skip(1).filter(|line| names.contains(&name(line).as_str())).count()
}

/// What is true of every final response, whatever it says.
fn check_response(case: &Case, request: &[u8], response: &str, peer: IpAddr) {
    let (status, text) = match case.expected {
        Answer(status, text) => (status, text),
        Call => (200, SDP),
        Silence => panic!("{}: an answer to what must not be answered: {response}", case.file),
    };
    let shown = format!("RFC {} {} {}:\n{response}", case.rfc, case.section, case.file);
    assert!(response.starts_with(&format!("SIP/2.0 {status} ")), "{shown}");
    assert!(response.contains(text), "{shown}");
    // RFC 3261 8.2.6.2: the Vias in their number, the topmost with the address it came from, and a
    // To with a tag. `insuf` has no To to answer with.
    let (asked, answered) = (head_of(request), head_of(response.as_bytes()));
    assert_eq!(count(&asked, &["via", "v"]), count(&answered, &["via", "v"]), "{shown}");
    assert!(response.contains(&format!(";received={peer}")), "{shown}");
    let to = answered.lines().find(|line| line.to_ascii_lowercase().starts_with("to:"));
    assert_eq!(to.is_some(), case.file != "insuf", "{shown}");
    // `wsinv` has blanks around the `=` of its own.
    assert!(to.is_none_or(|to| to.replace(' ', "").contains(";tag=")), "{shown}");
    if case.is_call() {
        assert!(response.contains("Contact: <sip:"), "{shown}");
    }
}

/// Takes the call that a message must have become.
async fn offered_call(
    case: &Case,
    request: &[u8],
    calls: &mut mpsc::Receiver<IncomingCall>,
) -> IncomingCall {
    let call = soon(calls.recv()).await.expect("the endpoint runs");
    let offer = call.offer_sdp.clone().unwrap_or_default();
    assert!(offer.starts_with("v=0\r\n"), "{}: {offer:?}", case.file);
    assert!(String::from_utf8_lossy(request).contains(&offer), "{}: {offer:?}", case.file);
    if case.file == "esc01" {
        assert_eq!(call.caller.user.expose(), "I have spaces");
        assert_eq!(call.called.user.expose(), "user");
    }
    call
}

fn is_provisional(message: &str) -> bool {
    message.starts_with("SIP/2.0 1")
}

/// The next final response that this endpoint sends to the socket.
async fn datagram(socket: &UdpSocket, from: SocketAddr) -> String {
    let mut buffer = vec![0; 65_535];
    loop {
        let (length, source) = soon(socket.recv_from(&mut buffer)).await.expect("a socket");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        // An earlier endpoint repeats a 200 that nobody acknowledged.
        if source == from && !is_provisional(&text) {
            return text;
        }
    }
}

/// The next final response in the stream; empty if it ends.
async fn message_of(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let head = head_of(&bytes);
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = length.map(|length| head.len() + 4 + length);
        if let Some(whole) = whole.filter(|&whole| bytes.len() >= whole && head != text) {
            if !is_provisional(&head) {
                return text;
            }
            bytes.drain(..whole);
            continue;
        }
        let mut buffer = [0; 16 * 1024];
        match soon(stream.read(&mut buffer)).await.expect("the connection is open") {
            0 => return text,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// A request that is answered, and after everything that came before it.
fn marker(local: SocketAddr, transport: Transport) -> Vec<u8> {
    let word = transport.to_string().to_ascii_uppercase();
    format!(
        "OPTIONS sip:bank@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/{word} {local};branch=z9hG4bKmarker;rport\r\n\
         From: <sip:ann@{local}>;tag=a\r\nTo: <sip:bank@127.0.0.1>\r\nCall-ID: marker\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn assert_marked(case: &Case, response: &str) {
    let is_it = response.starts_with("SIP/2.0 200 ") && response.contains("Call-ID: marker\r\n");
    assert!(is_it, "{}: {response}", case.file);
}

fn assert_counted(case: &Case, endpoint: &SipEndpoint, kind: Option<Kind>, received: u64) {
    let counters = endpoint.counters();
    let expected: BTreeMap<Kind, u64> = kind.map(|kind| (kind, 1)).into_iter().collect();
    assert_eq!(counters.malformed, expected, "{}", case.file);
    assert_eq!(counters.receivers_restarted, 0, "{}", case.file);
    assert_eq!(counters.received, received, "{}", case.file);
    let calls = u64::from(case.is_call());
    assert_eq!(counters.calls_offered, calls, "{}", case.file);
}

async fn over_udp(case: &Case, request: &[u8], number: usize) {
    let (sender, listener) = sockets(case, number).await;
    let local = sender.local_addr().expect("it is bound");
    let (endpoint, mut calls) = endpoint(local.ip()).await;
    let server = address(&endpoint, Transport::Udp);
    let heard = listener.as_ref().unwrap_or(&sender);
    sender.send_to(request, server).await.expect("the endpoint is there");
    let mut leg = None;
    if case.is_call() {
        let call = offered_call(case, request, &mut calls).await;
        leg = Some(call.answer(SDP.to_owned()).await.expect("the caller is there"));
    }
    if !matches!(case.expected, Silence) {
        check_response(case, request, &datagram(heard, server).await, local.ip());
    }
    let next = marker(local, Transport::Udp);
    sender.send_to(&next, server).await.expect("the endpoint is there");
    assert_marked(case, &datagram(&sender, server).await);
    assert_counted(case, &endpoint, case.counted, 2);
    // Answers leave in the order of the requests: there would be one by now.
    if let (Silence, Some(listener)) = (case.expected, listener) {
        let listener = listener.into_std().expect("a socket of this runtime");
        let heard = listener.recv(&mut [0; 16]).map_err(|error| error.kind());
        assert_eq!(heard, Err(std::io::ErrorKind::WouldBlock), "{}", case.file);
    }
    // A call would wait for its ACK; it ends with the test.
    if leg.is_none() {
        soon(endpoint.shutdown()).await;
    }
}

async fn connect(server: SocketAddr) -> (TcpStream, SocketAddr) {
    let stream = soon(TcpStream::connect(server)).await.expect("the endpoint listens");
    let local = stream.local_addr().expect("it is connected");
    (stream, local)
}

async fn over_tcp(case: &Case, request: &[u8]) {
    let has_v6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let peer = match case.rfc {
        5118 if has_v6 => Ipv6Addr::LOCALHOST.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    let (endpoint, mut calls) = endpoint(peer).await;
    let server = address(&endpoint, Transport::Tcp);
    let (mut stream, mut local) = connect(server).await;
    stream.write_all(request).await.expect("the connection is open");
    let mut leg = None;
    if case.is_call() {
        let call = offered_call(case, request, &mut calls).await;
        leg = Some(call.answer(SDP.to_owned()).await.expect("the caller is there"));
    }
    if !matches!(case.expected, Silence) {
        check_response(case, request, &message_of(&mut stream).await, local.ip());
    }
    let counted = match case.stream {
        Closes(kind) => {
            let ended = soon(stream.read(&mut [0; 16])).await.unwrap_or(0);
            assert_eq!(ended, 0, "{}: the connection is closed", case.file);
            (stream, local) = connect(server).await;
            Some(kind)
        }
        Same | Not => case.counted,
    };
    if case.is_call() {
        // What is left of a body that was cut short stands before the next message.
        (stream, local) = connect(server).await;
    }
    stream.write_all(&marker(local, Transport::Tcp)).await.expect("the connection is open");
    assert_marked(case, &message_of(&mut stream).await);
    assert_counted(case, &endpoint, counted, 2);
    if leg.is_none() {
        soon(endpoint.shutdown()).await;
    }
}

#[tokio::test]
async fn every_torture_datagram_gets_what_its_rfc_expects() {
    for (number, case) in CASES.iter().enumerate() {
        over_udp(case, &case.bytes(), number).await;
    }
}

#[tokio::test]
async fn every_torture_message_gets_the_same_over_tcp() {
    for case in CASES.iter().filter(|case| !matches!(case.stream, Not)) {
        over_tcp(case, &case.bytes()).await;
    }
}

/// Five messages cannot show what they are about, because they are cut wrong: once more, cut right.
#[tokio::test]
async fn messages_of_a_wrong_length_are_taken_with_the_right_one() {
    // (section, file, expected, what is replaced, by what)
    let corrected = [
        (4475, "3.1.2.2", "clerr", Call, "Content-Length: 9999", "Content-Length: 154"),
        // An unquoted comma in a display name: the missing quotes are inferred.
        (4475, "3.1.2.15", "baddn", ALIVE, "l: 0\r\n", "l: 0\r\n\r\n"),
        (5118, "4.6", "ipv6-in-sdp", Call, "Content-Length: 268", "Content-Length: 251"),
        (5118, "4.8", "mult-ip-in-sdp", Call, "Content-Length: 181", "Content-Length: 189"),
        (5118, "4.9", "ipv4-mapped-ipv6", Call, "Content-Length: 236", "Content-Length: 245"),
    ];
    for (number, (rfc, section, file, expected, from, to)) in corrected.into_iter().enumerate() {
        let case = of(rfc, section, file, expected);
        let text = String::from_utf8(case.bytes()).unwrap();
        assert!(text.contains(from), "{file}");
        let request = text.replace(from, to).into_bytes();
        over_udp(&case, &request, CASES.len() + number).await;
        over_tcp(&case, &request).await;
    }
}

#[test]
fn the_messages_are_all_there_and_unchanged() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".sip").map(str::to_owned))
        .collect();
    names.sort();
    let mut listed: Vec<&str> = CASES.iter().map(|case| case.file).collect();
    listed.sort_unstable();
    assert_eq!(names, listed);
    let mut digest = Sha256::new();
    for name in &names {
        let bytes = std::fs::read(folder().join(format!("{name}.sip"))).unwrap();
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        digest.update(&bytes);
    }
    assert_eq!(format!("{:x}", digest.finalize()), DIGEST);
}
