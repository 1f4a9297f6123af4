//! Customers who are called back.

use super::*;
use crate::server::floor::api::CallbackOutcome;
use crate::store::CallbackMark;
use crate::web::view::{LiveCallView, Phase};

const NUMBER: &str = "+15550123";

/// A caller who waits asks to be called back.
async fn books(stage: &mut Stage, call: CallId, number: &str) -> oneshot::Receiver<bool> {
    let (reply, booked) = oneshot::channel();
    let number = Pii::new(number.to_owned());
    stage.floor.on_command(stage.now, Command::Book { call, number, reply });
    booked
}

/// A customer whose call is over, in the queue.
async fn booked(stage: &mut Stage, number: u128) -> CallId {
    let waiting = stage.waits(number, CARDS).await;
    let mut answer = books(stage, waiting.call, NUMBER).await;
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(true));
    stage.leave(waiting.call, LeftQueue::HungUp).await;
    waiting.call
}

async fn state(stage: &Stage, call: CallId) -> Option<(String, u32)> {
    stage.store.callback_state(call).await.expect("read")
}

fn is(state: Option<(String, u32)>, word: &str, attempts: u32) -> bool {
    state.is_some_and(|state| state == (word.to_owned(), attempts))
}

/// An agent takes the callback that is offered.
async fn taken(stage: &mut Stage, news: &mut DeskNews) -> CallbackJob {
    let offer = offer_in(&told(news)).expect("offered");
    let _answer = stage.takes("ann", offer).await;
    stage.to_call.pop().expect("somebody is to be called")
}

async fn came_to(stage: &mut Stage, job: &CallbackJob, outcome: CallbackOutcome) {
    let (call, attempt) = (job.call, job.attempt);
    stage.say(Command::Tried { call, attempt, outcome }).await;
}

#[tokio::test]
async fn a_callback_is_booked_once_it_is_in_the_store_and_keeps_the_place() {
    let mut stage = Stage::open().await;
    let waiting = stage.waits(1, CARDS).await;
    stage.wait(100).await;
    let _behind = stage.waits(2, CARDS).await;
    let mut answer = books(&mut stage, waiting.call, NUMBER).await;
    assert!(answer.try_recv().is_err(), "nothing is written yet");
    assert!(stage.floor.is_awaited(), "a stop of the server waits for it");
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(true));
    assert!(!stage.floor.is_awaited());
    assert!(is(state(&stage, waiting.call).await, "waiting", 0));
    let queue = |stage: &Stage| {
        let view = stage.floor.view(stage.now);
        let cards = view.queues.into_iter().find(|queue| queue.name == CARDS).expect("cards");
        cards.waiting.into_iter().map(|w| (w.kind, w.waited_s)).collect::<Vec<_>>()
    };
    assert_eq!(queue(&stage), [("call".to_owned(), 0)], "they are still on the line");
    stage.leave(waiting.call, LeftQueue::HungUp).await;
    assert_eq!(queue(&stage), [("callback".to_owned(), 100), ("call".to_owned(), 0)]);
    assert_eq!(stage.promise(1).await, "queue", "we do it ourselves");
    assert_eq!(stage.on_line().await, 1);
}

#[tokio::test]
async fn nobody_is_called_back_while_they_are_still_on_the_line() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let presence = Presence::Away("lunch".into());
    stage.asks("ann", |reply| DeskAsk::Presence { presence, reply }).await;
    let waiting = stage.waits(1, CARDS).await;
    let mut answer = books(&mut stage, waiting.call, NUMBER).await;
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(true));
    // They are told, and their task listens to the queue no more.
    let call = waiting.call;
    drop(waiting);
    stage.ready("ann").await;
    stage.wait(30).await;
    assert!(offer_in(&told(&mut news)).is_none());
    // They have changed their mind, and wait.
    let mut again = stage.goes_to(1, CARDS);
    stage.settle().await;
    assert_eq!(again.reply.try_recv(), Ok(Ok(())));
    assert_eq!(state(&stage, call).await, None);
    assert!(offer_in(&told(&mut news)).is_some());
    assert_eq!(stage.on_line().await, 1);
}

#[tokio::test]
async fn who_cannot_be_called_back_goes_on_waiting() {
    let mut stage = Stage::open().await;
    let waiting = stage.waits(1, CARDS).await;
    for number in ["+442071234567", "anonymous", ""] {
        let mut answer = books(&mut stage, waiting.call, number).await;
        stage.settle().await;
        assert_eq!(answer.try_recv(), Ok(false), "{number}");
    }
    stage.disk = Disk::IsAway;
    let mut answer = books(&mut stage, waiting.call, NUMBER).await;
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(false), "the store is away");
    stage.disk = Disk::Works;
    let mut answer = books(&mut stage, CallId::from_u128(9), NUMBER).await;
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(false), "they do not wait");
    assert_eq!(stage.floor.callers.len(), 1);
}

