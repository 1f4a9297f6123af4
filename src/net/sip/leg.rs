//! An answered call, as the rest of the program holds it: its handle, its events, its end. The task
//! behind it is in `leg_task`.

use std::sync::Arc;

use rsipstack::sip::{Header, Method, Reason, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::SipError;
use super::counters::Counters;
use super::dialog::{Dialog, client};
use super::following::ReferralEvent;
use super::incoming::IncomingCall;
use super::links::Wire;
use super::outgoing::OutgoingEvent;
use super::referral::Referral;
use super::refusal::reason_value;

/// Events that wait for their reader; when full, new ones are lost and counted, and an offer that
/// is lost is refused.
pub(super) const EVENT_QUEUE_LEN_MAX: usize = 32;
/// Commands and transaction signals that wait for the leg; a full queue makes the sender wait.
pub(super) const COMMAND_QUEUE_LEN_MAX: usize = 16;

/// Who or what ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The other side hung up.
    Remote,
    /// We hung up.
    Local,
    /// The other side fell silent: no ACK (RFC 3261 13.3.1.4), or no dialog left over there.
    Timeout,
    /// Nobody refreshed the session in time (RFC 4028 10).
    SessionExpired,
    /// There was no way to the other side.
    TransportError,
}

/// What happens on an answered call.
#[derive(Debug)]
pub enum LegEvent {
    /// The caller acknowledged our answer.
    Confirmed,
    /// The other side wants to change the session (hold, resume, other codecs).
    Reoffer {
        /// What it offers.
        offer_sdp: String,
        /// Takes our answer.
        reply: ReofferReply,
    },
    /// The other side wants to change the session and leaves the offer to us (RFC 3261 14.2): all
    /// that we can do should be in it. The answer comes as [`LegEvent::LateAnswer`].
    OfferWanted {
        /// Takes our offer.
        reply: ReofferReply,
    },
    /// The answer to an offer that we made because the INVITE had none.
    LateAnswer {
        /// The answer.
        sdp: String,
    },
    /// A key was pressed, told by INFO: 0 to 9, A to D, * or #.
    Key {
        /// Which one.
        key: char,
    },
    /// Another call takes this one over (RFC 3891): answer it, go on with its leg, and hang up this
    /// one. Dropping it refuses it, and this call goes on.
    Replaced {
        /// The call that is to go on in place of this one.
        call: Box<IncomingCall>,
    },
    /// The call is over; nothing follows.
    Ended {
        /// Who or what ended it.
        by: EndedBy,
    },
}

impl EndedBy {
    /// The status that a Reason header gives for a BYE of ours (RFC 3326 2).
    fn cause(self) -> u16 {
        match self {
            Self::Remote | Self::Local => 200,
            Self::Timeout | Self::SessionExpired => 408,
            Self::TransportError => 503,
        }
    }
}

/// What was decided on an offer of the other side.
#[derive(Debug)]
pub(super) enum Decision {
    Accept(String),
    Refuse(u16),
}

/// Answers a [`LegEvent::Reoffer`], where dropping it refuses with 488, or gives the offer for a
/// [`LegEvent::OfferWanted`], where dropping it offers what we sent last.
#[derive(Debug)]
pub struct ReofferReply(pub(super) oneshot::Sender<Decision>);

impl ReofferReply {
    /// Takes the change, with our SDP answer or offer.
    pub fn accept(self, sdp: String) {
        _ = self.0.send(Decision::Accept(sdp));
    }

    /// Refuses the change; the session stays as it was (RFC 3261 14.2). A status outside 300 to 699
    /// is sent as 488.
    pub fn refuse(self, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 488 };
        _ = self.0.send(Decision::Refuse(status));
    }
}

pub(super) enum LegCommand {
    HangUp { reason: String },
    Reinvite { sdp: String, reply: oneshot::Sender<Result<String, SipError>> },
    Refer { referral: Referral, reply: oneshot::Sender<Result<ReferralEvents, SipError>> },
}

/// What becomes of one transfer.
pub(super) type ReferralEvents = mpsc::Receiver<ReferralEvent>;

/// Our side of an answered incoming call. Dropping it hangs up.
#[derive(Debug)]
pub struct SipLeg {
    pub(super) commands: mpsc::Sender<LegCommand>,
    pub(super) events: mpsc::Receiver<LegEvent>,
}

impl SipLeg {
    /// The next event; `None` once the call has ended and everything was read.
    pub async fn next_event(&mut self) -> Option<LegEvent> {
        self.events.recv().await
    }

