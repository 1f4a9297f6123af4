//! Agents at their desks.

use super::*;
use crate::acd::BackInQueue;
use crate::server::floor::api::{AgentCommand, Microphone};
use crate::store::{Access, AccountChange};
use crate::web::Target;
use crate::web::view::{AgentCallPhase, LiveCallView, LiveEvent, Phase, Speaker};

fn conflict<T>(answer: Result<Result<T, NotDone>, oneshot::error::RecvError>) -> bool {
    matches!(answer, Ok(Err(NotDone::Conflict(_))))
}

#[tokio::test]
async fn a_call_is_offered_with_the_handoff_and_taken_once_it_is_shown() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    assert_eq!(names(&told(&mut news)), ["state away", "queues", "state ready"]);
    let mut waiting = stage.waits(1, CARDS).await;
    let events = told(&mut news);
    assert_eq!(names(&events), ["offer", "state offered"]);
    let Some(DeskEvent::Offer { handoff, first_line, kind, queue, .. }) = events.first() else {
        panic!("no offer")
    };
    assert_eq!((handoff.call_id.as_str(), kind.as_str()), (&*waiting.call.to_string(), "call"));
    assert_eq!((first_line.as_str(), queue.as_str()), ("Hello. How can I help you?", CARDS));
    let offer = offer_in(&events).expect("an offer");
    let way = AnswerWay::Browser { offer_sdp: "v=0".into() };
    let early = stage.asks("ann", |reply| DeskAsk::Take { offer, way, reply }).await;
    assert!(matches!(early, Some(Err(NotDone::Conflict(_)))), "not shown yet");
    let answer = stage.takes("ann", offer).await;
    assert_eq!(names(&told(&mut news)), ["offer_ended taken", "call connecting", "state talking"]);
    let Some(QueueEvent::Join { agent, display_name, way, answer: sdp, .. }) = waiting.next()
    else {
        panic!("no join")
    };
    assert_eq!((agent.as_str(), display_name.as_str()), ("ann", "ANN"));
    assert!(matches!(way, AnswerWay::Browser { offer_sdp } if offer_sdp == "v=0"));
    sdp.send(Ok(Some("v=1".into()))).expect("awaited");
    assert_eq!(answer.await, Ok(Ok(Some("v=1".into()))));
    stage.say(Command::Joined(waiting.call)).await;
    assert_eq!(names(&told(&mut news)), ["call talking"]);
    stage.say(Command::Ended(waiting.call)).await;
    assert_eq!(names(&told(&mut news)), ["call ended", "state wrap_up"]);
    assert_eq!((stage.on_line().await, stage.promise(1).await.as_str()), (0, "queue"));
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_the_browser_negotiates_is_a_conflict() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let mut waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    let answer = stage.takes("ann", offer).await;
    let join = waiting.next().expect("a join");
    stage.leave(waiting.call, LeftQueue::HungUp).await;
    drop(join);
    assert!(conflict(answer.await));
    let events = names(&told(&mut news));
    assert!(events.contains(&"call ended".to_owned()), "{events:?}");
    assert_eq!(stage.promise(1).await, "callback", "nobody has talked with them");
    // The agent takes the next call.
    stage.ready("ann").await;
    let _next = stage.waits(2, CARDS).await;
    assert!(offer_in(&told(&mut news)).is_some());
}

#[tokio::test]
async fn an_offer_to_a_caller_who_has_just_gone_is_not_to_be_taken() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    stage.asks("ann", |reply| DeskAsk::Shown { offer, reply }).await;
    // The call's task is gone, and the floor has not noticed yet.
    drop(waiting);
    let way = AnswerWay::Browser { offer_sdp: "v=0".into() };
    let answer = stage.begins("ann", |reply| DeskAsk::Take { offer, way, reply }).await;
    assert!(conflict(answer.await));
    assert_eq!(stage.promise(1).await, "callback");
    let late = stage.asks("ann", |reply| DeskAsk::Decline { offer, reply }).await;
    assert!(matches!(late, Some(Err(NotDone::NotFound(_)))), "it is over");
}

#[tokio::test]
async fn a_second_page_takes_the_desk_over_and_is_told_everything() {
    let mut stage = Stage::open().await;
    let (waiting, mut first) = stage.talk(1, "ann").await;
    told(&mut first);
    let mut second = stage.opens("ann").await;
    assert_eq!(names(&told(&mut first)), ["replaced"]);
    assert!(matches!(first.try_recv(), Err(TryRecvError::Disconnected)));
    assert_eq!(names(&told(&mut second)), ["state talking", "call talking", "queues"]);
    drop(first);
    stage.wait(10).await;
    assert!(names(&told(&mut second)).is_empty(), "the first one's end means nothing");
    stage.say(Command::Ended(waiting.call)).await;
    assert_eq!(names(&told(&mut second)), ["call ended", "state wrap_up"]);
}

