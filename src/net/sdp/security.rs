//! What protects the media, as offered and answered: `RTP/SAVP` with keys in `a=crypto` (RFC 4568),
//! `UDP/TLS/RTP/SAVP` with `a=fingerprint` and `a=setup` (RFC 5763), either of them under `RTP/AVP`
//! as an offer to do better (RFC 8643), and plain `RTP/AVP`.
//!
//! Job: choose by the policy, write our lines, remember what was offered and agreed. Non-job: the
//! rest of the description, and carrying it out (`net::secure`).

use std::sync::Arc;

use crate::config::SrtpMode;
use crate::net::secure::{DtlsRole, Fingerprint, Identity, MasterKey, Protection, SdesKeys, Suite};

use super::clip;
use super::crypto::{self, CryptoLine};

/// More `a=crypto` or `a=fingerprint` lines of a stream are not looked at.
const LINES_MAX: usize = 16;

/// Plain RTP.
pub(super) const AVP: &str = "RTP/AVP";
const SAVP: &str = "RTP/SAVP";
const DTLS_SAVP: &str = "UDP/TLS/RTP/SAVP";

/// Whether keys may stand in the SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysInSdp {
    /// The signalling is encrypted, or the operator says that nobody listens.
    Allowed,
    /// Whoever reads the signalling would read the keys.
    InClear,
}

/// How our own offers want media to be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Plain RTP.
    Plain,
    /// Keys in the SDP.
    Sdes,
    /// Keys from a handshake.
    Dtls,
}

/// What a leg's SDP says about protection, and what it has agreed.
#[derive(Debug, Clone)]
pub struct Security {
    mode: SrtpMode,
    keys_in_sdp: KeysInSdp,
    wish: Wish,
    identity: Option<Arc<Identity>>,
    /// How our last description wanted it, and with which keys.
    asked: Wish,
    offered: Vec<(u32, Suite, MasterKey)>,
    agreed: Option<(Protection, String)>,
}

/// One way to protect one stream, not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    protection: Protection,
    /// Of the `a=crypto` line that was chosen.
    tag: u32,
    protocol: String,
}

impl Security {
    /// For a leg under this policy. `identity` is our certificate; without it there is no DTLS. If
    /// protection is required our own offers ask for it, by the way that fits the signalling.
    pub fn new(mode: SrtpMode, keys_in_sdp: KeysInSdp, identity: Option<Arc<Identity>>) -> Self {
        let wish = match (mode, keys_in_sdp) {
            (SrtpMode::Off | SrtpMode::Offered, _) => Wish::Plain,
            (SrtpMode::Required, KeysInSdp::Allowed) => Wish::Sdes,
            (SrtpMode::Required, KeysInSdp::InClear) => Wish::Dtls,
        };
        let offered = Vec::new();
        Self { mode, keys_in_sdp, wish, identity, asked: Wish::Plain, offered, agreed: None }
    }

    /// Plain RTP and nothing else.
    pub fn plain() -> Self {
        Self::new(SrtpMode::Off, KeysInSdp::InClear, None)
    }

    /// The same, with this for our own offers.
    #[must_use]
    pub fn wishing(self, wish: Wish) -> Self {
        Self { wish, ..self }
    }

    /// What has been agreed last.
    pub fn agreed(&self) -> &Protection {
        self.agreed.as_ref().map_or(&Protection::None, |(protection, _)| protection)
    }

