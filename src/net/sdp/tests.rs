use super::*;
use crate::audio::OpusWishes;
use proptest::prelude::*;

const LOCAL: LocalMedia = LocalMedia {
    ip: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    port: 40_000,
    session_id: 77,
    codecs: Codecs::G711,
};

/// The same, with all that we speak.
const WIDE: LocalMedia = LocalMedia { codecs: Codecs::ALL, ..LOCAL };

/// In the manner of baresip: many codecs, session-level address, ptime and labels.
const BARESIP: &str = "v=0\r\no=- 2748912 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n\
    t=0 0\r\na=tool:baresip 1.0.0\r\nm=audio 13044 RTP/AVP 96 9 8 0 101\r\n\
    a=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;sprop-stereo=1\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=rtcp:13045\r\na=rtcp-mux\r\na=ptime:20\r\na=sendrecv\r\na=label:1\r\n";

/// In the manner of PJSIP: media-level address, bandwidth, X attributes, 2 event types.
const PJSIP: &str = "v=0\r\no=- 3800000000 3800000000 IN IP4 203.0.113.9\r\ns=pjmedia\r\n\
    b=AS:117\r\nt=0 0\r\na=X-nat:0\r\nm=audio 4000 RTP/AVP 98 97 99 104 3 0 8 9 120 121\r\n\
    c=IN IP4 203.0.113.9\r\nb=TIAS:96000\r\na=rtcp:4001 IN IP4 203.0.113.9\r\na=sendrecv\r\n\
    a=rtpmap:98 speex/16000\r\na=rtpmap:97 speex/8000\r\na=rtpmap:99 speex/32000\r\n\
    a=rtpmap:104 iLBC/8000\r\na=fmtp:104 mode=30\r\na=rtpmap:3 GSM/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
    a=rtpmap:120 telephone-event/16000\r\na=fmtp:120 0-16\r\na=rtpmap:121 telephone-event/8000\r\n\
    a=fmtp:121 0-16\r\na=ssrc:1350171123 cname:4fd2\r\n";

/// In the manner of linphone: audio and video, feedback attributes.
const LINPHONE: &str = "v=0\r\no=alice 1297 3270 IN IP4 198.51.100.20\r\ns=Talk\r\n\
    c=IN IP4 198.51.100.20\r\nt=0 0\r\na=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup\r\n\
    m=audio 7078 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\n\
    a=rtpmap:101 telephone-event/8000\r\nm=video 9078 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n";

/// In the manner of sipp: bare static types, LF alone.
const SIPP: &str = "v=0\no=user1 53655765 2353687637 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\n\
    t=0 0\nm=audio 6000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n";

/// In the manner of Asterisk: A-law first, maxptime, IPv6.
const ASTERISK: &str = "v=0\r\no=- 1234 1234 IN IP6 2001:db8::5\r\ns=Asterisk\r\n\
    c=IN IP6 2001:db8::5\r\nt=0 0\r\nm=audio 16002 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
    a=ptime:30\r\na=maxptime:150\r\na=sendrecv\r\n";

/// A trunk that offers encryption first and plain audio second.
const BEST_EFFORT: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n\
    t=0 0\r\nm=audio 5000 RTP/SAVP 0 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n\
    m=audio 5002 RTP/AVP 0 8\r\nm=application 5004 TCP/BFCP *\r\n";

fn minimal(media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}"
    )
}

fn event(payload_type: u8, clock_hz: u32) -> Option<EventType> {
    Some(EventType { payload_type, clock_hz })
}

