//! Start, run, stop.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::acd::standing::RecordMeaning;
use crate::actions::Actions;
use crate::base::CallId;
use crate::config::{CallerLookupConfig, Config, Transport};
use crate::conversation::{RecordingConsent, Rules, VerificationRule};
use crate::net::sip::{
    Access, IncomingCall, KeepalivePlan, RegisterPlan, SessionLimits, SipConfig, SipEndpoint,
    SipError, TlsFiles,
};
use crate::nlu::ConfidencePolicy;
use crate::prompts::{ActionName, Finding, Generation, QueueName, VerificationName};
use crate::store::webhook::{self, WebhookTarget};
use crate::store::{Store, StoreError, import_unsaved};
use crate::web::live::Live;
use crate::web::{ASKS_LEN_MAX, Ask, Backend, Tls};

use super::admission::Admission;
use super::answering::{ProtectionPolicy, answer_sip};
use super::dispatch::Services;
use super::floor::{
    CallbackJob, CallingBack, FloorHandles, FloorParts, FloorTask, tell_customer_system,
};
use super::http::{self, Watched};
use super::load::{Load, Watcher};
use super::metrics::Metrics;
use super::people::People;
use super::profiles::{Profiles, Sound};
use super::promises::{self, Promises};
use super::retention::keep_forgetting;
use super::traces::keep_refused;
use super::transfer::Transfers;
use super::web_calls::{WebCalls, near};
use super::web_side::{self, WebStarted};
use super::{Engines, EnginesReport, ServerError};

/// How long calls may take to end once they are told to. Results of what was begun for them are
/// waited for 30 s.
const ENDING_LIMIT: Duration = Duration::from_secs(40);

/// How often hand-offs that were saved beside the database are looked for.
const IMPORT_EVERY: Duration = Duration::from_secs(30);

/// What the server is running on, for the one who started it.
#[derive(Debug)]
pub struct Started {
    /// Where it listens.
    pub addresses: Vec<(Transport, SocketAddr)>,
    /// Where it answers other programs.
    pub http: Option<SocketAddr>,
    /// Where it serves pages.
    pub web: Option<WebStarted>,
    /// Profile name.
    pub profile: String,
    /// Further profiles, which `[numbers]` names.
    pub other_profiles: Vec<String>,
    /// Intents in the first.
    pub intents: usize,
    /// Hash of its files.
    pub generation: String,
    /// What the linter would rather have otherwise.
    pub warnings: Vec<Finding>,
    /// How long the engines took.
    pub engines: EnginesReport,
    /// From the call of [`Server::start`] until ready.
    pub took: Duration,
}

/// A running front door.
pub struct Server {
    shared: Arc<Shared>,
    web_calls: WebCalls,
    backend: Backend,
    sip: SipEndpoint,
    incoming: mpsc::Receiver<IncomingCall>,
    stop_background: CancellationToken,
    background: TaskTracker,
}

/// What every call needs.
pub(super) struct Shared {
    pub config: Config,
    /// What a call that begins now is held by.
    pub profiles: Profiles,
    pub rules: Rules,
    pub services: Services,
    pub protection: ProtectionPolicy,
    pub transfers: Transfers,
    /// The ways to people at desks.
    pub people: People,
    pub admission: Admission,
    pub sip: SipEndpoint,
    /// What is seen of calls while they are in progress.
    pub live: Live,
    pub calls: TaskTracker,
    pub stop_calls: CancellationToken,
}

