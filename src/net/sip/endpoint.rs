//! The endpoint: binds the listeners, hands requests to their dialogs, opens new ones, and closes
//! everything in order.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{
    Accept, AcceptEncoding, Allow, Header, Method, Request, Response, RetryAfter, Supported,
};
use rsipstack::transaction::endpoint::EndpointOption;
use rsipstack::transaction::{Transaction, TransactionReceiver};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::address::{SipUri, tag_of};
use super::counters::{Counters, SipCountersSnapshot};
use super::dialog::{Dialog, DialogKey, Parts, cseq_of, finish, refusal, response};
use super::door::{Access, Door};
use super::hops::Hop;
use super::incoming::{IncomingCall, offered};
use super::keepalive::{ALARM_QUEUE_LEN_MAX, KeepalivePlan, Keeper, TrunkReach};
use super::links::{Transport, Wire, local_ip_toward};
use super::names::Names;
use super::outgoing::{OutgoingCall, OutgoingRequest, place};
use super::ping::{Pong, ping};
use super::refusal::RefusalCause;
use super::register::{RegisterPlan, Registrar};
use super::registration::RegistrationState;
use super::registry::{Origin, Registry};
use super::replaces::Replaces;
use super::session::{value_of, words_of};
use super::session_timer::SessionLimits;
use super::tap::{Outlet, RefusedInvite, SipTrace, Tap};
use super::tls::{Tls, TlsFiles};
use super::vacancy::{Full, Vacancy};
use super::{ACCEPT, ALLOW, SUPPORTED, SipError};

/// How long `shutdown` waits for BYEs to be answered.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(4);

/// Where to listen, and how to present ourselves.
#[derive(Debug, Clone, Default)]
pub struct SipConfig {
    /// UDP addresses; port 0 takes any, here as below.
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// TLS addresses; they need [`SipConfig::certificate`].
    pub tls: Vec<SocketAddr>,
    /// WebSocket addresses.
    pub ws: Vec<SocketAddr>,
    /// WebSocket addresses within TLS; they need [`SipConfig::certificate`].
    pub wss: Vec<SocketAddr>,
    /// Our certificate.
    pub certificate: Option<TlsFiles>,
    /// The authorities (PEM) whose certificates are believed where we connect over TLS, instead of
    /// those that this machine trusts.
    pub tls_ca: Option<PathBuf>,
    /// The IP address that peers are told, if it is not the one bound (NAT, containers).
    pub advertise_ip: Option<IpAddr>,
    /// Sent as `User-Agent` and `Server`.
    pub user_agent: String,
    /// Calls that wait to be taken from the receiver; more are refused with 503 and Retry-After.
    pub incoming_queue_len_max: usize,
    /// How long calls may last without a sign of life of the other side (RFC 4028).
    pub session: SessionLimits,
    /// Who may call.
    pub access: Access,
    /// Where we are to be registered.
    pub registrations: Vec<RegisterPlan>,
    /// Who is to be asked whether they are there.
    pub keepalives: Vec<KeepalivePlan>,
    /// The DNS server that is asked for SIP servers, instead of the machine's own.
    pub dns_server: Option<SocketAddr>,
    /// Who says whether another call would be taken; without it, it is taken while there is room in
    /// the queue.
    pub vacancy: Option<Arc<dyn Vacancy>>,
    /// Whether the messages of calls are kept, redacted, until they are asked for.
    pub trace: bool,
}

/// A running SIP endpoint. A cheap handle: clones are the same endpoint, which runs until
/// [`SipEndpoint::shutdown`].
#[derive(Clone)]
pub struct SipEndpoint {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Arc<Wire>,
    registry: Arc<Registry>,
    local_addrs: Vec<(Transport, SocketAddr)>,
    /// No more calls are taken; those that are open go on.
    closed_to_calls: AtomicBool,
    drain: CancellationToken,
    /// Cancelled when no more calls are to be sent to us, at the latest with `drain`.
    leave: CancellationToken,
    registrations: Vec<(String, watch::Receiver<RegistrationState>)>,
    trunks: Vec<watch::Receiver<TrunkReach>>,
    vacancy: Option<Arc<dyn Vacancy>>,
}

