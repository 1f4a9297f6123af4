//! The store on real files, and the webhook against a real server.

mod promises;

use std::sync::Mutex as StdMutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};

use super::webhook::{Delivery, WebhookTarget, deliver_due, signature};
use super::*;
use crate::acd::handoff::{Handoff, HandoffLine, HandoffReason, HandoffSignals, SCHEMA};
use crate::base::{ActionRunId, CallId, Pii, Termination, TerminationResult, TurnId};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_775_000_000 + seconds).expect("in range")
}

fn start(id: u128) -> CallStart {
    CallStart {
        id: CallId::from_u128(id),
        started_at: at(i64::try_from(id % 1000).expect("small")),
        caller: Pii::new("+15550123".into()),
        called: "100".into(),
        channel: "sip".into(),
        profile: "bank".into(),
        generation: "abc".into(),
    }
}

pub(crate) fn handoff(call: &str) -> Handoff {
    Handoff {
        schema: SCHEMA.into(),
        call_id: call.into(),
        when: "2026-04-02T10:00:00Z".into(),
        caller: "+15550123".into(),
        called: "100".into(),
        channel: "sip".into(),
        language: "en-US".into(),
        reason: HandoffReason::Asked,
        intent: None,
        slots: Vec::new(),
        verification: None,
        crm: None,
        actions: Vec::new(),
        transcript: vec![HandoffLine {
            at_ms: 1200,
            speaker: "caller".into(),
            text: "a \"person\", please – now".into(),
        }],
        signals: HandoffSignals::default(),
        queue: "general".into(),
        skills: Vec::new(),
        priority: 5,
        summary: "The caller asked for a person.".into(),
        generation: "abc".into(),
        promise: "callback".into(),
        reference: None,
    }
}

pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/frontdoor.sqlite");
        let store = Store::open_waiting(&path, Duration::from_millis(50)).await.expect("opens");
        Self { folder, store: store.with_webhooks() }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    async fn other_connection(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.store.path());
        SqliteConnection::connect_with(&options).await.expect("opens")
    }
}

#[tokio::test]
async fn a_handoff_is_found_by_the_reference_that_a_telephone_system_was_given() {
    let place = Place::open().await;
    let reference = "0123456789abcdef0123456789abcdef";
    let with = Handoff { reference: Some(reference.into()), ..handoff("7") };
    for handoff in [&with, &handoff("8"), &handoff("9")] {
        place.store.put_handoff(handoff).await.expect("kept");
    }
    let json = place.store.handoff_by_reference(reference).await.expect("read").expect("found");
    assert_eq!(serde_json::from_str::<Handoff>(&json).expect("a hand-off"), with);
    for unknown in ["", "0123456789abcdef0123456789abcdee", "%"] {
        assert_eq!(place.store.handoff_by_reference(unknown).await.expect("read"), None);
    }
}

#[tokio::test]
async fn a_handoff_of_which_more_is_known_keeps_its_promise() {
    let place = Place::open().await;
    let reference = "0123456789abcdef0123456789abcdef";
    let before =
        Handoff { reference: Some(reference.into()), promise: "queue".into(), ..handoff("c1") };
    let more = Handoff { summary: "They know their balance now.".into(), ..before.clone() };
    let too_early = place.store.update_handoff(reference, &more).await.expect("asked");
    assert!(!too_early, "there is none yet");
    let id = place.store.put_handoff(&before).await.expect("kept");
    assert!(place.store.update_handoff(reference, &more).await.expect("kept"));
    assert_eq!(place.store.handoff(id).await.expect("read"), Some(more.clone()));
    // Nobody took the call meanwhile: what is told later does not undo that.
    place.store.promise_callback(reference).await.expect("noted");
    assert!(place.store.update_handoff(reference, &more).await.expect("kept"));
    let after = place.store.handoff(id).await.expect("read").expect("is there");
    assert_eq!(after, Handoff { promise: "callback".into(), ..more });
}

