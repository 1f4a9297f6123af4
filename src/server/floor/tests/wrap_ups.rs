//! What agents write about calls.

use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::actions::Actions;
use crate::server::floor::wrap_ups::tell_due;
use crate::store::{WrapUpRecord, WrapUpState};

async fn writes(
    stage: &mut Stage,
    (disposition, notes): (Option<&str>, Option<&str>),
    done: bool,
) -> Result<(), NotDone> {
    let disposition = disposition.map(str::to_owned);
    let notes = notes.map(|notes| Pii::new(notes.to_owned()));
    let ask = |reply| DeskAsk::WrapUp { disposition, notes, done, reply };
    stage.asks("ann", ask).await.expect("answered")
}

async fn kept(stage: &Stage) -> Vec<WrapUpRecord> {
    stage.store.wrap_ups_of(CallId::from_u128(1)).await.expect("read")
}

/// How many the customer system is to be told.
async fn due(stage: &Stage) -> usize {
    stage.store.due_wrap_ups(Timestamp::MAX, 10).await.expect("read").len()
}

#[tokio::test]
async fn what_an_agent_writes_is_kept_as_it_is_written_and_told_when_it_is_done() {
    let mut stage = Stage::open().await;
    let (waiting, mut news) = stage.talk(1, "ann").await;
    assert_eq!(writes(&mut stage, (None, Some("has two cards")), false).await, Ok(()));
    let early = writes(&mut stage, (None, None), true).await;
    assert!(matches!(early, Err(NotDone::Conflict(_))), "the call is not over");
    stage.say(Command::Ended(waiting.call)).await;
    assert_eq!(due(&stage).await, 0, "the agent is at it");
    assert_eq!(writes(&mut stage, (Some("solved"), None), true).await, Ok(()));
    let [kept] = &kept(&stage).await[..] else { panic!("one") };
    assert_eq!((kept.agent.as_str(), kept.state), ("ann", WrapUpState::Pending));
    assert_eq!(kept.disposition.as_deref(), Some("solved"));
    assert_eq!(kept.notes.as_ref().map(|n| n.expose().as_str()), Some("has two cards"));
    assert_eq!(due(&stage).await, 1);
    assert_eq!(names(&told(&mut news)).last().map(String::as_str), Some("state ready"));
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_told_as_it_is_and_again_when_it_changes() {
    let mut stage = Stage::open().await;
    let (waiting, _news) = stage.talk(1, "ann").await;
    stage.say(Command::Ended(waiting.call)).await;
    let wrap_up = stage.floor.queues.rules[&QueueName::new(CARDS)].wrap_up;
    stage.wait(wrap_up.as_secs() + 1).await;
    let first = stage.store.due_wrap_ups(Timestamp::MAX, 10).await.expect("read");
    assert_eq!(first.len(), 1);
    assert_eq!(writes(&mut stage, (Some("solved"), Some("late")), false).await, Ok(()));
    let second = stage.store.due_wrap_ups(Timestamp::MAX, 10).await.expect("read");
    assert_eq!((second.len(), second[0].id), (1, first[0].id));
    assert_ne!(first[0].idempotency_key, second[0].idempotency_key, "another text");
    // What came of telling the first text is not about the second.
    let sent = crate::store::WrapUpMark::Sent { at: stage.now.wall };
    stage.store.mark_wrap_up(&first[0], &sent).await.expect("noted");
    assert_eq!(due(&stage).await, 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_not_kept() {
    let mut stage = Stage::open().await;
    let nothing = writes(&mut stage, (Some("solved"), None), false).await;
    assert!(matches!(nothing, Err(NotDone::Conflict(_))), "there was no call");
    let (_waiting, _news) = stage.talk(1, "ann").await;
    let odd = writes(&mut stage, (Some("slain"), None), false).await;
    assert!(matches!(odd, Err(NotDone::BadRequest(why)) if why.contains("solved")));
    let long = "x".repeat(8_001);
    let long = writes(&mut stage, (None, Some(&long)), false).await;
    assert!(matches!(long, Err(NotDone::BadRequest(_))));
    assert!(kept(&stage).await.is_empty());
    stage.disk = Disk::IsAway;
    let away = writes(&mut stage, (Some("solved"), None), false).await;
    assert!(matches!(away, Err(NotDone::Unavailable(_))), "it could not be kept");
}

#[tokio::test]
async fn the_customer_system_is_told_once_even_if_it_was_away_or_we_were() {
    let mut stage = Stage::open().await;
    let (waiting, _news) = stage.talk(1, "ann").await;
    stage.say(Command::Ended(waiting.call)).await;
    writes(&mut stage, (None, Some("card sent")), false).await.expect("kept");
    // Killed before the agent was done.
    let stage = stage.killed().await;
    assert_eq!(due(&stage).await, 1);
    let actions = Actions::open(&stage.config).await.expect("opens");
    let crm = stage.config.demo_crm_path();
    let away = crm.with_extension("away");
    std::fs::rename(&crm, &away).expect("moved away");
    let tell = async |now| {
        tell_due(&stage.store, &actions, "crm.note", now).await.expect("the store is there");
    };
    tell(stage.now.wall).await;
    assert_eq!(due(&stage).await, 1, "to be told again");
    std::fs::rename(&away, &crm).expect("moved back");
    tell(stage.now.wall).await;
    assert_eq!(due(&stage).await, 1, "not yet");
    let later = stage.now.wall + SignedDuration::from_hours(1);
    tell(later).await;
    tell(later).await;
    assert_eq!(due(&stage).await, 0);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&crm);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let notes: Vec<String> =
        sqlx::query_scalar("SELECT notes FROM notes").fetch_all(&mut database).await.unwrap();
    assert_eq!(notes, ["card sent"]);
}
