use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::audio::Codecs;
use crate::net::sdp::{
    Direction, LocalMedia, Negotiated, SdpError, accept_answer_secured, answer_secured,
    offer_again, offer_secured,
};

const LOCAL: LocalMedia = LocalMedia {
    ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    port: 40_000,
    session_id: 7,
    codecs: Codecs::G711,
};
const THERE: LocalMedia = LocalMedia {
    ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    port: 4_000,
    session_id: 9,
    codecs: Codecs::G711,
};

const KEY_30: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const PRINT: &str = "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:\
    AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99";

fn identity() -> Arc<Identity> {
    Arc::new(Identity::generate().expect("made"))
}

fn security(mode: SrtpMode, keys: KeysInSdp) -> Security {
    Security::new(mode, keys, Some(identity()))
}

fn stream(protocol: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
        m=audio 5000 {protocol} 0\r\n{lines}"
    )
}

fn crypto(suite: &str) -> String {
    format!("a=crypto:4 {suite} inline:{KEY_30}")
}

fn handshake(setup: &str) -> Vec<String> {
    vec![format!("a=fingerprint:sha-256 {PRINT}"), format!("a=setup:{setup}")]
}

#[test]
fn the_policy_decides_what_is_taken() {
    use KeysInSdp::{Allowed, InClear};
    use SrtpMode::{Off, Offered, Required};
    let cm = [crypto("AES_CM_128_HMAC_SHA1_80")];
    let dtls = handshake("actpass");
    // What is offered, and then by policy what is answered: a protocol, or a part of the refusal.
    type Case<'a> = (&'a str, &'a [String], [Result<&'a str, &'a str>; 5]);
    let policies = [
        (Off, Allowed),
        (Offered, Allowed),
        (Offered, InClear),
        (Required, Allowed),
        (Required, InClear),
    ];
    let (off, tls, required) = ("switched off", "srtp_sdes_without_tls", "srtp = \"required\"");
    let cases: [Case<'_>; 8] = [
        ("RTP/AVP", &[], [Ok("none"), Ok("none"), Ok("none"), Err(required), Err(required)]),
        ("RTP/AVP", &cm[..], [Ok("none"), Ok("sdes"), Ok("none"), Ok("sdes"), Err(required)]),
        ("RTP/AVP", &dtls[..], [Ok("none"), Ok("dtls"), Ok("dtls"), Ok("dtls"), Ok("dtls")]),
        ("RTP/SAVP", &cm[..], [Err(off), Ok("sdes"), Err(tls), Ok("sdes"), Err(tls)]),
        ("RTP/SAVPF", &cm[..], [Err(off), Ok("sdes"), Err(tls), Ok("sdes"), Err(tls)]),
        ("RTP/SAVPF", &dtls[..], [Err(off), Ok("dtls"), Ok("dtls"), Ok("dtls"), Ok("dtls")]),
        ("UDP/TLS/RTP/SAVP", &dtls[..], [Err(off), Ok("dtls"), Ok("dtls"), Ok("dtls"), Ok("dtls")]),
        (
            "UDP/TLS/RTP/SAVPF",
            &dtls[..],
            [Err(off), Ok("dtls"), Ok("dtls"), Ok("dtls"), Ok("dtls")],
        ),
    ];
    for (protocol, lines, expected) in cases {
        for ((mode, keys), expected) in policies.into_iter().zip(expected) {
            let mut ours = security(mode, keys);
            let case = format!("{protocol} {lines:?} under {mode:?}, {keys:?}");
            match (answer_secured(&stream(protocol, lines), &LOCAL, 1, &mut ours), expected) {
                (Ok((text, _)), Ok(kind)) => {
                    assert!(text.contains(&format!("m=audio 40000 {protocol} 0\r\n")), "{text}");
                    let agreed = match ours.agreed() {
                        Protection::None => "none",
                        Protection::Sdes(_) => "sdes",
                        Protection::Dtls { .. } => "dtls",
                    };
                    assert_eq!(agreed, kind, "{case}");
                    assert_eq!(
                        text.contains("\r\na=crypto:4 AES_CM_128"),
                        kind == "sdes",
                        "{text}"
                    );
                    assert_eq!(text.ends_with("\r\na=setup:passive\r\n"), kind == "dtls", "{text}");
                    assert!(!text.contains(KEY_30), "{text}");
                }
                (Err(SdpError::NotAcceptable(why)), Err(part)) => {
                    assert!(why.contains(part) && why.contains(protocol), "{case}: {why}");
                    assert_eq!(*ours.agreed(), Protection::None);
                }
                (answered, _) => panic!("{case}: {answered:?}"),
            }
        }
    }
}

