//! The description of the API (OpenAPI 3.1), made from the routes themselves.

use std::sync::Arc;

use axum::extract::Extension;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, PathItem};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::web::Web;
use crate::web::auth::SESSION_COOKIE;
use crate::web::error::ErrorBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "frontdoor",
        description = "Calls from browsers, the desks of agents, queues, and who may do what. \
                       Errors are JSON: `error` says what is wrong, `fix` what to do about it."
    ),
    tags(
        (name = "call", description = "Calls from browsers."),
        (name = "session", description = "Signing in."),
        (name = "desk", description = "For agents."),
        (name = "floor", description = "For supervisors."),
        (name = "ops", description = "For operations."),
        (name = "handoffs", description = "What was learned before a person took over."),
        (name = "admin", description = "For admins."),
        (name = "about", description = "About the API."),
    ),
    components(schemas(ErrorBody)),
    modifiers(&Ways)
)]
struct Api;

/// The ways to be let in.
struct Ways;

impl Modify for Ways {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let cookie = ApiKeyValue::with_description(
            SESSION_COOKIE,
            "Given by POST /api/session. Whatever changes something needs the session's `csrf` as \
             X-CSRF-Token besides. The roles that may do it stand with each operation.",
        );
        let session = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
        components.add_security_scheme("session", session);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Made by POST /api/admin/tokens, with scopes."))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// A router that knows what all of the API has in common.
pub(in crate::web) fn base() -> OpenApiRouter<Web> {
    OpenApiRouter::with_openapi(Api::openapi())
}

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(description))
}

/// The document as it is given out.
#[derive(Clone)]
pub(in crate::web) struct Written(Arc<str>);

impl Written {
    pub(in crate::web) fn of(document: &Document) -> Self {
        // Made of maps and text only.
        Self(document.to_json().unwrap_or_default().into())
    }
}

/// Describes all of this
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "about",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json"))
)]
async fn description(Extension(Written(document)): Extension<Written>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document.to_string())
}

/// Names every operation by its kind and what it does: names are unique in the whole document.
pub(in crate::web) fn name_operations(document: &mut Document) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let kind = operation.tags.as_ref().and_then(|tags| tags.first());
            if let (Some(kind), Some(name)) = (kind, &operation.operation_id) {
                operation.operation_id = Some(format!("{kind}_{name}"));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}
