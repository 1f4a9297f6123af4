//! Writes session descriptions.

use std::fmt::Write as _;

use crate::audio::{Codec, Codecs};
use crate::rtp::{EventType, PayloadTypes};

use super::parse::Media;
use super::{Direction, LocalMedia, PTIME_MS, RtcpWay};

/// The payload types that we give where nobody has given any: those that most phones give.
const OPUS_TYPE: u8 = 111;
const EVENT_TYPE_8K: u8 = 101;
const EVENT_TYPE_48K: u8 = 110;
/// Numbers that may be given freely (RFC 3551 section 6).
const DYNAMIC_TYPES: std::ops::RangeInclusive<u8> = 96..=127;

/// Which payload type means what in a description of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    codecs: Vec<(Codec, u8)>,
    events: Vec<EventType>,
}

impl Numbers {
    /// Those of an answer: what was settled and nothing else.
    pub(super) fn of(types: &PayloadTypes) -> Self {
        Self {
            codecs: vec![(types.codec, types.audio)],
            events: types.telephone_event.into_iter().collect(),
        }
    }

    /// Those of an offer of these codecs. Numbers of the same line in an earlier description are
    /// kept, and none gets another meaning.
    pub(super) fn fresh(codecs: &Codecs, earlier: Option<&Media>) -> Self {
        let known = earlier.map_or_else(Vec::new, Media::formats_of);
        let known_events = earlier.map_or_else(Vec::new, Media::event_types);
        let mut taken: Vec<u8> =
            earlier.map_or_else(Vec::new, |media| media.payload_types().collect());
        let mut free = |usual: u8| {
            let is_free = |number: &u8| !taken.contains(number);
            let mut numbers = std::iter::once(usual).chain(DYNAMIC_TYPES);
            let number = numbers.find(is_free).unwrap_or(usual);
            taken.push(number);
            number
        };
        let mut numbers = Self { codecs: Vec::new(), events: Vec::new() };
        for codec in codecs.iter() {
            let earlier = known.iter().find(|(one, _)| *one == codec).map(|(_, number)| *number);
            let usual = codec.static_type().unwrap_or(OPUS_TYPE);
            numbers.codecs.push((codec, earlier.unwrap_or_else(|| free(usual))));
        }
        for (clock_hz, usual) in [(8_000, EVENT_TYPE_8K), (48_000, EVENT_TYPE_48K)] {
            // Keys go by the clock of the audio that they interrupt (RFC 4733 section 2.1).
            if !codecs.iter().any(|codec| codec.clock_hz() == clock_hz) {
                continue;
            }
            let earlier = known_events.iter().find(|event| event.clock_hz == clock_hz);
            let payload_type = earlier.map_or_else(|| free(usual), |event| event.payload_type);
            numbers.events.push(EventType { payload_type, clock_hz });
        }
        numbers
    }
}

pub(super) fn session_lines(local: &LocalMedia, version: u64) -> String {
    let kind = if local.ip.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, id) = (local.ip, local.session_id);
    format!(
        "v=0\r\no=frontdoor {id} {version} IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\n"
    )
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{line}\r\n");
}

/// A media line that nothing is sent on (RFC 3264 section 6).
pub(super) fn push_refused(text: &mut String, media: &Media) {
    let format = media.formats.first().map_or("0", String::as_str);
    push_line(text, format_args!("m={} 0 {} {format}", media.kind, media.protocol));
}

pub(super) fn push_audio(
    text: &mut String,
    port: u16,
    numbers: &Numbers,
    direction: Direction,
    rtcp: RtcpWay,
) {
    let codecs = numbers.codecs.iter().map(|(_, number)| *number);
    let types = codecs.chain(numbers.events.iter().map(|event| event.payload_type));
    let formats: Vec<String> = types.map(|payload_type| payload_type.to_string()).collect();
    push_line(text, format_args!("m=audio {port} RTP/AVP {}", formats.join(" ")));
    for (codec, number) in &numbers.codecs {
        push_codec(text, *codec, *number);
    }
    for EventType { payload_type, clock_hz } in &numbers.events {
        push_line(text, format_args!("a=rtpmap:{payload_type} telephone-event/{clock_hz}"));
        push_line(text, format_args!("a=fmtp:{payload_type} 0-15"));
    }
    if rtcp == RtcpWay::Shared {
        push_line(text, format_args!("a=rtcp-mux"));
    }
    push_line(text, format_args!("a=ptime:{PTIME_MS}"));
    push_line(text, format_args!("a={}", direction.name()));
}

fn push_codec(text: &mut String, codec: Codec, number: u8) {
    let (name, clock_hz) = (codec.encoding_name(), codec.clock_hz());
    if codec != Codec::Opus {
        push_line(text, format_args!("a=rtpmap:{number} {name}/{clock_hz}"));
        return;
    }
    // Two channels is how it has to be written (RFC 7587 section 7); what we send and want is one.
    push_line(text, format_args!("a=rtpmap:{number} opus/{clock_hz}/2"));
    let rate_hz = codec.rate().hz();
    push_line(
        text,
        format_args!(
            "a=fmtp:{number} maxplaybackrate={rate_hz};sprop-maxcapturerate={rate_hz};useinbandfec=1"
        ),
    );
}
