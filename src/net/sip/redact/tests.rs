//! Messages as telephones send them, and what is left of them.

use super::*;
use crate::net::sip::wire::scan;

fn kept(bytes: &[u8]) -> Redacted {
    redacted(&scan(bytes).expect("a start line"))
}

/// A browser's call through a proxy that adds what it knows of the caller.
const INVITE: &str = "INVITE sip:+442071234567@192.0.2.20;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/TLS 198.51.100.7:5061;branch=z9hG4bK1;rport;x-caller=5550123\r\n\
    Max-Forwards: 69\r\n\
    Record-Route: <sip:198.51.100.7;transport=tls;lr;did=55.5550123>\r\n\
    From: \"Morgan, Alex\" <sip:+15550123@carrier.example;cpc=ordinary>;tag=a1;note=5550123\r\n\
    To: <sip:+442071234567@192.0.2.20>\r\n\
    Contact: <sip:15550123@198.51.100.9:49000;transport=ws;ob>;+sip.instance=\"<urn:uuid:1>\"\r\n\
    Call-ID: 15550123-77@198.51.100.9\r\n\
    CSeq: 102 INVITE\r\n\
    P-Asserted-Identity: \"Alex Morgan\" <tel:+15550123>\r\n\
    Diversion: <sip:+15550177@carrier.example>;reason=unconditional\r\n\
    Authorization: Digest username=\"alex\", nonce=\"n1\", response=\"0123abcd\", algorithm=MD5\r\n\
    X-Customer: 5550123\r\n\
    User-Agent: Softphone 3.14 (line 555-0123-99)\r\n\
    Content-Type: application/sdp\r\n\
    \r\n\
    v=0\r\n\
    o=amorgan 7 1 IN IP4 198.51.100.9\r\n\
    s=Call of Alex Morgan\r\n\
    c=IN IP4 198.51.100.9\r\n\
    t=0 0\r\n\
    m=audio 49170 RTP/SAVP 0 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n\
    a=ice-ufrag:F7gI\r\n\
    a=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\n\
    a=fingerprint:sha-256 AA:BB\r\n\
    a=ssrc:77 cname:alex@laptop\r\n\
    a=sendrecv\r\n";

const REDACTED: &str = "INVITE sip:[redacted]@192.0.2.20;user=phone SIP/2.0
Via: SIP/2.0/TLS 198.51.100.7:5061;branch=z9hG4bK1;rport;[redacted]
Max-Forwards: 69
Record-Route: <sip:198.51.100.7;transport=tls;lr;[redacted]>
From: \"[redacted]\" <sip:[redacted]@carrier.example;[redacted]>;tag=a1;[redacted]
To: <sip:[redacted]@192.0.2.20>
Contact: <sip:[redacted]@198.51.100.9:49000;transport=ws;ob>;[redacted]
Call-ID: [redacted]-77@198.51.100.9
CSeq: 102 INVITE
P-Asserted-Identity: \"[redacted]\" <tel:[redacted]>
Diversion: <sip:[redacted]@carrier.example>;reason=unconditional
Authorization: Digest [redacted], algorithm=MD5
X-Customer: [redacted]
User-Agent: Softphone 3.14 ([redacted])
Content-Type: application/sdp

v=0
o=[redacted] 7 1 IN IP4 198.51.100.9
s=[redacted]
c=IN IP4 198.51.100.9
t=0 0
m=audio 49170 RTP/SAVP 0 101
a=rtpmap:0 PCMU/8000
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[redacted]
a=ice-ufrag:F7gI
a=ice-pwd:[redacted]
a=fingerprint:sha-256 AA:BB
a=ssrc:[redacted]
a=sendrecv
";

#[test]
fn people_and_keys_go_and_what_signalling_goes_wrong_about_stays() {
    let kept = kept(INVITE.as_bytes());
    assert_eq!(kept.text, REDACTED);
    assert_eq!((kept.label.as_str(), kept.status), ("INVITE", None));
    assert_eq!((kept.cseq.as_str(), kept.has_sdp, kept.reason), ("102 INVITE", true, None));
}

