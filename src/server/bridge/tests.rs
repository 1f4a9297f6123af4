//! Bridges between a customer who is played here and real telephones, on loopback.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::*;
use crate::acd::AgentId;
use crate::audio::{Codecs, MediaTime, tone};
use crate::net::media::MediaPort;
use crate::net::media_session::MediaSession;
use crate::net::sdp::{Direction, LocalMedia, accept_answer, answer, offer};
use crate::net::sip::{
    IncomingCall, OutgoingEvent, OutgoingRequest, SipConfig, SipEndpoint, SipLeg,
};
use crate::server::transfer::{NotReached, PlacedLine};
use crate::web::Target;

const IP: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Far longer than anything here takes; turns a hang into a failure.
const GUARD: Duration = Duration::from_secs(30);

const CUSTOMER_HZ: f64 = 500.0;
const AGENT_HZ: f64 = 900.0;
const THIRD_HZ: f64 = 1_700.0;
const MUSIC_HZ: f64 = 300.0;

/// What is louder is heard. The tones have -20 dBFS.
const HEARD_DBFS: f64 = -30.0;

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(GUARD, what).await.expect("nothing here may hang")
}

/// A tone of -20 dBFS without end, 20 ms by 20 ms.
struct Tone {
    samples: Vec<i16>,
    rate: SampleRate,
    at: usize,
}

impl Tone {
    fn new(hz: f64, rate: SampleRate) -> Self {
        // Whole periods: all tones are multiples of 100 Hz.
        let samples = tone::sine(rate, hz, -20.0, Duration::from_secs(1));
        Self { samples, rate, at: 0 }
    }

    fn next_frame(&mut self) -> Vec<i16> {
        let len = self.rate.samples_in(Duration::from_millis(20));
        let frame = self.samples[self.at..self.at + len].to_vec();
        self.at = (self.at + len) % self.samples.len();
        frame
    }
}

/// What somebody has heard, frame by frame.
#[derive(Default)]
struct Memory(Vec<Sound>);

impl Memory {
    /// The tones that could be heard in these frames, all of which have one rate.
    fn tones(&self, frames: std::ops::Range<usize>) -> Vec<f64> {
        let sounds = &self.0[frames];
        let rate = sounds[0].rate;
        assert!(sounds.iter().all(|sound| sound.rate == rate), "one rate");
        let samples: Vec<i16> = sounds.iter().flat_map(|sound| sound.samples.clone()).collect();
        let all = [MUSIC_HZ, CUSTOMER_HZ, AGENT_HZ, THIRD_HZ].into_iter();
        all.filter(|hz| tone::detect(&samples, rate, *hz) > HEARD_DBFS).collect()
    }
}

/// The customer.
struct Customer500 {
    tone: Tone,
    heard: Memory,
    recorded: usize,
    keys: VecDeque<char>,
    pressed: String,
    hangs_up_after: usize,
    began: Instant,
    entering: VecDeque<Entering>,
    ringing: VecDeque<Ringing>,
}

impl Customer500 {
    fn new() -> Self {
        Self {
            tone: Tone::new(CUSTOMER_HZ, SampleRate::HZ_16000),
            heard: Memory::default(),
            recorded: 0,
            keys: VecDeque::new(),
            pressed: String::new(),
            hangs_up_after: usize::MAX,
            began: Instant::now(),
            entering: VecDeque::new(),
            ringing: VecDeque::new(),
        }
    }
}

impl Customer for Customer500 {
    type Event = ();

    async fn next_event(&mut self) {
        std::future::pending().await
    }

    async fn see_to(&mut self, (): ()) {}

    fn is_here(&self) -> bool {
        self.heard.0.len() < self.hangs_up_after
    }

    async fn hear(&mut self, _: Instant) -> Option<AudioFrame> {
        let (rate, samples) = (self.tone.rate, self.tone.next_frame());
        Some(AudioFrame { rate, time: MediaTime(0), samples })
    }

    async fn say(&mut self, samples: &[i16], rate: SampleRate) {
        self.heard.0.push(Sound { samples: samples.to_vec(), rate });
    }

    fn poll_key(&mut self) -> Option<char> {
        self.keys.pop_front()
    }

    fn press(&mut self, key: char) {
        self.pressed.push(key);
    }

    fn record(&mut self, _: &AudioFrame, _: &Sound) {
        self.recorded += 1;
    }

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn send_on(&mut self, _: Option<QueueName>, _: Option<AgentId>) -> Option<Entering> {
        self.entering.pop_front()
    }

    fn call(&mut self, _: &Callee) -> Option<Ringing> {
        self.ringing.pop_front()
    }
}