#[test]
fn real_offers_are_answered() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    // Offer, codec and number where we speak G.711, the same where we speak all, keys, address and
    // packet length.
    type Case<'a> = (&'a str, (Codec, u8), (Codec, u8), Option<EventType>, &'a str, u32);
    let cases: [Case<'_>; 6] = [
        (BARESIP, (Pcma, 8), (Opus, 96), event(101, 8_000), "198.51.100.7:13044", 20),
        (PJSIP, (Pcmu, 0), (G722, 9), event(121, 8_000), "203.0.113.9:4000", 20),
        (LINPHONE, (Pcmu, 0), (Opus, 96), event(101, 8_000), "198.51.100.20:7078", 20),
        (SIPP, (Pcmu, 0), (Pcmu, 0), None, "127.0.0.1:6000", 20),
        (ASTERISK, (Pcma, 8), (Pcma, 8), event(101, 8_000), "[2001:db8::5]:16002", 30),
        (BEST_EFFORT, (Pcmu, 0), (Pcmu, 0), None, "198.51.100.7:5002", 20),
    ];
    for (offer, narrow, wide, telephone_event, remote, ptime_ms) in cases {
        for (local, (codec, number)) in [(LOCAL, narrow), (WIDE, wide)] {
            let (text, negotiated) = answer(offer, &local, 1).expect(offer);
            let types = negotiated.types;
            assert_eq!((types.codec, types.audio), (codec, number), "{offer}");
            assert_eq!(types.codec_of(number), Some(codec));
            assert_eq!((types.telephone_event, types.ptime_ms), (telephone_event, ptime_ms));
            assert_eq!(types.heard_events, [telephone_event, None]);
            let remote: SocketAddr = remote.parse().expect("an address");
            assert_eq!(negotiated.remote, remote);
            assert_eq!(negotiated.direction, Direction::SendRecv);
            // As many media lines as were offered, in their order; ours reads back.
            let kinds = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| line.starts_with("m="));
                lines.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
            };
            assert_eq!(kinds(&text), kinds(offer));
            assert!(text.lines().all(|line| !line.is_empty()) && text.ends_with("\r\n"));
        }
    }
}

#[test]
fn our_order_decides_but_between_the_two_laws() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    let offer = minimal(
        "m=audio 5000 RTP/AVP 8 0 9 96\r\na=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 useinbandfec=1; maxaveragebitrate=16000;maxplaybackrate=8000\r\n",
    );
    for (codecs, expected) in [
        (vec![Opus, G722, Pcmu, Pcma], Opus),
        (vec![G722, Opus], G722),
        (vec![Pcmu, Opus], Pcmu),
        (vec![Pcmu, Pcma, Opus], Pcma),
        (vec![Pcma, Opus, Pcmu], Pcma),
    ] {
        let local = LocalMedia { codecs: Codecs::new(codecs), ..LOCAL };
        let (_, negotiated) = answer(&offer, &local, 1).expect("acceptable");
        assert_eq!(negotiated.codec(), expected);
    }
    let (text, negotiated) = answer(&offer, &WIDE, 1).expect("acceptable");
    let OpusWishes { fec, bitrate_max, playback_rate_max } = negotiated.types.opus;
    assert_eq!((fec, bitrate_max, playback_rate_max), (true, Some(16_000), Some(8_000)));
    let lines = "RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1\r\n";
    assert!(text.contains(lines), "{text}");
}

#[test]
fn numbers_may_differ_by_direction_and_keys_go_by_the_clock() {
    let ours = offer(&WIDE, 1, Direction::SendRecv);
    let expected = "m=audio 40000 RTP/AVP 111 9 0 8 101 110\r\na=rtpmap:111 opus/48000/2\r\n";
    assert!(ours.contains(expected), "{ours}");
    let answered = minimal(
        "m=audio 6000 RTP/AVP 96 97 98\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:97 telephone-event/48000\r\na=rtpmap:98 telephone-event/8000\r\na=ptime:40\r\n",
    );
    let types = accept_answer(&ours, &answered).expect("fits").types;
    assert_eq!((types.codec, types.audio, types.ptime_ms), (Codec::Opus, 96, 40));
    assert_eq!(types.telephone_event, event(97, 48_000));
    // What comes has the numbers of our offer, or by mistake those of their answer.
    assert_eq!(
        [111, 96, 9].map(|number| types.codec_of(number)).map(|c| c.is_some()),
        [true, true, false]
    );
    assert_eq!((types.event_of(110), types.event_of(101)), (event(110, 48_000), event(101, 8_000)));
    assert!(!types.opus.fec, "they have not said that they can use it");
    // The event clock of the codec is preferred in an answer, too.
    let pjsip = PJSIP.replace("121 telephone-event/8000", "121 telephone-event/48000");
    let offered = pjsip.replace("98 speex/16000", "98 opus/48000/2");
    let (text, negotiated) = answer(&offered, &WIDE, 1).expect("acceptable");
    assert_eq!(negotiated.types.telephone_event, event(121, 48_000));
    assert!(text.contains("RTP/AVP 98 121\r\n"), "{text}");
    assert!(text.contains("a=rtpmap:121 telephone-event/48000\r\n"), "{text}");
}

