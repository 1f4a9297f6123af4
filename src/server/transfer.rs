//! Callers are put through to people: their telephone system is asked to move them (REFER), or we call
//! somebody ourselves (`agent_leg`) and have the two joined, or pass the audio through us (`bridge`).
//!
//! ```text
//!  refer     REFER ──NOTIFY──▶ told how it ended
//!              '─ refused, or not answered ──▶ call somebody ──▶ bridge
//!  attended  call somebody ──▶ REFER with Replaces ──NOTIFY──▶ told how it ended
//!                                 '─ anything but success ──▶ bridge, if they are still there
//!  bridge    call somebody ──▶ bridge
//! ```
//!
//! Whom to call stands in the configuration and nowhere else. What came of it goes back to the call as
//! `CallInput::TransferEnded`, whatever it is; a caller who hangs up ends the attempt. Unless it went
//! well, the hand-off then says that people call back (`promises`).

mod placing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep_until;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::acd::AgentId;
use crate::audio::Codecs;
use crate::base::Pii;
use crate::call::CallInput;
use crate::config::{CallbacksConfig, Config, TransferConfig, TransferWay};
use crate::conversation::TransferOutcome;
use crate::engine::voice::Voice;
use crate::net::sip::{
    Credentials, ExtraHeaders, Referral, ReferralEvent, SipEndpoint, SipError, user_to_user,
};
use crate::store::TransferRecord;

use super::admission::Admission;
use super::agent_leg::AgentLeg;
use super::answering::ProtectionPolicy;
use super::bridge::Callee;
use super::call_task::CallTask;
use super::promises::OpenPromise;

pub(super) use self::placing::PlacedLine;
use self::placing::Placing;

/// Whose name we call with where no trunk is named.
const FROM_USER: &str = "frontdoor";

/// The header that carries the hand-off's reference (RFC 7433).
const USER_TO_USER: &str = "User-to-User";

/// What became of an attempt whose caller hung up before anything did.
pub(super) const ENDED_FIRST: &str = "the call ended first";

/// What a telephone system that moves a caller may take beyond the ringing.
const MOVING_LIMIT: Duration = Duration::from_secs(10);

/// To whom callers can be put through, for the calls of a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Transfers {
    shared: Arc<Shared>,
}

struct Shared {
    sip: SipEndpoint,
    plans: BTreeMap<String, Arc<Plan>>,
    /// Those of `[desk.numbers]`, by name.
    numbers: BTreeMap<String, Arc<Plan>>,
    /// Those of `[desk.phones]`, by whose they are.
    phones: BTreeMap<AgentId, Arc<Plan>>,
    /// How customers are called back, with whose name and password.
    callbacks: Option<(CallbacksConfig, String, Option<Credentials>)>,
    /// Calls that we may place at the same time.
    lines: Arc<Semaphore>,
    /// Those of each trunk, which its own calls take up as well.
    admission: Admission,
    voice: Voice,
    ports: RangeInclusive<u16>,
    codecs: Codecs,
    advertise_ip: Option<IpAddr>,
    protection: ProtectionPolicy,
    no_media_timeout: Duration,
}

/// How the people of a queue are reached.
struct Plan {
    config: TransferConfig,
    from_user: String,
    credentials: Option<Credentials>,
}

