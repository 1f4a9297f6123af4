//! A bad line: stands between a telephone and the front door, and loses, delays and shuffles the
//! packets of their audio by a seed. All on loopback, without rights: SIP goes through it unchanged
//! but for the ports of the audio, so that the audio goes through it, too.
//!
//! ```text
//!  telephone <-SIP-> near | far <-SIP-> front door
//!            <-RTP-> near | far <-RTP->
//! ```
//! Requests within the dialog go straight to where Contact says, past it; nothing that is tried here
//! makes a new offer in them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use frontdoor::audio::Random;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How bad the line is, both ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Impairment {
    /// Packets that get lost, in percent.
    pub loss_percent: u64,
    /// Packets are held for up to this long, none longer than the one behind it.
    pub jitter: Duration,
    /// Packets that are held until the next ones have overtaken them, in percent.
    pub reorder_percent: u64,
}

impl Impairment {
    const NONE: Self = Self { loss_percent: 0, jitter: Duration::ZERO, reorder_percent: 0 };
    pub const TWO_PERCENT_LOST: Self = Self { loss_percent: 2, ..Self::NONE };
    pub const TEN_PERCENT_LOST: Self = Self { loss_percent: 10, ..Self::NONE };
    pub const JITTER_OF_60_MS: Self = Self { jitter: Duration::from_millis(60), ..Self::NONE };
    pub const OUT_OF_ORDER: Self = Self { reorder_percent: 10, ..Self::NONE };

    /// The line was about as bad as it was to be.
    #[track_caller]
    pub fn was_felt(self, passed: Passed) {
        let is_about = |count: u64, percent: u64| {
            let due = passed.packets * percent / 100;
            (due / 2..=due * 2).contains(&count)
        };
        assert!(is_about(passed.lost, self.loss_percent), "{self:?}: {passed:?}");
        assert!(is_about(passed.overtaken, self.reorder_percent), "{self:?}: {passed:?}");
        assert!(passed.held >= self.jitter / 2, "{self:?}: {passed:?}");
    }
}

/// How long a packet is held that others are to overtake: two and a half of them.
const OVERTAKEN: Duration = Duration::from_millis(50);

/// What became of the packets of both directions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Passed {
    pub packets: u64,
    pub lost: u64,
    pub overtaken: u64,
    /// Longest time that one was held.
    pub held: Duration,
}

/// The line; it is there until it is ended.
pub(super) struct Relay {
    /// Where the telephone calls.
    pub uri: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<Passed>>,
}

impl Relay {
    /// A line to the front door at this address.
    pub fn start(door: &str, impairment: Impairment, seed: u64) -> Self {
        let (user, address) = door.rsplit_once('@').expect("an address");
        let door: SocketAddr = address.parse().expect("an IP address and a port");
        let (told, near) = std::sync::mpsc::channel();
        let stop = CancellationToken::new();
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async move {
                    let line = Line::open(door, impairment, seed).await;
                    told.send(line.sip_near.local_addr().expect("bound")).expect("waited for");
                    line.run(stop).await
                })
            }
        });
        let near: SocketAddr = near.recv().expect("it starts");
        Self { uri: format!("{user}@{near}"), stop, thread: Some(thread) }
    }

    /// Ends it; tells what it did.
    pub fn end(mut self) -> Passed {
        self.stop.cancel();
        self.thread.take().expect("it runs").join().expect("it did not panic")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A packet that is held: when it goes on, its place among those of that time, and the packet.
type HeldPacket = Reverse<(Instant, u64, Way, Vec<u8>)>;

/// Which way audio goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    ToDoor,
    ToPhone,
}

struct Line {
    door: SocketAddr,
    impairment: Impairment,
    random: Random,
    sip_near: UdpSocket,
    sip_far: UdpSocket,
    /// Where the telephone sends its audio, and from where it gets ours.
    rtp_near: UdpSocket,
    /// The same for the front door.
    rtp_far: UdpSocket,
    phone: Option<SocketAddr>,
    phone_audio: Option<SocketAddr>,
    door_audio: Option<SocketAddr>,
    waiting: BinaryHeap<HeldPacket>,
    /// When the last packet of each way went on that was not overtaken.
    last: [Option<Instant>; 2],
    count: u64,
    passed: Passed,
}

impl Line {
    async fn open(door: SocketAddr, impairment: Impairment, seed: u64) -> Self {
        let bind = || async { UdpSocket::bind("127.0.0.1:0").await.expect("a free port") };
        Self {
            door,
            impairment,
            random: Random::new(seed),
            sip_near: bind().await,
            sip_far: bind().await,
            rtp_near: bind().await,
            rtp_far: bind().await,
            phone: None,
            phone_audio: None,
            door_audio: None,
            waiting: BinaryHeap::new(),
            last: [None; 2],
            count: 0,
            passed: Passed::default(),
        }
    }