impl Server {
    /// Loads everything and begins to listen. Nothing is listened on until all models are warm.
    pub async fn start(config: Config) -> Result<(Self, Started), ServerError> {
        let begun = Instant::now();
        for folder in [&config.server.data_dir, &config.recording.dir] {
            std::fs::create_dir_all(folder)
                .map_err(|source| ServerError::Folder { folder: folder.clone(), source })?;
        }
        // A mistake is told before the models are loaded.
        let first = Sound::read(config.clone())?;
        let (generation, mut warnings) = (Arc::clone(&first.generation), first.warnings.clone());
        let mut others = Vec::new();
        for profile in config.profiles().into_iter().skip(1) {
            others.push(Sound::read(config.with_profile(&profile))?);
        }
        warnings.extend(others.iter().flat_map(|other| other.warnings.clone()));
        let generations: Vec<&Generation> =
            std::iter::once(&first).chain(&others).map(|sound| &*sound.generation).collect();
        for queue in unknown_transfers(&config, &generations) {
            tracing::warn!(queue, "[transfers] names a queue that no prompt files have");
        }
        let other_profiles = others.iter().map(|other| other.generation.profile.clone()).collect();
        let admission = Admission::new(&config);
        let mut sip_config = sip_config(&config)?;
        sip_config.vacancy = Some(Arc::new(admission.clone()));
        let mut store = Store::open(&config.store_path()).await?;
        if config.handoff.webhook.is_some() {
            store = store.with_webhooks();
        }
        import_saved(&store, &config.server.data_dir).await?;
        promises::take_up(&store).await;
        let actions = Actions::open(&config).await?;
        let (engines, report) = Engines::start(&config, &generation).await?;
        let (profiles, reloaders) = Profiles::start(first, others, &engines).await?;
        let (sip, incoming) = SipEndpoint::bind(sip_config).await?;
        let protection = ProtectionPolicy::new(&config)?;
        let transfers = Transfers::new(&config, &sip, &engines.voice, &protection, &admission)?;
        let services = Services {
            engines,
            actions,
            store: store.clone(),
            promises: Promises::new(store.clone()),
            metrics: Arc::new(Metrics::new()),
            load: Load::new(),
            data_dir: config.server.data_dir.clone(),
        };
        let stop_background = CancellationToken::new();
        let background = TaskTracker::new();
        let hearing = services.engines.hearing.clone();
        let watcher = Watcher::new(services.load.clone(), &config, hearing, admission.clone());
        background.spawn(watcher.run(stop_background.clone()));
        if let Some(config) = &config.handoff.webhook {
            let target = WebhookTarget::from_config(config)?;
            let (store, stop) = (store.clone(), stop_background.clone());
            background.spawn(async move { webhook::run(&store, &target, &stop).await });
        }
        if config.sip.trace {
            background.spawn(keep_refused(sip.clone(), store.clone(), stop_background.clone()));
        }
        background.spawn(keep_importing(
            store,
            config.server.data_dir.clone(),
            stop_background.clone(),
        ));
        for reloader in reloaders {
            let reloader = reloader.counted(Arc::clone(&services.metrics));
            background.spawn(reloader.run(stop_background.clone()));
        }
        background.spawn(keep_forgetting(
            services.store.clone(),
            config.recording.dir.clone(),
            config.records.clone(),
            stop_background.clone(),
        ));
        let mut http_address = None;
        if let Some(wanted) = &config.http {
            let (listener, token, address) = http::open(wanted).await?;
            http_address = Some(address);
            let watched = Watched {
                sip: sip.clone(),
                admission: admission.clone(),
                load: services.load.clone(),
                store: services.store.clone(),
                metrics: Arc::clone(&services.metrics),
                engines: Some(services.engines.clone()),
                in_force: profiles.in_force(),
                models: http::models(&config),
                token,
            };
            background.spawn(http::serve(listener, watched, stop_background.clone()));
        }
        let live = Live::default();
        let whom = (transfers.clone(), live.clone());
        let floor = open_floor(&config, &services, &profiles, whom, &stop_background).await?;
        let (mut web, mut web_tls) = (None, None);
        if let Some(wanted) = &config.web {
            let side = web_side::start(
                (wanted, &config),
                &services.store,
                &profiles,
                floor.backend.clone(),
                (&background, &stop_background),
            );
            let side = side.await?;
            (web, web_tls) = (Some(side.started), side.tls);
        }
        background.spawn(renew_certificates(sip.clone(), web_tls, stop_background.clone()));
        let started = Started {
            addresses: sip.local_addrs(),
            http: http_address,
            web,
            profile: generation.profile.clone(),
            other_profiles,
            intents: generation.intents.len(),
            generation: generation.hash.as_str().to_owned(),
            warnings,
            engines: report,
            took: begun.elapsed(),
        };
        let FloorSide { task, people, backend, callbacks, browser_asks } = floor;
        let shared = Arc::new(Shared {
            rules: rules(&config),
            protection,
            transfers,
            people,
            admission,
            sip: sip.clone(),
            live,
            calls: TaskTracker::new(),
            stop_calls: CancellationToken::new(),
            config,
            profiles,
            services,
        });
        let web_calls = WebCalls::new(Arc::clone(&shared));
        background.spawn(task.run());
        background.spawn(shared.calling_back().run(callbacks));
        background.spawn(answer_pages(web_calls.clone(), browser_asks));
        if let Some(action) = shared.config.desk.wrap_up_action.clone() {
            let (services, stop) = (shared.services.clone(), stop_background.clone());
            background.spawn(async move {
                tell_customer_system(&services.store, &services.actions, &action, &stop).await;
            });
        }
        let server =
            Self { shared, web_calls, backend, sip, incoming, stop_background, background };
        Ok((server, started))
    }

