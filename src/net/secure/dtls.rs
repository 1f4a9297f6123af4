//! The DTLS handshake that agrees SRTP keys on the media's own socket (RFC 5763, RFC 5764), on the
//! DTLS 1.2 of `rtc-dtls`.
//!
//! Job: our certificate, whom to shake hands with, the check of the other side's certificate against
//! the fingerprint in its SDP, the keys, limits on time and memory. Non-job: sockets; records,
//! flights and their retransmission, which are the library's.
//!
//! ```text
//!              ClientHello from up to 4 addresses          certificate fits, use_srtp agreed
//!  Waiting ------------------------------------> Waiting ------------------------------------> Done
//!     |                                             |
//!     '------ 10 s, wrong certificate, alert -------'--> Failed
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig, VerifyPeerCertificateFn};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, default_provider};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error as LibraryError;
use sha2::{Digest as _, Sha256};

use super::suite::{MasterKey, Suite};

/// Callers hear nothing meanwhile; a handshake takes four trips and repeats what is lost each second.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Addresses that may try, of those with the IP of the SDP and of others: behind translation the
/// other side's address is not known beforehand.
const REMOTES_MAX: usize = 4;
/// Datagrams of one address that are looked at. An honest handshake takes a dozen.
const DATAGRAMS_MAX: u32 = 50;
/// Records in a datagram; a flight has fewer. The library's time for fragments grows with the cube.
const RECORDS_MAX: usize = 16;
/// Header of a DTLS record (RFC 6347 section 4.1); its last two bytes are the length of what follows.
const RECORD_HEADER_LEN: usize = 13;
/// RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Length of a SHA-256 digest.
const FINGERPRINT_LEN: usize = 32;

/// What `use_srtp` may settle on, the one we like best first.
const PROFILES: [(SrtpProtectionProfile, Suite); 4] = [
    (SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm, Suite::Aes256Gcm),
    (SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, Suite::Aes128Gcm),
    (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, Suite::Aes128CmSha1x80),
    (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32, Suite::Aes128CmSha1x32),
];

/// Why there are no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The library would not do it.
    #[error("DTLS cannot be set up: {0}")]
    Setup(String),
    /// The handshake took too long.
    #[error("the DTLS handshake was not done within {} s", HANDSHAKE_LIMIT.as_secs())]
    Timeout,
    /// Somebody else than the one whose SDP we have.
    #[error("the DTLS certificate is not the one whose fingerprint was in the SDP")]
    WrongCertificate,
    /// No protection that both speak.
    #[error("the DTLS handshake agreed no SRTP protection profile")]
    NoProfile,
    /// The library or the other side ended the handshake.
    #[error("the DTLS handshake failed: {0}")]
    Failed(String),
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; FINGERPRINT_LEN]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Reads `AB:CD:...`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; FINGERPRINT_LEN];
        let mut parts = text.split(':');
        for byte in &mut digest {
            let part = parts.next().filter(|part| part.len() == 2)?;
            // `from_str_radix` would take a sign.
            let is_hex = part.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(part, 16).ok().filter(|_| is_hex)?;
        }
        parts.next().is_none().then_some(Self(digest))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who begins the handshake (RFC 5763 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// We wait for the other side's ClientHello.
    Passive,
    /// We send it.
    Active,
}

