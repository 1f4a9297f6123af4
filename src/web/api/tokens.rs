//! `/api/admin/tokens`: what other programs are let in with.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::store::{Scope, TokenRecord};
use crate::web::Web;
use crate::web::auth::Admin;
use crate::web::error::{ApiError, ErrorBody, ForBodies, ForSignedIn};
use crate::web::input::{JsonBody, PathPart};

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list_tokens, add_token)).routes(routes!(remove_token))
}

/// A token, without what has to be known.
#[derive(Serialize, ToSchema)]
struct TokenView {
    /// Names it.
    id: i64,
    /// What it is for.
    name: String,
    /// `call`, `handoffs`, `metrics`.
    scopes: Vec<&'static str>,
    /// When it was made.
    created_at: String,
    /// By whom.
    created_by: String,
    /// When it was last shown, to a minute or so.
    last_used_at: Option<String>,
}

impl TokenView {
    fn of(token: &TokenRecord) -> Self {
        Self {
            id: token.id,
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            created_at: token.created_at.to_string(),
            created_by: token.created_by.clone(),
            last_used_at: token.used_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct TokenList {
    /// The oldest first.
    tokens: Vec<TokenView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// What it is for.
    #[schema(example = "the CRM")]
    name: String,
    /// What it is good for.
    scopes: Vec<ScopeWord>,
}

/// What a token is good for.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ScopeWord {
    /// Have a browser call, and say who is calling.
    Call,
    /// Fetch hand-offs.
    Handoffs,
    /// Read what was counted.
    Metrics,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Call => Self::Call,
            ScopeWord::Handoffs => Self::Handoffs,
            ScopeWord::Metrics => Self::Metrics,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct AddedToken {
    /// The token's entry.
    #[serde(flatten)]
    entry: TokenView,
    /// What has to be shown, as `Authorization: Bearer`; it is not to be had again.
    token: String,
}

/// Lists tokens
#[utoipa::path(
    get,
    path = "/api/admin/tokens",
    tag = "admin",
    responses((status = 200, description = "All of them.", body = TokenList), ForSignedIn),
    security(("session" = ["admin"]))
)]
async fn list_tokens(_: Admin, State(web): State<Web>) -> Result<Json<TokenList>, ApiError> {
    let tokens = web.store().tokens().await?;
    Ok(Json(TokenList { tokens: tokens.iter().map(TokenView::of).collect() }))
}

/// Makes a token
#[utoipa::path(
    post,
    path = "/api/admin/tokens",
    tag = "admin",
    request_body = NewToken,
    responses(
        (status = 201, description = "Made.", body = AddedToken),
        ForSignedIn,
        ForBodies,
    ),
    security(("session" = ["admin"]))
)]
async fn add_token(
    admin: Admin,
    State(web): State<Web>,
    JsonBody(NewToken { name, scopes }): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<AddedToken>), ApiError> {
    let scopes: BTreeSet<Scope> = scopes.into_iter().map(Scope::from).collect();
    let now = web.now().at;
    let (token, secret) = web.accounts().add_token(&admin.actor(), &name, &scopes, now).await?;
    let added = AddedToken { entry: TokenView::of(&token), token: secret.into_inner() };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Takes a token back
#[utoipa::path(
    delete,
    path = "/api/admin/tokens/{id}",
    tag = "admin",
    params(("id" = i64, Path, description = "The token.")),
    responses(
        (status = 204, description = "It is good for nothing any more."),
        (status = 404, description = "There is no such token.", body = ErrorBody),
        ForSignedIn,
    ),
    security(("session" = ["admin"]))
)]
async fn remove_token(
    admin: Admin,
    State(web): State<Web>,
    PathPart(id): PathPart<i64>,
) -> Result<StatusCode, ApiError> {
    if web.accounts().remove_token(&admin.actor(), id, web.now().at).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found(format!("there is no token {id}")))
}