#[tokio::test]
async fn a_page_that_opens_again_is_told_of_the_offer_too() {
    let mut stage = Stage::open().await;
    let _first = stage.agent("ann").await;
    let _waiting = stage.waits(1, CARDS).await;
    let mut second = stage.opens("ann").await;
    let events = told(&mut second);
    assert_eq!(names(&events), ["state offered", "offer", "queues"]);
    let answer = stage.takes("ann", offer_in(&events).expect("offered")).await;
    drop(answer);
}

#[tokio::test]
async fn a_page_may_be_gone_for_as_long_as_a_reload_takes() {
    let mut stage = Stage::open().await;
    let (mut waiting, news) = stage.talk(1, "ann").await;
    drop(news);
    stage.wait(4).await;
    assert!(waiting.next().is_none());
    let mut again = stage.opens("ann").await;
    assert_eq!(names(&told(&mut again))[..2], ["state talking", "call talking"]);
    stage.wait(10).await;
    assert!(waiting.next().is_none(), "they talk on");
    drop(again);
    stage.wait(6).await;
    assert!(matches!(waiting.next(), Some(QueueEvent::Back { why: BackInQueue::AgentLost })));
    assert_eq!((stage.on_line().await, stage.promise(1).await.as_str()), (1, "queue"));
}

#[tokio::test]
async fn a_page_that_goes_in_the_middle_of_an_offer_is_passed_over_at_once() {
    let mut stage = Stage::open().await;
    let news = stage.agent("ann").await;
    let _waiting = stage.waits(1, CARDS).await;
    let mut other = stage.agent("pam").await;
    assert!(offer_in(&told(&mut other)).is_none(), "it is offered to ann");
    drop(news);
    stage.wait(1).await;
    assert!(offer_in(&told(&mut other)).is_some());
}

#[tokio::test]
async fn who_has_no_page_open_is_offered_nothing() {
    let mut stage = Stage::open().await;
    let news = stage.agent("ann").await;
    drop(news);
    // The page is gone for less than a reload takes, and a call comes.
    let mut other = stage.agent("pam").await;
    let _waiting = stage.waits(1, CARDS).await;
    assert!(offer_in(&told(&mut other)).is_some());
}

#[tokio::test]
async fn a_talk_on_the_telephone_outlives_the_page() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("pam").await;
    let mut waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    stage.asks("pam", |reply| DeskAsk::Shown { offer, reply }).await;
    let way = AnswerWay::Phone;
    let _answer = stage.begins("pam", |reply| DeskAsk::Take { offer, way, reply }).await;
    let Some(QueueEvent::Join { .. }) = waiting.next() else { panic!("no join") };
    stage.say(Command::Joined(waiting.call)).await;
    drop(news);
    stage.wait(60).await;
    assert!(waiting.next().is_none(), "they talk on");
    stage.say(Command::Ended(waiting.call)).await;
    stage.wait(1).await;
    assert!(!stage.floor.desks[&AgentId::new("pam")].is_signed_in(), "then pam is gone");
}

#[tokio::test]
async fn who_has_no_telephone_cannot_take_a_call_there() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let _waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    stage.asks("ann", |reply| DeskAsk::Shown { offer, reply }).await;
    let way = AnswerWay::Phone;
    let answer = stage.asks("ann", |reply| DeskAsk::Take { offer, way, reply }).await;
    assert!(matches!(answer, Some(Err(NotDone::BadRequest(_)))));
    let _answer = stage.takes("ann", offer).await;
}

#[tokio::test]
async fn audio_that_dies_puts_the_caller_first_and_leaves_the_agent_at_the_desk() {
    let mut stage = Stage::open().await;
    let (mut waiting, mut news) = stage.talk(1, "ann").await;
    told(&mut news);
    let agent = AgentId::new("ann");
    stage.say(Command::AgentLost { call: waiting.call, agent }).await;
    assert!(matches!(waiting.next(), Some(QueueEvent::Back { why: BackInQueue::AgentLost })));
    let events = names(&told(&mut news));
    assert!(events.contains(&"call ended".to_owned()), "{events:?}");
    assert_eq!(events.last().map(String::as_str), Some("state away"));
    stage.ready("ann").await;
    assert!(offer_in(&told(&mut news)).is_some(), "the caller is first");
}