impl Transfers {
    /// What a configuration says; passwords are read from the environment.
    ///
    /// # Errors
    /// A password is not there.
    pub fn new(
        config: &Config,
        sip: &SipEndpoint,
        voice: &Voice,
        protection: &ProtectionPolicy,
        admission: &Admission,
    ) -> Result<Self, SipError> {
        let mut plans = BTreeMap::new();
        for (queue, transfer) in &config.transfers {
            let (from_user, credentials) = caller_of(config, transfer.trunk.as_deref())?;
            let plan = Plan { config: transfer.clone(), from_user, credentials };
            plans.insert(queue.clone(), Arc::new(plan));
        }
        let desk = |to: &String| -> Result<Arc<Plan>, SipError> {
            let transfer = config.desk.placed(to);
            let (from_user, credentials) = caller_of(config, transfer.trunk.as_deref())?;
            Ok(Arc::new(Plan { config: transfer, from_user, credentials }))
        };
        let numbers = config.desk.numbers.iter().map(|(name, to)| Ok((name.clone(), desk(to)?)));
        let phones = config.desk.phones.iter();
        let phones = phones.map(|(account, to)| Ok((AgentId::new(account.as_str()), desk(to)?)));
        let callbacks = config.callbacks.as_ref().map(|callbacks| -> Result<_, SipError> {
            let (from_user, credentials) = caller_of(config, callbacks.trunk.as_deref())?;
            Ok((callbacks.clone(), from_user, credentials))
        });
        let shared = Shared {
            sip: sip.clone(),
            plans,
            numbers: numbers.collect::<Result<_, SipError>>()?,
            phones: phones.collect::<Result<_, SipError>>()?,
            callbacks: callbacks.transpose()?,
            lines: Arc::new(Semaphore::new(config.transfer_rules.calls_max)),
            admission: admission.clone(),
            voice: voice.clone(),
            ports: config.media.rtp_port_min..=config.media.rtp_port_max,
            codecs: config.media.codecs,
            advertise_ip: config.sip.advertise_ip,
            protection: protection.clone(),
            no_media_timeout: Duration::from_secs(config.media.no_media_timeout_s),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    fn plan(&self, queue: &str) -> Option<Arc<Plan>> {
        self.shared.plans.get(queue).cloned()
    }

    fn plan_of(&self, whom: &Callee) -> Option<Arc<Plan>> {
        match whom {
            Callee::Number(name) => self.shared.numbers.get(name).cloned(),
            Callee::Colleague(agent) => self.shared.phones.get(agent).cloned(),
        }
    }

    /// Names of numbers that agents can send callers to.
    pub fn desk_numbers(&self) -> BTreeSet<String> {
        self.shared.numbers.keys().cloned().collect()
    }

    /// Agents with a telephone.
    pub fn desk_phones(&self) -> BTreeSet<AgentId> {
        self.shared.phones.keys().cloned().collect()
    }

    /// Our voice, for whoever is told something before they take a call.
    pub fn voice(&self) -> &Voice {
        &self.shared.voice
    }

    /// Begins to call somebody who takes calls at a desk, or whom such a one names; `None` if no way to them
    /// is declared. Dropping what this gives cancels, or hangs up.
    pub fn call(
        &self,
        whom: &Callee,
        reference: Option<&str>,
        announcement: Pii<String>,
        near: IpAddr,
    ) -> Option<Ringing> {
        let plan = self.plan_of(whom)?;
        let headers = headers(reference, plan.config.header.as_deref());
        let shared = Arc::clone(&self.shared);
        Some(ring(Placing { shared, plan, headers, announcement, near }))
    }

    /// Begins to call a customer back; `None` if that number may not be called. Nobody over there is told
    /// of a hand-off.
    pub fn call_customer(&self, number: &Pii<String>, near: IpAddr) -> Option<Ringing> {
        let (callbacks, from_user, credentials) = self.shared.callbacks.as_ref()?;
        let plan = Arc::new(Plan {
            config: callbacks.placed(number)?,
            from_user: from_user.clone(),
            credentials: credentials.clone(),
        });
        let shared = Arc::clone(&self.shared);
        let (headers, announcement) = (Ok(ExtraHeaders::default()), Pii::default());
        Some(ring(Placing { shared, plan, headers, announcement, near }))
    }
}

/// Somebody is being called; dropping it cancels, or hangs up.
pub(super) type Ringing = AbortOnDropHandle<Result<AgentLeg, NotReached>>;

fn ring(call: Placing) -> Ringing {
    let span = tracing::info_span!("transfer", leg_id = 1, direction = "out");
    AbortOnDropHandle::new(tokio::spawn(call.reach().instrument(span)))
}

/// Tells whoever is called where the hand-off is: an opaque reference, none of the data.
fn headers(reference: Option<&str>, also: Option<&str>) -> Result<ExtraHeaders, SipError> {
    let Some(reference) = reference else { return Ok(ExtraHeaders::default()) };
    let mut headers = vec![(USER_TO_USER.to_owned(), user_to_user(reference))];
    if let Some(name) = also {
        headers.push((name.to_owned(), reference.to_owned()));
    }
    ExtraHeaders::new(headers)
}

/// With whose name and password the people of a queue are called: as we are registered at the trunk, or
/// else with what its own calls must know.
fn caller_of(
    config: &Config,
    trunk: Option<&str>,
) -> Result<(String, Option<Credentials>), SipError> {
    let trunk = trunk.and_then(|name| config.trunks.iter().find(|trunk| trunk.name == name));
    let Some(trunk) = trunk else { return Ok((FROM_USER.to_owned(), None)) };
    let (user, login, key) = match (&trunk.register, &trunk.login) {
        (Some(register), _) => {
            (&register.username, &register.login, format!("{}.register", trunk.name))
        }
        (None, Some(login)) => (&login.username, login, trunk.name.clone()),
        (None, None) => return Ok((FROM_USER.to_owned(), None)),
    };
    let password = std::env::var(&login.password_env).ok().filter(|value| !value.is_empty());
    let Some(password) = password else {
        return Err(SipError::PasswordMissing { key, variable: login.password_env.clone() });
    };
    let credentials =
        Credentials { username: login.username.clone(), password: Pii::new(password) };
    Ok((user.clone(), Some(credentials)))
}

/// One caller on their way to the people of one queue.
pub(super) struct Order {
    pub queue: String,
    plan: Arc<Plan>,
    /// The way it goes at present.
    pub way: TransferWay,
    /// What the hand-off is found by from outside.
    pub reference: Option<String>,
    /// What the caller was promised. An order that ends without having kept it leads to a callback.
    promise: Option<OpenPromise>,
    announcement: Pii<String>,
    at_ms: u64,
    began: Instant,
}

impl Order {
    /// Whether the recording goes on while the audio goes through us.
    pub fn records_bridge(&self) -> bool {
        self.plan.config.record
    }

    /// Somebody has taken the call.
    pub fn keep_promise(&mut self) {
        if let Some(promise) = self.promise.take() {
            promise.keep();
        }
    }

    fn headers(&self) -> Result<ExtraHeaders, SipError> {
        headers(self.reference.as_deref(), self.plan.config.header.as_deref())
    }

    /// How long it has taken so far.
    pub fn took_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// What is kept of it, if this came of it just now.
    pub fn record(&self, outcome: &str, status: Option<u16>) -> TransferRecord {
        TransferRecord {
            at_ms: self.at_ms,
            queue: self.queue.clone(),
            way: self.way.as_str().to_owned(),
            outcome: outcome.to_owned(),
            agent: None,
            status,
            took_ms: self.took_ms(),
            bridged_ms: None,
        }
    }
}

/// Why nobody took the call.
#[derive(Debug)]
pub(super) struct NotReached {
    outcome: TransferOutcome,
    status: Option<u16>,
    why: String,
}

impl NotReached {
    pub fn new(outcome: TransferOutcome, why: &str) -> Self {
        Self { outcome, status: None, why: why.to_owned() }
    }

    /// Why, for the log.
    pub fn why(&self) -> &str {
        &self.why
    }

    pub fn failed(why: &str) -> Self {
        Self::new(TransferOutcome::Failed, why)
    }

    fn by_status(status: u16) -> Self {
        let why = "the call was refused".to_owned();
        Self { outcome: outcome_of(status), status: Some(status), why }
    }
}

/// What a final SIP status says about whoever was called (RFC 3261 section 21).
fn outcome_of(status: u16) -> TransferOutcome {
    match status {
        486 | 600 => TransferOutcome::Busy,
        408 | 480 | 487 => TransferOutcome::NoAnswer,
        401 | 403 | 404 | 407 | 410 | 484 | 603 | 604 => TransferOutcome::Refused,
        _ => TransferOutcome::Failed,
    }
}

/// Whether a telephone system that answers a REFER so does not move callers (RFC 3515 section
/// 2.4.2), or wants a password first, which we have none for within a call; other statuses are about
/// this one.
fn refuses_to_move(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 405 | 407 | 420 | 489 | 501 | 603)
}

/// Whether it is for us to join the caller to somebody, now that their telephone system has not: it said
/// this status, or nothing in time. `has_agent`: whoever has taken the call is still there.
fn is_ours_to_join(
    way: TransferWay,
    (is_accepted, has_agent): (bool, bool),
    status: Option<u16>,
) -> bool {
    match (is_accepted, has_agent) {
        // Both are on our legs, whatever came of moving the caller.
        (true, true) => true,
        // 481: the caller's call with us is gone.
        (false, true) => status != Some(481),
        // Where REFER is not answered (408) or refused, nobody has been called.
        (false, false) => {
            way == TransferWay::Refer
                && status.is_none_or(|status| status == 408 || refuses_to_move(status))
        }
        (true, false) => false,
    }
}

/// A try to put a caller through, under way.
pub(super) struct Attempt {
    order: Order,
    stage: Stage,
}

enum Stage {
    /// The telephone system was asked to move the caller.
    Moving(Moving),
    /// Somebody is being called.
    Reaching { work: Ringing, then: Then },
}

/// What is done with a caller for whom somebody was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Move,
    Bridge,
}

