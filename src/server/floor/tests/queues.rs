//! Callers come, wait and leave.

use super::*;
use crate::acd::{BackInQueue, Place, WaitEnd};
use crate::web::view::FloorQueue;

fn place(waiting: &mut Waiting) -> Option<Place> {
    let mut latest = None;
    while let Ok(event) = waiting.events.try_recv() {
        if let QueueEvent::News(place) = event {
            latest = Some(place);
        }
    }
    latest
}

fn queue(stage: &Stage, name: &str) -> FloorQueue {
    let view = stage.floor.view(stage.now);
    view.queues.into_iter().find(|queue| queue.name == name).expect("a queue")
}

#[tokio::test]
async fn a_caller_waits_only_once_that_is_in_the_store() {
    let mut stage = Stage::open().await;
    let mut waiting = stage.comes(1, CARDS).await;
    assert!(waiting.reply.try_recv().is_err(), "nothing is written yet");
    stage.settle().await;
    assert_eq!(waiting.reply.try_recv(), Ok(Ok(())));
    assert_eq!(place(&mut waiting).expect("told").position, 1);
    let kept = stage.store.waiting().await.expect("read");
    assert_eq!((kept[0].call, kept[0].queue.as_str()), (waiting.call, CARDS));
}

#[tokio::test]
async fn places_are_told_when_they_change_and_not_again_and_again() {
    let mut stage = Stage::open().await;
    let mut first = stage.waits(1, CARDS).await;
    let mut second = stage.waits(2, CARDS).await;
    assert_eq!(place(&mut first).expect("told").position, 1);
    assert_eq!(place(&mut second).expect("told").position, 2);
    stage.wait(10).await;
    assert_eq!(place(&mut second), None, "nothing has changed");
    stage.leave(first.call, LeftQueue::HungUp).await;
    stage.wait(1).await;
    assert_eq!(place(&mut second).expect("told").position, 1);
}

#[tokio::test]
async fn who_hangs_up_is_called_back_by_people_and_who_would_rather_not_wait_is_not() {
    let mut stage = Stage::open().await;
    for (number, why, promise) in [
        (1, LeftQueue::HungUp, "callback"),
        (2, LeftQueue::ByChoice, "queue"),
        (3, LeftQueue::Elsewhere, "queue"),
    ] {
        let waiting = stage.waits(number, CARDS).await;
        stage.leave(waiting.call, why).await;
        assert_eq!(stage.promise(number).await, promise, "{why:?}");
    }
    assert_eq!(stage.on_line().await, 0);
    let cards = queue(&stage, CARDS);
    assert_eq!((cards.abandoned_today, cards.waiting.len()), (1, 0));
}

#[tokio::test]
async fn whose_task_is_gone_has_hung_up() {
    let mut stage = Stage::open().await;
    let waiting = stage.waits(1, CARDS).await;
    drop(waiting);
    stage.wait(1).await;
    assert_eq!(stage.promise(1).await, "callback");
    // Also before it was written down that they wait.
    let arriving = stage.comes(2, CARDS).await;
    drop(arriving);
    stage.settle().await;
    assert_eq!(stage.promise(2).await, "callback");
    // And between the two.
    let arriving = stage.comes(3, CARDS).await;
    let left = Command::Leave { call: arriving.call, why: LeftQueue::HungUp };
    stage.floor.on_command(stage.now, left);
    stage.settle().await;
    assert_eq!(stage.promise(3).await, "callback");
    assert_eq!((stage.on_line().await, queue(&stage, CARDS).waiting.len()), (0, 0));
}

#[tokio::test]
async fn a_handoff_whose_caller_never_came_to_the_queue_is_settled_too() {
    let mut stage = Stage::open().await;
    let call = CallId::from_u128(1);
    let handoff = a_handoff(&call.to_string(), Some(&reference(1)));
    stage.store.put_handoff(&handoff).await.expect("kept");
    assert_eq!(stage.on_line().await, 1, "the promise is open");
    stage.leave(call, LeftQueue::HungUp).await;
    assert_eq!((stage.on_line().await, stage.promise(1).await.as_str()), (0, "callback"));
}

#[tokio::test]
async fn who_cannot_wait_is_told_so_and_called_back_by_people() {
    let mut stage = Stage::open().await;
    let mut waiting = stage.comes(1, "nowhere").await;
    stage.settle().await;
    assert_eq!(waiting.reply.try_recv(), Ok(Err(RouterRefusal::NoQueue)));
    assert_eq!(stage.promise(1).await, "callback");
    let places = stage.floor.queues.rules[&QueueName::new(CARDS)].len_max;
    let mut inside = Vec::new();
    for number in 0..places {
        inside.push(stage.waits(100 + number as u128, CARDS).await);
    }
    let mut waiting = stage.comes(2, CARDS).await;
    stage.settle().await;
    assert_eq!(waiting.reply.try_recv(), Ok(Err(RouterRefusal::QueueFull)));
    assert_eq!(stage.promise(2).await, "callback");
    // The last place is kept for whoever came first, while that is written down.
    stage.leave(CallId::from_u128(100), LeftQueue::HungUp).await;
    let mut first = stage.comes(3, CARDS).await;
    let mut second = stage.comes(4, CARDS).await;
    assert_eq!(second.reply.try_recv(), Ok(Err(RouterRefusal::QueueFull)));
    stage.settle().await;
    assert_eq!(first.reply.try_recv(), Ok(Ok(())));
    assert_eq!(stage.promise(4).await, "callback");
}