#[test]
fn reports_go_where_they_are_wanted() {
    let apart = |address: &str| RtcpWay::Apart(address.parse().expect("an address"));
    for (lines, way) in [
        ("", apart("198.51.100.7:5001")),
        ("a=rtcp:6001\r\n", apart("198.51.100.7:6001")),
        ("a=rtcp:6001 IN IP4 203.0.113.5\r\n", apart("203.0.113.5:6001")),
        ("a=rtcp:0\r\n", apart("198.51.100.7:5001")),
        ("a=rtcp:6001\r\na=rtcp-mux\r\n", RtcpWay::Shared),
    ] {
        let offer = minimal(&format!("m=audio 5000 RTP/AVP 0\r\n{lines}"));
        let (text, negotiated) = answer(&offer, &LOCAL, 1).expect("acceptable");
        assert_eq!(negotiated.rtcp, way, "{lines}");
        assert_eq!(text.contains("a=rtcp-mux\r\n"), way == RtcpWay::Shared);
        let taken = accept_answer(&super::offer(&LOCAL, 1, Direction::SendRecv), &offer);
        assert_eq!(taken.expect("fits").rtcp, way);
    }
}

#[test]
fn packet_lengths_stay_within_what_both_can_do() {
    for (lines, ptime_ms) in [
        ("", 20),
        ("a=ptime:10\r\n", 10),
        ("a=ptime:5\r\n", 10),
        ("a=ptime:60\r\na=maxptime:40\r\n", 40),
        ("a=maxptime:10\r\n", 10),
        ("a=ptime:240\r\n", 60),
        ("a=ptime:35\r\n", 30),
        ("a=ptime:nonsense\r\n", 20),
    ] {
        let offer = minimal(&format!("m=audio 5000 RTP/AVP 0\r\n{lines}"));
        let (_, negotiated) = answer(&offer, &LOCAL, 1).expect("acceptable");
        assert_eq!(negotiated.types.ptime_ms, ptime_ms, "{lines}");
    }
}

#[test]
fn the_answer_is_complete() {
    let (text, _) = answer(LINPHONE, &LOCAL, 3).expect("acceptable");
    let expected = "v=0\r\no=frontdoor 77 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n\
        t=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n\
        m=video 0 RTP/AVP 97\r\n";
    assert_eq!(text, expected);
    let (text, _) = answer(BEST_EFFORT, &LOCAL, 1).expect("acceptable");
    assert!(text.contains("m=audio 0 RTP/SAVP 0\r\nm=audio 40000 RTP/AVP 0\r\n"), "{text}");
    assert!(text.ends_with("m=application 0 TCP/BFCP *\r\n"), "{text}");
}

#[test]
fn dynamic_numbers_are_echoed() {
    let offer = minimal(
        "m=audio 5000 RTP/AVP 97 127\r\na=rtpmap:97 pcmu/8000/1\r\n\
        a=rtpmap:127 Telephone-Event/8000\r\n",
    );
    let (text, negotiated) = answer(&offer, &LOCAL, 1).expect("acceptable");
    assert_eq!(negotiated.types.audio, 97);
    assert_eq!(negotiated.types.telephone_event, event(127, 8_000));
    assert!(text.contains("RTP/AVP 97 127\r\na=rtpmap:97 PCMU/8000\r\n"), "{text}");
    assert!(text.contains("a=fmtp:127 0-15\r\n"));
    // A static number that has been given another meaning is not G.711.
    let offer = minimal("m=audio 5000 RTP/AVP 0 8\r\na=rtpmap:0 opus/48000/2\r\n");
    let (_, negotiated) = answer(&offer, &LOCAL, 1).expect("acceptable");
    assert_eq!(negotiated.codec(), Codec::Pcma);
}

#[test]
fn hold_in_all_its_ways_is_mirrored() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let cases = [
        ("", "", "", SendRecv),
        ("", "a=sendonly\r\n", "", RecvOnly),
        ("", "a=recvonly\r\n", "", SendOnly),
        ("", "a=inactive\r\n", "", Inactive),
        ("a=sendonly\r\n", "", "", RecvOnly),
        ("a=inactive\r\n", "a=sendrecv\r\n", "", SendRecv),
        ("", "", "c=IN IP4 0.0.0.0\r\n", RecvOnly),
        ("", "a=inactive\r\n", "c=IN IP4 0.0.0.0\r\n", Inactive),
        ("", "a=sendrecv\r\n", "c=IN IP6 ::\r\n", RecvOnly),
    ];
    for (session, media, connection, direction) in cases {
        let offer = minimal(&format!("{session}m=audio 5000 RTP/AVP 0\r\n{connection}{media}"));
        let (text, negotiated) = answer(&offer, &LOCAL, 1).expect("acceptable");
        assert_eq!(negotiated.direction, direction, "{offer}");
        assert!(text.ends_with(&format!("a={}\r\n", direction.name())), "{text}");
        assert_eq!(negotiated.remote.ip().is_unspecified(), !connection.is_empty());
    }
}

