//! The open dialogs of an endpoint: where their requests go, and which may be taken over.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rsipstack::transaction::Transaction;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::counters::Counters;
use super::dialog::DialogKey;
use super::incoming::IncomingCall;
use super::links::Wire;
use super::refusal::RefusalCause;
use super::replaces::Replaces;
use super::session_timer::SessionLimits;

/// Requests that wait for one dialog; more are answered 503.
const DIALOG_QUEUE_LEN_MAX: usize = 16;
/// Calls that wait to take one over; another one is refused.
const TAKEOVER_QUEUE_LEN_MAX: usize = 1;

/// Call-ID, From tag and CSeq of an INVITE that opened a dialog (RFC 3261 8.2.2.2).
pub(super) type InviteKey = (String, String, u32);

/// Takes an INVITE with Replaces to the call that it replaces.
type Takeover = mpsc::Sender<IncomingCall>;

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) ip: IpAddr,
    pub(super) trunk: Option<String>,
}

impl Origin {
    /// Whether both are of one side: a telephone system may have several addresses, all of which
    /// are its trunk's.
    fn is_with(&self, other: &Self) -> bool {
        self.ip == other.ip || (self.trunk.is_some() && self.trunk == other.trunk)
    }
}

struct Entry {
    requests: mpsc::Sender<Transaction>,
    /// Where a call that replaces this one goes, and whom it must come from; `None` while the call
    /// is not answered, and for those that we placed.
    takeover: Option<(Takeover, Origin)>,
}

/// The open dialogs of an endpoint.
pub(super) struct Registry {
    dialogs: Mutex<HashMap<DialogKey, Entry>>,
    invites: Mutex<HashSet<InviteKey>>,
    pub(super) legs: TaskTracker,
    pub(super) session: SessionLimits,
}

/// A dialog's place in the registry; dropping it gives the place up.
pub(super) struct Registration {
    registry: Arc<Registry>,
    counters: Arc<Counters>,
    key: DialogKey,
    invite: Option<InviteKey>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub(super) fn new(session: SessionLimits) -> Self {
        Self {
            dialogs: Mutex::default(),
            invites: Mutex::default(),
            legs: TaskTracker::new(),
            session,
        }
    }

    pub(super) fn register(
        registry: &Arc<Self>,
        wire: &Wire,
        key: DialogKey,
        invite: Option<InviteKey>,
    ) -> (Registration, mpsc::Receiver<Transaction>) {
        let (to_dialog, requests) = mpsc::channel(DIALOG_QUEUE_LEN_MAX);
        let entry = Entry { requests: to_dialog, takeover: None };
        locked(&registry.dialogs).insert(key.clone(), entry);
        if let Some(invite) = &invite {
            locked(&registry.invites).insert(invite.clone());
        }
        Counters::add(&wire.counters.dialogs_open);
        let counters = wire.counters.clone();
        (Registration { registry: registry.clone(), counters, key, invite }, requests)
    }

    /// Where the requests of a dialog go.
    pub(super) fn dialog(&self, key: &DialogKey) -> Option<mpsc::Sender<Transaction>> {
        locked(&self.dialogs).get(key).map(|entry| entry.requests.clone())
    }

    /// Whether this INVITE opened a dialog already, on another way.
    pub(super) fn is_merged(&self, invite: &InviteKey) -> bool {
        locked(&self.invites).contains(invite)
    }

    /// The place of a call that takes over another one (RFC 3891 3). Whoever knows the names of a
    /// call, our tag among them, has them from one of its sides or from the network in between; the
    /// address, or the trunk, tells the first from the second.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn take_over(
        &self,
        replaces: &Replaces,
        origin: &Origin,
    ) -> Result<mpsc::OwnedPermit<IncomingCall>, RefusalCause> {
        let key = DialogKey {
            call_id: replaces.call_id.clone(),
            local_tag: replaces.to_tag.clone(),
            remote_tag: replaces.from_tag.clone(),
        };
        let found = locked(&self.dialogs).get(&key).and_then(|entry| entry.takeover.clone());
        let (takeover, peer) = found.ok_or(RefusalCause::NothingToReplace)?;
        if replaces.early_only {
            return Err(RefusalCause::ReplacesOnlyEarly);
        }
        if !peer.is_with(origin) {
            return Err(RefusalCause::ReplacesForeign);
        }
        takeover.try_reserve_owned().map_err(|_| RefusalCause::NothingToReplace)
    }
}

impl Registration {
    /// From now on the dialog can be taken over by a call from there.
    pub(super) fn open_to_takeover(&self, peer: Origin) -> mpsc::Receiver<IncomingCall> {
        let (takeover, calls) = mpsc::channel(TAKEOVER_QUEUE_LEN_MAX);
        if let Some(entry) = locked(&self.registry.dialogs).get_mut(&self.key) {
            entry.takeover = Some((takeover, peer));
        }
        calls
    }

    /// What was configured about session timers.
    pub(super) fn session(&self) -> SessionLimits {
        self.registry.session
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        locked(&self.registry.dialogs).remove(&self.key);
        if let Some(invite) = &self.invite {
            locked(&self.registry.invites).remove(invite);
        }
        Counters::remove(&self.counters.dialogs_open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_of_its_address_and_of_its_trunk() {
        let origin = |last: u8, trunk: Option<&str>| Origin {
            ip: [192, 0, 2, last].into(),
            trunk: trunk.map(str::to_owned),
        };
        let call = origin(1, Some("pbx"));
        assert!(call.is_with(&origin(1, None)));
        assert!(call.is_with(&origin(2, Some("pbx"))));
        assert!(!call.is_with(&origin(2, Some("carrier"))));
        assert!(!origin(1, None).is_with(&origin(2, None)));
    }
}
