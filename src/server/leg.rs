//! The caller's leg, by telephone or from a browser, as a call's task holds it.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::base::{Pii, Termination, TerminationResult};
use crate::net::sdp::LocalMedia;
use crate::net::sip::{EndedBy, LegEvent, Referral, ReferralEvent, SipError, SipLeg};
use crate::net::webrtc::{WebLeg, WebLegEnd, WebLegEvent};

use super::answering::ProtectionPolicy;
use super::traces::CallTrace;
use super::web_calls::Entry;

/// Commands of a page that may wait for its call; a person presses fewer keys at once, and further ones are
/// refused. A hang-up never waits.
pub(super) const COMMANDS_LEN_MAX: usize = 16;

/// A caller's leg. Dropping it hangs up.
pub(super) enum Leg {
    /// By telephone.
    Sip(Box<SipSide>),
    /// From a browser.
    Web(Box<WebSide>),
}

/// What goes with a telephone's leg.
pub(super) struct SipSide {
    pub leg: SipLeg,
    pub local: LocalMedia,
    pub sdp_version: u64,
    /// How the media of a leg that takes over may be protected.
    pub protection: ProtectionPolicy,
    /// Told of a leg that takes over.
    pub trace: CallTrace,
}

/// What goes with a browser's.
pub(super) struct WebSide {
    leg: WebLeg,
    /// What its page asks for by HTTP; closed when it hangs up.
    commands: mpsc::Receiver<Keys>,
    keys: VecDeque<char>,
    end: Option<WebLegEnd>,
    /// Its page finds the call by this, as long as there is one.
    _entry: Entry,
}

/// Keys that a page sends.
pub(super) struct Keys(pub Pii<String>);

impl WebSide {
    pub fn new(leg: WebLeg, commands: mpsc::Receiver<Keys>, entry: Entry) -> Self {
        Self { leg, commands, keys: VecDeque::new(), end: None, _entry: entry }
    }

    /// Safe to cancel.
    async fn next_event(&mut self) -> Option<LegEvent> {
        loop {
            if let Some(key) = self.keys.pop_front() {
                return Some(LegEvent::Key { key });
            }
            if self.end.is_some() {
                return None;
            }
            tokio::select! {
                event = self.leg.next_event() => match event? {
                    WebLegEvent::Connected => return Some(LegEvent::Confirmed),
                    WebLegEvent::Ended { why } => return Some(self.ended(why)),
                },
                command = self.commands.recv() => match command {
                    Some(Keys(keys)) => self.keys.extend(keys.expose().chars()),
                    None => return Some(self.ended(WebLegEnd::Remote)),
                },
            }
        }
    }

    fn ended(&mut self, why: WebLegEnd) -> LegEvent {
        self.end = Some(why);
        LegEvent::Ended {
            by: match why {
                WebLegEnd::NeverConnected => EndedBy::Timeout,
                WebLegEnd::Remote => EndedBy::Remote,
                WebLegEnd::Lost => EndedBy::TransportError,
                WebLegEnd::Local => EndedBy::Local,
            },
        }
    }
}

impl Leg {
    /// The next event; `None` once the call has ended and everything was read. Of a browser come its end, that
    /// it is there (as `Confirmed`), and keys. Safe to cancel.
    pub async fn next_event(&mut self) -> Option<LegEvent> {
        match self {
            Self::Sip(side) => side.leg.next_event().await,
            Self::Web(side) => side.next_event().await,
        }
    }

    /// Hangs up. Does nothing on a call that is over.
    pub async fn hang_up(&mut self, reason: &str) {
        match self {
            Self::Sip(side) => side.leg.hang_up(reason).await,
            Self::Web(side) => side.leg.hang_up().await,
        }
    }

    /// Whether there is a telephone system on the caller's side that might move them to somebody else.
    pub fn can_be_moved(&self) -> bool {
        matches!(self, Self::Sip(_))
    }

    /// Asks the caller's telephone system to move them ([`SipLeg::refer`]).
    ///
    /// # Errors
    /// As there; a browser's call cannot be moved.
    pub async fn refer(
        &self,
        referral: Referral,
    ) -> Result<mpsc::Receiver<ReferralEvent>, SipError> {
        match self {
            Self::Sip(side) => side.leg.refer(referral).await,
            Self::Web(_) => Err(SipError::CallOver),
        }
    }

    /// How a call ended whose leg was ended by this.
    pub fn termination(&self, by: EndedBy) -> Termination {
        let end = match self {
            Self::Web(side) => side.end,
            Self::Sip(_) => None,
        };
        let result = match by {
            EndedBy::Remote | EndedBy::Local => TerminationResult::Success,
            EndedBy::Timeout | EndedBy::SessionExpired => TerminationResult::CallerError,
            EndedBy::TransportError => TerminationResult::UpstreamError,
        };
        let reason = match (end, by) {
            (Some(WebLegEnd::Remote), _) | (None, EndedBy::Remote) => "the caller hung up",
            (Some(end), _) => end.as_str(),
            (None, EndedBy::Local) => "we hung up",
            (None, EndedBy::Timeout) => "our answer was never acknowledged",
            (None, EndedBy::SessionExpired) => "the caller's side gave no more sign of life",
            (None, EndedBy::TransportError) => "the connection was lost",
        };
        Termination::new(result, reason)
    }
}