    /// Our certificate.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// How a stream that is offered to us would be protected.
    ///
    /// # Errors
    /// Why it cannot be: the words of a 488.
    pub(super) fn judge(
        &self,
        session: &Attributes,
        media: &Attributes,
        protocol: &str,
    ) -> Result<Choice, String> {
        let choice = |tag, protection| Choice { protection, tag, protocol: protocol.to_owned() };
        let sdes = || self.sdes(media).map(|(tag, keys)| choice(tag, Protection::Sdes(keys)));
        let dtls = || -> Result<Choice, String> {
            let (theirs, setup) = dtls_of(session, media)?;
            let role = self.role_towards(theirs, setup)?;
            self.identity.as_ref().ok_or("we have no certificate for DTLS-SRTP")?;
            Ok(choice(0, Protection::Dtls { theirs, role }))
        };
        let is_off = self.mode == SrtpMode::Off;
        let judged = match protocol {
            AVP | "RTP/AVPF" if is_off => Ok(choice(0, Protection::None)),
            AVP | "RTP/AVPF" => match sdes().or_else(|_: String| dtls()) {
                Ok(better) => Ok(better),
                Err(_) if self.mode == SrtpMode::Offered && *self.agreed() == Protection::None => {
                    Ok(choice(0, Protection::None))
                }
                Err(why) if self.mode == SrtpMode::Offered => {
                    Err(format!("this call is encrypted and stays so; {why}"))
                }
                Err(why) => Err(format!(
                    "plain RTP/AVP is not taken here ([media] srtp = \"required\"): offer \
                     {SAVP} or {DTLS_SAVP}; {why}"
                )),
            },
            "RTP/SAVP" | "RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" if is_off => {
                Err(format!(
                    "the audio is {protocol}, which is switched off here ([media] srtp = \"off\"); \
                     {AVP} is taken"
                ))
            }
            // Before RFC 5764 had its own name for it, DTLS-SRTP was offered under this one.
            "RTP/SAVP" | "RTP/SAVPF" if media.cryptos.is_empty() && media.has_dtls(session) => {
                dtls()
            }
            "RTP/SAVP" | "RTP/SAVPF" => sdes().or_else(|why: String| dtls().map_err(|_| why)),
            "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" => dtls(),
            other => Err(format!("the audio is {}, {AVP} is what we speak", clip(other))),
        };
        judged.map_err(|why| match why.contains(clip(protocol)) {
            true => why,
            false => format!("{}: {why}", clip(protocol)),
        })
    }

    /// Our side of the first `a=crypto` line that we can do (RFC 4568 section 5.1.2).
    fn sdes(&self, media: &Attributes) -> Result<(u32, SdesKeys), String> {
        let mut refusals: Vec<&str> = Vec::new();
        let chosen = media.cryptos.iter().find_map(|line| match line {
            Ok(line) => Some(line),
            Err(why) => {
                refusals.push(why);
                None
            }
        });
        let Some(CryptoLine { tag, suite, key, lifetime }) = chosen else {
            return Err(match refusals.is_empty() {
                true => "there is no a=crypto line".to_owned(),
                false => refusals.join(", "),
            });
        };
        if self.keys_in_sdp == KeysInSdp::InClear {
            return Err("keys in SDP protect nothing while the signalling is not encrypted: use \
                        TLS, or set srtp_sdes_without_tls = true in [media]"
                .to_owned());
        }
        let (suite, theirs, lifetime) = (*suite, key.clone(), *lifetime);
        let ours = match self.agreed() {
            // Asked again, we say the same; only a new suite needs a new key of ours.
            Protection::Sdes(keys) if keys.suite == suite => keys.ours.clone(),
            _ => MasterKey::random(suite),
        };
        Ok((*tag, SdesKeys { suite, ours, theirs, lifetime }))
    }

    /// Our role towards somebody who offers this.
    fn role_towards(&self, them: Fingerprint, setup: Setup) -> Result<DtlsRole, String> {
        match (setup, self.agreed()) {
            // Hands are shaken already, and the offer leaves it as it is.
            (Setup::ActPass, Protection::Dtls { theirs, role }) if *theirs == them => Ok(*role),
            (Setup::ActPass | Setup::Active, _) => Ok(DtlsRole::Passive),
            (Setup::Passive, _) => Ok(DtlsRole::Active),
            (Setup::HoldConn, _) => Err("a=setup:holdconn leaves nobody to begin".to_owned()),
        }
    }

