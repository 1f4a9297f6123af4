//! SDP offers and answers (RFC 3264 on RFC 8866) for one audio stream with telephone-events.
//!
//! The parser is our own: the SDP crate at hand insists on the order of lines and on lines that
//! real phones leave out, gives up at the first unknown type letter, and its errors do not say
//! which line is at fault. What is needed here is small: addresses, media lines and attributes.

pub mod browser;
mod crypto;
mod direction;
mod parse;
mod security;
mod write;

use std::net::{IpAddr, SocketAddr};

pub use crate::audio::{Codec, Codecs};
use crate::rtp::{EVENT_TYPES_MAX, EventType, HEARD_MAX, PayloadTypes};

pub use direction::Direction;
use parse::{Media, Session};
pub use security::{KeysInSdp, Security, Wish};
use write::{Numbers, push_audio, push_refused, session_lines};

/// Packet length where the other side names none.
const PTIME_MS: u32 = 20;
/// The shortest and the longest packets that we send.
const PTIME_MS_RANGE: std::ops::RangeInclusive<u32> = 10..=60;

/// Where we want to receive, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalMedia {
    /// Our address as the other side reaches it.
    pub ip: IpAddr,
    /// Our RTP port.
    pub port: u16,
    /// The same for all descriptions of a dialog (the `o=` line).
    pub session_id: u64,
    /// What we speak, the best first.
    pub codecs: Codecs,
}

/// What offer and answer have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// Codecs, payload types and packet length.
    pub types: PayloadTypes,
    /// Where to send RTP. May be unspecified (`0.0.0.0`): then our direction does not send.
    pub remote: SocketAddr,
    /// Our side.
    pub direction: Direction,
    /// Where RTCP goes.
    pub rtcp: RtcpWay,
}

/// How RTCP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpWay {
    /// From our RTCP port to this address: the port after that of RTP, or as `a=rtcp` says (RFC
    /// 3605).
    Apart(SocketAddr),
    /// On the ports of RTP (RFC 5761).
    Shared,
}

impl Negotiated {
    /// What the RTP receiver and sender need to know.
    pub const fn payload_types(&self) -> PayloadTypes {
        self.types
    }

    /// The codec that we send.
    pub const fn codec(&self) -> Codec {
        self.types.codec
    }
}

/// Why there is no agreement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Not a session description that can be understood: answer 400.
    #[error("malformed SDP: {0}")]
    Malformed(String),
    /// Understood, but nothing in it that we can do: answer 488.
    #[error("nothing acceptable in the SDP: {0}")]
    NotAcceptable(String),
}

/// Answers an offer: the text of the answer, and what has been settled.
///
/// The first audio stream that we can serve is taken, all others are refused with port 0. Of its
/// codecs the one that we like best is taken. `version` must grow with each changed description
/// that we send in a dialog.
///
/// # Errors
/// [`SdpError::Malformed`] (answer 400) or [`SdpError::NotAcceptable`] (answer 488).
pub fn answer(
    offer: &str,
    local: &LocalMedia,
    version: u64,
) -> Result<(String, Negotiated), SdpError> {
    answer_secured(offer, local, version, &mut Security::plain())
}

/// The same for a leg whose media may be protected; notes in `security` what has been settled, and
/// leaves it alone if nothing was.
///
/// # Errors
/// As [`answer`].
pub fn answer_secured(
    offer: &str,
    local: &LocalMedia,
    version: u64,
    security: &mut Security,
) -> Result<(String, Negotiated), SdpError> {
    let session = Session::parse(offer)?;
    let mut refusals = Vec::new();
    let mut chosen = None;
    for (index, media) in session.media.iter().enumerate() {
        let judged = choose(&session, media, &local.codecs).and_then(|negotiated| {
            let choice = security.judge(&session.security, &media.security, &media.protocol);
            Ok((negotiated, choice.map_err(SdpError::NotAcceptable)?))
        });
        match judged {
            Ok((negotiated, choice)) => {
                chosen = Some((index, negotiated, choice));
                break;
            }
            Err(SdpError::NotAcceptable(why)) => refusals.push(why),
            Err(malformed) => return Err(malformed),
        }
    }
    let Some((index, negotiated, choice)) = chosen else {
        if refusals.is_empty() {
            refusals.push("it has no media line".to_owned());
        }
        return Err(SdpError::NotAcceptable(refusals.join("; ")));
    };
    let mut text = session_lines(local, version);
    for (at, media) in session.media.iter().enumerate() {
        if at == index {
            let numbers = Numbers::of(&negotiated.types);
            push_audio(&mut text, local.port, &numbers, negotiated.direction, negotiated.rtcp);
        } else {
            push_refused(&mut text, media);
        }
    }
    let (protocol, lines) = security.settle(choice);
    Ok((security::write(&text, index, &protocol, &lines), negotiated))
}

