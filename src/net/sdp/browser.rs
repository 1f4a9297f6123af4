//! Offers of browsers (RFC 9429, and RFC 9725 where a program offers): the one stream of audio that
//! is answered, put so that the library that answers can only agree to what we can do.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::audio::Codec;
use crate::rtp::{EventType, HEARD_MAX, PayloadTypes};

use super::parse::Session;
use super::{Direction, SdpError, clip, event_beside, malformed, ptime_ms};

/// How media of browsers is always protected (RFC 8827 section 6.5).
const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// Addresses of the other side that are tried; browsers have a handful. Each is sent a few small
/// packets, which is all that whoever makes up addresses gets.
const CANDIDATES_MAX: usize = 24;

/// The range of priorities from one address to the next (RFC 8445 section 5.1.2.1).
const PRIORITY_STEP: u32 = 1 << 8;

/// What is asked of packets to us: mono, at the rate that the recogniser listens at, each with a copy
/// of the one before.
pub(crate) const OPUS_FMTP: &str =
    "maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1";

/// What keys are sent as (RFC 4733 section 2.4.1).
pub(crate) const EVENTS_FMTP: &str = "0-15";

/// An offer that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserOffer {
    /// The offer with nothing in it but what is answered.
    pub sdp: String,
    /// The numbers that both sides send.
    pub types: PayloadTypes,
}

/// Reads an offer.
///
/// # Errors
/// It is no description, or not one of a call: it must offer one stream of audio both ways, with
/// Opus, protected as browsers do it, and nothing besides.
pub fn browser_offer(offer: &str) -> Result<BrowserOffer, SdpError> {
    let session = Session::parse(offer)?;
    let refuse = |why: &str| Err(SdpError::NotAcceptable(why.to_owned()));
    let [media] = &session.media[..] else {
        return refuse(
            "a call has one stream of audio and nothing else: no video, no data channel",
        );
    };
    if !media.is_live_audio() {
        return refuse("a call has one stream of audio");
    }
    if media.protocol != PROTOCOL {
        let (protocol, known) = (clip(&media.protocol), PROTOCOL);
        return refuse(&format!("the audio comes as {protocol}, and {known} is spoken"));
    }
    if session.direction(media) != Direction::SendRecv {
        return refuse("the audio of a call goes both ways (sendrecv)");
    }
    if offer.lines().any(|line| line.trim_end() == "a=setup:passive") {
        return refuse("the side that offers leaves the role in DTLS open (setup:actpass)");
    }
    if !offer.lines().any(|line| fingerprint(line).is_some()) {
        return refuse("the SHA-256 fingerprint of the certificate is missing (a=fingerprint)");
    }
    let formats = media.formats_of();
    let Some(&(codec, number)) = formats.iter().find(|(codec, _)| *codec == Codec::Opus) else {
        return refuse("the audio of browsers is Opus, which is not offered");
    };
    let event = event_beside(codec, &media.event_types());
    let mut heard = [None; HEARD_MAX];
    heard[0] = Some((number, codec));
    let types = PayloadTypes {
        codec,
        audio: number,
        telephone_event: event,
        heard,
        heard_events: [event, None],
        ptime_ms: ptime_ms(media),
        opus: media.opus_wishes(number),
    };
    Ok(BrowserOffer { sdp: reduced(offer, number, event)?, types })
}

/// The offer with one codec and its keys, and without what is only of use to others.
fn reduced(offer: &str, opus: u8, event: Option<EventType>) -> Result<String, SdpError> {
    let mut text = String::with_capacity(offer.len());
    let mut candidates = 0;
    for line in offer.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            // Said anew below, or of other codecs.
            "a=rtpmap" | "a=fmtp" | "a=rtcp-fb" | "a=extmap" | "a=ptime" | "a=maxptime" => continue,
            // The library looks at the first one only, and knows no other hash and no other spelling.
            "a=fingerprint" => {
                if let Some(hash) = fingerprint(line) {
                    push(&mut text, &format!("a=fingerprint:sha-256 {hash}"));
                }
                continue;
            }
            "a=candidate" if !is_usable(value) || candidates == CANDIDATES_MAX => continue,
            "a=candidate" => candidates += 1,
            _ => {}
        }
        if !line.starts_with("m=") {
            push(&mut text, line);
            continue;
        }
        let fields: Vec<&str> = line.split_whitespace().take(3).collect();
        if fields.len() < 3 {
            return Err(malformed("a media line is: kind port protocol formats"));
        }
        let numbers = std::iter::once(opus).chain(event.map(|event| event.payload_type));
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        push(&mut text, &format!("{} {}", fields.join(" "), numbers.join(" ")));
    }
    // Attributes of the one media line, which is the last: they may stand in any order.
    push(&mut text, &format!("a=rtpmap:{opus} opus/{}/2", Codec::Opus.clock_hz()));
    push(&mut text, &format!("a=fmtp:{opus} {OPUS_FMTP}"));
    if let Some(EventType { payload_type, clock_hz }) = event {
        push(&mut text, &format!("a=rtpmap:{payload_type} telephone-event/{clock_hz}"));
        push(&mut text, &format!("a=fmtp:{payload_type} {EVENTS_FMTP}"));
    }
    Ok(text)
}

