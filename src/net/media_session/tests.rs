use std::sync::Arc;

use super::*;
use crate::config::SrtpMode;
use crate::net::sdp::{Direction, KeysInSdp, Wish, accept_answer, answer, offer, offer_secured};
use crate::net::secure::Identity;

const IP: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn port() -> MediaPort {
    MediaPort::bind(IP, 44_000..=44_999).await.expect("a free pair")
}

fn local(port: &MediaPort) -> LocalMedia {
    LocalMedia {
        ip: IP,
        port: port.local_addr().port(),
        session_id: 1,
        codecs: crate::audio::Codecs::G711,
    }
}

#[tokio::test]
async fn media_counts_once_it_is_agreed_and_only_from_the_caller() {
    let (ours, theirs, stranger) = (port().await, port().await, port().await);
    let at = ours.local_addr();
    let our_offer = offer(&local(&ours), 1, Direction::SendRecv);
    let (their_answer, _) = answer(&our_offer, &local(&theirs), 1).expect("acceptable");
    let mut session = MediaSession::new(ours, None, our_offer, 1, Instant::now());
    let mut phone = Sender::new(default_types(), 2);
    for agreed in [false, true] {
        assert_eq!(session.is_agreed(), agreed);
        for _ in 0..3 {
            for packet in phone.tick(Some(&[0; 160])) {
                theirs.send_to(&packet, at).await.expect("sent");
            }
        }
        assert_eq!(session.recv().await.expect("received"), agreed);
        assert_eq!(session.drain().expect("the socket is fine"), agreed);
        if !agreed {
            let now = Instant::now();
            let negotiated = session.accept_late_answer(&their_answer, now).expect("it fits");
            assert_eq!(negotiated.direction, Direction::SendRecv);
        }
    }
    assert_eq!((session.stats().received, session.refused()), (3, 3));
    // Comfort noise that somebody else sends is as foreign as their audio.
    let noise = [0x80, 13, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 60];
    stranger.send_to(&noise, at).await.expect("sent");
    assert!(!session.recv().await.expect("received"));
    assert_eq!((session.stats().comfort_noise, session.refused()), (0, 4));
}

#[tokio::test]
async fn keys_travel_as_tones_where_there_are_no_events() {
    let (ours, theirs) = (port().await, port().await);
    let offer = offer(&local(&ours), 1, Direction::SendRecv);
    let without = offer
        .replace(" 101\r\n", "\r\n")
        .replace("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n", "");
    let now = Instant::now();
    let (answered, agreed) = answer(&without, &local(&theirs), 1).expect("acceptable");
    assert_eq!(agreed.types.telephone_event, None);
    let mut phone = MediaSession::new(theirs, Some(&agreed), answered.clone(), 2, now);
    let agreed = accept_answer(&without, &answered).expect("it fits");
    let mut session = MediaSession::new(ours, Some(&agreed), without, 1, now);
    assert_eq!(phone.press('x'), Err(SendError::NotADigit));
    for key in "4#".chars() {
        phone.press(key).expect("a key");
    }
    let mut keys = String::new();
    for n in 0..30 {
        phone.send(&[0; 160], SampleRate::HZ_8000).await.expect("sent");
        assert!(session.recv().await.expect("received"));
        session.pull(now + Duration::from_millis(20) * n);
        keys.extend(session.poll_digit());
    }
    assert!(!phone.is_pressing());
    assert_eq!(keys, "4#");
}

#[tokio::test]
async fn both_sides_say_goodbye_on_the_port_agreed_on() {
    for shared in [true, false] {
        let (ours, theirs) = (port().await, port().await);
        let (at, mut from) = (ours.local_addr(), theirs.local_addr());
        let mut offer = offer(&local(&ours), 1, Direction::SendRecv);
        if !shared {
            offer = offer.replace("a=rtcp-mux\r\n", "");
            from.set_port(from.port() + 1);
        }
        let now = Instant::now();
        let (answered, agreed) = answer(&offer, &local(&theirs), 1).expect("acceptable");
        let mut phone = MediaSession::new(theirs, Some(&agreed), answered.clone(), 2, now);
        let agreed = accept_answer(&offer, &answered).expect("it fits");
        let mut session = MediaSession::new(ours, Some(&agreed), offer, 1, now);
        phone.send(&[500; 160], SampleRate::HZ_8000).await.expect("sent");
        assert!(session.recv().await.expect("received"));
        phone.close().await;
        assert!(!session.recv().await.expect("received"), "a report is no audio");
        assert_eq!(session.rtcp_from, (!shared).then_some(from));
        assert_eq!((session.refused(), session.reporter.malformed()), (0, 0));
        assert!(session.quality().is_some_and(|quality| quality.heard_mos > 4.0));
        // A stranger's reports are nobody's.
        let stranger = std::net::UdpSocket::bind("127.0.0.2:0").expect("bound");
        stranger.send_to(&[0x80, 201, 0, 1, 0, 0, 0, 9], at).expect("sent");
        assert!(!session.recv().await.expect("received"));
        assert_eq!(session.refused(), 1);
    }
}

