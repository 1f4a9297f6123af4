//! Both sides on loopback: the one that answers, and one that offers as a browser does.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::*;
use crate::audio::{SampleRate, tone};
use crate::net::media_session::MediaSession;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Everything is on one machine, where this is long.
const LIMIT: Duration = Duration::from_secs(20);

fn config() -> WebRtcConfig {
    WebRtcConfig {
        listen: vec![LOOPBACK],
        udp_port_min: 45_000,
        udp_port_max: 45_999,
        advertise_ip: None,
        stun: Vec::new(),
        turn: Vec::new(),
        connect_timeout_s: 15,
    }
}

/// A call in which both sides are there.
async fn connected(role: DtlsRole) -> (Answered, Connected) {
    let web = WebRtc::new(&config());
    let offering = web.offer().await.expect("offered");
    let answering = web.answering_as(role);
    let mut here = answering.answer(&offering.sdp).await.expect("answered");
    let mut there = offering.accept(&here.sdp).await.expect("it fits");
    for leg in [&mut here.leg, &mut there.leg] {
        let event = timeout(LIMIT, leg.next_event()).await.expect("in time");
        assert_eq!(event, Some(WebLegEvent::Connected));
    }
    assert!(here.media.is_ready() && there.media.is_ready());
    (here, there)
}

/// Takes in one packet of audio or keys, and what comes before it.
async fn take_one(media: &mut MediaSession) {
    while !timeout(LIMIT, media.recv()).await.expect("in time").expect("received") {}
}

/// Sends a second of a tone and plays it at the other end; gives how loud it is there where it is loudest, and
/// how loud another tone is in the same place, in dBFS.
async fn heard(from: &mut MediaSession, to: &mut MediaSession) -> (f64, f64) {
    let rate = SampleRate::HZ_16000;
    let sound = tone::sine(rate, 1000.0, -12.0, Duration::from_secs(1));
    let start = Instant::now();
    let mut played = Vec::new();
    for (at, frame) in sound.chunks(rate.samples_in(Duration::from_millis(20))).enumerate() {
        from.send(frame, rate).await.expect("sent");
        take_one(to).await;
        let frame = to.pull(start + Duration::from_millis(20) * at as u32);
        assert_eq!(frame.rate, rate);
        played.extend(frame.samples);
    }
    let tones = played
        .chunks_exact(1_600)
        .map(|window| (tone::detect(window, rate, 1000.0), tone::detect(window, rate, 2300.0)));
    tones.max_by(|(one, _), (other, _)| one.total_cmp(other)).expect("something was played")
}

#[tokio::test]
async fn a_tone_is_heard_both_ways() {
    let (mut here, mut there) = connected(DtlsRole::Passive).await;
    assert_eq!(here.media.protection(), "DTLS-SRTP");
    assert_eq!(here.media.codec(), Some(crate::audio::Codec::Opus));
    for _ in 0..2 {
        let (tone, other) = heard(&mut there.media, &mut here.media).await;
        assert!(tone > -18.0 && other < -40.0, "{tone} {other}");
        let (tone, other) = heard(&mut here.media, &mut there.media).await;
        assert!(tone > -18.0 && other < -40.0, "{tone} {other}");
    }
    assert_eq!((here.media.lost_here(), there.media.lost_here()), ((0, 0), (0, 0)));
    assert_eq!(here.media.stats().lost, 0);
    // Reports are passed, too: the goodbye tells how our stream arrived.
    there.media.close().await;
    let received = timeout(LIMIT, here.media.recv()).await.expect("in time");
    assert!(!received.expect("received"), "a report is no audio");
    assert!(here.media.quality().is_some_and(|quality| quality.sent.is_some()));
}

#[tokio::test]
async fn keys_among_the_audio_are_heard() {
    let (mut here, mut there) = connected(DtlsRole::Passive).await;
    there.media.press('5').expect("a key");
    let (now, frame) = (Instant::now(), [0; 320]);
    let mut keys = String::new();
    for n in 0..30 {
        there.media.send(&frame, SampleRate::HZ_16000).await.expect("sent");
        take_one(&mut here.media).await;
        here.media.pull(now + Duration::from_millis(20) * n);
        keys.extend(here.media.poll_digit());
    }
    assert_eq!(keys, "5");
}

#[tokio::test]
async fn who_closes_their_side_is_seen_to_have_hung_up() {
    let (mut here, mut there) = connected(DtlsRole::Passive).await;
    there.leg.hang_up().await;
    assert_eq!(there.leg.next_event().await, None);
    let event = timeout(LIMIT, here.leg.next_event()).await.expect("in time");
    assert_eq!(event, Some(WebLegEvent::Ended { why: WebLegEnd::Remote }));
    assert_eq!(here.leg.next_event().await, None);
}

#[tokio::test]
async fn the_answer_has_all_addresses_one_codec_and_leaves_the_first_word_to_the_browser() {
    let web = WebRtc::new(&config());
    let offering = web.offer().await.expect("offered");
    let Answered { sdp, .. } = web.answer(&offering.sdp).await.expect("answered");
    for line in [
        "a=setup:passive\r\n",
        "a=rtpmap:111 opus/48000/2\r\n",
        "a=fmtp:111 maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1\r\n",
        "a=rtpmap:110 telephone-event/48000\r\n",
        "a=rtcp-mux\r\n",
        "a=sendrecv\r\n",
        "a=mid:0\r\n",
    ] {
        assert!(sdp.contains(line), "{line:?} is not in\n{sdp}");
    }
    assert_eq!(sdp.matches("\nm=").count(), 1, "{sdp}");
    let address = sdp.lines().find(|line| line.starts_with("a=candidate:")).expect("an address");
    let fields: Vec<&str> = address.split_whitespace().collect();
    let port: u16 = fields[5].parse().expect("a port");
    assert_eq!((fields[4], fields[7]), ("127.0.0.1", "host"));
    assert!((45_000..=45_999).contains(&port), "{port}");
    // In the other role it is we who begin.
    let Answered { sdp, .. } =
        web.answering_as(DtlsRole::Active).answer(&offering.sdp).await.expect("answered");
    assert!(sdp.contains("a=setup:active\r\n"), "{sdp}");
}

#[tokio::test]
async fn what_cannot_be_answered_says_why() {
    let web = WebRtc::new(&config());
    let error = web.answer("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n").await.err();
    assert!(matches!(error, Some(WebRtcError::Offer(_))), "{error:?}");
    let offering = web.offer().await.expect("offered");
    // No credentials: the description is whole, but no peer can be found by it.
    let cut: String = offering
        .sdp
        .lines()
        .filter(|line| !line.starts_with("a=ice-"))
        .fold(String::new(), |text, line| text + line + "\r\n");
    let error = web.answer(&cut).await.err();
    assert!(matches!(error, Some(WebRtcError::NotTaken(_))), "{error:?}");
    // One port, and somebody else has it.
    let held = std::net::UdpSocket::bind((LOOPBACK, 0)).expect("bound");
    let port = held.local_addr().expect("an address").port();
    let full = WebRtc::new(&WebRtcConfig { udp_port_min: port, udp_port_max: port, ..config() });
    let error = full.answer(&offering.sdp).await.err().expect("no port");
    assert!(matches!(error, WebRtcError::NoPort { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}
