//! SRTP and SRTCP (RFC 3711) of one leg, on the cipher contexts of `rtc-srtp`.
//!
//! Job: bound what strangers can make us remember, tell apart why a packet was refused, keep to the
//! lifetime of a key. Non-job: ciphers, key derivation, rollover and replay windows, which are the
//! library's.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::BytesMut;
use rtc_shared::error::Error as LibraryError;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::{RTCCryptoProvider, default_provider};
use rtc_srtp::option::{ContextOption, srtcp_replay_protection, srtp_replay_protection};

use super::suite::{MasterKey, Suite};

/// Packets this much older than the newest are refused (RFC 3711 section 3.3.2 asks for 64 or more).
const REPLAY_WINDOW: usize = 128;
/// Sources that one leg may show with one key: transfers change it, and nobody is transferred so
/// often.
const SOURCES_MAX: usize = 64;
/// After so many packets of unknown sources the context that tried them is made anew.
const PROBES_MAX: u32 = 64;
/// Fixed part of an RTP header (RFC 3550 section 5.1).
const RTP_HEADER_LEN: usize = 12;
/// Header and source of an RTCP packet (RFC 3550 section 6.4.1).
const RTCP_HEADER_LEN: usize = 8;
/// Packets that a key may protect if nothing else was said (RFC 3711 section 9.2).
pub const LIFETIME_MAX: u64 = 1 << 48;

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpFault {
    /// Too short, or no RTP or RTCP at all.
    #[error("malformed")]
    Malformed,
    /// Not protected with the key agreed, or changed on the way.
    #[error("not authentic")]
    Unauthentic,
    /// Seen before, or too old to tell.
    #[error("replayed")]
    Replayed,
    /// More sources than a call has.
    #[error("too many sources")]
    TooManySources,
    /// The key has protected all packets that it may.
    #[error("the key is used up")]
    KeyUsedUp,
}

/// The library would not have a key, or could not protect a packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SRTP: {0}")]
pub struct SrtpError(String);

/// RTP or RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

/// RTCP on the port of RTP is known by its packet types (RFC 5761 section 4).
fn kind(packet: &[u8]) -> Option<Kind> {
    match packet {
        [first, 192..=223, ..] if first >> 6 == 2 => Some(Kind::Rtcp),
        [first, ..] if first >> 6 == 2 => Some(Kind::Rtp),
        _ => None,
    }
}

