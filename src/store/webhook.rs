//! Posting hand-offs to the organisation's webhook: signed, repeated for a day, never forgotten.
//!
//! The receiver checks `Frontdoor-Signature: t=<unix seconds>,v1=<hex>`, where the hexadecimal part
//! is HMAC-SHA-256 (RFC 2104) over `<t>.<body>` with the shared key, refuses a `t` far from its own
//! clock, and drops an `Idempotency-Key` that it has seen.

use std::time::Duration;

use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::base::Pii;
use crate::config::WebhookConfig;

use super::handoffs::DueWebhook;
use super::{Store, StoreError, WebhookMark};

/// Deliveries of one round, one after another.
const BATCH_MAX: u32 = 20;
/// Pause after the first failed try; it doubles each time.
const BACKOFF_BASE: SignedDuration = SignedDuration::from_secs(5);
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(1);
/// A hand-off that nobody took for a day is given up, and told as failed.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// How long the worker sleeps at most: another process may fill the outbox, or the clock jump.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why there can be no webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The key is not in the environment.
    #[error(
        "handoff.webhook_secret_env names the environment variable {variable}, which is not set. \
         Set it before starting frontdoor"
    )]
    SecretMissing {
        /// The variable.
        variable: String,
    },
    /// No HTTP client can be made.
    #[error("the HTTP client for the webhook cannot be made: {0}")]
    Client(#[source] reqwest::Error),
}

/// Where hand-offs go, and the key that signs them.
#[derive(Debug, Clone)]
pub struct WebhookTarget {
    client: Client,
    url: String,
    secret: Pii<Vec<u8>>,
}

impl WebhookTarget {
    /// The target of a configuration; the key is read from the environment.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn from_config(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let secret = std::env::var(&config.secret_env).ok().filter(|secret| !secret.is_empty());
        let secret = secret
            .ok_or_else(|| WebhookError::SecretMissing { variable: config.secret_env.clone() })?;
        let timeout = Duration::from_millis(config.timeout_ms);
        Self::new(&config.url, secret.into_bytes(), timeout)
    }

    /// A target from its parts. `timeout` is for one delivery.
    ///
    /// # Errors
    /// [`WebhookError::Client`].
    pub fn new(url: &str, secret: Vec<u8>, timeout: Duration) -> Result<Self, WebhookError> {
        let client = Client::builder()
            .user_agent(concat!("frontdoor/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(WebhookError::Client)?;
        Ok(Self { client, url: url.to_owned(), secret: Pii::new(secret) })
    }

    async fn post(&self, due: &DueWebhook, now: Timestamp) -> Result<(), Refusal> {
        let response = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("idempotency-key", &due.idempotency_key)
            .header("frontdoor-handoff-id", due.handoff.to_string())
            .header("frontdoor-signature", signature(self.secret.expose(), now, &due.json))
            .body(due.json.clone())
            .send()
            .await
            .map_err(|error| Refusal::ForNow(error.without_url().to_string()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            // "Never again" in so many words. Everything else may be a mistake being mended.
            StatusCode::GONE => Err(Refusal::ForGood("HTTP 410".to_owned())),
            status => Err(Refusal::ForNow(format!("HTTP {}", status.as_u16()))),
        }
    }
}

enum Refusal {
    ForNow(String),
    ForGood(String),
}

/// The value of `Frontdoor-Signature` for a body posted at `at`.
pub fn signature(secret: &[u8], at: Timestamp, body: &str) -> String {
    let seconds = at.as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// What came of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Taken by the other side.
    pub delivered: u32,
    /// To be tried again.
    pub retried: u32,
    /// Given up.
    pub failed: u32,
}

/// Posts what is due at `now`, at most a batch.
///
/// # Errors
/// [`StoreError`] when the outbox cannot be read or written; what was posted may be posted again.
pub async fn deliver_due(
    store: &Store,
    target: &WebhookTarget,
    now: Timestamp,
) -> Result<Delivery, StoreError> {
    let mut round = Delivery::default();
    for due in store.due_webhooks(now, BATCH_MAX).await? {
        let mark = match target.post(&due, now).await {
            Ok(()) => WebhookMark::Delivered { at: now },
            Err(Refusal::ForGood(error)) => WebhookMark::Failed { at: now, error },
            Err(Refusal::ForNow(error)) => {
                let next = now.saturating_add(backoff(due.attempts)).unwrap_or(Timestamp::MAX);
                if next.duration_since(due.created_at) > GIVE_UP_AFTER {
                    WebhookMark::Failed { at: now, error }
                } else {
                    WebhookMark::Retry { at: next, error }
                }
            }
        };
        match &mark {
            WebhookMark::Delivered { .. } => round.delivered += 1,
            WebhookMark::Retry { error, .. } => {
                tracing::warn!(handoff = %due.handoff, error, "webhook: will try again");
                round.retried += 1;
            }
            WebhookMark::Failed { error, .. } => {
                tracing::error!(handoff = %due.handoff, error, "webhook: given up");
                round.failed += 1;
            }
        }
        store.mark_webhook(due.id, &mark).await?;
    }
    Ok(round)
}

/// Doubles from the base, up to the maximum, spread over three quarters to five quarters.
fn backoff(attempts: u32) -> SignedDuration {
    let doubled = BACKOFF_BASE.saturating_mul(1 << attempts.min(16)).min(BACKOFF_MAX);
    doubled.mul_f64(0.75 + rand::random::<f64>() / 2.0)
}

/// Delivers until told to stop: at once when a hand-off is put in, later as tries fall due.
pub async fn run(store: &Store, target: &WebhookTarget, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let round = tokio::select! {
            round = deliver_due(store, target, Timestamp::now()) => round,
            () = stop.cancelled() => return,
        };
        let wait = match round {
            Ok(_) => next_round(store).await,
            Err(error) => {
                tracing::error!(%error, "webhook: the outbox cannot be used");
                IDLE_MAX
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = store.outbox_filled() => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn next_round(store: &Store) -> Duration {
    match store.next_webhook_at().await {
        Ok(Some(at)) => {
            let wait = at.duration_since(Timestamp::now());
            Duration::try_from(wait).unwrap_or(Duration::ZERO).min(IDLE_MAX)
        }
        _ => IDLE_MAX,
    }
}