#[test]
fn what_is_wrong_is_named_and_sorted() {
    let not_acceptable = [
        (minimal(""), "no media line"),
        (minimal("m=audio 5000 RTP/SAVP 0\r\n"), "RTP/SAVP"),
        (minimal("m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\n"), "UDP/TLS/RTP/SAVPF"),
        (minimal("m=audio 5000 RTP/AVP 4 18\r\n"), "\"4 18\""),
        (minimal("m=audio 0 RTP/AVP 0\r\n"), "port 0"),
        (minimal("m=video 5000 RTP/AVP 97\r\n"), "video is not audio"),
        (minimal("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 phone.example\r\n"), "host name"),
    ];
    for (offer, part) in not_acceptable {
        let error = answer(&offer, &LOCAL, 1).expect_err(part);
        assert!(matches!(&error, SdpError::NotAcceptable(why) if why.contains(part)), "{error}");
    }
    let cases = [
        (String::new(), "empty"),
        ("hello".to_owned(), "v=0"),
        ("v=1\r\n".to_owned(), "v=0"),
        ("v=0\r\ns=-\r\n".to_owned(), "o= line is missing"),
        ("v=0\r\no=- 1 1 IN IP4\r\n".to_owned(), "six fields"),
        ("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nm=audio 5000 RTP/AVP 0\r\n".to_owned(), "no c= line"),
        (minimal("nonsense\r\n"), "line 6, \"nonsense\""),
        (minimal("m=audio\r\n"), "kind port protocol formats"),
        (minimal("m=audio 70000 RTP/AVP 0\r\n"), "65535"),
        (minimal("m=audio 5000 RTP/AVP\r\n"), "at least one format"),
        (minimal("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 999.1.1.1\r\n"), "not an IP address"),
        (minimal("m=audio 5000 RTP/AVP 0\r\nc=IN IP6 1.2.3.4\r\n"), "does not fit"),
        (minimal("m=audio 5000 RTP/AVP 0\r\nc=IN X.25 phone.example\r\n"), "not an IP address"),
        (minimal("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n"), "multicast"),
        (minimal(&"m=video 1 X 1\r\n".repeat(33)), "too many"),
        (minimal(&"a".repeat(70_000)), "70"),
    ];
    for (offer, part) in cases {
        let error = answer(&offer, &LOCAL, 1).expect_err(part);
        assert!(matches!(&error, SdpError::Malformed(why) if why.contains(part)), "{error}");
    }
}

#[test]
fn addresses_are_taken_per_line_and_in_their_plain_form() {
    let named = "m=video 9 RTP/AVP 97\r\nc=IN IP4 video.example\r\nm=audio 5000 RTP/AVP 0\r\n";
    let (text, negotiated) = answer(&minimal(named), &LOCAL, 1).expect("the audio is fine");
    assert_eq!(negotiated.remote.to_string(), "198.51.100.7:5000");
    assert!(text.contains("m=video 0 RTP/AVP 97\r\n"), "{text}");
    let mapped = minimal("m=audio 5000 RTP/AVP 0\r\nc=IN IP6 ::ffff:203.0.113.9\r\n");
    let (_, negotiated) = answer(&mapped, &LOCAL, 1).expect("acceptable");
    assert_eq!(negotiated.remote.to_string(), "203.0.113.9:5000");
}

#[test]
fn an_answer_that_names_several_leaves_them_open() {
    let offer = offer(&LOCAL, 1, Direction::SendRecv);
    let both = accept_answer(&offer, &minimal("m=audio 6000 RTP/AVP 8 0\r\n")).expect("fits");
    assert_eq!((both.codec(), both.types.audio), (Codec::Pcma, 8));
    assert_eq!(both.types.codec_of(0), Some(Codec::Pcmu));
    assert_eq!(both.types.codec_of(8), Some(Codec::Pcma));
    assert_eq!(both.types.codec_of(101), None);
    let one = accept_answer(&offer, &minimal("m=audio 6000 RTP/AVP 8\r\n")).expect("fits");
    assert_eq!(one.types.codec_of(0), None);
}

