//! Calls from browsers: admitted, routed, held and recorded as those of telephones are; and the browsers of
//! agents who take a call there.
//!
//! A page offers by HTTP and has the answer at once; it finds its call afterwards by a secret that nobody else
//! has. A call whose page never connects ends by itself.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::mpsc;
use tracing::Instrument;

use crate::base::{CallId, Pii};
use crate::config::{Called, Config};
use crate::net::media_session::MediaSession;
use crate::net::sdp::Direction;
use crate::net::webrtc::{Answered, WebLeg, WebRtc, WebRtcError};
use crate::web::{Ask, BrowserAnswer, BrowserCall, NotDone};

use super::admission::{Line, Refusal};
use super::answering::{Arrival, Reached, begin_words, hold};
use super::leg::{COMMANDS_LEN_MAX, Keys, Leg, WebSide};
use super::lookup::caller_record;
use super::metrics::RefusedFor;
use super::reload::Running;
use super::serve::Shared;

/// Keys that a page may send at once.
const KEYS_MAX: usize = 32;

/// Takes calls from browsers. Cheap to clone.
#[derive(Clone)]
pub struct WebCalls {
    shared: Arc<Shared>,
    webrtc: WebRtc,
    open: Open,
}

/// An agent's browser, once its offer was answered. Dropping it hangs up.
pub struct BrowserLeg {
    /// Whether it is there.
    pub leg: WebLeg,
    /// Its audio.
    pub media: MediaSession,
}

/// Calls in progress by their secrets, each with the way to its task. Closing that way hangs up.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<String, mpsc::Sender<Keys>>>>);

/// A call's place among those that are found by a secret, until it is dropped.
pub(super) struct Entry {
    open: Open,
    secret: String,
}