impl SipEndpoint {
    /// Binds every listener and starts to serve.
    ///
    /// # Errors
    /// [`SipError::AddressInUse`] and [`SipError::Bind`] name the listener that failed; then none
    /// is left open.
    pub async fn bind(config: SipConfig) -> Result<(Self, mpsc::Receiver<IncomingCall>), SipError> {
        Self::bind_with(config, EndpointOption::default()).await
    }

    /// As [`SipEndpoint::bind`], with other timers; the ACK stays ours, because the library's would
    /// choose its own way to the peer.
    pub(super) async fn bind_with(
        config: SipConfig,
        option: EndpointOption,
    ) -> Result<(Self, mpsc::Receiver<IncomingCall>), SipError> {
        let tls = Tls::open(config.certificate.clone(), config.tls_ca.clone())?;
        let (udp, streams) = open_sockets(&config).await?;
        let option = EndpointOption { auto_ack_2xx: false, ..option };
        let tap = Arc::new(Tap::new(config.trace));
        let mut builder = EndpointBuilder::new();
        builder.with_user_agent(&config.user_agent).with_option(option);
        if tap.is_on() {
            builder.with_inspector(Box::new(Outlet(tap.clone())));
        }
        let stack = builder.build();
        let transactions = stack.incoming_transactions()?;
        let mut ports = BTreeMap::new();
        for (transport, _, address) in &streams {
            ports.entry(*transport).or_insert(address.port());
        }
        let stack = stack.inner.clone();
        let (to_server, calls) = mpsc::channel(config.incoming_queue_len_max.max(1));
        let room = to_server.downgrade();
        let door = Door::new(config.access);
        let registry = Arc::new(Registry::new(config.session));
        let us = (config.user_agent, config.advertise_ip);
        let peers = (tls, Names::new(config.dns_server));
        let wire = Wire::new((stack, tap), us, ports, peers, door, room, registry.clone());
        let wire = Arc::new(wire);
        let mut local_addrs = Vec::new();
        for (socket, address) in udp {
            local_addrs.push((Transport::Udp, address));
            wire.serve_udp(socket, address).await;
        }
        for (transport, listener, address) in streams {
            local_addrs.push((transport, address));
            wire.serve_streams(listener, transport, address.port());
        }
        let timers = wire.stack.clone();
        wire.spawn(async move { timers.process_timer().await });
        let drain = CancellationToken::new();
        let leave = drain.child_token();
        let mut registrations = Vec::new();
        let mut to_registrars = BTreeMap::new();
        for plan in config.registrations {
            let trunk = plan.trunk.clone();
            let (to_registrar, alarms) = mpsc::channel(ALARM_QUEUE_LEN_MAX);
            to_registrars.insert(trunk.clone(), to_registrar);
            let registrar = Registrar::new(&wire, plan, alarms);
            registrations.push((trunk, registrar.state()));
            registry.legs.spawn(registrar.run(leave.clone()));
        }
        let mut trunks = Vec::new();
        for KeepalivePlan { trunk, uris, every } in config.keepalives {
            for uri in uris {
                let alarms = to_registrars.get(&trunk).cloned();
                let keeper = Keeper::new(&wire, (trunk.as_str(), uri.as_str()), every, alarms);
                trunks.push(keeper.state());
                wire.spawn(keeper.run());
            }
        }
        let inner = Arc::new(Inner {
            wire,
            registry,
            local_addrs,
            closed_to_calls: AtomicBool::new(false),
            drain,
            leave,
            registrations,
            trunks,
            vacancy: config.vacancy,
        });
        inner.wire.spawn(inner.clone().dispatch(transactions, to_server));
        Ok((Self { inner }, calls))
    }

    /// Asks a peer whether it is there (OPTIONS): its servers in turn, until one is in service.
    ///
    /// # Errors
    /// There is no way there, or no answer within 5 s of any of the first three.
    pub async fn ping(&self, uri: &str) -> Result<Pong, SipError> {
        ping(&self.inner.wire, uri).await
    }

    /// How each registration stands, by its trunk.
    pub fn registrations(&self) -> Vec<(String, RegistrationState)> {
        let all = self.inner.registrations.iter();
        all.map(|(trunk, state)| (trunk.clone(), state.borrow().clone())).collect()
    }