#[test]
fn lines_that_are_of_no_use_are_named() {
    let cm = "AES_CM_128_HMAC_SHA1_80";
    let sha1 = "a=fingerprint:sha-1 AA:BB".to_owned();
    let print = format!("a=fingerprint:sha-256 {PRINT}");
    let cases = [
        ("RTP/SAVP", vec![], "no a=crypto line"),
        ("RTP/SAVP", vec![crypto("NULL")], "\"NULL\""),
        ("RTP/SAVP", vec![format!("a=crypto:1 {cm} inline:{KEY_30}|2^20|1:4")], "MKI"),
        ("UDP/TLS/RTP/SAVP", vec![], "no a=fingerprint line"),
        ("UDP/TLS/RTP/SAVP", vec![sha1], "SHA-256"),
        ("UDP/TLS/RTP/SAVP", handshake("holdconn"), "holdconn"),
        ("UDP/TLS/RTP/SAVP", handshake("maybe"), "a=setup is none"),
    ];
    for (protocol, lines, part) in cases {
        let mut ours = security(SrtpMode::Offered, KeysInSdp::Allowed);
        let error = answer_secured(&stream(protocol, &lines), &LOCAL, 1, &mut ours);
        let error = error.expect_err(part).to_string();
        assert!(error.contains(part) && !error.contains(KEY_30), "{error}");
    }
    // The first line that can be done is taken, and who says nothing about the roles begins.
    let lines = [crypto("F8_128_HMAC_SHA1_80"), crypto(cm)];
    let mut ours = security(SrtpMode::Offered, KeysInSdp::Allowed);
    answer_secured(&stream("RTP/SAVP", &lines), &LOCAL, 1, &mut ours).expect("the second line");
    assert!(matches!(ours.agreed(), Protection::Sdes(_)));
    let mut ours = security(SrtpMode::Offered, KeysInSdp::InClear);
    let lines = ["a=fingerprint:sha-512 AA".to_owned(), print];
    answer_secured(&stream("UDP/TLS/RTP/SAVP", &lines), &LOCAL, 1, &mut ours).expect("sha-256");
    assert!(matches!(ours.agreed(), Protection::Dtls { role: DtlsRole::Passive, .. }));
    let mut blind = Security::new(SrtpMode::Offered, KeysInSdp::InClear, None);
    let error =
        answer_secured(&stream("UDP/TLS/RTP/SAVP", &handshake("active")), &LOCAL, 1, &mut blind);
    assert!(error.expect_err("no certificate").to_string().contains("no certificate"));
}

#[test]
fn roles_follow_the_offer() {
    let cases = [
        ("actpass", DtlsRole::Passive, "passive"),
        ("active", DtlsRole::Passive, "passive"),
        ("passive", DtlsRole::Active, "active"),
    ];
    for (setup, expected, said) in cases {
        let mut ours = security(SrtpMode::Offered, KeysInSdp::InClear);
        let offer = stream("UDP/TLS/RTP/SAVPF", &handshake(setup));
        for _ in 0..2 {
            let (text, _) = answer_secured(&offer, &LOCAL, 1, &mut ours).expect("acceptable");
            assert!(text.ends_with(&format!("a=setup:{said}\r\n")), "{text}");
            let Protection::Dtls { role, .. } = ours.agreed() else { panic!("{ours:?}") };
            assert_eq!(*role, expected);
        }
        // Who offers anew leaves the roles open; they stay with whom they are.
        let again = stream("UDP/TLS/RTP/SAVPF", &handshake("actpass"));
        let (text, _) = answer_secured(&again, &LOCAL, 2, &mut ours).expect("acceptable");
        assert!(text.ends_with(&format!("a=setup:{said}\r\n")), "{text}");
    }
}

/// Offers as one and answers as the other; what both have agreed must be each other's mirror.
fn meet(ours: &mut Security, theirs: &mut Security) -> (String, Negotiated) {
    let offer = offer_secured(&LOCAL, 1, Direction::SendRecv, ours);
    let (answer, _) = answer_secured(&offer, &THERE, 1, theirs).expect(&offer);
    let negotiated = accept_answer_secured(&offer, &answer, ours).expect(&answer);
    (offer, negotiated)
}

