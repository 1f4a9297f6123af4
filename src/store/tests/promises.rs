//! What callers are promised with a hand-off, from then on.

use super::*;

#[tokio::test]
async fn a_callback_that_is_promised_after_all_is_told_once_more() {
    let place = Place::open().await;
    let reference = "0123456789abcdef0123456789abcdef";
    let call = CallId::from_u128(7);
    let before = Handoff {
        promise: "transfer".into(),
        reference: Some(reference.into()),
        ..handoff(&call.to_string())
    };
    let after = Handoff { promise: "callback".into(), ..before.clone() };
    place.store.begin_call(&start(7)).await.expect("begins");
    let id = place.store.put_handoff(&before).await.expect("kept");
    let due = async || place.store.due_webhooks(Timestamp::MAX, 10).await.expect("read");
    let first = due().await;
    assert_eq!(first.len(), 1);
    let delivered = WebhookMark::Delivered { at: at(1) };
    place.store.mark_webhook(first[0].id, &delivered).await.expect("noted");
    // It is promised once, however often it is said; and to nobody else.
    let nobodys = "0123456789abcdef0123456789abcdee";
    for (told, is_known) in [(reference, true), (reference, true), (nobodys, false)] {
        let noted = place.store.promise_callback(told).await.expect("noted");
        assert_eq!(noted, is_known, "{told}");
    }
    let second = due().await;
    assert_eq!((second.len(), second[0].handoff), (1, id));
    assert_eq!(first[0].idempotency_key, id.to_string());
    assert_eq!(second[0].idempotency_key, format!("{id}-callback"));
    let posted: Handoff = serde_json::from_str(&second[0].json).expect("a hand-off");
    assert_eq!(posted, after);
    let found = place.store.handoff_by_reference(reference).await.expect("read").expect("found");
    assert_eq!(serde_json::from_str::<Handoff>(&found).expect("a hand-off"), after);
    // It is one hand-off still, and its latest delivery is the one that is shown.
    let listed = place.store.list_handoffs(10).await.expect("lists");
    let record = place.store.call(call).await.expect("is there");
    assert_eq!((listed.len(), record.handoffs.len()), (1, 1));
    for state in [&listed[0].webhook, &record.handoffs[0].webhook] {
        assert_eq!(state.as_deref(), Some("pending"));
    }
    place.store.mark_webhook(second[0].id, &delivered).await.expect("noted");
    let listed = place.store.list_handoffs(10).await.expect("lists");
    assert_eq!(listed[0].webhook.as_deref(), Some("delivered"));
}

#[tokio::test]
async fn who_was_being_put_through_when_the_server_was_killed_is_called_back() {
    let place = Place::open().await;
    let store = &place.store;
    let call = |id: u128| CallId::from_u128(id).to_string();
    let promised = |call: &str, queue: &str| Handoff {
        promise: "transfer".into(),
        queue: queue.into(),
        ..handoff(call)
    };
    let tried = |queue: &str, outcome: &str| {
        Entry::Transfer(TransferRecord {
            at_ms: 9_000,
            queue: queue.into(),
            way: "bridge".into(),
            outcome: outcome.into(),
            agent: None,
            status: None,
            took_ms: 4_200,
            bridged_ms: None,
        })
    };
    // Somebody took the first call; the second was killed while it rang; the third ended while the
    // database was away; of the fourth and fifth there is no record, any more or yet.
    for (id, tries) in [
        (1, vec![tried("cards", "busy"), tried("cards", "succeeded")]),
        (2, vec![tried("loans", "succeeded")]),
        (3, vec![tried("cards", "no answer")]),
    ] {
        store.begin_call(&start(id)).await.expect("begins");
        store.append(CallId::from_u128(id), &tries).await.expect("appends");
    }
    for id in 1..=5 {
        store.put_handoff(&promised(&call(id), "cards")).await.expect("kept");
    }
    store.put_handoff(&handoff(&call(6))).await.expect("kept");
    let mut other = place.other_connection().await;
    sqlx::query("UPDATE handoffs SET created_at = ? WHERE call = ?")
        .bind("2020-01-02T03:04:05.000000Z")
        .bind(call(4))
        .execute(&mut other)
        .await
        .expect("made older");
    let due = async || store.due_webhooks(Timestamp::MAX, 100).await.expect("read");
    assert_eq!(due().await.len(), 6);

    assert_eq!(store.promise_callbacks_left().await.expect("noted"), 3);
    let mut promises = Vec::new();
    for id in 1..=6 {
        let found = store.handoffs_of(&call(id)).await.expect("read");
        promises.extend(found.into_iter().map(|handoff| handoff.promise));
    }
    assert_eq!(promises, ["transfer", "callback", "callback", "transfer", "callback", "callback"]);
    let again = due().await;
    let told = again.iter().filter(|due| due.idempotency_key.ends_with("-callback"));
    assert_eq!((again.len(), told.count()), (9, 3));
    // They are taken up once.
    assert_eq!(store.promise_callbacks_left().await.expect("noted"), 0);
    assert_eq!(due().await.len(), 9);
}
