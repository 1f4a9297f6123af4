//! Operations: calls in progress, today, records and recordings; and hand-offs for whoever may.

use axum::body::BodyDataStream;
use futures_util::StreamExt;

use super::*;
use crate::acd::handoff::Handoff;
use crate::acd::handoff::tests::handoff;
use crate::base::{QueueName, Termination, TerminationResult, TurnId};
use crate::store::{CallEnd, CallStart, Entry, LineRecord, TurnRecord, WaitOutcome, WaitRecord};
use crate::web::view::{FloorQueue, FloorWaiter, LiveCallView, LiveEvent, Phase, Speaker};

const CALL: CallId = CallId::from_u128(0x0195_7a3b_4c5d_7e6f_9a0b_1c2d_3e4f_5061);
const REFERENCE: &str = "0123456789abcdef0123456789abcdef";

fn view(call: CallId) -> LiveCallView {
    LiveCallView {
        call_id: call.to_string(),
        answered_at: "2026-04-02T10:00:00Z".into(),
        caller: "+15550123".into(),
        called: "100".into(),
        channel: "sip".into(),
        profile: "bank".into(),
        phase: Phase::Talking,
        queue: None,
        agent: None,
        intent: None,
        last_line: None,
    }
}

fn line(at_ms: u64, speaker: &str, text: &str) -> Entry {
    Entry::Line(LineRecord {
        at_ms,
        speaker: speaker.into(),
        text: Pii::new(text.into()),
        confidence: Some(0.9),
        intent: (speaker == "caller").then(|| "lost_card".to_owned()),
        intent_confidence: Some(0.9),
        expected: Some("request".into()),
        out_of_scope: Some(-0.5),
        failed: Some(false),
    })
}

impl Place {
    /// A call that has just been, handed over, with its recording.
    async fn keep_call(&self, recording: &[u8]) {
        let store = self.web.store();
        let at = self.web.now().at - SignedDuration::from_secs(90);
        let start = CallStart {
            id: CALL,
            started_at: at,
            caller: Pii::new("sip:+15550123@pbx.example".into()),
            called: "100".into(),
            channel: "sip".into(),
            profile: "bank".into(),
            generation: "abc".into(),
        };
        store.begin_call(&start).await.expect("begins");
        store.answer_call(CALL, at).await.expect("is answered");
        let turn = TurnRecord {
            turn: TurnId(1),
            network_ms: 60,
            voice_ms: 300,
            total_ms: 360,
            speculated: true,
            ..TurnRecord::default()
        };
        let lines = [line(0, "frontdoor", "Hello."), line(1_500, "caller", "I lost my card")];
        store.append(CALL, &lines).await.expect("appends");
        store.append(CALL, &[Entry::Turn(turn)]).await.expect("appends");
        let path = self._folder.path().join("r.wav");
        std::fs::write(&path, recording).expect("is written");
        let end = CallEnd {
            ended_at: at + SignedDuration::from_secs(61),
            termination: Termination::new(TerminationResult::Success, "handed off"),
            recording: Some(path),
            protection: None,
            turns: 1,
            outcome: "handed off".into(),
        };
        store.end_call(CALL, &end).await.expect("ends");
        store.put_handoff(&handoff()).await.expect("is kept");
    }
}

#[tokio::test]
async fn today_is_told_in_numbers() {
    let place = Place::open().await;
    let session = place.session_of("operations").await;
    let before = place.get("/api/ops/today", &session).await.json();
    assert_eq!(before["calls"], 0);
    assert!(before["containment_percent"].is_null() && before["latency"]["p50_ms"].is_null());
    place.keep_call(b"").await;
    let today = place.get("/api/ops/today", &session).await.json();
    // The call may have been yesterday, if the test runs in a zone where it is just after midnight.
    if today["calls"] == 1 {
        assert_eq!((&today["handed_over"], &today["contained"]), (&1.into(), &0.into()));
        assert_eq!(today["containment_percent"], 0.0);
        assert_eq!(today["reasons"][0]["reason"], "asked");
        assert_eq!(today["latency"]["p95_ms"], 360);
        assert_eq!(today["latency"]["parts"][0]["part"], "network");
        assert_eq!(today["latency"]["parts"][5]["part"], "voice");
        let hours = today["by_hour"].as_array().expect("a list");
        let calls: i64 = hours.iter().filter_map(|hour| hour["calls"].as_i64()).sum();
        assert_eq!(calls, 1);
    }
}