/// The SHA-256 hash of the certificate, if the line gives it.
fn fingerprint(line: &str) -> Option<&str> {
    let name = "a=fingerprint:sha-256 ";
    let is_named = line.get(..name.len())?.eq_ignore_ascii_case(name);
    is_named.then(|| line[name.len()..].trim()).filter(|hash| !hash.is_empty())
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

/// Whether packets may be sent to an address that the other side names: over UDP, and to none that
/// leads to this machine or to many. Names (mDNS) are not asked for; whoever hides behind one is
/// answered where they come from.
fn is_usable(value: &str) -> bool {
    let Some(Candidate { component: "1", transport, address, .. }) = Candidate::read(value) else {
        return false;
    };
    let ip = address.ip().to_canonical();
    let is_for_all = match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    transport.eq_ignore_ascii_case("udp")
        && address.port() != 0
        && !(is_for_all || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

/// A line of an address (RFC 8839 section 5.1), as far as it matters.
struct Candidate<'a> {
    foundation: &'a str,
    component: &'a str,
    transport: &'a str,
    priority: &'a str,
    address: SocketAddr,
    /// `host`, `srflx`, ...
    kind: &'a str,
}

impl<'a> Candidate<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let fields: Vec<&str> = value.split_whitespace().collect();
        let [foundation, component, transport, priority, ip, port, "typ", kind, ..] = fields[..]
        else {
            return None;
        };
        let address = SocketAddr::new(ip.parse().ok()?, port.parse().ok()?);
        Some(Self { foundation, component, transport, priority, address, kind })
    }
}