#[tokio::test]
async fn a_call_is_kept_whole() {
    let place = Place::open().await;
    let id = CallId::from_u128(7);
    let line = LineRecord {
        at_ms: 2500,
        speaker: "caller".into(),
        text: Pii::new("my balance".into()),
        confidence: Some(0.75),
        intent: Some("balance".into()),
        intent_confidence: Some(0.5),
        expected: Some("request".into()),
        out_of_scope: Some(-0.5),
        failed: Some(false),
    };
    let turn = TurnRecord {
        turn: TurnId(1),
        at_ms: Some(4_100),
        network_ms: 60,
        endpoint_ms: 540,
        transcribe_ms: 200,
        understand_ms: 20,
        act_ms: 5,
        voice_ms: 90,
        playout_ms: 30,
        total_ms: 945,
        speculated: true,
    };
    let run = ActionRunRecord {
        run: ActionRunId(1),
        at_ms: 3000,
        action: "crm.balance".into(),
        result: "done".into(),
        took_ms: 5,
    };
    let transfer = TransferRecord {
        at_ms: 9000,
        queue: "cards".into(),
        way: "bridge".into(),
        outcome: "succeeded".into(),
        agent: Some("sam".into()),
        status: Some(405),
        took_ms: 4200,
        bridged_ms: Some(65_000),
    };
    let entries = [
        Entry::Line(line.clone()),
        Entry::Turn(turn),
        Entry::Turn(turn),
        Entry::Action(run.clone()),
        Entry::Transfer(transfer.clone()),
    ];
    place.store.begin_call(&start(7)).await.expect("begins");
    place.store.answer_call(id, at(8)).await.expect("answered");
    place.store.append(id, &entries).await.expect("appends");
    let handoff_id = place.store.put_handoff(&handoff(&id.to_string())).await.expect("kept");
    let end = CallEnd {
        ended_at: at(60),
        termination: Termination::new(TerminationResult::Success, "caller hung up"),
        recording: Some("/r/7.wav".into()),
        protection: Some("SDES AES_CM_128_HMAC_SHA1_80".into()),
        turns: 1,
        outcome: "handed_off".into(),
    };
    place.store.end_call(id, &end).await.expect("ends");
    place.store.close().await.expect("closes");

    let store = Store::open(place.store.path()).await.expect("opens again");
    let record = store.call(id).await.expect("is there");
    assert_eq!(record.lines, [line]);
    assert_eq!(record.turns, [turn], "a turn measured again counts once");
    assert_eq!(record.actions, [run]);
    assert_eq!(record.to_json(Reveal::Masked)["transfers"][0]["bridged_ms"], 65_000);
    assert_eq!(record.transfers, [transfer]);
    assert_eq!(record.handoffs[0].id, handoff_id);
    assert_eq!(record.handoffs[0].webhook.as_deref(), Some("pending"));
    assert_eq!(record.summary.answered_at, Some(at(8)));
    assert_eq!(record.summary.ended_at, Some(at(60)));
    assert_eq!(record.summary.result.as_deref(), Some("success"));
    assert_eq!(record.summary.protection, end.protection);
    let kept = store.handoff(handoff_id).await.expect("read").expect("is there");
    assert_eq!(kept, handoff(&id.to_string()));
    let masked = record.to_json(Reveal::Masked).to_string();
    assert!(!masked.contains("5550123") && !masked.contains("my balance"), "{masked}");
    let full = record.to_json(Reveal::Full).to_string();
    assert!(full.contains("+15550123") && full.contains("my balance"), "{full}");
    let printed = format!("{record:?}");
    assert!(!printed.contains("5550123") && !printed.contains("my balance"), "{printed}");
}

