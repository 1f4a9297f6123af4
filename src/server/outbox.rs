//! Delivers stored hand-offs to the webhook, in the background, for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::WebhookConfig;
use crate::store::{Store, webhook};

/// How often the outbox is looked at when nothing new comes in.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs until cancelled. `new` wakes it as soon as a hand-off is stored.
pub(super) async fn run(
    store: Store,
    config: WebhookConfig,
    new: Arc<Notify>,
    stop: CancellationToken,
) {
    let deliverer = match webhook::Deliverer::new(&config) {
        Ok(deliverer) => deliverer,
        Err(error) => {
            tracing::error!(%error, "hand-offs are stored but not posted");
            return;
        }
    };
    loop {
        match deliverer.deliver_due(&store).await {
            Ok(delivered) if delivered > 0 => tracing::info!(delivered, "hand-offs posted"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the outbox could not be worked off"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = new.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
