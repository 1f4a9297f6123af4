//! SDP offers and answers (RFC 3264 on RFC 8866) for one G.711 audio stream with telephone-events.
//!
//! The parser is our own: the SDP crate at hand insists on the order of lines and on lines that
//! real phones leave out, gives up at the first unknown type letter, and its errors do not say
//! which line is at fault. What is needed here is small: addresses, media lines and attributes.

mod crypto;
mod direction;
mod security;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::audio::Law;
use crate::rtp::PayloadTypes;

pub use direction::Direction;
pub use security::{KeysInSdp, Security, Wish};

/// Longer descriptions are refused unread.
const TEXT_LEN_MAX: usize = 64 << 10;
/// More media lines than any phone sends.
const MEDIA_MAX: usize = 32;
/// The telephone-event payload type we offer.
const EVENT_OFFERED: u8 = 101;
/// We send 20 ms.
const PTIME_MS: u32 = 20;

/// Where we want to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalMedia {
    /// Our address as the other side reaches it.
    pub ip: IpAddr,
    /// Our RTP port.
    pub port: u16,
    /// The same for all descriptions of a dialog (the `o=` line).
    pub session_id: u64,
}

/// A codec we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// The companding law.
    pub const fn law(self) -> Law {
        match self {
            Self::Pcmu => Law::Mu,
            Self::Pcma => Law::A,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    const fn static_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }
}

/// What offer and answer have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The codec, both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// A second codec and its payload type that the other side may send besides: its answer named
    /// two (RFC 3264 section 6.1). `None` where the answer is ours, which names one.
    pub also: Option<(Codec, u8)>,
    /// The payload type of telephone-events, if agreed.
    pub telephone_event: Option<u8>,
    /// Where to send RTP. May be unspecified (`0.0.0.0`): then our direction does not send.
    pub remote: SocketAddr,
    /// Our side.
    pub direction: Direction,
    /// Packet length the other side asks for; we send 20 ms whatever it is, which every receiver
    /// of G.711 must take (RFC 3551 section 4.2).
    pub ptime_ms: u32,
}

impl Negotiated {
    /// What the RTP receiver and sender need to know.
    pub const fn payload_types(&self) -> PayloadTypes {
        PayloadTypes {
            law: self.codec.law(),
            audio: self.payload_type,
            also: match self.also {
                Some((codec, payload_type)) => Some((payload_type, codec.law())),
                None => None,
            },
            telephone_event: self.telephone_event,
        }
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
/// The first audio stream that we can serve is taken, all others are refused with port 0. `version`
/// must grow with each changed description that we send in a dialog.
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
        let judged = session.negotiate(media).and_then(|negotiated| {
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
            let codecs = [(negotiated.codec, negotiated.payload_type)];
            let event = negotiated.telephone_event;
            push_audio(&mut text, local.port, &codecs, event, negotiated.direction);
        } else {
            push_refused(&mut text, media);
        }
    }
    let (protocol, lines) = security.settle(choice);
    Ok((security::write(&text, index, &protocol, &lines), negotiated))
}

/// Our offer: mu-law, A-law and telephone-events.
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
    push_audio(&mut text, local.port, &offered_codecs(), Some(EVENT_OFFERED), direction);
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
            let event = media.event_type().unwrap_or(EVENT_OFFERED);
            push_audio(&mut text, local.port, &offered_codecs(), Some(event), direction);
        } else {
            push_refused(&mut text, media);
        }
    }
    let (protocol, lines) = security.offer();
    security::write(&text, place, &protocol, &lines)
}