fn trace(seconds: i64, label: &str) -> TraceRecord {
    let message = TraceMessage {
        at_ms: 3,
        way: TraceWay::Sent,
        transport: "udp".into(),
        peer: "192.0.2.9:5060".into(),
        label: label.into(),
        status: Some(404),
        cseq: "1 INVITE".into(),
        reason: Some("[numbers]: no line has this number".into()),
        has_sdp: true,
        text: "SIP/2.0 404 Not Found\nCSeq: 1 INVITE\n".into(),
    };
    TraceRecord { began_at: at(seconds), messages: vec![message], left_out: 2, gap_at: 1 }
}

#[tokio::test]
async fn traces_go_with_the_records_of_their_calls() {
    let place = Place::open().await;
    let id = CallId::from_u128(7);
    let stranger = place.store.put_trace(id, &trace(0, "404 Not Found")).await;
    assert!(stranger.is_err(), "there is no such call");
    for id in [7, 8] {
        place.store.begin_call(&start(id)).await.expect("begins");
        let kept = trace(i64::try_from(id).expect("small"), "404 Not Found");
        place.store.put_trace(CallId::from_u128(id), &kept).await.expect("kept");
    }
    assert_eq!(place.store.trace(id).await.expect("read"), Some(trace(7, "404 Not Found")));
    let record = place.store.call(id).await.expect("is there");
    assert_eq!(record.trace, Some(trace(7, "404 Not Found")));
    assert_eq!(record.to_json(Reveal::Masked)["signalling"]["messages"], 3);
    let listed = place.store.list_traces(10).await.expect("lists");
    assert_eq!([listed[0].0, listed[1].0], [CallId::from_u128(8), id]);
    let mut other = place.other_connection().await;
    let gone = sqlx::query("DELETE FROM calls WHERE id = ?").bind(id.to_string());
    gone.execute(&mut other).await.expect("deleted");
    assert_eq!(place.store.trace(id).await.expect("read"), None);
}

#[tokio::test]
async fn the_latest_refused_calls_stay() {
    let place = Place::open().await;
    let refusal = |n: u32| RefusalRecord {
        trace: trace(n.into(), "404 Not Found"),
        source: "udp 192.0.2.9:5060".into(),
        status: 404,
        reason: "[numbers]: no line has this number".into(),
        times: n,
    };
    let all: Vec<RefusalRecord> = (1..=REFUSALS_MAX + 3).map(refusal).collect();
    place.store.put_refusals(&all[..2]).await.expect("kept");
    place.store.put_refusals(&all[2..]).await.expect("kept");
    let kept = place.store.list_refusals().await.expect("lists");
    assert_eq!(kept.len(), REFUSALS_MAX as usize);
    assert_eq!((&kept[0], &kept[kept.len() - 1]), (&all[all.len() - 1], &all[3]));
}

#[tokio::test]
async fn calls_are_listed_and_found_by_prefix() {
    let place = Place::open().await;
    let high = 0xabcd_u128 << 112;
    for id in [high | 1, high | 2, 0xabce_u128 << 112] {
        place.store.begin_call(&start(id)).await.expect("begins");
    }
    let listed = place.store.list_calls(2).await.expect("lists");
    let newest = [listed[0].id, listed[1].id];
    let mut by_start =
        [high | 1, high | 2, 0xabce_u128 << 112].map(|id| (start(id).started_at, id));
    by_start.sort();
    assert_eq!(newest, [by_start[2].1, by_start[1].1].map(CallId::from_u128));
    let found = place.store.find_call("ABCE").await.expect("one");
    assert_eq!(found, CallId::from_u128(0xabce_u128 << 112));
    let whole = CallId::from_u128(high | 1);
    assert_eq!(place.store.find_call(&whole.to_string()).await.expect("one"), whole);
    match place.store.find_call("abcd").await {
        Err(StoreError::Ambiguous { candidates, .. }) => assert_eq!(candidates.len(), 2),
        other => panic!("{other:?}"),
    }
    for none in ["", "f00", "%", "xyz"] {
        let error = place.store.find_call(none).await.expect_err(none);
        assert!(matches!(error, StoreError::NoSuchCall { .. }), "{none}: {error}");
    }
    let unknown = CallId::from_u128(9);
    let error = place.store.append(unknown, &[Entry::Turn(TurnRecord::default())]).await;
    assert!(matches!(error, Err(StoreError::NoSuchCall { .. })), "{error:?}");
}

