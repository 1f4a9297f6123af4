//! Protection of media: SRTP (RFC 3711), with keys from the SDP (SDES, RFC 4568) or from a DTLS
//! handshake on the media's own socket (DTLS-SRTP, RFC 5763 and RFC 5764).
//!
//! Job: from what was agreed and the datagrams that come, the packets that may be believed; from our
//! packets, what may be sent. Told the time; knows no socket. Non-job: ciphers and DTLS records
//! (`rtc-srtp`, `rtc-dtls`, whose types do not leave this folder); what is offered and answered
//! (`net::sdp`).

mod dtls;
mod guard;
mod srtp;
mod suite;

pub use dtls::{DtlsError, DtlsRole, Fingerprint, Identity};
pub use guard::{Guard, GuardCounters};
pub use srtp::LIFETIME_MAX;
pub use suite::{MasterKey, Suite};

/// Directive for the log filter: the DTLS library warns of what anybody can send.
pub const LOG_FILTER: &str = "rtc_dtls=error";

/// What protects the media of a leg, as offer and answer have agreed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protection {
    /// Nothing: plain RTP.
    #[default]
    None,
    /// Keys that stood in the SDP.
    Sdes(SdesKeys),
    /// Keys that a handshake is to agree.
    Dtls {
        /// Of the certificate that the other side must have.
        theirs: Fingerprint,
        /// Who begins.
        role: DtlsRole,
    },
}

/// The keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdesKeys {
    /// How packets are protected.
    pub suite: Suite,
    /// With what we protect ours.
    pub ours: MasterKey,
    /// With what they protect theirs.
    pub theirs: MasterKey,
    /// How many packets theirs may protect.
    pub lifetime: u64,
}