    /// How each address of a trunk stands that is asked whether it is there.
    pub fn trunks(&self) -> Vec<TrunkReach> {
        self.inner.trunks.iter().map(|reach| reach.borrow().clone()).collect()
    }

    /// The servers that a SIP URI leads to, in the order in which they would be tried (RFC 3263).
    ///
    /// # Errors
    /// It is no URI that can be reached, or its host has no address.
    pub async fn servers(&self, uri: &str) -> Result<Vec<Hop>, SipError> {
        let target = SipUri::parse(uri).filter(SipUri::is_within_reach);
        let target = target.ok_or_else(|| SipError::BadTarget { uri: uri.to_owned().into() })?;
        Ok(self.inner.wire.ways_to(&target).await?.hops().to_vec())
    }

    #[cfg(test)]
    pub(super) fn trunk_reach(&self, at: usize) -> watch::Receiver<TrunkReach> {
        self.inner.trunks[at].clone()
    }

    #[cfg(test)]
    pub(super) fn registration_state(&self, at: usize) -> watch::Receiver<RegistrationState> {
        self.inner.registrations[at].1.clone()
    }

    /// Takes our registrations back, so that new calls go elsewhere; calls in progress go on.
    pub fn unregister(&self) {
        self.inner.leave.cancel();
    }

    /// Reads our certificate and the authorities again; connections that are open stay as they are.
    ///
    /// # Errors
    /// A file cannot be used; then everything stays as it was.
    pub fn reload_certificate(&self) -> Result<(), SipError> {
        self.inner.wire.tls.reload()
    }

    /// The listeners with their real ports.
    pub fn local_addrs(&self) -> Vec<(Transport, SocketAddr)> {
        self.inner.local_addrs.clone()
    }

    /// The address to name in SDP toward a peer: the advertised one, else the one the kernel would
    /// send from.
    pub fn local_ip_toward(&self, peer: SocketAddr) -> Option<IpAddr> {
        self.inner.wire.advertise_ip.or_else(|| local_ip_toward(peer))
    }

    /// What was counted so far.
    pub fn counters(&self) -> SipCountersSnapshot {
        self.inner.wire.counters.snapshot()
    }

    /// The messages of a call, by its Call-ID, once its end has been seen; whatever there is after
    /// `limit`. Given once; `None` where nothing was kept.
    pub async fn take_trace(&self, sip_call_id: &str, limit: Duration) -> Option<SipTrace> {
        self.inner.wire.tap.take(sip_call_id, limit).await
    }

    /// From now on the messages of one more Call-ID belong to a call's trace: those of a leg that
    /// takes it over, or of somebody who is asked about it.
    pub fn join_trace(&self, further: &str, first: &str) {
        self.inner.wire.tap.join(further, first);
    }

    /// The calls that were refused before they were answered, since this was asked last; the latest
    /// 50.
    pub fn take_refused(&self) -> Vec<RefusedInvite> {
        self.inner.wire.tap.take_refused()
    }

    /// Places a call.
    ///
    /// # Errors
    /// The target is no SIP address, or there is no way to it.
    pub async fn place_call(&self, request: OutgoingRequest) -> Result<OutgoingCall, SipError> {
        if self.inner.drain.is_cancelled() {
            return Err(SipError::ShuttingDown);
        }
        let Inner { wire, registry, drain, .. } = &*self.inner;
        place(wire, registry, drain.clone(), request).await
    }

    /// From now on new calls, and OPTIONS that ask whether one would be taken, are refused with 503;
    /// calls in progress go on.
    pub fn refuse_new_calls(&self) {
        self.inner.closed_to_calls.store(true, Ordering::Relaxed);
    }

    /// Refuses what comes, hangs up what is open (waiting at most 4 s for the answers), and stops
    /// listening.
    pub async fn shutdown(&self) {
        let Inner { wire, registry, drain, .. } = &*self.inner;
        drain.cancel();
        registry.legs.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, registry.legs.wait()).await.is_err() {
            tracing::warn!("some SIP peers did not answer our BYE; leaving without it");
        }
        wire.stop.cancel();
        wire.tasks.close();
        wire.tasks.wait().await;
    }

    /// Whether `uri` is an address that [`SipEndpoint::place_call`] could call.
    pub fn is_callable(uri: &str) -> bool {
        SipUri::parse(uri).is_some_and(|uri| uri.is_within_reach())
    }
}