#[test]
fn nobody_is_named_in_the_torture_messages() {
    // (file, what must be gone, what must still be there)
    type Case = (&'static str, &'static [&'static str], &'static [&'static str]);
    let cases: [Case; 6] = [
        (
            "wsinv",
            &["vivekg", "Rosenberg", "jdrosen", "mhandley", "newfangled", "Quoted"],
            &["INVITE sip:[redacted]@chair-dnrc.example.com;[redacted] SIP/2.0", "a=rtpmap:31 LPC"],
        ),
        ("esc01", &["%75se%72", "spaces", "cal%6Cer", "mhandley"], &["host5.example.net"]),
        ("longreq", &["amazinglylongcallername"], &["CSeq: 3882340 INVITE"]),
        ("inv2543", &["mhandley", "UserB", "3035551111", "6505552222"], &["CSeq: 56 INVITE"]),
        ("regaut01", &["j.user", "opaque-data"], &["CSeq: 9338 REGISTER"]),
        ("unreason", &["mhandley", "user@"], &["SIP/2.0 200 = 2**3", "host198.example.com"]),
    ];
    for (name, gone, there) in cases {
        let path = format!("{}/tests/fixtures/sip/torture/{name}.sip", env!("CARGO_MANIFEST_DIR"));
        let text = kept(&std::fs::read(&path).expect("the fixture")).text;
        for word in gone {
            assert!(!text.contains(word), "{name}: {word} is in\n{text}");
        }
        for word in there {
            assert!(text.contains(word), "{name}: {word} is not in\n{text}");
        }
    }
}

#[test]
fn whatever_comes_is_bounded_and_cannot_command_a_terminal() {
    let folder = format!("{}/tests/fixtures/sip/torture", env!("CARGO_MANIFEST_DIR"));
    let mut read = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        let Some(message) = scan(&bytes) else { continue };
        let kept = redacted(&message);
        assert!(kept.text.len() < TEXT_BYTES_MAX + 40, "{} bytes", kept.text.len());
        assert!(!kept.text.contains(|c: char| c.is_control() && c != '\n'), "{:?}", kept.text);
        read += 1;
    }
    assert!(read > 50, "{read} messages");
    let colours = "SIP/2.0 486 \u{1b}[31mBusy\r\nCSeq: 1 INVITE\r\nX: y\r\n\r\n";
    assert_eq!(kept(colours.as_bytes()).label, "486  [31mBusy");
    let long = format!("OPTIONS sip:a@b SIP/2.0\r\nAllow: {}\r\n\r\n", "X, ".repeat(3_000));
    let text = kept(long.as_bytes()).text;
    assert!(text.ends_with(" bytes more]\n") && text.len() < TEXT_BYTES_MAX + 40, "{text}");
}

#[test]
fn addresses_keep_their_hosts_and_nothing_that_may_be_a_person() {
    for (written, shown) in [
        ("*", "*"),
        ("sip:alex@h.example;tag=1", "sip:[redacted]@h.example;tag=1"),
        ("sip:alex;day=tuesday@h.example", "[redacted]"),
        ("<sip:alex;par=1@h.example:5060>;tag=2", "<sip:[redacted]@h.example:5060>;tag=2"),
        ("<sip:[2001:db8::1]:5060;lr>", "<sip:[2001:db8::1]:5060;lr>"),
        ("<sip:5550123>", "<sip:[redacted]>"),
        ("<sip:5550123.example>", "<sip:[redacted].example>"),
        ("<sips:a:secret@h?Subject=alex@x>", "<sips:[redacted]@x>"),
        ("<sip:h?Subject=alex>", "<sip:h?[redacted]>"),
        ("<tel:+15550123;phone-context=x>", "<tel:[redacted]>"),
        ("<urn:service:sos>", "<[redacted]>"),
        ("Alex <sip:a@h", "[redacted]"),
        ("<sip:a@h>;tag=\"5550123\"", "<sip:[redacted]@h>;[redacted]"),
    ] {
        assert_eq!(address(written), shown, "{written}");
    }
}

#[test]
fn free_text_loses_long_numbers_and_keeps_codes_and_addresses() {
    for (written, shown) in [
        (
            "Q.850;cause=16;text=\"Normal call clearing\"",
            "Q.850;cause=16;text=\"Normal call clearing\"",
        ),
        ("304 192.168.100.200:5060 \"no\"", "304 192.168.100.200:5060 \"no\""),
        ("for +1 555 0123 only", "for +[redacted] only"),
        ("555-0123", "[redacted]"),
        ("PBX 20.5.2", "PBX 20.5.2"),
    ] {
        assert_eq!(without_numbers(written), shown, "{written}");
    }
}

#[test]
fn the_rule_of_a_refusal_and_bodies_that_are_no_sdp() {
    let refusal = "SIP/2.0 404 Not Found\r\nCSeq: 1 INVITE\r\n\
        Reason: SIP;cause=404;text=\"[numbers]: no \\\"line\\\" has 5550123\"\r\n\r\n";
    let kept_refusal = kept(refusal.as_bytes());
    let rule = kept_refusal.reason.as_deref();
    assert_eq!(rule, Some("[numbers]: no \"line\" has [redacted]"));
    assert_eq!((kept_refusal.label.as_str(), kept_refusal.status), ("404 Not Found", Some(404)));
    assert_eq!(reason_text("Q.850;cause=16").as_deref(), None);
    assert_eq!(reason_text("SIP;cause=200;text=done").as_deref(), Some("done"));
    assert_eq!(reason_text("SIP;text=\"open").as_deref(), None);
    let key = "INFO sip:a@b SIP/2.0\r\nCSeq: 2 INFO\r\nContent-Type: application/dtmf-relay\r\n\
        Content-Length: 22\r\n\r\nSignal=5\r\nDuration=160";
    let text = kept(key.as_bytes()).text;
    assert!(text.ends_with("\n\n[22 bytes, redacted]\n") && !text.contains("Signal"), "{text}");
    let challenge =
        "Digest realm=\"frontdoor\", nonce=\"abc\", stale=true, algorithm=SHA-256, qop=\"auth\"";
    let shown = "Digest [redacted], stale=true, algorithm=SHA-256, qop=\"auth\"";
    assert_eq!(credentials(challenge), shown);
    assert_eq!(credentials("dXNlcjpwYXNz"), "[redacted]");
}