/// Our certificate, made when the program starts: it is known by its fingerprint in our SDP only, so
/// nobody has to vouch for it, and it need not outlive the process.
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes an ECDSA P-256 key and a certificate signed with it.
    ///
    /// # Errors
    /// [`DtlsError::Setup`].
    pub fn generate() -> Result<Self, DtlsError> {
        let provider = default_provider().map_err(|error| DtlsError::Setup(error.to_string()))?;
        let names = vec!["frontdoor".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())
            .map_err(|error| DtlsError::Setup(error.to_string()))?;
        let leaf = certificate.certificate.first();
        let leaf = leaf.ok_or_else(|| DtlsError::Setup("no certificate was made".to_owned()))?;
        let fingerprint = Fingerprint::of(leaf.as_ref());
        Ok(Self { provider, certificate, fingerprint })
    }

    /// What our SDP says about it.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn config(
        &self,
        expected: Fingerprint,
        role: DtlsRole,
        remote: SocketAddr,
    ) -> Result<Arc<HandshakeConfig>, DtlsError> {
        let is_client = role == DtlsRole::Active;
        let verify: VerifyPeerCertificateFn = Arc::new(move |chain, _| {
            if chain.first().is_some_and(|leaf| Fingerprint::of(leaf) == expected) {
                return Ok(());
            }
            Err(LibraryError::Other("not the certificate of the SDP".to_owned()))
        });
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(PROFILES.iter().map(|(profile, _)| *profile).collect())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // Nobody vouches for these certificates; the fingerprint does (RFC 5763 section 6.2).
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(verify))
            .build(is_client, is_client.then_some(remote))
            .map_err(|error| DtlsError::Setup(error.to_string()))?;
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// What a handshake has agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsKeys {
    /// How packets are protected.
    pub suite: Suite,
    /// With what we protect ours.
    pub ours: MasterKey,
    /// With what they protect theirs.
    pub theirs: MasterKey,
    /// Where the other side is: it has proven it.
    pub remote: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// With whom: from here on only the last flight is repeated, to them.
    Done(SocketAddr),
    Failed,
}

/// Somebody who has sent us DTLS, or whom we have.
struct Remote {
    address: SocketAddr,
    datagrams: u32,
}

/// One handshake, told the time and given the datagrams.
pub struct Handshake {
    endpoint: Endpoint,
    expected: Fingerprint,
    role: DtlsRole,
    /// Where the SDP says that the other side is.
    negotiated: IpAddr,
    began: Instant,
    remotes: Vec<Remote>,
    state: State,
    ignored: u64,
}

impl Handshake {
    /// Begins: waits for the other side, or sends to it.
    ///
    /// # Errors
    /// [`DtlsError::Setup`].
    pub fn new(
        identity: &Identity,
        expected: Fingerprint,
        role: DtlsRole,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let config = identity.config(expected, role, remote)?;
        // It only comes back to us in what is to be sent, where we do not look at it.
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let server = (role == DtlsRole::Passive).then(|| config.clone());
        let mut endpoint = Endpoint::new(local, TransportProtocol::UDP, server);
        let mut remotes = Vec::new();
        if role == DtlsRole::Active {
            endpoint
                .connect(now, remote, config, None)
                .map_err(|error| DtlsError::Setup(error.to_string()))?;
            remotes.push(Remote { address: remote, datagrams: 0 });
        }
        Ok(Self {
            endpoint,
            expected,
            role,
            negotiated: remote.ip(),
            began: now,
            remotes,
            state: State::Waiting,
            ignored: 0,
        })
    }