type Udp = Vec<(UdpSocket, SocketAddr)>;
type Streams = Vec<(Transport, TcpListener, SocketAddr)>;

async fn open_sockets(config: &SipConfig) -> Result<(Udp, Streams), SipError> {
    let failed = |transport, address| {
        move |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => SipError::AddressInUse { address, transport },
            _ => SipError::Bind { address, transport, source },
        }
    };
    let (mut udp, mut streams) = (Vec::new(), Vec::new());
    for &address in &config.udp {
        let fail = failed(Transport::Udp, address);
        let socket = UdpSocket::bind(address).await.map_err(fail)?;
        let local = socket.local_addr().map_err(failed(Transport::Udp, address))?;
        udp.push((socket, local));
    }
    let kinds = [
        (Transport::Tcp, &config.tcp),
        (Transport::Tls, &config.tls),
        (Transport::Ws, &config.ws),
        (Transport::Wss, &config.wss),
    ];
    for (transport, addresses) in kinds {
        if transport.is_encrypted() && !addresses.is_empty() && config.certificate.is_none() {
            return Err(SipError::NoCertificate);
        }
        for &address in addresses {
            let fail = failed(transport, address);
            let listener = TcpListener::bind(address).await.map_err(fail)?;
            let local = listener.local_addr().map_err(failed(transport, address))?;
            streams.push((transport, listener, local));
        }
    }
    if udp.is_empty() && streams.is_empty() {
        return Err(SipError::NoListener);
    }
    Ok((udp, streams))
}

/// What OPTIONS is answered with (RFC 3261 11.2).
pub(super) fn options_parts() -> Parts {
    let headers = vec![
        Header::Allow(Allow::new(ALLOW)),
        Header::Accept(Accept::new(ACCEPT)),
        Header::AcceptEncoding(AcceptEncoding::new("identity")),
        Header::Supported(Supported::new(SUPPORTED)),
    ];
    Parts { headers, ..Parts::default() }
}

impl Inner {
    async fn dispatch(
        self: Arc<Self>,
        mut transactions: TransactionReceiver,
        to_server: mpsc::Sender<IncomingCall>,
    ) {
        while let Some(transaction) = transactions.recv().await {
            self.on_transaction(transaction, &to_server);
        }
    }

    fn on_transaction(&self, transaction: Transaction, to_server: &mpsc::Sender<IncomingCall>) {
        let request = &transaction.original;
        let to_tag = request.to_header().ok().and_then(|to| tag_of(to.value()));
        let cause = match (&request.method, to_tag) {
            (_, Some(local_tag)) => return self.to_dialog(transaction, local_tag),
            (Method::Invite, None) => return self.on_invite(transaction, to_server),
            // Answered as an INVITE would be (RFC 3261 11.2).
            (Method::Options, None) => match self.closed(to_server) {
                Some(cause) => cause,
                None => {
                    let answer = self.answer_to_question(request);
                    return finish(&self.wire, transaction, answer);
                }
            },
            (Method::Bye | Method::Update | Method::PRack | Method::Info, None) => {
                RefusalCause::NoDialog
            }
            (Method::Refer, None) => RefusalCause::TransferByCaller,
            _ => RefusalCause::MethodNotAllowed,
        };
        self.refuse(transaction, cause);
    }

    fn refuse(&self, transaction: Transaction, cause: RefusalCause) {
        let refusal = refusal(&self.wire, &transaction.original, cause);
        finish(&self.wire, transaction, refusal);
    }

    /// The answer to an OPTIONS that was let in: what we can do, or, as an INVITE would be
    /// answered, which limit is reached.
    fn answer_to_question(&self, request: &Request) -> Response {
        let full = self.vacancy.as_ref().and_then(|vacancy| {
            let (_, source) = self.wire.origin(request)?;
            let trunk = self.wire.door.trunk_by_address(source.ip());
            vacancy.full(trunk.as_deref(), source.ip())
        });
        let Some(Full { reason, retry_after_s }) = full else {
            return response(&self.wire, request, 200, options_parts());
        };
        let mut parts = Parts::explaining(503, &reason);
        parts.headers.push(Header::RetryAfter(RetryAfter::new(retry_after_s.to_string())));
        response(&self.wire, request, 503, parts)
    }