    /// The way of pages to queues, desks and calls.
    pub fn backend(&self) -> Backend {
        self.backend.clone()
    }

    /// Takes calls from browsers, and agents' answers in theirs.
    pub fn web_calls(&self) -> WebCalls {
        self.web_calls.clone()
    }

    /// What is seen of calls while they are in progress.
    pub fn live(&self) -> Live {
        self.shared.live.clone()
    }

    /// Answers calls until `stop` is cancelled; then takes no more, lets those in progress end
    /// within the drain timeout, and stops.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                incoming = self.incoming.recv() => match incoming {
                    Some(incoming) => self.take(incoming),
                    None => break,
                },
            }
        }
        self.drain().await;
    }

    fn take(&self, incoming: IncomingCall) {
        match self.shared.admission.admit(incoming.trunk.as_deref(), incoming.source.ip()) {
            Ok(line) => {
                let shared = Arc::clone(&self.shared);
                let call = CallId::from_u128(uuid::Uuid::now_v7().as_u128());
                let span =
                    tracing::info_span!("call", call_id = %call, leg_id = 0, direction = "in");
                let task = async move {
                    if let Err(error) = answer_sip(shared, call, incoming, line).await {
                        tracing::warn!(error, "the call was not answered");
                    }
                };
                self.shared.calls.spawn(task.instrument(span));
            }
            Err(refusal) => {
                let reason = refusal.reason();
                tracing::warn!(status = 503, reason, trunk = incoming.trunk, "call refused");
                self.shared.services.metrics.refused(refusal.counted_as());
                self.shared.calls.spawn(async move {
                    let retry = Some(refusal.retry_after_s());
                    if let Err(error) = incoming.refuse(503, Some(reason), retry).await {
                        tracing::debug!(%error, "refusal not sent");
                    }
                });
            }
        }
    }

    async fn drain(mut self) {
        self.shared.admission.drain();
        self.shared.people.acd.close_book();
        self.sip.unregister();
        self.sip.refuse_new_calls();
        let in_progress = self.shared.admission.in_progress().max(self.shared.calls.len());
        if in_progress > 0 {
            tracing::info!(calls = in_progress, "waiting for calls to end");
        }
        let limit = Duration::from_secs(self.shared.config.server.drain_timeout_s);
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = self.shared.admission.drained() => break,
                () = &mut deadline => {
                    self.shared.stop_calls.cancel();
                    break;
                }
                // Calls that come now are refused with 503, not left to ring.
                Some(incoming) = self.incoming.recv() => self.take(incoming),
            }
        }
        self.shared.calls.close();
        // Customers whom we have called back are on no line of ours.
        tokio::select! {
            () = self.shared.calls.wait() => {}
            () = &mut deadline, if !deadline.is_elapsed() => self.shared.stop_calls.cancel(),
        }
        if timeout(ENDING_LIMIT, self.shared.calls.wait()).await.is_err() {
            tracing::error!("calls did not end when they were told to");
        }
        let left = deadline.deadline().saturating_duration_since(tokio::time::Instant::now());
        self.shared.services.promises.finish(left).await;
        self.stop_background.cancel();
        self.background.close();
        self.background.wait().await;
        self.sip.shutdown().await;
        self.shared.services.actions.close().await;
        if let Err(error) = self.shared.services.store.close().await {
            tracing::error!(%error, "the records were not closed cleanly");
        }
    }
}