/// Two sessions that have agreed on protection, the first as the one who called.
async fn secured(wish: Wish) -> (MediaSession, MediaSession) {
    let (here, there) = (port().await, port().await);
    let security = || {
        let identity = Some(Arc::new(Identity::generate().expect("made")));
        Security::new(SrtpMode::Offered, KeysInSdp::Allowed, identity)
    };
    let (mut ours, mut theirs) = (security().wishing(wish), security());
    let offer = offer_secured(&local(&here), 1, Direction::SendRecv, &mut ours);
    let (text, agreed) =
        answer_secured(&offer, &local(&there), 1, &mut theirs).expect("acceptable");
    let now = Instant::now();
    let there = MediaSession::new(there, Some(&agreed), text.clone(), 2, now);
    let agreed = accept_answer_secured(&offer, &text, &mut ours).expect("it fits");
    let here = MediaSession::new(here, Some(&agreed), offer, 1, now);
    (here.secured(ours, now), there.secured(theirs, now))
}

/// Whether a tone that one sends is what the other plays.
async fn is_heard(from: &mut MediaSession, to: &mut MediaSession) -> bool {
    let tone: [i16; 160] = std::array::from_fn(|at| if at / 10 % 2 == 0 { 8_000 } else { -8_000 });
    for _ in 0..10 {
        from.send(&tone, SampleRate::HZ_8000).await.expect("sent");
        while !to.recv().await.expect("received") {}
    }
    let now = Instant::now();
    (0..30).any(|frame| {
        let played = to.pull(now + Duration::from_millis(20) * frame);
        let loud = played.samples.iter().filter(|sample| sample.unsigned_abs() > 7_000);
        loud.count() > 150
    })
}

#[tokio::test]
async fn encrypted_audio_is_heard_both_ways_and_plain_audio_is_not() {
    let ways = [(Wish::Sdes, "SDES AEAD_AES_256_GCM"), (Wish::Dtls, "DTLS-SRTP AEAD_AES_256_GCM")];
    for (wish, described) in ways {
        let (mut here, mut there) = secured(wish).await;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while !(here.is_ready() && there.is_ready()) {
            assert_eq!((here.failure(), there.failure()), (None, None));
            tokio::select! {
                _ = ticks.tick() => {
                    here.tend(Instant::now());
                    there.tend(Instant::now());
                }
                received = here.recv() => assert!(!received.expect("received")),
                received = there.recv() => assert!(!received.expect("received")),
            }
        }
        assert_eq!((here.protection(), there.protection()), (described.into(), described.into()));
        assert!(is_heard(&mut here, &mut there).await, "{described}");
        assert!(is_heard(&mut there, &mut here).await, "{described}");
        // So are reports: only an authentic one tells how our own stream arrives.
        assert!(here.quality().is_some_and(|quality| quality.sent.is_none()), "{described}");
        there.close().await;
        assert!(!here.recv().await.expect("received"));
        assert!(here.quality().is_some_and(|quality| quality.sent.is_some()), "{described}");
        // Plain audio from the right address is as good as a stranger's.
        let (Way::Port(here_port), Way::Port(there_port)) = (&here.way, &there.way) else {
            panic!("telephones have ports")
        };
        let at = here_port.local_addr();
        let mut plain = Sender::new(default_types(), 77);
        for packet in plain.tick(Some(&[0; 160])) {
            there_port.send_to(&packet, at).await.expect("sent");
        }
        assert!(!here.recv().await.expect("received"));
        assert_eq!((here.guard_counters().unauthentic, here.refused()), (1, 0));
        assert_eq!(here.stats().received, 10);
    }
}
