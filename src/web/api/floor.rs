//! `/api/floor`: queues and agents, for those who direct them.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::{AgentId, Presence};
use crate::store::{AccountChange, AuditAction};
use crate::web::accounts::Look;
use crate::web::auth::Supervisor;
use crate::web::backend::Ask;
use crate::web::error::{ApiError, ErrorBody, ForBodies, ForSignedIn, ForWhatMayBeOver};
use crate::web::input::{JsonBody, PathPart};
use crate::web::view::Floor;
use crate::web::{Web, sse};

use super::accounts::AccountView;
use super::desk::StateWanted;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(floor))
        .routes(routes!(events))
        .routes(routes!(set_state))
        .routes(routes!(set_skills))
}

/// What an agent is good at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SkillsWanted {
    /// Skills with their levels: 1 (a beginner) to 5 (an expert).
    #[schema(example = json!({"cards": 4}))]
    skills: Option<BTreeMap<String, u8>>,
    /// Language tags; any language if there are none.
    #[schema(example = json!(["en", "es-US"]))]
    languages: Option<BTreeSet<String>>,
}

/// Queues and agents as they are now
#[utoipa::path(
    get,
    path = "/api/floor",
    tag = "floor",
    responses((status = 200, description = "As they are.", body = Floor), ForSignedIn),
    security(("session" = ["supervisor", "admin"]))
)]
async fn floor(_: Supervisor, State(web): State<Web>) -> Json<Floor> {
    Json(Floor::clone(&web.backend().floor.borrow()))
}

/// The same, again each time that it is otherwise
#[utoipa::path(
    get,
    path = "/api/floor/events",
    tag = "floor",
    responses(
        (
            status = 200,
            description = "Server-sent events `floor`, `data` is this.",
            body = Floor,
            content_type = "text/event-stream"
        ),
        ForSignedIn,
    ),
    security(("session" = ["supervisor", "admin"]))
)]
async fn events(supervisor: Supervisor, State(web): State<Web>) -> Response {
    let mut floors = web.backend().floor.clone();
    floors.mark_changed();
    let events = stream::unfold(floors, |mut floors| async move {
        floors.changed().await.ok()?;
        let floor = floors.borrow_and_update().clone();
        Some((sse::event("floor", &*floor), floors))
    });
    sse::answer(web, sse::Until::SessionEnds(supervisor.session, Look::Leaves), events)
}

/// Changes what an agent does
#[utoipa::path(
    post,
    path = "/api/floor/agents/{name}/state",
    tag = "floor",
    params(("name" = String, Path, description = "The account.")),
    request_body = StateWanted,
    responses(
        (status = 204, description = "It holds; during a call or an offer, after it."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["supervisor", "admin"]))
)]
async fn set_state(
    supervisor: Supervisor,
    State(web): State<Web>,
    PathPart(name): PathPart<String>,
    JsonBody(wanted): JsonBody<StateWanted>,
) -> Result<StatusCode, ApiError> {
    let presence = wanted.presence()?;
    let word = match &presence {
        Presence::Ready => "ready",
        Presence::Away(_) => "away",
        Presence::Offline => "offline",
    };
    let agent = AgentId::new(name.clone());
    web.ask(|reply| Ask::SetPresence { agent, presence, reply }).await?;
    let subject = format!("{name}: {word}");
    web.audit(&supervisor.actor(), AuditAction::StateChanged, &subject).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what an agent is good at
///
/// In force from the next call on that is offered; a call that they have stays theirs.
#[utoipa::path(
    put,
    path = "/api/floor/agents/{name}/skills",
    tag = "floor",
    params(("name" = String, Path, description = "The account.")),
    request_body = SkillsWanted,
    responses(
        (status = 200, description = "Changed.", body = AccountView),
        (status = 404, description = "There is no such account.", body = ErrorBody),
        ForSignedIn,
        ForBodies,
    ),
    security(("session" = ["supervisor", "admin"]))
)]
async fn set_skills(
    supervisor: Supervisor,
    State(web): State<Web>,
    PathPart(name): PathPart<String>,
    JsonBody(SkillsWanted { skills, languages }): JsonBody<SkillsWanted>,
) -> Result<Json<AccountView>, ApiError> {
    let change = AccountChange { skills, languages, ..AccountChange::default() };
    let now = web.now().at;
    let account = web.accounts().change(&supervisor.actor(), &name, &change, now).await?;
    Ok(Json(AccountView::of(&account)))
}
