//! A received INVITE: its transaction runs in a task of its own and tells the dialog what comes.
//!
//! ```text
//!  INVITE --> running --final response--> waiting for the ACK --ACK--> over
//!                 '---------- abandon ------------'---- 64*T1 + T4 ---^
//! ```
//! The library counts the time to the ACK itself (RFC 3261 17.2.1), but only once it has sent and
//! recorded the response; where it could not, the limit here ends the transaction.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Method, Request, Response, SipMessage};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::key::TransactionKey;
use rsipstack::transaction::transaction::{TransactionEvent, TransactionEventSender};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::dialog::{cseq_of, sdp_of};
use super::links::Wire;

/// What the transaction of a received INVITE tells its leg.
pub(super) struct InviteSignal {
    pub(super) cseq: u32,
    pub(super) kind: SignalKind,
}

pub(super) enum SignalKind {
    Acknowledged { sdp: Option<String> },
    Cancelled,
    Unacknowledged,
}

/// Who makes the offer that goes with an INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offerer {
    /// The INVITE brought it.
    Them,
    /// It goes into our 2xx, and the answer comes with the ACK (RFC 3261 13.2.1).
    Us,
}

/// A received INVITE whose transaction runs in its own task.
pub(super) struct ServerInvite {
    pub(super) request: Request,
    sender: TransactionEventSender,
    key: TransactionKey,
    finished: Arc<Notify>,
}

impl ServerInvite {
    pub(super) fn start(
        wire: &Wire,
        transaction: Transaction,
        signals: mpsc::Sender<InviteSignal>,
    ) -> Self {
        let invite = Self {
            request: transaction.original.clone(),
            sender: transaction.tu_sender.clone(),
            key: transaction.key.clone(),
            finished: Arc::new(Notify::new()),
        };
        let cseq = invite.cseq();
        let finished = invite.finished.clone();
        // No state of the transaction lasts longer after a final response (RFC 3261 17.2.1).
        let limit = wire.ack_limit() + wire.stack.option.t4;
        wire.spawn(async move {
            // Dropping the transaction in the middle of its work ends it, which is what is wanted.
            let acknowledged = tokio::select! {
                acknowledged = serve(transaction, cseq, &signals) => acknowledged,
                () = overdue(&finished, limit) => false,
            };
            if !acknowledged {
                _ = signals.send(InviteSignal { cseq, kind: SignalKind::Unacknowledged }).await;
            }
        });
        invite
    }

    pub(super) fn cseq(&self) -> u32 {
        cseq_of(&self.request)
    }

    /// Who makes the offer.
    pub(super) fn offerer(&self) -> Offerer {
        match sdp_of(&self.request.body) {
            Some(_) => Offerer::Them,
            None => Offerer::Us,
        }
    }

    pub(super) fn respond(&self, response: Response) {
        let is_final = response.status_code.code() >= 200;
        _ = self.sender.send(TransactionEvent::Respond(response));
        if is_final {
            self.finished.notify_one();
        }
    }

    /// Stops the transaction, and with it the retransmission of a 2xx.
    pub(super) fn abandon(&self) {
        _ = self.sender.send(TransactionEvent::Terminate(self.key.clone()));
    }
}

/// Runs the transaction to its end; says whether an ACK came.
async fn serve(
    mut transaction: Transaction,
    cseq: u32,
    signals: &mpsc::Sender<InviteSignal>,
) -> bool {
    let mut acknowledged = false;
    while let Some(message) = transaction.receive().await {
        let SipMessage::Request(request) = message else { continue };
        let kind = match request.method {
            Method::Ack => {
                acknowledged = true;
                SignalKind::Acknowledged { sdp: sdp_of(&request.body) }
            }
            Method::Cancel => SignalKind::Cancelled,
            _ => continue,
        };
        _ = signals.send(InviteSignal { cseq, kind }).await;
    }
    acknowledged
}

async fn overdue(finished: &Notify, limit: Duration) {
    finished.notified().await;
    sleep(limit).await;
}
