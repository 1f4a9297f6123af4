//! RTCP packets (RFC 3550 section 6): sender and receiver reports, SDES with the canonical name, BYE.
//!
//! Our own: the crate at hand brings buffers and error types of a whole WebRTC stack along for four
//! small packets. Everything else in a compound packet is stepped over.

/// Versions, padding and count stand before these.
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// The SDES item that names a participant.
const CNAME: u8 = 1;
/// Packets in a compound one; more is nonsense.
const PACKETS_MAX: usize = 16;

/// Whether a datagram on a port shared with RTP is RTCP (RFC 5761 section 4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Why a datagram is not RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// Fewer bytes than its lengths say.
    #[error("the RTCP packet of {0} bytes ends too early")]
    Short(usize),
    /// Not version 2.
    #[error("version {0} where RTCP has 2")]
    Version(u8),
    /// A compound packet begins with a report (RFC 3550 section 6.1).
    #[error("RTCP that begins with packet type {0}, not with a report")]
    NoReport(u8),
}

/// What a sender says about its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock, NTP format.
    pub ntp: u64,
    /// The same moment in timestamp units.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Octets of payload sent.
    pub octets: u32,
}

/// What a receiver says about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose stream.
    pub ssrc: u32,
    /// Share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all; duplicates can make it negative.
    pub lost: i32,
    /// Highest sequence number with its wraps.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report heard; 0 for none.
    pub last_report: u32,
    /// Since then, in 65536ths of a second.
    pub delay: u32,
}

/// The parts of a compound packet that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compound {
    /// Who sent it.
    pub from: u32,
    /// About its own stream.
    pub sender: Option<SenderInfo>,
    /// About streams it hears.
    pub blocks: Vec<ReportBlock>,
    /// It leaves.
    pub goodbye: bool,
}

/// Parses a compound packet.
///
/// # Errors
/// See [`RtcpError`].
pub fn parse_rtcp(bytes: &[u8]) -> Result<Compound, RtcpError> {
    let short = RtcpError::Short(bytes.len());
    let mut compound = Compound::default();
    let mut rest = bytes;
    for index in 0..PACKETS_MAX {
        let Some((head, _)) = rest.split_first_chunk::<4>() else {
            // What is left is too little for a packet: nothing may be.
            return if rest.is_empty() && index > 0 { Ok(compound) } else { Err(short) };
        };
        if head[0] >> 6 != 2 {
            return Err(RtcpError::Version(head[0] >> 6));
        }
        let len = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
        let body = rest.get(4..len).ok_or(short)?;
        let (kind, count) = (head[1], usize::from(head[0] & 0x1f));
        if index == 0 {
            if !matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
                return Err(RtcpError::NoReport(kind));
            }
            compound.from = number(body, 0).ok_or(short)?;
        }
        match kind {
            SENDER_REPORT => {
                compound.sender = Some(sender_info(body).ok_or(short)?);
                blocks(body.get(24..).ok_or(short)?, count, &mut compound.blocks).ok_or(short)?;
            }
            RECEIVER_REPORT => {
                blocks(body.get(4..).ok_or(short)?, count, &mut compound.blocks).ok_or(short)?;
            }
            GOODBYE => compound.goodbye = true,
            _ => {}
        }
        rest = &rest[len..];
    }
    Ok(compound)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

fn sender_info(body: &[u8]) -> Option<SenderInfo> {
    let ntp = (u64::from(number(body, 4)?) << 32) | u64::from(number(body, 8)?);
    Some(SenderInfo {
        ntp,
        timestamp: number(body, 12)?,
        packets: number(body, 16)?,
        octets: number(body, 20)?,
    })
}

fn blocks(body: &[u8], count: usize, out: &mut Vec<ReportBlock>) -> Option<()> {
    for n in 0..count {
        let at = n * 24;
        let loss = number(body, at + 4)?;
        out.push(ReportBlock {
            ssrc: number(body, at)?,
            fraction_lost: (loss >> 24) as u8,
            // 24 bits, signed.
            lost: ((loss << 8) as i32) >> 8,
            highest: number(body, at + 8)?,
            jitter: number(body, at + 12)?,
            last_report: number(body, at + 16)?,
            delay: number(body, at + 20)?,
        });
    }
    Some(())
}