#[tokio::test]
async fn who_is_taken_while_it_is_being_booked_is_not_called_back() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let mut waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    stage.asks("ann", |reply| DeskAsk::Shown { offer, reply }).await;
    let mut answer = books(&mut stage, waiting.call, NUMBER).await;
    let (reply, _sdp) = oneshot::channel();
    let way = AnswerWay::Browser { offer_sdp: "v=0".into() };
    let take = DeskAsk::Take { offer, way, reply };
    stage.floor.on_desk(stage.now, AgentId::new("ann"), take);
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(false));
    assert!(matches!(waiting.next(), Some(QueueEvent::Join { .. })));
    assert_eq!(state(&stage, waiting.call).await, None);
    assert_eq!(stage.on_line().await, 1);
}

#[tokio::test]
async fn who_hangs_up_while_it_is_being_booked_is_called_back_once() {
    let mut stage = Stage::open().await;
    let waiting = stage.waits(1, CARDS).await;
    let _answer = books(&mut stage, waiting.call, NUMBER).await;
    let left = Command::Leave { call: waiting.call, why: LeftQueue::HungUp };
    stage.floor.on_command(stage.now, left);
    stage.settle().await;
    stage.wait(1).await;
    assert!(is(state(&stage, waiting.call).await, "waiting", 0));
    assert_eq!((stage.promise(1).await.as_str(), stage.on_line().await), ("queue", 0));
    assert_eq!(stage.floor.callers.len(), 1);
}

#[tokio::test]
async fn a_callback_is_offered_dialled_answered_and_served() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    let mut news = stage.agent("ann").await;
    let job = taken(&mut stage, &mut news).await;
    assert_eq!((job.number.expose().as_str(), job.agent.as_str()), (NUMBER, "ann"));
    let names_itself = |greeting: &str| greeting.contains("Harbor Bank");
    assert!(names_itself(&job.greeting), "who calls back has a name: {}", job.greeting);
    assert!(is(state(&stage, call).await, "dialling", 1));
    let (reply, mut noted) = oneshot::channel();
    let (call, attempt) = (job.call, job.attempt);
    stage.floor.on_command(stage.now, Command::Answered { call, attempt, reply });
    assert!(noted.try_recv().is_err(), "nothing is written yet");
    stage.settle().await;
    assert_eq!(noted.try_recv(), Ok(()));
    assert!(is(state(&stage, call).await, "answered", 1));
    stage.say(Command::Joined(call)).await;
    came_to(&mut stage, &job, CallbackOutcome::Served).await;
    assert!(is(state(&stage, call).await, "served", 1));
    assert_eq!(names(&told(&mut news)).last().map(String::as_str), Some("state wrap_up"));
    assert!(stage.floor.callers.is_empty() && stage.floor.book.is_empty());
}

#[tokio::test]
async fn a_customer_who_is_not_reached_is_tried_again_and_then_left_to_people() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    let mut news = stage.agent("ann").await;
    let first = taken(&mut stage, &mut news).await;
    came_to(&mut stage, &first, CallbackOutcome::NotReached).await;
    assert!(is(state(&stage, call).await, "waiting", 1));
    let events = names(&told(&mut news));
    assert_eq!(events.last().map(String::as_str), Some("state ready"), "for the next call");
    stage.wait(9 * 60).await;
    assert!(offer_in(&told(&mut news)).is_none(), "not yet");
    stage.wait(65).await;
    let second = taken(&mut stage, &mut news).await;
    // What the first one still says is of no interest.
    came_to(&mut stage, &first, CallbackOutcome::Served).await;
    assert!(is(state(&stage, call).await, "dialling", 2));
    came_to(&mut stage, &second, CallbackOutcome::NotReached).await;
    assert!(is(state(&stage, call).await, "failed", 2));
    assert_eq!(stage.promise(1).await, "callback");
    assert!(stage.floor.callers.is_empty() && stage.floor.book.is_empty());
}

#[tokio::test]
async fn an_agent_who_cannot_be_heard_costs_the_customer_nothing() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    let mut news = stage.agent("ann").await;
    let job = taken(&mut stage, &mut news).await;
    came_to(&mut stage, &job, CallbackOutcome::AgentNotReached).await;
    assert!(job.cancel.is_cancelled());
    assert!(is(state(&stage, call).await, "waiting", 0));
    assert_eq!(stage.floor.callers.len(), 1, "they are in the queue");
}

#[tokio::test]
async fn a_page_that_dies_calls_the_try_off_and_the_customer_is_first_again() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    let mut news = stage.agent("ann").await;
    let job = taken(&mut stage, &mut news).await;
    stage.say(Command::Joined(call)).await;
    drop(news);
    stage.wait(6).await;
    assert!(job.cancel.is_cancelled());
    assert!(is(state(&stage, call).await, "waiting", 1));
    let mut other = stage.agent("pam").await;
    assert!(offer_in(&told(&mut other)).is_some());
}