/// A telephone that was called, and says one tone.
struct Phone {
    leg: SipLeg,
    media: MediaSession,
    tone: Tone,
    heard: Memory,
    keys: String,
    ticks: Interval,
    _endpoints: [SipEndpoint; 2],
}

impl Phone {
    /// Goes on for so many frames.
    async fn talk(&mut self, frames: usize) {
        for _ in 0..frames {
            self.ticks.tick().await;
            let frame = self.tone.next_frame();
            self.media.send(&frame, self.tone.rate).await.expect("sent");
            self.media.drain().expect("the socket is fine");
            let heard = self.media.pull(Instant::now());
            self.heard.0.push(Sound { samples: heard.samples, rate: heard.rate });
            self.keys.extend(std::iter::from_fn(|| self.media.poll_digit()));
        }
    }
}

async fn endpoint() -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let config = SipConfig {
        udp: vec![std::net::SocketAddr::new(IP, 0)],
        user_agent: "frontdoor-test".to_owned(),
        incoming_queue_len_max: 2,
        ..SipConfig::default()
    };
    SipEndpoint::bind(config).await.expect("loopback can be bound")
}

async fn port() -> (MediaPort, LocalMedia) {
    let port = MediaPort::bind(IP, 45_000..=45_999).await.expect("a free pair");
    let at = port.local_addr().port();
    (port, LocalMedia { ip: IP, port: at, session_id: 1, codecs: Codecs::G711 })
}

/// A telephone that we have called, which has answered: our leg and its side.
async fn called(hz: f64, no_media_timeout: Duration) -> (Box<AgentLeg>, Phone) {
    let ((ours, _), (theirs, mut incoming)) = (endpoint().await, endpoint().await);
    let ((our_port, local), (their_port, their_local)) = (port().await, port().await);
    let our_offer = offer(&local, 1, Direction::SendRecv);
    let address = theirs.local_addrs()[0].1;
    let request = OutgoingRequest {
        target_uri: format!("sip:agent@{address}"),
        from_user: "frontdoor".to_owned(),
        offer_sdp: our_offer.clone(),
        ..OutgoingRequest::default()
    };
    let mut call = ours.place_call(request).await.expect("a way there");
    let arrived = soon(incoming.recv()).await.expect("the call arrives");
    let (their_answer, agreed) = answer(&our_offer, &their_local, 1).expect("acceptable");
    let leg = arrived.answer(their_answer.clone()).await.expect("the caller is there");
    let sdp = loop {
        match soon(call.next_event()).await {
            Some(OutgoingEvent::Answered { sdp }) => break sdp,
            Some(_) => {}
            None => panic!("the call ended"),
        }
    };
    let now = Instant::now();
    let media = MediaSession::new(their_port, Some(&agreed), their_answer, 2, now);
    let agreed = accept_answer(&our_offer, &sdp).expect("it fits");
    let our_media = MediaSession::new(our_port, Some(&agreed), our_offer, 1, now);
    let line = PlacedLine::of_nobody();
    let agent = AgentLeg::new(call, our_media, local, no_media_timeout, line);
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let phone = Phone {
        leg,
        media,
        tone: Tone::new(hz, SampleRate::HZ_8000),
        heard: Memory::default(),
        keys: String::new(),
        ticks,
        _endpoints: [ours, theirs],
    };
    (Box::new(agent), phone)
}

/// Silence after which a telephone counts as gone: in most tests never,
const LONG: Duration = Duration::from_secs(20);
/// and in some soon.
const SHORT: Duration = Duration::from_millis(400);

/// An agent at a desk: their talk, their telephone, and what they do at the desk.
async fn at_desk(no_media_timeout: Duration) -> (Talk, Phone, mpsc::Sender<AgentCommand>) {
    let (agent, phone) = called(AGENT_HZ, no_media_timeout).await;
    let (sender, commands) = mpsc::channel(4);
    let means = Means {
        origin: Origin::Theirs,
        numbers: ["fraud".to_owned()].into(),
        phones: Default::default(),
    };
    let desk = Desk::new(Acd::detached(), CallId::from_u128(7), commands, means);
    let music = tone::sine(SampleRate::HZ_8000, MUSIC_HZ, -20.0, Duration::from_secs(1));
    (Talk::new(agent, Some(desk), Music::new(music.into())), phone, sender)
}

/// Asks for something at the desk, and waits for the answer.
async fn ask(
    desk: &mpsc::Sender<AgentCommand>,
    command: impl FnOnce(Reply<()>) -> AgentCommand,
) -> Result<(), NotDone> {
    let (reply, answer) = oneshot::channel();
    desk.send(command(reply)).await.expect("the desk is open");
    soon(answer).await.expect("an answer")
}

fn done<T: Send + 'static>(value: T) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(async { value }))
}

