//! Desks and the floor.

use axum::body::BodyDataStream;
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::json;

use super::*;
use crate::web::view::{FloorAgent, FloorQueue};

/// The next piece of a stream of events; `None` at its end.
async fn next(stream: &mut BodyDataStream) -> Option<String> {
    let piece = stream.next().await?.expect("it goes on");
    Some(String::from_utf8(piece.to_vec()).expect("text"))
}

fn stream(response: Response) -> BodyDataStream {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.into_body().into_data_stream()
}

fn floor() -> Floor {
    let queue = FloorQueue {
        name: "cards".into(),
        spoken: "our card team".into(),
        waiting: Vec::new(),
        longest_wait_s: 0,
        agents_ready: 1,
        agents_busy: 0,
        answered_today: 0,
        abandoned_today: 0,
        service_level_percent: None,
        answer_within_s: 20,
        wait_from_s: None,
        wait_to_s: None,
    };
    let agent = |name: &str| FloorAgent {
        name: name.into(),
        display_name: name.to_uppercase(),
        state: DeskState::Ready,
        for_s: 1,
        skills: BTreeMap::new(),
        calls_today: 0,
    };
    let agents = vec![agent("agent"), agent("supervisor")];
    Floor { at: "2026-04-02T10:00:00Z".into(), queues: vec![queue], agents }
}

