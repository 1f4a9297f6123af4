//! HTTP actions against a real server on loopback.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::*;

/// What the server saw.
#[derive(Default)]
struct Seen {
    requests: AtomicU32,
    keys: Mutex<Vec<String>>,
    bodies: Mutex<Vec<serde_json::Value>>,
}

struct Site {
    address: String,
    seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn flaky(State(seen): State<Arc<Seen>>, headers: HeaderMap) -> axum::response::Response {
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().expect("text").to_owned();
        seen.keys.lock().expect("not poisoned").push(key);
    }
    match seen.requests.fetch_add(1, Ordering::SeqCst) {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => axum::Json(serde_json::json!({"n": 7})).into_response(),
    }
}

async fn account(UrlPath((number, kind)): UrlPath<(String, String)>) -> impl IntoResponse {
    match number.as_str() {
        "404" => StatusCode::NOT_FOUND.into_response(),
        "409" => StatusCode::CONFLICT.into_response(),
        "401" => StatusCode::UNAUTHORIZED.into_response(),
        _ => axum::Json(serde_json::json!({
            "account": {"balance": "12.50", "number": number, "kind": kind, "open": true,
                        "note": null}
        }))
        .into_response(),
    }
}

async fn names() -> impl IntoResponse {
    axum::Json(serde_json::json!({"names": ["Smith", " De  Luca "], "odd": ["Smith", 1]}))
}

async fn ticket(
    State(seen): State<Arc<Seen>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    axum::Json(body): axum::Json<serde_json::Value>,
) -> impl IntoResponse {
    seen.bodies.lock().expect("not poisoned").push(body);
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    axum::Json(serde_json::json!({
        "key": header("idempotency-key"), "branch": header("x-branch"), "q": query.get("q"),
    }))
}

async fn site() -> Site {
    let seen = Arc::new(Seen::default());
    let router = Router::new()
        .route("/flaky", get(flaky).post(flaky))
        .route("/accounts/{number}/{kind}", get(account))
        .route("/tickets", post(ticket))
        .route("/junk", get(|| async { "<html>" }).post(|| async { "<html>" }))
        .route("/names", get(names))
        .route("/huge", get(|| async { vec![b' '; 3 * 1024 * 1024] }))
        .route("/never", get(std::future::pending::<String>).post(std::future::pending::<String>))
        .route("/away", post(|| async { axum::response::Redirect::to("/junk") }))
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound").to_string();
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("serves");
    });
    Site { address, seen, task }
}

async fn run(address: &str, lines: &str, inputs: &[(&str, &str)]) -> ActionOutcome {
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let lines = lines.replace("HOST", address);
    let text = format!(
        "[server]\nprofile = \"p\"\n[actions.\"a.b\"]\nkind = \"http\"\ninputs = {names:?}\n{lines}"
    );
    let config = Config::parse("/x/frontdoor.toml".as_ref(), &text, |_| Some("/x".into()))
        .unwrap_or_else(|error| panic!("{error}"));
    let actions = Actions::open(&config).await.expect("opens");
    let inputs = inputs.iter().map(|(n, v)| ((*n).to_owned(), Pii::new((*v).to_owned()))).collect();
    actions
        .run(ActionRequest { action: "a.b".into(), inputs, idempotency_key: "call/1".into() })
        .await
}

fn kind(outcome: ActionOutcome) -> FailureKind {
    outcome.expect_err("fails").kind
}

const ACCOUNT: &str = "url = \"http://HOST/accounts/{number}/{kind}\"\n\
    outputs = { balance = \"/account/balance\", open = \"/account/open\", \
    number = \"/account/number\" }\nfailures = { 409 = \"frozen\" }\n";

#[tokio::test]
async fn answers_are_taken_apart_and_inputs_cannot_leave_their_place() {
    let site = site().await;
    let inputs = [("number", "1/2?x=é"), ("kind", "a b")];
    let outputs = run(&site.address, ACCOUNT, &inputs).await.expect("answers");
    let told: Vec<(&str, &str)> =
        outputs.iter().map(|(n, v)| (n.as_str(), v.expose().as_str())).collect();
    assert_eq!(told, [("balance", "12.50"), ("number", "1/2?x=é"), ("open", "true")]);
    for climb in ["..", "."] {
        let outcome = run(&site.address, ACCOUNT, &[("number", climb), ("kind", "k")]).await;
        assert_eq!(kind(outcome), FailureKind::BadRequest, "{climb}");
    }
}

#[tokio::test]
async fn a_null_is_no_output_and_what_is_not_there_is_a_mistake() {
    let site = site().await;
    let asked = |pointer: &str| {
        format!(
            "url = \"http://HOST/accounts/1/k\"\n\
             outputs = {{ balance = \"/account/balance\", note = \"{pointer}\" }}\n"
        )
    };
    let outputs = run(&site.address, &asked("/account/note"), &[]).await.expect("answers");
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["balance"]);
    let outcome = run(&site.address, &asked("/account/notes"), &[]).await;
    assert_eq!(kind(outcome), FailureKind::Unavailable);
}

#[tokio::test]
async fn a_list_is_an_array_of_texts() {
    let site = site().await;
    let at = |pointer: &str| format!("url = \"http://HOST/names\"\nlist = \"{pointer}\"\n");
    let outputs = run(&site.address, &at("/names"), &[]).await.expect("answers");
    assert_eq!(outputs[LIST_OUTPUT].expose(), "De Luca\nSmith");
    for pointer in ["/odd", "/none", ""] {
        let outcome = run(&site.address, &at(pointer), &[]).await;
        assert_eq!(kind(outcome), FailureKind::Unavailable, "{pointer}");
    }
}