impl Shared {
    /// What it takes to call customers back.
    fn calling_back(&self) -> CallingBack {
        CallingBack {
            people: self.people.clone(),
            live: self.live.clone(),
            near: near(&self.config),
            calls: self.calls.clone(),
            stop: self.stop_calls.clone(),
        }
    }
}

/// Takes what pages of callers ask for, until the floor is gone, which passes it on.
async fn answer_pages(web_calls: WebCalls, mut asks: mpsc::Receiver<Ask>) {
    while let Some(ask) = asks.recv().await {
        if web_calls.handle(ask).is_some() {
            tracing::error!("a page asked for something that nobody does");
        }
    }
}

/// Takes hand-offs that had to be saved beside the database into it.
async fn import_saved(store: &Store, data_dir: &Path) -> Result<(), StoreError> {
    let imported = import_unsaved(store, data_dir).await?;
    if imported.taken > 0 || !imported.unreadable.is_empty() {
        tracing::warn!(?imported, "hand-offs that had been saved beside the database");
    }
    Ok(())
}

/// A database that comes back gets the hand-offs it missed, and with them the webhook.
async fn keep_importing(store: Store, data_dir: PathBuf, stop: CancellationToken) {
    let mut every = tokio::time::interval(IMPORT_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = import_saved(&store, &data_dir).await {
            tracing::warn!(%error, "saved hand-offs stay where they are for now");
        }
    }
}

/// The floor, and the ways to it.
struct FloorSide {
    task: FloorTask,
    /// For calls.
    people: People,
    /// For pages.
    backend: Backend,
    /// Customers whom it wants to be called back.
    callbacks: mpsc::Receiver<CallbackJob>,
    /// What pages of callers ask, which it passes on.
    browser_asks: mpsc::Receiver<Ask>,
}

/// Brings queues, desks and callbacks in order after whatever ended the program before.
async fn open_floor(
    config: &Config,
    services: &Services,
    profiles: &Profiles,
    (transfers, live): (Transfers, Live),
    stop: &CancellationToken,
) -> Result<FloorSide, StoreError> {
    let (asks, asked) = mpsc::channel(ASKS_LEN_MAX);
    let (passed_on, browser_asks) = mpsc::channel(ASKS_LEN_MAX);
    let (task, handles) = FloorTask::prepare(FloorParts {
        config: config.clone(),
        store: services.store.clone(),
        running: profiles.running(),
        asks: asked,
        browser_asks: passed_on,
        live: live.clone(),
        stop: stop.clone(),
    })
    .await?;
    let FloorHandles { acd, floor, callbacks } = handles;
    let helpers = (services.engines.clone(), Arc::clone(&services.metrics));
    let people = People::new(config, (acd, transfers), helpers);
    let load = services.load.view();
    let backend = Backend { asks, floor, live, load };
    Ok(FloorSide { task, people, backend, callbacks, browser_asks })
}

