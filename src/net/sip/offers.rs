//! Changes of a session within a call, on their way: theirs and ours, and what happens when the two
//! cross (RFC 3261 14, RFC 3311 5).
//!
//! ```text
//!  ours:   Idle --send--> InFlight --2xx, refusal--> Idle
//!                            '--491--> BackingOff --pause over, nothing of theirs open--> InFlight
//!  theirs: None --INVITE, UPDATE with an offer--> Deciding --2xx--> AwaitingAck --ACK--> None
//!                                                    '--refusal, 2xx to an UPDATE--> None
//! ```

use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Method, Response};
use rsipstack::transaction::Transaction;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::SipError;
use super::dialog::{finish, refusal, sdp_of};
use super::leg::Decision;
use super::links::Wire;
use super::refusal::RefusalCause;
use super::server_invite::{Offerer, ServerInvite};

/// A change of ours is sent this often at most, crossings and longer intervals counted together.
pub(super) const TRIES_MAX: u8 = 4;

/// The pause after two offers have crossed, in units of 10 ms: whoever made the Call-ID waits 2.1 to
/// 4 s, the other side up to 2 s (RFC 3261 14.1). `random` may be anything.
pub(super) fn crossing_pause(owns_call_id: bool, random: u32) -> Duration {
    let units = match owns_call_id {
        true => 210 + random % 191,
        false => random % 201,
    };
    Duration::from_millis(u64::from(units) * 10)
}

/// A change of the session that we want.
pub(super) enum Change {
    /// Another session.
    Offer { sdp: String, reply: oneshot::Sender<Result<String, SipError>> },
    /// The same for longer (RFC 4028).
    Refresh,
}

impl Change {
    /// Tells whoever wanted it that it came to nothing.
    pub(super) fn fail(self, error: SipError) {
        match self {
            Self::Offer { reply, .. } => _ = reply.send(Err(error)),
            Self::Refresh => {}
        }
    }
}

/// A request of ours that changes the session, on its way.
pub(super) struct InFlight {
    pub(super) change: Change,
    /// How often the change was sent before.
    pub(super) tries: u8,
    pub(super) method: Method,
    pub(super) cseq: u32,
    pub(super) answer: oneshot::Receiver<Option<Response>>,
}

/// Our side of the changes.
pub(super) enum Own {
    Idle,
    InFlight(InFlight),
    BackingOff { until: Instant, change: Change, tries: u8 },
}

/// What became of a change of ours.
pub(super) enum OwnNext {
    /// The final response, or `None` if there was none.
    Answered(Option<Response>),
    /// The pause after a crossing is over.
    TryAgain,
}

impl Own {
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Whether an offer of ours is unanswered. A refresh by UPDATE has none.
    pub(super) fn has_offer_out(&self) -> bool {
        matches!(self, Self::InFlight(InFlight { method: Method::Invite, .. }))
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Idle)
    }

    /// Waits for what comes next; for ever if nothing is on its way, or if what waits must not be
    /// sent at present.
    pub(super) async fn next(&mut self, may_send: SendNow) -> OwnNext {
        match (self, may_send) {
            (Self::InFlight(flight), _) => {
                OwnNext::Answered((&mut flight.answer).await.ok().flatten())
            }
            (Self::BackingOff { until, .. }, SendNow::Yes) => {
                sleep_until(*until).await;
                OwnNext::TryAgain
            }
            (Self::BackingOff { .. }, SendNow::No) | (Self::Idle, _) => {
                std::future::pending().await
            }
        }
    }
}

/// Whether an offer of ours may go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendNow {
    Yes,
    No,
}

/// A request of theirs that wants a decision.
pub(super) enum Asked {
    Invite(Box<ServerInvite>),
    /// Always with an offer.
    Update(Box<Transaction>),
}

impl Asked {
    pub(super) fn offer_sdp(&self) -> Option<String> {
        match self {
            Self::Invite(invite) => sdp_of(&invite.request.body),
            Self::Update(update) => sdp_of(&update.original.body),
        }
    }

    pub(super) fn offerer(&self) -> Offerer {
        match self {
            Self::Invite(invite) => invite.offerer(),
            Self::Update(_) => Offerer::Them,
        }
    }

    /// Whether it is the INVITE with this CSeq.
    pub(super) fn is_invite(&self, cseq: u32) -> bool {
        matches!(self, Self::Invite(invite) if invite.cseq() == cseq)
    }

    pub(super) fn refuse(self, wire: &Arc<Wire>, cause: RefusalCause) {
        match self {
            Self::Invite(invite) => invite.respond(refusal(wire, &invite.request, cause)),
            Self::Update(update) => {
                let refusal = refusal(wire, &update.original, cause);
                finish(wire, *update, refusal);
            }
        }
    }
}

/// Their side of the changes.
pub(super) enum RemoteOffer {
    None,
    Deciding {
        asked: Asked,
        decision: oneshot::Receiver<Decision>,
    },
    /// An INVITE answered with 2xx, to be acknowledged in time.
    AwaitingAck {
        invite: Box<ServerInvite>,
        until: Instant,
        /// A re-INVITE that overtook the ACK.
        next: Option<Box<ServerInvite>>,
    },
}

impl RemoteOffer {
    pub(super) fn ack_deadline(&self) -> Option<Instant> {
        match self {
            Self::AwaitingAck { until, .. } => Some(*until),
            Self::None | Self::Deciding { .. } => None,
        }
    }

    /// Whether an offer of ours may go out while theirs stands so.
    pub(super) fn lets_send(&self) -> SendNow {
        match self {
            Self::None => SendNow::Yes,
            Self::Deciding { .. } | Self::AwaitingAck { .. } => SendNow::No,
        }
    }

    /// Whether a 2xx of ours with an offer waits for the answer in the ACK.
    pub(super) fn awaits_answer(&self) -> bool {
        matches!(self, Self::AwaitingAck { invite, .. } if invite.offerer() == Offerer::Us)
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::None)
    }

    /// Waits for the decision on their offer; for ever if there is none to take. `None`: nobody
    /// decided.
    pub(super) async fn decided(&mut self) -> Option<Decision> {
        match self {
            Self::Deciding { decision, .. } => decision.await.ok(),
            Self::None | Self::AwaitingAck { .. } => std::future::pending().await,
        }
    }

    /// The call is over: whatever waits is answered so.
    pub(super) fn end(self, wire: &Arc<Wire>) {
        match self {
            Self::None => {}
            Self::Deciding { asked, .. } => asked.refuse(wire, RefusalCause::CallEnded),
            Self::AwaitingAck { invite, next, .. } => {
                invite.abandon();
                if let Some(next) = next {
                    next.respond(refusal(wire, &next.request, RefusalCause::CallEnded));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_crossing_the_two_sides_never_wait_equally_long() {
        for random in (0..2000).chain([u32::MAX]) {
            let (owner, other) = (crossing_pause(true, random), crossing_pause(false, random));
            assert!((2100..=4000).contains(&owner.as_millis()), "{random}: {owner:?}");
            assert!((0..=2000).contains(&other.as_millis()), "{random}: {other:?}");
            assert_eq!(owner.as_millis() % 10 + other.as_millis() % 10, 0);
        }
        assert_eq!(crossing_pause(true, 190), Duration::from_millis(4000));
        assert_eq!(crossing_pause(false, 200), Duration::from_millis(2000));
    }
}