#[tokio::test]
async fn what_agents_do_reaches_the_task_of_the_call() {
    let mut stage = Stage::open().await;
    let nothing = stage.asks("ann", |reply| DeskAsk::Hold { reply }).await;
    assert!(matches!(nothing, Some(Err(NotDone::Conflict(_)))), "there is no call");
    let mut news = stage.agent("ann").await;
    let mut waiting = stage.waits(1, CARDS).await;
    let offer = offer_in(&told(&mut news)).expect("offered");
    let _answer = stage.takes("ann", offer).await;
    let Some(QueueEvent::Join { mut commands, .. }) = waiting.next() else { panic!("no join") };
    stage.say(Command::Joined(waiting.call)).await;
    let muted = stage.begins("ann", |reply| DeskAsk::Mute { muted: true, reply }).await;
    let Ok(AgentCommand::Mute(Microphone::Muted, reply)) = commands.try_recv() else {
        panic!("not muted")
    };
    reply.send(Ok(())).expect("awaited");
    assert_eq!(muted.await, Ok(Ok(())));
    for (target, is_there) in [
        (Target::Queue("billing".into()), true),
        (Target::Queue("nowhere".into()), false),
        (Target::Number("lab".into()), true),
        (Target::Number("moon".into()), false),
        (Target::Agent(AgentId::new("bob")), false),
        (Target::Agent(AgentId::new("ann")), false),
    ] {
        let wanted = target.clone();
        let asked = |reply| DeskAsk::Transfer { target: wanted, reply };
        // Nobody answers here; what counts is whether the call is told.
        drop(stage.begins("ann", asked).await);
        assert_eq!(commands.try_recv().is_ok(), is_there, "{target:?}");
    }
    for (task, is_done) in [("balance", true), ("branch_hours", false), ("make_tea", false)] {
        let asked = |reply| DeskAsk::FrontDoor { task: task.to_owned(), reply };
        let refused = stage.asks("ann", asked).await;
        assert_eq!(commands.try_recv().is_ok(), is_done, "{task}");
        assert_eq!(matches!(refused, Some(Err(NotDone::NotFound(_)))), !is_done, "{task}");
    }
    // A task that ends without an answer is the caller's end.
    let held = stage.begins("ann", |reply| DeskAsk::Hold { reply }).await;
    drop(commands);
    assert!(conflict(held.await));
    let late = stage.asks("ann", |reply| DeskAsk::Hold { reply }).await;
    assert!(matches!(late, Some(Err(NotDone::Conflict(_)))));
}

#[tokio::test]
async fn pages_show_the_call_as_its_task_tells_it_and_what_is_said() {
    let mut stage = Stage::open().await;
    let call = CallId::from_u128(1);
    let view = LiveCallView {
        call_id: call.to_string(),
        answered_at: String::new(),
        caller: String::new(),
        called: String::new(),
        channel: "sip".into(),
        profile: String::new(),
        phase: Phase::Talking,
        queue: None,
        agent: None,
        intent: None,
        last_line: None,
    };
    let live = stage.live.begin(call, view);
    let line = |at_ms, text: &str| LiveEvent::Line {
        at_ms,
        speaker: Speaker::Caller,
        text: text.to_owned(),
    };
    live.tell(line(1_000, "while waiting"));
    let (waiting, mut news) = stage.talk(1, "ann").await;
    let events = told(&mut news);
    assert!(names(&events).contains(&"line".to_owned()), "what was said before they took it");
    let said = line(2_000, "hello");
    live.tell(said.clone());
    stage.floor.on_live(call, &said);
    stage.floor.on_live(call, &said);
    stage.floor.on_missed_lines();
    assert_eq!(names(&told(&mut news)), ["line"], "once");
    let held = crate::server::floor::AgentCallNews {
        phase: AgentCallPhase::Talking,
        held: true,
        muted: false,
        others: vec!["lab".into()],
    };
    stage.say(Command::Tell { call: waiting.call, news: held }).await;
    let events = told(&mut news);
    assert!(
        matches!(&events[..], [DeskEvent::Call { held: true, others, .. }] if others == &["lab"])
    );
    let mut again = stage.opens("ann").await;
    let expected = ["state talking", "call talking", "line", "line", "queues"];
    assert_eq!(names(&told(&mut again)), expected);
}

#[tokio::test]
async fn more_that_is_known_is_shown_with_the_offer_that_is_open() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("ann").await;
    let waiting = stage.waits(1, CARDS).await;
    told(&mut news);
    let mut handoff = a_handoff(&waiting.call.to_string(), Some(&reference(1)));
    handoff.summary = "Wants to know the balance, too.".into();
    let (call, handoff) = (waiting.call, Arc::new(handoff));
    stage.say(Command::UpdateHandoff { call, handoff }).await;
    let events = told(&mut news);
    let [DeskEvent::Offer { handoff, .. }] = &events[..] else { panic!("{:?}", names(&events)) };
    assert_eq!(handoff.summary, "Wants to know the balance, too.");
}