    /// Why no call can be taken at present.
    fn closed(&self, to_server: &mpsc::Sender<IncomingCall>) -> Option<RefusalCause> {
        if self.drain.is_cancelled() || self.closed_to_calls.load(Ordering::Relaxed) {
            return Some(RefusalCause::Draining);
        }
        (to_server.capacity() == 0).then_some(RefusalCause::CallQueueFull)
    }

    fn to_dialog(&self, transaction: Transaction, local_tag: String) {
        let request = &transaction.original;
        let from_tag = request.from_header().ok().and_then(|from| tag_of(from.value()));
        let key = DialogKey {
            call_id: request.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default(),
            local_tag,
            remote_tag: from_tag.unwrap_or_default(),
        };
        let Some(dialog) = self.registry.dialog(&key) else {
            return self.refuse(transaction, RefusalCause::NoDialog);
        };
        match dialog.try_send(transaction) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(transaction)) => {
                self.refuse(transaction, RefusalCause::DialogQueueFull);
            }
            Err(mpsc::error::TrySendError::Closed(transaction)) => {
                self.refuse(transaction, RefusalCause::NoDialog);
            }
        }
    }

    fn on_invite(&self, transaction: Transaction, to_server: &mpsc::Sender<IncomingCall>) {
        let Some((link, source)) = self.wire.origin(&transaction.original) else {
            // Its connection closed in between: nobody is left to answer.
            return;
        };
        if !self.wire.was_admitted(&transaction.original) {
            // Taken for a repetition of a request that was forgotten in the same moment.
            return self.refuse(transaction, RefusalCause::NoDialog);
        }
        let (trunk, _) = self.wire.noted(&transaction.original);
        let origin = Origin { ip: source.ip(), trunk };
        let place = match self.place_for(&transaction, to_server, &origin) {
            Ok(place) => place,
            Err(cause) => return self.refuse(transaction, cause),
        };
        let request = &transaction.original;
        let Ok(dialog) = Dialog::as_callee(&self.wire, request, link, source) else {
            return self.refuse(transaction, RefusalCause::NoDialogPossible);
        };
        let key = (dialog.key.call_id.clone(), dialog.key.remote_tag.clone(), cseq_of(request));
        if self.registry.is_merged(&key) {
            return self.refuse(transaction, RefusalCause::Merged);
        }
        let (registration, requests) =
            Registry::register(&self.registry, &self.wire, dialog.key.clone(), Some(key));
        let drain = self.drain.clone();
        let (call, task) = offered(&self.wire, &transaction, dialog, registration, requests, drain);
        Counters::add(&self.wire.counters.calls_offered);
        self.registry.legs.spawn(task.run(transaction));
        match place {
            Place::Queue(permit) => permit.send(call),
            Place::Takeover(permit) => _ = permit.send(call),
        }
    }

    /// Where a new call goes.
    fn place_for<'a>(
        &self,
        transaction: &Transaction,
        to_server: &'a mpsc::Sender<IncomingCall>,
        origin: &Origin,
    ) -> Result<Place<'a>, RefusalCause> {
        let request = &transaction.original;
        let words = words_of(&request.headers);
        let limits = self.registry.session;
        if words.is_too_short(limits) {
            return Err(RefusalCause::SessionTooShort { min_s: limits.min_s });
        }
        if let Some(value) = value_of(&request.headers, "Replaces") {
            // It needs no line of its own, so it is taken while others are refused.
            let replaces = Replaces::parse(value).ok_or(RefusalCause::BadReplaces)?;
            return self.registry.take_over(&replaces, origin).map(Place::Takeover);
        }
        if let Some(cause) = self.closed(to_server) {
            return Err(cause);
        }
        // A full queue is seen before there is a transaction; this is for what came at once.
        to_server.try_reserve().map(Place::Queue).map_err(|_| RefusalCause::CallQueueFull)
    }
}

/// Where a new call waits to be taken.
enum Place<'a> {
    /// With the other new ones.
    Queue(mpsc::Permit<'a, IncomingCall>),
    /// With the call that it takes over.
    Takeover(mpsc::OwnedPermit<IncomingCall>),
}