#[tokio::test]
async fn a_damaged_file_says_which_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("frontdoor.sqlite");
    std::fs::write(&path, vec![b'x'; 8192]).expect("written");
    let error = Store::open(&path).await.expect_err("damaged");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    let message = error.to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    assert!(message.contains("mv "), "{message}");

    let blocked = folder.path().join("frontdoor.sqlite/frontdoor.sqlite");
    let error = Store::open(&blocked).await.expect_err("no folder there");
    assert!(matches!(error, StoreError::CannotOpen { .. }), "{error}");

    let newer = folder.path().join("newer.sqlite");
    Store::open(&newer).await.expect("made").close().await.expect("closes");
    let options = SqliteConnectOptions::new().filename(&newer);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .expect("written");
    let error = Store::open(&newer).await.expect_err("newer");
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
}

#[tokio::test]
async fn a_file_taken_away_is_noticed_and_made_anew() {
    let place = Place::open().await;
    place.store.begin_call(&start(1)).await.expect("begins");
    std::fs::remove_file(place.store.path()).expect("removed");
    let id = place.store.put_handoff(&handoff("c2")).await.expect("kept in a new file");
    let second = Store::open(place.store.path()).await.expect("is there");
    assert!(second.handoff(id).await.expect("read").is_some(), "not written into a deleted file");
    assert!(second.list_calls(10).await.expect("read").is_empty());
}

#[tokio::test]
async fn lock_and_full_disk_are_told_apart_and_pass() {
    let place = Place::open().await;
    let mut other = place.other_connection().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    let error = place.store.begin_call(&start(1)).await.expect_err("locked");
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(lock);
    place.store.begin_call(&start(1)).await.expect("begins");

    // SQLite's own limit gives the same error as the disk's.
    let limit = async |pages: u32| {
        let mut session = place.store.session().await.expect("open");
        sqlx::query(&format!("PRAGMA max_page_count = {pages}"))
            .execute(session.connection().expect("open"))
            .await
            .expect("set");
    };
    limit(1).await;
    let mut long = handoff("c1");
    long.summary = "x".repeat(100_000);
    let error = place.store.put_handoff(&long).await.expect_err("full");
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    // The connection was made anew after the error, without the limit.
    limit(1).await;
    let saved = put_handoff_or_file(Some(&place.store), &place.data_dir(), &long).await;
    assert!(matches!(saved, Ok(Saved::File { cause: Some(StoreError::DiskFull { .. }), .. })));
    place.store.put_handoff(&long).await.expect("kept once there is room");
}