#[tokio::test]
async fn what_an_agent_does_is_asked_of_the_front_door() {
    let place = Place::open().await;
    let session = place.session_of("agent").await;
    let post = async |path: &str, body: Value| {
        let answer = place.page(Method::POST, &format!("/api/desk/{path}"), &session, body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}: {}", answer.body);
    };
    post("state", json!({"state": "away", "reason": "lunch"})).await;
    post("offers/7/shown", Value::Null).await;
    post("offers/7/take", json!({"with": "phone"})).await;
    for path in ["hold", "resume", "mute", "unmute"] {
        post(&format!("call/{path}"), Value::Null).await;
    }
    post("call/keys", json!({"keys": "1"})).await;
    post("call/transfer", json!({"queue": "cards"})).await;
    post("call/conference", json!({"agent": "ben"})).await;
    post("call/front_door", json!({"task": "balance"})).await;
    post("call/hang_up", Value::Null).await;
    post("wrap_up", json!({"disposition": "solved", "notes": "all well", "done": true})).await;
    post("offers/8/decline", Value::Null).await;
    let expected = [
        "agent Presence { presence: Away(\"lunch\")",
        "agent Shown { offer: OfferId(7)",
        "agent Take { offer: OfferId(7), way: Phone",
        "agent Hold",
        "agent Resume",
        "agent Mute { muted: true",
        "agent Mute { muted: false",
        "agent Keys { keys: [redacted]",
        "agent Transfer { target: Queue(\"cards\")",
        "agent Conference { target: Agent(AgentId(\"ben\"))",
        "agent FrontDoor { task: \"balance\"",
        "agent HangUp",
        "agent WrapUp { disposition: Some(\"solved\"), notes: Some([redacted]), done: true",
        "agent Decline { offer: OfferId(8)",
    ];
    assert_eq!(place.asked(), expected);
    let (both, neither) = (json!({"queue": "cards", "agent": "ben"}), json!({}));
    for target in [both, neither, json!({"address": "sip:1@evil.example"})] {
        let path = "/api/desk/call/transfer";
        let refused = place.page(Method::POST, path, &session, target).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_agent_takes_a_call_in_the_browser() {
    let place = Place::open().await;
    let session = place.session_of("agent").await;
    let take = || {
        let asking = asking(Method::POST, "/api/desk/offers/7/take").session(&session);
        asking.csrf(&session).body("application/sdp", "v=0\r\noffer")
    };
    let taken = place.ask(take().into()).await;
    assert_eq!((taken.status, taken.body.as_str()), (StatusCode::OK, "v=0\r\nanswer"));
    assert_eq!(taken.headers["content-type"], "application/sdp");
    place.say(NotDone::Conflict("the offer is over".into()));
    let late = place.ask(take().into()).await;
    assert_eq!((late.status, late.error().as_str()), (StatusCode::CONFLICT, "the offer is over"));
}

#[tokio::test]
async fn an_agent_is_told_what_there_is_to_choose_from() {
    let place = Place::open().await;
    place.floor.send_replace(Arc::new(floor()));
    let session = place.session_of("agent").await;
    let options = place.get("/api/desk/options", &session).await.json();
    let expected = json!({
        "dispositions": ["solved"], "away_reasons": [], "ice_servers": [], "has_phone": true,
        "targets": {
            "queues": ["cards"],
            "agents": [{"name": "supervisor", "display_name": "SUPERVISOR"}],
            "numbers": [],
        },
        "tasks": [],
    });
    assert_eq!(options, expected);
}

#[tokio::test]
async fn no_page_of_another_site_opens_a_desk() {
    let place = Place::open().await;
    let session = place.session_of("agent").await;
    for (site, status) in [
        ("same-origin", StatusCode::OK),
        ("none", StatusCode::OK),
        ("same-site", StatusCode::FORBIDDEN),
        ("cross-site", StatusCode::FORBIDDEN),
    ] {
        let open = asking(Method::GET, "/api/desk/events").session(&session);
        let answer = place.answer(open.header("sec-fetch-site", site).into()).await;
        assert_eq!(answer.status(), status, "{site}");
    }
}

#[tokio::test]
async fn a_desk_goes_with_its_session() {
    let place = Place::open().await;
    let session = place.session_of("agent").await;
    let open = || asking(Method::GET, "/api/desk/events").session(&session);
    let mut desk = stream(place.answer(open().into()).await);
    let first = next(&mut desk).await.expect("a state");
    assert_eq!(first, "event: state\ndata: {\"event\":\"state\",\"state\":\"ready\"}\n\n");
    let out = place.page(Method::DELETE, "/api/session", &session, Value::Null).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(next(&mut desk).await, None);
    assert_eq!(place.ask(open().into()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn streams_end_when_the_pages_are_no_longer_served() {
    let place = Place::open().await;
    let session = place.session_of("supervisor").await;
    let open = asking(Method::GET, "/api/floor/events").session(&session);
    let mut floors = stream(place.answer(open.into()).await);
    assert!(next(&mut floors).await.is_some());
    place.web.closing().cancel();
    assert_eq!(next(&mut floors).await, None);
}

#[tokio::test]
async fn a_supervisor_sees_the_floor_change() {
    let place = Place::open().await;
    let session = place.session_of("supervisor").await;
    let open = asking(Method::GET, "/api/floor/events").session(&session);
    let mut floors = stream(place.answer(open.into()).await);
    let empty = next(&mut floors).await.expect("as it is");
    assert!(empty.starts_with("event: floor\ndata: {\"at\":\"\""), "{empty}");
    place.floor.send_replace(Arc::new(floor()));
    let changed = next(&mut floors).await.expect("as it is now");
    assert!(changed.contains("\"name\":\"cards\""), "{changed}");
    let now = place.get("/api/floor", &session).await.json();
    assert_eq!(now["queues"][0]["spoken"], "our card team");
}

#[tokio::test]
async fn a_supervisor_directs_agents_and_that_is_noted() {
    let place = Place::open().await;
    let session = place.session_of("supervisor").await;
    let away = json!({"state": "away", "reason": "training"});
    let path = "/api/floor/agents/agent/state";
    let done = place.page(Method::POST, path, &session, away.clone()).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.body);
    assert_eq!(place.asked(), ["set agent Away(\"training\")"]);
    place.say(NotDone::NotFound("this agent is not signed in".into()));
    let not_there = place.page(Method::POST, path, &session, away).await;
    assert_eq!(not_there.status, StatusCode::NOT_FOUND);
    let skills = json!({"skills": {"cards": 5}, "languages": ["en"]});
    let path = "/api/floor/agents/agent/skills";
    let changed = place.page(Method::PUT, path, &session, skills).await;
    assert_eq!(changed.json()["skills"], json!({"cards": 5}), "{}", changed.body);
    let expected = [
        "supervisor account_changed agent: skills, languages 192.0.2.7",
        "supervisor state_changed agent: away 192.0.2.7",
    ];
    assert_eq!(place.audited().await, expected);
}