struct Moving {
    events: mpsc::Receiver<ReferralEvent>,
    is_accepted: bool,
    limit: tokio::time::Instant,
    /// Whoever has taken the call and waits for the caller.
    agent: Option<Box<AgentLeg>>,
}

impl Moving {
    /// As [`is_ours_to_join`].
    fn is_ours_to_join(&self, order: &Order, status: Option<u16>) -> bool {
        is_ours_to_join(order.way, (self.is_accepted, self.agent.is_some()), status)
    }
}

/// Something that happened to an attempt.
pub(super) enum Happened {
    Told(Option<ReferralEvent>),
    RanOut,
    AgentGone,
    Reached(Result<Box<AgentLeg>, NotReached>),
}

/// Waits for what happens next; for ever if nothing is under way. Safe to cancel.
pub(super) async fn next_of(attempt: &mut Option<Attempt>) -> Happened {
    let Some(attempt) = attempt else { return std::future::pending().await };
    match &mut attempt.stage {
        Stage::Moving(Moving { events, limit, agent, .. }) => tokio::select! {
            event = events.recv() => Happened::Told(event),
            () = sleep_until(*limit) => Happened::RanOut,
            () = kept(agent) => Happened::AgentGone,
        },
        Stage::Reaching { work, .. } => Happened::Reached(match work.await {
            Ok(reached) => reached.map(Box::new),
            Err(error) => Err(NotReached::failed(&error.to_string())),
        }),
    }
}