#[tokio::test]
async fn commits_wait_for_the_disk() {
    let place = Place::open().await;
    let mut session = place.store.session().await.expect("open");
    let pragma = async |connection: &mut SqliteConnection, name: &str| {
        let row = sqlx::query(&format!("PRAGMA {name}")).fetch_one(connection).await;
        row.expect("answers")
    };
    let connection = session.connection().expect("open");
    use sqlx::Row;
    assert_eq!(pragma(connection, "synchronous").await.get::<i64, _>(0), 2, "FULL");
    assert_eq!(pragma(connection, "journal_mode").await.get::<String, _>(0), "wal");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.store.path()).expect("is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_handoff_survives_without_the_database_and_is_taken_in_once() {
    let place = Place::open().await;
    let data_dir = place.data_dir();
    let mut other = place.other_connection().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    let mut second = handoff("c1");
    second.queue = "cards".into();
    second.promise = "transfer".into();
    second.reference = Some("0123456789abcdef0123456789abcdef".into());
    let mut files = Vec::new();
    for document in [&handoff("c1"), &second] {
        match put_handoff_or_file(Some(&place.store), &data_dir, document).await {
            Ok(Saved::File { path, cause: Some(StoreError::Locked { .. }) }) => files.push(path),
            other => panic!("{other:?}"),
        }
    }
    drop(lock);
    let folder = data_dir.join("handoffs-unsaved");
    assert_eq!(files, [folder.join("c1.json"), folder.join("c1-2.json")]);
    let kept: Handoff =
        serde_json::from_slice(&std::fs::read(&files[0]).expect("readable")).expect("a hand-off");
    assert_eq!(kept, handoff("c1"));
    std::fs::write(folder.join("note.json"), "{}").expect("written");

    // The second one reached the database after all, only late; and then nobody took the call.
    place.store.put_handoff(&second).await.expect("kept");
    let reference = second.reference.as_deref().expect("it has one");
    place.store.promise_callback(reference).await.expect("noted");
    let imported = import_unsaved(&place.store, &data_dir).await.expect("imports");
    assert_eq!((imported.taken, imported.unreadable), (2, vec![folder.join("note.json")]));
    assert_eq!(place.store.handoffs_of("c1").await.expect("read").len(), 2);
    let again = import_unsaved(&place.store, &data_dir).await.expect("imports");
    assert_eq!(again.taken, 0);
    assert_eq!(place.store.due_webhooks(Timestamp::MAX, 10).await.expect("read").len(), 3);

    // Of one that only a file had, nobody knows whether somebody took the call.
    let third = Handoff { call_id: "c5".into(), reference: None, ..second.clone() };
    put_handoff_or_file(None, &data_dir, &third).await.expect("kept in a file");
    import_unsaved(&place.store, &data_dir).await.expect("imports");
    let taken = place.store.handoffs_of("c5").await.expect("read");
    assert_eq!(taken[0].promise, "callback");

    let without = put_handoff_or_file(None, &data_dir, &handoff("../../c3")).await;
    match without {
        Ok(Saved::File { path, cause: None }) => assert_eq!(path, folder.join("c3.json")),
        other => panic!("{other:?}"),
    }
    let nowhere = put_handoff_or_file(None, place.store.path(), &handoff("c4")).await;
    let message = nowhere.expect_err("a file is no folder").to_string();
    assert!(message.contains("kept nowhere"), "{message}");
    assert!(!message.contains("5550123"), "{message}");
}

#[derive(Default)]
struct Inbox {
    bodies: StdMutex<Vec<(HeaderMap, String)>>,
}

/// Fails twice, then accepts.
async fn receive(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut bodies = inbox.bodies.lock().expect("not poisoned");
    bodies.push((headers, String::from_utf8(body.to_vec()).expect("text")));
    if bodies.len() <= 2 { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT }
}

async fn receiver() -> (String, Arc<Inbox>, tokio::task::JoinHandle<()>) {
    let inbox = Arc::new(Inbox::default());
    let router = Router::new()
        .route("/in", post(receive))
        .route("/gone", post(|| async { StatusCode::GONE }))
        .with_state(inbox.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound").to_string();
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("serves");
    });
    (address, inbox, task)
}

fn target(address: &str, path: &str) -> WebhookTarget {
    let url = format!("http://{address}{path}");
    WebhookTarget::new(&url, b"key".to_vec(), Duration::from_secs(5)).expect("a client")
}