#[tokio::test]
async fn an_agent_who_has_left_a_customer_to_somebody_else_has_no_more_part_in_their_talk() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    let mut news = stage.agent("ann").await;
    let job = taken(&mut stage, &mut news).await;
    stage.say(Command::Joined(call)).await;
    stage.say(Command::Ended(call)).await;
    assert_eq!(names(&told(&mut news)).last().map(String::as_str), Some("state wrap_up"));
    // They go home.
    drop(news);
    stage.wait(60).await;
    assert!(!job.cancel.is_cancelled());
    came_to(&mut stage, &job, CallbackOutcome::Served).await;
    assert!(is(state(&stage, call).await, "served", 1));
    assert!(stage.floor.callers.is_empty() && stage.floor.book.is_empty());
}

#[tokio::test]
async fn a_call_that_goes_on_for_long_is_not_called_back_before_it_is_over() {
    let mut stage = Stage::open().await;
    let waiting = stage.waits(1, CARDS).await;
    let view = LiveCallView {
        call_id: waiting.call.to_string(),
        answered_at: stage.now.wall.to_string(),
        caller: NUMBER.to_owned(),
        called: "100".to_owned(),
        channel: "sip".to_owned(),
        profile: "bank".to_owned(),
        phase: Phase::Talking,
        queue: None,
        agent: None,
        intent: None,
        last_line: None,
    };
    let on_the_line = stage.live.begin(waiting.call, view);
    let mut answer = books(&mut stage, waiting.call, NUMBER).await;
    stage.settle().await;
    assert_eq!(answer.try_recv(), Ok(true));
    stage.wait(600).await;
    assert!(stage.floor.callers.is_empty(), "they are still on the line");
    // Its end is not told, as if its task had failed.
    drop(on_the_line);
    stage.wait(1).await;
    assert_eq!(stage.floor.callers.len(), 1);
}

#[tokio::test]
async fn the_book_is_opened_again_after_a_restart_with_its_places() {
    let mut stage = Stage::open().await;
    let first = booked(&mut stage, 1).await;
    stage.wait(30).await;
    let second = booked(&mut stage, 2).await;
    let later = booked(&mut stage, 3).await;
    let not_before = Some(stage.now.wall + SignedDuration::from_mins(10));
    let mark = CallbackMark::Waiting { attempts: 1, not_before };
    stage.store.mark_callback(later, &mark).await.expect("noted");
    let mut stage = stage.killed().await;
    let _new = stage.waits(4, CARDS).await;
    let calls = |stage: &Stage| {
        let view = stage.floor.view(stage.now);
        let cards = view.queues.into_iter().find(|queue| queue.name == CARDS).expect("cards");
        cards.waiting.into_iter().map(|waiter| waiter.call_id).collect::<Vec<_>>()
    };
    let id = |number| CallId::from_u128(number).to_string();
    assert_eq!(calls(&stage), [first.to_string(), second.to_string(), id(4)]);
    stage.wait(10 * 60).await;
    assert_eq!(calls(&stage), [first.to_string(), second.to_string(), id(3), id(4)]);
    let mut news = stage.agent("ann").await;
    let events = told(&mut news);
    let Some(DeskEvent::Offer { handoff, kind, .. }) =
        events.iter().find(|event| matches!(event, DeskEvent::Offer { .. }))
    else {
        panic!("no offer")
    };
    assert_eq!((kind.as_str(), handoff.call_id.as_str()), ("callback", &*first.to_string()));
    assert_eq!(handoff.summary, "The caller asked for a person.", "with all that was known");
}

#[tokio::test]
async fn nobody_is_called_back_by_a_server_that_stops_but_by_the_next() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    stage.say(Command::CloseBook).await;
    let mut news = stage.agent("ann").await;
    stage.wait(60).await;
    assert!(offer_in(&told(&mut news)).is_none());
    assert!(is(state(&stage, call).await, "waiting", 0));
    // A caller on the line is still served.
    let waiting = stage.waits(2, CARDS).await;
    assert!(offer_in(&told(&mut news)).is_some());
    stage.leave(waiting.call, LeftQueue::HungUp).await;
    let mut stage = stage.killed().await;
    let mut news = stage.agent("ann").await;
    assert!(offer_in(&told(&mut news)).is_some());
}

#[tokio::test]
async fn a_try_that_fails_while_the_server_stops_is_left_to_the_next() {
    let mut stage = Stage::open().await;
    let call = booked(&mut stage, 1).await;
    let mut anns = stage.agent("ann").await;
    let job = taken(&mut stage, &mut anns).await;
    let mut pams = stage.agent("pam").await;
    told(&mut pams);
    stage.say(Command::CloseBook).await;
    came_to(&mut stage, &job, CallbackOutcome::AgentNotReached).await;
    stage.wait(60).await;
    assert!(offer_in(&told(&mut pams)).is_none());
    let at_desk = |name: &str| stage.floor.desks[&AgentId::new(name)].is_signed_in();
    assert!(at_desk("ann") && at_desk("pam"), "nobody is taken for gone");
    assert!(is(state(&stage, call).await, "waiting", 0));
}