/// Keeps the leg of whoever waits for the caller; ends when they are gone.
async fn kept(agent: &mut Option<Box<AgentLeg>>) {
    match agent {
        Some(agent) => agent.keep().await,
        None => std::future::pending().await,
    }
}

impl CallTask {
    /// Begins to put the caller through.
    pub(super) async fn begin_transfer(&mut self, queue: String, announcement: Pii<String>) {
        let promise = self.promised.take();
        let Some(plan) = self.transfers.plan(&queue) else {
            // With that the promise is given up.
            tracing::error!(queue, "there is no way to put callers through to this queue");
            let outcome = TransferOutcome::Failed;
            return self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
        };
        let way = plan.config.way;
        tracing::info!(queue, way = way.as_str(), "the caller is put through");
        let order = Order {
            queue,
            plan,
            way,
            reference: self.reference.clone(),
            promise,
            announcement,
            at_ms: self.records.elapsed_ms(),
            began: Instant::now(),
        };
        match way {
            TransferWay::Bridge => self.reach(order, Then::Bridge),
            // There is no telephone system on their side: nobody to ask.
            TransferWay::Refer | TransferWay::Attended if !self.leg.can_be_moved() => {
                self.not_moved(order, None, None).await;
            }
            TransferWay::Refer => self.ask_to_move(order, None).await,
            TransferWay::Attended => self.reach(order, Then::Move),
        }
    }

    /// Gives up, for this reason.
    pub(super) fn cancel_transfer(&mut self, why: &str) {
        let Some(Attempt { mut order, stage }) = self.attempt.take() else { return };
        // Who has moved a caller hangs up on us right behind the news that it went well.
        let is_moved = match stage {
            Stage::Moving(Moving { mut events, .. }) => {
                std::iter::from_fn(|| events.try_recv().ok())
                    .any(|event| event == ReferralEvent::Succeeded)
            }
            Stage::Reaching { .. } => false,
        };
        let outcome = if is_moved { TransferOutcome::Succeeded.as_str() } else { why };
        self.records.transfer(order.record(outcome, None));
        if is_moved {
            order.keep_promise();
        }
    }

    /// Calls somebody.
    fn reach(&mut self, order: Order, then: Then) {
        let call = Placing {
            shared: Arc::clone(&self.transfers.shared),
            plan: Arc::clone(&order.plan),
            headers: order.headers(),
            announcement: order.announcement.clone(),
            near: self.media_ip,
        };
        self.attempt = Some(Attempt { order, stage: Stage::Reaching { work: ring(call), then } });
    }

