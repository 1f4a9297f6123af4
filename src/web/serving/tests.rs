//! Connections as they are: over sockets, with TLS and without.

use std::sync::Arc;

use reqwest::{Certificate, Client, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::config::{CallTokens, CertificateConfig};
use crate::store::Store;
use crate::web::live::Live;
use crate::web::view::LoadView;
use crate::web::{Accounts, Backend, DeskFacts, Facts, Reporting, WebParts};

struct House;

impl Facts for House {
    fn house(&self, _to: &str) -> Option<String> {
        Some("Harbor Bank".to_owned())
    }

    fn desk(&self, _agent: &str) -> DeskFacts {
        DeskFacts::default()
    }
}

struct Door {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// The certificate for `localhost`, and where it and its key are.
fn certificate(folder: &std::path::Path) -> (Certificate, CertificateConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("is made");
    let files = CertificateConfig { certificate: folder.join("a.pem"), key: folder.join("a.key") };
    std::fs::write(&files.certificate, made.cert.pem()).expect("is written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("is written");
    (Certificate::from_pem(made.cert.pem().as_bytes()).expect("PEM"), files)
}

impl Door {
    async fn open(certificate: Option<CertificateConfig>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("s.sqlite")).await.expect("opens");
        let config = WebConfig {
            listen: "127.0.0.1:0".parse().expect("an address"),
            certificate,
            public_url: None,
            call_tokens: CallTokens::None,
            calls_per_minute_per_source: 6,
            trusted_proxies: Vec::new(),
        };
        let (listener, tls, address) = open(&config).await.expect("it opens");
        let (asks, _) = mpsc::channel(1);
        let (_, floor) = watch::channel(Arc::default());
        let (_, load) = watch::channel(LoadView::default());
        let web = Web::new(WebParts {
            backend: Backend { asks, floor, live: Live::default(), load },
            accounts: Accounts::new(store.clone()).expect("it works"),
            store,
            config,
            facts: Arc::new(House),
            ice_servers: crate::web::ice::IceServers::default(),
            reporting: Reporting { understood_from: 0.4, checks: Vec::new() },
        });
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, tls, web, stop.clone()));
        Self { address, stop, serving, _folder: folder }
    }
}

#[tokio::test]
async fn browsers_are_answered_over_tls_and_who_speaks_none_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, files) = certificate(folder.path());
    let door = Door::open(Some(files)).await;
    let client = Client::builder()
        .no_proxy()
        .tls_built_in_root_certs(false)
        .add_root_certificate(authority)
        .resolve("localhost", door.address)
        .build()
        .expect("a client");
    let url = format!("https://localhost:{}/api/call/options", door.address.port());
    let answer = client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert!(answer.text().await.expect("text").contains("Harbor Bank"));
    let mut plain = TcpStream::connect(door.address).await.expect("connects");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("is sent");
    let mut said = Vec::new();
    // An alert at most; the connection is closed either way.
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let again = client.get(&url).send().await.expect("others are answered all the same");
    assert_eq!(again.status(), StatusCode::OK);
    door.stop.cancel();
    door.serving.await.expect("it stops");
}

#[tokio::test]
async fn a_front_door_that_is_not_there_is_told_of() {
    let door = Door::open(None).await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let call = client
        .post(format!("http://{}/api/call", door.address))
        .header("content-type", "application/sdp")
        .body("v=0");
    let answer = call.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert!(answer.text().await.expect("text").contains("stopping"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_fix() {
    let door = Door::open(None).await;
    let config = WebConfig {
        listen: door.address,
        certificate: None,
        public_url: None,
        call_tokens: CallTokens::None,
        calls_per_minute_per_source: 6,
        trusted_proxies: Vec::new(),
    };
    let taken = open(&config).await.err().expect("somebody listens there").to_string();
    assert!(taken.contains(&door.address.to_string()) && taken.contains("[web] listen"), "{taken}");
}

/// Says whether a connection to these visitors is answered.
async fn is_answered(address: SocketAddr, line: &mut Option<TcpStream>) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let _ = stream.write_all(request).await;
    let mut first = [0; 4];
    let is_answered = stream.read_exact(&mut first).await.is_ok() && &first == b"HTTP";
    *line = Some(stream);
    is_answered
}

async fn visitors(limits: VisitLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let router = axum::Router::<()>::new().fallback(|| async { "here" });
    let visitors = Visitors::new(listener, None, limits);
    tokio::spawn(axum::serve(visitors, router).into_future());
    address
}

#[tokio::test]
async fn one_source_has_so_many_connections_unless_it_is_a_proxy() {
    let limits = VisitLimits {
        at_once: 8,
        per_source: 2,
        exempt: Vec::new(),
        time: VisitTime::Between(Duration::from_secs(60)),
    };
    let address = visitors(limits.clone()).await;
    let mut lines = [None, None, None];
    for (line, expected) in lines.iter_mut().zip([true, true, false]) {
        assert_eq!(is_answered(address, line).await, expected);
    }
    let exempt = vec!["127.0.0.0/8".parse().expect("a network")];
    let address = visitors(VisitLimits { exempt, ..limits }).await;
    let mut lines = [None, None, None];
    for line in &mut lines {
        assert!(is_answered(address, line).await);
    }
}

#[tokio::test]
async fn who_does_not_come_to_the_point_is_left() {
    let limit = Duration::from_millis(20);
    for time in [VisitTime::Altogether(limit), VisitTime::Between(limit)] {
        let limits = VisitLimits { at_once: 8, per_source: 8, exempt: Vec::new(), time };
        let mut stream = TcpStream::connect(visitors(limits).await).await.expect("connects");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.expect("is sent");
        let mut said = Vec::new();
        // Fails if the connection stays open, and cannot be early.
        let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said));
        assert!(closed.await.is_ok(), "{time:?}");
        assert!(said.is_empty(), "{time:?}: {said:?}");
    }
}
