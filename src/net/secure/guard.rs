//! What stands between a leg's socket and its RTP: opens what comes in, seals what goes out.
//!
//! ```text
//!           SDES agreed                          DTLS agreed                  handshake done
//!  Plain -----------------> Sdes        Plain -----------------> Shaking hands -------------> Dtls
//!    ^                                                              |
//!    '-- a later description changes it, any to any                 '-- failed --> Failed: for good
//! ```
//! While hands are shaken nothing is taken for audio and nothing is sent as such.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;

use super::dtls::{DtlsError, Handshake, Identity};
use super::srtp::{LIFETIME_MAX, Srtp, SrtpError, SrtpFault};
use super::{Protection, SdesKeys};

/// What a leg's guard has turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardCounters {
    /// Media that is not protected with the key agreed.
    pub unauthentic: u64,
    /// Media that came before, or is too old to tell.
    pub replayed: u64,
    /// Neither media, nor DTLS, nor STUN; or cut short.
    pub malformed: u64,
    /// Media of more sources than a call has.
    pub too_many_sources: u64,
    /// Media under a key that has protected all it may.
    pub key_used_up: u64,
    /// Media before there were keys.
    pub before_keys: u64,
    /// DTLS of strangers, or where none was agreed.
    pub stray_dtls: u64,
    /// STUN, which no leg of ours agrees.
    pub stun: u64,
    /// Packets of ours that could not be protected.
    pub unsent: u64,
}

/// What a datagram is, by its first byte (RFC 7983 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Datagram {
    Stun,
    Dtls,
    Media,
    Other,
}

impl Datagram {
    fn of(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

enum State {
    Plain,
    Sdes(Box<Srtp>),
    /// The handshake stays: its last flight may have to be repeated.
    Dtls {
        handshake: Box<Handshake>,
        srtp: Option<Box<Srtp>>,
    },
    Failed(String),
}

#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error(transparent)]
    Dtls(#[from] DtlsError),
    #[error(transparent)]
    Srtp(#[from] SrtpError),
    #[error("there is no certificate of ours for DTLS")]
    NoIdentity,
}

/// Guards the media of one leg. Begins as plain RTP.
pub struct Guard {
    applied: Protection,
    state: State,
    proven: Option<SocketAddr>,
    counters: GuardCounters,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            applied: Protection::None,
            state: State::Plain,
            proven: None,
            counters: GuardCounters::default(),
        }
    }
}

impl Guard {
    /// Takes what offer and answer have agreed. What is agreed again goes on as it was: counters,
    /// windows and keys live as long as the keys do.
    pub fn apply(
        &mut self,
        agreed: &Protection,
        identity: Option<&Identity>,
        remote: SocketAddr,
        now: Instant,
    ) {
        if matches!(self.state, State::Failed(_)) || *agreed == self.applied {
            return;
        }
        match self.next_state(agreed, identity, remote, now) {
            Ok(state) => {
                self.applied = agreed.clone();
                self.state = state;
                self.proven = None;
            }
            Err(error) => self.state = State::Failed(error.to_string()),
        }
    }

