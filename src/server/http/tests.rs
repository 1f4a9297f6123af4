//! The routes as another program sees them, over a real socket.

use reqwest::{Client, StatusCode};
use tokio::task::JoinHandle;

use super::*;
use crate::acd::handoff::{Handoff, HandoffSignals, SCHEMA};
use crate::base::TerminationResult;
use crate::net::sip::SipConfig;
use crate::server::exposition::reading::read;
use crate::server::metrics::HandoffPlace;

struct Place {
    url: String,
    client: Client,
    admission: Admission,
    metrics: Arc<Metrics>,
    store: Store,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn open(token: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[server]\nprofile = \"p\"\ndata_dir = \"d\"\n";
        let config = Config::parse(&folder.path().join("f.toml"), text, |_| None).expect("valid");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let (sip, _) = SipEndpoint::bind(SipConfig { udp: vec![any], ..SipConfig::default() })
            .await
            .expect("loopback can be bound");
        let store = Store::open(&config.store_path()).await.expect("opens");
        let (admission, metrics) = (Admission::new(&config), Arc::new(Metrics::new()));
        let watched = Watched {
            sip,
            admission: admission.clone(),
            load: Load::new(),
            store: store.clone(),
            metrics: metrics.clone(),
            engines: None,
            in_force: InForce::nothing(),
            models: BTreeMap::from([("hearing", "tiny.en".to_owned())]),
            token: token.map(Digest::of),
        };
        let listener = TcpListener::bind(any).await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, watched, stop.clone()));
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { url, client, admission, metrics, store, stop, serving, _folder: folder }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = self.client.get(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, response.text().await.expect("text"))
    }

    async fn json(&self, path: &str, token: Option<&str>) -> (u16, serde_json::Value) {
        let (status, _, body) = self.get(path, token).await;
        (status.as_u16(), serde_json::from_str(&body).expect("JSON"))
    }
}

/// As the contract has it: what may be left out is left out.
fn a_handoff() -> Handoff {
    let document = json!({
        "schema": SCHEMA,
        "call_id": "c1",
        "when": "2026-04-02T10:00:00Z",
        "caller": "+15550123",
        "called": "100",
        "channel": "sip",
        "language": "en-US",
        "reason": "asked",
        "intent": null,
        "slots": [],
        "verification": null,
        "crm": null,
        "actions": [],
        "transcript": [],
        "signals": HandoffSignals::default(),
        "queue": "general",
        "skills": [],
        "priority": 5,
        "summary": "The caller asked for a person.",
        "generation": "abc",
        "promise": "callback",
    });
    serde_json::from_value(document).expect("a hand-off")
}

#[tokio::test]
async fn health_tells_load_balancers_when_to_go_elsewhere() {
    let place = Place::open(None).await;
    let line = place.admission.admit(None, "192.0.2.1".parse().expect("an address"));
    let (status, told) = place.json("/health", None).await;
    assert_eq!((status, &told["status"]), (200, &json!("ready")));
    assert_eq!(
        (&told["calls_in_progress"], &told["models"]["hearing"]),
        (&json!(1), &json!("tiny.en"))
    );
    assert_eq!(told["effort"], "full");
    drop(line);
    place.admission.drain();
    let (status, told) = place.json("/health", None).await;
    assert_eq!((status, &told["status"]), (503, &json!("draining")));
    assert_eq!(place.get("/", None).await.0, StatusCode::NOT_FOUND);
    place.stop.cancel();
    place.serving.await.expect("it stops");
}