#[tokio::test]
async fn two_hear_each_other_but_for_music_and_a_muted_microphone() {
    let (mut talk, mut phone, desk) = at_desk(LONG).await;
    let mut customer = Customer500::new();
    customer.keys.push_back('5');
    let at_the_desk = async {
        phone.talk(40).await;
        ask(&desk, AgentCommand::Hold).await.expect("held");
        let keys = |reply| AgentCommand::Keys(Pii::new("1".to_owned()), reply);
        assert!(matches!(ask(&desk, keys).await, Err(NotDone::Conflict(_))));
        phone.talk(40).await;
        ask(&desk, AgentCommand::Resume).await.expect("taken back");
        ask(&desk, |reply| AgentCommand::Mute(Microphone::Muted, reply)).await.expect("muted");
        phone.talk(40).await;
        ask(&desk, |reply| AgentCommand::Mute(Microphone::On, reply)).await.expect("heard");
        ask(&desk, |reply| AgentCommand::Keys(Pii::new("12#".to_owned()), reply))
            .await
            .expect("pressed");
        let none = ask(&desk, |reply| AgentCommand::Keys(Pii::new("x".to_owned()), reply)).await;
        assert!(matches!(none, Err(NotDone::BadRequest(_))));
        phone.talk(40).await;
        ask(&desk, AgentCommand::HangUp).await.expect("over");
    };
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), at_the_desk);
    assert!(matches!(end, End::Left(Leave::Over, _)), "{end:?}");
    assert_eq!(customer.heard.tones(20..35), [AGENT_HZ]);
    assert_eq!(customer.heard.tones(60..75), [MUSIC_HZ]);
    assert!(customer.heard.tones(100..115).is_empty(), "the agent is muted");
    assert_eq!(customer.heard.tones(140..150), [AGENT_HZ]);
    assert_eq!(phone.heard.tones(20..35), [CUSTOMER_HZ]);
    assert!(phone.heard.tones(60..75).is_empty(), "the caller is on hold");
    assert_eq!(phone.heard.tones(100..115), [CUSTOMER_HZ]);
    assert_eq!(customer.pressed, "12#");
    assert_eq!(phone.keys, "5");
    assert_eq!(customer.recorded, customer.heard.0.len());
}

#[tokio::test]
async fn a_third_joins_is_heard_by_both_and_leaves() {
    let (mut talk, mut phone, desk) = at_desk(LONG).await;
    let (leg, mut third) = called(THIRD_HZ, LONG).await;
    let mut customer = Customer500::new();
    customer.ringing.push_back(done(Err(NotReached::failed("busy"))));
    customer.ringing.push_back(done(Ok(*leg)));
    let fraud = || Target::Number("fraud".to_owned());
    let conference = |reply| AgentCommand::Conference(fraud(), reply);
    let at_the_desk = async {
        // Once they are busy, and may be tried again.
        ask(&desk, conference).await.expect("begun");
        phone.talk(10).await;
        ask(&desk, conference).await.expect("begun");
        tokio::join!(phone.talk(40), third.talk(40));
        let again = ask(&desk, conference).await;
        assert!(matches!(again, Err(NotDone::Conflict(_))), "{again:?}");
        third.leg.hang_up("enough").await;
        phone.talk(40).await;
        ask(&desk, AgentCommand::HangUp).await.expect("over");
    };
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), at_the_desk);
    assert!(matches!(end, End::Left(Leave::Over, _)), "{end:?}");
    assert_eq!(customer.heard.tones(30..45), [AGENT_HZ, THIRD_HZ]);
    assert_eq!(phone.heard.tones(30..45), [CUSTOMER_HZ, THIRD_HZ]);
    assert_eq!(third.heard.tones(20..35), [CUSTOMER_HZ, AGENT_HZ]);
    assert_eq!(customer.heard.tones(70..85), [AGENT_HZ]);
    assert_eq!(talk.switch, Switch::default());
}

#[tokio::test]
async fn whoever_takes_over_is_left_with_the_caller() {
    let (mut talk, mut phone, desk) = at_desk(LONG).await;
    let (leg, mut third) = called(THIRD_HZ, LONG).await;
    let mut customer = Customer500::new();
    let (answers, answered) = oneshot::channel::<Box<AgentLeg>>();
    customer.ringing.push_back(AbortOnDropHandle::new(tokio::spawn(async {
        answered.await.map(|leg| *leg).map_err(|_| NotReached::failed("never"))
    })));
    let transfer = |reply| AgentCommand::Transfer(Target::Number("fraud".to_owned()), reply);
    let at_the_desk = async {
        phone.talk(5).await;
        ask(&desk, transfer).await.expect("begun");
        phone.talk(40).await;
        assert!(answers.send(leg).is_ok(), "it rings");
        third.talk(5).await;
    };
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), at_the_desk);
    assert!(matches!(end, End::Left(Leave::WithThird, _)), "{end:?}");
    assert!(matches!(talk.third, ThirdLeg::There(_)));
    assert_eq!(customer.heard.tones(20..35), [MUSIC_HZ], "until they answer");
}

