//! Calls from browsers.

use serde_json::json;

use super::*;

fn call(path: &str) -> Asking {
    asking(Method::POST, path).body("application/sdp; charset=utf-8", "v=0\r\noffer")
}

#[tokio::test]
async fn a_browser_calls_presses_keys_and_hangs_up() {
    let place = Place::open().await;
    let options = place.ask(asking(Method::GET, "/api/call/options").into()).await.json();
    let expected = json!({"house": "Harbor Bank", "ice_servers": [], "token_required": false});
    assert_eq!(options, expected);
    let nobody = place.ask(asking(Method::GET, "/api/call/options?to=999").into()).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let answer = place.ask(call("/api/call?to=%2B15550123").into()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/sdp");
    assert_eq!(answer.body, "v=0\r\nanswer");
    let place_of_call = answer.headers["location"].to_str().expect("text").to_owned();
    assert_eq!(place_of_call, "/api/call/5ec4e7");
    let keys = |keys: &str| {
        asking(Method::POST, "/api/call/5ec4e7/keys").json(&json!({"keys": keys})).into()
    };
    assert_eq!(place.ask(keys("1#")).await.status, StatusCode::NO_CONTENT);
    for wrong in ["", "A", "1 2", &"1".repeat(33)] {
        assert_eq!(place.ask(keys(wrong)).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let over = place.ask(asking(Method::DELETE, &place_of_call).into()).await;
    assert_eq!(over.status, StatusCode::NO_CONTENT);
    let asked = ["call \"+15550123\" 192.0.2.7 None", "keys 5ec4e7 1#", "hang up 5ec4e7"];
    assert_eq!(place.asked(), asked);
}

#[tokio::test]
async fn one_address_may_call_so_often() {
    let place = Place::open_with("calls_per_minute_per_source = 2").await;
    let proxied = |from: &str| call("/api/call").header("x-forwarded-for", from);
    for _ in 0..2 {
        assert_eq!(place.ask(call("/api/call").into()).await.status, StatusCode::CREATED);
    }
    let refused = place.ask(proxied("198.51.100.1").into()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "that it came for others is made up");
    assert_eq!(refused.headers["retry-after"], "30");
    place.pass_time(30);
    assert_eq!(place.ask(call("/api/call").into()).await.status, StatusCode::CREATED);
    let lines = "calls_per_minute_per_source = 1\ntrusted_proxies = [\"192.0.2.0/24\"]";
    let place = Place::open_with(lines).await;
    for (from, expected) in [
        ("198.51.100.1", StatusCode::CREATED),
        ("198.51.100.2", StatusCode::CREATED),
        ("198.51.100.1", StatusCode::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(place.ask(proxied(from).into()).await.status, expected, "{from}");
    }
}

#[tokio::test]
async fn who_guesses_calls_has_to_wait() {
    let place = Place::open().await;
    let guess = |number: u32| asking(Method::DELETE, &format!("/api/call/guess{number}")).into();
    for number in 0..10 {
        assert_eq!(place.ask(guess(number)).await.status, StatusCode::NOT_FOUND);
    }
    let refused = place.ask(guess(10)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "6");
    place.pass_time(6);
    for _ in 0..20 {
        let own = place.ask(asking(Method::DELETE, "/api/call/5ec4e7").into()).await;
        assert_eq!(own.status, StatusCode::NO_CONTENT, "and who knows it has not");
    }
}

#[tokio::test]
async fn where_tokens_are_required_a_call_needs_one_or_a_pass() {
    let place = Place::open_with("call_tokens = \"required\"").await;
    let refused = place.ask(call("/api/call").into()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let other = place.token(Scope::Handoffs).await;
    let refused = place.ask(call("/api/call").token(&other).into()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "it is for something else");
    let token = place.token(Scope::Call).await;
    let taken = place.ask(call("/api/call").token(&token).into()).await;
    assert_eq!(taken.status, StatusCode::CREATED);
    let pass = |token: &str, body: Value| {
        asking(Method::POST, "/api/call/passes").token(token).json(&body).into()
    };
    let for_anna = json!({"caller": "+15550123", "to": "100"});
    let refused = place.ask(pass(&other, for_anna.clone())).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let refused = place.ask(pass(&token, json!({"caller": ""}))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let made = place.ask(pass(&token, for_anna.clone())).await;
    assert_eq!((made.status, &made.json()["expires_in_s"]), (StatusCode::CREATED, &json!(60)));
    let pass_for_anna = made.json()["pass"].as_str().expect("a pass").to_owned();
    let taken = place.ask(call("/api/call").token(&pass_for_anna).into()).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.body);
    let asked = place.asked();
    assert_eq!(
        asked.last().map(String::as_str),
        Some("call \"100\" 192.0.2.7 Some(\"+15550123\")")
    );
    let twice = place.ask(call("/api/call").token(&pass_for_anna).into()).await;
    assert_eq!(twice.status, StatusCode::UNAUTHORIZED);
    let made = place.ask(pass(&token, for_anna)).await.json();
    let elsewhere = call("/api/call?to=200").token(made["pass"].as_str().expect("a pass"));
    assert_eq!(place.ask(elsewhere.into()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_wrong_token_is_refused_even_where_none_is_needed() {
    let place = Place::open().await;
    let refused = place.ask(call("/api/call").token("fd_wrong").into()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_the_front_door_says_is_passed_on() {
    let place = Place::open().await;
    for (not_done, status) in [
        (NotDone::BadRequest("no audio".into()), StatusCode::BAD_REQUEST),
        (NotDone::NotFound("nobody".into()), StatusCode::NOT_FOUND),
        (NotDone::Conflict("not now".into()), StatusCode::CONFLICT),
        (NotDone::Unavailable("all lines are busy".into()), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let words = not_done.to_string();
        place.say(not_done);
        let answer = place.ask(call("/api/call").into()).await;
        assert_eq!((answer.status, answer.error()), (status, words));
        let has_retry = answer.headers.contains_key("retry-after");
        assert_eq!(has_retry, status == StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn the_page_is_told_what_happens_in_its_call() {
    use crate::web::view::{LiveCallView, LiveEvent, Phase};
    let place = Place::open().await;
    assert_eq!(place.ask(call("/api/call").into()).await.status, StatusCode::CREATED);
    let events = asking(Method::GET, "/api/call/5ec4e7/events");
    let view = LiveCallView {
        call_id: "c".into(),
        answered_at: String::new(),
        caller: String::new(),
        called: String::new(),
        channel: "web".into(),
        profile: "p".into(),
        phase: Phase::Connecting,
        queue: None,
        agent: None,
        intent: None,
        last_line: None,
    };
    let live = place.web.live().begin(CallId::from_u128(7), view);
    live.tell(LiveEvent::Turn { total_ms: 700 });
    let response = place.answer(events.into()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    drop(live);
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("it ends");
    let expected = "event: turn\ndata: {\"event\":\"turn\",\"total_ms\":700}\n\n\
                    event: gone\ndata: {\"event\":\"gone\"}\n\n";
    assert_eq!(String::from_utf8_lossy(&body), expected);
    let unknown = place.ask(asking(Method::GET, "/api/call/guess/events").into()).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