    /// Settles on a choice; gives the protocol and our lines for the answer.
    pub(super) fn settle(&mut self, choice: Choice) -> (String, Vec<String>) {
        let lines = match &choice.protection {
            Protection::None => Vec::new(),
            Protection::Sdes(keys) => vec![crypto::line(choice.tag, keys.suite, &keys.ours)],
            Protection::Dtls { role: DtlsRole::Passive, .. } => self.dtls_lines("passive"),
            Protection::Dtls { role: DtlsRole::Active, .. } => self.dtls_lines("active"),
        };
        // The answer may be sent again as an offer, to keep the session up (RFC 4028 section 7.4).
        (self.asked, self.offered) = match &choice.protection {
            Protection::None => (Wish::Plain, Vec::new()),
            Protection::Dtls { .. } => (Wish::Dtls, Vec::new()),
            Protection::Sdes(keys) => {
                (Wish::Sdes, vec![(choice.tag, keys.suite, keys.ours.clone())])
            }
        };
        let protocol = choice.protocol.clone();
        self.agreed = Some((choice.protection, choice.protocol));
        (protocol, lines)
    }

    /// The protocol and the lines of an offer of ours: what has been agreed, or what we wish.
    pub(super) fn offer(&mut self) -> (String, Vec<String>) {
        let (protocol, wish) = match &self.agreed {
            None => (None, self.wish),
            Some((Protection::None, _)) => (None, Wish::Plain),
            Some((Protection::Sdes(_), protocol)) => (Some(protocol.clone()), Wish::Sdes),
            Some((Protection::Dtls { .. }, protocol)) => (Some(protocol.clone()), Wish::Dtls),
        };
        let protocol = |default: &str| protocol.unwrap_or_else(|| default.to_owned());
        self.asked = wish;
        match wish {
            Wish::Plain => (protocol(AVP), Vec::new()),
            Wish::Dtls => (protocol(DTLS_SAVP), self.dtls_lines("actpass")),
            Wish::Sdes => {
                self.offered = match self.agreed() {
                    Protection::Sdes(keys) => vec![(1, keys.suite, keys.ours.clone())],
                    _ => (1..)
                        .zip(Suite::ALL)
                        .map(|(tag, suite)| (tag, suite, MasterKey::random(suite)))
                        .collect(),
                };
                let lines = self.offered.iter();
                let lines = lines.map(|(tag, suite, key)| crypto::line(*tag, *suite, key));
                (protocol(SAVP), lines.collect())
            }
        }
    }

    /// Takes the protection that the answer to our offer has chosen.
    ///
    /// # Errors
    /// Why it is no answer to what we offered.
    pub(super) fn accept(
        &mut self,
        offered_protocol: &str,
        session: &Attributes,
        media: &Attributes,
        protocol: &str,
    ) -> Result<(), String> {
        if protocol != offered_protocol {
            return Err(format!("the answer is {}, we offered {offered_protocol}", clip(protocol)));
        }
        let protection = match self.asked {
            Wish::Plain => Protection::None,
            Wish::Sdes => Protection::Sdes(self.answered_sdes(media)?),
            Wish::Dtls => answered_dtls(session, media)?,
        };
        self.agreed = Some((protection, protocol.to_owned()));
        Ok(())
    }

    fn answered_sdes(&self, media: &Attributes) -> Result<SdesKeys, String> {
        let answered = media.cryptos.first().ok_or("there is no a=crypto line")?.as_ref()?;
        let CryptoLine { tag, suite, key, lifetime } = answered;
        let ours = self.offered.iter().find(|(offered, of, _)| offered == tag && of == suite);
        let (_, _, ours) = ours
            .ok_or_else(|| format!("crypto {tag} with {} is not what we offered", suite.name()))?;
        Ok(SdesKeys { suite: *suite, ours: ours.clone(), theirs: key.clone(), lifetime: *lifetime })
    }