impl Open {
    fn calls(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Keys>>> {
        // Nothing is left half done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a call. There are no more than lines.
    fn enter(&self) -> (Entry, mpsc::Receiver<Keys>) {
        let secret = format!("{:032x}", rand::random::<u128>());
        let (commands, receiver) = mpsc::channel(COMMANDS_LEN_MAX);
        self.calls().insert(secret.clone(), commands);
        (Entry { open: self.clone(), secret }, receiver)
    }

    fn hang_up(&self, secret: &Pii<String>) -> Result<(), NotDone> {
        self.calls().remove(secret.expose()).map(drop).ok_or_else(no_such_call)
    }

    fn press(&self, secret: &Pii<String>, keys: Pii<String>) -> Result<(), NotDone> {
        let text = keys.expose();
        let is_key = |key: char| key.is_ascii_digit() || key == '*' || key == '#';
        if text.is_empty() || text.len() > KEYS_MAX || !text.chars().all(is_key) {
            let why = format!("keys are 0 to 9, * and #, 1 to {KEYS_MAX} of them at once");
            return Err(NotDone::BadRequest(why));
        }
        let calls = self.calls();
        let commands = calls.get(secret.expose()).ok_or_else(no_such_call)?;
        commands.try_send(Keys(keys)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                NotDone::Unavailable("too many keys at once; wait a moment".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => no_such_call(),
        })
    }
}

impl Entry {
    fn secret(&self) -> Pii<String> {
        Pii::new(self.secret.clone())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.open.calls().remove(&self.secret);
    }
}

fn no_such_call() -> NotDone {
    NotDone::NotFound("there is no such call, or it is over".to_owned())
}

impl WebCalls {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let webrtc = WebRtc::new(&shared.config.webrtc);
        Self { shared, webrtc, open: Open::default() }
    }

    /// Carries out what a caller's page asks for, in a task of its own where that takes time. Gives back what
    /// is not about callers' pages.
    pub fn handle(&self, ask: Ask) -> Option<Ask> {
        match ask {
            Ask::Call { call, reply } => {
                let this = self.clone();
                // No more at once than there are lines.
                self.shared.calls.spawn(async move {
                    // A page that has gone meanwhile would not know its call.
                    if let Err(Ok(answer)) = reply.send(this.call(call).await) {
                        let _ = this.hang_up(&answer.secret);
                    }
                });
            }
            Ask::HangUp { secret, reply } => {
                let _ = reply.send(self.hang_up(&secret));
            }
            Ask::Keys { secret, keys, reply } => {
                let _ = reply.send(self.keys(&secret, keys));
            }
            other => return Some(other),
        }
        None
    }

    /// Answers a call.
    ///
    /// # Errors
    /// All lines are busy, the number is not there, or the offer is none of a call.
    pub async fn call(&self, call: BrowserCall) -> Result<BrowserAnswer, NotDone> {
        let shared = &self.shared;
        let line = shared.admission.admit(None, call.source).map_err(|refusal| {
            tracing::warn!(reason = refusal.reason(), "call from a browser refused");
            shared.services.metrics.refused(refusal.counted_as());
            busy(&refusal)
        })?;
        let Some(running) = self.routed(&call.called) else {
            shared.services.metrics.refused(RefusedFor::NoNumber);
            return Err(NotDone::NotFound("nobody answers this number".to_owned()));
        };
        let answered = self.webrtc.answer(&call.offer_sdp).await.map_err(|error| {
            shared.services.metrics.refused(counted_as(&error));
            not_answered(&error)
        })?;
        let id = CallId::from_u128(uuid::Uuid::now_v7().as_u128());
        let (entry, commands) = self.open.enter();
        let (answer_sdp, secret) = (answered.sdp.clone(), entry.secret());
        let span = tracing::info_span!("call", call_id = %id, leg_id = 0, direction = "in");
        let task = self.clone().hold(id, (call, running, line), answered, (entry, commands));
        shared.calls.spawn(task.instrument(span));
        Ok(BrowserAnswer { answer_sdp, secret, call: id })
    }

    /// What a call for this number is held by; one that names none is for the profile of the configuration.
    fn routed(&self, called: &str) -> Option<Running> {
        let profiles = &self.shared.profiles;
        match called {
            "" => Some(Running::clone(&profiles.first())),
            number => profiles.of_call(&Called { requested: number, to: "", trunk: None }),
        }
    }

    async fn hold(
        self,
        id: CallId,
        (call, running, mut line): (BrowserCall, Running, Line),
        answered: Answered,
        (entry, commands): (Entry, mpsc::Receiver<Keys>),
    ) {
        let shared = &self.shared;
        tracing::info!("answered a browser");
        // Only a number that something vouched for is looked up.
        let record = match &call.caller {
            Some(caller) => {
                let (config, actions) = (&shared.config, &shared.services.actions);
                caller_record(config, actions, id, caller.expose()).await
            }
            None => BTreeMap::new(),
        };
        // They are made while the browser and we look for a way to each other.
        let first_words = begin_words(shared, (id, line.effort()), &running, &record);
        let called = match call.called.as_str() {
            "" => running.generation.profile.clone(),
            number => number.to_owned(),
        };
        let arrival = Arrival {
            call: id,
            caller: call.caller.unwrap_or_else(|| Pii::new(call.source.to_string())),
            called: Pii::new(called),
            channel: "web",
            running,
            started: SystemTime::now(),
            first_words,
        };
        let Answered { leg, media, .. } = answered;
        let leg = Leg::Web(Box::new(WebSide::new(leg, commands, entry)));
        let near = near(&shared.config);
        let reached = Reached { leg, media, direction: Direction::SendRecv, near };
        hold(shared, (arrival, &mut line), reached, record).await;
        drop(line);
    }

    /// Hangs up a call.
    ///
    /// # Errors
    /// There is none of this secret.
    pub fn hang_up(&self, secret: &Pii<String>) -> Result<(), NotDone> {
        self.open.hang_up(secret)
    }

    /// Presses keys in a call.
    ///
    /// # Errors
    /// There is none of this secret, or they are no keys.
    pub fn keys(&self, secret: &Pii<String>, keys: Pii<String>) -> Result<(), NotDone> {
        self.open.press(secret, keys)
    }

    /// Answers the offer of an agent who takes a call in the browser.
    ///
    /// # Errors
    /// The offer cannot be answered.
    pub async fn answer_agent(&self, offer_sdp: &str) -> Result<(String, BrowserLeg), NotDone> {
        answer_agent(&self.webrtc, offer_sdp).await
    }
}

/// The same for whoever answers agents only.
pub(super) async fn answer_agent(
    webrtc: &WebRtc,
    offer_sdp: &str,
) -> Result<(String, BrowserLeg), NotDone> {
    match webrtc.answer(offer_sdp).await {
        Ok(Answered { sdp, leg, media }) => Ok((sdp, BrowserLeg { leg, media })),
        Err(error) => Err(not_answered(&error)),
    }
}

/// Where media of telephones is bound that are called for a browser, if the way to them is not known.
pub(super) fn near(config: &Config) -> IpAddr {
    let sip = config.sip.listen.iter().map(|listen| listen.address.ip());
    let all = sip.chain(config.webrtc.listen.iter().copied());
    all.into_iter().find(|ip| !ip.is_unspecified()).unwrap_or(IpAddr::from([127, 0, 0, 1]))
}

/// What a caller is told of the limit that they ran into; the rule itself is in the log.
fn busy(refusal: &Refusal) -> NotDone {
    let words = match refusal {
        Refusal::Draining => "no calls are taken at the moment; try again later",
        Refusal::SourceLines { .. } => "there are calls from your address already; end one first",
        Refusal::AllLines { .. }
        | Refusal::TrunkLines { .. }
        | Refusal::Rate { .. }
        | Refusal::TrunkRate { .. }
        | Refusal::Conversations { .. }
        | Refusal::Overload => "all our lines are busy; try again in a moment",
    };
    NotDone::Unavailable(words.to_owned())
}

fn counted_as(error: &WebRtcError) -> RefusedFor {
    match error {
        WebRtcError::Offer(_) | WebRtcError::NotTaken(_) => RefusedFor::Session,
        WebRtcError::NoPort { .. } | WebRtcError::Setup(_) => RefusedFor::NoMediaPort,
    }
}

fn not_answered(error: &WebRtcError) -> NotDone {
    match error {
        WebRtcError::Offer(_) | WebRtcError::NotTaken(_) => NotDone::BadRequest(error.to_string()),
        WebRtcError::NoPort { .. } | WebRtcError::Setup(_) => {
            tracing::error!(%error, "a browser was not answered");
            NotDone::Unavailable("no call can be set up at the moment".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn pii(text: &str) -> Pii<String> {
        Pii::new(text.to_owned())
    }

    #[test]
    fn a_call_is_found_by_its_secret_until_it_ends() {
        let open = Open::default();
        let (entry, mut commands) = open.enter();
        let (other, _) = open.enter();
        let secret = entry.secret();
        assert_ne!(secret, other.secret());
        assert_eq!(secret.expose().len(), 32);
        assert_eq!(open.press(&secret, pii("1#")), Ok(()));
        assert!(commands.try_recv().is_ok_and(|Keys(keys)| keys.expose() == "1#"));
        for bad in ["", "x", "1 2", "A", &"1".repeat(33)] {
            let refused = open.press(&secret, pii(bad));
            assert!(matches!(refused, Err(NotDone::BadRequest(_))), "{bad}: {refused:?}");
        }
        assert_eq!(open.press(&pii("guess"), pii("1")), Err(no_such_call()));
        assert_eq!(open.hang_up(&pii("guess")), Err(no_such_call()));
        // Hanging up closes the way to the call's task, and is done once.
        assert_eq!(open.hang_up(&secret), Ok(()));
        assert!(matches!(commands.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
        assert_eq!(open.hang_up(&secret), Err(no_such_call()));
        let gone = other.secret();
        drop(other);
        assert_eq!(open.press(&gone, pii("1")), Err(no_such_call()));
        assert!(open.calls().is_empty());
    }

    #[test]
    fn keys_that_nobody_takes_are_refused_and_a_hang_up_is_not() {
        let open = Open::default();
        let (entry, _commands) = open.enter();
        for _ in 0..COMMANDS_LEN_MAX {
            assert_eq!(open.press(&entry.secret(), pii("1")), Ok(()));
        }
        let refused = open.press(&entry.secret(), pii("1"));
        assert!(matches!(refused, Err(NotDone::Unavailable(_))), "{refused:?}");
        assert_eq!(open.hang_up(&entry.secret()), Ok(()));
    }

    #[test]
    fn media_for_others_is_bound_where_there_is_an_address() {
        for (lines, expected) in [
            ("[sip]\nlisten = [\"udp:192.0.2.1:5060\"]\naccept_unknown = true", "192.0.2.1"),
            (
                "[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\naccept_unknown = true\n\
                 [webrtc]\nlisten = [\"0.0.0.0\", \"192.0.2.7\"]",
                "192.0.2.7",
            ),
            ("", "127.0.0.1"),
        ] {
            let text = format!("[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n{lines}\n");
            let config = Config::parse(Path::new("/f.toml"), &text, |_| None).expect("valid");
            assert_eq!(near(&config).to_string(), expected);
        }
    }
}
