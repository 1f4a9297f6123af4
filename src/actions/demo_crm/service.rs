//! The demo CRM as a system of its own, over HTTP: a real other side for the HTTP connector, to
//! try it on, to stop in the middle of a call, and to copy a configuration from.
//!
//! `POST /{operation}` with the inputs as a JSON object of strings; the outputs come back the same
//! way, a list as an array of strings, and what there is none of (the subject of a customer without
//! an open ticket) as null. It knows no users: it listens for this machine only unless told
//! otherwise.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::actions::ActionRequest;
use crate::actions::failure::{ActionFailure, FailureKind};
use crate::base::{LIST_OUTPUT, Pii, split_list};

use super::{DemoCrm, Operation};

/// Time for one operation.
const LIMIT: Duration = Duration::from_secs(3);

impl DemoCrm {
    /// Answers requests until `stop` resolves.
    ///
    /// # Errors
    /// The socket failed.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let router = Router::new().route("/{operation}", post(answer)).with_state(Arc::new(self));
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    }
}

async fn answer(
    State(crm): State<Arc<DemoCrm>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(inputs): Json<BTreeMap<String, String>>,
) -> Response {
    let Some(operation) = Operation::named(&name) else {
        return problem(StatusCode::NOT_FOUND, "no such operation");
    };
    if let Some(missing) = operation.inputs().iter().find(|input| !inputs.contains_key(**input)) {
        return problem(StatusCode::BAD_REQUEST, &format!("{missing} is missing"));
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let request = ActionRequest {
        action: name,
        inputs: inputs.into_iter().map(|(name, value)| (name, Pii::new(value))).collect(),
        idempotency_key: key.to_owned(),
    };
    match crm.run(operation, &request, LIMIT).await {
        Ok(outputs) => {
            let outputs = outputs.into_iter().map(|(name, value)| {
                let value: serde_json::Value = match name.as_str() {
                    LIST_OUTPUT => split_list(value.expose()).collect::<Vec<_>>().into(),
                    _ => value.into_inner().into(),
                };
                (name, value)
            });
            let none = operation.outputs().iter();
            let none = none.map(|name| ((*name).to_owned(), serde_json::Value::Null));
            let outputs: serde_json::Map<_, _> = none.chain(outputs).collect();
            Json(outputs).into_response()
        }
        Err(failure) => {
            tracing::info!(operation = request.action, %failure, "declined");
            problem(status_of(&failure), failure.kind.as_words())
        }
    }
}

/// A connector maps statuses to words, so refusals that mean different things differ in status.
fn status_of(failure: &ActionFailure) -> StatusCode {
    match &failure.kind {
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::Refused(word) if word == "insufficient funds" => StatusCode::PAYMENT_REQUIRED,
        FailureKind::Refused(word) if word == "same account" => StatusCode::UNPROCESSABLE_ENTITY,
        FailureKind::Refused(_) => StatusCode::CONFLICT,
        FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        FailureKind::BadRequest => StatusCode::BAD_REQUEST,
    }
}

fn problem(status: StatusCode, words: &str) -> Response {
    (status, Json(BTreeMap::from([("error", words)]))).into_response()
}