/// Our offer: our codecs and telephone-events.
pub fn offer(local: &LocalMedia, version: u64, direction: Direction) -> String {
    offer_secured(local, version, direction, &mut Security::plain())
}

/// The same with the protection that `security` wishes or has agreed.
pub fn offer_secured(
    local: &LocalMedia,
    version: u64,
    direction: Direction,
    security: &mut Security,
) -> String {
    let mut text = session_lines(local, version);
    let numbers = Numbers::fresh(&local.codecs, None);
    push_audio(&mut text, local.port, &numbers, direction, RtcpWay::Shared);
    let (protocol, lines) = security.offer();
    security::write(&text, 0, &protocol, &lines)
}

/// Offers everything anew, both ways, in a dialog whose last description of ours was `previous`.
/// A media line that was once there keeps its place (RFC 3264 section 8); the refused ones stay
/// refused.
pub fn offer_again(
    previous: &str,
    local: &LocalMedia,
    version: u64,
    security: &mut Security,
) -> String {
    let direction = Direction::SendRecv;
    // What we wrote ourselves reads back; if it did not, a fresh offer is the best that is left.
    let live = |session: &Session| session.media.iter().position(Media::is_live_audio);
    let previous = Session::parse(previous).ok();
    let Some((place, session)) = previous.and_then(|session| Some((live(&session)?, session)))
    else {
        return offer_secured(local, version, direction, security);
    };
    let mut text = session_lines(local, version);
    for (at, media) in session.media.iter().enumerate() {
        if at == place {
            // A number once given keeps its meaning (RFC 3264 section 8.3.2).
            let numbers = Numbers::fresh(&local.codecs, Some(media));
            push_audio(&mut text, local.port, &numbers, direction, RtcpWay::Shared);
        } else {
            push_refused(&mut text, media);
        }
    }
    let (protocol, lines) = security.offer();
    security::write(&text, place, &protocol, &lines)
}

/// Takes the answer to an offer of ours: its first audio line that we offered and that it took.
///
/// # Errors
/// [`SdpError::Malformed`] if it is not an answer to this offer, [`SdpError::NotAcceptable`] if the
/// other side refused the audio: end the call.
pub fn accept_answer(our_offer: &str, answer: &str) -> Result<Negotiated, SdpError> {
    accept_answer_secured(our_offer, answer, &mut Security::plain())
}

/// The same for an offer that was made with `security`, which notes what has been settled.
///
/// # Errors
/// As [`accept_answer`].
pub fn accept_answer_secured(
    our_offer: &str,
    answer: &str,
    security: &mut Security,
) -> Result<Negotiated, SdpError> {
    let ours = Session::parse(our_offer)?;
    let theirs = Session::parse(answer)?;
    if theirs.media.len() != ours.media.len() {
        return Err(malformed(format!(
            "the answer has {} media lines, the offer {}",
            theirs.media.len(),
            ours.media.len()
        )));
    }
    let mut refusals = Vec::new();
    for (offered, media) in ours.media.iter().zip(&theirs.media) {
        if !offered.is_live_audio() {
            continue;
        }
        match accept_line((&ours, offered), (&theirs, media)) {
            Ok(negotiated) => {
                security
                    .accept(&offered.protocol, &theirs.security, &media.security, &media.protocol)
                    .map_err(SdpError::NotAcceptable)?;
                return Ok(negotiated);
            }
            Err(SdpError::NotAcceptable(why)) => refusals.push(why),
            Err(malformed) => return Err(malformed),
        }
    }
    if refusals.is_empty() {
        return Err(malformed("the offer has no audio line"));
    }
    Err(SdpError::NotAcceptable(refusals.join("; ")))
}