    /// The caller goes on without the agent, to somebody whom the agent has called: they talk from now on.
    pub(super) async fn go_on_with_third(&mut self, whom: &Callee, leg: Box<AgentLeg>) {
        if let Some(order) = self.order_to(whom) {
            self.bridge(order, leg).await;
        }
    }

    /// The same while it rings there yet.
    pub(super) fn go_on_ringing(&mut self, whom: &Callee, work: Ringing) {
        if let Some(order) = self.order_to(whom) {
            let stage = Stage::Reaching { work, then: Then::Bridge };
            self.attempt = Some(Attempt { order, stage });
        }
    }

    /// What is kept of a caller's way to somebody whom an agent has called.
    fn order_to(&self, whom: &Callee) -> Option<Order> {
        let plan = self.transfers.plan_of(whom)?;
        Some(Order {
            queue: whom.name().to_owned(),
            plan,
            way: TransferWay::Bridge,
            promise: self.reference.clone().map(|reference| self.dispatch.promise(reference)),
            reference: self.reference.clone(),
            announcement: Pii::default(),
            at_ms: self.records.elapsed_ms(),
            began: Instant::now(),
        })
    }

    /// Asks the caller's telephone system to move them, to the place of whoever took the call if
    /// somebody did.
    async fn ask_to_move(&mut self, order: Order, agent: Option<Box<AgentLeg>>) {
        let replaces = agent.as_ref().and_then(|agent| agent.replaces_id());
        if agent.is_some() && replaces.is_none() {
            tracing::warn!("the call to the other side cannot be replaced");
            return self.not_moved(order, agent, None).await;
        }
        let target_uri = order.plan.config.to.clone();
        let asked = match order.headers() {
            Ok(headers) => self.leg.refer(Referral { target_uri, replaces, headers }).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(events) => {
                let ring = Duration::from_secs(order.plan.config.ring_s);
                let limit = tokio::time::Instant::now() + ring + MOVING_LIMIT;
                let moving = Moving { events, is_accepted: false, limit, agent };
                self.attempt = Some(Attempt { order, stage: Stage::Moving(moving) });
            }
            Err(error) => {
                tracing::warn!(%error, "the telephone system cannot be asked to move the caller");
                self.not_moved(order, agent, None).await;
            }
        }
    }

    /// The telephone system does not move callers, or has not moved this one.
    async fn not_moved(
        &mut self,
        mut order: Order,
        agent: Option<Box<AgentLeg>>,
        status: Option<u16>,
    ) {
        if !order.plan.config.bridge_if_refused {
            let outcome = match status {
                Some(status) if refuses_to_move(status) => TransferOutcome::Refused,
                _ => TransferOutcome::Failed,
            };
            return self.end_transfer(order, outcome, status);
        }
        tracing::info!(status, "the caller was not moved: the audio is to go through us");
        order.way = TransferWay::Bridge;
        match agent {
            Some(agent) => self.bridge(order, agent).await,
            None => self.reach(order, Then::Bridge),
        }
    }

    /// Goes on with an attempt.
    pub(super) async fn on_attempt(&mut self, happened: Happened) {
        let Some(Attempt { order, stage }) = self.attempt.take() else { return };
        match (happened, stage) {
            (Happened::Told(event), Stage::Moving(moving)) => {
                self.on_told(order, moving, event).await;
            }
            // Where it goes well their call with us ends before it is told how it went.
            (Happened::AgentGone, Stage::Moving(moving)) => {
                let stage = Stage::Moving(Moving { agent: None, ..moving });
                self.attempt = Some(Attempt { order, stage });
            }
            (Happened::RanOut, Stage::Moving(moving)) => self.on_ran_out(order, moving).await,
            (Happened::Reached(Ok(agent)), Stage::Reaching { then, .. }) => match then {
                Then::Move => self.ask_to_move(order, Some(agent)).await,
                Then::Bridge => self.bridge(order, agent).await,
            },
            (Happened::Reached(Err(not)), Stage::Reaching { .. }) => {
                tracing::info!(status = not.status, why = not.why, "nobody was reached");
                self.end_transfer(order, not.outcome, not.status);
            }
            // What happened is always of the stage that was waited on.
            (_, stage) => self.attempt = Some(Attempt { order, stage }),
        }
    }

