//! `/api/handoffs`: what was learned before a person took over, for those who take over and for
//! other programs; and what a hand-off looks like.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::handoff::{Handoff, json_schema};
use crate::acd::vcon::{MEDIA_TYPE, VconCall, answered_at, vcon};
use crate::base::{CallId, Pii};
use crate::store::{AuditAction, HandoffId, StoreError, vcon_of};
use crate::web::Web;
use crate::web::auth::HandoffReader;
use crate::web::error::{ApiError, ErrorBody, ForSignedIn};
use crate::web::input::PathPart;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(handoff)).routes(routes!(as_vcon)).routes(routes!(schema))
}

/// The document of this reference, as it was stored; and the reference as the audit has it, however it
/// was written.
async fn stored(web: &Web, reference: &str) -> Result<(String, String), ApiError> {
    let none = || ApiError::not_found("there is no hand-off of this reference");
    // References look like ids of hand-offs: whatever else is asked for is none.
    let reference: HandoffId = reference.parse().map_err(|_| none())?;
    let reference = reference.to_string();
    let found = web.store().handoff_by_reference(&reference).await?;
    Ok((found.ok_or_else(none)?, reference))
}

/// Whether they may see this call: agents those that they have taken, or are offered at present.
async fn check_is_theirs(web: &Web, reader: &HandoffReader, call: &str) -> Result<(), ApiError> {
    let Some(agent) = &reader.only_of else { return Ok(()) };
    let floor = web.backend().floor.borrow().clone();
    let waiting = floor.queues.iter().flat_map(|queue| &queue.waiting);
    let mut offered = waiting.filter(|waiter| waiter.offered_to.as_ref() == Some(agent));
    if offered.any(|waiter| waiter.call_id == call) || web.store().has_taken(call, agent).await? {
        return Ok(());
    }
    Err(ApiError::forbidden("this call was taken by others")
        .with_fix("agents see hand-offs of calls that they have taken, or are offered"))
}

fn senseless(what: &str) -> ApiError {
    ApiError::unavailable("this hand-off cannot be read").with_cause(what.to_owned())
}

/// A hand-off
///
/// Under the reference that the telephone system, the desk or the webhook was given. Agents are given those of
/// calls that they have taken, or are offered.
#[utoipa::path(
    get,
    path = "/api/handoffs/{reference}",
    tag = "handoffs",
    params(("reference" = String, Path, description = "128 bits in hexadecimal.")),
    responses(
        (
            status = 200,
            description = "As GET /api/schemas/handoff-1.json describes.",
            body = Value,
            content_type = "application/json"
        ),
        (status = 404, description = "There is no such hand-off.", body = ErrorBody),
        ForSignedIn,
    ),
    security(
        ("session" = ["agent", "supervisor", "operations", "admin"]),
        ("token" = ["handoffs"])
    )
)]
async fn handoff(
    reader: HandoffReader,
    State(web): State<Web>,
    PathPart(reference): PathPart<String>,
) -> Result<Response, ApiError> {
    let (document, reference) = stored(&web, &reference).await?;
    let handoff: Handoff =
        serde_json::from_str(&document).map_err(|_| senseless("a stored hand-off"))?;
    check_is_theirs(&web, &reader, &handoff.call_id).await?;
    web.audit(&reader.actor, AuditAction::HandoffFetched, &reference).await?;
    Ok(([(CONTENT_TYPE, "application/json")], document).into_response())
}

/// The call of a hand-off as a vCon
///
/// Who took part, what was said, the recording by its address, and the hand-offs (IETF
/// draft-ietf-vcon-vcon-core).
#[utoipa::path(
    get,
    path = "/api/handoffs/{reference}/vcon",
    tag = "handoffs",
    params(("reference" = String, Path, description = "128 bits in hexadecimal.")),
    responses(
        (
            status = 200,
            description = "The whole call, as far as it is known by now.",
            body = Value,
            content_type = "application/vcon"
        ),
        (status = 404, description = "There is no such hand-off.", body = ErrorBody),
        ForSignedIn,
    ),
    security(
        ("session" = ["agent", "supervisor", "operations", "admin"]),
        ("token" = ["handoffs"])
    )
)]
async fn as_vcon(
    reader: HandoffReader,
    State(web): State<Web>,
    PathPart(reference): PathPart<String>,
) -> Result<Response, ApiError> {
    let (document, reference) = stored(&web, &reference).await?;
    let handoff: Handoff =
        serde_json::from_str(&document).map_err(|_| senseless("a stored hand-off"))?;
    check_is_theirs(&web, &reader, &handoff.call_id).await?;
    let call: CallId = handoff.call_id.parse().map_err(|_| senseless("the id of its call"))?;
    let whole = match web.store().call(call).await {
        Ok(record) => vcon_of(record, web.config().public_url.as_deref(), web.now().at).await,
        // The record may be gone, or may never have been there.
        Err(StoreError::NoSuchCall { .. }) => of_handoff(&web, call, handoff),
        Err(error) => return Err(error.into()),
    };
    web.audit(&reader.actor, AuditAction::HandoffFetched, &reference).await?;
    let written = serde_json::to_string(&vcon(whole)).map_err(|_| senseless("a vCon"))?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], written).into_response())
}

fn of_handoff(web: &Web, call: CallId, handoff: Handoff) -> VconCall {
    let made_at = web.now().at;
    VconCall {
        call,
        answered_at: answered_at(&handoff).unwrap_or(made_at),
        made_at,
        caller: Pii::new(handoff.caller.clone()),
        called: handoff.called.clone(),
        agent: None,
        lines: handoff.transcript.clone(),
        recording: None,
        handoffs: vec![handoff],
    }
}

/// What a hand-off looks like
#[utoipa::path(
    get,
    path = "/api/schemas/handoff-1.json",
    tag = "handoffs",
    responses((
        status = 200,
        description = "A JSON Schema (draft 2020-12) of `frontdoor.handoff/1`.",
        body = Value,
        content_type = "application/json"
    ))
)]
async fn schema() -> Json<Value> {
    Json(json_schema())
}