    /// Hangs up (BYE with `reason` as text, RFC 3326); [`LegEvent::Ended`] follows. Does nothing on
    /// a call that is over.
    pub async fn hang_up(&self, reason: &str) {
        _ = self.commands.send(LegCommand::HangUp { reason: reason.to_owned() }).await;
    }

    /// Offers a new session to the caller and returns the answer's SDP.
    ///
    /// # Errors
    /// The call is over, another offer is open, or the caller refused.
    pub async fn reinvite(&self, sdp: String) -> Result<String, SipError> {
        reinvite(&self.commands, sdp).await
    }

    /// Asks the caller's side to call somebody else in our place (REFER, RFC 3515). What becomes of
    /// it comes from the queue, which closes behind the last event: exactly one of
    /// [`ReferralEvent::Succeeded`], [`ReferralEvent::Failed`] and [`ReferralEvent::Lost`]. The call
    /// goes on meanwhile, and afterwards until somebody hangs up. Dropping the queue stops nothing.
    ///
    /// # Errors
    /// The call is over, the target is no SIP URI, there is no way to the caller, or too many
    /// transfers are under way.
    pub async fn refer(
        &self,
        referral: Referral,
    ) -> Result<mpsc::Receiver<ReferralEvent>, SipError> {
        refer(&self.commands, referral).await
    }
}

pub(super) async fn refer(
    commands: &mpsc::Sender<LegCommand>,
    referral: Referral,
) -> Result<ReferralEvents, SipError> {
    let (reply, started) = oneshot::channel();
    let sent = commands.send(LegCommand::Refer { referral, reply }).await;
    sent.map_err(|_| SipError::CallOver)?;
    started.await.unwrap_or(Err(SipError::CallOver))
}

pub(super) async fn reinvite(
    commands: &mpsc::Sender<LegCommand>,
    sdp: String,
) -> Result<String, SipError> {
    let (reply, answer) = oneshot::channel();
    let sent = commands.send(LegCommand::Reinvite { sdp, reply }).await;
    sent.map_err(|_| SipError::CallOver)?;
    answer.await.unwrap_or(Err(SipError::CallOver))
}

/// Where a leg's events go: callers and callees read them in different words.
pub(super) enum EventSink {
    Incoming(mpsc::Sender<LegEvent>),
    Outgoing(mpsc::Sender<OutgoingEvent>),
    /// The end was told; readers see the queue close at once, whatever the BYE still waits for.
    Closed,
}

impl EventSink {
    pub(super) fn send(&self, wire: &Wire, event: LegEvent) {
        let sent = match self {
            // A reader that has left on purpose has lost nothing.
            Self::Incoming(events) => events.is_closed() || events.try_send(event).is_ok(),
            Self::Outgoing(events) => match OutgoingEvent::from_leg(event) {
                Some(event) => events.try_send(event).is_ok(),
                None => true,
            },
            Self::Closed => true,
        };
        if !sent {
            Counters::add(&wire.counters.events_lost);
        }
    }
}

/// Waits for that moment; for ever if there is none.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Runs a client transaction in its own task; the final response comes back, or `None`.
pub(super) fn final_answer(
    wire: &Wire,
    mut transaction: Transaction,
) -> oneshot::Receiver<Option<Response>> {
    let (done, answer) = oneshot::channel();
    wire.spawn(async move {
        let mut last = None;
        if transaction.send().await.is_ok() {
            while let Some(message) = transaction.receive().await {
                if let SipMessage::Response(response) = message
                    && response.status_code.kind() != StatusCodeKind::Provisional
                {
                    last = Some(response);
                    break;
                }
            }
        }
        _ = done.send(last);
    });
    answer
}

/// Acknowledges a 2xx to our INVITE (RFC 3261 13.2.2.4).
pub(super) async fn acknowledge(wire: &Arc<Wire>, dialog: &Dialog, cseq: u32) {
    match dialog.request(wire, Method::Ack, cseq, None).await {
        Ok((ack, link, to)) => wire.send_ack(dialog.ack_key(), cseq, ack, link, to).await,
        Err(error) => tracing::debug!(%error, "no way to acknowledge an answer"),
    }
}

/// Sends a BYE; what comes back resolves when it is answered or given up.
pub(super) async fn send_bye(
    wire: &Arc<Wire>,
    dialog: &mut Dialog,
    by: EndedBy,
    reason: &str,
) -> Result<oneshot::Receiver<Option<Response>>, SipError> {
    let cseq = dialog.next_cseq();
    let (mut request, link, to) = dialog.request(wire, Method::Bye, cseq, None).await?;
    if !reason.is_empty() {
        let value = reason_value(by.cause(), reason);
        request.headers.push(Header::Reason(Reason::new(value)));
    }
    Ok(final_answer(wire, client(wire, request, &link, to)?))
}
