//! Calls that browsers began, by their secrets; and passes with which they may begin one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::{CallId, Pii};

use super::live::Live;
use super::secret::{Digest, new_secret};

/// How long a pass is good: a page that was given one dials at once.
const PASS_FOR: Duration = Duration::from_secs(60);
/// Passes that are out at once; one more is not made.
const PASSES_MAX: usize = 4096;
/// A call that is not in progress yet is kept for so long: its audio is being set up.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);
/// What a pass begins with, so that it is not taken for a token.
const PASS_PREFIX: &str = "fdp_";

/// Whom a pass speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    /// Who is calling, as the organisation's own system says.
    pub caller: Option<Pii<String>>,
    /// The one number that may be called with it; any, if there is none.
    pub to: Option<String>,
}

#[derive(Default)]
struct Known {
    calls: BTreeMap<Digest, (CallId, Instant)>,
    passes: BTreeMap<Digest, (Pass, Instant)>,
}

/// What is known of browsers' calls. All clones are one.
#[derive(Clone, Default)]
pub(super) struct PageCalls(Arc<Mutex<Known>>);

impl PageCalls {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is left half done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A browser's call has begun. As many are kept as there are calls.
    pub fn begun(&self, secret: &Pii<String>, call: CallId, live: &Live, now: Instant) {
        let mut known = self.known();
        known.calls.retain(|_, (call, begun_at)| {
            live.view(*call).is_some() || now.duration_since(*begun_at) < BEGINS_WITHIN
        });
        known.calls.insert(Digest::of(secret.expose()), (call, now));
    }

    /// The call of this secret.
    pub fn call(&self, secret: &str) -> Option<CallId> {
        self.known().calls.get(&Digest::of(secret)).map(|(call, _)| *call)
    }

    /// Makes a pass for one call; `None` if too many are out.
    pub fn make_pass(&self, pass: Pass, now: Instant) -> Option<(Pii<String>, Duration)> {
        let mut known = self.known();
        known.passes.retain(|_, (_, until)| *until > now);
        if known.passes.len() >= PASSES_MAX {
            return None;
        }
        let secret = Pii::new(format!("{PASS_PREFIX}{}", new_secret().expose()));
        known.passes.insert(Digest::of(secret.expose()), (pass, now + PASS_FOR));
        Some((secret, PASS_FOR))
    }

    /// Whether this is a pass rather than a token.
    pub fn is_pass(secret: &str) -> bool {
        secret.starts_with(PASS_PREFIX)
    }

    /// Takes the pass of this secret: it is good once.
    pub fn take_pass(&self, secret: &str, now: Instant) -> Option<Pass> {
        let (pass, until) = self.known().passes.remove(&Digest::of(secret))?;
        (until > now).then_some(pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_good_once_and_for_a_minute() {
        let calls = PageCalls::default();
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let pass = Pass { caller: Some(Pii::new("anna".to_owned())), to: None };
        let (secret, _) = calls.make_pass(pass.clone(), now).expect("is made");
        assert!(PageCalls::is_pass(secret.expose()));
        assert_eq!(calls.take_pass("fdp_other", at(1)), None);
        assert_eq!(calls.take_pass(secret.expose(), at(59)), Some(pass.clone()));
        assert_eq!(calls.take_pass(secret.expose(), at(59)), None);
        let (late, _) = calls.make_pass(pass.clone(), now).expect("is made");
        assert_eq!(calls.take_pass(late.expose(), at(60)), None);
        for _ in 0..PASSES_MAX {
            calls.make_pass(pass.clone(), now).expect("there is room");
        }
        assert!(calls.make_pass(pass.clone(), at(59)).is_none());
        assert!(calls.make_pass(pass, at(60)).is_some());
    }

    #[test]
    fn a_call_is_known_by_its_secret_while_it_may_go_on() {
        let (calls, live, now) = (PageCalls::default(), Live::default(), Instant::now());
        let secret = |text: &str| Pii::new(text.to_owned());
        let call = CallId::from_u128(7);
        calls.begun(&secret("one"), call, &live, now);
        assert_eq!(calls.call("one"), Some(call));
        assert_eq!(calls.call("two"), None);
        // It never got anywhere.
        let later = now + BEGINS_WITHIN;
        calls.begun(&secret("two"), CallId::from_u128(8), &live, later);
        assert_eq!(calls.call("one"), None);
        assert!(calls.call("two").is_some());
    }
}