    async fn run(mut self, stop: CancellationToken) -> Passed {
        let (mut a, mut b) = (vec![0; 65_535], vec![0; 65_535]);
        let (mut c, mut d) = (vec![0; 2_048], vec![0; 2_048]);
        loop {
            let due = self.waiting.peek().map(|Reverse((at, ..))| *at);
            let next = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return self.passed,
                () = next => self.release().await,
                Ok((len, from)) = self.sip_near.recv_from(&mut a) => {
                    self.phone = Some(from);
                    let port = port_of(&self.rtp_far);
                    let (message, audio) = through(&a[..len], port);
                    self.phone_audio = audio.or(self.phone_audio);
                    self.sip_far.send_to(&message, self.door).await.expect("sent");
                }
                Ok((len, _)) = self.sip_far.recv_from(&mut b) => {
                    let port = port_of(&self.rtp_near);
                    let (message, audio) = through(&b[..len], port);
                    self.door_audio = audio.or(self.door_audio);
                    if let Some(phone) = self.phone {
                        self.sip_near.send_to(&message, phone).await.expect("sent");
                    }
                }
                Ok((len, from)) = self.rtp_near.recv_from(&mut c) => {
                    // To where it comes from, as everybody does who knows address translation.
                    self.phone_audio = Some(from);
                    self.hold(Way::ToDoor, c[..len].to_vec());
                }
                Ok((len, _)) = self.rtp_far.recv_from(&mut d) => {
                    self.hold(Way::ToPhone, d[..len].to_vec());
                }
            }
        }
    }

    /// Decides what becomes of a packet.
    fn hold(&mut self, way: Way, packet: Vec<u8>) {
        self.passed.packets += 1;
        let mut dice = |percent: u64| self.random.next_u64() % 100 < percent;
        if dice(self.impairment.loss_percent) {
            self.passed.lost += 1;
            return;
        }
        let is_overtaken = dice(self.impairment.reorder_percent);
        let now = Instant::now();
        let at = if is_overtaken {
            self.passed.overtaken += 1;
            now + OVERTAKEN
        } else {
            let jitter = self.impairment.jitter.mul_f64(self.random.next_unit());
            let last = &mut self.last[way as usize];
            let at = last.map_or(now + jitter, |last| last.max(now + jitter));
            *last = Some(at);
            at
        };
        self.passed.held = self.passed.held.max(at - now);
        self.count += 1;
        self.waiting.push(Reverse((at, self.count, way, packet)));
    }

    /// Sends on what has been held for long enough.
    async fn release(&mut self) {
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, _, way, packet))) = self.waiting.pop() else { return };
            let (socket, to) = match way {
                Way::ToDoor => (&self.rtp_far, self.door_audio),
                Way::ToPhone => (&self.rtp_near, self.phone_audio),
            };
            if let Some(to) = to {
                // Whoever has hung up no longer listens, and says so.
                _ = socket.send_to(&packet, to).await;
            }
        }
    }
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("bound").port()
}

/// A SIP message with its audio at this port of ours, and where it was to be before; a message
/// without a description goes through as it is.
fn through(message: &[u8], port: u16) -> (Vec<u8>, Option<SocketAddr>) {
    let text = String::from_utf8_lossy(message);
    let unchanged = || (message.to_vec(), None);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return unchanged() };
    let Some(line) = body.lines().find(|line| line.starts_with("m=audio ")) else {
        return unchanged();
    };
    let mut words: Vec<&str> = line.split(' ').collect();
    let theirs: u16 = words[1].parse().expect("a port");
    let ours = port.to_string();
    words[1] = &ours;
    let body = body.replace(line, &words.join(" "));
    let is_length = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("content-length") || name == "l"
    };
    let mut lines: Vec<&str> = head.split("\r\n").filter(|line| !is_length(line)).collect();
    let length = format!("Content-Length: {}", body.len());
    lines.push(&length);
    let audio = SocketAddr::from(([127, 0, 0, 1], theirs));
    (format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes(), Some(audio))
}

#[test]
fn audio_is_led_through_the_line_and_the_length_stays_true() {
    let message = "INVITE sip:a@b SIP/2.0\r\nContent-Length: 44\r\nTo: x\r\n\r\n\
                   v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";
    let (changed, audio) = through(message.as_bytes(), 50_000);
    let changed = String::from_utf8(changed).expect("text");
    let (head, body) = changed.split_once("\r\n\r\n").expect("a body");
    assert_eq!(body, "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 50000 RTP/AVP 0\r\n");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    assert_eq!(audio, Some(SocketAddr::from(([127, 0, 0, 1], 4000))));
    let ack = b"ACK sip:a@b SIP/2.0\r\n\r\n";
    assert_eq!(through(ack, 1), (ack.to_vec(), None));
}