/// Names the address under which others reach this machine (behind address translation) beside each
/// of our own, which those nearby may reach.
pub fn advertise(answer: &str, ip: IpAddr) -> String {
    let lines = || answer.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let ours = lines().filter_map(|line| Candidate::read(line.strip_prefix("a=candidate:")?));
    let mut named: BTreeSet<SocketAddr> = ours.map(|candidate| candidate.address).collect();
    let mut text = String::with_capacity(answer.len() + 128);
    for line in lines() {
        push(&mut text, line);
        let Some(Candidate { foundation, component, transport, priority, address, kind: "host" }) =
            line.strip_prefix("a=candidate:").and_then(Candidate::read)
        else {
            continue;
        };
        let public = SocketAddr::new(ip, address.port());
        if address.ip().is_loopback() || address.is_ipv4() != ip.is_ipv4() || !named.insert(public)
        {
            continue;
        }
        let priority = priority.parse::<u32>().unwrap_or(1).saturating_sub(PRIORITY_STEP).max(1);
        let port = address.port();
        push(
            &mut text,
            &format!(
                "a=candidate:{foundation}0 {component} {transport} {priority} {ip} {port} typ host"
            ),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chromium writes it, shortened where nothing is read.
    const CHROMIUM: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
        a=rtcp:9 IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2113937151 1c9b5c43-1d0a-4b2b.local 53705 typ host\r\n\
        a=candidate:2 1 udp 2113937151 192.0.2.10 53706 typ host generation 0\r\n\
        a=candidate:3 1 tcp 1518280447 192.0.2.10 9 typ host tcptype active\r\n\
        a=candidate:4 1 udp 2113937151 127.0.0.1 22 typ host\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-512 CC:DD\r\na=fingerprint:SHA-256 AA:BB\r\n\
        a=setup:actpass\r\na=mid:0\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
        a=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
        a=rtpmap:126 telephone-event/8000\r\na=ssrc:1001 cname:x\r\n";

    #[test]
    fn one_codec_is_left_with_its_keys_and_addresses_that_may_be_tried() {
        let BrowserOffer { sdp, types } = browser_offer(CHROMIUM).expect("acceptable");
        assert_eq!((types.codec, types.audio), (Codec::Opus, 111));
        let event = EventType { payload_type: 110, clock_hz: 48_000 };
        assert_eq!((types.telephone_event, types.event_of(110)), (Some(event), Some(event)));
        assert!(types.opus.fec && types.ptime_ms == 20);
        assert!(sdp.contains("m=audio 9 UDP/TLS/RTP/SAVPF 111 110\r\n"), "{sdp}");
        let left: Vec<&str> = sdp.lines().filter(|line| line.starts_with("a=candidate")).collect();
        assert_eq!(left, ["a=candidate:2 1 udp 2113937151 192.0.2.10 53706 typ host generation 0"]);
        for gone in ["sha-512", "red", "G722", "rtcp-fb", "extmap:", "minptime", ":126"] {
            assert!(!sdp.contains(gone), "{gone}: {sdp}");
        }
        for kept in [
            "a=fingerprint:sha-256 AA:BB",
            "a=mid:0",
            "a=sendrecv",
            "a=setup:actpass",
            "a=ssrc:1001",
            "a=rtcp-mux",
        ] {
            assert!(sdp.contains(kept), "{kept}: {sdp}");
        }
        // What is left says the same when it is read again.
        assert_eq!(browser_offer(&sdp).map(|offer| offer.types.audio), Ok(111));
    }

    #[test]
    fn what_is_no_call_is_refused_with_what_is_wrong() {
        let second = format!("{CHROMIUM}m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n");
        let cases = [
            (second, "one stream of audio and nothing else"),
            (CHROMIUM.replace("a=sendrecv", "a=recvonly"), "goes both ways"),
            (CHROMIUM.replace("opus/48000", "isac/16000"), "is Opus"),
            (CHROMIUM.replace("actpass", "passive"), "setup:actpass"),
            (CHROMIUM.replace("SHA-256", "sha-1"), "fingerprint"),
            (CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "UDP/TLS/RTP/SAVPF is spoken"),
            (CHROMIUM.replace("m=audio 9", "m=audio 0"), "one stream of audio"),
            (CHROMIUM.replace("m=audio", "m=application"), "one stream of audio"),
            ("hello".to_owned(), "must start with v=0"),
            (String::new(), "it is empty"),
        ];
        for (offer, why) in cases {
            let error = browser_offer(&offer).expect_err("not acceptable").to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn no_more_addresses_are_tried_than_browsers_have() {
        let many: String = (0..200)
            .map(|n| format!("a=candidate:{n} 1 udp 1 198.51.100.{n} 4000 typ host\r\n"))
            .collect();
        let offer = CHROMIUM.replace("a=ice-ufrag", &format!("{many}a=ice-ufrag"));
        let BrowserOffer { sdp, .. } = browser_offer(&offer).expect("acceptable");
        let left = sdp.lines().filter(|line| line.starts_with("a=candidate")).count();
        assert_eq!(left, CANDIDATES_MAX);
        for bad in ["224.0.0.1", "0.0.0.0", "255.255.255.255", "169.254.1.1", "::1", "fe80::1"] {
            let line = format!("1 1 udp 1 {bad} 4000 typ host");
            assert!(!is_usable(&line), "{bad}");
        }
        assert!(is_usable("1 1 UDP 1 2001:db8::1 4000 typ srflx raddr :: rport 9"));
        assert!(!is_usable("1 2 udp 1 192.0.2.1 4000 typ host") && !is_usable("1 1 udp"));
    }

    #[test]
    fn the_public_address_is_named_beside_our_own() {
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
            a=candidate:7 1 udp 2130706431 10.0.0.5 41000 typ host\r\n\
            a=candidate:8 1 udp 2130706431 127.0.0.1 41000 typ host\r\n\
            a=candidate:9 1 udp 1694498815 203.0.113.9 41000 typ srflx raddr 0.0.0.0 rport 9\r\n";
        let told = advertise(answer, IpAddr::from([203, 0, 113, 7]));
        let added: Vec<&str> = told.lines().filter(|line| !answer.contains(line)).collect();
        assert_eq!(added, ["a=candidate:70 1 udp 2130706175 203.0.113.7 41000 typ host"]);
        // Said once is enough, and an address of the other kind has no port of ours.
        assert_eq!(advertise(&told, IpAddr::from([203, 0, 113, 7])), told);
        let six = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        assert_eq!(advertise(answer, six), answer);
    }
}