#[tokio::test]
async fn whom_a_stop_cuts_off_from_an_agent_or_in_line_people_call_back() {
    let mut stage = Stage::open().await;
    let (talking, _news) = stage.talk(1, "ann").await;
    let waiting = stage.waits(2, CARDS).await;
    for call in [talking.call, waiting.call] {
        stage.say(Command::CutOff(call)).await;
        // As the call's task says when the call is over.
        stage.say(Command::Ended(call)).await;
        stage.leave(call, LeftQueue::HungUp).await;
    }
    assert_eq!(
        (stage.promise(1).await, stage.promise(2).await),
        ("callback".into(), "callback".into())
    );
    assert_eq!(stage.on_line().await, 0);
}

#[tokio::test]
async fn a_failure_that_is_told_too_late_does_not_hit_the_next_agent() {
    let mut stage = Stage::open().await;
    let mut anns = stage.agent("ann").await;
    let waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut anns)).expect("offered");
    let _answer = stage.takes("ann", offer).await;
    drop(anns);
    stage.wait(6).await;
    let mut pams = stage.agent("pam").await;
    let offer = offer_in(&told(&mut pams)).expect("offered");
    let _answer = stage.takes("pam", offer).await;
    told(&mut pams);
    let (call, agent) = (waiting.call, AgentId::new("ann"));
    stage.say(Command::JoinFailed { call, agent: agent.clone() }).await;
    stage.say(Command::AgentLost { call, agent }).await;
    assert_eq!(names(&told(&mut pams)), [""; 0]);
    stage.say(Command::JoinFailed { call, agent: AgentId::new("pam") }).await;
    assert!(names(&told(&mut pams)).contains(&"call ended".to_owned()));
}

#[tokio::test]
async fn a_store_that_is_away_keeps_nobody_from_waiting() {
    let mut stage = Stage::open().await;
    let mut waiting = stage.comes(1, CARDS).await;
    stage.disk = Disk::IsAway;
    stage.settle().await;
    assert_eq!(waiting.reply.try_recv(), Ok(Ok(())));
}

#[tokio::test]
async fn a_queue_that_is_gone_from_the_prompt_files_lets_its_callers_go() {
    let mut stage = Stage::open().await;
    let mut waiting = stage.waits(1, CARDS).await;
    stage.floor.on_note(stage.now, Note::Generations(Vec::new()));
    stage.settle().await;
    assert!(matches!(waiting.next(), Some(QueueEvent::Over { why: WaitEnd::NoQueue })));
    assert_eq!(stage.promise(1).await, "callback");
}

#[tokio::test]
async fn an_agent_sends_a_caller_on_and_goes_on_to_the_work_after_it() {
    let mut stage = Stage::open().await;
    let (talking, mut news) = stage.talk(1, "ann").await;
    told(&mut news);
    let mut again = stage.goes_to(1, "billing");
    stage.settle().await;
    assert_eq!(again.reply.try_recv(), Ok(Ok(())));
    assert_eq!(names(&told(&mut news))[..2], ["call ended", "state wrap_up"]);
    assert_eq!((stage.on_line().await, stage.promise(1).await.as_str()), (1, "queue"));
    drop(talking);
    stage.wait(1).await;
    assert_eq!(queue(&stage, "billing").waiting.len(), 1, "the old queue's end means nothing");
    // A caller with an agent is not lost where they cannot go.
    stage.leave(again.call, LeftQueue::ByChoice).await;
}

#[tokio::test]
async fn a_caller_who_cannot_be_sent_on_stays_with_the_agent() {
    let mut stage = Stage::open().await;
    let (talking, mut news) = stage.talk(1, "ann").await;
    told(&mut news);
    let mut again = stage.goes_to(1, "nowhere");
    stage.settle().await;
    assert_eq!(again.reply.try_recv(), Ok(Err(RouterRefusal::NoQueue)));
    assert!(names(&told(&mut news)).is_empty(), "nothing has changed for the agent");
    stage.say(Command::Ended(talking.call)).await;
    assert_eq!((stage.on_line().await, stage.promise(1).await.as_str()), (0, "queue"));
}

#[tokio::test]
async fn who_could_not_be_joined_is_first_again_and_told_why() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let mut waiting = stage.waits(1, CARDS).await;
    let mut behind = stage.waits(2, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    let _answer = stage.takes("ann", offer).await;
    assert!(matches!(waiting.next(), Some(QueueEvent::Join { .. })));
    let agent = AgentId::new("ann");
    stage.say(Command::JoinFailed { call: waiting.call, agent }).await;
    assert!(matches!(waiting.next(), Some(QueueEvent::Back { why: BackInQueue::NotJoined })));
    stage.wait(1).await;
    assert_eq!(place(&mut behind).expect("told").position, 2);
    assert_eq!(stage.promise(1).await, "queue");
}

#[tokio::test]
async fn what_was_answered_in_time_is_counted_also_after_a_restart() {
    let mut stage = Stage::open().await;
    let waiting = stage.waits(2, CARDS).await;
    let limit = stage.floor.queues.rules[&QueueName::new(CARDS)].answer_within;
    stage.wait(limit.as_secs() + 1).await;
    stage.leave(waiting.call, LeftQueue::HungUp).await;
    let (talking, _news) = stage.talk(1, "ann").await;
    stage.say(Command::Ended(talking.call)).await;
    let before = queue(&stage, CARDS);
    assert_eq!((before.answered_today, before.abandoned_today), (1, 1));
    assert_eq!(before.service_level_percent, Some(50.0));
    let stage = stage.killed().await;
    let after = queue(&stage, CARDS);
    assert_eq!((after.answered_today, after.abandoned_today), (1, 1));
    assert_eq!(after.service_level_percent, Some(50.0));
    let agents = stage.floor.view(stage.now).agents;
    let ann = agents.iter().find(|agent| agent.name == "ann").expect("ann");
    assert_eq!((ann.calls_today, ann.display_name.as_str()), (1, "ANN"));
}