/// Writes a compound packet: a report (of a sender, if it has sent), the canonical name, and a
/// goodbye if the stream ends.
pub(super) fn encode_rtcp(
    from: u32,
    sender: Option<SenderInfo>,
    block: Option<ReportBlock>,
    cname: &str,
    goodbye: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    let mut report = from.to_be_bytes().to_vec();
    if let Some(info) = sender {
        report.extend(info.ntp.to_be_bytes());
        report.extend([info.timestamp, info.packets, info.octets].map(u32::to_be_bytes).concat());
    }
    if let Some(block) = block {
        let loss = (u32::from(block.fraction_lost) << 24)
            | (block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff);
        let words = [block.ssrc, loss, block.highest, block.jitter, block.last_report, block.delay];
        report.extend(words.map(u32::to_be_bytes).concat());
    }
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    push_packet(&mut out, kind, u8::from(block.is_some()), report);
    let mut description = from.to_be_bytes().to_vec();
    let name = &cname.as_bytes()[..cname.len().min(255)];
    description.push(CNAME);
    description.push(name.len() as u8);
    description.extend_from_slice(name);
    // At least one zero octet ends the items (RFC 3550 section 6.5).
    description.push(0);
    push_packet(&mut out, SOURCE_DESCRIPTION, 1, description);
    if goodbye {
        push_packet(&mut out, GOODBYE, 1, from.to_be_bytes().to_vec());
    }
    out
}

fn push_packet(out: &mut Vec<u8>, kind: u8, count: u8, mut body: Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
    out.push(0x80 | count);
    out.push(kind);
    out.extend(((body.len() / 4) as u16).to_be_bytes());
    out.extend(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: SenderInfo =
        SenderInfo { ntp: 0x1234_5678_9abc_def0, timestamp: 7, packets: 3, octets: 480 };
    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 0xdead_beef,
        fraction_lost: 26,
        lost: -2,
        highest: 0x0001_ffff,
        jitter: 40,
        last_report: 0x5678_9abc,
        delay: 65_536,
    };

    #[test]
    fn what_is_written_reads_back() {
        for (sender, block, goodbye) in [
            (Some(INFO), Some(BLOCK), false),
            (Some(INFO), None, true),
            (None, Some(BLOCK), true),
            (None, None, false),
        ] {
            let bytes = encode_rtcp(5, sender, block, "abcdef", goodbye);
            assert!(is_rtcp(&bytes) && bytes.len().is_multiple_of(4));
            let blocks = block.into_iter().collect();
            assert_eq!(parse_rtcp(&bytes), Ok(Compound { from: 5, sender, blocks, goodbye }));
        }
    }

    #[test]
    fn each_defect_has_its_name() {
        let good = encode_rtcp(5, Some(INFO), Some(BLOCK), "x", true);
        for len in 1..good.len() {
            let cut = parse_rtcp(&good[..len]);
            // Cut between two packets it is whole, if shorter.
            assert!(cut.is_ok() == matches!(len, 52 | 64), "{len}: {cut:?}");
        }
        assert_eq!(parse_rtcp(&[]), Err(RtcpError::Short(0)));
        assert_eq!(parse_rtcp(&[0, 200, 0, 0]), Err(RtcpError::Version(0)));
        assert_eq!(parse_rtcp(&[0x80, 203, 0, 0]), Err(RtcpError::NoReport(203)));
        assert!(!is_rtcp(&[0x80, 0x80 | 13]) && !is_rtcp(&[0x80, 0x80 | 101]) && !is_rtcp(&[]));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(compound) = parse_rtcp(&bytes) {
                prop_assert!(compound.blocks.len() <= bytes.len() / 24);
            }
        }
    }
}