#[tokio::test]
async fn calls_are_found_and_read_and_that_is_noted() {
    let place = Place::open().await;
    place.keep_call(b"RIFF").await;
    let session = place.session_of("operations").await;
    let found =
        place.get("/api/ops/calls?text=lost%20my&outcome=handed_off", &session).await.json();
    let call = &found["calls"][0];
    assert_eq!(call["call_id"], CALL.to_string());
    assert_eq!(call["duration_s"], 61);
    assert_eq!(call["intents"], serde_json::json!(["lost_card"]));
    assert_eq!((&call["handed_off"], &call["has_recording"]), (&true.into(), &true.into()));
    assert!(found["next"].is_null());
    let none = place.get("/api/ops/calls?outcome=contained", &session).await.json();
    assert_eq!(none["calls"], serde_json::json!([]));
    for (query, word) in [
        ("from=yesterday", "from"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("before=7", "before"),
        ("outcome=good", "outcome"),
        ("txt=a", "txt"),
        (&format!("text={}", "x".repeat(201)), "text"),
    ] {
        let answer = place.get(&format!("/api/ops/calls?{query}"), &session).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.error().contains(word), "{query}: {}", answer.error());
    }
    let record = place.get(&format!("/api/ops/calls/{CALL}"), &session).await.json();
    assert_eq!(record["summary"]["call_id"], CALL.to_string());
    assert_eq!(record["lines"][1]["text"], "I lost my card");
    assert_eq!(record["turns"][0]["voice_ms"], 300);
    assert_eq!(record["turns"][0]["network_ms"], 60);
    assert_eq!(record["turns"][0]["speculated"], true);
    assert_eq!(record["handoffs"][0]["reference"], REFERENCE);
    assert_eq!(record["handoffs"][0]["document"]["queue"], "cards");
    assert_eq!(record["has_recording"], true);
    for unknown in ["none", "00000000000000000000000000000001"] {
        let answer = place.get(&format!("/api/ops/calls/{unknown}"), &session).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    let noted = ["record_opened ", "calls_searched outcome ", "calls_searched text, outcome "];
    let audited = place.audited().await;
    assert_eq!(audited.len(), noted.len(), "{audited:?}");
    for (line, noted) in audited.iter().zip(noted) {
        assert!(line.starts_with(&format!("operations {noted}")), "{audited:?}");
        assert!(!line.contains("lost"), "what was looked for is nobody's business: {line}");
    }
}

#[tokio::test]
async fn a_recording_is_given_in_parts_and_noted_once() {
    let place = Place::open().await;
    let recording: Vec<u8> = (0..200_000_u32).map(|number| (number % 95) as u8 + 32).collect();
    place.keep_call(&recording).await;
    let session = place.session_of("operations").await;
    let path = format!("/api/ops/calls/{CALL}/recording");
    let whole = place.get(&path, &session).await;
    assert_eq!((whole.status, whole.body.len()), (StatusCode::OK, 200_000));
    assert_eq!(whole.headers["content-type"], "audio/wav");
    assert_eq!(whole.headers["accept-ranges"], "bytes");
    for (range, told, from, to) in [
        ("bytes=0-9", "bytes 0-9/200000", 0, 10),
        ("bytes=150000-", "bytes 150000-199999/200000", 150_000, 200_000),
        ("bytes=-5", "bytes 199995-199999/200000", 199_995, 200_000),
    ] {
        let asking = asking(Method::GET, &path).session(&session).header("range", range);
        let part = place.ask(asking.into()).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.headers["content-range"], told);
        assert_eq!(part.headers["content-length"], (to - from).to_string().as_str());
        assert_eq!(part.body.as_bytes(), &recording[from..to], "{range}");
    }
    let beyond = asking(Method::GET, &path).session(&session).header("range", "bytes=200000-");
    let beyond = place.ask(beyond.into()).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers["content-range"], "bytes */200000");
    let head = asking(Method::HEAD, &path).session(&session);
    let head = place.ask(head.into()).await;
    assert_eq!(
        (head.headers["content-length"].to_str().expect("text"), head.body.len()),
        ("200000", 0)
    );
    let played = place.audited().await;
    let noted = format!("operations recording_played {CALL} 192.0.2.7");
    assert!(played.iter().all(|line| *line == noted), "{played:?}");
    assert_eq!(played.len(), 3, "the whole, its beginning, and that it is there");
    std::fs::remove_file(place._folder.path().join("r.wav")).expect("it is there");
    assert_eq!(place.get(&path, &session).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_leaves_out_the_beginning_of_a_recording_is_noted_too() {
    let place = Place::open().await;
    place.keep_call(&[7; 1_000]).await;
    let session = place.session_of("operations").await;
    let path = format!("/api/ops/calls/{CALL}/recording");
    for range in ["bytes=1-", "bytes=-999", "bytes=500-600"] {
        let asking = asking(Method::GET, &path).session(&session).header("range", range);
        assert_eq!(place.ask(asking.into()).await.status, StatusCode::PARTIAL_CONTENT, "{range}");
    }
    let noted = format!("operations recording_played {CALL} 192.0.2.7");
    assert_eq!(place.audited().await, [noted]);
}

async fn next(stream: &mut BodyDataStream) -> String {
    let piece = stream.next().await.expect("it goes on").expect("it goes on");
    String::from_utf8(piece.to_vec()).expect("text")
}

#[tokio::test]
async fn calls_in_progress_are_watched() {
    let place = Place::open().await;
    let session = place.session_of("operations").await;
    let live = place.web.live().clone();
    let told = live.begin(CALL, view(CALL));
    let calls = place.get("/api/ops/live", &session).await.json();
    assert_eq!(calls["calls"][0]["call_id"], CALL.to_string());
    let open = asking(Method::GET, "/api/ops/live/events").session(&session);
    let mut all = place.answer(open.into()).await.into_body().into_data_stream();
    assert!(next(&mut all).await.starts_with("event: started\ndata: {"));
    let one = asking(Method::GET, &format!("/api/ops/live/{CALL}/events")).session(&session);
    let mut one = place.answer(one.into()).await.into_body().into_data_stream();
    told.tell(LiveEvent::Line { at_ms: 5, speaker: Speaker::Caller, text: "hello".into() });
    let news = next(&mut all).await;
    assert!(news.starts_with("event: call\ndata: {"), "{news}");
    let data: Value =
        serde_json::from_str(news.trim().split_once("data: ").expect("data").1).expect("JSON");
    assert_eq!((&data["call_id"], &data["event"]), (&CALL.to_string().into(), &"line".into()));
    assert_eq!(data["text"], "hello");
    assert!(next(&mut one).await.starts_with("event: line\n"));
    let other = CallId::from_u128(8);
    let another = live.begin(other, view(other));
    another.tell(LiveEvent::Turn { total_ms: 400 });
    let started = next(&mut all).await;
    assert!(started.starts_with("event: started\n") && started.contains(&other.to_string()));
    assert!(next(&mut all).await.contains("\"total_ms\":400"));
    drop(told);
    assert!(next(&mut all).await.contains("\"event\":\"gone\""));
    assert!(next(&mut one).await.starts_with("event: gone\n"));
    assert!(one.next().await.is_none());
    let gone = place.get(&format!("/api/ops/live/{CALL}/events"), &session).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let audited = place.audited().await;
    assert!(audited.iter().any(|line| line.contains(&format!("call_watched {CALL}"))));
}

#[tokio::test]
async fn who_watches_all_calls_too_slowly_is_told_which_are_there() {
    let place = Place::open().await;
    let session = place.session_of("operations").await;
    let live = place.web.live().clone();
    let first = live.begin(CALL, view(CALL));
    let open = asking(Method::GET, "/api/ops/live/events").session(&session);
    let mut all = place.answer(open.into()).await.into_body().into_data_stream();
    assert!(next(&mut all).await.starts_with("event: started\n"));
    drop(first);
    let other = CallId::from_u128(8);
    let second = live.begin(other, view(other));
    for total_ms in 0..300 {
        second.tell(LiveEvent::Turn { total_ms });
    }
    assert!(next(&mut all).await.starts_with("event: missed\n"));
    let gone = next(&mut all).await;
    assert!(gone.contains("\"event\":\"gone\"") && gone.contains(&CALL.to_string()), "{gone}");
    let started = next(&mut all).await;
    assert!(started.starts_with("event: started\n") && started.contains(&other.to_string()));
}

#[tokio::test]
async fn handoffs_are_for_people_and_for_programs_with_a_token_for_them() {
    let place = Place::open().await;
    place.keep_call(b"").await;
    let path = format!("/api/handoffs/{REFERENCE}");
    let session = place.session_of("supervisor").await;
    let mine = place.get(&path, &session).await;
    assert_eq!(mine.headers["content-type"], "application/json");
    let read: Handoff = serde_json::from_str(&mine.body).expect("a hand-off");
    assert!(read == handoff());
    let token = place.token(Scope::Handoffs).await;
    let theirs = place.ask(asking(Method::GET, &path).token(&token).into()).await;
    assert_eq!(theirs.body, mine.body);
    let wrong = place.token(Scope::Metrics).await;
    let refused = place.ask(asking(Method::GET, &path).token(&wrong).into()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    for unknown in ["none", "00000000000000000000000000000000", "%2e%2e"] {
        let answer = place.get(&format!("/api/handoffs/{unknown}"), &session).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    let fetched = format!("handoff_fetched {REFERENCE} 192.0.2.7");
    let audited = place.audited().await;
    let noted: Vec<&String> = audited.iter().filter(|line| line.ends_with(&fetched)).collect();
    assert_eq!(noted.len(), 2, "{audited:?}");
    assert!(noted.iter().any(|line| line.starts_with("1 a program")), "{audited:?}");
}

#[tokio::test]
async fn agents_see_handoffs_of_calls_that_they_have_taken_or_are_offered() {
    let place = Place::open().await;
    place.keep_call(b"").await;
    let session = place.session_of("agent").await;
    let paths = ["", "/vcon"].map(|kind| format!("/api/handoffs/{REFERENCE}{kind}"));
    let statuses = async || {
        let [document, vcon] = &paths;
        [place.get(document, &session).await.status, place.get(vcon, &session).await.status]
    };
    assert_eq!(statuses().await, [StatusCode::FORBIDDEN; 2]);
    let call_id = handoff().call_id;
    let offered_to = |agent: &str| {
        let waiter = FloorWaiter {
            call_id: call_id.clone(),
            kind: "call".into(),
            position: 1,
            waited_s: 3,
            offered_to: Some(agent.into()),
        };
        Floor { queues: vec![queue_of(waiter)], ..Floor::default() }
    };
    for (agent, expected) in [("agent", StatusCode::OK), ("other", StatusCode::FORBIDDEN)] {
        place.floor.send_replace(Arc::new(offered_to(agent)));
        assert_eq!(statuses().await, [expected; 2], "offered to {agent}");
    }
    let taken = WaitRecord {
        call: call_id.parse().expect("an id"),
        queue: QueueName::new("cards"),
        kind: "call",
        outcome: WaitOutcome::Answered,
        waited_ms: 3_000,
        ended_at: place.web.now().at,
        agent: Some("agent".into()),
    };
    place.web.store().note_wait(&taken).await.expect("noted");
    assert_eq!(statuses().await, [StatusCode::OK; 2]);
    // Who was only offered the call has seen it for that long.
    let others = place.audited().await;
    assert!(others.iter().all(|line| line.starts_with("agent handoff_fetched")), "{others:?}");
}

fn queue_of(waiter: FloorWaiter) -> FloorQueue {
    FloorQueue {
        name: "cards".into(),
        spoken: "our card team".into(),
        waiting: vec![waiter],
        longest_wait_s: 3,
        agents_ready: 0,
        agents_busy: 0,
        answered_today: 0,
        abandoned_today: 0,
        service_level_percent: None,
        answer_within_s: 20,
        wait_from_s: None,
        wait_to_s: None,
    }
}

#[tokio::test]
async fn a_handoff_is_given_as_a_vcon_of_its_call_or_of_what_it_knows() {
    let place = Place::open().await;
    let session = place.session_of("operations").await;
    let path = format!("/api/handoffs/{REFERENCE}/vcon");
    place.web.store().put_handoff(&handoff()).await.expect("is kept");
    let alone = place.get(&path, &session).await;
    assert_eq!(alone.headers["content-type"], "application/vcon");
    assert_eq!(alone.json()["dialog"][0]["body"], "Agent.");
    let place = Place::open().await;
    let session = place.session_of("operations").await;
    place.keep_call(b"").await;
    let whole = place.get(&path, &session).await.json();
    assert_eq!(whole["uuid"], alone.json()["uuid"], "it is the same call");
    assert_eq!(whole["dialog"][1]["body"], "I lost my card");
    assert_eq!(whole["attachments"][0]["body"]["reference"], REFERENCE);
}

#[tokio::test]
async fn the_schema_of_handoffs_is_there_for_everybody() {
    let place = Place::open().await;
    let answer = place.ask(asking(Method::GET, "/api/schemas/handoff-1.json").into()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), crate::acd::handoff::json_schema());
}