#[tokio::test]
async fn metrics_are_in_the_format_and_hold_what_was_counted() {
    let place = Place::open(None).await;
    place.metrics.ended(TerminationResult::Success, "served");
    place.metrics.handed_off(HandoffPlace::Database);
    let (status, headers, text) = place.get("/metrics", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let read = read(&text);
    assert_eq!(read.value("frontdoor_calls_ended_total{result=\"success\"}"), 1.0);
    assert_eq!(read.value("frontdoor_handoffs_stored_total{place=\"database\"}"), 1.0);
    assert_eq!(read.value("frontdoor_webhooks_waiting"), 0.0);
    assert_eq!(read.value("frontdoor_sip_dialogs_open"), 0.0);
}

#[tokio::test]
async fn a_handoff_is_given_to_who_knows_the_token() {
    let place = Place::open(Some("s3cret-token")).await;
    let id = place.store.put_handoff(&a_handoff()).await.expect("kept");
    let path = format!("/handoffs/{id}");
    for wrong in [None, Some("s3cret-tokem"), Some("s3cret-token-and-more"), Some("")] {
        let (status, headers, body) = place.get(&path, wrong).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        assert_eq!(headers["www-authenticate"], "Bearer realm=\"frontdoor\"");
        assert!(!body.contains("5550123"), "{body}");
    }
    let (status, headers, body) = place.get(&path, Some("s3cret-token")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["content-type"], "application/json");
    let given: Handoff = serde_json::from_str(&body).expect("a hand-off");
    assert_eq!(given, a_handoff());
    let noted = place.store.audit(None, 10).await.expect("read");
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!((noted[0].kind.as_str(), noted[0].who.as_str()), ("token", OF_THE_FILE));
    assert_eq!(
        (noted[0].subject.as_str(), noted[0].source.as_str()),
        (&*id.to_string(), "127.0.0.1")
    );
    for unknown in ["/handoffs/00000000000000000000000000000000", "/handoffs/c1"] {
        assert_eq!(place.json(unknown, Some("s3cret-token")).await.0, 404, "{unknown}");
    }
    // With a token set, the rest is not for everybody either.
    assert_eq!(place.get("/metrics", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(place.get("/metrics", Some("s3cret-token")).await.0, StatusCode::OK);
    assert_eq!(place.json("/health", None).await, (200, json!({ "status": "ready" })));
    assert_eq!(place.json("/health", Some("s3cret-token")).await.1["models"]["hearing"], "tiny.en");
}

#[tokio::test]
async fn tokens_of_an_admin_are_good_for_what_they_say() {
    let place = Place::open(Some("s3cret-token")).await;
    let id = place.store.put_handoff(&a_handoff()).await.expect("kept");
    let (handoff, at) = (format!("/handoffs/{id}"), jiff::Timestamp::UNIX_EPOCH);
    for (token, scope, expected) in [
        ("fd_metrics", Scope::Metrics, (StatusCode::OK, StatusCode::UNAUTHORIZED)),
        ("fd_handoffs", Scope::Handoffs, (StatusCode::UNAUTHORIZED, StatusCode::OK)),
        ("fd_call", Scope::Call, (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)),
    ] {
        let (digest, scopes) = (Digest::of(token).to_hex(), [scope].into());
        place.store.add_token(token, &digest, &scopes, "root", at).await.expect("adds");
        let metrics = place.get("/metrics", Some(token)).await.0;
        let handoff = place.get(&handoff, Some(token)).await.0;
        assert_eq!((metrics, handoff), expected, "{token}");
    }
}

#[tokio::test]
async fn what_keeps_it_from_opening_is_named_with_the_fix() {
    let (listener, token, address) = {
        let listen = "127.0.0.1:0".parse().expect("an address");
        open(&HttpConfig { listen, token_env: None }).await.expect("it opens")
    };
    assert!(token.is_none());
    let taken = open(&HttpConfig { listen: address, token_env: None }).await.err();
    let taken = taken.expect("somebody listens there").to_string();
    assert!(taken.contains(&address.to_string()) && taken.contains("[http] listen"), "{taken}");
    drop(listener);
    let token_env = Some("FRONTDOOR_TOKEN_THAT_NOBODY_SETS".to_owned());
    let missing = open(&HttpConfig { listen: address, token_env }).await.err();
    let missing = missing.expect("there is no token").to_string();
    assert!(missing.contains("FRONTDOOR_TOKEN_THAT_NOBODY_SETS, which is not set"), "{missing}");
}

#[tokio::test]
async fn without_a_token_nobody_gets_a_handoff() {
    let place = Place::open(None).await;
    let id = place.store.put_handoff(&a_handoff()).await.expect("kept");
    let (status, told) = place.json(&format!("/handoffs/{id}"), Some("anything")).await;
    assert_eq!(status, 401);
    assert!(told["error"].as_str().is_some_and(|error| error.contains("http.token_env")), "{told}");
}
