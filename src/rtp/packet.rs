//! The RTP header (RFC 3550 section 5.1), parsed without allocation and written.

/// Why a datagram is not a packet of the stream. Each kind is counted on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Fewer bytes than the header, its sources or its extension need.
    #[error("the packet of {len} bytes ends within its header")]
    Short {
        /// Bytes in the datagram.
        len: usize,
    },
    /// Not RTP version 2: STUN, DTLS or noise on the port.
    #[error("version {0} where RTP has 2")]
    Version(u8),
    /// The padding count is 0 or more than there is.
    #[error("padding of {0} bytes cannot be")]
    Padding(u8),
    /// A payload type that was not negotiated.
    #[error("payload type {0} was not negotiated")]
    PayloadType(u8),
    /// An audio packet without audio.
    #[error("no payload")]
    Empty,
    /// An audio packet longer than 200 ms.
    #[error("a payload of {0} bytes is longer than 200 ms")]
    Oversize(usize),
    /// An audio packet that its codec cannot have made.
    #[error("a payload of {0} bytes that is not of the codec agreed on")]
    Undecodable(usize),
    /// A telephone-event shorter than 4 bytes.
    #[error("a telephone-event of {0} bytes, 4 are needed")]
    ShortEvent(usize),
    /// Another source than the one being listened to.
    #[error("source {0:#010x} is not the one being listened to")]
    ForeignSource(u32),
}

/// The fields of a packet that matter, and its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// First packet after a pause, or first of an event.
    pub marker: bool,
    /// What the payload is, as negotiated.
    pub payload_type: u8,
    /// Counts packets, wrapping.
    pub sequence: u16,
    /// Sampling instant of the first sample, in samples, wrapping.
    pub timestamp: u32,
    /// The sending source.
    pub ssrc: u32,
    /// The payload without padding.
    pub payload: &'a [u8],
}

/// Parses a datagram.
///
/// # Errors
/// [`RtpError::Short`], [`RtpError::Version`] or [`RtpError::Padding`].
pub fn parse_packet(bytes: &[u8]) -> Result<Packet<'_>, RtpError> {
    let short = RtpError::Short { len: bytes.len() };
    let (fixed, mut rest) = bytes.split_first_chunk::<12>().ok_or(short)?;
    let version = fixed[0] >> 6;
    if version != 2 {
        return Err(RtpError::Version(version));
    }
    let sources = usize::from(fixed[0] & 0x0f);
    rest = rest.get(sources * 4..).ok_or(short)?;
    if fixed[0] & 0x10 != 0 {
        let (head, after) = rest.split_first_chunk::<4>().ok_or(short)?;
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        rest = after.get(words * 4..).ok_or(short)?;
    }
    if fixed[0] & 0x20 != 0 {
        let padding = *rest.last().ok_or(short)?;
        let keep = rest.len().checked_sub(usize::from(padding));
        let Some(keep) = keep.filter(|_| padding > 0) else {
            return Err(RtpError::Padding(padding));
        };
        rest = &rest[..keep];
    }
    Ok(Packet {
        marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7f,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        payload: rest,
    })
}

/// Writes a packet.
pub(super) fn encode_packet(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + packet.payload.len());
    out.push(0x80);
    out.push(packet.payload_type & 0x7f | if packet.marker { 0x80 } else { 0 });
    out.extend(packet.sequence.to_be_bytes());
    out.extend(packet.timestamp.to_be_bytes());
    out.extend(packet.ssrc.to_be_bytes());
    out.extend_from_slice(packet.payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_survives_writing_and_parsing() {
        let packet = Packet {
            marker: true,
            payload_type: 101,
            sequence: 0xfffe,
            timestamp: 0x8000_0001,
            ssrc: 0xdead_beef,
            payload: &[1, 2, 3],
        };
        assert_eq!(parse_packet(&encode_packet(&packet)), Ok(packet));
    }

    #[test]
    fn sources_extensions_and_padding_are_stepped_over() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([9; 8]); // two contributing sources
        bytes.extend([0xbe, 0xde, 0, 1, 0xf0, 1, 2, 3]); // reserved id 15, then what follows it
        bytes.extend([7, 7, 7, 0, 0, 3]); // payload, three bytes of padding
        assert_eq!(parse_packet(&bytes).map(|p| p.payload.to_vec()), Ok(vec![7, 7, 7]));
    }

    #[test]
    fn each_defect_has_its_name() {
        let good = [0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 5];
        let with_first = |first: u8| {
            let mut bytes = good;
            bytes[0] = first;
            bytes
        };
        assert_eq!(parse_packet(&[]), Err(RtpError::Short { len: 0 }));
        assert_eq!(parse_packet(&good[..11]), Err(RtpError::Short { len: 11 }));
        assert_eq!(parse_packet(&with_first(0x00)), Err(RtpError::Version(0)));
        assert_eq!(parse_packet(&with_first(0x81)), Err(RtpError::Short { len: 13 }));
        assert_eq!(parse_packet(&with_first(0x90)), Err(RtpError::Short { len: 13 }));
        assert_eq!(parse_packet(&with_first(0xa0)), Err(RtpError::Padding(5)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = parse_packet(&bytes) {
                prop_assert!(packet.payload.len() + 12 <= bytes.len());
            }
        }
    }
}