fn offered_codecs() -> [(Codec, u8); 2] {
    [Codec::Pcmu, Codec::Pcma].map(|codec| (codec, codec.static_type()))
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
        match theirs.negotiate(media) {
            Ok(negotiated) => {
                let negotiated = within_offer(&ours, offered, media, negotiated)?;
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

/// Cuts what a line of their answer says down to what ours offered.
fn within_offer(
    ours: &Session,
    offered: &Media,
    answered: &Media,
    negotiated: Negotiated,
) -> Result<Negotiated, SdpError> {
    let is_offered = |wanted: Codec| offered.codecs().any(|(codec, _)| codec == wanted);
    if !is_offered(negotiated.codec) {
        let name = negotiated.codec.name();
        return Err(malformed(format!("the answer chose {name}, which was not offered")));
    }
    let also = answered.codecs().find(|&(codec, payload_type)| {
        payload_type != negotiated.payload_type && is_offered(codec)
    });
    let telephone_event = negotiated.telephone_event.filter(|_| offered.event_type().is_some());
    let direction = negotiated.direction.and(ours.direction(offered));
    Ok(Negotiated { also, telephone_event, direction, ..negotiated })
}

/// The parts of a description that matter.
#[derive(Debug, Clone)]
struct Session {
    address: Option<Connection>,
    direction: Option<Direction>,
    security: security::Attributes,
    media: Vec<Media>,
}

#[derive(Debug, Clone)]
struct Media {
    kind: String,
    port: u16,
    protocol: String,
    formats: Vec<String>,
    address: Option<Connection>,
    direction: Option<Direction>,
    /// Payload type, encoding name in capitals, clock rate, channels.
    maps: Vec<(u8, String, u32, u32)>,
    ptime_ms: Option<u32>,
    maxptime_ms: Option<u32>,
    security: security::Attributes,
}

/// Where a `c=` line points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Address(IpAddr),
    /// A host name (RFC 8866 section 5.7), which nobody resolves here: a caller must not make us
    /// ask name servers, and what they say could change during the call.
    Name,
}

impl Session {
    fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > TEXT_LEN_MAX {
            let len = text.len();
            return Err(malformed(format!("{len} bytes, at most {TEXT_LEN_MAX} are taken")));
        }
        let mut lines = text.lines().map(str::trim_end).enumerate();
        match lines.find(|(_, line)| !line.is_empty()) {
            Some((_, "v=0")) => {}
            Some((_, line)) => {
                return Err(malformed(format!("it must start with v=0, not {:?}", clip(line))));
            }
            None => return Err(malformed("it is empty")),
        }
        let security = security::Attributes::default();
        let mut session = Self { address: None, direction: None, security, media: Vec::new() };
        let mut has_origin = false;
        for (index, line) in lines {
            if line.is_empty() {
                continue;
            }
            let fault =
                |why: &str| malformed(format!("line {}, {:?}: {why}", index + 1, clip(line)));
            let (letter, value) =
                line.split_once('=').ok_or_else(|| fault("not of the form letter=value"))?;
            match letter {
                "o" => {
                    if value.split_whitespace().count() != 6 {
                        return Err(fault("an origin has six fields"));
                    }
                    has_origin = true;
                }
                "c" => {
                    let address = parse_connection(value).map_err(fault)?;
                    match session.media.last_mut() {
                        Some(media) => media.address = Some(address),
                        None => session.address = Some(address),
                    }
                }
                "m" => {
                    if session.media.len() >= MEDIA_MAX {
                        return Err(fault("too many media lines"));
                    }
                    session.media.push(Media::parse(value).map_err(fault)?);
                }
                "a" => session.attribute(value),
                _ => {}
            }
        }
        if !has_origin {
            return Err(malformed("the o= line is missing"));
        }
        Ok(session)
    }

    fn attribute(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.trim();
        if let Some(direction) = Direction::parse(name) {
            match self.media.last_mut() {
                Some(media) => media.direction = Some(direction),
                None => self.direction = Some(direction),
            }
            return;
        }
        let Some(media) = self.media.last_mut() else { return self.security.take(name, value) };
        media.security.take(name, value);
        match name {
            // Nonsense in these is no reason to turn a caller away: it may be about a format that
            // nobody wants.
            "rtpmap" => media.maps.extend(parse_map(value)),
            "ptime" => media.ptime_ms = parse_ms(value),
            "maxptime" => media.maxptime_ms = parse_ms(value),
            _ => {}
        }
    }

    /// Settles one media line, or says why not.
    fn negotiate(&self, media: &Media) -> Result<Negotiated, SdpError> {
        let refuse = |why: String| Err(SdpError::NotAcceptable(why));
        if media.kind != "audio" {
            return refuse(format!("{} is not audio", clip(&media.kind)));
        }
        if media.port == 0 {
            return refuse("the audio stream is switched off (port 0)".to_owned());
        }
        let Some((codec, payload_type)) = media.codecs().next() else {
            return refuse(format!(
                "none of the formats {:?} is PCMU or PCMA",
                clip(&media.formats.join(" "))
            ));
        };
        let address = match media.address.or(self.address) {
            Some(Connection::Address(address)) => address,
            Some(Connection::Name) => {
                return refuse("its c= line has a host name, IP addresses are taken".to_owned());
            }
            None => return Err(malformed("no c= line for the audio stream")),
        };
        let theirs = self.direction(media);
        // An unspecified address is the old way to say hold (RFC 3264 section 8.4): we must not
        // send, and may go on receiving.
        let theirs =
            if address.is_unspecified() { theirs.and(Direction::SendOnly) } else { theirs };
        let ptime_ms = media.ptime_ms.unwrap_or(PTIME_MS);
        Ok(Negotiated {
            codec,
            payload_type,
            also: None,
            telephone_event: media.event_type(),
            remote: SocketAddr::new(address, media.port),
            direction: theirs.mirrored(),
            ptime_ms: media.maxptime_ms.map_or(ptime_ms, |most| ptime_ms.min(most)),
        })
    }

    fn direction(&self, media: &Media) -> Direction {
        media.direction.or(self.direction).unwrap_or(Direction::SendRecv)
    }
}

impl Media {
    fn parse(value: &str) -> Result<Self, &'static str> {
        let mut fields = value.split_whitespace().map(str::to_owned);
        let mut next = || fields.next().ok_or("a media line is: kind port protocol formats");
        let (kind, port, protocol) = (next()?, next()?, next()?);
        // "port/number of ports": the first is the one that counts.
        let port = port.split('/').next().and_then(|port| port.parse().ok());
        let port = port.ok_or("the port is not a number up to 65535")?;
        let formats: Vec<String> = fields.collect();
        if formats.is_empty() {
            return Err("a media line needs at least one format");
        }
        Ok(Self {
            kind,
            port,
            protocol,
            formats,
            address: None,
            direction: None,
            maps: Vec::new(),
            ptime_ms: None,
            maxptime_ms: None,
            security: security::Attributes::default(),
        })
    }

    /// Whether this line of ours asks for audio.
    fn is_live_audio(&self) -> bool {
        self.kind == "audio" && self.port != 0
    }

    fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|&number| number < 128)
    }

    fn map(&self, payload_type: u8) -> Option<&(u8, String, u32, u32)> {
        self.maps.iter().find(|map| map.0 == payload_type)
    }

    /// Codecs we speak, in this side's order of preference.
    fn codecs(&self) -> impl Iterator<Item = (Codec, u8)> {
        self.payload_types().filter_map(|payload_type| {
            let codec = match self.map(payload_type) {
                Some((_, name, 8000, 1)) => {
                    [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| codec.name() == name)?
                }
                Some(_) => return None,
                // Static types need no rtpmap (RFC 3551 section 6).
                None => [Codec::Pcmu, Codec::Pcma]
                    .into_iter()
                    .find(|codec| codec.static_type() == payload_type)?,
            };
            Some((codec, payload_type))
        })
    }

    /// The telephone-event type at our clock rate.
    fn event_type(&self) -> Option<u8> {
        self.payload_types().find(|&payload_type| {
            matches!(self.map(payload_type), Some((_, name, 8000, 1)) if name == "TELEPHONE-EVENT")
        })
    }
}