    fn dtls_lines(&self, setup: &str) -> Vec<String> {
        let fingerprint = self.identity.iter().map(|identity| {
            let fingerprint = identity.fingerprint();
            format!("a=fingerprint:sha-256 {fingerprint}")
        });
        fingerprint.chain([format!("a=setup:{setup}")]).collect()
    }
}

/// The handshake that an answer takes up.
fn answered_dtls(session: &Attributes, media: &Attributes) -> Result<Protection, String> {
    let (theirs, setup) = dtls_of(session, media)?;
    let role = match setup {
        Setup::Active => DtlsRole::Passive,
        Setup::Passive => DtlsRole::Active,
        Setup::ActPass | Setup::HoldConn => {
            return Err("the answer must say a=setup:active or a=setup:passive".to_owned());
        }
    };
    Ok(Protection::Dtls { theirs, role })
}

fn dtls_of(session: &Attributes, media: &Attributes) -> Result<(Fingerprint, Setup), String> {
    // Lines of the stream stand instead of those of the session (RFC 8122 section 5).
    let lines = match media.fingerprints.is_empty() {
        true => &session.fingerprints,
        false => &media.fingerprints,
    };
    if lines.is_empty() {
        return Err("there is no a=fingerprint line".to_owned());
    }
    let theirs = lines.iter().flatten().next();
    let theirs = theirs.ok_or("no a=fingerprint line is a SHA-256 digest (sha-256 AB:CD:...)")?;
    let setup = media.setup.or(session.setup);
    // RFC 4145 section 4: who says nothing begins.
    let setup = setup.unwrap_or(Some(Setup::Active));
    Ok((*theirs, setup.ok_or("a=setup is none of active, passive, actpass, holdconn")?))
}

/// RFC 4145 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setup {
    Active,
    Passive,
    ActPass,
    HoldConn,
}

impl Setup {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "actpass" => Some(Self::ActPass),
            "holdconn" => Some(Self::HoldConn),
            _ => None,
        }
    }
}

/// The lines about protection of a session or a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    cryptos: Vec<Result<CryptoLine, String>>,
    /// `None` for a digest that we do not speak.
    fingerprints: Vec<Option<Fingerprint>>,
    /// `Some(None)` for a word that nobody knows.
    setup: Option<Option<Setup>>,
}

impl Attributes {
    /// Takes an attribute that is about protection; others are left alone.
    pub(super) fn take(&mut self, name: &str, value: &str) {
        match name {
            "crypto" if self.cryptos.len() < LINES_MAX => self.cryptos.push(crypto::parse(value)),
            "fingerprint" if self.fingerprints.len() < LINES_MAX => {
                let (hash, digest) = value.split_once(' ').unwrap_or((value, ""));
                let is_known = hash.eq_ignore_ascii_case("sha-256");
                let digest = Fingerprint::parse(digest.trim()).filter(|_| is_known);
                self.fingerprints.push(digest);
            }
            "setup" => self.setup = Some(Setup::parse(value)),
            _ => {}
        }
    }

    fn has_dtls(&self, session: &Self) -> bool {
        !self.fingerprints.is_empty() || !session.fingerprints.is_empty()
    }
}

/// Writes the protocol and the lines into the media line of our text with this index.
pub(super) fn write(text: &str, index: usize, protocol: &str, lines: &[String]) -> String {
    let mut written = String::with_capacity(text.len() + 256);
    let mut media = 0;
    let mut push = |line: &str| {
        written.push_str(line);
        written.push_str("\r\n");
    };
    for line in text.lines() {
        if line.starts_with("m=") {
            media += 1;
            if media == index + 2 {
                for line in lines {
                    push(line);
                }
            }
            if media == index + 1 {
                push(&line.replacen(AVP, protocol, 1));
                continue;
            }
        }
        push(line);
    }
    if media == index + 1 {
        for line in lines {
            push(line);
        }
    }
    written
}

#[cfg(test)]
mod tests;
