//! What other programs may ask over HTTP: is it well, what was counted, and a hand-off by its
//! reference.
//!
//! Job: three routes, a token, few connections for a short time each. Non-job: anything that
//! changes something. Off unless `[http] listen` is given, and beyond this machine only with a
//! token.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, HttpConfig};
use crate::net::sip::SipEndpoint;
use crate::store::{AuditAction, HandoffId, Scope, Store, StoreError, Who};
use crate::web::secret::{Digest, bearer};
use crate::web::{Peer, VisitLimits, VisitTime, Visitors, token_subject};

use super::admission::Admission;
use super::exposition;
use super::load::Load;
use super::metrics::{Metrics, Sources};
use super::profiles::InForce;
use super::{Engines, ServerError};

/// Connections at once; more wait in the kernel's backlog. They take descriptors from the telephone.
const VISITS_MAX: usize = 16;
/// How long a connection may last, whatever is or is not said on it.
const VISIT_LIMIT: Duration = Duration::from_secs(30);
/// How long answers that are under way are waited for when the server stops.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// What is looked at.
pub(super) struct Watched {
    pub sip: SipEndpoint,
    pub admission: Admission,
    pub load: Load,
    pub store: Store,
    pub metrics: Arc<Metrics>,
    /// None where no models are loaded.
    pub engines: Option<Engines>,
    pub in_force: InForce,
    /// What each model is for, and its name.
    pub models: BTreeMap<&'static str, String>,
    /// What whoever asks must know.
    pub token: Option<Digest>,
}

/// What the models are for, and their names.
pub(super) fn models(config: &Config) -> BTreeMap<&'static str, String> {
    let mut models = BTreeMap::from([
        ("hearing", config.hearing.model.clone()),
        ("understanding", config.understanding.encoder.clone()),
        ("voice", config.voice.model.clone()),
    ]);
    if let Some(second) = &config.hearing.second_model {
        models.insert("hearing_second", second.clone());
    }
    models
}

/// In the audit, the token that the configuration names.
const OF_THE_FILE: &str = "[http] token_env";

impl Watched {
    /// Whether whoever asks may know more than that somebody is here.
    async fn may_be_seen_by(&self, headers: &HeaderMap, scope: Scope) -> bool {
        let Some(expected) = &self.token else { return true };
        self.is_shown(expected, headers, scope).await.is_some()
    }

    /// Who asks, if the request has the token, or one that an admin has made for this.
    async fn is_shown(&self, expected: &Digest, headers: &HeaderMap, scope: Scope) -> Option<Who> {
        let token = bearer(headers)?;
        if expected.is_of(token) {
            return Some(Who::Token(OF_THE_FILE.to_owned()));
        }
        match self.store.token(&Digest::of(token).to_hex()).await {
            Ok(found) => {
                let found = found.filter(|found| found.scopes.contains(&scope))?;
                Some(Who::Token(token_subject(&found)))
            }
            Err(error) => {
                tracing::warn!(%error, "a token cannot be looked up");
                None
            }
        }
    }
}

/// Opens the listener and reads the token; says where it listens.
///
/// # Errors
/// Somebody else has the address, or the token is not in the environment.
pub(super) async fn open(
    config: &HttpConfig,
) -> Result<(TcpListener, Option<Digest>, SocketAddr), ServerError> {
    let token = match &config.token_env {
        None => None,
        Some(variable) => {
            // A file that it was read from ends its line.
            let token = std::env::var(variable).ok().map(|token| token.trim().to_owned());
            let token = token.filter(|token| !token.is_empty());
            let missing = || ServerError::HttpTokenMissing { variable: variable.clone() };
            Some(Digest::of(&token.ok_or_else(missing)?))
        }
    };
    let address = config.listen;
    let failed = |source| ServerError::Http { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, token, local))
}

/// Answers until `stop` is cancelled.
pub(super) async fn serve(listener: TcpListener, watched: Watched, stop: CancellationToken) {
    let router = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/handoffs/{reference}", get(handoff))
        .with_state(Arc::new(watched));
    let limits = VisitLimits {
        at_once: VISITS_MAX,
        per_source: VISITS_MAX,
        exempt: Vec::new(),
        time: VisitTime::Altogether(VISIT_LIMIT),
    };
    let visitors = Visitors::new(listener, None, limits);
    let stopped = stop.clone().cancelled_owned();
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(visitors, service).with_graceful_shutdown(stopped);
    let limit = async {
        stop.cancelled().await;
        tokio::time::sleep(LEAVE_LIMIT).await;
    };
    tokio::select! {
        served = serving.into_future() => {
            if let Err(error) = served {
                tracing::error!(%error, "HTTP is no longer served");
            }
        }
        () = limit => {}
    }
}