#[tokio::test]
async fn a_page_that_takes_nothing_in_is_closed_and_told_everything_when_it_opens_again() {
    let mut stage = Stage::open().await;
    let (waiting, mut news) = stage.talk(1, "ann").await;
    let call = waiting.call;
    for number in 0..1_000_u64 {
        let (at_ms, speaker, text) = (number, Speaker::Agent, "so".to_owned());
        stage.floor.on_live(call, &LiveEvent::Line { at_ms, speaker, text });
    }
    told(&mut news);
    assert!(matches!(news.try_recv(), Err(TryRecvError::Disconnected)));
    let mut again = stage.opens("ann").await;
    let events = names(&told(&mut again));
    assert_eq!(events[..2], ["state talking", "call talking"]);
    assert_eq!(events.len(), 303, "the latest lines, and the queues");
}

#[tokio::test]
async fn agents_say_what_they_do_and_supervisors_do_for_them() {
    let mut stage = Stage::open().await;
    let away = |reason: &str| Presence::Away(reason.to_owned());
    let early =
        stage.asks("ann", |reply| DeskAsk::Presence { presence: Presence::Ready, reply }).await;
    assert!(matches!(early, Some(Err(NotDone::Conflict(_)))), "no desk is open");
    let mut news = stage.agent("ann").await;
    told(&mut news);
    let odd = stage
        .asks("ann", |reply| DeskAsk::Presence { presence: away("gone fishing"), reply })
        .await;
    assert!(matches!(odd, Some(Err(NotDone::BadRequest(_)))));
    let (reply, mut answer) = oneshot::channel();
    stage.floor.on_presence(stage.now, &AgentId::new("ann"), away("lunch"), reply);
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(names(&told(&mut news)), ["state away"]);
    let gone =
        stage.asks("ann", |reply| DeskAsk::Presence { presence: Presence::Offline, reply }).await;
    assert_eq!(gone, Some(Ok(())));
    assert_eq!(names(&told(&mut news)), ["state offline"]);
    // The page is still open: they are back with one click.
    stage.ready("ann").await;
    assert_eq!(names(&told(&mut news)).last().map(String::as_str), Some("state ready"));
}

#[tokio::test]
async fn who_has_no_desk_gets_none() {
    let mut stage = Stage::open().await;
    let closed = AccountChange {
        access: Some(Access::Closed(Timestamp::UNIX_EPOCH)),
        ..AccountChange::default()
    };
    stage.store.change_account("bob", &closed).await.expect("changed");
    for nobody in ["bob", "nobody"] {
        let answer = stage.asks(nobody, |reply| DeskAsk::Open { reply }).await;
        assert!(matches!(answer, Some(Err(NotDone::NotFound(_)))), "{nobody}");
    }
}

#[tokio::test]
async fn queues_are_staffed_by_accounts_while_it_is_open_and_by_who_is_there_at_any_time() {
    let mut stage = Stage::open().await;
    let has = |names: &std::collections::BTreeSet<QueueName>, queue: &str| {
        names.contains(&QueueName::new(queue))
    };
    let staffing = stage.floor.staffing();
    assert!(has(&staffing.by_account, CARDS) && has(&staffing.by_account, "billing"));
    assert!(!has(&staffing.by_account, "accounts"), "nobody is good at that");
    assert!(staffing.present.is_empty());
    let _news = stage.opens("ann").await;
    let staffing = stage.floor.staffing();
    assert!(has(&staffing.present, CARDS) && !has(&staffing.present, "billing"));
}

#[tokio::test]
async fn what_somebody_is_good_at_counts_as_soon_as_it_is_changed() {
    let mut stage = Stage::open().await;
    let mut news = stage.agent("bob").await;
    let _waiting = stage.waits(1, CARDS).await;
    assert!(offer_in(&told(&mut news)).is_none());
    let learned =
        AccountChange { skills: Some([(CARDS.to_owned(), 5)].into()), ..AccountChange::default() };
    stage.store.change_account("bob", &learned).await.expect("changed");
    let staff = staff::load(&stage.store).await.expect("read");
    stage.floor.on_note(stage.now, Note::Staff(staff));
    stage.settle().await;
    let events = told(&mut news);
    assert!(offer_in(&events).is_some(), "{:?}", names(&events));
    assert!(!names(&events).contains(&"state away".to_owned()), "they stay ready");
}