fn source(kind: Kind, packet: &[u8]) -> Option<u32> {
    let range = match kind {
        Kind::Rtp => 8..RTP_HEADER_LEN,
        Kind::Rtcp => 4..RTCP_HEADER_LEN,
    };
    packet.get(range).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

/// Both directions of a leg.
pub struct Srtp {
    provider: Arc<dyn RTCCryptoProvider>,
    suite: Suite,
    inbound: Inbound,
    outbound: Context,
}

impl Srtp {
    /// Protects what we send with `ours` and takes what is protected with `theirs`, up to
    /// `lifetime` packets of it.
    ///
    /// # Errors
    /// The library has no cipher for it.
    pub fn new(
        suite: Suite,
        ours: &MasterKey,
        theirs: &MasterKey,
        lifetime: u64,
    ) -> Result<Self, SrtpError> {
        let provider = default_provider().map_err(|error| SrtpError(error.to_string()))?;
        let outbound = context(&provider, suite, ours)?;
        let inbound = Inbound::new(&provider, suite, theirs, lifetime)?;
        Ok(Self { provider, suite, inbound, outbound })
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Goes on sending with our key, and takes what is protected with a new one of theirs.
    ///
    /// # Errors
    /// The library has no cipher for it.
    pub fn rekey(&mut self, theirs: &MasterKey, lifetime: u64) -> Result<(), SrtpError> {
        self.inbound = Inbound::new(&self.provider, self.suite, theirs, lifetime)?;
        Ok(())
    }

    /// Protects an RTP or RTCP packet of ours.
    ///
    /// # Errors
    /// It is no such packet, or the key is used up.
    pub fn protect(&mut self, packet: &[u8]) -> Result<BytesMut, SrtpError> {
        let sealed = match kind(packet) {
            Some(Kind::Rtcp) => self.outbound.encrypt_rtcp(packet),
            _ => self.outbound.encrypt_rtp(packet),
        };
        sealed.map_err(|error| SrtpError(error.to_string()))
    }

    /// Opens an RTP or RTCP packet of theirs.
    ///
    /// # Errors
    /// [`SrtpFault`]: drop the packet and count why.
    pub fn unprotect(&mut self, packet: &[u8]) -> Result<BytesMut, SrtpFault> {
        self.inbound.unprotect(&self.provider, self.suite, packet)
    }
}

/// What comes in under one key.
struct Inbound {
    key: MasterKey,
    context: Context,
    /// Tries packets of sources not heard before. The library remembers each source that it is
    /// shown, authentic or not, and begins its replay window at the first packet of one, so what
    /// strangers send must not reach the context that lasts. This one has no replay window.
    probe: Context,
    probed: u32,
    sources: [BTreeSet<u32>; 2],
    packets_left: u64,
}

impl Inbound {
    fn new(
        provider: &Arc<dyn RTCCryptoProvider>,
        suite: Suite,
        key: &MasterKey,
        lifetime: u64,
    ) -> Result<Self, SrtpError> {
        Ok(Self {
            key: key.clone(),
            context: context(provider, suite, key)?,
            probe: probe(provider, suite, key)?,
            probed: 0,
            sources: [BTreeSet::new(), BTreeSet::new()],
            packets_left: lifetime,
        })
    }

    fn unprotect(
        &mut self,
        provider: &Arc<dyn RTCCryptoProvider>,
        suite: Suite,
        packet: &[u8],
    ) -> Result<BytesMut, SrtpFault> {
        let kind = kind(packet).ok_or(SrtpFault::Malformed)?;
        let source = source(kind, packet).ok_or(SrtpFault::Malformed)?;
        if self.packets_left == 0 {
            return Err(SrtpFault::KeyUsedUp);
        }
        if kind == Kind::Rtcp && !is_encrypted_rtcp(suite, packet) {
            return Err(SrtpFault::Unauthentic);
        }
        let known = usize::from(kind == Kind::Rtcp);
        if !self.sources[known].contains(&source) {
            if self.sources[known].len() >= SOURCES_MAX {
                return Err(SrtpFault::TooManySources);
            }
            if self.probed >= PROBES_MAX {
                // The key was taken once already, so it is taken again.
                self.probe =
                    probe(provider, suite, &self.key).map_err(|_| SrtpFault::Unauthentic)?;
                self.probed = 0;
            }
            self.probed += 1;
            open(&mut self.probe, kind, packet)?;
            self.sources[known].insert(source);
        }
        let opened = open(&mut self.context, kind, packet)?;
        self.packets_left -= 1;
        Ok(opened)
    }
}

fn context(
    provider: &Arc<dyn RTCCryptoProvider>,
    suite: Suite,
    key: &MasterKey,
) -> Result<Context, SrtpError> {
    let windows = (srtp_replay_protection(REPLAY_WINDOW), srtcp_replay_protection(REPLAY_WINDOW));
    context_with(provider, suite, key, (Some(windows.0), Some(windows.1)))
}

fn probe(
    provider: &Arc<dyn RTCCryptoProvider>,
    suite: Suite,
    key: &MasterKey,
) -> Result<Context, SrtpError> {
    context_with(provider, suite, key, (None, None))
}

fn context_with(
    provider: &Arc<dyn RTCCryptoProvider>,
    suite: Suite,
    key: &MasterKey,
    (srtp_window, srtcp_window): (Option<ContextOption>, Option<ContextOption>),
) -> Result<Context, SrtpError> {
    Context::new(
        key.key(),
        key.salt(),
        suite.profile(),
        srtp_window,
        srtcp_window,
        provider.crypto(),
    )
    .map_err(|error| SrtpError(error.to_string()))
}

/// Whether an SRTCP packet says that it is encrypted, as ours and theirs are to be (E, RFC 3711
/// section 3.4). The library takes one that says no without a look at its authentication tag.
fn is_encrypted_rtcp(suite: Suite, packet: &[u8]) -> bool {
    /// HMAC-SHA1, cut to 80 bits; also where that of RTP is cut to 32 (RFC 4568 section 6.2.2).
    const TAG_LEN: usize = 10;
    const INDEX_LEN: usize = 4;
    let behind_index = match suite {
        // The index comes last, and what it says is authenticated (RFC 7714 section 9.3).
        Suite::Aes128Gcm | Suite::Aes256Gcm => 0,
        Suite::Aes256CmSha1x80 | Suite::Aes128CmSha1x80 | Suite::Aes128CmSha1x32 => TAG_LEN,
    };
    let at = packet.len().checked_sub(behind_index + INDEX_LEN);
    at.is_some_and(|at| packet[at] & 0x80 != 0)
}

fn open(context: &mut Context, kind: Kind, packet: &[u8]) -> Result<BytesMut, SrtpFault> {
    let opened = match kind {
        Kind::Rtp => context.decrypt_rtp(packet),
        Kind::Rtcp => context.decrypt_rtcp(packet),
    };
    opened.map_err(|error| match error {
        LibraryError::SrtpSsrcDuplicated(..) | LibraryError::SrtcpSsrcDuplicated(..) => {
            SrtpFault::Replayed
        }
        LibraryError::ErrTooShortRtp
        | LibraryError::ErrTooShortRtcp
        | LibraryError::SrtpTooSmall(..)
        | LibraryError::SrtcpTooSmall(..)
        | LibraryError::ErrHeaderSizeInsufficient
        | LibraryError::ErrHeaderSizeInsufficientForExtension => SrtpFault::Malformed,
        _ => SrtpFault::Unauthentic,
    })
}

#[cfg(test)]
mod tests;