fn failed(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

fn unauthorized(error: &str) -> Response {
    let challenge = [(WWW_AUTHENTICATE, "Bearer realm=\"frontdoor\"")];
    (challenge, failed(StatusCode::UNAUTHORIZED, error)).into_response()
}

/// 200 while calls are taken, 503 while the server stops: what load balancers go by.
async fn health(State(watched): State<Arc<Watched>>, headers: HeaderMap) -> Response {
    let (status, word) = match watched.admission.is_draining() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let mut told = json!({ "status": word });
    if watched.may_be_seen_by(&headers, Scope::Metrics).await {
        let prompts =
            watched.in_force.generations().into_iter().map(
                |(profile, generation)| json!({ "profile": profile, "generation": generation }),
            );
        told["version"] = env!("CARGO_PKG_VERSION").into();
        told["calls_in_progress"] = watched.admission.in_progress().into();
        told["effort"] = watched.load.latest().effort.into();
        told["models"] = json!(watched.models);
        told["prompts"] = prompts.collect();
    }
    (status, Json(told)).into_response()
}

async fn metrics(State(watched): State<Arc<Watched>>, headers: HeaderMap) -> Response {
    if !watched.may_be_seen_by(&headers, Scope::Metrics).await {
        return unauthorized("the token is missing or wrong");
    }
    let webhooks_waiting = match watched.store.webhooks_waiting().await {
        Ok(waiting) => Some(waiting),
        Err(error) => {
            tracing::warn!(%error, "the outbox is not among the metrics");
            None
        }
    };
    let sources = Sources {
        calls_in_progress: watched.admission.in_progress(),
        is_draining: watched.admission.is_draining(),
        load: watched.load.clone(),
        sip: watched.sip.counters(),
        registrations: watched.sip.registrations(),
        engines: watched.engines.as_ref(),
        webhooks_waiting,
        generations: watched.in_force.generations(),
    };
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], watched.metrics.text(&sources)).into_response()
}

async fn handoff(
    State(watched): State<Arc<Watched>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(reference): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(token) = &watched.token else {
        return unauthorized("hand-offs are given with a token only: set http.token_env");
    };
    let Some(who) = watched.is_shown(token, &headers, Scope::Handoffs).await else {
        return unauthorized("the token is missing or wrong");
    };
    match noted_by_reference(&watched.store, &reference, (&who, peer)).await {
        Ok(Some(json)) => {
            tracing::info!("a hand-off was fetched");
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (headers, json).into_response()
        }
        Ok(None) => failed(StatusCode::NOT_FOUND, "there is no hand-off of this reference"),
        Err(error) => {
            tracing::error!(%error, "a hand-off could not be read");
            failed(StatusCode::SERVICE_UNAVAILABLE, "the records cannot be read at present")
        }
    }
}

/// The same, once it is in the audit who has it.
async fn noted_by_reference(
    store: &Store,
    reference: &str,
    (who, peer): (&Who, SocketAddr),
) -> Result<Option<String>, StoreError> {
    let Some(json) = by_reference(store, reference).await? else { return Ok(None) };
    let (action, source) = (AuditAction::HandoffFetched, peer.ip().to_string());
    store.note_audit(jiff::Timestamp::now(), who, action, reference, &source).await?;
    Ok(Some(json))
}

/// The hand-off of this reference (that in User-to-User), as JSON. The id that the webhook is given
/// leads there as well.
async fn by_reference(store: &Store, reference: &str) -> Result<Option<String>, StoreError> {
    if let Some(json) = store.handoff_by_reference(reference).await? {
        return Ok(Some(json));
    }
    let Ok(id) = reference.parse::<HandoffId>() else { return Ok(None) };
    let handoff = store.handoff(id).await?;
    Ok(handoff.and_then(|handoff| serde_json::to_string(&handoff).ok()))
}

#[cfg(test)]
mod tests;