fn parse_connection(value: &str) -> Result<Connection, &'static str> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let [network, kind, address] = fields[..] else {
        return Err("a connection line is: IN IP4 address");
    };
    // "address/ttl" is multicast notation.
    let text = address.split('/').next().unwrap_or(address);
    let Ok(address) = text.parse::<IpAddr>() else {
        let is_known = network == "IN" && matches!(kind, "IP4" | "IP6");
        return match is_known && is_host_name(text) {
            true => Ok(Connection::Name),
            false => Err("the address is not an IP address"),
        };
    };
    let is_right = network == "IN" && kind == if address.is_ipv4() { "IP4" } else { "IP6" };
    if !is_right {
        return Err("the kind of address does not fit the address");
    }
    if address.is_multicast() {
        return Err("a call cannot be sent to a multicast address");
    }
    Ok(Connection::Address(address.to_canonical()))
}

fn is_host_name(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn parse_map(value: &str) -> Option<(u8, String, u32, u32)> {
    let (number, encoding) = value.split_once(char::is_whitespace)?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next()?.to_ascii_uppercase();
    let rate = parts.next()?.trim().parse().ok()?;
    let channels = parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?;
    Some((number.parse().ok()?, name, rate, channels))
}

fn parse_ms(value: &str) -> Option<u32> {
    value.parse::<f32>().ok().filter(|ms| (1.0..=1000.0).contains(ms)).map(|ms| ms as u32)
}

fn session_lines(local: &LocalMedia, version: u64) -> String {
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
fn push_refused(text: &mut String, media: &Media) {
    let format = media.formats.first().map_or("0", String::as_str);
    push_line(text, format_args!("m={} 0 {} {format}", media.kind, media.protocol));
}

fn push_audio(
    text: &mut String,
    port: u16,
    codecs: &[(Codec, u8)],
    telephone_event: Option<u8>,
    direction: Direction,
) {
    let types = codecs.iter().map(|(_, payload_type)| *payload_type).chain(telephone_event);
    let formats: Vec<String> = types.map(|payload_type| payload_type.to_string()).collect();
    push_line(text, format_args!("m=audio {port} RTP/AVP {}", formats.join(" ")));
    for (codec, payload_type) in codecs {
        push_line(text, format_args!("a=rtpmap:{payload_type} {}/8000", codec.name()));
    }
    if let Some(event) = telephone_event {
        push_line(text, format_args!("a=rtpmap:{event} telephone-event/8000"));
        push_line(text, format_args!("a=fmtp:{event} 0-15"));
    }
    push_line(text, format_args!("a=ptime:{PTIME_MS}"));
    push_line(text, format_args!("a={}", direction.name()));
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