/// Settles one media line of an offer, or says why not. The answer repeats the offer's numbers, so
/// they are the same both ways.
fn choose(session: &Session, media: &Media, codecs: &Codecs) -> Result<Negotiated, SdpError> {
    let (remote, direction) = session.way_of(media)?;
    let formats = media.formats_of();
    let chosen = formats
        .iter()
        .enumerate()
        .filter_map(|(place, &(codec, number))| Some((codecs.rank(codec)?, place, codec, number)));
    let Some((_, _, codec, number)) = chosen.min_by_key(|&(rank, place, ..)| (rank, place)) else {
        let words: Vec<&str> = codecs.iter().map(Codec::encoding_name).collect();
        return Err(SdpError::NotAcceptable(format!(
            "none of the formats {:?} is {}",
            clip(&media.formats.join(" ")),
            words.join(", ")
        )));
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
    Ok(Negotiated { types, remote, direction, rtcp: media.rtcp_way(remote) })
}

/// Settles one line of an answer to our offer. They send the numbers that we gave, we those that
/// they gave.
fn accept_line(
    (ours, offered): (&Session, &Media),
    (theirs, answered): (&Session, &Media),
) -> Result<Negotiated, SdpError> {
    let (remote, direction) = theirs.way_of(answered)?;
    let our_formats = offered.formats_of();
    let is_offered = |wanted: Codec| our_formats.iter().any(|(codec, _)| *codec == wanted);
    let formats = answered.formats_of();
    let Some(&(codec, number)) = formats.first() else {
        let none =
            format!("none of the formats {:?} was offered", clip(&answered.formats.join(" ")));
        return Err(SdpError::NotAcceptable(none));
    };
    if !is_offered(codec) {
        let name = codec.encoding_name();
        return Err(malformed(format!("the answer chose {name}, which was not offered")));
    }
    let is_answered = |wanted: Codec| formats.iter().any(|(codec, _)| *codec == wanted);
    let by_our_number =
        our_formats.iter().filter(|(codec, _)| is_answered(*codec)).map(|&(c, n)| (n, c));
    let is_ours = |number: u8| offered.payload_types().any(|ours| ours == number);
    // Some send the numbers of their own answer; where those mean nothing else, so be it.
    let by_their_number = formats
        .iter()
        .filter(|(codec, n)| is_offered(*codec) && !is_ours(*n))
        .map(|&(c, n)| (n, c));
    let mut heard = [None; HEARD_MAX];
    for (place, one) in heard.iter_mut().zip(by_our_number.chain(by_their_number)) {
        *place = Some(one);
    }
    let our_events = offered.event_types();
    let event = event_beside(codec, &answered.event_types())
        .filter(|event| our_events.iter().any(|ours| ours.clock_hz == event.clock_hz));
    let mut heard_events = [None; EVENT_TYPES_MAX];
    for (place, one) in heard_events.iter_mut().zip(event.iter().flat_map(|_| &our_events)) {
        *place = Some(*one);
    }
    let types = PayloadTypes {
        codec,
        audio: number,
        telephone_event: event,
        heard,
        heard_events,
        ptime_ms: ptime_ms(answered),
        opus: answered.opus_wishes(number),
    };
    let direction = direction.and(ours.direction(offered));
    // To share the ports both must say so.
    let rtcp = answered.rtcp_way(remote);
    Ok(Negotiated { types, remote, direction, rtcp })
}

/// The telephone-events to go with a codec: those at its clock (RFC 4733 section 2.1), else those
/// at the clock that everybody has.
fn event_beside(codec: Codec, events: &[EventType]) -> Option<EventType> {
    let at = |clock_hz: u32| events.iter().find(|event| event.clock_hz == clock_hz).copied();
    at(codec.clock_hz()).or_else(|| at(Codec::Pcmu.clock_hz()))
}

/// The length of our packets: what the other side asks for, within what it and we can do.
fn ptime_ms(media: &Media) -> u32 {
    let asked = media.ptime_ms.unwrap_or(PTIME_MS);
    let asked = media.maxptime_ms.map_or(asked, |most| asked.min(most));
    asked.clamp(*PTIME_MS_RANGE.start(), *PTIME_MS_RANGE.end()) / 10 * 10
}

fn malformed(why: impl Into<String>) -> SdpError {
    SdpError::Malformed(why.into())
}

/// The beginning of a foreign text, for a message.
fn clip(text: &str) -> &str {
    let end = text.char_indices().nth(60).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests;
