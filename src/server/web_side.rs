//! Pages and HTTP API beside the telephone: started where `[web]` says so.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::Pii;
use crate::config::{Called, Config, DeskConfig, WebConfig};
use crate::store::Store;
use crate::web::ice::IceServers;
use crate::web::{
    self, Accounts, Backend, DeskFacts, Facts, Reporting, Tls, Web, WebError, WebParts,
};

use super::profiles::Profiles;

/// Where pages are, for the one who started the server.
#[derive(Debug)]
pub struct WebStarted {
    /// Where they are listened for.
    pub address: SocketAddr,
    /// How they are reached, without a slash at the end.
    pub url: String,
    /// The account that was made since there was none, with its password: it is not to be had
    /// again.
    pub first_admin: Option<(String, Pii<String>)>,
}

/// What goes on by itself once it is started.
pub(super) struct WebSide {
    pub started: WebStarted,
    /// For renewing the certificate.
    pub tls: Option<Tls>,
}

/// Begins to serve pages.
///
/// # Errors
/// The address is taken, the certificate cannot be used, or there can be no accounts.
pub(super) async fn start(
    (web, config): (&WebConfig, &Config),
    store: &Store,
    profiles: &Profiles,
    backend: Backend,
    (background, stop): (&TaskTracker, &CancellationToken),
) -> Result<WebSide, WebError> {
    let ice_servers = IceServers::new(&config.webrtc, |name| std::env::var(name).ok())?;
    let (listener, tls, address) = web::open(web).await?;
    let accounts = Accounts::new(store.clone())?;
    let first_admin = accounts.first_admin(Timestamp::now()).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = web.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let web = Web::new(WebParts {
        backend,
        store: store.clone(),
        accounts,
        config: web.clone(),
        reporting: reporting(config),
        facts: Arc::new(PageFacts { profiles: profiles.clone(), desk: config.desk.clone() }),
        ice_servers,
    });
    background.spawn(web::serve(listener, tls.clone(), web, stop.clone()));
    Ok(WebSide { started: WebStarted { address, url, first_admin }, tls })
}

/// What counts in reports, as `frontdoor stats` has it.
fn reporting(config: &Config) -> Reporting {
    let checks = config.verifications.values().map(|verification| verification.action.clone());
    Reporting { understood_from: config.understanding.confirm_confidence, checks: checks.collect() }
}

/// What pages are told, from the prompt files in force and the configuration.
struct PageFacts {
    profiles: Profiles,
    desk: DeskConfig,
}

impl Facts for PageFacts {
    fn house(&self, to: &str) -> Option<String> {
        if to.is_empty() {
            return Some(self.profiles.first().generation.house.name.clone());
        }
        let running = self.profiles.of_call(&Called { requested: to, to: "", trunk: None })?;
        Some(running.generation.house.name.clone())
    }

    fn desk(&self, agent: &str) -> DeskFacts {
        let mut tasks = BTreeSet::new();
        for running in self.profiles.all() {
            let done_here = running.generation.intents.iter().filter(|i| i.action.is_some());
            tasks.extend(done_here.map(|intent| intent.name.as_str().to_owned()));
        }
        DeskFacts {
            dispositions: self.desk.dispositions.clone(),
            away_reasons: self.desk.away_reasons.clone(),
            numbers: self.desk.numbers.keys().cloned().collect(),
            tasks: tasks.into_iter().collect(),
            has_phone: self.desk.phones.contains_key(agent),
        }
    }
}