#[test]
fn our_offer_and_its_answer_mirror_each_other() {
    let wishes =
        [(Wish::Plain, "RTP/AVP"), (Wish::Sdes, "RTP/SAVP"), (Wish::Dtls, "UDP/TLS/RTP/SAVP")];
    for (wish, protocol) in wishes {
        let mut ours = security(SrtpMode::Offered, KeysInSdp::Allowed).wishing(wish);
        let mut theirs = security(SrtpMode::Offered, KeysInSdp::Allowed);
        let (offer, negotiated) = meet(&mut ours, &mut theirs);
        assert!(offer.contains(&format!("m=audio 40000 {protocol} ")), "{offer}");
        assert_eq!(negotiated.remote.port(), 4_000);
        match (ours.agreed(), theirs.agreed()) {
            (Protection::None, Protection::None) => assert_eq!(wish, Wish::Plain),
            (Protection::Sdes(ours), Protection::Sdes(theirs)) => {
                assert_eq!((ours.suite, theirs.suite), (Suite::Aes256Gcm, Suite::Aes256Gcm));
                assert_eq!((&ours.ours, &ours.theirs), (&theirs.theirs, &theirs.ours));
            }
            (Protection::Dtls { role, theirs: there }, Protection::Dtls { role: other, .. }) => {
                assert_eq!((role, other), (&DtlsRole::Active, &DtlsRole::Passive));
                assert_eq!(Some(*there), theirs.identity().map(Identity::fingerprint));
            }
            (one, other) => panic!("{one:?} and {other:?}"),
        }
        // A new offer in the dialog says the same again, and so does its answer.
        let before = (ours.agreed().clone(), theirs.agreed().clone());
        let again = offer_again(&offer, &LOCAL, 2, &mut ours);
        assert!(again.contains(&format!("m=audio 40000 {protocol} ")), "{again}");
        let (answer, _) = answer_secured(&again, &THERE, 2, &mut theirs).expect(&again);
        accept_answer_secured(&again, &answer, &mut ours).expect(&answer);
        assert_eq!((ours.agreed(), theirs.agreed()), (&before.0, &before.1));
        // Nor does it change when the other side sends its answer again as an offer.
        let (refreshed, _) = answer_secured(&answer, &LOCAL, 3, &mut ours).expect(&answer);
        accept_answer_secured(&answer, &refreshed, &mut theirs).expect(&refreshed);
        assert_eq!((ours.agreed(), theirs.agreed()), (&before.0, &before.1));
    }
}

#[test]
fn required_protection_is_asked_for_by_the_way_that_fits() {
    let cases = [
        (SrtpMode::Off, KeysInSdp::Allowed, "RTP/AVP"),
        (SrtpMode::Offered, KeysInSdp::Allowed, "RTP/AVP"),
        (SrtpMode::Required, KeysInSdp::Allowed, "RTP/SAVP"),
        (SrtpMode::Required, KeysInSdp::InClear, "UDP/TLS/RTP/SAVP"),
    ];
    for (mode, keys, protocol) in cases {
        let mut ours = security(mode, keys);
        let offer = offer_secured(&LOCAL, 1, Direction::SendRecv, &mut ours);
        assert!(offer.contains(&format!(" {protocol} ")), "{offer}");
    }
}

#[test]
fn answers_to_something_else_are_refused() {
    let mut ours = security(SrtpMode::Required, KeysInSdp::Allowed);
    let offer = offer_secured(&LOCAL, 1, Direction::SendRecv, &mut ours);
    let cm = crypto("AES_CM_128_HMAC_SHA1_80");
    let other_tag = cm.replace(":4 ", ":5 ");
    let cases = [
        (stream("RTP/AVP", &[]), "the answer is RTP/AVP"),
        (stream("RTP/SAVP", &[]), "no a=crypto line"),
        (stream("RTP/SAVP", &[other_tag]), "not what we offered"),
        (stream("RTP/SAVP", &[cm.replace("_80", "_32")]), "not what we offered"),
    ];
    for (answer, part) in cases {
        let error = accept_answer_secured(&offer, &answer, &mut ours).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(*ours.agreed(), Protection::None);
    }
    let answer = stream("RTP/SAVP", &[cm]);
    accept_answer_secured(&offer, &answer, &mut ours).expect("our fourth line");
}

#[test]
fn lines_are_written_into_the_stream_that_was_chosen() {
    let text =
        "v=0\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4 RTP/AVP 0\r\na=sendrecv\r\nm=video 0 X 1\r\n";
    let lines = ["a=one".to_owned(), "a=two".to_owned()];
    let expected = "v=0\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4 RTP/SAVP 0\r\na=sendrecv\r\na=one\r\n\
        a=two\r\nm=video 0 X 1\r\n";
    assert_eq!(write(text, 1, "RTP/SAVP", &lines), expected);
    let expected = format!("{}a=one\r\na=two\r\n", text.replace("X 1", "RTP/AVP 1"));
    assert_eq!(write(&text.replace("X 1", "RTP/AVP 1"), 2, "RTP/AVP", &lines), expected);
    assert_eq!(write(text, 0, "RTP/AVP", &[]), text);
}