    /// Takes a datagram in; gives the keys with the one that ends the handshake.
    ///
    /// # Errors
    /// The handshake failed; nothing is looked at any more.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<Option<DtlsKeys>, DtlsError> {
        if !is_framed(datagram) || !self.admits(from) {
            self.ignored += 1;
            return Ok(None);
        }
        let read = self.endpoint.read(now, from, None, BytesMut::from(datagram));
        if self.state != State::Waiting {
            // They have not had our last flight, or they close, which is of no matter: SIP tells us
            // when a call is over.
            return Ok(None);
        }
        let is_done = match read {
            Ok(events) => {
                events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete))
            }
            Err(error) => {
                let is_wrong = self.leaf(from).is_some_and(|leaf| leaf != self.expected);
                let error = match is_wrong {
                    true => DtlsError::WrongCertificate,
                    false => DtlsError::Failed(error.to_string()),
                };
                return self.give_up(now, from, error).map(|()| None);
            }
        };
        if !is_done {
            return Ok(None);
        }
        match self.keys(from) {
            Ok(keys) => {
                self.state = State::Done(from);
                Ok(Some(keys))
            }
            Err(error) => self.give_up(now, from, error).map(|()| None),
        }
    }

    /// Whether a datagram from there is looked at.
    fn admits(&mut self, from: SocketAddr) -> bool {
        match self.state {
            State::Waiting => {}
            // Our last flight may be wanted again, but not for ever: counted below.
            State::Done(peer) if peer == from => {}
            State::Done(_) => return false,
            State::Failed => return false,
        }
        if let Some(remote) = self.remotes.iter_mut().find(|remote| remote.address == from) {
            remote.datagrams += 1;
            return remote.datagrams <= DATAGRAMS_MAX;
        }
        let is_expected = |address: SocketAddr| address.ip() == self.negotiated;
        let kin = self.remotes.iter();
        let kin = kin.filter(|remote| is_expected(remote.address) == is_expected(from)).count();
        if self.role == DtlsRole::Active || kin >= REMOTES_MAX {
            return false;
        }
        self.remotes.push(Remote { address: from, datagrams: 1 });
        true
    }

    /// A handshake with somebody has failed. If the SDP named their address, that was the other side
    /// and all is over; else it was a stranger, who must not end the call, and is forgotten.
    fn give_up(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        error: DtlsError,
    ) -> Result<(), DtlsError> {
        if remote.ip() == self.negotiated {
            self.state = State::Failed;
            return Err(error);
        }
        drop(self.endpoint.stop(now, remote));
        Ok(())
    }

    /// Repeats what was not answered.
    ///
    /// # Errors
    /// [`DtlsError::Timeout`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.state != State::Waiting {
            return Ok(());
        }
        if now.saturating_duration_since(self.began) >= HANDSHAKE_LIMIT {
            self.state = State::Failed;
            return Err(DtlsError::Timeout);
        }
        for Remote { address, .. } in &self.remotes {
            if self.endpoint.poll_timeout(address).is_some_and(|at| at <= now) {
                // Out of tries with this one: the limit above ends it.
                let _ = self.endpoint.handle_timeout(*address, now);
            }
        }
        Ok(())
    }

    /// The next datagram to send, and where.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        let transmit = self.endpoint.poll_transmit()?;
        Some((transmit.transport.peer_addr, transmit.message))
    }

    /// Datagrams that were not looked at: no DTLS, of a stranger, or one too many.
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    fn leaf(&self, remote: SocketAddr) -> Option<Fingerprint> {
        let association = self.endpoint.get_connection_state(remote)?;
        association.peer_certificates.first().map(|leaf| Fingerprint::of(leaf))
    }

    fn keys(&self, remote: SocketAddr) -> Result<DtlsKeys, DtlsError> {
        // The library was told to check it; no keys depend on that alone.
        if self.leaf(remote) != Some(self.expected) {
            return Err(DtlsError::WrongCertificate);
        }
        let association = self.endpoint.get_connection_state(remote);
        let association = association.ok_or(DtlsError::NoProfile)?;
        let agreed = association.srtp_protection_profile();
        let suite = PROFILES.iter().find(|(profile, _)| *profile == agreed);
        let (_, suite) = *suite.ok_or(DtlsError::NoProfile)?;
        let (key_len, salt_len) = (suite.key_len(), suite.salt_len());
        let material = association
            .export_keying_material(EXPORTER_LABEL, &[], 2 * (key_len + salt_len))
            .map_err(|error| DtlsError::Failed(error.to_string()))?;
        // Client key, server key, client salt, server salt (RFC 5764 section 4.2).
        let material: &[u8] = material.as_ref();
        let (keys, salts) = material.split_at(2 * key_len);
        let key = |key: &[u8], salt: &[u8]| {
            MasterKey::new(suite, [key, salt].concat()).ok_or(DtlsError::NoProfile)
        };
        let client = key(&keys[..key_len], &salts[..salt_len])?;
        let server = key(&keys[key_len..], &salts[salt_len..])?;
        let (ours, theirs) = match self.role {
            DtlsRole::Active => (client, server),
            DtlsRole::Passive => (server, client),
        };
        Ok(DtlsKeys { suite, ours, theirs, remote })
    }
}

/// Whether the datagram is made of whole records. The library takes one that is not for a reason to
/// end the handshake, and anybody could send one; it is to be dropped (RFC 6347 section 4.1.2.7).
fn is_framed(mut datagram: &[u8]) -> bool {
    for _ in 0..RECORDS_MAX {
        if datagram.len() <= RECORD_HEADER_LEN {
            return false;
        }
        let len = usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
        let Some(rest) = datagram.get(RECORD_HEADER_LEN + len..) else { return false };
        if rest.is_empty() {
            return true;
        }
        datagram = rest;
    }
    false
}

#[cfg(test)]
mod tests;