#[tokio::test]
async fn statuses_become_words() {
    let site = site().await;
    for (number, expected) in [
        ("404", FailureKind::NotFound),
        ("409", FailureKind::Refused("frozen".into())),
        ("401", FailureKind::Unavailable),
    ] {
        let outcome = run(&site.address, ACCOUNT, &[("number", number), ("kind", "k")]).await;
        assert_eq!(kind(outcome), expected, "{number}");
    }
}

#[tokio::test]
async fn only_what_may_be_repeated_is_repeated() {
    let outputs = "outputs = { n = \"/n\" }\nurl = \"http://HOST/flaky\"\n";
    let site_get = site().await;
    let got = run(&site_get.address, outputs, &[]).await.expect("the second try succeeds");
    assert_eq!(got["n"].expose(), "7");
    assert_eq!(site_get.seen.requests.load(Ordering::SeqCst), 2);

    let site_post = site().await;
    let outcome = run(&site_post.address, &format!("{outputs}method = \"POST\"\n"), &[]).await;
    assert_eq!(kind(outcome), FailureKind::Timeout, "a 500 does not say whether it was done");
    assert_eq!(site_post.seen.requests.load(Ordering::SeqCst), 1);

    let site_key = site().await;
    let lines = format!("{outputs}method = \"POST\"\nidempotent = true\n");
    run(&site_key.address, &lines, &[]).await.expect("the second try succeeds");
    let keys = site_key.seen.keys.lock().expect("not poisoned").clone();
    assert_eq!(keys, ["call/1", "call/1"]);
}

#[tokio::test]
async fn silence_is_a_timeout_and_nobody_is_unavailable() {
    let site = site().await;
    let slow = "url = \"http://HOST/never\"\ntimeout_ms = 100\n";
    assert_eq!(kind(run(&site.address, slow, &[]).await), FailureKind::Timeout);
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.local_addr().expect("bound").to_string()
    };
    let lines = "url = \"http://HOST/secret-path\"\nmethod = \"POST\"\n";
    let failure = run(&closed, lines, &[]).await.expect_err("nobody listens");
    assert_eq!(failure.kind, FailureKind::Unavailable, "it was certainly not done");
    assert!(failure.detail.contains("refused"), "{failure}");
    assert!(!failure.detail.contains("secret-path"), "{failure}");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_not_taken_for_success() {
    let site = site().await;
    let outputs = "outputs = { n = \"/n\" }\n";
    for (lines, expected) in [
        ("url = \"http://HOST/junk\"\n", FailureKind::Unavailable),
        ("url = \"http://HOST/junk\"\nmethod = \"POST\"\n", FailureKind::Timeout),
        ("url = \"http://HOST/huge\"\n", FailureKind::Unavailable),
        ("url = \"http://HOST/away\"\nmethod = \"POST\"\n", FailureKind::Unavailable),
        ("url = \"http://HOST/accounts/1/k\"\n", FailureKind::Unavailable),
    ] {
        let outcome = run(&site.address, &format!("{lines}{outputs}"), &[]).await;
        assert_eq!(kind(outcome), expected, "{lines}");
    }
}

#[tokio::test]
async fn bodies_and_headers_are_filled() {
    let site = site().await;
    let lines = "url = \"http://HOST/tickets?q={problem}\"\nmethod = \"POST\"\n\
        outputs = { key = \"/key\", branch = \"/branch\", q = \"/q\" }\n\
        headers = { X-Branch = \"b-{number}\" }\n\
        body = { customer = { number = \"{number}\" }, tags = [\"phone\", 1, true], \
        text = \"About: {problem}\" }\n";
    let inputs = [("number", "7"), ("problem", "a \"b\" & c")];
    let outputs = run(&site.address, lines, &inputs).await.expect("answers");
    assert_eq!(outputs["key"].expose(), "call/1");
    assert_eq!(outputs["branch"].expose(), "b-7");
    assert_eq!(outputs["q"].expose(), "a \"b\" & c");
    let bodies = site.seen.bodies.lock().expect("not poisoned").clone();
    let expected = serde_json::json!({
        "customer": {"number": "7"}, "tags": ["phone", 1, true], "text": "About: a \"b\" & c"
    });
    assert_eq!(bodies, [expected]);
    let split = [("number", "7\r\nX-Evil: 1"), ("problem", "p")];
    assert_eq!(kind(run(&site.address, lines, &split).await), FailureKind::BadRequest);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let text = "[server]\nprofile = \"p\"\n[actions.\"a.b\"]\nkind = \"http\"\n\
        url = \"http://127.0.0.1:9/\"\ninputs = [\"pin\"]\n";
    let config =
        Config::parse("/x/frontdoor.toml".as_ref(), text, |_| Some("/x".into())).expect("valid");
    let actions = Actions::open(&config).await.expect("opens");
    let ask = |action: &str| ActionRequest {
        action: action.into(),
        inputs: BTreeMap::new(),
        idempotency_key: "k".into(),
    };
    let failure = actions.run(ask("a.b")).await.expect_err("pin is missing");
    assert_eq!(failure.kind, FailureKind::BadRequest);
    assert!(failure.detail.contains("\"pin\""), "{failure}");
    let failure = actions.run(ask("a.c")).await.expect_err("not declared");
    assert!(failure.detail.contains("\"a.c\""), "{failure}");

    let text = text.replace("inputs", "bearer_env = \"FRONTDOOR_TEST_UNSET\"\ninputs");
    let config =
        Config::parse("/x/frontdoor.toml".as_ref(), &text, |_| Some("/x".into())).expect("valid");
    let error = Actions::open(&config).await.expect_err("the secret is not set").to_string();
    assert!(error.contains("FRONTDOOR_TEST_UNSET, which is not set"), "{error}");
}
