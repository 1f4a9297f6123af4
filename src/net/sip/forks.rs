//! Answers of several branches to one INVITE of ours (RFC 3261 13.2.2.4): a proxy may have asked more
//! than one telephone, and two may have answered before it could tell the second that it was too late.
//!
//! ```text
//!  NotYet --the first 2xx--> Branch --a 2xx with another To tag--> ACK and BYE
//!     '--refused, given up--> NoBranch --any 2xx------------------------^
//!                             64*T1 later it is forgotten
//! ```
//! The transaction layer ends an INVITE at its first 2xx and throws away the others, so they are
//! taken out before it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Method, Request, Response, SipMessage};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::address::tag_of;
use super::dialog::{Dialog, DialogKey, cseq_of};
use super::leg::{EndedBy, send_bye};
use super::links::{Link, Wire, destination};

/// Branches of one INVITE that are hung up on; more would be a proxy gone mad.
const BRANCHES_MAX: usize = 8;
/// Answers that wait to be turned down; one that finds no room comes again, as they all do.
const ANSWER_QUEUE_LEN_MAX: usize = 8;
/// Above the CSeq of the INVITE, that of the BYE: PRACKs may have been sent on that branch, and a gap
/// does no harm (RFC 3261 12.2.2).
const CSEQ_GAP: u32 = 1000;

/// Call-ID and our tag, which all branches share.
type CallKey = (String, String);

/// Whose answer is taken.
enum Chosen {
    NotYet,
    /// That of the branch with this To tag.
    Branch(String),
    /// The call was refused or given up.
    NoBranch,
}

struct Open {
    chosen: Chosen,
    /// Answers of other branches.
    others: mpsc::Sender<Response>,
}

/// The INVITEs of ours that may still be answered.
#[derive(Default)]
pub(super) struct Forks(Mutex<HashMap<CallKey, Open>>);

impl Forks {
    fn locked(&self) -> MutexGuard<'_, HashMap<CallKey, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a 2xx that is another branch's than the one whose answer is taken, to hang up there;
    /// says whether it was one. The first is the one that is taken.
    pub(super) fn divert(&self, answer: &Response) -> bool {
        let is_to_invite =
            answer.cseq_header().is_ok_and(|cseq| matches!(cseq.method(), Ok(Method::Invite)));
        let call_id = answer.call_id_header().map(|id| id.value().to_owned());
        let ours = answer.from_header().ok().and_then(|from| tag_of(from.value()));
        let (true, Ok(call_id), Some(ours)) = (is_to_invite, call_id, ours) else { return false };
        let theirs = answer.to_header().ok().and_then(|to| tag_of(to.value())).unwrap_or_default();
        let mut open = self.locked();
        let Some(open) = open.get_mut(&(call_id, ours)) else { return false };
        if matches!(open.chosen, Chosen::NotYet) {
            open.chosen = Chosen::Branch(theirs);
            return false;
        }
        if matches!(&open.chosen, Chosen::Branch(tag) if *tag == theirs) {
            return false;
        }
        _ = open.others.try_send(answer.clone());
        true
    }
}

/// An INVITE of ours that is not answered yet; dropping it means that it never will be.
pub(super) struct Unanswered {
    wire: Arc<Wire>,
    key: CallKey,
    /// Until it is dropped no time is counted; `None` once the call is answered.
    until_settled: Option<oneshot::Sender<()>>,
}

impl Unanswered {
    /// Watches for the answers to an INVITE that is about to be sent there.
    pub(super) fn watch(
        wire: &Arc<Wire>,
        invite: &Request,
        link: &Arc<Link>,
        to: SocketAddr,
    ) -> Self {
        let call_id = invite.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default();
        let ours = invite.from_header().ok().and_then(|from| tag_of(from.value()));
        let key = (call_id, ours.unwrap_or_default());
        let (others, answers) = mpsc::channel(ANSWER_QUEUE_LEN_MAX);
        let open = Open { chosen: Chosen::NotYet, others };
        wire.forks.locked().insert(key.clone(), open);
        let (until_settled, settled) = oneshot::channel();
        let (invite, link) = (invite.clone(), link.clone());
        let branches = Branches { wire: wire.clone(), invite, link, to, turned_down: Vec::new() };
        wire.spawn(branches.turn_down(key.clone(), answers, settled));
        Self { wire: wire.clone(), key, until_settled: Some(until_settled) }
    }

    /// The answer that was let through is taken.
    pub(super) fn answered(&mut self) {
        self.until_settled = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.until_settled.is_some()
            && let Some(open) = self.wire.forks.locked().get_mut(&self.key)
        {
            open.chosen = Chosen::NoBranch;
        }
    }
}

/// A branch that was hung up on, and the ACK that goes out again when its 2xx comes again.
struct TurnedDown {
    key: DialogKey,
    ack: SipMessage,
    link: Arc<Link>,
    to: SocketAddr,
}

impl TurnedDown {
    async fn acknowledge(&self) {
        let to = destination(&self.link, self.to);
        if let Err(error) = self.link.connection.send(self.ack.clone(), Some(&to)).await {
            tracing::debug!(%error, "an ACK could not be sent");
        }
    }
}

/// The branches whose answers are not taken.
struct Branches {
    wire: Arc<Wire>,
    invite: Request,
    link: Arc<Link>,
    to: SocketAddr,
    turned_down: Vec<TurnedDown>,
}

impl Branches {
    /// Runs until 64*T1 after the call was settled: no 2xx comes later than that.
    async fn turn_down(
        mut self,
        key: CallKey,
        mut answers: mpsc::Receiver<Response>,
        settled: oneshot::Receiver<()>,
    ) {
        let wait = self.wire.ack_limit();
        let over = async move {
            _ = settled.await;
            sleep(wait).await;
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                Some(answer) = answers.recv() => self.on_answer(&answer).await,
                () = &mut over => break,
            }
        }
        self.wire.forks.locked().remove(&key);
    }

    async fn on_answer(&mut self, answer: &Response) {
        let built = Dialog::as_caller(&self.invite, answer, self.link.clone(), self.to);
        let Ok(mut dialog) = built else { return };
        if let Some(known) = self.turned_down.iter().find(|one| one.key == dialog.key) {
            return known.acknowledge().await;
        }
        if self.turned_down.len() >= BRANCHES_MAX {
            return;
        }
        let cseq = cseq_of(answer);
        match dialog.request(&self.wire, Method::Ack, cseq, None).await {
            Ok((ack, link, to)) => {
                let (key, ack) = (dialog.key.clone(), SipMessage::Request(ack));
                let branch = TurnedDown { key, ack, link, to };
                branch.acknowledge().await;
                self.turned_down.push(branch);
            }
            Err(error) => {
                tracing::debug!(%error, "no way to acknowledge another branch's answer");
            }
        }
        dialog.count_on(cseq.saturating_add(CSEQ_GAP));
        let reason = "answered elsewhere, or given up";
        if let Err(error) = send_bye(&self.wire, &mut dialog, EndedBy::Local, reason).await {
            tracing::debug!(%error, "no way to hang up on another branch");
        }
    }
}