#[tokio::test]
async fn a_caller_is_sent_on_only_once_the_floor_takes_them() {
    let (mut talk, mut phone, desk) = at_desk(LONG).await;
    let mut customer = Customer500::new();
    let (_news, events) = mpsc::channel(1);
    customer.entering.push_back(done(Err(RouterRefusal::QueueFull)));
    customer.entering.push_back(done(Ok(events)));
    let transfer = |reply| AgentCommand::Transfer(Target::Queue("cards".to_owned()), reply);
    let at_the_desk = async {
        phone.talk(5).await;
        let full = ask(&desk, transfer).await;
        assert_eq!(full, Err(NotDone::Conflict("the queue is full".to_owned())));
        phone.talk(30).await;
        ask(&desk, transfer).await.expect("sent on");
    };
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), at_the_desk);
    assert!(matches!(end, End::Left(Leave::SentOn, _)), "{end:?}");
    assert!(talk.entered.is_some());
    assert_eq!(customer.heard.tones(20..30), [AGENT_HZ], "they went on talking");
}

#[tokio::test]
async fn a_caller_whom_the_floor_let_go_and_did_not_take_does_not_stay_where_nobody_knows_of_them()
{
    let (mut talk, mut phone, desk) = at_desk(LONG).await;
    let mut customer = Customer500::new();
    customer.entering.push_back(done(Err(RouterRefusal::QueueFull)));
    let (reply, refused) = oneshot::channel();
    let transfer = AgentCommand::Transfer(Target::Queue("cards".to_owned()), reply);
    desk.send(transfer).await.expect("room");
    // The floor has ended the agent's part before it saw that the queue is full.
    drop(desk);
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), phone.talk(5));
    assert!(matches!(end, End::Left(Leave::Lost, _)), "{end:?}");
    assert!(matches!(refused.await, Ok(Err(NotDone::Conflict(_)))));
}

#[tokio::test]
async fn who_hangs_up_on_their_telephone_means_it() {
    let (mut talk, mut phone, _desk) = at_desk(LONG).await;
    let mut customer = Customer500::new();
    let on_the_phone = async {
        phone.talk(5).await;
        phone.leg.hang_up("done").await;
    };
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), on_the_phone);
    assert_eq!(end, End::Left(Leave::Over, "the other side hung up"));
    assert!(talk.agent.was_hung_up());
}

#[tokio::test]
async fn who_falls_silent_is_lost_unless_they_say_that_they_hung_up() {
    for says_so in [false, true] {
        let (mut talk, mut phone, desk) = at_desk(SHORT).await;
        let mut customer = Customer500::new();
        let at_the_desk = async {
            phone.talk(10).await;
            if says_so {
                // Their audio is gone before they say so.
                let mut ticks = interval(Duration::from_millis(20));
                for _ in 0..30 {
                    ticks.tick().await;
                }
                ask(&desk, AgentCommand::HangUp).await.expect("over");
            }
        };
        let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), at_the_desk);
        let expected = if says_so { Leave::Over } else { Leave::Lost };
        assert!(matches!(&end, End::Left(leave, _) if *leave == expected), "{end:?}");
    }
}

#[tokio::test]
async fn a_customer_who_is_gone_ends_it_whatever_the_agent_does() {
    let (mut talk, mut phone, desk) = at_desk(LONG).await;
    let mut customer = Customer500 { hangs_up_after: 60, ..Customer500::new() };
    let at_the_desk = async {
        phone.talk(10).await;
        ask(&desk, AgentCommand::Hold).await.expect("held");
    };
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), at_the_desk);
    assert_eq!(end, End::CustomerGone);
    assert_eq!(customer.heard.0.len(), 60);
}

#[tokio::test]
async fn without_a_desk_either_side_ends_it() {
    let (agent, mut phone) = called(AGENT_HZ, SHORT).await;
    let mut talk = Talk::new(agent, None, Music::new([].into()));
    let mut customer = Customer500::new();
    let (end, ()) = tokio::join!(soon(talk.pass_on(&mut customer)), phone.talk(40));
    // Nobody waits for a page that could say more.
    assert_eq!(end, End::Left(Leave::Over, "no audio came from the other side"));
    assert_eq!(customer.heard.tones(20..35), [AGENT_HZ]);
}