    fn next_state(
        &mut self,
        agreed: &Protection,
        identity: Option<&Identity>,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<State, GuardError> {
        let before = std::mem::replace(&mut self.state, State::Plain);
        match (before, agreed) {
            (_, Protection::None) => Ok(State::Plain),
            (State::Sdes(mut srtp), Protection::Sdes(keys)) if self.is_our_key(keys) => {
                srtp.rekey(&keys.theirs, keys.lifetime)?;
                Ok(State::Sdes(srtp))
            }
            (_, Protection::Sdes(SdesKeys { suite, ours, theirs, lifetime })) => {
                Ok(State::Sdes(Box::new(Srtp::new(*suite, ours, theirs, *lifetime)?)))
            }
            (_, Protection::Dtls { theirs, role }) => {
                let identity = identity.ok_or(GuardError::NoIdentity)?;
                let handshake = Handshake::new(identity, *theirs, *role, remote, now)?;
                Ok(State::Dtls { handshake: Box::new(handshake), srtp: None })
            }
        }
    }

    /// Forgets what was agreed, not what was counted: what comes next is agreed with somebody else.
    pub fn forget(&mut self) {
        *self = Self { counters: self.counters(), ..Self::default() };
    }

    /// Whether what is agreed holds for the port of RTCP, too. Keys of a handshake are those of the
    /// port where hands were shaken (RFC 5764 section 4).
    pub const fn covers_rtcp_port(&self) -> bool {
        matches!(self.state, State::Plain | State::Sdes(_))
    }

    /// Whether we send under this key already: then it must go on where it is, for no two packets
    /// may be protected alike (RFC 3711 section 9.1).
    fn is_our_key(&self, keys: &SdesKeys) -> bool {
        let Protection::Sdes(old) = &self.applied else { return false };
        old.suite == keys.suite && old.ours == keys.ours
    }

    /// Whether media can flow.
    pub fn is_ready(&self) -> bool {
        match &self.state {
            State::Plain | State::Sdes(_) => true,
            State::Dtls { srtp, .. } => srtp.is_some(),
            State::Failed(_) => false,
        }
    }

    /// Why there will be no media on this leg.
    pub fn failure(&self) -> Option<&str> {
        match &self.state {
            State::Failed(why) => Some(why),
            _ => None,
        }
    }

    /// What protects the media, in words for the call's record.
    pub fn describe(&self) -> String {
        match &self.state {
            State::Plain => "none".to_owned(),
            State::Sdes(srtp) => format!("SDES {}", srtp.suite().name()),
            State::Dtls { srtp: Some(srtp), .. } => format!("DTLS-SRTP {}", srtp.suite().name()),
            State::Dtls { srtp: None, .. } => "DTLS-SRTP not finished".to_owned(),
            State::Failed(_) => "failed".to_owned(),
        }
    }

    /// What was turned away.
    pub fn counters(&self) -> GuardCounters {
        let mut counters = self.counters;
        if let State::Dtls { handshake, .. } = &self.state {
            counters.stray_dtls += handshake.ignored();
        }
        counters
    }

    /// Where the other side has proven to be: media goes there until some has come.
    pub const fn proven(&self) -> Option<SocketAddr> {
        self.proven
    }

    /// Takes a datagram in; gives RTP or RTCP that may be believed, if it is some. Afterwards
    /// [`Guard::poll_transmit`] may have something.
    pub fn open<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Option<Cow<'a, [u8]>> {
        let srtp = match (&mut self.state, Datagram::of(datagram)) {
            // What is no media is the receiver's to count.
            (State::Plain, _) => return Some(Cow::Borrowed(datagram)),
            (_, Datagram::Stun) => {
                self.counters.stun += 1;
                return None;
            }
            (_, Datagram::Other) => {
                self.counters.malformed += 1;
                return None;
            }
            (State::Dtls { .. }, Datagram::Dtls) => {
                self.shake(now, from, datagram);
                return None;
            }
            (_, Datagram::Dtls) => {
                self.counters.stray_dtls += 1;
                return None;
            }
            (State::Sdes(srtp) | State::Dtls { srtp: Some(srtp), .. }, Datagram::Media) => srtp,
            (State::Dtls { srtp: None, .. } | State::Failed(_), Datagram::Media) => {
                self.counters.before_keys += 1;
                return None;
            }
        };
        match srtp.unprotect(datagram) {
            Ok(opened) => Some(Cow::Owned(opened.into())),
            Err(fault) => {
                let count = match fault {
                    SrtpFault::Malformed => &mut self.counters.malformed,
                    SrtpFault::Unauthentic => &mut self.counters.unauthentic,
                    SrtpFault::Replayed => &mut self.counters.replayed,
                    SrtpFault::TooManySources => &mut self.counters.too_many_sources,
                    SrtpFault::KeyUsedUp => &mut self.counters.key_used_up,
                };
                *count += 1;
                None
            }
        }
    }

    fn shake(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let State::Dtls { handshake, srtp } = &mut self.state else { return };
        let failed = match handshake.handle_datagram(now, from, datagram) {
            Ok(None) => return,
            Ok(Some(keys)) => match Srtp::new(keys.suite, &keys.ours, &keys.theirs, LIFETIME_MAX) {
                Ok(fresh) => {
                    *srtp = Some(Box::new(fresh));
                    self.proven = Some(keys.remote);
                    return;
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        self.state = State::Failed(failed);
    }

    /// Protects a packet of ours; `None` while it may not be sent.
    pub fn seal<'a>(&mut self, packet: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let srtp = match &mut self.state {
            State::Plain => return Some(Cow::Borrowed(packet)),
            State::Sdes(srtp) | State::Dtls { srtp: Some(srtp), .. } => srtp,
            State::Dtls { srtp: None, .. } | State::Failed(_) => return None,
        };
        match srtp.protect(packet) {
            Ok(sealed) => Some(Cow::Owned(sealed.into())),
            Err(_) => {
                self.counters.unsent += 1;
                None
            }
        }
    }

    /// To be called every few frames: repeats what a handshake has not had answered, and ends one
    /// that takes too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Dtls { handshake, .. } = &mut self.state
            && let Err(error) = handshake.handle_timeout(now)
        {
            self.state = State::Failed(error.to_string());
        }
    }

    /// The next datagram of a handshake to send, and where.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        match &mut self.state {
            State::Dtls { handshake, .. } => handshake.poll_transmit(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