/// Reads the certificates again at SIGHUP, as whoever renews certificates expects.
async fn renew_certificates(sip: SipEndpoint, web: Option<Tls>, stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            came = hangup.recv() => if came.is_none() { return },
        }
        if let Err(error) = sip.reload_certificate() {
            tracing::error!(%error, "the certificate in force stays");
        }
        if let Some(Err(error)) = web.as_ref().map(Tls::reload) {
            tracing::error!(%error, "the certificate in force for pages stays");
        }
    }
}

fn sip_config(config: &Config) -> Result<SipConfig, SipError> {
    let of = |wanted: Transport| {
        let matching = config.sip.listen.iter().filter(move |l| l.transport == wanted);
        matching.map(|l| l.address).collect()
    };
    let certificate = config.sip.certificate.clone();
    Ok(SipConfig {
        udp: of(Transport::Udp),
        tcp: of(Transport::Tcp),
        tls: of(Transport::Tls),
        ws: of(Transport::Ws),
        wss: of(Transport::Wss),
        trace: config.sip.trace,
        certificate: certificate.map(|c| TlsFiles { certificate: c.certificate, key: c.key }),
        tls_ca: config.sip.tls_ca.clone(),
        advertise_ip: config.sip.advertise_ip,
        user_agent: concat!("frontdoor/", env!("CARGO_PKG_VERSION")).to_owned(),
        incoming_queue_len_max: config.sip.incoming_queue_len_max,
        session: SessionLimits {
            expires_s: config.sip.session_expires_s,
            min_s: config.sip.session_min_s,
        },
        access: Access::from_config(config)?,
        registrations: RegisterPlan::from_config(config)?,
        keepalives: KeepalivePlan::from_config(config),
        dns_server: config.sip.dns_server,
        vacancy: None,
    })
}

/// How conversations are held under this configuration, today.
pub fn rules(config: &Config) -> Rules {
    let verifications = config.verifications.iter().map(|(name, verification)| {
        let rule = VerificationRule {
            action: ActionName::new(verification.action.as_str()),
            attempts_max: verification.attempts_max,
        };
        (VerificationName::new(name.as_str()), rule)
    });
    let inputs = config
        .actions
        .values()
        .map(|action| (ActionName::new(action.name.as_str()), action.inputs.clone()));
    Rules {
        policy: ConfidencePolicy {
            accept: config.understanding.accept_confidence,
            confirm: config.understanding.confirm_confidence,
            ..ConfidencePolicy::default()
        },
        failures_max: config.conversation.failures_max,
        verifications: verifications.collect(),
        action_inputs: inputs.collect(),
        transfers: config.transfers.keys().map(|queue| QueueName::new(queue.as_str())).collect(),
        staffed: BTreeSet::new(),
        callback: None,
        record: config.caller_lookup.as_ref().map(record_meaning).unwrap_or_default(),
        recording: match config.recording.asks() {
            true => RecordingConsent::Asked,
            false => RecordingConsent::NotAsked,
        },
        today: today(),
    }
}

/// What the fields of a caller's record mean.
fn record_meaning(lookup: &CallerLookupConfig) -> RecordMeaning {
    RecordMeaning {
        tier: lookup.tier.clone(),
        open_tickets: lookup.open_tickets.clone(),
        ticket_subject: lookup.ticket_subject.clone(),
        language: lookup.language.clone(),
        priority_up: lookup.priority_up.clone(),
        skills: lookup.skills.clone(),
    }
}

/// Queues of `[transfers]` that are in none of these prompt files.
pub fn unknown_transfers<'c>(config: &'c Config, generations: &[&Generation]) -> Vec<&'c str> {
    let known = |queue: &str| {
        generations.iter().any(|generation| generation.queues.keys().any(|q| q.as_str() == queue))
    };
    config.transfers.keys().map(String::as_str).filter(|queue| !known(queue)).collect()
}

/// The local calendar day.
pub(super) fn today() -> (i32, u8, u8) {
    let date = jiff::Zoned::now().date();
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}
