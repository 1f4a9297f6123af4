//! Connectors to the organisation's own systems, declared in `frontdoor.toml`.
//!
//! Job: run one declared action and say truly what came of it. An answer is either the outputs or
//! one [`ActionFailure`]; whoever speaks about it may claim nothing that is not in there.
//! Non-job: deciding which action to run, or what to say.

mod demo_crm;
mod failure;
mod http;
mod list;
mod sql;
mod sqlite;

pub use demo_crm::{DemoCrm, DemoCrmError, Table};
pub use failure::{ActionFailure, ActionOutcome, FailureKind};
pub use sql::{SeedError, reset_databases};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{LIST_OUTPUT, Pii};
use crate::config::{ActionConfig, Config, ConnectorConfig};

use self::demo_crm::Operation;
use self::http::HttpConnector;
use self::sql::{SqlConnector, SqlGate};

/// One run of a declared action.
#[derive(Debug, Clone)]
pub struct ActionRequest {
    /// The declared name (`crm.balance`).
    pub action: String,
    /// A value for every declared input, in the slot's normal form. Others are ignored.
    pub inputs: BTreeMap<String, Pii<String>>,
    /// Call id and run id: the same run asked twice is done once.
    pub idempotency_key: String,
}

/// Why the actions of a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ActionsError {
    /// A secret is not in the environment.
    #[error(
        "actions.\"{action}\".{key} names the environment variable {variable}, which is not set. \
         Set it before starting frontdoor"
    )]
    SecretMissing {
        /// The declared action.
        action: String,
        /// The key in `frontdoor.toml`.
        key: &'static str,
        /// The variable.
        variable: String,
    },
    /// The declaration does not fit what the connector can do.
    #[error("actions.\"{action}\": {message}")]
    Declaration {
        /// The declared action.
        action: String,
        /// What is wrong and how to fix it.
        message: String,
    },
    /// No HTTP client can be made (no TLS roots, no file descriptors).
    #[error("the HTTP client for actions cannot be made: {0}")]
    Client(#[source] reqwest::Error),
    /// The demo CRM's file cannot be made.
    #[error(transparent)]
    DemoCrm(#[from] DemoCrmError),
    /// A database cannot be made from its seed.
    #[error(transparent)]
    Seed(#[from] SeedError),
}

enum Connector {
    DemoCrm(Operation),
    Http(Box<HttpConnector>),
    Sql(Box<SqlConnector>),
}

struct Action {
    declared: ActionConfig,
    connector: Connector,
}

struct Inner {
    actions: BTreeMap<String, Action>,
    demo_crm: DemoCrm,
    sql_gate: SqlGate,
}

/// All declared actions, ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Actions {
    inner: Arc<Inner>,
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner.actions.keys()).finish()
    }
}

impl Actions {
    /// Makes every declared action ready. If one uses the demo CRM and its file does not exist, the
    /// file is made with the seed; a file that exists but cannot be used is left alone, and its
    /// actions answer `unavailable` until it can. The same goes for a database with a seed.
    ///
    /// # Errors
    /// [`ActionsError`] when a declaration cannot work.
    pub async fn open(config: &Config) -> Result<Self, ActionsError> {
        let client = http::client().map_err(ActionsError::Client)?;
        let sql_gate = SqlGate::new();
        let mut actions = BTreeMap::new();
        for (name, declared) in &config.actions {
            let connector = match &declared.connector {
                ConnectorConfig::DemoCrm { outputs } => {
                    Connector::DemoCrm(Operation::for_action(declared, outputs)?)
                }
                ConnectorConfig::Http(http) => {
                    let token = bearer(name, http.bearer_env.as_deref())?;
                    let http = HttpConnector::new(client.clone(), declared, http, token);
                    Connector::Http(Box::new(http))
                }
                ConnectorConfig::Sql(sql) => {
                    let sql = SqlConnector::new(declared, sql, sql_gate.clone());
                    Connector::Sql(Box::new(sql))
                }
            };
            actions.insert(name.clone(), Action { declared: declared.clone(), connector });
        }
        let demo_crm = DemoCrm::new(config.demo_crm_path());
        if config.uses_demo_crm() {
            demo_crm.create_if_missing().await?;
        }
        for (database, seed) in config.seeded_databases() {
            sql::create_if_missing(database, seed).await?;
        }
        for action in actions.values() {
            if let Connector::Sql(sql) = &action.connector {
                sql.check().await?;
            }
        }
        Ok(Self { inner: Arc::new(Inner { actions, demo_crm, sql_gate }) })
    }

    /// Runs one action within its declared time.
    ///
    /// # Errors
    /// [`ActionFailure`]: `Timeout` means that nobody knows whether it was done.
    pub async fn run(&self, request: ActionRequest) -> ActionOutcome {
        let Some(action) = self.inner.actions.get(&request.action) else {
            return Err(ActionFailure::bad_request(format!(
                "no action \"{}\" is declared",
                request.action
            )));
        };
        let declared = &action.declared;
        if let Some(missing) = declared.inputs.iter().find(|i| !request.inputs.contains_key(*i)) {
            return Err(ActionFailure::bad_request(format!("input \"{missing}\" is missing")));
        }
        let limit = Duration::from_millis(declared.timeout_ms);
        let work = async {
            match &action.connector {
                Connector::DemoCrm(operation) => {
                    self.inner.demo_crm.run(*operation, &request, limit).await
                }
                Connector::Http(http) => http.run(&request, declared.changes_state, limit).await,
                Connector::Sql(sql) => sql.run(&request, limit).await,
            }
        };
        let mut outputs = match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                let detail = format!("no answer within {} ms", declared.timeout_ms);
                return Err(ActionFailure { kind: FailureKind::Timeout, detail });
            }
        };
        let names = declared.output_names();
        let is_list = |name: &str| declared.list.is_some() && name == LIST_OUTPUT;
        outputs.retain(|name, _| names.contains(&name.as_str()) || is_list(name));
        Ok(outputs)
    }

    /// Waits until nothing is being written any more. Runs that are still going finish or time out.
    pub async fn close(&self) {
        self.inner.demo_crm.settle().await;
        self.inner.sql_gate.settle().await;
    }
}

fn bearer(action: &str, variable: Option<&str>) -> Result<Option<Pii<String>>, ActionsError> {
    let Some(variable) = variable else { return Ok(None) };
    match std::env::var(variable) {
        Ok(token) if !token.trim().is_empty() => Ok(Some(Pii::new(token.trim().to_owned()))),
        _ => Err(ActionsError::SecretMissing {
            action: action.to_owned(),
            key: "bearer_env",
            variable: variable.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
