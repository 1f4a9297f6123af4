//! The program is killed at any moment: after each entry that reaches the disk, and before it.

use super::*;
use crate::server::floor::api::CallbackOutcome;

/// What is owed to a caller after a restart.
#[derive(Debug, PartialEq, Eq)]
enum Owed {
    /// They were served.
    Nothing,
    /// People call them back.
    People,
    /// We call them back, in their turn.
    Us,
}

async fn owed(stage: &Stage, number: u128) -> Owed {
    let call = CallId::from_u128(number);
    let by_people = stage.promise(number).await == "callback";
    let by_us = stage.floor.book.contains_key(&call);
    assert_eq!(stage.on_line().await, 0, "nobody is on the line after a restart");
    match (by_people, by_us) {
        (false, false) => Owed::Nothing,
        (true, false) => Owed::People,
        (false, true) => Owed::Us,
        (true, true) => panic!("called back twice"),
    }
}

/// Plays a day of one caller up to the moment at which the disk stops. Gives how much was written.
async fn killed_after(entries: usize, play: impl AsyncFn(&mut Stage)) -> (Stage, usize) {
    let mut stage = Stage::open().await;
    stage.disk = Disk::DiesAfter(entries);
    play(&mut stage).await;
    let written = stage.written;
    (stage.killed().await, written)
}

/// Shows and takes what is offered at this desk, if anything is.
async fn take_if_offered(stage: &mut Stage, agent: &str, news: &mut DeskNews) -> bool {
    let Some(offer) = offer_in(&told(news)) else { return false };
    let _answer = stage.takes(agent, offer).await;
    true
}

#[tokio::test]
async fn a_caller_on_the_line_is_served_or_called_back_by_people() {
    let day = async |stage: &mut Stage| {
        let mut news = stage.agent("ann").await;
        let waiting = stage.comes(1, CARDS).await;
        stage.settle().await;
        if !take_if_offered(stage, "ann", &mut news).await {
            return;
        }
        stage.say(Command::Joined(waiting.call)).await;
        stage.say(Command::Ended(waiting.call)).await;
    };
    let mut seen = Vec::new();
    for entries in 0..20 {
        let (stage, written) = killed_after(entries, &day).await;
        seen.push(owed(&stage, 1).await);
        if written < entries {
            break;
        }
    }
    assert_eq!(seen.first(), Some(&Owed::People), "{seen:?}");
    assert_eq!(seen.last(), Some(&Owed::Nothing), "{seen:?}");
    assert!(!seen.contains(&Owed::Us));
    // Once they are served they stay so.
    let served = seen.iter().position(|owed| *owed == Owed::Nothing).expect("served");
    assert!(seen[served..].iter().all(|owed| *owed == Owed::Nothing), "{seen:?}");
}

#[tokio::test]
async fn a_callback_is_neither_lost_nor_made_twice() {
    let day = async |stage: &mut Stage| {
        let waiting = stage.comes(1, CARDS).await;
        stage.settle().await;
        let call = waiting.call;
        let (reply, _booked) = oneshot::channel();
        let number = Pii::new("+15550123".to_owned());
        stage.say(Command::Book { call, number, reply }).await;
        stage.leave(call, LeftQueue::HungUp).await;
        let mut news = stage.agent("ann").await;
        if !take_if_offered(stage, "ann", &mut news).await {
            return;
        }
        let Some(job) = stage.to_call.pop() else { return };
        let (reply, _noted) = oneshot::channel();
        let attempt = job.attempt;
        stage.say(Command::Answered { call, attempt, reply }).await;
        stage.say(Command::Joined(call)).await;
        stage.say(Command::Tried { call, attempt, outcome: CallbackOutcome::Served }).await;
    };
    let mut seen = Vec::new();
    for entries in 0..30 {
        let (stage, written) = killed_after(entries, &day).await;
        let owed = owed(&stage, 1).await;
        let state = stage.store.callback_state(CallId::from_u128(1)).await.expect("read");
        let word = state.map_or_else(|| "none".to_owned(), |(word, _)| word);
        match word.as_str() {
            // Somebody had answered: they are not called by us again.
            "failed" | "none" => assert_eq!(owed, Owed::People, "after {entries}"),
            "waiting" => assert_eq!(owed, Owed::Us, "after {entries}"),
            "served" => assert_eq!(owed, Owed::Nothing, "after {entries}"),
            other => panic!("{other} after {entries}"),
        }
        seen.push(owed);
        if written < entries {
            break;
        }
    }
    assert_eq!(seen.first(), Some(&Owed::People), "{seen:?}");
    assert!(seen.contains(&Owed::Us), "{seen:?}");
    assert_eq!(seen.last(), Some(&Owed::Nothing), "{seen:?}");
}

#[tokio::test]
async fn who_is_called_back_by_people_is_told_to_the_webhook_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.sqlite");
    let store = Store::open(&path).await.expect("opens").with_webhooks();
    let handoff = a_handoff(&CallId::from_u128(1).to_string(), Some(&reference(1)));
    store.put_handoff(&handoff).await.expect("kept");
    let due = async || store.due_webhooks(Timestamp::MAX, 10).await.expect("read").len();
    assert_eq!(due().await, 1, "the hand-off itself");
    for _ in 0..3 {
        store.break_off_all_waiting().await.expect("settled");
        assert_eq!(due().await, 2, "and that people call back");
    }
}
