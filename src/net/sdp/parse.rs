//! Reads session descriptions: what real phones write, in whatever order.

use std::net::{IpAddr, SocketAddr};

use crate::audio::{Codec, OpusWishes};
use crate::rtp::EventType;

use super::security::Attributes;
use super::{Direction, RtcpWay, SdpError, clip, malformed};

/// Longer descriptions are refused unread.
const TEXT_LEN_MAX: usize = 64 << 10;
/// More media lines than any phone sends.
const MEDIA_MAX: usize = 32;

/// The parts of a description that matter.
#[derive(Debug, Clone)]
pub(super) struct Session {
    address: Option<Connection>,
    direction: Option<Direction>,
    pub(super) security: Attributes,
    pub(super) media: Vec<Media>,
}

/// One media line with what belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) kind: String,
    port: u16,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    address: Option<Connection>,
    direction: Option<Direction>,
    /// Payload type, encoding name in capitals, clock rate, channels.
    maps: Vec<(u8, String, u32, u32)>,
    /// It can have RTCP on the port of RTP.
    shares_rtcp: bool,
    /// Where it wants RTCP, if that is no neighbour of RTP.
    rtcp: Option<(u16, Option<IpAddr>)>,
    /// Payload type and its `fmtp` text.
    parameters: Vec<(u8, String)>,
    pub(super) ptime_ms: Option<u32>,
    pub(super) maxptime_ms: Option<u32>,
    pub(super) security: Attributes,
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
    pub(super) fn parse(text: &str) -> Result<Self, SdpError> {
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
        let security = Attributes::default();
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
            "fmtp" => media.parameters.extend(parse_parameters(value)),
            "rtcp-mux" => media.shares_rtcp = true,
            "rtcp" => media.rtcp = parse_rtcp(value),
            "ptime" => media.ptime_ms = parse_ms(value),
            "maxptime" => media.maxptime_ms = parse_ms(value),
            _ => {}
        }
    }

    /// Where a media line wants its audio and which way it flows, seen from us; or why we cannot
    /// serve it.
    pub(super) fn way_of(&self, media: &Media) -> Result<(SocketAddr, Direction), SdpError> {
        let refuse = |why: String| Err(SdpError::NotAcceptable(why));
        if media.kind != "audio" {
            return refuse(format!("{} is not audio", clip(&media.kind)));
        }
        if media.port == 0 {
            return refuse("the audio stream is switched off (port 0)".to_owned());
        }
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
        Ok((SocketAddr::new(address, media.port), theirs.mirrored()))
    }

    pub(super) fn direction(&self, media: &Media) -> Direction {
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
            shares_rtcp: false,
            rtcp: None,
            parameters: Vec::new(),
            ptime_ms: None,
            maxptime_ms: None,
            security: Attributes::default(),
        })
    }

    /// Whether this line of ours asks for audio.
    pub(super) fn is_live_audio(&self) -> bool {
        self.kind == "audio" && self.port != 0
    }

    pub(super) fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|&number| number < 128)
    }

    fn map(&self, payload_type: u8) -> Option<&(u8, String, u32, u32)> {
        self.maps.iter().find(|map| map.0 == payload_type)
    }

    /// Codecs that we know, with their numbers, in this side's order of preference.
    pub(super) fn formats_of(&self) -> Vec<(Codec, u8)> {
        let codec_of = |number: u8| match self.map(number) {
            Some((_, name, clock_hz, channels)) => Codec::ALL.into_iter().find(|codec| {
                // Opus is always written with two channels (RFC 7587 section 7), nearly.
                let is_channels = *channels == 1 || (*codec == Codec::Opus && *channels == 2);
                codec.encoding_name() == name && codec.clock_hz() == *clock_hz && is_channels
            }),
            // Static types need no rtpmap (RFC 3551 section 6).
            None => Codec::ALL.into_iter().find(|codec| codec.static_type() == Some(number)),
        };
        let mut found: Vec<(Codec, u8)> = Vec::new();
        for number in self.payload_types() {
            // One that is named twice counts where it stands first.
            if let Some(codec) = codec_of(number)
                && found.iter().all(|(known, _)| *known != codec)
            {
                found.push((codec, number));
            }
        }
        found
    }

    /// The telephone-event types, at whatever clock.
    pub(super) fn event_types(&self) -> Vec<EventType> {
        let event_of = |payload_type| match self.map(payload_type) {
            Some((_, name, clock_hz @ 8_000.., 1)) if name == "TELEPHONE-EVENT" => {
                Some(EventType { payload_type, clock_hz: *clock_hz })
            }
            _ => None,
        };
        self.payload_types().filter_map(event_of).collect()
    }

    /// How this side wants RTCP, whose RTP goes to this address.
    pub(super) fn rtcp_way(&self, rtp: SocketAddr) -> RtcpWay {
        if self.shares_rtcp {
            return RtcpWay::Shared;
        }
        let (port, ip) = self.rtcp.unwrap_or((rtp.port().saturating_add(1), None));
        RtcpWay::Apart(SocketAddr::new(ip.unwrap_or(rtp.ip()), port))
    }

    /// What is asked of Opus packets with this number; nothing is said of any other codec.
    pub(super) fn opus_wishes(&self, payload_type: u8) -> OpusWishes {
        let parameters = self.parameters.iter().filter(|(number, _)| *number == payload_type);
        let mut wishes = OpusWishes { fec: false, bitrate_max: None, playback_rate_max: None };
        for pair in parameters.flat_map(|(_, text)| text.split(';')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "useinbandfec" => wishes.fec = value == "1",
                "maxaveragebitrate" => wishes.bitrate_max = value.parse().ok(),
                "maxplaybackrate" => wishes.playback_rate_max = value.parse().ok(),
                _ => {}
            }
        }
        wishes
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

fn parse_rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut fields = value.split_whitespace();
    let port = fields.next()?.parse().ok().filter(|port| *port != 0)?;
    let address = fields.nth(2).and_then(|address| address.parse::<IpAddr>().ok());
    Some((port, address.filter(|ip| !ip.is_multicast() && !ip.is_unspecified())))
}

fn parse_parameters(value: &str) -> Option<(u8, String)> {
    let (number, text) = value.split_once(char::is_whitespace)?;
    Some((number.parse().ok()?, text.trim().to_owned()))
}

fn parse_ms(value: &str) -> Option<u32> {
    value.parse::<f32>().ok().filter(|ms| (1.0..=1000.0).contains(ms)).map(|ms| ms as u32)
}