#[test]
fn an_offer_in_the_dialog_keeps_every_line_in_its_place() {
    let (previous, _) = answer(BEST_EFFORT, &LOCAL, 1).expect("acceptable");
    let again = offer_again(&previous, &LOCAL, 2, &mut Security::plain());
    let expected = "v=0\r\no=frontdoor 77 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n\
        t=0 0\r\nm=audio 0 RTP/SAVP 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\na=rtcp-mux\r\na=ptime:20\r\na=sendrecv\r\n\
        m=application 0 TCP/BFCP *\r\n";
    assert_eq!(again, expected);
    // The answer is looked for where the audio was offered.
    let answered = minimal(
        "m=audio 0 RTP/SAVP 0\r\nm=audio 7000 RTP/AVP 8\r\na=inactive\r\n\
        m=application 0 TCP/BFCP *\r\n",
    );
    let negotiated = accept_answer(&again, &answered).expect("an answer");
    assert_eq!((negotiated.codec(), negotiated.remote.port()), (Codec::Pcma, 7000));
    assert_eq!(negotiated.direction, Direction::Inactive);
    // The number of the keys is kept, and a description of others is no basis.
    let (previous, _) = answer(PJSIP, &LOCAL, 1).expect("acceptable");
    let mut plain = Security::plain();
    assert!(offer_again(&previous, &LOCAL, 2, &mut plain).contains("RTP/AVP 0 8 121\r\n"));
    assert_eq!(offer_again("", &LOCAL, 2, &mut plain), offer(&LOCAL, 2, Direction::SendRecv));
    // So is that of a codec, and one that is taken gets no second meaning.
    let theirs = BARESIP.replace("13044 RTP/AVP 96", "13044 RTP/AVP 110").replace(":96 ", ":110 ");
    let (previous, _) = answer(&theirs, &WIDE, 1).expect("acceptable");
    let again = offer_again(&previous, &WIDE, 2, &mut plain);
    assert!(again.contains("RTP/AVP 110 9 0 8 101 96\r\na=rtpmap:110 opus/48000/2\r\n"), "{again}");
    assert!(again.contains("a=rtpmap:96 telephone-event/48000\r\n"), "{again}");
}

#[test]
fn our_offer_and_its_answer_meet() {
    for direction in [Direction::SendRecv, Direction::SendOnly, Direction::Inactive] {
        let offer = offer(&LOCAL, 1, direction);
        let there = LocalMedia { port: 6000, ..LOCAL };
        let (text, theirs) = answer(&offer, &there, 1).expect("acceptable");
        let ours = accept_answer(&offer, &text).expect("an answer");
        assert_eq!(ours.direction, direction);
        assert_eq!(theirs.direction, direction.mirrored());
        assert_eq!(ours.codec(), Codec::Pcmu);
        assert_eq!(ours.types.telephone_event, event(101, 8_000));
        assert_eq!((ours.remote.port(), theirs.remote.port()), (6000, 40_000));
    }
}

#[test]
fn bad_answers_are_told_apart() {
    let offer = offer(&LOCAL, 1, Direction::SendOnly);
    let refused = accept_answer(&offer, &minimal("m=audio 0 RTP/AVP 0\r\n"));
    assert!(matches!(refused, Err(SdpError::NotAcceptable(_))));
    for media in ["", "m=audio 1 RTP/AVP 0\r\nm=audio 2 RTP/AVP 0\r\n"] {
        let error = accept_answer(&offer, &minimal(media));
        assert!(matches!(error, Err(SdpError::Malformed(_))), "{media}");
    }
    // They may not send more than we offered to receive.
    let both = accept_answer(&offer, &minimal("m=audio 1 RTP/AVP 8\r\n")).expect("an answer");
    assert_eq!((both.direction, both.codec()), (Direction::SendOnly, Codec::Pcma));
    assert_eq!(both.types.telephone_event, None);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "(?s).{0,200}") {
        let _ = answer(&text, &LOCAL, 1);
        let _ = accept_answer(BARESIP, &text);
    }

    #[test]
    fn spoilt_offers_never_panic_and_answers_stay_readable(
        which in 0usize..6, from in 0usize..700, len in 0usize..30, put in "[ -~\r\n]{0,12}"
    ) {
        let mut text = [BARESIP, PJSIP, LINPHONE, SIPP, ASTERISK, BEST_EFFORT][which].to_owned();
        let from = from.min(text.len());
        let until = (from + len).min(text.len());
        text.replace_range(from..until, &put);
        if let Ok((answered, _)) = answer(&text, &LOCAL, 1) {
            prop_assert!(Session::parse(&answered).is_ok(), "{}", answered);
        }
    }
}