#[tokio::test]
async fn webhooks_are_signed_and_repeated_until_taken() {
    let place = Place::open().await;
    let (address, inbox, task) = receiver().await;
    let target = target(&address, "/in");
    let id = place.store.put_handoff(&handoff("c1")).await.expect("kept");
    let mut now = Timestamp::now() + SignedDuration::from_secs(1);
    let retried = Delivery { retried: 1, ..Delivery::default() };
    assert_eq!(deliver_due(&place.store, &target, now).await.expect("works"), retried);
    let early = now + SignedDuration::from_secs(1);
    let nothing = Delivery::default();
    assert_eq!(deliver_due(&place.store, &target, early).await.expect("works"), nothing);
    now += SignedDuration::from_secs(60);
    // What is pending outlives the process.
    place.store.close().await.expect("closes");
    assert_eq!(deliver_due(&place.store, &target, now).await.expect("works"), retried);
    now += SignedDuration::from_secs(60);
    let delivered = Delivery { delivered: 1, ..Delivery::default() };
    assert_eq!(place.store.webhooks_waiting().await.expect("read"), 1);
    assert_eq!(deliver_due(&place.store, &target, now).await.expect("works"), delivered);
    assert_eq!(place.store.webhooks_waiting().await.expect("read"), 0);
    now += SignedDuration::from_hours(1);
    assert_eq!(deliver_due(&place.store, &target, now).await.expect("works"), nothing);
    task.abort();

    let bodies = inbox.bodies.lock().expect("not poisoned").clone();
    assert_eq!(bodies.len(), 3);
    for (headers, body) in &bodies {
        let header = |name: &str| headers[name].to_str().expect("text").to_owned();
        assert_eq!(header("idempotency-key"), id.to_string());
        let sent: Handoff = serde_json::from_str(body).expect("a hand-off");
        assert_eq!(sent, handoff("c1"));
        let given = header("frontdoor-signature");
        let seconds = given.strip_prefix("t=").and_then(|rest| rest.split(',').next());
        let seconds: i64 = seconds.and_then(|s| s.parse().ok()).expect("a time");
        let expected = signature(b"key", Timestamp::from_second(seconds).expect("valid"), body);
        assert_eq!(given, expected);
    }
    let listed = place.store.list_handoffs(10).await.expect("lists");
    assert_eq!(listed[0].webhook.as_deref(), Some("delivered"));
}

#[tokio::test]
async fn webhooks_are_given_up_after_a_day_or_when_told() {
    let place = Place::open().await;
    let (address, _inbox, task) = receiver().await;
    place.store.put_handoff(&handoff("c1")).await.expect("kept");
    let failed = Delivery { failed: 1, ..Delivery::default() };
    let now = Timestamp::now() + SignedDuration::from_secs(1);
    let gone = target(&address, "/gone");
    assert_eq!(deliver_due(&place.store, &gone, now).await.expect("works"), failed);
    task.abort();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.local_addr().expect("bound").to_string()
    };
    place.store.put_handoff(&handoff("c2")).await.expect("kept");
    let nobody = target(&closed, "/");
    let mut now = Timestamp::now() + SignedDuration::from_secs(1);
    let mut rounds = 0;
    while place.store.next_webhook_at().await.expect("read").is_some() {
        deliver_due(&place.store, &nobody, now).await.expect("works");
        now = place.store.next_webhook_at().await.expect("read").unwrap_or(now);
        rounds += 1;
        assert!(rounds < 100, "never given up");
    }
    assert!((20..60).contains(&rounds), "{rounds} tries in a day");
    assert!(now.duration_since(Timestamp::now()) > SignedDuration::from_hours(20));
}

#[tokio::test]
async fn the_worker_delivers_what_is_put_in_and_stops_when_told() {
    let place = Place::open().await;
    let router = Router::new().route("/", post(|| async { StatusCode::OK }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound").to_string();
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("serves");
    });
    let target = target(&address, "/");
    let stop = tokio_util::sync::CancellationToken::new();
    let watch = async {
        place.store.put_handoff(&handoff("c1")).await.expect("kept");
        loop {
            let listed = place.store.list_handoffs(1).await.expect("lists");
            if listed[0].webhook.as_deref() == Some("delivered") {
                break stop.cancel();
            }
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(webhook::run(&place.store, &target, &stop), watch) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("delivers and stops");
    task.abort();
}

#[test]
fn the_signature_is_the_documented_one() {
    // Made with: printf '1775000000.{}' | openssl dgst -sha256 -hmac key
    assert_eq!(
        signature(b"key", at(0), "{}"),
        "t=1775000000,v1=e6ca1dc90ddc025e4674ec713d3e155475be68be85ef7afd3e0f4ad64be7e3a0"
    );
}