    async fn on_ran_out(&mut self, order: Order, moving: Moving) {
        if moving.is_ours_to_join(&order, None) {
            return self.not_moved(order, moving.agent, None).await;
        }
        let outcome = match order.way {
            TransferWay::Refer => TransferOutcome::NoAnswer,
            // They had answered: that nobody was free would be untrue.
            TransferWay::Attended | TransferWay::Bridge => TransferOutcome::Failed,
        };
        self.end_transfer(order, outcome, None);
    }

    async fn on_told(&mut self, order: Order, mut moving: Moving, event: Option<ReferralEvent>) {
        match event {
            Some(ReferralEvent::Accepted) => {
                moving.is_accepted = true;
                self.attempt = Some(Attempt { order, stage: Stage::Moving(moving) });
            }
            Some(ReferralEvent::Progress { status }) => {
                tracing::debug!(status, "the other side is being called");
                self.attempt = Some(Attempt { order, stage: Stage::Moving(moving) });
            }
            Some(ReferralEvent::Succeeded) => {
                self.end_transfer(order, TransferOutcome::Succeeded, None);
            }
            Some(ReferralEvent::Failed { status, .. })
                if moving.is_ours_to_join(&order, Some(status)) =>
            {
                self.not_moved(order, moving.agent, Some(status)).await;
            }
            Some(ReferralEvent::Failed { status, .. }) => {
                let outcome = match order.way {
                    TransferWay::Refer => outcome_of(status),
                    // They had answered: that they are busy, or nobody is free, would be untrue.
                    TransferWay::Attended | TransferWay::Bridge => TransferOutcome::Failed,
                };
                self.end_transfer(order, outcome, Some(status));
            }
            Some(ReferralEvent::Lost { why }) => {
                tracing::warn!(why, "nobody told what became of the caller");
                self.end_transfer(order, TransferOutcome::Failed, None);
            }
            None => self.end_transfer(order, TransferOutcome::Failed, None),
        }
    }

    /// Tells the call and the record what came of it.
    fn end_transfer(&mut self, mut order: Order, outcome: TransferOutcome, status: Option<u16>) {
        let (queue, words) = (order.queue.as_str(), outcome.as_str());
        tracing::info!(
            queue,
            outcome = words,
            status,
            took_ms = order.took_ms(),
            "no longer ringing"
        );
        self.records.transfer(order.record(words, status));
        if outcome == TransferOutcome::Succeeded {
            order.keep_promise();
        }
        self.call.handle(Instant::now(), CallInput::TransferEnded { outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_says_about_people() {
        for (status, outcome) in [
            (486, TransferOutcome::Busy),
            (600, TransferOutcome::Busy),
            (480, TransferOutcome::NoAnswer),
            (408, TransferOutcome::NoAnswer),
            (404, TransferOutcome::Refused),
            (603, TransferOutcome::Refused),
            (500, TransferOutcome::Failed),
            (503, TransferOutcome::Failed),
        ] {
            assert_eq!(outcome_of(status), outcome, "{status}");
        }
        assert!(refuses_to_move(405) && !refuses_to_move(408) && !refuses_to_move(481));
        assert!(refuses_to_move(401) && refuses_to_move(407), "no password is shown in a call");
    }

    #[test]
    fn whom_nobody_moved_is_joined_by_us_as_long_as_that_is_true_and_possible() {
        use TransferWay::{Attended, Refer};
        let (fresh, accepted) = ((false, false), (true, false));
        let (waited_for, held) = ((false, true), (true, true));
        for (way, state, status, expected) in [
            // Nobody has been called: REFER was refused, or went nowhere.
            (Refer, fresh, Some(405), true),
            (Refer, fresh, Some(407), true),
            (Refer, fresh, Some(408), true),
            (Refer, fresh, None, true),
            // They have been, or the call is gone.
            (Refer, fresh, Some(486), false),
            (Refer, fresh, Some(481), false),
            (Refer, accepted, Some(408), false),
            (Refer, accepted, None, false),
            // Somebody has taken the call and waits.
            (Attended, waited_for, Some(486), true),
            (Attended, waited_for, Some(481), false),
            (Attended, held, Some(486), true),
            (Attended, held, Some(481), true),
            (Attended, held, None, true),
            // They have given up.
            (Attended, fresh, Some(405), false),
            (Attended, accepted, Some(486), false),
            (Attended, accepted, None, false),
        ] {
            assert_eq!(
                is_ours_to_join(way, state, status),
                expected,
                "{way:?} {state:?} {status:?}"
            );
        }
    }
}
